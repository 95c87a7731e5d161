//! EventBridge's operations: wire to domain and back.

mod administration;
mod rules;
mod targets;
mod put;
mod paging;

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_services::buses::Buses;
use hearth_services::buses::error::BusError;
use hearth_types::names::Scope;
use hearth_wire::events::types::{self, Tag};
use hearth_wire::events::{Operation, SERVICE};
use hearth_wire::{aws_json, validate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::AwsError;
use crate::front::{Answer, Arrived, Front, from_wire};

/// Answers a request.
pub(crate) async fn answer(
    front: &Arc<Front>,
    arrived: Arrived,
    target: &str,
) -> Result<Answer, AwsError> {
    let operation = match aws_json::find(&SERVICE, target) {
        Ok(operation) => operation,
        Err(aws_json::TargetError::NotBuilt(name)) => {
            return Err(AwsError::not_built("EventBridge", name));
        }
        Err(aws_json::TargetError::Unknown) => return Err(AwsError::unknown_path("POST", target)),
    };
    let trace = arrived.header("x-amzn-trace-id").map(str::to_owned);
    let Arrived { scope, body, .. } = arrived;
    let body = front.read(body, operation.name).await?;
    let input = aws_json::input(operation, &body.bytes)?;
    drop(body);
    let call = Call { buses: Arc::clone(&front.event_buses), scope, trace };
    let performing = async move { perform(&call, Operation::of(operation), input).await };
    let output = front.finished(performing).await.ok_or_else(AwsError::broken)??;
    let answer = aws_json::output(&output);
    Ok(from_wire(answer.status, &answer.headers, answer.body))
}

/// One call of an operation.
struct Call {
    buses: Arc<Buses>,
    scope: Scope,
    trace: Option<String>,
}

/// Performs an operation. `Null` is the output of one that answers nothing.
async fn perform(call: &Call, operation: Operation, input: Value) -> Result<Value, AwsError> {
    let violations = validate::violations(operation.description().input, &input);
    if !violations.is_empty() {
        return Err(AwsError::validation(&violations));
    }
    match operation {
        Operation::CreateEventBus => administration::create(call, read(input)?).await,
        Operation::DeleteEventBus => administration::delete(call, read(input)?).await,
        Operation::DescribeEventBus => administration::describe(call, read(input)?),
        Operation::ListEventBuses => administration::list(call, read(input)?),
        Operation::PutPermission => administration::put_permission(call, read(input)?).await,
        Operation::RemovePermission => administration::remove_permission(call, read(input)?).await,

        Operation::PutRule => rules::put(call, read(input)?).await,
        Operation::DescribeRule => rules::describe(call, read(input)?),
        Operation::EnableRule => rules::enable(call, read(input)?).await,
        Operation::DisableRule => rules::disable(call, read(input)?).await,
        Operation::DeleteRule => rules::delete(call, read(input)?).await,
        Operation::ListRules => rules::list(call, read(input)?),
        Operation::ListRuleNamesByTarget => rules::list_names_by_target(call, read(input)?),
        Operation::TestEventPattern => rules::test_pattern(read(input)?),

        Operation::PutTargets => targets::put(call, read(input)?).await,
        Operation::RemoveTargets => targets::remove(call, read(input)?).await,
        Operation::ListTargetsByRule => targets::list(call, read(input)?),

        Operation::PutEvents => put::put(call, read(input)?).await,

        Operation::TagResource => tag(call, read(input)?).await,
        Operation::UntagResource => untag(call, read(input)?).await,
        Operation::ListTagsForResource => list_tags(call, read(input)?),
    }
}

async fn tag(call: &Call, request: types::TagResourceRequest) -> Result<Value, AwsError> {
    let more = tags_from_wire(Some(request.tags));
    let change = |tags: &mut BTreeMap<String, String>| tags.extend(more);
    call.buses.change_tags(&call.scope, &request.resource_arn, change).await?;
    Ok(json!({}))
}

async fn untag(call: &Call, request: types::UntagResourceRequest) -> Result<Value, AwsError> {
    let keys = request.tag_keys;
    let change = |tags: &mut BTreeMap<String, String>| tags.retain(|key, _| !keys.contains(key));
    call.buses.change_tags(&call.scope, &request.resource_arn, change).await?;
    Ok(json!({}))
}

fn list_tags(call: &Call, request: types::ListTagsForResourceRequest) -> Result<Value, AwsError> {
    let tags = call.buses.tags(&call.scope, &request.resource_arn)?;
    let tags = tags.into_iter().map(|(key, value)| Tag { key, value }).collect();
    Ok(write(&types::ListTagsForResourceResponse { tags: Some(tags) }))
}

fn tags_from_wire(tags: Option<Vec<Tag>>) -> BTreeMap<String, String> {
    tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect()
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input)
        .map_err(|error| invalid(format!("The request cannot be read: {error}")))
}

fn write(output: &impl Serialize) -> Value {
    serde_json::to_value(output).expect("the shapes of the wire can be written as JSON")
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::of_events("ValidationException", message)
}

/// Refuses a setting that would have no effect.
fn unsupported(name: &str) -> AwsError {
    invalid(format!("Hearth does not support {name} yet; leave it out."))
}

impl From<BusError> for AwsError {
    fn from(error: BusError) -> Self {
        let text = error.to_string();
        let name = match &error {
            BusError::BusMissing(_) | BusError::RuleMissing { .. } | BusError::StatementMissing => {
                "ResourceNotFoundException"
            }
            BusError::BusExists(_) => "ResourceAlreadyExistsException",
            BusError::Invalid(_) => "ValidationException",
            BusError::Pattern(_) => "InvalidEventPatternException",
            BusError::LimitExceeded => "LimitExceededException",
            BusError::PolicyTooLong(_) => "PolicyLengthExceededException",
            BusError::NotBuilt(what) => return Self::not_built_part(what),
            BusError::Store(_) => {
                let logged = Self::internal(&error);
                return logged.named("InternalException");
            }
        };
        Self::of_events(name, text)
    }
}
