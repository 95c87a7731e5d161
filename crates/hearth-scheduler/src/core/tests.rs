//! Each promise of the core in an example, and all of them over any order of events.

use hearth_environment::driver::{Health, Offered, Purpose};
use hearth_types::bucket::Rate;
use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::time::Moment;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::keep::{Learning, Rules};

const NOW: Moment = Moment(1_000);
const A: WaiterId = WaiterId(1);
const B: WaiterId = WaiterId(2);
const C: WaiterId = WaiterId(3);
const FIRST: EnvironmentId = EnvironmentId(1);
const SECOND: EnvironmentId = EnvironmentId(2);
const THIRD: EnvironmentId = EnvironmentId(3);
const FREE: Offered = Offered { used_mb: 20, health: Health::Ready };
const BROKEN: Offered = Offered { used_mb: 20, health: Health::Failed };
const NEEDS: Needs = Needs { function: FunctionNumber(1), memory_mb: 100 };
const TICK: Event = Event::Tick(Pressure::None);

fn target(number: u128) -> TargetId {
    TargetId(Uuid::from_u128(number))
}

fn wanted(waiter: WaiterId, target: TargetId) -> Event {
    Event::Wanted(waiter, target, NEEDS)
}

fn start(id: EnvironmentId, target: TargetId) -> Action {
    Action::Start(id, target, Purpose::OnDemand)
}

fn limits() -> Limits {
    Limits {
        environments_max: 10,
        memory_mb_max: 10_000,
        commitment: Commitment::Measured,
        starts_max: 10,
        slow_start_ms: 200,
        room_wait_ms_max: 1_000,
        life_ms_max: 1_000_000,
        scaling: None,
        keep: Rules { idle_ms: 100, learning: Learning::Off },
        look_through_ms: 0,
    }
}

/// A core with the limits of [`limits`], changed.
fn core(change: impl FnOnce(&mut Limits)) -> Core {
    let mut limits = limits();
    change(&mut limits);
    Core::new(limits)
}

#[test]
fn provisioned_environments_stand_without_a_caller_and_do_not_age() {
    let mut core = core(|limits| limits.environments_max = 3);
    let (t, other) = (target(1), target(2));
    let provisioned = |id| Action::Start(id, t, Purpose::Provisioned);
    let asked = Event::Provisioned(t, NEEDS, 2);
    assert_eq!(core.step(NOW, asked), [provisioned(FIRST), provisioned(SECOND)]);
    assert_eq!(core.ready(t), 0);
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Idle(SECOND, FREE));
    assert_eq!(core.ready(t), 2);
    assert_eq!(core.step(NOW, wanted(A, t)), [Action::Assign(A, SECOND)]);
    core.step(NOW, Event::Idle(SECOND, FREE));
    let later = NOW.plus_millis(900);
    assert_eq!(core.step(later, TICK), []);

    // They make no room for others, and one that is lost is started again.
    assert_eq!(core.step(later, wanted(A, other)), [start(THIRD, other)]);
    assert_eq!(core.step(later, wanted(B, other)), [], "waits for room");
    core.step(later, Event::Gone(THIRD));
    core.step(later, Event::Abandoned(B));
    core.step(later, Event::Gone(FIRST));
    let again = core.step(later, TICK);
    assert!(
        matches!(again[..], [Action::Start(_, of, Purpose::Provisioned)] if of == t),
        "{again:?}"
    );
}

#[test]
fn one_that_could_not_load_its_function_is_not_ready() {
    let mut core = core(|_| {});
    let t = target(1);
    core.step(NOW, Event::Provisioned(t, NEEDS, 1));
    core.step(NOW, Event::Idle(FIRST, BROKEN));
    assert_eq!((core.ready(t), core.broken(t)), (0, true));
    assert_eq!(core.step(NOW, wanted(A, t)), [Action::Assign(A, FIRST)], "it is tried again");
    core.step(NOW, Event::Idle(FIRST, FREE));
    assert_eq!((core.ready(t), core.broken(t)), (1, false));
}

#[test]
fn many_are_provisioned_a_few_at_a_time_and_the_surplus_goes() {
    let mut core = core(|limits| limits.environments_max = 100);
    let t = target(1);
    let mut starting = core.step(NOW, Event::Provisioned(t, NEEDS, 10)).len();
    assert_eq!(starting, PROVISIONED_STARTS_MAX);
    let mut next = 1;
    while core.ready(t) < 10 {
        starting += core.step(NOW, Event::Idle(EnvironmentId(next), FREE)).len();
        next += 1;
    }
    assert_eq!(starting, 10, "each that stands makes room for the next");
    let given_up = core.step(NOW, Event::Provisioned(t, NEEDS, 3));
    let oldest: Vec<Action> = (1..=7).map(|id| Action::Retire(EnvironmentId(id))).collect();
    assert_eq!(given_up, oldest);
    assert_eq!(core.ready(t), 3);
}

#[test]
fn what_is_being_torn_down_takes_no_room() {
    let mut core = core(|limits| limits.environments_max = 1);
    let (old, new) = (target(1), target(2));
    core.step(NOW, wanted(A, old));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Retired(old));
    assert_eq!(core.step(NOW, wanted(B, new)), [start(SECOND, new)]);
}

#[test]
fn one_that_has_answered_is_waited_for_a_moment() {
    let mut core = core(|limits| limits.scaling = Some(Rate { capacity: 1, per_ten_seconds: 1 }));
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    assert!(!core.comes_back(NOW, t), "it is at work");
    assert_eq!(core.step(NOW, Event::Answered(FIRST)), []);
    assert!(core.comes_back(NOW, t));
    assert!(!core.comes_back(NOW.plus_millis(ANSWERED_MS), t), "it takes too long");
    assert_eq!(core.step(NOW, wanted(B, t)), [], "neither started nor refused");
    assert!(core.waits_for_answered());
    assert!(!core.comes_back(NOW, t), "it is for another");
    assert_eq!(core.step(NOW, wanted(C, t)), [Action::Refuse(C, Refused::Scaling)]);
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), [Action::Assign(B, FIRST)]);
    assert!(!core.waits_for_answered());
}

#[test]
fn one_that_has_answered_and_does_not_come_is_not_waited_for() {
    let mut core = core(|_| {});
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Answered(FIRST));
    assert_eq!(core.step(NOW, wanted(B, t)), []);
    assert_eq!(core.step(NOW.plus_millis(ANSWERED_MS), TICK), [start(SECOND, t)]);
    // Nor if it is gone, or failed after all.
    core.step(NOW.plus_millis(ANSWERED_MS), Event::Answered(FIRST));
    core.step(NOW.plus_millis(ANSWERED_MS), Event::Gone(FIRST));
    let third = core.step(NOW.plus_millis(ANSWERED_MS), wanted(C, t));
    assert_eq!(third, [start(THIRD, t)]);
}

#[test]
fn the_first_to_come_is_taken() {
    let mut core = core(|_| {});
    let t = target(1);
    assert_eq!(core.step(NOW, wanted(A, t)), [start(FIRST, t)]);
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), [Action::Assign(A, FIRST)]);
    assert_eq!(core.step(NOW, wanted(B, t)), [start(SECOND, t)]);
    let back = core.step(NOW, Event::Idle(FIRST, FREE));
    assert_eq!(back, [Action::Assign(B, FIRST)], "came back first");
    assert_eq!(core.step(NOW, Event::Idle(SECOND, FREE)), [], "waits for the next");
    assert_eq!(core.step(NOW, wanted(C, t)), [Action::Assign(C, SECOND)]);
}

#[test]
fn nothing_is_started_that_nobody_could_use() {
    let mut core = core(|_| {});
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Abandoned(A));
    assert_eq!(core.step(NOW, wanted(B, t)), [], "the start of the one that went away is there");
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), [Action::Assign(B, FIRST)]);
}

#[test]
fn a_failed_start_fails_one_and_the_next_are_tried_one_at_a_time() {
    let mut core = core(|limits| limits.starts_max = 2);
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, wanted(B, t));
    assert_eq!(core.step(NOW, wanted(C, t)), [], "two start at a time");
    let refused = Action::Refuse(A, Refused::NotStarted);
    assert_eq!(
        core.step(NOW, Event::Gone(FIRST)),
        [refused],
        "the other start is still on its way"
    );
    let next = core.step(NOW, Event::Gone(SECOND));
    assert_eq!(next, [Action::Refuse(B, Refused::NotStarted), start(THIRD, t)]);
    core.step(NOW, wanted(A, t));
    assert_eq!(core.step(NOW, TICK), [], "one at a time while they fail");
    let up = core.step(NOW, Event::Idle(THIRD, FREE));
    assert_eq!(up, [Action::Assign(C, THIRD), start(EnvironmentId(4), t)], "and as before again");
}

#[test]
fn targets_take_turns_with_starts_and_slow_ones_are_not_counted() {
    let mut core = core(|limits| limits.starts_max = 2);
    let (greedy, modest) = (target(1), target(2));
    for waiter in 1..=5 {
        core.step(NOW, wanted(WaiterId(waiter), greedy));
    }
    assert_eq!(core.step(NOW, wanted(WaiterId(9), modest)), []);
    let next = core.step(NOW, Event::Idle(FIRST, FREE));
    let turn = [Action::Assign(A, FIRST), start(THIRD, modest)];
    assert_eq!(next, turn, "its turn, although others wait longer");
    let next = core.step(NOW, Event::Idle(SECOND, FREE));
    assert_eq!(next, [Action::Assign(B, SECOND), start(EnvironmentId(4), greedy)]);
    // The two that hang are overtaken.
    let slow = NOW.plus_millis(200);
    assert_eq!(core.step(slow, TICK).len(), 2);
}

#[test]
fn the_longest_idle_of_others_makes_room_and_who_finds_none_waits_for_a_bounded_time() {
    let mut core = core(|limits| limits.environments_max = 1);
    let (t, u) = (target(1), target(2));
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    assert_eq!(core.step(NOW, wanted(B, u)), [], "the only one is busy");
    let moved = [Action::Retire(FIRST), start(SECOND, u)];
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), moved);

    core.step(NOW, Event::Idle(SECOND, FREE));
    core.step(NOW, wanted(C, t));
    assert_eq!(core.step(NOW.plus_millis(999), TICK), []);
    let refused = [Action::Refuse(C, Refused::Room)];
    assert_eq!(core.step(NOW.plus_millis(1_000), TICK), refused);
}

#[test]
fn memory_is_set_aside_as_configured_until_it_was_seen_and_then_as_needed() {
    let mut core = core(|limits| limits.memory_mb_max = 250);
    let t = target(1);
    assert_eq!(core.step(NOW, wanted(A, t)).len(), 1);
    assert_eq!(core.step(NOW, wanted(B, t)).len(), 1);
    assert_eq!(core.step(NOW, wanted(C, t)), [], "three times 100 are more than 250");
    // What loading took, 20 MB, says nothing about what work takes.
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), [Action::Assign(A, FIRST)]);
    assert_eq!(core.host().committed_mb, 200);
    // But it has worked now: 41 MB for it and for each that starts.
    let back = core.step(NOW, Event::Idle(FIRST, FREE));
    assert_eq!(back, [Action::Assign(B, FIRST)]);
    assert_eq!(core.host().committed_mb, 41 + 100);
    core.step(NOW, Event::Idle(SECOND, FREE));
    assert_eq!(core.host().committed_mb, 41 + 41);
}

#[test]
fn a_function_is_not_kept_from_working_by_its_own_idle_environments() {
    let mut core = core(|limits| limits.memory_mb_max = 1_000);
    let (t, needs) = (target(1), Needs { memory_mb: 512, ..NEEDS });
    let call = |core: &mut Core, waiter| core.step(NOW, Event::Wanted(WaiterId(waiter), t, needs));
    let free = |core: &mut Core, id, used_mb| {
        core.step(NOW, Event::Idle(EnvironmentId(id), Offered { used_mb, ..FREE }))
    };
    call(&mut core, 1);
    free(&mut core, 1, 80);
    free(&mut core, 1, 80);
    // 116 MB each, as far as is known: eight of them work at once.
    (2..=9).for_each(|waiter| drop(call(&mut core, waiter)));
    (2..=8).for_each(|id| drop(free(&mut core, id, 80)));
    // One needed more. Idle they have 300 and seven times 80 MB, and work takes 391 from now on.
    free(&mut core, 1, 300);
    (2..=8).for_each(|id| drop(free(&mut core, id, 80)));
    assert_eq!(core.host().committed_mb, 860);
    let given = call(&mut core, 10);
    assert!(matches!(given.last(), Some(Action::Assign(WaiterId(10), _))), "{given:?}");
    assert!(core.host().committed_mb <= 1_000, "others made room for it");
}

#[test]
fn one_that_is_being_reset_is_waited_for_unless_it_takes_long() {
    let mut core = core(|_| {});
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Resetting(FIRST));
    assert_eq!(core.step(NOW, wanted(B, t)), []);
    assert_eq!(core.step(NOW, Event::Idle(FIRST, BROKEN)), [Action::Assign(B, FIRST)]);
    core.step(NOW, Event::Resetting(FIRST));
    core.step(NOW, wanted(C, t));
    assert_eq!(core.step(NOW.plus_millis(200), TICK), [start(SECOND, t)]);
}

#[test]
fn more_than_was_set_aside_makes_idle_environments_go() {
    let mut core = core(|limits| limits.memory_mb_max = 210);
    let t = target(1);
    for (waiter, id) in [(A, FIRST), (B, SECOND)] {
        core.step(NOW, wanted(waiter, t));
        core.step(NOW, Event::Idle(id, FREE));
    }
    let much = Offered { used_mb: 100, ..FREE };
    core.step(NOW, Event::Idle(FIRST, much));
    core.step(NOW, wanted(C, target(2)));
    core.step(NOW, Event::Idle(THIRD, FREE));
    core.step(NOW, Event::Idle(SECOND, much));
    core.step(NOW.plus_millis(50), TICK);
    assert!(core.host().committed_mb <= 210, "{:?}", core.host());
}

#[test]
fn what_can_never_be_held_is_refused_at_once() {
    let mut core = core(|limits| limits.memory_mb_max = 99);
    let refused = [Action::Refuse(A, Refused::Room)];
    assert_eq!(core.step(NOW, wanted(A, target(1))), refused);
}

#[test]
fn idle_ones_go_in_time_with_their_target_and_at_the_end_of_their_life() {
    let mut core = core(|limits| limits.life_ms_max = 500);
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Idle(FIRST, FREE));
    assert_eq!(core.step(NOW.plus_millis(99), TICK), []);
    assert_eq!(core.step(NOW.plus_millis(100), TICK), [Action::Retire(FIRST)]);
    core.step(NOW, wanted(B, t));
    core.step(NOW, Event::Idle(SECOND, FREE));
    let old = NOW.plus_millis(601);
    assert_eq!(core.step(old, Event::Idle(SECOND, FREE)), [Action::Retire(SECOND)], "too old");
    core.step(old, wanted(C, t));
    core.step(old, Event::Idle(THIRD, FREE));
    assert_eq!(core.step(old, Event::Retired(t)), [], "busy ones finish");
    assert_eq!(core.step(old, Event::Idle(THIRD, FREE)), [Action::Retire(THIRD)]);
    for id in [FIRST, SECOND, THIRD] {
        core.step(old, Event::Gone(id));
    }
    assert!(!core.knows(t) && core.host().committed_mb == 0, "nothing is left");
}

#[test]
fn one_that_takes_longer_to_start_than_it_may_live_serves_all_the_same() {
    let mut core = core(|limits| limits.life_ms_max = 1);
    core.step(NOW, wanted(A, target(1)));
    let up = core.step(NOW.plus_millis(6_000), Event::Idle(FIRST, FREE));
    assert_eq!(up, [Action::Assign(A, FIRST)]);
}

#[test]
fn whoever_has_a_start_on_its_way_is_not_refused_for_want_of_room() {
    let mut core = core(|limits| limits.environments_max = 1);
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW.plus_millis(900), wanted(B, t));
    assert_eq!(core.step(NOW.plus_millis(1_500), TICK), []);
    let refused = [Action::Refuse(B, Refused::Room)];
    assert_eq!(core.step(NOW.plus_millis(1_900), TICK), refused, "it has none of its own");
    assert_eq!(
        core.step(NOW.plus_millis(3_000), Event::Idle(FIRST, FREE)),
        [Action::Assign(A, FIRST)]
    );
}

#[test]
fn one_that_cannot_start_does_not_hold_up_the_others() {
    let mut core = core(|_| {});
    let (bad, good) = (target(1), target(2));
    for waiter in [A, B, C] {
        core.step(NOW, wanted(waiter, bad));
    }
    for id in [FIRST, SECOND] {
        core.step(NOW, Event::Gone(id));
    }
    // It has waited for long, and only one of it starts at a time.
    let later = NOW.plus_millis(600);
    core.step(later, TICK);
    assert_eq!(core.step(later, wanted(WaiterId(9), good)).len(), 1, "it is started at once");
}

#[test]
fn nothing_is_started_any_more_when_all_is_closed() {
    let mut core = core(|limits| limits.starts_max = 1);
    let t = target(1);
    for waiter in [A, B, C] {
        core.step(NOW, wanted(waiter, t));
    }
    core.step(NOW, Event::Closed);
    assert_eq!(core.step(NOW, Event::Gone(FIRST)), [], "nobody is told twice, and nothing starts");
    assert!(!core.is_waited_for());
}

#[test]
fn provisioned_environments_are_replaced_one_at_a_time() {
    let mut core = core(|limits| limits.life_ms_max = 500);
    let t = target(1);
    core.step(NOW, Event::Provisioned(t, NEEDS, 2));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Idle(SECOND, FREE));
    let old = NOW.plus_millis(2_000);
    let replaced = core.step(old, TICK);
    let expected = [Action::Retire(FIRST), Action::Start(THIRD, t, Purpose::Provisioned)];
    assert_eq!(replaced, expected);
    assert_eq!(core.step(old.plus_millis(1_000), TICK), [], "the other stays until it stands");
    core.step(old, Event::Idle(THIRD, FREE));
    let replaced = core.step(old.plus_millis(2_000), TICK);
    assert_eq!(replaced[0], Action::Retire(SECOND));
}

#[test]
fn a_call_that_was_on_its_way_to_a_retired_target_leaves_nothing_of_it() {
    let mut core = core(|_| {});
    let t = target(1);
    core.step(NOW, Event::Retired(t));
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), [Action::Retire(FIRST)]);
    core.step(NOW, Event::Gone(FIRST));
    assert!(!core.knows(t));
}

#[test]
fn a_function_gains_environments_no_faster_than_its_rate() {
    let mut core = core(|limits| limits.scaling = Some(Rate { capacity: 2, per_ten_seconds: 10 }));
    let (t, other) = (target(1), target(2));
    core.step(NOW, wanted(A, t));
    core.step(NOW, wanted(B, t));
    let refused = [Action::Refuse(C, Refused::Scaling)];
    assert_eq!(core.step(NOW, wanted(C, t)), refused);
    let elsewhere = Needs { function: FunctionNumber(2), ..NEEDS };
    assert_eq!(core.step(NOW, Event::Wanted(C, other, elsewhere)).len(), 1, "each has its own");
    let later = NOW.plus_millis(1_000);
    assert_eq!(core.step(later, wanted(WaiterId(4), t)).len(), 1, "it fills up again");
}

#[test]
fn who_waited_in_vain_for_one_that_had_answered_is_told_that_the_function_may_not_grow() {
    let mut core = core(|limits| limits.scaling = Some(Rate { capacity: 1, per_ten_seconds: 1 }));
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(NOW, Event::Answered(FIRST));
    assert_eq!(core.step(NOW, wanted(B, t)), []);
    assert_eq!(core.step(NOW.plus_millis(999), TICK), []);
    let refused = [Action::Refuse(B, Refused::Scaling)];
    assert_eq!(core.step(NOW.plus_millis(1_000), TICK), refused);
}

#[test]
fn what_was_started_for_somebody_is_not_given_up_for_others_before_it_has_worked() {
    let mut core = core(|limits| limits.environments_max = 1);
    let (t, u) = (target(1), target(2));
    core.step(NOW, wanted(A, t));
    assert_eq!(core.step(NOW, wanted(B, u)), []);
    assert_eq!(core.step(NOW, wanted(C, t)), []);
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), [Action::Assign(A, FIRST)]);
    let moved = [Action::Retire(FIRST), start(SECOND, u)];
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), moved, "they take turns");
    assert_eq!(core.step(NOW, Event::Idle(SECOND, FREE)), [Action::Assign(B, SECOND)]);
    let moved = [Action::Retire(SECOND), start(THIRD, t)];
    assert_eq!(core.step(NOW, Event::Idle(SECOND, FREE)), moved);
    assert_eq!(core.step(NOW, Event::Idle(THIRD, FREE)), [Action::Assign(C, THIRD)]);
}

#[test]
fn a_host_that_is_short_of_memory_gives_up_one_idle_environment_with_each_tick() {
    let mut core = core(|_| {});
    let t = target(1);
    for waiter in [A, B] {
        core.step(NOW, wanted(waiter, t));
    }
    for id in [FIRST, SECOND, FIRST, SECOND] {
        core.step(NOW, Event::Idle(id, FREE));
    }
    assert_eq!(core.step(NOW, Event::Tick(Pressure::Short)), [Action::Retire(FIRST)]);
    assert_eq!(core.step(NOW, Event::Tick(Pressure::Short)), [Action::Retire(SECOND)]);
    assert_eq!(core.step(NOW, Event::Tick(Pressure::Short)), []);
}

#[test]
fn a_host_that_is_short_of_memory_starts_only_in_the_place_of_another() {
    let mut core = core(|_| {});
    let (t, u) = (target(1), target(2));
    core.step(NOW, Event::Tick(Pressure::Short));
    assert_eq!(core.step(NOW, wanted(A, t)), [start(FIRST, t)], "it is the only one");
    assert_eq!(core.step(NOW, wanted(B, u)), [], "waits for memory");
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), [Action::Assign(A, FIRST)]);
    let moved = [Action::Retire(FIRST), start(SECOND, u)];
    assert_eq!(core.step(NOW, Event::Idle(FIRST, FREE)), moved);
    assert_eq!(core.step(NOW, wanted(C, t)), []);
    assert_eq!(core.step(NOW, TICK), [start(THIRD, t)], "there is memory again");
}

#[test]
fn a_clock_that_goes_back_changes_nothing() {
    let mut core = core(|_| {});
    let t = target(1);
    core.step(NOW, wanted(A, t));
    core.step(NOW, Event::Idle(FIRST, FREE));
    core.step(Moment(0), Event::Idle(FIRST, FREE));
    assert_eq!(core.step(NOW.plus_millis(99), TICK), []);
    assert_eq!(core.step(NOW.plus_millis(100), TICK), [Action::Retire(FIRST)]);
}

/// What a test of all promises at once remembers of the core's actions.
#[derive(Default)]
struct World {
    waiting: Vec<WaiterId>,
    /// Whether each is busy.
    live: BTreeMap<EnvironmentId, (TargetId, bool)>,
    starting: Vec<EnvironmentId>,
    retiring: Vec<EnvironmentId>,
}

impl World {
    fn perform(&mut self, action: Action) -> Result<(), TestCaseError> {
        match action {
            Action::Assign(waiter, id) => {
                prop_assert!(self.waiting.contains(&waiter), "asked once, answered once");
                self.waiting.retain(|one| *one != waiter);
                let (_, busy) = self.live.get_mut(&id).expect("it was started");
                prop_assert!(!std::mem::replace(busy, true), "was free");
                prop_assert!(!self.retiring.contains(&id), "is not given up");
            }
            Action::Start(id, target, _) => {
                prop_assert!(self.live.insert(id, (target, false)).is_none());
                self.starting.push(id);
            }
            Action::Refuse(waiter, _) => {
                prop_assert!(self.waiting.contains(&waiter), "asked once, answered once");
                self.waiting.retain(|one| *one != waiter);
            }
            Action::Retire(id) => {
                prop_assert!(!self.live[&id].1, "nobody is interrupted");
                self.retiring.push(id);
            }
        }
        Ok(())
    }

    /// The event of a choice, if it can happen.
    fn event(&mut self, choice: u8, which: u8, pick: u16) -> Option<Event> {
        let pick_from =
            |all: Vec<EnvironmentId>| (!all.is_empty()).then(|| all[usize::from(pick) % all.len()]);
        let memory_mb = 50 + 100 * u32::from(which);
        let needs = Needs { function: FunctionNumber(u64::from(which)), memory_mb };
        let of = target(u128::from(which));
        Some(match choice {
            0..=2 => {
                let waiter = WaiterId(u64::from(pick) << 32 | self.live.len() as u64 | 1 << 20);
                if self.waiting.contains(&waiter) {
                    return None;
                }
                self.waiting.push(waiter);
                Event::Wanted(waiter, of, needs)
            }
            3..=5 => {
                let retiring = self.retiring.clone();
                let free = self.live.keys().copied().filter(|id| !retiring.contains(id));
                let id = pick_from(free.collect())?;
                self.live.get_mut(&id)?.1 = false;
                self.starting.retain(|one| *one != id);
                let health = if pick.is_multiple_of(5) { Health::Failed } else { Health::Ready };
                Event::Idle(id, Offered { used_mb: u32::from(pick % 90), health })
            }
            6 => {
                let id = pick_from(self.live.keys().copied().collect())?;
                self.live.remove(&id);
                self.starting.retain(|one| *one != id);
                self.retiring.retain(|one| *one != id);
                Event::Gone(id)
            }
            7 => Event::Retired(of),
            8 => {
                let waiter = *self.waiting.first()?;
                self.waiting.retain(|one| *one != waiter);
                Event::Abandoned(waiter)
            }
            9 => Event::Provisioned(of, needs, usize::from(pick % 3)),
            10 => Event::Tick(Pressure::Short),
            // Also of one that has no work.
            11 => Event::Answered(pick_from(self.live.keys().copied().collect())?),
            _ => TICK,
        })
    }
}

proptest! {
    /// Every waiter gets exactly one answer, environments are never handed out twice, and the
    /// limits hold, over any interleaving.
    #[test]
    fn promises_hold_over_any_order(
        choices in proptest::collection::vec((0u8..15, 0u8..3, any::<u16>(), 0u64..400), 0..300),
    ) {
        let mut core = core(|limits| {
            limits.environments_max = 4;
            limits.memory_mb_max = 600;
            limits.starts_max = 2;
            limits.scaling = Some(Rate { capacity: 6, per_ten_seconds: 30 });
            limits.keep = Rules { idle_ms: 1_000, learning: Learning::On };
        });
        let mut world = World::default();
        let (mut now, mut most) = (NOW, 0);
        for (choice, which, pick, passed) in choices {
            now = now.plus_millis(passed);
            let Some(event) = world.event(choice, which, pick) else { continue };
            for action in core.step(now, event) {
                world.perform(action)?;
            }
            prop_assert_eq!(core.waiting.len(), world.waiting.len());
            let standing = world.live.len() - world.retiring.len();
            prop_assert!(standing <= 4, "promise 4, environments: {}", standing);
            if !matches!(event, Event::Idle(..)) {
                // An environment may come back with more than was set aside; a tick sees to that.
                let before = std::mem::replace(&mut most, core.host().committed_mb);
                prop_assert!(most <= before.max(600), "promise 4, memory: {}", most);
            } else {
                most = core.host().committed_mb;
            }
            let brisk = world.starting.iter().filter(|id| core.environments[id].born == now);
            prop_assert!(brisk.count() <= 2, "promise 5");
            let held: u64 = core.environments.values().map(|one| one.committed_mb).sum();
            prop_assert_eq!(held, core.host().committed_mb, "no megabyte is lost");
        }
        // Whoever still waits is answered in the end, and nothing is left.
        let mut rounds = 0;
        while !world.waiting.is_empty() {
            rounds += 1;
            prop_assert!(rounds < 100, "somebody waits for ever");
            now = now.plus_millis(500);
            let mut actions = core.step(now, TICK);
            for id in world.starting.clone() {
                world.live.remove(&id);
                world.starting.retain(|one| *one != id);
                actions.extend(core.step(now, Event::Gone(id)));
            }
            for action in actions {
                world.perform(action)?;
            }
        }
        for id in world.live.keys() {
            core.step(now, Event::Gone(*id));
        }
        prop_assert_eq!(core.host().committed_mb, 0);
        prop_assert_eq!(core.environments(), 0);
    }
}
