//! HTTP APIs answer requests.
//!
//! ```text
//!  request ─▶ API ─▶ stage ─▶ what is deployed there ─▶ preflight? ─▶ answered by the service
//!                                       │
//!                                       ▼
//!              route ─▶ throttle ─▶ authorizer ─▶ integration ─▶ response
//!                          │            │              │
//!                          └────────────┴──────────────┴──────▶ Said: the service's own words
//! ```
//!
//! # Promises
//!
//! 1. There is always a response, within the times of the authorizer and of the integration.
//! 2. Nothing reaches an integration whose route's authorizer has not let it through.
//! 3. A function is run only if its policy lets API Gateway run it for this route, or if the
//!    integration has a role.
//! 4. While a function runs, its event is in memory, and the request is not.
//!
//! # Deliberately absent
//!
//! WebSocket APIs: they are not found here, but by `sockets`.

mod said;
mod passing;
mod authorize;
mod function;
mod endpoint;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_control::control::Control;
use hearth_services::remote::web::{Web, WebRequest};

use self::authorize::Verdict;
use self::passing::Passing;
use self::said::Said;
use super::Apis;
use super::limits::{HEADERS_BYTES_MAX, REQUEST_BYTES_MAX, SERVED_MAX};
use super::record::{
    Api, Cors, DEFAULT_STAGE, IntegrationKind, PayloadFormat, Protocol, RouteSettings, Snapshot,
    Stage,
};
use super::route_key::Table;
use crate::authorizer::remembered::Remembered;
use crate::cors::{Rules, is_preflight};
use crate::event::v1::extended_id;
use crate::functions::{Call, Functions};
use crate::jwt::keys::Keys;
use crate::request::Request;
use crate::response::Response;
use crate::site::{Place, Site, by_host, by_path};
use crate::throttle::{self, Throttle, TooMany};

/// What APIs are called in hosts and in paths.
const SERVICE: &str = "execute-api";
const KIND: &str = "api";

/// What the site of all HTTP APIs is made of.
#[derive(Debug)]
pub struct Parts {
    /// The APIs.
    pub apis: Arc<Apis>,
    /// The functions' policies.
    pub control: Arc<Control>,
    /// What runs functions.
    pub functions: Functions,
    /// What asks endpoints.
    pub web: Arc<Web>,
    /// What asks issuers. Endpoints that do not answer are not in its way.
    pub issuers: Arc<Web>,
}

/// All HTTP APIs.
pub struct ApiSite {
    apis: Arc<Apis>,
    control: Arc<Control>,
    functions: Functions,
    web: Arc<Web>,
    keys: Keys,
    throttle: Throttle,
    remembered: Remembered<Verdict>,
    /// What deployments serve, prepared for requests, by the ids of APIs and deployments. What a
    /// deployment has frozen never changes.
    served: Mutex<HashMap<(String, String), Arc<Served>>>,
}

impl fmt::Debug for ApiSite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ApiSite").finish_non_exhaustive()
    }
}

/// What a deployment serves, prepared for requests.
#[derive(Debug)]
struct Served {
    snapshot: Arc<Snapshot>,
    table: Table,
    cors: Option<Rules>,
}

/// What is to be done with a request.
#[derive(Debug)]
enum Ready {
    /// A function is to be run, whose answer is in this form.
    Function(Call, PayloadFormat),
    /// An endpoint is to be asked, for so long.
    Endpoint(WebRequest, Duration),
}

/// Where a request has arrived.
#[derive(Debug)]
struct Arrived {
    api: Arc<Api>,
    stage: String,
    served: Arc<Served>,
    /// The path without the name of the stage.
    path: String,
}

impl ApiSite {
    /// The site of these APIs.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { apis, control, functions, web, issuers } = parts;
        Self {
            apis,
            control,
            functions,
            web,
            keys: Keys::new(issuers),
            throttle: Throttle::default(),
            remembered: Remembered::default(),
            served: Mutex::default(),
        }
    }

    fn arrive(&self, id: &str, request: &Request) -> Result<Arrived, Said> {
        let api = self.apis.find(id).ok_or(Said::NotFound)?;
        if api.protocol != Protocol::Http || api.endpoint_disabled {
            return Err(Said::NotFound);
        }
        let (stage, path) = stage_of(&api, &request.path).ok_or(Said::NotFound)?;
        let (stage, path) = (stage.name.clone(), path.to_owned());
        let served = self.served(&api, &api.stages[&stage]).ok_or(Said::NotFound)?;
        Ok(Arrived { api, stage, served, path })
    }

    fn served(&self, api: &Api, stage: &Stage) -> Option<Arc<Served>> {
        let key = (api.id.clone(), stage.deployment.clone()?);
        let mut all = self.served.lock().expect("no code panics while it holds what is served");
        if let Some(served) = all.get(&key) {
            return Some(Arc::clone(served));
        }
        let snapshot = self.apis.served(api, stage)?;
        let table = Table::of(&snapshot.routes);
        let cors = snapshot.cors.as_ref().map(rules);
        let served = Arc::new(Served { snapshot, table, cors });
        if all.len() >= SERVED_MAX {
            all.clear();
        }
        all.insert(key, Arc::clone(&served));
        Some(served)
    }

    /// Answers a request. Takes the body from it.
    async fn answer(&self, arrived: &Arrived, request: &mut Request) -> Response {
        let rules = arrived.served.cors.as_ref();
        if let Some(rules) = rules.filter(|_| is_preflight(request)) {
            return rules.preflight(request, 204);
        }
        let ready = self.prepare(arrived, request).await;
        // Promise 4.
        request.body = Bytes::new();
        let performed = match ready {
            Ok(ready) => self.perform(&arrived.api.id, ready).await,
            Err(said) => Err(said),
        };
        let mut response = performed.unwrap_or_else(Said::response);
        if let Some(rules) = rules {
            rules.apply(request, &mut response.headers);
        }
        response
    }

    /// Finds out what is to be done with a request, and whether it may be.
    async fn prepare(&self, arrived: &Arrived, request: &Request) -> Result<Ready, Said> {
        if header_bytes(request) > HEADERS_BYTES_MAX {
            return Err(Said::HeadersTooLarge);
        }
        let snapshot = &arrived.served.snapshot;
        let found = arrived.served.table.find(&request.method, &arrived.path);
        let found = found.ok_or(Said::NotFound)?;
        let route = snapshot.routes.get(found.route).ok_or(Said::NotFound)?;
        let stage = arrived.api.stages.get(&arrived.stage).ok_or(Said::NotFound)?;
        let settings = settings(stage, &route.key);
        let names = [arrived.api.id.as_str(), &stage.name, &route.key];
        let rate = throttle::rate(settings.rate, settings.burst);
        let entered = self.throttle.enter(&names, rate);
        entered.map_err(|TooMany| Said::TooMany)?;
        let passing = Passing {
            api: &arrived.api,
            stage,
            snapshot,
            route,
            variables: found.variables,
            request,
        };
        let caller = self.authorize(&passing).await?;
        let integration = route.integration.as_ref().and_then(|id| snapshot.integrations.get(id));
        let integration = integration.ok_or(Said::Internal)?;
        match integration.kind {
            IntegrationKind::AwsProxy => {
                let call = self.call(&passing, integration, &caller)?;
                Ok(Ready::Function(call, integration.payload_format))
            }
            IntegrationKind::HttpProxy => {
                let (asked, limit) = endpoint::asked(&passing, integration);
                Ok(Ready::Endpoint(asked, limit))
            }
        }
    }

    async fn perform(&self, api: &str, ready: Ready) -> Result<Response, Said> {
        match ready {
            Ready::Function(call, format) => self.run(api, call, format).await,
            Ready::Endpoint(asked, limit) => self.pass_on(api, (asked, limit)).await,
        }
    }
}

#[async_trait]
impl Site for ApiSite {
    fn find(&self, host: &str, path: &str) -> Option<Place> {
        if let Some(place) = by_path(KIND, path) {
            return Some(place);
        }
        let id = by_host(SERVICE, host)?;
        let api = self.apis.find(id).filter(|api| api.protocol == Protocol::Http)?;
        Some(Place { id: api.id.clone(), path: path.to_owned() })
    }

    async fn serve(&self, place: Place, mut request: Request) -> Response {
        let mut response = match self.arrive(&place.id, &request) {
            Ok(arrived) => {
                if by_host(SERVICE, &request.host).is_none() {
                    // As if it had come by the name that the API has.
                    let region = &arrived.api.scope.region;
                    request.host = format!("{}.{SERVICE}.{region}.localhost", arrived.api.id);
                }
                self.answer(&arrived, &mut request).await
            }
            Err(said) => said.response(),
        };
        response.headers.push(("apigw-requestid".to_owned(), extended_id(&request)));
        response
    }

    fn body_bytes_max(&self) -> usize {
        REQUEST_BYTES_MAX
    }

    fn too_large(&self) -> Response {
        Said::TooLarge.response()
    }
}

/// The stage that a path is for, and the path below it. A stage with a name comes before the one
/// without.
fn stage_of<'a, 'p>(api: &'a Api, path: &'p str) -> Option<(&'a Stage, &'p str)> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    let (first, below) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let named = api.stages.get(first).filter(|stage| stage.name != DEFAULT_STAGE);
    named.map(|stage| (stage, below)).or_else(|| Some((api.stages.get(DEFAULT_STAGE)?, path)))
}

/// What holds for a route of a stage. What the route does not say, the stage says.
pub(crate) fn settings(stage: &Stage, key: &str) -> RouteSettings {
    let own = stage.route_settings.get(key).cloned().unwrap_or_default();
    let default = &stage.default_settings;
    RouteSettings {
        burst: own.burst.or(default.burst),
        rate: own.rate.or(default.rate),
        detailed_metrics: own.detailed_metrics.or(default.detailed_metrics),
    }
}

fn rules(cors: &Cors) -> Rules {
    let list = |given: &Option<Vec<String>>| given.clone().unwrap_or_default();
    Rules {
        allow_credentials: cors.allow_credentials.unwrap_or_default(),
        allow_headers: list(&cors.allow_headers),
        allow_methods: list(&cors.allow_methods),
        allow_origins: list(&cors.allow_origins),
        expose_headers: list(&cors.expose_headers),
        max_age_seconds: cors.max_age_seconds.and_then(|age| u32::try_from(age).ok()),
    }
}

fn header_bytes(request: &Request) -> usize {
    let line = request.method.len() + request.path.len() + request.query.len();
    let headers = request.headers.iter().map(|(name, value)| name.len() + value.len());
    line + headers.sum::<usize>()
}

#[cfg(test)]
mod tests;
