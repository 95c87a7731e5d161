//! One frame: the figures of a server as text.
//!
//! # Promises
//!
//! 1. A frame depends on its arguments alone.
//! 2. No line is wider and no frame higher than it may be. What does not fit is left out, the least
//!    important first.
//! 3. Whatever a server says, a frame has no control characters but the ends of its lines.

use std::collections::HashMap;
use std::time::Duration;

use super::status::{Function, Status};
use crate::timeline::Bars;

/// How large a frame may be, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// What is shown.
pub(super) struct View<'a> {
    pub(super) status: &'a Status,
    /// What was seen before it: rates are what has come since.
    pub(super) before: Option<&'a Status>,
    /// What somebody should know beside it.
    pub(super) notice: Option<&'a str>,
    pub(super) bars: Bars,
}

/// A long name is cut, so that there is room for its figures.
const NAME_WIDTH_MAX: usize = 40;
/// How wide the bars above the table are where there is room, and how wide the others.
const BAR_WIDTH: u64 = 20;
const NARROW_BAR_WIDTH: u64 = 10;
const NARROW_COLUMNS: usize = 80;

/// Draws a frame. Its lines are separated, and the last does not end, by a newline.
pub(super) fn render(view: &View<'_>, size: Size) -> String {
    let since = Since::between(view.before, view.status);
    let mut lines = summary(view, &since, size);
    let rows = rows(view, &since);
    if rows.is_empty() {
        lines.push("There are no functions yet; `hearth deploy DIR` makes one.".to_owned());
    }
    // One line is for the titles, and one for the number of those that are left out.
    let room = size.rows.saturating_sub(lines.len() + 1);
    let shown = if rows.len() > room { room.saturating_sub(1) } else { rows.len() };
    lines.extend(table(&rows[..shown], size.columns));
    if shown < rows.len() {
        lines.push(format!("and {} more", rows.len() - shown));
    }
    lines.truncate(size.rows);
    let lines: Vec<String> = lines.iter().map(|line| cut(line, size.columns)).collect();
    lines.join("\n")
}

/// What has come since the status before.
struct Since<'a> {
    seconds: f64,
    /// The number of invocations then, by name and version.
    invocations: HashMap<(&'a str, &'a str), u64>,
}

impl<'a> Since<'a> {
    fn between(before: Option<&'a Status>, now: &Status) -> Since<'a> {
        // A server that was started again counts from zero; then there is nothing to compare with.
        let before = before.filter(|before| before.uptime_seconds < now.uptime_seconds);
        let functions = before.map(|before| before.functions.as_slice()).unwrap_or_default();
        Since {
            seconds: before.map_or(0.0, |before| now.uptime_seconds - before.uptime_seconds),
            invocations: functions
                .iter()
                .map(|of| ((of.name.as_str(), of.version.as_str()), of.invocations))
                .collect(),
        }
    }

    /// How many invocations have come of this function, if there is something to compare with.
    fn calls(&self, function: &Function) -> Option<u64> {
        if self.seconds <= 0.0 {
            return None;
        }
        let key = (function.name.as_str(), function.version.as_str());
        let before = self.invocations.get(&key).copied().unwrap_or_default();
        Some(function.invocations.saturating_sub(before))
    }

    fn per_second(&self, calls: u64) -> f64 {
        // It is shown with one digit, so what the conversion loses does not matter.
        calls as f64 / self.seconds
    }
}

/// The lines above the table.
fn summary(view: &View<'_>, since: &Since<'_>, size: Size) -> Vec<String> {
    let Status { time, version, uptime_seconds, account, host, functions } = view.status;
    let width = if size.columns < NARROW_COLUMNS { NARROW_BAR_WIDTH } else { BAR_WIDTH };
    let line = |name: &str, used: u64, most: u64, text: &str| {
        let bar = bar(Share { used, most }, width, view.bars);
        format!("{name:<13} {bar} {used} of {most}{text}")
    };
    let calls: Option<u64> = functions.iter().map(|function| since.calls(function)).sum();
    let rate = match calls.filter(|_| since.seconds > 0.0) {
        Some(calls) => {
            format!("{:.1} of {}", since.per_second(calls), account.requests_per_second_max)
        }
        None => format!("at most {}", account.requests_per_second_max),
    };
    let unreserved = account.unreserved_max;
    let (starting, starts, waiting) = (host.starting, host.starts_max, host.waiting);
    let up = span(*uptime_seconds);
    let count = functions.len();
    vec![
        format!("hearth {version}   up {up}   {count} functions   {time}"),
        line(
            "concurrency",
            account.concurrency,
            account.concurrency_max,
            &format!(", {unreserved} unreserved; calls per second: {rate}"),
        ),
        line(
            "environments",
            host.environments,
            host.environments_max,
            &format!("; starting {starting} of {starts}; waiting {waiting}"),
        ),
        line("memory", host.memory_mb_committed, host.memory_mb_max, " MB"),
        view.notice.unwrap_or_default().to_owned(),
    ]
}

/// What a line of the table is made from.
struct Row<'a> {
    function: &'a Function,
    /// How many invocations have come, and how many that is each second.
    calls: Option<(u64, f64)>,
    /// How many invocations of it may run.
    most: u64,
    bars: Bars,
}

impl Row<'_> {
    /// The more of it, the more active: what is there now, what has come lately, what ever came.
    fn activity(&self) -> [u64; 3] {
        let Function { running, waiting, invocations, .. } = self.function;
        [running + waiting, self.calls.map_or(0, |(calls, _)| calls), *invocations]
    }
}

/// The rows of the table, the most active functions first.
fn rows<'a>(view: &View<'a>, since: &Since<'_>) -> Vec<Row<'a>> {
    let account = &view.status.account;
    let row = |function: &'a Function| Row {
        function,
        calls: since.calls(function).map(|calls| (calls, since.per_second(calls))),
        most: function.reserved.unwrap_or(account.unreserved_max),
        bars: view.bars,
    };
    let mut rows: Vec<Row<'_>> = view.status.functions.iter().map(row).collect();
    rows.sort_by(|one, other| {
        let names = one.function.name.cmp(&other.function.name);
        let versions = one.function.version.cmp(&other.function.version);
        other.activity().cmp(&one.activity()).then(names).then(versions)
    });
    rows
}

/// To which side of its column a cell stands.
#[derive(Debug, Clone, Copy)]
enum Side {
    Left,
    Right,
}

struct Column {
    title: &'static str,
    side: Side,
    /// Columns with a higher one are left out first.
    rank: u8,
    cell: fn(&Row<'_>) -> String,
}

const RANK_MAX: u8 = 7;

#[rustfmt::skip]
const COLUMNS: &[Column] = &[
    Column { title: "FUNCTION",  side: Side::Left,  rank: 0, cell: |row| cut(&row.function.name, NAME_WIDTH_MAX) },
    Column { title: "VERSION",   side: Side::Left,  rank: 5, cell: |row| row.function.version.clone() },
    Column { title: "LOAD",      side: Side::Left,  rank: 2, cell: load },
    Column { title: "WAIT",      side: Side::Right, rank: 1, cell: |row| row.function.waiting.to_string() },
    Column { title: "BUSY",      side: Side::Right, rank: 3, cell: |row| row.function.environments.busy.to_string() },
    Column { title: "IDLE",      side: Side::Right, rank: 1, cell: |row| row.function.environments.idle.to_string() },
    Column { title: "STARTING",  side: Side::Right, rank: 4, cell: |row| row.function.environments.starting.to_string() },
    Column { title: "RETIRING",  side: Side::Right, rank: 6, cell: |row| row.function.environments.retiring.to_string() },
    Column { title: "CALLS",     side: Side::Right, rank: 3, cell: |row| row.function.invocations.to_string() },
    Column { title: "PER S",     side: Side::Right, rank: 2, cell: |row| or_dash(row.calls.map(|(_, rate)| rate)) },
    Column { title: "COLD",      side: Side::Right, rank: 1, cell: cold },
    Column { title: "ERRORS",    side: Side::Right, rank: 3, cell: |row| row.function.errors.to_string() },
    Column { title: "THROTTLED", side: Side::Right, rank: 4, cell: |row| row.function.throttles.to_string() },
    Column { title: "P50",       side: Side::Right, rank: 1, cell: |row| or_dash(row.function.p50_ms) },
    Column { title: "P99",       side: Side::Right, rank: 0, cell: |row| or_dash(row.function.p99_ms) },
    Column { title: "ENVIRONMENT", side: Side::Left,  rank: RANK_MAX, cell: kept },
];

/// What runs of what may run.
fn load(row: &Row<'_>) -> String {
    let share = Share { used: row.function.running, most: row.most };
    format!("{} {}/{}", bar(share, NARROW_BAR_WIDTH, row.bars), share.used, share.most)
}

/// The share of invocations that an environment was started for.
fn cold(row: &Row<'_>) -> String {
    let Function { cold_starts, invocations, .. } = row.function;
    if *invocations == 0 {
        return "-".to_owned();
    }
    format!("{:.1}%", 100.0 * *cold_starts as f64 / *invocations as f64)
}

/// How large an environment is, how long it is kept, and how many are there whatever happens.
fn kept(row: &Row<'_>) -> String {
    let Function { memory_mb, keep_seconds, provisioned, .. } = row.function;
    let mut text = format!("{memory_mb} MB");
    if let Some(seconds) = keep_seconds {
        text.push_str(&format!(", kept {}", span(*seconds)));
    }
    if *provisioned > 0 {
        text.push_str(&format!(", {provisioned} provisioned"));
    }
    text
}

fn or_dash(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.1}"))
}

/// Titles and rows, with as many columns as there is room for.
fn table(rows: &[Row<'_>], columns: usize) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for rank in (0..=RANK_MAX).rev() {
        let chosen: Vec<&Column> = COLUMNS.iter().filter(|column| column.rank <= rank).collect();
        lines = laid_out(&chosen, rows);
        if lines.iter().all(|line| line.chars().count() <= columns) {
            break;
        }
    }
    lines
}

fn laid_out(columns: &[&Column], rows: &[Row<'_>]) -> Vec<String> {
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_owned()).collect();
    let mut cells = vec![titles];
    cells.extend(rows.iter().map(|row| {
        columns.iter().map(|column| printable(&(column.cell)(row))).collect::<Vec<String>>()
    }));
    let width = |at: usize| {
        cells.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns.len()).map(|at| width(at).unwrap_or(0)).collect();
    let line = |cells: &Vec<String>| {
        let placed = cells.iter().zip(&widths).zip(columns).map(|((cell, &width), column)| {
            match column.side {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            }
        });
        placed.collect::<Vec<String>>().join("  ").trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

/// A part of something. Nothing is known of the whole if it is zero.
#[derive(Debug, Clone, Copy)]
struct Share {
    used: u64,
    most: u64,
}

/// What is used at all is at least one sign long, and what is not full is not shown as full.
fn bar(share: Share, width: u64, bars: Bars) -> String {
    let Share { used, most } = share;
    let long = used.saturating_mul(width).checked_div(most).unwrap_or(0);
    let least = u64::from(used > 0 && most > 0);
    let filled = long.clamp(least, width);
    let (full, empty) = match bars {
        Bars::Blocks => ("█", "░"),
        Bars::Ascii => ("#", "."),
    };
    let signs = (0..width).map(|at| if at < filled { full } else { empty });
    format!("[{}]", signs.collect::<String>())
}

/// A time as people say it.
fn span(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m {:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

/// The text with at most so many characters, and none that a terminal would obey.
fn cut(text: &str, width: usize) -> String {
    let text = printable(text);
    if text.chars().count() <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    if width == 0 { kept } else { format!("{kept}…") }
}

fn printable(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() { '?' } else { sign }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a server answers; what is not known here is ignored.
    const NOW: &str = r#"{
        "time": "2026-01-02T03:04:05Z", "version": "0.1.0", "uptimeSeconds": 3661.5, "new": [1],
        "account": {"concurrency": 3, "concurrencyMax": 1000, "unreservedMax": 900,
                    "requestsPerSecondMax": 10000},
        "host": {"memoryMbMax": 20000, "memoryMbCommitted": 10000, "environments": 7,
                 "environmentsMax": 10000, "starting": 1, "startsMax": 8, "waiting": 2},
        "functions": [
            {"name": "resize", "version": "7", "environments": {"starting": 1}, "reserved": 10,
             "provisioned": 1, "throttles": 2, "memoryMb": 1769, "p50Ms": null},
            {"name": "hello", "version": "$LATEST",
             "environments": {"starting": 0, "idle": 2, "busy": 1, "retiring": 0},
             "waiting": 0, "running": 1, "reserved": null, "provisioned": 0,
             "invocations": 1250, "coldStarts": 5, "throttles": 0, "errors": 1,
             "p50Ms": 1.2, "p99Ms": 9.8, "memoryMb": 128, "keepSeconds": 600}
        ]
    }"#;
    const WHOLE: Size = Size { columns: 160, rows: usize::MAX };

    fn status() -> Status {
        serde_json::from_str(NOW).unwrap()
    }

    /// The same server two seconds and forty calls before.
    fn earlier() -> Status {
        let mut status = status();
        status.uptime_seconds -= 2.0;
        status.functions[1].invocations -= 40;
        status
    }

    fn frame(status: &Status, before: Option<&Status>, size: Size) -> String {
        render(&View { status, before, notice: None, bars: Bars::Ascii }, size)
    }

    #[test]
    fn a_frame_shows_the_server_and_its_functions() {
        let found = frame(&status(), Some(&earlier()), WHOLE);
        #[rustfmt::skip]
        let expected = [
            "hearth 0.1.0   up 1h 01m   2 functions   2026-01-02T03:04:05Z",
            "concurrency   [#...................] 3 of 1000, 900 unreserved; calls per second: 20.0 of 10000",
            "environments  [#...................] 7 of 10000; starting 1 of 8; waiting 2",
            "memory        [##########..........] 10000 of 20000 MB",
            "",
            "FUNCTION  VERSION  LOAD                WAIT  BUSY  IDLE  STARTING  RETIRING  CALLS  PER S  COLD  ERRORS  THROTTLED  P50  P99  ENVIRONMENT",
            "hello     $LATEST  [#.........] 1/900     0     1     2         0         0   1250   20.0  0.4%       1          0  1.2  9.8  128 MB, kept 10m 00s",
            "resize    7        [..........] 0/10      0     0     0         1         0      0    0.0     -       0          2    -    -  1769 MB, 1 provisioned",
        ];
        assert_eq!(found, expected.join("\n"));
    }

    #[test]
    fn a_narrow_terminal_shows_what_matters_most() {
        let found = frame(&status(), None, Size { columns: 60, rows: 24 });
        #[rustfmt::skip]
        let expected = [
            "hearth 0.1.0   up 1h 01m   2 functions   2026-01-02T03:04:0…",
            "concurrency   [#.........] 3 of 1000, 900 unreserved; calls…",
            "environments  [#.........] 7 of 10000; starting 1 of 8; wai…",
            "memory        [#####.....] 10000 of 20000 MB",
            "",
            "FUNCTION  WAIT  IDLE  COLD  P50  P99",
            "hello        0     2  0.4%  1.2  9.8",
            "resize       0     0     -    -    -",
        ];
        assert_eq!(found, expected.join("\n"));
    }

    #[test]
    fn no_frame_is_larger_than_it_may_be_and_what_is_left_out_is_counted() {
        let mut status = status();
        let hello = status.functions[1].clone();
        for number in 0..30 {
            let name = format!("function-{number}-{}", "x".repeat(number));
            status.functions.push(Function { name, ..hello.clone() });
        }
        for size in [(0, 0), (1, 1), (10, 3), (40, 7), (79, 10), (80, 24), (200, 30)] {
            let size = Size { columns: size.0, rows: size.1 };
            let found = frame(&status, None, size);
            assert!(found.split('\n').count() <= size.rows.max(1), "{size:?}:\n{found}");
            let fits = found.split('\n').all(|line| line.chars().count() <= size.columns);
            assert!(fits, "{size:?}:\n{found}");
        }
        let found = frame(&status, None, Size { columns: 80, rows: 24 });
        assert!(found.ends_with("\nand 15 more"), "{found}");
    }

    #[test]
    fn rates_begin_anew_when_the_server_does() {
        let (before, mut status) = (status(), status());
        status.uptime_seconds = 1.0;
        status.functions[1].invocations = 3;
        let found = frame(&status, Some(&before), WHOLE);
        assert!(found.contains("calls per second: at most 10000"), "{found}");
    }

    #[test]
    fn nothing_that_a_server_says_controls_the_terminal() {
        let mut status = status();
        status.version = "\x1b[2J".to_owned();
        status.functions[0].name = "a\nb\x07".to_owned();
        let view = View { status: &status, before: None, notice: Some("no\r"), bars: Bars::Blocks };
        let found = render(&view, WHOLE);
        assert!(found.starts_with("hearth ?[2J "), "{found}");
        assert!(found.contains("a?b?") && found.contains("\nno?\n"), "{found}");
        assert!(!found.chars().any(|sign| sign.is_control() && sign != '\n'), "{found}");
    }

    #[test]
    fn a_server_without_functions_and_limits_is_shown_as_well() {
        let found = frame(&Status::default(), None, WHOLE);
        assert!(found.contains("concurrency   [....................] 0 of 0"), "{found}");
        assert!(found.ends_with("There are no functions yet; `hearth deploy DIR` makes one."));
    }

    #[test]
    fn bars_are_never_longer_than_the_truth_but_for_the_first_sign() {
        #[rustfmt::skip]
        let rows = [
            (0,   10, "[..........]"),
            (1, 1000, "[#.........]"),
            (5,   10, "[#####.....]"),
            (9,   10, "[#########.]"),
            (10,  10, "[##########]"),
            (99,  10, "[##########]"),
            (1,    0, "[..........]"),
        ];
        for (used, most, expected) in rows {
            assert_eq!(bar(Share { used, most }, 10, Bars::Ascii), expected, "{used} of {most}");
        }
    }

    #[test]
    fn spans() {
        #[rustfmt::skip]
        let rows = [
            (-1.0,      "0s"),
            (59.9,      "59s"),
            (600.0,     "10m 00s"),
            (3_661.0,   "1h 01m"),
            (180_000.0, "2d 02h"),
        ];
        for (seconds, expected) in rows {
            assert_eq!(span(seconds), expected);
        }
    }
}
