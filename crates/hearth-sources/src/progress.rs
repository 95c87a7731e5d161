//! What has been done for each mapping: counts, the last result, how far behind it is.
//!
//! Readers write, and the front door and the metrics read. It is in memory: after a restart it
//! begins anew, and what must not be lost is a checkpoint (`checkpoint`).
//!
//! # Promises
//!
//! 1. Nothing here waits for anything but a lock that is held for a moment.
//! 2. Memory is bounded by the mappings that there are and the shards that they read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use hearth_control::mapping::MappingId;
use hearth_types::metrics::{Metric, Metrics};
use hearth_types::time::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a last error may be that is remembered.
const ERROR_CHARACTERS_MAX: usize = 1_000;

/// The seconds of which the rate is an average.
const RATE_SECONDS: u64 = 60;

/// What is counted, in records, by AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// They were read from the source.
    Polled,
    /// A filter has kept them back.
    FilteredOut,
    /// The function was run for them.
    Invoked,
    /// The function, or running it, has failed for them.
    FailedInvoke,
    /// They were given up.
    Dropped,
    /// They, or their coordinates, went to the destination for failures.
    Delivered,
    /// They were deleted from their queue.
    Deleted,
}

impl Count {
    /// Every count, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Polled,
        Self::FilteredOut,
        Self::Invoked,
        Self::FailedInvoke,
        Self::Dropped,
        Self::Delivered,
        Self::Deleted,
    ];

    fn metric(self) -> Metric {
        match self {
            Self::Polled => Metric::PolledEventCount,
            Self::FilteredOut => Metric::FilteredOutEventCount,
            Self::Invoked => Metric::InvokedEventCount,
            Self::FailedInvoke => Metric::FailedInvokeEventCount,
            Self::Dropped => Metric::DroppedEventCount,
            Self::Delivered => Metric::OnFailureDestinationDeliveredEventCount,
            Self::Deleted => Metric::DeletedEventCount,
        }
    }
}

/// What came of a batch, or of an attempt to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Processed {
    /// All went well.
    Fine,
    /// It did not, and why: what stands behind AWS's `PROBLEM: `.
    Problem(String),
}

/// AWS's words when a function has failed.
pub const FUNCTION_FAILED: &str = "Function call failed";
/// When it was not run because a limit was met.
pub const FUNCTION_THROTTLED: &str = "Function call throttled";

/// What has been done for one mapping.
#[derive(Debug)]
pub struct Progress {
    mapping: MappingId,
    metrics: Arc<dyn Metrics>,
    counts: [AtomicU64; Count::ALL.len()],
    /// Batches that the function has now, also those of a reader that has ended.
    running: AtomicU64,
    /// One of them has ended.
    freed: Notify,
    /// What seconds are counted from.
    began: Instant,
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// The function's name, which a change of the mapping may change.
    function: String,
    result: Option<Processed>,
    result_at: Option<Timestamp>,
    error: Option<(Timestamp, String)>,
    positions: BTreeMap<String, String>,
    /// By shard or partition, how old the newest record of its last batch was.
    ages: BTreeMap<String, u64>,
    /// By partition, how many records are not dealt with.
    behind: BTreeMap<String, u64>,
    /// How many records were read in each of the latest seconds in which there were any.
    recent: VecDeque<(u64, u64)>,
}

/// What has been done for one mapping, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// Records that were read.
    pub polled: u64,
    /// Those that a filter has kept back.
    pub filtered_out: u64,
    /// Those that the function was run for.
    pub invoked: u64,
    /// Those for which it has failed.
    pub failed: u64,
    /// Those that were given up.
    pub dropped: u64,
    /// Those that the destination for failures has.
    pub delivered: u64,
    /// Those that were deleted from their queue.
    pub deleted: u64,
    /// Batches that the function has now.
    pub running: u64,
    /// Records read in a second, of the last minute.
    pub per_second: f64,
    /// `LastProcessingResult`; `None` if there was nothing yet.
    pub result: Option<String>,
    /// When that was.
    pub result_at: Option<Timestamp>,
    /// What went wrong last, and has not come right for being older.
    pub error: Option<String>,
    /// When that was.
    pub error_at: Option<Timestamp>,
    /// How old the newest record of the last batch was when the function got it, of the shard that is
    /// furthest behind; 0 where nothing is left to do.
    pub age_millis: Option<u64>,
    /// Records that are not dealt with, where the source says how many there are.
    pub behind: Option<u64>,
    /// By shard or partition, up to where it was read.
    pub positions: BTreeMap<String, String>,
}

impl Progress {
    fn new(mapping: MappingId, metrics: Arc<dyn Metrics>) -> Self {
        Self {
            mapping,
            metrics,
            counts: Default::default(),
            running: AtomicU64::new(0),
            freed: Notify::new(),
            began: Instant::now(),
            rest: Mutex::default(),
        }
    }

    /// Counts records.
    pub fn add(&self, count: Count, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        if records == 0 {
            return;
        }
        self.counts[count as usize].fetch_add(records, Ordering::Relaxed);
        self.metrics.add(count.metric(), self.mapping.as_str(), records);
        if count == Count::Polled {
            let second = self.began.elapsed().as_secs();
            self.lock().note(second, records);
        }
    }

    /// Counts records that their destination does not have, or not as they were.
    pub fn not_delivered(&self, records: usize) {
        if records > 0 {
            let records = u64::try_from(records).unwrap_or(u64::MAX);
            self.metrics.add(Metric::DestinationDeliveryFailures, &self.lock().function, records);
        }
    }

    /// Says what came of a batch.
    pub fn processed(&self, what: Processed, at: Timestamp) {
        let mut rest = self.lock();
        let what = match what {
            Processed::Fine => Processed::Fine,
            Processed::Problem(why) => {
                // It may be what a source has answered, of whatever length.
                let why: String = why.chars().take(ERROR_CHARACTERS_MAX).collect();
                rest.error = Some((at, why.clone()));
                Processed::Problem(why)
            }
        };
        rest.result = Some(what);
        rest.result_at = Some(at);
    }

    /// Says that a batch did not go well: AWS's words for the result, and what was wrong in truth.
    pub fn went_wrong(&self, result: &str, why: &str, at: Timestamp) {
        let why = if why.is_empty() { result } else { why };
        self.processed(Processed::Problem(why.to_owned()), at);
        self.lock().result = Some(Processed::Problem(result.to_owned()));
    }

    /// Says how old the newest record of a batch of a shard or a partition is that the function gets
    /// now, as AWS measures it: with each attempt.
    pub fn given_at_age(&self, part: &str, millis: u64) {
        let mut rest = self.lock();
        self.metrics.observe(Metric::IteratorAge, &rest.function, millis);
        rest.ages.insert(part.to_owned(), millis);
    }

    /// Says that everything of a shard is dealt with that there is.
    pub fn caught_up(&self, part: &str) {
        self.lock().ages.insert(part.to_owned(), 0);
    }

    /// Says how many records of a partition are not dealt with.
    pub fn left(&self, part: &str, records: u64) {
        self.lock().behind.insert(part.to_owned(), records);
    }

    /// Says up to where a shard or a partition was read; `None` if it is not read any more.
    pub fn reached(&self, part: &str, position: Option<String>) {
        let mut rest = self.lock();
        match position {
            Some(position) => rest.positions.insert(part.to_owned(), position),
            None => {
                rest.ages.remove(part);
                rest.behind.remove(part);
                rest.positions.remove(part)
            }
        };
    }

    /// Counts a batch as running until what is returned is dropped.
    #[must_use]
    pub fn run(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(self))
    }

    /// Batches that the function has now.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.running.load(Ordering::Acquire)
    }

    /// Ends when a batch has ended since the last time, whoever has begun it. For one who waits; may
    /// be dropped at any moment.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// What has been done so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let count = |count: Count| self.counts[count as usize].load(Ordering::Relaxed);
        let second = self.began.elapsed().as_secs();
        let mut rest = self.lock();
        Seen {
            polled: count(Count::Polled),
            filtered_out: count(Count::FilteredOut),
            invoked: count(Count::Invoked),
            failed: count(Count::FailedInvoke),
            dropped: count(Count::Dropped),
            delivered: count(Count::Delivered),
            deleted: count(Count::Deleted),
            running: self.running(),
            per_second: rest.per_second(second),
            result: rest.result.as_ref().map(|result| match result {
                Processed::Fine => "OK".to_owned(),
                Processed::Problem(why) => format!("PROBLEM: {why}"),
            }),
            result_at: rest.result_at,
            error: rest.error.as_ref().map(|(_, error)| error.clone()),
            error_at: rest.error.as_ref().map(|(at, _)| *at),
            age_millis: rest.ages.values().copied().max(),
            behind: rest.behind.values().copied().reduce(u64::saturating_add),
            positions: rest.positions.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().expect("no code panics while it holds what was done")
    }
}

impl Rest {
    fn note(&mut self, second: u64, records: u64) {
        self.forget(second);
        match self.recent.back_mut().filter(|(last, _)| *last == second) {
            Some((_, count)) => *count = count.saturating_add(records),
            None => self.recent.push_back((second, records)),
        }
    }

    fn forget(&mut self, second: u64) {
        while self.recent.front().is_some_and(|(old, _)| old + RATE_SECONDS <= second) {
            self.recent.pop_front();
        }
    }

    fn per_second(&mut self, second: u64) -> f64 {
        self.forget(second);
        let records: u64 = self.recent.iter().map(|(_, count)| count).sum();
        let seconds = (second + 1).min(RATE_SECONDS);
        records as f64 / seconds as f64
    }
}

/// A batch that a function has.
#[derive(Debug)]
pub struct Running(Arc<Progress>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_one();
    }
}

/// What has been done for all mappings.
#[derive(Debug)]
pub struct Book {
    metrics: Arc<dyn Metrics>,
    pages: Mutex<BTreeMap<MappingId, Arc<Progress>>>,
}

impl Book {
    /// An empty one. What is counted in it is counted as metrics as well.
    #[must_use]
    pub fn new(metrics: Arc<dyn Metrics>) -> Self {
        Self { metrics, pages: Mutex::default() }
    }

    /// Where to write for a mapping of a function with this name.
    #[must_use]
    pub fn of(&self, mapping: &MappingId, function: &str) -> Arc<Progress> {
        let mut pages = self.lock();
        let page = pages.entry(mapping.clone()).or_insert_with(|| {
            let metrics = Arc::clone(&self.metrics);
            Arc::new(Progress::new(mapping.clone(), metrics))
        });
        function.clone_into(&mut page.lock().function);
        Arc::clone(page)
    }

    /// What has been done for a mapping, if it was ever read.
    #[must_use]
    pub fn seen(&self, mapping: &MappingId) -> Option<Seen> {
        let page = self.lock().get(mapping).cloned();
        page.map(|page| page.seen())
    }

    /// Forgets mappings that are gone.
    pub fn keep_only(&self, is_there: impl Fn(&MappingId) -> bool) {
        self.lock().retain(|mapping, _| is_there(mapping));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<MappingId, Arc<Progress>>> {
        self.pages.lock().expect("no code panics while it holds the book")
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::metrics::NoMetrics;

    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_minute() {
        let mut rest = Rest::default();
        rest.note(0, 10);
        rest.note(0, 20);
        assert!((rest.per_second(9) - 3.0).abs() < 1e-9);
        rest.note(59, 30);
        assert!((rest.per_second(59) - 1.0).abs() < 1e-9);
        assert!((rest.per_second(60) - 0.5).abs() < 1e-9);
        assert!(rest.per_second(119).abs() < 1e-9);
        assert_eq!(rest.recent.len(), 0);
    }

    #[tokio::test]
    async fn the_end_of_a_batch_is_heard_of_whoever_has_begun_it() {
        let book = Book::new(Arc::new(NoMetrics));
        let id = MappingId::random();
        let running = book.of(&id, "before").run();
        // The mapping is changed, and has another reader.
        let progress = book.of(&id, "behind");
        drop(running);
        progress.freed().await;
        assert_eq!(progress.running(), 0);
        assert_eq!(progress.lock().function, "behind");
    }

    #[test]
    fn a_mapping_is_as_far_behind_as_its_slowest_shard() {
        let book = Book::new(Arc::new(NoMetrics));
        let progress = book.of(&MappingId::random(), "f");
        let seen = || (progress.seen().age_millis, progress.seen().behind);
        assert_eq!(seen(), (None, None));
        progress.given_at_age("slow", 9_000);
        progress.given_at_age("fast", 5);
        progress.left("slow", 7);
        progress.left("fast", 1);
        assert_eq!(seen(), (Some(9_000), Some(8)));
        progress.caught_up("slow");
        assert_eq!(seen(), (Some(5), Some(8)));
        progress.reached("slow", None);
        progress.reached("fast", None);
        assert_eq!(seen(), (None, None), "they are not read any more");
    }

    #[test]
    fn what_was_done_is_seen_until_the_mapping_is_gone() {
        let book = Book::new(Arc::new(NoMetrics));
        let id = MappingId::random();
        assert_eq!(book.seen(&id), None);
        let progress = book.of(&id, "f");
        progress.add(Count::Polled, 10);
        progress.add(Count::Deleted, 7);
        progress.processed(Processed::Problem("x".repeat(2_000)), Timestamp(5));
        let result = book.seen(&id).and_then(|seen| seen.result);
        assert_eq!(result.unwrap().len(), "PROBLEM: ".len() + 1_000);
        progress.processed(Processed::Fine, Timestamp(6));
        progress.reached("shard", Some("7".to_owned()));
        let running = progress.run();
        let seen = book.seen(&id).unwrap();
        assert_eq!((seen.polled, seen.deleted, seen.running), (10, 7, 1));
        assert_eq!((seen.result.as_deref(), seen.result_at), (Some("OK"), Some(Timestamp(6))));
        assert_eq!((seen.error.unwrap().len(), seen.error_at), (1_000, Some(Timestamp(5))));
        assert_eq!(seen.positions["shard"], "7");
        drop(running);
        assert_eq!(book.of(&id, "f").running(), 0);
        book.keep_only(|_| false);
        assert_eq!(book.seen(&id), None);
    }
}
