//! Runs the function of a mapping for a batch, once.
//!
//! # Deliberately absent
//!
//! Trying again: each family of sources does that in its own way.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_control::mapping::Mapping;
use hearth_environment::invocation::{LogRequest, RunResult};
use hearth_invoke::asynchronous::Cause;
use hearth_invoke::{InvokeRequest, Invoker};
use hearth_types::errors::causes;
use hearth_types::ids::RequestId;
use hearth_types::names::Qualifier;
use serde_json::Value;

/// How long a description of a failure may be that is remembered.
pub(crate) const REASON_CHARACTERS_MAX: usize = 500;

/// A batch for a function.
#[derive(Debug, Clone)]
pub struct Call {
    /// The id of the invocation. Another one for each attempt.
    pub id: RequestId,
    /// The event.
    pub payload: Bytes,
    /// The `X-Amzn-Trace-Id` of what led to it.
    pub trace: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ran {
    /// The function has answered.
    Answered {
        /// What it answered.
        answer: Bytes,
        /// The version that ran.
        version: String,
    },
    /// The function has failed.
    Failed {
        /// Its description of why.
        error: Bytes,
        /// The version that ran.
        version: String,
    },
    /// The function was not run.
    NotRun(NotRun),
}

/// Why a function was not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRun {
    /// A limit was met: of the account, of the function, or of this host.
    Throttled,
    /// Something is wrong for now; the text says what. Also if there is no such function: it may
    /// be made again, and records are not to be lost meanwhile.
    Unavailable(String),
    /// The server is going away.
    Closing,
    /// It will not be run for this event, whenever it is tried.
    Refused(String),
}

/// Runs functions.
#[async_trait]
pub trait RunFunction: Send + Sync + Debug {
    /// Runs the function of a mapping once.
    async fn run(&self, mapping: &Mapping, call: Call) -> Ran;
}

#[async_trait]
impl RunFunction for Arc<Invoker> {
    async fn run(&self, mapping: &Mapping, call: Call) -> Ran {
        let Call { id, payload, trace } = call;
        let qualifier = mapping.qualifier.as_deref().map(Qualifier::parse).transpose();
        let Ok(qualifier) = qualifier else {
            return Ran::NotRun(NotRun::Unavailable("the qualifier cannot be read".to_owned()));
        };
        let request = InvokeRequest {
            id,
            function: mapping.function.clone(),
            qualifier,
            payload,
            client_context: None,
            trace,
            log: LogRequest::None,
        };
        match Box::pin(self.invoke(request)).await {
            Ok(outcome) => {
                let (payload, version) = (outcome.completed.payload, outcome.version.to_string());
                match outcome.completed.result {
                    RunResult::Success => Ran::Answered { answer: payload, version },
                    RunResult::Unhandled => Ran::Failed { error: payload, version },
                }
            }
            Err(error) => Ran::NotRun(match error.cause() {
                Cause::Throttled => NotRun::Throttled,
                Cause::Closing => NotRun::Closing,
                Cause::Unavailable | Cause::Gone => NotRun::Unavailable(chain(&error)),
                Cause::Recursive | Cause::Refused => NotRun::Refused(chain(&error)),
            }),
        }
    }
}

/// What a function says of its failure, in a line.
#[must_use]
pub fn reason(error: &[u8]) -> String {
    let described: Value = serde_json::from_slice(error).unwrap_or_default();
    let part = |name: &str| described.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, message) = (part("errorType"), part("errorMessage"));
    let text = if kind.is_empty() { message.to_owned() } else { format!("{kind}: {message}") };
    text.chars().take(REASON_CHARACTERS_MAX).collect()
}

/// An error and its causes, in a line.
fn chain(error: &dyn std::error::Error) -> String {
    causes(error).chars().take(REASON_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_described_in_a_line() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"errorType": "ValueError", "errorMessage": "no"}"#, "ValueError: no"),
            (r#"{"errorMessage": "no"}"#,                            "no"),
            ("[]",                                                   ""),
            ("{",                                                    ""),
        ];
        for (error, expected) in rows {
            assert_eq!(reason(error.as_bytes()), expected, "{error}");
        }
    }
}
