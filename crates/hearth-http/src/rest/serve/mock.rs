//! Mocks: integrations that are answered here, such as preflight requests of browsers.
//!
//! A template makes a document of the request, with a `statusCode` in it. By that a response is
//! chosen, which has headers and a body.
//!
//! # Promises
//!
//! 1. A template with directives or references of VTL is refused when it is put, so what is kept is
//!    what is answered.
//! 2. The first `statusCode` of a document counts, whether it is written as JSON or, as AWS takes it
//!    too, without quotes: `{statusCode: 200}`.

use super::super::error::RestError;
use super::super::limits;
use super::super::record::{Integration, IntegrationResponse, Passthrough};
use super::{authorize, media};

/// The kind of content of a request or a template if nothing is said.
const JSON: &str = "application/json";

/// What directives of VTL begin with.
const DIRECTIVES: [&str; 15] = [
    "set", "if", "elseif", "else", "end", "foreach", "include", "parse", "macro", "stop", "break",
    "evaluate", "define", "return", "{",
];

/// What a mock answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The status.
    pub status: u16,
    /// Which headers.
    pub response: &'a IntegrationResponse,
    /// The kind of content of the body, if there is a body.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a str,
}

/// Why a mock does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// No template is for this kind of content.
    UnsupportedMediaType,
    /// There is no status, or no response for it.
    Misconfigured,
}

/// Whether a template is one that needs no engine.
///
/// # Errors
///
/// If it is too long, or in VTL.
pub fn check(template: &str) -> Result<(), RestError> {
    if template.len() > limits::TEMPLATE_BYTES_MAX {
        return Err(RestError::invalid("Template is too long: at most 300 KB are allowed"));
    }
    let found = template.char_indices().find(|(at, letter)| {
        let rest = &template[at + letter.len_utf8()..];
        match letter {
            '#' => {
                rest.starts_with(['#', '*']) || DIRECTIVES.iter().any(|one| rest.starts_with(one))
            }
            '$' => rest.starts_with(|next: char| next.is_ascii_alphabetic() || "!{".contains(next)),
            _ => false,
        }
    });
    match found {
        None => Ok(()),
        Some((at, _)) => {
            let shown: String = template[at..].chars().take(20).collect();
            Err(RestError::not_built(format!("VTL in templates (`{shown}`)")))
        }
    }
}

/// Whether an expression can choose a response.
///
/// # Errors
///
/// If it is none.
pub fn check_selection(text: &str) -> Result<(), RestError> {
    if text.is_empty() || authorize::expression(text).is_some() {
        return Ok(());
    }
    Err(RestError::invalid(format!("Invalid selection pattern specified: {text}")))
}

/// Answers a request.
///
/// # Errors
///
/// If the mock does not say what to answer.
pub fn answer<'a>(
    integration: &'a Integration,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Answered<'a>, Unanswered> {
    let kind = content_type.map_or(JSON, media::base);
    let templates = &integration.request_templates;
    let template = templates.iter().find(|(known, _)| known.eq_ignore_ascii_case(kind));
    let status = match (template, integration.passthrough) {
        (Some((_, template)), _) => status_of(template),
        (None, Passthrough::WhenNoMatch) => status_of(&String::from_utf8_lossy(body)),
        (None, Passthrough::WhenNoTemplates) if templates.is_empty() => {
            status_of(&String::from_utf8_lossy(body))
        }
        (None, Passthrough::WhenNoTemplates | Passthrough::Never) => {
            return Err(Unanswered::UnsupportedMediaType);
        }
    };
    let chosen = status.ok_or(Unanswered::Misconfigured)?.to_string();
    let (status, response) = choose(integration, &chosen).ok_or(Unanswered::Misconfigured)?;
    let templates = &response.templates;
    let template = templates.get_key_value(JSON).or_else(|| templates.first_key_value());
    let (content_type, body) =
        template.map_or((JSON, ""), |(kind, body)| (kind.as_str(), body.as_str()));
    Ok(Answered { status, response, content_type, body })
}

/// The response for a status: one whose expression it fits, or the one without an expression.
fn choose<'a>(
    integration: &'a Integration,
    chosen: &str,
) -> Option<(u16, &'a IntegrationResponse)> {
    let selection =
        |response: &IntegrationResponse| response.selection.clone().filter(|text| !text.is_empty());
    let fits = |response: &IntegrationResponse| {
        let expression = selection(response).and_then(|text| authorize::expression(&text));
        expression.is_some_and(|expression| expression.is_match(chosen).unwrap_or(false))
    };
    let responses = || integration.responses.iter();
    let found = responses().find(|(_, response)| fits(response));
    let found = found.or_else(|| responses().find(|(_, response)| selection(response).is_none()));
    found.and_then(|(status, response)| Some((status.parse().ok()?, response)))
}

/// The status that a document names.
fn status_of(document: &str) -> Option<u16> {
    let (_, rest) = document.split_once("statusCode")?;
    let is_around = |letter: char| letter.is_whitespace() || letter == '"' || letter == '\'';
    let rest = rest.trim_start_matches(is_around).strip_prefix(':')?;
    let rest = rest.trim_start_matches(is_around);
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|status| (100..600).contains(status))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::record::IntegrationKind;
    use super::*;

    fn mock(templates: &[(&str, &str)], responses: &[(&str, Option<&str>)]) -> Integration {
        let text = |text: &str| text.to_owned();
        let templates = templates.iter().map(|(kind, body)| (text(kind), text(body)));
        let responses = responses.iter().map(|(status, selection)| {
            let selection = selection.map(text);
            (text(status), IntegrationResponse { selection, ..IntegrationResponse::default() })
        });
        Integration {
            kind: IntegrationKind::Mock,
            method: None,
            uri: None,
            credentials: None,
            request_parameters: BTreeMap::new(),
            request_templates: templates.collect(),
            passthrough: Passthrough::WhenNoMatch,
            content_handling: None,
            timeout_millis: 29_000,
            cache_namespace: None,
            responses: responses.collect(),
        }
    }

    #[test]
    fn statuses_in_documents() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"statusCode": 200}"#,          Some(200)),
            (r#"{"statusCode":"204"}"#,         Some(204)),
            ("{ statusCode: 204 }",             Some(204)),
            ("{statusCode:200}",                Some(200)),
            ("{'statusCode': '404', 'a': 1}",   Some(404)),
            ("{}",                              None),
            ("",                                None),
            (r#"{"statusCode": "ok"}"#,         None),
            (r#"{"statusCode": 9}"#,            None),
        ];
        for (document, expected) in rows {
            assert_eq!(status_of(document), expected, "{document}");
        }
    }

    #[test]
    fn templates_that_need_an_engine_are_refused() {
        #[rustfmt::skip]
        let rows = [
            (r##"{"color": "#fff", "price": "5 $"}"##,     true),
            ("",                                           true),
            ("ä # $ 5",                                    true),
            ("#set($a = 1)",                               false),
            ("$input.body",                                false),
            ("${context.requestId}",                       false),
            ("$!a",                                        false),
            ("## a comment",                               false),
            ("{\"statusCode\": #if(true)200#end}",         false),
        ];
        for (template, is_fine) in rows {
            assert_eq!(check(template).is_ok(), is_fine, "{template}");
        }
    }

    #[test]
    fn a_response_is_chosen_by_the_status() {
        let json = [("application/json", r#"{"statusCode": 404}"#)];
        #[rustfmt::skip]
        let rows: [(&[(&str, Option<&str>)], Result<u16, Unanswered>); 5] = [
            (&[("200", None)],                          Ok(200)),
            (&[("200", Some("")), ("404", Some("4\\d\\d"))], Ok(404)),
            (&[("200", None), ("500", Some("5.*"))],    Ok(200)),
            (&[("500", Some("5.*"))],                   Err(Unanswered::Misconfigured)),
            (&[],                                       Err(Unanswered::Misconfigured)),
        ];
        for (responses, expected) in rows {
            let mock = mock(&json, responses);
            let status = answer(&mock, None, b"").map(|answered| answered.status);
            assert_eq!(status, expected, "{responses:?}");
        }
    }

    #[test]
    fn what_no_template_is_for_is_passed_through_or_refused() {
        let mut mock = mock(&[("application/json", "{statusCode:200}")], &[("200", None)]);
        let ask = |mock: &Integration, body: &[u8]| {
            answer(mock, Some("text/plain; charset=utf-8"), body).map(|answered| answered.status)
        };
        assert_eq!(ask(&mock, b"statusCode:200"), Ok(200));
        assert_eq!(ask(&mock, b""), Err(Unanswered::Misconfigured));
        mock.passthrough = Passthrough::WhenNoTemplates;
        assert_eq!(ask(&mock, b""), Err(Unanswered::UnsupportedMediaType));
        mock.request_templates.clear();
        assert_eq!(ask(&mock, b"statusCode:200"), Ok(200));
        mock.passthrough = Passthrough::Never;
        assert_eq!(ask(&mock, b"statusCode:200"), Err(Unanswered::UnsupportedMediaType));
    }
}
