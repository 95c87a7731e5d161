//! Removes what a server that was killed has left behind.
//!
//! Processes, mounts, networks and scratch files end with the launcher. What can be left are
//! control groups, if the launcher was killed as well, and (between the kill and the kernel's
//! clean-up) the processes in them. The directories of our groups are written down before they are
//! made, so that the next start finds them even if it runs in another group.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cgroups::{kill_group, remove_group};

/// Where the directories are written down.
const RECORD: &str = "groups.json";
const RECORD_NEW: &str = "groups.json.new";

/// Writes down which groups this server is going to make, beside those that are still there.
///
/// # Errors
///
/// If the file cannot be written.
pub fn remember(directory: &Path, groups: &BTreeSet<PathBuf>) -> io::Result<()> {
    let left = remembered(directory).into_iter().filter(|group| group.exists());
    let all: BTreeSet<PathBuf> = left.chain(groups.iter().cloned()).collect();
    // In two steps, so that a kill in between does not lose the record.
    let new = directory.join(RECORD_NEW);
    fs::write(&new, serde_json::to_vec(&all)?)?;
    fs::rename(new, directory.join(RECORD))
}

fn remembered(directory: &Path) -> BTreeSet<PathBuf> {
    let record = fs::read(directory.join(RECORD)).unwrap_or_default();
    serde_json::from_slice(&record).unwrap_or_default()
}

/// Ends and removes everything in the groups that were written down. Returns what is still there.
#[must_use]
pub fn sweep(directory: &Path) -> Vec<String> {
    let parents = remembered(directory);
    let mut left = Vec::new();
    for parent in &parents {
        for child in children(parent) {
            kill_group(&child);
            if let Err(error) = remove_when_empty(&child) {
                left.push(format!("{}: {error}", child.display()));
            }
        }
        let _ = remove_group(parent);
    }
    left
}

fn children(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// Killed processes leave their groups a moment later.
fn remove_when_empty(group: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _round in 0..500 {
        result = remove_group(group);
        if result.is_ok() {
            break;
        }
        let pause = rustix::thread::Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        let _ = rustix::thread::nanosleep(&pause);
    }
    result
}
