//! A bare relay on hyper: the least that a server of functions does, measured with the same load client.
//!
//! It hands each request to a process that asks for work by the Runtime API, and its answer to the
//! caller. There is nothing else: no wall, no freezing, no record, no log, no limit. What is between
//! the echo server and it is what the Runtime API costs on this machine, and what is between it and
//! Hearth is what Hearth does. It has as many worker threads as either.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::echo;
use crate::bench::process::Process;

/// The one invocation that is under way: there is one process, which answers before it asks again.
const ID: &str = "1";

/// A running relay and its function. Both end when it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    _function: Process,
    _serving: [JoinHandle<()>; 2],
    _reactor: Runtime,
}

/// What a caller sent, and where it waits.
type Invocation = (Bytes, oneshot::Sender<Bytes>);

/// What the two sides of the relay share.
#[derive(Debug)]
struct Shared {
    asked: mpsc::Sender<Invocation>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    answering: Mutex<Option<oneshot::Sender<Bytes>>>,
}

impl Relay {
    /// Starts it with a program that is a function.
    pub(crate) fn start(program: &Path) -> anyhow::Result<Self> {
        let reactor = echo::reactor()?;
        let (asked, waiting) = mpsc::channel(1);
        let shared = Arc::new(Shared {
            asked,
            waiting: tokio::sync::Mutex::new(waiting),
            answering: Mutex::new(None),
        });
        let (address, callers) = reactor.block_on(listen())?;
        let (runtime_api, functions) = reactor.block_on(listen())?;
        let theirs = Arc::clone(&shared);
        let serving = [
            reactor.spawn(echo::accept(callers, move |request| call(Arc::clone(&theirs), request))),
            reactor
                .spawn(echo::accept(functions, move |request| work(Arc::clone(&shared), request))),
        ];
        let mut command = Command::new(program);
        command.env("AWS_LAMBDA_RUNTIME_API", runtime_api.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let function = Process::start(&mut command)?;
        Ok(Self { address, _function: function, _serving: serving, _reactor: reactor })
    }
}

async fn listen() -> anyhow::Result<(SocketAddr, TcpListener)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("there is no free port")?;
    let address = listener.local_addr().context("a port has no address")?;
    Ok((address, listener))
}

/// A caller's request: answered with what the function says.
async fn call(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> hyper::Result<Response<Full<Bytes>>> {
    let event = request.into_body().collect().await?.to_bytes();
    let (sender, answer) = oneshot::channel();
    // The receiver is ours, and there for as long as we are.
    let _given = shared.asked.send((event, sender)).await;
    let mut response = Response::new(Full::default());
    match answer.await {
        Ok(answer) => *response.body_mut() = Full::new(answer),
        Err(_gone) => *response.status_mut() = StatusCode::BAD_GATEWAY,
    }
    Ok(response)
}

/// A request of the function: for work, or with an answer.
async fn work(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> hyper::Result<Response<Full<Bytes>>> {
    let mut response = Response::new(Full::default());
    if request.method() == Method::GET {
        let Some((event, sender)) = shared.waiting.lock().await.recv().await else {
            *response.status_mut() = StatusCode::GONE;
            return Ok(response);
        };
        *shared.answering.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        response
            .headers_mut()
            .insert("lambda-runtime-aws-request-id", hyper::header::HeaderValue::from_static(ID));
        *response.body_mut() = Full::new(event);
        return Ok(response);
    }
    let answer = request.into_body().collect().await?.to_bytes();
    let sender = shared.answering.lock().unwrap_or_else(PoisonError::into_inner).take();
    // A caller that has gone is an error of the load client.
    let _told = sender.map(|sender| sender.send(answer));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
