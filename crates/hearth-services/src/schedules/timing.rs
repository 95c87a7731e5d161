//! When something happens: an expression in a time zone, between a start and an end, within a
//! window.
//!
//! ```text
//!   scheduled            scheduled            scheduled          end
//!   ├──────┬─────────────┼────────────┬───────┼─────┬─────────────┤
//!          due                        due           due
//!   ◀─ window ─▶
//! ```
//!
//! An occurrence is *scheduled* when its expression says so, and *due* somewhere within the window
//! that begins then, always at the same place.
//!
//! # Promises
//!
//! 1. Time is an argument, and the same arguments give the same answer.
//! 2. A local time that is left out when clocks go forward does not happen, and one that is there
//!    twice when they go back happens once, the first time: as AWS documents it.
//! 3. A rate counts hours of 60 minutes and days of 24 hours, whatever clocks do.
//! 4. What is scheduled later is never due earlier: a window ends where the next one begins.

use hearth_types::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::cron::Cron;
use super::expression::Expression;

/// When something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// When, in local time or as a distance.
    pub expression: Expression,
    /// Whose local time.
    pub zone: TimeZone,
    /// Nothing is scheduled before.
    pub from: Timestamp,
    /// When a rate is counted from.
    pub anchor: Timestamp,
    /// Nothing is scheduled after.
    pub end: Option<Timestamp>,
    /// How long after it is scheduled something may be due.
    pub window_ms: u64,
    /// What decides where in the window it is due.
    pub seed: u64,
}

/// One time that something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// What the expression says.
    pub scheduled: Timestamp,
    /// When it is to happen.
    pub due: Timestamp,
}

impl Timing {
    /// The first occurrence that is scheduled after a time.
    #[must_use]
    pub fn next(&self, after: Timestamp) -> Option<Occurrence> {
        self.scheduled_after(after).map(|scheduled| self.occurrence(scheduled))
    }

    /// The first occurrence that is due after a time.
    #[must_use]
    pub fn next_due(&self, after: Timestamp) -> Option<Occurrence> {
        let in_window = match self.window_ms {
            0 => None,
            // Of several that were scheduled before, all but the last one are due before it.
            window => self.latest(Timestamp(after.0.saturating_sub(window)), after),
        };
        in_window.filter(|one| one.due > after).or_else(|| self.next(after))
    }

    /// The last occurrence that is scheduled after a time and not after another one.
    #[must_use]
    pub fn latest(&self, after: Timestamp, to: Timestamp) -> Option<Occurrence> {
        let within = |after: Timestamp| self.scheduled_after(after).filter(|at| *at <= to);
        let mut found = within(after)?;
        // Nothing is scheduled between this and the end. Half of what is left goes with each step.
        let mut beyond = to;
        while found < beyond {
            let middle = Timestamp(found.0 + (beyond.0 - found.0) / 2);
            match within(middle) {
                Some(later) => found = later,
                None => beyond = middle,
            }
        }
        Some(self.occurrence(found))
    }

    fn occurrence(&self, scheduled: Timestamp) -> Occurrence {
        if self.window_ms == 0 {
            return Occurrence { scheduled, due: scheduled };
        }
        let next = self.scheduled_after(scheduled);
        let gap = next.map_or(u64::MAX, |next| next.millis_since(scheduled));
        let width = self.window_ms.min(gap).max(1);
        let offset = mixed(self.seed ^ scheduled.0) % width;
        Occurrence { scheduled, due: scheduled.plus_millis(offset) }
    }

    fn scheduled_after(&self, after: Timestamp) -> Option<Timestamp> {
        let after = match self.from.0 {
            0 => after,
            from => after.max(Timestamp(from - 1)),
        };
        let found = match &self.expression {
            Expression::At(at) => self.instant(*at).filter(|at| *at > after),
            Expression::Rate { period_ms } => self.rate_after(*period_ms, after),
            Expression::Cron(cron) => self.cron_after(cron, after),
        };
        found.filter(|at| self.end.is_none_or(|end| *at <= end))
    }

    fn rate_after(&self, period_ms: u64, after: Timestamp) -> Option<Timestamp> {
        if after < self.anchor {
            return Some(self.anchor);
        }
        let periods = after.millis_since(self.anchor).checked_div(period_ms)?.checked_add(1)?;
        let at = self.anchor.0.checked_add(periods.checked_mul(period_ms)?)?;
        Some(Timestamp(at))
    }

    fn cron_after(&self, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
        let instant = jiff::Timestamp::from_millisecond(i64::try_from(after.0).ok()?).ok()?;
        let mut local = self.zone.to_datetime(instant);
        // Few local times are left out or have been there before: those of one hour, or of one day
        // where a country moves across the date line. An expression of nothing else ends by itself.
        loop {
            local = cron.next(local)?;
            if let Some(at) = self.instant(local).filter(|at| *at > after) {
                return Some(at);
            }
        }
    }

    /// When the clock on the wall shows a time, for the first time; `None` if it never does.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let offset = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } => before,
            AmbiguousOffset::Gap { .. } => return None,
        };
        let instant = offset.to_timestamp(local).ok()?;
        u64::try_from(instant.as_millisecond()).ok().map(Timestamp)
    }
}

/// A number for a text, the same in every version of this program.
#[must_use]
pub fn seed_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A number in which every bit depends on every bit of another one.
#[must_use]
pub fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
