//! Telling whoever waits for a lane that something was put into it.
//!
//! A signal says that it may pay to look; it carries nothing. An entry that becomes due by time
//! alone gives none: whoever waits knows [`super::Queue::next_due`].
//!
//! Of those who wait for one lane, one is told of a signal, so that not all of them look for one
//! entry. There may be more in the lane than it takes, and signals that come together count as one,
//! so it passes on what it was told:
//!
//! ```text
//!  signal ──▶ one is told ──▶ it looks ──found something, or gave up──▶ the next one is told
//!                                └─────found nothing───▶ it waits again, and nobody is told
//! ```
//!
//! # Promises
//!
//! 1. A signal between the making of a [`Waiting`] and its end is not missed: as long as there is
//!    something in the lane, one after the other is told.
//! 2. Memory is bounded by the number of those who wait and of the lanes that exist.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;

use crate::queue::Lane;

/// Who is told of what.
#[derive(Debug, Default)]
pub struct Signals {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lanes: HashMap<Lane, Weak<Notify>>,
    kinds: HashMap<&'static str, Vec<Weak<Inbox>>>,
    /// The kinds that anybody here ever waited for.
    known: BTreeSet<&'static str>,
}

/// The lanes that somebody has not looked at yet.
#[derive(Debug, Default)]
struct Inbox {
    lanes: Mutex<BTreeSet<Lane>>,
    news: Notify,
}

/// Somebody who waits for one lane.
///
/// It is made before the first look. Whoever has found something drops it, so that the next one is
/// told of what is left; so does whoever is cancelled.
#[derive(Debug)]
pub struct Waiting {
    notify: Arc<Notify>,
    /// Whether it was told and has not come back, which would mean that it found nothing.
    told: AtomicBool,
}

impl Waiting {
    fn new(notify: Arc<Notify>) -> Self {
        Self { notify, told: AtomicBool::new(false) }
    }

    /// Ends when it may pay to look. Called again, it says that there was nothing.
    pub async fn signalled(&self) {
        self.told.store(false, Ordering::Relaxed);
        // One that is told and dropped before it goes on tells the next one by itself.
        self.notify.notified().await;
        self.told.store(true, Ordering::Relaxed);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if *self.told.get_mut() {
            self.notify.notify_one();
        }
    }
}

/// Somebody who deals with all lanes of a kind.
#[derive(Debug)]
pub struct Subscription {
    inbox: Arc<Inbox>,
}

impl Subscription {
    /// The lanes that were signalled since the last call; waits until there is one.
    pub async fn next(&self) -> BTreeSet<Lane> {
        loop {
            let lanes = std::mem::take(&mut *lock(&self.inbox.lanes));
            if !lanes.is_empty() {
                return lanes;
            }
            self.inbox.news.notified().await;
        }
    }
}

impl Signals {
    /// Waits for one lane.
    #[must_use]
    pub fn wait_for(&self, lane: &Lane) -> Waiting {
        let mut state = lock(&self.state);
        if let Some(notify) = state.lanes.get(lane).and_then(Weak::upgrade) {
            return Waiting::new(notify);
        }
        state.lanes.retain(|_, notify| notify.strong_count() > 0);
        state.known.insert(lane.kind);
        let notify = Arc::new(Notify::new());
        state.lanes.insert(lane.clone(), Arc::downgrade(&notify));
        Waiting::new(notify)
    }

    /// Hears of all lanes of a kind.
    #[must_use]
    pub fn subscribe(&self, kind: &'static str) -> Subscription {
        let inbox = Arc::new(Inbox::default());
        let mut state = lock(&self.state);
        state.known.insert(kind);
        state.kinds.entry(kind).or_default().push(Arc::downgrade(&inbox));
        Subscription { inbox }
    }

    /// The kinds of lanes that anybody waited for since the start. What another process says of
    /// other kinds is of no use to this one.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static str> {
        lock(&self.state).known.iter().copied().collect()
    }

    /// Says that there may be something to lease in a lane: an entry was put or returned, or one was
    /// removed that others of its group had to wait for.
    pub fn signal(&self, lane: &Lane) {
        let mut state = lock(&self.state);
        if let Some(notify) = state.lanes.get(lane).and_then(Weak::upgrade) {
            notify.notify_one();
        }
        if let Some(inboxes) = state.kinds.get_mut(lane.kind) {
            inboxes.retain(|inbox| inbox.strong_count() > 0);
            for inbox in inboxes.iter().filter_map(Weak::upgrade) {
                lock(&inbox.lanes).insert(lane.clone());
                inbox.news.notify_one();
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds the signals")
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// Whether it is told at once.
    fn is_told(waiting: &Waiting) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(waiting.signalled()).poll(&mut context).is_ready()
    }

    fn lane(kind: &'static str, name: &str) -> Lane {
        Lane { kind, name: name.to_owned() }
    }

    #[tokio::test]
    async fn a_signal_before_the_wait_is_not_missed() {
        let signals = Signals::default();
        let waiting = signals.wait_for(&lane("sqs", "a"));
        signals.signal(&lane("sqs", "b"));
        signals.signal(&lane("sqs", "a"));
        waiting.signalled().await;
    }

    #[test]
    fn signals_that_come_together_are_enough_for_all_who_find_something() {
        let signals = Signals::default();
        let all: Vec<Waiting> = (0..3).map(|_one| signals.wait_for(&lane("sqs", "a"))).collect();
        signals.signal(&lane("sqs", "a"));
        signals.signal(&lane("sqs", "a"));
        for waiting in all {
            assert!(is_told(&waiting));
            // It has found something and goes.
        }
    }

    #[test]
    fn whoever_found_nothing_tells_nobody() {
        let signals = Signals::default();
        let (first, second) =
            (signals.wait_for(&lane("sqs", "a")), signals.wait_for(&lane("sqs", "a")));
        signals.signal(&lane("sqs", "a"));
        assert!(is_told(&first));
        assert!(!is_told(&first), "it looked, found nothing and waits again");
        drop(first);
        assert!(!is_told(&second));
    }

    #[test]
    fn one_is_told_of_one_signal_while_several_wait() {
        let signals = Signals::default();
        let (first, second) =
            (signals.wait_for(&lane("sqs", "a")), signals.wait_for(&lane("sqs", "a")));
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = pin!(first.signalled());
        let mut other = pin!(second.signalled());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_pending());
        signals.signal(&lane("sqs", "a"));
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        assert!(other.as_mut().poll(&mut context).is_pending());
    }

    #[tokio::test]
    async fn whoever_is_cancelled_passes_on_what_it_was_told() {
        let signals = Signals::default();
        let second = signals.wait_for(&lane("sqs", "a"));
        {
            let first = signals.wait_for(&lane("sqs", "a"));
            let mut context = Context::from_waker(Waker::noop());
            let mut waiting = pin!(first.signalled());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            signals.signal(&lane("sqs", "a"));
            // Told, and dropped before it could go on.
        }
        second.signalled().await;

        let third = signals.wait_for(&lane("sqs", "a"));
        drop(second); // Told, and dropped before it could look.
        third.signalled().await;
    }

    #[tokio::test]
    async fn a_subscription_hears_each_lane_of_its_kind_once() {
        let signals = Signals::default();
        let subscription = signals.subscribe("invoke");
        for name in ["a", "b", "a"] {
            signals.signal(&lane("invoke", name));
            signals.signal(&lane("sqs", name));
        }
        let heard = subscription.next().await;
        assert_eq!(heard, BTreeSet::from([lane("invoke", "a"), lane("invoke", "b")]));
    }

    #[test]
    fn the_kinds_that_somebody_waits_for_are_known() {
        let signals = Signals::default();
        assert_eq!(signals.kinds(), Vec::<&str>::new());
        drop(signals.subscribe("invoke"));
        drop(signals.wait_for(&lane("sqs", "a")));
        signals.signal(&lane("sns", "a"));
        assert_eq!(signals.kinds(), ["invoke", "sqs"]);
    }

    #[test]
    fn whoever_went_away_is_forgotten() {
        let signals = Signals::default();
        drop(signals.wait_for(&lane("sqs", "a")));
        drop(signals.subscribe("sqs"));
        let kept = signals.wait_for(&lane("sqs", "b"));
        signals.signal(&lane("sqs", "b"));
        let state = lock(&signals.state);
        assert_eq!((state.lanes.len(), state.kinds["sqs"].len()), (1, 0));
        drop(kept);
    }
}
