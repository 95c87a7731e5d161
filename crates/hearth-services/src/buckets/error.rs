//! Why something was not done with a bucket or an object, in S3's words.

use std::io;

use hearth_store::error::StoreError;
use hearth_types::errors::causes;
use hearth_types::time::Timestamp;

/// What S3 answers instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// There is no such bucket.
    #[error("The specified bucket does not exist")]
    NoSuchBucket,
    /// There is no such key.
    #[error("The specified key does not exist.")]
    NoSuchKey,
    /// What is current at this key is a delete marker.
    #[error("The specified key does not exist.")]
    DeleteMarker {
        /// The marker's own version.
        version: String,
    },
    /// The version that was asked for is a delete marker, which has no content.
    #[error("The specified method is not allowed against this resource.")]
    MarkerHasNoContent {
        /// When it was put.
        modified: Timestamp,
    },
    /// There is no such version.
    #[error("The specified version does not exist.")]
    NoSuchVersion,
    /// There is no such upload.
    #[error(
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."
    )]
    NoSuchUpload,
    /// The caller has this bucket already.
    #[error("Your previous request to create the named bucket succeeded and you already own it.")]
    BucketAlreadyOwnedByYou,
    /// Somebody else has this bucket.
    #[error(
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."
    )]
    BucketAlreadyExists,
    /// There are objects in it.
    #[error("The bucket you tried to delete is not empty")]
    BucketNotEmpty,
    /// There are versions in it, though no current objects.
    #[error(
        "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
    )]
    BucketHasVersions,
    /// The text is not the name of a bucket.
    #[error("The specified bucket is not valid.")]
    InvalidBucketName,
    /// The account has as many buckets as it may.
    #[error("You have attempted to create more buckets than allowed")]
    TooManyBuckets,
    /// The key is too long.
    #[error("Your key is too long")]
    KeyTooLong,
    /// The metadata is too large.
    #[error("Your metadata headers exceed the maximum allowed metadata size")]
    MetadataTooLarge,
    /// The object would be too large.
    #[error("Your proposed upload exceeds the maximum allowed size")]
    EntityTooLarge,
    /// A part that is not the last is too small.
    #[error("Your proposed upload is smaller than the minimum allowed size")]
    EntityTooSmall,
    /// A part that should be put together is not there, or is another one.
    #[error(
        "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
    )]
    InvalidPart,
    /// The parts are not named in order.
    #[error("The list of parts was not in ascending order. Parts must be ordered by part number.")]
    InvalidPartOrder,
    /// What arrived has not the checksum that was promised.
    #[error("{0}")]
    BadDigest(String),
    /// What arrived has not the SHA-256 that was signed.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    ContentSha256Mismatch,
    /// An argument that makes no sense.
    #[error("{0}")]
    InvalidArgument(String),
    /// A request that makes no sense.
    #[error("{0}")]
    InvalidRequest(String),
    /// The object is not as the request supposed.
    #[error("At least one of the pre-conditions you specified did not hold")]
    PreconditionFailed,
    /// A document is not as S3's schema says.
    #[error(
        "The XML you provided was not well-formed or did not validate against our published schema"
    )]
    MalformedXml,
    /// A policy is none.
    #[error("{0}")]
    MalformedPolicy(String),
    /// A tag has what it may not have.
    #[error("{0}")]
    InvalidTag(String),
    /// A request that cannot be carried out.
    #[error("{0}")]
    BadRequest(String),
    /// The object has no part of this number.
    #[error("The requested partnumber is not satisfiable")]
    InvalidPartNumber,
    /// A record is not what this program writes.
    #[error("could not understand the record of an object")]
    Document(#[source] serde_json::Error),
    /// The store failed.
    #[error("could not read or write the records of the buckets")]
    Store(#[source] StoreError),
    /// The files failed.
    #[error("could not {operation}")]
    Content {
        /// What was being done, as a verb phrase.
        operation: &'static str,
        /// What the host said.
        source: io::Error,
    },
}

impl BucketError {
    /// For `map_err`: names the operation.
    pub(super) fn during(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Content { operation, source }
    }

    /// S3's name of the error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchBucket => "NoSuchBucket",
            Self::NoSuchKey | Self::DeleteMarker { .. } => "NoSuchKey",
            Self::MarkerHasNoContent { .. } => "MethodNotAllowed",
            Self::NoSuchVersion => "NoSuchVersion",
            Self::NoSuchUpload => "NoSuchUpload",
            Self::BucketAlreadyOwnedByYou => "BucketAlreadyOwnedByYou",
            Self::BucketAlreadyExists => "BucketAlreadyExists",
            Self::BucketNotEmpty | Self::BucketHasVersions => "BucketNotEmpty",
            Self::InvalidBucketName => "InvalidBucketName",
            Self::TooManyBuckets => "TooManyBuckets",
            Self::KeyTooLong => "KeyTooLongError",
            Self::MetadataTooLarge => "MetadataTooLarge",
            Self::EntityTooLarge => "EntityTooLarge",
            Self::EntityTooSmall => "EntityTooSmall",
            Self::InvalidPart => "InvalidPart",
            Self::InvalidPartOrder => "InvalidPartOrder",
            Self::BadDigest(_) => "BadDigest",
            Self::ContentSha256Mismatch => "XAmzContentSHA256Mismatch",
            Self::InvalidArgument(_) => "InvalidArgument",
            Self::InvalidRequest(_) => "InvalidRequest",
            Self::PreconditionFailed => "PreconditionFailed",
            Self::MalformedXml => "MalformedXML",
            Self::MalformedPolicy(_) => "MalformedPolicy",
            Self::InvalidTag(_) => "InvalidTag",
            Self::BadRequest(_) => "BadRequest",
            Self::InvalidPartNumber => "InvalidPartNumber",
            Self::Document(_) | Self::Store(_) | Self::Content { .. } => "InternalError",
        }
    }

    /// What the caller is told. What is ours to mend is in the server's log.
    #[must_use]
    pub fn message(&self) -> String {
        match self.code() {
            "InternalError" => {
                tracing::error!(error = causes(self), "an operation on a bucket failed");
                "We encountered an internal error. Please try again.".to_owned()
            }
            _refused => self.to_string(),
        }
    }
}
