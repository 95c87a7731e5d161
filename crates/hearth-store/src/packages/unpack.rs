//! Writing a planned tree into a fresh directory.
//!
//! # Promises
//!
//! 1. Files are made new and never opened through a link: links are made after everything else.
//! 2. Directories have mode 0755 and files the mode of the plan, whatever the umask is.
//!
//! # Deliberately absent
//!
//! Cleaning up after a failure, which is the caller's, who also gave the directory.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::archive::{CopyError, Entry};
use super::tree::{Kind, Tree};
use super::{CodeDigest, PackageError};

/// Writes the tree of a package into `directory`, which must not exist yet.
pub(super) fn write(
    tree: &Tree<'_>,
    directory: &Path,
    digest: CodeDigest,
) -> Result<(), PackageError> {
    let not_unpacked = |source| PackageError::NotUnpacked { digest, source };
    make_directory(directory).map_err(not_unpacked)?;
    for (index, node) in tree.nodes() {
        let path = place(directory, &tree.parts(index));
        match &node.kind {
            Kind::Directory => make_directory(&path).map_err(not_unpacked)?,
            Kind::File { entry, mode } => {
                make_file(&path, entry, *mode).map_err(|error| match error {
                    CopyError::Refused(why) => entry.refused(why),
                    CopyError::NotWritten(source) => not_unpacked(source),
                })?;
            }
            Kind::Link { .. } => {}
        }
    }
    for (index, node) in tree.nodes() {
        if let Kind::Link { target } = &node.kind {
            let path = place(directory, &tree.parts(index));
            symlink(OsStr::from_bytes(target), path).map_err(not_unpacked)?;
        }
    }
    Ok(())
}

fn place(directory: &Path, parts: &[&[u8]]) -> PathBuf {
    let mut path = directory.to_owned();
    path.extend(parts.iter().map(|part| OsStr::from_bytes(part)));
    path
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

fn make_file(path: &Path, entry: &Entry<'_>, mode: u32) -> Result<(), CopyError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(CopyError::NotWritten)?;
    entry.copy_to(&mut file)?;
    file.set_permissions(Permissions::from_mode(mode)).map_err(CopyError::NotWritten)
}
