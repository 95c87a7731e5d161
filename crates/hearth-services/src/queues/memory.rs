//! Records and a queue engine in memory, and a clock that tests move: what the queues are tested on.
//!
//! Nothing here waits, so tests can pause the clock of the reactor.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::error::StoreError;
use hearth_store::queue::signals::Signals;
use hearth_store::queue::{
    Applied, Ask, Batch, Counts, EntryId, Fate, Lane, Leased, NewEntry, Page, Put, Queue, Receipt,
    Seen, Settle, Settled, Unless,
};
use hearth_store::records::{Record, RecordKey, Records};
use hearth_types::time::{Clock, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(super) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(super) fn at(millis: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp(millis))))
    }

    pub(super) fn pass(&self, millis: u64) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus_millis(millis);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Documents in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryRecords(Mutex<BTreeMap<RecordKey, String>>);

#[async_trait]
impl Records for MemoryRecords {
    async fn put(&self, key: &RecordKey, document: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(key.clone(), document.to_owned());
        Ok(())
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }

    async fn all(&self, kind: &'static str) -> Result<Vec<Record>, StoreError> {
        let records = self.0.lock().unwrap();
        let found = records.iter().filter(|(key, _)| key.kind == kind).map(|(key, document)| {
            let RecordKey { scope, name, .. } = key.clone();
            Record { scope, name, document: document.clone() }
        });
        Ok(found.collect())
    }
}

/// Entries in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryQueue {
    state: Mutex<State>,
    signals: Signals,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<i64, Entry>,
    last: i64,
    same: HashMap<(Lane, String), (EntryId, Timestamp)>,
    /// Whether the next change fails, as on a full disk.
    is_full: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    new: NewEntry,
    /// When it is due, or its lease ends.
    due: Timestamp,
    leases: u32,
    /// Whether it was leased and not returned.
    leased: bool,
    first_leased_at: Timestamp,
}

impl Entry {
    fn is_leased(&self, now: Timestamp) -> bool {
        self.leased && self.due > now
    }
}

impl MemoryQueue {
    /// Changes fail from now on, or do not any more.
    pub(super) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn check_room(&self) -> Result<(), StoreError> {
        if !self.is_full {
            return Ok(());
        }
        let source = serde_json::from_str::<u8>("full").unwrap_err();
        Err(StoreError::Document { kind: "entry", source })
    }

    fn settled(&self, settle: &Settle, now: Timestamp) -> Settled {
        let Settle { receipt, fate } = settle;
        match self.entries.get(&receipt.entry.0) {
            None => Settled::Gone,
            Some(entry) if entry.leases != receipt.lease || !entry.leased => Settled::Stale,
            Some(entry) if entry.due <= now && *fate != Fate::Remove => Settled::Stale,
            Some(_) => Settled::Done,
        }
    }

    fn put(&mut self, new: NewEntry, now: Timestamp) -> Put {
        if let Some(sameness) = &new.sameness {
            let name = (new.lane.clone(), sameness.id.clone());
            if let Some((entry, until)) = self.same.get(&name)
                && *until > now
            {
                return Put::Same(*entry);
            }
            self.same.insert(name, (EntryId(self.last + 1), sameness.until));
        }
        self.last += 1;
        let (due, first_leased_at) = (new.due, Timestamp(0));
        let entry = Entry { new, due, leases: 0, leased: false, first_leased_at };
        self.entries.insert(self.last, entry);
        Put::New(EntryId(self.last))
    }

    /// The entries of a lane that can be leased: of each group, only if no earlier one is held back.
    fn free(&self, lane: &Lane, now: Timestamp) -> Vec<i64> {
        let mut held = Vec::new();
        let mut free = Vec::new();
        for (id, entry) in self.entries.iter().filter(|(_, entry)| entry.new.lane == *lane) {
            let is_due = entry.due <= now;
            let group = entry.new.group.as_ref();
            if group.is_some_and(|group| held.contains(&group)) {
                continue;
            }
            if is_due {
                free.push((entry.due, *id));
            } else {
                held.extend(group);
            }
        }
        // Those of a group stay in their order.
        let grouped = |id: i64| self.entries[&id].new.group.is_some();
        free.sort_by_key(|(due, id)| if grouped(*id) { (Timestamp(0), *id) } else { (*due, *id) });
        free.into_iter().map(|(_, id)| id).collect()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError> {
        let mut state = self.lock();
        state.check_room()?;
        let settles: Vec<Settled> =
            batch.settles.iter().map(|settle| state.settled(settle, now)).collect();
        let all = settles.iter().all(|settled| *settled == Settled::Done);
        if batch.unless_settled == Unless::Nothing && !all {
            return Ok(Applied { puts: Vec::new(), settles });
        }
        for (Settle { receipt, fate }, settled) in batch.settles.into_iter().zip(&settles) {
            if *settled != Settled::Done {
                continue;
            }
            let Some(entry) = state.entries.get_mut(&receipt.entry.0) else { continue };
            match fate {
                Fate::Remove => {
                    state.entries.remove(&receipt.entry.0);
                }
                Fate::Extend { until } => entry.due = until,
                Fate::Return { due, head } => {
                    entry.due = due;
                    entry.leased = false;
                    if let Some(head) = head {
                        entry.new.head = head;
                    }
                }
            }
        }
        let lanes: Vec<Lane> = batch.puts.iter().map(|put| put.lane.clone()).collect();
        let puts = batch.puts.into_iter().map(|put| state.put(put, now)).collect();
        for lane in lanes {
            self.signals.signal(&lane);
        }
        Ok(Applied { puts, settles })
    }

    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        let mut state = self.lock();
        let mut leased = Vec::new();
        let mut bytes = 0;
        for id in state.free(ask.lane, now).into_iter().take(ask.entries) {
            let entry = state.entries.get_mut(&id).unwrap();
            bytes += entry.new.body.len();
            if bytes > ask.bytes && !leased.is_empty() {
                break;
            }
            if entry.leases == 0 {
                entry.first_leased_at = now;
            }
            entry.leases += 1;
            entry.leased = true;
            entry.due = ask.until;
            let NewEntry { group, put_at, head, body, .. } = entry.new.clone();
            let receipt = Receipt { entry: EntryId(id), lease: entry.leases };
            let first_leased_at = entry.first_leased_at;
            leased.push(Leased { receipt, group, put_at, first_leased_at, head, body });
        }
        Ok(leased)
    }

    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        let state = self.lock();
        let mine = state.entries.values().filter(|entry| entry.new.lane == *lane);
        Ok(mine.map(|entry| entry.due).min())
    }

    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        let state = self.lock();
        let mut lanes: Vec<Lane> =
            state.entries.values().map(|entry| entry.new.lane.clone()).collect();
        lanes.retain(|lane| {
            lane.kind == kind && after.is_none_or(|after| lane.name.as_str() > after)
        });
        lanes.sort();
        lanes.dedup();
        lanes.truncate(items);
        Ok(lanes)
    }

    async fn counts(&self, lane: &Lane, now: Timestamp) -> Result<Counts, StoreError> {
        let state = self.lock();
        let mut counts = Counts::default();
        for entry in state.entries.values().filter(|entry| entry.new.lane == *lane) {
            if entry.is_leased(now) {
                counts.leased += 1;
            } else if entry.due > now {
                counts.delayed += 1;
            } else {
                counts.waiting += 1;
            }
            let oldest = counts.oldest.map_or(entry.new.put_at, |at| at.min(entry.new.put_at));
            counts.oldest = Some(oldest);
        }
        Ok(counts)
    }

    async fn page(&self, page: Page<'_>, now: Timestamp) -> Result<Vec<Seen>, StoreError> {
        let Page { lane, after, items } = page;
        let state = self.lock();
        let behind = state.entries.iter().filter(|(id, entry)| {
            entry.new.lane == *lane && after.is_none_or(|after| **id > after.0)
        });
        let seen = behind.take(items).map(|(id, entry)| Seen {
            id: EntryId(*id),
            group: entry.new.group.clone(),
            put_at: entry.new.put_at,
            due: entry.due,
            leases: entry.leases,
            leased: entry.is_leased(now),
            head: entry.new.head.clone(),
            body_bytes: u64::try_from(entry.new.body.len()).unwrap(),
        });
        Ok(seen.collect())
    }

    async fn body(&self, lane: &Lane, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        let state = self.lock();
        let entry = state.entries.get(&id.0).filter(|entry| entry.new.lane == *lane);
        Ok(entry.map(|entry| entry.new.body.clone()))
    }

    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError> {
        let mut state = self.lock();
        state.check_room()?;
        let before = state.entries.len();
        state.entries.retain(|_, entry| entry.new.lane != *lane || entry.new.put_at >= put_before);
        Ok(u64::try_from(before - state.entries.len()).unwrap())
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }
}
