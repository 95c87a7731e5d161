//! Asking the function of a target group.

use std::time::Duration;

use bytes::Bytes;
use hearth_types::ids::RequestId;

use super::attributes::{self, MULTI_VALUE};
use super::groups::{self, may_invoke};
use super::record::TargetGroup;
use super::{Balancers, answer, limits};
use crate::functions::{Call, Failure};
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
    /// The server is going away.
    Closing,
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
    let call = Call {
        id: question.id,
        function,
        qualifier,
        payload: question.event,
        trace: question.trace,
        within: Some(Duration::from_secs(question.seconds_max)),
    };
    let answered = Box::pin(balancers.functions.run(call)).await;
    let payload = answered.map_err(|failure| unanswered(&failure, failed))?.payload;
    if payload.len() > limits::ANSWER_BYTES_MAX {
        return Err(failed("the answer is larger than a megabyte"));
    }
    let values = if attributes::is_on(&group.attributes, MULTI_VALUE) {
        answer::Values::Lists
    } else {
        answer::Values::Single
    };
    answer::read(&payload, values).map_err(|error| failed(&error.to_string()))
}

fn unanswered(failure: &Failure, failed: impl Fn(&str) -> Unanswered) -> Unanswered {
    match failure {
        Failure::TooLate => Unanswered::TimedOut,
        Failure::Closing => Unanswered::Closing,
        // AWS: also if there were too many of them.
        Failure::Missing
        | Failure::NotReady
        | Failure::TooLarge
        | Failure::Throttled
        | Failure::Recursive
        | Failure::Failed(_)
        | Failure::Broken => failed(&failure.to_string()),
    }
}
