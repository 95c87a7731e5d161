//! Clocks for tests.
//!
//! # Deliberately absent
//!
//! No server can have one: they are compiled for the tests of this crate and, by the feature
//! `testing`, for those of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::time::{Clock, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct StandingClock(AtomicU64);

impl StandingClock {
    /// One that stands there.
    #[must_use]
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(now.0)))
    }

    /// Sets it.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn pass(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets it back.
    pub fn set_back(&self, millis: u64) {
        self.0.fetch_sub(millis, Ordering::SeqCst);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A clock that goes with the reactor's, which tests pause.
#[derive(Debug)]
pub struct ReactorClock {
    began: Instant,
    beginning: Timestamp,
}

impl ReactorClock {
    /// One that goes on from there.
    #[must_use]
    pub fn starting_at(beginning: Timestamp) -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), beginning })
    }
}

impl Clock for ReactorClock {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.beginning.plus_millis(passed)
    }
}
