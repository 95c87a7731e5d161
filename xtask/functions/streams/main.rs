//! A Lambda function that streams its answer, without any library: for `cargo xtask bench`.
//!
//! The event says how much, such as `{"bytes": 200000000}`, or that of a request with the query
//! `bytes=200000000`. What it needs itself is one chunk.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let connection = TcpStream::connect(&address)?;
    connection.set_nodelay(true)?;
    let mut runtime = Runtime { address, connection: BufReader::new(connection) };
    let chunk = framed(CHUNK_BYTES);
    loop {
        let (id, bytes) = runtime.next()?;
        runtime.stream(&id, bytes, &chunk)?;
    }
}

/// The Runtime API, on one connection that is kept open.
struct Runtime {
    address: String,
    connection: BufReader<TcpStream>,
}

impl Runtime {
    /// Waits for the next event: its id, and how much it asks for.
    fn next(&mut self) -> io::Result<(String, usize)> {
        let host = &self.address;
        let request =
            format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.connection.get_mut().write_all(request.as_bytes())?;
        let (id, event) = self.reply()?;
        let id = id.ok_or_else(|| io::Error::other("the event has no request id"))?;
        let (_, behind) = event.split_once("bytes").unwrap_or_default();
        let digits = behind.chars().skip_while(|character| !character.is_ascii_digit());
        let digits: String = digits.take_while(char::is_ascii_digit).collect();
        Ok((id, digits.parse().map_err(io::Error::other)?))
    }

    /// Answers an event with so many bytes.
    fn stream(&mut self, id: &str, bytes: usize, chunk: &[u8]) -> io::Result<()> {
        let host = &self.address;
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {host}\r\n\
             Content-Type: application/octet-stream\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\n\
             Transfer-Encoding: chunked\r\n\r\n"
        );
        let connection = self.connection.get_mut();
        connection.write_all(head.as_bytes())?;
        for _ in 0..bytes / CHUNK_BYTES {
            connection.write_all(chunk)?;
        }
        if bytes % CHUNK_BYTES > 0 {
            connection.write_all(&framed(bytes % CHUNK_BYTES))?;
        }
        connection.write_all(b"0\r\n\r\n")?;
        self.reply().map(|_accepted| ())
    }

    /// Reads a reply: the id of an event, if there is one, and the body.
    fn reply(&mut self) -> io::Result<(Option<String>, String)> {
        let status = self.line()?;
        let (mut id, mut body_bytes) = (None, 0);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line.as_str(), ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                body_bytes = value.parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
                id = Some(value.to_owned());
            }
        }
        let mut body = vec![0; body_bytes];
        self.connection.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        match status.split(' ').nth(1) {
            Some("200" | "202") => Ok((id, body)),
            _ => Err(io::Error::other(format!("{status}: {body}"))),
        }
    }

    /// Reads one line of a reply's head, without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.connection.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the connection was closed"));
        }
        Ok(line.trim_end().to_owned())
    }
}

/// So many bytes as one chunk of HTTP.
fn framed(bytes: usize) -> Vec<u8> {
    let mut chunk = format!("{bytes:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + bytes, b'x');
    chunk.extend_from_slice(b"\r\n");
    chunk
}
