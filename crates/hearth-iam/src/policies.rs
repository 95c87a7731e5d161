//! Managed policies: making, finding and deleting them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_types::names::AccountId;

use crate::attachments::page_of_tags;
use crate::document::{self, Purpose};
use crate::error::IamError;
use crate::iam::{Iam, Listing, Page, Uses, key, scope};
use crate::policy::{Owner, Policy, PolicyArn, PolicyVersion};
use crate::roles::Role;
use crate::rules::Rules;
use crate::tags::{self, Tag};
use crate::{id, quotas};

/// A policy to be made.
#[derive(Debug, Clone, Default)]
pub struct CreatePolicy {
    /// Its name.
    pub name: String,
    /// Its path, `/` if none.
    pub path: Option<String>,
    /// What its first version says.
    pub document: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A policy, and how often the roles of the account use it.
#[derive(Debug, Clone)]
pub struct PolicyView {
    /// The policy.
    pub policy: Arc<Policy>,
    /// How many roles have it.
    pub attachments: usize,
    /// How many roles it limits.
    pub boundaries: usize,
}

/// Whose policies are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyOwner {
    /// Everybody's.
    #[default]
    All,
    /// AWS's.
    Aws,
    /// The account's own.
    Local,
}

/// What a policy is used as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyUsage {
    /// Either of the two.
    Any,
    /// It says what somebody may do.
    Permissions,
    /// It says what somebody can do at most.
    Boundary,
}

/// Which policies are asked for.
#[derive(Debug, Clone, Default)]
pub struct PolicyFilter {
    /// Whose.
    pub owner: PolicyOwner,
    /// Only those that are used as this.
    pub used: Option<PolicyUsage>,
    /// What their path begins with.
    pub path_prefix: Option<String>,
}

impl Iam {
    /// Makes a policy.
    ///
    /// # Errors
    ///
    /// If something that was given cannot be, there is one of this name, or the account has as
    /// many as it may have.
    pub async fn create_policy(
        &self,
        account: &AccountId,
        request: CreatePolicy,
    ) -> Result<PolicyView, IamError> {
        let path = request.path.unwrap_or_else(|| "/".to_owned());
        Rules::default()
            .policy_name(&request.name)
            .policy_path(&path)
            .document("policyDocument", &request.document)
            .policy_description(request.description.as_deref())
            .tags(&request.tags)
            .check()?;
        tags::check_unique(&request.tags)?;
        check_document(&request.document)?;
        let _writing = self.roles.writing().await;
        let (scope, key) = (scope(account), key(&request.name));
        if self.policies.get(&scope, &key).is_some() {
            return Err(IamError::PolicyExists(request.name));
        }
        if self.policies_of(account).len() >= quotas::POLICIES_PER_ACCOUNT {
            return Err(IamError::LimitExceeded(format!(
                "Cannot exceed quota for PoliciesPerAccount: {}",
                quotas::POLICIES_PER_ACCOUNT
            )));
        }
        let created = self.clock.now();
        let first = PolicyVersion { document: request.document, created };
        let policy = Policy {
            owner: Owner::Account(account.clone()),
            name: request.name,
            path,
            id: Some(id::of_thing(id::POLICY)),
            description: request.description,
            created,
            updated: created,
            versions: BTreeMap::from([(1, first)]),
            default_version: 1,
            last_version: 1,
            tags: request.tags,
        };
        let kept = self.policies.put(&scope, &key, policy).await;
        let policy = kept.map_err(IamError::Store)?;
        Ok(PolicyView { policy, attachments: 0, boundaries: 0 })
    }

    /// A policy.
    ///
    /// # Errors
    ///
    /// If it is not the ARN of a policy, or there is none.
    pub fn policy(&self, account: &AccountId, arn: &str) -> Result<PolicyView, IamError> {
        let policy = self.named(account, arn)?;
        Ok(view(policy, &self.uses(account)))
    }

    /// The policies that a filter lets through.
    ///
    /// # Errors
    ///
    /// If it asks for something that is not the beginning of a path.
    pub fn policies(
        &self,
        account: &AccountId,
        filter: &PolicyFilter,
        page: &Page,
    ) -> Result<Listing<PolicyView>, IamError> {
        Rules::default().path_prefix(filter.path_prefix.as_deref()).check()?;
        let prefix = filter.path_prefix.as_deref().unwrap_or("/");
        let uses = self.uses(account);
        let local = match filter.owner {
            PolicyOwner::All | PolicyOwner::Local => self.policies_of(account),
            PolicyOwner::Aws => Vec::new(),
        };
        let mut found: Vec<(String, PolicyView)> = local
            .into_iter()
            .chain(self.managed.all().filter(|_| filter.owner != PolicyOwner::Local).cloned())
            .filter(|policy| policy.path.starts_with(prefix))
            .map(|policy| (policy.listed_as(), view(policy, &uses)))
            .filter(|(_, view)| match filter.used {
                None => true,
                Some(PolicyUsage::Any) => view.attachments + view.boundaries > 0,
                Some(PolicyUsage::Permissions) => view.attachments > 0,
                Some(PolicyUsage::Boundary) => view.boundaries > 0,
            })
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(page.cut(found))
    }

    /// The roles that use a policy.
    ///
    /// # Errors
    ///
    /// If there is no such policy.
    pub fn roles_with_policy(
        &self,
        account: &AccountId,
        (arn, usage, path_prefix): (&str, PolicyUsage, Option<&str>),
        page: &Page,
    ) -> Result<Listing<Arc<Role>>, IamError> {
        Rules::default().path_prefix(path_prefix).check()?;
        self.named(account, arn)?;
        let prefix = path_prefix.unwrap_or("/");
        let uses = |role: &Role| {
            let attached = role.attached.contains(arn);
            let limited = role.boundary.as_deref() == Some(arn);
            match usage {
                PolicyUsage::Any => attached || limited,
                PolicyUsage::Permissions => attached,
                PolicyUsage::Boundary => limited,
            }
        };
        let roles = self.roles_of(account).into_iter();
        let roles = roles.filter(|role| role.path.starts_with(prefix) && uses(role));
        Ok(page.cut(roles.map(|role| (key(&role.name), role))))
    }

    /// Deletes a policy, with its only version.
    ///
    /// # Errors
    ///
    /// If there is none, it is AWS's, a role uses it, or it has other versions.
    pub async fn delete_policy(&self, account: &AccountId, arn: &str) -> Result<(), IamError> {
        let _writing = self.roles.writing().await;
        let policy = self.own_policy(account, arn)?;
        let uses = self.uses(account);
        if uses.attachments(arn) + uses.boundaries(arn) > 0 {
            return Err(IamError::DeleteConflict("Cannot delete a policy attached to entities."));
        }
        if policy.versions.len() > 1 {
            return Err(IamError::DeleteConflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
            ));
        }
        let removed = self.policies.remove(&scope(account), &key(&policy.name)).await;
        removed.map_err(IamError::Store)
    }

    /// Adds tags to a policy, in place of those with the same keys.
    ///
    /// # Errors
    ///
    /// If there is none, it is AWS's, a tag cannot be, or there would be too many.
    pub async fn tag_policy(
        &self,
        account: &AccountId,
        arn: &str,
        more: Vec<Tag>,
    ) -> Result<(), IamError> {
        Rules::default().tags(&more).check()?;
        tags::check_unique(&more)?;
        let change = |policy: &mut Policy| tags::add(&mut policy.tags, more);
        self.change_policy(account, arn, change).await.map(drop)
    }

    /// Removes tags of a policy. That there is none of a key is fine.
    ///
    /// # Errors
    ///
    /// If there is no such policy, or it is AWS's.
    pub async fn untag_policy(
        &self,
        account: &AccountId,
        arn: &str,
        keys: &[String],
    ) -> Result<(), IamError> {
        Rules::default().tag_keys(keys).check()?;
        let change = |policy: &mut Policy| {
            tags::remove(&mut policy.tags, keys);
            Ok(())
        };
        self.change_policy(account, arn, change).await.map(drop)
    }

    /// The tags of a policy.
    ///
    /// # Errors
    ///
    /// If there is no such policy.
    pub fn policy_tags(
        &self,
        account: &AccountId,
        arn: &str,
        page: &Page,
    ) -> Result<Listing<Tag>, IamError> {
        Ok(page_of_tags(&self.named(account, arn)?.tags, page))
    }

    /// Changes a policy: all of it, or, if `change` refuses, nothing.
    pub(crate) async fn change_policy(
        &self,
        account: &AccountId,
        arn: &str,
        change: impl FnOnce(&mut Policy) -> Result<(), IamError> + Send,
    ) -> Result<Arc<Policy>, IamError> {
        let _writing = self.roles.writing().await;
        let policy = self.own_policy(account, arn)?;
        let mut changed = Policy::clone(&policy);
        change(&mut changed)?;
        if changed == *policy {
            return Ok(policy);
        }
        let kept = self.policies.put(&scope(account), &key(&policy.name), changed).await;
        kept.map_err(IamError::Store)
    }

    /// A policy of this account or of AWS, if there is one.
    pub(crate) fn find_policy(
        &self,
        account: &AccountId,
        arn: &str,
    ) -> Result<Option<Arc<Policy>>, IamError> {
        Rules::default().arn("policyArn", arn).check()?;
        let named = PolicyArn::parse(arn)?;
        if named.owner == Owner::Aws {
            return Ok(self.managed.get(arn));
        }
        let found = self.policies.get(&scope(account), &key(named.name));
        Ok(found.filter(|policy| policy.arn() == arn))
    }

    /// A policy of this account or of AWS.
    fn named(&self, account: &AccountId, arn: &str) -> Result<Arc<Policy>, IamError> {
        self.find_policy(account, arn)?.ok_or_else(|| IamError::PolicyMissing(arn.to_owned()))
    }

    /// A policy that the account may change.
    fn own_policy(&self, account: &AccountId, arn: &str) -> Result<Arc<Policy>, IamError> {
        let policy = self.attachable(account, arn)?;
        match policy.owner {
            Owner::Account(_) => Ok(policy),
            Owner::Aws => Err(IamError::AccessDenied(format!(
                "The policy {arn} is managed by AWS and cannot be changed."
            ))),
        }
    }
}

/// Refuses what no version of a policy can say.
pub(crate) fn check_document(document: &str) -> Result<(), IamError> {
    document::check(document, Purpose::Managed)?;
    if document::size(document) > quotas::POLICY_CHARACTERS {
        return Err(IamError::LimitExceeded(format!(
            "Cannot exceed quota for PolicySize: {}",
            quotas::POLICY_CHARACTERS
        )));
    }
    Ok(())
}

fn view(policy: Arc<Policy>, uses: &Uses) -> PolicyView {
    let arn = policy.arn();
    PolicyView { attachments: uses.attachments(&arn), boundaries: uses.boundaries(&arn), policy }
}

#[cfg(test)]
mod tests;
