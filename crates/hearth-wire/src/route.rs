//! Which operation a request line names.
//!
//! The path is cut at its slashes first and decoded after that, so an encoded slash inside an ARN
//! stays inside its label. One slash at the end is accepted, because older SDKs send it. Literal
//! query parts (`?List=ALL`) decide between operations that share a path.
//!
//! A look-up compares the segments of the operations whose path begins with the same date, and
//! allocates only for labels that need decoding.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

use crate::query;
use crate::service::{OperationDescription, Segment, Service};

/// The longest path of any operation, in segments.
const SEGMENTS_MAX: usize = 9;
/// The most labels in the path of any operation.
const LABELS_MAX: usize = 4;

/// An operation, with the values from its path.
#[derive(Debug)]
pub struct Matched<'a> {
    /// The operation.
    pub operation: &'static OperationDescription,
    /// The decoded values of the path's labels.
    pub labels: Labels<'a>,
}

/// The decoded values of a path's labels, by name.
#[derive(Debug, Default)]
pub struct Labels<'a>([Option<(&'static str, Cow<'a, str>)>; LABELS_MAX]);

impl Labels<'_> {
    /// The value of the label with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().flatten().find(|(label, _)| *label == name).map(|(_, value)| value.as_ref())
    }
}

/// Why a request line names no operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteError {
    /// No operation has this path.
    UnknownPath,
    /// There is an operation with this path, but not with this method.
    OtherMethod,
}

impl fmt::Display for RouteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UnknownPath => "no operation has this path",
            Self::OtherMethod => "no operation with this path has this method",
        })
    }
}

impl std::error::Error for RouteError {}

/// Finds the operation of a request. `path` is as it arrived, still encoded; `query` is without
/// its question mark.
pub fn find<'a>(
    service: &'static Service,
    method: &str,
    path: &'a str,
    query: &str,
) -> Result<Matched<'a>, RouteError> {
    let mut cut = [""; SEGMENTS_MAX];
    let segments = cut_path(path, &mut cut).ok_or(RouteError::UnknownPath)?;
    let bucket = service
        .buckets
        .iter()
        .find(|bucket| segments.first() == Some(&bucket.first))
        .ok_or(RouteError::UnknownPath)?;

    let mut best: Option<&'static OperationDescription> = None;
    let mut path_is_known = false;
    for operation in bucket.operations.iter().map(|index| &service.operations[*index]) {
        if !path_fits(operation, segments) {
            continue;
        }
        path_is_known = true;
        // An operation that asks for a query part is more particular than one that does not.
        let better = best.is_none_or(|best| best.query.is_none());
        if operation.method == method && better && query_fits(operation, query) {
            best = Some(operation);
        }
    }
    match best {
        Some(operation) => Ok(Matched { operation, labels: labels(operation, segments) }),
        None if path_is_known => Err(RouteError::OtherMethod),
        None => Err(RouteError::UnknownPath),
    }
}

/// The segments of a path, or `None` if it has more than any operation or an empty one.
fn cut_path<'a, 'c>(path: &'a str, cut: &'c mut [&'a str; SEGMENTS_MAX]) -> Option<&'c [&'a str]> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut count = 0;
    for segment in path.split('/') {
        if segment.is_empty() {
            return None;
        }
        *cut.get_mut(count)? = segment;
        count += 1;
    }
    Some(&cut[..count])
}

fn path_fits(operation: &OperationDescription, segments: &[&str]) -> bool {
    operation.segments.len() == segments.len()
        && operation.segments.iter().zip(segments).all(|(expected, segment)| match expected {
            Segment::Literal(text) => {
                segment == text || (segment.contains('%') && decode(segment) == *text)
            }
            Segment::Label(_) => true,
        })
}

fn query_fits(operation: &OperationDescription, query: &str) -> bool {
    operation.query.is_none_or(|(name, value)| {
        query::pairs(query).any(|(found, content)| found == name && content == value)
    })
}

fn labels<'a>(operation: &OperationDescription, segments: &[&'a str]) -> Labels<'a> {
    let mut labels = Labels::default();
    let found =
        operation.segments.iter().zip(segments).filter_map(|(expected, segment)| match expected {
            Segment::Label(name) => Some((*name, decode(segment))),
            Segment::Literal(_) => None,
        });
    for (place, label) in labels.0.iter_mut().zip(found) {
        *place = Some(label);
    }
    labels
}

/// Bytes that are not UTF-8 become replacement characters, which no pattern of the models allows.
fn decode(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::{Operation, SERVICE};

    fn name(method: &str, path: &str, query: &str) -> Result<&'static str, RouteError> {
        find(&SERVICE, method, path, query).map(|matched| matched.operation.name)
    }

    #[test]
    fn every_operation_is_reached_by_its_own_path() {
        for operation in Operation::ALL {
            let description = operation.description();
            let mut path = String::new();
            for segment in description.segments {
                path.push('/');
                match segment {
                    Segment::Literal(text) => path.push_str(text),
                    Segment::Label(label) => path.extend([*label, "%3Ax"]),
                }
            }
            let query = description.query.map(|(name, value)| format!("{name}={value}"));
            let query = query.unwrap_or_default();
            let matched = find(&SERVICE, description.method, &path, &query).expect(&path);

            assert_eq!(Operation::of(matched.operation), operation, "{path}");
            for segment in description.segments {
                if let Segment::Label(label) = segment {
                    assert_eq!(matched.labels.get(label), Some(&*format!("{label}:x")));
                }
            }
            path.push('/');
            let slashed = name(description.method, &path, &query);
            assert_eq!(slashed, Ok(description.name), "{path}");
        }
    }

    #[test]
    fn request_lines() {
        use RouteError::{OtherMethod, UnknownPath};
        #[rustfmt::skip]
        let rows = [
            ("POST",   "/2015-03-31/functions",                            "",            Ok("CreateFunction")),
            ("GET",    "/2015-03-31/functions/",                           "MaxItems=2",  Ok("ListFunctions")),
            ("GET",    "/2015-03-31/functions/f:1",                        "",            Ok("GetFunction")),
            ("POST",   "/2015-03-31/%66unctions/f/invocations",            "",            Ok("Invoke")),
            ("GET",    "/2018-10-31/layers",                               "",            Ok("ListLayers")),
            ("GET",    "/2018-10-31/layers",                               "find=LayerVersion&Arn=x", Ok("GetLayerVersionByArn")),
            ("GET",    "/2019-09-30/functions/f/provisioned-concurrency",  "Qualifier=1", Ok("GetProvisionedConcurrencyConfig")),
            ("GET",    "/2019-09-30/functions/f/provisioned-concurrency",  "List=ALL",    Ok("ListProvisionedConcurrencyConfigs")),
            ("GET",    "/2019-09-25/functions/f/event-invoke-config/list/", "",           Ok("ListFunctionEventInvokeConfigs")),
            ("PATCH",  "/2015-03-31/functions/f",                          "",            Err(OtherMethod)),
            ("GET",    "/2015-03-31/functions//code",                      "",            Err(UnknownPath)),
            ("GET",    "/2015-03-31/functions/f/nothing",                  "",            Err(UnknownPath)),
            ("GET",    "/1999-01-01/functions",                            "",            Err(UnknownPath)),
            ("GET",    "/",                                                "",            Err(UnknownPath)),
            ("GET",    "",                                                 "",            Err(UnknownPath)),
            ("GET",    "/2015-03-31/functions/a/b/c/d/e/f/g/h/i",          "",            Err(UnknownPath)),
        ];
        for (method, path, query, expected) in rows {
            assert_eq!(name(method, path, query), expected, "{method} {path}?{query}");
        }
    }

    #[test]
    fn an_encoded_slash_stays_inside_its_label() {
        let path = "/2025-12-01/durable-executions/arn%3Aaws%3Alambda%2Fa%2Fb/state";
        let matched = find(&SERVICE, "GET", path, "").expect("the path is known");
        assert_eq!(matched.operation.name, "GetDurableExecutionState");
        assert_eq!(matched.labels.get("DurableExecutionArn"), Some("arn:aws:lambda/a/b"));
        assert_eq!(matched.labels.get("FunctionName"), None);
    }

    #[test]
    fn every_path_fits_into_the_bounds() {
        for operation in SERVICE.operations {
            let is_label = |segment: &&Segment| matches!(segment, Segment::Label(_));
            assert!(operation.segments.len() <= SEGMENTS_MAX, "{}", operation.name);
            assert!(operation.segments.iter().filter(is_label).count() <= LABELS_MAX);
        }
    }
}
