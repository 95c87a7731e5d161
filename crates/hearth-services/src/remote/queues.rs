//! Queues of another service that speaks SQS's protocol, AWS JSON 1.0.
//!
//! # Promises
//!
//! A message counts as taken only when the service has named the id that it gave to it.
//!
//! # Deliberately absent
//!
//! The older query protocol of SQS. Receiving is in `polled`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::endpoint::{Call, Endpoint, Place, RemoteError, text};
use super::refusal::Refusal;
use super::tls::Trust;
use crate::delivery::{AttributeValue, MessageAttribute, QueueMessage};
use crate::limits::{CALL_ANSWER_BYTES_MAX, QUEUE_URLS_MAX};
use crate::targets::{NotTaken, SendMessage, Sent};

/// AWS: what SQS says if there is no such queue; the second is what older clients know.
const MISSING: [&str; 2] = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];

/// The queues of an endpoint.
#[derive(Debug)]
pub struct RemoteQueues {
    endpoint: Endpoint,
    /// By the ARN of a queue, the URL that the service gave it.
    urls: Mutex<HashMap<String, String>>,
}

impl RemoteQueues {
    /// The queues at `http://host:port`, or with `https`. The credentials are an access key and
    /// its secret; without a key, requests are not signed.
    ///
    /// # Errors
    ///
    /// If the endpoint is none.
    pub fn new(
        endpoint: &str,
        credentials: (&str, &str),
        trust: &Trust,
    ) -> Result<Self, RemoteError> {
        let endpoint = Endpoint::new(endpoint, credentials, trust)?;
        Ok(Self { endpoint, urls: Mutex::default() })
    }

    pub(super) async fn url(&self, arn: &str, queue: Place<'_>) -> Result<String, NotTaken> {
        let known = lock(&self.urls).get(arn).cloned();
        if let Some(url) = known {
            return Ok(url);
        }
        let input = json!({ "QueueName": queue.name, "QueueOwnerAWSAccountId": queue.account });
        let found = self.call("AmazonSQS.GetQueueUrl", queue.region, &input).await?;
        let url = found["QueueUrl"].as_str().ok_or_else(|| self.endpoint.odd("`QueueUrl`"))?;
        let mut urls = lock(&self.urls);
        if urls.len() >= QUEUE_URLS_MAX {
            urls.clear();
        }
        urls.insert(arn.to_owned(), url.to_owned());
        Ok(url.to_owned())
    }

    async fn call(
        &self,
        target: &'static str,
        region: &str,
        input: &Value,
    ) -> Result<Value, NotTaken> {
        self.call_for((target, region), input, CALL_ANSWER_BYTES_MAX).await
    }

    /// Calls an operation whose answer may have so many bytes. It may have none.
    pub(super) async fn call_for(
        &self,
        (target, region): (&'static str, &str),
        input: &Value,
        answer_bytes_max: usize,
    ) -> Result<Value, NotTaken> {
        let call = Call {
            service: "sqs",
            region,
            content_type: "application/x-amz-json-1.0",
            target: Some(target),
            trace: None,
            body: input.to_string(),
        };
        let answer = self.endpoint.call_for(call, answer_bytes_max).await?;
        if !answer.status.is_success() {
            return Err(Refusal::of_json(&answer).judged(answer.status));
        }
        let body = answer.body.ok_or_else(|| self.endpoint.odd("end"))?;
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|_not_json| self.endpoint.odd("JSON"))
    }
}

#[async_trait]
impl SendMessage for RemoteQueues {
    async fn send(&self, sent: Sent<'_>, message: &QueueMessage) -> Result<(), NotTaken> {
        let queue = Place::of(sent.arn, "sqs")?;
        let mut input = input(&sent, message)?;
        input["QueueUrl"] = Value::from(self.url(sent.arn, queue).await?);
        let taken = self.call("AmazonSQS.SendMessage", queue.region, &input).await;
        if taken.as_ref().is_err_and(is_missing) {
            self.forget(sent.arn);
        }
        let has_id = taken?["MessageId"].is_string();
        if has_id { Ok(()) } else { Err(self.endpoint.odd("`MessageId`")) }
    }
}

impl RemoteQueues {
    /// Forgets the address of a queue that is gone: one of the same name may be made again, and
    /// have another.
    pub(super) fn forget(&self, arn: &str) {
        lock(&self.urls).remove(arn);
    }

    /// What is said of an answer that is none of SQS's.
    pub(super) fn odd(&self, expected: &str) -> NotTaken {
        self.endpoint.odd(expected)
    }
}

/// Whether a refusal says that there is no such queue.
pub(super) fn is_missing(why: &NotTaken) -> bool {
    match why {
        NotTaken::Refused { code, .. } => MISSING.contains(&code.as_str()),
        NotTaken::Failed { .. } => false,
    }
}

/// The input of `SendMessage`, without the address of the queue.
fn input(sent: &Sent<'_>, message: &QueueMessage) -> Result<Value, NotTaken> {
    let mut input = json!({ "MessageBody": text(sent.body)? });
    if !message.attributes.is_empty() {
        let attributes = message.attributes.iter();
        let attributes = attributes.map(|(name, one)| (name.clone(), attribute(one)));
        input["MessageAttributes"] = Value::Object(attributes.collect());
    }
    if let Some(trace) = sent.trace {
        let trace = json!({ "DataType": "String", "StringValue": trace });
        input["MessageSystemAttributes"] = json!({ "AWSTraceHeader": trace });
    }
    if let Some(group) = &message.group {
        input["MessageGroupId"] = Value::from(group.as_str());
    }
    if let Some(deduplication) = &message.deduplication {
        input["MessageDeduplicationId"] = Value::from(deduplication.as_str());
    }
    if let Some(seconds) = message.delay_seconds {
        input["DelaySeconds"] = Value::from(seconds);
    }
    Ok(input)
}

fn attribute(attribute: &MessageAttribute) -> Value {
    let data_type = &attribute.data_type;
    match &attribute.value {
        AttributeValue::Text(text) => json!({ "DataType": data_type, "StringValue": text }),
        AttributeValue::Binary(bytes) => {
            json!({ "DataType": data_type, "BinaryValue": STANDARD.encode(bytes) })
        }
    }
}

fn lock(urls: &Mutex<HashMap<String, String>>) -> MutexGuard<'_, HashMap<String, String>> {
    urls.lock().expect("no code panics while it holds the addresses")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    use super::super::played::{Heard, Played, Reply};
    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:000000000000:q.fifo";
    const URL: &str = r#"{"QueueUrl": "http://sqs/000000000000/q.fifo"}"#;
    const TAKEN: &str = r#"{"MessageId": "m", "MD5OfMessageBody": "x"}"#;
    const MISSING: &str = r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no"}"#;

    async fn remote<const N: usize>(replies: [Reply; N]) -> (Played, RemoteQueues) {
        let played = Played::start(replies).await;
        let remote =
            RemoteQueues::new(&played.endpoint(), (Heard::KEY, Heard::SECRET), &Trust::default())
                .unwrap();
        (played, remote)
    }

    async fn send(remote: &RemoteQueues) -> Result<(), NotTaken> {
        let body = Bytes::from_static(b"hello");
        let sent = Sent { arn: ARN, body: &body, trace: None };
        remote.send(sent, &QueueMessage::default()).await
    }

    #[tokio::test]
    async fn a_message_is_sent_with_all_that_belongs_to_it() {
        let (played, remote) = remote([Reply::of(200, URL), Reply::of(200, TAKEN)]).await;
        let attribute =
            |data_type: &str, value| MessageAttribute { data_type: data_type.to_owned(), value };
        let message = QueueMessage {
            attributes: BTreeMap::from([
                ("n".to_owned(), attribute("Number", AttributeValue::Text("200".to_owned()))),
                ("b".to_owned(), attribute("Binary", AttributeValue::Binary(vec![0, 255]))),
            ]),
            group: Some("g".to_owned()),
            deduplication: Some("d".to_owned()),
            delay_seconds: Some(3),
        };
        let body = Bytes::from_static("h\u{e9}".as_bytes());
        let sent = Sent { arn: ARN, body: &body, trace: Some("Root=1") };
        assert_eq!(remote.send(sent, &message).await, Ok(()));

        let heard = played.heard();
        let target = |heard: &Heard| heard.header("x-amz-target").to_owned();
        assert_eq!(target(&heard[0]), "AmazonSQS.GetQueueUrl");
        let asked = json!({ "QueueName": "q.fifo", "QueueOwnerAWSAccountId": "000000000000" });
        assert_eq!(heard[0].json(), asked);
        assert_eq!(target(&heard[1]), "AmazonSQS.SendMessage");
        assert_eq!(heard[1].header("content-type"), "application/x-amz-json-1.0");
        assert_eq!(
            heard[1].json(),
            json!({
                "QueueUrl": "http://sqs/000000000000/q.fifo",
                "MessageBody": "h\u{e9}",
                "MessageAttributes": {
                    "b": { "DataType": "Binary", "BinaryValue": "AP8=" },
                    "n": { "DataType": "Number", "StringValue": "200" },
                },
                "MessageSystemAttributes": {
                    "AWSTraceHeader": { "DataType": "String", "StringValue": "Root=1" },
                },
                "MessageGroupId": "g",
                "MessageDeduplicationId": "d",
                "DelaySeconds": 3,
            })
        );
        for one in &heard {
            one.assert_signed_for("eu-west-1/sqs");
        }
    }

    #[tokio::test]
    async fn the_address_of_a_queue_is_asked_for_once_until_the_queue_is_gone() {
        let replies = [
            Reply::of(200, URL),
            Reply::of(200, TAKEN),
            Reply::of(200, TAKEN),
            Reply::of(400, MISSING),
            Reply::of(200, URL),
            Reply::of(200, TAKEN),
        ];
        let (played, remote) = remote(replies).await;
        assert_eq!(send(&remote).await, Ok(()));
        assert_eq!(send(&remote).await, Ok(()));
        let refused =
            NotTaken::Refused { code: "QueueDoesNotExist".to_owned(), message: "no".to_owned() };
        assert_eq!(send(&remote).await, Err(refused));
        assert_eq!(send(&remote).await, Ok(()));
        assert_eq!(played.heard().len(), 6);
    }

    #[tokio::test]
    async fn what_will_not_change_is_told_apart_from_what_may() {
        #[rustfmt::skip]
        let rows = [
            (vec![Reply::of(400, MISSING)],                                         true),
            (vec![Reply::of(200, URL), Reply::of(403, r#"{"__type": "AccessDenied"}"#)],     true),
            (vec![Reply::of(200, URL), Reply::of(400, r#"{"__type": "RequestThrottled"}"#)], false),
            (vec![Reply::of(200, URL), Reply::of(500, "")],                         false),
            (vec![Reply::of(200, URL), Reply::of(200, "<html>")],                   false),
            (vec![Reply::of(200, URL), Reply::of(200, "{}")],                       false),
            (vec![Reply::of(200, "{}")],                                            false),
            (vec![Reply::of(200, URL), Reply::Close, Reply::Close],                 false),
        ];
        for (replies, is_refused) in rows {
            let shown = format!("{replies:?}");
            let played = Played::start(replies).await;
            let remote =
                RemoteQueues::new(&played.endpoint(), ("", ""), &Trust::default()).unwrap();
            let why = send(&remote).await.unwrap_err();
            assert_eq!(matches!(why, NotTaken::Refused { .. }), is_refused, "{shown}: {why}");
        }
    }

    #[tokio::test]
    async fn a_service_that_does_not_answer_fails_for_now() {
        let (_played, remote) = remote([Reply::of(200, URL), Reply::Hang]).await;
        let NotTaken::Failed { message } = send(&remote).await.unwrap_err() else { panic!() };
        assert!(message.ends_with("does not answer: it took longer than 30 seconds."), "{message}");
    }

    #[tokio::test]
    async fn nothing_is_sent_that_could_not_be_a_message() {
        let (played, remote) = remote([]).await;
        let body = Bytes::from_static(&[0xff]);
        for (arn, body) in [(ARN, &body), ("arn:aws:sns:us-east-1:000000000000:t", &Bytes::new())] {
            let sent = Sent { arn, body, trace: None };
            let refused = remote.send(sent, &QueueMessage::default()).await.unwrap_err();
            assert!(matches!(refused, NotTaken::Refused { .. }), "{refused}");
        }
        assert_eq!(played.heard().len(), 0);
    }
}
