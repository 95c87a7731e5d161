//! Hearth beside AWS's runtime interface emulator: the numbers of `PROMISES.md`.
//!
//! # Promises
//!
//! 1. Both peers get the same handler, the same interpreter and the same load client, in one run,
//!    round by round in turn. Figures are medians of the rounds.
//! 2. Nothing that is measured is left out of the table, also when it is not what we want.
//! 3. Whatever is started is stopped again, also when something fails.
//!
//! # Deliberately absent
//!
//! Stored results to compare with: numbers of another day or machine say little.

mod scenarios;
mod control;
mod table;
mod hearth;
mod emulator;
mod load;
mod memory;
mod stats;
mod tools;
mod process;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::{now, say};
use scenarios::{SCENARIOS, Scenario};
use tools::Tools;

const ROUNDS: usize = 5;
const ROUNDS_MAX: usize = 15;
/// No scenario is begun after this; a run with the usual rounds takes a third of it.
const RUN_MAX: Duration = Duration::from_secs(6 * 60);

/// `bench [--rounds N] [--only NAME]`
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    let options = parse(args)?;
    let tools = Tools::prepare()?;
    let start = now();
    let mut rows = Vec::new();
    for scenario in options.scenarios {
        ensure!(start.elapsed() < RUN_MAX, "this takes too long; use fewer rounds, or --only");
        say(&format!("=== {}: {}", scenario.name, scenario.what));
        let measured = (scenario.run)(&tools, options.rounds);
        rows.extend(measured.with_context(|| format!("scenario {} failed", scenario.name))?);
    }
    say(&format!("\n{}", table::render(&rows, &table::Circumstances::here(options.rounds))));
    let missed = rows.iter().filter(|row| row.is_missed()).count();
    say(&format!("{missed} promises are not held; {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

struct Options {
    rounds: usize,
    scenarios: &'static [Scenario],
}

fn parse(args: &[String]) -> anyhow::Result<Options> {
    let mut options = Options { rounds: ROUNDS, scenarios: SCENARIOS };
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let value = args.next().with_context(|| format!("`{option}` needs a value"));
        match option.as_str() {
            "--rounds" => {
                let rounds = value?.parse::<usize>().context("--rounds needs a number")?;
                ensure!((1..=ROUNDS_MAX).contains(&rounds), "--rounds is from 1 to {ROUNDS_MAX}");
                options.rounds = rounds;
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
        let rows: [(&[&str], Chosen); 8] = [
            (&[],                              Some((ROUNDS, SCENARIOS.len()))),
            (&["--rounds", "3"],               Some((3, SCENARIOS.len()))),
            (&["--only", "warm"],              Some((ROUNDS, 1))),
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
