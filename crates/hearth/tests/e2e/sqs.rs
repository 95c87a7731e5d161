//! Queues: by the older query protocol, through the AWS CLI, over a restart, and for receivers that
//! wait.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::run_guide;
use crate::harness::{Server, now};
use crate::http::{Answer, Connection, Request};

/// An operation in JSON.
fn call(operation: &str, input: &Value) -> Request {
    Request::new("POST", "/")
        .header("x-amz-target", format!("AmazonSQS.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .json(input)
}

/// An operation as a form.
fn form(path: &str, form: &str) -> Request {
    Request::new("POST", path)
        .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
        .body(format!("Version=2012-11-05&{form}").into_bytes())
}

fn good(answer: Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn create(server: &Server, name: &str, attributes: Value) -> String {
    let input = json!({ "QueueName": name, "Attributes": attributes });
    let made = good(server.send(&call("CreateQueue", &input)));
    made["QueueUrl"].as_str().expect("a queue has an address").to_owned()
}

fn send(server: &Server, url: &str, body: &str) {
    let input = json!({ "QueueUrl": url, "MessageBody": body });
    good(server.send(&call("SendMessage", &input)));
}

/// Bodies of messages, which are deleted.
fn take(server: &Server, url: &str, wait_seconds: u32) -> Vec<String> {
    let input =
        json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait_seconds });
    let received = good(server.send(&call("ReceiveMessage", &input)));
    let messages = received["Messages"].as_array().cloned().unwrap_or_default();
    let taken = messages.iter().map(|message| {
        let input = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
        good(server.send(&call("DeleteMessage", &input)));
        message["Body"].as_str().expect("a message has a body").to_owned()
    });
    taken.collect()
}

/// The text of an element that is there once.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let behind = xml.split_once(&format!("<{name}>")).map(|(_, behind)| behind);
    let text = behind.and_then(|behind| behind.split_once(&format!("</{name}>")));
    text.unwrap_or_else(|| panic!("there is no {name} in {xml}")).0
}

/// Sends a form. Returns the status and the document of the answer.
fn ask(server: &Server, path: &str, text: &str) -> (u16, String) {
    let answer = server.send(&form(path, text));
    assert_eq!(answer.header("content-type"), Some("text/xml"));
    (answer.status, answer.text())
}

const OLD: &str = "/000000000000/old";

#[test]
fn the_older_protocol_makes_and_shows_queues() {
    let server = Server::start();
    let create = "Action=CreateQueue&QueueName=old&Attribute.1.Name=DelaySeconds&Attribute.1.Value=0&Tag.1.Key=k&Tag.1.Value=v";
    let (status, made) = ask(&server, "/", create);
    assert_eq!(status, 200, "{made}");
    let root = "<CreateQueueResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">";
    assert!(made.contains(root), "{made}");
    let url = element(&made, "QueueUrl");
    assert_eq!(url, format!("{}{OLD}", server.endpoint()));

    let arn = "<Name>QueueArn</Name><Value>arn:aws:sqs:us-east-1:000000000000:old</Value>";
    let (_, shown) = ask(&server, OLD, "Action=GetQueueAttributes&AttributeName.1=QueueArn");
    assert!(shown.contains(arn), "{shown}");
    let (_, tags) = ask(&server, OLD, "Action=ListQueueTags");
    assert!(tags.contains("<Tag><Key>k</Key><Value>v</Value></Tag>"), "{tags}");
    let got = server.get(&format!("{OLD}?Action=GetQueueUrl&QueueName=old&Version=2012-11-05"));
    assert_eq!(element(&got.text(), "QueueUrl"), url);
    let (status, gone) = ask(&server, OLD, "Action=DeleteQueue");
    assert_eq!((status, gone.contains("DeleteQueueResult")), (200, false), "{gone}");

    #[rustfmt::skip]
    let rows = [
        (OLD, "Action=PurgeQueue",                           400, "AWS.SimpleQueueService.NonExistentQueue"),
        ("/", "Action=PurgeQueue",                           400, "MissingParameter"),
        (OLD, "Action=ReceiveMessage&MaxNumberOfMessages=x", 400, "InvalidParameterValue"),
        ("/", "Action=Nothing",                              400, "InvalidAction"),
        ("/", "Action=ListMessageMoveTasks&SourceArn=arn:aws:sqs:us-east-1:000000000000:old", 404, "ResourceNotFoundException"),
    ];
    for (path, text, expected, code) in rows {
        let (status, body) = ask(&server, path, text);
        let found = (status, element(&body, "Code"), element(&body, "Type"));
        assert_eq!(found, (expected, code, "Sender"), "{text}");
    }
}

#[test]
fn the_older_protocol_carries_messages() {
    let server = Server::start();
    create(&server, "old", json!({}));
    let attribute = "MessageAttribute.1.Name=n&MessageAttribute.1.Value.StringValue=1&MessageAttribute.1.Value.DataType=Number";
    let send = format!("Action=SendMessage&MessageBody=hello+%3C&{attribute}");
    let (_, sent) = ask(&server, OLD, &send);
    let receive =
        "Action=ReceiveMessage&AttributeName.1=All&MessageAttributeName.1=All&WaitTimeSeconds=20";
    let (_, received) = ask(&server, OLD, receive);
    assert_eq!(element(&received, "Body"), "hello &lt;");
    assert_eq!(element(&received, "MD5OfBody"), element(&sent, "MD5OfMessageBody"));
    for name in ["MessageId", "MD5OfMessageAttributes"] {
        assert_eq!(element(&received, name), element(&sent, name));
    }
    let count = "<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>";
    assert!(received.contains(count), "{received}");

    let handle = element(&received, "ReceiptHandle").replace('+', "%2B").replace('=', "%3D");
    let entry = "DeleteMessageBatchRequestEntry";
    let entries = format!(
        "{entry}.1.Id=good&{entry}.1.ReceiptHandle={handle}&{entry}.2.Id=bad&{entry}.2.ReceiptHandle=x"
    );
    let (_, deleted) = ask(&server, OLD, &format!("Action=DeleteMessageBatch&{entries}"));
    let good = "<DeleteMessageBatchResultEntry><Id>good</Id></DeleteMessageBatchResultEntry>";
    assert!(deleted.contains(good), "{deleted}");
    assert_eq!(element(&deleted, "Code"), "ReceiptHandleIsInvalid");
    let (_, nothing) = ask(&server, OLD, "Action=ReceiveMessage");
    assert!(nothing.contains("<ReceiveMessageResult/>"), "{nothing}");
}

#[test]
fn every_operation_is_known() {
    let server = Server::start();
    for operation in hearth_wire::sqs::Operation::ALL {
        let answer = server.send(&call(operation.name(), &json!({})));
        let body = answer.text();
        assert!(!body.contains("UnknownOperation") && answer.status < 500, "{operation:?}: {body}");
    }
    let answer = server.send(&call("Nothing", &json!({})));
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("UnknownOperationException"), "{}", answer.text());
}

#[test]
fn messages_survive_a_kill() {
    let server = Server::start();
    let url = create(&server, "kept", json!({ "VisibilityTimeout": "0" }));
    let bodies: Vec<String> = (0..5).map(|number| format!("m{number}")).collect();
    for body in &bodies {
        send(&server, &url, body);
    }
    let server = Server::start_at(server.kill());
    let url = format!("{}/000000000000/kept", server.endpoint());
    let mut found = Vec::new();
    while found.len() < bodies.len() {
        let more = take(&server, &url, 20);
        assert!(!more.is_empty(), "only {found:?} are there");
        found.extend(more);
    }
    found.sort();
    assert_eq!(found, bodies);
}

#[test]
fn a_receiver_that_hangs_up_loses_nothing() {
    let server = Server::start();
    let url = create(&server, "polled", json!({ "VisibilityTimeout": "1" }));
    let waiting = call("ReceiveMessage", &json!({ "QueueUrl": url, "WaitTimeSeconds": 20 }));
    for round in 0..5 {
        let mut connection = Connection::open(server.address).expect("the server listens");
        connection.write(&waiting).expect("the request is sent");
        drop(connection);
        let body = format!("m{round}");
        send(&server, &url, &body);
        assert_eq!(take(&server, &url, 20), [body]);
    }
}

#[test]
fn a_receiver_is_answered_when_the_server_ends() {
    let server = Server::start();
    let url = create(&server, "polled", json!({}));
    let mut connection = Connection::open(server.address).expect("the server listens");
    let known = call("GetQueueUrl", &json!({ "QueueName": "polled" }));
    good(connection.send(&known).expect("there is an answer"));
    let begin = now();
    let waiting = thread::spawn(move || {
        let input = json!({ "QueueUrl": url, "WaitTimeSeconds": 20 });
        connection.send(&call("ReceiveMessage", &input))
    });
    let (ended, _place) = server.stop();
    assert!(ended.is_some_and(|status| status.success()));
    // Whether it came before the server was told or behind: there is an answer, or the door is shut.
    if let Ok(answer) = waiting.join().expect("the receiver does not panic") {
        match answer.status {
            200 => assert_eq!(answer.json(), json!({})),
            status => {
                assert_eq!(status, 503, "{}", answer.text());
                let code = "ServiceUnavailable;Receiver";
                assert_eq!(answer.header("x-amzn-query-error"), Some(code));
            }
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(15), "nobody waits for receivers");
}

#[test]
fn the_commands_of_the_guide_to_queues_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "queues");
    for expected in [
        "first job",
        "second job",
        "in order 1\tin order 2",
        "a bad job",
        "\"Status\": \"COMPLETED\"",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
