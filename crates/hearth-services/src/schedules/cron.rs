//! Cron expressions as AWS has them: six fields, of which the days are given by month or by week.
//!
//! ```text
//!  minutes   hours   day-of-month   month        day-of-week   year
//!  0–59      0–23    1–31, L, W     1–12, JAN–   1–7, SUN–, L, #   1970–2199
//! ```
//!
//! Every field takes `*`, lists, ranges and steps. Exactly one of the two fields of days is `?`.
//!
//! # Promises
//!
//! 1. The next time is found in a bounded number of steps, also if there is none: 31 February does
//!    not loop.
//! 2. An expression takes a hundred bytes of memory, and no more: a server has many.
//!
//! # Deliberately absent
//!
//! No time zones: a time here is what a clock on a wall shows. No seconds, as on AWS.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime};

/// AWS: the years that an expression may speak of.
const YEARS: RangeInclusive<i16> = 1970..=2199;
/// Words that hold a bit for each of them.
const YEAR_WORDS: usize = 4;

#[rustfmt::skip]
const MONTH_NAMES: &[&str] =
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAY_NAMES: &[&str] = &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// Saturday, which is AWS's last day of the week; Sunday is 0.
const SATURDAY: i8 = 6;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    /// A bit for each minute.
    minutes: u64,
    /// A bit for each hour.
    hours: u64,
    days: Days,
    /// A bit for each month, from 1 on.
    months: u64,
    /// A bit for each year.
    years: [u64; YEAR_WORDS],
}

/// On which days. Days of the week count from Sunday, which is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    /// A bit for each day of the month, from 1 on.
    OfMonth(u64),
    /// `L`.
    LastOfMonth,
    /// `LW`: the last from Monday to Friday.
    LastWeekday,
    /// `15W`: the nearest from Monday to Friday, in the same month.
    NearestWeekday(i8),
    /// A bit for each day of the week.
    OfWeek(u64),
    /// `6L`: the last such day of the month.
    LastOfWeek(i8),
    /// `6#3`: the third such day of the month.
    NthOfWeek(i8, i8),
}

impl Cron {
    /// Reads what stands between the parentheses.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() != text {
            return None;
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, of_month, months, of_week, years] = fields.as_slice() else {
            return None;
        };
        let days = match (*of_month == "?", *of_week == "?") {
            (false, true) => Days::parse_of_month(of_month)?,
            (true, false) => Days::parse_of_week(of_week)?,
            (true, true) | (false, false) => return None,
        };
        let mut cron = Self {
            minutes: Field::MINUTES.set(minutes)?,
            hours: Field::HOURS.set(hours)?,
            days,
            months: Field::MONTHS.set(months)?,
            years: [0; YEAR_WORDS],
        };
        Field::YEARS.read(years, |year| {
            let index = usize::from(year - Field::YEARS.least);
            cron.years[index / 64] |= 1_u64 << (index % 64);
        })?;
        Some(cron)
    }

    /// The first time after a time, in whole minutes.
    #[must_use]
    pub fn next(&self, after: DateTime) -> Option<DateTime> {
        let minute =
            u32::try_from(i32::from(after.hour()) * 60 + i32::from(after.minute())).ok()?;
        if self.has_date(after.date())
            && let Some(time) = self.time_from(minute + 1)
        {
            return at(after.date(), time);
        }
        let first = self.time_from(0)?;
        at(self.date_after(after.date())?, first)
    }

    /// The first hour and minute of a day, from a minute of it on.
    fn time_from(&self, minute: u32) -> Option<(u32, u32)> {
        let (hour, minute) = (minute / 60, minute % 60);
        if self.hours >> hour & 1 == 1
            && let Some(minute) = least(self.minutes, minute)
        {
            return Some((hour, minute));
        }
        Some((least(self.hours, hour + 1)?, least(self.minutes, 0)?))
    }

    fn date_after(&self, date: Date) -> Option<Date> {
        let (mut year, mut month) = (date.year(), date.month());
        // Bits of days after this one.
        let mut later = u64::MAX << (date.day() + 1);
        loop {
            if self.has_year(year) && self.has_month(month) {
                let days = self.days.of(year, month) & later;
                if let Some(day) = least(days, 1) {
                    return Date::new(year, month, i8::try_from(day).ok()?).ok();
                }
            }
            later = u64::MAX;
            (year, month) = self.month_after(year, month)?;
        }
    }

    fn month_after(&self, year: i16, month: i8) -> Option<(i16, i8)> {
        let month_from = |month: u32| {
            let month = least(self.months, month)?;
            i8::try_from(month).ok()
        };
        if self.has_year(year)
            && let Some(month) = month_from(u32::try_from(month).ok()? + 1)
        {
            return Some((year, month));
        }
        let mut years = (year + 1).max(*YEARS.start())..=*YEARS.end();
        Some((years.find(|year| self.has_year(*year))?, month_from(1)?))
    }

    fn has_date(&self, date: Date) -> bool {
        self.has_year(date.year())
            && self.has_month(date.month())
            && self.days.of(date.year(), date.month()) >> date.day() & 1 == 1
    }

    fn has_month(&self, month: i8) -> bool {
        self.months >> month & 1 == 1
    }

    fn has_year(&self, year: i16) -> bool {
        let index = usize::try_from(year - YEARS.start()).ok();
        let index = index.filter(|_index| YEARS.contains(&year));
        index.is_some_and(|index| self.years[index / 64] >> (index % 64) & 1 == 1)
    }
}

impl Days {
    fn parse_of_month(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("L") {
            return Some(Self::LastOfMonth);
        }
        if text.eq_ignore_ascii_case("LW") {
            return Some(Self::LastWeekday);
        }
        match text.strip_suffix(['W', 'w']) {
            Some(day) => {
                let day = Field::DAYS_OF_MONTH.value(day)?;
                Some(Self::NearestWeekday(i8::try_from(day).ok()?))
            }
            None => Field::DAYS_OF_MONTH.set(text).map(Self::OfMonth),
        }
    }

    fn parse_of_week(text: &str) -> Option<Self> {
        let weekday = |text: &str| {
            let day = Field::DAYS_OF_WEEK.value(text)?;
            i8::try_from(day - 1).ok()
        };
        if text.eq_ignore_ascii_case("L") {
            return Some(Self::OfWeek(1 << SATURDAY));
        }
        if let Some(day) = text.strip_suffix(['L', 'l']) {
            return weekday(day).map(Self::LastOfWeek);
        }
        if let Some((day, nth)) = text.split_once('#') {
            let nth = number(nth).filter(|nth| (1..=5).contains(nth))?;
            return Some(Self::NthOfWeek(weekday(day)?, i8::try_from(nth).ok()?));
        }
        // Counted from Sunday, which is 1 on the wire.
        Field::DAYS_OF_WEEK.set(text).map(|days| Self::OfWeek(days >> 1))
    }

    /// A bit for each day of a month that is one of these.
    fn of(&self, year: i16, month: i8) -> u64 {
        let Ok(first) = Date::new(year, month, 1) else { return 0 };
        let (length, begins) = (first.days_in_month(), first.weekday().to_sunday_zero_offset());
        let weekday = |day: i8| (begins + day - 1).rem_euclid(7);
        let bit = |day: i8| 1_u64 << day;
        match self {
            Self::OfMonth(days) => days & ((2_u64 << length) - 1),
            Self::LastOfMonth => bit(length),
            Self::LastWeekday => bit(match weekday(length) {
                SATURDAY => length - 1,
                0 => length - 2,
                _ => length,
            }),
            Self::NearestWeekday(day) if *day > length => 0,
            Self::NearestWeekday(day) => bit(match weekday(*day) {
                SATURDAY if *day > 1 => day - 1,
                SATURDAY => day + 2,
                0 if *day < length => day + 1,
                0 => day - 2,
                _ => *day,
            }),
            Self::OfWeek(days) => (1..=length)
                .filter(|day| days >> weekday(*day) & 1 == 1)
                .fold(0_u64, |found, day| found | bit(day)),
            Self::LastOfWeek(wanted) => bit(length - (weekday(length) - wanted).rem_euclid(7)),
            Self::NthOfWeek(wanted, nth) => {
                let day = 1 + (wanted - begins).rem_euclid(7) + 7 * (nth - 1);
                if day <= length { bit(day) } else { 0 }
            }
        }
    }
}

/// What a field of numbers may hold.
struct Field {
    least: u16,
    greatest: u16,
    /// Names of the numbers, from the least on.
    names: &'static [&'static str],
    /// Whether a range may go on from the greatest to the least: `FRI-MON`.
    around: Around,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Allowed,
    Refused,
}

impl Field {
    const MINUTES: Self = Self::numbers(0, 59);
    const HOURS: Self = Self::numbers(0, 23);
    const DAYS_OF_MONTH: Self = Self::numbers(1, 31);
    const MONTHS: Self = Self { names: MONTH_NAMES, ..Self::numbers(1, 12) };
    const DAYS_OF_WEEK: Self = Self { names: WEEKDAY_NAMES, ..Self::numbers(1, 7) };
    const YEARS: Self = Self { around: Around::Refused, ..Self::numbers(1970, 2199) };

    const fn numbers(least: u16, greatest: u16) -> Self {
        Self { least, greatest, names: &[], around: Around::Allowed }
    }

    /// A bit for each number of a field; none is above 63.
    fn set(&self, text: &str) -> Option<u64> {
        let mut bits = 0_u64;
        self.read(text, |value| bits |= 1_u64 << value)?;
        Some(bits)
    }

    /// Reads a list of numbers, ranges and steps, and hands on each number.
    fn read(&self, text: &str, mut put: impl FnMut(u16)) -> Option<()> {
        let span = self.greatest - self.least + 1;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => {
                    let step = number(step).filter(|step| (1..=self.greatest).contains(step))?;
                    (range, Some(step))
                }
                None => (item, None),
            };
            let (from, to) = self.range(range, step)?;
            let length = match to.checked_sub(from) {
                Some(length) => length,
                None if self.around == Around::Allowed => to + span - from,
                None => return None,
            };
            for offset in (0..=length).step_by(usize::from(step.unwrap_or(1))) {
                put(self.least + (from - self.least + offset) % span);
            }
        }
        Some(())
    }

    /// The ends of what stands before a step. One number before a step begins what goes to the end.
    fn range(&self, text: &str, step: Option<u16>) -> Option<(u16, u16)> {
        if text == "*" {
            return Some((self.least, self.greatest));
        }
        match text.split_once('-') {
            Some((from, to)) => Some((self.value(from)?, self.value(to)?)),
            None => {
                let from = self.value(text)?;
                Some((from, if step.is_some() { self.greatest } else { from }))
            }
        }
    }

    fn value(&self, text: &str) -> Option<u16> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(index) => self.least + u16::try_from(index).ok()?,
            None => number(text)?,
        };
        (self.least..=self.greatest).contains(&value).then_some(value)
    }
}

fn number(text: &str) -> Option<u16> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// The least number from `from` on whose bit is set.
fn least(bits: u64, from: u32) -> Option<u32> {
    let rest = bits.checked_shr(from)?;
    (rest != 0).then(|| from + rest.trailing_zeros())
}

fn at(date: Date, (hour, minute): (u32, u32)) -> Option<DateTime> {
    Some(date.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0))
}

#[cfg(test)]
mod tests;
