//! Receiving messages, at once or as soon as there are some.
//!
//! ```text
//!            ┌── some ──▶ answered
//!  lease ────┤
//!    ▲       └── none ──▶ wait for a signal, the next due time or the end
//!    └──────────────────────┘
//! ```
//!
//! What is leased is not always handed out: a message that is older than its queue keeps messages is
//! removed, and one that was received too often goes to the dead-letter queue.
//!
//! A receiver may go away at any moment. While it waits it has leased nothing; a signal that it has
//! taken and not used is passed on ([`Chance`]).

use std::collections::BTreeMap;
use std::time::Duration;

use hearth_store::queue::signals::Signals;
use hearth_store::queue::{Ask, Batch, Fate, Lane, Leased, NewEntry, Settle, Unless};
use hearth_types::metrics::Metric;
use hearth_types::time::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::digest::md5_of_body;
use super::error::QueueError;
use super::flights::Verdict;
use super::handle::Handle;
use super::message::{Head, check_token};
use super::names::QueueName;
use super::quotas::{
    BATCH_ENTRIES_MAX, LOOK_MILLIS_MIN, RECEIVE_BYTES_MAX, RECEIVE_ROUNDS_MAX,
    VISIBILITY_SECONDS_MAX, WAIT_SECONDS_MAX,
};
use super::record::QueueRecord;
use super::{Queues, closing};
use crate::delivery::MessageAttribute;

/// What a receiver asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receive {
    /// `MaxNumberOfMessages`; one if it does not say.
    pub messages: Option<i32>,
    /// How long they stay with it; the queue's own time if it does not say.
    pub visibility_seconds: Option<i32>,
    /// How long it waits; the queue's own time if it does not say.
    pub wait_seconds: Option<i32>,
    /// By which the same messages can be had again if the answer is lost; of a FIFO queue.
    pub attempt: Option<String>,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub id: Uuid,
    /// What settles it.
    pub handle: String,
    /// Its body.
    pub body: String,
    /// The checksum of its body.
    pub md5_of_body: String,
    /// How often it was received.
    pub receives: u32,
    /// When it was sent.
    pub sent: Timestamp,
    /// When it was received for the first time.
    pub first_received: Timestamp,
    /// Who sent it.
    pub sender: String,
    /// `AWSTraceHeader`.
    pub trace: Option<String>,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication: Option<String>,
    /// Of a FIFO queue.
    pub sequence_number: Option<String>,
    /// The ARN of the queue whose dead letter it is.
    pub source: Option<String>,
    /// The sender's attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
}

/// What is asked for, checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) messages: usize,
    /// None means that of the queue.
    pub(super) visibility_seconds: Option<u32>,
    /// How long the receiver waits.
    wait_seconds: u32,
}

impl Asked {
    /// What a poller asks for: it waits in its own way, and counts as one that waits.
    pub(super) fn of_poll(messages: usize) -> Self {
        Self { messages, visibility_seconds: None, wait_seconds: WAIT_SECONDS_MAX }
    }

    pub(super) fn visibility_millis(&self, queue: &QueueRecord) -> u64 {
        let seconds = self.visibility_seconds.unwrap_or(queue.settings.visibility_seconds);
        u64::from(seconds) * 1_000
    }
}

impl Queues {
    /// Receives messages. There may be none, after the time that the receiver waits.
    ///
    /// # Errors
    ///
    /// If there is no such queue, what is asked for cannot be, or too many messages are in flight.
    pub async fn receive(
        &self,
        name: &QueueName,
        receive: &Receive,
    ) -> Result<Vec<Received>, QueueError> {
        let queue = self.queue(name)?;
        let asked = checked(receive, &queue)?;
        let attempt = receive.attempt.as_deref();
        check_token("ReceiveRequestAttemptId", attempt)?;
        let attempt = attempt_of(&queue, attempt)?;
        if let Some(attempt) = attempt
            && let Some(again) = self.again(&queue, attempt, asked).await?
        {
            return Ok(again);
        }
        let mut received = self.take(&queue, asked).await?;
        if received.is_empty() && asked.wait_seconds > 0 {
            received = self.wait_and_take(&queue, asked).await?;
        }
        if let Some(attempt) = attempt {
            self.attempts.remember((&queue.lane(), attempt), &received, self.clock.now());
        }
        let count = u64::try_from(received.len()).unwrap_or(u64::MAX);
        if count > 0 {
            self.metrics.add(Metric::NumberOfMessagesReceived, &queue.name, count);
        }
        Ok(received)
    }

    async fn wait_and_take(
        &self,
        queue: &QueueRecord,
        asked: Asked,
    ) -> Result<Vec<Received>, QueueError> {
        let deadline = Instant::now() + Duration::from_secs(u64::from(asked.wait_seconds));
        let _place = self.waiting.try_acquire().map_err(|_full| QueueError::RequestThrottled)?;
        let (name, lane) = (queue.full_name(), queue.lane());
        let signals = self.engine.signals();
        let waiting = signals.wait_for(&lane);
        let mut phase = self.phase.subscribe();
        loop {
            // It may have been changed meanwhile, or deleted; and then made again, with a lane of
            // which this receiver would hear nothing.
            let queue = self.queue(&name)?;
            if queue.lane() != lane {
                return Err(QueueError::QueueDoesNotExist);
            }
            let chance = Chance { signals, lane: &lane, used: Used::NotYet };
            let received = self.take(&queue, asked).await?;
            chance.was_used();
            if !received.is_empty() || Instant::now() >= deadline {
                return Ok(received);
            }
            let look = Instant::now() + self.until_next(&lane).await?;
            tokio::select! {
                () = waiting.signalled() => {}
                () = tokio::time::sleep_until(look.min(deadline)) => {}
                () = closing(&mut phase) => return Ok(Vec::new()),
            }
        }
    }

    /// How long nothing becomes due by time alone.
    async fn until_next(&self, lane: &Lane) -> Result<Duration, QueueError> {
        let next = self.engine.next_due(lane).await.map_err(QueueError::Store)?;
        let longest = u64::from(WAIT_SECONDS_MAX) * 1_000;
        let millis = next.map_or(longest, |next| next.millis_since(self.clock.now()));
        Ok(Duration::from_millis(millis.clamp(LOOK_MILLIS_MIN, longest)))
    }

    /// Leases messages and hands out those that are to be handed out.
    pub(super) async fn take(
        &self,
        queue: &QueueRecord,
        asked: Asked,
    ) -> Result<Vec<Received>, QueueError> {
        let lane = queue.lane();
        if !self.may_receive(queue, asked).await? {
            return Ok(Vec::new());
        }
        for _round in 0..RECEIVE_ROUNDS_MAX {
            let now = self.clock.now();
            let until = now.plus_millis(asked.visibility_millis(queue));
            let (entries, bytes) = (asked.messages, RECEIVE_BYTES_MAX);
            let leased = self.engine.lease(Ask { lane: &lane, entries, bytes, until }, now).await;
            let leased = leased.map_err(QueueError::Store)?;
            if leased.is_empty() {
                return Ok(Vec::new());
            }
            self.flights.begun(&lane, leased.len());
            if leased.len() == entries {
                // There may be more, for others who wait: a signal is one chance for one of them.
                self.engine.signals().signal(&lane);
            }
            let good = self.clear_away(queue, leased, now).await?;
            if !good.is_empty() {
                let received = good.into_iter().map(|one| handed_out(queue, one, (now, until)));
                return Ok(received.collect());
            }
        }
        Ok(Vec::new())
    }

    async fn may_receive(&self, queue: &QueueRecord, asked: Asked) -> Result<bool, QueueError> {
        let (lane, now) = (queue.lane(), self.clock.now());
        let verdict = match self.flights.verdict(&lane, now) {
            Verdict::Count => {
                let counts = self.engine.counts(&lane, now).await.map_err(QueueError::Store)?;
                self.flights.counted(&lane, counts.leased, now)
            }
            known @ (Verdict::Fine | Verdict::Full) => known,
        };
        match verdict {
            Verdict::Fine | Verdict::Count => Ok(true),
            // AWS: no error, and no messages, for FIFO queues and for whoever waits.
            Verdict::Full if queue.is_fifo() || asked.wait_seconds > 0 => Ok(false),
            Verdict::Full => Err(QueueError::OverLimit(
                "The maximum number of messages in flight has been reached. Delete messages after they are processed."
                    .to_owned(),
            )),
        }
    }

    /// Removes what is too old, and sends what was received too often to the dead-letter queue.
    /// Returns the rest.
    async fn clear_away(
        &self,
        queue: &QueueRecord,
        leased: Vec<Leased>,
        now: Timestamp,
    ) -> Result<Vec<Leased>, QueueError> {
        let target = queue.settings.redrive.as_ref().and_then(|redrive| {
            // If it is gone, messages stay here.
            Some((redrive.receives_max, self.queue_of_arn(&redrive.target)?))
        });
        let (mut good, mut old, mut dead) = (Vec::new(), Batch::default(), Batch::default());
        dead.unless_settled = Unless::Nothing;
        for one in leased {
            let remove = Settle { receipt: one.receipt, fate: Fate::Remove };
            if queue.is_too_old(one.put_at, now) {
                old.settles.push(remove);
                continue;
            }
            match &target {
                Some((receives_max, target)) if is_beyond(&one, *receives_max) => {
                    dead.settles.push(remove);
                    dead.puts.push(dead_letter((queue, target.as_ref()), one, now));
                }
                Some(_) | None => good.push(one),
            }
        }
        let gone = u64::try_from(old.settles.len() + dead.settles.len()).unwrap_or(u64::MAX);
        if gone == 0 {
            return Ok(good);
        }
        for batch in [old, dead].into_iter().filter(|batch| !batch.settles.is_empty()) {
            self.engine.apply(batch, now).await.map_err(QueueError::Store)?;
        }
        let lane = queue.lane();
        self.flights.ended(&lane, gone);
        // Others of their groups are free now.
        self.engine.signals().signal(&lane);
        Ok(good)
    }
}

/// Whether a message was received more often than that, this time included.
fn is_beyond(leased: &Leased, receives_max: u32) -> bool {
    let leases = leased.receipt.lease;
    // Most heads need not be read for it.
    leases > receives_max && Head::read(&leased.head).receives(leases) > receives_max
}

fn checked(receive: &Receive, queue: &QueueRecord) -> Result<Asked, QueueError> {
    let messages = receive.messages.unwrap_or(1);
    let fits = usize::try_from(messages)
        .ok()
        .filter(|messages| (1..=BATCH_ENTRIES_MAX).contains(messages));
    let messages = fits.ok_or_else(|| {
        let reason = format!("Must be between 1 and {BATCH_ENTRIES_MAX}, if provided.");
        QueueError::parameter(messages, "MaxNumberOfMessages", &reason)
    })?;
    let visibility = receive.visibility_seconds;
    let visibility_seconds = bounded("VisibilityTimeout", visibility, VISIBILITY_SECONDS_MAX)?;
    let wait_seconds = bounded("WaitTimeSeconds", receive.wait_seconds, WAIT_SECONDS_MAX)?;
    let wait_seconds = wait_seconds.unwrap_or(queue.settings.wait_seconds);
    Ok(Asked { messages, visibility_seconds, wait_seconds })
}

/// A number of seconds, if there is one.
pub(super) fn bounded(name: &str, given: Option<i32>, max: u32) -> Result<Option<u32>, QueueError> {
    let Some(given) = given else { return Ok(None) };
    let fits = u32::try_from(given).ok().filter(|seconds| *seconds <= max);
    fits.map(Some).ok_or_else(|| {
        let reason = format!("Must be >= 0 and <= {max}, if provided.");
        QueueError::parameter(given, name, &reason)
    })
}

fn attempt_of<'a>(
    queue: &QueueRecord,
    attempt: Option<&'a str>,
) -> Result<Option<&'a str>, QueueError> {
    match attempt {
        Some(attempt) if !queue.is_fifo() => {
            let reason = "The request include parameter that is not valid for this queue type.";
            Err(QueueError::parameter(attempt, "ReceiveRequestAttemptId", reason))
        }
        attempt => Ok(attempt),
    }
}

/// A message as it goes to the dead-letter queue. It keeps its id and what it is; for how long it
/// is kept counts from when it was sent or, of a FIFO queue, from now.
fn dead_letter(
    (queue, target): (&QueueRecord, &QueueRecord),
    leased: Leased,
    now: Timestamp,
) -> NewEntry {
    let mut head = Head::read(&leased.head);
    head.id = Some(head.id.unwrap_or_else(|| queue.message_id(leased.receipt.entry)));
    head.source = Some(queue.arn());
    // There it was received by nobody.
    head.undone = None;
    NewEntry {
        lane: target.lane(),
        group: leased.group,
        put_at: if queue.is_fifo() { now } else { leased.put_at },
        due: now,
        sameness: None,
        head: head.text(),
        body: leased.body,
    }
}

pub(super) fn handed_out(
    queue: &QueueRecord,
    leased: Leased,
    (received, until): (Timestamp, Timestamp),
) -> Received {
    let Leased { receipt, put_at, first_leased_at, head, body, .. } = leased;
    let head = Head::read(&head);
    Received {
        id: head.id.unwrap_or_else(|| queue.message_id(receipt.entry)),
        handle: Handle { receipt, received, until }.text(queue),
        md5_of_body: md5_of_body(&body),
        body: String::from_utf8_lossy(&body).into_owned(),
        receives: head.receives(receipt.lease),
        sent: put_at,
        first_received: first_leased_at,
        sender: head.sender,
        trace: head.trace,
        group: head.group,
        deduplication: head.deduplication,
        sequence_number: queue.sequence_number(receipt.entry),
        source: head.source,
        attributes: head.attributes,
    }
}

/// The chance to lease that a signal gave. Whoever goes away before it is used passes it on.
struct Chance<'a> {
    signals: &'a Signals,
    lane: &'a Lane,
    used: Used,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Used {
    NotYet,
    Yes,
}

impl Chance<'_> {
    fn was_used(mut self) {
        self.used = Used::Yes;
    }
}

impl Drop for Chance<'_> {
    fn drop(&mut self) {
        if self.used == Used::NotYet {
            self.signals.signal(self.lane);
        }
    }
}
