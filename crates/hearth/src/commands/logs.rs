//! `hearth logs`: shows the log of a function, as the CloudWatch Logs operations give it.

use std::collections::{HashSet, VecDeque};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::anyhow;
use hearth_types::time::{Clock as _, SystemClock, Timestamp};
use hearth_wire::logs::types::{FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent};
use tokio::time::sleep;

use super::EndpointArgs;
use crate::client::{Call, Client};
use crate::ui;

/// How often `--follow` looks for more.
const POLL: Duration = Duration::from_millis(500);
/// How far back `--follow` looks each time: lines of other environments, and lines that were still
/// on their way, may be older than the newest that was seen.
const OVERLAP_MS: u64 = 5_000;
/// How many lines are remembered so that the overlap does not show them twice.
const SEEN_MAX: usize = 50_000;

/// Show the log of a function
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth logs hello                   everything that is kept
  hearth logs hello --since 10m       the last ten minutes
  hearth logs hello --follow          what there is, and what comes, until Ctrl-C")]
pub(crate) struct LogsArgs {
    /// Name of the function
    name: String,
    /// Go on and show new lines as they come
    #[arg(long, short)]
    follow: bool,
    /// Show only lines younger than this, such as 30s, 10m, 2h or 1d
    #[arg(long, value_name = "AGE", value_parser = age_ms)]
    since: Option<u64>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Prints one line for each event: when it was written, and what it says.
pub(crate) async fn run(args: &LogsArgs) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    let from = args.since.map_or(Timestamp(0), |age_ms| Timestamp(now.0.saturating_sub(age_ms)));
    let mut log = Log {
        client: args.endpoint.client()?,
        group: format!("/aws/lambda/{}", args.name),
        from,
        newest: from,
        seen: Seen::default(),
    };
    let is_there = log.print_new().await?;
    if !is_there && !args.follow {
        return Err(anyhow!(
            "there is no log of `{name}` yet; `hearth invoke {name}` makes one, and \
             `hearth functions` lists the functions",
            name = args.name
        ));
    }
    if !is_there {
        ui::step(&format!("Waiting for the first line of {}", args.name));
    }
    if !args.follow {
        return Ok(ExitCode::SUCCESS);
    }
    loop {
        sleep(POLL).await;
        log.print_new().await?;
    }
}

/// A log that is being read.
struct Log {
    client: Client,
    group: String,
    /// What is older than this is never shown.
    from: Timestamp,
    newest: Timestamp,
    seen: Seen,
}

impl Log {
    /// Prints what has not been printed yet. Returns whether there is a log at all.
    async fn print_new(&mut self) -> anyhow::Result<bool> {
        let overlap = Timestamp(self.newest.0.saturating_sub(OVERLAP_MS));
        let start = overlap.max(self.from);
        let mut token = None;
        loop {
            let answer = self.client.send(self.page(start, token)?).await?;
            let answer = match answer.accepted() {
                Err(refused) if refused.name == "ResourceNotFoundException" => return Ok(false),
                accepted => accepted?,
            };
            let page: FilterLogEventsResponse = answer.json()?;
            for event in page.events.unwrap_or_default() {
                self.print(&event)?;
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(true);
            }
        }
    }

    fn page(&self, start: Timestamp, next_token: Option<String>) -> anyhow::Result<Call> {
        let request = FilterLogEventsRequest {
            log_group_name: Some(self.group.clone()),
            start_time: Some(i64::try_from(start.0).unwrap_or(i64::MAX)),
            next_token,
            ..FilterLogEventsRequest::default()
        };
        Call::logs("FilterLogEvents", &request)
    }

    fn print(&mut self, event: &FilteredLogEvent) -> anyhow::Result<()> {
        let at = event.timestamp.and_then(|at| u64::try_from(at).ok()).unwrap_or(0);
        self.newest = self.newest.max(Timestamp(at));
        if event.event_id.as_ref().is_some_and(|id| !self.seen.insert(id)) {
            return Ok(());
        }
        let message = event.message.as_deref().unwrap_or_default().trim_end_matches(['\r', '\n']);
        ui::out(&format!("{} {message}", Timestamp(at).iso()))
    }
}

/// The ids of the events that were printed last.
#[derive(Debug, Default)]
struct Seen {
    ids: HashSet<String>,
    in_order: VecDeque<String>,
}

impl Seen {
    /// Remembers an id. Returns whether it is new.
    fn insert(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.in_order.push_back(id.to_owned());
        if self.in_order.len() > SEEN_MAX
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

/// Reads an age such as `10m`.
fn age_ms(text: &str) -> Result<u64, String> {
    let wrong = || "must be a number and s, m, h or d, such as 10m".to_owned();
    let (at, _unit) = text.char_indices().next_back().ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let unit_ms: u64 = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u64>().ok().ok_or_else(wrong)?;
    number.checked_mul(unit_ms).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        #[rustfmt::skip]
        let rows = [
            ("30s",                   Some(30_000)),
            ("10m",                   Some(600_000)),
            ("2h",                    Some(7_200_000)),
            ("1d",                    Some(86_400_000)),
            ("10",                    None),
            ("m",                     None),
            ("",                      None),
            ("10é",                   None),
            ("-1m",                   None),
            ("18446744073709551615d", None),
        ];
        for (text, expected) in rows {
            assert_eq!(age_ms(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn an_event_is_new_once_and_the_memory_is_bounded() {
        let mut seen = Seen::default();
        assert!(seen.insert("a"));
        assert!(!seen.insert("a"));
        for number in 0..SEEN_MAX {
            assert!(seen.insert(&number.to_string()));
        }
        assert_eq!(seen.ids.len(), SEEN_MAX);
        assert!(seen.insert("a"), "the oldest was forgotten");
    }
}
