//! Whether a policy lets somebody call a function: a pure decision.
//!
//! As in IAM: whoever is not allowed is refused, and a statement that denies counts more than all
//! that allow.
//!
//! # Promises
//!
//! 1. What cannot be decided here lets nobody in: a condition that is not known is not met where it
//!    allows, and is met where it denies.
//!
//! # Deliberately absent
//!
//! Conditions on numbers, dates and addresses, and identities: callers are not authenticated, so
//! only services and everybody can be told apart.

use hearth_types::names::{Qualifier, Version};
use serde_json::{Map, Value};

use super::document::{fits, negated};
use super::{Policy, Statement};
use crate::record::FunctionRecord;

/// A call that somebody wants to make.
#[derive(Debug, Clone, Copy)]
pub struct Access<'a> {
    /// Who.
    pub who: Who<'a>,
    /// What, such as `lambda:InvokeFunction`.
    pub action: &'a str,
    /// What else is known: keys of conditions with their values, such as `aws:SourceArn`.
    pub context: &'a [(&'a str, &'a str)],
}

/// Who wants to make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'a> {
    /// A service of AWS's, such as `apigateway.amazonaws.com`.
    Service(&'a str),
    /// Anybody, of whom nothing is known.
    Anybody,
    /// An account, of whose identities nothing is known.
    Account(&'a str),
}

/// What a policy says to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is allowed.
    Allowed,
    /// It is refused, whatever else allows it.
    Denied,
    /// Nothing is said.
    Silent,
}

impl FunctionRecord {
    /// Whether the policy of the function, a version or an alias lets a call be made.
    #[must_use]
    pub fn lets(&self, qualifier: Option<&Qualifier>, access: &Access<'_>) -> bool {
        self.verdict(qualifier, access) == Verdict::Allowed
    }

    /// What the policy of the function, a version or an alias says to a call.
    #[must_use]
    pub fn verdict(&self, qualifier: Option<&Qualifier>, access: &Access<'_>) -> Verdict {
        // `$LATEST` has no policy of its own.
        let latest = Qualifier::Version(Version::Latest);
        let qualifier = qualifier.filter(|qualifier| **qualifier != latest);
        let resource = self.qualified_arn(qualifier);
        let policy = self.policy(qualifier);
        policy.map_or(Verdict::Silent, |policy| policy.verdict(&resource, access))
    }
}

impl Policy {
    /// Whether a call of the resource with this ARN is allowed.
    #[must_use]
    pub fn lets(&self, resource: &str, access: &Access<'_>) -> bool {
        self.verdict(resource, access) == Verdict::Allowed
    }

    /// What it says to a call of the resource with this ARN.
    #[must_use]
    pub fn verdict(&self, resource: &str, access: &Access<'_>) -> Verdict {
        let mut is_allowed = false;
        for statement in &self.statements {
            let applies = statement.applies(resource, access);
            if statement.effect == "Allow" {
                is_allowed |= applies == Some(true);
            } else if applies != Some(false) {
                return Verdict::Denied;
            }
        }
        if is_allowed { Verdict::Allowed } else { Verdict::Silent }
    }
}

impl Statement {
    /// Whether it says something about a call; `None` if that cannot be decided here.
    fn applies(&self, resource: &str, access: &Access<'_>) -> Option<bool> {
        let is_action = |pattern: &str| {
            fits(
                pattern.to_ascii_lowercase().as_bytes(),
                access.action.to_ascii_lowercase().as_bytes(),
            )
        };
        let is_resource = |pattern: &str| fits(pattern.as_bytes(), resource.as_bytes());
        let is_about = element(&self.principal, |principal| is_who(principal, access.who))
            && element(&self.action, |actions| texts(actions).any(is_action))
            && element(&self.resource, |resources| texts(resources).any(is_resource));
        if !is_about {
            return Some(false);
        }
        let condition = self.condition.as_ref().and_then(Value::as_object);
        condition.map_or(Some(true), |condition| is_met(condition, access.context))
    }
}

/// Whether an element fits, or, if it is negated, does not.
fn element(element: &Value, is_fitting: impl Fn(&Value) -> bool) -> bool {
    negated(element).map_or_else(|| is_fitting(element), |not| !is_fitting(not))
}

fn texts(element: &Value) -> impl Iterator<Item = &str> {
    let list = element.as_array().map_or_else(|| std::slice::from_ref(element), Vec::as_slice);
    list.iter().filter_map(Value::as_str)
}

fn is_who(principal: &Value, who: Who<'_>) -> bool {
    if principal == "*" {
        return true;
    }
    match who {
        Who::Service(name) => {
            principal.get("Service").is_some_and(|names| texts(names).any(|one| one == name))
        }
        Who::Anybody => {
            principal.get("AWS").is_some_and(|names| texts(names).any(|one| one == "*"))
        }
        Who::Account(account) => {
            let root = format!("arn:aws:iam::{account}:root");
            let is_it = |name: &str| name == "*" || name == account || name == root;
            principal.get("AWS").is_some_and(|names| texts(names).any(is_it))
        }
    }
}

/// Whether all conditions are met; `None` if one of them cannot be decided and no other fails.
fn is_met(condition: &Map<String, Value>, context: &[(&str, &str)]) -> Option<bool> {
    let mut whole = Some(true);
    for (operator, keys) in condition {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            let given = context.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
            match holds(operator, given.map(|(_, value)| *value), wanted) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => whole = None,
            }
        }
    }
    whole
}

/// Whether one condition is met by the value that a call has, if it has one; `None` if that cannot be
/// decided here.
#[must_use]
pub fn holds(operator: &str, given: Option<&str>, wanted: &Value) -> Option<bool> {
    // A key has one value here, so some of them and all of them are the same, but for none.
    let (operator, of_none) = match operator.split_once(':') {
        Some(("ForAllValues", operator)) => (operator, Some(true)),
        Some(("ForAnyValue", operator)) => (operator, Some(false)),
        Some((_other, _)) => return None,
        None => (operator, None),
    };
    let (operator, of_none) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, Some(true)),
        None => (operator, of_none),
    };
    if operator == "Null" {
        return Some(plain(wanted).any(|wanted| (wanted == "true") == given.is_none()));
    }
    let (compare, is_negated): (fn(&str, &str) -> bool, bool) = match operator {
        "StringEquals" => (is_same, false),
        "StringNotEquals" => (is_same, true),
        "StringEqualsIgnoreCase" => (is_same_word, false),
        "StringNotEqualsIgnoreCase" => (is_same_word, true),
        "StringLike" => (is_like, false),
        "StringNotLike" => (is_like, true),
        "ArnEquals" | "ArnLike" => (is_like_arn, false),
        "ArnNotEquals" | "ArnNotLike" => (is_like_arn, true),
        "Bool" => (is_same_word, false),
        _ => return None,
    };
    let Some(given) = given else { return Some(of_none.unwrap_or(is_negated)) };
    let is_one = plain(wanted).any(|wanted| compare(&wanted, given));
    Some(is_one != is_negated)
}

/// The values of a condition, as texts.
fn plain(wanted: &Value) -> impl Iterator<Item = String> {
    let list = wanted.as_array().map_or_else(|| std::slice::from_ref(wanted), Vec::as_slice);
    list.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn is_same(wanted: &str, given: &str) -> bool {
    wanted == given
}

fn is_same_word(wanted: &str, given: &str) -> bool {
    wanted.eq_ignore_ascii_case(given)
}

/// Whether a text is like a pattern, in which `*` stands for any characters and `?` for one.
#[must_use]
pub fn is_like(wanted: &str, given: &str) -> bool {
    fits(wanted.as_bytes(), given.as_bytes())
}

/// Each of the six parts on its own: a wildcard does not reach into the next.
fn is_like_arn(wanted: &str, given: &str) -> bool {
    let parts = |arn: &str| -> Vec<String> { arn.splitn(6, ':').map(str::to_owned).collect() };
    let (wanted, given) = (parts(wanted), parts(given));
    wanted.len() == given.len()
        && wanted.iter().zip(&given).all(|(wanted, given)| is_like(wanted, given))
}

#[cfg(test)]
mod tests {
    use hearth_types::ids::RevisionId;
    use serde_json::json;

    use super::super::Frame;
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
    const SOURCE: &str = "arn:aws:execute-api:us-east-1:000000000000:abc/$default/GET/pets";

    fn lets(statements: &Value, who: Who<'_>) -> bool {
        let statements = serde_json::from_value(statements.clone()).unwrap();
        let policy = Policy { revision: RevisionId::random(), statements, frame: Frame::default() };
        let context = [("aws:SourceArn", SOURCE), ("aws:SourceAccount", "000000000000")];
        policy.lets(ARN, &Access { who, action: "lambda:InvokeFunction", context: &context })
    }

    fn statement(effect: &str, principal: Value, condition: Value) -> Value {
        let mut statement = json!({
            "Effect": effect, "Action": "lambda:InvokeFunction", "Resource": ARN,
            "Principal": principal,
        });
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        statement
    }

    #[test]
    fn a_service_is_let_in_on_behalf_of_what_it_was_allowed_for() {
        let api = || json!({"Service": "apigateway.amazonaws.com"});
        let like = |pattern: &str| json!({"ArnLike": {"AWS:SourceArn": pattern}});
        #[rustfmt::skip]
        let rows = [
            (json!([statement("Allow", api(), Value::Null)]),                                         true),
            (json!([statement("Allow", json!("*"), Value::Null)]),                                    true),
            (json!([statement("Allow", json!({"Service": "s3.amazonaws.com"}), Value::Null)]),        false),
            (json!([statement("Allow", json!({"AWS": "*"}), Value::Null)]),                           false),
            (json!([statement("Allow", api(), like("arn:aws:execute-api:us-east-1:000000000000:abc/*"))]),       true),
            (json!([statement("Allow", api(), like("arn:aws:execute-api:us-east-1:000000000000:abc/*/GET/pets"))]), true),
            (json!([statement("Allow", api(), like("arn:aws:execute-api:us-east-1:000000000000:xyz/*"))]),       false),
            (json!([statement("Allow", api(), like("arn:aws:execute-api:*:abc/*"))]),                 false),
            (json!([statement("Allow", api(), json!({"StringEquals": {"aws:SourceAccount": "000000000000"}}))]), true),
            (json!([statement("Allow", api(), json!({"StringEquals": {"aws:SourceAccount": "111111111111"}}))]), false),
            (json!([statement("Allow", api(), json!({"StringEquals": {"aws:Other": "1"}}))]),         false),
            (json!([statement("Allow", api(), json!({"StringEqualsIfExists": {"aws:Other": "1"}}))]), true),
            (json!([statement("Allow", api(), json!({"NumericEquals": {"aws:SourceAccount": "0"}}))]), false),
            (json!([statement("Allow", api(), json!({"Null": {"aws:SourceArn": "false"}}))]),         true),
            (json!([statement("Allow", api(), Value::Null), statement("Deny", json!("*"), Value::Null)]), false),
            (json!([statement("Allow", api(), Value::Null), statement("Deny", json!({"Service": "s3.amazonaws.com"}), Value::Null)]), true),
            (json!([statement("Allow", api(), Value::Null), statement("Deny", api(), json!({"NumericEquals": {"a": "0"}}))]), false),
            (json!([]),                                                                               false),
        ];
        for (statements, expected) in rows {
            let found = lets(&statements, Who::Service("apigateway.amazonaws.com"));
            assert_eq!(found, expected, "{statements}");
        }
    }

    #[test]
    fn anybody_is_let_in_where_everybody_is() {
        for (principal, expected) in [
            (json!("*"), true),
            (json!({"AWS": "*"}), true),
            (json!({"AWS": "arn:aws:iam::000000000000:root"}), false),
            (json!({"Service": "apigateway.amazonaws.com"}), false),
        ] {
            let statements = json!([statement("Allow", principal, Value::Null)]);
            assert_eq!(lets(&statements, Who::Anybody), expected, "{statements}");
        }
    }

    #[test]
    fn an_account_is_told_apart_from_others_and_refused_only_where_that_is_said() {
        let verdict = |effect: &str, principal: &Value| {
            let statements = json!([statement(effect, principal.clone(), Value::Null)]);
            let statements = serde_json::from_value(statements).unwrap();
            let policy =
                Policy { revision: RevisionId::random(), statements, frame: Frame::default() };
            let who = Who::Account("000000000000");
            policy.verdict(ARN, &Access { who, action: "lambda:InvokeFunction", context: &[] })
        };
        let root = |account: &str| json!({"AWS": format!("arn:aws:iam::{account}:root")});
        #[rustfmt::skip]
        let rows = [
            ("Allow", json!("*"),                     Verdict::Allowed),
            ("Allow", root("000000000000"),           Verdict::Allowed),
            ("Allow", json!({"AWS": "000000000000"}), Verdict::Allowed),
            ("Allow", root("111111111111"),           Verdict::Silent),
            ("Deny",  root("000000000000"),           Verdict::Denied),
            ("Deny",  root("111111111111"),           Verdict::Silent),
        ];
        for (effect, principal, expected) in rows {
            assert_eq!(verdict(effect, &principal), expected, "{effect} {principal}");
        }
    }

    #[test]
    fn actions_and_resources_have_wildcards_and_can_be_negated() {
        let api = json!({"Service": "apigateway.amazonaws.com"});
        #[rustfmt::skip]
        let rows = [
            (json!({"Action": "lambda:*", "Resource": "*"}),                      true),
            (json!({"Action": ["lambda:GetFunction", "LAMBDA:invoke*"], "Resource": ARN}), true),
            (json!({"Action": "lambda:GetFunction", "Resource": ARN}),            false),
            (json!({"NotAction": "lambda:GetFunction", "Resource": ARN}),         true),
            (json!({"NotAction": "lambda:*", "Resource": ARN}),                   false),
            (json!({"Action": "*", "Resource": format!("{ARN}:1")}),              false),
        ];
        for (mut statement, expected) in rows {
            statement["Effect"] = json!("Allow");
            statement["Principal"] = api.clone();
            let statements = json!([statement]);
            let found = lets(&statements, Who::Service("apigateway.amazonaws.com"));
            assert_eq!(found, expected, "{statements}");
        }
    }
}
