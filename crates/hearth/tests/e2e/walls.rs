//! What a function sees and can do, looked at from inside.
//!
//! Each test prints what it found, so that a reader of its output sees the whole list and not only
//! that it was good.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::functions::{behaves, inspector};
use crate::harness::{Server, enforces, say};

/// A server with the inspector as a function.
fn inspected() -> Server {
    let server = Server::start();
    server.create("inspector", &inspector(), json!({ "Timeout": 120 }));
    server
}

/// Lets the inspector look at something, and shows what it found.
fn look(server: &Server, event: &Value) -> Value {
    let found = server.invoke("inspector", event).good();
    say(&format!("{}, seen from inside:", event["look"]));
    match &found {
        Value::Object(rows) => {
            rows.iter().for_each(|(name, value)| say(&format!("  {name}: {value}")));
        }
        Value::Array(rows) => rows.iter().for_each(|row| say(&format!("  {row}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            say(&format!("  {found}"));
        }
    }
    found
}

/// A map of texts.
fn texts(found: &Value) -> BTreeMap<String, String> {
    let rows = found.as_object().into_iter().flatten();
    rows.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

#[test]
fn it_is_nobody_and_has_no_rights() {
    let server = inspected();
    let found = look(&server, &json!({ "look": "identity" }));
    let status = &found["status"];
    let none = json!(["0000000000000000"]);
    #[rustfmt::skip]
    let rows = [
        ("Uid",        json!(["993", "993", "993", "993"])),
        ("Gid",        json!(["990", "990", "990", "990"])),
        ("Groups",     json!([])),
        ("NoNewPrivs", json!(["1"])),
        ("Seccomp",    json!(["2"])),
        ("CapInh",     none.clone()),
        ("CapPrm",     none.clone()),
        ("CapEff",     none.clone()),
        ("CapBnd",     none.clone()),
        ("CapAmb",     none),
    ];
    for (name, expected) in rows {
        assert_eq!(status[name], expected, "{name}");
    }
    assert_eq!(found["nofile"], json!([1024, 1024]));
    assert_eq!(found["nproc"], json!([1024, 1024]));
    assert_eq!(found["core"], json!([0, 0]));
    assert_eq!(found["hostname"], "sandbox");
}

#[test]
fn it_has_namespaces_of_its_own() {
    let server = inspected();
    let found = look(&server, &json!({ "look": "identity" }));
    let inside = texts(&found["namespaces"]);
    assert_eq!(inside.len(), 7, "{inside:?}");
    for (kind, namespace) in inside {
        let host = fs::read_link(Path::new("/proc/self/ns").join(&kind));
        let host = host.expect("this process has one of each").display().to_string();
        assert_ne!(namespace, host, "the {kind} namespace is not the host's");
    }
    for line in found["groups"].as_array().into_iter().flatten() {
        let line = line.as_str().unwrap_or_default();
        assert!(line.ends_with(":/"), "it sees its own groups as the root of all: {line}");
    }
}

#[test]
fn it_sees_its_own_processes_and_cannot_end_the_first() {
    let server = inspected();
    let found = look(&server, &json!({ "look": "processes" }));
    let mut seen = texts(&found["seen"]);
    assert_eq!(seen.remove("1").as_deref(), Some("hearth-agent"));
    let own = found["own"].to_string();
    assert!(seen.remove(&own).is_some(), "{own} is its own");
    assert_eq!(seen, BTreeMap::new(), "there is nobody else");
    let again = look(&server, &json!({ "look": "processes" }));
    assert_eq!(again["own"], found["own"], "the environment lives on");
}

#[test]
fn it_has_no_descriptors_but_its_own() {
    let server = inspected();
    let found = texts(&look(&server, &json!({ "look": "descriptors" })));
    assert_eq!(found["0"], "/dev/null");
    assert!(found["1"].starts_with("pipe:"), "{found:?}");
    assert_eq!((&found["1"], &found["1"]), (&found["2"], &found["3"]));
    for (number, target) in &found {
        let harmless = ["/dev/null", "/dev/urandom", "pipe:", "socket:", "anon_inode:", "/proc/"];
        assert!(harmless.iter().any(|start| target.starts_with(start)), "{number} is {target}");
    }
}

#[test]
fn it_can_write_to_tmp_only() {
    let server = inspected();
    let outcome = texts(&look(&server, &json!({ "look": "writable" })));
    let written = outcome.iter().filter(|(_, outcome)| *outcome == "written");
    let written: Vec<&String> = written.map(|(place, _)| place).collect();
    assert_eq!(written, ["/tmp"]);
    assert!(outcome.len() > 10, "{outcome:?}");

    let mounts = look(&server, &json!({ "look": "mounts" }));
    for mount in mounts.as_array().into_iter().flatten() {
        let at = mount["at"].as_str().unwrap_or_default();
        let has = |flag: &str| {
            mount["flags"].as_array().is_some_and(|flags| flags.contains(&json!(flag)))
        };
        assert!(has("nosuid"), "{mount}");
        let device = at.starts_with("/dev/");
        assert!(has("ro") || device || at == "/tmp" || at == "/proc", "{mount}");
        assert!(has("nodev") || device || at == "/", "{mount}");
    }
}

#[test]
fn it_cannot_make_the_kernel_do_what_programs_need_not_do() {
    let server = inspected();
    let outcome = texts(&look(&server, &json!({ "look": "system calls" })));
    assert!(outcome.len() > 30, "{outcome:?}");
    for (call, outcome) in outcome {
        let refused = ["EPERM", "EACCES", "ENOSYS", "EINVAL"].contains(&outcome.as_str());
        assert!(refused, "{call} was not refused: {outcome}");
    }
    server.invoke("inspector", &json!({ "look": "identity" })).good();
}

#[test]
fn it_cannot_read_or_change_what_is_the_hosts() {
    let server = inspected();
    let data = server.place.data().display().to_string();
    let program = env!("CARGO_BIN_EXE_hearth");
    let more = [data.as_str(), program, "/var/task/../../../etc/shadow", "/proc/self/root/root"];
    let outcome = texts(&look(&server, &json!({ "look": "files", "more": more })));
    assert!(outcome.len() > 30, "{outcome:?}");
    for (path, outcome) in outcome {
        let refused =
            ["ENOENT", "EACCES", "EPERM", "EINVAL", "EROFS", "ENXIO"].contains(&outcome.as_str());
        assert!(refused, "{path}: {outcome}");
    }
}

/// Interfaces that the kernel puts into every network namespace, and that lead nowhere.
const EMPTY_TUNNELS: &[&str] =
    &["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"];

#[test]
fn it_has_no_network_but_the_way_to_the_server() {
    let server = inspected();
    let found = look(&server, &json!({ "look": "network", "port": server.address.port() }));
    let interfaces = found["interfaces"].as_array().cloned().unwrap_or_default();
    let interfaces: Vec<&str> = interfaces.iter().filter_map(Value::as_str).collect();
    let others: Vec<&&str> =
        interfaces.iter().filter(|name| **name != "lo" && !EMPTY_TUNNELS.contains(name)).collect();
    assert_eq!(others, Vec::<&&str>::new());
    assert_eq!(found["host"], "ECONNREFUSED", "the host's loopback is another one");
    assert_eq!(found["outside"], "ENETUNREACH");
    for (family, outcome) in texts(&found["families"]) {
        let expected = if family == "raw AF_INET" { "EPERM" } else { "EAFNOSUPPORT" };
        assert_eq!(outcome, expected, "{family}");
    }

    let found = look(&server, &json!({ "look": "server" }));
    assert_eq!(found["health"], "ok");
    assert_eq!(found["functions"], json!(["inspector"]), "it sees the server that runs it");
}

#[test]
fn tmp_has_its_size_and_is_not_the_functions_memory() {
    if !enforces("/tmp on disk") {
        return;
    }
    let server = inspected();
    let filled = look(&server, &json!({ "look": "fill", "megabytes": 600 }));
    assert_eq!(filled["error"], "ENOSPC", "512 MB are full before 600 are written");
    let written = filled["megabytes"].as_u64().unwrap_or_default();
    assert!((490..=530).contains(&written), "{filled}");
    let again = look(&server, &json!({ "look": "fill", "megabytes": 100 }));
    assert_eq!(
        (&again["error"], &again["megabytes"]),
        (&Value::Null, &json!(100)),
        "there is room again"
    );
}

#[test]
fn tmp_of_one_environment_is_not_that_of_another() {
    let server = Server::start();
    let code = behaves();
    for name in ["one", "two"] {
        server.create(name, &code, json!({}));
        server.invoke(name, &json!({ "do": "keep", "text": name })).good();
    }
    for name in ["one", "two"] {
        assert_eq!(server.invoke(name, &json!({ "do": "recall" })).good()["text"], name);
    }
}
