//! A million events that wait, beside few: memory of the server, and the rates of putting and of
//! delivering.
//!
//! Two servers take turns, one with a short backlog and one with a long one. The function holds on
//! while events are put, so that they stay; for the delivery it is released and does nothing. Both
//! rates are of the lane in which the backlog waits.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::fixtures::{ROUND, SETTLE};
use super::hearth::{Runtimes, Server};
use super::http::Connection;
use super::later::{CONNECTIONS, create_held, ensure_on_disk, events, ran, release};
use super::load::Load;
use super::memory::{Memory, megabytes};
use super::stats::Summary;
use super::table::{Promise, Row, both, per_second};
use super::tools::Tools;
use crate::{now, say};

/// What the short backlog has: enough for a delivery to be measured.
const FEW: u64 = 30_000;
/// So many events are delivered before it is measured: until the environments are there.
const BEFORE: u64 = 2_000;
/// So many are measured.
const DELIVERED: u64 = 15_000;
/// How long nothing may be delivered after the release: a lane that nothing was taken of rests for
/// some seconds, and the one that holds on to an event is in the way for longer.
const RELEASED_MAX: Duration = Duration::from_secs(90);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A rate that is a fifth lower takes a quarter more time.
const TIME_RATIO_MAX: f64 = 1.25;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let many = tools.backlog_events;
    let [short, long] = [server(tools)?, server(tools)?];
    // What was never done needs memory once, for code and buffers.
    fill(&short, FEW)?;
    fill(&long, FEW)?;
    thread::sleep(SETTLE);
    let before = Memory::of(long.id())?.resident_kib;
    fill(&long, many.saturating_sub(FEW))?;
    thread::sleep(SETTLE);
    let after = Memory::of(long.id())?.resident_kib;

    let mut put: [Vec<Summary>; 2] = Default::default();
    for _ in 0..rounds {
        for (results, server) in put.iter_mut().zip([&short, &long]) {
            results.push(load(server).run());
        }
    }
    let [put_short, put_long] = put.map(|rounds| Summary::median(&rounds));
    let [out_short, out_long] = [deliver(&short)?, deliver(&long)?];

    let name = format!("{many} waiting events");
    let grown = megabytes(after.saturating_sub(before));
    let beside = |rate: f64| format!("with {FEW} or some more: {}", per_second(rate));
    Ok(vec![
        Row::promised(
            &format!("{name}: growth of the server's memory"),
            format!("{grown:.1} MB"),
            &format!("from {:.1} MB", megabytes(before)),
            Promise { value: grown, at_most: 50.0, unit: "MB" },
        ),
        Row::promised(
            &format!("{name}: time to put one"),
            format!("{} ({})", per_second(put_long.requests_per_second), both(&put_long)),
            &beside(put_short.requests_per_second),
            Promise::ratio(
                put_short.requests_per_second / put_long.requests_per_second,
                TIME_RATIO_MAX,
            ),
        ),
        Row::promised(
            &format!("{name}: time to deliver one"),
            per_second(out_long),
            &beside(out_short),
            Promise::ratio(out_short / out_long, TIME_RATIO_MAX),
        ),
        Row::no_errors(&format!("{name}: errors"), put_short.errors + put_long.errors, "–"),
    ])
}

fn server(tools: &Tools) -> anyhow::Result<Server> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    create_held(tools, &server)?;
    Ok(server)
}

fn load(server: &Server) -> Load {
    let (address, requests) = (server.address, events());
    Load { address, requests, connections: CONNECTIONS, duration: ROUND }
}

/// Puts so many events.
fn fill(server: &Server, count: u64) -> anyhow::Result<()> {
    let (next, begin) = (AtomicU64::new(0), now());
    let outcomes: Vec<anyhow::Result<()>> = thread::scope(|scope| {
        let one = || put(server.address, &next, count);
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
        let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ends.map(|end| end.ok().context("our own thread failed")?).collect()
    });
    for outcome in outcomes {
        outcome.context("could not put an event")?;
    }
    let rate = figure(count) / begin.elapsed().as_secs_f64();
    say(&format!("put {count} events, {}", per_second(rate)));
    Ok(())
}

fn put(address: SocketAddr, next: &AtomicU64, count: u64) -> anyhow::Result<()> {
    let (mut connection, events) = (Connection::open(address)?, events());
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(());
        }
        connection.ask(&events.of(number))?.succeeded()?;
    }
}

/// Lets the function run, and says how many events a second it is given.
fn deliver(server: &Server) -> anyhow::Result<f64> {
    let mut connection = Connection::open(server.address)?;
    release(server)?;
    let first = ran(&mut connection)?;
    let begin = reach(&mut connection, first + BEFORE)?;
    let end = reach(&mut connection, first + BEFORE + DELIVERED)?;
    let seconds = (end.at - begin.at).as_secs_f64();
    ensure!(seconds > 0.0, "all was delivered between two looks");
    Ok(figure(end.ran - begin.ran) / seconds)
}

/// How often the function has run, and when that was.
struct Reached {
    ran: u64,
    at: Instant,
}

fn reach(connection: &mut Connection, wanted: u64) -> anyhow::Result<Reached> {
    let begin = now();
    while begin.elapsed() < RELEASED_MAX {
        let ran = ran(connection)?;
        if ran >= wanted {
            return Ok(Reached { ran, at: now() });
        }
        thread::sleep(LOOK_AGAIN);
    }
    bail!("{wanted} events were not delivered in time")
}

/// A count of which the first digits matter.
fn figure(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
