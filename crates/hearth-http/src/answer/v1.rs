//! What the answer of a function means to a REST API, and to an HTTP API whose integration has
//! payload format 1.0.
//!
//! # Promises
//!
//! 1. What AWS takes for malformed is refused: an answer that is no object, members of wrong types,
//!    a status that is none, and, by REST APIs, members that nobody knows.
//! 2. No bytes panic.
//!
//! # Deliberately absent
//!
//! Whether base64 is decoded: an HTTP API does it always, a REST API by its binary media types.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value};

use crate::event::v1::Maker;

/// An answer that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, with names as the function wrote them; several of one name if it said so.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// Whether the function says that the body is in base64.
    pub is_base64: bool,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed answer: {0}")]
pub struct Malformed(pub &'static str);

/// Reads the answer of a function.
///
/// # Errors
///
/// If it is malformed.
pub fn read(payload: &[u8], maker: Maker) -> Result<Answer, Malformed> {
    let Ok(answer) = serde_json::from_slice::<Value>(payload) else {
        return Err(Malformed("it is not JSON"));
    };
    let Value::Object(answer) = answer else { return Err(Malformed("it is not an object")) };
    let known = ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"];
    let is_known = |name: &String| known.contains(&name.as_str());
    if maker == Maker::Rest && !answer.keys().all(is_known) {
        return Err(Malformed("it has a member that has no meaning"));
    }
    let body = match answer.get("body") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(Malformed("its body is not a text"));
        }
    };
    let is_base64 = match answer.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is_base64)) => *is_base64,
        Some(Value::String(text)) if text == "true" || text == "false" => text == "true",
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            return Err(Malformed("isBase64Encoded is neither true nor false"));
        }
    };
    let status = status(answer.get("statusCode"), maker)?;
    Ok(Answer { status, headers: headers(&answer)?, body, is_base64 })
}

impl Answer {
    /// The first header with this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The bytes that its body means, if it is in base64, or else those of the text.
    ///
    /// # Errors
    ///
    /// If it is said to be base64 and is not.
    pub fn decoded(&self) -> Result<Bytes, Malformed> {
        if !self.is_base64 {
            return Ok(self.text());
        }
        let decoded = STANDARD.decode(self.body.as_bytes());
        decoded.map(Bytes::from).map_err(|_not| Malformed("its body is not in base64"))
    }

    /// The bytes of the body as it stands.
    #[must_use]
    pub fn text(&self) -> Bytes {
        Bytes::copy_from_slice(self.body.as_bytes())
    }
}

fn status(given: Option<&Value>, maker: Maker) -> Result<u16, Malformed> {
    let number = match given {
        None | Some(Value::Null) if maker == Maker::Rest => Some(200),
        Some(Value::Number(number)) => {
            // A runtime may write whole numbers with a point.
            let whole = |number: f64| number.fract() == 0.0;
            let from_float = || number.as_f64().filter(|number| whole(*number));
            number
                .as_u64()
                .or_else(|| from_float().and_then(|number| number.to_string().parse().ok()))
        }
        Some(Value::String(text)) => text.parse().ok(),
        None | Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => None,
    };
    let number = number.and_then(|number: u64| u16::try_from(number).ok());
    // Those below 200 announce a response, and are none.
    let number = number.filter(|number| (200..600).contains(number));
    number.ok_or(Malformed("its status is none"))
}

/// Both forms together. A pair that is in both counts once.
fn headers(answer: &Map<String, Value>) -> Result<Vec<(String, String)>, Malformed> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, values) in members(answer.get("multiValueHeaders"))? {
        let Value::Array(values) = values else {
            return Err(Malformed("a header with several values has no list of them"));
        };
        for value in values {
            headers.push((name.clone(), text(value)?));
        }
    }
    let several = headers.len();
    for (name, value) in members(answer.get("headers"))? {
        // A value that is absent is that of a header that is not meant.
        if value.is_null() {
            continue;
        }
        let value = text(value)?;
        let is_there = headers[..several]
            .iter()
            .any(|(known, there)| known.eq_ignore_ascii_case(name) && *there == value);
        if !is_there {
            headers.push((name.clone(), value));
        }
    }
    Ok(headers)
}

fn members(given: Option<&Value>) -> Result<Vec<(&String, &Value)>, Malformed> {
    match given {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(members)) => Ok(members.iter().collect()),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Malformed("its headers are not an object"))
        }
    }
}

fn text(value: &Value) -> Result<String, Malformed> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Malformed("the value of a header is not a text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_an_answer_and_what_is_malformed() {
        #[rustfmt::skip]
        let rows = [
            (json!({ "statusCode": 201, "body": "x" }),                   Some(201), Some(201)),
            (json!({ "statusCode": "404" }),                              Some(404), Some(404)),
            (json!({ "statusCode": 200.0 }),                              Some(200), Some(200)),
            (json!({}),                                                   Some(200), None),
            (json!({ "statusCode": 200, "data": 1 }),                     None,      Some(200)),
            (json!({ "statusCode": 200, "body": { "a": 1 } }),            None,      None),
            (json!({ "statusCode": 200, "body": null }),                  Some(200), Some(200)),
            (json!({ "statusCode": 99 }),                                 None,      None),
            (json!({ "statusCode": 101 }),                                None,      None),
            (json!({ "statusCode": 600 }),                                None,      None),
            (json!({ "statusCode": 200.5 }),                              None,      None),
            (json!({ "statusCode": "ok" }),                               None,      None),
            (json!({ "statusCode": true }),                               None,      None),
            (json!({ "statusCode": 200, "headers": [] }),                 None,      None),
            (json!({ "statusCode": 200, "headers": { "a": {} } }),        None,      None),
            (json!({ "statusCode": 200, "multiValueHeaders": { "a": "b" } }), None,  None),
            (json!({ "statusCode": 200, "isBase64Encoded": 1 }),          None,      None),
            (json!("text"),                                               None,      None),
            (json!(null),                                                 None,      None),
            (json!([]),                                                   None,      None),
        ];
        for (answer, rest, http) in rows {
            let payload = answer.to_string();
            let status = |maker| read(payload.as_bytes(), maker).ok().map(|answer| answer.status);
            assert_eq!((status(Maker::Rest), status(Maker::Http)), (rest, http), "{payload}");
        }
        assert_eq!(read(b"{", Maker::Rest), Err(Malformed("it is not JSON")));
        assert!(read(b"", Maker::Rest).is_err());
    }

    #[test]
    fn both_kinds_of_headers_count() {
        let payload = json!({
            "statusCode": 200,
            "headers": { "A": "1", "B": 2, "C": true, "D": null },
            "multiValueHeaders": { "a": ["1", "3"], "E": [] },
        });
        let answer = read(payload.to_string().as_bytes(), Maker::Rest).unwrap();
        let mut headers = answer.headers.clone();
        headers.sort();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(headers, [pair("B", "2"), pair("C", "true"), pair("a", "1"), pair("a", "3")]);
        assert_eq!(answer.header("b"), Some("2"));
        assert_eq!(answer.header("d"), None);
    }

    #[test]
    fn a_body_is_decoded_if_it_says_so() {
        let of = |body: &str, is_base64: bool| {
            let payload = json!({ "body": body, "isBase64Encoded": is_base64 }).to_string();
            read(payload.as_bytes(), Maker::Rest).unwrap()
        };
        assert_eq!(of("/wA=", true).decoded().unwrap().as_ref(), b"\xff\x00");
        assert_eq!(of("/wA=", true).text().as_ref(), b"/wA=");
        assert_eq!(of("/wA=", false).decoded().unwrap().as_ref(), b"/wA=");
        assert!(of("%", true).decoded().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&payload, Maker::Rest);
        }
    }
}
