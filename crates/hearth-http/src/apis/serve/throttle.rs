//! How many requests there may be: a bucket for each route of a stage that has a bound.
//!
//! # Deliberately absent
//!
//! A bound on all APIs together: the functions behind them have theirs, and this host its own.

use std::collections::HashMap;
use std::sync::Mutex;

use hearth_types::bucket::{Rate, TokenBucket};
use hearth_types::time::Moment;
use tokio::time::Instant;

use super::super::limits::{BUCKETS_MAX, BURST_DEFAULT};
use super::super::record::RouteSettings;

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
    /// Lets a request in, or says that there are too many. The names are those of the API, the
    /// stage and the route.
    pub(crate) fn enter(&self, names: [&str; 3], settings: RouteSettings) -> Result<(), TooMany> {
        let Some(rate) = rate(&settings) else { return Ok(()) };
        let millis = self.began.elapsed().as_millis();
        let now = Moment(u64::try_from(millis).unwrap_or(u64::MAX));
        let mut buckets = self.buckets.lock().expect("no code panics while it holds the buckets");
        if buckets.len() >= BUCKETS_MAX {
            let oldest = buckets.values().map(|(_, bucket)| bucket.at()).min().unwrap_or_default();
            buckets.retain(|_, (_, bucket)| bucket.at() > oldest);
        }
        // Neither ids nor names of stages have a slash.
        let entry = buckets.entry(names.join("/"));
        let (known, bucket) = entry.or_insert_with(|| (rate, TokenBucket::full(rate, now)));
        if *known != rate {
            // The bound was changed.
            (*known, *bucket) = (rate, TokenBucket::full(rate, now));
        }
        bucket.take(rate, now).map_err(|_wait_millis| TooMany)
    }
}

/// The bound, if there is one.
fn rate(settings: &RouteSettings) -> Option<Rate> {
    if settings.rate.is_none() && settings.burst.is_none() {
        return None;
    }
    let rate_default = u64::from(BURST_DEFAULT) * 20;
    let burst = settings.burst.unwrap_or(BURST_DEFAULT);
    Some(Rate {
        capacity: u64::from(burst),
        per_ten_seconds: settings.rate.map_or(rate_default, per_ten_seconds),
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

    fn settings(burst: u32, rate: f64) -> RouteSettings {
        RouteSettings { burst: Some(burst), rate: Some(rate), detailed_metrics: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_has_its_burst_and_its_rate() {
        let throttle = Throttle::default();
        let enter = || throttle.enter(NAMES, settings(2, 0.5)).is_ok();
        assert_eq!([enter(), enter(), enter()], [true, true, false]);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!([enter(), enter()], [true, false]);
        assert!(throttle.enter(["api", "stage", "GET /other"], settings(2, 0.5)).is_ok());
        assert!(throttle.enter(NAMES, settings(3, 0.5)).is_ok(), "the bound was changed");
        assert!(throttle.enter(NAMES, RouteSettings::default()).is_ok());
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
