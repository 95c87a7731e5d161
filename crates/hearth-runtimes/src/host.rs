//! What is read of this host to find interpreters: a handful of variables and directories.
//!
//! It is a value, so that tests can give another one.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where programs may be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    /// The directories of `PATH`.
    pub(crate) path: Vec<PathBuf>,
    /// The directory with one directory per version of Python, of pyenv.
    pub(crate) pyenv_versions: Option<PathBuf>,
    /// The directory with one directory per version of Node.js, of nvm.
    pub(crate) nvm_versions: Option<PathBuf>,
    /// `JAVA_HOME`.
    pub(crate) java_home: Option<PathBuf>,
    /// The directory with one directory per JDK.
    pub(crate) jvms: Option<PathBuf>,
    /// Where Debian keeps the wheels that `ensurepip` uses.
    pub(crate) wheels: Option<PathBuf>,
}

impl Host {
    /// This host.
    pub(crate) fn current() -> Host {
        let home = env::var_os("HOME").map(PathBuf::from);
        let under_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let path = env::var_os("PATH").unwrap_or_default();
        let pyenv = set("PYENV_ROOT").map(PathBuf::from).or_else(|| under_home(".pyenv"));
        let nvm = set("NVM_DIR").map(PathBuf::from).or_else(|| under_home(".nvm"));
        Host {
            path: env::split_paths(&path).filter(|directory| directory.is_absolute()).collect(),
            pyenv_versions: pyenv.map(|root| root.join("versions")),
            nvm_versions: nvm.map(|root| root.join("versions/node")),
            java_home: set("JAVA_HOME").map(PathBuf::from),
            jvms: Some(PathBuf::from("/usr/lib/jvm")),
            wheels: Some(PathBuf::from("/usr/share/python-wheels")),
        }
    }

    /// Every program of a name on `PATH`, in order.
    pub(crate) fn programs(&self, name: &str) -> Vec<PathBuf> {
        let places = self.path.iter().map(|directory| directory.join(name));
        places.filter(|path| is_program(path)).collect()
    }

    /// The first program of a name on `PATH`.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.programs(name).into_iter().next()
    }

    /// Of the programs that are needed, those that are not on `PATH`, as the packages they are in.
    pub(crate) fn packages_missing(&self, needed: &[(&str, &'static str)]) -> Vec<&'static str> {
        let missing = needed.iter().filter(|(program, _)| self.program(program).is_none());
        missing.map(|(_, package)| *package).collect()
    }
}

/// Whether a path is a file that may be executed.
pub(crate) fn is_program(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// What is in a directory, in order, or nothing if it cannot be read.
pub(crate) fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}
