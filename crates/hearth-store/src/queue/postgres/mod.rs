//! The queue in PostgreSQL, for several servers that share their work.
//!
//! ```text
//!  apply ──▶ writer ──gathered──▶ transaction ──▶ answers, signals ──▶ other servers
//!  lease ──▶ transaction of its own, not waited for by the disk
//! ```
//!
//! Everything that several servers must agree on is in the rows: who leased what, until when, what
//! is behind another of its group. What one server tells the others ([`news`]) only saves time.
//!
//! # How the promises are kept
//!
//! 1. Each batch is in one transaction, several batches in one if they come at once, and is answered
//!    after its commit was flushed. When the connection breaks during a commit, the database is asked
//!    what became of it; only if it cannot be reached does the caller learn that nobody knows.
//! 2. Rows are leased with `FOR UPDATE SKIP LOCKED`, so leasers never wait for each other. Changes
//!    take their locks in one order: first groups and samenesses, then rows by id.
//! 3. Of a group only the first is offered; the column `behind` says of the others that they are
//!    not. Whoever puts into a group, or settles an entry of it, holds the group's lock, so an id
//!    that is later in a group is also seen later, on every server. Whoever has locked the row of
//!    the first may lease those that follow it.
//!
//! # Deliberately absent
//!
//! TLS ([`address`]). A limit of how much waits: the disk of the database is one.

mod address;
mod schema;
mod plan;
mod transaction;
mod writer;
mod lease;
mod purge;
mod views;
mod news;
#[cfg(test)]
mod scratch;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{mpsc, oneshot, watch};

use self::lease::Wish;
use self::news::News;
use self::writer::Job;
use crate::error::StoreError;
use crate::queue::signals::Signals;
use crate::queue::{
    Applied, Ask, Batch, Counts, EntryId, Lane, Leased, NewEntry, Page, Queue, Seen, Sharing,
};

/// The start of every transaction: what another has committed is seen by the next statement.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// The same where a crash may undo it.
const BEGIN_UNFLUSHED: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL synchronous_commit TO off";

/// An engine that keeps entries in PostgreSQL.
pub struct PostgresQueue {
    store: Arc<Store>,
    jobs: mpsc::Sender<Job>,
    tasks: Tasks,
    /// Those who talk with other servers end when it is dropped.
    _alive: watch::Sender<()>,
}

/// What the parts of the engine share.
#[derive(Debug)]
struct Store {
    pool: PgPool,
    signals: Signals,
    news: News,
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The pool would show the address, which has a password in it.
        formatter.write_str("PostgresQueue")
    }
}

impl PostgresQueue {
    /// Connects to a database such as `postgres://user:password@host:port/database`, and brings its
    /// tables up to date. `tasks` gets those that write and those that talk with other servers; they
    /// end when this is dropped.
    ///
    /// # Errors
    ///
    /// If the address cannot be used, the database cannot be reached, is too old, or was written by
    /// a newer Hearth.
    pub async fn open(address: &str, tasks: &Tasks) -> Result<Self, StoreError> {
        let options = address::options(address)?;
        let pool = PgPoolOptions::new()
            .max_connections(limits::POSTGRES_CONNECTIONS_MAX)
            .acquire_timeout(Duration::from_secs(limits::POSTGRES_SECONDS_MAX))
            .connect_with(options)
            .await
            .map_err(StoreError::during("connect to PostgreSQL"))?;
        schema::migrate(&pool).await?;
        let store = Arc::new(Store { pool, signals: Signals::default(), news: News::default() });
        let (alive, end) = watch::channel(());
        news::start(&store, tasks, &end).await?;
        let (jobs, waiting) = mpsc::channel(limits::POSTGRES_MAILBOX);
        tasks.spawn("queue writer", writer::write(Arc::clone(&store), waiting, tasks.clone()));
        Ok(Self { store, jobs, tasks: tasks.clone(), _alive: alive })
    }
}

#[async_trait]
impl Queue for PostgresQueue {
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError> {
        if batch.puts.is_empty() && batch.settles.is_empty() {
            return Ok(Applied::default());
        }
        if !batch.puts.iter().all(can_be_kept) {
            return Err(StoreError::Text);
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send(Job { batch, now, answer }).await;
        sent.map_err(|_job| StoreError::Closed)?;
        // The task that had it ended without an answer.
        answered.await.map_err(|_gone| StoreError::Closed)?
    }

    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        if ask.entries == 0 {
            return Ok(Vec::new());
        }
        let Ask { lane, entries, bytes, until } = ask;
        let wish = Wish { lane: lane.clone(), entries, bytes, until, now };
        let (answer, answered) = oneshot::channel();
        let (pool, jobs) = (self.store.pool.clone(), self.jobs.clone());
        self.tasks.spawn("queue lease", lease::serve(pool, jobs, wish, answer));
        // The task ended without an answer.
        answered.await.map_err(|_gone| StoreError::Closed)?
    }

    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        in_time(views::next_due(&self.store.pool, lane), "look when entries are due").await
    }

    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        in_time(views::lanes(&self.store.pool, kind, after, items), "list lanes").await
    }

    async fn dues(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<(Lane, Timestamp)>, StoreError> {
        let dues = views::dues(&self.store.pool, kind, after, items);
        in_time(dues, "look when entries are due").await
    }

    async fn counts(&self, lane: &Lane, now: Timestamp) -> Result<Counts, StoreError> {
        in_time(views::counts(&self.store.pool, lane, now), "count entries").await
    }

    async fn page(&self, page: Page<'_>, now: Timestamp) -> Result<Vec<Seen>, StoreError> {
        in_time(views::page(&self.store.pool, page, now), "list entries").await
    }

    async fn body(&self, lane: &Lane, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        in_time(views::body(&self.store.pool, lane, id), "read a payload").await
    }

    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError> {
        purge::purge(&self.store, lane, put_before)
            .await
            .map_err(StoreError::during("purge a lane"))
    }

    fn signals(&self) -> &Signals {
        &self.store.signals
    }

    fn sharing(&self) -> Sharing {
        Sharing::Shared
    }

    /// Closes the connections, each after what it is used for.
    async fn close(&self) {
        self.store.pool.close().await;
    }
}

/// Whether PostgreSQL can keep its texts: it has no place for one character.
fn can_be_kept(entry: &NewEntry) -> bool {
    let group = entry.group.as_deref().unwrap_or_default();
    let sameness = entry.sameness.as_ref().map_or("", |sameness| &sameness.id);
    [&entry.lane.name, group, sameness, &entry.head].iter().all(|text| !text.contains('\0'))
}

/// Waits for an answer of the database, but not for ever: its machine may be gone without a word.
async fn in_time<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
    operation: &'static str,
) -> Result<T, StoreError> {
    answer_in_time(work).await.map_err(StoreError::during(operation))
}

async fn answer_in_time<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let limit = Duration::from_secs(limits::POSTGRES_SECONDS_MAX);
    // Boxed, because callers have large futures of their own.
    let answer = tokio::time::timeout(limit, Box::pin(work)).await;
    answer.unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into())))
}

/// A time as it is in a row.
fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// A time of a row.
fn timestamp(millis: i64) -> Timestamp {
    Timestamp(u64::try_from(millis).unwrap_or(0))
}

/// A number of rows, as PostgreSQL wants it.
fn rows(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// How often something was leased, of a row.
fn leases(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
