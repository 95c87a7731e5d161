//! What the function gets, and what a destination gets of records that were given up. Pure.
//!
//! # Promises
//!
//! The shapes are AWS's. A queue and a topic get the coordinates of the records, a bucket gets the
//! records as well.

use bytes::{BufMut as _, Bytes, BytesMut};
use hearth_control::mapping::Mapping;
use hearth_services::delivery::{Delivery, Origin, Parcel, Patience, QueueMessage, TopicMessage};
use hearth_store::queue::NewEntry;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::time::Timestamp;
use serde_json::{Value, json};

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
    let window = json!({ "start": whole_seconds(run.start), "end": whole_seconds(run.end) });
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

/// `2020-12-09T07:04:00Z`.
fn whole_seconds(at: Timestamp) -> String {
    at.iso().replace(".000Z", "Z")
}

/// The entry that brings what is told of records that were given up to the mapping's destination;
/// `None` if nobody is to be told.
pub(super) fn told(
    mapping: &Mapping,
    place: Place<'_>,
    (dropped, now): (&Dropped, Timestamp),
) -> Option<NewEntry> {
    let arn = mapping.configuration.on_failure.as_ref()?;
    let mut record = failure(mapping, place, (dropped, now));
    let parcel = match arn.split(':').nth(2) {
        Some("sqs") => Parcel::Queue { arn: arn.clone(), message: QueueMessage::default() },
        Some("sns") => Parcel::Topic { arn: arn.clone(), message: TopicMessage::default() },
        Some("s3") => {
            let records: Vec<Bytes> = dropped.records.iter().map(|one| one.event.clone()).collect();
            let event = event(&records, None, place);
            record["payload"] = Value::from(String::from_utf8_lossy(&event).into_owned());
            Parcel::Object {
                bucket: arn.rsplit(':').next().unwrap_or_default().to_owned(),
                key: key(mapping, place, now),
                region: mapping.function.scope.region.to_string(),
            }
        }
        // The control plane lets no other through.
        _ => return None,
    };
    let delivery = Delivery {
        origin: Origin::Destination { function: mapping.function.name.to_string() },
        parcel,
        patience: Patience {
            retries_max: limits::DESTINATION_RETRIES_MAX,
            age_ms_max: limits::DESTINATION_AGE_MS_MAX,
            http: None,
        },
        dead_letter: None,
        trace: None,
        attempts: 0,
    };
    // A function's deliveries to one receiver wait for each other and for nobody else.
    let lane = format!("{} {arn}", mapping.function);
    Some(delivery.entry((&lane, None), Bytes::from(record.to_string()), now))
}

/// The key of an object of a bucket, as AWS makes it.
fn key(mapping: &Mapping, place: Place<'_>, now: Timestamp) -> String {
    let time = now.iso();
    // Up to the seconds, and in letters that any system of files takes.
    let time = time.split('.').next().unwrap_or_default().replace(':', ".");
    format!(
        "aws/lambda/{}/{}/{}/{time}-{}",
        mapping.id,
        place.shard,
        now.date_path(),
        RequestId::random()
    )
}

fn failure(mapping: &Mapping, place: Place<'_>, (dropped, now): (&Dropped, Timestamp)) -> Value {
    let (first, last) = (dropped.records.first(), dropped.records.last());
    let info = json!({
        "shardId": place.shard,
        "startSequenceNumber": first.map(|one| one.sequence_number.as_str()),
        "endSequenceNumber": last.map(|one| one.sequence_number.as_str()),
        "approximateArrivalOfFirstRecord": first.map(|one| one.arrived.iso()),
        "approximateArrivalOfLastRecord": last.map(|one| one.arrived.iso()),
        "batchSize": dropped.records.len(),
        "streamArn": place.stream_arn,
    });
    let run = dropped.last.as_ref();
    let request_id = run.map(|run| run.request_id.clone()).filter(|id| !id.is_empty());
    let mut record = json!({
        "requestContext": {
            "requestId": request_id.unwrap_or_else(|| RequestId::random().to_string()),
            "functionArn": mapping.function.to_string(),
            "condition": dropped.condition.name(),
            "approximateInvokeCount": dropped.runs,
        },
        "version": "1.0",
        "timestamp": now.iso(),
    });
    if let Some(version) = run.and_then(|run| run.version.as_ref()) {
        let mut context = json!({ "statusCode": 200, "executedVersion": version });
        if let Some(error) = run.and_then(|run| run.function_error.as_ref()) {
            context["functionError"] = Value::from(error.as_str());
        }
        record["responseContext"] = context;
    }
    let name = match place.family {
        Family::Kinesis => "KinesisBatchInfo",
        Family::DynamoDb => "DDBStreamBatchInfo",
    };
    record[name] = info;
    record
}
