//! What a warm invocation and the server's memory cost when there is more of everything: functions
//! in the store, idle environments, connections.

use std::thread;
use std::time::Duration;

use super::control;
use super::fixtures::{
    ONE_PROCESSOR_MB, SETTLE, SMALLEST_MB, compiled, compiled_package, first_invocation, load_on,
};
use super::hearth::{Function, Runtimes, Server};
use super::load::Load;
use super::memory::Memory;
use super::stats::Summary;
use super::table::{Row, both};
use super::tools::Tools;

const FUNCTIONS: [u64; 4] = [10, 100, 1_000, 10_000];
const ENVIRONMENTS: [u64; 4] = [1, 10, 100, 1_000];
const CONNECTIONS: [usize; 5] = [1, 4, 16, 64, 256];
/// Room for all of them and some more.
const ROOM: &str = "environments_max=1100";
/// Shorter than elsewhere, and fewer of them: there are many steps, and what matters is how one
/// compares with the next.
const STEP: Duration = Duration::from_secs(1);
const ROUNDS_MAX: usize = 3;
/// The function that is invoked, whatever else there is.
const MEASURED: &str = "compiled";
/// Of the measured function where it has many environments: not held up by its share of the
/// processor, also with one of them.
const SHARED_MB: u32 = 512;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let rounds = rounds.min(ROUNDS_MAX);
    let package = compiled_package(&tools.bootstrap)?;
    let growing = Growing { tools, package: &package, rounds };
    let mut rows = growing.functions()?;
    rows.extend(growing.environments()?);
    rows.extend(growing.connections()?);
    Ok(rows)
}

struct Growing<'a> {
    tools: &'a Tools,
    package: &'a str,
    rounds: usize,
}

impl Growing<'_> {
    fn functions(&self) -> anyhow::Result<Vec<Row>> {
        let server = self.server(ONE_PROCESSOR_MB)?;
        let mut steps = Vec::new();
        let mut before = 0;
        for count in FUNCTIONS {
            control::create_functions(&server, before..count)?;
            before = count;
            steps.push((format!("{count} functions"), self.measure(&server, 1)?));
        }
        Ok(rows(&steps))
    }

    fn environments(&self) -> anyhow::Result<Vec<Row>> {
        let server = self.server(ONE_PROCESSOR_MB)?;
        let mut steps = Vec::new();
        // The measured function has one already.
        let mut before = 1;
        for count in ENVIRONMENTS {
            for number in before..count {
                let name = format!("idle-{number}");
                let function = compiled(self.package, SMALLEST_MB);
                server.create(&Function { name: name.clone(), ..function })?;
                first_invocation(&server, &name)?;
            }
            before = count;
            steps.push((format!("{count} idle environments"), self.measure(&server, 1)?));
        }
        Ok(rows(&steps))
    }

    fn connections(&self) -> anyhow::Result<Vec<Row>> {
        let server = self.server(SHARED_MB)?;
        let mut steps = Vec::new();
        for count in CONNECTIONS {
            steps.push((format!("{count} connections"), self.measure(&server, count)?));
        }
        Ok(rows(&steps))
    }

    /// A server with the function that is measured, and one environment of it.
    fn server(&self, memory_mb: u32) -> anyhow::Result<Server> {
        let server = Server::start_with(self.tools, Runtimes::ProvidedOnly, &[ROOM])?;
        server.create(&compiled(self.package, memory_mb))?;
        first_invocation(&server, MEASURED)?;
        Ok(server)
    }

    fn measure(&self, server: &Server, connections: usize) -> anyhow::Result<Step> {
        thread::sleep(SETTLE);
        let load = Load { duration: STEP, ..load_on(server, MEASURED, connections) };
        // What has to start for so many connections starts now. It counts for errors alone.
        let first = if connections > 1 { load.run().errors } else { 0 };
        let measured: Vec<Summary> = (0..self.rounds).map(|_| load.run()).collect();
        let mut summary = Summary::median(&measured);
        summary.errors += first;
        Ok(Step { summary, memory: Memory::of(server.id())? })
    }
}

/// What was measured of one size.
#[derive(Debug, Clone, Copy)]
struct Step {
    summary: Summary,
    memory: Memory,
}

impl Step {
    fn shown(&self) -> String {
        format!("{}, {}", both(&self.summary), self.memory.shown())
    }
}

/// A row for each size, beside the smallest, and one for the errors of all.
fn rows(steps: &[(String, Step)]) -> Vec<Row> {
    let Some((smallest, least)) = steps.first() else {
        return Vec::new();
    };
    let beside = format!("{smallest}: {}", least.shown());
    let row = |(size, step): &(String, Step)| {
        let what = format!("growth, {size}: p50, p99, memory of the server");
        Row::reported(&what, step.shown(), &beside)
    };
    let mut rows: Vec<Row> = steps.iter().map(row).collect();
    let errors = steps.iter().map(|(_, step)| step.summary.errors).sum();
    rows.push(Row::no_errors(&format!("growth from {smallest}: errors"), errors, "–"));
    rows
}
