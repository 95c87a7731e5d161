//! Queues as event sources: the guide, the command that shows what they do, over a restart, and how
//! soon a message is there. What each option does is tried by `clients/api/sources_sqs.py`, kills are
//! in `kill_sources.rs`, and queues of another server in `elsewhere.rs`.

use serde_json::{Value, json};

use crate::clients::run_guide;
use crate::functions::batches;
use crate::harness::{Server, eventually, hearth};
use crate::http::Request;
use crate::reports::{message, queue_call};

/// Makes a queue, a function and a mapping between them. Returns the UUID.
fn prepare(server: &Server, name: &str) -> String {
    let created = server.send(&queue_call("CreateQueue", &json!({ "QueueName": name })));
    assert_eq!(created.status, 200, "{}", created.text());
    server.create(name, &batches(), json!({ "Timeout": 20 }));
    let mapping = json!({
        "FunctionName": name,
        "EventSourceArn": format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
    });
    let made =
        server.send(&Request::new("POST", "/2015-03-31/event-source-mappings").json(&mapping));
    assert_eq!(made.status, 202, "{}", made.text());
    made.json()["UUID"].as_str().expect("a mapping has a UUID").to_owned()
}

fn shown(server: &Server, uuid: &str) -> Value {
    server.get(&format!("/_hearth/sources/{uuid}")).json()
}

fn wait_for(server: &Server, uuid: &str, deleted: u64) {
    eventually(&format!("{deleted} messages were deleted"), 60, || {
        (shown(server, uuid)["progress"]["deleted"] == deleted).then_some(())
    });
}

#[test]
fn hearth_sources_shows_what_mappings_do() {
    let server = Server::start();
    let run = |arguments: &[&str]| {
        let mut command = hearth();
        command.env("HEARTH_ENDPOINT", server.endpoint()).arg("sources").args(arguments);
        let output = command.output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = run(&[]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    assert!(err.contains("There are no event source mappings"), "{err}");

    let uuid = prepare(&server, "seen");
    assert_eq!(server.send(&message("seen", "hello")).status, 200);
    wait_for(&server, &uuid, 1);
    let (code, out, err) = run(&[]);
    assert_eq!(code, Some(0), "{err}");
    let line = out.lines().find(|line| line.starts_with(&uuid)).expect("it is listed");
    for expected in ["seen", "Enabled", "OK"] {
        assert!(line.contains(expected), "{expected} in {line}");
    }
    let (code, out, err) = run(&["show", &uuid]);
    assert_eq!(code, Some(0), "{err}");
    let one: Value = serde_json::from_str(&out).expect("it is JSON");
    assert_eq!(one["progress"]["polled"], 1, "{out}");
    let (code, _, err) = run(&["show", "nobody"]);
    assert_eq!(code, Some(1), "{err}");
}

#[test]
fn mappings_are_read_again_after_a_restart() {
    let server = Server::start();
    let uuid = prepare(&server, "again");
    assert_eq!(server.send(&message("again", "before")).status, 200);
    wait_for(&server, &uuid, 1);
    let (ended, place) = server.stop();
    assert!(ended.is_some_and(|status| status.success()));
    let server = Server::start_at(place);
    assert_eq!(server.send(&message("again", "behind")).status, 200);
    wait_for(&server, &uuid, 1);
    server.wait_for_line("again", "behind");
}

#[test]
fn the_commands_of_the_guide_to_queues_as_sources_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "event-sources-sqs");
    for expected in [
        "worked on order 1",
        "worked on order 3",
        "order 2 is broken",
        "\"filteredOut\":1",
        "Disabled",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
