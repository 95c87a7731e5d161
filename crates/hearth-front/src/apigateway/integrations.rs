//! Integrations of methods, and what becomes of their answers.

use hearth_http::rest::edit::integration::{NewIntegration, handling};
use hearth_http::rest::record::{Integration, IntegrationResponse};
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, patches, refuse, some, write};
use crate::error::AwsError;

pub(super) async fn put(
    call: &Call,
    request: types::PutIntegrationRequest,
) -> Result<Value, AwsError> {
    let is_other = |given: Option<String>, usual: &str| given.is_some_and(|text| text != usual);
    let cached = request.cache_key_parameters.is_some_and(|all| !all.is_empty());
    let lax = request.tls_config.is_some_and(|tls| tls.insecure_skip_verification == Some(true));
    refuse(&[
        ("connectionType VPC_LINK", is_other(request.connection_type, "INTERNET")),
        ("connectionId", request.connection_id.is_some()),
        ("integrationTarget", request.integration_target.is_some()),
        ("cacheKeyParameters", cached),
        ("insecureSkipVerification", lax),
        ("responseTransferMode STREAM", is_other(request.response_transfer_mode, "BUFFERED")),
    ])?;
    let new = NewIntegration {
        kind: request.r#type,
        method: request.http_method,
        uri: request.uri,
        credentials: request.credentials,
        request_parameters: request.request_parameters.unwrap_or_default(),
        request_templates: request.request_templates.unwrap_or_default(),
        passthrough: request.passthrough_behavior,
        content_handling: request.content_handling,
        timeout_millis: request.timeout_in_millis,
        cache_namespace: request.cache_namespace,
    };
    let (resource, name) = (request.resource_id, request.uri_http_method);
    let changed =
        call.change(&request.rest_api_id, |api| api.put_integration((&resource, &name), new));
    let (_api, integration) = changed.await?;
    Ok(write(&wire(&integration)))
}

pub(super) fn get(call: &Call, request: types::GetIntegrationRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    Ok(write(&wire(api.integration(place)?)))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateIntegrationRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    let changed = call.change(&request.rest_api_id, |api| api.patch_integration(place, &patches));
    let (_api, integration) = changed.await?;
    Ok(write(&wire(&integration)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteIntegrationRequest,
) -> Result<Value, AwsError> {
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    call.change(&request.rest_api_id, |api| api.delete_integration(place)).await?;
    Ok(Value::Null)
}

pub(super) async fn put_response(
    call: &Call,
    request: types::PutIntegrationResponseRequest,
) -> Result<Value, AwsError> {
    let response = IntegrationResponse {
        selection: request.selection_pattern,
        parameters: request.response_parameters.unwrap_or_default(),
        templates: request.response_templates.unwrap_or_default(),
        content_handling: request.content_handling.as_deref().map(handling).transpose()?,
    };
    let (resource, name) = (request.resource_id, request.http_method);
    let status = request.status_code;
    let changed = call.change(&request.rest_api_id, |api| {
        api.put_integration_response((&resource, &name), &status, response)
    });
    let (_api, response) = changed.await?;
    Ok(write(&wire_response(&status, &response)))
}

pub(super) fn get_response(
    call: &Call,
    request: types::GetIntegrationResponseRequest,
) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    let response = api.integration_response(place, &request.status_code)?;
    Ok(write(&wire_response(&request.status_code, response)))
}

pub(super) async fn delete_response(
    call: &Call,
    request: types::DeleteIntegrationResponseRequest,
) -> Result<Value, AwsError> {
    let place = (request.resource_id.as_str(), request.http_method.as_str());
    let status = request.status_code.as_str();
    let changed =
        call.change(&request.rest_api_id, |api| api.delete_integration_response(place, status));
    changed.await?;
    Ok(Value::Null)
}

pub(super) fn wire(integration: &Integration) -> types::Integration {
    let responses = integration.responses.iter();
    let responses =
        responses.map(|(status, response)| (status.clone(), wire_response(status, response)));
    types::Integration {
        r#type: Some(integration.kind.name().to_owned()),
        http_method: integration.method.clone(),
        uri: integration.uri.clone(),
        connection_type: None,
        connection_id: None,
        credentials: integration.credentials.clone(),
        request_parameters: some(&integration.request_parameters),
        request_templates: some(&integration.request_templates),
        passthrough_behavior: Some(integration.passthrough.name().to_owned()),
        content_handling: integration.content_handling.map(|how| how.name().to_owned()),
        timeout_in_millis: i32::try_from(integration.timeout_millis).ok(),
        cache_namespace: integration.cache_namespace.clone(),
        cache_key_parameters: Some(Vec::new()),
        integration_responses: (!integration.responses.is_empty()).then(|| responses.collect()),
        tls_config: None,
        response_transfer_mode: None,
        integration_target: None,
    }
}

fn wire_response(status: &str, response: &IntegrationResponse) -> types::IntegrationResponse {
    types::IntegrationResponse {
        status_code: Some(status.to_owned()),
        selection_pattern: response.selection.clone(),
        response_parameters: some(&response.parameters),
        response_templates: some(&response.templates),
        content_handling: response.content_handling.map(|how| how.name().to_owned()),
    }
}
