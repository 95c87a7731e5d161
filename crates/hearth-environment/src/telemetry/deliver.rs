//! Sends one batch of telemetry over a connection into the environment.
//!
//! There is no limit on how long that takes: the environment may be frozen in the middle of it, and
//! goes on when it is thawed. Whoever starts it ends it when the environment is reset or gone.

use std::fmt;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;

use super::subscription::{Destination, Method};
use crate::backend::Connection;

/// A batch, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parcel {
    /// The body, or the lines.
    pub(crate) bytes: Bytes,
    /// Whereto.
    pub(crate) destination: Destination,
}

/// What became of a batch.
pub(crate) struct Delivered {
    /// Whose it was.
    pub(crate) subscriber: usize,
    /// Whether it was taken.
    pub(crate) sent: Sent,
}

/// Whether a batch was taken.
pub(crate) enum Sent {
    /// It was. The connection is for the next one, where that is how it goes.
    Taken(Option<Box<dyn Connection>>),
    /// It was not.
    Refused,
}

impl fmt::Debug for Delivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = matches!(self.sent, Sent::Taken(_));
        let mut shown = formatter.debug_struct("Delivered");
        shown.field("subscriber", &self.subscriber).field("taken", &taken).finish()
    }
}

/// Sends a batch.
pub(crate) async fn send(mut connection: Box<dyn Connection>, parcel: Parcel) -> Sent {
    match parcel.destination {
        Destination::Tcp { .. } => match connection.write_all(&parcel.bytes).await {
            Ok(()) => Sent::Taken(Some(connection)),
            Err(_broken) => Sent::Refused,
        },
        Destination::Http { path, authority, method, .. } => {
            let method = match method {
                Method::Post => hyper::Method::POST,
                Method::Put => hyper::Method::PUT,
            };
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, authority)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(parcel.bytes));
            match request {
                Ok(request) => post(connection, request).await,
                Err(_odd_path) => Sent::Refused,
            }
        }
    }
}

async fn post(connection: Box<dyn Connection>, request: Request<Full<Bytes>>) -> Sent {
    let io = TokioIo::new(connection);
    let Ok((mut sender, serving)) = hyper::client::conn::http1::handshake(io).await else {
        return Sent::Refused;
    };
    let exchange = async move {
        // The connection ends when the sender is dropped, with the exchange.
        let answer = sender.send_request(request).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    let (taken, _ended) = tokio::join!(exchange, serving);
    if taken { Sent::Taken(None) } else { Sent::Refused }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    const BATCH: &[u8] = b"[{\"type\":\"function\"}]";

    fn http() -> Parcel {
        let destination = Destination::Http {
            port: 8080,
            path: "/in".to_owned(),
            authority: "sandbox.localdomain:8080".to_owned(),
            method: Method::Post,
        };
        Parcel { bytes: Bytes::from_static(BATCH), destination }
    }

    #[tokio::test]
    async fn a_batch_is_one_request_and_its_status_is_what_counts() {
        #[rustfmt::skip]
        let rows: [(&[u8], bool); 3] = [
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", true),
            (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", false),
            (b"no HTTP at all", false),
        ];
        for (answer, taken) in rows {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let server = async move {
                let mut request = vec![0; 4096];
                let mut length = 0;
                while !request[..length].ends_with(BATCH) {
                    length += theirs.read(&mut request[length..]).await.unwrap();
                }
                theirs.write_all(answer).await.unwrap();
                String::from_utf8(request[..length].to_vec()).unwrap()
            };
            let (sent, request) = tokio::join!(send(Box::new(ours), http()), server);
            assert_eq!(matches!(sent, Sent::Taken(None)), taken);
            assert!(request.starts_with("POST /in HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("host: sandbox.localdomain:8080\r\n"), "{request}");
        }
    }

    #[tokio::test]
    async fn lines_go_over_a_connection_that_is_kept() {
        let (ours, mut theirs) = tokio::io::duplex(4096);
        let destination = Destination::Tcp { port: 4444 };
        let parcel = Parcel { bytes: Bytes::from_static(b"{}\n{}\n"), destination };
        let Sent::Taken(Some(connection)) = send(Box::new(ours), parcel).await else { panic!() };
        drop(connection);
        let mut lines = String::new();
        theirs.read_to_string(&mut lines).await.unwrap();
        assert_eq!(lines, "{}\n{}\n");
    }
}
