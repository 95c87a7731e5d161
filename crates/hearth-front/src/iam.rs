//! IAM's operations: parameters to domain and back.
//!
//! Documents are answered as IAM answers them: percent-encoded, within XML.

mod policies;
mod roles;

use hearth_iam::{Caller, Iam, Tag};
use hearth_types::names::AccountId;
use hearth_wire::aws_query::Request;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::parameters::{Parameters, shown_tag};
use crate::query_error::Refusal;

/// What is offered.
pub(crate) const OFFERED: &[&str] = &[
    "AttachRolePolicy",
    "CreatePolicy",
    "CreatePolicyVersion",
    "CreateRole",
    "DeletePolicy",
    "DeletePolicyVersion",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "GetPolicy",
    "GetPolicyVersion",
    "GetRole",
    "GetRolePolicy",
    "GetUser",
    "ListAttachedRolePolicies",
    "ListEntitiesForPolicy",
    "ListInstanceProfilesForRole",
    "ListPolicies",
    "ListPolicyTags",
    "ListPolicyVersions",
    "ListRolePolicies",
    "ListRoleTags",
    "ListRoles",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "SetDefaultPolicyVersion",
    "TagPolicy",
    "TagRole",
    "UntagPolicy",
    "UntagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
    "UpdateRoleDescription",
];

/// Performs an operation. `Null` is the result of one that answers nothing.
pub(crate) async fn perform(
    iam: &Iam,
    caller: &Caller,
    request: Request,
) -> Result<Value, Refusal> {
    let action = request.action.as_str();
    if !OFFERED.contains(&action) {
        return Err(Refusal::not_built("IAM", action));
    }
    let parameters = Parameters::new(request.parameters);
    let call = Call { iam, account: &caller.account, parameters };
    match action {
        "CreateRole" => roles::create(call).await,
        "GetRole" => roles::get(call),
        "ListRoles" => roles::list(call),
        "DeleteRole" => roles::delete(call).await,
        "UpdateRole" => roles::update(call).await,
        "UpdateRoleDescription" => roles::update_description(call).await,
        "UpdateAssumeRolePolicy" => roles::update_trust(call).await,
        "PutRolePermissionsBoundary" => roles::put_boundary(call).await,
        "DeleteRolePermissionsBoundary" => roles::delete_boundary(call).await,
        "TagRole" => roles::tag(call).await,
        "UntagRole" => roles::untag(call).await,
        "ListRoleTags" => roles::list_tags(call),
        "ListInstanceProfilesForRole" => roles::list_instance_profiles(call),

        "PutRolePolicy" => roles::put_policy(call).await,
        "GetRolePolicy" => roles::get_policy(call),
        "ListRolePolicies" => roles::list_policies(call),
        "DeleteRolePolicy" => roles::delete_policy(call).await,
        "AttachRolePolicy" => roles::attach_policy(call).await,
        "DetachRolePolicy" => roles::detach_policy(call).await,
        "ListAttachedRolePolicies" => roles::list_attached_policies(call),

        "CreatePolicy" => policies::create(call).await,
        "GetPolicy" => policies::get(call),
        "ListPolicies" => policies::list(call),
        "DeletePolicy" => policies::delete(call).await,
        "ListEntitiesForPolicy" => policies::list_entities(call),
        "TagPolicy" => policies::tag(call).await,
        "UntagPolicy" => policies::untag(call).await,
        "ListPolicyTags" => policies::list_tags(call),
        "CreatePolicyVersion" => policies::create_version(call).await,
        "GetPolicyVersion" => policies::get_version(call),
        "ListPolicyVersions" => policies::list_versions(call),
        "DeletePolicyVersion" => policies::delete_version(call).await,
        "SetDefaultPolicyVersion" => policies::set_default_version(call).await,

        "GetUser" => get_user(call, caller),
        other => Err(Refusal::not_built("IAM", other)),
    }
}

/// One call of an operation.
struct Call<'a> {
    iam: &'a Iam,
    account: &'a AccountId,
    parameters: Parameters,
}

/// Without a name, a user asks who it is. There are no users, and the account itself is asked for
/// in the same way. It was not made at a time that is known here.
fn get_user(call: Call<'_>, caller: &Caller) -> Result<Value, Refusal> {
    let Call { iam, mut parameters, .. } = call;
    let name = parameters.text("UserName");
    parameters.check()?;
    if let Some(name) = name {
        return Ok(iam.user(&name).map(|()| Value::Null)?);
    }
    let has_role = caller.session.as_ref().is_some_and(|session| session.role.is_some());
    if has_role {
        return Err(Refusal::validation(
            "Must specify userName when calling with non-User credentials",
        ));
    }
    let identity = caller.identity();
    Ok(json!({ "User": { "UserId": identity.user_id, "Arn": identity.arn } }))
}

/// RFC 3986: what is not reserved stays as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A document, as IAM answers it.
fn encoded(document: &str) -> String {
    utf8_percent_encode(document, RESERVED).to_string()
}

/// The tags of a role or a policy. Without tags there is no member.
fn shown_tags(tags: &[Tag]) -> Value {
    if tags.is_empty() { Value::Null } else { tags.iter().map(shown_tag).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_percent_encoded() {
        let document = "{\"a\": [\"é-_.~*+'\"]}\n";
        let expected = "%7B%22a%22%3A%20%5B%22%C3%A9-_.~%2A%2B%27%22%5D%7D%0A";
        assert_eq!(encoded(document), expected);
    }

    #[test]
    fn what_is_offered_is_in_order_and_there_once() {
        assert!(OFFERED.is_sorted_by(|one, other| one < other));
    }
}
