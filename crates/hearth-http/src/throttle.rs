//! How many requests there may be: a bucket of tokens for each thing that has a bound, such as the
//! route of a stage, or a key in a usage plan.
//!
//! # Promises
//!
//! 1. There is a bound on the buckets. One that is forgotten is full when it comes back.
//! 2. A bucket whose bound has changed begins anew.
//!
//! # Deliberately absent
//!
//! A bound on all APIs together: the functions behind them have theirs, and this host its own.

use std::collections::HashMap;
use std::sync::Mutex;

use hearth_types::bucket::{Rate, TokenBucket};
use hearth_types::time::Moment;
use tokio::time::Instant;

use crate::apis::limits::{BUCKETS_MAX, BURST_DEFAULT};

/// There are too many requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

/// The buckets.
#[derive(Debug)]
pub(crate) struct Throttle {
    began: Instant,
    buckets: Mutex<HashMap<String, (Rate, TokenBucket)>>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { began: Instant::now(), buckets: Mutex::default() }
    }
}

impl Throttle {
    /// Lets a request in, or says that there are too many. The names are those of what has the bound,
    /// from the outside in; none but the last one has a space.
    pub(crate) fn enter(&self, names: &[&str], rate: Option<Rate>) -> Result<(), TooMany> {
        let Some(rate) = rate else { return Ok(()) };
        let name = names.join(" ");
        let millis = self.began.elapsed().as_millis();
        let now = Moment(u64::try_from(millis).unwrap_or(u64::MAX));
        let mut buckets = self.buckets.lock().expect("no code panics while it holds the buckets");
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&name) {
            let oldest = buckets.values().map(|(_, bucket)| bucket.at()).min().unwrap_or_default();
            buckets.retain(|_, (_, bucket)| bucket.at() > oldest);
        }
        let full = (rate, TokenBucket::full(rate, now));
        let (known, bucket) = buckets.entry(name).or_insert(full);
        if *known != rate {
            (*known, *bucket) = full;
        }
        bucket.take(rate, now).map_err(|_wait_millis| TooMany)
    }
}

/// The bound, if there is one: so many requests in a second, and so many at once.
pub(crate) fn rate(per_second: Option<f64>, burst: Option<u32>) -> Option<Rate> {
    if per_second.is_none() && burst.is_none() {
        return None;
    }
    let rate_default = u64::from(BURST_DEFAULT) * 20;
    Some(Rate {
        capacity: u64::from(burst.unwrap_or(BURST_DEFAULT)),
        per_ten_seconds: per_second.map_or(rate_default, per_ten_seconds),
    })
}

/// A rate may have a fraction, of which a tenth is kept. It was checked to be a number from 0 on.
fn per_ten_seconds(rate: f64) -> u64 {
    const RATE_MAX: f64 = 1_000_000_000.0;
    format!("{:.0}", rate.clamp(0.0, RATE_MAX) * 10.0).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NAMES: [&str; 3] = ["api", "stage", "GET /"];

    #[tokio::test(start_paused = true)]
    async fn a_route_has_its_burst_and_its_rate() {
        let throttle = Throttle::default();
        let bound = rate(Some(0.5), Some(2));
        let enter = || throttle.enter(&NAMES, bound).is_ok();
        assert_eq!([enter(), enter(), enter()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!([enter(), enter()], [true, false]);
        assert!(throttle.enter(&["api", "stage", "GET /other"], bound).is_ok());
        let changed = rate(Some(0.5), Some(3));
        assert!(throttle.enter(&NAMES, changed).is_ok(), "the bound was changed");
        assert!(throttle.enter(&NAMES, None).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_bound_on_the_buckets() {
        let throttle = Throttle::default();
        let one = rate(Some(0.0), Some(1));
        assert!(throttle.enter(&["oldest"], one).is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        for number in 1..BUCKETS_MAX {
            assert!(throttle.enter(&[&number.to_string()], one).is_ok(), "{number}");
        }
        assert_eq!(throttle.enter(&["oldest"], one), Err(TooMany));
        assert_eq!(throttle.enter(&["1"], one), Err(TooMany), "it is there, and nobody has to go");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(throttle.enter(&["oldest"], one), Err(TooMany));
        assert!(throttle.enter(&["one more"], one).is_ok());
        assert_eq!(throttle.enter(&["oldest"], one), Err(TooMany), "it was used last");
        assert!(throttle.enter(&["1"], one).is_ok(), "it was not used for longest");
    }

    #[test]
    fn bounds_become_rates() {
        let of = |capacity, per_ten_seconds| Some(Rate { capacity, per_ten_seconds });
        #[rustfmt::skip]
        let rows = [
            (None,      None,    None),
            (Some(2.5), Some(3), of(3, 25)),
            (Some(0.0), Some(0), of(0, 0)),
            (Some(1.0), None,    of(5_000, 10)),
            (None,      Some(7), of(7, 100_000)),
        ];
        for (per_second, burst, expected) in rows {
            assert_eq!(rate(per_second, burst), expected, "{per_second:?} {burst:?}");
        }
    }

    #[test]
    fn rates_have_fractions() {
        #[rustfmt::skip]
        let rows = [(0.0, 0), (0.1, 1), (0.5, 5), (100.0, 1_000), (1e300, 10_000_000_000)];
        for (rate, expected) in rows {
            assert_eq!(per_ten_seconds(rate), expected, "{rate}");
        }
    }
}
