//! Durable 202s: how many events a second are on the disk and accepted, beside a bare loop of
//! inserts into SQLite and beside RabbitMQ.
//!
//! All three have 32 producers of whom each waits for its answer, the same payloads, nobody who
//! takes away what was put (Hearth's function holds on to its first event), and their data in the
//! same directory for temporary files.

use anyhow::Context as _;

use super::fixtures::ROUND;
use super::hearth::{Runtimes, Server};
use super::later::{CONNECTIONS, create_held, ensure_on_disk, events};
use super::load::Load;
use super::peers::rabbitmq::Broker;
use super::peers::sqlite::Inserts;
use super::stats::Summary;
use super::table::{Promise, Row, both, per_second};
use super::tools::Tools;
use crate::complain;

/// How many messages each connection to RabbitMQ may have under way in a round of its own, which no
/// HTTP client can have.
const PIPELINED: usize = 64;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    create_held(tools, &server)?;
    let inserts = Inserts::new().context("could not prepare SQLite")?;
    let broker = Broker::start(tools);
    if let Err(why) = &broker {
        complain(&format!("RabbitMQ is not measured: {why:#}"));
    }
    let load = Load {
        address: server.address,
        requests: events(),
        connections: CONNECTIONS,
        duration: ROUND,
    };
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let (mut rabbit, mut pipelined) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(load.run());
        bare.push(inserts.run(CONNECTIONS, ROUND)?);
        if let Ok(broker) = &broker {
            rabbit.push(broker.load(CONNECTIONS, 1)?);
            pipelined.push(broker.load(CONNECTIONS, PIPELINED)?);
        }
    }
    let (ours, bare) = (Summary::median(&ours), Summary::median(&bare));
    let mut rows = own_rows(&ours, &bare);
    match broker {
        Ok(_running) => {
            rows.extend(rabbit_rows(
                &ours,
                &Summary::median(&rabbit),
                &Summary::median(&pipelined),
            ));
        }
        Err(why) => rows.push(Row::unmeasured("durable 202s beside RabbitMQ", &why)),
    }
    Ok(rows)
}

fn name() -> String {
    format!("durable 202s, {CONNECTIONS} connections")
}

fn own_rows(ours: &Summary, bare: &Summary) -> Vec<Row> {
    let name = name();
    vec![
        Row::at_least(&format!("{name}: rate"), ours.requests_per_second, 5_000.0),
        Row::within(&format!("{name}: p99"), ours.p99, &format!("p50, p99: {}", both(ours)), 20.0),
        Row::promised(
            &format!("{name}: rate, beside a bare loop of grouped inserts into SQLite"),
            per_second(ours.requests_per_second),
            &format!("{} ({})", per_second(bare.requests_per_second), both(bare)),
            // At least half of the rate is at most twice the time.
            Promise::ratio(bare.requests_per_second / ours.requests_per_second, 2.0),
        ),
        Row::no_errors(&format!("{name}: errors"), ours.errors, &bare.errors.to_string()),
    ]
}

fn rabbit_rows(ours: &Summary, rabbit: &Summary, pipelined: &Summary) -> Vec<Row> {
    let name = name();
    vec![
        Row::promised(
            &format!("{name}: rate, beside RabbitMQ, persistent and confirmed"),
            per_second(ours.requests_per_second),
            &format!("{} ({})", per_second(rabbit.requests_per_second), both(rabbit)),
            Promise::ratio(rabbit.requests_per_second / ours.requests_per_second, 1.0),
        ),
        Row::reported(
            &format!("RabbitMQ with {PIPELINED} messages under way on each connection: rate"),
            "–".to_owned(),
            &per_second(pipelined.requests_per_second),
        ),
    ]
}
