//! A token bucket: how much of something there may be, when it is refilled as time passes.
//!
//! # Promises
//!
//! 1. Over any span of time no more is taken than the capacity and what the span refills.
//! 2. What is not used is kept up to the capacity, and no further.
//! 3. The same sequence of calls gives the same answers: time is an argument.

use crate::time::Moment;

/// How fine a token is divided: what comes in a millisecond at one token in ten seconds.
const PARTS: u64 = 10_000;

/// How large a bucket is and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that a full bucket has.
    pub capacity: u64,
    /// Tokens that come in each ten seconds.
    pub per_ten_seconds: u64,
}

/// A bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// In parts of a token.
    level: u64,
    at: Moment,
}

impl TokenBucket {
    /// A full one.
    #[must_use]
    pub fn full(rate: Rate, now: Moment) -> Self {
        Self { level: rate.capacity.saturating_mul(PARTS), at: now }
    }

    /// When one was last taken, or tried to be.
    #[must_use]
    pub fn at(&self) -> Moment {
        self.at
    }

    /// How many whole tokens there are.
    #[must_use]
    pub fn tokens(&self, rate: Rate, now: Moment) -> u64 {
        self.level_at(rate, now) / PARTS
    }

    /// Takes one token, if there is one.
    ///
    /// # Errors
    ///
    /// If there is none: how many milliseconds it takes until there is one.
    pub fn take(&mut self, rate: Rate, now: Moment) -> Result<(), u64> {
        self.level = self.level_at(rate, now);
        self.at = self.at.max(now);
        if self.level >= PARTS {
            self.level -= PARTS;
            return Ok(());
        }
        let (missing, each) = (PARTS - self.level, rate.per_ten_seconds);
        Err(if each == 0 { u64::MAX } else { missing.div_ceil(each) })
    }

    fn level_at(&self, rate: Rate, now: Moment) -> u64 {
        let gained = now.millis_since(self.at).saturating_mul(rate.per_ten_seconds);
        self.level.saturating_add(gained).min(rate.capacity.saturating_mul(PARTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_is_emptied_at_once_and_filled_evenly() {
        let rate = Rate { capacity: 3, per_ten_seconds: 100 };
        let begin = Moment(5_000);
        let mut bucket = TokenBucket::full(rate, begin);
        let taken = (0..4).map(|_| bucket.take(rate, begin)).collect::<Vec<_>>();
        assert_eq!(taken, [Ok(()), Ok(()), Ok(()), Err(100)]);
        assert_eq!(bucket.take(rate, begin.plus_millis(60)), Err(40));
        assert_eq!(bucket.take(rate, begin.plus_millis(100)), Ok(()));
        assert_eq!(bucket.tokens(rate, begin.plus_millis(60_000)), 3, "no more than it holds");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_and_takes_nothing() {
        let rate = Rate { capacity: 1, per_ten_seconds: 10 };
        let mut bucket = TokenBucket::full(rate, Moment(9_000));
        assert_eq!(bucket.take(rate, Moment(1)), Ok(()));
        assert_eq!(bucket.take(rate, Moment(9_500)), Err(500));
        assert_eq!(bucket.take(rate, Moment(10_000)), Ok(()));
    }

    #[test]
    fn a_bucket_that_is_never_filled_says_so() {
        let rate = Rate { capacity: 0, per_ten_seconds: 0 };
        assert_eq!(TokenBucket::full(rate, Moment(0)).take(rate, Moment(0)), Err(u64::MAX));
    }
}
