//! What happens to an event: run it, try it again, or give it up. Pure.
//!
//! ```text
//!            before                     after
//!  leased ──────────▶ run ──────────────────────────▶ done
//!            │                  │ failed: 1 min, 2 min ──▶ again, or RetriesExhausted
//!            │                  │ not run: 1 s … 5 min ──▶ again, or EventAgeExceeded
//!            ▼                  ▼
//!   EventAgeExceeded, ZeroReservedConcurrency
//! ```
//!
//! # Promises
//!
//! 1. What could not be run uses up no retry; only its age ends that.
//! 2. An event is given up for exactly one condition.
//!
//! # Deliberately absent
//!
//! No clock: the time and the age are arguments.

use std::fmt;

use hearth_invoke::asynchronous::{Cause, EventHead};
use hearth_types::limits;
use hearth_types::time::Timestamp;

/// How long events wait between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    /// After the first error of the function, and after later ones.
    pub retry_ms: [u64; 2],
    /// After the first time that it could not be run; doubled each time.
    pub backoff_ms_min: u64,
    /// The longest of these.
    pub backoff_ms_max: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            retry_ms: [limits::EVENT_RETRY_MS_FIRST, limits::EVENT_RETRY_MS_SECOND],
            backoff_ms_min: limits::EVENT_BACKOFF_MS_MIN,
            backoff_ms_max: limits::EVENT_BACKOFF_MS_MAX,
        }
    }
}

impl Delays {
    /// How long to wait after so many failures in a row.
    #[must_use]
    pub fn backoff_ms(&self, failures: u32) -> u64 {
        let doubled =
            self.backoff_ms_min.saturating_mul(1_u64 << failures.saturating_sub(1).min(32));
        doubled.min(self.backoff_ms_max)
    }

    fn retry_ms(&self, failures: u32) -> u64 {
        if failures <= 1 { self.retry_ms[0] } else { self.retry_ms[1] }
    }
}

/// What is configured for the function, the version or the alias that an event is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// How often it is tried again.
    pub retries: u32,
    /// How old it may get.
    pub age_ms_max: u64,
    /// Whether the function may run at all.
    pub runnable: Runnable,
    /// The ARN that is told of success.
    pub on_success: Option<String>,
    /// The ARN that is told of events that were given up.
    pub on_failure: Option<String>,
    /// The ARN that gets events that were given up.
    pub dead_letter: Option<String>,
}

/// Whether a function may run at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runnable {
    /// It may.
    Yes,
    /// No executions are reserved for it, which means that it is off.
    NoneReserved,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            retries: limits::EVENT_RETRIES_DEFAULT,
            age_ms_max: u64::from(limits::EVENT_AGE_SECONDS_DEFAULT) * 1_000,
            runnable: Runnable::Yes,
            on_success: None,
            on_failure: None,
            dead_letter: None,
        }
    }
}

/// Why nothing more is done with an event, in AWS's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It ran.
    Success,
    /// The function failed each time.
    RetriesExhausted,
    /// It became too old.
    EventAgeExceeded,
    /// The function is off.
    ZeroReservedConcurrency,
    /// The function has invoked itself too often.
    RecursiveInvocation,
}

impl Condition {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
            Self::ZeroReservedConcurrency => "ZeroReservedConcurrency",
            Self::RecursiveInvocation => "RecursiveInvocation",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The function returned.
    Succeeded,
    /// The function ran and failed.
    Failed,
    /// It did not run, or did not finish.
    NotRun(Cause),
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: it is done.
    Done,
    /// It is tried again from then on.
    Again {
        /// The earliest time.
        due: Timestamp,
    },
    /// It is given up, and whoever wants to know is told.
    GiveUp(Condition),
    /// It waits for the next start of the server, or another server.
    PutBack,
    /// There is nobody left whom it could concern.
    Forget,
}

/// What decides, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// What is configured.
    pub rules: &'a Rules,
    /// How long events wait.
    pub delays: &'a Delays,
    /// How old the event is.
    pub age_ms: u64,
    /// The time that the queue goes by.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Whether an event is given up without being run.
    #[must_use]
    pub fn before(&self) -> Option<Condition> {
        if self.rules.runnable == Runnable::NoneReserved {
            return Some(Condition::ZeroReservedConcurrency);
        }
        (self.age_ms > self.rules.age_ms_max).then_some(Condition::EventAgeExceeded)
    }

    /// What happens after an attempt. The head is that from before it.
    #[must_use]
    pub fn after(&self, attempt: Attempt, head: &EventHead) -> Decision {
        let left_ms = self.rules.age_ms_max.saturating_sub(self.age_ms);
        match attempt {
            Attempt::Succeeded => Decision::Done,
            Attempt::Failed if head.attempts >= self.rules.retries => {
                Decision::GiveUp(Condition::RetriesExhausted)
            }
            Attempt::Failed => {
                let wait = self.delays.retry_ms(head.attempts + 1);
                // It would be too old by then, and its answer is at hand now.
                if wait > left_ms {
                    return Decision::GiveUp(Condition::EventAgeExceeded);
                }
                Decision::Again { due: self.now.plus_millis(wait) }
            }
            Attempt::NotRun(Cause::Throttled | Cause::Unavailable) => {
                if left_ms == 0 {
                    return Decision::GiveUp(Condition::EventAgeExceeded);
                }
                // The last time is when it is just not too old.
                let wait = self.delays.backoff_ms(head.setbacks.saturating_add(1)).min(left_ms);
                Decision::Again { due: self.now.plus_millis(wait) }
            }
            Attempt::NotRun(Cause::Recursive) => Decision::GiveUp(Condition::RecursiveInvocation),
            Attempt::NotRun(Cause::Refused) => Decision::GiveUp(Condition::RetriesExhausted),
            Attempt::NotRun(Cause::Closing) => Decision::PutBack,
            Attempt::NotRun(Cause::Gone) => Decision::Forget,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use hearth_invoke::asynchronous::named;
    use hearth_types::ids::RequestId;

    use super::*;

    pub(crate) fn head(attempts: u32, setbacks: u32) -> EventHead {
        let (function, qualifier) =
            named("arn:aws:lambda:us-east-1:000000000000:function:f").unwrap();
        EventHead {
            id: RequestId::random(),
            function,
            qualifier,
            received: Timestamp(0),
            trace: "Root=1".to_owned(),
            attempts,
            setbacks,
            last_error: None,
        }
    }

    #[test]
    fn each_attempt_and_what_follows() {
        use Attempt::{Failed, NotRun, Succeeded};
        use Cause::{Closing, Gone, Recursive, Refused, Throttled, Unavailable};
        use Condition::{EventAgeExceeded, RecursiveInvocation, RetriesExhausted};
        use Decision::{Again, Done, Forget, GiveUp, PutBack};

        let hours = 6 * 3_600_000;
        let again = |ms: u64| Again { due: Timestamp(1_000_000 + ms) };
        #[rustfmt::skip]
        let rows = [
            ("it succeeds",                  (0, 0), 2, 0,             Succeeded,           Done),
            ("it succeeds at last",          (2, 9), 2, hours,         Succeeded,           Done),
            ("it fails",                     (0, 0), 2, 0,             Failed,              again(60_000)),
            ("it fails again",               (1, 0), 2, 60_000,        Failed,              again(120_000)),
            ("it fails the last time",       (2, 0), 2, 180_000,       Failed,              GiveUp(RetriesExhausted)),
            ("it fails, one retry",          (1, 0), 1, 60_000,        Failed,              GiveUp(RetriesExhausted)),
            ("it fails, no retries",         (0, 0), 0, 0,             Failed,              GiveUp(RetriesExhausted)),
            ("it fails when it is old",      (0, 0), 2, hours - 1_000, Failed,              GiveUp(EventAgeExceeded)),
            ("setbacks do not count",        (0, 9), 2, 0,             Failed,              again(60_000)),
            ("it is throttled",              (0, 0), 2, 0,             NotRun(Throttled),   again(1_000)),
            ("it is throttled again",        (0, 1), 2, 1_000,         NotRun(Throttled),   again(2_000)),
            ("it is throttled for long",     (0, 9), 2, 900_000,       NotRun(Throttled),   again(300_000)),
            ("it is throttled for ever",     (0, u32::MAX - 1), 2, 0,  NotRun(Throttled),   again(300_000)),
            ("retries do not matter",        (2, 0), 2, 0,             NotRun(Throttled),   again(1_000)),
            ("it cannot be run",             (0, 2), 2, 0,             NotRun(Unavailable), again(4_000)),
            ("a last time",                  (0, 9), 2, hours - 7,     NotRun(Throttled),   again(7)),
            ("it is too old now",            (0, 9), 2, hours,         NotRun(Throttled),   GiveUp(EventAgeExceeded)),
            ("it is a loop",                 (0, 0), 2, 0,             NotRun(Recursive),   GiveUp(RecursiveInvocation)),
            ("it never was an event",        (0, 0), 2, 0,             NotRun(Refused),     GiveUp(RetriesExhausted)),
            ("the server stops",             (1, 1), 2, 0,             NotRun(Closing),     PutBack),
            ("the function was deleted",     (0, 0), 2, 0,             NotRun(Gone),        Forget),
        ];
        for (name, (attempts, setbacks), retries, age_ms, attempt, expected) in rows {
            let rules = Rules { retries, ..Rules::default() };
            let delays = Delays::default();
            let judge = Judge { rules: &rules, delays: &delays, age_ms, now: Timestamp(1_000_000) };
            assert_eq!(judge.after(attempt, &head(attempts, setbacks)), expected, "{name}");
        }
    }

    #[test]
    fn some_events_are_not_run_at_all() {
        let off = Rules { runnable: Runnable::NoneReserved, ..Rules::default() };
        let short = Rules { age_ms_max: 60_000, ..Rules::default() };
        #[rustfmt::skip]
        let rows = [
            ("a young event",            &short, 60_000,     None),
            ("an old one",               &short, 60_001,     Some(Condition::EventAgeExceeded)),
            ("a function that is off",   &off,   0,          Some(Condition::ZeroReservedConcurrency)),
            ("and an old event",         &off,   60_000_000, Some(Condition::ZeroReservedConcurrency)),
        ];
        for (name, rules, age_ms, expected) in rows {
            let delays = Delays::default();
            let judge = Judge { rules, delays: &delays, age_ms, now: Timestamp(0) };
            assert_eq!(judge.before(), expected, "{name}");
        }
    }
}
