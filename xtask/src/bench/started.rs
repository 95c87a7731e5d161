//! From a 202 to the start of the handler, on a system that has nothing else to do.
//!
//! The function prints the time at which it has its event; the client notes the time at which it has
//! read the 202. Both ask the same clock.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
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
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How long the last lines of the log may take.
pub(super) const LOGGED_MAX: Duration = Duration::from_secs(30);
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let package = compiled_package(&tools.starts()?)?;
    let function = compiled(&package, ONE_PROCESSOR_MB);
    server.create(&Function { name: NAME.to_owned(), ..function })?;
    let mut connection = Connection::open(server.address)?;
    let warm = Request::invocation(invoke_path(NAME), "{}".to_owned());
    connection.ask(&warm)?.succeeded()?;
    server.rest()?;
    let (mut delays, mut early) = (Vec::new(), 0);
    for round in 0..rounds {
        let round = measure(&mut connection, round)?;
        early += round.early;
        delays.push(summary(round.delays));
    }
    let delay = Summary::median(&delays);
    let all = EVENTS * rounds;
    let beside = format!("p50, p99: {}; {early} of {all} before the 202 was read", both(&delay));
    Ok(vec![Row::within("from 202 to handler start, idle: p50", delay.p50, &beside, 3.0)])
}

/// What one round gave.
struct Round {
    delays: Vec<Duration>,
    /// How many handlers had started before the client had read its 202. Their delay is zero.
    early: usize,
}

fn measure(connection: &mut Connection, round: usize) -> anyhow::Result<Round> {
    let mut accepted = HashMap::new();
    for number in 0..EVENTS {
        let id = format!("{round}-{number}");
        let body = json!({ "say": id }).to_string();
        let answer = connection.ask(&Request::event(invoke_path(NAME), body))?;
        accepted.insert(id, since_epoch());
        answer.succeeded().context("an event was not accepted")?;
        thread::sleep(PAUSE);
    }
    let begin = now();
    let mut started = HashMap::new();
    while started.len() < EVENTS {
        ensure!(begin.elapsed() < LOGGED_MAX, "{} of {EVENTS} handlers started", started.len());
        thread::sleep(LOOK_AGAIN);
        started = lines(connection, round)?;
    }
    let (mut delays, mut early) = (Vec::new(), 0);
    for (id, accepted) in accepted {
        let started = started.get(&id).with_context(|| format!("{id} did not start"))?;
        early += usize::from(*started < accepted);
        delays.push(started.saturating_sub(accepted));
    }
    Ok(Round { delays, early })
}

/// When the handlers of a round started, by the ids of their events.
pub(super) fn lines(
    connection: &mut Connection,
    round: usize,
) -> anyhow::Result<HashMap<String, Duration>> {
    let request = Request {
        method: "POST",
        path: "/".to_owned(),
        headers: "X-Amz-Target: Logs_20140328.FilterLogEvents\r\n",
        body: json!({
            "logGroupName": format!("/aws/lambda/{NAME}"),
            "filterPattern": format!("\"started {round}-\""),
        })
        .to_string(),
    };
    let answer = connection.ask(&request)?;
    answer.succeeded().context("could not read the log")?;
    let page: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
    ensure!(page["nextToken"].is_null(), "a round has more lines than a page");
    let events = page["events"].as_array().context("the log has no events")?;
    let messages = events.iter().filter_map(|event| event["message"].as_str());
    Ok(messages.filter_map(line).collect())
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
