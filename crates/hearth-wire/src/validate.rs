//! The constraints of the model, and the texts with which AWS names the broken ones.
//!
//! What the texts are comes from recorded answers:
//!
//! - A member is named by its path: each name begins small, a structure in a list is `N.member`
//!   (counted from 1), a structure in a map is `KEY.member`.
//! - A plain value in a list or a map has no path of its own. The list or the map is named, with
//!   every constraint of its elements: `Member must satisfy constraint: [...]`, `Map keys must
//!   satisfy constraint: [...]`, `Map value must satisfy constraint: [...]`.
//! - A sensitive value is left out: `Value at 'environment.variables' failed ...`.
//!
//! # Deliberately absent
//!
//! Types: a value of the wrong type breaks no constraint here, [`crate::conform`] has refused it.
//! And the rules that AWS checks by hand, such as the list of runtimes that may still be created:
//! an unknown `Runtime` is reported here like any other enumeration, at the path `runtime`, and
//! the caller drops that violation if it answers it in another way.

use std::fmt::{self, Display, Write as _};

use serde_json::Value;

use crate::blob;
use crate::pattern::Pattern;
use crate::shape::{Bounds, Kind, Length, Member, Shape, push_camel};

/// One broken constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where the value is, such as `environment.variables`.
    pub path: String,
    /// The value.
    pub shown: Shown,
    /// What it should have satisfied, such as `Member must not be null`.
    pub constraint: String,
}

/// How a value appears in a violation's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// There is none.
    Null,
    /// It is sensitive.
    Hidden,
    /// As text, the way Java prints it.
    Text(String),
}

impl Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Shown::Null => write!(formatter, "Value null at '{}'", self.path)?,
            Shown::Hidden => write!(formatter, "Value at '{}'", self.path)?,
            Shown::Text(text) => write!(formatter, "Value '{text}' at '{}'", self.path)?,
        }
        write!(formatter, " failed to satisfy constraint: {}", self.constraint)
    }
}

/// Every constraint of `input` that `value`, an object keyed by member names, breaks.
pub fn violations(input: &'static Shape, value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    check_members(input.members(), value, None, &mut found);
    found
}

/// The whole message of a `ValidationException`.
pub fn message(violations: &[Violation]) -> String {
    let noun = if violations.len() == 1 { "error" } else { "errors" };
    let mut text = format!("{} validation {noun} detected: ", violations.len());
    for (index, violation) in violations.iter().enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        push(&mut text, format_args!("{separator}{violation}"));
    }
    text
}

/// The way from the input to a value. It is written out only when something is wrong there.
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Member(&'static str),
    Element(usize),
    Entry(&'a str),
}

impl Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(formatter, "{parent}.")?;
        }
        match self.step {
            Step::Member(name) => {
                let mut camel = String::new();
                push_camel(&mut camel, name);
                formatter.write_str(&camel)
            }
            Step::Element(index) => write!(formatter, "{}.member", index + 1),
            Step::Entry(key) => write!(formatter, "{key}.member"),
        }
    }
}

fn check_members(
    members: &'static [Member],
    value: &Value,
    parent: Option<&Path<'_>>,
    found: &mut Vec<Violation>,
) {
    for member in members {
        let path = Path { parent, step: Step::Member(member.name) };
        match value.get(member.name).filter(|value| !value.is_null()) {
            Some(value) => check(member.shape, value, &path, found),
            // A raw body is not part of the object, so its absence cannot be seen here.
            None if member.required && !member.is_raw_body() => found.push(missing(&path)),
            None => {}
        }
    }
}

fn check(shape: &'static Shape, value: &Value, path: &Path<'_>, found: &mut Vec<Violation>) {
    for rule in rules(shape).iter().filter(|rule| !rule.holds(value)) {
        found.push(Violation {
            path: path.to_string(),
            shown: shown(shape, value),
            constraint: rule.to_string(),
        });
    }
    match (&shape.kind, value) {
        (Kind::Structure(members), _) => check_members(members, value, Some(path), found),
        (Kind::List { member, .. }, Value::Array(elements)) if has_paths(member) => {
            for (index, element) in elements.iter().enumerate() {
                let path = Path { parent: Some(path), step: Step::Element(index) };
                check_or_missing(member, element, &path, found);
            }
        }
        (Kind::Map { value: shape, .. }, Value::Object(entries)) if has_paths(shape) => {
            for (key, entry) in entries {
                let path = Path { parent: Some(path), step: Step::Entry(key) };
                check_or_missing(shape, entry, &path, found);
            }
        }
        _ => {}
    }
}

fn check_or_missing(
    shape: &'static Shape,
    value: &Value,
    path: &Path<'_>,
    found: &mut Vec<Violation>,
) {
    if value.is_null() {
        found.push(missing(path));
    } else {
        check(shape, value, path, found);
    }
}

fn missing(path: &Path<'_>) -> Violation {
    Violation { path: path.to_string(), shown: Shown::Null, constraint: Rule::NotNull.to_string() }
}

/// Whether an element of this shape has a path of its own: only structures do.
fn has_paths(element: &Shape) -> bool {
    matches!(element.kind, Kind::Structure(_))
}

/// One constraint, which prints as AWS words it.
enum Rule {
    LengthMax(usize),
    LengthMin(usize),
    BytesMax(usize),
    BytesMin(usize),
    WholeMax(i64),
    WholeMin(i64),
    DoubleMax(f64),
    DoubleMin(f64),
    Matches(&'static Pattern),
    OneOf(&'static [&'static str]),
    Elements(&'static Shape),
    Keys(&'static Shape),
    Values(&'static Shape),
    NotNull,
}

/// The constraints of a shape itself, in the order in which AWS prints them.
fn rules(shape: &'static Shape) -> Vec<Rule> {
    match &shape.kind {
        Kind::String { length, pattern, enumeration } => {
            let mut rules = length_rules(*length);
            rules.extend(pattern.as_ref().map(Rule::Matches));
            rules.extend((!enumeration.is_empty()).then_some(Rule::OneOf(enumeration)));
            rules
        }
        Kind::Integer(bounds) | Kind::Long(bounds) => whole_rules(*bounds),
        Kind::Double { min, max } => {
            let max = max.map(Rule::DoubleMax);
            max.into_iter().chain(min.map(Rule::DoubleMin)).collect()
        }
        Kind::Blob(length) => {
            let max = length.max.map(Rule::BytesMax);
            max.into_iter().chain(length.min.map(Rule::BytesMin)).collect()
        }
        Kind::List { member, length } => {
            let mut rules = length_rules(*length);
            rules.extend((!has_paths(member)).then_some(Rule::Elements(member)));
            rules
        }
        Kind::Map { key, value, length } => {
            let mut rules = length_rules(*length);
            rules.push(Rule::Keys(key));
            rules.extend((!has_paths(value)).then_some(Rule::Values(value)));
            rules
        }
        Kind::Boolean | Kind::Timestamp | Kind::Structure(_) => Vec::new(),
    }
}

fn length_rules(length: Length) -> Vec<Rule> {
    let max = length.max.map(Rule::LengthMax);
    max.into_iter().chain(length.min.map(Rule::LengthMin)).collect()
}

fn whole_rules(bounds: Bounds) -> Vec<Rule> {
    let max = bounds.max.map(Rule::WholeMax);
    max.into_iter().chain(bounds.min.map(Rule::WholeMin)).collect()
}

impl Rule {
    /// Whether `value` satisfies this constraint. A value of another type does.
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::LengthMax(max) => length(value).is_none_or(|length| length <= *max),
            Self::LengthMin(min) => length(value).is_none_or(|length| length >= *min),
            Self::BytesMax(max) => bytes(value).is_none_or(|bytes| bytes <= *max),
            Self::BytesMin(min) => bytes(value).is_none_or(|bytes| bytes >= *min),
            Self::WholeMax(max) => value.as_i64().is_none_or(|number| number <= *max),
            Self::WholeMin(min) => value.as_i64().is_none_or(|number| number >= *min),
            Self::DoubleMax(max) => value.as_f64().is_none_or(|number| number <= *max),
            Self::DoubleMin(min) => value.as_f64().is_none_or(|number| number >= *min),
            Self::Matches(pattern) => value.as_str().is_none_or(|text| pattern.matches(text)),
            Self::OneOf(allowed) => value.as_str().is_none_or(|text| allowed.contains(&text)),
            Self::Elements(shape) => value.as_array().is_none_or(|elements| {
                let rules = rules(shape);
                elements.iter().all(|element| all_hold(&rules, element))
            }),
            Self::Keys(shape) => value.as_object().is_none_or(|entries| {
                let rules = rules(shape);
                let mut keys = entries.keys().map(|key| Value::from(key.as_str()));
                rules.is_empty() || keys.all(|key| all_hold(&rules, &key))
            }),
            Self::Values(shape) => value.as_object().is_none_or(|entries| {
                let rules = rules(shape);
                entries.values().all(|entry| all_hold(&rules, entry))
            }),
            Self::NotNull => !value.is_null(),
        }
    }
}

fn all_hold(rules: &[Rule], value: &Value) -> bool {
    !value.is_null() && rules.iter().all(|rule| rule.holds(value))
}

/// How long a value is: in characters of a text, or in elements.
fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(elements) => Some(elements.len()),
        Value::Object(entries) => Some(entries.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// How many bytes the base64 of a blob stands for.
fn bytes(value: &Value) -> Option<usize> {
    Some(blob::decode(value.as_str()?)?.len())
}

impl Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LENGTH: &str = "Member must have length";
        const VALUE: &str = "Member must have value";
        match self {
            Self::LengthMax(max) | Self::BytesMax(max) => {
                write!(formatter, "{LENGTH} less than or equal to {max}")
            }
            Self::LengthMin(min) | Self::BytesMin(min) => {
                write!(formatter, "{LENGTH} greater than or equal to {min}")
            }
            Self::WholeMax(max) => write!(formatter, "{VALUE} less than or equal to {max}"),
            Self::WholeMin(min) => write!(formatter, "{VALUE} greater than or equal to {min}"),
            // `{:?}` prints a whole number as Java does, with `.0`.
            Self::DoubleMax(max) => write!(formatter, "{VALUE} less than or equal to {max:?}"),
            Self::DoubleMin(min) => write!(formatter, "{VALUE} greater than or equal to {min:?}"),
            Self::Matches(pattern) => {
                write!(
                    formatter,
                    "Member must satisfy regular expression pattern: {}",
                    pattern.text()
                )
            }
            Self::OneOf(allowed) => {
                write!(formatter, "Member must satisfy enum value set: [{}]", allowed.join(", "))
            }
            Self::Elements(shape) => {
                write!(formatter, "Member must satisfy constraint: [{}]", present(shape))
            }
            // A key of a JSON object cannot be null, so that rule is not in its list.
            Self::Keys(shape) => {
                write!(formatter, "Map keys must satisfy constraint: [{}]", joined(&rules(shape)))
            }
            Self::Values(shape) => {
                write!(formatter, "Map value must satisfy constraint: [{}]", present(shape))
            }
            Self::NotNull => formatter.write_str("Member must not be null"),
        }
    }
}

/// The rules of an element, which also has to be there.
fn present(shape: &'static Shape) -> String {
    let mut rules = rules(shape);
    rules.push(Rule::NotNull);
    joined(&rules)
}

fn joined(rules: &[Rule]) -> String {
    rules.iter().map(Rule::to_string).collect::<Vec<_>>().join(", ")
}

fn shown(shape: &Shape, value: &Value) -> Shown {
    let hidden = shape.sensitive
        || match &shape.kind {
            Kind::List { member, .. } => member.sensitive,
            Kind::Map { key, value, .. } => key.sensitive || value.sensitive,
            Kind::String { .. }
            | Kind::Integer(_)
            | Kind::Long(_)
            | Kind::Double { .. }
            | Kind::Boolean
            | Kind::Blob(_)
            | Kind::Timestamp
            | Kind::Structure(_) => false,
        };
    if hidden {
        return Shown::Hidden;
    }
    let mut text = String::new();
    print(&mut text, shape, value);
    Shown::Text(text)
}

/// Writes a value as Java prints it. Structures have no recorded form; they print like maps.
fn print(text: &mut String, shape: &Shape, value: &Value) {
    match (&shape.kind, value) {
        (Kind::Blob(_), Value::String(base64)) => {
            let bytes = blob::decode(base64).map_or(0, |bytes| bytes.len());
            push(text, format_args!("java.nio.HeapByteBuffer[pos=0 lim={bytes} cap={bytes}]"));
        }
        (_, Value::String(plain)) => text.push_str(plain),
        (Kind::Double { .. }, Value::Number(number)) => {
            push(text, format_args!("{:?}", number.as_f64().unwrap_or_default()));
        }
        (Kind::List { member, .. }, Value::Array(elements)) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                print(text, member, element);
            }
            text.push(']');
        }
        (Kind::Map { value: shape, .. }, Value::Object(entries)) => {
            text.push('{');
            for (index, (key, entry)) in entries.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                push(text, format_args!("{key}="));
                print(text, shape, entry);
            }
            text.push('}');
        }
        (Kind::Structure(members), Value::Object(_)) => print_members(text, members, value),
        (_, value) => push(text, format_args!("{value}")),
    }
}

fn print_members(text: &mut String, members: &[Member], value: &Value) {
    text.push('{');
    let mut separator = "";
    for member in members {
        let Some(value) = value.get(member.name) else { continue };
        text.push_str(separator);
        push_camel(text, member.name);
        text.push('=');
        if matches!(shown(member.shape, value), Shown::Hidden) {
            text.push_str("***");
        } else {
            print(text, member.shape, value);
        }
        separator = ", ";
    }
    text.push('}');
}

fn push(text: &mut String, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a String cannot fail");
}

#[cfg(test)]
mod tests;
