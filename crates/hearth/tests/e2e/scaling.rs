//! What is admitted, what is refused and why, and what this host holds: seen by callers.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::functions::{behaves, behaves_as_version, hello_compiled, import_error, slow_init};
use crate::harness::{Place, Server, eventually, skipped};
use crate::http::{Answer, Connection, Request};

fn server(settings: &[&str]) -> Server {
    Server::start_set(Place::new(), settings)
}

fn call(server: &Server, name: &str, event: &Value) -> Answer {
    server.send(&Request::invocation(name, event))
}

/// What a refused caller is told: status, reason, and after how many seconds to come back.
fn refused(answer: &Answer) -> (u16, String, u64) {
    let reason = answer.json()["Reason"].as_str().unwrap_or_default().to_owned();
    let retry = answer.header("retry-after").and_then(|text| text.parse().ok());
    (answer.status, reason, retry.unwrap_or_default())
}

fn status(server: &Server) -> Value {
    server.get("/_hearth/status").json()
}

/// Calls while another call of a function is at work.
fn beside<T>(server: &Server, busy: &str, then: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let event = json!({ "do": "sleep", "seconds": 3 });
        let running = scope.spawn(move || call(server, busy, &event));
        server.wait_for_line(busy, "begun");
        let result = then();
        assert_eq!(
            running.join().expect("it is answered").status,
            200,
            "the first one is not disturbed"
        );
        result
    })
}

#[test]
fn an_account_that_is_full_refuses_with_awss_reason() {
    let server = server(&["concurrency_max=1"]);
    server.create("busy", &behaves(), json!({ "Timeout": 30 }));
    server.create("other", &hello_compiled(), json!({}));
    let answer = beside(&server, "busy", || call(&server, "other", &json!({})));
    let expected = (429, "ConcurrentInvocationLimitExceeded".to_owned(), 1);
    assert_eq!(refused(&answer), expected, "{}", answer.text());
    assert!(server.logged().contains("invocations meet a limit"), "{}", server.logged());
    assert_eq!(call(&server, "other", &json!({})).status, 200, "its place is free again");
}

#[test]
fn requests_that_come_too_fast_are_refused_with_awss_reason() {
    let server = server(&["requests_per_execution=1"]);
    server.create("fast", &hello_compiled(), json!({}));
    let path = "/2017-10-31/functions/fast/concurrency";
    let body = json!({ "ReservedConcurrentExecutions": 1 });
    assert_eq!(server.send(&Request::new("PUT", path).json(&body)).status, 200);
    // One request a second: of many in a row, some come too soon.
    let answers: Vec<Answer> = (0..8).map(|_| call(&server, "fast", &json!({}))).collect();
    assert_eq!(answers[0].status, 200);
    let late = answers.iter().find(|answer| answer.status == 429);
    let late = late.expect("eight calls take less than eight seconds");
    let reason = "ReservedFunctionInvocationRateLimitExceeded".to_owned();
    assert_eq!(refused(late), (429, reason, 1), "{}", late.text());
}

#[test]
fn a_function_that_grows_too_fast_is_refused_and_one_that_stands_is_not() {
    let server = server(&["scaling_per_ten_seconds=1"]);
    server.create("busy", &behaves(), json!({ "Timeout": 30 }));
    let answer = beside(&server, "busy", || call(&server, "busy", &json!({ "do": "echo" })));
    let expected = (429, "ConcurrentInvocationLimitExceeded".to_owned(), 1);
    assert_eq!(refused(&answer), expected, "{}", answer.text());
    // Its caller has had its answer a moment before it is free.
    eventually("it is idle", 30, || (status(&server)["host"]["idle"] == 1).then_some(()));
    assert_eq!(call(&server, "busy", &json!({ "do": "echo" })).status, 200);
}

#[test]
fn a_caller_that_invokes_one_after_the_other_never_scales() {
    let server = server(&["scaling_per_ten_seconds=1"]);
    // With a whole processor nothing keeps its runtime from asking for more.
    server.create("one", &hello_compiled(), json!({ "MemorySize": 1769 }));
    let mut connection = Connection::open(server.address).expect("it listens");
    for _call in 0..1_000 {
        let answer = connection.send(&Request::invocation("one", &json!({})));
        let answer = answer.expect("it answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn everything_can_be_turned_off() {
    let server =
        server(&["concurrency_max=0", "requests_per_execution=0", "scaling_per_ten_seconds=0"]);
    server.create("free", &hello_compiled(), json!({}));
    for _call in 0..50 {
        assert_eq!(call(&server, "free", &json!({})).status, 200);
    }
    assert_eq!(status(&server)["account"]["requestsPerSecondMax"], Value::Null);
}

#[test]
fn who_finds_no_room_waits_a_while_and_idle_environments_make_room() {
    let server = server(&["environments_max=1", "room_wait_ms_max=300"]);
    server.create("busy", &behaves(), json!({ "Timeout": 30 }));
    server.create("other", &hello_compiled(), json!({}));
    let answer = beside(&server, "busy", || call(&server, "other", &json!({})));
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert!(answer.text().contains("no room"), "{}", answer.text());
    assert!(server.logged().contains("callers are refused"), "{}", server.logged());
    assert_eq!(call(&server, "other", &json!({})).status, 200, "the idle one has made room");
    assert_eq!(call(&server, "busy", &json!({ "do": "echo" })).status, 200, "and back");
    eventually("the others are gone", 30, || {
        (status(&server)["host"]["environments"] == 1).then_some(())
    });
}

#[test]
fn a_function_that_this_host_can_never_hold_is_refused_at_once() {
    let server = server(&["memory_mb_max=200"]);
    server.create("large", &hello_compiled(), json!({ "MemorySize": 256 }));
    server.create("small", &hello_compiled(), json!({ "MemorySize": 128 }));
    assert_eq!(call(&server, "large", &json!({})).status, 429);
    assert_eq!(call(&server, "small", &json!({})).status, 200);
    assert_eq!(status(&server)["host"]["memoryMbMax"], 200);
    eventually("an idle one takes what it uses", 30, || {
        let committed = status(&server)["host"]["memoryMbCommitted"].as_u64().unwrap_or_default();
        (1..64).contains(&committed).then_some(())
    });
}

#[test]
fn a_server_with_few_descriptors_serves_all_the_same() {
    let place = Place::new();
    let mut command = Command::new("prlimit");
    command.args(["--nofile=400:400", env!("CARGO_BIN_EXE_hearth"), "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--set", "drain_seconds=5", "--data-dir"]);
    command.arg(place.data());
    let server = Server::start_with(place, command);
    let most = status(&server)["host"]["environmentsMax"].as_u64().expect("it is a number");
    assert!((8..40).contains(&most), "{most}");
    let code = hello_compiled();
    for number in 0..most + 8 {
        let name = format!("f{number}");
        server.create(&name, &code, json!({}));
        assert_eq!(call(&server, &name, &json!({})).status, 200, "{name}");
    }
    // A crowd that only takes connections does not take those of the others. More of it than there
    // are places, and no more than wait for one without being turned away.
    let mut connection = Connection::open(server.address).expect("there is one");
    let request = Request::invocation("f0", &json!({}));
    assert_eq!(connection.send(&request).expect("it answers").status, 200);
    let crowd: Vec<_> = (0..150).map(|_| TcpStream::connect(server.address)).collect();
    assert_eq!(connection.send(&request).expect("it answers").status, 200);
    drop(crowd);
    assert_eq!(call(&server, "f1", &json!({})).status, 200);
}

/// A group for a server, in which there may be only so many processes and threads.
struct FewProcesses(PathBuf);

impl FewProcesses {
    /// `None` if this host has no such groups, or does not let us make one.
    fn of(most: usize) -> Option<Self> {
        let own = std::process::id();
        let parents = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].map(Path::new);
        let parent = parents.into_iter().find(|parent| {
            let delegated = fs::read_to_string(parent.join("cgroup.subtree_control"));
            parent.ends_with("pids") && parent.exists()
                || delegated.is_ok_and(|controllers| controllers.contains("pids"))
        })?;
        let group = parent.join(format!("hearth-test-{own}-{most}"));
        fs::create_dir(&group).ok()?;
        let made = Self(group);
        fs::write(made.0.join("pids.max"), most.to_string()).ok()?;
        Some(made)
    }
}

impl Drop for FewProcesses {
    fn drop(&mut self) {
        // The server removes its own groups below this one.
        eventually("the group is empty", 30, || fs::remove_dir(&self.0).ok());
    }
}

#[test]
fn a_host_without_processes_to_spare_refuses_and_recovers() {
    let test = "a_host_without_processes_to_spare_refuses_and_recovers";
    let Some(few) = FewProcesses::of(100) else {
        return skipped(test, "there are no groups in which processes are counted");
    };
    let place = Place::new();
    let join = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", few.0.display());
    let mut command = Command::new("sh");
    command.args(["-c", &join, env!("CARGO_BIN_EXE_hearth"), "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--set", "drain_seconds=5"]);
    command.args(["--set", "room_wait_ms_max=500", "--data-dir"]);
    command.arg(place.data());
    let server = Server::start_with(place, command);
    server.create("busy", &behaves(), json!({ "Timeout": 30 }));
    let event = json!({ "do": "sleep", "seconds": 3 });
    let most = status(&server)["host"]["environmentsMax"].as_u64().expect("it is a number");
    assert!((2..20).contains(&most), "{most}");
    let answers: Vec<Answer> = thread::scope(|scope| {
        let calls = (0..40).map(|_| scope.spawn(|| call(&server, "busy", &event)));
        let calls: Vec<_> = calls.collect();
        calls.into_iter().map(|call| call.join().expect("it is answered")).collect()
    });
    for answer in &answers {
        let no_room = answer.status == 429 && answer.text().contains("no room");
        assert!(answer.status == 200 || no_room, "{} {}", answer.status, answer.text());
    }
    assert!(answers.iter().any(|answer| answer.status == 200), "those in front are served");
    // Nobody is left out: those that are idle make room for others.
    for number in 0..most + 2 {
        let name = format!("after-{number}");
        server.create(&name, &hello_compiled(), json!({}));
        assert_eq!(call(&server, &name, &json!({})).status, 200, "{name}");
    }
    // The last caller has had its answer a moment before its environment is free.
    eventually("nothing runs", 30, || {
        (status(&server)["account"]["concurrency"] == 0).then_some(())
    });
    drop(server);
}

#[test]
fn the_status_counts_what_happened() {
    let server = Server::start();
    server.create("counted", &behaves_as_version("1"), json!({ "Timeout": 30 }));
    for _call in 0..3 {
        server.invoke("counted", &json!({ "do": "version" })).good();
    }
    assert_eq!(server.invoke("counted", &json!({ "do": "fail" })).status, 200);
    let seen = eventually("its environment is idle", 30, || {
        let seen = status(&server)["functions"][0].clone();
        (seen["environments"]["idle"] == 1).then_some(seen)
    });
    for (field, expected) in [
        ("name", json!("counted")),
        ("invocations", json!(4)),
        ("coldStarts", json!(1)),
        ("errors", json!(1)),
        ("throttles", json!(0)),
        ("running", json!(0)),
    ] {
        assert_eq!(seen[field], expected, "{field}: {seen}");
    }
    assert!(seen["p50Ms"].as_f64() <= seen["p99Ms"].as_f64() && seen["p50Ms"].as_f64() > Some(0.0));
}

#[test]
fn provisioned_environments_say_so_and_those_of_a_broken_function_fail() {
    let server = Server::start();
    for (name, code) in [("ready", behaves()), ("broken", import_error())] {
        server.create(name, &code, json!({}));
        let versions = format!("/2015-03-31/functions/{name}/versions");
        let published = server.send(&Request::new("POST", versions).json(&json!({})));
        assert_eq!(published.status, 201, "{}", published.text());
        let path = format!("/2019-09-30/functions/{name}/provisioned-concurrency?Qualifier=1");
        let body = json!({ "ProvisionedConcurrentExecutions": 1 });
        assert_eq!(server.send(&Request::new("PUT", path.clone()).json(&body)).status, 202);
        let (expected, reason) = match name {
            "ready" => ("READY", Value::Null),
            _ => ("FAILED", json!("FUNCTION_ERROR_INIT_FAILURE")),
        };
        eventually(&format!("{name} is {expected}"), 60, || {
            let shown = server.get(&path).json();
            (shown["Status"] == expected && shown["StatusReason"] == reason).then_some(())
        });
    }
    let seen = server.invoke("ready:1", &json!({ "do": "variables" })).good();
    assert_eq!(seen["AWS_LAMBDA_INITIALIZATION_TYPE"], "provisioned-concurrency");
    let seen = server.invoke("ready", &json!({ "do": "variables" })).good();
    assert_eq!(seen["AWS_LAMBDA_INITIALIZATION_TYPE"], "on-demand");
}

#[test]
fn a_function_that_is_deleted_while_it_starts_leaves_nothing() {
    let server = Server::start();
    server.create("leaving", &slow_init(), json!({ "Timeout": 30 }));
    thread::scope(|scope| {
        let server = &server;
        let calling = scope.spawn(move || call(server, "leaving", &json!({ "do": "echo" })));
        eventually("it starts", 30, || (status(server)["host"]["starting"] == 1).then_some(()));
        server.delete("leaving");
        let answer = calling.join().expect("there is an answer");
        assert!([200, 404].contains(&answer.status), "{}", answer.text());
    });
    eventually("nothing is left", 30, || {
        let host = status(&server)["host"].clone();
        (host["environments"] == 0 && host["memoryMbCommitted"] == 0).then_some(())
    });
}
