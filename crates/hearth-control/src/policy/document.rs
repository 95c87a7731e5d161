//! The language of policies: what a document may say, and how a statement is written.

use std::collections::BTreeSet;
use std::fmt::Display;

use hearth_types::names::AccountId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Frame, Statement};
use crate::error::ControlError;

/// The versions of the policy language.
const LANGUAGES: [&str; 2] = ["2008-10-17", "2012-10-17"];
/// How the names of services end. The last one is that of Alexa.
const SERVICES: [&str; 3] = [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com"];
/// The key of a negated element: see [`Statement`].
const NOT: &str = "Not";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Document {
    version: Option<String>,
    id: Option<String>,
    statement: Value,
}

/// A statement as AWS writes it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sid: String,
    effect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_principal: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_action: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_resource: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Value>,
}

/// Reads a document that is to be the policy of the resource with this ARN.
pub(super) fn read(text: &str, arn: &str) -> Result<(Frame, Vec<Statement>), ControlError> {
    let document: Value = serde_json::from_str(text).map_err(malformed)?;
    let Document { version, id, mut statement } = object("the document", document)?;
    if version.as_deref().is_some_and(|version| !LANGUAGES.contains(&version)) {
        return Err(malformed(format!("Version must be one of {}", LANGUAGES.join(", "))));
    }
    // A single statement may do without the list.
    let written = match statement.as_array_mut() {
        Some(list) => std::mem::take(list),
        None => vec![statement],
    };
    if written.is_empty() {
        return Err(malformed("it has no statement"));
    }
    let mut statements: Vec<Statement> = Vec::with_capacity(written.len());
    let mut ids = BTreeSet::new();
    for one in written {
        let statement: Statement = object("a statement", one)?;
        check(&statement, arn)?;
        if !statement.sid.is_empty() && !ids.insert(statement.sid.clone()) {
            return Err(malformed(format!("two statements have the Sid {}", statement.sid)));
        }
        statements.push(statement);
    }
    Ok((Frame { version, id }, statements))
}

/// The element for a principal that is named without its kind.
pub(super) fn principal(text: &str) -> Result<Value, ControlError> {
    match text {
        "*" => Ok(Value::from(text)),
        _ if AccountId::parse(text).is_ok() => {
            Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }))
        }
        _ if is_identity(text) => Ok(json!({ "AWS": text })),
        _ if is_service(text) => Ok(json!({ "Service": text })),
        _ => Err(bad_principal()),
    }
}

/// Checks what the form of a statement does not: that it can stand in the policy of `arn`.
fn check(statement: &Statement, arn: &str) -> Result<(), ControlError> {
    let Statement { effect, principal, action, resource, .. } = statement;
    if !["Allow", "Deny"].contains(&effect.as_str()) {
        return Err(malformed(format!("Effect must be Allow or Deny, not {effect}")));
    }
    if negated(principal).is_some() && effect == "Allow" {
        return Err(malformed("NotPrincipal cannot be used with Allow"));
    }
    check_principal(negated(principal).unwrap_or(principal))?;
    for action in texts("Action", negated(action).unwrap_or(action))? {
        if !is_action(action) {
            return Err(malformed(format!("{action} is not an action of Lambda")));
        }
    }
    let others = negated(resource);
    for resource in texts("Resource", others.unwrap_or(resource))? {
        if others.is_none() && !covers(resource, arn) {
            return Err(malformed(format!("Resource {resource} is not {arn}")));
        }
    }
    statement.condition.as_ref().map_or(Ok(()), check_condition)
}

fn check_principal(principal: &Value) -> Result<(), ControlError> {
    if principal == "*" {
        return Ok(());
    }
    let kinds = principal.as_object().filter(|kinds| !kinds.is_empty());
    for (kind, names) in kinds.ok_or_else(bad_principal)? {
        for name in texts("Principal", names)? {
            let known = match kind.as_str() {
                "AWS" => name == "*" || AccountId::parse(name).is_ok() || is_identity(name),
                "Service" => is_service(name),
                "Federated" | "CanonicalUser" => !name.is_empty(),
                _ => false,
            };
            if !known {
                return Err(bad_principal());
            }
        }
    }
    Ok(())
}

fn check_condition(condition: &Value) -> Result<(), ControlError> {
    let is_plain = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let operators = condition.as_object();
    for (operator, keys) in operators.ok_or_else(|| malformed("Condition is not an object"))? {
        let keys = keys.as_object().filter(|keys| !keys.is_empty());
        let none = || malformed(format!("Condition.{operator} is not an object of keys"));
        for (key, values) in keys.ok_or_else(none)? {
            let are_plain = values.as_array().is_some_and(|values| values.iter().all(is_plain));
            if !are_plain && !is_plain(values) {
                return Err(malformed(format!("Condition.{operator}.{key} is not a value")));
            }
        }
    }
    Ok(())
}

/// An ARN of IAM or STS.
fn is_identity(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, "iam" | "sts", "", account, name]
        if partition.starts_with("aws") && AccountId::parse(account).is_ok() && !name.is_empty())
}

/// Such as `s3.amazonaws.com`.
fn is_service(text: &str) -> bool {
    SERVICES.iter().filter_map(|end| text.strip_suffix(end)).any(|name| {
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        name.split('.').all(|part| !part.is_empty() && part.bytes().all(is_part))
    })
}

/// `*`, or one of Lambda's actions, or many by wildcards.
fn is_action(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'*' || byte == b'?';
    text == "*"
        || text.split_once(':').is_some_and(|(service, action)| {
            let is_name = !action.is_empty() && action.bytes().all(is_letter);
            service.eq_ignore_ascii_case("lambda") && is_name
        })
}

/// Whether a statement in the policy of `arn` may name this resource: `arn` itself, also by
/// wildcards, or all of its versions and aliases.
fn covers(resource: &str, arn: &str) -> bool {
    let versions = resource.strip_suffix(":*").is_some_and(|function| function == arn);
    versions || fits(resource.as_bytes(), arn.as_bytes())
}

/// Whether a text fits a pattern, in which `*` stands for any bytes and `?` for one.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    // What is behind the last `*`, and how far that one reaches.
    let mut star = None;
    while here < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, here));
            }
            Some(byte) if *byte == b'?' || *byte == text[here] => {
                at += 1;
                here += 1;
            }
            Some(_) | None => {
                let Some((behind, reached)) = star else { return false };
                (at, here) = (behind, reached + 1);
                star = Some((behind, here));
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The texts of an element that is one text or a list of them.
fn texts<'a>(name: &str, value: &'a Value) -> Result<Vec<&'a str>, ControlError> {
    if let Some(text) = value.as_str() {
        return Ok(vec![text]);
    }
    let list = value.as_array().filter(|list| !list.is_empty());
    let texts: Option<Vec<&str>> = list.and_then(|list| list.iter().map(Value::as_str).collect());
    texts.ok_or_else(|| malformed(format!("{name} is neither a text nor a list of texts")))
}

fn object<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, ControlError> {
    // Else a list would be taken for the fields in their order.
    if !value.is_object() {
        return Err(malformed(format!("{what} is not an object")));
    }
    serde_json::from_value(value).map_err(malformed)
}

fn malformed(why: impl Display) -> ControlError {
    ControlError::InvalidParameter(format!("The resource policy is not valid: {why}"))
}

fn bad_principal() -> ControlError {
    ControlError::InvalidParameter(
        "The provided principal was invalid. Please check the principal and try again.".to_owned(),
    )
}

impl TryFrom<Written> for Statement {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        Ok(Self {
            principal: element("Principal", written.principal, written.not_principal)?,
            action: element("Action", written.action, written.not_action)?,
            resource: element("Resource", written.resource, written.not_resource)?,
            sid: written.sid,
            effect: written.effect,
            condition: written.condition,
        })
    }
}

impl From<Statement> for Written {
    fn from(statement: Statement) -> Self {
        let (principal, not_principal) = two_ways(statement.principal);
        let (action, not_action) = two_ways(statement.action);
        let (resource, not_resource) = two_ways(statement.resource);
        Self {
            sid: statement.sid,
            effect: statement.effect,
            principal,
            not_principal,
            action,
            not_action,
            resource,
            not_resource,
            condition: statement.condition,
        }
    }
}

/// An element from the two ways to write it.
fn element(name: &str, plain: Option<Value>, not: Option<Value>) -> Result<Value, String> {
    match (plain, not) {
        (Some(value), None) if negated(&value).is_none() => Ok(value),
        (Some(_), None) => Err(format!("{name} is not of a known kind")),
        (None, Some(value)) => Ok(json!({ NOT: value })),
        (None, None) => Err(format!("a statement has no {name}")),
        (Some(_), Some(_)) => Err(format!("a statement has both {name} and Not{name}")),
    }
}

/// An element in the two ways to write it.
fn two_ways(mut element: Value) -> (Option<Value>, Option<Value>) {
    let not = element.as_object_mut().and_then(|object| object.remove(NOT));
    if not.is_some() { (None, not) } else { (Some(element), None) }
}

pub(super) fn negated(element: &Value) -> Option<&Value> {
    element.as_object()?.get(NOT)
}
