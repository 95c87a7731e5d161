//! What Kinesis refuses, as it words it, in both of its encodings.

use bytes::Bytes;
use hearth_services::streams::StreamError;
use hearth_types::errors::causes;
use hearth_wire::decode::DecodeError;
use hearth_wire::kinesis::{ERRORS, Operation};
use hearth_wire::validate::{self, Violation};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::{BODY_BYTES_MAX, Encoding};
use crate::body::BodyError;
use crate::front::Answer;

/// An error on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KinesisError {
    name: &'static str,
    status: u16,
    message: String,
}

impl KinesisError {
    /// One of the model's, or one that every service has.
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        let shape = ERRORS.iter().find(|error| error.name == name);
        Self { name, status: shape.map_or(400, |shape| shape.status), message: message.into() }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new("InvalidArgumentException", message)
    }

    /// A setting that would have no effect.
    pub(super) fn unsupported(name: &str) -> Self {
        Self::invalid(format!("Hearth does not support {name} yet; leave it out."))
    }

    pub(super) fn validation(violations: &[Violation]) -> Self {
        Self::new("ValidationException", validate::message(violations))
    }

    /// All was well, and nothing was to be done.
    pub(super) fn dry_run() -> Self {
        let text = "Request would have succeeded, but DryRun flag is set.";
        Self::new("DryRunOperationException", text)
    }

    pub(super) fn serialization(message: impl Into<String>) -> Self {
        Self::new("SerializationException", message)
    }

    pub(super) fn unknown_operation(target: &str) -> Self {
        let text = format!("Hearth knows no operation {target} of Kinesis.");
        Self::new("UnknownOperationException", text)
    }

    pub(super) fn not_built(operation: &str) -> Self {
        let text = format!("Hearth does not implement Kinesis {operation} yet.");
        Self { status: 501, ..Self::new("UnsupportedOperationException", text) }
    }

    pub(super) fn draining() -> Self {
        let text = "The server is shutting down; try again when it is back.";
        Self { status: 503, ..Self::new("ServiceUnavailable", text) }
    }

    /// The operation ended without an answer, which only a bug can do.
    pub(super) fn broken() -> Self {
        let text = "The operation was not finished. The server's log says why.";
        Self::new("InternalFailureException", text)
    }

    /// Why the body of an operation was not read.
    pub(super) fn of_body(error: BodyError, operation: Operation) -> Self {
        match error {
            BodyError::TooLarge => {
                let text = format!("Request must be smaller than {BODY_BYTES_MAX} bytes.");
                Self { status: 413, ..Self::new("RequestEntityTooLargeException", text) }
            }
            BodyError::Incomplete => {
                Self::serialization("The request body ended before it was complete.")
            }
            BodyError::NoRoom => {
                let text = "Rate exceeded. Too many large requests at a time.";
                Self::new(too_much(operation), text)
            }
        }
    }

    /// Clients have not taken the records that others have asked for.
    pub(super) fn too_many_answers() -> Self {
        let text = "Rate exceeded. Too many large answers at a time.";
        Self::new("ProvisionedThroughputExceededException", text)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn body(&self, encoding: Encoding) -> Vec<u8> {
        encoding.write(&hearth_wire::aws_json::error_body(self.name, &self.message))
    }

    pub(super) fn render(&self, encoding: Encoding) -> Answer {
        let mut answer = Response::new(Full::new(Bytes::from(self.body(encoding))));
        *answer.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(encoding.content_type()));
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(self.name),
        );
        answer
    }
}

impl From<DecodeError> for KinesisError {
    fn from(error: DecodeError) -> Self {
        Self::serialization(error.to_string())
    }
}

impl From<StreamError> for KinesisError {
    fn from(error: StreamError) -> Self {
        let name = match &error {
            StreamError::NotFound(_)
            | StreamError::InUse(_)
            | StreamError::InvalidArgument(_)
            | StreamError::Validation(_)
            | StreamError::LimitExceeded(_)
            | StreamError::ThroughputExceeded(_)
            | StreamError::ExpiredIterator(_)
            | StreamError::ExpiredToken(_) => error.code(),
            StreamError::Store(_) | StreamError::Log { .. } => {
                return Self { message: said_in_log(&error), ..Self::broken() };
            }
            StreamError::Closing => return Self::draining(),
        };
        Self::new(name, error.to_string())
    }
}

/// What an operation answers to whoever asks too much: those on records have a name of their own.
fn too_much(operation: Operation) -> &'static str {
    let is_of_records = matches!(
        operation,
        Operation::PutRecord
            | Operation::PutRecords
            | Operation::GetRecords
            | Operation::GetShardIterator
    );
    if is_of_records { "ProvisionedThroughputExceededException" } else { "LimitExceededException" }
}

/// Ours to mend: the causes are in the server's log, not in the answer.
pub(super) fn said_in_log(error: &StreamError) -> String {
    tracing::error!(error = causes(error), "an operation of Kinesis failed");
    format!("{error}. The server's log says why.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_too_much_is_told_so_as_the_model_has_it() {
        let refused = |operation| KinesisError::of_body(BodyError::NoRoom, operation).name;
        let records = "ProvisionedThroughputExceededException";
        assert_eq!(refused(Operation::PutRecords), records);
        assert_eq!(refused(Operation::CreateStream), "LimitExceededException");
    }

    #[test]
    fn errors_have_the_names_and_statuses_of_aws() {
        let text = String::new;
        #[rustfmt::skip]
        let rows = [
            (StreamError::NotFound(text()).into(),           "ResourceNotFoundException",              400),
            (StreamError::ThroughputExceeded(text()).into(), "ProvisionedThroughputExceededException", 400),
            (StreamError::Closing.into(),                    "ServiceUnavailable",                     503),
            (KinesisError::broken(),                         "InternalFailureException",               500),
            (KinesisError::not_built("StartStreamEncryption"), "UnsupportedOperationException",        501),
        ];
        for (error, name, status) in rows {
            let error: KinesisError = error;
            assert_eq!((error.name, error.status), (name, status));
            let answer = error.render(Encoding::Cbor);
            assert_eq!(answer.headers()["content-type"], "application/x-amz-cbor-1.1");
            assert_eq!(answer.headers()["x-amzn-errortype"], name);
        }
    }
}
