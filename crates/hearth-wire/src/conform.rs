//! Whether a JSON value has the types that its shape asks for.
//!
//! [`conform`] answers a value that holds only what the model knows: unknown members and members
//! that are `null` are gone, a number with a fraction has lost it where the model wants a whole
//! one, and timestamps are numbers. A `null` inside a list or a map stays, because it breaks a
//! constraint and not a type; [`crate::validate`] says so.

use std::fmt;

use serde_json::{Map, Value};

use crate::shape::{Kind, Shape, push_camel};
use crate::{blob, timestamp};

/// A value that has another type than its member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeMismatch {
    /// Where it is, as constraint violations write it.
    pub path: String,
    /// The type that the model asks for, by its Java name: `Integer`, `List`.
    pub expected: &'static str,
    /// What is there instead, by the name of its JSON token: `STRING_VALUE`, `START_ARRAY`.
    pub found: &'static str,
}

/// The text with which AWS answers, which does not say where the value is.
impl fmt::Display for TypeMismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.expected, self.found) {
            ("List", _) => formatter.write_str("Expected list or null"),
            ("Map" | "Structure", _) => formatter.write_str("Expected null"),
            (_, "START_ARRAY") => formatter.write_str("Start of list found where not expected"),
            (_, "START_OBJECT") => {
                formatter.write_str("Start of structure or map found where not expected.")
            }
            (expected, found) => {
                let article = if expected == "Integer" { "an" } else { "a" };
                write!(formatter, "{found} can not be converted to {article} {expected}")
            }
        }
    }
}

impl std::error::Error for TypeMismatch {}

impl TypeMismatch {
    fn of(shape: &Shape, value: &Value) -> Self {
        Self { path: String::new(), expected: expected(&shape.kind), found: token(value) }
    }

    /// The same mismatch, seen from the list or the map around it.
    fn below(self, step: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{step}{separator}{}", self.path), ..self }
    }

    /// The same mismatch, seen from the structure around it.
    pub(crate) fn below_member(self, name: &str) -> Self {
        let mut camel = String::with_capacity(name.len());
        push_camel(&mut camel, name);
        self.below(&camel)
    }
}

/// Brings a value into the form that its shape asks for.
pub fn conform(shape: &Shape, value: Value) -> Result<Value, TypeMismatch> {
    match (&shape.kind, value) {
        (Kind::String { .. }, Value::String(text)) => Ok(Value::String(text)),
        (Kind::Boolean, Value::Bool(value)) => Ok(Value::Bool(value)),
        (Kind::Blob(_), Value::String(text)) if blob::decode(&text).is_some() => {
            Ok(Value::String(text))
        }
        (Kind::Double { .. }, Value::Number(number)) => Ok(Value::Number(number)),
        (Kind::Integer(_) | Kind::Long(_), value @ Value::Number(_)) => {
            whole(&shape.kind, &value).ok_or_else(|| TypeMismatch::of(shape, &value))
        }
        (Kind::Timestamp, Value::Number(number)) => Ok(Value::Number(number)),
        (Kind::Timestamp, value @ Value::String(_)) => value
            .as_str()
            .and_then(timestamp::parse)
            .map(Value::from)
            .ok_or_else(|| TypeMismatch::of(shape, &value)),
        (Kind::List { member, .. }, Value::Array(elements)) => list(member, elements),
        (Kind::Map { value, .. }, Value::Object(entries)) => map(value, entries),
        (Kind::Structure(_), Value::Object(members)) => structure(shape, members),
        (_, value) => Err(TypeMismatch::of(shape, &value)),
    }
}

/// Reads a value from text that is not JSON: a path, a query string or a header.
pub(crate) fn from_text(shape: &Shape, text: &str) -> Result<Value, TypeMismatch> {
    let value = match &shape.kind {
        Kind::String { .. } | Kind::Blob(_) => Some(Value::from(text)),
        Kind::Integer(_) => text.parse::<i32>().ok().map(Value::from),
        Kind::Long(_) => text.parse::<i64>().ok().map(Value::from),
        Kind::Double { .. } => text.parse::<f64>().ok().map(Value::from),
        Kind::Boolean => text.parse::<bool>().ok().map(Value::from),
        Kind::Timestamp => timestamp::parse(text).map(Value::from),
        Kind::List { .. } | Kind::Map { .. } | Kind::Structure(_) => None,
    };
    value.ok_or_else(|| TypeMismatch::of(shape, &Value::String(String::new())))
}

fn list(member: &Shape, elements: Vec<Value>) -> Result<Value, TypeMismatch> {
    let conformed = elements.into_iter().enumerate().map(|(index, element)| {
        if element.is_null() {
            return Ok(Value::Null);
        }
        conform(member, element)
            .map_err(|mismatch| mismatch.below("member").below(&(index + 1).to_string()))
    });
    conformed.collect::<Result<Vec<_>, _>>().map(Value::Array)
}

fn map(value_shape: &Shape, entries: Map<String, Value>) -> Result<Value, TypeMismatch> {
    let mut conformed = Map::new();
    for (key, value) in entries {
        let value = if value.is_null() {
            Value::Null
        } else {
            conform(value_shape, value).map_err(|mismatch| mismatch.below(&key))?
        };
        conformed.insert(key, value);
    }
    Ok(Value::Object(conformed))
}

fn structure(shape: &Shape, mut members: Map<String, Value>) -> Result<Value, TypeMismatch> {
    let mut conformed = Map::new();
    for member in shape.members() {
        let Some(value) = members.remove(member.name).filter(|value| !value.is_null()) else {
            continue;
        };
        let value =
            conform(member.shape, value).map_err(|mismatch| mismatch.below_member(member.name))?;
        conformed.insert(member.name.to_owned(), value);
    }
    Ok(Value::Object(conformed))
}

/// A number without its fraction, if it fits. AWS drops fractions as well.
fn whole(kind: &Kind, value: &Value) -> Option<Value> {
    let number = match (value.as_i64(), value.as_f64()) {
        (Some(number), _) => number,
        (None, Some(number)) => truncated(number)?,
        (None, None) => return None,
    };
    let fits = !matches!(kind, Kind::Integer(_)) || i32::try_from(number).is_ok();
    fits.then(|| Value::from(number))
}

fn truncated(number: f64) -> Option<i64> {
    // Whole numbers up to 2^53 are exact; anything larger was not meant as a whole number.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number.abs() > EXACT_MAX {
        return None;
    }
    format!("{:.0}", number.trunc()).parse().ok()
}

fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::String { .. } => "String",
        Kind::Integer(_) => "Integer",
        Kind::Long(_) => "Long",
        Kind::Double { .. } => "Double",
        Kind::Boolean => "Boolean",
        Kind::Blob(_) => "Blob",
        Kind::Timestamp => "Timestamp",
        Kind::List { .. } => "List",
        Kind::Map { .. } => "Map",
        Kind::Structure(_) => "Structure",
    }
}

fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lambda::Operation;

    fn create(body: Value) -> Result<Value, TypeMismatch> {
        conform(Operation::CreateFunction.description().input, body)
    }

    #[test]
    fn only_what_the_model_knows_is_kept() {
        let value = create(json!({
            "FunctionName": "f", "Unknown": 1, "Description": null, "Timeout": 3.0,
            "Environment": {"Variables": {"A1": "x", "B1": null}}, "Layers": [null],
        }));
        let expected = json!({
            "FunctionName": "f", "Timeout": 3,
            "Environment": {"Variables": {"A1": "x", "B1": null}}, "Layers": [null],
        });
        assert_eq!(value, Ok(expected));
    }

    #[test]
    fn another_type_is_named_with_its_place() {
        #[rustfmt::skip]
        let rows = [
            (json!({"Timeout": "3"}),                       "timeout",                 "STRING_VALUE can not be converted to an Integer"),
            (json!({"Timeout": 5_000_000_000_i64}),         "timeout",                 "NUMBER_VALUE can not be converted to an Integer"),
            (json!({"FunctionName": 1}),                    "functionName",            "NUMBER_VALUE can not be converted to a String"),
            (json!({"Publish": "true"}),                    "publish",                 "STRING_VALUE can not be converted to a Boolean"),
            (json!({"Code": {"ZipFile": "%"}}),             "code.zipFile",            "STRING_VALUE can not be converted to a Blob"),
            (json!({"Description": {}}),                    "description",             "Start of structure or map found where not expected."),
            (json!({"Layers": "x"}),                        "layers",                  "Expected list or null"),
            (json!({"Layers": ["x", true]}),                "layers.2.member",         "TRUE_VALUE can not be converted to a String"),
            (json!({"VpcConfig": []}),                      "vpcConfig",               "Expected null"),
        ];
        for (body, path, text) in rows {
            let mismatch = create(body.clone()).expect_err("the type is wrong");
            assert_eq!((mismatch.path.as_str(), mismatch.to_string().as_str()), (path, text));
        }
    }
}
