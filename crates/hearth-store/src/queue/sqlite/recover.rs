//! What is looked at before the file is opened, and what is done if something is wrong with it.
//!
//! ```text
//!  log empty ──────────────────────────────────────────────▶ open
//!  log left by a crash ─▶ report its end ─▶ check the file ─▶ open
//!                                               │ damaged
//!                                               ▼
//!             copy what can be read ─▶ put the file aside ─▶ open the copy
//! ```
//!
//! # Promises
//!
//! 1. A crash at any moment leads back to where it was: the note that a file is to be checked is
//!    removed last, and a copy takes the place of the file only when it is complete.
//! 2. A damaged file is never removed.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sqlx::Connection as _;
use tokio::fs;

use crate::error::StoreError;
use crate::queue::sqlite::rows::Why;
use crate::queue::sqlite::{file, log, salvage};

pub use crate::queue::sqlite::log::{LogEnd, LogFound};

/// Damaged files that are put aside. Whoever has as many should look at the disk.
const DAMAGED_FILES_MAX: u32 = 100;

/// What was found when a queue was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The log that a crash left, if there was one.
    pub log: Option<LogFound>,
    /// What was done if the file was damaged.
    pub salvage: Option<Salvage>,
}

/// What was kept of a damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// Entries that could be read.
    pub kept: u64,
    /// Entries that could not, as far as their number is known.
    pub lost: u64,
    /// Where the damaged file is now.
    pub damaged_file: PathBuf,
}

/// Finishes what a crash interrupted, reports the log, and checks the file if there is reason to.
pub(super) async fn before_opening(file: &Path) -> Result<Recovery, StoreError> {
    finish(file).await?;
    let path = beside(file, "-wal");
    let log = tokio::task::spawn_blocking(move || log::read(&path)).await;
    let log = log.expect("reading a log does not panic");
    let log = log.map_err(StoreError::with_file("read the queue's log"))?;
    let mut recovery = Recovery { log, salvage: None };
    if !exists(file).await? {
        return Ok(recovery);
    }
    if let Some(log) = &recovery.log {
        report(file, log);
        suspect(file).await?;
    }
    if exists(&beside(file, "-check")).await? {
        if is_damaged(file).await? {
            recovery.salvage = Some(salvage(file).await?);
        }
        trust(file).await?;
    }
    Ok(recovery)
}

/// Notes that the file is to be checked before it is opened the next time.
pub(super) async fn suspect(file: &Path) -> Result<(), StoreError> {
    let noted = fs::write(beside(file, "-check"), "").await;
    noted.map_err(StoreError::with_file("note that the queue is to be checked"))
}

/// Whether an error says that the file is damaged.
pub(super) fn is_damage(error: &StoreError) -> bool {
    Why::of(error) == Why::Damaged
}

/// Copies what can be read into a new file, and puts that in place of the damaged one.
pub(super) async fn salvage(file: &Path) -> Result<Salvage, StoreError> {
    suspect(file).await?;
    let copy = beside(file, ".salvage");
    remove_all(&copy).await?;
    // What is in there is nobody else's to read; SQLite gives its log the permissions of the file.
    let made = fs::File::options().create(true).append(true).mode(0o600).open(&copy).await;
    drop(made.map_err(StoreError::with_file("make a copy of the queue"))?);
    let (kept, lost) = salvage::copy(file, &copy).await?;
    let damaged_file = free_name(file).await?;
    put_aside(file, &damaged_file).await?;
    rename(&copy, file).await?;
    sync_directory(file).await?;
    trust(file).await?;
    tracing::error!(
        kept,
        lost,
        damaged_file = %damaged_file.display(),
        "the queue's file was damaged; what could be read is kept, and the damaged file is aside"
    );
    Ok(Salvage { kept, lost, damaged_file })
}

/// Goes on where a crash interrupted a salvage.
async fn finish(file: &Path) -> Result<(), StoreError> {
    let copy = beside(file, ".salvage");
    if !exists(&copy).await? {
        return Ok(());
    }
    if has_content(file).await? {
        // It is not complete, or was not put in place: the file is checked once more.
        return remove_all(&copy).await;
    }
    // The file was put aside already, so the copy is complete. An empty file may have been made
    // since, as at each start.
    let damaged_file = free_name(file).await?;
    put_aside(file, &damaged_file).await?;
    rename(&copy, file).await?;
    sync_directory(file).await
}

fn report(file: &Path, log: &LogFound) {
    let file = file.display();
    let LogFound { frames, dropped_bytes, end } = log;
    match end {
        LogEnd::Whole => {
            tracing::info!(%file, frames, "the queue was not closed; its log is whole");
        }
        LogEnd::Unfinished => tracing::info!(
            %file,
            frames,
            dropped_bytes,
            "the queue was not closed; the last transaction had not come to its end"
        ),
        LogEnd::Torn => tracing::warn!(
            %file,
            frames,
            dropped_bytes,
            "the end of the queue's log is torn; what was written before it is kept"
        ),
    }
}

async fn is_damaged(file: &Path) -> Result<bool, StoreError> {
    match check(file).await {
        Ok(found) => {
            if found != "ok" {
                tracing::error!(file = %file.display(), found, "the queue's file is damaged");
            }
            Ok(found != "ok")
        }
        Err(error) if is_damage(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// What SQLite says about the first fault that it finds; `ok` if it finds none.
async fn check(file: &Path) -> Result<String, StoreError> {
    let mut connection = file::connect(file).await?;
    let found = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
    let found = found.map_err(StoreError::during("check the queue"));
    let closed = connection.close().await.map_err(StoreError::during("close the queue"));
    let found = found?;
    closed?;
    Ok(found)
}

/// Removes the note that a file is to be checked.
async fn trust(file: &Path) -> Result<(), StoreError> {
    remove(&beside(file, "-check")).await
}

/// Moves a database with its log. The file comes last of what a reader needs and first of what
/// [`finish`] looks at.
async fn put_aside(file: &Path, aside: &Path) -> Result<(), StoreError> {
    if has_content(file).await? {
        rename(file, aside).await?;
    }
    if exists(&beside(file, "-wal")).await? {
        rename(&beside(file, "-wal"), &beside(aside, "-wal")).await?;
    }
    remove(&beside(file, "-shm")).await
}

async fn remove_all(file: &Path) -> Result<(), StoreError> {
    for end in ["-wal", "-shm", ""] {
        remove(&beside(file, end)).await?;
    }
    Ok(())
}

/// A name for a damaged file that is not taken yet.
async fn free_name(file: &Path) -> Result<PathBuf, StoreError> {
    for number in 1..=DAMAGED_FILES_MAX {
        let name = beside(file, &format!(".damaged-{number}"));
        if !exists(&name).await? && !exists(&beside(&name, "-wal")).await? {
            return Ok(name);
        }
    }
    let full = io::Error::other(format!("there are {DAMAGED_FILES_MAX} damaged files already"));
    Err(StoreError::with_file("put a damaged queue aside")(full))
}

/// The same path with something at its end.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(end);
    PathBuf::from(path)
}

async fn exists(path: &Path) -> Result<bool, StoreError> {
    fs::try_exists(path).await.map_err(StoreError::with_file("look for the queue"))
}

async fn has_content(path: &Path) -> Result<bool, StoreError> {
    match fs::metadata(path).await {
        Ok(found) => Ok(found.len() > 0),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::with_file("look for the queue")(error)),
    }
}

async fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).await.map_err(StoreError::with_file("rename the queue"))
}

async fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::with_file("remove a file of the queue")(error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn sync_directory(file: &Path) -> Result<(), StoreError> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let opened = fs::File::open(directory.unwrap_or_else(|| Path::new("."))).await;
    let synced = match opened {
        Ok(directory) => directory.sync_all().await,
        Err(error) => Err(error),
    };
    synced.map_err(StoreError::with_file("sync the queue's directory"))
}
