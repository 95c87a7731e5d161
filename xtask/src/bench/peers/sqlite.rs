//! What SQLite can do at all: a bare loop that inserts rows, many with one sync.
//!
//! Producers hand rows to one writer, which takes all that wait and inserts them with one statement,
//! which is one transaction and one sync; then it tells them. It is as strong as it can be made with
//! the same library that Hearth's store has: no index, no second table, no HTTP.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, QueryBuilder, Sqlite, SqliteConnection};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::bench::later;
use crate::bench::stats::Summary;
use crate::now;

const WORKER_THREADS: usize = 2;
/// As many as a statement may have: each has two parameters.
const GROUP_MAX: usize = 128;

/// A file and a reactor for rounds of inserts.
#[derive(Debug)]
pub(crate) struct Inserts {
    reactor: Runtime,
    directory: TempDir,
}

/// A row to be inserted, and who waits for it.
struct Insert {
    body: String,
    done: oneshot::Sender<()>,
}

impl Inserts {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let reactor = Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .enable_all()
            .build()
            .context("could not start a reactor")?;
        let directory = TempDir::with_prefix("hearth-bench-sqlite-");
        Ok(Self { reactor, directory: directory.context("could not make a directory")? })
    }

    /// One round of so many producers.
    pub(crate) fn run(&self, producers: usize, duration: Duration) -> anyhow::Result<Summary> {
        self.reactor.block_on(async {
            let connection = self.open().await?;
            let (inserts, waiting) = mpsc::channel(producers);
            let mut writing = JoinSet::new();
            writing.spawn(write(connection, waiting));
            let mut producing = JoinSet::new();
            for _ in 0..producers {
                producing.spawn(produce(inserts.clone(), duration));
            }
            drop(inserts);
            let mut latencies = Vec::new();
            while let Some(share) = producing.join_next().await {
                latencies.extend(share.context("a producer of ours failed")?);
            }
            while let Some(written) = writing.join_next().await {
                written.context("the writer of ours failed")?.context("could not insert")?;
            }
            Ok(Summary::of(latencies, duration, 0))
        })
    }

    async fn open(&self) -> anyhow::Result<SqliteConnection> {
        let mut connection = SqliteConnectOptions::new()
            .filename(self.directory.path().join("bare.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await
            .context("could not open a file of SQLite")?;
        let table =
            "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, due INTEGER, body TEXT)";
        sqlx::raw_sql(table).execute(&mut connection).await.context("could not make a table")?;
        Ok(connection)
    }
}

/// Inserts all that waits, again and again, until nobody comes any more.
async fn write(
    mut connection: SqliteConnection,
    mut waiting: mpsc::Receiver<Insert>,
) -> Result<(), sqlx::Error> {
    let mut group: Vec<Insert> = Vec::with_capacity(GROUP_MAX);
    while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
        let mut statement = QueryBuilder::<'_, Sqlite>::new("INSERT INTO event (due, body) ");
        statement.push_values(group.iter_mut(), |mut row, insert| {
            row.push_bind(0_i64).push_bind(std::mem::take(&mut insert.body));
        });
        statement.build().execute(&mut connection).await?;
        for insert in group.drain(..) {
            // Whoever has gone does not want to know.
            let _gone = insert.done.send(());
        }
    }
    Ok(())
}

/// Hands rows over, one after the other. Returns how long each took until it was on the disk.
async fn produce(inserts: mpsc::Sender<Insert>, duration: Duration) -> Vec<Duration> {
    let (mut latencies, begin) = (Vec::new(), now());
    for number in 0.. {
        let start = now();
        let (done, inserted) = oneshot::channel();
        let sent = inserts.send(Insert { body: later::body(number), done }).await;
        // A writer that failed says so itself.
        if sent.is_err() || inserted.await.is_err() {
            break;
        }
        latencies.push(start.elapsed());
        if begin.elapsed() >= duration {
            break;
        }
    }
    latencies
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Inserts;

    #[test]
    fn every_producer_is_told() {
        let inserts = Inserts::new().unwrap();
        let summary = inserts.run(4, Duration::from_millis(1)).unwrap();
        assert!(summary.p50 > Duration::ZERO && summary.errors == 0);
        // The table is there already.
        inserts.run(1, Duration::from_millis(1)).unwrap();
    }
}
