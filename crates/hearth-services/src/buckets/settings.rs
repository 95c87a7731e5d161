//! What can be set of a bucket beside its versions.

use serde::{Deserialize, Serialize};

use super::cors::CorsRule;
use super::lifecycle::LifecycleRule;
use super::tags::Tags;

/// What is set of a bucket. A new one has the default, which is AWS's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Its tags.
    pub tags: Tags,
    /// Which pages of other origins may read it.
    pub cors: Vec<CorsRule>,
    /// What expires by itself.
    pub lifecycle: Vec<LifecycleRule>,
    /// The object size from which on AWS moves objects to other storage classes. There are none
    /// here; it is handed back with the rules.
    pub transition_default_minimum_object_size: Option<String>,
    /// Who may do what: a document that is kept and handed back. Callers are not authenticated, so
    /// there is nobody whom it could be enforced on.
    pub policy: Option<String>,
    /// Whether it was said whose objects are.
    pub ownership: Ownership,
    /// What is kept from the public: kept and handed back, as the policy.
    pub public_access: PublicAccess,
}

/// Whether it is said whose the objects of a bucket are. They are always the bucket owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Ownership {
    /// It is said.
    #[default]
    BucketOwnerEnforced,
    /// It was said, and taken back.
    Unsaid,
}

/// What is kept from the public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublicAccess {
    /// This.
    Blocked(PublicAccessBlock),
    /// Nothing is said.
    Unsaid,
}

impl Default for PublicAccess {
    fn default() -> Self {
        Self::Blocked(PublicAccessBlock::ALL)
    }
}

/// The four switches, by AWS's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// No list may be set that lets everybody in.
    pub block_public_acls: bool,
    /// Such a list has no effect.
    pub ignore_public_acls: bool,
    /// No policy may be set that lets everybody in.
    pub block_public_policy: bool,
    /// With such a policy, only the account and services are let in.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// All of them: what a new bucket has.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}
