//! An echo server on hyper: what this machine can do at all, measured with the same load client.
//!
//! It has as many worker threads as a Hearth server has on two processors, so what is between the
//! two is what Hearth does.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};

const WORKER_THREADS: usize = 2;

/// A running echo server. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    _accepting: JoinHandle<()>,
    _reactor: Runtime,
}

impl Echo {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let reactor = reactor()?;
        let listener = reactor.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.context("there is no free port")?;
        let address = listener.local_addr().context("a port has no address")?;
        let accepting = reactor.spawn(accept(listener, echo));
        Ok(Self { address, _accepting: accepting, _reactor: reactor })
    }
}

/// Threads as many as those of a server.
pub(super) fn reactor() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .context("could not start a reactor")
}

/// Accepts connections for as long as the listener works. If it fails, the load client says so.
pub(super) async fn accept<Service, Answer>(listener: TcpListener, service: Service)
where
    Service: Fn(Request<Incoming>) -> Answer + Clone + Send + 'static,
    Answer: Future<Output = hyper::Result<Response<Full<Bytes>>>> + Send,
{
    let mut connections = JoinSet::new();
    while let Ok((stream, _from)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            // What fails here is an error of the load client, which counts it.
            let _slower = stream.set_nodelay(true);
            let connection = TokioIo::new(stream);
            let serving = http1::Builder::new().serve_connection(connection, service_fn(service));
            let _ended = serving.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn echo(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::new(body)))
}
