//! Leasing and purging: the statements.
//!
//! An entry that waits for an earlier one of its group is marked as blocked, and blocked entries are
//! in another part of the index. So a million entries behind one that is leased cost nothing: what
//! is looked at is as many entries as are asked for, and for each entry of a group the next one.

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

/// What of a lane is leased next.
///
/// `line` is a recursion with an order: SQLite takes the row with the least `due` and `id` out of it
/// and puts in the next entry of the same group, so that entries come in the order in which they
/// could be leased one after the other. It counts an entry that is due earlier than the one before it
/// in its group as due at the same time.
pub(super) const LEASE: &str = "
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
        ORDER BY 2, 1 LIMIT ?3),
    chosen (id, place, bytes) AS (
        SELECT line.id, row_number() OVER so_far, sum(entry.body_bytes) OVER so_far
        FROM line CROSS JOIN entry ON entry.id = line.id
        WINDOW so_far AS (ORDER BY line.due, line.id))
    SELECT entry.id, entry.leases, entry.group_name, entry.put_at, entry.first_leased_at,
        entry.head,
        coalesce(entry.body, (SELECT payload.body FROM payload WHERE payload.entry = entry.id))
    FROM chosen CROSS JOIN entry ON entry.id = chosen.id
    WHERE chosen.place = 1 OR chosen.bytes <= ?4
    ORDER BY chosen.place";

type LeaseRow = (i64, i64, Option<String>, i64, Option<i64>, String, Vec<u8>);

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
        let rows: Vec<LeaseRow> = sqlx::query_as(LEASE)
            .bind(lane)
            .bind(milliseconds(wish.now))
            .bind(size(wish.entries.min(LEASE_ENTRIES_MAX)))
            .bind(size(wish.bytes))
            .fetch_all(&mut self.connection)
            .await
            .map_err(StoreError::during("look for entries to lease"))?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.0).collect();
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
        let mut leased = Vec::with_capacity(rows.len());
        for (id, leases, group, put_at, first_leased_at, head, body) in rows {
            leased.push(Leased {
                receipt: Receipt {
                    entry: EntryId(id),
                    lease: rows::leases(leases).saturating_add(1),
                },
                group,
                put_at: timestamp(put_at),
                first_leased_at: first_leased_at.map_or(wish.now, timestamp),
                head,
                body: Bytes::from(body),
            });
        }
        Ok(leased)
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
        let rows: Vec<(i64, Option<String>, i64)> = sqlx::query_as(
            "SELECT id, group_name, body IS NULL FROM entry
             WHERE lane = ?1 AND put_at < ?2 AND id <= ?3 ORDER BY put_at LIMIT ?4",
        )
        .bind(lane)
        .bind(milliseconds(wish.put_before))
        .bind(wish.up_to.0)
        .bind(i64::from(PURGE_ENTRIES))
        .fetch_all(&mut self.connection)
        .await
        .map_err(StoreError::during("look for entries to purge"))?;
        let mut removal = Removal::default();
        for (id, group, apart) in rows {
            removal.add(id, (lane, group, apart != 0));
        }
        let removed = removal.ids.len();
        effects.count(lane, -size(removed));
        self.remove(removal, effects).await?;
        Ok(u64::try_from(removed).expect("a step removes no more than its bound"))
    }
}
