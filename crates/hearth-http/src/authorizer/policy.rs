//! Policies that decide whether a request is let through to an API: those that authorizers answer
//! with, and those that REST APIs have.
//!
//! # Promises
//!
//! 1. As in IAM: whoever is not allowed is refused, and a statement that denies counts more than all
//!    that allow.
//! 2. What cannot be decided here lets nobody in: a condition that is not known is not met where it
//!    allows, and is met where it denies.
//! 3. No document panics, and none takes longer than its size allows.
//!
//! # Deliberately absent
//!
//! Conditions on numbers and dates. Identities: callers are not authenticated, so of the principals
//! of a policy only everybody is anybody here.

use std::net::IpAddr;

use hearth_control::policy::access::{holds, is_like};
use serde_json::{Map, Value};

/// What is asked for by every request to an API.
pub const INVOKE: &str = "execute-api:Invoke";

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// What a policy has to say about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may pass.
    Allowed,
    /// Nothing allows it.
    NotAllowed,
    /// Something denies it.
    Denied,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed policy: {0}")]
pub struct Malformed(pub &'static str);

/// What a policy is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The method of an API: `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`.
    pub resource: &'a str,
    /// What else is known: keys of conditions with their values, such as `aws:SourceIp`.
    pub context: &'a [(&'a str, &'a str)],
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    denies: bool,
    principal: Option<Named>,
    action: Named,
    resource: Named,
    condition: Map<String, Value>,
}

/// The values of an element, or, if it is negated, everything but those.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    patterns: Vec<String>,
    is_negated: bool,
}

/// Whose policies name principals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A policy of a caller: it is about that caller.
    OfIdentity,
    /// A policy of an API: each statement says whom it is about.
    OfResource,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn read(document: &Value, kind: Kind) -> Result<Self, Malformed> {
        let Some(document) = document.as_object() else {
            return Err(Malformed("it is not an object"));
        };
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                return Err(Malformed("it has no statement"));
            }
        };
        let statements = statements.into_iter().map(|one| Statement::read(one, kind));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }

    /// Decides about a request.
    #[must_use]
    pub fn decide(&self, question: Question<'_>) -> Verdict {
        let mut verdict = Verdict::NotAllowed;
        for statement in &self.statements {
            let applies = statement.applies(question);
            if statement.denies && applies != Some(false) {
                return Verdict::Denied;
            }
            if !statement.denies && applies == Some(true) {
                verdict = Verdict::Allowed;
            }
        }
        verdict
    }
}

impl Statement {
    fn read(statement: &Value, kind: Kind) -> Result<Self, Malformed> {
        let Some(members) = statement.as_object() else {
            return Err(Malformed("a statement is not an object"));
        };
        let denies = match members.get("Effect").and_then(Value::as_str) {
            Some("Allow") => false,
            Some("Deny") => true,
            Some(_) | None => return Err(Malformed("the effect of a statement is none")),
        };
        let condition = match members.get("Condition") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(condition)) => condition.clone(),
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                return Err(Malformed("the condition of a statement is not an object"));
            }
        };
        let principal = match kind {
            Kind::OfIdentity => None,
            Kind::OfResource => Some(
                Named::read(members, ("Principal", "NotPrincipal"), principals)
                    .ok_or(Malformed("a statement has no principal"))?,
            ),
        };
        let action = Named::read(members, ("Action", "NotAction"), texts);
        let resource = Named::read(members, ("Resource", "NotResource"), texts);
        Ok(Self {
            denies,
            principal,
            action: action.ok_or(Malformed("a statement has no action"))?,
            resource: resource.ok_or(Malformed("a statement has no resource"))?,
            condition,
        })
    }

    /// Whether it says something about a request; `None` if that cannot be decided here.
    fn applies(&self, question: Question<'_>) -> Option<bool> {
        let is_action =
            |pattern: &str| is_like(&pattern.to_ascii_lowercase(), &INVOKE.to_ascii_lowercase());
        let is_about = self.principal.as_ref().is_none_or(|who| who.fits(|name| name == "*"))
            && self.action.fits(is_action)
            && self.resource.fits(|pattern| is_like(pattern, question.resource));
        if !is_about {
            return Some(false);
        }
        let mut whole = Some(true);
        for (operator, keys) in &self.condition {
            for (key, wanted) in keys.as_object()? {
                let mut known = question.context.iter();
                let given = known.find(|(known, _)| known.eq_ignore_ascii_case(key));
                match meets(operator, given.map(|(_, value)| *value), wanted) {
                    Some(true) => {}
                    Some(false) => return Some(false),
                    None => whole = None,
                }
            }
        }
        whole
    }
}

impl Named {
    fn read(
        members: &Map<String, Value>,
        (name, negated): (&str, &str),
        patterns: fn(&Value) -> Vec<String>,
    ) -> Option<Self> {
        let named = |name: &str, is_negated: bool| {
            let patterns = patterns(members.get(name)?);
            (!patterns.is_empty()).then_some(Self { patterns, is_negated })
        };
        named(name, false).or_else(|| named(negated, true))
    }

    fn fits(&self, is_fitting: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|pattern| is_fitting(pattern)) != self.is_negated
    }
}

/// Whether a condition is met. Addresses are known here beside what all policies have.
fn meets(operator: &str, given: Option<&str>, wanted: &Value) -> Option<bool> {
    let (plain, if_exists) = match operator.strip_suffix("IfExists") {
        Some(plain) => (plain, true),
        None => (operator, false),
    };
    let is_negated = match plain {
        "IpAddress" => false,
        "NotIpAddress" => true,
        _ => return holds(operator, given, wanted),
    };
    let Some(given) = given else { return Some(if_exists || is_negated) };
    let given: IpAddr = given.parse().ok()?;
    let mut is_one = Some(false);
    for range in texts(wanted) {
        match is_within(&range, given) {
            Some(true) => return Some(!is_negated),
            Some(false) => {}
            None => is_one = None,
        }
    }
    is_one.map(|_none_fits| is_negated)
}

/// Whether an address is in a range such as `10.0.0.0/8`; one without a width is of one address.
/// `None` if it is no range.
fn is_within(range: &str, address: IpAddr) -> Option<bool> {
    let (base, width) = match range.split_once('/') {
        Some((base, width)) => (base, width.parse::<u32>().ok()?),
        None => (range, u128::BITS),
    };
    let (base, address, bits) = match (base.parse::<IpAddr>().ok()?, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            (u128::from(base.to_bits()), u128::from(address.to_bits()), u32::BITS)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), u128::BITS),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Some(false),
    };
    let shift = bits.saturating_sub(width);
    let cut = |number: u128| number.checked_shr(shift).unwrap_or(0);
    Some(cut(base) == cut(address))
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `"*"`, or `{"AWS": …}`; the kinds of principals do not matter, because only `*` is anybody.
fn principals(value: &Value) -> Vec<String> {
    match value.as_object() {
        Some(kinds) => kinds.values().flat_map(texts).collect(),
        None => texts(value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets/1";

    fn ask(document: &Value, kind: Kind) -> Verdict {
        let context = [("aws:SourceIp", "10.1.2.3"), ("aws:UserAgent", "curl/8")];
        let question = Question { resource: ARN, context: &context };
        Policy::read(document, kind).unwrap().decide(question)
    }

    fn statement(effect: &str, resource: Value) -> Value {
        json!({ "Effect": effect, "Action": "execute-api:Invoke", "Resource": resource })
    }

    #[test]
    fn wildcards_and_denials() {
        use Verdict::{Allowed, Denied, NotAllowed};
        let allow = |resource: &str| statement("Allow", json!(resource));
        let deny = |resource: &str| statement("Deny", json!(resource));
        let start = "arn:aws:execute-api:us-east-1:000000000000:abc";
        #[rustfmt::skip]
        let rows = [
            (json!([allow(ARN)]),                                           Allowed),
            (json!(allow("*")),                                             Allowed),
            (json!([allow(&format!("{start}/*"))]),                         Allowed),
            (json!([allow(&format!("{start}/*/GET/*"))]),                   Allowed),
            (json!([allow(&format!("{start}/*/GET/pets/?"))]),              Allowed),
            (json!([allow(&format!("{start}/*/POST/*"))]),                  NotAllowed),
            (json!([allow(&format!("{start}/prod/GET/pets"))]),             NotAllowed),
            (json!([statement("Allow", json!(["x", "*"]))]),                Allowed),
            (json!([allow("*"), deny(ARN)]),                                Denied),
            (json!([deny("*/POST/*"), allow("*")]),                         Allowed),
            (json!([]),                                                     NotAllowed),
            (json!([{ "Effect": "Allow", "Action": "*", "Resource": "*" }]), Allowed),
            (json!([{ "Effect": "Allow", "Action": ["EXECUTE-API:inv*"], "Resource": "*" }]), Allowed),
            (json!([{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }]), NotAllowed),
            (json!([{ "Effect": "Allow", "NotAction": "s3:*", "Resource": "*" }]), Allowed),
            (json!([{ "Effect": "Allow", "Action": "*", "NotResource": ARN }]), NotAllowed),
        ];
        for (statements, expected) in rows {
            let document = json!({ "Version": "2012-10-17", "Statement": statements });
            assert_eq!(ask(&document, Kind::OfIdentity), expected, "{document}");
        }
    }

    #[test]
    fn conditions() {
        use Verdict::{Allowed, Denied, NotAllowed};
        let condition =
            |operator: &str, key: &str, value: Value| json!({ operator: { key: value } });
        #[rustfmt::skip]
        let rows = [
            ("Allow", condition("IpAddress", "aws:SourceIp", json!("10.0.0.0/8")),           Allowed),
            ("Allow", condition("IpAddress", "AWS:sourceip", json!(["1.1.1.1", "10.1.2.3"])), Allowed),
            ("Allow", condition("IpAddress", "aws:SourceIp", json!("11.0.0.0/8")),           NotAllowed),
            ("Allow", condition("IpAddress", "aws:SourceIp", json!("::/0")),                 NotAllowed),
            ("Allow", condition("IpAddress", "aws:SourceIp", json!("0.0.0.0/0")),            Allowed),
            ("Deny",  condition("NotIpAddress", "aws:SourceIp", json!("10.0.0.0/8")),        NotAllowed),
            ("Deny",  condition("NotIpAddress", "aws:SourceIp", json!("11.0.0.0/8")),        Denied),
            ("Deny",  condition("IpAddress", "aws:SourceIp", json!("10.0.0.0/x")),           Denied),
            ("Allow", condition("IpAddress", "aws:SourceIp", json!("10.0.0.0/x")),           NotAllowed),
            ("Allow", condition("IpAddress", "aws:SourceIp", json!(["x", "10.0.0.0/8"])),    Allowed),
            ("Allow", condition("StringLike", "aws:UserAgent", json!("curl/*")),             Allowed),
            ("Allow", condition("StringEquals", "aws:SourceVpc", json!("vpc-1")),            NotAllowed),
            ("Allow", condition("DateLessThan", "aws:CurrentTime", json!("2030-01-01")),     NotAllowed),
            ("Deny",  condition("DateLessThan", "aws:CurrentTime", json!("2030-01-01")),     Denied),
        ];
        for (effect, condition, expected) in rows {
            let mut one = statement(effect, json!("*"));
            one["Condition"] = condition;
            let document = json!({ "Statement": one });
            assert_eq!(ask(&document, Kind::OfIdentity), expected, "{document}");
        }
    }

    #[test]
    fn the_policy_of_an_api_says_whom_it_is_about() {
        use Verdict::{Allowed, NotAllowed};
        #[rustfmt::skip]
        let rows = [
            (json!("*"),                       Allowed),
            (json!({ "AWS": "*" }),            Allowed),
            (json!({ "AWS": "000000000000" }), NotAllowed),
        ];
        for (principal, expected) in rows {
            let mut one = statement("Allow", json!("*"));
            one["Principal"] = principal;
            assert_eq!(ask(&json!({ "Statement": [one] }), Kind::OfResource), expected);
        }
        let without = json!({ "Statement": statement("Allow", json!("*")) });
        assert!(Policy::read(&without, Kind::OfResource).is_err());
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        #[rustfmt::skip]
        let rows = [
            json!(null), json!([]), json!({}), json!({ "Statement": "x" }), json!({ "Statement": [1] }),
            json!({ "Statement": [{ "Effect": "allow", "Action": "*", "Resource": "*" }] }),
            json!({ "Statement": [{ "Effect": "Allow", "Resource": "*" }] }),
            json!({ "Statement": [{ "Effect": "Allow", "Action": "*" }] }),
            json!({ "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": 1 }] }),
        ];
        for document in rows {
            assert!(Policy::read(&document, Kind::OfIdentity).is_err(), "{document}");
        }
    }

    proptest! {
        #[test]
        fn no_range_panics(range in ".{0,40}", bits in any::<u128>()) {
            let _ = is_within(&range, IpAddr::from(bits.to_be_bytes()));
        }
    }
}
