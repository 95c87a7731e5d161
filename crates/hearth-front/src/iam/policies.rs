//! Operations on managed policies and their versions.

use hearth_iam::{
    CreatePolicy, CreatePolicyVersion, PolicyFilter, PolicyOwner, PolicyUsage, PolicyView,
    SetAsDefault, VersionView,
};
use serde_json::{Value, json};

use super::{Call, encoded, shown_tags};
use crate::parameters::{Parameters, listed, shown_tag};
use crate::query::date;
use crate::query_error::Refusal;

const OWNERS: &[(&str, PolicyOwner)] =
    &[("All", PolicyOwner::All), ("AWS", PolicyOwner::Aws), ("Local", PolicyOwner::Local)];
const USAGES: &[(&str, PolicyUsage)] = &[
    ("PermissionsPolicy", PolicyUsage::Permissions),
    ("PermissionsBoundary", PolicyUsage::Boundary),
];
/// What may have a policy.
const ENTITIES: &[(&str, Entity)] = &[
    ("User", Entity::Other),
    ("Role", Entity::Role),
    ("Group", Entity::Other),
    ("LocalManagedPolicy", Entity::Other),
    ("AWSManagedPolicy", Entity::Other),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entity {
    Role,
    /// There is none of this kind.
    Other,
}

pub(super) async fn create(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let request = CreatePolicy {
        name: parameters.required("PolicyName"),
        path: parameters.text("Path"),
        document: parameters.required("PolicyDocument"),
        description: parameters.text("Description"),
        tags: parameters.tags("Tags"),
    };
    parameters.check()?;
    let view = iam.create_policy(account, request).await?;
    Ok(json!({ "Policy": shown(&view) }))
}

pub(super) fn get(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let arn = parameters.required("PolicyArn");
    parameters.check()?;
    Ok(json!({ "Policy": shown(&iam.policy(account, &arn)?) }))
}

pub(super) fn list(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let owner = parameters.one_of("Scope", OWNERS).unwrap_or_default();
    let usage = parameters.one_of("PolicyUsageFilter", USAGES);
    let only_attached = parameters.is_true("OnlyAttached");
    let used = usage.or_else(|| only_attached.then_some(PolicyUsage::Any));
    let filter = PolicyFilter { owner, used, path_prefix: parameters.text("PathPrefix") };
    let page = parameters.page()?;
    parameters.check()?;
    let policies = iam.policies(account, &filter, &page)?;
    Ok(listed("Policies", policies, |view| shown_in_list(&view)))
}

pub(super) async fn delete(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let arn = parameters.required("PolicyArn");
    parameters.check()?;
    iam.delete_policy(account, &arn).await?;
    Ok(Value::Null)
}

/// There are no users and no groups, so only roles can have a policy.
pub(super) fn list_entities(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let arn = parameters.required("PolicyArn");
    let usage = parameters.one_of("PolicyUsageFilter", USAGES).unwrap_or(PolicyUsage::Any);
    let entity = parameters.one_of("EntityFilter", ENTITIES).unwrap_or(Entity::Role);
    let prefix = parameters.text("PathPrefix");
    let page = parameters.page()?;
    parameters.check()?;
    let mut roles =
        iam.roles_with_policy(account, (arn.as_str(), usage, prefix.as_deref()), &page)?;
    if entity == Entity::Other {
        roles.items.clear();
        roles.next = None;
    }
    let mut answer =
        listed("PolicyRoles", roles, |role| json!({ "RoleName": role.name, "RoleId": role.id }));
    answer["PolicyGroups"] = json!([]);
    answer["PolicyUsers"] = json!([]);
    Ok(answer)
}

pub(super) async fn tag(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let arn = parameters.required("PolicyArn");
    let tags = parameters.required_tags("Tags");
    parameters.check()?;
    iam.tag_policy(account, &arn, tags).await?;
    Ok(Value::Null)
}

pub(super) async fn untag(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let arn = parameters.required("PolicyArn");
    let keys = parameters.required_texts("TagKeys");
    parameters.check()?;
    iam.untag_policy(account, &arn, &keys).await?;
    Ok(Value::Null)
}

pub(super) fn list_tags(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let arn = parameters.required("PolicyArn");
    let page = parameters.page()?;
    parameters.check()?;
    let tags = iam.policy_tags(account, &arn, &page)?;
    Ok(listed("Tags", tags, |tag| shown_tag(&tag)))
}

pub(super) async fn create_version(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let set = parameters.is_true("SetAsDefault");
    let request = CreatePolicyVersion {
        arn: parameters.required("PolicyArn"),
        document: parameters.required("PolicyDocument"),
        set_as_default: if set { SetAsDefault::Yes } else { SetAsDefault::No },
    };
    parameters.check()?;
    let version = iam.create_policy_version(account, request).await?;
    Ok(json!({ "PolicyVersion": shown_version(&version) }))
}

pub(super) fn get_version(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let (arn, id) = version_of(&mut parameters);
    parameters.check()?;
    let version = iam.policy_version(account, &arn, &id)?;
    let mut answer = shown_version(&version);
    answer["Document"] = Value::from(encoded(&version.version().document));
    Ok(json!({ "PolicyVersion": answer }))
}

pub(super) fn list_versions(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let arn = parameters.required("PolicyArn");
    let page = parameters.page()?;
    parameters.check()?;
    let versions = iam.policy_versions(account, &arn, &page)?;
    Ok(listed("Versions", versions, |version| shown_version(&version)))
}

pub(super) async fn delete_version(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let (arn, id) = version_of(&mut parameters);
    parameters.check()?;
    iam.delete_policy_version(account, &arn, &id).await?;
    Ok(Value::Null)
}

pub(super) async fn set_default_version(call: Call<'_>) -> Result<Value, Refusal> {
    let Call { iam, account, mut parameters } = call;
    let (arn, id) = version_of(&mut parameters);
    parameters.check()?;
    iam.set_default_policy_version(account, &arn, &id).await?;
    Ok(Value::Null)
}

fn version_of(parameters: &mut Parameters) -> (String, String) {
    (parameters.required("PolicyArn"), parameters.required("VersionId"))
}

/// A policy with everything that there is to tell about it.
fn shown(view: &PolicyView) -> Value {
    let mut answer = shown_in_list(view);
    answer["Description"] = json!(view.policy.description);
    answer["Tags"] = shown_tags(&view.policy.tags);
    answer
}

/// A policy in a list, which AWS shows without its description and its tags.
fn shown_in_list(view: &PolicyView) -> Value {
    let policy = &view.policy;
    json!({
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn(),
        "Path": policy.path,
        "DefaultVersionId": policy.default_version_id(),
        "AttachmentCount": view.attachments,
        "PermissionsBoundaryUsageCount": view.boundaries,
        "IsAttachable": true,
        "CreateDate": date(policy.created),
        "UpdateDate": date(policy.updated),
    })
}

/// A version without what it says, which only `GetPolicyVersion` shows.
fn shown_version(version: &VersionView) -> Value {
    json!({
        "VersionId": version.id(),
        "IsDefaultVersion": version.is_default(),
        "CreateDate": date(version.version().created),
    })
}
