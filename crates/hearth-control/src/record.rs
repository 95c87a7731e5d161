//! What is kept of a function.
//!
//! The stored form is JSON of exactly these structures. A field that is added must have a default,
//! so that older records can still be read.

use std::collections::BTreeMap;

use hearth_store::packages::CodeDigest;
use hearth_types::ids::{RevisionId, TargetId};
use hearth_types::names::{FunctionArn, Version};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A function: its mutable version, its published ones, and what is common to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionRecord {
    /// Which one.
    pub arn: FunctionArn,
    /// `$LATEST`.
    pub latest: VersionRecord,
    /// The published versions.
    #[serde(default)]
    pub versions: BTreeMap<u64, VersionRecord>,
    /// The number of the last version that was published. Numbers are never used again.
    #[serde(default)]
    pub last_version: u64,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// One version of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Which version.
    pub version: Version,
    /// Changes with every change of code or configuration.
    pub target: TargetId,
    /// Its configuration.
    pub configuration: Configuration,
    /// Its code.
    pub code: Code,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Changes with every change, also of the state.
    pub revision: RevisionId,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last change went; absent while it is being created.
    pub last_update: Option<LastUpdate>,
}

/// Its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// The SHA-256 of the archive.
    pub digest: CodeDigest,
    /// The size of the archive.
    pub zip_bytes: u64,
}

/// What a caller has decided about a version, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The runtime's name.
    pub runtime: String,
    /// The ARN of the role.
    pub role: String,
    /// The handler.
    pub handler: String,
    /// What it is for.
    pub description: String,
    /// How long it may run.
    pub timeout_seconds: u32,
    /// How much memory it has.
    pub memory_mb: u32,
    /// The size of `/tmp`.
    pub ephemeral_storage_mb: u32,
    /// Its environment variables; absent unless they were given.
    pub variables: Option<BTreeMap<String, String>>,
    /// What it was built for.
    pub architecture: String,
    /// Where it logs.
    pub log_group: String,
}

/// Whether a version can be invoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Its code is being unpacked for the first time.
    Pending,
    /// It can.
    Active,
    /// Its code could not be unpacked.
    Failed,
}

/// How the last change went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastUpdate {
    /// The new code is being unpacked; the old one runs.
    InProgress,
    /// Well.
    Successful,
    /// The new code could not be unpacked; the old one runs.
    Failed,
}

impl State {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Failed => "Failed",
        }
    }
}

impl LastUpdate {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
        }
    }
}

impl FunctionRecord {
    /// A version of it.
    #[must_use]
    pub fn version(&self, version: Version) -> Option<&VersionRecord> {
        match version {
            Version::Latest => Some(&self.latest),
            Version::Published(number) => self.versions.get(&number),
        }
    }

    /// All of its versions, `$LATEST` first.
    pub fn all_versions(&self) -> impl Iterator<Item = &VersionRecord> {
        std::iter::once(&self.latest).chain(self.versions.values())
    }

    /// All of its versions, to be changed.
    pub(crate) fn all_versions_mut(&mut self) -> impl Iterator<Item = &mut VersionRecord> {
        std::iter::once(&mut self.latest).chain(self.versions.values_mut())
    }
}
