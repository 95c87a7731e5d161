//! Event source mappings: which source feeds which function, and how.
//!
//! ```text
//!  create ──▶ Creating ──────────────────────────────┐
//!                                                    ▼
//!  update ──▶ Updating, Enabling or Disabling ──▶ Enabled or Disabled
//!                                                    │ delete
//!                                                    ▼
//!                                                 Deleting ──▶ (gone)
//! ```
//!
//! What stands on the left lasts for a short while, and is finished in the background. Where a
//! mapping comes to rest is decided by [`state::settled_state`].
//!
//! # Promises
//!
//! 1. A mapping is `Enabled` only while something reads its source.
//! 2. That a caller wants it enabled is remembered, also while nothing can.
//! 3. A mapping in between is neither changed nor deleted.
//!
//! # Deliberately absent
//!
//! Reading a source: that is the business of whoever implements [`state::Pollers`]. Whether a
//! source exists: only its service knows. Encryption: a KMS key is remembered and shown, and
//! filters are kept like every other record.

pub mod source;
pub mod settings;
pub mod state;
pub mod operations;
mod rules;
mod filter;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use hearth_types::ids::RequestId;
use hearth_types::names::{FunctionArn, Scope};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::ControlError;
use settings::Configuration;
use source::Source;
use state::State;

pub use state::{NoPollers, Pollers};

/// The UUID of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MappingId(String);

impl MappingId {
    /// A new, random one.
    #[must_use]
    pub fn random() -> Self {
        Self(RequestId::random().to_string())
    }

    /// Reads one, in large or small letters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        RequestId::parse(text).map(|id| Self(id.to_string()))
    }

    /// Its text, in small letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MappingId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// Which one.
    pub id: MappingId,
    /// The function that is invoked. It need not exist any more.
    pub function: FunctionArn,
    /// The version or the alias of it, if the caller named one.
    #[serde(default)]
    pub qualifier: Option<String>,
    /// What is read.
    pub source: Source,
    /// Whether the caller wants it to be read.
    pub enabled: bool,
    /// How it is read.
    pub configuration: Configuration,
    /// Where it is in its life.
    pub state: State,
    /// Why it is there.
    pub transition_reason: String,
    /// What came of the last batch, where AWS says so from the beginning.
    #[serde(default)]
    pub last_processing_result: Option<String>,
    /// When it was last changed, also by coming to rest.
    pub modified: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl Mapping {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let Scope { account, region } = &self.function.scope;
        format!("arn:aws:lambda:{region}:{account}:event-source-mapping:{}", self.id)
    }

    /// The function's ARN as the caller qualified it.
    #[must_use]
    pub fn function_arn(&self) -> String {
        self.qualifier
            .as_ref()
            .map_or_else(|| self.function.to_string(), |one| self.function.qualified(one))
    }

    /// The function's name as the caller qualified it.
    fn function_name(&self) -> String {
        let name = &self.function.name;
        self.qualifier.as_ref().map_or_else(|| name.to_string(), |one| format!("{name}:{one}"))
    }

    /// Whether both would hand the same events to the same function.
    fn repeats(&self, other: &Self) -> bool {
        self.function == other.function
            && self.qualifier == other.qualifier
            && self.source.overlaps(&other.source)
            && self.configuration.reads_the_same_as(&other.configuration)
    }

    /// Why this mapping cannot be beside the one that it repeats. Each kind has its own text.
    fn refused_beside(&self, existing: &MappingId) -> ControlError {
        let name = self.function_name();
        let of_kafka = |source: &str| {
            format!(
                "An event source mapping with event source (\"{source}\"), function (\"{}\"), topics (\"{}\")",
                self.function_arn(),
                self.configuration.topics.join(",")
            )
        };
        let both = match &self.source {
            Source::SelfManagedKafka { bootstrap_servers } => {
                of_kafka(&bootstrap_servers.join(","))
            }
            Source::Arn { kind, arn } if kind.is_kafka() => of_kafka(arn),
            Source::Arn { kind, arn } if kind.is_queue() => format!(
                "An event source mapping with SQS arn (\" {arn} \") and function (\" {name} \")"
            ),
            Source::Arn { arn, .. } => format!(
                "The event source arn (\" {arn} \") and function (\" {name} \") provided mapping"
            ),
        };
        ControlError::Conflict(format!(
            "{both} already exists. Please update or delete the existing mapping with UUID {existing}"
        ))
    }
}
