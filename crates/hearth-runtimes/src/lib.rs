//! Language runtimes: which are installed, what each needs to start, and how to add one.
//!
//! ```text
//! <directory>/<name>/runtime.toml    the manifest
//! <directory>/<name>/runtime/        what a function sees as /var/runtime
//! <directory>/<name>/root/           a whole root file system, for `root = "tree"` only
//! <directory>/.incoming-<name>/      a runtime that is being added
//! ```
//!
//! # Promises
//!
//! 1. A runtime is there whole or not at all: it is built beside its place and renamed into it.
//! 2. To ask for an installed runtime costs a lock and a look-up. Only a name that is not known
//!    costs a look at the disk, so that a runtime that is added beside a running server is found.
//! 3. `provided.al2023` and `provided.al2` need no directory and are always there.
//!
//! # Deliberately absent
//!
//! Mounts and processes of functions: a manifest says what is to be shown where, and
//! `hearth-isolation` shows it. A manifest that changes while it is in use is read again only by
//! the next start of the server.

mod manifest;
mod warm;
mod runtime;
mod family;
mod add;
mod python;
mod pip;
mod nodejs;
mod java;
mod java_archive;
mod image;
mod candidates;
mod clients;
mod host;
mod run;
mod error;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

pub use self::add::{AddRequest, add};
pub use self::candidates::{Candidate, candidates};
pub use self::error::RuntimeError;
pub use self::manifest::{Client, Kind, Manifest, Root};
pub use self::runtime::Runtime;
pub use self::warm::Warm;

/// The runtimes that functions may name.
#[derive(Debug)]
pub struct Runtimes {
    directory: PathBuf,
    known: RwLock<BTreeMap<String, Arc<Runtime>>>,
}

impl Runtimes {
    /// Reads every runtime in the directory, which is made if it is missing.
    ///
    /// A runtime whose manifest cannot be read is an error here, so that it is noticed at once.
    pub fn open(directory: PathBuf) -> Result<Runtimes, RuntimeError> {
        let not_opened = |source| RuntimeError::NotOpened { path: directory.clone(), source };
        fs::create_dir_all(&directory).map_err(not_opened)?;
        let mut known = BTreeMap::new();
        for name in family::PROVIDED {
            known.insert((*name).to_owned(), Arc::new(Runtime::provided(name)));
        }
        for entry in fs::read_dir(&directory).map_err(not_opened)? {
            let name = entry.map_err(not_opened)?.file_name();
            let Some(name) = name.to_str().filter(|name| family::is_name(name)) else { continue };
            if let Some(runtime) = Runtime::read(&directory.join(name))? {
                known.insert(name.to_owned(), Arc::new(runtime));
            }
        }
        Ok(Runtimes { directory, known: RwLock::new(known) })
    }

    /// The runtime of a name, if it is installed or built in.
    pub fn get(&self, name: &str) -> Option<Arc<Runtime>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.or_else(|| self.look_for(name))
    }

    /// The names of all runtimes that are known, in order.
    pub fn names(&self) -> Vec<String> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// All runtimes that are known, in the order of their names.
    pub fn installed(&self) -> Vec<Arc<Runtime>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What to tell somebody whose runtime is not there.
    pub fn missing_message(&self, name: &str) -> String {
        let there = self.names().join(", ");
        if family::Family::of(name).is_some() {
            format!(
                "The runtime {name} is not installed. Add it with `hearth runtime add {name}`. \
                 Installed: {there}."
            )
        } else {
            format!(
                "The runtime {name} is not installed, and Hearth does not know how to build it. \
                 With an unpacked AWS base image, add it with `hearth runtime add {name} --from \
                 DIRECTORY`. Installed: {there}."
            )
        }
    }

    fn look_for(&self, name: &str) -> Option<Arc<Runtime>> {
        // The name may come from a request, so it must not be able to lead anywhere else.
        if !family::is_name(name) {
            return None;
        }
        match Runtime::read(&self.directory.join(name)) {
            Ok(found) => {
                let runtime = Arc::new(found?);
                let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
                known.insert(name.to_owned(), Arc::clone(&runtime));
                Some(runtime)
            }
            Err(error) => {
                tracing::warn!(runtime = name, error = &error as &dyn std::error::Error, "skipped");
                None
            }
        }
    }
}
