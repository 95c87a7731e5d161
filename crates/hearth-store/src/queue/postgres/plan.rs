//! What batches do, decided from what is known of the rows that they speak of.
//!
//! Batches that are done in one transaction are done one after the other all the same: each sees
//! what those before it did. Here that is worked out in memory, and what remains is a few
//! statements for all of them.
//!
//! # Deliberately absent
//!
//! SQL, and the clock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hearth_types::time::Timestamp;

use crate::queue::{Applied, Batch, EntryId, Fate, NewEntry, Put, Settle, Settled, Unless};

/// What is known of an entry that is to be settled. Its row is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) lane: String,
    pub(super) group: Option<String>,
    pub(super) due: Timestamp,
    pub(super) leases: u32,
    pub(super) leased: bool,
    /// Whether its payload is in the other table.
    pub(super) apart: bool,
    /// What the batches so far did to it.
    pub(super) done: Done,
}

/// What was done to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Done {
    /// Nothing.
    Nothing,
    /// It was changed, and may have a new head.
    Changed(Option<String>),
    /// It was removed.
    Removed,
}

/// A lane, as rows and other servers name it: its kind and its name.
pub(super) type LaneName = (String, String);
/// The lane and the name of a group or a sameness.
pub(super) type LaneKey<'a> = (&'a str, &'a str, &'a str);

/// What was put under an id for sameness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) entry: EntryId,
    pub(super) until: Timestamp,
}

/// What the database says of everything that the batches speak of.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: HashMap<EntryId, Row>,
    /// By kind, lane and id.
    pub(super) remembered: HashMap<(String, String, String), Remembered>,
    /// As many new ids as there are puts, in their order.
    pub(super) ids: Vec<EntryId>,
}

/// An entry to be inserted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Insert<'a> {
    pub(super) id: EntryId,
    pub(super) entry: &'a NewEntry,
    /// Whether another of its group is inserted before it.
    pub(super) behind: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// What to answer, for each batch.
    pub(super) applied: Vec<Applied>,
    pub(super) inserts: Vec<Insert<'a>>,
    /// The rows as they are to be.
    pub(super) rows: HashMap<EntryId, Row>,
    /// What is to be remembered anew.
    pub(super) remembered: BTreeMap<LaneKey<'a>, Remembered>,
    /// In which lanes there may be something to lease, and how much.
    pub(super) news: BTreeMap<LaneName, u32>,
}

/// Decides what batches do, each at its time, one after the other.
pub(super) fn plan<'a>(batches: &[(&'a Batch, Timestamp)], found: Found) -> Plan<'a> {
    let mut planning = Planning {
        ids: found.ids.into_iter(),
        known: found.remembered,
        groups: BTreeSet::new(),
        plan: Plan {
            applied: Vec::with_capacity(batches.len()),
            inserts: Vec::new(),
            rows: found.rows,
            remembered: BTreeMap::new(),
            news: BTreeMap::new(),
        },
    };
    for (batch, now) in batches {
        let applied = planning.apply(batch, *now);
        planning.plan.applied.push(applied);
    }
    planning.plan
}

struct Planning<'a> {
    ids: std::vec::IntoIter<EntryId>,
    known: HashMap<(String, String, String), Remembered>,
    /// Those that something was put into so far.
    groups: BTreeSet<LaneKey<'a>>,
    plan: Plan<'a>,
}

impl<'a> Planning<'a> {
    fn apply(&mut self, batch: &'a Batch, now: Timestamp) -> Applied {
        let spoken_of = batch.settles.iter().map(|settle| settle.receipt.entry);
        let mut rows: HashMap<EntryId, Row> =
            spoken_of.filter_map(|id| Some((id, self.plan.rows.get(&id)?.clone()))).collect();
        let settles: Vec<Settled> =
            batch.settles.iter().map(|one| settle(rows.get_mut(&one.receipt.entry), one)).collect();
        let all_done = settles.iter().all(|settled| *settled == Settled::Done);
        if batch.unless_settled == Unless::Nothing && !all_done {
            return Applied { puts: Vec::new(), settles };
        }
        for (one, settled) in batch.settles.iter().zip(&settles) {
            let before = self.plan.rows.get(&one.receipt.entry).map(|row| row.due);
            // Who waits has to look again also where a lease ends sooner than it knows.
            let is_news = *settled == Settled::Done
                && match &one.fate {
                    Fate::Return { .. } => true,
                    Fate::Extend { until } | Fate::Note { until, .. } => {
                        before.is_some_and(|before| *until < before)
                    }
                    Fate::Remove => false,
                };
            if let Some(row) = rows.get(&one.receipt.entry).filter(|_| is_news) {
                self.tell(&row.kind, &row.lane);
            }
        }
        self.plan.rows.extend(rows);
        let puts = batch.puts.iter().map(|entry| self.put(entry, now)).collect();
        Applied { puts, settles }
    }

    fn put(&mut self, entry: &'a NewEntry, now: Timestamp) -> Put {
        let (kind, lane) = (entry.lane.kind, entry.lane.name.as_str());
        let key = |id: &str| (kind.to_owned(), lane.to_owned(), id.to_owned());
        if let Some(sameness) = &entry.sameness
            && let Some(remembered) = self.known.get(&key(&sameness.id))
            && remembered.until > now
        {
            return Put::Same(remembered.entry);
        }
        let id = self.ids.next().expect("there are as many ids as puts");
        if let Some(sameness) = &entry.sameness {
            let remembered = Remembered { entry: id, until: sameness.until };
            self.known.insert(key(&sameness.id), remembered);
            self.plan.remembered.insert((kind, lane, &sameness.id), remembered);
        }
        let group = entry.group.as_deref();
        let behind = group.is_some_and(|group| !self.groups.insert((kind, lane, group)));
        self.plan.inserts.push(Insert { id, entry, behind });
        self.tell(kind, lane);
        Put::New(id)
    }

    fn tell(&mut self, kind: &str, lane: &str) {
        *self.plan.news.entry((kind.to_owned(), lane.to_owned())).or_default() += 1;
    }
}

/// Settles one entry, and says what became of that.
fn settle(row: Option<&mut Row>, settle: &Settle) -> Settled {
    let Some(row) = row.filter(|row| row.done != Done::Removed) else {
        return Settled::Gone;
    };
    if !row.leased || row.leases != settle.receipt.lease {
        return Settled::Stale;
    }
    match &settle.fate {
        Fate::Remove => row.done = Done::Removed,
        Fate::Return { due, head } => {
            (row.due, row.leased) = (*due, false);
            row.done = changed(&row.done, head.as_ref());
        }
        Fate::Extend { until } => {
            row.due = *until;
            row.done = changed(&row.done, None);
        }
        Fate::Note { until, head } => {
            row.due = *until;
            row.done = changed(&row.done, Some(head));
        }
    }
    Settled::Done
}

/// What a change makes of the head, which one before it in the same transaction may have changed.
fn changed(before: &Done, head: Option<&String>) -> Done {
    let earlier = match before {
        Done::Changed(earlier) => earlier.clone(),
        Done::Nothing | Done::Removed => None,
    };
    Done::Changed(head.cloned().or(earlier))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::queue::{Lane, Receipt, Sameness};

    const NOW: Timestamp = Timestamp(100);
    const ONE: EntryId = EntryId(1);

    fn found(puts: i64) -> Found {
        let row = Row {
            kind: "sqs".to_owned(),
            lane: "a".to_owned(),
            group: None,
            due: Timestamp(200),
            leases: 2,
            leased: true,
            apart: false,
            done: Done::Nothing,
        };
        let ids = (10..10 + puts).map(EntryId).collect();
        Found { rows: HashMap::from([(ONE, row)]), remembered: HashMap::new(), ids }
    }

    fn settles(fate: Fate) -> Batch {
        let receipt = Receipt { entry: ONE, lease: 2 };
        Batch { settles: vec![Settle { receipt, fate }], ..Batch::default() }
    }

    fn put(group: Option<&str>, sameness: Option<&str>) -> NewEntry {
        let until = Timestamp(150);
        NewEntry {
            lane: Lane { kind: "sqs", name: "a".to_owned() },
            group: group.map(str::to_owned),
            put_at: NOW,
            due: NOW,
            sameness: sameness.map(|id| Sameness { id: id.to_owned(), until }),
            head: String::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_batch_sees_what_those_before_it_did() {
        let back = settles(Fate::Return { due: NOW, head: None });
        let longer = settles(Fate::Extend { until: Timestamp(900) });
        let removal = settles(Fate::Remove);
        type Row<'a> = (&'a str, [(&'a Batch, u64); 3], [Settled; 3]);
        #[rustfmt::skip]
        let rows: [Row<'_>; 4] = [
            ("removed", [(&removal, 100), (&removal, 100), (&longer, 100)],
                        [Settled::Done, Settled::Gone, Settled::Gone]),
            ("returned", [(&back, 100), (&removal, 100), (&longer, 100)],
                         [Settled::Done, Settled::Stale, Settled::Stale]),
            ("extended in time", [(&longer, 100), (&back, 500), (&removal, 500)],
                                 [Settled::Done, Settled::Done, Settled::Stale]),
            ("extended too late", [(&longer, 250), (&longer, 950), (&removal, 950)],
                                  [Settled::Done, Settled::Done, Settled::Done]),
        ];
        for (name, batches, expected) in rows {
            let batches = batches.map(|(batch, now)| (batch, Timestamp(now)));
            let plan = plan(&batches, found(0));
            let settled: Vec<Settled> = plan.applied.iter().map(|one| one.settles[0]).collect();
            assert_eq!(settled, expected, "{name}");
        }
    }

    #[test]
    fn others_hear_of_what_is_back_and_of_leases_that_end_sooner() {
        let extend = |until| settles(Fate::Extend { until: Timestamp(until) });
        let rows = [
            (settles(Fate::Return { due: Timestamp(900), head: None }), 1),
            (extend(150), 1),
            (extend(250), 0),
            (settles(Fate::Remove), 0),
        ];
        for (batch, expected) in rows {
            let told: u32 = plan(&[(&batch, NOW)], found(0)).news.values().sum();
            assert_eq!(told, expected, "{batch:?}");
        }
    }

    #[test]
    fn a_batch_that_does_not_happen_leaves_no_trace() {
        let mut batch = settles(Fate::Remove);
        batch.settles.push(batch.settles[0].clone());
        batch.puts.push(put(None, Some("x")));
        batch.unless_settled = Unless::Nothing;
        let again = Batch { puts: vec![put(None, Some("x"))], ..settles(Fate::Remove) };
        let plan = plan(&[(&batch, NOW), (&again, NOW)], found(2));
        assert_eq!(plan.applied[0].puts, []);
        assert_eq!(plan.applied[1].puts, [Put::New(EntryId(10))]);
        assert_eq!(plan.applied[1].settles, [Settled::Done]);
        assert_eq!(plan.rows[&ONE].done, Done::Removed);
    }

    #[test]
    fn the_same_is_put_once_and_again_after_its_time() {
        let batch = Batch { puts: vec![put(None, Some("x"))], ..Batch::default() };
        let times = [100, 149, 150, 151].map(|now| (&batch, Timestamp(now)));
        let plan = plan(&times, found(4));
        let puts: Vec<Put> = plan.applied.iter().map(|one| one.puts[0]).collect();
        let (first, second, third) = (EntryId(10), EntryId(11), EntryId(12));
        // Each is remembered until 150, so the last two are past it from the start.
        let expected = [Put::New(first), Put::Same(first), Put::New(second), Put::New(third)];
        assert_eq!(puts, expected);
        assert_eq!(plan.remembered[&("sqs", "a", "x")].entry, third);
    }

    #[test]
    fn only_the_first_of_a_group_is_not_behind_another() {
        let puts = vec![put(Some("g"), None), put(None, None), put(Some("h"), None)];
        let one = Batch { puts, ..Batch::default() };
        let two = Batch { puts: vec![put(Some("g"), None)], ..Batch::default() };
        let plan = plan(&[(&one, NOW), (&two, NOW)], found(4));
        let behind: Vec<bool> = plan.inserts.iter().map(|insert| insert.behind).collect();
        assert_eq!(behind, [false, false, false, true]);
        assert_eq!(plan.news, BTreeMap::from([(("sqs".to_owned(), "a".to_owned()), 4)]));
    }
}
