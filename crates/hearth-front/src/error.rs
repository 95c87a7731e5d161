//! Everything that Lambda and CloudWatch Logs refuse, as AWS words it. Their names of errors are
//! known here only; those of IAM and STS are in `query_error.rs`, those of S3 in `s3/error.rs`.

use bytes::Bytes;
use hearth_control::error::ControlError;
use hearth_invoke::InvokeError;
use hearth_invoke::admission::Limit;
use hearth_scheduler::driver::AcquireError;
use hearth_telemetry::LogError;
use hearth_types::errors::causes;
use hearth_wire::decode::DecodeError;
use hearth_wire::validate::Violation;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::body::BodyError;
use crate::front::Answer;

/// An error on its way out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AwsError {
    name: &'static str,
    status: u16,
    message: Option<String>,
    /// `Type` in the body, where AWS has one.
    whose: Option<&'static str>,
    /// `Reason` in the body of a throttled request.
    reason: Option<&'static str>,
    /// How long a throttled caller should wait.
    retry_seconds: u64,
}

/// How the protocols of the services differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Lambda's.
    RestJson,
    /// CloudWatch Logs'.
    AwsJson,
    /// EventBridge Scheduler's: as Lambda's, and every text is a `Message`.
    Scheduler,
}

impl AwsError {
    fn new(name: &'static str, message: impl Into<String>) -> Self {
        let shape = hearth_wire::error::find(name);
        Self {
            name,
            status: shape.map_or(400, |shape| shape.status),
            message: Some(message.into()),
            whose: shape.filter(|shape| shape.has_type).map(|_| "User"),
            reason: None,
            retry_seconds: 1,
        }
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterValueException", message)
    }

    pub(crate) fn validation(violations: &[Violation]) -> Self {
        Self::new("ValidationException", hearth_wire::validate::message(violations))
    }

    /// Ours to mend. The cause is in the server's log, not in the answer.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = causes(error), "an operation failed");
        let message = format!("{error}. The server's log says why.");
        Self { whose: Some("Service"), ..Self::new("ServiceException", message) }
    }

    pub(crate) fn too_large(limit: usize, operation: &str) -> Self {
        let name = match operation {
            "InvokeFunction" => "RequestTooLargeException",
            _ => "RequestEntityTooLargeException",
        };
        let message =
            format!("Request must be smaller than {limit} bytes for the {operation} operation");
        Self { status: 413, whose: Some("User"), ..Self::new(name, message) }
    }

    pub(crate) fn zip_too_large(limit: usize) -> Self {
        let message = format!("Zipped size must be smaller than {limit} bytes");
        Self { whose: Some("User"), ..Self::new("RequestEntityTooLargeException", message) }
    }

    /// Why a body was not read.
    pub(crate) fn of_body(error: BodyError, limit: usize, operation: &str) -> Self {
        match error {
            BodyError::TooLarge => Self::too_large(limit, operation),
            BodyError::Incomplete => Self::incomplete_body(),
            BodyError::NoRoom => Self {
                message: Some("Rate Exceeded. Too many large requests at a time.".to_owned()),
                ..Self::throttled("CallerRateLimitExceeded")
            },
        }
    }

    /// The operation ended without an answer, which only a bug can do.
    pub(crate) fn broken() -> Self {
        let message = "The operation was not finished. The server's log says why.";
        Self { whose: Some("Service"), ..Self::new("ServiceException", message) }
    }

    /// CloudWatch Logs has a name of its own for this, and 400 for what is missing.
    pub(crate) fn invalid_log_parameter(message: impl Into<String>) -> Self {
        Self { status: 400, ..Self::new("InvalidParameterException", message) }
    }

    fn log_missing(message: &str) -> Self {
        Self { status: 400, ..Self::new("ResourceNotFoundException", message) }
    }

    fn incomplete_body() -> Self {
        Self::new(
            "InvalidRequestContentException",
            "The request body ended before it was complete.",
        )
    }

    pub(crate) fn unknown_path(method: &str, path: &str) -> Self {
        let message = format!(
            "Hearth knows no operation at {method} {path}. It serves AWS Lambda and CloudWatch Logs."
        );
        Self::new("UnknownOperationException", message)
    }

    pub(crate) fn not_built(service: &str, operation: &str) -> Self {
        Self::not_built_part(&format!("{service} {operation}"))
    }

    /// AWS has what was asked for, and this part of it is not built.
    pub(crate) fn not_built_part(what: &str) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED.as_u16(),
            ..Self::new(
                "UnsupportedOperationException",
                format!("Hearth does not implement {what} yet."),
            )
        }
    }

    /// The service is served by somebody else.
    pub(crate) fn elsewhere(message: String) -> Self {
        let status = StatusCode::NOT_IMPLEMENTED.as_u16();
        Self { status, ..Self::new("UnsupportedOperationException", message) }
    }

    /// An error of EventBridge, whose statuses are its own.
    pub(crate) fn of_events(name: &'static str, message: impl Into<String>) -> Self {
        let shape = hearth_wire::events::ERRORS.iter().find(|error| error.name == name);
        let status = shape.map_or(400, |shape| shape.status);
        Self { status, whose: None, ..Self::new(name, message) }
    }

    /// An error of API Gateway's second version, whose statuses are its own.
    pub(crate) fn of_apis(name: &'static str, message: impl Into<String>) -> Self {
        let shape = hearth_wire::apigatewayv2::ERRORS.iter().find(|error| error.name == name);
        let status = shape.map_or(400, |shape| shape.status);
        Self { status, whose: None, ..Self::new(name, message) }
    }

    /// An error of API Gateway's first version, whose statuses are its own.
    pub(crate) fn of_rest_apis(name: &'static str, message: impl Into<String>) -> Self {
        let shape = hearth_wire::apigateway::ERRORS.iter().find(|error| error.name == name);
        let status = shape.map_or(400, |shape| shape.status);
        Self { status, whose: None, ..Self::new(name, message) }
    }

    /// An error of EventBridge Scheduler, whose statuses are its own.
    pub(crate) fn of_scheduler(name: &'static str, message: impl Into<String>) -> Self {
        let shape = hearth_wire::scheduler::ERRORS.iter().find(|error| error.name == name);
        let status = shape.map_or(400, |shape| shape.status);
        Self { status, whose: None, ..Self::new(name, message) }
    }

    /// An error of the management of connections, whose statuses are its own.
    pub(crate) fn of_connections(name: &'static str, message: impl Into<String>) -> Self {
        let shapes = &hearth_wire::apigatewaymanagementapi::ERRORS;
        let status = shapes.iter().find(|error| error.name == name);
        let status = status.map_or(400, |shape| shape.status);
        Self { status, whose: None, ..Self::new(name, message) }
    }

    /// The same error under the name that a service has for it.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn draining() -> Self {
        let message = "The server is shutting down; try again when it is back.";
        Self { status: 503, whose: None, ..Self::new("ServiceUnavailableException", message) }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    pub(crate) fn render(self, protocol: Protocol) -> Answer {
        let body = match protocol {
            Protocol::RestJson => {
                let mut body =
                    hearth_wire::error::body(self.name, self.message.as_deref(), self.whose);
                if let (Some(reason), Some(body)) = (self.reason, body.as_object_mut()) {
                    body.insert("Reason".to_owned(), Value::from(reason));
                }
                body
            }
            Protocol::Scheduler => serde_json::json!({ "Message": self.message }),
            Protocol::AwsJson => {
                let message = self.message.as_deref().unwrap_or_default();
                hearth_wire::aws_json::error_body(self.name, message)
            }
        };
        let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
        *answer.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = match protocol {
            Protocol::RestJson | Protocol::Scheduler => "application/json",
            Protocol::AwsJson => hearth_wire::aws_json::CONTENT_TYPE,
        };
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(
            HeaderName::from_static("x-amzn-errortype"),
            HeaderValue::from_static(self.name),
        );
        if self.status == 429 {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_seconds));
        }
        answer
    }

    fn throttled(reason: &'static str) -> Self {
        Self { reason: Some(reason), ..Self::new("TooManyRequestsException", "Rate Exceeded.") }
    }
}

impl From<&ControlError> for AwsError {
    fn from(error: &ControlError) -> Self {
        let text = error.to_string();
        match error {
            ControlError::FunctionMissing(_)
            | ControlError::NotFound(_)
            | ControlError::OtherRegion { .. } => Self::not_found(text),
            ControlError::FunctionExists(_)
            | ControlError::UpdateInProgress(_)
            | ControlError::NotActive(_)
            | ControlError::Conflict(_) => Self::new("ResourceConflictException", text),
            ControlError::RevisionMismatch(_) => Self::new("PreconditionFailedException", text),
            ControlError::NotFoundUntyped(_) => Self { whose: None, ..Self::not_found(text) },
            ControlError::InvalidParameterUntyped(_) => {
                Self { whose: None, ..Self::invalid_parameter(text) }
            }
            ControlError::PolicyTooLong(_) => Self::new("PolicyLengthExceededException", text),
            ControlError::CodeSigningConfigMissing(_) => {
                Self::new("CodeSigningConfigNotFoundException", text)
            }
            ControlError::CodeVerificationFailed(_) => {
                Self::new("CodeVerificationFailedException", text)
            }
            ControlError::AccessDenied(_) => {
                Self { status: 403, ..Self::new("AccessDeniedException", text) }
            }
            ControlError::ProvisionedConcurrencyMissing => {
                Self::new("ProvisionedConcurrencyConfigNotFoundException", text)
            }
            ControlError::CodeStorageExceeded => Self::new("CodeStorageExceededException", text),
            ControlError::InUse(_) => Self::new("ResourceInUseException", text),
            ControlError::InvalidParameter(_) => Self::invalid_parameter(text),
            ControlError::TooLarge(_) => {
                Self { whose: Some("User"), ..Self::new("RequestEntityTooLargeException", text) }
            }
            // Recorded: the text is null.
            ControlError::OtherAccount => {
                Self { message: None, ..Self::new("AccessDeniedException", "") }
            }
            ControlError::Store(_) | ControlError::Package(_) => Self::internal(error),
        }
    }
}

impl From<ControlError> for AwsError {
    fn from(error: ControlError) -> Self {
        Self::from(&error)
    }
}

impl From<&InvokeError> for AwsError {
    fn from(error: &InvokeError) -> Self {
        match error {
            InvokeError::NotResolved(error) => error.into(),
            InvokeError::PayloadTooLarge { limit, .. } => Self::too_large(*limit, "InvokeFunction"),
            InvokeError::EventTooLarge { size, limit } => Self {
                status: 413,
                whose: Some("User"),
                ..Self::new(
                    "RequestEntityTooLargeException",
                    format!(
                        "{size} byte payload is too large for the Event invocation type (limit {limit} bytes)"
                    ),
                )
            },
            InvokeError::PayloadNotJson(error) => Self::new(
                "InvalidRequestContentException",
                format!(
                    "Could not parse request body into json: Could not parse payload into json: {}",
                    as_jackson(error)
                ),
            ),
            InvokeError::Throttled(throttled) => Self {
                retry_seconds: throttled.retry_ms.div_ceil(1_000).max(1),
                ..Self::throttled(match throttled.limit {
                    Limit::Account => "ConcurrentInvocationLimitExceeded",
                    Limit::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
                    Limit::AccountRate => "FunctionInvocationRateLimitExceeded",
                    Limit::ReservedRate => "ReservedFunctionInvocationRateLimitExceeded",
                })
            },
            // AWS has no reason of its own for this one.
            InvokeError::NotPlaced(AcquireError::Scaling) => {
                Self::throttled("ConcurrentInvocationLimitExceeded")
            }
            InvokeError::NotPlaced(AcquireError::Room) => Self {
                message: Some(
                    "Rate Exceeded. The host has no room for another execution environment."
                        .to_owned(),
                ),
                ..Self::throttled("ConcurrentInvocationLimitExceeded")
            },
            InvokeError::NotPlaced(AcquireError::Closing) => Self::draining(),
            InvokeError::NotPlaced(AcquireError::NotStarted(why)) => {
                tracing::error!(why, "an execution environment could not be started");
                let message = format!("The execution environment could not be started: {why}");
                Self { whose: Some("Service"), ..Self::new("ServiceException", message) }
            }
            InvokeError::Recursive => Self::new("RecursiveInvocationException", error.to_string()),
            InvokeError::NotTaken | InvokeError::NotAccepted(_) => Self::internal(error),
        }
    }
}

/// The service's parser is Jackson; tools match on its words.
fn as_jackson(error: &serde_json::Error) -> String {
    let place = format!("line: {}, column: {}", error.line(), error.column());
    if error.is_eof() {
        return format!("Unexpected end-of-input at [Source: (byte[]); {place}]");
    }
    format!(
        "Unexpected character: expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false') at [Source: (byte[]); {place}]"
    )
}

impl From<DecodeError> for AwsError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::BodyNotJson { .. }
            | DecodeError::BodyNotCbor { .. }
            | DecodeError::BodyNotAnObject => Self::new(
                "InvalidRequestContentException",
                format!("Could not parse request body into json: {error}"),
            ),
            DecodeError::TypeMismatch(mismatch) => {
                Self::new("SerializationException", mismatch.to_string())
            }
        }
    }
}

impl From<LogError> for AwsError {
    fn from(error: LogError) -> Self {
        let text = error.to_string();
        match error {
            LogError::GroupMissing { .. } => {
                Self::log_missing("The specified log group does not exist.")
            }
            LogError::StreamMissing { .. } => {
                Self::log_missing("The specified log stream does not exist.")
            }
            LogError::GroupExists { .. } => Self::new(
                "ResourceAlreadyExistsException",
                "The specified log group already exists",
            ),
            LogError::StreamExists { .. } => Self::new(
                "ResourceAlreadyExistsException",
                "The specified log stream already exists",
            ),
            LogError::NameRefused { .. }
            | LogError::PatternRefused { .. }
            | LogError::TokenInvalid { .. } => Self::invalid_log_parameter(text),
            LogError::NotRead { .. }
            | LogError::NotWritten { .. }
            | LogError::WriterNotStarted { .. } => Self::internal(&error),
        }
    }
}
