//! A function that says durably which events it ran, the queues that it says it to, and looking at
//! what arrived there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::functions::reports;
use crate::harness::Server;
use crate::http::{Answer, Request};

/// The function.
pub(crate) const FUNCTION: &str = "reports";
/// Where it puts the ids of events that it ran.
pub(crate) const RAN: &str = "ran";
/// Where it puts them if it is to be seen in which order it ran.
pub(crate) const IN_ORDER: &str = "ran.fifo";
/// Where AWS's record goes of an event that it failed on.
pub(crate) const FAILED: &str = "failed";
/// Messages that no function has to do with.
pub(crate) const MESSAGES: &str = "messages";

/// How long a message that was received is hidden: what a killed receiver had comes back soon.
const VISIBILITY_SECONDS: &str = "5";

/// Makes the queues and the function, whose errors are not retried and go to a queue.
pub(crate) fn prepare(server: &Server, settings: Value) {
    for name in [RAN, FAILED, MESSAGES] {
        let attributes = json!({ "VisibilityTimeout": VISIBILITY_SECONDS });
        let input = json!({ "QueueName": name, "Attributes": attributes });
        good(&server.send(&queue_call("CreateQueue", &input)));
    }
    server.create(FUNCTION, &reports(), settings);
    let path = format!("/2019-09-25/functions/{FUNCTION}/event-invoke-config");
    let destination = format!("arn:aws:sqs:us-east-1:000000000000:{FAILED}");
    let configuration = json!({
        "MaximumRetryAttempts": 0,
        "DestinationConfig": { "OnFailure": { "Destination": destination } },
    });
    good(&server.send(&Request::new("PUT", path).json(&configuration)));
}

/// Makes the function, and a queue that keeps the order in which it ran what it got.
pub(crate) fn prepare_in_order(server: &Server, timeout_seconds: u32) {
    let attributes = json!({ "FifoQueue": "true", "VisibilityTimeout": VISIBILITY_SECONDS });
    let input = json!({ "QueueName": IN_ORDER, "Attributes": attributes });
    good(&server.send(&queue_call("CreateQueue", &input)));
    let variables = json!({ "REPORTS_TO": IN_ORDER });
    let settings = json!({ "Timeout": timeout_seconds, "Environment": { "Variables": variables } });
    server.create(FUNCTION, &reports(), settings);
}

/// An operation of SQS.
pub(crate) fn queue_call(operation: &str, input: &Value) -> Request {
    Request::new("POST", "/")
        .header("x-amz-target", format!("AmazonSQS.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .json(input)
}

/// A message for a queue.
pub(crate) fn message(queue: &str, body: &str) -> Request {
    queue_call("SendMessage", &json!({ "QueueUrl": url(queue), "MessageBody": body }))
}

/// An event for the function.
pub(crate) fn event(event: &Value) -> Request {
    Request::invocation(FUNCTION, event).header("x-amz-invocation-type", "Event")
}

/// The address of a queue; only its path counts.
pub(crate) fn url(queue: &str) -> String {
    format!("http://127.0.0.1/000000000000/{queue}")
}

fn good(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Takes what can be received now: the bodies, in their order.
pub(crate) fn take(server: &Server, queue: &str) -> Vec<String> {
    let input = json!({ "QueueUrl": url(queue), "MaxNumberOfMessages": 10 });
    let received = good(&server.send(&queue_call("ReceiveMessage", &input)));
    let (mut bodies, mut entries) = (Vec::new(), Vec::new());
    for (number, message) in received["Messages"].as_array().into_iter().flatten().enumerate() {
        bodies.push(message["Body"].as_str().expect("a message has a body").to_owned());
        let handle = &message["ReceiptHandle"];
        entries.push(json!({ "Id": number.to_string(), "ReceiptHandle": handle }));
    }
    if !entries.is_empty() {
        let input = json!({ "QueueUrl": url(queue), "Entries": entries });
        good(&server.send(&queue_call("DeleteMessageBatch", &input)));
    }
    bodies
}

/// What came out of a queue: how often each.
#[derive(Debug, Default)]
pub(crate) struct Arrived(BTreeMap<String, usize>);

impl Arrived {
    /// Takes what can be received now. Returns whether there was anything.
    pub(crate) fn take(&mut self, server: &Server, queue: &str) -> bool {
        let bodies = take(server, queue);
        for body in &bodies {
            self.note(id_of(body));
        }
        !bodies.is_empty()
    }

    /// One arrived.
    pub(crate) fn note(&mut self, id: String) {
        *self.0.entry(id).or_default() += 1;
    }

    /// Whether it did.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// How many arrived, each counted once.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// How many came that had come before.
    pub(crate) fn duplicates(&self) -> usize {
        self.0.values().map(|times| times - 1).sum()
    }
}

/// The id in a message: the message itself, or that of the event in AWS's record of a failure.
pub(crate) fn id_of(body: &str) -> String {
    let record: Value = serde_json::from_str(body).unwrap_or_default();
    let id = record["requestPayload"]["id"].as_str();
    id.map_or_else(|| body.to_owned(), str::to_owned)
}
