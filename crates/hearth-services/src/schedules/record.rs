//! What is kept of a schedule and of a group.

use std::collections::BTreeMap;

use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::target::Target;

/// A schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The name of its group.
    pub group: String,
    /// Its name.
    pub name: String,
    /// What it was given.
    pub settings: ScheduleSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed. Nothing that was scheduled before happens later.
    pub modified_at: Timestamp,
    /// When a rate without a start is counted from: when it was given.
    pub anchor: Timestamp,
    /// The token of the request that made it what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// A schedule as a caller gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleSettings {
    /// When: `at(…)`, `rate(…)` or `cron(…)`.
    pub expression: String,
    /// The time zone of the expression; UTC if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Nothing happens before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// Nothing happens after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// How many minutes after its time something may happen; none if it is to happen at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<u32>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it has effect.
    pub state: ScheduleState,
    /// What becomes of it when nothing more will happen.
    pub completion: Completion,
    /// What it calls.
    pub target: Target,
    /// A key, which is kept: nothing is encrypted with keys of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Whether a schedule has effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScheduleState {
    /// It has.
    #[default]
    Enabled,
    /// It has not.
    Disabled,
}

impl ScheduleState {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
        }
    }

    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Enabled, Self::Disabled].into_iter().find(|state| state.name() == text)
    }
}

/// What becomes of a schedule when nothing more will happen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Completion {
    /// It stays.
    #[default]
    Keep,
    /// It is deleted.
    Delete,
}

impl Completion {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keep => "NONE",
            Self::Delete => "DELETE",
        }
    }

    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Keep, Self::Delete].into_iter().find(|completion| completion.name() == text)
    }
}

/// A group of schedules. The default group has a record as soon as it has something that is to be
/// kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Whether it is on its way out.
    pub state: GroupState,
    /// When it was made; the default group always was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The token of the request that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Whether a group is on its way out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupState {
    /// It is not.
    #[default]
    Active,
    /// It is: its schedules have no effect any more, and are being deleted.
    Deleting,
}

impl GroupState {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Deleting => "DELETING",
        }
    }
}
