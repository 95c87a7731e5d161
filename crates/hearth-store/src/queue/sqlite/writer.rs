//! The only one who writes: takes what waits, does it in one transaction, and answers.
//!
//! ```text
//!  wait ─▶ gather ─▶ BEGIN ─▶ settle, put, lease, purge ─▶ COMMIT ─▶ answer all
//!                                      │ failed
//!                                      ▼
//!                            ROLLBACK, then each alone
//! ```
//!
//! # Promises
//!
//! 1. Nobody is told that something happened before it is on the disk, except of leases.
//! 2. Whoever fails for a reason of its own fails alone.
//! 3. After a failure, a full disk for one, the next group is tried like any other.
//! 4. What was refused does not come back after a crash, also if the disk failed while it was being
//!    committed: nothing else is done before the log is empty. Where that cannot be had, those who
//!    ask are told that it is not known what became of it.
//!
//! # Deliberately absent
//!
//! No decisions about entries: [`super::settle`] and [`super::puts`] make them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hearth_types::limits;
use hearth_types::time::Timestamp;
use sqlx::{Connection as _, SqliteConnection};
use tokio::fs;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::error::StoreError;
use crate::queue::Lane;
use crate::queue::sqlite::changes::Insert;
use crate::queue::sqlite::file::{self, LOG_PAGES_MAX};
use crate::queue::sqlite::group::{Changes, Done, Group, Operation};
use crate::queue::sqlite::lanes::{Effects, Shared};
use crate::queue::sqlite::recover;
use crate::queue::sqlite::room::{self, Left};
use crate::queue::sqlite::rows::{self, Why};

/// After how many transactions it is looked whether the log has become too long. It grows by some
/// ten pages in each.
const LOOK_AT_LOG_EVERY: u64 = 512;

/// How many lanes may be empty before some are forgotten. Most are of functions and queues that are
/// there and will be used again.
const EMPTY_LANES_KEPT: usize = 1_024;
/// Empty lanes that are looked at in one go.
const EMPTY_LANES_AT_ONCE: usize = 1_024;

/// How long nobody may have asked for anything before room is given back to the disk.
const IDLE_MILLIS: u64 = 2_000;

/// The only one who writes.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) shared: Arc<Shared>,
    pub(super) next_id: i64,
    /// The file says that ids up to this one may have been given.
    pub(super) given: i64,
    /// The latest time that the file says.
    pub(super) noted: Timestamp,
    pub(super) inserts: Vec<Insert>,
    /// How commits are done at present.
    commit: Commit,
    /// How many transactions there were when it was last looked whether there is room to give back.
    looked_for_room: u64,
    /// The last of the empty lanes that were looked at.
    lane_looked_at: i64,
    /// Whether the log may have a transaction that was refused, or lack one that was not.
    pub(super) doubtful: bool,
    file: PathBuf,
    /// Whether it was noted already that the file is damaged.
    suspected: bool,
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Commit {
    Durable,
    Quick,
}

impl Writer {
    /// Opens the file, makes it if it is not there, and reads what is to be known of it.
    pub(super) async fn open(file: &Path) -> Result<Self, StoreError> {
        let mut connection = file::connect(file).await?;
        file::migrate(&mut connection).await?;
        let doubtful = match room::give_back(&mut connection, Left::Starting).await {
            Ok(()) => false,
            Err(error) if recover::is_damage(&error) => return Err(error),
            Err(error) => could_not_give_back(&error),
        };
        let (last_id, noted) = file::last_id_and_time(&mut connection).await?;
        let lanes = file::lanes(&mut connection).await?;
        Ok(Self {
            connection,
            shared: Arc::new(Shared::new(lanes, last_id)),
            next_id: last_id + 1,
            given: last_id,
            noted,
            inserts: Insert::all(),
            commit: Commit::Durable,
            looked_for_room: 0,
            lane_looked_at: 0,
            doubtful,
            file: file.to_owned(),
            suspected: false,
        })
    }

    /// Works until nobody can ask any more and all who asked are answered.
    pub(super) async fn run(mut self, mut operations: mpsc::Receiver<Operation>) {
        while let Some(first) = self.next(&mut operations).await {
            // Whoever was just answered may have something to ask again: lets it come first.
            tokio::task::yield_now().await;
            self.work(Group::gather(first, &mut operations)).await;
            if self.shared.commits().is_multiple_of(LOOK_AT_LOG_EVERY) {
                self.look_at_log().await;
                self.forget_lanes(EMPTY_LANES_KEPT).await;
            }
        }
        self.close().await;
    }

    /// The next operation; `None` when nobody can ask any more. When nobody has asked for a while,
    /// there is time for what would hold others up.
    async fn next(&mut self, operations: &mut mpsc::Receiver<Operation>) -> Option<Operation> {
        let commits = self.shared.commits();
        if self.looked_for_room != commits {
            let idle = Duration::from_millis(IDLE_MILLIS);
            if let Ok(next) = timeout(idle, operations.recv()).await {
                return next;
            }
            self.looked_for_room = commits;
            self.give_room_back().await;
        }
        operations.recv().await
    }

    /// Gives back to the disk what is free in the file, if that is next to all of it.
    pub(super) async fn give_room_back(&mut self) {
        if self.doubtful {
            return;
        }
        if let Err(error) = room::give_back(&mut self.connection, Left::Working).await {
            self.doubtful = could_not_give_back(&error);
            self.note(&error).await;
        }
    }

    /// Does what a group asks for, and answers.
    pub(super) async fn work(&mut self, group: Group) {
        let unclaimed = match self.transaction(&group).await {
            Ok(done) => group.answer(done),
            Err(error) if group.operations() == 1 => {
                group.refuse(error);
                Vec::new()
            }
            Err(_group_failed) => self.work_apart(group).await,
        };
        if !unclaimed.is_empty()
            && let Err(error) = self.transaction(&Group::of(unclaimed)).await
        {
            // They come back by themselves when their leases run out.
            tracing::debug!(%error, "entries that nobody waits for were not given back");
        }
    }

    async fn work_apart(&mut self, group: Group) -> Vec<Changes> {
        let mut unclaimed = Vec::new();
        for alone in group.apart() {
            match self.transaction(&alone).await {
                Ok(done) => unclaimed.extend(alone.answer(done)),
                Err(error) => alone.refuse(error),
            }
        }
        unclaimed
    }

    async fn transaction(&mut self, group: &Group) -> Result<Done, StoreError> {
        if self.doubtful {
            self.clear_log().await?;
        }
        let mut effects = Effects::default();
        match self.attempt(group, &mut effects).await {
            Ok(done) => {
                self.given = effects.given.unwrap_or(self.given);
                self.noted = effects.noted.unwrap_or(self.noted);
                self.shared.committed(effects, self.next_id - 1);
                Ok(done)
            }
            Err(error) => {
                // SQLite has done it already after some failures, and says so by failing here.
                let _ = self.say("ROLLBACK", "take back a transaction").await;
                self.note(&error).await;
                if self.doubtful {
                    self.clear_log().await?;
                }
                Err(error)
            }
        }
    }

    async fn attempt(&mut self, group: &Group, effects: &mut Effects) -> Result<Done, StoreError> {
        self.choose_commit(group).await?;
        self.say("BEGIN IMMEDIATE", "begin a transaction").await?;
        self.note_time(group, effects).await?;
        let verdicts = self.settle_all(&group.applies, effects).await?;
        let applied = self.put_all(&group.applies, verdicts, effects).await?;
        let leased = self.lease_all(&group.leases, effects).await?;
        let purged = self.purge_all(&group.purges, effects).await?;
        let committed = self.say("COMMIT", "commit a transaction").await;
        self.doubtful |= committed.as_ref().is_err_and(rows::is_of_disk);
        committed?;
        Ok(Done { applied, leased, purged })
    }

    /// Notes now and then what time it is; also when it is so much earlier that what was noted was
    /// wrong.
    async fn note_time(&mut self, group: &Group, effects: &mut Effects) -> Result<(), StoreError> {
        let Some(now) = group.now() else { return Ok(()) };
        let is_later = now.millis_since(self.noted) >= limits::QUEUE_TIME_NOTED_MS;
        let was_wrong = self.noted.millis_since(now) > limits::CLOCK_SET_BACK_MS_MAX;
        if !is_later && !was_wrong {
            return Ok(());
        }
        sqlx::query("UPDATE given SET at = ?1")
            .bind(rows::milliseconds(now))
            .execute(&mut self.connection)
            .await
            .map_err(StoreError::during("note what time it is"))?;
        effects.noted = Some(now);
        Ok(())
    }

    /// Empties the log after the disk failed during a commit.
    ///
    /// What was refused may be in the log as a whole, so that it would come back after a crash. What
    /// was written before without waiting for the disk may have got lost, although it can still be
    /// read from memory, and all that follows in the log would be worth nothing. So everything that
    /// was committed is written into the file, and the log begins anew.
    async fn clear_log(&mut self) -> Result<(), StoreError> {
        match self.truncate_log().await {
            Ok(()) => {
                self.doubtful = false;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the disk failed, and the queue's log cannot be emptied");
                Err(StoreError::Unknown(Arc::new(error)))
            }
        }
    }

    async fn truncate_log(&mut self) -> Result<(), sqlx::Error> {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut self.connection)
            .await?;
        if busy != 0 {
            return Err(sqlx::Error::Io(io::Error::other("somebody reads from the log")));
        }
        // SQLite does not wait until the disk knows that it is empty.
        let log = fs::File::open(recover::beside(&self.file, "-wal")).await?;
        log.sync_all().await?;
        Ok(())
    }

    /// A commit of nothing but leases need not wait for the disk. What it wrote is on the disk when
    /// the next one has waited.
    async fn choose_commit(&mut self, group: &Group) -> Result<(), StoreError> {
        let wanted = if group.must_be_durable() { Commit::Durable } else { Commit::Quick };
        if wanted != self.commit {
            let pragma = match wanted {
                Commit::Durable => "PRAGMA synchronous = FULL",
                Commit::Quick => "PRAGMA synchronous = NORMAL",
            };
            self.say(pragma, "choose when to wait for the disk").await?;
            self.commit = wanted;
        }
        Ok(())
    }

    async fn say(&mut self, sql: &'static str, what: &'static str) -> Result<(), StoreError> {
        let done = sqlx::query(sql).execute(&mut self.connection).await;
        done.map(|_done| ()).map_err(StoreError::during(what))
    }

    /// Runs a statement that takes a list.
    pub(super) async fn with_list(
        &mut self,
        sql: &'static str,
        list: String,
        what: &'static str,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(sql).bind(list).execute(&mut self.connection).await;
        done.map(|_done| ()).map_err(StoreError::during(what))
    }

    /// The number of a lane, also if it was made in this transaction.
    pub(super) fn lane_number(&self, lane: &Lane, effects: &Effects) -> Option<i64> {
        effects.lanes.get(lane).copied().or_else(|| self.shared.lanes().number(lane))
    }

    /// SQLite starts its log anew when all of it is in the file and nobody reads from it. Readers
    /// that follow each other closely could keep it from that, so it waits for them once.
    async fn look_at_log(&mut self) {
        let found: Result<(i64, i64, i64), _> =
            sqlx::query_as("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut self.connection).await;
        let restarted = match found {
            Ok((_, pages, _)) if pages <= LOG_PAGES_MAX => return,
            Ok(_) => self.say("PRAGMA wal_checkpoint(RESTART)", "restart the log").await,
            Err(error) => Err(StoreError::during("write the log into the file")(error)),
        };
        if let Err(error) = restarted {
            tracing::warn!(%error, "the queue's log grows; its disk may be full");
        }
    }

    /// Forgets some of the lanes that are empty, if there are many: what they were for may be gone.
    /// Those in which something must not be put a second time are kept. One that is used after all is
    /// made again.
    pub(super) async fn forget_lanes(&mut self, kept: usize) {
        let numbers = {
            let lanes = self.shared.lanes();
            if lanes.empty() <= kept {
                return;
            }
            lanes.empty_after(self.lane_looked_at, EMPTY_LANES_AT_ONCE)
        };
        // From the beginning again, when all were looked at.
        self.lane_looked_at = numbers.last().copied().unwrap_or(0);
        let gone: Result<Vec<i64>, _> = sqlx::query_scalar(
            "DELETE FROM lane WHERE id IN (SELECT value FROM json_each(?1))
             AND NOT EXISTS (SELECT 1 FROM entry WHERE entry.lane = lane.id)
             AND NOT EXISTS (SELECT 1 FROM sameness WHERE sameness.lane = lane.id)
             RETURNING id",
        )
        .bind(rows::list(&numbers))
        .fetch_all(&mut self.connection)
        .await;
        match gone {
            Ok(gone) => {
                let mut lanes = self.shared.lanes();
                for number in gone {
                    lanes.forget(number);
                }
            }
            Err(error) => {
                let error = StoreError::during("forget empty lanes")(error);
                // It was a commit like any other, and others before it may not have been waited for.
                self.doubtful |= rows::is_of_disk(&error);
                tracing::debug!(%error, "empty lanes could not be forgotten");
            }
        }
    }

    /// Writes down that the file is to be examined at the next start.
    async fn note(&mut self, error: &StoreError) {
        if Why::of(error) != Why::Damaged || self.suspected {
            return;
        }
        self.suspected = true;
        tracing::error!(
            file = %self.file.display(),
            "the queue's file is damaged; restart the server, so that what can be read is kept"
        );
        if let Err(error) = recover::suspect(&self.file).await {
            tracing::error!(%error, "could not note that the queue's file is damaged");
        }
    }

    async fn close(mut self) {
        let _ = self.say("PRAGMA wal_checkpoint(TRUNCATE)", "write the log into the file").await;
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the queue's file was not closed well");
        }
    }
}

/// Reports it, and says whether the log is to be doubted: the disk failed.
fn could_not_give_back(error: &StoreError) -> bool {
    tracing::warn!(%error, "room that the queue does not need could not be given back");
    rows::is_of_disk(error)
}
