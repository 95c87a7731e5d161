//! What a stream offers to those who read it: shards, and records in the order in which they came.
//!
//! # Promises
//!
//! [`ShardSource`] is all that the readers know of a stream. Whoever implements it can have its
//! shards read with everything that a mapping may ask for.
//!
//! # Deliberately absent
//!
//! What becomes of the records: that is [`super::core`]'s. Where somebody has read to: that is
//! [`crate::checkpoint`]'s.

use std::cmp::Ordering;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::json::Json;

/// The place of a record in its shard: a decimal number of any length. Those of one shard grow.
///
/// Zeros in front do not count when two are compared; the text stays as the stream gave it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SequenceNumber(String);

impl SequenceNumber {
    /// One as a stream gave it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (self.0.trim_start_matches('0'), other.0.trim_start_matches('0'));
        one.len().cmp(&two.len()).then_with(|| one.cmp(two))
    }
}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SequenceNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SequenceNumber {}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A record, ready to be handed to a function.
#[derive(Debug, Clone)]
pub struct ShardRecord {
    /// Its place in the shard.
    pub sequence_number: SequenceNumber,
    /// Records with the same key are handed over in their order, one batch after the other. Of a
    /// table's stream: the keys of the item, as text that is the same for the same item.
    pub partition_key: String,
    /// When it came to be, as the stream says: what its age and its window are counted from.
    pub arrived: Timestamp,
    /// The element of `Records` that the function gets: a JSON object. `eventSourceARN` and all the
    /// rest are in it.
    pub event: Bytes,
}

/// A shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The shards that it came from by a split or a merge, of those that are still listed or were.
    pub parents: Vec<String>,
    /// Whether nothing is added to it any more.
    pub is_closed: bool,
}

/// Where reading of a shard begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// With the oldest record that there is.
    TrimHorizon,
    /// Behind the newest record.
    Latest,
    /// With the first record that came at that time or later. A stream that cannot find it begins
    /// earlier; those who read leave out what is older.
    AtTimestamp(Timestamp),
    /// Behind this record.
    After(SequenceNumber),
}

/// A point in a shard, in the words of the stream. It need not be good for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The shard.
    pub shard: String,
    /// What the stream knows the point by.
    pub token: String,
}

/// How much is read at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portion {
    /// How many records at the most.
    pub records: usize,
    /// About how many bytes of them at the most; one record is always read.
    pub bytes: usize,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct Page {
    /// Records in the order of their sequence numbers. There may be none although more follow.
    pub records: Vec<ShardRecord>,
    /// Where to go on; `None` if the shard is closed and was read to its end.
    pub next: Option<Cursor>,
    /// How far what was read is behind the newest record; 0 at the tip of the shard, `None` if the
    /// stream does not say so.
    pub behind_millis: Option<u64>,
}

/// Of which family a stream is. Records of failures differ by it, and names of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Kinesis data streams.
    Kinesis,
    /// The streams of DynamoDB's tables.
    DynamoDb,
}

/// Why a stream did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// There is no such stream any more.
    #[error("the stream is gone: {0}")]
    Gone(String),
    /// A cursor is too old: another one has to be made.
    #[error("the cursor has expired")]
    Expired,
    /// What should be read behind is not kept any more.
    #[error("the position is older than the oldest record: {0}")]
    Trimmed(String),
    /// Too much is asked for at a time.
    #[error("throttled: {0}")]
    Throttled(String),
    /// It is forbidden, or cannot be understood: asking again does not help until somebody has
    /// changed something.
    #[error("refused with {code}: {message}")]
    Refused {
        /// AWS's name of the error.
        code: String,
        /// What was said.
        message: String,
    },
    /// It may work another time.
    #[error("failed for now: {0}")]
    Failed(String),
}

/// A stream with shards.
///
/// # Promises
///
/// 1. From the same position, the same records are read again, in the same order, as long as they
///    are kept.
/// 2. `arrival` returns when there is something behind its cursor, also if that came before it was
///    called; it may return sooner.
#[async_trait]
pub trait ShardSource: Send + Sync + fmt::Debug {
    /// Of which family it is.
    fn family(&self) -> Family;

    /// The ARN of the stream, as records of failures name it.
    fn stream_arn(&self) -> &str;

    /// What is another one after the stream was deleted and made again, so that nobody takes the
    /// shards of one for those of the other. `None` if the ARN is another one then.
    fn generation(&self) -> Option<String> {
        None
    }

    /// All shards that have records or may get some, closed ones as well as open ones.
    async fn shards(&self) -> Result<Vec<Shard>, SourceError>;

    /// Returns when other shards may be there than before; may return sooner.
    async fn reshaped(&self);

    /// A cursor at a position of a shard.
    async fn cursor(&self, shard: &str, from: &Position) -> Result<Cursor, SourceError>;

    /// Reads from a cursor on, without waiting for records.
    async fn read(&self, cursor: &Cursor, portion: Portion) -> Result<Page, SourceError>;

    /// Waits until there may be something to be read from a cursor on: told by the stream, or, if
    /// it does not tell, for as long as AWS waits between two reads of such a stream.
    async fn arrival(&self, cursor: &Cursor);

    /// What the filters of a mapping look at: the record with its data as they can be matched. For
    /// Kinesis that is `data`, decoded, JSON if it is JSON; for a table's stream the record itself.
    fn filtered(&self, record: &ShardRecord) -> Json;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_numbers_of_any_length() {
        let rows = [
            ("9", "10", Ordering::Less),
            ("0009", "10", Ordering::Less),
            ("000000000000000000010", "10", Ordering::Equal),
            (
                "49590338271490256608559692538361571095921575989136588898",
                "49590338271490256608559692538361571095921575989136588899",
                Ordering::Less,
            ),
            ("0", "", Ordering::Equal),
        ];
        for (one, two, expected) in rows {
            let (one, two) = (SequenceNumber::new(one), SequenceNumber::new(two));
            assert_eq!(one.cmp(&two), expected, "{one} {two}");
            assert_eq!(two.cmp(&one), expected.reverse(), "{two} {one}");
            assert_eq!(one == two, expected == Ordering::Equal);
        }
    }
}
