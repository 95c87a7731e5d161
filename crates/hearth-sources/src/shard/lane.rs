//! One lane of a shard: records of which one batch at a time is with the function. Pure.
//!
//! ```text
//!           cut                      succeeded, or given up
//!  waiting ─────▶ parts ──▶ Running ───────────────────────▶ Unsaved ──▶ Saving ──▶ Free
//!                   ▲          │ failed
//!                   └──────────┘ once more after a pause, or in two parts
//! ```
//!
//! A batch is the first so many records that wait. When it has failed it stays in front, whole or
//! in parts, until each of its records has succeeded or was given up.
//!
//! # Promises
//!
//! 1. Records leave in the order in which they came, and each exactly once: because it has
//!    succeeded, or because it was given up and goes to the destination for failures.
//! 2. Nothing is run before what left before it was saved.
//! 3. With bisection, a record that fails whenever it is run is given up alone.

use std::cell::OnceCell;
use std::collections::{HashMap, VecDeque};

use hearth_types::limits;
use hearth_types::time::Timestamp;

use crate::batch::BatchLimits;
use crate::response::Report;
use crate::shard::source::{SequenceNumber, ShardRecord};

/// How a shard is read: the options of the mapping, and what follows from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How far a batch goes.
    pub batch: BatchLimits,
    /// How many batches of one shard are with the function at a time.
    pub lanes: usize,
    /// How often a batch is run again after the function has failed; `None` for ever.
    pub retries_max: Option<u32>,
    /// How old a record may get; `None` for any age.
    pub age_millis_max: Option<u64>,
    /// What is done first with a batch for which the function has failed.
    pub on_failure: OnFailure,
    /// Whether the function says which records have failed.
    pub reporting: Reporting,
    /// How long a tumbling window is; `None` for none. With windows there is one lane.
    pub window_millis: Option<u64>,
    /// Records that came before are not wanted.
    pub since: Option<Timestamp>,
}

/// What is done first with a batch for which the function has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is run again.
    Retry,
    /// It is halved, and that does not count as a retry.
    Bisect,
}

/// Whether a function says which records have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporting {
    /// It fails for all of a batch or for none.
    WholeBatches,
    /// It names those that have.
    Items,
}

/// The run of a batch that has failed last, for whoever is told about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRun {
    /// The id of the invocation.
    pub request_id: String,
    /// The version that ran; `None` if the function was not run.
    pub version: Option<String>,
    /// Whether the function has failed, and did not only say so of records.
    pub function_error: Option<String>,
}

/// Why records were given up: AWS's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// They were run as often as they may be.
    RetryAttemptsExhausted,
    /// They have got too old.
    RecordAgeExceeded,
}

impl Condition {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Self::RecordAgeExceeded => "RecordAgeExceeded",
        }
    }
}

/// Records that were given up together.
#[derive(Debug, Clone)]
pub struct Dropped {
    /// Why.
    pub condition: Condition,
    /// The records, never none.
    pub records: Vec<ShardRecord>,
    /// How often the function was run for them.
    pub runs: u32,
    /// The last run, if there was one.
    pub last: Option<LastRun>,
}

/// How a run of a batch has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// The first so many records have succeeded, and one behind them has failed.
    UpTo(usize),
    /// All of them have succeeded.
    All,
    /// Nothing came of it: the function has failed, or has said so of the first record.
    None,
    /// The function was not run, and would not be for any records like these.
    Refused,
    /// The function was not run this time. That does not count as a retry.
    NotRun,
}

/// A record that waits.
#[derive(Debug, Clone)]
struct Held {
    record: ShardRecord,
    read_at: Timestamp,
}

/// The next records of a batch that are run together.
#[derive(Debug, Clone, Default)]
struct Part {
    records: usize,
    /// Runs that count against the retries.
    attempts: u32,
    runs: u32,
    last: Option<LastRun>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Running,
    Unsaved,
    Saving,
}

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    waiting: VecDeque<Held>,
    bytes: usize,
    parts: VecDeque<Part>,
    state: State,
    /// Runs in a row of which nothing came.
    setbacks: u32,
    not_before: Timestamp,
    done: Option<SequenceNumber>,
    dropped: Vec<Dropped>,
}

/// Whether more records may be waited for, or these are the last ones of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// More may come.
    Open,
    /// No more come.
    Closed,
}

impl Lane {
    pub(super) fn new(done: Option<SequenceNumber>) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            parts: VecDeque::new(),
            state: State::Free,
            setbacks: 0,
            not_before: Timestamp::default(),
            done,
            dropped: Vec::new(),
        }
    }

    /// Takes a record; `before` is the one that was read before it, of whatever lane.
    pub(super) fn push(
        &mut self,
        record: ShardRecord,
        before: Option<SequenceNumber>,
        now: Timestamp,
    ) {
        if self.is_empty() {
            // What has passed since the last one of this lane is dealt with.
            self.done = self.done.take().max(before);
        }
        self.bytes = self.bytes.saturating_add(record.event.len());
        self.waiting.push_back(Held { record, read_at: now });
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_free(&self) -> bool {
        self.state == State::Free
    }

    pub(super) fn is_unsaved(&self) -> bool {
        self.state == State::Unsaved
    }

    /// Whether something of a batch that was begun is in front.
    pub(super) fn has_begun(&self) -> bool {
        !self.parts.is_empty()
    }

    pub(super) fn not_before(&self) -> Timestamp {
        self.not_before
    }

    pub(super) fn front(&self) -> Option<&ShardRecord> {
        self.waiting.front().map(|held| &held.record)
    }

    /// Up to where everything of it is dealt with, given up to where the shard was read.
    pub(super) fn done(&self, read: Option<&SequenceNumber>) -> Option<SequenceNumber> {
        let done = self.done.as_ref();
        // This lane may have been ahead of what was read again.
        if self.is_empty() { done.max(read).cloned() } else { done.cloned() }
    }

    /// Gives up the records in front that are too old. Whether there were any.
    pub(super) fn expire(&mut self, rules: &Rules, now: Timestamp) -> bool {
        let Some(age_millis_max) = rules.age_millis_max else { return false };
        let is_old = |held: &&Held| now.millis_since(held.record.arrived) > age_millis_max;
        let mut old = self.waiting.iter().take_while(is_old).count();
        if old == 0 {
            return false;
        }
        while old > 0 {
            // What was run together is told of together.
            let whole = || Part { records: old, ..Part::default() };
            let part = self.parts.front().cloned().unwrap_or_else(whole);
            let count = part.records.min(old);
            self.give_up(count, Condition::RecordAgeExceeded, &part);
            old -= count;
        }
        self.state = State::Unsaved;
        true
    }

    /// Cuts a batch of the records in front that `belongs` says of that they may be in it, if it is
    /// ready or more cannot come. Whether there is one.
    pub(super) fn cut(
        &mut self,
        limits: &BatchLimits,
        belongs: impl Fn(&ShardRecord) -> bool,
        (tail, now): (Tail, Timestamp),
    ) -> bool {
        let (mut records, mut bytes) = (0, 0_usize);
        let mut is_full = false;
        for held in &self.waiting {
            // A comma between two of them.
            let more = bytes.saturating_add(held.record.event.len() + 1);
            if records == limits.records || (more > limits.bytes && records > 0) {
                is_full = true;
                break;
            }
            if !belongs(&held.record) {
                is_full = records > 0;
                break;
            }
            (records, bytes) = (records + 1, more);
        }
        let due = self.due(limits).is_some_and(|due| now >= due);
        let is_ready = is_full || records == limits.records || due || tail == Tail::Closed;
        if records == 0 || !is_ready {
            return false;
        }
        self.parts.push_back(Part { records, ..Part::default() });
        true
    }

    /// When the batch is ready that would be cut next, whatever its size.
    pub(super) fn due(&self, limits: &BatchLimits) -> Option<Timestamp> {
        let millis = u64::try_from(limits.window.as_millis()).unwrap_or(u64::MAX);
        self.waiting.front().map(|held| held.read_at.plus_millis(millis))
    }

    /// Begins to run the part in front.
    pub(super) fn run(&mut self) -> impl Iterator<Item = &ShardRecord> {
        self.state = State::Running;
        self.running()
    }

    /// Begins to run without records.
    pub(super) fn run_empty(&mut self) {
        self.state = State::Running;
    }

    /// The records of the part in front.
    pub(super) fn running(&self) -> impl Iterator<Item = &ShardRecord> {
        let records = self.parts.front().map_or(0, |part| part.records);
        self.waiting.iter().take(records).map(|held| &held.record)
    }

    /// What an answer says about the records that were run.
    pub(super) fn judge(&self, reporting: Reporting, answer: &[u8]) -> (Judged, Option<String>) {
        if reporting == Reporting::WholeBatches {
            return (Judged::All, None);
        }
        let places: OnceCell<HashMap<&str, usize>> = OnceCell::new();
        let place = |identifier: &str| {
            let all = || {
                self.running().zip(0..).map(|(one, place)| (one.sequence_number.as_str(), place))
            };
            places.get_or_init(|| all().collect()).get(identifier).copied()
        };
        match Report::read(answer, |identifier| place(identifier).is_some()) {
            Report::Succeeded => (Judged::All, None),
            Report::Unusable(why) => (Judged::None, Some(why)),
            Report::Failed(failed) => {
                let first = failed.iter().filter_map(|one| place(one)).min().unwrap_or_default();
                let judged = if first == 0 { Judged::None } else { Judged::UpTo(first) };
                (judged, Some(format!("{} records have failed", failed.len())))
            }
        }
    }

    /// Takes what came of a run. Says how many records have succeeded.
    pub(super) fn ran(
        &mut self,
        rules: &Rules,
        (judged, last): (&Judged, LastRun),
        now: Timestamp,
    ) -> usize {
        self.state = State::Free;
        let Some(part) = self.parts.front_mut() else { return 0 };
        let records = part.records;
        match judged {
            Judged::All => {
                part.runs = part.runs.saturating_add(1);
                self.succeed(records);
                return records;
            }
            Judged::NotRun => {
                self.pause(now);
                return 0;
            }
            Judged::Refused => {
                part.last = Some(last);
                let part = part.clone();
                self.exhaust(&part);
                return 0;
            }
            Judged::None | Judged::UpTo(_) => {}
        }
        part.runs = part.runs.saturating_add(1);
        part.last = Some(last);
        let succeeded = if let Judged::UpTo(count) = judged { (*count).min(records) } else { 0 };
        self.succeed(succeeded);
        self.fail(rules, succeeded, now);
        succeeded
    }

    /// Without records: only whether to go on or to try again.
    pub(super) fn ran_empty(&mut self, judged: &Judged, now: Timestamp) {
        match judged {
            Judged::All | Judged::UpTo(_) => {
                self.setbacks = 0;
                self.not_before = now;
                self.state = State::Unsaved;
            }
            Judged::None | Judged::Refused | Judged::NotRun => {
                self.state = State::Free;
                self.pause(now);
            }
        }
    }

    /// Takes what was given up and not yet saved; it is being saved from now on.
    pub(super) fn save(&mut self) -> Vec<Dropped> {
        self.state = State::Saving;
        std::mem::take(&mut self.dropped)
    }

    pub(super) fn saved(&mut self) {
        if self.state == State::Saving {
            self.state = State::Free;
        }
    }
}

impl Lane {
    /// The first records of the part in front are done.
    fn succeed(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        drop(self.leave(count));
        self.setbacks = 0;
        self.not_before = Timestamp::default();
        self.state = State::Unsaved;
    }

    /// Decides about the rest of the part in front.
    fn fail(&mut self, rules: &Rules, succeeded: usize, now: Timestamp) {
        let Some(part) = self.parts.front_mut() else { return };
        match (rules.on_failure, succeeded) {
            // It was cut where the function said.
            (OnFailure::Bisect, 1..) => return,
            (OnFailure::Bisect, 0) if part.records > 1 => {
                let mut second = part.clone();
                part.records /= 2;
                second.records -= part.records;
                self.parts.insert(1, second);
                return;
            }
            (OnFailure::Bisect, 0) | (OnFailure::Retry, _) => {}
        }
        part.attempts = part.attempts.saturating_add(1);
        if rules.retries_max.is_some_and(|retries_max| part.attempts > retries_max) {
            let part = part.clone();
            self.exhaust(&part);
        } else {
            self.pause(now);
        }
    }

    fn exhaust(&mut self, part: &Part) {
        self.give_up(part.records, Condition::RetryAttemptsExhausted, part);
        self.setbacks = 0;
        self.not_before = Timestamp::default();
        self.state = State::Unsaved;
    }

    fn pause(&mut self, now: Timestamp) {
        let doubled = limits::SHARD_RETRY_MILLIS_MIN << self.setbacks.min(16);
        self.not_before = now.plus_millis(doubled.min(limits::SHARD_RETRY_MILLIS_MAX));
        self.setbacks = self.setbacks.saturating_add(1);
    }

    fn give_up(&mut self, count: usize, condition: Condition, part: &Part) {
        let records = self.leave(count);
        let (runs, last) = (part.runs, part.last.clone());
        self.dropped.push(Dropped { condition, records, runs, last });
    }

    /// Takes the first records away, from the parts as well.
    fn leave(&mut self, count: usize) -> Vec<ShardRecord> {
        let mut left = count;
        while left > 0
            && let Some(part) = self.parts.front_mut()
        {
            let of_part = part.records.min(left);
            part.records -= of_part;
            left -= of_part;
            if part.records == 0 {
                self.parts.pop_front();
            }
        }
        let records: Vec<ShardRecord> =
            self.waiting.drain(..count.min(self.waiting.len())).map(|held| held.record).collect();
        let bytes: usize = records.iter().map(|one| one.event.len()).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        if let Some(last) = records.last() {
            self.done = Some(last.sequence_number.clone());
        }
        records
    }
}
