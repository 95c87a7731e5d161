//! `hearth sources`: what event source mappings are doing.
//!
//! What is not known here is ignored, and what is absent is nothing, so that this program can look
//! at a server that is older or newer.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use hyper::Method;
use serde::Deserialize;
use serde_json::Value;

use super::EndpointArgs;
use crate::client::{Call, encoded};
use crate::ui;

const SOURCES: &str = "/_hearth/sources";
/// How much of an error is shown in a table.
const ERROR_CHARACTERS_MAX: usize = 60;

/// Show what event source mappings are doing: lag, rate, last error, checkpoints
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth sources                 all mappings, one to a line
  hearth sources show UUID       everything about one, with its checkpoints, as JSON

Counts are since the start of the server; the rate is that of the last minute.")]
pub(crate) struct SourcesArgs {
    #[command(subcommand)]
    action: Option<SourcesAction>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum SourcesAction {
    /// Print everything about one mapping, as JSON
    Show {
        /// The UUID of the mapping
        uuid: String,
    },
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Listed {
    mappings: Vec<Row>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    uuid: String,
    function: String,
    source: Option<String>,
    /// The topic or the queue of a cluster or a broker.
    parts: Vec<String>,
    state: String,
    reason: String,
    waiting: Option<u64>,
    progress: Progress,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Progress {
    polled: u64,
    filtered_out: u64,
    failed: u64,
    dropped: u64,
    running: u64,
    per_second: f64,
    result: Option<String>,
    error: Option<String>,
    age_millis: Option<u64>,
}

/// Does what was asked for; without an action it lists.
pub(crate) async fn run(args: &SourcesArgs) -> anyhow::Result<ExitCode> {
    let client = args.endpoint.client()?;
    if let Some(SourcesAction::Show { uuid }) = &args.action {
        let path = format!("{SOURCES}/{}", encoded(uuid));
        let shown: Value = client.ask(Call::lambda(Method::GET, path)).await?;
        ui::out(&serde_json::to_string_pretty(&shown).context("could not show the answer")?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let listed: Listed = client.ask(Call::lambda(Method::GET, SOURCES)).await?;
    if listed.mappings.is_empty() {
        ui::note(
            "There are no event source mappings; \
             `aws lambda create-event-source-mapping` makes one.",
        );
        return Ok(ExitCode::SUCCESS);
    }
    ui::out(&table(&listed.mappings))?;
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[Row]) -> String {
    let titles = [
        "UUID",
        "FUNCTION",
        "SOURCE",
        "STATE",
        "LAG",
        "RATE",
        "POLLED",
        "FILTERED",
        "FAILED",
        "DROPPED",
        "RUNNING",
        "RESULT",
        "LAST ERROR",
    ];
    let mut shown = vec![titles.map(str::to_owned).to_vec()];
    shown.extend(rows.iter().map(|row| {
        let Progress { polled, filtered_out, failed, dropped, running, .. } = &row.progress;
        let counts = [polled, filtered_out, failed, dropped, running].map(u64::to_string);
        let before = vec![
            row.uuid.clone(),
            last(&row.function).to_owned(),
            source(row),
            row.state.clone(),
            lag(row),
            format!("{:.1}/s", row.progress.per_second),
        ];
        let result = row.progress.result.as_deref().map_or_else(|| "-".to_owned(), line);
        [before, counts.to_vec(), vec![result, error(row)]].concat()
    }));
    ui::table(&shown)
}

/// What stands last in an ARN, without what every source of its kind has in front.
fn last(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// What is read: a queue, a stream, or of a cluster or a broker a topic or a queue.
fn source(row: &Row) -> String {
    let Some(source) = row.source.as_deref() else { return "-".to_owned() };
    let name = match source.split(':').collect::<Vec<&str>>().as_slice() {
        // AWS: the name of a broker stands in front of its id.
        ["arn", _, "mq", .., name, _id] => *name,
        ["arn", ..] => last(source),
        // Servers, of which the first will do.
        _ => source.split(',').next().unwrap_or(source),
    };
    let parts = row.parts.iter().map(String::as_str);
    std::iter::once(name).chain(parts).collect::<Vec<&str>>().join("/")
}

/// Records that wait, or how old those were that the function got last.
fn lag(row: &Row) -> String {
    match (row.waiting, row.progress.age_millis) {
        (Some(waiting), _) => waiting.to_string(),
        (None, Some(millis)) => {
            format!("{:.1} s", std::time::Duration::from_millis(millis).as_secs_f64())
        }
        (None, None) => "-".to_owned(),
    }
}

/// What somebody else has said, in one line that does nothing to a terminal.
fn line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// What went wrong last, or why the mapping is not read although somebody wants it to be.
fn error(row: &Row) -> String {
    let by_user = ["USER_INITIATED", "User action"].contains(&row.reason.as_str());
    let blocked = (row.state == "Disabled" && !by_user).then_some(&row.reason);
    let Some(error) = blocked.or(row.progress.error.as_ref()) else { return "-".to_owned() };
    let line = line(error);
    if line.chars().count() <= ERROR_CHARACTERS_MAX {
        return line;
    }
    let cut: String = line.chars().take(ERROR_CHARACTERS_MAX - 1).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_shown_in_a_line() {
        let answer = serde_json::json!({ "mappings": [{
            "uuid": "u", "function": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "source": "arn:aws:sqs:us-east-1:000000000000:q", "state": "Enabled",
            "reason": "USER_INITIATED", "waiting": 7,
            "progress": { "polled": 10, "filteredOut": 1, "failed": 2, "dropped": 3, "running": 4,
                "perSecond": 1.5, "result": "\u{1b}OK", "error": "E:\nno", "more": true },
        }] });
        let listed: Listed = serde_json::from_value(answer).unwrap();
        let shown = table(&listed.mappings);
        let line: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        let expected =
            ["u", "f", "q", "Enabled", "7", "1.5/s", "10", "1", "2", "3", "4", "OK", "E:", "no"];
        assert_eq!(line, expected);
    }

    #[test]
    fn why_a_mapping_is_not_read_stands_among_the_errors() {
        let row = |state: &str, reason: &str| Row {
            state: state.to_owned(),
            reason: reason.to_owned(),
            ..Row::default()
        };
        assert_eq!(error(&row("Disabled", "the queue is gone")), "the queue is gone");
        assert_eq!(error(&row("Disabled", "USER_INITIATED")), "-");
        assert_eq!(error(&row("Disabled", &"x".repeat(100))).chars().count(), 60);
    }

    #[test]
    fn a_source_is_named_by_what_is_read() {
        let row = |source: Option<&str>, part: Option<&str>| Row {
            source: source.map(str::to_owned),
            parts: part.into_iter().map(str::to_owned).collect(),
            ..Row::default()
        };
        #[rustfmt::skip]
        let rows = [
            (Some("arn:aws:sqs:us-east-1:000000000000:orders"),            None,           "orders"),
            (Some("arn:aws:kinesis:us-east-1:000000000000:stream/orders"), None,           "stream/orders"),
            (Some("arn:aws:kafka:us-east-1:000000000000:cluster/c/0b1c"),  Some("orders"), "cluster/c/0b1c/orders"),
            (Some("arn:aws:mq:us-east-1:000000000000:broker:main:b-0b1c"), Some("orders"), "main/orders"),
            (Some("127.0.0.1:9092,127.0.0.1:9093"),                        Some("orders"), "127.0.0.1:9092/orders"),
            (None,                                                         None,           "-"),
        ];
        for (arn, part, expected) in rows {
            assert_eq!(source(&row(arn, part)), expected);
        }
    }

    #[test]
    fn lag_is_what_waits_or_how_old_it_was() {
        let mut row = Row::default();
        assert_eq!(lag(&row), "-");
        row.progress.age_millis = Some(1_500);
        assert_eq!(lag(&row), "1.5 s");
        row.waiting = Some(3);
        assert_eq!(lag(&row), "3");
    }
}
