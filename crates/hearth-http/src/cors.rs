//! Calls from other origins, answered by the service in place of the function.
//!
//! A browser asks before some calls (a *preflight*), and looks at the headers of every response. What
//! it is told comes from the configuration alone: headers of the function that say otherwise are
//! taken away.

use bytes::Bytes;

use crate::request::Request;
use crate::response::{Body, Response};

/// What browsers are told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether calls may carry credentials.
    pub allow_credentials: bool,
    /// The headers that calls may have; `*` for all.
    pub allow_headers: Vec<String>,
    /// The methods of calls; `*` for all.
    pub allow_methods: Vec<String>,
    /// Where calls may come from; a `*` stands for any part.
    pub allow_origins: Vec<String>,
    /// The headers of the response that the caller may see.
    pub expose_headers: Vec<String>,
    /// How long all this may be remembered.
    pub max_age_seconds: Option<u32>,
}

/// Whether a request asks what would be allowed.
#[must_use]
pub fn is_preflight(request: &Request) -> bool {
    request.method == "OPTIONS"
        && request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
}

impl Rules {
    /// The answer to a request that asks what would be allowed. Without a word of it, nothing is.
    #[must_use]
    pub fn preflight(&self, request: &Request, status: u16) -> Response {
        let mut headers = self.of_origin(request);
        if !headers.is_empty() {
            let asked = |name| request.header(name).map(str::to_owned);
            let methods = self.list(&self.allow_methods, asked("access-control-request-method"));
            let names = self.list(&self.allow_headers, asked("access-control-request-headers"));
            let age = self.max_age_seconds.map(|age| age.to_string());
            let told = [
                ("access-control-allow-methods", methods),
                ("access-control-allow-headers", names),
                ("access-control-max-age", age),
            ];
            let told = told.into_iter().filter_map(|(name, value)| Some((name, value?)));
            headers.extend(told.map(|(name, value)| (name.to_owned(), value)));
        }
        Response { status, headers, body: Body::Whole(Bytes::new()) }
    }

    /// Puts what browsers are told in the place of what the function tells them.
    pub fn apply(&self, request: &Request, headers: &mut Vec<(String, String)>) {
        let own = self.of_origin(request);
        headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control-"));
        headers.extend(own);
    }

    /// What is said in every response; nothing if the origin is not allowed, or there is none.
    fn of_origin(&self, request: &Request) -> Vec<(String, String)> {
        let Some(origin) = request.header("origin") else { return Vec::new() };
        if !self.allow_origins.iter().any(|allowed| fits(allowed, origin)) {
            return Vec::new();
        }
        let is_any = self.allow_origins.iter().any(|allowed| allowed == "*");
        let mut headers = Vec::new();
        let mut tell = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        // No browser takes a `*` for a call with credentials.
        if is_any && !self.allow_credentials {
            tell("access-control-allow-origin", "*");
        } else {
            tell("access-control-allow-origin", origin);
            tell("vary", "Origin");
        }
        if self.allow_credentials {
            tell("access-control-allow-credentials", "true");
        }
        if !self.expose_headers.is_empty() {
            tell("access-control-expose-headers", &self.expose_headers.join(","));
        }
        headers
    }

    /// A list as a header has it. With credentials a `*` would not be taken, so that what was asked
    /// for stands in its place.
    fn list(&self, all: &[String], asked: Option<String>) -> Option<String> {
        if all.is_empty() {
            return None;
        }
        if self.allow_credentials && all.iter().any(|one| one == "*") {
            return asked;
        }
        Some(all.join(","))
    }
}

/// Whether an origin fits an allowed one, in which a `*` stands for any part. No such part goes
/// beyond the host, because an origin has none.
fn fits(allowed: &str, origin: &str) -> bool {
    let mut parts = allowed.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = strip_prefix_ignoring_case(origin, first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let lower = rest.to_ascii_lowercase();
        let Some(at) = lower.find(&part.to_ascii_lowercase()) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len()
        && rest.is_char_boundary(rest.len() - last.len())
        && rest[rest.len() - last.len()..].eq_ignore_ascii_case(last)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let start = text.get(..prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::request;

    fn texts(all: &[&str]) -> Vec<String> {
        all.iter().map(|&text| text.to_owned()).collect()
    }

    fn value<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn each_form_of_an_allowed_origin() {
        #[rustfmt::skip]
        let rows = [
            ("*",                         "https://a.example",       true),
            ("https://a.example",         "https://a.example",       true),
            ("https://A.example",         "https://a.example",       true),
            ("https://a.example",         "https://a.example:8443",  false),
            ("https://a.example",         "http://a.example",        false),
            ("https://a.example",         "https://a.example.evil",  false),
            ("https://*.example",         "https://a.b.example",     true),
            ("https://*.example",         "https://example",         false),
            ("https://*.example",         "https://a.example.evil",  false),
            ("https://*.b.*.example",     "https://a.b.c.example",   true),
            ("https://*.b.*.example",     "https://a.c.example",     false),
            ("https://a.example",         "null",                    false),
            ("https://*",                 "https://é",               true),
        ];
        for (allowed, origin, expected) in rows {
            assert_eq!(fits(allowed, origin), expected, "{allowed} {origin}");
        }
    }

    #[test]
    fn only_a_request_that_asks_is_a_preflight() {
        let asks = ("access-control-request-method", "PUT");
        let origin = ("origin", "https://a.example");
        #[rustfmt::skip]
        let rows: [(&str, &[(&str, &str)], bool); 4] = [
            ("OPTIONS", &[origin, asks], true),
            ("OPTIONS", &[origin],       false),
            ("OPTIONS", &[asks],         false),
            ("GET",     &[origin, asks], false),
        ];
        for (method, headers, expected) in rows {
            assert_eq!(is_preflight(&request(method, "/", headers)), expected, "{method}");
        }
    }

    #[test]
    fn a_preflight_is_told_what_is_allowed() {
        let rules = Rules {
            allow_headers: texts(&["x-a", "x-b"]),
            allow_methods: texts(&["GET", "PUT"]),
            allow_origins: texts(&["https://a.example"]),
            expose_headers: texts(&["date"]),
            max_age_seconds: Some(60),
            allow_credentials: false,
        };
        let asks = ("access-control-request-method", "PUT");
        let asked = request("OPTIONS", "/", &[("origin", "https://a.example"), asks]);
        let answer = rules.preflight(&asked, 204);
        #[rustfmt::skip]
        let rows = [
            ("access-control-allow-origin",      Some("https://a.example")),
            ("access-control-allow-methods",     Some("GET,PUT")),
            ("access-control-allow-headers",     Some("x-a,x-b")),
            ("access-control-expose-headers",    Some("date")),
            ("access-control-max-age",           Some("60")),
            ("access-control-allow-credentials", None),
            ("vary",                             Some("Origin")),
        ];
        for (name, expected) in rows {
            assert_eq!(value(&answer.headers, name), expected, "{name}");
        }
        assert_eq!(answer.status, 204);

        let other = request("OPTIONS", "/", &[("origin", "https://b.example"), asks]);
        assert!(rules.preflight(&other, 204).headers.is_empty(), "nothing is allowed");
    }

    #[test]
    fn with_credentials_nothing_is_said_by_a_star() {
        let all = texts(&["*"]);
        let rules = Rules {
            allow_credentials: true,
            allow_headers: all.clone(),
            allow_methods: all.clone(),
            allow_origins: all,
            ..Rules::default()
        };
        let asks = [
            ("origin", "https://a.example"),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-a"),
        ];
        let headers = rules.preflight(&request("OPTIONS", "/", &asks), 200).headers;
        assert_eq!(value(&headers, "access-control-allow-origin"), Some("https://a.example"));
        assert_eq!(value(&headers, "access-control-allow-methods"), Some("PUT"));
        assert_eq!(value(&headers, "access-control-allow-headers"), Some("x-a"));
        assert_eq!(value(&headers, "access-control-allow-credentials"), Some("true"));
    }

    #[test]
    fn the_configuration_has_the_last_word() {
        let rules = Rules { allow_origins: texts(&["*"]), ..Rules::default() };
        let told = |origin: &[(&str, &str)]| {
            let mut headers = vec![
                ("x".to_owned(), "y".to_owned()),
                ("Access-Control-Allow-Origin".to_owned(), "https://evil.example".to_owned()),
            ];
            rules.apply(&request("GET", "/", origin), &mut headers);
            headers
        };
        let own = ("x".to_owned(), "y".to_owned());
        let any = ("access-control-allow-origin".to_owned(), "*".to_owned());
        assert_eq!(told(&[("origin", "https://a.example")]), [own.clone(), any]);
        assert_eq!(told(&[]), [own]);
    }
}
