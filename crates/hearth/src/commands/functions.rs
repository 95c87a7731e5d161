//! `hearth functions`: lists, shows and deletes functions.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use hearth_wire::lambda::types::{FunctionConfiguration, ListFunctionsResponse};
use hyper::Method;
use serde_json::Value;

use super::EndpointArgs;
use crate::client::{Call, Client, encoded};
use crate::ui;

const FUNCTIONS: &str = "/2015-03-31/functions";

/// List, show or delete functions
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth functions                    the same as `hearth functions list`
  hearth functions show hello         everything about one, as JSON
  hearth functions delete hello")]
pub(crate) struct FunctionsArgs {
    #[command(subcommand)]
    action: Option<FunctionsAction>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum FunctionsAction {
    /// List all functions
    List,
    /// Show everything about one function, as JSON
    Show {
        /// Name or ARN
        name: String,
    },
    /// Delete one function and its environments; its log is kept
    Delete {
        /// Name or ARN
        name: String,
    },
}

/// Does what was asked for; without an action it lists.
pub(crate) async fn run(args: &FunctionsArgs) -> anyhow::Result<ExitCode> {
    let client = args.endpoint.client()?;
    match args.action.as_ref().unwrap_or(&FunctionsAction::List) {
        FunctionsAction::List => list(&client).await?,
        FunctionsAction::Show { name } => {
            let shown: Value = client.ask(Call::lambda(Method::GET, path(name))).await?;
            ui::out(&serde_json::to_string_pretty(&shown).context("could not show the answer")?)?;
        }
        FunctionsAction::Delete { name } => {
            client.send(Call::lambda(Method::DELETE, path(name))).await?.accepted()?;
            ui::done(&format!("Deleted {name}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path(name: &str) -> String {
    format!("{FUNCTIONS}/{}", encoded(name))
}

async fn list(client: &Client) -> anyhow::Result<()> {
    let titles = ["NAME", "RUNTIME", "MEMORY", "TIMEOUT", "STATE", "LAST MODIFIED"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let mut path = FUNCTIONS.to_owned();
    loop {
        let page: ListFunctionsResponse = client.ask(Call::lambda(Method::GET, path)).await?;
        rows.extend(page.functions.unwrap_or_default().iter().map(row));
        match page.next_marker {
            Some(marker) => path = format!("{FUNCTIONS}?Marker={}", encoded(&marker)),
            None => break,
        }
    }
    if rows.len() == 1 {
        ui::note("There are no functions yet; `hearth deploy DIR` makes one.");
        return Ok(());
    }
    ui::out(&ui::table(&rows))
}

fn row(function: &FunctionConfiguration) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let number = |number: Option<i32>, unit: &str| match number {
        Some(number) => format!("{number} {unit}"),
        None => "-".to_owned(),
    };
    vec![
        text(&function.function_name),
        text(&function.runtime),
        number(function.memory_size, "MB"),
        number(function.timeout, "s"),
        // AWS leaves the state out of a listing; a function that is listed without one is active.
        function.state.clone().unwrap_or_else(|| "Active".to_owned()),
        text(&function.last_modified),
    ]
}
