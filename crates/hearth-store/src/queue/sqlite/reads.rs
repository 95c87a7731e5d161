//! Looking at entries without changing them, on connections that only read.

use std::collections::HashMap;

use bytes::Bytes;
use hearth_types::time::Timestamp;
use sqlx::sqlite::SqlitePool;

use crate::error::StoreError;
use crate::queue::sqlite::rows::{self, milliseconds, size, timestamp};
use crate::queue::{Counts, EntryId, Receipt, Seen};

type SeenRow = (i64, Option<String>, i64, i64, i64, i64, String, i64);

/// See [`crate::queue::Queue::next_due`].
pub(super) async fn next_due(
    readers: &SqlitePool,
    lane: i64,
) -> Result<Option<Timestamp>, StoreError> {
    // One that is blocked has an earlier one in its group that is not.
    let due: Option<i64> = sqlx::query_scalar(
        "SELECT due FROM entry WHERE lane = ?1 AND blocked = 0 ORDER BY due LIMIT 1",
    )
    .bind(lane)
    .fetch_optional(readers)
    .await
    .map_err(StoreError::during("look when an entry is due"))?;
    Ok(due.map(timestamp))
}

/// When the first entry of each of some lanes is due.
pub(super) const DUES: &str = "
    SELECT wanted.value, (
        SELECT due FROM entry WHERE lane = wanted.value AND blocked = 0 ORDER BY due LIMIT 1)
    FROM json_each(?1) AS wanted";

/// The same as [`next_due`] of many lanes, in one query. Those that are empty are left out.
pub(super) async fn dues(
    readers: &SqlitePool,
    lanes: &[i64],
) -> Result<HashMap<i64, Timestamp>, StoreError> {
    let rows: Vec<(i64, Option<i64>)> = sqlx::query_as(DUES)
        .bind(rows::list(&lanes))
        .fetch_all(readers)
        .await
        .map_err(StoreError::during("look when entries are due"))?;
    Ok(rows.into_iter().filter_map(|(lane, due)| Some((lane, timestamp(due?)))).collect())
}

/// See [`crate::queue::Queue::latest`].
pub(super) async fn latest(readers: &SqlitePool) -> Result<Option<Timestamp>, StoreError> {
    let at: i64 = sqlx::query_scalar("SELECT at FROM given")
        .fetch_one(readers)
        .await
        .map_err(StoreError::during("look what time it was"))?;
    Ok(Some(timestamp(at)).filter(|at| *at > Timestamp(0)))
}

/// What is delayed or leased, and the oldest. Of those that are not early it is the first.
pub(super) const COUNTS: &str = "
    SELECT count(*), coalesce(sum(leased), 0), (
        SELECT min(put_at) FROM (
            SELECT put_at FROM (
                SELECT put_at FROM entry WHERE lane = ?1 AND early = 0 ORDER BY id LIMIT 1)
            UNION ALL
            SELECT min(put_at) FROM entry WHERE lane = ?1 AND early = 1))
    FROM entry WHERE lane = ?1 AND blocked IN (0, 1) AND due > ?2";

/// See [`crate::queue::Queue::counts`]. Reads only what is delayed or leased; how many entries there
/// are at all is known.
pub(super) async fn counts(
    readers: &SqlitePool,
    (lane, entries): (i64, u64),
    now: Timestamp,
) -> Result<Counts, StoreError> {
    let (later, leased, oldest): (i64, i64, Option<i64>) = sqlx::query_as(COUNTS)
        .bind(lane)
        .bind(milliseconds(now))
        .fetch_one(readers)
        .await
        .map_err(StoreError::during("count entries"))?;
    Ok(Counts {
        waiting: entries.saturating_sub(rows::count(later)),
        delayed: rows::count(later.saturating_sub(leased)),
        leased: rows::count(leased),
        oldest: oldest.map(timestamp),
    })
}

/// Entries whose leases are given back in one transaction.
const RECEIPTS_AT_ONCE: i64 = 1_000;

/// Leases of some lanes that last. It looks at what is delayed or leased, in the index.
pub(super) const LEASED: &str = "
    SELECT entry.id, entry.leases FROM json_each(?1) AS wanted CROSS JOIN entry
    ON entry.lane = wanted.value AND entry.blocked IN (0, 1) AND entry.due > ?2
        AND entry.leased = 1
    LIMIT ?3";

/// Some of the leases of lanes that last.
pub(super) async fn leased(
    readers: &SqlitePool,
    lanes: &[i64],
    now: Timestamp,
) -> Result<Vec<Receipt>, StoreError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(LEASED)
        .bind(rows::list(&lanes))
        .bind(milliseconds(now))
        .bind(RECEIPTS_AT_ONCE)
        .fetch_all(readers)
        .await
        .map_err(StoreError::during("look for leases"))?;
    let receipt = |(id, leases)| Receipt { entry: EntryId(id), lease: rows::leases(leases) };
    Ok(rows.into_iter().map(receipt).collect())
}

/// Which part of a lane to look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) lane: i64,
    pub(super) after: Option<EntryId>,
    pub(super) items: usize,
}

/// As many of the early entries and of the others as are wanted, and of these the first.
pub(super) const PAGE: &str = "
    SELECT id, group_name, put_at, due, leases, leased, head, body_bytes FROM entry
    WHERE id IN (
        SELECT id FROM (
            SELECT id FROM entry WHERE lane = ?1 AND early = 0 AND id > ?2 ORDER BY id LIMIT ?3)
        UNION ALL
        SELECT id FROM (
            SELECT id FROM entry WHERE lane = ?1 AND early = 1 AND id > ?2 ORDER BY id LIMIT ?3))
    ORDER BY id LIMIT ?3";

/// See [`crate::queue::Queue::page`].
pub(super) async fn page(
    readers: &SqlitePool,
    page: Page,
    now: Timestamp,
) -> Result<Vec<Seen>, StoreError> {
    let rows: Vec<SeenRow> = sqlx::query_as(PAGE)
        .bind(page.lane)
        .bind(page.after.map_or(0, |id| id.0))
        .bind(size(page.items))
        .fetch_all(readers)
        .await
        .map_err(StoreError::during("look at entries"))?;
    let mut seen = Vec::with_capacity(rows.len());
    for (id, group, put_at, due, leases, leased, head, body_bytes) in rows {
        let due = timestamp(due);
        seen.push(Seen {
            id: EntryId(id),
            group,
            put_at: timestamp(put_at),
            due,
            leases: rows::leases(leases),
            leased: leased != 0 && now < due,
            head,
            body_bytes: rows::count(body_bytes),
        });
    }
    Ok(seen)
}

/// See [`crate::queue::Queue::body`].
pub(super) async fn body(
    readers: &SqlitePool,
    lane: i64,
    id: EntryId,
) -> Result<Option<Bytes>, StoreError> {
    let body: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT coalesce(body, (SELECT payload.body FROM payload WHERE payload.entry = entry.id))
         FROM entry WHERE id = ?1 AND lane = ?2",
    )
    .bind(id.0)
    .bind(lane)
    .fetch_optional(readers)
    .await
    .map_err(StoreError::during("read a payload"))?;
    Ok(body.map(Bytes::from))
}
