//! Points in time, and the only door to the clock.
//!
//! A [`Timestamp`] is a point in UTC with millisecond precision. Code that decides takes it as an
//! argument; code at the edge asks a [`Clock`]. Waiting is tokio's business, which tests can pause.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The same point, later by `milliseconds`.
    #[must_use]
    pub fn plus_millis(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// How many milliseconds have passed since `earlier`, or 0 if it is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `2026-11-23T03:20:35.123+0000`: how Lambda prints `LastModified`.
    #[must_use]
    pub fn lambda(self) -> String {
        self.format('T', "+0000")
    }

    /// `2026-11-23T03:20:35.123Z`.
    #[must_use]
    pub fn iso(self) -> String {
        self.format('T', "Z")
    }

    /// `2026-11-23T03:20:35Z`.
    #[must_use]
    pub fn iso_seconds(self) -> String {
        let precise = self.iso();
        precise.split_once('.').map_or_else(|| precise.clone(), |(text, _)| format!("{text}Z"))
    }

    /// `2026/11/23`: the first part of a log stream's name.
    #[must_use]
    pub fn date_path(self) -> String {
        let at = self.calendar();
        format!("{:04}/{:02}/{:02}", at.year(), u8::from(at.month()), at.day())
    }

    fn format(self, separator: char, zone: &str) -> String {
        let at = self.calendar();
        let mut text = String::with_capacity(28);
        write!(
            text,
            "{:04}-{:02}-{:02}{separator}{:02}:{:02}:{:02}.{:03}{zone}",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )
        .expect("writing to a string cannot fail");
        text
    }

    fn calendar(self) -> OffsetDateTime {
        // The calendar ends in the year 9999; a clock that is beyond that is shown as the epoch.
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.iso())
    }
}

/// Milliseconds since some fixed point, on a clock that neither jumps nor goes back: what durations
/// are decided by. The time of day is a [`Timestamp`], and may be corrected at any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// The same point, later by `milliseconds`.
    #[must_use]
    pub fn plus_millis(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// How many milliseconds have passed since `earlier`, or 0 if it is later.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Where the time of day comes from. One value is made at start and passed down.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time of day now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that asks the machine")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 is a machine without a clock; zero is as good as any other answer.
        Timestamp(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_aws_does() {
        let at = Timestamp(1_795_404_035_123);
        assert_eq!(at.lambda(), "2026-11-23T03:20:35.123+0000");
        assert_eq!(at.iso(), "2026-11-23T03:20:35.123Z");
        assert_eq!(at.iso_seconds(), "2026-11-23T03:20:35Z");
        assert_eq!(at.date_path(), "2026/11/23");
        assert_eq!(Timestamp(0).iso(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn differences_never_go_below_zero() {
        assert_eq!(Timestamp(5).millis_since(Timestamp(9)), 0);
        assert_eq!(Timestamp(9).millis_since(Timestamp(5)), 4);
    }
}
