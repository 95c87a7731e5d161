//! What can go wrong with a store.

use std::io;
use std::sync::Arc;

use hearth_types::names::NameError;

/// An operation of a store that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine refused.
    #[error("could not {operation}")]
    Engine {
        /// What was being done, as a verb phrase.
        operation: &'static str,
        /// What the engine said.
        source: sqlx::Error,
    },
    /// The file was written by a newer Hearth.
    #[error("the store has schema {found} and this program knows {known}; use a newer Hearth")]
    TooNew {
        /// The schema of the file.
        found: i64,
        /// The newest schema that this program knows.
        known: i64,
    },
    /// A document is not what a record of its kind says.
    #[error("could not understand a record of kind `{kind}`")]
    Document {
        /// What it should be a record of.
        kind: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A record is of no account or no region.
    #[error("could not understand whose a record is")]
    Scope(#[source] NameError),
    /// The system refused.
    #[error("could not {operation}")]
    File {
        /// What was being done, as a verb phrase.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The engine refused something that was done for several callers at once; each is told.
    #[error("could not {operation}")]
    Together {
        /// What was being done, as a verb phrase.
        operation: &'static str,
        /// What the engine said.
        source: Arc<sqlx::Error>,
    },
    /// The connection was lost while a change was being made durable, and it could not be learnt
    /// whether it was.
    #[error("could not learn whether a change was kept")]
    Unknown(#[source] Arc<sqlx::Error>),
    /// The address of a database cannot be used. The text never has the address itself, which has a
    /// password in it.
    #[error("the address of the database cannot be used: {0}")]
    Address(&'static str),
    /// The database server is of a version that lacks something.
    #[error("the database server has version {found}, and at least {needed} is needed")]
    TooOld {
        /// Its version.
        found: u32,
        /// The oldest that will do.
        needed: u32,
    },
    /// A text has a character that the engine cannot keep.
    #[error("a text with the character U+0000 cannot be kept")]
    Text,
    /// The engine was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// For `map_err`: names the operation.
    pub(crate) fn during(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Engine { operation, source }
    }

    /// For `map_err`: names what was done with a file.
    pub(crate) fn with_file(operation: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { operation, source }
    }
}
