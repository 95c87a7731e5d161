//! The sandbox backend: walls made of Linux namespaces and control groups.
//!
//! Walls come about in two steps, each asked of the launcher: a *shell* stands for a root file
//! system, and then it is fitted to a function. A shell may have been built ahead of need
//! ([`crate::shells`]); else both steps follow each other. Walls have numbers of their own, because
//! a shell does not know which environment it will be.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
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
use hearth_types::function::Target;
use hearth_types::limits;
use hearth_types::tasks::Tasks;
use tokio::net::unix::pipe;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::cgroups::{CPU_PERIOD_MICROS, GroupLimits, HandleKind};
use crate::launcher::{Answer, Configuration, Fit, Prepare, Request, RootPlan};
use crate::link::{Link, Outcome};
use crate::shells::{ShellCounts, ShellPlan, Shells, WarmPlan};

/// Processes of an environment that are not the function's.
const AGENT_PROCESSES: u64 = 1;

/// What a shell is held to before it has a function. What runs in it is ours, limits can only be
/// lowered later, and it shall not take the CPU from those who work.
const SHELL_LIMITS: GroupLimits = GroupLimits {
    memory_bytes: limits::MEMORY_MB_MAX as u64 * 1024 * 1024,
    cpu_weight_thousandths: 10,
    processes: limits::PROCESSES_MAX + AGENT_PROCESSES,
};

/// Builds environments as Linux sandboxes.
#[derive(Debug)]
pub struct Sandbox {
    builder: Arc<Builder>,
    shells: Arc<Shells>,
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
    pub async fn start(
        tasks: &Tasks,
        configuration: Configuration,
        shells: ShellCounts,
    ) -> Result<Self, LaunchError> {
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
        let link = Link::start(socket, tasks);
        let builder = Arc::new(Builder { link, built: AtomicU64::new(0) });
        let shells = Arc::new(Shells::new(shells));
        tasks.spawn("shells", Arc::clone(&shells).keep(Arc::clone(&builder)));
        Ok(Self { builder, shells, launcher: Mutex::new(launcher) })
    }

    /// Waits until the launcher has ended, which it does not do by itself.
    pub async fn ended(&self) {
        self.builder.link.ended().await;
    }

    /// Ends the launcher and all that it has started, and waits for it. Blocking.
    pub fn close(&self) {
        self.builder.link.close();
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
        let _building = self.shells.building();
        let plans = ShellPlan::of(request);
        let ready = self.shells.take(&plans);
        self.shells.used(plans);
        let target = &request.target;
        let limits = group_limits(target);
        if let Some(shell) = ready {
            match self.builder.fit(shell, target, Some(limits)).await {
                Ok(walls) => return Ok(walls),
                // It may have ended while nobody looked. Another one is built now.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(environment = %request.id, error, "a shell was of no use");
                }
            }
        }
        let shell = self.builder.stand(&RootPlan::of(&request.runtime), limits).await?;
        self.builder.fit(shell, target, None).await
    }
}

/// Builds walls, step by step.
#[derive(Debug)]
pub(crate) struct Builder {
    link: Arc<Link>,
    built: AtomicU64,
}

/// Walls that stand and have no function yet. Torn down when dropped.
#[derive(Debug)]
pub(crate) struct Shell {
    control: SandboxControl,
    runtime_api: Box<dyn Door>,
    endpoint: Box<dyn Door>,
    output: Box<dyn Output>,
}

impl Builder {
    /// Builds a shell ahead of need. If it is a warm one, its interpreter waits in it, frozen.
    pub(crate) async fn shell(&self, plan: &ShellPlan) -> Result<Shell, BuildError> {
        let mut shell = self.stand(&plan.root, SHELL_LIMITS).await?;
        if let Some(warm) = &plan.warm
            && let Err(error) = shell.control.warm(warm).await
        {
            return Err(abandon(shell.control, BuildError::Launcher(error)).await);
        }
        Ok(shell)
    }

    /// Waits until there is nobody to build anything any more.
    pub(crate) async fn ended(&self) {
        self.link.ended().await;
    }

    /// Whether that is so.
    pub(crate) fn has_ended(&self) -> bool {
        self.link.is_gone()
    }

    async fn stand(&self, root: &RootPlan, limits: GroupLimits) -> Result<Shell, BuildError> {
        let id = self.built.fetch_add(1, Ordering::Relaxed);
        let prepare = Request::Prepare(Box::new(Prepare {
            id,
            root: root.clone(),
            limits,
            open_files: limits::OPEN_FILES_MAX,
            processes: limits::PROCESSES_MAX,
        }));
        let limit = Duration::from_secs(limits::WALLS_SECONDS_MAX);
        let outcome = self.link.ask(id, &prepare, limit).await.map_err(BuildError::Launcher)?;
        let (handles, descriptors) = match outcome {
            Outcome::Started { handles, descriptors } => (handles, descriptors),
            Outcome::Refused(failed) => return Err(BuildError::Step(failed)),
            Outcome::Fitted | Outcome::Stopped { .. } | Outcome::LauncherGone => {
                return Err(BuildError::Launcher(io::ErrorKind::BrokenPipe.into()));
            }
        };
        let walls = self.walls(id, handles, descriptors).map_err(BuildError::Launcher)?;
        let (mut control, output) = walls;
        match tokio::time::timeout(limit, control.walls_up()).await {
            Ok(Ok((runtime_api, endpoint))) => Ok(Shell { control, runtime_api, endpoint, output }),
            Ok(Err(error)) => Err(abandon(control, error).await),
            Err(_elapsed) => {
                let error = BuildError::Launcher(io::ErrorKind::TimedOut.into());
                Err(abandon(control, error).await)
            }
        }
    }

    /// Gives a shell its function: files, and limits if it has those of no function yet.
    async fn fit(
        &self,
        shell: Shell,
        target: &Target,
        limits: Option<GroupLimits>,
    ) -> Result<Walls, BuildError> {
        let Shell { mut control, runtime_api, endpoint, output } = shell;
        let fit = Request::Fit(Box::new(Fit {
            id: control.id,
            code: target.code.clone(),
            layers: target.layers.clone(),
            scratch_mb: target.ephemeral_storage_mb,
            limits,
        }));
        let limit = Duration::from_secs(limits::WALLS_SECONDS_MAX);
        let fitted = match self.link.ask(control.id, &fit, limit).await {
            Ok(Outcome::Fitted) => control.belong_to(target).map_err(BuildError::Launcher),
            Ok(Outcome::Refused(failed)) => Err(BuildError::Step(failed)),
            Ok(Outcome::Started { .. } | Outcome::Stopped { .. } | Outcome::LauncherGone) => {
                Err(BuildError::Launcher(io::ErrorKind::BrokenPipe.into()))
            }
            Err(error) => Err(BuildError::Launcher(error)),
        };
        match fitted {
            Ok(()) => Ok(Walls { control: Box::new(control), runtime_api, endpoint, output }),
            Err(error) => Err(abandon(control, error).await),
        }
    }

    fn walls(
        &self,
        id: u64,
        handles: Vec<HandleKind>,
        descriptors: Vec<OwnedFd>,
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
            warm: None,
            cpu_quota_micros: 0,
            last: MemoryFigures::default(),
            last_raw_peak: 0,
            down: false,
        };
        Ok((control, Box::new(PipeOutput(output))))
    }
}

async fn abandon(mut control: SandboxControl, error: BuildError) -> BuildError {
    if let Err(leak) = control.tear_down().await {
        tracing::error!(%leak, "walls that were never used");
    }
    error
}

fn group_limits(target: &Target) -> GroupLimits {
    GroupLimits {
        memory_bytes: u64::from(target.memory_mb) * 1024 * 1024,
        cpu_weight_thousandths: u64::from(target.memory_mb) * 1_000
            / u64::from(limits::MEMORY_MB_PER_VCPU),
        processes: limits::PROCESSES_MAX + AGENT_PROCESSES,
    }
}

/// AWS: 1,769 MB come with one virtual CPU. The kernel refuses quotas under a millisecond.
fn cpu_quota_micros(memory_mb: u32) -> u64 {
    let share = u64::from(memory_mb) * CPU_PERIOD_MICROS / u64::from(limits::MEMORY_MB_PER_VCPU);
    share.max(1_000)
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
    /// What waits inside for its function, if something does.
    warm: Option<WarmPlan>,
    /// Known when there is a function.
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
            | Report::Waiting
            | Report::NotWaiting
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

    /// Starts an interpreter that waits for its function, and freezes it as soon as it does.
    async fn warm(&mut self, warm: &WarmPlan) -> io::Result<()> {
        self.send(&AgentCommand::Warm(warm.program().clone()))?;
        let limit = Duration::from_secs(limits::WARM_SECONDS_MAX);
        match tokio::time::timeout(limit, self.report()).await {
            Ok(Ok(Report::Waiting)) => {}
            Ok(Ok(other)) => return Err(io::Error::other(format!("the agent said {other:?}"))),
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => return Err(io::ErrorKind::TimedOut.into()),
        }
        self.warm = Some(warm.clone());
        self.freeze(Freeze::Frozen)
    }

    /// The walls have got a function.
    fn belong_to(&mut self, target: &Target) -> io::Result<()> {
        self.cpu_quota_micros = cpu_quota_micros(target.memory_mb);
        if self.warm.is_some() { self.freeze(Freeze::Thawed) } else { Ok(()) }
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
        let continues = self.warm.as_ref().is_some_and(|warm| warm.serves(program));
        // What waits goes on at most once. A program that may bring extensions may come again.
        if program.extensions.is_none() {
            self.warm = None;
        }
        let program = program.clone();
        if continues {
            self.send(&AgentCommand::Continue(program))
        } else {
            self.send(&AgentCommand::Run(program))
        }
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
