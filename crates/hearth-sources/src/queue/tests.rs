//! Mappings of queues as a whole: our own queues on an engine in memory, a function that answers as
//! it is told, and a clock that stands still while anybody has something to do.

mod kept;
mod room;
mod weather;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hearth_control::mapping::settings::Configuration;
use hearth_control::mapping::state::State;
use hearth_control::mapping::{Mapping, MappingId};
use hearth_services::queues::{self, NewMessage, Queues, Receive, Sender};
use hearth_store::queue::memory::MemoryQueue;
use hearth_store::records::memory::MemoryRecords;
use hearth_types::metrics::NoMetrics;
use hearth_types::names::{AccountId, FunctionArn, FunctionName, Region, Scope};
use hearth_types::testing::ReactorClock;
use serde_json::{Value, json};

use super::source::EmbeddedQueues;
use super::*;
use crate::function::{Call, NotRun, Ran, RunFunction};
use crate::progress::{Book, Seen};
use crate::reader::Stopper;

#[tokio::test(start_paused = true)]
async fn messages_are_deleted_when_the_function_has_answered() {
    let world = World::new("q", &[]).await;
    let reading = world.read(configuration(10, 0), Played::default());
    world.send_all(&["a", "b", "c"]).await;
    pass(1).await;
    assert_eq!(reading.function.bodies().concat(), ["a", "b", "c"]);
    let seen = reading.seen();
    assert_eq!((seen.polled, seen.invoked, seen.deleted, seen.running), (3, 3, 3, 0));
    assert_eq!(seen.result.as_deref(), Some("OK"));
    pass(100).await;
    assert_eq!(reading.function.bodies().concat().len(), 3, "none comes again");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_failed_comes_again_after_its_visibility_timeout_and_nothing_else_does() {
    let world = World::new("q", &[("VisibilityTimeout", "30")]).await;
    let configuration = Configuration {
        response_types: Some(vec![REPORT_ITEMS.to_owned()]),
        ..configuration(10, 0)
    };
    world.send_all(&["a", "b", "c"]).await;
    let reading = world.read(configuration, Played { failing: vec!["b"], ..Played::default() });
    pass(29).await;
    assert_eq!(reading.function.bodies(), [["a", "b", "c"]]);
    assert_eq!((reading.seen().deleted, reading.seen().failed), (2, 1));
    pass(2).await;
    assert_eq!(reading.function.bodies()[1], ["b"]);
    assert_eq!(reading.function.receives()[1], ["2"]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_fails_as_a_whole_with_its_function() {
    let world = World::new("q", &[("VisibilityTimeout", "30")]).await;
    world.send_all(&["a", "b"]).await;
    let script = [Ran::Failed {
        error: Bytes::from_static(br#"{"errorType": "E", "errorMessage": "no"}"#),
        version: "$LATEST".to_owned(),
    }];
    let reading = world.read(configuration(10, 0), Played::of(script));
    pass(1).await;
    let seen = reading.seen();
    assert_eq!((seen.failed, seen.deleted), (2, 0));
    assert_eq!(seen.result.as_deref(), Some("PROBLEM: Function call failed"));
    assert_eq!(seen.error.as_deref(), Some("E: no"));
    pass(31).await;
    assert_eq!(reading.seen().deleted, 2);
    assert_eq!(reading.seen().result.as_deref(), Some("OK"));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_over_several_receives_and_keeps_what_it_has() {
    // The window is longer than messages are kept from others.
    let world = World::new("q", &[("VisibilityTimeout", "10")]).await;
    let reading = world.read(configuration(100, 60), Played::default());
    for body in ["a", "b", "c"] {
        world.send_all(&[body]).await;
        pass(15).await;
    }
    assert_eq!(reading.function.bodies().len(), 0);
    pass(20).await;
    assert_eq!(reading.function.bodies(), [["a", "b", "c"]]);
    assert_eq!(reading.function.receives(), [["1", "1", "1"]]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_gathered_is_given_back_at_the_end() {
    let world = World::new("q", &[("VisibilityTimeout", "300")]).await;
    let reading = world.read(configuration(100, 60), Played::default());
    world.send_all(&["a"]).await;
    pass(1).await;
    assert_eq!(world.receive().await.len(), 0);
    reading.stop().await;
    let receive = Receive { messages: Some(10), ..Receive::default() };
    let received = world.queues.receive(&world.name, &receive).await.unwrap();
    let received: Vec<_> = received.iter().map(|one| (one.body.as_str(), one.receives)).collect();
    assert_eq!(received, [("a", 1)], "and it is as if nobody had received it");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_function_costs_no_receive() {
    let world = World::new("q", &[("VisibilityTimeout", "10")]).await;
    world.send_all(&["a", "b"]).await;
    let script = (0..100).map(|_| Ran::NotRun(NotRun::Throttled));
    let reading = world.read(configuration(10, 0), Played::of(script));
    pass(120).await;
    assert_eq!(reading.seen().result.as_deref(), Some("PROBLEM: Function call throttled"));
    pass(600).await;
    assert_eq!(reading.seen().deleted, 2);
    let receives = reading.function.receives();
    assert!(receives.iter().all(|batch| batch == &["1", "1"]), "{receives:?}");
    assert_eq!(receives.len(), 101);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn no_more_batches_run_at_a_time_than_the_mapping_says() {
    let world = World::new("q", &[]).await;
    let configuration = Configuration { concurrency_max: Some(2), ..configuration(1, 0) };
    let played = Played { takes: Duration::from_secs(1), ..Played::default() };
    let reading = world.read(configuration, played);
    world.send_all(&["a"; 10]).await;
    pass(20).await;
    assert_eq!(reading.seen().deleted, 10);
    assert_eq!(reading.function.most.load(Ordering::Relaxed), 2);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_gets_more_batches_as_time_goes_by() {
    let world = World::new("q", &[("VisibilityTimeout", "60")]).await;
    let played = Played { takes: Duration::from_secs(10), ..Played::default() };
    let reading = world.read(configuration(1, 0), played);
    world.send_all(&["a"; 100]).await;
    pass(1).await;
    let first = reading.function.most.load(Ordering::Relaxed);
    assert!((5..=11).contains(&first), "{first}");
    pass(5).await;
    let later = reading.function.most.load(Ordering::Relaxed);
    assert!((25..=36).contains(&later), "five more in each second: {later}");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_full_of_large_messages_gets_more_batches_as_well() {
    let world = World::new("q", &[("VisibilityTimeout", "60")]).await;
    let played = Played { takes: Duration::from_secs(10), ..Played::default() };
    let reading = world.read(configuration(10, 0), played);
    let large = "x".repeat(300_000);
    for _ in 0..60 {
        world.send_all(&[&large]).await;
    }
    pass(6).await;
    let most = reading.function.most.load(Ordering::Relaxed);
    assert!(most > 10, "a receive has no more than a megabyte of them: {most}");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_group_come_in_order_and_one_batch_at_a_time() {
    let world = World::new("q.fifo", &[("FifoQueue", "true")]).await;
    let played = Played { takes: Duration::from_millis(700), ..Played::default() };
    let reading = world.read(configuration(3, 0), played);
    for number in 0..20 {
        for group in ["x", "y"] {
            world.send_to(group, &format!("{group}{number}")).await;
        }
        pass_millis(100).await;
    }
    pass(60).await;
    let bodies = reading.function.bodies().concat();
    for group in ["x", "y"] {
        let of_group: Vec<&String> = bodies.iter().filter(|body| body.starts_with(group)).collect();
        let expected: Vec<String> = (0..20).map(|number| format!("{group}{number}")).collect();
        assert_eq!(of_group, expected.iter().collect::<Vec<_>>());
    }
    assert_eq!(reading.function.overlapped.load(Ordering::Relaxed), 0);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_named_of_a_group_is_deleted_also_behind_what_is() {
    let world = World::new("q.fifo", &[("FifoQueue", "true"), ("VisibilityTimeout", "30")]).await;
    for body in ["a", "b", "c"] {
        world.send_to("x", body).await;
    }
    let configuration = Configuration {
        response_types: Some(vec![REPORT_ITEMS.to_owned()]),
        ..configuration(10, 0)
    };
    let reading = world.read(configuration, Played { failing: vec!["b"], ..Played::default() });
    pass(1).await;
    assert_eq!(reading.function.bodies(), [["a", "b", "c"]]);
    assert_eq!((reading.seen().deleted, reading.seen().failed), (2, 1));
    world.send_to("x", "d").await;
    pass(20).await;
    assert_eq!(reading.function.bodies().len(), 1, "what failed holds up its group");
    pass(20).await;
    assert_eq!(reading.function.bodies()[1..].concat(), ["b", "d"]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_filters_keep_back_is_deleted() {
    let world = World::new("q", &[]).await;
    let configuration = Configuration {
        filters: vec![r#"{"body": {"city": ["Bern"]}}"#.to_owned()],
        ..configuration(10, 0)
    };
    let reading = world.read(configuration, Played::default());
    world.send_all(&[r#"{"city": "Bern"}"#, r#"{"city": "Rome"}"#, "Bern"]).await;
    pass(1).await;
    assert_eq!(reading.function.bodies(), [[r#"{"city": "Bern"}"#]]);
    let seen = reading.seen();
    assert_eq!((seen.polled, seen.filtered_out, seen.deleted), (3, 2, 3));
    pass(100).await;
    assert_eq!(world.receive().await.len(), 0);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_large_for_one_event_is_split() {
    let world = World::new("q", &[]).await;
    let large = "x".repeat(1_000_000);
    for _ in 0..10 {
        world.send_all(&[&large]).await;
    }
    let reading = world.read(configuration(100, 1), Played::default());
    pass(10).await;
    let sizes: Vec<usize> = reading.function.bodies().iter().map(Vec::len).collect();
    assert_eq!(sizes, [6, 4]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_ends_when_its_queue_is_gone_and_says_so() {
    let world = World::new("q", &[]).await;
    let reading = world.read(configuration(10, 0), Played::default());
    pass(1).await;
    world.queues.delete(&world.name).await.unwrap();
    let Ended::Unreadable(why) = reading.ended().await else { panic!("it was not told to stop") };
    assert!(why.contains("NonExistentQueue"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_for_a_minute_is_read_on() {
    let world = World::new("q", &[("VisibilityTimeout", "30")]).await;
    let version = "$LATEST".to_owned();
    let script = [Ran::Failed { error: Bytes::from_static(b"{}"), version }];
    let reading = world.read(configuration(10, 0), Played::of(script));
    world.send_all(&["a"]).await;
    pass(1).await;
    world.engine.break_down();
    pass(60).await;
    assert_eq!(reading.function.bodies().len(), 1);
    assert_eq!(reading.seen().result.as_deref(), Some("PROBLEM: the queue could not be read"));
    world.engine.mend();
    pass(21).await;
    assert_eq!(reading.function.bodies(), [["a"], ["a"]]);
    assert_eq!((reading.seen().deleted, reading.seen().result.as_deref()), (1, Some("OK")));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_not_there_is_waited_for() {
    let world = World::new("q", &[("VisibilityTimeout", "10")]).await;
    let script = (0..3).map(|_| Ran::NotRun(NotRun::Unavailable("no function".to_owned())));
    let reading = world.read(configuration(10, 0), Played::of(script));
    world.send_all(&["a"]).await;
    pass(5).await;
    let seen = reading.seen();
    assert_eq!(seen.result.as_deref(), Some("PROBLEM: Function call failed"));
    assert_eq!((seen.error.as_deref(), seen.invoked), (Some("no function"), 0));
    pass(40).await;
    assert_eq!(reading.seen().deleted, 1);
    assert_eq!(reading.function.receives().last().unwrap(), &["4"], "each of them was a receive");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_checked_against_the_timeout_of_the_function() {
    let world = World::new("q", &[("VisibilityTimeout", "30")]).await;
    let source = |name: &str| {
        Source::parse(Some(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")), None).unwrap()
    };
    let reader = world.reader();
    assert_eq!(reader.check(&source("q"), 30).await, Ok(()));
    let text = "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds";
    assert_eq!(reader.check(&source("q"), 31).await, Err(text.to_owned()));
    let missing = reader.check(&source("other"), 3).await.unwrap_err();
    assert!(missing.contains("AWS.SimpleQueueService.NonExistentQueue"), "{missing}");
}

/// A queue, and what it stands on.
struct World {
    queues: Arc<Queues>,
    engine: Arc<MemoryQueue>,
    name: QueueName,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    ahead: Arc<Ahead>,
}

impl World {
    async fn new(name: &str, attributes: &[(&str, &str)]) -> Self {
        let clock: Arc<dyn Clock> = ReactorClock::starting_at(Timestamp(1_800_000_000_000));
        let tasks = Tasks::default();
        let engine = Arc::new(MemoryQueue::default());
        let queues = Queues::open(queues::Parts {
            records: Arc::new(MemoryRecords::default()),
            engine: Arc::clone(&engine) as _,
            clock: Arc::clone(&clock),
            metrics: Arc::new(NoMetrics),
            tasks: tasks.clone(),
        });
        let queues = queues.await.unwrap();
        let name = QueueName { scope: scope(), name: name.to_owned() };
        let given =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        queues.create(&name, &given.collect(), BTreeMap::new()).await.unwrap();
        let ahead = Ahead::new(hearth_types::limits::SOURCES_WAITING_BYTES_MAX);
        Self { queues, engine, name, clock, tasks, ahead }
    }

    fn reader(&self) -> QueueReader {
        let source = Arc::new(EmbeddedQueues(Arc::clone(&self.queues)));
        let ahead = Arc::clone(&self.ahead);
        QueueReader::new(source, Arc::clone(&self.clock), self.tasks.clone(), ahead)
    }

    /// Begins to read it.
    fn read(&self, configuration: Configuration, function: Played) -> Reading {
        self.read_with(configuration, Arc::new(function))
    }

    /// The same, with a function that others may have run before.
    fn read_with(&self, configuration: Configuration, function: Arc<Played>) -> Reading {
        let book = Book::new(Arc::new(NoMetrics));
        let mapping = Arc::new(mapping(&self.name, configuration));
        let (stopper, stop) = Stopper::new();
        let work = Work {
            progress: book.of(&mapping.id, "f"),
            functions: Arc::clone(&function) as _,
            mapping: Arc::clone(&mapping),
            stop,
        };
        let (sender, ended) = tokio::sync::oneshot::channel();
        let reader = self.reader();
        self.tasks.spawn("a reader", async move {
            let _ = sender.send(reader.read(work).await);
        });
        Reading { function, book, mapping, stopper, ended }
    }

    async fn send(&self, message: NewMessage) {
        let sender = Sender { account: &self.name.scope.account, trace: None };
        self.queues.send_message(&self.name, message, sender).await.unwrap();
    }

    async fn send_all(&self, bodies: &[&str]) {
        for body in bodies {
            self.send(NewMessage { body: (*body).to_owned(), ..NewMessage::default() }).await;
        }
    }

    async fn send_to(&self, group: &str, body: &str) {
        self.send(NewMessage {
            body: body.to_owned(),
            group: Some(group.to_owned()),
            deduplication: Some(body.to_owned()),
            ..NewMessage::default()
        })
        .await;
    }

    async fn receive(&self) -> Vec<String> {
        let receive = Receive { messages: Some(10), ..Receive::default() };
        let received = self.queues.receive(&self.name, &receive).await.unwrap();
        received.into_iter().map(|one| one.body).collect()
    }
}

/// A mapping that is being read.
struct Reading {
    function: Arc<Played>,
    book: Book,
    mapping: Arc<Mapping>,
    stopper: Stopper,
    ended: tokio::sync::oneshot::Receiver<Ended>,
}

impl Reading {
    fn seen(&self) -> Seen {
        self.book.seen(&self.mapping.id).unwrap()
    }

    async fn stop(self) {
        self.stopper.stop();
        assert_eq!(self.ended.await.unwrap(), Ended::Stopped);
    }

    async fn ended(self) -> Ended {
        self.ended.await.unwrap()
    }
}

/// A function that answers as it is told, and then well.
#[derive(Debug, Default)]
struct Played {
    script: Mutex<VecDeque<Ran>>,
    /// Bodies that it names as failed, once each.
    failing: Vec<&'static str>,
    takes: Duration,
    events: Mutex<Vec<Value>>,
    /// Those that it answered to.
    answered: Mutex<Vec<Value>>,
    running: Mutex<Vec<String>>,
    most: AtomicUsize,
    /// How often two batches had messages of one group.
    overlapped: AtomicUsize,
}

impl Played {
    fn of(script: impl IntoIterator<Item = Ran>) -> Self {
        Self { script: Mutex::new(script.into_iter().collect()), ..Self::default() }
    }

    /// The bodies of all messages that it has answered to.
    fn answered_bodies(&self) -> Vec<String> {
        let body = |record: &Value| record["body"].as_str().unwrap().to_owned();
        let answered = self.answered.lock().unwrap();
        let records = answered.iter().flat_map(|event| event["Records"].as_array().unwrap());
        records.map(body).collect()
    }

    fn of_each(&self, part: impl Fn(&Value) -> &Value) -> Vec<Vec<String>> {
        let text = |record: &Value| part(record).as_str().unwrap().to_owned();
        let records = |event: &Value| event["Records"].as_array().unwrap().clone();
        let events = self.events.lock().unwrap();
        events.iter().map(|event| records(event).iter().map(text).collect()).collect()
    }

    /// The bodies of each batch, in the order in which they came.
    fn bodies(&self) -> Vec<Vec<String>> {
        self.of_each(|record| &record["body"])
    }

    fn receives(&self) -> Vec<Vec<String>> {
        self.of_each(|record| &record["attributes"]["ApproximateReceiveCount"])
    }

    fn answer(&self, event: &Value, is_first: bool) -> Ran {
        let records = event["Records"].as_array().unwrap();
        let failed = records
            .iter()
            .filter(|record| is_first && self.failing.iter().any(|body| record["body"] == *body));
        let failed: Vec<Value> =
            failed.map(|record| json!({ "itemIdentifier": record["messageId"] })).collect();
        let answer = json!({ "batchItemFailures": failed }).to_string();
        Ran::Answered { answer: Bytes::from(answer), version: "$LATEST".to_owned() }
    }
}

#[async_trait]
impl RunFunction for Played {
    async fn run(&self, _mapping: &Mapping, call: Call) -> Ran {
        let event: Value = serde_json::from_slice(&call.payload).unwrap();
        let is_first = {
            let mut events = self.events.lock().unwrap();
            events.push(event.clone());
            events.len() == 1
        };
        let told = self.script.lock().unwrap().pop_front();
        if let Some(ran) = told.filter(|ran| !matches!(ran, Ran::Answered { .. })) {
            return ran;
        }
        let records = event["Records"].as_array().unwrap();
        let groups = records.iter().filter_map(|record| {
            record["attributes"]["MessageGroupId"].as_str().map(str::to_owned)
        });
        let groups: std::collections::BTreeSet<String> = groups.collect();
        let own = call.id.to_string();
        {
            let mut running = self.running.lock().unwrap();
            running.push(own.clone());
            if groups.iter().any(|group| running.contains(group)) {
                self.overlapped.fetch_add(1, Ordering::Relaxed);
            }
            running.extend(groups.iter().cloned());
            let most = running.len() - running.iter().filter(|one| one.len() == 1).count();
            self.most.fetch_max(most, Ordering::Relaxed);
        }
        tokio::time::sleep(self.takes).await;
        self.running.lock().unwrap().retain(|one| *one != own && !groups.contains(one));
        self.answered.lock().unwrap().push(event.clone());
        self.answer(&event, is_first)
    }
}

/// Lets time go by.
async fn pass(seconds: u64) {
    pass_millis(seconds * 1_000).await;
}

async fn pass_millis(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn configuration(batch_size: i32, window_seconds: i32) -> Configuration {
    Configuration {
        batch_size,
        batching_window_seconds: Some(window_seconds),
        ..Configuration::default()
    }
}

fn scope() -> Scope {
    let account = AccountId::parse("000000000000").unwrap();
    Scope { account, region: Region::parse("us-east-1").unwrap() }
}

fn mapping(queue: &QueueName, configuration: Configuration) -> Mapping {
    Mapping {
        id: MappingId::random(),
        function: FunctionArn { scope: scope(), name: FunctionName::parse("f").unwrap() },
        qualifier: None,
        source: Source::parse(Some(&queue.to_string()), None).unwrap(),
        enabled: true,
        configuration,
        state: State::Enabled,
        transition_reason: String::new(),
        last_processing_result: None,
        modified: Timestamp(0),
        tags: BTreeMap::new(),
    }
}
