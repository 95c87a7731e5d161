//! The driver on a queue in memory, with a clock that the tests move.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_services::schedules::expression::Grammar;
use hearth_store::queue::Lane;
use hearth_store::queue::memory::MemoryQueue;

use super::*;
use crate::worker::tests::{Moved, common};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const KIND: &str = "deliver";

/// Things with their times.
#[derive(Debug, Default)]
struct Table {
    timings: Mutex<BTreeMap<String, Timing>>,
    completed: Mutex<Vec<String>>,
    /// Whoever is told waits while somebody writes it.
    gate: tokio::sync::RwLock<()>,
}

#[async_trait]
impl Timed for Table {
    fn service(&self) -> &'static str {
        "events"
    }

    fn all(&self) -> Vec<(String, Timing)> {
        self.timings.lock().unwrap().clone().into_iter().collect()
    }

    fn timing(&self, arn: &str) -> Option<Timing> {
        self.timings.lock().unwrap().get(arn).cloned()
    }

    fn entries(&self, arn: &str, occurrence: Occurrence, now: Timestamp) -> Vec<NewEntry> {
        vec![NewEntry {
            lane: Lane { kind: KIND, name: arn.to_owned() },
            group: None,
            put_at: now,
            due: now,
            sameness: None,
            head: occurrence.scheduled.0.to_string(),
            body: Bytes::new(),
        }]
    }

    fn happened(&self, _arn: &str) {}

    async fn completed(&self, arn: &str, _timing: &Timing) {
        let _open = self.gate.read().await;
        self.completed.lock().unwrap().push(arn.to_owned());
    }
}

struct Running {
    queue: Arc<MemoryQueue>,
    clock: Arc<Moved>,
    table: Arc<Table>,
    changes: Arc<Changes>,
    common: Common,
    clockwork: Clockwork,
    missed: Missed,
    server: &'static str,
}

fn start(missed: Missed) -> Running {
    start_on(&Arc::new(MemoryQueue::default()), &Moved::new(), (missed, "one"))
}

fn start_on(
    queue: &Arc<MemoryQueue>,
    clock: &Arc<Moved>,
    (missed, server): (Missed, &'static str),
) -> Running {
    start_with(queue, clock, (missed, server), Arc::default())
}

fn start_with(
    queue: &Arc<MemoryQueue>,
    clock: &Arc<Moved>,
    (missed, server): (Missed, &'static str),
    table: Arc<Table>,
) -> Running {
    let common = common(queue, clock);
    let changes = Arc::new(Changes::default());
    let parts = Parts {
        sources: vec![Arc::clone(&table) as _],
        changes: Arc::clone(&changes),
        server: server.to_owned(),
        missed,
    };
    let clockwork = Clockwork::start(parts, common.clone());
    let (queue, clock) = (Arc::clone(queue), Arc::clone(clock));
    Running { queue, clock, table, changes, common, clockwork, missed, server }
}

impl Running {
    fn set(&self, name: &str, timing: Option<Timing>) {
        let arn = arn(name);
        let mut timings = self.table.timings.lock().unwrap();
        match timing {
            Some(timing) => timings.insert(arn.clone(), timing),
            None => timings.remove(&arn),
        };
        drop(timings);
        self.changes.note(arn);
    }

    fn now(&self) -> u64 {
        self.common.time.now().0
    }

    /// When things happened: name, time, and how late they were put.
    fn happened(&self) -> Vec<(String, u64, u64)> {
        let rows = self.queue.of_kind(KIND);
        let of = |row: hearth_store::queue::memory::Row| {
            let scheduled: u64 = row.head.parse().unwrap();
            let name = row.lane.name.rsplit('/').next().unwrap().to_owned();
            (name, scheduled, row.put_at.0 - scheduled)
        };
        rows.into_iter().map(of).collect()
    }

    fn times(&self) -> Vec<u64> {
        self.happened().into_iter().map(|(_name, scheduled, _late)| scheduled).collect()
    }

    async fn stop(self) -> (Arc<MemoryQueue>, Arc<Moved>, Arc<Table>) {
        self.common.closing.store(true, Ordering::SeqCst);
        self.clockwork.close();
        self.common.tasks.finished().await;
        (self.queue, self.clock, self.table)
    }

    /// Ends the server, and starts another one on what it left, so much later.
    async fn restart(self, later_ms: i64) -> Self {
        let (missed, server) = (self.missed, self.server);
        let (queue, clock, table) = self.stop().await;
        let beginning = clock.beginning.load(Ordering::SeqCst);
        let beginning = beginning.checked_add_signed(later_ms).unwrap();
        clock.beginning.store(beginning, Ordering::SeqCst);
        start_with(&queue, &clock, (missed, server), table)
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:events:us-east-1:000000000000:rule/{name}")
}

fn timing(expression: &str, from: u64) -> Timing {
    Timing {
        expression: Expression::parse(expression, Grammar::Scheduler).unwrap(),
        zone: hearth_services::schedules::utc(),
        from: Timestamp(from),
        anchor: Timestamp(from),
        end: None,
        window_ms: 0,
        seed: 5,
    }
}

async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(start_paused = true)]
async fn things_happen_on_time_and_changes_are_heard_of_at_once() {
    let running = start(Missed::Once);
    pass(5 * HOUR).await;
    let begin = running.now();
    running.set("rate", Some(timing("rate(5 minutes)", begin)));
    pass(12 * MINUTE).await;
    assert_eq!(running.times(), [0, 5, 10].map(|minutes| begin + minutes * MINUTE));
    assert!(
        running.happened().iter().all(|(_, _, late)| *late < 1_000),
        "{:?}",
        running.happened()
    );

    // In place of one that would have been next comes another, and then none.
    let changed = running.now();
    running.set("rate", Some(timing("rate(7 minutes)", changed)));
    pass(8 * MINUTE).await;
    running.set("rate", None);
    pass(HOUR).await;
    assert_eq!(running.times()[3..], [changed, changed + 7 * MINUTE]);
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_happens_as_it_is_configured() {
    for (missed, expected) in [
        (Missed::Skip, vec![0]),
        (Missed::Once, vec![0, 300]),
        (Missed::All, vec![0, 60, 120, 180, 240, 300]),
    ] {
        let running = start(missed);
        let begin = running.now();
        running.set("hourly", Some(timing("rate(60 minutes)", begin)));
        pass(10 * MINUTE).await;
        let running = running.restart(i64::try_from(5 * HOUR).unwrap()).await;
        pass(MINUTE).await;
        let expected: Vec<u64> = expected.iter().map(|minutes| begin + minutes * MINUTE).collect();
        assert_eq!(running.times(), expected, "{missed:?}");
        // And again: nothing of it is made up a second time.
        let running = running.restart(0).await;
        pass(MINUTE).await;
        assert_eq!(running.times(), expected, "{missed:?}");
        let _ = running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_at_any_moment_repeats_and_forgets_nothing() {
    let mut running = start(Missed::Once);
    let begin = running.now();
    for (name, expression) in [("a", "rate(1 minutes)"), ("b", "rate(3 minutes)")] {
        running.set(name, Some(timing(expression, begin)));
    }
    // Every twenty seconds, and also right before and after something is due.
    for step in [20_000, 39_999, 1, 1, 59_998, 1, 20_000, 40_000, 60_000, 1, 59_999] {
        pass(step).await;
        running = running.restart(0).await;
    }
    pass(1).await;
    let passed = (running.now() - begin) / MINUTE;
    let mut happened = running.happened();
    happened.sort();
    let of = |name: &str, period: u64| {
        let times = (0..=passed / period).map(move |index| begin + index * period * MINUTE);
        times.map(|at| (name.to_owned(), at)).collect::<Vec<(String, u64)>>()
    };
    let expected = [of("a", 1), of("b", 3)].concat();
    let found: Vec<(String, u64)> =
        happened.into_iter().map(|(name, at, _late)| (name, at)).collect();
    assert_eq!(found, expected);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_repeats_nothing() {
    let running = start(Missed::Once);
    let begin = running.now();
    running.set("a", Some(timing("rate(10 minutes)", begin)));
    pass(25 * MINUTE).await;
    let expected = [0, 10, 20].map(|minutes| begin + minutes * MINUTE);
    // While it runs, and while it does not.
    running.clock.beginning.fetch_sub(HOUR, Ordering::SeqCst);
    pass(2 * MINUTE).await;
    assert_eq!(running.times(), expected);
    let running = running.restart(0).await;
    pass(50 * MINUTE).await;
    assert_eq!(running.times(), expected);
    pass(15 * MINUTE).await;
    assert_eq!(running.times()[3..], [begin + 30 * MINUTE]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_loses_nothing() {
    let running = start(Missed::Once);
    let begin = running.now();
    running.set("a", Some(timing("rate(5 minutes)", begin)));
    pass(1).await;
    running.queue.break_down();
    pass(5 * MINUTE + 30_000).await;
    running.queue.mend();
    pass(5_000).await;
    assert_eq!(running.times(), [begin, begin + 5 * MINUTE]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_takes_the_place_of_another_repeats_nothing() {
    let running = start(Missed::Once);
    let begin = running.now();
    running.set("a", Some(timing("rate(10 minutes)", begin)));
    let at = Timestamp((begin / 1_000 + 61) * 1_000).iso_seconds();
    running.set("once", Some(timing(&format!("at({})", at.trim_end_matches('Z')), begin)));
    pass(15 * MINUTE).await;
    assert_eq!(running.times().len(), 3);
    let (_queue, clock, table) = running.stop().await;
    let empty = Arc::new(MemoryQueue::default());
    let running = start_with(&empty, &clock, (Missed::Once, "one"), table);
    pass(10 * MINUTE).await;
    assert_eq!(running.times(), [begin + 20 * MINUTE]);
}

#[tokio::test(start_paused = true)]
async fn what_is_due_together_is_put_once_also_if_the_server_ends_in_the_middle() {
    let table = Arc::new(Table::default());
    let (queue, clock) = (Arc::new(MemoryQueue::default()), Moved::new());
    let begin = hearth_types::time::Clock::now(&*clock).0 + MINUTE;
    let count = 2 * limits::SCHEDULES_OF_BATCH_MAX + 7;
    for number in 0..count {
        let once = timing("rate(1000 days)", begin);
        table.timings.lock().unwrap().insert(arn(&format!("{number:05}")), once);
    }
    let running = start_with(&queue, &clock, (Missed::Once, "one"), table);
    pass(MINUTE - 1).await;
    // The second batch fails, and the server ends before it is tried again.
    running.queue.fail_after(1);
    pass(2).await;
    assert_eq!(running.times().len(), limits::SCHEDULES_OF_BATCH_MAX);
    let running = running.restart(0).await;
    pass(2_000).await;
    let mut names: Vec<String> =
        running.happened().into_iter().map(|(name, _at, _late)| name).collect();
    assert_eq!(names.len(), count);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "each of them once");
}

#[tokio::test(start_paused = true)]
async fn servers_that_share_a_queue_let_each_thing_happen_once() {
    let (queue, clock) = (Arc::new(MemoryQueue::default()), Moved::new());
    queue.set_sharing(Sharing::Shared);
    let one = start_on(&queue, &clock, (Missed::Once, "one"));
    let other = start_on(&queue, &clock, (Missed::Once, "other"));
    // A period begins, as far as the queue is concerned.
    let begin = one.now().next_multiple_of(10 * MINUTE);
    for (running, later) in [(&one, 1_000), (&other, 90_000)] {
        running.set("rate", Some(timing("rate(10 minutes)", begin + later)));
        running.set("cron", Some(timing("cron(0/10 * * * ? *)", begin + 1)));
    }
    pass(begin + 35 * MINUTE - one.now()).await;
    let times = |name: &str| -> Vec<u64> {
        let happened = one.happened().into_iter().filter(|(of, ..)| of == name);
        happened.map(|(_name, at, _late)| at - begin).collect()
    };
    assert_eq!(times("rate"), [0, 10, 20, 30].map(|minutes| minutes * MINUTE + 1_000));
    assert_eq!(times("cron"), [10, 20, 30].map(|minutes| minutes * MINUTE));

    // One of them is gone for an hour: the other one goes on, and what it did is not made up.
    let (_, _, table) = one.stop().await;
    pass(HOUR).await;
    let count = other.happened().len();
    let again = start_with(&queue, &clock, (Missed::Once, "one"), table);
    pass(1_000).await;
    assert_eq!(again.happened().len(), count);
    let _ = other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_said_to_be() {
    let running = start(Missed::Once);
    // It has begun, so that it hears of each of them once.
    pass(1).await;
    let begin = running.now();
    let at = Timestamp((begin / 1_000 + 61) * 1_000).iso_seconds();
    let once = timing(&format!("at({})", at.trim_end_matches('Z')), begin);
    running.set("once", Some(once));
    running.set("never", Some(timing("cron(0 0 31 2 ? *)", begin)));
    pass(1_000).await;
    assert_eq!(*running.table.completed.lock().unwrap(), [arn("never")]);
    pass(2 * MINUTE).await;
    assert_eq!(*running.table.completed.lock().unwrap(), [arn("never"), arn("once")]);
    assert_eq!(running.times().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_due_does_not_wait_until_it_is_told_what_is_over() {
    let running = start(Missed::Once);
    pass(1).await;
    let closed = running.table.gate.write().await;
    let begin = running.now();
    for number in 0..=limits::SCHEDULE_TELLERS_MAX {
        running.set(&format!("never-{number}"), Some(timing("cron(0 0 31 2 ? *)", begin)));
    }
    running.set("rate", Some(timing("rate(1 minutes)", begin)));
    pass(MINUTE + 1_000).await;
    assert_eq!(running.times(), [begin, begin + MINUTE]);
    drop(closed);
    pass(1).await;
    let told = running.table.completed.lock().unwrap().len();
    assert_eq!(told, limits::SCHEDULE_TELLERS_MAX + 1);
}
