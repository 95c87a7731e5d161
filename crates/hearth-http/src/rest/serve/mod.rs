//! REST APIs answer requests.
//!
//! ```text
//!  request ─▶ API ─▶ stage ─▶ what is deployed there ─▶ method ─▶ gate ─▶ integration ─▶ response
//!              │       │                                  │        │          │
//!              └───────┴──────────────────────────────────┴────────┴──────────┴──▶ Said:
//!                                                                     the service's own words
//! ```
//!
//! # Promises
//!
//! 1. There is always a response, within the times of the authorizer and of the integration.
//! 2. Nothing reaches an integration that the gate has not let through.
//! 3. A function is run only if its policy lets API Gateway run it for this method, or if the
//!    integration has a role.
//! 4. While a function runs, its event is in memory, and the request is not.

pub mod authorize;
pub mod mapping;
pub mod media;
pub mod mock;
pub mod routing;
mod said;
mod passing;
mod gate;
mod function;
mod endpoint;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_control::control::Control;
use hearth_services::remote::web::{Web, WebRequest};

use self::function::Base64;
use self::passing::{Client, Passing, Told};
use self::said::Said;
use super::RestApis;
use super::limits::REQUEST_BYTES_MAX;
use super::record::{Integration, IntegrationKind, RestApi, Snapshot};
use crate::event::v1::extended_id;
use crate::functions::{Call, Functions};
use crate::request::Request;
use crate::response::{Body, Response};
use crate::site::{Place, Site, by_host, by_path};
use crate::throttle::Throttle;

/// What APIs are called in hosts and in paths.
const SERVICE: &str = "execute-api";
const KIND: &str = "rest";
/// The form of paths that local servers had first: `/restapis/<id>/<stage>/_user_request_/…`.
const OLD_PREFIX: &str = "/restapis/";
const OLD_MARK: &str = "/_user_request_";

/// What the site of all REST APIs is made of.
#[derive(Debug)]
pub struct Parts {
    /// The APIs.
    pub apis: Arc<RestApis>,
    /// The functions' policies.
    pub control: Arc<Control>,
    /// What runs functions.
    pub functions: Functions,
    /// What asks endpoints.
    pub web: Arc<Web>,
}

/// All REST APIs.
pub struct RestSite {
    apis: Arc<RestApis>,
    control: Arc<Control>,
    functions: Functions,
    web: Arc<Web>,
    throttle: Throttle,
}

impl fmt::Debug for RestSite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RestSite").finish_non_exhaustive()
    }
}

/// What is to be done with a request.
#[derive(Debug)]
enum Ready {
    /// A function is to be run.
    Function(Call, Base64),
    /// An endpoint is to be asked, for so long.
    Endpoint(WebRequest, Duration),
    /// It is answered already.
    Answered(Response),
}

/// Where a request has arrived.
#[derive(Debug)]
struct Arrived {
    api: Arc<RestApi>,
    stage: String,
    snapshot: Arc<Snapshot>,
    /// The path without the name of the stage.
    path: String,
}

impl RestSite {
    /// The site of these APIs.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { apis, control, functions, web } = parts;
        Self { apis, control, functions, web, throttle: Throttle::default() }
    }

    fn arrive(&self, id: &str, request: &Request) -> Result<Arrived, Said> {
        let api = self.apis.find(id).filter(|api| !api.endpoint_disabled);
        let api = api.ok_or(Said::Forbidden)?;
        let (stage, path) = cut_stage(&request.path);
        let (stage, path) = (stage.to_owned(), path.to_owned());
        let served = api.stages.get(&stage).and_then(|stage| self.apis.served(&api, stage));
        let snapshot = served.ok_or(Said::Forbidden)?;
        Ok(Arrived { api, stage, snapshot, path })
    }

    /// Answers a request. Takes the body from it.
    async fn answer(&self, arrived: &Arrived, request: &mut Request) -> Result<Response, Said> {
        let ready = self.prepare(arrived, request).await;
        // Promise 4.
        request.body = Bytes::new();
        let api = &arrived.api.id;
        match ready? {
            Ready::Function(call, base64) => self.run(api, call, base64).await,
            Ready::Endpoint(asked, limit) => self.pass_on(api, (asked, limit)).await,
            Ready::Answered(response) => Ok(response),
        }
    }

    /// Finds out what is to be done with a request, and whether it may be.
    async fn prepare(&self, arrived: &Arrived, request: &Request) -> Result<Ready, Said> {
        let Arrived { api, stage, snapshot, path } = arrived;
        let stage = api.stages.get(stage).ok_or(Said::Forbidden)?;
        let found = routing::find(&snapshot.resources, &request.method, path);
        let found = found.ok_or(Said::MissingToken)?;
        let integration = found.method.integration.as_ref();
        let passing = Passing { api, stage, snapshot, found, path, request };
        let client = self.enter(&passing).await?;
        let integration = integration.ok_or(Said::Internal)?;
        match integration.kind {
            IntegrationKind::AwsProxy => self.call(&passing, integration, &client),
            IntegrationKind::HttpProxy => {
                let (asked, limit) = endpoint::asked(&Told(&passing, &client), integration);
                Ok(Ready::Endpoint(asked, limit))
            }
            IntegrationKind::Mock => mocked(&passing, integration, &client).map(Ready::Answered),
        }
    }
}

#[async_trait]
impl Site for RestSite {
    fn find(&self, host: &str, path: &str) -> Option<Place> {
        if let Some(place) = by_path(KIND, path).or_else(|| by_old_path(path)) {
            return Some(place);
        }
        let id = by_host(SERVICE, host)?;
        let api = self.apis.find(id)?;
        Some(Place { id: api.id.clone(), path: path.to_owned() })
    }

    async fn serve(&self, place: Place, mut request: Request) -> Response {
        let answered = match self.arrive(&place.id, &request) {
            Ok(arrived) => {
                if by_host(SERVICE, &request.host).is_none() {
                    // As if it had come by the name that the API has.
                    let region = &arrived.api.scope.region;
                    request.host = format!("{}.{SERVICE}.{region}.localhost", arrived.api.id);
                }
                self.answer(&arrived, &mut request).await
            }
            Err(said) => Err(said),
        };
        let mut response = answered.unwrap_or_else(Said::response);
        response.headers.push(("x-amzn-requestid".to_owned(), request.id.to_string()));
        response.headers.push(("x-amz-apigw-id".to_owned(), extended_id(&request)));
        response
    }

    fn body_bytes_max(&self) -> usize {
        REQUEST_BYTES_MAX
    }

    fn too_large(&self) -> Response {
        Said::TooLarge.response()
    }
}

/// What a mock answers.
fn mocked(
    passing: &Passing<'_>,
    integration: &Integration,
    client: &Client,
) -> Result<Response, Said> {
    let request = passing.request;
    let answered = mock::answer(integration, request.header("content-type"), &request.body);
    let answered = answered.map_err(|why| match why {
        mock::Unanswered::UnsupportedMediaType => Said::UnsupportedMediaType,
        mock::Unanswered::Misconfigured => Said::Internal,
    })?;
    let told = Told(passing, client);
    let headers = mapping::response_headers(&answered.response.parameters, &told);
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let mut headers: Vec<(String, String)> = headers.collect();
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), answered.content_type.to_owned()));
    }
    let body = Body::Whole(Bytes::copy_from_slice(answered.body.as_bytes()));
    Ok(Response { status: answered.status, headers, body })
}

/// The stage that a path begins with, and the path below it.
fn cut_stage(path: &str) -> (&str, &str) {
    let rest = path.strip_prefix('/').unwrap_or(path);
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    }
}

fn by_old_path(path: &str) -> Option<Place> {
    let (id, rest) = path.strip_prefix(OLD_PREFIX)?.split_once('/')?;
    let (stage, below) = rest.split_once(OLD_MARK)?;
    let is_whole = below.is_empty() || below.starts_with('/');
    let is_stage = !stage.is_empty() && !stage.contains('/');
    let place = Place { id: id.to_owned(), path: format!("/{stage}{below}") };
    (!id.is_empty() && is_stage && is_whole).then_some(place)
}
