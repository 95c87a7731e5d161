//! One installed runtime.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::{Kind, Manifest, Root, RuntimeError};

/// The manifest's file name.
pub(crate) const MANIFEST: &str = "runtime.toml";
/// The directory that is shown as `/var/runtime`.
pub(crate) const RUNTIME: &str = "runtime";
/// The directory that is shown as `/`.
const ROOT: &str = "root";
/// The part of a function's memory that a language gets as its heap. The rest is for code, stacks
/// and native libraries, as on AWS.
const HEAP_PERCENT: u32 = 85;

/// A runtime that functions can run on.
#[derive(Debug, Clone)]
pub struct Runtime {
    /// What it consists of.
    pub manifest: Manifest,
    /// Its own directory. The built-in ones have none.
    directory: Option<PathBuf>,
}

impl Runtime {
    /// A runtime that is only the operating system.
    pub(crate) fn provided(name: &str) -> Runtime {
        let manifest = Manifest {
            kind: Kind::Provided,
            // AWS: `provided:al2023` in INIT_START.
            version: name.replacen('.', ":", 1),
            execution_environment: None,
            ..Manifest::managed(name, "provided", "")
        };
        Runtime { manifest, directory: None }
    }

    /// Reads the runtime in a directory, if there is one.
    pub(crate) fn read(directory: &Path) -> Result<Option<Runtime>, RuntimeError> {
        let path = directory.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RuntimeError::NotRead { path, source }),
        };
        let manifest: Manifest = match toml::from_str(&text) {
            Ok(manifest) => manifest,
            Err(source) => {
                return Err(RuntimeError::NotUnderstood { path, source: Box::new(source) });
            }
        };
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        match manifest.fault(&name) {
            Some(fault) => Err(RuntimeError::NotUsable { path, fault }),
            None => Ok(Some(Runtime { manifest, directory: Some(directory.to_owned()) })),
        }
    }

    /// AWS's name of the runtime.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }

    /// The directory that is shown as `/var/runtime`; `None` when the root already has one.
    pub fn runtime_directory(&self) -> Option<PathBuf> {
        match (self.manifest.root, self.manifest.kind) {
            (Root::Host, Kind::Managed) => self.directory.as_ref().map(|own| own.join(RUNTIME)),
            (Root::Tree, _) | (Root::Host, Kind::Provided) => None,
        }
    }

    /// The directory that is shown as `/`; `None` for the programs of this host.
    pub fn root_directory(&self) -> Option<PathBuf> {
        match self.manifest.root {
            Root::Host => None,
            Root::Tree => {
                let own = self.directory.as_ref().map(|own| own.join(ROOT));
                self.manifest.tree.clone().or(own)
            }
        }
    }

    /// The command for a function, with its placeholders filled in.
    pub fn command(&self, memory_mb: u32, handler: &str) -> Vec<String> {
        let heap_mb = (u64::from(memory_mb) * u64::from(HEAP_PERCENT) / 100).to_string();
        let fill = |part: &String| match part.as_str() {
            // Replaced as a whole, so that a handler cannot bring placeholders of its own.
            "{handler}" => handler.to_owned(),
            part => part.replace("{memory_mb_for_heap}", &heap_mb),
        };
        self.manifest.command.iter().map(fill).collect()
    }

    /// What to try to execute, in order.
    #[must_use]
    pub fn candidates(&self, memory_mb: u32, handler: &str) -> Vec<Vec<String>> {
        if !self.manifest.command.is_empty() {
            return vec![self.command(memory_mb, handler)];
        }
        ["/var/task/bootstrap", "/opt/bootstrap"].map(|path| vec![path.to_owned()]).to_vec()
    }

    /// What is shown read-only in the root: from this host, in the environment.
    #[must_use]
    pub fn shown(&self) -> Vec<(PathBuf, PathBuf)> {
        let runtime = self.runtime_directory().map(|from| (from, PathBuf::from("/var/runtime")));
        let language =
            self.manifest.language.clone().map(|from| (from, PathBuf::from("/var/lang")));
        let mounts = self.manifest.mounts.iter().map(|path| (path.clone(), path.clone()));
        runtime.into_iter().chain(language).chain(mounts).collect()
    }

    /// AWS's name for this very build of the runtime.
    pub fn version_arn(&self, region: &str) -> String {
        use std::fmt::Write as _;
        let manifest = &self.manifest;
        let (client, version) = match &manifest.client {
            Some(client) => (client.name.as_str(), client.version.as_str()),
            None => ("", ""),
        };
        // What makes a difference to a function. Paths of this host do not.
        let identity = [manifest.name.as_str(), manifest.version.as_str(), client, version];
        let mut arn = format!("arn:aws:lambda:{region}::runtime:");
        for byte in Sha256::digest(identity.join("\n")) {
            write!(arn, "{byte:02x}").expect("writing to a string does not fail");
        }
        arn
    }
}
