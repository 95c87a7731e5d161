//! The control plane's operations: wire to domain and back.
//!
//! An input is checked against the model, then against what is built: a setting that would be
//! stored and not honoured is refused, with its name.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_control::control::{Control, CreateFunction, DryRun, FunctionView, Publish, UpdateCode};
use hearth_control::record::FunctionRecord;
use hearth_types::limits;
use hearth_types::names::{FunctionArn, FunctionName, FunctionReference, Qualifier, Scope};
use hearth_wire::lambda::{Operation, types};
use hearth_wire::validate::{self, Violation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::configuration::{self, settings_of_create, settings_of_update};
use crate::error::AwsError;
use crate::front::Front;
use crate::invoke::named;

/// One call of an operation.
pub(crate) struct Call {
    pub(crate) front: Arc<Front>,
    pub(crate) scope: Scope,
    /// How the client reached us.
    pub(crate) host: Option<String>,
}

/// Performs an operation. The input is the model's; so is the output.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not named here is not built yet")]
pub(crate) async fn perform(
    call: &Call,
    operation: Operation,
    input: Value,
) -> Result<Value, AwsError> {
    check(operation, &input)?;
    match operation {
        Operation::CreateFunction => create(call, input).await,
        Operation::GetFunction => get(call, read(input)?),
        Operation::GetFunctionConfiguration => get_configuration(call, read(input)?),
        Operation::ListFunctions => list(call, read(input)?),
        Operation::ListVersionsByFunction => list_versions(call, read(input)?),
        Operation::UpdateFunctionCode => update_code(call, input).await,
        Operation::UpdateFunctionConfiguration => update_configuration(call, input).await,
        Operation::DeleteFunction => delete(call, read(input)?).await,
        Operation::TagResource => tag(call, read(input)?).await,
        Operation::UntagResource => untag(call, read(input)?).await,
        Operation::ListTags => list_tags(call, read(input)?),
        Operation::GetAccountSettings => Ok(account_settings(call)),
        not_built => Err(AwsError::not_built("Lambda", not_built.name())),
    }
}

/// Checks an input against the model. An unknown runtime is left to the control plane, which
/// answers another error for it, as AWS does.
fn check(operation: Operation, input: &Value) -> Result<(), AwsError> {
    let mut violations = validate::violations(operation.description().input, input);
    violations.retain(|violation: &Violation| violation.path != "runtime");
    if violations.is_empty() { Ok(()) } else { Err(AwsError::validation(&violations)) }
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| {
        AwsError::invalid_parameter(format!("The request cannot be read: {error}"))
    })
}

fn write(output: &impl Serialize) -> Value {
    serde_json::to_value(output).expect("the shapes of the wire can be written as JSON")
}

impl Call {
    fn control(&self) -> &Arc<Control> {
        &self.front.control
    }

    /// The function that a name and a qualifier mean.
    fn function(
        &self,
        name: &str,
        qualifier: Option<&str>,
    ) -> Result<(FunctionArn, Option<Qualifier>), AwsError> {
        let reference = FunctionReference::parse(name)
            .map_err(|error| AwsError::invalid_parameter(error.to_string()))?;
        let qualifier = qualifier
            .filter(|text| !text.is_empty())
            .map(Qualifier::parse)
            .transpose()
            .map_err(|error| AwsError::invalid_parameter(error.to_string()))?;
        named(&self.scope, reference, qualifier)
    }

    /// A function that must be named without a qualifier.
    fn unqualified(&self, name: &str) -> Result<FunctionArn, AwsError> {
        match self.function(name, None)? {
            (function, None) => Ok(function),
            (_, Some(_)) => Err(AwsError::invalid_parameter(
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
            )),
        }
    }

    /// The function that a tagging operation means.
    fn tagged(&self, resource: &str) -> Result<FunctionArn, AwsError> {
        match self.function(resource, None)? {
            (function, None) => Ok(function),
            (_, Some(_)) => Err(AwsError::invalid_parameter(
                "Tags on function aliases and versions are not supported. Please specify a function ARN.",
            )),
        }
    }

    fn shown(&self, view: &FunctionView) -> Value {
        write(&configuration::shown(view, &self.front.runtimes))
    }
}

async fn create(call: &Call, input: Value) -> Result<Value, AwsError> {
    configuration::refuse_unsupported(&input)?;
    let request: types::CreateFunctionRequest = read(input)?;
    let reference = FunctionReference::parse(&request.function_name)
        .map_err(|error| AwsError::invalid_parameter(error.to_string()))?;
    let name = &reference.name;
    if name.as_str().len() > 64 {
        return Err(AwsError::invalid_parameter(format!(
            "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64"
        )));
    }
    let function = Control::arn(&call.scope, &reference)?;
    let settings = settings_of_create(&request)?;
    let publish = publish(request.publish);
    let zip = request
        .code
        .zip_file
        .ok_or_else(|| AwsError::invalid_parameter("Please provide a source for function code."))?;
    let created = call
        .control()
        .create(CreateFunction {
            function,
            settings,
            zip: zip.0,
            tags: request.tags.unwrap_or_default(),
            publish,
        })
        .await?;
    Ok(call.shown(&created))
}

fn publish(asked: Option<bool>) -> Publish {
    if asked == Some(true) { Publish::Yes } else { Publish::No }
}

fn get(call: &Call, request: types::GetFunctionRequest) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    let view = call.control().get(&function, qualifier.as_ref())?;
    let location = format!(
        "http://{}{}packages/{}",
        call.host.as_deref().unwrap_or("127.0.0.1:4566"),
        crate::own::PREFIX,
        view.record().code.digest
    );
    let tags = &view.function.tags;
    Ok(write(&types::GetFunctionResponse {
        configuration: Some(configuration::shown(&view, &call.front.runtimes)),
        code: Some(types::FunctionCodeLocation {
            repository_type: Some("S3".to_owned()),
            location: Some(location),
            ..types::FunctionCodeLocation::default()
        }),
        tags: (!tags.is_empty()).then(|| tags.clone()),
        ..types::GetFunctionResponse::default()
    }))
}

fn get_configuration(
    call: &Call,
    request: types::GetFunctionConfigurationRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    Ok(call.shown(&call.control().get(&function, qualifier.as_ref())?))
}

fn list(call: &Call, request: types::ListFunctionsRequest) -> Result<Value, AwsError> {
    let marker = request.marker.as_deref().filter(|marker| !marker.is_empty());
    let from = marker.map_or_else(|| Ok(Position::default()), Position::read)?;
    let items = page_size(request.max_items);
    let page = call.control().list(&call.scope, from.after.as_ref(), items);
    let all = request.function_version.as_deref() == Some("ALL");

    // Each function has one item or more, so as many functions as items are enough.
    let mut shown = Vec::new();
    let mut next = None;
    let mut before = from.after;
    let mut skip = from.skip;
    'page: for function in &page.functions {
        for (number, view) in views(function, all).iter().enumerate().skip(skip) {
            if shown.len() == items {
                next = Some(Position { after: before, skip: number });
                break 'page;
            }
            shown.push(listed(call, view));
        }
        skip = 0;
        before = Some(function.arn.name.clone());
    }
    let next = next.or_else(|| page.next.map(|last| Position { after: Some(last), skip: 0 }));
    Ok(write(&types::ListFunctionsResponse {
        functions: Some(shown),
        next_marker: next.map(|next| next.write()),
    }))
}

/// Where a page begins: behind a function, and behind so many versions of the next one.
#[derive(Default)]
struct Position {
    after: Option<FunctionName>,
    skip: usize,
}

impl Position {
    fn read(marker: &str) -> Result<Self, AwsError> {
        let decoded = STANDARD.decode(marker).ok().ok_or_else(bad_marker)?;
        let text = String::from_utf8(decoded).ok().ok_or_else(bad_marker)?;
        let (name, skip) = text.split_once(':').ok_or_else(bad_marker)?;
        let name =
            (!name.is_empty()).then(|| FunctionName::parse(name).ok().ok_or_else(bad_marker));
        let skip = skip.parse().ok().ok_or_else(bad_marker)?;
        Ok(Self { after: name.transpose()?, skip })
    }

    fn write(&self) -> String {
        let name = self.after.as_ref().map_or("", FunctionName::as_str);
        STANDARD.encode(format!("{name}:{}", self.skip))
    }
}

fn page_size(asked: Option<i32>) -> usize {
    let asked = asked.and_then(|asked| usize::try_from(asked).ok());
    asked.unwrap_or(limits::LIST_ITEMS_MAX).clamp(1, limits::LIST_ITEMS_MAX)
}

fn bad_marker() -> AwsError {
    AwsError::invalid_parameter("Invalid pagination token.")
}

/// A function as a listing shows it: `$LATEST`, and its versions if they are asked for.
fn views(function: &Arc<FunctionRecord>, all: bool) -> Vec<FunctionView> {
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
fn listed(call: &Call, view: &FunctionView) -> types::FunctionConfiguration {
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

fn list_versions(
    call: &Call,
    request: types::ListVersionsByFunctionRequest,
) -> Result<Value, AwsError> {
    let function = call.unqualified(&request.function_name)?;
    let view = call.control().get(&function, None)?;
    let marker = request.marker.as_deref().filter(|marker| !marker.is_empty());
    let skip = marker.map_or(Ok(0usize), |marker| marker.parse().ok().ok_or_else(bad_marker))?;
    let items = page_size(request.max_items);
    let all = views(&view.function, true);
    let next = skip.saturating_add(items);
    Ok(write(&types::ListVersionsByFunctionResponse {
        versions: Some(all.iter().skip(skip).take(items).map(|view| listed(call, view)).collect()),
        next_marker: (next < all.len()).then(|| next.to_string()),
    }))
}

async fn update_code(call: &Call, input: Value) -> Result<Value, AwsError> {
    configuration::refuse_unsupported(&input)?;
    let request: types::UpdateFunctionCodeRequest = read(input)?;
    let function = call.unqualified(&request.function_name)?;
    let zip = request
        .zip_file
        .ok_or_else(|| AwsError::invalid_parameter("Please provide a source for function code."))?;
    let update = UpdateCode {
        zip: zip.0,
        architecture: request.architectures.and_then(|mut all| all.pop()),
        revision: request.revision_id,
        publish: publish(request.publish),
        dry_run: if request.dry_run == Some(true) { DryRun::Yes } else { DryRun::No },
    };
    let view = call.control().update_code(&function, update).await?;
    Ok(call.shown(&view))
}

async fn update_configuration(call: &Call, input: Value) -> Result<Value, AwsError> {
    configuration::refuse_unsupported(&input)?;
    let request: types::UpdateFunctionConfigurationRequest = read(input)?;
    let function = call.unqualified(&request.function_name)?;
    let settings = settings_of_update(&request)?;
    let revision = request.revision_id.as_deref();
    let view = call.control().update_configuration(&function, settings, revision).await?;
    Ok(call.shown(&view))
}

async fn delete(call: &Call, request: types::DeleteFunctionRequest) -> Result<Value, AwsError> {
    let (function, qualifier) =
        call.function(&request.function_name, request.qualifier.as_deref())?;
    call.control().delete(&function, qualifier.as_ref()).await?;
    // Recorded: 204, whatever the model says.
    Ok(json!({ "StatusCode": 204 }))
}

async fn tag(call: &Call, request: types::TagResourceRequest) -> Result<Value, AwsError> {
    let function = call.tagged(&request.resource)?;
    if request.tags.is_empty() {
        return Err(AwsError::invalid_parameter(
            "An error occurred and the request cannot be processed.",
        ));
    }
    call.control().tag(&function, |tags| tags.extend(request.tags)).await?;
    Ok(json!({}))
}

async fn untag(call: &Call, request: types::UntagResourceRequest) -> Result<Value, AwsError> {
    let function = call.tagged(&request.resource)?;
    let keys = request.tag_keys;
    call.control().tag(&function, |tags| tags.retain(|key, _| !keys.contains(key))).await?;
    Ok(json!({}))
}

fn list_tags(call: &Call, request: types::ListTagsRequest) -> Result<Value, AwsError> {
    let function = call.tagged(&request.resource)?;
    let view = call.control().get(&function, None)?;
    let tags: BTreeMap<String, String> = view.function.tags.clone();
    Ok(write(&types::ListTagsResponse { tags: Some(tags) }))
}

fn account_settings(call: &Call) -> Value {
    let (functions, bytes) = call.control().usage(&call.scope);
    let concurrency = call.front.concurrency_max;
    json!({
        "AccountLimit": {
            "TotalCodeSize": 322_122_547_200_u64,
            "CodeSizeUnzipped": limits::UNZIPPED_BYTES_MAX,
            "CodeSizeZipped": limits::ZIP_BYTES_MAX,
            "ConcurrentExecutions": concurrency,
            "UnreservedConcurrentExecutions": concurrency,
        },
        "AccountUsage": { "TotalCodeSize": bytes, "FunctionCount": functions },
    })
}
