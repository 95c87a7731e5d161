//! What a function gets that is invoked for a request.
//!
//! There are two formats. Here is what both are made of: headers, queries, bodies and times as
//! events have them.
//!
//! # Deliberately absent
//!
//! Who asked, and for which route: a site knows that, and says it in a context.

pub mod v1;
pub mod v2;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_types::time::Timestamp;
use percent_encoding::percent_decode_str;
use time::OffsetDateTime;

use crate::request::Request;

/// A body as JSON can carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBody<'a> {
    /// Its text; `None` if the request had no body.
    pub text: Option<Cow<'a, str>>,
    /// Whether that is base64.
    pub is_base64: bool,
}

impl<'a> EventBody<'a> {
    /// The body of a request: as it is if it says that it is text and is, else in base64.
    #[must_use]
    pub fn of(request: &'a Request) -> Self {
        let is_text = request.header("content-encoding").is_none()
            && request.header("content-type").is_some_and(is_text);
        if is_text { Self::plain(&request.body) } else { Self::base64(&request.body) }
    }

    /// Bytes as they are, or in base64 if they are not UTF-8.
    #[must_use]
    pub fn plain(bytes: &'a [u8]) -> Self {
        if bytes.is_empty() {
            return Self { text: None, is_base64: false };
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { text: Some(Cow::Borrowed(text)), is_base64: false },
            Err(_not_text) => Self::base64(bytes),
        }
    }

    /// Bytes in base64.
    #[must_use]
    pub fn base64(bytes: &'a [u8]) -> Self {
        if bytes.is_empty() {
            return Self { text: None, is_base64: false };
        }
        Self { text: Some(Cow::Owned(STANDARD.encode(bytes))), is_base64: true }
    }
}

/// Whether a media type is one of text, as AWS tells them apart.
#[must_use]
pub fn is_text(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = media.split_once('/') else { return false };
    kind == "text"
        || kind == "application"
            && (matches!(subtype, "json" | "xml" | "javascript" | "ecmascript")
                || subtype.ends_with("+json")
                || subtype.ends_with("+xml"))
}

/// The headers by their names in lower case; the values of one that comes more than once are joined
/// by commas.
#[must_use]
pub fn joined_headers(request: &Request) -> BTreeMap<&str, Cow<'_, str>> {
    let mut joined: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for (name, value) in &request.headers {
        match joined.get_mut(name.as_str()) {
            // Cookies are told apart by another sign.
            Some(values) if name == "cookie" => push(values.to_mut(), "; ", value),
            Some(values) => push(values.to_mut(), ",", value),
            None => {
                joined.insert(name, Cow::Borrowed(value));
            }
        }
    }
    joined
}

/// The parameters of a query, decoded, in the order in which they came.
#[must_use]
pub fn query_pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// The parameters of a query by their names; the values of one that comes more than once are joined
/// by commas.
#[must_use]
pub fn joined_query(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in query_pairs(query) {
        match joined.get_mut(&name) {
            Some(values) => push(values, ",", &value),
            None => {
                joined.insert(name, value);
            }
        }
    }
    joined
}

/// The cookies of a request, one by one.
#[must_use]
pub fn cookies(request: &Request) -> Vec<&str> {
    let headers = request.headers.iter().filter(|(name, _)| name == "cookie");
    let cookies = headers.flat_map(|(_, value)| value.split(';'));
    cookies.map(str::trim).filter(|cookie| !cookie.is_empty()).collect()
}

/// `23/Nov/2026:03:20:35 +0000`.
#[must_use]
pub fn request_time(at: Timestamp) -> String {
    // The calendar ends in the year 9999; a clock that is beyond that is shown as the epoch.
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.0) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = at.month().to_string();
    format!(
        "{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000",
        at.day(),
        month.get(..3).unwrap_or_default(),
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn push(values: &mut String, between: &str, value: &str) {
    values.push_str(between);
    values.push_str(value);
}

/// A part of a query as it is meant. Bytes that are not text are replaced, as in AWS's events.
fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use bytes::Bytes;
    use hearth_types::ids::RequestId;
    use uuid::Uuid;

    use super::*;
    use crate::request::Scheme;

    /// A request as a door would hand it over.
    pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Request {
            id: RequestId(Uuid::nil()),
            time: Timestamp(1_795_404_035_123),
            method: method.to_owned(),
            scheme: Scheme::Http,
            protocol: "HTTP/1.1",
            host: "abc.lambda-url.us-east-1.localhost".to_owned(),
            port: 4566,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: Bytes::new(),
            from: IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    #[test]
    fn media_types_of_text() {
        #[rustfmt::skip]
        let rows = [
            ("text/plain",                        true),
            ("text/html; charset=utf-8",          true),
            ("application/json",                  true),
            ("Application/JSON;charset=utf-8",    true),
            ("application/vnd.api+json",          true),
            ("application/xml",                   true),
            ("application/soap+xml",              true),
            ("application/javascript",            true),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x",   false),
            ("application/octet-stream",          false),
            ("image/svg+xml",                     false),
            ("image/png",                         false),
            ("json",                              false),
            ("",                                  false),
        ];
        for (media, expected) in rows {
            assert_eq!(is_text(media), expected, "{media}");
        }
    }

    #[test]
    fn a_body_is_carried_as_it_is_only_if_it_is_text() {
        let json: &[(&str, &str)] = &[("content-type", "application/json")];
        let packed: &[(&str, &str)] =
            &[("content-type", "text/plain"), ("content-encoding", "gzip")];
        let none: &[(&str, &str)] = &[];
        #[rustfmt::skip]
        let rows: [(&str, &[(&str, &str)], &[u8], Option<&str>, bool); 6] = [
            ("text",                json,   b"{}",       Some("{}"),       false),
            ("not really text",     json,   b"\xff",     Some("/w=="),     true),
            ("without a type",      none,   b"a=b",      Some("YT1i"),     true),
            ("packed",              packed, b"abc",      Some("YWJj"),     true),
            ("nothing",             json,   b"",         None,             false),
            ("nothing and no type", none,   b"",         None,             false),
        ];
        for (name, headers, body, text, is_base64) in rows {
            let mut request = request("POST", "/", headers);
            request.body = Bytes::copy_from_slice(body);
            let expected = EventBody { text: text.map(Cow::Borrowed), is_base64 };
            assert_eq!(EventBody::of(&request), expected, "{name}");
        }
    }

    #[test]
    fn queries_are_decoded_and_joined() {
        #[rustfmt::skip]
        let rows: [(&str, &[(&str, &str)]); 7] = [
            ("parameter1=value1&parameter1=value2&parameter2=value", &[("parameter1", "value1,value2"), ("parameter2", "value")]),
            ("a=b+c%20d",   &[("a", "b c d")]),
            ("a",           &[("a", "")]),
            ("a=b=c",       &[("a", "b=c")]),
            ("%61=%C3%A9",  &[("a", "é")]),
            ("&&",          &[]),
            ("",            &[]),
        ];
        for (query, expected) in rows {
            let expected: BTreeMap<String, String> =
                expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(joined_query(query), expected, "{query}");
        }
    }

    #[test]
    fn headers_that_come_twice_are_joined_and_cookies_are_taken_apart() {
        let headers = [("x", "1"), ("cookie", "a=1; b=2"), ("x", "2"), ("cookie", "c=3")];
        let request = request("GET", "/", &headers);
        let joined = joined_headers(&request);
        assert_eq!((&*joined["x"], &*joined["cookie"]), ("1,2", "a=1; b=2; c=3"));
        assert_eq!(cookies(&request), ["a=1", "b=2", "c=3"]);
    }

    #[test]
    fn a_time_is_written_as_in_logs_of_servers() {
        assert_eq!(request_time(Timestamp(1_795_404_035_123)), "23/Nov/2026:03:20:35 +0000");
        assert_eq!(request_time(Timestamp(0)), "01/Jan/1970:00:00:00 +0000");
    }
}
