//! The head of a request: what of it is refused, and what of it a site sees.
//!
//! The HTTP server has refused already what has no form at all: lengths that contradict each other,
//! codings of a body that it does not know, names and values with characters that may not be.

use std::fmt::Write as _;

use hearth_types::ids::RequestId;
use hearth_types::limits::{TRAFFIC_HEADER_BYTES_MAX, TRAFFIC_HEADERS_MAX};
use hearth_types::time::Timestamp;
use hyper::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Method, Version};

use super::Carrier;

/// Headers that are of a connection, and of nobody behind it.
const OF_CONNECTIONS: [&str; 10] = [
    "connection",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Headers that we say ourselves.
const OUR_OWN: [&str; 4] =
    ["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"];

/// Why a request does not reach a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It cannot be understood, or in more than one way.
    Malformed,
    /// No site has this method.
    Method,
    /// It has more headers than it may, or longer ones.
    TooLarge,
}

/// The host that a request is for, in lower case and without its port, if it says one. That it does
/// not say two is for [`check`] to see.
pub(super) fn host(head: &Parts) -> Option<String> {
    let authority = match (head.uri.authority(), head.headers.get(HOST)) {
        (Some(authority), _) => authority.clone(),
        (None, Some(header)) => Authority::try_from(header.as_bytes()).ok()?,
        (None, None) => return None,
    };
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    Some(host.strip_suffix('.').unwrap_or(&host).to_owned())
}

/// Refuses what is not to reach a site.
pub(super) fn check(head: &Parts) -> Result<(), Refused> {
    if head.method == Method::CONNECT || head.method == Method::TRACE {
        return Err(Refused::Method);
    }
    let line = head.uri.path().len() + head.uri.query().map_or(0, str::len);
    let size = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len();
    let bytes = line + head.headers.iter().map(size).sum::<usize>();
    if head.headers.len() > TRAFFIC_HEADERS_MAX || bytes > TRAFFIC_HEADER_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    // Two hosts: somebody in between may have looked at the other one.
    let hosts: Vec<&HeaderValue> = head.headers.get_all(HOST).iter().collect();
    let is_told = match (head.uri.authority(), hosts.as_slice()) {
        (Some(authority), [header]) => {
            header.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
        }
        (Some(_), []) | (None, [_]) => true,
        (Some(_) | None, _) => false,
    };
    if is_told && has_plain_body(&head.headers) { Ok(()) } else { Err(Refused::Malformed) }
}

/// Whether the end of the body is said in one way, which everybody in between knows: by its length, or
/// in chunks. Of other codings the function would see nothing but the bytes.
fn has_plain_body(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(only), None) => only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// Refuses the path `*`, and any that is none.
pub(super) fn check_path(path: &str) -> Result<(), Refused> {
    if path.starts_with('/') { Ok(()) } else { Err(Refused::Malformed) }
}

/// The protocol as AWS writes it.
pub(super) fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _newer => "HTTP/1.1",
    }
}

/// The headers as a site sees them, in the order of the request; what we say ourselves stands last.
pub(super) fn headers(
    head: &Parts,
    carrier: Carrier,
    (id, now): (RequestId, Timestamp),
) -> Vec<(String, String)> {
    let named = named_by_connection(&head.headers);
    let is_passed_on = |name: &str| {
        !OF_CONNECTIONS.contains(&name)
            && !OUR_OWN.contains(&name)
            && !named.iter().any(|one| one == name)
    };
    let mut headers: Vec<(String, String)> =
        Vec::with_capacity(head.headers.len() + OUR_OWN.len() + 1);
    if !head.headers.contains_key(HOST)
        && let Some(authority) = head.uri.authority()
    {
        headers.push((HOST.as_str().to_owned(), authority.as_str().to_owned()));
    }
    for (name, value) in &head.headers {
        if !is_passed_on(name.as_str()) {
            continue;
        }
        // Clients of HTTP/2 send cookies one by one, which are one header (RFC 9113, 8.2.3).
        let is_crumb = head.version == Version::HTTP_2 && *name == COOKIE;
        let before = headers.last_mut().filter(|(last, _)| is_crumb && last == COOKIE.as_str());
        if let Some((_cookie, crumbs)) = before {
            crumbs.push_str("; ");
            crumbs.push_str(&text(value));
            continue;
        }
        headers.push((name.as_str().to_owned(), text(value)));
    }
    let mut say = |name: &str, value: String| headers.push((name.to_owned(), value));
    say("x-forwarded-for", forwarded_for(&head.headers, carrier));
    say("x-forwarded-port", carrier.port.to_string());
    say("x-forwarded-proto", carrier.scheme.name().to_owned());
    let trace = head.headers.get("x-amzn-trace-id").map(text);
    say("x-amzn-trace-id", trace.unwrap_or_else(|| new_trace(id, now)));
    headers
}

/// The headers that `Connection` says are its own. That the body has a length, and who is meant,
/// cannot be taken away in this way.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("connection").iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !["host", "content-length", "close", ""].contains(&name.as_str()))
        .collect()
}

/// All that proxies have said, and the address that we see.
fn forwarded_for(headers: &HeaderMap, carrier: Carrier) -> String {
    let mut addresses = String::new();
    for value in headers.get_all("x-forwarded-for") {
        let value = text(value);
        if !value.trim().is_empty() {
            addresses.push_str(value.trim());
            addresses.push_str(", ");
        }
    }
    write!(addresses, "{}", carrier.from).expect("writing to a string cannot fail");
    addresses
}

/// A trace that begins here: the time, and the random part of the request's id.
fn new_trace(id: RequestId, now: Timestamp) -> String {
    let random = id.0.simple().to_string();
    format!("Root=1-{:08x}-{}", now.0 / 1_000, random.get(..24).unwrap_or_default())
}

/// The text of a value. Before UTF-8 such bytes were Latin-1, where each is a character.
fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_not_utf8) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use hearth_http::request::Scheme;
    use hyper::Request;

    use super::*;

    const CARRIER: Carrier =
        Carrier { scheme: Scheme::Https, port: 4567, from: IpAddr::V4(Ipv4Addr::LOCALHOST) };

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn seen(head: &Parts) -> Vec<(String, String)> {
        headers(
            head,
            CARRIER,
            (
                RequestId::parse("0123456789abcdef0123456789abcdef").unwrap(),
                Timestamp(1_795_404_035_123),
            ),
        )
    }

    #[test]
    fn the_host_is_what_the_request_says() {
        #[rustfmt::skip]
        let rows: [(&str, &[(&str, &str)], Option<&str>); 8] = [
            ("/",                    &[("host", "Abc.Example:4566")],           Some("abc.example")),
            ("/",                    &[("host", "abc.example.")],               Some("abc.example")),
            ("/",                    &[("host", "[::1]:80")],                   Some("[::1]")),
            ("http://abc.example/x", &[],                                       Some("abc.example")),
            ("http://abc.example/x", &[("host", "other.example")],              Some("abc.example")),
            ("/",                    &[("host", "a.example"), ("host", "b.example")], Some("a.example")),
            ("/",                    &[("host", "user@a.example")],             None),
            ("/",                    &[],                                       None),
        ];
        for (uri, headers, expected) in rows {
            assert_eq!(host(&head(uri, headers)).as_deref(), expected, "{uri} {headers:?}");
        }
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        let many: Vec<(String, String)> =
            (0..TRAFFIC_HEADERS_MAX).map(|at| (format!("x-{at}"), "y".to_owned())).collect();
        let mut many: Vec<(&str, &str)> =
            many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let long = "y".repeat(TRAFFIC_HEADER_BYTES_MAX);
        many.push(("host", "a.example"));
        #[rustfmt::skip]
        let rows: [(&str, &str, &[(&str, &str)], Result<(), Refused>); 10] = [
            ("one host",           "/",                  &[("host", "a.example")],                          Ok(())),
            ("the same host",      "http://a.example/",  &[("host", "A.example")],                          Ok(())),
            ("no host",            "/",                  &[],                                               Err(Refused::Malformed)),
            ("two hosts",          "/",                  &[("host", "a.example"), ("host", "a.example")],   Err(Refused::Malformed)),
            ("another host",       "http://a.example/",  &[("host", "b.example")],                          Err(Refused::Malformed)),
            ("in chunks",          "/",                  &[("host", "a.example"), ("transfer-encoding", "Chunked")], Ok(())),
            ("packed in chunks",   "/",                  &[("host", "a.example"), ("transfer-encoding", "gzip, chunked")], Err(Refused::Malformed)),
            ("in chunks in chunks", "/",                 &[("host", "a.example"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], Err(Refused::Malformed)),
            ("too many headers",   "/",                  &many,                                             Err(Refused::TooLarge)),
            ("too long a header",  "/",                  &[("host", "a.example"), ("x", long.as_str())],            Err(Refused::TooLarge)),
        ];
        for (name, uri, headers, expected) in rows {
            assert_eq!(check(&head(uri, headers)), expected, "{name}");
        }
        let mut trace = head("/", &[("host", "a.example")]);
        trace.method = Method::TRACE;
        assert_eq!(check(&trace), Err(Refused::Method));
        assert_eq!(check_path("*"), Err(Refused::Malformed));
    }

    #[test]
    fn a_site_sees_no_headers_of_the_connection() {
        let sent = [
            ("host", "a.example"),
            ("connection", "keep-alive, X-Own, Host"),
            ("x-own", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x", "1"),
            ("x", "2"),
        ];
        let seen = seen(&head("/", &sent));
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        let ours = ["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"];
        assert_eq!(names, [&["host", "x", "x"][..], &ours].concat());
    }

    #[test]
    fn cookies_that_came_one_by_one_are_one_header() {
        let sent = [("host", "a.example"), ("cookie", "a=1"), ("x", "1"), ("cookie", "b=2")];
        let mut head = head("/", &sent);
        let cookies = |head: &Parts| -> Vec<String> {
            let all = seen(head).into_iter().filter(|(name, _)| name == "cookie");
            all.map(|(_, value)| value).collect()
        };
        assert_eq!(cookies(&head), ["a=1", "b=2"]);
        head.version = Version::HTTP_2;
        assert_eq!(cookies(&head), ["a=1; b=2"]);
    }

    #[test]
    fn where_a_request_came_from_is_said_by_us() {
        let sent = [
            ("host", "a.example"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-proto", "gopher"),
        ];
        let seen = seen(&head("/", &sent));
        let value = |name: &str| {
            let mut values = seen.iter().filter(|(known, _)| known == name);
            (values.next().map(|(_, value)| value.as_str()), values.next().is_some())
        };
        #[rustfmt::skip]
        let rows = [
            ("x-forwarded-for",   "203.0.113.7, 198.51.100.1, 127.0.0.1"),
            ("x-forwarded-port",  "4567"),
            ("x-forwarded-proto", "https"),
            ("x-amzn-trace-id",   "Root=1-6b03b103-0123456789abcdef01234567"),
        ];
        for (name, expected) in rows {
            assert_eq!(value(name), (Some(expected), false), "{name}");
        }
    }
}
