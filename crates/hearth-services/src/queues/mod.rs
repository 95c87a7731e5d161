//! Our own queues: what SQS does with queues and messages, in records and in lanes of the durable
//! queue.
//!
//! ```text
//!  administration ──▶ record, attributes, policy, redrive   what is remembered of a queue
//!
//!  send ─────▶ message, digest ──▶ put    ┐
//!  receive ──▶ flights, attempts ─▶ lease ├─▶ the engine: one lane for each queue
//!  settle ───▶ handle ────────────▶ settle┘
//!  moves, retention                from lane to lane, and out of it
//! ```
//!
//! # Promises
//!
//! 1. A message whose sender was answered is received until it is deleted, expires, or its queue is
//!    purged or deleted; also after a crash.
//! 2. A message is in one queue: on its way to a dead-letter queue, or back, it is put there and
//!    taken from here together.
//! 3. Within its deduplication interval a message is in a FIFO queue once, and messages of a group
//!    come in the order in which they were sent.
//! 4. No operation on messages takes longer because there are many.
//! 5. A receiver that goes away while it waits takes no message with it.
//!
//! # Deliberately absent
//!
//! Policies are kept, not enforced: callers are not authenticated yet, so every caller may use every
//! queue. Encryption: what is said about it is kept and shown. Fair queues: a standard queue hands
//! out what is due longest, whatever its group.

pub use attributes::{ATTRIBUTE_NAMES, Attributes, Settings};
pub use digest::{md5_of_attributes, md5_of_body};
pub use error::QueueError;
pub use message::{GivenAttribute, NewMessage, Sender};
pub use moves::{MoveRecord, MoveRequest, MoveStatus};
pub use names::QueueName;
pub use policy::Permission;
pub use poll::Poll;
pub use quotas::{LIST_ITEMS_MAX, MOVES_LISTED_MAX};
pub use receive::{Receive, Received};
pub use record::{LANE_KIND, QueueRecord};
pub use send::{BatchKind, Sent, check_batch};

mod administration;
mod record;
mod attributes;
mod policy;
mod redrive;
mod names;
mod send;
mod message;
mod digest;
mod receive;
mod poll;
mod flights;
mod attempts;
mod settle;
mod handle;
mod moves;
mod retention;
mod error;
mod quotas;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::queue::{Queue, Sharing};
use hearth_store::records::Records;
use hearth_types::metrics::Metrics;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};
use tokio::sync::{Semaphore, watch};

use self::attempts::Attempts;
use self::flights::Flights;
use self::moves::Progress;
use self::quotas::{LANES_PAGE_ITEMS, RECEIVERS_WAITING_MAX};

/// Later than everything that was ever put: the year 9999, which fits into every engine.
const END_OF_TIME: Timestamp = Timestamp(253_402_300_799_000);

/// What the queues work with.
#[derive(Debug)]
pub struct Parts {
    /// Where the queues are remembered.
    pub records: Arc<dyn Records>,
    /// Where their messages are.
    pub engine: Arc<dyn Queue>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Who counts.
    pub metrics: Arc<dyn Metrics>,
    /// The owner of what goes on in the background.
    pub tasks: Tasks,
}

/// All queues.
#[derive(Debug)]
pub struct Queues {
    /// By name.
    queues: Collection<QueueRecord>,
    /// By source, time and id.
    moves: Collection<MoveRecord>,
    engine: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    tasks: Tasks,
    flights: Flights,
    attempts: Attempts,
    progress: Progress,
    /// Places for receivers that wait.
    waiting: Semaphore,
    phase: watch::Sender<Phase>,
}

/// Whether anybody may still wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
}

impl Queues {
    /// Reads the queues, clears what a killed process left, and goes on with the moves that it had
    /// begun.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts { records, engine, clock, metrics, tasks } = parts;
        let queues = Arc::new(Self {
            queues: Collection::open("sqs-queue", Arc::clone(&records)).await?,
            moves: Collection::open("sqs-move", records).await?,
            engine,
            clock,
            metrics,
            tasks,
            flights: Flights::default(),
            attempts: Attempts::default(),
            progress: Progress::default(),
            waiting: Semaphore::new(RECEIVERS_WAITING_MAX),
            phase: watch::Sender::new(Phase::Open),
        });
        queues.clear_orphans().await?;
        queues.resume_moves();
        let watcher = Arc::clone(&queues);
        queues.tasks.spawn("message retention", async move { watcher.watch_retention().await });
        Ok(queues)
    }

    /// Ends what waits: receivers are answered at once, and moves go on at the next start.
    pub fn close(&self) {
        self.phase.send_replace(Phase::Closing);
    }

    /// A queue.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn queue(&self, name: &QueueName) -> Result<Arc<QueueRecord>, QueueError> {
        self.queues.get(&name.scope, &name.name).ok_or(QueueError::QueueDoesNotExist)
    }

    fn queue_of_arn(&self, arn: &str) -> Option<Arc<QueueRecord>> {
        self.queue(&QueueName::of_arn(arn)?).ok()
    }

    /// Clears the lanes of queues that are gone: the process was killed while it deleted them, or
    /// somebody sent a message at the same time.
    async fn clear_orphans(&self) -> Result<(), StoreError> {
        let mut after: Option<String> = None;
        // One that is not known here may be that of another server.
        if self.engine.sharing() == Sharing::Shared {
            return Ok(());
        }
        loop {
            let lanes = self.engine.lanes(LANE_KIND, after.as_deref(), LANES_PAGE_ITEMS).await?;
            let Some(last) = lanes.last() else { return Ok(()) };
            after = Some(last.name.clone());
            // Only behind the lanes: a lane of a queue that is made meanwhile is not among them.
            let known: HashSet<String> =
                self.queues.all().iter().map(|queue| queue.lane().name).collect();
            for lane in lanes.iter().filter(|lane| !known.contains(&lane.name)) {
                self.engine.purge(lane, END_OF_TIME).await?;
                self.flights.forget(lane);
            }
        }
    }
}

/// Ends when nobody may wait any more; also when the queues are gone.
async fn closing(phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|now| *now == Phase::Closing).await;
}
