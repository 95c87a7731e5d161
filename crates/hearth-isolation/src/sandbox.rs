//! The sandbox backend: the server's side of the launcher.
//!
//! One task owns the socket to the launcher. Requests go to it through a bounded channel; answers
//! find their environment through a table. An environment's own traffic (agent, output, figures)
//! goes over descriptors of its own and touches neither.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hearth_environment::backend::{
    Backend, BuildError, Connection, Control, CpuShare, Door, Freeze, Leak, MemoryFigures, Output,
    Walls, WallsRequest,
};
use hearth_guest::protocol::{
    Command as AgentCommand, Process, Program, Report, Signal, StepFailed,
};
use hearth_guest::wire::{self, Frames};
use hearth_runtimes::Runtime;
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};

use crate::cgroups::{CPU_PERIOD_MICROS, GroupLimits, HandleKind};
use crate::launcher::{Answer, Configuration, Request, RootPlan, Start};

/// Processes of an environment that are not the function's.
const AGENT_PROCESSES: u64 = 1;

/// What an answer from the launcher brings to whoever waits for it.
enum Outcome {
    Started { handles: Vec<HandleKind>, descriptors: Vec<OwnedFd> },
    NotStarted(StepFailed),
    Stopped { leak: Option<String> },
    LauncherGone,
}

type Waiting = Mutex<HashMap<u64, oneshot::Sender<Outcome>>>;

/// The connection to the launcher, shared by the backend and by all walls.
#[derive(Debug)]
struct Link {
    socket: UnixStream,
    waiting: Waiting,
    /// Frames on their way. One task writes them, so that nobody waits for a busy launcher.
    requests: mpsc::Sender<Vec<u8>>,
    gone: watch::Sender<bool>,
    tasks: Tasks,
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Started { .. } => "Started",
            Self::NotStarted(_) => "NotStarted",
            Self::Stopped { .. } => "Stopped",
            Self::LauncherGone => "LauncherGone",
        })
    }
}

impl Link {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Outcome>>> {
        self.waiting.lock().expect("no code panics while it holds the table")
    }

    /// Sends a request and waits for its answer.
    async fn ask(&self, id: u64, request: &Request, limit: Duration) -> io::Result<Outcome> {
        let (sender, receiver) = oneshot::channel();
        self.lock().insert(id, sender);
        if *self.gone.borrow() {
            self.lock().remove(&id);
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Err(error) = self.tell(request) {
            self.lock().remove(&id);
            return Err(error);
        }
        match tokio::time::timeout(limit, receiver).await {
            Ok(Ok(Outcome::LauncherGone) | Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Ok(Ok(outcome)) => Ok(outcome),
            Err(_elapsed) => {
                self.lock().remove(&id);
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Sends a request. Does not wait.
    fn tell(&self, request: &Request) -> io::Result<()> {
        match self.requests.try_send(wire::encode(request)?) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            // As many as there are environments at the most, so they may all wait their turn.
            Err(mpsc::error::TrySendError::Full(frame)) => {
                let requests = self.requests.clone();
                self.tasks.spawn("a request to the launcher", async move {
                    let _ = requests.send(frame).await;
                });
                Ok(())
            }
        }
    }

    /// Writes requests, until the launcher is gone.
    async fn write(self: Arc<Self>, mut requests: mpsc::Receiver<Vec<u8>>) {
        let mut gone = self.gone.subscribe();
        loop {
            let frame = tokio::select! {
                frame = requests.recv() => frame,
                _gone = gone.wait_for(|gone| *gone) => return,
            };
            let Some(frame) = frame else { return };
            let mut rest = frame.as_slice();
            while !rest.is_empty() {
                if self.socket.writable().await.is_err() {
                    return;
                }
                match self.socket.try_write(rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_gone) => return,
                }
            }
        }
    }

    /// Hands answers to those who wait, until the launcher is gone.
    async fn listen(self: Arc<Self>) {
        let mut frames = Frames::default();
        let ended = loop {
            let received = self
                .socket
                .async_io(tokio::io::Interest::READABLE, || {
                    wire::receive_into(&self.socket, &mut frames)
                })
                .await;
            if let Err(error) = received {
                break error;
            }
            loop {
                match frames.take::<Answer>() {
                    Ok(Some(answer)) => self.dispatch(answer, &mut frames),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "the launcher said something odd; this is a bug in Hearth");
                        break;
                    }
                }
            }
        };
        self.gone.send_replace(true);
        for (_, waiting) in self.lock().drain() {
            let _ = waiting.send(Outcome::LauncherGone);
        }
        tracing::debug!(%ended, "the launcher is gone");
    }

    fn dispatch(&self, answer: Answer, frames: &mut Frames) {
        let (id, outcome) = match answer {
            Answer::Started { id, handles } => {
                let descriptors = frames.take_descriptors(2 + handles.len());
                (id, Outcome::Started { handles, descriptors })
            }
            Answer::NotStarted { id, failed } => (id, Outcome::NotStarted(failed)),
            Answer::Stopped { id, leak } => (id, Outcome::Stopped { leak }),
            Answer::Configured | Answer::NotConfigured(_) => return,
        };
        if let Some(waiting) = self.lock().remove(&id) {
            let _ = waiting.send(outcome);
        }
    }
}

/// Builds environments as Linux sandboxes.
#[derive(Debug)]
pub struct Sandbox {
    link: Arc<Link>,
    launcher: Mutex<Child>,
}

/// Why there is no launcher.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Its process could not be started.
    #[error("could not start the launcher")]
    NotStarted(#[source] io::Error),
    /// It could not prepare itself.
    #[error("the launcher could not prepare itself")]
    NotConfigured(#[source] StepFailed),
}

impl Sandbox {
    /// Starts the launcher: this program, with the argument `launcher` and a socket as its standard
    /// input.
    ///
    /// # Errors
    ///
    /// If it does not start or cannot do its work on this host.
    pub async fn start(tasks: &Tasks, configuration: Configuration) -> Result<Self, LaunchError> {
        let (ours, theirs) = BlockingUnixStream::pair().map_err(LaunchError::NotStarted)?;
        let program = std::env::current_exe().map_err(LaunchError::NotStarted)?;
        let launcher = Command::new(program)
            .arg("launcher")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .map_err(LaunchError::NotStarted)?;
        let answer = configure(&ours, &configuration).map_err(LaunchError::NotStarted)?;
        if let Answer::NotConfigured(failed) = answer {
            return Err(LaunchError::NotConfigured(failed));
        }
        ours.set_nonblocking(true).map_err(LaunchError::NotStarted)?;
        let socket = UnixStream::from_std(ours).map_err(LaunchError::NotStarted)?;
        let (requests, frames) = mpsc::channel(limits::LAUNCHER_MAILBOX);
        let (gone, _) = watch::channel(false);
        let waiting = Mutex::default();
        let link = Arc::new(Link { socket, waiting, requests, gone, tasks: tasks.clone() });
        tasks.spawn("answers of the launcher", Arc::clone(&link).listen());
        tasks.spawn("requests to the launcher", Arc::clone(&link).write(frames));
        Ok(Self { link, launcher: Mutex::new(launcher) })
    }

    /// Waits until the launcher has ended, which it does not do by itself.
    pub async fn ended(&self) {
        let _ = self.link.gone.subscribe().wait_for(|gone| *gone).await;
    }

    /// Ends the launcher and all that it has started, and waits for it. Blocking.
    pub fn close(&self) {
        let _ = rustix::net::shutdown(&self.link.socket, rustix::net::Shutdown::Both);
        let _ = self.launcher.lock().expect("waiting does not panic").wait();
    }
}

fn configure(socket: &BlockingUnixStream, configuration: &Configuration) -> io::Result<Answer> {
    socket.set_read_timeout(Some(Duration::from_secs(limits::WALLS_SECONDS_MAX)))?;
    wire::send(socket, &Request::Configure(configuration.clone()), &[])?;
    let mut frames = Frames::default();
    loop {
        wire::receive_into(socket, &mut frames)?;
        if let Some(answer) = frames.take()? {
            return Ok(answer);
        }
    }
}

#[async_trait]
impl Backend for Sandbox {
    async fn build(&self, request: &WallsRequest) -> Result<Walls, BuildError> {
        let limit = Duration::from_secs(limits::WALLS_SECONDS_MAX);
        let start = Request::Start(Box::new(start_request(request)));
        let outcome = self.link.ask(request.id.0, &start, limit).await;
        match outcome.map_err(BuildError::Launcher)? {
            Outcome::Started { handles, descriptors } => {
                let quota = cpu_quota_micros(request.target.memory_mb);
                let built = self.walls(request.id.0, (handles, descriptors), quota);
                let (mut control, output) = built.map_err(BuildError::Launcher)?;
                match tokio::time::timeout(limit, control.walls_up()).await {
                    Ok(Ok((runtime_api, endpoint))) => {
                        Ok(Walls { control: Box::new(control), runtime_api, endpoint, output })
                    }
                    Ok(Err(error)) => Err(abandon(control, error).await),
                    Err(_elapsed) => {
                        let error = BuildError::Launcher(io::ErrorKind::TimedOut.into());
                        Err(abandon(control, error).await)
                    }
                }
            }
            Outcome::NotStarted(failed) => Err(BuildError::Step(failed)),
            Outcome::Stopped { .. } | Outcome::LauncherGone => {
                Err(BuildError::Launcher(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }
}

async fn abandon(mut control: SandboxControl, error: BuildError) -> BuildError {
    if let Err(leak) = control.tear_down().await {
        tracing::error!(%leak, "walls that were never used");
    }
    error
}

fn start_request(request: &WallsRequest) -> Start {
    let target = &request.target;
    Start {
        id: request.id.0,
        root: root_plan(&request.runtime),
        code: target.code.clone(),
        layers: target.layers.clone(),
        scratch_mb: target.ephemeral_storage_mb,
        limits: GroupLimits {
            memory_bytes: u64::from(target.memory_mb) * 1024 * 1024,
            cpu_weight_thousandths: u64::from(target.memory_mb) * 1_000
                / u64::from(limits::MEMORY_MB_PER_VCPU),
            processes: limits::PROCESSES_MAX + AGENT_PROCESSES,
        },
        open_files: limits::OPEN_FILES_MAX,
        processes: limits::PROCESSES_MAX,
    }
}

fn root_plan(runtime: &Runtime) -> RootPlan {
    RootPlan { tree: runtime.root_directory(), shown: runtime.shown() }
}

/// AWS: 1,769 MB come with one virtual CPU. The kernel refuses quotas under a millisecond.
fn cpu_quota_micros(memory_mb: u32) -> u64 {
    let share = u64::from(memory_mb) * CPU_PERIOD_MICROS / u64::from(limits::MEMORY_MB_PER_VCPU);
    share.max(1_000)
}

impl Sandbox {
    fn walls(
        &self,
        id: u64,
        (handles, descriptors): (Vec<HandleKind>, Vec<OwnedFd>),
        cpu_quota_micros: u64,
    ) -> io::Result<(SandboxControl, Box<dyn Output>)> {
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or(io::ErrorKind::UnexpectedEof);
        let agent = BlockingUnixStream::from(next()?);
        agent.set_nonblocking(true)?;
        let output = pipe::Receiver::from_owned_fd(next()?)?;
        let handles = handles
            .into_iter()
            .map(|kind| Ok((kind, File::from(next()?))))
            .collect::<io::Result<Vec<_>>>()?;
        let control = SandboxControl {
            id,
            link: Arc::clone(&self.link),
            agent: UnixStream::from_std(agent)?,
            frames: Frames::default(),
            carried: None,
            handles,
            cpu_quota_micros,
            last: MemoryFigures::default(),
            last_raw_peak: 0,
            down: false,
        };
        Ok((control, Box::new(PipeOutput(output))))
    }
}

/// The handle on one sandbox.
#[derive(Debug)]
struct SandboxControl {
    id: u64,
    link: Arc<Link>,
    agent: UnixStream,
    frames: Frames,
    /// What came with the latest report that brings a descriptor.
    carried: Option<OwnedFd>,
    handles: Vec<(HandleKind, File)>,
    cpu_quota_micros: u64,
    last: MemoryFigures,
    last_raw_peak: u64,
    down: bool,
}

impl SandboxControl {
    async fn walls_up(&mut self) -> Result<(Box<dyn Door>, Box<dyn Door>), BuildError> {
        match self.report().await.map_err(BuildError::Launcher)? {
            Report::WallsUp => {}
            Report::WallsFailed(failed) => return Err(BuildError::Step(failed)),
            other @ (Report::Running
            | Report::NotRunning(_)
            | Report::Exited(_)
            | Report::Extensions(_)
            | Report::ExtensionExited { .. }
            | Report::Dialed { .. }
            | Report::NotDialed { .. }
            | Report::ResetDone) => {
                let odd = io::Error::other(format!("the agent began with {other:?}"));
                return Err(BuildError::Launcher(odd));
            }
        }
        let mut listeners = self.frames.take_descriptors(2).into_iter();
        let mut door = || {
            let listener = listeners.next().ok_or(io::ErrorKind::UnexpectedEof)?;
            let listener = std::net::TcpListener::from(listener);
            listener.set_nonblocking(true)?;
            io::Result::Ok(Box::new(TcpDoor(TcpListener::from_std(listener)?)) as Box<dyn Door>)
        };
        let runtime_api = door().map_err(BuildError::Launcher)?;
        Ok((runtime_api, door().map_err(BuildError::Launcher)?))
    }

    fn handle(&self, wanted: HandleKind) -> Option<&File> {
        self.handles.iter().find(|(kind, _)| *kind == wanted).map(|(_, file)| file)
    }

    fn send(&self, command: &AgentCommand) -> io::Result<()> {
        wire::send(&self.agent, command, &[])
    }

    /// Takes the descriptor that comes with a report, if one does.
    fn carry(&mut self, report: &Report) {
        if matches!(report, Report::Extensions(_) | Report::Dialed { .. }) {
            self.carried = self.frames.take_descriptors(1).pop();
        }
    }
}

#[async_trait]
impl Control for SandboxControl {
    fn run(&mut self, program: &Program) -> io::Result<()> {
        self.send(&AgentCommand::Run(program.clone()))
    }

    fn take_extension_output(&mut self) -> io::Result<Box<dyn Output>> {
        let pipe = self.carried.take().ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(Box::new(PipeOutput(pipe::Receiver::from_owned_fd(pipe)?)))
    }

    fn signal(&mut self, process: &Process, signal: Signal) -> io::Result<()> {
        self.send(&AgentCommand::Signal { process: process.clone(), signal })
    }

    fn dial(&mut self, ticket: u64, port: u16) -> io::Result<()> {
        self.send(&AgentCommand::Dial { ticket, port })
    }

    fn take_dialed(&mut self) -> io::Result<Box<dyn Connection>> {
        let socket = self.carried.take().ok_or(io::ErrorKind::UnexpectedEof)?;
        let stream = std::net::TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        Ok(Box::new(TcpStream::from_std(stream)?))
    }

    fn reset(&mut self) -> io::Result<()> {
        self.send(&AgentCommand::Reset)
    }

    async fn report(&mut self) -> io::Result<Report> {
        loop {
            if let Some(report) = self.frames.take()? {
                self.carry(&report);
                return Ok(report);
            }
            let Self { agent, frames, .. } = self;
            agent
                .async_io(tokio::io::Interest::READABLE, || wire::receive_into(&*agent, frames))
                .await?;
        }
    }

    fn freeze(&mut self, freeze: Freeze) -> io::Result<()> {
        let (v2, v1) = match freeze {
            Freeze::Frozen => ("1", "FROZEN"),
            Freeze::Thawed => ("0", "THAWED"),
        };
        if let Some(file) = self.handle(HandleKind::FreezeV2) {
            return file.write_all_at(v2.as_bytes(), 0);
        }
        self.handle(HandleKind::FreezeV1).map_or(Ok(()), |file| file.write_all_at(v1.as_bytes(), 0))
    }

    fn cpu(&mut self, share: CpuShare) -> io::Result<()> {
        let quota = self.cpu_quota_micros;
        let (v1, v2) = match share {
            CpuShare::Unlimited => ("-1".to_owned(), format!("max {CPU_PERIOD_MICROS}")),
            CpuShare::Proportional => (quota.to_string(), format!("{quota} {CPU_PERIOD_MICROS}")),
        };
        if let Some(file) = self.handle(HandleKind::CpuMaxV2) {
            return file.write_all_at(v2.as_bytes(), 0);
        }
        self.handle(HandleKind::CpuQuotaV1)
            .map_or(Ok(()), |file| file.write_all_at(v1.as_bytes(), 0))
    }

    fn memory(&mut self) -> io::Result<MemoryFigures> {
        let mut buffer = [0; 4096];
        let Some(peak) = self.handle(HandleKind::MemoryPeak) else { return Ok(self.last) };
        let peak = parse_number(read_start(peak, &mut buffer)?);
        if peak != self.last_raw_peak {
            // Cached pages of files are counted as well, but they are not what the function used.
            let stat = self.handle(HandleKind::MemoryStat).expect("they come together");
            let cached = cached_bytes(read_start(stat, &mut buffer)?);
            self.last_raw_peak = peak;
            self.last.peak_bytes = self.last.peak_bytes.max(peak.saturating_sub(cached));
        }
        let events = self.handle(HandleKind::OomEvents).expect("they come together");
        self.last.kills = field(read_start(events, &mut buffer)?, "oom_kill");
        Ok(self.last)
    }

    async fn tear_down(&mut self) -> Result<(), Leak> {
        self.down = true;
        let limit = Duration::from_secs(limits::STOP_SECONDS_MAX);
        match self.link.ask(self.id, &Request::Stop { id: self.id }, limit).await {
            Ok(Outcome::Stopped { leak: None }) => Ok(()),
            Ok(Outcome::Stopped { leak: Some(leak) }) => Err(Leak(leak)),
            // Its end takes every environment with it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Ok(other) => Err(Leak(format!("the launcher answered {other:?}"))),
            Err(error) => Err(Leak(format!("the launcher did not stop it: {error}"))),
        }
    }
}

impl Drop for SandboxControl {
    fn drop(&mut self) {
        if !self.down {
            let _ = self.link.tell(&Request::Stop { id: self.id });
        }
    }
}

fn read_start<'a>(file: &File, buffer: &'a mut [u8]) -> io::Result<&'a str> {
    let length = file.read_at(buffer, 0)?;
    Ok(std::str::from_utf8(&buffer[..length]).unwrap_or_default())
}

fn parse_number(text: &str) -> u64 {
    text.trim().parse().unwrap_or(0)
}

/// The number behind a name, as in `oom_kill 3`.
fn field(text: &str, name: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(key, value)| (key == name).then(|| parse_number(value)))
        .unwrap_or(0)
}

fn cached_bytes(stat: &str) -> u64 {
    // Version 1 says `total_cache`, version 2 says `file`.
    field(stat, "total_cache").max(field(stat, "file"))
}

#[derive(Debug)]
struct TcpDoor(TcpListener);

#[async_trait]
impl Door for TcpDoor {
    async fn accept(&mut self) -> io::Result<Box<dyn Connection>> {
        let (stream, _) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

#[derive(Debug)]
struct PipeOutput(pipe::Receiver);

#[async_trait]
impl Output for PipeOutput {
    async fn readable(&mut self) -> io::Result<()> {
        self.0.readable().await
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_in_proportion_to_memory() {
        #[rustfmt::skip]
        let rows = [(1_769, 20_000), (3_538, 40_000), (128, 1_447), (884, 9_994), (1, 1_000)];
        for (memory_mb, quota) in rows {
            assert_eq!(cpu_quota_micros(memory_mb), quota, "{memory_mb} MB");
        }
    }

    #[test]
    fn figures_are_read_from_both_interfaces() {
        assert_eq!(cached_bytes("cache 5\ntotal_cache 77\n"), 77);
        assert_eq!(cached_bytes("anon 1\nfile 99\n"), 99);
        assert_eq!(field("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill"), 3);
        assert_eq!(field("", "oom_kill"), 0);
    }
}
