//! Why the control plane refuses.

use hearth_store::error::StoreError;
use hearth_store::packages::PackageError;
use hearth_types::names::{FunctionArn, Region};

/// An operation that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such function, or no such version of it.
    #[error("Function not found: {0}")]
    FunctionMissing(String),
    /// There is one already.
    #[error("Function already exist: {0}")]
    FunctionExists(String),
    /// The function is changing.
    #[error(
        "The operation cannot be performed at this time. An update is in progress for resource: {0}"
    )]
    UpdateInProgress(FunctionArn),
    /// The function is not ready yet.
    #[error(
        "The operation cannot be performed at this time. The function is currently in the following state: {0}"
    )]
    NotActive(&'static str),
    /// Somebody else changed it in between. Names the operation that tells the latest revision,
    /// such as `GetFunction/GetAlias`.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the {0} API to retrieve the latest Revision Id"
    )]
    RevisionMismatch(&'static str),
    /// Something else than the function is not there.
    #[error("{0}")]
    NotFound(String),
    /// The same, where AWS leaves out whose fault it is.
    #[error("{0}")]
    NotFoundUntyped(String),
    /// Something is there already, or two things exclude each other.
    #[error("{0}")]
    Conflict(String),
    /// A setting that cannot be.
    #[error("{0}")]
    InvalidParameter(String),
    /// The same, where AWS leaves out whose fault it is.
    #[error("{0}")]
    InvalidParameterUntyped(String),
    /// A policy that is too long.
    #[error("{0}")]
    PolicyTooLong(String),
    /// A code signing configuration that a function names is not there.
    #[error(
        "The code signing configuration cannot be found. Check that the provided configuration is not deleted: {0}."
    )]
    CodeSigningConfigMissing(String),
    /// Code whose signature cannot be trusted, for a function that takes none such.
    #[error("{0}")]
    CodeVerificationFailed(String),
    /// Somebody else's resource that its policy does not open to the caller, or something that
    /// this function cannot have.
    #[error("{0}")]
    AccessDenied(String),
    /// There is no provisioned concurrency of a version or an alias.
    #[error("No Provisioned Concurrency Config found for this function")]
    ProvisionedConcurrencyMissing,
    /// All code of an account would be more than it may be.
    #[error("Code storage limit exceeded.")]
    CodeStorageExceeded,
    /// It cannot be changed or deleted while something else uses it.
    #[error("{0}")]
    InUse(String),
    /// A request that is larger than it may be.
    #[error("{0}")]
    TooLarge(String),
    /// The region in the ARN is not this one.
    #[error("Functions from '{asked}' are not reachable in this region ('{here}')")]
    OtherRegion {
        /// What the caller asked for.
        asked: Region,
        /// What this is.
        here: Region,
    },
    /// The account in the ARN is not the caller's.
    #[error("the function belongs to another account")]
    OtherAccount,
    /// The store failed.
    #[error("could not keep the record of a function")]
    Store(#[source] StoreError),
    /// The package could not be kept.
    #[error("could not keep the code of a function")]
    Package(#[source] PackageError),
}

impl ControlError {
    /// Words the absence of a function as the operation at hand does.
    #[must_use]
    pub fn when_missing(self, text: impl Into<String>) -> Self {
        if matches!(self, Self::FunctionMissing(_)) { Self::NotFound(text.into()) } else { self }
    }
}
