//! Load balancers as a site: what is answered to a request.

use std::sync::Arc;

use async_trait::async_trait;

use super::arn::{self, Resource};
use super::asking::{self, Unanswered};
use super::attributes::{RESPONSE_HEADERS, SERVER};
use super::pages::{self, Page};
use super::record::{ActionKind, Attributes, Balancer, Protocol, WeightedGroup};
use super::{Balancers, event, limits, route};
use crate::request::{Request, Scheme};
use crate::response::Response;
use crate::site::{self, Place, Site};

/// The kind in paths that name a load balancer: `/_hearth/sites/balancer/<name>/…`.
const KIND: &str = "balancer";

#[async_trait]
impl Site for Balancers {
    fn find(&self, host: &str, path: &str) -> Option<Place> {
        if let Some((label, region)) = arn::of_host(host)
            && let Some(found) = self.by_label(label, region)
        {
            return Some(Place { id: found.arn.to_string(), path: path.to_owned() });
        }
        let Place { id, path } = site::by_path(KIND, path)?;
        let found = self.by_name(&id)?;
        Some(Place { id: found.arn.to_string(), path })
    }

    async fn serve(&self, place: Place, request: Request) -> Response {
        let found = match Resource::parse(&place.id) {
            Some(Resource::Balancer(arn)) => self.find(&arn),
            Some(Resource::Listener(_) | Resource::Rule(_) | Resource::Group(_)) | None => None,
        };
        // It may have been deleted while the body was read.
        let Some(balancer) = found else { return signed(Page::Unavailable.response(), None) };
        let request = Request { path: place.path, ..request };
        let Some(listener) = route::listener(&balancer, &request) else {
            return signed(Page::Unavailable.response(), None);
        };
        let response = if listener.protocol == Protocol::Https && request.scheme == Scheme::Http {
            Page::PlainToTls.response()
        } else if let Some(page) = refusal(&request) {
            page.response()
        } else {
            match &route::action(listener, &request).kind {
                ActionKind::Redirect(to) => pages::redirect(to, &request),
                ActionKind::Fixed(response) => pages::fixed(response),
                ActionKind::Forward(groups) => self.forward(&balancer, groups, &request).await,
            }
        };
        signed(response, Some(&listener.attributes))
    }

    fn body_bytes_max(&self) -> usize {
        limits::REQUEST_BODY_BYTES_MAX
    }

    fn too_large(&self) -> Response {
        signed(Page::TooLarge.response(), None)
    }
}

impl Balancers {
    async fn forward(
        &self,
        balancer: &Arc<Balancer>,
        groups: &[WeightedGroup],
        request: &Request,
    ) -> Response {
        let drawn = route::draw(groups, lot(request));
        let Some(group) = drawn.and_then(|weighted| self.find_group(&weighted.group)) else {
            return Page::Unavailable.response();
        };
        // AWS: functions cannot speak WebSocket.
        if request.header("sec-websocket-key").is_some() {
            return Page::BadRequest.response();
        }
        let question = event::of_request(request, balancer, &group);
        match asking::ask(self, &group, question).await {
            Ok(response) => response,
            Err(Unanswered::NoTarget | Unanswered::Closing) => Page::Unavailable.response(),
            Err(Unanswered::Failed) => Page::BadGateway.response(),
            Err(Unanswered::TimedOut) => Page::TimedOut.response(),
        }
    }
}

/// Why a request is not taken, if it is not. All headers together are held to a bound at the door.
fn refusal(request: &Request) -> Option<Page> {
    let line = request.method.len() + request.path.len() + request.query.len();
    if line > limits::REQUEST_LINE_BYTES_MAX {
        return Some(Page::LineTooLong);
    }
    let mut sizes = request.headers.iter().map(|(name, value)| name.len() + value.len());
    let is_large = sizes.any(|bytes| bytes > limits::HEADER_BYTES_MAX);
    is_large.then_some(Page::BadRequest)
}

/// The random bits of a request's id.
fn lot(request: &Request) -> u32 {
    u32::try_from(request.id.0.as_u128() & u128::from(u32::MAX)).unwrap_or_default()
}

/// A response with what a listener adds to all of them.
fn signed(mut response: Response, attributes: Option<&Attributes>) -> Response {
    let value = |key: &str| attributes.and_then(|attributes| attributes.get(key));
    let is_named = response.headers.iter().any(|(name, _)| name == "server");
    if value(SERVER).is_none() && !is_named {
        response.headers.push(("server".to_owned(), pages::SERVER.to_owned()));
    }
    for (name, key) in RESPONSE_HEADERS {
        if let Some(value) = value(key) {
            response.headers.retain(|(known, _)| known != name);
            response.headers.push(((*name).to_owned(), value.clone()));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancers::testing::request;

    fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
        let found = response.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_listener_adds_headers_and_may_leave_out_its_name() {
        let response = || Page::BadGateway.response();
        assert_eq!(header(&signed(response(), None), "server"), Some("awselb/2.0"));
        let mut attributes = Attributes::new();
        attributes.insert(SERVER.to_owned(), "false".to_owned());
        let (name, key) = RESPONSE_HEADERS[0];
        attributes.insert(key.to_owned(), "max-age=1".to_owned());
        let mut own = response();
        own.headers.push((name.to_owned(), "of the function".to_owned()));
        let response = signed(own, Some(&attributes));
        assert_eq!(header(&response, "server"), None);
        assert_eq!(header(&response, name), Some("max-age=1"));
    }

    #[test]
    fn a_request_has_bounds() {
        let with = |path: usize, headers: &[usize]| {
            let mut request = request("GET", &"/".repeat(path), "x");
            let sizes = headers.iter().map(|size| ("x".to_owned(), "v".repeat(*size)));
            request.headers.extend(sizes);
            refusal(&request)
        };
        #[rustfmt::skip]
        let rows: [(usize, &[usize], Option<Page>); 4] = [
            (1,          &[],           None),
            (16 * 1024,  &[],           Some(Page::LineTooLong)),
            (1,          &[16_000],     None),
            (1,          &[16 * 1024],  Some(Page::BadRequest)),
        ];
        for (path, headers, expected) in rows {
            assert_eq!(with(path, headers), expected, "{path} {headers:?}");
        }
    }
}
