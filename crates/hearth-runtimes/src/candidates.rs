//! What could be added: the interpreters on this host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::family::Family;
use crate::host::{Host, children};
use crate::{java, nodejs, python};

/// An interpreter on this host for which a runtime could be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The runtime, as in `hearth runtime add NAME`.
    pub name: String,
    /// The interpreter's version.
    pub version: String,
    /// Its installation, as in `--from PREFIX`.
    pub prefix: PathBuf,
}

/// Every runtime that could be added from what is on this host, one per name, in their order.
///
/// Interpreters are asked for their versions, so this takes some tenths of a second.
pub fn candidates() -> Vec<Candidate> {
    candidates_on(&Host::current())
}

pub(crate) fn candidates_on(host: &Host) -> Vec<Candidate> {
    let mut found: BTreeMap<String, Candidate> = BTreeMap::new();
    let mut add = |name: String, version: String, prefix: PathBuf| {
        if Family::of(&name).is_some() {
            let candidate = Candidate { name: name.clone(), version, prefix };
            found.entry(name).or_insert(candidate);
        }
    };
    for minor in python_minors(host) {
        if let Some(python) = python::all(host, minor).into_iter().next() {
            add(format!("python3.{minor}"), python.version, python.prefix);
        }
    }
    for node in nodejs::all(host) {
        if let Some(major) = node.major() {
            add(format!("nodejs{major}.x"), node.version, node.prefix);
        }
    }
    for java in java::all(host) {
        if let Some(major) = java.major() {
            // AWS's name of Java 8 has the Amazon Linux in it.
            let name = if major == 8 { "java8.al2".to_owned() } else { format!("java{major}") };
            add(name, java.version, java.home);
        }
    }
    found.into_values().collect()
}

/// The versions of Python for which there is a program of the right name.
fn python_minors(host: &Host) -> BTreeSet<u32> {
    let installations = python::pyenv(host).into_iter().map(|prefix| prefix.join("bin"));
    let directories: Vec<PathBuf> = host.path.iter().cloned().chain(installations).collect();
    let mut minors = BTreeSet::new();
    for program in directories.iter().flat_map(|directory| children(directory)) {
        let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(Family::Python { minor }) = Family::of(name) {
            minors.insert(minor);
        }
    }
    minors
}
