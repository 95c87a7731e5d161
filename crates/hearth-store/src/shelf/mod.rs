//! The shelf: the versions of objects in the order of their keys, with the bytes of small ones.
//!
//! ```text
//!  apply ─▶ bounded channel ─▶ writer ─▶ one transaction for all that waits ─▶ answers
//!  newest, versions, uploads, … ─▶ connections that only read
//! ```
//!
//! Its file is its own, so that a change of an object and a change of a function never wait for each
//! other. What waits for the writer is done in one transaction, and shares its sync.
//!
//! # Promises
//!
//! 1. When [`Shelf::apply`] has returned, all of its writes survive a crash of the machine; when it
//!    has failed, none of them happened, unless it says that it is not known.
//! 2. What a read returns was there at one moment, and no earlier than the last `apply` that had
//!    returned before the read began.
//! 3. Memory does not grow with the number of objects, and a page costs what it returns.
//!
//! # Deliberately absent
//!
//! No rules about versions, and no second process. Whoever changes a key keeps other writers of the
//! same key away.

mod writer;
mod reads;
mod rows;
mod file;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use hearth_types::tasks::Tasks;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{mpsc, oneshot};

use crate::error::StoreError;
use crate::shelf::writer::{Asked, Writer};

pub use reads::Start;

/// How many writes may wait for the writer. Whoever comes then waits before the channel.
const WRITES_WAITING_MAX: usize = 256;

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
    /// The greater, the newer.
    pub rank: u64,
    /// The id of the version.
    pub version: String,
    /// What it is.
    pub kind: RowKind,
    /// The upload that it was put together from.
    pub upload: Option<String>,
    /// The piece that it needs.
    pub piece: Option<u64>,
    /// Everything that is remembered of it.
    pub document: String,
}

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// An object whose bytes are a piece.
    Small,
    /// An object whose bytes are in files.
    Large,
    /// A delete marker.
    Marker,
}

/// A version, and the piece that it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The version.
    pub row: Row,
    /// Its piece, if it has one.
    pub piece: Option<Bytes>,
}

/// Which of the versions of a key a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The newest.
    Newest,
    /// Another one.
    Older,
}

/// An upload that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRow {
    /// The bucket.
    pub bucket: String,
    /// The key that its object will have.
    pub key: String,
    /// Its id.
    pub id: String,
    /// Everything that is remembered of it.
    pub document: String,
}

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// The id of the upload.
    pub upload: String,
    /// Its number.
    pub number: u16,
    /// Everything that is remembered of it.
    pub document: String,
}

/// One of several changes that happen together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A version is kept. The newest takes the place of the newest before.
    Put(Place, Row),
    /// The newest version of a key is forgotten.
    RemoveNewest {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
    },
    /// Another version is forgotten.
    RemoveOlder {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// Its rank.
        rank: u64,
    },
    /// A piece is kept.
    PutPiece(u64, Bytes),
    /// A piece is forgotten.
    RemovePiece(u64),
    /// An upload is kept.
    PutUpload(UploadRow),
    /// An upload is forgotten, with its parts.
    RemoveUpload {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// Its id.
        id: String,
    },
    /// A part is kept, in place of the one with its number.
    PutPart(PartRow),
    /// A note is kept.
    PutNote(u64, String),
    /// Notes are forgotten.
    RemoveNote(u64),
}

/// An open shelf. Its writer works until it is closed or dropped.
#[derive(Debug)]
pub struct Shelf {
    /// `None` once it is closed.
    writes: Mutex<Option<mpsc::Sender<Asked>>>,
    readers: SqlitePool,
    /// The writer.
    tasks: Tasks,
}

impl Shelf {
    /// Opens the file, makes it if it is not there, brings its schema up to date, and starts the
    /// writer.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or was written by a newer Hearth.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        let writer = Writer::open(file).await?;
        let readers = file::readers(file).await?;
        let (writes, waiting) = mpsc::channel(WRITES_WAITING_MAX);
        let tasks = Tasks::default();
        tasks.spawn("shelf writer", writer.run(waiting));
        Ok(Self { writes: Mutex::new(Some(writes)), readers, tasks })
    }

    /// Makes changes that happen together, in their order.
    ///
    /// # Errors
    ///
    /// If the engine failed, or the shelf is closed.
    pub async fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let sender = self.writes().clone().ok_or(StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let sent = sender.send(Asked { writes, answer }).await;
        sent.map_err(|_refused| StoreError::Closed)?;
        answered.await.map_err(|_dropped| StoreError::Closed)?
    }

    /// Finishes what was asked for, writes the log into the file and closes it.
    pub async fn close(&self) {
        drop(self.writes().take());
        self.readers.close().await;
        self.tasks.finished().await;
    }

    fn writes(&self) -> MutexGuard<'_, Option<mpsc::Sender<Asked>>> {
        self.writes.lock().expect("no code panics while it holds the channel")
    }
}
