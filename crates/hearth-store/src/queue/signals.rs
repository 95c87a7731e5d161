//! Telling whoever waits for a lane that something was put into it.
//!
//! A signal says that it may pay to look; it carries nothing. An entry that becomes due by time
//! alone gives none: whoever waits knows [`super::Queue::next_due`].
//!
//! # Promises
//!
//! 1. A signal between the making of a [`Waiting`] and its end is not missed.
//! 2. Memory is bounded by the number of those who wait and of the lanes that exist.

use std::collections::{BTreeSet, HashMap};
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
#[derive(Debug)]
pub struct Waiting {
    notify: Arc<Notify>,
}

impl Waiting {
    /// Ends when the lane was signalled since this was made or since the last call.
    pub async fn signalled(&self) {
        self.notify.notified().await;
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
    /// Waits for one lane. Each of several who wait for it is told in turn of one signal, as each
    /// signal is one chance to lease.
    #[must_use]
    pub fn wait_for(&self, lane: &Lane) -> Waiting {
        let mut state = lock(&self.state);
        if let Some(notify) = state.lanes.get(lane).and_then(Weak::upgrade) {
            return Waiting { notify };
        }
        state.lanes.retain(|_, notify| notify.strong_count() > 0);
        state.known.insert(lane.kind);
        let notify = Arc::new(Notify::new());
        state.lanes.insert(lane.clone(), Arc::downgrade(&notify));
        Waiting { notify }
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

    /// Says that there may be something to lease in a lane.
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
    use super::*;

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
