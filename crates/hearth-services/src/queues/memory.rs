//! A clock that tests move.

use std::sync::{Arc, Mutex};

use hearth_types::time::{Clock, Timestamp};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(super) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(super) fn at(millis: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Timestamp(millis))))
    }

    pub(super) fn pass(&self, millis: u64) {
        let mut now = self.0.lock().unwrap();
        *now = now.plus_millis(millis);
    }

    /// Somebody sets it back.
    pub(super) fn set_back(&self, millis: u64) {
        let mut now = self.0.lock().unwrap();
        *now = Timestamp(now.0 - millis);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}
