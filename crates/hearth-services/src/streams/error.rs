//! Why something was not done with a stream, a shard or a record, in AWS's words.

use std::io;
use std::sync::Arc;

use hearth_store::error::StoreError;

/// What Kinesis answers instead of a result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    /// There is no such stream, shard or consumer.
    #[error("{0}")]
    NotFound(String),
    /// There is one of this name already, or it is in the way of something else.
    #[error("{0}")]
    InUse(String),
    /// An argument cannot be.
    #[error("{0}")]
    InvalidArgument(String),
    /// An argument breaks a rule of the service's model.
    #[error("{0}")]
    Validation(String),
    /// There would be more of something than there may be.
    #[error("{0}")]
    LimitExceeded(String),
    /// A shard is written to, or read, faster than it may be.
    #[error("{0}")]
    ThroughputExceeded(String),
    /// An iterator is too old.
    #[error("{0}")]
    ExpiredIterator(String),
    /// The token of a next page is too old.
    #[error("{0}")]
    ExpiredToken(String),
    /// The store failed.
    #[error("could not read or write what is known of streams")]
    Store(#[source] Arc<StoreError>),
    /// A file of a shard could not be used.
    #[error("could not {operation} a shard's records")]
    Log {
        /// What was being done, as a verb.
        operation: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The server is being stopped.
    #[error("the server is shutting down; try again when it is back")]
    Closing,
}

impl StreamError {
    /// For `map_err`: the store failed.
    pub(super) fn store(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }

    /// For `map_err`: names what was done with a shard's records.
    pub(super) fn log(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Log { operation, source: Arc::new(source) }
    }

    /// AWS's code of the error, as it stands in failed entries of a request.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "ResourceNotFoundException",
            Self::InUse(_) => "ResourceInUseException",
            Self::InvalidArgument(_) => "InvalidArgumentException",
            Self::Validation(_) => "ValidationException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::ThroughputExceeded(_) => "ProvisionedThroughputExceededException",
            Self::ExpiredIterator(_) => "ExpiredIteratorException",
            Self::ExpiredToken(_) => "ExpiredNextTokenException",
            Self::Store(_) | Self::Log { .. } | Self::Closing => "InternalFailure",
        }
    }

    /// Whether it is ours to mend.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Store(_) | Self::Log { .. })
    }
}
