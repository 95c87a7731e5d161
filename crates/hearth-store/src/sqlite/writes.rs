//! Changes of records: those that come while one is written are written together, with one sync.
//!
//! ```text
//!  ask ─▶ waiting ──turn──▶ BEGIN ─▶ all that wait ─▶ COMMIT ─▶ answer all
//!                                        │ failed
//!                                        ▼
//!                              ROLLBACK, then each alone
//! ```
//!
//! # Promises
//!
//! 1. Nobody is told that something is kept before it is on the disk.
//! 2. Whoever fails for a reason of its own fails alone.
//!
//! # Deliberately absent
//!
//! No task of its own: whoever has the turn writes for all who wait. If it is dropped meanwhile, they
//! ask again; to keep or remove the same once more changes nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::{Connection as _, Sqlite, SqliteConnection};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::error::StoreError;
use crate::records::RecordKey;

/// How much is done in one transaction. What comes later is not kept waiting for longer than that
/// takes.
const GROUP_MAX: usize = 256;

/// A change of one record.
#[derive(Debug)]
pub(super) enum Write {
    /// Keeps a document.
    Put(RecordKey, String),
    /// Forgets one.
    Remove(RecordKey),
}

/// Somebody who waits.
#[derive(Debug)]
struct Asked {
    write: Arc<Write>,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// Changes that are not written yet. There are no more of them than callers who wait.
#[derive(Debug, Default)]
pub(super) struct Writes {
    waiting: Mutex<VecDeque<Asked>>,
    /// Whoever has it takes what waits, and writes it.
    turn: tokio::sync::Mutex<()>,
}

/// A statement with its arguments.
type Statement<'a> = sqlx::query::Query<'a, Sqlite, SqliteArguments<'a>>;

impl Writes {
    /// Makes a change, together with those that wait as well.
    pub(super) async fn apply(&self, pool: &SqlitePool, write: Write) -> Result<(), StoreError> {
        let write = Arc::new(write);
        loop {
            let mut done = self.ask(&write);
            let answer = tokio::select! {
                biased;
                answer = &mut done => answer.ok(),
                _turn = self.turn.lock() => self.work(pool, done).await,
            };
            // There is none if whoever wrote it was dropped meanwhile.
            if let Some(answer) = answer {
                return answer;
            }
        }
    }

    fn ask(&self, write: &Arc<Write>) -> oneshot::Receiver<Result<(), StoreError>> {
        let (answer, done) = oneshot::channel();
        self.waiting().push_back(Asked { write: Arc::clone(write), answer });
        done
    }

    /// Writes what waits until the answer is there that is waited for.
    async fn work(
        &self,
        pool: &SqlitePool,
        mut done: oneshot::Receiver<Result<(), StoreError>>,
    ) -> Option<Result<(), StoreError>> {
        loop {
            match done.try_recv() {
                Ok(answer) => return Some(answer),
                Err(TryRecvError::Closed) => return None,
                // Then it is among those that wait.
                Err(TryRecvError::Empty) => write_all(pool, self.gather()).await,
            }
        }
    }

    /// The first that wait, but for those whose callers do not any more.
    fn gather(&self) -> Vec<Asked> {
        let mut waiting = self.waiting();
        let count = waiting.len().min(GROUP_MAX);
        waiting.drain(..count).filter(|asked| !asked.answer.is_closed()).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.waiting.lock().expect("no code panics while it holds what waits")
    }
}

async fn write_all(pool: &SqlitePool, group: Vec<Asked>) {
    if group.len() > 1 && together(pool, &group).await.is_ok() {
        for asked in group {
            let _ = asked.answer.send(Ok(()));
        }
        return;
    }
    for Asked { write, answer } in group {
        let _ = answer.send(alone(pool, &write).await);
    }
}

async fn together(pool: &SqlitePool, group: &[Asked]) -> Result<(), StoreError> {
    let acquired = pool.acquire().await;
    let mut connection = acquired.map_err(StoreError::during("begin a transaction"))?;
    let done = transaction(&mut connection, group).await;
    if done.is_err() {
        // SQLite takes back some transactions by itself, and then the connection counts one too many
        // and begins no other. The next change gets a new connection.
        connection.close_on_drop();
    }
    done
}

async fn transaction(connection: &mut SqliteConnection, group: &[Asked]) -> Result<(), StoreError> {
    let begun = connection.begin_with("BEGIN IMMEDIATE").await;
    // It is rolled back if it is dropped.
    let mut transaction = begun.map_err(StoreError::during("begin a transaction"))?;
    for asked in group {
        let done = statement(&asked.write).execute(&mut *transaction).await;
        done.map_err(StoreError::during(operation(&asked.write)))?;
    }
    transaction.commit().await.map_err(StoreError::during("commit a transaction"))
}

async fn alone(pool: &SqlitePool, write: &Write) -> Result<(), StoreError> {
    let done = statement(write).execute(pool).await;
    done.map(|_done| ()).map_err(StoreError::during(operation(write)))
}

fn statement(write: &Write) -> Statement<'_> {
    match write {
        Write::Put(key, document) => sqlx::query(
            "INSERT INTO record (kind, account, region, name, document) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, account, region, name) DO UPDATE SET document = excluded.document",
        )
        .bind(key.kind)
        .bind(key.scope.account.as_str())
        .bind(key.scope.region.as_str())
        .bind(key.name.as_str())
        .bind(document.as_str()),
        Write::Remove(key) => sqlx::query(
            "DELETE FROM record WHERE kind = ?1 AND account = ?2 AND region = ?3 AND name = ?4",
        )
        .bind(key.kind)
        .bind(key.scope.account.as_str())
        .bind(key.scope.region.as_str())
        .bind(key.name.as_str()),
    }
}

fn operation(write: &Write) -> &'static str {
    match write {
        Write::Put(..) => "keep a record",
        Write::Remove(_) => "remove a record",
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region, Scope};

    use super::*;
    use crate::records::Records as _;
    use crate::sqlite::Sqlite;

    fn key(name: &str) -> RecordKey {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        RecordKey { kind: "thing", scope, name: name.to_owned() }
    }

    async fn open() -> (Sqlite, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (Sqlite::open(&directory.path().join("hearth.db")).await.unwrap(), directory)
    }

    fn asked(store: &Sqlite, write: Write) -> oneshot::Receiver<Result<(), StoreError>> {
        store.writes.ask(&Arc::new(write))
    }

    async fn names(store: &Sqlite) -> Vec<String> {
        let all = store.all("thing").await.unwrap();
        all.into_iter().map(|record| record.name).collect()
    }

    #[tokio::test]
    async fn what_waits_is_written_together_and_in_order() {
        let (store, _directory) = open().await;
        let puts =
            ["a", "b", "a"].map(|name| asked(&store, Write::Put(key(name), "{}".to_owned())));
        let removal = asked(&store, Write::Remove(key("b")));
        // Nobody waits for this one any more.
        drop(asked(&store, Write::Put(key("c"), "{}".to_owned())));
        store.put(&key("d"), "{}").await.unwrap();
        for one in puts.into_iter().chain([removal]) {
            one.await.unwrap().unwrap();
        }
        assert_eq!(names(&store).await, ["a", "d"]);
    }

    #[tokio::test]
    async fn whoever_fails_fails_alone() {
        let (store, _directory) = open().await;
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON record WHEN new.name = 'bad'
                      BEGIN SELECT RAISE(ABORT, 'refused'); END";
        sqlx::raw_sql(refuse).execute(&store.pool).await.unwrap();
        let good = asked(&store, Write::Put(key("good"), "{}".to_owned()));
        let bad = asked(&store, Write::Put(key("bad"), "{}".to_owned()));
        store.put(&key("last"), "{}").await.unwrap();
        assert!(good.await.unwrap().is_ok());
        assert!(bad.await.unwrap().is_err());
        assert_eq!(names(&store).await, ["good", "last"]);
    }

    #[tokio::test]
    async fn whoever_wrote_may_be_dropped() {
        let (store, _directory) = open().await;
        let other = asked(&store, Write::Put(key("a"), "{}".to_owned()));
        let taken = store.writes.gather();
        assert_eq!(taken.len(), 1);
        drop(taken);
        assert!(other.await.is_err());
        let (one, two) = (key("a"), key("b"));
        let (one, two) = tokio::join!(store.put(&one, "{}"), store.put(&two, "{}"));
        one.and(two).unwrap();
        assert_eq!(names(&store).await, ["a", "b"]);
        store.close().await;
        assert!(store.put(&key("c"), "{}").await.is_err());
    }
}
