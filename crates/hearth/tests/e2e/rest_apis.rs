//! REST APIs, as the guide uses them with the AWS CLI and curl.

use crate::clients::run_guide;
use crate::harness::Server;

#[test]
fn the_commands_of_the_guide_to_rest_apis_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "rest-apis");
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
