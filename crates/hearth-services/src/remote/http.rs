//! Posts to HTTP endpoints that anybody has named: the subscribers of topics.
//!
//! # Promises
//!
//! 1. A post is taken when the endpoint has answered with a success, and only then.
//! 2. Redirects are not followed: nobody is sent on to another address.
//! 3. What an endpoint answers beside its status is bounded and never shown to anybody.
//!
//! # Deliberately absent
//!
//! A name and a password in the address, which AWS takes with TLS. A list of addresses that may not
//! be posted to: whoever may subscribe may let this server post to every address that it reaches,
//! those of the machine itself included; `docs/security.md` says so.
//!
//! # Which answers are final
//!
//! AWS ("Make sure your endpoint is ready to process Amazon SNS messages"): the connection times
//! out after 15 seconds, and a status outside of 200 to 4xx is a failed attempt, which is retried.
//! AWS ("Amazon SNS dead-letter queues"): errors on the client's side, such as an endpoint that was
//! deleted, are not retried. So 1xx, 5xx and silence are tried again and 3xx and 4xx are final,
//! except for 408 and 429, by which an endpoint asks for another time.

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::HOST;

use super::address::{self, AddressError};
use super::client::{Bounds, Client, Wanted};
use super::endpoint::refused;
use super::refusal::passes;
use super::tls::Trust;
use crate::limits::{POST_CONNECTIONS_MAX, POST_SECONDS_MAX};
use crate::targets::{HttpPost, NotTaken};

/// AWS: what SNS says of an address that it cannot use.
const INVALID: &str = "InvalidParameter";

/// Posts over HTTP.
#[derive(Debug)]
pub struct HttpSender {
    client: Client,
}

impl HttpSender {
    /// Posts to whoever can be reached, and over TLS to whom it trusts.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { client: Client::new(POST_CONNECTIONS_MAX, trust) }
    }
}

#[async_trait]
impl HttpPost for HttpSender {
    async fn post(
        &self,
        url: &str,
        headers: &[(String, String)],
        body: &Bytes,
    ) -> Result<(), NotTaken> {
        let (origin, path) = address::read(url).map_err(|why| not_posted(url, why))?;
        let mut request = Request::post(path).header(HOST, origin.authority.as_str());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(body.clone()))
            .map_err(|error| refused(INVALID, format!("The request cannot be put: {error}.")))?;
        let bounds = Bounds { seconds: POST_SECONDS_MAX, wanted: Wanted::Status };
        let exchanged = self.client.exchange(&origin, request, bounds).await;
        let answer = exchanged.map_err(|why| {
            let message = format!("{} does not answer: {}.", origin.shown(), why.whole());
            NotTaken::Failed { message }
        })?;
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let message = format!("{} answered with status {}.", origin.shown(), status.as_u16());
        if passes(status) {
            return Err(NotTaken::Failed { message });
        }
        Err(refused(status.as_str(), message))
    }
}

fn not_posted(url: &str, why: AddressError) -> NotTaken {
    match why {
        AddressError::Malformed => {
            refused(INVALID, format!("`{url}` is not an address to post to."))
        }
        // The address has a password in it, and is not repeated.
        AddressError::Credentials => {
            let why = "A name and a password in an address are not sent by Hearth yet.";
            refused(INVALID, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::played::{Played, Reply};
    use super::*;

    async fn post(played: &Played, sender: &HttpSender) -> Result<(), NotTaken> {
        let url = format!("{}/in?a=b#part", played.endpoint());
        let kind = ("x-amz-sns-message-type".to_owned(), "Notification".to_owned());
        sender.post(&url, &[kind], &Bytes::from_static(b"{}")).await
    }

    #[tokio::test]
    async fn a_post_has_its_headers_and_its_body_and_the_connection_is_used_again() {
        let replies = [Reply::of(200, "thanks"), Reply::of(204, "")];
        let played = Played::start(replies).await;
        let sender = HttpSender::new(Trust::default());
        assert_eq!(post(&played, &sender).await, Ok(()));
        assert_eq!(post(&played, &sender).await, Ok(()));
        let heard = played.heard();
        for one in &heard {
            assert_eq!((one.method.as_str(), one.path.as_str()), ("POST", "/in?a=b"));
            assert_eq!(one.header("host"), played.authority.as_str());
            assert_eq!(one.header("x-amz-sns-message-type"), "Notification");
            assert_eq!(one.body, "{}");
        }
        assert_eq!((heard.len(), played.connections()), (2, 1));
    }

    #[tokio::test]
    async fn only_some_answers_are_final() {
        #[rustfmt::skip]
        let rows = [
            (Reply::of(301, ""), Some("301")),
            (Reply::of(400, ""), Some("400")),
            (Reply::of(404, ""), Some("404")),
            (Reply::of(410, ""), Some("410")),
            (Reply::of(408, ""), None),
            (Reply::of(429, ""), None),
            (Reply::of(500, ""), None),
            (Reply::of(503, ""), None),
            (Reply::Close,       None),
            // It stops the clock, and so is the last one.
            (Reply::Hang,        None),
        ];
        for (reply, expected) in rows {
            let shown = format!("{reply:?}");
            let played = Played::start([reply]).await;
            let code = match post(&played, &HttpSender::new(Trust::default())).await.unwrap_err() {
                NotTaken::Refused { code, .. } => Some(code),
                NotTaken::Failed { .. } => None,
            };
            assert_eq!(code.as_deref(), expected, "{shown}");
            assert_eq!(played.heard().len(), 1, "{shown}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        let url = "http://me:secret@example.com/";
        let refused = not_posted(url, address::read(url).unwrap_err()).to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
