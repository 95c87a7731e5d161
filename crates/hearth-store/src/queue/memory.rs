//! The engine in memory: what tests of whoever uses the queue are run on.
//!
//! It answers at once, without a task and without I/O, so that tests can stop the clock and move it.
//! It fails when it is told to, and what is in it can be looked at and taken out.
//!
//! # Promises
//!
//! Those of [`super`], which the conformance suite checks here as everywhere, but for two: nothing
//! is durable, for all of it ends with the process; and its memory grows with its entries.
//!
//! # Deliberately absent
//!
//! Speed: every operation looks at all entries. No server can be told to use it: it is compiled for
//! the tests of this crate and, by the feature `testing`, for those of others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::time::Timestamp;

use crate::error::StoreError;
use crate::queue::signals::Signals;
use crate::queue::{
    Applied, Ask, Batch, Counts, EntryId, Fate, Lane, Leased, NewEntry, Page, Put, Queue, Receipt,
    Sameness, Seen, Settle, Settled, Sharing, Unless,
};

/// Entries in memory.
#[derive(Debug, Default)]
pub struct MemoryQueue {
    state: Mutex<State>,
    signals: Signals,
}

/// An entry, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which.
    pub id: EntryId,
    /// The batch that put it: the first of the queue is 1.
    pub batch: u64,
    /// Where it waits.
    pub lane: Lane,
    /// Within which it keeps its order.
    pub group: Option<String>,
    /// Since when it has been there.
    pub put_at: Timestamp,
    /// When it is due, or its lease ends.
    pub due: Timestamp,
    /// What its owner wants to know of it.
    pub head: String,
    /// Its payload.
    pub body: Bytes,
    /// Whether it was leased, and not returned since.
    leased: bool,
    leases: u32,
    first_leased_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<EntryId, Row>,
    last: i64,
    batches: u64,
    /// By lane and id of a sameness: until when it is remembered, and what was put.
    remembered: HashMap<(Lane, String), (Timestamp, EntryId)>,
    /// The latest time that it was told.
    now: Option<Timestamp>,
    fault: Fault,
    sharing: Sharing,
}

/// What fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    Nothing,
    Everything,
    /// Batches and purges.
    Changes,
    /// Looks through all lanes, which have no end.
    Looks,
    /// One batch, after so many that do not.
    Batch {
        after: usize,
    },
}

impl MemoryQueue {
    /// From now on everything fails, and nothing happens.
    pub fn break_down(&self) {
        self.lock().fault = Fault::Everything;
    }

    /// From now on there is no room: what is in it can be leased and looked at, and batches and
    /// purges fail.
    pub fn fill_up(&self) {
        self.lock().fault = Fault::Changes;
    }

    /// From now on nothing fails.
    pub fn mend(&self) {
        self.lock().fault = Fault::Nothing;
    }

    /// Lets one batch fail, after so many that do not.
    pub fn fail_after(&self, batches: usize) {
        self.lock().fault = Fault::Batch { after: batches };
    }

    /// From now on nobody gets an answer who looks through all lanes.
    pub fn stall_looks(&self) {
        self.lock().fault = Fault::Looks;
    }

    /// From now on it is one that is shared, or is not.
    pub fn set_sharing(&self, sharing: Sharing) {
        self.lock().sharing = sharing;
    }

    /// What is in it, in the order in which it was put.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.lock().rows.values().cloned().collect()
    }

    /// What is in the lanes of a kind, in the order in which it was put.
    #[must_use]
    pub fn of_kind(&self, kind: &str) -> Vec<Row> {
        self.lock().rows.values().filter(|row| row.lane.kind == kind).cloned().collect()
    }

    /// Whether there is something in the lanes of a kind.
    #[must_use]
    pub fn has(&self, kind: &str) -> bool {
        self.lock().rows.values().any(|row| row.lane.kind == kind)
    }

    /// Removes what is in it, and returns it in the order in which it was put.
    #[must_use]
    pub fn take(&self) -> Vec<Row> {
        std::mem::take(&mut self.lock().rows).into_values().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds the entries")
    }

    /// The state, unless everything fails.
    fn working(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.lock();
        match state.fault {
            Fault::Everything => Err(failure()),
            Fault::Nothing | Fault::Changes | Fault::Looks | Fault::Batch { .. } => Ok(state),
        }
    }

    /// The state, unless there is no room.
    fn with_room(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.working()?;
        if state.fault == Fault::Changes {
            return Err(failure());
        }
        Ok(state)
    }

    /// The state, unless this batch fails.
    fn working_on_batch(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.with_room()?;
        if let Fault::Batch { after } = state.fault {
            let Some(left) = after.checked_sub(1) else {
                state.fault = Fault::Nothing;
                return Err(failure());
            };
            state.fault = Fault::Batch { after: left };
        }
        Ok(state)
    }
}

fn failure() -> StoreError {
    StoreError::File { operation: "use the queue", source: ErrorKind::StorageFull.into() }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError> {
        let (applied, told) = self.working_on_batch()?.apply(batch, now);
        for lane in &told {
            self.signals.signal(lane);
        }
        Ok(applied)
    }

    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        Ok(self.working()?.lease(&ask, now))
    }

    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.working()?.next_due(lane))
    }

    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        let state = self.working()?;
        let of_kind = state.rows.values().map(|row| &row.lane).filter(|lane| lane.kind == kind);
        let names: BTreeSet<&str> = of_kind.map(|lane| lane.name.as_str()).collect();
        let behind = names.into_iter().filter(|name| after.is_none_or(|after| *name > after));
        Ok(behind.take(items).map(|name| Lane { kind, name: name.to_owned() }).collect())
    }

    async fn dues(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<(Lane, Timestamp)>, StoreError> {
        let is_stalled = self.lock().fault == Fault::Looks;
        if is_stalled {
            pending::<()>().await;
        }
        let lanes = self.lanes(kind, after, items).await?;
        let state = self.working()?;
        let due = |lane: Lane| Some((state.next_due(&lane)?, lane));
        Ok(lanes.into_iter().filter_map(due).map(|(due, lane)| (lane, due)).collect())
    }

    async fn counts(&self, lane: &Lane, now: Timestamp) -> Result<Counts, StoreError> {
        let state = self.working()?;
        let mut counts = Counts::default();
        for row in state.of_lane(lane) {
            match (row.due <= now, row.leased) {
                (true, _) => counts.waiting += 1,
                (false, true) => counts.leased += 1,
                (false, false) => counts.delayed += 1,
            }
            let oldest = counts.oldest.map_or(row.put_at, |oldest| oldest.min(row.put_at));
            counts.oldest = Some(oldest);
        }
        Ok(counts)
    }

    async fn page(&self, page: Page<'_>, now: Timestamp) -> Result<Vec<Seen>, StoreError> {
        let Page { lane, after, items } = page;
        let state = self.working()?;
        let behind = state.of_lane(lane).filter(|row| after.is_none_or(|after| row.id > after));
        let seen = behind.take(items).map(|row| Seen {
            id: row.id,
            group: row.group.clone(),
            put_at: row.put_at,
            due: row.due,
            leases: row.leases,
            leased: row.leased && row.due > now,
            head: row.head.clone(),
            body_bytes: u64::try_from(row.body.len()).unwrap_or(u64::MAX),
        });
        Ok(seen.collect())
    }

    async fn body(&self, lane: &Lane, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        let state = self.working()?;
        let row = state.rows.get(&id).filter(|row| row.lane == *lane);
        Ok(row.map(|row| row.body.clone()))
    }

    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError> {
        let purged = self.with_room()?.purge(lane, put_before);
        if purged.iter().any(|row| row.group.is_some()) {
            self.signals.signal(lane);
        }
        Ok(u64::try_from(purged.len()).unwrap_or(u64::MAX))
    }

    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        let state = self.working()?;
        Ok(state.now.filter(|_| state.sharing == Sharing::Alone))
    }

    fn signals(&self) -> &Signals {
        &self.signals
    }

    fn sharing(&self) -> Sharing {
        self.lock().sharing
    }
}

impl State {
    fn of_lane(&self, lane: &Lane) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(move |row| row.lane == *lane)
    }

    /// Does what a batch says. Returns also the lanes that are to be told of.
    fn apply(&mut self, batch: Batch, now: Timestamp) -> (Applied, BTreeSet<Lane>) {
        self.now = self.now.max(Some(now));
        let touched =
            batch.settles.iter().filter_map(|settle| self.rows.get(&settle.receipt.entry));
        let before: Vec<Row> = touched.cloned().collect();
        let mut told = BTreeSet::new();
        let settles: Vec<Settled> =
            batch.settles.iter().map(|settle| self.settle(settle, &mut told)).collect();
        let all_done = settles.iter().all(|settled| *settled == Settled::Done);
        if batch.unless_settled == Unless::Nothing && !all_done {
            self.rows.extend(before.into_iter().map(|row| (row.id, row)));
            return (Applied { puts: Vec::new(), settles }, BTreeSet::new());
        }
        self.batches += 1;
        told.extend(batch.puts.iter().map(|entry| entry.lane.clone()));
        let puts = batch.puts.into_iter().map(|entry| self.put(entry, now)).collect();
        (Applied { puts, settles }, told)
    }

    fn settle(&mut self, settle: &Settle, told: &mut BTreeSet<Lane>) -> Settled {
        let Settle { receipt, fate } = settle;
        let Some(row) = self.rows.get_mut(&receipt.entry) else { return Settled::Gone };
        if !row.leased || row.leases != receipt.lease {
            return Settled::Stale;
        }
        // Whoever waits may have to wait for less time, or for nobody any more.
        let is_news = match fate {
            Fate::Remove => row.group.is_some(),
            Fate::Return { .. } => true,
            Fate::Extend { until } | Fate::Note { until, .. } => *until < row.due,
        };
        if is_news {
            told.insert(row.lane.clone());
        }
        match fate {
            Fate::Remove => {
                self.rows.remove(&receipt.entry);
            }
            Fate::Return { due, head } => {
                (row.due, row.leased) = (*due, false);
                if let Some(head) = head {
                    row.head.clone_from(head);
                }
            }
            Fate::Extend { until } => row.due = *until,
            Fate::Note { until, head } => {
                row.due = *until;
                row.head.clone_from(head);
            }
        }
        Settled::Done
    }

    fn put(&mut self, entry: NewEntry, now: Timestamp) -> Put {
        let NewEntry { lane, group, put_at, due, sameness, head, body } = entry;
        let id = EntryId(self.last + 1);
        if let Some(Sameness { id: name, until }) = sameness {
            let key = (lane.clone(), name);
            if let Some((until, same)) = self.remembered.get(&key)
                && *until > now
            {
                return Put::Same(*same);
            }
            self.remembered.insert(key, (until, id));
        }
        self.last = id.0;
        let row = Row {
            id,
            batch: self.batches,
            lane,
            group,
            put_at,
            due,
            head,
            body,
            leased: false,
            leases: 0,
            first_leased_at: None,
        };
        self.rows.insert(id, row);
        Put::New(id)
    }

    fn lease(&mut self, ask: &Ask<'_>, now: Timestamp) -> Vec<Leased> {
        self.now = self.now.max(Some(now));
        let (mut leased, mut bytes) = (Vec::new(), 0_usize);
        for id in self.free(ask.lane, now).into_iter().take(ask.entries) {
            let row = self.rows.get_mut(&id).expect("it was found just now");
            bytes = bytes.saturating_add(row.body.len());
            if bytes > ask.bytes && !leased.is_empty() {
                break;
            }
            row.leases += 1;
            (row.leased, row.due) = (true, ask.until);
            leased.push(Leased {
                receipt: Receipt { entry: id, lease: row.leases },
                group: row.group.clone(),
                put_at: row.put_at,
                first_leased_at: *row.first_leased_at.get_or_insert(now),
                head: row.head.clone(),
                body: row.body.clone(),
            });
        }
        leased
    }

    /// The entries of a lane that can be leased, in the order in which they are. The turn of one of a
    /// group comes when it is due and all that are before it in its group are.
    fn free(&self, lane: &Lane, now: Timestamp) -> Vec<EntryId> {
        let mut free = Vec::new();
        let mut groups: HashMap<&str, Timestamp> = HashMap::new();
        for row in self.of_lane(lane) {
            let turn = match row.group.as_deref() {
                Some(group) => {
                    let latest = groups.entry(group).or_insert(row.due);
                    *latest = row.due.max(*latest);
                    *latest
                }
                None => row.due,
            };
            if turn <= now {
                free.push((turn, row.id));
            }
        }
        free.sort_unstable();
        free.into_iter().map(|(_, id)| id).collect()
    }

    /// When the first of those is due that wait for no other one of their group.
    fn next_due(&self, lane: &Lane) -> Option<Timestamp> {
        let mut groups: BTreeSet<&str> = BTreeSet::new();
        let first = self
            .of_lane(lane)
            .filter(|row| row.group.as_deref().is_none_or(|group| groups.insert(group)));
        first.map(|row| row.due).min()
    }

    fn purge(&mut self, lane: &Lane, put_before: Timestamp) -> Vec<Row> {
        let is_old = |row: &&Row| row.put_at < put_before;
        let purged: Vec<Row> = self.of_lane(lane).filter(is_old).cloned().collect();
        for row in &purged {
            self.rows.remove(&row.id);
        }
        purged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::conformance;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn puts(bodies: &[&'static str]) -> Batch {
        let entry = |body: &&'static str| NewEntry {
            lane: Lane { kind: "test", name: "lane".to_owned() },
            group: None,
            put_at: NOW,
            due: NOW,
            sameness: None,
            head: "{}".to_owned(),
            body: Bytes::from_static(body.as_bytes()),
        };
        Batch { puts: bodies.iter().map(entry).collect(), ..Batch::default() }
    }

    fn shown(rows: &[Row]) -> Vec<(u64, &[u8])> {
        rows.iter().map(|row| (row.batch, &row.body[..])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn it_does_what_every_queue_must_do_while_the_clock_stands_still() {
        let queue = MemoryQueue::default();
        Box::pin(conformance::all(&queue)).await;
    }

    #[tokio::test]
    async fn it_agrees_with_the_model_over_random_steps() {
        let queue = MemoryQueue::default();
        for seed in 0..8 {
            Box::pin(conformance::model::agrees(&queue, "memory", seed, 300)).await;
        }
    }

    #[tokio::test]
    async fn while_it_is_broken_nothing_happens() {
        let queue = MemoryQueue::default();
        let lane = Lane { kind: "test", name: "lane".to_owned() };
        queue.apply(puts(&["before"]), NOW).await.unwrap();
        queue.break_down();
        assert!(queue.apply(puts(&["lost"]), NOW).await.is_err());
        let ask = || Ask { lane: &lane, entries: 9, bytes: 1_000, until: NOW.plus_millis(1_000) };
        assert!(queue.lease(ask(), NOW).await.is_err());
        assert!(queue.next_due(&lane).await.is_err());
        assert!(queue.lanes("test", None, 1).await.is_err());
        assert!(queue.purge(&lane, Timestamp(u64::MAX)).await.is_err());
        queue.mend();
        assert_eq!(shown(&queue.rows()), [(1, &b"before"[..])]);
        assert_eq!(queue.lease(ask(), NOW).await.unwrap()[0].receipt.lease, 1);
    }

    #[tokio::test]
    async fn without_room_nothing_can_be_put_and_what_is_there_can_be_leased() {
        let queue = MemoryQueue::default();
        let lane = Lane { kind: "test", name: "lane".to_owned() };
        queue.apply(puts(&["before"]), NOW).await.unwrap();
        queue.fill_up();
        assert!(queue.apply(puts(&["lost"]), NOW).await.is_err());
        assert!(queue.purge(&lane, Timestamp(u64::MAX)).await.is_err());
        let ask = Ask { lane: &lane, entries: 9, bytes: 1_000, until: NOW.plus_millis(1_000) };
        assert_eq!(queue.lease(ask, NOW).await.unwrap().len(), 1);
        queue.mend();
        assert_eq!(queue.purge(&lane, Timestamp(u64::MAX)).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn one_batch_fails_when_it_was_told_to_and_those_around_it_do_not() {
        let queue = MemoryQueue::default();
        queue.fail_after(1);
        let mut done = Vec::new();
        for body in ["a", "b", "c"] {
            done.push(queue.apply(puts(&[body]), NOW).await.is_ok());
        }
        assert_eq!(done, [true, false, true]);
        assert_eq!(shown(&queue.rows()), [(1, &b"a"[..]), (2, &b"c"[..])]);
    }

    #[tokio::test]
    async fn what_is_in_it_can_be_looked_at_and_taken_out() {
        let queue = MemoryQueue::default();
        queue.apply(puts(&["a", "b"]), NOW).await.unwrap();
        assert!(queue.has("test") && !queue.has("other"));
        assert_eq!((queue.of_kind("test").len(), queue.of_kind("other").len()), (2, 0));
        assert_eq!(shown(&queue.take()), [(1, &b"a"[..]), (1, &b"b"[..])]);
        assert_eq!((queue.take(), queue.has("test")), (Vec::new(), false));
    }
}
