//! Events from their acceptance to their end, on a queue in memory and functions that are played.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use hearth_invoke::admission::{Limit, Throttled};
use hearth_invoke::asynchronous::{FAILED_LANE_KIND, named};
use hearth_services::delivery::{Delivery, LANE_KIND as DELIVER, Origin, Parcel};
use hearth_store::queue::memory::{MemoryQueue, Row};
use hearth_store::queue::{Batch, Queue as _};
use hearth_types::ids::RequestId;
use serde_json::Value;
use tokio::time::Instant;

use super::*;
use crate::turns::Limits;
use crate::worker::Worker;
use crate::worker::tests::{Moved, common};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:failed";
const NEXT: &str = "arn:aws:lambda:us-east-1:000000000000:function:next";
const LIMITS: Limits = Limits { entries: 100, of_lane: 50, bytes: 1 << 30, hold_ms: 1_000 };

/// A function that does what its events say: a list of words, one for each attempt.
#[derive(Debug, Clone)]
struct Fake(Arc<Played>);

#[derive(Debug)]
struct Played {
    /// What is configured; `None` if it is not there.
    rules: Mutex<Option<Rules>>,
    attempts: Mutex<HashMap<RequestId, Vec<Instant>>>,
}

impl Functions for Fake {
    async fn run(&self, head: &EventHead, payload: Bytes) -> Result<Ran, InvokeError> {
        let attempt = {
            let mut attempts = self.0.attempts.lock().unwrap();
            let of_event = attempts.entry(head.id).or_default();
            of_event.push(Instant::now());
            of_event.len() - 1
        };
        let words: Vec<String> = serde_json::from_slice(&payload).unwrap();
        let word = words.get(attempt).or_else(|| words.last()).unwrap().as_str();
        let ran = |verdict, payload: &'static str| Ran {
            verdict,
            payload: Bytes::from_static(payload.as_bytes()),
            version: Version::Latest,
            trace: format!("{};Lineage=x:0", head.trace),
            queued: Duration::ZERO,
        };
        match word {
            "slow" => {
                tokio::time::sleep(Duration::from_secs(5)).await;
                Ok(ran(Verdict::Failed, "{}"))
            }
            "fail" => Ok(ran(Verdict::Failed, r#"{"errorMessage":"as told"}"#)),
            "throttle" => {
                Err(InvokeError::Throttled(Throttled { limit: Limit::Account, retry_ms: 1_000 }))
            }
            "loop" => Err(InvokeError::Recursive),
            _ => Ok(ran(Verdict::Succeeded, "\"fine\"")),
        }
    }

    fn rules(&self, _head: &EventHead) -> Option<Rules> {
        self.0.rules.lock().unwrap().clone()
    }

    fn capacity(&self, _function: &FunctionArn) -> usize {
        10
    }
}

struct World {
    queue: Arc<MemoryQueue>,
    clock: Arc<Moved>,
    common: Common,
    played: Arc<Played>,
    worker: Arc<Worker<Dispatcher<Fake>>>,
}

impl World {
    fn new(rules: Rules) -> Self {
        let queue = Arc::new(MemoryQueue::default());
        let clock = Moved::new();
        let common = common(&queue, &clock);
        let played = Played { rules: Mutex::new(Some(rules)), attempts: Mutex::default() };
        let played = Arc::new(played);
        let functions = Fake(Arc::clone(&played));
        let delays = Delays::default();
        let dispatcher = Dispatcher { functions, common: common.clone(), delays };
        let worker = Worker::start(dispatcher, common.clone(), LIMITS);
        Self { queue, clock, common, played, worker }
    }

    async fn submit(&self, function: &str, words: &[&str]) -> RequestId {
        let arn = format!("arn:aws:lambda:us-east-1:000000000000:function:{function}");
        let (function, qualifier) = named(&arn).unwrap();
        let received = self.common.time.of_day();
        let head = EventHead {
            id: RequestId::random(),
            function,
            qualifier,
            received,
            trace: "Root=1".to_owned(),
            attempts: 0,
            setbacks: 0,
            last_error: None,
        };
        let payload = serde_json::to_vec(words).unwrap();
        let entry = head.entry(payload.into(), self.common.time.now());
        let batch = Batch { puts: vec![entry], ..Batch::default() };
        self.queue.apply(batch, received).await.unwrap();
        head.id
    }

    /// Waits until no event waits or runs.
    async fn over(&self) {
        let over = async {
            while self.queue.has(LANE_KIND) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(100_000), over).await.expect("it is stuck");
    }

    /// How many seconds lay between the attempts of an event.
    fn waits(&self, id: RequestId) -> Vec<u64> {
        let attempts = self.played.attempts.lock().unwrap();
        let of_event = attempts.get(&id).cloned().unwrap_or_default();
        of_event.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect()
    }

    fn attempts(&self, id: RequestId) -> usize {
        self.played.attempts.lock().unwrap().get(&id).map_or(0, Vec::len)
    }

    /// What is on its way, with the parsed records.
    fn deliveries(&self) -> Vec<(Delivery, Row)> {
        let rows = self.queue.of_kind(DELIVER);
        rows.into_iter().map(|row| (Delivery::read(&row.head).unwrap(), row)).collect()
    }

    fn failed(&self) -> Vec<EventHead> {
        let rows = self.queue.of_kind(FAILED_LANE_KIND);
        rows.iter().map(|row| EventHead::read(&row.head).unwrap()).collect()
    }
}

fn all_told() -> Rules {
    Rules {
        on_success: Some(NEXT.to_owned()),
        on_failure: Some(TOPIC.to_owned()),
        dead_letter: Some(QUEUE.to_owned()),
        ..Rules::default()
    }
}

fn condition(row: &Row) -> (String, u64) {
    let record: Value = serde_json::from_slice(&row.body).unwrap();
    let context = &record["requestContext"];
    let condition = context["condition"].as_str().unwrap().to_owned();
    (condition, context["approximateInvokeCount"].as_u64().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_succeeds_is_told_of_and_gone() {
    let world = World::new(all_told());
    let id = world.submit("f", &["fine"]).await;
    world.over().await;
    assert_eq!(world.attempts(id), 1);
    let deliveries = world.deliveries();
    let [(delivery, row)] = deliveries.as_slice() else { panic!("{deliveries:?}") };
    assert_eq!(delivery.parcel, Parcel::Function { arn: NEXT.to_owned() });
    assert_eq!(delivery.trace.as_deref(), Some("Root=1;Lineage=x:0"));
    assert_eq!(condition(row), ("Success".to_owned(), 1));
    assert!(world.failed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_is_tried_after_one_and_two_minutes_and_then_told_of_twice() {
    let world = World::new(all_told());
    let id = world.submit("f", &["fail"]).await;
    world.over().await;
    assert_eq!(world.waits(id), [60, 120]);
    let deliveries = world.deliveries();
    let [(dead, event), (told, record)] = deliveries.as_slice() else { panic!("{deliveries:?}") };
    assert_eq!(dead.origin, Origin::DeadLetter { function: "f".to_owned() });
    assert_eq!(event.body, Bytes::from_static(br#"["fail"]"#));
    assert_eq!(told.origin, Origin::Destination { function: "f".to_owned() });
    assert_eq!(condition(record), ("RetriesExhausted".to_owned(), 3));
    let failed = world.failed();
    assert_eq!((failed[0].id, failed[0].attempts), (id, 3));
    let error = LastError { code: 200, message: "as told".to_owned() };
    assert_eq!(failed[0].last_error, Some(error));
}

#[tokio::test(start_paused = true)]
async fn whatever_the_clock_does_an_event_runs_as_often_as_it_should() {
    for moved in [3_600_000_i64, -3_600_000] {
        let world = World::new(all_told());
        let waiting = world.submit("f", &["fail"]).await;
        let running = world.submit("g", &["slow", "fine"]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let beginning = world.clock.beginning.load(Ordering::SeqCst);
        world.clock.beginning.store(beginning.checked_add_signed(moved).unwrap(), Ordering::SeqCst);
        world.over().await;
        assert_eq!((world.attempts(waiting), world.attempts(running)), (3, 2), "{moved}");
        assert_eq!(world.deliveries().len(), 3, "{moved}: each is told of once");
        if moved < 0 {
            assert_eq!(world.waits(waiting), [60, 120]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_run_uses_up_no_retry() {
    let world = World::new(all_told());
    let words = ["throttle", "throttle", "throttle", "fail", "throttle", "fail", "fail"];
    let id = world.submit("f", &words).await;
    world.over().await;
    assert_eq!(world.waits(id), [1, 2, 4, 60, 1, 120]);
    assert_eq!(condition(&world.deliveries()[1].1), ("RetriesExhausted".to_owned(), 3));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_becomes_too_old_is_given_up() {
    let world = World::new(Rules { age_ms_max: 60_000, ..all_told() });
    let began = Instant::now();
    let id = world.submit("f", &["throttle"]).await;
    world.over().await;
    assert!((60..=62).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert!(world.attempts(id) >= 6, "{}", world.attempts(id));
    assert_eq!(condition(&world.deliveries()[1].1), ("EventAgeExceeded".to_owned(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_off_or_in_a_loop_gives_up_at_once() {
    let off = Rules { runnable: Runnable::NoneReserved, ..all_told() };
    #[rustfmt::skip]
    let rows = [
        (off,        "fine", 0, "ZeroReservedConcurrency"),
        (all_told(), "loop", 1, "RecursiveInvocation"),
    ];
    for (rules, word, attempts, expected) in rows {
        let world = World::new(rules);
        let began = Instant::now();
        let id = world.submit("f", &[word]).await;
        world.over().await;
        assert!(began.elapsed() < Duration::from_secs(1), "{word}");
        assert_eq!(world.attempts(id), attempts, "{word}");
        assert_eq!(condition(&world.deliveries()[1].1), (expected.to_owned(), 0));
        assert_eq!(world.failed().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_function_that_was_deleted_are_dropped() {
    let world = World::new(all_told());
    let id = world.submit("f", &["fail"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    *world.played.rules.lock().unwrap() = None;
    world.over().await;
    assert_eq!(world.attempts(id), 1);
    assert!(world.queue.rows().is_empty(), "{:?}", world.queue.rows());
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_function_that_another_server_may_have_wait_for_it() {
    let world = World::new(all_told());
    world.queue.set_sharing(Sharing::Shared);
    let rules = world.played.rules.lock().unwrap().take();
    let id = world.submit("f", &["fine"]).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((world.attempts(id), world.queue.rows().len()), (0, 1));
    *world.played.rules.lock().unwrap() = rules;
    world.over().await;
    assert_eq!((world.attempts(id), world.deliveries().len()), (1, 1));

    // Nobody has it, as it turns out.
    *world.played.rules.lock().unwrap() = None;
    let began = Instant::now();
    let id = world.submit("g", &["fine"]).await;
    world.over().await;
    let longest = Duration::from_millis(Rules::default().age_ms_max);
    assert!((longest..2 * longest).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(world.attempts(id), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_configured_is_looked_up_for_each_attempt() {
    let world = World::new(all_told());
    let id = world.submit("f", &["fail"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    *world.played.rules.lock().unwrap() = Some(Rules { retries: 1, ..Rules::default() });
    world.over().await;
    assert_eq!(world.waits(id), [60]);
    assert!(world.deliveries().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_the_server_stops_is_put_back_as_it_was() {
    let world = World::new(all_told());
    world.submit("f", &["slow"]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.worker.close();
    world.common.tasks.finished().await;
    let rows = world.queue.rows();
    assert_eq!(rows.len(), 1);
    assert_eq!(EventHead::read(&rows[0].head).unwrap().attempts, 0);
    assert!(rows[0].due <= world.common.time.now());
}

#[tokio::test(start_paused = true)]
async fn the_oldest_of_those_that_were_given_up_go() {
    let world = World::new(Rules { retries: 0, ..Rules::default() });
    let most = usize::try_from(limits::EVENTS_FAILED_MAX).unwrap();
    for _event in 0..most + 5 {
        world.submit("f", &["fail"]).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.over().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let failed = world.failed().len();
    assert!((most - 5..=most).contains(&failed), "{failed}");
}

#[tokio::test(start_paused = true)]
async fn in_any_weather_each_event_ends_exactly_once() {
    for seed in 0..20_u64 {
        let mut state = seed;
        let mut below = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % limit
        };
        let world = World::new(all_told());
        for _event in 0..100 {
            let words: Vec<&str> = (0..6)
                .map(|_| ["fine", "fail", "throttle", "loop"][usize::try_from(below(4)).unwrap()])
                .collect();
            world.submit(&format!("f{}", below(4)), &words).await;
            tokio::time::sleep(Duration::from_millis(below(3_000))).await;
            world.queue.mend();
            if below(10) == 0 {
                world.queue.break_down();
                tokio::time::sleep(Duration::from_millis(below(5_000))).await;
                world.queue.mend();
            }
        }
        world.over().await;
        let deliveries = world.deliveries();
        let succeeded = deliveries
            .iter()
            .filter(|(one, _)| one.parcel == Parcel::Function { arn: NEXT.to_owned() });
        let (succeeded, failed) = (succeeded.count(), world.failed().len());
        assert_eq!(succeeded + failed, 100, "seed {seed}");
        assert_eq!(world.deliveries().len(), succeeded + 2 * failed, "seed {seed}");
    }
}
