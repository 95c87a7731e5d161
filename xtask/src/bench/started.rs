//! From a 202 to the start of the handler, on a system that has nothing else to do.
//!
//! The function prints the time at which it has its event; the client notes the time at which it has
//! read the 202. Both ask the same clock. Other scenarios use the same function and the same log to
//! see when handlers start.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::fixtures::{ONE_PROCESSOR_MB, compiled, compiled_package, summary};
use super::hearth::{Function, Runtimes, Server, invoke_path};
use super::http::{Connection, Request};
use super::stats::Summary;
use super::table::{Row, both};
use super::tools::Tools;
use crate::now;

/// The function that says when it starts.
pub(super) const NAME: &str = "starts";
/// Events of one round.
const EVENTS: usize = 100;
/// Between two events: long enough that the environment is frozen again, as on an idle system.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the last lines of the log may take.
const LOGGED_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Pages of the log that are read for one look, each of a megabyte.
const PAGES_MAX: usize = 100;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let mut connection = create(tools, &server, ONE_PROCESSOR_MB)?;
    let (mut delays, mut early) = (Vec::new(), 0);
    for round in 0..rounds {
        let round = measure(&mut connection, &round.to_string(), &event)?;
        early += round.early;
        delays.push(summary(round.from_answered));
    }
    let delay = Summary::median(&delays);
    let all = EVENTS * rounds;
    let beside = format!("p50, p99: {}; {early} of {all} before the 202 was read", both(&delay));
    Ok(vec![Row::within("from 202 to handler start, idle: p50", delay.p50, &beside, 3.0)])
}

/// Creates the function, runs it once, and waits until the server rests.
pub(super) fn create(tools: &Tools, server: &Server, memory_mb: u32) -> anyhow::Result<Connection> {
    let package = compiled_package(&tools.starts()?)?;
    server.create(&Function { name: NAME.to_owned(), ..compiled(&package, memory_mb) })?;
    let mut connection = Connection::open(server.address)?;
    let warm = Request::invocation(invoke_path(NAME), "{}".to_owned());
    connection.ask(&warm)?.succeeded()?;
    server.rest()?;
    Ok(connection)
}

/// An event for the function, with the id that it is to print.
pub(super) fn event(id: &str) -> Request {
    Request::event(invoke_path(NAME), json!({ "say": id }).to_string())
}

/// What one round gave.
pub(super) struct Round {
    /// From the moment at which a request was sent to the start of its handler.
    pub(super) from_sent: Vec<Duration>,
    /// From the moment at which its answer was read.
    pub(super) from_answered: Vec<Duration>,
    /// How many handlers had started before the client had read its answer. Their delay from there
    /// is zero.
    pub(super) early: usize,
}

/// When a request was sent, and when its answer was read.
struct Asked {
    sent: Duration,
    answered: Duration,
}

/// Sends requests of which each makes the function start with the id that it was made of.
pub(super) fn measure(
    connection: &mut Connection,
    prefix: &str,
    request: &dyn Fn(&str) -> Request,
) -> anyhow::Result<Round> {
    let mut all = HashMap::new();
    for number in 0..EVENTS {
        let id = format!("{prefix}-{number}");
        let request = request(&id);
        let sent = since_epoch();
        let answer = connection.ask(&request)?;
        all.insert(id, Asked { sent, answered: since_epoch() });
        answer.succeeded().context("a request was not accepted")?;
        thread::sleep(PAUSE);
    }
    let started = wait(connection, prefix, EVENTS)?;
    let mut round = Round { from_sent: Vec::new(), from_answered: Vec::new(), early: 0 };
    for (id, asked) in all {
        let started = started.get(&id).with_context(|| format!("{id} did not start"))?;
        round.early += usize::from(*started < asked.answered);
        round.from_sent.push(started.saturating_sub(asked.sent));
        round.from_answered.push(started.saturating_sub(asked.answered));
    }
    Ok(round)
}

/// When the handlers started whose ids begin with `PREFIX-`, by these ids; waits until there are so
/// many of them.
pub(super) fn wait(
    connection: &mut Connection,
    prefix: &str,
    count: usize,
) -> anyhow::Result<HashMap<String, Duration>> {
    let begin = now();
    loop {
        let started = lines(connection, prefix)?;
        if started.len() >= count {
            return Ok(started);
        }
        ensure!(begin.elapsed() < LOGGED_MAX, "{} of {count} handlers started", started.len());
        thread::sleep(LOOK_AGAIN);
    }
}

/// What the log says now.
fn lines(connection: &mut Connection, prefix: &str) -> anyhow::Result<HashMap<String, Duration>> {
    let (mut found, mut token) = (HashMap::new(), Value::Null);
    for _page in 0..PAGES_MAX {
        let mut page = page(connection, prefix, &token)?;
        let events = page["events"].as_array().context("the log has no events")?;
        let messages = events.iter().filter_map(|event| event["message"].as_str());
        found.extend(messages.filter_map(line));
        token = page["nextToken"].take();
        if token.is_null() {
            return Ok(found);
        }
    }
    bail!("the log does not end")
}

/// One page of the log, by the token of the one before.
fn page(connection: &mut Connection, prefix: &str, token: &Value) -> anyhow::Result<Value> {
    let mut input = json!({
        "logGroupName": format!("/aws/lambda/{NAME}"),
        "filterPattern": format!("\"started {prefix}-\""),
    });
    if !token.is_null() {
        input["nextToken"] = token.clone();
    }
    let request = Request {
        method: "POST",
        path: "/".to_owned(),
        headers: "X-Amz-Target: Logs_20140328.FilterLogEvents\r\n",
        body: input.to_string(),
    };
    let answer = connection.ask(&request)?;
    answer.succeeded().context("could not read the log")?;
    serde_json::from_slice(&answer.body).context("not JSON")
}

/// Reads `started ID NANOSECONDS`.
fn line(message: &str) -> Option<(String, Duration)> {
    let (id, at) = message.trim().strip_prefix("started ")?.split_once(' ')?;
    Some((id.to_owned(), Duration::from_nanos(at.parse().ok()?)))
}

/// The time of day, which the function asks for as well.
#[expect(clippy::disallowed_methods, reason = "two processes compare what they read")]
pub(super) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_function_is_read() {
        #[rustfmt::skip]
        let rows = [
            ("started 0-7 1700000000000000001\n", Some(("0-7".to_owned(), Duration::from_nanos(1_700_000_000_000_000_001)))),
            ("started 0-7",                       None),
            ("START RequestId: x",                None),
        ];
        for (message, expected) in rows {
            assert_eq!(line(message), expected, "{message}");
        }
    }
}
