//! Whose turn it is: which lane is leased from next, and how much, as a pure core.
//!
//! ```text
//!            news                turn                   leased
//!  (out) ──────────▶ in line ──────────▶ being leased ──────────▶ out, or in line again
//!                                                                 if there is more
//! ```
//!
//! Lanes take turns, and one turn gives only so many entries: whoever has a million waiting is back
//! in line behind everybody else after each few of them.
//!
//! How many entries of a lane are tried at a time follows what its target takes, as a connection
//! follows what a network takes: a *window* opens while all goes well, and closes when something is
//! refused or has to wait. A lane of which nothing is taken at all rests for a while.
//!
//! # Promises
//!
//! 1. No more entries, of all lanes and of each, and no more bytes are out than is allowed; bytes
//!    may be exceeded by one turn.
//! 2. A lane that is in line has its turn before any other lane has its second one.
//! 3. A lane of which there is news, and room for, is in line: none is forgotten.
//! 4. Memory is bounded by the number of lanes that have something to do.
//!
//! # Deliberately absent
//!
//! No I/O, no clock, no tasks.

use std::collections::{BTreeSet, HashMap, VecDeque};

use hearth_store::queue::Lane;
use hearth_types::limits;
use hearth_types::time::Timestamp;

/// How much may be out at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Entries.
    pub(crate) entries: usize,
    /// Entries of one lane.
    pub(crate) of_lane: usize,
    /// Bytes.
    pub(crate) bytes: usize,
    /// How long a lane rests for the first time of which nothing is taken.
    pub(crate) hold_ms: u64,
}

/// A lane's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) lane: Lane,
    /// How many entries to lease at the most.
    pub(crate) entries: usize,
}

/// How an entry went, as far as room is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It was taken at once.
    Smooth,
    /// It was taken, but had to wait for others.
    Waited,
    /// It was not taken.
    Refused,
    /// It was not even tried.
    Untried,
}

/// What a turn gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Given {
    /// How many entries.
    pub(crate) entries: usize,
    /// Their bytes.
    pub(crate) bytes: usize,
    /// Whether there may be more that is due.
    pub(crate) more: bool,
}

/// An entry that is not out any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Back {
    pub(crate) bytes: usize,
    pub(crate) pace: Pace,
    /// When it is due again, if it is.
    pub(crate) due: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Out,
    InLine,
    Leasing,
}

/// What is known of a lane.
#[derive(Debug)]
struct Line {
    place: Place,
    /// Whether it may pay to lease from it.
    news: bool,
    /// Entries that are out.
    out: usize,
    /// How many may be.
    window: usize,
    /// How many must go well before the window opens further.
    caution: usize,
    /// How often in a row nothing of it was taken.
    refusals: u32,
    /// It rests until then.
    held: Option<Timestamp>,
    /// Something of it is due then.
    due: Option<Timestamp>,
    /// What is noted among the alarms.
    alarm: Option<Timestamp>,
}

impl Line {
    fn new() -> Self {
        Self {
            place: Place::Out,
            news: false,
            out: 0,
            window: limits::LANE_WINDOW_START,
            caution: 0,
            refusals: 0,
            held: None,
            due: None,
            alarm: None,
        }
    }

    /// Whether there would be nothing to lose if it were forgotten.
    fn is_idle(&self) -> bool {
        self.place == Place::Out
            && !self.news
            && self.out == 0
            && self.held.is_none()
            && self.due.is_none()
    }

    /// Lets the window follow how an entry went. `out` counts it no more.
    fn follow(&mut self, pace: Pace, limits: &Limits, now: Timestamp) {
        match pace {
            Pace::Smooth => {
                self.refusals = 0;
                if self.caution > 0 {
                    self.caution -= 1;
                } else if self.out + 1 >= self.window {
                    self.window = (self.window + 1).min(limits.of_lane);
                }
            }
            Pace::Waited => {
                self.refusals = 0;
                self.window = (self.window - 1).max(1);
            }
            Pace::Refused => {
                self.window = self.out.clamp(1, self.window);
                self.caution = self.window.max(limits::LANE_CAUTION_MIN);
                if self.out == 0 {
                    let hold = limits.hold_ms.saturating_mul(1_u64 << self.refusals.min(16));
                    self.held = Some(now.plus_millis(hold.min(limits::LANE_HOLD_MS_MAX)));
                    self.refusals = self.refusals.saturating_add(1);
                }
            }
            Pace::Untried => {}
        }
    }
}

/// All lanes of a kind.
#[derive(Debug)]
pub(crate) struct Turns {
    limits: Limits,
    lines: HashMap<Lane, Line>,
    in_line: VecDeque<Lane>,
    /// When to look at which lane again.
    alarms: BTreeSet<(Timestamp, Lane)>,
    out: usize,
    bytes: usize,
}

impl Turns {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            lines: HashMap::new(),
            in_line: VecDeque::new(),
            alarms: BTreeSet::new(),
            out: 0,
            bytes: 0,
        }
    }

    /// There may be something to lease in a lane.
    pub(crate) fn news(&mut self, lane: &Lane) {
        self.line(lane).news = true;
        self.arrange(lane);
    }

    /// Something of a lane is due then.
    pub(crate) fn due_at(&mut self, lane: &Lane, due: Timestamp) {
        let line = self.line(lane);
        line.due = Some(line.due.map_or(due, |other| other.min(due)));
        self.arrange(lane);
    }

    /// Whose turn it is, if there is room. `capacity` says how many entries of a lane may be out
    /// at the most, beside what is known here.
    pub(crate) fn next(
        &mut self,
        now: Timestamp,
        capacity: impl Fn(&Lane) -> usize,
    ) -> Option<Turn> {
        self.wake(now);
        let room = self.limits.entries.saturating_sub(self.out);
        if room == 0 || self.bytes + limits::ENTRIES_OF_TURN_BYTES_MAX > self.limits.bytes {
            return None;
        }
        while let Some(lane) = self.in_line.pop_front() {
            let line = self.lines.get_mut(&lane).expect("who is in line is known");
            let most = line.window.min(self.limits.of_lane).min(capacity(&lane).max(1));
            let entries = most.saturating_sub(line.out).min(room).min(limits::ENTRIES_OF_TURN_MAX);
            if entries == 0 || line.held.is_some() {
                // Its news are kept until an entry of it comes back, or its rest is over.
                line.place = Place::Out;
                continue;
            }
            line.place = Place::Leasing;
            line.news = false;
            return Some(Turn { lane, entries });
        }
        None
    }

    /// What a turn gave.
    pub(crate) fn given(&mut self, lane: &Lane, given: Given) {
        let Given { entries, bytes, more } = given;
        self.out += entries;
        self.bytes += bytes;
        let line = self.line(lane);
        line.place = Place::Out;
        line.out += entries;
        line.news |= more;
        self.arrange(lane);
    }

    /// A turn came to nothing because the queue failed: the lane rests.
    pub(crate) fn failed(&mut self, lane: &Lane, until: Timestamp) {
        let line = self.line(lane);
        line.place = Place::Out;
        line.held = Some(until);
        self.arrange(lane);
    }

    /// An entry is not out any more.
    pub(crate) fn back(&mut self, lane: &Lane, back: Back, now: Timestamp) {
        let Back { bytes, pace, due } = back;
        self.out -= 1;
        self.bytes -= bytes;
        let limits = self.limits;
        let line = self.line(lane);
        line.out -= 1;
        line.follow(pace, &limits, now);
        if let Some(due) = due {
            line.due = Some(line.due.map_or(due, |other| other.min(due)));
        }
        self.arrange(lane);
    }

    /// When to ask for a turn again although nothing has happened.
    pub(crate) fn alarm(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// How many entries are out.
    pub(crate) fn out(&self) -> usize {
        self.out
    }

    fn line(&mut self, lane: &Lane) -> &mut Line {
        if !self.lines.contains_key(lane) {
            self.lines.insert(lane.clone(), Line::new());
        }
        self.lines.get_mut(lane).expect("it is there, or was just made")
    }

    /// Ends the rests that are over, and notes what has become due.
    fn wake(&mut self, now: Timestamp) {
        while let Some((at, lane)) = self.alarms.first().cloned() {
            if at > now {
                return;
            }
            self.alarms.pop_first();
            let line = self.lines.get_mut(&lane).expect("who has an alarm is known");
            line.alarm = None;
            if line.held.is_some_and(|held| held <= now) {
                line.held = None;
                line.news = true;
            }
            if line.due.is_some_and(|due| due <= now) {
                line.due = None;
                line.news = true;
            }
            self.arrange(&lane);
        }
    }

    /// Puts a lane in line if it may have a turn, sets its alarm, and forgets it if it is idle.
    fn arrange(&mut self, lane: &Lane) {
        let Some(line) = self.lines.get_mut(lane) else { return };
        let has_room = line.out < line.window.min(self.limits.of_lane);
        if line.place == Place::Out && line.news && line.held.is_none() && has_room {
            line.place = Place::InLine;
            self.in_line.push_back(lane.clone());
        }
        let wanted = match (line.held, line.due) {
            (Some(held), Some(due)) => Some(held.min(due)),
            (held, due) => held.or(due),
        };
        if line.alarm != wanted {
            if let Some(old) = line.alarm.take() {
                self.alarms.remove(&(old, lane.clone()));
            }
            if let Some(at) = wanted {
                self.alarms.insert((at, lane.clone()));
            }
            line.alarm = wanted;
        }
        if line.is_idle() {
            self.lines.remove(lane);
        }
    }
}

#[cfg(test)]
mod tests;
