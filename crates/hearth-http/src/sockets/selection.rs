//! Route selection expressions: which key of a route a message leads to.
//!
//! An expression is `$request.body.action`, or a text in which such paths stand in braces:
//! `${request.body.service}/${request.body.action}`. A path goes into the objects and lists of a
//! message that is JSON: `request.body.calls[0].name`.
//!
//! # Promises
//!
//! 1. No message panics, and none leads to a route that is not for messages.
//!
//! # Deliberately absent
//!
//! Everything of a message but its body: after the handshake there are no headers.

use serde_json::Value;

/// What the paths of all expressions begin with.
const BODY: &str = "request.body.";

/// An expression, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This text.
    Text(String),
    /// What is there in the body.
    Body(Vec<Step>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// A member of an object.
    Member(String),
    /// An element of a list.
    Element(usize),
}

impl Selection {
    /// Reads an expression; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix('$').and_then(|rest| rest.strip_prefix(BODY)) {
            return Some(Self(vec![Part::Body(steps(path)?)]));
        }
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, behind)) = rest.split_once("${") {
            let (path, after) = behind.split_once('}')?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Body(steps(path.strip_prefix(BODY)?)?));
            rest = after;
        }
        if parts.is_empty() {
            return None;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let is_text = |part: &Part| match part {
            Part::Text(text) => !text.contains(['$', '{', '}']),
            Part::Body(_) => true,
        };
        parts.iter().all(is_text).then_some(Self(parts))
    }

    /// The key that a message leads to; `None` if it leads to none, because it is not JSON, or there
    /// is nothing where the expression looks.
    #[must_use]
    pub fn key(&self, message: &str) -> Option<String> {
        let message: Value = serde_json::from_str(message).ok()?;
        let mut key = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => key.push_str(text),
                Part::Body(steps) => key.push_str(&text(look(&message, steps)?)?),
            }
        }
        // Those that begin so are for connections, or for what is left.
        (!key.is_empty() && !key.starts_with('$')).then_some(key)
    }
}

/// Reads `a.b[0].c`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for segment in path.split('.') {
        let (name, indices) = match segment.find('[') {
            Some(bracket) => segment.split_at(bracket),
            None => (segment, ""),
        };
        if name.is_empty() || name.contains(|one: char| one.is_whitespace() || "${}]".contains(one))
        {
            return None;
        }
        steps.push(Step::Member(name.to_owned()));
        let mut rest = indices;
        while !rest.is_empty() {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(Step::Element(index.parse().ok()?));
            rest = after;
        }
    }
    Some(steps)
}

fn look<'a>(message: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(message, |value, step| match step {
        Step::Member(name) => value.as_object()?.get(name),
        Step::Element(index) => value.as_array()?.get(*index),
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_lead_to_keys() {
        const ACTION: &str = "$request.body.action";
        #[rustfmt::skip]
        let rows = [
            (ACTION,                                 r#"{"action": "send"}"#,             Some("send")),
            ("${request.body.action}",               r#"{"action": "send"}"#,             Some("send")),
            ("$request.body.a.b",                    r#"{"a": {"b": "deep"}}"#,           Some("deep")),
            ("$request.body.a[1].b",                 r#"{"a": [0, {"b": "listed"}]}"#,    Some("listed")),
            ("${request.body.a}/${request.body.b}!", r#"{"a": "one", "b": "two"}"#,       Some("one/two!")),
            ("v${request.body.a}",                   r#"{"a": "1"}"#,                     Some("v1")),
            (ACTION,                                 r#"{"action": 7}"#,                  Some("7")),
            (ACTION,                                 r#"{"action": true}"#,               Some("true")),
            (ACTION,                                 r#"{"action": null}"#,               None),
            (ACTION,                                 r#"{"action": {"a": 1}}"#,           None),
            (ACTION,                                 r#"{"other": "send"}"#,              None),
            (ACTION,                                 r#"{"action": ""}"#,                 None),
            (ACTION,                                 r#"["action"]"#,                     None),
            (ACTION,                                 "not JSON",                          None),
            (ACTION,                                 "",                                  None),
            ("${request.body.a}/${request.body.b}",  r#"{"a": "one"}"#,                   None),
        ];
        for (expression, message, expected) in rows {
            let selection = Selection::parse(expression).expect(expression);
            assert_eq!(selection.key(message).as_deref(), expected, "{expression} {message}");
        }
    }

    #[test]
    fn no_message_is_taken_for_the_beginning_or_the_end_of_a_connection() {
        let selection = Selection::parse("$request.body.action").unwrap();
        for key in ["$connect", "$disconnect", "$default"] {
            assert_eq!(selection.key(&format!("{{\"action\": \"{key}\"}}")), None, "{key}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for text in [
            "",
            "action",
            "$default",
            "$request.body",
            "$request.body.",
            "$request.body.a..b",
            "$request.body.a[",
            "$request.body.a[x]",
            "$request.body.a[0]b",
            "$request.body.a b",
            "$request.header.action",
            "${request.body.a",
            "${request.header.a}",
            "${request.body.a}$",
            "$request.body.${request.body.a}",
        ] {
            assert_eq!(Selection::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_expression_and_no_message_panics(
            expression in "[$]?[{]?(request.body.)?[a-c.\\[\\]0-9${}]{0,12}",
            message in "[{\"a:1}, \\[\\]]{0,24}",
        ) {
            if let Some(selection) = Selection::parse(&expression) {
                let key = selection.key(&message);
                prop_assert!(key.is_none_or(|key| !key.starts_with('$')));
            }
        }

        #[test]
        fn a_value_is_found_however_deep_it_is(
            names in proptest::collection::vec("[a-z]{1,4}", 1..8),
            value in "[a-z]{1,9}",
        ) {
            let path = names.join(".");
            let leaf = Value::from(value.as_str());
            let message = names.iter().rev().fold(leaf, |inner, name| {
                Value::Object([(name.clone(), inner)].into_iter().collect())
            });
            for expression in [format!("$request.body.{path}"), format!("${{request.body.{path}}}")] {
                let selection = Selection::parse(&expression).unwrap();
                prop_assert_eq!(selection.key(&message.to_string()), Some(value.clone()));
            }
        }
    }
}
