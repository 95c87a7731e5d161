//! A change of a table: as its stream says it, and as the function gets it.

use bytes::Bytes;
use hearth_types::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::shard::source::{SequenceNumber, ShardRecord};

/// A record of `GetRecords`: whatever is in it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Change(Map<String, Value>);

impl Change {
    /// What the function gets of it.
    pub(super) fn record(self, stream_arn: &str) -> ShardRecord {
        let Self(mut fields) = self;
        let change = fields.get_mut("dynamodb").and_then(Value::as_object_mut);
        let mut arrived = Timestamp::default();
        let (mut number, mut key) = (String::new(), String::new());
        if let Some(change) = change {
            arrived =
                change.get_mut("ApproximateCreationDateTime").map(in_seconds).unwrap_or_default();
            number = text(change.get("SequenceNumber"));
            // Names are in order, so it is the same text for the same item.
            key = change.get("Keys").map(Value::to_string).unwrap_or_default();
        }
        if let Some(Value::Object(identity)) = fields.get_mut("userIdentity") {
            small_letters(identity);
        }
        // DynamoDB Local says `ddblocal`, which is no region of AWS's, and in no ARN.
        let region = stream_arn.split(':').nth(3).unwrap_or_default();
        fields.insert("awsRegion".to_owned(), Value::from(region));
        fields.insert("eventSourceARN".to_owned(), Value::from(stream_arn));
        ShardRecord {
            sequence_number: SequenceNumber::new(number),
            partition_key: key,
            arrived,
            event: Bytes::from(Value::Object(fields).to_string()),
        }
    }
}

fn text(value: Option<&Value>) -> String {
    value.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Reads seconds since 1970, and writes whole ones as AWS does: without a fraction.
fn in_seconds(seconds: &mut Value) -> Timestamp {
    let millis = match seconds.as_u64() {
        Some(whole) => whole.saturating_mul(1_000),
        None => std::time::Duration::try_from_secs_f64(seconds.as_f64().unwrap_or_default())
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
    };
    if millis % 1_000 == 0 {
        *seconds = Value::from(millis / 1_000);
    }
    Timestamp(millis)
}

/// AWS: the stream says `PrincipalId` and `Type`, and the event says `principalId` and `type`.
fn small_letters(identity: &mut Map<String, Value>) {
    for (large, small) in [("PrincipalId", "principalId"), ("Type", "type")] {
        if let Some(value) = identity.remove(large) {
            identity.insert(small.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(change: Value) -> (ShardRecord, Value) {
        let change: Change = serde_json::from_value(change).unwrap();
        let record = change.record("arn:aws:dynamodb:us-east-1:0:table/t/stream/x");
        let event = serde_json::from_slice(&record.event).unwrap();
        (record, event)
    }

    #[test]
    fn a_change_comes_to_the_function_as_it_was_said() {
        let mut said = json!({
            "eventID": "1f8e42a1e0d01e9d1bb1b1e7d1b1b1e7",
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "ddblocal",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_732_332_000.0,
                "Keys": { "sort": { "N": "1.50" }, "id": { "S": "a" } },
                "NewImage": { "id": { "S": "a" }, "sort": { "N": "1.50" }, "b": { "B": "AP8=" },
                    "l": { "L": [{ "NULL": true }, { "M": {} }] }, "s": { "NS": ["1", "2.0"] } },
                "OldImage": { "id": { "S": "a" }, "sort": { "N": "1.50" } },
                "SequenceNumber": "000000000000000000123",
                "SizeBytes": 26,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        });
        let (record, event) = record(said.clone());
        assert_eq!(record.sequence_number.as_str(), "000000000000000000123");
        assert_eq!(record.partition_key, r#"{"id":{"S":"a"},"sort":{"N":"1.50"}}"#);
        assert_eq!(record.arrived, Timestamp(1_732_332_000_000));
        said["dynamodb"]["ApproximateCreationDateTime"] = json!(1_732_332_000);
        said["awsRegion"] = json!("us-east-1");
        said["eventSourceARN"] = json!("arn:aws:dynamodb:us-east-1:0:table/t/stream/x");
        assert_eq!(event, said);
    }

    #[test]
    fn who_has_removed_it_is_said_in_small_letters() {
        let (_, event) = record(json!({
            "eventName": "REMOVE",
            "userIdentity": { "PrincipalId": "dynamodb.amazonaws.com", "Type": "Service" },
        }));
        let identity = json!({ "principalId": "dynamodb.amazonaws.com", "type": "Service" });
        assert_eq!(event["userIdentity"], identity);
    }
}
