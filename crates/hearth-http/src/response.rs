//! What a site answers.

use bytes::Bytes;
use hearth_environment::stream::ResponseStream;

/// Headers that concern one connection only, and the length, which is known without being said.
pub const OF_CONNECTION: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A response.
#[derive(Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers, in this order. What cannot stand in a header is left out at the door; so is
    /// what is in [`OF_CONNECTION`].
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Body,
}

/// The body of a response.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Some bytes that are there, and what the function sends behind them.
    Stream(Bytes, ResponseStream),
}

impl Response {
    /// A response that says something in JSON.
    #[must_use]
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Body::Whole(Bytes::from(body.to_string())),
        }
    }
}
