//! What a request over HTTP costs beside an invocation: one connection, one compiled function, one
//! environment of it, every way to it in turn.
//!
//! The invocation that the others are beside has the event `{}`. A request becomes an event of more
//! than a thousand bytes, so an invocation with an event of that size is shown as well.

use super::doors::{self, event_bytes};
use super::fixtures::{ONE_PROCESSOR_MB, compiled, compiled_package, load_on};
use super::hearth::{Function, Runtimes, Server, invoke_path};
use super::http::{Connection, Request};
use super::load::{Load, Requests};
use super::stats::Summary;
use super::table::{Row, both};
use super::tools::Tools;
use super::warm::in_turn;

const NAME: &str = "replies";
/// What is promised of an HTTP API and of a load balancer, and wanted of the others as well.
const RATIO_MAX: f64 = 1.25;
/// The ways, in the order in which they are opened.
const WAYS: [&str; 4] = ["HTTP API", "load balancer target", "function URL", "REST API"];

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let package = compiled_package(&tools.replies()?)?;
    let function = compiled(&package, ONE_PROCESSOR_MB);
    server.create(&Function { name: NAME.to_owned(), ..function })?;
    let mut connection = Connection::open(server.address)?;
    let paths = [
        doors::http_api(&mut connection, NAME)?,
        doors::balancer(&mut connection, NAME)?,
        doors::url(&mut connection, NAME, "BUFFERED")?,
        doors::rest_api(&mut connection, NAME)?,
    ];
    let mut seen = [0; WAYS.len()];
    for (bytes, path) in seen.iter_mut().zip(&paths) {
        *bytes = event_bytes(&mut connection, path, "{}")?;
    }
    server.rest()?;

    let invoke = load_on(&server, NAME, 1);
    let padded = Load { requests: padded(seen[0]), ..invoke };
    let [api, balancer, url, rest] =
        paths.map(|path| Load { requests: Requests::invocation(path), ..invoke });
    let [invoke, padded, api, balancer, url, rest] =
        in_turn(rounds, [invoke, padded, api, balancer, url, rest]);

    let plain = format!("the Invoke API: {}", both(&invoke));
    let alike = format!("with an event of {} bytes {}", seen[0], both(&padded));
    let mut rows = vec![Row::reported("the Invoke API: p50, p99", both(&invoke), &alike)];
    let through = [api, balancer, url, rest];
    for ((way, measured), bytes) in WAYS.iter().zip(&through).zip(seen) {
        let what = format!("{way}: p50, beside the Invoke API");
        rows.push(Row::beside(&what, measured, &invoke, RATIO_MAX));
        let what = format!("{way}, an event of {bytes} bytes: p50, p99");
        rows.push(Row::reported(&what, both(measured), &plain));
    }
    let errors = through.iter().chain([&invoke, &padded]).map(errors_of).sum();
    rows.push(Row::no_errors("requests over HTTP: errors", errors, "–"));
    Ok(rows)
}

fn errors_of(summary: &Summary) -> usize {
    summary.errors
}

/// Invocations with an event of so many bytes.
fn padded(bytes: usize) -> Requests {
    let around = r#"{"padding":""}"#.len();
    let body = format!(r#"{{"padding":"{}"}}"#, "x".repeat(bytes.saturating_sub(around)));
    Requests::new(move |_| Request::invocation(invoke_path(NAME), body.clone()))
}
