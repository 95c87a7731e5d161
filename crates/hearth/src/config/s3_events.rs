//! Stores elsewhere that post their events: the table `s3_events`.
//!
//! ```toml
//! [s3_events.minio]
//! token = "…"
//! function = "arn:aws:lambda:us-east-1:000000000000:function:thumbnails"
//! ```
//!
//! As a variable, or after `--set`, it is the same as JSON.

use std::fmt;

use hearth_front::s3_events::{EventSource, EventSources};
use hearth_types::names::FunctionReference;
use serde_json::{Map, Value};

/// The shortest token: one that cannot be guessed by asking.
const TOKEN_BYTES_MIN: usize = 16;

/// The stores, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct S3Events(pub(crate) EventSources);

impl fmt::Display for S3Events {
    /// Tokens are not shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
        formatter.write_str(&names.join(", "))
    }
}

impl S3Events {
    /// Reads JSON. What is said of a mistake never has a token in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let read: Result<Map<String, Value>, _> = serde_json::from_str(text);
        let read = read.map_err(|_odd| "it must be a table with a table for each store")?;
        let mut sources = EventSources::new();
        for (name, source) in read {
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_letter) {
                return Err("the name of a store consists of letters, digits, `-` and `_`".into());
            }
            let source = source_of(&source).map_err(|why| format!("`{name}`: {why}"))?;
            sources.insert(name, source);
        }
        Ok(Self(sources))
    }
}

fn source_of(source: &Value) -> Result<EventSource, String> {
    let source = source.as_object().ok_or("it must be a table")?;
    if let Some(other) = source.keys().find(|key| !["token", "function"].contains(&key.as_str())) {
        return Err(format!("the key `{other}` is not known; there are `token` and `function`"));
    }
    let token = source.get("token").and_then(Value::as_str).unwrap_or_default();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(format!("`token` must be a text of at least {TOKEN_BYTES_MIN} bytes"));
    }
    let functions = match source.get("function") {
        Some(Value::Array(arns)) => arns.iter().map(Value::as_str).collect::<Option<Vec<&str>>>(),
        Some(one) => one.as_str().map(|arn| vec![arn]),
        None => None,
    };
    let functions = functions.filter(|arns| !arns.is_empty() && arns.iter().all(|arn| is_arn(arn)));
    let functions =
        functions.ok_or("`function` must be the ARN of a function, or a list of some")?;
    let functions = functions.into_iter().map(str::to_owned).collect();
    Ok(EventSource { token: token.to_owned(), functions })
}

fn is_arn(text: &str) -> bool {
    FunctionReference::parse(text)
        .is_ok_and(|reference| reference.account.is_some() && reference.region.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
    const TOKEN: &str = "0123456789abcdef";

    #[test]
    fn a_store_has_a_token_and_functions() {
        let text = format!(
            r#"{{"minio":{{"token":"{TOKEN}","function":"{ARN}"}},"b":{{"token":"{TOKEN}","function":["{ARN}","{ARN}:live"]}}}}"#
        );
        let read = S3Events::parse(&text).unwrap();
        assert_eq!(read.to_string(), "b, minio");
        assert_eq!(read.0["minio"].functions, [ARN]);
        assert_eq!(read.0["b"].functions.len(), 2);
        assert_eq!(read.0["b"].token, TOKEN);
        assert_eq!(S3Events::parse("").unwrap(), S3Events::default());
    }

    #[test]
    fn what_cannot_be_is_refused_without_showing_a_token() {
        #[rustfmt::skip]
        let rows = [
            ("x".to_owned(),                                                             "it must be a table"),
            ("[]".to_owned(),                                                            "it must be a table"),
            (r#"{"a/b":{}}"#.to_owned(),                                                 "the name of a store"),
            (r#"{"a":1}"#.to_owned(),                                                    "`a`: it must be a table"),
            (format!(r#"{{"a":{{"token":"{TOKEN}"}}}}"#),                                "`a`: `function` must be"),
            (format!(r#"{{"a":{{"token":"{TOKEN}","function":"f"}}}}"#),                 "`a`: `function` must be"),
            (format!(r#"{{"a":{{"token":"{TOKEN}","function":[]}}}}"#),                  "`a`: `function` must be"),
            (format!(r#"{{"a":{{"token":"short","function":"{ARN}"}}}}"#),               "`a`: `token` must be"),
            (format!(r#"{{"a":{{"token":"{TOKEN}","functions":"{ARN}"}}}}"#),            "`a`: the key `functions` is not known"),
        ];
        for (text, expected) in rows {
            let refusal = S3Events::parse(&text).unwrap_err();
            assert!(refusal.starts_with(expected), "{text}: {refusal}");
            assert!(!refusal.contains(TOKEN) && !refusal.contains("short"), "{refusal}");
        }
    }
}
