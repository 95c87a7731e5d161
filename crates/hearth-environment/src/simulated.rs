//! A backend without any walls, for tests: a runtime that is a function of this program.
//!
//! The driver, the Runtime API server and the log are the real ones; only walls, processes and
//! pipes are played. A [`Script`] is what the runtime, or an extension, does when it is started; it
//! speaks HTTP over an in-memory connection, as a real one would over loopback.

mod streaming;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_guest::protocol::{
    Exit, Launched, NotLaunched, NotRunning, Process, Program, Report, Signal, StepFailed,
};
use hearth_types::tasks::Tasks;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};

use crate::backend::{
    Backend, BuildError, Connection, Control, CpuShare, Door, Freeze, Leak, MemoryFigures, Output,
    Walls, WallsRequest,
};

pub use streaming::SimulatedStream;

/// How much a simulated connection holds before its writer waits.
const CONNECTION_BYTES: usize = 64 * 1024;
/// Connections and reports that may wait.
const MAILBOX: usize = 64;

/// Who listens inside, by port.
type Listeners = Arc<Mutex<HashMap<u16, mpsc::Sender<DuplexStream>>>>;

/// What a simulated runtime or extension does from its start to its end.
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
    /// The extensions that every environment has, by name. One without a script cannot be started.
    pub extensions: Vec<(String, Option<Script>)>,
}

/// Something that a backend was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// Walls were built.
    Built,
    /// The runtime was started.
    Ran,
    /// An extension was started.
    Launched,
    /// The runtime was told to terminate.
    Terminated,
    /// The runtime or an extension was killed by itself.
    Killed,
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
        Self {
            script,
            tasks: Tasks::default(),
            history: Arc::default(),
            faults: Arc::default(),
            extensions: Vec::new(),
        }
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
            processes: Vec::new(),
            listeners: Listeners::default(),
            extension_output: None,
            dialed: VecDeque::new(),
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
    /// What was started since the last reset, each with its line for signals.
    processes: Vec<(Process, watch::Sender<Option<Signal>>)>,
    listeners: Listeners,
    extension_output: Option<SimulatedOutput>,
    dialed: VecDeque<DuplexStream>,
}

impl SimulatedControl {
    /// Starts a script as a process, which may be signalled and whose end is reported.
    fn start(&mut self, process: &Process, script: &Script, write: mpsc::Sender<Bytes>) {
        let (line, signals) = watch::channel(None);
        let (traps, trapping) = watch::channel(false);
        let runtime = SimulatedRuntime {
            dial: self.dial.clone(),
            write,
            tasks: self.backend.tasks.clone(),
            signals: signals.clone(),
            traps: Arc::new(traps),
            listeners: Arc::clone(&self.listeners),
        };
        let running = script(runtime);
        let (report, generation) = (self.report.clone(), Arc::clone(&self.generation));
        let mine = *generation.lock().expect("nobody panics with it");
        self.processes.push((process.clone(), line));
        let process = process.clone();
        self.backend.tasks.spawn("simulated process", async move {
            let exit = tokio::select! {
                exit = running => exit,
                exit = ended_by(signals, trapping) => exit,
            };
            if *generation.lock().expect("nobody panics with it") == mine {
                let ended = match process {
                    Process::Runtime => Report::Exited(exit),
                    Process::Extension(name) => Report::ExtensionExited { name, exit },
                };
                let _ = report.send(ended).await;
            }
        });
    }

    fn launch_extensions(&mut self) {
        let (write, output) = mpsc::channel(MAILBOX);
        self.extension_output = Some(SimulatedOutput { output, pending: VecDeque::new() });
        let mut launched = Vec::new();
        for (name, script) in self.backend.extensions.clone() {
            let refused = match script {
                Some(script) => {
                    self.backend.note(Happening::Launched);
                    self.start(&Process::Extension(name.clone()), &script, write.clone());
                    None
                }
                None => Some(NotLaunched::Refused { errno: 13 }),
            };
            launched.push(Launched { name, refused });
        }
        let _ = self.report.try_send(Report::Extensions(launched));
    }
}

/// How a process ends that is signalled. `SIGTERM` may be trapped, and then ends nothing.
async fn ended_by(
    mut signals: watch::Receiver<Option<Signal>>,
    trapping: watch::Receiver<bool>,
) -> Exit {
    loop {
        if signals.changed().await.is_err() {
            return Exit::Signal(9); // Everything was reset, or is gone.
        }
        let signal = *signals.borrow_and_update();
        match signal {
            Some(Signal::Kill) => return Exit::Signal(9),
            Some(Signal::Terminate) if !*trapping.borrow() => return Exit::Signal(15),
            Some(Signal::Terminate) | None => {}
        }
    }
}

impl fmt::Debug for SimulatedControl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedControl")
    }
}

#[async_trait]
impl Control for SimulatedControl {
    fn run(&mut self, program: &Program) -> io::Result<()> {
        if program.extensions.is_some() && !self.backend.extensions.is_empty() {
            self.launch_extensions();
            return Ok(());
        }
        if let Some(Fault::Run(reason)) = self.fault.take() {
            let _ = self.report.try_send(Report::NotRunning(reason));
            return Ok(());
        }
        self.backend.note(Happening::Ran);
        let _ = self.report.try_send(Report::Running);
        let (script, write) = (Arc::clone(&self.backend.script), self.write.clone());
        self.start(&Process::Runtime, &script, write);
        Ok(())
    }

    fn take_extension_output(&mut self) -> io::Result<Box<dyn Output>> {
        let output = self.extension_output.take().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Box::new(output))
    }

    fn signal(&mut self, process: &Process, signal: Signal) -> io::Result<()> {
        self.backend.note(match signal {
            Signal::Terminate => Happening::Terminated,
            Signal::Kill => Happening::Killed,
        });
        for (_, line) in self.processes.iter().filter(|(one, _)| one == process) {
            line.send_replace(Some(signal));
        }
        Ok(())
    }

    fn dial(&mut self, ticket: u64, port: u16) -> io::Result<()> {
        let (ours, theirs) = tokio::io::duplex(CONNECTION_BYTES);
        let listener = self.listeners.lock().expect("nobody panics with it").get(&port).cloned();
        let report = match listener.map(|listener| listener.try_send(theirs)) {
            Some(Ok(())) => {
                self.dialed.push_back(ours);
                Report::Dialed { ticket }
            }
            Some(Err(_)) | None => {
                Report::NotDialed { ticket, reason: "connection refused".to_owned() }
            }
        };
        let _ = self.report.try_send(report);
        Ok(())
    }

    fn take_dialed(&mut self) -> io::Result<Box<dyn Connection>> {
        let connection = self.dialed.pop_front().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Box::new(connection))
    }

    fn reset(&mut self) -> io::Result<()> {
        self.backend.note(Happening::Reset);
        *self.generation.lock().expect("nobody panics with it") += 1;
        self.processes.clear();
        self.listeners.lock().expect("nobody panics with it").clear();
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
    signals: watch::Receiver<Option<Signal>>,
    traps: Arc<watch::Sender<bool>>,
    listeners: Listeners,
}

/// What the Runtime API, or that of extensions, answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The id of the invocation, if the answer brought one.
    pub request_id: Option<String>,
    /// The id of the extension, if the answer brought one.
    pub extension_id: Option<String>,
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
        let path = format!("/2018-06-01/runtime/{path}");
        self.request((method, &path), &[], body).await
    }

    /// Registers as an extension.
    pub async fn register(&self, name: &str, events: &str) -> Answered {
        let route = ("POST", "/2020-01-01/extension/register");
        let body = format!("{{\"events\":[{events}]}}");
        self.request(route, &[("lambda-extension-name", name)], &body).await
    }

    /// Asks for the next event of an extension.
    pub async fn next_event(&self, id: &str) -> Answered {
        let route = ("GET", "/2020-01-01/extension/event/next");
        self.request(route, &[("lambda-extension-identifier", id)], "").await
    }

    /// Calls anything, with headers, as [`Self::call`] does.
    pub async fn request(
        &self,
        route: (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answered {
        match self.try_request(route, headers, body).await {
            Some(answered) => answered,
            None => std::future::pending().await,
        }
    }

    /// Waits until it is told to terminate. From the first time on it does not end of that.
    pub async fn terminated(&self) {
        self.traps.send_replace(true);
        let mut signals = self.signals.clone();
        let told = signals.wait_for(|signal| *signal == Some(Signal::Terminate)).await.is_ok();
        if !told {
            std::future::pending::<()>().await;
        }
    }

    /// Listens at a port. Connections come out of what is returned.
    #[must_use]
    pub fn listen(&self, port: u16) -> mpsc::Receiver<DuplexStream> {
        let (listener, connections) = mpsc::channel(MAILBOX);
        self.listeners.lock().expect("nobody panics with it").insert(port, listener);
        connections
    }

    async fn try_request(
        &self,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answered> {
        let mut sender = self.connect().await?;
        let mut request =
            hyper::Request::builder().method(method).uri(path).header("host", "runtime");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name).and_then(|id| id.to_str().ok());
            value.map(str::to_owned)
        };
        let request_id = header("lambda-runtime-aws-request-id");
        let extension_id = header("lambda-extension-identifier");
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some(Answered { status, request_id, extension_id, body })
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
