//! Batches in one transaction.
//!
//! # Promises
//!
//! 1. Locks are taken in one order by everybody: groups and samenesses by their numbers, then rows
//!    by their ids. Nothing else is waited for, so nobody waits in a circle.
//! 2. After a failure it is known whether anything happened, or said that it is not.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hearth_types::limits;
use hearth_types::time::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, PgPool, Postgres};

use super::plan::{Done, Found, Insert, LaneName, Plan, Remembered, Row, plan};
use super::{BEGIN, answer_in_time, leases, millis, rows, timestamp};
use crate::error::StoreError;
use crate::queue::{Applied, Batch, EntryId, NewEntry};

/// What batches did.
#[derive(Debug)]
pub(super) struct Outcome {
    /// For each batch.
    pub(super) applied: Vec<Applied>,
    /// In which lanes there may be something to lease, and how much.
    pub(super) news: BTreeMap<LaneName, u32>,
}

/// Why nothing happened, or why that is not known.
#[derive(Debug)]
pub(super) enum Failure {
    /// Others came in the way; the same may well succeed now.
    Conflict(sqlx::Error),
    /// The database does not take something of it.
    Refused(sqlx::Error),
    /// The database cannot do anything now.
    Lost(sqlx::Error),
    /// The connection was lost during the commit, and the database could not be asked about it.
    Unknown(sqlx::Error),
}

impl Failure {
    fn of(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()).map(Cow::into_owned);
        // Classes of SQLSTATE: transaction rollback; lost connections, operator intervention and
        // system errors; a full disk.
        match code.as_deref() {
            Some(code) if code.starts_with("40") => Self::Conflict(error),
            Some("53100") => Self::Lost(error),
            Some(code) if ["08", "57", "58", "XX"].iter().any(|one| code.starts_with(one)) => {
                Self::Lost(error)
            }
            Some(_) => Self::Refused(error),
            None => Self::Lost(error),
        }
    }

    /// What each of the callers is told.
    pub(super) fn told(self) -> impl Fn() -> StoreError {
        let (is_known, source) = match self {
            Self::Conflict(error) | Self::Refused(error) | Self::Lost(error) => (true, error),
            Self::Unknown(error) => (false, error),
        };
        let source = Arc::new(source);
        move || {
            let source = Arc::clone(&source);
            if is_known {
                return StoreError::Together { operation: "change the queue", source };
            }
            StoreError::Unknown(source)
        }
    }
}

/// Does batches, each at its time, all in one transaction. When this returns they are durable.
pub(super) async fn run(
    pool: &PgPool,
    batches: &[(&Batch, Timestamp)],
) -> Result<Outcome, Failure> {
    let work = answer_in_time(async {
        let mut transaction = pool.begin_with(BEGIN).await?;
        let (outcome, number) = perform(&mut transaction, batches).await?;
        Ok::<_, sqlx::Error>((transaction, outcome, number))
    });
    let (transaction, outcome, number) = work.await.map_err(Failure::of)?;
    let Err(error) = answer_in_time(transaction.commit()).await else {
        return Ok(outcome);
    };
    match was_committed(pool, &number).await {
        Some(true) => Ok(outcome),
        Some(false) => Err(Failure::of(error)),
        None => Err(Failure::Unknown(error)),
    }
}

/// Asks the database whether a transaction was committed; `None` if it cannot be asked.
async fn was_committed(pool: &PgPool, number: &str) -> Option<bool> {
    let limit = Duration::from_secs(limits::POSTGRES_SECONDS_MAX);
    tokio::time::timeout(limit, ask_until_answered(pool, number)).await.ok().flatten()
}

async fn ask_until_answered(pool: &PgPool, number: &str) -> Option<bool> {
    loop {
        let status: Result<Option<String>, sqlx::Error> =
            sqlx::query_scalar("SELECT pg_xact_status($1::xid8)")
                .bind(number)
                .fetch_one(pool)
                .await;
        match status.as_ref().map(Option::as_deref) {
            Ok(Some("committed")) => return Some(true),
            Ok(Some("aborted")) => return Some(false),
            // It is still on its way.
            Ok(Some(_)) => {}
            // It is forgotten, or nobody can be asked any more.
            Ok(None) | Err(sqlx::Error::PoolClosed) => return None,
            Err(error) => tracing::warn!(%error, "what became of a change cannot be asked yet"),
        }
        tokio::time::sleep(Duration::from_millis(limits::POSTGRES_PAUSE_MILLIS)).await;
    }
}

/// Everything but the commit. Returns the transaction's number as well.
async fn perform(
    connection: &mut PgConnection,
    batches: &[(&Batch, Timestamp)],
) -> Result<(Outcome, String), sqlx::Error> {
    let settled: BTreeSet<i64> = batches
        .iter()
        .flat_map(|(batch, _)| &batch.settles)
        .map(|settle| settle.receipt.entry.0)
        .collect();
    let settled: Vec<i64> = settled.into_iter().collect();
    let mut locks = locks_of_puts(batches);
    if !settled.is_empty() {
        locks.extend(locks_of_entries(connection, &settled).await?);
    }
    take_locks(connection, locks).await?;
    let mut found = Found::default();
    if !settled.is_empty() {
        found.rows = lock_rows(connection, &settled).await?;
    }
    found.remembered = remembered(connection, batches).await?;
    let puts = batches.iter().map(|(batch, _)| batch.puts.len()).sum();
    let (number, ids) = number_and_ids(connection, puts).await?;
    found.ids = ids;

    let mut plan = plan(batches, found);
    write_rows(connection, &mut plan).await?;
    insert(connection, &plan.inserts).await?;
    let now = batches.iter().map(|(_, now)| *now).min().unwrap_or_default();
    remember(connection, &plan, now).await?;
    Ok((Outcome { applied: plan.applied, news: plan.news }, number))
}

/// The number of a lock.
fn lock_of(what: &str, (kind, lane, name): (&str, &str, &str)) -> i64 {
    let mut hash = Sha256::new();
    for part in [what, kind, lane, name] {
        hash.update(part);
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let (first, _) = digest.split_first_chunk().expect("a digest has more than eight bytes");
    i64::from_be_bytes(*first)
}

fn lock_of_group(group: (&str, &str, &str)) -> i64 {
    lock_of("group", group)
}

fn locks_of_puts(batches: &[(&Batch, Timestamp)]) -> BTreeSet<i64> {
    let mut locks = BTreeSet::new();
    for entry in batches.iter().flat_map(|(batch, _)| &batch.puts) {
        let lane = &entry.lane;
        if let Some(group) = &entry.group {
            locks.insert(lock_of_group((lane.kind, &lane.name, group)));
        }
        if let Some(sameness) = &entry.sameness {
            locks.insert(lock_of("sameness", (lane.kind, &lane.name, &sameness.id)));
        }
    }
    locks
}

/// The groups of entries never change, so they can be read before anything is locked.
pub(super) async fn locks_of_entries(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<BTreeSet<i64>, sqlx::Error> {
    let groups: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT DISTINCT kind, lane, group_id FROM hearth.entry
         WHERE id = ANY($1) AND group_id IS NOT NULL",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let lock = |(kind, lane, group): &(String, String, String)| lock_of_group((kind, lane, group));
    Ok(groups.iter().map(lock).collect())
}

pub(super) async fn take_locks(
    connection: &mut PgConnection,
    locks: BTreeSet<i64>,
) -> Result<(), sqlx::Error> {
    if locks.is_empty() {
        return Ok(());
    }
    let locks: Vec<i64> = locks.into_iter().collect();
    // In the order of the array.
    sqlx::query("SELECT pg_advisory_xact_lock(lock) FROM unnest($1::bigint[]) AS lock")
        .bind(locks)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn lock_rows(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<HashMap<EntryId, Row>, sqlx::Error> {
    type Columns = (i64, String, String, Option<String>, i64, i64, bool, bool);
    let found: Vec<Columns> = sqlx::query_as(
        "SELECT id, kind, lane, group_id, due, leases, leased, body IS NULL FROM hearth.entry
         WHERE id = ANY($1) ORDER BY id FOR UPDATE",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let row = |(id, kind, lane, group, due, leases_so_far, leased, apart): Columns| {
        let (due, leases) = (timestamp(due), leases(leases_so_far));
        let row = Row { kind, lane, group, due, leases, leased, apart, done: Done::Nothing };
        (EntryId(id), row)
    };
    Ok(found.into_iter().map(row).collect())
}

async fn remembered(
    connection: &mut PgConnection,
    batches: &[(&Batch, Timestamp)],
) -> Result<HashMap<(String, String, String), Remembered>, sqlx::Error> {
    let puts = batches.iter().flat_map(|(batch, _)| &batch.puts);
    let keys: BTreeSet<(&str, &str, &str)> = puts
        .filter_map(|entry| {
            let sameness = entry.sameness.as_ref()?;
            Some((entry.lane.kind, entry.lane.name.as_str(), sameness.id.as_str()))
        })
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let (kinds, lanes, ids) = columns(keys);
    let found: Vec<(String, String, String, i64, i64)> = sqlx::query_as(
        "SELECT s.kind, s.lane, s.id, s.entry, s.remembered
         FROM unnest($1::text[], $2::text[], $3::text[]) AS k(kind, lane, id)
         JOIN hearth.sameness s ON s.kind = k.kind AND s.lane = k.lane AND s.id = k.id",
    )
    .bind(kinds)
    .bind(lanes)
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let entry = |(kind, lane, id, entry, until): (String, String, String, i64, i64)| {
        let remembered = Remembered { entry: EntryId(entry), until: timestamp(until) };
        ((kind, lane, id), remembered)
    };
    Ok(found.into_iter().map(entry).collect())
}

/// Rows of three, as three columns.
fn columns<'a>(
    keys: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
) -> (Vec<&'a str>, Vec<&'a str>, Vec<&'a str>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for (kind, lane, name) in keys {
        columns.0.push(kind);
        columns.1.push(lane);
        columns.2.push(name);
    }
    columns
}

/// The number of this transaction, and new ids. They are drawn while the groups are locked, so that
/// within a group they are in the order in which others see them.
async fn number_and_ids(
    connection: &mut PgConnection,
    puts: usize,
) -> Result<(String, Vec<EntryId>), sqlx::Error> {
    let (number, ids): (String, Vec<i64>) = sqlx::query_as(
        "SELECT pg_current_xact_id()::text,
                ARRAY(SELECT nextval('hearth.entry_id') FROM generate_series(1, $1))",
    )
    .bind(rows(puts))
    .fetch_one(connection)
    .await?;
    Ok((number, ids.into_iter().map(EntryId).collect()))
}

/// Removes and changes rows, and lets groups go on whose first is gone.
async fn write_rows(connection: &mut PgConnection, plan: &mut Plan<'_>) -> Result<(), sqlx::Error> {
    let (mut removed, mut apart, mut groups) = (Vec::new(), Vec::new(), BTreeSet::new());
    let (mut ids, mut dues, mut leased) = (Vec::new(), Vec::new(), Vec::new());
    let mut heads: Vec<Option<&str>> = Vec::new();
    for (id, row) in &plan.rows {
        match &row.done {
            Done::Nothing => {}
            Done::Removed => {
                removed.push(id.0);
                apart.extend(row.apart.then_some(id.0));
                let group = row.group.as_deref();
                groups.extend(group.map(|group| (row.kind.as_str(), row.lane.as_str(), group)));
            }
            Done::Changed(head) => {
                ids.push(id.0);
                dues.push(millis(row.due));
                leased.push(row.leased);
                heads.push(head.as_deref());
            }
        }
    }
    if !ids.is_empty() {
        sqlx::query(
            "UPDATE hearth.entry e
             SET due = c.due, leased = c.leased, head = coalesce(c.head, e.head)
             FROM unnest($1::bigint[], $2::bigint[], $3::boolean[], $4::text[])
                  AS c(id, due, leased, head)
             WHERE e.id = c.id",
        )
        .bind(ids)
        .bind(dues)
        .bind(leased)
        .bind(heads)
        .execute(&mut *connection)
        .await?;
    }
    remove(connection, removed, apart).await?;
    for lane in free(connection, groups).await? {
        *plan.news.entry(lane).or_default() += 1;
    }
    Ok(())
}

/// Deletes entries, and the payloads of those that have them apart.
pub(super) async fn remove(
    connection: &mut PgConnection,
    removed: Vec<i64>,
    apart: Vec<i64>,
) -> Result<(), sqlx::Error> {
    if !removed.is_empty() {
        let delete = sqlx::query("DELETE FROM hearth.entry WHERE id = ANY($1)");
        delete.bind(removed).execute(&mut *connection).await?;
    }
    if !apart.is_empty() {
        let delete = sqlx::query("DELETE FROM hearth.body WHERE entry = ANY($1)");
        delete.bind(apart).execute(connection).await?;
    }
    Ok(())
}

/// Lets the first of each group be leased, if it was behind another. Returns the lanes where that
/// was so. The groups are locked.
pub(super) async fn free(
    connection: &mut PgConnection,
    groups: BTreeSet<(&str, &str, &str)>,
) -> Result<Vec<LaneName>, sqlx::Error> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let (kinds, lanes, groups) = columns(groups);
    sqlx::query_as(
        "UPDATE hearth.entry e SET behind = false
         FROM unnest($1::text[], $2::text[], $3::text[]) AS g(kind, lane, group_id)
         CROSS JOIN LATERAL (
             SELECT f.id FROM hearth.entry f
             WHERE f.kind = g.kind AND f.lane = g.lane AND f.group_id = g.group_id
             ORDER BY f.id LIMIT 1) AS first
         WHERE e.id = first.id AND e.behind
         RETURNING e.kind, e.lane",
    )
    .bind(kinds)
    .bind(lanes)
    .bind(groups)
    .fetch_all(connection)
    .await
}

/// Inserts entries, and the payloads of those that have them apart.
async fn insert(connection: &mut PgConnection, inserts: &[Insert<'_>]) -> Result<(), sqlx::Error> {
    if inserts.is_empty() {
        return Ok(());
    }
    insertion(inserts).execute(&mut *connection).await?;
    let large = inserts.iter().filter(|insert| is_large(insert.entry));
    let (ids, bodies): (Vec<i64>, Vec<&[u8]>) =
        large.map(|insert| (insert.id.0, &insert.entry.body[..])).unzip();
    if !ids.is_empty() {
        let all = "INSERT INTO hearth.body (entry, bytes)
                   SELECT * FROM unnest($1::bigint[], $2::bytea[])";
        sqlx::query(all).bind(ids).bind(bodies).execute(connection).await?;
    }
    Ok(())
}

/// Whether a payload is kept in the other table.
fn is_large(entry: &NewEntry) -> bool {
    entry.body.len() > limits::POSTGRES_BODY_INLINE_BYTES_MAX
}

/// The statement that inserts all rows of entries, column by column.
fn insertion<'q>(inserts: &'q [Insert<'q>]) -> Query<'q, Postgres, PgArguments> {
    let numbers = |value: fn(&Insert<'_>) -> i64| inserts.iter().map(value).collect::<Vec<i64>>();
    let entries = || inserts.iter().map(|insert| insert.entry);
    let inline = |entry: &'q NewEntry| Some(&entry.body[..]).filter(|_| !is_large(entry));
    sqlx::query(
        "INSERT INTO hearth.entry
             (id, kind, lane, group_id, put_at, due, leases, leased, behind, head, body, body_bytes)
         SELECT p.id, p.kind, p.lane, p.group_id, p.put_at, p.due, 0, false,
                p.behind OR (p.group_id IS NOT NULL AND EXISTS (
                    SELECT FROM hearth.entry e
                    WHERE e.kind = p.kind AND e.lane = p.lane AND e.group_id = p.group_id)),
                p.head, p.body, p.body_bytes
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
                     $7::boolean[], $8::text[], $9::bytea[], $10::bigint[])
              AS p(id, kind, lane, group_id, put_at, due, behind, head, body, body_bytes)",
    )
    .bind(numbers(|insert| insert.id.0))
    .bind(entries().map(|entry| entry.lane.kind).collect::<Vec<&str>>())
    .bind(entries().map(|entry| entry.lane.name.as_str()).collect::<Vec<&str>>())
    .bind(entries().map(|entry| entry.group.as_deref()).collect::<Vec<Option<&str>>>())
    .bind(numbers(|insert| millis(insert.entry.put_at)))
    .bind(numbers(|insert| millis(insert.entry.due)))
    .bind(inserts.iter().map(|insert| insert.behind).collect::<Vec<bool>>())
    .bind(entries().map(|entry| entry.head.as_str()).collect::<Vec<&str>>())
    .bind(entries().map(inline).collect::<Vec<Option<&[u8]>>>())
    .bind(numbers(|insert| rows(insert.entry.body.len())))
}

/// Writes down what is the same as what, and forgets as much of what is over. The samenesses are
/// locked.
async fn remember(
    connection: &mut PgConnection,
    plan: &Plan<'_>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    if plan.remembered.is_empty() {
        return Ok(());
    }
    let (kinds, lanes, ids) = columns(plan.remembered.keys().copied());
    let entries: Vec<i64> = plan.remembered.values().map(|one| one.entry.0).collect();
    let untils: Vec<i64> = plan.remembered.values().map(|one| millis(one.until)).collect();
    sqlx::query(
        "INSERT INTO hearth.sameness (kind, lane, id, entry, remembered)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
         ON CONFLICT (kind, lane, id)
             DO UPDATE SET entry = excluded.entry, remembered = excluded.remembered",
    )
    .bind(kinds)
    .bind(lanes)
    .bind(ids)
    .bind(entries)
    .bind(untils)
    .execute(&mut *connection)
    .await?;
    // Others may be about to forget the same, or to remember it anew: that is left to them.
    sqlx::query(
        "DELETE FROM hearth.sameness WHERE (kind, lane, id) IN (
             SELECT kind, lane, id FROM hearth.sameness WHERE remembered < $1
             ORDER BY remembered LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(millis(now))
    .bind(rows(plan.remembered.len().saturating_mul(2)))
    .execute(connection)
    .await?;
    Ok(())
}
