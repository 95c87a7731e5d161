//! Accepts connections and serves them, within limits.

use std::sync::Arc;
use std::time::Duration;

use hearth_http::request::Scheme;
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::front::Front;
use crate::stall::Impatient;
use crate::traffic::Carrier;

/// How long to wait after the host refused a connection, for instance for want of descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
    mut admission: watch::Receiver<Admission>,
    tasks: Tasks,
) {
    let places = Arc::new(Semaphore::new(front.connections_max));
    let port = listener.local_addr().map_or(0, |address| address.port());
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
                let from = from.ip().to_canonical();
                let carrier = Carrier { scheme: Scheme::Http, port, from };
                tasks.spawn("connection", async move {
                    serve_connection(stream, front, admission, carrier).await;
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
pub(crate) async fn draining(admission: &mut watch::Receiver<Admission>) {
    let _ = admission.wait_for(|now| *now == Admission::Draining).await;
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
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining(&mut admission) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(from = %carrier.from, %error, "a connection ended badly");
    }
}
