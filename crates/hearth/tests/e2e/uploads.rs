//! Uploads that others are told of: when the server is killed, and as the guide shows them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::clients::run_guide;
use crate::functions::behaves;
use crate::harness::{Server, eventually};
use crate::http::{Answer, Connection, Request};
use crate::reports::queue_call;

const QUEUE: &str = "uploads";
const UPLOADS: usize = 40;
/// How often the server is killed.
const KILLS: usize = 3;

fn put(path: &str, body: &str) -> Request {
    // Version 2 of the signature, which no other service takes. It is not checked.
    Request::new("PUT", path)
        .header("authorization", "AWS test:unchecked")
        .body(body.as_bytes().to_vec())
}

fn good(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A queue, and a bucket that tells it of everything.
fn prepare(server: &Server) {
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{QUEUE}");
    let policy = json!({ "Statement": {
        "Effect": "Allow",
        "Principal": { "Service": "s3.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }});
    let attributes = json!({ "Policy": policy.to_string(), "VisibilityTimeout": "0" });
    let input = json!({ "QueueName": QUEUE, "Attributes": attributes });
    good(&server.send(&queue_call("CreateQueue", &input)));
    good(&server.send(&put("/told", "")));
    let notification = format!(
        "<NotificationConfiguration><QueueConfiguration><Queue>{arn}</Queue>\
         <Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>"
    );
    good(&server.send(&put("/told?notification", &notification)));
}

/// Takes what is in the queue, and returns the keys that it speaks of.
fn take(server: &Server) -> Vec<String> {
    let url = format!("http://127.0.0.1/000000000000/{QUEUE}");
    let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
    let received = good(&server.send(&queue_call("ReceiveMessage", &input)));
    let messages = received["Messages"].as_array().cloned().unwrap_or_default();
    let mut keys = Vec::new();
    for message in messages {
        let body = message["Body"].as_str().expect("a message has a body");
        let event: Value = serde_json::from_str(body).expect("it is JSON");
        let key = event["Records"][0]["s3"]["object"]["key"].as_str();
        keys.extend(key.map(str::to_owned));
        let input = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
        server.send(&queue_call("DeleteMessage", &input));
    }
    keys
}

#[test]
fn an_upload_that_was_answered_is_told_of_when_the_server_was_killed_behind_it() {
    let mut server = Server::start();
    prepare(&server);
    let mut answered = BTreeSet::new();
    for kill in 0..KILLS {
        let mut connection = Connection::open(server.address).expect("the server listens");
        for number in 0..UPLOADS {
            let key = format!("{kill}-{number}");
            let answer = connection.send(&put(&format!("/told/{key}"), "an object"));
            good(&answer.expect("the server is there"));
            answered.insert(key);
        }
        // The last ones have hardly been handed on.
        server = Server::start_at(server.kill());
    }
    let mut told = BTreeSet::new();
    eventually("every upload is told of", 60, || {
        told.extend(take(&server));
        answered.is_subset(&told).then_some(())
    });
    assert_eq!(told, answered, "and of nothing else");
}

#[test]
fn the_commands_of_the_guide_to_uploads_do_what_it_says() {
    let server = Server::start();
    // Runs the guide on the runtime that is there.
    server.create("there", &behaves(), json!({}));
    let said = run_guide(&server, "uploads");
    for expected in [
        "uploaded: in/first.txt 6",
        "s3:TestEvent",
        "ObjectRemoved:Delete in/first.txt",
        "Object Created",
        "in/second.txt",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert!(!said.contains("uploaded: out/"), "{said}");
}
