//! Leasing what is due.
//!
//! ```text
//!  lock the oldest that are due and first of their group, skipping what others have locked
//!    └─▶ of those with a group: look who follows, and lock that too, as far as it goes on
//!          └─▶ take as many as there is room for, mark them, read their payloads
//! ```
//!
//! An empty lane costs one question, and no transaction: whoever waits for it asks again and again.
//! What was leased for somebody who has gone away meanwhile is given back.
//!
//! Nothing here waits for a lock. An entry that follows is leased only by whoever has locked the
//! first of its group, so no two have parts of a group by different calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hearth_types::limits;
use hearth_types::time::Timestamp;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};

use super::writer::Job;
use super::{BEGIN_UNFLUSHED, in_time, leases, millis, rows, timestamp};
use crate::error::StoreError;
use crate::queue::{Ask, Batch, EntryId, Fate, Lane, Leased, Receipt, Settle};

/// An entry that may be leased; its row is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    id: i64,
    group: Option<String>,
    /// When it is due, or the last of those before it in its group if that is later.
    due: i64,
    bytes: usize,
}

/// What [`Ask`] says, and its time.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) lane: Lane,
    pub(super) entries: usize,
    pub(super) bytes: usize,
    pub(super) until: Timestamp,
    pub(super) now: Timestamp,
}

/// Leases entries for somebody who may go away at any moment.
pub(super) async fn serve(
    pool: PgPool,
    jobs: mpsc::Sender<Job>,
    wish: Wish,
    answer: oneshot::Sender<Result<Vec<Leased>, StoreError>>,
) {
    if answer.is_closed() {
        return;
    }
    let Wish { lane, entries, bytes, until, now } = wish;
    let ask = Ask { lane: &lane, entries, bytes, until };
    let leased = in_time(lease(&pool, ask, now), "lease entries").await;
    if let Err(Ok(leased)) = answer.send(leased)
        && !leased.is_empty()
    {
        let fate = Fate::Return { due: now, head: None };
        let back = |one: Leased| Settle { receipt: one.receipt, fate: fate.clone() };
        let settles = leased.into_iter().map(back).collect();
        let batch = Batch { settles, ..Batch::default() };
        let (nobody, _gone) = oneshot::channel();
        // If nobody works any more, they come back by themselves when their leases have run out.
        let _ = jobs.send(Job { batch, now, answer: nobody }).await;
    }
}

async fn lease(pool: &PgPool, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, sqlx::Error> {
    if !is_something_due(pool, ask.lane, now).await? {
        return Ok(Vec::new());
    }
    let entries = ask.entries.min(limits::POSTGRES_LEASE_ENTRIES_MAX);
    let mut transaction = pool.begin_with(BEGIN_UNFLUSHED).await?;
    let mut candidates = first_ones(&mut transaction, (ask.lane, entries), now).await?;
    let groups: Vec<Candidate> =
        candidates.iter().filter(|one| one.group.is_some()).cloned().collect();
    if !groups.is_empty() && entries > 1 {
        let following = followers(&mut transaction, (ask.lane, entries), &groups, now).await?;
        candidates.extend(following);
        // Those of a group stay in its order: none has an earlier time than one before it.
        candidates.sort_by_key(|one| (one.due, one.id));
    }
    let taken = fitting(&candidates, entries, ask.bytes);
    if taken.is_empty() {
        transaction.rollback().await?;
        return Ok(Vec::new());
    }
    let leased = mark(&mut transaction, &taken, (ask.until, now)).await?;
    transaction.commit().await?;
    Ok(leased)
}

async fn is_something_due(pool: &PgPool, lane: &Lane, now: Timestamp) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM hearth.entry
             WHERE kind = $1 AND lane = $2 AND NOT behind AND due <= $3)",
    )
    .bind(lane.kind)
    .bind(&lane.name)
    .bind(millis(now))
    .fetch_one(pool)
    .await
}

/// Locks the oldest entries that are due and behind none.
async fn first_ones(
    connection: &mut PgConnection,
    (lane, entries): (&Lane, usize),
    now: Timestamp,
) -> Result<Vec<Candidate>, sqlx::Error> {
    let found: Vec<(i64, Option<String>, i64, i64)> = sqlx::query_as(
        "SELECT id, group_id, due, body_bytes FROM hearth.entry
         WHERE kind = $1 AND lane = $2 AND NOT behind AND due <= $3
         ORDER BY due, id LIMIT $4 FOR UPDATE SKIP LOCKED",
    )
    .bind(lane.kind)
    .bind(&lane.name)
    .bind(millis(now))
    .bind(rows(entries))
    .fetch_all(connection)
    .await?;
    let candidate = |(id, group, due, bytes)| Candidate { id, group, due, bytes: bytes_of(bytes) };
    Ok(found.into_iter().map(candidate).collect())
}

/// Locks those that follow the first of groups, as far as each is due.
async fn followers(
    connection: &mut PgConnection,
    (lane, entries): (&Lane, usize),
    first: &[Candidate],
    now: Timestamp,
) -> Result<Vec<Candidate>, sqlx::Error> {
    let ids: Vec<i64> = first.iter().map(|one| one.id).collect();
    let groups: Vec<Option<&str>> = first.iter().map(|one| one.group.as_deref()).collect();
    // All of them, without a lock, to see where one is missing later.
    let following: Vec<(i64, i64, String, i64, i64)> = sqlx::query_as(
        "SELECT g.first, f.id, g.group_id, f.due, f.body_bytes
         FROM unnest($1::bigint[], $2::text[]) AS g(first, group_id)
         CROSS JOIN LATERAL (
             SELECT e.id, e.due, e.body_bytes FROM hearth.entry e
             WHERE e.kind = $3 AND e.lane = $4 AND e.group_id = g.group_id AND e.id > g.first
             ORDER BY e.id LIMIT $5) AS f",
    )
    .bind(ids)
    .bind(groups)
    .bind(lane.kind)
    .bind(&lane.name)
    .bind(rows(entries - 1))
    .fetch_all(&mut *connection)
    .await?;
    if following.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = following.iter().map(|(_, id, ..)| *id).collect();
    let locked: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM hearth.entry
         WHERE id = ANY($1) AND due <= $2 ORDER BY id FOR UPDATE SKIP LOCKED",
    )
    .bind(ids)
    .bind(millis(now))
    .fetch_all(connection)
    .await?;
    let locked: BTreeSet<i64> = locked.into_iter().collect();
    let mut by_group: BTreeMap<i64, Vec<Candidate>> = BTreeMap::new();
    for (first, id, group, due, bytes) in following {
        let candidate = Candidate { id, group: Some(group), due, bytes: bytes_of(bytes) };
        by_group.entry(first).or_default().push(candidate);
    }
    Ok(first
        .iter()
        .flat_map(|one| going_on(one.due, by_group.remove(&one.id).unwrap_or_default(), &locked))
        .collect())
}

/// Of those that follow in a group, in any order, the ones up to the first that is not locked.
fn going_on(mut due: i64, mut following: Vec<Candidate>, locked: &BTreeSet<i64>) -> Vec<Candidate> {
    following.sort_by_key(|one| one.id);
    let without_gap = following.into_iter().take_while(|one| locked.contains(&one.id));
    without_gap
        .map(|one| {
            due = due.max(one.due);
            Candidate { due, ..one }
        })
        .collect()
}

/// The first ones for which there is room; the very first always is.
fn fitting(candidates: &[Candidate], entries: usize, bytes: usize) -> Vec<i64> {
    let mut used = 0_usize;
    let fits = |(at, one): &(usize, &Candidate)| {
        used = used.saturating_add(one.bytes);
        *at == 0 || used <= bytes
    };
    let taken = candidates.iter().take(entries).enumerate().take_while(fits);
    taken.map(|(_, one)| one.id).collect()
}

/// Marks locked entries as leased, and reads them. They come in the order of `ids`.
async fn mark(
    connection: &mut PgConnection,
    ids: &[i64],
    (until, now): (Timestamp, Timestamp),
) -> Result<Vec<Leased>, sqlx::Error> {
    type Columns = (i64, i64, Option<String>, i64, i64, String, Option<Vec<u8>>);
    let marked: Vec<Columns> = sqlx::query_as(
        "UPDATE hearth.entry
         SET leases = leases + 1, leased = true, due = $2,
             first_leased_at = coalesce(first_leased_at, $3)
         WHERE id = ANY($1)
         RETURNING id, leases, group_id, put_at, first_leased_at, head, body",
    )
    .bind(ids)
    .bind(millis(until))
    .bind(millis(now))
    .fetch_all(&mut *connection)
    .await?;
    let apart: Vec<i64> =
        marked.iter().filter(|(.., body)| body.is_none()).map(|(id, ..)| *id).collect();
    let mut bodies: HashMap<i64, Vec<u8>> = HashMap::new();
    if !apart.is_empty() {
        let read: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT entry, bytes FROM hearth.body WHERE entry = ANY($1)")
                .bind(apart)
                .fetch_all(connection)
                .await?;
        bodies.extend(read);
    }
    let mut leased: HashMap<i64, Leased> = HashMap::new();
    for (id, count, group, put_at, first_leased_at, head, body) in marked {
        let body = body.or_else(|| bodies.remove(&id)).ok_or(sqlx::Error::RowNotFound)?;
        let one = Leased {
            receipt: Receipt { entry: EntryId(id), lease: leases(count) },
            group,
            put_at: timestamp(put_at),
            first_leased_at: timestamp(first_leased_at),
            head,
            body: body.into(),
        };
        leased.insert(id, one);
    }
    Ok(ids.iter().filter_map(|id| leased.remove(id)).collect())
}

fn bytes_of(bytes: i64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(id: i64, due: i64, bytes: usize) -> Candidate {
        Candidate { id, group: None, due, bytes }
    }

    #[test]
    fn a_group_goes_on_up_to_a_gap_and_never_before_its_first() {
        let following = [(5, 90), (3, 20), (4, 10), (7, 10)];
        let following = following.map(|(id, due)| candidate(id, due, 0)).to_vec();
        let found = going_on(15, following, &BTreeSet::from([3, 4, 7]));
        let found: Vec<(i64, i64)> = found.iter().map(|one| (one.id, one.due)).collect();
        assert_eq!(found, [(3, 20), (4, 20)]);
    }

    #[test]
    fn what_does_not_fit_ends_it_but_for_the_first() {
        let candidates = [(1, 50), (2, 10), (3, 1)].map(|(id, bytes)| candidate(id, 0, bytes));
        #[rustfmt::skip]
        let rows: [(usize, usize, &[i64]); 5] = [
            (9, 100, &[1, 2, 3]),
            (9,  60, &[1, 2]),
            (9,  59, &[1]),
            (9,   0, &[1]),
            (2, 100, &[1, 2]),
        ];
        for (entries, bytes, expected) in rows {
            assert_eq!(fitting(&candidates, entries, bytes), expected);
        }
    }
}
