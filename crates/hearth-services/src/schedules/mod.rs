//! EventBridge Scheduler: what is called by the time of day.
//!
//! ```text
//!  expression ─▶ timing ─▶ occurrences ─┐  the driver in hearth-events
//!  (cron)        zones, windows         ├─▶ asks `timed`, and puts what is to be done
//!  schedules, groups ─▶ target ─────────┘   into the durable queue, as deliveries
//! ```
//!
//! [`expression`], [`cron`] and [`timing`] are pure, and rules of event buses use them as well.
//! [`timed`] is what rules and schedules have in common for whoever lets them happen.
//!
//! # Promises
//!
//! 1. When a change has returned, it survives a crash, and whoever waits for the next occurrence has
//!    heard of it.
//! 2. A request that is repeated with the same token changes nothing a second time.
//! 3. What was scheduled before a schedule was last changed does not happen because of the change.
//!
//! # Deliberately absent
//!
//! Nobody here waits for a time, and nobody delivers: that is `hearth-events`. Roles are kept and not
//! assumed, and nothing is encrypted with keys of their own.

pub mod names;
pub mod expression;
pub mod cron;
pub mod timing;
pub mod timed;
pub mod context;
pub mod target;
pub mod record;
pub mod error;
mod groups;
mod firing;
mod turns;
mod server;

pub use server::server_id;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::records::Records;
use hearth_types::names::Scope;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};
use jiff::tz::TimeZone;

use crate::limits;
use error::ScheduleError;
use expression::{Expression, Grammar};
use names::ScheduleArn;
use record::{Group, GroupState, Schedule, ScheduleSettings, ScheduleState};
use target::invalid;
use timed::Changes;
use turns::Turns;

/// The schedules of all accounts, with their groups.
#[derive(Debug)]
pub struct Schedules {
    schedules: Collection<Schedule>,
    groups: Collection<Group>,
    turns: Turns,
    changes: Arc<Changes>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    /// The tokens of the latest deletions, with what was deleted.
    deleted: Mutex<VecDeque<(String, String)>>,
}

/// What schedules are made of.
#[derive(Debug)]
pub struct Parts {
    /// Where schedules and groups are kept.
    pub records: Arc<dyn Records>,
    /// Where changes are noted for whoever waits.
    pub changes: Arc<Changes>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The owner of the tasks that delete groups.
    pub tasks: Tasks,
}

/// Which schedules to list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Of which group; of all if there is none.
    pub group: Option<&'a str>,
    /// What their names begin with.
    pub prefix: &'a str,
    /// In which state.
    pub state: Option<ScheduleState>,
    /// From behind this place on.
    pub after: Option<&'a str>,
    /// How many at the most.
    pub items: usize,
}

/// A part of a list, and the place behind which it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    /// The part.
    pub items: Vec<T>,
    /// Where the next one begins, if there is one.
    pub next: Option<String>,
}

impl Schedules {
    /// Reads all schedules and groups, and goes on to delete the groups that were being deleted.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not a schedule or a group.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts { records, changes, clock, tasks } = parts;
        let schedules = Arc::new(Self {
            schedules: Collection::open("schedule", Arc::clone(&records)).await?,
            groups: Collection::open("schedule-group", records).await?,
            turns: Turns::default(),
            changes,
            clock,
            tasks,
            deleted: Mutex::default(),
        });
        schedules.go_on_deleting();
        Ok(schedules)
    }

    /// Makes a schedule and returns its ARN.
    ///
    /// # Errors
    ///
    /// If there is one of this name, there is no such group, or it could never happen as it was
    /// given.
    pub async fn create(
        &self,
        arn: &ScheduleArn,
        settings: ScheduleSettings,
        token: Option<String>,
    ) -> Result<String, ScheduleError> {
        let now = self.clock.now();
        check(&settings, &arn.scope, now)?;
        let _turn = self.turns.of_schedule(arn).await;
        self.active_group(&arn.scope, &arn.group)?;
        if let Some(old) = self.find(arn) {
            let is_repeated = token.is_some() && old.token == token && old.settings == settings;
            let exists = || ScheduleError::ScheduleExists(arn.name.clone());
            return if is_repeated { Ok(arn.to_string()) } else { Err(exists()) };
        }
        // Those that are made at the same moment are not counted yet.
        if self.schedules.count() >= limits::SCHEDULES_MAX {
            return Err(ScheduleError::LimitExceeded("The number of schedules"));
        }
        let schedule = Schedule {
            group: arn.group.clone(),
            name: arn.name.clone(),
            settings,
            created_at: now,
            modified_at: now,
            anchor: now,
            token,
        };
        self.keep(arn, schedule).await
    }

    /// Gives a schedule other settings in place of all that it had, and returns its ARN.
    ///
    /// # Errors
    ///
    /// If there is none, or it could never happen as it was given.
    pub async fn update(
        &self,
        arn: &ScheduleArn,
        settings: ScheduleSettings,
        token: Option<String>,
    ) -> Result<String, ScheduleError> {
        let now = self.clock.now();
        check(&settings, &arn.scope, now)?;
        let _turn = self.turns.of_schedule(arn).await;
        self.active_group(&arn.scope, &arn.group)?;
        let old = self.existing(arn)?;
        if token.is_some() && old.token == token && old.settings == settings {
            return Ok(arn.to_string());
        }
        let is_same = old.settings.expression == settings.expression;
        let anchor = if is_same { old.anchor } else { now };
        let schedule = Schedule { settings, modified_at: now, anchor, token, ..(*old).clone() };
        self.keep(arn, schedule).await
    }

    /// Deletes a schedule.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn delete(
        &self,
        arn: &ScheduleArn,
        token: Option<String>,
    ) -> Result<(), ScheduleError> {
        let _turn = self.turns.of_schedule(arn).await;
        let text = arn.to_string();
        if self.find(arn).is_none() && self.was_deleted(&text, token.as_deref()) {
            return Ok(());
        }
        self.existing(arn)?;
        self.schedules.remove(&arn.scope, &arn.key()).await.map_err(ScheduleError::Store)?;
        self.remember_deleted(&text, token);
        self.changes.note(text);
        Ok(())
    }

    /// One schedule.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn get(&self, arn: &ScheduleArn) -> Result<Arc<Schedule>, ScheduleError> {
        self.group(&arn.scope, &arn.group)?;
        self.existing(arn)
    }

    /// Schedules in the order of their groups and names.
    ///
    /// # Errors
    ///
    /// If there is no such group.
    pub fn list(
        &self,
        scope: &Scope,
        wanted: Wanted<'_>,
    ) -> Result<Listed<Arc<Schedule>>, ScheduleError> {
        let begin = match wanted.group {
            Some(group) => {
                self.group(scope, group)?;
                // With the prefix, the place is just before what begins with it.
                Some(names::key(group, wanted.prefix))
            }
            None => None,
        };
        let mut after = wanted.after.map(str::to_owned).or_else(|| begin.clone());
        let mut items = Vec::new();
        // The place itself may be wanted: a schedule whose whole name is the prefix.
        if wanted.after.is_none()
            && let Some(first) = begin.and_then(|begin| self.schedules.get(scope, &begin))
            && wanted.includes(&first)
        {
            items.push(first);
        }
        loop {
            let page = self.schedules.page(scope, after.as_deref(), limits::SCHEDULES_OF_PAGE_MAX);
            let Some(last) = page.last() else { break };
            after = Some(names::key(&last.group, &last.name));
            let is_beyond = |one: &Schedule| wanted.group.is_some_and(|group| one.group != group);
            let ends = page.len() < limits::SCHEDULES_OF_PAGE_MAX || is_beyond(last);
            items.extend(page.into_iter().filter(|one| wanted.includes(one)));
            if ends || items.len() > wanted.items {
                break;
            }
        }
        let goes_on = items.len() > wanted.items;
        items.truncate(wanted.items);
        let next = items.last().filter(|_last| goes_on);
        let next = next.map(|last| names::key(&last.group, &last.name));
        Ok(Listed { items, next })
    }

    fn find(&self, arn: &ScheduleArn) -> Option<Arc<Schedule>> {
        self.schedules.get(&arn.scope, &arn.key())
    }

    fn existing(&self, arn: &ScheduleArn) -> Result<Arc<Schedule>, ScheduleError> {
        self.find(arn).ok_or_else(|| ScheduleError::ScheduleMissing(arn.name.clone()))
    }

    /// A group in which schedules may be changed.
    fn active_group(&self, scope: &Scope, name: &str) -> Result<(), ScheduleError> {
        match self.group(scope, name)?.state {
            GroupState::Active => Ok(()),
            GroupState::Deleting => Err(ScheduleError::GroupDeleting(name.to_owned())),
        }
    }

    async fn keep(&self, arn: &ScheduleArn, schedule: Schedule) -> Result<String, ScheduleError> {
        let text = arn.to_string();
        let kept = self.schedules.put(&arn.scope, &arn.key(), schedule).await;
        kept.map_err(ScheduleError::Store)?;
        self.changes.note(text.clone());
        Ok(text)
    }

    fn was_deleted(&self, arn: &str, token: Option<&str>) -> bool {
        let deleted = self.deleted.lock().expect("no code panics while it holds the tokens");
        deleted.iter().any(|(gone, by)| gone == arn && Some(by.as_str()) == token)
    }

    fn remember_deleted(&self, arn: &str, token: Option<String>) {
        let Some(token) = token else { return };
        let mut deleted = self.deleted.lock().expect("no code panics while it holds the tokens");
        if deleted.len() >= limits::SCHEDULE_TOKENS_MAX {
            deleted.pop_front();
        }
        deleted.push_back((arn.to_owned(), token));
    }
}

impl Wanted<'_> {
    fn includes(&self, schedule: &Schedule) -> bool {
        self.group.is_none_or(|group| schedule.group == group)
            && schedule.name.starts_with(self.prefix)
            && self.state.is_none_or(|state| schedule.settings.state == state)
    }
}

/// The time zone of whoever names none.
#[must_use]
pub fn utc() -> TimeZone {
    TimeZone::UTC
}

/// Refuses what could never happen as it was given.
fn check(settings: &ScheduleSettings, scope: &Scope, now: Timestamp) -> Result<(), ScheduleError> {
    let ScheduleSettings { expression: text, zone, start, end, .. } = settings;
    let Some(expression) = Expression::parse(text, Grammar::Scheduler) else {
        return Err(invalid(format!("Invalid Schedule Expression {text}.")));
    };
    if let Some(zone) = zone
        && TimeZone::get(zone).is_err()
    {
        return Err(invalid(format!("Invalid Schedule Expression Timezone {zone}.")));
    }
    if !expression.is_once() {
        let earliest = now.0.saturating_sub(limits::SCHEDULE_START_PAST_MILLIS_MAX);
        if start.is_some_and(|start| start.0 < earliest) {
            let message = "The StartDate you specify cannot be earlier than 5 minutes ago.";
            return Err(invalid(message));
        }
        if let (Some(start), Some(end)) = (start, end)
            && start >= end
        {
            let message = "The StartDate you specify must come before the EndDate you specify.";
            return Err(invalid(message));
        }
    }
    settings.target.check(scope)
}

#[cfg(test)]
mod tests;
