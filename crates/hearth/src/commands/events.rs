//! `hearth events`: looks into the events that functions have yet to run, run now, or failed on.
//!
//! ```text
//!  GET    /_hearth/events                              list
//!  GET    /_hearth/events/FUNCTION?state=              FUNCTION
//!  GET    /_hearth/events/FUNCTION/ID/payload?state=   show
//!  POST   /_hearth/events/FUNCTION/replay              replay
//!  DELETE /_hearth/events/FUNCTION?state=failed        purge
//! ```

mod view;

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::{Subcommand, ValueEnum};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use self::view::{Counts, FunctionsPage, Page, Purged, Replayed};
use super::EndpointArgs;
use crate::client::{Answer, Call, Client, encoded};
use crate::ui;

const EVENTS: &str = "/_hearth/events";
/// How many events of each state are shown if nobody says.
const ITEMS_DEFAULT: usize = 20;
/// How many are asked for at a time.
const PAGE_ITEMS_MAX: usize = 500;

/// Look into the asynchronous events of functions, and replay those that failed
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth events                            functions that have events, and how many
  hearth events orders                     the events of one: waiting, running and failed
  hearth events orders --state failed      those that were given up, with their errors
  hearth events show orders 42             the payload of one
  hearth events replay orders 42 43        run two again that were given up
  hearth events replay orders --all        run all of them again
  hearth events purge orders               forget those that were given up

An event fails when its retries or its time are used up. It is kept to be looked at, also when it
went to a dead-letter queue or a destination. A replayed event is accepted anew, with all its
retries.")]
pub(crate) struct EventsArgs {
    /// Name or ARN of a function
    function: Option<String>,
    /// Show only events that wait, run or failed
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// Show at most so many of each state (default: 20)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    items: Option<u32>,
    #[command(subcommand)]
    action: Option<EventsAction>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// It waits for its first attempt, or for another one
    Waiting,
    /// It runs
    Running,
    /// It was given up
    Failed,
}

impl State {
    const ALL: [State; 3] = [State::Waiting, State::Running, State::Failed];

    fn word(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Running => "running",
            State::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, Subcommand)]
enum EventsAction {
    /// Print the payload of an event
    Show {
        /// Name or ARN of the function
        function: String,
        /// The id of the event, as `hearth events FUNCTION` shows it
        id: String,
    },
    /// Run events again that failed
    Replay {
        /// Name or ARN of the function
        function: String,
        /// The ids of the events, as `hearth events FUNCTION` shows them
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// Every event of the function that failed
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Forget the events that failed
    Purge {
        /// Name or ARN of the function
        function: String,
    },
}

/// Does what was asked for; without an action it lists.
pub(crate) async fn run(args: &EventsArgs) -> anyhow::Result<ExitCode> {
    let client = args.endpoint.client()?;
    match (&args.action, &args.function) {
        (Some(_), Some(function)) => bail!(
            "name the function behind the action: `hearth events show {function} ID`, \
             `replay {function} ID…` or `purge {function}`"
        ),
        (Some(action), None) => {
            if args.state.is_some() || args.items.is_some() {
                bail!("--state and --items are for `hearth events FUNCTION`");
            }
            act(&client, action).await?;
        }
        (None, Some(function)) => {
            let items = args.items.and_then(|items| usize::try_from(items).ok());
            one(&client, function, (args.state, items.unwrap_or(ITEMS_DEFAULT))).await?;
        }
        (None, None) => {
            if args.state.is_some() || args.items.is_some() {
                bail!("say of which function: `hearth events FUNCTION --state failed`");
            }
            list(&client).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn act(client: &Client, action: &EventsAction) -> anyhow::Result<()> {
    match action {
        EventsAction::Show { function, id } => show(client, function, id).await,
        EventsAction::Replay { function, ids, all } => {
            let asked = if *all { json!({ "all": true }) } else { json!({ "ids": ids }) };
            replay(client, function, &asked).await
        }
        EventsAction::Purge { function } => {
            let path = format!("{}?state=failed", path(function));
            let Purged { purged } = client.ask(Call::lambda(Method::DELETE, path)).await?;
            ui::done(&format!("Forgot {}", view::failed_events(purged)));
            Ok(())
        }
    }
}

fn path(function: &str) -> String {
    format!("{EVENTS}/{}", encoded(function))
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let (mut functions, mut path) = (Vec::new(), EVENTS.to_owned());
    loop {
        let page: FunctionsPage = client.ask(Call::lambda(Method::GET, path)).await?;
        functions.extend(page.functions);
        match page.next {
            Some(next) => path = format!("{EVENTS}?after={}", encoded(&view::plain(&next))),
            None => break,
        }
    }
    if functions.is_empty() {
        ui::note(
            "No function has events that wait, run or failed; \
             `aws lambda invoke --invocation-type Event` makes one.",
        );
        return Ok(());
    }
    ui::out(&view::functions(&functions))
}

async fn one(
    client: &Client,
    function: &str,
    (state, items): (Option<State>, usize),
) -> anyhow::Result<()> {
    let (mut counts, mut events, mut more) = (Counts::default(), Vec::new(), false);
    for state in State::ALL.into_iter().filter(|one| state.is_none_or(|wanted| *one == wanted)) {
        let found = events_of(client, (function, state), items).await?;
        counts = found.counts;
        more |= found.next.is_some();
        events.extend(found.events);
    }
    ui::note(&view::summary(function, &counts));
    if !events.is_empty() {
        ui::out(&view::events(&events))?;
    }
    if more {
        ui::note("There are more; --items N shows more of them.");
    }
    Ok(())
}

/// The first events of a state, page by page.
async fn events_of(
    client: &Client,
    (function, state): (&str, State),
    items: usize,
) -> anyhow::Result<Page> {
    let mut found = Page::default();
    loop {
        let wanted = items.saturating_sub(found.events.len()).min(PAGE_ITEMS_MAX);
        let mut path = format!("{}?state={}&items={wanted}", path(function), state.word());
        if let Some(next) = &found.next {
            path.push_str(&format!("&after={}", encoded(&view::plain(next))));
        }
        let page: Page = client.ask(Call::lambda(Method::GET, path)).await?;
        // A page may be empty and have one behind it: the server looks through a bounded part.
        found.counts = page.counts;
        found.events.extend(page.events);
        found.next = page.next;
        if found.next.is_none() || found.events.len() >= items {
            return Ok(found);
        }
    }
}

/// Events that failed are kept apart from the others, under ids of their own.
async fn show(client: &Client, function: &str, id: &str) -> anyhow::Result<()> {
    for state in [State::Waiting, State::Failed] {
        let path = format!("{}/{}/payload?state={}", path(function), encoded(id), state.word());
        let answer: Answer = client.send(Call::lambda(Method::GET, path)).await?;
        if answer.status != StatusCode::NOT_FOUND {
            return ui::out_bytes(&answer.accepted()?.body);
        }
    }
    Err(anyhow!("{function} has no event {id}; `hearth events {function}` lists its events"))
}

async fn replay(client: &Client, function: &str, asked: &Value) -> anyhow::Result<()> {
    let call = Call::lambda(Method::POST, format!("{}/replay", path(function))).json(asked)?;
    let Replayed { replayed } = client.ask(call).await?;
    let asked = asked["ids"].as_array().map(Vec::len);
    if let Some(missing) = asked.and_then(|asked| view::missing(asked, replayed)) {
        bail!(
            "{function}: {replayed} replayed; {missing} of the ids are of no event that failed; \
             `hearth events {function} --state failed` lists those"
        );
    }
    ui::done(&format!("Replayed {}", view::failed_events(replayed)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Events {
        #[command(flatten)]
        args: EventsArgs,
    }

    /// What is read from a command line, in a word.
    fn read(line: &str) -> Option<String> {
        let words = std::iter::once("events").chain(line.split_whitespace());
        let EventsArgs { function, state, action, .. } = Events::try_parse_from(words).ok()?.args;
        let action = action.map(|action| match action {
            EventsAction::Show { function, id } => format!("show {function} {id}"),
            EventsAction::Replay { function, ids, all: false } => {
                format!("replay {function} {}", ids.join("+"))
            }
            EventsAction::Replay { function, .. } => format!("replay all of {function}"),
            EventsAction::Purge { function } => format!("purge {function}"),
        });
        let state = state.map(State::word);
        Some([function.as_deref(), state, action.as_deref()].into_iter().flatten().collect())
    }

    #[test]
    fn a_function_or_an_action_is_read() {
        #[rustfmt::skip]
        let rows = [
            ("",                                   Some("")),
            ("orders",                             Some("orders")),
            ("orders --state failed",              Some("ordersfailed")),
            ("show orders 7",                      Some("show orders 7")),
            ("show orders 7 --region eu-west-1",   Some("show orders 7")),
            ("replay orders 7 8",                  Some("replay orders 7+8")),
            ("replay orders --all",                Some("replay all of orders")),
            ("purge orders",                       Some("purge orders")),
            ("replay orders",                      None),
            ("replay orders 7 --all",              None),
            ("orders --state lost",                None),
            ("orders --items 0",                   None),
            ("show orders",                        None),
        ];
        for (line, expected) in rows {
            assert_eq!(read(line).as_deref(), expected, "{line}");
        }
    }
}
