//! What may be done to an API, and what may not.

use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;

use super::api::{ApiChange, Quick};
use super::authorizer::AuthorizerChange;
use super::integration::IntegrationChange;
use super::route::RouteChange;
use super::stage::StageChange;
use crate::apis::error::ApiError;
use crate::apis::record::{
    Api, Authorization, AuthorizerKind, Cors, IntegrationKind, Jwt, PayloadFormat, Protocol,
    RouteSettings,
};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const NOW: Timestamp = Timestamp(5);

fn api(protocol: Protocol) -> Api {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let route_selection = match protocol {
        Protocol::Http => None,
        Protocol::WebSocket => Some("$request.body.action".to_owned()),
    };
    let name = Some("pets".to_owned());
    let change = ApiChange { name, route_selection, ..ApiChange::default() };
    Api::new(&scope, protocol, change, NOW).unwrap()
}

fn function() -> IntegrationChange {
    IntegrationChange {
        kind: Some(IntegrationKind::AwsProxy),
        uri: Some(FUNCTION.to_owned()),
        payload_format: Some(PayloadFormat::Two),
        ..IntegrationChange::default()
    }
}

fn endpoint(uri: &str) -> IntegrationChange {
    IntegrationChange {
        kind: Some(IntegrationKind::HttpProxy),
        uri: Some(uri.to_owned()),
        method: Some("GET".to_owned()),
        ..IntegrationChange::default()
    }
}

fn key(text: &str) -> RouteChange {
    RouteChange { key: Some(text.to_owned()), ..RouteChange::default() }
}

fn request() -> AuthorizerChange {
    AuthorizerChange {
        name: Some("asks".to_owned()),
        kind: Some(AuthorizerKind::Request),
        identity_sources: Some(vec!["$request.header.Authorization".to_owned()]),
        uri: Some(FUNCTION.to_owned()),
        payload_format: Some(PayloadFormat::Two),
        ..AuthorizerChange::default()
    }
}

fn jwt(issuer: &str) -> AuthorizerChange {
    AuthorizerChange {
        name: Some("tokens".to_owned()),
        kind: Some(AuthorizerKind::Jwt),
        identity_sources: Some(vec!["$request.header.Authorization".to_owned()]),
        jwt: Some(Jwt { issuer: issuer.to_owned(), audience: vec!["me".to_owned()] }),
        ..AuthorizerChange::default()
    }
}

/// What is said about a change that is refused.
fn refused<T>(result: Result<T, ApiError>) -> String {
    result.err().expect("it is refused").to_string()
}

#[test]
fn quick_create_makes_what_answers_at_once() {
    let mut api = api(Protocol::Http);
    let quick = Quick { target: Some(FUNCTION.to_owned()), ..Quick::default() };
    api.quick_create(quick, NOW).unwrap();
    let route = api.routes.values().next().unwrap();
    assert_eq!((route.key.as_str(), route.managed), ("$default", true));
    let integration = &api.integrations[route.integration.as_deref().unwrap()];
    assert_eq!(integration.payload_format, PayloadFormat::Two);
    assert_eq!(integration.timeout_millis, 30_000);
    assert!(api.stages["$default"].auto_deploy);

    let other = Quick { target: Some("http://example.com".to_owned()), ..Quick::default() };
    api.quick_update(other).unwrap();
    let integration = api.integrations.values().next().unwrap();
    assert_eq!(integration.kind, IntegrationKind::HttpProxy);
    let back = Quick { target: Some(FUNCTION.to_owned()), ..Quick::default() };
    api.quick_update(back.clone()).unwrap();
    api.routes.clear();
    refused(api.quick_update(back));
}

#[test]
fn a_route_key_is_taken_once() {
    let mut api = api(Protocol::Http);
    api.create_route(key("GET /pets/{id}")).unwrap();
    let other = api.create_route(key("ANY /pets/{id}")).unwrap();
    let text = refused(api.create_route(key("GET /pets/{name}")));
    assert_eq!(text, "Route with key GET /pets/{name} already exists for this API");
    api.update_route(&other.id, key("ANY /pets/{other}")).unwrap();
    let text = refused(api.create_route(key("$connect")));
    assert!(text.contains("not formatted properly for HTTP protocol"), "{text}");
}

#[test]
fn a_websocket_api_has_keys_of_its_own() {
    let mut api = api(Protocol::WebSocket);
    for text in ["$connect", "$disconnect", "$default", "join", "GET /a"] {
        api.create_route(key(text)).unwrap();
    }
    for text in ["$other", "", "join"] {
        api.create_route(key(text)).unwrap_err();
    }
    let join = api.routes.values().find(|route| route.key == "join").unwrap().id.clone();
    let response = api.create_response(&join, "$default").unwrap();
    refused(api.create_response(&join, "$default"));
    refused(api.create_response(&join, "other"));
    api.delete_response(&join, &response.id).unwrap();
    refused(api.delete_response(&join, &response.id));
}

#[test]
fn integrations_that_cannot_be_are_refused() {
    let mut http = api(Protocol::Http);
    let mut socket = api(Protocol::WebSocket);
    let one = PayloadFormat::One;
    #[rustfmt::skip]
    let rows = [
        (IntegrationChange { uri: Some("f".to_owned()), ..function() },                "Invalid function ARN"),
        (IntegrationChange { method: Some("GET".to_owned()), ..function() },           "has to be POST"),
        (IntegrationChange { timeout_millis: Some(30_001), ..function() },             "Timeout should be between 50 ms and 30000 ms"),
        (IntegrationChange { timeout_millis: Some(49), ..function() },                 "Timeout should be"),
        (IntegrationChange { credentials: Some("me".to_owned()), ..function() },       "Invalid ARN"),
        (IntegrationChange { credentials: Some("arn:aws:iam::*:user/*".to_owned()), ..function() }, "Hearth does not support"),
        (endpoint("example.com"),                                                      "Invalid HTTP endpoint"),
        (IntegrationChange { method: None, ..endpoint("http://example.com") },         "HTTP method is required"),
        (IntegrationChange { payload_format: Some(PayloadFormat::Two), ..endpoint("http://example.com") }, "has to be 1.0"),
        (IntegrationChange { kind: None, ..function() },                               "IntegrationType is a required"),
    ];
    for (change, expected) in rows {
        let text = refused(http.create_integration(change));
        assert!(text.contains(expected), "{text}");
    }
    let made = http.create_integration(function()).unwrap();
    assert_eq!(made.method.as_deref(), Some("POST"));
    http.create_integration(endpoint("https://example.com/{proxy}/${stageVariables.v}")).unwrap();
    refused(socket.create_integration(endpoint("http://example.com")));
    refused(socket.create_integration(function()));
    let made = IntegrationChange { payload_format: Some(one), ..function() };
    assert_eq!(socket.create_integration(made).unwrap().timeout_millis, 29_000);
}

#[test]
fn what_is_used_cannot_be_deleted() {
    let mut api = api(Protocol::Http);
    let integration = api.create_integration(function()).unwrap().id;
    let authorizer = api.create_authorizer(request()).unwrap().id;
    let route = RouteChange {
        target: Some(format!("integrations/{integration}")),
        authorization: Some(Authorization::Custom),
        authorizer: Some(authorizer.clone()),
        ..key("GET /")
    };
    let route = api.create_route(route).unwrap();
    assert!(refused(api.delete_integration(&integration)).contains("used by Route"));
    assert!(refused(api.delete_authorizer(&authorizer)).contains("is referenced in route: GET /"));

    let open = RouteChange { authorization: Some(Authorization::None), ..RouteChange::default() };
    assert_eq!(api.update_route(&route.id, open).unwrap().authorizer, None);
    api.delete_authorizer(&authorizer).unwrap();
    api.delete_route(&route.id).unwrap();
    api.delete_integration(&integration).unwrap();
    refused(api.delete_integration(&integration));
}

#[test]
fn an_authorization_has_its_own_kind_of_authorizer() {
    let mut api = api(Protocol::Http);
    let asks = api.create_authorizer(request()).unwrap().id;
    let tokens = api.create_authorizer(jwt("https://issuer.example")).unwrap().id;
    let route = |authorization, authorizer: Option<&String>, scopes: &[&str]| RouteChange {
        authorization: Some(authorization),
        authorizer: authorizer.cloned(),
        scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        ..key("GET /")
    };
    for wrong in [
        route(Authorization::Jwt, Some(&asks), &[]),
        route(Authorization::Custom, Some(&tokens), &[]),
        route(Authorization::Custom, Some(&asks), &["read"]),
        route(Authorization::Jwt, None, &[]),
    ] {
        refused(api.create_route(wrong));
    }
    let made = api.create_route(route(Authorization::Jwt, Some(&tokens), &["read"])).unwrap();
    assert_eq!(made.scopes, ["read"]);
}

#[test]
fn authorizers_that_cannot_be_are_refused() {
    let mut api = api(Protocol::Http);
    let sources = |sources: &[&str]| Some(sources.iter().map(|one| (*one).to_owned()).collect());
    let one = Some(PayloadFormat::One);
    #[rustfmt::skip]
    let rows = [
        (jwt("http://issuer.example"),                                             "Invalid issuer"),
        (jwt("issuer"),                                                            "Invalid issuer"),
        (AuthorizerChange { jwt: None, ..jwt("https://a") },                       "JwtConfiguration is a required"),
        (AuthorizerChange { identity_sources: sources(&[]), ..jwt("https://a") },  "exactly one entry"),
        (AuthorizerChange { identity_sources: sources(&["Authorization"]), ..jwt("https://a") }, "Invalid identity source"),
        (AuthorizerChange { simple_responses: Some(true), ..jwt("https://a") },    "only supported for REQUEST"),
        (AuthorizerChange { payload_format: None, ..request() },                   "is a required parameter for REQUEST"),
        (AuthorizerChange { payload_format: one, simple_responses: Some(true), ..request() }, "2.0"),
        (AuthorizerChange { ttl_seconds: Some(3_601), ..request() },               "between 0 and 3600"),
        (AuthorizerChange { identity_sources: sources(&[]), ..request() },         "Identity sources are required"),
        (AuthorizerChange { uri: None, ..request() },                              "Invalid Authorizer URI"),
    ];
    for (change, expected) in rows {
        let text = refused(api.create_authorizer(change));
        assert!(text.contains(expected), "{text}");
    }
    api.create_authorizer(jwt("http://127.0.0.1:8080/issuer")).unwrap();
    assert_eq!(api.create_authorizer(request()).unwrap().ttl_seconds, 300);
    assert!(refused(api.create_authorizer(request())).contains("already exists"));
}

#[test]
fn stages_that_cannot_be_are_refused() {
    let mut api = api(Protocol::Http);
    let stage = StageChange::default;
    for name in ["a b", "", "$other"] {
        refused(api.create_stage(name, stage(), NOW));
    }
    api.create_stage("$default", stage(), NOW).unwrap();
    assert_eq!(refused(api.create_stage("$default", stage(), NOW)), "Stage already exists");
    let variables = |name: &str, value: &str| Some([(name.to_owned(), value.to_owned())].into());
    for wrong in [
        StageChange { variables: variables("a-b", "1"), ..stage() },
        StageChange { variables: variables("a", "{}"), ..stage() },
        StageChange { deployment: Some("none".to_owned()), ..stage() },
        StageChange {
            route_settings: Some([("GET /".to_owned(), RouteSettings::default())].into()),
            ..stage()
        },
        StageChange {
            default_settings: Some(RouteSettings { rate: Some(-1.0), ..RouteSettings::default() }),
            ..stage()
        },
    ] {
        refused(api.create_stage("v1", wrong, NOW));
    }
}

#[test]
fn a_deployment_that_is_served_stays() {
    let mut api = api(Protocol::Http);
    assert_eq!(refused(api.create_deployment(None, None, NOW)), crate::apis::NO_ROUTES);
    api.create_route(key("GET /")).unwrap();
    api.create_stage("v1", StageChange::default(), NOW).unwrap();
    let made = api.create_deployment(None, Some("v1"), NOW).unwrap();
    assert!(refused(api.delete_deployment(&made.id)).contains("must be moved or deleted"));
    let auto = StageChange { auto_deploy: Some(true), ..StageChange::default() };
    api.update_stage("v1", auto, NOW).unwrap();
    assert!(refused(api.create_deployment(None, Some("v1"), NOW)).contains("AutoDeploy"));
}

#[test]
fn what_browsers_are_told_is_checked() {
    let mut api = api(Protocol::Http);
    let cors = |origins: &[&str], allow_credentials| ApiChange {
        cors: Some(Cors {
            allow_origins: Some(origins.iter().map(|one| (*one).to_owned()).collect()),
            allow_credentials,
            ..Cors::default()
        }),
        ..ApiChange::default()
    };
    for wrong in [
        cors(&["example.com"], None),
        cors(&["https://example.com/a"], None),
        cors(&["*"], Some(true)),
    ] {
        refused(api.set(wrong));
    }
    api.set(cors(&["https://example.com", "http://localhost:3000"], Some(true))).unwrap();
    api.set(cors(&["*"], None)).unwrap();
}
