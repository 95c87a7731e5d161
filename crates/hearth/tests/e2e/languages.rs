//! Functions in other languages, with AWS's own clients for them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hearth_wire::event_stream::Message;
use serde_json::{Value, json};

use crate::functions::{Code, hello_compiled, program, zip};
use crate::harness::{Server, skipped};
use crate::http::Request;
use crate::tools;

/// Creates and calls a function that answers with its language and its event.
fn check(server: &Server, language: &str, code: &Code) {
    server.create(language, code, json!({ "MemorySize": 512, "Timeout": 30 }));
    let event =
        json!({ "letters": "äöü€😀", "number": 1.5, "nested": { "list": [2.5, null, true] } });
    for _cold_and_warm in 0..2 {
        let answer = server.invoke(language, &event).good();
        assert_eq!((&answer["language"], &answer["event"]), (&Value::from(language), &event));
    }
}

#[test]
fn a_compiled_program_without_any_crate() {
    let server = Server::start();
    server.create("compiled", &hello_compiled(), json!({}));
    let event = json!({ "name": "e2e" });
    for _cold_and_warm in 0..2 {
        assert_eq!(server.invoke("compiled", &event).good()["event"], event);
    }
}

#[test]
fn rust_with_the_crate_lambda_runtime() {
    let code = program(&tools::rust_echo());
    check(&Server::start(), "rust", &code);
}

#[test]
fn go_with_aws_lambda_go() {
    if !tools::answers("go", "version") {
        return skipped("go_with_aws_lambda_go", "there is no `go` (apt-get install golang-go)");
    }
    let built = tools::go_echo().unwrap_or_else(|error| panic!("{error}"));
    check(&Server::start(), "go", &program(&built));
}

/// The name of the runtime for this host's `node`, and where it is; or why there is none.
pub(crate) fn node() -> Result<(String, PathBuf), String> {
    let version = tools::run(Command::new("node").arg("--version"));
    let version =
        version.map_err(|_none| "there is no `node` (apt-get install nodejs npm)".to_owned())?;
    let major =
        version.trim().trim_start_matches('v').split('.').next().unwrap_or_default().to_owned();
    let name = format!("nodejs{major}.x");
    match tools::runtime(&name) {
        Ok(runtime) => Ok((name, runtime)),
        // The native half of the client needs tools that the error names.
        Err(error) if error.contains("apt-get install") => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// A function on Node.js that is one file.
pub(crate) fn node_code(runtime: String, directory: &str) -> Code {
    let source = tools::source("functions").join(directory).join("index.mjs");
    let source = fs::read(source).expect("it is there");
    Code { runtime, handler: "index.handler", zip: zip(&[("index.mjs", 0o644, &source)]) }
}

#[test]
fn node_with_awss_client() {
    let (name, runtime) = match node() {
        Ok(node) => node,
        Err(why) => return skipped("node_with_awss_client", &why),
    };
    let server = Server::start();
    server.place.link(&name, &runtime); // Found although the server is running.
    check(&server, "node", &node_code(name, "node_echo"));
}

/// The payload of an answer in events, and what was said at its end.
fn streamed(server: &Server, function: &str, event: &Value) -> (String, Value) {
    let path = format!("/2021-11-15/functions/{function}/response-streaming-invocations");
    let answer = server.send(&Request::new("POST", path).json(event));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (mut payload, mut rest) = (Vec::new(), answer.body.as_slice());
    loop {
        let decoded = Message::decode(rest).unwrap_or_else(|error| panic!("{event}: {error}"));
        let (message, length) = decoded.expect("the answer is complete");
        rest = &rest[length..];
        if message.event_type() == Some("InvokeComplete") {
            assert!(rest.is_empty(), "nothing follows the end");
            let end = serde_json::from_slice(&message.payload).expect("the end is JSON");
            return (String::from_utf8_lossy(&payload).into_owned(), end);
        }
        payload.extend_from_slice(&message.payload);
    }
}

#[test]
fn node_streams_with_awss_client() {
    let (name, runtime) = match node() {
        Ok(node) => node,
        Err(why) => return skipped("node_streams_with_awss_client", &why),
    };
    let server = Server::start();
    server.place.link(&name, &runtime); // Found although the server is running.
    let settings = json!({ "MemorySize": 512, "Timeout": 30 });
    server.create("node-stream", &node_code(name, "node_stream"), settings);
    let event = json!({ "words": ["one ", "two ", "äöü€😀"] });
    for _cold_and_warm in 0..2 {
        let told = streamed(&server, "node-stream", &event);
        assert_eq!(told, ("one two äöü€😀".to_owned(), json!({})));
    }
    // Twice, since a function that fails goes on.
    for _attempt in 0..2 {
        let failing = json!({ "words": ["one"], "fail": true });
        let (payload, end) = streamed(&server, "node-stream", &failing);
        assert_eq!((payload.as_str(), &end["ErrorCode"]), ("one", &json!("Error")), "{end}");
        let details = end["ErrorDetails"].as_str().unwrap_or_default();
        assert!(details.contains("of my own"), "{end}");
    }
    assert_eq!(streamed(&server, "node-stream", &event).1, json!({}));
}

/// The name of the runtime for this host's JDK, and where it is; or why there is none.
pub(crate) fn java() -> Result<(String, PathBuf), String> {
    let Ok(version) = tools::run(Command::new("javac").arg("-version")) else {
        return Err("there is no JDK (apt-get install default-jdk-headless)".to_owned());
    };
    if !tools::answers("mvn", "--version") {
        return Err("there is no `mvn` (apt-get install maven)".to_owned());
    }
    // `javac 17.0.15`
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let name = format!("java{}", number.split('.').next().unwrap_or_default());
    let runtime = tools::runtime(&name).unwrap_or_else(|error| panic!("{error}"));
    Ok((name, runtime))
}

/// A function that is one class of the tests.
pub(crate) fn java_code(runtime: String, name: &str, handler: &'static str) -> Code {
    let class = tools::java_class(name).unwrap_or_else(|error| panic!("{error}"));
    let class = fs::read(class).expect("it was compiled");
    let zip = zip(&[(format!("{name}.class").as_str(), 0o644, class.as_slice())]);
    Code { runtime, handler, zip }
}

#[test]
fn java_with_awss_client() {
    let (name, runtime) = match java() {
        Ok(found) => found,
        Err(why) => return skipped("java_with_awss_client", &why),
    };
    let server = Server::start();
    server.place.link(&name, &runtime); // Found although the server is running.
    check(&server, "java", &java_code(name, "Echo", "Echo::handle"));
}
