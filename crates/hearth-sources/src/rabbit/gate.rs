//! What of a queue was passed on and waits to be taken: counted in bytes, so that no more is read while
//! there is enough.
//!
//! ```text
//!  the wire ──Inlet: passed_on, is_full──▶ what waits ◀──taken, close :Outlet── who reads the queue
//! ```
//!
//! # Promises
//!
//! 1. A wire that was told that there is enough is woken when there is not, or when nothing is wanted
//!    any more.
//! 2. Nothing is wanted any more when the outlet is gone, so that nobody waits for a wire that waits.
//!
//! # Deliberately absent
//!
//! The messages themselves: `lapin` has them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};

use hearth_types::limits;

use super::properties::Unfit;
use super::sieve::{Message, Wanted};

#[derive(Debug, Default)]
struct Waiting {
    /// In the order of their numbers. As many as the broker may send unacknowledged, at the most.
    messages: VecDeque<Message>,
    bytes: usize,
    wanted: Wanted,
    /// The wire's, while it waits.
    waker: Option<Waker>,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.wanted == Wanted::All && self.bytes >= limits::RABBIT_WAITING_BYTES_MAX
    }

    /// The waker to be used when the lock is not held any more.
    fn waker(&mut self) -> Option<Waker> {
        if self.is_full() { None } else { self.waker.take() }
    }
}

/// A gate that nothing waits behind.
pub(super) fn gate() -> (Inlet, Outlet) {
    let waiting: Arc<Mutex<Waiting>> = Arc::default();
    (Inlet(Arc::clone(&waiting)), Outlet(waiting))
}

/// The end where messages go in.
#[derive(Debug, Clone)]
pub(super) struct Inlet(Arc<Mutex<Waiting>>);

impl Inlet {
    /// Whether messages are wanted.
    pub(super) fn wanted(&self) -> Wanted {
        lock(&self.0).wanted
    }

    /// A message waits from now on.
    pub(super) fn passed_on(&self, message: Message) {
        let mut waiting = lock(&self.0);
        waiting.bytes = waiting.bytes.saturating_add(message.bytes);
        waiting.messages.push_back(message);
    }

    /// Whether there is enough. Whoever asks is woken when that changes.
    pub(super) fn is_full(&self, context: &Context<'_>) -> bool {
        let mut waiting = lock(&self.0);
        let is_full = waiting.is_full();
        waiting.waker = is_full.then(|| context.waker().clone());
        is_full
    }
}

/// The end where they come out.
#[derive(Debug)]
pub(super) struct Outlet(Arc<Mutex<Waiting>>);

impl Outlet {
    /// The message of this number, and those before it, do not wait any more. Says why it is unfit, if
    /// it is.
    pub(super) fn taken(&self, tag: u64) -> Option<Unfit> {
        let (unfit, waker) = {
            let mut waiting = lock(&self.0);
            let mut unfit = None;
            while let Some(first) = waiting.messages.pop_front_if(|first| first.tag <= tag) {
                waiting.bytes = waiting.bytes.saturating_sub(first.bytes);
                unfit = first.unfit.filter(|_unfit| first.tag == tag);
            }
            (unfit, waiting.waker())
        };
        wake(waker);
        unfit
    }

    /// No message is wanted any more.
    pub(super) fn close(&self) {
        let waker = {
            let mut waiting = lock(&self.0);
            waiting.wanted = Wanted::Nothing;
            waiting.waker()
        };
        wake(waker);
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.close();
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().expect("no code panics while it holds what waits")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Debug, Default)]
    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn message(tag: u64, bytes: usize) -> Message {
        Message { tag, bytes, unfit: None }
    }

    #[test]
    fn who_waits_is_woken_when_there_is_less_than_enough() {
        let (inlet, outlet) = gate();
        let counts = Arc::new(Counts::default());
        let waker = Waker::from(Arc::clone(&counts));
        let context = Context::from_waker(&waker);
        let half = limits::RABBIT_WAITING_BYTES_MAX / 2;
        inlet.passed_on(message(1, half));
        assert!(!inlet.is_full(&context));
        inlet.passed_on(message(2, half));
        inlet.passed_on(message(3, half));
        assert!(inlet.is_full(&context));
        assert_eq!(outlet.taken(1), None);
        assert_eq!(counts.0.load(Ordering::Relaxed), 0, "there is still enough");
        assert_eq!(outlet.taken(2), None);
        assert_eq!(counts.0.load(Ordering::Relaxed), 1);
        assert!(!inlet.is_full(&context));
    }

    #[test]
    fn who_waits_is_woken_when_nothing_is_wanted_any_more() {
        let (inlet, outlet) = gate();
        let counts = Arc::new(Counts::default());
        let waker = Waker::from(Arc::clone(&counts));
        let context = Context::from_waker(&waker);
        inlet.passed_on(message(1, limits::RABBIT_WAITING_BYTES_MAX));
        assert!(inlet.is_full(&context));
        assert_eq!(inlet.wanted(), Wanted::All);
        drop(outlet);
        assert_eq!(counts.0.load(Ordering::Relaxed), 1);
        assert!(!inlet.is_full(&context));
        assert_eq!(inlet.wanted(), Wanted::Nothing);
    }

    #[test]
    fn an_unfit_message_is_known_by_its_number() {
        let (inlet, outlet) = gate();
        inlet.passed_on(Message { tag: 1, bytes: 1, unfit: Some(Unfit::Malformed) });
        inlet.passed_on(message(2, 1));
        inlet.passed_on(Message { tag: 3, bytes: 1, unfit: Some(Unfit::Deep) });
        assert_eq!(outlet.taken(2), None);
        assert_eq!(outlet.taken(3), Some(Unfit::Deep));
        assert_eq!(outlet.taken(3), None);
    }
}
