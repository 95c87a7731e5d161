//! Control groups of version 1, version 2, and both at once.
//!
//! Each thing that we need (memory, CPU, number of processes, freezing) is looked for where this
//! host has it: a controller of version 2 if it is there, else the hierarchy of version 1. Freezing
//! and killing are core features of version 2 and are used even when it has no controllers.
//!
//! [`Hierarchies::read`] is pure: it is a function of `/proc/self/mountinfo` and
//! `/proc/self/cgroup`. [`Hierarchies::prepare`] makes our parent groups; [`Group`] is the group of
//! one environment, in every hierarchy that is used.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Which interface a directory speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Interface {
    /// One hierarchy per controller.
    V1,
    /// The unified hierarchy.
    V2,
}

/// A parent directory for our groups, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The interface.
    pub interface: Interface,
    /// The directory.
    pub directory: PathBuf,
}

/// Where each thing is done on this host. `None` is what this host cannot do for us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hierarchies {
    /// Memory limit and figures.
    pub memory: Option<Place>,
    /// CPU quota.
    pub cpu: Option<Place>,
    /// Number of processes.
    pub pids: Option<Place>,
    /// Freezing.
    pub freezer: Option<Place>,
}

/// How long one period of the CPU quota is. Short, so that a small function is slowed down evenly
/// and not stopped for most of a tenth of a second.
pub const CPU_PERIOD_MICROS: u64 = 20_000;

impl Hierarchies {
    /// Finds the hierarchies of the calling process, each at the group that the process is in.
    #[must_use]
    pub fn read(mountinfo: &str, own_groups: &str) -> Self {
        let mut found = Self::default();
        let mut unified = None;
        for line in mountinfo.lines() {
            let Some(mount) = Mount::parse(line) else { continue };
            if mount.kind == "cgroup2" {
                let own = own_group(own_groups, "").unwrap_or("/");
                unified = Some(mount.place(Interface::V2, own));
            } else if mount.kind == "cgroup" {
                for controller in mount.options.split(',') {
                    let Some(own) = own_group(own_groups, controller) else { continue };
                    let place = Some(mount.place(Interface::V1, own));
                    match controller {
                        "memory" => found.memory = place,
                        "cpu" => found.cpu = place,
                        "pids" => found.pids = place,
                        "freezer" => found.freezer = place,
                        _ => {}
                    }
                }
            }
        }
        if let Some(unified) = unified {
            let has = |controller| found_in(&unified.directory, controller);
            for (controller, slot) in
                [("memory", &mut found.memory), ("cpu", &mut found.cpu), ("pids", &mut found.pids)]
            {
                if slot.is_none() && has(controller) {
                    *slot = Some(unified.clone());
                }
            }
            // Freezing needs no controller, and killing what is frozen works only here.
            found.freezer = Some(unified);
        }
        found
    }

    /// The hierarchies of this process.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn of_this_process() -> io::Result<Self> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(Self::read(&mountinfo, &fs::read_to_string("/proc/self/cgroup")?))
    }

    /// Everywhere that [`Hierarchies::prepare`] might make a group of this name.
    #[must_use]
    pub fn planned(&self, name: &str) -> BTreeSet<PathBuf> {
        [&self.memory, &self.cpu, &self.pids, &self.freezer]
            .into_iter()
            .flatten()
            .flat_map(|place| [place.directory.join(name), place.root().directory.join(name)])
            .collect()
    }

    /// Makes a group called `name` in each hierarchy, to hold the groups of our environments, and
    /// leaves out what cannot be done there.
    ///
    /// In version 2 a process is in one group only, so everything of version 2 goes below one
    /// parent: the first place where all of its controllers can be passed on.
    #[must_use]
    pub fn prepare(&self, name: &str) -> Self {
        let mut prepared = Self::default();
        let unified: Vec<(Controller, &Place)> =
            self.slots().filter(|(_, place)| place.interface == Interface::V2).collect();
        if let Some((_, own)) = unified.first() {
            let wanted: Vec<Controller> =
                unified.iter().map(|(controller, _)| *controller).collect();
            let candidates = [own.in_a_leaf(), Some((*own).clone()), Some(own.root())];
            let whole =
                candidates.iter().flatten().find_map(|place| place.prepare(name, &wanted).ok());
            let partly = || own.prepare(name, &[Controller::Freezer]).ok();
            match whole {
                Some(place) => wanted.iter().for_each(|one| prepared.set(*one, &place)),
                None => partly().iter().for_each(|place| prepared.set(Controller::Freezer, place)),
            }
        }
        for (controller, place) in
            self.slots().filter(|(_, place)| place.interface == Interface::V1)
        {
            let candidates = [place.clone(), place.root()];
            let made = candidates.iter().find_map(|place| place.prepare(name, &[controller]).ok());
            made.iter().for_each(|place| prepared.set(controller, place));
        }
        prepared
    }

    /// The group of this process that counts its memory, before anything is made below it.
    #[must_use]
    pub fn own_memory() -> Option<Place> {
        Self::of_this_process().ok()?.memory
    }

    /// The group of this process that counts processes, before anything is made below it.
    #[must_use]
    pub fn own_pids() -> Option<Place> {
        Self::of_this_process().ok()?.pids
    }

    /// Holds all environments together to so much memory: what each of them may have is not the
    /// whole truth when there are many.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn limit_memory(&self, megabytes: u64) -> io::Result<()> {
        let Some(Place { interface, directory }) = &self.memory else { return Ok(()) };
        let file = match interface {
            Interface::V1 => "memory.limit_in_bytes",
            Interface::V2 => "memory.max",
        };
        fs::write(directory.join(file), megabytes.saturating_mul(1024 * 1024).to_string())
    }

    fn slots(&self) -> impl Iterator<Item = (Controller, &Place)> {
        [
            (Controller::Memory, &self.memory),
            (Controller::Cpu, &self.cpu),
            (Controller::Pids, &self.pids),
            (Controller::Freezer, &self.freezer),
        ]
        .into_iter()
        .filter_map(|(controller, place)| place.as_ref().map(|place| (controller, place)))
    }

    fn set(&mut self, controller: Controller, place: &Place) {
        let slot = match controller {
            Controller::Memory => &mut self.memory,
            Controller::Cpu => &mut self.cpu,
            Controller::Pids => &mut self.pids,
            Controller::Freezer => &mut self.freezer,
        };
        *slot = Some(place.clone());
    }

    /// The distinct directories.
    #[must_use]
    pub fn directories(&self) -> BTreeSet<PathBuf> {
        [&self.memory, &self.cpu, &self.pids, &self.freezer]
            .into_iter()
            .flatten()
            .map(|place| place.directory.clone())
            .collect()
    }
}

impl Place {
    /// The root of the same hierarchy: where to go when the own group may not have children.
    fn root(&self) -> Self {
        let mut directory = self.directory.clone();
        while directory.parent().is_some_and(|parent| parent.join("cgroup.procs").exists()) {
            directory.pop();
        }
        Self { interface: self.interface, directory }
    }

    /// For a group of version 2 that only this process is in, such as that of a service with
    /// delegation: a group with processes may not pass controllers on, so the process moves into a
    /// leaf of it. `None` where that is not so.
    fn in_a_leaf(&self) -> Option<Self> {
        let members = fs::read_to_string(self.directory.join("cgroup.procs")).ok()?;
        let own = std::process::id().to_string();
        // The root has no such limit, and no such file as this one.
        let is_root = !self.directory.join("cgroup.type").exists();
        if is_root || members.lines().any(|member| member != own) {
            return None;
        }
        let leaf = self.directory.join("hearth-server");
        make_directory(&leaf).ok()?;
        fs::write(leaf.join("cgroup.procs"), own).ok()?;
        Some(self.clone())
    }

    fn prepare(&self, name: &str, controllers: &[Controller]) -> io::Result<Self> {
        let directory = self.directory.join(name);
        // Children have a controller only if each parent passes it on.
        let passed_on: Vec<&str> = match self.interface {
            Interface::V1 => Vec::new(),
            Interface::V2 => controllers.iter().filter_map(|one| one.passed_on()).collect(),
        };
        for controller in &passed_on {
            fs::write(self.directory.join("cgroup.subtree_control"), controller)?;
        }
        make_directory(&directory)?;
        for controller in &passed_on {
            if let Err(error) = fs::write(directory.join("cgroup.subtree_control"), controller) {
                let _ = fs::remove_dir(&directory);
                return Err(error);
            }
        }
        Ok(Self { interface: self.interface, directory })
    }
}

/// What is done with groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Controller {
    Memory,
    Cpu,
    Pids,
    Freezer,
}

impl Controller {
    /// What is written to pass it on to children. Freezing is not a controller of version 2.
    fn passed_on(self) -> Option<&'static str> {
        match self {
            Self::Memory => Some("+memory"),
            Self::Cpu => Some("+cpu"),
            Self::Pids => Some("+pids"),
            Self::Freezer => None,
        }
    }
}

fn make_directory(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn found_in(directory: &Path, controller: &str) -> bool {
    fs::read_to_string(directory.join("cgroup.controllers"))
        .is_ok_and(|all| all.split_whitespace().any(|one| one == controller))
}

struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 98:0 /root /point rw,noatime master:1 - kind source options`
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let mut right = right.split(' ');
        let (root, point) = (left.next()?, left.next()?);
        let (kind, _source, options) = (right.next()?, right.next()?, right.next()?);
        Some(Self { root, point, kind, options })
    }

    /// The directory of a group. Inside a container the mount may show only a part of the tree.
    fn place(&self, interface: Interface, group: &str) -> Place {
        let below =
            if self.root == "/" { group } else { group.strip_prefix(self.root).unwrap_or("/") };
        let directory = Path::new(self.point).join(below.trim_start_matches('/'));
        Place { interface, directory }
    }
}

/// The path in a line `5:cpu,cpuacct:/path`; version 2 has the line `0::/path`.
fn own_group<'a>(own_groups: &'a str, controller: &str) -> Option<&'a str> {
    own_groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        controllers.split(',').any(|one| one == controller).then_some(path)
    })
}

/// What one environment is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLimits {
    /// Memory, without swap.
    pub memory_bytes: u64,
    /// What it weighs against others when the CPU is scarce, in thousandths of a virtual CPU.
    pub cpu_weight_thousandths: u64,
    /// Processes and threads, the agent included.
    pub processes: u64,
}

/// The groups of one environment.
#[derive(Debug)]
pub struct Group {
    hierarchies: Hierarchies,
    directories: BTreeSet<PathBuf>,
}

impl Group {
    /// Makes the groups and sets their limits.
    ///
    /// # Errors
    ///
    /// The first thing that the kernel refused; what was made before it is removed.
    pub fn make(hierarchies: &Hierarchies, name: &str, limits: &GroupLimits) -> io::Result<Self> {
        let own = |place: &Option<Place>| {
            place.as_ref().map(|place| Place {
                interface: place.interface,
                directory: place.directory.join(name),
            })
        };
        let hierarchies = Hierarchies {
            memory: own(&hierarchies.memory),
            cpu: own(&hierarchies.cpu),
            pids: own(&hierarchies.pids),
            freezer: own(&hierarchies.freezer),
        };
        let group = Self { directories: hierarchies.directories(), hierarchies };
        let made = group.directories.iter().try_for_each(|directory| make_directory(directory));
        if let Err(error) = made.and_then(|()| group.limit(limits)) {
            let _ = group.remove();
            return Err(error);
        }
        Ok(group)
    }

    /// Sets the limits. They may be lowered later, and not raised.
    ///
    /// # Errors
    ///
    /// The first thing that the kernel refused.
    pub fn limit(&self, limits: &GroupLimits) -> io::Result<()> {
        if let Some(Place { interface, directory }) = &self.hierarchies.memory {
            let bytes = limits.memory_bytes.to_string();
            match interface {
                Interface::V1 => {
                    fs::write(directory.join("memory.limit_in_bytes"), &bytes)?;
                    // Present only if the kernel accounts for swap.
                    optional(fs::write(directory.join("memory.memsw.limit_in_bytes"), &bytes))?;
                }
                Interface::V2 => {
                    fs::write(directory.join("memory.max"), &bytes)?;
                    optional(fs::write(directory.join("memory.swap.max"), "0"))?;
                }
            }
        }
        if let Some(Place { interface, directory }) = &self.hierarchies.cpu {
            let thousandths = limits.cpu_weight_thousandths;
            match interface {
                Interface::V1 => {
                    let period = CPU_PERIOD_MICROS.to_string();
                    fs::write(directory.join("cpu.cfs_period_us"), period)?;
                    let shares = (thousandths * 1_024 / 1_000).max(2);
                    fs::write(directory.join("cpu.shares"), shares.to_string())?;
                }
                Interface::V2 => {
                    let weight = (thousandths / 10).clamp(1, 10_000);
                    fs::write(directory.join("cpu.weight"), weight.to_string())?;
                }
            }
        }
        if let Some(Place { directory, .. }) = &self.hierarchies.pids {
            fs::write(directory.join("pids.max"), limits.processes.to_string())?;
        }
        Ok(())
    }

    /// The files through which a process with one thread enters the groups of version 1, by
    /// writing `0`.
    ///
    /// It is `tasks` and not `cgroup.procs`: a thread that moves itself needs no lock on all
    /// processes of the machine, which costs up to ten milliseconds to get.
    ///
    /// # Errors
    ///
    /// If one cannot be opened.
    pub fn entrances(&self) -> io::Result<Vec<fs::File>> {
        let places = [&self.hierarchies.memory, &self.hierarchies.cpu, &self.hierarchies.pids];
        let all = places.into_iter().chain([&self.hierarchies.freezer]).flatten();
        let first: BTreeSet<&PathBuf> = all
            .filter(|place| place.interface == Interface::V1)
            .map(|place| &place.directory)
            .collect();
        first.into_iter().map(|directory| open_to_write(&directory.join("tasks"))).collect()
    }

    /// The group of version 2, for a process to be born in.
    ///
    /// # Errors
    ///
    /// If it cannot be opened.
    pub fn birthplace(&self) -> io::Result<Option<fs::File>> {
        let places = [&self.hierarchies.freezer, &self.hierarchies.memory];
        let unified = places.into_iter().flatten().find(|place| place.interface == Interface::V2);
        unified.map(|place| fs::File::open(&place.directory)).transpose()
    }

    /// The files that the server uses while the environment lives.
    ///
    /// # Errors
    ///
    /// If one cannot be opened.
    pub fn handles(&self) -> io::Result<Vec<(HandleKind, fs::File)>> {
        use HandleKind::{
            CpuMaxV2, CpuQuotaV1, FreezeV1, FreezeV2, MemoryPeak, MemoryStat, OomEvents,
        };
        let mut handles = Vec::new();
        if let Some(Place { interface, directory }) = &self.hierarchies.freezer {
            let (kind, file) = match interface {
                Interface::V1 => (FreezeV1, "freezer.state"),
                Interface::V2 => (FreezeV2, "cgroup.freeze"),
            };
            handles.push((kind, open_to_write(&directory.join(file))?));
        }
        if let Some(Place { interface, directory }) = &self.hierarchies.cpu {
            let (kind, file) = match interface {
                Interface::V1 => (CpuQuotaV1, "cpu.cfs_quota_us"),
                Interface::V2 => (CpuMaxV2, "cpu.max"),
            };
            handles.push((kind, open_to_write(&directory.join(file))?));
        }
        if let Some(Place { interface, directory }) = &self.hierarchies.memory {
            let (peak, events) = match interface {
                Interface::V1 => ("memory.max_usage_in_bytes", "memory.oom_control"),
                Interface::V2 if directory.join("memory.peak").exists() => {
                    ("memory.peak", "memory.events")
                }
                // Before Linux 5.19 there is no peak; the highest of what is seen has to do.
                Interface::V2 => ("memory.current", "memory.events"),
            };
            handles.push((MemoryPeak, fs::File::open(directory.join(peak))?));
            handles.push((OomEvents, fs::File::open(directory.join(events))?));
            handles.push((MemoryStat, fs::File::open(directory.join("memory.stat"))?));
        }
        Ok(handles)
    }

    /// Kills every process in the groups where the kernel can do that in one stroke. Elsewhere it
    /// thaws them, so that the end of their first process, which the caller sees to, is theirs.
    pub fn kill(&self) {
        let mut directories = self.directories.iter();
        if directories.any(|one| fs::write(one.join("cgroup.kill"), "1").is_ok()) {
            return;
        }
        for directory in &self.directories {
            let _ = fs::write(directory.join("freezer.state"), "THAWED");
        }
    }

    /// Removes the groups.
    ///
    /// # Errors
    ///
    /// If one of them still has processes.
    pub fn remove(&self) -> io::Result<()> {
        self.directories.iter().try_for_each(|directory| remove_group(directory))
    }
}

/// A file of a group that the server keeps open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandleKind {
    /// `freezer.state`.
    FreezeV1,
    /// `cgroup.freeze`.
    FreezeV2,
    /// `cpu.cfs_quota_us`.
    CpuQuotaV1,
    /// `cpu.max`.
    CpuMaxV2,
    /// The highest memory use.
    MemoryPeak,
    /// What the memory is used for.
    MemoryStat,
    /// How often the kernel killed for want of memory.
    OomEvents,
}

fn open_to_write(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).open(path)
}

fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Kills what is in a group that a dead server left: in one stroke where the kernel can, else one by
/// one until none is left.
pub fn kill_group(directory: &Path) {
    if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    // The freezer of version 1 keeps a process from dying, so thaw around each round.
    for _round in 0..100 {
        let _ = fs::write(directory.join("freezer.state"), "THAWED");
        let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
        if members.is_empty() {
            return;
        }
        for pid in members.lines().filter_map(|line| line.parse::<i32>().ok()) {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let pause = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let _ = rustix::thread::nanosleep(&pause);
    }
}

/// Removes a group that has no processes. That it is not there is fine.
///
/// # Errors
///
/// If it still has processes or children.
pub fn remove_group(directory: &Path) -> io::Result<()> {
    match fs::remove_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID_MOUNTS: &str = "\
30 20 0:25 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
31 20 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 20 0:27 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
33 20 0:28 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
34 20 8:1 / / rw - ext4 /dev/vda rw
";

    #[test]
    fn a_hybrid_host_uses_version_1_for_limits_and_version_2_to_freeze() {
        let groups = "4:memory:/jobs/7\n3:cpu,cpuacct:/\n2:pids:/\n0::/\n";
        let found = Hierarchies::read(HYBRID_MOUNTS, groups);
        let shown = |place: Option<Place>| place.map(|place| (place.interface, place.directory));
        let v1 = |path: &str| Some((Interface::V1, PathBuf::from(path)));
        assert_eq!(shown(found.memory), v1("/sys/fs/cgroup/memory/jobs/7"));
        assert_eq!(shown(found.cpu), v1("/sys/fs/cgroup/cpu,cpuacct/"));
        assert_eq!(shown(found.pids), v1("/sys/fs/cgroup/pids/"));
        let v2 = Some((Interface::V2, PathBuf::from("/sys/fs/cgroup/unified/")));
        assert_eq!(shown(found.freezer), v2);
    }

    #[test]
    fn a_unified_host_is_recognised_by_its_controllers() {
        let mount = tempfile::tempdir().unwrap();
        let own = mount.path().join("user.slice");
        fs::create_dir(&own).unwrap();
        fs::write(own.join("cgroup.controllers"), "cpu memory\n").unwrap();
        let mounts = format!("25 20 0:22 / {} rw - cgroup2 cgroup2 rw\n", mount.path().display());
        let found = Hierarchies::read(&mounts, "0::/user.slice\n");
        assert_eq!(found.memory.map(|place| place.directory), Some(own.clone()));
        assert_eq!(found.cpu.map(|place| place.interface), Some(Interface::V2));
        assert_eq!(found.pids, None, "what is not delegated is not claimed");
        assert_eq!(found.freezer.map(|place| place.directory), Some(own));
    }

    #[test]
    fn a_container_sees_a_part_of_the_tree() {
        let mounts = "25 20 0:22 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let found = Hierarchies::read(mounts, "4:memory:/docker/abc/inner\n");
        let directory = found.memory.map(|place| place.directory);
        assert_eq!(directory, Some(PathBuf::from("/sys/fs/cgroup/memory/inner")));
    }

    #[test]
    fn everything_of_version_2_goes_below_one_parent() {
        let mount = tempfile::tempdir().unwrap();
        let place = Place { interface: Interface::V2, directory: mount.path().to_owned() };
        let found = Hierarchies {
            memory: Some(place.clone()),
            cpu: Some(place.clone()),
            pids: None,
            freezer: Some(place),
        };
        let prepared = found.prepare("hearth-1");
        assert_eq!(prepared.directories(), BTreeSet::from([mount.path().join("hearth-1")]));
        assert_eq!(prepared.pids, None, "what was not there is not made up");
        let passed_on = fs::read_to_string(mount.path().join("hearth-1/cgroup.subtree_control"));
        assert_eq!(passed_on.unwrap(), "+cpu");
    }

    #[test]
    fn what_cannot_be_passed_on_is_left_out_and_freezing_stays() {
        let mount = tempfile::tempdir().unwrap();
        // A directory in the file's place: it cannot be written, as in a group with processes.
        fs::create_dir(mount.path().join("cgroup.subtree_control")).unwrap();
        let place = Place { interface: Interface::V2, directory: mount.path().to_owned() };
        let found = Hierarchies {
            memory: Some(place.clone()),
            freezer: Some(place),
            ..Hierarchies::default()
        };
        let prepared = found.prepare("hearth-1");
        assert_eq!(prepared.memory, None);
        assert!(prepared.freezer.is_some());
    }

    #[test]
    fn a_host_without_groups_has_none() {
        assert_eq!(Hierarchies::read("", ""), Hierarchies::default());
    }
}
