//! What happens later: whatever waits in the durable queue is taken from it here and handed to
//! whoever it is for.
//!
//! ```text
//!                     ┌─▶ dispatcher   events for functions ─▶ Invoker, then destinations
//!  queue ──▶ worker ──┤                                         and dead-letter queues
//!             turns   └─▶ deliveries   what services hand each other ─▶ queues, topics, buses,
//!                                                                       functions, HTTP, logs
//! ```
//!
//! [`schedules`] put what happens by the time of day into the queue.
//! [`retry`] decides what happens to an event, `turns` which lane is next; both are pure. `record`
//! writes what is told of an event that is over.
//!
//! # Promises
//!
//! 1. Nothing that is in the queue is lost: it is removed in the same batch that puts what it leads
//!    to.
//! 2. Neither a function with many events nor a receiver that is down delays the others.
//!
//! # Deliberately absent
//!
//! Nothing here runs a function: that is `hearth-invoke`'s. Nothing speaks a protocol.

pub mod retry;
pub mod deliveries;
pub mod schedules;
mod dispatcher;
mod record;
mod worker;
mod turns;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hearth_control::control::Control;
use hearth_invoke::Invoker;
use hearth_store::queue::Queue;
use hearth_types::limits;
use hearth_types::metrics::Metrics;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;

use crate::deliveries::{Deliveries, Receivers};
use crate::dispatcher::{Dispatcher, Lambda};
use crate::retry::Delays;
use crate::schedules::Clockwork;
use crate::turns::Limits;
use crate::worker::{Common, Worker};

/// What is worked with.
#[derive(Debug)]
pub struct Parts {
    /// What is configured for functions.
    pub control: Arc<Control>,
    /// What runs them.
    pub invoker: Arc<Invoker>,
    /// Where everything waits.
    pub queue: Arc<dyn Queue>,
    /// Who takes what is delivered.
    pub receivers: Receivers,
    /// Who counts.
    pub metrics: Arc<dyn Metrics>,
    /// The time that the queue goes by, of this whole server.
    pub time: Arc<Steady>,
    /// The owner of the tasks.
    pub tasks: Tasks,
    /// How long things wait between attempts.
    pub delays: Delays,
    /// What happens by the time of day.
    pub schedules: schedules::Parts,
}

/// Everything that takes from the queue, and what puts something into it by the time of day.
#[derive(Debug)]
pub struct Events {
    events: Arc<Worker<Dispatcher<Lambda>>>,
    deliveries: Arc<Worker<Deliveries>>,
    schedules: Clockwork,
}

impl Events {
    /// Begins to work through what waits, and through what comes.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let Parts { control, invoker, queue, receivers, metrics, time, tasks, delays, schedules } =
            parts;
        let common =
            Common { queue, metrics, time, tasks, closing: Arc::new(AtomicBool::new(false)) };
        let functions = Lambda { control, invoker };
        let events = Dispatcher { functions, common: common.clone(), delays };
        let deliveries = Deliveries::new(receivers, common.clone(), delays);
        let of_events = Limits {
            entries: limits::EVENTS_RUNNING_MAX,
            of_lane: limits::EVENTS_RUNNING_OF_FUNCTION_MAX,
            bytes: limits::EVENTS_RUNNING_BYTES_MAX,
            hold_ms: delays.backoff_ms_min,
        };
        let of_deliveries = Limits {
            entries: limits::DELIVERIES_RUNNING_MAX,
            of_lane: limits::DELIVERIES_RUNNING_OF_LANE_MAX,
            bytes: limits::DELIVERIES_RUNNING_BYTES_MAX,
            hold_ms: delays.backoff_ms_min,
        };
        Self {
            events: Worker::start(events, common.clone(), of_events),
            deliveries: Worker::start(deliveries, common.clone(), of_deliveries),
            schedules: Clockwork::start(schedules, common),
        }
    }

    /// Takes nothing more from the queue. What is being worked on ends by itself; what fails from
    /// now on is put back as it was.
    pub fn close(&self) {
        self.events.close();
        self.deliveries.close();
        self.schedules.close();
    }

    /// How many events and deliveries are being worked on.
    #[must_use]
    pub fn working(&self) -> usize {
        self.events.working() + self.deliveries.working()
    }
}
