//! Operations on roles, on their own policies, and on the managed ones that they have.

use hearth_iam::{CreateRole, PutRolePolicy, Role, UpdateRole};
use serde_json::{Value, json};

use super::{Call, encoded, shown_tags};
use crate::parameters::{listed, shown_tag};
use crate::query::date;
use crate::query_error::Refusal;

pub(super) async fn create(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let request = CreateRole {
        name: parameters.required("RoleName"),
        path: parameters.text("Path"),
        trust: parameters.required("AssumeRolePolicyDocument"),
        description: parameters.text("Description"),
        session_seconds_max: parameters.number("MaxSessionDuration"),
        boundary: parameters.text("PermissionsBoundary"),
        tags: parameters.tags("Tags"),
    };
    parameters.check()?;
    let role = iam.create_role(account, request).await?;
    Ok(json!({ "Role": shown(&role) }))
}

pub(super) fn get(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    parameters.check()?;
    let role = iam.role(account, &name)?;
    Ok(json!({ "Role": shown(&role) }))
}

pub(super) fn list(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let prefix = parameters.text("PathPrefix");
    let page = parameters.page()?;
    parameters.check()?;
    let roles = iam.roles(account, prefix.as_deref(), &page)?;
    Ok(listed("Roles", roles, |role| shown_in_list(&role)))
}

pub(super) async fn delete(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    parameters.check()?;
    iam.delete_role(account, &name).await?;
    Ok(Value::Null)
}

pub(super) async fn update(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let request = UpdateRole {
        name: parameters.required("RoleName"),
        description: parameters.text("Description"),
        session_seconds_max: parameters.number("MaxSessionDuration"),
    };
    parameters.check()?;
    iam.update_role(account, request).await?;
    Ok(json!({}))
}

pub(super) async fn update_description(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    let description = parameters.required("Description");
    parameters.check()?;
    let role = iam.describe_role(account, &name, description).await?;
    Ok(json!({ "Role": shown(&role) }))
}

pub(super) async fn update_trust(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    let document = parameters.required("PolicyDocument");
    parameters.check()?;
    iam.update_trust(account, &name, document).await?;
    Ok(Value::Null)
}

pub(super) async fn put_boundary(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    let boundary = parameters.required("PermissionsBoundary");
    parameters.check()?;
    iam.set_boundary(account, &name, Some(boundary)).await?;
    Ok(Value::Null)
}

pub(super) async fn delete_boundary(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    parameters.check()?;
    iam.set_boundary(account, &name, None).await?;
    Ok(Value::Null)
}

pub(super) async fn tag(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    let tags = parameters.required_tags("Tags");
    parameters.check()?;
    iam.tag_role(account, &name, tags).await?;
    Ok(Value::Null)
}

pub(super) async fn untag(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    let keys = parameters.required_texts("TagKeys");
    parameters.check()?;
    iam.untag_role(account, &name, &keys).await?;
    Ok(Value::Null)
}

pub(super) fn list_tags(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    let page = parameters.page()?;
    parameters.check()?;
    let tags = iam.role_tags(account, &name, &page)?;
    Ok(listed("Tags", tags, |tag| shown_tag(&tag)))
}

/// There are no instance profiles, so no role is in one.
pub(super) fn list_instance_profiles(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let name = parameters.required("RoleName");
    parameters.page()?;
    parameters.check()?;
    iam.role(account, &name)?;
    Ok(json!({ "InstanceProfiles": [], "IsTruncated": false }))
}

pub(super) async fn put_policy(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let request = PutRolePolicy {
        role: parameters.required("RoleName"),
        name: parameters.required("PolicyName"),
        document: parameters.required("PolicyDocument"),
    };
    parameters.check()?;
    iam.put_role_policy(account, request).await?;
    Ok(Value::Null)
}

pub(super) fn get_policy(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let role = parameters.required("RoleName");
    let name = parameters.required("PolicyName");
    parameters.check()?;
    let policy = iam.role_policy(account, &role, &name)?;
    let document = encoded(&policy.document);
    Ok(json!({ "RoleName": role, "PolicyName": policy.name, "PolicyDocument": document }))
}

pub(super) fn list_policies(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let role = parameters.required("RoleName");
    let page = parameters.page()?;
    parameters.check()?;
    let names = iam.role_policies(account, &role, &page)?;
    Ok(listed("PolicyNames", names, Value::from))
}

pub(super) async fn delete_policy(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let role = parameters.required("RoleName");
    let name = parameters.required("PolicyName");
    parameters.check()?;
    iam.delete_role_policy(account, &role, &name).await?;
    Ok(Value::Null)
}

pub(super) async fn attach_policy(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let role = parameters.required("RoleName");
    let arn = parameters.required("PolicyArn");
    parameters.check()?;
    iam.attach_role_policy(account, &role, &arn).await?;
    Ok(Value::Null)
}

pub(super) async fn detach_policy(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let role = parameters.required("RoleName");
    let arn = parameters.required("PolicyArn");
    parameters.check()?;
    iam.detach_role_policy(account, &role, &arn).await?;
    Ok(Value::Null)
}

pub(super) fn list_attached_policies(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let role = parameters.required("RoleName");
    let prefix = parameters.text("PathPrefix");
    let page = parameters.page()?;
    parameters.check()?;
    let attached =
        iam.attached_role_policies(account, (role.as_str(), prefix.as_deref()), &page)?;
    Ok(listed(
        "AttachedPolicies",
        attached,
        |policy| json!({ "PolicyName": policy.name, "PolicyArn": policy.arn }),
    ))
}

/// A role with everything that there is to tell about it.
fn shown(role: &Role) -> Value {
    let mut answer = shown_in_list(role);
    answer["Tags"] = shown_tags(&role.tags);
    if let Some(arn) = &role.boundary {
        answer["PermissionsBoundary"] =
            json!({ "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn });
    }
    answer
}

/// A role in a list, which AWS shows without its tags and its boundary.
fn shown_in_list(role: &Role) -> Value {
    json!({
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn(),
        "CreateDate": date(role.created),
        "AssumeRolePolicyDocument": encoded(&role.trust),
        "Description": role.description,
        "MaxSessionDuration": role.session_seconds_max,
    })
}
