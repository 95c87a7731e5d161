//! The memory of processes, as the kernel counts it.

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

/// The processes that this one started and that still run.
pub(crate) fn children(parent: u32) -> anyhow::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc").context("could not list the processes")?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let processes = names.filter_map(|name| name.parse::<u32>().ok());
    let parent = u64::from(parent);
    // One that ended in the meantime has no parent any more.
    let is_child = |process: &u32| field(*process, "status", "PPid:").is_ok_and(|id| id == parent);
    Ok(processes.filter(is_child).collect())
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

    use super::{Memory, kilobytes, number};

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
    fn the_kernel_counts_in_1024_bytes() {
        assert!((kilobytes(1000) - 1024.0).abs() < 1e-9);
    }
}
