//! Attempts to receive from FIFO queues, so that an answer that was lost can be had again.
//!
//! Only in memory, and only the latest: what is forgotten comes again when its visibility timeout
//! ends, as if nobody had asked for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use hearth_store::queue::{
    Batch, EntryId, Fate, Lane, Leased, Page, Receipt, Seen, Settle, Settled, Unless,
};
use hearth_types::time::Timestamp;

use super::Queues;
use super::error::QueueError;
use super::handle::Handle;
use super::quotas::{ATTEMPT_SECONDS, ATTEMPTS_MAX};
use super::receive::{Asked, Received, handed_out};
use super::record::QueueRecord;

/// What was handed out by attempts.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<State>);

/// A lane and an attempt.
type Name = (String, String);

#[derive(Debug, Default)]
struct State {
    by_name: HashMap<Name, Attempt>,
    /// The oldest first.
    order: VecDeque<(Name, Timestamp)>,
}

#[derive(Debug, Clone)]
struct Attempt {
    at: Timestamp,
    messages: Vec<HandedOut>,
}

/// A message that an attempt was answered with.
#[derive(Debug, Clone)]
pub(super) struct HandedOut {
    handle: String,
    first_received: Timestamp,
}

impl Attempts {
    /// Remembers what an attempt was answered with. One that got nothing may be tried again.
    pub(super) fn remember(
        &self,
        (lane, attempt): (&Lane, &str),
        received: &[Received],
        now: Timestamp,
    ) {
        if received.is_empty() {
            return;
        }
        let messages = received.iter().map(|one| HandedOut {
            handle: one.handle.clone(),
            first_received: one.first_received,
        });
        let name = (lane.name.clone(), attempt.to_owned());
        let attempt = Attempt { at: now, messages: messages.collect() };
        let mut state = self.lock();
        state.by_name.insert(name.clone(), attempt);
        state.order.push_back((name, now));
        while let Some((name, at)) = state.order.front().cloned() {
            let is_over = now.millis_since(at) > ATTEMPT_SECONDS * 1_000;
            if !is_over && state.order.len() <= ATTEMPTS_MAX {
                break;
            }
            state.order.pop_front();
            if state.by_name.get(&name).is_some_and(|attempt| attempt.at == at) {
                state.by_name.remove(&name);
            }
        }
    }

    fn find(&self, lane: &Lane, attempt: &str, now: Timestamp) -> Option<Vec<HandedOut>> {
        let state = self.lock();
        let attempt = state.by_name.get(&(lane.name.clone(), attempt.to_owned()))?;
        let is_over = now.millis_since(attempt.at) > ATTEMPT_SECONDS * 1_000;
        (!is_over).then(|| attempt.messages.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no code panics while it holds the attempts")
    }
}

impl Queues {
    /// The messages that an attempt was answered with, for longer. None if it is a new one, or one
    /// of its messages was deleted or is not in flight any more.
    pub(super) async fn again(
        &self,
        queue: &QueueRecord,
        attempt: &str,
        asked: Asked,
    ) -> Result<Option<Vec<Received>>, QueueError> {
        let (lane, now) = (queue.lane(), self.clock.now());
        let Some(messages) = self.attempts.find(&lane, attempt, now) else { return Ok(None) };
        let until = now.plus_millis(asked.visibility_millis(queue));
        let mut batch = Batch { unless_settled: Unless::Nothing, ..Batch::default() };
        let mut again = Vec::with_capacity(messages.len());
        for HandedOut { handle, first_received } in messages {
            let receipt = Handle::read(&handle, queue)?.receipt;
            let Some(leased) = self.in_flight(&lane, receipt, now).await? else { return Ok(None) };
            batch.settles.push(Settle { receipt, fate: Fate::Extend { until } });
            let leased = Leased { first_leased_at: first_received, ..leased };
            again.push(Received { handle, ..handed_out(queue, leased, (now, until)) });
        }
        let applied = self.engine.apply(batch, now).await.map_err(QueueError::Store)?;
        let all = applied.settles.iter().all(|settled| *settled == Settled::Done);
        Ok(all.then_some(again))
    }

    /// A message as it was leased, if that lease lasts.
    async fn in_flight(
        &self,
        lane: &Lane,
        receipt: Receipt,
        now: Timestamp,
    ) -> Result<Option<Leased>, QueueError> {
        let Some(seen) = self.seen(lane, receipt, now).await? else { return Ok(None) };
        if Presence::of(&seen, receipt) == Presence::Expired {
            return Ok(None);
        }
        let body = self.engine.body(lane, receipt.entry).await.map_err(QueueError::Store)?;
        Ok(body.map(|body| Leased {
            receipt,
            group: seen.group,
            put_at: seen.put_at,
            first_leased_at: now,
            head: seen.head,
            body,
        }))
    }

    /// What became of a message that was received.
    pub(super) async fn presence(
        &self,
        lane: &Lane,
        receipt: Receipt,
        now: Timestamp,
    ) -> Result<Presence, QueueError> {
        let seen = self.seen(lane, receipt, now).await?;
        Ok(seen.map_or(Presence::Gone, |seen| Presence::of(&seen, receipt)))
    }

    /// The message as it is now.
    pub(super) async fn seen(
        &self,
        lane: &Lane,
        receipt: Receipt,
        now: Timestamp,
    ) -> Result<Option<Seen>, QueueError> {
        let EntryId(id) = receipt.entry;
        let before = Some(EntryId(id.saturating_sub(1)));
        let seen = self
            .engine
            .page(Page { lane, after: before, items: 1 }, now)
            .await
            .map_err(QueueError::Store)?;
        Ok(seen.into_iter().next().filter(|seen| seen.id == receipt.entry))
    }
}

/// What became of a message that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// Its receiver still has it.
    InFlight,
    /// Its receiver does not have it any more.
    Expired,
    /// It was deleted.
    Gone,
}

impl Presence {
    fn of(seen: &Seen, receipt: Receipt) -> Self {
        if seen.leased && seen.leases == receipt.lease { Self::InFlight } else { Self::Expired }
    }
}
