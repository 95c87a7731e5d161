//! Time zones, clocks that go forward and back, windows; and what must hold for all of them.

use proptest::prelude::*;

use super::*;
use crate::schedules::expression::Grammar;

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp(u64::try_from(instant.as_millisecond()).unwrap())
}

fn timing(expression: &str, zone: &str) -> Timing {
    Timing {
        expression: Expression::parse(expression, Grammar::Scheduler).unwrap(),
        zone: TimeZone::get(zone).unwrap(),
        from: Timestamp(0),
        anchor: Timestamp(0),
        end: None,
        window_ms: 0,
        seed: 7,
    }
}

fn times(timing: &Timing, after: Timestamp, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut after = after;
    while let Some(one) = timing.next(after).filter(|_one| found.len() < count) {
        found.push(one.scheduled.iso().replace(":00.000Z", "Z"));
        after = one.scheduled;
    }
    found
}

#[test]
fn clocks_that_go_forward_and_back_are_followed_as_aws_documents_it() {
    #[rustfmt::skip]
    let rows: &[(&str, &str, &str, &[&str])] = &[
        // Noon stays noon.
        ("cron(0 12 * * ? *)", "America/New_York", "2026-03-07T00:00:00Z", &["2026-03-07T17:00Z", "2026-03-08T16:00Z"]),
        // In the spring 2:30 is left out.
        ("cron(30 2 * * ? *)", "America/New_York", "2026-03-07T00:00:00Z", &["2026-03-07T07:30Z", "2026-03-09T06:30Z"]),
        ("cron(30 1 * * ? *)", "Europe/London",    "2026-03-28T00:00:00Z", &["2026-03-28T01:30Z", "2026-03-30T00:30Z"]),
        // In the autumn 1:30 happens once, the first time.
        ("cron(30 1 * * ? *)", "America/New_York", "2026-10-31T12:00:00Z", &["2026-11-01T05:30Z", "2026-11-02T06:30Z"]),
        ("cron(30 1 * * ? *)", "Europe/London",    "2026-10-24T12:00:00Z", &["2026-10-25T00:30Z", "2026-10-26T01:30Z"]),
        // Each quarter of an hour: an hour is left out in the spring, and one is not repeated in the autumn.
        ("cron(0/30 * * * ? *)", "America/New_York", "2026-03-08T06:00:00Z", &["2026-03-08T06:30Z", "2026-03-08T07:00Z", "2026-03-08T07:30Z"]),
        ("cron(0/30 * * * ? *)", "America/New_York", "2026-11-01T04:59:00Z", &["2026-11-01T05:00Z", "2026-11-01T05:30Z", "2026-11-01T07:00Z"]),
        // Asked in the middle of the hour that is there for the second time.
        ("cron(0/30 * * * ? *)", "America/New_York", "2026-11-01T06:10:00Z", &["2026-11-01T07:00Z"]),
        // Half an hour, in the south.
        ("cron(15 2 * * ? *)", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["2026-10-04T15:15Z"]),
        ("cron(45 1 * * ? *)", "Australia/Lord_Howe", "2026-04-03T00:00:00Z", &["2026-04-03T14:45Z", "2026-04-04T14:45Z", "2026-04-05T15:15Z"]),
        // A day that was left out.
        ("cron(0 9 30 12 ? *)", "Pacific/Apia",     "2011-06-01T00:00:00Z", &["2012-12-29T19:00Z"]),
        // A zone without such days, and one that has odd minutes.
        ("cron(0 9 * * ? *)",  "Asia/Kathmandu",   "2026-03-08T00:00:00Z", &["2026-03-08T03:15Z"]),
        // One time, in a zone; left out; there twice.
        ("at(2026-07-01T09:00:00)", "Europe/Berlin",    "2026-01-01T00:00:00Z", &["2026-07-01T07:00Z"]),
        ("at(2026-03-08T02:30:00)", "America/New_York", "2026-01-01T00:00:00Z", &[]),
        ("at(2026-11-01T01:30:00)", "America/New_York", "2026-01-01T00:00:00Z", &["2026-11-01T05:30Z"]),
    ];
    for (expression, zone, after, expected) in rows {
        let found = times(&timing(expression, zone), at(after), expected.len().max(1));
        assert_eq!(found, *expected, "{expression} in {zone} after {after}");
    }
}

#[test]
fn a_rate_counts_from_its_anchor_whatever_clocks_do() {
    let begin = at("2026-03-07T17:00:00Z");
    let rate = |text| Timing { from: begin, anchor: begin, ..timing(text, "America/New_York") };
    let daily = times(&rate("rate(1 days)"), Timestamp(0), 3);
    assert_eq!(daily, ["2026-03-07T17:00Z", "2026-03-08T17:00Z", "2026-03-09T17:00Z"]);
    let after = times(&rate("rate(90 minutes)"), at("2026-03-07T21:31:00Z"), 1);
    assert_eq!(after, ["2026-03-07T23:00Z"]);
    // On the way: what was before is over, and the distance is kept.
    let later = Timing { from: at("2026-03-07T18:10:00Z"), ..rate("rate(30 minutes)") };
    assert_eq!(times(&later, Timestamp(0), 1), ["2026-03-07T18:30Z"]);
    let far = rate("rate(999999999 days)");
    assert_eq!(far.next(begin).map(|one| one.scheduled > begin), Some(true));
}

#[test]
fn nothing_happens_before_the_start_or_after_the_end() {
    let bounded = Timing {
        from: at("2026-11-23T10:00:00Z"),
        end: Some(at("2026-11-25T10:00:00Z")),
        ..timing("cron(0 10 * * ? *)", "UTC")
    };
    let expected = ["2026-11-23T10:00Z", "2026-11-24T10:00Z", "2026-11-25T10:00Z"];
    assert_eq!(times(&bounded, Timestamp(0), 9), expected);
    assert_eq!(bounded.next(at("2026-11-25T10:00:00Z")), None);
    let impossible = timing("cron(0 0 31 2 ? *)", "UTC");
    assert_eq!(impossible.next(Timestamp(0)), None);
    assert_eq!(impossible.latest(Timestamp(0), Timestamp(u64::MAX)), None);
    assert_eq!(timing("cron(* * * * ? *)", "UTC").next(Timestamp(u64::MAX)), None);
}

#[test]
fn the_last_one_is_found_however_long_ago_it_was() {
    #[rustfmt::skip]
    let rows = [
        ("cron(* * * * ? *)",     "2026-11-23T10:00:30Z", Some("2026-11-23T10:00Z")),
        ("cron(* * 1 1 ? *)",     "2026-11-23T10:00:30Z", Some("2026-01-01T23:59Z")),
        ("cron(0 0 29 2 ? *)",    "2026-11-23T10:00:30Z", Some("2024-02-29T00:00Z")),
        ("cron(0 0 1 1 ? 2030)",  "2026-11-23T10:00:30Z", None),
        ("rate(7 minutes)",       "1970-01-01T00:20:00Z", Some("1970-01-01T00:14Z")),
        ("at(2001-01-01T00:00:00)", "2026-11-23T10:00:30Z", Some("2001-01-01T00:00Z")),
    ];
    for (expression, to, expected) in rows {
        let found = timing(expression, "UTC").latest(Timestamp(1), at(to));
        let found = found.map(|one| one.scheduled.iso().replace(":00.000Z", "Z"));
        assert_eq!(found.as_deref(), expected, "{expression} up to {to}");
    }
}

#[test]
fn a_window_begins_when_it_is_scheduled_and_ends_where_the_next_one_begins() {
    let flexible = Timing { window_ms: 15 * 60_000, ..timing("cron(0 * * * ? *)", "UTC") };
    let first = flexible.next(at("2026-11-23T10:30:00Z")).unwrap();
    assert_eq!(first.scheduled, at("2026-11-23T11:00:00Z"));
    assert!(first.due.millis_since(first.scheduled) < 15 * 60_000, "{first:?}");
    assert_eq!(flexible.next(at("2026-11-23T10:30:00Z")), Some(first), "always the same");
    // What has been scheduled and is not due yet is not forgotten.
    assert_eq!(flexible.next_due(Timestamp(first.due.0 - 1)), Some(first));
    assert_ne!(flexible.next_due(first.due), Some(first));
    let offsets: std::collections::BTreeSet<u64> = (0..50)
        .map(|seed| Timing { seed, ..flexible.clone() }.next(Timestamp(0)).unwrap().due.0)
        .collect();
    assert!(offsets.len() > 45, "schedules are spread over the window: {offsets:?}");
}

fn expressions() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u8..60, 0_u8..24).prop_map(|(minute, hour)| format!("cron({minute} {hour} * * ? *)")),
        (1_u8..60).prop_map(|step| format!("cron(0/{step} * * * ? *)")),
        (1_u8..=7, 0_u8..24).prop_map(|(day, hour)| format!("cron(30 {hour} ? * {day} *)")),
        (1_u32..5_000).prop_map(|minutes| format!("rate({minutes} minutes)")),
    ]
}

proptest! {
    #[test]
    fn what_is_scheduled_later_is_due_later_and_nothing_is_left_out(
        expression in expressions(),
        zone in prop_oneof![
            Just("UTC"), Just("America/New_York"), Just("Europe/London"), Just("Australia/Lord_Howe")
        ],
        window_minutes in prop_oneof![Just(0_u64), 1_u64..1_440],
        // About the changes of clocks in the spring and the autumn of 2026.
        start in prop_oneof![
            1_772_900_000_000_u64..1_773_100_000_000,
            1_774_700_000_000_u64..1_774_800_000_000,
            1_793_400_000_000_u64..1_793_600_000_000,
        ],
        seed in any::<u64>(),
    ) {
        let timing = Timing { window_ms: window_minutes * 60_000, seed, ..timing(&expression, zone) };
        let start = Timestamp(start);
        let mut all = Vec::new();
        let mut after = start;
        for _occurrence in 0..40 {
            let Some(one) = timing.next(after) else { break };
            prop_assert!(one.scheduled > after && one.due >= one.scheduled);
            after = one.scheduled;
            all.push(one);
        }
        for pair in all.windows(2) {
            prop_assert!(pair[0].due < pair[1].scheduled, "{pair:?}");
            // From anywhere in between, the next one is the next one.
            let middle = Timestamp(u64::midpoint(pair[0].scheduled.0, pair[1].scheduled.0));
            prop_assert_eq!(timing.next(middle), Some(pair[1]));
            prop_assert_eq!(timing.next_due(pair[0].due), Some(pair[1]));
            prop_assert_eq!(timing.next_due(Timestamp(pair[0].due.0 - 1)), Some(pair[0]));
            prop_assert_eq!(timing.latest(start, middle), Some(pair[0]));
        }
    }
}
