//! Integrations with functions.

use std::time::Duration;

use super::super::record::{Integration, PayloadFormat};
use super::ApiSite;
use super::passing::{Caller, Passing};
use super::said::Said;
use crate::answer::{v1, v2};
use crate::event::v1::Maker;
use crate::functions::{Call, Failure};
use crate::permitted;
use crate::response::{Body, Response};

/// What a response of format 1.0 is that does not say it.
const TEXT: &str = "text/plain; charset=utf-8";

impl ApiSite {
    /// The call of the function of an integration.
    pub(super) fn call(
        &self,
        passing: &Passing<'_>,
        integration: &Integration,
        caller: &Caller,
    ) -> Result<Call, Said> {
        let source = passing.route_arn();
        let role = integration.credentials.as_deref();
        let asked = passing.asked((&integration.uri, &source), role);
        let event = || match integration.payload_format {
            PayloadFormat::One => passing.event_v1(caller),
            PayloadFormat::Two => passing.event_v2(caller),
        };
        let limit = Duration::from_millis(u64::from(integration.timeout_millis));
        let bounds = (passing.request.header("x-amzn-trace-id"), limit);
        permitted::call(&self.control, &asked, event, bounds).ok_or(Said::Internal)
    }

    /// Runs a function for an API, and says what its answer means.
    pub(super) async fn run(
        &self,
        api: &str,
        call: Call,
        format: PayloadFormat,
    ) -> Result<Response, Said> {
        let ran = self.functions.run(call).await.map_err(|why| said(api, &why))?;
        let read = match format {
            PayloadFormat::One => response_v1(&ran.payload).map_err(|why| why.to_string()),
            PayloadFormat::Two => v2::read(&ran.payload).map_err(|why| why.to_string()),
        };
        read.map_err(|why| {
            tracing::info!(api, why, "a function answered in a wrong form");
            Said::Internal
        })
    }
}

fn said(api: &str, why: &Failure) -> Said {
    tracing::info!(api, %why, "the function of an API did not answer");
    match why {
        Failure::TooLarge => Said::TooLarge,
        Failure::Throttled | Failure::TooLate | Failure::Closing | Failure::NotReady => {
            Said::Unavailable
        }
        Failure::Missing | Failure::Recursive | Failure::Failed(_) | Failure::Broken => {
            Said::Internal
        }
    }
}

/// The response that an answer of format 1.0 means.
fn response_v1(payload: &[u8]) -> Result<Response, v1::Malformed> {
    let answer = v1::read(payload, Maker::Http)?;
    let body = Body::Whole(answer.decoded()?);
    let mut headers: Vec<(String, String)> = Vec::with_capacity(answer.headers.len() + 1);
    let has_type = answer.header("content-type").is_some();
    for (name, value) in answer.headers {
        headers.push((name.to_ascii_lowercase(), value));
    }
    if !has_type {
        headers.push(("content-type".to_owned(), TEXT.to_owned()));
    }
    Ok(Response { status: answer.status, headers, body })
}
