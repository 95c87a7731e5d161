//! What the function gets of Kafka, and what is told of records that were given up. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use hearth_control::mapping::Mapping;
use hearth_store::queue::NewEntry;
use hearth_types::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::records::{Record, TimeKind};
use crate::destination;
use crate::json::Json;
use crate::shard::lane::Dropped;

/// What a destination that is a topic begins with.
pub(super) const TOPIC: &str = "kafka://";
/// The header in which a topic is told why it gets a record.
const FAILURE_HEADER: &str = "lambda.failure";

/// Where records are from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The ARN of the cluster, if it has one.
    pub(super) arn: Option<&'a str>,
    /// Where it is, with commas between.
    pub(super) servers: &'a str,
    /// The topic, and the number of the partition behind a hyphen.
    pub(super) part: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: i64,
    timestamp_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// AWS: the bytes of each as numbers with a sign.
    headers: Vec<BTreeMap<&'a str, Option<Vec<i8>>>>,
}

/// A record, as it stands in the event.
pub(super) fn shown(record: &Record, (topic, partition): (&str, i32)) -> Bytes {
    let shown = Shown {
        topic,
        partition,
        offset: record.offset,
        timestamp: record.timestamp,
        timestamp_type: match record.time_kind {
            TimeKind::Create => "CREATE_TIME",
            TimeKind::LogAppend => "LOG_APPEND_TIME",
        },
        key: record.key.as_ref().map(|bytes| STANDARD.encode(bytes)),
        value: record.value.as_ref().map(|bytes| STANDARD.encode(bytes)),
        headers: record
            .headers
            .iter()
            .map(|(name, value)| BTreeMap::from([(name.as_str(), value.as_deref().map(signed))]))
            .collect(),
    };
    Bytes::from(serde_json::to_vec(&shown).expect("a record can be written as JSON"))
}

fn signed(bytes: &[u8]) -> Vec<i8> {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}

/// What filters look at: the record, with its key and its value as they can be matched.
pub(super) fn seen(shown: &[u8]) -> Json {
    let text = std::str::from_utf8(shown).unwrap_or_default();
    let mut seen = Json::read(text).unwrap_or(Json::Null);
    if let Json::Object(fields) = &mut seen {
        for (name, value) in fields {
            if let ("key" | "value", Json::Text(text)) = (name.as_str(), &*value) {
                let bytes = STANDARD.decode(text).unwrap_or_default();
                *value = Json::of_data(&String::from_utf8_lossy(&bytes));
            }
        }
    }
    seen
}

/// What stands in front of the records of an event.
fn front(place: Place<'_>) -> String {
    let source = match place.arn {
        Some(arn) => format!("\"aws:kafka\",\"eventSourceArn\":{}", Value::from(arn)),
        None => "\"SelfManagedKafka\"".to_owned(),
    };
    let (servers, part) = (Value::from(place.servers), Value::from(place.part));
    format!("{{\"eventSource\":{source},\"bootstrapServers\":{servers},\"records\":{{{part}:[")
}

/// What stands around the records of an event.
pub(super) fn around_bytes(place: Place<'_>) -> usize {
    front(place).len() + 8
}

/// The event with these records.
pub(super) fn event(records: &[Bytes], place: Place<'_>) -> Bytes {
    let front = front(place);
    let bytes: usize = records.iter().map(|record| record.len() + 1).sum();
    let mut event = BytesMut::with_capacity(front.len() + bytes + 8);
    event.put_slice(front.as_bytes());
    for (number, record) in records.iter().enumerate() {
        if number > 0 {
            event.put_u8(b',');
        }
        event.put_slice(record);
    }
    event.put_slice(b"]}}");
    event.freeze()
}

/// An answer in which records are named by their offsets alone, as texts; what names none of this
/// partition names nothing.
///
/// AWS: an identifier is an object, `{"partition": "topic-0", "offset": 123}`.
pub(super) fn translated(answer: &Bytes, part: &str) -> Bytes {
    let Ok(mut value) = serde_json::from_slice::<Value>(answer) else { return answer.clone() };
    let Some(failures) = value.get_mut("batchItemFailures").and_then(Value::as_array_mut) else {
        return answer.clone();
    };
    for failure in failures {
        let Some(identifier) = failure.get_mut("itemIdentifier") else { continue };
        let is_ours = identifier.get("partition").and_then(Value::as_str) == Some(part);
        let offset = identifier.get("offset").and_then(Value::as_i64).filter(|_| is_ours);
        *identifier = offset.map_or(Value::Null, |offset| Value::from(offset.to_string()));
    }
    Bytes::from(value.to_string())
}

/// The entry that brings what is told of records that were given up to the mapping's destination;
/// `None` if nobody is to be told, or a topic is.
pub(super) fn told(
    mapping: &Mapping,
    place: Place<'_>,
    (dropped, now): (&Dropped, Timestamp),
) -> Option<NewEntry> {
    let document = || failure(mapping, place, (dropped, now));
    let event = || event(&destination::events(dropped), place);
    destination::entry(mapping, now, document, (place.part, event))
}

/// The records that a topic gets of what was given up: as they were, and why in their last header.
pub(super) fn copied(
    mapping: &Mapping,
    place: Place<'_>,
    (dropped, now): (&Dropped, Timestamp),
) -> Vec<Record> {
    let why = failure(mapping, place, (dropped, now)).to_string().into_bytes();
    let copy = |shown: &Bytes| {
        let shown: Value = serde_json::from_slice(shown).unwrap_or_default();
        let bytes = |name: &str| STANDARD.decode(shown.get(name)?.as_str()?).ok();
        let mut headers: Vec<(String, Option<Vec<u8>>)> = Vec::new();
        for header in shown["headers"].as_array().into_iter().flatten() {
            for (name, value) in header.as_object().into_iter().flatten() {
                headers.push((name.clone(), unsigned(value)));
            }
        }
        headers.push((FAILURE_HEADER.to_owned(), Some(why.clone())));
        let timestamp = i64::try_from(now.0).unwrap_or(i64::MAX);
        let (key, value) = (bytes("key"), bytes("value"));
        let offset = shown["offset"].as_i64().unwrap_or_default();
        Record { offset, timestamp, time_kind: TimeKind::Create, key, value, headers }
    };
    destination::events(dropped).iter().map(copy).collect()
}

fn unsigned(value: &Value) -> Option<Vec<u8>> {
    let numbers = value.as_array()?.iter().filter_map(Value::as_i64);
    Some(numbers.filter_map(|one| i8::try_from(one).ok()).map(i8::cast_unsigned).collect())
}

fn failure(mapping: &Mapping, place: Place<'_>, (dropped, now): (&Dropped, Timestamp)) -> Value {
    let (first, last) = (dropped.records.first(), dropped.records.last());
    let bytes: usize = dropped.records.iter().map(|one| one.event.len()).sum();
    let mut info = json!({
        "batchSize": dropped.records.len(),
        "bootstrapServers": place.servers,
        "payloadSize": bytes,
        "recordInfo": { (place.part): {
            "firstRecordOffset": first.map(|one| one.sequence_number.as_str()),
            "lastRecordOffset": last.map(|one| one.sequence_number.as_str()),
            "firstRecordTimestamp": first.map(|one| one.arrived.iso()),
            "lastRecordTimestamp": last.map(|one| one.arrived.iso()),
        } },
    });
    if let Some(arn) = place.arn {
        info["eventSourceArn"] = Value::from(arn);
    }
    let mut document = destination::document(mapping, (dropped, now));
    document["KafkaBatchInfo"] = info;
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filters;

    const PLACE: Place<'_> = Place { arn: None, servers: "a:9092,b:9092", part: "orders-2" };

    fn record(key: Option<&str>, value: &str) -> Record {
        Record {
            offset: 15,
            timestamp: 1_545_084_650_987,
            time_kind: TimeKind::Create,
            key: key.map(|key| key.as_bytes().to_vec()),
            value: Some(value.as_bytes().to_vec()),
            headers: vec![("h".to_owned(), Some(vec![104, 200])), ("n".to_owned(), None)],
        }
    }

    #[test]
    fn an_event_has_awss_members() {
        let shown = shown(&record(Some("k"), "v"), ("orders", 2));
        let event: Value = serde_json::from_slice(&event(&[shown], PLACE)).unwrap();
        let expected = json!({
            "eventSource": "SelfManagedKafka",
            "bootstrapServers": "a:9092,b:9092",
            "records": { "orders-2": [{
                "topic": "orders",
                "partition": 2,
                "offset": 15,
                "timestamp": 1_545_084_650_987_i64,
                "timestampType": "CREATE_TIME",
                "key": "aw==",
                "value": "dg==",
                "headers": [{ "h": [104, -56] }, { "n": null }],
            }] },
        });
        assert_eq!(event, expected);
        let managed = Place { arn: Some("arn:k"), ..PLACE };
        let event: Value = serde_json::from_slice(&super::event(&[], managed)).unwrap();
        assert_eq!(
            (&event["eventSource"], &event["eventSourceArn"]),
            (&json!("aws:kafka"), &json!("arn:k"))
        );
    }

    #[test]
    fn filters_see_keys_and_values() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"value": {"a": [1]}}"#,        r#"{"a": 1}"#, true),
            (r#"{"value": {"a": [1]}}"#,        r#"{"a": 2}"#, false),
            (r#"{"value": {"a": [1]}}"#,        "text",        false),
            (r#"{"value": ["text"]}"#,          "text",        true),
            (r#"{"key": ["k"]}"#,               "text",        true),
            (r#"{"key": ["l"]}"#,               "text",        false),
            (r#"{"partition": [2]}"#,           "text",        true),
        ];
        for (pattern, value, expected) in rows {
            let filters = Filters::parse(&[pattern.to_owned()]).unwrap();
            let seen = seen(&shown(&record(Some("k"), value), ("orders", 2)));
            assert_eq!(filters.admit(&seen), expected, "{pattern} on {value}");
        }
        let keyless = seen(&shown(&record(None, "v"), ("orders", 2)));
        let filters = Filters::parse(&[r#"{"key": [{"exists": false}]}"#.to_owned()]).unwrap();
        assert!(filters.admit(&keyless));
    }

    #[test]
    fn identifiers_become_offsets() {
        #[rustfmt::skip]
        let rows = [
            (json!({ "partition": "orders-2", "offset": 7 }),   json!("7")),
            (json!({ "partition": "orders-1", "offset": 7 }),   Value::Null),
            (json!({ "partition": "orders-2", "offset": "7" }), Value::Null),
            (json!("7"),                                        Value::Null),
        ];
        for (identifier, expected) in rows {
            let answer = json!({ "batchItemFailures": [{ "itemIdentifier": identifier }] });
            let answer = translated(&Bytes::from(answer.to_string()), "orders-2");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], expected);
        }
        for answer in ["", "null", "{}", "[", r#"{"batchItemFailures":null}"#] {
            let answer = Bytes::from(answer);
            assert_eq!(translated(&answer, "orders-2"), answer);
        }
    }
}
