//! Queues and streams whose mapping gives a function what they have: how much in a second, from the
//! first that is sent to the last that is done, and how soon on a system that has nothing else to do.
//!
//! ```text
//!  senders ──batches──▶ queue ──────mapping──▶ function     done: the queue is empty
//!          ──batches──▶ stream ─────mapping──▶ function     done: the last record of each shard starts
//!             its last records say so ─────────▶ log
//! ```
//!
//! Hearth and `ministack` get the same function and the same requests. Of Hearth it is counted as well
//! that the function was run for each of them, and once.

pub(super) mod idle;
pub(super) mod topics;
mod mapped;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use self::mapped::BATCH;
pub(super) use self::mapped::{Figures, Kind, Mapped};
use super::hearth::{Runtimes, Server};
use super::http::Connection;
use super::later::ensure_on_disk;
use super::peers::ministack::MiniStack;
use super::table::{Promise, Row, both, ms, per_second};
use super::tools::Tools;
use super::{queues as messages, started};
use crate::now;

/// Not held up by its share of the processor, and not so large that there is room for few.
pub(super) const MEMORY_MB: u32 = 512;
/// What a round sends to Hearth.
const MESSAGES: u64 = 30_000;
const RECORDS: u64 = 120_000;
/// What a round sends to the peer, so that it takes about as long.
const MESSAGES_OF_PEER: u64 = 2_000;
const RECORDS_OF_PEER: u64 = 10_000;
/// What is not measured: until there are environments.
const MESSAGES_BEFORE: u64 = 2_000;
const RECORDS_BEFORE: u64 = 5_000;
/// Of the peer, whose rounds take longer.
const ROUNDS_OF_PEER_MAX: usize = 3;
const MESSAGES_PER_SECOND_MIN: f64 = 5_000.0;
const RECORDS_PER_SECOND_MIN: f64 = 30_000.0;
const MESSAGE_MS_MAX: f64 = 10.0;
const RECORD_MS_MAX: f64 = 20.0;
/// How long the last batch may take to be counted.
const COUNTED_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How much is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount {
    /// Until it is measured.
    pub(super) before: u64,
    /// In a round.
    pub(super) round: u64,
}

impl Amount {
    fn of_hearth(kind: Kind) -> Self {
        match kind {
            Kind::Queue => Self { before: MESSAGES_BEFORE, round: MESSAGES },
            Kind::Stream => Self { before: RECORDS_BEFORE, round: RECORDS },
        }
    }

    /// For a peer that may be much slower.
    pub(super) fn of_peer(kind: Kind) -> Self {
        match kind {
            Kind::Queue => Self { before: MESSAGES_BEFORE, round: MESSAGES_OF_PEER },
            Kind::Stream => Self { before: RECORDS_BEFORE, round: RECORDS_OF_PEER },
        }
    }
}

/// Runs the scenario of queues.
pub(super) fn queues(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let measured = measure(tools, Kind::Queue, rounds)?;
    let batch = messages::BATCH;
    Ok(vec![
        measured.rate(
            &format!("queue to function, batches of {batch}: messages sent and done"),
            MESSAGES_PER_SECOND_MIN,
        ),
        measured.delay("from sending a message to handler start, idle: p50", MESSAGE_MS_MAX),
    ])
}

/// Runs the scenario of streams.
pub(super) fn streams(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let measured = measure(tools, Kind::Stream, rounds)?;
    let shards = mapped::SHARDS;
    Ok(vec![
        measured.rate(
            &format!(
                "stream to function, {shards} shards, batches of {BATCH}: records of 1 KB put and \
                 done"
            ),
            RECORDS_PER_SECOND_MIN,
        ),
        measured.delay("from putting a record to handler start, idle: p50", RECORD_MS_MAX),
    ])
}

/// What all rounds gave.
struct Measured {
    hearth: Figures,
    peer: anyhow::Result<Figures>,
}

impl Measured {
    fn rate(&self, what: &str, wanted: f64) -> Row {
        let rate = self.hearth.per_second;
        let peer = self.beside(|peer| {
            format!("{} ({:.1} ×)", per_second(peer.per_second), rate / peer.per_second)
        });
        let promise =
            Promise { value: wanted / rate, at_most: 1.0, unit: "× of the time allowed" };
        let beside = format!("wanted: {}; {peer}", per_second(wanted));
        Row::promised(what, per_second(rate), &beside, promise)
    }

    fn delay(&self, what: &str, at_most_ms: f64) -> Row {
        let idle = self.hearth.idle;
        let peer = self.beside(|peer| ms(peer.idle.p50));
        Row::within(what, idle.p50, &format!("p50, p99: {}; {peer}", both(&idle)), at_most_ms)
    }

    fn beside(&self, shown: impl Fn(&Figures) -> String) -> String {
        match &self.peer {
            Ok(peer) => format!("ministack: {}", shown(peer)),
            Err(why) => {
                let why = format!("{why:#}").replace('|', "/");
                format!("ministack was not measured: {}", why.lines().next().unwrap_or_default())
            }
        }
    }
}

/// Measures both, round by round in turn.
fn measure(tools: &Tools, kind: Kind, rounds: usize) -> anyhow::Result<Measured> {
    ensure_on_disk()?;
    let mut peer = MiniStack::start(tools);
    let server = Server::start(tools, Runtimes::ProvidedOnly)?;
    started::create(tools, &server, MEMORY_MB)?;
    let amount = Amount::of_hearth(kind);
    let mapped = Mapped::make(server.address, kind, amount.before)?;
    let place = (server.address, mapped.uuid.as_str());
    let mut counted = Counted::default().wait_for(mapped.sent(amount.before), place)?;
    let (mut ours, mut theirs): (Vec<Figures>, Vec<Figures>) = Default::default();
    for round in 0..rounds {
        ours.push(mapped.round(round, amount.round)?);
        let sent = mapped.sent(amount.round) + started::EVENTS as u64;
        counted = counted.wait_for(sent, place)?;
        if round < ROUNDS_OF_PEER_MAX
            && let Ok(asked) = &mut peer
        {
            match asked.ask(kind.name()) {
                Ok(figures) => theirs.push(figures),
                Err(why) => peer = Err(why),
            }
        }
    }
    let peer = peer.map(|_asked| Figures::median(&theirs));
    Ok(Measured { hearth: Figures::median(&ours), peer })
}

/// All that Hearth says that it has done for a mapping.
fn progress(address: SocketAddr, uuid: &str) -> anyhow::Result<Value> {
    let path = format!("/_hearth/sources/{uuid}");
    let answer = Connection::open(address)?.exchange("GET", &path, b"")?;
    answer.succeeded().context("the mapping is not shown")?;
    let mut shown: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
    Ok(shown["progress"].take())
}

/// What Hearth says that it has done for a mapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    invoked: u64,
    failed: u64,
}

impl Counted {
    fn of(address: SocketAddr, uuid: &str) -> anyhow::Result<Self> {
        let shown = progress(address, uuid)?;
        let count =
            |name: &str| shown[name].as_u64().with_context(|| format!("{name} is not counted"));
        Ok(Self { invoked: count("invoked")?, failed: count("failed")? })
    }

    /// Waits until the function was run for so many more. Fails if it was for others, or has failed.
    fn wait_for(self, more: u64, (address, uuid): (SocketAddr, &str)) -> anyhow::Result<Self> {
        let wanted = Self { invoked: self.invoked + more, failed: self.failed };
        let begin = now();
        loop {
            let counted = Self::of(address, uuid)?;
            if counted == wanted {
                return Ok(counted);
            }
            let is_over = begin.elapsed() >= COUNTED_MAX || counted.invoked > wanted.invoked;
            ensure!(!is_over, "{counted:?} is counted, and not {wanted:?}");
            thread::sleep(LOOK_AGAIN);
        }
    }
}
