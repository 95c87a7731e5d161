//! What the function gets, and what a destination gets of records that were given up. Pure.
//!
//! # Promises
//!
//! The shapes are AWS's. A queue and a topic get the coordinates of the records, a bucket gets the
//! records as well.

use bytes::{BufMut as _, Bytes, BytesMut};
use hearth_control::mapping::Mapping;
use hearth_store::queue::NewEntry;
use hearth_types::time::Timestamp;
use serde_json::{Value, json};

use crate::destination;
use crate::shard::lane::Dropped;
use crate::shard::source::Family;
use crate::shard::window::{Turn, WindowRun};

/// The coordinates of a shard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) family: Family,
    pub(super) stream_arn: &'a str,
    pub(super) shard: &'a str,
}

/// The event with these records.
pub(super) fn event(records: &[Bytes], window: Option<&WindowRun>, place: Place<'_>) -> Bytes {
    let bytes: usize = records.iter().map(|record| record.len() + 1).sum();
    let mut event = BytesMut::with_capacity(bytes + 512);
    event.put_slice(b"{\"Records\":[");
    for (number, record) in records.iter().enumerate() {
        if number > 0 {
            event.put_u8(b',');
        }
        event.put_slice(record);
    }
    event.put_u8(b']');
    if let Some(run) = window {
        put_window(&mut event, run, place);
    }
    event.put_u8(b'}');
    event.freeze()
}

fn put_window(event: &mut BytesMut, run: &WindowRun, place: Place<'_>) {
    let window = json!({ "start": instant(run.start), "end": instant(run.end) });
    let (is_final, is_early) = match run.turn {
        Turn::More => (false, false),
        Turn::Last => (true, false),
        Turn::Early => (true, true),
    };
    let rest = format!(
        ",\"window\":{window},\"state\":{},\"shardId\":{},\"eventSourceARN\":{},\
         \"isFinalInvokeForWindow\":{is_final},\"isWindowTerminatedEarly\":{is_early}",
        run.state,
        Value::from(place.shard),
        Value::from(place.stream_arn),
    );
    event.put_slice(rest.as_bytes());
}

/// `2020-12-09T07:04:00Z`, or with a fraction if there is one.
fn instant(at: Timestamp) -> String {
    at.iso().replace(".000Z", "Z")
}

/// The entry that brings what is told of records that were given up to the mapping's destination;
/// `None` if nobody is to be told.
pub(super) fn told(
    mapping: &Mapping,
    place: Place<'_>,
    (dropped, now): (&Dropped, Timestamp),
) -> Option<NewEntry> {
    let document = || failure(mapping, place, (dropped, now));
    let event = || event(&destination::events(dropped), None, place);
    destination::entry(mapping, now, document, (place.shard, event))
}

fn failure(mapping: &Mapping, place: Place<'_>, (dropped, now): (&Dropped, Timestamp)) -> Value {
    let (first, last) = (dropped.records.first(), dropped.records.last());
    let info = json!({
        "shardId": place.shard,
        "startSequenceNumber": first.map(|one| one.sequence_number.as_str()),
        "endSequenceNumber": last.map(|one| one.sequence_number.as_str()),
        "approximateArrivalOfFirstRecord": first.map(|one| instant(one.arrived)),
        "approximateArrivalOfLastRecord": last.map(|one| instant(one.arrived)),
        "batchSize": dropped.records.len(),
        "streamArn": place.stream_arn,
    });
    let mut document = destination::document(mapping, (dropped, now));
    let name = match place.family {
        Family::Kinesis => "KinesisBatchInfo",
        Family::DynamoDb => "DDBStreamBatchInfo",
    };
    document[name] = info;
    document
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hearth_control::mapping::MappingId;
    use hearth_control::mapping::settings::Configuration;
    use hearth_control::mapping::source::Source;
    use hearth_control::mapping::state::State;
    use hearth_services::delivery::{Delivery, Parcel};
    use hearth_types::names::{AccountId, FunctionArn, FunctionName, Region, Scope};

    use super::*;
    use crate::shard::lane::{Condition, LastRun};
    use crate::shard::source::{SequenceNumber, ShardRecord};

    const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
    const PLACE: Place<'_> = Place { family: Family::Kinesis, stream_arn: ARN, shard: "shardId-1" };
    const NOW: Timestamp = Timestamp(1_795_404_035_123);

    fn mapping(on_failure: &str) -> Mapping {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        Mapping {
            id: MappingId::random(),
            function: FunctionArn { scope, name: FunctionName::parse("f").unwrap() },
            qualifier: Some("live".to_owned()),
            source: Source::parse(Some(ARN), None).unwrap(),
            enabled: true,
            configuration: Configuration {
                on_failure: Some(on_failure.to_owned()),
                ..Configuration::default()
            },
            state: State::Enabled,
            transition_reason: String::new(),
            last_processing_result: None,
            modified: NOW,
            tags: BTreeMap::new(),
        }
    }

    fn dropped() -> Dropped {
        let record = |number: u64| ShardRecord {
            sequence_number: SequenceNumber::new(number.to_string()),
            partition_key: "k".to_owned(),
            arrived: Timestamp(NOW.0 - 1_000 + number),
            event: Bytes::from(format!("{{\"n\":{number}}}")),
        };
        Dropped {
            condition: Condition::RetryAttemptsExhausted,
            records: vec![record(1), record(2)],
            runs: 3,
            last: Some(LastRun {
                request_id: "r".to_owned(),
                version: Some("7".to_owned()),
                function_error: Some("Unhandled".to_owned()),
            }),
        }
    }

    #[test]
    fn what_a_function_gets() {
        let records = [Bytes::from_static(b"{\"n\":1}"), Bytes::from_static(b"{\"n\":2}")];
        assert_eq!(event(&records, None, PLACE), r#"{"Records":[{"n":1},{"n":2}]}"#.as_bytes());
        let run = WindowRun {
            start: Timestamp(1_607_497_440_000),
            end: Timestamp(1_607_497_560_000),
            state: "{\"1\":282}".to_owned(),
            turn: Turn::Early,
        };
        let last: Value = serde_json::from_slice(&event(&[], Some(&run), PLACE)).unwrap();
        let expected = json!({
            "Records": [],
            "window": { "start": "2020-12-09T07:04:00Z", "end": "2020-12-09T07:06:00Z" },
            "state": { "1": 282 },
            "shardId": "shardId-1",
            "eventSourceARN": ARN,
            "isFinalInvokeForWindow": true,
            "isWindowTerminatedEarly": true,
        });
        assert_eq!(last, expected);
    }

    #[test]
    fn a_queue_is_told_coordinates_and_a_bucket_gets_the_records() {
        let expected = json!({
            "requestContext": {
                "requestId": "r",
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 3,
            },
            "responseContext": {
                "statusCode": 200, "executedVersion": "7", "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": "2026-11-23T03:20:35.123Z",
            "KinesisBatchInfo": {
                "shardId": "shardId-1",
                "startSequenceNumber": "1",
                "endSequenceNumber": "2",
                "approximateArrivalOfFirstRecord": "2026-11-23T03:20:34.124Z",
                "approximateArrivalOfLastRecord": "2026-11-23T03:20:34.125Z",
                "batchSize": 2,
                "streamArn": ARN,
            },
        });
        let mapping_to_queue = mapping("arn:aws:sqs:us-east-1:000000000000:q");
        let entry = told(&mapping_to_queue, PLACE, (&dropped(), NOW)).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&entry.body).unwrap(), expected);

        let mapping_to_bucket = mapping("arn:aws:s3:::b");
        let entry = told(&mapping_to_bucket, PLACE, (&dropped(), NOW)).unwrap();
        let body: Value = serde_json::from_slice(&entry.body).unwrap();
        assert_eq!(body["payload"], r#"{"Records":[{"n":1},{"n":2}]}"#);
        assert_eq!(body["KinesisBatchInfo"], expected["KinesisBatchInfo"]);
        let Parcel::Object { bucket, key, .. } = Delivery::read(&entry.head).unwrap().parcel else {
            panic!("it is no object");
        };
        let id = &mapping_to_bucket.id;
        let named = format!("aws/lambda/{id}/shardId-1/2026/11/23/2026-11-23T03.20.35-");
        assert!(bucket == "b" && key.starts_with(&named), "{key}");
    }

    #[test]
    fn changes_of_a_table_come_at_whole_seconds() {
        let place = Place { family: Family::DynamoDb, ..PLACE };
        let mut dropped = dropped();
        for record in &mut dropped.records {
            record.arrived = Timestamp(1_573_690_399_000);
        }
        let told = failure(&mapping("arn:aws:sqs:r:0:q"), place, (&dropped, NOW));
        let info = &told["DDBStreamBatchInfo"];
        assert_eq!(info["approximateArrivalOfFirstRecord"], "2019-11-14T00:13:19Z");
        assert_eq!(info["approximateArrivalOfLastRecord"], "2019-11-14T00:13:19Z");
    }

    #[test]
    fn what_never_ran_has_no_answer_and_an_id_of_its_own() {
        let never =
            Dropped { condition: Condition::RecordAgeExceeded, runs: 0, last: None, ..dropped() };
        let record = failure(&mapping("arn:aws:sqs:r:0:q"), PLACE, (&never, NOW));
        assert_eq!(record.get("responseContext"), None);
        assert_eq!(record["requestContext"]["condition"], "RecordAgeExceeded");
        assert!(record["requestContext"]["requestId"].is_string());
    }
}
