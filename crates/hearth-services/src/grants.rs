//! Whether the policy of a resource lets a service of AWS use it on behalf of something else: whether
//! S3 may invoke a function, or send to a queue, for a bucket.
//!
//! # Promises
//!
//! 1. A service may do what a statement allows and none denies.
//! 2. A condition that is not understood is not met by a statement that allows, and is met by one
//!    that denies.
//! 3. No text panics: what is not a policy grants nothing.
//!
//! # Deliberately absent
//!
//! Users, roles and accounts: callers are not authenticated. Numbers, dates and addresses in
//! conditions.

use serde_json::{Map, Value};

/// What a service wants to do, and on whose behalf.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Who, such as `s3.amazonaws.com`.
    pub service: &'a str,
    /// What, such as `lambda:InvokeFunction`.
    pub action: &'a str,
    /// With what: an ARN.
    pub resource: &'a str,
    /// On behalf of what: an ARN.
    pub source_arn: &'a str,
    /// Whose that is.
    pub source_account: &'a str,
}

impl Wish<'_> {
    /// Whether a policy, as a text, grants it.
    #[must_use]
    pub fn is_granted(&self, policy: &str) -> bool {
        let Ok(document) = serde_json::from_str::<Value>(policy) else { return false };
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let mut granted = false;
        for statement in statements {
            let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
            if !self.is_meant(statement, denies) {
                continue;
            }
            if denies {
                return false;
            }
            granted |= statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        }
        granted
    }

    fn is_meant(&self, statement: &Value, denies: bool) -> bool {
        let who = match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(principal), _) => self.is_named(principal),
            (None, Some(others)) => !self.is_named(others),
            (None, None) => false,
        };
        who && names(statement, "Action", self.action).unwrap_or(false)
            // The policy of a queue may leave out what it is about.
            && names(statement, "Resource", self.resource).unwrap_or(true)
            && self.meets(statement.get("Condition")).unwrap_or(denies)
    }

    fn is_named(&self, principal: &Value) -> bool {
        let of = |kind: &str| principal.get(kind).map(texts).unwrap_or_default();
        principal == "*" || of("AWS").contains(&"*") || of("Service").contains(&self.service)
    }

    /// `None`: there is something in it that is not understood.
    fn meets(&self, condition: Option<&Value>) -> Option<bool> {
        let Some(condition) = condition else { return Some(true) };
        let mut met = true;
        for (operator, keys) in condition.as_object()? {
            met &= self.meets_operator(operator, keys.as_object()?)?;
        }
        Some(met)
    }

    fn meets_operator(&self, operator: &str, keys: &Map<String, Value>) -> Option<bool> {
        let (operator, if_exists) = match operator.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (operator, false),
        };
        let mut met = true;
        for (key, wanted) in keys {
            let found = self.value_of(key);
            let wanted = texts(wanted);
            met &= match (operator, found) {
                ("Null", found) => wanted.iter().any(|text| (*text == "true") == found.is_none()),
                (operator, Some(found)) => {
                    let test = Test::of(operator)?;
                    let fits = wanted.iter().any(|pattern| (test.fits)(pattern, found));
                    fits != test.is_negated
                }
                (operator, None) => Test::of(operator)?.is_negated || if_exists,
            };
        }
        Some(met)
    }

    /// What a condition finds. What is not here, no service brings with it.
    fn value_of(&self, key: &str) -> Option<&str> {
        match key.to_ascii_lowercase().as_str() {
            "aws:sourcearn" => Some(self.source_arn),
            "aws:sourceaccount" => Some(self.source_account),
            "aws:principalservicename" => Some(self.service),
            // Services of AWS do not call each other in plain text.
            "aws:principalisawsservice" | "aws:securetransport" => Some("true"),
            _ => None,
        }
    }
}

/// What an operator of a condition does.
struct Test {
    fits: fn(&str, &str) -> bool,
    is_negated: bool,
}

impl Test {
    fn of(operator: &str) -> Option<Self> {
        let (plain, is_negated) = match operator.split_once("Not") {
            Some((kind, rest)) => (format!("{kind}{rest}"), true),
            None => (operator.to_owned(), false),
        };
        let fits: fn(&str, &str) -> bool = match plain.as_str() {
            "StringEquals" => |pattern, text| pattern == text,
            "StringEqualsIgnoreCase" | "Bool" => |pattern, text| pattern.eq_ignore_ascii_case(text),
            "StringLike" => |pattern, text| fits(pattern.as_bytes(), text.as_bytes()),
            "ArnEquals" | "ArnLike" => arn_fits,
            _ => return None,
        };
        Some(Self { fits, is_negated })
    }
}

/// Wildcards of a pattern do not reach beyond a part of an ARN.
fn arn_fits(pattern: &str, arn: &str) -> bool {
    let (patterns, parts) = (pattern.splitn(6, ':'), arn.splitn(6, ':'));
    if patterns.clone().count() != parts.clone().count() {
        return false;
    }
    patterns.zip(parts).all(|(pattern, part)| fits(pattern.as_bytes(), part.as_bytes()))
}

/// Whether a member of a statement, with or without `Not` before it, names something. `None`: there
/// is neither.
fn names(statement: &Value, member: &str, name: &str) -> Option<bool> {
    let name = name.to_ascii_lowercase();
    let is_named = |patterns: &Value| {
        texts(patterns)
            .iter()
            .any(|pattern| fits(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()))
    };
    match (statement.get(member), statement.get(format!("Not{member}"))) {
        (Some(patterns), _) => Some(is_named(patterns)),
        (None, Some(others)) => Some(!is_named(others)),
        (None, None) => None,
    }
}

/// One text, or several.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(elements) => elements.iter().filter_map(Value::as_str).collect(),
        Value::String(one) => vec![one.as_str()],
        Value::Bool(true) => vec!["true"],
        Value::Bool(false) => vec!["false"],
        Value::Null | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}

/// `*` stands for any characters, `?` for one.
pub(crate) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            Some(_) | None => match star {
                Some((before, taken)) => {
                    star = Some((before, taken + 1));
                    at = before + 1;
                    in_text = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn wish() -> Wish<'static> {
        Wish {
            service: "s3.amazonaws.com",
            action: "lambda:InvokeFunction",
            resource: FUNCTION,
            source_arn: "arn:aws:s3:::uploads",
            source_account: "000000000000",
        }
    }

    fn statement(changes: Value) -> Value {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": { "Service": "s3.amazonaws.com" },
            "Action": "lambda:InvokeFunction",
            "Resource": FUNCTION,
        });
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                statement.as_object_mut().unwrap().remove(name);
            } else {
                statement[name] = value.clone();
            }
        }
        statement
    }

    #[test]
    fn what_grants_and_what_does_not() {
        let on = |operator: &str, key: &str, value: &str| json!({ "Condition": { operator: { key: value } } });
        #[rustfmt::skip]
        let rows = [
            ("the plain one",          json!({}),                                                          true),
            ("everybody",              json!({ "Principal": "*" }),                                        true),
            ("everybody of AWS",       json!({ "Principal": { "AWS": "*" } }),                             true),
            ("one of several",         json!({ "Principal": { "Service": ["x", "s3.amazonaws.com"] } }),   true),
            ("another service",        json!({ "Principal": { "Service": "sns.amazonaws.com" } }),         false),
            ("an account",             json!({ "Principal": { "AWS": "000000000000" } }),                  false),
            ("another action",         json!({ "Action": "lambda:GetFunction" }),                          false),
            ("all actions",            json!({ "Action": "lambda:*" }),                                    true),
            ("in other letters",       json!({ "Action": "LAMBDA:invokefunction" }),                       true),
            ("not this action",        json!({ "Action": null, "NotAction": "lambda:Invoke*" }),           false),
            ("no action",              json!({ "Action": null }),                                          false),
            ("another resource",       json!({ "Resource": format!("{FUNCTION}:live") }),                  false),
            ("any resource",           json!({ "Resource": "*" }),                                         true),
            ("no resource",            json!({ "Resource": null }),                                        true),
            ("this bucket",            on("ArnLike", "AWS:SourceArn", "arn:aws:s3:::uploads"),             true),
            ("buckets of this name",   on("ArnLike", "aws:SourceArn", "arn:aws:s3:*:*:up*"),               true),
            ("another bucket",         on("ArnEquals", "aws:SourceArn", "arn:aws:s3:::other"),             false),
            ("a pattern over parts",   on("ArnLike", "aws:SourceArn", "arn:*"),                            false),
            ("a like of texts",        on("StringLike", "aws:SourceArn", "arn:*:uploads"),                 true),
            ("this account",           on("StringEquals", "AWS:SourceAccount", "000000000000"),            true),
            ("another account",        on("StringEquals", "aws:SourceAccount", "111111111111"),            false),
            ("not another account",    on("StringNotEquals", "aws:SourceAccount", "111111111111"),         true),
            ("a key nobody brings",    on("StringEquals", "aws:SourceOwner", "000000000000"),              false),
            ("if it is there",         on("StringEqualsIfExists", "aws:SourceOwner", "000000000000"),      true),
            ("not there",              on("Null", "aws:SourceOwner", "true"),                              true),
            ("there",                  on("Null", "aws:SourceArn", "true"),                                false),
            ("in secret",              on("Bool", "aws:SecureTransport", "true"),                          true),
            ("not understood",         on("IpAddress", "aws:SourceIp", "10.0.0.0/8"),                      false),
        ];
        for (name, changes, expected) in rows {
            let policy = json!({ "Statement": [statement(changes)] }).to_string();
            assert_eq!(wish().is_granted(&policy), expected, "{name}");
        }
        for text in ["", "{}", "[]", r#"{"Statement":[]}"#, r#"{"Statement":"x"}"#] {
            assert!(!wish().is_granted(text), "{text}");
        }
    }

    #[test]
    fn what_is_denied_is_not_granted() {
        let odd = json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/8" } });
        let plain = json!({ "Bool": { "aws:SecureTransport": "false" } });
        for (name, condition, granted) in
            [("without a condition", json!({}), false), ("odd", odd, false), ("plain", plain, true)]
        {
            let denial = statement(json!({ "Effect": "Deny", "Condition": condition }));
            let policy = json!({ "Statement": [denial, statement(json!({}))] }).to_string();
            assert_eq!(wish().is_granted(&policy), granted, "{name}");
        }
    }

    #[test]
    fn wildcards_fit() {
        #[rustfmt::skip]
        let rows = [
            ("*", "", true), ("*", "abc", true), ("a*c", "abbc", true), ("a?c", "abc", true),
            ("a?c", "ac", false), ("", "", true), ("", "a", false), ("a*b*c", "axbxb", false),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
