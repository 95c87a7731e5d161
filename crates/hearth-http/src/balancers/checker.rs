//! The task that checks the health of targets: of those whose group wants it and is used.
//!
//! # Promises
//!
//! 1. A target is asked again no sooner than its interval says, unless its checks were turned off in
//!    between.
//! 2. Where nothing is to be checked, nothing wakes up.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use hearth_types::tasks::Tasks;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::arn::GroupArn;
use super::asking::{self, Unanswered};
use super::health::{Failure, Health};
use super::record::TargetGroup;
use super::{Balancers, event, limits};

/// What the task is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Look again at what is to be checked.
    Changed,
    /// End.
    Closed,
}

/// How long a check waits for others to end.
const PAUSE: Duration = Duration::from_secs(1);

/// Checks until it is told to end.
pub(super) async fn run(balancers: Arc<Balancers>, tasks: Tasks) {
    let mut signal = balancers.signal.subscribe();
    let room = Arc::new(Semaphore::new(limits::CHECKS_RUNNING_MAX));
    let mut due: HashMap<GroupArn, Instant> = HashMap::new();
    loop {
        if *signal.borrow_and_update() == Signal::Closed {
            return;
        }
        let groups = balancers.to_be_checked();
        let is_one = |arn: &GroupArn| groups.iter().any(|group| group.arn == *arn);
        due.retain(|arn, _| is_one(arn));
        balancers.health().retain(|arn, _| is_one(arn));
        let now = Instant::now();
        for group in &groups {
            let at = due.entry(group.arn.clone()).or_insert(now);
            if *at > now {
                continue;
            }
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                *at = now + PAUSE;
                continue;
            };
            *at = now + Duration::from_secs(u64::from(group.health_check.interval_seconds));
            let check = check(Arc::clone(&balancers), Arc::clone(group), permit);
            tasks.spawn("health check of a target", check);
        }
        let next = due.values().min().copied();
        tokio::select! {
            changed = signal.changed() => if changed.is_err() { return; },
            () = wait(next) => {}
        }
    }
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn check(balancers: Arc<Balancers>, group: Arc<TargetGroup>, _room: OwnedSemaphorePermit) {
    let Some(target) = &group.target else { return };
    // Its time is shorter than its interval, so it has ended when the next one begins.
    let found = match asking::ask(&balancers, &group, event::of_health_check(&group)).await {
        Ok(response) => Ok(response.status),
        Err(Unanswered::TimedOut) => Err(Failure::TimedOut),
        // Nothing is said about the target.
        Err(Unanswered::NoTarget | Unanswered::Closing) => return,
        Err(Unanswered::Failed) => Err(Failure::Failed),
    };
    let mut all = balancers.health();
    let known = all.get(&group.arn).filter(|health| health.target == *target).cloned();
    let known = known.unwrap_or_else(|| Health::unknown(target));
    all.insert(group.arn.clone(), known.after(&group.health_check, found));
}

impl Balancers {
    /// What the health checks have found.
    pub(super) fn health(&self) -> MutexGuard<'_, HashMap<GroupArn, Health>> {
        self.health.lock().expect("no code panics while it holds the health of targets")
    }

    fn to_be_checked(&self) -> Vec<Arc<TargetGroup>> {
        let wants = |group: &Arc<TargetGroup>| {
            group.health_check.enabled
                && group.target.is_some()
                && self.user_of(&group.arn).is_some()
        };
        self.groups.all().into_iter().filter(wants).collect()
    }
}
