//! What a REST API says by itself, in AWS's words.

use bytes::Bytes;
use serde_json::json;

use crate::response::{Body, Response};

/// An answer of the service's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// There is no such resource, or it has no such method.
    MissingToken,
    /// There is no such API or stage, or the client has no key that lets it in.
    Forbidden,
    /// An authorizer's policy, or with it the API's, does not allow it.
    NotAllowed,
    /// An authorizer's policy denies it.
    Denied,
    /// The policy of the API does not allow the method with this ARN.
    NotAllowedByApi(String),
    /// The policy of the API denies it.
    DeniedByApi(String),
    /// The client has not said who it is, or not well.
    Unauthorized,
    /// The authorizer does not work.
    AuthorizerBroken,
    /// Requests come too fast.
    TooMany,
    /// The quota is used up.
    LimitExceeded,
    /// The request is too large.
    TooLarge,
    /// A mock has no template for this kind of content.
    UnsupportedMediaType,
    /// The integration has not answered as it should.
    BadGateway,
    /// The integration cannot be asked.
    Internal,
    /// The integration took too long.
    Late,
    /// The server is going away.
    Unavailable,
}

impl Said {
    pub(super) fn response(self) -> Response {
        let (status, kind, body) = match self {
            Self::MissingToken => (
                403,
                "MissingAuthenticationTokenException",
                message("Missing Authentication Token"),
            ),
            Self::Forbidden => (403, "ForbiddenException", message("Forbidden")),
            Self::NotAllowed => (
                403,
                "AccessDeniedException",
                denial("User is not authorized to access this resource"),
            ),
            Self::Denied => (
                403,
                "AccessDeniedException",
                denial(
                    "User is not authorized to access this resource with an explicit deny in an identity-based policy",
                ),
            ),
            Self::NotAllowedByApi(arn) => {
                (403, "AccessDeniedException", denial(&anonymous(&arn, "")))
            }
            Self::DeniedByApi(arn) => {
                let text = anonymous(&arn, " with an explicit deny in a resource-based policy");
                (403, "AccessDeniedException", denial(&text))
            }
            Self::Unauthorized => (401, "UnauthorizedException", message("Unauthorized")),
            Self::AuthorizerBroken => {
                (500, "AuthorizerConfigurationException", json!({ "message": null }).to_string())
            }
            Self::TooMany => (429, "TooManyRequestsException", message("Too Many Requests")),
            Self::LimitExceeded => (429, "LimitExceededException", message("Limit Exceeded")),
            Self::TooLarge => (413, "RequestTooLargeException", message("Request Too Long")),
            Self::UnsupportedMediaType => {
                (415, "UnsupportedMediaTypeException", message("Unsupported Media Type"))
            }
            Self::BadGateway => (502, INTERNAL, spaced("Internal server error")),
            Self::Internal => (500, INTERNAL, spaced("Internal server error")),
            Self::Late => (504, INTERNAL, spaced("Endpoint request timed out")),
            Self::Unavailable => {
                (503, "ServiceUnavailableException", message("Service Unavailable"))
            }
        };
        Response {
            status,
            headers: vec![
                ("content-type".to_owned(), "application/json".to_owned()),
                ("x-amzn-errortype".to_owned(), kind.to_owned()),
            ],
            body: Body::Whole(Bytes::from(body)),
        }
    }
}

/// What AWS calls all that integrations do wrong.
const INTERNAL: &str = "InternalServerErrorException";

fn message(text: &str) -> String {
    json!({ "message": text }).to_string()
}

/// Recorded: what integrations do wrong is said with a space.
fn spaced(text: &str) -> String {
    format!("{{\"message\": \"{text}\"}}")
}

/// Recorded: what policies say is said with a capital letter.
fn denial(text: &str) -> String {
    json!({ "Message": text }).to_string()
}

/// Of the account only the last four digits are told.
fn anonymous(arn: &str, how: &str) -> String {
    let hidden: Vec<String> = arn
        .split(':')
        .enumerate()
        .map(|(at, part)| match part.get(8..) {
            Some(end) if at == 4 => format!("********{end}"),
            Some(_) | None => part.to_owned(),
        })
        .collect();
    let arn = hidden.join(":");
    format!(
        "User: anonymous is not authorized to perform: execute-api:Invoke on resource: {arn}{how}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_aws() {
        let arn = "arn:aws:execute-api:us-east-1:123456789012:abc/prod/GET/".to_owned();
        let anonymous = r#"{"Message":"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:abc/prod/GET/"}"#;
        #[rustfmt::skip]
        let rows = [
            (Said::MissingToken,         403, r#"{"message":"Missing Authentication Token"}"#),
            (Said::Forbidden,            403, r#"{"message":"Forbidden"}"#),
            (Said::Unauthorized,         401, r#"{"message":"Unauthorized"}"#),
            (Said::AuthorizerBroken,     500, r#"{"message":null}"#),
            (Said::TooMany,              429, r#"{"message":"Too Many Requests"}"#),
            (Said::LimitExceeded,        429, r#"{"message":"Limit Exceeded"}"#),
            (Said::BadGateway,           502, r#"{"message": "Internal server error"}"#),
            (Said::Late,                 504, r#"{"message": "Endpoint request timed out"}"#),
            (Said::NotAllowedByApi(arn), 403, anonymous),
        ];
        for (said, status, body) in rows {
            let response = said.response();
            let Body::Whole(bytes) = response.body else { panic!("it is whole") };
            assert_eq!((response.status, bytes.as_ref()), (status, body.as_bytes()));
        }
    }
}
