//! What is measured: one function for each scenario, from tools to rows of the table.
//!
//! Each has a server of its own, so that none inherits the warm environments of another.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::control;
use super::emulator::Emulator;
use super::hearth::{Function, Runtimes, Server, invoke_path, package};
use super::load::{Connection, Load, Requests};
use super::memory::{Memory, children, kilobytes, megabytes};
use super::stats::{Summary, times};
use super::table::{Promise, Row, ms, per_second};
use super::tools::Tools;
use crate::now;

/// One thing to measure.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Tools, usize) -> anyhow::Result<Vec<Row>>,
}

#[rustfmt::skip]
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "warm",        what: "one connection, Python, beside the emulator", run: warm },
    Scenario { name: "connections", what: "16 connections, Python",                      run: connections },
    Scenario { name: "cold-rust",   what: "new environments, compiled function",         run: cold_rust },
    Scenario { name: "cold-python", what: "new environments, Python",                    run: cold_python },
    Scenario { name: "memory",      what: "the server, idle and with idle environments", run: memory },
    Scenario { name: "neighbour",   what: "one function while another misbehaves",       run: neighbour },
    Scenario { name: "control",     what: "the control plane with many functions",       run: control::run },
];

const NO_OP: &str = "def handler(event, context):\n    return {}\n";
/// Keeps its environment busy for as long as the event says, in one way or the other.
const MISBEHAVES: &str = "\
import time

def handler(event, context):
    end = time.monotonic() + event['seconds']
    while time.monotonic() < end:
        if event['floods']:
            print('x' * 1000)
    return {}
";

/// How long a round of load lasts.
pub(super) const ROUND: Duration = Duration::from_secs(2);
/// How long the neighbour misbehaves: longer than a round and its warm-up.
const MISBEHAVIOUR_SECONDS: u32 = 3;
const CONNECTIONS: usize = 16;
const COLD_STARTS: usize = 30;
const IDLE_ENVIRONMENTS: u32 = 50;
/// How long memory is given to settle.
const SETTLE: Duration = Duration::from_secs(1);
/// One whole processor, as AWS counts; the emulator does not limit it.
const ONE_PROCESSOR_MB: u32 = 1769;
const SMALLEST_MB: u32 = 128;
const COMPILED: &str = "provided.al2023";

fn warm(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    let emulator = Emulator::start(tools, NO_OP)?;
    let hearth_load = load(&server, 1);
    let emulator_load =
        Load { address: emulator.address, requests: emulated(), ..load(&server, 1) };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(hearth_load.run());
        theirs.push(emulator_load.run());
    }
    let [ours, theirs] = [ours, theirs].map(|rounds| Summary::median(&rounds));
    ensure!(theirs.errors == 0, "the emulator failed {} times", theirs.errors);

    let [p50, p99] = [times(ours.p50, theirs.p50), times(ours.p99, ours.p50)];
    Ok(vec![
        promised("warm, Python, 1 connection: p50", &ours, Some(&theirs), Promise::ratio(p50, 1.0)),
        Row::promised(
            "warm, Python, 1 connection: p99 (wanted: beside its own p50)",
            ms(ours.p99),
            &ms(theirs.p99),
            Promise::ratio(p99, 2.0),
        ),
        Row::reported(
            "warm, Python, 1 connection: rate",
            per_second(ours.requests_per_second),
            &per_second(theirs.requests_per_second),
        ),
        no_errors("warm, Python, 1 connection: errors", ours.errors, "0"),
    ])
}

fn connections(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    let load = load(&server, CONNECTIONS);
    // The environments start during the first run. It counts for errors and for nothing else.
    let first = load.run();
    let measured: Vec<Summary> = (0..rounds).map(|_| load.run()).collect();
    let ours = Summary::median(&measured);
    drop(server);

    let emulator = Emulator::start(tools, NO_OP)?;
    let requests = emulated();
    let two = Load { address: emulator.address, requests, connections: 2, ..load };
    let theirs = two.run();
    let fate = format!("with 2 connections: {} errors, {}", theirs.errors, emulator.fate());
    let rate = per_second(ours.requests_per_second);
    Ok(vec![
        no_errors("16 connections, Python: errors", first.errors + ours.errors, &fate),
        Row::reported("16 connections, Python: rate", rate, "–"),
        Row::reported("16 connections, Python: p50, p99", both(&ours), "–"),
    ])
}

fn cold_rust(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let package = compiled_package(tools)?;
    let names = create_many(&server, &compiled(&package, ONE_PROCESSOR_MB), COLD_STARTS)?;
    let mut cold = Vec::new();
    for name in &names {
        cold.push(first_invocation(&server, name)?);
    }
    let ours = summary(cold);
    let promise = Promise { value: ours.p50.as_secs_f64() * 1000.0, at_most: 20.0, unit: "ms" };
    Ok(vec![
        promised("cold, compiled Rust: p50", &ours, None, promise),
        Row::reported("cold, compiled Rust: p99", ms(ours.p99), "–"),
    ])
}

fn cold_python(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    let package = package("app.py", NO_OP.as_bytes())?;
    let function = python(tools, &package, ONE_PROCESSOR_MB);
    let names = create_many(&server, &function, COLD_STARTS)?;
    // The first one reads files that are in memory from then on.
    bare_import(tools)?;
    let (mut cold, mut bare) = (Vec::new(), Vec::new());
    for name in &names {
        cold.push(first_invocation(&server, name)?);
        bare.push(bare_import(tools)?);
    }
    let (ours, bare) = (summary(cold), summary(bare));
    let promise = Promise::ratio(times(ours.p50, bare.p50), 1.5);
    let beside = format!("bare import {}", ms(bare.p50));
    Ok(vec![
        Row::promised("cold, Python: p50", ms(ours.p50), &beside, promise),
        Row::reported("cold, Python: p99", ms(ours.p99), &format!("bare {}", ms(bare.p99))),
    ])
}

fn memory(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    thread::sleep(SETTLE);
    // What it started before there is any function is the launcher.
    let launcher = children(server.id())?;
    let [idle, idle_launcher] = [Memory::of(server.id())?, Memory::sum(&launcher)?];

    let count = usize::try_from(IDLE_ENVIRONMENTS).context("a small number")?;
    let package = compiled_package(tools)?;
    for name in create_many(&server, &compiled(&package, SMALLEST_MB), count)? {
        first_invocation(&server, &name)?;
    }
    thread::sleep(SETTLE);
    let [full, full_launcher] = [Memory::of(server.id())?, Memory::sum(&launcher)?];

    let per_environment = |before: Memory, after: Memory| {
        let added = after.resident_kib.saturating_sub(before.resident_kib);
        kilobytes(added) / f64::from(IDLE_ENVIRONMENTS)
    };
    let value = megabytes(idle.resident_kib);
    let added = per_environment(idle, full);
    let added_launcher = per_environment(idle_launcher, full_launcher);
    Ok(vec![
        Row::promised(
            "server memory, idle",
            idle.shown(),
            &format!("its launcher: {}", idle_launcher.shown()),
            Promise { value, at_most: 40.0, unit: "MB" },
        ),
        Row::promised(
            &format!("server memory added by one of {IDLE_ENVIRONMENTS} idle environments"),
            format!("{added:.0} KB"),
            &format!("its launcher: {added_launcher:.0} KB"),
            Promise { value: added, at_most: 200.0, unit: "KB" },
        ),
    ])
}

fn neighbour(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    let package = package("app.py", MISBEHAVES.as_bytes())?;
    let function = python(tools, &package, SMALLEST_MB);
    server.create(&Function { name: "neighbour".to_owned(), ..function })?;
    misbehave(&server, "{\"seconds\": 0, \"floods\": false}")?;

    let load = load(&server, 1);
    let (mut alone, mut busy, mut flooded) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(load.run());
        busy.push(beside(&server, &load, "false")?);
        flooded.push(beside(&server, &load, "true")?);
    }
    let [alone, busy, flooded] = [alone, busy, flooded].map(|rounds| Summary::median(&rounds));
    let quiet = format!("alone {}", ms(alone.p99));
    let row = |what: &str, with: &Summary| {
        let promise = Promise::ratio(times(with.p99, alone.p99), 2.0);
        Row::promised(what, ms(with.p99), &quiet, promise)
    };
    Ok(vec![
        row("p99 while another function is busy", &busy),
        row("p99 while another function floods its output", &flooded),
        no_errors("errors meanwhile", alone.errors + busy.errors + flooded.errors, "–"),
    ])
}

/// A round of load while the neighbour misbehaves.
fn beside(server: &Server, load: &Load, floods: &str) -> anyhow::Result<Summary> {
    let event = format!("{{\"seconds\": {MISBEHAVIOUR_SECONDS}, \"floods\": {floods}}}");
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| misbehave(server, &event));
        let measured = load.run();
        let outcome = neighbour.join().ok().context("our own thread failed")?;
        // Without the neighbour the round would say nothing.
        outcome.context("the neighbour did not misbehave as it should")?;
        Ok(measured)
    })
}

fn misbehave(server: &Server, event: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(server.address)?;
    connection.exchange("POST", &invoke_path("neighbour"), event.as_bytes())?.succeeded()
}

/// The function that does nothing, called `no-op`.
pub(super) fn create_no_op(tools: &Tools, server: &Server) -> anyhow::Result<()> {
    let package = package("app.py", NO_OP.as_bytes())?;
    server.create(&python(tools, &package, ONE_PROCESSOR_MB))
}

/// A load on `no-op`.
pub(super) fn load(server: &Server, connections: usize) -> Load {
    let requests = Requests::invocation(invoke_path("no-op"));
    Load { address: server.address, requests, connections, duration: ROUND }
}

/// The same for the emulator.
fn emulated() -> Requests {
    Requests::invocation(Emulator::path())
}

fn python<'a>(tools: &'a Tools, package: &'a str, memory_mb: u32) -> Function<'a> {
    let runtime = tools.python.runtime.as_str();
    Function { name: "no-op".to_owned(), runtime, memory_mb, package }
}

fn compiled(package: &str, memory_mb: u32) -> Function<'_> {
    Function { name: "compiled".to_owned(), runtime: COMPILED, memory_mb, package }
}

fn compiled_package(tools: &Tools) -> anyhow::Result<String> {
    let program = fs::read(&tools.bootstrap).context("could not read the function")?;
    package("bootstrap", &program)
}

/// Creates many functions that differ in their names, and returns these.
fn create_many(
    server: &Server,
    function: &Function<'_>,
    count: usize,
) -> anyhow::Result<Vec<String>> {
    let names: Vec<String> = (0..count).map(|n| format!("{}-{n}", function.name)).collect();
    for name in &names {
        server.create(&Function { name: name.clone(), ..function.clone() })?;
    }
    Ok(names)
}

/// The time from a request to its answer, where the function has no environment yet.
fn first_invocation(server: &Server, name: &str) -> anyhow::Result<Duration> {
    let mut connection = Connection::open(server.address)?;
    let start = now();
    let answer = connection.exchange("POST", &invoke_path(name), b"{}")?;
    let took = start.elapsed();
    answer.succeeded().with_context(|| format!("could not invoke {name}"))?;
    Ok(took)
}

/// The time that the interpreter takes to start and to import AWS's client, without any walls.
fn bare_import(tools: &Tools) -> anyhow::Result<Duration> {
    let mut command = Command::new(&tools.python.program);
    command.args(["-c", "import awslambdaric.bootstrap"]).env("PYTHONPATH", &tools.client);
    let start = now();
    let status = command.status().context("could not start Python")?;
    let took = start.elapsed();
    ensure!(status.success(), "Python could not import AWS's client");
    Ok(took)
}

/// Of measurements that were taken one by one.
fn summary(latencies: Vec<Duration>) -> Summary {
    let elapsed = latencies.iter().sum();
    Summary::of(latencies, elapsed, 0)
}

/// A row about the p50.
fn promised(what: &str, ours: &Summary, theirs: Option<&Summary>, promise: Promise) -> Row {
    let beside = theirs.map_or_else(|| "–".to_owned(), |theirs| ms(theirs.p50));
    Row::promised(what, ms(ours.p50), &beside, promise)
}

pub(super) fn no_errors(what: &str, errors: usize, beside: &str) -> Row {
    let value = f64::from(u32::try_from(errors).unwrap_or(u32::MAX));
    let promise = Promise { value, at_most: 0.0, unit: "errors" };
    Row::promised(what, errors.to_string(), beside, promise)
}

pub(super) fn both(summary: &Summary) -> String {
    format!("{}, {}", ms(summary.p50), ms(summary.p99))
}
