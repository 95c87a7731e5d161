//! What functions notice of each other, and how they share the processors.

use std::num::NonZero;
use std::thread;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::fixtures::{ONE_PROCESSOR_MB, SMALLEST_MB, create_no_op, load, python};
use super::hearth::{Function, Runtimes, Server, invoke_path, package};
use super::http::{Connection, Request};
use super::load::{Burst, Load};
use super::stats::{Summary, times};
use super::table::{Promise, Row, both, ms};
use super::tools::Tools;

/// Keeps its environment busy for as long as the event says, in one way or the other, and says how
/// much of a processor it had.
const MISBEHAVES: &str = "\
import time

def handler(event, context):
    begin, used = time.monotonic(), time.process_time()
    while time.monotonic() < begin + event['seconds']:
        if event['floods']:
            print('x' * 1000)
    elapsed = time.monotonic() - begin
    return {'share': (time.process_time() - used) / elapsed if elapsed else 0}
";

/// How long the neighbour misbehaves: longer than a round and its warm-up.
const MISBEHAVIOUR_SECONDS: u32 = 3;
const NEIGHBOUR: &str = "neighbour";
/// A function that may have a whole processor, and takes it.
const HOG: &str = "hog";

/// One function while another misbehaves.
pub(super) fn neighbour(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    create_misbehaving(tools, &server, NEIGHBOUR, SMALLEST_MB)?;

    let load = load(&server, 1);
    let (mut alone, mut busy, mut flooded) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(load.run());
        busy.push(beside(&server, &load, Misbehaviour::Busy)?);
        flooded.push(beside(&server, &load, Misbehaviour::Flooding)?);
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
        Row::no_errors("errors meanwhile", alone.errors + busy.errors + flooded.errors, "–"),
    ])
}

/// How functions share the processors, and what is left where others take as much as they may.
pub(super) fn fairness(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    create_misbehaving(tools, &server, NEIGHBOUR, SMALLEST_MB)?;
    create_misbehaving(tools, &server, HOG, ONE_PROCESSOR_MB)?;
    let everywhere = thread::available_parallelism().map_or(1, NonZero::get);
    // One for each processor, so that none starts during a measurement.
    ensure!(hogs(&server, everywhere, 1).run().errors == 0, "the hogs do not run");

    let load = load(&server, 1);
    let (mut small, mut large) = (Vec::new(), Vec::new());
    let (mut alone, mut one, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let [less, more] = shares(&server)?;
        small.push(less);
        large.push(more);
        alone.push(load.run());
        one.push(beside_hogs(&server, &load, 1)?);
        all.push(beside_hogs(&server, &load, everywhere)?);
    }
    let [small, large] = [small, large].map(middle);
    let [alone, one, all] = [alone, one, all].map(|rounds| Summary::median(&rounds));
    let measured = large / small;
    let wanted = f64::from(ONE_PROCESSOR_MB) / f64::from(SMALLEST_MB);
    let off = (measured / wanted).max(wanted / measured);
    let quiet = format!("alone {}", both(&alone));
    Ok(vec![
        Row::promised(
            &format!(
                "processor of {ONE_PROCESSOR_MB} MB beside that of {SMALLEST_MB} MB, both busy"
            ),
            format!("{large:.3} and {small:.3}: {measured:.1} ×"),
            &format!("their memory: {wanted:.1} × (wanted: the one beside the other)"),
            Promise::ratio(off, 1.25),
        ),
        Row::reported("p50, p99 while another function has a processor", both(&one), &quiet),
        Row::reported("p50, p99 while others have every processor", both(&all), &quiet),
        Row::no_errors("errors beside hogs", alone.errors + one.errors + all.errors, "–"),
    ])
}

/// What a neighbour does to the others.
#[derive(Debug, Clone, Copy)]
enum Misbehaviour {
    Busy,
    Flooding,
}

impl Misbehaviour {
    fn event(self, seconds: u32) -> String {
        let floods = match self {
            Self::Busy => false,
            Self::Flooding => true,
        };
        json!({ "seconds": seconds, "floods": floods }).to_string()
    }
}

/// Creates the function that misbehaves, and starts an environment for it.
fn create_misbehaving(
    tools: &Tools,
    server: &Server,
    name: &str,
    memory_mb: u32,
) -> anyhow::Result<()> {
    let package = package("app.py", MISBEHAVES.as_bytes())?;
    let function = python(tools, &package, memory_mb);
    server.create(&Function { name: name.to_owned(), ..function })?;
    misbehave(server, name, &Misbehaviour::Busy.event(0)).map(|_share| ())
}

/// A round of load while the neighbour misbehaves.
fn beside(server: &Server, load: &Load, how: Misbehaviour) -> anyhow::Result<Summary> {
    let event = how.event(MISBEHAVIOUR_SECONDS);
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| misbehave(server, NEIGHBOUR, &event));
        let measured = load.run();
        let outcome = neighbour.join().ok().context("our own thread failed")?;
        // Without the neighbour the round would say nothing.
        outcome.context("the neighbour did not misbehave as it should")?;
        Ok(measured)
    })
}

/// A round of load while so many hogs are busy.
fn beside_hogs(server: &Server, load: &Load, count: usize) -> anyhow::Result<Summary> {
    thread::scope(|scope| {
        let hogs = hogs(server, count, MISBEHAVIOUR_SECONDS);
        let thread = scope.spawn(move || hogs.run());
        let measured = load.run();
        let outcome = thread.join().ok().context("our own thread failed")?;
        ensure!(outcome.errors == 0, "a hog did not misbehave as it should");
        ensure!(outcome.all > load.duration, "the hogs were there for {:?} only", outcome.all);
        Ok(measured)
    })
}

fn hogs(server: &Server, count: usize, seconds: u32) -> Burst {
    let body = Misbehaviour::Busy.event(seconds);
    let request = Request::invocation(invoke_path(HOG), body);
    Burst { address: server.address, request, count }
}

/// How much of a processor the small and the large function have when both want all of it.
fn shares(server: &Server) -> anyhow::Result<[f64; 2]> {
    let event = Misbehaviour::Busy.event(MISBEHAVIOUR_SECONDS);
    thread::scope(|scope| {
        let large = scope.spawn(|| misbehave(server, HOG, &event));
        let small = misbehave(server, NEIGHBOUR, &event)?;
        let large = large.join().ok().context("our own thread failed")??;
        ensure!(small > 0.0 && large > 0.0, "the shares are {small} and {large}");
        Ok([small, large])
    })
}

/// How much of a processor the function had while it misbehaved.
fn misbehave(server: &Server, name: &str, event: &str) -> anyhow::Result<f64> {
    let mut connection = Connection::open(server.address)?;
    let answer = connection.exchange("POST", &invoke_path(name), event.as_bytes())?;
    answer.succeeded()?;
    let said: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
    said["share"].as_f64().context("the function does not say how much it had")
}

/// The one in the middle.
fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
