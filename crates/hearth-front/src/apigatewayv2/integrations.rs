//! Integrations.

use hearth_http::apis::edit::integration::IntegrationChange;
use hearth_http::apis::error::ApiError;
use hearth_http::apis::record::{Integration, IntegrationKind, PayloadFormat};
use hearth_wire::apigatewayv2::types;
use serde_json::Value;

use super::routes::is_filled;
use super::{Call, paging, refuse, word, write, write_page};
use crate::error::AwsError;

/// The only connection that is built, and what is shown where none was given.
const INTERNET: &str = "INTERNET";
/// What becomes of a body that no template is for: it is passed on, which is what proxies do.
const WHEN_NO_MATCH: &str = "WHEN_NO_MATCH";

/// What a request asks for, of which only the type stands in it in two ways. What is not built is
/// refused.
macro_rules! change_of {
    ($request:ident, $kind:expr) => {{
        let connection = $request.connection_type.as_deref();
        refuse(&[
            ("ConnectionId", $request.connection_id.is_some()),
            ("ConnectionType", connection.is_some_and(|one| one != INTERNET)),
            ("ContentHandlingStrategy", $request.content_handling_strategy.is_some()),
            ("IntegrationSubtype", $request.integration_subtype.is_some()),
            ("PassthroughBehavior", is_other_passthrough($request.passthrough_behavior.as_deref())),
            ("RequestParameters", is_filled($request.request_parameters.as_ref())),
            ("RequestTemplates", is_filled($request.request_templates.as_ref())),
            ("ResponseParameters", is_filled($request.response_parameters.as_ref())),
            ("TemplateSelectionExpression", $request.template_selection_expression.is_some()),
            ("TlsConfig", $request.tls_config.is_some()),
        ])?;
        IntegrationChange {
            kind: kind($kind)?,
            description: $request.description,
            method: $request.integration_method,
            uri: $request.integration_uri,
            payload_format: payload_format($request.payload_format_version.as_deref())?,
            timeout_millis: millis($request.timeout_in_millis),
            credentials: $request.credentials_arn,
        }
    }};
}

pub(super) async fn create(
    call: &Call,
    request: types::CreateIntegrationRequest,
) -> Result<Value, AwsError> {
    let change = change_of!(request, Some(request.integration_type.as_str()));
    let changed = call.change(&request.api_id, |api| api.create_integration(change));
    let (_api, integration) = changed.await?;
    Ok(shown(&integration))
}

pub(super) fn get(call: &Call, request: types::GetIntegrationRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let integration = api.integrations.get(&request.integration_id);
    Ok(shown(integration.ok_or(ApiError::PartMissing("Integration"))?))
}

pub(super) fn list(call: &Call, request: types::GetIntegrationsRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let asked = (request.max_results.as_deref(), request.next_token.as_deref());
    Ok(write_page(paging::cut(&api.integrations, asked, shown)?))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateIntegrationRequest,
) -> Result<Value, AwsError> {
    let change = change_of!(request, request.integration_type.as_deref());
    let id = request.integration_id;
    let changed = call.change(&request.api_id, |api| api.update_integration(&id, change));
    let (_api, integration) = changed.await?;
    Ok(shown(&integration))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteIntegrationRequest,
) -> Result<Value, AwsError> {
    let id = request.integration_id;
    call.change(&request.api_id, |api| api.delete_integration(&id)).await?;
    Ok(Value::Null)
}

fn kind(given: Option<&str>) -> Result<Option<IntegrationKind>, AwsError> {
    word(given, IntegrationKind::parse, "IntegrationType")
}

fn payload_format(given: Option<&str>) -> Result<Option<PayloadFormat>, AwsError> {
    word(given, PayloadFormat::parse, "PayloadFormatVersion")
}

/// What is below nought is refused as too short.
fn millis(given: Option<i32>) -> Option<u32> {
    given.map(|millis| u32::try_from(millis).unwrap_or_default())
}

fn is_other_passthrough(given: Option<&str>) -> bool {
    given.is_some_and(|behavior| behavior != WHEN_NO_MATCH)
}

fn shown(integration: &Integration) -> Value {
    let timeout = i32::try_from(integration.timeout_millis);
    let shown = types::Integration {
        api_gateway_managed: integration.managed.then_some(true),
        connection_type: Some(INTERNET.to_owned()),
        credentials_arn: integration.credentials.clone(),
        description: integration.description.clone(),
        integration_id: Some(integration.id.clone()),
        integration_method: integration.method.clone(),
        integration_type: Some(integration.kind.name().to_owned()),
        integration_uri: Some(integration.uri.clone()),
        payload_format_version: Some(integration.payload_format.name().to_owned()),
        timeout_in_millis: timeout.ok(),
        ..types::Integration::default()
    };
    write(&shown, &[])
}
