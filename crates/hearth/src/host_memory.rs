//! How much memory this host has for functions, and whether it is short of it.
//!
//! # Promises
//!
//! 1. What functions may have together leaves a reserve for the server, its launcher and the rest of
//!    the host: a tenth, and [`RESERVE_MB_MIN`] at least.
//! 2. In a container or a service with a limit of its own, that limit counts as the host's memory.

use std::fs;
use std::path::Path;

use hearth_isolation::cgroups::{Interface, Place};
use hearth_scheduler::core::Pressure;
use hearth_scheduler::driver::HostMemory;

/// The least that is left for everybody but functions.
const RESERVE_MB_MIN: u64 = 512;

/// The memory of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// For functions.
    pub(crate) functions_mb: u64,
    /// Below this much that is available the host is short of it.
    short_below_mb: u64,
}

impl Memory {
    /// Looks at this host. `configured` is for functions, unless it is 0.
    pub(crate) fn of_this_host(configured: u64, own: Option<&Place>) -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = field_mb(&meminfo, "MemTotal");
        Self::new(total.min(own.and_then(limit_mb).unwrap_or(u64::MAX)), configured)
    }

    fn new(total_mb: u64, configured: u64) -> Self {
        let reserve = (total_mb / 10).max(RESERVE_MB_MIN);
        let functions_mb = match configured {
            // Even the smallest machine tries to run one small function.
            0 => total_mb.saturating_sub(reserve).max(128),
            configured => configured,
        };
        Self { functions_mb, short_below_mb: reserve / 2 }
    }
}

impl HostMemory for Memory {
    fn pressure(&self) -> Pressure {
        let Ok(meminfo) = fs::read_to_string("/proc/meminfo") else { return Pressure::None };
        if field_mb(&meminfo, "MemAvailable") < self.short_below_mb {
            Pressure::Short
        } else {
            Pressure::None
        }
    }
}

/// The number of a line such as `MemTotal:  24064 kB`, in megabytes.
fn field_mb(meminfo: &str, name: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or(u64::MAX) / 1024
}

/// The limit of a group, if it has one.
fn limit_mb(place: &Place) -> Option<u64> {
    let file = match place.interface {
        Interface::V1 => "memory.limit_in_bytes",
        Interface::V2 => "memory.max",
    };
    let text = fs::read_to_string(Path::new(&place.directory).join(file)).ok()?;
    // Without a limit it is `max`, or a number beyond any memory.
    text.trim().parse::<u64>().ok().map(|bytes| bytes / 1024 / 1024)
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
    fn figures_are_found_by_their_whole_name() {
        let text = "MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(field_mb(text, "MemTotal"), 2);
        assert_eq!(field_mb(text, "MemAvailable"), 1);
        assert!(field_mb(text, "Mem") > 1_000_000, "unknown is not short");
    }
}
