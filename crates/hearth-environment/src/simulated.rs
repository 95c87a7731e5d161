//! A backend without any walls, for tests: a runtime that is a function of this program.
//!
//! The driver, the Runtime API server and the log are the real ones; only walls, processes and
//! pipes are played. A [`Script`] is what the runtime does when it is started; it speaks HTTP over
//! an in-memory connection, as a real one would over loopback.

mod streaming;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_guest::protocol::{Exit, NotRunning, Program, Report, StepFailed};
use hearth_types::tasks::Tasks;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::backend::{
    Backend, BuildError, Connection, Control, CpuShare, Door, Freeze, Leak, MemoryFigures, Output,
    Walls, WallsRequest,
};

pub use streaming::SimulatedStream;

/// How much a simulated connection holds before its writer waits.
const CONNECTION_BYTES: usize = 64 * 1024;
/// Connections and reports that may wait.
const MAILBOX: usize = 64;

/// What a simulated runtime does from its start to its end.
pub type Script =
    Arc<dyn Fn(SimulatedRuntime) -> Pin<Box<dyn Future<Output = Exit> + Send>> + Send + Sync>;

/// Builds simulated environments.
#[derive(Clone)]
pub struct Simulated {
    script: Script,
    tasks: Tasks,
    /// What happened, for tests to look at.
    pub history: Arc<Mutex<Vec<Happening>>>,
    /// What goes wrong with the next environments, in order.
    pub faults: Arc<Mutex<VecDeque<Fault>>>,
}

/// Something that a backend was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// Walls were built.
    Built,
    /// The runtime was started.
    Ran,
    /// Everything inside was ended.
    Reset,
    /// The walls were taken down.
    TornDown,
    /// The environment was frozen.
    Frozen,
    /// It was thawed.
    Thawed,
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The walls cannot be built.
    Build,
    /// The walls take so long.
    Slow(Duration),
    /// The runtime cannot be executed.
    Run(NotRunning),
}

impl fmt::Debug for Simulated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Simulated")
    }
}

impl Simulated {
    /// A backend whose runtimes all do this.
    pub fn new(script: Script) -> Self {
        Self { script, tasks: Tasks::default(), history: Arc::default(), faults: Arc::default() }
    }

    fn note(&self, happening: Happening) {
        self.history.lock().expect("tests do not panic while they hold it").push(happening);
    }

    fn fault(&self) -> Option<Fault> {
        self.faults.lock().expect("tests do not panic while they hold it").pop_front()
    }
}

#[async_trait]
impl Backend for Simulated {
    async fn build(&self, _request: &WallsRequest) -> Result<Walls, BuildError> {
        let fault = self.fault();
        if fault == Some(Fault::Build) {
            let failed = StepFailed { step: "simulate".into(), reason: "told to fail".into() };
            return Err(BuildError::Step(failed));
        }
        if let Some(Fault::Slow(takes)) = &fault {
            tokio::time::sleep(*takes).await;
        }
        self.note(Happening::Built);
        let (dial, connections) = mpsc::channel(MAILBOX);
        let (write, output) = mpsc::channel(MAILBOX);
        let (report, reports) = mpsc::channel(MAILBOX);
        let control = SimulatedControl {
            backend: self.clone(),
            dial,
            write,
            report,
            reports,
            generation: Arc::default(),
            fault,
        };
        let (_never, no_connections) = mpsc::channel(1);
        Ok(Walls {
            control: Box::new(control),
            runtime_api: Box::new(SimulatedDoor(connections)),
            endpoint: Box::new(SimulatedDoor(no_connections)),
            output: Box::new(SimulatedOutput { output, pending: VecDeque::new() }),
        })
    }
}

struct SimulatedControl {
    backend: Simulated,
    dial: mpsc::Sender<DuplexStream>,
    write: mpsc::Sender<Bytes>,
    report: mpsc::Sender<Report>,
    reports: mpsc::Receiver<Report>,
    /// Counts resets: a runtime of an earlier generation is dead.
    generation: Arc<Mutex<u64>>,
    fault: Option<Fault>,
}

impl fmt::Debug for SimulatedControl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedControl")
    }
}

#[async_trait]
impl Control for SimulatedControl {
    fn run(&mut self, _program: &Program) -> io::Result<()> {
        if let Some(Fault::Run(reason)) = self.fault.take() {
            let _ = self.report.try_send(Report::NotRunning(reason));
            return Ok(());
        }
        self.backend.note(Happening::Ran);
        let runtime = SimulatedRuntime {
            dial: self.dial.clone(),
            write: self.write.clone(),
            tasks: self.backend.tasks.clone(),
        };
        let running = (self.backend.script)(runtime);
        let (report, generation) = (self.report.clone(), Arc::clone(&self.generation));
        let mine = *generation.lock().expect("nobody panics with it");
        self.backend.tasks.spawn("simulated runtime", async move {
            let exit = running.await;
            if *generation.lock().expect("nobody panics with it") == mine {
                let _ = report.send(Report::Exited(exit)).await;
            }
        });
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.backend.note(Happening::Reset);
        *self.generation.lock().expect("nobody panics with it") += 1;
        let _ = self.report.try_send(Report::ResetDone);
        Ok(())
    }

    async fn report(&mut self) -> io::Result<Report> {
        self.reports.recv().await.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    fn freeze(&mut self, freeze: Freeze) -> io::Result<()> {
        self.backend.note(match freeze {
            Freeze::Frozen => Happening::Frozen,
            Freeze::Thawed => Happening::Thawed,
        });
        Ok(())
    }

    fn cpu(&mut self, _share: CpuShare) -> io::Result<()> {
        Ok(())
    }

    fn memory(&mut self) -> io::Result<MemoryFigures> {
        Ok(MemoryFigures { peak_bytes: 12 * 1024 * 1024, kills: 0 })
    }

    async fn tear_down(&mut self) -> Result<(), Leak> {
        self.backend.note(Happening::TornDown);
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedDoor(mpsc::Receiver<DuplexStream>);

#[async_trait]
impl Door for SimulatedDoor {
    async fn accept(&mut self) -> io::Result<Box<dyn Connection>> {
        match self.0.recv().await {
            Some(connection) => Ok(Box::new(connection)),
            None => std::future::pending().await,
        }
    }
}

#[derive(Debug)]
struct SimulatedOutput {
    output: mpsc::Receiver<Bytes>,
    pending: VecDeque<u8>,
}

#[async_trait]
impl Output for SimulatedOutput {
    async fn readable(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            match self.output.recv().await {
                Some(bytes) => self.pending.extend(bytes),
                None => std::future::pending::<()>().await,
            }
        }
        Ok(())
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Ok(bytes) = self.output.try_recv() {
            self.pending.extend(bytes);
        }
        if self.pending.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = buffer.len().min(self.pending.len());
        for (to, from) in buffer.iter_mut().zip(self.pending.drain(..length)) {
            *to = from;
        }
        Ok(length)
    }
}

/// What a script does things with.
#[derive(Debug, Clone)]
pub struct SimulatedRuntime {
    dial: mpsc::Sender<DuplexStream>,
    write: mpsc::Sender<Bytes>,
    tasks: Tasks,
}

/// What the Runtime API answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The id of the invocation, if the answer brought one.
    pub request_id: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl SimulatedRuntime {
    /// Writes to the standard output.
    pub async fn print(&self, text: &str) {
        let _ = self.write.send(Bytes::copy_from_slice(text.as_bytes())).await;
    }

    /// Asks for the next event.
    pub async fn next(&self) -> Answered {
        self.call("GET", "invocation/next", "").await
    }

    /// Answers an invocation.
    pub async fn respond(&self, id: &str, body: &str) -> Answered {
        self.call("POST", &format!("invocation/{id}/response"), body).await
    }

    /// Calls the Runtime API on a connection of its own. A call that gets no answer, because the
    /// environment is being taken down, ends this runtime's interest in everything.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Answered {
        match self.try_call(method, path, body).await {
            Some(answered) => answered,
            None => std::future::pending().await,
        }
    }

    async fn try_call(&self, method: &str, path: &str, body: &str) -> Option<Answered> {
        let mut sender = self.connect().await?;
        let request = hyper::Request::builder()
            .method(method)
            .uri(format!("/2018-06-01/runtime/{path}"))
            .header("host", "runtime")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let id = response.headers().get("lambda-runtime-aws-request-id");
        let request_id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some(Answered { status, request_id, body })
    }

    async fn open(&self) -> Option<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(CONNECTION_BYTES);
        self.dial.send(theirs).await.ok()?;
        Some(ours)
    }

    async fn connect(&self) -> Option<SendRequest<Full<Bytes>>> {
        let ours = self.open().await?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.ok()?;
        self.tasks.spawn("simulated connection", async move {
            let _ = connection.await;
        });
        Some(sender)
    }
}
