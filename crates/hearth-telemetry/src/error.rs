//! Why a log operation was not done.
//!
//! One enum for the whole crate, because the front door is its only reader. The texts never contain
//! their source.

use std::io;
use std::path::{Path, PathBuf};

/// Why a log operation was not done.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The group was never created, or was deleted.
    #[error("log group `{group}` does not exist")]
    GroupMissing {
        /// Its name.
        group: String,
    },

    /// The stream was never created, was deleted, or is older than what is kept.
    #[error("log stream `{stream}` does not exist in log group `{group}`")]
    StreamMissing {
        /// The group's name.
        group: String,
        /// The stream's name.
        stream: String,
    },

    /// A group of that name is there already.
    #[error("log group `{group}` already exists")]
    GroupExists {
        /// Its name.
        group: String,
    },

    /// A stream of that name is there already.
    #[error("log stream `{stream}` already exists in log group `{group}`")]
    StreamExists {
        /// The group's name.
        group: String,
        /// The stream's name.
        stream: String,
    },

    /// The name of a new group or stream is empty or too long.
    #[error(
        "the name of a log group or stream has 1 to {bytes_max} bytes and this one has {bytes}"
    )]
    NameRefused {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },

    /// The filter pattern is malformed, or of a kind that is not built.
    #[error("filter pattern refused: {reason}")]
    PatternRefused {
        /// What is wrong with it.
        reason: String,
    },

    /// The token does not come from an earlier page of the same operation.
    #[error("`{token}` is not a token of this operation")]
    TokenInvalid {
        /// What was given.
        token: String,
    },

    /// A file or directory of the store could not be read.
    #[error("could not read `{}`", .path.display())]
    NotRead {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A file or directory of the store could not be written, cut or removed.
    #[error("could not write `{}`", .path.display())]
    NotWritten {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The thread that writes could not be started.
    #[error("could not start the thread that writes logs")]
    WriterNotStarted {
        /// What the system said.
        source: io::Error,
    },
}

impl LogError {
    pub(crate) fn not_read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::NotRead { path: path.to_owned(), source }
    }

    pub(crate) fn not_written(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::NotWritten { path: path.to_owned(), source }
    }

    pub(crate) fn group_missing(group: &str) -> Self {
        Self::GroupMissing { group: group.to_owned() }
    }

    pub(crate) fn stream_missing(group: &str, stream: &str) -> Self {
        Self::StreamMissing { group: group.to_owned(), stream: stream.to_owned() }
    }
}
