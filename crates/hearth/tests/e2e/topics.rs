//! Topics, as the guide uses them with the AWS CLI.

use crate::clients::run_guide;
use crate::harness::Server;

#[test]
fn the_commands_of_the_guide_to_topics_do_what_it_says() {
    let server = Server::start();
    let said = run_guide(&server, "topics");
    for expected in [
        "\"Message\":\"one cup of tea\"",
        "two cups of tea",
        "told: three cups of tea",
        "Verified OK",
        "\"1000000000000000",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    assert!(!said.contains("not for the shop"), "{said}");
}
