//! The tools that people use with AWS, unmodified: boto3, the AWS CLI, `cargo lambda`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::functions::{behaves, hello_compiled};
use crate::harness::{Place, ROLE, Server};
use crate::tools;

/// A command with the settings of an AWS client that is to talk to a server, and nothing of what
/// this user has configured for the real one.
pub(crate) fn aws_command(server: &Server, program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("AWS_") || name_text.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
    let nowhere = server.place.path().join("no-such-file");
    command
        .current_dir(server.place.path())
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", &nowhere)
        .env("AWS_SHARED_CREDENTIALS_FILE", &nowhere)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PAGER", "")
        .env("PYTHONPATH", tools::clients())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONIOENCODING", "utf-8");
    command
}

/// Runs `aws`; what it prints is JSON or text.
fn aws(server: &Server, arguments: &[&str]) -> String {
    let mut command = aws_command(server, Path::new("python3"));
    command.args(["-m", "awscli"]).args(arguments);
    tools::run(&mut command).unwrap_or_else(|error| panic!("aws {}: {error}", arguments.join(" ")))
}

fn aws_json(server: &Server, arguments: &[&str]) -> Value {
    let said = aws(server, arguments);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in {said}"))
}

#[test]
fn boto3_does_everything_that_is_built() {
    let server = Server::start();
    let (runtime, _) = tools::python();
    let mut command = aws_command(&server, Path::new("python3"));
    command.arg(tools::source("clients/everything.py")).args([server.endpoint().as_str(), runtime]);
    let said = tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(said, "done\n");
}

#[test]
fn the_aws_cli_creates_waits_invokes_and_reads_the_log() {
    let server = Server::start();
    let code = behaves();
    fs::write(server.place.path().join("code.zip"), &code.zip)
        .expect("the place can be written to");
    #[rustfmt::skip]
    let made = aws_json(&server, &[
        "lambda", "create-function", "--function-name", "from-cli", "--runtime", &code.runtime,
        "--handler", code.handler, "--role", ROLE, "--zip-file", "fileb://code.zip",
        "--environment", "Variables={STAGE=cli}",
    ]);
    assert_eq!(made["State"], "Pending", "{made}");
    aws(&server, &["lambda", "wait", "function-active-v2", "--function-name", "from-cli"]);

    let event = json!({ "from": "cli" }).to_string();
    #[rustfmt::skip]
    let called = aws_json(&server, &[
        "lambda", "invoke", "--function-name", "from-cli", "--payload", &event,
        "answer.json",
    ]);
    assert_eq!(called, json!({ "StatusCode": 200, "ExecutedVersion": "$LATEST" }));
    let answer = fs::read(server.place.path().join("answer.json")).expect("the answer is written");
    let answer: Value = serde_json::from_slice(&answer).expect("the answer is JSON");
    assert_eq!(answer["event"], json!({ "from": "cli" }));

    // What `aws logs tail` of the second version, which is not on PyPI, calls as well.
    #[rustfmt::skip]
    let log = aws(&server, &[
        "logs", "filter-log-events", "--log-group-name", "/aws/lambda/from-cli", "--interleaved",
        "--start-time", "0", "--query", "events[].message", "--output", "text",
    ]);
    for line in ["INIT_START Runtime Version: python:", "START RequestId: ", "REPORT RequestId: "] {
        assert!(log.contains(line), "{line} in {log}");
    }
    let listed = aws_json(&server, &["lambda", "list-functions"]);
    assert_eq!(listed["Functions"][0]["FunctionName"], "from-cli");
    aws(&server, &["lambda", "delete-function", "--function-name", "from-cli"]);
    assert_eq!(aws_json(&server, &["lambda", "list-functions"])["Functions"], json!([]));
}

#[test]
fn each_waiter_of_the_aws_cli_ends() {
    let server = Server::start_set(Place::new(), &["transition_ms_min=300"]);
    let zip = server.place.path().join("code.zip");
    fs::write(&zip, hello_compiled().zip).expect("the place can be written to");
    let wait = |waiter: &str, more: &[&str]| {
        aws(&server, &[&["lambda", "wait", waiter, "--function-name", "waited"], more].concat());
    };
    #[rustfmt::skip]
    let create = [
        "lambda", "create-function", "--function-name", "waited", "--runtime", "provided.al2023",
        "--handler", "bootstrap", "--role", ROLE, "--zip-file", "fileb://code.zip",
    ];
    assert_eq!(aws_json(&server, &create)["State"], "Pending");
    wait("function-exists", &[]);
    wait("function-active", &[]);
    wait("function-active-v2", &[]);
    let configure =
        ["lambda", "update-function-configuration", "--function-name", "waited", "--timeout", "9"];
    assert_eq!(aws_json(&server, &configure)["LastUpdateStatus"], "InProgress");
    wait("function-updated-v2", &[]);
    assert_eq!(aws_json(&server, &configure)["LastUpdateStatus"], "InProgress");
    wait("function-updated", &[]);
    let publish = ["lambda", "publish-version", "--function-name", "waited"];
    assert_eq!(aws_json(&server, &publish)["Version"], "1");
    wait("published-version-active", &["--qualifier", "1"]);
}

/// The commands of a guide: its `sh` blocks, in order, as one script.
pub(crate) fn commands_of_guide(text: &str) -> String {
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .filter_map(|block| block.split_once("\n```"))
        .map(|(block, _)| format!("{block}\n"))
        .collect()
}

/// Runs the commands of a guide against a server that has a runtime, and returns what they said.
pub(crate) fn run_guide(server: &Server, name: &str) -> String {
    run_guide_where(server, name, ("http://127.0.0.1:4566", &server.endpoint()))
}

/// The same where something else is in another place, too.
pub(crate) fn run_guide_where(server: &Server, name: &str, (there, here): (&str, &str)) -> String {
    let guide = tools::source(&format!("../../../docs/guides/{name}.md"));
    let guide = fs::read_to_string(guide).expect("the guide is where it was");
    let guide = guide.replace("http://127.0.0.1:4566", &server.endpoint()).replace(there, here);
    tools::run(&mut guide_command(server, &guide)).unwrap_or_else(|error| {
        panic!("{error}\nGuides use curl and openssl, too: apt-get install curl openssl")
    })
}

/// What runs the commands of the text of a guide against a server.
pub(crate) fn guide_command(server: &Server, text: &str) -> Command {
    let script = format!(
        "set -euo pipefail\naws() {{ python3 -m awscli \"$@\"; }}\n{}",
        commands_of_guide(text)
    );
    let mut command = aws_command(server, Path::new("bash"));
    command.args(["-c", &script]);
    command
}

#[test]
fn the_commands_of_the_guide_to_the_aws_cli_do_what_it_says() {
    let server = Server::start();
    // Runs the guide on the runtime that is there.
    server.create("there", &behaves(), json!({}));
    let said = run_guide(&server, "aws-cli");
    for expected in [
        "\"hello\": \"Ada\"",
        "good morning",
        "good evening",
        "layer:shared:1",
        "greeting Ada",
        "\"team\": \"docs\"",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}

#[test]
fn the_commands_of_the_guide_to_events_do_what_it_says() {
    let said = run_guide(&Server::start(), "asynchronous");
    for expected in [
        "\"StatusCode\": 202",
        "\"condition\":\"Success\"",
        "\"responsePayload\":42",
        "\"condition\":\"RetriesExhausted\",\"approximateInvokeCount\":1",
        "this one is broken",
        "told: Success 46",
        "\"failed\":1",
        "{\"replayed\":1}",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}

/// A project for `cargo lambda`, which deploys what was built before.
const PROJECT: &str = "\
[package]
name = \"from-cargo\"
version = \"0.1.0\"
edition = \"2024\"

[workspace]
";

#[test]
fn cargo_lambda_deploys_and_deploys_again() {
    let server = Server::start();
    let project = server.place.path();
    fs::create_dir(project.join("src")).expect("the place can be written to");
    for (file, text) in [("Cargo.toml", PROJECT), ("src/main.rs", "fn main() {}\n")] {
        fs::write(project.join(file), text).expect("the place can be written to");
    }
    let deploy = |stage: &str| {
        let mut command = aws_command(&server, &tools::clients().join("bin/cargo-lambda"));
        command.args(["lambda", "deploy", "--output-format", "json", "--role", ROLE]);
        command.args(["--endpoint-url", &server.endpoint(), "--region", "us-east-1"]);
        command.args(["--env-var", &format!("STAGE={stage}"), "--binary-path"]);
        command.arg(tools::hello_compiled()).arg("from-cargo");
        tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
        server.wait_settled("from-cargo");
    };
    deploy("one");
    let event = json!({ "from": "cargo lambda" });
    assert_eq!(server.invoke("from-cargo", &event).good()["event"], event);
    deploy("two");
    let shown = server.get("/2015-03-31/functions/from-cargo/configuration").json();
    assert_eq!(shown["Environment"]["Variables"]["STAGE"], "two", "{shown}");
    assert_eq!(server.invoke("from-cargo", &event).good()["event"], event);
}

#[test]
fn the_code_that_is_shown_can_be_downloaded() {
    let server = Server::start();
    let code = hello_compiled();
    server.create("download", &code, json!({}));
    let shown = server.get("/2015-03-31/functions/download").json();
    let location = shown["Code"]["Location"].as_str().unwrap_or_default();
    let path = location.strip_prefix(&server.endpoint());
    let answer = server.get(path.unwrap_or_else(|| panic!("{location} is not on this server")));
    assert_eq!(answer.status, 200);
    assert!(answer.body == code.zip, "the archive is what was uploaded");
}
