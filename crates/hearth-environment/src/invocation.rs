//! What goes into an environment and what comes out of it.

use std::time::Duration;

use bytes::Bytes;
use hearth_types::ids::RequestId;

use crate::stream::ResponseStream;

/// One call of a function.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Its id, in headers, context and log.
    pub id: RequestId,
    /// The event, untouched.
    pub payload: Bytes,
    /// The function as the caller named it: with the qualifier that was given, and none else.
    pub invoked_arn: String,
    /// The caller's client context, as JSON text.
    pub client_context: Option<String>,
    /// The X-Ray header.
    pub trace: String,
    /// Whether the caller wants the end of the log.
    pub log: LogRequest,
}

/// Whether the caller wants the end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogRequest {
    /// It does not.
    #[default]
    None,
    /// The last 4 KB.
    Tail,
}

/// An invocation that ran to its end, well or not.
#[derive(Debug, Clone)]
pub struct Completed {
    /// The answer, or the description of the error.
    pub payload: Bytes,
    /// Whether it is the one or the other.
    pub result: RunResult,
    /// The end of the log, if it was asked for.
    pub log_tail: Option<Vec<u8>>,
    /// How long each part took.
    pub timeline: Timeline,
}

/// What a caller gets that takes an answer as it comes.
#[derive(Debug)]
pub enum Answer {
    /// The function did not stream, or did not get as far.
    Whole(Completed),
    /// The beginning is there, or will be; the invocation runs on.
    Stream(ResponseStream),
}

/// Whether the function succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunResult {
    /// The payload is what the function returned.
    Success,
    /// The payload describes an error. AWS calls all of them unhandled.
    Unhandled,
}

/// Where the time of one invocation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timeline {
    /// From the request until an environment was assigned. Filled in by the invoker.
    pub queued: Duration,
    /// Building the walls, if this invocation is the environment's first.
    pub walls: Option<Duration>,
    /// The init phase, if this invocation is the environment's first.
    pub init: Option<Duration>,
    /// The handler, from the event to the answer.
    pub handler: Duration,
    /// What is billed: init and handler, in whole milliseconds.
    pub billed_ms: u64,
    /// The most memory that the environment ever used.
    pub memory_used_mb: u32,
    /// From the request to the answer. Filled in by the invoker.
    pub total: Duration,
}
