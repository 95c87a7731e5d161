//! Stages.

use std::collections::BTreeMap;

use hearth_http::apis::edit::stage::StageChange;
use hearth_http::apis::error::ApiError;
use hearth_http::apis::record::{RouteSettings, Stage};
use hearth_wire::apigatewayv2::types;
use serde_json::Value;

use super::{Call, paging, refuse, write, write_page};
use crate::error::AwsError;

/// The level at which nothing is logged.
const OFF: &str = "OFF";

/// What a request asks for; tags are given to a new stage only. What is not built is refused.
macro_rules! change_of {
    ($request:ident, $tags:expr) => {{
        refuse(&[
            ("AccessLogSettings", has_log($request.access_log_settings.as_ref())),
            ("ClientCertificateId", $request.client_certificate_id.is_some()),
        ])?;
        StageChange {
            description: $request.description,
            deployment: $request.deployment_id,
            auto_deploy: $request.auto_deploy,
            variables: $request.stage_variables,
            default_settings: $request.default_route_settings.map(settings).transpose()?,
            route_settings: all_settings($request.route_settings)?,
            tags: $tags,
        }
    }};
}

pub(super) async fn create(
    call: &Call,
    request: types::CreateStageRequest,
) -> Result<Value, AwsError> {
    let change = change_of!(request, request.tags);
    let (name, now) = (request.stage_name, call.now());
    let changed = call.change(&request.api_id, |api| api.create_stage(&name, change, now));
    let (api, stage) = changed.await?;
    // What it serves may just have been made.
    Ok(shown(api.stages.get(&name).unwrap_or(&stage)))
}

pub(super) fn get(call: &Call, request: types::GetStageRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    Ok(shown(api.stages.get(&request.stage_name).ok_or(ApiError::PartMissing("stage"))?))
}

pub(super) fn list(call: &Call, request: types::GetStagesRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let asked = (request.max_results.as_deref(), request.next_token.as_deref());
    Ok(write_page(paging::cut(&api.stages, asked, shown)?))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateStageRequest,
) -> Result<Value, AwsError> {
    let change = change_of!(request, None);
    let (name, now) = (request.stage_name, call.now());
    let changed = call.change(&request.api_id, |api| api.update_stage(&name, change, now));
    let (api, stage) = changed.await?;
    Ok(shown(api.stages.get(&name).unwrap_or(&stage)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteStageRequest,
) -> Result<Value, AwsError> {
    call.change(&request.api_id, |api| api.delete_stage(&request.stage_name)).await?;
    Ok(Value::Null)
}

pub(super) async fn delete_settings(
    call: &Call,
    request: types::DeleteRouteSettingsRequest,
) -> Result<Value, AwsError> {
    let now = call.now();
    let changed = call.change(&request.api_id, |api| {
        api.delete_route_settings(&request.stage_name, &request.route_key, now)
    });
    changed.await?;
    Ok(Value::Null)
}

fn has_log(given: Option<&types::AccessLogSettings>) -> bool {
    given.is_some_and(|log| log.destination_arn.is_some() || log.format.is_some())
}

fn all_settings(
    given: Option<BTreeMap<String, types::RouteSettings>>,
) -> Result<Option<BTreeMap<String, RouteSettings>>, AwsError> {
    let Some(given) = given else { return Ok(None) };
    let read = given.into_iter().map(|(key, given)| Ok((key, settings(given)?)));
    read.collect::<Result<_, AwsError>>().map(Some)
}

fn settings(given: types::RouteSettings) -> Result<RouteSettings, AwsError> {
    refuse(&[
        ("DataTraceEnabled", given.data_trace_enabled == Some(true)),
        ("LoggingLevel", given.logging_level.is_some_and(|level| level != OFF)),
    ])?;
    Ok(RouteSettings {
        burst: given.throttling_burst_limit.map(|burst| u32::try_from(burst).unwrap_or_default()),
        rate: given.throttling_rate_limit,
        detailed_metrics: given.detailed_metrics_enabled,
    })
}

fn shown_settings(settings: &RouteSettings) -> types::RouteSettings {
    types::RouteSettings {
        data_trace_enabled: None,
        detailed_metrics_enabled: Some(settings.detailed_metrics.unwrap_or_default()),
        logging_level: None,
        throttling_burst_limit: settings.burst.and_then(|burst| i32::try_from(burst).ok()),
        throttling_rate_limit: settings.rate,
    }
}

fn shown(stage: &Stage) -> Value {
    let of_routes = stage.route_settings.iter();
    let of_routes = of_routes.map(|(key, settings)| (key.clone(), shown_settings(settings)));
    let shown = types::Stage {
        access_log_settings: None,
        api_gateway_managed: stage.managed.then_some(true),
        auto_deploy: Some(stage.auto_deploy),
        client_certificate_id: None,
        created_date: None,
        default_route_settings: Some(shown_settings(&stage.default_settings)),
        deployment_id: stage.deployment.clone(),
        description: stage.description.clone(),
        last_deployment_status_message: stage.deployment_message.clone(),
        last_updated_date: None,
        route_settings: Some(of_routes.collect()),
        stage_name: Some(stage.name.clone()),
        stage_variables: Some(stage.variables.clone()),
        tags: Some(stage.tags.clone()),
    };
    write(&shown, &[("createdDate", stage.created), ("lastUpdatedDate", stage.updated)])
}
