//! Calls of pages from other origins, by a client that is as strict as a browser.
//!
//! [`Page::fetch`] does what the Fetch standard says: a preflight where one is needed, the check of
//! its response, the call, and the check of that response. What it hands over is what a script would
//! get.
//!
//! # Deliberately absent
//!
//! The memory of preflights: each call is asked for again.

use serde_json::{Map, Value, json};

use self::Credentials::{Included, Omitted};
use crate::functions::serves;
use crate::harness::Server;
use crate::http::Answer;
use crate::sites::{self, Front};

/// Headers of a response that every page may see.
const SAFE_TO_SEE: [&str; 7] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
];
/// Types of a body that a form could send as well.
const SAFE_TYPES: [&str; 3] =
    ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// Whether a call carries cookies and the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Credentials {
    Omitted,
    Included,
}

/// A page in a browser.
#[derive(Debug)]
struct Page<'a> {
    server: &'a Server,
    front: &'a Front,
    origin: &'a str,
    credentials: Credentials,
}

/// Why a script does not get a response.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Blocked {
    /// The preflight was not answered with success.
    Preflight(u16),
    /// A response is not for this origin.
    Origin,
    /// A response is not for calls with credentials.
    Credentials,
    /// The method is not allowed.
    Method,
    /// This header is not allowed.
    Header(String),
}

/// What a script sees of a response.
#[derive(Debug)]
struct Seen {
    status: u16,
    headers: Vec<String>,
}

impl Page<'_> {
    /// A call of a script: its method, its path, and the headers that the script sets.
    fn fetch(
        &self,
        (method, path): (&'static str, &str),
        headers: &[(&str, &str)],
    ) -> Result<Seen, Blocked> {
        let is_safe = |(name, value): &&(&str, &str)| is_safe_to_send(name, value);
        let mut odd: Vec<String> =
            headers.iter().filter(|pair| !is_safe(pair)).map(|(name, _)| lower(name)).collect();
        odd.sort();
        odd.dedup();
        if !is_safe_method(method) || !odd.is_empty() {
            self.preflight((method, path), &odd)?;
        }
        let mut request = self.front.request(method, path).header("origin", self.origin);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if self.credentials == Included {
            request = request.header("cookie", "session=1");
        }
        let answer = self.server.send(&request);
        self.check(&answer)?;
        Ok(Seen { status: answer.status, headers: self.visible(&answer) })
    }

    fn preflight(
        &self,
        (method, path): (&'static str, &str),
        odd: &[String],
    ) -> Result<(), Blocked> {
        // Never with credentials.
        let mut request = self.front.request("OPTIONS", path).header("origin", self.origin);
        request = request.header("access-control-request-method", method);
        if !odd.is_empty() {
            request = request.header("access-control-request-headers", odd.join(","));
        }
        let answer = self.server.send(&request);
        self.check(&answer)?;
        if !(200..300).contains(&answer.status) {
            return Err(Blocked::Preflight(answer.status));
        }
        let methods = list(&answer, "access-control-allow-methods");
        // Methods are told apart by their case.
        let is_named = methods.iter().any(|named| named == method);
        if !is_named && !is_safe_method(method) && !self.is_any(&methods) {
            return Err(Blocked::Method);
        }
        let names = list(&answer, "access-control-allow-headers");
        for name in odd {
            let is_named = names.iter().any(|named| named.eq_ignore_ascii_case(name));
            // This one no star stands for.
            let is_covered = name != "authorization" && self.is_any(&names);
            if !is_named && !is_covered {
                return Err(Blocked::Header(name.clone()));
            }
        }
        Ok(())
    }

    /// Whether a response is for this page.
    fn check(&self, answer: &Answer) -> Result<(), Blocked> {
        let is_open = self.credentials == Omitted;
        // One that is there twice is none.
        match answer.all("access-control-allow-origin").as_slice() {
            ["*"] if is_open => return Ok(()),
            [origin] if *origin == self.origin => {}
            _other => return Err(Blocked::Origin),
        }
        let credentials = answer.all("access-control-allow-credentials");
        if is_open || credentials == ["true"] { Ok(()) } else { Err(Blocked::Credentials) }
    }

    fn visible(&self, answer: &Answer) -> Vec<String> {
        let exposed = list(answer, "access-control-expose-headers");
        let is_visible = |name: &str| {
            SAFE_TO_SEE.contains(&name)
                || exposed.iter().any(|one| one.eq_ignore_ascii_case(name))
                || self.is_any(&exposed)
        };
        let names = answer.headers.keys();
        let names = names.filter(|name| is_visible(name.as_str()) && name.as_str() != "set-cookie");
        names.cloned().collect()
    }

    /// Whether a list has a star, which stands for nothing in calls with credentials.
    fn is_any(&self, list: &[String]) -> bool {
        self.credentials == Omitted && list.iter().any(|one| one == "*")
    }
}

fn is_safe_method(method: &str) -> bool {
    ["GET", "HEAD", "POST"].contains(&method)
}

fn is_safe_to_send(name: &str, value: &str) -> bool {
    match lower(name).as_str() {
        "accept" | "accept-language" | "content-language" => true,
        "content-type" => {
            let essence = value.split(';').next().unwrap_or_default().trim();
            SAFE_TYPES.contains(&essence.to_ascii_lowercase().as_str())
        }
        _ => false,
    }
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The members of a header's list, whether it is in one header or in several.
fn list(answer: &Answer, name: &str) -> Vec<String> {
    let values = answer.all(name);
    let members = values.iter().flat_map(|value| value.split(','));
    members.map(|member| member.trim().to_owned()).collect()
}

/// A function URL and an HTTP API with the same rules about other origins. Those of the former are
/// spelled with capitals.
fn fronts(server: &Server, function: &str, rules: &Value) -> [Front; 2] {
    server.create(function, &serves(), json!({}));
    let Value::Object(members) = rules else { panic!("rules are an object") };
    let lower_first = |name: &str| format!("{}{}", name[..1].to_ascii_lowercase(), &name[1..]);
    let lower: Map<String, Value> =
        members.iter().map(|(name, value)| (lower_first(name), value.clone())).collect();
    let settings = |name: &str, rules: Value| {
        let none = rules.as_object().is_some_and(Map::is_empty);
        if none { json!({}) } else { json!({ name: rules }) }
    };
    let url = sites::url(server, function, &settings("Cors", rules.clone()));
    let cors = settings("corsConfiguration", Value::Object(lower));
    let usual = json!({});
    let api = sites::http_api(server, function, ("2.0", &usual), &cors);
    [url, api]
}

/// The origin of a page, whether it sends credentials, what it calls with which headers, and what
/// comes of it.
type Row<'a> =
    (&'a str, Credentials, (&'static str, &'a str), &'a [(&'a str, &'a str)], Result<u16, Blocked>);

const OWN: &str = "https://app.example";
const EVIL: &str = "https://evil.example";

fn check(server: &Server, (function, rules): (&str, &Value), rows: &[Row<'_>]) {
    for front in fronts(server, function, rules) {
        for &(origin, credentials, call, headers, ref expected) in rows {
            let page = Page { server, front: &front, origin, credentials };
            let got = page.fetch(call, headers).map(|seen| seen.status);
            assert_eq!(got, *expected, "{origin} {credentials:?} {call:?} {headers:?} {front:?}");
        }
    }
}

#[test]
fn a_page_gets_what_the_rules_allow_and_no_more() {
    let server = Server::start();
    let rules = json!({
        "AllowOrigins": [OWN, "http://localhost:3000"],
        "AllowMethods": ["GET", "PUT"],
        "AllowHeaders": ["content-type", "x-own"],
        "MaxAge": 60,
    });
    let typed = ("content-type", "application/json");
    #[rustfmt::skip]
    let rows: [Row<'_>; 14] = [
        (OWN,                     Omitted,  ("GET", "/text"),       &[],                         Ok(200)),
        // The function names another origin, which does not count for anybody.
        (OWN,                     Omitted,  ("GET", "/response"),   &[],                         Ok(201)),
        (EVIL,                    Omitted,  ("GET", "/response"),   &[],                         Err(Blocked::Origin)),
        ("http://localhost:3000", Omitted,  ("GET", "/text"),       &[],                         Ok(200)),
        ("http://localhost:3001", Omitted,  ("GET", "/text"),       &[],                         Err(Blocked::Origin)),
        ("null",                  Omitted,  ("GET", "/text"),       &[],                         Err(Blocked::Origin)),
        // A form could send it as well, so it is not asked for.
        (OWN,                     Omitted,  ("POST", "/text"),      &[("content-type", "text/plain")], Ok(200)),
        (OWN,                     Omitted,  ("POST", "/text"),      &[typed],                    Ok(200)),
        (OWN,                     Omitted,  ("PUT", "/text"),       &[typed, ("X-Own", "1")],    Ok(200)),
        (EVIL,                    Omitted,  ("PUT", "/text"),       &[],                         Err(Blocked::Origin)),
        (OWN,                     Omitted,  ("DELETE", "/text"),    &[],                         Err(Blocked::Method)),
        (OWN,                     Omitted,  ("GET", "/text"),       &[("x-other", "1")],         Err(Blocked::Header("x-other".to_owned()))),
        (OWN,                     Omitted,  ("GET", "/text"),       &[("authorization", "x")],   Err(Blocked::Header("authorization".to_owned()))),
        (OWN,                     Included, ("GET", "/text"),       &[],                         Err(Blocked::Credentials)),
    ];
    check(&server, ("strict", &rules), &rows);
}

#[test]
fn a_page_with_credentials_gets_what_is_named() {
    let server = Server::start();
    let rules = json!({
        "AllowCredentials": true,
        "AllowOrigins": [OWN],
        "AllowMethods": ["GET", "DELETE"],
        "AllowHeaders": ["authorization"],
    });
    let bearer = ("authorization", "Bearer x");
    #[rustfmt::skip]
    let rows: [Row<'_>; 6] = [
        (OWN,  Included, ("GET", "/text"),    &[],               Ok(200)),
        (OWN,  Included, ("DELETE", "/text"), &[bearer],         Ok(200)),
        (OWN,  Omitted,  ("DELETE", "/text"), &[bearer],         Ok(200)),
        (OWN,  Included, ("PUT", "/text"),    &[],               Err(Blocked::Method)),
        (OWN,  Included, ("GET", "/text"),    &[("x-own", "1")], Err(Blocked::Header("x-own".to_owned()))),
        (EVIL, Included, ("GET", "/text"),    &[],               Err(Blocked::Origin)),
    ];
    check(&server, ("credentials", &rules), &rows);
}

#[test]
fn a_star_is_for_everybody_without_credentials() {
    let server = Server::start();
    let rules = json!({ "AllowOrigins": ["*"], "AllowMethods": ["*"], "AllowHeaders": ["*"] });
    #[rustfmt::skip]
    let rows: [Row<'_>; 5] = [
        (OWN,  Omitted,  ("PATCH", "/text"), &[("x-any", "1")],       Ok(200)),
        (EVIL, Omitted,  ("GET", "/text"),   &[],                     Ok(200)),
        // A page may know that something failed.
        (OWN,  Omitted,  ("GET", "/status"), &[],                     Ok(418)),
        (OWN,  Omitted,  ("GET", "/text"),   &[("authorization", "x")], Err(Blocked::Header("authorization".to_owned()))),
        (OWN,  Included, ("GET", "/text"),   &[],                     Err(Blocked::Origin)),
    ];
    check(&server, ("star", &rules), &rows);
}

#[test]
fn without_rules_the_function_speaks_for_itself() {
    let server = Server::start();
    #[rustfmt::skip]
    let rows: [Row<'_>; 3] = [
        (EVIL, Omitted, ("GET", "/response"), &[], Ok(201)),
        (OWN,  Omitted, ("GET", "/response"), &[], Err(Blocked::Origin)),
        (OWN,  Omitted, ("PUT", "/text"),     &[], Err(Blocked::Origin)),
    ];
    check(&server, ("plain", &json!({})), &rows);
}

#[test]
fn a_page_sees_the_headers_that_are_exposed_and_no_preflight_runs_the_function() {
    let server = Server::start();
    let rules = json!({
        "AllowOrigins": [OWN],
        "AllowMethods": ["PUT"],
        "ExposeHeaders": ["x-own"],
    });
    for front in fronts(&server, "exposed", &rules) {
        let page = Page { server: &server, front: &front, origin: OWN, credentials: Omitted };
        let seen = page.fetch(("PUT", "/response"), &[]).expect("it is allowed");
        assert_eq!(seen.headers, ["content-length", "content-type", "x-own"], "{front:?}");
        let blocked = page.fetch(("DELETE", "/sleep?seconds=0"), &[]).err();
        assert_eq!(blocked, Some(Blocked::Method), "{front:?}");
        let asked = front.request("OPTIONS", "/sleep?seconds=0");
        let asked = asked.header("origin", EVIL).header("access-control-request-method", "PUT");
        let answer = server.send(&asked);
        assert_eq!(answer.all("access-control-allow-origin"), Vec::<&str>::new(), "{front:?}");
    }
    // What is logged first is there when what was logged later is.
    server.invoke(
        "exposed",
        &json!({ "rawPath": "/sleep", "queryStringParameters": { "seconds": "0" } }),
    );
    server.wait_for_line("exposed", "begun");
    let begun = server.logs("exposed").iter().filter(|line| line.contains("begun")).count();
    assert_eq!(begun, 1, "only what was invoked has run");
}
