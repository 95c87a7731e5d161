//! The shutdown phase: what is inside hears that it is about to end, and has a moment for it.
//!
//! ```text
//!  ShutDown ──▶ Runtime ──ended, or its part of the time is over──▶ Extensions ──▶ (ShutDown happens)
//!               SIGTERM                                SIGKILL      event or SIGKILL
//! ```
//!
//! AWS: without extensions there is no such phase, and everything is killed at once. With internal
//! ones it has 500 ms, all of them the runtime's; with external ones 2,000 ms, of which the runtime
//! has a part. Who has not ended by then is killed by the reset, or with the walls.

use std::time::Duration;

use hearth_guest::protocol::{Process, Signal};
use hearth_types::limits::{
    SHUTDOWN_EXTERNAL_MILLIS, SHUTDOWN_INTERNAL_MILLIS, SHUTDOWN_RUNTIME_PERCENT,
};
use tokio::time::Instant;

use super::Driver;
use crate::lifecycle::{Event, Reason};
use crate::runtime_api::extensions::{ExtensionEvent, Farewell, Presence};
use crate::telemetry::hub::When;

/// How far the shutdown phase is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shutdown {
    stage: Stage,
    reason: Reason,
    /// When everybody is killed.
    ends: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The runtime was told to terminate.
    Runtime,
    /// Extensions were told.
    Extensions,
}

fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Spindown => "spindown",
        Reason::Timeout => "timeout",
        Reason::Failure => "failure",
    }
}

impl Driver {
    /// Begins the shutdown phase. Without extensions it is over at once.
    pub(super) fn shut_down(&mut self, reason: Reason) {
        self.deadline = None;
        let (whole, runtimes) = match self.beside.known.presence() {
            Presence::None => {
                self.happen(Event::ShutDown);
                return;
            }
            Presence::Internal => (SHUTDOWN_INTERNAL_MILLIS, SHUTDOWN_INTERNAL_MILLIS),
            Presence::External => {
                let part = SHUTDOWN_EXTERNAL_MILLIS * SHUTDOWN_RUNTIME_PERCENT / 100;
                (SHUTDOWN_EXTERNAL_MILLIS, part)
            }
        };
        self.thaw();
        self.work.session_over();
        self.beside.known.close();
        let now = Instant::now();
        let ends = now + Duration::from_millis(whole);
        self.beside.shutdown = Some(Shutdown { stage: Stage::Runtime, reason, ends });
        self.log.drain(self.shared.clock.now());
        self.send_telemetry(When::Now);
        if self.beside.runtime_runs {
            self.deadline = Some(now + Duration::from_millis(runtimes));
            self.tell("terminate the runtime", |control| {
                control.signal(&Process::Runtime, Signal::Terminate)
            });
        } else {
            self.shut_down_extensions();
        }
    }

    /// A process has ended: perhaps it was the one that the shutdown phase waits for.
    pub(super) fn shutdown_goes_on(&mut self) {
        let Some(shutdown) = self.beside.shutdown else { return };
        match shutdown.stage {
            Stage::Runtime if !self.beside.runtime_runs => self.shut_down_extensions(),
            Stage::Extensions if !self.beside.known.linger() => self.shutdown_is_over(),
            Stage::Runtime | Stage::Extensions => {}
        }
    }

    /// The time for this part of the shutdown phase is over.
    pub(super) fn shutdown_times_out(&mut self) {
        match self.beside.shutdown.map(|shutdown| shutdown.stage) {
            Some(Stage::Runtime) => {
                self.tell("kill the runtime", |control| {
                    control.signal(&Process::Runtime, Signal::Kill)
                });
                self.shut_down_extensions();
            }
            Some(Stage::Extensions) | None => self.shutdown_is_over(),
        }
    }

    fn shut_down_extensions(&mut self) {
        let Some(shutdown) = &mut self.beside.shutdown else { return };
        shutdown.stage = Stage::Extensions;
        let (ends, reason) = (shutdown.ends, name(shutdown.reason));
        self.deadline = Some(ends);
        // Their last chance to hear of what the runtime did.
        self.log.drain(self.shared.clock.now());
        self.send_telemetry(When::Now);
        let left = ends.saturating_duration_since(Instant::now()).as_millis();
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        let deadline_ms = self.shared.clock.now().plus_millis(left).0;
        for farewell in self.beside.known.begin_shutdown() {
            match farewell {
                Farewell::Event(id) => {
                    self.beside.deliver(id, ExtensionEvent::Shutdown { reason, deadline_ms });
                }
                Farewell::Kill(name) => {
                    self.tell("kill an extension", |control| {
                        control.signal(&Process::Extension(name), Signal::Kill)
                    });
                }
            }
        }
        self.shutdown_goes_on();
    }

    fn shutdown_is_over(&mut self) {
        self.deadline = None;
        self.beside.shutdown = None;
        self.happen(Event::ShutDown);
    }
}
