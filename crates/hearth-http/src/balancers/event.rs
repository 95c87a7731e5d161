//! The event that a function gets for a request, or for a health check.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_types::ids::RequestId;
use serde::Serialize;

use super::asking::Question;
use super::attributes::{self, DROP_INVALID_HEADERS, FORWARDED_FOR, MULTI_VALUE};
use super::record::{Attributes, Balancer, TargetGroup};
use super::route;
use crate::request::Request;

const TRACE: &str = "x-amzn-trace-id";
const FORWARDED: &str = "x-forwarded-for";
/// Who asks, in a health check.
const CHECKER: &str = "ELB-HealthChecker/2.0";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    request_context: Context,
    http_method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_query_string_parameters: Option<BTreeMap<&'a str, Vec<&'a str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'a str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_value_headers: Option<BTreeMap<&'a str, Vec<&'a str>>>,
    body: &'a str,
    is_base64_encoded: bool,
}

#[derive(Debug, Serialize)]
struct Context {
    elb: Elb,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Elb {
    target_group_arn: String,
}

/// What a function is asked for a request.
pub(super) fn of_request(request: &Request, balancer: &Balancer, group: &TargetGroup) -> Question {
    let headers = headers(request, &balancer.attributes);
    let (body, is_base64_encoded) = body(request);
    let event = Event {
        request_context: context(group),
        http_method: &request.method,
        path: &request.path,
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        headers: None,
        multi_value_headers: None,
        body: &body,
        is_base64_encoded,
    };
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let event = with_pairs(event, group, (route::pairs(&request.query), headers));
    let seconds_max = attributes::idle_timeout_seconds(&balancer.attributes);
    let trace = request.header(TRACE).map(str::to_owned);
    Question { id: request.id, event: written(&event), trace, seconds_max }
}

/// What a function is asked by a health check.
pub(super) fn of_health_check(group: &TargetGroup) -> Question {
    let path = group.health_check.path.as_str();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let event = Event {
        request_context: context(group),
        http_method: "GET",
        path,
        query_string_parameters: None,
        multi_value_query_string_parameters: None,
        headers: None,
        multi_value_headers: None,
        body: "",
        is_base64_encoded: false,
    };
    let headers = std::iter::once(("user-agent", CHECKER));
    let event = with_pairs(event, group, (route::pairs(query), headers));
    let seconds_max = u64::from(group.health_check.timeout_seconds);
    Question { id: RequestId::random(), event: written(&event), trace: None, seconds_max }
}

fn context(group: &TargetGroup) -> Context {
    Context { elb: Elb { target_group_arn: group.arn.to_string() } }
}

fn written(event: &Event<'_>) -> Bytes {
    Bytes::from(serde_json::to_vec(event).expect("an event can be written as JSON"))
}

/// With the query and the headers in the form that the group wants: the last value of each name, or
/// all of them.
fn with_pairs<'a>(
    event: Event<'a>,
    group: &TargetGroup,
    (query, headers): (
        impl Iterator<Item = (&'a str, &'a str)>,
        impl Iterator<Item = (&'a str, &'a str)>,
    ),
) -> Event<'a> {
    if attributes::is_on(&group.attributes, MULTI_VALUE) {
        return Event {
            multi_value_query_string_parameters: Some(all_values(query)),
            multi_value_headers: Some(all_values(headers)),
            ..event
        };
    }
    Event {
        query_string_parameters: Some(query.collect()),
        headers: Some(headers.collect()),
        ..event
    }
}

fn all_values<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        all.entry(name).or_default().push(value);
    }
    all
}

/// The headers as a function sees them. The door has added where the request came from.
fn headers(request: &Request, attributes: &Attributes) -> Vec<(String, String)> {
    let drops = attributes::is_on(attributes, DROP_INVALID_HEADERS);
    let mode = attributes.get(FORWARDED_FOR).map(String::as_str);
    let seen = request.headers.iter().filter_map(|(name, value)| {
        let value = match name.as_str() {
            FORWARDED => forwarded_for(value, mode)?.to_owned(),
            "x-forwarded-port" => route::named_port(request).to_string(),
            name if drops && is_odd(name) => return None,
            _ => value.clone(),
        };
        Some((name.clone(), value))
    });
    seen.collect()
}

/// AWS: names of other letters, digits and hyphens are valid.
fn is_odd(name: &str) -> bool {
    !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Behind what proxies have said stands the address that the door has seen.
fn forwarded_for<'a>(value: &'a str, mode: Option<&str>) -> Option<&'a str> {
    match mode {
        Some("remove") => None,
        Some("preserve") => value.rsplit_once(", ").map(|(sent, _seen)| sent),
        Some(_) | None => Some(value),
    }
}

/// The body, and whether it had to be encoded.
fn body(request: &Request) -> (String, bool) {
    if request.body.is_empty() {
        return (String::new(), false);
    }
    let is_plain = request.header("content-encoding").is_none() && is_text(request);
    match std::str::from_utf8(&request.body) {
        Ok(text) if is_plain => (text.to_owned(), false),
        Ok(_) | Err(_) => (STANDARD.encode(&request.body), true),
    }
}

/// AWS: the types whose bodies are passed on as they are.
fn is_text(request: &Request) -> bool {
    let kind = request.header("content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"]
            .contains(&essence.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::balancers::testing::{self, balancer, group};

    fn asked(request: &Request, balancer: &Balancer, group: &TargetGroup) -> Value {
        let question = of_request(request, balancer, group);
        serde_json::from_slice(&question.event).unwrap()
    }

    fn with_multi_values() -> TargetGroup {
        let mut group = group("functions");
        group.attributes.insert(MULTI_VALUE.to_owned(), "true".to_owned());
        group
    }

    fn request() -> Request {
        let mut request = testing::request("GET", "/a%20b/ä", "Shop.example.com:8080");
        request.query = "a=1&b=x%20y+z&a=2&c".to_owned();
        request.headers.push(("x-one".to_owned(), "first".to_owned()));
        request.headers.push(("x-one".to_owned(), "last".to_owned()));
        for (name, value) in [
            (FORWARDED, "192.0.2.7"),
            ("x-forwarded-port", "4566"),
            ("x-forwarded-proto", "http"),
            (TRACE, "Root=1-2-3"),
        ] {
            request.headers.push((name.to_owned(), value.to_owned()));
        }
        request
    }

    #[test]
    fn an_event_has_the_last_value_of_each_name() {
        let event = asked(&request(), &balancer(), &group("functions"));
        let expected = json!({
            "requestContext": { "elb": { "targetGroupArn":
                "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/functions/02" } },
            "httpMethod": "GET",
            "path": "/a%20b/ä",
            "queryStringParameters": { "a": "2", "b": "x%20y+z", "c": "" },
            "headers": {
                "host": "Shop.example.com:8080",
                "x-one": "last",
                "x-amzn-trace-id": "Root=1-2-3",
                "x-forwarded-for": "192.0.2.7",
                "x-forwarded-port": "8080",
                "x-forwarded-proto": "http",
            },
            "body": "",
            "isBase64Encoded": false,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn an_event_with_lists_has_all_values() {
        let event = asked(&request(), &balancer(), &with_multi_values());
        let query = json!({ "a": ["1", "2"], "b": ["x%20y+z"], "c": [""] });
        assert_eq!(event["multiValueQueryStringParameters"], query);
        assert_eq!(event["multiValueHeaders"]["x-one"], json!(["first", "last"]));
        assert!(event.get("headers").is_none() && event.get("queryStringParameters").is_none());
    }

    #[test]
    fn who_has_sent_it_is_added_as_the_load_balancer_is_told() {
        #[rustfmt::skip]
        let rows = [
            (None,             "10.0.0.1, 192.0.2.7",           Some("10.0.0.1, 192.0.2.7")),
            (Some("append"),   "10.0.0.1, 10.0.0.2, 192.0.2.7", Some("10.0.0.1, 10.0.0.2, 192.0.2.7")),
            (None,             "192.0.2.7",                     Some("192.0.2.7")),
            (Some("preserve"), "10.0.0.1, 192.0.2.7",           Some("10.0.0.1")),
            (Some("preserve"), "192.0.2.7",                     None),
            (Some("remove"),   "10.0.0.1, 192.0.2.7",           None),
        ];
        for (mode, sent, expected) in rows {
            let mut request = testing::request("GET", "/", "x");
            request.headers.push((FORWARDED.to_owned(), sent.to_owned()));
            let mut balancer = balancer();
            if let Some(mode) = mode {
                balancer.attributes.insert(FORWARDED_FOR.to_owned(), mode.to_owned());
            }
            let event = asked(&request, &balancer, &group("g"));
            let found = event["headers"].get(FORWARDED).and_then(Value::as_str);
            assert_eq!(found, expected, "{mode:?}");
        }
    }

    #[test]
    fn a_body_is_encoded_unless_it_is_text() {
        #[rustfmt::skip]
        let rows: [(Option<&str>, Option<&str>, &[u8], &str, bool); 8] = [
            (Some("application/json"),                None,         b"{}",   "{}",       false),
            (Some("Text/Plain; charset=utf-8"),       None,         b"hi",   "hi",       false),
            (Some("application/xml"),                 None,         b"<x/>", "<x/>",     false),
            (Some("application/json"),                Some("gzip"), b"{}",   "e30=",     true),
            (Some("application/octet-stream"),        None,         b"hi",   "aGk=",     true),
            (Some("application/x-www-form-urlencoded"), None,       b"a=b",  "YT1i",     true),
            (Some("text/plain"),                      None,         b"\xff", "/w==",     true),
            (None,                                    None,         b"",     "",         false),
        ];
        for (kind, encoding, body, expected, is_encoded) in rows {
            let mut request = testing::request("POST", "/", "x");
            let named = [("content-type", kind), ("content-encoding", encoding)];
            for (name, value) in named {
                request.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
            }
            request.body = Bytes::copy_from_slice(body);
            let event = asked(&request, &balancer(), &group("g"));
            assert_eq!(event["body"], expected, "{kind:?}");
            assert_eq!(event["isBase64Encoded"], is_encoded, "{kind:?}");
        }
    }

    #[test]
    fn odd_headers_are_left_out_if_that_is_wanted() {
        let mut request = testing::request("GET", "/", "x");
        request.headers.push(("x_odd".to_owned(), "1".to_owned()));
        let mut balancer = balancer();
        let event = asked(&request, &balancer, &group("g"));
        assert_eq!(event["headers"]["x_odd"], "1");
        balancer.attributes.insert(DROP_INVALID_HEADERS.to_owned(), "true".to_owned());
        assert!(asked(&request, &balancer, &group("g"))["headers"].get("x_odd").is_none());
    }

    #[test]
    fn a_health_check_says_that_it_is_one() {
        let mut group = group("functions");
        group.health_check.path = "/health?deep=1".to_owned();
        let event: Value = serde_json::from_slice(&of_health_check(&group).event).unwrap();
        assert_eq!(event["path"], "/health");
        assert_eq!(event["queryStringParameters"], json!({ "deep": "1" }));
        assert_eq!(event["headers"], json!({ "user-agent": "ELB-HealthChecker/2.0" }));
        assert_eq!(event["httpMethod"], "GET");
    }
}
