//! The decisions of the scheduler, as a pure state machine.
//!
//! # Promises
//!
//! 1. A waiting invocation takes whatever comes first: the environment started for it, or one that
//!    came back idle in the meantime.
//! 2. Of the idle environments of a target the youngest idle one is taken, so that the others grow
//!    old and are retired.
//! 3. No environment is started that no waiting invocation can use, beside those that are
//!    provisioned: per target, waiting invocations never exceed environments that are starting.
//! 4. No more than `environments_max` environments exist, beside those that are being torn down. To start one more, the environment that
//!    was idle longest is retired first; if none is idle, the invocation is refused at once.
//! 5. No more than `concurrency_max` invocations run or wait at a time.
//! 6. As many environments as are provisioned for a target stand or are starting. Those are not
//!    retired for their age, nor to make room. What is missing is looked for with every tick, so a
//!    target that cannot start is not started over and over.
//! 7. A start that fails fails at most one invocation, and starts nothing in its place.
//!
//! # Deliberately absent
//!
//! No clock (the time is an argument), no tasks, no environments: only their ids.

use std::collections::{BTreeMap, HashMap, VecDeque};

use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::time::Timestamp;

/// How many provisioned environments of a target are started at a time, so that those who wait for
/// a cold start do not wait for all of them.
const STARTS_MAX: usize = 4;

/// Somebody who waits for an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// The limits that the core keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Environments of all functions.
    pub environments_max: usize,
    /// Invocations at a time.
    pub concurrency_max: usize,
    /// How long an environment may be idle.
    pub idle_ms_max: u64,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An invocation wants an environment of a target.
    Wanted(WaiterId, TargetId),
    /// A waiter has gone away.
    Abandoned(WaiterId),
    /// An environment is free.
    Idle(EnvironmentId, Timestamp),
    /// An environment is gone.
    Gone(EnvironmentId),
    /// A target will not be invoked any more.
    Retired(TargetId),
    /// So many environments of a target are to be kept.
    Provisioned(TargetId, usize),
    /// Time has passed.
    Tick(Timestamp),
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Give the environment to the waiter.
    Assign(WaiterId, EnvironmentId),
    /// Start an environment of the target.
    Start(EnvironmentId, TargetId),
    /// Retire the environment.
    Retire(EnvironmentId),
    /// Tell the waiter that it gets none.
    Refuse(WaiterId, Refused),
}

/// Why a waiter gets no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Too many invocations at a time.
    Concurrency,
    /// No room for another environment, and none to give up.
    Room,
    /// The environment that was started for it could not be made.
    NotStarted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Idle(Timestamp),
    Busy,
    Retiring,
}

#[derive(Debug)]
struct Environment {
    target: TargetId,
    state: State,
}

#[derive(Debug, Default)]
struct Pool {
    /// The youngest idle one last.
    idle: Vec<EnvironmentId>,
    starting: usize,
    waiters: VecDeque<WaiterId>,
    /// How many environments are to be kept.
    provisioned: usize,
    /// How many of those that are starting are not wanted any more.
    recalled: usize,
    retired: bool,
}

/// What the scheduler knows.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    next: u64,
    environments: HashMap<EnvironmentId, Environment>,
    pools: HashMap<TargetId, Pool>,
    /// Idle environments of all targets, the longest idle first.
    by_age: BTreeMap<(Timestamp, EnvironmentId), TargetId>,
    waiting: HashMap<WaiterId, TargetId>,
    busy: usize,
    /// Environments that are being torn down.
    retiring: usize,
}

impl Core {
    /// A scheduler without environments.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            next: 1,
            environments: HashMap::new(),
            pools: HashMap::new(),
            by_age: BTreeMap::new(),
            waiting: HashMap::new(),
            busy: 0,
            retiring: 0,
        }
    }

    /// Takes a step. Returns what is to be done, in order.
    pub fn step(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Wanted(waiter, target) => self.wanted(waiter, target, &mut actions),
            Event::Abandoned(waiter) => self.abandoned(waiter),
            Event::Idle(id, now) => self.idle(id, now, &mut actions),
            Event::Gone(id) => self.gone(id, &mut actions),
            Event::Retired(target) => self.retired(target, &mut actions),
            Event::Provisioned(target, count) => self.provisioned(target, count, &mut actions),
            Event::Tick(now) => self.tick(now, &mut actions),
        }
        actions
    }

    /// Whether there is anything of a target: environments, or somebody who waits for one.
    #[must_use]
    pub fn knows(&self, target: TargetId) -> bool {
        self.pools.contains_key(&target)
    }

    /// How many environments of a target have been started, and are idle or at work.
    #[must_use]
    pub fn ready(&self, target: TargetId) -> usize {
        let ready = |state| matches!(state, State::Idle(_) | State::Busy);
        self.environments.values().filter(|one| one.target == target && ready(one.state)).count()
    }

    /// How many environments there are, in whatever state.
    #[must_use]
    pub fn environments(&self) -> usize {
        self.environments.len()
    }

    fn wanted(&mut self, waiter: WaiterId, target: TargetId, actions: &mut Vec<Action>) {
        if self.busy + self.waiting.len() >= self.limits.concurrency_max {
            actions.push(Action::Refuse(waiter, Refused::Concurrency));
            return;
        }
        let pool = self.pools.entry(target).or_default();
        if let Some(id) = pool.idle.pop() {
            let environment = self.environments.get_mut(&id).expect("an idle one exists");
            if let State::Idle(since) = environment.state {
                self.by_age.remove(&(since, id));
            }
            environment.state = State::Busy;
            self.busy += 1;
            actions.push(Action::Assign(waiter, id));
            return;
        }
        // One start may still be without a waiter: somebody took an idle one, or went away.
        if pool.starting <= pool.waiters.len() && !self.start(target, actions) {
            actions.push(Action::Refuse(waiter, Refused::Room));
            self.forget_if_empty(target);
            return;
        }
        self.pools.entry(target).or_default().waiters.push_back(waiter);
        self.waiting.insert(waiter, target);
    }

    fn start(&mut self, target: TargetId, actions: &mut Vec<Action>) -> bool {
        if self.environments.len() - self.retiring >= self.limits.environments_max {
            let mut idle = self.by_age.iter();
            let spare = idle.find(|(_, target)| !self.keeps_all(**target));
            let Some((&(_, oldest), _)) = spare else { return false };
            self.retire(oldest, actions);
        }
        let id = EnvironmentId(self.next);
        self.next += 1;
        self.environments.insert(id, Environment { target, state: State::Starting });
        self.pools.entry(target).or_default().starting += 1;
        actions.push(Action::Start(id, target));
        true
    }

    fn abandoned(&mut self, waiter: WaiterId) {
        let Some(target) = self.waiting.remove(&waiter) else { return };
        if let Some(pool) = self.pools.get_mut(&target) {
            pool.waiters.retain(|one| *one != waiter);
        }
        self.forget_if_empty(target);
    }

    fn idle(&mut self, id: EnvironmentId, now: Timestamp, actions: &mut Vec<Action>) {
        let Some(environment) = self.environments.get_mut(&id) else { return };
        let target = environment.target;
        let before = std::mem::replace(&mut environment.state, State::Idle(now));
        let pool = self.pools.entry(target).or_default();
        match before {
            State::Starting => pool.starting -= 1,
            State::Busy => self.busy -= 1,
            State::Idle(since) => {
                self.by_age.remove(&(since, id));
                pool.idle.retain(|one| *one != id);
            }
            State::Retiring => {
                environment.state = State::Retiring;
                return;
            }
        }
        let was_starting = before == State::Starting;
        if let Some(waiter) = pool.waiters.pop_front() {
            self.waiting.remove(&waiter);
            environment.state = State::Busy;
            self.busy += 1;
            actions.push(Action::Assign(waiter, id));
        } else if pool.retired || (was_starting && pool.recalled > 0) {
            pool.recalled -= usize::from(was_starting && pool.recalled > 0);
            environment.state = State::Retiring;
            self.retiring += 1;
            actions.push(Action::Retire(id));
        } else {
            pool.idle.push(id);
            self.by_age.insert((now, id), target);
        }
        if was_starting {
            self.top_up(target, actions);
        }
    }

    fn gone(&mut self, id: EnvironmentId, actions: &mut Vec<Action>) {
        let Some(Environment { target, state }) = self.environments.remove(&id) else { return };
        let pool = self.pools.entry(target).or_default();
        match state {
            State::Starting => pool.starting -= 1,
            State::Busy => self.busy -= 1,
            State::Idle(since) => {
                self.by_age.remove(&(since, id));
                pool.idle.retain(|one| *one != id);
            }
            State::Retiring => self.retiring -= 1,
        }
        // Promise 7: the one that waited for this start is told; the others have their own.
        if state == State::Starting && pool.waiters.len() > pool.starting {
            let waiter = pool.waiters.pop_front().expect("there are more than none");
            self.waiting.remove(&waiter);
            actions.push(Action::Refuse(waiter, Refused::NotStarted));
        }
        self.forget_if_empty(target);
    }

    fn retired(&mut self, target: TargetId, actions: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&target) else { return };
        pool.retired = true;
        pool.provisioned = 0;
        for id in pool.idle.clone() {
            self.retire(id, actions);
        }
        self.forget_if_empty(target);
    }

    fn provisioned(&mut self, target: TargetId, count: usize, actions: &mut Vec<Action>) {
        let standing = self.standing(target);
        let pool = self.pools.entry(target).or_default();
        let before = std::mem::replace(&mut pool.provisioned, if pool.retired { 0 } else { count });
        pool.recalled = 0;
        // Only what was provisioned goes; what callers have brought about grows old as any other.
        let surplus = standing.saturating_sub(count).min(before.saturating_sub(count));
        let oldest: Vec<EnvironmentId> = pool.idle.iter().copied().take(surplus).collect();
        let unclaimed = pool.starting.saturating_sub(pool.waiters.len());
        pool.recalled = unclaimed.min(surplus - oldest.len());
        for id in oldest {
            self.retire(id, actions);
        }
        self.top_up(target, actions);
        self.forget_if_empty(target);
    }

    /// Starts what is missing of the provisioned environments of a target.
    fn top_up(&mut self, target: TargetId, actions: &mut Vec<Action>) {
        let Some(pool) = self.pools.get(&target).filter(|pool| pool.provisioned > 0) else {
            return;
        };
        let room = STARTS_MAX.saturating_sub(pool.starting);
        let missing = pool.provisioned.saturating_sub(self.standing(target));
        for _missing in 0..missing.min(room) {
            if !self.start(target, actions) {
                return;
            }
        }
    }

    /// How many environments of a target there are or will be.
    fn standing(&self, target: TargetId) -> usize {
        let of_target = |one: &&Environment| one.target == target && one.state != State::Retiring;
        self.environments.values().filter(of_target).count()
    }

    /// Whether none of a target's environments may go, because all are provisioned.
    fn keeps_all(&self, target: TargetId) -> bool {
        let provisioned = self.pools.get(&target).map_or(0, |pool| pool.provisioned);
        provisioned > 0 && self.standing(target) <= provisioned
    }

    fn tick(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        let old = |since: &Timestamp| now.millis_since(*since) >= self.limits.idle_ms_max;
        let aged: Vec<(EnvironmentId, TargetId)> = self
            .by_age
            .iter()
            .take_while(|((since, _), _)| old(since))
            .map(|((_, id), target)| (*id, *target))
            .collect();
        for (id, target) in aged {
            if !self.keeps_all(target) {
                self.retire(id, actions);
            }
        }
        let provisioned = |pool: &Pool| pool.provisioned > 0;
        let targets: Vec<TargetId> = self
            .pools
            .iter()
            .filter(|(_, pool)| provisioned(pool))
            .map(|(target, _)| *target)
            .collect();
        for target in targets {
            self.top_up(target, actions);
        }
    }

    /// Retires an idle environment.
    fn retire(&mut self, id: EnvironmentId, actions: &mut Vec<Action>) {
        let Some(environment) = self.environments.get_mut(&id) else { return };
        if let State::Idle(since) = environment.state {
            self.by_age.remove(&(since, id));
        }
        environment.state = State::Retiring;
        self.retiring += 1;
        if let Some(pool) = self.pools.get_mut(&environment.target) {
            pool.idle.retain(|one| *one != id);
        }
        actions.push(Action::Retire(id));
    }

    fn forget_if_empty(&mut self, target: TargetId) {
        let used = self.environments.values().any(|one| one.target == target);
        if let Some(pool) = self.pools.get(&target)
            && !used
            && pool.waiters.is_empty()
            && pool.provisioned == 0
        {
            self.pools.remove(&target);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn target(number: u128) -> TargetId {
        TargetId(Uuid::from_u128(number))
    }

    fn core(environments_max: usize, concurrency_max: usize) -> Core {
        Core::new(Limits { environments_max, concurrency_max, idle_ms_max: 100 })
    }

    const A: WaiterId = WaiterId(1);
    const B: WaiterId = WaiterId(2);
    const FIRST: EnvironmentId = EnvironmentId(1);
    const SECOND: EnvironmentId = EnvironmentId(2);

    #[test]
    fn provisioned_environments_stand_without_a_caller_and_do_not_age() {
        let mut core = core(3, 10);
        let (t, other) = (target(1), target(2));
        let starts = [Action::Start(FIRST, t), Action::Start(SECOND, t)];
        assert_eq!(core.step(Event::Provisioned(t, 2)), starts);
        assert_eq!(core.ready(t), 0);
        core.step(Event::Idle(FIRST, NOW));
        core.step(Event::Idle(SECOND, NOW));
        assert_eq!(core.ready(t), 2);
        assert_eq!(core.step(Event::Wanted(A, t)), [Action::Assign(A, SECOND)]);
        core.step(Event::Idle(SECOND, NOW));
        let later = NOW.plus_millis(1_000);
        assert_eq!(core.step(Event::Tick(later)), []);

        // They make no room for others, and one that is lost is started again.
        let third = EnvironmentId(3);
        assert_eq!(core.step(Event::Wanted(A, other)), [Action::Start(third, other)]);
        assert_eq!(core.step(Event::Wanted(B, other)), [Action::Refuse(B, Refused::Room)]);
        core.step(Event::Gone(third));
        core.step(Event::Gone(FIRST));
        assert_eq!(core.step(Event::Tick(later)), [Action::Start(EnvironmentId(4), t)]);

        // The one that is starting goes as soon as it stands.
        assert_eq!(core.step(Event::Provisioned(t, 0)), [Action::Retire(SECOND)]);
        let fourth = EnvironmentId(4);
        assert_eq!(core.step(Event::Idle(fourth, later)), [Action::Retire(fourth)]);
        core.step(Event::Gone(SECOND));
        core.step(Event::Gone(fourth));
        assert!(!core.knows(t));
    }

    #[test]
    fn many_are_provisioned_a_few_at_a_time_and_the_surplus_goes() {
        let mut core = core(100, 100);
        let t = target(1);
        let mut starting = core.step(Event::Provisioned(t, 10)).len();
        assert_eq!(starting, STARTS_MAX);
        let mut next = 1;
        while core.ready(t) < 10 {
            starting += core.step(Event::Idle(EnvironmentId(next), NOW)).len();
            next += 1;
        }
        assert_eq!(starting, 10, "each that stands makes room for the next");
        let given_up = core.step(Event::Provisioned(t, 3));
        let oldest: Vec<Action> = (1..=7).map(|id| Action::Retire(EnvironmentId(id))).collect();
        assert_eq!(given_up, oldest);
        assert_eq!(core.ready(t), 3);
    }

    #[test]
    fn what_is_being_torn_down_takes_no_room() {
        let mut core = core(1, 10);
        let (old, new) = (target(1), target(2));
        core.step(Event::Wanted(A, old));
        core.step(Event::Idle(FIRST, NOW));
        core.step(Event::Idle(FIRST, NOW));
        core.step(Event::Retired(old));
        assert_eq!(core.step(Event::Wanted(B, new)), [Action::Start(SECOND, new)]);
    }

    #[test]
    fn the_first_to_come_is_taken() {
        let mut core = core(10, 10);
        let t = target(1);
        assert_eq!(core.step(Event::Wanted(A, t)), [Action::Start(FIRST, t)]);
        assert_eq!(core.step(Event::Idle(FIRST, NOW)), [Action::Assign(A, FIRST)]);
        assert_eq!(core.step(Event::Wanted(B, t)), [Action::Start(SECOND, t)]);
        assert_eq!(
            core.step(Event::Idle(FIRST, NOW)),
            [Action::Assign(B, FIRST)],
            "came back first"
        );
        assert_eq!(core.step(Event::Idle(SECOND, NOW)), [], "waits for the next");
        let third = WaiterId(3);
        assert_eq!(core.step(Event::Wanted(third, t)), [Action::Assign(third, SECOND)]);
    }

    #[test]
    fn a_failed_start_fails_one_and_starts_nothing() {
        let mut core = core(10, 10);
        let t = target(1);
        core.step(Event::Wanted(A, t));
        core.step(Event::Wanted(B, t));
        let refused = [Action::Refuse(A, Refused::NotStarted)];
        assert_eq!(core.step(Event::Gone(FIRST)), refused);
        assert_eq!(core.step(Event::Idle(SECOND, NOW)), [Action::Assign(B, SECOND)]);
    }

    #[test]
    fn the_longest_idle_makes_room_and_nobody_else() {
        let mut core = core(1, 10);
        let (t, u) = (target(1), target(2));
        core.step(Event::Wanted(A, t));
        core.step(Event::Idle(FIRST, NOW));
        let refused = [Action::Refuse(B, Refused::Room)];
        assert_eq!(core.step(Event::Wanted(B, u)), refused, "the only one is busy");
        core.step(Event::Idle(FIRST, NOW));
        let moved = [Action::Retire(FIRST), Action::Start(SECOND, u)];
        assert_eq!(core.step(Event::Wanted(B, u)), moved);
    }

    #[test]
    fn idle_ones_are_retired_in_time_and_with_their_target() {
        let mut core = core(10, 10);
        let t = target(1);
        core.step(Event::Wanted(A, t));
        core.step(Event::Idle(FIRST, NOW));
        core.step(Event::Idle(FIRST, NOW));
        assert_eq!(core.step(Event::Tick(NOW.plus_millis(99))), []);
        assert_eq!(core.step(Event::Tick(NOW.plus_millis(100))), [Action::Retire(FIRST)]);
        core.step(Event::Wanted(B, t));
        core.step(Event::Idle(SECOND, NOW));
        assert_eq!(core.step(Event::Retired(t)), [], "busy ones finish");
        assert_eq!(core.step(Event::Idle(SECOND, NOW)), [Action::Retire(SECOND)]);
    }

    #[test]
    fn concurrency_is_refused_at_once() {
        let mut core = core(10, 1);
        core.step(Event::Wanted(A, target(1)));
        let refused = [Action::Refuse(B, Refused::Concurrency)];
        assert_eq!(core.step(Event::Wanted(B, target(1))), refused);
    }

    proptest! {
        /// Every waiter gets exactly one answer, environments are never handed out twice, and the
        /// limits hold, over any interleaving.
        #[test]
        fn promises_hold_over_any_order(choices in proptest::collection::vec((0u8..7, 0u8..3, any::<u16>()), 0..300)) {
            let mut core = core(4, 6);
            let mut waiting: Vec<WaiterId> = Vec::new();
            let mut live: BTreeMap<EnvironmentId, bool> = BTreeMap::new(); // true: busy
            let mut next = 0;
            let mut now = NOW;
            for (choice, which, pick) in choices {
                let pick_from = |all: Vec<EnvironmentId>| {
                    (!all.is_empty()).then(|| all[usize::from(pick) % all.len()])
                };
                now = now.plus_millis(10);
                let event = match choice {
                    0 | 1 => {
                        next += 1;
                        waiting.push(WaiterId(next));
                        Event::Wanted(WaiterId(next), target(u128::from(which)))
                    }
                    2 | 3 => match pick_from(live.keys().copied().collect()) {
                        Some(id) => {
                            live.insert(id, false);
                            Event::Idle(id, now)
                        }
                        None => continue,
                    },
                    4 => match pick_from(live.keys().copied().collect()) {
                        Some(id) => {
                            live.remove(&id);
                            Event::Gone(id)
                        }
                        None => continue,
                    },
                    5 => Event::Retired(target(u128::from(which))),
                    _ => Event::Tick(now),
                };
                for action in core.step(event) {
                    match action {
                        Action::Assign(waiter, id) => {
                            prop_assert!(waiting.contains(&waiter));
                            waiting.retain(|one| *one != waiter);
                            prop_assert_eq!(live.insert(id, true), Some(false), "was free");
                        }
                        Action::Start(id, _) => {
                            prop_assert_eq!(live.insert(id, false), None);
                        }
                        Action::Refuse(waiter, _) => {
                            prop_assert!(waiting.contains(&waiter));
                            waiting.retain(|one| *one != waiter);
                        }
                        Action::Retire(id) => prop_assert!(live.contains_key(&id)),
                    }
                }
                prop_assert!(core.busy + core.waiting.len() <= 6);
                prop_assert_eq!(core.waiting.len(), waiting.len());
                for pool in core.pools.values() {
                    prop_assert!(pool.waiters.len() <= pool.starting, "promise 3");
                }
            }
        }
    }
}
