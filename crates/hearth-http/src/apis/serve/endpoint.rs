//! Integrations with HTTP endpoints: a request is passed on, and so is its answer.

use std::time::Duration;

use hearth_services::remote::web::{WebError, WebRequest};

use super::super::limits::RESPONSE_BYTES_MAX;
use super::super::record::Integration;
use super::ApiSite;
use super::passing::Passing;
use super::said::Said;
use crate::endpoint::{self, Slashes};
use crate::response::Response;
use crate::uri::with_variables;

/// Headers that are not the client's to send to an endpoint.
const OURS: [&str; 5] = ["host", "content-length", "expect", "forwarded", "via"];

/// What is asked of the endpoint of an integration.
pub(super) fn asked(passing: &Passing<'_>, integration: &Integration) -> (WebRequest, Duration) {
    let limit = Duration::from_millis(u64::from(integration.timeout_millis));
    let method = integration.method.as_deref().filter(|method| *method != "ANY");
    let asked = WebRequest {
        method: method.unwrap_or(&passing.request.method).to_owned(),
        url: url(passing, &integration.uri),
        headers: headers(passing),
        body: passing.request.body.clone(),
        seconds: limit.as_secs() + 1,
        answer_bytes_max: RESPONSE_BYTES_MAX,
    };
    (asked, limit)
}

impl ApiSite {
    /// Passes a request of an API on to an endpoint, and its answer back.
    pub(super) async fn pass_on(
        &self,
        api: &str,
        asked: (WebRequest, Duration),
    ) -> Result<Response, Said> {
        endpoint::answer(&self.web, asked).await.map_err(|why| {
            tracing::info!(api, %why, "the endpoint of an API did not answer");
            match why {
                WebError::Late(_) => Said::GatewayTimeout,
                WebError::Unanswered { .. } => Said::Unavailable,
                WebError::Malformed { .. } | WebError::TooLarge(_) => Said::Internal,
            }
        })
    }
}

/// The address, with the variables of the stage and of the path put in, and with the query.
fn url(passing: &Passing<'_>, template: &str) -> String {
    let mut url = with_variables(template, &passing.stage.variables);
    for (name, value) in &passing.variables {
        let slashes = Slashes::of(name, &passing.route.key);
        url = endpoint::with_value(&url, (name, value), slashes);
    }
    endpoint::with_query(&url, &passing.request.query)
}

fn headers(passing: &Passing<'_>) -> Vec<(String, String)> {
    let request = passing.request;
    let mut headers = endpoint::headers_without(request, &OURS);
    let before = request.header("forwarded").filter(|before| !before.is_empty());
    let (from, host, scheme) = (request.from, &request.host, request.scheme.name());
    let own = format!("for={from};host={host};proto={scheme}");
    let own = before.map_or_else(|| own.clone(), |before| format!("{before}, {own}"));
    headers.push(("forwarded".to_owned(), own));
    headers.push(("via".to_owned(), "HTTP/1.1 AmazonAPIGateway".to_owned()));
    headers
}
