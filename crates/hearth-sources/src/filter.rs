//! Which records a mapping wants: the match of its `FilterCriteria`. Pure.
//!
//! What a pattern may be is said, and checked, by `hearth-control` (`mapping/filter.rs`). What it
//! means is said here. A record gets through if any of the patterns matches it, or if there are
//! none.
//!
//! | In the pattern | The record has, in that place |
//! |---|---|
//! | an object | an object, or a list with one, that matches |
//! | a list | a value that one of its items matches; or none, and an item is `{"exists": false}` |
//! | a text, a number, `true`, `false`, `null` | just that; **a number as it is written** |
//! | `{"numeric": […]}` | a number in the range |
//! | `{"anything-but": …}` | something else |
//!
//! AWS compares numbers by their text outside `numeric`: 300, 300.0 and 3.0e2 are three. And it keeps
//! back plain text if a pattern is for parts of it, whatever the pattern says about them.
//!
//! # Promises
//!
//! 1. Whatever the record is, the answer comes in time proportional to record and patterns.
//!
//! # Deliberately absent
//!
//! What becomes of records that do not match: a queue's are deleted, others are passed over.

use crate::json::Json;

/// The patterns of a mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(Vec<Json>);

/// A pattern that cannot be read. The control plane lets none of these through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the pattern of a filter")]
pub struct FilterError(String);

impl Filters {
    /// Reads patterns.
    ///
    /// # Errors
    ///
    /// If one of them is not JSON.
    pub fn parse(patterns: &[String]) -> Result<Self, FilterError> {
        let read = |text: &String| Json::read(text).ok_or_else(|| FilterError(text.clone()));
        patterns.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are none, so that every record gets through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a record gets through: as the function would see it, but with its data as
    /// [`Json::of_data`] has it.
    #[must_use]
    pub fn admit(&self, record: &Json) -> bool {
        self.is_empty() || self.0.iter().any(|pattern| matches_record(pattern, record))
    }
}

/// Where in a record fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// They are its own: one of them is its data.
    Record,
    /// They are below.
    Part,
}

fn matches_record(pattern: &Json, record: &Json) -> bool {
    matches!(pattern, Json::Object(fields) if matches_object(fields, Some(record), Level::Record))
}

/// Whether what is in a place, if anything is, matches a pattern.
fn matches(pattern: &Json, found: Option<&Json>) -> bool {
    match pattern {
        Json::Object(fields) => match found {
            // A list of objects stands for each of them, and one without for nothing.
            Some(Json::List(items)) if items.iter().any(|item| matches!(item, Json::Object(_))) => {
                items.iter().any(|item| matches(pattern, Some(item)))
            }
            other => matches_object(fields, other, Level::Part),
        },
        Json::List(wanted) => wanted.iter().any(|one| leaf_matches(one, found)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => false,
    }
}

/// Every field has to match. What is not an object has no fields, of which some may be wanted not
/// to be there.
fn matches_object(fields: &[(String, Json)], found: Option<&Json>, level: Level) -> bool {
    let is_chosen = |choice: &Json| match choice {
        Json::Object(fields) => matches_object(fields, found, level),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => false,
    };
    fields.iter().all(|(name, pattern)| {
        let part = found.and_then(|found| found.field(name));
        match (name.as_str(), pattern) {
            ("$or", Json::List(choices))
                if choices.iter().all(|one| matches!(one, Json::Object(_))) =>
            {
                choices.iter().any(is_chosen)
            }
            // Plain text has no parts, not even such as are wanted not to be there.
            (_, Json::Object(_))
                if level == Level::Record && matches!(part, Some(Json::Text(_))) =>
            {
                false
            }
            _ => matches(pattern, part),
        }
    })
}

/// Whether one of the values in a place is the wanted one.
fn leaf_matches(wanted: &Json, found: Option<&Json>) -> bool {
    if let Some(Json::Bool(is_wanted)) = wanted.field("exists") {
        return found.is_some_and(has_value) == *is_wanted;
    }
    found.is_some_and(|found| any_value(found, &|value| value_matches(wanted, value)))
}

/// AWS: only leaves exist.
fn has_value(found: &Json) -> bool {
    any_value(found, &|_| true)
}

fn any_value(found: &Json, is_wanted: &impl Fn(&Json) -> bool) -> bool {
    match found {
        Json::Object(_) => false,
        Json::List(items) => items.iter().any(|item| any_value(item, is_wanted)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => is_wanted(found),
    }
}

fn value_matches(wanted: &Json, value: &Json) -> bool {
    match wanted {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => wanted == value,
        Json::List(_) => false,
        Json::Object(fields) => match fields.as_slice() {
            [(operator, operand)] => compares(operator, operand, value),
            _ => false,
        },
    }
}

fn compares(operator: &str, operand: &Json, value: &Json) -> bool {
    let texts = match (operand, value) {
        (Json::Text(operand), Json::Text(value)) => Some((operand.as_str(), value.as_str())),
        _ => None,
    };
    match operator {
        "prefix" => texts.is_some_and(|(prefix, value)| value.starts_with(prefix)),
        "suffix" => texts.is_some_and(|(suffix, value)| value.ends_with(suffix)),
        "equals-ignore-case" => {
            texts.is_some_and(|(wanted, value)| value.to_lowercase() == wanted.to_lowercase())
        }
        "anything-but" => match operand {
            Json::List(excluded) => !excluded.contains(value),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
                operand != value
            }
        },
        "numeric" => match operand {
            Json::List(terms) => in_range(terms, value),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => false,
        },
        _ => false,
    }
}

fn in_range(terms: &[Json], value: &Json) -> bool {
    let Some(value) = number(value) else { return false };
    terms.chunks_exact(2).all(|term| match term {
        [Json::Text(operator), limit] => {
            number(limit).is_some_and(|limit| match operator.as_str() {
                // Both come from the same reader, so what is written alike is alike.
                "=" => value.total_cmp(&limit).is_eq(),
                "<" => value < limit,
                "<=" => value <= limit,
                ">" => value > limit,
                ">=" => value >= limit,
                _ => false,
            })
        }
        _ => false,
    })
}

/// The number, with one zero.
fn number(value: &Json) -> Option<f64> {
    match value {
        Json::Number(text) => text.parse::<f64>().ok().map(|number| number + 0.0),
        Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admits(pattern: &str, record: &str) -> bool {
        let filters = Filters::parse(&[pattern.to_owned()]).unwrap();
        filters.admit(&Json::read(record).unwrap())
    }

    #[test]
    fn each_form_of_a_pattern() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"a": ["x"]}"#,                                     r#"{"a": "x"}"#,                  true),
            (r#"{"a": ["x"]}"#,                                     r#"{"a": "y"}"#,                  false),
            (r#"{"a": ["x"]}"#,                                     r#"{"b": "x"}"#,                  false),
            (r#"{"a": ["x", "y"]}"#,                                r#"{"a": "y"}"#,                  true),
            (r#"{"a": [""]}"#,                                      r#"{"a": ""}"#,                   true),
            (r#"{"a": [null]}"#,                                    r#"{"a": null}"#,                 true),
            (r#"{"a": [null]}"#,                                    r#"{}"#,                          false),
            (r#"{"a": [true]}"#,                                    r#"{"a": true}"#,                 true),
            (r#"{"a": [true]}"#,                                    r#"{"a": "true"}"#,               false),
            (r#"{"a": ["x"], "b": ["y"]}"#,                         r#"{"a": "x", "b": "y"}"#,        true),
            (r#"{"a": ["x"], "b": ["y"]}"#,                         r#"{"a": "x", "b": "z"}"#,        false),
            (r#"{"a": {"b": ["x"]}}"#,                              r#"{"a": {"b": "x"}}"#,           true),
            (r#"{"a": {"b": ["x"]}}"#,                              r#"{"a": "x"}"#,                  false),
            // Numbers are texts.
            (r#"{"a": [300]}"#,                                     r#"{"a": 300}"#,                  true),
            (r#"{"a": [300]}"#,                                     r#"{"a": 300.0}"#,                false),
            (r#"{"a": [300]}"#,                                     r#"{"a": 3.0e2}"#,                false),
            (r#"{"a": [300]}"#,                                     r#"{"a": "300"}"#,                false),
            // And numbers in ranges.
            (r#"{"a": [{"numeric": ["=", 300]}]}"#,                 r#"{"a": 3.0e2}"#,                true),
            (r#"{"a": [{"numeric": ["=", 0]}]}"#,                   r#"{"a": -0.0}"#,                 true),
            (r#"{"a": [{"numeric": [">", 10, "<=", 20]}]}"#,        r#"{"a": 20}"#,                   true),
            (r#"{"a": [{"numeric": [">", 10, "<=", 20]}]}"#,        r#"{"a": 10}"#,                   false),
            (r#"{"a": [{"numeric": ["<", 10]}]}"#,                  r#"{"a": "5"}"#,                  false),
            (r#"{"a": [{"numeric": ["<", 10]}]}"#,                  r#"{}"#,                          false),
            // Texts.
            (r#"{"a": [{"prefix": "ab"}]}"#,                        r#"{"a": "abc"}"#,                true),
            (r#"{"a": [{"prefix": "ab"}]}"#,                        r#"{"a": "bab"}"#,                false),
            (r#"{"a": [{"suffix": "bc"}]}"#,                        r#"{"a": "abc"}"#,                true),
            (r#"{"a": [{"equals-ignore-case": "aBc"}]}"#,           r#"{"a": "AbC"}"#,                true),
            (r#"{"a": [{"anything-but": "x"}]}"#,                   r#"{"a": "y"}"#,                  true),
            (r#"{"a": [{"anything-but": "x"}]}"#,                   r#"{"a": "x"}"#,                  false),
            (r#"{"a": [{"anything-but": ["x", "y"]}]}"#,            r#"{"a": "y"}"#,                  false),
            (r#"{"a": [{"anything-but": [1, 2]}]}"#,                r#"{"a": 1.0}"#,                  true),
            (r#"{"a": [{"anything-but": "x"}]}"#,                   r#"{}"#,                          false),
            // Being there.
            (r#"{"a": [{"exists": true}]}"#,                        r#"{"a": null}"#,                 true),
            (r#"{"a": [{"exists": true}]}"#,                        r#"{"a": {"b": 1}}"#,             false),
            (r#"{"a": [{"exists": false}]}"#,                       r#"{"a": {"b": 1}}"#,             true),
            (r#"{"a": [{"exists": false}]}"#,                       r#"{"b": 1}"#,                    true),
            (r#"{"a": [{"exists": false}]}"#,                       r#"{"a": 1}"#,                    false),
            (r#"{"a": {"b": [{"exists": false}]}}"#,                r#"{}"#,                          true),
            (r#"{"a": ["x", {"exists": false}]}"#,                  r#"{}"#,                          true),
            // Lists.
            (r#"{"a": ["x"]}"#,                                     r#"{"a": ["w", "x"]}"#,           true),
            (r#"{"a": ["x"]}"#,                                     r#"{"a": []}"#,                   false),
            (r#"{"a": {"b": ["x"]}}"#,                              r#"{"a": [{"b": 1}, {"b": "x"}]}"#, true),
            (r#"{"a": {"b": [{"exists": false}]}}"#,                r#"{"a": [{"b": 1}]}"#,           false),
            (r#"{"a": {"b": [{"exists": false}]}}"#,                r#"{"a": [1]}"#,                  true),
            // Choices.
            (r#"{"$or": [{"a": ["x"]}, {"b": ["y"]}]}"#,            r#"{"b": "y"}"#,                  true),
            (r#"{"$or": [{"a": ["x"]}, {"b": ["y"]}]}"#,            r#"{"a": "y"}"#,                  false),
            (r#"{"c": ["z"], "$or": [{"a": ["x"]}, {"b": ["y"]}]}"#, r#"{"a": "x"}"#,                 false),
            (r#"{"$or": ["x"]}"#,                                   r#"{"$or": "x"}"#,                true),
        ];
        for (pattern, record, expected) in rows {
            assert_eq!(admits(pattern, record), expected, "{pattern} on {record}");
        }
    }

    #[test]
    fn text_and_json_do_not_match_each_other() {
        let record = |body: &str| Json::Object(vec![("body".to_owned(), Json::of_data(body))]);
        let check = |pattern: &str, body: &str| {
            Filters::parse(&[pattern.to_owned()]).unwrap().admit(&record(body))
        };
        #[rustfmt::skip]
        let rows = [
            (r#"{"body": ["hello"]}"#,          "hello",           true),
            (r#"{"body": ["hello"]}"#,          r#"{"a": "hello"}"#, false),
            (r#"{"body": ["hello"]}"#,          r#"["hello"]"#,    false),
            (r#"{"body": {"a": ["hello"]}}"#,   "hello",           false),
            (r#"{"body": {"a": ["hello"]}}"#,   r#"{"a": "hello"}"#, true),
            (r#"{"body": ["17"]}"#,             "17",              true),
            // Also what is wanted not to be there is not looked for in text.
            (r#"{"body": {"a": [{"exists": false}]}}"#, "hello",    false),
            (r#"{"body": {"a": [{"exists": false}]}}"#, r#"{"b": 1}"#, true),
            (r#"{"$or": [{"body": {"a": [{"exists": false}]}}, {"b": ["x"]}]}"#, "hello", false),
            (r#"{"body": {"$or": [{"a": [{"exists": false}]}, {"b": ["x"]}]}}"#, "hello", false),
        ];
        for (pattern, body, expected) in rows {
            assert_eq!(check(pattern, body), expected, "{pattern} on {body}");
        }
    }

    #[test]
    fn numbers_of_tables_are_texts_and_images_have_no_value_of_their_own() {
        let record = r#"{"eventName": "MODIFY", "dynamodb": {
            "Keys": {"id": {"S": "a"}}, "NewImage": {"id": {"S": "a"}, "n": {"N": "10"}} }}"#;
        #[rustfmt::skip]
        let rows = [
            (r#"{"eventName": ["INSERT", "MODIFY"]}"#,                                true),
            (r#"{"dynamodb": {"Keys": {"id": {"S": [{"prefix": "a"}]}}}}"#,           true),
            (r#"{"dynamodb": {"NewImage": {"n": {"N": ["10"]}}}}"#,                   true),
            (r#"{"dynamodb": {"NewImage": {"n": {"N": [10]}}}}"#,                     false),
            (r#"{"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 5]}]}}}}"#,  false),
            (r#"{"dynamodb": {"NewImage": [{"exists": true}]}}"#,                     false),
            (r#"{"dynamodb": {"NewImage": {"n": {"N": [{"exists": true}]}}}}"#,       true),
            (r#"{"dynamodb": {"OldImage": {"n": {"N": [{"exists": false}]}}}}"#,      true),
        ];
        for (pattern, expected) in rows {
            assert_eq!(admits(pattern, record), expected, "{pattern}");
        }
    }

    #[test]
    fn any_pattern_is_enough_and_none_lets_everything_through() {
        let patterns = [r#"{"a": ["x"]}"#.to_owned(), r#"{"b": ["y"]}"#.to_owned()];
        let filters = Filters::parse(&patterns).unwrap();
        assert!(filters.admit(&Json::read(r#"{"b": "y"}"#).unwrap()));
        assert!(!filters.admit(&Json::read(r#"{"b": "x"}"#).unwrap()));
        assert!(Filters::default().admit(&Json::Null));
        assert!(Filters::parse(&["{".to_owned()]).is_err());
    }

    proptest! {
        #[test]
        fn a_value_matches_itself_and_nothing_else_does(one in "[a-c]{0,2}", other in "[a-c]{0,2}") {
            let pattern = serde_json::json!({ "a": { "b": [one] } }).to_string();
            let record = serde_json::json!({ "a": { "b": other } }).to_string();
            prop_assert_eq!(admits(&pattern, &record), one == other);
        }

        #[test]
        fn being_there_and_not_are_opposites(record in r#"(\{"a": ?(1|null|\[\]|\{\}|"x")\}|\{\})"#) {
            let there = admits(r#"{"a": [{"exists": true}]}"#, &record);
            prop_assert_ne!(there, admits(r#"{"a": [{"exists": false}]}"#, &record));
        }
    }
}
