//! The same as in `kill_sources.rs` for sources outside: the server is killed again and again while
//! clients write to Apache Kafka, to RabbitMQ or to a table of DynamoDB Local, which live on.
//!
//! A server lives longer here until it is killed. It has to connect first, and a group of Kafka waits
//! until the session of whoever was killed has ended. So there are fewer kills, unless `HEARTH_KILLS`
//! says how many.

use std::collections::BTreeSet;
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Place, Server, say, skipped};
use crate::kafka::{self, Kafka};
use crate::kill_sources::{BATCH, CLIENTS, SECONDS, all_that_ran, id_in, repeats};
use crate::kills::{Draws, Flow, Shared, Start, drawn_where, kill_within};
use crate::rabbit::{self, Broker};
use crate::reports::{FUNCTION, prepare_in_order};
use crate::table_streams::{Dynamo, map};

/// How often a server is killed that reads at once.
const KILLS: usize = 20;
/// How long it lives until then.
const LIFE_MILLIS: Range<u64> = 200..2_500;
/// The same where it waits for the session of the one before it.
const KILLS_BEHIND_SESSIONS: usize = 5;
const LIFE_MILLIS_BEHIND_SESSIONS: Range<u64> = 5_000..14_000;
/// How long who changes a table waits behind each change: a function gets them one batch after another.
const PACE: Duration = Duration::from_millis(50);
const TOPIC: &str = "jobs";
const TABLE: &str = "jobs";

/// A client that sends until nobody holds its input any more.
struct Sending(Child);

impl Sending {
    fn begin(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.spawn().expect("python3 is there"))
    }

    /// Ends it. Says what was accepted.
    fn end(self) -> BTreeSet<String> {
        let output = self.0.wait_with_output().expect("it can be waited for");
        assert!(output.status.success(), "the client has failed: {}", output.status);
        let said = String::from_utf8(output.stdout).expect("ids are text");
        said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

/// A server whose function gets what a source has, before it is killed for the first time.
fn prepare((place, start): (Place, &Start<'_>), mapping: Value) -> Place {
    let server = start(place);
    prepare_in_order(&server, SECONDS);
    map(&server, FUNCTION, mapping);
    server.kill()
}

/// Waits until everything ran that was sent, and fails if it did not run as it should.
fn check(
    (server, seed, kills): (&Server, u64, usize),
    sent: &BTreeSet<String>,
    read: impl Fn(String) -> String,
) {
    let ran = all_that_ran(server, sent, read);
    let repeated = repeats(&ran).unwrap_or_else(|why| panic!("{why}; HEARTH_KILL_SEED={seed}"));
    say(&format!("{} sent; {} ran, {repeated} of them again", sent.len(), ran.len()));
    assert!(sent.len() > kills, "hardly anything was sent; HEARTH_KILL_SEED={seed}");
}

#[test]
fn records_of_kafka_keep_their_order_over_many_kills() {
    let place = Place::new();
    let kafka = match Kafka::start(&place) {
        Ok(kafka) => kafka,
        Err(why) => return skipped("records_of_kafka_keep_their_order_over_many_kills", why),
    };
    let (seed, kills) = drawn_where(KILLS_BEHIND_SESSIONS);
    kafka.good(&["topic", TOPIC, &CLIENTS.len().to_string()]);
    let start = &Server::start_at;
    let mapping = kafka::mapping(&kafka, TOPIC, json!({ "BatchSize": BATCH }));
    let place = prepare((place, start), mapping);
    let sending = Sending::begin(kafka.client(&[["flow", TOPIC].as_slice(), &CLIENTS].concat()));
    let moments = (&mut Draws::of(seed), kills);
    let life = &LIFE_MILLIS_BEHIND_SESSIONS;
    let server = kill_within(&Shared::default(), (place, start), moments, life);
    let sent = sending.end();
    check((&server, seed, kills), &sent, |data| id_in(&data));
}

#[test]
fn messages_of_rabbitmq_keep_their_order_over_many_kills() {
    let place = Place::new();
    let broker = match Broker::start(&place) {
        Ok(broker) => broker,
        Err(why) => return skipped("messages_of_rabbitmq_keep_their_order_over_many_kills", why),
    };
    let (seed, kills) = drawn_where(KILLS);
    // Makes the queue.
    broker.publish(&[]);
    let start = &|place| broker.reader(place);
    let mapping = rabbit::mapping(json!({ "BatchSize": BATCH }));
    let place = prepare((place, start), mapping);
    let sending = Sending::begin(broker.client(&["flow", "orders", CLIENTS[0], CLIENTS[1]]));
    let moments = (&mut Draws::of(seed), kills);
    let server = kill_within(&Shared::default(), (place, start), moments, &LIFE_MILLIS);
    let sent = sending.end();
    check((&server, seed, kills), &sent, |data| id_in(&data));
}

#[test]
fn changes_of_a_table_keep_their_order_over_many_kills() {
    let place = Place::new();
    let dynamo = match Dynamo::start(&place) {
        Ok(dynamo) => dynamo,
        Err(why) => return skipped("changes_of_a_table_keep_their_order_over_many_kills", why),
    };
    let (seed, kills) = drawn_where(KILLS);
    let mapping = json!({
        "EventSourceArn": dynamo.create(TABLE),
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": BATCH,
    });
    let start = &|place| dynamo.reader(place);
    let place = prepare((place, start), mapping);
    let moments = (&mut Draws::of(seed), kills);
    let (shared, dynamo) = (&Shared::default(), &dynamo);
    let (server, sent) = thread::scope(|scope| {
        let flow = Flow(shared);
        let [one, other, ..] = CLIENTS;
        let clients =
            [one, other].map(|client| scope.spawn(move || change(dynamo, shared, client)));
        let server = kill_within(shared, (place, start), moments, &LIFE_MILLIS);
        drop(flow);
        let sent = clients.into_iter().map(|client| client.join().expect("no client fails"));
        (server, sent.flatten().collect::<BTreeSet<String>>())
    });
    check((&server, seed, kills), &sent, |id| id);
}

/// Puts one item after the other until it is over. Says which.
fn change(dynamo: &Dynamo, shared: &Shared, client: &str) -> Vec<String> {
    let mut accepted = Vec::new();
    while !shared.is_over() {
        let id = format!("{client}-{}", accepted.len());
        dynamo.put(TABLE, &json!({ "id": { "S": id } }));
        accepted.push(id);
        thread::sleep(PACE);
    }
    accepted
}
