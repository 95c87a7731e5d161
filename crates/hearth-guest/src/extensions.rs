//! The extensions of an environment as the agent knows them: files, processes, and the ports at
//! which they listen.
//!
//! AWS starts every file of `/opt/extensions` before the runtime, by name and in order of names. A
//! file that cannot be executed is an error, not something to step over.
//!
//! # Deliberately absent
//!
//! No registration, no events: those go over HTTP and past the agent.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use crate::protocol::EXTENSIONS_MAX;

/// Where they are.
const DIRECTORY: &str = "/opt/extensions";
/// AWS: a file of this name says that there shall be none.
const DISABLED: &str = "/opt/disable-extensions-jwigqn8j";
/// Where an extension listens: at the name `sandbox.localdomain`, at every address, or at the usual
/// one for a machine's own.
const ADDRESSES: [Ipv4Addr; 2] = [Ipv4Addr::new(169, 254, 100, 1), Ipv4Addr::LOCALHOST];
/// How long the agent waits for somebody inside to answer: within one machine that is for ever, and
/// meanwhile the agent does nothing else. Twice, it is 200 ms.
const DIAL_LIMIT: Duration = Duration::from_millis(100);

/// The names of the extensions that are there: one more than there may be, at the most.
pub(crate) fn found() -> Vec<String> {
    if Path::new(DISABLED).exists() { Vec::new() } else { files_of(Path::new(DIRECTORY)) }
}

/// The path of an extension.
pub(crate) fn path(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

fn files_of(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.truncate(EXTENSIONS_MAX + 1);
    names
}

/// A connection to whoever listens at a port inside.
pub(crate) fn dial(port: u16) -> io::Result<OwnedFd> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in ADDRESSES {
        match TcpStream::connect_timeout(&SocketAddr::from((address, port)), DIAL_LIMIT) {
            Ok(connection) => return Ok(connection.into()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// The extensions that run.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    running: Vec<(i32, String)>,
}

impl Extensions {
    pub(crate) fn started(&mut self, pid: i32, name: String) {
        self.running.push((pid, name));
    }

    /// Forgets a process that has ended. Returns whose it was, if it was an extension's.
    pub(crate) fn ended(&mut self, pid: i32) -> Option<String> {
        let index = self.running.iter().position(|(running, _)| *running == pid)?;
        Some(self.running.swap_remove(index).1)
    }

    /// The process of an extension, if it runs.
    pub(crate) fn process(&self, name: &str) -> Option<i32> {
        self.running.iter().find(|(_, running)| running == name).map(|(pid, _)| *pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_extensions_and_directories_are_not() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(files_of(here), ["Cargo.toml"]);
        assert_eq!(files_of(&here.join("nowhere")), Vec::<String>::new());
    }

    #[test]
    fn an_extension_is_known_from_its_start_to_its_end() {
        let mut extensions = Extensions::default();
        extensions.started(7, "seven".to_owned());
        extensions.started(8, "eight".to_owned());
        assert_eq!(extensions.process("eight"), Some(8));
        assert_eq!(extensions.ended(8).as_deref(), Some("eight"));
        assert_eq!(extensions.ended(8), None);
        assert_eq!(extensions.process("eight"), None);
        assert_eq!(extensions.process("seven"), Some(7));
    }

    #[test]
    fn a_port_is_dialed_where_somebody_listens_and_nowhere_else() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(dial(port).is_ok());
        drop(listener);
        assert!(dial(port).is_err());
    }
}
