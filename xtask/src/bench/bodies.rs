//! Many large requests at the same moment, to a function that answers little: how much memory the
//! server has for them at most. What the environments of the function have is not counted.

use std::thread;
use std::time::Duration;

use anyhow::ensure;

use super::doors::{self, event_bytes};
use super::fixtures::{SETTLE, SMALLEST_MB, compiled, compiled_package};
use super::hearth::{Function, Runtimes, Server, invoke_path};
use super::http::{Connection, Request};
use super::load::Burst;
use super::memory::{Memory, forget_peak, megabytes, peak_kib};
use super::stats::Answered;
use super::table::{Promise, Row, ms};
use super::tools::Tools;

const NAME: &str = "replies";
const CONCURRENT: usize = 64;
/// A little less than AWS lets an event have, which has headers beside the body.
const BODY_BYTES: usize = 6_000_000;
const GROWTH_MB_MAX: f64 = 500.0;
/// The first of them starts the environments.
const ROUNDS_MAX: usize = 3;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let package = compiled_package(&tools.replies()?)?;
    server.create(&Function { name: NAME.to_owned(), ..compiled(&package, SMALLEST_MB) })?;
    let mut connection = Connection::open(server.address)?;
    let mut ways = [
        Way::new("an HTTP API", doors::http_api(&mut connection, NAME)?),
        Way::new("a function URL", doors::url(&mut connection, NAME, "BUFFERED")?),
        Way::new("the Invoke API", invoke_path(NAME)),
    ];
    for way in &ways {
        // What was never done needs memory once, for code and buffers.
        event_bytes(&mut connection, &way.path, "{}")?;
    }
    thread::sleep(SETTLE);
    let before = Memory::of(server.id())?.resident_kib;
    for _ in 0..rounds.min(ROUNDS_MAX) {
        for way in &mut ways {
            way.send(&server, before)?;
        }
    }
    for way in &ways {
        let seen = event_bytes(&mut connection, &way.path, &body())?;
        ensure!(seen >= BODY_BYTES, "{seen} bytes came through {}", way.name);
    }
    let [api, url, invoke] = ways.map(Way::measured);
    let beside = format!("from {:.1} MB; {}", megabytes(before), invoke.shown());
    let mut rows = Vec::new();
    for measured in [&api, &url] {
        rows.push(Row::promised(
            &format!("{}: growth of the server's memory", measured.what),
            format!("{:.0} MB", measured.grown_mb),
            &beside,
            Promise { value: measured.grown_mb, at_most: GROWTH_MB_MAX, unit: "MB" },
        ));
        let what = format!("{}: until all are answered", measured.what);
        rows.push(Row::reported(&what, ms(measured.took), &ms(invoke.took)));
    }
    let errors = api.errors + url.errors;
    let beside = format!("{}: {}", invoke.what, invoke.errors);
    rows.push(Row::no_errors("large bodies: errors", errors, &beside));
    Ok(rows)
}

/// A way by which the requests come, and what was measured of it.
struct Way {
    name: &'static str,
    path: String,
    /// The worst of the rounds: memory that is taken once is taken.
    grown_kib: u64,
    bursts: Vec<Answered>,
}

/// What all rounds gave.
struct Measured {
    what: String,
    grown_mb: f64,
    took: Duration,
    errors: usize,
}

impl Way {
    fn new(name: &'static str, path: String) -> Self {
        Self { name, path, grown_kib: 0, bursts: Vec::new() }
    }

    /// Sends all requests at once, and looks how much memory there was at most.
    fn send(&mut self, server: &Server, before_kib: u64) -> anyhow::Result<()> {
        forget_peak(server.id())?;
        let request = Request::invocation(self.path.clone(), body());
        let burst = Burst { address: server.address, request, count: CONCURRENT };
        self.bursts.push(burst.run());
        let grown_kib = peak_kib(server.id())?.saturating_sub(before_kib);
        self.grown_kib = self.grown_kib.max(grown_kib);
        Ok(())
    }

    fn measured(self) -> Measured {
        let Answered { all, errors } = Answered::median(&self.bursts);
        Measured {
            what: format!("{CONCURRENT} requests of 6 MB at once through {}", self.name),
            grown_mb: megabytes(self.grown_kib),
            took: all,
            errors,
        }
    }
}

impl Measured {
    fn shown(&self) -> String {
        format!("{}: {:.0} MB", self.what, self.grown_mb)
    }
}

/// A text in JSON, as the requests say that theirs is.
fn body() -> String {
    format!("\"{}\"", "x".repeat(BODY_BYTES))
}
