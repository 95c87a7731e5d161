//! Asking the function of a target group.

use std::time::Duration;

use bytes::Bytes;
use hearth_environment::invocation::{LogRequest, RunResult};
use hearth_invoke::InvokeRequest;
use hearth_types::ids::RequestId;

use super::attributes::{self, MULTI_VALUE};
use super::groups::{self, may_invoke};
use super::record::TargetGroup;
use super::{Balancers, answer, limits};
use crate::response::Response;

/// What a function is asked.
#[derive(Debug)]
pub(super) struct Question {
    /// The id of the invocation.
    pub(super) id: RequestId,
    /// The event.
    pub(super) event: Bytes,
    /// The X-Ray header.
    pub(super) trace: Option<String>,
    /// How long the answer is waited for.
    pub(super) seconds_max: u64,
}

/// Why there is no answer. The server's log says more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The group has no function.
    NoTarget,
    /// The function could not be asked, failed, or answered something that is none.
    Failed,
    /// It took too long.
    TimedOut,
}

/// Asks, and reads the answer.
pub(super) async fn ask(
    balancers: &Balancers,
    group: &TargetGroup,
    question: Question,
) -> Result<Response, Unanswered> {
    let Some(target) = &group.target else { return Err(Unanswered::NoTarget) };
    let failed = |why: &str| {
        tracing::info!(group = %group.arn, function = target.as_str(), why, "a load balancer has no answer");
        Unanswered::Failed
    };
    let named = groups::function_of(&group.arn, target);
    let named = named.map_err(|error| failed(&error.to_string()))?;
    if !may_invoke(&balancers.control, &group.arn, &named) {
        return Err(failed("the policy of the function does not allow it"));
    }
    let (function, qualifier) = named;
    let request = InvokeRequest {
        id: question.id,
        function,
        qualifier,
        payload: question.event,
        client_context: None,
        trace: question.trace,
        log: LogRequest::None,
    };
    let invoked = Box::pin(balancers.invoker.invoke(request));
    let outcome = tokio::time::timeout(Duration::from_secs(question.seconds_max), invoked).await;
    let Ok(outcome) = outcome else { return Err(Unanswered::TimedOut) };
    let completed = outcome.map_err(|error| failed(&error.to_string()))?.completed;
    match completed.result {
        RunResult::Unhandled => return Err(failed("the function failed")),
        RunResult::Success => {}
    }
    if completed.payload.len() > limits::ANSWER_BYTES_MAX {
        return Err(failed("the answer is larger than a megabyte"));
    }
    let values = if attributes::is_on(&group.attributes, MULTI_VALUE) {
        answer::Values::Lists
    } else {
        answer::Values::Single
    };
    answer::read(&completed.payload, values).map_err(|error| failed(&error.to_string()))
}
