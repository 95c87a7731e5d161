//! HTTP endpoints behind APIs: what is sent to them of a request, and what is passed back of their
//! answers.
//!
//! # Promises
//!
//! 1. An answer is there within the time of the integration, or there is none.
//! 2. A variable of one part of a path stays one part: a slash that a client has hidden in it does
//!    not lead elsewhere.
//!
//! # Deliberately absent
//!
//! Statuses and texts: what a failure is to the client, each kind of API says in its own words.

use std::time::Duration;

use bytes::Bytes;
use hearth_services::remote::web::{Web, WebError, WebRequest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::request::Request;
use crate::response::{self, Body, Response};

/// What stays as it is in a part of a query.
pub(crate) const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stays as it is in one part of a path.
const IN_PART: &AsciiSet = &IN_QUERY
    .remove(b':')
    .remove(b'@')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=');
/// What stays as it is in a path.
const IN_PATH: &AsciiSet = &IN_PART.remove(b'/');

/// What becomes of the slashes in a value that is put into a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slashes {
    /// They stay what they are.
    Kept,
    /// They are encoded.
    Encoded,
}

impl Slashes {
    /// Those of a variable, which stands in this path: only one that takes all that follows has any.
    pub(crate) fn of(variable: &str, path: &str) -> Self {
        if path.contains(&format!("{{{variable}+}}")) { Self::Kept } else { Self::Encoded }
    }
}

/// An address with a value in the place of `{name}`.
pub(crate) fn with_value(url: &str, (name, value): (&str, &str), slashes: Slashes) -> String {
    let stays = match slashes {
        Slashes::Kept => IN_PATH,
        Slashes::Encoded => IN_PART,
    };
    let value = utf8_percent_encode(value, stays).to_string();
    url.replace(&format!("{{{name}}}"), &value).replace(&format!("{{{name}+}}"), &value)
}

/// An address with a query behind what it may have already.
pub(crate) fn with_query(url: &str, query: &str) -> String {
    if query.is_empty() {
        return url.to_owned();
    }
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{query}")
}

/// The headers of a request but for some.
pub(crate) fn headers_without(request: &Request, names: &[&str]) -> Vec<(String, String)> {
    let given = request.headers.iter().filter(|(name, _)| !names.contains(&name.as_str()));
    given.cloned().collect()
}

/// Asks an endpoint, and makes a response of its answer.
///
/// # Errors
///
/// If there is none in time, or it is too large.
pub(crate) async fn answer(
    web: &Web,
    (asked, limit): (WebRequest, Duration),
) -> Result<Response, WebError> {
    let url = asked.url.clone();
    let asking = tokio::time::timeout(limit, web.ask(asked)).await;
    let answer = asking.unwrap_or(Err(WebError::Late(url)))?;
    let mut headers = answer.headers;
    headers.retain(|(name, _)| !response::OF_CONNECTION.contains(&name.as_str()));
    let body = Body::Whole(Bytes::from(answer.body));
    Ok(Response { status: answer.status, headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_put_into_an_address() {
        #[rustfmt::skip]
        let rows = [
            ("http://a/{id}",      "/pets/{id}",     "a b",      "http://a/a%20b"),
            ("http://a/{id}",      "/pets/{id}",     "../admin", "http://a/..%2Fadmin"),
            ("http://a/{id}/x",    "/{id+}",         "b/c?d",    "http://a/b/c%3Fd/x"),
            ("http://a/{id+}",     "GET /x/{id+}",   "b/c",      "http://a/b/c"),
            ("http://a/{other}",   "/pets/{id}",     "b",        "http://a/{other}"),
            ("http://a/{id}",      "/pets/{id}",     "{x}@y",    "http://a/%7Bx%7D@y"),
        ];
        for (url, path, value, expected) in rows {
            let slashes = Slashes::of("id", path);
            assert_eq!(with_value(url, ("id", value), slashes), expected, "{url} {path} {value}");
        }
    }

    #[test]
    fn a_query_is_put_behind_an_address() {
        assert_eq!(with_query("http://a/", ""), "http://a/");
        assert_eq!(with_query("http://a/", "b=1"), "http://a/?b=1");
        assert_eq!(with_query("http://a/?x", "b=1"), "http://a/?x&b=1");
    }
}
