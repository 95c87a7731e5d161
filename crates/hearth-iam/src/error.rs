//! Why IAM or STS refuses.

use hearth_store::error::StoreError;

/// An operation that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    /// A value breaks a constraint.
    #[error("{0}")]
    Validation(String),
    /// A value cannot be, beside what the constraints say.
    #[error("{0}")]
    InvalidInput(&'static str),
    /// A document is not a policy.
    #[error("{0}")]
    MalformedDocument(String),
    /// There is no such role.
    #[error("The role with name {0} cannot be found.")]
    RoleMissing(String),
    /// A role has no inline policy of this name.
    #[error("The role policy with name {0} cannot be found.")]
    RolePolicyMissing(String),
    /// There is no such policy, or a role does not have it.
    #[error("Policy {0} was not found.")]
    PolicyMissing(String),
    /// There is no such policy to be attached, changed or deleted.
    #[error("Policy {0} does not exist or is not attachable.")]
    NotAttachable(String),
    /// A policy has no such version.
    #[error("Policy {arn} version {version} does not exist or is not attachable.")]
    VersionMissing {
        /// Which policy.
        arn: String,
        /// Which version, as the caller wrote it.
        version: String,
    },
    /// There is no such user: there is none at all.
    #[error("The user with name {0} cannot be found.")]
    UserMissing(String),
    /// There is a role of this name, in this case or another one.
    #[error("Role with name {0} already exists.")]
    RoleExists(String),
    /// There is a policy of this name, in this case or another one.
    #[error("A policy called {0} already exists. Duplicate names are not allowed.")]
    PolicyExists(String),
    /// It cannot be deleted while it is used or has something.
    #[error("{0}")]
    DeleteConflict(&'static str),
    /// A quota of AWS is used up.
    #[error("{0}")]
    LimitExceeded(String),
    /// The caller may not do this, whoever it is.
    #[error("{0}")]
    AccessDenied(String),
    /// The store failed.
    #[error("could not keep the record of a role or a policy")]
    Store(#[source] StoreError),
}
