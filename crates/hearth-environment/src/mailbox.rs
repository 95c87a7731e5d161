//! What an environment's task is told, by whom it may be told, and what it owes for it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::invocation::{Completed, Invocation};
use crate::runtime_api::Call;
use crate::telemetry::deliver::Delivered;

/// What an environment's task is told.
#[derive(Debug)]
pub(crate) enum Message {
    Assign(Box<Assignment>),
    Retire,
    /// From a connection that was accepted in this epoch: see [`Epoch`].
    Call(Epoch, Call),
    /// What became of a batch of telemetry that was sent in this epoch.
    Delivered(Epoch, Delivered),
}

/// Counts the resets of an environment. What a runtime sent before it was ended must not be taken
/// for a call of the one that comes after it.
pub(crate) type Epoch = u64;

/// Work, and where to send what came of it.
#[derive(Debug)]
pub struct Assignment {
    /// What to run.
    pub invocation: Invocation,
    /// Where the outcome goes. The caller may have gone away; the function runs to its end anyway.
    pub outcome: oneshot::Sender<Result<Completed, NotTaken>>,
    /// Let go when the outcome is there, whether or not the caller still waits for it.
    pub hold: Option<Hold>,
}

/// Something that is held while an invocation runs, such as its place among those of a function.
pub type Hold = Arc<dyn Held>;

/// What can be held.
pub trait Held: fmt::Debug + Send + Sync {}

/// The environment went away before it could take the invocation, which did not run.
#[derive(Debug)]
pub struct NotTaken(pub Invocation);
