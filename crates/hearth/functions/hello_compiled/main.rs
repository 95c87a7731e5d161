//! A Lambda function without any library: it speaks the Runtime API over a plain socket.
//!
//! `hearth quickstart` deploys it as a `provided.al2023` function: the compiled program is called
//! `bootstrap`, asks for one event after the other, and answers each with a greeting and the event.
//! A real function would use the `lambda_runtime` crate, which does the same and more.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The function itself: takes an event as JSON and returns an answer as JSON.
fn handle(event: &str) -> String {
    let event = if event.trim().is_empty() { "null" } else { event };
    format!(r#"{{"message":"Hello from a compiled function!","event":{event}}}"#)
}

fn main() -> io::Result<()> {
    let address = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let mut runtime = Runtime::connect(&address)?;
    loop {
        let invocation = runtime.next()?;
        let answer = handle(&invocation.event);
        runtime.respond(&invocation.id, &answer)?;
    }
}

/// One event, and the id under which it is to be answered.
struct Invocation {
    id: String,
    event: String,
}

/// The Runtime API, on one connection that is kept open.
struct Runtime {
    address: String,
    connection: BufReader<TcpStream>,
}

impl Runtime {
    /// The address is always `IP:PORT`, so no name has to be looked up.
    fn connect(address: &str) -> io::Result<Runtime> {
        let socket_address: SocketAddr = address.parse().map_err(io::Error::other)?;
        let connection = TcpStream::connect(socket_address)?;
        // An answer is small and must not wait for more to be sent with it.
        connection.set_nodelay(true)?;
        Ok(Runtime { address: address.to_owned(), connection: BufReader::new(connection) })
    }

    /// Waits for the next event. The environment is frozen while it waits.
    fn next(&mut self) -> io::Result<Invocation> {
        let head = format!(
            "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {}\r\n\r\n",
            self.address
        );
        let reply = self.exchange(head.as_bytes())?;
        let id = reply.id.ok_or_else(|| wrong("the event has no request id"))?;
        let event = String::from_utf8(reply.body).map_err(io::Error::other)?;
        Ok(Invocation { id, event })
    }

    /// Answers an event.
    fn respond(&mut self, id: &str, answer: &str) -> io::Result<()> {
        let request = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            self.address,
            answer.len()
        );
        self.exchange(request.as_bytes()).map(|_accepted| ())
    }

    /// Sends one request and reads the reply to it.
    fn exchange(&mut self, request: &[u8]) -> io::Result<Reply> {
        self.connection.get_mut().write_all(request)?;
        let status = self.line()?;
        let mut reply = Reply { id: None, body: Vec::new() };
        let mut body_bytes: usize = 0;
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| wrong("not a header"))?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                body_bytes = value.parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
                reply.id = Some(value.to_owned());
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(wrong("the reply comes in chunks, which this example does not read"));
            }
        }
        reply.body = vec![0; body_bytes];
        self.connection.read_exact(&mut reply.body)?;
        // `HTTP/1.1 200 OK`, or 202 for an answer that was accepted.
        match status.split(' ').nth(1) {
            Some("200" | "202") => Ok(reply),
            _ => Err(wrong(&format!("{status}: {}", String::from_utf8_lossy(&reply.body)))),
        }
    }

    /// Reads one line of a reply's head, without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.connection.read_line(&mut line)? == 0 {
            return Err(wrong("the connection was closed"));
        }
        Ok(line.trim_end().to_owned())
    }
}

/// What is of use in a reply.
struct Reply {
    id: Option<String>,
    body: Vec<u8>,
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}
