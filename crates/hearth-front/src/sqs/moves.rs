//! Tasks that move messages: wire to domain and back.

use hearth_services::queues::{MoveRecord, MoveRequest, MoveStatus};
use hearth_wire::sqs::types;
use serde_json::Value;

use super::error::SqsError;
use super::{Call, write};

pub(super) async fn start(
    call: &Call,
    request: types::StartMessageMoveTaskRequest,
) -> Result<Value, SqsError> {
    let request = MoveRequest {
        source: request.source_arn,
        destination: request.destination_arn.filter(|arn| !arn.is_empty()),
        rate: request.max_number_of_messages_per_second,
    };
    let handle = call.queues.start_move(&request).await?;
    Ok(write(&types::StartMessageMoveTaskResult { task_handle: Some(handle) }))
}

pub(super) async fn cancel(
    call: &Call,
    request: types::CancelMessageMoveTaskRequest,
) -> Result<Value, SqsError> {
    let moved = call.queues.cancel_move(&request.task_handle).await?;
    let moved = Some(number(moved));
    Ok(write(&types::CancelMessageMoveTaskResult { approximate_number_of_messages_moved: moved }))
}

pub(super) fn list(
    call: &Call,
    request: types::ListMessageMoveTasksRequest,
) -> Result<Value, SqsError> {
    let tasks = call.queues.list_moves(&request.source_arn, request.max_results)?;
    let results = tasks.into_iter().map(shown).collect();
    Ok(write(&types::ListMessageMoveTasksResult { results: Some(results) }))
}

fn shown(task: MoveRecord) -> types::ListMessageMoveTasksResultEntry {
    // AWS: only a task that runs can be cancelled, so only it has a handle.
    let task_handle = (task.status == MoveStatus::Running).then(|| task.handle());
    types::ListMessageMoveTasksResultEntry {
        task_handle,
        status: Some(task.status.name().to_owned()),
        source_arn: Some(task.source),
        destination_arn: task.destination,
        max_number_of_messages_per_second: task.rate.and_then(|rate| i32::try_from(rate).ok()),
        approximate_number_of_messages_moved: Some(number(task.moved)),
        approximate_number_of_messages_to_move: Some(number(task.to_move)),
        failure_reason: task.failure,
        started_timestamp: Some(number(task.started.0)),
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
