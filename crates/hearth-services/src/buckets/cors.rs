//! Which pages of other origins may use a bucket. Pure.

use serde::{Deserialize, Serialize};

use super::error::BucketError;
use crate::limits::{CORS_RULES_MAX, RULE_ID_CHARACTERS_MAX};

/// The methods that a rule may name.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// One way to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CorsRule {
    /// What it is called.
    #[serde(default)]
    pub id: Option<String>,
    /// The origins of pages. Each may have one `*`.
    pub origins: Vec<String>,
    /// The methods of requests.
    pub methods: Vec<String>,
    /// The headers that a request may have. Each may have one `*`.
    #[serde(default)]
    pub headers: Vec<String>,
    /// The headers of answers that a page may read.
    #[serde(default)]
    pub exposed: Vec<String>,
    /// How long a browser may remember.
    #[serde(default)]
    pub max_age_seconds: Option<u32>,
}

/// What a browser asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorsRequest<'a> {
    /// The origin of the page.
    pub origin: &'a str,
    /// The method of the request.
    pub method: &'a str,
    /// The headers that the request will have, of a preflight.
    pub headers: &'a [String],
}

/// Refuses rules that make no sense.
///
/// # Errors
///
/// In S3's words.
pub fn check_rules(rules: &[CorsRule]) -> Result<(), BucketError> {
    let invalid = |text: String| Err(BucketError::InvalidRequest(text));
    if rules.is_empty() || rules.len() > CORS_RULES_MAX {
        return Err(BucketError::MalformedXml);
    }
    for rule in rules {
        if rule.origins.is_empty() || rule.methods.is_empty() {
            return Err(BucketError::MalformedXml);
        }
        if rule.id.as_ref().is_some_and(|id| id.chars().count() > RULE_ID_CHARACTERS_MAX) {
            return invalid("The ID of a CORS rule is too long.".to_owned());
        }
        if let Some(method) = rule.methods.iter().find(|it| !METHODS.contains(&it.as_str())) {
            return invalid(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
        let has_stars = |text: &&String| text.matches('*').count() > 1;
        if let Some(origin) = rule.origins.iter().find(has_stars) {
            return invalid(format!(
                "AllowedOrigin \"{origin}\" can not have more than one wildcard."
            ));
        }
        if let Some(header) = rule.headers.iter().find(has_stars) {
            return invalid(format!(
                "AllowedHeader \"{header}\" can not have more than one wildcard."
            ));
        }
        if let Some(header) = rule.exposed.iter().find(|header| header.contains('*')) {
            return invalid(format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            ));
        }
    }
    Ok(())
}

/// The first rule that lets a request in.
#[must_use]
pub fn find_rule<'a>(rules: &'a [CorsRule], request: &CorsRequest<'_>) -> Option<&'a CorsRule> {
    rules.iter().find(|rule| {
        let lets_header = |header: &String| {
            let header = header.to_ascii_lowercase();
            rule.headers.iter().any(|pattern| fits(&pattern.to_ascii_lowercase(), &header))
        };
        rule.origins.iter().any(|origin| fits(origin, request.origin))
            && rule.methods.iter().any(|method| method == request.method)
            && request.headers.iter().all(lets_header)
    })
}

impl CorsRule {
    /// Whether every origin is let in, so that nothing depends on which one it is.
    #[must_use]
    pub fn is_for_everybody(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}

/// Whether a text is as a pattern with at most one `*` says.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(of: &[&str]) -> Vec<String> {
        of.iter().map(|text| (*text).to_owned()).collect()
    }

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
        CorsRule {
            origins: texts(origins),
            methods: texts(methods),
            headers: texts(headers),
            ..CorsRule::default()
        }
    }

    #[test]
    fn patterns_have_one_star() {
        #[rustfmt::skip]
        let rows = [
            ("*",                   "",                       true),
            ("*",                   "https://a.example",      true),
            ("https://*.example",   "https://a.example",      true),
            ("https://*.example",   "https://.example",       true),
            ("https://*.example",   "https://a.example.org",  false),
            ("https://a.example",   "https://a.example",      true),
            ("https://a.example",   "https://a.example:80",   false),
            ("ab*ba",               "aba",                    false),
        ];
        for (pattern, text, expected) in rows {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_fits_is_the_one() {
        let rules = [
            rule(&["https://a.example"], &["GET"], &[]),
            rule(&["https://*.example"], &["GET", "PUT"], &["x-amz-*", "Content-Type"]),
            rule(&["*"], &["HEAD"], &["*"]),
        ];
        #[rustfmt::skip]
        let rows: [(&str, &str, &[&str], Option<usize>); 8] = [
            ("https://a.example", "GET",  &[],                                Some(0)),
            ("https://a.example", "GET",  &["x-amz-date"],                    Some(1)),
            ("https://b.example", "PUT",  &["X-Amz-Date", "content-type"],    Some(1)),
            ("https://b.example", "PUT",  &["authorization"],                 None),
            ("https://b.example", "POST", &[],                                None),
            ("http://c.test",     "GET",  &[],                                None),
            ("http://c.test",     "HEAD", &["anything"],                      Some(2)),
            ("null",              "HEAD", &[],                                Some(2)),
        ];
        for (origin, method, headers, expected) in rows {
            let headers = texts(headers);
            let request = CorsRequest { origin, method, headers: &headers };
            let found = find_rule(&rules, &request);
            let found = found.and_then(|found| rules.iter().position(|rule| rule == found));
            assert_eq!(found, expected, "{origin} {method} {headers:?}");
        }
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        let exposed = CorsRule { exposed: texts(&["x-*"]), ..rule(&["*"], &["GET"], &[]) };
        #[rustfmt::skip]
        let rows = [
            (vec![rule(&["*"], &["GET"], &["*"])],       ""),
            (vec![],                                     "MalformedXML"),
            (vec![rule(&[], &["GET"], &[])],             "MalformedXML"),
            (vec![rule(&["*"], &[], &[])],               "MalformedXML"),
            (vec![rule(&["*"], &["PATCH"], &[])],        "InvalidRequest"),
            (vec![rule(&["*.*"], &["GET"], &[])],        "InvalidRequest"),
            (vec![rule(&["*"], &["GET"], &["a**"])],     "InvalidRequest"),
            (vec![exposed],                              "InvalidRequest"),
            (vec![rule(&["*"], &["GET"], &[]); 101],     "MalformedXML"),
        ];
        for (rules, refusal) in rows {
            let found = check_rules(&rules);
            assert_eq!(found.as_ref().err().map_or("", BucketError::code), refusal, "{rules:?}");
        }
    }
}
