//! What a role has of policies: its own ones, and managed ones.

use std::sync::Arc;

use hearth_types::names::AccountId;

use crate::document::{self, Purpose};
use crate::error::IamError;
use crate::iam::{Iam, Listing, Page};
use crate::policy::{Policy, PolicyArn, listed_as};
use crate::quotas;
use crate::roles::Role;
use crate::rules::Rules;
use crate::tags::Tag;

/// A policy of a role's own, to be set.
#[derive(Debug, Clone, Default)]
pub struct PutRolePolicy {
    /// The name of the role.
    pub role: String,
    /// The name of the policy.
    pub name: String,
    /// What it says.
    pub document: String,
}

/// A policy of a role's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinePolicy {
    /// Its name.
    pub name: String,
    /// What it says.
    pub document: String,
}

/// A managed policy that a role has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedPolicy {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

impl Iam {
    /// Sets a policy of a role's own, in place of the one of the same name.
    ///
    /// # Errors
    ///
    /// If there is no such role, the document is not a policy, or all of the role's own policies
    /// together would be too large.
    pub async fn put_role_policy(
        &self,
        account: &AccountId,
        request: PutRolePolicy,
    ) -> Result<(), IamError> {
        let PutRolePolicy { role, name, document } = request;
        Rules::default()
            .role_name(&role)
            .policy_name(&name)
            .document("policyDocument", &document)
            .check()?;
        document::check(&document, Purpose::Inline)?;
        let role_name = role.clone();
        let change = move |role: &mut Role| {
            role.inline.insert(name, document);
            let size: usize = role.inline.values().map(|one| document::size(one)).sum();
            if size > quotas::INLINE_CHARACTERS_PER_ROLE {
                return Err(IamError::LimitExceeded(format!(
                    "Maximum policy size of {} bytes exceeded for role {role_name}",
                    quotas::INLINE_CHARACTERS_PER_ROLE
                )));
            }
            Ok(())
        };
        self.change_role(account, &role, change).await.map(drop)
    }

    /// A policy of a role's own.
    ///
    /// # Errors
    ///
    /// If there is no such role, or it has none of this name.
    pub fn role_policy(
        &self,
        account: &AccountId,
        role: &str,
        name: &str,
    ) -> Result<InlinePolicy, IamError> {
        Rules::default().role_name(role).policy_name(name).check()?;
        let found = self.role(account, role)?.inline.get(name).cloned();
        let document = found.ok_or_else(|| IamError::RolePolicyMissing(name.to_owned()))?;
        Ok(InlinePolicy { name: name.to_owned(), document })
    }

    /// The names of a role's own policies.
    ///
    /// # Errors
    ///
    /// If there is no such role.
    pub fn role_policies(
        &self,
        account: &AccountId,
        role: &str,
        page: &Page,
    ) -> Result<Listing<String>, IamError> {
        let role = self.role(account, role)?;
        Ok(page.cut(role.inline.keys().map(|name| (name.clone(), name.clone()))))
    }

    /// Deletes a policy of a role's own.
    ///
    /// # Errors
    ///
    /// If there is no such role, or it has none of this name.
    pub async fn delete_role_policy(
        &self,
        account: &AccountId,
        role: &str,
        name: &str,
    ) -> Result<(), IamError> {
        Rules::default().role_name(role).policy_name(name).check()?;
        let change = |role: &mut Role| {
            let removed = role.inline.remove(name);
            removed.map(drop).ok_or_else(|| IamError::RolePolicyMissing(name.to_owned()))
        };
        self.change_role(account, role, change).await.map(drop)
    }

    /// Attaches a managed policy to a role. That the role has it is fine.
    ///
    /// # Errors
    ///
    /// If there is no such role or no such policy, or the role has as many as it may have.
    pub async fn attach_role_policy(
        &self,
        account: &AccountId,
        role: &str,
        arn: &str,
    ) -> Result<(), IamError> {
        Rules::default().role_name(role).arn("policyArn", arn).check()?;
        let change = |role: &mut Role| {
            self.attachable(account, arn)?;
            role.attached.insert(arn.to_owned());
            if role.attached.len() > quotas::POLICIES_PER_ROLE {
                return Err(IamError::LimitExceeded(format!(
                    "Cannot exceed quota for PoliciesPerRole: {}",
                    quotas::POLICIES_PER_ROLE
                )));
            }
            Ok(())
        };
        self.change_role(account, role, change).await.map(drop)
    }

    /// Detaches a managed policy from a role.
    ///
    /// # Errors
    ///
    /// If there is no such role, or it does not have the policy.
    pub async fn detach_role_policy(
        &self,
        account: &AccountId,
        role: &str,
        arn: &str,
    ) -> Result<(), IamError> {
        Rules::default().role_name(role).arn("policyArn", arn).check()?;
        PolicyArn::parse(arn)?;
        let change = |role: &mut Role| {
            let removed = role.attached.remove(arn);
            if removed { Ok(()) } else { Err(IamError::PolicyMissing(arn.to_owned())) }
        };
        self.change_role(account, role, change).await.map(drop)
    }

    /// The managed policies of a role whose path begins with this one.
    ///
    /// # Errors
    ///
    /// If there is no such role, or it is not the beginning of a path.
    pub fn attached_role_policies(
        &self,
        account: &AccountId,
        (role, path_prefix): (&str, Option<&str>),
        page: &Page,
    ) -> Result<Listing<AttachedPolicy>, IamError> {
        Rules::default().role_name(role).path_prefix(path_prefix).check()?;
        let role = self.role(account, role)?;
        let prefix = path_prefix.unwrap_or("/");
        let mut attached = Vec::new();
        for arn in &role.attached {
            let named = PolicyArn::parse(arn)?;
            if named.path.starts_with(prefix) {
                let policy = AttachedPolicy { name: named.name.to_owned(), arn: arn.clone() };
                attached.push((listed_as(&named.owner, named.name), policy));
            }
        }
        attached.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(page.cut(attached))
    }

    /// The tags of a role.
    ///
    /// # Errors
    ///
    /// If there is no such role.
    pub fn role_tags(
        &self,
        account: &AccountId,
        role: &str,
        page: &Page,
    ) -> Result<Listing<Tag>, IamError> {
        Ok(page_of_tags(&self.role(account, role)?.tags, page))
    }

    /// A policy of this account or of AWS, that can be attached.
    pub(crate) fn attachable(
        &self,
        account: &AccountId,
        arn: &str,
    ) -> Result<Arc<Policy>, IamError> {
        let found = self.find_policy(account, arn)?;
        found.ok_or_else(|| IamError::NotAttachable(arn.to_owned()))
    }
}

/// Tags are in the order in which they came; a page begins behind the number of one.
pub(crate) fn page_of_tags(tags: &[Tag], page: &Page) -> Listing<Tag> {
    page.cut(
        (0..).zip(tags).map(|(number, tag): (usize, &Tag)| (format!("{number:03}"), tag.clone())),
    )
}

#[cfg(test)]
mod tests;
