//! Why something of a REST API cannot be made, changed or found.

use hearth_store::error::StoreError;
use hearth_types::names::Scope;

/// Why an operation failed. The texts are AWS's, where AWS has one.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// There is no such API.
    #[error("Invalid API identifier specified {}:{id}", scope.account)]
    ApiMissing {
        /// Whose it would be.
        scope: Scope,
        /// Its id.
        id: String,
    },
    /// There is no such thing.
    #[error("{0}")]
    Missing(&'static str),
    /// What was asked for breaks a rule.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for is not built.
    #[error("Hearth does not support {0} yet; leave it out.")]
    NotBuilt(String),
    /// What was asked for is there already.
    #[error("{0}")]
    Conflict(String),
    /// There would be more than there may be.
    #[error("Unable to complete operation due to reaching quota: {0}")]
    TooMany(&'static str),
    /// The store failed.
    #[error("what belongs to REST APIs could not be kept")]
    Store(#[source] StoreError),
}

impl RestError {
    /// What breaks a rule.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }

    /// What is not built.
    pub fn not_built(what: impl Into<String>) -> Self {
        Self::NotBuilt(what.into())
    }
}

/// There is no such resource.
pub const RESOURCE_MISSING: RestError = RestError::Missing("Invalid Resource identifier specified");
/// There is no such method.
pub const METHOD_MISSING: RestError = RestError::Missing("Invalid Method identifier specified");
/// There is no such integration.
pub const INTEGRATION_MISSING: RestError =
    RestError::Missing("Invalid Integration identifier specified");
/// There is no response with this status.
pub const RESPONSE_MISSING: RestError =
    RestError::Missing("Invalid Response status code specified");
/// There is no such authorizer.
pub const AUTHORIZER_MISSING: RestError =
    RestError::Missing("Invalid Authorizer identifier specified");
/// There is no such stage.
pub const STAGE_MISSING: RestError = RestError::Missing("Invalid stage identifier specified");
/// There is no such deployment.
pub const DEPLOYMENT_MISSING: RestError =
    RestError::Missing("Invalid Deployment identifier specified");
/// There is no such key.
pub const KEY_MISSING: RestError = RestError::Missing("Invalid API Key identifier specified");
/// There is no such plan.
pub const PLAN_MISSING: RestError = RestError::Missing("Invalid Usage Plan ID specified");
