//! What a managed policy is, and how it is named.

use std::collections::BTreeMap;

use hearth_types::names::AccountId;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::IamError;
use crate::iam::key;
use crate::tags::Tag;

/// Who has made a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// An account, which alone can see and use it.
    Account(AccountId),
    /// AWS. Every account can use it and none can change it.
    Aws,
}

/// A managed policy: one that is not a role's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Who has made it.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// What stands before its name in the ARN.
    pub path: String,
    /// Its id. None: it is AWS's, and Hearth does not know AWS's id of it.
    pub id: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When its newest version was made.
    pub updated: Timestamp,
    /// Its versions, by number.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The version that counts.
    pub default_version: u32,
    /// The number that the newest version ever had.
    pub last_version: u32,
    /// Its tags, in the order in which they came.
    pub tags: Vec<Tag>,
}

/// One version of a policy. It never changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// What it says.
    pub document: String,
    /// When it was made.
    pub created: Timestamp,
}

impl Policy {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        let Self { path, name, .. } = self;
        match &self.owner {
            Owner::Account(account) => format!("arn:aws:iam::{account}:policy{path}{name}"),
            Owner::Aws => format!("arn:aws:iam::aws:policy{path}{name}"),
        }
    }

    /// The id of the version that counts, such as `v3`.
    #[must_use]
    pub fn default_version_id(&self) -> String {
        version_id(self.default_version)
    }

    /// What it is listed under.
    pub(crate) fn listed_as(&self) -> String {
        listed_as(&self.owner, &self.name)
    }
}

/// The id of a version.
pub(crate) fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// What a policy is listed under: those of an account come before those of AWS. A name alone
/// would not do, because each of them may have a policy of that name.
pub(crate) fn listed_as(owner: &Owner, name: &str) -> String {
    match owner {
        Owner::Account(_) => format!("a{}", key(name)),
        Owner::Aws => format!("b{}", key(name)),
    }
}

/// The ARN of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PolicyArn<'a> {
    pub(crate) owner: Owner,
    pub(crate) path: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> PolicyArn<'a> {
    /// Reads `arn:aws:iam::123456789012:policy/path/name`, where AWS itself may be the account.
    pub(crate) fn parse(arn: &'a str) -> Result<Self, IamError> {
        Self::read(arn).ok_or_else(|| IamError::Validation(format!("ARN {arn} is not valid.")))
    }

    fn read(arn: &'a str) -> Option<Self> {
        let (account, resource) = arn.strip_prefix("arn:aws:iam::")?.split_once(':')?;
        let owner = if account == "aws" {
            Owner::Aws
        } else {
            Owner::Account(AccountId::parse(account).ok()?)
        };
        let whole = resource.strip_prefix("policy").filter(|whole| whole.starts_with('/'))?;
        let (path, name) = whole.split_at(whole.rfind('/')? + 1);
        (!name.is_empty()).then_some(Self { owner, path, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arn_of_a_policy_says_whose_it_is_and_where() {
        #[rustfmt::skip]
        let rows = [
            ("arn:aws:iam::aws:policy/AdministratorAccess",  Some(("aws", "/", "AdministratorAccess"))),
            ("arn:aws:iam::aws:policy/service-role/A",       Some(("aws", "/service-role/", "A"))),
            ("arn:aws:iam::123456789012:policy/a/b/c",       Some(("123456789012", "/a/b/", "c"))),
            ("arn:aws:iam::123:policy/a",                    None),
            ("arn:aws:iam::aws:role/a",                      None),
            ("arn:aws:iam::aws:policy",                      None),
            ("arn:aws:iam::aws:policy/",                     None),
            ("arn:aws:iam::aws:policya",                     None),
            ("arn:aws:s3::aws:policy/a",                     None),
            ("AdministratorAccess",                          None),
            ("",                                             None),
        ];
        for (arn, expected) in rows {
            let read = PolicyArn::parse(arn).ok();
            let shown = read.as_ref().map(|read| {
                let owner = match &read.owner {
                    Owner::Aws => "aws",
                    Owner::Account(account) => account.as_str(),
                };
                (owner, read.path, read.name)
            });
            assert_eq!(shown, expected, "{arn}");
        }
        let odd = PolicyArn::parse("x").unwrap_err().to_string();
        assert_eq!(odd, "ARN x is not valid.");
    }
}
