//! What this host can hold: memory first, then the number of environments.
//!
//! An environment that works or starts is taken to need what its target has been seen to need,
//! with a margin, or all that is configured while it has not been seen. One that is idle is frozen
//! and cannot grow, so it needs what it has. The group that all environments are in is held to the
//! same sum by the kernel, so that an estimate that was too low costs one of them and not the host.

use std::collections::BTreeMap;

use hearth_types::ids::{EnvironmentId, TargetId};

use super::{Action, Commitment, Core, Pressure};

/// What is added to the most that was seen, in parts of it and in whole.
const MARGIN_PARTS: u64 = 4;
const MARGIN_MB: u64 = 16;

#[derive(Debug)]
pub(super) struct Room {
    memory_mb_max: u64,
    committed_mb: u64,
    /// Environments that are being torn down.
    pub(super) retiring: usize,
    pub(super) pressure: Pressure,
}

impl Room {
    pub(super) fn new(memory_mb_max: u64) -> Self {
        Self { memory_mb_max, committed_mb: 0, retiring: 0, pressure: Pressure::None }
    }

    pub(super) fn committed_mb(&self) -> u64 {
        self.committed_mb
    }

    /// Sets aside `to` for an environment in place of what was set aside before.
    pub(super) fn change(&mut self, held: &mut u64, to: u64) {
        self.committed_mb = self.committed_mb + to - *held;
        *held = to;
    }

    /// Sets aside as much as `to` in place of less, if there is room for it.
    pub(super) fn raise(&mut self, held: &mut u64, to: u64) {
        if to > *held && self.has(to - *held) {
            self.change(held, to);
        }
    }

    fn has(&self, more_mb: u64) -> bool {
        self.committed_mb.saturating_add(more_mb) <= self.memory_mb_max
    }
}

impl Core {
    /// What an environment of a target needs while it works.
    pub(super) fn commitment_mb(&self, target: TargetId) -> u64 {
        let Some(pool) = self.pools.get(&target) else { return 0 };
        let configured = u64::from(pool.needs.memory_mb);
        let seen = u64::from(pool.peak_mb);
        match self.limits.commitment {
            Commitment::Measured if seen > 0 => {
                (seen + seen / MARGIN_PARTS + MARGIN_MB).min(configured)
            }
            Commitment::Measured | Commitment::Configured => configured,
        }
    }

    /// Whether one more environment of a target could ever be held.
    pub(super) fn could_ever_fit(&self, target: TargetId) -> bool {
        self.commitment_mb(target) <= self.limits.memory_mb_max
    }

    /// Whether there is room for one more environment of a target as things stand.
    pub(super) fn fits(&self, target: TargetId) -> bool {
        let standing = self.environments.len() - self.room.retiring;
        standing < self.limits.environments_max && self.room.has(self.commitment_mb(target))
    }

    /// Makes room for an idle environment to work, by retiring others. If that is not enough, none is
    /// retired.
    pub(super) fn make_room(&mut self, id: EnvironmentId, actions: &mut Vec<Action>) -> bool {
        let Some(environment) = self.environments.get(&id) else { return false };
        let (target, held_mb) = (environment.target, environment.committed_mb);
        let needed = self.commitment_mb(target).saturating_sub(held_mb);
        // Its own siblings as well: one that works is worth more than others that wait.
        self.give_up_until((target, Some(id)), actions, |core, freed_mb, _| {
            core.room.committed_mb.saturating_sub(freed_mb).saturating_add(needed)
                <= core.room.memory_mb_max
        })
    }

    /// Makes room for an environment of a target that is to be started, by retiring idle ones of
    /// others. If that is not enough, none is retired. On a host that is short of memory one goes for
    /// each that comes, whatever was set aside, unless it is the only one.
    pub(super) fn make_place(&mut self, target: TargetId, actions: &mut Vec<Action>) -> bool {
        let needed = self.commitment_mb(target);
        let is_short = self.room.pressure == Pressure::Short;
        self.give_up_until((target, None), actions, |core, freed_mb, freed| {
            let standing = core.environments.len() - core.room.retiring - freed;
            let is_bearable = !is_short || freed > 0 || standing == 0;
            is_bearable
                && standing < core.limits.environments_max
                && core.room.committed_mb.saturating_sub(freed_mb).saturating_add(needed)
                    <= core.room.memory_mb_max
        })
    }

    fn give_up_until(
        &mut self,
        (target, working): (TargetId, Option<EnvironmentId>),
        actions: &mut Vec<Action>,
        enough: impl Fn(&Self, u64, usize) -> bool,
    ) -> bool {
        if enough(self, 0, 0) {
            return true;
        }
        let (mut given_up, mut freed_mb) = (Vec::new(), 0);
        let mut left: BTreeMap<TargetId, usize> = BTreeMap::new();
        for (_, id) in &self.by_age {
            let Some(environment) = self.environments.get(id) else { continue };
            let Some(pool) = self.pools.get(&environment.target) else { continue };
            let standing = left.entry(environment.target).or_insert_with(|| pool.standing());
            let is_own = environment.target == target;
            let stays = if is_own {
                working.is_none() || working == Some(*id)
            } else {
                *standing <= pool.provisioned
            };
            if stays {
                continue;
            }
            *standing -= 1;
            given_up.push(*id);
            freed_mb += environment.committed_mb;
            if enough(self, freed_mb, given_up.len()) {
                for id in given_up {
                    self.retire(id, actions);
                }
                return true;
            }
        }
        false
    }

    /// Gives up idle environments while more is in use than there is: what was set aside may turn
    /// out to have been too little.
    pub(super) fn give_up_what_is_too_much(&mut self, actions: &mut Vec<Action>) {
        while self.room.committed_mb > self.room.memory_mb_max
            && let Some(oldest) = self.oldest_spare()
        {
            self.retire(oldest, actions);
        }
    }
}
