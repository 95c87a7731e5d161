//! The messages between the server and the agent of one environment.
//!
//! ```text
//!  server                          agent
//!    │ ◀────────── WallsUp ──────────│   with two listening sockets: Runtime API, endpoint
//!    │ ─────────── Run ────────────▶ │
//!    │ ◀── Running / NotRunning ─────│
//!    │ ◀────────── Exited ───────────│   whenever the runtime ends, wanted or not
//!    │ ─────────── Warm ───────────▶ │   instead of Run, before there is a function
//!    │ ◀── Waiting / NotWaiting ─────│
//!    │ ───────── Continue ─────────▶ │   when there is one; answered like Run
//!    │ ─────────── Reset ──────────▶ │
//!    │ ◀────────── ResetDone ────────│   no process is left but the agent
//! ```
//!
//! Closing the socket ends the agent, and with it everything in its process namespace.

use serde::{Deserialize, Serialize};

/// The descriptor in which the runtime finds the telemetry stream.
pub const TELEMETRY_DESCRIPTOR: i32 = 3;

/// What the server tells the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Start the runtime. There is none running; one that waits is ended.
    Run(Program),
    /// Start an interpreter that is to wait for its function. There is nothing running.
    Warm(Program),
    /// Let the interpreter that waits go on as the runtime. If there is none any more, or if it does
    /// not want to, start the program.
    Continue(Program),
    /// End every process but the agent.
    Reset,
}

/// What to execute as the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Executables to try, in order, each with its arguments; the first that exists is run.
    pub candidates: Vec<Vec<String>>,
    /// The whole environment, as `NAME=value`.
    pub variables: Vec<String>,
    /// Where it starts.
    pub directory: String,
}

/// What the agent tells the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The walls stand. Two listening sockets come with it.
    WallsUp,
    /// The walls could not be built.
    WallsFailed(StepFailed),
    /// The runtime was started.
    Running,
    /// The runtime could not be started.
    NotRunning(NotRunning),
    /// The interpreter that was to wait does so.
    Waiting,
    /// It could not be started, or it ended before it waited.
    NotWaiting,
    /// The runtime ended.
    Exited(Exit),
    /// Nothing runs any more but the agent.
    ResetDone,
}

/// Which step of several failed, and what the kernel said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("could not {step}: {reason}")]
pub struct StepFailed {
    /// What was being done, as a verb phrase.
    pub step: String,
    /// The error, in words.
    pub reason: String,
}

/// Why the runtime could not be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotRunning {
    /// None of the candidates exists.
    NoneFound(Vec<String>),
    /// The kernel refused to execute it.
    Refused {
        /// The executable.
        path: String,
        /// What the kernel said.
        errno: i32,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}
