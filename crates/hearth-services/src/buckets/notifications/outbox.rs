//! The outbox: what is to be sent because of changes, from the moment of the change until the durable
//! queue has it.
//!
//! ```text
//!  change of an object ─┬─▶ its record  ┐ one transaction
//!                       └─▶ a row here  ┘
//!                             │ add
//!                             ▼
//!       store ──beyond──▶ waiting ──move──▶ durable queue ──▶ the row is removed
//! ```
//!
//! # Promises
//!
//! 1. What is in a row is in the queue at least once, also when the process is killed in between:
//!    rows that are left are moved after the next start.
//! 2. Whoever makes a change does not wait for the queue, and memory is bounded while it is away.
//!
//! # Deliberately absent
//!
//! Deliveries: they are made by whoever works on the queue.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use hearth_store::error::StoreError;
use hearth_store::queue::{Batch, Queue};
use hearth_store::shelf::{Shelf, Write};
use hearth_types::time::Clock;
use tokio::sync::Notify;

use super::event::{Posting, Sequencer};
use crate::limits::{OUTBOX_PAUSE_MILLIS, OUTBOX_ROWS_MAX, OUTBOX_ROWS_OF_MOVE_MAX};

/// Where rows are until the queue has what is in them. They get there by the transactions of changes.
#[async_trait]
pub(in crate::buckets) trait Notes: Send + Sync + fmt::Debug {
    /// The first rows, in the order of their ids: ids and documents.
    async fn first(&self, items: usize) -> Result<Vec<(u64, String)>, StoreError>;

    /// Forgets rows. That there is none is fine.
    async fn forget(&self, ids: &[u64]) -> Result<(), StoreError>;
}

#[async_trait]
impl Notes for Shelf {
    async fn first(&self, items: usize) -> Result<Vec<(u64, String)>, StoreError> {
        self.notes(items).await
    }

    async fn forget(&self, ids: &[u64]) -> Result<(), StoreError> {
        self.apply(ids.iter().copied().map(Write::RemoveNote).collect()).await
    }
}

/// What is to be sent because of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::buckets) struct Row {
    id: u64,
    postings: Vec<Posting>,
}

impl Row {
    /// A row of an event of this sequencer; none if there is nothing to be sent.
    pub(in crate::buckets) fn new(sequencer: Sequencer, postings: Vec<Posting>) -> Option<Self> {
        (!postings.is_empty()).then_some(Self { id: sequencer.number(), postings })
    }

    /// What is kept of it together with the change that it is about: an id and a document.
    pub(in crate::buckets) fn note(&self) -> (u64, String) {
        let document = serde_json::to_string(&self.postings);
        (self.id, document.expect("deliveries can be written as JSON"))
    }
}

/// Rows that the queue does not have yet.
#[derive(Debug)]
pub(in crate::buckets) struct Outbox {
    notes: Arc<dyn Notes>,
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug)]
struct Waiting {
    rows: VecDeque<Row>,
    /// Whether there may be rows in the store that are not here.
    beyond: bool,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Closing,
}

/// What one look at the outbox led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    Some,
    Nothing,
}

impl Outbox {
    pub(in crate::buckets) fn new(notes: Arc<dyn Notes>) -> Self {
        // What a process has left that was killed is found by the first look.
        let waiting = Waiting { rows: VecDeque::new(), beyond: true, phase: Phase::Open };
        Self { notes, waiting: Mutex::new(waiting), more: Notify::new() }
    }

    /// Takes a row that is in the store.
    pub(in crate::buckets) fn add(&self, row: Row) {
        let mut waiting = self.waiting();
        if waiting.rows.len() < OUTBOX_ROWS_MAX {
            waiting.rows.push_back(row);
        } else {
            waiting.beyond = true;
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Lets [`Outbox::run`] end when it has moved what is here. What it cannot move stays in the
    /// store.
    pub(in crate::buckets) fn close(&self) {
        self.waiting().phase = Phase::Closing;
        self.more.notify_one();
    }

    /// Moves rows until the outbox is closed.
    pub(in crate::buckets) async fn run(&self, queue: &dyn Queue, clock: &dyn Clock) {
        let mut mover = Mover { outbox: self, queue, clock, removals: Vec::new(), unreadable: 0 };
        let mut failures = 0_u32;
        loop {
            let moved = mover.step().await;
            let is_closing = self.waiting().phase == Phase::Closing;
            match moved {
                Ok(Moved::Some) => failures = 0,
                Ok(Moved::Nothing) if is_closing => return,
                Ok(Moved::Nothing) => {
                    failures = 0;
                    self.more.notified().await;
                }
                Err(error) => {
                    // Once for each time that it begins to fail.
                    if failures == 0 {
                        let source = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::warn!(%error, source, "notifications of buckets have to wait");
                    }
                    if is_closing {
                        return;
                    }
                    failures = failures.saturating_add(1);
                    tokio::time::sleep(Duration::from_millis(OUTBOX_PAUSE_MILLIS)).await;
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no code panics while it holds the outbox")
    }
}

/// Whoever moves rows. There is one.
#[derive(Debug)]
struct Mover<'a> {
    outbox: &'a Outbox,
    queue: &'a dyn Queue,
    clock: &'a dyn Clock,
    /// Rows that the queue has and that are still in the store.
    removals: Vec<u64>,
    /// How many rows are in the store that this version does not understand.
    unreadable: usize,
}

impl Mover<'_> {
    async fn step(&mut self) -> Result<Moved, StoreError> {
        // Before rows are read again: these must not be moved a second time.
        self.remove().await?;
        let rows = self.take().await?;
        if rows.is_empty() {
            return Ok(Moved::Nothing);
        }
        let now = self.clock.now();
        let postings = rows.iter().flat_map(|row| &row.postings);
        let puts = postings.map(|posting| posting.entry(now)).collect();
        if let Err(error) = self.queue.apply(Batch { puts, ..Batch::default() }, now).await {
            self.put_back(rows);
            return Err(error);
        }
        self.removals = rows.into_iter().map(|row| row.id).collect();
        self.remove().await?;
        Ok(Moved::Some)
    }

    async fn remove(&mut self) -> Result<(), StoreError> {
        if !self.removals.is_empty() {
            self.outbox.notes.forget(&self.removals).await?;
            self.removals.clear();
        }
        Ok(())
    }

    /// The next rows: those in memory, and when there are none, those in the store.
    async fn take(&mut self) -> Result<Vec<Row>, StoreError> {
        let is_beyond = {
            let mut waiting = self.outbox.waiting();
            let is_beyond = waiting.rows.is_empty() && waiting.beyond;
            if is_beyond {
                waiting.beyond = false;
            }
            is_beyond
        };
        if is_beyond && let Err(error) = self.read().await {
            self.outbox.waiting().beyond = true;
            return Err(error);
        }
        let mut waiting = self.outbox.waiting();
        let count = waiting.rows.len().min(OUTBOX_ROWS_OF_MOVE_MAX);
        Ok(waiting.rows.drain(..count).collect())
    }

    /// Reads rows that are in the store, as many as fit.
    async fn read(&mut self) -> Result<(), StoreError> {
        let items = OUTBOX_ROWS_MAX + self.unreadable;
        let found = self.outbox.notes.first(items).await?;
        let is_all = found.len() < items;
        let (mut rows, mut unreadable) = (VecDeque::new(), 0);
        for (id, document) in found {
            match serde_json::from_str(&document) {
                Ok(postings) => rows.push_back(Row { id, postings }),
                // Written by another version of this program, which may be back.
                Err(error) => {
                    unreadable += 1;
                    if unreadable > self.unreadable {
                        tracing::error!(%error, id, "a notification cannot be understood");
                    }
                }
            }
        }
        self.unreadable = unreadable;
        let mut waiting = self.outbox.waiting();
        waiting.beyond |= !is_all;
        // Some have come meanwhile, and may have been read as well.
        let read: HashSet<u64> = rows.iter().map(|row: &Row| row.id).collect();
        waiting.rows.retain(|row| !read.contains(&row.id));
        rows.append(&mut waiting.rows);
        waiting.rows = rows;
        Ok(())
    }

    fn put_back(&self, rows: Vec<Row>) {
        let mut waiting = self.outbox.waiting();
        for row in rows.into_iter().rev() {
            waiting.rows.push_front(row);
        }
    }
}
