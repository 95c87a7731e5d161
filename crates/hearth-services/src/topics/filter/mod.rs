//! Filter policies: which messages a subscription wants.
//!
//! ```text
//!  text ──parse──▶ Filter ──matches──▶ wanted or not
//!                              ▲
//!  attributes, or the body ────┘ as a JSON value
//! ```
//!
//! A policy is an object. All of its keys must be met; a key is met if one of its conditions is. An
//! array in the message meets a condition if one of its elements does, and an array of objects if
//! one of the objects meets all keys below it.
//!
//! # Promises
//!
//! 1. What [`Filter::parse`] has taken is bounded in keys, combinations and depth, so that matching
//!    is bounded by the size of the message.
//! 2. Nothing here panics on a policy or a message.
//!
//! # Deliberately absent
//!
//! Nothing is remembered of a message: the same message has the same answer.

mod parse;
pub(super) mod tokens;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Number, Value};

use super::record::FilterScope;
use crate::delivery::{AttributeValue, MessageAttribute};

/// A filter policy that was checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Filter {
    policy: Policy,
}

/// What an object of a policy says.
#[derive(Debug, Clone, Default, PartialEq)]
struct Policy {
    /// All of these.
    fields: Vec<(String, Field)>,
    /// And of each of these, one.
    alternatives: Vec<Vec<Policy>>,
}

/// What is said of one key.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    /// One of these is met.
    Conditions(Vec<Condition>),
    /// There is an object that is as the policy says.
    Within(Policy),
}

/// What a value can be.
#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Equals(Scalar),
    Text(TextTest),
    AnythingBut(Vec<Excluded>),
    Numeric(Range),
    Address(Network),
    Exists,
    Missing,
}

/// What `anything-but` leaves out.
#[derive(Debug, Clone, PartialEq)]
enum Excluded {
    Scalar(Scalar),
    Text(TextTest),
}

/// A test of a text.
#[derive(Debug, Clone, PartialEq)]
enum TextTest {
    Prefix(String),
    Suffix(String),
    /// In small letters.
    EqualsIgnoringCase(String),
    /// The parts between `*`s, of which there are at least two.
    Wildcard(Vec<String>),
}

/// A text, a number or a word.
#[derive(Debug, Clone, PartialEq)]
enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
    Null,
}

/// Numbers between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    least: Option<(f64, Bound)>,
    greatest: Option<(f64, Bound)>,
}

/// Whether a bound belongs to a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Included,
    Excluded,
}

/// Addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Filter {
    /// Reads a policy.
    ///
    /// # Errors
    ///
    /// What AWS says of it, without `Invalid parameter: FilterPolicy: `.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { policy: parse::policy(text)? })
    }

    /// Whether it has keys within keys, which only bodies have.
    pub(super) fn is_nested(&self) -> bool {
        self.policy.is_nested()
    }

    /// Whether a message is wanted. `None`: it is nothing that a filter could look into.
    pub(super) fn matches(&self, message: Option<&Value>) -> bool {
        message.is_some_and(|message| self.policy.matches(Some(message)))
    }
}

/// What a filter looks at in a message.
pub(super) fn subject(
    scope: FilterScope,
    attributes: &BTreeMap<String, MessageAttribute>,
    body: &str,
) -> Option<Value> {
    match scope {
        FilterScope::MessageAttributes => Some(of_attributes(attributes)),
        FilterScope::MessageBody => {
            serde_json::from_str::<Value>(body).ok().filter(Value::is_object)
        }
    }
}

/// Attributes as an object. Those that are binary, and lists that are not JSON, cannot be filtered
/// by.
fn of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Value {
    let mut found = Map::new();
    for (name, attribute) in attributes {
        let AttributeValue::Text(text) = &attribute.value else { continue };
        let value = if attribute.data_type == "String.Array" {
            serde_json::from_str::<Value>(text).ok().filter(Value::is_array)
        } else if attribute.data_type.starts_with("Number") {
            text.trim().parse().ok().and_then(Number::from_f64).map(Value::Number)
        } else {
            Some(Value::from(text.as_str()))
        };
        if let Some(value) = value {
            found.insert(name.clone(), value);
        }
    }
    Value::Object(found)
}

impl Policy {
    fn is_nested(&self) -> bool {
        self.fields.iter().any(|(_, field)| matches!(field, Field::Within(_)))
            || self.alternatives.iter().flatten().any(Self::is_nested)
    }

    /// How many combinations of values it names. AWS counts a value as often as it is deep.
    fn combinations(&self, depth: u64) -> u64 {
        let fields = self.fields.iter().map(|(_, field)| match field {
            Field::Conditions(conditions) => {
                u64::try_from(conditions.len()).unwrap_or(u64::MAX).saturating_mul(depth)
            }
            Field::Within(policy) => policy.combinations(depth + 1),
        });
        let alternatives = self.alternatives.iter().map(|policies| {
            let each = policies.iter().map(|policy| policy.combinations(depth));
            each.fold(0, u64::saturating_add)
        });
        fields.chain(alternatives).fold(1, u64::saturating_mul)
    }

    /// How many keys have conditions.
    fn keys(&self) -> usize {
        let fields = self.fields.iter().map(|(_, field)| match field {
            Field::Conditions(_) => 1,
            Field::Within(policy) => policy.keys(),
        });
        fields.sum::<usize>() + self.alternatives.iter().flatten().map(Self::keys).sum::<usize>()
    }

    fn matches(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::Array(elements)) if !elements.is_empty() => {
                elements.iter().any(|element| self.matches(Some(element)))
            }
            Some(Value::Object(members)) => self.is_met_by(|name| members.get(name)),
            Some(
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_),
            )
            | None => self.is_met_by(|_name| None),
        }
    }

    fn is_met_by<'a>(&self, member: impl Fn(&str) -> Option<&'a Value> + Copy) -> bool {
        self.fields.iter().all(|(name, field)| field.matches(member(name)))
            && self
                .alternatives
                .iter()
                .all(|policies| policies.iter().any(|policy| policy.is_met_by(member)))
    }
}

impl Field {
    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Conditions(conditions) => {
                let mut values = Vec::new();
                gather(value, &mut values);
                conditions.iter().any(|condition| condition.is_met_by(&values))
            }
            Self::Within(policy) => policy.matches(value),
        }
    }
}

/// What conditions look at: what is no object, also in arrays.
fn gather<'a>(value: Option<&'a Value>, found: &mut Vec<&'a Value>) {
    match value {
        Some(Value::Array(elements)) => {
            for element in elements {
                gather(Some(element), found);
            }
        }
        Some(Value::Object(_)) | None => {}
        Some(scalar) => found.push(scalar),
    }
}

impl Condition {
    fn is_met_by(&self, values: &[&Value]) -> bool {
        let any = |test: &dyn Fn(&Value) -> bool| values.iter().any(|value| test(value));
        match self {
            Self::Exists => !values.is_empty(),
            Self::Missing => values.is_empty(),
            Self::Equals(scalar) => any(&|value| scalar.is(value)),
            Self::Text(test) => any(&|value| value.as_str().is_some_and(|text| test.fits(text))),
            Self::AnythingBut(excluded) => {
                any(&|value| !excluded.iter().any(|one| one.covers(value)))
            }
            Self::Numeric(range) => {
                any(&|value| value.as_f64().is_some_and(|number| range.has(number)))
            }
            Self::Address(network) => any(&|value| {
                let address = value.as_str().and_then(|text| text.parse().ok());
                address.is_some_and(|address| network.has(address))
            }),
        }
    }
}

impl Excluded {
    fn covers(&self, value: &Value) -> bool {
        match self {
            Self::Scalar(scalar) => scalar.is(value),
            Self::Text(test) => value.as_str().is_some_and(|text| test.fits(text)),
        }
    }
}

impl Scalar {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(text), Value::String(found)) => text == found,
            (Self::Number(number), Value::Number(found)) => {
                found.as_f64().is_some_and(|found| are_equal(*number, found))
            }
            (Self::Bool(truth), Value::Bool(found)) => truth == found,
            (Self::Null, Value::Null) => true,
            (Self::Text(_) | Self::Number(_) | Self::Bool(_) | Self::Null, _other) => false,
        }
    }
}

/// AWS: five digits behind the point count.
fn are_equal(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.000_005
}

impl TextTest {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Self::EqualsIgnoringCase(small) => text.to_lowercase() == *small,
            Self::Wildcard(parts) => fits_wildcard(parts, text),
        }
    }
}

/// The parts stand in the text in their order, the first at its beginning and the last at its end.
fn fits_wildcard(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.iter().any(|whole| whole == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        match rest.find(part.as_str()) {
            Some(byte) => rest = &rest[byte + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

impl Range {
    fn has(self, number: f64) -> bool {
        let is_above = self.least.is_none_or(|(bound, kind)| {
            number > bound || (kind == Bound::Included && are_equal(number, bound))
        });
        let is_below = self.greatest.is_none_or(|(bound, kind)| {
            number < bound || (kind == Bound::Included && are_equal(number, bound))
        });
        is_above && is_below
    }
}

impl Network {
    fn has(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}
