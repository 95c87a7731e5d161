//! The platform's own lines, in AWS's text format.
//!
//! Pure functions: what happened goes in, the line comes out, without the newline that ends it.
//!
//! # Deliberately absent
//!
//! No JSON records (those of [`crate::telemetry::events`] go to extensions only), no X-Ray line, no `SnapStart` durations.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::runtime_api::extensions::Introduction;

/// What one `REPORT` line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// Which invocation.
    pub request_id: &'a str,
    /// How long the function worked on it.
    pub duration: Duration,
    /// What AWS would bill; see [`billed_millis`].
    pub billed: Duration,
    /// The function's memory.
    pub memory_mb: u32,
    /// The most that was in use.
    pub memory_used_mb: u32,
    /// How long the init phase took, on a cold start.
    pub init: Option<Duration>,
    /// How it ended, if not well.
    pub status: Option<ReportStatus<'a>>,
}

/// How an invocation or an init phase failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportStatus<'a> {
    /// It ran out of time.
    Timeout,
    /// It ended in an error.
    Error {
        /// Such as `Runtime.ExitError`.
        error_type: &'a str,
    },
}

impl Display for ReportStatus<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => formatter.write_str("Status: timeout"),
            Self::Error { error_type } => {
                write!(formatter, "Status: error\tError Type: {error_type}")
            }
        }
    }
}

/// When an init phase ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitPhase {
    /// Before the invocation, within the time that AWS gives it.
    Init,
    /// Again, as a part of the invocation.
    Invoke,
}

/// The line before an environment's first.
#[must_use]
pub fn init_start(runtime_version: &str, runtime_version_arn: &str) -> String {
    format!(
        "INIT_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_version_arn}"
    )
}

/// The line before an invocation's own.
#[must_use]
pub fn start(request_id: &str, version: &str) -> String {
    format!("START RequestId: {request_id} Version: {version}")
}

/// The line after an invocation's own.
#[must_use]
pub fn end(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

/// The last line of an invocation. Every field, the last one too, is followed by a tab.
#[must_use]
pub fn report(report: &Report<'_>) -> String {
    let Report { request_id, duration, billed, memory_mb, memory_used_mb, init, status } = report;
    let mut fields = vec![
        format!("REPORT RequestId: {request_id}"),
        format!("Duration: {} ms", millis(*duration)),
        format!("Billed Duration: {} ms", billed.as_millis()),
        format!("Memory Size: {memory_mb} MB"),
        format!("Max Memory Used: {memory_used_mb} MB"),
    ];
    fields.extend(init.map(|init| format!("Init Duration: {} ms", millis(init))));
    fields.extend(status.map(|status| status.to_string()));
    fields.push(String::new());
    fields.join("\t")
}

/// The line of an init phase that failed.
#[must_use]
pub fn init_report(duration: Duration, phase: InitPhase, status: ReportStatus<'_>) -> String {
    let phase = match phase {
        InitPhase::Init => "init",
        InitPhase::Invoke => "invoke",
    };
    format!("INIT_REPORT Init Duration: {} ms\tPhase: {phase}\t{status}", millis(duration))
}

/// The line about one extension, when an init phase is over.
#[must_use]
pub fn extension(introduction: &Introduction) -> String {
    let Introduction { name, state, events, error_type } = introduction;
    let events = events.join(", ");
    let line = format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{events}]");
    match error_type {
        Some(error_type) => format!("{line}\tError Type: {error_type}"),
        None => line,
    }
}

/// What AWS bills: init and duration together, in whole milliseconds, rounded up.
#[must_use]
pub fn billed_millis(duration: Duration, init: Option<Duration>) -> u64 {
    let nanos = duration.saturating_add(init.unwrap_or_default()).as_nanos();
    u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Milliseconds with two digits behind the point.
fn millis(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8f5e0f9d";

    fn hundredths(count: u64) -> Duration {
        Duration::from_micros(count * 10)
    }

    #[test]
    fn each_line_as_aws_prints_it() {
        let warm = Report {
            request_id: ID,
            duration: hundredths(301),
            billed: Duration::from_millis(4),
            memory_mb: 128,
            memory_used_mb: 36,
            init: None,
            status: None,
        };
        let cold = Report { init: Some(hundredths(11_010)), ..warm };
        let slow = Report { status: Some(ReportStatus::Timeout), ..warm };
        let error = ReportStatus::Error { error_type: "Runtime.ExitError" };
        let ready = Introduction {
            name: "outer".to_owned(),
            state: "Ready",
            events: vec!["INVOKE", "SHUTDOWN"],
            error_type: None,
        };
        let failed = Introduction {
            name: "outer".to_owned(),
            state: "LaunchError",
            events: Vec::new(),
            error_type: Some("Extension.LaunchError".to_owned()),
        };
        let broken = Report { status: Some(error), ..cold };
        #[rustfmt::skip]
        let rows: &[(&str, String, &str)] = &[
            ("init start",   init_start("python:3.13.v50", "arn:x"),                                    "INIT_START Runtime Version: python:3.13.v50\tRuntime Version ARN: arn:x"),
            ("start",        start(ID, "$LATEST"),                                                      "START RequestId: 8f5e0f9d Version: $LATEST"),
            ("end",          end(ID),                                                                   "END RequestId: 8f5e0f9d"),
            ("warm",         report(&warm),                                                             "REPORT RequestId: 8f5e0f9d\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"),
            ("cold",         report(&cold),                                                             "REPORT RequestId: 8f5e0f9d\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t"),
            ("timeout",      report(&slow),                                                             "REPORT RequestId: 8f5e0f9d\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout\t"),
            ("error",        report(&broken),                                                           "REPORT RequestId: 8f5e0f9d\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\tStatus: error\tError Type: Runtime.ExitError\t"),
            ("init timeout", init_report(hundredths(1_000_020), InitPhase::Init, ReportStatus::Timeout), "INIT_REPORT Init Duration: 10000.20 ms\tPhase: init\tStatus: timeout"),
            ("extension",    extension(&ready),                                                         "EXTENSION\tName: outer\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"),
            ("not started",  extension(&failed),                                                        "EXTENSION\tName: outer\tState: LaunchError\tEvents: []\tError Type: Extension.LaunchError"),
            ("init error",   init_report(hundredths(5), InitPhase::Invoke, error),                      "INIT_REPORT Init Duration: 0.05 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError"),
        ];
        for (name, line, expected) in rows {
            assert_eq!(line, expected, "{name}");
        }
    }

    #[test]
    fn billing_rounds_the_sum_up() {
        assert_eq!(billed_millis(hundredths(13_361), Some(hundredths(8_000))), 214);
        assert_eq!(billed_millis(hundredths(300), None), 3);
        assert_eq!(billed_millis(hundredths(301), None), 4);
        assert_eq!(billed_millis(Duration::ZERO, None), 0);
    }
}
