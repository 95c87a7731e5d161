//! Load balancers, as the guide uses them with the AWS CLI and curl.

use std::fs;
use std::path::Path;

use crate::clients::{aws_command, commands_of_guide};
use crate::harness::Server;
use crate::tools;

#[test]
fn the_commands_of_the_guide_to_load_balancers_do_what_it_says() {
    let server = Server::start();
    let guide = tools::source("../../../docs/guides/load-balancers.md");
    let guide = fs::read_to_string(guide).expect("the guide is where it was");
    let port = server.address.port();
    let guide = guide
        .replace("http://127.0.0.1:4566", &server.endpoint())
        .replace("http://$HOST:4566", &format!("http://$HOST:{port}"));
    let script = format!(
        "set -euo pipefail\naws() {{ python3 -m awscli \"$@\"; }}\n{}",
        commands_of_guide(&guide)
    );
    let mut command = aws_command(&server, Path::new("bash"));
    command.args(["-c", &script]);
    let said = tools::run(&mut command)
        .unwrap_or_else(|error| panic!("{error}\nIs curl there? Install it: apt-get install curl"));
    for expected in [
        "elasticloadbalancing principal does not have permission to invoke",
        "/greet/one: hello Ada",
        "/greet/two: hello Bob",
        "nobody",
        "/greet/old/page",
        "eighty-eighty",
        "the target is healthy",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
