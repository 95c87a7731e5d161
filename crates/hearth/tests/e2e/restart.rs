//! Servers that end, well or not, and what is there afterwards.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::functions::{behaves, hello_compiled};
use crate::harness::{Place, Server, eventually, hearth};
use crate::http::{Connection, Request};

/// A server with two functions, one of which is idle and one of which is running.
fn busy() -> (Server, Connection) {
    let server = Server::start();
    server.create("idle", &hello_compiled(), json!({ "Tags": { "kept": "yes" } }));
    server.invoke("idle", &json!({})).good();
    server.create("busy", &behaves(), json!({ "Timeout": 60 }));
    let mut connection = Connection::open(server.address).expect("the server takes connections");
    let sleep = json!({ "do": "sleep", "seconds": 60 });
    connection.write(&Request::invocation("busy", &sleep)).expect("a request can be sent");
    server.wait_for_line("busy", "begun");
    (server, connection)
}

/// Both functions are there again and can be called.
fn check_functions(server: &Server) {
    let event = json!({ "after": "the restart" });
    assert_eq!(server.invoke("idle", &event).good()["event"], event);
    let echoed = server.invoke("busy", &event).good();
    assert_eq!((&echoed["event"], &echoed["calls"]), (&event, &json!(1)));
    let shown = server.get("/2015-03-31/functions/idle").json();
    assert_eq!(shown["Tags"], json!({ "kept": "yes" }));
    let begun = server.logs("busy").iter().any(|line| line.contains("begun"));
    assert!(begun, "what was logged before is still there");
}

fn kill(process: u32) {
    let id = i32::try_from(process).ok().and_then(Pid::from_raw).expect("it is a process id");
    kill_process(id, Signal::KILL).expect("our own process can be killed");
}

#[test]
fn a_server_that_is_killed_leaves_nothing_and_forgets_nothing() {
    let (server, _calling) = busy();
    let killed = server.run.clone();
    let place = server.kill();
    killed.assert_nothing_left(place.path());
    let server = Server::start_at(place);
    check_functions(&server);
    let run = server.run.clone();
    let (status, place) = server.stop();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    run.assert_nothing_left(place.path());
}

#[test]
fn a_server_whose_launcher_is_killed_ends_and_leaves_nothing() {
    let (server, _connection) = busy();
    let run = server.run.clone();
    kill(run.launcher());
    eventually("the server ends by itself", 30, || {
        fs::read_to_string(format!("/proc/{}/stat", run.server))
            .map_or(Some(()), |stat| stat.contains(") Z ").then_some(()))
    });
    let place = server.kill();
    run.assert_nothing_left(place.path());
    check_functions(&Server::start_at(place));
}

#[test]
fn a_server_that_is_killed_with_its_launcher_leaves_nothing_after_the_next_start() {
    let (server, _calling) = busy();
    let killed = server.run.clone();
    let launcher = killed.launcher();
    // First the launcher, so that it cannot clean up when the server is gone.
    kill(launcher);
    let place = server.kill();
    let server = Server::start_at(place);
    killed.assert_nothing_left(server.place.path());
    check_functions(&server);
}

#[test]
fn a_server_that_is_killed_while_it_stores_comes_back_with_whole_functions() {
    let mut place = Place::new();
    for round in 0..5 {
        let server = Server::start_at(place);
        let body = Server::creation(&format!("f{round}"), &hello_compiled(), json!({}));
        let mut connection =
            Connection::open(server.address).expect("the server takes connections");
        let create = Request::new("POST", "/2015-03-31/functions").json(&body);
        connection.write(&create).expect("a request can be sent");
        // Somewhere between the arrival of the request and the end of the change.
        let packages = server.place.data().join("packages/zip");
        if round % 2 == 0 {
            eventually("the archive is kept", 30, || {
                let kept = fs::read_dir(&packages).is_ok_and(|mut kept| kept.next().is_some());
                kept.then_some(())
            });
        }
        place = server.kill();
    }
    let server = Server::start_at(place);
    let listed = server.get("/2015-03-31/functions").json();
    for function in listed["Functions"].as_array().into_iter().flatten() {
        let name = function["FunctionName"].as_str().expect("functions have names");
        server.wait_settled(name);
        assert_eq!(server.invoke(name, &json!({})).good()["event"], json!({}), "{name}");
        server.delete(name);
    }
}

#[test]
fn a_server_that_is_told_to_stop_lets_running_calls_finish() {
    let server = Server::start();
    server.create("finishes", &behaves(), json!({ "Timeout": 30 }));
    let run = server.run.clone();
    let address = server.address;
    let calling = thread::spawn(move || {
        let event = json!({ "do": "sleep", "seconds": 2 });
        Connection::open(address)?.send(&Request::invocation("finishes", &event))
    });
    server.wait_for_line("finishes", "begun");
    let (status, place) = server.stop();
    let answer = calling.join().expect("the caller did not fail").expect("the call is answered");
    assert_eq!((answer.status, answer.json()), (200, json!("slept")));
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{status:?}");
    run.assert_nothing_left(place.path());
}

#[test]
fn a_server_that_is_told_to_stop_gives_up_on_calls_that_do_not_end() {
    let (server, calling) = busy();
    let run = server.run.clone();
    let (status, place) = server.stop();
    drop(calling);
    let status = status.expect("it stops within its limit");
    assert_eq!((status.code(), status.signal()), (Some(0), None));
    run.assert_nothing_left(place.path());
}

#[test]
fn a_data_directory_has_one_server() {
    let server = Server::start();
    let mut second = hearth();
    second.args(["serve", "--listen", "127.0.0.1:0", "--allow-weaker", "--data-dir"]);
    let output = second.arg(server.place.data()).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another server uses this data directory"), "{said}");
    assert_eq!(server.get("/_hearth/health").json()["status"], "ok");
}

#[test]
fn a_port_has_one_server() {
    let server = Server::start();
    let address = server.address.to_string();
    let other = server.place.path().join("other");
    let mut second = hearth();
    second.args(["serve", "--allow-weaker", "--listen", &address, "--data-dir"]);
    let output = second.arg(&other).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(!other.exists(), "ports are bound before any work");
}
