//! Where a mapping is in its life, and where it comes to rest.
//!
//! # Deliberately absent
//!
//! Time and tasks: see [`crate::mapping::operations`].

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::mapping::Mapping;
use crate::mapping::source::SourceKind;

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
pub trait Pollers: Send + Sync + Debug {
    /// Whether sources of this kind are read.
    fn serves(&self, kind: SourceKind) -> bool;
}

/// Reads nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPollers;

impl Pollers for NoPollers {
    fn serves(&self, _kind: SourceKind) -> bool {
        false
    }
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
pub fn settled_state(mapping: &Mapping, pollers: &dyn Pollers) -> (State, &'static str) {
    let kind = mapping.source.kind();
    match (mapping.enabled, pollers.serves(kind)) {
        (true, true) => (State::Enabled, user_reason(kind)),
        (true, false) => (State::Disabled, NO_POLLER),
        (false, _) => (State::Disabled, user_reason(kind)),
    }
}
