//! Many first calls of one function at the same moment.

use std::thread;

use super::fixtures::{
    NO_OP, SETTLE, SMALLEST_MB, burst_on, compiled, compiled_package, on_few_processors, python,
};
use super::hearth::{Function, Runtimes, Server, package};
use super::stats::Answered;
use super::table::Row;
use super::tools::Tools;

const PYTHON_CALLS: usize = 50;
const COMPILED_CALLS: usize = 200;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    on_few_processors(|| measure(tools, rounds))
}

fn measure(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    let script = package("app.py", NO_OP.as_bytes())?;
    let program = compiled_package(&tools.bootstrap)?;
    let in_python = python(tools, &script, SMALLEST_MB);
    let in_rust = compiled(&program, SMALLEST_MB);
    let (mut scripts, mut programs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        scripts.push(first_calls(&server, &in_python, PYTHON_CALLS)?);
        programs.push(first_calls(&server, &in_rust, COMPILED_CALLS)?);
    }
    let [scripts, programs] = [scripts, programs].map(|bursts| Answered::median(&bursts));
    let rows = |name: &str, measured: &Answered, at_most_ms| {
        [
            Row::within(&format!("{name}: until all are answered"), measured.all, "–", at_most_ms),
            Row::no_errors(&format!("{name}: errors"), measured.errors, "–"),
        ]
    };
    let python = format!("{PYTHON_CALLS} first calls at once, Python");
    let compiled = format!("{COMPILED_CALLS} first calls at once, compiled Rust");
    Ok([rows(&python, &scripts, 2_000.0), rows(&compiled, &programs, 1_500.0)].concat())
}

/// A burst on a function that is new, and is gone afterwards with all of its environments.
fn first_calls(server: &Server, function: &Function<'_>, count: usize) -> anyhow::Result<Answered> {
    server.create(function)?;
    server.rest()?;
    let answered = burst_on(server, &function.name, count).run();
    server.delete(&function.name)?;
    thread::sleep(SETTLE);
    Ok(answered)
}
