//! Values on their way into the file and out of it.

use crate::error::StoreError;
use crate::shelf::{Row, RowKind};

/// A row of either table of versions, as it is read: bucket, key, rank, version, whether it is an
/// object, whether it has files, upload, piece, document.
pub(super) type Columns =
    (String, Vec<u8>, i64, String, i64, i64, Option<String>, Option<i64>, String);

/// The columns in the order of [`Columns`].
macro_rules! columns {
    () => {
        "bucket, key, rank, version, is_object, has_files, upload, piece, document"
    };
}
pub(super) use columns;

/// A rank, or the id of a piece or a note, as a column has it. They are made from the time of day in
/// milliseconds, and are far from the end.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The same, of a column.
pub(super) fn of_column(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// How many rows are wanted.
pub(super) fn items(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// A key of a column. What is put is text, so what is read is.
pub(super) fn key(column: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(column).map_err(|_not_utf8| StoreError::Text)
}

pub(super) fn row(columns: Columns) -> Result<Row, StoreError> {
    let (bucket, of_key, rank, version, is_object, has_files, upload, piece, document) = columns;
    let kind = match (is_object, has_files) {
        (0, _) => RowKind::Marker,
        (_, 0) => RowKind::Small,
        (_, _) => RowKind::Large,
    };
    Ok(Row {
        bucket,
        key: key(of_key)?,
        rank: of_column(rank),
        version,
        kind,
        upload,
        piece: piece.map(of_column),
        document,
    })
}

impl RowKind {
    /// Whether it is an object, as a column has it.
    pub(super) fn is_object(self) -> i64 {
        match self {
            Self::Small | Self::Large => 1,
            Self::Marker => 0,
        }
    }

    /// Whether it has files, as a column has it.
    pub(super) fn has_files(self) -> i64 {
        match self {
            Self::Large => 1,
            Self::Small | Self::Marker => 0,
        }
    }
}
