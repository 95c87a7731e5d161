//! What `docs/compatibility.md` says, asked of a server.

use hearth_front::compatibility::{Offer, offer};
use hearth_wire::lambda::Operation;
use hearth_wire::service::Segment;

use crate::harness::Server;
use crate::http::Request;

/// A path of the operation, with something in each place of it.
fn path(operation: Operation) -> String {
    let description = operation.description();
    let segments = description.segments.iter().map(|segment| match segment {
        Segment::Literal(text) => (*text).to_owned(),
        Segment::Label(_) => "1".to_owned(),
    });
    let path: String = segments.map(|segment| format!("/{segment}")).collect();
    match description.query {
        Some((name, value)) => format!("{path}?{name}={value}"),
        None => path,
    }
}

#[test]
fn an_operation_is_refused_as_missing_exactly_if_it_is_listed_as_missing() {
    let server = Server::start();
    for operation in Operation::ALL {
        let request = Request::new(operation.description().method, path(operation));
        let answer = server.send(&request.body(b"{}".to_vec()));
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let missing = matches!(offer(operation), Offer::NotYet(_));
        assert_eq!(answer.status == 501, missing, "{operation:?}: {} {body}", answer.status);
        if missing {
            assert!(body.contains(operation.name()), "{body}");
        }
    }
}
