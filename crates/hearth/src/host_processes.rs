//! How many processes this host lets us have.
//!
//! A start that the kernel refuses for want of processes takes something from everybody: from the
//! function that was to start, and from the one that would start a thread next. So there are no more
//! environments than there is room for, and the least recently used make room for others.

use std::fs;
use std::path::Path;

use hearth_isolation::cgroups::Place;

/// What one environment usually takes: its agent, a runtime with a few threads, an extension.
const PER_ENVIRONMENT: usize = 6;
/// The server's own threads, the launcher, shells that wait.
const OWN: usize = 40;

/// How many processes, threads included, there may be more than there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Processes(usize);

impl Processes {
    /// Looks at this host, and at the groups above this process.
    pub(crate) fn of_this_host(own: Option<&Place>) -> Self {
        let of_kernel = ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"];
        let of_kernel = of_kernel.iter().filter_map(|file| number(Path::new(file)));
        let of_groups = own.into_iter().flat_map(|place| place.directory.ancestors());
        let of_groups = of_groups.filter_map(|directory| {
            // Without a limit it is `max`.
            let most = number(&directory.join("pids.max"))?;
            let used = number(&directory.join("pids.current")).unwrap_or(0);
            Some(most.saturating_sub(used))
        });
        Self(of_kernel.chain(of_groups).min().unwrap_or(usize::MAX))
    }

    /// For how many environments that is enough.
    pub(crate) fn environments(self) -> usize {
        (self.0.saturating_sub(OWN) / PER_ENVIRONMENT).max(1)
    }
}

fn number(file: &Path) -> Option<usize> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use hearth_isolation::cgroups::Interface;

    use super::*;

    #[test]
    fn the_group_with_the_least_left_counts() {
        let root = tempfile::tempdir().unwrap();
        let leaf = root.path().join("service/leaf");
        fs::create_dir_all(&leaf).unwrap();
        let service = root.path().join("service");
        fs::write(leaf.join("pids.max"), "max\n").unwrap();
        fs::write(service.join("pids.max"), "120\n").unwrap();
        fs::write(service.join("pids.current"), "20\n").unwrap();
        let place = Place { interface: Interface::V2, directory: leaf };
        assert_eq!(Processes::of_this_host(Some(&place)).environments(), 10);
    }

    #[test]
    fn even_the_smallest_host_tries_to_run_one() {
        assert_eq!(Processes(0).environments(), 1);
    }
}
