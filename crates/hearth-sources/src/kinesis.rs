//! Our own Kinesis streams as event sources: read in the process, woken by what arrives.
//!
//! # Promises
//!
//! 1. Whoever waits for records is woken when they are on the disk, and whoever waits for shards when
//!    there are others.
//! 2. A stream that was deleted and made again is another one: who read the first is told that it is
//!    gone. So is who reads as a consumer that was deregistered.
//!
//! # Deliberately absent
//!
//! Subscriptions: a mapping of a registered consumer is told of records as every other one is, and does
//! not take the place of a client that is subscribed. Streams of AWS.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_control::control::Control;
use hearth_control::mapping::Mapping;
use hearth_control::mapping::source::SourceKind;
use hearth_services::streams::{
    self, ConsumerName, DataRecord, Phase, ShardId, Start, StreamError, StreamName, StreamRecord,
    Streams,
};
use hearth_types::limits;
use hearth_types::names::Qualifier;
use tokio::sync::watch;

use crate::json::Json;
use crate::shard::source::{
    Cursor, Family, Page, Portion, Position, SequenceNumber, Shard, ShardRecord, ShardSource,
    SourceError,
};
use crate::shard::streams::OpenStream;

/// Our own streams.
#[derive(Debug)]
pub struct Kinesis {
    streams: Arc<Streams>,
    /// Who knows functions and their roles. It holds whoever holds this.
    control: OnceLock<Weak<Control>>,
}

impl Kinesis {
    /// These streams.
    #[must_use]
    pub fn new(streams: Arc<Streams>) -> Arc<Self> {
        Arc::new(Self { streams, control: OnceLock::new() })
    }

    /// Says who knows functions. Until then, events name no role.
    pub fn attend(&self, control: &Arc<Control>) {
        // Said twice, it stays as it was.
        let _ = self.control.set(Arc::downgrade(control));
    }

    /// The role of a mapping's function: on AWS it is what reads the stream.
    fn role(&self, mapping: &Mapping) -> String {
        let control = self.control.get().and_then(Weak::upgrade);
        let qualifier = mapping.qualifier.as_deref().and_then(|text| Qualifier::parse(text).ok());
        let found =
            control.and_then(|control| control.get(&mapping.function, qualifier.as_ref()).ok());
        found.map(|found| found.record().configuration.role.clone()).unwrap_or_default()
    }

    /// The stream that an ARN names, its own or that of one of its consumers.
    fn find(&self, arn: &str) -> Result<Arc<StreamRecord>, StreamError> {
        let consumer = ConsumerName::of_arn(arn);
        if let Some(consumer) = &consumer {
            self.streams.consumer(consumer)?;
        }
        let stream = consumer.map(|consumer| consumer.stream).or_else(|| StreamName::of_arn(arn));
        let stream = stream.ok_or_else(|| {
            StreamError::InvalidArgument(format!("{arn} is not the ARN of a stream."))
        })?;
        self.streams.stream(&stream)
    }
}

#[async_trait]
impl OpenStream for Kinesis {
    fn serves(&self, kind: SourceKind) -> bool {
        matches!(kind, SourceKind::KinesisStream | SourceKind::KinesisConsumer)
    }

    async fn check(&self, arn: &str) -> Result<(), String> {
        match self.find(arn) {
            Ok(_) => Ok(()),
            // AWS's words for tables as well.
            Err(StreamError::NotFound(_)) => Err(format!("Stream not found: {arn}")),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn open(&self, mapping: &Mapping, arn: &str) -> Result<Arc<dyn ShardSource>, String> {
        let stream = self.find(arn).map_err(|error| error.to_string())?;
        Ok(Arc::new(OwnStream {
            arn: stream.arn(),
            consumer: ConsumerName::of_arn(arn),
            told: Told { event_source_arn: arn.to_owned(), role: self.role(mapping) },
            changes: Mutex::new(self.streams.changes()),
            streams: Arc::clone(&self.streams),
            opened: stream,
        }))
    }
}

/// A stream that is read.
#[derive(Debug)]
struct OwnStream {
    streams: Arc<Streams>,
    /// As it was when it was opened.
    opened: Arc<StreamRecord>,
    arn: String,
    /// The consumer as which it is read, if it is one.
    consumer: Option<ConsumerName>,
    told: Told,
    /// Which change of streams was seen by the last look at the shards.
    changes: Mutex<watch::Receiver<u64>>,
}

/// What every event of a mapping says.
#[derive(Debug)]
struct Told {
    event_source_arn: String,
    role: String,
}

#[async_trait]
impl ShardSource for OwnStream {
    fn family(&self) -> Family {
        Family::Kinesis
    }

    fn stream_arn(&self) -> &str {
        &self.arn
    }

    fn generation(&self) -> Option<String> {
        Some(self.opened.generation.simple().to_string())
    }

    async fn shards(&self) -> Result<Vec<Shard>, SourceError> {
        // What changes while it is looked at is a change.
        self.changes.lock().expect("no code panics while it holds this").mark_unchanged();
        let stream = self.now()?;
        let shards = stream.shards.iter().map(|shard| {
            let parents = shard.parent.iter().chain(&shard.adjacent_parent);
            Shard {
                id: shard.id.to_string(),
                parents: parents.map(ToString::to_string).collect(),
                is_closed: !shard.is_open(),
            }
        });
        Ok(shards.collect())
    }

    async fn reshaped(&self) {
        let mut changes = self.changes.lock().expect("no code panics while it holds this").clone();
        // If there are no streams any more, nothing changes.
        if changes.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn cursor(&self, shard: &str, from: &Position) -> Result<Cursor, SourceError> {
        let stream = self.now()?;
        let record = shard_of(&stream, shard)?;
        if let Position::After(number) = from
            && record.index_of(number.as_str()).is_none()
        {
            let text = format!("{number} is of another stream, which had this name before.");
            return Err(SourceError::Trimmed(text));
        }
        let start = match from {
            Position::TrimHorizon => Start::TrimHorizon,
            Position::Latest => Start::Latest,
            Position::After(number) => Start::After(number.as_str().to_owned()),
            // Nothing has come yet that is wanted.
            Position::AtTimestamp(at) if *at > self.streams.now() => Start::Latest,
            Position::AtTimestamp(at) => Start::Timestamp(*at),
        };
        let place = self.streams.start(&stream, record, &start).await.map_err(refused)?;
        Ok(cursor(shard, place))
    }

    async fn read(&self, cursor: &Cursor, portion: Portion) -> Result<Page, SourceError> {
        let stream = self.now()?;
        let shard = shard_of(&stream, &cursor.shard)?;
        let from = place(cursor)?;
        let want = (from, portion.records.max(1), portion.bytes.max(1));
        let page = self.streams.read(&stream, shard, want).await.map_err(refused)?;
        let records = page.records.iter().map(|record| {
            let number = shard.sequence_number(record.index, record.arrived).to_string();
            ShardRecord {
                event: event(&stream, (shard.id, &number, record), &self.told),
                sequence_number: SequenceNumber::new(number),
                partition_key: record.partition_key.clone(),
                arrived: record.arrived,
            }
        });
        Ok(Page {
            records: records.collect(),
            next: match page.phase {
                Phase::Open => Some(self::cursor(&cursor.shard, page.next)),
                Phase::Closed => None,
            },
            behind_millis: Some(self.streams.millis_behind(&page)),
        })
    }

    async fn arrival(&self, cursor: &Cursor) {
        let shard = ShardId::parse(&cursor.shard);
        let (Some(shard), Ok(from)) = (shard, place(cursor)) else { return };
        match self.streams.news(&self.opened.full_name(), shard).await {
            Ok(mut news) => {
                let come =
                    |news: &streams::News| news.next > from.index || news.phase == Phase::Closed;
                // If the shard is gone, whoever reads it finds out.
                let _ = news.wait_for(come).await;
            }
            // Whoever reads finds out why; not again and again at once.
            Err(_gone) => {
                tokio::time::sleep(Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MIN)).await;
            }
        }
    }

    fn filtered(&self, record: &ShardRecord) -> Json {
        let text = std::str::from_utf8(&record.event).unwrap_or_default();
        Json::read(text).map_or(Json::Null, seen_by_filters)
    }
}

impl OwnStream {
    /// The stream as it is now, if it may be read still.
    fn now(&self) -> Result<Arc<StreamRecord>, SourceError> {
        if let Some(consumer) = &self.consumer {
            self.streams.consumer(consumer).map_err(refused)?;
        }
        let stream = self.streams.stream(&self.opened.full_name()).map_err(refused)?;
        if stream.generation != self.opened.generation {
            let text = format!("Stream {} was deleted and made again.", stream.name);
            return Err(SourceError::Gone(text));
        }
        Ok(stream)
    }
}

fn shard_of<'a>(
    stream: &'a StreamRecord,
    shard: &str,
) -> Result<&'a streams::ShardRecord, SourceError> {
    let found = ShardId::parse(shard).and_then(|id| stream.shard(id));
    // All that it had is too old by now, or there never was one.
    found.ok_or_else(|| SourceError::Trimmed(format!("There is no shard {shard} any more.")))
}

fn cursor(shard: &str, place: streams::Cursor) -> Cursor {
    // No segment begins with the index 0.
    let (segment, offset) = place.place.unwrap_or_default();
    Cursor { shard: shard.to_owned(), token: format!("{}/{segment}/{offset}", place.index) }
}

fn place(cursor: &Cursor) -> Result<streams::Cursor, SourceError> {
    let numbers: Vec<u64> =
        cursor.token.split('/').filter_map(|number| number.parse().ok()).collect();
    let [index, segment, offset] = numbers.as_slice() else { return Err(SourceError::Expired) };
    let place = (*segment > 0).then_some((*segment, *offset));
    Ok(streams::Cursor { index: *index, place })
}

/// What the function gets of a record.
fn event(
    stream: &StreamRecord,
    (shard, number, record): (ShardId, &str, &DataRecord),
    told: &Told,
) -> Bytes {
    let (seconds, millis) = (record.arrived.0 / 1_000, record.arrived.0 % 1_000);
    let key = text(&record.partition_key);
    let mut event = String::with_capacity(record.data.len() * 4 / 3 + 700);
    write!(
        event,
        r#"{{"kinesis":{{"kinesisSchemaVersion":"1.0","partitionKey":{key},"sequenceNumber":"{number}","data":""#
    )
    .expect("writing to a string cannot fail");
    STANDARD.encode_string(&record.data, &mut event);
    write!(
        event,
        r#"","approximateArrivalTimestamp":{seconds}.{millis:03}}},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"{shard}:{number}","eventName":"aws:kinesis:record","invokeIdentityArn":{},"awsRegion":"{}","eventSourceARN":{}}}"#,
        text(&told.role),
        stream.scope.region,
        text(&told.event_source_arn),
    )
    .expect("writing to a string cannot fail");
    Bytes::from(event)
}

/// A text as JSON writes it.
fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// AWS: patterns name `data`, `partitionKey` and the like as fields of the record itself, and see `data`
/// decoded. What is no text has no data that a pattern could be for.
fn seen_by_filters(event: Json) -> Json {
    let Json::Object(fields) = event else { return event };
    let mut seen = Vec::new();
    for (name, value) in fields {
        match value {
            Json::Object(inner) if name == "kinesis" => {
                seen.extend(inner.into_iter().filter_map(decoded));
            }
            Json::Null
            | Json::Bool(_)
            | Json::Number(_)
            | Json::Text(_)
            | Json::List(_)
            | Json::Object(_) => seen.push((name, value)),
        }
    }
    Json::Object(seen)
}

fn decoded((name, value): (String, Json)) -> Option<(String, Json)> {
    if name == "data"
        && let Json::Text(data) = &value
    {
        let text = String::from_utf8(STANDARD.decode(data).ok()?).ok()?;
        return Some((name, Json::of_data(&text)));
    }
    Some((name, value))
}

fn refused(error: StreamError) -> SourceError {
    let message = error.to_string();
    match error {
        StreamError::NotFound(_) => SourceError::Gone(message),
        StreamError::ExpiredIterator(_) | StreamError::ExpiredToken(_) => SourceError::Expired,
        StreamError::ThroughputExceeded(_) => SourceError::Throttled(message),
        StreamError::InUse(_)
        | StreamError::LimitExceeded(_)
        | StreamError::Store(_)
        | StreamError::Log { .. }
        | StreamError::Closing => SourceError::Failed(message),
        StreamError::InvalidArgument(_) | StreamError::Validation(_) => {
            SourceError::Refused { code: error.code().to_owned(), message }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use hearth_services::streams::{Mode, NewConsumer, NewRecord, Parts, WriteLimits};
    use hearth_store::sqlite::Sqlite;
    use hearth_types::metrics::NoMetrics;
    use hearth_types::names::{AccountId, Region, Scope};
    use hearth_types::tasks::Tasks;
    use hearth_types::testing::StandingClock;
    use hearth_types::time::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::filter::Filters;

    const NOW: Timestamp = Timestamp(1_800_000_000_987);
    const WANT: Portion = Portion { records: 10, bytes: 1_000_000 };

    async fn streams(directory: &Path) -> Arc<Streams> {
        let store = Sqlite::open(&directory.join("hearth.db")).await.unwrap();
        let parts = Parts {
            records: Arc::new(store),
            directory: directory.join("streams"),
            clock: StandingClock::at(NOW),
            metrics: Arc::new(NoMetrics),
            tasks: Tasks::default(),
            limits: WriteLimits::default(),
        };
        Streams::open(parts).await.unwrap()
    }

    async fn orders(streams: &Arc<Streams>) -> (StreamName, OwnStream) {
        let scope = Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let name = StreamName { scope, name: "orders".to_owned() };
        let shards = (Mode::Provisioned, Some(1));
        streams.create(&name, shards, (None, BTreeMap::new())).await.unwrap();
        let opened = streams.stream(&name).unwrap();
        let source = OwnStream {
            arn: opened.arn(),
            consumer: None,
            told: Told { event_source_arn: opened.arn(), role: "a:role".to_owned() },
            changes: Mutex::new(streams.changes()),
            streams: Arc::clone(streams),
            opened,
        };
        (name, source)
    }

    async fn put(streams: &Streams, name: &StreamName, key: &str, data: &'static str) {
        let data = Bytes::from_static(data.as_bytes());
        let record = NewRecord { partition_key: key.to_owned(), explicit_hash_key: None, data };
        streams.put_one(name, record).await.unwrap();
    }

    #[tokio::test]
    async fn a_record_is_an_event_as_aws_writes_it() {
        let directory = tempfile::tempdir().unwrap();
        let streams = streams(directory.path()).await;
        let (name, source) = orders(&streams).await;
        let shard = "shardId-000000000000";
        let latest = source.cursor(shard, &Position::Latest).await.unwrap();
        put(&streams, &name, "k\"1", r#"{"a": 1.0}"#).await;
        source.arrival(&latest).await;
        let page = source.read(&latest, WANT).await.unwrap();
        assert_eq!((page.records.len(), page.behind_millis), (1, Some(0)));
        let record = &page.records[0];
        let number = record.sequence_number.as_str();
        let event: Value = serde_json::from_slice(&record.event).unwrap();
        let expected = json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "k\"1",
                "sequenceNumber": number,
                "data": "eyJhIjogMS4wfQ==",
                "approximateArrivalTimestamp": 1_800_000_000.987,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": format!("{shard}:{number}"),
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "a:role",
            "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
        });
        assert_eq!(event, expected);
        for (pattern, admitted) in [
            (r#"{"data": {"a": [1.0]}}"#, true),
            (r#"{"data": {"a": [1]}}"#, false),
            (r#"{"partitionKey": ["k\"1"]}"#, true),
            (r#"{"data": ["text"]}"#, false),
        ] {
            let filters = Filters::parse(&[pattern.to_owned()]).unwrap();
            assert_eq!(filters.admit(&source.filtered(record)), admitted, "{pattern}");
        }
        let again = source.cursor(shard, &Position::After(record.sequence_number.clone())).await;
        let rest = source.read(&again.unwrap(), WANT).await.unwrap();
        assert!(rest.records.is_empty() && rest.next.is_some());
        let number =
            SequenceNumber::new("49590338271490256608559692538361571095921575989136588898");
        let stale = source.cursor(shard, &Position::After(number)).await;
        assert!(matches!(stale, Err(SourceError::Trimmed(_))), "{stale:?}");
    }

    #[tokio::test]
    async fn a_time_is_a_place_in_a_shard_also_if_it_is_to_come() {
        let directory = tempfile::tempdir().unwrap();
        let streams = streams(directory.path()).await;
        let (name, source) = orders(&streams).await;
        put(&streams, &name, "k", "now").await;
        for (at, expected) in [(NOW.0 - 1, 1), (NOW.0, 1), (NOW.0 + 1, 0)] {
            let position = Position::AtTimestamp(Timestamp(at));
            let cursor = source.cursor("shardId-000000000000", &position).await.unwrap();
            let page = source.read(&cursor, WANT).await.unwrap();
            assert_eq!(page.records.len(), expected, "{at}");
        }
    }

    #[tokio::test]
    async fn who_reads_as_a_consumer_is_told_that_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let streams = streams(directory.path()).await;
        let (name, source) = orders(&streams).await;
        let new = NewConsumer { stream: name, name: "reader".to_owned(), tags: BTreeMap::new() };
        let consumer = streams.register(new).await.unwrap().full_name();
        let source = OwnStream { consumer: Some(consumer.clone()), ..source };
        assert_eq!(source.shards().await.unwrap().len(), 1);
        streams.deregister(&consumer).await.unwrap();
        source.reshaped().await;
        assert!(matches!(source.shards().await, Err(SourceError::Gone(_))));
    }

    #[tokio::test]
    async fn a_shard_that_was_split_ends_and_names_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let streams = streams(directory.path()).await;
        let (name, source) = orders(&streams).await;
        assert_eq!(source.shards().await.unwrap().len(), 1);
        put(&streams, &name, "k", "before").await;
        streams.split(&name, "shardId-000000000000", "10").await.unwrap();
        source.reshaped().await;
        let shards = source.shards().await.unwrap();
        let closed: Vec<bool> = shards.iter().map(|shard| shard.is_closed).collect();
        assert_eq!(closed, [true, false, false]);
        assert_eq!(shards[2].parents, ["shardId-000000000000"]);
        let begin = source.cursor("shardId-000000000000", &Position::TrimHorizon).await.unwrap();
        let page = source.read(&begin, WANT).await.unwrap();
        assert_eq!((page.records.len(), page.next), (1, None));
        streams.delete(&name, streams::WithConsumers::Refuse).await.unwrap();
        assert!(matches!(source.shards().await, Err(SourceError::Gone(_))));
    }
}
