//! Functions: create, read, update, delete, list.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_control::changes::{CreateFunction, DryRun, UpdateCode};
use hearth_control::control::{Control, FunctionView};
use hearth_control::publish::Publish;
use hearth_control::record::FunctionRecord;
use hearth_types::names::{FunctionName, FunctionReference};
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::code::{self, Given};
use super::configuration::{self, settings_of_create, settings_of_update};
use super::{Call, paging, read, write};
use crate::error::AwsError;

/// Creates a function.
pub(super) async fn create(call: &Call, input: Value) -> Result<Value, AwsError> {
    configuration::refuse_unsupported(&input)?;
    let request: types::CreateFunctionRequest = read(input)?;
    let reference = FunctionReference::parse(&request.function_name)
        .map_err(|error| AwsError::invalid_parameter(error.to_string()))?;
    if reference.qualifier.is_some() {
        return Err(super::functions_only());
    }
    let name = &reference.name;
    if name.as_str().len() > 64 {
        return Err(AwsError::invalid_parameter(format!(
            "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
        )));
    }
    let function = Control::arn(&call.scope, &reference)?;
    let settings = settings_of_create(&request)?;
    let publish = publish(request.publish);
    check_package_type(request.package_type.as_deref(), &request.code)?;
    let given = Given {
        zip: request.code.zip_file,
        bucket: request.code.s3_bucket,
        key: request.code.s3_key,
        object_version: request.code.s3_object_version,
        image: request.code.image_uri,
    };
    let created = call
        .control()
        .create(CreateFunction {
            function,
            settings,
            source: code::source(call, given).await?,
            tags: request.tags.unwrap_or_default(),
            code_signing_config: request.code_signing_config_arn.filter(|arn| !arn.is_empty()),
            publish,
        })
        .await?;
    Ok(shown(call, &created))
}

/// An image is an image, and nothing else is.
fn check_package_type(asked: Option<&str>, code: &types::FunctionCode) -> Result<(), AwsError> {
    match (asked, code.image_uri.is_some()) {
        (Some("Image"), false) => Err(AwsError::invalid_parameter(
            "Please provide ImageUri when creating a function with packageType Image.",
        )),
        (None | Some("Zip"), true) => Err(AwsError::invalid_parameter(
            "Please don't provide ImageUri when creating a function with packageType Zip.",
        )),
        (Some(_) | None, _) => Ok(()),
    }
}

fn publish(asked: Option<bool>) -> Publish {
    if asked == Some(true) { Publish::Yes } else { Publish::No }
}

fn shown(call: &Call, view: &FunctionView) -> Value {
    write(&configuration::shown(view, &call.front.runtimes))
}

pub(super) fn get(call: &Call, request: types::GetFunctionRequest) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let view = call.control().get(&function, qualifier.as_ref())?;
    let record = view.record();
    let code = match (&record.code, &record.configuration.image) {
        (_, Some(image)) => types::FunctionCodeLocation {
            repository_type: Some("ECR".to_owned()),
            image_uri: Some(image.uri.clone()),
            ..types::FunctionCodeLocation::default()
        },
        (code, None) => types::FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: code.as_ref().map(|code| call.location(&code.digest)),
            ..types::FunctionCodeLocation::default()
        },
    };
    let tags = &view.function.tags;
    let reserved = view.function.reserved_concurrency;
    Ok(write(&types::GetFunctionResponse {
        configuration: Some(configuration::shown(&view, &call.front.runtimes)),
        code: Some(code),
        tags: (!tags.is_empty()).then(|| tags.clone()),
        concurrency: reserved.map(|reserved| types::Concurrency {
            reserved_concurrent_executions: i32::try_from(reserved).ok(),
        }),
        ..types::GetFunctionResponse::default()
    }))
}

pub(super) fn get_configuration(
    call: &Call,
    request: types::GetFunctionConfigurationRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    Ok(shown(call, &call.control().get(&function, qualifier.as_ref())?))
}

pub(super) fn list(call: &Call, request: types::ListFunctionsRequest) -> Result<Value, AwsError> {
    let marker = request.marker.as_deref().filter(|marker| !marker.is_empty());
    let from = marker.map_or_else(|| Ok(Position::default()), Position::read)?;
    let items = paging::size(request.max_items);
    let page = call.control().list(&call.scope, from.after.as_ref(), items);
    let all = request.function_version.as_deref() == Some("ALL");

    // Each function has one item or more, so as many functions as items are enough.
    let mut shown = Vec::new();
    let mut next = None;
    let mut before = from.after;
    'page: for function in &page.functions {
        let skip = if from.within.as_ref() == Some(&function.arn.name) { from.skip } else { 0 };
        for (number, view) in views(function, all).iter().enumerate().skip(skip) {
            if shown.len() == items {
                let within = (number > 0).then(|| function.arn.name.clone());
                next = Some(Position { after: before, within, skip: number });
                break 'page;
            }
            shown.push(listed(call, view));
        }
        before = Some(function.arn.name.clone());
    }
    let next = next
        .or_else(|| page.next.map(|last| Position { after: Some(last), ..Position::default() }));
    Ok(write(&types::ListFunctionsResponse {
        functions: Some(shown),
        next_marker: next.map(|next| next.write()),
    }))
}

/// Where a page begins: behind a function, and, if the next one is `within`, behind so many of its
/// versions.
#[derive(Default)]
struct Position {
    after: Option<FunctionName>,
    within: Option<FunctionName>,
    skip: usize,
}

impl Position {
    fn read(marker: &str) -> Result<Self, AwsError> {
        let decoded = STANDARD.decode(marker).ok().ok_or_else(paging::bad_marker)?;
        let text = String::from_utf8(decoded).ok().ok_or_else(paging::bad_marker)?;
        let [after, within, skip] = text.split(':').collect::<Vec<_>>()[..] else {
            return Err(paging::bad_marker());
        };
        let name = |text: &str| {
            let name = (!text.is_empty()).then(|| FunctionName::parse(text));
            name.transpose().ok().ok_or_else(paging::bad_marker)
        };
        let skip = skip.parse().ok().ok_or_else(paging::bad_marker)?;
        Ok(Self { after: name(after)?, within: name(within)?, skip })
    }

    fn write(&self) -> String {
        let name = |name: &Option<FunctionName>| name.as_ref().map(ToString::to_string);
        let [after, within] = [&self.after, &self.within].map(|one| name(one).unwrap_or_default());
        STANDARD.encode(format!("{after}:{within}:{}", self.skip))
    }
}

/// A function as a listing shows it: `$LATEST`, and its versions if they are asked for.
pub(super) fn views(function: &Arc<FunctionRecord>, all: bool) -> Vec<FunctionView> {
    let versions = function.all_versions().map(|version| version.version);
    versions
        .take(if all { usize::MAX } else { 1 })
        .map(|version| FunctionView {
            function: Arc::clone(function),
            version,
            // With ALL, AWS qualifies every ARN.
            arn: if all { function.arn.qualified(&version) } else { function.arn.to_string() },
        })
        .collect()
}

/// A listing leaves out the state.
pub(super) fn listed(call: &Call, view: &FunctionView) -> types::FunctionConfiguration {
    types::FunctionConfiguration {
        state: None,
        state_reason: None,
        state_reason_code: None,
        last_update_status: None,
        last_update_status_reason: None,
        last_update_status_reason_code: None,
        ..configuration::shown(view, &call.front.runtimes)
    }
}

pub(super) async fn update_code(call: &Call, input: Value) -> Result<Value, AwsError> {
    configuration::refuse_unsupported(&input)?;
    let request: types::UpdateFunctionCodeRequest = read(input)?;
    let function = call.unqualified(&request.function_name)?;
    call.control().record(&function)?;
    let given = Given {
        zip: request.zip_file,
        bucket: request.s3_bucket,
        key: request.s3_key,
        object_version: request.s3_object_version,
        image: request.image_uri,
    };
    let update = UpdateCode {
        source: code::source(call, given).await?,
        architecture: request.architectures.and_then(|mut all| all.pop()),
        revision: request.revision_id,
        publish: publish(request.publish),
        dry_run: if request.dry_run == Some(true) { DryRun::Yes } else { DryRun::No },
    };
    let view = call.control().update_code(&function, update).await?;
    Ok(shown(call, &view))
}

pub(super) async fn update_configuration(call: &Call, input: Value) -> Result<Value, AwsError> {
    configuration::refuse_unsupported(&input)?;
    let request: types::UpdateFunctionConfigurationRequest = read(input)?;
    let function = call.unqualified(&request.function_name)?;
    let settings = settings_of_update(&request)?;
    let revision = request.revision_id.as_deref();
    let view = call.control().update_configuration(&function, settings, revision).await?;
    Ok(shown(call, &view))
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteFunctionRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    call.control().delete(&function, qualifier.as_ref()).await?;
    // Recorded: 204, whatever the model says.
    Ok(json!({ "StatusCode": 204 }))
}
