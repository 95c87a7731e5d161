//! Records: wire to domain and back.

use bytes::Bytes;
use hearth_services::streams::{
    DataRecord, IteratorRequest, NewRecord, READ_RECORDS_MAX, ShardRecord, Start, StreamName,
};
use hearth_wire::blob::Blob;
use hearth_wire::kinesis::types::{self, PutRecordsResultEntry, Record};
use serde_json::Value;

use super::error::{KinesisError, said_in_log};
use super::{Call, Named, count, seconds, shards, timestamp, wire, write};

const NOT_ENCRYPTED: &str = "NONE";

pub(super) async fn put(
    call: &Call,
    request: types::PutRecordInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let key = (request.partition_key, request.explicit_hash_key);
    let record = new_record(key, request.data)?;
    if let Some(number) = &request.sequence_number_for_ordering {
        // Every record has a greater number than those before it, whatever is asked for.
        check_order(call, &name, number)?;
    }
    refuse_dry_run(call, &name, request.dry_run)?;
    let placed = call.streams.put_one(&name, record).await?;
    Ok(write(&types::PutRecordOutput {
        shard_id: Some(placed.shard.to_string()),
        sequence_number: Some(placed.sequence_number.to_string()),
        encryption_type: Some(NOT_ENCRYPTED.to_owned()),
    }))
}

fn new_record(
    (key, explicit_hash_key): (Option<String>, Option<String>),
    data: Blob,
) -> Result<NewRecord, KinesisError> {
    // AWS lets it be left out where it distributes records itself, which is not built.
    let partition_key = key.ok_or_else(|| {
        KinesisError::new(
            "ValidationException",
            "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null",
        )
    })?;
    Ok(NewRecord { partition_key, explicit_hash_key, data: Bytes::from(data.0) })
}

fn check_order(call: &Call, name: &StreamName, number: &str) -> Result<(), KinesisError> {
    let stream = call.streams.stream(name)?;
    if stream.shards.iter().any(|shard| shard.index_of(number).is_some()) {
        return Ok(());
    }
    Err(KinesisError::invalid(format!(
        "ExclusiveMinimumSequenceNumber {number} used in PutRecord on stream {} under account {} is invalid.",
        name.name, name.scope.account
    )))
}

/// Nothing is done if that is asked for, once it is known that the stream is there.
fn refuse_dry_run(call: &Call, name: &StreamName, dry: Option<bool>) -> Result<(), KinesisError> {
    call.streams.stream(name)?;
    if dry == Some(true) { Err(KinesisError::dry_run()) } else { Ok(()) }
}

pub(super) async fn put_all(
    call: &Call,
    request: types::PutRecordsInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let records = request
        .records
        .into_iter()
        .map(|entry| new_record((entry.partition_key, entry.explicit_hash_key), entry.data));
    let records = records.collect::<Result<Vec<_>, _>>()?;
    refuse_dry_run(call, &name, request.dry_run)?;
    let outcomes = call.streams.put(&name, &records).await?;
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let entries = outcomes.into_iter().map(|outcome| match outcome {
        Ok(placed) => PutRecordsResultEntry {
            sequence_number: Some(placed.sequence_number.to_string()),
            shard_id: Some(placed.shard.to_string()),
            ..PutRecordsResultEntry::default()
        },
        Err(error) => PutRecordsResultEntry {
            error_code: Some(error.code().to_owned()),
            error_message: Some(if error.is_ours() {
                said_in_log(&error)
            } else {
                error.to_string()
            }),
            ..PutRecordsResultEntry::default()
        },
    });
    Ok(write(&types::PutRecordsOutput {
        records: Some(entries.collect()),
        failed_record_count: wire(failed),
        encryption_type: Some(NOT_ENCRYPTED.to_owned()),
    }))
}

pub(super) async fn iterator(
    call: &Call,
    request: types::GetShardIteratorInput,
) -> Result<Value, KinesisError> {
    let stream = call.stream(named!(request))?;
    let of = Position {
        kind: &request.shard_iterator_type,
        number: request.starting_sequence_number,
        at: request.timestamp,
    };
    let start = of.start()?;
    refuse_dry_run(call, &stream, request.dry_run)?;
    let asked = IteratorRequest { stream, shard: request.shard_id, start };
    let iterator = call.streams.iterator(&asked).await?;
    Ok(write(&types::GetShardIteratorOutput { shard_iterator: Some(iterator) }))
}

/// A place in a shard as it is named on the wire.
pub(super) struct Position<'a> {
    pub(super) kind: &'a str,
    pub(super) number: Option<String>,
    pub(super) at: Option<f64>,
}

impl Position<'_> {
    /// The place, if all is there that says it.
    pub(super) fn start(self) -> Result<Start, KinesisError> {
        let Self { kind, number, at } = self;
        let lacks = |member: &str| {
            KinesisError::invalid(format!(
                "Must either specify {member} or another iterator type than {kind}."
            ))
        };
        let number = || number.ok_or_else(|| lacks("a sequence number"));
        Ok(match kind {
            "AT_SEQUENCE_NUMBER" => Start::At(number()?),
            "AFTER_SEQUENCE_NUMBER" => Start::After(number()?),
            "AT_TIMESTAMP" => {
                Start::Timestamp(at.map(timestamp).ok_or_else(|| lacks("a timestamp"))?)
            }
            "LATEST" => Start::Latest,
            _ => Start::TrimHorizon,
        })
    }
}

pub(super) async fn get(
    call: &Call,
    request: types::GetRecordsInput,
) -> Result<Value, KinesisError> {
    if request.stream_id.is_some() {
        return Err(KinesisError::unsupported("StreamId"));
    }
    let records = request.limit.map_or(READ_RECORDS_MAX, count);
    let read = call.streams.read_with(&request.shard_iterator, records).await?;
    if request.stream_arn.is_some_and(|arn| arn != read.stream.arn()) {
        return Err(KinesisError::invalid(
            "The ShardIterator is of another stream than StreamARN.",
        ));
    }
    if request.dry_run == Some(true) {
        return Err(KinesisError::dry_run());
    }
    // AWS names them when there is nothing more in this shard, and not before.
    let children = read.next.is_none().then(|| {
        let children = read.stream.children_of(read.shard.id);
        children.map(shards::child_to_wire).collect()
    });
    let found = read.page.records.iter().map(|record| to_wire(&read.shard, record));
    Ok(write(&types::GetRecordsOutput {
        records: Some(found.collect()),
        next_shard_iterator: read.next,
        millis_behind_latest: i64::try_from(read.millis_behind).ok(),
        child_shards: children,
    }))
}

/// A record of a shard.
pub(super) fn to_wire(shard: &ShardRecord, record: &DataRecord) -> Record {
    let number = shard.sequence_number(record.index, record.arrived);
    Record {
        sequence_number: Some(number.to_string()),
        approximate_arrival_timestamp: Some(seconds(record.arrived)),
        data: Some(Blob(record.data.to_vec())),
        partition_key: Some(record.partition_key.clone()),
        encryption_type: None,
    }
}
