//! Deployments.

use hearth_http::apis::error::ApiError;
use hearth_http::apis::record::Deployment;
use hearth_wire::apigatewayv2::types;
use serde_json::Value;

use super::{Call, paging, write, write_page};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateDeploymentRequest,
) -> Result<Value, AwsError> {
    let now = call.now();
    let changed = call.change(&request.api_id, |api| {
        api.create_deployment(request.description, request.stage_name.as_deref(), now)
    });
    let (_api, deployment) = changed.await?;
    Ok(shown(&deployment))
}

pub(super) fn get(call: &Call, request: types::GetDeploymentRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let deployment = api.deployments.get(&request.deployment_id);
    Ok(shown(deployment.ok_or(ApiError::PartMissing("Deployment"))?))
}

pub(super) fn list(call: &Call, request: types::GetDeploymentsRequest) -> Result<Value, AwsError> {
    let api = call.api(&request.api_id)?;
    let asked = (request.max_results.as_deref(), request.next_token.as_deref());
    Ok(write_page(paging::cut(&api.deployments, asked, shown)?))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateDeploymentRequest,
) -> Result<Value, AwsError> {
    let (id, description) = (request.deployment_id, request.description);
    let changed = call.change(&request.api_id, |api| api.update_deployment(&id, description));
    let (_api, deployment) = changed.await?;
    Ok(shown(&deployment))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteDeploymentRequest,
) -> Result<Value, AwsError> {
    call.change(&request.api_id, |api| api.delete_deployment(&request.deployment_id)).await?;
    Ok(Value::Null)
}

fn shown(deployment: &Deployment) -> Value {
    let shown = types::Deployment {
        auto_deployed: Some(deployment.auto),
        created_date: None,
        deployment_id: Some(deployment.id.clone()),
        deployment_status: Some("DEPLOYED".to_owned()),
        deployment_status_message: None,
        description: deployment.description.clone(),
    };
    write(&shown, &[("createdDate", deployment.created)])
}
