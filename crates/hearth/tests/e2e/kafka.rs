//! Mappings of topics of Kafka: Apache Kafka in KRaft mode, a client in Python that sends, and functions
//! that get what it sent.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::clients::run_guide_where;
use crate::functions::consumes_kafka;
use crate::harness::{Place, Server, eventually, last_seen, skipped};
use crate::table_streams::{got, map};
use crate::tools;

const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const ARN: &str =
    "arn:aws:kafka:us-east-1:000000000000:cluster/main/0b1c2d3e-4f50-4aaa-8bbb-12345678-1";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:kafka-a1B2c3";

/// A broker, until it is dropped.
pub(crate) struct Kafka {
    child: Option<Child>,
    tool: PathBuf,
    directory: PathBuf,
    /// Where everybody may come.
    pub(crate) server: String,
    /// Where only those may come who show who they are, over TLS.
    guarded: String,
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.end();
    }
}

impl Kafka {
    /// Starts one, or says why there is none.
    pub(crate) fn start(place: &Place) -> Result<Self, &'static str> {
        if !tools::answers("java", "-version") {
            return Err("there is no Java (apt-get install default-jre-headless)");
        }
        if !tools::answers("mvn", "--version") {
            return Err("there is no `mvn` (apt-get install maven)");
        }
        if !tools::answers("openssl", "version") {
            return Err("there is no `openssl` (apt-get install openssl)");
        }
        let tool = tools::kafka().unwrap_or_else(|error| panic!("{error}"));
        let directory = place.path().join("kafka");
        fs::create_dir_all(&directory).expect("the place can be written to");
        make_certificates(&directory);
        let [open, guarded, controller] = free_ports();
        let at = |port: u16| format!("127.0.0.1:{port}");
        let (server, guarded) = (at(open), at(guarded));
        let text = properties(&directory, (&server, &guarded, &at(controller)));
        fs::write(directory.join("server.properties"), text).expect("it can be written to");
        let mut kafka = Self { child: None, tool, directory, server, guarded };
        let mut format = kafka.java("kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", CLUSTER, "-c", "server.properties"]);
        format.args(["--add-scram", "SCRAM-SHA-512=[name=scram,password=scram-secret]"]);
        tools::run(&mut format).unwrap_or_else(|error| panic!("{error}"));
        kafka.begin();
        Ok(kafka)
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.current_dir(&self.directory).args(["-Xmx384m", "-cp"]);
        command.arg(self.tool.join("lib/*")).arg(class);
        command
    }

    fn begin(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.directory.join("log"));
        let log = log.expect("a file can be made");
        let child = self
            .java("kafka.Kafka")
            .arg("server.properties")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be used twice"))
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("java was there"));
        eventually("the broker answers", 120, || self.ask(&["ping"]).ok());
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A client of its own, in Python.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", tools::clients()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(tools::source("clients/topics_of_kafka.py")).arg(&self.server).args(arguments);
        command
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        tools::run(&mut self.client(arguments))
    }

    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        self.ask(arguments).unwrap_or_else(|error| panic!("{error}"))
    }

    fn send(&self, topic: &str, records: &[Value]) {
        let records: Vec<String> = records.iter().map(Value::to_string).collect();
        let records: Vec<&str> = records.iter().map(String::as_str).collect();
        self.good(&[&["send", topic], records.as_slice()].concat());
    }

    fn committed(&self, group: &str, topic: &str) -> Value {
        let said = self.good(&["committed", group, topic]);
        serde_json::from_str(said.trim()).expect("it is JSON")
    }
}

fn properties(directory: &Path, (open, guarded, controller): (&str, &str, &str)) -> String {
    let (logs, keys) = (directory.join("data"), directory.join("keystore.pem"));
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@{controller}\n\
         listeners=PLAINTEXT://{open},SASL_SSL://{guarded},CONTROLLER://{controller}\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         offsets.topic.num.partitions=4\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n\
         sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n\
         listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_plain=\"plain-secret\";\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;\n\
         ssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n",
        logs.display(),
        keys.display()
    )
}

/// An authority, `authority.pem`, and what the broker shows of it, `keystore.pem`.
pub(crate) fn make_certificates(directory: &Path) {
    let run = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(directory).args(arguments);
        tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    };
    #[rustfmt::skip]
    run(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority",
        "-keyout", "authority.key", "-out", "authority.pem",
    ]);
    #[rustfmt::skip]
    run(&[
        "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=broker",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "broker.key", "-out", "broker.csr",
    ]);
    #[rustfmt::skip]
    run(&[
        "x509", "-req", "-in", "broker.csr", "-CA", "authority.pem", "-CAkey", "authority.key",
        "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", "broker.pem",
    ]);
    let read = |name: &str| fs::read_to_string(directory.join(name)).expect("it was made");
    let both = format!("{}{}", read("broker.key"), read("broker.pem"));
    fs::write(directory.join("keystore.pem"), both).expect("the place can be written to");
}

/// Ports that were free a moment ago. The broker does not say which one it was given.
fn free_ports() -> [u16; 3] {
    let open = || TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    // All at a time, so that they differ.
    let listeners = [open(), open(), open()];
    listeners.map(|one| one.local_addr().expect("a port has an address").port())
}

pub(crate) fn mapping(kafka: &Kafka, topic: &str, more: Value) -> Value {
    let mut settings = json!({
        "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": [kafka.server] } },
        "SelfManagedKafkaEventSourceConfig": { "ConsumerGroupId": "readers" },
        "Topics": [topic],
        "StartingPosition": "TRIM_HORIZON",
        // AWS wants one, and a network means nothing here.
        "SourceAccessConfigurations": [{ "Type": "VPC_SUBNET", "URI": "subnet-0b1c2d3e" }],
    });
    let (Value::Object(more), Some(all)) = (more, settings.as_object_mut()) else {
        panic!("settings are an object");
    };
    all.extend(more);
    settings
}

fn numbered(partition: u64, numbers: std::ops::Range<u64>) -> Vec<Value> {
    let record = |n| json!({ "key": "k", "partition": partition, "value": { "n": n } });
    numbers.map(record).collect()
}

fn numbers(records: &[Value], partition: u64) -> Vec<u64> {
    let ours = records.iter().filter(|one| one["partition"] == partition);
    ours.filter_map(|one| one["number"]["n"].as_u64()).collect()
}

#[test]
fn records_of_kafka_come_in_order_and_offsets_are_committed_over_a_kill() {
    let place = Place::new();
    let mut kafka = match Kafka::start(&place) {
        Ok(kafka) => kafka,
        Err(why) => return skipped("records_of_kafka_come_in_order", why),
    };
    kafka.good(&["topic", "orders", "2"]);
    kafka.send("orders", &[numbered(0, 0..20), numbered(1, 0..10)].concat());
    let server = Server::start_at(place);
    server.create("consumer", &consumes_kafka(), json!({}));
    map(&server, "consumer", mapping(&kafka, "orders", json!({ "BatchSize": 7 })));
    let records = last_seen(90, || got(&server, "consumer"), |records| records.len() >= 30);
    assert_eq!(numbers(&records, 0), (0..20).collect::<Vec<_>>());
    assert_eq!(numbers(&records, 1), (0..10).collect::<Vec<_>>());
    let first = &records[0];
    assert_eq!(
        (&first["source"], &first["servers"]),
        (&json!("SelfManagedKafka"), &json!(kafka.server))
    );
    assert_eq!(
        (&first["topic"], &first["timestampType"]),
        (&json!("orders"), &json!("CREATE_TIME"))
    );
    assert_eq!(first["key"], "aw==");
    assert_eq!(first["headers"], json!([{ "from": [112, 121, 116, 104, 111, 110] }]));
    eventually("the offsets are committed", 30, || {
        (kafka.committed("readers", "orders") == json!([20, 10])).then_some(())
    });

    let place = server.kill();
    kafka.send("orders", &numbered(0, 20..40));
    let server = Server::start_at(place);
    let last = |records: &Vec<Value>| numbers(records, 0).contains(&39);
    let records = last_seen(90, || got(&server, "consumer"), last);
    let behind = |records: &[Value]| -> Vec<u64> {
        numbers(records, 0).into_iter().filter(|number| *number >= 20).collect()
    };
    assert_eq!(behind(&records), (20..40).collect::<Vec<_>>(), "none is lost, and none repeated");

    // The broker goes away and comes back.
    kafka.end();
    kafka.begin();
    kafka.send("orders", &numbered(0, 40..60));
    let last = |records: &Vec<Value>| numbers(records, 0).contains(&59);
    let records = last_seen(120, || got(&server, "consumer"), last);
    let mut all = behind(&records);
    all.dedup();
    assert_eq!(all, (20..60).collect::<Vec<_>>());
}

#[test]
fn a_poison_record_of_kafka_ends_alone_in_a_topic_and_filters_keep_others_back() {
    let place = Place::new();
    let kafka = match Kafka::start(&place) {
        Ok(kafka) => kafka,
        Err(why) => return skipped("a_poison_record_of_kafka_ends_alone", why),
    };
    kafka.good(&["topic", "orders", "1"]);
    kafka.good(&["topic", "failed", "1"]);
    let mut records = numbered(0, 0..8);
    records[3]["value"]["poison"] = json!(true);
    records[5]["key"] = json!("unwanted");
    kafka.send("orders", &records);
    let server = Server::start_at(place);
    server.create("consumer", &consumes_kafka(), json!({}));
    let pattern = json!({ "key": ["k"], "value": { "n": [{ "numeric": [">=", 0] }] } });
    let more = json!({
        "BisectBatchOnFunctionError": true,
        "MaximumRetryAttempts": 1,
        "DestinationConfig": { "OnFailure": { "Destination": "kafka://failed" } },
        "FilterCriteria": { "Filters": [{ "Pattern": pattern.to_string() }] },
    });
    map(&server, "consumer", mapping(&kafka, "orders", more));
    let failed: Value = serde_json::from_str(kafka.good(&["read", "failed", "1"]).trim())
        .expect("somebody is told of the poison");
    assert_eq!(failed["key"], "k");
    assert_eq!(failed["headers"]["from"], "python");
    let value = failed["value"].as_str().expect("it has a value");
    assert_eq!(serde_json::from_str::<Value>(value).expect("it is JSON")["n"], 3);
    let why = failed["headers"]["lambda.failure"].as_str().expect("it says why");
    let why: Value = serde_json::from_str(why).expect("it is JSON");
    assert_eq!(why["requestContext"]["condition"], "RetryAttemptsExhausted", "{why}");
    assert_eq!(why["KafkaBatchInfo"]["batchSize"], 1, "{why}");
    let wanted = |records: &Vec<Value>| numbers(records, 0).contains(&7);
    let records = last_seen(60, || got(&server, "consumer"), wanted);
    let all = numbers(&records, 0);
    for number in [0, 1, 2, 4, 6, 7] {
        assert!(all.contains(&number), "{number} did not come: {all:?}");
    }
    assert!(!all.contains(&5), "{all:?}");
    eventually("the offset is behind what was filtered out", 30, || {
        (kafka.committed("readers", "orders") == json!([8])).then_some(())
    });
}

#[test]
fn what_a_function_reports_of_kafka_comes_again_from_there_on() {
    let place = Place::new();
    let kafka = match Kafka::start(&place) {
        Ok(kafka) => kafka,
        Err(why) => return skipped("what_a_function_reports_of_kafka_comes_again", why),
    };
    kafka.good(&["topic", "orders", "1"]);
    let mut records = numbered(0, 0..4);
    records[2]["value"]["report"] = json!(true);
    kafka.send("orders", &records);
    let server = Server::start_at(place);
    server.create("consumer", &consumes_kafka(), json!({}));
    let more = json!({
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "MaximumRetryAttempts": 2,
    });
    map(&server, "consumer", mapping(&kafka, "orders", more));
    let is_done = || kafka.committed("readers", "orders") == json!([4]);
    eventually("everything is dealt with", 60, || is_done().then_some(()));
    let is_whole = |records: &Vec<Value>| numbers(records, 0).contains(&3);
    let records = last_seen(60, || got(&server, "consumer"), is_whole);
    let count = |number| numbers(&records, 0).into_iter().filter(|one| *one == number).count();
    assert_eq!((count(0), count(1)), (1, 1), "{records:?}");
    assert!(count(2) >= 2, "{records:?}");
}

#[test]
fn reading_begins_where_the_mapping_says_and_goes_on_with_partitions_that_are_added() {
    let place = Place::new();
    let kafka = match Kafka::start(&place) {
        Ok(kafka) => kafka,
        Err(why) => return skipped("reading_begins_where_the_mapping_says", why),
    };
    kafka.good(&["topic", "orders", "1"]);
    let mut records = numbered(0, 0..5);
    for (record, second) in records.iter_mut().zip(1_700_000_000_u64..) {
        record["time"] = Value::from(second * 1_000);
    }
    kafka.send("orders", &records);
    let server = Server::start_at(place);
    let groups = [
        (
            "from-a-time",
            json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_700_000_003 }),
        ),
        ("from-the-end", json!({ "StartingPosition": "LATEST" })),
    ];
    for (name, mut settings) in groups {
        server.create(name, &consumes_kafka(), json!({}));
        settings["SelfManagedKafkaEventSourceConfig"] = json!({ "ConsumerGroupId": name });
        map(&server, name, mapping(&kafka, "orders", settings));
    }
    // Where it begins is committed before anything has come.
    eventually("the end is found", 60, || {
        (kafka.committed("from-the-end", "orders") == json!([5])).then_some(())
    });
    // One without a value, as compacted topics have them, and one without a key.
    let tombstone = json!({ "key": "k" });
    kafka.send("orders", &[tombstone, json!({ "value": { "n": 6 } })]);
    kafka.good(&["grow", "orders", "2"]);
    let added: Vec<String> = numbered(1, 10..13).iter().map(Value::to_string).collect();
    let added: Vec<&str> = added.iter().map(String::as_str).collect();
    eventually("the partition is there", 60, || {
        kafka.ask(&[["send", "orders"].as_slice(), &added].concat()).ok()
    });
    let all = |records: &Vec<Value>| {
        numbers(records, 0).contains(&6) && numbers(records, 1).contains(&12)
    };
    for (name, first) in [("from-a-time", vec![3, 4, 6]), ("from-the-end", vec![6])] {
        let records = last_seen(120, || got(&server, name), all);
        assert_eq!(numbers(&records, 0), first, "{name}");
        assert_eq!(numbers(&records, 1), [10, 11, 12], "{name}");
        let without_value = records.iter().find(|one| one["offset"] == 5);
        let without_value = without_value.expect("it has come");
        assert_eq!((without_value.get("value"), &without_value["key"]), (None, &json!("aw==")));
        let without_key = records.iter().find(|one| one["offset"] == 6).expect("it has come");
        assert_eq!(without_key.get("key"), None, "{without_key}");
    }
}

#[test]
fn a_guarded_cluster_lets_in_who_shows_a_password_over_tls() {
    let place = Place::new();
    let kafka = match Kafka::start(&place) {
        Ok(kafka) => kafka,
        Err(why) => return skipped("a_guarded_cluster_lets_in_who_shows_a_password", why),
    };
    for topic in ["plain", "scram", "managed"] {
        kafka.good(&["topic", topic, "1"]);
        kafka.send(topic, &numbered(0, 0..3));
    }
    let authority = kafka.directory.join("authority.pem");
    let settings = [
        format!("tls_ca_file={}", authority.display()),
        "secrets.kafka.username=scram".to_owned(),
        "secrets.kafka.password=scram-secret".to_owned(),
        "secrets.other.username=plain".to_owned(),
        "secrets.other.password=plain-secret".to_owned(),
        format!("sources.kafka.main.servers={}", kafka.guarded),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Server::start_set(place, &settings);
    let servers = json!({ "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": [kafka.guarded] } });
    let rows = [
        ("plain", json!({ "Type": "BASIC_AUTH", "URI": SECRET.replace("kafka", "other") })),
        ("scram", json!({ "Type": "SASL_SCRAM_512_AUTH", "URI": SECRET })),
    ];
    for (topic, access) in rows {
        server.create(topic, &consumes_kafka(), json!({}));
        let more = json!({
            "SelfManagedEventSource": servers,
            "SelfManagedKafkaEventSourceConfig": { "ConsumerGroupId": topic },
            "SourceAccessConfigurations": [access],
        });
        map(&server, topic, mapping(&kafka, topic, more));
    }
    server.create("managed", &consumes_kafka(), json!({}));
    map(
        &server,
        "managed",
        json!({
            "EventSourceArn": ARN,
            "Topics": ["managed"],
            "StartingPosition": "TRIM_HORIZON",
            "SourceAccessConfigurations": [{ "Type": "SASL_SCRAM_512_AUTH", "URI": SECRET }],
        }),
    );
    for topic in ["plain", "scram", "managed"] {
        let records = last_seen(60, || got(&server, topic), |records| records.len() >= 3);
        assert_eq!(numbers(&records, 0), [0, 1, 2], "{topic}");
        let source = if topic == "managed" { "aws:kafka" } else { "SelfManagedKafka" };
        assert_eq!(records[0]["source"], source);
    }
}

#[test]
fn the_commands_of_the_guide_to_kafka_do_what_it_says() {
    let place = Place::new();
    let kafka = match Kafka::start(&place) {
        Ok(kafka) => kafka,
        Err(why) => return skipped("the_commands_of_the_guide_to_kafka_do_what_it_says", why),
    };
    let server = Server::start_at(place);
    let there = ("127.0.0.1:9092", kafka.server.as_str());
    let said = run_guide_where(&server, "event-sources-kafka", there);
    for expected in [
        "given up: {\"number\": 2, \"broken\": true}",
        "\"condition\":\"RetryAttemptsExhausted\"",
        "worked on order 4",
        "\"filteredOut\":1",
        "\"dropped\":1",
        "\"4 of 4\"",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
