//! Which targets get the next starts: in turn, and only so many at a time.
//!
//! Many starts at once on a few processors make each of them slow, and the first environment that
//! is finished could have served the others as well. So those who wait queue for a start, and the
//! queue shrinks also by environments that come back idle.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use hearth_environment::driver::{Health, Purpose};
use hearth_types::bucket::TokenBucket;
use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::time::Moment;

use super::pool::Pool;
use super::{Action, Core, Environment, Refused, State, WaiterId};

#[derive(Debug)]
pub(super) struct Starts {
    at_a_time: usize,
    slow_ms: u64,
    /// Starts that are counted, since when.
    brisk: BTreeMap<EnvironmentId, Moment>,
    /// Targets that may have invocations without a start, each once.
    turns: VecDeque<TargetId>,
    queued: HashSet<TargetId>,
}

impl Starts {
    pub(super) fn new(at_a_time: usize, slow_ms: u64) -> Self {
        let (brisk, turns, queued) = Default::default();
        Self { at_a_time, slow_ms, brisk, turns, queued }
    }

    /// Whether another may begin.
    pub(super) fn has_place(&self) -> bool {
        self.brisk.len() < self.at_a_time
    }

    /// Whether another may begin that nobody waits for, while somebody waits for others.
    pub(super) fn has_place_beside_callers(&self) -> bool {
        self.brisk.len() < self.at_a_time / 2
    }

    /// A target may want a start.
    pub(super) fn want(&mut self, target: TargetId) {
        if self.queued.insert(target) {
            self.turns.push_back(target);
        }
    }

    /// What a target waited for has come: it has its turn before the others, who would take it away to
    /// have room for what they wait for.
    pub(super) fn want_first(&mut self, target: TargetId) {
        self.turns.retain(|one| *one != target);
        self.queued.insert(target);
        self.turns.push_front(target);
    }

    fn next(&mut self) -> Option<TargetId> {
        let target = self.turns.pop_front()?;
        self.queued.remove(&target);
        Some(target)
    }

    /// A target lets the others go first.
    fn yield_turn(&mut self, target: TargetId) {
        self.turns.retain(|one| *one != target);
        self.queued.remove(&target);
        self.want(target);
    }

    pub(super) fn began(&mut self, id: EnvironmentId, now: Moment) {
        self.brisk.insert(id, now);
    }

    pub(super) fn ended(&mut self, id: EnvironmentId) {
        self.brisk.remove(&id);
    }

    /// Those that take long wait for something else than a processor.
    pub(super) fn note_slow(&mut self, now: Moment) {
        let slow_ms = self.slow_ms;
        self.brisk.retain(|_, since| now.millis_since(*since) < slow_ms);
    }
}

/// What came of a target's turn.
enum Turn {
    /// It has all that it wants.
    Done,
    /// It was given something and wants more.
    More,
    /// It waits for its turn to start something, or for a start of its own.
    Waits,
    /// There is no room for it.
    NoRoom,
}

/// What came of an attempt to start an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    Yes,
    /// Not now, whatever room there is.
    NotNow,
    NoRoom,
}

/// Whether environments may be started for those whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Starting {
    Allowed,
    /// The room is for somebody who has waited longer.
    Held,
}

impl Core {
    /// Gives idle environments and starts to those who wait, as far as there is room.
    pub(super) fn place(&mut self, actions: &mut Vec<Action>) {
        let mut left = VecDeque::new();
        let mut starting = Starting::Allowed;
        while let Some(target) = self.starts.next() {
            match self.turn(target, starting, actions) {
                Turn::Done => {}
                Turn::More => self.starts.want(target),
                Turn::Waits => left.push_back(target),
                Turn::NoRoom => {
                    // Room that becomes free is for whoever has waited long, however much it needs.
                    if self.has_waited_half(target) {
                        starting = Starting::Held;
                    }
                    left.push_back(target);
                }
            }
        }
        // In this order the next time.
        for target in left {
            self.starts.want(target);
        }
    }

    fn turn(&mut self, target: TargetId, starting: Starting, actions: &mut Vec<Action>) -> Turn {
        let Some(pool) = self.pools.get(&target) else { return Turn::Done };
        let Some((waiter, _)) = pool.waiters.front().copied() else { return Turn::Done };
        if self.assign_idle(target, waiter, actions) {
            self.no_longer_waits(target, waiter);
            return Turn::More;
        }
        let Some(pool) = self.pools.get(&target) else { return Turn::Done };
        if !pool.idle.is_empty() {
            return Turn::NoRoom; // There is one, and no memory for it to work.
        }
        let coming = self.coming(pool);
        if coming >= pool.waiters.len() {
            return Turn::Done;
        }
        if starting == Starting::Held || !self.starts.has_place() || (pool.failing && coming > 0) {
            return Turn::Waits;
        }
        if !self.could_ever_fit(target) {
            self.no_longer_waits(target, waiter);
            actions.push(Action::Refuse(waiter, Refused::Room));
            return Turn::More;
        }
        match self.start(target, Purpose::OnDemand, actions) {
            Started::Yes => Turn::More,
            Started::NotNow => Turn::Waits,
            Started::NoRoom => Turn::NoRoom,
        }
    }

    fn no_longer_waits(&mut self, target: TargetId, waiter: WaiterId) {
        self.waiting.remove(&waiter);
        if let Some(pool) = self.pools.get_mut(&target) {
            pool.waiters.retain(|(one, _)| *one != waiter);
        }
    }

    /// How many environments of a target are on their way to those who wait. One that is provisioned,
    /// or is being reset, may take its time, so it counts only while it is quick; so does one that
    /// has answered.
    pub(super) fn coming(&self, pool: &Pool) -> usize {
        let slow = |id: &&EnvironmentId| !self.starts.brisk.contains_key(id);
        let starting = pool.starting - pool.at_leisure.iter().filter(slow).count();
        starting + pool.answered(self.now)
    }

    fn has_waited_half(&self, target: TargetId) -> bool {
        let half = self.limits.room_wait_ms_max / 2;
        let Some(pool) = self.pools.get(&target) else { return false };
        // Those before it have a start of their own.
        let first = pool.waiters.get(self.coming(pool));
        first.is_some_and(|(_, since)| self.now.millis_since(*since) >= half)
    }

    /// Refuses those who have waited as long as they may without an environment on its way.
    pub(super) fn refuse_the_patient(&mut self, actions: &mut Vec<Action>) {
        let longest = self.limits.room_wait_ms_max;
        let targets: BTreeSet<TargetId> = self.waiting.values().copied().collect();
        for target in targets {
            // A start that turned out to be slow may have left somebody without one.
            self.starts.want(target);
            while let Some(pool) = self.pools.get(&target)
                && let Some((waiter, since)) = pool.waiters.get(self.coming(pool)).copied()
                && self.now.millis_since(since) >= longest
            {
                let why = if pool.failing {
                    Refused::NotStarted
                } else if self.fits(target) && !self.may_scale(target, 0) {
                    Refused::Scaling
                } else {
                    Refused::Room
                };
                self.no_longer_waits(target, waiter);
                self.starts.yield_turn(target);
                actions.push(Action::Refuse(waiter, why));
            }
        }
    }

    /// Starts an environment, if there is room or room can be made.
    pub(super) fn start(
        &mut self,
        target: TargetId,
        purpose: Purpose,
        actions: &mut Vec<Action>,
    ) -> Started {
        // What is provisioned was asked for as it is, and does not count as scaling.
        let scales = purpose == Purpose::OnDemand;
        if self.closed || (scales && !self.may_scale(target, 0)) {
            return Started::NotNow;
        }
        if !self.make_place(target, actions) {
            return Started::NoRoom;
        }
        if scales {
            self.take_scaling(target);
        }
        let id = EnvironmentId(self.next);
        self.next += 1;
        let mut environment = Environment {
            target,
            state: State::Starting,
            born: self.now,
            health: Health::Ready,
            committed_mb: 0,
        };
        let needed = self.commitment_mb(target);
        self.room.change(&mut environment.committed_mb, needed);
        self.environments.insert(id, environment);
        if let Some(pool) = self.pools.get_mut(&target) {
            pool.starting += 1;
            if purpose == Purpose::Provisioned {
                pool.at_leisure.push(id);
            }
        }
        self.starts.began(id, self.now);
        actions.push(Action::Start(id, target, purpose));
        Started::Yes
    }

    /// Whether a function may gain an environment beside so many that it will: promise 8.
    pub(super) fn may_scale(&self, target: TargetId, beside: usize) -> bool {
        let (Some(rate), Some(pool)) = (self.limits.scaling, self.pools.get(&target)) else {
            return true;
        };
        let bucket = self.scaling.get(&pool.needs.function);
        let tokens = bucket.map_or(rate.capacity, |bucket| bucket.tokens(rate, self.now));
        tokens > u64::try_from(beside).unwrap_or(u64::MAX)
    }

    fn take_scaling(&mut self, target: TargetId) {
        let (Some(rate), Some(pool)) = (self.limits.scaling, self.pools.get(&target)) else {
            return;
        };
        let full = || TokenBucket::full(rate, self.now);
        let bucket = self.scaling.entry(pool.needs.function).or_insert_with(full);
        bucket.take(rate, self.now).expect("it was looked at before");
    }
}
