//! What an environment's task is told, by whom it may be told, and what it owes for it.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::invocation::{Answer, Completed, Invocation};
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
    pub outcome: Taker,
    /// Let go when the outcome is there, whether or not the caller still waits for it.
    pub hold: Option<Hold>,
}

/// Where an outcome goes, which says how its caller takes it.
#[derive(Debug)]
pub enum Taker {
    /// Whole, when it is complete.
    Whole(oneshot::Sender<Result<Completed, NotTaken>>),
    /// As it comes, if the function streams it.
    Pieces(oneshot::Sender<Result<Answer, NotTaken>>),
}

impl Taker {
    /// Gives an invocation back that did not run. The caller may have gone away, here and below.
    pub(crate) fn not_taken(self, invocation: Invocation) {
        match self {
            Self::Whole(caller) => drop(caller.send(Err(NotTaken(invocation)))),
            Self::Pieces(caller) => drop(caller.send(Err(NotTaken(invocation)))),
        }
    }

    /// Gives the caller an outcome that is complete.
    pub(crate) fn complete(self, completed: Completed) {
        match self {
            Self::Whole(caller) => drop(caller.send(Ok(completed))),
            Self::Pieces(caller) => drop(caller.send(Ok(Answer::Whole(completed)))),
        }
    }
}

/// Something that is held while an invocation runs, such as its place among those of a function.
pub type Hold = Arc<dyn Held>;

/// What can be held.
pub trait Held: fmt::Debug + Send + Sync {}

/// The environment went away before it could take the invocation, which did not run.
#[derive(Debug)]
pub struct NotTaken(pub Invocation);
