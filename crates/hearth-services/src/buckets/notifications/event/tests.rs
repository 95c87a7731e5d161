//! Each kind of event, as it is told to whom.

use hearth_types::names::Region;
use serde_json::{Value, json};

use super::super::{EventPattern, KeyFilter, NotificationConfiguration};
use super::*;
use crate::buckets::{Settings, Versioning};

fn bucket() -> BucketRecord {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let (versioning, settings) = (Versioning::Enabled, Settings::default());
    BucketRecord { name: "uploads".to_owned(), scope, created: Timestamp(0), versioning, settings }
}

fn occasion() -> Occasion {
    let account = AccountId::parse("000000000000").unwrap();
    let trace = Some("Root=1-2-3;Lineage=43e12f0f:1".to_owned());
    let address = "127.0.0.1".to_owned();
    Occasion { trace, ..Occasion::of_caller("request".to_owned(), &account, address) }
}

fn told_of_all(destination: Destination) -> NotificationConfiguration {
    let events = ["ObjectCreated", "ObjectRemoved", "ObjectTagging", "LifecycleExpiration"]
        .map(|group| EventPattern::parse(&format!("s3:{group}:*")).unwrap());
    let notification = Notification {
        id: "all".to_owned(),
        destination,
        events: events.to_vec(),
        filter: KeyFilter::default(),
    };
    NotificationConfiguration { notifications: vec![notification], to_event_bus: true }
}

fn function() -> Destination {
    Destination::Function("arn:aws:lambda:us-east-1:000000000000:function:f".to_owned())
}

fn happen(kind: EventKind, key: &str, told: &NotificationConfiguration) -> Vec<Posting> {
    let (bucket, occasion) = (bucket(), occasion());
    let happened = Happened {
        kind,
        bucket: &bucket,
        key,
        version: Some("v1"),
        object: Some((7, "etag")),
        at: Timestamp(1_795_404_035_123),
        sequencer: Sequencer(0xABC),
        occasion: &occasion,
    };
    told.postings(&happened)
}

fn read(posting: &Posting) -> Value {
    serde_json::from_str(&posting.body).unwrap()
}

#[test]
fn a_record_is_one_of_aws() {
    let postings = happen(EventKind::Put, "in/a b+ü.txt", &told_of_all(function()));
    let expected = json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-11-23T03:20:35.123Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "AWS:000000000000" },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": {
            "x-amz-request-id": "request",
            "x-amz-id-2": host_id("request"),
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "all",
            "bucket": {
                "name": "uploads",
                "ownerIdentity": { "principalId": "000000000000" },
                "arn": "arn:aws:s3:::uploads",
            },
            "object": {
                "key": "in/a+b%2B%C3%BC.txt",
                "size": 7,
                "eTag": "etag",
                "versionId": "v1",
                "sequencer": "0000000000000ABC",
            },
        },
    }]});
    assert_eq!(read(&postings[0]), expected);
    assert_eq!(postings[0].lane, format!("arn:aws:s3:::uploads {}", function().arn()));
    let delivery = &postings[0].delivery;
    assert_eq!(delivery.trace.as_deref(), Some("Root=1-2-3;Lineage=43e12f0f:1"));
    let origin = Origin::Notification {
        bucket: "arn:aws:s3:::uploads".to_owned(),
        configuration: "all".to_owned(),
    };
    assert_eq!(delivery.origin, origin);
}

#[test]
fn an_event_of_a_bus_is_one_of_aws() {
    let postings = happen(EventKind::Put, "in/a b.txt", &told_of_all(function()));
    let expected = json!({
        "version": "0",
        "bucket": { "name": "uploads" },
        "object": {
            "key": "in/a b.txt",
            "size": 7,
            "etag": "etag",
            "version-id": "v1",
            "sequencer": "0000000000000ABC",
        },
        "request-id": "request",
        "requester": "000000000000",
        "source-ip-address": "127.0.0.1",
        "reason": "PutObject",
    });
    assert_eq!(read(&postings[1]), expected);
    let Parcel::Bus { arn, event } = &postings[1].delivery.parcel else {
        panic!("{:?}", postings[1]);
    };
    assert_eq!(arn, "arn:aws:events:us-east-1:000000000000:event-bus/default");
    assert_eq!((event.source.as_str(), event.detail_type.as_str()), ("aws.s3", "Object Created"));
    assert_eq!(event.resources, ["arn:aws:s3:::uploads"]);
    let passed = event.passed_on.as_ref().unwrap();
    assert_eq!((passed.time.as_str(), passed.buses), ("2026-11-23T03:20:35Z", 0));
}

#[test]
fn each_kind_says_what_aws_says() {
    let told = told_of_all(function());
    #[rustfmt::skip]
    let rows = [
        // kind, version of the record, size, ETag and sequencer in it; reason, deletion and ETag on the bus
        (EventKind::Put,              "2.1", [true, true, true],   Some("PutObject"),               None,                          Some("etag")),
        (EventKind::Post,             "2.1", [true, true, true],   Some("POST Object"),             None,                          Some("etag")),
        (EventKind::Copy,             "2.1", [true, true, true],   Some("CopyObject"),              None,                          Some("etag")),
        (EventKind::CompleteUpload,   "2.1", [true, true, true],   Some("CompleteMultipartUpload"), None,                          Some("etag")),
        (EventKind::Delete,           "2.1", [false, false, true], Some("DeleteObject"),            Some("Permanently Deleted"),   None),
        (EventKind::DeleteMarker,     "2.1", [false, false, true], Some("DeleteObject"),            Some("Delete Marker Created"), Some(ETAG_OF_NOTHING)),
        (EventKind::PutTags,          "2.3", [false, true, false], None,                            None,                          Some("etag")),
        (EventKind::DeleteTags,       "2.3", [false, true, false], None,                            None,                          Some("etag")),
        (EventKind::Expire,           "2.3", [false, false, true], Some("Lifecycle Expiration"),    Some("Permanently Deleted"),   None),
        (EventKind::ExpireWithMarker, "2.3", [false, false, true], Some("Lifecycle Expiration"),    Some("Delete Marker Created"), Some(ETAG_OF_NOTHING)),
    ];
    assert_eq!(rows.map(|row| row.0), EventKind::ALL);
    for (kind, version, has, reason, deletion, etag) in rows {
        let postings = happen(kind, "k", &told);
        let record = read(&postings[0])["Records"][0].take();
        assert_eq!(record["eventName"], kind.name(), "{kind:?}");
        assert_eq!(record["eventVersion"], version, "{kind:?}");
        let object = &record["s3"]["object"];
        let found = ["size", "eTag", "sequencer"].map(|name| object.get(name).is_some());
        assert_eq!(found, has, "{kind:?}");
        assert_eq!(object["versionId"], "v1", "{kind:?}");
        let detail = read(&postings[1]);
        assert_eq!(detail["reason"].as_str(), reason, "{kind:?}");
        assert_eq!(detail["deletion-type"].as_str(), deletion, "{kind:?}");
        assert_eq!(detail["object"]["etag"].as_str(), etag, "{kind:?}");
    }
}

#[test]
fn each_destination_gets_its_parcel() {
    let queue = "arn:aws:sqs:us-east-1:000000000000:q".to_owned();
    let topic = "arn:aws:sns:us-east-1:000000000000:t".to_owned();
    let message = TopicMessage { subject: Some(SUBJECT.to_owned()), ..TopicMessage::default() };
    let rows = [
        (function(), Parcel::Function { arn: function().arn().to_owned() }),
        (
            Destination::Queue(queue.clone()),
            Parcel::Queue { arn: queue, message: QueueMessage::default() },
        ),
        (Destination::Topic(topic.clone()), Parcel::Topic { arn: topic, message }),
    ];
    for (destination, parcel) in rows {
        let postings = happen(EventKind::Put, "k", &told_of_all(destination));
        assert_eq!(postings[0].delivery.parcel, parcel);
        let text = serde_json::to_string(&postings).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Posting>>(&text).unwrap(), postings);
    }
}

#[test]
fn only_what_is_wanted_is_told() {
    let mut told = told_of_all(function());
    told.to_event_bus = false;
    told.notifications[0].events = vec![EventPattern::parse("s3:ObjectCreated:Put").unwrap()];
    told.notifications[0].filter.prefix = Some("in/".to_owned());
    #[rustfmt::skip]
    let rows = [
        (EventKind::Put,  "in/a",  1),
        (EventKind::Put,  "out/a", 0),
        (EventKind::Copy, "in/a",  0),
    ];
    for (kind, key, count) in rows {
        assert_eq!(happen(kind, key, &told).len(), count, "{kind:?} {key}");
    }
    assert!(happen(EventKind::Put, "in/a", &NotificationConfiguration::default()).is_empty());
}

#[test]
fn keys_are_written_as_forms_are() {
    #[rustfmt::skip]
    let rows = [
        ("a/b-c_d.e*f",   "a/b-c_d.e*f"),
        ("a b",           "a+b"),
        ("a+b",           "a%2Bb"),
        ("100%20",        "100%2520"),
        ("(1)~!'&=?#",    "%281%29%7E%21%27%26%3D%3F%23"),
        ("ü/日",          "%C3%BC/%E6%97%A5"),
        ("\n\u{0}",       "%0A%00"),
        ("",              ""),
    ];
    for (key, expected) in rows {
        assert_eq!(written(key), expected);
        assert!(is_written(expected), "{expected}");
    }
}

#[test]
fn later_events_have_greater_sequencers_also_when_the_clock_goes_back() {
    let sequencers = Sequencers::default();
    let times = [1_795_404_035_123, 1_795_404_035_123, 5, 1_795_404_035_124, 1_795_404_035_100];
    let texts: Vec<String> =
        times.iter().map(|time| sequencers.next(Timestamp(*time)).text()).collect();
    assert!(texts.is_sorted_by(|one, other| one < other), "{texts:?}");
    assert!(texts.iter().all(|text| text.len() == 16), "{texts:?}");

    let after_a_start = Sequencers::default();
    let last = sequencers.next(Timestamp(0));
    after_a_start.above(last.number());
    assert!(after_a_start.next(Timestamp(5)) > last);
}

#[test]
fn the_test_event_is_aws_s() {
    let text = test_event("uploads", "request", Timestamp(1_795_404_035_123));
    let read: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-11-23T03:20:35.123Z",
        "Bucket": "uploads",
        "RequestId": "request",
        "HostId": host_id("request"),
    });
    assert_eq!(read, expected);
}
