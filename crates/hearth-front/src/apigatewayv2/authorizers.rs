//! Authorizers.

use hearth_http::apis::edit::authorizer::AuthorizerChange;
use hearth_http::apis::error::ApiError;
use hearth_http::apis::record::{Authorizer, AuthorizerKind, Jwt, PayloadFormat};
use hearth_wire::apigatewayv2::types;
use serde_json::Value;

use super::{Call, paging, refuse, word, write, write_page};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateAuthorizerRequest,
) -> Result<Value, AwsError> {
    let validation = request.identity_validation_expression.is_some();
    refuse(&[("IdentityValidationExpression", validation)])?;
    let change = AuthorizerChange {
        name: Some(request.name),
        kind: kind(Some(&request.authorizer_type))?,
        identity_sources: Some(request.identity_source),
        jwt: request.jwt_configuration.map(jwt),
        uri: request.authorizer_uri,
        credentials: request.authorizer_credentials_arn,
        payload_format: format(request.authorizer_payload_format_version.as_deref())?,
        ttl_seconds: seconds(request.authorizer_result_ttl_in_seconds),
        simple_responses: request.enable_simple_responses,
    };
    let changed = call.change(&request.api_id, |api| api.create_authorizer(change));
    let (_api, authorizer) = changed.await?;
    Ok(shown(&authorizer))
}

pub(super) fn get(call: &Call, request: types::GetAuthorizerRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let authorizer = api.authorizers.get(&request.authorizer_id);
    Ok(shown(authorizer.ok_or(ApiError::PartMissing("Authorizer"))?))
}

pub(super) fn list(call: &Call, request: types::GetAuthorizersRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let asked = (request.max_results.as_deref(), request.next_token.as_deref());
    Ok(write_page(paging::cut(&api.authorizers, asked, shown)?))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateAuthorizerRequest,
) -> Result<Value, AwsError> {
    let validation = request.identity_validation_expression.is_some();
    refuse(&[("IdentityValidationExpression", validation)])?;
    let change = AuthorizerChange {
        name: request.name,
        kind: kind(request.authorizer_type.as_deref())?,
        identity_sources: request.identity_source,
        jwt: request.jwt_configuration.map(jwt),
        uri: request.authorizer_uri,
        credentials: request.authorizer_credentials_arn,
        payload_format: format(request.authorizer_payload_format_version.as_deref())?,
        ttl_seconds: seconds(request.authorizer_result_ttl_in_seconds),
        simple_responses: request.enable_simple_responses,
    };
    let id = request.authorizer_id;
    let changed = call.change(&request.api_id, |api| api.update_authorizer(&id, change));
    let (_api, authorizer) = changed.await?;
    Ok(shown(&authorizer))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteAuthorizerRequest,
) -> Result<Value, AwsError> {
    let id = request.authorizer_id;
    call.change(&request.api_id, |api| api.delete_authorizer(&id)).await?;
    Ok(Value::Null)
}

fn kind(given: Option<&str>) -> Result<Option<AuthorizerKind>, AwsError> {
    word(given, AuthorizerKind::parse, "AuthorizerType")
}

fn format(given: Option<&str>) -> Result<Option<PayloadFormat>, AwsError> {
    word(given, PayloadFormat::parse, "AuthorizerPayloadFormatVersion")
}

/// The model allows nothing below nought.
fn seconds(given: Option<i32>) -> Option<u32> {
    given.map(|seconds| u32::try_from(seconds).unwrap_or_default())
}

fn jwt(given: types::JWTConfiguration) -> Jwt {
    Jwt { issuer: given.issuer.unwrap_or_default(), audience: given.audience.unwrap_or_default() }
}

fn shown(authorizer: &Authorizer) -> Value {
    let is_function = authorizer.kind == AuthorizerKind::Request;
    let ttl = i32::try_from(authorizer.ttl_seconds).ok();
    let format = authorizer.payload_format.map(|format| format.name().to_owned());
    let shown = types::Authorizer {
        authorizer_credentials_arn: authorizer.credentials.clone(),
        authorizer_id: Some(authorizer.id.clone()),
        authorizer_result_ttl_in_seconds: ttl.filter(|_| is_function && format.is_some()),
        enable_simple_responses: (is_function && format.is_some())
            .then_some(authorizer.simple_responses),
        authorizer_payload_format_version: format,
        authorizer_type: Some(authorizer.kind.name().to_owned()),
        authorizer_uri: authorizer.uri.clone(),
        identity_source: Some(authorizer.identity_sources.clone()),
        identity_validation_expression: None,
        jwt_configuration: authorizer.jwt.as_ref().map(|jwt| types::JWTConfiguration {
            audience: Some(jwt.audience.clone()),
            issuer: Some(jwt.issuer.clone()),
        }),
        name: Some(authorizer.name.clone()),
    };
    write(&shown, &[])
}
