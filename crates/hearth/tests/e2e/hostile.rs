//! Functions that do their worst: their callers get an answer, others do not notice, and nothing
//! is left of it.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::functions::{behaves, hello_compiled};
use crate::harness::{Place, Server, enforces, last_seen, now};
use crate::http::{Connection, Request};

/// What one bad function does, and which answers its caller may get. `answered` is one without an
/// error.
struct Deed {
    name: &'static str,
    event: Value,
    settings: Value,
    answers: &'static [&'static str],
    /// What the host must be able to enforce.
    needs: Option<&'static str>,
}

fn check(deed: &Deed) {
    if deed.needs.is_some_and(|subject| !enforces(subject)) {
        return;
    }
    // Without shells, so that every process is somebody's.
    let server = Server::start_set(Place::new(), &["shells=0", "warm_shells=0"]);
    server.create("neighbour", &hello_compiled(), json!({}));
    server.invoke("neighbour", &json!({})).good();
    let quiet = server.run.processes().len();

    let name = deed.name;
    server.create(name, &behaves(), deed.settings.clone());
    let done = server.invoke(name, &deed.event);
    assert_eq!(done.status, 200, "{name}: {}", done.payload);
    let answer = if done.error.is_some() { done.error_type() } else { "answered" };
    assert!(deed.answers.contains(&answer), "{name} was answered with {}", done.payload);

    assert_eq!(server.invoke("neighbour", &json!({})).good()["event"], json!({}), "{name}");
    server.invoke(name, &json!({})).good();
    server.delete(name);
    let left = last_seen(30, || server.run.processes(), |left| left.len() <= quiet);
    assert!(left.len() <= quiet, "{name} has left processes: {left:?}");
    server.invoke("neighbour", &json!({})).good();
}

#[test]
fn a_function_that_forks_without_end() {
    check(&Deed {
        name: "forks",
        event: json!({ "do": "fork" }),
        settings: json!({ "MemorySize": 1769, "Timeout": 10 }),
        answers: &["answered", "Sandbox.Timedout", "Runtime.ExitError"],
        needs: Some("process limit"),
    });
}

#[test]
fn a_function_that_eats_memory() {
    check(&Deed {
        name: "eats",
        event: json!({ "do": "eat" }),
        settings: json!({ "MemorySize": 256, "Timeout": 30 }),
        answers: &["Runtime.ExitError"],
        needs: Some("memory limit"),
    });
}

#[test]
fn a_function_that_fills_tmp() {
    check(&Deed {
        name: "fills",
        event: json!({ "do": "fill", "megabytes": 600 }),
        settings: json!({ "MemorySize": 512, "Timeout": 60 }),
        answers: &["answered"],
        needs: Some("/tmp on disk"),
    });
}

#[test]
fn a_function_that_ignores_signals() {
    check(&Deed {
        name: "deaf",
        event: json!({ "do": "deaf" }),
        settings: json!({ "Timeout": 1 }),
        answers: &["Sandbox.Timedout"],
        needs: None,
    });
}

#[test]
fn a_function_that_closes_its_descriptors() {
    check(&Deed {
        name: "closes",
        event: json!({ "do": "close" }),
        settings: json!({ "Timeout": 3 }),
        // It depends on whether the client notices that its connection is gone, or opens another.
        answers: &["answered", "Runtime.ExitError", "Sandbox.Timedout"],
        needs: None,
    });
}

#[test]
fn a_function_that_leaves_a_process_behind() {
    check(&Deed {
        name: "orphans",
        event: json!({ "do": "orphan" }),
        settings: json!({}),
        answers: &["answered"],
        needs: None,
    });
}

#[test]
fn a_function_that_overwrites_its_memory() {
    check(&Deed {
        name: "scribbles",
        event: json!({ "do": "scribble" }),
        settings: json!({}),
        answers: &["Runtime.ExitError"],
        needs: None,
    });
}

/// What 99 of 100 calls of the neighbour stay below, in the quietest of a few rounds: what else goes
/// on on this machine slows down one of them, and a flood that is not held back all.
fn p99_of_neighbour(server: &Server) -> Duration {
    (0..3).map(|_round| p99_of_round(server)).min().expect("there are rounds")
}

fn p99_of_round(server: &Server) -> Duration {
    let mut connection = Connection::open(server.address).expect("the server takes connections");
    let request = Request::invocation("neighbour", &json!({}));
    let mut took: Vec<Duration> = Vec::new();
    for _call in 0..200 {
        let began = now();
        let answer = connection.send(&request).expect("the neighbour is answered");
        took.push(began.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    took.sort();
    took[took.len() * 99 / 100 - 1]
}

/// What a machine that does other things as well may add to a single call.
const NOISE: Duration = Duration::from_millis(5);

#[test]
fn a_function_that_floods_its_output_does_not_slow_its_neighbour_down() {
    let server = Server::start_at(Place::alone());
    server.create("neighbour", &hello_compiled(), json!({}));
    server.create("floods", &behaves(), json!({ "MemorySize": 1769, "Timeout": 60 }));
    server.invoke("floods", &json!({})).good();
    p99_of_neighbour(&server);
    let before = p99_of_neighbour(&server);
    let during = thread::scope(|scope| {
        let flood = json!({ "do": "flood", "seconds": 10 });
        let server = &server;
        let flooding = scope.spawn(move || server.invoke("floods", &flood));
        let during = p99_of_neighbour(server);
        assert!(!flooding.is_finished(), "the flood went on while the neighbour was called");
        flooding.join().expect("the flood is answered").good();
        during
    });
    let limit = (2 * before).max(before + NOISE);
    assert!(during <= limit, "{during:?} during the flood, {before:?} before");
    server.invoke("floods", &json!({})).good();
}
