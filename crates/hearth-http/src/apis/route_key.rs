//! The keys of an HTTP API's routes, and which of them a request is for.
//!
//! A key is `$default`, or a method and a path: `GET /pets/{id}`, `ANY /{proxy+}`. AWS ("Routing API
//! requests"): a route that matches the whole path comes before one with a greedy variable, and
//! `$default` is for whatever is left. Among several, the one whose path is said more exactly from
//! the left comes first, and then a method before `ANY`.
//!
//! # Deliberately absent
//!
//! A slash at the end is not forgiven, as AWS does not: `/pets/` is another path than `/pets`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::error::ApiError;
use super::record::{DEFAULT_ROUTE, Route};

/// The methods that a route can be for, beside `ANY`.
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// What is said of a key that is none. The text is AWS's.
const MALFORMED: &str = "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"";

/// A key, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteKey {
    /// For whatever no other route is for.
    Default,
    /// For requests with a path like this.
    Path {
        /// The method; absent for any.
        method: Option<String>,
        /// The path.
        segments: Vec<Segment>,
    },
}

/// A segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// It has to be this.
    Literal(String),
    /// It can be anything but empty, and is called this.
    Variable(String),
    /// It is all the rest, and is called this.
    Greedy(String),
}

impl RouteKey {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        if text == DEFAULT_ROUTE {
            return Ok(Self::Default);
        }
        let malformed = || ApiError::invalid(MALFORMED);
        let (method, path) = text.split_once(' ').ok_or_else(malformed)?;
        let method = match method {
            "ANY" => None,
            _ if METHODS.contains(&method) => Some(method.to_owned()),
            _ => return Err(malformed()),
        };
        let path = path.strip_prefix('/').ok_or_else(malformed)?;
        let read: Option<Vec<Segment>> = path.split('/').map(segment).collect();
        let segments = read.ok_or_else(malformed)?;
        let last = segments.len() - 1;
        let is_early = |(place, segment): (usize, &Segment)| {
            place < last && matches!(segment, Segment::Greedy(_))
        };
        if segments.iter().enumerate().any(is_early) {
            return Err(malformed());
        }
        Ok(Self::Path { method, segments })
    }

    /// Whether two keys are for the same requests, however their variables are called.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Default, Self::Default) => true,
            (
                Self::Path { method, segments },
                Self::Path { method: other_method, segments: others },
            ) => {
                let alike = |(one, other): (&Segment, &Segment)| match (one, other) {
                    (Segment::Literal(one), Segment::Literal(other)) => one == other,
                    (Segment::Variable(_), Segment::Variable(_))
                    | (Segment::Greedy(_), Segment::Greedy(_)) => true,
                    (
                        Segment::Literal(_) | Segment::Variable(_) | Segment::Greedy(_),
                        Segment::Literal(_) | Segment::Variable(_) | Segment::Greedy(_),
                    ) => false,
                };
                method == other_method
                    && segments.len() == others.len()
                    && segments.iter().zip(others).all(alike)
            }
            (Self::Default, Self::Path { .. }) | (Self::Path { .. }, Self::Default) => false,
        }
    }
}

/// The routes of an API, in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table {
    entries: Vec<Entry>,
    default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    method: Option<String>,
    segments: Vec<Segment>,
    route: String,
}

/// A route that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// Its id.
    pub route: &'a str,
    /// The variables of its path, decoded.
    pub variables: Vec<(String, String)>,
}

impl Table {
    /// The table of these routes. A route whose key cannot be read is for nothing.
    #[must_use]
    pub fn of(routes: &BTreeMap<String, Route>) -> Self {
        let mut table = Self::default();
        for route in routes.values() {
            match RouteKey::parse(&route.key) {
                Ok(RouteKey::Default) => table.default = Some(route.id.clone()),
                Ok(RouteKey::Path { method, segments }) => {
                    table.entries.push(Entry { method, segments, route: route.id.clone() });
                }
                Err(_none) => {}
            }
        }
        table.entries.sort_by_cached_key(Entry::rank);
        table
    }

    /// The route that a request is for. The path is as it was sent, without the name of the stage.
    #[must_use]
    pub fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let segments: Vec<&str> = path.split('/').collect();
        let fitting = self.entries.iter().find_map(|entry| {
            let is_method = entry.method.as_deref().is_none_or(|only| only == method);
            let variables = is_method.then(|| entry.variables(&segments)).flatten()?;
            Some(Found { route: &entry.route, variables })
        });
        fitting.or_else(|| {
            let route = self.default.as_deref()?;
            Some(Found { route, variables: Vec::new() })
        })
    }
}

impl Entry {
    /// Smaller for what comes first.
    fn rank(&self) -> (u8, Vec<u8>, u8) {
        let kinds: Vec<u8> = self.segments.iter().map(Segment::rank).collect();
        let is_greedy = kinds.last() == Some(&Segment::GREEDY);
        (u8::from(is_greedy), kinds, u8::from(self.method.is_none()))
    }

    /// The variables of a path, if it is one of these.
    fn variables(&self, path: &[&str]) -> Option<Vec<(String, String)>> {
        let mut variables = Vec::new();
        let mut given = path.iter();
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => {
                    if decoded(given.next()?) != *text {
                        return None;
                    }
                }
                Segment::Variable(name) => {
                    let value = given.next().filter(|value| !value.is_empty())?;
                    variables.push((name.clone(), decoded(value).into_owned()));
                }
                Segment::Greedy(name) => {
                    let rest: Vec<&str> = given.by_ref().copied().collect();
                    let rest = rest.join("/");
                    if rest.is_empty() {
                        return None;
                    }
                    variables.push((name.clone(), decoded(&rest).into_owned()));
                }
            }
        }
        given.next().is_none().then_some(variables)
    }
}

impl Segment {
    const GREEDY: u8 = 2;

    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Variable(_) => 1,
            Self::Greedy(_) => Self::GREEDY,
        }
    }
}

fn segment(text: &str) -> Option<Segment> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
    };
    if let Some(inner) = text.strip_prefix('{') {
        let name = inner.strip_suffix('}')?;
        if let Some(name) = name.strip_suffix('+') {
            return is_name(name).then(|| Segment::Greedy(name.to_owned()));
        }
        return is_name(name).then(|| Segment::Variable(name.to_owned()));
    }
    let is_literal = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}?#".contains(&byte));
    is_literal.then(|| Segment::Literal(decoded(text).into_owned()))
}

/// What is not UTF-8 becomes a replacement character, which fits variables and no literal.
fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::record::Authorization;
    use super::*;

    fn table(keys: &[&str]) -> Table {
        let route = |key: &&str| Route {
            id: (*key).to_owned(),
            key: (*key).to_owned(),
            integration: None,
            authorization: Authorization::None,
            authorizer: None,
            scopes: Vec::new(),
            operation_name: None,
            response_selection: None,
            responses: BTreeMap::new(),
            managed: false,
        };
        Table::of(&keys.iter().map(|key| ((*key).to_owned(), route(key))).collect())
    }

    #[test]
    fn the_most_exact_route_is_found() {
        let table = table(&[
            "GET /pets/dog/1",
            "GET /pets/dog/{id}",
            "GET /pets/{proxy+}",
            "ANY /{proxy+}",
            "ANY /both",
            "GET /both",
            "POST /{kind}/{id}",
            "GET /",
            "$default",
        ]);
        #[rustfmt::skip]
        let rows: &[(&str, &str, &str, &[(&str, &str)])] = &[
            // AWS's own examples.
            ("GET",    "/pets/dog/1",  "GET /pets/dog/1",    &[]),
            ("GET",    "/pets/dog/2",  "GET /pets/dog/{id}", &[("id", "2")]),
            ("GET",    "/pets/cat/1",  "GET /pets/{proxy+}", &[("proxy", "cat/1")]),
            ("POST",   "/test/5",      "POST /{kind}/{id}",  &[("kind", "test"), ("id", "5")]),
            ("PUT",    "/test/5",      "ANY /{proxy+}",      &[("proxy", "test/5")]),
            ("GET",    "/both",        "GET /both",          &[]),
            ("DELETE", "/both",        "ANY /both",          &[]),
            ("GET",    "/",            "GET /",              &[]),
            ("PUT",    "/",            "$default",           &[]),
            ("GET",    "/pets/dog/",   "GET /pets/{proxy+}", &[("proxy", "dog/")]),
            ("GET",    "/pets/dog/a%2Fb%20c", "GET /pets/dog/{id}", &[("id", "a/b c")]),
            ("GET",    "/b%6Fth",      "GET /both",          &[]),
        ];
        for (method, path, route, variables) in rows {
            let found = table.find(method, path).expect(path);
            let expected: Vec<(String, String)> = variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!((found.route, found.variables), (*route, expected), "{method} {path}");
        }
    }

    #[test]
    fn without_a_default_route_there_may_be_none() {
        let table = table(&["GET /pets", "GET /pets/{id}"]);
        for (method, path) in
            [("GET", "/pets/"), ("POST", "/pets"), ("GET", "/pets/1/2"), ("GET", "/")]
        {
            assert_eq!(table.find(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn keys() {
        #[rustfmt::skip]
        let rows = [
            ("$default",              true),
            ("GET /",                 true),
            ("ANY /a/{b}/{c+}",       true),
            ("GET /a-b_c.d~e",        true),
            ("GET",                   false),
            ("get /a",                false),
            ("FETCH /a",              false),
            ("GET a",                 false),
            ("GET /{a+}/b",           false),
            ("GET /{a}b",             false),
            ("GET /{}",               false),
            ("GET /{a",               false),
            ("GET /a b",              false),
            ("GET /a?b",              false),
            ("$connect",              false),
            ("",                      false),
        ];
        for (key, is_one) in rows {
            assert_eq!(RouteKey::parse(key).is_ok(), is_one, "{key}");
        }
    }

    #[test]
    fn the_names_of_variables_do_not_tell_keys_apart() {
        let alike = |one: &str, other: &str| {
            RouteKey::parse(one).unwrap().is_like(&RouteKey::parse(other).unwrap())
        };
        assert!(alike("GET /a/{b}", "GET /a/{c}"));
        assert!(!alike("GET /a/{b}", "ANY /a/{b}"));
        assert!(!alike("GET /a/{b}", "GET /a/{b+}"));
        assert!(!alike("GET /a/{b}", "GET /a/b"));
        assert!(alike("$default", "$default"));
    }

    proptest! {
        #[test]
        fn no_path_panics(method in "[A-Z]{0,4}", path in ".*") {
            let table = table(&["GET /a/{b}", "ANY /{c+}"]);
            let _ = table.find(&method, &path);
            let _ = RouteKey::parse(&format!("{method} {path}"));
        }
    }
}
