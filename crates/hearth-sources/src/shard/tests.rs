//! Mappings of streams as a whole: a stream in memory, a function that answers as it is told, and a
//! clock that stands still while anybody has something to do.

mod starts;
mod servers;
mod remade;
mod panics;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_control::mapping::settings::{Configuration, StartingPosition};
use hearth_control::mapping::source::{Source, SourceKind};
use hearth_control::mapping::state::State;
use hearth_control::mapping::{Mapping, MappingId};
use hearth_services::delivery::{Delivery, Parcel};
use hearth_store::queue::Queue;
use hearth_store::queue::memory::MemoryQueue;
use hearth_types::metrics::NoMetrics;
use hearth_types::names::{AccountId, FunctionArn, FunctionName, Region, Scope};
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::testing::ReactorClock;
use hearth_types::time::{Clock, Timestamp};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::source::{
    Cursor, Family, Page, Portion, Position, SequenceNumber, Shard, ShardRecord, ShardSource,
    SourceError,
};
use super::streams::{OpenStream, Parts, Streams};
use crate::ahead::Ahead;
use crate::function::{Call, NotRun, Ran, RunFunction};
use crate::json::Json;
use crate::lease::Leases;
use crate::progress::{Book, Seen};
use crate::reader::{Ended, Reader as _, Stopper, Work};

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

#[tokio::test(start_paused = true)]
async fn records_come_in_their_order_and_once_whoever_reads_them() {
    let world = World::new(&["a"]);
    world.stream.put("a", 1..=5);
    let reading = world.read(configuration());
    pass(1).await;
    world.stream.put("a", 6..=9);
    pass(1).await;
    assert_eq!(world.function.numbers(), (1..=9).collect::<Vec<_>>());
    let seen = reading.seen();
    assert_eq!((seen.polled, seen.invoked, seen.failed, seen.running), (9, 9, 0, 0));
    assert_eq!(seen.result.as_deref(), Some("OK"));
    assert_eq!(seen.positions["a"], "9");
    reading.stop().await;
    world.stream.put("a", 10..=12);
    pass(1).await;
    let reading = world.read(configuration());
    pass(1).await;
    assert_eq!(world.function.numbers(), (1..=12).collect::<Vec<_>>());
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_read_to_its_end_before_those_that_came_of_it() {
    let world = World::new(&["a"]);
    world.function.takes(Duration::from_millis(300));
    let configuration = Configuration { batch_size: 2, ..configuration() };
    let reading = world.read(configuration);
    world.stream.put("a", 1..=9);
    world.stream.split("a", &["b", "c"]);
    world.stream.put("b", 10..=11);
    world.stream.put("c", 20..=21);
    pass(1).await;
    assert!(world.function.numbers().iter().all(|number| *number < 10));
    pass(60).await;
    let numbers = world.function.numbers();
    assert_eq!(numbers[..9], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let rest: BTreeSet<u64> = numbers[9..].iter().copied().collect();
    assert_eq!(rest, BTreeSet::from([10, 11, 20, 21]));
    assert_eq!(numbers.len(), 13);
    world.stream.merge(&["b", "c"], "d");
    world.stream.put("d", 30..=30);
    pass(60).await;
    assert_eq!(world.function.numbers().last(), Some(&30));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_for_a_minute_is_read_on() {
    let world = World::new(&["a"]);
    let reading = world.read(configuration());
    world.stream.put("a", 1..=3);
    pass(1).await;
    world.stream.fail(Some(SourceError::Failed("not there".to_owned())));
    world.stream.put("a", 4..=6);
    pass(60).await;
    assert_eq!(world.function.numbers(), [1, 2, 3]);
    assert!(reading.seen().error.unwrap().contains("not there"));
    world.stream.fail(None);
    pass(10).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 4, 5, 6]);
    world.stream.expire();
    world.stream.put("a", 7..=7);
    pass(10).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 4, 5, 6, 7]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_begins_with_the_newest_record_misses_nothing_that_comes_later() {
    let world = World::new(&["a"]);
    world.stream.put("a", 1..=5);
    pass(1).await;
    let latest =
        Configuration { starting_position: Some(StartingPosition::Latest), ..configuration() };
    let reading = world.read(latest.clone());
    pass(1).await;
    reading.stop().await;
    // Nobody reads, and nothing was read that a checkpoint could name.
    world.stream.put("a", 6..=7);
    pass(5).await;
    let reading = world.read(latest);
    pass(5).await;
    assert_eq!(world.function.numbers(), [6, 7]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn poison_is_told_of_alone_and_the_rest_passes() {
    let world = World::new(&["a"]);
    world.function.poison(&[4, 7]);
    world.stream.put("a", 1..=9);
    let configuration = Configuration {
        bisect_batch: Some(true),
        retry_attempts_max: Some(1),
        on_failure: Some("arn:aws:sqs:us-east-1:000000000000:failures".to_owned()),
        ..configuration()
    };
    let reading = world.read(configuration);
    pass(60).await;
    let seen = reading.seen();
    assert_eq!((seen.dropped, seen.delivered), (2, 2));
    assert_eq!(
        world.told(),
        [("4".to_owned(), "4".to_owned(), 1), ("7".to_owned(), "7".to_owned(), 1)]
    );
    let all: BTreeSet<u64> = world.function.good().into_iter().collect();
    assert_eq!(all, BTreeSet::from([1, 2, 3, 5, 6, 8, 9]));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_beside_each_other_and_each_in_order() {
    let world = World::new(&["a"]);
    world.function.takes(Duration::from_millis(100));
    world.stream.put("a", 1..=60);
    let configuration =
        Configuration { batch_size: 1, parallelization_factor: Some(4), ..configuration() };
    let reading = world.read(configuration);
    pass(30).await;
    let numbers = world.function.numbers();
    assert_eq!(numbers.len(), 60);
    let mut last: HashMap<String, u64> = HashMap::new();
    for number in numbers {
        let before = last.insert(key(number), number).unwrap_or_default();
        assert!(before < number, "{before} before {number}");
    }
    let most = world.function.lock().most;
    assert!((2..=4).contains(&most), "{most}");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_is_read_on_also_if_it_was_left_while_the_store_was_broken() {
    let world = World::new(&["a"]);
    world.stream.put("a", 1..=3);
    let reading = world.read(configuration());
    pass(1).await;
    world.queue.break_down();
    reading.stop().await;
    pass(60).await;
    world.queue.mend();
    world.stream.put("a", 4..=4);
    let reading = world.read(configuration());
    pass(10).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 4]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_throttled_for_ten_minutes_misses_nothing() {
    let world = World::new(&["a"]);
    world.function.throttle(Throttle::On);
    world.stream.put("a", 1..=3);
    let configuration =
        Configuration { retry_attempts_max: Some(0), bisect_batch: Some(true), ..configuration() };
    let reading = world.read(configuration);
    pass(600).await;
    assert_eq!(world.function.good(), [] as [u64; 0]);
    assert!(reading.seen().error.is_some());
    world.function.throttle(Throttle::Off);
    pass(31).await;
    assert_eq!(world.function.good(), [1, 2, 3]);
    assert_eq!(reading.seen().dropped, 0);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_while_a_batch_runs_waits_for_it_and_repeats_nothing() {
    let world = World::new(&["a"]);
    world.function.takes(Duration::from_secs(10));
    world.stream.put("a", 1..=3);
    let reading = world.read(configuration());
    pass(1).await;
    reading.stop().await;
    world.stream.put("a", 4..=5);
    let reading = world.read(Configuration { batch_size: 1, ..configuration() });
    pass(5).await;
    assert_eq!(world.function.numbers(), [1, 2, 3]);
    pass(90).await;
    assert_eq!(world.function.good(), [1, 2, 3, 4, 5]);
    assert_eq!((world.function.numbers().len(), world.function.lock().most), (5, 1));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_function_fails_falls_behind_until_it_catches_up() {
    let world = World::new(&["a", "b"]);
    world.function.poison(&[2]);
    let reading = world.read(configuration());
    world.stream.put("a", 1..=3);
    pass(120).await;
    world.stream.put("b", 11..=12);
    pass(1).await;
    let age_millis = reading.seen().age_millis.unwrap();
    assert!((85_000..=121_000).contains(&age_millis), "the other shard is not: {age_millis}");
    world.function.poison(&[]);
    pass(31).await;
    assert_eq!(reading.seen().age_millis, Some(0));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_filtered_out_is_passed_and_a_gone_stream_is_said() {
    let world = World::new(&["a"]);
    world.stream.put("a", 1..=9);
    let configuration = Configuration {
        filters: vec![r#"{"number": [{"numeric": [">", 5]}]}"#.to_owned()],
        ..configuration()
    };
    let reading = world.read(configuration);
    pass(10).await;
    assert_eq!(world.function.numbers(), [6, 7, 8, 9]);
    let seen = reading.seen();
    assert_eq!((seen.polled, seen.filtered_out), (9, 5));
    world.stream.fail(Some(SourceError::Gone("deleted".to_owned())));
    world.stream.reshaped.notify_one();
    let ended = tokio::time::timeout(Duration::from_secs(900), reading.ended).await.unwrap();
    assert_eq!(ended.unwrap(), Ended::Unreadable("deleted".to_owned()));
}

/// The key of a record.
fn key(number: u64) -> String {
    format!("key {}", number % 7)
}

/// A stream, a function for it, and what both stand on.
struct World {
    stream: Arc<Stream>,
    function: Arc<Played>,
    queue: Arc<MemoryQueue>,
    streams: Arc<Streams>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    book: Book,
    id: MappingId,
}

impl World {
    fn new(shards: &[&str]) -> Self {
        Self::of(shards, Family::Kinesis)
    }

    /// One with a stream of a family.
    fn of(shards: &[&str], family: Family) -> Self {
        let clock: Arc<dyn Clock> = ReactorClock::starting_at(Timestamp(1_800_000_000_000));
        let stream = Arc::new(Stream::new((shards, family), clock));
        let queue = Arc::new(MemoryQueue::default());
        Self::server(stream, Arc::clone(&queue), queue)
    }

    /// A server that reaches the queue as `store`.
    fn server(stream: Arc<Stream>, queue: Arc<MemoryQueue>, store: Arc<dyn Queue>) -> Self {
        let clock = Arc::clone(&stream.clock);
        let time = Arc::new(Steady::new(Arc::clone(&clock)));
        let tasks = Tasks::default();
        let leases = Leases::over(store, Arc::clone(&time));
        let streams = Streams::new(Parts {
            streams: vec![Arc::new(Opened(Arc::clone(&stream)))],
            leases: Arc::new(leases),
            ahead: Ahead::new(hearth_types::limits::SOURCES_WAITING_BYTES_MAX),
            time,
            tasks: tasks.clone(),
        });
        Self {
            stream,
            function: Arc::new(Played::default()),
            queue,
            streams,
            clock,
            tasks,
            book: Book::new(Arc::new(NoMetrics)),
            id: MappingId::random(),
        }
    }

    /// Begins to read it, always for the same mapping.
    fn read(&self, configuration: Configuration) -> Reading {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        let mapping = Arc::new(Mapping {
            id: self.id.clone(),
            function: FunctionArn { scope, name: FunctionName::parse("f").unwrap() },
            qualifier: None,
            source: Source::parse(Some(ARN), None).unwrap(),
            enabled: true,
            configuration,
            state: State::Enabled,
            transition_reason: String::new(),
            last_processing_result: None,
            modified: self.clock.now(),
            tags: BTreeMap::new(),
        });
        let (stopper, stop) = Stopper::new();
        let progress = self.book.of(&self.id, "f");
        let functions = Arc::clone(&self.function) as Arc<dyn RunFunction>;
        let work = Work { mapping, functions, progress: Arc::clone(&progress), stop };
        let (sender, ended) = tokio::sync::oneshot::channel();
        let streams = Arc::clone(&self.streams);
        self.tasks.spawn("a reader", async move {
            let _ = sender.send(streams.read(work).await);
        });
        Reading { progress, stopper, ended }
    }

    /// What the destination is told: first and last record, and how many.
    fn told(&self) -> Vec<(String, String, u64)> {
        let rows = self.queue.of_kind(hearth_services::delivery::LANE_KIND);
        let told = rows.iter().map(|row| {
            let delivery = Delivery::read(&row.head).unwrap();
            assert!(matches!(delivery.parcel, Parcel::Queue { .. }));
            let body: Value = serde_json::from_slice(&row.body).unwrap();
            let batch = &body["KinesisBatchInfo"];
            let text = |name: &str| batch[name].as_str().unwrap().to_owned();
            let size = batch["batchSize"].as_u64().unwrap();
            (text("startSequenceNumber"), text("endSequenceNumber"), size)
        });
        told.collect()
    }
}

fn configuration() -> Configuration {
    Configuration {
        batch_size: 100,
        batching_window_seconds: Some(0),
        starting_position: Some(StartingPosition::TrimHorizon),
        parallelization_factor: Some(1),
        record_age_seconds_max: Some(-1),
        retry_attempts_max: Some(-1),
        bisect_batch: Some(false),
        tumbling_window_seconds: Some(0),
        response_types: Some(Vec::new()),
        ..Configuration::default()
    }
}

/// A mapping that is being read.
struct Reading {
    progress: Arc<crate::progress::Progress>,
    stopper: Stopper,
    ended: tokio::sync::oneshot::Receiver<Ended>,
}

impl Reading {
    fn seen(&self) -> Seen {
        self.progress.seen()
    }

    async fn stop(self) {
        self.stopper.stop();
        assert_eq!(self.ended.await.unwrap(), Ended::Stopped);
    }
}

/// Lets time go by.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// A stream in memory.
#[derive(Debug)]
struct Stream {
    family: Family,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
    arrived: Notify,
    reshaped: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    shards: Vec<Shard>,
    records: HashMap<String, Vec<ShardRecord>>,
    fault: Option<SourceError>,
    /// How often it was deleted and made again.
    made: u32,
    /// Cursors of earlier generations have expired.
    generation: u32,
    /// Whether the next read panics.
    panics: bool,
    cursors: Cursors,
    /// How many cursors were made.
    cursors_made: u32,
}

/// What a cursor is good for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Cursors {
    #[default]
    Good,
    /// It has expired when it is made.
    Expired,
}

impl Stream {
    fn new((shards, family): (&[&str], Family), clock: Arc<dyn Clock>) -> Self {
        let shard =
            |id: &&str| Shard { id: (*id).to_owned(), parents: Vec::new(), is_closed: false };
        let kept = Kept { shards: shards.iter().map(shard).collect(), ..Kept::default() };
        let (arrived, reshaped) = (Notify::new(), Notify::new());
        Self { family, clock, kept: Mutex::new(kept), arrived, reshaped }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    fn put(&self, shard: &str, numbers: std::ops::RangeInclusive<u64>) {
        let arrived = self.clock.now();
        let records = numbers.map(|number| ShardRecord {
            sequence_number: SequenceNumber::new(number.to_string()),
            partition_key: key(number),
            arrived,
            event: Bytes::from(json!({ "number": number }).to_string()),
        });
        self.lock().records.entry(shard.to_owned()).or_default().extend(records);
        self.arrived.notify_waiters();
    }

    fn split(&self, shard: &str, into: &[&str]) {
        for child in into {
            self.merge(&[shard], child);
        }
    }

    fn merge(&self, parents: &[&str], child: &str) {
        {
            let mut kept = self.lock();
            for shard in &mut kept.shards {
                shard.is_closed |= parents.contains(&shard.id.as_str());
            }
            let parents = parents.iter().map(|one| (*one).to_owned()).collect();
            kept.shards.push(Shard { id: child.to_owned(), parents, is_closed: false });
        }
        self.arrived.notify_waiters();
        self.reshaped.notify_one();
    }

    fn fail(&self, fault: Option<SourceError>) {
        self.lock().fault = fault;
        self.arrived.notify_waiters();
    }

    /// Somebody deletes it, and makes one with the same name and one shard.
    fn remake(&self, shard: &str) {
        let shard = Shard { id: shard.to_owned(), parents: Vec::new(), is_closed: false };
        {
            let mut kept = self.lock();
            let made = kept.made + 1;
            *kept = Kept { shards: vec![shard], made, ..Kept::default() };
        }
        self.arrived.notify_waiters();
    }

    fn expire(&self) {
        self.lock().generation += 1;
    }

    fn make(&self, cursors: Cursors) {
        self.lock().cursors = cursors;
        self.arrived.notify_waiters();
    }

    /// The place of a cursor that is still good.
    fn place(kept: &Kept, cursor: &Cursor) -> Result<usize, SourceError> {
        let (generation, place) = cursor.token.split_once('/').unwrap();
        if generation != kept.generation.to_string() || kept.cursors == Cursors::Expired {
            return Err(SourceError::Expired);
        }
        Ok(place.parse().unwrap())
    }
}

#[async_trait]
impl ShardSource for Stream {
    fn family(&self) -> Family {
        self.family
    }

    fn generation(&self) -> Option<String> {
        (self.family == Family::Kinesis).then(|| self.lock().made.to_string())
    }

    fn stream_arn(&self) -> &str {
        ARN
    }

    async fn shards(&self) -> Result<Vec<Shard>, SourceError> {
        let kept = self.lock();
        match &kept.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(kept.shards.clone()),
        }
    }

    async fn reshaped(&self) {
        self.reshaped.notified().await;
    }

    async fn cursor(&self, shard: &str, from: &Position) -> Result<Cursor, SourceError> {
        let mut kept = self.lock();
        kept.cursors_made += 1;
        if let Some(fault) = &kept.fault {
            return Err(fault.clone());
        }
        let records = kept.records.get(shard).map(Vec::as_slice).unwrap_or_default();
        let place = match from {
            Position::TrimHorizon => 0,
            Position::Latest => records.len(),
            // A table's stream cannot be asked for a time.
            Position::AtTimestamp(_) if self.family == Family::DynamoDb => 0,
            Position::AtTimestamp(at) => records.iter().take_while(|one| one.arrived < *at).count(),
            Position::After(number) => {
                records.iter().take_while(|one| one.sequence_number <= *number).count()
            }
        };
        let token = format!("{}/{place}", kept.generation);
        Ok(Cursor { shard: shard.to_owned(), token })
    }

    async fn read(&self, cursor: &Cursor, portion: Portion) -> Result<Page, SourceError> {
        let panics = std::mem::take(&mut self.lock().panics);
        assert!(!panics, "on purpose");
        let kept = self.lock();
        if let Some(fault) = &kept.fault {
            return Err(fault.clone());
        }
        let place = Self::place(&kept, cursor)?;
        let all = kept.records.get(&cursor.shard).map(Vec::as_slice).unwrap_or_default();
        let records: Vec<ShardRecord> =
            all.iter().skip(place).take(portion.records).cloned().collect();
        let end = place + records.len();
        let is_closed = kept.shards.iter().any(|one| one.id == cursor.shard && one.is_closed);
        let token = format!("{}/{end}", kept.generation);
        let next =
            (!is_closed || end < all.len()).then(|| Cursor { shard: cursor.shard.clone(), token });
        Ok(Page { records, next, behind_millis: Some(u64::from(end < all.len())) })
    }

    async fn arrival(&self, cursor: &Cursor) {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            {
                let kept = self.lock();
                let count = kept.records.get(&cursor.shard).map_or(0, Vec::len);
                let is_closed =
                    kept.shards.iter().any(|one| one.id == cursor.shard && one.is_closed);
                let is_behind = Self::place(&kept, cursor).is_ok_and(|place| place >= count);
                if !is_behind || is_closed || kept.fault.is_some() {
                    return;
                }
            }
            arrived.await;
        }
    }

    fn filtered(&self, record: &ShardRecord) -> Json {
        Json::read(std::str::from_utf8(&record.event).unwrap()).unwrap()
    }
}

#[derive(Debug)]
struct Opened(Arc<Stream>);

#[async_trait]
impl OpenStream for Opened {
    fn serves(&self, kind: SourceKind) -> bool {
        kind == SourceKind::KinesisStream
    }

    async fn check(&self, _arn: &str) -> Result<(), String> {
        Ok(())
    }

    async fn open(&self, _mapping: &Mapping, _arn: &str) -> Result<Arc<dyn ShardSource>, String> {
        Ok(Arc::clone(&self.0) as Arc<dyn ShardSource>)
    }
}

/// A function that fails for batches with poison.
#[derive(Debug, Default)]
struct Played(Mutex<Script>);

#[derive(Debug, Default)]
struct Script {
    takes: Duration,
    throttle: Throttle,
    poison: Vec<u64>,
    /// Whether the next run panics.
    panics: bool,
    /// In the order in which they came.
    numbers: Vec<u64>,
    good: Vec<u64>,
    running: usize,
    most: usize,
}

/// Whether it may be run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Throttle {
    On,
    #[default]
    Off,
}

impl Played {
    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    fn takes(&self, takes: Duration) {
        self.lock().takes = takes;
    }

    fn throttle(&self, throttle: Throttle) {
        self.lock().throttle = throttle;
    }

    fn poison(&self, numbers: &[u64]) {
        self.lock().poison = numbers.to_vec();
    }

    fn numbers(&self) -> Vec<u64> {
        self.lock().numbers.clone()
    }

    fn good(&self) -> Vec<u64> {
        self.lock().good.clone()
    }
}

#[async_trait]
impl RunFunction for Played {
    async fn run(&self, _mapping: &Mapping, call: Call) -> Ran {
        let event: Value = serde_json::from_slice(&call.payload).unwrap();
        let records = event["Records"].as_array().unwrap();
        let numbers: Vec<u64> = records.iter().map(|one| one["number"].as_u64().unwrap()).collect();
        let panics = std::mem::take(&mut self.lock().panics);
        assert!(!panics, "on purpose");
        let takes = {
            let mut script = self.lock();
            if script.throttle == Throttle::On {
                return Ran::NotRun(NotRun::Throttled);
            }
            script.numbers.extend(&numbers);
            script.running += 1;
            script.most = script.most.max(script.running);
            script.takes
        };
        tokio::time::sleep(takes).await;
        let mut script = self.lock();
        script.running -= 1;
        let version = "$LATEST".to_owned();
        if numbers.iter().any(|number| script.poison.contains(number)) {
            return Ran::Failed { error: Bytes::from_static(b"{}"), version };
        }
        script.good.extend(&numbers);
        Ran::Answered { answer: Bytes::from_static(b"null"), version }
    }
}
