//! What a WebSocket API says by itself, in AWS's words: to a handshake as a response, and to a message
//! as another one.

use bytes::Bytes;

use crate::functions::Failure;
use crate::response::{Body, Response};

/// An answer of the service's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// There is no such API.
    NotFound,
    /// The authorizer was not told who is there, or does not know them.
    Unauthorized,
    /// There is no such stage, no route for it, or the authorizer does not let it pass.
    Forbidden,
    /// There are too many connections, or too many messages.
    TooMany,
    /// The function of `$connect` has said no, with this status.
    Refused(u16),
    /// The integration, or the authorizer, cannot be asked.
    Internal,
    /// The function of an integration failed, or its answer means nothing.
    BadAnswer,
    /// The integration took too long.
    TooLate,
    /// The server is going away.
    Closing,
}

impl Said {
    /// What a failure of a function is.
    pub(super) fn of(why: &Failure) -> Self {
        match why {
            Failure::Failed(_) => Self::BadAnswer,
            Failure::TooLate => Self::TooLate,
            Failure::Closing => Self::Closing,
            Failure::Missing
            | Failure::NotReady
            | Failure::TooLarge
            | Failure::Throttled
            | Failure::Recursive
            | Failure::Broken => Self::Internal,
        }
    }

    /// The status of a handshake that is refused so.
    fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::TooMany => 429,
            Self::Refused(status) => status,
            Self::Internal => 500,
            Self::BadAnswer => 502,
            Self::Closing => 503,
            Self::TooLate => 504,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::NotFound => "Not Found",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden | Self::Refused(_) => "Forbidden",
            Self::TooMany => "Too Many Requests",
            Self::Internal | Self::BadAnswer => "Internal server error",
            Self::TooLate => "Endpoint request timed out",
            Self::Closing => "Service Unavailable",
        }
    }

    /// As a text for the client. The spaces are AWS's.
    pub(super) fn text(self, connection: &str, request: &str) -> Bytes {
        let message = self.message();
        Bytes::from(format!(
            "{{\"message\": \"{message}\", \"connectionId\":\"{connection}\", \"requestId\":\"{request}\"}}"
        ))
    }

    /// As the response to a handshake.
    pub(super) fn response(self, connection: &str, request: &str) -> Response {
        Response {
            status: self.status(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Body::Whole(self.text(connection, request)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_aws() {
        let text = Said::Internal.text("L0SM9cOFvHcCIhw=", "L0SM9HKfvHcFxVA=");
        let expected = r#"{"message": "Internal server error", "connectionId":"L0SM9cOFvHcCIhw=", "requestId":"L0SM9HKfvHcFxVA="}"#;
        assert_eq!(text, expected);
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read["requestId"], "L0SM9HKfvHcFxVA=");
        assert_eq!(Said::Refused(418).response("c", "r").status, 418);
    }
}
