//! Buses and their policies.

use hearth_services::buses::NewBus;
use hearth_services::buses::names::BusArn;
use hearth_services::buses::permissions::Permission;
use hearth_services::buses::record::Bus;
use hearth_types::time::Timestamp;
use hearth_wire::events::types::{
    CreateEventBusRequest, CreateEventBusResponse, DeadLetterConfig, DeleteEventBusRequest,
    DescribeEventBusRequest, DescribeEventBusResponse, EventBus, ListEventBusesRequest,
    ListEventBusesResponse, PutPermissionRequest, RemovePermissionRequest,
};
use serde_json::Value;

use super::paging::{self, Asked};
use super::{Call, invalid, tags_from_wire, unsupported, write};
use crate::error::AwsError;

pub(super) async fn create(call: &Call, request: CreateEventBusRequest) -> Result<Value, AwsError> {
    if request.kms_key_identifier.is_some() {
        return Err(unsupported("KmsKeyIdentifier"));
    }
    let level = request.log_config.as_ref().and_then(|config| config.level.as_deref());
    if level.is_some_and(|level| level != "OFF") {
        return Err(unsupported("LogConfig"));
    }
    if let Some(source) = request.event_source_name {
        let message = format!("Event source {source} does not exist.");
        return Err(AwsError::of_events("ResourceNotFoundException", message));
    }
    let new = NewBus {
        name: request.name,
        description: request.description,
        dead_letter: request.dead_letter_config.and_then(|config| config.arn),
        tags: tags_from_wire(request.tags),
    };
    let bus = call.buses.create_bus(&call.scope, new).await?;
    let arn = BusArn { scope: call.scope.clone(), name: bus.name };
    Ok(write(&CreateEventBusResponse {
        event_bus_arn: Some(arn.to_string()),
        description: bus.description,
        dead_letter_config: bus.dead_letter.map(|arn| DeadLetterConfig { arn: Some(arn) }),
        ..CreateEventBusResponse::default()
    }))
}

pub(super) async fn delete(call: &Call, request: DeleteEventBusRequest) -> Result<Value, AwsError> {
    call.buses.delete_bus(&call.scope, &request.name).await?;
    Ok(Value::Null)
}

pub(super) fn describe(call: &Call, request: DescribeEventBusRequest) -> Result<Value, AwsError> {
    let (arn, bus) = call.buses.bus(&call.scope, request.name.as_deref())?;
    Ok(write(&DescribeEventBusResponse {
        name: Some(arn.name.clone()),
        arn: Some(arn.to_string()),
        policy: bus.policy.as_ref().map(|policy| policy.document()),
        creation_time: seconds(bus.created_at),
        last_modified_time: seconds(bus.modified_at),
        description: bus.description,
        dead_letter_config: bus.dead_letter.map(|arn| DeadLetterConfig { arn: Some(arn) }),
        ..DescribeEventBusResponse::default()
    }))
}

pub(super) fn list(call: &Call, request: ListEventBusesRequest) -> Result<Value, AwsError> {
    let prefix = request.name_prefix.unwrap_or_default();
    let buses = call.buses.list_buses(&call.scope);
    let buses = buses.into_iter().filter(|bus| bus.name.starts_with(&prefix));
    let buses = buses.map(|bus| (bus.name.clone(), shown(call, bus))).collect();
    let asked = Asked { token: request.next_token, limit: request.limit };
    let (page, next_token) = paging::cut(buses, &asked)?;
    Ok(write(&ListEventBusesResponse { event_buses: Some(page), next_token }))
}

fn shown(call: &Call, bus: Bus) -> EventBus {
    let arn = BusArn { scope: call.scope.clone(), name: bus.name.clone() };
    EventBus {
        name: Some(bus.name),
        arn: Some(arn.to_string()),
        description: bus.description,
        policy: bus.policy.as_ref().map(|policy| policy.document()),
        creation_time: seconds(bus.created_at),
        last_modified_time: seconds(bus.modified_at),
    }
}

/// The default bus was not made by anybody, and is shown without a time.
fn seconds(at: Timestamp) -> Option<f64> {
    (at != Timestamp::default()).then(|| at.0 as f64 / 1_000.0)
}

pub(super) async fn put_permission(
    call: &Call,
    request: PutPermissionRequest,
) -> Result<Value, AwsError> {
    let bus = request.event_bus_name.as_deref();
    if let Some(policy) = &request.policy {
        call.buses.put_policy(&call.scope, bus, policy).await?;
        return Ok(Value::Null);
    }
    let (Some(action), Some(principal), Some(statement_id)) =
        (request.action, request.principal, request.statement_id)
    else {
        return Err(invalid(
            "Parameter(s) Action, Principal and StatementId, or Policy must be specified.",
        ));
    };
    let condition = request.condition.map(|one| (one.r#type, one.key, one.value));
    let permission = Permission { statement_id, action, principal, condition };
    call.buses.put_permission(&call.scope, bus, permission).await?;
    Ok(Value::Null)
}

pub(super) async fn remove_permission(
    call: &Call,
    request: RemovePermissionRequest,
) -> Result<Value, AwsError> {
    let all = request.remove_all_permissions.unwrap_or_default();
    if !all && request.statement_id.is_none() {
        return Err(invalid("Parameter StatementId must be specified."));
    }
    // With an id, only that statement is meant, whatever else is said.
    let statement = request.statement_id.as_deref();
    let bus = request.event_bus_name.as_deref();
    call.buses.remove_permission(&call.scope, bus, statement).await?;
    Ok(Value::Null)
}
