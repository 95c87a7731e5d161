//! How often keys were used: counting within a quota, as pure functions of time.
//!
//! # Promises
//!
//! 1. In a period no more is counted than the quota allows.
//! 2. What is known goes back so many days, and no further.

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::record::{Period, Quota};
use crate::rest::limits::USAGE_DAYS_MAX;

const DAY_MILLIS: u64 = 24 * 60 * 60 * 1_000;
/// What is left where there is no quota.
const UNBOUNDED: i64 = i32::MAX as i64;

/// The usage of one key in one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Whose it is, and where.
    pub scope: Scope,
    /// The id of the plan.
    pub plan: String,
    /// The id of the key.
    pub key: String,
    /// What there was on each day, counted from 1970 on.
    #[serde(default)]
    pub days: BTreeMap<u64, OfDay>,
}

/// What there was on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfDay {
    /// How many requests.
    pub used: i64,
    /// How many were left of the quota at its end.
    pub left: i64,
}

/// The quota of a period is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded;

impl Usage {
    /// That of a key which was not used yet.
    #[must_use]
    pub fn new(scope: Scope, plan: &str, key: &str) -> Self {
        let (plan, key) = (plan.to_owned(), key.to_owned());
        Self { scope, plan, key, days: BTreeMap::new() }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// If the quota is used up; then it is not counted.
    pub fn count(
        &mut self,
        quota: Option<&Quota>,
        plan_created: Timestamp,
        now: Timestamp,
    ) -> Result<(), Exceeded> {
        let today = day_of(now);
        let left = match quota {
            None => UNBOUNDED,
            Some(quota) => {
                let left = self.left(quota, plan_created, today);
                if left <= 0 {
                    return Err(Exceeded);
                }
                left - 1
            }
        };
        let day = self.days.entry(today).or_insert(OfDay { used: 0, left });
        day.used += 1;
        day.left = left;
        while self.days.len() > USAGE_DAYS_MAX {
            self.days.pop_first();
        }
        Ok(())
    }

    /// What there was on each day from one to another, both included: used, and left.
    #[must_use]
    pub fn between(
        &self,
        quota: Option<&Quota>,
        plan_created: Timestamp,
        (first, last): (u64, u64),
    ) -> Vec<Vec<i64>> {
        let of_day = |day: u64| {
            let known = self.days.get(&day).copied();
            let known = known.unwrap_or_else(|| OfDay {
                used: 0,
                left: quota.map_or(UNBOUNDED, |quota| self.left(quota, plan_created, day).max(0)),
            });
            vec![known.used, known.left]
        };
        (first..=last).map(of_day).collect()
    }

    /// What is left on a day of the quota of its period.
    fn left(&self, quota: &Quota, plan_created: Timestamp, day: u64) -> i64 {
        let begin = begin_of(quota.period, day);
        let used: i64 = self.days.range(begin..=day).map(|(_, day)| day.used).sum();
        let is_first = begin_of(quota.period, day_of(plan_created)) == begin;
        let offset = if is_first { i64::from(quota.offset) } else { 0 };
        i64::from(quota.limit) - offset - used
    }
}

/// The day of a point in time, counted from 1970 on.
#[must_use]
pub fn day_of(time: Timestamp) -> u64 {
    time.0 / DAY_MILLIS
}

/// The day that `2026-11-23` names.
#[must_use]
pub fn parse_day(text: &str) -> Option<u64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let days = date.to_julian_day() - OffsetDateTime::UNIX_EPOCH.date().to_julian_day();
    u64::try_from(days).ok()
}

/// The first day of the period that a day is in.
fn begin_of(period: Period, day: u64) -> u64 {
    match period {
        Period::Day => day,
        // The first day of 1970 was a Thursday.
        Period::Week => day.saturating_sub((day + 4) % 7),
        Period::Month => {
            let seconds = i64::try_from(day * (DAY_MILLIS / 1_000)).unwrap_or(0);
            let date = OffsetDateTime::from_unix_timestamp(seconds);
            let date = date.unwrap_or(OffsetDateTime::UNIX_EPOCH);
            day.saturating_sub(u64::from(date.day()) - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region};

    use super::*;

    fn usage() -> Usage {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        Usage::new(scope, "p", "k")
    }

    fn at(day: &str) -> Timestamp {
        Timestamp(parse_day(day).unwrap() * DAY_MILLIS + 5)
    }

    #[test]
    fn days_and_the_beginnings_of_periods() {
        #[rustfmt::skip]
        let rows = [
            // 2026-11-23 is a Monday.
            (Period::Day,   "2026-11-23", "2026-11-23"),
            (Period::Week,  "2026-11-23", "2026-11-22"),
            (Period::Week,  "2026-11-22", "2026-11-22"),
            (Period::Week,  "2026-11-28", "2026-11-22"),
            (Period::Month, "2026-11-23", "2026-11-01"),
            (Period::Month, "2024-02-29", "2024-02-01"),
        ];
        for (period, day, begin) in rows {
            let found = begin_of(period, parse_day(day).unwrap());
            assert_eq!(Some(found), parse_day(begin), "{period:?} {day}");
        }
        for text in ["", "2026", "2026-13-01", "2026-02-30", "x-y-z", "1969-12-31"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_quota_is_used_up_and_comes_back_with_the_next_period() {
        let quota = Quota { limit: 3, offset: 1, period: Period::Month };
        let (mut usage, created) = (usage(), at("2026-11-02"));
        let mut count = |day: &str| usage.count(Some(&quota), created, at(day));
        assert_eq!(count("2026-11-23"), Ok(()));
        assert_eq!(count("2026-11-24"), Ok(()));
        assert_eq!(count("2026-11-24"), Err(Exceeded), "the offset counts in the first period");
        for _ in 0..3 {
            assert_eq!(count("2026-12-01"), Ok(()));
        }
        assert_eq!(count("2026-12-31"), Err(Exceeded));
        let days = (parse_day("2026-11-22").unwrap(), parse_day("2026-11-25").unwrap());
        let between = usage.between(Some(&quota), created, days);
        assert_eq!(between, [[0, 2], [1, 1], [1, 0], [0, 0]]);
    }

    #[test]
    fn without_a_quota_it_is_counted_all_the_same_and_forgotten_some_day() {
        let mut usage = usage();
        for day in 0..200 {
            usage.count(None, Timestamp(0), Timestamp(day * DAY_MILLIS)).unwrap();
        }
        assert_eq!(usage.days.len(), USAGE_DAYS_MAX);
        let between = usage.between(None, Timestamp(0), (199, 199));
        assert_eq!(between, [[1, UNBOUNDED]]);
    }
}
