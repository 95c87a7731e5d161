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
    /// Somebody else changed the function in between.
    #[error(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    )]
    RevisionMismatch,
    /// A setting that cannot be.
    #[error("{0}")]
    InvalidParameter(String),
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
    /// Something that AWS has and Hearth does not have yet.
    #[error("Hearth does not support {0} yet")]
    NotSupported(String),
    /// The store failed.
    #[error("could not keep the record of a function")]
    Store(#[source] StoreError),
    /// The package could not be kept.
    #[error("could not keep the code of a function")]
    Package(#[source] PackageError),
}
