//! Roles, policies and sessions: what IAM and STS remember and answer.
//!
//! ```text
//!  roles ─────┬─▶ Collection "iam-role"      attachments: what a role has of policies
//!  policies ──┼─▶ Collection "iam-policy"    managed:     those that AWS made
//!             └── rules, document, tags      what a request may say
//!  session ─────▶ nothing: a token says whose session it is
//! ```
//!
//! Everything is an operation of [`Iam`].
//!
//! # Promises
//!
//! 1. An operation that has answered is in the store; one that has failed has changed nothing.
//! 2. A policy that a role has cannot be deleted, and a role that has one cannot be either.
//! 3. What is answered is what was given: documents are kept to the letter.
//!
//! # Deliberately absent
//!
//! Decisions. Callers are not authenticated yet, so no policy is evaluated: what a role may do and
//! who may assume it is kept and shown, and has no effect. Users, groups, instance profiles and
//! service-linked roles: there are none. IAM belongs to an account and to no region.

pub use attachments::{AttachedPolicy, InlinePolicy, PutRolePolicy};
pub use error::IamError;
pub use iam::{Iam, Listing, Page};
pub use policies::{CreatePolicy, PolicyFilter, PolicyOwner, PolicyUsage, PolicyView};
pub use policy::{Owner, Policy, PolicyVersion};
pub use roles::{CreateRole, Role, UpdateRole};
pub use session::{
    AssumeRole, AssumedRole, Caller, Credentials, GetSessionToken, Identity, Session, SessionRole,
};
pub use tags::Tag;
pub use versions::{CreatePolicyVersion, SetAsDefault, VersionView};

mod iam;
mod roles;
mod attachments;
mod policy;
mod policies;
mod versions;
mod managed;
mod session;
mod rules;
mod document;
mod tags;
mod id;
mod quotas;
mod error;
