//! What this host can enforce, found out by asking it and not by guessing from its version.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cgroups::{Hierarchies, Interface, Place};
use crate::linux;

/// Something that Hearth promises and this host cannot enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weakness {
    /// A function can use as much memory as it likes.
    NoMemoryLimit,
    /// A function can use as much CPU time as it likes.
    NoCpuLimit,
    /// The number of processes is held only by a limit per user.
    NoProcessLimit,
    /// Idle environments keep running.
    NoFreezer,
    /// What is in `/tmp` counts as the function's memory.
    ScratchInMemory,
    /// There is no namespace of some kind, so there are no walls at all.
    NoNamespaces,
    /// System calls are not filtered.
    NoSeccomp,
}

impl Weakness {
    /// Whether functions may run at all with this weakness, if the operator says so.
    #[must_use]
    pub fn is_bearable(self) -> bool {
        !matches!(self, Self::NoNamespaces | Self::NoSeccomp)
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoMemoryLimit => {
                "memory is neither limited nor measured: no writable memory controller (run as root, or delegate a cgroup)"
            }
            Self::NoCpuLimit => {
                "CPU is not limited: no writable cpu controller (run as root, or delegate a cgroup)"
            }
            Self::NoProcessLimit => {
                "processes are limited per user only: no writable pids controller"
            }
            Self::NoFreezer => "idle environments are not frozen: no writable freezer",
            Self::ScratchInMemory => {
                "/tmp counts as the function's memory: no loop devices, no mkfs.ext4, or not root"
            }
            Self::NoNamespaces => "there are no walls: the kernel refuses namespaces to this user",
            Self::NoSeccomp => "system calls are not filtered: the kernel has no seccomp",
        })
    }
}

/// One line of `hearth doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it is as it should be.
    pub good: bool,
}

/// What was found out about this host.
#[derive(Debug, Clone)]
pub struct Host {
    /// The groups that we may use, not yet made.
    pub hierarchies: Hierarchies,
    /// Whether `/tmp` can be on disk.
    pub scratch_on_disk: bool,
    /// What cannot be enforced.
    pub weaknesses: Vec<Weakness>,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
}

/// Looks at this host. Takes some ten milliseconds and changes nothing.
#[must_use]
pub fn examine() -> Host {
    let hierarchies = Hierarchies::of_this_process().unwrap_or_default();
    let usable = usable(&hierarchies);
    let namespaces = namespaces_work();
    let seccomp = Path::new("/proc/sys/kernel/seccomp/actions_avail").exists();
    let scratch_on_disk = loop_devices_work();

    let mut weaknesses = weaknesses_of(&usable);
    let mut note = |missing: bool, weakness| {
        if missing {
            weaknesses.push(weakness);
        }
    };
    note(!scratch_on_disk, Weakness::ScratchInMemory);
    note(!namespaces, Weakness::NoNamespaces);
    note(!seccomp, Weakness::NoSeccomp);

    let mut findings = vec![
        finding("user", user(), true),
        finding("namespaces", works(namespaces), namespaces),
        finding("seccomp", works(seccomp), seccomp),
    ];
    for (subject, place) in [
        ("memory limit", &usable.memory),
        ("CPU limit", &usable.cpu),
        ("process limit", &usable.pids),
        ("freezer", &usable.freezer),
    ] {
        findings.push(finding(subject, describe(place.as_ref()), place.is_some()));
    }
    findings.push(finding("/tmp on disk", works(scratch_on_disk), scratch_on_disk));
    let kvm = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    let kvm_text = if kvm { "present (not used yet)" } else { "absent (not needed)" };
    findings.push(finding("KVM", kvm_text.to_owned(), true));
    Host { hierarchies: usable, scratch_on_disk, weaknesses, findings }
}

impl Host {
    /// Makes our groups, called `name`, and looks again: what can be written to may still refuse
    /// to be used, and that is a weakness like any other.
    #[must_use]
    pub fn prepare(mut self, name: &str) -> Self {
        self.hierarchies = self.hierarchies.prepare(name);
        for weakness in weaknesses_of(&self.hierarchies) {
            if !self.weaknesses.contains(&weakness) {
                self.weaknesses.push(weakness);
            }
        }
        self
    }
}

/// What cannot be enforced with these groups.
fn weaknesses_of(hierarchies: &Hierarchies) -> Vec<Weakness> {
    let rows = [
        (hierarchies.memory.is_none(), Weakness::NoMemoryLimit),
        (hierarchies.cpu.is_none(), Weakness::NoCpuLimit),
        (hierarchies.pids.is_none(), Weakness::NoProcessLimit),
        (hierarchies.freezer.is_none(), Weakness::NoFreezer),
    ];
    rows.into_iter().filter(|(missing, _)| *missing).map(|(_, weakness)| weakness).collect()
}

fn finding(subject: &'static str, found: String, good: bool) -> Finding {
    Finding { subject, found, good }
}

fn works(good: bool) -> String {
    (if good { "works" } else { "not available" }).to_owned()
}

fn user() -> String {
    match linux::effective_uid() {
        0 => "root".to_owned(),
        uid => format!("uid {uid}: limits need a delegated cgroup"),
    }
}

fn describe(place: Option<&Place>) -> String {
    place.map_or_else(
        || "not available".to_owned(),
        |place| {
            let interface = match place.interface {
                Interface::V1 => "cgroup v1",
                Interface::V2 => "cgroup v2",
            };
            format!("{interface} at {}", place.directory.display())
        },
    )
}

/// Only what we may write to is of use.
fn usable(found: &Hierarchies) -> Hierarchies {
    let writable = |place: &Option<Place>| {
        place.clone().filter(|place| {
            rustix::fs::access(&place.directory, rustix::fs::Access::WRITE_OK).is_ok()
        })
    };
    Hierarchies {
        memory: writable(&found.memory),
        cpu: writable(&found.cpu),
        pids: writable(&found.pids),
        freezer: writable(&found.freezer),
    }
}

/// The kernel may have namespaces and still refuse them to an unprivileged user.
fn namespaces_work() -> bool {
    let kinds = ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"];
    let exist = kinds.iter().all(|kind| Path::new("/proc/self/ns").join(kind).exists());
    let user_namespaces = fs::read_to_string("/proc/sys/user/max_user_namespaces");
    let some_left = user_namespaces.is_ok_and(|text| text.trim() != "0");
    let unprivileged = fs::read_to_string("/proc/sys/kernel/unprivileged_userns_clone");
    let not_refused = unprivileged.map_or(true, |text| text.trim() != "0");
    exist && some_left && (linux::effective_uid() == 0 || not_refused)
}

fn loop_devices_work() -> bool {
    linux::effective_uid() == 0
        && Path::new("/dev/loop-control").exists()
        && fs::read_to_string("/proc/filesystems").is_ok_and(|all| all.contains("ext4"))
        && Command::new("mkfs.ext4")
            .arg("-V")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
}
