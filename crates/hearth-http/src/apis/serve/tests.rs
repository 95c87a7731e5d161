//! How a request finds its stage, and what functions and endpoints are told of it.

use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;
use serde_json::{Value, json};

use super::passing::Caller;
use super::*;
use crate::apis::edit::api::ApiChange;
use crate::apis::edit::integration::IntegrationChange;
use crate::apis::edit::route::RouteChange;
use crate::apis::edit::stage::StageChange;
use crate::event::tests::request;

fn api(stages: &[&str]) -> Api {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let change = ApiChange { name: Some("pets".to_owned()), ..ApiChange::default() };
    let mut api = Api::new(&scope, Protocol::Http, change, Timestamp(1)).unwrap();
    "abc".clone_into(&mut api.id);
    let integration = IntegrationChange {
        kind: Some(IntegrationKind::AwsProxy),
        uri: Some("arn:aws:lambda:us-east-1:000000000000:function:f".to_owned()),
        ..IntegrationChange::default()
    };
    let integration = api.create_integration(integration).unwrap().id;
    let route = RouteChange {
        key: Some("GET /pets/{id}".to_owned()),
        target: Some(format!("integrations/{integration}")),
        ..RouteChange::default()
    };
    api.create_route(route).unwrap();
    for name in stages {
        let variables = [("color".to_owned(), "blue".to_owned())].into();
        let change = StageChange { variables: Some(variables), ..StageChange::default() };
        api.create_stage(name, change, Timestamp(1)).unwrap();
    }
    api
}

/// What is found out on the way of `GET /v1/pets/7`, handed to `look`.
fn passing<T>(headers: &[(&str, &str)], look: impl FnOnce(&Passing<'_>) -> T) -> T {
    let api = api(&["v1"]);
    let snapshot = api.snapshot("d");
    let mut request = request("GET", "/v1/pets/7?a=1&a=2", headers);
    "abc.execute-api.us-east-1.localhost".clone_into(&mut request.host);
    let (route, stage) = (snapshot.routes.values().next().unwrap(), &api.stages["v1"]);
    let variables = vec![("id".to_owned(), "7".to_owned())];
    look(&Passing { api: &api, stage, snapshot: &snapshot, route, variables, request: &request })
}

fn read(event: &[u8]) -> Value {
    serde_json::from_slice(event).unwrap()
}

#[test]
fn a_stage_with_a_name_comes_first() {
    #[rustfmt::skip]
    let rows: &[(&[&str], &str, Option<(&str, &str)>)] = &[
        (&["$default"],       "/pets/7",    Some(("$default", "/pets/7"))),
        (&["$default"],       "/",          Some(("$default", "/"))),
        (&["$default", "v1"], "/v1/pets/7", Some(("v1", "/pets/7"))),
        (&["$default", "v1"], "/v1",        Some(("v1", "/"))),
        (&["$default", "v1"], "/v1/",       Some(("v1", "/"))),
        (&["$default", "v1"], "/v2/pets",   Some(("$default", "/v2/pets"))),
        (&["v1"],             "/pets/7",    None),
        (&["$default"],       "/$default/a", Some(("$default", "/$default/a"))),
    ];
    for (stages, path, expected) in rows {
        let api = api(stages);
        let found = stage_of(&api, path).map(|(stage, below)| (stage.name.as_str(), below));
        assert_eq!(found, *expected, "{stages:?} {path}");
    }
}

#[test]
fn what_a_route_does_not_say_its_stage_says() {
    let mut api = api(&["v1"]);
    let stage = api.stages.get_mut("v1").unwrap();
    stage.default_settings =
        RouteSettings { burst: Some(5), rate: Some(1.0), detailed_metrics: None };
    let own = RouteSettings { burst: Some(9), ..RouteSettings::default() };
    stage.route_settings.insert("GET /".to_owned(), own);
    let of = |key| {
        let settings = settings(&api.stages["v1"], key);
        (settings.burst, settings.rate)
    };
    assert_eq!(of("GET /"), (Some(9), Some(1.0)));
    assert_eq!(of("GET /other"), (Some(5), Some(1.0)));
}

#[test]
fn an_event_of_format_2_tells_the_route() {
    let caller = Caller::Token {
        claims: json!({"sub": "s"}).as_object().unwrap().clone(),
        scopes: json!(["read"]),
    };
    let event = passing(&[("cookie", "a=1")], |passing| read(&passing.event_v2(&caller)));
    assert_eq!(event["routeKey"], "GET /pets/{id}");
    assert_eq!(event["rawPath"], "/v1/pets/7", "the stage is in it");
    assert_eq!(event["pathParameters"], json!({"id": "7"}));
    assert_eq!(event["stageVariables"], json!({"color": "blue"}));
    assert_eq!(event["requestContext"]["stage"], "v1");
    assert_eq!(event["requestContext"]["apiId"], "abc");
    assert_eq!(event["requestContext"]["accountId"], "000000000000");
    let jwt = json!({"jwt": {"claims": {"sub": "s"}, "scopes": ["read"]}});
    assert_eq!(event["requestContext"]["authorizer"], jwt);
    assert_eq!(event["headers"], json!({"content-length": "0"}));
}

#[test]
fn an_event_of_format_1_tells_the_route() {
    let caller = Caller::Known {
        principal: Some("me".to_owned()),
        context: json!({"a": 1}).as_object().unwrap().clone(),
    };
    let event = passing(&[], |passing| read(&passing.event_v1(&caller)));
    assert_eq!((&event["version"], &event["resource"]), (&json!("1.0"), &json!("/pets/{id}")));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"a": ["1", "2"]}));
    assert_eq!(event["requestContext"]["authorizer"], json!({"a": 1, "principalId": "me"}));
    assert_eq!(event["stageVariables"], json!({"color": "blue"}));
}

#[test]
fn an_authorizer_is_told_by_what_it_is_asked() {
    let arn = "arn:aws:execute-api:us-east-1:000000000000:abc/v1/GET/pets/{id}";
    let identities = ["one".to_owned(), "two".to_owned()];
    let (first, second) = passing(&[], |passing| {
        (passing.authorizer_event_v1(&identities), passing.authorizer_event_v2(&identities))
    });
    let (first, second) = (read(&first), read(&second));
    assert_eq!((&first["type"], &first["methodArn"]), (&json!("REQUEST"), &json!(arn)));
    assert_eq!(first["identitySource"], "one,two");
    assert_eq!(first["authorizationToken"], "one,two");
    assert_eq!((&second["type"], &second["routeArn"]), (&json!("REQUEST"), &json!(arn)));
    assert_eq!(second["identitySource"], json!(["one", "two"]));
    assert_eq!((second.get("body"), second.get("isBase64Encoded")), (None, None));
}
