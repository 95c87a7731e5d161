//! How many files this process may have open, and who gets how many of them.

use hearth_types::limits;

/// How many files this process may have open. Whoever comes when there are none left must wait, and
/// not make those fail who are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptors(usize);

impl Descriptors {
    /// What one environment takes at the most: sockets, a pipe, files of its group, connections.
    const PER_ENVIRONMENT: usize = 14;
    /// The store, the logs, the launcher.
    const OWN: usize = 64;

    /// Raises the limit as far as it goes: a usual one is 1,024.
    pub(crate) fn raised() -> Self {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        if let Err(error) = &raised {
            tracing::warn!(%error, "the limit of open files could not be raised");
        }
        let limit = if raised.is_ok() { maximum } else { current };
        Self(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX))
    }

    /// Connections of clients.
    pub(crate) fn connections(self) -> usize {
        (self.0 / 4).clamp(1, limits::CONNECTIONS_MAX)
    }

    /// WebSockets, which are open for hours.
    pub(crate) fn sockets(self) -> usize {
        (self.0 / 8).clamp(1, limits::SOCKETS_MAX)
    }

    /// Environments, of what is left.
    pub(crate) fn environments(self) -> usize {
        let taken = self.connections() + self.sockets() + Self::OWN;
        let left = self.0.saturating_sub(taken);
        (left / Self::PER_ENVIRONMENT).max(1)
    }
}
