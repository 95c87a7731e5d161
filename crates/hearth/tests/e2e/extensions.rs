//! Extensions: processes beside the runtime, threads within it, what they hear of, and what becomes
//! of a function whose extension fails.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::functions::{behaves, extension_layer, with_internal_extension, zip};
use crate::harness::{Server, eventually, now};
use crate::http::Request;
use crate::tools;

/// Publishes the layer with the extension, and returns its ARN.
fn publish_layer(server: &Server, mode: u32) -> String {
    publish(server, &extension_layer(mode))
}

fn publish(server: &Server, layer: &[u8]) -> String {
    let content = json!({ "ZipFile": STANDARD.encode(layer) });
    let request = Request::new("POST", "/2018-10-31/layers/extension/versions");
    let answer = server.send(&request.json(&json!({ "Content": content })));
    assert_eq!(answer.status, 201, "the layer was not published: {}", answer.text());
    let arn = answer.json()["LayerVersionArn"].as_str().map(str::to_owned);
    arn.expect("a layer version has an ARN")
}

/// A function with the extension, which does this.
fn create(server: &Server, name: &str, does: &str, timeout_seconds: u32) {
    let settings = json!({
        "Layers": [publish_layer(server, 0o755)],
        "Environment": { "Variables": { "EXTENSION_DOES": does } },
        "MemorySize": 512,
        "Timeout": timeout_seconds,
    });
    server.create(name, &behaves(), settings);
}

/// Whether a function has logged a line with this in it.
fn has_logged(server: &Server, name: &str, text: &str) -> bool {
    server.logs(name).iter().any(|line| line.contains(text))
}

#[test]
fn an_external_extension_is_told_who_it_is_with_and_hears_of_each_invocation() {
    let server = Server::start();
    create(&server, "extended", "listen", 10);
    for _call in 0..2 {
        let answer = server.invoke("extended", &json!({})).good();
        let id = answer["requestId"].as_str().expect("the function says its request");
        server.wait_for_line("extended", &format!("outer hears INVOKE {id}"));
    }
    let told = json!({
        "accountId": "000000000000",
        "functionName": "extended",
        "functionVersion": "$LATEST",
        "handler": "handler.handler",
    });
    server.wait_for_line("extended", &format!("outer is told {}", spaced(&told)));
    assert!(has_logged(&server, "extended", "outer finds 0 hidden variables"));
    let ready = "EXTENSION\tName: outer\tState: Ready\tEvents: [INVOKE, SHUTDOWN]";
    assert!(has_logged(&server, "extended", ready));
}

/// JSON as Python writes it: with a space behind each colon and comma.
fn spaced(value: &Value) -> String {
    let rows = value.as_object().into_iter().flatten();
    let rows: Vec<String> = rows.map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", rows.join(", "))
}

#[test]
fn each_end_of_an_environment_is_told_with_its_reason() {
    let server = Server::start();
    create(&server, "ended", "listen", 5);
    #[rustfmt::skip]
    let rows = [
        ("timeout", json!({ "do": "sleep", "seconds": 60 })),
        ("failure", json!({ "do": "leave", "status": 3 })),
    ];
    for (reason, event) in rows {
        let failed = server.invoke("ended", &event);
        assert_eq!(failed.error.as_deref(), Some("Unhandled"), "{reason}");
        server.wait_for_line("ended", &format!("outer hears SHUTDOWN {reason}"));
        server.invoke("ended", &json!({})).good();
    }
    // New code retires the environment of the old one, which is frozen by then.
    server.update_code("ended", &behaves());
    server.wait_for_line("ended", "outer hears SHUTDOWN spindown");
}

#[test]
fn a_server_that_stops_tells_extensions_first() {
    let server = Server::start();
    create(&server, "stopped", "listen", 10);
    server.invoke("stopped", &json!({})).good();
    let (ended, place) = server.stop();
    assert!(ended.is_some_and(|status| status.success()));
    let server = Server::start_at(place);
    server.wait_for_line("stopped", "outer hears SHUTDOWN spindown");
}

#[test]
fn an_extension_that_crashes_fails_the_invocation() {
    let server = Server::start();
    create(&server, "crashing", "crash", 30);
    let failed = server.invoke("crashing", &json!({ "do": "sleep", "seconds": 20 }));
    assert_eq!((failed.status, failed.error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(failed.error_type(), "Extension.Crash", "{}", failed.payload);
    assert!(failed.message().ends_with(" Error: exit status 7"), "{}", failed.message());
    let status = "\tStatus: error\tError Type: Extension.Crash\t";
    assert!(failed.report().contains(status), "{}", failed.report());
}

#[test]
fn an_extension_that_cannot_be_started_is_named() {
    let server = Server::start();
    let settings = json!({ "Layers": [publish_layer(&server, 0o644)] });
    server.create("denied", &behaves(), settings);
    let failed = server.invoke("denied", &json!({}));
    assert_eq!(failed.error_type(), "Extension.LaunchError", "{}", failed.payload);
    let message = " Error: fork/exec /opt/extensions/outer: permission denied";
    assert!(failed.message().ends_with(message), "{}", failed.message());
}

#[test]
fn an_extension_that_never_registers_takes_all_the_time_there_is() {
    let server = Server::start();
    create(&server, "hanging", "hang", 1);
    let failed = server.invoke("hanging", &json!({}));
    assert_eq!(failed.error_type(), "Sandbox.Timedout", "{}", failed.payload);
    let logs = server.logs("hanging").concat();
    assert!(logs.contains("\tPhase: init\tStatus: timeout"), "{logs}");
    assert!(logs.contains("EXTENSION\tName: outer\tState: Started\tEvents: []"), "{logs}");
}

#[test]
fn the_caller_does_not_wait_for_an_extension_but_the_environment_does() {
    let server = Server::start();
    create(&server, "stalling", "stall", 3);
    // Without the end of the log, which has the report in it, nothing keeps the answer back.
    let began = now();
    let answer = server.send(&Request::invocation("stalling", &json!({})));
    assert_eq!((answer.status, answer.header("x-amz-function-error")), (200, None));
    assert_eq!(answer.json()["calls"], 1);
    assert!(!has_logged(&server, "stalling", "REPORT RequestId: "), "after {:?}", began.elapsed());
    server.wait_for_line("stalling", "\tStatus: timeout\t");
}

#[test]
fn an_internal_extension_hears_of_invocations_and_makes_the_end_gentle() {
    let server = Server::start();
    server.create("inner", &with_internal_extension(), json!({ "MemorySize": 512 }));
    let answer = server.invoke("inner", &json!({})).good();
    assert_eq!(answer["refused"], json!([403, "Extension.InvalidEventType"]));
    assert_eq!(answer["late"], json!([403, "Extension.RegistrationClosed"]));
    assert_eq!(answer["told"]["functionName"], "inner");
    assert_eq!(answer["told"]["accountId"], Value::Null, "it did not ask for that");
    let first = json!(["INVOKE", answer["requestId"]]);
    eventually("the extension has heard of the first invocation", 30, || {
        let heard = server.invoke("inner", &json!({})).good()["heard"].clone();
        heard.as_array().is_some_and(|heard| heard.contains(&first)).then_some(())
    });
    server.update_code("inner", &behaves());
    server.wait_for_line("inner", "hears SIGTERM");
}

/// Waits until a function has written a line, and invokes it meanwhile: an environment is frozen a
/// short while after its work, and on a busy machine its extensions go on only with the next.
fn invoked_until(server: &Server, name: &str, event: &Value, line: &str) {
    eventually(&format!("{name} has written `{line}`"), 30, || {
        let has_written = has_logged(server, name, line);
        if !has_written {
            server.invoke(name, event).good();
        }
        has_written.then_some(())
    });
}

#[test]
fn a_subscriber_is_sent_what_the_platform_does_and_what_the_function_writes() {
    let server = Server::start();
    create(&server, "observed", "subscribe", 10);
    let event = json!({ "do": "write", "lines": 2 });
    server.invoke("observed", &event).good();
    server.invoke("observed", &event).good();
    assert!(has_logged(&server, "observed", "outer subscribes: 200 \"OK\""));
    for kind in [
        "platform.initStart",
        "platform.initRuntimeDone",
        "platform.initReport",
        "platform.extension",
        "platform.telemetrySubscription",
        "platform.start",
        "function line 1",
        "platform.runtimeDone",
        "platform.report",
    ] {
        invoked_until(&server, "observed", &event, &format!("outer is sent {kind}"));
    }
    let report = eventually("the report of the first invocation is sent", 30, || {
        let lines = server.logs("observed");
        let sent = lines.iter().find_map(|line| line.split_once("outer is sent platform.report "));
        sent.map(|(_, record)| serde_json::from_str::<Value>(record).expect("it is JSON"))
    });
    assert_eq!(report["status"], "success");
    assert_eq!(report["metrics"]["memorySizeMB"], 512);
    for figure in ["durationMs", "billedDurationMs", "maxMemoryUsedMB", "initDurationMs"] {
        assert!(report["metrics"][figure].is_number(), "{figure}: {report}");
    }
    let written = server.logs("observed").concat();
    assert!(written.contains("\nline 0\n") || written.starts_with("line 0\n"), "{written}");
}

#[test]
fn an_extension_with_awss_crate_hears_of_everything() {
    let program = fs::read(tools::rust_watcher()).expect("it was built");
    let server = Server::start();
    let layer = publish(&server, &zip(&[("extensions/watcher", 0o755, &program)]));
    let settings = json!({ "Layers": [layer], "MemorySize": 512, "Timeout": 10 });
    server.create("watched", &behaves(), settings);
    let event = json!({ "do": "write", "lines": 1 });
    for _call in 0..2 {
        let answer = server.invoke("watched", &event);
        assert_eq!(answer.status, 200, "{}", answer.payload);
    }
    for line in
        ["watcher hears INVOKE ", "watcher is sent `line 0", "watcher is sent the report of "]
    {
        invoked_until(&server, "watched", &event, line);
    }
    server.update_code("watched", &behaves());
    server.wait_for_line("watched", "watcher hears SHUTDOWN spindown");
}
