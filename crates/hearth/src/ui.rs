//! The one place that prints.
//!
//! Results go to standard output and everything about the way there to standard error, so that a
//! script can read the one without the other. Marks and colours are for terminals: elsewhere, or
//! when `NO_COLOR` is set, plain words and plain text are printed.
//!
//! # Promises
//!
//! 1. A reader that goes away (`hearth logs NAME | head`) is the error [`ReaderGone`], and never a
//!    panic.
//! 2. What cannot be said on standard error is dropped: there is nobody left to tell.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;

/// Whoever read the result has stopped reading, which ends a command without being its failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReaderGone;

impl fmt::Display for ReaderGone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for ReaderGone {}

/// Prints a line of the result.
pub(crate) fn out(line: &str) -> anyhow::Result<()> {
    out_bytes(line.as_bytes())
}

/// Prints a line of the result that may be any bytes.
pub(crate) fn out_bytes(line: &[u8]) -> anyhow::Result<()> {
    written(line, b"\n")
}

/// Sends text to the terminal that the result is shown on, exactly as it is.
pub(crate) fn control(text: &str) -> anyhow::Result<()> {
    written(text.as_bytes(), b"")
}

fn written(text: &[u8], end: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written =
        stdout.write_all(text).and_then(|()| stdout.write_all(end)).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        other => other.context("could not write to standard output"),
    }
}

/// Prints a line of a server, which goes on when nobody reads it.
pub(crate) fn line(text: &str) {
    if let Err(error) = out(text) {
        tracing::debug!(error = %error, "a line was not printed");
    }
}

/// Says why a command failed.
pub(crate) fn error(text: &str) {
    note(&format!("error: {text}"));
}

/// Says what is being done now.
pub(crate) fn step(text: &str) {
    say(Mark::Step, text);
}

/// Says what has been done.
pub(crate) fn done(text: &str) {
    say(Mark::Done, text);
}

/// Says what somebody should know although it goes on.
pub(crate) fn warn(text: &str) {
    say(Mark::Warning, text);
}

/// Prints a line beside the result.
pub(crate) fn note(text: &str) {
    let mut stderr = io::stderr().lock();
    let written = stderr.write_all(text.as_bytes()).and_then(|()| stderr.write_all(b"\n"));
    // Promise 2.
    drop(written);
}

/// Whether the result is read by a person, who sees boxes and bars as such.
pub(crate) fn out_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// The same for everything about the way there.
pub(crate) fn err_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Lays rows out in columns. No line ends in spaces.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A size as people say it.
pub(crate) fn size(bytes: u64) -> String {
    // It is shown with one digit, so what the conversion loses does not matter.
    let bytes_shown = bytes as f64;
    match bytes {
        0..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{:.1} KB", bytes_shown / 1_024.0),
        _ => format!("{:.1} MB", bytes_shown / 1_048_576.0),
    }
}

#[derive(Debug, Clone, Copy)]
enum Mark {
    Step,
    Done,
    Warning,
}

fn say(mark: Mark, text: &str) {
    note(&marked(mark, text, Look::of_stderr()));
}

/// How much a stream can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Colours,
    Marks,
    Plain,
}

impl Look {
    fn of_stderr() -> Look {
        let colours_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match (io::stderr().is_terminal(), colours_refused) {
            (false, _) => Look::Plain,
            (true, true) => Look::Marks,
            (true, false) => Look::Colours,
        }
    }
}

fn marked(mark: Mark, text: &str, look: Look) -> String {
    let (sign, colour) = match mark {
        Mark::Step => ("…", "2"),
        Mark::Done => ("✓", "32"),
        Mark::Warning => ("!", "33"),
    };
    match (look, mark) {
        (Look::Colours, _) => format!("\x1b[{colour}m{sign}\x1b[0m {text}"),
        (Look::Marks, _) => format!("{sign} {text}"),
        (Look::Plain, Mark::Warning) => format!("warning: {text}"),
        (Look::Plain, Mark::Step | Mark::Done) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb", "c"], ["aaa", "b", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "a    bb  c\naaa  b");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn sizes() {
        #[rustfmt::skip]
        let rows = [
            (0,         "0 bytes"),
            (1_023,     "1023 bytes"),
            (1_536,     "1.5 KB"),
            (1_572_864, "1.5 MB"),
        ];
        for (bytes, expected) in rows {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn marks_are_for_terminals_and_colours_for_those_who_want_them() {
        assert_eq!(marked(Mark::Done, "Built", Look::Colours), "\x1b[32m✓\x1b[0m Built");
        assert_eq!(marked(Mark::Step, "Building", Look::Marks), "… Building");
        assert_eq!(marked(Mark::Done, "Built", Look::Plain), "Built");
        assert_eq!(marked(Mark::Warning, "Old", Look::Plain), "warning: Old");
    }
}
