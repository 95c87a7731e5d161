//! Tumbling windows: which record belongs to which, and what the function is told and returns. Pure.
//!
//! ```text
//!  begin ──▶ run … run ──▶ last run ──▶ (closed)
//!              ▲  │ the state is too large
//!              │  ▼
//!              last run, early      the same window goes on, from an empty state
//! ```
//!
//! # Promises
//!
//! 1. Windows follow each other and do not overlap; each is finished once.
//! 2. A record is in the window of the time at which it came, or, if that is closed, in a later one.
//!
//! # Deliberately absent
//!
//! AWS: a state is not handed on from a shard to those that it was split into.

use hearth_types::limits;
use hearth_types::time::Timestamp;
use serde_json::Value;

use crate::checkpoint::OpenWindow;

const EMPTY: &str = "{}";
/// How large a state may be with which the function is to finish a window early: as large as an event
/// without records.
const STATE_BYTES_MAX: usize = limits::PAYLOAD_SYNC_BYTES_MAX - 4 * 1024;

/// What the function is told about the window that a batch belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRun {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// What the function has returned last: a JSON object.
    pub state: String,
    /// Which run of the window it is.
    pub turn: Turn,
}

/// Which run of a window it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Others follow.
    More,
    /// The last one.
    Last,
    /// The last one before the window goes on from an empty state, because its state was too large.
    Early,
}

/// The window that a time belongs to.
pub(super) fn begin(at: Timestamp, millis: u64) -> OpenWindow {
    let start = Timestamp(at.0 - at.0 % millis.max(1));
    let end = start.plus_millis(millis);
    OpenWindow { start, end, state: EMPTY.to_owned(), is_overgrown: false }
}

/// Whether it is to be finished: the next record came later, or none can come any more, or none is
/// waited for any longer. `is_at_tip`: there is nothing that was not read; `is_last`: and never will.
pub(super) fn is_over(
    window: &OpenWindow,
    next: Option<Timestamp>,
    ((is_at_tip, is_last), now): ((bool, bool), Timestamp),
) -> bool {
    window.is_overgrown
        || is_last
        || next.map_or_else(|| is_at_tip && now >= due(window), |next| next >= window.end)
}

/// When it is finished if nothing comes.
pub(super) fn due(window: &OpenWindow) -> Timestamp {
    window.end.plus_millis(limits::WINDOW_GRACE_MILLIS)
}

/// A run with records.
pub(super) fn run(window: &OpenWindow) -> WindowRun {
    let OpenWindow { start, end, state, .. } = window.clone();
    WindowRun { start, end, state, turn: Turn::More }
}

/// The last run, without records.
pub(super) fn last_run(window: &OpenWindow) -> WindowRun {
    let turn = if window.is_overgrown { Turn::Early } else { Turn::Last };
    WindowRun { turn, ..run(window) }
}

/// Takes what a function has returned.
pub(super) fn take_state(window: &mut OpenWindow, answer: &[u8]) -> Result<(), &'static str> {
    let mut answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    match answer.get_mut("state").map(Value::take) {
        Some(state @ Value::Object(_)) => {
            let state = state.to_string();
            // It could not be handed to the function once more.
            if state.len() > STATE_BYTES_MAX {
                return Err("the answer's `state` is larger than an event may be");
            }
            window.state = state;
            window.is_overgrown = window.state.len() > limits::WINDOW_STATE_BYTES_MAX;
            Ok(())
        }
        Some(_) => Err("the answer's `state` is no object"),
        None => Err("the answer has no `state`"),
    }
}

/// Begins the same window from an empty state.
pub(super) fn clear(window: &mut OpenWindow) {
    window.state = EMPTY.to_owned();
    window.is_overgrown = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_counted_from_1970() {
        let window = begin(Timestamp(1_607_497_475_000), 120_000);
        assert_eq!(
            (window.start, window.end),
            (Timestamp(1_607_497_440_000), Timestamp(1_607_497_560_000))
        );
        assert_eq!(begin(window.end, 120_000).start, window.end);
    }

    #[test]
    fn when_a_window_is_finished() {
        let window = begin(Timestamp(10_000), 10_000);
        let over = |next: Option<u64>, seen, now| {
            is_over(&window, next.map(Timestamp), (seen, Timestamp(now)))
        };
        #[rustfmt::skip]
        let rows = [
            ("nothing waits, in time",       over(None,         (true, false),  21_999), false),
            ("nothing waits, and never did", over(None,         (true, false),  22_000), true),
            ("what waits is not known",      over(None,         (false, false), 99_000), false),
            ("the shard has ended",          over(None,         (false, true),  10_000), true),
            ("the next one belongs to it",   over(Some(19_999), (true, false),  99_000), false),
            ("the next one is late",         over(Some(5),      (true, false),  99_000), false),
            ("the next one is of the next",  over(Some(20_000), (true, false),  10_000), true),
        ];
        for (name, is_over, expected) in rows {
            assert_eq!(is_over, expected, "{name}");
        }
    }

    #[test]
    fn what_a_function_may_return() {
        #[rustfmt::skip]
        let rows = [
            (r#"{"state": {"1": 282}}"#,                         Some(r#"{"1":282}"#)),
            (r#"{"state": {}, "batchItemFailures": []}"#,        Some("{}")),
            (r#"{"state": null}"#,                               None),
            (r#"{"state": 5}"#,                                  None),
            (r#"{}"#,                                            None),
            ("null",                                             None),
            ("",                                                 None),
        ];
        for (answer, expected) in rows {
            let mut window = begin(Timestamp(0), 1_000);
            window.state = "{\"before\":1}".to_owned();
            let taken = take_state(&mut window, answer.as_bytes());
            assert_eq!(taken.is_ok(), expected.is_some(), "{answer}");
            assert_eq!(window.state, expected.unwrap_or("{\"before\":1}"), "{answer}");
        }
    }

    #[test]
    fn a_state_that_is_too_large_ends_the_window_early_and_it_goes_on_from_nothing() {
        let mut window = begin(Timestamp(0), 1_000);
        let large = "x".repeat(limits::WINDOW_STATE_BYTES_MAX);
        let answer = format!("{{\"state\":{{\"a\":\"{large}\"}}}}");
        take_state(&mut window, answer.as_bytes()).unwrap();
        assert!(is_over(&window, Some(Timestamp(5)), ((false, false), Timestamp(5))));
        assert_eq!(last_run(&window).turn, Turn::Early);
        clear(&mut window);
        assert_eq!(run(&window).state, "{}");
        assert_eq!(last_run(&window).turn, Turn::Last);
    }
}
