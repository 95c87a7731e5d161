//! Methods of resources, and what they may answer.

use hearth_http::rest::edit::method::{NewMethod, scopes};
use hearth_http::rest::record::{Method, MethodResponse};
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, integrations, patches, refuse, some, write};
use crate::error::AwsError;

pub(super) async fn put(call: &Call, request: types::PutMethodRequest) -> Result<Value, AwsError> {
    if request.authorization_scopes.is_some_and(|all| !all.is_empty()) {
        return Err(scopes().into());
    }
    let validator = request.request_validator_id.is_some_and(|id| !id.is_empty());
    refuse(&[("requestValidatorId", validator)])?;
    let new = NewMethod {
        authorization: request.authorization_type,
        authorizer: request.authorizer_id,
        key_required: request.api_key_required.unwrap_or_default(),
        operation_name: request.operation_name,
        request_parameters: request.request_parameters.unwrap_or_default(),
        request_models: request.request_models.unwrap_or_default(),
    };
    let (resource, name) = (request.resource_id, request.http_method);
    let changed = call.change(&request.rest_api_id, |api| api.put_method((&resource, &name), new));
    let (_api, method) = changed.await?;
    Ok(write(&wire(&name, &method)))
}

pub(super) fn get(call: &Call, request: types::GetMethodRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let name = &request.http_method;
    Ok(write(&wire(name, api.method((&request.resource_id, name))?)))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateMethodRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let (resource, name) = (request.resource_id, request.http_method);
    let changed =
        call.change(&request.rest_api_id, |api| api.patch_method((&resource, &name), &patches));
    let (_api, method) = changed.await?;
    Ok(write(&wire(&name, &method)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteMethodRequest,
) -> Result<Value, AwsError> {
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    call.change(&request.rest_api_id, |api| api.delete_method(place)).await?;
    Ok(Value::Null)
}

pub(super) async fn put_response(
    call: &Call,
    request: types::PutMethodResponseRequest,
) -> Result<Value, AwsError> {
    let response = MethodResponse {
        parameters: request.response_parameters.unwrap_or_default(),
        models: request.response_models.unwrap_or_default(),
    };
    let (resource, name) = (request.resource_id, request.http_method);
    let status = request.status_code;
    let changed = call.change(&request.rest_api_id, |api| {
        api.put_method_response((&resource, &name), &status, response)
    });
    let (_api, response) = changed.await?;
    Ok(write(&wire_response(&status, &response)))
}

pub(super) fn get_response(
    call: &Call,
    request: types::GetMethodResponseRequest,
) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    let response = api.method_response(place, &request.status_code)?;
    Ok(write(&wire_response(&request.status_code, response)))
}

pub(super) async fn delete_response(
    call: &Call,
    request: types::DeleteMethodResponseRequest,
) -> Result<Value, AwsError> {
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    let status = request.status_code.as_str();
    let changed =
        call.change(&request.rest_api_id, |api| api.delete_method_response(place, status));
    changed.await?;
    Ok(Value::Null)
}

pub(super) fn wire(name: &str, method: &Method) -> types::Method {
    let responses = method.responses.iter();
    let responses =
        responses.map(|(status, response)| (status.clone(), wire_response(status, response)));
    types::Method {
        http_method: Some(name.to_owned()),
        authorization_type: Some(method.authorization.name().to_owned()),
        authorizer_id: method.authorizer.clone(),
        api_key_required: Some(method.key_required),
        request_validator_id: None,
        operation_name: method.operation_name.clone(),
        request_parameters: some(&method.request_parameters),
        request_models: some(&method.request_models),
        method_responses: (!method.responses.is_empty()).then(|| responses.collect()),
        method_integration: method.integration.as_ref().map(integrations::wire),
        authorization_scopes: None,
    }
}

fn wire_response(status: &str, response: &MethodResponse) -> types::MethodResponse {
    types::MethodResponse {
        status_code: Some(status.to_owned()),
        response_parameters: some(&response.parameters),
        response_models: some(&response.models),
    }
}
