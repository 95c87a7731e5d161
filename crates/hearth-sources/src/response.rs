//! What a function's answer says about single records of a batch (`ReportBatchItemFailures`). Pure.
//!
//! | The answer | The batch |
//! |---|---|
//! | nothing, `null`, `{}`, `{"batchItemFailures": null}` or `[]` | has succeeded |
//! | `{"batchItemFailures": [{"itemIdentifier": "a"}]}`, and there is an `a` | all but `a` have succeeded |
//! | the same, and there is no `a` | has failed |
//! | an identifier that is empty or `null`, or under another name | has failed |
//! | anything else | has failed |
//!
//! One that is named twice has failed once.

use std::collections::HashSet;

use serde_json::Value;

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Every record has succeeded.
    Succeeded,
    /// These have failed, each named once, in the order of the answer; never none.
    Failed(Vec<String>),
    /// It says nothing that can be used, and this is why: every record has failed.
    Unusable(String),
}

impl Report {
    /// Reads an answer to a batch. `is_known` says whether a record of the batch has an identifier.
    #[must_use]
    pub fn read(answer: &[u8], is_known: impl Fn(&str) -> bool) -> Self {
        let identifiers = match identifiers(answer) {
            Ok(identifiers) => identifiers,
            Err(why) => return Self::Unusable(why),
        };
        let mut failed: Vec<String> = Vec::new();
        let mut seen: HashSet<String> = HashSet::new();
        for identifier in identifiers {
            let Value::String(identifier) = identifier else {
                return Self::Unusable(format!("itemIdentifier {identifier} is not a text"));
            };
            if !is_known(&identifier) {
                return Self::Unusable(format!("no record has the itemIdentifier `{identifier}`"));
            }
            if seen.insert(identifier.clone()) {
                failed.push(identifier);
            }
        }
        if failed.is_empty() { Self::Succeeded } else { Self::Failed(failed) }
    }
}

/// The identifiers that an answer names, as they stand there: texts, or of Kafka objects.
///
/// # Errors
///
/// If the answer has another shape, or one of them is empty.
pub fn identifiers(answer: &[u8]) -> Result<Vec<Value>, String> {
    if answer.is_empty() {
        return Ok(Vec::new());
    }
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|error| format!("the answer is no JSON: {error}"))?;
    let mut fields = match answer {
        Value::Null => return Ok(Vec::new()),
        Value::Object(fields) => fields,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err("the answer is no object".to_owned());
        }
    };
    let failures = match fields.remove("batchItemFailures") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(failures)) => failures,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err("batchItemFailures is no list".to_owned());
        }
    };
    failures.into_iter().map(identifier).collect()
}

fn identifier(mut failure: Value) -> Result<Value, String> {
    match failure.get_mut("itemIdentifier").map(Value::take) {
        None => Err("an item of batchItemFailures has no itemIdentifier".to_owned()),
        Some(Value::Null) => Err("an itemIdentifier is null".to_owned()),
        Some(Value::String(text)) if text.is_empty() => {
            Err("an itemIdentifier is empty".to_owned())
        }
        Some(identifier) => Ok(identifier),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(answer: &str) -> Report {
        Report::read(answer.as_bytes(), |one| ["a", "b", "c"].contains(&one))
    }

    #[test]
    fn each_form_of_an_answer() {
        let failed =
            |all: &[&str]| Some(Report::Failed(all.iter().map(|one| (*one).to_owned()).collect()));
        let fine = || Some(Report::Succeeded);
        #[rustfmt::skip]
        let rows = [
            ("",                                                                          fine()),
            ("null",                                                                      fine()),
            ("{}",                                                                        fine()),
            (r#"{"statusCode": 200}"#,                                                    fine()),
            (r#"{"batchItemFailures": null}"#,                                            fine()),
            (r#"{"batchItemFailures": []}"#,                                              fine()),
            (r#"{"batchItemFailures": [{"itemIdentifier": "b"}]}"#,                       failed(&["b"])),
            (r#"{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}"#, failed(&["b"])),
            (r#"{"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "a"}]}"#, failed(&["c", "a"])),
            (r#"{"batchItemFailures": [{"itemIdentifier": "d"}]}"#,                       None),
            (r#"{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "d"}]}"#, None),
            (r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,                        None),
            (r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,                      None),
            (r#"{"batchItemFailures": [{"itemIdentifier": 1}]}"#,                         None),
            (r#"{"batchItemFailures": [{"identifier": "a"}]}"#,                           None),
            (r#"{"batchItemFailures": ["a"]}"#,                                           None),
            (r#"{"batchItemFailures": "a"}"#,                                             None),
            (r#"["a"]"#,                                                                  None),
            (r#""a""#,                                                                    None),
            ("7",                                                                         None),
            ("{",                                                                         None),
        ];
        for (answer, expected) in rows {
            let report = read(answer);
            match expected {
                Some(expected) => assert_eq!(report, expected, "{answer}"),
                None => assert!(matches!(report, Report::Unusable(_)), "{answer}: {report:?}"),
            }
        }
    }

    #[test]
    fn identifiers_of_kafka_are_objects() {
        let answer =
            br#"{"batchItemFailures": [{"itemIdentifier": {"partition": "t-0", "offset": 7}}]}"#;
        assert_eq!(identifiers(answer).unwrap(), [json!({ "partition": "t-0", "offset": 7 })]);
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Report::read(&answer, |_| true);
        }

        #[test]
        fn what_has_failed_is_known_and_named_once(
            named in prop::collection::vec("[a-e]", 0..8), known in "[a-e]{0,5}",
        ) {
            let failures: Vec<Value> =
                named.iter().map(|one| json!({ "itemIdentifier": one })).collect();
            let answer = json!({ "batchItemFailures": failures }).to_string();
            match Report::read(answer.as_bytes(), |one| known.contains(one)) {
                Report::Succeeded => prop_assert!(named.is_empty()),
                Report::Failed(failed) => {
                    prop_assert!(named.iter().all(|one| failed.contains(one)));
                    let distinct: std::collections::BTreeSet<_> = failed.iter().collect();
                    prop_assert_eq!(distinct.len(), failed.len());
                }
                Report::Unusable(_) => {
                    prop_assert!(named.iter().any(|one| !known.contains(one.as_str())));
                }
            }
        }
    }
}
