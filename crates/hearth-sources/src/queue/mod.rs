//! Queues of SQS as event sources: standard and FIFO.
//!
//! ```text
//!  poller   takes, filters, gathers ──batch──▶ worker   runs the function, settles
//!    ▲  waits for an arrival, or for a place       │
//!    └──────────── scale: how many batches ◀───────┘ throttled, failed
//! ```
//!
//! One task for each mapping polls, and each batch has a task of its own. What a batch consists of is
//! said by `crate::batch`, and its event by `event`.
//!
//! # Promises
//!
//! 1. A message is deleted only when the function has dealt with it, or when the filters keep it
//!    back. Otherwise it is in the queue again when its visibility timeout ends, and the queue's own
//!    policy decides how often.
//! 2. Of a FIFO queue, one batch at a time has messages of a group, and they are in order.
//! 3. A function that is throttled costs no message a receive for eleven hours: the batch is kept,
//!    and tried again, each time with its whole visibility timeout before it.
//! 4. What is given back unused (the server stops, the mapping changes, it does not fit into a batch of
//!    its group) costs a message of our own queues no receive.
//! 5. A poller whose queue is empty waits to be woken.
//! 6. What is taken and not done with counts among what all sources have here ([`crate::ahead`]). No
//!    message waits for room there: a batch begins with what it has.
//!
//! # Deliberately absent
//!
//! Retries of failures, and a place for what failed for good: those are the queue's (its visibility
//! timeout, its redrive policy). Provisioned pollers are not held to a megabyte in a second: AWS
//! says what they are good for, and more does no harm.

pub mod source;
mod event;
mod scale;
mod poller;
mod worker;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use hearth_control::mapping::source::{Source, SourceKind};
use hearth_services::queues::QueueName;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Moment, Timestamp};
use tokio::time::Instant;

use self::scale::Scale;
use self::source::{OpenQueue, QueueSource, Trouble};
use crate::ahead::Ahead;
use crate::filter::Filters;
use crate::reader::{Ended, Reader, Work};

/// AWS's word for answers that name single messages.
const REPORT_ITEMS: &str = "ReportBatchItemFailures";
/// AWS: how long anybody may have a message from its receive on, less what clocks may differ by.
const HAD_MAX: Duration = Duration::from_secs(12 * 60 * 60 - 60);
/// How long messages are kept that the function has no room for. The last attempt has an hour.
const KEPT_MAX: Duration = Duration::from_secs(11 * 60 * 60);
/// Messages that have been here for less need not be kept for longer before the function gets them.
const FRESH: Duration = Duration::from_secs(1);

/// Reads queues.
#[derive(Debug)]
pub struct QueueReader {
    source: Arc<dyn QueueSource>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    ahead: Arc<Ahead>,
}

impl QueueReader {
    /// Reads these queues. `ahead` is what all readers may have.
    #[must_use]
    pub fn new(
        source: Arc<dyn QueueSource>,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        ahead: Arc<Ahead>,
    ) -> Self {
        Self { source, clock, tasks, ahead }
    }

    async fn open(&self, work: Work) -> Result<Common, Ended> {
        let unreadable = Ended::Unreadable;
        let arn = work.mapping.source.arn().unwrap_or_default().to_owned();
        let name = QueueName::of_arn(&arn)
            .ok_or_else(|| unreadable(format!("`{arn}` is not the ARN of a queue")))?;
        let filters = Filters::parse(&work.mapping.configuration.filters)
            .map_err(|error| unreadable(error.to_string()))?;
        let trouble = |trouble: Trouble| Ended::Unreadable(trouble.to_string());
        let visibility_seconds = self.source.visibility_seconds(&name).await.map_err(trouble)?;
        let queue = self.source.open(&name).await.map_err(trouble)?;
        let configuration = &work.mapping.configuration;
        let reports = configuration.response_types.as_deref().unwrap_or_default();
        Ok(Common {
            scale: Mutex::new(Scale::of(configuration)),
            reports: if reports.iter().any(|one| one == REPORT_ITEMS) {
                Reports::Single
            } else {
                Reports::None
            },
            arn,
            name,
            filters,
            queue,
            visibility_seconds: AtomicU32::new(visibility_seconds),
            clock: Arc::clone(&self.clock),
            began: Instant::now(),
            tasks: self.tasks.clone(),
            ahead: Arc::clone(&self.ahead),
            work,
        })
    }
}

#[async_trait]
impl Reader for QueueReader {
    fn serves(&self, kind: SourceKind) -> bool {
        kind.is_queue()
    }

    async fn check(&self, source: &Source, function_timeout_seconds: u32) -> Result<(), String> {
        let arn = source.arn().unwrap_or_default();
        let name =
            QueueName::of_arn(arn).ok_or_else(|| format!("`{arn}` is not the ARN of a queue"))?;
        let visibility = self.source.visibility_seconds(&name).await;
        let visibility_seconds = visibility.map_err(|trouble| trouble.to_string())?;
        if visibility_seconds < function_timeout_seconds {
            return Err(format!(
                "Queue visibility timeout: {visibility_seconds} seconds is less than Function timeout: {function_timeout_seconds} seconds"
            ));
        }
        Ok(())
    }

    async fn read(&self, work: Work) -> Ended {
        match self.open(work).await {
            Ok(common) => poller::run(&Arc::new(common)).await,
            Err(ended) => ended,
        }
    }
}

/// What the poller and the batches of a mapping have in common.
#[derive(Debug)]
struct Common {
    work: Work,
    arn: String,
    name: QueueName,
    queue: Box<dyn OpenQueue>,
    filters: Filters,
    reports: Reports,
    /// How long messages stay with whoever takes them; the queue may be told otherwise meanwhile.
    visibility_seconds: AtomicU32,
    scale: Mutex<Scale>,
    clock: Arc<dyn Clock>,
    /// What moments are counted from.
    began: Instant,
    tasks: Tasks,
    ahead: Arc<Ahead>,
}

/// What the function's answers may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reports {
    /// Nothing.
    None,
    /// Which messages have failed.
    Single,
}

impl Common {
    fn now(&self) -> Moment {
        Moment(millis(self.began.elapsed()))
    }

    fn time_of_day(&self) -> Timestamp {
        self.clock.now()
    }

    fn scale(&self) -> MutexGuard<'_, Scale> {
        self.scale.lock().expect("no code panics while it holds the scale")
    }

    /// How long messages stay with whoever takes them, at the least.
    fn visibility(&self) -> Duration {
        let seconds = self.visibility_seconds.load(Ordering::Relaxed);
        // With none at all there would be nothing to keep a message for.
        Duration::from_secs(u64::from(seconds.max(1)))
    }

    /// For how many seconds from now on a message may be kept that was taken then.
    fn seconds_to_keep(&self, taken: Moment) -> u32 {
        let seconds = self.visibility().min(HAD_MAX.saturating_sub(self.since(taken))).as_secs();
        // None at all would give it back.
        u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
    }

    /// Whether a message that was taken then has lost some of the time that the function has for it.
    fn is_stale(&self, taken: Moment) -> bool {
        self.since(taken) >= FRESH.min(self.visibility() / 4)
    }

    /// Whether a message that was taken then is not to be kept any longer.
    fn is_kept_too_long(&self, taken: Moment) -> bool {
        self.since(taken) >= KEPT_MAX
    }

    fn since(&self, moment: Moment) -> Duration {
        Duration::from_millis(self.now().millis_since(moment))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
