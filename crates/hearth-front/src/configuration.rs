//! The configuration of a function on the wire: what may be asked for, and how it is shown.

use std::collections::BTreeMap;

use hearth_control::control::FunctionView;
use hearth_control::record::{LastUpdate, State};
use hearth_control::settings::Settings;
use hearth_runtimes::Runtimes;
use hearth_wire::lambda::types;
use serde_json::Value;

use crate::error::AwsError;

/// What AWS says about a function that is being made or changed; both are worded alike.
const IN_PROGRESS_REASON: &str = "The function is being created.";
const IN_PROGRESS_CODE: &str = "Creating";

/// Settings of the model that Hearth does not honour yet, with the values that mean "not used".
/// Storing one of them would be a promise that is not kept.
#[rustfmt::skip]
const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("/Code/S3Bucket",                 &[]),
    ("/Code/S3ObjectStorageMode",      &["COPY"]),
    ("/Code/ImageUri",                 &[]),
    ("/Code/SourceKMSKeyArn",          &[]),
    ("/S3Bucket",                      &[]),
    ("/S3ObjectStorageMode",           &["COPY"]),
    ("/ImageUri",                      &[]),
    ("/SourceKMSKeyArn",               &[]),
    ("/PackageType",                   &["Zip"]),
    ("/PublishTo",                     &[]),
    ("/VpcConfig/SubnetIds",           &[]),
    ("/VpcConfig/SecurityGroupIds",    &[]),
    ("/DeadLetterConfig/TargetArn",    &[]),
    ("/KMSKeyArn",                     &[]),
    ("/TracingConfig/Mode",            &["PassThrough"]),
    ("/Layers",                        &[]),
    ("/FileSystemConfigs",             &[]),
    ("/CodeSigningConfigArn",          &[]),
    ("/ImageConfig",                   &[]),
    ("/SnapStart/ApplyOn",             &["None"]),
    ("/LoggingConfig/LogFormat",       &["Text"]),
    ("/LoggingConfig/ApplicationLogLevel", &[]),
    ("/LoggingConfig/SystemLogLevel",  &[]),
    ("/TenancyConfig",                 &[]),
    ("/CapacityProviderConfig",        &[]),
    ("/DurableConfig",                 &[]),
    ("/RuntimeConfig",                 &[]),
    ("/AcceleratorConfig",             &[]),
];

/// Refuses what would be stored and not honoured.
pub(crate) fn refuse_unsupported(input: &Value) -> Result<(), AwsError> {
    for (pointer, neutral) in UNSUPPORTED {
        let Some(value) = input.pointer(pointer) else { continue };
        let unused = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty() || neutral.contains(&text.as_str()),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !unused {
            let setting = pointer.trim_start_matches('/').replace('/', ".");
            return Err(AwsError::invalid_parameter(format!(
                "Hearth does not support {setting} yet; leave it out."
            )));
        }
    }
    Ok(())
}

pub(crate) fn settings_of_create(
    request: &types::CreateFunctionRequest,
) -> Result<Settings, AwsError> {
    Ok(Settings {
        runtime: request.runtime.clone(),
        role: Some(request.role.clone()),
        handler: request.handler.clone(),
        description: request.description.clone(),
        timeout_seconds: positive(request.timeout)?,
        memory_mb: positive(request.memory_size)?,
        ephemeral_storage_mb: storage(request.ephemeral_storage.as_ref())?,
        variables: variables(request.environment.as_ref()),
        architecture: request.architectures.as_ref().and_then(|all| all.first().cloned()),
        log_group: request.logging_config.as_ref().and_then(|logs| logs.log_group.clone()),
    })
}

pub(crate) fn settings_of_update(
    request: &types::UpdateFunctionConfigurationRequest,
) -> Result<Settings, AwsError> {
    Ok(Settings {
        runtime: request.runtime.clone(),
        role: request.role.clone(),
        handler: request.handler.clone(),
        description: request.description.clone(),
        timeout_seconds: positive(request.timeout)?,
        memory_mb: positive(request.memory_size)?,
        ephemeral_storage_mb: storage(request.ephemeral_storage.as_ref())?,
        variables: variables(request.environment.as_ref()),
        architecture: None,
        log_group: request.logging_config.as_ref().and_then(|logs| logs.log_group.clone()),
    })
}

/// The model has checked the range already.
fn positive(value: Option<i32>) -> Result<Option<u32>, AwsError> {
    let Some(value) = value else { return Ok(None) };
    match u32::try_from(value) {
        Ok(value) => Ok(Some(value)),
        Err(_negative) => Err(AwsError::invalid_parameter(format!("{value} is less than 0."))),
    }
}

fn storage(asked: Option<&types::EphemeralStorage>) -> Result<Option<u32>, AwsError> {
    positive(asked.map(|asked| asked.size))
}

fn variables(asked: Option<&types::Environment>) -> Option<BTreeMap<String, String>> {
    asked.map(|asked| asked.variables.clone().unwrap_or_default())
}

/// A version of a function as AWS shows it.
pub(crate) fn shown(view: &FunctionView, runtimes: &Runtimes) -> types::FunctionConfiguration {
    let record = view.record();
    let configuration = &record.configuration;
    let region = view.function.arn.scope.region.as_str();
    let runtime_version =
        runtimes.get(&configuration.runtime).map(|runtime| types::RuntimeVersionConfig {
            runtime_version_arn: Some(runtime.version_arn(region)),
            ..types::RuntimeVersionConfig::default()
        });
    let (pending, updating) =
        (record.state == State::Pending, record.last_update == Some(LastUpdate::InProgress));
    let reason = |shown: bool, text: &str| shown.then(|| text.to_owned());
    let last_update = record.last_update.map(|update| update.name().to_owned());
    types::FunctionConfiguration {
        function_name: Some(view.function.arn.name.to_string()),
        function_arn: Some(view.arn.clone()),
        runtime: Some(configuration.runtime.clone()),
        role: Some(configuration.role.clone()),
        handler: Some(configuration.handler.clone()),
        code_size: i64::try_from(record.code.zip_bytes).ok(),
        description: Some(configuration.description.clone()),
        timeout: i32::try_from(configuration.timeout_seconds).ok(),
        memory_size: i32::try_from(configuration.memory_mb).ok(),
        last_modified: Some(record.modified.lambda()),
        code_sha256: Some(record.code.digest.base64()),
        version: Some(record.version.to_string()),
        environment: configuration.variables.as_ref().map(|variables| types::EnvironmentResponse {
            variables: Some(variables.clone()),
            ..types::EnvironmentResponse::default()
        }),
        tracing_config: Some(types::TracingConfigResponse { mode: Some("PassThrough".to_owned()) }),
        revision_id: Some(record.revision.to_string()),
        state: Some(record.state.name().to_owned()),
        state_reason: reason(pending, IN_PROGRESS_REASON),
        state_reason_code: reason(pending, IN_PROGRESS_CODE),
        last_update_status: last_update,
        last_update_status_reason: reason(updating, IN_PROGRESS_REASON),
        last_update_status_reason_code: reason(updating, IN_PROGRESS_CODE),
        package_type: Some("Zip".to_owned()),
        architectures: Some(vec![configuration.architecture.clone()]),
        ephemeral_storage: Some(types::EphemeralStorage {
            size: i32::try_from(configuration.ephemeral_storage_mb).unwrap_or(i32::MAX),
        }),
        snap_start: Some(types::SnapStartResponse {
            apply_on: Some("None".to_owned()),
            optimization_status: Some("Off".to_owned()),
        }),
        runtime_version_config: runtime_version,
        logging_config: Some(types::LoggingConfig {
            log_format: Some("Text".to_owned()),
            log_group: Some(configuration.log_group.clone()),
            ..types::LoggingConfig::default()
        }),
        ..types::FunctionConfiguration::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_honoured_is_refused_and_what_means_nothing_is_not() {
        #[rustfmt::skip]
        let rows = [
            (json!({"TracingConfig": {"Mode": "PassThrough"}}), true),
            (json!({"TracingConfig": {"Mode": "Active"}}),      false),
            (json!({"Layers": []}),                             true),
            (json!({"Layers": ["arn"]}),                        false),
            (json!({"VpcConfig": {"SubnetIds": []}}),           true),
            (json!({"VpcConfig": {"SubnetIds": ["subnet-1"]}}), false),
            (json!({"PackageType": "Image"}),                   false),
            (json!({"SnapStart": {"ApplyOn": "None"}}),         true),
            (json!({"DeadLetterConfig": {}}),                   true),
            (json!({"Code": {"S3Bucket": "b"}}),                false),
            (json!({"MemorySize": 512}),                        true),
        ];
        for (input, accepted) in rows {
            assert_eq!(refuse_unsupported(&input).is_ok(), accepted, "{input}");
        }
    }
}
