//! The learned keeping of environments beside a fixed time, on a day of made-up calls.
//!
//! The calls have the shapes that published traces of a large provider show: functions called by a
//! timer, functions that are busy by day and quiet by night, bursts, and functions that are hardly
//! ever called. The core decides; this file plays the host: a start takes 50 ms, a call 20 ms.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::time::Duration;

use hearth_environment::driver::{Health, Offered};
use hearth_scheduler::core::{
    Action, Commitment, Core, Event, FunctionNumber, Limits, Needs, Pressure, WaiterId,
};
use hearth_scheduler::keep::{Learning, Rules};
use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::time::Moment;
use uuid::Uuid;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAYS: u64 = 3;
/// Coarser than in the server, to be quick.
const TICK: u64 = 5 * SECOND;
const START_MS: u64 = 50;
const CALL_MS: u64 = 20;
const SEED: u64 = 20_261_125;

/// Numbers that are the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A time until the next of events that come at random, `mean` apart.
    fn gap(&mut self, mean: u64) -> u64 {
        let unit =
            (f64::from(u32::try_from(self.below(1_000_000)).expect("it is below")) + 0.5) / 1e6;
        let gap = Duration::from_millis(mean).mul_f64(-unit.ln());
        u64::try_from(gap.as_millis()).expect("no gap is that long") + 1
    }
}

/// When each function is called, over all days.
fn trace() -> BTreeMap<u64, Vec<u64>> {
    let mut random = Random(SEED);
    let end = DAYS * 24 * HOUR;
    let mut calls: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut number = 0;
    let mut add = |times: Vec<u64>| {
        number += 1;
        calls.insert(number, times);
    };
    // Timers: a third of all functions.
    for minutes in [1, 5, 10, 15, 15, 20, 30, 30, 60, 60, 120, 180] {
        let phase = random.below(minutes * MINUTE);
        let every = (0..).map(|n| phase + n * minutes * MINUTE);
        add(every.take_while(|at| *at < end).map(|at| at + random.below(2 * SECOND)).collect());
    }
    // Busy by day, quiet by night.
    for mean in [20 * SECOND, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE, 15 * MINUTE, 30 * MINUTE] {
        let (mut at, mut times) = (0, Vec::new());
        while at < end {
            let hour = at % (24 * HOUR) / HOUR;
            at += random.gap(if (8..20).contains(&hour) { mean } else { mean * 12 });
            times.push(at);
        }
        add(times);
    }
    // Bursts of ten at once.
    for minutes in [7, 25, 45] {
        let (mut at, mut times) = (0, Vec::new());
        while at < end {
            at += minutes * MINUTE + random.below(MINUTE);
            times.extend((0..10).map(|_| at + random.below(15)));
        }
        times.sort_unstable();
        add(times);
    }
    // Rare: a few calls a day, at any time.
    for _function in 0..12 {
        let (mut at, mut times) = (0, Vec::new());
        while at < end {
            at += random.gap(9 * HOUR);
            times.push(at);
        }
        add(times);
    }
    calls
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Up(EnvironmentId),
    Done(EnvironmentId),
    Call(u64),
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cost {
    calls: u64,
    cold: u64,
    /// Time that environments have waited for work.
    idle_ms: u64,
}

struct Host {
    core: Core,
    now: u64,
    /// What will happen, the next first.
    future: BinaryHeap<std::cmp::Reverse<(u64, Happens)>>,
    idle: HashMap<EnvironmentId, u64>,
    started_for: HashMap<WaiterId, u64>,
    waiters: u64,
    cost: Cost,
}

impl Host {
    fn new(learning: Learning) -> Self {
        let core = Core::new(Limits {
            environments_max: 1_000,
            memory_mb_max: 1_000_000,
            commitment: Commitment::Configured,
            starts_max: 100,
            slow_start_ms: 1_000,
            room_wait_ms_max: 10_000,
            life_ms_max: 100 * HOUR,
            scaling: None,
            keep: Rules { idle_ms: 5 * MINUTE, learning },
            look_through_ms: 1_000,
        });
        let (future, idle, started_for) = Default::default();
        Self { core, now: 0, future, idle, started_for, waiters: 0, cost: Cost::default() }
    }

    fn run(mut self) -> Cost {
        for (function, times) in trace() {
            self.future
                .extend(times.iter().map(|at| std::cmp::Reverse((*at, Happens::Call(function)))));
        }
        let end = DAYS * 24 * HOUR;
        self.future.extend((0..end / TICK).map(|n| std::cmp::Reverse((n * TICK, Happens::Tick))));
        while let Some(std::cmp::Reverse((at, what))) = self.future.pop() {
            if at > end {
                break;
            }
            self.now = at;
            self.happen(what);
        }
        self.cost
    }

    fn happen(&mut self, what: Happens) {
        let free = Offered { used_mb: 40, health: Health::Ready };
        let event = match what {
            Happens::Tick => Event::Tick(Pressure::None),
            Happens::Up(id) | Happens::Done(id) => {
                self.idle.insert(id, self.now);
                Event::Idle(id, free)
            }
            Happens::Call(function) => {
                self.waiters += 1;
                self.cost.calls += 1;
                self.started_for.insert(WaiterId(self.waiters), self.now);
                let needs = Needs { function: FunctionNumber(function), memory_mb: 128 };
                let target = TargetId(Uuid::from_u128(u128::from(function)));
                Event::Wanted(WaiterId(self.waiters), target, needs)
            }
        };
        for action in self.core.step(Moment(self.now), event) {
            match action {
                Action::Start(id, ..) => self.later(START_MS, Happens::Up(id)),
                Action::Assign(waiter, id) => {
                    self.no_longer_idle(id);
                    // Whoever had to wait was served by a cold start or by another's environment.
                    let asked = self.started_for.remove(&waiter).expect("it was asked for");
                    self.cost.cold += u64::from(asked < self.now);
                    self.later(CALL_MS, Happens::Done(id));
                }
                Action::Retire(id) => {
                    self.no_longer_idle(id);
                    self.core.step(Moment(self.now), Event::Gone(id));
                }
                Action::Refuse(..) => panic!("there is room for everybody"),
            }
        }
    }

    fn later(&mut self, ms: u64, what: Happens) {
        self.future.push(std::cmp::Reverse((self.now + ms, what)));
    }

    fn no_longer_idle(&mut self, id: EnvironmentId) {
        if let Some(since) = self.idle.remove(&id) {
            self.cost.idle_ms += self.now - since;
        }
    }
}

#[test]
fn what_is_learned_has_fewer_cold_starts_and_less_idle_time_than_a_fixed_time() {
    let fixed = Host::new(Learning::Off).run();
    let learned = Host::new(Learning::On).run();
    assert_eq!(fixed.calls, learned.calls);
    assert!(learned.cold * 10 < fixed.cold * 6, "cold: {learned:?} beside {fixed:?}");
    assert!(learned.idle_ms < fixed.idle_ms, "idle: {learned:?} beside {fixed:?}");
}
