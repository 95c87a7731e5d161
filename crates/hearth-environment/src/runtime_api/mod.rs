//! The Runtime API, version 2018-06-01: how a runtime asks for events and answers them. And what is
//! served at the same address: the Extensions API, the Telemetry API and the older Logs API.
//!
//! [`session`] and [`extensions`] decide, [`server`] and [`extension_server`] speak HTTP, `streaming`
//! passes on what comes in pieces. One environment has one session, owned by its
//! driver; every connection from inside sends [`Call`]s to it and waits for the verdict, so that
//! calls may come over as many connections as the runtime's client likes.

pub mod session;
pub mod extensions;
pub mod server;
mod streaming;
pub mod extension_server;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::invocation::Invocation;
use crate::stream::{Feed, StreamError};
use crate::telemetry::subscription::Subscription;
use extensions::{ExtensionEvent, ExtensionId, ExtensionRefusal, Registered, Registration};
use session::Refusal;

/// A call of the runtime, with where to send the verdict.
#[derive(Debug)]
pub enum Call {
    /// Asks for the next event.
    Next(oneshot::Sender<Result<Box<Delivery>, Refusal>>),
    /// Answers an invocation.
    Respond(String, Posted, oneshot::Sender<Result<(), Refusal>>),
    /// Begins to stream the answer of an invocation.
    BeginStream(Beginning, oneshot::Sender<Result<Taking, Refusal>>),
    /// Has sent all of it, or as much as there will be.
    EndStream(String, Posted, oneshot::Sender<Result<(), Refusal>>),
    /// Could not load the function.
    InitError(Bytes, oneshot::Sender<Result<(), Refusal>>),
    /// Not from the runtime itself.
    Extension(Box<ExtensionCall>),
}

/// A call of an extension, with where to send the verdict.
#[derive(Debug)]
pub enum ExtensionCall {
    /// Registers by name, for events.
    Register(Registration, oneshot::Sender<Result<Registered, ExtensionRefusal>>),
    /// Asks for the next event.
    Next(ExtensionId, oneshot::Sender<Result<ExtensionEvent, ExtensionRefusal>>),
    /// Could not initialise, with an error of this type.
    InitError(ExtensionId, String, oneshot::Sender<Result<(), ExtensionRefusal>>),
    /// Ends, with an error of this type.
    ExitError(ExtensionId, String, oneshot::Sender<Result<(), ExtensionRefusal>>),
    /// Wants telemetry.
    Subscribe(ExtensionId, Subscription, oneshot::Sender<Result<(), ExtensionRefusal>>),
}

impl ExtensionCall {
    /// Whether nobody waits for the verdict any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Register(_, reply) => reply.is_closed(),
            Self::Next(_, reply) => reply.is_closed(),
            Self::InitError(_, _, reply)
            | Self::ExitError(_, _, reply)
            | Self::Subscribe(_, _, reply) => reply.is_closed(),
        }
    }
}

/// What the runtime says when it begins to stream an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The id of the invocation.
    pub id: String,
    /// What the answer is made of, as its `Content-Type` says.
    pub content_type: Option<String>,
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
    /// It was to come in a way that does not exist.
    UnknownMode,
    /// The end of an answer that went to the caller in pieces.
    Streamed(Streamed),
}

/// How an answer ended that went to the caller in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streamed {
    /// All of it went.
    Whole,
    /// The function failed in the middle of it.
    Failed(StreamError),
    /// It was more than an answer may have.
    TooLarge,
    /// The connection ended in the middle of it.
    Truncated,
}

/// How an answer that is streamed is to be taken.
#[derive(Debug)]
pub enum Taking {
    /// As if it were not: its caller wants it whole.
    Whole,
    /// Piece by piece.
    Pieces(Feed),
}
