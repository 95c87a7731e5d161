//! Clients that misbehave on the wire, and the others who must not notice.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::functions::hello_compiled;
use crate::harness::{Server, now};
use crate::http::{Connection, Request};

/// How long a call may take while others misbehave: on a quiet machine it takes a millisecond.
const UNDISTURBED: Duration = Duration::from_secs(5);

fn half_sent(server: &Server, begin: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("the server takes connections");
    stream.write_all(begin).expect("the beginning of a request can be sent");
    stream
}

#[test]
fn requests_that_never_end_stop_nobody_else() {
    let server = Server::start();
    server.create("served", &hello_compiled(), json!({}));
    let unfinished: &[(&str, &[u8])] = &[
        ("nothing", b""),
        ("half a request line", b"POST /2015-03-31/func"),
        ("half the headers", b"GET /2015-03-31/functions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "),
        ("half a body", b"POST /2015-03-31/functions/served/invocations HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{"),
        ("half a large body", b"POST /2015-03-31/functions HTTP/1.1\r\nhost: a\r\ncontent-length: 70000000\r\n\r\n{"),
    ];
    let mut held = Vec::new();
    for (what, begin) in unfinished {
        for _copy in 0..50 {
            held.push(half_sent(&server, begin));
        }
        let began = now();
        assert_eq!(server.invoke("served", &json!({})).status, 200, "{what}");
        assert!(began.elapsed() < UNDISTURBED, "{what}: {:?}", began.elapsed());
    }
    drop(held);
    assert_eq!(server.invoke("served", &json!({})).status, 200);
}

#[test]
fn what_is_not_http_is_answered_with_400_or_hung_up_on() {
    let server = Server::start();
    let rows: &[(&str, &[u8])] = &[
        ("binary", b"\x00\x01\x02\x03\r\n\r\n"),
        ("no version", b"GET /\r\n\r\n"),
        ("an odd header", b"GET / HTTP/1.1\r\nno colon here\r\n\r\n"),
        ("two lengths", b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}"),
        ("a negative length", b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n{}"),
    ];
    for (what, bytes) in rows {
        let mut stream = half_sent(&server, bytes);
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit can be set");
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
    }
    assert_eq!(server.get("/_hearth/health").status, 200);
}

#[test]
fn a_connection_is_kept_for_many_calls() {
    let server = Server::start();
    server.create("kept", &hello_compiled(), json!({}));
    let mut connection = Connection::open(server.address).expect("the server takes connections");
    for round in 0..100 {
        let event = json!({ "round": round });
        let answer = connection.send(&Request::invocation("kept", &event));
        let answer = answer.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!((answer.status, &answer.json()["event"]), (200, &event));
    }
}

#[test]
fn calls_at_the_same_time_do_not_get_each_others_answers() {
    let server = Server::start();
    server.create("crowd", &hello_compiled(), json!({}));
    thread::scope(|scope| {
        for client in 0..16 {
            let server = &server;
            scope.spawn(move || {
                let mut connection =
                    Connection::open(server.address).expect("the server takes connections");
                for round in 0..25 {
                    let event = json!({ "client": client, "round": round });
                    let answer = connection.send(&Request::invocation("crowd", &event));
                    let answer = answer.unwrap_or_else(|error| panic!("{event}: {error}"));
                    assert_eq!((answer.status, &answer.json()["event"]), (200, &event));
                }
            });
        }
    });
}
