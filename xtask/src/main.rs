//! What a developer of Hearth runs: `cargo xtask help` lists it.
//!
//! # Deliberately absent
//!
//! Anything that a user of Hearth needs. That is in the program `hearth`.

mod ci;
mod tidy;
mod codegen;
mod bench;
mod fuzz;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
Tasks of Hearth's developers.

Usage: cargo xtask COMMAND

Commands:
  ci        Everything that a change must pass, cheapest first; stops at the first failure.
            Run it before you commit. The machine that checks changes runs exactly this.
  tidy      The rules of this repository that no compiler checks: allowed crate edges, module
            headers, lengths of files, notes with an issue number, and more. Takes a second.
            Each complaint says where, and what to do.
  codegen   Writes the tables and types of hearth-wire from the models in crates/hearth-wire/models.
              --check                only compares, and fails if something differs
              --from-botocore DIR    first takes the models anew from an unpacked botocore package
  bench     Measures Hearth beside AWS's runtime interface emulator and other peers and prints the
            table of PROMISES.md. Needs root, Python 3 with pip, a few gigabytes of disk for its
            data, and half an hour to an hour on a quiet machine. Node.js and RabbitMQ are
            measured if they are there.
              --rounds N             rounds whose median is taken
              --only NAME            one scenario, such as http-api, bodies, streamed, buckets or
                                     schedules; a wrong name lists all
              --events N             how many events a long backlog has
  fuzz      Reads arbitrary bytes as requests, guided by coverage: 60 seconds, or as many as are
            given. Findings stay in target/fuzz.
  help      This text.

Examples:
  cargo xtask tidy
  cargo xtask bench --only cold-python
";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> anyhow::Result<()> {
    let Some((command, rest)) = args.split_first() else {
        say(HELP);
        return Ok(());
    };
    match command.as_str() {
        "ci" => ci::run(rest),
        "tidy" => tidy::run(rest),
        "codegen" => codegen::run(rest),
        "bench" => bench::run(rest),
        // Not in the help: `bench` starts it, in namespaces of its own.
        bench::INSIDE => bench::inside(rest),
        "fuzz" => fuzz::run(rest),
        "help" | "--help" | "-h" => {
            say(HELP);
            Ok(())
        }
        other => anyhow::bail!("there is no command `{other}`; `cargo xtask help` lists them"),
    }
}

/// Tells the developer something.
#[expect(clippy::print_stdout, reason = "this program talks to the person who started it")]
fn say(text: &str) {
    println!("{text}");
}

/// Tells the developer what went wrong.
#[expect(clippy::print_stderr, reason = "this program talks to the person who started it")]
fn complain(text: &str) {
    eprintln!("{text}");
}

/// The time now. Everything here measures real programs, so the real clock is the right one.
#[expect(clippy::disallowed_methods, reason = "durations of real programs are what is measured")]
fn now() -> Instant {
    Instant::now()
}

fn workspace_root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask is inside the workspace").to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::run;

    #[test]
    fn an_unknown_command_points_to_the_help() {
        let error = run(&["brew".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("`brew`") && error.contains("cargo xtask help"), "{error}");
    }

    #[test]
    fn an_unknown_option_is_refused_before_anything_runs() {
        for command in ["ci", "tidy", "codegen", "bench", "fuzz"] {
            let args = [command.to_owned(), "--no-such-option".to_owned()];
            assert!(run(&args).is_err(), "{command}");
        }
    }
}
