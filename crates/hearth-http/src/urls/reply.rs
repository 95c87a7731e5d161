//! What a function URL says by itself, in AWS's words.

use bytes::Bytes;
use hearth_types::limits;
use serde_json::{Value, json};

use super::access::Refused;
use crate::functions::Failure;
use crate::response::{Body, Response};

/// AWS: what is said to whom the policy does not let.
const FORBIDDEN: &str = "Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html";

/// There is no URL with this id. AWS says so in this way.
pub(super) fn no_url() -> Response {
    error(403, "AccessDeniedException", &json!({ "Message": null }))
}

/// The caller may not.
pub(super) fn refused(refused: &Refused) -> Response {
    let text = match refused {
        Refused::Signature(_) => "Forbidden",
        Refused::Policy(_) => FORBIDDEN,
    };
    error(403, "AccessDeniedException", &json!({ "Message": text }))
}

/// The function has not answered, or not with a response.
pub(super) fn failed(failure: &Failure) -> Response {
    match failure {
        Failure::Throttled => {
            let body = json!({ "Message": "Rate Exceeded." });
            let mut response = error(429, "TooManyRequestsException", &body);
            response.headers.push(("retry-after".to_owned(), "1".to_owned()));
            response
        }
        Failure::TooLarge => {
            let limit = limits::PAYLOAD_SYNC_BYTES_MAX;
            let text = format!(
                "Request must be smaller than {limit} bytes for the InvokeFunction operation"
            );
            error(413, "RequestEntityTooLargeException", &json!({ "Message": text }))
        }
        Failure::Closing => {
            let text = "The server is shutting down; try again when it is back.";
            error(503, "ServiceUnavailableException", &json!({ "Message": text }))
        }
        Failure::Missing
        | Failure::NotReady
        | Failure::Recursive
        | Failure::Failed(_)
        | Failure::TooLate
        | Failure::Broken => bad_gateway(),
    }
}

/// AWS: what is said whenever a function does not do its part. It is not JSON, whatever the type says.
pub(super) fn bad_gateway() -> Response {
    Response {
        status: 502,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Body::Whole(Bytes::from_static(b"Internal Server Error")),
    }
}

fn error(status: u16, name: &str, body: &Value) -> Response {
    let mut response = Response::json(status, body);
    response.headers.push(("x-amzn-errortype".to_owned(), name.to_owned()));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_in_aws_words() {
        #[rustfmt::skip]
        let rows = [
            (no_url(),                                         403, r#"{"Message":null}"#),
            (refused(&Refused::Policy("lambda:InvokeFunction")), 403, r#"{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}"#),
            (failed(&Failure::Throttled),                      429, r#"{"Message":"Rate Exceeded."}"#),
            (failed(&Failure::TooLarge),                       413, r#"{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}"#),
            (failed(&Failure::Failed(Bytes::new())),           502, "Internal Server Error"),
            (failed(&Failure::Broken),                         502, "Internal Server Error"),
        ];
        for (response, status, expected) in rows {
            let Body::Whole(body) = response.body else { panic!("nothing is streamed") };
            assert_eq!((response.status, body.as_ref()), (status, expected.as_bytes()));
        }
    }
}
