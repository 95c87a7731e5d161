//! A thousand mappings of queues with nothing to do: the processor's time that the server needs for
//! them, and its memory.
//!
//! Another server has the same queues and the same function, and no mapping.

use std::thread;
use std::time::Duration;

use super::MEMORY_MB;
use super::mapped::{make_queue, map, mapping_of_queue, wait_enabled};
use crate::bench::fixtures::SETTLE;
use crate::bench::hearth::{Runtimes, Server};
use crate::bench::http::Connection;
use crate::bench::later::ensure_on_disk;
use crate::bench::memory::{Memory, megabytes};
use crate::bench::processor::processor_time;
use crate::bench::started;
use crate::bench::table::{Promise, Row};
use crate::bench::tools::Tools;

const MAPPINGS: usize = 1_000;
/// For how long a server is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(10);
const IDLE_PERCENT_MAX: f64 = 2.0;
const GROWTH_MB_MAX: f64 = 30.0;

/// Runs the whole scenario. There is nothing in it that rounds would change.
pub(in crate::bench) fn run(tools: &Tools, _rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let [without, with] = [prepare(tools)?, prepare(tools)?];
    thread::sleep(SETTLE);
    let before = Memory::of(with.id())?;
    let mut connection = Connection::open(with.address)?;
    let mut uuids = Vec::new();
    for number in 0..MAPPINGS {
        uuids.push(map(&mut connection, &mapping_of_queue(&name(number)))?);
    }
    for uuid in &uuids {
        wait_enabled(&mut connection, uuid)?;
    }
    with.rest()?;
    thread::sleep(SETTLE);

    let times = || -> anyhow::Result<[Duration; 2]> {
        Ok([processor_time(without.id())?, processor_time(with.id())?])
    };
    let begin = times()?;
    thread::sleep(IDLE);
    let end = times()?;
    let percent = |which: usize| {
        let used = end[which].saturating_sub(begin[which]);
        100.0 * used.as_secs_f64() / IDLE.as_secs_f64()
    };
    let [without, with_mappings] = [percent(0), percent(1)];
    let after = Memory::of(with.id())?;
    let grown = megabytes(after.resident_kib.saturating_sub(before.resident_kib));
    let name = format!("{MAPPINGS} idle mappings of queues");
    Ok(vec![
        Row::promised(
            &format!("{name}: a processor's time"),
            format!("{with_mappings:.1} %"),
            &format!("without any: {without:.1} %"),
            Promise { value: with_mappings, at_most: IDLE_PERCENT_MAX, unit: "%" },
        ),
        Row::promised(
            &format!("{name}: growth of the server's memory"),
            format!("{grown:.1} MB ({})", after.shown()),
            &format!("from {}", before.shown()),
            Promise { value: grown, at_most: GROWTH_MB_MAX, unit: "MB" },
        ),
    ])
}

/// A server with the function and all queues.
fn prepare(tools: &Tools) -> anyhow::Result<Server> {
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    let mut connection = started::create(tools, &server, MEMORY_MB)?;
    for number in 0..MAPPINGS {
        make_queue(&mut connection, &name(number))?;
    }
    Ok(server)
}

fn name(number: usize) -> String {
    format!("idle-{number}")
}
