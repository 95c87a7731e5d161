//! What is told of an event that is over: records for destinations, and messages for dead-letter
//! queues, as AWS writes them. Pure.
//!
//! # Promises
//!
//! 1. The payload stands in a record as it was accepted, byte by byte, and so does the function's
//!    answer if it is JSON; if it is not, it stands there as a text.
//! 2. A dead-letter queue gets the payload itself, and what went wrong as attributes.
//!
//! # Deliberately absent
//!
//! Nobody here delivers: what is made is entries for `deliveries`.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_invoke::asynchronous::{EventHead, LastError, Ran, Verdict};
use hearth_services::delivery::{
    AttributeValue, BusEvent, Delivery, MessageAttribute, Origin, Parcel, QueueMessage,
    TopicMessage, outcome,
};
use hearth_store::queue::NewEntry;
use hearth_types::limits;
use hearth_types::names::Version;
use hearth_types::time::Timestamp;
use serde::Serialize;

use crate::retry::Condition;

/// An event that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over<'a> {
    /// What is known of it, this attempt included.
    pub(crate) head: &'a EventHead,
    pub(crate) payload: &'a Bytes,
    pub(crate) condition: Condition,
    /// The attempt that was the last, if the function ran in it.
    pub(crate) ran: Option<&'a Ran>,
    /// How often the function ran.
    pub(crate) invocations: u32,
    /// The time of day.
    pub(crate) at: Timestamp,
}

/// Something that cannot be told of anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{arn}` is nothing that Hearth can deliver to")]
pub(crate) struct NoReceiver {
    arn: String,
}

impl Over<'_> {
    /// The entry that brings the record to a destination.
    pub(crate) fn for_destination(
        &self,
        arn: &str,
        now: Timestamp,
    ) -> Result<NewEntry, NoReceiver> {
        let function = self.head.function.name.to_string();
        let parcel = match service(arn) {
            "sqs" => Parcel::Queue { arn: arn.to_owned(), message: QueueMessage::default() },
            "sns" => Parcel::Topic { arn: arn.to_owned(), message: TopicMessage::default() },
            "lambda" => Parcel::Function { arn: arn.to_owned() },
            "events" => Parcel::Bus { arn: arn.to_owned(), event: self.bus_event(arn) },
            "s3" => self.object(arn),
            _ => return Err(NoReceiver { arn: arn.to_owned() }),
        };
        let delivery = self.delivery(Origin::Destination { function }, parcel);
        Ok(delivery.entry((&self.lane(arn), None), self.record().into(), now))
    }

    /// The entry that brings the event to a dead-letter queue.
    pub(crate) fn for_dead_letters(
        &self,
        arn: &str,
        now: Timestamp,
    ) -> Result<NewEntry, NoReceiver> {
        let function = self.head.function.name.to_string();
        let (arn_text, attributes) = (arn.to_owned(), self.attributes());
        let parcel = match service(arn) {
            "sqs" => {
                let message = QueueMessage { attributes, ..QueueMessage::default() };
                Parcel::Queue { arn: arn_text, message }
            }
            "sns" => {
                let message = TopicMessage { attributes, ..TopicMessage::default() };
                Parcel::Topic { arn: arn_text, message }
            }
            _ => return Err(NoReceiver { arn: arn_text }),
        };
        let delivery = self.delivery(Origin::DeadLetter { function }, parcel);
        Ok(delivery.entry((&self.lane(arn), None), self.payload.clone(), now))
    }

    fn delivery(&self, origin: Origin, parcel: Parcel) -> Delivery {
        let trace = self.ran.map_or(&self.head.trace, |ran| &ran.trace);
        outcome::delivery(origin, parcel, Some(trace.clone()))
    }

    fn lane(&self, arn: &str) -> String {
        outcome::lane(&self.head.function, arn)
    }

    fn qualified_arn(&self) -> String {
        match &self.head.qualifier {
            Some(qualifier) => self.head.function.qualified(qualifier),
            None => self.head.function.qualified(&Version::Latest),
        }
    }

    fn bus_event(&self, bus: &str) -> BusEvent {
        let result = match self.condition {
            Condition::Success => "Success",
            Condition::RetriesExhausted
            | Condition::EventAgeExceeded
            | Condition::ZeroReservedConcurrency
            | Condition::RecursiveInvocation => "Failure",
        };
        BusEvent {
            source: "lambda".to_owned(),
            detail_type: format!("Lambda Function Invocation Result - {result}"),
            resources: vec![self.qualified_arn(), bus.to_owned()],
            passed_on: None,
        }
    }

    /// The id in the object's name is the request's, which finds it.
    fn object(&self, bucket: &str) -> Parcel {
        let function = &self.head.function;
        let folder = format!("async/{}", function.name);
        outcome::object(function, bucket, &folder, (self.at, &self.head.id))
    }

    /// The record of an invocation.
    pub(crate) fn record(&self) -> String {
        let context = RequestContext {
            request_id: self.head.id.to_string(),
            function_arn: self.qualified_arn(),
            condition: self.condition.name(),
            approximate_invoke_count: self.invocations,
        };
        let mut record = format!(
            r#"{{"version":"1.0","timestamp":"{}","requestContext":{},"requestPayload":{}"#,
            self.at.iso(),
            json(&context),
            as_json(self.payload),
        );
        if let Some(ran) = self.ran {
            let function_error = (ran.verdict == Verdict::Failed).then_some("Unhandled");
            let executed_version = ran.version.to_string();
            let context = ResponseContext { status_code: 200, executed_version, function_error };
            let answer = as_json(&ran.payload);
            record.push_str(&format!(
                r#","responseContext":{},"responsePayload":{answer}"#,
                json(&context)
            ));
        }
        record.push('}');
        record
    }

    fn attributes(&self) -> BTreeMap<String, MessageAttribute> {
        let attribute = |data_type: &str, value: String| MessageAttribute {
            data_type: data_type.to_owned(),
            value: AttributeValue::Text(value),
        };
        let fallback = || LastError { code: 500, message: self.condition.to_string() };
        let error = self.head.last_error.clone().unwrap_or_else(fallback);
        BTreeMap::from([
            ("RequestID".to_owned(), attribute("String", self.head.id.to_string())),
            ("ErrorCode".to_owned(), attribute("Number", error.code.to_string())),
            ("ErrorMessage".to_owned(), attribute("String", as_attribute(&error.message))),
        ])
    }
}

/// The service that an ARN belongs to.
fn service(arn: &str) -> &str {
    arn.split(':').nth(2).unwrap_or_default()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: String,
    function_arn: String,
    condition: &'static str,
    approximate_invoke_count: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext {
    status_code: u16,
    executed_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("these are plain structures")
}

/// JSON as it is, and anything else as a text in JSON.
fn as_json(bytes: &Bytes) -> String {
    let text = String::from_utf8_lossy(bytes);
    if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
        text.into_owned()
    } else {
        serde_json::Value::from(&*text).to_string()
    }
}

/// What a function's answer says went wrong.
pub(crate) fn error_of(answer: &Bytes) -> LastError {
    let parsed: Option<serde_json::Value> = serde_json::from_slice(answer).ok();
    let said = parsed.as_ref().and_then(|answer| answer.get("errorMessage")?.as_str());
    let said = said.filter(|said| !said.is_empty()).unwrap_or("Unhandled");
    LastError { code: 200, message: cut(said).to_owned() }
}

/// As much of a text as is told of errors.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(limits::EVENT_ERROR_BYTES_MAX)]
}

/// As much of a text as is told of errors, as queues take it: they refuse a message with any other
/// character, and errors of functions may have colours in them.
pub(crate) fn as_attribute(text: &str) -> String {
    let is_taken = |one: char| matches!(one, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}');
    let taken: String =
        text.chars().map(|one| if is_taken(one) { one } else { '\u{FFFD}' }).collect();
    cut(&taken).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::retry::tests::head;

    const AT: Timestamp = Timestamp(1_795_404_035_123);

    fn failed(payload: &'static str) -> Ran {
        Ran {
            verdict: Verdict::Failed,
            payload: Bytes::from_static(payload.as_bytes()),
            version: Version::Latest,
            trace: "Root=1;Lineage=x:0".to_owned(),
            queued: std::time::Duration::ZERO,
        }
    }

    fn over<'a>(
        head: &'a EventHead,
        payload: &'a Bytes,
        ran: Option<&'a Ran>,
        condition: Condition,
    ) -> Over<'a> {
        Over { head, payload, condition, ran, invocations: 3, at: AT }
    }

    #[test]
    fn a_record_says_everything_in_the_order_of_the_service() {
        let head = head(2, 0);
        let payload = Bytes::from_static(br#"{"z":1.10,"a":2}"#);
        let ran = failed(r#"{"errorMessage":"no","errorType":"ValueError"}"#);
        let over = over(&head, &payload, Some(&ran), Condition::RetriesExhausted);
        let expected = format!(
            r#"{{"version":"1.0","timestamp":"2026-11-23T03:20:35.123Z","requestContext":{{"requestId":"{}","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":3}},"requestPayload":{{"z":1.10,"a":2}},"responseContext":{{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"}},"responsePayload":{{"errorMessage":"no","errorType":"ValueError"}}}}"#,
            head.id
        );
        assert_eq!(over.record(), expected);
    }

    #[test]
    fn a_function_that_never_ran_has_no_answer() {
        let (head, payload) = (head(0, 1), Bytes::from_static(b"1"));
        let over = over(&head, &payload, None, Condition::ZeroReservedConcurrency);
        let record: Value = serde_json::from_str(&over.record()).unwrap();
        assert_eq!(record["requestContext"]["condition"], "ZeroReservedConcurrency");
        assert!(record.get("responseContext").is_none() && record.get("responsePayload").is_none());
    }

    #[test]
    fn an_answer_that_is_not_json_stands_there_as_a_text() {
        let (head, payload) = (head(0, 0), Bytes::from_static(b"1"));
        let ran = failed("not \"JSON");
        let over = over(&head, &payload, Some(&ran), Condition::RetriesExhausted);
        let record: Value = serde_json::from_str(&over.record()).unwrap();
        assert_eq!(record["responsePayload"], "not \"JSON");
    }

    #[test]
    fn each_kind_of_receiver_gets_it_in_its_own_way() {
        let mut head = head(2, 0);
        head.last_error = Some(LastError { code: 200, message: "no".to_owned() });
        let payload = Bytes::from_static(b"{}");
        let ran = failed("{}");
        let over = over(&head, &payload, Some(&ran), Condition::RetriesExhausted);
        let bus = "arn:aws:events:us-east-1:000000000000:event-bus/b";
        let entry = over.for_destination(bus, AT).unwrap();
        let delivery = Delivery::read(&entry.head).unwrap();
        let Parcel::Bus { arn, event } = delivery.parcel else { panic!("another parcel") };
        assert_eq!((arn.as_str(), event.source.as_str()), (bus, "lambda"));
        assert_eq!(event.detail_type, "Lambda Function Invocation Result - Failure");
        assert_eq!(event.resources[1], bus);
        assert_eq!(delivery.trace.as_deref(), Some("Root=1;Lineage=x:0"));

        let queue = "arn:aws:sqs:us-east-1:000000000000:q";
        let entry = over.for_dead_letters(queue, AT).unwrap();
        assert_eq!(entry.body, payload);
        let delivery = Delivery::read(&entry.head).unwrap();
        let Parcel::Queue { message, .. } = delivery.parcel else { panic!("another parcel") };
        let shown = json!(message.attributes);
        assert_eq!(
            shown["ErrorCode"],
            json!({ "data_type": "Number", "value": { "Text": "200" } })
        );
        assert_eq!(shown["ErrorMessage"]["value"]["Text"], "no");
        assert_eq!(shown["RequestID"]["value"]["Text"], head.id.to_string());

        let entry = over.for_destination("arn:aws:s3:::bucket", AT).unwrap();
        let Parcel::Object { bucket, key, region } = Delivery::read(&entry.head).unwrap().parcel
        else {
            panic!("another parcel")
        };
        let named = format!("aws/lambda/async/f/2026/11/23/2026-11-23T03.20.35-{}", head.id);
        assert_eq!((bucket.as_str(), key, region.as_str()), ("bucket", named, "us-east-1"));

        let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/s";
        assert!(over.for_destination(stream, AT).is_err());
        assert!(over.for_dead_letters(bus, AT).is_err());
    }

    #[test]
    fn an_error_in_colours_is_told_in_characters_that_queues_take() {
        assert_eq!(
            as_attribute("\u{1b}[31mno\0\n\u{ffff}ü😀"),
            "\u{fffd}[31mno\u{fffd}\n\u{fffd}ü😀"
        );
        assert_eq!(as_attribute(&"\0".repeat(1_000)).chars().count(), 341);
    }

    #[test]
    fn an_error_is_cut_off_between_characters() {
        let long = format!(r#"{{"errorMessage":"x{}"}}"#, "ä".repeat(600));
        let error = error_of(&Bytes::from(long));
        assert_eq!((error.code, error.message.len()), (200, 1_023));
        for (answer, expected) in
            [("{}", "Unhandled"), ("x", "Unhandled"), (r#"{"errorMessage":""}"#, "Unhandled")]
        {
            assert_eq!(error_of(&Bytes::from(answer)).message, expected, "{answer}");
        }
    }
}
