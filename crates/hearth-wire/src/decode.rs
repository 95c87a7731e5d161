//! Why a request could not be read, and the reading of a JSON body that both protocols share.

use std::fmt;

use serde_json::{Map, Value};

use crate::conform::TypeMismatch;

/// Why a request is not an input of its operation.
///
/// These are not constraint violations: the real service answers them before it validates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The body is not JSON at all.
    BodyNotJson {
        /// What the parser says, with line and column.
        reason: String,
    },
    /// The body is not CBOR at all.
    BodyNotCbor {
        /// What is wrong with it.
        reason: String,
    },
    /// The body is one of these, but not an object.
    BodyNotAnObject,
    /// A value has another type than its member. AWS answers `SerializationException`.
    TypeMismatch(TypeMismatch),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BodyNotJson { reason } => write!(formatter, "the body is not JSON: {reason}"),
            Self::BodyNotCbor { reason } => write!(formatter, "the body is not CBOR: {reason}"),
            Self::BodyNotAnObject => formatter.write_str("the body is not an object"),
            Self::TypeMismatch(mismatch) => mismatch.fmt(formatter),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads a body as JSON. No body at all stands for an empty object.
pub(crate) fn json(body: &[u8]) -> Result<Value, DecodeError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body)
        .map_err(|error| DecodeError::BodyNotJson { reason: error.to_string() })
}

/// Reads a body as a JSON object.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    if let Value::Object(members) = json(body)? {
        Ok(members)
    } else {
        Err(DecodeError::BodyNotAnObject)
    }
}
