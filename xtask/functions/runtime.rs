//! The Runtime API, as functions of `cargo xtask bench` need it that are written without any library.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The Runtime API, on one connection that is kept open.
pub(crate) struct Runtime {
    address: String,
    pub(crate) connection: BufReader<TcpStream>,
}

impl Runtime {
    /// Connects to where the environment says.
    pub(crate) fn connect() -> io::Result<Self> {
        let address = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
        let connection = TcpStream::connect(&address)?;
        connection.set_nodelay(true)?;
        Ok(Self { address, connection: BufReader::new(connection) })
    }

    /// Waits for the next event: its id, and the body.
    pub(crate) fn next(&mut self) -> io::Result<(String, Vec<u8>)> {
        let host = &self.address;
        let request =
            format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (id, event) = self.send(&request)?;
        Ok((id.ok_or_else(|| io::Error::other("the event has no request id"))?, event))
    }

    /// The head of an answer to an event.
    pub(crate) fn head(&self, id: &str, headers: &str) -> String {
        let host = &self.address;
        format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {host}\r\n\
             {headers}\r\n\r\n"
        )
    }

    /// Sends a request and reads the reply.
    pub(crate) fn send(&mut self, request: &str) -> io::Result<(Option<String>, Vec<u8>)> {
        self.connection.get_mut().write_all(request.as_bytes())?;
        self.reply()
    }

    /// Reads a reply: the id of an event, if there is one, and the body.
    pub(crate) fn reply(&mut self) -> io::Result<(Option<String>, Vec<u8>)> {
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
            Some("200" | "202") => Ok((id, body)),
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
