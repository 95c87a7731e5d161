//! Messages of a queue through send, receive and delete, in batches of ten, all of it durable.
//!
//! Each connection does the three in turn and waits for each answer, as a program with an SDK does
//! that is producer and consumer in one.

use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::fixtures::ROUND;
use super::hearth::{Runtimes, Server};
use super::http::{Connection, Request};
use super::later::{body, ensure_on_disk};
use super::stats::Summary;
use super::table::{Row, both};
use super::tools::Tools;
use crate::now;

/// Enough that a sync is shared by several.
const CONNECTIONS: usize = 8;
/// AWS: messages of one call.
pub(super) const BATCH: usize = 10;
/// For how long messages flow before they count.
const WARM_UP: Duration = Duration::from_millis(300);

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let input = json!({ "QueueName": "bench" });
    let request = call("X-Amz-Target: AmazonSQS.CreateQueue\r\n", &input);
    let made = ask(&mut Connection::open(server.address)?, &request)?;
    let url = made["QueueUrl"].as_str().context("a queue has no address")?;

    let (mut rates, mut turns) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let round = round(server.address, url)?;
        rates.push(round.messages_per_second);
        turns.push(round.turns);
    }
    rates.sort_unstable_by(f64::total_cmp);
    let rate = rates.get(rates.len() / 2).copied().unwrap_or_default();
    let name = format!("queue service, batches of {BATCH}, {CONNECTIONS} connections");
    let turns = Summary::median(&turns);
    Ok(vec![
        Row::at_least(&format!("{name}: messages sent, received and deleted"), rate, 3_000.0),
        Row::reported(&format!("{name}: p50, p99 of all three calls"), both(&turns), "–"),
    ])
}

/// What one round gave.
struct Round {
    messages_per_second: f64,
    turns: Summary,
}

/// What one connection measured.
#[derive(Default)]
struct Share {
    /// Messages that were deleted.
    messages: u32,
    turns: Vec<Duration>,
}

fn round(address: SocketAddr, url: &str) -> anyhow::Result<Round> {
    let start = Barrier::new(CONNECTIONS);
    let shares: Vec<anyhow::Result<Share>> = thread::scope(|scope| {
        let one = || one_connection(address, url, &start);
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
        let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ends.map(|end| end.ok().context("our own thread failed")?).collect()
    });
    let (mut messages, mut turns) = (0, Vec::new());
    for share in shares {
        let share = share?;
        messages += share.messages;
        turns.extend(share.turns);
    }
    let messages_per_second = f64::from(messages) / ROUND.as_secs_f64();
    Ok(Round { messages_per_second, turns: Summary::of(turns, ROUND, 0) })
}

fn one_connection(address: SocketAddr, url: &str, start: &Barrier) -> anyhow::Result<Share> {
    let connection = Connection::open(address);
    // Also without a connection, or the others would wait for ever.
    start.wait();
    let (mut connection, mut share) = (connection?, Share::default());
    let send = send(url);
    let receive = call(
        "X-Amz-Target: AmazonSQS.ReceiveMessage\r\n",
        &json!({ "QueueUrl": url, "MaxNumberOfMessages": BATCH }),
    );
    let begin = now();
    while begin.elapsed() < WARM_UP + ROUND {
        let turn = now();
        let sent = ask(&mut connection, &send)?;
        ensure!(sent["Successful"].as_array().map(Vec::len) == Some(BATCH), "refused: {sent}");
        let received = ask(&mut connection, &receive)?;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        if messages.is_empty() {
            // Others were faster; what is left is for the next turn.
            continue;
        }
        let deleted = ask(&mut connection, &delete(url, &messages))?;
        let deleted = deleted["Successful"].as_array().map_or(0, Vec::len);
        ensure!(deleted == messages.len(), "{deleted} of {} were deleted", messages.len());
        if begin.elapsed() >= WARM_UP {
            share.messages += u32::try_from(deleted)?;
            share.turns.push(turn.elapsed());
        }
    }
    Ok(share)
}

/// A batch of messages for a queue.
pub(super) fn send(url: &str) -> Request {
    let entry = |number: usize| json!({ "Id": number.to_string(), "MessageBody": body(0) });
    let entries: Vec<Value> = (0..BATCH).map(entry).collect();
    call(
        "X-Amz-Target: AmazonSQS.SendMessageBatch\r\n",
        &json!({ "QueueUrl": url, "Entries": entries }),
    )
}

fn delete(url: &str, messages: &[Value]) -> Request {
    let entry = |(number, message): (usize, &Value)| json!({ "Id": number.to_string(), "ReceiptHandle": message["ReceiptHandle"] });
    let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
    call(
        "X-Amz-Target: AmazonSQS.DeleteMessageBatch\r\n",
        &json!({ "QueueUrl": url, "Entries": entries }),
    )
}

/// An operation, which the headers name.
pub(super) fn call(headers: &'static str, input: &Value) -> Request {
    Request { method: "POST", path: "/".to_owned(), headers, body: input.to_string() }
}

fn ask(connection: &mut Connection, request: &Request) -> anyhow::Result<Value> {
    let answer = connection.ask(request)?;
    answer.succeeded()?;
    serde_json::from_slice(&answer.body).context("not JSON")
}
