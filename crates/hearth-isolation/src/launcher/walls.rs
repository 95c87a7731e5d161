//! Building the walls of one environment: from a fork to the agent.
//!
//! The child does the work, straight down, as root of the launcher's namespaces: it enters its
//! groups, puts its file system together, sets up its network, listens, and only then becomes an
//! unprivileged user in a user namespace of its own. The function's files come later, from outside. Because the mount, network and process
//! namespaces belong to the outer user namespace, nothing that it can do inside its own gives it
//! power over them.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hearth_guest::agent::Agent;
use hearth_guest::confine::Limits;
use hearth_guest::protocol::{Report, StepFailed, TELEMETRY_DESCRIPTOR};
use hearth_guest::wire;

use super::fit::hand_over_namespace;
use super::{ENDPOINT_PORT, GATEWAY, Prepare, RUNTIME_API_PORT, step};
use crate::cgroups::Group;
use crate::linux;

/// The ids that the function sees itself as, as on AWS.
const UID_INSIDE: u32 = 993;
const GID_INSIDE: u32 = 990;

const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// How much output may wait in the pipe. A write that fits is never interleaved with another.
const OUTPUT_PIPE_BYTES: usize = 256 * 1024;

/// What the launcher has made ready.
pub(super) struct Plan<'a> {
    pub(super) prepare: &'a Prepare,
    pub(super) root: &'a Path,
    pub(super) attach_at: &'a Path,
    pub(super) group: &'a Group,
    pub(super) uid: u32,
}

/// The environment's first process, and our ends of what leads to it.
pub(super) struct Started {
    pub(super) pid: i32,
    /// For the server.
    pub(super) control: UnixStream,
    /// For the server.
    pub(super) output: OwnedFd,
    /// Brings the environment's mount namespace, before its walls are reported to stand.
    pub(super) namespace: UnixStream,
}

/// The child's ends, and the doors that it has to go through.
struct Inside {
    control: UnixStream,
    output: OwnedFd,
    namespace: UnixStream,
    entrances: Vec<fs::File>,
}

pub(super) fn start(plan: &Plan<'_>) -> Result<Started, StepFailed> {
    let (control, control_inside) = step("make its socket", UnixStream::pair())?;
    let (output, output_inside) = step("make its output pipe", output_pipe(plan.uid))?;
    let (namespace, namespace_inside) = step("make its socket", UnixStream::pair())?;
    step("make its socket", namespace.set_nonblocking(true))?;
    let entrances = step("open its cgroup", plan.group.entrances())?;
    let birthplace = step("open its cgroup", plan.group.birthplace())?;

    // SAFETY: the launcher has one thread.
    #[expect(unsafe_code, reason = "a fork is unsafe with threads, and here there are none")]
    let cloned = unsafe { linux::clone_process(NAMESPACES, birthplace.as_ref().map(AsFd::as_fd)) };
    match step("clone a process", cloned)? {
        Some(pid) => Ok(Started { pid, control, output, namespace }),
        None => {
            drop((control, output, namespace));
            let (control, output) = (control_inside, output_inside);
            live(plan, Inside { control, output, namespace: namespace_inside, entrances })
        }
    }
}

fn output_pipe(uid: u32) -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // Best effort: without the privilege for it the pipe keeps its usual size.
    let _ = rustix::pipe::fcntl_setpipe_size(&write, OUTPUT_PIPE_BYTES);
    // So that a function may open /dev/stdout again, as shell scripts do.
    let _ = rustix::fs::fchown(
        &write,
        Some(rustix::fs::Uid::from_raw(uid)),
        Some(rustix::fs::Gid::from_raw(uid)),
    );
    Ok((read, write))
}

/// The life of the child. Never returns to the launcher's code.
fn live(plan: &Plan<'_>, inside: Inside) -> ! {
    linux::name_process(c"hearth-agent");
    match build(plan, &inside) {
        Ok(listeners) => {
            let Inside { control, output, namespace, entrances } = inside;
            drop((namespace, entrances));
            let descriptors = listeners.each_ref().map(AsFd::as_fd);
            let up = wire::send(&control, &Report::WallsUp, &descriptors);
            drop(listeners);
            let prepare = plan.prepare;
            let limits = Limits { open_files: prepare.open_files, processes: prepare.processes };
            let served = up.and_then(|()| Agent { control, output, limits }.serve());
            linux::exit_now(i32::from(served.is_err()))
        }
        Err(failed) => {
            let _ = wire::send(&inside.control, &Report::WallsFailed(failed), &[]);
            linux::exit_now(1)
        }
    }
}

fn build(plan: &Plan<'_>, inside: &Inside) -> Result<[OwnedFd; 2], StepFailed> {
    step("let go of what is the launcher's", let_go(inside))?;
    // The launcher is spared by the memory killer. That must end here, while we may say so: later
    // a function could give itself back whatever it had inherited.
    step("be as killable as anybody", be_killable())?;
    step("enter its cgroup", enter(&inside.entrances))?;
    step("make its cgroup namespace", linux::unshare(libc::CLONE_NEWCGROUP))?;
    step("show its files", show_files(plan))?;
    step("hand over its mount namespace", hand_over_namespace(&inside.namespace))?;
    step("set up its network", linux::set_up_loopback(GATEWAY))?;
    let listen = |port| linux::listen(SocketAddrV4::new(GATEWAY, port));
    let runtime_api = step("listen for the Runtime API", listen(RUNTIME_API_PORT))?;
    let endpoint = step("listen for the endpoint", listen(ENDPOINT_PORT))?;
    let _ = rustix::system::sethostname(b"sandbox");
    step("become an unprivileged user", become_function_user(plan.uid))?;
    linux::hide_from_own_user();
    // Last, because the steps before it clear it.
    step("tie its life to the launcher's", linux::die_with_parent())?;
    Ok([runtime_api, endpoint])
}

/// The launcher holds what belongs to other environments, and the way to its own root. The agent
/// lives long and shall not keep any of that.
fn let_go(inside: &Inside) -> io::Result<()> {
    let mut kept = vec![inside.control.as_fd(), inside.output.as_fd(), inside.namespace.as_fd()];
    kept.extend(inside.entrances.iter().map(AsFd::as_fd));
    linux::close_all_but(&kept, TELEMETRY_DESCRIPTOR)
}

fn be_killable() -> io::Result<()> {
    const SCORE: &str = "/proc/self/oom_score_adj";
    match fs::write(SCORE, "0") {
        // Refused where it must stay above that, which is killable enough.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let score = fs::read_to_string(SCORE)?;
            if score.trim().parse::<i32>().is_ok_and(|score| score >= 0) {
                Ok(())
            } else {
                Err(error)
            }
        }
        other => other,
    }
}

fn enter(entrances: &[fs::File]) -> io::Result<()> {
    // A zero is whoever writes it.
    entrances.iter().try_for_each(|mut entrance| entrance.write_all(b"0"))
}

fn show_files(plan: &Plan<'_>) -> io::Result<()> {
    let at = plan.attach_at;
    linux::bind(plan.root, at, libc::MS_REC)?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    let proc = linux::Mount { source: Some(Path::new("proc")), kind: c"proc", flags, options: c"" };
    proc.at(&at.join("proc"))?;
    std::env::set_current_dir(at)?;
    linux::pivot_root_here()
}

fn become_function_user(uid: u32) -> io::Result<()> {
    // In the user namespace of an unprivileged launcher there is one user only: us.
    let lone = fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().nth(2) == Some("1"));
    let outside = if lone { 0 } else { uid };
    if !lone {
        linux::become_user(uid)?;
    }
    linux::unshare(libc::CLONE_NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{UID_INSIDE} {outside} 1"))?;
    fs::write("/proc/self/gid_map", format!("{GID_INSIDE} {outside} 1"))
}
