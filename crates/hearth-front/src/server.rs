//! Accepts connections and serves them, within limits.
//!
//! Most clients speak HTTP/1.1. Those that subscribe to shards of streams may speak HTTP/2, which they
//! say with their first bytes.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hearth_http::request::Scheme;
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::front::Front;
use crate::stall::Impatient;
use crate::traffic::Carrier;
use crate::traffic::listener::two;
use crate::traffic::replayed::{self, Spoken};

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

/// Serves a listening socket until told to drain; connections finish what they have begun.
pub async fn serve(
    listener: TcpListener,
    front: Arc<Front>,
    admission: watch::Receiver<Admission>,
    tasks: Tasks,
) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let bounds = (front.connections_max, admission.clone());
    let connect = move |stream: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit| {
        let (front, admission) = (Arc::clone(&front), admission.clone());
        let from = from.ip().to_canonical();
        let carrier = Carrier { scheme: Scheme::Http, port, from };
        let requests = tasks.clone();
        tasks.spawn("connection", async move {
            serve_spoken(stream, (front, requests), admission, carrier).await;
            drop(place);
        });
    };
    accept(listener, bounds, connect).await;
}

/// Accepts connections until told to drain, so many at a time: each counts until its place is dropped.
pub(crate) async fn accept(
    listener: TcpListener,
    (connections_max, mut admission): (usize, watch::Receiver<Admission>),
    connect: impl Fn(TcpStream, SocketAddr, OwnedSemaphorePermit),
) {
    let places = Arc::new(Semaphore::new(connections_max));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining(&mut admission) => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let _ = stream.set_nodelay(true);
                connect(stream, from, place);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until no new work is taken; also when whoever decides that is gone.
pub(crate) async fn draining(admission: &mut watch::Receiver<Admission>) {
    let _ = admission.wait_for(|now| *now == Admission::Draining).await;
}

/// Waits for a connection to end. While no new work is taken, it ends with what it has begun, which
/// `close` makes of it.
pub(crate) async fn to_its_end<C: Future>(
    mut connection: Pin<&mut C>,
    admission: &mut watch::Receiver<Admission>,
    close: impl FnOnce(Pin<&mut C>),
) -> C::Output {
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining(admission) => {
            close(connection.as_mut());
            connection.await
        }
    }
}

/// Serves one connection to its end, in the protocol that its first bytes are of.
async fn serve_spoken(
    stream: TcpStream,
    (front, tasks): (Arc<Front>, Tasks),
    mut admission: watch::Receiver<Admission>,
    carrier: Carrier,
) {
    let patience = Duration::from_secs(limits::HEADER_READ_SECONDS_MAX);
    let heard = tokio::select! {
        heard = timeout(patience, replayed::listen(stream)) => heard,
        // Whoever has asked nothing so far is not answered.
        () = draining(&mut admission) => return,
    };
    match heard {
        Ok(Ok((Spoken::One, stream))) => {
            serve_connection(stream, front, admission, carrier).await;
        }
        Ok(Ok((Spoken::Two, stream))) => {
            let served = serve_multiplexed(stream, (front, tasks), admission, carrier);
            Box::pin(served).await;
        }
        Ok(Err(error)) => tracing::debug!(from = %carrier.from, %error, "a connection ended badly"),
        Err(_silent) => {}
    }
}

/// Serves a connection of HTTP/2 to its end.
async fn serve_multiplexed(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (front, tasks): (Arc<Front>, Tasks),
    mut admission: watch::Receiver<Admission>,
    carrier: Carrier,
) {
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { front.answer(request, carrier).await }
    });
    let stream = TokioIo::new(Impatient::new(stream));
    let connection = two(&tasks).serve_connection(stream, service);
    tokio::pin!(connection);
    let ended = to_its_end(connection, &mut admission, |one| one.graceful_shutdown()).await;
    if let Err(error) = ended {
        tracing::debug!(from = %carrier.from, %error, "a connection ended badly");
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    front: Arc<Front>,
    mut admission: watch::Receiver<Admission>,
    carrier: Carrier,
) {
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { front.answer(request, carrier).await }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEADER_READ_SECONDS_MAX))
        .max_buf_size(limits::REQUEST_HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = to_its_end(connection, &mut admission, |one| one.graceful_shutdown()).await;
    if let Err(error) = ended {
        tracing::debug!(from = %carrier.from, %error, "a connection ended badly");
    }
}
