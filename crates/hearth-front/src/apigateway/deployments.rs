//! Deployments of REST APIs.

use std::collections::BTreeMap;

use hearth_http::rest::edit::stage::NewStage;
use hearth_http::rest::record::{Deployment, RestApi, Snapshot};
use hearth_wire::apigateway::types;
use serde_json::Value;

use super::{Call, paging, patches, refuse, seconds, write};
use crate::error::AwsError;

/// What the summary of a deployment says of the methods of each path.
type Summary = BTreeMap<String, BTreeMap<String, types::MethodSnapshot>>;

pub(super) async fn create(
    call: &Call,
    request: types::CreateDeploymentRequest,
) -> Result<Value, AwsError> {
    refuse(&[
        ("cacheClusterEnabled", request.cache_cluster_enabled == Some(true)),
        ("cacheClusterSize", request.cache_cluster_size.is_some()),
        ("canarySettings", request.canary_settings.is_some()),
    ])?;
    let now = call.now();
    let (description, stage) = (request.description, request.stage_name);
    let (about_stage, variables) = (request.stage_description, request.variables);
    let tracing = request.tracing_enabled.unwrap_or_default();
    let changed = call.change(&request.rest_api_id, |api| {
        let deployment = api.create_deployment(description, now)?;
        if let Some(name) = stage {
            let new = NewStage {
                name,
                deployment: deployment.id.clone(),
                description: about_stage,
                variables: variables.unwrap_or_default(),
                tracing,
                ..NewStage::default()
            };
            api.serve_at(new, now)?;
        }
        Ok(deployment)
    });
    let (_api, deployment) = changed.await?;
    Ok(write(&wire(&deployment, None)))
}

pub(super) fn get(call: &Call, request: types::GetDeploymentRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let deployment = api.deployment(&request.deployment_id)?;
    let embed = request.embed.unwrap_or_default();
    let is_asked = embed.iter().any(|one| one.eq_ignore_ascii_case("apisummary"));
    let summary = if is_asked { summary(call, &api, deployment) } else { None };
    Ok(write(&wire(deployment, summary)))
}

pub(super) fn list(call: &Call, request: types::GetDeploymentsRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.rest_api_id)?;
    let all = api.deployments.iter().map(|(id, one)| (id.clone(), wire(one, None)));
    let (item, position) = paging::cut(all, (request.limit, request.position))?;
    Ok(write(&types::Deployments { position, item: Some(item) }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateDeploymentRequest,
) -> Result<Value, AwsError> {
    let patches = patches(request.patch_operations)?;
    let id = request.deployment_id;
    let changed = call.change(&request.rest_api_id, |api| api.patch_deployment(&id, &patches));
    let (_api, deployment) = changed.await?;
    Ok(write(&wire(&deployment, None)))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteDeploymentRequest,
) -> Result<Value, AwsError> {
    call.change(&request.rest_api_id, |api| api.delete_deployment(&request.deployment_id)).await?;
    Ok(Value::Null)
}

fn summary(call: &Call, api: &RestApi, deployment: &Deployment) -> Option<Summary> {
    let snapshot = call.apis.deployed(api, &deployment.id)?;
    Some(summary_of(&snapshot))
}

fn summary_of(snapshot: &Snapshot) -> Summary {
    let with_methods = snapshot.resources.values().filter(|one| !one.methods.is_empty());
    with_methods
        .map(|resource| {
            let methods = resource.methods.iter().map(|(name, method)| {
                let shown = types::MethodSnapshot {
                    authorization_type: Some(method.authorization.name().to_owned()),
                    api_key_required: Some(method.key_required),
                };
                (name.clone(), shown)
            });
            (resource.path.clone(), methods.collect())
        })
        .collect()
}

fn wire(deployment: &Deployment, summary: Option<Summary>) -> types::Deployment {
    types::Deployment {
        id: Some(deployment.id.clone()),
        description: deployment.description.clone(),
        created_date: seconds(deployment.created),
        api_summary: summary,
    }
}
