//! How long environments of a target are kept without work, and when they are started again ahead
//! of need: learned from when the target was invoked before. Pure.
//!
//! What is learned is a histogram of *gaps*: the times between the end of one piece of work and
//! the beginning of the next, in minutes. From it follows a [`Plan`]:
//!
//! ```text
//!  last work ends        release              start             until
//!       │─── kept ─────────▶│                   │──── kept ───────▶│
//!       0                                                             time since then
//! ```
//!
//! Of all plans the one is taken that would have cost least over the gaps seen so far, where an
//! environment that waits costs its time, and a cold start costs a fixed time
//! ([`Rules::idle_ms`]). A fixed time of that length, in whole minutes, is one of the plans, so what is
//! learned is better or the same, as far as the future resembles the past. A target that has not shown
//! enough gaps is kept for the fixed time.
//!
//! # Promises
//!
//! 1. No plan keeps an environment for longer than [`Rules::idle_ms`] after work, or
//!    [`GAP_MINUTES`] if the gaps ask for it.
//! 2. The same gaps lead to the same plan.
//!
//! # Deliberately absent
//!
//! The time of day: a function that is busy in the morning is found by its gaps within a morning,
//! and its first call is cold.

use hearth_types::time::Moment;

/// The longest gap that is told from those that never end: four hours, in which most functions
/// that are called by a timer are called again.
pub const GAP_MINUTES: usize = 240;

const MINUTE_MS: u64 = 60_000;
/// A plan is made from so many gaps of a minute or more.
const GAPS_MIN: u32 = 4;
/// Beyond so many gaps the older ones count half, so that a changed habit is noticed.
const GAPS_MAX: u32 = 512;
/// Gaps below a minute are counted up to so many for each longer one: a busy function has
/// thousands of them, and they must not drown the others.
const SHORT_PER_LONG: u32 = 8;
/// How long an environment stays that will be started again ahead of need.
const RELEASE_MS: u64 = 10_000;
/// How many environments are started ahead of need at the most.
const CROWD_MAX: u32 = 32;

/// Whether anything is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learning {
    /// Every target is kept for the fixed time.
    Off,
    /// Each target is kept as its gaps ask for.
    On,
}

/// What keeping goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The fixed time; also what a cold start is worth, in time of an environment that waits.
    pub idle_ms: u64,
    /// Whether anything is learned.
    pub learning: Learning,
}

/// When environments of a target stand without work, counted from the end of its last work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// They are kept until then.
    pub release_ms: u64,
    /// They are started again then and kept until the second time, if the two differ.
    pub again_ms: (u64, u64),
}

impl Plan {
    fn fixed(idle_ms: u64) -> Self {
        Self { release_ms: idle_ms, again_ms: (0, 0) }
    }

    /// Whether an environment should stand so long after the last work.
    #[must_use]
    pub fn keeps(&self, elapsed_ms: u64) -> bool {
        elapsed_ms < self.release_ms || self.starts(elapsed_ms)
    }

    /// Whether environments should be started ahead of need so long after the last work.
    #[must_use]
    pub fn starts(&self, elapsed_ms: u64) -> bool {
        let (from, until) = self.again_ms;
        (from..until).contains(&elapsed_ms)
    }
}

/// What is known about when a target is invoked.
#[derive(Debug)]
pub struct Habit {
    plan: Plan,
    rules: Rules,
    /// How many gaps of each number of whole minutes; made with the first long one.
    gaps: Option<Box<[u16; GAP_MINUTES]>>,
    /// Gaps below a minute.
    short: u32,
    /// Gaps from a minute on, those that are too long to be told apart among them.
    long: u32,
    /// Gaps that were too long.
    beyond: u32,
    /// When the last work ended; while there is work, when the latest began.
    last: Option<Moment>,
    /// How much work there was at a time since the last long gap.
    crowd_now: u32,
    /// How much there usually is.
    crowd: u32,
}

impl Habit {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            plan: Plan::fixed(rules.idle_ms),
            rules,
            gaps: None,
            short: 0,
            long: 0,
            beyond: 0,
            last: None,
            crowd_now: 0,
            crowd: 1,
        }
    }

    /// An invocation has come, and so many are there now with it.
    pub fn came(&mut self, now: Moment, at_a_time: u32) {
        if self.rules.learning == Learning::On
            && at_a_time <= 1
            && let Some(last) = self.last
        {
            self.learn(now.millis_since(last));
        }
        self.crowd_now = self.crowd_now.max(at_a_time);
        self.last = Some(now);
    }

    /// An environment has no more work.
    pub fn ended(&mut self, now: Moment) {
        self.last = Some(now);
    }

    /// How many milliseconds have passed since the last work.
    #[must_use]
    pub fn elapsed_ms(&self, now: Moment) -> Option<u64> {
        self.last.map(|last| now.millis_since(last))
    }

    /// When environments should stand.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// How many environments are usually needed at a time.
    #[must_use]
    pub fn crowd(&self) -> u32 {
        self.crowd.clamp(1, CROWD_MAX)
    }

    fn learn(&mut self, gap_ms: u64) {
        let minutes = usize::try_from(gap_ms / MINUTE_MS).unwrap_or(usize::MAX);
        if minutes == 0 {
            self.short = (self.short + 1).min(SHORT_PER_LONG * (self.long + 1));
            return;
        }
        // Half of the way, and never stuck above what there is.
        let sum = self.crowd + self.crowd_now;
        self.crowd = if self.crowd_now > self.crowd { sum.div_ceil(2) } else { sum / 2 }.max(1);
        self.crowd_now = 0;
        self.long += 1;
        let gaps = self.gaps.get_or_insert_with(|| Box::new([0; GAP_MINUTES]));
        match gaps.get_mut(minutes) {
            Some(count) => *count = count.saturating_add(1),
            None => self.beyond += 1,
        }
        if self.long > GAPS_MAX {
            gaps.iter_mut().for_each(|count| *count /= 2);
            self.beyond /= 2;
            self.long = gaps.iter().map(|count| u32::from(*count)).sum::<u32>() + self.beyond;
            self.short /= 2;
        }
        if self.long >= GAPS_MIN {
            self.plan = self.cheapest();
        }
    }

    /// The plan that would have cost least over the gaps seen so far.
    ///
    /// Costs are in minutes of one environment. A gap is taken to end in the middle of its minute.
    fn cheapest(&self) -> Plan {
        let Some(gaps) = &self.gaps else { return Plan::fixed(self.rules.idle_ms) };
        let cold = minutes(self.rules.idle_ms);
        let all = f64::from(self.long + self.short);
        // Without a pause in between: kept from the end of work on.
        let mut counts: Vec<f64> = gaps.iter().map(|count| f64::from(*count)).collect();
        counts[0] = f64::from(self.short);
        let (mut best, mut least) = (Plan::fixed(self.rules.idle_ms), f64::INFINITY);
        for from in 0..GAP_MINUTES {
            // Those that ended before `from` were cold; the shortest are seen to by the release.
            let early: f64 = counts[1.min(from)..from].iter().sum();
            let short = if from == 0 { 0.0 } else { counts[0] };
            let missed = early + short * short_missed();
            let mut left = all - early - short;
            let mut waited = 0.0;
            for until in from..=GAP_MINUTES {
                // Everything that is left has waited from `from` to here, and is cold from now on.
                let cost = waited
                    + (missed + left) * cold
                    + if from == 0 { 0.0 } else { all * minutes(RELEASE_MS) };
                if cost < least - 1e-9 {
                    least = cost;
                    best = plan(from, until);
                }
                let Some(count) = counts.get(until) else { break };
                // In this minute: those that end in it wait for half of it, the others for all.
                left -= count;
                waited += left + count / 2.0;
            }
        }
        best
    }
}

/// How many of the gaps below a minute are longer than what an environment stays before it is
/// started again: taken as evenly spread.
fn short_missed() -> f64 {
    1.0 - minutes(RELEASE_MS)
}

fn minutes(milliseconds: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no time that matters has 53 bits")]
    let milliseconds = milliseconds as f64;
    milliseconds / 60_000.0
}

/// Kept from the minute `from` to the minute `until`.
fn plan(from: usize, until: usize) -> Plan {
    let ms = |minutes: usize| u64::try_from(minutes).unwrap_or(u64::MAX).saturating_mul(MINUTE_MS);
    if from == 0 {
        // Nothing is worth keeping, but the very next call may be on its way.
        return Plan { release_ms: ms(until).max(RELEASE_MS), again_ms: (0, 0) };
    }
    // A little ahead, because it takes a moment to start.
    Plan { release_ms: RELEASE_MS, again_ms: (ms(from) - RELEASE_MS.min(ms(from)), ms(until)) }
}

#[cfg(test)]
mod tests;
