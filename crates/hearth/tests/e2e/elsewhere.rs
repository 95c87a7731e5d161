//! Another service in place of an embedded one: what one server delivers arrives at the other.

use serde_json::{Value, json};

use crate::functions::{batches, behaves};
use crate::harness::{Place, Server, eventually};
use crate::http::{Answer, Request};

const SCOPE: &str = "us-east-1:000000000000";

/// A call in AWS JSON of this version.
fn call(server: &Server, (version, target): (&str, &str), input: &Value) -> Answer {
    let request = Request::new("POST", "/")
        .header("x-amz-target", target)
        .header("content-type", format!("application/x-amz-json-{version}"));
    server.send(&request.json(input))
}

fn good(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn sqs(server: &Server, operation: &str, input: &Value) -> Value {
    good(&call(server, ("1.0", &format!("AmazonSQS.{operation}")), input))
}

fn events(server: &Server, operation: &str, input: &Value) -> Value {
    good(&call(server, ("1.1", &format!("AWSEvents.{operation}")), input))
}

/// A call in the query protocol. The values have no characters that must be encoded but `:`.
fn sns(server: &Server, operation: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut form = format!("Action={operation}&Version=2010-03-31");
    for (name, value) in parameters {
        form.push_str(&format!("&{name}={}", value.replace(':', "%3A")));
    }
    let request = Request::new("POST", "/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.into_bytes());
    server.send(&request)
}

fn create_queue(server: &Server, name: &str) -> String {
    let created = sqs(server, "CreateQueue", &json!({ "QueueName": name }));
    created["QueueUrl"].as_str().expect("a queue has an address").to_owned()
}

/// The next message of a queue, which is then deleted.
fn next_message(server: &Server, queue_url: &str) -> Value {
    let ask = json!({
        "QueueUrl": queue_url,
        "WaitTimeSeconds": 2,
        "MessageAttributeNames": ["All"],
    });
    let message = eventually(&format!("there is a message in {queue_url}"), 60, || {
        let received = sqs(server, "ReceiveMessage", &ask);
        received["Messages"].get(0).cloned()
    });
    let delete = json!({ "QueueUrl": queue_url, "ReceiptHandle": message["ReceiptHandle"] });
    let _ = sqs(server, "DeleteMessage", &delete);
    message
}

fn body(message: &Value) -> Value {
    let text = message["Body"].as_str().expect("a message has a body");
    serde_json::from_str(text).expect("it is JSON")
}

/// A function that is not tried again, with destinations.
fn create(server: &Server, name: &str, settings: Value, destinations: &Value) {
    server.create(name, &behaves(), settings);
    let path = format!("/2019-09-25/functions/{name}/event-invoke-config");
    let configured = server.send(
        &Request::new("PUT", path)
            .json(&json!({ "MaximumRetryAttempts": 0, "DestinationConfig": destinations })),
    );
    assert_eq!(configured.status, 200, "{}", configured.text());
}

fn send_event(server: &Server, name: &str, event: &Value) {
    let request = Request::invocation(name, event).header("x-amz-invocation-type", "Event");
    let accepted = server.send(&request);
    assert_eq!(accepted.status, 202, "{}", accepted.text());
}

/// A server that has the services, and one that uses them there.
fn pair(settings: &[&str]) -> (Server, Server) {
    let [there, here] = Place::two();
    let there = Server::start_at(there);
    let mut all = vec![
        "endpoints_access_key_id=test".to_owned(),
        "endpoints_secret_access_key=test".to_owned(),
    ];
    all.extend(settings.iter().map(|key| format!("{key}={}", there.endpoint())));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let here = Server::start_set(here, &all);
    (there, here)
}

#[test]
fn dead_letters_and_destinations_go_to_the_queues_of_another_server() {
    let (there, here) = pair(&["sqs_endpoint"]);
    let [dead, failed, done] = ["dead", "failed", "done"].map(|name| create_queue(&there, name));
    let arn = |name: &str| format!("arn:aws:sqs:{SCOPE}:{name}");
    let destinations = json!({
        "OnFailure": { "Destination": arn("failed") },
        "OnSuccess": { "Destination": arn("done") },
    });
    let settings = json!({ "DeadLetterConfig": { "TargetArn": arn("dead") } });
    create(&here, "sender", settings, &destinations);

    let event = json!({ "do": "fail", "n": 1 });
    send_event(&here, "sender", &event);
    let letter = next_message(&there, &dead);
    assert_eq!(body(&letter), event);
    assert_eq!(letter["MessageAttributes"]["ErrorCode"]["StringValue"], "200", "{letter}");
    let record = body(&next_message(&there, &failed));
    assert_eq!(record["requestPayload"], event, "{record}");
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted", "{record}");

    send_event(&here, "sender", &json!({ "n": 2 }));
    let record = body(&next_message(&there, &done));
    assert_eq!(record["requestPayload"], json!({ "n": 2 }), "{record}");
    assert_eq!(record["requestContext"]["condition"], "Success", "{record}");
}

#[test]
fn messages_of_the_queues_of_another_server_are_read() {
    let (there, here) = pair(&["sqs_endpoint"]);
    let queue = create_queue(&there, "jobs");
    here.create("reader", &batches(), json!({ "Timeout": 20 }));
    let source = |name: &str| {
        let body = json!({
            "FunctionName": "reader",
            "EventSourceArn": format!("arn:aws:sqs:{SCOPE}:{name}"),
            "FilterCriteria": { "Filters": [{ "Pattern": r#"{"body": {"n": [{"exists": true}]}}"# }] },
        });
        here.send(&Request::new("POST", "/2015-03-31/event-source-mappings").json(&body))
    };
    assert_eq!(source("jobs").status, 202);
    let missing = source("nowhere");
    assert_eq!(missing.status, 400, "{}", missing.text());
    assert!(missing.text().contains("NonExistentQueue"), "{}", missing.text());

    for body in [r#"{"n": 1}"#, "unwanted", r#"{"n": 2}"#] {
        let _ = sqs(&there, "SendMessage", &json!({ "QueueUrl": queue, "MessageBody": body }));
    }
    for text in [r#"{\"n\": 1}"#, r#"{\"n\": 2}"#] {
        here.wait_for_line("reader", text);
    }
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    eventually("the queue is empty", 60, || {
        let asked = json!({ "QueueUrl": queue, "AttributeNames": names });
        let found = sqs(&there, "GetQueueAttributes", &asked);
        names.iter().all(|name| found["Attributes"][*name] == "0").then_some(())
    });
    assert!(!here.logs("reader").iter().any(|line| line.contains("unwanted")));
}

#[test]
fn destinations_go_to_the_topics_and_buses_of_another_server() {
    let (there, here) = pair(&["sns_endpoint", "events_endpoint"]);
    let queues = ["from-topic", "from-bus"];
    let [from_topic, from_bus] = queues.map(|name| create_queue(&there, name));
    let queue_arn = |name: &str| format!("arn:aws:sqs:{SCOPE}:{name}");
    let topic = format!("arn:aws:sns:{SCOPE}:outcomes");
    assert_eq!(sns(&there, "CreateTopic", &[("Name", "outcomes")]).status, 200);
    let subscribed = sns(
        &there,
        "Subscribe",
        &[("TopicArn", &topic), ("Protocol", "sqs"), ("Endpoint", &queue_arn("from-topic"))],
    );
    assert_eq!(subscribed.status, 200, "{}", subscribed.text());
    let bus = json!({ "Name": "outcomes" });
    let bus = events(&there, "CreateEventBus", &bus)["EventBusArn"].clone();
    let rule = json!({
        "Name": "all",
        "EventBusName": "outcomes",
        "EventPattern": "{\"source\": [\"lambda\"]}",
    });
    let _ = events(&there, "PutRule", &rule);
    let target = json!({ "Id": "1", "Arn": queue_arn("from-bus") });
    let targets = json!({ "Rule": "all", "EventBusName": "outcomes", "Targets": [target] });
    assert_eq!(events(&there, "PutTargets", &targets)["FailedEntryCount"], 0);

    let destinations = json!({
        "OnFailure": { "Destination": topic },
        "OnSuccess": { "Destination": bus },
    });
    create(&here, "teller", json!({}), &destinations);
    let event = json!({ "do": "fail" });
    send_event(&here, "teller", &event);
    let notification = body(&next_message(&there, &from_topic));
    let record = notification["Message"].as_str().expect("a notification has a message");
    let record: Value = serde_json::from_str(record).expect("it is a record");
    assert_eq!(record["requestPayload"], event, "{record}");

    send_event(&here, "teller", &json!({ "n": 3 }));
    let told = body(&next_message(&there, &from_bus));
    assert_eq!(told["detail-type"], "Lambda Function Invocation Result - Success", "{told}");
    assert_eq!(told["detail"]["requestPayload"], json!({ "n": 3 }), "{told}");
}

#[test]
fn a_service_that_is_elsewhere_is_not_offered_here() {
    // Nobody listens there, and nobody is asked before something is delivered.
    let endpoint = "http://127.0.0.1:9";
    let settings = ["sqs_endpoint", "sns_endpoint", "events_endpoint"];
    let settings = settings.map(|key| format!("{key}={endpoint}"));
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Server::start_set(Place::new(), &settings);
    let asked = [
        ("sqs_endpoint", call(&server, ("1.0", "AmazonSQS.ListQueues"), &json!({}))),
        ("events_endpoint", call(&server, ("1.1", "AWSEvents.ListEventBuses"), &json!({}))),
        ("sns_endpoint", sns(&server, "ListTopics", &[])),
    ];
    for (setting, answer) in asked {
        let said = answer.text();
        assert_eq!(answer.status, 501, "{said}");
        assert!(said.contains("UnsupportedOperationException"), "{said}");
        assert!(said.contains(endpoint) && said.contains(setting), "{said}");
    }
}
