//! Leasing and purging: the statements.
//!
//! An entry that waits for an earlier one of its group is marked as blocked, and blocked entries are
//! in another part of the index. So a million entries behind one that is leased cost nothing: what
//! is looked at is as many entries as are asked for, and for each entry of a group the next one.

use std::collections::HashMap;

use bytes::Bytes;

use crate::error::StoreError;
use crate::queue::sqlite::changes::Removal;
use crate::queue::sqlite::group::{Asked, LeaseWish, PurgeStep};
use crate::queue::sqlite::lanes::Effects;
use crate::queue::sqlite::rows::{self, milliseconds, size, timestamp};
use crate::queue::sqlite::writer::Writer;
use crate::queue::{EntryId, Leased, Receipt};

/// Entries of one lease, whatever was asked for: whoever wants more asks again.
const LEASE_ENTRIES_MAX: usize = 1_000;
/// Entries of one step of a purge, so that others come in between.
pub(super) const PURGE_ENTRIES: u32 = 1_000;

/// What of a lane is leased next, as far as nothing waits for an earlier one of its group.
pub(super) const FIRST: &str = "
    SELECT id, leases, group_name, put_at, first_leased_at, head, body_bytes, body FROM entry
    WHERE lane = ?1 AND blocked = 0 AND due <= ?2 ORDER BY due, id LIMIT ?3";

/// The same with those that follow in their groups. It costs three times as much, and most lanes have
/// no groups.
///
/// `line` is a recursion with an order: SQLite takes the row with the least `due` and `id` out of it
/// and puts in the next entry of the same group, so that entries come in the order in which they
/// could be leased one after the other. It counts an entry that is due earlier than the one before it
/// in its group as due at the same time.
pub(super) const WITH_GROUPS: &str = "
    WITH RECURSIVE line (id, due, group_name) AS (
        SELECT id, due, group_name FROM (
            SELECT id, due, group_name FROM entry
            WHERE lane = ?1 AND blocked = 0 AND due <= ?2
            ORDER BY due, id LIMIT ?3)
        UNION ALL
        SELECT entry.id, max(entry.due, line.due), entry.group_name
        FROM line CROSS JOIN entry ON entry.id = (
            SELECT min(later.id) FROM entry AS later
            WHERE later.lane = ?1 AND later.group_name = line.group_name AND later.id > line.id)
        WHERE entry.due <= ?2
        ORDER BY 2, 1 LIMIT ?3)
    SELECT entry.id, entry.leases, entry.group_name, entry.put_at, entry.first_leased_at,
        entry.head, entry.body_bytes, entry.body
    FROM line CROSS JOIN entry ON entry.id = line.id
    ORDER BY line.due, line.id";

/// What a purge removes of those that are not early: they are in the order in which they were put, so
/// that the first one to be kept is the last one to be looked at.
pub(super) const OLDEST: &str = "
    SELECT id, group_name, body IS NULL FROM (
        SELECT id, group_name, body, put_at FROM entry
        WHERE lane = ?1 AND early = 0 AND id <= ?3 ORDER BY id LIMIT ?4)
    WHERE put_at < ?2";
/// What it removes of those that are.
pub(super) const OLDEST_EARLY: &str = "
    SELECT id, group_name, body IS NULL FROM entry
    WHERE lane = ?1 AND early = 1 AND put_at < ?2 AND id <= ?3 ORDER BY put_at LIMIT ?4";

/// An entry that may be leased. Its payload is there unless it is kept apart.
#[derive(Debug)]
struct Candidate {
    id: i64,
    leases: i64,
    group: Option<String>,
    put_at: i64,
    first_leased_at: Option<i64>,
    head: String,
    body_bytes: i64,
    body: Option<Vec<u8>>,
}

type Columns = (i64, i64, Option<String>, i64, Option<i64>, String, i64, Option<Vec<u8>>);

impl From<Columns> for Candidate {
    fn from(columns: Columns) -> Self {
        let (id, leases, group, put_at, first_leased_at, head, body_bytes, body) = columns;
        Self { id, leases, group, put_at, first_leased_at, head, body_bytes, body }
    }
}

impl Writer {
    pub(super) async fn lease_all(
        &mut self,
        leases: &[Asked<LeaseWish, Vec<Leased>>],
        effects: &Effects,
    ) -> Result<Vec<Vec<Leased>>, StoreError> {
        let mut all = Vec::with_capacity(leases.len());
        for Asked { wish, answer } in leases {
            let lane = self.lane_with_entries(wish, effects);
            all.push(match lane {
                // Whoever is gone does not need the entries, and would keep them from others.
                Some(lane) if !answer.is_closed() => self.lease(lane, wish).await?,
                Some(_) | None => Vec::new(),
            });
        }
        Ok(all)
    }

    fn lane_with_entries(&self, wish: &LeaseWish, effects: &Effects) -> Option<i64> {
        let number = self.lane_number(&wish.lane, effects)?;
        let before = self.shared.lanes().entries(&wish.lane);
        let change = effects.entries.get(&number).copied().unwrap_or(0);
        (before.saturating_add_signed(change) > 0).then_some(number)
    }

    async fn lease(&mut self, lane: i64, wish: &LeaseWish) -> Result<Vec<Leased>, StoreError> {
        let mut candidates = self.candidates(FIRST, lane, wish).await?;
        if wish.entries > 1 && candidates.iter().any(|one| one.group.is_some()) {
            candidates = self.candidates(WITH_GROUPS, lane, wish).await?;
        }
        candidates.truncate(fitting(&candidates, wish.bytes));
        if candidates.is_empty() {
            return Ok(Vec::new());
        }
        self.mark(&candidates, wish).await?;
        let mut apart = self.payloads(&candidates).await?;
        let mut leased = Vec::with_capacity(candidates.len());
        for one in candidates {
            let body = one.body.or_else(|| apart.remove(&one.id));
            let missing = || StoreError::during("read a payload")(sqlx::Error::RowNotFound);
            leased.push(Leased {
                receipt: Receipt {
                    entry: EntryId(one.id),
                    lease: rows::leases(one.leases).saturating_add(1),
                },
                group: one.group,
                put_at: timestamp(one.put_at),
                first_leased_at: one.first_leased_at.map_or(wish.now, timestamp),
                head: one.head,
                body: Bytes::from(body.ok_or_else(missing)?),
            });
        }
        Ok(leased)
    }

    /// What could be leased, in the order in which it is.
    async fn candidates(
        &mut self,
        sql: &'static str,
        lane: i64,
        wish: &LeaseWish,
    ) -> Result<Vec<Candidate>, StoreError> {
        let rows: Vec<Columns> = sqlx::query_as(sql)
            .bind(lane)
            .bind(milliseconds(wish.now))
            .bind(size(wish.entries.min(LEASE_ENTRIES_MAX)))
            .fetch_all(&mut self.connection)
            .await
            .map_err(StoreError::during("look for entries to lease"))?;
        Ok(rows.into_iter().map(Candidate::from).collect())
    }

    async fn mark(&mut self, leased: &[Candidate], wish: &LeaseWish) -> Result<(), StoreError> {
        let ids: Vec<i64> = leased.iter().map(|one| one.id).collect();
        // What it changes could be returned as well, but SQLite keeps that in a table of its own
        // first, which takes longer than reading it before.
        sqlx::query(
            "UPDATE entry SET leased = 1, leases = leases + 1, due = ?2,
                 first_leased_at = coalesce(first_leased_at, ?3)
             WHERE id IN (SELECT value FROM json_each(?1))",
        )
        .bind(rows::list(&ids))
        .bind(milliseconds(wish.until))
        .bind(milliseconds(wish.now))
        .execute(&mut self.connection)
        .await
        .map_err(StoreError::during("lease entries"))?;
        Ok(())
    }

    /// The payloads of those that keep them apart.
    async fn payloads(
        &mut self,
        leased: &[Candidate],
    ) -> Result<HashMap<i64, Vec<u8>>, StoreError> {
        let apart = leased.iter().filter(|one| one.body.is_none());
        let apart: Vec<i64> = apart.map(|one| one.id).collect();
        if apart.is_empty() {
            return Ok(HashMap::new());
        }
        let read: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT entry, body FROM payload WHERE entry IN (SELECT value FROM json_each(?1))",
        )
        .bind(rows::list(&apart))
        .fetch_all(&mut self.connection)
        .await
        .map_err(StoreError::during("read payloads"))?;
        Ok(read.into_iter().collect())
    }

    pub(super) async fn purge_all(
        &mut self,
        purges: &[Asked<PurgeStep, u64>],
        effects: &mut Effects,
    ) -> Result<Vec<u64>, StoreError> {
        let mut all = Vec::with_capacity(purges.len());
        for Asked { wish, .. } in purges {
            all.push(match self.lane_number(&wish.lane, effects) {
                Some(lane) => self.purge(lane, wish, effects).await?,
                None => 0,
            });
        }
        Ok(all)
    }

    async fn purge(
        &mut self,
        lane: i64,
        wish: &PurgeStep,
        effects: &mut Effects,
    ) -> Result<u64, StoreError> {
        let most = i64::from(PURGE_ENTRIES);
        let mut rows = self.oldest(OLDEST, (lane, most), wish).await?;
        let room = most - size(rows.len());
        if room > 0 {
            rows.extend(self.oldest(OLDEST_EARLY, (lane, room), wish).await?);
        }
        let mut removal = Removal::default();
        for (id, group, apart) in rows {
            removal.add(id, (lane, group, apart != 0));
        }
        let removed = removal.ids.len();
        effects.count(lane, -size(removed));
        self.remove(removal, effects).await?;
        Ok(u64::try_from(removed).expect("a step removes no more than its bound"))
    }

    async fn oldest(
        &mut self,
        sql: &'static str,
        (lane, most): (i64, i64),
        wish: &PurgeStep,
    ) -> Result<Vec<(i64, Option<String>, i64)>, StoreError> {
        sqlx::query_as(sql)
            .bind(lane)
            .bind(milliseconds(wish.put_before))
            .bind(wish.up_to.0)
            .bind(most)
            .fetch_all(&mut self.connection)
            .await
            .map_err(StoreError::during("look for entries to purge"))
    }
}

/// How many of the first have room for their payloads; the very first always has.
fn fitting(candidates: &[Candidate], bytes: usize) -> usize {
    let mut used = 0_usize;
    let fits = |(place, one): &(usize, &Candidate)| {
        used = used.saturating_add(usize::try_from(one.body_bytes).unwrap_or(usize::MAX));
        *place == 0 || used <= bytes
    };
    candidates.iter().enumerate().take_while(fits).count()
}
