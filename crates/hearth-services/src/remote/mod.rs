//! Services elsewhere that speak the protocols of the embedded ones, and HTTP endpoints.
//!
//! ```text
//!  buckets   S3    GET, PUT of an object     ┐
//!  queues, polled   SQS   AWS JSON           ├─▶ endpoint ──▶ client ──▶ a connection
//!  topics    SNS   query, Publish            │   (signs)     (keeps them)
//!  buses     EventBridge  AWS JSON, PutEvents┤                  ▲
//!  operations  any        AWS JSON           ┘                  │
//!  http      whoever subscribed with a URL   ───────────────────┤
//!  web       keys of issuers, what APIs pass on ────────────────┘
//! ```
//!
//! # Promises
//!
//! 1. Asking ends: connecting, the answer and its size are bounded.
//! 2. The secret is in no log, no error and no `Debug` output.
//! 3. What is refused for good is told apart from what may be taken another time.
//!
//! # Deliberately absent
//!
//! Retries: whoever delivers makes them.

pub mod buckets;
pub mod queues;
pub mod polled;
pub mod topics;
pub mod buses;
pub mod operations;
pub mod http;
pub mod web;
pub mod tls;
mod address;
mod endpoint;
mod refusal;
mod signature;
mod client;
#[cfg(test)]
mod played;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

pub use self::endpoint::RemoteError;

/// What signatures and forms leave as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same in a path.
const ENCODED_IN_PATH: &AsciiSet = &ENCODED.remove(b'/');
