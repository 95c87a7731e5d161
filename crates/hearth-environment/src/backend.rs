//! What an environment needs of its walls, whatever they are made of.
//!
//! # Promises of a backend
//!
//! 1. [`Backend::build`] gives walls that stand, with nothing running inside, or an error and
//!    nothing left over.
//! 2. The end of the runtime and of each extension is reported once, wanted or not, unless a reset
//!    came first.
//! 3. After `ResetDone` nothing runs inside any more.
//! 4. When [`Control::tear_down`] returns, every resource has been given back, or the error says
//!    which one has not. Dropping a control tears the walls down as well.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_guest::protocol::{Process, Program, Report, Signal};
use hearth_runtimes::Runtime;
use hearth_types::function::Target;
use hearth_types::ids::EnvironmentId;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long to wait after a connection from inside could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Builds walls.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug {
    /// Builds the walls of one environment.
    async fn build(&self, request: &WallsRequest) -> Result<Walls, BuildError>;
}

/// Whose walls.
#[derive(Debug, Clone)]
pub struct WallsRequest {
    /// The environment.
    pub id: EnvironmentId,
    /// What will run inside.
    pub target: Arc<Target>,
    /// What it runs on.
    pub runtime: Arc<Runtime>,
}

/// Why there are no walls.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A step was refused by the kernel.
    #[error("a step of building the walls failed")]
    Step(#[source] hearth_guest::protocol::StepFailed),
    /// The process that builds walls is not there, or did not answer.
    #[error("the launcher did not answer")]
    Launcher(#[source] io::Error),
}

/// Walls that stand.
#[derive(Debug)]
pub struct Walls {
    /// The handle on them.
    pub control: Box<dyn Control>,
    /// Where the runtime calls its Runtime API.
    pub runtime_api: Box<dyn Door>,
    /// Where code inside reaches this server's API.
    pub endpoint: Box<dyn Door>,
    /// What is written inside.
    pub output: Box<dyn Output>,
}

/// A handle on walls and on what is inside.
#[async_trait]
pub trait Control: Send + Sync + fmt::Debug {
    /// Starts the runtime. `Running` or `NotRunning` is reported; or `Extensions`, if the program
    /// says how those are started and there are some.
    fn run(&mut self, program: &Program) -> io::Result<()>;

    /// What extensions write. It came with the latest `Extensions`.
    fn take_extension_output(&mut self) -> io::Result<Box<dyn Output>>;

    /// Signals a process and its group. If that ends it, its end is reported as any other.
    fn signal(&mut self, process: &Process, signal: Signal) -> io::Result<()>;

    /// Asks for a connection to a port inside. `Dialed` or `NotDialed` is reported, but not before
    /// the environment is thawed.
    fn dial(&mut self, ticket: u64, port: u16) -> io::Result<()>;

    /// The connection that came with the latest `Dialed`.
    fn take_dialed(&mut self) -> io::Result<Box<dyn Connection>>;

    /// Ends everything inside. `ResetDone` is reported.
    fn reset(&mut self) -> io::Result<()>;

    /// The next report. May be dropped while it waits without losing one.
    async fn report(&mut self) -> io::Result<Report>;

    /// Takes all CPU time away, or gives it back.
    fn freeze(&mut self, freeze: Freeze) -> io::Result<()>;

    /// Sets the share of CPU time.
    fn cpu(&mut self, share: CpuShare) -> io::Result<()>;

    /// Figures about memory.
    fn memory(&mut self) -> io::Result<MemoryFigures>;

    /// Gives every resource back.
    async fn tear_down(&mut self) -> Result<(), Leak>;
}

/// Whether processes get CPU time at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// They get none.
    Frozen,
    /// They get their share.
    Thawed,
}

/// How much CPU time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuShare {
    /// As much as there is: during init.
    Unlimited,
    /// In proportion to the function's memory.
    Proportional,
}

/// Figures about the memory of everything inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryFigures {
    /// The most that was ever in use.
    pub peak_bytes: u64,
    /// How often a process was killed because there was no more.
    pub kills: u64,
}

/// A resource that could not be given back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("something of the environment is left over: {0}")]
pub struct Leak(pub String);

/// A listening socket inside.
#[async_trait]
pub trait Door: Send + fmt::Debug {
    /// The next connection.
    async fn accept(&mut self) -> io::Result<Box<dyn Connection>>;
}

/// The next connection. That the host has no descriptor left just now is no reason to stop.
pub(crate) async fn accept(door: &mut dyn Door) -> Box<dyn Connection> {
    loop {
        match door.accept().await {
            Ok(connection) => return connection,
            Err(error) => {
                tracing::warn!(%error, "a connection from inside could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A stream of bytes in both directions.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// The output of everything inside, in the order in which it was written.
#[async_trait]
pub trait Output: Send + fmt::Debug {
    /// Waits until there is something. May be dropped while it waits.
    async fn readable(&mut self) -> io::Result<()>;

    /// Reads what is there now; `WouldBlock` if there is nothing.
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}
