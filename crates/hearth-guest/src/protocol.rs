//! The messages between the server and the agent of one environment.
//!
//! ```text
//!  server                          agent
//!    │ ◀────────── WallsUp ──────────│   with two listening sockets: Runtime API, endpoint
//!    │ ─────────── Run ────────────▶ │
//!    │ ◀── Running / NotRunning ─────│   or Extensions, if there are any: then Run comes again
//!    │ ◀── Exited, ExtensionExited ──│   whenever one of them ends, wanted or not
//!    │ ─────────── Warm ───────────▶ │   instead of Run, before there is a function
//!    │ ◀── Waiting / NotWaiting ─────│
//!    │ ───────── Continue ─────────▶ │   when there is one; answered like Run
//!    │ ─────────── Signal ─────────▶ │   answered by nothing but the end that it brings about
//!    │ ─────────── Dial ───────────▶ │
//!    │ ◀──── Dialed / NotDialed ─────│   with a connection to a port inside
//!    │ ─────────── Reset ──────────▶ │
//!    │ ◀────────── ResetDone ────────│   no process is left but the agent
//! ```
//!
//! Closing the socket ends the agent, and with it everything in its process namespace.

use serde::{Deserialize, Serialize};

/// The descriptor in which the runtime finds the telemetry stream.
pub const TELEMETRY_DESCRIPTOR: i32 = 3;

/// AWS: how many extensions an environment may have.
pub const EXTENSIONS_MAX: usize = 10;

/// What the server tells the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Start the runtime. There is none running; one that waits is ended. Where the program says how
    /// extensions are started and there are some, they are started instead, and the runtime waits
    /// for the next `Run`.
    Run(Program),
    /// Start an interpreter that is to wait for its function. There is nothing running.
    Warm(Program),
    /// The same as `Run`, but let the interpreter that waits go on as the runtime. If there is none
    /// any more, or if it does not want to, start the program.
    Continue(Program),
    /// Send a signal to a process and its group. One that is not there is not missed.
    Signal {
        /// Whose.
        process: Process,
        /// Which one.
        signal: Signal,
    },
    /// Connect to a port inside.
    Dial {
        /// Comes back with the answer.
        ticket: u64,
        /// Where somebody listens, or should.
        port: u16,
    },
    /// End every process but the agent.
    Reset,
}

/// A process that the agent started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Process {
    /// The runtime.
    Runtime,
    /// The extension of this name.
    Extension(String),
}

/// How a process is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// `SIGTERM`: it may do so in its own way.
    Terminate,
    /// `SIGKILL`.
    Kill,
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
    /// The environment of extensions, as `NAME=value`, if they are to be looked for and started.
    pub extensions: Option<Vec<String>>,
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
    /// These extensions were found, and started where they could be. The reading end of the pipe
    /// that they write to comes with it.
    Extensions(Vec<Launched>),
    /// An extension ended.
    ExtensionExited {
        /// Its name.
        name: String,
        /// How.
        exit: Exit,
    },
    /// Somebody listened at the port. The connection comes with it.
    Dialed {
        /// That of the command.
        ticket: u64,
    },
    /// Nobody listened at the port, or did not answer in time.
    NotDialed {
        /// That of the command.
        ticket: u64,
        /// What the kernel said, in words.
        reason: String,
    },
    /// Nothing runs any more but the agent.
    ResetDone,
}

/// An extension that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// The name of its file, which is its own name.
    pub name: String,
    /// Why it does not run, if it does not.
    pub refused: Option<NotLaunched>,
}

/// Why an extension could not be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotLaunched {
    /// The kernel refused to execute it.
    Refused {
        /// What the kernel said.
        errno: i32,
    },
    /// There are [`EXTENSIONS_MAX`] before it.
    TooMany,
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
