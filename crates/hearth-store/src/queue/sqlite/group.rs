//! What is done in one transaction: all that waits for the writer, within bounds.
//!
//! Those who are answered together share one sync of the disk. Their order among each other is the
//! writer's choice, because none of them was answered before another one asked.

use hearth_types::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::queue::{Applied, Batch, EntryId, Fate, Lane, Leased, Settle};

/// Operations that may wait for the writer. Whoever comes when there are as many waits before it
/// is let in, with what it brings.
pub(super) const OPERATIONS_WAITING_MAX: usize = 1_024;
/// Operations in one transaction. The gain of one more is small when the sync is shared by so many,
/// and the first of them waits for the last.
const GROUP_OPERATIONS_MAX: usize = 256;
/// Payload in one transaction: what a slow disk writes in some ten milliseconds. The last operation
/// may exceed it.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A wish, and where its answer goes. Whoever asked may be gone.
#[derive(Debug)]
pub(super) struct Asked<W, A> {
    pub(super) wish: W,
    pub(super) answer: oneshot::Sender<Result<A, StoreError>>,
}

/// What the writer can be asked for.
#[derive(Debug)]
pub(super) enum Operation {
    /// To apply a batch.
    Apply(Asked<Changes, Applied>),
    /// To lease entries.
    Lease(Asked<LeaseWish, Vec<Leased>>),
    /// To remove some entries of a lane, and say how many.
    Purge(Asked<PurgeStep, u64>),
}

/// A batch and its time.
#[derive(Debug)]
pub(super) struct Changes {
    pub(super) batch: Batch,
    pub(super) now: Timestamp,
}

/// What [`super::super::Ask`] says, and its time.
#[derive(Debug)]
pub(super) struct LeaseWish {
    pub(super) lane: Lane,
    pub(super) entries: usize,
    pub(super) bytes: usize,
    pub(super) until: Timestamp,
    pub(super) now: Timestamp,
}

/// One step of a purge.
#[derive(Debug)]
pub(super) struct PurgeStep {
    pub(super) lane: Lane,
    pub(super) put_before: Timestamp,
    /// What comes later than the purge is not its business, so that it has an end.
    pub(super) up_to: EntryId,
}

/// What is done in one transaction.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) applies: Vec<Asked<Changes, Applied>>,
    pub(super) leases: Vec<Asked<LeaseWish, Vec<Leased>>>,
    pub(super) purges: Vec<Asked<PurgeStep, u64>>,
    bytes: usize,
}

/// What a transaction did, in the order of its group.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) applied: Vec<Applied>,
    pub(super) leased: Vec<Vec<Leased>>,
    pub(super) purged: Vec<u64>,
}

impl Group {
    /// The first operation, and all that waits behind it.
    pub(super) fn gather(first: Operation, waiting: &mut mpsc::Receiver<Operation>) -> Self {
        let mut group = Self::default();
        group.add(first);
        while group.operations() < GROUP_OPERATIONS_MAX && group.bytes < GROUP_BYTES_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            group.add(next);
        }
        group
    }

    /// Changes whose outcome nobody waits for.
    pub(super) fn of(changes: Vec<Changes>) -> Self {
        let mut group = Self::default();
        for wish in changes {
            let (answer, _nobody) = oneshot::channel();
            group.add(Operation::Apply(Asked { wish, answer }));
        }
        group
    }

    pub(super) fn add(&mut self, operation: Operation) {
        match operation {
            Operation::Apply(asked) => {
                let puts = asked.wish.batch.puts.iter();
                self.bytes += puts.map(|put| put.body.len() + put.head.len()).sum::<usize>();
                self.applies.push(asked);
            }
            Operation::Lease(asked) => self.leases.push(asked),
            Operation::Purge(asked) => self.purges.push(asked),
        }
    }

    pub(super) fn operations(&self) -> usize {
        self.applies.len() + self.leases.len() + self.purges.len()
    }

    /// The latest time that anybody has said.
    pub(super) fn now(&self) -> Option<Timestamp> {
        let applies = self.applies.iter().map(|asked| asked.wish.now);
        applies.chain(self.leases.iter().map(|asked| asked.wish.now)).max()
    }

    /// Whether somebody must not be answered before the disk has it. A lease need not be durable.
    pub(super) fn must_be_durable(&self) -> bool {
        !self.applies.is_empty() || !self.purges.is_empty()
    }

    /// Each operation in a group of its own.
    pub(super) fn apart(self) -> Vec<Self> {
        let applies = self.applies.into_iter().map(Operation::Apply);
        let leases = self.leases.into_iter().map(Operation::Lease);
        let purges = self.purges.into_iter().map(Operation::Purge);
        let alone = applies.chain(leases).chain(purges).map(|operation| {
            let mut group = Self::default();
            group.add(operation);
            group
        });
        alone.collect()
    }

    /// Answers all, and says how to give back what was leased for somebody who is gone.
    pub(super) fn answer(self, done: Done) -> Vec<Changes> {
        for (asked, applied) in self.applies.into_iter().zip(done.applied) {
            let _ = asked.answer.send(Ok(applied));
        }
        for (asked, purged) in self.purges.into_iter().zip(done.purged) {
            let _ = asked.answer.send(Ok(purged));
        }
        let mut unclaimed = Vec::new();
        for (Asked { wish, answer }, leased) in self.leases.into_iter().zip(done.leased) {
            if let Err(Ok(leased)) = answer.send(Ok(leased))
                && !leased.is_empty()
            {
                unclaimed.push(give_back(&leased, wish.now));
            }
        }
        unclaimed
    }

    /// Tells the only operation of this group why it failed.
    pub(super) fn refuse(mut self, error: StoreError) {
        if let Some(asked) = self.applies.pop() {
            let _ = asked.answer.send(Err(error));
        } else if let Some(asked) = self.leases.pop() {
            let _ = asked.answer.send(Err(error));
        } else if let Some(asked) = self.purges.pop() {
            let _ = asked.answer.send(Err(error));
        }
    }
}

fn give_back(leased: &[Leased], now: Timestamp) -> Changes {
    let fate = Fate::Return { due: now, head: None };
    let settles =
        leased.iter().map(|leased| Settle { receipt: leased.receipt, fate: fate.clone() });
    Changes { batch: Batch { settles: settles.collect(), ..Batch::default() }, now }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Receipt;

    fn wish() -> LeaseWish {
        LeaseWish {
            lane: Lane { kind: "sqs", name: "a".to_owned() },
            entries: 1,
            bytes: 1,
            until: Timestamp(9),
            now: Timestamp(5),
        }
    }

    #[tokio::test]
    async fn what_was_leased_for_somebody_who_is_gone_is_given_back() {
        let receipt = Receipt { entry: EntryId(1), lease: 3 };
        let leased = Leased {
            receipt,
            group: None,
            put_at: Timestamp(1),
            first_leased_at: Timestamp(5),
            head: String::new(),
            body: bytes::Bytes::new(),
        };
        let (gone, _) = oneshot::channel();
        let (waits, answered) = oneshot::channel();
        let mut group = Group::default();
        for answer in [gone, waits] {
            group.add(Operation::Lease(Asked { wish: wish(), answer }));
        }
        let leased = vec![vec![leased.clone()], vec![leased]];
        let done = Done { applied: Vec::new(), leased, purged: Vec::new() };
        let unclaimed = group.answer(done);
        let back = Fate::Return { due: Timestamp(5), head: None };
        assert_eq!(unclaimed.len(), 1);
        assert_eq!(unclaimed[0].batch.settles, [Settle { receipt, fate: back }]);
        assert_eq!(answered.await.unwrap().unwrap().len(), 1);
    }

    #[test]
    fn a_group_is_bounded_by_operations_and_by_bytes() {
        let apply = |bytes: usize| {
            let lane = Lane { kind: "sqs", name: "a".to_owned() };
            let put = crate::queue::NewEntry {
                lane,
                group: None,
                put_at: Timestamp(0),
                due: Timestamp(0),
                sameness: None,
                head: String::new(),
                body: vec![0; bytes].into(),
            };
            let batch = Batch { puts: vec![put], ..Batch::default() };
            let wish = Changes { batch, now: Timestamp(0) };
            Operation::Apply(Asked { wish, answer: oneshot::channel().0 })
        };
        for (bytes, expected) in [(1, GROUP_OPERATIONS_MAX), (GROUP_BYTES_MAX / 4, 4)] {
            let (sender, mut waiting) = mpsc::channel(OPERATIONS_WAITING_MAX);
            for _ in 0..OPERATIONS_WAITING_MAX.min(2 * expected) {
                sender.try_send(apply(bytes)).unwrap();
            }
            let group = Group::gather(apply(bytes), &mut waiting);
            assert_eq!(group.operations(), expected);
        }
    }
}
