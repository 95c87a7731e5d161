//! Objects of any S3-compatible endpoint, which is asked path-style.
//!
//! # Deliberately absent
//!
//! Retries: the caller has a client that does.

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request};
use percent_encoding::utf8_percent_encode;

use super::client::{Answer, Bounds, Wanted};
use super::endpoint::{Endpoint, RemoteError, Unsigned, refused};
use super::refusal::Refusal;
use super::tls::Trust;
use super::{ENCODED, ENCODED_IN_PATH};
use crate::limits::{
    CALL_ANSWER_BYTES_MAX, CALL_SECONDS_MAX, FETCH_SECONDS_MAX, REFUSAL_BYTES_MAX,
};
use crate::objects::{FetchError, ObjectAddress, ObjectSource};
use crate::targets::{NewObject, NotTaken, PutObject};

/// The buckets of an endpoint.
#[derive(Debug)]
pub struct RemoteBuckets {
    endpoint: Endpoint,
}

impl RemoteBuckets {
    /// The buckets at `http://host:port`, or with `https`. The credentials are an access key and
    /// its secret; without a key, requests are not signed.
    ///
    /// # Errors
    ///
    /// If the endpoint is none.
    pub fn new(
        endpoint: &str,
        credentials: (&str, &str),
        trust: &Trust,
    ) -> Result<Self, RemoteError> {
        Ok(Self { endpoint: Endpoint::new(endpoint, credentials, trust)? })
    }

    fn request(&self, address: &ObjectAddress) -> Result<Request<Full<Bytes>>, FetchError> {
        let version = address.version.as_deref();
        let query = version
            .map(|id| format!("versionId={}", utf8_percent_encode(id, ENCODED)))
            .unwrap_or_default();
        let unsigned = Unsigned {
            method: Method::GET,
            path: &path(&address.bucket, &address.key),
            query: &query,
            headers: &[],
            body: Bytes::new(),
            region: address.scope.region.as_str(),
            service: "s3",
        };
        self.endpoint.request(&unsigned).map_err(|error| {
            FetchError::new("InvalidURI", format!("Couldn't parse the specified URI: {error}."))
        })
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
        let wanted = Wanted::Body { success_bytes: limit_bytes, other_bytes: REFUSAL_BYTES_MAX };
        let bounds = Bounds { seconds: FETCH_SECONDS_MAX, wanted };
        let answered = self.endpoint.exchange(request, bounds).await;
        let answer = answered.map_err(|why| {
            FetchError::new("ServiceUnavailable", self.endpoint.unreachable(&why))
        })?;
        if !answer.status.is_success() {
            return Err(refusal(&answer));
        }
        answer.body.ok_or_else(|| FetchError::too_large(limit_bytes))
    }
}

#[async_trait]
impl PutObject for RemoteBuckets {
    async fn put_object(&self, object: NewObject<'_>) -> Result<(), NotTaken> {
        let unsigned = Unsigned {
            method: Method::PUT,
            path: &path(object.bucket, object.key),
            query: "",
            headers: &[("content-type", NewObject::CONTENT_TYPE)],
            body: object.body.clone(),
            region: object.region,
            service: "s3",
        };
        let request = self.endpoint.request(&unsigned).map_err(|error| {
            refused("InvalidURI", format!("Couldn't parse the specified URI: {error}."))
        })?;
        let wanted =
            Wanted::Body { success_bytes: CALL_ANSWER_BYTES_MAX, other_bytes: REFUSAL_BYTES_MAX };
        let bounds = Bounds { seconds: CALL_SECONDS_MAX, wanted };
        let answered = self.endpoint.exchange(request, bounds).await;
        let answer = answered
            .map_err(|why| NotTaken::Failed { message: self.endpoint.unreachable(&why) })?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(Refusal::of_xml(&answer).judged(answer.status))
    }
}

/// The path of an object, encoded.
fn path(bucket: &str, key: &str) -> String {
    let bucket = utf8_percent_encode(bucket, ENCODED);
    format!("/{bucket}/{}", utf8_percent_encode(key, ENCODED_IN_PATH))
}

/// What an endpoint says in its XML, or its status if it says nothing.
fn refusal(answer: &Answer) -> FetchError {
    let Refusal { code, message } = Refusal::of_xml(answer);
    FetchError { code, message }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region, Scope};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::played::{Heard, Played, Reply};
    use super::*;

    /// Answers one request, and returns it and what was fetched.
    async fn fetch(
        answer: &'static str,
        limit_bytes: usize,
    ) -> (String, Result<Vec<u8>, FetchError>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let remote = RemoteBuckets::new(&endpoint, ("key", "secret"), &Trust::default()).unwrap();
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
    async fn an_object_is_put_and_a_refusal_is_told_from_a_failure() {
        let refusal = "<Error><Code>NoSuchBucket</Code><Message>why</Message></Error>";
        let replies = [Reply::of(200, ""), Reply::of(404, refusal), Reply::of(503, "")];
        let played = Played::start(replies).await;
        let remote =
            RemoteBuckets::new(&played.endpoint(), (Heard::KEY, Heard::SECRET), &Trust::default())
                .unwrap();
        let body = Bytes::from_static(b"{}");
        let (bucket, key, region) = ("bucket", "aws/lambda/a b", "eu-west-1");
        let object = NewObject { bucket, key, region, body: &body };
        assert_eq!(remote.put_object(object).await, Ok(()));
        let missing = refused("NoSuchBucket", "why");
        assert_eq!(remote.put_object(object).await, Err(missing));
        let failed = remote.put_object(object).await;
        assert!(matches!(failed, Err(NotTaken::Failed { .. })), "{failed:?}");
        let heard = played.heard();
        assert_eq!(heard[0].header("content-type"), "application/json");
        assert!(heard[0].header("authorization").contains("/eu-west-1/s3/aws4_request"));
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
