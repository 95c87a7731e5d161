//! A small blocking HTTP/1.1 client over one socket.
//!
//! Deliberately absent: everything that a test would rather do by hand, such as sending half a
//! request.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take before the test fails: longer than any function in the tests runs.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// An invocation of a function.
    pub(crate) fn invocation(function: &str, event: &Value) -> Self {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        Self::new("POST", path).json(event)
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string().into_bytes())
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    fn bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n",
            self.method,
            self.path,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The names are in small letters. Of a header that came more than once, the last.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// All headers, in the order in which they came.
    lines: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The values of a header that may come more than once.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.lines.iter().filter(|(known, _)| known == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Sends a request and reads its answer.
    pub(crate) fn send(&mut self, request: &Request) -> io::Result<Answer> {
        self.write(request)?;
        self.read()
    }

    /// Sends a request and leaves the answer where it is.
    pub(crate) fn write(&mut self, request: &Request) -> io::Result<()> {
        let bytes = request.bytes(self.address);
        self.stream.get_mut().write_all(&bytes)
    }

    fn read(&mut self) -> io::Result<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| odd(&format!("the status line `{line}`")))?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| odd("a header without `:`"))?;
            lines.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let headers: BTreeMap<String, String> = lines.iter().cloned().collect();
        let body = if status == 204 { Vec::new() } else { self.body(&headers)? };
        Ok(Answer { status, headers, body, lines })
    }

    fn body(&mut self, headers: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            return self.chunks();
        }
        let mut body = Vec::new();
        match headers.get("content-length") {
            Some(length) => {
                let length = length.parse().map_err(|_error| odd("a length that is no number"))?;
                body.resize(length, 0);
                self.stream.read_exact(&mut body)?;
            }
            None => {
                self.stream.read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = line.split(';').next().unwrap_or_default().trim();
            let length =
                usize::from_str_radix(length, 16).map_err(|_error| odd("a chunk's length"))?;
            let begin = body.len();
            body.resize(begin + length, 0);
            self.stream.read_exact(&mut body[begin..])?;
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// What comes back for some bytes, until the connection ends or says nothing more.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the server takes connections");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit can be set");
    // It may be refused before all of it was sent.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    // A reset is as good as an end.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn odd(what: &str) -> io::Error {
    io::Error::other(format!("the server sent something odd: {what}"))
}
