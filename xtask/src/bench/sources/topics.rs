//! A topic of Kafka whose mapping gives a function what is in it, beside the same client that reads it
//! and forgets it.
//!
//! ```text
//!  topic, filled before ──mapping──▶ function     done: each record was with the function once
//!                       ──drain_kafka──▶ nothing
//! ```
//!
//! A round of Hearth has a mapping and a group of its own, and counts from its first batch on: how long a
//! group takes to begin is the broker's affair.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;

use super::mapped::{BATCH, MAPPINGS, map, wait_enabled};
use super::{MEMORY_MB, ensure_on_disk, progress};
use crate::bench::hearth::{Runtimes, Server};
use crate::bench::http::{Connection, Request};
use crate::bench::peers::kafka::{Broker, Topic};
use crate::bench::process::output_of;
use crate::bench::started;
use crate::bench::table::{Promise, Row, per_second};
use crate::bench::tools::Tools;
use crate::now;

/// Whole batches in each partition, so that none waits for its window.
const TOPIC: Topic = Topic { name: "bench", partitions: 8, records: 240_000, record_bytes: 1_024 };
/// How much longer than by itself the client may take with functions.
const TIMES_MAX: f64 = 2.0;
const DONE_MAX: Duration = Duration::from_secs(240);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Runs the scenario.
pub(in crate::bench) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    ensure_on_disk()?;
    let broker = Broker::start(tools, TOPIC.partitions)?;
    broker.fill(tools, TOPIC)?;
    let drain = tools.drain_kafka()?;
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    started::create(tools, &server, MEMORY_MB)?;
    // What is not measured: until there are environments.
    mapped(&server, &broker, 0)?;
    let (mut ours, mut alone) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        ours.push(mapped(&server, &broker, round)?);
        alone.push(drained(&drain, &broker)?);
    }
    let (ours, alone) = (middle(ours), middle(alone));
    let Topic { partitions, .. } = TOPIC;
    let what =
        format!("Kafka to function, {partitions} partitions, batches of {BATCH}: records of 1 KB");
    let beside = format!("the same client, which forgets them: {}", per_second(alone));
    let unit = "× of the time that the client takes by itself";
    let promise = Promise { value: alone / ours, at_most: TIMES_MAX, unit };
    Ok(vec![Row::promised(&what, per_second(ours), &beside, promise)])
}

/// How many records a second a mapping gives to the function.
fn mapped(server: &Server, broker: &Broker, round: usize) -> anyhow::Result<f64> {
    let mut connection = Connection::open(server.address)?;
    let mapping = json!({
        "FunctionName": started::NAME,
        "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": [broker.address] } },
        "SelfManagedKafkaEventSourceConfig": { "ConsumerGroupId": format!("bench-{round}") },
        // AWS wants one, and a network means nothing here.
        "SourceAccessConfigurations": [{ "Type": "VPC_SUBNET", "URI": "subnet-0b1c2d3e" }],
        "Topics": [TOPIC.name],
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": BATCH,
    });
    let uuid = map(&mut connection, &mapping)?;
    wait_enabled(&mut connection, &uuid)?;
    let (before, begin) = wait(server, &uuid, |invoked, _running| invoked > 0)?;
    let is_done = |invoked: u64, running: u64| invoked >= TOPIC.records && running == 0;
    let (all, end) = wait(server, &uuid, is_done)?;
    ensure!(all == TOPIC.records, "the function had {all} records of {}", TOPIC.records);
    delete(&mut connection, &uuid)?;
    let count = u32::try_from(all - before).unwrap_or(u32::MAX);
    Ok(f64::from(count) / end.duration_since(begin).as_secs_f64())
}

/// Waits until so many records were with the function, and so many batches are. Says how many records,
/// and when that was.
fn wait(
    server: &Server,
    uuid: &str,
    is_wanted: impl Fn(u64, u64) -> bool,
) -> anyhow::Result<(u64, Instant)> {
    let begin = now();
    loop {
        let shown = progress(server.address, uuid)?;
        let count = |name: &str| shown[name].as_u64().unwrap_or_default();
        let (invoked, running) = (count("invoked"), count("running"));
        if is_wanted(invoked, running) {
            return Ok((invoked, now()));
        }
        ensure!(begin.elapsed() < DONE_MAX, "not done in time: {shown}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// Deletes a mapping, and waits until it is gone.
fn delete(connection: &mut Connection, uuid: &str) -> anyhow::Result<()> {
    let request = |method: &'static str| {
        let (path, body) = (format!("{MAPPINGS}/{uuid}"), String::new());
        Request { method, path, headers: "", body }
    };
    connection.ask(&request("DELETE"))?.succeeded()?;
    let begin = now();
    while connection.ask(&request("GET"))?.status != 404 {
        ensure!(begin.elapsed() < DONE_MAX, "a mapping is not deleted in time");
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// How many records a second the client reads that forgets them.
fn drained(drain: &Path, broker: &Broker) -> anyhow::Result<f64> {
    let said = output_of(Command::new(drain).args([broker.address.as_str(), TOPIC.name]))?;
    let (records, seconds) = said.trim().split_once(' ').context("it has said nothing")?;
    ensure!(records == TOPIC.records.to_string(), "it has read {records} records");
    let seconds: f64 = seconds.parse().context("that is no time")?;
    Ok(f64::from(u32::try_from(TOPIC.records).unwrap_or(u32::MAX)) / seconds)
}

/// The median.
fn middle(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{BATCH, TOPIC, middle};

    #[test]
    fn each_partition_has_whole_batches() {
        let of_partition = TOPIC.records / TOPIC.partitions as u64;
        assert_eq!(of_partition % BATCH as u64, 0);
        assert_eq!(of_partition * TOPIC.partitions as u64, TOPIC.records);
    }

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        assert!((middle(vec![9.0, 1.0, 8.0]) - 8.0).abs() < 1e-9);
    }
}
