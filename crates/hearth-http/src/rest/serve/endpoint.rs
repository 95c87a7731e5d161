//! Integrations with HTTP endpoints: a request is passed on, and so is its answer.

use std::time::Duration;

use hearth_services::remote::web::{WebError, WebRequest};
use percent_encoding::utf8_percent_encode;

use super::super::limits::RESPONSE_BYTES_MAX;
use super::super::record::{ANY, Integration};
use super::RestSite;
use super::mapping::{Source, Target};
use super::passing::Told;
use super::said::Said;
use crate::endpoint::{self, IN_QUERY, Slashes};
use crate::response::Response;
use crate::uri::with_variables;

/// Headers that are not the client's to send to an endpoint.
const OURS: [&str; 4] = ["host", "content-length", "expect", "via"];

/// What is asked of the endpoint of an integration, and for how long.
pub(super) fn asked(told: &Told<'_>, integration: &Integration) -> (WebRequest, Duration) {
    let Told(passing, _client) = told;
    let limit = Duration::from_millis(u64::from(integration.timeout_millis));
    let method = integration.method.as_deref().filter(|method| *method != ANY);
    let (url, more) = url_and_headers(told, integration);
    let request = passing.request;
    let mut headers = endpoint::headers_without(request, &OURS);
    headers.retain(|(name, _)| !more.iter().any(|(own, _)| own == name));
    headers.extend(more);
    let asked = WebRequest {
        method: method.unwrap_or(&request.method).to_owned(),
        url,
        headers,
        body: request.body.clone(),
        seconds: limit.as_secs() + 1,
        answer_bytes_max: RESPONSE_BYTES_MAX,
    };
    (asked, limit)
}

impl RestSite {
    /// Passes a request of an API on to an endpoint, and its answer back.
    pub(super) async fn pass_on(
        &self,
        api: &str,
        asked: (WebRequest, Duration),
    ) -> Result<Response, Said> {
        endpoint::answer(&self.web, asked).await.map_err(|why| {
            tracing::info!(api, %why, "the endpoint of an API did not answer");
            match why {
                WebError::Late(_) => Said::Late,
                WebError::Unanswered { .. }
                | WebError::Malformed { .. }
                | WebError::TooLarge(_) => Said::Internal,
            }
        })
    }
}

/// The address, with the variables of the stage and what is mapped put in, and the headers that are
/// mapped.
fn url_and_headers(told: &Told<'_>, integration: &Integration) -> (String, Vec<(String, String)>) {
    let Told(passing, _client) = told;
    let template = integration.uri.as_deref().unwrap_or_default();
    let mut url = with_variables(template, &passing.stage.variables);
    let mut query = passing.request.query.clone();
    let mut headers = Vec::new();
    for (target, source) in &integration.request_parameters {
        let Some(source) = Source::parse(source) else { continue };
        let Some(value) = source.value(told) else { continue };
        match Target::parse(target) {
            Some(Target::Path(name)) => {
                let slashes = match source {
                    Source::Path(variable) => Slashes::of(variable, &passing.found.resource.path),
                    Source::Text(_)
                    | Source::Header(_)
                    | Source::Query(_)
                    | Source::Variable(_)
                    | Source::Context(_) => Slashes::Kept,
                };
                url = endpoint::with_value(&url, (name, &value), slashes);
            }
            Some(Target::Query(name)) => {
                let name = utf8_percent_encode(name, IN_QUERY);
                let value = utf8_percent_encode(&value, IN_QUERY);
                let sign = if query.is_empty() { "" } else { "&" };
                query = format!("{query}{sign}{name}={value}");
            }
            Some(Target::Header(name)) => headers.push((name.to_ascii_lowercase(), value)),
            None => {}
        }
    }
    (endpoint::with_query(&url, &query), headers)
}
