//! The launcher: the process that builds walls, and nothing else.
//!
//! Started by the server as `hearth launcher`, with one socket. It has one thread, which is why it
//! may fork; it is the only part of Hearth that needs privileges while functions run. It keeps its
//! mounts in a namespace of its own, so that they are gone when it is gone.
//!
//! ```text
//!  Configure ──▶ Configured
//!  Prepare ────▶ Started (descriptors) or NotStarted          … WallsUp comes from the agent
//!  Fit ────────▶ Fitted or NotFitted                          … only after WallsUp
//!  Stop ───────▶ Stopped, when the last process and the last group are gone
//! ```
//!
//! `Prepare` builds walls that stand for a root file system and know no function; `Fit` gives them
//! one. The time in between may be nothing or hours. What was refused by `Fit` has to be stopped.
//!
//! When the socket is closed, every environment is stopped and the launcher ends.

mod root;
mod scratch;
mod walls;
mod fit;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use hearth_guest::agent::{child_signals, drain_signals};
use hearth_guest::protocol::StepFailed;
use hearth_guest::wire::{self, Frames};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use self::scratch::Want;
use crate::cgroups::{Group, GroupLimits, HandleKind, Hierarchies};
use crate::linux;

/// The address at which an environment finds its Runtime API, as on AWS.
pub const GATEWAY: std::net::Ipv4Addr = std::net::Ipv4Addr::new(169, 254, 100, 1);
/// The port of the Runtime API, as on AWS.
pub const RUNTIME_API_PORT: u16 = 9001;
/// The port at which an SDK inside the environment finds this server.
pub const ENDPOINT_PORT: u16 = 4566;

/// What the server asks of the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// First, once.
    Configure(Configuration),
    /// Build walls.
    Prepare(Box<Prepare>),
    /// Give walls that stand a function.
    Fit(Box<Fit>),
    /// Take an environment down, whatever it is doing.
    Stop {
        /// Which one.
        id: u64,
    },
}

/// What the launcher tells the server.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The launcher is ready.
    Configured,
    /// It is not, and ends.
    NotConfigured(StepFailed),
    /// The environment's first process exists. With this come, in this order: the socket to its
    /// agent, the pipe with its output, and one descriptor per handle.
    Started {
        /// Which one.
        id: u64,
        /// What the descriptors after the first two are.
        handles: Vec<HandleKind>,
    },
    /// The environment could not be made; nothing is left of it.
    NotStarted {
        /// Which one.
        id: u64,
        /// Why.
        failed: StepFailed,
    },
    /// The walls have their function's files and limits.
    Fitted {
        /// Which ones.
        id: u64,
    },
    /// They have not, or not all of them.
    NotFitted {
        /// Which ones.
        id: u64,
        /// Why.
        failed: StepFailed,
    },
    /// The environment is gone.
    Stopped {
        /// Which one.
        id: u64,
        /// What could not be given back, if anything.
        leak: Option<String>,
    },
}

/// What is the same for all environments.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Configuration {
    /// A directory of our own, for mount points and scratch files.
    pub directory: PathBuf,
    /// Where the groups go.
    pub hierarchies: Hierarchies,
    /// The first of the user ids that environments run as; each has its own.
    pub uid_base: u32,
    /// Whether `/tmp` is a file system of its own, on disk.
    pub scratch_on_disk: bool,
}

/// Walls to build.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prepare {
    /// Which ones. The server counts them; a number comes only once.
    pub id: u64,
    /// The root file system.
    pub root: RootPlan,
    /// What the group is held to, for the time being.
    pub limits: GroupLimits,
    /// Open files of one process.
    pub open_files: u64,
    /// Processes of the user.
    pub processes: u64,
}

/// What a function adds to walls that stand.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Fit {
    /// Which walls.
    pub id: u64,
    /// Shown at `/var/task`.
    pub code: PathBuf,
    /// Shown at `/opt`.
    pub layers: Option<PathBuf>,
    /// The size of `/tmp`.
    pub scratch_mb: u32,
    /// What the group is held to from now on; `None` if it was prepared for this function.
    pub limits: Option<GroupLimits>,
}

/// A root file system, the same for all environments of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RootPlan {
    /// An unpacked base image; without one, the host's programs and libraries are shown.
    pub tree: Option<PathBuf>,
    /// Directories to show read-only: from the host, in the environment.
    pub shown: Vec<(PathBuf, PathBuf)>,
}

struct Environment {
    pid: i32,
    uid: u32,
    group: Group,
    /// Brings its mount namespace; `None` when it has its function.
    namespace: Option<UnixStream>,
    stopping: bool,
}

/// How many user ids there are for environments, from the first on.
const UIDS: u64 = 60_000;
/// How long nobody must have asked for anything before a second `/tmp` is made ahead: that takes ten
/// milliseconds, in which nobody is served.
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

struct Launcher {
    server: UnixStream,
    configuration: Configuration,
    home: fit::Home,
    roots: root::Roots,
    scratch: scratch::Scratch,
    environments: HashMap<u64, Environment>,
}

/// Runs the launcher on its socket. Returns when the server is gone and everything is cleaned up.
///
/// # Errors
///
/// If it could not be configured, or the socket failed.
pub fn run(server: UnixStream) -> io::Result<()> {
    linux::name_process(c"hearth-launcher");
    // As on AWS, whatever the server was started with; and roots must be passable for functions.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    ignore_terminal_signals();
    let mut frames = Frames::default();
    let configuration = loop {
        wire::receive_into(&server, &mut frames)?;
        match frames.take()? {
            Some(Request::Configure(configuration)) => break configuration,
            Some(_) => return Err(io::Error::other("asked before it was configured")),
            None => {}
        }
    };
    let children = child_signals()?;
    match Launcher::new(server.try_clone()?, configuration) {
        Ok(mut launcher) => {
            wire::send(&server, &Answer::Configured, &[])?;
            let ended = launcher.serve(&children, &mut frames);
            launcher.stop_all(&children);
            match ended {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                other => other,
            }
        }
        Err(failed) => wire::send(&server, &Answer::NotConfigured(failed), &[]),
    }
}

/// Ctrl-C goes to the whole group of processes; the server decides when we end.
fn ignore_terminal_signals() {
    // SAFETY: SIG_IGN is a valid disposition. Environments reset it before they execute anything.
    #[expect(unsafe_code, reason = "dispositions of signals have no safe interface")]
    unsafe {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Adds to an error what was being done.
fn step<T>(doing: &str, result: io::Result<T>) -> Result<T, StepFailed> {
    result.map_err(|error| StepFailed { step: doing.to_owned(), reason: error.to_string() })
}

impl Launcher {
    fn new(server: UnixStream, configuration: Configuration) -> Result<Self, StepFailed> {
        if linux::effective_uid() != 0 {
            step("become root of an own user namespace", become_root_of_own_namespace())?;
        }
        step("make an own mount namespace", linux::unshare(libc::CLONE_NEWNS))?;
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        let private = linux::Mount { source: None, kind: c"", flags, options: c"" };
        step("keep own mounts private", private.at(std::path::Path::new("/")))?;
        let home = step("remember its own mount namespace", fit::Home::here())?;
        let roots = root::Roots::new(&configuration.directory)?;
        let scratch = scratch::Scratch::new(&configuration)?;
        // The memory killer should take a function before it takes us.
        let _ = std::fs::write("/proc/self/oom_score_adj", "-900");
        let environments = HashMap::new();
        Ok(Self { server, configuration, home, roots, scratch, environments })
    }

    fn serve(&mut self, children: &OwnedFd, frames: &mut Frames) -> io::Result<()> {
        loop {
            while let Some(request) = frames.take()? {
                self.obey(request)?;
            }
            let mut ready =
                [PollFd::new(&self.server, PollFlags::IN), PollFd::new(children, PollFlags::IN)];
            match poll(&mut ready, self.patience().as_ref()) {
                Ok(0) => self.scratch.make_ahead(),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [asked, ended] = ready.map(|ready| !ready.revents().is_empty());
            if ended {
                drain_signals(children);
                self.reap()?;
            }
            if asked {
                let server = self.server.try_clone()?;
                wire::receive_into(&server, frames)?;
            }
        }
    }

    /// How long to wait for a request before making a `/tmp` ahead.
    fn patience(&self) -> Option<Timespec> {
        let unfitted = || self.environments.values().any(|one| one.namespace.is_some());
        match self.scratch.want() {
            // It is going to be asked for, and these walls are still being built elsewhere.
            Want::First if unfitted() => Some(AT_ONCE),
            Want::First | Want::Another => Some(QUIET),
            Want::Nothing => None,
        }
    }

    fn obey(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Configure(_) => Err(io::Error::other("configured twice")),
            Request::Prepare(prepare) => match self.prepare(&prepare) {
                Ok(()) => Ok(()),
                Err(failed) => self.answer(&Answer::NotStarted { id: prepare.id, failed }),
            },
            Request::Fit(fit) => match self.fit(&fit) {
                Ok(()) => self.answer(&Answer::Fitted { id: fit.id }),
                Err(failed) => self.answer(&Answer::NotFitted { id: fit.id, failed }),
            },
            Request::Stop { id } => match self.environments.get_mut(&id) {
                Some(environment) => {
                    environment.stopping = true;
                    environment.group.kill();
                    linux::kill(environment.pid);
                    Ok(())
                }
                // It ended by itself and was never started as far as the server knows.
                None => self.answer(&Answer::Stopped { id, leak: None }),
            },
        }
    }

    fn prepare(&mut self, prepare: &Prepare) -> Result<(), StepFailed> {
        let root = self.roots.template(&prepare.root)?;
        let uid = self.uid(prepare.id);
        let name = format!("e{}", prepare.id);
        let hierarchies = &self.configuration.hierarchies;
        let group = step("make its cgroup", Group::make(hierarchies, &name, &prepare.limits))?;
        let attach_at = self.roots.attach_at();
        let started =
            walls::start(&walls::Plan { prepare, root: &root, attach_at, group: &group, uid });
        let walls::Started { pid, control, output, namespace } = match started {
            Ok(started) => started,
            Err(failed) => {
                let _ = group.remove();
                return Err(failed);
            }
        };
        let handles = step("open its cgroup", group.handles());
        let namespace = Some(namespace);
        // The first process exists: whatever happens now, it is taken down like any other.
        let environment = Environment { pid, uid, group, namespace, stopping: false };
        let handles = match handles {
            Ok(handles) => handles,
            Err(failed) => {
                environment.group.kill();
                linux::kill(pid);
                self.environments.insert(prepare.id, environment);
                return Err(failed);
            }
        };
        let kinds = handles.iter().map(|(kind, _)| *kind).collect();
        let descriptors: Vec<BorrowedFd<'_>> = [control.as_fd(), output.as_fd()]
            .into_iter()
            .chain(handles.iter().map(|(_, file)| file.as_fd()))
            .collect();
        let answer = Answer::Started { id: prepare.id, handles: kinds };
        let sent = wire::send(&self.server, &answer, &descriptors);
        self.environments.insert(prepare.id, environment);
        step("hand the environment over", sent)
    }

    fn fit(&mut self, fit: &Fit) -> Result<(), StepFailed> {
        let gone = || io::Error::other("these walls are not there, or have a function already");
        let environment = self.environments.get_mut(&fit.id);
        let environment = step("find the walls", environment.ok_or_else(gone))?;
        let namespace = step("find the walls", environment.namespace.take().ok_or_else(gone))?;
        let namespace = step("find their mount namespace", fit::take_namespace(&namespace))?;
        if let Some(limits) = &fit.limits {
            step("set the limits of its cgroup", environment.group.limit(limits))?;
        }
        let code = step("show its code", linux::detached_read_only(&fit.code))?;
        let mut mounts = vec![(code, "/var/task")];
        if let Some(layers) = &fit.layers {
            mounts.push((step("show its layers", linux::detached_read_only(layers))?, "/opt"));
        }
        mounts.push((self.scratch.take(fit.scratch_mb, environment.uid)?, "/tmp"));
        step("show its files", self.home.attach(&namespace, &mounts))
    }

    /// A user that no other environment has. A shell may wait until the numbers come around, so the
    /// next one that is free is taken.
    fn uid(&self, id: u64) -> u32 {
        let base = self.configuration.uid_base;
        let user = |number: u64| base + u32::try_from(number % UIDS).expect("smaller than 60,000");
        let taken = |uid: u32| self.environments.values().any(|one| one.uid == uid);
        (id..id + UIDS).map(user).find(|uid| !taken(*uid)).unwrap_or(base)
    }

    fn reap(&mut self) -> io::Result<()> {
        while let Some(pid) = linux::reap() {
            let ended = self.environments.iter().find(|(_, one)| one.pid == pid).map(|(id, _)| *id);
            let Some(id) = ended else { continue };
            let Some(environment) = self.environments.remove(&id) else { continue };
            // Its first process is gone, and with it the whole process namespace. An end that
            // nobody asked for reaches the server as the end of the agent's socket; it answers
            // with Stop and is told then.
            let leak = remove_patiently(&environment.group);
            if environment.stopping {
                self.answer(&Answer::Stopped { id, leak })?;
            } else if let Some(leak) = leak {
                self.answer(&Answer::Stopped { id, leak: Some(leak) })?;
            }
        }
        Ok(())
    }

    fn answer(&self, answer: &Answer) -> io::Result<()> {
        wire::send(&self.server, answer, &[])
    }

    /// The server is gone: leave nothing behind.
    fn stop_all(&mut self, children: &OwnedFd) {
        for environment in self.environments.values() {
            environment.group.kill();
            linux::kill(environment.pid);
        }
        while !self.environments.is_empty() {
            let mut ready = [PollFd::new(children, PollFlags::IN)];
            let limit = Timespec { tv_sec: 5, tv_nsec: 0 };
            if poll(&mut ready, Some(&limit)) == Ok(0) {
                break; // A process that the kernel cannot end; the next start sweeps.
            }
            drain_signals(children);
            while let Some(pid) = linux::reap() {
                self.environments.retain(|_, one| {
                    let gone = one.pid == pid;
                    if gone {
                        let _ = remove_patiently(&one.group);
                    }
                    !gone
                });
            }
        }
        for directory in self.configuration.hierarchies.directories() {
            let _ = crate::cgroups::remove_group(&directory);
        }
    }
}

/// A group is busy for a moment after its last process was reaped.
fn remove_patiently(group: &Group) -> Option<String> {
    let mut last = None;
    for _round in 0..200 {
        match group.remove() {
            Ok(()) => return None,
            Err(error) => last = Some(error.to_string()),
        }
        let pause = Timespec { tv_sec: 0, tv_nsec: 500_000 };
        let _ = rustix::thread::nanosleep(&pause);
    }
    last.map(|reason| format!("a control group could not be removed: {reason}"))
}

/// Without privileges: a user namespace in which we are root, so that we may mount and unshare.
fn become_root_of_own_namespace() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    linux::unshare(libc::CLONE_NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}
