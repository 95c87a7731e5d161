//! What is kept of a bus and of a rule.

use std::collections::BTreeMap;

use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::permissions::Policy;
use super::target::Target;

/// A bus. The default bus has a record as soon as it has something that is to be kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who may put events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// A queue for events that cannot be decrypted; there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// A rule of a bus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The name of its bus.
    pub bus: String,
    /// Its name.
    pub name: String,
    /// Which events it is for, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// When it makes an event by itself, as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Since when it does.
    #[serde(default)]
    pub since: Timestamp,
    /// Whether it has effect.
    pub state: RuleState,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A role, which is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// To whom matching events go.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Whether a rule has effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleState {
    /// It has.
    #[default]
    Enabled,
    /// It has, also for read-only calls of AWS's API, of which there are no events here.
    EnabledWithAllCloudtrailManagementEvents,
    /// It has not.
    Disabled,
}

impl RuleState {
    /// Every state.
    pub const ALL: [Self; 3] =
        [Self::Enabled, Self::EnabledWithAllCloudtrailManagementEvents, Self::Disabled];

    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::EnabledWithAllCloudtrailManagementEvents => {
                "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
            }
            Self::Disabled => "DISABLED",
        }
    }

    /// Reads AWS's word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == text)
    }
}
