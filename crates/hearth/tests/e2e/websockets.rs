//! WebSocket APIs: as the guide uses them, and what the server does with connections when it stops.
//! What functions and clients are told is in `tests/clients/api/websockets.py`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::run_guide;
use crate::functions::behaves;
use crate::harness::{Place, Server};
use crate::http::Request;

#[test]
fn the_commands_of_the_guide_to_websocket_apis_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "websocket-apis");
    for expected in ["hello Ada\n", "not let in\n", "\"sourceIp\"", "news from outside\n", "gone\n"]
    {
        let there = said.to_lowercase().contains(&expected.to_lowercase());
        assert!(there, "{expected} in {said}");
    }
}

/// Sends a request of API Gateway's second version, and reads a member of what is made.
fn made(server: &Server, path: &str, body: &Value, member: &str) -> String {
    let answer = server.send(&Request::new("POST", path).json(body));
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()[member].as_str().unwrap_or_default().to_owned()
}

/// An API whose connections nobody is asked about. Returns its id.
fn api(server: &Server) -> String {
    let api = json!({
        "name": "t",
        "protocolType": "WEBSOCKET",
        "routeSelectionExpression": "$request.body.action",
    });
    let id = made(server, "/v2/apis", &api, "apiId");
    let below = |path: &str| format!("/v2/apis/{id}/{path}");
    server.create("talks", &behaves(), json!({}));
    let function = "arn:aws:lambda:us-east-1:000000000000:function:talks";
    let integration = json!({ "integrationType": "AWS_PROXY", "integrationUri": function });
    let integration = made(server, &below("integrations"), &integration, "integrationId");
    let route = json!({ "routeKey": "$default", "target": format!("integrations/{integration}") });
    made(server, &below("routes"), &route, "routeId");
    let stage = json!({ "stageName": "prod", "autoDeploy": true });
    made(server, &below("stages"), &stage, "stageName");
    id
}

/// Opens a connection without any client. Returns its stream behind the answer to the handshake.
fn open(address: SocketAddr, api: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it is a socket");
    let handshake = format!(
        "GET /_hearth/sites/socket/{api}/prod HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(handshake.as_bytes()).expect("it can be written to");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    stream
}

#[test]
fn a_server_that_stops_says_goodbye_to_every_connection() {
    let server = Server::start();
    let api = api(&server);
    let mut streams: Vec<TcpStream> = (0..3).map(|_| open(server.address, &api)).collect();
    let (status, _place) = server.stop();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    for stream in &mut streams {
        let mut said = Vec::new();
        stream.read_to_end(&mut said).expect("the server closes");
        // A frame that closes, with 12 bytes: 1001, and why.
        assert_eq!(said, b"\x88\x0c\x03\xe9Going away");
    }
}

#[test]
fn where_functions_alone_are_served_connections_can_only_be_opened() {
    let server = Server::start_set(Place::new(), &["http=127.0.0.1:0"]);
    let api = api(&server);
    let said = server.said();
    let address = said.strip_prefix("hearth: functions alone at http://");
    let address: SocketAddr = address.and_then(|text| text.parse().ok()).expect("it says where");
    let _open = open(address, &api);
    for (path, expected) in [
        (format!("/_hearth/sites/socket/{api}/prod/@connections/L0SM9cOFvHcCIhw%3D"), "403"),
        ("/@connections/L0SM9cOFvHcCIhw%3D".to_owned(), "404"),
        (format!("/_hearth/sites/socket/{api}/prod"), "426"),
    ] {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it can be written to");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{path}: {answer}");
    }
}
