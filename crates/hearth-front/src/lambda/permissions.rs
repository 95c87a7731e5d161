//! Permissions: the resource policies of functions, versions and aliases.

use hearth_control::policy::PermissionRequest;
use hearth_types::names::{FunctionArn, Qualifier};
use hearth_wire::lambda::types;
use serde_json::{Value, json};

use super::{Call, write};
use crate::error::AwsError;

/// The text for a policy that is not there, for whatever reason.
const NOT_THERE: &str = "The resource you requested does not exist.";

pub(super) async fn add(
    call: &Call,
    request: types::AddPermissionRequest,
) -> Result<Value, AwsError> {
    let named = (request.function_name.as_str(), request.qualifier.as_deref());
    let (function, qualifier) = permitted(call, named, unknown)?;
    let permission = PermissionRequest {
        statement_id: request.statement_id,
        action: request.action,
        principal: request.principal,
        source_arn: request.source_arn,
        source_account: request.source_account,
        event_source_token: request.event_source_token,
        principal_org_id: request.principal_org_id,
        function_url_auth_type: request.function_url_auth_type,
        invoked_via_function_url: request.invoked_via_function_url,
        revision: request.revision_id.filter(|revision| !revision.is_empty()),
    };
    let add = call
        .control()
        .change(&function, |record| record.add_permission(qualifier.as_ref(), &permission));
    let statement = serde_json::to_string(&add.await?);
    let statement = statement.expect("a statement can be written as JSON");
    Ok(write(&types::AddPermissionResponse { statement: Some(statement) }))
}

pub(super) async fn remove(
    call: &Call,
    request: types::RemovePermissionRequest,
) -> Result<Value, AwsError> {
    let named = (request.function_name.as_str(), request.qualifier.as_deref());
    let (function, qualifier) = permitted(call, named, unknown)?;
    let revision = given(request.revision_id.as_deref());
    let remove = call.control().change(&function, |record| {
        record.remove_permission(qualifier.as_ref(), &request.statement_id, revision)
    });
    let missing = format!("No policy found for: {function}");
    remove.await.map_err(|error| error.when_missing(missing))?;
    Ok(json!({}))
}

pub(super) fn get_policy(call: &Call, request: types::GetPolicyRequest) -> Result<Value, AwsError> {
    let named = (request.function_name.as_str(), request.qualifier.as_deref());
    let named = permitted(call, named, |_function, _qualifier| NOT_THERE.to_owned())?;
    let (policy, revision_id) = standing(call, &named)?;
    Ok(write(&types::GetPolicyResponse { policy, revision_id }))
}

pub(super) async fn put_resource_policy(
    call: &Call,
    request: types::PutResourcePolicyRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) = resource(call, &request.resource_arn)?;
    let revision = given(request.revision_id.as_deref());
    let put = call.control().change(&function, |record| {
        record.put_policy(qualifier.as_ref(), &request.policy, revision)
    });
    let put = put.await?;
    Ok(write(&types::PutResourcePolicyResponse {
        policy: Some(put.text()),
        revision_id: Some(put.revision.to_string()),
    }))
}

pub(super) fn get_resource_policy(
    call: &Call,
    request: types::GetResourcePolicyRequest,
) -> Result<Value, AwsError> {
    let (policy, revision_id) = standing(call, &resource(call, &request.resource_arn)?)?;
    Ok(write(&types::GetResourcePolicyResponse { policy, revision_id }))
}

pub(super) async fn delete_resource_policy(
    call: &Call,
    request: types::DeleteResourcePolicyRequest,
) -> Result<Value, AwsError> {
    let (function, qualifier) = resource(call, &request.resource_arn)?;
    let revision = given(request.revision_id.as_deref());
    let delete = call
        .control()
        .change(&function, |record| record.delete_policy(qualifier.as_ref(), revision));
    delete.await.map_err(|error| error.when_missing(NOT_THERE))?;
    Ok(json!({}))
}

/// What a request is about.
type Named = (FunctionArn, Option<Qualifier>);

/// What a name and a qualifier mean. The model allows qualifiers that no version and no alias can
/// have: those are missing, and `unknown` says so.
fn permitted(
    call: &Call,
    (name, qualifier): (&str, Option<&str>),
    unknown: impl FnOnce(&FunctionArn, &str) -> String,
) -> Result<Named, AwsError> {
    if let Some(text) = given(qualifier).filter(|text| Qualifier::parse(text).is_err()) {
        let (function, _) = call.function(name, None)?;
        return Err(AwsError::not_found(unknown(&function, text)));
    }
    call.function(name, qualifier)
}

/// What an ARN means. The model allows those of runtimes as well.
fn resource(call: &Call, arn: &str) -> Result<Named, AwsError> {
    if arn.splitn(6, ':').nth(5).is_some_and(|resource| resource.starts_with("runtime/")) {
        let text = format!("{NOT_THERE} Only functions have policies here, not {arn}");
        return Err(AwsError::not_found(text));
    }
    call.function(arn, None)
}

/// The text and the revision of a policy.
fn standing(
    call: &Call,
    (function, qualifier): &Named,
) -> Result<(Option<String>, Option<String>), AwsError> {
    let record = call.control().record(function);
    let record = record.map_err(|error| error.when_missing(NOT_THERE))?;
    let policy = record.policy(qualifier.as_ref());
    let policy = policy.ok_or_else(|| AwsError::not_found(NOT_THERE))?;
    let revision = record.policy_revision(qualifier.as_ref());
    Ok((Some(policy.text()), revision.map(|revision| revision.to_string())))
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn unknown(function: &FunctionArn, qualifier: &str) -> String {
    let arn = function.qualified(&qualifier);
    if qualifier.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("Function not found: {arn}")
    } else {
        format!("Cannot find alias arn: {arn}")
    }
}
