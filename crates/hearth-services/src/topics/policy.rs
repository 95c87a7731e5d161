//! The policy of a topic: which other accounts may use it.
//!
//! # Promises
//!
//! 1. The account that owns a topic may do everything with it.
//! 2. Another account may do what a statement allows and none denies. A condition that is not
//!    understood is not met by a statement that allows, and is met by one that denies.
//!
//! # Deliberately absent
//!
//! Users and roles: an account is let in as a whole, because callers are not authenticated.
//! Conditions other than on the account that asks.

use hearth_types::names::AccountId;
use serde_json::{Value, json};

use super::arn::TopicArn;
use super::error::TopicError;
use crate::grants::fits;
use crate::limits::{TOPIC_POLICY_BYTES_MAX, TOPIC_POLICY_STATEMENTS_MAX};

/// What can be allowed, without `SNS:`.
const ACTIONS: &[&str] = &[
    "GetTopicAttributes",
    "SetTopicAttributes",
    "AddPermission",
    "RemovePermission",
    "DeleteTopic",
    "Subscribe",
    "ListSubscriptionsByTopic",
    "Publish",
    "Receive",
    "*",
];

/// The policy that a topic has if nobody has set one: its own account may use it.
pub(super) fn default(topic: &TopicArn) -> String {
    let account = &topic.scope.account;
    format!(
        "{{\"Version\":\"2008-10-17\",\"Id\":\"__default_policy_ID\",\"Statement\":[{{\
         \"Sid\":\"__default_statement_ID\",\"Effect\":\"Allow\",\"Principal\":{{\"AWS\":\"*\"}},\
         \"Action\":[\"SNS:GetTopicAttributes\",\"SNS:SetTopicAttributes\",\"SNS:AddPermission\",\
         \"SNS:RemovePermission\",\"SNS:DeleteTopic\",\"SNS:Subscribe\",\
         \"SNS:ListSubscriptionsByTopic\",\"SNS:Publish\"],\"Resource\":\"{topic}\",\
         \"Condition\":{{\"StringEquals\":{{\"AWS:SourceOwner\":\"{account}\"}}}}}}]}}"
    )
}

/// Checks the form of a policy that is to be set.
pub(super) fn check(text: &str) -> Result<(), TopicError> {
    if text.len() > TOPIC_POLICY_BYTES_MAX {
        return Err(refused(&format!("the policy is larger than {TOPIC_POLICY_BYTES_MAX} bytes")));
    }
    let document: Value =
        serde_json::from_str(text).map_err(|error| refused(&format!("{error}")))?;
    let statements = statements(&document);
    if statements.is_empty() {
        return Err(refused("the policy has no statement"));
    }
    if statements.len() > TOPIC_POLICY_STATEMENTS_MAX {
        return Err(refused("the policy has too many statements"));
    }
    for statement in statements {
        let effect = statement.get("Effect").and_then(Value::as_str);
        if !matches!(effect, Some("Allow" | "Deny")) {
            return Err(refused("a statement has no effect"));
        }
        let has =
            |one: &str, other: &str| statement.get(one).is_some() || statement.get(other).is_some();
        if !has("Principal", "NotPrincipal") {
            return Err(refused("a statement has no principal"));
        }
        if !has("Action", "NotAction") || !has("Resource", "NotResource") {
            return Err(refused("a statement has no action or no resource"));
        }
        let names = texts(statement.get("Action"));
        if !names.iter().all(|name| is_action(name)) {
            return Err(TopicError::parameter("Policy statement action out of service scope!"));
        }
    }
    Ok(())
}

/// A statement to be added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permission {
    /// What it is called.
    pub label: String,
    /// Which accounts.
    pub accounts: Vec<String>,
    /// What they may do, without `SNS:`.
    pub actions: Vec<String>,
}

/// The policy with one more statement.
pub(super) fn with(text: &str, topic: &TopicArn, more: &Permission) -> Result<String, TopicError> {
    if more.label.is_empty() {
        return Err(TopicError::parameter("Label"));
    }
    if more.actions.is_empty() || !more.actions.iter().all(|name| ACTIONS.contains(&name.as_str()))
    {
        return Err(TopicError::parameter("Policy statement action out of service scope!"));
    }
    let accounts: Option<Vec<AccountId>> =
        more.accounts.iter().map(|account| AccountId::parse(account).ok()).collect();
    let accounts = accounts.filter(|accounts| !accounts.is_empty());
    let accounts = accounts.ok_or_else(|| TopicError::parameter("AWSAccountId"))?;
    let mut document = parsed(text);
    let mut all = statements(&document);
    if all.iter().any(|statement| label(statement) == Some(more.label.as_str())) {
        return Err(TopicError::parameter("Statement already exists"));
    }
    let principals = accounts.iter().map(|account| format!("arn:aws:iam::{account}:root"));
    let actions = more.actions.iter().map(|action| format!("SNS:{action}"));
    all.push(json!({
        "Sid": more.label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_many(principals) },
        "Action": one_or_many(actions),
        "Resource": topic.to_string(),
    }));
    document["Statement"] = Value::Array(all);
    let text = document.to_string();
    check(&text)?;
    Ok(text)
}

/// The policy without a statement.
pub(super) fn without(text: &str, name: &str) -> Result<String, TopicError> {
    let mut document = parsed(text);
    let mut all = statements(&document);
    let before = all.len();
    all.retain(|statement| label(statement) != Some(name));
    if all.len() == before {
        return Err(TopicError::parameter("Label Reason: there is no statement of this name"));
    }
    document["Statement"] = Value::Array(all);
    Ok(document.to_string())
}

/// Whether a policy lets another account do something, such as `Publish`.
pub(super) fn allows(text: &str, topic: &TopicArn, account: &AccountId, action: &str) -> bool {
    let document = parsed(text);
    let mut allowed = false;
    for statement in statements(&document) {
        let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
        let applies = is_for(&statement, account)
            && names(&statement, "Action", &format!("SNS:{action}"))
            && names(&statement, "Resource", &topic.to_string())
            && condition_is_met(&statement, account).unwrap_or(denies);
        if applies && denies {
            return false;
        }
        allowed |= applies;
    }
    allowed
}

/// Whether a statement is about an account: one that it names, or, with `NotPrincipal`, one that it
/// does not name.
fn is_for(statement: &Value, account: &AccountId) -> bool {
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), _) => names_account(principal, account),
        (None, Some(others)) => !names_account(others, account),
        (None, None) => false,
    }
}

fn names_account(principal: &Value, account: &AccountId) -> bool {
    let named = match principal.get("AWS") {
        Some(named) => texts(Some(named)),
        None => texts(Some(principal)),
    };
    let root = format!("arn:aws:iam::{account}:root");
    named.iter().any(|name| *name == "*" || *name == account.as_str() || *name == root)
}

/// Whether a member of a statement, with or without `Not` before it, names something.
fn names(statement: &Value, member: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_named = |patterns: Vec<&str>| {
        patterns
            .iter()
            .any(|pattern| fits(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()))
    };
    match statement.get(member) {
        Some(patterns) => is_named(texts(Some(patterns))),
        None => match statement.get(format!("Not{member}")) {
            Some(patterns) => !is_named(texts(Some(patterns))),
            None => false,
        },
    }
}

/// None: there is something in it that is not understood.
fn condition_is_met(statement: &Value, account: &AccountId) -> Option<bool> {
    let Some(condition) = statement.get("Condition") else { return Some(true) };
    for (operator, keys) in condition.as_object()? {
        let has_wildcards = match operator.as_str() {
            "StringEquals" => false,
            "StringLike" => true,
            _odd => return None,
        };
        let account = account.as_str();
        let is_met = |one: &&str| {
            if has_wildcards { fits(one.as_bytes(), account.as_bytes()) } else { *one == account }
        };
        for (key, wanted) in keys.as_object()? {
            let key = key.to_ascii_lowercase();
            if !matches!(key.as_str(), "aws:sourceowner" | "aws:sourceaccount") {
                return None;
            }
            let wanted = texts(Some(wanted));
            if !wanted.iter().any(is_met) {
                return Some(false);
            }
        }
    }
    Some(true)
}

fn is_action(name: &str) -> bool {
    if name == "*" {
        return true;
    }
    let Some((service, action)) = name.split_once(':') else { return false };
    let is_known = ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action));
    service.eq_ignore_ascii_case("sns") && (is_known || action.contains(['*', '?']))
}

fn label(statement: &Value) -> Option<&str> {
    statement.get("Sid").and_then(Value::as_str)
}

fn statements(document: &Value) -> Vec<Value> {
    match document.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one) if one.is_object() => vec![one.clone()],
        Some(_) | None => Vec::new(),
    }
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::Array(elements)) => elements.iter().filter_map(Value::as_str).collect(),
        Some(one) => one.as_str().into_iter().collect(),
        None => Vec::new(),
    }
}

fn one_or_many(texts: impl Iterator<Item = String>) -> Value {
    let texts: Vec<Value> = texts.map(Value::from).collect();
    if let [one] = texts.as_slice() { one.clone() } else { Value::Array(texts) }
}

/// Only what was checked is kept.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_broken| json!({}))
}

fn refused(why: &str) -> TopicError {
    TopicError::parameter(format!("Policy Error: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic() -> TopicArn {
        TopicArn::parse("TopicArn", "arn:aws:sns:us-east-1:000000000000:t").unwrap()
    }

    fn account(digit: char) -> AccountId {
        AccountId::parse(&digit.to_string().repeat(12)).unwrap()
    }

    fn permission(label: &str) -> Permission {
        Permission {
            label: label.to_owned(),
            accounts: vec!["1".repeat(12)],
            actions: vec!["Publish".to_owned()],
        }
    }

    #[test]
    fn by_default_no_other_account_may_do_anything() {
        let text = default(&topic());
        check(&text).unwrap();
        assert!(!allows(&text, &topic(), &account('1'), "Publish"));
        assert!(allows(&text, &topic(), &account('0'), "Publish"));
    }

    #[test]
    fn a_permission_lets_an_account_in_until_it_is_removed() {
        let text = with(&default(&topic()), &topic(), &permission("mine")).unwrap();
        assert!(allows(&text, &topic(), &account('1'), "Publish"));
        assert!(!allows(&text, &topic(), &account('1'), "Subscribe"));
        assert!(!allows(&text, &topic(), &account('2'), "Publish"));
        let again = with(&text, &topic(), &permission("mine")).unwrap_err().to_string();
        assert_eq!(again, "Invalid parameter: Statement already exists");
        let text = without(&text, "mine").unwrap();
        assert!(!allows(&text, &topic(), &account('1'), "Publish"));
        assert!(without(&text, "mine").is_err());
    }

    #[test]
    fn what_is_denied_or_not_understood_is_not_allowed() {
        let statement = |effect: &str, condition: Value| {
            json!({ "Effect": effect, "Principal": "*", "Action": "sns:Pub*", "Resource": "*",
                    "Condition": condition })
        };
        let of = |statements: Vec<Value>| json!({ "Statement": statements }).to_string();
        let odd = json!({ "ArnLike": { "aws:SourceArn": "x" } });
        #[rustfmt::skip]
        let rows = [
            (of(vec![statement("Allow", json!({}))]),                                    true),
            (of(vec![statement("Allow", json!({})), statement("Deny", json!({}))]),      false),
            (of(vec![statement("Allow", odd.clone())]),                                  false),
            (of(vec![statement("Allow", json!({})), statement("Deny", odd)]),            false),
            (of(vec![]),                                                                 false),
        ];
        for (text, expected) in rows {
            assert_eq!(allows(&text, &topic(), &account('1'), "Publish"), expected, "{text}");
        }
    }

    #[test]
    fn a_statement_is_about_whom_it_names_or_does_not_name() {
        let statement = |effect: &str, principal: &str, who: &str| {
            let who = json!({ "AWS": who });
            json!({ "Effect": effect, principal: who, "Action": "sns:*", "Resource": "*" })
        };
        let everybody = || statement("Allow", "Principal", "*");
        let (one, two) = ("1".repeat(12), "2".repeat(12));
        #[rustfmt::skip]
        let rows = [
            (vec![everybody(), statement("Deny", "NotPrincipal", &two)],  false),
            (vec![everybody(), statement("Deny", "NotPrincipal", &one)],  true),
            (vec![statement("Allow", "NotPrincipal", &one)],              false),
            (vec![statement("Allow", "NotPrincipal", &two)],              true),
        ];
        for (statements, expected) in rows {
            let text = json!({ "Statement": statements }).to_string();
            assert_eq!(allows(&text, &topic(), &account('1'), "Publish"), expected, "{text}");
        }
    }

    #[test]
    fn only_like_has_wildcards() {
        for (operator, expected) in [("StringEquals", false), ("StringLike", true)] {
            let condition = json!({ operator: { "aws:SourceAccount": "1*" } });
            let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": "sns:Publish",
                                    "Resource": "*", "Condition": condition });
            let text = json!({ "Statement": statement }).to_string();
            assert_eq!(allows(&text, &topic(), &account('1'), "Publish"), expected, "{text}");
        }
    }

    #[test]
    fn policies_that_cannot_be_are_refused() {
        let scope = "Invalid parameter: Policy statement action out of service scope!";
        let odd =
            json!({ "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*" });
        let odd = json!({ "Statement": [odd] }).to_string();
        #[rustfmt::skip]
        let rows = [
            ("{nope",                                               "Invalid parameter: Policy Error: "),
            ("{}",                                                  "Invalid parameter: Policy Error: the policy has no statement"),
            (r#"{"Statement":{"Effect":"Maybe"}}"#,                 "Invalid parameter: Policy Error: a statement has no effect"),
            (odd.as_str(),                                          scope),
        ];
        for (text, expected) in rows {
            let told = check(text).unwrap_err().to_string();
            assert!(told.starts_with(expected), "{told}");
        }
    }
}
