//! Authorizers of REST APIs.

use hearth_http::rest::edit::authorizer::NewAuthorizer;
use hearth_http::rest::record::Authorizer;
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, paging, patches, refuse, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateAuthorizerRequest,
) -> Result<Value, AwsError> {
    let pools = request.provider_ar_ns.is_some_and(|all| !all.is_empty());
    refuse(&[
        ("providerARNs of Cognito user pools", pools),
        ("jwtConfiguration of REST APIs", request.jwt_configuration.is_some()),
    ])?;
    let new = NewAuthorizer {
        name: request.name,
        kind: request.r#type,
        auth_type: request.auth_type,
        uri: request.authorizer_uri,
        credentials: request.authorizer_credentials,
        identity_source: request.identity_source,
        validation: request.identity_validation_expression,
        ttl_seconds: request.authorizer_result_ttl_in_seconds,
    };
    let changed = call.change(&request.rest_api_id, |api| api.create_authorizer(new));
    let (_api, authorizer) = changed.await?;
    Ok(write(&wire(&authorizer)))
}

pub(super) fn get(call: &Call, request: types::GetAuthorizerRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    Ok(write(&wire(api.authorizer(&request.authorizer_id)?)))
}

pub(super) fn list(call: &Call, request: types::GetAuthorizersRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let all = api.authorizers.iter().map(|(id, one)| (id.clone(), wire(one)));
    let (item, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::Authorizers { position, item: Some(item) }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateAuthorizerRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let id = request.authorizer_id;
    let changed = call.change(&request.rest_api_id, |api| api.patch_authorizer(&id, &patches));
    let (_api, authorizer) = changed.await?;
    Ok(write(&wire(&authorizer)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteAuthorizerRequest,
) -> Result<Value, AwsError> {
    call.change(&request.rest_api_id, |api| api.delete_authorizer(&request.authorizer_id)).await?;
    Ok(Value::Null)
}

/// Forgets what the authorizers of a stage have answered.
pub(super) fn flush(
    call: &Call,
    request: types::FlushStageAuthorizersCacheRequest,
) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let stage = api.stage(&request.stage_name)?;
    call.apis.authorized.forget(&api.id, Some(&stage.name));
    Ok(Value::Null)
}

fn wire(authorizer: &Authorizer) -> types::Authorizer {
    let source = &authorizer.identity_source;
    types::Authorizer {
        id: Some(authorizer.id.clone()),
        name: Some(authorizer.name.clone()),
        r#type: Some(authorizer.kind.name().to_owned()),
        provider_ar_ns: None,
        auth_type: Some(authorizer.auth_type.clone().unwrap_or_else(|| "custom".to_owned())),
        authorizer_uri: Some(authorizer.uri.clone()),
        authorizer_credentials: authorizer.credentials.clone(),
        identity_source: (!source.is_empty()).then(|| source.clone()),
        identity_validation_expression: authorizer.validation.clone(),
        authorizer_result_ttl_in_seconds: i32::try_from(authorizer.ttl_seconds).ok(),
        jwt_configuration: None,
    }
}
