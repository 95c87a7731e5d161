//! A function that says durably that it ran: it puts the id of its event into the queue `ran`, and
//! answers only when the queue has it. Without any library.
//!
//! An event is `{"id":"…"}`. With `"fail":true` it ends in an error and reports nothing. Of a batch of
//! messages, each body is an id. Of a batch of records of a stream, of Kafka or of RabbitMQ it is the data
//! as it came, in base64, and of a batch of changes of a table the key `id`. The variable `REPORTS_TO` names another queue. If it ends in `.fifo`, that keeps the order.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// How long to wait before a queue is tried again that did not take the report.
const AGAIN: Duration = Duration::from_millis(50);
/// How often it is tried: for as long as the function may run.
const ATTEMPTS_MAX: usize = 1_000;

fn main() -> io::Result<()> {
    let runtime = env::var("AWS_LAMBDA_RUNTIME_API").map_err(io::Error::other)?;
    let endpoint = env::var("AWS_ENDPOINT_URL").map_err(io::Error::other)?;
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let name = env::var("REPORTS_TO").unwrap_or_else(|_| "ran".to_owned());
    let queue = Queue { address, name };
    let mut runtime = Peer::connect(&runtime)?;
    loop {
        let event = runtime.ask("GET", "/2018-06-01/runtime/invocation/next", "", "")?;
        let request = event.request_id.ok_or_else(|| io::Error::other("no request id"))?;
        let invocation = format!("/2018-06-01/runtime/invocation/{request}");
        if event.body.contains("\"fail\":true") {
            let error = r#"{"errorMessage":"as told","errorType":"Told"}"#;
            runtime.ask("POST", &format!("{invocation}/error"), "", error)?;
        } else {
            for id in ids_of(&event.body) {
                queue.report(&request, id)?;
            }
            runtime.ask("POST", &format!("{invocation}/response"), "", "{}")?;
        }
    }
}

/// What is in the events of each kind of source, and what stands in front of each id there.
const SOURCES: [(&str, &str); 5] = [
    ("\"kinesis\":{", "\"data\":\""),
    ("\"dynamodb\":{", "\"Keys\":{\"id\":{\"S\":\""),
    ("\"bootstrapServers\":\"", "\"value\":\""),
    ("\"rmqMessagesByQueue\":{", "\"data\":\""),
    ("{\"Records\":[", "\"body\":\""),
];

/// The ids in an event: its own, the bodies of its messages, or what is in its records.
fn ids_of(event: &str) -> Vec<&str> {
    let source = SOURCES.into_iter().find(|(sign, _member)| event.contains(*sign));
    let Some((_sign, member)) = source else {
        return vec![text_of(event, "id").unwrap_or_default()];
    };
    let texts = event.split(member).skip(1);
    texts.filter_map(|behind| behind.split('"').next()).collect()
}

/// The value of a member that is a text without escapes.
fn text_of<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let behind = json.split_once(&format!("\"{name}\":\""))?.1;
    behind.split_once('"').map(|(text, _)| text)
}

/// Where the reports go.
struct Queue {
    address: String,
    name: String,
}

impl Queue {
    /// Puts an id into the queue; tries again when the queue does not take it, as with a full disk. A
    /// queue that keeps the order takes an id once for each invocation, however often it is tried.
    fn report(&self, request: &str, id: &str) -> io::Result<()> {
        let Queue { address, name } = self;
        let order = if name.ends_with(".fifo") {
            format!(r#","MessageGroupId":"all","MessageDeduplicationId":"{request}/{id}""#)
        } else {
            String::new()
        };
        let body = format!(
            r#"{{"QueueUrl":"http://{address}/000000000000/{name}","MessageBody":"{id}"{order}}}"#
        );
        let headers = "X-Amz-Target: AmazonSQS.SendMessage\r\n\
                       Content-Type: application/x-amz-json-1.0\r\n";
        let mut outcome = Ok(());
        for _attempt in 0..ATTEMPTS_MAX {
            let sent = Peer::connect(address);
            match sent.and_then(|mut queue| queue.ask("POST", "/", headers, &body)) {
                Ok(_taken) => return Ok(()),
                Err(error) => outcome = Err(error),
            }
            thread::sleep(AGAIN);
        }
        outcome
    }
}

/// Somebody who speaks HTTP, on one connection.
struct Peer {
    address: String,
    connection: BufReader<TcpStream>,
}

/// What it answered.
struct Answer {
    request_id: Option<String>,
    body: String,
}

impl Peer {
    fn connect(address: &str) -> io::Result<Peer> {
        let connection = TcpStream::connect(address)?;
        connection.set_nodelay(true)?;
        Ok(Peer { address: address.to_owned(), connection: BufReader::new(connection) })
    }

    fn ask(&mut self, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
        let (host, length) = (&self.address, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        self.connection.get_mut().write_all(request.as_bytes())?;
        let status = self.line()?;
        let (mut request_id, mut bytes) = (None, 0_usize);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap_or((line.as_str(), ""));
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                bytes = value.parse().map_err(io::Error::other)?;
            } else if name.eq_ignore_ascii_case("lambda-runtime-aws-request-id") {
                request_id = Some(value.to_owned());
            }
        }
        let mut content = vec![0; bytes];
        self.connection.read_exact(&mut content)?;
        let body = String::from_utf8_lossy(&content).into_owned();
        match status.split(' ').nth(1) {
            Some("200" | "202") => Ok(Answer { request_id, body }),
            _ => Err(io::Error::other(format!("{status}: {body}"))),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.connection.read_line(&mut line)? == 0 {
            return Err(io::Error::other("the connection was closed"));
        }
        Ok(line.trim_end().to_owned())
    }
}
