//! Round after round of creation, invocation and deletion, and then the host is as before.
//!
//! `HEARTH_LEAK_ROUNDS` is how many; CI's long lane makes it 500.

use std::cell::RefCell;
use std::env;

use serde_json::json;

use crate::functions::{hello_compiled, provided};
use crate::harness::{Place, Server, enforces, last_seen, say};
use crate::host;

/// Rounds before anything is counted: what is made once is made then.
const WARM_UP_ROUNDS: usize = 10;
/// Shells that wait for the next function, one process each, and file systems that wait to be its
/// `/tmp`: they are the server's own.
const SHELLS: usize = 2;
/// See [`SHELLS`].
const SCRATCH_READY: usize = 2;
/// How much the server may grow: what an allocator keeps, and not what each round leaves.
const GROWTH_KB_MAX: u64 = 10 * 1024;

/// What there is of everything that an environment or a function uses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Census {
    processes: usize,
    groups: usize,
    loop_devices: usize,
    mounts: usize,
    descriptors_of_server: usize,
    descriptors_of_launcher: usize,
    scratch_files: usize,
    archives: usize,
    trees: usize,
    incoming: usize,
}

impl Census {
    fn take(server: &Server, launcher: u32) -> Self {
        let (place, data) = (server.place.path(), server.place.data());
        let count = |directory: &str| host::entries(&data.join(directory)).len();
        Self {
            processes: server.run.processes().len(),
            groups: server.run.groups().len(),
            loop_devices: host::loop_files(place).len(),
            mounts: host::mounts(&launcher.to_string(), place).len(),
            descriptors_of_server: host::descriptors(server.run.server),
            descriptors_of_launcher: host::descriptors(launcher),
            scratch_files: count("run/scratch"),
            archives: count("packages/zip"),
            trees: count("packages/tree"),
            incoming: count("packages/incoming"),
        }
    }
}

/// How many loop devices a server has that runs nothing.
fn loop_devices_ready() -> usize {
    if enforces("/tmp on disk") { SCRATCH_READY } else { 0 }
}

/// What there is when nothing has run yet and everything is ready.
fn empty(server: &Server, launcher: u32) -> Census {
    let ready = loop_devices_ready();
    last_seen(60, || Census::take(server, launcher), |census| census.loop_devices == ready)
}

fn rounds() -> usize {
    let asked = env::var("HEARTH_LEAK_ROUNDS").ok();
    asked.map_or(60, |asked| asked.parse().expect("HEARTH_LEAK_ROUNDS is a number"))
}

fn go_around(server: &Server, round: usize) {
    let name = format!("round-{round}");
    server.create(&name, &hello_compiled(), json!({}));
    let event = json!({ "round": round });
    assert_eq!(server.invoke(&name, &event).good()["event"], event);
    server.delete(&name);
}

#[test]
fn rounds_of_creation_invocation_and_deletion_leave_nothing() {
    let server = Server::start_at(Place::alone());
    let launcher = server.run.launcher();
    let empty = empty(&server, launcher);
    for round in 0..WARM_UP_ROUNDS {
        go_around(&server, round);
    }
    // Code goes a moment after its last environment, in steps, and shells come in steps; each must be
    // over, which is so when two looks see the same.
    let ready = loop_devices_ready();
    let seen = RefCell::new(empty.clone());
    let is_idle = |census: &Census| {
        let code = census.trees + census.archives + census.incoming;
        let same = seen.replace(census.clone()) == *census;
        let shells = census.processes == empty.processes + SHELLS;
        same && shells && census.loop_devices == ready && code == 0
    };
    let before = last_seen(60, || Census::take(&server, launcher), is_idle);
    assert!(is_idle(&before), "{before:#?}");

    let rounds = rounds();
    let mut resident_kb = Vec::new();
    for round in 0..rounds {
        go_around(&server, WARM_UP_ROUNDS + round);
        resident_kb.push(host::resident_kb(server.run.server));
    }
    // The first third fills the allocator's arenas, one for each thread, and an upload holds some
    // megabytes for a moment: what is compared is the least of the second and of the last third.
    let third = resident_kb.len() / 3;
    let least = |part: &[u64]| part.iter().copied().min().unwrap_or_default();
    let before_kb = least(&resident_kb[third..2 * third]);
    let after = last_seen(60, || Census::take(&server, launcher), |census| *census == before);
    assert_eq!(after, before, "after {rounds} rounds");
    let grown_kb = least(&resident_kb[2 * third..]).saturating_sub(before_kb);
    say(&format!(
        "{rounds} rounds: in their last third the server has grown from {before_kb} KB by {grown_kb} KB"
    ));
    assert!(
        grown_kb < GROWTH_KB_MAX,
        "the server has grown by {grown_kb} KB in the last third of {rounds} rounds"
    );
}

#[test]
fn environments_that_fail_leave_nothing_either() {
    // Without shells: the same test with them would count those.
    let server = Server::start_set(Place::new(), &["shells=0", "warm_shells=0"]);
    let launcher = server.run.launcher();
    let empty = empty(&server, launcher);
    let broken: &[(&str, &[u8])] = &[
        ("exits", b"#!/bin/sh\nexit 1\n"),
        ("no-program", b"\x01\x02\x03"),
        ("killed", b"#!/bin/sh\nkill -9 $$\n"),
    ];
    for round in 0..5 {
        for (kind, bytes) in broken {
            let name = format!("{kind}-{round}");
            let code = provided(&[("bootstrap", 0o755, *bytes)]);
            server.create(&name, &code, json!({}));
            let failed = server.invoke(&name, &json!({}));
            assert_eq!(failed.error.as_deref(), Some("Unhandled"), "{name}");
            server.delete(&name);
        }
    }
    // What is made once (an empty file system of each size, the store's files) is not counted.
    let left = |census: &Census| {
        (census.processes, census.groups, census.loop_devices, census.scratch_files, census.trees)
    };
    let after =
        last_seen(60, || Census::take(&server, launcher), |seen| left(seen) == left(&empty));
    assert_eq!(left(&after), left(&empty), "{after:#?}");
}
