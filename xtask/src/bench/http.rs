//! The client of every peer: blocking HTTP/1.1 on one connection that is kept open.
//!
//! # Promises
//!
//! 1. An error is whatever a caller would call one: no answer, a status beyond 299, or a
//!    function error.
//! 2. A peer that says nothing for [`SILENCE_MAX`] is given up.
//!
//! # Deliberately absent
//!
//! Pipelining: each connection waits for its answer, as an SDK does. The trailers of an answer are
//! read over.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// A connection on which nothing moves for this long is broken.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The status line and the headers, together.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// A body of at most so many bytes goes out in one piece with its head. A larger one is not copied for
/// that.
const TOGETHER_BYTES_MAX: usize = 64 * 1024;
/// How much of an answer is taken off the connection at once.
const READ_BYTES: usize = 64 * 1024;
/// What bodies are, unless a request says something else.
const JSON: &str = "Content-Type: application/json\r\n";
/// How much of an answer is kept. One that is taken in pieces may be longer.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    /// Beside the usual ones, each with its end of line.
    pub(crate) headers: &'static str,
    pub(crate) body: String,
}

impl Request {
    /// A call that waits for its answer.
    pub(crate) fn invocation(path: String, body: String) -> Self {
        Self { method: "POST", path, headers: "", body }
    }

    /// A call that is accepted, and made later.
    pub(crate) fn event(path: String, body: String) -> Self {
        Self { headers: "X-Amz-Invocation-Type: Event\r\n", ..Self::invocation(path, body) }
    }
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

/// Takes a body piece by piece.
pub(crate) type Take<'a> = dyn FnMut(&[u8]) -> anyhow::Result<()> + 'a;

impl Answer {
    /// Fails unless a function ran and succeeded.
    pub(crate) fn succeeded(&self) -> anyhow::Result<()> {
        let body = String::from_utf8_lossy(&self.body);
        ensure!(is_success(self.status), "the answer is {}: {body}", self.status);
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
        Ok(Self { stream: BufReader::with_capacity(READ_BYTES, stream), address })
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) fn exchange(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        self.send((method, path, ""), body)?;
        self.answer().context("could not read the answer")
    }

    /// The same with a request.
    pub(crate) fn ask(&mut self, request: &Request) -> anyhow::Result<Answer> {
        let Request { method, path, headers, body } = request;
        self.send((method, path, headers), body.as_bytes())?;
        self.answer().context("could not read the answer")
    }

    /// Sends a request and gives the body of its answer away as it comes. Fails with the answer if
    /// that is not a success.
    pub(crate) fn exchange_in_pieces(
        &mut self,
        request: &Request,
        take: &mut Take<'_>,
    ) -> anyhow::Result<()> {
        let Request { method, path, headers, body } = request;
        self.send((method, path, headers), body.as_bytes())?;
        let head = self.head().context("could not read the answer")?;
        if is_success(head.status) && head.function_error.is_none() {
            return self.body(head.length, take).context("could not read the answer");
        }
        self.whole(head).context("could not read the answer")?.succeeded()
    }

    /// Sends a request whose body is a file, and waits for the whole answer. The body of the request
    /// itself is left out.
    pub(crate) fn upload(&mut self, request: &Request, mut file: File) -> anyhow::Result<Answer> {
        let Request { method, path, headers, .. } = request;
        let length = file.metadata().context("could not look at the file")?.len();
        let opening = self.opening((method, path, headers), length);
        let stream = self.stream.get_mut();
        stream.write_all(opening.as_bytes()).context("could not send the request")?;
        let sent = io::copy(&mut file, stream).context("could not send the file")?;
        ensure!(sent == length, "{sent} of {length} bytes were sent");
        self.answer().context("could not read the answer")
    }

    fn send(&mut self, line: (&str, &str, &str), body: &[u8]) -> anyhow::Result<()> {
        let mut request = self.opening(line, body.len() as u64).into_bytes();
        let goes_together = body.len() <= TOGETHER_BYTES_MAX;
        if goes_together {
            request.extend_from_slice(body);
        }
        let stream = self.stream.get_mut();
        stream.write_all(&request).context("could not send the request")?;
        if goes_together {
            return Ok(());
        }
        stream.write_all(body).context("could not send the body of the request")
    }

    /// What stands before the body of a request.
    fn opening(&self, (method, path, headers): (&str, &str, &str), length: u64) -> String {
        let host = self.address;
        let kind = if headers.contains("Content-Type:") { "" } else { JSON };
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{kind}Content-Length: {length}\r\n\
             {headers}\r\n"
        )
    }

    fn answer(&mut self) -> anyhow::Result<Answer> {
        let head = self.head()?;
        self.whole(head)
    }

    fn head(&mut self) -> anyhow::Result<Head> {
        let status = status(&self.line()?)?;
        let mut head = Head { status, function_error: None, length: Length::Bytes(0) };
        let mut head_bytes = 0;
        loop {
            let line = self.line()?;
            head_bytes += line.len();
            ensure!(head_bytes < HEAD_BYTES_MAX, "the headers do not end");
            let Some((name, value)) = line.split_once(':') else {
                ensure!(line.is_empty(), "`{line}` is no header");
                return Ok(head);
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    head.length = Length::Bytes(value.parse::<usize>().context("bad length")?);
                }
                "transfer-encoding" => head.length = Length::Chunks,
                "x-amz-function-error" => head.function_error = Some(value.to_owned()),
                _ => {}
            }
        }
    }

    /// The answer that such a head begins, with its body.
    fn whole(&mut self, head: Head) -> anyhow::Result<Answer> {
        let Head { status, function_error, length } = head;
        let mut body = Vec::new();
        self.body(length, &mut |piece| {
            ensure!(body.len() + piece.len() <= BODY_BYTES_MAX, "the answer is too long");
            body.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(Answer { status, function_error, body })
    }

    fn body(&mut self, length: Length, take: &mut Take<'_>) -> anyhow::Result<()> {
        match length {
            Length::Bytes(count) => self.bytes(count, take),
            Length::Chunks => self.chunks(take),
        }
    }

    /// One line, without its end.
    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let limit = u64::try_from(HEAD_BYTES_MAX).expect("a small number");
        self.stream.by_ref().take(limit).read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "the connection ended");
        Ok(line.trim_end().to_owned())
    }

    fn bytes(&mut self, count: usize, take: &mut Take<'_>) -> anyhow::Result<()> {
        let mut left = count;
        while left > 0 {
            let buffered = self.stream.fill_buf()?;
            ensure!(!buffered.is_empty(), "the connection ended");
            let length = buffered.len().min(left);
            take(&buffered[..length])?;
            self.stream.consume(length);
            left -= length;
        }
        Ok(())
    }

    fn chunks(&mut self, take: &mut Take<'_>) -> anyhow::Result<()> {
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or("").trim();
            let size = usize::from_str_radix(size, 16).context("a chunk has no size")?;
            if size == 0 {
                // Trailers, and the empty line after them.
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            self.bytes(size, take)?;
            ensure!(self.line()?.is_empty(), "a chunk does not end where it should");
        }
    }
}

/// What stands before the body of an answer.
struct Head {
    status: u16,
    function_error: Option<String>,
    length: Length,
}

/// How an answer says where its body ends.
enum Length {
    Bytes(usize),
    Chunks,
}

fn is_success(status: u16) -> bool {
    matches!(status, 200..=299)
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

    use super::{Answer, Connection, Request};

    /// Does something on a connection to a peer that answers one request with this text.
    fn with_peer<T>(
        text: &'static str,
        act: impl FnOnce(Connection) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _read = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        });
        let outcome = Connection::open(address).and_then(act);
        peer.join().unwrap();
        outcome
    }

    fn answered(text: &'static str) -> anyhow::Result<Answer> {
        with_peer(text, |mut connection| connection.exchange("GET", "/", b""))
    }

    /// What was taken of an answer.
    fn taken(text: &'static str) -> anyhow::Result<Vec<u8>> {
        with_peer(text, |mut connection| {
            let (path, body) = ("/".to_owned(), String::new());
            let request = Request { method: "GET", path, headers: "", body };
            let mut taken = Vec::new();
            connection.exchange_in_pieces(&request, &mut |piece| {
                taken.extend_from_slice(piece);
                Ok(())
            })?;
            Ok(taken)
        })
    }

    #[rustfmt::skip]
    const GOOD: [(&str, &str); 2] = [
        ("length",  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        ("chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1;x\r\n}\r\n0\r\nA: b\r\n\r\n"),
    ];

    #[rustfmt::skip]
    const BAD: [(&str, &str); 4] = [
        ("status",         "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n"),
        ("function error", "HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\nContent-Length: 0\r\n\r\n"),
        ("cut short",      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"),
        ("no answer",      ""),
    ];

    #[test]
    fn both_kinds_of_body_are_read() {
        for (name, text) in GOOD {
            let answer = answered(text).unwrap();
            assert_eq!(answer.body, b"{}", "{name}");
            assert!(answer.succeeded().is_ok(), "{name}");
            assert_eq!(taken(text).unwrap(), b"{}", "{name}");
        }
    }

    #[test]
    fn what_a_caller_would_call_an_error_is_one() {
        for (name, text) in BAD {
            let outcome = answered(text).and_then(|answer| answer.succeeded());
            assert!(outcome.is_err(), "{name}");
            assert!(taken(text).is_err(), "{name}");
        }
    }
}
