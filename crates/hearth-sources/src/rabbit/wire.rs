//! What lies between `lapin` and a broker: a socket, TLS if the endpoint wants it, and the sieve.
//!
//! `lapin` runs on a kit, which says what its sockets are. Ours is tokio's with the stream of this file,
//! so that nothing comes to `lapin` that has not gone through the sieve.
//!
//! ```text
//!  broker ──socket──▶ came ──Sieve──▶ passed ──▶ lapin
//!                      │ nothing is taken, and nothing is read, while enough waits at the gate
//! ```
//!
//! # Promises
//!
//! 1. `lapin` gets what the sieve lets through, and the connection ends with why when the sieve refuses.
//! 2. While enough waits at the gate, what the broker sends stays in the socket, and so with the broker.
//!    `lapin`, which would give up a connection that nothing comes from, hears meanwhile that it is alive.
//! 3. TLS leads to a host that the configuration trusts, and nowhere else.
//!
//! # Deliberately absent
//!
//! Finding out that the broker is gone while nothing is read from it: that is found out afterwards.

use std::future::{Future, ready};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{self, Context, Poll};
use std::time::Duration;

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use bytes::{Buf as _, BytesMut};
use futures_core::Stream;
use hearth_services::remote::tls::Trust;
use hearth_types::limits;
use lapin::AsyncTcpStream;
use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::gate::Inlet;
use super::sieve::{ALIVE, Refusal, Sieve};

/// What is read from a socket at a time.
const CHUNK_BYTES: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(limits::RABBIT_ALIVE_MILLIS);

/// What `lapin` runs on: tokio, with streams of our own.
pub(super) type Kit = RuntimeParts<Tokio, Streams>;

/// The kit on the runtime of whoever calls.
pub(super) fn runtime() -> Runtime<Kit> {
    Runtime::new(RuntimeParts::new(Tokio::current(), Streams(Tokio::current())))
}

/// Says that a stream is a [`Wire`].
#[derive(Debug, Clone)]
pub(super) struct Streams(Tokio);

impl Reactor for Streams {
    type TcpStream = Wire;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl futures_io::AsyncRead + futures_io::AsyncWrite + Send + Unpin + 'static>
    {
        self.0.register(socket)
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.0.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = std::time::Instant> + Send + 'static {
        self.0.interval(time)
    }

    fn tcp_connect_addr(
        &self,
        _address: SocketAddr,
    ) -> impl Future<Output = io::Result<Wire>> + Send + 'static {
        // An address alone does not say whether it wants TLS, and whose messages come from there.
        ready(Err(io::Error::from(io::ErrorKind::Unsupported)))
    }
}

/// Connects to a broker. What it sends goes in at the gate.
pub(super) async fn connect(
    uri: &AMQPUri,
    trust: &Trust,
    inlet: &Inlet,
) -> lapin::Result<AsyncTcpStream<Wire>> {
    let longest = Duration::from_secs(limits::SOURCE_ANSWER_SECONDS_MAX);
    let dialled = tokio::time::timeout(longest, Box::pin(dial(uri, trust))).await;
    let late = || io::Error::new(io::ErrorKind::TimedOut, "the broker does not answer");
    let socket = dialled.unwrap_or_else(|_elapsed| Err(late()))?;
    Ok(AsyncTcpStream::Plain(Wire::new(socket, inlet.clone())))
}

async fn dial(uri: &AMQPUri, trust: &Trust) -> io::Result<Box<dyn Socket>> {
    let host = uri.authority.host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((host, uri.authority.port)).await?;
    tcp.set_nodelay(true)?;
    let socket: Box<dyn Socket> = match uri.scheme {
        AMQPScheme::AMQP => Box::new(tcp),
        AMQPScheme::AMQPS => Box::new(trust.connect(host, tcp).await?),
    };
    Ok(socket)
}

/// What a wire reads from and writes to.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A stream of what a broker sends, as `lapin` gets to see it.
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    sieve: Sieve,
    inlet: Inlet,
    /// What was read at last, and which part of it the sieve has not taken.
    came: Box<[u8]>,
    untaken: Range<usize>,
    /// What goes on to `lapin`.
    passed: BytesMut,
    /// Until `lapin` is to hear again that the connection is alive.
    pause: Pin<Box<Sleep>>,
}

impl Wire {
    /// One on a socket, for a runtime of tokio that is entered.
    fn new(socket: Box<dyn Socket>, inlet: Inlet) -> Self {
        Self {
            socket,
            sieve: Sieve::default(),
            inlet,
            came: vec![0; CHUNK_BYTES].into_boxed_slice(),
            untaken: 0..0,
            passed: BytesMut::new(),
            pause: Box::pin(tokio::time::sleep(PAUSE)),
        }
    }

    /// Comes back when there is something that goes on, or nothing more to come: `passed` is empty then.
    fn poll_passed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.untaken.is_empty() && !self.has_enough(context) {
                self.take().map_err(io::Error::other)?;
            }
            if !self.passed.is_empty() {
                return Poll::Ready(Ok(()));
            }
            if self.has_enough(context) {
                task::ready!(self.pause.as_mut().poll(context));
                self.pause.as_mut().reset(Instant::now() + PAUSE);
                self.passed.extend_from_slice(&ALIVE);
            } else if task::ready!(self.poll_fill(context))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Whether no other message is to begin: who has half of one can do nothing with it.
    fn has_enough(&self, context: &Context<'_>) -> bool {
        self.sieve.is_between() && self.inlet.is_full(context)
    }

    /// Reads from the socket. Says how much has come.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.came);
        task::ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer))?;
        let filled = buffer.filled().len();
        self.untaken = 0..filled;
        Poll::Ready(Ok(filled))
    }

    /// Has the sieve take what came, up to the end of a frame.
    fn take(&mut self) -> Result<(), Refusal> {
        let came = &self.came[self.untaken.clone()];
        let (taken, message) = self.sieve.take(came, self.inlet.wanted(), &mut self.passed)?;
        self.untaken.start += taken;
        if let Some(message) = message {
            // Before `lapin` has it, and so before anybody can take it.
            self.inlet.passed_on(message);
        }
        Ok(())
    }
}

impl futures_io::AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        task::ready!(wire.poll_passed(context))?;
        let given = wire.passed.len().min(into.len());
        wire.passed.copy_to_slice(&mut into[..given]);
        Poll::Ready(Ok(given))
    }
}

impl futures_io::AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
