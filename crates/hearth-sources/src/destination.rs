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
use hearth_services::delivery::{Origin, Parcel, QueueMessage, TopicMessage, outcome};
use hearth_store::queue::NewEntry;
use hearth_types::ids::RequestId;
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
            let folder = format!("{}/{part}", mapping.id);
            outcome::object(&mapping.function, arn, &folder, (now, &RequestId::random()))
        }
        // The control plane lets no others through.
        _ => return None,
    };
    let origin = Origin::Destination { function: mapping.function.name.to_string() };
    let delivery = outcome::delivery(origin, parcel, None);
    let lane = outcome::lane(&mapping.function, arn);
    Some(delivery.entry((&lane, None), Bytes::from(document.to_string()), now))
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
