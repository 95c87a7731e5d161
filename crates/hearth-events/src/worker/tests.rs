//! The worker on a queue in memory, with a clock that the tests move.

use std::sync::atomic::{AtomicU64, AtomicUsize};

use bytes::Bytes;
use hearth_store::queue::memory::MemoryQueue;
use hearth_types::metrics::NoMetrics;
use hearth_types::time::Clock;
use tokio::time::Instant;

use super::*;

const KIND: &str = "test";
const LIMITS: Limits = Limits { entries: 100, of_lane: 50, bytes: 1 << 30, hold_ms: 100 };

/// A clock that tests set, and that goes on with tokio's.
#[derive(Debug)]
pub(crate) struct Moved {
    began: Instant,
    pub(crate) beginning: AtomicU64,
}

impl Moved {
    pub(crate) fn new() -> Arc<Self> {
        let beginning = AtomicU64::new(1_795_404_035_123);
        Arc::new(Self { began: Instant::now(), beginning })
    }
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        Timestamp(self.beginning.load(Ordering::SeqCst) + passed)
    }
}

pub(crate) fn common(queue: &Arc<MemoryQueue>, clock: &Arc<Moved>) -> Common {
    Common {
        queue: Arc::clone(queue) as Arc<dyn Queue>,
        metrics: Arc::new(NoMetrics),
        time: Arc::new(Steady::new(Arc::clone(clock) as Arc<dyn Clock>)),
        tasks: Tasks::default(),
        closing: Arc::default(),
    }
}

/// Takes as many seconds as the last word of an entry's body says, and notes what it did.
#[derive(Debug, Default)]
struct Noting {
    done: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    time: Mutex<Option<Arc<Steady>>>,
}

#[derive(Debug, Clone)]
struct Shared(Arc<Noting>);

impl Work for Shared {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn capacity(&self, _lane: &Lane) -> usize {
        usize::MAX
    }

    async fn perform(&self, lane: &Lane, entry: &Leased) -> Done {
        let at_once = self.0.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let body = String::from_utf8_lossy(&entry.body).into_owned();
        let seconds = body.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        self.0.at_once.fetch_sub(1, Ordering::SeqCst);
        self.0.done.lock().unwrap().push(format!("{} {body}", lane.name));
        assert_ne!(body, "panic", "as it was told");
        if body.starts_with("again") && entry.receipt.lease == 1 {
            let time = self.0.time.lock().unwrap().clone().unwrap();
            return Done::returned(time.now().plus_millis(60_000), None, Pace::Smooth);
        }
        Done::removed(Pace::Smooth)
    }
}

struct World {
    queue: Arc<MemoryQueue>,
    clock: Arc<Moved>,
    common: Common,
    noting: Arc<Noting>,
    worker: Arc<Worker<Shared>>,
}

impl World {
    fn new() -> Self {
        let (queue, clock) = (Arc::new(MemoryQueue::default()), Moved::new());
        let (common, noting) = (common(&queue, &clock), Arc::new(Noting::default()));
        *noting.time.lock().unwrap() = Some(Arc::clone(&common.time));
        let worker = Worker::start(Shared(Arc::clone(&noting)), common.clone(), LIMITS);
        Self { queue, clock, common, noting, worker }
    }

    async fn put(&self, lane: &str, group: Option<&str>, body: &str) {
        let now = self.common.time.now();
        let entry = NewEntry {
            lane: Lane { kind: KIND, name: lane.to_owned() },
            group: group.map(str::to_owned),
            put_at: now,
            due: now,
            sameness: None,
            head: String::new(),
            body: Bytes::from(body.to_owned()),
        };
        let batch = Batch { puts: vec![entry], ..Batch::default() };
        self.queue.apply(batch, now).await.unwrap();
    }

    /// Waits until the queue is empty.
    async fn emptied(&self) {
        let emptied = async {
            while !self.queue.rows().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(3_600), emptied).await.expect("it is stuck");
    }

    fn done(&self) -> Vec<String> {
        self.noting.done.lock().unwrap().clone()
    }

    async fn close(self) {
        self.worker.close();
        let ended = self.common.tasks.finished();
        tokio::time::timeout(Duration::from_secs(3_600), ended).await.expect("it does not end");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_put_is_done_at_once_and_removed() {
    let world = World::new();
    let began = Instant::now();
    world.put("a", None, "x").await;
    world.emptied().await;
    assert!(began.elapsed() < Duration::from_millis(3), "{:?}", began.elapsed());
    assert_eq!(world.done(), ["a x"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_before_the_start_is_found() {
    let world = World::new();
    world.worker.close();
    world.common.tasks.finished().await;
    world.put("a", None, "x").await;
    world.put("b", None, "y").await;
    world.common.closing.store(false, Ordering::SeqCst);
    let again = Worker::start(Shared(Arc::clone(&world.noting)), world.common.clone(), LIMITS);
    world.emptied().await;
    again.close();
}

#[tokio::test(start_paused = true)]
async fn looking_through_all_lanes_holds_up_nobody_however_long_it_takes() {
    let world = World::new();
    world.queue.stall_looks();
    tokio::time::sleep(Duration::from_secs(100)).await;
    let began = Instant::now();
    world.put("a", None, "x").await;
    world.put("b", None, "again").await;
    world.emptied().await;
    assert_eq!(world.done(), ["a x", "b again", "b again"]);
    assert_eq!(began.elapsed().as_secs(), 60, "it is due by its own alarm");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_waited_in_many_lanes_before_the_start_is_found() {
    let world = World::new();
    world.worker.close();
    world.common.tasks.finished().await;
    for number in 0..2 * limits::LANES_OF_PAGE_MAX + 3 {
        world.put(&format!("lane{number}"), None, "x").await;
    }
    world.common.closing.store(false, Ordering::SeqCst);
    let again = Worker::start(Shared(Arc::clone(&world.noting)), world.common.clone(), LIMITS);
    world.emptied().await;
    assert_eq!(world.done().len(), 2 * limits::LANES_OF_PAGE_MAX + 3);
    again.close();
}

#[tokio::test(start_paused = true)]
async fn what_is_returned_is_done_again_when_it_is_due() {
    let world = World::new();
    let began = Instant::now();
    world.put("a", None, "again").await;
    world.emptied().await;
    assert_eq!(world.done(), ["a again", "a again"]);
    assert_eq!(began.elapsed().as_secs(), 60);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_a_lease_is_done_once() {
    let world = World::new();
    world.put("a", None, "900").await;
    world.emptied().await;
    assert_eq!(world.done(), ["a 900"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_the_clock_does_nothing_is_done_twice() {
    for moved in [3_600_000_i64, -3_600_000] {
        let world = World::new();
        world.put("a", None, "100").await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        let beginning = world.clock.beginning.load(Ordering::SeqCst);
        world.clock.beginning.store(beginning.checked_add_signed(moved).unwrap(), Ordering::SeqCst);
        world.put("a", None, "1").await;
        world.put("b", None, "x").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(world.done().len(), 2, "{moved}: what is put then is done at once");
        world.emptied().await;
        let mut done = world.done();
        done.sort();
        assert_eq!(done, ["a 1", "a 100", "b x"], "{moved}");
        assert_eq!(world.noting.at_once.load(Ordering::SeqCst), 0);
        world.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_returned_after_the_clock_has_jumped_waits_as_long_as_it_was_told() {
    let world = World::new();
    let began = Instant::now();
    world.put("a", None, "again 10").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.clock.beginning.fetch_add(3_600_000, Ordering::SeqCst);
    world.emptied().await;
    assert_eq!(world.done(), ["a again 10", "a again 10"]);
    assert!((80..=82).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_order_when_the_clock_jumps() {
    let world = World::new();
    world.put("a", Some("g"), "50").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.clock.beginning.fetch_add(3_600_000, Ordering::SeqCst);
    world.put("a", Some("g"), "x").await;
    world.emptied().await;
    assert_eq!(world.done(), ["a 50", "a x"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_leased_again_before_its_return_is_known_is_given_back() {
    let world = World::new();
    world.worker.close();
    world.common.tasks.finished().await;
    world.put("a", None, "x").await;
    let lane = Lane { kind: KIND, name: "a".to_owned() };
    let now = world.common.time.now();
    let until = now.plus_millis(30_000);
    let ask = || Ask { lane: &lane, entries: 9, bytes: 1_000, until };
    let first = world.queue.lease(ask(), now).await.unwrap();
    let receipt = first[0].receipt;
    assert_eq!(world.worker.hold(first, until).fresh.len(), 1);
    let back = Settle { receipt, fate: Fate::Return { due: now, head: None } };
    let batch = Batch { settles: vec![back], ..Batch::default() };
    world.queue.apply(batch, now).await.unwrap();
    let again = world.queue.lease(ask(), now).await.unwrap();
    assert_eq!(again.len(), 1);
    assert!(world.worker.hold(again, until).fresh.is_empty(), "it is still being worked on");
    world.worker.let_go(receipt.entry, receipt).await;
    let third = world.queue.lease(ask(), now).await.unwrap();
    assert_eq!(world.worker.hold(third, until).fresh.len(), 1, "now somebody works on it");
}

#[tokio::test(start_paused = true)]
async fn a_group_keeps_its_order_and_lets_others_pass() {
    let world = World::new();
    for body in ["3", "again", "1", "0"] {
        world.put("a", Some("g"), body).await;
    }
    world.put("a", Some("h"), "x").await;
    world.emptied().await;
    let done = world.done();
    assert_eq!(done[0], "a x");
    assert_eq!(done[1..], ["a 3", "a again", "a again", "a 1", "a 0"]);
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_fails_loses_nothing() {
    let world = World::new();
    world.put("a", None, "5").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.queue.break_down();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.done(), ["a 5"]);
    assert_eq!(world.queue.rows().len(), 1, "it could not be removed");
    world.queue.mend();
    world.put("a", None, "0").await;
    world.emptied().await;
    assert_eq!(world.done(), ["a 5", "a 0"], "it was not done again");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_is_tried_again_and_takes_no_place_from_others() {
    let world = World::new();
    world.put("a", None, "panic").await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    let tries = world.done().len();
    assert!((2..=5).contains(&tries), "{tries}");
    world.put("a", None, "x").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.done().contains(&"a x".to_owned()));
    world.worker.close();
}

#[tokio::test(start_paused = true)]
async fn no_more_are_worked_on_at_once_than_may_be() {
    let world = World::new();
    for number in 0..1_000 {
        world.put(&format!("lane{}", number % 7), None, "1").await;
    }
    world.emptied().await;
    assert_eq!(world.done().len(), 1_000);
    let most = world.noting.most_at_once.load(Ordering::SeqCst);
    assert!((50..=LIMITS.entries).contains(&most), "{most}");
    world.close().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_close_what_runs_ends_and_nothing_begins() {
    let world = World::new();
    world.put("a", None, "5").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.worker.close();
    world.put("a", None, "0").await;
    tokio::time::timeout(Duration::from_secs(10), world.common.tasks.finished()).await.unwrap();
    assert_eq!(world.done(), ["a 5"]);
    assert_eq!(world.queue.rows().len(), 1);
}
