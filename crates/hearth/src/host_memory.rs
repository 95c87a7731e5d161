//! How much memory this host has for functions, and whether it is short of it.
//!
//! # Promises
//!
//! 1. What functions may have together leaves a reserve for the server, its launcher and the rest of
//!    the host: a tenth, and [`RESERVE_MB_MIN`] at least.
//! 2. In a container or a service with a limit of its own, that limit counts as the host's memory.

use std::fs;
use std::path::{Path, PathBuf};

use hearth_isolation::cgroups::{Interface, Place};
use hearth_scheduler::core::Pressure;
use hearth_scheduler::driver::HostMemory;

/// The least that is left for everybody but functions.
const RESERVE_MB_MIN: u64 = 512;

/// The memory of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// For functions.
    pub(crate) functions_mb: u64,
    /// Below this much that is available the host is short of it.
    short_below_mb: u64,
    /// The group whose limit is below the machine's memory, if there is one.
    limited: Option<Limited>,
}

/// A group with a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limited {
    interface: Interface,
    directory: PathBuf,
    limit_mb: u64,
}

impl Memory {
    /// Looks at this host. `configured` is for functions, unless it is 0.
    pub(crate) fn of_this_host(configured: u64, own: Option<&Place>) -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = field_mb(&meminfo, "MemTotal");
        let limited = own.and_then(Limited::of).filter(|limited| limited.limit_mb < total);
        let total = limited.as_ref().map_or(total, |limited| limited.limit_mb);
        Self { limited, ..Self::new(total, configured) }
    }

    fn new(total_mb: u64, configured: u64) -> Self {
        let reserve = (total_mb / 10).max(RESERVE_MB_MIN);
        let functions_mb = match configured {
            // Even the smallest machine tries to run one small function.
            0 => total_mb.saturating_sub(reserve).max(128),
            configured => configured,
        };
        Self { functions_mb, short_below_mb: reserve / 2, limited: None }
    }
}

impl HostMemory for Memory {
    fn pressure(&self) -> Pressure {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let left = self.limited.as_ref().map_or(u64::MAX, Limited::left_mb);
        if field_mb(&meminfo, "MemAvailable").min(left) < self.short_below_mb {
            Pressure::Short
        } else {
            Pressure::None
        }
    }
}

impl Limited {
    /// The lowest limit on the way from a group to the root: that of a service or of a container.
    fn of(place: &Place) -> Option<Self> {
        let interface = place.interface;
        let file = match interface {
            Interface::V1 => "memory.limit_in_bytes",
            Interface::V2 => "memory.max",
        };
        let limits = place.directory.ancestors().filter_map(|directory| {
            // Without a limit it is `max`, or a number beyond any memory.
            let limit_mb = number_mb(&directory.join(file))?;
            Some(Self { interface, directory: directory.to_owned(), limit_mb })
        });
        limits.min_by_key(|limited| limited.limit_mb)
    }

    /// What its members may still take. Cached files that nobody uses are given back when needed.
    fn left_mb(&self) -> u64 {
        let (usage, inactive) = match self.interface {
            Interface::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
            Interface::V2 => ("memory.current", "inactive_file"),
        };
        let used = number_mb(&self.directory.join(usage)).unwrap_or(0);
        let stat = fs::read_to_string(self.directory.join("memory.stat")).unwrap_or_default();
        let line = stat.lines().find_map(|line| line.strip_prefix(inactive)?.strip_prefix(' '));
        let spare = line.and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or(0) / 1024 / 1024;
        self.limit_mb.saturating_sub(used.saturating_sub(spare))
    }
}

/// The number of bytes in a file, in megabytes.
fn number_mb(file: &Path) -> Option<u64> {
    let bytes = fs::read_to_string(file).ok()?;
    bytes.trim().parse::<u64>().ok().map(|bytes| bytes / 1024 / 1024)
}

/// The number of a line such as `MemTotal:  24064 kB`, in megabytes.
fn field_mb(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(u64::MAX) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_left() {
        #[rustfmt::skip]
        let rows = [
            (24_000, 0,     21_600),
            (2_000,  0,     1_488),
            (600,    0,     128),
            (24_000, 4_000, 4_000),
        ];
        for (total, configured, expected) in rows {
            assert_eq!(Memory::new(total, configured).functions_mb, expected, "{total}");
        }
    }

    #[test]
    fn the_lowest_limit_on_the_way_to_the_root_counts() {
        let root = tempfile::tempdir().unwrap();
        let leaf = root.path().join("service/leaf");
        fs::create_dir_all(&leaf).unwrap();
        let write = |directory: &Path, file: &str, text: &str| {
            fs::write(directory.join(file), text).unwrap();
        };
        write(&leaf, "memory.max", "max\n");
        let service = root.path().join("service");
        write(&service, "memory.max", "2147483648\n");
        write(&service, "memory.current", "1610612736\n");
        write(&service, "memory.stat", "anon 1\ninactive_file 536870912\n");
        let place = Place { interface: Interface::V2, directory: leaf };
        let limited = Limited::of(&place).unwrap();
        assert_eq!((limited.limit_mb, limited.left_mb()), (2_048, 1_024));
    }

    #[test]
    fn figures_are_found_by_their_whole_name() {
        let text = "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(field_mb(text, "MemTotal"), 2);
        assert_eq!(field_mb(text, "MemAvailable"), 1);
        assert!(field_mb(text, "Mem") > 1_000_000, "unknown is not short");
    }
}
