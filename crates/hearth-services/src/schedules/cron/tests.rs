//! Expressions of AWS's documentation, a second evaluator in the simplest way, and a third one by
//! others.

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

/// The first times after the beginning of a day, as text.
fn times(text: &str, from: Date, count: usize) -> Vec<String> {
    let cron = Cron::parse(text).unwrap_or_else(|| panic!("{text} is an expression"));
    let mut at = from.at(0, 0, 0, 0);
    let mut found = Vec::new();
    while found.len() < count {
        let Some(next) = cron.next(at) else { break };
        found.push(next.strftime("%Y-%m-%dT%H:%M").to_string());
        at = next;
    }
    found
}

#[test]
fn the_expressions_of_the_documentation_mean_what_is_said_there() {
    // 23 November 2026 is a Monday.
    let from = date(2026, 11, 23);
    #[rustfmt::skip]
    let rows: &[(&str, &[&str])] = &[
        // 10:00 every day.
        ("0 10 * * ? *",             &["2026-11-23T10:00", "2026-11-24T10:00", "2026-11-25T10:00"]),
        // 12:15 every day.
        ("15 12 * * ? *",            &["2026-11-23T12:15", "2026-11-24T12:15"]),
        // 18:00 Monday to Friday.
        ("0 18 ? * MON-FRI *",       &["2026-11-23T18:00", "2026-11-24T18:00", "2026-11-25T18:00", "2026-11-26T18:00", "2026-11-27T18:00", "2026-11-30T18:00"]),
        // 8:00 on the first of each month.
        ("0 8 1 * ? *",              &["2026-12-01T08:00", "2027-01-01T08:00"]),
        // Every ten minutes Monday to Friday.
        ("0/10 * ? * MON-FRI *",     &["2026-11-23T00:10", "2026-11-23T00:20", "2026-11-23T00:30"]),
        // Every five minutes between 8:00 and 17:55 Monday to Friday.
        ("0/5 8-17 ? * MON-FRI *",   &["2026-11-23T08:00", "2026-11-23T08:05"]),
        // Every thirty minutes from 20:00 to 2:30 Monday to Friday.
        ("0/30 20-2 ? * MON-FRI *",  &["2026-11-23T00:30", "2026-11-23T01:00", "2026-11-23T01:30", "2026-11-23T02:00", "2026-11-23T02:30", "2026-11-23T20:00"]),
        // 10:15 on the last Friday of each month in 2027 and 2028.
        ("15 10 ? * 6L 2027-2028",   &["2027-01-29T10:15", "2027-02-26T10:15"]),
        // 10:15 on each day of the week.
        ("15 10 ? * 2 *",            &["2026-11-23T10:15", "2026-11-30T10:15"]),
        ("15 10 ? * SUN,WED *",      &["2026-11-25T10:15", "2026-11-29T10:15"]),
        // The third Friday; the second Tuesday; the fifth Monday, which few months have.
        ("0 0 ? * 6#3 *",            &["2026-12-18T00:00", "2027-01-15T00:00"]),
        ("0 0 ? * TUE#2 *",          &["2026-12-08T00:00", "2027-01-12T00:00"]),
        ("0 0 ? * MON#5 *",          &["2026-11-30T00:00", "2027-03-29T00:00"]),
        // The last day of the month, and of the week.
        ("0 0 L * ? *",              &["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-31T00:00", "2027-02-28T00:00"]),
        ("0 0 ? * L *",              &["2026-11-28T00:00", "2026-12-05T00:00"]),
        // The weekday nearest to a day, and the last of a month.
        ("0 0 15W * ? *",            &["2026-12-15T00:00", "2027-01-15T00:00", "2027-02-15T00:00", "2027-03-15T00:00", "2027-04-15T00:00", "2027-05-14T00:00"]),
        ("0 0 1W 8 ? *",             &["2027-08-02T00:00", "2028-08-01T00:00"]),
        ("0 0 1W 5 ? *",             &["2027-05-03T00:00", "2028-05-01T00:00"]),
        ("0 0 31W * ? 2027",         &["2027-01-29T00:00", "2027-03-31T00:00", "2027-05-31T00:00"]),
        ("0 0 LW * ? 2027",          &["2027-01-29T00:00", "2027-02-26T00:00", "2027-03-31T00:00"]),
        // Steps from a number, of everything, and within a range.
        ("10/20 0 * * ? *",          &["2026-11-23T00:10", "2026-11-23T00:30", "2026-11-23T00:50", "2026-11-24T00:10"]),
        ("*/30 3 * * ? *",           &["2026-11-23T03:00", "2026-11-23T03:30"]),
        ("1-31/30 1-1 ? * 1,7 *",    &["2026-11-28T01:01", "2026-11-28T01:31", "2026-11-29T01:01"]),
        ("0-15/1 8-8 ? * 2,3,4,5,6,7 *", &["2026-11-23T08:00", "2026-11-23T08:01"]),
        // Names of months in any case, ranges around the end of a year and of a week.
        ("0 0 1 jan,Jul ? *",        &["2027-01-01T00:00", "2027-07-01T00:00"]),
        ("0 0 1 NOV-FEB ? *",        &["2026-12-01T00:00", "2027-01-01T00:00", "2027-02-01T00:00", "2027-11-01T00:00"]),
        ("0 0 ? * SAT-MON *",        &["2026-11-28T00:00", "2026-11-29T00:00", "2026-11-30T00:00", "2026-12-05T00:00"]),
        // Leap years.
        ("0 0 29 2 ? *",             &["2028-02-29T00:00", "2032-02-29T00:00"]),
        ("0 0 29 FEB ? 2096/4",      &["2096-02-29T00:00", "2104-02-29T00:00"]),
    ];
    for (text, expected) in rows {
        assert_eq!(times(text, from, expected.len()), *expected, "{text}");
    }
}

#[test]
fn what_never_comes_ends() {
    let from = date(2026, 11, 23);
    for text in [
        "0 0 31 2 ? *",
        "0 0 30 FEB ? *",
        "0 0 31 4,6,9,11 ? *",
        "0 0 31W 2 ? *",
        "* * * * ? 1999",
        "0 0 29 2 ? 2100",
    ] {
        assert_eq!(times(text, from, 1), Vec::<String>::new(), "{text}");
    }
    assert_eq!(times("0 0 1 1 ? 2199", from, 9), ["2199-01-01T00:00"]);
}

#[test]
fn what_is_no_expression_is_refused() {
    #[rustfmt::skip]
    let rows = [
        "", "INVALID", "0 10 * * ?", "0 10 * * ? * *", "0 1 * * * *", "7 20 * * 1-7 *", "7 20 * * NOT *",
        "0 10 ? * ? *", "0 dummy ? * MON-FRI *", "71 8 1 * ? *", "0 24 * * ? *", "0 0 32 * ? *", "0 0 0 * ? *",
        "0 0 1 13 ? *", "0 0 1 0 ? *", "0 0 ? * 8 *", "0 0 ? * 0 *", "0 0 1 * ? 1969", "0 0 1 * ? 2200",
        "0 0 ? * 3#6 *", "0 0 ? * 3#0 *", "0 0 ? * 3#1,6#3 *", "0 0 ? * #1 *", "0 0 ? * 3# *",
        "0 0 W * ? *", "0 0 32W * ? *", "0 0 1W,15W * ? *", "0 0 L,15 * ? *", "0 0 L-3 * ? *", "0 0 ? * 15W *",
        "0/0 * * * ? *", "0/60 * * * ? *", "*/ * * * ? *", "1-2-3 * * * ? *", ", * * * ? *", "5, * * * ? *",
        "-5 * * * ? *", "+5 * * * ? *", "? 0 * * ? *", "0 ? * * ? *", "0 0 1 ? ? *", "0 0 1 * ? ?",
        "0 0 1 * ? 2027-2026", "0, 9-18, ?, *, MON-FRI, *", " 0 10 * * ? *", "0 10 * * ? * ", "0 0 ? * MONDAY *",
        "٣ 0 * * ? *", "0 0 ? * é *",
    ];
    for text in rows {
        assert_eq!(Cron::parse(text), None, "{text}");
    }
}

/// What a day has to be, said in another way than in the evaluator.
#[derive(Debug, Clone)]
enum Day {
    Listed(Vec<i8>),
    Last,
    LastWeekday,
    Nearest(i8),
    Weekdays(Vec<i8>),
    LastOf(i8),
    Nth(i8, i8),
}

impl Day {
    /// The fields of days of month and of week, where Sunday is 1.
    fn fields(&self) -> (String, String) {
        let list =
            |days: &[i8]| days.iter().map(ToString::to_string).collect::<Vec<String>>().join(",");
        let (of_month, of_week) = match self {
            Self::Listed(days) => (list(days), "?".to_owned()),
            Self::Last => ("L".to_owned(), "?".to_owned()),
            Self::LastWeekday => ("LW".to_owned(), "?".to_owned()),
            Self::Nearest(day) => (format!("{day}W"), "?".to_owned()),
            Self::Weekdays(days) => ("?".to_owned(), list(days)),
            Self::LastOf(day) => ("?".to_owned(), format!("{day}L")),
            Self::Nth(day, nth) => ("?".to_owned(), format!("{day}#{nth}")),
        };
        (of_month, of_week)
    }

    fn is(&self, date: Date) -> bool {
        let weekday = |date: Date| date.weekday().to_sunday_one_offset();
        let is_work = |date: Date| (2..=6).contains(&weekday(date));
        let last = date.last_of_month();
        let month =
            || (1..=last.day()).map(|day| Date::new(date.year(), date.month(), day).unwrap());
        match self {
            Self::Listed(days) => days.contains(&date.day()),
            Self::Last => date == last,
            Self::LastWeekday => month().rfind(|day| is_work(*day)) == Some(date),
            Self::Nearest(wanted) => {
                // There is one: a Saturday is nearer to its Friday, and a Sunday to its Monday.
                let distance = |day: &Date| (day.day() - wanted).abs();
                *wanted <= last.day()
                    && month().filter(|day| is_work(*day)).min_by_key(distance) == Some(date)
            }
            Self::Weekdays(days) => days.contains(&weekday(date)),
            Self::LastOf(day) => month().rfind(|one| weekday(*one) == *day) == Some(date),
            Self::Nth(day, nth) => {
                let nth = usize::try_from(*nth).unwrap() - 1;
                month().filter(|one| weekday(*one) == *day).nth(nth) == Some(date)
            }
        }
    }
}

fn days() -> impl Strategy<Value = Day> {
    prop_oneof![
        prop::collection::vec(1_i8..=31, 1..4).prop_map(Day::Listed),
        Just(Day::Last),
        Just(Day::LastWeekday),
        (1_i8..=31).prop_map(Day::Nearest),
        prop::collection::vec(1_i8..=7, 1..3).prop_map(Day::Weekdays),
        (1_i8..=7).prop_map(Day::LastOf),
        (1_i8..=7, 1_i8..=5).prop_map(|(day, nth)| Day::Nth(day, nth)),
    ]
}

proptest! {
    #[test]
    fn the_next_time_is_the_first_that_fits(
        minutes in prop::collection::btree_set(0_i8..60, 1..4),
        hours in prop::collection::btree_set(0_i8..24, 1..4),
        months in prop::collection::btree_set(1_i8..=12, 1..4),
        day in days(),
        (year, ordinal, start) in (2024_i16..2030, 1_i16..=365, 0_i16..1440),
    ) {
        let list = |values: &std::collections::BTreeSet<i8>| {
            values.iter().map(ToString::to_string).collect::<Vec<String>>().join(",")
        };
        let (of_month, of_week) = day.fields();
        let text = format!(
            "{} {} {of_month} {} {of_week} *", list(&minutes), list(&hours), list(&months)
        );
        let cron = Cron::parse(&text).unwrap();
        let first = date(year, 1, 1).checked_add(jiff::Span::new().days(ordinal - 1)).unwrap();
        let (hour, minute) = (i8::try_from(start / 60).unwrap(), i8::try_from(start % 60).unwrap());
        let after = first.at(hour, minute, 59, 0);

        // Day by day, and then through the times of that day.
        let mut expected = None;
        let mut on = first;
        // The longest wait is that for a 29 February, or for a fifth weekday in one.
        'days: for _day in 0..366 * 41 {
            if months.contains(&on.month()) && day.is(on) {
                for hour in &hours {
                    for minute in &minutes {
                        let at = on.at(*hour, *minute, 0, 0);
                        if at > after {
                            expected = Some(at);
                            break 'days;
                        }
                    }
                }
            }
            on = on.tomorrow().unwrap();
        }
        let found = cron.next(after);
        match expected {
            Some(_) => prop_assert_eq!(found, expected, "{}", text),
            None => prop_assert!(found.is_none_or(|at| at.date() >= on), "{text} found {found:?}"),
        }
    }

    #[test]
    fn no_text_panics(text in "[-0-9A-Za-z*?,/#LW ]{0,40}") {
        if let Some(cron) = Cron::parse(&text) {
            let _ = cron.next(date(2026, 11, 23).at(0, 0, 0, 0));
        }
    }
}

#[test]
fn another_evaluator_finds_the_same_times_where_it_knows_the_grammar() {
    let parser = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .build();
    for text in [
        "0 10 * * ? *",
        "0/10 * ? * MON-FRI *",
        "0/5 8-17 ? * MON-FRI *",
        "15 10 ? * 6L *",
        "0 0 ? * 6#3 *",
        "0 0 L * ? *",
        "0 0 LW * ? *",
        "30 6 15W * ? *",
        "0 0 1W * ? *",
        "7 3 31W * ? *",
        "0 0 29 2 ? *",
        "5,20 1,13 1,15 JAN,JUN ? 2027-2031",
        "59 23 ? 12 SAT *",
    ] {
        let cron = Cron::parse(text).unwrap();
        let other = parser.parse(&format!("0 {text}")).unwrap();
        let mut at = date(2026, 11, 23).at(3, 20, 0, 0);
        for _occurrence in 0..40 {
            let zoned = TimeZone::UTC.to_zoned(at).unwrap();
            let expected = other.find_next_occurrence(&zoned, false).ok();
            let found = cron.next(at);
            assert_eq!(found, expected.map(|zoned| zoned.datetime()), "{text} after {at}");
            let Some(next) = found else { break };
            at = next;
        }
    }
}
