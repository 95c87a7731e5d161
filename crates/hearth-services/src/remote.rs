//! Objects of any S3-compatible endpoint.
//!
//! # Promises
//!
//! 1. Fetching ends: connecting, the answer and its size are bounded.
//! 2. The secret is in no log, no error and no `Debug` output.
//!
//! # Deliberately absent
//!
//! TLS: an `https` endpoint is refused at the start. Retries: the caller has a client that does.

mod signature;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::time::{Clock, SystemClock};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::http::uri::Authority;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;

pub use self::signature::{Credentials, SHA256_OF_NOTHING, Signing, sign};
use crate::limits::{CONNECT_SECONDS_MAX, FETCH_SECONDS_MAX, REFUSAL_BYTES_MAX};
use crate::objects::{FetchError, ObjectAddress, ObjectSource};

/// What signatures leave as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same in a path.
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// Why an endpoint cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It wants TLS.
    #[error(
        "`{0}` needs TLS, which Hearth does not speak yet: name an `http://` endpoint, such as a local proxy that speaks TLS to it"
    )]
    Tls(String),
    /// It is not an address.
    #[error("`{0}` is not an endpoint: it should look like `http://host:port`")]
    Malformed(String),
}

/// The buckets of an endpoint, which is asked path-style and over HTTP.
pub struct RemoteBuckets {
    authority: Authority,
    credentials: Credentials,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for RemoteBuckets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RemoteBuckets").field("authority", &self.authority).finish()
    }
}

impl RemoteBuckets {
    /// The buckets at `http://host:port`. Without an access key, requests are not signed.
    ///
    /// # Errors
    ///
    /// If the endpoint is none, or needs TLS.
    pub fn new(endpoint: &str, access_key_id: &str, secret: &str) -> Result<Self, RemoteError> {
        let malformed = || RemoteError::Malformed(endpoint.to_owned());
        let (scheme, rest) = endpoint.split_once("://").ok_or_else(malformed)?;
        match scheme {
            "http" => {}
            "https" => return Err(RemoteError::Tls(endpoint.to_owned())),
            _other => return Err(malformed()),
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let authority: Authority = authority.parse().ok().ok_or_else(malformed)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(malformed());
        }
        let credentials = Credentials {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: secret.to_owned(),
        };
        Ok(Self { authority, credentials, clock: Arc::new(SystemClock) })
    }

    fn request(&self, address: &ObjectAddress) -> Result<Request<Empty<Bytes>>, FetchError> {
        let key = utf8_percent_encode(&address.key, ENCODED_IN_PATH);
        let bucket = utf8_percent_encode(&address.bucket, ENCODED);
        let path = format!("/{bucket}/{key}");
        let version = address.version.as_deref();
        let query = version
            .map(|id| format!("versionId={}", utf8_percent_encode(id, ENCODED)))
            .unwrap_or_default();
        let uri = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let host = self.authority.as_str();
        let mut request = Request::get(uri).header(HOST, host);
        if !self.credentials.access_key_id.is_empty() {
            let time = signature::time(self.clock.now());
            let signing = Signing {
                method: "GET",
                path: &path,
                query: &query,
                headers: &[
                    ("host", host),
                    ("x-amz-content-sha256", SHA256_OF_NOTHING),
                    ("x-amz-date", time.as_str()),
                ],
                payload_sha256: SHA256_OF_NOTHING,
                time: &time,
                region: address.scope.region.as_str(),
                service: "s3",
            };
            request = request
                .header(AUTHORIZATION, sign(&signing, &self.credentials))
                .header("x-amz-content-sha256", SHA256_OF_NOTHING)
                .header("x-amz-date", &time);
        }
        let refused = |error: hyper::http::Error| {
            FetchError::new("InvalidURI", format!("Couldn't parse the specified URI: {error}."))
        };
        request.body(Empty::new()).map_err(refused)
    }

    fn unreachable(&self, why: &dyn fmt::Display) -> FetchError {
        let message = format!("The endpoint http://{} does not answer: {why}.", self.authority);
        FetchError::new("ServiceUnavailable", message)
    }

    async fn talk(
        &self,
        request: Request<Empty<Bytes>>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let host = self.authority.host().trim_matches(['[', ']']).to_owned();
        let port = self.authority.port_u16().unwrap_or(80);
        let connecting = TcpStream::connect((host, port));
        let connecting =
            tokio::time::timeout(Duration::from_secs(CONNECT_SECONDS_MAX), connecting).await;
        let stream = connecting
            .map_err(|late| self.unreachable(&late))?
            .map_err(|error| self.unreachable(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.unreachable(&error))?;
        let asking = async {
            let answer =
                sender.send_request(request).await.map_err(|error| self.unreachable(&error))?;
            let status = answer.status();
            if status.is_success() {
                let whole = self.read(answer.into_body(), limit_bytes).await?;
                return whole.ok_or_else(|| FetchError::too_large(limit_bytes));
            }
            let said = self.read(answer.into_body(), REFUSAL_BYTES_MAX).await?;
            Err(refusal(status.as_u16(), &said.unwrap_or_default()))
        };
        tokio::pin!(asking, connection);
        tokio::select! {
            asked = &mut asking => return asked,
            _ended = &mut connection => {}
        }
        // The connection has ended; what has arrived before that can still be read.
        asking.await
    }

    /// Reads a whole body, or `None` if it is larger than it may be.
    async fn read(
        &self,
        mut body: Incoming,
        limit_bytes: usize,
    ) -> Result<Option<Vec<u8>>, FetchError> {
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.unreachable(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > limit_bytes {
                return Ok(None);
            }
            whole.extend_from_slice(&data);
        }
        Ok(Some(whole))
    }
}

#[async_trait]
impl ObjectSource for RemoteBuckets {
    async fn fetch(
        &self,
        address: &ObjectAddress,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let request = self.request(address)?;
        let talking = self.talk(request, limit_bytes);
        tokio::time::timeout(Duration::from_secs(FETCH_SECONDS_MAX), talking)
            .await
            .unwrap_or_else(|late| Err(self.unreachable(&late)))
    }
}

/// What an endpoint says in its XML, or its status if it says nothing.
fn refusal(status: u16, said: &[u8]) -> FetchError {
    let said = String::from_utf8_lossy(said);
    let text = |name: &str| -> Option<String> {
        let (_, behind) = said.split_once(&format!("<{name}>"))?;
        let (text, _) = behind.split_once(&format!("</{name}>"))?;
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        Some(text.replace("&apos;", "'").replace("&amp;", "&"))
    };
    let code = text("Code").unwrap_or_else(|| status.to_string());
    let message = text("Message")
        .unwrap_or_else(|| format!("The endpoint answered with status {status} and no reason."));
    FetchError { code, message }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region, Scope};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn endpoints() {
        let malformed = |text: &str| Some(RemoteError::Malformed(text.to_owned()));
        #[rustfmt::skip]
        let rows = [
            ("http://127.0.0.1:9000",  None),
            ("http://s3.example/",     None),
            ("http://[::1]:9000",      None),
            ("https://s3.example",     Some(RemoteError::Tls("https://s3.example".to_owned()))),
            ("s3.example:9000",        malformed("s3.example:9000")),
            ("ftp://s3.example",       malformed("ftp://s3.example")),
            ("http://",                malformed("http://")),
            ("http://a/path",          malformed("http://a/path")),
            ("http://me:secret@a",     malformed("http://me:secret@a")),
        ];
        for (endpoint, expected) in rows {
            assert_eq!(RemoteBuckets::new(endpoint, "key", "secret").err(), expected, "{endpoint}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let remote = RemoteBuckets::new("http://a", "key", "hidden").unwrap();
        assert!(!format!("{remote:?}").contains("hidden"));
    }

    /// Answers one request, and returns it and what was fetched.
    async fn fetch(
        answer: &'static str,
        limit_bytes: usize,
    ) -> (String, Result<Vec<u8>, FetchError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let remote = RemoteBuckets::new(&endpoint, "key", "secret").unwrap();
        let account = AccountId::parse("000000000000").unwrap();
        let address = ObjectAddress {
            scope: Scope { account, region: Region::parse("eu-west-1").unwrap() },
            bucket: "bucket".to_owned(),
            key: "a dir/ü+.zip".to_owned(),
            version: Some("1/2".to_owned()),
        };
        let serving = async {
            let (mut stream, _from) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request).unwrap()
        };
        tokio::join!(serving, remote.fetch(&address, limit_bytes))
    }

    #[tokio::test]
    async fn an_object_is_asked_for_by_its_encoded_path_and_signed() {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes";
        let (request, fetched) = fetch(answer, 5).await;
        assert_eq!(fetched.unwrap(), b"bytes");
        let line = "GET /bucket/a%20dir/%C3%BC%2B.zip?versionId=1%2F2 HTTP/1.1\r\n";
        assert!(request.starts_with(line), "{request}");
        assert!(request.contains("/eu-west-1/s3/aws4_request, SignedHeaders=host;"), "{request}");
    }

    #[tokio::test]
    async fn refusals_and_answers_that_are_too_large() {
        #[rustfmt::skip]
        let rows = [
            ("HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n<Error><Code>NoSuchKey</Code><Message>a &amp; b</Message></Error>", "NoSuchKey", "a & b"),
            ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "500", "The endpoint answered with status 500 and no reason."),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nbytes", "EntityTooLarge", "The object is larger than the 4 bytes it may have."),
        ];
        for (answer, code, message) in rows {
            let (_request, fetched) = fetch(answer, 4).await;
            assert_eq!(fetched, Err(FetchError::new(code, message)));
        }
        let (_request, cut) = fetch("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nby", 9).await;
        assert_eq!(cut.unwrap_err().code, "ServiceUnavailable");
    }
}
