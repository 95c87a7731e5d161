//! Which version an invocation reaches, and how many may run: aliases and concurrency, seen from
//! the functions themselves.

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value, json};

use crate::functions::{behaves_as_version, hello_compiled};
use crate::harness::{Server, eventually};
use crate::http::{Connection, Request};

/// A function with two published versions, whose code says `one` and `two`, and `three` in
/// `$LATEST`.
fn function_with_versions(server: &Server, name: &str) {
    server.create(name, &behaves_as_version("one"), json!({ "Timeout": 30 }));
    for (number, next) in [("1", "two"), ("2", "three")] {
        let versions = format!("/2015-03-31/functions/{name}/versions");
        let published = server.send(&Request::new("POST", versions).json(&json!({}))).json();
        assert_eq!(published["Version"], number, "{published}");
        server.update_code(name, &behaves_as_version(next));
        server.wait_settled(name);
    }
}

fn put_alias(server: &Server, method: &'static str, path: &str, alias: &Value) {
    let path = format!("/2015-03-31/functions/routed/aliases{path}");
    let answer = server.send(&Request::new(method, path).json(alias));
    assert!(answer.status < 300, "{}", answer.text());
}

#[test]
fn a_qualifier_leads_to_its_version_and_an_alias_is_moved_at_once() {
    let server = Server::start();
    function_with_versions(&server, "routed");
    put_alias(&server, "POST", "", &json!({ "Name": "live", "FunctionVersion": "1" }));
    let says = |name: &str| server.invoke(name, &json!({ "do": "version" })).good();
    for (name, expected) in [
        ("routed", "three"),
        ("routed:$LATEST", "three"),
        ("routed:1", "one"),
        ("routed:2", "two"),
        ("routed:live", "one"),
    ] {
        assert_eq!(says(name), expected, "{name}");
    }
    put_alias(&server, "PUT", "/live", &json!({ "FunctionVersion": "2" }));
    assert_eq!(says("routed:live"), "two");
}

#[test]
fn an_alias_with_weights_reaches_both_versions_about_as_often_as_it_says() {
    let server = Server::start();
    function_with_versions(&server, "routed");
    let weights = json!({ "AdditionalVersionWeights": { "2": 0.25 } });
    let alias = json!({ "Name": "live", "FunctionVersion": "1", "RoutingConfig": weights });
    put_alias(&server, "POST", "", &alias);

    let mut connection = Connection::open(server.address).expect("the server listens");
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..400 {
        let request = Request::invocation("routed:live", &json!({ "do": "version" }));
        let answer = connection.send(&request).expect("there is an answer");
        let version = answer.header("x-amz-executed-version").unwrap_or_default().to_owned();
        let expected = if version == "1" { "one" } else { "two" };
        assert_eq!(answer.json(), expected, "what ran is what the header says");
        *seen.entry(version).or_default() += 1;
    }
    // Ninety-nine of a hundred million fair draws are within this.
    let two = seen.get("2").copied().unwrap_or_default();
    assert!((50..=150).contains(&two), "a quarter of 400 should be 100: {seen:?}");

    put_alias(&server, "PUT", "/live", &json!({ "RoutingConfig": {} }));
    for _ in 0..20 {
        assert_eq!(server.invoke("routed:live", &json!({ "do": "version" })).good(), "one");
    }
}

#[test]
fn reserved_concurrency_is_a_limit_and_none_is_a_stop() {
    let server = Server::start();
    server.create("reserved", &behaves_as_version("1"), json!({ "Timeout": 30 }));
    server.create("other", &hello_compiled(), json!({}));
    let reserve = |count: u32| {
        let path = "/2017-10-31/functions/reserved/concurrency";
        let body = json!({ "ReservedConcurrentExecutions": count });
        assert_eq!(server.send(&Request::new("PUT", path).json(&body)).status, 200);
    };
    let call = |event: Value| server.send(&Request::invocation("reserved", &event));
    reserve(1);
    thread::scope(|scope| {
        let running = scope.spawn(|| call(json!({ "do": "slow_version", "seconds": 3 })));
        server.wait_for_line("reserved", "begun");
        let refused = call(json!({ "do": "version" }));
        assert_eq!(refused.status, 429, "{}", refused.text());
        let body = refused.json();
        assert_eq!(body["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
        assert_eq!(body["message"], "Rate Exceeded.");
        assert_eq!(server.invoke("other", &json!({})).status, 200, "others have their own");
        assert_eq!(running.join().expect("it is answered").status, 200);
    });
    assert_eq!(call(json!({ "do": "version" })).status, 200, "its place is free again");
    reserve(0);
    assert_eq!(call(json!({ "do": "version" })).status, 429);
}

#[test]
fn a_reservation_counts_the_calls_that_run_already() {
    let server = Server::start();
    server.create("reserved", &behaves_as_version("1"), json!({ "Timeout": 30 }));
    let path = "/2017-10-31/functions/reserved/concurrency";
    let call = |event: Value| server.send(&Request::invocation("reserved", &event));
    thread::scope(|scope| {
        let running = scope.spawn(|| call(json!({ "do": "slow_version", "seconds": 5 })));
        server.wait_for_line("reserved", "begun");
        let body = json!({ "ReservedConcurrentExecutions": 1 });
        assert_eq!(server.send(&Request::new("PUT", path).json(&body)).status, 200);
        assert_eq!(call(json!({ "do": "version" })).status, 429);
        assert_eq!(server.send(&Request::new("DELETE", path)).status, 204);
        assert_eq!(call(json!({ "do": "version" })).status, 200);
        assert_eq!(running.join().expect("it is answered").status, 200);
    });
}

#[test]
fn provisioned_environments_stand_before_anybody_calls() {
    let server = Server::start();
    server.create("ready", &behaves_as_version("1"), json!({}));
    let versions = "/2015-03-31/functions/ready/versions";
    let published = server.send(&Request::new("POST", versions).json(&json!({})));
    assert_eq!(published.status, 201, "{}", published.text());

    let path = "/2019-09-30/functions/ready/provisioned-concurrency?Qualifier=1";
    let body = json!({ "ProvisionedConcurrentExecutions": 2 });
    let put = server.send(&Request::new("PUT", path).json(&body));
    assert_eq!(put.status, 202, "{}", put.text());
    eventually("both environments stand", 60, || {
        let shown = server.get(path).json();
        (shown["Status"] == "READY").then_some(())
    });
    let starts = || {
        let lines = server.logs("ready");
        lines.iter().filter(|line| line.starts_with("INIT_START")).count()
    };
    eventually("both have said that they begin", 30, || (starts() == 2).then_some(()));
    assert_eq!(server.invoke("ready:1", &json!({ "do": "version" })).good(), "1");
    assert_eq!(starts(), 2, "the call found one that stood");

    assert_eq!(server.send(&Request::new("DELETE", path)).status, 204);
    assert_eq!(server.get(path).status, 404);
}

#[test]
fn a_function_that_logs_json_is_told_so() {
    let server = Server::start();
    let logging =
        json!({ "LoggingConfig": { "LogFormat": "JSON", "ApplicationLogLevel": "WARN" } });
    server.create("told", &behaves_as_version("1"), logging);
    let seen = server.invoke("told", &json!({ "do": "variables" })).good();
    assert_eq!(seen["AWS_LAMBDA_LOG_FORMAT"], "JSON", "{seen}");
    assert_eq!(seen["AWS_LAMBDA_LOG_LEVEL"], "WARN", "{seen}");
}
