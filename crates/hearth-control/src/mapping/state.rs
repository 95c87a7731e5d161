//! Where a mapping is in its life, and where it comes to rest.
//!
//! # Deliberately absent
//!
//! Time and tasks: see [`crate::mapping::operations`].

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::mapping::source::{Source, SourceKind};
use crate::mapping::{Mapping, MappingId};

/// Where a mapping is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is new.
    Creating,
    /// It is being switched on.
    Enabling,
    /// Its source is read.
    Enabled,
    /// It is being switched off.
    Disabling,
    /// Its source is not read.
    Disabled,
    /// Something else about it changes.
    Updating,
    /// It goes.
    Deleting,
}

impl State {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabling => "Disabling",
            Self::Disabled => "Disabled",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
        }
    }

    /// Whether it lasts.
    #[must_use]
    pub fn is_settled(self) -> bool {
        match self {
            Self::Enabled | Self::Disabled => true,
            Self::Creating | Self::Enabling | Self::Disabling | Self::Updating | Self::Deleting => {
                false
            }
        }
    }

    /// The state in which a change is carried out.
    pub(super) fn of_change(old: &Mapping, new: &Mapping) -> Self {
        match (old.enabled, new.enabled) {
            (false, true) => Self::Enabling,
            (true, false) => Self::Disabling,
            (true, true) | (false, false) => Self::Updating,
        }
    }
}

/// Whoever reads event sources.
#[async_trait]
pub trait Pollers: Send + Sync + Debug {
    /// Whether sources of this kind are read.
    fn serves(&self, kind: SourceKind) -> bool;

    /// Why the source of a mapping cannot be read now, if it cannot.
    fn obstacle(&self, mapping: &MappingId) -> Option<String>;

    /// Whether a source can be read for a function with this timeout.
    ///
    /// # Errors
    ///
    /// If not: AWS's words.
    async fn check(&self, source: &Source, function_timeout_seconds: u32) -> Result<(), String>;

    /// Some mapping was made, changed or removed.
    fn changed(&self);
}

/// Reads nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPollers;

#[async_trait]
impl Pollers for NoPollers {
    fn serves(&self, _kind: SourceKind) -> bool {
        false
    }

    fn obstacle(&self, _mapping: &MappingId) -> Option<String> {
        None
    }

    async fn check(&self, _source: &Source, _timeout_seconds: u32) -> Result<(), String> {
        Ok(())
    }

    fn changed(&self) {}
}

/// Why a mapping that is wanted enabled is not.
pub const NO_POLLER: &str = "Hearth has no poller for this event source yet";

/// That it was a user's doing. The words differ by kind, as recorded.
pub(super) fn user_reason(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::StandardQueue
        | SourceKind::FifoQueue
        | SourceKind::ManagedKafka
        | SourceKind::SelfManagedKafka
        | SourceKind::Broker => "USER_INITIATED",
        SourceKind::KinesisStream
        | SourceKind::KinesisConsumer
        | SourceKind::DynamoDbStream
        | SourceKind::DocumentDb => "User action",
    }
}

/// What is said about the last batch when there has been none.
pub(super) fn first_result(kind: SourceKind) -> Option<String> {
    (!kind.is_queue()).then(|| "No records processed".to_owned())
}

/// Where a mapping comes to rest, and why there.
pub fn settled_state(mapping: &Mapping, pollers: &dyn Pollers) -> (State, String) {
    let kind = mapping.source.kind();
    let by_user = || user_reason(kind).to_owned();
    match (mapping.enabled, pollers.serves(kind)) {
        (true, true) => match pollers.obstacle(&mapping.id) {
            Some(why) => (State::Disabled, why),
            None => (State::Enabled, by_user()),
        },
        (true, false) => (State::Disabled, NO_POLLER.to_owned()),
        (false, _) => (State::Disabled, by_user()),
    }
}
