//! Looking into the events of a function: those that wait, those that run, and those that were
//! given up, which can be replayed.
//!
//! # Promises
//!
//! 1. A look changes nothing.
//! 2. An event that is replayed is put into the queue in the same batch that takes it out of those
//!    that were given up.
//! 3. A page costs a bounded number of steps, however many events there are.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use hearth_store::error::StoreError;
use hearth_store::queue::{
    Ask, Batch, EntryId, Fate, Lane, Leased, Page, Receipt, Seen, Settle, Unless,
};
use hearth_types::limits;
use hearth_types::names::FunctionArn;
use hearth_types::time::Timestamp;

use crate::Invoker;
use crate::asynchronous::{EventHead, FAILED_LANE_KIND, LANE_KIND, failed_lane, function_of, lane};

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventState {
    /// It waits for its first attempt, or for another one.
    Waiting,
    /// It is being run.
    Running,
    /// It was given up.
    Failed,
}

impl EventState {
    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Failed].into_iter().find(|one| one.name() == word)
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Failed => "failed",
        }
    }

    fn lane(self, function: &FunctionArn) -> Lane {
        match self {
            Self::Waiting | Self::Running => lane(function),
            Self::Failed => failed_lane(function),
        }
    }

    fn shows(self, seen: &Seen) -> bool {
        match self {
            Self::Waiting => !seen.leased,
            Self::Running => seen.leased,
            Self::Failed => true,
        }
    }
}

/// How many events a function has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Could be run now.
    pub waiting: u64,
    /// Wait for another attempt.
    pub delayed: u64,
    /// Are being run.
    pub running: u64,
    /// Were given up.
    pub failed: u64,
}

/// An event that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    /// Which entry it is.
    pub id: EntryId,
    /// Where it is.
    pub state: EventState,
    /// When it can be run, or its lease ends, or it was given up.
    pub due: Timestamp,
    /// What is known of it; `None` if that cannot be understood.
    pub head: Option<EventHead>,
    /// How large its payload is.
    pub payload_bytes: u64,
}

/// Some of the events of a function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<WaitingEvent>,
    /// Behind which one to go on, if there may be more.
    pub next: Option<EntryId>,
}

/// Some of the functions that have events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FunctionsWithEvents {
    /// The functions, in the order of their ARNs.
    pub functions: BTreeMap<FunctionArn, EventCounts>,
    /// Behind which ARN to go on, if there may be more.
    pub next: Option<String>,
}

/// Which events are replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// All that were given up until now.
    All,
    /// Those with these ids.
    These(HashSet<EntryId>),
}

impl Which {
    fn has(&self, id: EntryId) -> bool {
        match self {
            Self::All => true,
            Self::These(ids) => ids.contains(&id),
        }
    }
}

/// How long events that were given up are kept from others while some of them are replayed.
const REPLAY_MS: u64 = 30_000;

impl Invoker {
    /// The time that the queue goes by.
    #[must_use]
    pub fn queue_time(&self) -> Timestamp {
        self.time.now()
    }

    /// How many events a function has.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn event_counts(&self, function: &FunctionArn) -> Result<EventCounts, StoreError> {
        let now = self.time.now();
        let open = self.queue.counts(&lane(function), now).await?;
        let failed = self.queue.counts(&failed_lane(function), now).await?;
        Ok(EventCounts {
            waiting: open.waiting,
            delayed: open.delayed,
            running: open.leased,
            failed: failed.waiting + failed.delayed + failed.leased,
        })
    }

    /// A page of the events of a function that are in a state.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn events(
        &self,
        function: &FunctionArn,
        state: EventState,
        (after, items): (Option<EntryId>, usize),
    ) -> Result<EventPage, StoreError> {
        let (lane, now) = (state.lane(function), self.time.now());
        let items = items.clamp(1, limits::EVENTS_OF_PAGE_MAX);
        let mut page = EventPage { events: Vec::new(), next: after };
        let mut looked_at = 0;
        while looked_at < limits::EVENTS_LOOKED_AT_MAX {
            let seen = self.queue.page(Page { lane: &lane, after: page.next, items }, now).await?;
            looked_at += seen.len();
            let is_last = seen.len() < items;
            for one in seen {
                let shown = state.shows(&one);
                page.next = Some(one.id);
                if shown {
                    page.events.push(event(state, &one));
                }
                if page.events.len() == items {
                    return Ok(page);
                }
            }
            if is_last {
                page.next = None;
                break;
            }
        }
        Ok(page)
    }

    /// A page of the functions that have events, of all accounts and regions.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn functions_with_events(
        &self,
        after: Option<&str>,
        items: usize,
    ) -> Result<FunctionsWithEvents, StoreError> {
        let items = items.clamp(1, limits::EVENTS_OF_PAGE_MAX);
        let open = self.queue.lanes(LANE_KIND, after, items).await?;
        let failed = self.queue.lanes(FAILED_LANE_KIND, after, items).await?;
        // Each is in the order of the names, so the first of both together are the first of all.
        let is_cut = open.len() == items || failed.len() == items;
        let names: BTreeSet<String> = open.into_iter().chain(failed).map(|one| one.name).collect();
        let is_cut = is_cut || names.len() > items;
        let names: Vec<String> = names.into_iter().take(items).collect();
        let mut functions = BTreeMap::new();
        for name in &names {
            let lane = Lane { kind: LANE_KIND, name: name.clone() };
            if let Some(function) = function_of(&lane) {
                let counts = self.event_counts(&function).await?;
                functions.insert(function, counts);
            }
        }
        Ok(FunctionsWithEvents { functions, next: names.last().cloned().filter(|_| is_cut) })
    }

    /// The payload of an event; `None` if it is not there any more.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn event_payload(
        &self,
        function: &FunctionArn,
        state: EventState,
        id: EntryId,
    ) -> Result<Option<Bytes>, StoreError> {
        self.queue.body(&state.lane(function), id).await
    }

    /// Puts events that were given up into the queue again, as if they had just been accepted.
    /// Says how many.
    ///
    /// # Errors
    ///
    /// If the queue failed; some may have been replayed, and those were replayed whole.
    pub async fn replay(&self, function: &FunctionArn, which: &Which) -> Result<u64, StoreError> {
        let (lane, now) = (failed_lane(function), self.time.now());
        // As of every event that is accepted.
        let accepted = self.time.of_day();
        let mut replayed = 0;
        let mut kept: Vec<Settle> = Vec::new();
        loop {
            let ask = Ask {
                lane: &lane,
                entries: limits::ENTRIES_OF_TURN_MAX,
                bytes: limits::ENTRIES_OF_TURN_BYTES_MAX,
                until: now.plus_millis(REPLAY_MS),
            };
            let leased = self.queue.lease(ask, now).await?;
            if leased.is_empty() {
                break;
            }
            let mut batch = Batch { unless_settled: Unless::Nothing, ..Batch::default() };
            for entry in leased {
                let Leased { receipt, put_at, head, body, .. } = entry;
                let head = EventHead::read(&head).ok().filter(|_| which.has(receipt.entry));
                let Some(head) = head else {
                    kept.push(put_back(receipt, put_at));
                    continue;
                };
                batch.puts.push(head.anew(accepted).entry(body, accepted));
                batch.settles.push(Settle { receipt, fate: Fate::Remove });
            }
            if !batch.puts.is_empty() {
                let applied = self.queue.apply(batch, now).await?;
                replayed += u64::try_from(applied.puts.len()).unwrap_or(u64::MAX);
            }
        }
        if !kept.is_empty() {
            let batch = Batch { settles: kept, ..Batch::default() };
            self.queue.apply(batch, now).await?;
        }
        Ok(replayed)
    }

    /// Forgets the events of a function that were given up. Says how many.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn purge_failed(&self, function: &FunctionArn) -> Result<u64, StoreError> {
        let now = self.time.now().plus_millis(1);
        self.queue.purge(&failed_lane(function), now).await
    }
}

fn put_back(receipt: Receipt, due: Timestamp) -> Settle {
    Settle { receipt, fate: Fate::Return { due, head: None } }
}

fn event(state: EventState, seen: &Seen) -> WaitingEvent {
    WaitingEvent {
        id: seen.id,
        state,
        due: seen.due,
        head: EventHead::read(&seen.head).ok(),
        payload_bytes: seen.body_bytes,
    }
}
