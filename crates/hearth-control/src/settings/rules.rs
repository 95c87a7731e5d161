//! The rules about a whole configuration. Each refuses with the text that AWS has for it, where that
//! is known.

use std::collections::BTreeMap;

use hearth_runtimes::Runtimes;
use hearth_types::function::RESERVED_VARIABLES;
use hearth_types::limits;

use super::refuse;
use crate::error::ControlError;
use crate::record::{Configuration, SnapStart};

/// Runtimes that AWS does not take for new functions any more, as recorded.
const RETIRED_RUNTIMES: &[&str] = &[
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "java8",
    "python2.7",
    "python3.6",
    "python3.7",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
];

pub(super) fn check(
    configuration: &Configuration,
    runtimes: &Runtimes,
) -> Result<(), ControlError> {
    if configuration.image.is_some() {
        check_image(configuration)?;
    } else {
        check_runtime(&configuration.runtime, runtimes)?;
    }
    check_architecture(&configuration.architecture)?;
    check_ranges(configuration)?;
    check_dead_letters(configuration)?;
    check_network(configuration)?;
    check_snap_start(configuration)?;
    configuration.variables.as_ref().map_or(Ok(()), check_variables)
}

fn check_image(configuration: &Configuration) -> Result<(), ControlError> {
    if configuration.runtime.is_empty() && configuration.handler.is_empty() {
        if configuration.layers.is_empty() {
            return Ok(());
        }
        return refuse("Layers are not supported for functions with the PackageType Image.");
    }
    refuse("Runtime and Handler cannot be set for functions with the PackageType Image.")
}

fn check_dead_letters(configuration: &Configuration) -> Result<(), ControlError> {
    let Some(arn) = configuration.dead_letter_arn.as_deref() else { return Ok(()) };
    match arn.split(':').nth(2) {
        Some("sqs" | "sns") if !arn.ends_with(".fifo") => Ok(()),
        _ => refuse(format!(
            "The provided dead letter target {arn} is invalid. Give the ARN of a standard Amazon SQS queue or a standard Amazon SNS topic."
        )),
    }
}

fn check_network(configuration: &Configuration) -> Result<(), ControlError> {
    let attached = configuration.vpc.as_ref().is_some_and(|vpc| !vpc.subnets.is_empty());
    if let Some(vpc) = &configuration.vpc
        && vpc.subnets.is_empty() != vpc.security_groups.is_empty()
    {
        return refuse("SubnetIds and SecurityIds must coexist or be both empty list.");
    }
    if configuration.file_systems.is_empty() || attached {
        return Ok(());
    }
    let arn = &configuration.file_systems[0].arn;
    refuse(format!(
        "Function must be configured to execute in a VPC to reference access point {arn}."
    ))
}

/// The first version of each language that can be started from a snapshot.
const SNAP_START_RUNTIMES: &[(&str, u32)] = &[("python3.", 12), ("java", 11), ("dotnet", 8)];

fn check_snap_start(configuration: &Configuration) -> Result<(), ControlError> {
    if configuration.snap_start == SnapStart::None {
        return Ok(());
    }
    let runtime = configuration.runtime.as_str();
    let supported = SNAP_START_RUNTIMES.iter().any(|(language, first)| {
        let version = runtime.strip_prefix(language).and_then(|rest| rest.split('.').next());
        version.and_then(|text| text.parse::<u32>().ok()).is_some_and(|found| found >= *first)
    });
    if !supported && configuration.image.is_none() {
        return refuse(format!("{runtime} is not supported for SnapStart enabled functions."));
    }
    if configuration.ephemeral_storage_mb > limits::EPHEMERAL_STORAGE_MB_MIN {
        return refuse("SnapStart does not support ephemeral storage greater than 512 MB.");
    }
    if !configuration.file_systems.is_empty() {
        return refuse("SnapStart does not support file systems.");
    }
    Ok(())
}

fn check_runtime(name: &str, runtimes: &Runtimes) -> Result<(), ControlError> {
    if RETIRED_RUNTIMES.contains(&name) {
        return Err(ControlError::InvalidParameter(format!(
            "The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    if runtimes.get(name).is_none() {
        return Err(ControlError::InvalidParameter(runtimes.missing_message(name)));
    }
    Ok(())
}

fn check_architecture(asked: &str) -> Result<(), ControlError> {
    let here = if cfg!(target_arch = "x86_64") { "x86_64" } else { "arm64" };
    if asked == here {
        return Ok(());
    }
    Err(ControlError::InvalidParameter(format!(
        "This host runs {here} functions; {asked} is not available on it. Build the function for {here} and pass Architectures=[{here}]."
    )))
}

fn check_ranges(configuration: &Configuration) -> Result<(), ControlError> {
    #[rustfmt::skip]
    let rows = [
        ("MemorySize", configuration.memory_mb, limits::MEMORY_MB_MIN, limits::MEMORY_MB_MAX),
        ("Timeout", configuration.timeout_seconds, 1, limits::TIMEOUT_SECONDS_MAX),
        ("EphemeralStorage.Size", configuration.ephemeral_storage_mb, limits::EPHEMERAL_STORAGE_MB_MIN, limits::EPHEMERAL_STORAGE_MB_MAX),
    ];
    // The model's own ranges are wider: they are those of managed instances.
    for (name, value, least, most) in rows {
        if value < least || value > most {
            return Err(ControlError::InvalidParameter(format!(
                "'{name}' value failed to satisfy constraint: Member must have value between {least} and {most}"
            )));
        }
    }
    Ok(())
}

fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), ControlError> {
    let reserved: Vec<&str> = variables
        .keys()
        .map(String::as_str)
        .filter(|name| RESERVED_VARIABLES.contains(name))
        .collect();
    if !reserved.is_empty() {
        return Err(ControlError::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        )));
    }
    let measured = serde_json::to_string(variables).expect("strings can be written as JSON");
    if measured.len() > limits::ENVIRONMENT_BYTES_MAX {
        return Err(ControlError::InvalidParameter(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {measured}"
        )));
    }
    if variables.values().any(|value| value.contains('\0')) {
        return Err(ControlError::InvalidParameter(
            "Environment variables cannot contain the character NUL.".to_owned(),
        ));
    }
    Ok(())
}
