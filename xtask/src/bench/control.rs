//! The control plane beside itself: with a few functions and with many.

use std::ops::Range;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::fixtures::{ROUND, create_no_op, load};
use super::hearth::{FUNCTIONS, Function, Runtimes, Server, create, package};
use super::http::{Connection, Request};
use super::load::{Load, Requests};
use super::stats::{Summary, times};
use super::table::{Promise, Row, both, ms};
use super::tools::Tools;
use crate::{now, say};

const FEW: u64 = 10;
const MANY: u64 = 10_000;
/// One for each processor of the machine that the promises are made on, and two more, so that the
/// server is never without work.
const CONNECTIONS: usize = 4;
/// The first items of a listing, as many as AWS shows at a time.
const PAGE: u64 = 50;

/// Runs the whole scenario.
pub(super) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let [few, many] = [populated(tools, FEW)?, populated(tools, MANY)?];
    let (last_few, last_many) = (last_page(&few, FEW)?, last_page(&many, MANY)?);
    let mut measured: [Vec<Summary>; 8] = Default::default();
    for _ in 0..rounds {
        let loads = [
            load(&few, 1),
            load(&many, 1),
            on(&few, 1, reads(FEW)),
            on(&many, 1, reads(MANY)),
            on(&many, CONNECTIONS, reads(MANY)),
            on(&many, CONNECTIONS, writes(MANY)),
            on(&few, 1, page_at(&last_few)),
            on(&many, 1, page_at(&last_many)),
        ];
        for (results, load) in measured.iter_mut().zip(loads) {
            results.push(load.run());
        }
    }
    let [warm_few, warm_many, get_few, get_many, reads, writes, list_few, list_many] =
        measured.map(|rounds| Summary::median(&rounds));
    let errors = [warm_few, warm_many, get_few, get_many, reads, writes, list_few, list_many]
        .iter()
        .map(|summary| summary.errors)
        .sum();
    let ratio = |part: &Summary, whole: &Summary, at_most| {
        Promise::ratio(times(part.p50, whole.p50), at_most)
    };
    let p99_ms = get_many.p99.as_secs_f64() * 1_000.0;
    let with_few = |summary: &Summary| format!("with {FEW}: {}", ms(summary.p50));
    Ok(vec![
        Row::promised(
            &format!("warm invocation with {MANY} functions: p50"),
            ms(warm_many.p50),
            &with_few(&warm_few),
            ratio(&warm_many, &warm_few, 1.1),
        ),
        Row::promised(
            &format!("GetFunction with {MANY} functions: p99"),
            ms(get_many.p99),
            &format!("with {FEW}: {}", ms(get_few.p99)),
            Promise { value: p99_ms, at_most: 5.0, unit: "ms" },
        ),
        Row::at_least(
            &format!("GetFunction, {CONNECTIONS} connections: rate"),
            reads.requests_per_second,
            1_000.0,
        ),
        Row::at_least(
            &format!("TagResource, {CONNECTIONS} connections: durable writes"),
            writes.requests_per_second,
            200.0,
        ),
        Row::reported("TagResource: p50, p99", both(&writes), "–"),
        Row::promised(
            &format!("ListFunctions, last {PAGE} of {MANY}: p50"),
            ms(list_many.p50),
            &with_few(&list_few),
            // The page has 50 functions there and 10 here.
            ratio(&list_many, &list_few, 5.0),
        ),
        Row::no_errors("control plane: errors", errors, "–"),
    ])
}

/// A server with so many functions, the one that is invoked among them.
fn populated(tools: &Tools, count: u64) -> anyhow::Result<Server> {
    let server = Server::start(tools, Runtimes::WithPython)?;
    create_no_op(tools, &server)?;
    create_functions(&server, 0..count)?;
    Ok(server)
}

/// Creates functions that nobody invokes, by their numbers.
pub(super) fn create_functions(server: &Server, numbers: Range<u64>) -> anyhow::Result<()> {
    let package = package("bootstrap", b"#!/bin/sh\n")?;
    let count = numbers.end - numbers.start;
    let begin = now();
    let mut connection = Connection::open(server.address)?;
    for number in numbers {
        let function = Function {
            name: name(number),
            runtime: "provided.al2023",
            memory_mb: 128,
            package: &package,
        };
        create(&mut connection, &function)?;
    }
    let rate = f64::from(u32::try_from(count)?) / begin.elapsed().as_secs_f64();
    say(&format!("created {count} functions, {rate:.0} each second"));
    Ok(())
}

fn name(number: u64) -> String {
    format!("function-{number:05}")
}

fn on(server: &Server, connections: usize, requests: Requests) -> Load {
    Load { address: server.address, requests, connections, duration: ROUND }
}

/// Functions far apart from each other, one after the other.
fn scattered(number: u64, count: u64) -> u64 {
    number.wrapping_mul(7_919) % count
}

fn reads(count: u64) -> Requests {
    Requests::new(move |number| Request {
        method: "GET",
        path: format!("{FUNCTIONS}/{}", name(scattered(number, count))),
        headers: "",
        body: String::new(),
    })
}

/// Each changes something, so each has to be on disk before it is answered.
fn writes(count: u64) -> Requests {
    let run = now();
    Requests::new(move |number| {
        let function = name(scattered(number, count));
        let stamp = format!("{number}-{}", run.elapsed().as_nanos());
        Request {
            method: "POST",
            path: format!(
                "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3A{function}"
            ),
            headers: "",
            body: json!({ "Tags": { "stamp": stamp } }).to_string(),
        }
    })
}

fn page_at(marker: &str) -> Requests {
    let marker = marker.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F");
    Requests::new(move |_| Request {
        method: "GET",
        path: format!("{FUNCTIONS}?MaxItems={PAGE}&Marker={marker}"),
        headers: "",
        body: String::new(),
    })
}

/// The marker of the last page that is full, found as a client finds it; empty if it is the first.
fn last_page(server: &Server, count: u64) -> anyhow::Result<String> {
    let mut connection = Connection::open(server.address)?;
    let (mut marker, mut before) = (String::new(), String::new());
    for _page in 0..=count / PAGE {
        let Request { method, path, .. } = (page_at(&marker)).first();
        let answer = connection.exchange(method, &path, b"")?;
        ensure!(answer.status == 200, "could not list: {}", answer.status);
        let page: Value = serde_json::from_slice(&answer.body).context("a page is not JSON")?;
        match page["NextMarker"].as_str() {
            Some(next) => before = std::mem::replace(&mut marker, next.to_owned()),
            None => return Ok(before),
        }
    }
    anyhow::bail!("the listing does not end")
}
