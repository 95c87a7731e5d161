//! What the scenarios of asynchronous invocation have in common: a function that can be held and
//! released, events for it, and counting what became of them.

use std::env;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{FsWord, statfs};
use serde_json::{Value, json};

use super::fixtures::{SMALLEST_MB, compiled, compiled_package};
use super::hearth::{Function, Server, invoke_path};
use super::http::{Connection, Request};
use super::load::Requests;
use super::tools::Tools;
use crate::now;

/// How many connections the promises of acceptance are made for.
pub(super) const CONNECTIONS: usize = 32;
/// The function that is held.
pub(super) const HELD: &str = "held";
/// How long it holds an event. Less than its time limit, and so long that hardly any event gets
/// through while events are put.
const HOLD_SECONDS: u32 = 50;
/// How much an event has beside its number: about what a notification has.
const PADDING_BYTES: usize = 160;
const SETTLED_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// What the kernel calls a file system in memory.
const TMPFS: FsWord = 0x0102_1994;

/// Fails if what is measured would be kept in memory, where a sync costs nothing.
pub(super) fn ensure_on_disk() -> anyhow::Result<()> {
    let directory = env::temp_dir();
    let system = statfs(&directory).context("could not look at the directory for data")?;
    let shown = directory.display();
    ensure!(system.f_type != TMPFS, "{shown} is in memory; set TMPDIR to a disk");
    Ok(())
}

/// A function that runs one event at a time and holds each, so that what is put stays.
///
/// The peers of the measurement have nobody who takes from them either.
pub(super) fn create_held(tools: &Tools, server: &Server) -> anyhow::Result<()> {
    let package = compiled_package(&tools.starts()?)?;
    server.create(&Function { name: HELD.to_owned(), ..compiled(&package, SMALLEST_MB) })?;
    let mut connection = Connection::open(server.address)?;
    let variables = json!({ "HOLD_SECONDS": HOLD_SECONDS.to_string() });
    configure(&mut connection, &variables)?;
    let path = format!("/2017-10-31/functions/{HELD}/concurrency");
    let one = json!({ "ReservedConcurrentExecutions": 1 }).to_string();
    let answer = connection.exchange("PUT", &path, one.as_bytes())?;
    answer.succeeded().context("could not reserve concurrency")
}

/// Lets the function run as it can, and do nothing.
pub(super) fn release(server: &Server) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address)?;
    configure(&mut connection, &json!({}))?;
    let path = format!("/2017-10-31/functions/{HELD}/concurrency");
    let answer = connection.exchange("DELETE", &path, b"")?;
    answer.succeeded().context("could not give concurrency back")
}

/// Gives the function other variables, and waits until it has them.
fn configure(connection: &mut Connection, variables: &Value) -> anyhow::Result<()> {
    let path = format!("/2015-03-31/functions/{HELD}/configuration");
    let change = json!({ "Environment": { "Variables": variables } }).to_string();
    connection
        .exchange("PUT", &path, change.as_bytes())?
        .succeeded()
        .context("could not configure the function")?;
    let start = now();
    while start.elapsed() < SETTLED_MAX {
        let answer = connection.exchange("GET", &path, b"")?;
        let shown: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
        if shown["LastUpdateStatus"] == "Successful" {
            return Ok(());
        }
        thread::sleep(LOOK_AGAIN);
    }
    bail!("the function was not configured in time")
}

/// An event, the same for every peer.
pub(super) fn body(number: u64) -> String {
    json!({ "number": number, "padding": "x".repeat(PADDING_BYTES) }).to_string()
}

/// Events for the held function.
pub(super) fn events() -> Requests {
    let path = invoke_path(HELD);
    Requests::new(move |number| Request::event(path.clone(), body(number)))
}

/// How often the held function has run.
pub(super) fn ran(connection: &mut Connection) -> anyhow::Result<u64> {
    let answer = connection.exchange("GET", "/_hearth/status", b"")?;
    ensure!(answer.status == 200, "there is no status");
    let status: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
    let functions = status["functions"].as_array().context("the status has no functions")?;
    let held = functions.iter().filter(|function| function["name"] == HELD);
    Ok(held.filter_map(|function| function["invocations"].as_u64()).sum())
}
