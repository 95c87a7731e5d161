//! What a lifecycle configuration may say, and what it means for an object.

use proptest::prelude::*;

use super::super::checksum::ChecksumKind;
use super::super::record::{Content, Metadata};
use super::super::tags::Tagged;
use super::*;

fn day(number: u64) -> Timestamp {
    Timestamp(number * DAY_MILLIS)
}

fn object(size: u64, tags: &[(&str, &str)]) -> Object {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Object {
        content: Content::Inline(0),
        size,
        etag: String::new(),
        checksum: None,
        checksum_kind: ChecksumKind::FullObject,
        metadata: Metadata::default(),
        tags: Tags::new(tags.collect(), Tagged::Object).unwrap(),
    }
}

fn version(object: Option<Object>, modified: Timestamp) -> VersionRecord {
    VersionRecord { id: "v".to_owned(), modified, object, upload: None }
}

fn rule(expiration: Option<Expiration>) -> LifecycleRule {
    let status = RuleStatus::Enabled;
    LifecycleRule { id: "r".to_owned(), status, expiration, ..LifecycleRule::default() }
}

fn with_filter(filter: RuleFilter) -> LifecycleRule {
    LifecycleRule { filter, ..rule(Some(Expiration::Days(1))) }
}

#[test]
fn a_day_ends_at_midnight() {
    #[rustfmt::skip]
    let rows = [
        (day(10),                1, day(11)),
        (Timestamp(day(10).0 + 1), 1, day(12)),
        (Timestamp(day(11).0 - 1), 1, day(12)),
        (day(10),                0, day(10)),
    ];
    for (from, days, expected) in rows {
        assert_eq!(after_days(from, days), expected, "{from:?} {days}");
    }
    // Far away is no panic.
    let _far = after_days(Timestamp(u64::MAX), u32::MAX);
}

#[test]
fn a_filter_fits_what_all_of_it_is_true_of() {
    let tags = |tags: &[(&str, &str)]| object(0, tags).tags;
    let prefix = Some("logs/".to_owned());
    let both = RuleFilter {
        prefix: prefix.clone(),
        tags: tags(&[("a", "b")]),
        larger_than: Some(5),
        smaller_than: Some(10),
        ..RuleFilter::default()
    };
    #[rustfmt::skip]
    let rows = [
        (RuleFilter::default(),                                                "x",      object(5, &[]),           true),
        (RuleFilter { prefix: prefix.clone(), ..RuleFilter::default() },       "logs/x", object(5, &[]),           true),
        (RuleFilter { prefix, ..RuleFilter::default() },                       "log",    object(5, &[]),           false),
        (RuleFilter { tags: tags(&[("a", "b")]), ..RuleFilter::default() },    "x",      object(5, &[("a", "b")]), true),
        (RuleFilter { tags: tags(&[("a", "b")]), ..RuleFilter::default() },    "x",      object(5, &[("a", "c")]), false),
        (RuleFilter { larger_than: Some(5), ..RuleFilter::default() },         "x",      object(5, &[]),           false),
        (RuleFilter { smaller_than: Some(5), ..RuleFilter::default() },        "x",      object(4, &[]),           true),
        (both.clone(),                                                         "logs/x", object(6, &[("a", "b")]), true),
        (both,                                                                 "logs/x", object(10, &[("a", "b")]), false),
    ];
    for (filter, key, object, expected) in rows {
        let rules = [with_filter(filter)];
        let found = expires(&rules, key, (&object, day(0)));
        assert_eq!(found.is_some(), expected, "{rules:?} {key}");
    }
}

#[test]
fn what_becomes_of_a_version() {
    use Standing::{Alone, Newest, Noncurrent};
    let days = |days| rule(Some(Expiration::Days(days)));
    let noncurrent = |days, newer_versions| LifecycleRule {
        noncurrent: Some(NoncurrentExpiration { days, newer_versions }),
        ..rule(None)
    };
    let lone = rule(Some(Expiration::LoneMarkers));
    let disabled = LifecycleRule { status: RuleStatus::Disabled, ..days(1) };
    let old = |newer| Noncurrent { since: day(5), newer };
    let (is, gone) = (Some(object(1, &[])), None);
    #[rustfmt::skip]
    let rows = [
        ("not yet",                  days(3),            is.clone(),   Newest, Versioning::Never,     Verdict::Stay),
        ("due",                      days(2),            is.clone(),   Alone,  Versioning::Never,     Verdict::Remove),
        ("due, with versions",       days(2),            is.clone(),   Newest, Versioning::Enabled,   Verdict::Hide),
        ("due, once with versions",  days(2),            is.clone(),   Alone,  Versioning::Suspended, Verdict::Hide),
        ("not enabled",              disabled,           is.clone(),   Alone,  Versioning::Never,     Verdict::Stay),
        ("on a day that has come",   rule(Some(Expiration::Date(day(10)))), is.clone(), Alone, Versioning::Never, Verdict::Remove),
        ("on a day to come",         rule(Some(Expiration::Date(day(11)))), is.clone(), Alone, Versioning::Never, Verdict::Stay),
        ("a lone marker",            lone.clone(),       gone.clone(), Alone,  Versioning::Enabled,   Verdict::Remove),
        ("a lone marker, by days",   days(2),            gone.clone(), Alone,  Versioning::Enabled,   Verdict::Remove),
        ("a lone marker, too young", days(3),            gone.clone(), Alone,  Versioning::Enabled,   Verdict::Stay),
        ("a marker before others",   lone.clone(),       gone.clone(), Newest, Versioning::Enabled,   Verdict::Stay),
        ("an object alone",          lone,               is.clone(),   Alone,  Versioning::Enabled,   Verdict::Stay),
        ("noncurrent",               noncurrent(5, None), is.clone(),  old(0), Versioning::Enabled,   Verdict::Remove),
        ("noncurrent, too young",    noncurrent(6, None), is.clone(),  old(0), Versioning::Enabled,   Verdict::Stay),
        ("one of those to keep",     noncurrent(5, Some(2)), is.clone(), old(1), Versioning::Enabled, Verdict::Stay),
        ("behind those to keep",     noncurrent(5, Some(2)), is.clone(), old(2), Versioning::Enabled, Verdict::Remove),
        ("a noncurrent marker",      noncurrent(5, None), gone,        old(0), Versioning::Enabled,   Verdict::Remove),
        ("noncurrent, other rule",   days(1),            is,           old(0), Versioning::Enabled,   Verdict::Stay),
    ];
    for (name, rule, object, standing, versioning, expected) in rows {
        let version = version(object, day(8));
        let found = judge(&[rule], ("key", &version, standing), (versioning, day(10)));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn uploads_are_forgotten_by_the_first_rule_that_is_due() {
    let abort = |id: &str, days, prefix: &str| LifecycleRule {
        id: id.to_owned(),
        abort_days: Some(days),
        filter: RuleFilter { prefix: Some(prefix.to_owned()), ..RuleFilter::default() },
        ..rule(None)
    };
    let rules = [abort("late", 7, ""), abort("soon", 2, "in/")];
    assert_eq!(upload_expires(&rules, "in/x", day(1)), Some((day(3), "soon")));
    assert_eq!(upload_expires(&rules, "x", day(1)), Some((day(8), "late")));
    assert_eq!(upload_expires(&[], "x", day(1)), None);
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let tagged = RuleFilter { tags: object(0, &[("a", "b")]).tags, ..RuleFilter::default() };
    let sizes = |larger, smaller| RuleFilter {
        larger_than: Some(larger),
        smaller_than: Some(smaller),
        ..RuleFilter::default()
    };
    let noncurrent = |days, newer_versions| LifecycleRule {
        noncurrent: Some(NoncurrentExpiration { days, newer_versions }),
        ..rule(None)
    };
    let fine = rule(Some(Expiration::Days(1)));
    #[rustfmt::skip]
    let rows = [
        (vec![fine.clone()],                                                                  ""),
        (vec![],                                                                              "MalformedXML"),
        (vec![fine.clone(); 1_001],                                                           "MalformedXML"),
        (vec![fine.clone(), fine.clone()],                                                    "InvalidArgument"),
        (vec![LifecycleRule { id: "i".repeat(256), ..fine }],                                 "InvalidArgument"),
        (vec![rule(None)],                                                                    "InvalidRequest"),
        (vec![rule(Some(Expiration::Days(0)))],                                               "InvalidArgument"),
        (vec![rule(Some(Expiration::Date(Timestamp(1))))],                                    "InvalidArgument"),
        (vec![noncurrent(0, None)],                                                           "InvalidArgument"),
        (vec![noncurrent(1, Some(101))],                                                      "InvalidArgument"),
        (vec![LifecycleRule { abort_days: Some(0), ..rule(None) }],                           "InvalidArgument"),
        (vec![LifecycleRule { abort_days: Some(1), filter: tagged.clone(), ..rule(None) }],   "InvalidRequest"),
        (vec![LifecycleRule { filter: tagged, ..rule(Some(Expiration::LoneMarkers)) }],       "InvalidRequest"),
        (vec![with_filter(sizes(5, 5))],                                                      "InvalidRequest"),
        (vec![with_filter(sizes(5, 6))],                                                      ""),
    ];
    for (rules, refusal) in rows {
        let found = check_rules(&rules);
        assert_eq!(found.as_ref().err().map_or("", BucketError::code), refusal, "{rules:?}");
    }
}

proptest! {
    #[test]
    fn nothing_expires_early(modified in 0_u64..1 << 50, days in 1_u32..4_000, now in 0_u64..1 << 51) {
        let version = version(Some(object(1, &[])), Timestamp(modified));
        let rules = [rule(Some(Expiration::Days(days)))];
        let found = judge(&rules, ("k", &version, Standing::Alone), (Versioning::Never, Timestamp(now)));
        let whole_days = now.saturating_sub(modified) / DAY_MILLIS;
        prop_assert!(found == Verdict::Stay || whole_days >= u64::from(days));
        // And it does within a day of that.
        prop_assert!(found == Verdict::Remove || whole_days < u64::from(days) + 1);
    }
}
