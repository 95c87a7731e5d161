//! Why something of an API cannot be made, changed or found.

use hearth_store::error::StoreError;
use hearth_types::names::Scope;

/// Why an operation on APIs failed. The texts are AWS's, where AWS has one.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// There is no such API.
    #[error("Invalid API identifier specified {}:{id}", scope.account)]
    ApiMissing {
        /// Whose it would be.
        scope: Scope,
        /// Its id.
        id: String,
    },
    /// The API has no such part.
    #[error("Invalid {0} identifier specified")]
    PartMissing(&'static str),
    /// Settings were given for a route that the API does not have.
    #[error("Unable to find Route by key {0} within the provided RouteSettings")]
    RouteUnknown(String),
    /// What was asked for breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for is not built.
    #[error("Hearth does not support {0} yet; leave it out.")]
    NotBuilt(String),
    /// What was asked for is there already, or is in use.
    #[error("{0}")]
    Conflict(String),
    /// There would be more than there may be.
    #[error("Unable to complete operation due to reaching quota: {0}")]
    TooMany(&'static str),
    /// The store failed.
    #[error("the API could not be kept")]
    Store(#[source] StoreError),
}

impl ApiError {
    /// What breaks a rule.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// What is not built.
    pub fn not_built(what: impl Into<String>) -> Self {
        Self::NotBuilt(what.into())
    }
}
