//! What becomes of entries that somebody wants to settle, as a pure decision.
//!
//! The writer reads all entries that a group is about, decides for one batch after the other what
//! becomes of them, and writes the result. So a batch sees what those before it did, and one that
//! must not happen leaves nothing behind.
//!
//! # Deliberately absent
//!
//! No SQL: that is in [`super::changes`].

use std::collections::{BTreeSet, HashMap};

use hearth_types::time::Timestamp;

use crate::queue::{Batch, Fate, Settle, Settled, Unless};

/// An entry as it is in the file, or as it is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) lane: i64,
    pub(super) group: Option<String>,
    /// Whether its payload is in a table of its own.
    pub(super) apart: bool,
    pub(super) leases: u32,
    pub(super) leased: bool,
    pub(super) due: Timestamp,
    /// What its head becomes, if that changes.
    pub(super) head: Option<String>,
    /// Whether somebody else may be able to lease it sooner than before.
    pub(super) sooner: bool,
}

/// The entries that a group of batches wants to settle.
#[derive(Debug, Default)]
pub(super) struct Entries {
    there: HashMap<i64, Entry>,
    changed: BTreeSet<i64>,
    removed: Vec<(i64, Entry)>,
}

/// What was decided for a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It happens, and this becomes of its settles.
    Happens(Vec<Settled>),
    /// Nothing of it happens, because of these.
    Nothing(Vec<Settled>),
}

impl Entries {
    pub(super) fn new(there: HashMap<i64, Entry>) -> Self {
        Self { there, ..Self::default() }
    }

    /// Decides what a batch does to them.
    pub(super) fn settle(&mut self, batch: &Batch) -> Verdict {
        match batch.unless_settled {
            Unless::GoOn => Verdict::Happens(self.settle_each(&batch.settles)),
            Unless::Nothing => {
                // On a copy of those that it is about.
                let ids = batch.settles.iter().map(|settle| settle.receipt.entry.0);
                let there = ids.filter_map(|id| Some((id, self.there.get(&id)?.clone()))).collect();
                let settles = Self::new(there).settle_each(&batch.settles);
                if settles.iter().all(|settled| *settled == Settled::Done) {
                    Verdict::Happens(self.settle_each(&batch.settles))
                } else {
                    Verdict::Nothing(settles)
                }
            }
        }
    }

    /// Those that are still there and not as they were.
    pub(super) fn changed(&self) -> impl Iterator<Item = (i64, &Entry)> {
        self.changed.iter().filter_map(|id| Some((*id, self.there.get(id)?)))
    }

    /// Those that go, as they were.
    pub(super) fn removed(&self) -> &[(i64, Entry)] {
        &self.removed
    }

    fn settle_each(&mut self, settles: &[Settle]) -> Vec<Settled> {
        settles.iter().map(|settle| self.settle_one(settle)).collect()
    }

    fn settle_one(&mut self, settle: &Settle) -> Settled {
        let id = settle.receipt.entry.0;
        let Some(entry) = self.there.get_mut(&id) else { return Settled::Gone };
        if !entry.leased || entry.leases != settle.receipt.lease {
            return Settled::Stale;
        }
        match &settle.fate {
            Fate::Remove => {
                let entry = self.there.remove(&id).expect("it was found above");
                self.removed.push((id, entry));
                return Settled::Done;
            }
            Fate::Return { due, head } => {
                entry.leased = false;
                entry.due = *due;
                entry.sooner = true;
                if head.is_some() {
                    entry.head.clone_from(head);
                }
            }
            Fate::Extend { until } => {
                entry.sooner |= *until < entry.due;
                entry.due = *until;
            }
            Fate::Note { until, head } => {
                entry.sooner |= *until < entry.due;
                entry.due = *until;
                entry.head = Some(head.clone());
            }
        }
        self.changed.insert(id);
        Settled::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{EntryId, Receipt};

    const NOW: Timestamp = Timestamp(100);

    fn entries() -> Entries {
        let entry = Entry {
            lane: 1,
            group: None,
            apart: false,
            leases: 2,
            leased: true,
            due: Timestamp(150),
            head: None,
            sooner: false,
        };
        let run_out = Entry { due: NOW, ..entry.clone() };
        let waiting = Entry { leased: false, ..entry.clone() };
        Entries::new(HashMap::from([(1, entry), (2, run_out), (3, waiting)]))
    }

    fn settle(id: i64, lease: u32, fate: Fate) -> Settle {
        Settle { receipt: Receipt { entry: EntryId(id), lease }, fate }
    }

    fn back() -> Fate {
        Fate::Return { due: NOW, head: None }
    }

    fn batch(unless_settled: Unless, settles: Vec<Settle>) -> Batch {
        Batch { puts: Vec::new(), settles, unless_settled }
    }

    #[test]
    fn a_lease_is_good_until_there_is_another_one_also_when_it_has_run_out() {
        let cases = [
            (settle(1, 2, Fate::Remove), Settled::Done),
            (settle(1, 2, back()), Settled::Done),
            (settle(1, 2, Fate::Extend { until: Timestamp(900) }), Settled::Done),
            (settle(1, 2, Fate::Note { until: NOW, head: "{}".to_owned() }), Settled::Done),
            (settle(1, 1, Fate::Note { until: NOW, head: "{}".to_owned() }), Settled::Stale),
            (settle(1, 1, Fate::Remove), Settled::Stale),
            (settle(2, 2, Fate::Remove), Settled::Done),
            (settle(2, 2, back()), Settled::Done),
            (settle(2, 2, Fate::Extend { until: Timestamp(900) }), Settled::Done),
            (settle(3, 2, Fate::Remove), Settled::Stale),
            (settle(4, 1, Fate::Remove), Settled::Gone),
        ];
        for (wish, expected) in cases {
            let found = entries().settle(&batch(Unless::GoOn, vec![wish.clone()]));
            assert_eq!(found, Verdict::Happens(vec![expected]), "{wish:?}");
        }
    }

    #[test]
    fn a_batch_sees_what_those_before_it_did() {
        let mut entries = entries();
        let twice = vec![settle(1, 2, back()), settle(1, 2, Fate::Remove)];
        let found = entries.settle(&batch(Unless::GoOn, twice));
        assert_eq!(found, Verdict::Happens(vec![Settled::Done, Settled::Stale]));
        let again = batch(Unless::GoOn, vec![settle(1, 2, back())]);
        assert_eq!(entries.settle(&again), Verdict::Happens(vec![Settled::Stale]));
        assert_eq!(entries.changed().map(|(id, _)| id).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_batch_that_depends_on_all_leaves_nothing_behind() {
        let mut entries = entries();
        let wishes = vec![settle(1, 2, Fate::Remove), settle(3, 2, Fate::Remove)];
        let found = entries.settle(&batch(Unless::Nothing, wishes));
        assert_eq!(found, Verdict::Nothing(vec![Settled::Done, Settled::Stale]));
        assert!(entries.removed().is_empty());
        let alone = batch(Unless::Nothing, vec![settle(1, 2, Fate::Remove)]);
        assert_eq!(entries.settle(&alone), Verdict::Happens(vec![Settled::Done]));
        assert_eq!(entries.removed().len(), 1);
    }
}
