//! Objects in buckets: small ones from many connections, one that is large, and from an upload to the
//! start of the handler that is told of it.
//!
//! Requests have a signature of which only the form counts, because Hearth checks none. Everything is
//! on the disk when it is answered.

mod disk;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;

use self::disk::{Disk, FILE_BYTES};
use super::doors;
use super::fixtures::{ONE_PROCESSOR_MB, ROUND, summary};
use super::hearth::{Runtimes, Server};
use super::http::{Connection, Request};
use super::later::{CONNECTIONS, ensure_on_disk};
use super::load::{Load, Requests};
use super::memory::{Memory, forget_peak, megabytes, peak_kib};
use super::peers::echo::Echo;
use super::peers::sqlite::Inserts;
use super::started;
use super::stats::{Summary, times};
use super::table::{Promise, Row, both, per_second};
use super::tools::Tools;
use crate::now;

/// The bucket of which nobody is told.
const QUIET: &str = "quiet";
/// The bucket of which the function is told.
const TOLD: &str = "told";
const SIGNED: &str = "Authorization: AWS bench:unchecked\r\n";
const SMALL_BYTES: usize = 1_000;
/// Small objects that are read, in turn.
const READ: u64 = 1_000;
const PUTS_PER_SECOND: f64 = 1_500.0;
const GETS_PER_SECOND: f64 = 8_000.0;
/// Seven tenths of a rate are so many times the time.
const LARGE_TIME_RATIO_MAX: f64 = 1.0 / 0.7;
const LARGE_PATH: &str = "/quiet/large";
/// Each moves gigabytes, or waits for hundreds of pauses.
const ROUNDS_MAX: usize = 3;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let mut first = started::create(tools, &server, ONE_PROCESSOR_MB)?;
    for bucket in [QUIET, TOLD] {
        ask(&mut first, &put(&format!("/{bucket}"), String::new()))?;
    }
    let mut rows = small(&server, rounds)?;
    rows.extend(large(&server, rounds.min(ROUNDS_MAX))?);
    // A connection of its own: the server has ended the first, idle as it was.
    rows.extend(uploads(&mut Connection::open(server.address)?, rounds.min(ROUNDS_MAX))?);
    Ok(rows)
}

/// Small objects, beside inserts into SQLite, and beside a server that does nothing.
fn small(server: &Server, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let (inserts, echo) = (Inserts::new()?, Echo::start()?);
    let mut connection = Connection::open(server.address)?;
    for number in 0..READ {
        ask(&mut connection, &put(&read_path(number), content()))?;
    }
    let load = |requests| Load {
        address: server.address,
        requests,
        connections: CONNECTIONS,
        duration: ROUND,
    };
    let gets = load(Requests::new(|number| get(&read_path(number % READ))));
    let echoed = Load { address: echo.address, ..load(puts()) };
    let puts = load(puts());
    let mut measured: [Vec<Summary>; 4] = Default::default();
    for _ in 0..rounds {
        let round = [puts.run(), inserts.run(CONNECTIONS, ROUND)?, gets.run(), echoed.run()];
        for (results, one) in measured.iter_mut().zip(round) {
            results.push(one);
        }
    }
    let [puts, inserts, gets, echoed] = measured.map(|rounds| Summary::median(&rounds));
    let peer_errors = inserts.errors + echoed.errors;
    ensure!(peer_errors == 0, "the peers failed {peer_errors} times");
    let [bare, idle] = [&inserts, &echoed]
        .map(|peer| format!("{} ({})", per_second(peer.requests_per_second), both(peer)));
    let name = |what: &str| format!("{what} of objects of 1 KB, {CONNECTIONS} connections");
    let (put, get) = (name("durable puts"), name("gets"));
    Ok(vec![
        Row::at_least(&format!("{put}: rate"), puts.requests_per_second, PUTS_PER_SECOND),
        Row::reported(
            &format!("{put}: p50, p99, beside a bare loop of grouped inserts into SQLite"),
            both(&puts),
            &bare,
        ),
        Row::at_least(&format!("{get}: rate"), gets.requests_per_second, GETS_PER_SECOND),
        Row::reported(
            &format!("{get}: p50, p99, beside an echo server with bodies of 1 KB"),
            both(&gets),
            &idle,
        ),
        Row::no_errors("small objects: errors", puts.errors + gets.errors, "–"),
    ])
}

/// One large object, beside a copy of a file of its size.
fn large(server: &Server, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let disk = Disk::new()?;
    let mut took: [Vec<Duration>; 3] = Default::default();
    let before = Memory::of(server.id())?.resident_kib;
    forget_peak(server.id())?;
    for _ in 0..rounds {
        let copied = disk.copy()?;
        // Copying may take longer than the server waits for an idle connection.
        let mut connection = Connection::open(server.address)?;
        let put = put_large(&mut connection, &disk)?;
        let round = [copied, put, get_large(&mut connection)?];
        for (results, one) in took.iter_mut().zip(round) {
            results.push(one);
        }
        let gone = Request { method: "DELETE", ..get(LARGE_PATH) };
        ask(&mut connection, &gone)?;
    }
    let grown = megabytes(peak_kib(server.id())?.saturating_sub(before));
    let [copied, put, got] = took.map(|rounds| summary(rounds).p50);
    let rate = |took: Duration| -> anyhow::Result<String> {
        let megabytes = f64::from(u32::try_from(FILE_BYTES)?) / 1e6;
        Ok(format!("{:.0} MB/s", megabytes / took.as_secs_f64()))
    };
    let beside = format!("copy: {}", rate(copied)?);
    let row = |what: &str, took: Duration| -> anyhow::Result<Row> {
        let what = format!("{what} of an object of 1 GB: time, beside a synced copy of a file");
        let promise = Promise::ratio(times(took, copied), LARGE_TIME_RATIO_MAX);
        Ok(Row::promised(&what, rate(took)?, &beside, promise))
    };
    let what = "objects of 1 GB: growth of the server's memory";
    Ok(vec![
        row("put", put)?,
        row("get, into nothing,", got)?,
        Row::reported(what, format!("{grown:.1} MB"), "–"),
    ])
}

fn put_large(connection: &mut Connection, disk: &Disk) -> anyhow::Result<Duration> {
    let request = put(LARGE_PATH, String::new());
    let file = disk.open()?;
    let start = now();
    let answer = connection.upload(&request, file)?;
    let took = start.elapsed();
    answer.succeeded().context("could not put the large object")?;
    Ok(took)
}

/// Gets it, and lets go of the bytes as they come.
fn get_large(connection: &mut Connection) -> anyhow::Result<Duration> {
    let (mut found, start) = (0, now());
    connection.exchange_in_pieces(&get(LARGE_PATH), &mut |piece| {
        found += piece.len() as u64;
        Ok(())
    })?;
    let took = start.elapsed();
    ensure!(found == FILE_BYTES, "{found} of {FILE_BYTES} bytes came");
    Ok(took)
}

/// From an upload to the start of the handler, beside an event for the same function.
fn uploads(connection: &mut Connection, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let statement = json!({
        "StatementId": "bucket",
        "Action": doors::INVOKE,
        "Principal": "s3.amazonaws.com",
        "SourceArn": format!("arn:aws:s3:::{TOLD}"),
    });
    doors::permit(connection, started::NAME, &statement)?;
    let function = doors::arn(started::NAME);
    let configuration = format!(
        "<NotificationConfiguration><CloudFunctionConfiguration>\
         <CloudFunction>{function}</CloudFunction><Event>s3:ObjectCreated:*</Event>\
         </CloudFunctionConfiguration></NotificationConfiguration>"
    );
    ask(connection, &put(&format!("/{TOLD}?notification"), configuration))?;
    let upload = |id: &str| put(&format!("/{TOLD}/{id}"), content());
    // What is measured is an environment that is there, and a way that was gone before.
    started::measure(connection, "first", &upload)?;

    let mut measured: [Vec<Summary>; 3] = Default::default();
    for round in 0..rounds {
        let uploaded = started::measure(connection, &format!("upload{round}"), &upload)?;
        let event = started::measure(connection, &format!("event{round}"), &started::event)?;
        let delays = [uploaded.from_sent, uploaded.from_answered, event.from_answered];
        for (results, delays) in measured.iter_mut().zip(delays) {
            results.push(summary(delays));
        }
    }
    let [from_sent, from_answered, event] = measured.map(|rounds| Summary::median(&rounds));
    let beside = format!(
        "p50, p99: {}; from its answer: {}; from the 202 of an event: {}",
        both(&from_sent),
        both(&from_answered),
        both(&event)
    );
    let what = "from the sending of an upload of 1 KB to handler start, idle: p50";
    Ok(vec![Row::within(what, from_sent.p50, &beside, 10.0)])
}

/// Puts of objects that are not there yet, in this run and in those after it.
fn puts() -> Requests {
    let next = AtomicU64::new(0);
    Requests::new(move |_| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        put(&format!("/{QUIET}/new/{number}"), content())
    })
}

fn read_path(number: u64) -> String {
    format!("/{QUIET}/read/{number}")
}

fn content() -> String {
    "x".repeat(SMALL_BYTES)
}

fn put(path: &str, body: String) -> Request {
    Request { method: "PUT", path: path.to_owned(), headers: SIGNED, body }
}

fn get(path: &str) -> Request {
    Request { method: "GET", ..put(path, String::new()) }
}

fn ask(connection: &mut Connection, request: &Request) -> anyhow::Result<()> {
    let Request { method, path, .. } = request;
    connection.ask(request)?.succeeded().with_context(|| format!("could not {method} {path}"))
}
