//! The event of a batch of messages, in AWS's form. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_services::delivery::{AttributeValue, MessageAttribute};
use hearth_services::queues::{Received, md5_of_attributes};
use hearth_types::time::Moment;
use serde::Serialize;

use crate::filter::Filters;
use crate::json::Json;

/// A message that waits for its batch, or is in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// `messageId`: what an answer names it by.
    pub(super) id: String,
    /// What settles it.
    pub(super) handle: String,
    /// Its header of a trace.
    pub(super) trace: Option<String>,
    /// Within which it keeps its order, in a FIFO queue.
    pub(super) group: Option<String>,
    /// When it was taken.
    pub(super) taken: Moment,
    /// Its record, as it stands in the event.
    record: String,
}

/// Which queue messages are of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) arn: &'a str,
    pub(super) region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    message_id: String,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: Attributes<'a>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    md5_of_message_attributes: Option<String>,
    md5_of_body: &'a str,
    event_source: &'static str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes<'a> {
    approximate_receive_count: String,
    #[serde(rename = "AWSTraceHeader", skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    sent_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    sender_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
    approximate_first_receive_timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter_queue_source_arn: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    string_list_values: [(); 0],
    binary_list_values: [(); 0],
    data_type: &'a str,
}

impl Message {
    /// What becomes of a message that was received.
    pub(super) fn of(received: &Received, place: Place<'_>, taken: Moment) -> Self {
        let id = received.id.to_string();
        let record = Record {
            message_id: id.clone(),
            receipt_handle: &received.handle,
            body: &received.body,
            attributes: Attributes {
                approximate_receive_count: received.receives.to_string(),
                trace: received.trace.as_deref(),
                sent_timestamp: received.sent.0.to_string(),
                sequence_number: received.sequence_number.as_deref(),
                message_group_id: received.group.as_deref(),
                sender_id: &received.sender,
                message_deduplication_id: received.deduplication.as_deref(),
                approximate_first_receive_timestamp: received.first_received.0.to_string(),
                dead_letter_queue_source_arn: received.source.as_deref(),
            },
            message_attributes: received
                .attributes
                .iter()
                .map(|(name, one)| (name.as_str(), attribute(one)))
                .collect(),
            md5_of_message_attributes: md5_of_attributes(&received.attributes),
            md5_of_body: &received.md5_of_body,
            event_source: "aws:sqs",
            event_source_arn: place.arn,
            aws_region: place.region,
        };
        let record = serde_json::to_string(&record).expect("a record can be written as JSON");
        let (handle, trace) = (received.handle.clone(), received.trace.clone());
        Self { id, handle, trace, group: received.group.clone(), taken, record }
    }

    /// Whether the filters let it through.
    pub(super) fn passes(&self, filters: &Filters, body: &str) -> bool {
        if filters.is_empty() {
            return true;
        }
        let Some(Json::Object(mut fields)) = Json::read(&self.record) else { return false };
        for (name, value) in &mut fields {
            if name == "body" {
                *value = Json::of_data(body);
            }
        }
        filters.admit(&Json::Object(fields))
    }

    /// What it takes of the event, with the comma behind it.
    pub(super) fn bytes(&self) -> usize {
        self.record.len() + 1
    }
}

fn attribute(attribute: &MessageAttribute) -> Attribute<'_> {
    let (string_value, binary_value) = match &attribute.value {
        AttributeValue::Text(text) => (Some(text.as_str()), None),
        AttributeValue::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
    };
    Attribute {
        string_value,
        binary_value,
        string_list_values: [],
        binary_list_values: [],
        data_type: &attribute.data_type,
    }
}

/// The event of a batch.
pub(super) fn event(messages: &[Message]) -> Bytes {
    const BEFORE: &str = r#"{"Records":["#;
    const BEHIND: &str = "]}";
    let records: usize = messages.iter().map(Message::bytes).sum();
    let mut event = String::with_capacity(records + BEFORE.len() + BEHIND.len());
    event.push_str(BEFORE);
    for (number, message) in messages.iter().enumerate() {
        if number > 0 {
            event.push(',');
        }
        event.push_str(&message.record);
    }
    event.push_str(BEHIND);
    Bytes::from(event)
}

/// What the function's chain is known by: the header that says most of it. A loop through a queue
/// is found by it.
pub(super) fn trace(messages: &[Message]) -> Option<String> {
    let traces = || messages.iter().filter_map(|message| message.trace.as_ref());
    traces().find(|trace| trace.contains("Lineage=")).or_else(|| traces().next()).cloned()
}

#[cfg(test)]
mod tests {
    use hearth_types::time::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    const PLACE: Place<'_> =
        Place { arn: "arn:aws:sqs:us-east-1:000000000000:q", region: "us-east-1" };

    fn received(body: &str) -> Received {
        Received {
            id: uuid::Uuid::from_u128(1),
            handle: "h".to_owned(),
            body: body.to_owned(),
            md5_of_body: "m".to_owned(),
            receives: 2,
            sent: Timestamp(5),
            first_received: Timestamp(6),
            sender: "s".to_owned(),
            trace: None,
            group: None,
            deduplication: None,
            sequence_number: None,
            source: None,
            attributes: BTreeMap::new(),
        }
    }

    fn message(received: &Received) -> Message {
        Message::of(received, PLACE, Moment(0))
    }

    #[test]
    fn a_message_of_a_standard_queue_has_awss_members() {
        let event: Value = serde_json::from_slice(&event(&[message(&received("a\"b"))])).unwrap();
        let expected = json!({ "Records": [{
            "messageId": "00000000-0000-0000-0000-000000000001",
            "receiptHandle": "h",
            "body": "a\"b",
            "attributes": {
                "ApproximateReceiveCount": "2",
                "SentTimestamp": "5",
                "SenderId": "s",
                "ApproximateFirstReceiveTimestamp": "6",
            },
            "messageAttributes": {},
            "md5OfMessageAttributes": null,
            "md5OfBody": "m",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q",
            "awsRegion": "us-east-1",
        }] });
        assert_eq!(event, expected);
    }

    #[test]
    fn what_a_message_has_besides_is_in_the_event() {
        let text = |text: &str| Some(text.to_owned());
        let attribute =
            |data_type: &str, value| MessageAttribute { data_type: data_type.to_owned(), value };
        let received = Received {
            trace: text("Root=1"),
            group: text("g"),
            deduplication: text("d"),
            sequence_number: text("17"),
            source: text("arn"),
            attributes: BTreeMap::from([
                ("b".to_owned(), attribute("Binary", AttributeValue::Binary(vec![0, 255]))),
                ("n".to_owned(), attribute("Number", AttributeValue::Text("7".to_owned()))),
            ]),
            ..received("x")
        };
        let event: Value = serde_json::from_slice(&event(&[message(&received)])).unwrap();
        let record = &event["Records"][0];
        assert_eq!(record["attributes"]["AWSTraceHeader"], "Root=1");
        assert_eq!(record["attributes"]["MessageGroupId"], "g");
        assert_eq!(record["attributes"]["MessageDeduplicationId"], "d");
        assert_eq!(record["attributes"]["SequenceNumber"], "17");
        assert_eq!(record["attributes"]["DeadLetterQueueSourceArn"], "arn");
        let attributes = json!({
            "b": { "binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary" },
            "n": { "stringValue": "7", "stringListValues": [], "binaryListValues": [], "dataType": "Number" },
        });
        assert_eq!(record["messageAttributes"], attributes);
        assert!(record["md5OfMessageAttributes"].is_string());
    }

    #[test]
    fn filters_look_into_the_body_and_at_the_rest() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"body": {"city": ["Bern"]}}"#,                r#"{"city": "Bern"}"#, true),
            (r#"{"body": {"city": ["Bern"]}}"#,                r#"{"city": "Rome"}"#, false),
            (r#"{"body": {"city": ["Bern"]}}"#,                "Bern",               false),
            (r#"{"body": ["Bern"]}"#,                          "Bern",               true),
            (r#"{"attributes": {"SenderId": ["s"]}}"#,         "Bern",               true),
            (r#"{"eventSource": [{"prefix": "aws:s3"}]}"#,     "Bern",               false),
        ];
        for (pattern, body, expected) in rows {
            let filters = Filters::parse(&[pattern.to_owned()]).unwrap();
            assert_eq!(message(&received(body)).passes(&filters, body), expected, "{pattern}");
        }
    }

    #[test]
    fn the_bytes_of_messages_are_those_of_their_event() {
        let messages = [message(&received("a")), message(&received("b\n"))];
        let bytes: usize = messages.iter().map(Message::bytes).sum();
        assert_eq!(event(&messages).len(), bytes - 1 + r#"{"Records":[]}"#.len());
    }

    #[test]
    fn a_chain_is_followed_from_whichever_message_is_in_one() {
        let with =
            |trace: &str| message(&Received { trace: Some(trace.to_owned()), ..received("x") });
        assert_eq!(trace(&[message(&received("x"))]), None);
        let messages = [message(&received("x")), with("Root=1"), with("Root=2;Lineage=a:1")];
        assert_eq!(trace(&messages).as_deref(), Some("Root=2;Lineage=a:1"));
        assert_eq!(trace(&messages[..2]).as_deref(), Some("Root=1"));
    }
}
