//! Accepts connections and serves them, within limits.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hearth_types::limits;
use hearth_types::tasks::Tasks;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::front::Front;
use crate::stall::Impatient;

/// How long to wait after the host refused a connection, for instance for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Whether new work is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Open,
    /// What has begun is finished.
    Draining,
}

/// Where a request comes from. One that comes from inside an environment has none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Peer {
    /// What stands for an environment, which has no network but this server.
    pub(crate) const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
}

/// Serves a listening socket until told to drain; connections finish what they have begun.
pub async fn serve(
    listener: TcpListener,
    front: Arc<Front>,
    mut admission: watch::Receiver<Admission>,
    tasks: Tasks,
) {
    let places = Arc::new(Semaphore::new(front.connections_max));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining(&mut admission) => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let _ = stream.set_nodelay(true);
                let (front, admission) = (Arc::clone(&front), admission.clone());
                tasks.spawn("connection", async move {
                    serve_connection(stream, front, admission, Some(from)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until no new work is taken; also when whoever decides that is gone.
async fn draining(admission: &mut watch::Receiver<Admission>) {
    let _ = admission.wait_for(|now| *now == Admission::Draining).await;
}

/// Serves one connection to its end.
pub(crate) async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    front: Arc<Front>,
    mut admission: watch::Receiver<Admission>,
    from: Option<SocketAddr>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(from) = from {
            request.extensions_mut().insert(Peer(from));
        }
        let front = Arc::clone(&front);
        async move { front.answer(request).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEADER_READ_SECONDS_MAX))
        .max_buf_size(limits::REQUEST_HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining(&mut admission) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?from, %error, "a connection ended badly");
    }
}
