//! The AWS JSON 1.1 protocol, which CloudWatch Logs speaks: every request is a POST to `/`, the
//! `X-Amz-Target` header names the operation, and the whole input is the body.

use std::fmt;

use serde_json::{Value, json};

use crate::conform::conform;
use crate::decode::{self, DecodeError};
use crate::rest_json::Answer;
use crate::service::{OperationDescription, Service};

/// The content type of requests and answers.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Why a target names no operation that can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetError {
    /// The service has no operation with this name, or the target is of another service.
    Unknown,
    /// The service has it, and this build does not describe it.
    NotBuilt(&'static str),
}

impl fmt::Display for TargetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("the target names no operation"),
            Self::NotBuilt(name) => write!(formatter, "the operation `{name}` is not built"),
        }
    }
}

impl std::error::Error for TargetError {}

/// Finds the operation of a target such as `Logs_20140328.FilterLogEvents`.
pub fn find(
    service: &'static Service,
    target: &str,
) -> Result<&'static OperationDescription, TargetError> {
    let (prefix, name) = target.split_once('.').ok_or(TargetError::Unknown)?;
    if service.target_prefix != Some(prefix) {
        return Err(TargetError::Unknown);
    }
    if let Some(operation) = service.operation(name) {
        return Ok(operation);
    }
    let not_built = service.not_built.iter().find(|known| **known == name);
    Err(not_built.map_or(TargetError::Unknown, |name| TargetError::NotBuilt(name)))
}

/// Reads the input of an operation.
pub fn input(operation: &OperationDescription, body: &[u8]) -> Result<Value, DecodeError> {
    let members = Value::Object(decode::object(body)?);
    conform(operation.input, members).map_err(DecodeError::TypeMismatch)
}

/// Places an output. `Null` stands for an operation that answers nothing: its body is empty.
pub fn output(value: &Value) -> Answer {
    let body = if value.is_null() { Vec::new() } else { value.to_string().into_bytes() };
    Answer { status: 200, headers: vec![("Content-Type", CONTENT_TYPE.to_owned())], body }
}

/// The body of an error.
pub fn error_body(name: &str, message: &str) -> Value {
    json!({"__type": name, "message": message})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::{Operation, SERVICE};

    #[test]
    fn targets() {
        #[rustfmt::skip]
        let rows = [
            ("Logs_20140328.FilterLogEvents", Ok("FilterLogEvents")),
            ("Logs_20140328.StartQuery",      Err(TargetError::NotBuilt("StartQuery"))),
            ("Logs_20140328.Nothing",         Err(TargetError::Unknown)),
            ("Other_20140328.PutLogEvents",   Err(TargetError::Unknown)),
            ("PutLogEvents",                  Err(TargetError::Unknown)),
            ("",                              Err(TargetError::Unknown)),
        ];
        for (target, expected) in rows {
            assert_eq!(
                find(&SERVICE, target).map(|operation| operation.name),
                expected,
                "{target}"
            );
        }
    }

    #[test]
    fn every_operation_is_reached_by_its_target() {
        for operation in Operation::ALL {
            let target = format!("Logs_20140328.{}", operation.name());
            let found = find(&SERVICE, &target).expect("the target is known");
            assert_eq!(Operation::of(found), operation);
        }
    }

    #[test]
    fn the_body_is_the_input() {
        let operation = Operation::GetLogEvents.description();
        let body = br#"{"logGroupName": "/aws/lambda/f", "limit": 10, "unknown": true}"#;
        let expected = json!({"logGroupName": "/aws/lambda/f", "limit": 10});
        assert_eq!(input(operation, body), Ok(expected));
        assert_eq!(input(operation, b"3"), Err(DecodeError::BodyNotAnObject));
        let wrong = input(operation, br#"{"limit": "10"}"#);
        let Err(DecodeError::TypeMismatch(mismatch)) = &wrong else { panic!("{wrong:?}") };
        assert_eq!(mismatch.path, "limit");
    }

    #[test]
    fn an_output_is_the_body() {
        let answer = output(&json!({"events": []}));
        assert_eq!((answer.status, answer.body.as_slice()), (200, br#"{"events":[]}"#.as_slice()));
        assert!(output(&Value::Null).body.is_empty());
    }
}
