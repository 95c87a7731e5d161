//! How an invocation that no function code finished is described to its caller.
//!
//! The bodies are those of the real service, as recorded; the words for signals and errors of the
//! kernel are those of the Go language, in which the service is written.

use hearth_guest::protocol::{Exit, NotLaunched, NotRunning};
use hearth_types::ids::RequestId;
use hearth_types::limits::{EXTENSIONS_MAX, RESPONSE_BYTES_MAX, STREAM_BYTES_MAX};

/// An error of the platform: what the caller gets, and what the report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The type, for the caller.
    pub error_type: &'static str,
    /// The message, for the caller.
    pub message: String,
    /// How the `REPORT` line says it.
    pub reported: Reported,
}

/// How the `REPORT` line says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reported {
    /// `Status: timeout`.
    Timeout,
    /// `Status: error`, with this type.
    Error(&'static str),
}

impl Failure {
    /// The body that the caller gets.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let body = serde_json::json!({
            "errorType": self.error_type,
            "errorMessage": self.message,
        });
        body.to_string().into_bytes()
    }

    /// The function took longer than it may.
    #[must_use]
    pub fn timed_out(id: RequestId, timeout_seconds: u32) -> Self {
        Self {
            error_type: "Sandbox.Timedout",
            message: format!(
                "RequestId: {id} Error: Task timed out after {timeout_seconds}.00 seconds"
            ),
            reported: Reported::Timeout,
        }
    }

    /// The runtime ended. `out_of_memory` says that the kernel ended it for want of memory.
    #[must_use]
    pub fn exited(id: RequestId, exit: Exit, out_of_memory: bool) -> Self {
        let reason = match exit {
            Exit::Status(0) => "Runtime exited without providing a reason".to_owned(),
            Exit::Status(status) => format!("Runtime exited with error: exit status {status}"),
            Exit::Signal(signal) => {
                format!("Runtime exited with error: signal: {}", signal_name(signal))
            }
        };
        let reported = if out_of_memory { "Runtime.OutOfMemory" } else { "Runtime.ExitError" };
        Self {
            error_type: "Runtime.ExitError",
            message: format!("RequestId: {id} Error: {reason}"),
            reported: Reported::Error(reported),
        }
    }

    /// The runtime could not be started.
    #[must_use]
    pub fn not_running(id: RequestId, reason: &NotRunning) -> Self {
        let reason = match reason {
            NotRunning::NoneFound(paths) => {
                format!("Couldn't find valid bootstrap(s): [{}]", paths.join(" "))
            }
            NotRunning::Refused { path, errno } => {
                format!("fork/exec {path}: {}", errno_name(*errno))
            }
        };
        Self {
            error_type: "Runtime.InvalidEntrypoint",
            message: format!("RequestId: {id} Error: {reason}"),
            reported: Reported::Error("Runtime.InvalidEntrypoint"),
        }
    }

    /// The function's answer is larger than an answer may be.
    #[must_use]
    pub fn response_too_large() -> Self {
        Self {
            error_type: "Function.ResponseSizeTooLarge",
            message: format!(
                "Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes)."
            ),
            reported: Reported::Error("Function.ResponseSizeTooLarge"),
        }
    }

    /// The function streams more than an answer may have. What came before was passed on.
    #[must_use]
    pub fn stream_too_large() -> Self {
        Self {
            message: format!(
                "Response payload size exceeded maximum allowed payload size ({STREAM_BYTES_MAX} bytes)."
            ),
            ..Self::response_too_large()
        }
    }

    /// The runtime says of its answer that it comes in a way that does not exist.
    #[must_use]
    pub fn invalid_response_mode(id: RequestId) -> Self {
        Self {
            error_type: "Runtime.InvalidResponseModeHeader",
            message: format!("RequestId: {id} Error: Invalid response mode"),
            reported: Reported::Error("Runtime.InvalidResponseModeHeader"),
        }
    }

    /// The runtime stopped sending in the middle of its answer.
    #[must_use]
    pub fn truncated(id: RequestId) -> Self {
        Self {
            error_type: "Runtime.TruncatedResponse",
            message: format!("RequestId: {id} Error: the response was cut off"),
            reported: Reported::Error("Runtime.TruncatedResponse"),
        }
    }

    /// An extension ended in the middle of it all.
    #[must_use]
    pub fn extension_crashed(id: RequestId, exit: Exit) -> Self {
        let reason = match exit {
            Exit::Status(0) => "exit code 0".to_owned(),
            Exit::Status(status) => format!("exit status {status}"),
            Exit::Signal(signal) => format!("signal: {}", signal_name(signal)),
        };
        Self::extension(id, "Extension.Crash", &reason)
    }

    /// An extension could not be started.
    #[must_use]
    pub fn extension_not_launched(id: RequestId, name: &str, reason: NotLaunched) -> Self {
        let reason = match reason {
            NotLaunched::Refused { errno } => {
                format!("fork/exec /opt/extensions/{name}: {}", errno_name(errno))
            }
            NotLaunched::TooMany => format!("Extension limit ({EXTENSIONS_MAX}) reached"),
        };
        Self::extension(id, "Extension.LaunchError", &reason)
    }

    /// An extension failed, in a way of this type.
    #[must_use]
    pub fn extension(id: RequestId, error_type: &'static str, reason: &str) -> Self {
        Self {
            error_type,
            message: format!("RequestId: {id} Error: {reason}"),
            reported: Reported::Error(error_type),
        }
    }

    /// The walls broke. Not the function's fault.
    #[must_use]
    pub fn walls(id: RequestId) -> Self {
        Self {
            error_type: "Sandbox.Failure",
            message: format!("RequestId: {id} Error: the execution environment was lost"),
            reported: Reported::Error("Sandbox.Failure"),
        }
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        31 => "bad system call",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

/// Whether the kernel refused a program because this host has no processes or memory left, which is
/// nothing that its function can help.
pub(crate) fn is_of_the_host(reason: &NotRunning) -> bool {
    matches!(reason, NotRunning::Refused { errno: 11 | 12, .. })
}

fn errno_name(errno: i32) -> String {
    let name = match errno {
        1 => "operation not permitted",
        2 => "no such file or directory",
        8 => "exec format error",
        11 => "resource temporarily unavailable",
        12 => "cannot allocate memory",
        13 => "permission denied",
        20 => "not a directory",
        26 => "text file busy",
        _ => return format!("errno {errno}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_failure_as_the_service_words_it() {
        let id = RequestId(Uuid::nil());
        let none =
            NotRunning::NoneFound(vec!["/var/task/bootstrap".into(), "/opt/bootstrap".into()]);
        let refused = NotRunning::Refused { path: "/var/task/bootstrap".into(), errno: 13 };
        let denied = NotLaunched::Refused { errno: 13 };
        #[rustfmt::skip]
        let rows = [
            (Failure::extension_crashed(id, Exit::Status(0)),  "Extension.Crash",           "exit code 0"),
            (Failure::extension_crashed(id, Exit::Status(7)),  "Extension.Crash",           "exit status 7"),
            (Failure::extension_crashed(id, Exit::Signal(9)),  "Extension.Crash",           "signal: killed"),
            (Failure::extension_not_launched(id, "e", denied), "Extension.LaunchError",     "fork/exec /opt/extensions/e: permission denied"),
            (Failure::extension_not_launched(id, "e", NotLaunched::TooMany), "Extension.LaunchError", "Extension limit (10) reached"),
            (Failure::timed_out(id, 3),                        "Sandbox.Timedout",          "Task timed out after 3.00 seconds"),
            (Failure::exited(id, Exit::Status(0), false),      "Runtime.ExitError",         "Runtime exited without providing a reason"),
            (Failure::exited(id, Exit::Status(127), false),    "Runtime.ExitError",         "Runtime exited with error: exit status 127"),
            (Failure::exited(id, Exit::Signal(9), true),       "Runtime.ExitError",         "Runtime exited with error: signal: killed"),
            (Failure::exited(id, Exit::Signal(11), false),     "Runtime.ExitError",         "Runtime exited with error: signal: segmentation fault"),
            (Failure::not_running(id, &none),                  "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
            (Failure::not_running(id, &refused),               "Runtime.InvalidEntrypoint", "fork/exec /var/task/bootstrap: permission denied"),
            (Failure::invalid_response_mode(id),               "Runtime.InvalidResponseModeHeader", "Invalid response mode"),
        ];
        for (failure, error_type, message) in rows {
            assert_eq!(failure.error_type, error_type);
            assert_eq!(failure.message, format!("RequestId: {id} Error: {message}"));
        }
        let killed = Failure::exited(id, Exit::Signal(9), true);
        assert_eq!(killed.reported, Reported::Error("Runtime.OutOfMemory"));
        let body: serde_json::Value =
            serde_json::from_slice(&Failure::response_too_large().body()).unwrap();
        assert_eq!(
            body["errorMessage"],
            "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
        );
        let streamed = Failure::stream_too_large();
        assert_eq!(streamed.error_type, "Function.ResponseSizeTooLarge");
        assert!(streamed.message.ends_with("(209715200 bytes)."), "{}", streamed.message);
    }
}
