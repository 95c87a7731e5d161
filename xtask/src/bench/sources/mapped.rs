//! A queue or a stream with a mapping to the function that says when it starts, on any peer.
//!
//! # Deliberately absent
//!
//! Whatever is not AWS's: a peer is asked for nothing else.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bench::fixtures::summary;
use crate::bench::http::{Connection, Request};
use crate::bench::queues::{BATCH as MESSAGES_OF_CALL, call, send};
use crate::bench::started::{self, since_epoch};
use crate::bench::stats::Summary;
use crate::now;

/// How many records a function gets at once.
pub(super) const BATCH: usize = 100;
/// How many shards a stream has.
pub(super) const SHARDS: usize = 8;
/// Hash keys of 128 bits are shared out evenly.
const SHARDS_BITS: u32 = 3;
const RECORD_BYTES: usize = 1_024;
/// AWS: records of one call.
const RECORDS_OF_CALL: usize = 500;
/// Those who send. A sync is shared by several of them.
const SENDERS_OF_MESSAGES: usize = 8;
const SENDERS_OF_RECORDS: usize = 4;
/// What everything is called.
const NAME: &str = "bench";
/// No less than the function may take.
const VISIBILITY_SECONDS: &str = "60";
const ENABLED_MAX: Duration = Duration::from_secs(60);
/// How long what was sent may take until it is done.
const DONE_MAX: Duration = Duration::from_secs(240);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The log tells times by itself, and is long.
const LOOK_AGAIN_AT_LOG: Duration = Duration::from_millis(500);
pub(super) const MAPPINGS: &str = "/2015-03-31/event-source-mappings";

/// What a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Kind {
    Queue,
    Stream,
}

impl Kind {
    /// How the inner half of a peer is asked for it.
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Stream => "stream",
        }
    }

    /// The one of this name.
    pub(in crate::bench) fn named(name: &str) -> Option<Self> {
        [Self::Queue, Self::Stream].into_iter().find(|kind| kind.name() == name)
    }
}

/// What one round gives.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::bench) struct Figures {
    /// From the first that was sent to the last that was done.
    pub(in crate::bench) per_second: f64,
    /// From sending one to the start of its handler.
    pub(in crate::bench) idle: Summary,
}

impl Figures {
    /// The median of each figure.
    pub(in crate::bench) fn median(rounds: &[Self]) -> Self {
        let rate =
            |round: &Self| Summary { requests_per_second: round.per_second, ..Summary::default() };
        let rates: Vec<Summary> = rounds.iter().map(rate).collect();
        let idle: Vec<Summary> = rounds.iter().map(|round| round.idle).collect();
        let per_second = Summary::median(&rates).requests_per_second;
        Self { per_second, idle: Summary::median(&idle) }
    }
}

/// A source with a mapping.
#[derive(Debug)]
pub(in crate::bench) struct Mapped {
    pub(in crate::bench) kind: Kind,
    pub(in crate::bench) uuid: String,
    address: SocketAddr,
    /// The address of the queue, or the name of the stream.
    place: String,
}

impl Mapped {
    /// Makes it, and sends so many through it, until there are environments. The function is there.
    pub(in crate::bench) fn make(
        address: SocketAddr,
        kind: Kind,
        before: u64,
    ) -> anyhow::Result<Self> {
        let mut connection = Connection::open(address)?;
        let (place, mapping) = match kind {
            Kind::Queue => {
                let url = make_queue(&mut connection, NAME)?;
                (url, mapping_of_queue(NAME))
            }
            Kind::Stream => {
                make_stream(&mut connection, NAME)?;
                let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{NAME}");
                let mapping = json!({
                    "FunctionName": started::NAME,
                    "EventSourceArn": arn,
                    "BatchSize": BATCH,
                    "StartingPosition": "TRIM_HORIZON",
                });
                (NAME.to_owned(), mapping)
            }
        };
        let uuid = map(&mut connection, &mapping)?;
        wait_enabled(&mut connection, &uuid)?;
        let this = Self { kind, uuid, address, place };
        this.flow("before", before).context("nothing comes to the function")?;
        Ok(this)
    }

    /// Measures both.
    pub(in crate::bench) fn round(&self, number: usize, records: u64) -> anyhow::Result<Figures> {
        let prefix = format!("{}{number}", self.kind.name());
        let mut connection = Connection::open(self.address)?;
        let idle = started::measure(&mut connection, &prefix, &|id| self.one(id))?;
        let per_second = self.flow(&format!("{prefix}flow"), records)?;
        Ok(Figures { per_second, idle: summary(idle.from_sent) })
    }

    /// How many records go to the function where so many are to.
    pub(in crate::bench) fn sent(&self, records: u64) -> u64 {
        match self.kind {
            Kind::Queue => records,
            Kind::Stream => records + SHARDS as u64,
        }
    }

    /// The request that makes the function say an id.
    fn one(&self, id: &str) -> Request {
        let said = format!("say {id}");
        match self.kind {
            Kind::Queue => call(
                "X-Amz-Target: AmazonSQS.SendMessage\r\n",
                &json!({ "QueueUrl": self.place, "MessageBody": said }),
            ),
            Kind::Stream => call(
                "X-Amz-Target: Kinesis_20131202.PutRecord\r\n",
                &json!({ "StreamName": self.place, "PartitionKey": said, "Data": "" }),
            ),
        }
    }

    /// Sends so many, and one more to each shard, and waits until all are done. Says how many a second
    /// that were.
    fn flow(&self, prefix: &str, records: u64) -> anyhow::Result<f64> {
        let mut connection = Connection::open(self.address)?;
        let begin = since_epoch();
        let done = match self.kind {
            Kind::Queue => {
                let calls = records.div_ceil(MESSAGES_OF_CALL as u64);
                self.send_all(&send(&self.place), (SENDERS_OF_MESSAGES, calls))?;
                self.wait_empty(&mut connection)?;
                since_epoch()
            }
            Kind::Stream => {
                let calls = records.div_ceil(RECORDS_OF_CALL as u64);
                self.send_all(&records_of_call(&self.place), (SENDERS_OF_RECORDS, calls))?;
                self.put_last(&mut connection, prefix)?;
                let times = (DONE_MAX, LOOK_AGAIN_AT_LOG);
                let last = started::wait_within(&mut connection, (prefix, SHARDS), times)?;
                last.into_values().max().context("there are no shards")?
            }
        };
        let took = done.checked_sub(begin).context("it was done before it began")?;
        Ok(f64::from(u32::try_from(records).unwrap_or(u32::MAX)) / took.as_secs_f64())
    }

    /// Sends the same request so often, on several connections.
    fn send_all(&self, request: &Request, (senders, calls): (usize, u64)) -> anyhow::Result<()> {
        let next = AtomicU64::new(0);
        let outcomes: Vec<anyhow::Result<()>> = thread::scope(|scope| {
            let one = || self.send_some(request, (&next, calls));
            let threads: Vec<_> = (0..senders).map(|_| scope.spawn(one)).collect();
            let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
            ends.map(|end| end.ok().context("our own thread failed")?).collect()
        });
        outcomes.into_iter().collect::<anyhow::Result<()>>().context("could not send")
    }

    fn send_some(&self, request: &Request, (next, calls): (&AtomicU64, u64)) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address)?;
        while next.fetch_add(1, Ordering::Relaxed) < calls {
            let answer = ask(&mut connection, request)?;
            let is_whole = match self.kind {
                Kind::Queue => {
                    answer["Successful"].as_array().map(Vec::len) == Some(MESSAGES_OF_CALL)
                }
                Kind::Stream => answer["FailedRecordCount"] == 0,
            };
            ensure!(is_whole, "refused: {answer}");
        }
        Ok(())
    }

    /// Waits until the queue has nothing, nor anybody anything of it.
    fn wait_empty(&self, connection: &mut Connection) -> anyhow::Result<()> {
        const WAITING: &str = "ApproximateNumberOfMessages";
        const TAKEN: &str = "ApproximateNumberOfMessagesNotVisible";
        let look = call(
            "X-Amz-Target: AmazonSQS.GetQueueAttributes\r\n",
            &json!({ "QueueUrl": self.place, "AttributeNames": [WAITING, TAKEN] }),
        );
        let begin = now();
        loop {
            let found = ask(connection, &look)?;
            let counts = [WAITING, TAKEN].map(|name| found["Attributes"][name].as_str());
            if counts == [Some("0"), Some("0")] {
                return Ok(());
            }
            ensure!(begin.elapsed() < DONE_MAX, "the queue does not become empty: {counts:?}");
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Puts a record into each shard that is the last one there, and that the function tells of.
    fn put_last(&self, connection: &mut Connection, prefix: &str) -> anyhow::Result<()> {
        for shard in 0..SHARDS {
            let begin = (shard as u128) << (u128::BITS - SHARDS_BITS);
            let input = json!({
                "StreamName": self.place,
                "PartitionKey": format!("say {prefix}-{shard}"),
                "ExplicitHashKey": begin.to_string(),
                "Data": "",
            });
            ask(connection, &call("X-Amz-Target: Kinesis_20131202.PutRecord\r\n", &input))?;
        }
        Ok(())
    }
}

/// As many records as go into one call, for all shards.
fn records_of_call(stream: &str) -> Request {
    let content = STANDARD.encode([b'x'; RECORD_BYTES]);
    let record = |number: usize| json!({ "PartitionKey": format!("key{number}"), "Data": content });
    let records: Vec<Value> = (0..RECORDS_OF_CALL).map(record).collect();
    call(
        "X-Amz-Target: Kinesis_20131202.PutRecords\r\n",
        &json!({ "StreamName": stream, "Records": records }),
    )
}

/// Makes a queue. Returns its address.
pub(super) fn make_queue(connection: &mut Connection, name: &str) -> anyhow::Result<String> {
    let input = json!({
        "QueueName": name,
        "Attributes": { "VisibilityTimeout": VISIBILITY_SECONDS },
    });
    let made = ask(connection, &call("X-Amz-Target: AmazonSQS.CreateQueue\r\n", &input))?;
    made["QueueUrl"].as_str().context("a queue has no address").map(str::to_owned)
}

fn make_stream(connection: &mut Connection, name: &str) -> anyhow::Result<()> {
    let input = json!({ "StreamName": name, "ShardCount": SHARDS });
    ask(connection, &call("X-Amz-Target: Kinesis_20131202.CreateStream\r\n", &input))?;
    let look = call(
        "X-Amz-Target: Kinesis_20131202.DescribeStreamSummary\r\n",
        &json!({ "StreamName": name }),
    );
    let begin = now();
    while begin.elapsed() < ENABLED_MAX {
        let found = ask(connection, &look)?;
        if found["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
            return Ok(());
        }
        thread::sleep(LOOK_AGAIN);
    }
    bail!("the stream did not become active")
}

/// What maps a queue to the function.
pub(super) fn mapping_of_queue(name: &str) -> Value {
    json!({
        "FunctionName": started::NAME,
        "EventSourceArn": format!("arn:aws:sqs:us-east-1:000000000000:{name}"),
        "BatchSize": MESSAGES_OF_CALL,
    })
}

/// Makes a mapping. Returns its id.
pub(super) fn map(connection: &mut Connection, mapping: &Value) -> anyhow::Result<String> {
    let (path, body) = (MAPPINGS.to_owned(), mapping.to_string());
    let made = ask(connection, &Request { method: "POST", path, headers: "", body })?;
    made["UUID"].as_str().context("a mapping has no id").map(str::to_owned)
}

/// Waits until a mapping is at work.
pub(super) fn wait_enabled(connection: &mut Connection, uuid: &str) -> anyhow::Result<()> {
    let (path, body) = (format!("{MAPPINGS}/{uuid}"), String::new());
    let look = Request { method: "GET", path, headers: "", body };
    let begin = now();
    while begin.elapsed() < ENABLED_MAX {
        if ask(connection, &look)?["State"] == "Enabled" {
            return Ok(());
        }
        thread::sleep(LOOK_AGAIN);
    }
    bail!("the mapping is not enabled in time")
}

/// The answer, which may be nothing.
fn ask(connection: &mut Connection, request: &Request) -> anyhow::Result<Value> {
    let answer = connection.ask(request)?;
    answer.succeeded()?;
    if answer.body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer.body).context("not JSON")
}

#[cfg(test)]
mod tests {
    use super::{Figures, Kind, RECORDS_OF_CALL, SHARDS, SHARDS_BITS, Summary, records_of_call};

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in [Kind::Queue, Kind::Stream] {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("round"), None);
    }

    #[test]
    fn hash_keys_are_shared_out_among_all_shards() {
        assert_eq!(SHARDS, 1 << SHARDS_BITS);
    }

    #[test]
    fn a_call_has_as_many_records_as_it_may() {
        let body = records_of_call("s").body;
        assert_eq!(body.matches("PartitionKey").count(), RECORDS_OF_CALL);
        assert!(body.len() < 5_000_000, "{} bytes", body.len());
    }

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        let round = |per_second: f64| Figures { per_second, idle: Summary::default() };
        let median = Figures::median(&[round(9.0), round(1.0), round(8.0)]);
        assert!((median.per_second - 8.0).abs() < 1e-9);
    }
}
