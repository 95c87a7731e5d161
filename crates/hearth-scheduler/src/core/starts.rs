//! Which targets get the next starts: in turn, and only so many at a time.
//!
//! Many starts at once on a few processors make each of them slow, and the first environment that
//! is finished could have served the others as well. So those who wait queue for a start, and the
//! queue shrinks also by environments that come back idle.

use std::collections::{BTreeMap, VecDeque};

use hearth_environment::driver::{Health, Purpose};
use hearth_types::bucket::TokenBucket;
use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::time::Moment;

use super::{Action, Core, Environment, Refused, State};

#[derive(Debug)]
pub(super) struct Starts {
    at_a_time: usize,
    slow_ms: u64,
    /// Starts that are counted, since when.
    brisk: BTreeMap<EnvironmentId, Moment>,
    /// Targets that may have invocations without a start, each once.
    turns: VecDeque<TargetId>,
}

impl Starts {
    pub(super) fn new(at_a_time: usize, slow_ms: u64) -> Self {
        Self { at_a_time, slow_ms, brisk: BTreeMap::new(), turns: VecDeque::new() }
    }

    /// Whether another may begin.
    pub(super) fn has_place(&self) -> bool {
        self.brisk.len() < self.at_a_time
    }

    /// A target may want a start.
    pub(super) fn want(&mut self, target: TargetId) {
        if !self.turns.contains(&target) {
            self.turns.push_back(target);
        }
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
    /// There is no room for it.
    Blocked,
}

impl Core {
    /// Gives idle environments and starts to those who wait, as far as there is room.
    pub(super) fn place(&mut self, actions: &mut Vec<Action>) {
        let mut blocked = VecDeque::new();
        while let Some(target) = self.starts.turns.pop_front() {
            match self.turn(target, actions) {
                Turn::Done => {}
                Turn::More => self.starts.turns.push_back(target),
                Turn::Blocked => {
                    let patient = self.has_waited_half(target);
                    blocked.push_back(target);
                    // Room that becomes free is for whoever has waited long, however much it needs.
                    if patient {
                        break;
                    }
                }
            }
        }
        // They come first the next time.
        blocked.append(&mut self.starts.turns);
        self.starts.turns = blocked;
    }

    fn turn(&mut self, target: TargetId, actions: &mut Vec<Action>) -> Turn {
        let Some(pool) = self.pools.get(&target) else { return Turn::Done };
        let Some((waiter, _)) = pool.waiters.front().copied() else { return Turn::Done };
        if self.assign_idle(target, waiter, actions) {
            self.waiting.remove(&waiter);
            if let Some(pool) = self.pools.get_mut(&target) {
                pool.waiters.pop_front();
            }
            return Turn::More;
        }
        let Some(pool) = self.pools.get(&target) else { return Turn::Done };
        if !pool.idle.is_empty() {
            return Turn::Blocked; // There is one, and no memory for it to work.
        }
        if pool.starting >= pool.waiters.len() {
            return Turn::Done;
        }
        if pool.failing && pool.starting > 0 {
            return Turn::Blocked;
        }
        if !self.could_ever_fit(target) {
            self.waiting.remove(&waiter);
            if let Some(pool) = self.pools.get_mut(&target) {
                pool.waiters.pop_front();
            }
            actions.push(Action::Refuse(waiter, Refused::Room));
            return Turn::More;
        }
        if self.starts.has_place() && self.start(target, Purpose::OnDemand, actions) {
            return Turn::More;
        }
        Turn::Blocked
    }

    fn has_waited_half(&self, target: TargetId) -> bool {
        let half = self.limits.room_wait_ms_max / 2;
        let first = self.pools.get(&target).and_then(|pool| pool.waiters.front());
        first.is_some_and(|(_, since)| self.now.millis_since(*since) >= half)
            && self.starts.has_place()
    }

    /// Starts an environment, if there is room or room can be made.
    pub(super) fn start(
        &mut self,
        target: TargetId,
        purpose: Purpose,
        actions: &mut Vec<Action>,
    ) -> bool {
        // What is provisioned was asked for as it is, and does not count as scaling.
        let scales = purpose == Purpose::OnDemand;
        if (scales && !self.may_scale(target, 0)) || !self.make_place(target, actions) {
            return false;
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
        }
        self.starts.brisk.insert(id, self.now);
        actions.push(Action::Start(id, target, purpose));
        true
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
