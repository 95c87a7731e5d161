//! What browsers ask of a bucket for pages of other origins, what they are answered, and the document
//! with the rules for that.

use hearth_services::buckets::Buckets;
use hearth_services::buckets::cors::{CorsRequest, CorsRule, find_rule};
use hearth_wire::xml::Element;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::Call;
use super::answer::{self, Answer};
use super::document::Node;
use super::error::S3Error;

const ASKED_METHOD: &str = "access-control-request-method";
const ASKED_HEADERS: &str = "access-control-request-headers";

/// A request of a page.
#[derive(Debug)]
pub(super) struct OfPage {
    bucket: String,
    origin: String,
    method: String,
}

impl OfPage {
    /// What a request says of its page. A preflight is answered apart.
    pub(super) fn read(head: &Parts, bucket: &str) -> Option<Self> {
        let origin = head.headers.get("origin")?.to_str().ok()?;
        (head.method != Method::OPTIONS).then(|| Self {
            bucket: bucket.to_owned(),
            origin: origin.to_owned(),
            method: head.method.as_str().to_owned(),
        })
    }

    /// Lets the page read an answer, if a rule of the bucket does.
    pub(super) fn let_in(&self, buckets: &Buckets, answer: &mut Answer) {
        let Ok(bucket) = buckets.bucket(&self.bucket) else { return };
        let request = CorsRequest { origin: &self.origin, method: &self.method, headers: &[] };
        if let Some(rule) = find_rule(&bucket.settings.cors, &request) {
            set_headers(answer, rule, &request);
        }
    }
}

/// Answers a preflight.
pub(super) fn preflight(call: &Call) -> Result<Answer, S3Error> {
    let bad = |text: &str| S3Error::new((400, "BadRequest"), text.to_owned());
    let origin = call.header("origin").filter(|origin| !origin.is_empty());
    let origin =
        origin.ok_or_else(|| bad("Insufficient information. Origin request header needed."))?;
    let method = call.header(ASKED_METHOD).unwrap_or_default();
    if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method) {
        return Err(bad(&format!("Invalid Access-Control-Request-Method: {method}")));
    }
    let forbidden = |text: &str| {
        let refused = S3Error::new((403, "AccessForbidden"), format!("CORSResponse: {text}"));
        refused.with_detail("Method", method).with_detail("ResourceType", "BUCKET")
    };
    let bucket = call.buckets.bucket(call.bucket())?;
    if bucket.settings.cors.is_empty() {
        return Err(forbidden("CORS is not enabled for this bucket."));
    }
    let asked = call.header(ASKED_HEADERS).unwrap_or_default();
    let headers: Vec<String> = asked
        .split(',')
        .map(|header| header.trim().to_ascii_lowercase())
        .filter(|header| !header.is_empty())
        .collect();
    let request = CorsRequest { origin, method, headers: &headers };
    let Some(rule) = find_rule(&bucket.settings.cors, &request) else {
        // S3's own words, with its spelling.
        return Err(forbidden(concat!(
            "This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not white",
            "listed by the resource's CORS spec.",
        )));
    };
    let mut answer = answer::empty(StatusCode::OK);
    set_headers(&mut answer, rule, &request);
    if !headers.is_empty() {
        answer::set(&mut answer, "access-control-allow-headers", &headers.join(", "));
    }
    Ok(answer)
}

fn set_headers(answer: &mut Answer, rule: &CorsRule, request: &CorsRequest<'_>) {
    if rule.is_for_everybody() {
        answer::set(answer, "access-control-allow-origin", "*");
    } else {
        answer::set(answer, "access-control-allow-origin", request.origin);
        answer::set(answer, "access-control-allow-credentials", "true");
    }
    answer::set(answer, "access-control-allow-methods", &rule.methods.join(", "));
    if !rule.exposed.is_empty() {
        answer::set(answer, "access-control-expose-headers", &rule.exposed.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        answer::set(answer, "access-control-max-age", &seconds.to_string());
    }
    let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    answer::set(answer, "vary", vary);
}

/// The document with the rules of a bucket.
pub(super) fn document(rules: &[CorsRule]) -> Element {
    let texts = |name: &'static str, of: &[String]| -> Vec<Element> {
        of.iter().map(|text| Element::text(name, text)).collect()
    };
    answer::root("CORSConfiguration").children(rules.iter().map(|rule| {
        let seconds = rule.max_age_seconds.map(|it| Element::text("MaxAgeSeconds", it.to_string()));
        Element::new("CORSRule")
            .children(rule.id.as_ref().map(|id| Element::text("ID", id)))
            .children(texts("AllowedHeader", &rule.headers))
            .children(texts("AllowedMethod", &rule.methods))
            .children(texts("AllowedOrigin", &rule.origins))
            .children(texts("ExposeHeader", &rule.exposed))
            .children(seconds)
    }))
}

/// Reads the document with the rules of a bucket.
pub(super) fn read(root: &Node) -> Result<Vec<CorsRule>, S3Error> {
    root.all("CORSRule").map(read_rule).collect()
}

fn read_rule(rule: &Node) -> Result<CorsRule, S3Error> {
    let texts = |name: &'static str| -> Vec<String> {
        rule.all(name).map(|one| one.own_text().trim().to_owned()).collect()
    };
    let seconds = rule.text("MaxAgeSeconds").map(|text| text.trim().parse());
    Ok(CorsRule {
        id: rule.text("ID").map(str::to_owned),
        origins: texts("AllowedOrigin"),
        methods: texts("AllowedMethod"),
        headers: texts("AllowedHeader"),
        exposed: texts("ExposeHeader"),
        max_age_seconds: seconds.transpose().map_err(|_no_number| S3Error::malformed_xml())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_are_read() {
        let rules = vec![rule("*"), CorsRule { id: Some("two".to_owned()), ..rule("https://a") }];
        let written = document(&rules).document();
        let root = Node::read(written.as_bytes(), "CORSConfiguration").unwrap();
        assert_eq!(read(&root).unwrap(), rules);
    }

    fn rule(origin: &str) -> CorsRule {
        CorsRule {
            origins: vec![origin.to_owned()],
            methods: vec!["GET".to_owned(), "PUT".to_owned()],
            exposed: vec!["etag".to_owned()],
            max_age_seconds: Some(60),
            ..CorsRule::default()
        }
    }

    #[test]
    fn an_origin_is_named_unless_all_are_let_in() {
        for (of_rule, expected, credentials) in
            [("*", "*", None), ("https://*.example", "https://a.example", Some("true"))]
        {
            let mut answer = answer::empty(StatusCode::OK);
            let origin = "https://a.example";
            let request = CorsRequest { origin, method: "GET", headers: &[] };
            set_headers(&mut answer, &rule(of_rule), &request);
            let header = |name: &str| answer.headers().get(name).map(|it| it.to_str().unwrap());
            assert_eq!(header("access-control-allow-origin"), Some(expected));
            assert_eq!(header("access-control-allow-credentials"), credentials);
            assert_eq!(header("access-control-allow-methods"), Some("GET, PUT"));
            assert_eq!(header("access-control-expose-headers"), Some("etag"));
            assert_eq!(header("access-control-max-age"), Some("60"));
            assert!(header("vary").unwrap().starts_with("Origin"));
        }
    }
}
