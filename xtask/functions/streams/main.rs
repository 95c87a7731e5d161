//! A Lambda function that streams its answer, without any library: for `cargo xtask bench`.
//!
//! The event says how much, such as `{"bytes": 200000000}`, or that of a request with the query
//! `bytes=200000000`. What it needs itself is one chunk.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>

#[path = "../runtime.rs"]
mod runtime;

use std::io::{self, Write};

use runtime::Runtime;

const CHUNK_BYTES: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let mut runtime = Runtime::connect()?;
    let chunk = framed(CHUNK_BYTES);
    loop {
        let (id, event) = runtime.next()?;
        stream(&mut runtime, &id, asked(&event)?, &chunk)?;
    }
}

/// How much an event asks for.
fn asked(event: &[u8]) -> io::Result<usize> {
    let event = String::from_utf8_lossy(event);
    let (_, behind) = event.split_once("bytes").unwrap_or_default();
    let digits = behind.chars().skip_while(|character| !character.is_ascii_digit());
    let digits: String = digits.take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(io::Error::other)
}

/// Answers an event with so many bytes.
fn stream(runtime: &mut Runtime, id: &str, bytes: usize, chunk: &[u8]) -> io::Result<()> {
    let headers = "Content-Type: application/octet-stream\r\n\
                   Lambda-Runtime-Function-Response-Mode: streaming\r\n\
                   Transfer-Encoding: chunked";
    let head = runtime.head(id, headers);
    let connection = runtime.connection.get_mut();
    connection.write_all(head.as_bytes())?;
    for _ in 0..bytes / CHUNK_BYTES {
        connection.write_all(chunk)?;
    }
    if bytes % CHUNK_BYTES > 0 {
        connection.write_all(&framed(bytes % CHUNK_BYTES))?;
    }
    connection.write_all(b"0\r\n\r\n")?;
    runtime.reply().map(|_accepted| ())
}

/// So many bytes as one chunk of HTTP.
fn framed(bytes: usize) -> Vec<u8> {
    let mut chunk = format!("{bytes:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + bytes, b'x');
    chunk.extend_from_slice(b"\r\n");
    chunk
}
