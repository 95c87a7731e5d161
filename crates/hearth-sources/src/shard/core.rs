//! What is done with the records of one shard, as a pure state machine.
//!
//! ```text
//!            read                 next                 ran             save
//!  records ───────▶ lanes waiting ─────▶ with function ─────▶ unsaved ─────▶ checkpoint
//!                        ▲                    │ failed                          │ saved
//!                        └────────────────────┘ ◀───────────────────────────────┘
//! ```
//!
//! Records with the same key are in the same lane ([`super::lane`]), and each lane has one batch with
//! the function. With tumbling windows there is one lane, because the state of a window belongs to the
//! shard, and so its batches come one after the other.
//!
//! # Promises
//!
//! 1. Of records with the same key, a later one is not run before an earlier one has succeeded or was
//!    given up.
//! 2. Each record succeeds or is given up. One that was given up is in the same [`Save`] as the
//!    checkpoint that passes it.
//! 3. A lane runs nothing before what it did last is saved. So whoever goes on from the last
//!    checkpoint repeats at most the batch of each lane that was with the function.
//! 4. What is held in memory is bounded.
//!
//! # Deliberately absent
//!
//! No I/O, no clock, no tasks: [`super::reader`] has them.

use std::sync::Arc;

use bytes::Bytes;
use hearth_types::limits;
use hearth_types::time::Timestamp;

use crate::checkpoint::{Checkpoint, Layout, Phase};
use crate::function::NotRun;
use crate::shard::lane::{Dropped, Judged, Lane, LastRun, Rules, Tail};
use crate::shard::source::{Portion, SequenceNumber, ShardRecord};
use crate::shard::window::{self, WindowRun};

/// A batch to be run.
#[derive(Debug, Clone)]
pub struct Start {
    /// The lane that it is of.
    pub lane: usize,
    /// The records of it, as they stand in the event. None at the end of a window.
    pub events: Vec<Bytes>,
    /// When the last of them came; `None` without records.
    pub newest: Option<Timestamp>,
    /// What the function is told about the window, if there are any.
    pub window: Option<WindowRun>,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function has answered.
    Answered {
        /// What it answered.
        answer: Bytes,
        /// Which run it was.
        run: LastRun,
    },
    /// The function has failed.
    Failed {
        /// Which run it was.
        run: LastRun,
    },
    /// It was not run.
    NotRun(NotRun),
}

/// How a batch went, for whoever counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    /// Records that have succeeded.
    pub succeeded: usize,
    /// Records of the batch that have not.
    pub failed: usize,
    /// What is wrong, if something is and the function did not say it by failing.
    pub problem: Option<String>,
}

/// What is to be kept, all of it or nothing.
#[derive(Debug, Clone)]
pub struct Save {
    /// Where the shard was read to.
    pub checkpoint: Checkpoint,
    /// What is given up with it.
    pub dropped: Vec<Dropped>,
}

/// Which records of those that were read go to the function.
pub trait Sieve {
    /// Whether a record does.
    fn admits(&self, record: &ShardRecord) -> bool;
}

/// How many records of a page went where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sorted {
    /// They wait for the function.
    pub taken: usize,
    /// The sieve has kept them back.
    pub filtered_out: usize,
    /// They were dealt with before, or are from before the start.
    pub passed: usize,
}

/// The records of one shard that are read and not yet dealt with.
#[derive(Debug)]
pub struct Core {
    rules: Arc<Rules>,
    checkpoint: Checkpoint,
    lanes: Vec<Lane>,
    /// Up to where the shard was read.
    read: Option<SequenceNumber>,
    /// Since when the checkpoint lags behind what is known.
    lags_since: Option<Timestamp>,
    /// Whether nothing is behind what was read, as far as is known.
    is_at_tip: bool,
    tail: Tail,
    /// The lane that is looked at first.
    turn: usize,
}

impl Core {
    /// One that goes on from a checkpoint.
    #[must_use]
    pub fn new(rules: Arc<Rules>, mut checkpoint: Checkpoint) -> Self {
        let lanes = if rules.window_millis.is_some() { 1 } else { rules.lanes.max(1) };
        checkpoint.lay_out(lanes);
        if rules.window_millis.is_none() {
            checkpoint.window = None;
        }
        let done = checkpoint.layouts.first().map(|layout| layout.0.clone()).unwrap_or_default();
        Self {
            rules,
            checkpoint,
            lanes: done.into_iter().map(Lane::new).collect(),
            read: None,
            lags_since: None,
            is_at_tip: false,
            tail: Tail::Open,
            turn: 0,
        }
    }

    /// How much may be read; `None` if there is enough, or nothing more.
    #[must_use]
    pub fn room(&self) -> Option<Portion> {
        if self.tail == Tail::Closed {
            return None;
        }
        let records_max = self.rules.batch.records.saturating_mul(2 * self.lanes.len());
        let records_max = records_max.max(limits::SHARD_WAITING_RECORDS_MIN);
        let records = records_max.saturating_sub(self.lanes.iter().map(Lane::len).sum());
        let bytes_max = limits::SHARD_WAITING_BYTES_MAX;
        let bytes = bytes_max.saturating_sub(self.bytes());
        let portion = Portion { records: records.min(limits::SHARD_READ_RECORDS_MAX), bytes };
        (records > 0 && bytes > 0).then_some(portion)
    }

    /// How many bytes the records have that are not dealt with.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(Lane::bytes).sum()
    }

    /// Takes records that were read. `behind_millis` is what the stream says of the distance to the
    /// tip.
    pub fn read(
        &mut self,
        records: Vec<ShardRecord>,
        sieve: &dyn Sieve,
        (behind_millis, now): (Option<u64>, Timestamp),
    ) -> Sorted {
        self.is_at_tip = behind_millis.map_or(records.is_empty(), |millis| millis == 0);
        let mut sorted = Sorted::default();
        for record in records {
            // A stream that reads a little more than it was asked for is right, too.
            if self.read.as_ref().is_some_and(|read| record.sequence_number <= *read) {
                sorted.passed += 1;
                continue;
            }
            let before = self.read.replace(record.sequence_number.clone());
            let is_early = self.rules.since.is_some_and(|since| record.arrived < since);
            if is_early || self.checkpoint.is_done(&record) {
                sorted.passed += 1;
                self.lags_since.get_or_insert(now);
            } else if sieve.admits(&record) {
                sorted.taken += 1;
                let lane = crate::checkpoint::lane_of(&record.partition_key, self.lanes.len());
                self.lanes[lane].push(record, before, now);
            } else {
                sorted.filtered_out += 1;
                self.lags_since.get_or_insert(now);
            }
        }
        sorted
    }

    /// Takes that the shard was read to its end.
    pub fn end(&mut self) {
        self.tail = Tail::Closed;
    }

    /// From now on, records that came before are not wanted.
    pub fn leave_out_before(&mut self, since: Option<Timestamp>) {
        if self.rules.since != since {
            Arc::make_mut(&mut self.rules).since = since;
        }
    }

    /// Takes that it could not be read: what is behind the last record is not known.
    pub fn lose_sight(&mut self) {
        self.is_at_tip = false;
    }

    /// The next batch that is to be run now.
    pub fn next(&mut self, now: Timestamp) -> Option<Start> {
        let count = self.lanes.len();
        for step in 0..count {
            let place = (self.turn + step) % count;
            if let Some(start) = self.next_of(place, now) {
                self.turn = (place + 1) % count;
                return Some(start);
            }
        }
        None
    }

    /// Takes what came of a batch.
    pub fn ran(&mut self, place: usize, outcome: &Outcome, now: Timestamp) -> Came {
        let with_records = self.lanes[place].has_begun();
        let records = self.lanes[place].running().count();
        let (mut judged, mut problem, last) = self.judge(place, outcome);
        let is_good = matches!(judged, Judged::All | Judged::UpTo(_));
        if let Outcome::Answered { answer, .. } = outcome
            && is_good
            && let Err(why) = self.take_state(answer, with_records)
        {
            problem = Some(why.to_owned());
            judged = Judged::None;
        }
        let lane = &mut self.lanes[place];
        let succeeded = if with_records {
            lane.ran(&self.rules, (&judged, last), now)
        } else {
            lane.ran_empty(&judged, now);
            0
        };
        Came { succeeded, failed: records - succeeded, problem }
    }

    /// What is to be kept now, if there is something. There is nothing more until it is [`saved`].
    ///
    /// [`saved`]: Core::saved
    pub fn save(&mut self, now: Timestamp) -> Option<Save> {
        let lags = |since: Timestamp| now.millis_since(since) >= limits::CHECKPOINT_LAG_MILLIS_MAX;
        let is_due = self.lanes.iter().any(Lane::is_unsaved)
            || self.is_over()
            || self.lags_since.is_some_and(lags);
        if !is_due || self.checkpoint.phase == Phase::Ended {
            return None;
        }
        Some(self.save_all())
    }

    /// What is to be kept before somebody else goes on: also what could wait.
    pub fn leave(&mut self) -> Save {
        self.save_all()
    }

    /// Takes that the last [`Save`] is kept.
    pub fn saved(&mut self) {
        for lane in &mut self.lanes {
            lane.saved();
        }
    }

    /// When there may be something to be done that nobody tells, later than now; `None` if never. What
    /// could have been done by now and was not waits for something that is told.
    #[must_use]
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let of_lanes = self.lanes.iter().filter(|lane| lane.is_free()).filter_map(|lane| {
            let due = if lane.has_begun() { Some(lane.not_before()) } else { self.due_of(lane) };
            due.map(|due| due.max(lane.not_before()))
        });
        let lags =
            self.lags_since.map(|since| since.plus_millis(limits::CHECKPOINT_LAG_MILLIS_MAX));
        of_lanes.chain(lags).filter(|at| *at > now).min()
    }

    /// Whether the shard was read to its end and everything is dealt with.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let is_idle = |lane: &Lane| lane.is_empty() && (lane.is_free() || lane.is_unsaved());
        self.tail == Tail::Closed
            && self.checkpoint.window.is_none()
            && self.lanes.iter().all(is_idle)
    }

    /// Whether that is kept, too.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.checkpoint.phase == Phase::Ended
    }

    /// The last record that was read.
    #[must_use]
    pub fn read_to(&self) -> Option<SequenceNumber> {
        self.read.clone()
    }

    /// The checkpoint as it was saved last.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

impl Core {
    fn next_of(&mut self, place: usize, now: Timestamp) -> Option<Start> {
        let rules = Arc::clone(&self.rules);
        let lane = &mut self.lanes[place];
        if !lane.is_free() || lane.not_before() > now || lane.expire(&rules, now) {
            return None;
        }
        let Some(millis) = rules.window_millis else {
            let is_there = lane.has_begun() || lane.cut(&rules.batch, |_| true, (self.tail, now));
            return is_there.then(|| Self::start(place, lane, None));
        };
        if lane.has_begun() {
            let run = self.checkpoint.window.as_ref().map(window::run);
            return Some(Self::start(place, lane, run));
        }
        let is_last = self.tail == Tail::Closed && lane.is_empty();
        let next = lane.front().map(|record| record.arrived);
        let seen = (self.is_at_tip, is_last);
        if let Some(open) = &self.checkpoint.window
            && window::is_over(open, next, (seen, now))
        {
            let run = window::last_run(open);
            lane.run_empty();
            let events = Vec::new();
            return Some(Start { lane: place, events, newest: None, window: Some(run) });
        }
        let closed_until = self.checkpoint.closed_until;
        let open = match &self.checkpoint.window {
            Some(open) => open.clone(),
            None => window::begin(next?.max(closed_until), millis),
        };
        let end = open.end;
        if !lane.cut(&rules.batch, |record| record.arrived < end, (self.tail, now)) {
            return None;
        }
        let run = window::run(&open);
        self.checkpoint.window = Some(open);
        Some(Self::start(place, lane, Some(run)))
    }

    fn start(place: usize, lane: &mut Lane, window: Option<WindowRun>) -> Start {
        let mut newest = None;
        let note = |record: &ShardRecord| {
            newest = Some(record.arrived);
            record.event.clone()
        };
        let events = lane.run().map(note).collect();
        Start { lane: place, events, newest, window }
    }

    /// What came of it, what is wrong, and which run it was.
    fn judge(&self, place: usize, outcome: &Outcome) -> (Judged, Option<String>, LastRun) {
        match outcome {
            Outcome::Answered { answer, run } => {
                let (judged, problem) = self.lanes[place].judge(self.rules.reporting, answer);
                (judged, problem, run.clone())
            }
            Outcome::Failed { run } => (Judged::None, None, run.clone()),
            Outcome::NotRun(NotRun::Refused(why)) => {
                (Judged::Refused, Some(why.clone()), LastRun::default())
            }
            Outcome::NotRun(NotRun::Unavailable(why)) => {
                (Judged::NotRun, Some(why.clone()), LastRun::default())
            }
            Outcome::NotRun(NotRun::Throttled | NotRun::Closing) => {
                (Judged::NotRun, None, LastRun::default())
            }
        }
    }

    /// Takes what a function says of its window, if there are windows.
    fn take_state(&mut self, answer: &[u8], with_records: bool) -> Result<(), &'static str> {
        if self.rules.window_millis.is_none() {
            return Ok(());
        }
        let Some(open) = &mut self.checkpoint.window else { return Ok(()) };
        if with_records {
            return window::take_state(open, answer);
        }
        if open.is_overgrown {
            // The window goes on, from nothing.
            window::clear(open);
        } else {
            self.checkpoint.closed_until = open.end;
            self.checkpoint.window = None;
        }
        Ok(())
    }

    fn due_of(&self, lane: &Lane) -> Option<Timestamp> {
        // What has come is not known while the shard is not read to its tip, and a record that waits is
        // of this window, or has finished it.
        let is_awaited = self.is_at_tip && lane.is_empty();
        let of_window = self.checkpoint.window.as_ref().filter(|_| is_awaited).map(window::due);
        let of_batch = lane.due(&self.rules.batch);
        match (of_batch, of_window) {
            (Some(batch), Some(window)) => Some(batch.min(window)),
            (one, other) => one.or(other),
        }
    }

    fn save_all(&mut self) -> Save {
        let is_over = self.is_over();
        let read = self.read.as_ref();
        let layout = Layout(self.lanes.iter().map(|lane| lane.done(read)).collect());
        self.checkpoint.advance(layout);
        if is_over {
            self.checkpoint.phase = Phase::Ended;
        }
        self.lags_since = None;
        let unsaved = self.lanes.iter_mut().filter(|lane| lane.is_unsaved());
        let dropped = unsaved.flat_map(Lane::save).collect();
        Save { checkpoint: self.checkpoint.clone(), dropped }
    }
}

#[cfg(test)]
mod tests;
