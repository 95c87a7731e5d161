//! Code signing configurations, and the functions that are under them.

use hearth_control::code_signing::{
    CodeSigningConfig, CodeSigningSettings, UntrustedArtifactOnDeployment,
};
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, paging, write};
use crate::error::AwsError;

pub(super) async fn create(
    call: &Call,
    request: types::CreateCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let settings = CodeSigningSettings {
        description: request.description,
        publishers: Some(request.allowed_publishers.signing_profile_version_arns),
        policy: policy(request.code_signing_policies),
    };
    let tags = request.tags.unwrap_or_default();
    let config = call.control().create_code_signing_config(&call.scope, settings, tags).await?;
    Ok(write(&types::CreateCodeSigningConfigResponse {
        code_signing_config: Some(shown(call, &config)),
    }))
}

pub(super) fn get(
    call: &Call,
    request: types::GetCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let arn = request.code_signing_config_arn;
    let config = call.control().code_signing_config(&call.scope, &arn)?;
    Ok(write(&types::GetCodeSigningConfigResponse {
        code_signing_config: Some(shown(call, &config)),
    }))
}

pub(super) async fn update(
    call: &Call,
    request: types::UpdateCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let settings = CodeSigningSettings {
        description: request.description,
        publishers: request.allowed_publishers.map(|given| given.signing_profile_version_arns),
        policy: policy(request.code_signing_policies),
    };
    let arn = request.code_signing_config_arn;
    let config = call.control().update_code_signing_config(&call.scope, &arn, settings).await?;
    Ok(write(&types::UpdateCodeSigningConfigResponse {
        code_signing_config: Some(shown(call, &config)),
    }))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let arn = request.code_signing_config_arn;
    call.control().delete_code_signing_config(&call.scope, &arn).await?;
    Ok(json!({}))
}

pub(super) fn list(
    call: &Call,
    request: types::ListCodeSigningConfigsRequest,
) -> Result<Value, AwsError> {
    let after = paging::after(request.marker.as_deref())?;
    let items = paging::size(request.max_items);
    let control = call.control();
    let mut configs = control.list_code_signing_configs(&call.scope, after.as_deref(), items + 1);
    let more = configs.len() > items;
    configs.truncate(items);
    let next_marker = configs.last().filter(|_| more).map(|last| paging::marker(&last.id));
    let configs = configs.iter().map(|config| shown(call, config)).collect();
    Ok(write(&types::ListCodeSigningConfigsResponse {
        next_marker,
        code_signing_configs: Some(configs),
    }))
}

pub(super) fn list_functions(
    call: &Call,
    request: types::ListFunctionsByCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let arn = request.code_signing_config_arn;
    let functions = call.control().functions_by_code_signing_config(&call.scope, &arn)?;
    let by_name = functions.iter().map(|arn| (arn.name.to_string(), arn.to_string()));
    let page = (request.marker.as_deref(), request.max_items);
    let (function_arns, next_marker) = paging::cut(by_name, page)?;
    Ok(write(&types::ListFunctionsByCodeSigningConfigResponse {
        next_marker,
        function_arns: Some(function_arns),
    }))
}

pub(super) async fn put_function(
    call: &Call,
    request: types::PutFunctionCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let arn = request.code_signing_config_arn;
    call.control().put_function_code_signing_config(&function, &arn).await?;
    Ok(write(&types::PutFunctionCodeSigningConfigResponse {
        code_signing_config_arn: Some(arn),
        function_name: Some(function.name.to_string()),
    }))
}

/// Recorded: for a function that is under none the answer is empty, without even its name.
pub(super) fn get_function(
    call: &Call,
    request: types::GetFunctionCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let arn = call.control().function_code_signing_config(&function)?;
    let function_name = arn.is_some().then(|| function.name.to_string());
    Ok(write(&types::GetFunctionCodeSigningConfigResponse {
        code_signing_config_arn: arn,
        function_name,
    }))
}

pub(super) async fn delete_function(
    call: &Call,
    request: types::DeleteFunctionCodeSigningConfigRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    call.control().delete_function_code_signing_config(&function).await?;
    Ok(json!({}))
}

/// The model has refused every other word already.
fn policy(given: Option<types::CodeSigningPolicies>) -> Option<UntrustedArtifactOnDeployment> {
    UntrustedArtifactOnDeployment::parse(&given?.untrusted_artifact_on_deployment?)
}

fn shown(call: &Call, config: &CodeSigningConfig) -> types::CodeSigningConfig {
    types::CodeSigningConfig {
        code_signing_config_id: Some(config.id.clone()),
        code_signing_config_arn: Some(config.arn(&call.scope)),
        description: Some(config.description.clone()),
        allowed_publishers: Some(types::AllowedPublishers {
            signing_profile_version_arns: config.publishers.clone(),
        }),
        code_signing_policies: Some(types::CodeSigningPolicies {
            untrusted_artifact_on_deployment: Some(config.policy.name().to_owned()),
        }),
        last_modified: Some(config.modified.lambda()),
    }
}
