//! Warm invocations: one connection, sixteen, and as many as give most.

use anyhow::ensure;

use super::fixtures::{
    NO_OP, ONE_PROCESSOR_MB, compiled as compiled_function, compiled_package, create_no_op, load,
    load_on, on_few_processors, python as python_function,
};
use super::hearth::{Function, Runtimes, Server, package};
use super::load::{Load, Requests};
use super::peers::echo::Echo;
use super::peers::emulator::{Emulator, Handler};
use super::peers::relay::Relay;
use super::stats::Summary;
use super::table::{Row, both, per_second};
use super::tools::Tools;

const CONNECTIONS: usize = 16;
/// Of these the one that gives most is taken.
const CONNECTIONS_TRIED: [usize; 4] = [4, 8, 16, 32];

/// Python on one connection, beside the emulator.
pub(super) fn python(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    let emulator = Emulator::start(tools, Handler::Python(NO_OP))?;
    let [ours, theirs] = in_turn(rounds, [load(&server, 1), emulated(&server, &emulator)]);
    ensure!(theirs.errors == 0, "the emulator failed {} times", theirs.errors);

    let name = "warm, Python, 1 connection";
    let beside = format!("emulator {}", both(&theirs));
    Ok(vec![
        Row::beside(&format!("{name}: p50, beside the emulator"), &ours, &theirs, 0.6),
        Row::steady(&format!("{name}: p99"), &ours, &beside, 3.0),
        Row::reported(
            &format!("{name}: rate"),
            per_second(ours.requests_per_second),
            &per_second(theirs.requests_per_second),
        ),
        Row::no_errors(&format!("{name}: errors"), ours.errors, "0"),
    ])
}

/// A compiled function on one connection, beside what the machine can do and the emulator.
pub(super) fn compiled(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let package = compiled_package(&tools.bootstrap)?;
    server.create(&compiled_function(&package, ONE_PROCESSOR_MB))?;
    let emulator = Emulator::start(tools, Handler::Compiled(&tools.bootstrap))?;
    let (echo, relay) = (Echo::start()?, Relay::start(&tools.bootstrap)?);
    let ours = load_on(&server, "compiled", 1);
    let [echoed, relayed] =
        [echo.address, relay.address].map(|address| Load { address, ..ours.clone() });
    let loads = [echoed, relayed, ours, emulated(&server, &emulator)];
    let [echoed, relayed, ours, theirs] = in_turn(rounds, loads);
    ensure!(theirs.errors == 0, "the emulator failed {} times", theirs.errors);
    ensure!(echoed.errors == 0, "the echo server failed {} times", echoed.errors);
    ensure!(relayed.errors == 0, "the relay failed {} times", relayed.errors);

    let name = "warm, compiled Rust, 1 connection";
    let limit = format!("echo {}", both(&echoed));
    let rates = [&echoed, &theirs].map(|peer| per_second(peer.requests_per_second));
    Ok(vec![
        Row::reported("an echo server on hyper, 1 connection: p50, p99", "–".to_owned(), &limit),
        Row::reported(
            "a bare relay to the same program by the Runtime API, 1 connection: p50, p99",
            "–".to_owned(),
            &format!("relay {}", both(&relayed)),
        ),
        Row::beside(&format!("{name}: p50, beside the echo server"), &ours, &echoed, 2.5),
        Row::beside(&format!("{name}: p50, beside the emulator"), &ours, &theirs, 0.55),
        Row::steady(&format!("{name}: p99"), &ours, &limit, 3.0),
        Row::reported(
            &format!("{name}: rate"),
            per_second(ours.requests_per_second),
            &format!("echo {}, emulator {}", rates[0], rates[1]),
        ),
        Row::no_errors(&format!("{name}: errors"), ours.errors, "0"),
    ])
}

/// Python on sixteen connections, and what the emulator makes of two.
pub(super) fn connections(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    let load = load(&server, CONNECTIONS);
    // The environments start during the first run. It counts for errors and for nothing else.
    let first = load.run();
    let measured: Vec<Summary> = (0..rounds).map(|_| load.run()).collect();
    let ours = Summary::median(&measured);
    drop(server);

    let emulator = Emulator::start(tools, Handler::Python(NO_OP))?;
    let requests = Emulator::invocations();
    let two = Load { address: emulator.address, requests, connections: 2, ..load };
    let theirs = two.run();
    let fate = format!("with 2 connections: {} errors, {}", theirs.errors, emulator.fate());
    let rate = per_second(ours.requests_per_second);
    Ok(vec![
        Row::no_errors("16 connections, Python: errors", first.errors + ours.errors, &fate),
        Row::reported("16 connections, Python: rate", rate, "–"),
        Row::reported("16 connections, Python: p50, p99", both(&ours), "–"),
    ])
}

/// AWS takes ten requests a second for each concurrent execution: 10,000 by default, which a quiet
/// machine exceeds.
const AT_ANY_RATE: &str = "requests_per_execution=0";

/// The number of connections that gives most, for both kinds of functions.
pub(super) fn throughput(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    on_few_processors(|| {
        let program = compiled_package(&tools.bootstrap)?;
        let function = compiled_function(&program, ONE_PROCESSOR_MB);
        let server = Server::start_with(tools, Runtimes::ProvidedOnly, &[AT_ANY_RATE])?;
        let wanted = Wanted { of: "compiled Rust", rate: 8_000.0 };
        let mut rows = most(&server, &function, rounds, wanted)?;
        drop(server);

        let script = package("app.py", NO_OP.as_bytes())?;
        let function = python_function(tools, &script, ONE_PROCESSOR_MB);
        let server = Server::start_with(tools, Runtimes::WithPython, &[AT_ANY_RATE])?;
        let wanted = Wanted { of: "Python", rate: 3_000.0 };
        rows.extend(most(&server, &function, rounds, wanted)?);
        Ok(rows)
    })
}

/// What is promised, of which kind of functions.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    of: &'static str,
    rate: f64,
}

/// The rate with each number of connections, and the best of them.
fn most(
    server: &Server,
    function: &Function<'_>,
    rounds: usize,
    wanted: Wanted,
) -> anyhow::Result<Vec<Row>> {
    server.create(function)?;
    let (mut rows, mut best, mut errors) = (Vec::new(), 0.0_f64, 0);
    for connections in CONNECTIONS_TRIED {
        let load = load_on(server, &function.name, connections);
        // As above, the first run is for the environments.
        errors += load.run().errors;
        let measured: Vec<Summary> = (0..rounds).map(|_| load.run()).collect();
        let measured = Summary::median(&measured);
        errors += measured.errors;
        best = best.max(measured.requests_per_second);
        let rate = per_second(measured.requests_per_second);
        let shown = format!("{rate} (p50, p99: {})", both(&measured));
        let what = format!("throughput, {}, {connections} connections", wanted.of);
        rows.push(Row::reported(&what, shown, "–"));
    }
    rows.push(Row::at_least(&format!("throughput, {}", wanted.of), best, wanted.rate));
    rows.push(Row::no_errors(&format!("throughput, {}: errors", wanted.of), errors, "–"));
    Ok(rows)
}

/// The load on the emulator that is the same as that on a server.
fn emulated(server: &Server, emulator: &Emulator) -> Load {
    let requests: Requests = Emulator::invocations();
    Load { address: emulator.address, requests, ..load(server, 1) }
}

/// Several loads, round by round in turn.
pub(super) fn in_turn<const COUNT: usize>(rounds: usize, loads: [Load; COUNT]) -> [Summary; COUNT] {
    let mut measured: [Vec<Summary>; COUNT] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds {
        for (results, load) in measured.iter_mut().zip(&loads) {
            results.push(load.run());
        }
    }
    measured.map(|results| Summary::median(&results))
}
