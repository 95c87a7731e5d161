//! The Runtime API, version 2018-06-01: how a runtime asks for events and answers them.
//!
//! [`session`] decides, [`server`] speaks HTTP. One environment has one session, owned by its
//! driver; every connection from inside sends [`Call`]s to it and waits for the verdict, so that
//! calls may come over as many connections as the runtime's client likes.

pub mod session;
pub mod server;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::invocation::Invocation;
use session::Refusal;

/// A call of the runtime, with where to send the verdict.
#[derive(Debug)]
pub enum Call {
    /// Asks for the next event.
    Next(oneshot::Sender<Result<Box<Delivery>, Refusal>>),
    /// Answers an invocation.
    Respond(String, Posted, oneshot::Sender<Result<(), Refusal>>),
    /// Could not load the function.
    InitError(Bytes, oneshot::Sender<Result<(), Refusal>>),
}

/// An event on its way to the runtime.
#[derive(Debug)]
pub struct Delivery {
    /// What to run.
    pub invocation: Invocation,
    /// When it will be stopped, in milliseconds since 1970.
    pub deadline_ms: u64,
}

/// What the runtime posted for an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// What the function returned.
    Response(Bytes),
    /// The description of an error.
    Error(Bytes),
    /// More than an answer may have.
    TooLarge,
    /// The connection ended in the middle of it.
    Truncated,
}
