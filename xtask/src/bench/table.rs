//! The table that goes into `PROMISES.md`.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::stats::{Summary, times};

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    what: String,
    hearth: String,
    /// The emulator, or whatever else Hearth is compared with.
    beside: String,
    promise: Option<Promise>,
}

/// A number that we promise to stay below, or above.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) value: f64,
    pub(crate) at_most: f64,
    pub(crate) unit: &'static str,
}

impl Promise {
    /// A ratio of Hearth to what stands beside it.
    pub(crate) fn ratio(value: f64, at_most: f64) -> Self {
        Self { value, at_most, unit: "×" }
    }

    fn is_held(self) -> bool {
        self.value <= self.at_most
    }
}

impl Row {
    /// A figure of which nothing is promised.
    pub(crate) fn reported(what: &str, hearth: String, beside: &str) -> Self {
        Self { what: what.to_owned(), hearth, beside: beside.to_owned(), promise: None }
    }

    /// A figure that we promise.
    pub(crate) fn promised(what: &str, hearth: String, beside: &str, promise: Promise) -> Self {
        Self { promise: Some(promise), ..Self::reported(what, hearth, beside) }
    }

    /// A p50 that we promise, beside that of a peer.
    pub(crate) fn beside(what: &str, ours: &Summary, theirs: &Summary, at_most: f64) -> Self {
        let promise = Promise::ratio(times(ours.p50, theirs.p50), at_most);
        Self::promised(what, ms(ours.p50), &ms(theirs.p50), promise)
    }

    /// A p99 that we promise to stay near its own p50.
    pub(crate) fn steady(what: &str, ours: &Summary, beside: &str, at_most: f64) -> Self {
        let promise = Promise::ratio(times(ours.p99, ours.p50), at_most);
        Self::promised(
            &format!("{what} (wanted: beside its own p50)"),
            ms(ours.p99),
            beside,
            promise,
        )
    }

    /// A duration that we promise to stay below.
    pub(crate) fn within(what: &str, took: Duration, beside: &str, at_most_ms: f64) -> Self {
        let value = took.as_secs_f64() * 1000.0;
        Self::promised(what, ms(took), beside, Promise { value, at_most: at_most_ms, unit: "ms" })
    }

    /// A rate, as a promise to take no longer than its inverse.
    pub(crate) fn at_least(what: &str, rate: f64, wanted: f64) -> Self {
        let promise =
            Promise { value: wanted / rate, at_most: 1.0, unit: "× of the time allowed" };
        Self::promised(what, per_second(rate), &format!("wanted: {}", per_second(wanted)), promise)
    }

    /// A count of errors of which we promise none.
    pub(crate) fn no_errors(what: &str, errors: usize, beside: &str) -> Self {
        let value = f64::from(u32::try_from(errors).unwrap_or(u32::MAX));
        let promise = Promise { value, at_most: 0.0, unit: "errors" };
        Self::promised(what, errors.to_string(), beside, promise)
    }

    /// Something that could not be measured here, and why.
    pub(crate) fn unmeasured(what: &str, why: &anyhow::Error) -> Self {
        let why = format!("{why:#}").replace('|', "/");
        let why = why.lines().next().unwrap_or_default();
        Self::reported(what, "–".to_owned(), &format!("not measured here: {why}"))
    }

    pub(crate) fn is_missed(&self) -> bool {
        self.promise.is_some_and(|promise| !promise.is_held())
    }
}

/// What a reader must know to repeat the measurement.
#[derive(Debug)]
pub(crate) struct Circumstances {
    machine: String,
    commit: String,
    rounds: usize,
}

impl Circumstances {
    pub(crate) fn here(rounds: usize) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let machine = format!("{processors} × {}, Linux {}", processor(), kernel.trim());
        let git = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
        let commit = git.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Self { machine, commit: commit.unwrap_or_default(), rounds }
    }
}

/// What the kernel calls the processor.
fn processor() -> String {
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = described.lines().find_map(|line| line.strip_prefix("model name"));
    name.map_or("processor", |name| name.trim_start_matches([' ', '\t', ':'])).to_owned()
}

pub(crate) fn render(rows: &[Row], circumstances: &Circumstances) -> String {
    let Circumstances { machine, commit, rounds } = circumstances;
    let mut text = format!(
        "Measured at {commit} on {machine}; medians of {rounds} rounds. To repeat it: \
         `cargo xtask bench`.\n\n\
         | what | Hearth | beside it | wanted | measured | held |\n|---|---|---|---|---|---|\n"
    );
    for Row { what, hearth, beside, promise } in rows {
        let (wanted, measured, held) = match promise {
            Some(promise) => (
                format!("≤ {}", figure(promise.at_most, promise.unit)),
                figure(promise.value, promise.unit),
                if promise.is_held() { "yes" } else { "**no**" },
            ),
            None => ("–".to_owned(), "–".to_owned(), "–"),
        };
        writeln!(text, "| {what} | {hearth} | {beside} | {wanted} | {measured} | {held} |")
            .expect("a String takes everything");
    }
    text
}

fn figure(value: f64, unit: &str) -> String {
    let places = if unit == "×" { 2 } else { usize::from(value.fract() != 0.0) };
    format!("{value:.places$} {unit}")
}

/// A duration as people read it.
pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// The p50 and the p99 as people read them.
pub(crate) fn both(summary: &Summary) -> String {
    format!("{}, {}", ms(summary.p50), ms(summary.p99))
}

/// A rate as people read it.
pub(crate) fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

#[cfg(test)]
mod tests {
    use super::{Circumstances, Promise, Row, render};

    #[test]
    fn what_could_not_be_measured_says_why_on_one_line() {
        let why = anyhow::anyhow!("it ended | badly:\nmuch more");
        let here =
            Circumstances { machine: "1 × cpu".to_owned(), commit: "abc".to_owned(), rounds: 5 };
        let text = render(&[Row::unmeasured("peer", &why)], &here);
        let wanted = "| peer | – | not measured here: it ended / badly: | – | – | – |\n";
        assert!(text.ends_with(wanted), "{text}");
    }

    #[test]
    fn a_promise_that_is_not_held_is_seen() {
        let rows = [
            Row::reported("speed", "1/s".to_owned(), "2/s"),
            Row::promised("p50", "1 ms".to_owned(), "2 ms", Promise::ratio(0.5, 1.0)),
            Row::promised("p99", "3 ms".to_owned(), "2 ms", Promise::ratio(1.5, 1.0)),
        ];
        let here =
            Circumstances { machine: "1 × cpu".to_owned(), commit: "abc".to_owned(), rounds: 5 };
        let text = render(&rows, &here);
        assert!(text.contains("| speed | 1/s | 2/s | – | – | – |"), "{text}");
        assert!(text.contains("| p50 | 1 ms | 2 ms | ≤ 1.00 × | 0.50 × | yes |"), "{text}");
        assert!(text.contains("| p99 | 3 ms | 2 ms | ≤ 1.00 × | 1.50 × | **no** |"), "{text}");
        assert_eq!(rows.iter().filter(|row| row.is_missed()).count(), 1);
    }
}
