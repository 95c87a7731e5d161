//! The life-cycle timeline of one invocation: read from its answer, and drawn.
//!
//! The server adds the header [`HEADER`] to an answer when the request carries it with the value
//! [`ASK`]. What a warm invocation does not have (walls, init) is absent.
//!
//! # Deliberately absent
//!
//! No I/O and no terminal: the caller says how the bars are to look.

use anyhow::Context as _;
use serde::Deserialize;

/// The header of the request and of the answer.
pub(crate) const HEADER: &str = "x-hearth-timeline";
/// What the request's header says.
pub(crate) const ASK: &str = "show";

/// How wide the bars of a whole invocation are, in characters.
const BAR_WIDTH: u32 = 40;

/// Where the time of one invocation went.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Timeline {
    /// Waiting for an environment, before anything was started for it.
    queued_ms: f64,
    /// The walls of a new environment.
    walls_ms: Option<f64>,
    /// The init phase of a new environment.
    init_ms: Option<f64>,
    /// The function's own code.
    handler_ms: f64,
    /// From the request's arrival to the answer.
    total_ms: f64,
    billed_ms: u64,
    memory_used_mb: u32,
}

/// What the bars are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bars {
    /// For terminals.
    Blocks,
    /// For files and for programs that know only ASCII.
    Ascii,
}

impl Bars {
    /// What a stream can show, which is a terminal or is none.
    pub(crate) fn on(is_terminal: bool) -> Bars {
        if is_terminal { Bars::Blocks } else { Bars::Ascii }
    }
}

impl Timeline {
    /// Reads the header's value.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Timeline> {
        serde_json::from_str(text).context("could not understand the server's timeline")
    }

    /// Whether an environment was started for the invocation.
    pub(crate) fn is_cold(&self) -> bool {
        self.walls_ms.is_some() || self.init_ms.is_some()
    }

    /// The phases below each other, each bar beginning where the one before it ended.
    pub(crate) fn draw(&self, bars: Bars) -> String {
        let phases = [
            ("queue wait", Some(self.queued_ms)),
            ("walls", self.walls_ms),
            ("init", self.init_ms),
            ("handler", Some(self.handler_ms)),
        ];
        let mut lines = Vec::new();
        let mut begin_ms = 0.0;
        for (name, took_ms) in phases {
            let Some(took_ms) = took_ms else {
                lines.push(format!("  {name:<12}{:>7}", "-"));
                continue;
            };
            let bar = bar(begin_ms, took_ms, self.total_ms, bars);
            lines.push(format!("  {name:<12}{took_ms:>7.1} ms  {bar}"));
            begin_ms += took_ms;
        }
        let bar = bar(0.0, self.total_ms, self.total_ms, bars);
        lines.push(format!("  {:<12}{:>7.1} ms  {bar}", "total", self.total_ms));
        lines.push(format!("  {:<12}{:>7} ms", "billed", self.billed_ms));
        lines.push(format!("  {:<12}{:>7} MB", "memory used", self.memory_used_mb));
        lines.join("\n")
    }
}

/// One bar. What took any time at all is at least one character wide.
fn bar(begin_ms: f64, took_ms: f64, total_ms: f64, bars: Bars) -> String {
    let sign = match bars {
        Bars::Blocks => "█",
        Bars::Ascii => "#",
    };
    let begin = column(begin_ms, total_ms).min(BAR_WIDTH - 1);
    let end = column(begin_ms + took_ms, total_ms).max(begin + 1);
    format!("{}{}", " ".repeat(begin as usize), sign.repeat((end - begin) as usize))
}

/// Where a point in time is on a line of `BAR_WIDTH` characters.
fn column(at_ms: f64, total_ms: f64) -> u32 {
    let share = if total_ms > 0.0 { (at_ms / total_ms).clamp(0.0, 1.0) } else { 0.0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is between 0 and BAR_WIDTH"
    )]
    let column = (share * f64::from(BAR_WIDTH)).round() as u32;
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLD: &str = r#"{"queuedMs":0.0,"wallsMs":10.0,"initMs":20.04,"handlerMs":9.96,
        "totalMs":40.0,"billedMs":30,"memoryUsedMb":38}"#;
    const WARM: &str = r#"{"queuedMs":0.0,"wallsMs":null,"initMs":null,"handlerMs":1.0,
        "totalMs":2.0,"billedMs":1,"memoryUsedMb":38}"#;

    #[test]
    fn a_cold_start_is_drawn_as_a_staircase() {
        let timeline = Timeline::parse(COLD).unwrap();
        assert!(timeline.is_cold());
        let expected = [
            "  queue wait      0.0 ms  #",
            "  walls          10.0 ms  ##########",
            "  init           20.0 ms            ####################",
            "  handler        10.0 ms                                ##########",
            "  total          40.0 ms  ########################################",
            "  billed           30 ms",
            "  memory used      38 MB",
        ];
        assert_eq!(timeline.draw(Bars::Ascii), expected.join("\n"));
    }

    #[test]
    fn a_warm_start_has_no_walls_and_no_init() {
        let timeline = Timeline::parse(WARM).unwrap();
        assert!(!timeline.is_cold());
        let drawn = timeline.draw(Bars::Blocks);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[1], "  walls             -");
        assert_eq!(lines[2], "  init              -");
        assert_eq!(lines[3], format!("  handler         1.0 ms  {}", "█".repeat(20)));
    }

    #[test]
    fn figures_that_make_no_sense_do_not_break_the_drawing() {
        #[rustfmt::skip]
        let rows = [
            ("no time at all",          0.0,      0.0, 0.0),
            ("longer than the whole",   0.0,      9.0, 1.0),
            ("begins behind the end",   5.0,      1.0, 1.0),
            ("before the beginning",   -5.0,      1.0, 1.0),
            ("not a number",            f64::NAN, 1.0, 1.0),
        ];
        for (name, begin_ms, took_ms, total_ms) in rows {
            let width = bar(begin_ms, took_ms, total_ms, Bars::Ascii).chars().count();
            assert!((1..=BAR_WIDTH as usize).contains(&width), "{name}: {width}");
        }
        assert!(Timeline::parse("{}").is_err());
    }
}
