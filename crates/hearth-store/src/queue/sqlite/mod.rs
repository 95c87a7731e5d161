//! The embedded engine: one SQLite file, with one task that writes.
//!
//! ```text
//!  apply ─┐
//!  lease ─┼─▶ bounded channel ─▶ writer ─▶ one transaction for all that waits ─▶ answers
//!  purge ─┘                                                                  └─▶ signals
//!  counts, page, … ─▶ connections that only read
//! ```
//!
//! Its file is its own, so that a change of a record and an event never wait for each other. What
//! waits for the writer is done in one transaction: the more there is to do, the less each costs.
//!
//! # Promises
//!
//! Those of [`Queue`], and:
//!
//! 1. Work per entry does not depend on how many there are: every query that is asked often reads as
//!    much of an index as it returns.
//! 2. A log that is torn, and a file that is damaged, are found at start and reported; everything
//!    that can be read is kept.
//!
//! # Deliberately absent
//!
//! No second process: whoever opens a file must be the only one, which the lock of the data
//! directory sees to.

mod group;
mod writer;
mod settle;
mod puts;
mod changes;
mod leases;
mod reads;
mod lanes;
mod rows;
mod room;
mod file;
pub mod recover;
mod log;
mod salvage;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::StoreError;
use crate::queue::signals::Signals;
use crate::queue::sqlite::group::{Asked, Changes, LeaseWish, Operation, PurgeStep};
use crate::queue::sqlite::lanes::Shared;
use crate::queue::sqlite::recover::Recovery;
use crate::queue::sqlite::writer::Writer;
use crate::queue::{
    Applied, Ask, Batch, Counts, EntryId, Fate, Lane, Leased, Page, Queue, Seen, Settle, Settled,
};

/// Lanes whose leases are given back before it is looked for more.
const LANES_AT_ONCE: usize = 256;

/// An open queue. Its writer works until the queue is closed or dropped.
#[derive(Debug)]
pub struct SqliteQueue {
    /// `None` once it is closed.
    operations: Mutex<Option<mpsc::Sender<Operation>>>,
    /// Ends when the writer has.
    writer: watch::Receiver<()>,
    readers: SqlitePool,
    shared: Arc<Shared>,
    recovery: Recovery,
}

impl SqliteQueue {
    /// Opens the file, makes it if it is not there, brings its schema up to date, and starts the
    /// writer. What a crash or a disk did to the file is reported and mended before.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or was written by a newer Hearth.
    pub async fn open(file: &Path, tasks: &Tasks) -> Result<Self, StoreError> {
        let mut recovery = recover::before_opening(file).await?;
        let writer = match Writer::open(file).await {
            Err(error) if recover::is_damage(&error) => {
                recovery.salvage = Some(recover::salvage(file).await?);
                Writer::open(file).await?
            }
            opened => opened?,
        };
        let readers = file::readers(file).await?;
        let shared = Arc::clone(&writer.shared);
        let (operations, waiting) = mpsc::channel(group::OPERATIONS_WAITING_MAX);
        let (working, ended) = watch::channel(());
        tasks.spawn("queue writer", async move {
            writer.run(waiting).await;
            drop(working);
        });
        Ok(Self {
            operations: Mutex::new(Some(operations)),
            writer: ended,
            readers,
            shared,
            recovery,
        })
    }

    /// What was found when it was opened.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// How many transactions were committed since it was opened.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.shared.commits()
    }

    async fn ask<W, A>(
        &self,
        wish: W,
        operation: fn(Asked<W, A>) -> Operation,
    ) -> Result<A, StoreError> {
        let operations = self.operations().clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let sent = operations.send(operation(Asked { wish, answer })).await;
        sent.map_err(|_refused| StoreError::Closed)?;
        answered.await.map_err(|_dropped| StoreError::Closed)?
    }

    fn operations(&self) -> MutexGuard<'_, Option<mpsc::Sender<Operation>>> {
        self.operations.lock().expect("no code panics while it holds the channel")
    }

    /// Ends the leases of some lanes.
    async fn give_back_of(&self, lanes: &[i64], now: Timestamp) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let receipts = reads::leased(&self.readers, lanes, now).await?;
            let found = receipts.len();
            if found == 0 {
                return Ok(all);
            }
            let fate = Fate::Return { due: now, head: None };
            let settle = |receipt| Settle { receipt, fate: fate.clone() };
            let settles = receipts.into_iter().map(settle).collect();
            let applied = self.apply(Batch { settles, ..Batch::default() }, now).await?;
            let done = applied.settles.iter().filter(|settled| **settled == Settled::Done).count();
            all += u64::try_from(done).expect("there are a few");
            if done < found {
                // Somebody works on them already, who was told not to.
                return Ok(all);
            }
        }
    }

    /// The number of a lane, unless it is empty.
    fn lane(&self, lane: &Lane) -> Option<(i64, u64)> {
        let lanes = self.shared.lanes();
        let entries = lanes.entries(lane);
        lanes.number(lane).filter(|_| entries > 0).map(|number| (number, entries))
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError> {
        self.ask(Changes { batch, now }, Operation::Apply).await
    }

    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        // Whoever waits for a lane asks again and again, mostly when it is empty.
        if ask.entries == 0 || self.lane(ask.lane).is_none() {
            return Ok(Vec::new());
        }
        let Ask { lane, entries, bytes, until } = ask;
        let wish = LeaseWish { lane: lane.clone(), entries, bytes, until, now };
        self.ask(wish, Operation::Lease).await
    }

    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        match self.lane(lane) {
            Some((number, _)) => reads::next_due(&self.readers, number).await,
            None => Ok(None),
        }
    }

    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        let lanes = self.shared.lanes().after(kind, after, items);
        Ok(lanes.into_iter().map(|(lane, _number)| lane).collect())
    }

    async fn dues(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<(Lane, Timestamp)>, StoreError> {
        let mut after = after.map(str::to_owned);
        loop {
            let lanes = self.shared.lanes().after(kind, after.as_deref(), items);
            let Some((last, _)) = lanes.last() else { return Ok(Vec::new()) };
            after = Some(last.name.clone());
            let numbers: Vec<i64> = lanes.iter().map(|(_, number)| *number).collect();
            let dues = reads::dues(&self.readers, &numbers).await?;
            let due = |(lane, number): (Lane, i64)| Some((lane, *dues.get(&number)?));
            let page: Vec<(Lane, Timestamp)> = lanes.into_iter().filter_map(due).collect();
            // All of them may have been emptied meanwhile, which is not the end.
            if !page.is_empty() {
                return Ok(page);
            }
        }
    }

    async fn counts(&self, lane: &Lane, now: Timestamp) -> Result<Counts, StoreError> {
        match self.lane(lane) {
            Some(known) => reads::counts(&self.readers, known, now).await,
            None => Ok(Counts::default()),
        }
    }

    async fn page(&self, page: Page<'_>, now: Timestamp) -> Result<Vec<Seen>, StoreError> {
        let Page { lane, after, items } = page;
        match self.lane(lane) {
            Some((lane, _)) => {
                reads::page(&self.readers, reads::Page { lane, after, items }, now).await
            }
            None => Ok(Vec::new()),
        }
    }

    async fn body(&self, lane: &Lane, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        match self.lane(lane) {
            Some((number, _)) => reads::body(&self.readers, number, id).await,
            None => Ok(None),
        }
    }

    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError> {
        let up_to = self.shared.last_id();
        let mut all = 0;
        loop {
            let step = PurgeStep { lane: lane.clone(), put_before, up_to };
            let removed = self.ask(step, Operation::Purge).await?;
            all += removed;
            if removed < u64::from(leases::PURGE_ENTRIES) {
                return Ok(all);
            }
        }
    }

    async fn give_back(&self, kind: &'static str, now: Timestamp) -> Result<u64, StoreError> {
        let (mut all, mut after) = (0, None::<String>);
        loop {
            let lanes = self.shared.lanes().after(kind, after.as_deref(), LANES_AT_ONCE);
            let Some((last, _)) = lanes.last() else { return Ok(all) };
            after = Some(last.name.clone());
            let numbers: Vec<i64> = lanes.iter().map(|(_, number)| *number).collect();
            all += self.give_back_of(&numbers, now).await?;
        }
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        reads::latest(&self.readers).await
    }

    fn signals(&self) -> &Signals {
        &self.shared.signals
    }

    async fn close(&self) {
        // Those who read go first: the last one to go writes the log into the file.
        self.readers.close().await;
        let operations = self.operations().take();
        drop(operations);
        let mut writer = self.writer.clone();
        let _ = writer.changed().await;
    }
}
