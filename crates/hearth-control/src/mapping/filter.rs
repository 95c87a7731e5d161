//! Whether a text is the pattern of a filter.
//!
//! A pattern is a JSON object that has the shape of the records that it lets through. Its leaves
//! are arrays of what the record may have in that place:
//!
//! | In the array | The record has |
//! |---|---|
//! | a string, a number, `true`, `false`, `null` | just that |
//! | `{"exists": true}` | anything, or nothing if `false` |
//! | `{"prefix": "a"}`, `{"suffix": "a"}`, `{"equals-ignore-case": "a"}` | such a string |
//! | `{"anything-but": "a"}`, `{"anything-but": ["a", "b"]}` | something else |
//! | `{"numeric": [">", 1, "<=", 5]}` | a number in that range |
//!
//! `"$or"` with two or more objects asks for any of them.
//!
//! # Deliberately absent
//!
//! Wildcards and what else EventBridge has: AWS's event source mappings do not have it either. And
//! matching, which is the pollers' business.

use serde_json::{Map, Value};

/// AWS: numbers of patterns are between minus and plus five billion.
const NUMBER_MAX: f64 = 5.0e9;

/// Whether it is one.
pub(super) fn is_pattern(text: &str) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return false };
    is_object(&fields)
}

/// Whether a pattern wants text where a source has its data, and not parts of it.
pub(super) fn wants_text(text: &str, data: &str) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return false };
    has_text(&fields, data)
}

fn has_text(fields: &Map<String, Value>, data: &str) -> bool {
    fields.iter().any(|(name, value)| match value {
        Value::Array(values) if name == data => !values.iter().all(is_about_existence),
        Value::Array(values) if name == "$or" => {
            values.iter().filter_map(Value::as_object).any(|fields| has_text(fields, data))
        }
        Value::Array(_)
        | Value::Object(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => false,
    })
}

fn is_about_existence(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| fields.contains_key("exists"))
}

fn is_object(fields: &Map<String, Value>) -> bool {
    !fields.is_empty() && fields.iter().all(|(name, value)| is_field(name, value))
}

fn is_field(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(fields) => is_object(fields),
        Value::Array(values) => (name == "$or" && are_alternatives(values)) || is_leaf(values),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn are_alternatives(values: &[Value]) -> bool {
    values.len() >= 2 && values.iter().all(|value| value.as_object().is_some_and(is_object))
}

fn is_leaf(values: &[Value]) -> bool {
    !values.is_empty() && values.iter().all(is_match)
}

fn is_match(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(_) => number(value).is_some(),
        Value::Array(_) => false,
        Value::Object(fields) => {
            let mut fields = fields.iter();
            match (fields.next(), fields.next()) {
                (Some((operator, operand)), None) => is_comparison(operator, operand),
                (None, _) | (Some(_), Some(_)) => false,
            }
        }
    }
}

fn is_comparison(operator: &str, operand: &Value) -> bool {
    match operator {
        "exists" => operand.is_boolean(),
        "prefix" | "suffix" | "equals-ignore-case" => operand.is_string(),
        "anything-but" => operand.as_array().map_or_else(
            || operand.is_string() || number(operand).is_some(),
            |values| are_alike(values),
        ),
        "numeric" => operand.as_array().is_some_and(|terms| is_range(terms)),
        _ => false,
    }
}

/// Only strings or only numbers, and not nothing.
fn are_alike(values: &[Value]) -> bool {
    !values.is_empty()
        && (values.iter().all(Value::is_string)
            || values.iter().all(|value| number(value).is_some()))
}

fn is_range(terms: &[Value]) -> bool {
    let is = |term: &Value, operators: &[&str]| {
        term.as_str().is_some_and(|operator| operators.contains(&operator))
    };
    match terms {
        [operator, limit] => is(operator, &["=", "<", "<=", ">", ">="]) && number(limit).is_some(),
        [above, low, below, high] => {
            let ordered = number(low).zip(number(high)).is_some_and(|(low, high)| low < high);
            is(above, &[">", ">="]) && is(below, &["<", "<="]) && ordered
        }
        _ => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.abs() <= NUMBER_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_form_of_a_pattern() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"body": ["a"]}"#,                                              true),
            (r#"{"body": {"city": ["a", 1, null, true, ""]}}"#,                 true),
            (r#"{"a": [{"exists": false}]}"#,                                   true),
            (r#"{"a": [{"prefix": "x"}, {"suffix": "y"}]}"#,                    true),
            (r#"{"a": [{"equals-ignore-case": "x"}]}"#,                         true),
            (r#"{"a": [{"anything-but": "x"}]}"#,                               true),
            (r#"{"a": [{"anything-but": ["x", "y"]}]}"#,                        true),
            (r#"{"a": [{"anything-but": [1, 2]}]}"#,                            true),
            (r#"{"a": [{"numeric": ["=", 5]}]}"#,                               true),
            (r#"{"a": [{"numeric": [">", 0, "<=", 5]}]}"#,                      true),
            (r#"{"$or": [{"a": ["x"]}, {"b": ["y"]}]}"#,                        true),
            (r#"{"$or": ["x"]}"#,                                               true),
            ("",                                                                false),
            ("text",                                                            false),
            (r#""text""#,                                                       false),
            ("[]",                                                              false),
            ("{}",                                                              false),
            (r#"{"a": ["x"]"#,                                                  false),
            (r#"{"a": "x"}"#,                                                   false),
            (r#"{"a": null}"#,                                                  false),
            (r#"{"a": []}"#,                                                    false),
            (r#"{"a": {}}"#,                                                    false),
            (r#"{"a": [["x"]]}"#,                                               false),
            (r#"{"a": [{}]}"#,                                                  false),
            (r#"{"a": [{"exists": "yes"}]}"#,                                   false),
            (r#"{"a": [{"prefix": 1}]}"#,                                       false),
            (r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,                      false),
            (r#"{"a": [{"wildcard": "x*"}]}"#,                                  false),
            (r#"{"a": [{"anything-but": []}]}"#,                                false),
            (r#"{"a": [{"anything-but": ["x", 1]}]}"#,                          false),
            (r#"{"a": [{"numeric": ["="]}]}"#,                                  false),
            (r#"{"a": [{"numeric": ["!", 5]}]}"#,                               false),
            (r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#,                       false),
            (r#"{"a": [{"numeric": ["<", 5, ">", 1]}]}"#,                       false),
            (r#"{"a": [6000000000]}"#,                                          false),
            (r#"{"$or": [{"a": ["x"]}]}"#,                                      false),
            (r#"{"$or": [{"a": ["x"]}, {"b": "y"}]}"#,                          false),
        ];
        for (text, expected) in rows {
            assert_eq!(is_pattern(text), expected, "{text}");
        }
    }

    #[test]
    fn text_is_wanted_in_the_place_of_the_data_only() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"data": ["a"]}"#,                                              true),
            (r#"{"data": [{"prefix": "a"}]}"#,                                  true),
            (r#"{"$or": [{"partitionKey": ["a"]}, {"data": ["a"]}]}"#,          true),
            (r#"{"data": {"a": ["a"], "data": ["a"]}}"#,                        false),
            (r#"{"data": [{"exists": true}]}"#,                                 false),
            (r#"{"partitionKey": ["a"]}"#,                                      false),
            (r#"{"$or": ["data"]}"#,                                            false),
        ];
        for (text, expected) in rows {
            assert_eq!(wants_text(text, "data"), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            wants_text(&text, "data");
            is_pattern(&text);
        }

        #[test]
        fn strings_below_any_names_are_a_pattern(
            names in prop::collection::vec(".{1,8}", 1..6), values in prop::collection::vec(".*", 1..4)
        ) {
            let leaf = json!(values);
            let pattern = names.iter().fold(leaf, |inner, name| json!({ name.as_str(): inner }));
            prop_assert!(is_pattern(&pattern.to_string()));
        }
    }
}
