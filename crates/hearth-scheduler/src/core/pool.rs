//! What the core knows of one target, and which of its environments are kept.

use std::collections::VecDeque;

use hearth_environment::driver::{Health, Purpose};
use hearth_types::ids::{EnvironmentId, TargetId};
use hearth_types::time::Moment;

use super::starts::Started;
use super::{
    ANSWERED_MS, Action, Census, Core, Environment, Needs, PROVISIONED_STARTS_MAX, Pressure,
    RECOVER_FROM_SHORT_MS, RETRY_PROVISIONED_MS, State, WaiterId,
};
use crate::keep::{Habit, Rules};

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) needs: Needs,
    /// The youngest idle one last.
    pub(super) idle: Vec<EnvironmentId>,
    pub(super) starting: usize,
    /// Those among them that nobody waits for: to be kept, or being reset.
    pub(super) at_leisure: Vec<EnvironmentId>,
    pub(super) busy: usize,
    /// Those among the busy that have answered, and when.
    pub(super) answered_at: Vec<(EnvironmentId, Moment)>,
    pub(super) retiring: usize,
    /// Those who wait, and since when. The longest first.
    pub(super) waiters: VecDeque<(WaiterId, Moment)>,
    /// How many environments are to be kept.
    pub(super) provisioned: usize,
    /// How many of those that are starting are not wanted any more.
    pub(super) recalled: usize,
    pub(super) retired: bool,
    /// Whether the last start failed, and when.
    pub(super) failing: bool,
    pub(super) failed: Option<Moment>,
    /// The most memory that an environment of it was seen to use for work.
    pub(super) peak_mb: u32,
    pub(super) habit: Habit,
}

impl Pool {
    pub(super) fn new(needs: Needs, keep: Rules) -> Self {
        Self {
            needs,
            idle: Vec::new(),
            starting: 0,
            at_leisure: Vec::new(),
            busy: 0,
            answered_at: Vec::new(),
            retiring: 0,
            waiters: VecDeque::new(),
            provisioned: 0,
            recalled: 0,
            retired: false,
            failing: false,
            failed: None,
            peak_mb: 0,
            habit: Habit::new(keep),
        }
    }

    /// How many environments there are or will be.
    pub(super) fn standing(&self) -> usize {
        self.idle.len() + self.starting + self.busy
    }

    /// Whether none of its environments may go, because all are provisioned.
    pub(super) fn keeps_all(&self) -> bool {
        self.provisioned > 0 && self.standing() <= self.provisioned
    }

    /// Whether provisioned environments go at the end of their life one at a time, and one has gone.
    pub(super) fn is_replacing(&self) -> bool {
        self.provisioned > 0 && (self.starting > 0 || self.standing() < self.provisioned)
    }

    /// An environment has answered.
    pub(super) fn note_answered(&mut self, id: EnvironmentId, now: Moment) {
        self.forget_answered(id);
        self.answered_at.push((id, now));
    }

    /// An environment is not busy any more.
    pub(super) fn forget_answered(&mut self, id: EnvironmentId) {
        self.answered_at.retain(|(one, _)| *one != id);
    }

    /// How many have answered so lately that they are worth waiting for.
    pub(super) fn answered(&self, now: Moment) -> usize {
        let lately = |at: &Moment| now.millis_since(*at) < ANSWERED_MS;
        self.answered_at.iter().filter(|(_, at)| lately(at)).count()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.standing() + self.retiring == 0 && self.waiters.is_empty() && self.provisioned == 0
    }

    pub(super) fn census(&self) -> Census {
        Census {
            starting: self.starting,
            idle: self.idle.len(),
            busy: self.busy,
            retiring: self.retiring,
            waiting: self.waiters.len(),
        }
    }
}

impl Core {
    pub(super) fn provisioned(
        &mut self,
        (target, needs): (TargetId, Needs),
        count: usize,
        actions: &mut Vec<Action>,
    ) {
        let pool = self.pool(target, needs);
        let standing = pool.standing();
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
        self.set_idle_aside(target);
        self.top_up(target, actions);
        self.forget_if_unused(target);
    }

    /// Sets aside for idle environments that are provisioned what they will need, as far as there is
    /// room: they shall be able to work at any time.
    fn set_idle_aside(&mut self, target: TargetId) {
        let needed = self.commitment_mb(target);
        let Some(pool) = self.pools.get(&target) else { return };
        if !pool.keeps_all() {
            return;
        }
        for id in &pool.idle {
            if let Some(environment) = self.environments.get_mut(id) {
                self.room.raise(&mut environment.committed_mb, needed);
            }
        }
    }

    /// Starts what is missing of the provisioned environments of a target.
    pub(super) fn top_up(&mut self, target: TargetId, actions: &mut Vec<Action>) {
        let Some(pool) = self.pools.get(&target).filter(|pool| pool.provisioned > 0) else {
            return;
        };
        let just_failed =
            pool.failed.is_some_and(|at| self.now.millis_since(at) < RETRY_PROVISIONED_MS);
        if self.room.pressure == Pressure::Short || (pool.failing && just_failed) {
            return;
        }
        let at_a_time = if pool.failing { 1 } else { PROVISIONED_STARTS_MAX };
        let missing = pool.provisioned.saturating_sub(pool.standing());
        for _missing in 0..missing.min(at_a_time.saturating_sub(pool.starting)) {
            let has_place = if self.is_waited_for() {
                self.starts.has_place_beside_callers()
            } else {
                self.starts.has_place()
            };
            if !has_place || self.start(target, Purpose::Provisioned, actions) != Started::Yes {
                return;
            }
        }
    }

    /// Starts environments that a habit asks for, where that costs nobody anything.
    pub(super) fn start_ahead(&mut self, target: TargetId, actions: &mut Vec<Action>) {
        let Some(pool) = self.pools.get(&target) else { return };
        let due = pool.habit.elapsed_ms(self.now).is_some_and(|ms| pool.habit.plan().starts(ms));
        // For a while after the host was short of memory what is started would soon be given up.
        let was_short =
            self.short.is_some_and(|at| self.now.millis_since(at) < RECOVER_FROM_SHORT_MS);
        if !due || pool.retired || pool.failing || was_short {
            return;
        }
        let crowd = usize::try_from(pool.habit.crowd()).unwrap_or(usize::MAX);
        for _missing in pool.standing()..crowd {
            // Neither room nor starts are taken from anybody who waits.
            if self.is_waited_for() || !self.fits(target) || !self.starts.has_place() {
                return;
            }
            if self.start(target, Purpose::OnDemand, actions) != Started::Yes {
                return;
            }
        }
    }

    /// Retires idle environments that have lived or waited long enough.
    pub(super) fn retire_the_old(&mut self, actions: &mut Vec<Action>) {
        let aged: Vec<(Moment, EnvironmentId)> = self.by_age.iter().copied().collect();
        for (since, id) in aged {
            let Some(environment) = self.environments.get(&id) else { continue };
            let Some(pool) = self.pools.get(&environment.target) else { continue };
            let target = environment.target;
            let lived = self.has_lived(environment) && !pool.is_replacing();
            if lived || (!pool.keeps_all() && !self.is_kept(pool, since)) {
                self.retire(id, actions);
                self.top_up(target, actions);
            }
        }
    }

    pub(super) fn has_lived(&self, environment: &Environment) -> bool {
        self.now.millis_since(environment.born) >= self.limits.life_ms_max
    }

    fn is_kept(&self, pool: &Pool, since: Moment) -> bool {
        let idle_ms = self.now.millis_since(since);
        let Some(elapsed) = pool.habit.elapsed_ms(self.now) else {
            return idle_ms < self.limits.keep.idle_ms; // Nobody has ever called it.
        };
        // The youngest few are what the habit asks for; the others are what a crowd left behind.
        let crowd = usize::try_from(pool.habit.crowd()).unwrap_or(usize::MAX);
        let oldest_kept = pool.idle.len().checked_sub(crowd).and_then(|older| pool.idle.get(older));
        let is_left_behind = oldest_kept
            .and_then(|id| self.environments.get(id))
            .is_some_and(|one| matches!(one.state, State::Idle(kept) if since < kept));
        if pool.busy > 0 || is_left_behind {
            return idle_ms < self.limits.keep.idle_ms
                && (pool.busy > 0 || pool.habit.plan().keeps(elapsed));
        }
        pool.habit.plan().keeps(elapsed)
    }

    /// The environment that was idle longest and may go.
    pub(super) fn oldest_spare(&self) -> Option<EnvironmentId> {
        self.by_age.iter().map(|(_, id)| *id).find(|id| {
            let pool = self.environments.get(id).and_then(|one| self.pools.get(&one.target));
            pool.is_some_and(|pool| !pool.keeps_all())
        })
    }

    /// Gives the youngest idle environment of a target to a waiter, if there is one and room for
    /// it to work.
    pub(super) fn assign_idle(
        &mut self,
        target: TargetId,
        waiter: WaiterId,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(id) = self.pools.get(&target).and_then(|pool| self.youngest(pool)) else {
            return false;
        };
        if !self.make_room(id, actions) {
            return false;
        }
        let needed = self.commitment_mb(target);
        let (Some(environment), Some(pool)) =
            (self.environments.get_mut(&id), self.pools.get_mut(&target))
        else {
            return false;
        };
        if let State::Idle(since) = environment.state {
            self.by_age.remove(&(since, id));
        }
        if pool.idle.last() == Some(&id) {
            pool.idle.pop();
        } else {
            pool.idle.retain(|one| *one != id);
        }
        pool.busy += 1;
        environment.state = State::Busy;
        self.room.change(&mut environment.committed_mb, needed);
        actions.push(Action::Assign(waiter, id));
        true
    }

    /// The youngest idle one whose runtime is up, or else the youngest.
    fn youngest(&self, pool: &Pool) -> Option<EnvironmentId> {
        let up = |id: &&EnvironmentId| {
            self.environments.get(id).is_some_and(|one| one.health == Health::Ready)
        };
        pool.idle.iter().rev().find(up).or_else(|| pool.idle.last()).copied()
    }
}
