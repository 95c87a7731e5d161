//! What the disk can do at all: a copy of a large file, synced, where servers have their data.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::now;

/// How large the file is.
pub(super) const FILE_BYTES: u64 = 1_000_000_000;
/// What is read and written at once.
const PIECE_BYTES: usize = 1_000_000;

/// A file, and room for a copy of it.
#[derive(Debug)]
pub(super) struct Disk {
    directory: TempDir,
}

impl Disk {
    /// Writes the file.
    pub(super) fn new() -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("hearth-bench-disk-");
        let disk = Self { directory: directory.context("could not make a directory")? };
        let mut file = File::create(disk.original()).context("could not make the file")?;
        // No two lines of it are alike, should somebody compress what is stored.
        let mut written = 0;
        while written < FILE_BYTES {
            let piece = piece(written);
            file.write_all(&piece).context("could not write the file")?;
            written += piece.len() as u64;
        }
        file.sync_all().context("could not sync the file")?;
        Ok(disk)
    }

    /// Opens the file.
    pub(super) fn open(&self) -> anyhow::Result<File> {
        File::open(self.original()).context("could not open the file")
    }

    /// Copies the file byte by byte, with a sync at the end, and says how long that took. The kernel
    /// is not asked to do it, because some file systems would copy nothing.
    pub(super) fn copy(&self) -> anyhow::Result<Duration> {
        let mut from = self.open()?;
        let path = self.directory.path().join("copy");
        let mut buffer = vec![0; PIECE_BYTES];
        let start = now();
        let mut to = File::create(&path).context("could not make the copy")?;
        loop {
            let count = from.read(&mut buffer).context("could not read the file")?;
            if count == 0 {
                break;
            }
            to.write_all(&buffer[..count]).context("could not write the copy")?;
        }
        to.sync_all().context("could not sync the copy")?;
        let took = start.elapsed();
        fs::remove_file(&path).context("could not remove the copy")?;
        Ok(took)
    }

    fn original(&self) -> PathBuf {
        self.directory.path().join("original")
    }
}

/// The piece that begins at this place: numbers that look like nothing.
fn piece(place: u64) -> Vec<u8> {
    let mut state = place | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_ne_bytes()
    });
    words.take(PIECE_BYTES / size_of::<u64>()).flatten().collect()
}
