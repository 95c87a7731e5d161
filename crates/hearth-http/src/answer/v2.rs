//! What an answer means in payload format 2.0.
//!
//! An object with `statusCode` is a response. Anything else is the body of one, in JSON: so AWS
//! infers it.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Malformed, body, header_value, status};
use crate::response::{Body, Response};

/// The response that an answer means.
///
/// # Errors
///
/// If it is a response of a wrong form, or no JSON.
pub fn read(answer: &Bytes) -> Result<Response, Malformed> {
    let mut value: Value = serde_json::from_slice(answer).map_err(|_no| Malformed::NotJson)?;
    let object = value.as_object_mut().filter(|object| object.contains_key("statusCode"));
    let Some(object) = object else {
        return Ok(Response {
            status: 200,
            headers: vec![json_type()],
            body: Body::Whole(answer.clone()),
        });
    };
    let whole = body(object.remove("body"), is_base64(object)?)?;
    let (status, mut headers) = head(std::mem::take(object))?;
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(json_type());
    }
    Ok(Response { status, headers, body: Body::Whole(whole) })
}

/// Status and headers of a response whose body is not in it: what stands before a streamed one.
///
/// # Errors
///
/// If they are of a wrong form. A status that is absent is 200.
pub fn head(mut object: Map<String, Value>) -> Result<(u16, Vec<(String, String)>), Malformed> {
    let status = match object.remove("statusCode") {
        Some(code) => status(&code)?,
        None => 200,
    };
    let mut headers = headers(object.remove("headers"))?;
    headers.extend(multi_value_headers(object.remove("multiValueHeaders"))?);
    headers.extend(cookies(object.remove("cookies"))?);
    Ok((status, headers))
}

fn is_base64(object: &Map<String, Value>) -> Result<bool, Malformed> {
    match object.get("isBase64Encoded") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Malformed::Base64)
        }
    }
}

fn headers(given: Option<Value>) -> Result<Vec<(String, String)>, Malformed> {
    let mut headers = Vec::new();
    for (name, value) in object(given)? {
        headers.push((name.to_ascii_lowercase(), header_value(value)?));
    }
    Ok(headers)
}

/// What may be said beside `headers` in front of a streamed body: several values of one header.
fn multi_value_headers(given: Option<Value>) -> Result<Vec<(String, String)>, Malformed> {
    let mut headers = Vec::new();
    for (name, values) in object(given)? {
        let Value::Array(values) = values else { return Err(Malformed::Headers) };
        for value in values {
            headers.push((name.to_ascii_lowercase(), header_value(value)?));
        }
    }
    Ok(headers)
}

fn object(given: Option<Value>) -> Result<Map<String, Value>, Malformed> {
    match given {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(all)) => Ok(all),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Malformed::Headers)
        }
    }
}

fn cookies(given: Option<Value>) -> Result<Vec<(String, String)>, Malformed> {
    let all = match given {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(all)) => all,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            return Err(Malformed::Cookies);
        }
    };
    let mut headers = Vec::with_capacity(all.len());
    for cookie in all {
        let Value::String(cookie) = cookie else { return Err(Malformed::Cookies) };
        headers.push(("set-cookie".to_owned(), cookie));
    }
    Ok(headers)
}

fn json_type() -> (String, String) {
    ("content-type".to_owned(), "application/json".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(answer: &str) -> Result<(u16, Vec<(String, String)>, String), Malformed> {
        let response = read(&Bytes::copy_from_slice(answer.as_bytes()))?;
        let Body::Whole(body) = response.body else { panic!("nothing is streamed") };
        Ok((response.status, response.headers, String::from_utf8(body.to_vec()).unwrap()))
    }

    /// The rows with AWS's words are those of its documentation.
    #[test]
    fn each_answer_means_a_response() {
        let json = ("content-type", "application/json");
        let cookies = [
            ("my-custom-header", "Custom Value"),
            ("set-cookie", "Cookie_1=1; Path=/"),
            ("set-cookie", "Cookie_2=2"),
            json,
        ];
        #[rustfmt::skip]
        let rows: [(&str, &str, u16, &[(&str, &str)], &str); 13] = [
            ("a text",            "\"Hello, world!\"",                                   200, &[json], "\"Hello, world!\""),
            ("an object",         "{\"message\": \"Hello, world!\"}",                    200, &[json], "{\"message\": \"Hello, world!\"}"),
            ("a number",          "7",                                                   200, &[json], "7"),
            ("nothing",           "null",                                                200, &[json], "null"),
            ("a list",            "[1]",                                                 200, &[json], "[1]"),
            ("a status alone",    "{\"statusCode\": 204}",                               204, &[json], ""),
            ("a status as text",  "{\"statusCode\": \"404\", \"body\": \"no\"}",         404, &[json], "no"),
            ("a null body",       "{\"statusCode\": 200, \"body\": null}",               200, &[json], ""),
            ("its own type",      "{\"statusCode\": 200, \"headers\": {\"Content-Type\": \"text/html\"}, \"body\": \"<p>\"}", 200, &[("content-type", "text/html")], "<p>"),
            ("in base64",         "{\"statusCode\": 200, \"body\": \"SGVsbG8=\", \"isBase64Encoded\": true}", 200, &[json], "Hello"),
            ("cookies",           "{\"statusCode\": 201, \"headers\": {\"My-Custom-Header\": \"Custom Value\"}, \"cookies\": [\"Cookie_1=1; Path=/\", \"Cookie_2=2\"], \"body\": \"x\"}", 201, &cookies, "x"),
            ("odd headers",       "{\"statusCode\": 200, \"headers\": {\"a\": 1, \"b\": true}}", 200, &[("a", "1"), ("b", "true"), json], ""),
            ("more than we know", "{\"statusCode\": 200, \"what\": {}}",                 200, &[json], ""),
        ];
        for (name, answer, status, headers, body) in rows {
            let expected: Vec<(String, String)> =
                headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            let read = read_text(answer);
            assert_eq!(read, Ok((status, expected, body.to_owned())), "{name}");
        }
    }

    #[test]
    fn an_answer_of_a_wrong_form_means_nothing() {
        #[rustfmt::skip]
        let rows = [
            ("no JSON",           "hello",                                              Malformed::NotJson),
            ("nothing at all",    "",                                                   Malformed::NotJson),
            ("no status",         "{\"statusCode\": \"ok\"}",                           Malformed::Status),
            ("a null status",     "{\"statusCode\": null}",                             Malformed::Status),
            ("too low",           "{\"statusCode\": 100}",                              Malformed::Status),
            ("too high",          "{\"statusCode\": 600}",                              Malformed::Status),
            ("not whole",         "{\"statusCode\": 200.5}",                            Malformed::Status),
            ("an object as body", "{\"statusCode\": 200, \"body\": {}}",                Malformed::Body),
            ("not base64",        "{\"statusCode\": 200, \"body\": \"?\", \"isBase64Encoded\": true}", Malformed::Base64),
            ("a list of headers", "{\"statusCode\": 200, \"headers\": []}",             Malformed::Headers),
            ("a header's list",   "{\"statusCode\": 200, \"headers\": {\"a\": [1]}}",   Malformed::Headers),
            ("one cookie",        "{\"statusCode\": 200, \"cookies\": \"a=1\"}",        Malformed::Cookies),
            ("odd cookies",       "{\"statusCode\": 200, \"cookies\": [1]}",            Malformed::Cookies),
        ];
        for (name, answer, expected) in rows {
            assert_eq!(read_text(answer), Err(expected), "{name}");
        }
    }
}
