//! Resource policies: who else may use a function, a version, an alias or a layer version.
//!
//! A policy grows and shrinks by single statements (`AddPermission`, `RemovePermission`), or is put
//! and deleted as a whole document (`PutResourcePolicy`, `DeleteResourcePolicy`). Both work on the
//! same policy.
//!
//! # Promises
//!
//! 1. A document means the same when it is read back: no statement and no element is lost.
//! 2. No policy is longer than AWS allows, and no two of its statements have the same id.
//! 3. The revision of the policy of a function, a version or an alias is the revision of that
//!    function, version or alias: a change of the policy changes it.
//!
//! # Deliberately absent
//!
//! Nothing refuses public access. Whether a call is allowed is decided in [`access`], for services and
//! for everybody; who a caller is beyond that is not known.

pub mod access;
mod document;
#[cfg(test)]
mod tests;

use hearth_types::ids::RevisionId;
use hearth_types::names::{Qualifier, Version};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::error::ControlError;
use crate::record::{FunctionRecord, qualifier_key};

/// AWS: how long a policy may be, as text.
const POLICY_BYTES_MAX: usize = 20_480;

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// What its last change made of its revision.
    pub revision: RevisionId,
    /// Its statements, in the order in which they were added.
    pub statements: Vec<Statement>,
    /// What stands around them.
    #[serde(default)]
    pub frame: Frame,
}

/// What a document says beside its statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The version of the policy language; absent if a document left it out.
    pub version: Option<String>,
    /// Its id; absent if a document left it out.
    pub id: Option<String>,
}

/// One statement. `NotPrincipal`, `NotAction` and `NotResource` are kept as `{"Not": …}` in the
/// place of the element that they negate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "document::Written", into = "document::Written")]
pub struct Statement {
    /// Its id; empty if a document left it out.
    pub sid: String,
    /// `Allow` or `Deny`.
    pub effect: String,
    /// Whom it concerns.
    pub principal: Value,
    /// What they do.
    pub action: Value,
    /// What they do it with.
    pub resource: Value,
    /// Under which conditions it holds.
    pub condition: Option<Value>,
}

/// The revision that a caller expects.
#[derive(Debug, Clone, Copy)]
pub struct Guard<'a> {
    /// None if anything will do.
    pub revision: Option<&'a str>,
    /// The operation that tells the latest one.
    pub source: &'static str,
}

/// A statement that a caller asks for.
#[derive(Debug, Clone, Default)]
pub struct PermissionRequest {
    /// The id of the statement.
    pub statement_id: String,
    /// What is allowed.
    pub action: String,
    /// A service, an account, an identity's ARN, or `*`.
    pub principal: String,
    /// Only on behalf of this resource.
    pub source_arn: Option<String>,
    /// Only on behalf of resources of this account.
    pub source_account: Option<String>,
    /// Only with this token.
    pub event_source_token: Option<String>,
    /// Only from within this organization.
    pub principal_org_id: Option<String>,
    /// Only through a function URL with this authentication.
    pub function_url_auth_type: Option<String>,
    /// Only through a function URL, or only past it.
    pub invoked_via_function_url: Option<bool>,
    /// Refused if the policy is at another revision.
    pub revision: Option<String>,
}

impl Policy {
    /// The whole document as text.
    ///
    /// # Panics
    ///
    /// Never: it consists of texts and of values that were read as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Text<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            version: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<&'a str>,
            statement: &'a [Statement],
        }
        let Frame { version, id } = &self.frame;
        let (version, id) = (version.as_deref(), id.as_deref());
        let text = Text { version, id, statement: &self.statements };
        serde_json::to_string(&text).expect("a policy can be written as JSON")
    }

    /// With one more statement.
    ///
    /// # Errors
    ///
    /// If the policy is at another revision, has a statement with this id, or would be too long.
    pub fn add(
        policy: Option<&Self>,
        statement: Statement,
        guard: &Guard<'_>,
    ) -> Result<Self, ControlError> {
        guard.check(policy.map(|policy| policy.revision))?;
        let (mut statements, frame) = policy
            .map(|policy| (policy.statements.clone(), policy.frame.clone()))
            .unwrap_or_default();
        if statements.iter().any(|one| one.sid == statement.sid) {
            return Err(ControlError::Conflict(format!(
                "The statement id ({}) provided already exists. Please provide a new statement id, or remove the existing statement.",
                statement.sid
            )));
        }
        statements.push(statement);
        Self { revision: RevisionId::random(), statements, frame }.within_limit()
    }

    /// Without a statement; none if it was the last one.
    ///
    /// # Errors
    ///
    /// If there is no policy, it is at another revision, or it has no such statement.
    pub fn remove(
        policy: Option<&Self>,
        sid: &str,
        guard: &Guard<'_>,
    ) -> Result<Option<Self>, ControlError> {
        let Some(policy) = policy.filter(|policy| !policy.statements.is_empty()) else {
            let text = "No policy is associated with the given resource.";
            return Err(ControlError::NotFound(text.to_owned()));
        };
        guard.check(Some(policy.revision))?;
        let mut left = Self { revision: RevisionId::random(), ..policy.clone() };
        left.statements.retain(|one| one.sid != sid);
        if left.statements.len() == policy.statements.len() {
            let text = format!("Statement {sid} is not found in resource policy.");
            return Err(ControlError::NotFound(text));
        }
        Ok((!left.statements.is_empty()).then_some(left))
    }

    /// Reads a whole document that is to be the policy of the resource with this ARN.
    ///
    /// # Errors
    ///
    /// If it is not a policy, concerns another resource, or is too long.
    pub fn parse(text: &str, arn: &str) -> Result<Self, ControlError> {
        let (frame, statements) = document::read(text, arn)?;
        Self { revision: RevisionId::random(), statements, frame }.within_limit()
    }

    fn empty(revision: RevisionId) -> Self {
        Self { revision, statements: Vec::new(), frame: Frame::default() }
    }

    fn within_limit(self) -> Result<Self, ControlError> {
        let bytes = self.text().len();
        if bytes <= POLICY_BYTES_MAX {
            return Ok(self);
        }
        Err(ControlError::PolicyTooLong(format!(
            "The final policy size ({bytes}) is bigger than the limit ({POLICY_BYTES_MAX})."
        )))
    }
}

impl Default for Frame {
    /// That of a policy that begins with a single statement.
    fn default() -> Self {
        Self { version: Some("2012-10-17".to_owned()), id: Some("default".to_owned()) }
    }
}

impl Guard<'_> {
    fn check(&self, current: Option<RevisionId>) -> Result<(), ControlError> {
        let current = current.map(|current| current.to_string());
        match self.revision {
            Some(expected) if current.as_deref() != Some(expected) => {
                Err(ControlError::RevisionMismatch(self.source))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl FunctionRecord {
    /// The policy of the function, a version or an alias.
    #[must_use]
    pub fn policy(&self, qualifier: Option<&Qualifier>) -> Option<&Policy> {
        self.policies.get(&qualifier_key(qualifier))
    }

    /// The revision of that policy: that of what it belongs to. None if that does not exist.
    #[must_use]
    pub fn policy_revision(&self, qualifier: Option<&Qualifier>) -> Option<RevisionId> {
        match qualifier {
            None => Some(self.latest.revision),
            Some(Qualifier::Version(version)) => self.version(*version).map(|one| one.revision),
            Some(Qualifier::Alias(name)) => self.aliases.get(name).map(|alias| alias.revision),
        }
    }

    /// Adds a statement to a policy. Returns the statement.
    ///
    /// # Errors
    ///
    /// If it is `$LATEST` that is named, or something that does not exist; if the policy is at
    /// another revision, has a statement with this id, or would be too long; or if the principal
    /// is none.
    pub fn add_permission(
        &mut self,
        qualifier: Option<&Qualifier>,
        request: &PermissionRequest,
    ) -> Result<Statement, ControlError> {
        refuse_latest(qualifier)?;
        let standing = self.standing_policy(qualifier)?;
        let statement = request.statement(&self.qualified_arn(qualifier))?;
        let guard = Guard { revision: request.revision.as_deref(), source: "GetPolicy" };
        let policy = Policy::add(Some(&standing), statement.clone(), &guard)?;
        self.keep_policy(qualifier, Some(policy));
        Ok(statement)
    }

    /// Removes a statement from a policy.
    ///
    /// # Errors
    ///
    /// If there is no such policy or statement, or the policy is at another revision.
    pub fn remove_permission(
        &mut self,
        qualifier: Option<&Qualifier>,
        sid: &str,
        revision: Option<&str>,
    ) -> Result<(), ControlError> {
        let standing = self.standing_policy(qualifier)?;
        // Recorded: this operation names others than AddPermission.
        let guard = Guard { revision, source: "GetFunction/GetAlias" };
        let left = Policy::remove(Some(&standing), sid, &guard)?;
        self.keep_policy(qualifier, left);
        Ok(())
    }

    /// Puts a whole document in the place of a policy. Returns the policy.
    ///
    /// # Errors
    ///
    /// If it is `$LATEST` that is named, or something that does not exist; if the policy is at
    /// another revision; or if the document is not a policy for it.
    pub fn put_policy(
        &mut self,
        qualifier: Option<&Qualifier>,
        document: &str,
        revision: Option<&str>,
    ) -> Result<Policy, ControlError> {
        refuse_latest(qualifier)?;
        let standing = self.standing_policy(qualifier)?;
        Guard { revision, source: "GetResourcePolicy" }.check(Some(standing.revision))?;
        let policy = Policy::parse(document, &self.qualified_arn(qualifier))?;
        self.keep_policy(qualifier, Some(policy.clone()));
        Ok(policy)
    }

    /// Deletes a whole policy.
    ///
    /// # Errors
    ///
    /// If there is none, or it is at another revision.
    pub fn delete_policy(
        &mut self,
        qualifier: Option<&Qualifier>,
        revision: Option<&str>,
    ) -> Result<(), ControlError> {
        if self.policy(qualifier).is_none() {
            let text = "The resource you requested does not exist.";
            return Err(ControlError::NotFound(text.to_owned()));
        }
        let current = self.policy_revision(qualifier);
        Guard { revision, source: "GetResourcePolicy" }.check(current)?;
        self.keep_policy(qualifier, None);
        Ok(())
    }

    /// The policy as it stands, at its real revision; one without statements if there is none.
    fn standing_policy(&self, qualifier: Option<&Qualifier>) -> Result<Policy, ControlError> {
        let Some(revision) = self.policy_revision(qualifier) else {
            let arn = self.qualified_arn(qualifier);
            return Err(ControlError::NotFound(match qualifier {
                Some(Qualifier::Alias(_)) => format!("Cannot find alias arn: {arn}"),
                Some(Qualifier::Version(_)) | None => format!("Function not found: {arn}"),
            }));
        };
        let stored = self.policy(qualifier);
        Ok(stored.map_or_else(
            || Policy::empty(revision),
            |policy| Policy { revision, ..policy.clone() },
        ))
    }

    /// Keeps a policy, or that there is none, and makes its revision that of what it belongs to.
    fn keep_policy(&mut self, qualifier: Option<&Qualifier>, policy: Option<Policy>) {
        let changed = policy.as_ref().map_or_else(RevisionId::random, |policy| policy.revision);
        let revision = match qualifier {
            None | Some(Qualifier::Version(Version::Latest)) => Some(&mut self.latest.revision),
            Some(Qualifier::Version(Version::Published(number))) => {
                self.versions.get_mut(number).map(|version| &mut version.revision)
            }
            Some(Qualifier::Alias(name)) => {
                self.aliases.get_mut(name).map(|alias| &mut alias.revision)
            }
        };
        if let Some(revision) = revision {
            *revision = changed;
        }
        let key = qualifier_key(qualifier);
        if let Some(policy) = policy {
            self.policies.insert(key, policy);
        } else {
            self.policies.remove(&key);
        }
    }
}

fn refuse_latest(qualifier: Option<&Qualifier>) -> Result<(), ControlError> {
    if qualifier == Some(&Qualifier::Version(Version::Latest)) {
        return Err(ControlError::InvalidParameter(
            "We currently do not support adding policies for $LATEST.".to_owned(),
        ));
    }
    Ok(())
}

impl PermissionRequest {
    fn statement(&self, resource: &str) -> Result<Statement, ControlError> {
        let for_urls = self.action.eq_ignore_ascii_case("lambda:InvokeFunctionUrl");
        if self.function_url_auth_type.is_some() && !for_urls {
            return Err(ControlError::InvalidParameter(
                "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
                    .to_owned(),
            ));
        }
        Ok(Statement {
            principal: document::principal(&self.principal)?,
            sid: self.statement_id.clone(),
            effect: "Allow".to_owned(),
            action: Value::from(self.action.as_str()),
            resource: Value::from(resource),
            condition: self.condition(),
        })
    }

    fn condition(&self) -> Option<Value> {
        let equal = [
            ("AWS:SourceAccount", &self.source_account),
            ("aws:PrincipalOrgID", &self.principal_org_id),
            ("lambda:FunctionUrlAuthType", &self.function_url_auth_type),
            ("lambda:EventSourceToken", &self.event_source_token),
        ];
        let equal: Map<String, Value> = equal
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Value::from(value.as_deref()?))))
            .collect();
        let mut condition = Map::new();
        if !equal.is_empty() {
            condition.insert("StringEquals".to_owned(), Value::from(equal));
        }
        if let Some(arn) = &self.source_arn {
            condition.insert("ArnLike".to_owned(), json!({ "AWS:SourceArn": arn }));
        }
        if let Some(via_url) = self.invoked_via_function_url {
            let via_url = json!({ "lambda:InvokedViaFunctionUrl": via_url.to_string() });
            condition.insert("Bool".to_owned(), via_url);
        }
        (!condition.is_empty()).then_some(Value::from(condition))
    }
}
