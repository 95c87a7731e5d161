//! HTTP APIs, as the guide uses them with the AWS CLI and curl.

use crate::clients::run_guide;
use crate::harness::Server;

#[test]
fn the_commands_of_the_guide_to_http_apis_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "http-apis");
    for expected in [
        "somebody greets nobody",
        "somebody greets Ada",
        "somebody greets Grace",
        "{\"message\":\"Unauthorized\"}",
        "{\"message\":\"Forbidden\"}",
        "Ali greets Cassim",
        "access-control-allow-origin: https://app.example",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
}
