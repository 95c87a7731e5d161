//! `hearth runtime`: which runtimes there are, and how to get more.
//!
//! It works on the data directory, not through a server. A running server finds what was added.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use hearth_runtimes::{AddRequest, Candidate, Kind, Runtime, Runtimes, candidates};

use super::DataDirArgs;
use crate::ui;

/// List and add runtimes
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth runtime list                                what there is, and what can be added
  hearth runtime add python3.12                      of an interpreter of this machine
  hearth runtime add python3.12 --from /opt/python   of the interpreter in /opt/python/bin
  hearth runtime add ruby3.4 --from ./image          of an unpacked AWS base image

provided.al2023 and provided.al2 are built in: they run a program called `bootstrap`.
A running server finds a new runtime by itself.")]
pub(crate) struct RuntimeArgs {
    #[command(subcommand)]
    action: RuntimeAction,
    #[command(flatten)]
    data_dir: DataDirArgs,
}

#[derive(Debug, Clone, Subcommand)]
enum RuntimeAction {
    /// List the runtimes that are installed and those that can be added
    List,
    /// Add a runtime, or replace the one of that name
    Add {
        /// AWS's name, such as python3.12, nodejs22.x or java21
        name: String,
        /// Where the interpreter is installed, or an unpacked AWS base image (default: looked for)
        #[arg(long, value_name = "PREFIX")]
        from: Option<PathBuf>,
    },
}

/// Does what was asked for.
pub(crate) fn run(args: &RuntimeArgs) -> anyhow::Result<ExitCode> {
    let directory = args.data_dir.runtimes_directory()?;
    match &args.action {
        RuntimeAction::List => list(&directory)?,
        RuntimeAction::Add { name, from } => {
            let runtime = add(&directory, name, from.clone())?;
            ui::out(runtime.name())?;
            ui::note(&format!("Use it with: hearth deploy DIR --runtime {}", runtime.name()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds a runtime and says what is being done.
pub(super) fn add(directory: &Path, name: &str, from: Option<PathBuf>) -> anyhow::Result<Runtime> {
    let progress = |what: &str| ui::step(what);
    let request = AddRequest { name: name.to_owned(), from, progress: &progress };
    let runtime = hearth_runtimes::add(directory, &request)
        .with_context(|| format!("could not add the runtime {name}"))?;
    ui::done(&format!("Added {}", described(&runtime)));
    Ok(runtime)
}

/// What a runtime is, in a few words.
pub(super) fn described(runtime: &Runtime) -> String {
    let manifest = &runtime.manifest;
    match (&manifest.client, manifest.kind) {
        (Some(client), _) => {
            format!("{} ({}, {} {})", manifest.name, manifest.version, client.name, client.version)
        }
        (None, Kind::Provided) => format!("{} (built in)", manifest.name),
        (None, Kind::Managed) => format!("{} ({})", manifest.name, manifest.version),
    }
}

/// What could be added and is not there yet, with the command that adds it.
pub(super) fn addable(installed: &Runtimes) -> Vec<Candidate> {
    let mut found = candidates();
    found.retain(|candidate| installed.get(&candidate.name).is_none());
    found
}

fn list(directory: &Path) -> anyhow::Result<()> {
    let runtimes = open(directory)?;
    ui::out("Installed:")?;
    for runtime in runtimes.installed() {
        ui::out(&format!("  {}", described(&runtime)))?;
    }
    let addable = addable(&runtimes);
    if addable.is_empty() {
        return ui::out(
            "Nothing more can be added: no other interpreter was found on this machine.",
        );
    }
    ui::out("Can be added:")?;
    ui::out(&candidate_table(&addable))
}

/// A row for each candidate, with the next step.
pub(super) fn candidate_table(candidates: &[Candidate]) -> String {
    let row = |candidate: &Candidate| {
        vec![
            format!("  {}", candidate.name),
            candidate.version.clone(),
            format!("in {}", candidate.prefix.display()),
            format!("hearth runtime add {}", candidate.name),
        ]
    };
    ui::table(&candidates.iter().map(row).collect::<Vec<_>>())
}

/// The runtimes of a data directory.
pub(super) fn open(directory: &Path) -> anyhow::Result<Runtimes> {
    Runtimes::open(directory.to_owned()).context("could not look at the installed runtimes")
}
