//! The file: how it is opened, and its schema.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqliteConnection};

use crate::error::StoreError;

/// The steps from an empty file to the newest schema; a step never changes once it was released.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/sqlite_shelf/0001_versions.sql")];

/// How long a statement waits for somebody else: only a copy of the file that a person makes can be
/// in the way.
const BUSY_SECONDS: u64 = 10;
/// Connections that only read: a few listings at a time, and reads of what is not remembered.
const READERS_MAX: u32 = 4;
/// Memory that the writer keeps of the file: the edges of the trees that keys are put into.
const CACHE_KILOBYTES: u32 = 16_384;
/// How many pages the log may have before they are written into the file. The bytes of small objects
/// pass through it, so it is larger than the queue's.
const LOG_PAGES: u32 = 4_000;
/// To how many bytes the log is cut when it starts anew.
const LOG_BYTES_KEPT: u64 = 64 * 1024 * 1024;

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
        .disable_statement_logging();
    options.connect().await.map_err(StoreError::during("open the shelf"))
}

/// Connections that only read.
pub(super) async fn readers(file: &Path) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(Duration::from_secs(BUSY_SECONDS))
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX).test_before_acquire(false);
    pool.connect_with(options).await.map_err(StoreError::during("open the shelf"))
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
