//! What can be seen without leasing: each is one statement.

use bytes::Bytes;
use hearth_types::time::Timestamp;
use sqlx::PgPool;

use super::{leases, millis, rows, timestamp};
use crate::queue::{Counts, EntryId, Lane, Page, Seen};

/// When there is something to lease. Those that are behind another of their group do not count:
/// nobody can lease them, whenever they are due.
pub(super) async fn next_due(pool: &PgPool, lane: &Lane) -> Result<Option<Timestamp>, sqlx::Error> {
    let due: Option<i64> = sqlx::query_scalar(
        "SELECT due FROM hearth.entry WHERE kind = $1 AND lane = $2 AND NOT behind
         ORDER BY due LIMIT 1",
    )
    .bind(lane.kind)
    .bind(&lane.name)
    .fetch_optional(pool)
    .await?;
    Ok(due.map(timestamp))
}

/// The beginning of a query: lanes by their names. Each is looked up behind the one before it, so a
/// lane costs the same however many entries it has.
macro_rules! found_lanes {
    () => {
        "WITH RECURSIVE found(lane) AS (
             (SELECT lane FROM hearth.entry
              WHERE kind = $1 AND (lane, id) > ($2, $3) ORDER BY lane, id LIMIT 1)
             UNION ALL
             SELECT next.lane FROM found CROSS JOIN LATERAL (
                 SELECT e.lane FROM hearth.entry e
                 WHERE e.kind = $1 AND e.lane > found.lane ORDER BY e.lane LIMIT 1) AS next) "
    };
}

/// Lanes by their names.
pub(super) async fn lanes(
    pool: &PgPool,
    kind: &'static str,
    after: Option<&str>,
    items: usize,
) -> Result<Vec<Lane>, sqlx::Error> {
    let names: Vec<String> =
        sqlx::query_scalar(concat!(found_lanes!(), "SELECT lane FROM found LIMIT $4"))
            .bind(kind)
            // From behind the last entry of a lane on, or from before the first of all.
            .bind(after.unwrap_or_default())
            .bind(if after.is_some() { i64::MAX } else { i64::MIN })
            .bind(rows(items))
            .fetch_all(pool)
            .await?;
    Ok(names.into_iter().map(|name| Lane { kind, name }).collect())
}

/// Lanes by their names, and when the first of each is due that is behind no other.
pub(super) async fn dues(
    pool: &PgPool,
    kind: &'static str,
    after: Option<&str>,
    items: usize,
) -> Result<Vec<(Lane, Timestamp)>, sqlx::Error> {
    let found: Vec<(String, i64)> = sqlx::query_as(concat!(
        found_lanes!(),
        "SELECT named.lane, first.due FROM (SELECT lane FROM found LIMIT $4) AS named
             CROSS JOIN LATERAL (
                 SELECT e.due FROM hearth.entry e
                 WHERE e.kind = $1 AND e.lane = named.lane AND NOT e.behind
                 ORDER BY e.due LIMIT 1) AS first
             ORDER BY named.lane"
    ))
    .bind(kind)
    .bind(after.unwrap_or_default())
    .bind(if after.is_some() { i64::MAX } else { i64::MIN })
    .bind(rows(items))
    .fetch_all(pool)
    .await?;
    let due = |(name, due): (String, i64)| (Lane { kind, name }, timestamp(due));
    Ok(found.into_iter().map(due).collect())
}

/// How many entries there are. All of the lane are counted.
pub(super) async fn counts(
    pool: &PgPool,
    lane: &Lane,
    now: Timestamp,
) -> Result<Counts, sqlx::Error> {
    let (waiting, delayed, leased, oldest): (i64, i64, i64, Option<i64>) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE due <= $3),
                count(*) FILTER (WHERE due > $3 AND NOT leased),
                count(*) FILTER (WHERE due > $3 AND leased),
                min(put_at)
         FROM hearth.entry WHERE kind = $1 AND lane = $2",
    )
    .bind(lane.kind)
    .bind(&lane.name)
    .bind(millis(now))
    .fetch_one(pool)
    .await?;
    Ok(Counts {
        waiting: count(waiting),
        delayed: count(delayed),
        leased: count(leased),
        oldest: oldest.map(timestamp),
    })
}

/// Entries in the order of their ids.
pub(super) async fn page(
    pool: &PgPool,
    page: Page<'_>,
    now: Timestamp,
) -> Result<Vec<Seen>, sqlx::Error> {
    type Columns = (i64, Option<String>, i64, i64, i64, bool, String, i64);
    let found: Vec<Columns> = sqlx::query_as(
        "SELECT id, group_id, put_at, due, leases, leased, head, body_bytes FROM hearth.entry
         WHERE kind = $1 AND lane = $2 AND id > $3 ORDER BY id LIMIT $4",
    )
    .bind(page.lane.kind)
    .bind(&page.lane.name)
    .bind(page.after.map_or(i64::MIN, |after| after.0))
    .bind(rows(page.items))
    .fetch_all(pool)
    .await?;
    let seen =
        |(id, group, put_at, due, leased_so_often, leased, head, body_bytes): Columns| Seen {
            id: EntryId(id),
            group,
            put_at: timestamp(put_at),
            due: timestamp(due),
            leases: leases(leased_so_often),
            leased: leased && due > millis(now),
            head,
            body_bytes: count(body_bytes),
        };
    Ok(found.into_iter().map(seen).collect())
}

/// The payload of an entry of a lane.
pub(super) async fn body(
    pool: &PgPool,
    lane: &Lane,
    id: EntryId,
) -> Result<Option<Bytes>, sqlx::Error> {
    let body: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT coalesce(e.body, b.bytes) FROM hearth.entry e
         LEFT JOIN hearth.body b ON b.entry = e.id
         WHERE e.id = $1 AND e.kind = $2 AND e.lane = $3",
    )
    .bind(id.0)
    .bind(lane.kind)
    .bind(&lane.name)
    .fetch_optional(pool)
    .await?;
    Ok(body.map(Bytes::from))
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
