//! Payload format 2.0: function URLs, and HTTP APIs unless they ask for the older one.
//!
//! # Promises
//!
//! 1. What a request does not have is left out, and not null.
//! 2. The path and the query stand in the event as they were given, not decoded and encoded again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::{EventBody, cookies, joined_headers, joined_query, request_time};
use crate::request::Request;

/// What a site knows of a request.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// The route that the request took, `$default` if there are none.
    pub route_key: &'a str,
    /// The stage, `$default` if there are none.
    pub stage: &'a str,
    /// The id of the API or of the URL.
    pub api_id: &'a str,
    /// The account of the API, or of the caller of a URL.
    pub account_id: &'a str,
    /// The first part of the host's name.
    pub domain_prefix: &'a str,
    /// The whole path.
    pub path: &'a str,
    /// The id of the request, in the form of whoever serves it.
    pub request_id: &'a str,
    /// What the variables of the route's path stand for.
    pub path_parameters: Option<&'a BTreeMap<String, String>>,
    /// The variables of the stage.
    pub stage_variables: Option<&'a BTreeMap<String, String>>,
    /// What was found out about the caller: `{"jwt": …}`, `{"lambda": …}` or `{"iam": …}`.
    pub authorizer: Option<&'a Value>,
    /// Whether `headers` has the cookies as well.
    pub cookies: Cookies,
}

/// Whether cookies stand among the headers, besides in a list of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookies {
    /// They do: so it is with function URLs.
    InHeadersToo,
    /// They do not: so it is with HTTP APIs.
    Apart,
}

/// The event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<&'a str>,
    headers: BTreeMap<&'a str, Cow<'a, str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_parameters: Option<&'a BTreeMap<String, String>>,
    is_base64_encoded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage_variables: Option<&'a BTreeMap<String, String>>,
}

/// The part of an event that does not come from the client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Value>,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: &'a str,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    source_ip: String,
    user_agent: &'a str,
}

impl<'a> Event<'a> {
    /// The event of a request.
    #[must_use]
    pub fn of(request: &'a Request, context: &Context<'a>) -> Self {
        let mut headers = joined_headers(request);
        if context.cookies == Cookies::Apart {
            headers.remove("cookie");
        }
        let EventBody { text, is_base64 } = EventBody::of(request);
        Self {
            version: "2.0",
            route_key: context.route_key,
            raw_path: context.path,
            raw_query_string: &request.query,
            cookies: cookies(request),
            headers,
            query_string_parameters: joined_query(&request.query),
            request_context: RequestContext::of(request, context),
            body: text,
            path_parameters: context.path_parameters.filter(|all| !all.is_empty()),
            is_base64_encoded: is_base64,
            stage_variables: context.stage_variables.filter(|all| !all.is_empty()),
        }
    }

    /// The event as the function gets it.
    ///
    /// # Panics
    ///
    /// Never: it consists of texts and of values that were read as JSON.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        // Most of a large event is its body, which grows a little when it is quoted.
        let body = self.body.as_ref().map_or(0, |body| body.len());
        let mut payload = Vec::with_capacity(2_048 + body + body / 32);
        serde_json::to_writer(&mut payload, self).expect("an event can be written as JSON");
        Bytes::from(payload)
    }
}

impl<'a> RequestContext<'a> {
    /// The context of a request.
    #[must_use]
    pub fn of(request: &'a Request, context: &Context<'a>) -> Self {
        Self {
            account_id: context.account_id,
            api_id: context.api_id,
            authorizer: context.authorizer,
            domain_name: &request.host,
            domain_prefix: context.domain_prefix,
            http: Http {
                method: &request.method,
                path: context.path,
                protocol: request.protocol,
                source_ip: request.from.to_string(),
                user_agent: request.header("user-agent").unwrap_or_default(),
            },
            request_id: context.request_id,
            route_key: context.route_key,
            stage: context.stage,
            time: request_time(request.time),
            time_epoch: request.time.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::tests::request;

    fn context(path: &str) -> Context<'_> {
        Context {
            route_key: "$default",
            stage: "$default",
            api_id: "abc",
            account_id: "anonymous",
            domain_prefix: "abc",
            path,
            request_id: "id",
            path_parameters: None,
            stage_variables: None,
            authorizer: None,
            cookies: Cookies::InHeadersToo,
        }
    }

    fn value(event: &Event<'_>) -> Value {
        serde_json::from_slice(&event.payload()).unwrap()
    }

    #[test]
    fn a_whole_event_as_aws_documents_it() {
        let headers = [
            ("host", "abc.lambda-url.us-east-1.localhost:4566"),
            ("header1", "value1"),
            ("header2", "value1"),
            ("header2", "value2"),
            ("cookie", "cookie1; cookie2"),
            ("content-type", "text/plain"),
            ("user-agent", "agent"),
        ];
        let path = "/my/path?parameter1=value1&parameter1=value2&parameter2=value";
        let mut request = request("POST", path, &headers);
        request.body = Bytes::from_static(b"Hello from client!");
        let expected = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/my/path",
            "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
            "cookies": ["cookie1", "cookie2"],
            "headers": {
                "host": "abc.lambda-url.us-east-1.localhost:4566",
                "header1": "value1",
                "header2": "value1,value2",
                "cookie": "cookie1; cookie2",
                "content-type": "text/plain",
                "user-agent": "agent",
            },
            "queryStringParameters": { "parameter1": "value1,value2", "parameter2": "value" },
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "abc",
                "domainName": "abc.lambda-url.us-east-1.localhost",
                "domainPrefix": "abc",
                "http": {
                    "method": "POST",
                    "path": "/my/path",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "agent",
                },
                "requestId": "id",
                "routeKey": "$default",
                "stage": "$default",
                "time": "23/Nov/2026:03:20:35 +0000",
                "timeEpoch": 1_795_404_035_123_u64,
            },
            "body": "Hello from client!",
            "isBase64Encoded": false,
        });
        assert_eq!(value(&Event::of(&request, &context(&request.path))), expected);
    }

    #[test]
    fn what_a_request_does_not_have_is_left_out() {
        let request = request("GET", "/", &[]);
        let event = value(&Event::of(&request, &context("/")));
        let absent =
            ["cookies", "queryStringParameters", "body", "pathParameters", "stageVariables"];
        for name in absent {
            assert_eq!(event.get(name), None, "{name}");
        }
        assert_eq!(event["requestContext"].get("authorizer"), None);
        assert_eq!(event["rawQueryString"], "");
    }

    #[test]
    fn what_an_api_knows_stands_in_the_event() {
        let mut request = request("GET", "/pets/7", &[("cookie", "a=1")]);
        request.protocol = "HTTP/2.0";
        let of = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let (parameters, variables) = (of("id", "7"), of("color", "blue"));
        let authorizer = json!({ "lambda": { "key": "value" } });
        let context = Context {
            route_key: "GET /pets/{id}",
            path_parameters: Some(&parameters),
            stage_variables: Some(&variables),
            authorizer: Some(&authorizer),
            cookies: Cookies::Apart,
            ..context("/pets/7")
        };
        let event = value(&Event::of(&request, &context));
        assert_eq!(event["pathParameters"], json!({ "id": "7" }));
        assert_eq!(event["stageVariables"], json!({ "color": "blue" }));
        assert_eq!(event["requestContext"]["authorizer"], authorizer);
        assert_eq!(event["requestContext"]["routeKey"], "GET /pets/{id}");
        assert_eq!(event["requestContext"]["http"]["protocol"], "HTTP/2.0");
        assert_eq!((&event["cookies"], &event["headers"]), (&json!(["a=1"]), &json!({})));
    }
}
