//! Versions of managed policies. Each has the next number; one of them counts.

use std::sync::Arc;

use hearth_types::names::AccountId;

use crate::error::IamError;
use crate::iam::{Iam, Listing, Page};
use crate::policies::check_document;
use crate::policy::{Policy, PolicyVersion, version_id};
use crate::quotas;
use crate::rules::Rules;

/// A version to be made.
#[derive(Debug, Clone)]
pub struct CreatePolicyVersion {
    /// The ARN of the policy.
    pub arn: String,
    /// What the version says.
    pub document: String,
    /// Whether it counts from now on.
    pub set_as_default: SetAsDefault,
}

/// Whether a new version counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetAsDefault {
    /// It does.
    Yes,
    /// The one that counted goes on counting.
    No,
}

/// A version of a policy.
#[derive(Debug, Clone)]
pub struct VersionView {
    /// Its policy.
    pub policy: Arc<Policy>,
    /// Its number.
    pub number: u32,
}

impl VersionView {
    /// Its id, such as `v3`.
    #[must_use]
    pub fn id(&self) -> String {
        version_id(self.number)
    }

    /// Whether it is the one that counts.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.number == self.policy.default_version
    }

    /// What it says and when it was made.
    ///
    /// # Panics
    ///
    /// Never: a view is made of a version that exists.
    #[must_use]
    pub fn version(&self) -> &PolicyVersion {
        let found = self.policy.versions.get(&self.number);
        found.expect("a view is made of a version that exists")
    }
}

impl Iam {
    /// Makes a version of a policy.
    ///
    /// # Errors
    ///
    /// If there is no such policy, it is AWS's, the document is not a policy, or there are as many
    /// versions as there may be.
    pub async fn create_policy_version(
        &self,
        account: &AccountId,
        request: CreatePolicyVersion,
    ) -> Result<VersionView, IamError> {
        let CreatePolicyVersion { arn, document, set_as_default } = request;
        Rules::default().arn("policyArn", &arn).document("policyDocument", &document).check()?;
        check_document(&document)?;
        let created = self.clock.now();
        let change = |policy: &mut Policy| {
            if policy.versions.len() >= quotas::VERSIONS_PER_POLICY {
                return Err(IamError::LimitExceeded(format!(
                    "A managed policy can have up to {} versions. Before you create a new version, you must delete an existing version.",
                    quotas::VERSIONS_PER_POLICY
                )));
            }
            policy.last_version += 1;
            policy.updated = created;
            policy.versions.insert(policy.last_version, PolicyVersion { document, created });
            if set_as_default == SetAsDefault::Yes {
                policy.default_version = policy.last_version;
            }
            Ok(())
        };
        let policy = self.change_policy(account, &arn, change).await?;
        Ok(VersionView { number: policy.last_version, policy })
    }

    /// A version of a policy.
    ///
    /// # Errors
    ///
    /// If there is no such policy, or it has no such version.
    pub fn policy_version(
        &self,
        account: &AccountId,
        arn: &str,
        version: &str,
    ) -> Result<VersionView, IamError> {
        Rules::default().arn("policyArn", arn).version(version).check()?;
        let policy = self.attachable(account, arn)?;
        let number = existing(&policy, arn, version)?;
        Ok(VersionView { policy, number })
    }

    /// The versions of a policy, the newest first.
    ///
    /// # Errors
    ///
    /// If there is no such policy.
    pub fn policy_versions(
        &self,
        account: &AccountId,
        arn: &str,
        page: &Page,
    ) -> Result<Listing<VersionView>, IamError> {
        let policy = self.attachable(account, arn)?;
        let versions = policy.versions.keys().rev().map(|number| {
            let view = VersionView { policy: Arc::clone(&policy), number: *number };
            // A larger number has a smaller key.
            (format!("{:010}", u32::MAX - number), view)
        });
        Ok(page.cut(versions))
    }

    /// Deletes a version of a policy.
    ///
    /// # Errors
    ///
    /// If there is no such policy, it is AWS's, it has no such version, or this is the one that
    /// counts.
    pub async fn delete_policy_version(
        &self,
        account: &AccountId,
        arn: &str,
        version: &str,
    ) -> Result<(), IamError> {
        Rules::default().arn("policyArn", arn).version(version).check()?;
        let change = |policy: &mut Policy| {
            let number = existing(policy, arn, version)?;
            if number == policy.default_version {
                return Err(IamError::DeleteConflict(
                    "Cannot delete the default version of a policy.",
                ));
            }
            policy.versions.remove(&number);
            Ok(())
        };
        self.change_policy(account, arn, change).await.map(drop)
    }

    /// Makes a version the one that counts.
    ///
    /// # Errors
    ///
    /// If there is no such policy, it is AWS's, or it has no such version.
    pub async fn set_default_policy_version(
        &self,
        account: &AccountId,
        arn: &str,
        version: &str,
    ) -> Result<(), IamError> {
        Rules::default().arn("policyArn", arn).version(version).check()?;
        let change = |policy: &mut Policy| -> Result<(), IamError> {
            policy.default_version = existing(policy, arn, version)?;
            Ok(())
        };
        self.change_policy(account, arn, change).await.map(drop)
    }
}

fn existing(policy: &Policy, arn: &str, version: &str) -> Result<u32, IamError> {
    let number = version.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
    let number = number.filter(|number| policy.versions.contains_key(number));
    number.ok_or_else(|| IamError::VersionMissing {
        arn: arn.to_owned(),
        version: version.to_owned(),
    })
}
