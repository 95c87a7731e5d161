//! The operations of AWS Lambda's control plane: wire to domain and back.
//!
//! One file for each kind of resource. An operation is a function of a [`Call`] and the model's
//! input; it returns the model's output.

mod aliases;
mod code;
mod code_signing;
mod concurrency;
mod configuration;
mod event_invoke;
mod functions;
mod layers;
mod mappings;
mod paging;
mod permissions;
mod runtime_management;
mod tags;
mod urls;
mod versions;

use std::sync::Arc;

use hearth_control::control::Control;
use hearth_types::names::{FunctionArn, FunctionReference, Qualifier, Scope};
use hearth_wire::lambda::Operation;
use hearth_wire::validate::{self, Violation};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::compatibility::{Offer, offer};
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
#[expect(clippy::too_many_lines, reason = "one line for each operation, and nothing else")]
pub(crate) async fn perform(
    call: &Call,
    operation: Operation,
    mut input: Value,
) -> Result<Value, AwsError> {
    // Said before anything else: no input would make it work.
    if matches!(offer(operation), Offer::NotYet(_)) {
        return Err(AwsError::not_built("Lambda", operation.name()));
    }
    mappings::give_region(&mut input, &call.scope);
    check(operation, &input)?;
    match operation {
        Operation::CreateFunction => functions::create(call, input).await,
        Operation::GetFunction => functions::get(call, read(input)?),
        Operation::GetFunctionConfiguration => functions::get_configuration(call, read(input)?),
        Operation::ListFunctions => functions::list(call, read(input)?),
        Operation::UpdateFunctionCode => functions::update_code(call, input).await,
        Operation::UpdateFunctionConfiguration => {
            functions::update_configuration(call, input).await
        }
        Operation::DeleteFunction => functions::delete(call, read(input)?).await,

        Operation::PublishVersion => versions::publish(call, read(input)?).await,
        Operation::ListVersionsByFunction => versions::list(call, read(input)?),
        Operation::CreateAlias => aliases::create(call, read(input)?).await,
        Operation::GetAlias => aliases::get(call, read(input)?),
        Operation::UpdateAlias => aliases::update(call, read(input)?).await,
        Operation::DeleteAlias => aliases::delete(call, read(input)?).await,
        Operation::ListAliases => aliases::list(call, read(input)?),

        Operation::PublishLayerVersion => layers::publish(call, read(input)?).await,
        Operation::GetLayerVersion => layers::get(call, read(input)?),
        Operation::GetLayerVersionByArn => layers::get_by_arn(call, read(input)?),
        Operation::ListLayerVersions => layers::list_versions(call, read(input)?),
        Operation::ListLayers => layers::list(call, read(input)?),
        Operation::DeleteLayerVersion => layers::delete(call, read(input)?).await,
        Operation::AddLayerVersionPermission => layers::add_permission(call, read(input)?).await,
        Operation::RemoveLayerVersionPermission => {
            layers::remove_permission(call, read(input)?).await
        }
        Operation::GetLayerVersionPolicy => layers::get_policy(call, read(input)?),

        Operation::AddPermission => permissions::add(call, read(input)?).await,
        Operation::RemovePermission => permissions::remove(call, read(input)?).await,
        Operation::GetPolicy => permissions::get_policy(call, read(input)?),
        Operation::PutResourcePolicy => permissions::put_resource_policy(call, read(input)?).await,
        Operation::GetResourcePolicy => permissions::get_resource_policy(call, read(input)?),
        Operation::DeleteResourcePolicy => {
            permissions::delete_resource_policy(call, read(input)?).await
        }

        Operation::PutFunctionConcurrency => concurrency::put(call, read(input)?).await,
        Operation::GetFunctionConcurrency => concurrency::get(call, read(input)?),
        Operation::DeleteFunctionConcurrency => concurrency::delete(call, read(input)?).await,
        Operation::PutProvisionedConcurrencyConfig => {
            concurrency::put_provisioned(call, read(input)?).await
        }
        Operation::GetProvisionedConcurrencyConfig => {
            concurrency::get_provisioned(call, read(input)?)
        }
        Operation::ListProvisionedConcurrencyConfigs => {
            concurrency::list_provisioned(call, read(input)?)
        }
        Operation::DeleteProvisionedConcurrencyConfig => {
            concurrency::delete_provisioned(call, read(input)?).await
        }
        Operation::PutFunctionScalingConfig => concurrency::put_scaling(call, read(input)?).await,
        Operation::GetFunctionScalingConfig => concurrency::get_scaling(call, read(input)?),
        Operation::PutFunctionRecursionConfig => {
            concurrency::put_recursion(call, read(input)?).await
        }
        Operation::GetFunctionRecursionConfig => concurrency::get_recursion(call, read(input)?),
        Operation::GetAccountSettings => concurrency::account_settings(call, read(input)?),

        Operation::PutFunctionEventInvokeConfig => event_invoke::put(call, read(input)?).await,
        Operation::UpdateFunctionEventInvokeConfig => {
            event_invoke::update(call, read(input)?).await
        }
        Operation::GetFunctionEventInvokeConfig => event_invoke::get(call, read(input)?),
        Operation::ListFunctionEventInvokeConfigs => event_invoke::list(call, read(input)?),
        Operation::DeleteFunctionEventInvokeConfig => {
            event_invoke::delete(call, read(input)?).await
        }

        Operation::CreateFunctionUrlConfig => urls::create(call, read(input)?).await,
        Operation::GetFunctionUrlConfig => urls::get(call, read(input)?),
        Operation::UpdateFunctionUrlConfig => urls::update(call, read(input)?).await,
        Operation::DeleteFunctionUrlConfig => urls::delete(call, read(input)?).await,
        Operation::ListFunctionUrlConfigs => urls::list(call, read(input)?),

        Operation::CreateEventSourceMapping => mappings::create(call, read(input)?).await,
        Operation::GetEventSourceMapping => mappings::get(call, read(input)?),
        Operation::UpdateEventSourceMapping => mappings::update(call, read(input)?).await,
        Operation::DeleteEventSourceMapping => mappings::delete(call, read(input)?).await,
        Operation::ListEventSourceMappings => mappings::list(call, read(input)?),

        Operation::CreateCodeSigningConfig => code_signing::create(call, read(input)?).await,
        Operation::GetCodeSigningConfig => code_signing::get(call, read(input)?),
        Operation::UpdateCodeSigningConfig => code_signing::update(call, read(input)?).await,
        Operation::DeleteCodeSigningConfig => code_signing::delete(call, read(input)?).await,
        Operation::ListCodeSigningConfigs => code_signing::list(call, read(input)?),
        Operation::ListFunctionsByCodeSigningConfig => {
            code_signing::list_functions(call, read(input)?)
        }
        Operation::PutFunctionCodeSigningConfig => {
            code_signing::put_function(call, read(input)?).await
        }
        Operation::GetFunctionCodeSigningConfig => code_signing::get_function(call, read(input)?),
        Operation::DeleteFunctionCodeSigningConfig => {
            code_signing::delete_function(call, read(input)?).await
        }

        Operation::PutRuntimeManagementConfig => runtime_management::put(call, read(input)?).await,
        Operation::GetRuntimeManagementConfig => runtime_management::get(call, read(input)?),
        Operation::TagResource => tags::tag(call, read(input)?).await,
        Operation::UntagResource => tags::untag(call, read(input)?).await,
        Operation::ListTags => tags::list(call, read(input)?),

        Operation::CheckpointDurableExecution
        | Operation::CreateCapacityProvider
        | Operation::DeleteCapacityProvider
        | Operation::DeleteDurableExecution
        | Operation::GetCapacityProvider
        | Operation::GetDurableExecution
        | Operation::GetDurableExecutionHistory
        | Operation::GetDurableExecutionState
        | Operation::Invoke
        | Operation::InvokeAsync
        | Operation::InvokeWithResponseStream
        | Operation::ListCapacityProviders
        | Operation::ListDurableExecutionsByFunction
        | Operation::ListFunctionVersionsByCapacityProvider
        | Operation::PauseDurableExecution
        | Operation::ResumeDurableExecution
        | Operation::SendDurableExecutionCallbackFailure
        | Operation::SendDurableExecutionCallbackHeartbeat
        | Operation::SendDurableExecutionCallbackSuccess
        | Operation::StopDurableExecution
        | Operation::UpdateCapacityProvider => Err(AwsError::not_built("Lambda", operation.name())),
    }
}

/// Checks an input against the model. For a runtime that nobody knows AWS has another error than
/// for everything else.
fn check(operation: Operation, input: &Value) -> Result<(), AwsError> {
    let mut violations = validate::violations(operation.description().input, input);
    let runtime = violations.iter().position(|violation| violation.path == "runtime");
    let runtime = runtime.map(|index| violations.remove(index));
    if !violations.is_empty() {
        return Err(AwsError::validation(&violations));
    }
    runtime.map_or(Ok(()), |violation: Violation| {
        let asked = input["Runtime"].as_str().unwrap_or_default();
        Err(AwsError::invalid_parameter(format!(
            "Value {asked} at 'runtime' failed to satisfy constraint: {} or be a valid ARN",
            violation.constraint
        )))
    })
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
            (_, Some(_)) => Err(functions_only()),
        }
    }
}

/// A version or an alias was named where only a function may be.
fn functions_only() -> AwsError {
    AwsError::invalid_parameter(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.",
    )
}
