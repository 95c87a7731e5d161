//! Stages of REST APIs.

use hearth_http::rest::edit::stage::NewStage;
use hearth_http::rest::record::{LoggingLevel, MethodSettings, Stage};
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, patches, refuse, seconds, some, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateStageRequest,
) -> Result<Value, AwsError> {
    let documented = request.documentation_version.is_some_and(|version| !version.is_empty());
    refuse(&[
        ("cacheClusterEnabled", request.cache_cluster_enabled == Some(true)),
        ("cacheClusterSize", request.cache_cluster_size.is_some()),
        ("canarySettings", request.canary_settings.is_some()),
        ("documentationVersion", documented),
    ])?;
    let new = NewStage {
        name: request.stage_name,
        deployment: request.deployment_id,
        description: request.description,
        variables: request.variables.unwrap_or_default(),
        tracing: request.tracing_enabled.unwrap_or_default(),
        tags: request.tags.unwrap_or_default(),
    };
    let now = call.now();
    let changed = call.change(&request.rest_api_id, |api| api.create_stage(new, now));
    let (_api, stage) = changed.await?;
    Ok(write(&wire(&stage)))
}

pub(super) fn get(call: &Call, request: types::GetStageRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    Ok(write(&wire(api.stage(&request.stage_name)?)))
}

pub(super) fn list(call: &Call, request: types::GetStagesRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let wanted = request.deployment_id;
    let is_wanted =
        |stage: &&Stage| wanted.as_ref().is_none_or(|wanted| stage.deployment == *wanted);
    let item = api.stages.values().filter(is_wanted).map(wire).collect();
    Ok(write(&types::Stages { item: Some(item) }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateStageRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let (name, now) = (request.stage_name, call.now());
    let changed = call.change(&request.rest_api_id, |api| api.patch_stage(&name, &patches, now));
    let (_api, stage) = changed.await?;
    Ok(write(&wire(&stage)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteStageRequest,
) -> Result<Value, AwsError> {
    let (api, name) = (request.rest_api_id, request.stage_name);
    call.change(&api, |api| api.delete_stage(&name)).await?;
    call.apis.keys.forget_stages(&call.scope, &api, Some(&name)).await?;
    call.apis.authorized.forget(&api, Some(&name));
    Ok(Value::Null)
}

fn wire(stage: &Stage) -> types::Stage {
    let settings = stage.settings.iter();
    let settings = settings.map(|(key, settings)| (key.clone(), wire_settings(settings)));
    types::Stage {
        deployment_id: Some(stage.deployment.clone()),
        client_certificate_id: None,
        stage_name: Some(stage.name.clone()),
        description: stage.description.clone(),
        cache_cluster_enabled: Some(false),
        cache_cluster_size: None,
        cache_cluster_status: Some("NOT_AVAILABLE".to_owned()),
        method_settings: Some(settings.collect()),
        variables: some(&stage.variables),
        documentation_version: None,
        access_log_settings: None,
        canary_settings: None,
        tracing_enabled: Some(stage.tracing),
        web_acl_arn: None,
        tags: some(&stage.tags),
        created_date: seconds(stage.created),
        last_updated_date: seconds(stage.updated),
    }
}

fn wire_settings(settings: &MethodSettings) -> types::MethodSetting {
    types::MethodSetting {
        metrics_enabled: Some(settings.metrics),
        logging_level: Some(settings.logging.unwrap_or(LoggingLevel::Off).name().to_owned()),
        data_trace_enabled: Some(settings.data_trace),
        throttling_burst_limit: Some(settings.burst.unwrap_or(5_000)),
        throttling_rate_limit: Some(settings.rate.unwrap_or(10_000.0)),
        caching_enabled: Some(false),
        cache_ttl_in_seconds: Some(300),
        cache_data_encrypted: Some(false),
        require_authorization_for_cache_control: Some(true),
        unauthorized_cache_control_header_strategy: Some("SUCCEED_WITH_RESPONSE_HEADER".to_owned()),
    }
}
