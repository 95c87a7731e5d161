//! Gathering what callers want changed, so that many share one transaction and one flush.
//!
//! While transactions are on their way, what comes is gathered for the next one. A caller that is
//! alone does not wait for others.
//!
//! # Promises
//!
//! 1. A batch that the database refuses keeps no other from happening.
//! 2. Each caller is answered once, after its own batch.

use std::sync::Arc;

use hearth_types::limits;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Store;
use super::transaction::{self, Failure, Outcome};
use crate::error::StoreError;
use crate::queue::{Applied, Batch};

/// A batch, and who waits for it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) batch: Batch,
    pub(super) now: Timestamp,
    pub(super) answer: oneshot::Sender<Result<Applied, StoreError>>,
}

/// Starts transactions until nobody can want one any more.
pub(super) async fn write(store: Arc<Store>, mut jobs: mpsc::Receiver<Job>, tasks: Tasks) {
    let room = Arc::new(Semaphore::new(limits::POSTGRES_TRANSACTIONS_MAX));
    let mut left_over = None;
    loop {
        let first = match left_over.take() {
            Some(job) => job,
            None => match jobs.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let permit = Arc::clone(&room).acquire_owned().await;
        let permit = permit.expect("nobody closes the semaphore");
        let (gathered, rest) = gather(first, &mut jobs);
        left_over = rest;
        let store = Arc::clone(&store);
        tasks.spawn("queue transaction", async move {
            perform(&store, gathered).await;
            drop(permit);
        });
    }
}

/// Takes what waits, as far as it fits. Returns what did not fit as well.
fn gather(first: Job, jobs: &mut mpsc::Receiver<Job>) -> (Vec<Job>, Option<Job>) {
    let mut size = Size::of(&first.batch);
    let mut gathered = vec![first];
    while let Ok(job) = jobs.try_recv() {
        size = size.and(Size::of(&job.batch));
        if size.is_too_large() {
            return (gathered, Some(job));
        }
        gathered.push(job);
    }
    (gathered, None)
}

/// What a batch costs in a transaction.
#[derive(Debug, Clone, Copy)]
struct Size {
    parts: usize,
    bytes: usize,
    locks: usize,
}

impl Size {
    fn of(batch: &Batch) -> Self {
        let mut size = Self { parts: batch.puts.len() + batch.settles.len(), bytes: 0, locks: 0 };
        for entry in &batch.puts {
            size.bytes += entry.body.len() + entry.head.len();
            size.locks += usize::from(entry.group.is_some());
            size.locks += usize::from(entry.sameness.is_some());
        }
        size
    }

    fn and(self, other: Self) -> Self {
        Self {
            parts: self.parts.saturating_add(other.parts),
            bytes: self.bytes.saturating_add(other.bytes),
            locks: self.locks.saturating_add(other.locks),
        }
    }

    fn is_too_large(self) -> bool {
        self.parts > limits::POSTGRES_GATHERED_PARTS_MAX
            || self.bytes > limits::POSTGRES_GATHERED_BYTES_MAX
            || self.locks > limits::POSTGRES_GATHERED_LOCKS_MAX
    }
}

/// Does what was gathered and answers. What the database does not take of it is found by trying
/// each by itself.
async fn perform(store: &Store, jobs: Vec<Job>) {
    match attempt(store, &jobs).await {
        Ok(outcome) => answer(store, jobs, outcome),
        Err(Failure::Refused(error)) if jobs.len() > 1 => {
            tracing::debug!(%error, batches = jobs.len(), "refused together, tried one by one");
            for job in jobs {
                let jobs = vec![job];
                match attempt(store, &jobs).await {
                    Ok(outcome) => answer(store, jobs, outcome),
                    Err(failure) => fail(jobs, failure),
                }
            }
        }
        Err(failure) => fail(jobs, failure),
    }
}

/// Tries again where nothing was wrong but that others came in the way.
async fn attempt(store: &Store, jobs: &[Job]) -> Result<Outcome, Failure> {
    let batches: Vec<(&Batch, Timestamp)> = jobs.iter().map(|job| (&job.batch, job.now)).collect();
    let mut attempts = 1;
    loop {
        match transaction::run(&store.pool, &batches).await {
            Err(Failure::Conflict(error)) if attempts < limits::POSTGRES_ATTEMPTS_MAX => {
                tracing::debug!(%error, attempts, "tried again");
                attempts += 1;
            }
            result => return result,
        }
    }
}

fn answer(store: &Store, jobs: Vec<Job>, outcome: Outcome) {
    for ((kind, name), count) in &outcome.news {
        store.tell(kind, name, *count);
    }
    for (job, applied) in jobs.into_iter().zip(outcome.applied) {
        // Whoever does not wait any more does not want to know.
        let _ = job.answer.send(Ok(applied));
    }
}

fn fail(jobs: Vec<Job>, failure: Failure) {
    let told = failure.told();
    for job in jobs {
        let _ = job.answer.send(Err(told()));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::queue::{Lane, NewEntry};

    fn job(body_bytes: usize, group: Option<&str>) -> Job {
        let entry = NewEntry {
            lane: Lane { kind: "sqs", name: "a".to_owned() },
            group: group.map(str::to_owned),
            put_at: Timestamp(0),
            due: Timestamp(0),
            sameness: None,
            head: String::new(),
            body: Bytes::from(vec![0; body_bytes]),
        };
        let batch = Batch { puts: vec![entry], ..Batch::default() };
        Job { batch, now: Timestamp(0), answer: oneshot::channel().0 }
    }

    /// How many are gathered of so many that wait.
    fn gathered(waiting: usize, body_bytes: usize, group: Option<&str>) -> usize {
        let (sender, mut jobs) = mpsc::channel(waiting);
        for _ in 0..waiting {
            sender.try_send(job(body_bytes, group)).unwrap();
        }
        let first = jobs.try_recv().unwrap();
        let (gathered, left_over) = gather(first, &mut jobs);
        assert_eq!(gathered.len() + usize::from(left_over.is_some()) + jobs.len(), waiting);
        gathered.len()
    }

    #[test]
    fn what_waits_is_gathered_as_far_as_it_fits() {
        assert_eq!(gathered(50, 10, None), 50);
        assert_eq!(gathered(3_000, 10, None), limits::POSTGRES_GATHERED_PARTS_MAX);
        assert_eq!(gathered(300, 10, Some("g")), limits::POSTGRES_GATHERED_LOCKS_MAX);
        assert_eq!(gathered(20, 1024 * 1024, None), 8);
        assert_eq!(gathered(2, limits::POSTGRES_GATHERED_BYTES_MAX + 1, None), 1);
    }
}
