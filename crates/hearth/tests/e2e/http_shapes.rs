//! What clients get when a function answers in a wrong form, too late, or not at all: each kind of
//! site says so in its own words, which are AWS's.

use serde_json::json;

use self::Got::{Failed, Through};
use crate::functions::shapes;
use crate::harness::Server;
use crate::http::Answer;
use crate::sites::Kind;

/// What a client gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Got {
    /// What a function says goes through, with this status.
    Through(u16),
    /// The site says that the function has not done its part.
    Failed,
}

/// How a kind of site says that a function has not done its part.
fn words(kind: Kind) -> (u16, &'static str) {
    match kind {
        Kind::Url => (502, "Internal Server Error"),
        Kind::HttpTwo | Kind::HttpOne => (500, r#"{"message":"Internal Server Error"}"#),
        Kind::Rest => (502, r#"{"message": "Internal server error"}"#),
        Kind::Balancer | Kind::BalancerLists => (
            502,
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
        ),
    }
}

/// How a kind of site says that it has waited long enough.
fn words_of_time(kind: Kind) -> Option<(u16, &'static str)> {
    match kind {
        // For a function URL only the function's own time counts.
        Kind::Url => None,
        Kind::HttpTwo | Kind::HttpOne => Some((503, r#"{"message":"Service Unavailable"}"#)),
        Kind::Rest => Some((504, r#"{"message": "Endpoint request timed out"}"#)),
        Kind::Balancer | Kind::BalancerLists => Some((
            504,
            "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1></center>\r\n</body>\r\n</html>\r\n",
        )),
    }
}

/// What a client got, without what a function said.
fn got(kind: Kind, answer: &Answer) -> Result<Got, String> {
    let (status, text) = words(kind);
    let is_own = answer.header("x-amzn-errortype").is_some() || answer.status >= 500;
    if !is_own {
        return Ok(Through(answer.status));
    }
    if (answer.status, answer.text().as_str()) == (status, text) {
        return Ok(Failed);
    }
    Err(format!("{}: {}", answer.status, answer.text()))
}

/// The rows say what a function does, and what comes of it through a function URL, an HTTP API with
/// format 2.0 and with format 1.0, a REST API that takes everything for bytes, and a load balancer,
/// without lists and with them.
#[test]
fn a_wrong_form_is_told_in_the_words_of_each_kind_of_site() {
    let server = Server::start();
    server.create("shapes", &shapes(), json!({ "Timeout": 10 }));
    #[rustfmt::skip]
    let rows: [(&str, [Got; 6]); 23] = [
        ("good",             [Through(200), Through(200), Through(200), Through(200), Through(200), Through(200)]),
        ("status-as-text",   [Through(201), Through(201), Through(201), Through(201), Failed,       Failed]),
        ("status-no-number", [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("status-null",      [Failed,       Failed,       Failed,       Through(200), Failed,       Failed]),
        ("status-too-low",   [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("status-not-final", [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("status-too-high",  [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("status-not-whole", [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("body-object",      [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("headers-list",     [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        // A load balancer that wants lists does not look at the other headers.
        ("header-list",      [Failed,       Failed,       Failed,       Failed,       Failed,       Through(200)]),
        ("base64-none",      [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("base64-odd",       [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        // Only two of the forms have cookies, and only one refuses what it does not know.
        ("cookies-text",     [Failed,       Failed,       Through(200), Failed,       Through(200), Through(200)]),
        ("member-unknown",   [Through(200), Through(200), Through(200), Failed,       Through(200), Through(200)]),
        ("header-split",     [Through(200), Through(200), Through(200), Through(200), Through(200), Through(200)]),
        // What has no status is a body, where AWS infers it.
        ("list",             [Through(200), Through(200), Failed,       Failed,       Failed,       Failed]),
        ("null",             [Through(200), Through(200), Failed,       Failed,       Failed,       Failed]),
        ("text",             [Through(200), Through(200), Failed,       Failed,       Failed,       Failed]),
        ("raises",           [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("exits",            [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        ("large",            [Failed,       Failed,       Failed,       Failed,       Failed,       Failed]),
        // A load balancer takes a megabyte, and what is around the body counts.
        ("million",          [Through(200), Through(200), Through(200), Through(200), Through(200), Through(200)]),
    ];
    for (at, kind) in Kind::ALL.into_iter().enumerate() {
        let front = kind.before(&server, "shapes");
        for (which, expected) in &rows {
            let answer = server.send(&front.request("GET", &format!("/{which}")));
            assert_eq!(got(kind, &answer), Ok(expected[at]), "{kind:?} {which}");
            assert_eq!(answer.header("x-evil"), None, "{kind:?} {which}");
            if *which == "header-split" {
                assert_eq!(answer.text(), "split", "{kind:?}: no function says where a body ends");
            }
        }
    }
}

#[test]
fn a_function_whose_own_time_is_over_has_failed() {
    let server = Server::start();
    server.create("shapes", &shapes(), json!({ "Timeout": 2 }));
    for kind in Kind::ALL {
        let front = kind.before(&server, "shapes");
        let answer = server.send(&front.request("GET", "/sleeps"));
        assert_eq!(got(kind, &answer), Ok(Failed), "{kind:?}");
        let after = server.send(&front.request("GET", "/good"));
        assert_eq!(after.text(), "good", "{kind:?}");
    }
}

#[test]
fn a_function_that_is_not_waited_for_is_told_as_late() {
    let server = Server::start();
    server.create("shapes", &shapes(), json!({ "Timeout": 5 }));
    for kind in Kind::ALL {
        let Some((status, text)) = words_of_time(kind) else { continue };
        let front = kind.patient(&server, "shapes", 1);
        let answer = server.send(&front.request("GET", "/sleeps"));
        assert_eq!((answer.status, answer.text().as_str()), (status, text), "{kind:?}");
    }
}

#[test]
fn a_function_that_is_gone_is_told_in_the_words_of_each_kind_of_site() {
    let server = Server::start();
    server.create("shapes", &shapes(), json!({ "Timeout": 10 }));
    let fronts = Kind::ALL.map(|kind| (kind, kind.before(&server, "shapes")));
    server.delete("shapes");
    for (kind, front) in fronts {
        let answer = server.send(&front.request("GET", "/good"));
        let expected = match kind {
            Kind::Url => (403, r#"{"Message":null}"#),
            Kind::HttpTwo | Kind::HttpOne | Kind::Balancer | Kind::BalancerLists => words(kind),
            Kind::Rest => (500, r#"{"message": "Internal server error"}"#),
        };
        assert_eq!((answer.status, answer.text().as_str()), expected, "{kind:?}");
    }
}
