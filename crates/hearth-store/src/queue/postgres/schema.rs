//! The tables, brought up to date at every start.
//!
//! # Promises
//!
//! 1. Of several servers that start at once, one makes the tables and the others wait for it.
//! 2. A step is there whole or not at all.
//! 3. Tables of a newer Hearth are refused and left alone.

use sqlx::PgPool;

use crate::error::StoreError;

/// The steps from an empty database to the newest schema; a step never changes once it was
/// released.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_queue.sql"),
    include_str!("../../../migrations/postgres/0002_put_at.sql"),
];

/// The start of the transaction that looks at the tables. Whoever waited for the lock must see what
/// was done meanwhile. An index of many entries takes longer than a statement may otherwise, and so
/// does waiting for somebody else who makes one.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout TO 0";

/// The oldest PostgreSQL that can tell what became of a transaction.
const VERSION_MIN: u32 = 13;

/// Held while the tables are looked at: "hearth".
const LOCK: i64 = 0x6865_6172_7468;

/// Makes the tables, or brings them up to date.
pub(super) async fn migrate(pool: &PgPool) -> Result<(), StoreError> {
    let failed = StoreError::during;
    check_version(pool).await?;
    let transaction = pool.begin_with(BEGIN).await;
    let mut transaction = transaction.map_err(failed("begin to look at the schema"))?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed("lock the schema"))?;
    // Whoever may only use the tables may not make them: nothing is made that is there.
    let is_there: bool =
        sqlx::query_scalar("SELECT to_regclass('hearth.queue_schema') IS NOT NULL")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("look for the schema"))?;
    if !is_there {
        let made = sqlx::raw_sql(
            "CREATE SCHEMA IF NOT EXISTS hearth;
             CREATE TABLE hearth.queue_schema (version bigint NOT NULL);
             INSERT INTO hearth.queue_schema VALUES (0);",
        );
        made.execute(&mut *transaction).await.map_err(failed("make the schema"))?;
    }
    let found: i64 = sqlx::query_scalar("SELECT max(version) FROM hearth.queue_schema")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("read the schema's version"))?;
    let known = i64::try_from(MIGRATIONS.len()).expect("there are a few");
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for step in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        let done = sqlx::raw_sql(step).execute(&mut *transaction).await;
        done.map_err(failed("bring the schema up to date"))?;
    }
    if found < known {
        sqlx::query("UPDATE hearth.queue_schema SET version = $1")
            .bind(known)
            .execute(&mut *transaction)
            .await
            .map_err(failed("write the schema's version"))?;
    }
    transaction.commit().await.map_err(failed("keep the schema"))
}

async fn check_version(pool: &PgPool) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT current_setting('server_version_num')")
        .fetch_one(pool)
        .await
        .map_err(StoreError::during("ask for the version of PostgreSQL"))?;
    // `150004` is 15.4.
    let found = version.parse::<u32>().unwrap_or(0) / 10_000;
    if found < VERSION_MIN {
        return Err(StoreError::TooOld { found, needed: VERSION_MIN });
    }
    Ok(())
}
