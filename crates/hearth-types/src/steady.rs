//! Time for the queue: the time of day, but never back.
//!
//! What is due is decided by the time of day, because it must mean the same after a restart. Within
//! one run of the server it goes on evenly when somebody sets the clock back: what was due stays
//! due, and a lease ends when it was said to. Whoever puts, leases, counts or purges by time asks
//! the same one.
//!
//! # Deliberately absent
//!
//! No way forward for a clock that is wrong: where it is ahead of the time of day, it stays so until
//! the time of day has come up with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::time::{Clock, Timestamp};

/// A clock that follows another one forward, and goes on by itself when that is set back.
#[derive(Debug)]
pub struct Steady {
    clock: Arc<dyn Clock>,
    began: Instant,
    /// The latest time of day that `began` can have been.
    beginning: AtomicU64,
}

impl Steady {
    /// One that begins now.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let beginning = AtomicU64::new(clock.now().0);
        Self { clock, began: Instant::now(), beginning }
    }

    /// One that begins now, but not earlier than it is known to have been already.
    #[must_use]
    pub fn no_earlier_than(earliest: Timestamp, clock: Arc<dyn Clock>) -> Self {
        let steady = Self::new(clock);
        steady.beginning.fetch_max(earliest.0, Ordering::Relaxed);
        steady
    }

    /// The time that the queue goes by.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let beginning = self.clock.now().0.saturating_sub(passed);
        let before = self.beginning.fetch_max(beginning, Ordering::Relaxed);
        Timestamp(before.max(beginning)).plus_millis(passed)
    }

    /// The time of day, for ages: what was accepted has the time of day as well.
    #[must_use]
    pub fn of_day(&self) -> Timestamp {
        self.clock.now()
    }
}

/// For those who need not know that it is one.
impl Clock for Steady {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::StandingClock;

    #[tokio::test(start_paused = true)]
    async fn it_follows_a_clock_forward_and_never_back() {
        let clock = StandingClock::at(Timestamp(10_000_000));
        let steady = Steady::new(Arc::clone(&clock) as Arc<dyn Clock>);
        assert_eq!(steady.now(), Timestamp(10_000_000));
        clock.set(Timestamp(6_400_000)); // An hour back.
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(steady.now(), Timestamp(10_005_000));
        clock.set(Timestamp(20_000_000));
        assert_eq!(steady.now(), Timestamp(20_000_000));
        assert_eq!(steady.of_day(), Timestamp(20_000_000));
        assert_eq!(Clock::now(&steady), Timestamp(20_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_what_is_known_until_the_clock_has_come_up_with_it() {
        let clock = StandingClock::at(Timestamp(6_000_000));
        let as_clock = || Arc::clone(&clock) as Arc<dyn Clock>;
        let steady = Steady::no_earlier_than(Timestamp(10_000_000), as_clock());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(steady.now(), Timestamp(10_005_000));
        clock.set(Timestamp(11_000_000));
        assert_eq!(steady.now(), Timestamp(11_000_000));
        let later = Steady::no_earlier_than(Timestamp(10_000_000), as_clock());
        assert_eq!(later.now(), Timestamp(11_000_000));
    }
}
