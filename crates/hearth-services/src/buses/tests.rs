//! The buses as a whole, on a database, with a queue in memory.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use hearth_store::queue::memory::MemoryQueue;
use hearth_store::sqlite::Sqlite;
use hearth_types::metrics::Metric;
use hearth_types::names::{AccountId, Region};
use hearth_types::testing::StandingClock;
use hearth_types::time::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::record::RuleState;
use super::target::{Input, Target};
use super::*;
use crate::delivery::{BusEvent, Delivery, Origin, Parcel, PassedOn};
use crate::schedules::timed::Timed as _;
use crate::targets::{NotTaken, PutEvent as _, Sent};

const NOW: u64 = 1_795_404_035_123;
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

#[derive(Debug, Default)]
struct Triggered(AtomicU64);

impl Metrics for Triggered {
    fn add(&self, metric: Metric, _rule: &str, count: u64) {
        assert_eq!(metric, Metric::TriggeredRules);
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn observe(&self, _metric: Metric, _rule: &str, _milliseconds: u64) {}
}

struct Place {
    buses: Buses,
    queue: Arc<MemoryQueue>,
    triggered: Arc<Triggered>,
    directory: TempDir,
}

impl Place {
    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap()).await
    }

    async fn open(directory: TempDir) -> Self {
        let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
        let (queue, triggered) = (Arc::new(MemoryQueue::default()), Arc::new(Triggered::default()));
        let parts = Parts {
            records: Arc::new(store),
            queue: Arc::clone(&queue) as _,
            changes: Arc::new(Changes::default()),
            clock: StandingClock::at(Timestamp(NOW)),
            metrics: Arc::clone(&triggered) as _,
        };
        Self { buses: Buses::open(parts).await.unwrap(), queue, triggered, directory }
    }

    async fn rule(&self, bus: &str, name: &str, pattern: &str) {
        let settings = RuleSettings {
            name: name.to_owned(),
            pattern: Some(pattern.to_owned()),
            ..RuleSettings::default()
        };
        self.buses.put_rule(&here(), Some(bus), settings).await.unwrap();
    }

    async fn target(&self, bus: &str, rule: &str, target: Target) {
        self.buses.put_targets(&here(), (Some(bus), rule), vec![target]).await.unwrap();
    }

    async fn put(&self, events: Vec<NewEvent>) -> Vec<Result<String, EntryRefusal>> {
        self.buses.put_events(&here(), events, Some("Root=1-request")).await.unwrap()
    }

    /// What waits now, all of it from one batch.
    fn waiting(&self) -> Vec<(Delivery, Bytes)> {
        let rows = self.queue.take();
        let is_one = rows.iter().all(|row| row.batch == rows[0].batch);
        assert!(is_one, "one request is one batch: {rows:?}");
        rows.into_iter().map(|row| (Delivery::read(&row.head).unwrap(), row.body)).collect()
    }
}

fn here() -> Scope {
    Scope {
        account: AccountId::parse("000000000000").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
    }
}

fn bus_named(name: &str) -> NewBus {
    NewBus { name: name.to_owned(), ..NewBus::default() }
}

fn target(id: &str, arn: &str, input: Input) -> Target {
    Target { id: id.to_owned(), arn: arn.to_owned(), input, ..Target::default() }
}

fn event(source: &str, detail: &str) -> NewEvent {
    NewEvent {
        source: Some(source.to_owned()),
        detail_type: Some("created".to_owned()),
        detail: Some(detail.to_owned()),
        ..NewEvent::default()
    }
}

fn text<T>(result: Result<T, BusError>) -> String {
    result.err().map_or_else(String::new, |error| error.to_string())
}

#[tokio::test]
async fn buses_are_made_listed_and_deleted() {
    let place = Place::new().await;
    let buses = &place.buses;
    let made = buses.create_bus(&here(), bus_named("orders")).await.unwrap();
    assert_eq!((made.created_at, made.modified_at), (Timestamp(NOW), Timestamp(NOW)));
    let again = buses.create_bus(&here(), bus_named("orders")).await;
    assert_eq!(text(again), "Event bus orders already exists.");
    let default = buses.create_bus(&here(), bus_named("default")).await;
    assert_eq!(text(default), "Event bus default already exists.");
    let names: Vec<String> = buses.list_buses(&here()).into_iter().map(|bus| bus.name).collect();
    assert_eq!(names, ["default", "orders"]);
    let arn = "arn:aws:events:us-east-1:000000000000:event-bus/orders";
    assert_eq!(buses.bus(&here(), Some(arn)).unwrap().0.to_string(), arn);
    assert_eq!(text(buses.bus(&here(), Some("nobody"))), "Event bus nobody does not exist.");
    let foreign = "arn:aws:events:us-east-1:111111111111:event-bus/orders";
    assert_eq!(text(buses.bus(&here(), Some(foreign))), "Event bus orders does not exist.");
    let default = buses.delete_bus(&here(), "default").await;
    assert_eq!(text(default), "Cannot delete event bus default.");
    buses.delete_bus(&here(), "orders").await.unwrap();
    buses.delete_bus(&here(), "orders").await.unwrap();
    assert!(buses.bus(&here(), Some("orders")).is_err());
}

#[tokio::test]
async fn rules_and_targets_are_there_after_a_restart() {
    let place = Place::new().await;
    place.buses.create_bus(&here(), bus_named("orders")).await.unwrap();
    place.rule("orders", "r", r#"{"source": ["shop"]}"#).await;
    place.rule("default", "r", r#"{"source": ["other"]}"#).await;
    place.target("orders", "r", target("t", QUEUE, Input::Event)).await;
    let place = Place::open(place.directory).await;
    let (_, rules) = place.buses.list_rules(&here(), Some("orders")).unwrap();
    assert_eq!(rules.len(), 1);
    assert_eq!(rules[0].targets, [target("t", QUEUE, Input::Event)]);

    // Its pattern can change; its targets stay.
    place.rule("orders", "r", r#"{"source": ["new"]}"#).await;
    let (bus, rule) = place.buses.rule(&here(), Some("orders"), "r").unwrap();
    assert_eq!(rule.pattern.as_deref(), Some(r#"{"source": ["new"]}"#));
    assert_eq!(rule.targets.len(), 1);
    assert_eq!(bus.rule("r"), "arn:aws:events:us-east-1:000000000000:rule/orders/r");

    let deleted = place.buses.delete_rule(&here(), Some("orders"), "r").await;
    assert_eq!(text(deleted), "Rule can't be deleted since it has targets.");
    let deleted = place.buses.delete_bus(&here(), "orders").await;
    assert_eq!(text(deleted), "Event bus can't be deleted since it has rules.");
    let ids = ["t".to_owned(), "nobody".to_owned()];
    place.buses.remove_targets(&here(), (Some("orders"), "r"), &ids).await.unwrap();
    place.buses.delete_rule(&here(), Some("orders"), "r").await.unwrap();
    place.buses.delete_rule(&here(), Some("orders"), "r").await.unwrap();
    let missing = "Rule r does not exist on EventBus orders.";
    assert_eq!(text(place.buses.rule(&here(), Some("orders"), "r")), missing);
    assert!(place.buses.rule(&here(), None, "r").is_ok(), "that of the other bus stays");
}

#[tokio::test]
async fn a_rule_needs_a_pattern_or_a_schedule() {
    let place = Place::new().await;
    let put = |pattern: Option<&str>, schedule: Option<&str>| {
        let settings = RuleSettings {
            name: "r".to_owned(),
            pattern: pattern.map(str::to_owned),
            schedule: schedule.map(str::to_owned),
            ..RuleSettings::default()
        };
        place.buses.put_rule(here_static(), None, settings)
    };
    let none = "Parameter(s) EventPattern or ScheduleExpression must be specified.";
    assert_eq!(text(put(None, None).await), none);
    for wrong in ["rate(1 minutes)", "cron(0 10 * * * *)", "at(2027-01-01T00:00:00)", ""] {
        let said = text(put(None, Some(wrong)).await);
        assert_eq!(said, "Parameter ScheduleExpression is not valid.", "{wrong}");
    }
    put(None, Some("rate(1 minute)")).await.unwrap();
    let wrong = text(put(Some(r#"{"a": 1}"#), None).await);
    let said = "Event pattern is not valid. Reason: \"a\" must be an object or an array\n at [Source: (String)\"{\"a\": 1}\"; line: 1, column: 8]";
    assert_eq!(wrong, said);
}

/// The caller, for as long as anybody asks.
fn here_static() -> &'static Scope {
    static HERE: std::sync::OnceLock<Scope> = std::sync::OnceLock::new();
    HERE.get_or_init(here)
}

#[tokio::test]
async fn a_matching_event_becomes_a_delivery_for_each_target_in_one_batch() {
    let place = Place::new().await;
    place
        .rule(
            "default",
            "shop",
            r#"{"source": ["shop"], "detail": {"n": [{"numeric": [">", 1]}]}}"#,
        )
        .await;
    place.target("default", "shop", target("whole", QUEUE, Input::Event)).await;
    let transformer = Input::Transformer {
        paths: BTreeMap::from([("n".to_owned(), "$.detail.n".to_owned())]),
        template: "{\"n\": <n>, \"rule\": \"<aws.events.rule-name>\"}".to_owned(),
    };
    let careful = Target {
        retries: Some(2),
        age_seconds: Some(60),
        dead_letter: Some(format!("{QUEUE}-dead")),
        ..target("part", FUNCTION, transformer)
    };
    place.target("default", "shop", careful).await;

    let events =
        vec![event("shop", "{ \"n\": 2.50 }"), event("shop", "{\"n\": 1}"), event("other", "{}")];
    let ids = place.put(events).await;
    assert_eq!(ids.iter().filter(|id| id.is_ok()).count(), 3);
    let waiting = place.waiting();
    assert_eq!(waiting.len(), 2);
    assert_eq!(place.triggered.0.load(Ordering::Relaxed), 1);

    let (whole, body) = &waiting[0];
    let arn = "arn:aws:events:us-east-1:000000000000:rule/shop";
    let origin = Origin::Target {
        rule: arn.to_owned(),
        name: "shop".to_owned(),
        id: "whole".to_owned(),
        target: QUEUE.to_owned(),
        event_bytes: 0,
    };
    assert_eq!(whole.origin, origin);
    assert_eq!(whole.trace.as_deref(), Some("Root=1-request"));
    assert_eq!((whole.patience.retries_max, whole.patience.age_ms_max), (185, 86_400_000));
    let id = ids[0].as_ref().unwrap();
    let expected = format!(
        "{{\"version\":\"0\",\"id\":\"{id}\",\"detail-type\":\"created\",\"source\":\"shop\",\"account\":\"000000000000\",\"time\":\"2026-11-23T03:20:35Z\",\"region\":\"us-east-1\",\"resources\":[],\"detail\":{{\"n\":2.50}}}}"
    );
    assert_eq!(String::from_utf8_lossy(body), expected);

    let (part, body) = &waiting[1];
    assert_eq!(part.parcel, Parcel::Function { arn: FUNCTION.to_owned() });
    assert_eq!((part.patience.retries_max, part.patience.age_ms_max), (2, 60_000));
    assert_eq!(part.dead_letter, Some(format!("{QUEUE}-dead")));
    // The dead-letter queue would get the event, the target gets what was made of it.
    assert_eq!(String::from_utf8_lossy(&part.dead_body(body)), expected);
    let payload = part.payload(body);
    assert_eq!(String::from_utf8_lossy(&payload), "{\"n\": 2.50, \"rule\": \"shop\"}");
}

#[tokio::test]
async fn each_entry_is_taken_or_refused_by_itself() {
    let place = Place::new().await;
    place.rule("default", "all", r#"{"account": ["000000000000"]}"#).await;
    place.target("default", "all", target("t", QUEUE, Input::Event)).await;
    let without = |name: &str| {
        let mut event = event("shop", "{}");
        match name {
            "Source" => event.source = None,
            "DetailType" => event.detail_type = Some(String::new()),
            _ => event.detail = None,
        }
        event
    };
    let elsewhere = NewEvent { bus: Some("nobody".to_owned()), ..event("shop", "{}") };
    #[rustfmt::skip]
    let rows = [
        (event("shop", "{}"),        None),
        (without("Source"),          Some(("InvalidArgument", "Parameter Source is not valid. Reason: Source is a required argument."))),
        (without("DetailType"),      Some(("InvalidArgument", "Parameter DetailType is not valid. Reason: DetailType is a required argument."))),
        (without("Detail"),          Some(("InvalidArgument", "Parameter Detail is not valid. Reason: Detail is a required argument."))),
        (event("shop", "[1]"),       Some(("MalformedDetail", "Detail is malformed."))),
        (event("shop", "\"x\""),     Some(("MalformedDetail", "Detail is malformed."))),
        (event("shop", "{"),         Some(("MalformedDetail", "Detail is malformed."))),
        (event("aws.ec2", "{}"),     Some(("NotAuthorizedForSourceException", "Not authorized for the source."))),
        (elsewhere,                  None),
    ];
    let (events, expected): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let answers = place.put(events).await;
    let found: Vec<_> = answers
        .iter()
        .map(|answer| answer.as_ref().err().map(|error| (error.code, error.message.as_str())))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(place.waiting().len(), 1, "the one whose bus is not there goes nowhere");

    let large = event("shop", &format!("{{\"x\":\"{}\"}}", "x".repeat(1024 * 1024)));
    let refused = place.buses.put_events(&here(), vec![large], None).await;
    assert_eq!(text(refused), "Total size of the entries in the request is over the limit.");
}

#[tokio::test]
async fn a_deep_detail_is_refused_before_a_pattern_could_not_be_read_in_it() {
    let place = Place::new().await;
    place.rule("default", "deep", r#"{"detail": {"a": [1]}}"#).await;
    place.target("default", "deep", target("t", QUEUE, Input::Event)).await;
    let deep = |arrays: usize| {
        event("shop", &format!("{{\"a\":{}1{}}}", "[".repeat(arrays), "]".repeat(arrays)))
    };
    let answers = place.put(vec![deep(125), deep(126), deep(100_000)]).await;
    let codes: Vec<_> =
        answers.iter().map(|one| one.as_ref().err().map(|error| error.code)).collect();
    assert_eq!(codes, [None, Some("MalformedDetail"), Some("MalformedDetail")]);
    assert_eq!(place.waiting().len(), 1);
}

#[tokio::test]
async fn an_event_from_which_too_much_follows_is_refused_by_itself() {
    let place = Place::new().await;
    place.rule("default", "few", r#"{"source": ["shop"]}"#).await;
    place.target("default", "few", target("t", QUEUE, Input::Event)).await;
    // Each input is filled as far as it goes.
    let input = Input::Transformer {
        paths: BTreeMap::new(),
        template: format!("{{\"e\":[{}7]}}", "<aws.events.event.json>,".repeat(300)),
    };
    for number in 0..16 {
        let rule = format!("many-{number}");
        place.rule("default", &rule, r#"{"detail": {"x": [{"exists": true}]}}"#).await;
        let targets = (0..5).map(|id: u32| target(&id.to_string(), QUEUE, input.clone()));
        let of_rule = (Some("default"), rule.as_str());
        place.buses.put_targets(&here(), of_rule, targets.collect()).await.unwrap();
    }
    let large = event("shop", &format!("{{\"x\":\"{}\"}}", "x".repeat(900_000)));
    let answers = place.put(vec![event("shop", "{}"), large, event("shop", "{}")]).await;
    let codes: Vec<_> =
        answers.iter().map(|one| one.as_ref().err().map(|error| error.code)).collect();
    assert_eq!(codes, [None, Some("ThrottlingException"), None]);
    assert_eq!(place.waiting().len(), 2, "of the refused event nothing is left");
    assert_eq!(place.triggered.0.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_event_is_not_taken_if_its_deliveries_cannot_be_kept() {
    let place = Place::new().await;
    place.rule("default", "all", r#"{"source": ["shop"]}"#).await;
    place.target("default", "all", target("t", QUEUE, Input::Event)).await;
    place.queue.break_down();
    let put = place.buses.put_events(&here(), vec![event("shop", "{}")], None).await;
    assert!(matches!(put, Err(BusError::Store(_))), "{put:?}");
    assert_eq!(place.triggered.0.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_change_of_a_rule_is_seen_by_the_next_event() {
    let place = Place::new().await;
    place.rule("default", "r", r#"{"source": ["shop"]}"#).await;
    place.target("default", "r", target("t", QUEUE, Input::Constant("7".to_owned()))).await;
    let count = async |source: &str| {
        place.put(vec![event(source, "{}")]).await;
        place.waiting().len()
    };
    assert_eq!(count("shop").await, 1);
    place.rule("default", "r", r#"{"source": ["new"]}"#).await;
    assert_eq!((count("shop").await, count("new").await), (0, 1));
    let set = |state| place.buses.set_rule_state(here_static(), None, ("r", state));
    set(RuleState::Disabled).await.unwrap();
    assert_eq!(count("new").await, 0);
    set(RuleState::Enabled).await.unwrap();
    assert_eq!(count("new").await, 1);
    place.buses.remove_targets(&here(), (None, "r"), &["t".to_owned()]).await.unwrap();
    assert_eq!(count("new").await, 0);
}

#[tokio::test]
async fn an_event_that_is_passed_on_keeps_its_id_and_time_and_does_not_go_round_for_ever() {
    let place = Place::new().await;
    let next = "arn:aws:events:us-east-1:000000000000:event-bus/next";
    place.buses.create_bus(&here(), bus_named("next")).await.unwrap();
    place.rule("default", "pass", r#"{"source": ["shop"]}"#).await;
    place.target("default", "pass", target("t", next, Input::Event)).await;
    place.rule("next", "back", r#"{"detail": {"a": [1]}}"#).await;
    place.target("next", "back", target("t", next, Input::Event)).await;

    let id = place.put(vec![event("shop", "{\"a\": 1}")]).await.remove(0).unwrap();
    let mut passed = 0;
    let refusal = loop {
        let (delivery, body) = place.waiting().remove(0);
        let Parcel::Bus { arn, event } = &delivery.parcel else { panic!("{delivery:?}") };
        let kept = event.passed_on.as_ref().unwrap();
        assert_eq!((kept.id.as_str(), kept.time.as_str()), (id.as_str(), "2026-11-23T03:20:35Z"));
        assert_eq!(&body[..], b"{\"a\":1}");
        let sent = Sent { arn, body: &body, trace: delivery.trace.as_deref() };
        match place.buses.put(sent, event).await {
            Ok(()) => passed += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(passed, limits::EVENT_BUSES_MAX - 1);
    assert!(matches!(&refusal, NotTaken::Refused { code, .. } if code == "LoopDetected"));
}

#[tokio::test]
async fn an_event_of_a_function_gets_an_id_and_the_account_of_the_bus() {
    let place = Place::new().await;
    place.rule("default", "done", r#"{"source": ["lambda"]}"#).await;
    place.target("default", "done", target("t", QUEUE, Input::Event)).await;
    let event = BusEvent {
        source: "lambda".to_owned(),
        detail_type: "Lambda Function Invocation Result - Success".to_owned(),
        resources: vec![FUNCTION.to_owned()],
        passed_on: None,
    };
    let arn = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    let body = Bytes::from_static(b"{\"version\": \"1.0\"}");
    let sent = Sent { arn, body: &body, trace: None };
    place.buses.put(sent, &event).await.unwrap();
    let (_, sent_on) = place.waiting().remove(0);
    let read: Value = serde_json::from_slice(&sent_on).unwrap();
    assert_eq!(
        (&read["account"], &read["resources"][0]),
        (&json!("000000000000"), &json!(FUNCTION))
    );

    for (arn, body, code) in [
        ("arn:aws:events:us-east-1:000000000000:event-bus/no", "{}", "ResourceNotFoundException"),
        (arn, "[]", "MalformedDetail"),
    ] {
        let body = Bytes::from_static(body.as_bytes());
        let refused = place.buses.put(Sent { arn, body: &body, trace: None }, &event).await;
        assert!(
            matches!(&refused, Err(NotTaken::Refused { code: found, .. }) if found == code),
            "{refused:?}"
        );
    }
    place.queue.break_down();
    let passed = PassedOn {
        id: "1".to_owned(),
        time: "t".to_owned(),
        account: "a".to_owned(),
        region: "r".to_owned(),
        buses: 1,
    };
    let event = BusEvent { passed_on: Some(passed), ..event };
    let failed = place.buses.put(Sent { arn, body: &body, trace: None }, &event).await;
    assert!(matches!(failed, Err(NotTaken::Failed { .. })), "{failed:?}");
}

#[tokio::test]
async fn permissions_are_statements_of_a_policy() {
    let place = Place::new().await;
    let buses = &place.buses;
    let permission = |id: &str, principal: &str| Permission {
        statement_id: id.to_owned(),
        action: "events:PutEvents".to_owned(),
        principal: principal.to_owned(),
        condition: None,
    };
    buses.put_permission(&here(), None, permission("one", "111111111111")).await.unwrap();
    buses.put_permission(&here(), None, permission("all", "*")).await.unwrap();
    let shown = || buses.bus(&here(), None).unwrap().1.policy.map(|policy| policy.document());
    let policy: Value = serde_json::from_str(&shown().unwrap()).unwrap();
    let arn = "arn:aws:events:us-east-1:000000000000:event-bus/default";
    #[rustfmt::skip]
    let expected = json!({ "Version": "2012-10-17", "Statement": [
        { "Sid": "one", "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::111111111111:root" }, "Action": "events:PutEvents", "Resource": arn },
        { "Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": arn },
    ]});
    assert_eq!(policy, expected);
    buses.remove_permission(&here(), None, Some("one")).await.unwrap();
    let missing = buses.remove_permission(&here(), None, Some("one")).await;
    assert_eq!(text(missing), "Statement with the provided id does not exist.");
    buses.remove_permission(&here(), None, None).await.unwrap();
    assert_eq!(shown(), None);
    let other = Permission { action: "events:PutRule".to_owned(), ..permission("x", "*") };
    let refused = buses.put_permission(&here(), None, other).await;
    assert_eq!(text(refused), "Provided value in parameter 'action' is not supported.");
    assert!(buses.put_policy(&here(), None, "nope").await.is_err());
    let large = format!("{{\"Statement\": [{{\"Sid\": \"{}\"}}]}}", "x".repeat(10_240));
    let refused = buses.put_policy(&here(), None, &large).await;
    assert!(matches!(refused, Err(BusError::PolicyTooLong(_))), "{refused:?}");
}

#[tokio::test]
async fn buses_and_rules_have_tags() {
    let place = Place::new().await;
    place.rule("default", "r", r#"{"source": ["shop"]}"#).await;
    let start = "arn:aws:events:us-east-1:000000000000:";
    for arn in [format!("{start}event-bus/default"), format!("{start}rule/r")] {
        let add = |tags: &mut BTreeMap<String, String>| {
            tags.insert("team".to_owned(), "a".to_owned());
        };
        place.buses.change_tags(&here(), &arn, add).await.unwrap();
        let expected = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        assert_eq!(place.buses.tags(&here(), &arn).unwrap(), expected, "{arn}");
        let many = |tags: &mut BTreeMap<String, String>| {
            tags.extend((0..50).map(|number| (number.to_string(), String::new())));
        };
        let refused = place.buses.change_tags(&here(), &arn, many).await;
        assert!(matches!(refused, Err(BusError::LimitExceeded)), "{refused:?}");
    }
    let missing = place.buses.tags(&here(), &format!("{start}rule/nobody"));
    assert_eq!(text(missing), "Rule nobody does not exist on EventBus default.");
}

#[test]
fn an_event_is_tested_only_if_it_has_what_events_have() {
    let event = json!({
        "id": "1", "account": "000000000000", "source": "shop", "time": "2026-11-23T03:20:35Z",
        "region": "us-east-1", "detail-type": "created",
    });
    let test = |pattern: &str, event: &Value| test_pattern(pattern, &event.to_string());
    assert!(test(r#"{"source": ["shop"]}"#, &event).unwrap());
    assert!(!test(r#"{"source": ["other"]}"#, &event).unwrap());
    assert!(matches!(test("[]", &event), Err(BusError::Pattern(_))));
    for name in ["id", "account", "source", "time", "region", "detail-type"] {
        let mut short = event.clone();
        short.as_object_mut().unwrap().remove(name);
        let refused = text(test(r#"{"source": ["shop"]}"#, &short));
        assert_eq!(refused, "Parameter Event is not valid.", "{name}");
    }
    assert_eq!(text(test_pattern("{}", "plain text")), "Parameter Event is not valid.");
}

#[tokio::test]
async fn a_rule_with_a_schedule_makes_events_by_itself() {
    let place = Place::new().await;
    let arn = "arn:aws:events:us-east-1:000000000000:rule/tick";
    let put = |schedule: &str, state: RuleState| {
        let settings = RuleSettings {
            name: "tick".to_owned(),
            schedule: Some(schedule.to_owned()),
            state,
            ..RuleSettings::default()
        };
        place.buses.put_rule(here_static(), None, settings)
    };
    put("rate(5 minutes)", RuleState::Enabled).await.unwrap();
    place.target("default", "tick", target("t", QUEUE, Input::Event)).await;
    assert_eq!(place.buses.changes.take().into_iter().collect::<Vec<_>>(), [arn.to_owned()]);
    // The first event comes after the first period.
    let timing = place.buses.timing(arn).unwrap();
    let first = timing.next(Timestamp(0)).unwrap();
    assert_eq!(first.scheduled, Timestamp(NOW + 300_000));
    assert_eq!(place.buses.all(), [(arn.to_owned(), timing)]);

    let entries = place.buses.entries(arn, first, Timestamp(NOW + 300_004));
    let [entry] = entries.as_slice() else { panic!("one target: {entries:?}") };
    let made: Value = serde_json::from_slice(&entry.body).unwrap();
    assert_eq!(
        made,
        json!({
            "version": "0", "id": made["id"], "detail-type": "Scheduled Event",
            "source": "aws.events", "account": "000000000000", "time": "2026-11-23T03:25:35Z",
            "region": "us-east-1", "resources": [arn], "detail": {},
        })
    );
    place.buses.happened(arn);
    assert_eq!(place.triggered.0.load(Ordering::Relaxed), 1);

    // It is for no event that is put, and without effect it makes none.
    place.put(vec![event("shop", "{}")]).await;
    assert!(place.queue.take().is_empty());
    put("rate(5 minutes)", RuleState::Disabled).await.unwrap();
    assert_eq!(place.buses.timing(arn), None);
    put("cron(0 10 * * ? *)", RuleState::Enabled).await.unwrap();
    let next = place.buses.timing(arn).unwrap().next(Timestamp(0)).unwrap();
    assert_eq!(next.scheduled.iso(), "2026-11-23T10:00:00.000Z");
}

#[test]
fn a_rule_of_an_older_server_is_read() {
    let text = r#"{"bus":"default","name":"r","pattern":"{}","state":"Enabled"}"#;
    let rule: Rule = serde_json::from_str(text).unwrap();
    assert_eq!((rule.pattern.as_deref(), rule.schedule.as_deref()), (Some("{}"), None));
}
