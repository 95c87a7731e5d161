//! Settling and putting: the statements. A few for a whole group, however many batches it has.

use std::collections::{BTreeSet, HashMap, HashSet};

use hearth_types::time::Timestamp;
use sqlx::Sqlite;

use crate::error::StoreError;
use crate::queue::sqlite::group::{Asked, Changes};
use crate::queue::sqlite::lanes::Effects;
use crate::queue::sqlite::puts::{Before, Plan, Row, Wanted};
use crate::queue::sqlite::rows::{self, milliseconds, timestamp};
use crate::queue::sqlite::settle::{Entries, Entry, Verdict};
use crate::queue::sqlite::writer::Writer;
use crate::queue::{Applied, Lane, Put};

/// A payload that is larger is kept apart. A row is written anew by each lease, and more than half a
/// page of it would be payload.
pub(super) const BODY_IN_ROW_BYTES_MAX: usize = 2_048;
/// Rows of the longest statement that puts entries, as a power of two. Longer ones gain little and
/// hold much memory for as long as they are prepared.
const INSERT_ROWS_POWER_MAX: u32 = 6;
/// How many outdated samenesses are forgotten with each that is remembered. More than one, so that
/// there are fewer and fewer of them.
const FORGET_EACH: usize = 2;
/// How far the file goes ahead of the ids that are given, so that it says so in one transaction of
/// many. A start leaves out as many.
const IDS_AHEAD: i64 = 1_000;

/// What goes from the file, and what that sets free.
#[derive(Debug, Default)]
pub(super) struct Removal {
    pub(super) ids: Vec<i64>,
    /// Those whose payload is kept apart.
    pub(super) apart: Vec<i64>,
    /// Whose next entry may be free now.
    pub(super) groups: BTreeSet<(i64, String)>,
}

impl Removal {
    pub(super) fn add(&mut self, id: i64, entry: (i64, Option<String>, bool)) {
        let (lane, group, apart) = entry;
        self.ids.push(id);
        if apart {
            self.apart.push(id);
        }
        if let Some(group) = group {
            self.groups.insert((lane, group));
        }
    }
}

/// A statement that puts some entries. Any number of entries is a sum of powers of two, so a few
/// statements do for all, and stay prepared.
#[derive(Debug)]
pub(super) struct Insert {
    rows: usize,
    text: String,
}

impl Insert {
    /// All of them, the longest first.
    pub(super) fn all() -> Vec<Self> {
        (0..=INSERT_ROWS_POWER_MAX).rev().map(|power| Self::of(1 << power)).collect()
    }

    fn of(rows: usize) -> Self {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        let text = format!(
            "INSERT INTO entry
                 (id, lane, due, put_at, group_name, blocked, early, head, body_bytes, body)
             VALUES {values}"
        );
        Self { rows, text }
    }
}

impl Writer {
    /// Settles what all batches want to settle, and says which of them happen.
    pub(super) async fn settle_all(
        &mut self,
        applies: &[Asked<Changes, Applied>],
        effects: &mut Effects,
    ) -> Result<Vec<Verdict>, StoreError> {
        let settles = applies.iter().flat_map(|asked| &asked.wish.batch.settles);
        let ids: BTreeSet<i64> = settles.map(|settle| settle.receipt.entry.0).collect();
        let mut entries = Entries::default();
        if !ids.is_empty() {
            entries = Entries::new(self.entries(&ids).await?);
        }
        let verdicts = applies.iter().map(|asked| entries.settle(&asked.wish.batch)).collect();
        self.change(&entries, effects).await?;
        let mut removal = Removal::default();
        for (id, entry) in entries.removed() {
            effects.count(entry.lane, -1);
            removal.add(*id, (entry.lane, entry.group.clone(), entry.apart));
        }
        self.remove(removal, effects).await?;
        Ok(verdicts)
    }

    async fn entries(&mut self, ids: &BTreeSet<i64>) -> Result<HashMap<i64, Entry>, StoreError> {
        type Columns = (i64, i64, Option<String>, i64, i64, i64, i64);
        let rows: Vec<Columns> = sqlx::query_as(
            "SELECT id, lane, group_name, body IS NULL, leases, leased, due FROM entry
             WHERE id IN (SELECT value FROM json_each(?1))",
        )
        .bind(rows::list(ids))
        .fetch_all(&mut self.connection)
        .await
        .map_err(StoreError::during("look up leased entries"))?;
        let mut entries = HashMap::with_capacity(rows.len());
        for (id, lane, group, apart, leases, leased, due) in rows {
            let entry = Entry {
                lane,
                group,
                apart: apart != 0,
                leases: rows::leases(leases),
                leased: leased != 0,
                due: timestamp(due),
                head: None,
                sooner: false,
            };
            entries.insert(id, entry);
        }
        Ok(entries)
    }

    /// Writes what entries were returned or extended. Whoever waits is told also of those that are
    /// not due: they may be due earlier than it thinks. Of a lease that is longer it need not know.
    async fn change(&mut self, entries: &Entries, effects: &mut Effects) -> Result<(), StoreError> {
        let mut list: Vec<(i64, i64, i64, Option<&str>)> = Vec::new();
        for (id, entry) in entries.changed() {
            let leased = i64::from(entry.leased);
            list.push((id, milliseconds(entry.due), leased, entry.head.as_deref()));
            effects.signals.extend(entry.sooner.then_some(entry.lane));
        }
        if list.is_empty() {
            return Ok(());
        }
        self.with_list(
            "UPDATE entry
             SET due = new.due, leased = new.leased, head = coalesce(new.head, entry.head)
             FROM (
                 SELECT value ->> 0 AS id, value ->> 1 AS due, value ->> 2 AS leased,
                     value ->> 3 AS head
                 FROM json_each(?1)
             ) AS new
             WHERE entry.id = new.id",
            rows::list(&list),
            "return leased entries",
        )
        .await
    }

    /// Removes entries and lets those behind them in their groups come forward.
    pub(super) async fn remove(
        &mut self,
        removal: Removal,
        effects: &mut Effects,
    ) -> Result<(), StoreError> {
        let Removal { ids, apart, groups } = removal;
        if !ids.is_empty() {
            let sql = "DELETE FROM entry WHERE id IN (SELECT value FROM json_each(?1))";
            self.with_list(sql, rows::list(&ids), "remove entries").await?;
        }
        if !apart.is_empty() {
            let sql = "DELETE FROM payload WHERE entry IN (SELECT value FROM json_each(?1))";
            self.with_list(sql, rows::list(&apart), "remove payloads").await?;
        }
        if !groups.is_empty() {
            let sql = "UPDATE entry SET blocked = 0 WHERE blocked = 1 AND id IN (
                 SELECT (
                     SELECT min(next.id) FROM entry AS next
                     WHERE next.lane = value ->> 0 AND next.group_name = value ->> 1
                 ) FROM json_each(?1))";
            self.with_list(sql, rows::list(&groups), "free the next of a group").await?;
            effects.signals.extend(groups.iter().map(|(lane, _)| *lane));
        }
        Ok(())
    }

    /// Puts what the batches that happen want to put.
    pub(super) async fn put_all(
        &mut self,
        applies: &[Asked<Changes, Applied>],
        verdicts: Vec<Verdict>,
        effects: &mut Effects,
    ) -> Result<Vec<Applied>, StoreError> {
        let wanted = self.wanted(applies, &verdicts, effects);
        let sameness = self.sameness(&wanted).await?;
        let groups = self.groups(&wanted).await?;
        let mut plan = Plan::new(sameness, groups, (self.latest(&wanted), self.next_id));
        let puts: Vec<Put> = wanted.iter().map(|wanted| plan.put(*wanted)).collect();
        // Ids are not given again, even if this transaction fails.
        self.next_id = plan.rows().last().map_or(self.next_id, |row| row.id + 1);
        self.go_ahead_of_ids(effects).await?;
        self.write(&plan, effects).await?;
        effects.latest.clone_from(plan.latest());
        if let Some(earliest) = wanted.iter().map(|wanted| wanted.now).min() {
            self.remember(&plan, earliest).await?;
        }
        for row in plan.rows() {
            effects.count(row.lane, 1);
            effects.signals.push(row.lane);
        }
        let mut puts = puts.into_iter();
        let applied = applies.iter().zip(verdicts).map(|(asked, verdict)| match verdict {
            Verdict::Happens(settles) => {
                let puts = puts.by_ref().take(asked.wish.batch.puts.len()).collect();
                Applied { puts, settles }
            }
            Verdict::Nothing(settles) => Applied { puts: Vec::new(), settles },
        });
        Ok(applied.collect())
    }

    /// Everything that is wanted by batches that happen, with the numbers of the lanes.
    fn wanted<'a>(
        &self,
        applies: &'a [Asked<Changes, Applied>],
        verdicts: &[Verdict],
        effects: &mut Effects,
    ) -> Vec<Wanted<'a>> {
        let mut all = Vec::new();
        for (asked, verdict) in applies.iter().zip(verdicts) {
            if matches!(verdict, Verdict::Nothing(_)) {
                continue;
            }
            for entry in &asked.wish.batch.puts {
                let lane = self.lane_number(&entry.lane, effects).unwrap_or_else(|| {
                    let made = i64::try_from(effects.lanes.len()).expect("a group is not so large");
                    let number = self.shared.lanes().last_number() + made + 1;
                    effects.lanes.insert(entry.lane.clone(), number);
                    number
                });
                all.push(Wanted { lane, entry, now: asked.wish.now });
            }
        }
        all
    }

    /// Since when the latest entries of lanes have been there.
    fn latest(&self, wanted: &[Wanted<'_>]) -> HashMap<i64, Timestamp> {
        let lanes = self.shared.lanes();
        wanted.iter().map(|wanted| (wanted.lane, lanes.latest(wanted.lane))).collect()
    }

    /// Sees to it that the file does not let the ids that were just given be given again.
    async fn go_ahead_of_ids(&mut self, effects: &mut Effects) -> Result<(), StoreError> {
        let last = self.next_id - 1;
        if last <= self.given {
            return Ok(());
        }
        let given = last + IDS_AHEAD;
        sqlx::query("UPDATE given SET id = ?1")
            .bind(given)
            .execute(&mut self.connection)
            .await
            .map_err(StoreError::during("note the latest id"))?;
        effects.given = Some(given);
        Ok(())
    }

    async fn sameness(
        &mut self,
        wanted: &[Wanted<'_>],
    ) -> Result<HashMap<(i64, String), Before>, StoreError> {
        let keys: BTreeSet<(i64, &str)> = wanted
            .iter()
            .filter_map(|wanted| Some((wanted.lane, wanted.entry.sameness.as_ref()?.id.as_str())))
            .collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<(i64, String, i64, i64)> = sqlx::query_as(
            "SELECT sameness.lane, sameness.id, sameness.until, sameness.entry
             FROM json_each(?1) AS wanted CROSS JOIN sameness
             ON sameness.lane = wanted.value ->> 0 AND sameness.id = wanted.value ->> 1",
        )
        .bind(rows::list(&keys))
        .fetch_all(&mut self.connection)
        .await
        .map_err(StoreError::during("look up what was put before"))?;
        let mut found = HashMap::with_capacity(rows.len());
        for (lane, id, until, entry) in rows {
            found.insert((lane, id), Before { until: timestamp(until), entry });
        }
        Ok(found)
    }

    /// Which of the groups have entries.
    async fn groups(
        &mut self,
        wanted: &[Wanted<'_>],
    ) -> Result<HashSet<(i64, String)>, StoreError> {
        let keys: BTreeSet<(i64, &str)> = wanted
            .iter()
            .filter_map(|wanted| Some((wanted.lane, wanted.entry.group.as_deref()?)))
            .collect();
        if keys.is_empty() {
            return Ok(HashSet::new());
        }
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT wanted.value ->> 0, wanted.value ->> 1 FROM json_each(?1) AS wanted
             WHERE EXISTS (
                 SELECT 1 FROM entry
                 WHERE entry.lane = wanted.value ->> 0 AND entry.group_name = wanted.value ->> 1)",
        )
        .bind(rows::list(&keys))
        .fetch_all(&mut self.connection)
        .await
        .map_err(StoreError::during("look up groups"))?;
        Ok(rows.into_iter().collect())
    }

    async fn write(&mut self, plan: &Plan<'_>, effects: &Effects) -> Result<(), StoreError> {
        for (Lane { kind, name }, number) in &effects.lanes {
            sqlx::query("INSERT INTO lane (id, kind, name) VALUES (?1, ?2, ?3)")
                .bind(*number)
                .bind(*kind)
                .bind(name)
                .execute(&mut self.connection)
                .await
                .map_err(StoreError::during("make a lane"))?;
        }
        let mut rest = plan.rows();
        while !rest.is_empty() {
            let insert = self.inserts.iter().find(|insert| insert.rows <= rest.len());
            let insert = insert.expect("the shortest is for one row");
            let (part, later) = rest.split_at(insert.rows);
            let mut query = sqlx::query::<Sqlite>(&insert.text);
            for row in part {
                let entry = row.entry;
                query = query
                    .bind(row.id)
                    .bind(row.lane)
                    .bind(milliseconds(entry.due))
                    .bind(milliseconds(entry.put_at))
                    .bind(entry.group.as_deref())
                    .bind(i64::from(row.blocked))
                    .bind(i64::from(row.early))
                    .bind(entry.head.as_str())
                    .bind(rows::size(entry.body.len()))
                    .bind((!is_large(row)).then_some(&entry.body[..]));
            }
            let done = query.execute(&mut self.connection).await;
            done.map_err(StoreError::during("put entries"))?;
            rest = later;
        }
        for row in plan.rows() {
            if is_large(row) {
                self.write_payload(row).await?;
            }
        }
        Ok(())
    }

    async fn write_payload(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO payload (entry, body) VALUES (?1, ?2)")
            .bind(row.id)
            .bind(&row.entry.body[..])
            .execute(&mut self.connection)
            .await
            .map_err(StoreError::during("put a payload"))?;
        Ok(())
    }

    /// Remembers what must not be put again, and forgets some of what may.
    async fn remember(&mut self, plan: &Plan<'_>, now: Timestamp) -> Result<(), StoreError> {
        let list: Vec<(i64, &str, i64, i64)> = plan
            .remembered()
            .iter()
            .map(|(lane, id, before)| (*lane, *id, milliseconds(before.until), before.entry))
            .collect();
        if list.is_empty() {
            return Ok(());
        }
        self.with_list(
            "INSERT INTO sameness (lane, id, until, entry)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)
             WHERE true
             ON CONFLICT (lane, id) DO UPDATE SET until = excluded.until, entry = excluded.entry",
            rows::list(&list),
            "remember what was put",
        )
        .await?;
        sqlx::query(
            "DELETE FROM sameness WHERE rowid IN (
                 SELECT rowid FROM sameness WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        )
        .bind(milliseconds(now))
        .bind(rows::size(FORGET_EACH * list.len()))
        .execute(&mut self.connection)
        .await
        .map_err(StoreError::during("forget what was put long ago"))?;
        Ok(())
    }
}

fn is_large(row: &Row<'_>) -> bool {
    row.entry.body.len() > BODY_IN_ROW_BYTES_MAX
}
