//! Several archives laid over each other: what a function with more than one layer sees.
//!
//! Nothing is copied. A merged tree has directories of its own, and in them hard links to the
//! files of the trees that it was made of.
//!
//! # Promises
//!
//! 1. It is as if the archives had been unpacked into one directory in their order. A later file
//!    or link takes the place of an earlier one. Where only one of the two is a directory, the
//!    earlier one stays, as with `unzip -o`; but a directory that meets a link to a directory is
//!    laid over what the link leads to.
//! 2. Nothing is written outside the merged tree, wherever links lead.
//! 3. The same archives in the same order make the same tree.
//!
//! # Deliberately absent
//!
//! Protection of the files: whoever writes to one in a merged tree changes it in every other tree
//! as well, so merged trees are for reading only. Links are not judged again. Two archives can
//! make a link that leads out of the merged tree though neither could alone, so an environment
//! follows links in its own root, and this process follows none.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs::{self, DirEntry, FileType, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{CodeDigest, MERGED, PackageError, Packages, discard, file_names, settle};

/// As for a single archive: to remove a tree costs a file descriptor per level. Only links that
/// lead down make a merged tree deeper than the deepest of its parts.
const DEPTH_MAX: usize = 128;

impl Packages {
    /// What the merged tree of these archives is called. A single one is called what it is.
    pub fn merged_key(layers: &[CodeDigest]) -> CodeDigest {
        if let [only] = layers {
            return *only;
        }
        let list: String = layers.iter().map(CodeDigest::hex).collect();
        CodeDigest::of(list.as_bytes())
    }

    /// Where the merged tree of these archives stands, once it has been made. That of a single
    /// one is its own tree.
    pub fn merged_path(&self, layers: &[CodeDigest]) -> PathBuf {
        match layers {
            [only] => self.tree(*only),
            several => self.directory.join(MERGED).join(Self::merged_key(several).hex()),
        }
    }

    /// Lays kept archives over each other, once, and returns the tree. The last one is on top.
    ///
    /// Concurrent calls each make a tree; the first rename decides, and the others drop theirs.
    pub fn merge(&self, layers: &[CodeDigest]) -> Result<PathBuf, PackageError> {
        let place = self.merged_path(layers);
        if place.is_dir() {
            return Ok(place);
        }
        let trees: Result<Vec<PathBuf>, PackageError> =
            layers.iter().map(|layer| self.unpack(*layer)).collect();
        let trees = trees?;
        if layers.len() == 1 {
            return Ok(place);
        }
        let incoming = self.incoming();
        match lay(&trees, &incoming).and_then(|()| settle(&incoming, &place)) {
            Ok(()) => Ok(place),
            Err(source) => {
                discard(&incoming);
                Err(PackageError::NotMerged { merged: Self::merged_key(layers), source })
            }
        }
    }

    /// Forgets every merged tree whose key is not in `wanted`, and returns the keys of those that
    /// it forgot. The trees of single archives are the business of [`Packages::retain`].
    pub fn retain_merged(
        &self,
        wanted: &HashSet<CodeDigest>,
    ) -> Result<Vec<CodeDigest>, PackageError> {
        let merged = self.directory.join(MERGED);
        let names = file_names(&merged).map_err(|source| PackageError::NotListed { source })?;
        // A name that is no digest was put here by somebody else, so it is left alone.
        let keys = names.iter().filter_map(|name| name.parse::<CodeDigest>().ok());
        let unwanted: Vec<CodeDigest> = keys.filter(|key| !wanted.contains(key)).collect();
        for key in &unwanted {
            let removed = self.remove_tree(&merged.join(key.hex()));
            removed.map_err(|source| PackageError::NotRemoved { digest: *key, source })?;
        }
        Ok(unwanted)
    }
}

/// Makes the directory `root` and lays the trees over each other in it.
fn lay(trees: &[PathBuf], root: &Path) -> io::Result<()> {
    make_directory(root, Permissions::from_mode(0o755))?;
    // Links are judged by where they really lead, so the root must be spelled that way as well.
    let root = root.canonicalize()?;
    trees.iter().try_for_each(|tree| lay_over(tree, &root, &root))
}

/// Lays what is in the directory `from` over what is in `onto`, a directory in `root`.
fn lay_over(from: &Path, onto: &Path, root: &Path) -> io::Result<()> {
    for entry in entries(from)? {
        let (source, place) = (entry.path(), onto.join(entry.file_name()));
        // Of the entry itself, and not of what a link leads to.
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if let Some(place) = enter(&entry, place, root)? {
                lay_over(&source, &place, root)?;
            }
        } else if clear(&place)? {
            if kind.is_symlink() {
                symlink(fs::read_link(&source)?, &place)?;
            } else {
                link_or_copy(&source, &place)?;
            }
        }
    }
    Ok(())
}

/// What is in a directory, in the order of the names: a link and a directory of one layer may meet
/// by way of another layer, and then the order matters.
fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<DirEntry>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

/// The directory at a place, or the one that a link there leads to, made if there is nothing yet.
/// None if something else is there.
fn enter(entry: &DirEntry, place: PathBuf, root: &Path) -> io::Result<Option<PathBuf>> {
    match kind_of(&place)? {
        None => {
            let below = place.strip_prefix(root).unwrap_or(&place);
            if below.components().count() > DEPTH_MAX {
                return Err(io::Error::other("links make the directories too deep"));
            }
            make_directory(&place, entry.metadata()?.permissions())?;
            Ok(Some(place))
        }
        Some(kind) if kind.is_dir() => Ok(Some(place)),
        // A link that leads nowhere, in circles or out is not a directory.
        Some(_) => {
            let led = place.canonicalize().ok();
            Ok(led.filter(|led| led.starts_with(root) && led.is_dir()))
        }
    }
}

/// Makes room for a file or a link. Returns whether there is some: a directory stays.
fn clear(place: &Path) -> io::Result<bool> {
    match kind_of(place)? {
        None => Ok(true),
        Some(kind) if kind.is_dir() => Ok(false),
        Some(_) => fs::remove_file(place).map(|()| true),
    }
}

/// What is at a place: the link itself, if it is one.
fn kind_of(place: &Path) -> io::Result<Option<FileType>> {
    match fs::symlink_metadata(place) {
        Ok(found) => Ok(Some(found.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make_directory(place: &Path, permissions: Permissions) -> io::Result<()> {
    fs::create_dir(place)?;
    // Whatever the umask is.
    fs::set_permissions(place, permissions)
}

/// Some file systems have no hard links, and all limit how many a file may have.
fn link_or_copy(source: &Path, place: &Path) -> io::Result<()> {
    fs::hard_link(source, place).or_else(|_not_linked| fs::copy(source, place).map(drop))
}
