//! The file: how it is opened, its schema, and what is read from it at start.

use std::path::Path;
use std::time::Duration;

use hearth_types::time::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqliteConnection};

use crate::error::StoreError;
use crate::queue::sqlite::lanes::{Known, Lanes};
use crate::queue::sqlite::rows;

/// The steps from an empty file to the newest schema; a step never changes once it was released.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite_queue/0001_entries.sql"),
    include_str!("../../../migrations/sqlite_queue/0002_time.sql"),
];

/// How long a statement waits for somebody else: only a copy of the file that a person makes can be
/// in the way.
const BUSY_SECONDS: u64 = 10;
/// Connections that only read. They serve people and metrics; a handful of queries at a time.
const READERS_MAX: u32 = 2;
/// Memory that the writer keeps of the file. The pages that are written all the time are the edges of
/// the indexes: for each lane a few, so that those of a thousand lanes have room. The rest is the
/// system's to keep. A part of the file that is mapped would be memory of the process as well, and
/// larger pages would be more to write for each entry.
const CACHE_KILOBYTES: u32 = 16_384;
/// How many pages the log may have before they are written into the file. More are written together
/// when a page changes often, and who waits for them waits longer.
const LOG_PAGES: u32 = 2_000;
/// How many pages the log may have because of readers before the writer waits for them: 64 MiB.
pub(super) const LOG_PAGES_MAX: i64 = 16_384;
/// To how many bytes the log is cut when it starts anew: its header, and that many frames of a page
/// and its own header. A whole number of frames, so that nothing looks torn.
const LOG_BYTES_KEPT: u64 = 32 + LOG_PAGES_MAX.unsigned_abs() * (4_096 + 24);

/// The connection that writes.
pub(super) async fn connect(file: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(BUSY_SECONDS))
        .pragma("cache_size", format!("-{CACHE_KILOBYTES}"))
        .pragma("wal_autocheckpoint", LOG_PAGES.to_string())
        .pragma("journal_size_limit", LOG_BYTES_KEPT.to_string())
        // What is copied on the way is nobody else's to read, and little.
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging();
    options.connect().await.map_err(StoreError::during("open the queue"))
}

/// Connections that only read.
pub(super) async fn readers(file: &Path) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(Duration::from_secs(BUSY_SECONDS))
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
    pool.connect_with(options).await.map_err(StoreError::during("open the queue"))
}

/// Brings the schema up to date.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await
        .map_err(StoreError::during("read the schema's version"))?;
    let known = i64::try_from(MIGRATIONS.len()).expect("there are a few");
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (number, step) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
        let whole = format!("BEGIN; {step}; PRAGMA user_version = {number}; COMMIT;");
        sqlx::raw_sql(&whole)
            .execute(&mut *connection)
            .await
            .map_err(StoreError::during("bring the schema up to date"))?;
    }
    Ok(())
}

/// The latest id that may have been given, and the latest time that was noted.
pub(super) async fn last_id_and_time(
    connection: &mut SqliteConnection,
) -> Result<(i64, Timestamp), StoreError> {
    let (id, at): (i64, i64) = sqlx::query_as("SELECT id, at FROM given")
        .fetch_one(connection)
        .await
        .map_err(StoreError::during("read the latest id"))?;
    Ok((id, rows::timestamp(at)))
}

/// The lanes, without those that nobody needs any more.
pub(super) async fn lanes(connection: &mut SqliteConnection) -> Result<Lanes, StoreError> {
    sqlx::query(
        "DELETE FROM lane
         WHERE NOT EXISTS (SELECT 1 FROM entry WHERE entry.lane = lane.id)
         AND NOT EXISTS (SELECT 1 FROM sameness WHERE sameness.lane = lane.id)",
    )
    .execute(&mut *connection)
    .await
    .map_err(StoreError::during("remove empty lanes"))?;
    let rows: Vec<(i64, String, String, i64, i64)> = sqlx::query_as(
        "SELECT lane.id, lane.kind, lane.name, coalesce(counted.entries, 0), coalesce((
             SELECT put_at FROM entry
             WHERE entry.lane = lane.id AND early = 0 ORDER BY entry.id DESC LIMIT 1), 0)
         FROM lane LEFT JOIN (
             SELECT lane, count(*) AS entries FROM entry GROUP BY lane
         ) AS counted ON counted.lane = lane.id",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(StoreError::during("read the lanes"))?;
    let mut lanes = Lanes::default();
    for (number, kind, name, entries, latest) in rows {
        let (entries, latest) = (rows::count(entries), rows::timestamp(latest));
        lanes.read((&kind, name), Known { number, entries, latest });
    }
    Ok(lanes)
}
