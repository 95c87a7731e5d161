//! Code packages: the archives of functions and layers, and the trees that they unpack to.
//!
//! Everything in an archive comes from a stranger. It is read by [`archive`], judged as a whole by
//! [`tree`], and only then written by [`unpack`]. [`mod@pack`] goes the other way, and [`merge`]
//! lays the trees of several archives over each other.
//!
//! ```text
//! <directory>/zip/<hex>         an archive, as it was uploaded
//! <directory>/tree/<hex>/       what it unpacks to
//! <directory>/merged/<hex>/     what several unpack to together, in links to their trees
//! <directory>/incoming/         work in progress, cleared by `Packages::open`
//! ```
//!
//! # Promises
//!
//! 1. What stands in `zip/`, `tree/` and `merged/` is whole, also after a power failure. Work is
//!    done in `incoming/` and gets in place by one rename, so a process that is killed leaves
//!    nothing half-done behind.
//! 2. Nothing of an archive is written outside its own tree and the merged ones, and no link in
//!    its own tree leads out of it.
//! 3. An archive costs at most the limits of `hearth_types::limits`, whatever its headers say.
//! 4. [`Packages::keep`], [`Packages::unpack`] and [`Packages::merge`] may be repeated and may run
//!    at the same time.
//!
//! # Deliberately absent
//!
//! Who uses a package: [`Packages::retain`] and [`Packages::retain_merged`] are told. One process
//! owns the directory at a time. Signatures are not checked, and modification times are not
//! restored.

mod digest;
mod error;
mod archive;
mod tree;
mod unpack;
mod pack;
mod merge;

#[cfg(test)]
mod crafted;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_types::limits::ARCHIVE_BYTES_MAX;

pub use self::digest::{CodeDigest, DigestError};
pub use self::error::{PackageError, Refusal};
pub use self::pack::pack;

/// What is known of an archive that passed its check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageSummary {
    /// The SHA-256 of the archive.
    pub digest: CodeDigest,
    /// The size of the archive.
    pub zip_bytes: u64,
    /// What the archive holds when it is unpacked.
    pub unzipped_bytes: u64,
    /// How many entries its directory lists.
    pub entries: usize,
}

/// Judges an archive without keeping it: all that can be known without inflating its files.
///
/// Links are the exception. Where one leads is its content, so that is inflated here.
pub fn check(zip: &[u8]) -> Result<PackageSummary, PackageError> {
    if zip.is_empty() {
        return Err(PackageError::Empty);
    }
    if zip.len() > ARCHIVE_BYTES_MAX {
        return Err(PackageError::ZippedTooLarge { bytes: zip.len(), limit: ARCHIVE_BYTES_MAX });
    }
    let entries = archive::entries(zip)?;
    let count = entries.len();
    let tree = tree::Tree::plan(entries)?;
    Ok(PackageSummary {
        digest: CodeDigest::of(zip),
        zip_bytes: zip.len() as u64,
        unzipped_bytes: tree.unzipped_bytes(),
        entries: count,
    })
}

/// The directory of code packages.
#[derive(Debug)]
pub struct Packages {
    directory: PathBuf,
    /// Makes the names in `incoming/` differ.
    incoming_next: AtomicU64,
}

impl Packages {
    /// Opens the directory, makes what is missing of it, and clears what a killed process left.
    pub fn open(directory: PathBuf) -> Result<Packages, PackageError> {
        let prepared = (|| {
            fs::create_dir_all(directory.join(ZIP))?;
            fs::create_dir_all(directory.join(TREE))?;
            fs::create_dir_all(directory.join(MERGED))?;
            let incoming = directory.join(INCOMING);
            if incoming.try_exists()? {
                fs::remove_dir_all(&incoming)?;
            }
            fs::create_dir(&incoming)?;
            forget_trees_of_another_boot(&directory)
        })();
        match prepared {
            Ok(()) => Ok(Packages { directory, incoming_next: AtomicU64::new(0) }),
            Err(source) => Err(PackageError::NotOpened { path: directory, source }),
        }
    }

    /// See [`check`].
    pub fn check(&self, zip: &[u8]) -> Result<PackageSummary, PackageError> {
        check(zip)
    }

    /// Checks an archive and keeps it, durably.
    pub fn keep(&self, zip: &[u8]) -> Result<PackageSummary, PackageError> {
        let summary = check(zip)?;
        let digest = summary.digest;
        self.keep_bytes(digest, zip).map_err(|source| PackageError::NotKept { digest, source })?;
        Ok(summary)
    }

    /// Unpacks a kept archive, once, and returns its tree.
    ///
    /// Concurrent calls each unpack a copy; the first rename decides, and the others drop theirs.
    pub fn unpack(&self, digest: CodeDigest) -> Result<PathBuf, PackageError> {
        let tree = self.tree(digest);
        if tree.is_dir() {
            return Ok(tree);
        }
        let zip = self.zip(digest)?;
        let plan = tree::Tree::plan(archive::entries(&zip)?)?;
        let incoming = self.incoming();
        let written = unpack::write(&plan, &incoming, digest)
            .and_then(|()| settle(&incoming, &tree).map_err(|source| not_unpacked(digest, source)));
        if written.is_err() {
            discard(&incoming);
        }
        written.map(|()| tree)
    }

    /// The bytes of a kept archive.
    pub fn zip(&self, digest: CodeDigest) -> Result<Vec<u8>, PackageError> {
        fs::read(self.zip_path(digest)).map_err(|source| {
            if source.kind() == io::ErrorKind::NotFound {
                PackageError::Missing { digest }
            } else {
                PackageError::NotRead { digest, source }
            }
        })
    }

    /// Where an archive stands, if it is kept.
    pub fn zip_path(&self, digest: CodeDigest) -> PathBuf {
        self.directory.join(ZIP).join(digest.hex())
    }

    /// Where the tree of an archive stands, once it has been unpacked.
    pub fn tree(&self, digest: CodeDigest) -> PathBuf {
        self.directory.join(TREE).join(digest.hex())
    }

    /// Forgets an archive and its tree. To forget what is not there is no error.
    pub fn remove(&self, digest: CodeDigest) -> Result<(), PackageError> {
        let removed = (|| {
            ignore_missing(fs::remove_file(self.zip_path(digest)))?;
            self.remove_tree(&self.tree(digest))
        })();
        removed.map_err(|source| PackageError::NotRemoved { digest, source })
    }

    /// A tree leaves its place in one step, because what stands there must be whole.
    fn remove_tree(&self, place: &Path) -> io::Result<()> {
        let incoming = self.incoming();
        match fs::rename(place, &incoming) {
            Ok(()) => fs::remove_dir_all(&incoming),
            Err(error) => ignore_missing(Err(error)),
        }
    }

    /// Every package of which an archive or a tree is here, in order.
    pub fn list(&self) -> Result<Vec<CodeDigest>, PackageError> {
        let mut found = BTreeSet::new();
        for part in [ZIP, TREE] {
            let names = file_names(&self.directory.join(part));
            let names = names.map_err(|source| PackageError::NotListed { source })?;
            // A name that is no digest was put here by somebody else, so it is left alone.
            found.extend(names.iter().filter_map(|name| name.parse::<CodeDigest>().ok()));
        }
        Ok(found.into_iter().collect())
    }

    /// Forgets every package that is not in `wanted`, and returns those that it forgot.
    pub fn retain(&self, wanted: &HashSet<CodeDigest>) -> Result<Vec<CodeDigest>, PackageError> {
        let mut unwanted = self.list()?;
        unwanted.retain(|digest| !wanted.contains(digest));
        for digest in &unwanted {
            self.remove(*digest)?;
        }
        Ok(unwanted)
    }

    fn keep_bytes(&self, digest: CodeDigest, zip: &[u8]) -> io::Result<()> {
        let place = self.zip_path(digest);
        if place.try_exists()? {
            return Ok(());
        }
        let incoming = self.incoming();
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).open(&incoming)?;
            file.write_all(zip)?;
            file.sync_all()?;
            fs::rename(&incoming, &place)
        })();
        if written.is_err() {
            discard(&incoming);
        }
        written?;
        // The rename itself is durable only when its directory is.
        File::open(self.directory.join(ZIP))?.sync_all()
    }

    /// A path in `incoming/` that nobody else uses.
    fn incoming(&self) -> PathBuf {
        let number = self.incoming_next.fetch_add(1, Ordering::Relaxed);
        self.directory.join(INCOMING).join(number.to_string())
    }
}

const ZIP: &str = "zip";
const TREE: &str = "tree";
const MERGED: &str = "merged";
const INCOMING: &str = "incoming";
/// Which boot of the machine the trees were written in.
const BOOT: &str = "boot";

/// Trees are a cache of the archives and are not synced when they are written: that would take
/// longer than everything else. So after a power failure they cannot be trusted, and a boot of the
/// machine is when there may have been one.
fn forget_trees_of_another_boot(directory: &Path) -> io::Result<()> {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let written = fs::read(directory.join(BOOT)).unwrap_or_default();
    if boot.is_empty() || boot != written {
        for trees in [TREE, MERGED] {
            fs::remove_dir_all(directory.join(trees))?;
            fs::create_dir(directory.join(trees))?;
        }
        fs::write(directory.join(BOOT), boot)?;
    }
    Ok(())
}

fn not_unpacked(digest: CodeDigest, source: io::Error) -> PackageError {
    PackageError::NotUnpacked { digest, source }
}

/// Puts a finished tree in its place, or drops it when another one is there already.
fn settle(finished: &Path, place: &Path) -> io::Result<()> {
    match fs::rename(finished, place) {
        Ok(()) => Ok(()),
        Err(_) if place.is_dir() => fs::remove_dir_all(finished),
        Err(error) => Err(error),
    }
}

/// Removes unfinished work. What cannot be removed now is removed by the next `Packages::open`.
fn discard(incoming: &Path) {
    let removed =
        if incoming.is_dir() { fs::remove_dir_all(incoming) } else { fs::remove_file(incoming) };
    if let Err(error) = ignore_missing(removed) {
        tracing::warn!(path = %incoming.display(), %error, "unfinished package left behind");
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The names in a directory that are text.
fn file_names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    Ok(names)
}
