//! Handshakes: requests whose connection is to become a WebSocket (RFC 6455).
//!
//! # Promises
//!
//! 1. Functions hear of a handshake only if it is one in its form.
//! 2. Once they have heard of it, they hear of the end of the connection as well, also if the client
//!    has gone away in between.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_http::site::Place;
use hearth_http::sockets::{Sockets, accept_key};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;

use super::{Carrier, reply, without_body};
use crate::front::{AnyBody, Front, whole};

/// The version of the protocol that there is.
const VERSION: &str = "13";
/// How many bytes the key of a handshake has.
const KEY_BYTES: usize = 16;

/// Why a request is no handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoHandshake {
    /// It does not want to be one.
    Other,
    /// It is one of another version.
    Version,
    /// It is not in its form.
    Malformed,
}

/// Answers a request that should be a handshake.
pub(super) async fn answer(
    front: &Front,
    (sockets, place): (&Arc<Sockets>, Place),
    (mut head, body): (Parts, Incoming),
    carrier: Carrier,
) -> Response<AnyBody> {
    let is_empty = body.is_end_stream();
    drop(body);
    let accept = match key(&head) {
        Ok(key) if is_empty => accept_key(key),
        Ok(_) => return refuse(NoHandshake::Malformed, head.version),
        Err(no) => return refuse(no, head.version),
    };
    let Some(upgrade) = head.extensions.remove::<OnUpgrade>() else {
        return refuse(NoHandshake::Malformed, head.version);
    };
    let request = without_body(front, &place, &head, carrier);
    drop(head);
    let (sender, opened) = oneshot::channel();
    let opener = Arc::clone(sockets);
    sockets.tasks().spawn("WebSocket", async move {
        // This needs room only for a moment, and a connection has its own for hours.
        let opening = match Box::pin(opener.open(&place, request)).await {
            Ok(opening) => opening,
            Err(response) => {
                let _ = sender.send(Err(response));
                return;
            }
        };
        drop((opener, place));
        let protocol = opening.protocol().map(str::to_owned);
        if sender.send(Ok(protocol)).is_err() {
            Box::pin(opening.vanished()).await;
            return;
        }
        match upgrade.await {
            Ok(stream) => opening.run(TokioIo::new(stream)).await,
            Err(error) => {
                tracing::debug!(%error, "a connection did not become a WebSocket");
                Box::pin(opening.vanished()).await;
            }
        }
    });
    match opened.await {
        Ok(Ok(protocol)) => switch(&accept, protocol.as_deref()),
        Ok(Err(response)) => reply::render(*response),
        Err(_panicked) => reply::said(500, "Internal Server Error"),
    }
}

/// The key of a handshake.
fn key(head: &Parts) -> Result<&str, NoHandshake> {
    let headers = &head.headers;
    if !names(headers, &UPGRADE, "websocket") {
        return Err(NoHandshake::Other);
    }
    let is_one = head.method == Method::GET
        && head.version == Version::HTTP_11
        && names(headers, &CONNECTION, "upgrade");
    if !is_one {
        return Err(NoHandshake::Malformed);
    }
    if only(headers, &SEC_WEBSOCKET_VERSION) != Some(VERSION) {
        return Err(NoHandshake::Version);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).ok_or(NoHandshake::Malformed)?;
    let is_key = STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
    if is_key { Ok(key) } else { Err(NoHandshake::Malformed) }
}

/// Whether a header with a list names something.
fn names(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut parts = values.flat_map(|value| value.split(','));
    parts.any(|part| part.trim().eq_ignore_ascii_case(wanted))
}

/// The value of a header that comes once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.trim())
}

fn refuse(no: NoHandshake, version: Version) -> Response<AnyBody> {
    let (status, text) = match no {
        NoHandshake::Other | NoHandshake::Version => (426, "Upgrade Required"),
        NoHandshake::Malformed => (400, "Bad Request"),
    };
    let mut answer = reply::said(status, text);
    let headers = answer.headers_mut();
    if status == 426 && version == Version::HTTP_11 {
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if no == NoHandshake::Version {
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    }
    answer
}

/// The answer behind which the connection is a WebSocket.
fn switch(accept: &str, protocol: Option<&str>) -> Response<AnyBody> {
    let mut answer = whole(Response::new(Full::new(Bytes::new())));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    for (name, value) in [(SEC_WEBSOCKET_ACCEPT, Some(accept)), (SEC_WEBSOCKET_PROTOCOL, protocol)]
    {
        // A protocol that cannot stand in a header is one that no client has offered.
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            headers.insert(name, value);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");

    fn head(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/prod");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_handshake_is_known_by_its_form() {
        let (upgrade, connection) =
            (("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade"));
        let version = ("sec-websocket-version", "13");
        let (other, malformed) = (Err(NoHandshake::Other), Err(NoHandshake::Malformed));
        #[rustfmt::skip]
        let rows: [(&str, &str, &[(&str, &str)], Result<&str, NoHandshake>); 10] = [
            ("as browsers do",    "GET",  &[upgrade, connection, version, KEY],  Ok(KEY.1)),
            ("a request",         "GET",  &[],                                   other),
            ("another protocol",  "GET",  &[("upgrade", "h2c"), connection],     other),
            ("another method",    "POST", &[upgrade, connection, version, KEY],  malformed),
            ("no connection",     "GET",  &[upgrade, version, KEY],              malformed),
            ("no key",            "GET",  &[upgrade, connection, version],       malformed),
            ("two keys",          "GET",  &[upgrade, connection, version, KEY, KEY], malformed),
            ("a short key",       "GET",  &[upgrade, connection, version, ("sec-websocket-key", "c2hvcnQ=")], malformed),
            ("no version",        "GET",  &[upgrade, connection, KEY],           Err(NoHandshake::Version)),
            ("another version",   "GET",  &[upgrade, connection, ("sec-websocket-version", "8"), KEY], Err(NoHandshake::Version)),
        ];
        for (name, method, headers, expected) in rows {
            assert_eq!(key(&head(method, headers)), expected, "{name}");
        }
    }

    #[test]
    fn a_client_that_could_be_one_is_told_how() {
        #[rustfmt::skip]
        let rows = [
            (NoHandshake::Other,     426, Some("websocket"), None),
            (NoHandshake::Version,   426, Some("websocket"), Some("13")),
            (NoHandshake::Malformed, 400, None,              None),
        ];
        for (no, status, upgrade, version) in rows {
            let answer = refuse(no, Version::HTTP_11);
            assert_eq!(answer.status(), status);
            assert_eq!(only(answer.headers(), &UPGRADE), upgrade);
            assert_eq!(only(answer.headers(), &SEC_WEBSOCKET_VERSION), version);
        }
        assert!(!refuse(NoHandshake::Other, Version::HTTP_2).headers().contains_key(UPGRADE));
    }

    #[test]
    fn the_answer_proves_that_the_key_was_understood() {
        let answer = switch(&accept_key(KEY.1), Some("chat"));
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let header = |name: &HeaderName| only(answer.headers(), name);
        assert_eq!(header(&SEC_WEBSOCKET_ACCEPT), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(header(&SEC_WEBSOCKET_PROTOCOL), Some("chat"));
    }
}
