//! A server that is killed again and again while events and messages flow in: what it has accepted
//! is not lost.
//!
//! ```text
//!  event clients ──202──▶ server ──▶ function ──▶ queue `ran`         killed at any moment,
//!  message clients ──200──▶  │  └──▶ failure ───▶ queue `failed`      started again on the
//!                            └─────▶ queue `messages` ──▶ receiver    same data directory
//!
//!  message clients ──200──▶ queue `jobs` ──mapping──▶ function ──▶ queue `ran`
//! ```
//!
//! The moments are drawn from a seed, which is printed: `HEARTH_KILL_SEED` repeats them. How often
//! it is killed is `HEARTH_KILLS`.

use std::collections::BTreeSet;
use std::env;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Place, Server, last_seen, say};
use crate::http::{Connection, Request};
use crate::reports::{
    Arrived, FAILED, FUNCTION, MESSAGES, RAN, event, id_of, message, prepare, queue_call,
};

const KILLS_DEFAULT: usize = 50;
const EVENT_CLIENTS: usize = 4;
const MESSAGE_CLIENTS: usize = 2;
/// The pace of a client. Without it more would come in than a debug build can run in the time that
/// a test may take.
const PACE: Duration = Duration::from_millis(10);
/// How long a server lives until it is killed.
const LIFE_MILLIS: std::ops::Range<u64> = 30..900;
/// One event in so many fails, and one in so many is large.
const FAILS: usize = 10;
const LARGE: usize = 16;
const LARGE_BYTES: usize = 40_000;
/// What may be under way when a server is killed, and so may come twice.
const DUPLICATES_PER_KILL_MAX: usize = 32;
/// The same for messages of an event source: five batches of ten run at a time, and those that come
/// of growth while one kill is waited for.
const REPEATED_PER_KILL_MAX: usize = 100;
/// The queue that is an event source.
const JOBS: &str = "jobs";
/// How long what was accepted may take to arrive once nobody kills any more.
const ARRIVAL_SECONDS_MAX: u64 = 120;

/// Numbers that look random and are the same for the same seed (splitmix64).
#[derive(Debug)]
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

fn number_in(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// What the clients and the killer have in common.
#[derive(Debug, Default)]
struct Shared {
    /// Where the server is, if it is.
    address: Mutex<Option<SocketAddr>>,
    over: AtomicBool,
    /// Answers that were neither an acceptance nor an end of the connection.
    refused: AtomicUsize,
}

impl Shared {
    fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_address(&self, address: Option<SocketAddr>) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Sends a request to whichever server there is. `None` if it was not answered.
    fn send(&self, connection: &mut Option<Connection>, request: &Request) -> Option<(u16, Value)> {
        if connection.is_none() {
            *connection = Connection::open(self.address()?).ok();
        }
        let answer = connection.as_mut()?.send(request);
        if answer.is_err() {
            *connection = None;
        }
        answer.ok().map(|answer| (answer.status, answer.json()))
    }

    /// Sends one request after the other until it is over. Returns the ids of those that were
    /// accepted. What was not answered may have been accepted or not.
    fn flow(
        &self,
        name: &str,
        accepted_is: u16,
        make: impl Fn(usize, &str) -> Request,
    ) -> Vec<String> {
        let (mut accepted, mut connection) = (Vec::new(), None);
        for number in 0.. {
            if self.is_over() {
                break;
            }
            let id = format!("{name}-{number}");
            match self.send(&mut connection, &make(number, &id)) {
                Some((status, _)) if status == accepted_is => accepted.push(id),
                Some(_refused) => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                }
                None => {}
            }
            thread::sleep(PACE);
        }
        accepted
    }

    /// Receives messages and deletes them until it is over.
    fn receive(&self) -> Arrived {
        let (mut arrived, mut connection) = (Arrived::default(), None);
        let url = format!("http://127.0.0.1/000000000000/{MESSAGES}");
        while !self.is_over() {
            let input = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
            let received = self.send(&mut connection, &queue_call("ReceiveMessage", &input));
            let messages =
                received.and_then(|(_, received)| received["Messages"].as_array().cloned());
            for message in messages.into_iter().flatten() {
                arrived.note(id_of(message["Body"].as_str().unwrap_or_default()));
                let input = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
                let _ = self.send(&mut connection, &queue_call("DeleteMessage", &input));
            }
            thread::sleep(PACE);
        }
        arrived
    }
}

/// Ends the flow when it goes, also in a panic: the scope of the clients waits for them.
struct Flow<'a>(&'a Shared);

impl Drop for Flow<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// What was accepted of the clients, and what one of them has received already.
struct Accepted {
    events: BTreeSet<String>,
    failing: BTreeSet<String>,
    messages: BTreeSet<String>,
    received: Arrived,
    refused: usize,
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
        let receiver = scope.spawn(move || shared.receive());

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
        let refused = shared.refused.load(Ordering::Relaxed);
        (server, Accepted { events, failing, messages, received, refused })
    })
}

/// Starts a server and kills it so many times. Returns one that lives.
fn kill_again_and_again(
    shared: &Shared,
    mut place: Place,
    (draws, kills): (&mut Draws, usize),
) -> Server {
    for _kill in 0..kills {
        let server = Server::start_at(place);
        shared.set_address(Some(server.address));
        // The moment is the point of this test, and nothing waits for anything.
        thread::sleep(Duration::from_millis(draws.within(LIFE_MILLIS)));
        shared.set_address(None);
        place = server.kill();
    }
    Server::start_at(place)
}

/// Kills the server while clients send to a queue whose messages a function gets. Returns what was
/// accepted.
fn kill_amid_batches(draws: &mut Draws, kills: usize) -> (Server, BTreeSet<String>) {
    let shared = &Shared::default();
    let server = Server::start_at(Place::new());
    prepare(&server, json!({ "Timeout": 4 }));
    let queue = json!({ "QueueName": JOBS, "Attributes": { "VisibilityTimeout": "4" } });
    assert_eq!(server.send(&queue_call("CreateQueue", &queue)).status, 200);
    let mapping = json!({
        "FunctionName": FUNCTION,
        "EventSourceArn": format!("arn:aws:sqs:us-east-1:000000000000:{JOBS}"),
    });
    let make = Request::new("POST", "/2015-03-31/event-source-mappings").json(&mapping);
    assert_eq!(server.send(&make).status, 202);
    let place = server.kill();
    thread::scope(|scope| {
        let flow = Flow(shared);
        let clients: Vec<_> = (0..MESSAGE_CLIENTS)
            .map(|client| {
                let name = format!("job{client}");
                scope.spawn(move || shared.flow(&name, 200, |_number, id| message(JOBS, id)))
            })
            .collect();
        let server = kill_again_and_again(shared, place, (draws, kills));
        drop(flow);
        let sent = clients.into_iter().map(|client| client.join().expect("no client fails"));
        (server, sent.flatten().collect())
    })
}

#[test]
fn what_was_sent_to_an_event_source_survives_fifty_kills() {
    let (seed, kills) = drawn();
    let (server, sent) = kill_amid_batches(&mut Draws(seed), kills);
    let mut ran = Arrived::default();
    let left = last_seen(
        ARRIVAL_SECONDS_MAX,
        || {
            while ran.take(&server, RAN) {}
            sent.iter().filter(|id| !ran.has(id)).cloned().collect::<Vec<_>>()
        },
        Vec::is_empty,
    );
    let duplicates = ran.duplicates();
    say(&format!("{} messages sent: {} ran; {duplicates} twice", sent.len(), ran.count()));
    assert_eq!(left, Vec::<String>::new(), "sent and lost; HEARTH_KILL_SEED={seed}");
    assert!(sent.len() > kills, "hardly anything was sent");
    let most = REPEATED_PER_KILL_MAX * kills;
    assert!(duplicates <= most, "{duplicates} duplicates; at most {most} were under way");
}

/// The seed, and how often to kill.
fn drawn() -> (u64, usize) {
    let seed =
        number_in("HEARTH_KILL_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let kills = number_in("HEARTH_KILLS").and_then(|kills| usize::try_from(kills).ok());
    let kills = kills.unwrap_or(KILLS_DEFAULT);
    say(&format!("killing {kills} times; HEARTH_KILL_SEED={seed} repeats the moments"));
    (seed, kills)
}

#[test]
fn what_was_accepted_survives_fifty_kills() {
    let (seed, kills) = drawn();
    let (server, accepted) = kill_amid_flow(Place::new(), &mut Draws(seed), kills);
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
