//! The figures at `/_hearth/metrics`, and `hearth events`: what is seen of asynchronous events.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::functions::behaves;
use crate::harness::{Server, eventually, hearth};
use crate::http::Request;
use crate::tools::source;

/// The values of the page, by name and labels as they are written.
pub(crate) fn figures(server: &Server) -> BTreeMap<String, f64> {
    let answer = server.get("/_hearth/metrics");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let kind = answer.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let read = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("`{line}`"));
        let value = value.parse().unwrap_or_else(|_| panic!("`{line}` has no number"));
        (name.to_owned(), value)
    });
    read.collect()
}

/// Waits until a value is as wanted.
pub(crate) fn wait_for(server: &Server, name: &str, wanted: f64) {
    eventually(&format!("{name} is {wanted}"), 60, || {
        let found = figures(server).get(name).copied().unwrap_or(f64::NAN);
        (found == wanted).then_some(())
    });
}

/// Invokes a function for later.
fn send_event(server: &Server, function: &str, event: &Value) {
    let request = Request::invocation(function, event).header("x-amz-invocation-type", "Event");
    let answer = server.send(&request);
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// A function that fails on an event is not given a second one.
fn without_retries(server: &Server, function: &str) {
    let path = format!("/2019-09-25/functions/{function}/event-invoke-config");
    let settings = json!({ "MaximumRetryAttempts": 0 });
    let answer = server.send(&Request::new("PUT", path).json(&settings));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Runs a command that talks to a server, and checks its exit code. What it printed: the result,
/// and what is beside it.
fn command(server: &Server, arguments: &[&str], code: i32) -> (String, String) {
    let mut command = hearth();
    command.env("HEARTH_ENDPOINT", server.endpoint()).arg("events").args(arguments);
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(code), "{arguments:?}: {out}\n{err}");
    (out.into_owned(), err.into_owned())
}

#[test]
fn calls_and_events_are_counted_under_the_names_that_aws_has_for_them() {
    let server = Server::start();
    server.create("counted", &behaves(), json!({}));
    server.invoke("counted", &json!({})).good();
    assert_eq!(server.invoke("counted", &json!({ "do": "fail" })).status, 200);
    let labels = "{function_name=\"counted\",executed_version=\"$LATEST\"}";
    wait_for(&server, &format!("aws_lambda_invocations_total{labels}"), 2.0);
    wait_for(&server, &format!("aws_lambda_errors_total{labels}"), 1.0);
    wait_for(&server, &format!("hearth_cold_starts_total{labels}"), 1.0);
    let shown = figures(&server);
    assert!(shown["hearth_memory_max_bytes"] > 0.0 && shown["hearth_uptime_seconds"] > 0.0);

    send_event(&server, "counted", &json!({ "do": "echo" }));
    let labels = "{function_name=\"counted\"}";
    wait_for(&server, &format!("aws_lambda_async_events_received_total{labels}"), 1.0);
    wait_for(&server, &format!("aws_lambda_async_event_age_seconds_count{labels}"), 1.0);
    let bucket = "aws_lambda_async_event_age_seconds_bucket";
    wait_for(&server, &format!("{bucket}{{function_name=\"counted\",le=\"21600\"}}"), 1.0);
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let server = Server::start();
    let page = server.get("/_hearth/metrics").text();
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let shown: BTreeSet<&str> = types.filter_map(|line| line.split(' ').next()).collect();
    let document = source("../../../docs/monitoring.md");
    let document = fs::read_to_string(document).expect("the document is where it was");
    // The names stand at the beginning of the rows of the tables.
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| row.split('`').next());
    let documented: BTreeSet<&str> =
        names.filter(|name| name.starts_with("aws_") || name.starts_with("hearth_")).collect();
    assert_eq!(shown, documented);
}

#[test]
fn what_waits_and_what_failed_is_counted() {
    let server = Server::start();
    server.create("slow", &behaves(), json!({ "Timeout": 60 }));
    let path = "/2017-10-31/functions/slow/concurrency";
    let one = json!({ "ReservedConcurrentExecutions": 1 });
    assert_eq!(server.send(&Request::new("PUT", path).json(&one)).status, 200);
    without_retries(&server, "slow");
    send_event(&server, "slow", &json!({ "do": "sleep", "seconds": 6 }));
    server.wait_for_line("slow", "begun");
    send_event(&server, "slow", &json!({ "do": "fail" }));
    // The second one waits, or is held back because there is no room for it.
    eventually("two events are in the queue", 30, || {
        let shown = figures(&server);
        let of = |state: &str| {
            let name = format!("hearth_async_events{{function_name=\"slow\",state=\"{state}\"}}");
            shown.get(&name).copied().unwrap_or(0.0)
        };
        (of("running") + of("waiting") + of("delayed") == 2.0).then_some(())
    });
    wait_for(&server, "hearth_async_events_failed{function_name=\"slow\"}", 1.0);
    wait_for(&server, "hearth_async_events{function_name=\"slow\",state=\"waiting\"}", 0.0);
}

#[test]
fn events_are_listed_shown_replayed_and_forgotten() {
    let server = Server::start();
    server.create("fails", &behaves(), json!({}));
    let (out, err) = command(&server, &[], 0);
    assert!(out.is_empty() && err.contains("--invocation-type Event"), "{out}{err}");
    without_retries(&server, "fails");
    let event = json!({ "do": "fail", "number": 1 });
    send_event(&server, "fails", &event);
    let failed = |count: &str| {
        eventually(&format!("{count} events have failed"), 60, || {
            let (out, _) = command(&server, &[], 0);
            let row = out.lines().find(|line| line.starts_with("fails "))?;
            let columns: Vec<&str> = row.split_whitespace().collect();
            (columns == ["fails", "0", "0", "0", count]).then_some(())
        });
    };
    failed("1");

    let (out, err) = command(&server, &["fails", "--state", "failed"], 0);
    assert!(err.contains("fails: 0 waiting") && err.contains("1 failed"), "{err}");
    let row = out.lines().nth(1).unwrap_or_default();
    assert!(row.contains(" failed ") && row.contains("no"), "{out}");
    let id = row.split_whitespace().next().expect("an event has an id");

    let (payload, _) = command(&server, &["show", "fails", id], 0);
    assert_eq!(serde_json::from_str::<Value>(&payload).ok(), Some(event));
    let (_, err) = command(&server, &["show", "fails", "999999"], 1);
    assert!(err.contains("`hearth events fails` lists"), "{err}");

    let (_, err) = command(&server, &["replay", "fails", id], 0);
    assert!(err.contains("Replayed 1 event"), "{err}");
    eventually("the replayed event ran", 60, || {
        let ran = server.logs("fails").iter().filter(|line| line.starts_with("START ")).count();
        (ran == 2).then_some(())
    });
    failed("1");
    let (_, err) = command(&server, &["replay", "fails", id], 1);
    assert!(err.contains("--state failed"), "an id is of one failure only: {err}");

    let (_, err) = command(&server, &["replay", "fails", "--all"], 0);
    assert!(err.contains("Replayed 1 event"), "{err}");
    failed("1");
    let (_, err) = command(&server, &["purge", "fails"], 0);
    assert!(err.contains("Forgot 1 event"), "{err}");
    let (out, _) = command(&server, &[], 0);
    assert!(!out.contains("fails"), "{out}");
}

#[test]
fn a_wrong_command_says_what_is_right() {
    let server = Server::start();
    #[rustfmt::skip]
    let rows: [(&[&str], i32, &str); 4] = [
        (&["nobody"],                      1, "ResourceNotFoundException"),
        (&["--state", "failed"],           1, "hearth events FUNCTION --state failed"),
        (&["f", "purge", "f"],             1, "name the function behind the action"),
        (&["replay", "f"],                 2, "events replay"),
    ];
    for (arguments, code, said) in rows {
        let (out, err) = command(&server, arguments, code);
        assert!(out.is_empty() && err.contains(said), "{arguments:?}: {out}\n{err}");
    }
}
