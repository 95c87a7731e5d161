//! Environments that were built ahead of need, and interpreters that waited for their function.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::functions::{Code, behaves, hello_compiled, observer, own_module, zip};
use crate::harness::{Place, Server, eventually, skipped};
use crate::languages;
use crate::tools;

/// Nothing is built ahead.
const WITHOUT: &[&str] = &["shells=0", "warm_shells=0"];
/// The variables that every environment has its own of.
const OWN_VARIABLES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "_X_AMZN_TRACE_ID",
];

/// Starts the function `observed` in a new environment and lets it say what it sees.
fn observe(server: &Server, code: &Code, settings: &Value) -> Value {
    server.create("observed", code, settings.clone());
    let seen = server.invoke("observed", &json!({})).good();
    server.delete("observed");
    seen
}

/// The same, in an interpreter that waited. The first environments have none.
fn observe_one_that_waited(server: &Server, code: &Code, settings: &Value) -> Value {
    eventually("a function goes on in an interpreter that waited", 60, || {
        let seen = observe(server, code, settings);
        (seen["waited"] == true).then_some(seen)
    })
}

/// The variables, without those that differ from one environment to the next.
fn variables(seen: &Value) -> BTreeMap<String, Value> {
    let all = seen["variables"].as_object().into_iter().flatten();
    all.filter(|(name, _)| !OWN_VARIABLES.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What a function sees is the same, with and without an interpreter that waited. One server after
/// the other, because a test has one place.
fn check_that_nobody_can_tell(link: Option<(&str, &Path)>, code: &Code, settings: &[Value]) {
    let start = |settings: &[&str]| {
        let place = Place::new();
        link.iter().for_each(|(name, runtime)| place.link(name, runtime));
        Server::start_set(place, settings)
    };
    let plain = start(WITHOUT);
    let expected: Vec<Value> = settings.iter().map(|one| observe(&plain, code, one)).collect();
    drop(plain);
    let ahead = start(&[]);
    for (settings, expected) in settings.iter().zip(&expected) {
        assert_eq!(expected["waited"], false, "it was to be started in the plain way");
        let seen = observe_one_that_waited(&ahead, code, settings);
        assert_eq!(variables(&seen), variables(expected));
        for (name, expected) in expected["same"].as_object().into_iter().flatten() {
            assert_eq!(&seen["same"][name], expected, "{name}");
        }
        let again = observe_one_that_waited(&ahead, code, settings);
        for (one, other) in [(expected, &seen), (&seen, &again)] {
            for at in 0..2 {
                assert_ne!(one["chance"][at], other["chance"][at], "to each its own chance");
            }
        }
    }
}

#[test]
fn a_function_cannot_tell_that_its_interpreter_waited() {
    let settings = [
        json!({}),
        json!({
            "MemorySize": 256,
            "Environment": { "Variables": { "TZ": "America/New_York", "OWN": "mine" } },
            "LoggingConfig": { "LogFormat": "JSON", "ApplicationLogLevel": "DEBUG" },
        }),
    ];
    check_that_nobody_can_tell(None, &observer(), &settings);
}

#[test]
fn a_function_of_node_cannot_tell_either() {
    let test = "a_function_of_node_cannot_tell_either";
    let Ok(version) = tools::run(Command::new("node").arg("--version")) else {
        return skipped(test, "there is no `node` (apt-get install nodejs npm)");
    };
    let version = version.trim().trim_start_matches('v').to_owned();
    let name = format!("nodejs{}.x", version.split('.').next().unwrap_or_default());
    let runtime = match tools::runtime(&name) {
        Ok(runtime) => runtime,
        // The native half of the client needs tools that the error names.
        Err(error) if error.contains("apt-get install") => return skipped(test, &error),
        Err(error) => panic!("{error}"),
    };
    let source = fs::read(tools::source("functions/observer.mjs")).expect("it is there");
    let zip = zip(&[("index.mjs", 0o644, &source)]);
    let code = Code { runtime: name.clone(), handler: "index.handler", zip };
    let variables = json!({ "Variables": { "TZ": "Asia/Tokyo", "NODE_ENV": "production" } });
    let settings = json!({ "MemorySize": 512, "Timeout": 30, "Environment": variables });
    check_that_nobody_can_tell(Some((name.as_str(), runtime.as_path())), &code, &[settings]);
}

#[test]
fn a_function_of_java_cannot_tell_either() {
    let (name, runtime) = match languages::java() {
        Ok(found) => found,
        Err(why) => return skipped("a_function_of_java_cannot_tell_either", &why),
    };
    let code = languages::java_code(name.clone(), "Observer", "Observer::handle");
    let variables = json!({ "TZ": "America/New_York", "OWN": "mine äöü" });
    let settings = [
        json!({ "MemorySize": 512, "Timeout": 30 }),
        json!({ "MemorySize": 1024, "Timeout": 30, "Environment": { "Variables": variables } }),
    ];
    check_that_nobody_can_tell(Some((name.as_str(), runtime.as_path())), &code, &settings);
}

#[test]
fn a_function_of_java_starts_from_an_archive_of_the_clients_classes() {
    let (name, runtime) = match languages::java() {
        Ok(found) => found,
        Err(why) => {
            let test = "a_function_of_java_starts_from_an_archive_of_the_clients_classes";
            return skipped(test, &why);
        }
    };
    let place = Place::new();
    place.link(&name, &runtime);
    let server = Server::start_set(place, WITHOUT);
    let code = languages::java_code(name, "Observer", "Observer::handle");
    let seen = observe(&server, &code, &json!({ "MemorySize": 512, "Timeout": 30 }));
    assert_eq!(seen["same"]["archive"], true, "{seen}");
}

#[test]
fn a_function_of_java_whose_variables_matter_at_the_start_does_not_get_one_that_waited() {
    let test =
        "a_function_of_java_whose_variables_matter_at_the_start_does_not_get_one_that_waited";
    let (name, runtime) = match languages::java() {
        Ok(found) => found,
        Err(why) => return skipped(test, &why),
    };
    let server = Server::start();
    server.place.link(&name, &runtime);
    let code = languages::java_code(name, "Observer", "Observer::handle");
    let settings = |variables: Value| {
        let environment = json!({ "Variables": variables });
        json!({ "MemorySize": 512, "Timeout": 30, "Environment": environment })
    };
    observe_one_that_waited(&server, &code, &settings(json!({})));
    for (name, value) in [("JAVA_TOOL_OPTIONS", "-Dmine=1"), ("LC_ALL", "C"), ("LD_PRELOAD", "")] {
        let seen = observe(&server, &code, &settings(json!({ name: value })));
        assert_eq!(seen["waited"], false, "{name}");
        assert_eq!(seen["variables"][name], value);
    }
}

#[test]
fn a_function_whose_variables_matter_at_the_start_does_not_get_one_that_waited() {
    let server = Server::start();
    observe_one_that_waited(&server, &observer(), &json!({}));
    for (name, value) in [("PYTHONHASHSEED", "7"), ("LC_ALL", "C"), ("LD_PRELOAD", "")] {
        let settings = json!({ "Environment": { "Variables": { name: value } } });
        let seen = observe(&server, &observer(), &settings);
        assert_eq!(seen["waited"], false, "{name}");
        assert_eq!(seen["variables"][name], value);
    }
}

#[test]
fn a_functions_own_module_takes_the_place_of_one_that_was_imported_already() {
    let server = Server::start();
    observe_one_that_waited(&server, &observer(), &json!({}));
    for round in 0..3 {
        let name = format!("own-{round}");
        server.create(&name, &own_module(), json!({}));
        assert_eq!(server.invoke(&name, &json!({})).good(), "its own");
    }
}

#[test]
fn a_shell_is_fitted_to_what_its_function_asks_for() {
    let server = Server::start();
    server.create("first", &behaves(), json!({}));
    server.invoke("first", &json!({})).good();
    eventually("interpreters wait", 60, || (server.run.waiting().len() >= 2).then_some(()));
    // Another size of `/tmp`, other files, and the memory of a report that is this function's.
    let settings = json!({ "MemorySize": 256, "EphemeralStorage": { "Size": 600 }, "Timeout": 60 });
    server.create("second", &behaves(), settings);
    let filled = server.invoke("second", &json!({ "do": "fill", "megabytes": 800 }));
    assert!(filled.report().contains("\tMemory Size: 256 MB\t"), "{}", filled.report());
    let filled = filled.good();
    assert_eq!(filled["error"], "ENOSPC", "{filled}");
    let written = filled["megabytes"].as_u64().unwrap_or_default();
    assert!((580..=620).contains(&written), "{filled}");
}

#[test]
fn interpreters_that_were_killed_while_they_waited_are_not_missed() {
    let server = Server::start();
    observe_one_that_waited(&server, &observer(), &json!({}));
    let waiting = eventually("interpreters wait", 60, || {
        let waiting = server.run.waiting();
        (waiting.len() >= 2).then_some(waiting)
    });
    for process in waiting {
        let id = i32::try_from(process.id).ok().and_then(Pid::from_raw).expect("it is an id");
        kill_process(id, Signal::KILL).expect("root may kill it");
    }
    for round in 0..3 {
        let name = format!("after-{round}");
        server.create(&name, &behaves(), json!({}));
        let event = json!({ "round": round });
        assert_eq!(server.invoke(&name, &event).good()["event"], event);
    }
}

/// A server with shells of both kinds that wait.
fn with_shells() -> Server {
    let server = Server::start();
    server.create("compiled", &hello_compiled(), json!({}));
    server.invoke("compiled", &json!({})).good();
    observe_one_that_waited(&server, &observer(), &json!({}));
    eventually("interpreters wait", 60, || (server.run.waiting().len() >= 2).then_some(()));
    server
}

#[test]
fn a_server_that_is_killed_leaves_no_shells() {
    let server = with_shells();
    let killed = server.run.clone();
    let place = server.kill();
    killed.assert_nothing_left(place.path());
}

#[test]
fn a_server_that_is_told_to_stop_leaves_no_shells() {
    let server = with_shells();
    let run = server.run.clone();
    let (status, place) = server.stop();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    run.assert_nothing_left(place.path());
}

#[test]
fn a_server_that_is_killed_with_its_launcher_leaves_no_shells_after_the_next_start() {
    let server = with_shells();
    let killed = server.run.clone();
    let launcher = i32::try_from(killed.launcher()).ok().and_then(Pid::from_raw);
    kill_process(launcher.expect("it is an id"), Signal::KILL).expect("it is ours");
    let server = Server::start_at(server.kill());
    killed.assert_nothing_left(server.place.path());
}
