//! Reading queues of another service that speaks SQS's protocol: receive, delete, keep for longer.
//!
//! # Promises
//!
//! 1. A message that cannot be understood is left where it is, and said to be odd.
//!
//! # Deliberately absent
//!
//! Waiting beyond one call, and trying again: whoever reads does that.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::endpoint::Place;
use super::queues::{RemoteQueues, is_missing};
use crate::delivery::{AttributeValue, MessageAttribute};
use crate::limits::{
    CALL_ANSWER_BYTES_MAX, QUEUE_CALL_ENTRIES_MAX, QUEUE_WAIT_SECONDS_MAX, RECEIVE_ANSWER_BYTES_MAX,
};
use crate::queues::{Received, md5_of_body};
use crate::targets::NotTaken;

impl RemoteQueues {
    /// For how many seconds a message of a queue stays with whoever receives it.
    ///
    /// # Errors
    ///
    /// If it was not said.
    pub async fn visibility_seconds(&self, arn: &str) -> Result<u32, NotTaken> {
        let input = json!({ "AttributeNames": ["VisibilityTimeout"] });
        let call = ("AmazonSQS.GetQueueAttributes", CALL_ANSWER_BYTES_MAX);
        let found = self.asked(arn, call, input).await?;
        let seconds = found["Attributes"]["VisibilityTimeout"].as_str();
        seconds.and_then(|text| text.parse().ok()).ok_or_else(|| self.odd("`VisibilityTimeout`"))
    }

    /// Receives up to so many messages, of which AWS hands out ten at the most, and waits for them
    /// for a while. There may be none.
    ///
    /// # Errors
    ///
    /// If there was no answer, or not such a one.
    pub async fn receive(
        &self,
        arn: &str,
        messages: usize,
        longest: Duration,
    ) -> Result<Vec<Received>, NotTaken> {
        let input = json!({
            "MaxNumberOfMessages": messages.clamp(1, QUEUE_CALL_ENTRIES_MAX),
            "WaitTimeSeconds": longest.as_secs().min(QUEUE_WAIT_SECONDS_MAX),
            "MessageSystemAttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        });
        let call = ("AmazonSQS.ReceiveMessage", RECEIVE_ANSWER_BYTES_MAX);
        let found = self.asked(arn, call, input).await?;
        let messages = found["Messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let read: Vec<Received> = messages.iter().filter_map(received).collect();
        let odd = messages.len() - read.len();
        if odd == 0 {
            return Ok(read);
        }
        if read.is_empty() {
            return Err(self.odd("message"));
        }
        // The others have been received, and are not to wait for nothing.
        tracing::warn!(queue = arn, odd, "messages of a queue elsewhere could not be understood");
        Ok(read)
    }

    /// Deletes messages. Returns how many of them were.
    ///
    /// # Errors
    ///
    /// If there was no answer to one of the calls.
    pub async fn delete_messages(&self, arn: &str, handles: &[String]) -> Result<usize, NotTaken> {
        let entry = |(id, handle): (usize, &String)| json!({ "Id": id.to_string(), "ReceiptHandle": handle });
        self.in_tens(arn, "AmazonSQS.DeleteMessageBatch", (handles, &entry)).await
    }

    /// Keeps messages from others for so many seconds from now on. Returns how many of them are.
    ///
    /// # Errors
    ///
    /// If there was no answer to one of the calls.
    pub async fn change_visibility(
        &self,
        arn: &str,
        handles: &[String],
        seconds: u32,
    ) -> Result<usize, NotTaken> {
        let entry = |(id, handle): (usize, &String)| json!({ "Id": id.to_string(), "ReceiptHandle": handle, "VisibilityTimeout": seconds });
        self.in_tens(arn, "AmazonSQS.ChangeMessageVisibilityBatch", (handles, &entry)).await
    }

    async fn in_tens(
        &self,
        arn: &str,
        target: &'static str,
        (handles, entry): (&[String], &(dyn Fn((usize, &String)) -> Value + Sync)),
    ) -> Result<usize, NotTaken> {
        let mut done = 0;
        for some in handles.chunks(QUEUE_CALL_ENTRIES_MAX) {
            let entries: Vec<Value> = some.iter().enumerate().map(entry).collect();
            let input = json!({ "Entries": entries });
            let answer = self.asked(arn, (target, CALL_ANSWER_BYTES_MAX), input).await?;
            done += answer["Successful"].as_array().map_or(0, Vec::len);
        }
        Ok(done)
    }

    async fn asked(
        &self,
        arn: &str,
        (target, answer_bytes_max): (&'static str, usize),
        mut input: Value,
    ) -> Result<Value, NotTaken> {
        let place = Place::of(arn, "sqs")?;
        input["QueueUrl"] = Value::from(self.url(arn, place).await?);
        let answer = self.call_for((target, place.region), &input, answer_bytes_max).await;
        if answer.as_ref().is_err_and(is_missing) {
            self.forget(arn);
        }
        answer
    }
}

/// Whether a queue is not there.
#[must_use]
pub fn is_queue_missing(why: &NotTaken) -> bool {
    is_missing(why)
}

fn received(message: &Value) -> Option<Received> {
    let own = |name: &str| message[name].as_str().map(str::to_owned);
    let system = |name: &str| message["Attributes"][name].as_str().map(str::to_owned);
    let time = |name: &str| system(name)?.parse().ok().map(Timestamp);
    let body = own("Body")?;
    let attributes = match &message["MessageAttributes"] {
        Value::Object(given) => {
            let read = given.iter().map(|(name, one)| Some((name.clone(), attribute(one)?)));
            read.collect::<Option<BTreeMap<_, _>>>()?
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            BTreeMap::new()
        }
    };
    Some(Received {
        id: Uuid::parse_str(message["MessageId"].as_str()?).ok()?,
        handle: own("ReceiptHandle")?,
        md5_of_body: own("MD5OfBody").unwrap_or_else(|| md5_of_body(body.as_bytes())),
        body,
        receives: system("ApproximateReceiveCount").and_then(|text| text.parse().ok()).unwrap_or(1),
        sent: time("SentTimestamp").unwrap_or_default(),
        first_received: time("ApproximateFirstReceiveTimestamp").unwrap_or_default(),
        sender: system("SenderId").unwrap_or_default(),
        trace: system("AWSTraceHeader"),
        group: system("MessageGroupId"),
        deduplication: system("MessageDeduplicationId"),
        sequence_number: system("SequenceNumber"),
        source: system("DeadLetterQueueSourceArn"),
        attributes,
    })
}

fn attribute(given: &Value) -> Option<MessageAttribute> {
    let value = match (given["StringValue"].as_str(), given["BinaryValue"].as_str()) {
        (Some(text), _) => AttributeValue::Text(text.to_owned()),
        (None, Some(encoded)) => AttributeValue::Binary(STANDARD.decode(encoded).ok()?),
        (None, None) => return None,
    };
    Some(MessageAttribute { data_type: given["DataType"].as_str()?.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::super::played::{Heard, Played, Reply};
    use super::super::tls::Trust;
    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:000000000000:q";
    const URL: &str = r#"{"QueueUrl": "http://sqs/000000000000/q"}"#;

    async fn remote<const N: usize>(replies: [Reply; N]) -> (Played, RemoteQueues) {
        let played = Played::start(replies).await;
        let keys = (Heard::KEY, Heard::SECRET);
        let remote = RemoteQueues::new(&played.endpoint(), keys, &Trust::default()).unwrap();
        (played, remote)
    }

    #[tokio::test]
    async fn messages_are_received_with_all_that_belongs_to_them() {
        let message = r#"{"Messages": [{
            "MessageId": "00000000-0000-4000-8000-000000000001", "ReceiptHandle": "h",
            "Body": "b", "MD5OfBody": "m",
            "Attributes": {"ApproximateReceiveCount": "3", "SentTimestamp": "5", "SenderId": "s",
                "ApproximateFirstReceiveTimestamp": "6", "MessageGroupId": "g"},
            "MessageAttributes": {"n": {"DataType": "Binary", "BinaryValue": "AP8="}}
        }]}"#;
        let (played, remote) = remote([Reply::of(200, URL), Reply::of(200, message)]).await;
        let found = remote.receive(ARN, 50, Duration::from_secs(60)).await.unwrap();
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((one.body.as_str(), one.handle.as_str(), one.receives), ("b", "h", 3));
        assert_eq!((one.sent, one.first_received), (Timestamp(5), Timestamp(6)));
        assert_eq!(one.group.as_deref(), Some("g"));
        assert_eq!(one.attributes["n"].value, AttributeValue::Binary(vec![0, 255]));
        let asked = played.heard()[1].json();
        assert_eq!(
            (&asked["MaxNumberOfMessages"], &asked["WaitTimeSeconds"]),
            (&json!(10), &json!(1))
        );
    }

    #[tokio::test]
    async fn a_message_that_cannot_be_understood_does_not_hold_up_the_others() {
        let good = r#"{"MessageId": "00000000-0000-4000-8000-000000000001", "ReceiptHandle": "h", "Body": "b"}"#;
        let odd = r#"{"MessageId": "no id", "ReceiptHandle": "i", "Body": "c"}"#;
        let both = format!(r#"{{"Messages": [{odd}, {good}]}}"#);
        let alone = format!(r#"{{"Messages": [{odd}]}}"#);
        let replies = [Reply::of(200, URL), Reply::of(200, &both), Reply::of(200, &alone)];
        let (_played, remote) = remote(replies).await;
        let found = remote.receive(ARN, 10, Duration::ZERO).await.unwrap();
        assert_eq!(found.iter().map(|one| one.handle.as_str()).collect::<Vec<_>>(), ["h"]);
        let why = remote.receive(ARN, 10, Duration::ZERO).await.unwrap_err();
        assert!(matches!(why, NotTaken::Failed { .. }), "{why}");
    }

    #[tokio::test]
    async fn more_than_ten_receipts_take_several_calls() {
        let some = |count: usize| {
            json!({ "Successful": vec![json!({}); count], "Failed": [] }).to_string()
        };
        let replies = [Reply::of(200, URL), Reply::of(200, &some(10)), Reply::of(200, &some(1))];
        let (played, remote) = remote(replies).await;
        let handles: Vec<String> = (0..12).map(|number| format!("h{number}")).collect();
        assert_eq!(remote.delete_messages(ARN, &handles).await, Ok(11));
        let heard = played.heard();
        assert_eq!(heard[1].json()["Entries"].as_array().unwrap().len(), 10);
        assert_eq!(heard[2].json()["Entries"][1]["ReceiptHandle"], "h11");
    }

    #[tokio::test]
    async fn a_queue_that_is_not_there_is_told_apart() {
        let missing = r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}"#;
        let (_played, remote) = remote([Reply::of(400, missing)]).await;
        let why = remote.visibility_seconds(ARN).await.unwrap_err();
        assert!(is_queue_missing(&why), "{why}");
    }
}
