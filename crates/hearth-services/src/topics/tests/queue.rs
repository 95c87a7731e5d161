//! A queue in memory: as much of the trait as topics need, leases included, and a switch that makes
//! it fail.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::error::StoreError;
use hearth_store::queue::signals::Signals;
use hearth_store::queue::{
    Applied, Ask, Batch, Counts, EntryId, Fate, Lane, Leased, NewEntry, Page, Put, Queue, Receipt,
    Seen, Settled,
};
use hearth_types::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct MemoryQueue {
    state: Mutex<State>,
    signals: Signals,
    /// How many batches go well before one fails, counted from 1; 0: all.
    fails_at: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<(EntryId, NewEntry, u32)>,
    same: HashMap<(Lane, String), (EntryId, Timestamp)>,
    last: i64,
}

impl MemoryQueue {
    /// The entries of a kind, in the order in which they were put.
    pub(super) fn entries(&self, kind: &str) -> Vec<NewEntry> {
        let state = self.state.lock().unwrap();
        let of_kind = state.entries.iter().filter(|(_, entry, _)| entry.lane.kind == kind);
        of_kind.map(|(_, entry, _)| entry.clone()).collect()
    }

    /// Lets a batch fail, after so many that do not.
    pub(super) fn fail_after(&self, batches: usize) {
        self.fails_at.store(batches + 1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError> {
        let left = self.fails_at.load(Ordering::Relaxed);
        if left > 0 {
            self.fails_at.store(left - 1, Ordering::Relaxed);
        }
        if left == 1 {
            return Err(StoreError::TooNew { found: 2, known: 1 });
        }
        let mut state = self.state.lock().unwrap();
        let mut applied = Applied::default();
        for entry in batch.puts {
            if let Some(sameness) = &entry.sameness {
                let key = (entry.lane.clone(), sameness.id.clone());
                if let Some((id, until)) = state.same.get(&key).copied()
                    && until > now
                {
                    applied.puts.push(Put::Same(id));
                    continue;
                }
            }
            state.last += 1;
            let id = EntryId(state.last);
            if let Some(sameness) = &entry.sameness {
                let key = (entry.lane.clone(), sameness.id.clone());
                state.same.insert(key, (id, sameness.until));
            }
            state.entries.push((id, entry, 0));
            applied.puts.push(Put::New(id));
        }
        for settle in batch.settles {
            assert_eq!(settle.fate, Fate::Remove, "topics do nothing else");
            state.entries.retain(|(id, _, _)| *id != settle.receipt.entry);
            applied.settles.push(Settled::Done);
        }
        Ok(applied)
    }

    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        let mut state = self.state.lock().unwrap();
        let due = state
            .entries
            .iter_mut()
            .filter(|(_, entry, _)| entry.lane == *ask.lane && entry.due <= now)
            .take(ask.entries);
        let leased = due.map(|(id, entry, leases)| {
            *leases += 1;
            entry.due = ask.until;
            Leased {
                receipt: Receipt { entry: *id, lease: *leases },
                group: entry.group.clone(),
                put_at: entry.put_at,
                first_leased_at: now,
                head: entry.head.clone(),
                body: entry.body.clone(),
            }
        });
        Ok(leased.collect())
    }

    async fn next_due(&self, _lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        unreachable!("topics do not wait")
    }

    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        let state = self.state.lock().unwrap();
        let lanes: BTreeSet<Lane> = state
            .entries
            .iter()
            .map(|(_, entry, _)| entry.lane.clone())
            .filter(|lane| {
                lane.kind == kind && after.is_none_or(|after| lane.name.as_str() > after)
            })
            .collect();
        Ok(lanes.into_iter().take(items).collect())
    }

    async fn counts(&self, _lane: &Lane, _now: Timestamp) -> Result<Counts, StoreError> {
        unreachable!("topics do not count")
    }

    async fn page(&self, _page: Page<'_>, _now: Timestamp) -> Result<Vec<Seen>, StoreError> {
        unreachable!("topics do not look")
    }

    async fn body(&self, _lane: &Lane, _id: EntryId) -> Result<Option<Bytes>, StoreError> {
        unreachable!("topics do not look")
    }

    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.state.lock().unwrap();
        let before = state.entries.len();
        state.entries.retain(|(_, entry, _)| entry.lane != *lane || entry.put_at >= put_before);
        Ok(u64::try_from(before - state.entries.len()).unwrap())
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }
}
