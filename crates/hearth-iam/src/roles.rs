//! Roles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_types::names::AccountId;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::{self, Purpose};
use crate::error::IamError;
use crate::iam::{Iam, Listing, Page, key, scope};
use crate::rules::Rules;
use crate::tags::{self, Tag};
use crate::{id, quotas};

/// How long sessions of a role may last if nobody said so.
const SESSION_SECONDS_DEFAULT: i64 = 3_600;

/// A role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Whose it is.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// What stands before its name in the ARN, such as `/service-role/`.
    pub path: String,
    /// Its id, which no other role has or will have.
    pub id: String,
    /// When it was made.
    pub created: Timestamp,
    /// The document that says who may assume it.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// How long its sessions may last.
    pub session_seconds_max: i64,
    /// The ARN of the policy that says what it can do at most.
    pub boundary: Option<String>,
    /// Its tags, in the order in which they came.
    pub tags: Vec<Tag>,
    /// Its own policies: documents by name.
    pub inline: BTreeMap<String, String>,
    /// The ARNs of the managed policies that it has.
    pub attached: BTreeSet<String>,
}

impl Role {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { account, path, name, .. } = self;
        format!("arn:aws:iam::{account}:role{path}{name}")
    }
}

/// A role to be made.
#[derive(Debug, Clone, Default)]
pub struct CreateRole {
    /// Its name.
    pub name: String,
    /// Its path, `/` if none.
    pub path: Option<String>,
    /// The document that says who may assume it.
    pub trust: String,
    /// What it is for.
    pub description: Option<String>,
    /// How long its sessions may last.
    pub session_seconds_max: Option<i64>,
    /// The ARN of a policy that says what it can do at most.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: Vec<Tag>,
}

/// A role to be changed.
#[derive(Debug, Clone, Default)]
pub struct UpdateRole {
    /// Which one.
    pub name: String,
    /// What it is for; as it was if none.
    pub description: Option<String>,
    /// How long its sessions may last; an hour if none, as AWS documents it.
    pub session_seconds_max: Option<i64>,
}

impl Iam {
    /// Makes a role.
    ///
    /// # Errors
    ///
    /// If something that was given cannot be, there is one of this name, the boundary is not
    /// there, or the account has as many as it may have.
    pub async fn create_role(
        &self,
        account: &AccountId,
        request: CreateRole,
    ) -> Result<Arc<Role>, IamError> {
        let path = request.path.unwrap_or_else(|| "/".to_owned());
        let rules = Rules::default().role_name(&request.name).role_path(&path);
        let rules = rules
            .document("assumeRolePolicyDocument", &request.trust)
            .role_description(request.description.as_deref())
            .session_seconds_max(request.session_seconds_max)
            .tags(&request.tags);
        let rules = match &request.boundary {
            Some(arn) => rules.arn("permissionsBoundary", arn),
            None => rules,
        };
        rules.check()?;
        tags::check_unique(&request.tags)?;
        check_trust(&request.trust)?;
        let _writing = self.roles.writing().await;
        let (scope, key) = (scope(account), key(&request.name));
        if self.roles.get(&scope, &key).is_some() {
            return Err(IamError::RoleExists(request.name));
        }
        if let Some(arn) = &request.boundary {
            self.attachable(account, arn)?;
        }
        if self.roles_of(account).len() >= quotas::ROLES_PER_ACCOUNT {
            return Err(IamError::LimitExceeded(format!(
                "Cannot exceed quota for RolesPerAccount: {}",
                quotas::ROLES_PER_ACCOUNT
            )));
        }
        let role = Role {
            account: account.clone(),
            name: request.name,
            path,
            id: id::of_thing(id::ROLE),
            created: self.clock.now(),
            trust: request.trust,
            description: request.description,
            session_seconds_max: request.session_seconds_max.unwrap_or(SESSION_SECONDS_DEFAULT),
            boundary: request.boundary,
            tags: request.tags,
            inline: BTreeMap::new(),
            attached: BTreeSet::new(),
        };
        self.roles.put(&scope, &key, role).await.map_err(IamError::Store)
    }

    /// A role.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn role(&self, account: &AccountId, name: &str) -> Result<Arc<Role>, IamError> {
        Rules::default().role_name(name).check()?;
        // The name is told apart by case here, as in an ARN.
        let found = self.roles.get(&scope(account), &key(name)).filter(|role| role.name == name);
        found.ok_or_else(|| IamError::RoleMissing(name.to_owned()))
    }

    /// The roles whose path begins with this one.
    ///
    /// # Errors
    ///
    /// If it is not the beginning of a path.
    pub fn roles(
        &self,
        account: &AccountId,
        path_prefix: Option<&str>,
        page: &Page,
    ) -> Result<Listing<Arc<Role>>, IamError> {
        Rules::default().path_prefix(path_prefix).check()?;
        let prefix = path_prefix.unwrap_or("/");
        let roles = self.roles_of(account).into_iter().filter(|role| role.path.starts_with(prefix));
        Ok(page.cut(roles.map(|role| (key(&role.name), role))))
    }

    /// Deletes a role.
    ///
    /// # Errors
    ///
    /// If there is none, or it has policies.
    pub async fn delete_role(&self, account: &AccountId, name: &str) -> Result<(), IamError> {
        let _writing = self.roles.writing().await;
        let role = self.role(account, name)?;
        if !role.attached.is_empty() {
            return Err(IamError::DeleteConflict(
                "Cannot delete entity, must detach all policies first.",
            ));
        }
        if !role.inline.is_empty() {
            return Err(IamError::DeleteConflict(
                "Cannot delete entity, must delete policies first.",
            ));
        }
        self.roles.remove(&scope(account), &key(name)).await.map_err(IamError::Store)
    }

    /// Changes what a role is for and how long its sessions may last.
    ///
    /// # Errors
    ///
    /// If there is none, or a value cannot be.
    pub async fn update_role(
        &self,
        account: &AccountId,
        request: UpdateRole,
    ) -> Result<(), IamError> {
        let UpdateRole { name, description, session_seconds_max } = request;
        Rules::default()
            .role_name(&name)
            .role_description(description.as_deref())
            .session_seconds_max(session_seconds_max)
            .check()?;
        let change = |role: &mut Role| {
            role.description = description.or_else(|| role.description.take());
            role.session_seconds_max = session_seconds_max.unwrap_or(SESSION_SECONDS_DEFAULT);
            Ok(())
        };
        self.change_role(account, &name, change).await.map(drop)
    }

    /// Changes what a role is for.
    ///
    /// # Errors
    ///
    /// If there is none, or it is too long or has other characters.
    pub async fn describe_role(
        &self,
        account: &AccountId,
        name: &str,
        description: String,
    ) -> Result<Arc<Role>, IamError> {
        Rules::default().role_name(name).role_description(Some(&description)).check()?;
        let change = |role: &mut Role| {
            role.description = Some(description);
            Ok(())
        };
        self.change_role(account, name, change).await
    }

    /// Changes who may assume a role.
    ///
    /// # Errors
    ///
    /// If there is none, or the document is not one.
    pub async fn update_trust(
        &self,
        account: &AccountId,
        name: &str,
        trust: String,
    ) -> Result<(), IamError> {
        Rules::default().role_name(name).document("policyDocument", &trust).check()?;
        check_trust(&trust)?;
        let change = |role: &mut Role| {
            role.trust = trust;
            Ok(())
        };
        self.change_role(account, name, change).await.map(drop)
    }

    /// Says what a role can do at most, or that nothing says so.
    ///
    /// # Errors
    ///
    /// If there is no such role or no such policy.
    pub async fn set_boundary(
        &self,
        account: &AccountId,
        name: &str,
        boundary: Option<String>,
    ) -> Result<(), IamError> {
        let rules = Rules::default().role_name(name);
        let rules = match &boundary {
            Some(arn) => rules.arn("permissionsBoundary", arn),
            None => rules,
        };
        rules.check()?;
        let change = |role: &mut Role| -> Result<(), IamError> {
            if let Some(arn) = &boundary {
                self.attachable(account, arn)?;
            }
            role.boundary = boundary;
            Ok(())
        };
        self.change_role(account, name, change).await.map(drop)
    }

    /// Adds tags to a role, in place of those with the same keys.
    ///
    /// # Errors
    ///
    /// If there is none, a tag cannot be, or there would be too many.
    pub async fn tag_role(
        &self,
        account: &AccountId,
        name: &str,
        more: Vec<Tag>,
    ) -> Result<(), IamError> {
        Rules::default().role_name(name).tags(&more).check()?;
        tags::check_unique(&more)?;
        let change = |role: &mut Role| tags::add(&mut role.tags, more);
        self.change_role(account, name, change).await.map(drop)
    }

    /// Removes tags of a role. That there is none of a key is fine.
    ///
    /// # Errors
    ///
    /// If there is no such role.
    pub async fn untag_role(
        &self,
        account: &AccountId,
        name: &str,
        keys: &[String],
    ) -> Result<(), IamError> {
        Rules::default().role_name(name).tag_keys(keys).check()?;
        let change = |role: &mut Role| {
            tags::remove(&mut role.tags, keys);
            Ok(())
        };
        self.change_role(account, name, change).await.map(drop)
    }

    /// Changes a role: all of it, or, if `change` refuses, nothing.
    pub(crate) async fn change_role(
        &self,
        account: &AccountId,
        name: &str,
        change: impl FnOnce(&mut Role) -> Result<(), IamError> + Send,
    ) -> Result<Arc<Role>, IamError> {
        let _writing = self.roles.writing().await;
        let role = self.role(account, name)?;
        let mut changed = Role::clone(&role);
        change(&mut changed)?;
        if changed == *role {
            return Ok(role);
        }
        self.roles.put(&scope(account), &key(name), changed).await.map_err(IamError::Store)
    }
}

fn check_trust(trust: &str) -> Result<(), IamError> {
    document::check(trust, Purpose::Trust)?;
    if document::size(trust) > quotas::TRUST_CHARACTERS {
        return Err(IamError::LimitExceeded(format!(
            "Cannot exceed quota for ACLSizePerRole: {}",
            quotas::TRUST_CHARACTERS
        )));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
