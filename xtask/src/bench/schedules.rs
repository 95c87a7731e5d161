//! A hundred thousand schedules: how long a server takes to start with them, what it does while none
//! of them is due, and how late those are that are.
//!
//! Nearly all of them are of a year that is far away, each at another minute. A thousand come within
//! a few seconds and send a message to a queue, which says when it was sent.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hearth_types::time::{Clock as _, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::fixtures::SETTLE;
use super::hearth::{Runtimes, Server};
use super::http::{Connection, Request};
use super::later::ensure_on_disk;
use super::memory::Memory;
use super::table::{Promise, Row};
use super::tools::Tools;
use crate::{now, say};

/// How many are far away.
const FAR: u64 = 100_000;
/// How many come soon.
const SOON: u64 = 1_000;
/// In how many seconds they come, one after the other.
const SOON_SECONDS: u64 = 20;
/// How long before the first of them they are made.
const AHEAD_MS: u64 = 15_000;
const CONNECTIONS: u64 = 16;
/// How long the server is watched at rest.
const REST: Duration = Duration::from_secs(10);
/// How long is waited for messages after the last one is due.
const LATE_MAX: Duration = Duration::from_secs(60);
/// Linux: what programs are shown, whatever the kernel counts in.
const TICKS_PER_SECOND: f64 = 100.0;
const ROLE: &str = "arn:aws:iam::000000000000:role/bench";
const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:bench";

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let (server, empty) = server.restarted(tools)?;
    make(server.address, FAR, &far)?;
    let (server, full) = server.restarted(tools)?;
    thread::sleep(SETTLE);
    let busy = busy_share(server.id())?;
    let memory = Memory::of(server.id())?;

    let input = json!({ "QueueName": "bench" });
    let made = sqs(&mut Connection::open(server.address)?, CREATE_QUEUE, &input)?;
    let url = made["QueueUrl"].as_str().context("a queue has no address")?.to_owned();
    let begin = SystemClock.now().plus_millis(AHEAD_MS).0.div_ceil(1_000) * 1_000;
    make(server.address, SOON, &|number| soon(number, begin))?;
    ensure!(SystemClock.now().0 < begin, "it took too long to make the schedules that come soon");
    let late = punctuality(server.address, &url)?;

    let name = format!("{FAR} schedules");
    let more = full.saturating_sub(empty);
    let worst = late.last().copied().unwrap_or_default();
    let middle = late.get(late.len() / 2).copied().unwrap_or_default();
    let beside = format!("{} ms without them", empty.as_millis());
    Ok(vec![
        Row::within(&format!("{name}: what they add to a start"), more, &beside, 2_000.0),
        Row::promised(
            &format!("{name}: processor time at rest"),
            format!("{busy:.2} %"),
            "of one processor",
            Promise { value: busy, at_most: 1.0, unit: "%" },
        ),
        Row::reported(&format!("{name}: memory of the server"), memory.shown(), "–"),
        Row::within(
            &format!("{name}: how late the latest of {SOON} is"),
            worst,
            &format!("p50 {} ms", middle.as_millis()),
            1_000.0,
        ),
    ])
}

const CREATE_QUEUE: &str = "X-Amz-Target: AmazonSQS.CreateQueue\r\n";
const RECEIVE: &str = "X-Amz-Target: AmazonSQS.ReceiveMessage\r\n";
const DELETE: &str = "X-Amz-Target: AmazonSQS.DeleteMessageBatch\r\n";

/// A schedule of a year that is far away.
fn far(number: u64) -> (String, Value) {
    let (minute, hour, day) = (number % 60, number / 60 % 24, number / 1_440 % 28 + 1);
    let expression = format!("cron({minute} {hour} {day} 1 ? 2190)");
    (format!("far-{number}"), schedule(&expression, "far"))
}

/// A schedule that comes soon, and says when.
fn soon(number: u64, begin: u64) -> (String, Value) {
    let at = Timestamp(begin + number % SOON_SECONDS * 1_000);
    let text = at.iso_seconds();
    let expression = format!("at({})", text.trim_end_matches('Z'));
    (format!("soon-{number}"), schedule(&expression, &at.0.to_string()))
}

fn schedule(expression: &str, input: &str) -> Value {
    json!({
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": QUEUE, "RoleArn": ROLE, "Input": input },
    })
}

/// Makes so many schedules, on several connections.
fn make(
    address: SocketAddr,
    count: u64,
    given: &(dyn Fn(u64) -> (String, Value) + Sync),
) -> anyhow::Result<()> {
    let (next, begin) = (AtomicU64::new(0), now());
    let outcomes: Vec<anyhow::Result<()>> = thread::scope(|scope| {
        let one = || -> anyhow::Result<()> {
            let mut connection = Connection::open(address)?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(());
                }
                let (name, body) = given(number);
                let path = format!("/schedules/{name}");
                let body = body.to_string();
                connection.exchange("POST", &path, body.as_bytes())?.succeeded()?;
            }
        };
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
        let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ends.map(|end| end.ok().context("our own thread failed")?).collect()
    });
    for outcome in outcomes {
        outcome.context("could not make a schedule")?;
    }
    say(&format!("made {count} schedules in {:.1} s", begin.elapsed().as_secs_f64()));
    Ok(())
}

/// How late each message was put into the queue, in order.
fn punctuality(address: SocketAddr, url: &str) -> anyhow::Result<Vec<Duration>> {
    let (mut connection, begin) = (Connection::open(address)?, now());
    let most = Duration::from_millis(AHEAD_MS) + Duration::from_secs(SOON_SECONDS) + LATE_MAX;
    let receive = json!({
        "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "AttributeNames": ["SentTimestamp"],
    });
    let mut late = Vec::new();
    while late.len() < usize::try_from(SOON)? {
        ensure!(begin.elapsed() < most, "{} of {SOON} schedules came", late.len());
        let received = sqs(&mut connection, RECEIVE, &receive)?;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let number = |value: &Value| -> anyhow::Result<u64> {
                value.as_str().context("no text")?.parse().context("not a number")
            };
            let sent = number(&message["Attributes"]["SentTimestamp"])?;
            let wanted = number(&message["Body"])?;
            ensure!(sent >= wanted, "a schedule came {} ms too early", wanted - sent);
            late.push(Duration::from_millis(sent - wanted));
        }
        if !messages.is_empty() {
            let entry = |(number, message): (usize, &Value)| json!({ "Id": number.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
            let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
            let delete = json!({ "QueueUrl": url, "Entries": entries });
            sqs(&mut connection, DELETE, &delete)?;
        }
    }
    late.sort_unstable();
    Ok(late)
}

fn sqs(connection: &mut Connection, headers: &'static str, input: &Value) -> anyhow::Result<Value> {
    let body = input.to_string();
    let request = Request { method: "POST", path: "/".to_owned(), headers, body };
    let answer = connection.ask(&request)?;
    answer.succeeded()?;
    serde_json::from_slice(&answer.body).context("not JSON")
}

/// Which part of one processor a process uses while nothing is asked of it, in percent.
fn busy_share(process: u32) -> anyhow::Result<f64> {
    let (before, begin) = (ticks(process)?, now());
    thread::sleep(REST);
    let used = ticks(process)?.saturating_sub(before);
    let used = f64::from(u32::try_from(used)?) / TICKS_PER_SECOND;
    Ok(100.0 * used / begin.elapsed().as_secs_f64())
}

/// The time that a process has had, in the kernel's ticks.
fn ticks(process: u32) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("could not look")?;
    // The name of the program stands in parentheses, and may have spaces.
    let (_, rest) = stat.rsplit_once(')').context("not what the kernel says")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |index: usize| -> anyhow::Result<u64> {
        fields.get(index).context("too short")?.parse().context("not a number")
    };
    Ok(field(11)? + field(12)?)
}
