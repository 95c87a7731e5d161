//! Hearth beside its peers, AWS's runtime interface emulator above all: the numbers of
//! `PROMISES.md`.
//!
//! # Promises
//!
//! 1. All peers get the same handler, the same interpreter and the same load client, in one run,
//!    round by round in turn. Figures are medians of the rounds.
//! 2. Nothing that is measured is left out of the table, also when it is not what we want. What
//!    could not be measured is a row that says why.
//! 3. Whatever is started is stopped again, also when something fails.
//!
//! # Deliberately absent
//!
//! Stored results to compare with: numbers of another day or machine say little.

mod scenarios;
mod warm;
mod cold;
mod burst;
mod density;
mod growth;
mod neighbour;
mod stream;
mod http_api;
mod bodies;
mod control;
mod patterns;
mod accept;
mod started;
mod backlog;
mod queues;
mod buckets;
mod schedules;
mod peers;
mod fixtures;
mod doors;
mod later;
mod table;
mod hearth;
mod load;
mod http;
mod event_stream;
mod memory;
mod processor;
mod stats;
mod tools;
mod process;

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::{complain, now, say, workspace_root};
use scenarios::{SCENARIOS, Scenario};
use table::Row;
use tools::Tools;

pub(crate) use peers::ministack::{COMMAND as INSIDE, inside};

const ROUNDS: usize = 5;
const ROUNDS_MAX: usize = 15;
/// How many events wait in a long backlog.
const EVENTS: u64 = 1_000_000;
/// More would take longer than a run may.
const EVENTS_MAX: u64 = 10_000_000;
/// No scenario is begun after this. A run with the usual rounds takes about half an hour, of which the
/// backlog has five minutes, and schedules have up to ten.
const RUN_MAX: Duration = Duration::from_secs(50 * 60);

/// `bench [--rounds N] [--only NAME] [--events N]`
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let options = parse(args)?;
    if cfg!(debug_assertions) {
        return again_optimised(args);
    }
    let tools = Tools::prepare(options.events)?;
    let start = now();
    let (mut rows, mut failed) = (Vec::new(), 0);
    for scenario in options.scenarios {
        say(&format!("=== {}: {}", scenario.name, scenario.what));
        let measured = if start.elapsed() < RUN_MAX {
            (scenario.run)(&tools, options.rounds)
        } else {
            Err(anyhow::anyhow!("this takes too long; use fewer rounds, or --only"))
        };
        // The others are worth their rows all the same.
        rows.extend(measured.unwrap_or_else(|why| {
            complain(&format!("scenario {} failed: {why:#}", scenario.name));
            failed += 1;
            vec![Row::unmeasured(&format!("scenario {}", scenario.name), &why)]
        }));
    }
    say(&format!("\n{}", table::render(&rows, &table::Circumstances::here(options.rounds))));
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    say(&format!("{missed} promises are not held; {:.0} s", start.elapsed().as_secs_f64()));
    ensure!(failed == 0, "{failed} scenarios failed");
    Ok(())
}

/// Runs the same as a program with optimisations: without, the load client and the echo server
/// would be a good part of what is measured.
fn again_optimised(args: &[String]) -> anyhow::Result<()> {
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--release", "--package", "xtask", "--", "bench"])
        .args(args)
        .current_dir(workspace_root())
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "the run with optimisations failed");
    Ok(())
}

struct Options {
    rounds: usize,
    events: u64,
    scenarios: &'static [Scenario],
}

fn parse(args: &[String]) -> anyhow::Result<Options> {
    let mut options = Options { rounds: ROUNDS, events: EVENTS, scenarios: SCENARIOS };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let value = args.next().with_context(|| format!("`{option}` needs a value"));
        match option.as_str() {
            "--rounds" => {
                let rounds = value?.parse::<usize>().context("--rounds needs a number")?;
                ensure!((1..=ROUNDS_MAX).contains(&rounds), "--rounds is from 1 to {ROUNDS_MAX}");
                options.rounds = rounds;
            }
            "--events" => {
                let events = value?.parse::<u64>().context("--events needs a number")?;
                ensure!((1..=EVENTS_MAX).contains(&events), "--events is from 1 to {EVENTS_MAX}");
                options.events = events;
            }
            "--only" => options.scenarios = only(value?)?,
            other => bail!("there is no option `{other}`; `cargo xtask help` lists them"),
        }
    }
    Ok(options)
}

fn only(name: &str) -> anyhow::Result<&'static [Scenario]> {
    let index = SCENARIOS.iter().position(|scenario| scenario.name == name);
    let index = index.with_context(|| {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        format!("there is no scenario `{name}`; there are {}", names.join(", "))
    })?;
    Ok(&SCENARIOS[index..=index])
}

#[cfg(test)]
mod tests {
    use super::{ROUNDS, SCENARIOS, parse};

    /// How many rounds and scenarios, or a refusal.
    type Chosen = Option<(usize, usize)>;

    #[test]
    fn a_wrong_option_is_refused() {
        #[rustfmt::skip]
        let rows: [(&[&str], Chosen); 10] = [
            (&[],                              Some((ROUNDS, SCENARIOS.len()))),
            (&["--rounds", "3"],               Some((3, SCENARIOS.len()))),
            (&["--only", "warm"],              Some((ROUNDS, 1))),
            (&["--events", "1000"],            Some((ROUNDS, SCENARIOS.len()))),
            (&["--events", "0"],               None),
            (&["--rounds"],                    None),
            (&["--rounds", "0"],               None),
            (&["--rounds", "many"],            None),
            (&["--only", "everything"],        None),
            (&["--fast", "yes"],               None),
        ];
        for (args, expected) in rows {
            let owned: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
            let found = parse(&owned).ok().map(|options| (options.rounds, options.scenarios.len()));
            assert_eq!(found, expected, "{args:?}");
        }
    }
}
