//! The stream of a connection: what comes is heard, what waits is sent, and its end is seen.
//!
//! # Deliberately absent
//!
//! Where the stream comes from, and decisions: when a connection is over, `lifetime` says.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{SinkExt as _, StreamExt as _};
use hearth_types::limits::{
    SOCKET_FRAME_BYTES_MAX, SOCKET_GOODBYE_SECONDS_MAX, SOCKET_MESSAGE_BYTES_MAX,
    SOCKET_READ_BYTES, SOCKET_WRITE_BYTES_MAX, SOCKET_WRITE_SECONDS_MAX,
};
use hearth_types::time::{Moment, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::connection::Connection;
use super::lifetime::{Closing, Lifetime};
use super::opening::Opening;
use super::outbox::Next;

/// Who hears what a client says. A message has its place until it is done with.
trait Ear {
    fn hear(&self, message: Utf8Bytes, place: OwnedSemaphorePermit);
    fn now(&self) -> Timestamp;
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// The client has said goodbye, and is answered.
    Theirs(Closing),
    /// We say goodbye, and wait for the answer.
    Ours(Closing),
    /// We say goodbye, and cannot understand an answer.
    Broken(Closing),
    /// There is nobody.
    Vanished,
}

/// What came from a client.
#[derive(Debug)]
enum Came {
    Message(Utf8Bytes),
    Nothing,
    End(End),
}

impl Opening {
    /// Serves a connection on its stream until it ends, and tells its functions.
    pub async fn run<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut socket = open(stream).await;
        let end = converse(&self.connection, &mut socket, &self).await;
        let closing = match &end {
            End::Theirs(closing) | End::Ours(closing) | End::Broken(closing) => closing.clone(),
            End::Vanished => Closing::VANISHED,
        };
        // Nothing is taken any more while the client is told.
        self.connection.outbox.end(closing.clone());
        // These need room only for a moment, and a connection has its own for hours.
        Box::pin(goodbye(&mut socket, end)).await;
        drop(socket);
        Box::pin(self.end(&closing)).await;
    }
}

impl Ear for Opening {
    fn hear(&self, message: Utf8Bytes, place: OwnedSemaphorePermit) {
        let (sockets, connection) = (Arc::clone(&self.sockets), Arc::clone(&self.connection));
        self.sockets.tasks().spawn("message of a WebSocket", async move {
            sockets.hear(&connection, &message).await;
            drop(place);
        });
    }

    fn now(&self) -> Timestamp {
        self.sockets.now()
    }
}

async fn open<S>(stream: S) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(SOCKET_READ_BYTES)
        // Each frame is written at once.
        .write_buffer_size(0)
        .max_write_buffer_size(2 * SOCKET_WRITE_BYTES_MAX)
        .max_frame_size(Some(SOCKET_FRAME_BYTES_MAX))
        .max_message_size(Some(SOCKET_MESSAGE_BYTES_MAX));
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await
}

/// Takes what comes and sends what waits until there is an end.
async fn converse<S>(
    connection: &Connection,
    socket: &mut WebSocketStream<S>,
    ear: &impl Ear,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let began = Instant::now();
    let mut lifetime = Lifetime::begin(Moment(0));
    let alarm = sleep_until(instant(began, lifetime.due()));
    tokio::pin!(alarm);
    let mut place = None;
    loop {
        tokio::select! {
            next = connection.outbox.next() => match next {
                Next::Message(message) => {
                    if deliver(socket, message.bytes()).await.is_err() {
                        return End::Vanished;
                    }
                    lifetime.touch(moment(began));
                    connection.touch(ear.now());
                }
                Next::End(closing) => return End::Ours(closing),
            },
            () = alarm.as_mut() => {
                if lifetime.is_over(moment(began)) {
                    return End::Ours(Closing::GOING_AWAY);
                }
                alarm.as_mut().reset(instant(began, lifetime.due()));
            }
            free = Arc::clone(&connection.running).acquire_owned(), if place.is_none() => {
                place = free.ok();
            }
            item = socket.next(), if place.is_some() => match came(item) {
                Came::Message(message) => {
                    lifetime.touch(moment(began));
                    connection.touch(ear.now());
                    if let Some(place) = place.take() {
                        ear.hear(message, place);
                    }
                }
                Came::Nothing => {}
                Came::End(end) => return end,
            },
        }
    }
}

/// What a client has said means.
fn came(item: Option<Result<Message, Error>>) -> Came {
    match item {
        Some(Ok(Message::Text(text))) => Came::Message(text),
        Some(Ok(Message::Binary(_))) => Came::End(End::Ours(Closing::BINARY)),
        // A ping is answered with what is read next.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Came::Nothing,
        Some(Ok(Message::Close(frame))) => Came::End(End::Theirs(said(frame))),
        Some(Err(error)) => Came::End(broken(&error)),
        None => Came::End(End::Vanished),
    }
}

fn said(frame: Option<CloseFrame>) -> Closing {
    frame.map_or(Closing::NOTHING_SAID, |frame| Closing {
        code: frame.code.into(),
        reason: frame.reason.as_str().to_owned().into(),
    })
}

fn broken(error: &Error) -> End {
    tracing::debug!(%error, "a WebSocket broke");
    if matches!(error, Error::Capacity(_)) {
        return End::Broken(Closing::TOO_LARGE);
    }
    if matches!(error, Error::Utf8(_)) {
        return End::Broken(Closing::NOT_TEXT);
    }
    let is_reset = matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake));
    if matches!(error, Error::Protocol(_)) && !is_reset {
        return End::Broken(Closing::PROTOCOL);
    }
    End::Vanished
}

/// Sends a message, within the time that a client has for it.
async fn deliver<S>(socket: &mut WebSocketStream<S>, message: &Bytes) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let sending = async {
        // Answers to pings that the client has not taken yet may leave no room.
        socket.flush().await?;
        for frame in frames(message) {
            if frame.len() > SOCKET_WRITE_BYTES_MAX {
                write_past(socket, &frame).await?;
            } else {
                socket.send(Message::Frame(frame)).await?;
            }
        }
        Ok::<(), Error>(())
    };
    let limit = Duration::from_secs(SOCKET_WRITE_SECONDS_MAX);
    timeout(limit, sending).await.unwrap_or(Err(Error::ConnectionClosed))
}

/// Sends a frame past the buffer, in which nothing waits: it would stay as large as the frame for as
/// long as the connection is open.
async fn write_past<S>(socket: &mut WebSocketStream<S>, frame: &Frame) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let payload = frame.payload();
    let mut head = Vec::new();
    let length = u64::try_from(payload.len()).unwrap_or(u64::MAX);
    frame.header().format(length, &mut head)?;
    let mut bytes = Buf::chain(head.as_slice(), payload);
    socket.get_mut().write_all_buf(&mut bytes).await?;
    socket.flush().await
}

/// A message in frames that are not too large: of text, if it is one.
fn frames(message: &Bytes) -> impl Iterator<Item = Frame> {
    let kind = if std::str::from_utf8(message).is_ok() { Data::Text } else { Data::Binary };
    let count = message.len().div_ceil(SOCKET_FRAME_BYTES_MAX).max(1);
    (0..count).map(move |at| {
        let from = at * SOCKET_FRAME_BYTES_MAX;
        let until = message.len().min(from + SOCKET_FRAME_BYTES_MAX);
        let kind = if at == 0 { kind } else { Data::Continue };
        Frame::message(message.slice(from..until), OpCode::Data(kind), at + 1 == count)
    })
}

/// Ends a conversation, within the time that a client has for that.
async fn goodbye<S>(socket: &mut WebSocketStream<S>, end: End)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let ending = async {
        match end {
            // The answer goes out with what is read next.
            End::Theirs(_) => listen(socket).await,
            End::Ours(closing) => {
                if say_goodbye(socket, closing).await.is_ok() {
                    listen(socket).await;
                }
            }
            End::Broken(closing) => {
                if say_goodbye(socket, closing).await.is_ok() {
                    discard(socket.get_mut()).await;
                }
            }
            End::Vanished => {}
        }
        let _ = socket.get_mut().shutdown().await;
    };
    let _ = timeout(Duration::from_secs(SOCKET_GOODBYE_SECONDS_MAX), ending).await;
}

async fn say_goodbye<S>(
    socket: &mut WebSocketStream<S>,
    Closing { code, reason }: Closing,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // As with a message: it needs room.
    socket.flush().await?;
    let reason = reason.into_owned().into();
    socket.close(Some(CloseFrame { code: CloseCode::from(code), reason })).await
}

/// Takes what comes until the client has said goodbye.
async fn listen<S>(socket: &mut WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(_)) = socket.next().await {}
}

/// Takes what is on its way. If the connection were closed before, the client might be told so by a
/// reset, and not see why.
async fn discard<S>(stream: &mut S)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _ = stream.shutdown().await;
    let mut bytes = [0; 4_096];
    while matches!(stream.read(&mut bytes).await, Ok(read) if read > 0) {}
}

fn moment(began: Instant) -> Moment {
    Moment(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn instant(began: Instant, due: Moment) -> Instant {
    began + Duration::from_millis(due.0)
}

#[cfg(test)]
mod tests;
