//! How many bytes of records are here, of all shards and partitions together.
//!
//! # Promises
//!
//! 1. Whoever has nothing may read a batch, whatever the others have: nobody starves.
//! 2. Whoever has something reads more only while there is room for it.
//!
//! # Deliberately absent
//!
//! Queues, of which nothing is taken that is not about to be run. And waiting for room: whoever has
//! something looks again when it is less.

use std::sync::{Arc, Mutex, MutexGuard};

/// What all readers have.
#[derive(Debug)]
pub struct Ahead {
    bytes: Mutex<usize>,
    bytes_max: usize,
}

impl Ahead {
    /// Nobody has anything, and together they may have so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes: Mutex::default(), bytes_max })
    }

    /// What one more reader has: nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { ahead: Arc::clone(self), held: 0, reserved: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.bytes.lock().expect("no code panics while it counts")
    }
}

/// What one reader has.
#[derive(Debug)]
pub(crate) struct Share {
    ahead: Arc<Ahead>,
    held: usize,
    /// What may come of a read.
    reserved: usize,
}

impl Share {
    /// Says how much there is now that nothing is being read.
    pub(crate) fn hold(&mut self, bytes: usize) {
        let before = self.held + self.reserved;
        (self.held, self.reserved) = (bytes, 0);
        if before != bytes {
            let mut all = self.ahead.lock();
            *all = all.saturating_sub(before).saturating_add(bytes);
        }
    }

    /// How many of the bytes that are wanted may be read now. They count until [`Share::hold`] says what
    /// came of it. `batch` are what is worth a read, and what one may always read who has nothing.
    pub(crate) fn reserve(&mut self, wanted: usize, batch: usize) -> Option<usize> {
        let least = wanted.min(batch);
        let mut all = self.ahead.lock();
        let free = self.ahead.bytes_max.saturating_sub(*all);
        let granted = wanted.min(if self.held == 0 { free.max(least) } else { free });
        if granted < least {
            return None;
        }
        *all = all.saturating_add(granted);
        self.reserved += granted;
        Some(granted)
    }

    /// Whether more may be read, for one who waits long for what comes, so that nothing is set aside.
    pub(crate) fn may_read(&self) -> bool {
        self.held == 0 || *self.ahead.lock() < self.ahead.bytes_max
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_something_reads_more_only_while_there_is_room() {
        let ahead = Ahead::new(100);
        let (mut one, mut other) = (ahead.share(), ahead.share());
        assert_eq!(one.reserve(80, 10), Some(80));
        one.hold(70);
        assert_eq!(one.reserve(80, 10), Some(30), "what is left");
        assert_eq!(other.reserve(80, 10), Some(10), "a batch, though nothing is left");
        other.hold(10);
        assert_eq!((one.may_read(), other.may_read()), (false, false));
        assert_eq!(other.reserve(80, 10), None);
        one.hold(85);
        assert_eq!(other.reserve(80, 10), None, "less than a batch is not worth it");
        assert_eq!(other.reserve(5, 10), Some(5), "unless it is all that is wanted");
        other.hold(0);
        assert!(other.may_read());
        drop(one);
        assert_eq!(other.reserve(200, 10), Some(100));
        drop(other);
        assert_eq!(*ahead.lock(), 0);
    }
}
