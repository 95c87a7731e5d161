//! Input templates: texts with parts of the event in them.
//!
//! A name in angle brackets stands for a part of the event. Outside of a string the part is put there
//! as it is, within a string so that the string goes on: without its quotes if it is a string itself.
//! A part that is not there is an empty string.

use std::collections::BTreeMap;

use hearth_types::time::Timestamp;

use super::envelope::Envelope;
use super::json::Path;
use crate::limits;

const EVENT: &str = "aws.events.event";
const EVENT_JSON: &str = "aws.events.event.json";
const INGESTION_TIME: &str = "aws.events.event.ingestion-time";
const RULE_ARN: &str = "aws.events.rule-arn";
const RULE_NAME: &str = "aws.events.rule-name";

/// What a template can speak of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) event: &'a Envelope,
    /// The event as JSON.
    pub(super) text: &'a str,
    pub(super) rule_arn: &'a str,
    pub(super) rule_name: &'a str,
    /// When the event came.
    pub(super) ingested: Timestamp,
}

/// Says what a template should not have in it.
pub(super) fn check(template: &str, paths: &BTreeMap<String, String>) -> Result<(), String> {
    let is_object = template.trim_start().starts_with('{');
    for piece in pieces(template) {
        let Piece::Name { name, .. } = piece else { continue };
        if name == EVENT_JSON && !is_object {
            return Err(format!("placeholder {EVENT_JSON} valid only for JSON template"));
        }
        let is_reserved = [EVENT, EVENT_JSON, INGESTION_TIME, RULE_ARN, RULE_NAME].contains(&name);
        if !is_reserved && !paths.contains_key(name) {
            return Err(format!("invalid placeholder {name}"));
        }
    }
    Ok(())
}

/// Puts parts of an event into a template, as far as any target would take the whole.
pub(super) fn fill(
    template: &str,
    paths: &BTreeMap<String, String>,
    subject: Subject<'_>,
) -> String {
    let mut out = String::with_capacity(template.len());
    // A name may stand in a template a thousand times, and be looked for in a large event.
    let mut parts = BTreeMap::new();
    for piece in pieces(template) {
        if out.len() > limits::EVENT_INPUT_BYTES_MAX {
            break;
        }
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Name { name, within } => {
                let find = || part(name, paths, subject).unwrap_or_else(|| "\"\"".to_owned());
                let part = parts.entry(name).or_insert_with(find);
                match within {
                    Within::Json => out.push_str(part),
                    Within::String if part.starts_with('"') => {
                        out.push_str(&part[1..part.len() - 1]);
                    }
                    Within::String => {
                        let quoted = quoted(part);
                        out.push_str(&quoted[1..quoted.len() - 1]);
                    }
                }
            }
        }
    }
    out
}

/// The JSON text that a name stands for.
fn part(name: &str, paths: &BTreeMap<String, String>, subject: Subject<'_>) -> Option<String> {
    let Subject { event, text, rule_arn, rule_name, ingested } = subject;
    match name {
        RULE_ARN => Some(quoted(rule_arn)),
        RULE_NAME => Some(quoted(rule_name)),
        INGESTION_TIME => Some(quoted(&ingested.iso())),
        EVENT_JSON => Some(text.to_owned()),
        EVENT => Some(event.without_detail()),
        _ => Path::parse(paths.get(name)?)?.find(text),
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string can be written as JSON")
}

/// Where a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Json,
    String,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Name { name: &'t str, within: Within },
}

/// Cuts a template at the names in it.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut start, mut in_string, mut escaped) = (0, false, false);
    for (at, byte) in template.bytes().enumerate() {
        match byte {
            _ if at < start => continue, // Within a name.
            b'"' if !escaped => in_string = !in_string,
            b'<' => {
                if let Some(name) = name_at(&template[at + 1..]) {
                    let within = if in_string { Within::String } else { Within::Json };
                    pieces.push(Piece::Text(&template[start..at]));
                    pieces.push(Piece::Name { name, within });
                    start = at + name.len() + 2;
                }
            }
            _ => {}
        }
        escaped = in_string && byte == b'\\' && !escaped;
    }
    pieces.push(Piece::Text(&template[start..]));
    pieces
}

/// The name that a text begins with, if there is one and a bracket behind it.
fn name_at(text: &str) -> Option<&str> {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let (name, _) = text.split_once('>')?;
    (!name.is_empty() && name.bytes().all(belongs)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Envelope {
        Envelope {
            id: "1".to_owned(),
            detail_type: "created".to_owned(),
            source: "shop".to_owned(),
            account: "000000000000".to_owned(),
            time: "2026-11-23T03:20:35Z".to_owned(),
            region: "us-east-1".to_owned(),
            resources: vec!["arn:a".to_owned()],
            detail: r#"{"n":1.50,"who":"Ada \"L\"","list":[1,2],"none":null}"#.to_owned(),
        }
    }

    fn filled(template: &str) -> String {
        let paths = [
            ("n", "$.detail.n"),
            ("who", "$.detail.who"),
            ("list", "$.detail.list"),
            ("none", "$.detail.none"),
            ("missing", "$.detail.missing"),
        ];
        let paths: BTreeMap<String, String> =
            paths.map(|(name, path)| (name.to_owned(), path.to_owned())).into();
        check(template, &paths).unwrap();
        let event = event();
        let text = event.text();
        let subject = Subject {
            event: &event,
            text: &text,
            rule_arn: "arn:aws:events:us-east-1:000000000000:rule/r",
            rule_name: "r",
            ingested: Timestamp(1_795_404_035_123),
        };
        fill(template, &paths, subject)
    }

    #[test]
    fn parts_stand_where_their_names_stood() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"a": <n>, "b": <who>, "c": <list>, "d": <none>}"#, r#"{"a": 1.50, "b": "Ada \"L\"", "c": [1,2], "d": null}"#),
            (r#"{"a": <missing>, "b": "<missing>"}"#,               r#"{"a": "", "b": ""}"#),
            (r#""<who> has <n> of <list>""#,                        r#""Ada \"L\" has 1.50 of [1,2]""#),
            (r#"{"a": "\"<who>"}"#,                                 r#"{"a": "\"Ada \"L\""}"#),
            (r#""rule <aws.events.rule-name>""#,                    r#""rule r""#),
            (r#"{"r": <aws.events.rule-arn>}"#,                     r#"{"r": "arn:aws:events:us-east-1:000000000000:rule/r"}"#),
            (r#"{"t": <aws.events.event.ingestion-time>}"#,         r#"{"t": "2026-11-23T03:20:35.123Z"}"#),
            (r#"{"a": "1 < 2 > 0 <>"}"#,                            r#"{"a": "1 < 2 > 0 <>"}"#),
            ("7",                                                   "7"),
        ];
        for (template, expected) in rows {
            assert_eq!(filled(template), expected, "{template}");
        }
    }

    #[test]
    fn the_event_is_there_whole_and_without_its_detail() {
        assert_eq!(
            filled("{\"e\":<aws.events.event.json>}"),
            format!("{{\"e\":{}}}", event().text())
        );
        let short = filled("{\"e\":<aws.events.event>}");
        let short: serde_json::Value = serde_json::from_str(&short).unwrap();
        assert_eq!(short["e"]["detailType"], "created");
        assert!(short["e"].get("detail").is_none(), "{short}");
        let within: serde_json::Value =
            serde_json::from_str(&filled("{\"e\":\"<aws.events.event.json>\"}")).unwrap();
        assert_eq!(within["e"], event().text());
    }
}
