//! Which resource and which method a request is for.
//!
//! # Promises
//!
//! 1. Of the resources that fit a path and have the method, the most exact one is meant: part by
//!    part, a name before a variable, and a variable before one that takes all that follows.
//! 2. A method of its own name comes before `ANY`.
//! 3. One slash at the end of a path does not matter, but to a variable that takes all that follows.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::super::edit::resource::Part;
use super::super::record::{ANY, Method, Resource};

/// What a request is for.
#[derive(Debug, Clone, PartialEq)]
pub struct Found<'a> {
    /// The resource.
    pub resource: &'a Resource,
    /// Its method.
    pub method: &'a Method,
    /// The name that the method has: that of the request, or `ANY`.
    pub name: &'static str,
    /// The values of the path's variables, decoded.
    pub parameters: Vec<(String, String)>,
}

/// Finds what a request is for. The path is without its stage, and as it was sent.
#[must_use]
pub fn find<'a>(
    resources: &'a BTreeMap<String, Resource>,
    method: &str,
    path: &str,
) -> Option<Found<'a>> {
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    let fitting = resources.values().filter_map(|resource| {
        let (name, method) = method_of(resource, method)?;
        let (ranks, parameters) = fit(&resource.path, &parts)?;
        Some((ranks, Found { resource, method, name, parameters }))
    });
    fitting.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, found)| found)
}

fn method_of<'a>(resource: &'a Resource, method: &str) -> Option<(&'static str, &'a Method)> {
    const NAMES: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
    let name = NAMES.into_iter().find(|name| *name == method)?;
    let own = resource.methods.get(name).map(|method| (name, method));
    own.or_else(|| resource.methods.get(ANY).map(|method| (ANY, method)))
}

/// What a path means to a resource: how exact each part is, and its variables.
type Fit = (Vec<u8>, Vec<(String, String)>);

fn fit(template: &str, parts: &[&str]) -> Option<Fit> {
    let mut ranks = Vec::new();
    let mut parameters = Vec::new();
    let mut rest = parts;
    for expected in template.split('/').filter(|part| !part.is_empty()) {
        match Part::of(expected) {
            Some(Part::Greedy) => {
                let all = rest.join("/");
                if all.is_empty() {
                    return None;
                }
                parameters.push((Part::name(expected).to_owned(), decoded(&all)));
                ranks.push(2);
                return Some((ranks, parameters));
            }
            Some(Part::Variable) => {
                let (given, behind) = rest.split_first().filter(|(given, _)| !given.is_empty())?;
                parameters.push((Part::name(expected).to_owned(), decoded(given)));
                ranks.push(1);
                rest = behind;
            }
            Some(Part::Literal) | None => {
                let (given, behind) = rest.split_first()?;
                if *given != expected && decoded(given) != decoded(expected) {
                    return None;
                }
                ranks.push(0);
                rest = behind;
            }
        }
    }
    (rest.is_empty() || rest == [""]).then_some((ranks, parameters))
}

/// What is not UTF-8 becomes a replacement character.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::record::Authorization;
    use super::*;

    fn resources(all: &[(&str, &[&str])]) -> BTreeMap<String, Resource> {
        let method = Method {
            authorization: Authorization::None,
            authorizer: None,
            key_required: false,
            operation_name: None,
            request_parameters: BTreeMap::new(),
            request_models: BTreeMap::new(),
            responses: BTreeMap::new(),
            integration: None,
        };
        let one = |(path, methods): &(&str, &[&str])| {
            let methods = methods.iter().map(|name| ((*name).to_owned(), method.clone()));
            let resource = Resource {
                id: (*path).to_owned(),
                parent: None,
                part: String::new(),
                path: (*path).to_owned(),
                methods: methods.collect(),
            };
            (resource.id.clone(), resource)
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn the_most_exact_resource_is_found() {
        let resources = resources(&[
            ("/", &["GET"]),
            ("/pets", &["GET", "ANY"]),
            ("/pets/{id}", &["GET"]),
            ("/pets/dog", &["GET"]),
            ("/pets/{id}/{rest+}", &["ANY"]),
            ("/{proxy+}", &["ANY"]),
            ("/none", &[]),
        ]);
        #[rustfmt::skip]
        let rows: [(&str, &str, &str, &str, &[(&str, &str)]); 13] = [
            ("GET",     "/",               "/",                  "GET", &[]),
            ("GET",     "",                "/",                  "GET", &[]),
            ("GET",     "/pets",           "/pets",              "GET", &[]),
            ("GET",     "/pets/",          "/pets",              "GET", &[]),
            ("POST",    "/pets",           "/pets",              "ANY", &[]),
            ("GET",     "/pets/dog",       "/pets/dog",          "GET", &[]),
            ("GET",     "/pets/cat",       "/pets/{id}",         "GET", &[("id", "cat")]),
            ("GET",     "/pets/a%20b/",    "/pets/{id}",         "GET", &[("id", "a b")]),
            ("GET",     "/pets/cat/x/y",   "/pets/{id}/{rest+}", "ANY", &[("id", "cat"), ("rest", "x/y")]),
            ("POST",    "/pets/cat",       "/{proxy+}",          "ANY", &[("proxy", "pets/cat")]),
            ("OPTIONS", "/none",           "/{proxy+}",          "ANY", &[("proxy", "none")]),
            ("GET",     "/p%65ts",         "/pets",              "GET", &[]),
            ("GET",     "/a/b/",           "/{proxy+}",          "ANY", &[("proxy", "a/b/")]),
        ];
        for (method, path, resource, name, parameters) in rows {
            let found = find(&resources, method, path).expect(path);
            assert_eq!((found.resource.path.as_str(), found.name), (resource, name), "{path}");
            let expected: Vec<(String, String)> = parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(found.parameters, expected, "{path}");
        }
        for (method, path) in [("POST", "/"), ("TRACE", "/pets"), ("get", "/pets")] {
            assert_eq!(find(&resources, method, path), None, "{method} {path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_panics(path in ".*") {
            let resources = resources(&[("/a/{b}", &["GET"]), ("/a/{b}/{c+}", &["ANY"])]);
            let _ = find(&resources, "GET", &path);
        }
    }
}
