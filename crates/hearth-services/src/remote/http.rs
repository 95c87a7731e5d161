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
//! TLS: an `https` address is refused, with the reason. A name and a password in the address: AWS
//! takes them with TLS only, and so does not here. A list of addresses that may not be posted to:
//! whoever may subscribe may let this server post to every address that it reaches, those of the
//! machine itself included; `docs/security.md` says so.
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
use hyper::header::HOST;
use hyper::http::uri::Authority;
use hyper::{Request, Uri};

use super::client::{Bounds, Client, Wanted};
use super::endpoint::refused;
use super::refusal::passes;
use crate::limits::{POST_CONNECTIONS_MAX, POST_SECONDS_MAX};
use crate::targets::{HttpPost, NotTaken};

/// AWS: what SNS says of an address that it cannot use.
const INVALID: &str = "InvalidParameter";

/// Posts over HTTP.
#[derive(Debug)]
pub struct HttpSender {
    client: Client,
}

impl Default for HttpSender {
    fn default() -> Self {
        Self { client: Client::new(POST_CONNECTIONS_MAX) }
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
        let (authority, path) = address(url)?;
        let mut request = Request::post(path).header(HOST, authority.as_str());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(body.clone()))
            .map_err(|error| refused(INVALID, format!("The request cannot be put: {error}.")))?;
        let bounds = Bounds { seconds: POST_SECONDS_MAX, wanted: Wanted::Status };
        let exchanged = self.client.exchange(&authority, request, bounds).await;
        let answer = exchanged.map_err(|why| {
            let message = format!("http://{authority} does not answer: {}.", why.whole());
            NotTaken::Failed { message }
        })?;
        let status = answer.status;
        if status.is_success() {
            return Ok(());
        }
        let message = format!("http://{authority} answered with status {}.", status.as_u16());
        if passes(status) {
            return Err(NotTaken::Failed { message });
        }
        Err(refused(status.as_str(), message))
    }
}

/// Whom to connect to, and the path and query to ask for.
fn address(url: &str) -> Result<(Authority, String), NotTaken> {
    let malformed = || refused(INVALID, format!("`{url}` is not an address to post to."));
    let uri: Uri = url.parse().map_err(|_malformed| malformed())?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            let why = format!("`{url}` needs TLS, which Hearth does not speak yet.");
            return Err(refused(INVALID, why));
        }
        Some(_) | None => return Err(malformed()),
    }
    let authority = uri.authority().ok_or_else(malformed)?;
    if authority.host().is_empty() {
        return Err(malformed());
    }
    if authority.as_str().contains('@') {
        let why = "A name and a password in an address need TLS, which Hearth does not speak yet.";
        return Err(refused(INVALID, why));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok((authority.clone(), path.to_owned()))
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
        let sender = HttpSender::default();
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
            let code = match post(&played, &HttpSender::default()).await.unwrap_err() {
                NotTaken::Refused { code, .. } => Some(code),
                NotTaken::Failed { .. } => None,
            };
            assert_eq!(code.as_deref(), expected, "{shown}");
            assert_eq!(played.heard().len(), 1, "{shown}");
        }
    }

    #[test]
    fn addresses() {
        #[rustfmt::skip]
        let rows = [
            ("http://example.com",            Some(("example.com", "/"))),
            ("http://example.com:8080/a?b=c", Some(("example.com:8080", "/a?b=c"))),
            ("HTTP://127.0.0.1/#part",        Some(("127.0.0.1", "/"))),
            ("http://[::1]:80/",              Some(("[::1]:80", "/"))),
            ("https://example.com/",          None),
            ("http://me:secret@example.com/", None),
            ("ftp://example.com/",            None),
            ("example.com",                   None),
            ("/path",                         None),
            ("http://",                       None),
            ("http://a b/",                   None),
            ("",                              None),
        ];
        for (url, expected) in rows {
            let found = address(url).ok();
            let found = found.as_ref().map(|(host, path)| (host.as_str(), path.as_str()));
            assert_eq!(found, expected, "{url}");
        }
        let secret = address("http://me:secret@example.com/").unwrap_err().to_string();
        assert!(!secret.contains("secret"), "{secret}");
    }
}
