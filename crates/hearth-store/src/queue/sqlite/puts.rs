//! Which entries are put, as a pure decision: under which id, whether they wait for an earlier one
//! of their group, and which are the same as one that was put before.
//!
//! # Deliberately absent
//!
//! No SQL: that is in [`super::changes`].

use std::collections::{HashMap, HashSet};

use hearth_types::time::Timestamp;

use crate::queue::{EntryId, NewEntry, Put};

/// An entry that somebody wants to put.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) lane: i64,
    pub(super) entry: &'a NewEntry,
    pub(super) now: Timestamp,
}

/// An entry that is put.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) id: i64,
    pub(super) lane: i64,
    /// Whether there is an earlier entry in its group.
    pub(super) blocked: bool,
    /// Whether an earlier entry of its lane was put later.
    pub(super) early: bool,
    pub(super) entry: &'a NewEntry,
}

/// What was put before under the id of a [`crate::queue::Sameness`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) until: Timestamp,
    pub(super) entry: i64,
}

/// What is put, and what is known for it.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// By lane and id.
    sameness: HashMap<(i64, String), Before>,
    /// Lanes and groups that have an entry.
    groups: HashSet<(i64, String)>,
    /// Since when the latest entry of each lane has been there.
    latest: HashMap<i64, Timestamp>,
    next_id: i64,
    rows: Vec<Row<'a>>,
    remembered: Vec<(i64, &'a str, Before)>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        sameness: HashMap<(i64, String), Before>,
        groups: HashSet<(i64, String)>,
        (latest, next_id): (HashMap<i64, Timestamp>, i64),
    ) -> Self {
        Self { sameness, groups, latest, next_id, rows: Vec::new(), remembered: Vec::new() }
    }

    /// Decides about one entry; those before it are taken into account.
    pub(super) fn put(&mut self, wanted: Wanted<'a>) -> Put {
        let Wanted { lane, entry, now } = wanted;
        let id = self.next_id;
        if let Some(sameness) = &entry.sameness {
            let new = Before { until: sameness.until, entry: id };
            let key = (lane, sameness.id.clone());
            if let Some(before) = self.sameness.get(&key).filter(|before| now < before.until) {
                return Put::Same(EntryId(before.entry));
            }
            self.sameness.insert(key, new);
            self.remembered.push((lane, sameness.id.as_str(), new));
        }
        let blocked = match &entry.group {
            Some(group) => !self.groups.insert((lane, group.clone())),
            None => false,
        };
        let latest = self.latest.entry(lane).or_default();
        let early = entry.put_at < *latest;
        *latest = entry.put_at.max(*latest);
        self.next_id += 1;
        self.rows.push(Row { id, lane, blocked, early, entry });
        Put::New(EntryId(id))
    }

    /// The entries that are put, in the order of their ids.
    pub(super) fn rows(&self) -> &[Row<'a>] {
        &self.rows
    }

    /// Since when the latest entry of each lane has been there, with those that are put.
    pub(super) fn latest(&self) -> &HashMap<i64, Timestamp> {
        &self.latest
    }

    /// What is to be remembered so that they are not put again: lane and id, and what they mean.
    pub(super) fn remembered(&self) -> &[(i64, &'a str, Before)] {
        &self.remembered
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::queue::{Lane, Sameness};

    fn entry(group: Option<&str>, same: Option<(&str, u64)>) -> NewEntry {
        NewEntry {
            lane: Lane { kind: "sqs", name: "a".to_owned() },
            group: group.map(str::to_owned),
            put_at: Timestamp(0),
            due: Timestamp(0),
            sameness: same
                .map(|(id, until)| Sameness { id: id.to_owned(), until: Timestamp(until) }),
            head: String::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn the_first_of_a_group_is_free_and_those_behind_it_wait() {
        let entries = [entry(Some("g"), None), entry(None, None), entry(Some("g"), None)];
        let mut plan = Plan::new(HashMap::new(), HashSet::new(), (HashMap::new(), 10));
        for entry in &entries {
            plan.put(Wanted { lane: 1, entry, now: Timestamp(0) });
        }
        let rows: Vec<_> = plan.rows().iter().map(|row| (row.id, row.blocked)).collect();
        assert_eq!(rows, [(10, false), (11, false), (12, true)]);
    }

    #[test]
    fn the_same_is_put_once_until_it_is_forgotten() {
        let first = entry(None, Some(("x", 100)));
        let mut plan = Plan::new(HashMap::new(), HashSet::new(), (HashMap::new(), 1));
        let mut put = |lane, now| plan.put(Wanted { lane, entry: &first, now: Timestamp(now) });
        assert_eq!(put(1, 0), Put::New(EntryId(1)));
        assert_eq!(put(1, 99), Put::Same(EntryId(1)));
        assert_eq!(put(2, 99), Put::New(EntryId(2)), "lanes do not know of each other");
        assert_eq!(put(1, 100), Put::New(EntryId(3)));
    }

    #[test]
    fn one_that_was_put_before_an_earlier_one_of_its_lane_is_early() {
        let entries = [5, 7, 6, 7, 8]
            .map(|put_at| NewEntry { put_at: Timestamp(put_at), ..entry(None, None) });
        let latest = HashMap::from([(1, Timestamp(6))]);
        let mut plan = Plan::new(HashMap::new(), HashSet::new(), (latest, 1));
        for entry in &entries {
            for lane in [1, 2] {
                plan.put(Wanted { lane, entry, now: Timestamp(9) });
            }
        }
        let early = |lane: i64| -> Vec<bool> {
            let rows = plan.rows().iter().filter(|row| row.lane == lane);
            rows.map(|row| row.early).collect()
        };
        assert_eq!(early(1), [true, false, true, false, false]);
        assert_eq!(early(2), [false, false, true, false, false]);
        assert_eq!(plan.latest()[&1], Timestamp(8));
    }
}
