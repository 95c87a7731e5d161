//! What S3 refuses, in its words and with its statuses.

use hearth_services::buckets::{BucketError, NotificationFault, host_id};
use hearth_types::ids::RequestId;
use hearth_wire::xml::Element;
use hyper::{Method, StatusCode};

use super::answer::{self, Answer};
use super::date;
use crate::body::BodyError;

/// An error on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct S3Error {
    status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    headers: Vec<(&'static str, String)>,
    /// What stands in the document beside that.
    details: Vec<(&'static str, String)>,
}

impl S3Error {
    pub(super) fn new((status, code): (u16, &'static str), message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), details: Vec::new() }
    }

    pub(super) fn not_implemented(what: &str) -> Self {
        Self::new((501, "NotImplemented"), format!("Hearth does not implement S3's {what} yet."))
    }

    pub(super) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new((400, "InvalidArgument"), message)
    }

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new((400, "InvalidRequest"), message)
    }

    pub(super) fn invalid_uri() -> Self {
        Self::new((400, "InvalidURI"), "Couldn't parse the specified URI.")
    }

    pub(super) fn malformed_xml() -> Self {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Self::new((400, "MalformedXML"), message)
    }

    pub(super) fn method_not_allowed() -> Self {
        let message = "The specified method is not allowed against this resource.";
        Self::new((405, "MethodNotAllowed"), message)
    }

    /// Buckets have no lists of access but their owners'.
    pub(super) fn lists_not_supported() -> Self {
        Self::new((400, "AccessControlListNotSupported"), "The bucket does not allow ACLs")
    }

    pub(super) fn access_denied() -> Self {
        Self::new((403, "AccessDenied"), "Access Denied")
    }

    pub(super) fn invalid_range() -> Self {
        Self::new((416, "InvalidRange"), "The requested range is not satisfiable")
    }

    pub(super) fn incomplete_body() -> Self {
        let message =
            "You did not provide the number of bytes specified by the Content-Length HTTP header.";
        Self::new((400, "IncompleteBody"), message)
    }

    pub(super) fn malformed_trailer() -> Self {
        let message = "The request contained trailing data that was not well-formed or did not conform to our published schema.";
        Self::new((400, "MalformedTrailerError"), message)
    }

    pub(super) fn request_timeout() -> Self {
        let message = "Your socket connection to the server was not read from or written to within the timeout period.";
        Self::new((400, "RequestTimeout"), message)
    }

    pub(super) fn not_modified() -> Self {
        Self::new((304, "NotModified"), "")
    }

    pub(super) fn precondition_failed() -> Self {
        Self::from(BucketError::PreconditionFailed)
    }

    pub(super) fn draining() -> Self {
        let message = "The server is shutting down; try again when it is back.";
        Self::new((503, "ServiceUnavailable"), message)
    }

    /// The operation ended without an answer, which only a bug can do.
    pub(super) fn broken() -> Self {
        let message = "We encountered an internal error. Please try again.";
        Self::new((500, "InternalError"), message)
    }

    /// What is not there, by the name of the kind of thing.
    pub(super) fn missing(code: &'static str, message: &str) -> Self {
        Self::new((404, code), message)
    }

    pub(super) fn with_detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    pub(super) fn with(mut self, header: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((header, value.into()));
        self
    }

    pub(super) fn of_body(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::malformed_xml(),
            BodyError::Incomplete => Self::incomplete_body(),
            BodyError::NoRoom => Self::new((503, "SlowDown"), "Please reduce your request rate."),
        }
    }

    pub(super) fn render(self, method: &Method, resource: &str, id: RequestId) -> Answer {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let has_body = method != Method::HEAD && status != StatusCode::NOT_MODIFIED;
        let mut answer = if has_body {
            let id = id.to_string();
            let details = self.details.into_iter().map(|(name, text)| Element::text(name, text));
            let document = Element::new("Error")
                .children([
                    Element::text("Code", self.code),
                    Element::text("Message", self.message),
                ])
                .children(details)
                .children([
                    Element::text("Resource", resource),
                    Element::text("RequestId", &id),
                    Element::text("HostId", host_id(&id)),
                ]);
            answer::xml_as(status, &document)
        } else {
            answer::empty(status)
        };
        for (name, value) in self.headers {
            answer::set(&mut answer, name, &value);
        }
        answer
    }
}

impl From<NotificationFault> for S3Error {
    fn from(fault: NotificationFault) -> Self {
        let NotificationFault { message, argument } = fault;
        let mut refused = Self::invalid_argument(message);
        if let Some((name, value)) = argument {
            refused.details = vec![("ArgumentName", name), ("ArgumentValue", value)];
        }
        refused
    }
}

impl From<BucketError> for S3Error {
    fn from(error: BucketError) -> Self {
        let status = match &error {
            BucketError::NoSuchBucket
            | BucketError::NoSuchKey
            | BucketError::DeleteMarker { .. }
            | BucketError::NoSuchVersion
            | BucketError::NoSuchUpload => 404,
            BucketError::MarkerHasNoContent { .. } => 405,
            BucketError::BucketAlreadyOwnedByYou
            | BucketError::BucketAlreadyExists
            | BucketError::BucketNotEmpty
            | BucketError::BucketHasVersions => 409,
            BucketError::PreconditionFailed => 412,
            BucketError::InvalidBucketName
            | BucketError::TooManyBuckets
            | BucketError::KeyTooLong
            | BucketError::MetadataTooLarge
            | BucketError::EntityTooLarge
            | BucketError::EntityTooSmall
            | BucketError::InvalidPart
            | BucketError::InvalidPartOrder
            | BucketError::BadDigest(_)
            | BucketError::ContentSha256Mismatch
            | BucketError::InvalidArgument(_)
            | BucketError::InvalidRequest(_)
            | BucketError::MalformedXml
            | BucketError::MalformedPolicy(_)
            | BucketError::InvalidTag(_)
            | BucketError::BadRequest(_) => 400,
            BucketError::InvalidPartNumber => 416,
            BucketError::Document(_) | BucketError::Store(_) | BucketError::Content { .. } => 500,
        };
        let refused = Self::new((status, error.code()), error.message());
        if let BucketError::DeleteMarker { version } = error {
            return refused.with("x-amz-delete-marker", "true").with("x-amz-version-id", version);
        }
        if let BucketError::MarkerHasNoContent { modified } = error {
            let refused = refused.with("x-amz-delete-marker", "true").with("allow", "DELETE");
            return refused.with("last-modified", date::http(modified));
        }
        refused
    }
}
