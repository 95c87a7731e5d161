//! Plays a service elsewhere: gives the answers that a test has written down, and keeps what it was
//! asked.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::vec;

use bytes::Bytes;
use hearth_types::tasks::Tasks;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;

use super::address::{Origin, Scheme};
use super::signature::{self, Credentials, Signing};

/// What it does with a request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// It answers.
    Answer {
        /// With this status.
        status: u16,
        /// And this body.
        body: String,
    },
    /// It closes the connection.
    Close,
    /// It never answers. The clock stands still from then on, and so goes to the end of whatever is
    /// waited for.
    Hang,
}

impl Reply {
    pub(super) fn of(status: u16, body: &str) -> Self {
        Self::Answer { status, body: body.to_owned() }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Heard {
    pub(super) const KEY: &'static str = "AKIDEXAMPLE";
    pub(super) const SECRET: &'static str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The value of a header; empty if there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Fails unless [`Self::KEY`] has signed what has arrived, for this region and service.
    pub(super) fn assert_signed_for(&self, place: &str) {
        let (region, service) = place.split_once('/').unwrap();
        let authorization = self.header("authorization");
        let (_, behind) = authorization.split_once("SignedHeaders=").unwrap();
        let (names, _) = behind.split_once(',').unwrap();
        let headers: Vec<(&str, &str)> =
            names.split(';').map(|name| (name, self.header(name))).collect();
        for name in ["host", "x-amz-date", "content-type"] {
            assert!(headers.iter().any(|(one, _)| *one == name), "{name} is not signed: {names}");
        }
        let signing = Signing {
            method: &self.method,
            path: &self.path,
            query: "",
            headers: &headers,
            payload_sha256: &signature::sha256(&self.body),
            time: self.header("x-amz-date"),
            region,
            service,
        };
        let credentials = Credentials {
            access_key_id: Self::KEY.to_owned(),
            secret_access_key: Self::SECRET.to_owned(),
        };
        assert_eq!(authorization, signature::sign(&signing, &credentials));
    }
}

/// The service. It ends with the test's reactor.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) authority: Authority,
    stage: Arc<Stage>,
}

#[derive(Debug)]
struct Stage {
    replies: Mutex<vec::IntoIter<Reply>>,
    heard: Mutex<Vec<Heard>>,
    connections: AtomicUsize,
}

impl Played {
    /// Starts it. Each request gets the next reply; when there are none left, it closes.
    pub(super) async fn start(replies: impl Into<Vec<Reply>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let stage = Arc::new(Stage {
            replies: Mutex::new(replies.into().into_iter()),
            heard: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let tasks = Tasks::default();
        tasks.spawn("played", serve(listener, Arc::clone(&stage), tasks.clone()));
        Self { authority: address.to_string().parse().unwrap(), stage }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { scheme: Scheme::Http, authority: self.authority.clone() }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.stage.heard.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.stage.connections.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, stage: Arc<Stage>, tasks: Tasks) {
    loop {
        let (stream, _from) = listener.accept().await.unwrap();
        stage.connections.fetch_add(1, Ordering::Relaxed);
        let stage = Arc::clone(&stage);
        tasks.spawn("played connection", async move {
            let service = service_fn(|request| reply(Arc::clone(&stage), request));
            // A reply that closes ends it with an error.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn reply(
    stage: Arc<Stage>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    stage.heard.lock().unwrap().push(Heard {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers,
        body,
    });
    let next = stage.replies.lock().unwrap().next();
    match next.unwrap_or(Reply::Close) {
        Reply::Answer { status, body } => {
            let answer = Response::builder().status(status).body(Full::new(Bytes::from(body)));
            answer.map_err(io::Error::other)
        }
        Reply::Close => Err(io::Error::other("closed, as the test asks for")),
        Reply::Hang => {
            tokio::time::pause();
            let never: Infallible = std::future::pending().await;
            match never {}
        }
    }
}
