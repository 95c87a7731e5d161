//! Why something was not done with a queue or a message, in AWS's words.

use hearth_store::error::StoreError;

use super::quotas::{BATCH_ENTRIES_MAX, MESSAGE_BYTES_MAX};

/// What SQS answers instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// There is no such queue.
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    /// There is a queue of this name, and it has another value for this attribute.
    #[error(
        "A queue already exists with the same name and a different value for attribute {attribute}"
    )]
    QueueNameExists {
        /// The attribute that differs.
        attribute: String,
    },
    /// There is no such attribute, or not for this kind of queue.
    #[error("Unknown Attribute {0}.")]
    UnknownAttribute(String),
    /// Attributes that do not go together.
    #[error("{0}")]
    InvalidAttributeName(String),
    /// An attribute cannot have this value.
    #[error("{0}")]
    InvalidAttributeValue(String),
    /// A parameter cannot have this value.
    #[error("{0}")]
    InvalidParameterValue(String),
    /// A parameter has to be there.
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(String),
    /// A FIFO queue has no way to tell whether it has the message already.
    #[error(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )]
    DeduplicationIdMissing,
    /// The address is not one of a queue.
    #[error("The address {0} is not valid for this endpoint.")]
    InvalidAddress(String),
    /// The body of a message has characters that XML does not have.
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    )]
    InvalidMessageContents,
    /// A batch without entries.
    #[error("There should be at least one {0} in the request.")]
    EmptyBatchRequest(&'static str),
    /// A batch with too many entries.
    #[error("Maximum number of entries per request are {max}. You have sent {0}.", max = BATCH_ENTRIES_MAX)]
    TooManyEntriesInBatchRequest(usize),
    /// Two entries with the same id.
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    /// The id of an entry has other characters, or too many.
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    /// All messages of a batch together are too large.
    #[error(
        "Batch requests cannot be longer than {max} bytes. You have sent {0} bytes.",
        max = MESSAGE_BYTES_MAX
    )]
    BatchRequestTooLong(usize),
    /// It is not a receipt handle of this queue.
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    ReceiptHandleIsInvalid(String),
    /// The visibility timeout of the message has ended, or it was received again.
    #[error("The specified message isn't in flight.")]
    MessageNotInflight,
    /// There is more of something than there may be.
    #[error("{0}")]
    OverLimit(String),
    /// The queue was purged a moment ago.
    #[error("Only one PurgeQueue operation on {0} is allowed every 60 seconds.")]
    PurgeQueueInProgress(String),
    /// Too many receivers wait.
    #[error("The request was denied due to request throttling.")]
    RequestThrottled,
    /// A queue or a task that is named by an ARN or a handle is not there.
    #[error("{0}")]
    ResourceNotFound(String),
    /// The queue does not do this.
    #[error("{0}")]
    UnsupportedOperation(String),
    /// The store failed.
    #[error("could not read or write the queues")]
    Store(#[source] StoreError),
}

impl QueueError {
    /// A parameter that cannot have this value, in the usual words.
    pub(super) fn parameter(value: impl std::fmt::Display, name: &str, reason: &str) -> Self {
        Self::InvalidParameterValue(format!(
            "Value {value} for parameter {name} is invalid. Reason: {reason}"
        ))
    }

    /// AWS's code of the error, as it stands in failed entries of a batch and in the query protocol.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueNameExists { .. } => "QueueAlreadyExists",
            Self::UnknownAttribute(_) | Self::InvalidAttributeName(_) => "InvalidAttributeName",
            Self::InvalidAttributeValue(_) => "InvalidAttributeValue",
            Self::InvalidParameterValue(_) | Self::DeduplicationIdMissing => {
                "InvalidParameterValue"
            }
            Self::MissingParameter(_) => "MissingParameter",
            Self::InvalidAddress(_) => "InvalidAddress",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::EmptyBatchRequest(_) => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest(_) => {
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
            }
            Self::BatchEntryIdsNotDistinct(_) => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::BatchRequestTooLong(_) => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::ReceiptHandleIsInvalid(_) => "ReceiptHandleIsInvalid",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::OverLimit(_) => "OverLimit",
            Self::PurgeQueueInProgress(_) => "AWS.SimpleQueueService.PurgeQueueInProgress",
            Self::RequestThrottled => "RequestThrottled",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::UnsupportedOperation(_) => "AWS.SimpleQueueService.UnsupportedOperation",
            Self::Store(_) => "InternalFailure",
        }
    }

    /// Whether it is the caller's fault: what failed because of us may be tried again.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::RequestThrottled | Self::OverLimit(_))
    }
}
