//! The only one who writes: takes what waits, does it in one transaction, and answers.
//!
//! ```text
//!  wait ─▶ gather ─▶ BEGIN ─▶ all writes ─▶ COMMIT ─▶ answer all
//!                                 │ failed
//!                                 ▼
//!                       ROLLBACK, then each alone
//! ```
//!
//! # Promises
//!
//! 1. Nobody is told that something happened before it is on the disk.
//! 2. Whoever fails for a reason of its own fails alone.
//! 3. After a commit that failed, nothing else is done before the log is empty: what was refused must
//!    not come back after a crash.

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteArguments;
use sqlx::{Connection as _, Sqlite, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::shelf::rows::{columns, number};
use crate::shelf::{Place, Row, Write, file};

/// How much is done in one transaction. What comes later is not kept waiting for longer than that
/// takes.
const GROUP_MAX: usize = 256;
/// After how many bytes of pieces a group is large enough.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) writes: Vec<Write>,
    pub(super) answer: oneshot::Sender<Result<(), StoreError>>,
}

/// The only one who writes.
#[derive(Debug)]
pub(super) struct Writer {
    connection: SqliteConnection,
    /// Whether the log may have a transaction that was refused.
    is_doubtful: bool,
}

/// A statement with its arguments.
type Statement<'a> = sqlx::query::Query<'a, Sqlite, SqliteArguments<'a>>;

impl Writer {
    /// Opens the file, makes it if it is not there, and brings its schema up to date.
    pub(super) async fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = file::connect(path).await?;
        file::migrate(&mut connection).await?;
        Ok(Self { connection, is_doubtful: false })
    }

    /// Works until nobody can ask any more and all who asked are answered.
    pub(super) async fn run(mut self, mut waiting: mpsc::Receiver<Asked>) {
        while let Some(first) = waiting.recv().await {
            // Whoever was just answered may have something to ask again: lets it come first.
            tokio::task::yield_now().await;
            self.work(gather(first, &mut waiting)).await;
        }
        let _ = self.say("PRAGMA wal_checkpoint(TRUNCATE)", "write the log into the file").await;
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the shelf's file was not closed well");
        }
    }

    async fn work(&mut self, group: Vec<Asked>) {
        let done = self.transaction(&group).await;
        if done.is_ok() || group.len() == 1 {
            answer(group, done);
            return;
        }
        for alone in group {
            let alone = vec![alone];
            let done = self.transaction(&alone).await;
            answer(alone, done);
        }
    }

    async fn transaction(&mut self, group: &[Asked]) -> Result<(), StoreError> {
        if self.is_doubtful {
            self.clear_log().await?;
        }
        let done = self.attempt(group).await;
        if done.is_err() {
            // SQLite has done it already after some failures, and says so by failing here.
            let _ = self.say("ROLLBACK", "take back a transaction").await;
            if self.is_doubtful {
                self.clear_log().await?;
            }
        }
        done
    }

    async fn attempt(&mut self, group: &[Asked]) -> Result<(), StoreError> {
        self.say("BEGIN IMMEDIATE", "begin a transaction").await?;
        for asked in group {
            for write in &asked.writes {
                self.write(write).await?;
            }
        }
        let committed = self.say("COMMIT", "commit a transaction").await;
        self.is_doubtful |= committed.is_err();
        committed
    }

    /// Writes everything that was committed into the file, so that the log begins anew. Until that is
    /// done it is not known what became of what failed.
    async fn clear_log(&mut self) -> Result<(), StoreError> {
        let found: Result<(i64, i64, i64), _> =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut self.connection).await;
        let cleared = match found {
            Ok((0, _, _)) => Ok(()),
            Ok(_busy) => Err(sqlx::Error::Io(std::io::Error::other("somebody reads the log"))),
            Err(error) => Err(error),
        };
        match cleared {
            Ok(()) => {
                self.is_doubtful = false;
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the disk failed, and the shelf's log cannot be emptied");
                Err(StoreError::Unknown(Arc::new(error)))
            }
        }
    }

    async fn write(&mut self, write: &Write) -> Result<(), StoreError> {
        if let Write::RemoveUpload { id, .. } = write {
            let parts: Statement<'_> = sqlx::query("DELETE FROM part WHERE upload = ?1").bind(id);
            self.execute(parts).await?;
        }
        self.execute(statement(write)).await
    }

    async fn execute(&mut self, statement: Statement<'_>) -> Result<(), StoreError> {
        let done = statement.execute(&mut self.connection).await;
        done.map(|_done| ()).map_err(StoreError::during("write to the shelf"))
    }

    async fn say(&mut self, sql: &'static str, what: &'static str) -> Result<(), StoreError> {
        let done = sqlx::query(sql).execute(&mut self.connection).await;
        done.map(|_done| ()).map_err(StoreError::during(what))
    }
}

/// What waits, up to a bound.
fn gather(first: Asked, waiting: &mut mpsc::Receiver<Asked>) -> Vec<Asked> {
    let mut bytes = size(&first);
    let mut group = vec![first];
    while group.len() < GROUP_MAX && bytes < GROUP_BYTES_MAX {
        let Ok(next) = waiting.try_recv() else { break };
        bytes += size(&next);
        group.push(next);
    }
    group
}

fn size(asked: &Asked) -> usize {
    let bytes = asked.writes.iter().map(|write| match write {
        Write::PutPiece(_, bytes) => bytes.len(),
        Write::Put(..)
        | Write::RemoveNewest { .. }
        | Write::RemoveOlder { .. }
        | Write::RemovePiece(_)
        | Write::PutUpload(_)
        | Write::RemoveUpload { .. }
        | Write::PutPart(_)
        | Write::PutNote(..)
        | Write::RemoveNote(_) => 0,
    });
    bytes.sum()
}

/// Tells all of a group what became of it. An error is of one alone.
fn answer(group: Vec<Asked>, done: Result<(), StoreError>) {
    match done {
        Ok(()) => {
            for asked in group {
                let _ = asked.answer.send(Ok(()));
            }
        }
        Err(error) => {
            if let Some(alone) = group.into_iter().next() {
                let _ = alone.answer.send(Err(error));
            }
        }
    }
}

fn statement(write: &Write) -> Statement<'_> {
    match write {
        Write::Put(place, row) => put(*place, row),
        Write::RemoveNewest { bucket, key } => {
            sqlx::query("DELETE FROM newest WHERE bucket = ?1 AND key = ?2")
                .bind(bucket)
                .bind(key.as_bytes())
        }
        Write::RemoveOlder { bucket, key, rank } => {
            sqlx::query("DELETE FROM older WHERE bucket = ?1 AND key = ?2 AND rank = ?3")
                .bind(bucket)
                .bind(key.as_bytes())
                .bind(number(*rank))
        }
        Write::PutPiece(id, bytes) => {
            sqlx::query("INSERT OR REPLACE INTO piece (id, bytes) VALUES (?1, ?2)")
                .bind(number(*id))
                .bind(&bytes[..])
        }
        Write::RemovePiece(id) => sqlx::query("DELETE FROM piece WHERE id = ?1").bind(number(*id)),
        Write::PutUpload(upload) => sqlx::query(
            "INSERT OR REPLACE INTO upload (bucket, key, id, document) VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(&upload.bucket)
        .bind(upload.key.as_bytes())
        .bind(&upload.id)
        .bind(&upload.document),
        Write::RemoveUpload { bucket, key, id } => {
            sqlx::query("DELETE FROM upload WHERE bucket = ?1 AND key = ?2 AND id = ?3")
                .bind(bucket)
                .bind(key.as_bytes())
                .bind(id)
        }
        Write::PutPart(part) => sqlx::query(
            "INSERT OR REPLACE INTO part (upload, number, document) VALUES (?1, ?2, ?3)",
        )
        .bind(&part.upload)
        .bind(i64::from(part.number))
        .bind(&part.document),
        Write::PutNote(id, document) => {
            sqlx::query("INSERT OR REPLACE INTO note (id, document) VALUES (?1, ?2)")
                .bind(number(*id))
                .bind(document)
        }
        Write::RemoveNote(id) => sqlx::query("DELETE FROM note WHERE id = ?1").bind(number(*id)),
    }
}

fn put(place: Place, row: &Row) -> Statement<'_> {
    const NEWEST: &str = concat!(
        "INSERT OR REPLACE INTO newest (",
        columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    );
    const OLDER: &str = concat!(
        "INSERT OR REPLACE INTO older (",
        columns!(),
        ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    );
    let sql = match place {
        Place::Newest => NEWEST,
        Place::Older => OLDER,
    };
    sqlx::query(sql)
        .bind(&row.bucket)
        .bind(row.key.as_bytes())
        .bind(number(row.rank))
        .bind(&row.version)
        .bind(row.kind.is_object())
        .bind(row.kind.has_files())
        .bind(&row.upload)
        .bind(row.piece.map(number))
        .bind(&row.document)
}
