//! Web frameworks, unmodified, in functions: an application does not notice where it runs.
//!
//! The same small application is written with each framework. It is asked the same through each kind
//! of site.

use serde_json::{Value, json};

use crate::functions::{Code, program, web_application, with_packages};
use crate::harness::{Server, skipped};
use crate::languages::node;
use crate::sites::{Front, Kind};
use crate::tools;

/// Puts an application behind sites of these kinds, and asks it.
fn check(server: &Server, code: &Code, kinds: &[Kind]) {
    // One crate adds the stage to the path of an event unless it is told not to.
    let variables = json!({ "AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH": "true" });
    let settings =
        json!({ "MemorySize": 512, "Timeout": 28, "Environment": { "Variables": variables } });
    server.create("web", code, settings);
    for kind in kinds {
        answers_as_an_application(server, *kind, &kind.before(server, "web"));
    }
}

fn answers_as_an_application(server: &Server, kind: Kind, front: &Front) {
    // Variables of the path, the query, cookies there and back.
    let asked = front.request("GET", "/pets/Ada%20L?limit=3").header("cookie", "seen=yes; x=y");
    let seen = server.send(&asked);
    assert_eq!(seen.status, 200, "{kind:?}: {}", seen.text());
    assert_eq!(seen.json(), json!({ "name": "Ada L", "limit": 3, "seen": "yes" }), "{kind:?}");
    let is_json = seen.header("content-type").is_some_and(|of| of.starts_with("application/json"));
    assert!(is_json, "{kind:?}: {seen:?}");
    let pairs = seen.all("set-cookie").into_iter().map(|cookie| cookie.split(';').next());
    let mut pairs: Vec<&str> = pairs.map(Option::unwrap_or_default).collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["first=1", "second=2"], "{kind:?}");

    // Bodies, good and not good enough.
    let add = |pet: &Value| {
        let request = front.request("POST", "/pets");
        server.send(&request.header("content-type", "application/json").json(pet))
    };
    let added = add(&json!({ "name": "Réx", "age": 3 }));
    let told = (added.status, added.json());
    assert_eq!(told, (201, json!({ "added": "Réx", "age": 3 })), "{kind:?}: {}", added.text());
    let odd = add(&json!({ "name": "Rex" }));
    assert_eq!(odd.status, 422, "{kind:?}: {}", odd.text());

    // Bytes that are no text.
    let picture = server.send(&front.request("GET", "/picture").header("accept", "image/png"));
    let told = (picture.status, picture.header("content-type"), picture.body.as_slice());
    assert_eq!(told, (200, Some("image/png"), b"\x89PNG\xff\x00".as_slice()), "{kind:?}");

    let nothing = server.send(&front.request("GET", "/nothing"));
    assert_eq!(nothing.status, 404, "{kind:?}: {}", nothing.text());
}

#[test]
fn fastapi_with_mangum_does_not_notice_where_it_runs() {
    check(&Server::start(), &web_application(), &Kind::ALL);
}

#[test]
fn express_with_serverless_http_does_not_notice_where_it_runs() {
    let test = "express_with_serverless_http_does_not_notice_where_it_runs";
    let (name, runtime) = match node() {
        Ok(node) => node,
        Err(why) => return skipped(test, &why),
    };
    if !tools::answers("npm", "--version") {
        return skipped(test, "there is no `npm` (apt-get install npm)");
    }
    let packages = tools::node_express().unwrap_or_else(|error| panic!("{error}"));
    let source = include_str!("../functions/node_express/index.mjs");
    let zip = with_packages(&packages, ("index.mjs", source));
    let server = Server::start();
    server.place.link(&name, &runtime); // Found although the server is running.
    // By this package, cookies get through a load balancer only in lists.
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Balancer);
    let kinds: Vec<Kind> = kinds.collect();
    check(&server, &Code { runtime: name, handler: "index.handler", zip }, &kinds);
}

#[test]
fn axum_with_lambda_http_does_not_notice_where_it_runs() {
    // By this crate, too.
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Balancer);
    let kinds: Vec<Kind> = kinds.collect();
    check(&Server::start(), &program(&tools::rust_axum()), &kinds);
}
