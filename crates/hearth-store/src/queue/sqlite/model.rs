//! A queue in memory that is simple enough to be believed, and the comparison with it.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use proptest::prelude::*;

use crate::queue::sqlite::SqliteQueue;
use crate::queue::{
    Applied, Ask, Batch, Counts, EntryId, Fate, Lane, Leased, NewEntry, Page, Put, Queue as _,
    Receipt, Sameness, Settle, Settled, Unless,
};

const LANES: [&str; 2] = ["a", "b"];

#[derive(Debug, Clone)]
struct Kept {
    entry: NewEntry,
    due: Timestamp,
    leased: bool,
    leases: u32,
    first_leased_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
struct Model {
    entries: BTreeMap<i64, Kept>,
    sameness: BTreeMap<(String, String), (Timestamp, i64)>,
    last_id: i64,
}

impl Model {
    fn apply(&mut self, batch: &Batch, now: Timestamp) -> Applied {
        let before = self.clone();
        let settles: Vec<_> = batch.settles.iter().map(|settle| self.settle(settle, now)).collect();
        let all_done = settles.iter().all(|settled| *settled == Settled::Done);
        if batch.unless_settled == Unless::Nothing && !all_done {
            *self = before;
            return Applied { puts: Vec::new(), settles };
        }
        let puts = batch.puts.iter().map(|entry| self.put(entry, now)).collect();
        Applied { puts, settles }
    }

    fn settle(&mut self, settle: &Settle, now: Timestamp) -> Settled {
        let id = settle.receipt.entry.0;
        let Some(kept) = self.entries.get_mut(&id) else { return Settled::Gone };
        let valid = kept.leased && kept.leases == settle.receipt.lease;
        let lasts = now < kept.due;
        match &settle.fate {
            Fate::Remove if valid => {
                self.entries.remove(&id);
            }
            Fate::Return { due, head } if valid && lasts => {
                (kept.due, kept.leased) = (*due, false);
                if let Some(head) = head {
                    kept.entry.head.clone_from(head);
                }
            }
            Fate::Extend { until } if valid && lasts => kept.due = *until,
            Fate::Remove | Fate::Return { .. } | Fate::Extend { .. } => return Settled::Stale,
        }
        Settled::Done
    }

    fn put(&mut self, entry: &NewEntry, now: Timestamp) -> Put {
        let id = self.last_id + 1;
        if let Some(sameness) = &entry.sameness {
            let key = (entry.lane.name.clone(), sameness.id.clone());
            if let Some((until, id)) = self.sameness.get(&key)
                && now < *until
            {
                return Put::Same(EntryId(*id));
            }
            self.sameness.insert(key, (sameness.until, id));
        }
        self.last_id = id;
        let kept = Kept {
            entry: entry.clone(),
            due: entry.due,
            leased: false,
            leases: 0,
            first_leased_at: None,
        };
        self.entries.insert(id, kept);
        Put::New(EntryId(id))
    }

    /// One after the other: of those that are free, the one that could be leased first.
    fn lease(&mut self, ask: &Ask<'_>, now: Timestamp) -> Vec<Leased> {
        let mut leased: Vec<Leased> = Vec::new();
        let mut bytes = 0;
        while leased.len() < ask.entries {
            let next = self
                .entries
                .iter()
                .filter(|(id, kept)| {
                    kept.entry.lane == *ask.lane && kept.due <= now && {
                        let taken = |id: i64| leased.iter().any(|one| one.receipt.entry.0 == id);
                        !taken(**id) && self.earlier(**id).iter().all(|id| taken(*id))
                    }
                })
                .map(|(id, kept)| (self.turn(*id, kept), *id))
                .min();
            let Some((_, id)) = next else { break };
            let kept = &self.entries[&id];
            bytes += kept.entry.body.len();
            if !leased.is_empty() && bytes > ask.bytes {
                break;
            }
            leased.push(Leased {
                receipt: Receipt { entry: EntryId(id), lease: kept.leases + 1 },
                group: kept.entry.group.clone(),
                put_at: kept.entry.put_at,
                first_leased_at: kept.first_leased_at.unwrap_or(now),
                head: kept.entry.head.clone(),
                body: kept.entry.body.clone(),
            });
        }
        for one in &leased {
            let kept = self.entries.get_mut(&one.receipt.entry.0).unwrap();
            (kept.due, kept.leased, kept.leases) = (ask.until, true, kept.leases + 1);
            kept.first_leased_at.get_or_insert(now);
        }
        leased
    }

    /// When an entry could be leased if all before it in its group were.
    fn turn(&self, id: i64, kept: &Kept) -> Timestamp {
        let earlier = self.earlier(id);
        earlier.iter().map(|id| self.entries[id].due).fold(kept.due, Timestamp::max)
    }

    /// The earlier entries of the group of an entry.
    fn earlier(&self, id: i64) -> Vec<i64> {
        let of = &self.entries[&id].entry;
        let mut earlier = Vec::new();
        for (other, kept) in self.entries.range(..id) {
            if of.group.is_some() && kept.entry.group == of.group && kept.entry.lane == of.lane {
                earlier.push(*other);
            }
        }
        earlier
    }

    fn counts(&self, lane: &Lane, now: Timestamp) -> Counts {
        let mut counts = Counts::default();
        for kept in self.entries.values().filter(|kept| kept.entry.lane == *lane) {
            match (kept.due <= now, kept.leased) {
                (true, _) => counts.waiting += 1,
                (false, true) => counts.leased += 1,
                (false, false) => counts.delayed += 1,
            }
            let put_at = kept.entry.put_at;
            counts.oldest = Some(counts.oldest.map_or(put_at, |oldest| oldest.min(put_at)));
        }
        counts
    }

    fn purge(&mut self, lane: &Lane, put_before: Timestamp) -> u64 {
        let before = self.entries.len();
        self.entries.retain(|_, kept| kept.entry.lane != *lane || kept.entry.put_at >= put_before);
        u64::try_from(before - self.entries.len()).unwrap()
    }
}

/// Lane, group, delay, sameness, size of the body.
type Wish = (usize, Option<u8>, u64, Option<u8>, usize);

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<Wish>),
    /// Lane, entries, bytes, how long.
    Lease(usize, usize, usize, u64),
    /// Which of the receipts so far, and what to do with them: see `fate`.
    Settle(Vec<(usize, u8)>, bool),
    Purge(usize, u64),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let put = (
        0..LANES.len(),
        proptest::option::of(0..2_u8),
        prop_oneof![Just(0), 0..40_u64],
        proptest::option::weighted(0.2, 0..3_u8),
        prop_oneof![4 => 0..20_usize, 1 => Just(5_000)],
    );
    prop_oneof![
        4 => proptest::collection::vec(put, 1..5).prop_map(Step::Put),
        4 => (0..LANES.len(), 1..6_usize, prop_oneof![Just(1_000_000), 0..60_usize], 1..30_u64)
            .prop_map(|(lane, entries, bytes, long)| Step::Lease(lane, entries, bytes, long)),
        4 => (proptest::collection::vec((0..60_usize, 0..5_u8), 1..4), any::<bool>())
            .prop_map(|(which, all)| Step::Settle(which, all)),
        1 => (0..LANES.len(), 0..60_u64).prop_map(|(lane, before)| Step::Purge(lane, before)),
        2 => (1..25_u64).prop_map(Step::Pass),
    ]
}

fn lane(which: usize) -> Lane {
    Lane { kind: "sqs", name: LANES[which].to_owned() }
}

fn fate(what: u8, now: Timestamp) -> Fate {
    match what {
        0 | 1 => Fate::Remove,
        2 => Fate::Return { due: now, head: None },
        3 => Fate::Return { due: now.plus_millis(10), head: Some("[\"again\"]".to_owned()) },
        _ => Fate::Extend { until: now.plus_millis(15) },
    }
}

/// The engine, the model, and what both were asked so far.
struct Compared {
    queue: SqliteQueue,
    model: Model,
    receipts: Vec<Receipt>,
    now: Timestamp,
}

impl Compared {
    async fn perform(&mut self, step: Step) {
        let now = self.now;
        match step {
            Step::Put(entries) => {
                let puts = entries.into_iter().map(|(which, group, delay, same, size)| NewEntry {
                    lane: lane(which),
                    group: group.map(|group| format!("g{group}")),
                    put_at: Timestamp(now.0.saturating_sub(delay)),
                    due: now.plus_millis(delay),
                    sameness: same.map(|same| Sameness {
                        id: format!("s{same}"),
                        until: now.plus_millis(20),
                    }),
                    head: "{}".to_owned(),
                    body: Bytes::from(vec![7; size]),
                });
                self.apply(Batch { puts: puts.collect(), ..Batch::default() }).await;
            }
            Step::Lease(which, entries, bytes, long) => {
                let lane = lane(which);
                let ask = Ask { lane: &lane, entries, bytes, until: now.plus_millis(long) };
                let expected = self.model.lease(&ask, now);
                let found = self.queue.lease(ask, now).await.unwrap();
                assert_eq!(found, expected);
                self.receipts.extend(found.iter().map(|leased| leased.receipt));
            }
            Step::Settle(which, all) => {
                let settles = which.into_iter().filter_map(|(which, what)| {
                    let receipt = *self.receipts.iter().rev().nth(which)?;
                    Some(Settle { receipt, fate: fate(what, now) })
                });
                let unless_settled = if all { Unless::Nothing } else { Unless::GoOn };
                let batch = Batch { puts: Vec::new(), settles: settles.collect(), unless_settled };
                self.apply(batch).await;
            }
            Step::Purge(which, ago) => {
                let before = Timestamp(now.0.saturating_sub(ago));
                let found = self.queue.purge(&lane(which), before).await.unwrap();
                assert_eq!(found, self.model.purge(&lane(which), before));
            }
            Step::Pass(time) => self.now = now.plus_millis(time),
        }
    }

    async fn apply(&mut self, batch: Batch) {
        let expected = self.model.apply(&batch, self.now);
        assert_eq!(self.queue.apply(batch, self.now).await.unwrap(), expected);
    }

    async fn look(&self) {
        for which in 0..LANES.len() {
            let lane = lane(which);
            let counts = self.queue.counts(&lane, self.now).await.unwrap();
            assert_eq!(counts, self.model.counts(&lane, self.now));
            let page = self
                .queue
                .page(Page { lane: &lane, after: None, items: 1_000 }, self.now)
                .await
                .unwrap();
            let ids: Vec<_> = page.iter().map(|seen| seen.id.0).collect();
            let kept = self.model.entries.iter().filter(|(_, kept)| kept.entry.lane == lane);
            assert_eq!(ids, kept.map(|(id, _)| *id).collect::<Vec<_>>());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_operations_has_the_answers_of_a_simple_queue(
        steps in proptest::collection::vec(step(), 1..50),
    ) {
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        reactor.block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("queue.db");
            let queue = SqliteQueue::open(&file, &Tasks::default()).await.unwrap();
            let (model, now) = (Model::default(), Timestamp(1_000));
            let mut compared = Compared { queue, model, receipts: Vec::new(), now };
            for step in steps {
                compared.perform(step).await;
                compared.look().await;
            }
            compared.queue.close().await;
        });
    }
}
