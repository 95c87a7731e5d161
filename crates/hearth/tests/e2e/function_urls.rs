//! Function URLs on the wire: protocols, TLS, the listener for functions alone, clients that misbehave.
//! What URLs answer is in `tests/clients/api/function_urls.py`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

use crate::clients::run_guide;
use crate::functions::{Code, behaves, serves};
use crate::harness::{Place, Server, eventually, skipped};
use crate::http::{Connection, Request, raw};
use crate::languages::{node, node_code};
use crate::{sites, tools};

/// Makes a function with a URL that everybody may call. Returns the name of its host.
fn with_url(server: &Server, name: &str, (code, settings): (&Code, Value), mode: &str) -> String {
    server.create(name, code, settings);
    sites::url(server, name, &json!({ "InvokeMode": mode })).host
}

/// Where functions alone are served.
pub(crate) fn door(server: &Server) -> (&'static str, SocketAddr) {
    let said = server.said();
    let url = said.strip_prefix("hearth: functions alone at ").expect("it says where that is");
    let (scheme, address) = url.split_once("://").expect("it is a URL");
    let scheme = if scheme == "https" { "https" } else { "http" };
    (scheme, address.parse().expect("it is an address"))
}

/// Runs `curl` on a path of a host at an address. Returns the status, the version of HTTP, the body.
fn curl(
    (scheme, address): (&str, SocketAddr),
    host: &str,
    path: &str,
    arguments: &[&str],
) -> (String, String, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60"]);
    command.args(["--write-out", "\n%{http_code}\n%{http_version}"]);
    command.arg("--resolve").arg(format!("{host}:{}:{}", address.port(), address.ip()));
    command.args(arguments).arg(format!("{scheme}://{host}:{}{path}", address.port()));
    let said = tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    let mut lines = said.rsplitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (version, status, body) = (line(), line(), line());
    (status, version, body)
}

/// A certificate for the hosts of function URLs, and its key.
fn certificate(place: &Path) -> (String, String) {
    let file = |name: &str| place.join(name).display().to_string();
    let (certificate, key) = (file("certificate.pem"), file("key.pem"));
    let mut command = Command::new("openssl");
    #[rustfmt::skip]
    command.args([
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=tests", "-addext", "subjectAltName=DNS:*.lambda-url.us-east-1.localhost",
        "-keyout", &key, "-out", &certificate,
    ]);
    tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    (certificate, key)
}

fn has_curl(test: &str) -> bool {
    let there = tools::answers("curl", "--version") && tools::answers("openssl", "version");
    if !there {
        skipped(test, "there is no `curl` or no `openssl` (apt-get install curl openssl)");
    }
    there
}

#[test]
fn functions_alone_are_served_with_tls_in_both_versions_of_http() {
    if !has_curl("functions_alone_are_served_with_tls_in_both_versions_of_http") {
        return;
    }
    let place = Place::new();
    let (certificate, key) = certificate(place.path());
    let settings = [
        "http=127.0.0.1:0".to_owned(),
        format!("http_certificate={certificate}"),
        format!("http_key={key}"),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Server::start_set(place, &settings);
    let at = door(&server);
    let host = with_url(&server, "served", (&serves(), json!({})), "BUFFERED");
    let trust = ["--cacert", certificate.as_str()];
    for (option, version, protocol) in
        [("--http2", "2", "HTTP/2.0"), ("--http1.1", "1.1", "HTTP/1.1")]
    {
        let arguments = [&trust[..], &[option, "--data", "a=b"]].concat();
        let (status, spoken, body) = curl(at, &host, "/x?y=z", &arguments);
        assert_eq!((status.as_str(), spoken.as_str()), ("200", version), "{body}");
        let event: Value = serde_json::from_str(&body).expect("it is the event");
        assert_eq!(event["requestContext"]["http"]["protocol"], protocol);
        assert_eq!(event["requestContext"]["domainName"], host);
        assert_eq!(event["rawQueryString"], "y=z");
        assert_eq!(event["headers"]["x-forwarded-proto"], "https");
        assert_eq!(event["headers"]["x-forwarded-port"], at.1.port().to_string());
        assert_eq!(event["headers"]["host"], format!("{host}:{}", at.1.port()));
    }
    // The API is not there, by whichever name.
    for path in ["/2015-03-31/functions", "/_hearth/health", "/_hearth/sites/none/x/"] {
        let (status, _version, body) = curl(at, "localhost", path, &["--insecure"]);
        assert_eq!((status.as_str(), body.as_str()), ("404", r#"{"message":"Not Found"}"#));
    }
    // Who does not speak TLS is hung up on, and nobody else notices.
    let mut plain = TcpStream::connect(at.1).expect("it takes connections");
    let _ = plain.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = plain.read_to_end(&mut Vec::new());
    assert_eq!(curl(at, &host, "/text", &trust).0, "200");
}

#[test]
fn functions_alone_are_served_in_the_clear_in_both_versions_of_http() {
    if !has_curl("functions_alone_are_served_in_the_clear_in_both_versions_of_http") {
        return;
    }
    let server = Server::start_set(Place::new(), &["http=127.0.0.1:0"]);
    let at = door(&server);
    let host = with_url(&server, "served", (&serves(), json!({})), "BUFFERED");
    for (option, version) in [("--http2-prior-knowledge", "2"), ("--http1.1", "1.1")] {
        let (status, spoken, body) = curl(at, &host, "/text", &[option]);
        assert_eq!((status.as_str(), spoken.as_str()), ("200", version));
        assert_eq!(body, "\"Hello, world!\"");
    }
    // A thousand headers are too many in either.
    let many: String = (0..1_000).map(|at| format!("x-{at}: y\n")).collect();
    let file = server.place.path().join("headers.txt");
    fs::write(&file, many).expect("the place can be written to");
    let file = format!("@{}", file.display());
    for option in ["--http2-prior-knowledge", "--http1.1"] {
        assert_eq!(curl(at, &host, "/", &[option, "--header", &file]).0, "431", "{option}");
    }
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let server = Server::start_set(Place::new(), &["http=127.0.0.1:0"]);
    let (_scheme, alone) = door(&server);
    let host = with_url(&server, "served", (&serves(), json!({})), "BUFFERED");
    let many: String = (0..101).map(|at| format!("x-{at}: y\r\n")).collect();
    let long = "y".repeat(70_000);
    #[rustfmt::skip]
    let rows = [
        ("two hosts",              "GET / HTTP/1.1\r\nHost: HOST\r\nHost: other\r\nConnection: close\r\n\r\n".to_owned(),                        "400"),
        ("two lengths",            "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),               "400"),
        ("an odd length",          "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: +1\r\n\r\na".to_owned(),                                    "400"),
        ("an unknown coding",      "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned(),                   "400"),
        ("chunked, and not last",  "POST / HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".to_owned(),          "400"),
        ("an odd chunk",           "POST / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n".to_owned(), "400"),
        ("space before the colon", "GET / HTTP/1.1\r\nHost : HOST\r\n\r\n".to_owned(),                                                           "400"),
        ("a folded header",        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\r\n b\r\n\r\n".to_owned(),                                              "400"),
        ("a method of proxies",    "TRACE / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n".to_owned(),                                     "405"),
        ("too many headers",       format!("GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n{many}\r\n"),                                   "431"),
        ("too long a header",      format!("GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nX: {long}\r\n\r\n"),                            "431"),
    ];
    for (name, bytes, status) in rows {
        for address in [server.address, alone] {
            let answer = raw(address, bytes.replace("HOST", &host).as_bytes());
            let expected = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&expected), "{name}, at {address}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        }
    }
    // A body whose end is said twice ends where the coding says, and nothing behind it is read.
    let bytes = format!(
        "POST /text HTTP/1.1\r\nHost: {host}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /status HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    for address in [server.address, alone] {
        let answer = raw(address, bytes.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(!answer.contains("teapot") && !answer.contains("418"), "{answer}");
    }
    assert_eq!(server.get("/_hearth/health").status, 200);
}

#[test]
fn requests_that_run_are_answered_when_the_server_stops() {
    let server = Server::start_set(Place::new(), &["http=127.0.0.1:0"]);
    let (_scheme, alone) = door(&server);
    let settings = json!({ "Timeout": 30 });
    let host = with_url(&server, "served", (&serves(), settings), "BUFFERED");
    let waiting: Vec<_> = [server.address, alone]
        .into_iter()
        .map(|address| {
            let host = host.clone();
            thread::spawn(move || {
                let mut connection = Connection::open(address).expect("it takes connections");
                let request = Request::new(
                    "GET",
                    format!("/_hearth/sites/url/{}/sleep?seconds=2", id(&host)),
                );
                connection.send(&request)
            })
        })
        .collect();
    eventually("both have begun", 30, || {
        let lines = server.logs("served");
        let begun = lines.iter().filter(|line| line.contains("begun")).count();
        (begun == 2).then_some(())
    });
    let (status, _place) = server.stop();
    assert!(status.is_some_and(|status| status.success()), "it stopped: {status:?}");
    for answer in waiting {
        let answer = answer.join().expect("a client does not panic").expect("it is answered");
        assert_eq!((answer.status, answer.text().as_str()), (200, "\"slept\""));
    }
}

fn id(host: &str) -> &str {
    host.split('.').next().unwrap_or_default()
}

#[test]
fn node_streams_responses_with_awss_client() {
    let test = "node_streams_responses_with_awss_client";
    let (name, runtime) = match node() {
        Ok(node) => node,
        Err(why) => return skipped(test, &why),
    };
    let server = Server::start();
    server.place.link(&name, &runtime); // Found although the server is running.
    let settings = json!({ "MemorySize": 512, "Timeout": 30 });
    let code = node_code(name, "node_url");
    let host = with_url(&server, "node-url", (&code, settings), "RESPONSE_STREAM");
    let answer = server.get(&format!("/_hearth/sites/url/{}/a/b", id(&host)));
    assert_eq!((answer.status, answer.text().as_str()), (201, "one two three"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("x-path"), Some("/a/b"));
    assert_eq!(answer.header("set-cookie"), Some("b=2"), "the last of two");
}

#[test]
fn the_commands_of_the_guide_to_function_urls_do_what_it_says() {
    if !has_curl("the_commands_of_the_guide_to_function_urls_do_what_it_says") {
        return;
    }
    let server = Server::start();
    // Runs the guide on the runtime that is there.
    server.create("there", &behaves(), json!({}));
    let said = run_guide(&server, "function-urls");
    for expected in [
        "Forbidden. For troubleshooting",
        "hello Ada",
        "status 201",
        "access-control-allow-origin: https://www.example.com",
        "status by path 201",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
