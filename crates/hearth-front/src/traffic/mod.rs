//! Requests for functions: from a connection to the site that is meant, and back.
//!
//! ```text
//!  request ──▶ for a site? ──▶ head ──▶ body ──▶ Site ──▶ reply
//!                 │ no          │ 400     │ 413             response, whole or as it comes
//!                 ▼             │ 431     │ 408, 503
//!        the API, or 404        ▼         ▼
//! ```
//!
//! A handshake of a WebSocket goes from the head to `upgrade`, which changes the connection into one.
//!
//! Sites are found before anything else is looked at, by the host or by the path of a request. They
//! are served where the API is, and alone at a listener of their own ([`listener`]).
//!
//! # Promises
//!
//! 1. A site gets a request of which every part is within its limit, without the headers that are of
//!    the connection, and with where it came from.
//! 2. What a request says of where it came from is taken over only where it adds to what we know.
//! 3. A response has no header that could end another one, or the connection's framing.
//! 4. Where there are only sites, nothing can be sent to the connections of others.

mod head;
mod reply;
mod replayed;
mod upgrade;
pub mod tls;
pub mod listener;

pub(crate) use self::reply::SiteBody;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use hearth_http::request;
use hearth_http::response;
use hearth_http::site::{Place, Site, Sites};
use hearth_types::ids::RequestId;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, Response};

use self::head::Refused;
use crate::body::{self, BodyError};
use crate::connections::Managed;
use crate::front::{AnyBody, Front};
use crate::server::Admission;

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carrier {
    /// In the clear, or not.
    pub(crate) scheme: request::Scheme,
    /// The port that it came to.
    pub(crate) port: u16,
    /// Who sent it.
    pub(crate) from: IpAddr,
}

/// Whom a request is for.
pub(crate) type Found = (Arc<dyn Site>, Place);

/// The site that a request is for, if it is for one.
pub(crate) fn find(sites: &Sites, head: &Parts) -> Option<Found> {
    sites.find(&head::host(head)?, head.uri.path())
}

/// Answers a request at a door where there are only sites.
pub(crate) async fn answer_site(
    front: &Front,
    request: Request<Incoming>,
    carrier: Carrier,
) -> Response<AnyBody> {
    let (head, body) = request.into_parts();
    match find(&front.sites, &head) {
        // Whoever may send to a connection is known by a key at AWS, and by the door here.
        Some(found) if Managed::of(&found).is_some() => {
            reply::said(403, "Missing Authentication Token")
        }
        Some(found) => answer(front, found, (head, body), carrier).await,
        None => reply::said(404, "Not Found"),
    }
}

/// Answers a request for a site. There is always an answer.
pub(crate) async fn answer(
    front: &Front,
    (site, place): Found,
    (head, body): (Parts, Incoming),
    carrier: Carrier,
) -> Response<AnyBody> {
    if *front.admission.borrow() == Admission::Draining {
        return reply::said(503, "Service Unavailable");
    }
    if let Err(refused) = head::check(&head).and_then(|()| head::check_path(&place.path)) {
        return refuse(refused);
    }
    if let Some(sockets) = site.sockets() {
        return upgrade::answer(front, (sockets, place), (head, body), carrier).await;
    }
    let read = body::read(body, site.body_bytes_max(), &front.body_room).await;
    let body = match read {
        Ok(held) => held.into_bytes(),
        Err(BodyError::TooLarge) => return reply::render(site.too_large()),
        Err(BodyError::Incomplete) => return reply::said(400, "Bad Request"),
        Err(BodyError::NoRoom) => return reply::said(503, "Service Unavailable"),
    };
    let mut request = without_body(front, &place, &head, carrier);
    request.body = body;
    drop(head);
    let response: response::Response = site.serve(place, request).await;
    reply::render(response)
}

/// A request as a site sees it, before its body is there.
fn without_body(front: &Front, place: &Place, head: &Parts, carrier: Carrier) -> request::Request {
    let (id, now) = (RequestId::random(), front.control.now());
    request::Request {
        id,
        time: now,
        method: head.method.as_str().to_owned(),
        scheme: carrier.scheme,
        protocol: head::protocol(head.version),
        host: head::host(head).unwrap_or_default(),
        port: carrier.port,
        path: place.path.clone(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head::headers(head, carrier, (id, now)),
        body: Bytes::new(),
        from: carrier.from,
    }
}

fn refuse(refused: Refused) -> Response<AnyBody> {
    match refused {
        Refused::Malformed => reply::said(400, "Bad Request"),
        Refused::Method => reply::said(405, "Method Not Allowed"),
        Refused::TooLarge => reply::said(431, "Request Header Fields Too Large"),
    }
}
