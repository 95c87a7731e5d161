//! Groups of schedules.
//!
//! ```text
//!  active ──delete──▶ deleting ── its schedules are deleted one by one ──▶ gone
//! ```
//!
//! A group that is being deleted when the server ends is deleted by the next one.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_store::error::StoreError;
use hearth_types::names::Scope;

use super::error::ScheduleError;
use super::names::{self, DEFAULT_GROUP, GroupArn, ScheduleArn};
use super::record::{Group, GroupState};
use super::target::invalid;
use super::{Listed, Schedules};
use crate::limits;

impl Schedules {
    /// Makes a group and returns its ARN.
    ///
    /// # Errors
    ///
    /// If there is one of this name, or there are too many.
    pub async fn create_group(
        &self,
        arn: &GroupArn,
        tags: BTreeMap<String, String>,
        token: Option<String>,
    ) -> Result<String, ScheduleError> {
        refuse_default(&arn.name)?;
        check_tags(&tags)?;
        let _turn = self.turns.of_groups().await;
        if let Some(old) = self.groups.get(&arn.scope, &arn.name) {
            let is_repeated = token.is_some() && old.token == token;
            let exists = || ScheduleError::GroupExists(arn.name.clone());
            return if is_repeated { Ok(arn.to_string()) } else { Err(exists()) };
        }
        let page = self.groups.page(&arn.scope, None, limits::SCHEDULE_GROUPS_MAX);
        if page.len() >= limits::SCHEDULE_GROUPS_MAX {
            return Err(ScheduleError::LimitExceeded("The number of schedule groups"));
        }
        let now = self.clock.now();
        let group = Group {
            name: arn.name.clone(),
            state: GroupState::Active,
            created_at: Some(now),
            modified_at: Some(now),
            tags,
            token,
        };
        self.keep_group(arn, group).await?;
        Ok(arn.to_string())
    }

    /// Deletes a group with its schedules. They have no effect any more when this returns, and are
    /// gone soon after.
    ///
    /// # Errors
    ///
    /// If there is none, or it is the default group.
    pub async fn delete_group(
        self: &Arc<Self>,
        arn: &GroupArn,
        token: Option<String>,
    ) -> Result<(), ScheduleError> {
        refuse_default(&arn.name)?;
        let _turn = self.turns.of_groups().await;
        let text = arn.to_string();
        let Some(group) = self.groups.get(&arn.scope, &arn.name) else {
            let was_deleted = self.was_deleted(&text, token.as_deref());
            let missing = || ScheduleError::GroupMissing(arn.name.clone());
            return if was_deleted { Ok(()) } else { Err(missing()) };
        };
        self.remember_deleted(&text, token);
        if group.state == GroupState::Deleting {
            return Ok(());
        }
        let modified_at = Some(self.clock.now());
        let group = Group { state: GroupState::Deleting, modified_at, ..Group::clone(&group) };
        self.keep_group(arn, group).await?;
        for schedule in self.of_group(arn) {
            self.changes.note(schedule.to_string());
        }
        self.finish_deleting(arn.clone());
        Ok(())
    }

    /// One group.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn group(&self, scope: &Scope, name: &str) -> Result<Group, ScheduleError> {
        let kept = self.groups.get(scope, name).map(|group| Group::clone(&group));
        let found = kept.or_else(|| (name == DEFAULT_GROUP).then(default_group));
        found.ok_or_else(|| ScheduleError::GroupMissing(name.to_owned()))
    }

    /// Groups in the order of their names, whose names begin with a prefix.
    #[must_use]
    pub fn list_groups(
        &self,
        scope: &Scope,
        (prefix, after, items): (&str, Option<&str>, usize),
    ) -> Listed<Group> {
        let kept = self.groups.page(scope, None, limits::SCHEDULE_GROUPS_MAX + 1);
        let mut groups: Vec<Group> = kept.iter().map(|group| Group::clone(group)).collect();
        if !groups.iter().any(|group| group.name == DEFAULT_GROUP) {
            groups.push(default_group());
            groups.sort_by(|one, other| one.name.cmp(&other.name));
        }
        let is_behind = |group: &Group| after.is_none_or(|after| group.name.as_str() > after);
        groups.retain(|group| group.name.starts_with(prefix) && is_behind(group));
        let goes_on = groups.len() > items;
        groups.truncate(items);
        let next = groups.last().filter(|_last| goes_on).map(|last| last.name.clone());
        Listed { items: groups, next }
    }

    /// The tags of a group.
    ///
    /// # Errors
    ///
    /// If there is none with this ARN.
    pub fn tags(
        &self,
        scope: &Scope,
        arn: &str,
    ) -> Result<BTreeMap<String, String>, ScheduleError> {
        let arn = own_group(scope, arn)?;
        Ok(self.group(scope, &arn.name)?.tags)
    }

    /// Changes the tags of a group.
    ///
    /// # Errors
    ///
    /// If there is none with this ARN, or there would be too many tags.
    pub async fn change_tags(
        &self,
        scope: &Scope,
        arn: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send,
    ) -> Result<(), ScheduleError> {
        let arn = own_group(scope, arn)?;
        let _turn = self.turns.of_groups().await;
        let mut group = self.group(scope, &arn.name)?;
        if group.state == GroupState::Deleting {
            return Err(ScheduleError::GroupDeleting(arn.name));
        }
        change(&mut group.tags);
        check_tags(&group.tags)?;
        self.keep_group(&arn, group).await
    }

    /// Deletes the groups that were being deleted when the server ended.
    pub(super) fn go_on_deleting(self: &Arc<Self>) {
        for (scope, name, group) in self.groups.entries() {
            if group.state == GroupState::Deleting {
                self.finish_deleting(GroupArn { scope, name });
            }
        }
    }

    fn finish_deleting(self: &Arc<Self>, arn: GroupArn) {
        let schedules = Arc::clone(self);
        self.tasks.spawn("deletion of a schedule group", async move {
            if let Err(error) = schedules.empty_group(&arn).await {
                // The next start goes on with it.
                tracing::error!(group = arn.name, %error, "a group could not be deleted");
            }
        });
    }

    async fn empty_group(&self, arn: &GroupArn) -> Result<(), StoreError> {
        loop {
            let some = self.of_group(arn);
            if some.is_empty() {
                break;
            }
            for schedule in some {
                // One at a time, so that other changes come in between.
                let _turn = self.turns.of_schedule(&schedule).await;
                self.schedules.remove(&schedule.scope, &schedule.key()).await?;
                self.changes.note(schedule.to_string());
            }
        }
        let _turn = self.turns.of_groups().await;
        self.groups.remove(&arn.scope, &arn.name).await
    }

    /// The schedules of a group.
    fn of_group(&self, arn: &GroupArn) -> Vec<ScheduleArn> {
        let mut found = Vec::new();
        let mut after = names::key(&arn.name, "");
        loop {
            let page = self.schedules.page(&arn.scope, Some(&after), limits::SCHEDULES_OF_PAGE_MAX);
            let before = found.len();
            for one in page.iter().take_while(|one| one.group == arn.name) {
                after = names::key(&one.group, &one.name);
                found.push(ScheduleArn {
                    scope: arn.scope.clone(),
                    group: one.group.clone(),
                    name: one.name.clone(),
                });
            }
            if found.len() - before < limits::SCHEDULES_OF_PAGE_MAX {
                return found;
            }
        }
    }

    async fn keep_group(&self, arn: &GroupArn, group: Group) -> Result<(), ScheduleError> {
        let kept = self.groups.put(&arn.scope, &arn.name, group).await;
        kept.map(|_group| ()).map_err(ScheduleError::Store)
    }
}

/// The default group of whoever has not changed it.
fn default_group() -> Group {
    Group { name: DEFAULT_GROUP.to_owned(), ..Group::default() }
}

fn refuse_default(name: &str) -> Result<(), ScheduleError> {
    if name == DEFAULT_GROUP {
        let message = "This operation cannot be performed on schedule group default.";
        return Err(invalid(message));
    }
    Ok(())
}

fn own_group(scope: &Scope, arn: &str) -> Result<GroupArn, ScheduleError> {
    let found = GroupArn::parse(arn).filter(|group| group.scope == *scope);
    found.ok_or_else(|| ScheduleError::GroupMissing(arn.to_owned()))
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ScheduleError> {
    if tags.len() > limits::SCHEDULE_GROUP_TAGS_MAX {
        return Err(ScheduleError::LimitExceeded("The number of tags"));
    }
    if tags.keys().any(|key| key.starts_with("aws:")) {
        return Err(invalid("System tags cannot be added, updated, or removed by users."));
    }
    Ok(())
}
