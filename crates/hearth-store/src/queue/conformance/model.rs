//! A queue in memory that is too simple to be wrong, and random steps that compare an engine
//! with it.
//!
//! Where the trait leaves a choice, such as which of two groups comes first, the engine makes it:
//! the model judges what was leased, and then goes on from there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use crate::queue::{Counts, Page, Seen};

/// Lanes of a run.
const LANES: usize = 3;
/// Groups of a lane; one more choice is none.
const GROUPS: u64 = 3;

/// Numbers that follow from a seed.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// One of the numbers below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(u64::try_from(bound).unwrap())).unwrap()
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())].clone()
    }
}

/// An entry as it has to be.
#[derive(Debug, Clone)]
struct Known {
    lane: Lane,
    group: Option<String>,
    put_at: Timestamp,
    due: Timestamp,
    leases: u32,
    leased: bool,
    first_leased_at: Option<Timestamp>,
    head: String,
    body: Bytes,
}

/// What was put under an id for sameness, and until when that is remembered.
type Remembered = HashMap<(Lane, String), (Timestamp, EntryId)>;

/// Everything that an engine should know.
#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<EntryId, Known>,
    remembered: Remembered,
    /// Every receipt that was ever given.
    receipts: Vec<Receipt>,
    last: Option<EntryId>,
}

impl Model {
    fn of_lane<'a>(&'a self, lane: &'a Lane) -> impl Iterator<Item = (EntryId, &'a Known)> {
        self.entries
            .iter()
            .filter(move |(_, known)| known.lane == *lane)
            .map(|(id, one)| (*id, one))
    }

    /// Whether an earlier entry of its group is there, other than those that are named.
    fn is_behind(&self, id: EntryId, but_for: &BTreeSet<EntryId>) -> bool {
        let known = &self.entries[&id];
        known.group.is_some()
            && self.of_lane(&known.lane).any(|(other, one)| {
                other < id && one.group == known.group && !but_for.contains(&other)
            })
    }

    /// What settling does, and what it says.
    fn settle(&mut self, settle: &Settle) -> Settled {
        let Some(known) = self.entries.get_mut(&settle.receipt.entry) else {
            return Settled::Gone;
        };
        if !known.leased || known.leases != settle.receipt.lease {
            return Settled::Stale;
        }
        match &settle.fate {
            Fate::Remove => {
                self.entries.remove(&settle.receipt.entry);
            }
            Fate::Return { due, head } => {
                (known.due, known.leased) = (*due, false);
                known.head = head.as_ref().unwrap_or(&known.head).clone();
            }
            Fate::Extend { until } => known.due = *until,
            Fate::Note { until, head } => {
                known.due = *until;
                known.head.clone_from(head);
            }
        }
        Settled::Done
    }

    /// Follows a batch that an engine has applied, and judges what it says.
    fn apply(&mut self, batch: &Batch, now: Timestamp, applied: &Applied) {
        let before = self.entries.clone();
        let settled: Vec<Settled> =
            batch.settles.iter().map(|settle| self.settle(settle)).collect();
        let all_done = settled.iter().all(|settled| *settled == Settled::Done);
        if batch.unless_settled == Unless::Nothing && !all_done {
            self.entries = before;
            assert_eq!(applied.puts, []);
            assert_eq!(applied.settles.len(), settled.len());
            return;
        }
        assert_eq!(applied.settles, settled);
        assert_eq!(applied.puts.len(), batch.puts.len());
        for (new, put) in batch.puts.iter().zip(&applied.puts) {
            self.put(new, *put, now);
        }
    }

    fn put(&mut self, new: &NewEntry, put: Put, now: Timestamp) {
        if let Some(sameness) = &new.sameness {
            let key = (new.lane.clone(), sameness.id.clone());
            match self.remembered.get(&key) {
                Some((until, id)) if *until > now => return assert_eq!(put, Put::Same(*id)),
                Some(_) | None => {
                    self.remembered.insert(key, (sameness.until, put.id()));
                }
            }
        }
        assert!(matches!(put, Put::New(_)), "{new:?}: {put:?}");
        assert!(Some(put.id()) > self.last, "ids grow");
        self.last = Some(put.id());
        let known = Known {
            lane: new.lane.clone(),
            group: new.group.clone(),
            put_at: new.put_at,
            due: new.due,
            leases: 0,
            leased: false,
            first_leased_at: None,
            head: new.head.clone(),
            body: new.body.clone(),
        };
        self.entries.insert(put.id(), known);
    }

    /// Judges what was leased, and follows it.
    fn lease(&mut self, ask: &Ask<'_>, now: Timestamp, leased: &[Leased]) {
        let bytes: usize = leased.iter().map(|leased| leased.body.len()).sum();
        assert!(leased.len() <= ask.entries);
        assert!(leased.len() <= 1 || bytes <= ask.bytes);
        self.judge_order(ask.lane, now, leased);
        self.judge_what_is_left(ask, now, leased);
        for leased in leased {
            let known = self.entries.get_mut(&leased.receipt.entry).unwrap();
            known.leases += 1;
            (known.leased, known.due) = (true, ask.until);
            let first_leased_at = *known.first_leased_at.get_or_insert(now);
            let expected = Leased {
                receipt: Receipt { entry: leased.receipt.entry, lease: known.leases },
                group: known.group.clone(),
                put_at: known.put_at,
                first_leased_at,
                head: known.head.clone(),
                body: known.body.clone(),
            };
            assert_eq!(*leased, expected);
            self.receipts.push(leased.receipt);
        }
    }

    /// Each was due, and behind none but those before it.
    fn judge_order(&self, lane: &Lane, now: Timestamp, leased: &[Leased]) {
        let mut before = BTreeSet::new();
        let mut last = None;
        for id in ids(leased) {
            let known = self.entries.get(&id).unwrap_or_else(|| panic!("{id} was removed"));
            assert_eq!(known.lane, *lane);
            assert!(known.due <= now, "{id} is leased, or not due");
            assert!(!self.is_behind(id, &before), "{id} is behind another of its group");
            assert!(before.insert(id), "{id} twice");
            if known.group.is_none() && !known.leased {
                assert!(last < Some((known.due, id)), "the oldest due is first");
                last = Some((known.due, id));
            }
        }
    }

    /// Nothing was passed over that should have been leased.
    fn judge_what_is_left(&self, ask: &Ask<'_>, now: Timestamp, leased: &[Leased]) {
        let taken: BTreeSet<EntryId> = ids(leased).into_iter().collect();
        let left: Vec<(EntryId, &Known)> = self
            .of_lane(ask.lane)
            .filter(|(id, known)| known.due <= now && !taken.contains(id))
            .filter(|(id, _)| !self.is_behind(*id, &taken))
            .collect();
        let bytes: usize = leased.iter().map(|leased| leased.body.len()).sum();
        let would_fit = left.iter().all(|(_, known)| bytes + known.body.len() <= ask.bytes);
        let wanted = leased.len() < ask.entries && (leased.is_empty() || would_fit);
        assert!(!wanted || left.is_empty(), "left without a reason: {left:?}");
        let plain = |known: &Known| known.group.is_none() && !known.leased;
        let newest_taken = taken
            .iter()
            .map(|id| (&self.entries[id], *id))
            .filter(|(known, _)| plain(known))
            .map(|(known, id)| (known.due, id))
            .max();
        for (id, known) in left.into_iter().filter(|(_, known)| plain(known)) {
            assert!(newest_taken < Some((known.due, id)), "{id} was passed over");
        }
    }

    fn counts(&self, lane: &Lane, now: Timestamp) -> Counts {
        let mut counts = Counts::default();
        for (_, known) in self.of_lane(lane) {
            match (known.due <= now, known.leased) {
                (true, _) => counts.waiting += 1,
                (false, true) => counts.leased += 1,
                (false, false) => counts.delayed += 1,
            }
            let oldest = counts.oldest.map_or(known.put_at, |oldest| oldest.min(known.put_at));
            counts.oldest = Some(oldest);
        }
        counts
    }

    fn page(&self, lane: &Lane, now: Timestamp) -> Vec<Seen> {
        let seen = |(id, known): (EntryId, &Known)| Seen {
            id,
            group: known.group.clone(),
            put_at: known.put_at,
            due: known.due,
            leases: known.leases,
            leased: known.leased && known.due > now,
            head: known.head.clone(),
            body_bytes: u64::try_from(known.body.len()).unwrap(),
        };
        self.of_lane(lane).map(seen).collect()
    }

    /// When there is something to lease.
    fn next_due(&self, lane: &Lane) -> Option<Timestamp> {
        let none = BTreeSet::new();
        let first = self.of_lane(lane).filter(|(id, _)| !self.is_behind(*id, &none));
        first.map(|(_, known)| known.due).min()
    }
}

/// Makes steps and looks on.
#[derive(Debug)]
struct Run<'a> {
    queue: &'a dyn Queue,
    lanes: Vec<Lane>,
    random: Random,
    model: Model,
    now: Timestamp,
}

impl Run<'_> {
    fn later(&mut self) -> Timestamp {
        let millis = self.random.one_of(&[0, 0, 3, 10, 40]);
        self.now.plus_millis(millis)
    }

    fn new_entry(&mut self) -> NewEntry {
        let group = self.random.below(GROUPS + 1);
        let group = (group < GROUPS).then(|| group.to_string());
        let sameness = (self.random.below(4) == 0).then(|| Sameness {
            id: self.random.below(5).to_string(),
            until: self.now.plus_millis(1 + self.random.below(30)),
        });
        let body_bytes = self.random.one_of(&[0, 3, 900, 1_024, 1_025, 5_000]);
        let byte = u8::try_from(self.random.below(256)).unwrap();
        NewEntry {
            lane: self.random.one_of(&self.lanes),
            group,
            put_at: Timestamp(self.now.0 - self.random.below(20)),
            due: self.later(),
            sameness,
            head: format!("{{\"made\":{}}}", self.random.below(1_000)),
            body: vec![byte; body_bytes].into(),
        }
    }

    fn new_settle(&mut self) -> Option<Settle> {
        // Mostly the newest receipts: most of the others are of no use any more.
        let count = self.model.receipts.len();
        let from = if self.random.below(8) == 0 { 0 } else { count.saturating_sub(12) };
        let receipt = *self.model.receipts[from..].get(self.random.index((count - from).max(1)))?;
        let fate = match self.random.below(6) {
            0 | 1 => Fate::Remove,
            4 => Fate::Note { until: self.later(), head: "{\"noted\":true}".to_owned() },
            2 | 3 => {
                let head = (self.random.below(2) == 0).then(|| "{\"again\":true}".to_owned());
                Fate::Return { due: self.later(), head }
            }
            _ => Fate::Extend { until: self.later() },
        };
        Some(Settle { receipt, fate })
    }

    async fn apply(&mut self) {
        let puts = (0..self.random.below(4)).map(|_| self.new_entry()).collect();
        let settles = (0..self.random.below(4)).filter_map(|_| self.new_settle()).collect();
        let unless_settled = self.random.one_of(&[Unless::GoOn, Unless::GoOn, Unless::Nothing]);
        let batch = Batch { puts, settles, unless_settled };
        let applied = self.queue.apply(batch.clone(), self.now).await.unwrap();
        self.model.apply(&batch, self.now, &applied);
    }

    async fn lease(&mut self) {
        let lane = self.random.one_of(&self.lanes);
        let ask = Ask {
            lane: &lane,
            entries: self.random.index(6),
            bytes: self.random.one_of(&[1, 1_000, 6_000, ANY_BYTES]),
            until: self.now.plus_millis(1 + self.random.below(30)),
        };
        let leased = self.queue.lease(ask.clone(), self.now).await.unwrap();
        self.model.lease(&ask, self.now, &leased);
    }

    async fn purge(&mut self) {
        let lane = self.random.one_of(&self.lanes);
        let put_before = Timestamp(self.now.0 - 30);
        let purged = self.queue.purge(&lane, put_before).await.unwrap();
        let before = self.model.entries.len();
        self.model.entries.retain(|_, known| known.lane != lane || known.put_at >= put_before);
        assert_eq!(purged, u64::try_from(before - self.model.entries.len()).unwrap());
    }

    /// Everything that can be seen is as it has to be.
    async fn look(&self) {
        for lane in &self.lanes {
            let counts = self.queue.counts(lane, self.now).await.unwrap();
            assert_eq!(counts, self.model.counts(lane, self.now));
            let page =
                self.queue.page(Page { lane, after: None, items: 10_000 }, self.now).await.unwrap();
            assert_eq!(page, self.model.page(lane, self.now));
            let found = self.queue.next_due(lane).await.unwrap();
            let expected = self.model.next_due(lane);
            assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                assert_eq!(found <= self.now, expected <= self.now, "{found}, not {expected}");
                assert!(found <= expected, "{found} is later than {expected}");
            }
        }
    }

    async fn step(&mut self) {
        match self.random.below(20) {
            0..=8 => self.apply().await,
            9..=15 => self.lease().await,
            16..=18 => self.now = self.now.plus_millis(self.random.below(15)),
            _ => self.purge().await,
        }
    }
}

/// Compares an engine with the model over so many random steps. `name` and `seed` are in what a
/// failure prints.
pub(crate) async fn agrees(queue: &dyn Queue, name: &str, seed: u64, steps: usize) {
    let lanes =
        (0..LANES).map(|number| Lane { kind: KIND, name: format!("{name}-{seed}-{number}") });
    let mut run = Run {
        queue,
        lanes: lanes.collect(),
        random: Random(seed),
        model: Model::default(),
        now: NOW,
    };
    for step in 0..steps {
        run.step().await;
        if step % 8 == 0 {
            run.look().await;
        }
    }
    run.look().await;
}
