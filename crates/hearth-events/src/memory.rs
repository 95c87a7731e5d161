//! A queue in memory, for tests of whoever takes from one: it answers at once, so that time can be
//! moved, and it fails when it is told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::error::StoreError;
use hearth_store::queue::signals::Signals;
use hearth_store::queue::{
    Applied, Ask, Batch, Counts, EntryId, Fate, Lane, Leased, Page, Put, Queue, Receipt, Seen,
    Settle, Settled, Unless,
};
use hearth_types::time::Timestamp;

/// An entry.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) lane: Lane,
    pub(crate) group: Option<String>,
    pub(crate) put_at: Timestamp,
    pub(crate) due: Timestamp,
    pub(crate) head: String,
    pub(crate) body: Bytes,
    leased_until: Option<Timestamp>,
    first_leased_at: Option<Timestamp>,
    leases: u32,
}

impl Row {
    fn is_leased(&self, now: Timestamp) -> bool {
        self.leased_until.is_some_and(|until| until > now)
    }

    /// When it can be leased.
    fn free_at(&self) -> Timestamp {
        self.leased_until.unwrap_or(self.due)
    }
}

/// A queue in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    rows: Mutex<(i64, BTreeMap<EntryId, Row>)>,
    signals: Signals,
    /// Whether everything fails.
    pub(crate) is_broken: AtomicBool,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, (i64, BTreeMap<EntryId, Row>)> {
        self.rows.lock().unwrap()
    }

    /// What is in it, in the order in which it was put.
    pub(crate) fn rows(&self) -> Vec<Row> {
        self.lock().1.values().cloned().collect()
    }

    /// What is in the lanes of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Row> {
        let locked = self.lock();
        locked.1.values().filter(|row| row.lane.kind == kind).cloned().collect()
    }

    /// Whether there is something in the lanes of a kind.
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.lock().1.values().any(|row| row.lane.kind == kind)
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(StoreError::TooNew { found: 2, known: 1 });
        }
        Ok(())
    }
}

fn look(rows: &BTreeMap<EntryId, Row>, settle: &Settle, now: Timestamp) -> Settled {
    let Some(row) = rows.get(&settle.receipt.entry) else { return Settled::Gone };
    let is_latest = row.leases == settle.receipt.lease && row.leased_until.is_some();
    let is_valid = match settle.fate {
        Fate::Remove => is_latest,
        Fate::Return { .. } | Fate::Extend { .. } => is_latest && row.is_leased(now),
    };
    if is_valid { Settled::Done } else { Settled::Stale }
}

#[async_trait]
impl Queue for Memory {
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError> {
        self.check()?;
        let mut applied = Applied::default();
        let mut told = Vec::new();
        {
            let mut locked = self.lock();
            let (last, rows) = &mut *locked;
            applied.settles = batch.settles.iter().map(|one| look(rows, one, now)).collect();
            let all_done = applied.settles.iter().all(|one| *one == Settled::Done);
            if batch.unless_settled == Unless::Nothing && !all_done {
                return Ok(applied);
            }
            for (settle, settled) in batch.settles.iter().zip(&applied.settles) {
                if *settled != Settled::Done {
                    continue;
                }
                let entry = settle.receipt.entry;
                let row = rows.get_mut(&entry).unwrap();
                match &settle.fate {
                    Fate::Remove => drop(rows.remove(&entry)),
                    Fate::Return { due, head } => {
                        (row.due, row.leased_until) = (*due, None);
                        if let Some(head) = head {
                            row.head.clone_from(head);
                        }
                    }
                    Fate::Extend { until } => row.leased_until = Some(*until),
                }
            }
            for put in batch.puts {
                *last += 1;
                told.push(put.lane.clone());
                applied.puts.push(Put::New(EntryId(*last)));
                let row = Row {
                    lane: put.lane,
                    group: put.group,
                    put_at: put.put_at,
                    due: put.due,
                    head: put.head,
                    body: put.body,
                    leased_until: None,
                    first_leased_at: None,
                    leases: 0,
                };
                rows.insert(EntryId(*last), row);
            }
        }
        for lane in told {
            self.signals.signal(&lane);
        }
        Ok(applied)
    }

    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        self.check()?;
        let mut locked = self.lock();
        let rows = &mut locked.1;
        let mut found: Vec<(Timestamp, EntryId)> = Vec::new();
        // Of each group the place of its latest one; none if one of it cannot be taken.
        let mut groups: BTreeMap<String, Option<Timestamp>> = BTreeMap::new();
        for (id, row) in rows.iter().filter(|(_, row)| row.lane == *ask.lane) {
            let is_due = row.free_at() <= now;
            let Some(group) = row.group.clone() else {
                if is_due {
                    found.push((row.due, *id));
                }
                continue;
            };
            let before = groups.entry(group).or_insert(Some(Timestamp(0)));
            *before = before.filter(|_| is_due).map(|before| before.max(row.due));
            if let Some(place) = *before {
                found.push((place, *id));
            }
        }
        found.sort_unstable();
        let (mut leased, mut bytes) = (Vec::new(), 0);
        for (_, id) in found.into_iter().take(ask.entries) {
            let row = rows.get_mut(&id).unwrap();
            bytes += row.body.len();
            if bytes > ask.bytes && !leased.is_empty() {
                break;
            }
            row.leases += 1;
            row.leased_until = Some(ask.until);
            leased.push(Leased {
                receipt: Receipt { entry: id, lease: row.leases },
                group: row.group.clone(),
                put_at: row.put_at,
                first_leased_at: *row.first_leased_at.get_or_insert(now),
                head: row.head.clone(),
                body: row.body.clone(),
            });
        }
        Ok(leased)
    }

    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        self.check()?;
        let locked = self.lock();
        Ok(locked.1.values().filter(|row| row.lane == *lane).map(Row::free_at).min())
    }

    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        self.check()?;
        let rows = self.of_kind(kind);
        let names: std::collections::BTreeSet<String> =
            rows.into_iter().map(|row| row.lane.name).collect();
        let behind = names.into_iter().filter(|name| after.is_none_or(|after| **name > *after));
        Ok(behind.take(items).map(|name| Lane { kind, name }).collect())
    }

    async fn counts(&self, lane: &Lane, now: Timestamp) -> Result<Counts, StoreError> {
        self.check()?;
        let mut counts = Counts::default();
        for row in self.rows().iter().filter(|row| row.lane == *lane) {
            counts.leased += u64::from(row.is_leased(now));
            counts.waiting += u64::from(!row.is_leased(now) && row.free_at() <= now);
            counts.delayed += u64::from(!row.is_leased(now) && row.free_at() > now);
            counts.oldest = Some(counts.oldest.map_or(row.put_at, |at| at.min(row.put_at)));
        }
        Ok(counts)
    }

    async fn page(&self, page: Page<'_>, now: Timestamp) -> Result<Vec<Seen>, StoreError> {
        let Page { lane, after, items } = page;
        self.check()?;
        let locked = self.lock();
        let rows = locked
            .1
            .iter()
            .filter(|(id, row)| row.lane == *lane && after.is_none_or(|after| **id > after));
        let seen = rows.take(items).map(|(id, row)| Seen {
            id: *id,
            group: row.group.clone(),
            put_at: row.put_at,
            due: row.free_at(),
            leases: row.leases,
            leased: row.is_leased(now),
            head: row.head.clone(),
            body_bytes: row.body.len() as u64,
        });
        Ok(seen.collect())
    }

    async fn body(&self, lane: &Lane, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        self.check()?;
        let locked = self.lock();
        let row = locked.1.get(&id).filter(|row| row.lane == *lane);
        Ok(row.map(|row| row.body.clone()))
    }

    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError> {
        self.check()?;
        let mut locked = self.lock();
        let before = locked.1.len();
        locked.1.retain(|_, row| row.lane != *lane || row.put_at >= put_before);
        Ok((before - locked.1.len()) as u64)
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }
}
