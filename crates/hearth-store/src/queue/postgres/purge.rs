//! Removing what is in a lane, in steps, so that a large one holds up nobody.
//!
//! Locks are taken in the same order as by every change: see [`super::transaction`].

use hearth_types::limits;
use hearth_types::time::Timestamp;
use sqlx::PgPool;

use super::plan::{LaneName, Row};
use super::transaction::{free, lock_rows, locks_of_entries, remove, take_locks};
use super::{BEGIN, Store, answer_in_time, millis, rows};
use crate::queue::{EntryId, Lane};

/// Removes what was put into a lane before a time, some at a time.
pub(super) async fn purge(
    store: &Store,
    lane: &Lane,
    put_before: Timestamp,
) -> Result<u64, sqlx::Error> {
    let (mut purged, mut after) = (0, (i64::MIN, i64::MIN));
    loop {
        let step = answer_in_time(purge_some(&store.pool, lane, (put_before, after))).await?;
        purged += step.purged;
        for (kind, name) in &step.news {
            store.tell(kind, name, 1);
        }
        match step.last {
            Some(last) => after = last,
            None => return Ok(purged),
        }
    }
}

/// A part of a lane that was purged.
struct Step {
    purged: u64,
    news: Vec<LaneName>,
    /// When the last entry was put that was looked at, and its id; `None` if there were none.
    last: Option<(i64, i64)>,
}

async fn purge_some(
    pool: &PgPool,
    lane: &Lane,
    (put_before, after): (Timestamp, (i64, i64)),
) -> Result<Step, sqlx::Error> {
    let mut transaction = pool.begin_with(BEGIN).await?;
    let old: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT put_at, id FROM hearth.entry
         WHERE kind = $1 AND lane = $2 AND (put_at, id) > ($3, $4) AND put_at < $5
         ORDER BY put_at, id LIMIT $6",
    )
    .bind(lane.kind)
    .bind(&lane.name)
    .bind(after.0)
    .bind(after.1)
    .bind(millis(put_before))
    .bind(rows(limits::POSTGRES_PURGE_ENTRIES))
    .fetch_all(&mut *transaction)
    .await?;
    let ids: Vec<i64> = old.iter().map(|(_, id)| *id).collect();
    let locks = locks_of_entries(&mut transaction, &ids).await?;
    take_locks(&mut transaction, locks).await?;
    let found = lock_rows(&mut transaction, &ids).await?;
    let removed: Vec<i64> = found.keys().map(|id| id.0).collect();
    let is_apart = |(id, row): (&EntryId, &Row)| row.apart.then_some(id.0);
    let apart: Vec<i64> = found.iter().filter_map(is_apart).collect();
    let groups = found.values().filter_map(|row| row.group.as_deref());
    let groups = groups.map(|group| (lane.kind, lane.name.as_str(), group)).collect();
    let purged = u64::try_from(removed.len()).unwrap_or(u64::MAX);
    remove(&mut transaction, removed, apart).await?;
    let news = free(&mut transaction, groups).await?;
    transaction.commit().await?;
    Ok(Step { purged, news, last: old.last().copied() })
}
