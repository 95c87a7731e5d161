//! The rest-json protocol, which AWS Lambda speaks: parts of a message travel in the path, the
//! query string, headers and the status, and the rest in a JSON body.
//!
//! An input becomes one JSON object, keyed by the model's member names. A raw body (the event of
//! an invocation) is not copied into it: the caller has it already.

use std::fmt;

use serde_json::{Map, Value};

use crate::conform::{TypeMismatch, conform, from_text};
use crate::decode::{self, DecodeError};
use crate::route::Labels;
use crate::service::OperationDescription;
use crate::shape::{Kind, Location, Member};
use crate::{blob, query};

/// The parts of a request that an input is put together from.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The values from the path.
    pub labels: &'a Labels<'a>,
    /// The query string, without its question mark.
    pub query: &'a str,
    /// Reads a header.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The body.
    pub body: &'a [u8],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = formatter.debug_struct("Request");
        text.field("labels", &self.labels).field("query", &self.query);
        text.field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, without those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Puts the input of an operation together.
pub fn input(
    operation: &OperationDescription,
    request: &Request<'_>,
) -> Result<Value, DecodeError> {
    let members = operation.input.members();
    let mut body = body_members(members, request.body)?;
    let mut input = Map::new();
    for member in members {
        let value = match member.location {
            Location::Body | Location::Payload => body
                .remove(member.name)
                .filter(|value| !value.is_null())
                .map(|value| conform(member.shape, value)),
            Location::Uri(label) => {
                request.labels.get(label).map(|text| from_text(member.shape, text))
            }
            Location::Querystring(name) => from_query(member, request.query, name),
            Location::Header(name) => {
                (request.header)(name).map(|text| from_text(member.shape, &text))
            }
            Location::StatusCode => None,
        };
        let Some(value) = value else { continue };
        let value =
            value.map_err(|error| DecodeError::TypeMismatch(error.below_member(member.name)))?;
        input.insert(member.name.to_owned(), value);
    }
    Ok(Value::Object(input))
}

/// What the body holds, keyed by member names. Empty if no member travels there as JSON.
fn body_members(members: &[Member], body: &[u8]) -> Result<Map<String, Value>, DecodeError> {
    let payload = members.iter().find(|member| member.location == Location::Payload);
    if let Some(payload) = payload {
        if payload.is_raw_body() || body.is_empty() {
            return Ok(Map::new());
        }
        return Ok(Map::from_iter([(payload.name.to_owned(), decode::json(body)?)]));
    }
    if members.iter().any(|member| member.location == Location::Body) {
        return decode::object(body);
    }
    Ok(Map::new())
}

/// The values of a query parameter. A list repeats its name; of anything else the first counts.
fn from_query(member: &Member, query: &str, name: &str) -> Option<Result<Value, TypeMismatch>> {
    let mut texts = query::pairs(query).filter(|(found, _)| found == name).map(|(_, text)| text);
    let Kind::List { member: element, .. } = &member.shape.kind else {
        return texts.next().map(|text| from_text(member.shape, &text));
    };
    let elements: Result<Vec<_>, _> = texts.map(|text| from_text(element, &text)).collect();
    match elements {
        Ok(elements) if elements.is_empty() => None,
        elements => Some(elements.map(Value::Array)),
    }
}

/// Places the members of an output. `Null` stands for an operation that answers nothing.
pub fn output(operation: &OperationDescription, value: Value) -> Answer {
    let mut answer = Answer { status: operation.status, headers: Vec::new(), body: Vec::new() };
    let Value::Object(mut members) = value else { return answer };
    let mut payload = None;
    for placed in operation.placed {
        let value = members.remove(placed.member).filter(|value| !value.is_null());
        match (placed.location, value) {
            (Location::Header(name), Some(value)) => answer.headers.push((name, as_text(value))),
            (Location::StatusCode, Some(value)) => {
                let status = value.as_u64().and_then(|status| u16::try_from(status).ok());
                answer.status = status.unwrap_or(answer.status);
            }
            (Location::Payload, value) => payload = Some(as_body(value)),
            // A member that is not there is not sent, and a model places outputs nowhere else.
            _ => {}
        }
    }
    if let Some(payload) = payload {
        answer.body = payload;
    } else if answer.status != 204 {
        answer.body = Value::Object(members).to_string().into_bytes();
        answer.headers.push(("Content-Type", "application/json".to_owned()));
    }
    answer
}

fn as_text(value: Value) -> String {
    if let Value::String(text) = value { text } else { value.to_string() }
}

/// A payload that is a blob is base64 in the output, and any other is sent as JSON.
fn as_body(value: Option<Value>) -> Vec<u8> {
    match value {
        Some(Value::String(base64)) => blob::decode(&base64).unwrap_or_default(),
        Some(value) => value.to_string().into_bytes(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lambda::{Operation, SERVICE};
    use crate::route;

    fn read(line: (&str, &str, &str), body: &str) -> Result<Value, DecodeError> {
        let (method, path, query) = line;
        let matched = route::find(&SERVICE, method, path, query).expect(path);
        let header = |name: &str| (name == "X-Amz-Log-Type").then(|| "Tail".to_owned());
        let body = body.as_bytes();
        input(matched.operation, &Request { labels: &matched.labels, query, header: &header, body })
    }

    #[test]
    fn an_input_is_put_together_from_all_its_places() {
        let create = ("POST", "/2015-03-31/functions", "");
        let configure = ("PUT", "/2015-03-31/functions/f/configuration", "");
        let list = ("GET", "/2015-03-31/functions", "MaxItems=5&Marker=a%3Db");
        let invoke = ("POST", "/2015-03-31/functions/f%3A1/invocations", "Qualifier=1");
        let untag = ("DELETE", "/2017-03-31/tags/r", "tagKeys=a&tagKeys=b+c");
        let fail = ("POST", "/2025-12-01/durable-execution-callbacks/c/fail", "");
        #[rustfmt::skip]
        let rows = [
            (create,    r#"{"FunctionName": "f", "X": 1}"#, json!({"FunctionName": "f"})),
            (create,    "",                                 json!({})),
            (configure, r#"{"FunctionName": "g"}"#,         json!({"FunctionName": "f"})),
            (list,      "not read",                         json!({"MaxItems": 5, "Marker": "a=b"})),
            (invoke,    "not json",                         json!({"FunctionName": "f:1", "Qualifier": "1", "LogType": "Tail"})),
            (untag,     "",                                 json!({"Resource": "r", "TagKeys": ["a", "b c"]})),
            (fail,      r#"{"ErrorType": "E"}"#,            json!({"CallbackId": "c", "Error": {"ErrorType": "E"}})),
            (fail,      "",                                 json!({"CallbackId": "c"})),
        ];
        for (line, body, expected) in rows {
            assert_eq!(read(line, body), Ok(expected), "{line:?} {body}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let create = ("POST", "/2015-03-31/functions", "");
        assert!(matches!(read(create, "{"), Err(DecodeError::BodyNotJson { .. })));
        assert_eq!(read(create, "[]"), Err(DecodeError::BodyNotAnObject));
        let wrong = read(("GET", "/2015-03-31/functions", "MaxItems=many"), "");
        let Err(DecodeError::TypeMismatch(mismatch)) = &wrong else { panic!("{wrong:?}") };
        assert_eq!((mismatch.path.as_str(), mismatch.expected), ("maxItems", "Integer"));
    }

    #[test]
    fn an_output_is_placed() {
        let json = vec![("Content-Type", "application/json".to_owned())];
        let created = output(Operation::CreateFunction.description(), json!({"FunctionName": "f"}));
        let body = br#"{"FunctionName":"f"}"#.to_vec();
        assert_eq!(created, Answer { status: 201, headers: json, body });

        let deleted = output(Operation::DeleteFunction.description(), json!({"StatusCode": 204}));
        assert_eq!(deleted, Answer { status: 204, headers: vec![], body: vec![] });

        let tagged = output(Operation::TagResource.description(), Value::Null);
        assert_eq!(tagged, Answer { status: 204, headers: vec![], body: vec![] });

        let invoked = output(
            Operation::Invoke.description(),
            json!({"StatusCode": 202, "ExecutedVersion": "3", "FunctionError": null, "Payload": "e30="}),
        );
        let headers = vec![("X-Amz-Executed-Version", "3".to_owned())];
        assert_eq!(invoked, Answer { status: 202, headers, body: b"{}".to_vec() });
    }
}
