//! Values on their way into the file and out of it.
//!
//! Lists are handed over as one JSON text, which SQLite takes apart: a statement has the same text
//! then, however long its list is, and is prepared once.

use hearth_types::time::Timestamp;
use serde::Serialize;

use crate::error::StoreError;

/// A point in time as a column has it. Later than a column can say is as good as never.
pub(super) fn milliseconds(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A point in time of a column.
pub(super) fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp(u64::try_from(milliseconds).unwrap_or(0))
}

/// A size or a count as a column has it.
pub(super) fn size(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// A size or a count of a column.
pub(super) fn count(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// How often an entry was leased.
pub(super) fn leases(column: i64) -> u32 {
    u32::try_from(column).unwrap_or(u32::MAX)
}

/// A list as one value.
pub(super) fn list(items: &impl Serialize) -> String {
    serde_json::to_string(items).expect("numbers and text can be written as JSON")
}

/// Whether the disk failed, for another reason than that it is full.
pub(super) fn is_of_disk(error: &StoreError) -> bool {
    let StoreError::Engine { source, .. } = error else { return false };
    code(source).is_some_and(|code| code & 0xff == 10)
}

/// SQLite's code, with what it says beyond the code proper.
fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Why SQLite refused, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The file is damaged or no database, or the disk does not give back what was written.
    Damaged,
    /// The file does not have what a statement asks for.
    Missing,
    /// A row is not what its table asks for.
    Constraint,
    /// Anything else.
    Other,
}

impl Why {
    pub(super) fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Engine { source, .. } => Self::of_engine(source),
            StoreError::TooNew { .. }
            | StoreError::Document { .. }
            | StoreError::Scope(_)
            | StoreError::File { .. }
            | StoreError::Together { .. }
            | StoreError::Unknown(_)
            | StoreError::Address(_)
            | StoreError::TooOld { .. }
            | StoreError::Text
            | StoreError::Closed => Self::Other,
        }
    }

    pub(super) fn of_engine(error: &sqlx::Error) -> Self {
        let Some(code) = code(error) else { return Self::Other };
        // The lowest byte is the code proper; the rest says more about it.
        match (code, code & 0xff) {
            // Pages that cannot be read, or not as a whole.
            (266 | 522, _) | (_, 11 | 26) => Self::Damaged,
            (_, 1) => Self::Missing,
            (_, 19) => Self::Constraint,
            (_, _) => Self::Other,
        }
    }
}
