//! What can go wrong with a store.

use std::io;

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
    /// Nobody works for the store any more.
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
