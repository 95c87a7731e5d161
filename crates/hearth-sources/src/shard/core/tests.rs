//! The core of a shard: each rule by itself, and all of them together on what comes by chance.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::batch::BatchLimits;
use crate::checkpoint::Start as Beginning;
use crate::shard::lane::{Condition, OnFailure, Reporting};
use crate::shard::window::Turn;

/// Lets everything through but records whose key begins with `-`.
struct NoMinus;

impl Sieve for NoMinus {
    fn admits(&self, record: &ShardRecord) -> bool {
        !record.partition_key.starts_with('-')
    }
}

fn rules() -> Rules {
    Rules {
        batch: BatchLimits { records: 10, bytes: 1_000_000, window: Duration::ZERO },
        lanes: 1,
        retries_max: None,
        age_millis_max: None,
        on_failure: OnFailure::Retry,
        reporting: Reporting::WholeBatches,
        window_millis: None,
        since: None,
    }
}

fn record(number: u64, key: &str, arrived: u64) -> ShardRecord {
    ShardRecord {
        sequence_number: SequenceNumber::new(number.to_string()),
        partition_key: key.to_owned(),
        arrived: Timestamp(arrived),
        event: Bytes::from(number.to_string()),
    }
}

fn core(rules: Rules) -> Core {
    Core::new(Arc::new(rules), Checkpoint::new("s", Beginning::TrimHorizon))
}

fn read(core: &mut Core, numbers: std::ops::RangeInclusive<u64>, now: u64) {
    let records = numbers.map(|number| record(number, "k", now)).collect();
    core.read(records, &NoMinus, (Some(0), Timestamp(now)));
}

fn numbers(start: &Start) -> Vec<u64> {
    start.events.iter().map(|one| String::from_utf8_lossy(one).parse().unwrap()).collect()
}

fn answered(answer: Value) -> Outcome {
    Outcome::Answered { answer: Bytes::from(answer.to_string()), run: LastRun::default() }
}

fn failed() -> Outcome {
    Outcome::Failed { run: LastRun { request_id: "r".to_owned(), ..LastRun::default() } }
}

/// Which records were given up, with why and after how many runs.
fn given_up(save: &Save) -> Vec<(Vec<u64>, Condition, u32)> {
    let numbers = |dropped: &Dropped| {
        dropped.records.iter().map(|one| one.sequence_number.as_str().parse().unwrap()).collect()
    };
    save.dropped.iter().map(|one| (numbers(one), one.condition, one.runs)).collect()
}

/// Runs what can be run at a moment, each time with the given outcome, and saves. Returns what ran and
/// what was given up.
fn step(
    core: &mut Core,
    now: u64,
    outcome: &Outcome,
) -> (Vec<u64>, Vec<(Vec<u64>, Condition, u32)>) {
    let now = Timestamp(now);
    let Some(start) = core.next(now) else { return (Vec::new(), Vec::new()) };
    core.ran(start.lane, outcome, now);
    let dropped = core.save(now).map(|save| given_up(&save)).unwrap_or_default();
    core.saved();
    (numbers(&start), dropped)
}

#[test]
fn a_batch_waits_for_its_window_or_until_it_is_full() {
    let batch = BatchLimits { records: 3, bytes: 1_000, window: Duration::from_secs(5) };
    let mut core = core(Rules { batch, ..rules() });
    read(&mut core, 1..=2, 1_000);
    assert!(core.next(Timestamp(5_999)).is_none());
    assert_eq!(core.wake_at(Timestamp(5_999)), Some(Timestamp(6_000)));
    let start = core.next(Timestamp(6_000)).unwrap();
    assert_eq!((numbers(&start), start.newest), (vec![1, 2], Some(Timestamp(1_000))));
    core.ran(0, &answered(Value::Null), Timestamp(6_000));
    read(&mut core, 3..=6, 6_000);
    assert!(core.next(Timestamp(6_000)).is_none(), "what was done is not saved");
    core.save(Timestamp(6_000)).unwrap();
    core.saved();
    assert_eq!(numbers(&core.next(Timestamp(6_000)).unwrap()), [3, 4, 5]);
}

#[test]
fn a_batch_is_no_larger_than_an_event() {
    let batch = BatchLimits { records: 100, bytes: 7, window: Duration::from_secs(5) };
    let mut core = core(Rules { batch, ..rules() });
    // Each has one byte, and a comma.
    read(&mut core, 1..=9, 0);
    let fine = answered(Value::Null);
    assert_eq!(step(&mut core, 0, &fine).0, [1, 2, 3]);
    assert_eq!(step(&mut core, 0, &fine).0, [4, 5, 6]);
}

#[test]
fn retries_are_counted_as_aws_counts_them() {
    let mut core = core(Rules { retries_max: Some(2), ..rules() });
    read(&mut core, 1..=3, 0);
    let mut now = 0;
    for attempt in 1..=3 {
        let (ran, dropped) = step(&mut core, now, &failed());
        assert_eq!(ran, [1, 2, 3], "attempt {attempt}");
        let expected = vec![(vec![1, 2, 3], Condition::RetryAttemptsExhausted, 3)];
        assert_eq!(dropped, if attempt == 3 { expected } else { vec![] });
        if attempt < 3 {
            assert!(core.next(Timestamp(now)).is_none(), "there is a pause");
            now = core.wake_at(Timestamp(now)).unwrap().0;
        }
    }
    // 250 and 500 milliseconds.
    assert_eq!(now, 750);
    assert!(core.next(Timestamp(now)).is_none());
}

#[test]
fn what_was_not_run_does_not_count_and_is_tried_for_ever() {
    let mut core = core(Rules { retries_max: Some(0), ..rules() });
    read(&mut core, 1..=3, 0);
    let mut now = 0;
    for _attempt in 0..30 {
        let (ran, dropped) = step(&mut core, now, &Outcome::NotRun(NotRun::Throttled));
        assert_eq!((ran.len(), dropped.len()), (3, 0));
        let next = core.wake_at(Timestamp(now)).unwrap().0;
        assert!(next - now <= limits::SHARD_RETRY_MILLIS_MAX);
        now = next;
    }
    assert_eq!(step(&mut core, now, &answered(Value::Null)).0, [1, 2, 3]);
}

#[test]
fn what_can_never_be_run_is_given_up_at_once() {
    let mut core = core(rules());
    read(&mut core, 1..=2, 0);
    let refused = Outcome::NotRun(NotRun::Refused("too large".to_owned()));
    let (_, dropped) = step(&mut core, 0, &refused);
    assert_eq!(dropped, [(vec![1, 2], Condition::RetryAttemptsExhausted, 0)]);
}

#[test]
fn records_that_are_too_old_are_given_up_and_the_others_run() {
    let mut core = core(Rules { age_millis_max: Some(60_000), ..rules() });
    let records = [(1, 0), (2, 1_000), (3, 50_000)];
    let records = records.map(|(number, at)| record(number, "k", at)).to_vec();
    core.read(records, &NoMinus, (Some(0), Timestamp(50_000)));
    assert_eq!(step(&mut core, 50_000, &failed()).0, [1, 2, 3]);
    assert!(core.next(Timestamp(61_001)).is_none());
    let save = core.save(Timestamp(61_001)).unwrap();
    assert_eq!(given_up(&save), [(vec![1, 2], Condition::RecordAgeExceeded, 1)]);
    core.saved();
    assert_eq!(step(&mut core, 61_001, &answered(Value::Null)).0, [3]);
}

#[test]
fn partial_answers_go_on_from_the_lowest_record_that_has_failed() {
    let fail = |numbers: &[u64]| {
        let failures: Vec<Value> =
            numbers.iter().map(|one| json!({ "itemIdentifier": one.to_string() })).collect();
        answered(json!({ "batchItemFailures": failures }))
    };
    let reporting = Rules { reporting: Reporting::Items, retries_max: Some(1), ..rules() };
    let mut core = core(reporting);
    read(&mut core, 1..=6, 0);
    assert_eq!(step(&mut core, 0, &fail(&[5, 3])).0, [1, 2, 3, 4, 5, 6]);
    let now = core.wake_at(Timestamp(0)).unwrap().0;
    let (ran, dropped) = step(&mut core, now, &fail(&[3]));
    assert_eq!(ran, [3, 4, 5, 6]);
    assert_eq!(dropped, [(vec![3, 4, 5, 6], Condition::RetryAttemptsExhausted, 2)]);
    read(&mut core, 7..=8, now);
    // Unknown: everything has failed.
    let (ran, dropped) = step(&mut core, now, &fail(&[99]));
    assert_eq!((ran, dropped.len()), (vec![7, 8], 0));
    let now = core.wake_at(Timestamp(now)).unwrap().0;
    assert_eq!(step(&mut core, now, &fail(&[])).0, [7, 8]);
    assert!(core.next(Timestamp(now + 60_000)).is_none());
}

#[test]
fn what_is_filtered_out_or_was_done_moves_the_checkpoint_on() {
    let mut core = core(rules());
    let records = vec![record(1, "a", 0), record(2, "-a", 0), record(3, "-b", 0)];
    let sorted = core.read(records, &NoMinus, (Some(0), Timestamp(0)));
    assert_eq!(sorted, Sorted { taken: 1, filtered_out: 2, passed: 0 });
    step(&mut core, 0, &answered(Value::Null));
    assert_eq!(core.checkpoint().shown(), "3");
    core.read(vec![record(4, "-c", 0)], &NoMinus, (Some(0), Timestamp(10)));
    assert!(core.save(Timestamp(10)).is_none(), "that can wait");
    let later = core.wake_at(Timestamp(10)).unwrap();
    assert_eq!(core.save(later).unwrap().checkpoint.shown(), "4");
    core.end();
    core.saved();
    let last = core.save(later).unwrap();
    assert_eq!(last.checkpoint.phase, Phase::Ended);
    assert!(core.save(later).is_none());
}

#[test]
fn a_checkpoint_never_goes_back() {
    let mut core = core(rules());
    read(&mut core, 1..=1, 0);
    step(&mut core, 0, &answered(Value::Null));
    core.read(vec![record(2, "-k", 0)], &NoMinus, (Some(0), Timestamp(0)));
    assert_eq!(core.leave().checkpoint.shown(), "2");
    core.saved();
    read(&mut core, 3..=3, 0);
    assert_eq!(core.leave().checkpoint.shown(), "2", "what was filtered out stays dealt with");
}

#[test]
fn a_lane_that_is_ahead_stays_ahead_while_the_others_are_read_again() {
    let of_lane = |lane: usize| {
        let mut keys = (0..64).map(|number| format!("key {number}"));
        keys.find(|key| crate::checkpoint::lane_of(key, 2) == lane).unwrap()
    };
    let (behind, ahead) = (of_lane(0), of_lane(1));
    let mut checkpoint = Checkpoint::new("s", Beginning::TrimHorizon);
    let number = |number: &str| Some(SequenceNumber::new(number));
    checkpoint.advance(Layout(vec![number("2"), number("9")]));
    let mut core = Core::new(Arc::new(Rules { lanes: 2, ..rules() }), checkpoint);
    core.read(vec![record(3, &behind, 0)], &NoMinus, (Some(6), Timestamp(0)));
    assert_eq!(step(&mut core, 0, &answered(Value::Null)).0, [3]);
    assert!(core.checkpoint().is_done(&record(9, &ahead, 0)), "{:?}", core.checkpoint());
}

#[test]
fn windows_carry_their_state_and_are_finished_once() {
    let state = |number: u64| answered(json!({ "state": { "sum": number } }));
    let mut core = core(Rules { window_millis: Some(10_000), lanes: 4, ..rules() });
    let at = [1_000, 2_000, 12_000].into_iter().zip(1..);
    let records = at.map(|(at, number)| record(number, "k", at)).collect();
    core.read(records, &NoMinus, (Some(0), Timestamp(12_000)));
    let mut seen = Vec::new();
    let mut now = 12_000;
    for number in 1..=4 {
        let start = core.next(Timestamp(now)).unwrap();
        let window = start.window.clone().unwrap();
        seen.push((numbers(&start), window.start.0, window.turn, window.state));
        core.ran(start.lane, &state(number), Timestamp(now));
        core.save(Timestamp(now)).unwrap();
        core.saved();
        if core.next(Timestamp(now)).is_none() {
            now = core.wake_at(Timestamp(now)).map_or(now, |at| at.0);
        } else {
            // It was only looked at: begin again from what was saved.
            let checkpoint = core.checkpoint().clone();
            core = Core::new(Arc::clone(&core.rules), checkpoint);
            let records = vec![record(3, "k", 12_000)];
            core.read(records, &NoMinus, (Some(0), Timestamp(now)));
        }
    }
    let text = |number: u64| format!("{{\"sum\":{number}}}");
    let expected = [
        (vec![1, 2], 0, Turn::More, "{}".to_owned()),
        (vec![], 0, Turn::Last, text(1)),
        (vec![3], 10_000, Turn::More, "{}".to_owned()),
        (vec![], 10_000, Turn::Last, text(3)),
    ];
    assert_eq!(seen, expected);
    assert_eq!(now, 20_000 + limits::WINDOW_GRACE_MILLIS);
    assert_eq!(core.checkpoint().window, None);
}

#[test]
fn a_window_without_a_state_has_failed_and_its_end_is_tried_until_it_succeeds() {
    let mut core = core(Rules { window_millis: Some(10_000), retries_max: Some(0), ..rules() });
    read(&mut core, 1..=1, 1_000);
    let (_, dropped) = step(&mut core, 1_000, &answered(json!({})));
    assert_eq!(dropped, [(vec![1], Condition::RetryAttemptsExhausted, 1)]);
    let mut now = core.wake_at(Timestamp(1_000)).unwrap().0;
    for _attempt in 0..5 {
        let start = core.next(Timestamp(now)).unwrap();
        assert_eq!(start.window.unwrap().turn, Turn::Last);
        core.ran(0, &failed(), Timestamp(now));
        now = core.wake_at(Timestamp(now)).unwrap().0;
    }
    core.next(Timestamp(now)).unwrap();
    core.ran(0, &answered(Value::Null), Timestamp(now));
    assert_eq!(core.save(Timestamp(now)).unwrap().checkpoint.window, None);
}

#[test]
fn nobody_is_woken_for_what_cannot_be_done_yet() {
    let batch = BatchLimits { window: Duration::from_secs(60), ..rules().batch };
    let mut core = core(Rules { window_millis: Some(10_000), batch, ..rules() });
    read(&mut core, 1..=1, 1_000);
    assert_eq!(step(&mut core, 61_000, &answered(json!({ "state": {} }))).0, [1]);
    core.read(vec![record(2, "k", 2_000)], &NoMinus, (Some(0), Timestamp(62_000)));
    assert!(core.next(Timestamp(62_000)).is_none(), "more is waited for");
    // The window could have been finished long ago, had nothing come.
    assert_eq!(core.wake_at(Timestamp(62_000)), Some(Timestamp(122_000)));
    core.read(vec![record(3, "-k", 2_000)], &NoMinus, (Some(0), Timestamp(62_000)));
    let lags = Timestamp(62_000 + limits::CHECKPOINT_LAG_MILLIS_MAX);
    assert_eq!(core.wake_at(Timestamp(62_000)), Some(lags));
    assert_eq!(core.wake_at(lags), Some(Timestamp(122_000)), "the store is busy");
}

/// What a function does in a property test: it fails for batches with a poison record, and now and
/// then by chance.
struct Function {
    poison: BTreeSet<u64>,
    luck: VecDeque<u8>,
    reporting: Reporting,
}

impl Function {
    fn run(&mut self, batch: &[u64]) -> Outcome {
        match self.luck.pop_front() {
            Some(0) => return failed(),
            Some(1) => return Outcome::NotRun(NotRun::Throttled),
            Some(_) | None => {}
        }
        let poisoned: Vec<u64> =
            batch.iter().copied().filter(|one| self.poison.contains(one)).collect();
        match (poisoned.is_empty(), self.reporting) {
            (true, _) => answered(Value::Null),
            (false, Reporting::WholeBatches) => failed(),
            (false, Reporting::Items) => {
                let failures: Vec<Value> = poisoned
                    .iter()
                    .map(|one| json!({ "itemIdentifier": one.to_string() }))
                    .collect();
                answered(json!({ "batchItemFailures": failures }))
            }
        }
    }
}

/// A shard with all of its records, and what has become of them.
struct World {
    records: Vec<ShardRecord>,
    rules: Rules,
    function: Function,
    core: Core,
    saved: Checkpoint,
    next: usize,
    now: u64,
    running: Vec<(usize, Vec<u64>)>,
    succeeded: Vec<u64>,
    dropped: Vec<Vec<u64>>,
    /// How often each record has succeeded.
    is_seen: BTreeMap<u64, usize>,
}

impl World {
    fn new(keys: &[u8], rules: Rules, function: Function) -> Self {
        let records: Vec<ShardRecord> = (1..)
            .zip(keys)
            .map(|(number, key)| record(number, &format!("key {key}"), number))
            .collect();
        let saved = Checkpoint::new("s", Beginning::TrimHorizon);
        let core = Core::new(Arc::new(rules.clone()), saved.clone());
        Self {
            records,
            rules,
            function,
            core,
            saved,
            next: 0,
            now: 0,
            running: Vec::new(),
            succeeded: Vec::new(),
            dropped: Vec::new(),
            is_seen: BTreeMap::new(),
        }
    }

    /// Everything that is in memory is lost; another number of lanes is read with from now on.
    fn crash(&mut self, lanes: usize) {
        self.running.clear();
        self.rules.lanes = lanes;
        self.core = Core::new(Arc::new(self.rules.clone()), self.saved.clone());
        self.next = match self.saved.position() {
            Some(crate::shard::source::Position::After(number)) => {
                self.records.iter().take_while(|one| one.sequence_number <= number).count()
            }
            _ => 0,
        };
    }

    fn act(&mut self, choice: u8) {
        let now = Timestamp(self.now);
        match choice % 8 {
            0 | 1 => self.read(),
            2 | 3 => {
                if let Some(start) = self.core.next(now) {
                    let batch = numbers(&start);
                    assert!(self.running.iter().all(|(lane, _)| *lane != start.lane));
                    self.check_order(&batch);
                    self.running.push((start.lane, batch));
                }
            }
            4 | 5 => {
                if !self.running.is_empty() {
                    let (lane, batch) =
                        self.running.remove(usize::from(choice) % self.running.len());
                    let outcome = self.function.run(&batch);
                    let came = self.core.ran(lane, &outcome, now);
                    for number in &batch[..came.succeeded] {
                        self.succeeded.push(*number);
                        *self.is_seen.entry(*number).or_default() += 1;
                    }
                }
            }
            6 => self.save(),
            _ => self.now = self.core.wake_at(now).map_or(self.now + 1, |at| at.0),
        }
    }

    fn read(&mut self) {
        let Some(portion) = self.core.room() else { return };
        let count = portion.records.min(7).min(self.records.len() - self.next);
        let page = self.records[self.next..self.next + count].to_vec();
        self.next += count;
        self.core.read(page, &NoMinus, (Some(0), Timestamp(self.now)));
        if self.next == self.records.len() {
            self.core.end();
        }
    }

    fn save(&mut self) {
        if let Some(save) = self.core.save(Timestamp(self.now)) {
            self.dropped.extend(given_up(&save).into_iter().map(|(numbers, ..)| numbers));
            for record in self.records.iter().filter(|record| self.saved.is_done(record)) {
                assert!(save.checkpoint.is_done(record), "{record:?} was dealt with");
            }
            self.saved = save.checkpoint;
            self.core.saved();
        }
    }

    /// Each record of a batch comes behind all earlier ones of its key.
    fn check_order(&self, batch: &[u64]) {
        let key = |number: u64| &self.records[usize::try_from(number).unwrap() - 1].partition_key;
        for (place, number) in batch.iter().enumerate() {
            for earlier in (1..*number).filter(|earlier| key(*earlier) == key(*number)) {
                let is_over = batch[..place].contains(&earlier)
                    || self.succeeded.contains(&earlier)
                    || self.dropped.iter().flatten().any(|one| *one == earlier);
                assert!(is_over, "{number} before {earlier}");
            }
        }
    }

    fn finish(&mut self) {
        for turn in 0..200_000_u32 {
            if self.core.is_ended() {
                return;
            }
            self.act([0, 2, 4, 6, 7][usize::try_from(turn % 5).unwrap()]);
        }
        panic!("it does not come to an end");
    }
}

fn any_rules() -> impl Strategy<Value = Rules> {
    (1..12_usize, 1..5_usize, prop::option::of(0..4_u32), any::<bool>(), any::<bool>()).prop_map(
        |(records, lanes, retries_max, bisects, reports)| Rules {
            batch: BatchLimits { records, bytes: 1_000_000, window: Duration::ZERO },
            lanes,
            retries_max,
            on_failure: if bisects { OnFailure::Bisect } else { OnFailure::Retry },
            reporting: if reports { Reporting::Items } else { Reporting::WholeBatches },
            ..rules()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_record_succeeds_or_is_given_up_in_the_order_of_its_key(
        keys in prop::collection::vec(0..6_u8, 0..60),
        rules in any_rules(),
        luck in prop::collection::vec(0..6_u8, 0..40),
        choices in prop::collection::vec(any::<u8>(), 0..200),
        poison in prop::collection::btree_set(1..60_u64, 0..4),
    ) {
        // Without a bound on retries, a poison record would stay for ever.
        let poison = if rules.retries_max.is_some() { poison } else { BTreeSet::new() };
        let function = Function { poison, luck: luck.into(), reporting: rules.reporting };
        let mut world = World::new(&keys, rules, function);
        for choice in choices {
            world.act(choice);
        }
        world.finish();
        let mut all: Vec<u64> = world.succeeded.clone();
        all.extend(world.dropped.iter().flatten());
        all.sort_unstable();
        prop_assert_eq!(all, (1..=u64::try_from(keys.len()).unwrap()).collect::<Vec<_>>());
    }

    #[test]
    fn a_crash_repeats_what_was_running_or_not_saved_and_loses_nothing(
        keys in prop::collection::vec(0..6_u8, 1..60),
        rules in any_rules(),
        choices in prop::collection::vec((any::<u8>(), 0..40_u8, 1..5_usize), 0..300),
    ) {
        let function = Function { poison: BTreeSet::new(), luck: VecDeque::new(), reporting: rules.reporting };
        let mut world = World::new(&keys, rules, function);
        let mut unsaved: BTreeMap<u64, usize> = BTreeMap::new();
        let mut crashes = 0;
        for (choice, crash, lanes) in choices {
            world.act(choice);
            // Not more layouts than are remembered.
            if crash == 0 && crashes < 6 {
                crashes += 1;
                for record in &world.records {
                    let number: u64 = record.sequence_number.as_str().parse().unwrap();
                    if world.is_seen.contains_key(&number) && !world.saved.is_done(record) {
                        *unsaved.entry(number).or_default() += 1;
                    }
                }
                world.crash(lanes);
            }
        }
        world.finish();
        for number in 1..=u64::try_from(keys.len()).unwrap() {
            let seen = world.is_seen.get(&number).copied().unwrap_or_default();
            let lost = unsaved.get(&number).copied().unwrap_or_default();
            prop_assert!(seen >= 1, "{number} was lost");
            prop_assert!(seen <= 1 + lost, "{number} was repeated {seen} times, unsaved {lost} times");
        }
    }

    #[test]
    fn with_bisection_poison_records_are_given_up_alone(
        keys in prop::collection::vec(0..6_u8, 1..60),
        lanes in 1..4_usize,
        records in 1..20_usize,
        retries_max in 0..3_u32,
        reports in any::<bool>(),
        poison in prop::collection::btree_set(1..60_u64, 0..6),
        choices in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let rules = Rules {
            batch: BatchLimits { records, bytes: 1_000_000, window: Duration::ZERO },
            lanes,
            retries_max: Some(retries_max),
            on_failure: OnFailure::Bisect,
            reporting: if reports { Reporting::Items } else { Reporting::WholeBatches },
            ..rules()
        };
        let function = Function { poison: poison.clone(), luck: VecDeque::new(), reporting: rules.reporting };
        let mut world = World::new(&keys, rules, function);
        for choice in choices {
            world.act(choice);
        }
        world.finish();
        let mut dropped = world.dropped.clone();
        dropped.sort_unstable();
        let expected: Vec<Vec<u64>> = poison
            .into_iter()
            .filter(|one| usize::try_from(*one).unwrap() <= keys.len())
            .map(|one| vec![one])
            .collect();
        prop_assert_eq!(dropped, expected);
    }
}
