//! Adding a runtime: everything is put together beside its place and then renamed into it.
//!
//! # Promises
//!
//! 1. On failure nothing is left behind, and a runtime of the same name stays as it was.
//! 2. Nothing is installed on the host. Tools that are missing are named in the error.
//! 3. Every user may read what was added, whatever the umask is: functions run as other users.
//!
//! # Deliberately absent
//!
//! Registries and mirrors: pip, npm and Maven have their own configuration, which is honoured.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::family::{Family, PROVIDED, is_name};
use crate::host::Host;
use crate::runtime::{MANIFEST, RUNTIME};
use crate::{Manifest, Runtime, RuntimeError, image, java, nodejs, python};

/// Which runtime is to be added, and from what.
pub struct AddRequest<'a> {
    /// AWS's name of the runtime.
    pub name: String,
    /// The directory of an interpreter (`bin/python3.11` is in it), or an unpacked base image.
    pub from: Option<PathBuf>,
    /// Told what is being done, for people who wait.
    pub progress: &'a dyn Fn(&str),
}

impl std::fmt::Debug for AddRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("AddRequest");
        shown.field("name", &self.name).field("from", &self.from).finish_non_exhaustive()
    }
}

/// Adds a runtime to the directory of runtimes, or replaces it. Blocks for up to some minutes.
pub fn add(directory: &Path, request: &AddRequest<'_>) -> Result<Runtime, RuntimeError> {
    add_on(&Host::current(), directory, request)
}

/// What the builder of a family works with.
pub(crate) struct Build<'a> {
    pub(crate) host: &'a Host,
    pub(crate) name: &'a str,
    pub(crate) from: Option<&'a Path>,
    pub(crate) progress: &'a dyn Fn(&str),
    /// What will be `/var/runtime`: empty, to be filled.
    pub(crate) runtime: PathBuf,
    /// A place for work in progress, removed afterwards.
    pub(crate) work: PathBuf,
}

pub(crate) fn add_on(
    host: &Host,
    directory: &Path,
    request: &AddRequest<'_>,
) -> Result<Runtime, RuntimeError> {
    let name = request.name.as_str();
    if !is_name(name) {
        return Err(RuntimeError::NotAName { name: name.to_owned() });
    }
    // Paths go into the manifest, where only absolute ones have a meaning.
    let from = match &request.from {
        Some(from) => Some(
            from.canonicalize()
                .map_err(|source| RuntimeError::NotRead { path: from.clone(), source })?,
        ),
        None => None,
    };
    let staging = Staging::start(directory, name)?;
    let build = Build {
        host,
        name,
        from: from.as_deref(),
        progress: request.progress,
        runtime: staging.path.join(RUNTIME),
        work: staging.path.join("work"),
    };
    for part in [&build.runtime, &build.work] {
        fs::create_dir(part).map_err(RuntimeError::writing(part))?;
    }
    let manifest = make(&build)?;
    fs::remove_dir_all(&build.work).map_err(RuntimeError::writing(&build.work))?;
    write_manifest(&staging.path, &manifest)?;
    let_everybody_read(&staging.path).map_err(RuntimeError::writing(&staging.path))?;
    let place = directory.join(name);
    staging.settle(&place)?;
    Runtime::read(&place)?.ok_or_else(|| RuntimeError::NotComplete {
        purpose: "add the runtime",
        missing: MANIFEST.to_owned(),
    })
}

fn make(build: &Build<'_>) -> Result<Manifest, RuntimeError> {
    if let Some(image) = build.from.filter(|from| image::is_base_image(from, build.name)) {
        return Ok(image::manifest(build.name, image));
    }
    match Family::of(build.name) {
        Some(Family::Python { minor }) => python::build(build, minor),
        Some(Family::Nodejs { major }) => nodejs::build(build, major),
        Some(Family::Java { major }) => java::build(build, major),
        None if PROVIDED.contains(&build.name) => {
            Err(RuntimeError::BuiltIn { name: build.name.to_owned() })
        }
        None => Err(RuntimeError::NotKnownHow { name: build.name.to_owned() }),
    }
}

fn write_manifest(directory: &Path, manifest: &Manifest) -> Result<(), RuntimeError> {
    let text = toml::to_string(manifest).map_err(|source| RuntimeError::NotWorded {
        name: manifest.name.clone(),
        source: Box::new(source),
    })?;
    let path = directory.join(MANIFEST);
    fs::write(&path, text).map_err(RuntimeError::writing(&path))
}

/// What its owner may run, everybody may, and a directory may be entered. Links stay as they are.
fn let_everybody_read(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode() & 0o7777;
    let is_open = if metadata.is_dir() || mode & 0o100 != 0 { 0o555 } else { 0o444 };
    if mode & is_open != is_open {
        fs::set_permissions(path, fs::Permissions::from_mode(mode | is_open))?;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            let_everybody_read(&entry?.path())?;
        }
    }
    Ok(())
}

/// A directory that is removed unless it gets in its place.
struct Staging {
    path: PathBuf,
    /// Where a runtime of the same name goes while it is replaced.
    replaced: PathBuf,
}

impl Staging {
    fn start(directory: &Path, name: &str) -> Result<Staging, RuntimeError> {
        let path = directory.join(format!(".incoming-{name}"));
        let replaced = directory.join(format!(".replaced-{name}"));
        let started =
            remove(&path).and_then(|()| remove(&replaced)).and_then(|()| fs::create_dir_all(&path));
        let staging = Staging { path, replaced };
        started.map_err(RuntimeError::writing(&staging.path))?;
        Ok(staging)
    }

    fn settle(self, place: &Path) -> Result<(), RuntimeError> {
        let replaces = place.exists();
        if replaces {
            fs::rename(place, &self.replaced).map_err(RuntimeError::writing(place))?;
        }
        if let Err(source) = fs::rename(&self.path, place) {
            if replaces && let Err(error) = fs::rename(&self.replaced, place) {
                tracing::warn!(path = %self.replaced.display(), %error, "runtime not put back");
            }
            return Err(RuntimeError::NotWritten { path: place.to_owned(), source });
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        for path in [&self.path, &self.replaced] {
            if let Err(error) = remove(path) {
                tracing::warn!(path = %path.display(), %error, "left behind");
            }
        }
    }
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
