//! A server that is killed again and again while events and messages flow in: what it has accepted
//! is not lost.
//!
//! ```text
//!  event clients ──202──▶ server ──▶ function ──▶ queue `ran`         killed at any moment,
//!  message clients ──200──▶  │  └──▶ failure ───▶ queue `failed`      started again on the
//!                            └─────▶ queue `messages` ──▶ receiver    same data directory
//! ```
//!
//! How it is killed, and when, is in `kills.rs`; event sources are in `kill_sources.rs`.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::harness::{Place, Server, last_seen, say};
use crate::http::Request;
use crate::kills::{Draws, Flow, PACE, Shared, drawn, kill_again_and_again};
use crate::reports::{Arrived, FAILED, MESSAGES, RAN, event, id_of, message, prepare, queue_call};

const EVENT_CLIENTS: usize = 4;
const MESSAGE_CLIENTS: usize = 2;
/// One event in so many fails, and one in so many is large.
const FAILS: usize = 10;
const LARGE: usize = 16;
const LARGE_BYTES: usize = 40_000;
/// What may be under way when a server is killed, and so may come twice.
const DUPLICATES_PER_KILL_MAX: usize = 32;
/// How long what was accepted may take to arrive once nobody kills any more.
const ARRIVAL_SECONDS_MAX: u64 = 120;

/// What was accepted of the clients, and what one of them has received already.
struct Accepted {
    events: BTreeSet<String>,
    failing: BTreeSet<String>,
    messages: BTreeSet<String>,
    received: Arrived,
    refused: usize,
}

/// Receives messages and deletes them until it is over.
fn receive(shared: &Shared) -> Arrived {
    let (mut arrived, mut connection) = (Arrived::default(), None);
    let url = format!("http://127.0.0.1/000000000000/{MESSAGES}");
    while !shared.is_over() {
        let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
        let received = shared.send(&mut connection, &queue_call("ReceiveMessage", &input));
        let messages = received.and_then(|(_, received)| received["Messages"].as_array().cloned());
        for message in messages.into_iter().flatten() {
            arrived.note(id_of(message["Body"].as_str().unwrap_or_default()));
            let input = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
            let _ = shared.send(&mut connection, &queue_call("DeleteMessage", &input));
        }
        thread::sleep(PACE);
    }
    arrived
}

fn event_of(number: usize, id: &str) -> Request {
    let mut content = json!({ "id": id });
    if fails(number) {
        content["fail"] = Value::from(true);
    }
    if number.is_multiple_of(LARGE) {
        content["padding"] = Value::from("x".repeat(LARGE_BYTES));
    }
    event(&content)
}

fn fails(number: usize) -> bool {
    number % FAILS == FAILS - 1
}

/// Kills the server at moments of the draw, while clients use it.
fn kill_amid_flow(place: Place, draws: &mut Draws, kills: usize) -> (Server, Accepted) {
    let shared = Shared::default();
    let server = Server::start_at(place);
    prepare(&server, json!({ "Timeout": 60 }));
    let (shared, place) = (&shared, server.kill());
    thread::scope(|scope| {
        let flow_of_all = Flow(shared);
        let flow = |kind: &'static str, client: usize| {
            let name = format!("{kind}{client}");
            move || match kind {
                "event" => shared.flow(&name, 202, event_of),
                _ => shared.flow(&name, 200, |_number, id| message(MESSAGES, id)),
            }
        };
        let events: Vec<_> =
            (0..EVENT_CLIENTS).map(|client| scope.spawn(flow("event", client))).collect();
        let messages: Vec<_> =
            (0..MESSAGE_CLIENTS).map(|client| scope.spawn(flow("message", client))).collect();
        let receiver = scope.spawn(move || receive(shared));

        let server = kill_again_and_again(shared, place, (draws, kills));
        drop(flow_of_all);
        let ids = |clients: Vec<thread::ScopedJoinHandle<'_, Vec<String>>>| {
            let ended = clients.into_iter().map(|client| client.join().expect("no client fails"));
            ended.flatten().collect::<BTreeSet<String>>()
        };
        let events = ids(events);
        let was_to_fail = |id: &&String| {
            let number = id.rsplit('-').next().and_then(|number| number.parse::<usize>().ok());
            number.is_some_and(fails)
        };
        let failing = events.iter().filter(was_to_fail).cloned().collect();
        let messages = ids(messages);
        let received = receiver.join().expect("the receiver does not fail");
        let refused = shared.refused();
        (server, Accepted { events, failing, messages, received, refused })
    })
}

#[test]
fn what_was_accepted_survives_fifty_kills() {
    let (seed, kills) = drawn();
    let (server, accepted) = kill_amid_flow(Place::new(), &mut Draws::of(seed), kills);
    let Accepted { events, failing, messages, received, refused } = accepted;

    let (mut ran, mut failed, mut got) = (Arrived::default(), Arrived::default(), received);
    let missing = |ran: &Arrived, failed: &Arrived, got: &Arrived| -> Vec<String> {
        let of_events = events.iter().filter(|id| !ran.has(id) && !failed.has(id));
        let of_failing = failing.iter().filter(|id| !failed.has(id));
        let of_messages = messages.iter().filter(|id| !got.has(id));
        of_events.chain(of_failing).chain(of_messages).cloned().collect()
    };
    let left = last_seen(
        ARRIVAL_SECONDS_MAX,
        || {
            let queues = [(&mut ran, RAN), (&mut failed, FAILED), (&mut got, MESSAGES)];
            for (arrived, queue) in queues {
                while arrived.take(&server, queue) {}
            }
            missing(&ran, &failed, &got)
        },
        Vec::is_empty,
    );
    let duplicates = ran.duplicates() + failed.duplicates() + got.duplicates();
    say(&format!(
        "{} events accepted: {} ran, {} at the failure destination; {} messages accepted, {} \
         received; {duplicates} duplicates; {refused} refusals",
        events.len(),
        ran.count(),
        failed.count(),
        messages.len(),
        got.count(),
    ));
    assert_eq!(left, Vec::<String>::new(), "accepted and lost; HEARTH_KILL_SEED={seed}");
    assert!(events.len() > kills && messages.len() > kills, "hardly anything was accepted");
    let most = DUPLICATES_PER_KILL_MAX * kills;
    assert!(duplicates <= most, "{duplicates} duplicates; at most {most} were under way");
}
