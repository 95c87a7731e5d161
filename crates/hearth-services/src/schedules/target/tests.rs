//! Which targets there are, and what they are handed.

use hearth_types::names::{AccountId, Region};

use super::*;

const ROLE: &str = "arn:aws:iam::000000000000:role/scheduler";

fn here() -> Scope {
    Scope {
        account: AccountId::parse("000000000000").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
    }
}

fn target(arn: &str, input: Option<&str>) -> Target {
    Target {
        arn: arn.to_owned(),
        role: ROLE.to_owned(),
        input: input.map(str::to_owned),
        ..Target::default()
    }
}

fn refusal(target: &Target) -> String {
    target.check(&here()).map_or_else(|error| error.to_string(), |()| String::new())
}

fn handed(target: &Target) -> (Parcel, String) {
    let schedule = ScheduleArn::meant(&here(), None, "s".to_owned());
    let invocation = Invocation {
        schedule: &schedule,
        scheduled: Timestamp(1_795_404_035_000),
        execution: "d32c5kddcf5bb8c3",
    };
    let (parcel, body) = target.parcel(invocation).unwrap();
    (parcel, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn only_what_is_called_can_be_a_target() {
    let wrong = "Provided Arn is not in correct format.";
    #[rustfmt::skip]
    let rows = [
        ("arn:aws:lambda:us-east-1:000000000000:function:f",      ""),
        ("arn:aws:lambda:us-east-1:000000000000:function:f:live", ""),
        ("arn:aws:sqs:us-east-1:000000000000:q",                  ""),
        ("arn:aws:sns:us-east-1:000000000000:t",                  ""),
        ("arn:aws:sqs:us-east-1:000000000000:q.fifo",             "MessageGroupId must be specified for a FIFO queue."),
        ("arn:aws:events:us-east-1:000000000000:event-bus/b",     "EventBridgeParameters must be specified for an event bus."),
        ("arn:aws:events:us-east-1:000000000000:api-destination/d", wrong),
        ("arn:aws:lambda:us-east-1:000000000000:layer:l",         wrong),
        ("arn:aws:s3:::bucket",                                   wrong),
        ("lambda",                                                wrong),
        ("arn:aws:states:us-east-1:000000000000:stateMachine:m",  "the target states of EventBridge Scheduler is not built yet"),
        ("arn:aws:scheduler:::aws-sdk:sqs:sendMessage",           "the universal target sqs:sendMessage of EventBridge Scheduler is not built yet"),
        ("arn:aws:scheduler:::aws-sdk:lambda:invoke",             "Input must be specified for a universal target."),
    ];
    for (arn, expected) in rows {
        assert_eq!(refusal(&target(arn, None)), expected, "{arn}");
    }
}

#[test]
fn an_input_has_to_fit_its_target() {
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let queue = "arn:aws:sqs:us-east-1:000000000000:q";
    let large = "x".repeat(limits::SCHEDULE_INPUT_BYTES_MAX + 1);
    #[rustfmt::skip]
    let rows = [
        (target(function, Some("{\"a\": 1}")), ""),
        (target(function, Some("{\"n\": <aws.scheduler.attempt-number>}")), ""),
        (target(function, Some("plain")),      "Input must be well-formed JSON for this target."),
        (target(queue, Some("plain")),         ""),
        (target(queue, Some(&large)),          "Input must not be larger than 262144 bytes."),
        (target(INVOKE, Some("{}")),           "Input is not that of lambda:invoke: missing field `FunctionName` at line 1 column 2."),
        (target(INVOKE, Some("{\"FunctionName\": \"f\", \"InvocationType\": \"DryRun\"}")), "InvocationType DryRun is not supported."),
        (target(INVOKE, Some("{\"FunctionName\": \"../f\"}")), "FunctionName or Qualifier is not in correct format."),
    ];
    for (target, expected) in rows {
        assert_eq!(refusal(&target), expected, "{target:?}");
    }
    let other = target(INVOKE, Some("{\"FunctionName\": \"f\", \"ClientContext\": \"e30=\"}"));
    assert!(refusal(&other).contains("unknown field `ClientContext`"), "{}", refusal(&other));
    let mixed = Target { group: Some("g".to_owned()), ..target(function, None) };
    assert_eq!(refusal(&mixed), "SqsParameters is only supported for an SQS target.");
}

#[test]
fn a_universal_target_calls_the_function_that_its_input_names() {
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    #[rustfmt::skip]
    let rows = [
        (r#"{"FunctionName": "f", "InvocationType": "Event", "Payload": "{\"a\":1}"}"#,
            Parcel::Function { arn: arn.to_owned() }, "{\"a\":1}"),
        (r#"{"FunctionName": "f", "Payload": {"a": 1}}"#,
            Parcel::Invocation { arn: arn.to_owned() }, "{\"a\":1}"),
        (r#"{"FunctionName": "f:1", "InvocationType": "RequestResponse"}"#,
            Parcel::Invocation { arn: format!("{arn}:1") }, ""),
        (r#"{"FunctionName": "arn:aws:lambda:eu-west-1:123456789012:function:g", "Qualifier": "live", "InvocationType": "Event"}"#,
            Parcel::Function { arn: "arn:aws:lambda:eu-west-1:123456789012:function:g:live".to_owned() }, ""),
    ];
    for (input, parcel, body) in rows {
        let target = target(INVOKE, Some(input));
        assert_eq!(refusal(&target), "", "{input}");
        assert_eq!(handed(&target), (parcel, body.to_owned()), "{input}");
    }
}

#[test]
fn a_target_without_an_input_gets_a_notification() {
    let (parcel, body) = handed(&target("arn:aws:sqs:us-east-1:000000000000:q", None));
    assert!(matches!(parcel, Parcel::Queue { .. }), "{parcel:?}");
    let read: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        read,
        json!({
            "version": "0", "id": "d32c5kddcf5bb8c3", "detail-type": "Scheduled Event",
            "source": "aws.scheduler", "account": "000000000000", "time": "2026-11-23T03:20:35Z",
            "region": "us-east-1", "detail": "{}",
            "resources": ["arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"],
        })
    );
}

#[test]
fn a_bus_gets_an_event_of_the_source_that_was_given() {
    let event = EventParameters { detail_type: "tick".to_owned(), source: "clock".to_owned() };
    let bus = Target {
        event: Some(event),
        ..target("arn:aws:events:us-east-1:000000000000:event-bus/b", Some("{\"a\":1}"))
    };
    assert_eq!(refusal(&bus), "");
    let (Parcel::Bus { event, .. }, body) = handed(&bus) else { panic!("another parcel") };
    assert_eq!((event.source.as_str(), event.detail_type.as_str()), ("clock", "tick"));
    assert_eq!(event.resources, ["arn:aws:scheduler:us-east-1:000000000000:schedule/default/s"]);
    assert_eq!(body, "{\"a\":1}");
}

#[test]
fn patience_is_what_was_said_or_awss_own() {
    let plain = target("arn:aws:sqs:us-east-1:000000000000:q", None);
    let day = Patience { retries_max: 185, age_ms_max: 86_400_000, http: None };
    assert_eq!(plain.patience(), day);
    let short = Target { retries: Some(0), age_seconds: Some(60), ..plain };
    assert_eq!(short.patience(), Patience { retries_max: 0, age_ms_max: 60_000, http: None });
}
