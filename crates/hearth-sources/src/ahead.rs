//! How many bytes of records are here, of all shards, partitions and queues together.
//!
//! ```text
//!  reserve, before a read ──▶ hold, what came of it ──▶ hand on, to a batch with a task of its own
//! ```
//!
//! # Promises
//!
//! 1. Whoever has nothing may read a batch, whatever the others have: nobody starves.
//! 2. Whoever has something reads more only while there is room for it.
//! 3. Whoever was refused can wait until there is less.
//!
//! # Deliberately absent
//!
//! What a read takes for a moment: the answer of a broker, and what it is decompressed to. And an order
//! among those who wait for room: each has something meanwhile, and the first that looks gets it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

/// What all readers have.
#[derive(Debug)]
pub struct Ahead {
    bytes: Mutex<usize>,
    bytes_max: usize,
    /// There is less than there was.
    less: Notify,
}

impl Ahead {
    /// Nobody has anything, and together they may have so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { bytes: Mutex::default(), bytes_max, less: Notify::new() })
    }

    /// What one more reader has: nothing yet.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share {
            ahead: Arc::clone(self),
            held: 0,
            reserved: 0,
            handed_on: Arc::default(),
            is_refused: false,
        }
    }

    /// Ends when there is less than there was when this was called, awaited or not. So it is called
    /// before [`Share::reserve`] by whoever waits if that is refused. May be dropped at any moment.
    pub(crate) fn less(&self) -> impl Future<Output = ()> + Send {
        self.less.notified()
    }

    /// Counts so many bytes in place of what somebody had.
    fn change(&self, before: usize, after: usize) {
        if before != after {
            let mut all = self.lock();
            *all = all.saturating_sub(before).saturating_add(after);
        }
        if after < before {
            self.less.notify_waiters();
        }
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
    /// What its [`Lot`]s have.
    handed_on: Arc<AtomicUsize>,
    is_refused: bool,
}

impl Share {
    /// Says how much there is now that nothing is being read, without what was handed on.
    pub(crate) fn hold(&mut self, bytes: usize) {
        let before = self.held + self.reserved;
        (self.held, self.reserved, self.is_refused) = (bytes, 0, false);
        self.ahead.change(before, bytes);
    }

    /// How many of the bytes that are wanted may be read now. They count until [`Share::hold`] says what
    /// came of it. `batch` are what is worth a read, and what one may always read who has nothing.
    pub(crate) fn reserve(&mut self, wanted: usize, batch: usize) -> Option<usize> {
        let least = wanted.min(batch);
        let has_nothing = self.held == 0 && self.handed_on.load(Ordering::Acquire) == 0;
        let mut all = self.ahead.lock();
        let free = self.ahead.bytes_max.saturating_sub(*all);
        let granted = wanted.min(if has_nothing { free.max(least) } else { free });
        self.is_refused = granted < least;
        if self.is_refused {
            return None;
        }
        *all = all.saturating_add(granted);
        self.reserved += granted;
        Some(granted)
    }

    /// Whether there was no room when it was asked for last.
    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// Hands so many bytes of what is held on to a batch, which has them until what is returned is
    /// dropped. This reader has something until then.
    pub(crate) fn hand_on(&mut self, bytes: usize) -> Lot {
        let of_held = bytes.min(self.held);
        self.held -= of_held;
        self.ahead.change(of_held, bytes);
        self.handed_on.fetch_add(bytes, Ordering::AcqRel);
        Lot { ahead: Arc::clone(&self.ahead), bytes, of: Arc::clone(&self.handed_on) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.hold(0);
    }
}

/// What a batch has that a reader has handed on.
#[derive(Debug)]
pub(crate) struct Lot {
    ahead: Arc<Ahead>,
    bytes: usize,
    /// What all lots of that reader have.
    of: Arc<AtomicUsize>,
}

impl Drop for Lot {
    fn drop(&mut self) {
        // Whoever is told that there is less finds it so.
        self.of.fetch_sub(self.bytes, Ordering::AcqRel);
        self.ahead.change(self.bytes, 0);
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
        assert_eq!(other.reserve(80, 10), None);
        assert!(other.is_refused());
        one.hold(85);
        assert_eq!(other.reserve(80, 10), None, "less than a batch is not worth it");
        assert_eq!(other.reserve(5, 10), Some(5), "unless it is all that is wanted");
        assert!(!other.is_refused());
        other.hold(0);
        drop(one);
        assert_eq!(other.reserve(200, 10), Some(100));
        drop(other);
        assert_eq!(*ahead.lock(), 0);
    }

    #[test]
    fn what_was_handed_on_counts_until_the_batch_is_done() {
        let ahead = Ahead::new(100);
        let (mut one, mut other) = (ahead.share(), ahead.share());
        other.hold(95);
        one.hold(30);
        let (first, second) = (one.hand_on(20), one.hand_on(10));
        assert_eq!(*ahead.lock(), 125);
        assert_eq!(one.reserve(10, 10), None, "it has something, though no longer itself");
        drop(first);
        assert_eq!(one.reserve(10, 10), None);
        drop(second);
        assert_eq!(one.reserve(10, 10), Some(10), "now it has nothing");
        let last = one.hand_on(7);
        drop((one, other));
        assert_eq!(*ahead.lock(), 7, "a batch may outlive its reader");
        drop(last);
        assert_eq!(*ahead.lock(), 0);
    }

    #[tokio::test]
    async fn who_was_refused_is_told_when_there_is_less() {
        let ahead = Ahead::new(100);
        let mut one = ahead.share();
        one.hold(100);
        let lot = one.hand_on(40);
        let less = ahead.less();
        assert_eq!(one.reserve(20, 20), None);
        drop(lot);
        less.await;
        assert_eq!(one.reserve(20, 20), Some(20));
    }
}
