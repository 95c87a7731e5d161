//! Packing a directory into an archive, always to the same bytes.
//!
//! # Promises
//!
//! 1. The same tree gives the same archive: names are sorted and time stamps are constant.
//! 2. Permission bits and links are kept, empty directories too, and nothing is skipped.
//!
//! # Deliberately absent
//!
//! The limits of an upload: [`super::check`] knows them, and its error is the better one. The tree
//! is our own user's, so it is not read as if it were hostile.

use std::fs::{self, File};
use std::io::{self, Cursor};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::PackageError;

/// Makes an archive of everything in a directory.
pub fn pack(directory: &Path) -> Result<Vec<u8>, PackageError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let not_packed = |NotPacked { path, source }| PackageError::NotPacked { path, source };
    add_directory(&mut writer, directory, "").map_err(not_packed)?;
    let finished = writer.finish().map_err(zip_failed(directory)).map_err(not_packed)?;
    Ok(finished.into_inner())
}

type Writer = ZipWriter<Cursor<Vec<u8>>>;

struct NotPacked {
    path: PathBuf,
    source: io::Error,
}

/// Adds everything in a directory; `prefix` is its name in the archive and ends in `/`.
fn add_directory(writer: &mut Writer, directory: &Path, prefix: &str) -> Result<(), NotPacked> {
    let failed = |source| NotPacked { path: directory.to_owned(), source };
    let entries: io::Result<Vec<fs::DirEntry>> =
        fs::read_dir(directory).and_then(Iterator::collect);
    let mut entries = entries.map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        add_entry(writer, &entry, prefix)?;
    }
    Ok(())
}

fn add_entry(writer: &mut Writer, entry: &fs::DirEntry, prefix: &str) -> Result<(), NotPacked> {
    let path = entry.path();
    let failed = |source| NotPacked { path: path.clone(), source };
    let name = format!("{prefix}{}", text(entry.file_name().to_str()).map_err(failed)?);
    // Of the entry itself, and not of what a link leads to.
    let metadata = entry.metadata().map_err(failed)?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(metadata.permissions().mode() & 0o777);
    if metadata.is_dir() {
        writer.add_directory(name.as_str(), options).map_err(zip_failed(&path))?;
        add_directory(writer, &path, &format!("{name}/"))
    } else if metadata.is_symlink() {
        let target = fs::read_link(&path).map_err(failed)?;
        let target = text(target.to_str()).map_err(failed)?;
        writer.add_symlink(name.as_str(), target, options).map_err(zip_failed(&path))
    } else if metadata.is_file() {
        writer.start_file(name.as_str(), options).map_err(zip_failed(&path))?;
        let mut file = File::open(&path).map_err(failed)?;
        io::copy(&mut file, writer).map_err(failed)?;
        Ok(())
    } else {
        Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a file, directory or link")))
    }
}

fn text(name: Option<&str>) -> io::Result<&str> {
    name.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a name is not UTF-8"))
}

fn zip_failed(path: &Path) -> impl Fn(ZipError) -> NotPacked {
    let path = path.to_owned();
    move |error| NotPacked { path: path.clone(), source: io::Error::other(error) }
}
