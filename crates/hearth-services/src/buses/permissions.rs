//! The policy of a bus: kept and shown. It has no effect, because callers are not authenticated.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::BusError;
use super::names::BusArn;
use crate::limits;

/// AWS: the version of the language of policies.
const VERSION: &str = "2012-10-17";

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The version of its language.
    #[serde(rename = "Version")]
    version: String,
    /// Its name.
    #[serde(rename = "Id", default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// What it says.
    #[serde(rename = "Statement")]
    statements: Vec<Value>,
}

/// A right to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// What the statement is called.
    pub statement_id: String,
    /// What is allowed.
    pub action: String,
    /// To whom: an account, or `*`.
    pub principal: String,
    /// Only for those for whom this holds: type, key and value.
    pub condition: Option<(String, String, String)>,
}

impl Policy {
    /// Reads a whole policy.
    pub(super) fn parse(text: &str) -> Result<Self, BusError> {
        let refuse =
            |why: &str| BusError::Invalid(format!("The policy is not valid. Reason: {why}."));
        let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(text) else {
            return Err(refuse("it is not a JSON object"));
        };
        let statements = match members.remove("Statement") {
            Some(Value::Array(statements)) => statements,
            Some(statement @ Value::Object(_)) => vec![statement],
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                return Err(refuse("it has no statements"));
            }
        };
        if statements.is_empty() || !statements.iter().all(Value::is_object) {
            return Err(refuse("it has no statements, or one that is not an object"));
        }
        let text_of =
            |member: Option<Value>| member.and_then(|text| text.as_str().map(str::to_owned));
        let policy = Self {
            version: text_of(members.remove("Version")).unwrap_or_else(|| VERSION.to_owned()),
            id: text_of(members.remove("Id")),
            statements,
        };
        policy.checked()
    }

    /// The policy with one more statement, which takes the place of one with the same id.
    pub(super) fn with(
        policy: Option<Self>,
        permission: Permission,
        bus: &BusArn,
    ) -> Result<Self, BusError> {
        if permission.action != "events:PutEvents" {
            let message = "Provided value in parameter 'action' is not supported.";
            return Err(BusError::Invalid(message.to_owned()));
        }
        let statement = permission.statement(bus);
        let blank = || Self { version: VERSION.to_owned(), id: None, statements: Vec::new() };
        let mut policy = policy.unwrap_or_else(blank);
        policy.statements.retain(|one| one["Sid"] != statement["Sid"]);
        policy.statements.push(statement);
        policy.checked()
    }

    /// The policy without a statement; none if that was the last one.
    pub(super) fn without(policy: Option<Self>, id: &str) -> Result<Option<Self>, BusError> {
        let mut policy = policy.ok_or(BusError::StatementMissing)?;
        let before = policy.statements.len();
        policy.statements.retain(|statement| statement["Sid"] != *id);
        if policy.statements.len() == before {
            return Err(BusError::StatementMissing);
        }
        Ok((!policy.statements.is_empty()).then_some(policy))
    }

    /// As it is shown.
    #[must_use]
    pub fn document(&self) -> String {
        serde_json::to_string(self).expect("a policy can be written as JSON")
    }

    fn checked(self) -> Result<Self, BusError> {
        let limit = limits::BUS_POLICY_CHARACTERS_MAX;
        let fits = self.document().chars().count() <= limit;
        if fits { Ok(self) } else { Err(BusError::PolicyTooLong(limit)) }
    }
}

impl Permission {
    fn statement(self, bus: &BusArn) -> Value {
        let principal = match self.principal.as_str() {
            "*" => json!("*"),
            account => json!({ "AWS": format!("arn:aws:iam::{account}:root") }),
        };
        let mut statement = json!({
            "Sid": self.statement_id,
            "Effect": "Allow",
            "Principal": principal,
            "Action": self.action,
            "Resource": bus.to_string(),
        });
        if let Some((kind, key, value)) = self.condition {
            let condition = Map::from_iter([(key, Value::from(value))]);
            statement["Condition"] = Value::Object(Map::from_iter([(kind, condition.into())]));
        }
        statement
    }
}
