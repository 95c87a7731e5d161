//! What is told of records that a stream or a topic gave up, and whom: what all sources have in
//! common. Pure.
//!
//! # Promises
//!
//! The shapes are AWS's. A queue and a topic are told which records those are, a bucket gets the
//! records as well.
//!
//! # Deliberately absent
//!
//! Where the records were: each source writes that into the document itself. Topics of Kafka: they
//! get the records as they were, from [`crate::kafka`].

use bytes::Bytes;
use hearth_control::mapping::Mapping;
use hearth_services::delivery::{Delivery, Origin, Parcel, Patience, QueueMessage, TopicMessage};
use hearth_store::queue::NewEntry;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::time::Timestamp;
use serde_json::{Value, json};

use crate::shard::lane::Dropped;

/// The entry that brings a document to the mapping's destination; `None` if nobody is to be told, or
/// a topic of Kafka is.
///
/// What a bucket gets besides is the event that `event` makes, under a key with the shard or the
/// partition, `part`, in it.
pub(crate) fn entry(
    mapping: &Mapping,
    now: Timestamp,
    document: impl FnOnce() -> Value,
    (part, event): (&str, impl FnOnce() -> Bytes),
) -> Option<NewEntry> {
    let arn = mapping.configuration.on_failure.as_ref()?;
    let mut document = document();
    let parcel = match arn.split(':').nth(2) {
        Some("sqs") => Parcel::Queue { arn: arn.clone(), message: QueueMessage::default() },
        Some("sns") => Parcel::Topic { arn: arn.clone(), message: TopicMessage::default() },
        Some("s3") => {
            document["payload"] = Value::from(String::from_utf8_lossy(&event()).into_owned());
            Parcel::Object {
                bucket: arn.rsplit(':').next().unwrap_or_default().to_owned(),
                key: key(mapping, part, now),
                region: mapping.function.scope.region.to_string(),
            }
        }
        // The control plane lets no others through.
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
    Some(delivery.entry((&lane, None), Bytes::from(document.to_string()), now))
}

/// The key of an object of a bucket, as AWS makes it.
fn key(mapping: &Mapping, part: &str, now: Timestamp) -> String {
    let time = now.iso();
    // Up to the seconds, and in letters that any system of files takes.
    let time = time.split('.').next().unwrap_or_default().replace(':', ".");
    let (id, date) = (&mapping.id, now.date_path());
    format!("aws/lambda/{id}/{part}/{date}/{time}-{}", RequestId::random())
}

/// The document of records that were given up, without where they were.
pub(crate) fn document(mapping: &Mapping, (dropped, now): (&Dropped, Timestamp)) -> Value {
    let run = dropped.last.as_ref();
    let request_id = run.map(|run| run.request_id.clone()).filter(|id| !id.is_empty());
    let mut document = json!({
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
        document["responseContext"] = context;
    }
    document
}

/// The records that were given up, as they stand in an event.
pub(crate) fn events(dropped: &Dropped) -> Vec<Bytes> {
    dropped.records.iter().map(|one| one.event.clone()).collect()
}
