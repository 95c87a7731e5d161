//! Event buses with the AWS CLI, as their guide shows them.

use serde_json::json;

use crate::clients::run_guide;
use crate::functions::behaves;
use crate::harness::Server;

#[test]
fn the_commands_of_the_guide_to_event_buses_do_what_it_says() {
    let server = Server::start();
    // Runs the guide on the runtime that is there.
    server.create("there", &behaves(), json!({}));
    let said = run_guide(&server, "event-buses");
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
