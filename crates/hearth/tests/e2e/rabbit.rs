//! Mappings of queues of RabbitMQ: a broker of the test's own, as Debian packages it, `pika` that sends,
//! and functions that get what it sent.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::clients::run_guide_where;
use crate::functions::consumes_rabbit;
use crate::harness::{Place, Server, eventually, last_seen, skipped};
use crate::kafka::make_certificates;
use crate::table_streams::{got, map};
use crate::tools;

/// Without the wrapper in `/usr/sbin`, which becomes another user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const ARN: &str = "arn:aws:mq:us-east-1:000000000000:broker:orders:b-0b1c2d3e";
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:broker-a1B2c3";

/// Processes that end with this.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// A broker of RabbitMQ.
pub(crate) struct Broker {
    // Dropped in this order: the broker needs its name server.
    server: Option<Group>,
    _names: Group,
    data: PathBuf,
    pub(crate) port: u16,
    names_port: u16,
    /// Where it speaks TLS, if it does.
    guarded: Option<u16>,
}

impl Broker {
    /// Starts one, or says why there is none.
    pub(crate) fn start(place: &Place) -> Result<Self, &'static str> {
        Self::start_where(place, None)
    }

    /// The same, where it speaks TLS on a port as well, or does not.
    fn start_where(place: &Place, guarded: Option<u16>) -> Result<Self, &'static str> {
        if !Path::new(SERVER).exists() {
            return Err(
                "there is no RabbitMQ (apt-get install --no-install-recommends rabbitmq-server)",
            );
        }
        let data = place.path().join("rabbitmq");
        fs::create_dir_all(&data).expect("the place can be written to");
        let [port, names_port] = free_ports();
        let mut names = Command::new("epmd");
        names.args(["-address", "127.0.0.1", "-port", &names_port.to_string()]);
        let names = group(names, &data);
        if guarded.is_some() {
            make_certificates(&data);
        }
        let mut broker = Self { server: None, _names: names, data, port, names_port, guarded };
        broker.start_again();
        Ok(broker)
    }

    fn start_again(&mut self) {
        // The one before has to be gone.
        self.server = None;
        let [distribution] = free_ports();
        let data = &self.data;
        let guarded = self.guarded.map_or_else(String::new, |port| {
            let at = |name: &str| data.join(name).display().to_string();
            let (key, shown, authority) = (at("broker.key"), at("broker.pem"), at("authority.pem"));
            format!(
                "listeners.ssl.default = 127.0.0.1:{port}\n\
                 ssl_options.cacertfile = {authority}\n\
                 ssl_options.certfile = {shown}\n\
                 ssl_options.keyfile = {key}\n\
                 ssl_options.verify = verify_none\n"
            )
        });
        for (name, content) in [("rabbitmq.conf", guarded.as_str()), ("enabled_plugins", "[].\n")] {
            fs::write(data.join(name), content).expect("the place can be written to");
        }
        let mut command = Command::new(SERVER);
        command
            .current_dir(data)
            .env("HOME", data)
            .env("RABBITMQ_NODENAME", "hearth-test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", data.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", data.join("log"))
            .env("RABBITMQ_PID_FILE", data.join("pid"))
            .env("RABBITMQ_CONFIG_FILE", data.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", data.join("rabbitmq-env.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", data.join("enabled_plugins"))
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", self.names_port.to_string())
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            );
        self.server = Some(group(command, data));
        eventually("the broker answers", 120, || self.ask(&["ping"]).ok());
    }

    /// A client of its own, in Python.
    pub(crate) fn client(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command.env("PYTHONPATH", tools::clients()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.arg(tools::source("clients/rabbit.py")).arg(self.port.to_string()).args(arguments);
        command
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        tools::run(&mut self.client(arguments))
    }

    pub(crate) fn publish(&self, bodies: &[Value]) {
        let bodies: Vec<String> = bodies.iter().map(Value::to_string).collect();
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        let said = self.ask(&[&["publish", "orders"], bodies.as_slice()].concat());
        said.unwrap_or_else(|error| panic!("{error}"));
    }

    fn waiting(&self) -> String {
        self.ask(&["count", "orders"]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A server that knows the broker.
    pub(crate) fn reader(&self, place: Place) -> Server {
        let endpoint = format!("sources.mq.orders.endpoint=amqp://127.0.0.1:{}", self.port);
        let secret = ["secrets.broker.username=guest", "secrets.broker.password=guest"];
        Server::start_set(place, &[&endpoint, secret[0], secret[1]])
    }
}

fn group(mut command: Command, data: &Path) -> Group {
    let log = fs::File::options().create(true).append(true).open(data.join("output.log"));
    let log = log.expect("a file can be made");
    command.process_group(0).stdin(Stdio::null());
    command.stdout(log.try_clone().expect("a file can be used twice")).stderr(log);
    Group(command.spawn().expect("the broker is installed"))
}

/// Ports that were free a moment ago. The broker does not say which one it was given.
fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let open = || TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    // All at a time, so that they differ.
    let listeners: [TcpListener; COUNT] = std::array::from_fn(|_| open());
    listeners.map(|one| one.local_addr().expect("a port has an address").port())
}

pub(crate) fn mapping(more: Value) -> Value {
    let mut settings = json!({
        "EventSourceArn": ARN,
        "Queues": ["orders"],
        "BatchSize": 10,
        "SourceAccessConfigurations": [{ "Type": "BASIC_AUTH", "URI": SECRET }],
    });
    let (Value::Object(more), Some(all)) = (more, settings.as_object_mut()) else {
        panic!("settings are an object");
    };
    all.extend(more);
    settings
}

fn numbers(records: &[Value]) -> Vec<u64> {
    records.iter().filter_map(|one| one["body"]["n"].as_u64()).collect()
}

#[test]
fn messages_of_rabbitmq_come_in_order_and_a_failed_batch_comes_again() {
    let place = Place::new();
    let broker = match Broker::start(&place) {
        Ok(broker) => broker,
        Err(why) => return skipped("messages_of_rabbitmq_come_in_order", why),
    };
    broker.publish(&[json!({ "n": 1 }), json!({ "n": 2, "unwanted": true }), json!({ "n": 3 })]);
    let server = broker.reader(place);
    server.create("consumer", &consumes_rabbit(), json!({}));
    let pattern = json!({ "data": { "unwanted": [{ "exists": false }] } }).to_string();
    let filters = json!({ "FilterCriteria": { "Filters": [{ "Pattern": pattern }] } });
    let made = map(&server, "consumer", mapping(filters));
    let records = last_seen(60, || got(&server, "consumer"), |records| records.len() >= 2);
    assert_eq!(numbers(&records), [1, 3], "{records:?}");
    assert_eq!(records[0]["queue"], "orders::/");
    assert_eq!(records[0]["arn"], ARN);
    let properties = &records[0]["basicProperties"];
    assert_eq!(properties["contentType"], "application/json");
    assert_eq!(properties["headers"]["from"]["bytes"], json!([112, 105, 107, 97]));
    assert_eq!(properties["headers"]["n"], 7);

    broker.publish(&[json!({ "n": 4, "fail": true }), json!({ "n": 5 })]);
    let records = last_seen(
        60,
        || got(&server, "consumer"),
        |records| {
            let again = records.iter().filter(|one| one["redelivered"] == true);
            again.count() >= 1 && numbers(records).contains(&5)
        },
    );
    let again: Vec<Value> =
        records.iter().filter(|one| one["redelivered"] == true).cloned().collect();
    assert_eq!(numbers(&again).first(), Some(&4), "{records:?}");
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    eventually("all of them are acknowledged", 30, || {
        let shown = server.get(&format!("/_hearth/sources/{uuid}")).json();
        (shown["progress"]["deleted"] == 5).then_some(())
    });
    drop(server);
    assert_eq!(broker.waiting().trim(), "0");
}

#[test]
fn nothing_of_rabbitmq_is_lost_when_the_server_is_killed_or_the_broker_restarts() {
    let place = Place::new();
    let mut broker = match Broker::start(&place) {
        Ok(broker) => broker,
        Err(why) => return skipped("nothing_of_rabbitmq_is_lost", why),
    };
    let batch = |from: u64| (from..from + 20).map(|n| json!({ "n": n })).collect::<Vec<_>>();
    broker.publish(&batch(0));
    let server = broker.reader(place);
    server.create("consumer", &consumes_rabbit(), json!({}));
    map(&server, "consumer", mapping(json!({})));
    last_seen(60, || got(&server, "consumer"), |records| !records.is_empty());
    let place = server.kill();
    broker.publish(&batch(20));
    let server = broker.reader(place);
    last_seen(60, || got(&server, "consumer"), |records| numbers(records).contains(&39));
    broker.start_again();
    broker.publish(&batch(40));
    let records =
        last_seen(90, || got(&server, "consumer"), |records| numbers(records).contains(&59));
    let all = numbers(&records);
    // What was logged before the kill may be lost with it; what has come since is all there.
    for number in 20..60 {
        assert!(all.contains(&number), "{number} did not come: {all:?}");
    }
    eventually("the queue is empty", 30, || (broker.waiting().trim() == "0").then_some(()));
}

#[test]
fn a_message_with_headers_that_are_nested_deeply_is_rejected_and_harms_nobody() {
    let place = Place::new();
    let broker = match Broker::start(&place) {
        Ok(broker) => broker,
        Err(why) => return skipped("a_message_with_headers_that_are_nested_deeply", why),
    };
    broker.publish(&[json!({ "n": 1 })]);
    let deep = broker.ask(&["deep", "orders", "20000", r#"{"n": 2}"#]);
    deep.unwrap_or_else(|error| panic!("{error}"));
    let shallow = broker.ask(&["deep", "orders", "20", r#"{"n": 3}"#]);
    shallow.unwrap_or_else(|error| panic!("{error}"));
    broker.publish(&[json!({ "n": 4 })]);
    let server = broker.reader(place);
    server.create("consumer", &consumes_rabbit(), json!({}));
    let made = map(&server, "consumer", mapping(json!({})));
    let records =
        last_seen(60, || got(&server, "consumer"), |records| numbers(records).contains(&4));
    assert_eq!(numbers(&records), [1, 3, 4], "{records:?}");
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    let progress = eventually("all of them are dealt with", 30, || {
        let progress = server.get(&format!("/_hearth/sources/{uuid}")).json()["progress"].clone();
        (progress["deleted"] == 3).then_some(progress)
    });
    assert_eq!(progress["dropped"], 1, "{progress}");
    let error = progress["error"].as_str().expect("why is said");
    assert!(error.contains("nested"), "{error}");
    // What comes afterwards is read on the same connection.
    broker.publish(&[json!({ "n": 5 })]);
    last_seen(60, || got(&server, "consumer"), |records| numbers(records).contains(&5));
    eventually("the queue is empty", 30, || (broker.waiting().trim() == "0").then_some(()));
}

#[test]
fn a_queue_that_is_deleted_is_said_and_read_again_when_it_is_there() {
    let place = Place::new();
    let broker = match Broker::start(&place) {
        Ok(broker) => broker,
        Err(why) => return skipped("a_queue_that_is_deleted_is_said", why),
    };
    broker.publish(&[json!({ "n": 1 })]);
    let server = broker.reader(place);
    server.create("consumer", &consumes_rabbit(), json!({}));
    let made = map(&server, "consumer", mapping(json!({})));
    last_seen(60, || got(&server, "consumer"), |records| numbers(records) == [1]);
    broker.ask(&["delete", "orders"]).unwrap_or_else(|error| panic!("{error}"));
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    eventually("that it is gone is said", 60, || {
        let shown = server.get(&format!("/_hearth/sources/{uuid}")).json();
        shown["progress"]["error"].as_str()?.contains("NOT_FOUND").then_some(())
    });
    broker.publish(&[json!({ "n": 2 })]);
    let records = last_seen(60, || got(&server, "consumer"), |records| numbers(records).len() > 1);
    assert_eq!(numbers(&records), [1, 2]);
}

#[test]
fn a_broker_is_read_over_tls_and_one_that_nobody_vouches_for_is_not() {
    if !tools::answers("openssl", "version") {
        let why = "there is no `openssl` (apt-get install openssl)";
        return skipped("a_broker_is_read_over_tls", why);
    }
    let place = Place::new();
    let [guarded] = free_ports();
    let broker = match Broker::start_where(&place, Some(guarded)) {
        Ok(broker) => broker,
        Err(why) => return skipped("a_broker_is_read_over_tls", why),
    };
    broker.publish(&[json!({ "n": 1 })]);
    let endpoint = format!("sources.mq.orders.endpoint=amqps://127.0.0.1:{guarded}");
    let secret = ["secrets.broker.username=guest", "secrets.broker.password=guest"];
    let server = Server::start_set(place, &[&endpoint, secret[0], secret[1]]);
    server.create("consumer", &consumes_rabbit(), json!({}));
    let made = map(&server, "consumer", mapping(json!({})));
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    eventually("that nobody vouches for it is said", 60, || {
        let shown = server.get(&format!("/_hearth/sources/{uuid}")).json();
        shown["progress"]["error"].as_str().map(drop)
    });
    assert_eq!(got(&server, "consumer"), Vec::<Value>::new());
    let (_ended, place) = server.stop();
    let authority = format!("tls_ca_file={}", broker.data.join("authority.pem").display());
    let server = Server::start_set(place, &[&endpoint, secret[0], secret[1], &authority]);
    last_seen(60, || got(&server, "consumer"), |records| numbers(records) == [1]);
    eventually("it is acknowledged", 30, || (broker.waiting().trim() == "0").then_some(()));
}

#[test]
fn a_broker_that_nobody_has_configured_is_said() {
    let place = Place::new();
    let other = "sources.mq.other.endpoint=amqp://127.0.0.1:1";
    let server = Server::start_set(place, &[other]);
    server.create("consumer", &consumes_rabbit(), json!({}));
    let mut body = mapping(json!({ "FunctionName": "consumer" }));
    let make = |body: &Value| {
        let path = "/2015-03-31/event-source-mappings";
        server.send(&crate::http::Request::new("POST", path).json(body))
    };
    let refused = make(&body);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("[sources.mq.orders]"), "{}", refused.text());
    body["EventSourceArn"] = Value::from(ARN.replace(":orders:", ":other:"));
    let made = make(&body);
    assert_eq!(made.status, 202, "{}", made.text());
    let uuid = made.json()["UUID"].as_str().expect("a mapping has an id").to_owned();
    let shown = eventually("what is missing is said", 30, || {
        let shown = server.get(&format!("/_hearth/sources/{uuid}")).json();
        shown["progress"]["error"].as_str().map(str::to_owned)
    });
    assert!(shown.contains("[secrets.NAME]"), "{shown}");
}

#[test]
fn the_commands_of_the_guide_to_rabbitmq_do_what_it_says() {
    let place = Place::new();
    let broker = match Broker::start(&place) {
        Ok(broker) => broker,
        Err(why) => return skipped("the_commands_of_the_guide_to_rabbitmq_do_what_it_says", why),
    };
    let server = broker.reader(place);
    let here = format!("127.0.0.1:{}", broker.port);
    let said = run_guide_where(&server, "event-sources-rabbitmq", ("127.0.0.1:5672", &here));
    for expected in ["order 2 is difficult", "worked on order 4", "\"filteredOut\":1", "OK"] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
