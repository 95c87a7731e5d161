//! A small HTTP/1.1 client for a Hearth server: what the client commands speak to it with.
//!
//! # Promises
//!
//! 1. A call ends by its deadline, also when the server says nothing.
//! 2. No more than [`RESPONSE_BYTES_MAX`] bytes of an answer are kept.
//! 3. An error of the server is shown as AWS's tools show it: its name and its message.
//!
//! # Deliberately absent
//!
//! No TLS, no redirects, no retries, and no pool: a command makes a handful of calls, each on a
//! connection of its own. Signatures are only as real as the server needs them: the header says
//! which account and region are meant, and proves nothing.

use std::fmt;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest answer that is kept: an archive in base64 is the largest that a server gives.
const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an ordinary call may take: a server on this machine answers in milliseconds, and an
/// upload of 50 MB in a second or two.
const CALL_SECONDS_MAX: u64 = 60;
/// How long an invocation may take: init, the longest timeout, and some time for the ways.
const INVOKE_SECONDS_MAX: u64 =
    limits::TIMEOUT_SECONDS_MAX as u64 + limits::INIT_SECONDS_MAX + CALL_SECONDS_MAX;

/// Where calls go, and in whose name.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// `HOST:PORT`.
    authority: String,
    account: String,
    region: String,
    /// Drives the connections.
    tasks: Tasks,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    service: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    seconds_max: u64,
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// An error that the server answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) name: String,
    pub(crate) message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.message)
    }
}

impl std::error::Error for Refused {}

impl Call {
    /// A call of a Lambda operation.
    pub(crate) fn lambda(method: Method, path: impl Into<String>) -> Call {
        Call {
            method,
            path: path.into(),
            service: "lambda",
            headers: Vec::new(),
            body: Bytes::new(),
            seconds_max: CALL_SECONDS_MAX,
        }
    }

    /// An invocation, which may take as long as a function may run.
    pub(crate) fn invocation(function: &str, payload: Bytes) -> Call {
        let path = format!("/2015-03-31/functions/{}/invocations", encoded(function));
        let call = Call::lambda(Method::POST, path);
        Call { body: payload, seconds_max: INVOKE_SECONDS_MAX, ..call }
    }

    /// A call of a CloudWatch Logs operation.
    pub(crate) fn logs(operation: &str, input: &impl serde::Serialize) -> anyhow::Result<Call> {
        let call = Call { service: "logs", ..Call::lambda(Method::POST, "/") };
        Ok(call
            .json(input)?
            .header("x-amz-target", format!("Logs_20140328.{operation}"))
            .header("content-type", "application/x-amz-json-1.1"))
    }

    /// The same call with a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Call {
        self.headers.push((name, value.into()));
        self
    }

    /// The same call with a JSON body.
    pub(crate) fn json(self, input: &impl serde::Serialize) -> anyhow::Result<Call> {
        let body = serde_json::to_vec(input).context("could not put the request into JSON")?;
        Ok(Call { body: Bytes::from(body), ..self })
    }
}

impl Client {
    /// A client of the server at `http://HOST:PORT`, in the name of an account and a region.
    pub(crate) fn new(endpoint: &str, account: &str, region: &str) -> anyhow::Result<Client> {
        Ok(Client {
            authority: authority(endpoint)?,
            account: account.to_owned(),
            region: region.to_owned(),
            tasks: Tasks::default(),
        })
    }

    /// Where the server is, as AWS's tools want to be told.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The account in whose name calls are made.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// Makes a call. An answer that is an error is an answer here; see [`Answer::accepted`].
    pub(crate) async fn send(&self, call: Call) -> anyhow::Result<Answer> {
        let seconds = call.seconds_max;
        match timeout(Duration::from_secs(seconds), self.exchange(call)).await {
            Ok(answer) => answer,
            Err(_) => bail!("{} did not answer within {seconds} seconds", self.endpoint()),
        }
    }

    /// Makes a call and reads the JSON of its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> anyhow::Result<T> {
        self.send(call).await?.accepted()?.json()
    }

    async fn exchange(&self, call: Call) -> anyhow::Result<Answer> {
        let stream = self.connect().await?;
        let lost = || format!("lost the connection to {}", self.endpoint());
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.with_context(lost)?;
        self.tasks.spawn("client connection", async move {
            // The call on this connection fails with the same reason, and tells it.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
        let request = self.request(call)?;
        let (parts, body) = sender.send_request(request).await.with_context(lost)?.into_parts();
        let collected = Limited::new(body, RESPONSE_BYTES_MAX).collect().await;
        let body = collected
            .map_err(|error| anyhow!("could not read the answer of {}: {error}", self.endpoint()))?
            .to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn connect(&self) -> anyhow::Result<TcpStream> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| {
            let endpoint = self.endpoint();
            if error.kind() == io::ErrorKind::ConnectionRefused {
                anyhow!("no Hearth at {endpoint}; start one with `hearth serve`")
            } else {
                anyhow!(error).context(format!("could not connect to {endpoint}"))
            }
        })?;
        stream.set_nodelay(true).context("could not prepare the connection")?;
        Ok(stream)
    }

    fn request(&self, call: Call) -> anyhow::Result<Request<Full<Bytes>>> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{}/{}/aws4_request, SignedHeaders=host, \
             Signature=hearth",
            self.account, self.region, call.service
        );
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(HOST, &self.authority)
            .header(AUTHORIZATION, authorization);
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(call.body)).context("could not put the request together")
    }
}

impl Answer {
    /// The answer, if it is no error.
    pub(crate) fn accepted(self) -> Result<Answer, Refused> {
        if self.status.is_success() { Ok(self) } else { Err(self.refused()) }
    }

    /// The value of a header, if it is there and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the JSON of the answer says.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.body).context("could not understand the server's answer")
    }

    fn refused(&self) -> Refused {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let name = self.header("x-amzn-errortype").or_else(|| text("__type"));
        let message = text("message").or_else(|| text("Message"));
        Refused {
            name: name.map_or_else(|| format!("HTTP {}", self.status.as_u16()), bare_name),
            message: message.unwrap_or("the server gave no reason").to_owned(),
        }
    }
}

/// AWS writes the name of an error also as `namespace#Name` and `Name:address`.
fn bare_name(name: &str) -> String {
    let name = name.rsplit_once('#').map_or(name, |(_namespace, name)| name);
    name.split_once(':').map_or(name, |(name, _address)| name).to_owned()
}

/// The `HOST:PORT` of an endpoint.
fn authority(endpoint: &str) -> anyhow::Result<String> {
    let rest = match endpoint.split_once("://") {
        Some(("http", rest)) => rest,
        Some((scheme, _)) => bail!(
            "the endpoint `{endpoint}` is of the scheme `{scheme}`; Hearth speaks only `http`"
        ),
        None => endpoint,
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(plain) {
        bail!("the endpoint `{endpoint}` must have the form `http://HOST:PORT`");
    }
    let port = authority.rsplit_once(':').and_then(|(_host, port)| port.parse::<u16>().ok());
    Ok(if port.is_some() { authority.to_owned() } else { format!("{authority}:80") })
}

/// A text as one segment of a path, or as the value in a query.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:$".contains(&byte);
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one connection with the given bytes and returns what it was sent.
    async fn exchange(answer: &str, call: Call) -> (anyhow::Result<Answer>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::new(&endpoint, "000000000000", "us-east-1").unwrap();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 * 1024];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        };
        tokio::join!(client.send(call), server)
    }

    #[tokio::test]
    async fn a_call_says_in_whose_name_it_is_made() {
        let call = Call::lambda(Method::GET, "/2015-03-31/functions").header("x-more", "1");
        let (answer, sent) = exchange("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", call).await;
        assert_eq!(answer.unwrap().body, "{}");
        assert!(sent.starts_with("GET /2015-03-31/functions HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains("Credential=000000000000/20260101/us-east-1/lambda/aws4_request"));
        assert!(sent.contains("x-more: 1\r\n"), "{sent}");
    }

    #[tokio::test]
    async fn a_connection_that_breaks_off_is_an_error() {
        let call = Call::lambda(Method::GET, "/");
        let (answer, _) = exchange("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", call).await;
        let error = answer.unwrap_err().to_string();
        assert!(error.starts_with("could not read the answer of http://127.0.0.1:"), "{error}");
    }

    #[tokio::test]
    async fn where_nobody_listens_the_next_step_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::new(&endpoint, "000000000000", "us-east-1").unwrap();
        let error = client.send(Call::lambda(Method::GET, "/")).await.unwrap_err();
        let expected = format!("no Hearth at {endpoint}; start one with `hearth serve`");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn errors_are_shown_by_name_and_message() {
        #[rustfmt::skip]
        let rows = [
            (Some("ThrottlingException:http://x/"), r#"{"message":"Slow"}"#,                "ThrottlingException: Slow"),
            (Some("NotFound"),                      r#"{"Type":"User","Message":"Gone"}"#,  "NotFound: Gone"),
            (None,                                  r#"{"__type":"a.b#Bad","message":"X"}"#, "Bad: X"),
            (None,                                  "not json",                             "HTTP 500: the server gave no reason"),
        ];
        for (header, body, expected) in rows {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert("x-amzn-errortype", HeaderValue::from_static(header));
            }
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            let answer = Answer { status, headers, body: Bytes::from_static(body.as_bytes()) };
            assert_eq!(answer.accepted().unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn endpoints_are_read() {
        #[rustfmt::skip]
        let rows = [
            ("http://127.0.0.1:4566",  Some("127.0.0.1:4566")),
            ("http://127.0.0.1:4566/", Some("127.0.0.1:4566")),
            ("localhost:4566",         Some("localhost:4566")),
            ("http://[::1]:4566",      Some("[::1]:4566")),
            ("http://hearth.local",    Some("hearth.local:80")),
            ("https://127.0.0.1:4566", None),
            ("http://",                None),
            ("http://host/path",       None),
        ];
        for (endpoint, expected) in rows {
            assert_eq!(authority(endpoint).ok().as_deref(), expected, "{endpoint}");
        }
    }

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(encoded("hello_1:$LATEST"), "hello_1:$LATEST");
        assert_eq!(encoded("a/b c"), "a%2Fb%20c");
    }
}
