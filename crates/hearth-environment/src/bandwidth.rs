//! How fast a streamed answer may pass, as a pure bucket.
//!
//! AWS fills a bucket each 125 ms: the first 6 MiB pass at once, what comes after them at 2 MiB per
//! second, and a pause earns up to 6 MiB again.
//!
//! # Deliberately absent
//!
//! No clock and no waiting: time is an argument, counted from the beginning of the stream.

use std::time::Duration;

use hearth_types::limits::{STREAM_BURST_BYTES_MAX, STREAM_REFILL_MILLIS};

/// A bucket of bytes that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// What may pass now.
    bytes: u64,
    /// What is added at a time; never 0.
    refill: u64,
    /// How often it has been filled.
    refills: u64,
}

impl Bandwidth {
    /// A full bucket.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> Self {
        let refill = bytes_per_second.saturating_mul(STREAM_REFILL_MILLIS) / 1_000;
        Self { bytes: STREAM_BURST_BYTES_MAX, refill: refill.max(1), refills: 0 }
    }

    /// Lets bytes pass.
    ///
    /// # Errors
    ///
    /// If there is not enough in the bucket: when there will be. What is larger than the bucket is
    /// let through when the bucket is full.
    pub fn pass(&mut self, bytes: u64, at: Duration) -> Result<(), Duration> {
        self.fill(at);
        let bytes = bytes.min(STREAM_BURST_BYTES_MAX);
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => {
                let missing = (bytes - self.bytes).div_ceil(self.refill);
                let refills = self.refills.saturating_add(missing);
                Err(Duration::from_millis(refills.saturating_mul(STREAM_REFILL_MILLIS)))
            }
        }
    }

    fn fill(&mut self, at: Duration) {
        let refills = u64::try_from(at.as_millis()).unwrap_or(u64::MAX) / STREAM_REFILL_MILLIS;
        let gained = refills.saturating_sub(self.refills).saturating_mul(self.refill);
        self.bytes = self.bytes.saturating_add(gained).min(STREAM_BURST_BYTES_MAX);
        self.refills = self.refills.max(refills);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_burst_passes_at_once_and_the_rest_at_the_rate() {
        let ms = Duration::from_millis;
        let mut bandwidth = Bandwidth::new(2 * MIB);
        #[rustfmt::skip]
        let rows = [
            ("the burst",                        6 * MIB,   ms(0),      Ok(())),
            ("nothing is left",                  1,         ms(0),      Err(ms(125))),
            ("nor just before it is filled",     1,         ms(124),    Err(ms(125))),
            ("an eighth of the rate is added",   MIB / 4,   ms(125),    Ok(())),
            ("and no more",                      1,         ms(249),    Err(ms(250))),
            ("much waits for several fillings",  MIB,       ms(250),    Err(ms(625))),
            ("until there is enough",            MIB,       ms(625),    Ok(())),
            ("what was left in between counts",  1,         ms(625),    Err(ms(750))),
            ("a second is worth the rate",       2 * MIB,   ms(1_625),  Ok(())),
            ("a pause earns the burst",          6 * MIB,   ms(60_000), Ok(())),
            ("and no more than that",            1,         ms(60_000), Err(ms(60_125))),
        ];
        for (name, bytes, at, expected) in rows {
            assert_eq!(bandwidth.pass(bytes, at), expected, "{name}");
        }
    }

    #[test]
    fn whoever_waits_as_long_as_told_passes_whatever_the_rate_is() {
        for rate in [0, 1, 7, 32 * 1024, 2 * MIB + 1, u64::MAX] {
            let mut bandwidth = Bandwidth::new(rate);
            let mut at = Duration::ZERO;
            for _piece in 0..100 {
                if let Err(until) = bandwidth.pass(MIB / 4, at) {
                    assert!(until > at, "{rate}");
                    at = until;
                    assert_eq!(bandwidth.pass(MIB / 4, at), Ok(()), "{rate}");
                }
            }
        }
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_when_it_is_full() {
        let mut bandwidth = Bandwidth::new(2 * MIB);
        assert_eq!(bandwidth.pass(7 * MIB, Duration::ZERO), Ok(()));
        assert_eq!(bandwidth.pass(7 * MIB, Duration::ZERO), Err(Duration::from_secs(3)));
    }
}
