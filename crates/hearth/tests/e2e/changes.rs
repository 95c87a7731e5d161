//! Functions that are changed or deleted while they run.

use std::path::PathBuf;
use std::thread;

use serde_json::json;

use crate::functions::behaves_as_version;
use crate::harness::{Server, eventually, last_seen};
use crate::host;
use crate::http::{Connection, Request};

#[test]
fn an_update_takes_new_calls_over_and_lets_running_ones_finish_on_the_old_code() {
    let server = Server::start();
    server.create("changes", &behaves_as_version("old"), json!({ "Timeout": 30 }));
    thread::scope(|scope| {
        let running = scope
            .spawn(|| server.invoke("changes", &json!({ "do": "slow_version", "seconds": 3 })));
        server.wait_for_line("changes", "begun");
        server.update_code("changes", &behaves_as_version("new"));
        assert_eq!(server.invoke("changes", &json!({ "do": "version" })).good(), "new");
        assert!(!running.is_finished(), "the old call was still running when the new one answered");
        assert_eq!(running.join().expect("the old call is answered").good(), "old");
    });
    assert_eq!(server.invoke("changes", &json!({ "do": "version" })).good(), "new");
}

#[test]
fn calls_in_a_row_never_fail_while_the_code_is_replaced() {
    let server = Server::start();
    server.create("swapped", &behaves_as_version("0"), json!({}));
    thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut versions = Vec::new();
            eventually("the newest code answers", 60, || {
                let answer = server.invoke("swapped", &json!({ "do": "version" })).good();
                versions.push(answer.as_str().unwrap_or_default().to_owned());
                (answer == "3").then_some(())
            });
            versions
        });
        for version in ["1", "2", "3"] {
            server.update_code("swapped", &behaves_as_version(version));
        }
        let versions = calls.join().expect("no call failed");
        assert!(versions.is_sorted(), "no call went back to older code: {versions:?}");
    });
}

#[test]
fn a_deletion_lets_running_calls_finish_and_refuses_new_ones() {
    let server = Server::start();
    server.create("deleted", &behaves_as_version("last"), json!({ "Timeout": 30 }));
    thread::scope(|scope| {
        let running = scope
            .spawn(|| server.invoke("deleted", &json!({ "do": "slow_version", "seconds": 3 })));
        server.wait_for_line("deleted", "begun");
        server.delete("deleted");
        let refused = server.send(&Request::invocation("deleted", &json!({})));
        assert_eq!(refused.status, 404, "{}", refused.text());
        assert_eq!(running.join().expect("the running call is answered").good(), "last");
    });
    let trees = server.place.data().join("packages/tree");
    let left = last_seen(30, || host::entries(&trees), Vec::is_empty);
    assert_eq!(left, Vec::<PathBuf>::new(), "the code goes when nothing runs it");
}

#[test]
fn a_change_of_settings_reaches_the_next_call() {
    let server = Server::start();
    server.create("settings", &behaves_as_version("1"), json!({}));
    server.invoke("settings", &json!({})).good();
    let path = "/2015-03-31/functions/settings/configuration";
    let change = json!({ "MemorySize": 256, "Environment": { "Variables": { "STAGE": "two" } } });
    let answer = server.send(&Request::new("PUT", path).json(&change));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["LastUpdateStatus"], "InProgress");
    server.wait_settled("settings");
    let found = server.invoke("settings", &json!({ "do": "variables" })).good();
    assert_eq!(
        (&found["STAGE"], &found["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]),
        (&json!("two"), &json!("256"))
    );
}

#[test]
fn a_caller_who_goes_away_does_not_stop_the_function() {
    let server = Server::start();
    server.create("left-alone", &behaves_as_version("1"), json!({ "Timeout": 30 }));
    let mut connection = Connection::open(server.address).expect("the server takes connections");
    let event = json!({ "do": "sleep", "seconds": 2 });
    connection.write(&Request::invocation("left-alone", &event)).expect("a request can be sent");
    server.wait_for_line("left-alone", "begun");
    drop(connection);
    let report = eventually("the function runs to its end", 30, || {
        server.logs("left-alone").into_iter().find(|line| line.starts_with("REPORT "))
    });
    assert!(!report.contains("Status: "), "{report}");
    assert_eq!(server.invoke("left-alone", &json!({})).good()["calls"], 2);
}
