//! What SQS refuses, as each of its protocols words it.
//!
//! The JSON protocol names an error by its shape, and says beside it what the query protocol calls
//! it, because clients are written for those names.

use hearth_services::queues::QueueError;
use hearth_types::errors::causes;
use hearth_types::ids::RequestId;
use hearth_wire::aws_query::{self, ErrorBody, Fault};
use hearth_wire::decode::DecodeError;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use super::json;
use crate::body::BodyError;
use crate::front::Answer;
use crate::query;

/// The namespace of the query protocol's documents.
pub(super) const NAMESPACE: &str = "http://queue.amazonaws.com/doc/2012-11-05/";

/// An error on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqsError {
    /// The name of its shape, with what it belongs to.
    shape: String,
    /// What the query protocol calls it.
    code: &'static str,
    /// Its status in the query protocol.
    status: u16,
    message: String,
}

/// The namespace of the errors that the model names.
const MODELLED: &str = "com.amazonaws.sqs";
/// The namespace of those that it does not.
const COMMON: &str = "com.amazon.coral.service";

impl SqsError {
    fn new((namespace, name): (&str, &str), code: &'static str, message: String) -> Self {
        Self { shape: format!("{namespace}#{name}"), code, status: 400, message }
    }

    pub(super) fn missing(parameter: &str) -> Self {
        QueueError::MissingParameter(parameter.to_owned()).into()
    }

    pub(super) fn invalid_parameter(message: String) -> Self {
        QueueError::InvalidParameterValue(message).into()
    }

    pub(super) fn serialization(message: String) -> Self {
        Self::new((COMMON, "SerializationException"), "SerializationException", message)
    }

    pub(super) fn unknown_operation(target: &str) -> Self {
        let name = (COMMON, "UnknownOperationException");
        Self::new(name, "InvalidAction", format!("There is no operation at {target}."))
    }

    pub(super) fn unknown_action(action: &str) -> Self {
        let message = format!("The action {action} is not valid for this endpoint.");
        Self::new((COMMON, "UnknownOperationException"), "InvalidAction", message)
    }

    pub(super) fn draining() -> Self {
        let message = "The server is shutting down; try again when it is back.".to_owned();
        let name = (COMMON, "ServiceUnavailableException");
        Self { status: 503, ..Self::new(name, "ServiceUnavailable", message) }
    }

    /// The operation ended without an answer, which only a bug can do.
    pub(super) fn broken() -> Self {
        let message = "The operation was not finished. The server's log says why.".to_owned();
        Self { status: 500, ..Self::new((COMMON, "InternalFailure"), "InternalFailure", message) }
    }

    /// Why a body was not read.
    pub(super) fn of_body(error: BodyError, limit: usize) -> Self {
        match error {
            BodyError::TooLarge => {
                let message = format!("Request must be smaller than {limit} bytes.");
                let name = (COMMON, "RequestEntityTooLargeException");
                Self { status: 413, ..Self::new(name, "RequestEntityTooLarge", message) }
            }
            BodyError::Incomplete => {
                let message = "The request body ended before it was complete.".to_owned();
                Self::serialization(message)
            }
            BodyError::NoRoom => QueueError::RequestThrottled.into(),
        }
    }

    #[cfg(test)]
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn render_json(&self) -> Answer {
        let body = hearth_wire::aws_json::error_body(&self.shape, &self.message);
        // Here, what the caller did wrong is always 400.
        let status = match self.status {
            ours if ours >= 500 => ours,
            413 => 413,
            _theirs => 400,
        };
        let mut answer = json(status_of(status), &body);
        let fault = if status < 500 { "Sender" } else { "Receiver" };
        if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", self.code)) {
            answer.headers_mut().insert(HeaderName::from_static("x-amzn-query-error"), value);
        }
        answer
    }

    pub(super) fn render_query(&self, id: RequestId) -> Answer {
        let id = id.to_string();
        // The older protocol has a text of its own for the most frequent error.
        let message = if self.code == QueueError::QueueDoesNotExist.code() {
            "The specified queue does not exist for this wsdl version."
        } else {
            self.message.as_str()
        };
        let body = aws_query::error_body(&ErrorBody {
            namespace: NAMESPACE,
            code: self.code,
            message,
            fault: if self.status < 500 { Fault::Sender } else { Fault::Receiver },
            request_id: &id,
        });
        query::xml(status_of(self.status), body)
    }
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl From<QueueError> for SqsError {
    fn from(error: QueueError) -> Self {
        let (name, status) = match &error {
            QueueError::QueueDoesNotExist => ("QueueDoesNotExist", 400),
            QueueError::QueueNameExists { .. } => ("QueueNameExists", 400),
            QueueError::UnknownAttribute(_) | QueueError::InvalidAttributeName(_) => {
                ("InvalidAttributeName", 400)
            }
            QueueError::InvalidAttributeValue(_) => ("InvalidAttributeValue", 400),
            QueueError::InvalidParameterValue(_) | QueueError::DeduplicationIdMissing => {
                ("InvalidParameterValueException", 400)
            }
            QueueError::MissingParameter(_) => ("MissingRequiredParameterException", 400),
            QueueError::InvalidAddress(_) => ("InvalidAddress", 404),
            QueueError::InvalidMessageContents => ("InvalidMessageContents", 400),
            QueueError::EmptyBatchRequest(_) => ("EmptyBatchRequest", 400),
            QueueError::TooManyEntriesInBatchRequest(_) => ("TooManyEntriesInBatchRequest", 400),
            QueueError::BatchEntryIdsNotDistinct(_) => ("BatchEntryIdsNotDistinct", 400),
            QueueError::InvalidBatchEntryId => ("InvalidBatchEntryId", 400),
            QueueError::BatchRequestTooLong(_) => ("BatchRequestTooLong", 400),
            QueueError::ReceiptHandleIsInvalid(_) => ("ReceiptHandleIsInvalid", 404),
            QueueError::MessageNotInflight => ("MessageNotInflight", 400),
            QueueError::OverLimit(_) => ("OverLimit", 403),
            QueueError::PurgeQueueInProgress(_) => ("PurgeQueueInProgress", 403),
            QueueError::RequestThrottled => ("RequestThrottled", 403),
            QueueError::ResourceNotFound(_) => ("ResourceNotFoundException", 404),
            QueueError::UnsupportedOperation(_) => ("UnsupportedOperation", 400),
            QueueError::Store(_) => ("InternalFailure", 500),
        };
        let is_modelled = hearth_wire::sqs::ERRORS.iter().any(|shape| shape.name == name);
        let namespace = if is_modelled { MODELLED } else { COMMON };
        let message = shown(&error);
        Self { status, ..Self::new((namespace, name), error.code(), message) }
    }
}

/// What the caller is told. What is ours to mend is in the server's log.
pub(super) fn shown(error: &QueueError) -> String {
    let QueueError::Store(_) = error else { return error.to_string() };
    tracing::error!(error = causes(error), "an operation on a queue failed");
    format!("{error}. The server's log says why.")
}

impl From<DecodeError> for SqsError {
    fn from(error: DecodeError) -> Self {
        Self::serialization(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_names_and_statuses() {
        let purged = || QueueError::PurgeQueueInProgress("q".to_owned());
        let invalid = || QueueError::InvalidParameterValue("x".to_owned());
        #[rustfmt::skip]
        let rows = [
            (QueueError::QueueDoesNotExist, "com.amazonaws.sqs#QueueDoesNotExist",                     "AWS.SimpleQueueService.NonExistentQueue",     400),
            (purged(),                      "com.amazonaws.sqs#PurgeQueueInProgress",                  "AWS.SimpleQueueService.PurgeQueueInProgress", 403),
            (invalid(),                     "com.amazon.coral.service#InvalidParameterValueException", "InvalidParameterValue",                       400),
            (QueueError::RequestThrottled,  "com.amazonaws.sqs#RequestThrottled",                      "RequestThrottled",                            403),
        ];
        for (error, shape, code, status) in rows {
            let error = SqsError::from(error);
            assert_eq!((error.shape.as_str(), error.code, error.status), (shape, code, status));
            let answer = error.render_json();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
            assert_eq!(answer.headers()["x-amzn-query-error"], format!("{code};Sender"));
            assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.0");
            let answer = error.render_query(RequestId::random());
            assert_eq!(
                (answer.status().as_u16(), answer.headers()["content-type"].as_bytes()),
                (status, &b"text/xml"[..])
            );
        }
        assert_eq!(SqsError::draining().render_json().status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
