//! Policy documents: which ones IAM takes, and in which words it refuses the others.
//!
//! # Deliberately absent
//!
//! What a document means. It is checked and kept to the letter. Whether a principal exists is not
//! asked either: there are no users, and a role may be created later.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::IamError;

/// Elements of a document.
const ELEMENTS: &[&str] = &["Version", "Id", "Statement"];
/// Elements of a statement.
#[rustfmt::skip]
const STATEMENT_ELEMENTS: &[&str] = &[
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
];
/// Kinds of principals.
const PRINCIPALS: &[&str] = &["AWS", "Service", "Federated", "CanonicalUser"];

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Says what a role may do, as one of its inline policies, or what a session may do.
    Inline,
    /// The same, as a policy of its own.
    Managed,
    /// Says who may assume a role.
    Trust,
}

/// How many characters of a document count.
pub(crate) fn size(document: &str) -> usize {
    document.chars().filter(|one| !one.is_whitespace()).count()
}

/// Refuses what is not a policy document for this purpose.
pub(crate) fn check(document: &str, purpose: Purpose) -> Result<(), IamError> {
    if purpose == Purpose::Trust && document.starts_with(char::is_whitespace) {
        return refuse("JSON strings must not have leading spaces");
    }
    let Ok(read) = serde_json::from_str::<Value>(document) else { return syntax(purpose) };
    let Value::Object(policy) = read else { return syntax(purpose) };
    check_elements(&policy, ELEMENTS, purpose)?;
    check_version(policy.get("Version"), purpose)?;
    if policy.get("Id").is_some_and(|id| !id.is_string()) {
        return syntax(purpose);
    }
    let statements: Vec<&Value> = match policy.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        Some(_) => return syntax(purpose),
        None if purpose == Purpose::Trust => return refuse("Missing required field Statement"),
        None => return syntax(purpose),
    };
    let mut names = BTreeSet::new();
    for statement in statements {
        let Value::Object(statement) = statement else { return syntax(purpose) };
        check_elements(statement, STATEMENT_ELEMENTS, purpose)?;
        check_effect(statement.get("Effect"), purpose)?;
        check_condition(statement.get("Condition"), purpose)?;
        match statement.get("Sid") {
            None => {}
            Some(Value::String(name)) if name.is_empty() || names.insert(name.as_str()) => {}
            Some(Value::String(_)) => {
                return refuse("Statement IDs (SID) in a single policy must be unique.");
            }
            Some(_) => return syntax(purpose),
        }
        match purpose {
            Purpose::Inline | Purpose::Managed => check_permission(statement)?,
            Purpose::Trust => check_trust(statement)?,
        }
    }
    Ok(())
}

fn refuse<T>(text: impl Into<String>) -> Result<T, IamError> {
    Err(IamError::MalformedDocument(text.into()))
}

fn syntax<T>(purpose: Purpose) -> Result<T, IamError> {
    refuse(match purpose {
        Purpose::Inline | Purpose::Managed => "Syntax errors in policy.",
        Purpose::Trust => "This policy contains invalid Json",
    })
}

fn check_elements(
    found: &Map<String, Value>,
    known: &[&str],
    purpose: Purpose,
) -> Result<(), IamError> {
    match found.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if purpose == Purpose::Trust => refuse(format!("Has prohibited field {name}")),
        Some(_) => syntax(purpose),
    }
}

fn check_version(version: Option<&Value>, purpose: Purpose) -> Result<(), IamError> {
    match version.map(Value::as_str) {
        Some(Some("2012-10-17")) => Ok(()),
        Some(Some("2008-10-17")) | None if purpose != Purpose::Managed => Ok(()),
        Some(Some("2008-10-17")) | None => {
            refuse("Policy document must be version 2012-10-17 or greater.")
        }
        Some(_) => syntax(purpose),
    }
}

fn check_effect(effect: Option<&Value>, purpose: Purpose) -> Result<(), IamError> {
    match effect.map(Value::as_str) {
        Some(Some("Allow" | "Deny")) => Ok(()),
        None if purpose == Purpose::Trust => refuse("Missing required field Effect"),
        None | Some(_) => syntax(purpose),
    }
}

/// `{"StringEquals": {"aws:SourceAccount": "123456789012"}}`
fn check_condition(condition: Option<&Value>, purpose: Purpose) -> Result<(), IamError> {
    let is_value = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
    let is_test = |test: &Value| {
        test.as_array().map_or_else(|| is_value(test), |values| values.iter().all(is_value))
    };
    let is_operator =
        |keys: &Value| keys.as_object().is_some_and(|keys| keys.values().all(is_test));
    match condition {
        None => Ok(()),
        Some(Value::Object(operators)) if operators.values().all(is_operator) => Ok(()),
        Some(_) => syntax(purpose),
    }
}

fn check_permission(statement: &Map<String, Value>) -> Result<(), IamError> {
    if statement.contains_key("Principal") || statement.contains_key("NotPrincipal") {
        return refuse("Policy document should not specify a principal.");
    }
    let Some(actions) = either(statement, ("Action", "NotAction"))? else {
        return refuse("Policy statement must contain actions.");
    };
    let Some(resources) = either(statement, ("Resource", "NotResource"))? else {
        return refuse("Policy statement must contain resources.");
    };
    for action in actions {
        check_action(action)?;
    }
    match resources.into_iter().find(|one| *one != "*" && !is_arn(one)) {
        Some(odd) => refuse(format!("Resource {odd} must be in ARN format or \"*\".")),
        None => Ok(()),
    }
}

fn check_action(action: &str) -> Result<(), IamError> {
    let parts: Vec<&str> = action.split(':').collect();
    match parts.as_slice() {
        ["*"] => Ok(()),
        [_] => refuse("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
        [vendor, _] if *vendor == "*" || is_vendor(vendor) => Ok(()),
        [vendor, _] => refuse(format!("Vendor {vendor} is not valid")),
        _ => refuse("Actions/Condition can contain only one colon."),
    }
}

fn is_vendor(vendor: &str) -> bool {
    !vendor.is_empty()
        && vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

/// `arn:partition:service:region:account:resource`. A wildcard may stand for several parts.
fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, _, _, _, resource] => !resource.is_empty(),
        ["arn", rest @ ..] => rest.last().is_some_and(|last| last.contains('*')),
        _ => false,
    }
}

fn check_trust(statement: &Map<String, Value>) -> Result<(), IamError> {
    if let Some(name) =
        ["Resource", "NotResource"].into_iter().find(|name| statement.contains_key(*name))
    {
        return refuse(format!("Has prohibited field {name}"));
    }
    match statement.get("Principal").or_else(|| statement.get("NotPrincipal")) {
        None => return refuse("Missing required field Principal"),
        Some(principal) => check_principal(principal)?,
    }
    let Some(actions) = either(statement, ("Action", "NotAction"))? else {
        return refuse("Missing required field Action");
    };
    let is_session = |action: &&str| {
        action.split_once(':').is_some_and(|(vendor, _)| vendor.eq_ignore_ascii_case("sts"))
    };
    if !actions.iter().all(is_session) {
        return refuse("AssumeRole policy may only specify STS AssumeRole actions.");
    }
    Ok(())
}

fn check_principal(principal: &Value) -> Result<(), IamError> {
    let nobody = || {
        refuse(
            "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: The passed in policy has a statement with no principals!",
        )
    };
    if principal.as_str() == Some("*") {
        return Ok(());
    }
    let Some(by_kind) = principal.as_object() else {
        return refuse(format!("Invalid principal in policy: {principal}"));
    };
    if by_kind.is_empty() {
        return nobody();
    }
    for (kind, named) in by_kind {
        if !PRINCIPALS.contains(&kind.as_str()) {
            return refuse(format!("Invalid principal in policy: \"{kind}\":{named}"));
        }
        match texts(named) {
            Some(named) if named.is_empty() => return nobody(),
            Some(named) => {
                if let Some(odd) = named.into_iter().find(|one| one.trim().is_empty()) {
                    return refuse(format!("Invalid principal in policy: \"{kind}\":\"{odd}\""));
                }
            }
            None => return refuse(format!("Invalid principal in policy: \"{kind}\":{named}")),
        }
    }
    Ok(())
}

/// The texts of an element or of its negation. None if there is neither, or nothing in it.
fn either<'a>(
    statement: &'a Map<String, Value>,
    (element, negation): (&str, &str),
) -> Result<Option<Vec<&'a str>>, IamError> {
    let value = match (statement.get(element), statement.get(negation)) {
        (Some(_), Some(_)) => return refuse("Syntax errors in policy."),
        (Some(value), None) | (None, Some(value)) => value,
        (None, None) => return Ok(None),
    };
    let Some(texts) = texts(value) else { return refuse("Syntax errors in policy.") };
    Ok(Some(texts).filter(|texts| !texts.is_empty()))
}

/// One text, or a list of texts.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text.as_str()]),
        Value::Array(texts) => texts.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
