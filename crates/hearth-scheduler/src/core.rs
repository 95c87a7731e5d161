//! The decisions of the scheduler, as a pure state machine.
//!
//! ```text
//!              Wanted                       Start                Idle
//!  invocation ───────▶ waits in its pool ─────────▶ environment ──────▶ idle ──▶ Assign ──▶ busy
//!                          │      ▲                                      │ ▲               │
//!                          │      └── takes whichever is free first ─────┘ └──── Idle ─────┘
//!                          └──▶ Refuse: no room in time, not started, scaled too fast
//! ```
//!
//! # Promises
//!
//! 1. A waiting invocation takes whatever comes first: an environment started for it, or one that
//!    came back idle in the meantime. Of a target's invocations the one that waits longest is
//!    served first.
//! 2. Of the idle environments of a target the youngest idle one is taken, so that the others grow
//!    old and are retired.
//! 3. No environment is started that no waiting invocation can use, beside those that are
//!    provisioned or that a habit asks for: when one is started for a caller, more invocations of
//!    its target wait than environments of it are starting, or have answered a moment ago and will
//!    be idle before a start would be done.
//! 4. No more than `environments_max` environments exist, and no more memory is committed to them
//!    than there is, beside those that are being torn down. To make room, the environments of other
//!    targets that were idle longest are retired first. Who finds no room waits for it up to
//!    `room_wait_ms_max` and is then refused. While the host is short of memory there is room only
//!    in the place of another, or for the only one.
//! 5. No more than `starts_max` environments start at a time, not counting those that take longer
//!    than `slow_start_ms`, which wait for something else than this host. Targets take turns.
//!    What was started for somebody works for one that waits before it is given up for others.
//! 6. As many environments as are provisioned for a target stand or are starting. Those are not
//!    retired for their age, nor to make room. What is missing is looked for with every tick, so a
//!    target that cannot start is not started over and over.
//! 7. A start that fails fails at most one invocation, and until one succeeds only one environment
//!    of that target starts at a time: a failure never begins a cascade.
//! 8. No function gains environments faster than the scaling rate.
//!
//! # Deliberately absent
//!
//! No clock (the time is an argument), no tasks, no environments: only their ids. How many
//! invocations there may be is decided before, in `hearth-invoke`.

mod pool;
mod room;
mod starts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use hearth_environment::driver::{Health, Offered, Purpose};
use hearth_types::bucket::{Rate, TokenBucket};
use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::time::Moment;

use crate::keep::Rules;
use pool::Pool;
use room::Room;
use starts::Starts;

/// How many provisioned environments of a target are started at a time, so that those who wait for
/// a cold start do not wait for all of them.
const PROVISIONED_STARTS_MAX: usize = 4;
/// How long after a failure a provisioned environment is tried again.
const RETRY_PROVISIONED_MS: u64 = 1_000;
/// How long an environment that has answered is waited for before another one is started: longer than
/// a runtime takes to ask for more, shorter than most starts. Extensions may take longer.
pub(crate) const ANSWERED_MS: u64 = 10;
/// How long after a shortage of memory nothing is started ahead of need.
const RECOVER_FROM_SHORT_MS: u64 = 60_000;
/// How long it is remembered that a target was retired: an invocation that was resolved before may
/// still be on its way.
const RETIRED_MS: u64 = 60_000;
/// How long something is remembered of a target that has no environments: longer than any plan.
const FORGET_MS: u64 = 24 * 3_600_000;

/// Somebody who waits for an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// A function among others, whatever its versions: what the scaling rate is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionNumber(pub u64);

/// The limits that the core keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Environments of all functions.
    pub environments_max: usize,
    /// Memory for all environments.
    pub memory_mb_max: u64,
    /// What a working environment is taken to need.
    pub commitment: Commitment,
    /// Environments that start at a time.
    pub starts_max: usize,
    /// From when on a start is not counted among those any more.
    pub slow_start_ms: u64,
    /// How long an invocation waits for room.
    pub room_wait_ms_max: u64,
    /// How long an environment may live.
    pub life_ms_max: u64,
    /// How fast a function may gain environments; `None` for as fast as the host can.
    pub scaling: Option<Rate>,
    /// How long an environment is kept without work.
    pub keep: Rules,
    /// How often everything is looked through, however often time passes.
    pub look_through_ms: u64,
}

/// What a working environment is taken to need of this host's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commitment {
    /// All that its function is configured with.
    Configured,
    /// What its target has been seen to need, and a margin; all until it has been seen.
    Measured,
}

/// What is needed for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Whose version it is.
    pub function: FunctionNumber,
    /// Its configured memory.
    pub memory_mb: u32,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An invocation wants an environment of a target.
    Wanted(WaiterId, TargetId, Needs),
    /// A waiter has gone away.
    Abandoned(WaiterId),
    /// An environment is free.
    Idle(EnvironmentId, Offered),
    /// An environment has answered its invocation, and is free as soon as its runtime and its
    /// extensions have asked for more.
    Answered(EnvironmentId),
    /// An environment has failed at work. What is inside is being ended, and then it is free.
    Resetting(EnvironmentId),
    /// An environment that was assigned is free, because nobody took it.
    Returned(EnvironmentId),
    /// An environment is gone.
    Gone(EnvironmentId),
    /// A target will not be invoked any more.
    Retired(TargetId),
    /// So many environments of a target are to be kept.
    Provisioned(TargetId, Needs, usize),
    /// Time has passed. The host says whether it is short of memory.
    Tick(Pressure),
    /// Nothing is started any more, and nobody waits any more: they were told.
    Closed,
}

/// Whether the host has memory left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressure {
    /// It has.
    None,
    /// It is short of it: what is waited for is started in the place of another, nothing else is
    /// started, and the longest idle go.
    Short,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Give the environment to the waiter.
    Assign(WaiterId, EnvironmentId),
    /// Start an environment of the target.
    Start(EnvironmentId, TargetId, Purpose),
    /// Retire the environment.
    Retire(EnvironmentId),
    /// Tell the waiter that it gets none.
    Refuse(WaiterId, Refused),
}

/// Why a waiter gets no environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No room for another environment in the time that one may wait for it.
    Room,
    /// The function gains environments faster than it may.
    Scaling,
    /// The environment that was started for it could not be made.
    NotStarted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Idle(Moment),
    Busy,
    /// Will be idle soon, so whoever waits need not have another started.
    Resetting,
    Retiring,
}

#[derive(Debug)]
struct Environment {
    target: TargetId,
    state: State,
    born: Moment,
    health: Health,
    /// What is set aside for it.
    committed_mb: u64,
}

/// What the scheduler knows.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    now: Moment,
    next: u64,
    environments: HashMap<EnvironmentId, Environment>,
    /// In order, so that the same events always lead to the same actions.
    pools: BTreeMap<TargetId, Pool>,
    /// Idle environments of all targets, the longest idle first.
    by_age: BTreeSet<(Moment, EnvironmentId)>,
    waiting: HashMap<WaiterId, TargetId>,
    room: Room,
    starts: Starts,
    /// How much of its scaling rate each function has left; absent where it is all of it.
    scaling: HashMap<FunctionNumber, TokenBucket>,
    /// When the host was last short of memory.
    short: Option<Moment>,
    /// When everything was last looked through.
    looked_through: Option<Moment>,
    /// Targets that were retired lately, and when.
    retired_lately: HashMap<TargetId, Moment>,
    /// Targets that nothing is remembered of any more, for whoever remembers more.
    forgotten: Vec<TargetId>,
    closed: bool,
}

/// How many environments there are of something, by what they are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Being built, or loading their function.
    pub starting: usize,
    /// Waiting for work.
    pub idle: usize,
    /// At work.
    pub busy: usize,
    /// Being torn down.
    pub retiring: usize,
    /// Invocations that wait.
    pub waiting: usize,
}

/// What is the case with one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetFigures {
    /// Which one.
    pub target: TargetId,
    /// Its environments.
    pub census: Census,
    /// How many are kept because that was asked for.
    pub provisioned: usize,
    /// How long one without work is kept after the last work.
    pub keep_ms: u64,
}

/// What is the case with this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFigures {
    /// All environments.
    pub census: Census,
    /// Memory that is set aside for them.
    pub committed_mb: u64,
    /// The limits.
    pub limits: Limits,
}

impl Core {
    /// A scheduler without environments.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            now: Moment::default(),
            next: 1,
            environments: HashMap::new(),
            pools: BTreeMap::new(),
            by_age: BTreeSet::new(),
            waiting: HashMap::new(),
            room: Room::new(limits.memory_mb_max),
            starts: Starts::new(limits.starts_max, limits.slow_start_ms),
            scaling: HashMap::new(),
            short: None,
            looked_through: None,
            retired_lately: HashMap::new(),
            forgotten: Vec::new(),
            closed: false,
        }
    }

    /// Takes a step. Returns what is to be done, in order. A `now` that is earlier than the one
    /// before counts as the same.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        let mut actions = Vec::new();
        match event {
            Event::Wanted(waiter, target, needs) => {
                if self.wanted(waiter, (target, needs), &mut actions) {
                    return actions; // The warm way: nothing else can have changed.
                }
            }
            Event::Answered(id) => {
                self.answered(id);
                return actions; // Nothing is free yet.
            }
            Event::Abandoned(waiter) => self.abandoned(waiter),
            Event::Idle(id, offered) => self.idle(id, offered, &mut actions),
            Event::Resetting(id) => self.resetting(id),
            Event::Returned(id) => self.returned(id, &mut actions),
            Event::Gone(id) => self.gone(id, &mut actions),
            Event::Retired(target) => self.retired(target, &mut actions),
            Event::Provisioned(target, needs, count) => {
                self.provisioned((target, needs), count, &mut actions);
            }
            Event::Tick(pressure) => self.tick(pressure, &mut actions),
            Event::Closed => self.close(),
        }
        self.place(&mut actions);
        if let Event::Idle(id, _) = event
            && let Some(target) = self.environments.get(&id).map(|one| one.target)
        {
            // Behind those who wait.
            self.top_up(target, &mut actions);
        }
        actions
    }

    /// Whether anything is remembered of a target, such as how to start one.
    #[must_use]
    pub fn knows(&self, target: TargetId) -> bool {
        self.pools.contains_key(&target)
    }

    /// The targets that were forgotten since this was last asked.
    pub fn take_forgotten(&mut self) -> Vec<TargetId> {
        std::mem::take(&mut self.forgotten)
    }

    /// How many environments of a target have been started, and are idle or at work with their
    /// runtime up.
    #[must_use]
    pub fn ready(&self, target: TargetId) -> usize {
        let Some(pool) = self.pools.get(&target) else { return 0 };
        let failed = |id: &&EnvironmentId| {
            self.environments.get(id).is_some_and(|one| one.health == Health::Failed)
        };
        pool.busy + pool.idle.len() - pool.idle.iter().filter(failed).count()
    }

    /// Whether environments of a target stand whose runtime could not load the function.
    #[must_use]
    pub fn broken(&self, target: TargetId) -> bool {
        let Some(pool) = self.pools.get(&target) else { return false };
        let failed = |id: &EnvironmentId| {
            self.environments.get(id).is_some_and(|one| one.health == Health::Failed)
        };
        pool.idle.iter().any(failed)
    }

    /// How many environments there are, in whatever state.
    #[must_use]
    pub fn environments(&self) -> usize {
        self.environments.len()
    }

    /// Whether a decision may become due before the next event: then ticks should come soon.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether the next who wants a target's environment would get one that has answered, and none
    /// that is being started.
    #[must_use]
    pub fn comes_back(&self, now: Moment, target: TargetId) -> bool {
        let pool = self.pools.get(&target);
        pool.is_some_and(|pool| pool.starting == 0 && pool.answered(now) > pool.waiters.len())
    }

    /// Whether somebody waits for an environment that has answered: then they should come very soon.
    #[must_use]
    pub fn waits_for_answered(&self) -> bool {
        let answered =
            |target| self.pools.get(target).is_some_and(|pool| pool.answered(self.now) > 0);
        self.waiting.values().any(answered)
    }

    /// What is the case with this host.
    #[must_use]
    pub fn host(&self) -> HostFigures {
        let sum = |all: Census, one: Census| Census {
            starting: all.starting + one.starting,
            idle: all.idle + one.idle,
            busy: all.busy + one.busy,
            retiring: all.retiring + one.retiring,
            waiting: all.waiting + one.waiting,
        };
        let census = self.pools.values().map(Pool::census).fold(Census::default(), sum);
        HostFigures { census, committed_mb: self.room.committed_mb(), limits: self.limits }
    }

    /// What is the case with each target that anything is remembered of.
    pub fn targets(&self) -> impl Iterator<Item = TargetFigures> {
        self.pools.iter().map(|(target, pool)| TargetFigures {
            target: *target,
            census: pool.census(),
            provisioned: pool.provisioned,
            keep_ms: pool.habit.plan().release_ms.max(pool.habit.plan().again_ms.1),
        })
    }

    fn pool(&mut self, target: TargetId, needs: Needs) -> &mut Pool {
        let keep = self.limits.keep;
        let retired = self.retired_lately.contains_key(&target);
        self.pools.entry(target).or_insert_with(|| Pool {
            // Whoever was on the way here is served, and nothing is kept for others.
            retired,
            ..Pool::new(needs, keep)
        })
    }

    /// Takes an invocation in. Returns whether it has an environment already.
    fn wanted(
        &mut self,
        waiter: WaiterId,
        (target, needs): (TargetId, Needs),
        actions: &mut Vec<Action>,
    ) -> bool {
        let now = self.now;
        let pool = self.pool(target, needs);
        let at_a_time = u32::try_from(pool.busy + pool.waiters.len() + 1).unwrap_or(u32::MAX);
        pool.habit.came(now, at_a_time);
        if pool.waiters.is_empty() && self.assign_idle(target, waiter, actions) {
            return true;
        }
        let pool = self.pool(target, needs);
        let others = pool.waiters.len().saturating_sub(pool.starting);
        // To wait for one that has answered is better than to be refused, however long it takes.
        let comes_back = pool.answered_at.len() > pool.waiters.len();
        // One that is idle and has no memory to work is waited for, and not started again.
        if pool.idle.is_empty() && !comes_back && !self.may_scale(target, others) {
            actions.push(Action::Refuse(waiter, Refused::Scaling));
            return false;
        }
        let pool = self.pool(target, needs);
        pool.waiters.push_back((waiter, now));
        self.starts.want(target);
        self.waiting.insert(waiter, target);
        false
    }

    fn abandoned(&mut self, waiter: WaiterId) {
        let Some(target) = self.waiting.remove(&waiter) else { return };
        if let Some(pool) = self.pools.get_mut(&target) {
            pool.waiters.retain(|(one, _)| *one != waiter);
        }
        self.forget_if_retired(target);
    }

    fn idle(&mut self, id: EnvironmentId, offered: Offered, actions: &mut Vec<Action>) {
        let now = self.now;
        let Some(environment) = self.environments.get_mut(&id) else { return };
        let target = environment.target;
        let Some(pool) = self.pools.get_mut(&target) else { return };
        let before = environment.state;
        match before {
            State::Starting => {
                pool.starting -= 1;
                pool.at_leisure.retain(|one| *one != id);
                pool.failing = false;
                self.starts.ended(id);
            }
            State::Resetting => {
                pool.starting -= 1;
                pool.at_leisure.retain(|one| *one != id);
                self.starts.ended(id);
            }
            State::Busy => {
                pool.busy -= 1;
                pool.forget_answered(id);
                pool.habit.ended(now);
                // What loading took says nothing about what work takes.
                pool.peak_mb = pool.peak_mb.max(offered.used_mb);
            }
            State::Idle(since) => {
                self.by_age.remove(&(since, id));
                pool.idle.retain(|one| *one != id);
            }
            State::Retiring => return,
        }
        environment.health = offered.health;
        environment.state = State::Idle(now);
        pool.idle.push(id);
        self.by_age.insert((now, id));
        let was_starting = before == State::Starting;
        if !pool.waiters.is_empty() {
            if was_starting || before == State::Resetting {
                self.starts.want_first(target);
            } else {
                self.starts.want(target);
            }
        }
        let recalled = was_starting && pool.recalled > 0 && pool.waiters.is_empty();
        pool.recalled -= usize::from(recalled);
        let retired = pool.retired && pool.waiters.is_empty();
        self.set_aside_for_idle(id, offered.used_mb);
        // One that has just been started is never too old, or starting would never end.
        let (Some(environment), Some(pool)) = (self.environments.get(&id), self.pools.get(&target))
        else {
            return;
        };
        let old = !was_starting && self.has_lived(environment) && !pool.is_replacing();
        if old || recalled || retired {
            self.retire(id, actions);
        }
    }

    /// Sets aside what an idle environment has: it is frozen and cannot grow. Those that are
    /// provisioned shall be able to work at any time, and of one that cannot be measured nothing is
    /// known.
    fn set_aside_for_idle(&mut self, id: EnvironmentId, used_mb: u32) {
        let Some(target) = self.environments.get(&id).map(|one| one.target) else { return };
        let needed = self.commitment_mb(target);
        let keeps_all = self.pools.get(&target).is_some_and(Pool::keeps_all);
        let Some(pool) = self.pools.get(&target) else { return };
        let has = u64::from(used_mb.min(pool.needs.memory_mb));
        let Some(environment) = self.environments.get_mut(&id) else { return };
        self.room.change(&mut environment.committed_mb, has);
        if keeps_all || used_mb == 0 {
            self.room.raise(&mut environment.committed_mb, needed);
        }
    }

    fn answered(&mut self, id: EnvironmentId) {
        let Some(environment) = self.environments.get(&id) else { return };
        let Some(pool) = self.pools.get_mut(&environment.target) else { return };
        if environment.state == State::Busy {
            pool.note_answered(id, self.now);
        }
    }

    fn resetting(&mut self, id: EnvironmentId) {
        let Some(environment) = self.environments.get_mut(&id) else { return };
        let Some(pool) = self.pools.get_mut(&environment.target) else { return };
        if environment.state != State::Busy {
            return;
        }
        environment.state = State::Resetting;
        pool.busy -= 1;
        pool.forget_answered(id);
        pool.starting += 1;
        pool.at_leisure.push(id);
        pool.habit.ended(self.now);
        self.starts.began(id, self.now);
    }

    fn returned(&mut self, id: EnvironmentId, actions: &mut Vec<Action>) {
        let Some(environment) = self.environments.get(&id) else { return };
        // It has not worked, so what was known of it holds.
        let used_mb = self.pools.get(&environment.target).map_or(0, |pool| pool.peak_mb);
        self.idle(id, Offered { used_mb, health: environment.health }, actions);
    }

    fn gone(&mut self, id: EnvironmentId, actions: &mut Vec<Action>) {
        let Some(environment) = self.environments.remove(&id) else { return };
        let Environment { target, state, mut committed_mb, .. } = environment;
        self.room.change(&mut committed_mb, 0);
        let Some(pool) = self.pools.get_mut(&target) else { return };
        match state {
            State::Starting => {
                pool.starting -= 1;
                pool.at_leisure.retain(|one| *one != id);
                pool.recalled = pool.recalled.min(pool.starting);
                pool.failing = true;
                pool.failed = Some(self.now);
                self.starts.ended(id);
            }
            State::Resetting => {
                pool.starting -= 1;
                pool.at_leisure.retain(|one| *one != id);
                self.starts.ended(id);
            }
            State::Busy => {
                pool.busy -= 1;
                pool.forget_answered(id);
                pool.habit.ended(self.now);
            }
            State::Idle(since) => {
                self.by_age.remove(&(since, id));
                pool.idle.retain(|one| *one != id);
            }
            State::Retiring => {
                pool.retiring -= 1;
                self.room.retiring -= 1;
            }
        }
        // Promise 7: one of those that have no other start is told.
        if state == State::Starting
            && pool.waiters.len() > pool.starting
            && let Some((waiter, _)) = pool.waiters.pop_front()
        {
            self.waiting.remove(&waiter);
            actions.push(Action::Refuse(waiter, Refused::NotStarted));
        }
        self.starts.want(target);
        self.forget_if_retired(target);
    }

    fn retired(&mut self, target: TargetId, actions: &mut Vec<Action>) {
        self.retired_lately.insert(target, self.now);
        let Some(pool) = self.pools.get_mut(&target) else { return };
        pool.retired = true;
        pool.provisioned = 0;
        for id in pool.idle.clone() {
            self.retire(id, actions);
        }
        self.forget_if_retired(target);
    }

    fn tick(&mut self, pressure: Pressure, actions: &mut Vec<Action>) {
        self.starts.note_slow(self.now);
        self.refuse_the_patient(actions);
        self.room.pressure = pressure;
        if self
            .looked_through
            .is_some_and(|at| self.now.millis_since(at) < self.limits.look_through_ms)
        {
            return;
        }
        self.looked_through = Some(self.now);
        self.retire_the_old(actions);
        self.give_up_what_is_too_much(actions);
        if pressure == Pressure::Short {
            self.short = Some(self.now);
            if let Some(oldest) = self.oldest_spare() {
                self.retire(oldest, actions);
            }
        }
        // Those who wait go first.
        self.place(actions);
        let targets: Vec<TargetId> = self.pools.keys().copied().collect();
        for target in targets {
            self.top_up(target, actions);
            self.start_ahead(target, actions);
            self.forget_if_unused(target);
        }
        let now = self.now;
        self.retired_lately.retain(|_, at| now.millis_since(*at) < RETIRED_MS);
        if let Some(rate) = self.limits.scaling {
            self.scaling.retain(|_, bucket| bucket.tokens(rate, now) < rate.capacity);
        }
    }

    fn close(&mut self) {
        self.closed = true;
        self.waiting.clear();
        for pool in self.pools.values_mut() {
            pool.waiters.clear();
        }
    }

    /// Retires an idle environment.
    fn retire(&mut self, id: EnvironmentId, actions: &mut Vec<Action>) {
        let Some(environment) = self.environments.get_mut(&id) else { return };
        let Some(pool) = self.pools.get_mut(&environment.target) else { return };
        if let State::Idle(since) = environment.state {
            self.by_age.remove(&(since, id));
            pool.idle.retain(|one| *one != id);
        }
        environment.state = State::Retiring;
        self.room.change(&mut environment.committed_mb, 0);
        self.room.retiring += 1;
        pool.retiring += 1;
        actions.push(Action::Retire(id));
    }

    fn forget_if_retired(&mut self, target: TargetId) {
        if self.pools.get(&target).is_some_and(|pool| pool.retired && pool.is_empty()) {
            self.forget(target);
        }
    }

    fn forget_if_unused(&mut self, target: TargetId) {
        let Some(pool) = self.pools.get(&target) else { return };
        let long_ago = pool.habit.elapsed_ms(self.now).is_none_or(|elapsed| elapsed >= FORGET_MS);
        if pool.is_empty() && (pool.retired || long_ago) {
            self.forget(target);
        }
    }

    fn forget(&mut self, target: TargetId) {
        self.pools.remove(&target);
        self.forgotten.push(target);
    }
}
