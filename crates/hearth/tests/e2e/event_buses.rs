//! Event buses with the AWS CLI, as their guide shows them.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::clients::{aws_command, commands_of_guide};
use crate::functions::behaves;
use crate::harness::Server;
use crate::tools;

#[test]
fn the_commands_of_the_guide_to_event_buses_do_what_it_says() {
    let server = Server::start();
    // Runs the guide on the runtime that is there.
    server.create("there", &behaves(), json!({}));
    let guide = tools::source("../../../docs/guides/event-buses.md");
    let guide = fs::read_to_string(guide).expect("the guide is where it was");
    let guide = guide.replace("http://127.0.0.1:4566", &server.endpoint());
    let script = format!(
        "set -euo pipefail\naws() {{ python3 -m awscli \"$@\"; }}\n{}",
        commands_of_guide(&guide)
    );
    let mut command = aws_command(&server, Path::new("bash"));
    command.args(["-c", &script]);
    let said = tools::run(&mut command).unwrap_or_else(|error| panic!("{error}"));
    for expected in [
        "event-bus/shop",
        "rule/shop/large-orders",
        "\"Result\": true",
        "\"detail\":{\"total\":250,\"customer\":\"Ada\"}",
        "greeting Ada",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert!(!said.contains("Bob"), "the small order went nowhere: {said}");
}
