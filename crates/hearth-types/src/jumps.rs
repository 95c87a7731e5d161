//! Notices that the time of day was set, or that the machine was asleep.
//!
//! What is decided by durations does not care. People who read logs and times in them do.

use crate::time::{Moment, Timestamp};

/// A smaller one is corrected by the clock's keeper all the time, or is the wait for a processor.
const JUMP_MS_MIN: u64 = 2_000;

/// Two clocks as they were last seen: one that never jumps, and the time of day.
#[derive(Debug, Default)]
pub struct Jumps {
    last: Option<(Moment, Timestamp)>,
}

impl Jumps {
    /// Looks at both. By how many milliseconds the time of day has jumped since the last look, if it
    /// has: fewer than none if it went back.
    pub fn look(&mut self, now: Moment, of_day: Timestamp) -> Option<i64> {
        let (before, day_before) = self.last.replace((now, of_day))?;
        let signed = |milliseconds: u64| i64::try_from(milliseconds).unwrap_or(i64::MAX);
        let shown = signed(of_day.0).saturating_sub(signed(day_before.0));
        let jump = shown.saturating_sub(signed(now.millis_since(before)));
        (jump.unsigned_abs() >= JUMP_MS_MIN).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_seen_to_jump_forward_and_back() {
        let mut jumps = Jumps::default();
        #[rustfmt::skip]
        let rows = [
            (0,     9_000_000, None),
            (1_000, 9_001_000, None),
            (2_000, 9_002_900, None),
            (3_000, 5_403_900, Some(-3_600_000)),
            (4_000, 5_404_900, None),
            (5_000, 9_000_000, Some(3_594_100)),
        ];
        for (now, of_day, expected) in rows {
            assert_eq!(jumps.look(Moment(now), Timestamp(of_day)), expected, "{now}");
        }
    }
}
