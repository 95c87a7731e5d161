//! Where the output of a function goes.
//!
//! The environment writes, `hearth-telemetry` keeps. The two know each other by these traits only,
//! so that the warm path never waits for a disk: [`LogStream::append`] hands an event over and
//! returns, and [`LogStream::room`] is how a flood is slowed down, by not reading its pipe.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::names::Scope;
use crate::time::Timestamp;

/// One line, or one framed message, of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// When it was written.
    pub at: Timestamp,
    /// Its text, with the newline that ends it, as AWS keeps it. Any bytes; shown as UTF-8 with
    /// replacements.
    pub message: Bytes,
}

/// Takes the output of all environments.
pub trait LogSink: Send + Sync + fmt::Debug {
    /// Opens the stream of one environment. The group and the stream come into being with the
    /// first event.
    fn open(&self, scope: &Scope, group: &str, stream: &str) -> Arc<dyn LogStream>;
}

/// The output of one environment.
///
/// # Promises
///
/// 1. Events come out in the order in which they were appended. None is dropped, unless the disk
///    refuses it: then that is reported, and functions go on.
/// 2. `append` does not wait for a disk.
/// 3. `room` is ready as soon as less than `LOG_PENDING_BYTES_MAX` bytes wait to be written.
pub trait LogStream: Send + Sync + fmt::Debug {
    /// Hands events over, in order.
    fn append(&self, events: Vec<LogEvent>);

    /// Whether the stream may be given more output now.
    fn has_room(&self) -> bool;

    /// Waits until the stream may be given more output.
    fn room(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}
