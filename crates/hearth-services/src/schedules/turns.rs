//! Turns: who may change which schedule, and who may change groups.
//!
//! ```text
//!  change of a schedule:  gate, shared ─▶ lock of the schedule
//!  change of a group:     gate, alone
//! ```
//!
//! # Promises
//!
//! 1. One at a time changes a schedule, and nobody does while a group changes: each can forbid a
//!    change of the other.
//! 2. Different schedules are written at the same time, so that they can share a sync.

use std::hash::{BuildHasher as _, RandomState};

use tokio::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::names::ScheduleArn;
use crate::limits::SCHEDULE_LOCKS;

/// The locks of all schedules. Several may have one.
#[derive(Debug)]
pub(super) struct Turns {
    gate: RwLock<()>,
    locks: Vec<Mutex<()>>,
    hashes: RandomState,
}

/// The right to change a schedule.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _lock: Option<MutexGuard<'a, ()>>,
    _gate: RwLockReadGuard<'a, ()>,
}

impl Default for Turns {
    fn default() -> Self {
        let locks = (0..SCHEDULE_LOCKS).map(|_lock| Mutex::new(())).collect();
        Self { gate: RwLock::default(), locks, hashes: RandomState::new() }
    }
}

impl Turns {
    /// Waits for the turn to change a schedule.
    pub(super) async fn of_schedule(&self, arn: &ScheduleArn) -> Turn<'_> {
        let gate = self.gate.read().await;
        let place = self.hashes.hash_one(arn) % self.locks.len().max(1) as u64;
        let lock = usize::try_from(place).ok().and_then(|place| self.locks.get(place));
        let lock = match lock {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        Turn { _lock: lock, _gate: gate }
    }

    /// Waits for the turn to change groups.
    pub(super) async fn of_groups(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use hearth_types::names::{AccountId, Region, Scope};
    use tokio::time::{Duration, timeout};

    use super::*;

    fn arn(name: &str) -> ScheduleArn {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        ScheduleArn::meant(&scope, None, name.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn only_those_wait_for_each_other_who_have_to() {
        let turns = Turns::default();
        let waits = async |other: &ScheduleArn| {
            timeout(Duration::from_secs(1), turns.of_schedule(other)).await.is_err()
        };
        let one = arn("one");
        let turn = turns.of_schedule(&one).await;
        assert!(waits(&one).await, "the same schedule");
        let mut free = 0;
        for number in 0..9 {
            free += u32::from(!waits(&arn(&number.to_string())).await);
        }
        assert!(free > 0, "others do not");
        let mut groups = pin!(turns.of_groups());
        assert!(timeout(Duration::from_secs(1), &mut groups).await.is_err());
        drop(turn);
        let groups = groups.await;
        assert!(waits(&arn("two")).await, "while a group changes");
        drop(groups);
        assert!(!waits(&one).await);
    }
}
