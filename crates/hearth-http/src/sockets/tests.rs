//! How a message finds its route, and what functions are told.

use hearth_types::names::{AccountId, Region, Scope};
use serde_json::{Value, json};

use super::event::{self, Happening};
use super::scene::Scene;
use super::*;
use crate::apis::edit::api::ApiChange;
use crate::apis::edit::route::RouteChange;
use crate::apis::edit::stage::StageChange;
use crate::apis::record::{Api, Protocol};
use crate::event::tests::request;
use crate::request::Request;

fn scene(keys: &[&str]) -> Scene {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    let change = ApiChange {
        name: Some("t".to_owned()),
        route_selection: Some("$request.body.action".to_owned()),
        ..ApiChange::default()
    };
    let mut api = Api::new(&scope, Protocol::WebSocket, change, Timestamp(1)).unwrap();
    "abc".clone_into(&mut api.id);
    for key in keys {
        let change = RouteChange { key: Some((*key).to_owned()), ..RouteChange::default() };
        api.create_route(change).unwrap();
    }
    let variables = [("color".to_owned(), "blue".to_owned())].into();
    let change = StageChange { variables: Some(variables), ..StageChange::default() };
    api.create_stage("prod", change, Timestamp(1)).unwrap();
    let snapshot = Arc::new(api.snapshot("d"));
    Scene { api: Arc::new(api), stage: "prod".to_owned(), snapshot }
}

fn handshake() -> Request {
    let headers = [
        ("host", "abc.execute-api.us-east-1.localhost:4566"),
        ("user-agent", "tests"),
        ("sec-websocket-key", "k"),
        ("x-two", "1"),
        ("x-two", "2"),
        ("x-forwarded-for", "127.0.0.1"),
    ];
    let mut request = request("GET", "/prod?a=1&a=2", &headers);
    "abc.execute-api.us-east-1.localhost".clone_into(&mut request.host);
    request
}

/// What is told of something that happens on a connection.
fn told(tell: impl FnOnce(&Happening<'_>, &Request) -> Bytes) -> Value {
    let (scene, request) = (scene(&["$connect", "send"]), handshake());
    let mut connection = Connection::of(&request, ("abc", "prod"), &Arc::default());
    "L0SM9cOFvHcCIhw=".clone_into(&mut connection.id);
    let happening = Happening {
        scene: &scene,
        connection: &connection,
        request_id: "L0SM9HKfvHcFxVA=",
        now: request.time.plus_millis(5),
    };
    serde_json::from_slice(&tell(&happening, &request)).unwrap()
}

/// What every event says of its connection.
fn context(route_key: &str, event_type: &str) -> Value {
    json!({
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": "L0SM9HKfvHcFxVA=",
        "requestTime": "23/Nov/2026:03:20:35 +0000",
        "messageDirection": "IN",
        "stage": "prod",
        "connectedAt": 1_795_404_035_123_u64,
        "requestTimeEpoch": 1_795_404_035_128_u64,
        "identity": { "userAgent": "tests", "sourceIp": "127.0.0.1" },
        "requestId": "L0SM9HKfvHcFxVA=",
        "domainName": "abc.execute-api.us-east-1.localhost",
        "connectionId": "L0SM9cOFvHcCIhw=",
        "apiId": "abc",
    })
}

#[test]
fn a_message_finds_its_route() {
    let all = scene(&["$connect", "$disconnect", "$default", "send"]);
    let few = scene(&["$connect", "send"]);
    #[rustfmt::skip]
    let rows = [
        (r#"{"action": "send"}"#,     Some("send"),     Some("send")),
        (r#"{"action": "other"}"#,    Some("$default"), None),
        (r#"{"action": "$connect"}"#, Some("$default"), None),
        ("no JSON",                   Some("$default"), None),
    ];
    for (message, of_all, of_few) in rows {
        let key = |scene: &Scene| scene.route_of(message).map(|route| route.key.clone());
        assert_eq!(key(&all).as_deref(), of_all, "{message}");
        assert_eq!(key(&few).as_deref(), of_few, "{message}");
    }
    let arn = "arn:aws:execute-api:us-east-1:000000000000:abc/prod/send";
    assert_eq!(all.route_arn("send"), arn);
}

#[test]
fn a_handshake_is_told() {
    let event = told(event::connect);
    let expected = json!({
        "headers": {
            "Host": "abc.execute-api.us-east-1.localhost:4566",
            "Sec-WebSocket-Key": "k",
            "User-Agent": "tests",
            "X-Forwarded-For": "127.0.0.1",
            "x-two": "2",
        },
        "multiValueHeaders": {
            "Host": ["abc.execute-api.us-east-1.localhost:4566"],
            "Sec-WebSocket-Key": ["k"],
            "User-Agent": ["tests"],
            "X-Forwarded-For": ["127.0.0.1"],
            "x-two": ["1", "2"],
        },
        "queryStringParameters": { "a": "2" },
        "multiValueQueryStringParameters": { "a": ["1", "2"] },
        "stageVariables": { "color": "blue" },
        "requestContext": context("$connect", "CONNECT"),
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);

    let event = told(|happening, request| event::authorizer(happening, request, "arn"));
    assert_eq!((&event["type"], &event["methodArn"]), (&json!("REQUEST"), &json!("arn")));
    assert_eq!(event["requestContext"], context("$connect", "CONNECT"));
    assert_eq!(event["queryStringParameters"], json!({ "a": "2" }));
}

#[test]
fn a_message_is_told() {
    let mut event = told(|happening, _| event::message(happening, "send", "{}"));
    let id = event["requestContext"].as_object_mut().unwrap().remove("messageId").unwrap();
    assert!(id::is_one(id.as_str().unwrap()), "{id}");
    let expected = json!({
        "stageVariables": { "color": "blue" },
        "requestContext": context("send", "MESSAGE"),
        "body": "{}",
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
}

#[test]
fn an_end_is_told() {
    let event = told(|happening, _| event::disconnect(happening, &Closing::NOTHING_SAID));
    let mut about = context("$disconnect", "DISCONNECT");
    about["disconnectStatusCode"] = json!(1005);
    about["disconnectReason"] = json!("Client-side close frame status not set");
    assert_eq!(event["requestContext"], about);
    let host = "abc.execute-api.us-east-1.localhost";
    let headers = json!({ "Host": host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": "" });
    assert_eq!(event["headers"], headers);
    assert_eq!(event["multiValueHeaders"]["Host"], json!([host]));
}
