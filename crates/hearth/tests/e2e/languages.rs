//! Functions in other languages, with AWS's own clients for them.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::functions::{Code, hello_compiled, program, zip};
use crate::harness::{Server, skipped};
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

#[test]
fn node_with_awss_client() {
    let test = "node_with_awss_client";
    let Ok(version) = tools::run(Command::new("node").arg("--version")) else {
        return skipped(test, "there is no `node` (apt-get install nodejs npm)");
    };
    let major =
        version.trim().trim_start_matches('v').split('.').next().unwrap_or_default().to_owned();
    let name = format!("nodejs{major}.x");
    let runtime = match tools::runtime(&name) {
        Ok(runtime) => runtime,
        // The native half of the client needs tools that the error names.
        Err(error) if error.contains("apt-get install") => return skipped(test, &error),
        Err(error) => panic!("{error}"),
    };
    let source = fs::read(tools::source("functions/node_echo/index.mjs")).expect("it is there");
    let zip = zip(&[("index.mjs", 0o644, &source)]);
    let server = Server::start();
    server.place.link(&name, &runtime); // Found although the server is running.
    check(&server, "node", &Code { runtime: name, handler: "index.handler", zip });
}

#[test]
fn java_with_awss_client() {
    let test = "java_with_awss_client";
    let Ok(version) = tools::run(Command::new("javac").arg("-version")) else {
        return skipped(test, "there is no JDK (apt-get install default-jdk-headless)");
    };
    if !tools::answers("mvn", "--version") {
        return skipped(test, "there is no `mvn` (apt-get install maven)");
    }
    // `javac 17.0.15`
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let name = format!("java{}", number.split('.').next().unwrap_or_default());
    let runtime = tools::runtime(&name).unwrap_or_else(|error| panic!("{error}"));
    let class = tools::java_echo().unwrap_or_else(|error| panic!("{error}"));
    let class = fs::read(class).expect("it was compiled");
    let zip = zip(&[("Echo.class", 0o644, &class)]);
    let server = Server::start();
    server.place.link(&name, &runtime); // Found although the server is running.
    check(&server, "java", &Code { runtime: name, handler: "Echo::handle", zip });
}
