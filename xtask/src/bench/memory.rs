//! The memory of processes, as the kernel counts it.

use std::collections::HashMap;
use std::fs;

use anyhow::Context as _;

/// What one or several processes use.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Resident, shared pages counted in each process.
    pub(crate) resident_kib: u64,
    /// The same with shared pages divided among the processes that share them.
    pub(crate) proportional_kib: u64,
}

impl Memory {
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        Ok(Self {
            resident_kib: field(process, "status", "VmRSS:")?,
            proportional_kib: field(process, "smaps_rollup", "Pss:")?,
        })
    }

    pub(crate) fn sum(processes: &[u32]) -> anyhow::Result<Self> {
        processes.iter().try_fold(Self::default(), |sum, process| {
            let one = Self::of(*process)?;
            Ok(Self {
                resident_kib: sum.resident_kib + one.resident_kib,
                proportional_kib: sum.proportional_kib + one.proportional_kib,
            })
        })
    }

    /// As people read it.
    pub(crate) fn shown(self) -> String {
        let Self { resident_kib, proportional_kib } = self;
        format!("{:.1} MB (PSS {:.1} MB)", megabytes(resident_kib), megabytes(proportional_kib))
    }
}

/// Of 1,000,000 bytes.
pub(crate) fn megabytes(kib: u64) -> f64 {
    kilobytes(kib) / 1000.0
}

/// Of 1,000 bytes.
pub(crate) fn kilobytes(kib: u64) -> f64 {
    // A few gigabytes at most, so the conversion is exact.
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) * 1.024
}

/// What these processes use that no other process shares with them.
pub(crate) fn private_kib(processes: &[u32]) -> anyhow::Result<u64> {
    processes.iter().try_fold(0, |sum, process| {
        let clean = field(*process, "smaps_rollup", "Private_Clean:")?;
        Ok(sum + clean + field(*process, "smaps_rollup", "Private_Dirty:")?)
    })
}

/// Makes the kernel forget how much a process has had resident at most.
pub(crate) fn forget_peak(process: u32) -> anyhow::Result<()> {
    let path = format!("/proc/{process}/clear_refs");
    fs::write(&path, "5").with_context(|| format!("could not write {path}"))
}

/// How much a process has had resident at most since then.
pub(crate) fn peak_kib(process: u32) -> anyhow::Result<u64> {
    field(process, "status", "VmHWM:")
}

/// The processes that this one started and that still run.
pub(crate) fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let found = parents()?.into_iter().filter(|(_, of)| *of == parent);
    Ok(found.map(|(process, _)| process).collect())
}

/// The children of these processes, their children, and so on.
pub(crate) fn descendants(ancestors: &[u32]) -> anyhow::Result<Vec<u32>> {
    let mut by_parent: HashMap<u32, Vec<u32>> = HashMap::new();
    for (process, parent) in parents()? {
        by_parent.entry(parent).or_default().push(process);
    }
    let mut found = Vec::new();
    let mut left = ancestors.to_vec();
    // Each is taken out of the map once, so this ends.
    while let Some(parent) = left.pop() {
        let children = by_parent.remove(&parent).unwrap_or_default();
        found.extend_from_slice(&children);
        left.extend(children);
    }
    Ok(found)
}

/// Every process with its parent. One that ends meanwhile is left out.
fn parents() -> anyhow::Result<Vec<(u32, u32)>> {
    let entries = fs::read_dir("/proc").context("could not list the processes")?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = names.filter_map(|name| name.parse::<u32>().ok());
    let parent_of = |process| u32::try_from(field(process, "status", "PPid:").ok()?).ok();
    Ok(processes.filter_map(|process| Some((process, parent_of(process)?))).collect())
}

/// A number in one of the kernel's files about a process.
fn field(process: u32, file: &str, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/{file}");
    let text = fs::read_to_string(&path).with_context(|| format!("could not read {path}"))?;
    number(&text, name).with_context(|| format!("{path} has no {name}"))
}

fn number(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::{Memory, children, descendants, kilobytes, number, private_kib};

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "Pss_Dirty:  7 kB\nPss:     12 kB\n";
        assert_eq!(number(text, "Pss:"), Some(12));
        assert_eq!(number(text, "Rss:"), None);
    }

    #[test]
    fn our_own_memory_can_be_read() {
        assert!(Memory::of(process::id()).unwrap().resident_kib > 0);
    }

    #[test]
    fn our_own_private_memory_can_be_read() {
        assert!(private_kib(&[process::id()]).unwrap() > 0);
    }

    #[test]
    fn a_child_is_a_descendant_of_its_parent() {
        // Whatever started us has at least one child.
        let parent = std::os::unix::process::parent_id();
        assert!(children(parent).unwrap().contains(&process::id()));
        assert!(descendants(&[parent]).unwrap().contains(&process::id()));
    }

    #[test]
    fn the_kernel_counts_in_1024_bytes() {
        assert!((kilobytes(1000) - 1024.0).abs() < 1e-9);
    }
}
