//! Medians and percentiles. No sampling and no histograms: every latency is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one round of load, or one series of single measurements, gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) requests_per_second: f64,
    pub(crate) errors: usize,
}

impl Summary {
    /// Of latencies in any order that were measured within `elapsed`.
    pub(crate) fn of(mut latencies: Vec<Duration>, elapsed: Duration, errors: usize) -> Self {
        latencies.sort_unstable();
        let count = u32::try_from(latencies.len()).unwrap_or(u32::MAX);
        Self {
            p50: percentile(&latencies, 50),
            p99: percentile(&latencies, 99),
            requests_per_second: ratio(f64::from(count), elapsed.as_secs_f64()),
            errors,
        }
    }

    /// The median of each figure over several rounds, and the sum of the errors.
    pub(crate) fn median(rounds: &[Self]) -> Self {
        let over = |figure: fn(&Self) -> Duration| {
            let mut values: Vec<Duration> = rounds.iter().map(figure).collect();
            values.sort_unstable();
            percentile(&values, 50)
        };
        let mut rates: Vec<f64> = rounds.iter().map(|round| round.requests_per_second).collect();
        rates.sort_unstable_by(f64::total_cmp);
        let middle = rates.len().div_ceil(2).saturating_sub(1);
        Self {
            p50: over(|round| round.p50),
            p99: over(|round| round.p99),
            requests_per_second: rates.get(middle).copied().unwrap_or_default(),
            errors: rounds.iter().map(|round| round.errors).sum(),
        }
    }
}

/// What a burst gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    /// From the first request to the last answer.
    pub(crate) all: Duration,
    pub(crate) errors: usize,
}

impl Answered {
    /// The median over several bursts, and the sum of the errors.
    pub(crate) fn median(bursts: &[Self]) -> Self {
        let mut values: Vec<Duration> = bursts.iter().map(|burst| burst.all).collect();
        values.sort_unstable();
        Self { all: percentile(&values, 50), errors: bursts.iter().map(|burst| burst.errors).sum() }
    }
}

/// The smallest value that at least `percent` of the sorted values do not exceed; zero if there
/// are no values.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// `part / whole`, or infinity where `whole` is zero.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::INFINITY }
}

/// The ratio of two durations.
pub(crate) fn times(part: Duration, whole: Duration) -> f64 {
    ratio(part.as_secs_f64(), whole.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Answered, Summary, percentile, times};

    fn ms(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let hundred: Vec<u64> = (1..=100).collect();
        #[rustfmt::skip]
        let rows: [(&str, &[u64], usize, u64); 6] = [
            ("none",             &[],        50, 0),
            ("one",              &[7],       99, 7),
            ("two",              &[1, 2],    50, 1),
            ("three",            &[1, 2, 9], 50, 2),
            ("the 99th of 100",  &hundred,   99, 99),
            ("the 50th of 100",  &hundred,   50, 50),
        ];
        for (name, values, percent, expected) in rows {
            let found = percentile(&ms(values), percent);
            assert_eq!(found, Duration::from_millis(expected), "{name}");
        }
    }

    #[test]
    fn a_summary_sorts_its_latencies() {
        let summary = Summary::of(ms(&[9, 1, 5]), Duration::from_secs(3), 2);
        assert_eq!(summary.p50, Duration::from_millis(5));
        assert_eq!(summary.p99, Duration::from_millis(9));
        assert!((summary.requests_per_second - 1.0).abs() < 1e-9);
        assert_eq!(summary.errors, 2);
    }

    #[test]
    fn one_bad_round_does_not_move_the_median_and_no_error_is_lost() {
        let round = |p50: u64, errors: usize| Summary {
            p50: Duration::from_millis(p50),
            p99: Duration::from_millis(2 * p50),
            requests_per_second: 1.0,
            errors,
        };
        let median = Summary::median(&[round(2, 0), round(900, 1), round(3, 0)]);
        assert_eq!(median.p50, Duration::from_millis(3));
        assert_eq!(median.p99, Duration::from_millis(6));
        assert_eq!(median.errors, 1);
    }

    #[test]
    fn one_slow_burst_does_not_move_the_median_and_no_error_is_lost() {
        let burst = |ms: u64, errors: usize| Answered { all: Duration::from_millis(ms), errors };
        let median = Answered::median(&[burst(2, 0), burst(900, 1), burst(3, 2)]);
        assert_eq!(median, burst(3, 3));
    }

    #[test]
    fn a_ratio_to_nothing_is_no_success() {
        assert!(times(Duration::from_secs(1), Duration::ZERO).is_infinite());
    }
}
