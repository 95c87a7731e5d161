//! What the engine knows without asking its file: the lanes, and how many entries each has.
//!
//! # Promises
//!
//! 1. What is known is what was committed. The writer gathers [`Effects`] during a transaction and
//!    lets them happen after it.
//! 2. Memory grows with the number of lanes, not of entries. Lanes that are empty are forgotten, but
//!    for some.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use hearth_types::time::Timestamp;

use crate::queue::signals::Signals;
use crate::queue::{EntryId, Lane};

/// What the writer and those who ask it both know.
#[derive(Debug, Default)]
pub(super) struct Shared {
    lanes: Mutex<Lanes>,
    pub(super) signals: Signals,
    /// Transactions that were committed.
    commits: AtomicU64,
    last_id: AtomicI64,
}

impl Shared {
    pub(super) fn new(lanes: Lanes, last_id: i64) -> Self {
        Self { lanes: Mutex::new(lanes), last_id: AtomicI64::new(last_id), ..Self::default() }
    }

    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().expect("no code panics while it holds the lanes")
    }

    /// How many transactions there were.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// The latest id that was given and committed.
    pub(super) fn last_id(&self) -> EntryId {
        EntryId(self.last_id.load(Ordering::Acquire))
    }

    /// Makes known what was committed, and tells whoever waits for it.
    pub(super) fn committed(&self, effects: Effects, last_id: i64) {
        self.commits.fetch_add(1, Ordering::AcqRel);
        self.last_id.fetch_max(last_id, Ordering::AcqRel);
        let mut lanes = self.lanes();
        for (lane, number) in effects.lanes {
            lanes.learn(lane, Known { number, entries: 0, latest: Timestamp(0) });
        }
        for (number, latest) in effects.latest {
            lanes.put_at(number, latest);
        }
        for (number, change) in effects.entries {
            lanes.count(number, change);
        }
        let told: Vec<Lane> =
            effects.signals.iter().filter_map(|number| lanes.lane(*number).cloned()).collect();
        drop(lanes);
        for lane in told {
            self.signals.signal(&lane);
        }
    }
}

/// What a transaction changes in memory once it is committed.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// Lanes that did not exist before.
    pub(super) lanes: HashMap<Lane, i64>,
    /// How many more entries a lane has.
    pub(super) entries: HashMap<i64, i64>,
    /// See [`Known::latest`].
    pub(super) latest: HashMap<i64, Timestamp>,
    /// Up to which id the file says that they may have been given, if that changes.
    pub(super) given: Option<i64>,
    /// The latest time that the file says, if that changes.
    pub(super) noted: Option<Timestamp>,
    /// Lanes to be signalled, once for each chance to lease.
    pub(super) signals: Vec<i64>,
}

impl Effects {
    pub(super) fn count(&mut self, lane: i64, change: i64) {
        *self.entries.entry(lane).or_default() += change;
    }
}

/// The lanes of a file.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    known: BTreeMap<Lane, Known>,
    by_number: BTreeMap<i64, Lane>,
    kinds: BTreeSet<&'static str>,
    last_number: i64,
}

/// What is known of a lane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// What it is called in the file.
    pub(super) number: i64,
    /// How many entries it has.
    pub(super) entries: u64,
    /// Since when the latest of its entries has been there. One that was put before it is early.
    pub(super) latest: Timestamp,
}

impl Lanes {
    /// Enters a lane that was read from the file.
    pub(super) fn read(&mut self, (kind, name): (&str, String), known: Known) {
        let lane = Lane { kind: self.kind(kind), name };
        self.learn(lane, known);
    }

    fn learn(&mut self, lane: Lane, known: Known) {
        self.last_number = self.last_number.max(known.number);
        self.by_number.insert(known.number, lane.clone());
        self.known.insert(lane, known);
    }

    fn count(&mut self, number: i64, change: i64) {
        if let Some(known) = self.known_mut(number) {
            known.entries = known.entries.saturating_add_signed(change);
        }
    }

    fn put_at(&mut self, number: i64, latest: Timestamp) {
        if let Some(known) = self.known_mut(number) {
            known.latest = latest;
        }
    }

    fn known_mut(&mut self, number: i64) -> Option<&mut Known> {
        self.known.get_mut(self.by_number.get(&number)?)
    }

    /// The number of a lane in the file, if it has one.
    pub(super) fn number(&self, lane: &Lane) -> Option<i64> {
        self.known.get(lane).map(|known| known.number)
    }

    /// How many entries a lane has.
    pub(super) fn entries(&self, lane: &Lane) -> u64 {
        self.known.get(lane).map_or(0, |known| known.entries)
    }

    /// Since when the latest entry of a lane has been there.
    pub(super) fn latest(&self, number: i64) -> Timestamp {
        let known = self.lane(number).and_then(|lane| self.known.get(lane));
        known.map_or(Timestamp(0), |known| known.latest)
    }

    /// The largest number that a lane has.
    pub(super) fn last_number(&self) -> i64 {
        self.last_number
    }

    /// How many lanes have no entries.
    pub(super) fn empty(&self) -> usize {
        self.known.values().filter(|known| known.entries == 0).count()
    }

    /// The numbers of some lanes that have no entries, from behind `after` on.
    pub(super) fn empty_after(&self, after: i64, items: usize) -> Vec<i64> {
        let behind = self.by_number.range((Bound::Excluded(after), Bound::Unbounded));
        let is_empty = |(_, lane): &(&i64, &Lane)| self.entries(lane) == 0;
        behind.filter(is_empty).take(items).map(|(number, _)| *number).collect()
    }

    /// Forgets a lane that is not in the file any more. Its number is not given again.
    pub(super) fn forget(&mut self, number: i64) {
        if let Some(lane) = self.by_number.remove(&number) {
            self.known.remove(&lane);
        }
    }

    fn lane(&self, number: i64) -> Option<&Lane> {
        self.by_number.get(&number)
    }

    /// The lanes of a kind that have entries, with their numbers, in the order of their names.
    pub(super) fn after(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Vec<(Lane, i64)> {
        let lane = |name: &str| Lane { kind, name: name.to_owned() };
        let from =
            after.map_or_else(|| Bound::Included(lane("")), |name| Bound::Excluded(lane(name)));
        self.known
            .range((from, Bound::Unbounded))
            .take_while(|(lane, _)| lane.kind == kind)
            .filter(|(_, known)| known.entries > 0)
            .take(items)
            .map(|(lane, known)| (lane.clone(), known.number))
            .collect()
    }

    /// Kinds are words of this program, and a file knows only a few of them. So those that are read
    /// from one may be kept for ever.
    fn kind(&mut self, text: &str) -> &'static str {
        if let Some(kind) = self.kinds.get(text).copied() {
            return kind;
        }
        let kind: &'static str = Box::leak(text.to_owned().into_boxed_str());
        self.kinds.insert(kind);
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_of_a_kind_come_in_order_and_only_if_they_have_entries() {
        let mut lanes = Lanes::default();
        for (number, (kind, name, entries)) in
            (1..).zip([("sqs", "b", 1), ("sqs", "a", 1), ("sqs", "c", 0), ("sns", "a", 1)])
        {
            let known = Known { number, entries, latest: Timestamp(0) };
            lanes.read((kind, name.to_owned()), known);
        }
        let names = |after, items| -> Vec<String> {
            lanes.after("sqs", after, items).into_iter().map(|(lane, _)| lane.name).collect()
        };
        assert_eq!(names(None, 9), ["a", "b"]);
        assert_eq!(names(Some("a"), 9), ["b"]);
        assert_eq!(names(None, 1), ["a"]);
        assert_eq!(lanes.last_number(), 4);
    }

    #[test]
    fn an_empty_lane_can_be_forgotten_and_its_number_is_not_given_again() {
        let mut lanes = Lanes::default();
        for (number, entries) in [(1, 0), (2, 5), (3, 0), (4, 0)] {
            let known = Known { number, entries, latest: Timestamp(0) };
            lanes.read(("sqs", format!("lane-{number}")), known);
        }
        assert_eq!((lanes.empty(), lanes.empty_after(0, 2)), (3, vec![1, 3]));
        assert_eq!(lanes.empty_after(3, 2), [4]);
        lanes.forget(4);
        assert_eq!((lanes.empty(), lanes.empty_after(3, 2)), (2, vec![]));
        assert_eq!(lanes.number(&Lane { kind: "sqs", name: "lane-4".to_owned() }), None);
        assert_eq!(lanes.last_number(), 4);
    }

    #[test]
    fn what_is_committed_is_counted_and_told() {
        let shared = Shared::default();
        let lane = Lane { kind: "sqs", name: "a".to_owned() };
        let mut effects = Effects::default();
        effects.lanes.insert(lane.clone(), 7);
        effects.count(7, 3);
        effects.count(7, -1);
        effects.latest.insert(7, Timestamp(5));
        shared.committed(effects, 12);
        assert_eq!(shared.lanes().number(&lane), Some(7));
        assert_eq!(shared.lanes().entries(&lane), 2);
        assert_eq!(shared.lanes().latest(7), Timestamp(5));
        assert_eq!((shared.commits(), shared.last_id()), (1, EntryId(12)));
    }
}
