//! Integrations with functions.

use std::time::Duration;

use super::super::record::Integration;
use super::passing::{Client, Passing};
use super::said::Said;
use super::{Ready, RestSite, media};
use crate::answer::v1;
use crate::event::v1::Maker;
use crate::functions::{Call, Failure};
use crate::permitted;
use crate::response::{Body, Response};

/// Headers of an answer that AWS passes on under another name, because they are its own to say.
const REMAPPED: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "host",
    "server",
    "user-agent",
    "www-authenticate",
];

/// How the answer of a function becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base64 {
    /// What is said to be base64 is decoded.
    Decoded,
    /// It stays as it is.
    Kept,
}

impl RestSite {
    /// The call of the function of an integration.
    pub(super) fn call(
        &self,
        passing: &Passing<'_>,
        integration: &Integration,
        client: &Client,
    ) -> Result<Ready, Said> {
        let uri = integration.uri.as_deref().unwrap_or_default();
        let (source, role) = (passing.source_arn(), integration.credentials.as_deref());
        let asked = passing.asked((uri, &source), role);
        let limit = Duration::from_millis(u64::from(integration.timeout_millis));
        let bounds = (passing.request.header("x-amzn-trace-id"), limit);
        let call = permitted::call(&self.control, &asked, || passing.event(client), bounds);
        let call = call.ok_or(Said::Internal)?;
        let accept = passing.request.header("accept");
        let is_wanted = media::wants_binary(&passing.snapshot.binary_types, accept);
        Ok(Ready::Function(call, if is_wanted { Base64::Decoded } else { Base64::Kept }))
    }

    /// Runs a function for an API, and says what its answer means.
    pub(super) async fn run(
        &self,
        api: &str,
        call: Call,
        base64: Base64,
    ) -> Result<Response, Said> {
        let ran = self.functions.run(call).await.map_err(|why| said(api, &why))?;
        let mut response = response(&ran.payload, base64).map_err(|why| {
            tracing::info!(api, %why, "a function answered in a wrong form");
            Said::BadGateway
        })?;
        response.headers.push(("x-amzn-trace-id".to_owned(), ran.trace));
        Ok(response)
    }
}

fn said(api: &str, why: &Failure) -> Said {
    tracing::info!(api, %why, "the function of an API did not answer");
    match why {
        Failure::TooLarge => Said::TooLarge,
        Failure::TooLate => Said::Late,
        Failure::Closing => Said::Unavailable,
        Failure::Failed(_) => Said::BadGateway,
        Failure::Missing
        | Failure::NotReady
        | Failure::Throttled
        | Failure::Recursive
        | Failure::Broken => Said::Internal,
    }
}

/// The response that an answer means.
fn response(payload: &[u8], base64: Base64) -> Result<Response, v1::Malformed> {
    let answer = v1::read(payload, Maker::Rest)?;
    let body = match base64 {
        Base64::Decoded => answer.decoded()?,
        Base64::Kept => answer.text(),
    };
    let has_type = answer.header("content-type").is_some();
    let mut headers: Vec<(String, String)> = Vec::with_capacity(answer.headers.len() + 2);
    for (name, value) in answer.headers {
        let name = name.to_ascii_lowercase();
        let is_remapped = REMAPPED.contains(&name.as_str());
        headers.push((if is_remapped { format!("x-amzn-remapped-{name}") } else { name }, value));
    }
    if !has_type {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(Response { status: answer.status, headers, body: Body::Whole(body) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_becomes_a_response() {
        let answer = json!({
            "statusCode": 201,
            "headers": { "WWW-Authenticate": "Basic", "X-One": "1" },
            "body": "/wA=",
            "isBase64Encoded": true,
        });
        let answer = answer.to_string();
        for (base64, expected) in
            [(Base64::Decoded, b"\xff\x00".as_slice()), (Base64::Kept, b"/wA=".as_slice())]
        {
            let mut response = response(answer.as_bytes(), base64).unwrap();
            response.headers.sort();
            let Body::Whole(body) = response.body else { panic!("it is whole") };
            assert_eq!((response.status, body.as_ref()), (201, expected));
            let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["content-type", "x-amzn-remapped-www-authenticate", "x-one"]);
        }
        assert!(response(b"\"text\"", Base64::Kept).is_err());
    }
}
