//! How many deliveries an endpoint gets in a second, where a delivery policy says so.
//!
//! ```text
//!  places   |   |   |   |   |      one each 1/rate of a second
//!           ▲   ▲   ▲
//!        taken, one by one; too far away: nothing is taken, and it is tried again then
//! ```
//!
//! # Promises
//!
//! 1. No two places of a lane are closer together than its rate says.
//! 2. Nobody gets a place that is further away than [`limits::DELIVERY_WAIT_MS_MAX`].
//! 3. Memory is bounded by the lanes with a rate that have had deliveries a short while ago.
//!
//! # Deliberately absent
//!
//! No clock and no waiting. After a restart nothing is known of deliveries before it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use hearth_types::limits;
use hearth_types::time::Timestamp;

/// When a delivery may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// After so many milliseconds. Nobody else gets this place.
    After { ms: u64 },
    /// Not soon. It may ask again at that time.
    Later { due: Timestamp },
}

/// What is known of a lane.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: u32,
    /// The next place that is free, in microseconds since 1970.
    next: u64,
}

/// The lanes that have a rate, by their names.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    lanes: Mutex<HashMap<String, Rate>>,
}

impl Throttle {
    /// Takes the next place of a lane whose endpoint gets so many deliveries in a second.
    pub(super) fn take(&self, lane: &str, per_second: u32, now: Timestamp) -> Place {
        let now = now.0.saturating_mul(1_000);
        let mut lanes = self.lock();
        if !lanes.contains_key(lane) {
            let kept = limits::DELIVERY_RATE_KEPT_MS * 1_000;
            lanes.retain(|_, rate| rate.next.saturating_add(kept) > now);
            lanes.insert(lane.to_owned(), Rate { per_second, next: now });
        }
        let rate = lanes.get_mut(lane).expect("it is there, or was just put");
        rate.per_second = per_second;
        let place = rate.next.max(now);
        let ms = (place - now).div_ceil(1_000);
        if ms > limits::DELIVERY_WAIT_MS_MAX {
            return Place::Later { due: Timestamp(place.div_ceil(1_000)) };
        }
        let apart = 1_000_000_u64.div_ceil(u64::from(per_second.max(1)));
        rate.next = place.saturating_add(apart);
        Place::After { ms }
    }

    /// How many deliveries of a lane may begin in a second, if that is known.
    pub(super) fn per_second(&self, lane: &str) -> Option<u32> {
        self.lock().get(lane).map(|rate| rate.per_second)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Rate>> {
        self.lanes.lock().expect("no code panics while it holds the rates")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_404_035_123);

    #[test]
    fn places_are_as_far_apart_as_the_rate_says() {
        let throttle = Throttle::default();
        let take = |after_ms| throttle.take("l", 2, NOW.plus_millis(after_ms));
        #[rustfmt::skip]
        let rows = [
            (0,      Place::After { ms: 0 }),
            (0,      Place::After { ms: 500 }),
            (0,      Place::After { ms: 1_000 }),
            (0,      Place::Later { due: NOW.plus_millis(1_500) }),
            (0,      Place::Later { due: NOW.plus_millis(1_500) }),
            (600,    Place::After { ms: 900 }),
            (10_000, Place::After { ms: 0 }),
            (10_100, Place::After { ms: 400 }),
        ];
        for (after_ms, expected) in rows {
            assert_eq!(take(after_ms), expected, "{after_ms}");
        }
        assert_eq!(throttle.take("other", 2, NOW), Place::After { ms: 0 });
    }

    #[test]
    fn a_rate_is_not_exceeded_because_it_does_not_divide_a_second() {
        let throttle = Throttle::default();
        let mut now = NOW;
        let mut taken = 0;
        while now < NOW.plus_millis(10_000) {
            match throttle.take("l", 300, now) {
                Place::After { ms } => {
                    taken += 1;
                    now = now.plus_millis(ms);
                }
                Place::Later { due } => now = due,
            }
        }
        assert!((2_990..=3_001).contains(&taken), "{taken}");
    }

    #[test]
    fn lanes_that_have_rested_are_forgotten() {
        let throttle = Throttle::default();
        throttle.take("l", 5, NOW);
        throttle.take("m", 5, NOW.plus_millis(1_000));
        assert_eq!(throttle.per_second("l"), Some(5));
        let later = NOW.plus_millis(limits::DELIVERY_RATE_KEPT_MS + 1_000);
        throttle.take("n", 5, later);
        assert_eq!((throttle.per_second("l"), throttle.per_second("m")), (None, Some(5)));
    }
}
