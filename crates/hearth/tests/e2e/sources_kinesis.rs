//! Streams and their mappings: what was answered survives a kill, functions get every record in its
//! order, through splits and merges and over a restart, and subscribers are pushed them. What operations
//! answer is tried by `clients/api/kinesis.py`. The guide to streams does what it says.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::clients::run_guide;
use crate::functions::reads;
use crate::harness::{Server, eventually, last_seen, now, skipped};
use crate::http::Request;
use crate::metrics::{figures, wait_for};
use crate::reports::queue_call;
use crate::tools;

const ORDERS: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// An operation of Kinesis.
pub(crate) fn call(operation: &str, input: &Value) -> Request {
    Request::new("POST", "/")
        .header("x-amz-target", format!("Kinesis_20131202.{operation}"))
        .header("content-type", "application/x-amz-json-1.1")
        .json(input)
}

/// One that has to succeed. Returns its output.
fn good(server: &Server, operation: &str, input: &Value) -> Value {
    let answer = server.send(&call(operation, input));
    assert_eq!(answer.status, 200, "{operation}: {}", answer.text());
    if answer.body.is_empty() { Value::Null } else { answer.json() }
}

/// Puts a record. Returns its sequence number.
fn put(server: &Server, key: &str, text: &str) -> String {
    let input = json!({ "StreamARN": ORDERS, "PartitionKey": key, "Data": STANDARD.encode(text) });
    let answer = good(server, "PutRecord", &input);
    answer["SequenceNumber"].as_str().expect("a record has a number").to_owned()
}

/// A stream, a function, and a mapping between them. Returns the id of the mapping.
fn prepare(server: &Server, shards: u32, settings: Value) -> String {
    good(server, "CreateStream", &json!({ "StreamName": "orders", "ShardCount": shards }));
    server.create("reader", &reads(), json!({ "Timeout": 20 }));
    let mut mapping = json!({
        "FunctionName": "reader", "EventSourceArn": ORDERS, "StartingPosition": "TRIM_HORIZON",
    });
    let (Value::Object(settings), Some(all)) = (settings, mapping.as_object_mut()) else {
        panic!("settings are an object");
    };
    all.extend(settings);
    let made = server.send(&Request::new("POST", MAPPINGS).json(&mapping));
    assert_eq!(made.status, 202, "{}", made.text());
    let uuid = made.json()["UUID"].as_str().expect("a mapping has an id").to_owned();
    eventually("the mapping is enabled", 30, || {
        let mapping = server.get(&format!("{MAPPINGS}/{uuid}")).json();
        (mapping["State"] == "Enabled").then_some(())
    });
    uuid
}

/// The records that the function has written down.
fn got(server: &Server) -> Vec<Value> {
    let lines = server.logs("reader");
    let records = lines.iter().filter_map(|line| line.trim_end().strip_prefix("GOT "));
    records.map(|record| serde_json::from_str(record).expect("it is JSON")).collect()
}

/// The texts of records by their partition keys, in the order in which they came, each once.
fn texts(records: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        let part = |name: &str| record["kinesis"][name].as_str().expect("it is a text").to_owned();
        let data = STANDARD.decode(part("data")).expect("it is base64");
        let text = String::from_utf8(data).expect("it is a text");
        let of_key = texts.entry(part("partitionKey")).or_default();
        if !of_key.contains(&text) {
            of_key.push(text);
        }
    }
    texts
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let mut server = Server::start();
    good(&server, "CreateStream", &json!({ "StreamName": "orders", "ShardCount": 1 }));
    let mut numbers = Vec::new();
    for _ in 0..3 {
        let end = now() + Duration::from_millis(300);
        while now() < end {
            numbers.push(put(&server, "k", &format!("record {}", numbers.len())));
        }
        server = Server::start_at(server.kill());
    }
    let asked = json!({
        "StreamName": "orders",
        "ShardId": "shardId-000000000000",
        "ShardIteratorType": "TRIM_HORIZON",
    });
    let mut iterator = good(&server, "GetShardIterator", &asked)["ShardIterator"].clone();
    let mut found = Vec::new();
    loop {
        let page = good(&server, "GetRecords", &json!({ "ShardIterator": iterator, "Limit": 500 }));
        let records = page["Records"].as_array().cloned().unwrap_or_default();
        if records.is_empty() {
            break;
        }
        let of_page = records.iter().filter_map(|one| one["SequenceNumber"].as_str());
        found.extend(of_page.map(str::to_owned));
        iterator = page["NextShardIterator"].clone();
    }
    assert_eq!(found, numbers);
}

#[test]
fn functions_get_every_record_in_order_through_splits_and_merges() {
    let server = Server::start();
    prepare(&server, 1, json!({}));
    let put_all = |round: u32| {
        for number in 0..5 {
            for key in ["a", "b", "c"] {
                put(&server, key, &format!("{round}.{number}"));
            }
        }
    };
    put_all(0);
    let half = (1_u128 << 127).to_string();
    let split = json!({
        "StreamName": "orders", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": half,
    });
    good(&server, "SplitShard", &split);
    put_all(1);
    let merge = json!({
        "StreamName": "orders",
        "ShardToMerge": "shardId-000000000001",
        "AdjacentShardToMerge": "shardId-000000000002",
    });
    good(&server, "MergeShards", &merge);
    put_all(2);
    let records = last_seen(60, || got(&server), |records| records.len() >= 45);
    let expected: Vec<String> =
        (0..3).flat_map(|round| (0..5).map(move |number| format!("{round}.{number}"))).collect();
    for (key, texts) in texts(&records) {
        assert_eq!(texts, expected, "{key}");
    }
    let first = &records[0];
    assert_eq!(first["eventSource"], "aws:kinesis");
    assert_eq!(first["eventSourceARN"], ORDERS);
    let role = first["invokeIdentityArn"].as_str().unwrap_or_default();
    assert!(role.starts_with("arn:aws:iam::"), "{first}");
}

#[test]
fn reading_goes_on_after_a_kill_behind_what_was_done() {
    let server = Server::start();
    let uuid = prepare(&server, 1, json!({}));
    let last = put(&server, "a", "before");
    eventually("the checkpoint is behind the record", 60, || {
        let shown = server.get(&format!("/_hearth/sources/{uuid}")).json();
        let positions = shown["progress"]["positions"].as_object()?.clone();
        positions.values().any(|position| *position == last.as_str()).then_some(())
    });
    let server = Server::start_at(server.kill());
    put(&server, "a", "behind");
    let behind = |records: &[Value]| {
        texts(records).get("a").is_some_and(|texts| texts.iter().any(|text| text == "behind"))
    };
    let records = last_seen(60, || got(&server), |records| behind(records));
    assert!(behind(&records), "{records:?}");
    let befores = records.iter().filter(|one| one["kinesis"]["sequenceNumber"] == last.as_str());
    assert!(befores.count() <= 1, "what was done is not repeated: {records:?}");
}

#[test]
fn a_poison_record_ends_alone_at_the_destination() {
    let server = Server::start();
    let created = server.send(&queue_call("CreateQueue", &json!({ "QueueName": "failures" })));
    let queue = created.json()["QueueUrl"].clone();
    let settings = json!({
        "BisectBatchOnFunctionError": true,
        "MaximumRetryAttempts": 1,
        "MaximumBatchingWindowInSeconds": 1,
        "DestinationConfig": {
            "OnFailure": { "Destination": "arn:aws:sqs:us-east-1:000000000000:failures" },
        },
        "FilterCriteria": { "Filters": [{ "Pattern": r#"{"partitionKey": ["k"]}"# }] },
    });
    let uuid = prepare(&server, 1, settings);
    put(&server, "other", "unwanted");
    let mut poison = String::new();
    for number in 0..8 {
        let text = if number == 5 { "poison".to_owned() } else { format!("item {number}") };
        let placed = put(&server, "k", &text);
        if number == 5 {
            poison = placed;
        }
    }
    let message = eventually("somebody is told of the poison", 120, || {
        let ask = json!({ "QueueUrl": queue, "WaitTimeSeconds": 2 });
        server.send(&queue_call("ReceiveMessage", &ask)).json()["Messages"].get(0).cloned()
    });
    let told = message["Body"].as_str().expect("it has a body");
    let told: Value = serde_json::from_str(told).expect("it is JSON");
    let batch = &told["KinesisBatchInfo"];
    assert_eq!(told["requestContext"]["condition"], "RetryAttemptsExhausted", "{told}");
    assert_eq!((&batch["batchSize"], &batch["streamArn"]), (&json!(1), &json!(ORDERS)), "{told}");
    assert_eq!(batch["startSequenceNumber"], poison.as_str(), "{told}");
    let all = |records: &[Value]| texts(records).get("k").map_or(0, Vec::len);
    let records = last_seen(60, || got(&server), |records| all(records) == 8);
    assert_eq!(all(&records), 8, "{records:?}");
    assert!(!texts(&records).contains_key("other"), "{records:?}");

    // It is counted.
    let of =
        |name: &str| format!("aws_lambda_{name}_total{{event_source_mapping_uuid=\"{uuid}\"}}");
    wait_for(&server, &of("polled_event_count"), 9.0);
    wait_for(&server, &of("filtered_out_event_count"), 1.0);
    wait_for(&server, &of("dropped_event_count"), 1.0);
    wait_for(&server, &of("on_failure_destination_delivered_event_count"), 1.0);
    let shown = figures(&server);
    let runs = (shown[&of("invoked_event_count")], shown[&of("failed_invoke_event_count")]);
    assert!(runs.0 >= 9.0 && runs.1 >= 2.0, "each of them, and the poison twice: {runs:?}");
    assert!(shown["aws_lambda_iterator_age_seconds_count{function_name=\"reader\"}"] >= 1.0);
}

#[test]
fn the_commands_of_the_guide_to_streams_as_sources_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "event-sources-kinesis");
    for expected in [
        "\"startSequenceNumber\"",
        "\"batchSize\":1",
        "worked on order 4",
        "worked on order 6",
        "\"filteredOut\":1",
        "\"dropped\":1",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}

#[test]
fn a_subscription_is_an_event_stream_in_both_versions_of_http() {
    if !tools::answers("curl", "--version") {
        let why = "there is no `curl` (apt-get install curl)";
        return skipped("a_subscription_is_an_event_stream_in_both_versions_of_http", why);
    }
    let server = Server::start();
    good(&server, "CreateStream", &json!({ "StreamName": "orders", "ShardCount": 1 }));
    put(&server, "k", "the record");
    // A shard that was split has an end, and so has a subscription to it.
    let shard = "shardId-000000000000";
    let split = json!({
        "StreamName": "orders", "ShardToSplit": shard, "NewStartingHashKey": "10",
    });
    good(&server, "SplitShard", &split);
    for (option, version) in [("--http2-prior-knowledge", "2"), ("--http1.1", "1.1")] {
        let new = json!({ "StreamARN": ORDERS, "ConsumerName": format!("by-{version}") });
        let made = good(&server, "RegisterStreamConsumer", &new);
        let subscribe = json!({
            "ConsumerARN": made["Consumer"]["ConsumerARN"],
            "ShardId": shard,
            "StartingPosition": { "Type": "TRIM_HORIZON" },
        });
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60", option])
            .args(["--header", "x-amz-target: Kinesis_20131202.SubscribeToShard"])
            .args(["--header", "content-type: application/x-amz-json-1.1"])
            .args(["--write-out", "%{stderr}%{http_version} %{content_type}"])
            .args(["--data", &subscribe.to_string(), &server.endpoint()])
            .output()
            .expect("curl was there");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let record = STANDARD.encode("the record");
        let (events, said) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(said, format!("{version} application/vnd.amazon.eventstream"), "{events}");
        for expected in ["initial-response", "SubscribeToShardEvent", record.as_str()] {
            assert!(events.contains(expected), "{expected} in {events}");
        }
        assert!(events.contains("ChildShards"), "{events}");
    }
}
