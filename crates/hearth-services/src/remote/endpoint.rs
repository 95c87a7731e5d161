//! An endpoint of AWS's protocols: where it is, who asks it, and how a request is put and signed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use hearth_types::time::{Clock, SystemClock};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Method, Request};

use super::address::{Origin, Scheme};
use super::client::{Answer, Bounds, Client, Unanswered, Wanted};
use super::signature::{self, Credentials, Signing};
use super::tls::Trust;
use crate::limits::{
    CALL_ANSWER_BYTES_MAX, CALL_CONNECTIONS_MAX, CALL_SECONDS_MAX, REFUSAL_BYTES_MAX,
};
use crate::targets::NotTaken;

/// Why an endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It is not an address.
    #[error("`{0}` is not an endpoint: it should look like `http://host:port` or `https://host`")]
    Malformed(String),
}

/// An endpoint, and who asks it.
pub(super) struct Endpoint {
    origin: Origin,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
    client: Client,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Endpoint").field("origin", &self.origin.shown()).finish()
    }
}

/// A request, before it is signed.
#[derive(Debug)]
pub(super) struct Unsigned<'a> {
    pub(super) method: Method,
    /// The path, encoded.
    pub(super) path: &'a str,
    /// The query, encoded, in the order of its names.
    pub(super) query: &'a str,
    /// Headers beside those that every request has, with lower-case names.
    pub(super) headers: &'a [(&'static str, &'a str)],
    pub(super) body: Bytes,
    /// Such as `us-east-1`.
    pub(super) region: &'a str,
    /// What the service is called in signatures.
    pub(super) service: &'static str,
}

/// A call of an operation: a POST to `/`.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// What the service is called in signatures.
    pub(super) service: &'static str,
    /// Such as `us-east-1`.
    pub(super) region: &'a str,
    pub(super) content_type: &'static str,
    /// `X-Amz-Target`, if the operation is named there.
    pub(super) target: Option<&'static str>,
    /// `X-Amzn-Trace-Id`, if it goes there.
    pub(super) trace: Option<&'a str>,
    pub(super) body: String,
}

impl Endpoint {
    /// The endpoint at `http://host:port`, or with `https`. Without an access key, requests are not
    /// signed.
    pub(super) fn new(
        endpoint: &str,
        (access_key_id, secret): (&str, &str),
        trust: &Trust,
    ) -> Result<Self, RemoteError> {
        let malformed = || RemoteError::Malformed(endpoint.to_owned());
        let (scheme, rest) = endpoint.split_once("://").ok_or_else(malformed)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _other => return Err(malformed()),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let authority: Authority = authority.parse().ok().ok_or_else(malformed)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(malformed());
        }
        let credentials = Credentials {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret.to_owned(),
        };
        let client = Client::new(CALL_CONNECTIONS_MAX, trust.clone());
        let origin = Origin { scheme, authority };
        Ok(Self { origin, credentials, clock: Arc::new(SystemClock), client })
    }

    /// Puts and signs a request.
    pub(super) fn request(
        &self,
        unsigned: &Unsigned<'_>,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let Unsigned { method, path, query, headers, body, region, service } = unsigned;
        let host = self.origin.authority.as_str();
        let uri = if query.is_empty() { (*path).to_owned() } else { format!("{path}?{query}") };
        let mut request = Request::builder().method(method.clone()).uri(uri).header(HOST, host);
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        if !self.credentials.access_key_id.is_empty() {
            let time = signature::time(self.clock.now());
            let hash = signature::sha256(body);
            let mut signed = vec![
                ("host", host),
                ("x-amz-content-sha256", hash.as_str()),
                ("x-amz-date", time.as_str()),
            ];
            signed.extend_from_slice(headers);
            signed.sort_unstable_by_key(|(name, _)| *name);
            let signing = Signing {
                method: method.as_str(),
                path,
                query,
                headers: &signed,
                payload_sha256: &hash,
                time: &time,
                region,
                service,
            };
            request = request
                .header(AUTHORIZATION, signature::sign(&signing, &self.credentials))
                .header("x-amz-content-sha256", &hash)
                .header("x-amz-date", &time);
        }
        request.body(Full::new(body.clone()))
    }

    /// Sends a request and reads its answer.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Answer, Unanswered> {
        self.client.exchange(&self.origin, request, bounds).await
    }

    /// Calls an operation. The answer may be a refusal.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer, NotTaken> {
        self.call_for(call, CALL_ANSWER_BYTES_MAX).await
    }

    /// Calls an operation whose answer may have so many bytes.
    pub(super) async fn call_for(
        &self,
        call: Call<'_>,
        success_bytes: usize,
    ) -> Result<Answer, NotTaken> {
        let mut headers = vec![("content-type", call.content_type)];
        headers.extend(call.target.map(|target| ("x-amz-target", target)));
        let unsigned = Unsigned {
            method: Method::POST,
            path: "/",
            query: "",
            headers: &headers,
            body: Bytes::from(call.body),
            region: call.region,
            service: call.service,
        };
        let mut request = self.request(&unsigned).map_err(|error| {
            refused("InvalidParameterValue", format!("The request cannot be put: {error}."))
        })?;
        // Not signed, as AWS's own clients do not sign it: whoever passes it on may change it.
        if let Some(trace) = call.trace.and_then(|trace| HeaderValue::from_str(trace).ok()) {
            request.headers_mut().insert("x-amzn-trace-id", trace);
        }
        let wanted = Wanted::Body { success_bytes, other_bytes: REFUSAL_BYTES_MAX };
        let exchanged = self.exchange(request, Bounds { seconds: CALL_SECONDS_MAX, wanted }).await;
        exchanged.map_err(|why| NotTaken::Failed { message: self.unreachable(&why) })
    }

    /// What is said about an endpoint that does not answer.
    pub(super) fn unreachable(&self, why: &Unanswered) -> String {
        format!("The endpoint {} does not answer: {}.", self.origin.shown(), why.whole())
    }

    /// What is said of an answer that is none of the service's: somebody else may have given it.
    pub(super) fn odd(&self, expected: &str) -> NotTaken {
        let place = self.origin.shown();
        let message =
            format!("The endpoint {place} answered with a success that has no {expected}.");
        NotTaken::Failed { message }
    }
}

/// A refusal of our own: nothing was sent.
pub(super) fn refused(code: &str, message: impl Into<String>) -> NotTaken {
    NotTaken::Refused { code: code.to_owned(), message: message.into() }
}

/// The text of a body.
pub(super) fn text(body: &[u8]) -> Result<&str, NotTaken> {
    let text = std::str::from_utf8(body);
    text.map_err(|_not_text| refused("InvalidMessageContents", "The body is not UTF-8 text."))
}

/// What an ARN says about where something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Place<'a> {
    /// Reads the ARN of something that belongs to a service.
    pub(super) fn of(arn: &'a str, service: &str) -> Result<Self, NotTaken> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts.as_slice() {
            ["arn", _partition, named, region, account, name]
                if *named == service
                    && [region, account, name].iter().all(|part| !part.is_empty()) =>
            {
                Ok(Self { region, account, name })
            }
            _ => Err(refused(
                "InvalidParameterValue",
                format!("`{arn}` is not an ARN of the service `{service}`."),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let malformed = |text: &str| Some(RemoteError::Malformed(text.to_owned()));
        #[rustfmt::skip]
        let rows = [
            ("http://127.0.0.1:9000",  None),
            ("http://s3.example/",     None),
            ("http://[::1]:9000",      None),
            ("https://s3.example",     None),
            ("s3.example:9000",        malformed("s3.example:9000")),
            ("ftp://s3.example",       malformed("ftp://s3.example")),
            ("http://",                malformed("http://")),
            ("http://a/path",          malformed("http://a/path")),
            ("http://me:secret@a",     malformed("http://me:secret@a")),
        ];
        for (endpoint, expected) in rows {
            assert_eq!(
                Endpoint::new(endpoint, ("key", "secret"), &Trust::default()).err(),
                expected,
                "{endpoint}"
            );
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let endpoint = Endpoint::new("http://a", ("key", "hidden"), &Trust::default()).unwrap();
        assert!(!format!("{endpoint:?}").contains("hidden"));
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        let endpoint = Endpoint::new("http://a", ("", ""), &Trust::default()).unwrap();
        let unsigned = Unsigned {
            method: Method::POST,
            path: "/",
            query: "",
            headers: &[("x-amz-target", "AmazonSQS.SendMessage")],
            body: Bytes::from_static(b"{}"),
            region: "us-east-1",
            service: "sqs",
        };
        let request = endpoint.request(&unsigned).unwrap();
        let names: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["host", "x-amz-target"]);
    }

    #[test]
    fn where_an_arn_says_that_something_is() {
        let queue = Place::of("arn:aws:sqs:eu-west-1:000000000000:q.fifo", "sqs").unwrap();
        let expected = Place { region: "eu-west-1", account: "000000000000", name: "q.fifo" };
        assert_eq!(queue, expected);
        let bus = Place::of("arn:aws:events:us-east-1:000000000000:event-bus/b", "events");
        assert_eq!(bus.unwrap().name, "event-bus/b");
        for arn in
            ["", "q", "arn:aws:sns:r:a:t", "arn:aws:sqs::a:q", "arn:aws:sqs:r:a", "a:b:sqs:r:a:q"]
        {
            assert!(Place::of(arn, "sqs").is_err(), "{arn}");
        }
    }
}
