//! Runtime management: put and get.

use hearth_control::runtime_management::{RuntimeManagement, UpdateRuntimeOn};
use hearth_types::names::{FunctionArn, Qualifier};
use hearth_wire::lambda::types;
use serde_json::Value;

use super::{Call, write};
use crate::error::AwsError;

pub(super) async fn put(
    call: &Call,
    request: types::PutRuntimeManagementConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let update_on = UpdateRuntimeOn::parse(&request.update_runtime_on).ok_or_else(|| {
        let given = &request.update_runtime_on;
        AwsError::invalid_parameter(format!("`{given}` is not a mode of runtime updates."))
    })?;
    let asked = RuntimeManagement { update_on, runtime_version_arn: request.runtime_version_arn };
    let kept = call.control().put_runtime_management(&function, qualifier.as_ref(), asked).await?;
    Ok(write(&types::PutRuntimeManagementConfigResponse {
        update_runtime_on: Some(kept.update_on.name().to_owned()),
        function_arn: Some(arn(&function, qualifier.as_ref())),
        runtime_version_arn: kept.runtime_version_arn,
    }))
}

pub(super) fn get(
    call: &Call,
    request: types::GetRuntimeManagementConfigRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let kept = call.control().runtime_management(&function, qualifier.as_ref())?;
    Ok(write(&types::GetRuntimeManagementConfigResponse {
        update_runtime_on: Some(kept.update_on.name().to_owned()),
        function_arn: Some(arn(&function, qualifier.as_ref())),
        runtime_version_arn: kept.runtime_version_arn,
    }))
}

/// The ARN as the caller qualified it.
fn arn(function: &FunctionArn, qualifier: Option<&Qualifier>) -> String {
    qualifier.map_or_else(|| function.to_string(), |one| function.qualified(one))
}
