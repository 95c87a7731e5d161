//! What a server says about events, and how that is shown.
//!
//! What is not known here is ignored, and what is absent is nothing, so that this program can look
//! at a server that is older or newer. Ids are numbers or texts.

use serde::Deserialize;
use serde_json::Value;

use crate::ui;

/// How much of an error is shown in a table.
const ERROR_CHARACTERS_MAX: usize = 60;

/// How many events there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counts {
    pub(super) waiting: u64,
    pub(super) delayed: u64,
    pub(super) running: u64,
    pub(super) failed: u64,
}

/// Some of the functions that have events.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FunctionsPage {
    pub(super) functions: Vec<FunctionEvents>,
    pub(super) next: Option<Value>,
}

/// One of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FunctionEvents {
    /// Its ARN, or its name.
    pub(super) function: String,
    pub(super) counts: Counts,
}

/// Some of the events of a function.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Page {
    pub(super) counts: Counts,
    pub(super) events: Vec<Event>,
    pub(super) next: Option<Value>,
}

/// One of them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event {
    pub(super) id: Value,
    pub(super) request_id: Option<String>,
    pub(super) state: String,
    pub(super) received_at: Option<String>,
    pub(super) due: Option<String>,
    pub(super) attempts: u64,
    pub(super) last_error: Option<String>,
    pub(super) payload_bytes: u64,
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Replayed {
    pub(super) replayed: u64,
}

/// What a purge did.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Purged {
    pub(super) purged: u64,
}

/// An id as it is written.
pub(super) fn plain(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// Functions, one to a line.
pub(super) fn functions(functions: &[FunctionEvents]) -> String {
    let titles = ["FUNCTION", "WAITING", "DELAYED", "RUNNING", "FAILED"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(functions.iter().map(|FunctionEvents { function, counts }| {
        let name = function.rsplit(':').next().unwrap_or(function);
        let Counts { waiting, delayed, running, failed } = counts;
        let counts = [waiting, delayed, running, failed].map(u64::to_string);
        [vec![name.to_owned()], counts.to_vec()].concat()
    }));
    ui::table(&rows)
}

/// Events, one to a line.
pub(super) fn events(events: &[Event]) -> String {
    let titles = ["ID", "STATE", "RECEIVED", "DUE", "ATTEMPTS", "SIZE", "REQUEST ID", "LAST ERROR"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(events.iter().map(|event| {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![
            plain(&event.id),
            event.state.clone(),
            text(&event.received_at),
            text(&event.due),
            event.attempts.to_string(),
            ui::size(event.payload_bytes),
            text(&event.request_id),
            event.last_error.as_deref().map_or_else(|| "-".to_owned(), shortened),
        ]
    }));
    ui::table(&rows)
}

/// All events of a function in a line.
pub(super) fn summary(function: &str, counts: &Counts) -> String {
    let Counts { waiting, delayed, running, failed } = counts;
    format!(
        "{function}: {waiting} waiting, {delayed} waiting for another attempt, {running} running, \
         {failed} failed"
    )
}

/// So many events that failed.
pub(super) fn failed_events(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} event{plural} that had failed")
}

/// How many of those that were asked for were not replayed, if any.
pub(super) fn missing(asked: usize, replayed: u64) -> Option<u64> {
    let missing = u64::try_from(asked).unwrap_or(u64::MAX).saturating_sub(replayed);
    (missing > 0).then_some(missing)
}

/// The first line of an error, as far as there is room.
fn shortened(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(ERROR_CHARACTERS_MAX).collect();
    if short.len() < error.trim_end().len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn functions_are_shown_by_name_with_their_counts() {
        let page: FunctionsPage = serde_json::from_value(json!({
            "functions": [{
                "function": "arn:aws:lambda:us-east-1:000000000000:function:orders",
                "name": "orders",
                "counts": { "waiting": 12, "delayed": 0, "running": 3, "failed": 1 },
            }],
            "next": null,
        }))
        .unwrap();
        assert!(page.next.is_none());
        let expected = "\
FUNCTION  WAITING  DELAYED  RUNNING  FAILED
orders    12       0        3        1";
        assert_eq!(functions(&page.functions), expected);
    }

    #[test]
    fn events_are_shown_with_their_errors_in_a_line() {
        let page: Page = serde_json::from_value(json!({
            "counts": { "failed": 2 },
            "events": [
                {
                    "id": 42, "requestId": "r-1", "state": "failed",
                    "receivedAt": "2026-01-02T03:04:05.006Z", "due": "2026-01-02T03:07:05.006Z",
                    "attempts": 3, "lastError": "no\nand more", "payloadBytes": 2_048,
                },
                { "id": "43", "state": "waiting", "payloadBytes": 2 },
            ],
            "next": 43,
        }))
        .unwrap();
        assert_eq!((page.counts.failed, page.next.as_ref().map(plain)), (2, Some("43".to_owned())));
        let expected = "\
ID  STATE    RECEIVED                  DUE                       ATTEMPTS  SIZE     REQUEST ID  LAST ERROR
42  failed   2026-01-02T03:04:05.006Z  2026-01-02T03:07:05.006Z  3         2.0 KB   r-1         no…
43  waiting  -                         -                         0         2 bytes  -           -";
        assert_eq!(events(&page.events), expected);
    }

    #[test]
    fn an_error_has_a_line_and_its_limit() {
        let long = "é".repeat(ERROR_CHARACTERS_MAX + 1);
        let rows = [
            ("short".to_owned(), "short".to_owned()),
            ("short\n".to_owned(), "short".to_owned()),
            (long, format!("{}…", "é".repeat(ERROR_CHARACTERS_MAX))),
            (String::new(), String::new()),
        ];
        for (error, expected) in rows {
            assert_eq!(shortened(&error), expected);
        }
    }

    #[test]
    fn what_was_not_replayed_is_counted() {
        assert_eq!([missing(3, 3), missing(3, 1), missing(0, 0)], [None, Some(2), None]);
        assert_eq!(failed_events(1), "1 event that had failed");
        assert_eq!(failed_events(2), "2 events that had failed");
    }
}
