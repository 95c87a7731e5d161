//! A listener where there are only sites: what the API can do cannot be done there.
//!
//! ```text
//!  accepted ─┬─ with TLS ─▶ h2, or http/1.1, as both ends can ─┐
//!            └─ in the clear ─▶ the first bytes say ───────────┴─▶ HTTP/1.1 or HTTP/2 ─▶ sites
//! ```
//!
//! # Promises
//!
//! 1. Whatever a client does not do in time ends its connection: shake hands, say which protocol it
//!    speaks, send headers, take a response.
//! 2. When no new work is taken, connections finish what they have begun.
//!
//! # Deliberately absent
//!
//! Changing from HTTP/1.1 to HTTP/2 on the way (`Upgrade: h2c`), which no client does any more.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hearth_http::request::Scheme;
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use hyper::Response;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::replayed::{self, Spoken};
use super::{Carrier, answer_site};
use crate::front::{AnyBody, Front};
use crate::server::{Admission, accept, draining, to_its_end};
use crate::stall::Impatient;

/// What a listener works with.
#[derive(Debug, Clone)]
pub struct Door {
    /// What has the sites.
    pub front: Arc<Front>,
    /// With TLS, if there is a certificate.
    pub tls: Option<Arc<ServerConfig>>,
    /// Connections at a time.
    pub connections_max: usize,
    /// The owner of connections, and of requests on them.
    pub tasks: Tasks,
}

/// Serves a listening socket until told to drain; connections finish what they have begun.
pub async fn serve(listener: TcpListener, door: Door, admission: watch::Receiver<Admission>) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let bounds = (door.connections_max, admission.clone());
    let connect = move |stream: TcpStream, from: SocketAddr, place: OwnedSemaphorePermit| {
        let (one, admission) = (door.clone(), admission.clone());
        door.tasks.spawn("connection for sites", async move {
            if let Err(error) = one.connection(stream, (from, port), admission).await {
                tracing::debug!(%from, %error, "a connection for sites ended badly");
            }
            drop(place);
        });
    };
    accept(listener, bounds, connect).await;
}

impl Door {
    /// Serves a connection to its end.
    async fn connection(
        &self,
        stream: TcpStream,
        (from, port): (SocketAddr, u16),
        mut admission: watch::Receiver<Admission>,
    ) -> io::Result<()> {
        let from = from.ip().to_canonical();
        // Below TLS, which takes what is written to it before the client does.
        let stream = Impatient::new(stream);
        let Some(config) = &self.tls else {
            let carrier = Carrier { scheme: Scheme::Http, port, from };
            let (spoken, stream) = begin(replayed::listen(stream), &mut admission).await?;
            return Box::pin(self.speak(spoken, stream, (carrier, admission))).await;
        };
        let carrier = Carrier { scheme: Scheme::Https, port, from };
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        let stream = begin(acceptor.accept(stream), &mut admission).await?;
        let spoken = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Spoken::Two,
            Some(_) | None => Spoken::One,
        };
        // The server of HTTP/2 would wait for ever for what a client begins with.
        let (_begun, stream) = begin(replayed::listen(stream), &mut admission).await?;
        Box::pin(self.speak(spoken, stream, (carrier, admission))).await
    }

    async fn speak<S>(
        &self,
        spoken: Spoken,
        stream: S,
        (carrier, mut admission): (Carrier, watch::Receiver<Admission>),
    ) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let front = Arc::clone(&self.front);
        let service = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move {
                let answer: Response<AnyBody> = answer_site(&front, request, carrier).await;
                Ok::<_, Infallible>(answer)
            }
        });
        let stream = TokioIo::new(stream);
        let ended = match spoken {
            Spoken::One => {
                let connection = one().serve_connection(stream, service).with_upgrades();
                tokio::pin!(connection);
                to_its_end(connection, &mut admission, |one| one.graceful_shutdown()).await
            }
            Spoken::Two => {
                let connection = two(&self.tasks).serve_connection(stream, service);
                tokio::pin!(connection);
                to_its_end(connection, &mut admission, |one| one.graceful_shutdown()).await
            }
        };
        ended.map_err(io::Error::other)
    }
}

/// Waits for a client to begin, for so long as it may take, and no longer than new work is taken.
async fn begin<T>(
    beginning: impl Future<Output = io::Result<T>>,
    admission: &mut watch::Receiver<Admission>,
) -> io::Result<T> {
    let patience = Duration::from_secs(limits::HEADER_READ_SECONDS_MAX);
    tokio::select! {
        biased;
        begun = timeout(patience, beginning) => begun?,
        () = draining(admission) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

fn one() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEADER_READ_SECONDS_MAX))
        .max_buf_size(limits::TRAFFIC_HEADER_BYTES_MAX);
    builder
}

/// How HTTP/2 is served, here and where the API is.
pub(crate) fn two(tasks: &Tasks) -> http2::Builder<InTasks> {
    let ping = Duration::from_secs(limits::TRAFFIC_PING_SECONDS);
    let header_bytes = u32::try_from(limits::TRAFFIC_HEADER_BYTES_MAX).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(InTasks(tasks.clone()));
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(ping)
        .keep_alive_timeout(ping)
        .max_concurrent_streams(limits::TRAFFIC_STREAMS_MAX)
        .max_header_list_size(header_bytes);
    builder
}

/// Runs the requests of a connection of HTTP/2, which come at the same time.
#[derive(Debug, Clone)]
pub(crate) struct InTasks(Tasks);

impl<F> Executor<F> for InTasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        // A client that grants no room for its response does not hold the connection up, and must not
        // hold the response for ever.
        let limit = Duration::from_secs(limits::TRAFFIC_REQUEST_SECONDS_MAX);
        self.0.spawn("request", async move {
            let _ = timeout(limit, work).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_does_not_begin_is_hung_up_on_in_time_and_at_once_when_the_server_goes() {
        let (sender, mut admission) = watch::channel(Admission::Open);
        let silence = || std::future::pending::<io::Result<()>>();
        let ended = begin(silence(), &mut admission).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        sender.send(Admission::Draining).unwrap();
        let ended = begin(silence(), &mut admission).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::ConnectionAborted);
        assert!(begin(async { Ok(()) }, &mut admission).await.is_ok(), "it had begun");
    }
}
