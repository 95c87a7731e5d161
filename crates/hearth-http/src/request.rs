//! A request that has arrived, whole.

use std::net::IpAddr;

use bytes::Bytes;
use hearth_types::ids::RequestId;
use hearth_types::time::Timestamp;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its id, chosen at the door.
    pub id: RequestId,
    /// When it arrived.
    pub time: Timestamp,
    /// Its method, as it was sent.
    pub method: String,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// `HTTP/1.1` or `HTTP/2.0`, as AWS writes it.
    pub protocol: &'static str,
    /// The host that it is for, in lower case and without its port.
    pub host: String,
    /// The port of the listener that it arrived at.
    pub port: u16,
    /// The part of its path that is the site's, percent-encoded as it was sent; begins with a `/`.
    pub path: String,
    /// What stands behind the `?`, as it was sent.
    pub query: String,
    /// Its headers in the order in which they came, with names in lower case. Each value is one
    /// header, so a name can come more than once.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    /// Who sent it.
    pub from: IpAddr,
}

/// How a request was carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Through TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Request {
    /// The first header with this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
