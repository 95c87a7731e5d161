//! Function URLs: requests for `<id>.lambda-url.<region>.…`.
//!
//! ```text
//!  Request ──▶ the URL ──▶ a preflight? ──▶ may the caller? ──▶ event ──▶ function
//!                 │ none        │ told          │ not                          │
//!                 ▼             ▼               ▼                              ▼
//!                403        200, CORS          403      502 ◀── no response ── its answer
//!                                                                              │ is one
//!                                                       CORS ◀─────────────────┘
//! ```
//!
//! # Promises
//!
//! 1. A URL answers by itself what its configuration says about other origins; the function has no
//!    say in it.
//! 2. Nobody reaches a function whom its policy does not let, with both permissions that AWS asks for.
//! 3. While the function runs, the request is in memory once: as the event.
//!
//! # Deliberately absent
//!
//! Authentication. A URL with `AWS_IAM` takes a signature that is well-formed, in date and of the
//! body that came; whether it was made with a key of the account cannot be said, because callers have
//! none here ([`signature`]).

pub mod signature;
mod access;
mod reply;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_control::control::Control;
use hearth_control::url::{self, FoundUrl, InvokeMode};
use hearth_invoke::Invoker;
use hearth_types::limits;

use self::access::Caller;
use crate::answer::{streamed, v2};
use crate::cors::{self, Rules};
use crate::event::v2::{Context, Cookies, Event};
use crate::functions::{Began, Begun, Call, Failure, Functions, Ran};
use crate::request::Request;
use crate::response::{Body, Response};
use crate::site::{Place, Site, by_host, by_path};

/// What the part of a host's name is that stands behind the id.
const SERVICE: &str = "lambda-url";
/// What stands before the id in a path.
const KIND: &str = "url";
/// The route and the stage of a service that has none.
const DEFAULT: &str = "$default";

/// All function URLs.
#[derive(Debug)]
pub struct Urls {
    control: Arc<Control>,
    functions: Functions,
}

/// A response, and the trace of the invocation that it is of.
type Answered = Result<(Response, String), Failure>;

impl Urls {
    /// Those of the functions of a control plane.
    #[must_use]
    pub fn new(control: Arc<Control>, invoker: Arc<Invoker>) -> Self {
        Self { control, functions: Functions::new(invoker) }
    }

    async fn answer(&self, place: &Place, mut request: Request) -> Response {
        let Some(found) = self.control.url(&place.id) else { return reply::no_url() };
        if by_host(SERVICE, &request.host).is_none() {
            // As if it had come by the name that the URL has.
            let region = &found.function.arn.scope.region;
            request.host = format!("{}.{SERVICE}.{region}.localhost", found.url.id);
        }
        let rules = found.url.cors.as_ref().map(rules);
        if let Some(rules) = &rules
            && cors::is_preflight(&request)
        {
            return rules.preflight(&request, 200);
        }
        let mut response = match access::check(&found, &request) {
            Ok(caller) => self.run(&found, &caller, &mut request).await,
            Err(refused) => {
                tracing::info!(url = found.url.id, %refused, "a request for a URL was refused");
                reply::refused(&refused)
            }
        };
        if let Some(rules) = &rules {
            rules.apply(&request, &mut response.headers);
        }
        response
    }

    /// Runs the function. Takes the body from the request.
    async fn run(&self, found: &FoundUrl, caller: &Caller, request: &mut Request) -> Response {
        let call = Call {
            id: request.id,
            function: found.function.arn.clone(),
            qualifier: found.qualifier.clone(),
            payload: payload(found, caller, request),
            trace: request.header("x-amzn-trace-id").map(str::to_owned),
            within: None,
        };
        // Promise 3.
        request.body = Bytes::new();
        let answered = match found.url.mode {
            InvokeMode::Buffered => self.buffered(call).await,
            InvokeMode::ResponseStream => self.streamed(call).await,
        };
        match answered {
            Ok((mut response, trace)) => {
                response.headers.push(("x-amzn-trace-id".to_owned(), trace));
                response
            }
            Err(failure) => {
                tracing::debug!(url = found.url.id, %failure, "a URL has no answer");
                reply::failed(&failure)
            }
        }
    }

    async fn buffered(&self, call: Call) -> Answered {
        let Ran { payload, trace } = self.functions.run(call).await?;
        let response = v2::read(&payload).unwrap_or_else(|malformed| {
            tracing::info!(%malformed, "a function answered a URL with what is no response");
            reply::bad_gateway()
        });
        Ok((response, trace))
    }

    async fn streamed(&self, call: Call) -> Answered {
        let Began { answer, trace } = self.functions.run_streaming(call).await?;
        let response = match answer {
            // AWS: what is not streamed is passed on as it is. It says nothing about the response.
            Begun::Whole(payload) => {
                let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
                Response { status: 200, headers, body: Body::Whole(payload) }
            }
            Begun::Stream(stream) => streamed::read(stream).await.unwrap_or_else(|not_begun| {
                tracing::info!(%not_begun, "a function streamed to a URL what is no response");
                reply::bad_gateway()
            }),
        };
        Ok((response, trace))
    }
}

#[async_trait]
impl Site for Urls {
    fn find(&self, host: &str, path: &str) -> Option<Place> {
        match by_host(SERVICE, host) {
            Some(id) => Some(Place { id: id.to_owned(), path: path.to_owned() }),
            None => by_path(KIND, path),
        }
    }

    async fn serve(&self, place: Place, request: Request) -> Response {
        let id = request.id.to_string();
        let mut response = self.answer(&place, request).await;
        response.headers.push(("x-amzn-requestid".to_owned(), id));
        response
    }

    fn body_bytes_max(&self) -> usize {
        limits::PAYLOAD_SYNC_BYTES_MAX
    }

    fn too_large(&self) -> Response {
        reply::failed(&Failure::TooLarge)
    }
}

/// The event of a request.
fn payload(found: &FoundUrl, caller: &Caller, request: &Request) -> Bytes {
    let id = request.id.to_string();
    let authorizer = caller.authorizer();
    let context = Context {
        route_key: DEFAULT,
        stage: DEFAULT,
        api_id: &found.url.id,
        account_id: caller.account(),
        domain_prefix: &found.url.id,
        path: &request.path,
        request_id: &id,
        path_parameters: None,
        stage_variables: None,
        authorizer: authorizer.as_ref(),
        cookies: Cookies::InHeadersToo,
    };
    Event::of(request, &context).payload()
}

/// What a URL's configuration tells browsers.
fn rules(cors: &url::Cors) -> Rules {
    let list = |all: &Option<Vec<String>>| all.clone().unwrap_or_default();
    Rules {
        allow_credentials: cors.allow_credentials.unwrap_or_default(),
        allow_headers: list(&cors.allow_headers),
        allow_methods: list(&cors.allow_methods),
        allow_origins: list(&cors.allow_origins),
        expose_headers: list(&cors.expose_headers),
        max_age_seconds: cors.max_age_seconds,
    }
}
