//! Getting records: from a place in a shard on.

use std::sync::Arc;

use hearth_types::metrics::Metric;
use hearth_types::time::Timestamp;

use super::error::StreamError;
use super::iterator::ShardIterator;
use super::log::{Cursor, Page, Phase, Want};
use super::names::{ShardId, StreamName};
use super::quotas::{READ_BYTES_MAX, READ_RECORDS_MAX};
use super::record::{ShardRecord, StreamRecord, shard_missing};
use super::{Streams, in_background};

/// Where somebody begins to read a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the record with this number.
    At(String),
    /// Behind the record with this number.
    After(String),
    /// At the oldest record.
    TrimHorizon,
    /// Behind all records that are there now.
    Latest,
    /// At the first record that came at this time or later.
    Timestamp(Timestamp),
}

/// A wish for an iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IteratorRequest {
    /// Of which stream.
    pub stream: StreamName,
    /// The id of the shard, as it is asked for.
    pub shard: String,
    /// Where to begin.
    pub start: Start,
}

/// What was read with an iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The stream.
    pub stream: Arc<StreamRecord>,
    /// The shard.
    pub shard: ShardRecord,
    /// The records.
    pub page: Page,
    /// Where to read on; none if there is nothing more, ever.
    pub next: Option<String>,
    /// How far behind all records this is.
    pub millis_behind: u64,
}

impl Streams {
    /// Where somebody can read from.
    ///
    /// # Errors
    ///
    /// If there is no such shard, or no such place in it.
    pub async fn iterator(&self, request: &IteratorRequest) -> Result<String, StreamError> {
        let stream = self.stream(&request.stream)?;
        let shard = shard_of(&stream, &request.shard)?;
        let cursor = self.start(&stream, shard, &request.start).await?;
        Ok(ShardIterator { shard: shard.id, cursor, given: self.now() }.text(&stream))
    }

    /// Reads on with an iterator, up to so many records.
    ///
    /// # Errors
    ///
    /// If it is not a valid one, or its shard is gone.
    pub async fn read_with(&self, iterator: &str, records: usize) -> Result<Read, StreamError> {
        let find = |name: &StreamName| self.stream(name);
        let (iterator, stream) = ShardIterator::read(iterator, self.now(), find)?;
        let shard = shard_of(&stream, &iterator.shard.to_string())?.clone();
        let records = records.min(READ_RECORDS_MAX);
        let page = self.read(&stream, &shard, (iterator.cursor, records, READ_BYTES_MAX)).await?;
        let given = self.now();
        let next = match page.phase {
            Phase::Closed => None,
            Phase::Open => {
                let next = ShardIterator { shard: shard.id, cursor: page.next, given };
                Some(next.text(&stream))
            }
        };
        let millis_behind = self.millis_behind(&page);
        Ok(Read { stream, shard, page, next, millis_behind })
    }

    /// Reads on from a place, up to so many records and bytes of which the last may go beyond it.
    ///
    /// # Errors
    ///
    /// If the files of the shard cannot be read.
    pub async fn read(
        &self,
        stream: &StreamRecord,
        shard: &ShardRecord,
        (from, records, bytes): (Cursor, usize, usize),
    ) -> Result<Page, StreamError> {
        let log = self.log(stream, shard).await?;
        let want = Want { records, bytes, horizon: stream.horizon(self.now()) };
        let page = in_background("read", move || log.read(from, want)).await?;
        if !page.records.is_empty() {
            let bytes: usize = page.records.iter().map(|record| record.data.len()).sum();
            self.metrics.add(Metric::OutgoingRecords, &stream.name, page.records.len() as u64);
            self.metrics.add(Metric::OutgoingBytes, &stream.name, bytes as u64);
        }
        Ok(page)
    }

    /// The place where somebody begins to read.
    ///
    /// # Errors
    ///
    /// If it is none of this shard.
    pub async fn start(
        &self,
        stream: &StreamRecord,
        shard: &ShardRecord,
        start: &Start,
    ) -> Result<Cursor, StreamError> {
        let index = match start {
            Start::At(number) => index_of(stream, shard, number)?,
            // Behind the last one of a closed shard is nothing.
            Start::After(number) => index_of(stream, shard, number)?.saturating_add(1),
            Start::TrimHorizon => 0,
            Start::Latest => self.log(stream, shard).await?.news().borrow().next,
            Start::Timestamp(at) => return self.start_at(stream, shard, *at).await,
        };
        Ok(Cursor { index, place: None })
    }

    async fn start_at(
        &self,
        stream: &StreamRecord,
        shard: &ShardRecord,
        at: Timestamp,
    ) -> Result<Cursor, StreamError> {
        let now = self.now();
        if at > now {
            return Err(StreamError::InvalidArgument(format!(
                "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: {}, currentTimestampInMillis: {}",
                at.0, now.0
            )));
        }
        let log = self.log(stream, shard).await?;
        in_background("read", move || log.seek(at)).await
    }
}

/// A shard by the id that somebody gives.
pub(super) fn shard_of<'a>(
    stream: &'a StreamRecord,
    id: &str,
) -> Result<&'a ShardRecord, StreamError> {
    let found = ShardId::parse(id).and_then(|id| stream.shard(id));
    found.ok_or_else(|| shard_missing(&stream.full_name(), &id))
}

fn index_of(stream: &StreamRecord, shard: &ShardRecord, number: &str) -> Result<u64, StreamError> {
    shard.index_of(number).ok_or_else(|| {
        StreamError::InvalidArgument(format!(
            "StartingSequenceNumber {number} used in GetShardIterator on shard {} in stream {} under account {} is invalid.",
            shard.id, stream.name, stream.scope.account
        ))
    })
}
