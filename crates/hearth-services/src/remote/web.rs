//! Requests to any HTTP endpoint, whose answers are wanted whole: the keys of an issuer of tokens,
//! and what an API passes on.
//!
//! # Promises
//!
//! 1. Asking ends, and what is read of an answer is bounded.
//! 2. Redirects are not followed.

use std::net::IpAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HOST;

use super::address::{self, AddressError};
use super::client::{Bounds, Client, Unanswered, Wanted};
use super::tls::Trust;
use crate::limits::WEB_CONNECTIONS_MAX;

/// Asks HTTP endpoints.
#[derive(Debug)]
pub struct Web {
    client: Client,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct WebRequest {
    /// The method.
    pub method: String,
    /// The address, with path and query.
    pub url: String,
    /// The headers beside `Host`, which follows from the address.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// How long an answer is waited for.
    pub seconds: u64,
    /// How large the body of the answer may be.
    pub answer_bytes_max: usize,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAnswer {
    /// The status.
    pub status: u16,
    /// The headers; those that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebError {
    /// There is no such address, or the request cannot be put.
    #[error("`{url}` cannot be asked: {why}")]
    Malformed {
        /// The address.
        url: String,
        /// Why.
        why: String,
    },
    /// Nobody answered in time.
    #[error("{0} took too long")]
    Late(String),
    /// Nobody answered.
    #[error("{place} does not answer: {why}")]
    Unanswered {
        /// Who was asked.
        place: String,
        /// Why.
        why: String,
    },
    /// The answer is larger than it may be.
    #[error("the answer of {0} is too large")]
    TooLarge(String),
}

impl Web {
    /// Asks whoever can be reached, and over TLS whom it trusts.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { client: Client::new(WEB_CONNECTIONS_MAX, trust) }
    }

    /// Whether a text is an address that can be asked.
    #[must_use]
    pub fn is_address(url: &str) -> bool {
        address::read(url).is_ok()
    }

    /// Whether an address is one of this machine's own, as far as can be seen from it.
    #[must_use]
    pub fn leads_to_this_machine(url: &str) -> bool {
        let Ok((origin, _path)) = address::read(url) else { return false };
        let host = origin.host();
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Sends a request and reads its answer, whatever its status is.
    ///
    /// # Errors
    ///
    /// If there is no answer, or it is too large.
    pub async fn ask(&self, asked: WebRequest) -> Result<WebAnswer, WebError> {
        let WebRequest { method, url, headers, body, seconds, answer_bytes_max } = asked;
        let malformed = |why: String| WebError::Malformed { url: url.clone(), why };
        let (origin, path) =
            address::read(&url).map_err(|why: AddressError| malformed(why.to_string()))?;
        let mut request = Request::builder()
            .method(method.as_str())
            .uri(path)
            .header(HOST, origin.authority.as_str());
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let request =
            request.body(Full::new(body)).map_err(|error| malformed(error.to_string()))?;
        let wanted =
            Wanted::Body { success_bytes: answer_bytes_max, other_bytes: answer_bytes_max };
        let exchanged = self.client.exchange(&origin, request, Bounds { seconds, wanted }).await;
        let place = origin.shown();
        let answer = exchanged.map_err(|why| match why {
            Unanswered::Late(_) => WebError::Late(place.clone()),
            Unanswered::NotConnected(_) | Unanswered::Unheard(_) | Unanswered::CutOff(_) => {
                WebError::Unanswered { place: place.clone(), why: why.whole() }
            }
        })?;
        let headers = answer.headers.iter().filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        });
        Ok(WebAnswer {
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: answer.body.ok_or(WebError::TooLarge(place))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::played::{Played, Reply};
    use super::*;

    fn get(url: String) -> WebRequest {
        WebRequest {
            method: "PUT".to_owned(),
            url,
            headers: vec![("x-one".to_owned(), "1".to_owned())],
            body: Bytes::from_static(b"asked"),
            seconds: 5,
            answer_bytes_max: 8,
        }
    }

    #[tokio::test]
    async fn an_answer_is_handed_on_whatever_its_status_is() {
        let played = Played::start([Reply::of(404, "not here")]).await;
        let web = Web::new(Trust::default());
        let answer = web.ask(get(format!("{}/a?b", played.endpoint()))).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (404, b"not here".as_slice()));
        let heard = &played.heard()[0];
        assert_eq!((heard.method.as_str(), heard.path.as_str()), ("PUT", "/a?b"));
        assert_eq!((heard.header("x-one"), heard.header("host")), ("1", played.authority.as_str()));
    }

    #[tokio::test]
    async fn what_is_too_large_or_no_address_is_said() {
        let played = Played::start([Reply::of(200, "much more")]).await;
        let web = Web::new(Trust::default());
        let answer = web.ask(get(played.endpoint())).await;
        assert_eq!(answer, Err(WebError::TooLarge(played.endpoint())));
        let answer = web.ask(get("ftp://a".to_owned())).await;
        assert!(matches!(answer, Err(WebError::Malformed { .. })), "{answer:?}");
    }

    #[test]
    fn addresses_of_this_machine() {
        #[rustfmt::skip]
        let rows = [
            ("http://127.0.0.1:8080/a",   true),
            ("http://[::1]/",             true),
            ("http://localhost:1",        true),
            ("http://a.localhost",        true),
            ("http://10.0.0.1/",          false),
            ("http://localhost.example/", false),
            ("127.0.0.1",                 false),
        ];
        for (url, expected) in rows {
            assert_eq!(Web::leads_to_this_machine(url), expected, "{url}");
        }
    }
}
