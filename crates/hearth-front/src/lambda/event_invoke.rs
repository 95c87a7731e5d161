//! Event invoke configurations: put, update, get, list, delete.

use hearth_control::event_invoke::{
    Destinations, EventInvokeConfig, EventInvokeSettings, FUNCTION_MISSING, event_invoke_key,
};
use hearth_types::names::FunctionArn;
use hearth_types::time::Timestamp;
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, paging, write};
use crate::error::AwsError;

pub(super) async fn put(
    call: &Call,
    request: types::PutFunctionEventInvokeConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let settings = EventInvokeSettings {
        retries: unsigned(request.maximum_retry_attempts),
        event_age_seconds: unsigned(request.maximum_event_age_in_seconds),
        destinations: request.destination_config.map(destinations),
    };
    let control = call.control();
    let config = control.put_event_invoke(&function, qualifier.as_ref(), &settings).await?;
    Ok(write(&shown(&function, &event_invoke_key(qualifier.as_ref()), &config)))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateFunctionEventInvokeConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let settings = EventInvokeSettings {
        retries: unsigned(request.maximum_retry_attempts),
        event_age_seconds: unsigned(request.maximum_event_age_in_seconds),
        destinations: request.destination_config.map(destinations),
    };
    let control = call.control();
    let config = control.update_event_invoke(&function, qualifier.as_ref(), &settings).await?;
    Ok(write(&shown(&function, &event_invoke_key(qualifier.as_ref()), &config)))
}

pub(super) fn get(
    call: &Call,
    request: types::GetFunctionEventInvokeConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let config = call.control().event_invoke(&function, qualifier.as_ref())?;
    Ok(write(&shown(&function, &event_invoke_key(qualifier.as_ref()), &config)))
}

/// Those of the function, its versions and its aliases. A qualifier in the name does not matter.
pub(super) fn list(
    call: &Call,
    request: types::ListFunctionEventInvokeConfigsRequest,
) -> Result<Value, AwsError> {
    let (function, _) = call.function(&request.function_name, None)?;
    let record = call.control().record(&function);
    let record = record.map_err(|error| error.when_missing(FUNCTION_MISSING))?;
    let all = record
        .event_invoke
        .iter()
        .map(|(key, config)| (key.clone(), shown(&function, key, config)));
    let (page, next_marker) = paging::cut(all, (request.marker.as_deref(), request.max_items))?;
    Ok(write(&types::ListFunctionEventInvokeConfigsResponse {
        function_event_invoke_configs: Some(page),
        next_marker,
    }))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteFunctionEventInvokeConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    call.control().delete_event_invoke(&function, qualifier.as_ref()).await?;
    Ok(json!({}))
}

/// The model allows no negative ones.
fn unsigned(number: Option<i32>) -> Option<u32> {
    number.and_then(|number| u32::try_from(number).ok())
}

fn signed(number: Option<u32>) -> Option<i32> {
    number.and_then(|number| i32::try_from(number).ok())
}

fn destinations(given: types::DestinationConfig) -> Destinations {
    Destinations {
        on_success: given.on_success.and_then(|success| success.destination),
        on_failure: given.on_failure.and_then(|failure| failure.destination),
    }
}

/// A configuration with its qualified ARN. Recorded: the destinations are there also when empty.
fn shown(
    function: &FunctionArn,
    key: &str,
    config: &EventInvokeConfig,
) -> types::FunctionEventInvokeConfig {
    types::FunctionEventInvokeConfig {
        last_modified: Some(seconds(config.modified)),
        function_arn: Some(function.qualified(&key)),
        maximum_retry_attempts: signed(config.retries),
        maximum_event_age_in_seconds: signed(config.event_age_seconds),
        destination_config: Some(types::DestinationConfig {
            on_success: Some(types::OnSuccess { destination: config.on_success.clone() }),
            on_failure: Some(types::OnFailure { destination: config.on_failure.clone() }),
        }),
    }
}

/// Seconds since 1970, with the milliseconds behind the point.
fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1_000.0
}
