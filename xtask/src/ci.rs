//! Everything that a change must pass, cheapest first.
//!
//! # Promises
//!
//! 1. The machine that checks changes (`.ci/run`) and a developer run the same steps.
//! 2. The first failure ends the run, with one line that says which command to repeat.
//! 3. The tests and the quickstart are the two commands of `README.md`, letter by letter.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::{codegen, now, say, tidy, workspace_root};

struct Step {
    name: &'static str,
    work: Work,
}

enum Work {
    /// A cargo command, and variables for it alone.
    Cargo(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// A task of this program, with its arguments.
    Task(fn(&[String]) -> anyhow::Result<()>, &'static [&'static str]),
}

#[rustfmt::skip]
const STEPS: &[Step] = &[
    Step { name: "format",     work: Work::Cargo(&["fmt", "--all", "--check"], &[]) },
    Step { name: "tidy",       work: Work::Task(tidy::run, &["tidy"]) },
    Step { name: "codegen",    work: Work::Task(codegen::run, &["codegen", "--check"]) },
    Step { name: "clippy",     work: Work::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[]) },
    Step { name: "tests",      work: Work::Cargo(&["test", "--workspace"], &[]) },
    Step { name: "docs",       work: Work::Cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"], &[("RUSTDOCFLAGS", "-Dwarnings")]) },
    Step { name: "quickstart", work: Work::Cargo(&["run", "--release", "--", "quickstart"], &[]) },
];

/// `ci`
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    ensure!(args.is_empty(), "`cargo xtask ci` has no options; it always runs everything");
    let count = STEPS.len();
    let mut took = Vec::new();
    for (number, step) in (1..).zip(STEPS) {
        let shown = step.shown();
        say(&format!("\n=== {number}/{count} {}: {shown}", step.name));
        let start = now();
        step.run().with_context(|| {
            format!("step {number} of {count} ({}) failed; repeat it with `{shown}`", step.name)
        })?;
        took.push(start.elapsed());
        say(&format!("=== {} passed in {}", step.name, seconds(start.elapsed())));
    }
    say("\nEverything passed:");
    for (step, took) in STEPS.iter().zip(&took) {
        say(&format!("  {:<12}{:>9}", step.name, seconds(*took)));
    }
    Ok(())
}

impl Step {
    fn run(&self) -> anyhow::Result<()> {
        match self.work {
            Work::Cargo(args, variables) => cargo(args, variables),
            Work::Task(task, args) => {
                let options: Vec<String> = args.iter().skip(1).map(|&arg| arg.to_owned()).collect();
                task(&options)
            }
        }
    }

    /// As a person would type it.
    fn shown(&self) -> String {
        match self.work {
            Work::Cargo(args, variables) => {
                let variables = variables.iter().map(|(key, value)| format!("{key}={value} "));
                format!("{}cargo {}", variables.collect::<String>(), args.join(" "))
            }
            Work::Task(_, args) => format!("cargo xtask {}", args.join(" ")),
        }
    }
}

fn cargo(args: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<()> {
    // Inside `cargo run` this names the very cargo that runs us.
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(args)
        .envs(variables.iter().copied())
        .current_dir(workspace_root())
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::STEPS;

    #[test]
    fn each_step_is_shown_as_a_person_would_type_it() {
        let shown: Vec<String> = STEPS.iter().map(super::Step::shown).collect();
        assert_eq!(shown.first().map(String::as_str), Some("cargo fmt --all --check"));
        assert!(shown.contains(&"cargo test --workspace".to_owned()));
        assert!(shown.contains(&"cargo run --release -- quickstart".to_owned()));
        assert!(shown.contains(&"cargo xtask codegen --check".to_owned()));
    }
}
