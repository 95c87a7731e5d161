//! A simulated runtime that streams its answer.
//!
//! It writes HTTP by hand: what matters is when each piece is on the line, and how the line ends.

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::{Answered, SimulatedRuntime};

/// An answer that is being streamed. Letting go of it breaks its connection.
#[derive(Debug)]
pub struct SimulatedStream {
    /// `None` if the environment was being taken down before it began.
    connection: Option<DuplexStream>,
}

impl SimulatedRuntime {
    /// Begins to stream the answer of an invocation, in the mode of this name: AWS knows
    /// `streaming`.
    pub async fn stream(&self, id: &str, mode: &str) -> SimulatedStream {
        let mut stream = SimulatedStream { connection: self.open().await };
        let head = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: runtime\r\n\
             connection: close\r\ntransfer-encoding: chunked\r\n\
             lambda-runtime-function-response-mode: {mode}\r\n\
             trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n"
        );
        stream.write(head.as_bytes()).await;
        stream
    }
}

impl SimulatedStream {
    /// Sends a piece, which must not be empty. Waits while nobody takes it.
    pub async fn send(&mut self, piece: &[u8]) {
        self.write(format!("{:x}\r\n", piece.len()).as_bytes()).await;
        self.write(piece).await;
        self.write(b"\r\n").await;
    }

    /// Ends it well, and waits for the answer.
    pub async fn end(self) -> Answered {
        self.finish("").await
    }

    /// Ends it with an error in its trailers. `body` is in base64.
    pub async fn fail(self, kind: &str, body: &str) -> Answered {
        let trailers = format!(
            "Lambda-Runtime-Function-Error-Type: {kind}\r\n\
             Lambda-Runtime-Function-Error-Body: {body}\r\n"
        );
        self.finish(&trailers).await
    }

    async fn finish(mut self, trailers: &str) -> Answered {
        self.write(format!("0\r\n{trailers}\r\n").as_bytes()).await;
        let mut answer = Vec::new();
        if let Some(connection) = &mut self.connection {
            let _ = connection.read_to_end(&mut answer).await;
        }
        if answer.is_empty() {
            // The environment is being taken down, and this runtime with it.
            std::future::pending::<()>().await;
        }
        answered(&answer)
    }

    /// Writes what still can be written: an answer that is refused early is found when it is read.
    async fn write(&mut self, bytes: &[u8]) {
        if let Some(connection) = &mut self.connection {
            let _ = connection.write_all(bytes).await;
        }
    }
}

/// Reads an answer; one without a status has 0.
fn answered(answer: &[u8]) -> Answered {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = Bytes::copy_from_slice(body.as_bytes());
    Answered { status, request_id: None, extension_id: None, body }
}
