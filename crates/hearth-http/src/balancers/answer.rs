//! What the answer of a function means.
//!
//! ```json
//! {"statusCode": 200, "statusDescription": "200 OK", "headers": {"content-type": "text/plain"},
//!  "body": "hello", "isBase64Encoded": false}
//! ```
//!
//! A function whose group wants lists answers `multiValueHeaders` in place of `headers`. The other
//! kind is not looked at.
//!
//! # Deliberately absent
//!
//! The words of `statusDescription`: they have to be a text, and the response has its status's own.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::response::{Body, Response};

/// AWS: the type of a body of which nobody says what it is.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// How a function answers headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    /// One value for each name.
    Single,
    /// A list of them.
    Lists,
}

/// Why an answer is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum AnswerError {
    /// It has another form.
    #[error("the answer of the function is malformed: {0}")]
    Malformed(String),
    /// Its status is none that a response can have.
    #[error("the answer of the function has the status {0}")]
    Status(u16),
    /// Its body is said to be in base64, and is not.
    #[error("the body of the answer is not in base64")]
    Encoding,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(rename = "statusDescription")]
    _description: Option<String>,
    headers: Option<Value>,
    multi_value_headers: Option<Value>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

/// Reads an answer.
pub(super) fn read(payload: &[u8], values: Values) -> Result<Response, AnswerError> {
    // Else a list would be taken for the fields in their order.
    if payload.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(AnswerError::Malformed("it is not an object".to_owned()));
    }
    let answer: Answer = serde_json::from_slice(payload).map_err(malformed)?;
    let status = answer.status_code;
    // What is below is not final, and nothing can follow it.
    if !(200..=599).contains(&status) {
        return Err(AnswerError::Status(status));
    }
    let mut headers = match values {
        Values::Single => single(answer.headers)?,
        Values::Lists => lists(answer.multi_value_headers)?,
    };
    let text = answer.body.unwrap_or_default();
    let body = if answer.is_base64_encoded == Some(true) {
        STANDARD.decode(text).map_err(|_not_base64| AnswerError::Encoding)?
    } else {
        text.into_bytes()
    };
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), UNKNOWN_TYPE.to_owned()));
    }
    Ok(Response { status, headers, body: Body::Whole(Bytes::from(body)) })
}

fn single(given: Option<Value>) -> Result<Vec<(String, String)>, AnswerError> {
    let headers: BTreeMap<String, String> = members(given)?;
    Ok(headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
}

fn lists(given: Option<Value>) -> Result<Vec<(String, String)>, AnswerError> {
    let headers: BTreeMap<String, Vec<String>> = members(given)?;
    let each = |(name, values): (String, Vec<String>)| {
        let name = name.to_ascii_lowercase();
        values.into_iter().map(move |value| (name.clone(), value))
    };
    Ok(headers.into_iter().flat_map(each).collect())
}

fn members<T: DeserializeOwned + Default>(given: Option<Value>) -> Result<T, AnswerError> {
    given.map_or_else(|| Ok(T::default()), serde_json::from_value).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> AnswerError {
    AnswerError::Malformed(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    type Read = (u16, Vec<(String, String)>, Vec<u8>);

    fn read_as(values: Values, answer: &Value) -> Result<Read, AnswerError> {
        let Response { status, headers, body } = read(answer.to_string().as_bytes(), values)?;
        let Body::Whole(body) = body else { panic!("it is all there") };
        Ok((status, headers, body.to_vec()))
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_answer_becomes_a_response() {
        let answer = json!({
            "statusCode": 404, "statusDescription": "404 Not Found",
            "headers": { "Content-Type": "text/plain", "X-A": "1" },
            "multiValueHeaders": 7, "body": "gone",
        });
        let headers = named(&[("content-type", "text/plain"), ("x-a", "1")]);
        let expected = (404, headers, b"gone".to_vec());
        assert_eq!(read_as(Values::Single, &answer).unwrap(), expected);
        let answer = json!({
            "statusCode": 200, "headers": 7, "isBase64Encoded": true, "body": "aGk=",
            "multiValueHeaders": { "set-cookie": ["a=1", "b=2"] },
        });
        let headers = named(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("content-type", "application/octet-stream"),
        ]);
        assert_eq!(read_as(Values::Lists, &answer).unwrap(), (200, headers, b"hi".to_vec()));
    }

    #[test]
    fn what_is_left_out_or_null_is_nothing() {
        let nothing = json!({
            "statusCode": 204, "body": null, "headers": null, "isBase64Encoded": null,
        });
        for answer in [json!({ "statusCode": 204 }), nothing] {
            let expected = (204, Vec::new(), Vec::new());
            assert_eq!(read_as(Values::Single, &answer).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for answer in [
            json!("hello"),
            json!(null),
            json!([200, "200 OK"]),
            json!({}),
            json!({ "body": "x" }),
            json!({ "statusCode": "200" }),
            json!({ "statusCode": 99 }),
            json!({ "statusCode": 101 }),
            json!({ "statusCode": 600 }),
            json!({ "statusCode": 200, "body": { "a": 1 } }),
            json!({ "statusCode": 200, "headers": { "a": 1 } }),
            json!({ "statusCode": 200, "headers": ["a"] }),
            json!({ "statusCode": 200, "statusDescription": 200 }),
            json!({ "statusCode": 200, "body": "?", "isBase64Encoded": true }),
            json!({ "statusCode": 200, "isBase64Encoded": "yes" }),
        ] {
            assert!(read_as(Values::Single, &answer).is_err(), "{answer}");
        }
        let single = json!({ "statusCode": 200, "multiValueHeaders": { "a": "b" } });
        assert!(read_as(Values::Lists, &single).is_err());
    }
}
