//! Why something was not done with a topic or a subscription, in AWS's words.

use hearth_store::error::StoreError;

use super::signing::SigningError;

/// What SNS answers instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// A parameter is not what it has to be.
    #[error("{0}")]
    InvalidParameter(String),
    /// An attribute of a message is not what it has to be.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// Something that has to be there is not, or breaks a constraint of the model.
    #[error("{0}")]
    Validation(String),
    /// There is no such topic.
    #[error("Topic does not exist")]
    TopicMissing,
    /// There is no such subscription.
    #[error("Subscription does not exist")]
    SubscriptionMissing,
    /// There is nothing with tags under this ARN.
    #[error("Resource does not exist")]
    ResourceMissing,
    /// The topic belongs to another account, whose policy does not let the caller in.
    #[error("{0}")]
    Forbidden(String),
    /// The account has as many topics as it may have.
    #[error("You have reached the limit of {0} topics.")]
    TopicLimit(usize),
    /// The topic has as many subscriptions as it may have.
    #[error("You have reached the limit of {0} subscriptions for this topic.")]
    SubscriptionLimit(usize),
    /// There are as many filter policies as there may be.
    #[error("You have reached the limit of {0} filter policies.")]
    FilterPolicyLimit(usize),
    /// A topic has as many tags as it may have.
    #[error("Could not complete request: tag quota of per resource exceeded")]
    TagLimit,
    /// A batch has nothing in it.
    #[error("The batch request doesn't contain any entries.")]
    EmptyBatch,
    /// A batch has more than ten entries.
    #[error("The batch request contains more entries than permissible.")]
    TooManyEntries,
    /// Two entries of a batch have the same id.
    #[error("Two or more batch entries in the request have the same Id.")]
    EntriesNotDistinct,
    /// The id of an entry is none.
    #[error("The Id of a batch entry in a batch request doesn't abide by the specification.")]
    InvalidEntryId,
    /// The messages of a batch are too large together.
    #[error("The length of all the messages put together is more than the limit.")]
    BatchTooLong,
    /// The store failed.
    #[error("could not keep what belongs to a topic")]
    Store(#[source] StoreError),
    /// A notification could not be signed.
    #[error("could not sign a notification")]
    Signing(#[source] SigningError),
}

impl TopicError {
    /// `Invalid parameter: ` and what about it.
    pub(super) fn parameter(what: impl AsRef<str>) -> Self {
        Self::InvalidParameter(format!("Invalid parameter: {}", what.as_ref()))
    }

    /// AWS's name of the error: deliveries that are refused keep it.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidParameter(_) => "InvalidParameter",
            Self::InvalidParameterValue(_) => "ParameterValueInvalid",
            Self::Validation(_) => "ValidationError",
            Self::TopicMissing | Self::SubscriptionMissing => "NotFound",
            Self::ResourceMissing => "ResourceNotFound",
            Self::Forbidden(_) => "AuthorizationError",
            Self::TopicLimit(_) => "TopicLimitExceeded",
            Self::SubscriptionLimit(_) => "SubscriptionLimitExceeded",
            Self::FilterPolicyLimit(_) => "FilterPolicyLimitExceeded",
            Self::TagLimit => "TagLimitExceeded",
            Self::EmptyBatch => "EmptyBatchRequest",
            Self::TooManyEntries => "TooManyEntriesInBatchRequest",
            Self::EntriesNotDistinct => "BatchEntryIdsNotDistinct",
            Self::InvalidEntryId => "InvalidBatchEntryId",
            Self::BatchTooLong => "BatchRequestTooLong",
            Self::Store(_) | Self::Signing(_) => "InternalError",
        }
    }
}
