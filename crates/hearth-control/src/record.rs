//! What is kept of a function.
//!
//! The stored form is JSON of exactly these structures. A field that is added must have a default,
//! so that older records can still be read.

use std::collections::BTreeMap;

use hearth_store::packages::CodeDigest;
use hearth_types::ids::{RevisionId, TargetId};
use hearth_types::names::{AliasName, FunctionArn, Qualifier, Version};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alias::Alias;
use crate::concurrency::{Provisioned, RecursiveLoop};
use crate::event_invoke::EventInvokeConfig;
use crate::layer::LayerReference;
use crate::policy::Policy;
use crate::runtime_management::RuntimeManagement;
use crate::url::FunctionUrl;

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
    /// The description of `$LATEST` when the newest version was published, which may have one of
    /// its own.
    #[serde(default)]
    pub published_description: Option<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Its aliases.
    #[serde(default)]
    pub aliases: BTreeMap<AliasName, Alias>,
    /// Who else may use it, by [`qualifier_key`].
    #[serde(default)]
    pub policies: BTreeMap<String, Policy>,
    /// How many executions are kept for it, and are all that it gets.
    #[serde(default)]
    pub reserved_concurrency: Option<u32>,
    /// Environments that are kept ready, by [`qualifier_key`].
    #[serde(default)]
    pub provisioned: BTreeMap<String, Provisioned>,
    /// What happens when it calls itself without end.
    #[serde(default)]
    pub recursive_loop: RecursiveLoop,
    /// How asynchronous invocations are retried and where they end, by [`qualifier_key`].
    #[serde(default)]
    pub event_invoke: BTreeMap<String, EventInvokeConfig>,
    /// Its URLs, by [`qualifier_key`].
    #[serde(default)]
    pub urls: BTreeMap<String, FunctionUrl>,
    /// The ARN of the code signing configuration that it is under.
    #[serde(default)]
    pub code_signing_config: Option<String>,
    /// When new versions of its runtime are taken, by [`qualifier_key`].
    #[serde(default)]
    pub runtime_management: BTreeMap<String, RuntimeManagement>,
}

/// Under which key something that belongs to a function, a version or an alias is kept: the text
/// of the qualifier, and nothing for the function as a whole.
#[must_use]
pub fn qualifier_key(qualifier: Option<&Qualifier>) -> String {
    qualifier.map(ToString::to_string).unwrap_or_default()
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
    /// Its code; an image has none here.
    pub code: Option<Code>,
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
    /// What it holds when it is unpacked; 0 in records from before this was kept.
    #[serde(default)]
    pub unzipped_bytes: u64,
}

/// What a caller has decided about a version, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Configuration {
    /// The runtime's name; empty for an image.
    pub runtime: String,
    /// The ARN of the role.
    pub role: String,
    /// The handler; empty for an image.
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
    /// Whether it logs as JSON, and how much of it.
    #[serde(default)]
    pub log_format: LogFormat,
    /// Its layers, in the order in which they are laid over each other.
    #[serde(default)]
    pub layers: Vec<LayerReference>,
    /// Where events go whose asynchronous invocation has failed for good.
    #[serde(default)]
    pub dead_letter_arn: Option<String>,
    /// Its network; absent unless it was given.
    #[serde(default)]
    pub vpc: Option<Vpc>,
    /// File systems that it wants to have mounted.
    #[serde(default)]
    pub file_systems: Vec<FileSystem>,
    /// Whether its invocations are traced.
    #[serde(default)]
    pub tracing: Tracing,
    /// Whether versions start from a snapshot.
    #[serde(default)]
    pub snap_start: SnapStart,
    /// The key that its variables are to be encrypted with.
    #[serde(default)]
    pub kms_key_arn: Option<String>,
    /// The container image, for a function that is one.
    #[serde(default)]
    pub image: Option<Image>,
}

/// How a function logs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LogFormat {
    /// Lines of text, all of them.
    #[default]
    Text,
    /// JSON, from these levels on.
    Json {
        /// Of what the function says.
        application_level: String,
        /// Of what the platform says.
        system_level: String,
    },
}

/// The network that a function is attached to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Vpc {
    /// Where its interfaces are.
    pub subnets: Vec<String>,
    /// Who may talk to it.
    pub security_groups: Vec<String>,
    /// Whether IPv6 may leave; absent unless it was given.
    pub ipv6: Option<bool>,
}

/// A file system to be mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Its access point.
    pub arn: String,
    /// Where.
    pub mount_path: String,
}

/// Whether invocations are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Tracing {
    /// If the caller's trace is sampled.
    #[default]
    PassThrough,
    /// Hearth decides.
    Active,
}

/// Whether versions start from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SnapStart {
    /// They do not.
    #[default]
    None,
    /// They are to.
    PublishedVersions,
}

/// A container image, and how it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Which one.
    pub uri: String,
    /// In place of the image's own, if given.
    pub entry_point: Option<Vec<String>>,
    /// In place of the image's own, if given.
    pub command: Option<Vec<String>>,
    /// In place of the image's own, if given.
    pub working_directory: Option<String>,
}

impl Configuration {
    /// What its layers hold when they are unpacked.
    #[must_use]
    pub fn layer_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.code.unzipped_bytes).sum()
    }
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
    /// A function with nothing but its mutable version.
    #[must_use]
    pub fn new(arn: FunctionArn, latest: VersionRecord) -> Self {
        Self {
            arn,
            latest,
            versions: BTreeMap::new(),
            last_version: 0,
            published_description: None,
            tags: BTreeMap::new(),
            aliases: BTreeMap::new(),
            policies: BTreeMap::new(),
            reserved_concurrency: None,
            provisioned: BTreeMap::new(),
            recursive_loop: RecursiveLoop::default(),
            event_invoke: BTreeMap::new(),
            urls: BTreeMap::new(),
            code_signing_config: None,
            runtime_management: BTreeMap::new(),
        }
    }

    /// The version that a qualifier means: for an alias the one that it points to.
    #[must_use]
    pub fn version_of(&self, qualifier: Option<&Qualifier>) -> Option<Version> {
        let version = match qualifier {
            None => Version::Latest,
            Some(Qualifier::Version(version)) => *version,
            Some(Qualifier::Alias(name)) => self.aliases.get(name)?.version,
        };
        self.version(version).map(|found| found.version)
    }

    /// Its ARN as a caller qualified it.
    #[must_use]
    pub fn qualified_arn(&self, qualifier: Option<&Qualifier>) -> String {
        qualifier.map_or_else(|| self.arn.to_string(), |one| self.arn.qualified(one))
    }

    /// Drops everything that belongs to a version or an alias that goes.
    pub(crate) fn forget_qualifier(&mut self, qualifier: &Qualifier) {
        let key = qualifier_key(Some(qualifier));
        self.policies.remove(&key);
        self.provisioned.remove(&key);
        self.event_invoke.remove(&key);
        self.urls.remove(&key);
        self.runtime_management.remove(&key);
    }

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

    /// The archives of all versions and of their layers.
    pub(crate) fn archives(&self) -> impl Iterator<Item = &Code> {
        self.all_versions().flat_map(|version| {
            let layers = version.configuration.layers.iter().map(|layer| &layer.code);
            version.code.iter().chain(layers)
        })
    }

    /// All of its versions, to be changed.
    pub(crate) fn all_versions_mut(&mut self) -> impl Iterator<Item = &mut VersionRecord> {
        std::iter::once(&mut self.latest).chain(self.versions.values_mut())
    }
}
