//! What an HTTP API says by itself, in AWS's words.

use serde_json::json;

use crate::response::Response;

/// An answer of the service's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// There is no such API, stage or route.
    NotFound,
    /// The caller is not known. Beside it stands what a token was lacking.
    Unauthorized(Option<String>),
    /// The caller may not. Beside it stands what a token was lacking.
    Forbidden(Option<String>),
    /// There are too many requests.
    TooMany,
    /// The request is too large.
    TooLarge,
    /// The head of the request is too large.
    HeadersTooLarge,
    /// The integration, or the authorizer, did not do what it should.
    Internal,
    /// The function was not ready, or took too long.
    Unavailable,
    /// The endpoint took too long.
    GatewayTimeout,
}

impl Said {
    pub(super) fn response(self) -> Response {
        let (status, message, challenge) = match self {
            Self::NotFound => (404, "Not Found", None),
            Self::Unauthorized(challenge) => (401, "Unauthorized", challenge),
            Self::Forbidden(challenge) => (403, "Forbidden", challenge),
            Self::TooMany => (429, "Too Many Requests", None),
            Self::TooLarge => (413, "Request Entity Too Large", None),
            Self::HeadersTooLarge => (431, "Request Header Fields Too Large", None),
            Self::Internal => (500, "Internal Server Error", None),
            Self::Unavailable => (503, "Service Unavailable", None),
            Self::GatewayTimeout => (504, "Gateway Timeout", None),
        };
        let mut response = Response::json(status, &json!({ "message": message }));
        if let Some(challenge) = challenge {
            response.headers.push(("www-authenticate".to_owned(), challenge));
        }
        response
    }
}
