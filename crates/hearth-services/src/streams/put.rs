//! Putting records: into the shards that have their hash keys.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_types::metrics::Metric;
use hearth_types::time::Timestamp;

use super::error::StreamError;
use super::hash::HashKey;
use super::log::NotTaken;
use super::names::{ShardId, StreamName};
use super::quotas::PUT_BYTES_MAX;
use super::record::StreamRecord;
use super::sequence::SequenceNumber;
use super::{Streams, WriteLimits};

/// A record that is to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its partition key.
    pub partition_key: String,
    /// The hash key that is to be used in place of that of the partition key.
    pub explicit_hash_key: Option<String>,
    /// What it is.
    pub data: Bytes,
}

impl NewRecord {
    fn bytes(&self) -> usize {
        self.partition_key.len() + self.data.len()
    }

    fn hash_key(&self) -> Result<HashKey, StreamError> {
        let Some(text) = &self.explicit_hash_key else {
            return Ok(HashKey::of_partition_key(&self.partition_key));
        };
        HashKey::parse(text).ok_or_else(|| {
            StreamError::InvalidArgument(format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {text}"
            ))
        })
    }
}

/// Where a record was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Into which shard.
    pub shard: ShardId,
    /// What it is known by.
    pub sequence_number: SequenceNumber,
}

/// What came of each record, in order.
type Outcomes = Vec<Option<Result<Placed, StreamError>>>;

/// How often records look for another shard, because theirs was closed meanwhile.
const ROUNDS_MAX: u32 = 16;

impl Streams {
    /// Puts records. Each is put or refused by itself.
    ///
    /// # Errors
    ///
    /// If there is no such stream, or a record cannot be one of it; then none is put.
    pub async fn put(
        &self,
        name: &StreamName,
        records: &[NewRecord],
    ) -> Result<Vec<Result<Placed, StreamError>>, StreamError> {
        let stream = self.stream(name)?;
        check_sizes(&stream, records)?;
        let keys: Vec<HashKey> =
            records.iter().map(NewRecord::hash_key).collect::<Result<_, _>>()?;
        let mut outcomes: Outcomes = vec![None; records.len()];
        for _round in 0..ROUNDS_MAX {
            // A shard that is closed has others in its place by then.
            let stream = self.stream(name)?;
            let mut shares: BTreeMap<ShardId, Vec<usize>> = BTreeMap::new();
            for (at, key) in keys.iter().enumerate().filter(|(at, _)| outcomes[*at].is_none()) {
                let shard = stream.shard_for(*key).expect("the open shards have every hash key");
                shares.entry(shard.id).or_default().push(at);
            }
            if shares.is_empty() {
                break;
            }
            self.put_shares(&stream, shares, (records, &mut outcomes)).await?;
        }
        self.count(&stream, records, &outcomes);
        let outcomes = outcomes.into_iter().map(|outcome| {
            // AWS: a put is refused with no other error that it pays to try again after.
            let busy = || {
                let text = format!("Rate exceeded: stream {} is being changed.", stream.name);
                StreamError::ThroughputExceeded(text)
            };
            outcome.unwrap_or_else(|| Err(busy()))
        });
        Ok(outcomes.collect())
    }

    /// Puts one record.
    ///
    /// # Errors
    ///
    /// If it was not put.
    pub async fn put_one(
        &self,
        name: &StreamName,
        record: NewRecord,
    ) -> Result<Placed, StreamError> {
        let mut outcomes = self.put(name, &[record]).await?;
        outcomes.pop().unwrap_or(Err(StreamError::Closing))
    }

    /// Puts what each shard is to have. What has no outcome then is for another shard.
    async fn put_shares(
        &self,
        stream: &StreamRecord,
        shares: BTreeMap<ShardId, Vec<usize>>,
        (records, outcomes): (&[NewRecord], &mut Outcomes),
    ) -> Result<(), StreamError> {
        let mut on_their_way = Vec::with_capacity(shares.len());
        for (id, share) in shares {
            let shard = stream.shard(id).expect("it was found in this stream");
            let log = match self.log(stream, shard).await {
                Ok(log) => log,
                Err(error @ StreamError::NotFound(_)) => return Err(error),
                // What is on its way into other shards is put.
                Err(error) => {
                    for at in share {
                        outcomes[at] = Some(Err(error.clone()));
                    }
                    continue;
                }
            };
            let now = self.now();
            let share = self.within_limits(stream, (id, now), (share, records, &mut *outcomes));
            if share.is_empty() {
                continue;
            }
            let those = share
                .iter()
                .map(|at| (records[*at].partition_key.as_str(), &records[*at].data[..]));
            match log.append(now, those) {
                Ok(taken) => on_their_way.push((shard, share, taken)),
                Err(NotTaken::Closed) => {}
                Err(NotTaken::Full) => {
                    for at in share {
                        outcomes[at] = Some(Err(too_fast(stream, id)));
                    }
                }
            }
        }
        for (shard, share, taken) in on_their_way {
            let (first, arrived) = (taken.first, taken.arrived);
            let written = taken.written().await;
            for (index, at) in (first..).zip(share) {
                outcomes[at] = Some(written.clone().map(|()| Placed {
                    shard: shard.id,
                    sequence_number: shard.sequence_number(index, arrived),
                }));
            }
        }
        Ok(())
    }

    /// Those of a share that its shard may still take in this second. The others are refused.
    fn within_limits(
        &self,
        stream: &StreamRecord,
        (id, now): (ShardId, Timestamp),
        (share, records, outcomes): (Vec<usize>, &[NewRecord], &mut Outcomes),
    ) -> Vec<usize> {
        if self.limits == WriteLimits::default() {
            return share;
        }
        let shard = self.shard(stream, id);
        let mut window = shard.window.lock().expect("no code panics while it counts");
        let mut taken = Vec::with_capacity(share.len());
        for at in share {
            if window.take(self.limits, records[at].bytes() as u64, now) {
                taken.push(at);
            } else {
                outcomes[at] = Some(Err(too_fast(stream, id)));
            }
        }
        taken
    }

    fn count(&self, stream: &StreamRecord, records: &[NewRecord], outcomes: &Outcomes) {
        let (mut put, mut bytes, mut refused) = (0, 0, 0);
        for (record, outcome) in records.iter().zip(outcomes) {
            match outcome {
                Some(Ok(_)) => {
                    put += 1;
                    bytes += record.bytes() as u64;
                }
                Some(Err(StreamError::ThroughputExceeded(_))) => refused += 1,
                Some(Err(_)) | None => {}
            }
        }
        let counts = [
            (Metric::IncomingRecords, put),
            (Metric::IncomingBytes, bytes),
            (Metric::WriteProvisionedThroughputExceeded, refused),
        ];
        for (metric, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            self.metrics.add(metric, &stream.name, count);
        }
    }
}

fn too_fast(stream: &StreamRecord, shard: ShardId) -> StreamError {
    StreamError::ThroughputExceeded(format!(
        "Rate exceeded for shard {shard} in stream {} under account {}.",
        stream.name, stream.scope.account
    ))
}

fn check_sizes(stream: &StreamRecord, records: &[NewRecord]) -> Result<(), StreamError> {
    let record_max = usize::try_from(stream.record_kib_max).unwrap_or(usize::MAX) * 1_024;
    if let Some(record) = records.iter().find(|record| record.bytes() > record_max) {
        return Err(StreamError::InvalidArgument(format!(
            "Record of {} bytes exceeds the maximum record size of {record_max} bytes of stream {}, partition key included.",
            record.bytes(),
            stream.name
        )));
    }
    let together: usize = records.iter().map(NewRecord::bytes).sum();
    if together > PUT_BYTES_MAX {
        let megabytes = PUT_BYTES_MAX / (1024 * 1024);
        return Err(StreamError::InvalidArgument(format!(
            "Records size exceeds {megabytes} MB limit"
        )));
    }
    Ok(())
}

/// What was put into a shard in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Window {
    second: u64,
    records: u64,
    bytes: u64,
}

impl Window {
    /// Counts a record, if the limits let it pass.
    fn take(&mut self, limits: WriteLimits, bytes: u64, now: Timestamp) -> bool {
        let second = now.0 / 1_000;
        if second != self.second {
            *self = Self { second, records: 0, bytes: 0 };
        }
        let is_within = |limit: u64, after: u64| limit == 0 || after <= limit;
        // A record that is larger than all that a second may have has one of its own.
        let passes = is_within(limits.records_per_second, self.records + 1)
            && (is_within(limits.bytes_per_second, self.bytes + bytes) || self.bytes == 0);
        if passes {
            self.records += 1;
            self.bytes += bytes;
        }
        passes
    }
}
