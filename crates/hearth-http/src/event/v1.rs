//! Payload 1.0: a request as REST APIs hand it to a function, and HTTP APIs whose integration asks
//! for that format.
//!
//! # Promises
//!
//! 1. Every member that AWS documents is there, `null` where there is nothing to say.
//! 2. Of what came several times, `headers` and `queryStringParameters` have the last value, and
//!    their multi-value forms have all of them in order.
//!
//! # Deliberately absent
//!
//! Whether a body is text or base64: REST APIs decide by their binary media types, HTTP APIs by the
//! kind of content. Who the caller is: nobody is authenticated by a signature, so those members of
//! the identity are `null`. Names of headers as the client wrote them: they are not known any more
//! (see [`spelling`]).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{query_pairs, request_time};
use crate::request::Request;

/// Who makes the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// A REST API.
    Rest,
    /// An HTTP API, whose events say which version they are.
    Http,
}

/// How a body stands in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// As it is; what is not UTF-8 is replaced.
    Text,
    /// In base64.
    Base64,
}

/// The key that a client has shown.
#[derive(Debug, Clone, Copy)]
pub struct ApiKey<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// What an event says beside the request.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    /// Who makes it.
    pub maker: Maker,
    /// Whose API it is.
    pub account: &'a str,
    /// The id of the API.
    pub api: &'a str,
    /// The stage.
    pub stage: &'a str,
    /// Its variables.
    pub stage_variables: &'a BTreeMap<String, String>,
    /// The deployment that the stage serves; REST APIs only.
    pub deployment: Option<&'a str>,
    /// The path of the resource, or of the route, with its variables: `/pets/{id}`.
    pub resource: &'a str,
    /// The id of the resource.
    pub resource_id: Option<&'a str>,
    /// The name of the operation, if the method has one.
    pub operation_name: Option<&'a str>,
    /// The path of the event.
    pub path: &'a str,
    /// The path in the event's context: with the stage.
    pub context_path: &'a str,
    /// The values of the path's variables, decoded.
    pub path_parameters: &'a [(String, String)],
    /// What the authorizer has said.
    pub authorizer: Option<&'a Map<String, Value>>,
    /// The key of the client.
    pub api_key: Option<ApiKey<'a>>,
    /// The X-Ray header that the function is to see.
    pub trace: Option<&'a str>,
    /// How the body stands in it.
    pub body: BodyForm,
}

/// The event, as JSON.
///
/// # Panics
///
/// Never: it consists of texts, numbers and values that were read as JSON.
#[must_use]
pub fn event(request: &Request, context: &Context<'_>) -> Vec<u8> {
    let (body, is_base64_encoded) = body(request, context.body);
    let parts = Parts::of(request, context.maker, context.trace);
    let event = Event {
        version: (context.maker == Maker::Http).then_some("1.0"),
        resource: context.resource,
        path: context.path,
        http_method: &request.method,
        headers: nonempty(last(&parts.headers)),
        multi_value_headers: nonempty(all(&parts.headers)),
        query_string_parameters: nonempty(last(&parts.query)),
        multi_value_query_string_parameters: nonempty(all(&parts.query)),
        path_parameters: path_parameters(context.path_parameters),
        stage_variables: stage_variables(context.stage_variables),
        request_context: request_context(request, context),
        body,
        is_base64_encoded,
    };
    serde_json::to_vec(&event).expect("an event can be written as JSON")
}

/// The event of an authorizer that is asked by the whole request, as JSON.
///
/// # Panics
///
/// Never, as [`event`].
#[must_use]
pub fn authorizer_event(request: &Request, context: &Context<'_>, method_arn: &str) -> Vec<u8> {
    let parts = Parts::of(request, context.maker, context.trace);
    let event = AuthorizerEvent {
        r#type: "REQUEST",
        method_arn,
        resource: context.resource,
        path: context.path,
        http_method: &request.method,
        // Unlike those of other events, these are empty and not null.
        headers: last(&parts.headers),
        multi_value_headers: all(&parts.headers),
        query_string_parameters: last(&parts.query),
        multi_value_query_string_parameters: all(&parts.query),
        path_parameters: path_parameters(context.path_parameters).unwrap_or_default(),
        stage_variables: context.stage_variables,
        request_context: request_context(request, context),
    };
    serde_json::to_vec(&event).expect("an event can be written as JSON")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_headers: Option<BTreeMap<&'a str, Vec<&'a str>>>,
    query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_query_string_parameters: Option<BTreeMap<&'a str, Vec<&'a str>>>,
    path_parameters: Option<BTreeMap<&'a str, &'a str>>,
    stage_variables: Option<&'a BTreeMap<String, String>>,
    request_context: RequestContext<'a>,
    body: Option<Cow<'a, str>>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizerEvent<'a> {
    r#type: &'static str,
    method_arn: &'a str,
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<&'a str, &'a str>,
    multi_value_headers: BTreeMap<&'a str, Vec<&'a str>>,
    query_string_parameters: BTreeMap<&'a str, &'a str>,
    multi_value_query_string_parameters: BTreeMap<&'a str, Vec<&'a str>>,
    path_parameters: BTreeMap<&'a str, &'a str>,
    stage_variables: &'a BTreeMap<String, String>,
    request_context: RequestContext<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    resource_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<&'a Map<String, Value>>,
    resource_path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<&'a str>,
    http_method: &'a str,
    extended_request_id: String,
    request_time: String,
    path: &'a str,
    account_id: &'a str,
    protocol: &'static str,
    stage: &'a str,
    domain_prefix: &'a str,
    request_time_epoch: u64,
    request_id: String,
    identity: Identity<'a>,
    domain_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<&'a str>,
    api_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    cognito_identity_pool_id: (),
    account_id: (),
    cognito_identity_id: (),
    caller: (),
    source_ip: String,
    principal_org_id: (),
    access_key: (),
    cognito_authentication_type: (),
    cognito_authentication_provider: (),
    user_arn: (),
    user_agent: Option<&'a str>,
    user: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_id: Option<&'a str>,
}

/// Headers and query, as pairs in the order in which they came.
struct Parts {
    headers: Vec<(Cow<'static, str>, String)>,
    query: Vec<(Cow<'static, str>, String)>,
}

impl Parts {
    fn of(request: &Request, maker: Maker, trace: Option<&str>) -> Self {
        let ours = |name: &str| {
            matches!(name, "x-forwarded-for" | "x-forwarded-port" | "x-forwarded-proto")
                || (name == "x-amzn-trace-id" && trace.is_some())
        };
        let given = request.headers.iter().filter(|(name, _)| !ours(name));
        let mut headers: Vec<_> = given
            .map(|(name, value)| (spelling(name, request.protocol, maker), value.clone()))
            .collect();
        if let Some(trace) = trace {
            headers.push((Cow::Borrowed("X-Amzn-Trace-Id"), trace.to_owned()));
        }
        // The door has put the sender behind what proxies have said.
        let from = request.header("x-forwarded-for");
        let from = from.map_or_else(|| request.from.to_string(), str::to_owned);
        headers.push((Cow::Borrowed("X-Forwarded-For"), from));
        headers.push((Cow::Borrowed("X-Forwarded-Port"), request.port.to_string()));
        headers.push((Cow::Borrowed("X-Forwarded-Proto"), request.scheme.name().to_owned()));
        let query = query_pairs(&request.query);
        let query = query.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        Self { headers, query }
    }
}

/// How the name of a header, which is in lower case, is spelled in an event. With AWS it is as the
/// client wrote it. That is not known here; but the usual clients of HTTP/1.1 write the headers that
/// they set by themselves with capitals, and of HTTP/2 there are none. An HTTP API does this with a
/// few of its own.
#[must_use]
pub fn spelling(name: &str, protocol: &str, maker: Maker) -> Cow<'static, str> {
    const ALWAYS: [&str; 3] = ["content-length", "host", "user-agent"];
    const BY_CLIENTS: [&str; 19] = [
        "accept",
        "accept-encoding",
        "accept-language",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-language",
        "content-type",
        "cookie",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "origin",
        "pragma",
        "range",
        "referer",
        "via",
    ];
    let is_capital = match maker {
        Maker::Http => ALWAYS.contains(&name),
        Maker::Rest => {
            name == "host"
                || (protocol == "HTTP/1.1"
                    && (ALWAYS.contains(&name) || BY_CLIENTS.contains(&name)))
        }
    };
    if !is_capital {
        return Cow::Owned(name.to_owned());
    }
    let mut begins = true;
    let mut capital = String::with_capacity(name.len());
    for letter in name.chars() {
        capital.push(if begins { letter.to_ascii_uppercase() } else { letter });
        begins = letter == '-';
    }
    Cow::Owned(capital)
}

fn request_context<'a>(request: &'a Request, context: &Context<'a>) -> RequestContext<'a> {
    let host = request.host.as_str();
    RequestContext {
        resource_id: context.resource_id,
        authorizer: context.authorizer,
        resource_path: context.resource,
        operation_name: context.operation_name,
        http_method: &request.method,
        extended_request_id: extended_id(request),
        request_time: request_time(request.time),
        path: context.context_path,
        account_id: context.account,
        protocol: request.protocol,
        stage: context.stage,
        domain_prefix: host.split_once('.').map_or(host, |(first, _)| first),
        request_time_epoch: request.time.0,
        request_id: request.id.to_string(),
        identity: Identity {
            cognito_identity_pool_id: (),
            account_id: (),
            cognito_identity_id: (),
            caller: (),
            source_ip: request.from.to_string(),
            principal_org_id: (),
            access_key: (),
            cognito_authentication_type: (),
            cognito_authentication_provider: (),
            user_arn: (),
            user_agent: request.header("user-agent"),
            user: (),
            api_key: context.api_key.map(|key| key.value),
            api_key_id: context.api_key.map(|key| key.id),
        },
        domain_name: host,
        deployment_id: context.deployment,
        api_id: context.api,
    }
}

/// The other id that API Gateway gives a request, in its form: a few bytes in base64. It follows
/// from the first, so nobody has to carry it.
#[must_use]
pub fn extended_id(request: &Request) -> String {
    STANDARD.encode(&request.id.0.as_bytes()[..11])
}

fn body(request: &Request, form: BodyForm) -> (Option<Cow<'_, str>>, bool) {
    match form {
        BodyForm::Text if request.body.is_empty() => (None, false),
        BodyForm::Text => (Some(String::from_utf8_lossy(&request.body)), false),
        BodyForm::Base64 if request.body.is_empty() => (None, false),
        BodyForm::Base64 => (Some(Cow::Owned(STANDARD.encode(&request.body))), true),
    }
}

fn last<'a>(pairs: &'a [(Cow<'static, str>, String)]) -> BTreeMap<&'a str, &'a str> {
    pairs.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect()
}

fn all<'a>(pairs: &'a [(Cow<'static, str>, String)]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        all.entry(name.as_ref()).or_default().push(value);
    }
    all
}

/// A map, or `null` for one that is empty.
pub(crate) fn nonempty<T>(map: BTreeMap<&str, T>) -> Option<BTreeMap<&str, T>> {
    (!map.is_empty()).then_some(map)
}

fn path_parameters(parameters: &[(String, String)]) -> Option<BTreeMap<&str, &str>> {
    nonempty(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect())
}

fn stage_variables(variables: &BTreeMap<String, String>) -> Option<&BTreeMap<String, String>> {
    (!variables.is_empty()).then_some(variables)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;
    use hearth_types::ids::RequestId;
    use hearth_types::time::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::request::Scheme;

    fn request() -> Request {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Request {
            id: RequestId::parse("c6af9ac6-7b61-41e6-9a41-93e8deadbeef").unwrap(),
            time: Timestamp(1_795_404_035_123),
            method: "GET".to_owned(),
            scheme: Scheme::Https,
            protocol: "HTTP/1.1",
            host: "abc.execute-api.us-east-1.localhost".to_owned(),
            port: 443,
            path: "/prod/pets/a%20b".to_owned(),
            query: "a=1&a=2+3&b&c=%26".to_owned(),
            headers: vec![
                header("host", "abc.execute-api.us-east-1.localhost"),
                header("user-agent", "curl/8"),
                header("x-two", "1"),
                header("x-two", "2"),
                header("x-forwarded-for", "10.0.0.9"),
            ],
            body: Bytes::new(),
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    fn context<'a>(
        parameters: &'a [(String, String)],
        variables: &'a BTreeMap<String, String>,
    ) -> Context<'a> {
        Context {
            maker: Maker::Rest,
            account: "000000000000",
            api: "abc",
            stage: "prod",
            stage_variables: variables,
            deployment: Some("d1"),
            resource: "/pets/{id}",
            resource_id: Some("r1"),
            operation_name: None,
            path: "/pets/a%20b",
            context_path: "/prod/pets/a%20b",
            path_parameters: parameters,
            authorizer: None,
            api_key: None,
            trace: Some("Root=1-1-1"),
            body: BodyForm::Text,
        }
    }

    fn read(event: &[u8]) -> Value {
        serde_json::from_slice(event).unwrap()
    }

    #[test]
    fn a_request_becomes_the_event_of_a_rest_api() {
        let parameters = [("id".to_owned(), "a b".to_owned())];
        let variables = BTreeMap::new();
        let event = read(&event(&request(), &context(&parameters, &variables)));
        let expected = json!({
            "resource": "/pets/{id}",
            "path": "/pets/a%20b",
            "httpMethod": "GET",
            "headers": {
                "Host": "abc.execute-api.us-east-1.localhost",
                "User-Agent": "curl/8",
                "x-two": "2",
                "X-Amzn-Trace-Id": "Root=1-1-1",
                "X-Forwarded-For": "10.0.0.9",
                "X-Forwarded-Port": "443",
                "X-Forwarded-Proto": "https",
            },
            "multiValueHeaders": {
                "Host": ["abc.execute-api.us-east-1.localhost"],
                "User-Agent": ["curl/8"],
                "x-two": ["1", "2"],
                "X-Amzn-Trace-Id": ["Root=1-1-1"],
                "X-Forwarded-For": ["10.0.0.9"],
                "X-Forwarded-Port": ["443"],
                "X-Forwarded-Proto": ["https"],
            },
            "queryStringParameters": { "a": "2 3", "b": "", "c": "&" },
            "multiValueQueryStringParameters": { "a": ["1", "2 3"], "b": [""], "c": ["&"] },
            "pathParameters": { "id": "a b" },
            "stageVariables": null,
            "requestContext": {
                "resourceId": "r1",
                "resourcePath": "/pets/{id}",
                "httpMethod": "GET",
                "extendedRequestId": "xq+axnthQeaaQZM=",
                "requestTime": "23/Nov/2026:03:20:35 +0000",
                "path": "/prod/pets/a%20b",
                "accountId": "000000000000",
                "protocol": "HTTP/1.1",
                "stage": "prod",
                "domainPrefix": "abc",
                "requestTimeEpoch": 1_795_404_035_123_u64,
                "requestId": "c6af9ac6-7b61-41e6-9a41-93e8deadbeef",
                "identity": {
                    "cognitoIdentityPoolId": null,
                    "accountId": null,
                    "cognitoIdentityId": null,
                    "caller": null,
                    "sourceIp": "127.0.0.1",
                    "principalOrgId": null,
                    "accessKey": null,
                    "cognitoAuthenticationType": null,
                    "cognitoAuthenticationProvider": null,
                    "userArn": null,
                    "userAgent": "curl/8",
                    "user": null,
                },
                "domainName": "abc.execute-api.us-east-1.localhost",
                "deploymentId": "d1",
                "apiId": "abc",
            },
            "body": null,
            "isBase64Encoded": false,
        });
        assert_eq!(event, expected);
    }

    #[test]
    fn an_http_api_says_which_version_it_is() {
        let variables = [("v".to_owned(), "1".to_owned())].into();
        let mut context = context(&[], &variables);
        context.maker = Maker::Http;
        context.resource_id = None;
        context.deployment = None;
        let said: Map<String, Value> =
            [("principalId".to_owned(), json!("me"))].into_iter().collect();
        context.authorizer = Some(&said);
        let event = read(&event(&request(), &context));
        assert_eq!(event["version"], "1.0");
        assert_eq!(event["stageVariables"], json!({ "v": "1" }));
        assert_eq!(event["pathParameters"], Value::Null);
        assert_eq!(event["requestContext"]["resourceId"], Value::Null);
        assert!(event["requestContext"].get("deploymentId").is_none());
        assert_eq!(event["requestContext"]["authorizer"], json!({ "principalId": "me" }));
    }

    #[test]
    fn bodies() {
        #[rustfmt::skip]
        let rows: [(&[u8], BodyForm, Value, bool); 5] = [
            (b"",           BodyForm::Text,   Value::Null,             false),
            (b"",           BodyForm::Base64, Value::Null,             false),
            (b"{}",         BodyForm::Text,   json!("{}"),             false),
            (b"\xff\x00",   BodyForm::Base64, json!("/wA="),           true),
            (b"a\xff",      BodyForm::Text,   json!("a\u{fffd}"),      false),
        ];
        let variables = BTreeMap::new();
        for (bytes, form, text, is_base64) in rows {
            let mut context = context(&[], &variables);
            context.body = form;
            let request = Request { body: Bytes::copy_from_slice(bytes), ..request() };
            let event = read(&event(&request, &context));
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&text, &json!(is_base64)));
        }
    }

    #[test]
    fn an_authorizer_is_shown_the_request_without_its_body() {
        let variables = BTreeMap::new();
        let request = Request { query: String::new(), ..request() };
        let event = read(&authorizer_event(&request, &context(&[], &variables), "arn"));
        assert_eq!(event["type"], "REQUEST");
        assert_eq!(event["methodArn"], "arn");
        assert_eq!(event["queryStringParameters"], json!({}));
        assert_eq!(event["stageVariables"], json!({}));
        assert_eq!(event["requestContext"]["stage"], "prod");
        assert!(event.get("body").is_none());
    }

    #[test]
    fn how_headers_are_spelled() {
        #[rustfmt::skip]
        let rows = [
            ("content-type",   "HTTP/1.1", Maker::Rest, "Content-Type"),
            ("content-type",   "HTTP/2.0", Maker::Rest, "content-type"),
            ("host",           "HTTP/2.0", Maker::Rest, "Host"),
            ("x-own",          "HTTP/1.1", Maker::Rest, "x-own"),
            ("accept",         "HTTP/1.1", Maker::Http, "accept"),
            ("user-agent",     "HTTP/1.1", Maker::Http, "User-Agent"),
        ];
        for (name, protocol, maker, expected) in rows {
            assert_eq!(spelling(name, protocol, maker), expected, "{name} {protocol}");
        }
    }
}
