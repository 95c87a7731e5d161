//! The rules of event invoke configurations, and a function to try them on.

use std::collections::BTreeMap;

use hearth_types::names::AliasName;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::alias::Alias;

/// A function with version 1 and alias `live`.
pub(crate) fn function() -> FunctionRecord {
    let version = |version: &str| {
        json!({
            "version": version,
            "target": "00000000-0000-4000-8000-000000000001",
            "configuration": {
                "runtime": "provided.al2023",
                "role": "",
                "handler": "bootstrap",
                "description": "",
                "timeout_seconds": 3,
                "memory_mb": 128,
                "ephemeral_storage_mb": 512,
                "variables": null,
                "architecture": "x86_64",
                "log_group": "/aws/lambda/hello",
            },
            "code": null,
            "modified": 0,
            "revision": "00000000-0000-4000-8000-000000000002",
            "state": "Active",
            "last_update": "Successful",
        })
    };
    let scope = json!({ "account": "000000000000", "region": "us-east-1" });
    let stored = json!({
        "arn": { "scope": scope, "name": "hello" },
        "latest": version("$LATEST"),
        "versions": { "1": version("1") },
        "last_version": 1,
    });
    let mut record: FunctionRecord = serde_json::from_value(stored).unwrap();
    let live = Alias::new(Version::Published(1), String::new(), BTreeMap::new());
    record.aliases.insert(AliasName::parse("live").unwrap(), live);
    record
}

fn qualifier(text: &str) -> Qualifier {
    Qualifier::parse(text).unwrap()
}

fn to(on_success: Option<&str>, on_failure: Option<&str>) -> EventInvokeSettings {
    let owned = |arn: Option<&str>| arn.map(ToOwned::to_owned);
    let (on_success, on_failure) = (owned(on_success), owned(on_failure));
    let destinations = Some(Destinations { on_success, on_failure });
    EventInvokeSettings { destinations, ..EventInvokeSettings::default() }
}

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:queue";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:topic";

#[test]
fn a_put_replaces_and_an_update_merges() {
    let mut record = function();
    let settings = EventInvokeSettings { retries: Some(1), ..to(Some(QUEUE), Some(TOPIC)) };
    record.put_event_invoke(None, &settings, Timestamp(1)).unwrap();

    let aged = EventInvokeSettings { event_age_seconds: Some(60), ..to(None, Some(QUEUE)) };
    let updated = record.update_event_invoke(None, &aged, Timestamp(2)).unwrap();
    let expected = EventInvokeConfig {
        retries: Some(1),
        event_age_seconds: Some(60),
        on_success: Some(QUEUE.to_owned()),
        on_failure: Some(QUEUE.to_owned()),
        modified: Timestamp(2),
    };
    assert_eq!(updated, expected);
    assert_eq!(record.event_invoke_config(None).unwrap(), &expected);

    let put = record.put_event_invoke(None, &to(None, Some(TOPIC)), Timestamp(3)).unwrap();
    let on_failure = Some(TOPIC.to_owned());
    let modified = Timestamp(3);
    assert_eq!(put, EventInvokeConfig { on_failure, modified, ..EventInvokeConfig::default() });
}

#[test]
fn an_empty_destination_is_none() {
    let mut record = function();
    record.put_event_invoke(None, &to(Some(QUEUE), Some(TOPIC)), Timestamp(1)).unwrap();
    let updated = record.update_event_invoke(None, &to(Some(""), None), Timestamp(2)).unwrap();
    assert_eq!(updated.on_success, None);
    assert_eq!(updated.on_failure.as_deref(), Some(TOPIC));
    let put = record.put_event_invoke(None, &to(Some(""), Some("")), Timestamp(3)).unwrap();
    assert_eq!((put.on_success, put.on_failure), (None, None));
}

#[test]
fn the_function_is_its_latest_version_and_others_have_their_own() {
    let mut record = function();
    let settings = EventInvokeSettings { retries: Some(0), ..EventInvokeSettings::default() };
    record.put_event_invoke(None, &settings, Timestamp(1)).unwrap();
    assert!(record.event_invoke_config(Some(&qualifier("$LATEST"))).is_ok());
    for own in ["1", "live"] {
        record.put_event_invoke(Some(&qualifier(own)), &settings, Timestamp(1)).unwrap();
    }
    assert_eq!(record.event_invoke.keys().collect::<Vec<_>>(), ["$LATEST", "1", "live"]);
    record.delete_event_invoke(Some(&qualifier("$LATEST"))).unwrap();
    assert_eq!(record.event_invoke.keys().collect::<Vec<_>>(), ["1", "live"]);
}

#[test]
fn what_is_missing_is_named() {
    let mut record = function();
    let settings = to(None, Some(QUEUE));
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:hello";
    let not_configured = |qualifier: &str| {
        format!("The function {arn}:{qualifier} doesn't have an EventInvokeConfig")
    };
    let now = Timestamp(1);
    let (one, two, gone) = (qualifier("1"), qualifier("2"), qualifier("gone"));
    #[rustfmt::skip]
    let rows = [
        ("put on a version",    record.put_event_invoke(Some(&two), &settings, now).err(),      FUNCTION_MISSING.to_owned()),
        ("put on an alias",     record.put_event_invoke(Some(&gone), &settings, now).err(),    FUNCTION_MISSING.to_owned()),
        ("update of a version", record.update_event_invoke(Some(&two), &settings, now).err(),   FUNCTION_MISSING.to_owned()),
        ("update of nothing",   record.update_event_invoke(Some(&one), &settings, now).err(),   not_configured("1")),
        ("get of nothing",      record.event_invoke_config(None).err(),                         not_configured("$LATEST")),
        ("get of an alias",     record.event_invoke_config(Some(&gone)).err(),                 not_configured("gone")),
        ("delete of nothing",   record.delete_event_invoke(None).err(),                         not_configured("$LATEST")),
    ];
    for (name, refused, expected) in rows {
        let refused = refused.unwrap();
        assert!(matches!(refused, ControlError::NotFound(_)), "{name}: {refused:?}");
        assert_eq!(refused.to_string(), expected, "{name}");
    }
    assert!(record.event_invoke.is_empty());
}

#[test]
fn something_must_be_given() {
    let nothing = EventInvokeSettings::default();
    assert!(nothing.check_something_is_given().is_err());
    assert!(to(None, None).check_something_is_given().is_ok());
    let retries = EventInvokeSettings { retries: Some(0), ..nothing };
    assert!(retries.check_something_is_given().is_ok());
}

#[test]
fn a_function_is_no_destination_for_itself() {
    let mut record = function();
    for suffix in ["", ":$LATEST", ":1", ":live"] {
        let arn = format!("{}{suffix}", record.arn);
        let refused = record.put_event_invoke(None, &to(Some(&arn), None), Timestamp(1));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "You can't specify the function as a destination for itself.",
            "{arn}"
        );
    }
}

#[test]
fn each_kind_of_destination() {
    #[rustfmt::skip]
    let rows = [
        // ARN, for successes, for failures
        ("arn:aws:sqs:us-east-1:000000000000:queue",                          true,  true),
        ("arn:aws-us-gov:sqs:us-gov-west-1:000000000000:my_queue-1",          true,  true),
        ("arn:aws:sqs:us-east-1:000000000000:queue.fifo",                     false, false),
        ("arn:aws:sqs:us-east-1:000000000000:",                               false, false),
        ("arn:aws:sqs:us-east-1::queue",                                      false, false),
        ("arn:aws:sqs::000000000000:queue",                                   false, false),
        ("arn:aws:sns:us-east-1:000000000000:topic",                          true,  true),
        ("arn:aws:sns:us-east-1:000000000000:topic.fifo",                     false, false),
        ("arn:aws:sns:us-east-1:000000000000:topic:subscription",             false, false),
        ("arn:aws:lambda:us-east-1:000000000000:function:other",              true,  true),
        ("arn:aws:lambda:us-east-1:000000000000:function:other:live",         true,  true),
        ("arn:aws:lambda:us-east-1:000000000000:function:hello world",        false, false),
        ("arn:aws:lambda:us-east-1:000000000000:layer:other",                 false, false),
        ("arn:aws:events:us-east-1:000000000000:event-bus/default",           true,  true),
        ("arn:aws:events:us-east-1:000000000000:event-bus/my.bus",            true,  true),
        ("arn:aws:events:us-east-1:000000000000:event-bus/aws.partner/x.com", false, false),
        ("arn:aws:events:us-east-1:000000000000:rule/rule",                   false, false),
        ("arn:aws:s3:::bucket",                                               false, true),
        ("arn:aws:s3:::bucket/key",                                           false, false),
        ("arn:aws:s3:us-east-1:000000000000:bucket",                          false, false),
        ("arn:aws:kinesis:us-east-1:000000000000:stream/stream",              false, false),
        ("arn:aws:iam::000000000000:role/role",                               false, false),
        ("kafka://topic",                                                     false, false),
        ("hello",                                                             false, false),
    ];
    for (arn, success, failure) in rows {
        assert_eq!(can_receive(arn, Outcome::Success), success, "{arn}");
        assert_eq!(can_receive(arn, Outcome::Failure), failure, "{arn}");
    }
    let mut record = function();
    let refused =
        record.put_event_invoke(None, &to(Some("arn:aws:s3:::bucket"), None), Timestamp(1));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "The destination ARN arn:aws:s3:::bucket is invalid."
    );
    assert!(record.event_invoke.is_empty());
}

proptest! {
    #[test]
    fn every_queue_but_a_fifo_one_can_receive(name in "[a-zA-Z0-9_-]{1,75}") {
        let arn = format!("arn:aws:sqs:eu-central-1:123456789012:{name}");
        prop_assert!(can_receive(&arn, Outcome::Success));
        let fifo = format!("{arn}.fifo");
        prop_assert!(!can_receive(&fifo, Outcome::Failure));
    }

    #[test]
    fn no_destination_panics(service in "sqs|sns|events|lambda|s3", rest in ".*", text in ".*") {
        let _ = can_receive(&format!("arn:aws:{service}:{rest}"), Outcome::Failure);
        let _ = can_receive(&text, Outcome::Success);
    }
}
