//! Load balancers, as the guide uses them with the AWS CLI and curl.

use crate::clients::run_guide_where;
use crate::harness::Server;

#[test]
fn the_commands_of_the_guide_to_load_balancers_do_what_it_says() {
    let server = Server::start();
    let here = format!("http://$HOST:{}", server.address.port());
    let said = run_guide_where(&server, "load-balancers", ("http://$HOST:4566", &here));
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
