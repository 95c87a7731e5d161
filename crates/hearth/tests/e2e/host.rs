//! What a server has on its host: processes, control groups, mounts, loop devices, files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::last_seen;

/// A process as `/proc` shows it.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) id: u32,
    pub(crate) name: String,
}

/// One run of a server, and how to tell what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// The process id of the server.
    pub(crate) server: u32,
    /// A variable that every process inherits which is not a function's: `NAME=value`.
    pub(crate) marker: String,
}

impl Run {
    /// The processes of this run: they have its variable, or are in a group of its.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let group = format!("/hearth-{}-", self.server);
        let mut found = Vec::new();
        for entry in entries(Path::new("/proc")) {
            let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Ok(id) = name.parse() else { continue };
            let variables = fs::read(entry.join("environ")).unwrap_or_default();
            let mut variables = variables.split(|byte| *byte == 0);
            let marked = variables.any(|variable| variable == self.marker.as_bytes());
            let groups = fs::read_to_string(entry.join("cgroup")).unwrap_or_default();
            if (marked || groups.contains(&group)) && is_alive(&entry) {
                let name = fs::read_to_string(entry.join("comm")).unwrap_or_default();
                found.push(Process { id, name: name.trim().to_owned() });
            }
        }
        found
    }

    /// The interpreters that wait for a function: they read it from a socket.
    pub(crate) fn waiting(&self) -> Vec<Process> {
        let waits = |process: &Process| {
            let process = PathBuf::from(format!("/proc/{}", process.id));
            let variables = fs::read(process.join("environ")).unwrap_or_default();
            let told =
                variables.split(|byte| *byte == 0).any(|one| one.starts_with(b"_HEARTH_WARM="));
            let input = fs::read_link(process.join("fd/0")).unwrap_or_default();
            told && input.to_string_lossy().starts_with("socket:")
        };
        self.processes().into_iter().filter(waits).collect()
    }

    /// The process that builds walls.
    pub(crate) fn launcher(&self) -> u32 {
        let found = self.processes().into_iter().find(|process| process.name == "hearth-launcher");
        found.expect("a running server has a launcher").id
    }

    /// The control groups of this run, in whatever hierarchies there are.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let name = format!("hearth-{}-", self.server);
        let mut found = Vec::new();
        collect(Path::new("/sys/fs/cgroup"), 8, &mut |directory| {
            let mut parts = directory.iter().filter_map(|part| part.to_str());
            if parts.any(|part| part.starts_with(&name)) {
                found.push(directory.to_owned());
            }
        });
        found
    }

    /// Fails unless nothing of this run is left, within a moment.
    pub(crate) fn assert_nothing_left(&self, place: &Path) {
        let left = last_seen(60, || self.left(place), Vec::is_empty);
        assert_eq!(left, Vec::<String>::new(), "left on the host by a server that is gone");
    }

    fn left(&self, place: &Path) -> Vec<String> {
        let mut left = Vec::new();
        left.extend(self.processes().iter().map(|process| format!("{process:?}")));
        left.extend(self.groups().iter().map(|group| group.display().to_string()));
        left.extend(loop_files(place).into_iter().filter(|file| !is_of_another(file)));
        left.extend(mounts("self", place));
        let scratch = entries(&place.join("data/run/scratch"));
        left.extend(scratch.iter().map(|file| file.display().to_string()));
        left
    }
}

/// A zombie has ended; whoever is to reap it may take its time.
fn is_alive(process: &Path) -> bool {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn collect(directory: &Path, depth: u32, visit: &mut impl FnMut(&Path)) {
    for entry in entries(directory) {
        let is_directory = fs::symlink_metadata(&entry).is_ok_and(|metadata| metadata.is_dir());
        if is_directory && depth > 0 {
            visit(&entry);
            collect(&entry, depth - 1, visit);
        }
    }
}

/// The files that loop devices stand on and that are, or were, in a directory.
pub(crate) fn loop_files(place: &Path) -> Vec<String> {
    let shown = place.display().to_string();
    let files = entries(Path::new("/sys/block")).into_iter();
    let files =
        files.filter_map(|device| fs::read_to_string(device.join("loop/backing_file")).ok());
    files.filter(|file| file.contains(&shown)).collect()
}

/// Whether a scratch file belongs to a launcher that runs: the name begins with its process id.
fn is_of_another(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    let launcher = name.split('-').next().unwrap_or_default();
    launcher.parse::<u32>().is_ok() && is_alive(&Path::new("/proc").join(launcher))
}

/// The mounts that a process sees and that have to do with a directory.
pub(crate) fn mounts(process: &str, place: &Path) -> Vec<String> {
    let shown = place.display().to_string();
    let all = fs::read_to_string(format!("/proc/{process}/mountinfo")).unwrap_or_default();
    all.lines().filter(|line| line.contains(&shown)).map(str::to_owned).collect()
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(process: u32) -> usize {
    entries(&PathBuf::from(format!("/proc/{process}/fd"))).len()
}

/// How much memory a process has, in kilobytes.
pub(crate) fn resident_kb(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// What is in a directory; nothing, if it is not there.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
