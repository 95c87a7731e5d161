//! Requests over HTTP, on connections that are used again.
//!
//! ```text
//!  connect ──▶ in use ──answered, and read to the end──▶ kept ──▶ in use …
//!                │                                        │
//!                └─ cut off, too large, given up          └─ old, or closed at the other end
//! ```
//!
//! # Promises
//!
//! 1. An exchange ends, and what is read of an answer is bounded.
//! 2. A connection carries one request at a time, and none after an answer that was not read to its
//!    end.
//! 3. There are no more connections in use at a time than the client may have.
//!
//! # Deliberately absent
//!
//! Redirects are not followed. Nothing is tried twice, except that a kept connection which the
//! other end has closed in the meantime is replaced by a new one. No task watches kept connections:
//! they are looked at when one is wanted or put back.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use hearth_types::errors::causes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::address::{Origin, Scheme};
use super::tls::Trust;
use crate::limits::{
    CONNECT_SECONDS_MAX, IGNORED_BYTES_MAX, IGNORED_MILLIS_MAX, KEPT_CONNECTIONS_MAX,
    KEPT_SECONDS_MAX,
};

/// The bounds of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long it may take, waiting for a connection included.
    pub(super) seconds: u64,
    /// How much of the answer is wanted.
    pub(super) wanted: Wanted,
}

/// How much of an answer is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// Its body.
    Body {
        /// How large it may be if the request succeeded.
        success_bytes: usize,
        /// And if it did not.
        other_bytes: usize,
    },
    /// Only its status. The body is read so that the connection can be used again, if that is soon
    /// done.
    Status,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its status.
    pub(super) status: StatusCode,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body; `None` if it was not read to its end.
    pub(super) body: Option<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("no connection could be made")]
    NotConnected(#[source] io::Error),
    #[error("no answer came")]
    Unheard(#[source] hyper::Error),
    #[error("the answer broke off")]
    CutOff(#[source] hyper::Error),
    #[error("it took longer than {0} seconds")]
    Late(u64),
}

impl Unanswered {
    /// What happened, with all its causes.
    pub(super) fn whole(&self) -> String {
        causes(self)
    }
}

/// What requests are sent with.
pub(super) struct Client {
    trust: Trust,
    places: Semaphore,
    kept: Mutex<Vec<Kept>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("kept", &lock(&self.kept).len()).finish()
    }
}

/// A connection that waits for a request.
struct Kept {
    origin: Origin,
    since: Instant,
    line: Line,
}

/// A connection.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<Connection>>,
}

type Connection = http1::Connection<TokioIo<Box<dyn Wire>>, Full<Bytes>>;

/// What a connection is made on: a socket, or TLS on one.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

impl Client {
    /// A client with so many connections at a time, of which those with TLS lead to whom it trusts.
    pub(super) fn new(connections_max: usize, trust: Trust) -> Self {
        Self { trust, places: Semaphore::new(connections_max), kept: Mutex::default() }
    }

    /// Sends a request and reads its answer.
    pub(super) async fn exchange(
        &self,
        origin: &Origin,
        request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Answer, Unanswered> {
        let exchanging = self.exchange_unhurried(origin, request, bounds.wanted);
        let limit = Duration::from_secs(bounds.seconds);
        let in_time = tokio::time::timeout(limit, exchanging).await;
        in_time.unwrap_or(Err(Unanswered::Late(bounds.seconds)))
    }

    async fn exchange_unhurried(
        &self,
        origin: &Origin,
        request: Request<Full<Bytes>>,
        wanted: Wanted,
    ) -> Result<Answer, Unanswered> {
        let _place = self.places.acquire().await.expect("nobody closes the semaphore");
        if let Some(line) = self.take(origin) {
            let (answer, line) = over(line, request.clone(), wanted).await;
            self.keep(origin, line);
            // Most likely it was closed at the other end just before. If not, the request may
            // arrive twice, as it may with any retry.
            if !matches!(answer, Err(Unanswered::Unheard(_))) {
                return answer;
            }
        }
        let line = connect(origin, &self.trust).await?;
        let (answer, line) = over(line, request, wanted).await;
        self.keep(origin, line);
        answer
    }

    /// A kept connection that is still open.
    fn take(&self, origin: &Origin) -> Option<Line> {
        let mut kept = lock(&self.kept);
        let limit = Duration::from_secs(KEPT_SECONDS_MAX);
        kept.retain(|one| one.since.elapsed() < limit);
        // The youngest first, so that those which are not needed become old.
        while let Some(place) = kept.iter().rposition(|one| one.origin == *origin) {
            let mut line = kept.remove(place).line;
            if line.is_open() {
                return Some(line);
            }
        }
        None
    }

    fn keep(&self, origin: &Origin, line: Option<Line>) {
        let Some(mut line) = line else { return };
        if !line.is_open() {
            return;
        }
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT_CONNECTIONS_MAX {
            kept.remove(0);
        }
        kept.push(Kept { origin: origin.clone(), since: Instant::now(), line });
    }
}

impl Line {
    /// Whether a request can be sent, as far as is known here.
    fn is_open(&mut self) -> bool {
        // Whoever sends the next request polls it with a waker of its own.
        let mut context = Context::from_waker(Waker::noop());
        self.connection.as_mut().poll(&mut context).is_pending() && self.sender.is_ready()
    }
}

async fn connect(origin: &Origin, trust: &Trust) -> Result<Line, Unanswered> {
    let limit = Duration::from_secs(CONNECT_SECONDS_MAX);
    let connected = tokio::time::timeout(limit, reach(origin, trust)).await;
    let wire = connected
        .map_err(|late| Unanswered::NotConnected(late.into()))?
        .map_err(Unanswered::NotConnected)?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(wire)).await.map_err(Unanswered::Unheard)?;
    Ok(Line { sender, connection: Box::pin(connection) })
}

async fn reach(origin: &Origin, trust: &Trust) -> io::Result<Box<dyn Wire>> {
    let host = origin.host();
    let stream = TcpStream::connect((host, origin.port())).await?;
    // A request is small and complete; there is nothing to wait for that could go along.
    let _ = stream.set_nodelay(true);
    match origin.scheme {
        Scheme::Http => Ok(Box::new(stream)),
        Scheme::Https => Ok(Box::new(trust.connect(host, stream).await?)),
    }
}

/// Sends a request over a connection. Hands the connection back if it can be used again.
async fn over(
    line: Line,
    request: Request<Full<Bytes>>,
    wanted: Wanted,
) -> (Result<Answer, Unanswered>, Option<Line>) {
    let Line { mut sender, mut connection } = line;
    let (answer, is_open) = {
        let asking = ask(&mut sender, request, wanted);
        tokio::pin!(asking);
        tokio::select! {
            answer = &mut asking => (answer, true),
            // What has arrived before the connection ended can still be read.
            _ended = &mut connection => (asking.await, false),
        }
    };
    let is_read = answer.as_ref().is_ok_and(|answer| answer.body.is_some());
    let line = (is_open && is_read).then_some(Line { sender, connection });
    (answer, line)
}

async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    wanted: Wanted,
) -> Result<Answer, Unanswered> {
    let answer = sender.send_request(request).await.map_err(Unanswered::Unheard)?;
    let (head, body) = answer.into_parts();
    let status = head.status;
    let body = match wanted {
        Wanted::Body { success_bytes, other_bytes } => {
            let bytes_max = if status.is_success() { success_bytes } else { other_bytes };
            read(body, bytes_max).await.map_err(Unanswered::CutOff)?
        }
        Wanted::Status => {
            let limit = Duration::from_millis(IGNORED_MILLIS_MAX);
            let reading = tokio::time::timeout(limit, read(body, IGNORED_BYTES_MAX)).await;
            reading.ok().and_then(Result::ok).flatten()
        }
    };
    Ok(Answer { status, headers: head.headers, body })
}

/// Reads a whole body, or `None` if it is larger than it may be.
async fn read(mut body: Incoming, bytes_max: usize) -> Result<Option<Vec<u8>>, hyper::Error> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Ok(None);
        }
        whole.extend_from_slice(&data);
    }
    Ok(Some(whole))
}

fn lock(kept: &Mutex<Vec<Kept>>) -> MutexGuard<'_, Vec<Kept>> {
    kept.lock().expect("no code panics while it holds the connections")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::played::{Played, Reply};
    use super::*;

    /// What is said of an answer by its status and its body.
    type Said = (u16, Option<String>);

    const BOUNDS: Bounds =
        Bounds { seconds: 30, wanted: Wanted::Body { success_bytes: 5, other_bytes: 2 } };
    const STATUS: Bounds = Bounds { seconds: 30, wanted: Wanted::Status };

    fn request(origin: &Origin) -> Request<Full<Bytes>> {
        let request = Request::post("/").header("host", origin.authority.as_str());
        request.body(Full::new(Bytes::from_static(b"asked"))).unwrap()
    }

    async fn bound() -> (TcpListener, Origin) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string().parse().unwrap();
        (listener, Origin { scheme: Scheme::Http, authority })
    }

    /// Takes one connection and reads one request from it.
    async fn asked(listener: &TcpListener) -> TcpStream {
        let (mut stream, _from) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"asked") {
            heard.push(stream.read_u8().await.unwrap());
        }
        stream
    }

    fn answer(status: u16, body: Option<&str>) -> Said {
        (status, body.map(str::to_owned))
    }

    fn said(answer: Answer) -> Said {
        (answer.status.as_u16(), answer.body.map(|body| String::from_utf8(body).unwrap()))
    }

    #[tokio::test]
    async fn one_connection_carries_one_request_after_the_other() {
        let replies = [Reply::of(200, "one"), Reply::of(404, "2"), Reply::of(200, "")];
        let played = Played::start(replies).await;
        let client = Client::new(4, Trust::default());
        for expected in [answer(200, Some("one")), answer(404, Some("2")), answer(200, Some(""))] {
            let request = request(&played.origin());
            let answered = client.exchange(&played.origin(), request, BOUNDS).await;
            assert_eq!(said(answered.unwrap()), expected);
        }
        assert_eq!(played.connections(), 1);
        assert_eq!(played.heard().len(), 3);
        assert_eq!(played.heard()[1].body, "asked");
    }

    #[tokio::test]
    async fn a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again() {
        let played = Played::start([Reply::of(200, "too large"), Reply::of(200, "fits")]).await;
        let client = Client::new(4, Trust::default());
        for expected in [answer(200, None), answer(200, Some("fits"))] {
            let request = request(&played.origin());
            let answered = client.exchange(&played.origin(), request, BOUNDS).await;
            assert_eq!(said(answered.unwrap()), expected);
        }
        assert_eq!(played.connections(), 2);
    }

    #[tokio::test]
    async fn a_kept_connection_that_was_closed_is_replaced() {
        let (listener, origin) = bound().await;
        let serving = async {
            for _request in 0..2 {
                let mut stream = asked(&listener).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        };
        let client = Client::new(4, Trust::default());
        let asking = async {
            for _request in 0..2 {
                let request = request(&origin);
                let answered = client.exchange(&origin, request, BOUNDS).await;
                assert_eq!(said(answered.unwrap()), answer(200, Some("ok")));
            }
        };
        tokio::join!(serving, asking);
    }

    #[tokio::test]
    async fn whoever_closes_or_does_not_answer_is_not_waited_for() {
        let played = Played::start([Reply::Close]).await;
        let client = Client::new(4, Trust::default());
        let asked = client.exchange(&played.origin(), request(&played.origin()), BOUNDS).await;
        assert!(matches!(asked, Err(Unanswered::Unheard(_))), "{asked:?}");

        let played = Played::start([Reply::Hang]).await;
        let asked = client.exchange(&played.origin(), request(&played.origin()), BOUNDS).await;
        assert!(matches!(asked, Err(Unanswered::Late(30))), "{asked:?}");
        assert_eq!(played.heard().len(), 1);
    }

    #[tokio::test]
    async fn nobody_at_the_other_end_is_said_with_the_reason() {
        let (listener, origin) = bound().await;
        drop(listener);
        let client = Client::new(4, Trust::default());
        let asked = client.exchange(&origin, request(&origin), BOUNDS).await;
        let why = asked.unwrap_err().whole();
        assert!(why.starts_with("no connection could be made: Connection refused"), "{why}");
    }

    #[tokio::test]
    async fn a_status_is_enough_where_only_it_is_wanted() {
        let (listener, origin) = bound().await;
        let client = Client::new(4, Trust::default());
        let serving = async {
            let mut stream = asked(&listener).await;
            let head = b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n";
            stream.write_all(head).await.unwrap();
            stream
        };
        let asking = client.exchange(&origin, request(&origin), STATUS);
        let (_stream, answered) = tokio::join!(serving, asking);
        assert_eq!(said(answered.unwrap()), answer(201, None));
    }
}
