//! A server that is killed again and again while functions get messages of queues and records of
//! streams: nothing that was accepted is lost, what has an order keeps it, and no more comes again
//! than a function had when the server was killed.
//!
//! ```text
//!  clients ──200──▶ source ──mapping──▶ function ──▶ queue `ran.fifo`
//! ```
//!
//! How it is killed, and when, is in `kills.rs`; sources that are not the server's own are in
//! `kill_brokers.rs`. The queue keeps the order in which the function ran what it got, over all kills.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Place, Server, last_seen, say};
use crate::http::Request;
use crate::kills::{Draws, Flow, Shared, drawn, kill_again_and_again};
use crate::reports::{FUNCTION, IN_ORDER, message, prepare_in_order, queue_call, take, url};
use crate::sources_kinesis;

/// What has an order has it for each of them: a group of messages, or a partition key.
pub(crate) const CLIENTS: [&str; 4] = ["anna", "berta", "clara", "dora"];
/// Of messages without an order come enough of so many.
const CLIENTS_WITHOUT_ORDER: usize = 2;
/// How long a function may take, and how long a message is hidden that it has got.
pub(crate) const SECONDS: u32 = 4;
/// How many records a function gets at once at the most.
pub(crate) const BATCH: usize = 10;
/// What may come again after a kill where batches run side by side: five of them, and those that come
/// of growth while one kill is waited for.
const REPEATED_PER_KILL_MAX: usize = 10 * BATCH;
/// How long what was accepted may take to run once nobody kills any more.
const ARRIVAL_SECONDS_MAX: u64 = 120;

const JOBS: &str = "jobs";
const JOBS_IN_ORDER: &str = "jobs.fifo";
const STREAM: &str = "jobs";
const SHARDS: u32 = 4;

/// Makes the request of a client for an id.
type Make = dyn Fn(&str, &str) -> Request + Sync;

/// A server whose function gets what a source has, before it is killed for the first time.
fn prepare(source: &Request, mapping: Value) -> Place {
    let server = Server::start_at(Place::new());
    prepare_in_order(&server, SECONDS);
    let made = server.send(source);
    assert_eq!(made.status, 200, "{}", made.text());
    let mut all = json!({ "FunctionName": FUNCTION, "BatchSize": BATCH });
    let (Value::Object(mapping), Some(fields)) = (mapping, all.as_object_mut()) else {
        panic!("a mapping is an object");
    };
    fields.extend(mapping);
    let made = server.send(&Request::new("POST", "/2015-03-31/event-source-mappings").json(&all));
    assert_eq!(made.status, 202, "{}", made.text());
    server.kill()
}

fn queue(name: &str, mut attributes: Value) -> Request {
    attributes["VisibilityTimeout"] = Value::from(SECONDS.to_string());
    queue_call("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }))
}

fn arn_of_queue(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{name}")
}

/// Kills the server while clients send. Returns the ids that were accepted.
fn kill_amid_sending(
    place: Place,
    (draws, kills): (&mut Draws, usize),
    (clients, make): (&[&'static str], &Make),
) -> (Server, BTreeSet<String>) {
    let shared = &Shared::default();
    thread::scope(|scope| {
        let flow = Flow(shared);
        let client = |name: &'static str| {
            scope.spawn(move || shared.flow(name, 200, |_number, id| make(name, id)))
        };
        let clients: Vec<_> = clients.iter().copied().map(client).collect();
        let server = kill_again_and_again(shared, place, (draws, kills));
        drop(flow);
        let sent = clients.into_iter().map(|client| client.join().expect("no client fails"));
        (server, sent.flatten().collect())
    })
}

/// What ran, in the order in which it did. Waits until that is all that was sent.
pub(crate) fn all_that_ran(
    server: &Server,
    sent: &BTreeSet<String>,
    read: impl Fn(String) -> String,
) -> Vec<String> {
    let mut ran = Vec::new();
    let left = last_seen(
        ARRIVAL_SECONDS_MAX,
        || {
            loop {
                let taken = take(server, IN_ORDER);
                if taken.is_empty() {
                    break;
                }
                ran.extend(taken.into_iter().map(&read));
            }
            let different: BTreeSet<&String> = ran.iter().collect();
            sent.iter().filter(|id| !different.contains(id)).cloned().collect::<Vec<String>>()
        },
        Vec::is_empty,
    );
    assert_eq!(left, Vec::<String>::new(), "sent and lost");
    ran
}

/// The id in data, which the function reports as they came.
pub(crate) fn id_in(data: &str) -> String {
    let id = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    id.unwrap_or_else(|| panic!("`{data}` is no record of ours"))
}

/// How many of those that ran came again. Fails if a client's did not run in the order in which it has
/// sent them, or if one came again that no batch can have had any more.
pub(crate) fn repeats(ran: &[String]) -> Result<usize, String> {
    let mut by_client: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for id in ran {
        let parts = id.rsplit_once('-');
        let parts = parts.and_then(|(client, number)| Some((client, number.parse().ok()?)));
        let (client, number) = parts.ok_or_else(|| format!("`{id}` is no id"))?;
        by_client.entry(client).or_default().push(number);
    }
    let of_client = |(client, numbers): (&str, Vec<u64>)| {
        repeats_of(&numbers).map_err(|why| format!("{client}: {why}"))
    };
    by_client.into_iter().map(of_client).sum()
}

/// The same for one client: each comes right behind the one before it, or again from the beginning of
/// a batch.
fn repeats_of(numbers: &[u64]) -> Result<usize, String> {
    let (mut known, mut next, mut repeats): (Vec<u64>, usize, usize) = (Vec::new(), 0, 0);
    for number in numbers {
        let place = known.iter().rposition(|one| one == number);
        if let Some(place) = place {
            repeats += 1;
            let back = known.len() - place;
            if back > BATCH {
                return Err(format!("{number} came again when it was {back} back"));
            }
        } else {
            if known.last().is_some_and(|last| last > number) {
                return Err(format!("{number} came for the first time behind {:?}", known.last()));
            }
            known.push(*number);
        }
        let place = place.unwrap_or(known.len() - 1);
        if place > next {
            return Err(format!("{number} came, and not {} again before it", known[next]));
        }
        next = place + 1;
    }
    Ok(repeats)
}

#[test]
fn what_was_sent_to_an_event_source_survives_fifty_kills() {
    let (seed, kills) = drawn();
    let mapping = json!({ "EventSourceArn": arn_of_queue(JOBS) });
    let place = prepare(&queue(JOBS, json!({})), mapping);
    let clients = &CLIENTS[..CLIENTS_WITHOUT_ORDER];
    let make = |_client: &str, id: &str| message(JOBS, id);
    let moments = (&mut Draws::of(seed), kills);
    let (server, sent) = kill_amid_sending(place, moments, (clients, &make));

    let ran = all_that_ran(&server, &sent, |id| id);
    let repeated = ran.len() - ran.iter().collect::<BTreeSet<_>>().len();
    say(&format!("{} messages sent; {} ran, {repeated} of them again", sent.len(), ran.len()));
    assert!(sent.len() > kills, "hardly anything was sent; HEARTH_KILL_SEED={seed}");
    let most = REPEATED_PER_KILL_MAX * kills;
    assert!(repeated <= most, "{repeated} came again; at most {most} were under way");
}

#[test]
fn groups_of_messages_keep_their_order_over_fifty_kills() {
    let (seed, kills) = drawn();
    let mapping = json!({ "EventSourceArn": arn_of_queue(JOBS_IN_ORDER) });
    let place = prepare(&queue(JOBS_IN_ORDER, json!({ "FifoQueue": "true" })), mapping);
    let make = |client: &str, id: &str| {
        let input = json!({
            "QueueUrl": url(JOBS_IN_ORDER),
            "MessageBody": id,
            "MessageGroupId": client,
            "MessageDeduplicationId": id,
        });
        queue_call("SendMessage", &input)
    };
    let moments = (&mut Draws::of(seed), kills);
    let (server, sent) = kill_amid_sending(place, moments, (&CLIENTS, &make));

    let ran = all_that_ran(&server, &sent, |id| id);
    let repeated = repeats(&ran).unwrap_or_else(|why| panic!("{why}; HEARTH_KILL_SEED={seed}"));
    say(&format!("{} messages sent; {} ran, {repeated} of them again", sent.len(), ran.len()));
    assert!(sent.len() > kills, "hardly anything was sent; HEARTH_KILL_SEED={seed}");
}

#[test]
fn records_of_a_stream_keep_their_order_over_fifty_kills() {
    let (seed, kills) = drawn();
    let stream = json!({ "StreamName": STREAM, "ShardCount": SHARDS });
    let mapping = json!({
        "EventSourceArn": format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}"),
        "StartingPosition": "TRIM_HORIZON",
    });
    let place = prepare(&sources_kinesis::call("CreateStream", &stream), mapping);
    let make = |client: &str, id: &str| {
        let data = STANDARD.encode(id);
        let input = json!({ "StreamName": STREAM, "PartitionKey": client, "Data": data });
        sources_kinesis::call("PutRecord", &input)
    };
    let moments = (&mut Draws::of(seed), kills);
    let (server, sent) = kill_amid_sending(place, moments, (&CLIENTS, &make));

    let ran = all_that_ran(&server, &sent, |data| id_in(&data));
    let repeated = repeats(&ran).unwrap_or_else(|why| panic!("{why}; HEARTH_KILL_SEED={seed}"));
    say(&format!("{} records put; {} ran, {repeated} of them again", sent.len(), ran.len()));
    assert!(sent.len() > kills, "hardly anything was put; HEARTH_KILL_SEED={seed}");
}

#[test]
fn what_is_out_of_order_is_found() {
    #[rustfmt::skip]
    let rows: [(&str, &[u64], Option<usize>); 8] = [
        ("nothing",                          &[],                                      Some(0)),
        ("one by one",                       &[1, 2, 5],                               Some(0)),
        ("the last batch again",             &[1, 2, 5, 2, 5, 6],                      Some(2)),
        ("again, and again",                 &[1, 2, 5, 1, 2, 1, 2, 5, 6],             Some(5)),
        ("a late one",                       &[1, 5, 2],                               None),
        ("the rest of the batch is skipped", &[1, 2, 5, 1, 6],                         None),
        ("one of the batch is skipped",      &[1, 2, 5, 1, 5],                         None),
        ("from before the batch",            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1],  None),
    ];
    for (name, numbers, expected) in rows {
        assert_eq!(repeats_of(numbers).ok(), expected, "{name}");
    }
}
