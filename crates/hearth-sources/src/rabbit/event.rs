//! The event of a batch of messages of RabbitMQ, in AWS's form. Pure.
//!
//! AWS writes headers and times as its Java client has them: a text is an object with its bytes, and
//! bytes have a sign; a time is `Nov 23, 2026, 3:20:35 AM`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_types::time::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde_json::{Map, Value, json};

use crate::filter::Filters;
use crate::json::Json;

/// How deep headers may be in each other to be shown. Readers of JSON give up a little later.
const DEPTH_MAX: usize = 100;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A message that waits for its batch, or is in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// What acknowledges it.
    pub(super) tag: u64,
    /// Its record, as it stands in the event.
    record: String,
}

impl Message {
    /// What becomes of a message that was delivered; `None` if the filters keep it back.
    pub(super) fn of(delivery: &Delivery, filters: &Filters) -> Option<Self> {
        let properties = properties(&delivery.properties, delivery.data.len());
        let record = json!({
            "basicProperties": properties,
            "redelivered": delivery.redelivered,
            "data": STANDARD.encode(&delivery.data),
        });
        if !filters.is_empty() && !filters.admit(&seen(&record, &delivery.data)) {
            return None;
        }
        Some(Self { tag: delivery.delivery_tag, record: record.to_string() })
    }

    /// What it takes of the event, with the comma behind it.
    pub(super) fn bytes(&self) -> usize {
        self.record.len() + 1
    }
}

/// What filters look at: the record, with its data as they can be matched.
fn seen(record: &Value, data: &[u8]) -> Json {
    let mut seen = Json::from(record);
    if let Json::Object(fields) = &mut seen {
        for (name, value) in fields {
            if name == "data" {
                *value = Json::of_data(&String::from_utf8_lossy(data));
            }
        }
    }
    seen
}

fn properties(given: &BasicProperties, body_bytes: usize) -> Value {
    let text = |value: &Option<ShortString>| value.as_ref().map(|text| text.as_str().to_owned());
    json!({
        "contentType": text(given.content_type()),
        "contentEncoding": text(given.content_encoding()),
        "headers": given.headers().as_ref().map(|fields| table(fields, DEPTH_MAX)),
        "deliveryMode": given.delivery_mode(),
        "priority": given.priority(),
        "correlationId": text(given.correlation_id()),
        "replyTo": text(given.reply_to()),
        "expiration": text(given.expiration()),
        "messageId": text(given.message_id()),
        "timestamp": given.timestamp().map(date),
        "type": text(given.kind()),
        "userId": text(given.user_id()),
        "clusterId": text(given.cluster_id()),
        "appId": text(given.app_id()),
        "bodySize": body_bytes,
    })
}

fn table(fields: &FieldTable, depth: usize) -> Value {
    let field =
        |(name, one): (&ShortString, &AMQPValue)| (name.as_str().to_owned(), value(one, depth));
    Value::Object(fields.inner().iter().map(field).collect::<Map<_, _>>())
}

/// A value, with so many levels below it. What is deeper is nothing.
fn value(given: &AMQPValue, depth: usize) -> Value {
    let Some(below) = depth.checked_sub(1) else { return Value::Null };
    match given {
        AMQPValue::Boolean(truth) => Value::from(*truth),
        AMQPValue::ShortShortInt(number) => Value::from(*number),
        AMQPValue::ShortShortUInt(number) => Value::from(*number),
        AMQPValue::ShortInt(number) => Value::from(*number),
        AMQPValue::ShortUInt(number) => Value::from(*number),
        AMQPValue::LongInt(number) => Value::from(*number),
        AMQPValue::LongUInt(number) => Value::from(*number),
        AMQPValue::LongLongInt(number) => Value::from(*number),
        AMQPValue::Float(number) => Value::from(*number),
        AMQPValue::Double(number) => Value::from(*number),
        AMQPValue::DecimalValue(decimal) => {
            Value::from(f64::from(decimal.value) / 10_f64.powi(i32::from(decimal.scale)))
        }
        AMQPValue::ShortString(text) => in_bytes(text.as_str().as_bytes()),
        AMQPValue::LongString(text) => in_bytes(text.as_bytes()),
        AMQPValue::FieldArray(items) => {
            items.as_slice().iter().map(|item| value(item, below)).collect()
        }
        AMQPValue::Timestamp(seconds) => Value::from(date(*seconds)),
        AMQPValue::FieldTable(fields) => table(fields, below),
        AMQPValue::ByteArray(bytes) => signed(bytes.as_slice()),
        AMQPValue::Void => Value::Null,
    }
}

fn in_bytes(text: &[u8]) -> Value {
    json!({ "bytes": signed(text) })
}

fn signed(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| byte.cast_signed()).collect()
}

/// `Nov 23, 2026, 3:20:35 AM`, in UTC.
fn date(seconds: u64) -> String {
    let iso = Timestamp(seconds.saturating_mul(1_000)).iso();
    let number = |from: usize| iso.get(from..from + 2).and_then(|two| two.parse::<usize>().ok());
    let (Some(month), Some(day), Some(hour)) = (number(5), number(8), number(11)) else {
        return iso;
    };
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or_default();
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    let (year, rest) = (iso.get(..4).unwrap_or_default(), iso.get(13..19).unwrap_or_default());
    format!("{month} {day}, {year}, {hour}{rest} {half}")
}

/// Where messages are from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) arn: &'a str,
    pub(super) queue: &'a str,
    pub(super) virtual_host: &'a str,
}

/// The event of a batch.
pub(super) fn event(messages: &[Message], place: Place<'_>) -> Bytes {
    let records: usize = messages.iter().map(Message::bytes).sum();
    let queue = Value::from(format!("{}::{}", place.queue, place.virtual_host));
    let mut event = String::with_capacity(records + 256);
    event.push_str(r#"{"eventSource":"aws:rmq","eventSourceArn":"#);
    event.push_str(&Value::from(place.arn).to_string());
    event.push_str(r#","rmqMessagesByQueue":{"#);
    event.push_str(&queue.to_string());
    event.push_str(":[");
    for (number, message) in messages.iter().enumerate() {
        if number > 0 {
            event.push(',');
        }
        event.push_str(&message.record);
    }
    event.push_str("]}}");
    Bytes::from(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place {
        arn: "arn:aws:mq:us-east-1:000000000000:broker:b:b-1",
        queue: "orders",
        virtual_host: "/",
    };

    fn delivery(data: &str) -> Delivery {
        let mut delivery = Delivery::mock(7, "".into(), "orders".into(), false, data.into());
        let mut headers = FieldTable::default();
        headers.insert("text".into(), AMQPValue::LongString("vä".into()));
        headers.insert("number".into(), AMQPValue::LongInt(10));
        delivery.properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_headers(headers)
            .with_delivery_mode(1)
            .with_timestamp(1_795_404_035);
        delivery
    }

    #[test]
    fn a_message_has_awss_members() {
        let message = Message::of(&delivery("hi"), &Filters::default()).unwrap();
        let event: Value = serde_json::from_slice(&event(&[message], PLACE)).unwrap();
        let expected = json!({
            "eventSource": "aws:rmq",
            "eventSourceArn": PLACE.arn,
            "rmqMessagesByQueue": { "orders::/": [{
                "basicProperties": {
                    "contentType": "text/plain",
                    "contentEncoding": null,
                    "headers": { "text": { "bytes": [118, -61, -92] }, "number": 10 },
                    "deliveryMode": 1,
                    "priority": null,
                    "correlationId": null,
                    "replyTo": null,
                    "expiration": null,
                    "messageId": null,
                    "timestamp": "Nov 23, 2026, 3:20:35 AM",
                    "type": null,
                    "userId": null,
                    "clusterId": null,
                    "appId": null,
                    "bodySize": 2,
                },
                "redelivered": false,
                "data": "aGk=",
            }] },
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn values_of_every_kind_are_shown_and_none_too_deep() {
        let mut inner = FieldTable::default();
        inner.insert("when".into(), AMQPValue::Timestamp(0));
        inner.insert("void".into(), AMQPValue::Void);
        inner.insert("yes".into(), AMQPValue::Boolean(true));
        let array = AMQPValue::FieldArray(vec![AMQPValue::FieldTable(inner)].into());
        let expected = json!([{ "when": "Jan 1, 1970, 12:00:00 AM", "void": null, "yes": true }]);
        assert_eq!(value(&array, DEPTH_MAX), expected);
        let mut deep = AMQPValue::LongLongInt(-1);
        for _level in 0..2 * DEPTH_MAX {
            deep = AMQPValue::FieldArray(vec![deep].into());
        }
        let shown = value(&deep, DEPTH_MAX).to_string();
        assert_eq!(shown.matches('[').count(), DEPTH_MAX);
        assert!(shown.contains("[null]"), "{shown}");
    }

    #[test]
    fn hours_are_those_of_a_clock_with_twelve() {
        assert_eq!(date(0), "Jan 1, 1970, 12:00:00 AM");
        assert_eq!(date(12 * 3_600), "Jan 1, 1970, 12:00:00 PM");
        assert_eq!(date(13 * 3_600 + 61), "Jan 1, 1970, 1:01:01 PM");
    }

    #[test]
    fn filters_see_the_data_and_the_properties() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"data": {"kind": ["a"]}}"#,                            r#"{"kind": "a"}"#, true),
            (r#"{"data": {"kind": ["a"]}}"#,                            r#"{"kind": "b"}"#, false),
            (r#"{"data": ["plain"]}"#,                                  "plain",            true),
            (r#"{"data": ["cGxhaW4="]}"#,                               "plain",            false),
            (r#"{"basicProperties": {"contentType": ["text/plain"]}}"#, "plain",            true),
        ];
        for (pattern, data, expected) in rows {
            let filters = Filters::parse(&[pattern.to_owned()]).unwrap();
            assert_eq!(Message::of(&delivery(data), &filters).is_some(), expected, "{pattern}");
        }
    }
}
