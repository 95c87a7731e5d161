//! How a request finds its stage, and what functions are told of it.

use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;
use serde_json::{Value, json};

use super::mapping::Known as _;
use super::*;
use crate::event::tests::request;
use crate::rest::edit::api::NewApi;
use crate::rest::edit::method::NewMethod;
use crate::rest::edit::stage::NewStage;

fn api() -> RestApi {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let new = NewApi {
        name: "pets".to_owned(),
        binary_types: vec!["image/png".to_owned()],
        ..NewApi::default()
    };
    let mut api = RestApi::new(&scope, new, Timestamp(1)).unwrap();
    "abc".clone_into(&mut api.id);
    let resource = api.resource_at("/pets/{id}").unwrap().id.clone();
    let method = NewMethod { authorization: "NONE".to_owned(), ..NewMethod::default() };
    api.put_method((&resource, "ANY"), method).unwrap();
    let mock = crate::rest::edit::integration::NewIntegration {
        kind: "MOCK".to_owned(),
        ..crate::rest::edit::integration::NewIntegration::default()
    };
    api.put_integration((&resource, "ANY"), mock).unwrap();
    let deployment = api.create_deployment(None, Timestamp(1)).unwrap().id;
    let variables = [("color".to_owned(), "blue".to_owned())].into();
    let stage = NewStage { name: "prod".to_owned(), deployment, variables, ..NewStage::default() };
    api.create_stage(stage, Timestamp(1)).unwrap();
    api
}

/// What is found out on the way of a request to `/prod/pets/7?a=1&a=2`, handed to `look`.
fn passing<T>(
    (method, headers): (&str, &[(&str, &str)]),
    look: impl FnOnce(&Passing<'_>) -> T,
) -> T {
    let api = api();
    let snapshot = api.snapshot("d");
    let mut request = request(method, "/prod/pets/7?a=1&a=2", headers);
    "abc.execute-api.us-east-1.localhost".clone_into(&mut request.host);
    request.body = Bytes::from_static(b"\x00");
    let (stage, path) = cut_stage(&request.path);
    let found = routing::find(&snapshot.resources, method, path).unwrap();
    let stage = &api.stages[stage];
    look(&Passing { api: &api, stage, snapshot: &snapshot, found, path, request: &request })
}

#[test]
fn a_path_begins_with_a_stage() {
    #[rustfmt::skip]
    let rows = [
        ("/prod/a/b", ("prod", "/a/b")),
        ("/prod/",    ("prod", "/")),
        ("/prod",     ("prod", "/")),
        ("/",         ("", "/")),
    ];
    for (path, expected) in rows {
        assert_eq!(cut_stage(path), expected, "{path}");
    }
}

#[test]
fn the_old_form_of_paths_is_known() {
    #[rustfmt::skip]
    let rows = [
        ("/restapis/abc/prod/_user_request_/a/b", Some(("abc", "/prod/a/b"))),
        ("/restapis/abc/prod/_user_request_",     Some(("abc", "/prod"))),
        ("/restapis/abc/prod/_user_request_x",    None),
        ("/restapis/abc/stages/prod",             None),
        ("/restapis/abc/resources/x/methods/_user_request_/a", None),
    ];
    for (path, expected) in rows {
        let expected =
            expected.map(|(id, path)| Place { id: id.to_owned(), path: path.to_owned() });
        assert_eq!(by_old_path(path), expected, "{path}");
    }
}

#[test]
fn an_event_tells_the_method() {
    let said = json!({ "principalId": "me" }).as_object().unwrap().clone();
    let client = Client {
        authorizer: Some(said),
        usage_key: None,
        key: Some(("k".to_owned(), "value".to_owned())),
    };
    let event = passing(("PUT", &[("content-type", "image/png")]), |passing| {
        assert_eq!(
            passing.method_arn(),
            "arn:aws:execute-api:us-east-1:000000000000:abc/prod/PUT/pets/7"
        );
        assert_eq!(
            passing.source_arn(),
            "arn:aws:execute-api:us-east-1:000000000000:abc/prod/PUT/pets/{id}"
        );
        passing.event(&client)
    });
    let event: Value = serde_json::from_slice(&event).unwrap();
    assert_eq!((&event["resource"], &event["path"]), (&json!("/pets/{id}"), &json!("/pets/7")));
    assert_eq!(event["requestContext"]["path"], "/prod/pets/7");
    assert_eq!(event["requestContext"]["stage"], "prod");
    assert_eq!(event["requestContext"]["deploymentId"], "d");
    assert_eq!(event["requestContext"]["authorizer"], json!({ "principalId": "me" }));
    assert_eq!(event["requestContext"]["identity"]["apiKeyId"], "k");
    assert_eq!(event["stageVariables"], json!({ "color": "blue" }));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("AA=="), &json!(true)));
    assert!(event.get("version").is_none());
}

#[test]
fn an_authorizer_is_told_by_what_it_is_asked() {
    let (token, whole) = passing(("GET", &[("authorization", "abc")]), |passing| {
        (passing.token_event("abc"), passing.request_event())
    });
    let arn = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/GET/pets/7";
    let token: Value = serde_json::from_slice(&token).unwrap();
    let expected = json!({ "type": "TOKEN", "authorizationToken": "abc", "methodArn": arn });
    assert_eq!(token, expected);
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!((&whole["type"], &whole["methodArn"]), (&json!("REQUEST"), &json!(arn)));
    assert_eq!(whole["headers"]["Authorization"], "abc");
}

#[test]
fn what_is_known_of_a_request() {
    let client = Client::default();
    passing(("GET", &[("x-one", "1")]), |passing| {
        let told = Told(passing, &client);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(told.header("X-One"), text("1"));
        assert_eq!(told.query("a"), text("2"));
        assert_eq!(told.path("id"), text("7"));
        assert_eq!(told.variable("color"), text("blue"));
        assert_eq!(told.context("identity.sourceIp"), text("127.0.0.1"));
        assert_eq!(told.context("resourcePath"), text("/pets/{id}"));
        assert_eq!(told.context("authorizer.a"), None);
        assert_eq!(told.context("nothing"), None);
    });
}
