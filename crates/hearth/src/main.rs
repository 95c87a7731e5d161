//! `hearth`: runs unmodified AWS Lambda functions on this machine.
//!
//! The program: arguments, configuration, wiring, signals. What it is made of is in the other
//! crates; this is the only one that names a store engine and a backend.

mod config;
mod serve;
mod services;
mod sites;
mod doors;
mod targets;
mod events;
mod sources;
mod queue;
mod host_files;
mod host_memory;
mod host_processes;
mod client;
mod commands;
mod timeline;
mod ui;

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use config::{Config, Flags};

/// Runs unmodified AWS Lambda functions, driven by unmodified AWS tools, on your own machine.
///
/// One program, no Docker, no account anywhere. Begin with `hearth quickstart`.
#[derive(Debug, Parser)]
#[command(name = "hearth", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 it failed, and the message says what to do; 2 wrong arguments;
3 the function ran and ended in an error (`hearth invoke`).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show everything in a minute: start a server, deploy two functions, invoke them
    Quickstart(commands::quickstart::QuickstartArgs),
    /// Run the server
    #[command(after_help = "\
Example: hearth serve --listen 127.0.0.1:4566 --data-dir ./hearth-data
The server is ready when GET /_hearth/health answers 200. SIGTERM lets functions finish first.")]
    Serve(Flags),
    /// Zip a directory and create or update a function with it
    Deploy(commands::deploy::DeployArgs),
    /// Invoke a function and print its answer
    Invoke(commands::invoke::InvokeArgs),
    /// Show the log of a function
    Logs(commands::logs::LogsArgs),
    /// List, show or delete functions
    Functions(commands::functions::FunctionsArgs),
    /// Look into the asynchronous events of functions, and replay those that failed
    Events(commands::events::EventsArgs),
    /// Show what event source mappings are doing: lag, rate, last error, checkpoints
    Sources(commands::sources::SourcesArgs),
    /// Show what a server is doing, until `q` or Ctrl-C
    Top(commands::top::TopArgs),
    /// List and add runtimes
    Runtime(commands::runtime::RuntimeArgs),
    /// Say what this host can and cannot enforce
    Doctor(commands::doctor::DoctorArgs),
    /// Show the configuration and where each value came from
    Config(commands::config::ConfigArgs),
    /// Build walls for the server (started by it)
    #[command(hide = true)]
    Launcher,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            ui::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        // Before anything else: the launcher must never have a second thread.
        Command::Launcher => launcher(),
        Command::Serve(flags) => {
            let (config, _origins) = Config::load(&flags)?;
            log_to_stderr(config.log_level);
            on_runtime(config.worker_threads, async {
                serve::run(&config).await?;
                Ok(ExitCode::SUCCESS)
            })
        }
        Command::Quickstart(args) => {
            log_to_stderr(LevelFilter::WARN);
            on_runtime(0, commands::quickstart::run(&args))
        }
        Command::Deploy(args) => on_runtime(1, commands::deploy::run(&args)),
        Command::Invoke(args) => on_runtime(1, commands::invoke::run(&args)),
        Command::Logs(args) => on_runtime(1, commands::logs::run(&args)),
        Command::Functions(args) => on_runtime(1, commands::functions::run(&args)),
        Command::Events(args) => on_runtime(1, commands::events::run(&args)),
        Command::Sources(args) => on_runtime(1, commands::sources::run(&args)),
        Command::Top(args) => on_runtime(1, commands::top::run(&args)),
        Command::Runtime(args) => commands::runtime::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Config(args) => commands::config::run(&args),
    }
}

/// The launcher finds its socket as its standard input.
fn launcher() -> anyhow::Result<ExitCode> {
    use std::os::fd::AsFd as _;
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    hearth_isolation::launcher::run(UnixStream::from(socket))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a future on a reactor with this many threads; 0 is one for two processors. The functions need
/// the others, and a call that stays on one thread is not handed between processors, which takes
/// longer than all that the server does for it.
fn on_runtime(
    threads: usize,
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    builder.worker_threads(if threads > 0 { threads } else { processors.div_ceil(2) });
    builder.enable_all().build()?.block_on(work)
}

fn log_to_stderr(level: LevelFilter) {
    // A broker that goes away is no error of Hearth's, and the mapping's reader says so in its words.
    let filter = Targets::new().with_default(level).with_target("lapin", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}
