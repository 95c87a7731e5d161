//! How fast requests may come: token buckets by name.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use hearth_types::bucket::{Rate, TokenBucket};
use hearth_types::time::Moment;

use super::super::limits;

/// What is taken where only the rate is bounded: AWS's bounds of an account.
const BURST_DEFAULT: u64 = 5_000;
/// What is taken where only the burst is bounded.
const RATE_DEFAULT: f64 = 10_000.0;

/// The buckets.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<String, Held>>);

#[derive(Debug)]
struct Held {
    bucket: TokenBucket,
    rate: Rate,
}

impl Buckets {
    /// Whether one more request may pass. A bucket whose bounds have changed begins anew.
    #[must_use]
    pub(super) fn lets(&self, name: &str, rate: Rate, now: Moment) -> bool {
        let mut buckets = self.0.lock().expect("no code panics while it holds the buckets");
        if buckets.len() >= limits::BUCKETS_MAX && !buckets.contains_key(name) {
            let oldest = buckets.iter().min_by_key(|(_, held)| held.bucket.at());
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                buckets.remove(&oldest);
            }
        }
        let full = || Held { bucket: TokenBucket::full(rate, now), rate };
        let held = buckets.entry(name.to_owned()).or_insert_with(full);
        if held.rate != rate {
            *held = full();
        }
        held.bucket.take(rate, now).is_ok()
    }
}

/// The bounds of a bucket, if there are any.
#[must_use]
pub(super) fn rate(per_second: Option<f64>, burst: Option<i32>) -> Option<Rate> {
    if per_second.is_none() && burst.is_none() {
        return None;
    }
    let seconds = Duration::try_from_secs_f64(per_second.unwrap_or(RATE_DEFAULT));
    let tenths = seconds.unwrap_or(Duration::MAX).as_millis() / 100;
    Some(Rate {
        capacity: burst.map_or(BURST_DEFAULT, |burst| u64::try_from(burst).unwrap_or(0)),
        per_ten_seconds: u64::try_from(tenths).unwrap_or(u64::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_become_rates() {
        let of = |capacity, per_ten_seconds| Some(Rate { capacity, per_ten_seconds });
        #[rustfmt::skip]
        let rows = [
            (None,        None,     None),
            (Some(2.5),   Some(3),  of(3, 25)),
            (Some(0.0),   Some(0),  of(0, 0)),
            (Some(1.0),   None,     of(5_000, 10)),
            (None,        Some(7),  of(7, 100_000)),
            (None,        Some(-7), of(0, 100_000)),
        ];
        for (per_second, burst, expected) in rows {
            assert_eq!(rate(per_second, burst), expected, "{per_second:?} {burst:?}");
        }
    }

    #[test]
    fn each_name_has_a_bucket_of_its_own() {
        let (buckets, now) = (Buckets::default(), Moment(0));
        let slow = Rate { capacity: 1, per_ten_seconds: 10 };
        assert!(buckets.lets("a", slow, now));
        assert!(!buckets.lets("a", slow, now));
        assert!(buckets.lets("b", slow, now));
        assert!(buckets.lets("a", slow, now.plus_millis(1_000)));
        let fast = Rate { capacity: 2, per_ten_seconds: 10 };
        assert!(buckets.lets("a", fast, now.plus_millis(1_000)), "new bounds, a new bucket");
    }
}
