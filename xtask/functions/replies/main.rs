//! A Lambda function that answers little, however much it gets, without any library: for
//! `cargo xtask bench`.
//!
//! Its answer is a response as every way over HTTP takes it, and has the size of the event for a body.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn main() -> io::Result<()> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let connection = TcpStream::connect(&address)?;
    connection.set_nodelay(true)?;
    let mut runtime = Runtime { address, connection: BufReader::new(connection) };
    loop {
        let (id, event_bytes) = runtime.ask("GET", "next", "")?;
        let id = id.ok_or_else(|| io::Error::other("the event has no request id"))?;
        let answer = format!(
            r#"{{"statusCode":200,"headers":{{"content-type":"text/plain"}},"body":"{event_bytes}"}}"#
        );
        runtime.ask("POST", &format!("{id}/response"), &answer)?;
    }
}

/// The Runtime API, on one connection that is kept open.
struct Runtime {
    address: String,
    connection: BufReader<TcpStream>,
}

impl Runtime {
    /// Sends a request and reads the reply: the id of an event, if there is one, and how long the
    /// body is.
    fn ask(&mut self, method: &str, what: &str, body: &str) -> io::Result<(Option<String>, usize)> {
        let (host, length) = (&self.address, body.len());
        let request = format!(
            "{method} /2018-06-01/runtime/invocation/{what} HTTP/1.1\r\nHost: {host}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.connection.get_mut().write_all(request.as_bytes())?;
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
        match status.split(' ').nth(1) {
            Some("200" | "202") => Ok((id, body.len())),
            _ => Err(io::Error::other(format!("{status}: {}", String::from_utf8_lossy(&body)))),
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
