//! A streamed answer that is much longer than what a server should keep of it: through the Invoke API,
//! and through a function URL.

use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use super::doors;
use super::event_stream::Frames;
use super::fixtures::{ONE_PROCESSOR_MB, compiled, compiled_package};
use super::hearth::{Function, Runtimes, Server};
use super::http::{Connection, Request};
use super::memory::{Memory, forget_peak, megabytes, peak_kib};
use super::stats::Summary;
use super::table::{Promise, Row, ms};
use super::tools::Tools;
use crate::now;

/// As much as AWS lets a function stream.
const STREAMED_BYTES: u64 = 200_000_000;
/// What was never streamed before needs memory once, for code and buffers.
const FIRST_BYTES: u64 = 1_000_000;
const NAME: &str = "streams";
/// AWS slows down streams after the first megabytes; that would hide what the server can do.
const AT_FULL_SPEED: &str = "stream_bytes_per_second=0";

/// Through the Invoke API.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    measure((tools, rounds), "", |_connection| Ok(Way::Invoke))
}

/// Through a function URL.
pub(super) fn through_url(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    measure((tools, rounds), " through a function URL", |connection| {
        Ok(Way::Url(doors::url(connection, NAME, "RESPONSE_STREAM")?))
    })
}

/// How the answer comes.
enum Way {
    /// In the frames of the Invoke API.
    Invoke,
    /// As the body of a response, from this path.
    Url(String),
}

fn measure(
    (tools, rounds): (&Tools, usize),
    shown: &str,
    open: impl FnOnce(&mut Connection) -> anyhow::Result<Way>,
) -> anyhow::Result<Vec<Row>> {
    let server = Server::start_with(tools, Runtimes::ProvidedOnly, &[AT_FULL_SPEED])?;
    let package = compiled_package(&tools.streams()?)?;
    let function = compiled(&package, ONE_PROCESSOR_MB);
    server.create(&Function { name: NAME.to_owned(), ..function })?;
    let mut connection = Connection::open(server.address)?;
    let way = open(&mut connection)?;
    way.streamed(&mut connection, FIRST_BYTES)?;

    let (mut took, mut grown_kib) = (Vec::new(), 0);
    for _ in 0..rounds {
        let before = Memory::of(server.id())?.resident_kib;
        forget_peak(server.id())?;
        took.push(way.streamed(&mut connection, STREAMED_BYTES)?);
        // The worst of the rounds: memory that is taken once is taken.
        grown_kib = peak_kib(server.id())?.saturating_sub(before).max(grown_kib);
    }
    let elapsed = took.iter().sum();
    let took = Summary::of(took, elapsed, 0).p50;
    let megabytes_streamed = f64::from(u32::try_from(STREAMED_BYTES)?) / 1e6;
    let grown = megabytes(grown_kib);
    let rate = megabytes_streamed / took.as_secs_f64();
    let name = format!("a streamed answer of {megabytes_streamed:.0} MB{shown}");
    Ok(vec![
        Row::promised(
            &format!("{name}: growth of the server's memory"),
            format!("{grown:.1} MB"),
            "–",
            Promise { value: grown, at_most: 20.0, unit: "MB" },
        ),
        Row::reported(&format!("{name}: duration"), format!("{} ({rate:.0} MB/s)", ms(took)), "–"),
    ])
}

impl Way {
    /// Streams so many bytes, counts them, and says how long that took.
    fn streamed(&self, connection: &mut Connection, bytes: u64) -> anyhow::Result<Duration> {
        let start = now();
        let found = match self {
            Self::Invoke => invoked(connection, bytes)?,
            Self::Url(path) => requested(connection, path, bytes)?,
        };
        let took = start.elapsed();
        ensure!(found == bytes, "{found} of {bytes} bytes came");
        Ok(took)
    }
}

fn invoked(connection: &mut Connection, bytes: u64) -> anyhow::Result<u64> {
    let request = Request {
        method: "POST",
        path: format!("/2021-11-15/functions/{NAME}/response-streaming-invocations"),
        headers: "",
        body: json!({ "bytes": bytes }).to_string(),
    };
    let mut frames = Frames::default();
    connection.exchange_in_pieces(&request, &mut |piece| frames.take(piece))?;
    ensure!(frames.is_complete, "the stream ended before the function did");
    Ok(frames.payload_bytes)
}

fn requested(connection: &mut Connection, path: &str, bytes: u64) -> anyhow::Result<u64> {
    let request = Request {
        method: "GET",
        path: format!("{path}?bytes={bytes}"),
        headers: "",
        body: String::new(),
    };
    let mut found = 0;
    connection.exchange_in_pieces(&request, &mut |piece| {
        found += piece.len() as u64;
        Ok(())
    })?;
    Ok(found)
}
