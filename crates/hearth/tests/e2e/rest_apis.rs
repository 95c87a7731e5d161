//! REST APIs, as the guide uses them with the AWS CLI and curl.

use std::fs;
use std::path::Path;

use crate::clients::{aws_command, commands_of_guide};
use crate::harness::Server;
use crate::tools;

#[test]
fn the_commands_of_the_guide_to_rest_apis_do_what_it_says() {
    let server = Server::start();
    let guide = tools::source("../../../docs/guides/rest-apis.md");
    let guide = fs::read_to_string(guide).expect("the guide is where it was");
    let guide = guide.replace("http://127.0.0.1:4566", &server.endpoint());
    let script = format!(
        "set -euo pipefail\naws() {{ python3 -m awscli \"$@\"; }}\n{}",
        commands_of_guide(&guide)
    );
    let mut command = aws_command(&server, Path::new("bash"));
    command.args(["-c", &script]);
    let said = tools::run(&mut command)
        .unwrap_or_else(|error| panic!("{error}\nIs curl there? Install it: apt-get install curl"));
    for expected in [
        "somebody greets Ada",
        "somebody greets Grace",
        "access-control-allow-origin: https://app.example",
        "{\"message\":\"Unauthorized\"}",
        "is not authorized to access this resource with an explicit deny",
        "Ali greets Cassim",
        "{\"message\":\"Forbidden\"}",
        "somebody greets Ann",
        "{\"message\":\"Limit Exceeded\"}",
        "somebody greets nobody",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
