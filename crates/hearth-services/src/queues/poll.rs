//! Reading a queue for as long as it is there: what a poller does, without a connection.
//!
//! A [`Poll`] stays registered while it waits and while it does not, so nothing that is sent in
//! between is missed, and nothing is asked of the engine while nothing comes.
//!
//! # Deliberately absent
//!
//! The visibility timeout is the queue's own. A poller takes no place among the receivers that
//! wait, whose number is bounded because each of them has a connection.

use std::sync::Arc;
use std::time::Duration;

use hearth_store::queue::Lane;
use hearth_store::queue::signals::Waiting;
use hearth_types::metrics::Metric;

use super::error::QueueError;
use super::names::QueueName;
use super::quotas::{LOOK_MILLIS_MIN, POLL_MESSAGES_MAX, WAIT_SECONDS_MAX};
use super::receive::{Asked, Received};
use super::record::QueueRecord;
use super::{Queues, closing};

/// Somebody who reads a queue.
#[derive(Debug)]
pub struct Poll {
    queues: Arc<Queues>,
    name: QueueName,
    lane: Lane,
    waiting: Waiting,
}

impl Queues {
    /// Begins to read a queue.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn poll(self: &Arc<Self>, name: &QueueName) -> Result<Poll, QueueError> {
        let lane = self.queue(name)?.lane();
        // Before the first look, so that what comes meanwhile is not missed.
        let waiting = self.engine.signals().wait_for(&lane);
        Ok(Poll { queues: Arc::clone(self), name: name.clone(), lane, waiting })
    }

    /// For how many seconds a message stays with whoever receives it, if nothing else is said.
    ///
    /// # Errors
    ///
    /// If there is no such queue.
    pub fn visibility_seconds(&self, name: &QueueName) -> Result<u32, QueueError> {
        self.queue(name).map(|queue| queue.settings.visibility_seconds)
    }
}

impl Poll {
    /// The queue as it is now.
    ///
    /// # Errors
    ///
    /// If it is gone, also if another of its name is there now.
    fn queue(&self) -> Result<Arc<QueueRecord>, QueueError> {
        let queue = self.queues.queue(&self.name)?;
        if queue.lane() == self.lane { Ok(queue) } else { Err(QueueError::QueueDoesNotExist) }
    }

    /// Takes up to so many messages that are there now; fewer come also if they are large. To be
    /// awaited to its end: what was leased would be gone until its visibility timeout.
    ///
    /// # Errors
    ///
    /// If the queue is gone, or the store failed.
    pub async fn take(&self, messages: usize) -> Result<Vec<Received>, QueueError> {
        let queue = self.queue()?;
        let asked = Asked::of_poll(messages.clamp(1, POLL_MESSAGES_MAX));
        let received = self.queues.take(&queue, asked).await?;
        let count = u64::try_from(received.len()).unwrap_or(u64::MAX);
        if count > 0 {
            self.queues.metrics.add(Metric::NumberOfMessagesReceived, &queue.name, count);
        }
        Ok(received)
    }

    /// Ends when it may pay to take again: something was sent or came back, or is due by time. May
    /// be dropped at any moment.
    ///
    /// # Errors
    ///
    /// If the queue is gone, or the store failed.
    pub async fn arrival(&self) -> Result<(), QueueError> {
        let engine = &self.queues.engine;
        let longest = Duration::from_secs(u64::from(WAIT_SECONDS_MAX));
        let mut phase = self.queues.phase.subscribe();
        loop {
            self.queue()?;
            let next = engine.next_due(&self.lane).await.map_err(QueueError::Store)?;
            let now = self.queues.clock.now();
            let wait = next.map_or(longest, |next| {
                let millis = next.millis_since(now).max(LOOK_MILLIS_MIN);
                Duration::from_millis(millis).min(longest)
            });
            tokio::select! {
                () = self.waiting.signalled() => return Ok(()),
                () = closing(&mut phase) => {
                    // Whoever polls is told to stop as well, and must not come back at once.
                    tokio::time::sleep(CLOSING_PAUSE).await;
                    return Ok(());
                }
                // Of a lane that is empty nothing is due. It is asked again: another server may
                // have put something into it.
                () = tokio::time::sleep(wait) => {
                    if next.is_some() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// How long a poller is held up that goes on although the queues are closing.
const CLOSING_PAUSE: Duration = Duration::from_secs(1);
