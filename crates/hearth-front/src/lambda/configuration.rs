//! The configuration of a function on the wire: what may be asked for, and how it is shown.

use std::collections::BTreeMap;

use hearth_control::control::FunctionView;
use hearth_control::record::{
    Configuration, FileSystem, LastUpdate, LogFormat, SnapStart, State, Tracing, VersionRecord, Vpc,
};
use hearth_control::settings::{ImageConfig, Logging, Settings};
use hearth_runtimes::Runtimes;
use hearth_wire::lambda::types;
use serde_json::Value;

use crate::error::AwsError;

/// What AWS says about a function that is being made or changed; both are worded alike.
const IN_PROGRESS: Reason = ("The function is being created.", "Creating");
const IMAGE: Reason = ("Hearth does not run container images yet.", "InvalidImage");
const CODE_LOST: Reason = ("The code of the function could not be unpacked.", "InternalError");

/// Why a version is in its state: text and code.
type Reason = (&'static str, &'static str);

/// What the model has and Hearth has not, with the values that mean "not used". Each of these would
/// change where or how a function runs, so keeping it and not honouring it would be a lie.
#[rustfmt::skip]
const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("/Code/S3ObjectStorageMode",      &["COPY"]),
    ("/Code/SourceKMSKeyArn",          &[]),
    ("/S3ObjectStorageMode",           &["COPY"]),
    ("/SourceKMSKeyArn",               &[]),
    ("/Content/S3ObjectStorageMode",   &["COPY"]),
    ("/PublishTo",                     &[]),
    ("/TenancyConfig",                 &[]),
    ("/CapacityProviderConfig",        &[]),
    ("/DurableConfig",                 &[]),
    ("/RuntimeConfig",                 &[]),
    ("/AcceleratorConfig",             &[]),
];

/// Refuses what Hearth has not.
pub(super) fn refuse_unsupported(input: &Value) -> Result<(), AwsError> {
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

/// What the two requests that bring settings have in common.
macro_rules! settings_of {
    ($request:expr, $role:expr, $architecture:expr) => {{
        let request = $request;
        Ok(Settings {
            runtime: request.runtime.clone(),
            role: $role,
            handler: request.handler.clone(),
            description: request.description.clone(),
            timeout_seconds: positive(request.timeout)?,
            memory_mb: positive(request.memory_size)?,
            ephemeral_storage_mb: positive(
                request.ephemeral_storage.as_ref().map(|asked| asked.size),
            )?,
            variables: variables(request.environment.as_ref()),
            architecture: $architecture,
            logging: request.logging_config.as_ref().map(logging).unwrap_or_default(),
            layers: request.layers.clone(),
            dead_letter_arn: request
                .dead_letter_config
                .as_ref()
                .map(|config| config.target_arn.clone().unwrap_or_default()),
            vpc: request.vpc_config.as_ref().map(vpc),
            file_systems: request.file_system_configs.as_deref().map(file_systems).transpose()?,
            tracing: request.tracing_config.as_ref().map(tracing),
            snap_start: request.snap_start.as_ref().map(snap_start),
            kms_key_arn: request.kms_key_arn.clone(),
            image_config: request.image_config.as_ref().map(image_config),
        })
    }};
}

pub(super) fn settings_of_create(
    request: &types::CreateFunctionRequest,
) -> Result<Settings, AwsError> {
    let architecture = request.architectures.as_ref().and_then(|all| all.first().cloned());
    settings_of!(request, Some(request.role.clone()), architecture)
}

pub(super) fn settings_of_update(
    request: &types::UpdateFunctionConfigurationRequest,
) -> Result<Settings, AwsError> {
    settings_of!(request, request.role.clone(), None)
}

/// The model has checked the range already.
fn positive(value: Option<i32>) -> Result<Option<u32>, AwsError> {
    let Some(value) = value else { return Ok(None) };
    match u32::try_from(value) {
        Ok(value) => Ok(Some(value)),
        Err(_negative) => Err(AwsError::invalid_parameter(format!("{value} is less than 0."))),
    }
}

fn variables(asked: Option<&types::Environment>) -> Option<BTreeMap<String, String>> {
    asked.map(|asked| asked.variables.clone().unwrap_or_default())
}

fn logging(asked: &types::LoggingConfig) -> Logging {
    Logging {
        group: asked.log_group.clone(),
        format: asked.log_format.clone(),
        application_level: asked.application_log_level.clone(),
        system_level: asked.system_log_level.clone(),
    }
}

fn vpc(asked: &types::VpcConfig) -> Vpc {
    Vpc {
        subnets: asked.subnet_ids.clone().unwrap_or_default(),
        security_groups: asked.security_group_ids.clone().unwrap_or_default(),
        ipv6: asked.ipv6_allowed_for_dual_stack,
    }
}

fn file_systems(asked: &[types::FileSystemConfig]) -> Result<Vec<FileSystem>, AwsError> {
    let one = |asked: &types::FileSystemConfig| {
        if asked.s3_files_config.is_some() {
            return Err(AwsError::invalid_parameter(
                "Hearth does not support FileSystemConfigs.S3FilesConfig yet; leave it out.",
            ));
        }
        let (arn, mount_path) = (asked.arn.clone(), asked.local_mount_path.clone());
        Ok(FileSystem { arn, mount_path })
    };
    asked.iter().map(one).collect()
}

fn tracing(asked: &types::TracingConfig) -> Tracing {
    match asked.mode.as_deref() {
        Some("Active") => Tracing::Active,
        Some(_) | None => Tracing::PassThrough,
    }
}

fn snap_start(asked: &types::SnapStart) -> SnapStart {
    match asked.apply_on.as_deref() {
        Some("PublishedVersions") => SnapStart::PublishedVersions,
        Some(_) | None => SnapStart::None,
    }
}

fn image_config(asked: &types::ImageConfig) -> ImageConfig {
    ImageConfig {
        entry_point: asked.entry_point.clone(),
        command: asked.command.clone(),
        working_directory: asked.working_directory.clone(),
    }
}

/// A version of a function as AWS shows it.
pub(super) fn shown(view: &FunctionView, runtimes: &Runtimes) -> types::FunctionConfiguration {
    let record = view.record();
    let region = view.function.arn.scope.region.as_str();
    let state_reason = state_reason(record);
    let update_reason = update_reason(record);
    let text = |reason: Option<Reason>| reason.map(|(text, _)| text.to_owned());
    let code = |reason: Option<Reason>| reason.map(|(_, code)| code.to_owned());
    types::FunctionConfiguration {
        function_name: Some(view.function.arn.name.to_string()),
        function_arn: Some(view.arn.clone()),
        code_size: i64::try_from(record.code.map_or(0, |code| code.zip_bytes)).ok(),
        last_modified: Some(record.modified.lambda()),
        code_sha256: record.code.map(|code| code.digest.base64()),
        version: Some(record.version.to_string()),
        revision_id: Some(record.revision.to_string()),
        state: Some(record.state.name().to_owned()),
        state_reason: text(state_reason),
        state_reason_code: code(state_reason),
        last_update_status: record.last_update.map(|update| update.name().to_owned()),
        last_update_status_reason: text(update_reason),
        last_update_status_reason_code: code(update_reason),
        ..settings(&record.configuration, region, runtimes)
    }
}

fn state_reason(record: &VersionRecord) -> Option<Reason> {
    match record.state {
        State::Pending => Some(IN_PROGRESS),
        State::Active => None,
        State::Failed => Some(failure(record)),
    }
}

fn update_reason(record: &VersionRecord) -> Option<Reason> {
    match record.last_update? {
        LastUpdate::InProgress => Some(IN_PROGRESS),
        LastUpdate::Successful => None,
        LastUpdate::Failed => Some(failure(record)),
    }
}

fn failure(record: &VersionRecord) -> Reason {
    if record.configuration.image.is_some() { IMAGE } else { CODE_LOST }
}

/// What a caller has decided, as AWS shows it.
fn settings(
    configuration: &Configuration,
    region: &str,
    runtimes: &Runtimes,
) -> types::FunctionConfiguration {
    let named = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let runtime_version =
        runtimes.get(&configuration.runtime).map(|runtime| types::RuntimeVersionConfig {
            runtime_version_arn: Some(runtime.version_arn(region)),
            ..types::RuntimeVersionConfig::default()
        });
    let tracing = match configuration.tracing {
        Tracing::PassThrough => "PassThrough",
        Tracing::Active => "Active",
    };
    let apply_on = match configuration.snap_start {
        SnapStart::None => "None",
        SnapStart::PublishedVersions => "PublishedVersions",
    };
    let package_type = if configuration.image.is_some() { "Image" } else { "Zip" };
    types::FunctionConfiguration {
        runtime: named(&configuration.runtime),
        role: Some(configuration.role.clone()),
        handler: named(&configuration.handler),
        description: Some(configuration.description.clone()),
        timeout: i32::try_from(configuration.timeout_seconds).ok(),
        memory_size: i32::try_from(configuration.memory_mb).ok(),
        environment: configuration.variables.as_ref().map(|variables| types::EnvironmentResponse {
            variables: Some(variables.clone()),
            ..types::EnvironmentResponse::default()
        }),
        dead_letter_config: configuration
            .dead_letter_arn
            .clone()
            .map(|arn| types::DeadLetterConfig { target_arn: Some(arn) }),
        vpc_config: configuration.vpc.as_ref().map(shown_vpc),
        kms_key_arn: configuration.kms_key_arn.clone(),
        tracing_config: Some(types::TracingConfigResponse { mode: Some(tracing.to_owned()) }),
        layers: shown_layers(configuration),
        file_system_configs: shown_file_systems(configuration),
        package_type: Some(package_type.to_owned()),
        image_config_response: shown_image_config(configuration),
        architectures: Some(vec![configuration.architecture.clone()]),
        ephemeral_storage: Some(types::EphemeralStorage {
            size: i32::try_from(configuration.ephemeral_storage_mb).unwrap_or(i32::MAX),
        }),
        // There are no snapshots yet, whatever was asked for.
        snap_start: Some(types::SnapStartResponse {
            apply_on: Some(apply_on.to_owned()),
            optimization_status: Some("Off".to_owned()),
        }),
        runtime_version_config: runtime_version,
        logging_config: Some(shown_logging(configuration)),
        ..types::FunctionConfiguration::default()
    }
}

fn shown_vpc(vpc: &Vpc) -> types::VpcConfigResponse {
    types::VpcConfigResponse {
        subnet_ids: Some(vpc.subnets.clone()),
        security_group_ids: Some(vpc.security_groups.clone()),
        // Which network the subnets belong to is known to a service that Hearth does not have.
        vpc_id: Some(String::new()),
        ipv6_allowed_for_dual_stack: Some(vpc.ipv6.unwrap_or(false)),
    }
}

fn shown_layers(configuration: &Configuration) -> Option<Vec<types::Layer>> {
    let one = |layer: &hearth_control::layer::LayerReference| types::Layer {
        arn: Some(layer.arn.clone()),
        code_size: i64::try_from(layer.code.zip_bytes).ok(),
        ..types::Layer::default()
    };
    let layers = &configuration.layers;
    (!layers.is_empty()).then(|| layers.iter().map(one).collect())
}

fn shown_file_systems(configuration: &Configuration) -> Option<Vec<types::FileSystemConfig>> {
    let one = |system: &FileSystem| types::FileSystemConfig {
        arn: system.arn.clone(),
        local_mount_path: system.mount_path.clone(),
        s3_files_config: None,
    };
    let systems = &configuration.file_systems;
    (!systems.is_empty()).then(|| systems.iter().map(one).collect())
}

fn shown_image_config(configuration: &Configuration) -> Option<types::ImageConfigResponse> {
    let image = configuration.image.as_ref()?;
    let config = types::ImageConfig {
        entry_point: image.entry_point.clone(),
        command: image.command.clone(),
        working_directory: image.working_directory.clone(),
    };
    let given = config != types::ImageConfig::default();
    given.then_some(types::ImageConfigResponse { image_config: Some(config), error: None })
}

fn shown_logging(configuration: &Configuration) -> types::LoggingConfig {
    let (format, application, system) = match &configuration.log_format {
        LogFormat::Text => ("Text", None, None),
        LogFormat::Json { application_level, system_level } => {
            ("JSON", Some(application_level.clone()), Some(system_level.clone()))
        }
    };
    types::LoggingConfig {
        log_format: Some(format.to_owned()),
        application_log_level: application,
        system_log_level: system,
        log_group: Some(configuration.log_group.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_hearth_has_not_is_refused_and_what_means_nothing_is_not() {
        #[rustfmt::skip]
        let rows = [
            (json!({"Code": {"S3ObjectStorageMode": "COPY"}}),      true),
            (json!({"Code": {"S3ObjectStorageMode": "REFERENCE"}}), false),
            (json!({"DurableConfig": {}}),                          true),
            (json!({"DurableConfig": {"RetentionPeriodInDays": 1}}), false),
            (json!({"PublishTo": "LATEST_PUBLISHED"}),              false),
            (json!({"Layers": ["arn"]}),                            true),
            (json!({"MemorySize": 512}),                            true),
        ];
        for (input, accepted) in rows {
            assert_eq!(refuse_unsupported(&input).is_ok(), accepted, "{input}");
        }
    }
}
