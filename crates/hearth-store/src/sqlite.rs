//! The embedded engine: one SQLite file, write-ahead log, every commit synced.

mod writes;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_types::names::{AccountId, NameError, Region, Scope};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use self::writes::{Write, Writes};
use crate::error::StoreError;
use crate::records::{Record, RecordKey, Records};

/// The steps from an empty file to the newest schema; a step never changes once it was released.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/sqlite/0001_functions.sql"),
    include_str!("../migrations/sqlite/0002_records.sql"),
];

/// How long a statement waits for another writer.
const BUSY_SECONDS: u64 = 10;

/// An open store.
#[derive(Debug, Clone)]
pub struct Sqlite {
    pool: SqlitePool,
    writes: Arc<Writes>,
}

impl Sqlite {
    /// Opens the file, makes it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, is not a database, or was written by a newer Hearth.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(BUSY_SECONDS));
        // One connection: SQLite has one writer, and reads are served from memory.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.map_err(StoreError::during("open the store"))?;
        let store = Self { pool, writes: Arc::default() };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let found: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::during("read the schema's version"))?;
        let known = i64::try_from(MIGRATIONS.len()).expect("there are a few");
        if found > known {
            return Err(StoreError::TooNew { found, known });
        }
        for (number, step) in (1..).zip(MIGRATIONS).skip(usize::try_from(found).unwrap_or(0)) {
            let whole = format!("BEGIN; {step}; PRAGMA user_version = {number}; COMMIT;");
            sqlx::raw_sql(&whole)
                .execute(&self.pool)
                .await
                .map_err(StoreError::during("bring the schema up to date"))?;
        }
        Ok(())
    }

    /// Writes the log into the file and closes it.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Records for Sqlite {
    async fn put(&self, key: &RecordKey, document: &str) -> Result<(), StoreError> {
        self.writes.apply(&self.pool, Write::Put(key.clone(), document.to_owned())).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.writes.apply(&self.pool, Write::Remove(key.clone())).await
    }

    async fn all(&self, kind: &'static str) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<(String, String, String, String)> = sqlx::query_as(
            "SELECT account, region, name, document FROM record WHERE kind = ?1
             ORDER BY account, region, name",
        )
        .bind(kind)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::during("read the records"))?;
        rows.into_iter()
            .map(|(account, region, name, document)| {
                let scope =
                    Scope { account: AccountId::parse(&account)?, region: Region::parse(&region)? };
                Ok(Record { scope, name, document })
            })
            .collect::<Result<_, NameError>>()
            .map_err(StoreError::Scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::conformance;

    async fn open() -> (Sqlite, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        (Sqlite::open(&directory.path().join("hearth.db")).await.unwrap(), directory)
    }

    #[tokio::test]
    async fn records_conform() {
        conformance::replaces_whole_and_returns_in_order(&open().await.0).await;
        conformance::removes_and_does_not_mind_what_is_missing(&open().await.0).await;
        conformance::kinds_do_not_see_each_other(&open().await.0).await;
    }

    #[tokio::test]
    async fn functions_of_the_first_schema_are_still_there() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hearth.db");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let old = SqlitePool::connect_with(options).await.unwrap();
        sqlx::raw_sql(MIGRATIONS[0]).execute(&old).await.unwrap();
        let row = "INSERT INTO function VALUES ('000000000000', 'us-east-1', 'hello', '{}')";
        sqlx::raw_sql(row).execute(&old).await.unwrap();
        sqlx::raw_sql("PRAGMA user_version = 1").execute(&old).await.unwrap();
        old.close().await;

        let store = Sqlite::open(&file).await.unwrap();
        let found = store.all("function").await.unwrap();
        assert_eq!(found[0].name, "hello");
    }

    #[tokio::test]
    async fn records_survive_and_a_newer_schema_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hearth.db");
        let store = Sqlite::open(&file).await.unwrap();
        conformance::replaces_whole_and_returns_in_order(&store).await;
        store.close().await;

        let store = Sqlite::open(&file).await.unwrap();
        assert_eq!(store.all(conformance::KIND).await.unwrap().len(), 2);
        sqlx::raw_sql("PRAGMA user_version = 99").execute(&store.pool).await.unwrap();
        store.close().await;

        let refused = Sqlite::open(&file).await.unwrap_err();
        assert!(matches!(refused, StoreError::TooNew { found: 99, .. }));
    }
}
