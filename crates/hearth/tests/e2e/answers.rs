//! What a runtime answers with, within the rules of the Runtime API and against them.

use serde_json::{Value, json};

use crate::functions::{behaves, raw_loop};
use crate::harness::{Server, now};
use crate::http::Request;

/// AWS: six megabytes, and a hundred bytes more.
const RESPONSE_BYTES_MAX: usize = 6 * 1024 * 1024 + 100;

#[test]
fn an_answer_may_have_six_megabytes_and_not_much_more() {
    let server = Server::start();
    server.create("large", &behaves(), json!({ "MemorySize": 1024, "Timeout": 30 }));
    let largest = server.invoke("large", &json!({ "do": "large", "bytes": RESPONSE_BYTES_MAX }));
    let text = largest.good();
    assert_eq!(text.as_str().map(str::len), Some(RESPONSE_BYTES_MAX - 2));

    let refused =
        server.invoke("large", &json!({ "do": "large", "bytes": RESPONSE_BYTES_MAX + 1 }));
    assert_eq!((refused.status, refused.error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(refused.error_type(), "Function.ResponseSizeTooLarge");
    assert!(refused.message().contains("(6291556 bytes)"), "{}", refused.message());
    server.invoke("large", &json!({})).good();
}

#[test]
fn a_runtime_that_answers_wrongly_is_told_so_and_its_caller_is_not_harmed() {
    let refused = json!("InvalidStateTransition");
    let unknown = json!("InvalidRequestID");
    #[rustfmt::skip]
    let rows = [
        ("twice",      json!("first"),           json!([[403, refused]])),
        ("other",      json!("mine"),            json!([[400, unknown], [400, unknown]])),
        ("early",      json!("late"),            json!([[403, refused]])),
        ("init error", json!("loaded long ago"), json!([[403, refused]])),
        ("unknown",    json!("nothing there"),   json!([[404, Value::Null]])),
    ];
    let server = Server::start();
    server.create("raw", &raw_loop(), json!({}));
    for (what, answer, seen) in rows {
        assert_eq!(server.invoke("raw", &json!({ "do": what })).good(), answer, "{what}");
        assert_eq!(server.invoke("raw", &json!({ "do": "seen" })).good(), seen, "{what}");
    }
}

#[test]
fn an_error_and_a_broken_answer_reach_the_caller_as_errors() {
    let server = Server::start();
    server.create("raw", &raw_loop(), json!({}));
    let own = server.invoke("raw", &json!({ "do": "error" }));
    assert_eq!((own.status, own.error.as_deref()), (200, Some("Unhandled")));
    assert_eq!((own.error_type(), own.message()), ("Own.Error", "of my own"));

    let cut = server.invoke("raw", &json!({ "do": "cut" }));
    assert_eq!((cut.status, cut.error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(cut.error_type(), "Runtime.TruncatedResponse", "{}", cut.payload);
    assert_eq!(server.invoke("raw", &json!({ "do": "seen" })).good(), json!([]));
}

#[test]
fn every_line_is_kept_in_its_order() {
    let server = Server::start();
    server.create("writes", &behaves(), json!({ "MemorySize": 1024, "Timeout": 30 }));
    let invoked = server.invoke("writes", &json!({ "do": "write", "lines": 20_000 }));
    assert!(invoked.log.len() <= 4096, "only the end of the log comes with the answer");
    assert!(invoked.log.contains("line 19999\n"), "{}", invoked.log);
    invoked.good();

    let lines = server.logs("writes");
    let written: Vec<&String> = lines.iter().filter(|line| line.starts_with("line ")).collect();
    assert_eq!(written.len(), 20_000);
    for (number, line) in written.into_iter().enumerate() {
        assert_eq!(line, &format!("line {number}\n"));
    }
}

#[test]
fn the_timeline_of_an_invocation_is_told_when_it_is_asked_for() {
    let server = Server::start();
    server.create("timed", &behaves(), json!({}));
    let began = now();
    let asked = Request::invocation("timed", &json!({})).header("x-hearth-timeline", "1");
    let cold = server.send(&asked);
    let elapsed_ms = began.elapsed().as_secs_f64() * 1_000.0;
    let timeline: Value =
        serde_json::from_str(cold.header("x-hearth-timeline").unwrap_or_default())
            .expect("the timeline is JSON");
    let total = timeline["totalMs"].as_f64().expect("there is a total");
    assert!(total <= elapsed_ms, "{total} of {elapsed_ms}");
    for part in ["queuedMs", "wallsMs", "initMs", "handlerMs"] {
        let part_ms = timeline[part].as_f64().unwrap_or_else(|| panic!("{part} in {timeline}"));
        assert!((0.0..=total).contains(&part_ms), "{part} in {timeline}");
    }
    let warm = server.send(&asked);
    let warm: Value = serde_json::from_str(warm.header("x-hearth-timeline").unwrap_or_default())
        .expect("the timeline is JSON");
    assert_eq!((&warm["wallsMs"], &warm["initMs"]), (&Value::Null, &Value::Null));
    assert_eq!(
        server.send(&Request::invocation("timed", &json!({}))).header("x-hearth-timeline"),
        None
    );
}
