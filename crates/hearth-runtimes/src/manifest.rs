//! The manifest of a runtime: the file `runtime.toml`.
//!
//! # Promises
//!
//! 1. Unknown keys are refused, so a misspelt one is not silently without effect.
//! 2. A manifest that was read has a command to run, and absolute paths only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Warm;

/// What a runtime consists of and how it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// AWS's name of the runtime, which is also the name of its directory.
    pub name: String,
    /// Who brings the program that polls for invocations.
    pub kind: Kind,
    /// The language, such as `python`.
    pub family: String,
    /// The text for `INIT_START`, such as `python:3.11.7`.
    pub version: String,
    /// What the function sees as `/`.
    pub root: Root,
    /// Where the root file system of `root = "tree"` is; `root/` beside the manifest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<PathBuf>,
    /// The directory of this host that is shown as `/var/lang`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<PathBuf>,
    /// What is executed. Empty for `provided`: `/var/task/bootstrap`, then `/opt/bootstrap`.
    ///
    /// `{memory_mb_for_heap}` and `{handler}` are placeholders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// `AWS_EXECUTION_ENV`; provided runtimes have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_environment: Option<String>,
    /// More directories of this host that are shown at their own path, read-only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<PathBuf>,
    /// Environment variables that the runtime adds. A function may override them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// AWS's runtime client in `runtime/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// How its command is started before there is a function. Absent if it cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<Warm>,
}

/// Who brings the program that polls for invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The runtime does.
    Managed,
    /// The function does.
    Provided,
}

/// What a function sees as `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Root {
    /// The programs and libraries of this host, read-only.
    Host,
    /// An unpacked base image.
    Tree,
}

/// A runtime client of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its package name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Client {
    pub(crate) fn new(name: &str, version: &str) -> Client {
        Client { name: name.to_owned(), version: version.to_owned() }
    }
}

impl Manifest {
    /// The manifest of a managed runtime on the programs of this host, still without a command.
    pub(crate) fn managed(name: &str, family: &str, version: &str) -> Manifest {
        Manifest {
            name: name.to_owned(),
            kind: Kind::Managed,
            family: family.to_owned(),
            version: format!("{family}:{version}"),
            root: Root::Host,
            tree: None,
            language: None,
            command: Vec::new(),
            execution_environment: Some(format!("AWS_Lambda_{name}")),
            mounts: Vec::new(),
            environment: BTreeMap::new(),
            client: None,
            warm: None,
        }
    }

    /// What is wrong with the manifest of the runtime `name`, if anything is.
    pub(crate) fn fault(&self, name: &str) -> Option<&'static str> {
        let mut paths = self.mounts.iter().chain(&self.language).chain(&self.tree);
        if self.name != name {
            Some("its name is not that of its directory")
        } else if !paths.all(|path| path.is_absolute()) {
            Some("a path in it is not absolute")
        } else if self.kind == Kind::Managed && self.command.is_empty() {
            Some("a managed runtime needs a command")
        } else if self.command.first().is_some_and(|program| !Path::new(program).is_absolute()) {
            Some("the program of its command is not an absolute path")
        } else if self.warm.is_some() && !self.can_wait() {
            Some("a command that names the handler cannot be started before there is a function")
        } else {
            None
        }
    }

    fn can_wait(&self) -> bool {
        !self.command.is_empty() && self.command.iter().all(|part| part != "{handler}")
    }
}
