//! Many writers at once: what they change is neither lost nor done twice, also when the server is
//! killed while they write.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::functions::{behaves, behaves_as_version, provided, zip};
use crate::harness::{Place, Server, eventually};
use crate::http::{Answer, Connection, Request};

const FUNCTIONS: &str = "/2015-03-31/functions";
const LAYER: &str = "/2018-10-31/layers/tools/versions";
const TAGS: &str = "/2017-03-31/tags/arn:aws:lambda:us-east-1:000000000000:function:kept";

/// How many write at once.
const WRITERS: usize = 16;

/// Lets every writer do something on a connection of its own, all at the same time. Returns what
/// came of it, in the order of the writers.
fn at_once<T: Send>(server: &Server, write: impl Fn(usize, &mut Connection) -> T + Sync) -> Vec<T> {
    let open = || Connection::open(server.address).expect("the server takes connections");
    let mut connections: Vec<Connection> = (0..WRITERS).map(|_number| open()).collect();
    let start = Barrier::new(WRITERS);
    let (write, start) = (&write, &start);
    thread::scope(|scope| {
        let writers: Vec<_> = connections
            .iter_mut()
            .enumerate()
            .map(|(number, connection)| {
                scope.spawn(move || {
                    start.wait();
                    write(number, connection)
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().expect("no writer fails")).collect()
    })
}

fn send(connection: &mut Connection, request: &Request) -> Answer {
    connection.send(request).expect("the server answers")
}

/// The writer whose request was done. All others must have been refused because of it.
fn only_winner(answers: &[Answer]) -> usize {
    let mut winners = Vec::new();
    for (writer, answer) in answers.iter().enumerate() {
        match (answer.status, answer.header("x-amzn-errortype")) {
            (201, None) => winners.push(writer),
            (409, Some("ResourceConflictException")) => {}
            (status, _) => panic!("writer {writer} was answered {status}: {}", answer.text()),
        }
    }
    let [winner] = winners.as_slice() else { panic!("done for the writers {winners:?}") };
    *winner
}

/// A function that is never invoked.
fn create_idle(server: &Server, name: &str) {
    server.create(name, &provided(&[("bootstrap", 0o755, b"#!/bin/sh\n")]), json!({}));
}

/// A request that permits something to the account of this number.
fn permission(function: &str, statement: &str, account: usize) -> Request {
    let path = format!("{FUNCTIONS}/{function}/policy");
    Request::new("POST", path).json(&json!({
        "StatementId": statement,
        "Action": "lambda:InvokeFunction",
        "Principal": format!("{account:012}"),
    }))
}

/// The statements of a function's policy.
fn statements(server: &Server, function: &str) -> Vec<Value> {
    let policy = server.get(&format!("{FUNCTIONS}/{function}/policy")).json();
    let document: Value = policy["Policy"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    document["Statement"].as_array().cloned().unwrap_or_default()
}

/// What each version of a function is, without `$LATEST`.
fn published(server: &Server, function: &str) -> Vec<Value> {
    let listed = server.get(&format!("{FUNCTIONS}/{function}/versions")).json();
    let versions = listed["Versions"].as_array().cloned().unwrap_or_default();
    versions.into_iter().filter(|version| version["Version"] != "$LATEST").collect()
}

#[test]
fn of_many_who_create_one_function_one_does() {
    let server = Server::start();
    let code = behaves();
    let answers = at_once(&server, |writer, connection| {
        let settings = json!({ "Description": format!("of writer {writer}") });
        let body = Server::creation("wanted", &code, settings);
        send(connection, &Request::new("POST", FUNCTIONS).json(&body))
    });
    let winner = only_winner(&answers);
    server.wait_settled("wanted");
    let listed = server.get(FUNCTIONS).json();
    let functions = listed["Functions"].as_array().cloned().unwrap_or_default();
    assert_eq!(functions.len(), 1, "{listed}");
    assert_eq!(functions[0]["Description"], format!("of writer {winner}"));
    assert_eq!(server.invoke("wanted", &json!({})).good()["calls"], 1);
}

#[test]
fn of_many_who_add_one_statement_one_does_and_different_ones_are_all_kept() {
    let server = Server::start();
    create_idle(&server, "shared");
    let answers = at_once(&server, |writer, connection| {
        send(connection, &permission("shared", "same", writer))
    });
    let winner = only_winner(&answers);
    let kept = statements(&server, "shared");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0]["Principal"]["AWS"], format!("arn:aws:iam::{winner:012}:root"));

    let answers = at_once(&server, |writer, connection| {
        send(connection, &permission("shared", &format!("s{writer}"), writer))
    });
    for (writer, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, 201, "writer {writer}: {}", answer.text());
    }
    let kept = statements(&server, "shared");
    assert_eq!(kept.len(), 1 + WRITERS, "{kept:?}");
    for writer in 0..WRITERS {
        let id = format!("s{writer}");
        let found: Vec<&Value> = kept.iter().filter(|one| one["Sid"] == id.as_str()).collect();
        assert_eq!(found.len(), 1, "the statement {id} in {kept:?}");
    }
}

#[test]
fn many_who_publish_get_numbers_without_gaps_and_without_repetitions() {
    let server = Server::start();
    create_idle(&server, "published");

    let publish = Request::new("POST", format!("{FUNCTIONS}/published/versions")).json(&json!({}));
    for answer in at_once(&server, |_writer, connection| send(connection, &publish)) {
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(answer.json()["Version"], "1", "what has not changed is published once");
    }
    assert_eq!(published(&server, "published").len(), 1);

    let mut answers = at_once(&server, |writer, connection| {
        let script = format!("#!/bin/sh\n# {writer}\n");
        let code = zip(&[("bootstrap", 0o755, script.as_bytes())]);
        let body = json!({ "ZipFile": STANDARD.encode(code), "Publish": true });
        let update = Request::new("PUT", format!("{FUNCTIONS}/published/code")).json(&body);
        eventually("nobody else is changing the function", 30, || {
            let answer = send(connection, &update);
            assert!([200, 409].contains(&answer.status), "{}", answer.text());
            (answer.status == 200).then(|| answer.json())
        })
    });
    server.wait_settled("published");
    let number = |version: &Value| -> Option<usize> { version["Version"].as_str()?.parse().ok() };
    answers.sort_by_key(number);
    let numbers: Vec<Option<usize>> = answers.iter().map(number).collect();
    let expected: Vec<Option<usize>> = (2..2 + WRITERS).map(Some).collect();
    assert_eq!(numbers, expected);
    let code = |versions: &[Value]| -> Vec<Value> {
        versions.iter().map(|version| version["CodeSha256"].clone()).collect()
    };
    let listed = published(&server, "published");
    assert_eq!(code(&listed[1..]), code(&answers), "each version has its own writer's code");
}

/// Somebody who changes one thing again and again, step by step.
struct Changes {
    what: &'static str,
    /// The request of the step behind so many others.
    request: fn(u64) -> Request,
    /// How the thing looks after so many steps.
    after: fn(u64) -> Value,
    /// How it looks.
    found: fn(&Server) -> Value,
}

fn changes() -> [Changes; 5] {
    [
        Changes {
            what: "an alias",
            request: alias_step,
            after: |steps| if steps.is_multiple_of(3) { Value::Null } else { last_step(steps) },
            found: |server| {
                let path = format!("{FUNCTIONS}/kept/aliases/moving");
                server.get(&path).json()["Description"].clone()
            },
        },
        Changes {
            what: "a policy",
            request: |step| match step % 2 {
                0 => permission("kept", &format!("s{step}"), 1),
                _ => {
                    let before = step - 1;
                    Request::new("DELETE", format!("{FUNCTIONS}/kept/policy/s{before}"))
                }
            },
            after: |steps| match steps % 2 {
                0 => json!([]),
                _ => json!([format!("s{}", steps - 1)]),
            },
            found: |server| {
                let statements = statements(server, "kept");
                statements.iter().map(|statement| statement["Sid"].clone()).collect()
            },
        },
        Changes {
            what: "tags",
            request: |step| {
                Request::new("POST", TAGS).json(&json!({ "Tags": { "step": step.to_string() } }))
            },
            after: last_step,
            found: |server| server.get(TAGS).json()["Tags"]["step"].clone(),
        },
        Changes {
            what: "a layer",
            request: |step| {
                let text = step.to_string();
                let archive = STANDARD.encode(zip(&[("tool.txt", 0o644, text.as_bytes())]));
                let body = json!({ "Description": text, "Content": { "ZipFile": archive } });
                Request::new("POST", LAYER).json(&body)
            },
            // The number of the newest version says how many there have been.
            after: |steps| match steps {
                0 => json!([null, null]),
                _ => json!([steps, last_step(steps)]),
            },
            found: |server| {
                let newest = server.get(LAYER).json()["LayerVersions"][0].clone();
                json!([newest["Version"], newest["Description"]])
            },
        },
        Changes {
            what: "code",
            request: |step| {
                let archive = STANDARD.encode(behaves_as_version(&step.to_string()).zip);
                let path = format!("{FUNCTIONS}/changing/code");
                Request::new("PUT", path).json(&json!({ "ZipFile": archive }))
            },
            after: |steps| if steps == 0 { json!("first") } else { last_step(steps) },
            found: |server| {
                server.wait_settled("changing");
                server.invoke("changing", &json!({ "do": "version" })).good()
            },
        },
    ]
}

/// The number of the last of so many steps, as text; `null` if there was none.
fn last_step(steps: u64) -> Value {
    steps.checked_sub(1).map(|step| step.to_string()).into()
}

/// Creates an alias, then changes it, then deletes it, and so on.
fn alias_step(step: u64) -> Request {
    let all = format!("{FUNCTIONS}/kept/aliases");
    let one = format!("{all}/moving");
    let description = step.to_string();
    match step % 3 {
        0 => Request::new("POST", all).json(&json!({
            "Name": "moving", "FunctionVersion": "1", "Description": description,
        })),
        1 => Request::new("PUT", one).json(&json!({ "Description": description })),
        _ => Request::new("DELETE", one),
    }
}

/// Goes on changing until the server is gone. Counts the steps that were answered.
fn go_on(changes: &Changes, address: SocketAddr, steps: &AtomicU64) {
    let Ok(mut connection) = Connection::open(address) else { return };
    loop {
        let step = steps.load(Ordering::Relaxed);
        let Ok(answer) = connection.send(&(changes.request)(step)) else { return };
        match answer.status {
            200..=299 => steps.store(step + 1, Ordering::Relaxed),
            // The step before is still being finished.
            409 => {}
            _ => panic!("{}, step {step}: {} {}", changes.what, answer.status, answer.text()),
        }
    }
}

/// Lets everybody make a few steps and kills the server in the middle of others.
fn kill_amid(changes: &[Changes], steps: &[AtomicU64], server: Server) -> Place {
    let address = server.address;
    let wanted: Vec<u64> = steps.iter().map(|steps| steps.load(Ordering::Relaxed) + 5).collect();
    thread::scope(|scope| {
        for (changes, steps) in changes.iter().zip(steps) {
            scope.spawn(move || go_on(changes, address, steps));
        }
        eventually("everybody has made a few steps", 30, || {
            let mut both = steps.iter().zip(&wanted);
            both.all(|(steps, wanted)| steps.load(Ordering::Relaxed) >= *wanted).then_some(())
        });
        server.kill()
    })
}

#[test]
fn a_server_that_is_killed_amid_changes_keeps_what_it_has_answered_and_nothing_by_halves() {
    let mut server = Server::start();
    create_idle(&server, "kept");
    let publish = Request::new("POST", format!("{FUNCTIONS}/kept/versions")).json(&json!({}));
    assert_eq!(server.send(&publish).status, 201);
    server.create("changing", &behaves_as_version("first"), json!({}));

    let changes = changes();
    let steps: [AtomicU64; 5] = Default::default();
    for _round in 0..3 {
        server = Server::start_at(kill_amid(&changes, &steps, server));
        server.wait_settled("kept");
        for (changes, steps) in changes.iter().zip(&steps) {
            let answered = steps.load(Ordering::Relaxed);
            let found = (changes.found)(&server);
            // The step that was not answered may have been done, and then wholly.
            let mut possible = [answered, answered + 1].into_iter();
            let done = possible.find(|steps| (changes.after)(*steps) == found);
            let done = done.unwrap_or_else(|| {
                panic!("{} after {answered} answered steps is {found}", changes.what)
            });
            steps.store(done, Ordering::Relaxed);
        }
    }
    assert_eq!(published(&server, "kept").len(), 1);
}
