//! Runs functions for requests.
//!
//! # Promises
//!
//! 1. A call has an end within its limit. A function that has begun runs on behind it.
//!
//! # Deliberately absent
//!
//! Statuses and texts: what a failure is to the client, each kind of site says in its own words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_control::error::ControlError;
use hearth_environment::invocation::{Answer, Completed, LogRequest, RunResult};
use hearth_environment::stream::ResponseStream;
use hearth_invoke::{AcquireError, InvokeError, InvokeRequest, Invoker};
use hearth_types::ids::RequestId;
use hearth_types::names::{FunctionArn, Qualifier};

/// Runs functions for requests.
#[derive(Debug, Clone)]
pub struct Functions(Arc<Invoker>);

/// A function that is to run.
#[derive(Debug)]
pub struct Call {
    /// The id of the invocation: that of the request, or one of its own.
    pub id: RequestId,
    /// What to run.
    pub function: FunctionArn,
    /// Which version of it.
    pub qualifier: Option<Qualifier>,
    /// The event.
    pub payload: Bytes,
    /// The `X-Amzn-Trace-Id` of the request.
    pub trace: Option<String>,
    /// How long the answer may take; `None` if that is for the function alone to say.
    pub within: Option<Duration>,
}

/// A function that has answered.
#[derive(Debug)]
pub struct Ran {
    /// What it answered.
    pub payload: Bytes,
    /// The `X-Amzn-Trace-Id` that it saw.
    pub trace: String,
}

/// A function that has begun to answer.
#[derive(Debug)]
pub struct Began {
    /// All of its answer, or the beginning.
    pub answer: Begun,
    /// The `X-Amzn-Trace-Id` that it sees.
    pub trace: String,
}

/// How a function answers.
#[derive(Debug)]
pub enum Begun {
    /// It did not stream.
    Whole(Bytes),
    /// It streams.
    Stream(ResponseStream),
}

/// Why there is no answer. Its text is for the server's log.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no such function, or no such version of it.
    #[error("there is no such function")]
    Missing,
    /// The function is not ready yet, or cannot be run.
    #[error("the function cannot be invoked")]
    NotReady,
    /// The event is larger than an event may be.
    #[error("the event is too large")]
    TooLarge,
    /// A limit was met: of the account, of the function, or of this host.
    #[error("too many requests")]
    Throttled,
    /// The function has invoked itself too often.
    #[error("the function invokes itself without end")]
    Recursive,
    /// The function ran and failed. The bytes are its description of why.
    #[error("the function failed")]
    Failed(Bytes),
    /// It took longer than the call may.
    #[error("the function took too long")]
    TooLate,
    /// The server is going away.
    #[error("the server is shutting down")]
    Closing,
    /// Ours to mend.
    #[error("the function could not be run")]
    Broken,
}

impl Functions {
    /// Runs them by this invoker.
    #[must_use]
    pub fn new(invoker: Arc<Invoker>) -> Self {
        Self(invoker)
    }

    /// Runs a function and waits for its answer.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn run(&self, call: Call) -> Result<Ran, Failure> {
        let limit = call.within;
        let outcome = within(limit, self.0.invoke(request(call))).await?;
        Ok(Ran { payload: answered(outcome.completed)?, trace: outcome.trace })
    }

    /// Runs a function and waits for the beginning of its answer, if it streams it.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn run_streaming(&self, call: Call) -> Result<Began, Failure> {
        let limit = call.within;
        let outcome = within(limit, self.0.invoke_streaming(request(call))).await?;
        let answer = match outcome.answer {
            Answer::Whole(completed) => Begun::Whole(answered(completed)?),
            Answer::Stream(stream) => Begun::Stream(stream),
        };
        Ok(Began { answer, trace: outcome.trace })
    }
}

fn request(call: Call) -> InvokeRequest {
    let Call { id, function, qualifier, payload, trace, within: _ } = call;
    let (client_context, log) = (None, LogRequest::None);
    InvokeRequest { id, function, qualifier, payload, client_context, trace, log }
}

async fn within<T>(
    limit: Option<Duration>,
    invoking: impl Future<Output = Result<T, InvokeError>>,
) -> Result<T, Failure> {
    let outcome = match limit {
        Some(limit) => match tokio::time::timeout(limit, invoking).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => return Err(Failure::TooLate),
        },
        None => invoking.await,
    };
    outcome.map_err(|error| failure(&error))
}

fn answered(completed: Completed) -> Result<Bytes, Failure> {
    match completed.result {
        RunResult::Success => Ok(completed.payload),
        RunResult::Unhandled => Err(Failure::Failed(completed.payload)),
    }
}

fn failure(error: &InvokeError) -> Failure {
    match error {
        InvokeError::NotResolved(ControlError::FunctionMissing(_)) => Failure::Missing,
        InvokeError::NotResolved(_) => Failure::NotReady,
        InvokeError::PayloadTooLarge { .. } | InvokeError::EventTooLarge { .. } => {
            Failure::TooLarge
        }
        InvokeError::Throttled(_)
        | InvokeError::NotPlaced(AcquireError::Room | AcquireError::Scaling) => Failure::Throttled,
        InvokeError::NotPlaced(AcquireError::Closing) => Failure::Closing,
        InvokeError::Recursive => Failure::Recursive,
        InvokeError::NotPlaced(AcquireError::NotStarted(why)) => {
            tracing::error!(why, "an execution environment could not be started");
            Failure::Broken
        }
        InvokeError::PayloadNotJson(_) | InvokeError::NotTaken | InvokeError::NotAccepted(_) => {
            tracing::error!(%error, "a request could not be run");
            Failure::Broken
        }
    }
}
