//! Buckets: as their guide shows them, and when the server is killed.

use std::thread;

use crate::clients::run_guide;
use crate::harness::Server;
use crate::http::{Connection, Request};

/// Those who put at the same moment.
const CLIENTS: usize = 8;
/// What each of them puts.
const OBJECTS: usize = 50;

fn request(method: &'static str, path: &str, body: &[u8]) -> Request {
    // Version 2 of the signature, which no other service takes. It is not checked.
    Request::new(method, path).header("authorization", "AWS test:unchecked").body(body.to_vec())
}

/// Small ones are kept beside their records, and large ones in files.
fn content(client: usize, number: usize) -> Vec<u8> {
    let length = if number.is_multiple_of(10) { 100_000 } else { 1_000 };
    format!("{client}-{number} ").into_bytes().into_iter().cycle().take(length).collect()
}

#[test]
fn an_object_that_was_answered_is_there_when_the_server_was_killed_behind_it() {
    let server = Server::start();
    assert_eq!(server.send(&request("PUT", "/kept", b"")).status, 200);
    let address = server.address;
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let mut connection = Connection::open(address).expect("the server listens");
                for number in 0..OBJECTS {
                    let path = format!("/kept/{client}/{number}");
                    let put = request("PUT", &path, &content(client, number));
                    let answer = connection.send(&put).expect("the server is there");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    let server = Server::start_at(server.kill());
    for client in 0..CLIENTS {
        for number in 0..OBJECTS {
            let answer = server.send(&request("GET", &format!("/kept/{client}/{number}"), b""));
            assert_eq!(answer.status, 200, "{client} {number}: {}", answer.text());
            assert!(answer.body == content(client, number), "{client} {number}");
        }
    }
}

#[test]
fn the_commands_of_the_guide_to_buckets_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "buckets");
    for expected in [
        "site/pages/more.html",
        "large.bin is the same",
        "nothing was left to do",
        "from curl",
        "Request has expired",
        "the form was answered with 201",
        "https://app.example",
        "the oldest version is one",
        "the lock is mine",
        "PreconditionFailed",
        "rule-id=\\\"temporary\\\"",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
