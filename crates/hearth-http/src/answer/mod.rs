//! What a function's answer means as a response.
//!
//! # Deliberately absent
//!
//! What is said when it means nothing: each kind of site has its own words.

pub mod v1;
pub mod v2;
pub mod streamed;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

/// An answer that is no response. Its text is for the server's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not JSON.
    #[error("the answer is not JSON")]
    NotJson,
    /// It is not an object.
    #[error("the answer is not an object")]
    NotAnObject,
    /// Its status is none.
    #[error("`statusCode` is not the status of a response")]
    Status,
    /// Its headers are no headers.
    #[error("the headers are not texts by names")]
    Headers,
    /// Its cookies are no texts.
    #[error("`cookies` is not a list of texts")]
    Cookies,
    /// Its body is no text.
    #[error("`body` is not a text")]
    Body,
    /// Its body should be base64.
    #[error("`body` is not base64, which `isBase64Encoded` says that it is")]
    Base64,
}

/// A status that a response may have, from a number or from its digits.
///
/// # Errors
///
/// If it is none.
pub fn status(value: &Value) -> Result<u16, Malformed> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let status = number.and_then(|number| u16::try_from(number).ok());
    // Those below 200 announce a response, and are none.
    status.filter(|status| (200..600).contains(status)).ok_or(Malformed::Status)
}

/// A body, taken out of its base64 if it is in it. What is absent or null is empty.
///
/// # Errors
///
/// If it is not what it should be.
pub fn body(body: Option<Value>, is_base64: bool) -> Result<Bytes, Malformed> {
    match body {
        None | Some(Value::Null) => Ok(Bytes::new()),
        Some(Value::String(text)) if is_base64 => {
            STANDARD.decode(text).map(Bytes::from).map_err(|_not_base64| Malformed::Base64)
        }
        Some(Value::String(text)) => Ok(Bytes::from(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Malformed::Body)
        }
    }
}

/// The value of a header: a text, or what has an obvious one.
///
/// # Errors
///
/// If it is a list or an object.
pub fn header_value(value: Value) -> Result<String, Malformed> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null => Ok(String::new()),
        Value::Array(_) | Value::Object(_) => Err(Malformed::Headers),
    }
}
