//! Mappings of the streams of tables: Amazon's DynamoDB Local says what has changed, and functions get
//! it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::clients::run_guide_where;
use crate::functions::consumes;
use crate::harness::{Place, Server, eventually, last_seen, skipped};
use crate::http::{Connection, Request};
use crate::tools;

/// DynamoDB Local, until it is dropped.
pub(crate) struct Dynamo {
    child: Child,
    address: SocketAddr,
}

impl Drop for Dynamo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dynamo {
    /// Starts one, or says why there is none.
    pub(crate) fn start(place: &Place) -> Result<Self, &'static str> {
        if !tools::answers("java", "-version") {
            return Err("there is no Java (apt-get install default-jre-headless)");
        }
        if !tools::answers("mvn", "--version") {
            return Err("there is no `mvn` (apt-get install maven)");
        }
        let tool = tools::dynamodb_local().unwrap_or_else(|error| panic!("{error}"));
        // It does not say which port it was given, so one that was free a moment ago has to do.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = free.expect("there is a free port");
        let log = fs::File::create(place.path().join("dynamodb.log")).expect("a file can be made");
        let child = Command::new("java")
            .arg(format!("-Djava.library.path={}", tool.join("lib").display()))
            .args(["-Xmx256m", "-cp"])
            .arg(tool.join("lib/*"))
            .arg("com.amazonaws.services.dynamodbv2.local.main.ServerRunner")
            .args(["-inMemory", "-sharedDb", "-port", &address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be used twice"))
            .stderr(log)
            .spawn();
        let dynamo = Self { child: child.expect("java was there"), address };
        eventually("DynamoDB Local answers", 60, || {
            dynamo.ask("DynamoDB_20120810.ListTables", &json!({})).map(drop)
        });
        Ok(dynamo)
    }

    /// A server that knows where it is. Any key will do, but there has to be one.
    pub(crate) fn reader(&self, place: Place) -> Server {
        let endpoint = format!("sources_dynamodb_endpoint=http://{}", self.address);
        let (id, secret) =
            ("sources_dynamodb_access_key_id=test", "sources_dynamodb_secret_access_key=test");
        Server::start_set(place, &[&endpoint, id, secret])
    }

    /// Asks it something; `None` if there was no good answer.
    fn ask(&self, target: &str, input: &Value) -> Option<Value> {
        // Any signature will do, but there has to be one.
        let signature = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=00";
        let request = Request::new("POST", "/")
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .header("authorization", signature)
            .json(input);
        let answer = Connection::open(self.address).and_then(|mut one| one.send(&request)).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    fn good(&self, operation: &str, input: &Value) -> Value {
        let target = format!("DynamoDB_20120810.{operation}");
        self.ask(&target, input).unwrap_or_else(|| panic!("{operation} was not done: {input}"))
    }

    /// Creates a table, and says the ARN of its stream.
    pub(crate) fn create(&self, table: &str) -> String {
        let created = self.good(
            "CreateTable",
            &json!({
                "TableName": table,
                "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {
                    "StreamEnabled": true,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
            }),
        );
        let arn = created["TableDescription"]["LatestStreamArn"].as_str();
        arn.expect("the table has a stream").to_owned()
    }

    pub(crate) fn put(&self, table: &str, item: &Value) {
        self.good("PutItem", &json!({ "TableName": table, "Item": item }));
    }
}

/// Makes a mapping and waits until it is enabled. Returns the mapping.
pub(crate) fn map(server: &Server, function: &str, settings: Value) -> Value {
    let mut body = json!({ "FunctionName": function });
    let (Value::Object(settings), Some(all)) = (settings, body.as_object_mut()) else {
        panic!("settings are an object");
    };
    all.extend(settings);
    let path = "/2015-03-31/event-source-mappings";
    let made = server.send(&Request::new("POST", path).json(&body));
    assert_eq!(made.status, 202, "{}", made.text());
    let made = made.json();
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    eventually("the mapping is enabled", 30, || {
        let mapping = server.get(&format!("{path}/{uuid}")).json();
        (mapping["State"] == "Enabled").then_some(mapping)
    })
}

/// The records that a function has written down.
pub(crate) fn got(server: &Server, function: &str) -> Vec<Value> {
    let lines = server.logs(function);
    let records = lines.iter().filter_map(|line| line.trim_end().strip_prefix("GOT "));
    records.map(|record| serde_json::from_str(record).expect("it is JSON")).collect()
}

fn ids(records: &[Value]) -> Vec<&str> {
    records.iter().filter_map(|one| one["dynamodb"]["Keys"]["id"]["S"].as_str()).collect()
}

#[test]
fn changes_of_a_table_come_to_the_function_in_order_and_once_over_a_restart() {
    let place = Place::new();
    let dynamo = match Dynamo::start(&place) {
        Ok(dynamo) => dynamo,
        Err(why) => return skipped("changes_of_a_table_come_to_the_function", why),
    };
    let stream = dynamo.create("orders");
    let server = dynamo.reader(place);
    server.create("consumer", &consumes(), json!({}));
    let settings = json!({ "EventSourceArn": stream, "StartingPosition": "TRIM_HORIZON" });
    let mapping = map(&server, "consumer", settings);

    dynamo.put("orders", &json!({ "id": { "S": "a" }, "n": { "N": "1" } }));
    dynamo.put("orders", &json!({ "id": { "S": "a" }, "n": { "N": "2" } }));
    dynamo.good("DeleteItem", &json!({ "TableName": "orders", "Key": { "id": { "S": "a" } } }));
    let records = last_seen(60, || got(&server, "consumer"), |records| records.len() >= 3);
    let names: Vec<&Value> = records.iter().map(|one| &one["eventName"]).collect();
    assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"], "{records:?}");
    let image = |number: &str| json!({ "id": { "S": "a" }, "n": { "N": number } });
    assert_eq!(records[1]["dynamodb"]["OldImage"], image("1"));
    assert_eq!(records[1]["dynamodb"]["NewImage"], image("2"));
    assert_eq!(records[2]["dynamodb"]["OldImage"], image("2"));
    assert_eq!(records[2]["dynamodb"].get("NewImage"), None);
    assert_eq!(records[0]["eventSourceARN"], mapping["EventSourceArn"]);
    assert_eq!(records[0]["eventSource"], "aws:dynamodb");
    let uuid = mapping["UUID"].as_str().expect("a mapping has an id");
    eventually("the checkpoint is behind the last record", 30, || {
        let shown = server.get(&format!("/_hearth/sources/{uuid}")).json();
        let positions = shown["progress"]["positions"].as_object()?.clone();
        let last = &records[2]["dynamodb"]["SequenceNumber"];
        positions.values().any(|position| position == last).then_some(())
    });
    let shown = server.get(&format!("/2015-03-31/event-source-mappings/{uuid}")).json();
    assert_eq!(shown["LastProcessingResult"], "OK");

    // Killed, so that nothing is known but what was saved.
    let place = server.kill();
    dynamo.put("orders", &json!({ "id": { "S": "b" } }));
    let server = dynamo.reader(place);
    let wanted = |records: &Vec<Value>| ids(records).contains(&"b");
    let records = last_seen(60, || got(&server, "consumer"), wanted);
    // What was logged before the kill may be lost with it; what has come since is all there.
    assert_eq!(ids(&records).iter().filter(|id| **id == "b").count(), 1, "{records:?}");
    assert!(ids(&records).iter().filter(|id| **id == "a").count() <= 3, "none is repeated");
}

#[test]
fn a_poison_record_of_a_table_ends_alone_at_the_destination() {
    let place = Place::new();
    let dynamo = match Dynamo::start(&place) {
        Ok(dynamo) => dynamo,
        Err(why) => return skipped("a_poison_record_of_a_table_ends_alone", why),
    };
    let stream = dynamo.create("orders");
    for number in 0..8 {
        let mut item = json!({ "id": { "S": format!("item {number}") } });
        if number == 5 {
            item["poison"] = json!({ "BOOL": true });
        }
        dynamo.put("orders", &item);
    }
    let server = dynamo.reader(place);
    let sqs = |operation: &str, input: &Value| {
        let request = Request::new("POST", "/")
            .header("x-amz-target", format!("AmazonSQS.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .json(input);
        server.send(&request).json()
    };
    let queue = sqs("CreateQueue", &json!({ "QueueName": "failures" }))["QueueUrl"].clone();
    server.create("consumer", &consumes(), json!({}));
    map(
        &server,
        "consumer",
        json!({
            "EventSourceArn": stream,
            "StartingPosition": "TRIM_HORIZON",
            "BisectBatchOnFunctionError": true,
            "MaximumRetryAttempts": 1,
            "DestinationConfig": {
                "OnFailure": { "Destination": "arn:aws:sqs:us-east-1:000000000000:failures" },
            },
        }),
    );
    let message = eventually("somebody is told of the poison", 120, || {
        let ask = json!({ "QueueUrl": queue, "WaitTimeSeconds": 2 });
        sqs("ReceiveMessage", &ask)["Messages"].get(0).cloned()
    });
    let told: Value =
        serde_json::from_str(message["Body"].as_str().expect("it has a body")).expect("it is JSON");
    let batch = &told["DDBStreamBatchInfo"];
    assert_eq!(told["requestContext"]["condition"], "RetryAttemptsExhausted", "{told}");
    assert_eq!(batch["batchSize"], 1, "{told}");
    assert_eq!(batch["startSequenceNumber"], batch["endSequenceNumber"], "{told}");
    assert_eq!(told["responseContext"]["functionError"], "Unhandled", "{told}");
    assert_eq!(told.get("payload"), None, "{told}");
    let wanted = |records: &Vec<Value>| ids(records).last() == Some(&"item 7");
    let records = last_seen(60, || got(&server, "consumer"), wanted);
    let all = ids(&records);
    for number in 0..8 {
        let item = format!("item {number}");
        assert!(all.contains(&item.as_str()), "{item} did not come: {all:?}");
    }
}

#[test]
fn the_commands_of_the_guide_to_tables_as_sources_do_what_it_says() {
    let place = Place::new();
    let dynamo = match Dynamo::start(&place) {
        Ok(dynamo) => dynamo,
        Err(why) => return skipped("the_commands_of_the_guide_to_tables_as_sources", why),
    };
    let server = dynamo.reader(place);
    let here = format!("http://{}", dynamo.address);
    let there = ("http://127.0.0.1:8000", here.as_str());
    let said = run_guide_where(&server, "event-sources-dynamodb", there);
    for expected in [
        "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/",
        "\"DDBStreamBatchInfo\"",
        "\"batchSize\":1",
        "INSERT of order 4: None -> 40",
        "MODIFY of order 1: 10 -> 12",
        "REMOVE of order 1: 12 -> None",
        "\"filteredOut\":1",
        "\"dropped\":1",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
