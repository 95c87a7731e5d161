//! The load client, the same for both peers: blocking HTTP/1.1 with keep-alive, one thread for
//! each connection.
//!
//! # Promises
//!
//! 1. An error is whatever a caller would call one: no answer, a status beyond 299, or a
//!    function error. Errors while warming up count.
//! 2. A peer that is gone ends the load early; it does not make it spin.
//!
//! # Deliberately absent
//!
//! Pipelining and open-loop arrival: each connection waits for its answer, as an SDK does.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::stats::Summary;
use crate::now;

/// A connection on which nothing moves for this long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The status line and the headers, together.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Each connection gives up after so many errors; more would not say more.
const ERRORS_MAX: usize = 100;
/// For how long requests are sent before latencies count.
const WARM_UP: Duration = Duration::from_millis(300);

/// A load to put on a peer.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Requests,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: String,
}

/// The requests of a load: the first, the second, and so on for ever.
#[derive(Clone)]
pub(crate) struct Requests(Arc<dyn Fn(u64) -> Request + Send + Sync>);

impl fmt::Debug for Requests {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Requests({:?}, …)", self.first())
    }
}

impl Requests {
    /// Each is made from its number.
    pub(crate) fn new(make: impl Fn(u64) -> Request + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The first of them.
    pub(crate) fn first(&self) -> Request {
        (self.0)(0)
    }

    /// The same invocation over and over.
    pub(crate) fn invocation(path: String) -> Self {
        Self::new(move |_| Request { method: "POST", path: path.clone(), body: "{}".to_owned() })
    }
}

impl Load {
    /// Puts the load on the peer, and waits for it to end.
    pub(crate) fn run(&self) -> Summary {
        let start = Barrier::new(self.connections);
        let sent = AtomicU64::new(0);
        let shares: Vec<Share> = thread::scope(|scope| {
            let one = || self.one_connection(&start, &sent);
            let threads: Vec<_> = (0..self.connections).map(|_| scope.spawn(one)).collect();
            let ends = threads.into_iter().map(thread::ScopedJoinHandle::join);
            // A thread of ours that panics is a bug, and shows as an error in the table.
            ends.map(|end| end.unwrap_or(Share { latencies: Vec::new(), errors: 1 })).collect()
        });
        let errors = shares.iter().map(|share| share.errors).sum();
        let latencies = shares.into_iter().flat_map(|share| share.latencies).collect();
        Summary::of(latencies, self.duration, errors)
    }

    fn one_connection(&self, start: &Barrier, number: &AtomicU64) -> Share {
        let mut share = Share { latencies: Vec::new(), errors: 0 };
        let mut connection = Connection::open(self.address).ok();
        start.wait();
        let begin = now();
        while share.errors < ERRORS_MAX && begin.elapsed() < WARM_UP + self.duration {
            let counts = begin.elapsed() >= WARM_UP;
            let request = (self.requests.0)(number.fetch_add(1, Ordering::Relaxed));
            let sent = now();
            let answered = self.one_request(&mut connection, &request);
            match answered {
                Ok(()) if counts => share.latencies.push(sent.elapsed()),
                Ok(()) => {}
                Err(_) => {
                    share.errors += 1;
                    connection = None;
                }
            }
        }
        share
    }

    /// Sends one request, on a new connection if there is none.
    fn one_request(
        &self,
        connection: &mut Option<Connection>,
        request: &Request,
    ) -> anyhow::Result<()> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(self.address)?),
        };
        let Request { method, path, body } = request;
        connection.exchange(method, path, body.as_bytes())?.succeeded()
    }
}

/// What one connection measured.
struct Share {
    latencies: Vec<Duration>,
    errors: usize,
}

/// A connection that is kept open between requests.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What `X-Amz-Function-Error` says.
    function_error: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Fails unless a function ran and succeeded.
    pub(crate) fn succeeded(&self) -> anyhow::Result<()> {
        let body = String::from_utf8_lossy(&self.body);
        ensure!(matches!(self.status, 200..=299), "the answer is {}: {body}", self.status);
        if let Some(kind) = &self.function_error {
            bail!("the function failed ({kind}): {body}");
        }
        Ok(())
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE_MAX)
            .with_context(|| format!("could not connect to {address}"))?;
        stream.set_nodelay(true).context("could not set up the connection")?;
        stream.set_read_timeout(Some(SILENCE_MAX)).context("could not set up the connection")?;
        stream.set_write_timeout(Some(SILENCE_MAX)).context("could not set up the connection")?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) fn exchange(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let (host, length) = (self.address, body.len());
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).context("could not send the request")?;
        self.answer().context("could not read the answer")
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let status = status(&self.line()?)?;
        let mut function_error = None;
        let mut length = Length::Bytes(0);
        let mut head_bytes = 0;
        loop {
            let line = self.line()?;
            head_bytes += line.len();
            ensure!(head_bytes < HEAD_BYTES_MAX, "the headers do not end");
            let Some((name, value)) = line.split_once(':') else {
                ensure!(line.is_empty(), "`{line}` is no header");
                break;
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    length = Length::Bytes(value.parse::<usize>().context("bad length")?);
                }
                "transfer-encoding" => length = Length::Chunks,
                "x-amz-function-error" => function_error = Some(value.to_owned()),
                _ => {}
            }
        }
        let body = match length {
            Length::Bytes(bytes) => self.bytes(bytes)?,
            Length::Chunks => self.chunks()?,
        };
        Ok(Answer { status, function_error, body })
    }

    /// One line, without its end.
    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let limit = u64::try_from(HEAD_BYTES_MAX).expect("a small number");
        self.stream.by_ref().take(limit).read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "the connection ended");
        Ok(line.trim_end().to_owned())
    }

    fn bytes(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        ensure!(count <= BODY_BYTES_MAX, "an answer of {count} bytes");
        let mut body = vec![0; count];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or("").trim();
            let size = usize::from_str_radix(size, 16).context("a chunk has no size")?;
            if size == 0 {
                // Trailers, and the empty line after them.
                while !self.line()?.is_empty() {}
                return Ok(body);
            }
            ensure!(body.len().saturating_add(size) <= BODY_BYTES_MAX, "the answer is too long");
            body.extend(self.bytes(size)?);
            ensure!(self.line()?.is_empty(), "a chunk does not end where it should");
        }
    }
}

/// How an answer says where its body ends.
enum Length {
    Bytes(usize),
    Chunks,
}

/// The status of `HTTP/1.1 200 OK`.
fn status(line: &str) -> anyhow::Result<u16> {
    let code = line.split(' ').nth(1).unwrap_or("");
    code.parse::<u16>().with_context(|| format!("`{line}` is no status line"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::{Answer, Connection};

    /// Sends a request to a peer that answers with this text.
    fn answered(text: &'static str) -> anyhow::Result<Answer> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _read = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        });
        let answer = Connection::open(address)?.exchange("GET", "/", b"");
        peer.join().unwrap();
        answer
    }

    #[test]
    fn both_kinds_of_body_are_read() {
        #[rustfmt::skip]
        let rows = [
            ("length",  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
            ("chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x\r\n}\r\n0\r\nA: b\r\n\r\n"),
        ];
        for (name, text) in rows {
            let answer = answered(text).unwrap();
            assert_eq!(answer.body, b"{}", "{name}");
            assert!(answer.succeeded().is_ok(), "{name}");
        }
    }

    #[test]
    fn what_a_caller_would_call_an_error_is_one() {
        #[rustfmt::skip]
        let rows = [
            ("status",         "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n"),
            ("function error", "HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\nContent-Length: 0\r\n\r\n"),
            ("cut short",      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"),
            ("no answer",      ""),
        ];
        for (name, text) in rows {
            let outcome = answered(text).and_then(|answer| answer.succeeded());
            assert!(outcome.is_err(), "{name}");
        }
    }
}
