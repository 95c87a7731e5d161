//! Shards: wire to domain and back.

use hearth_services::streams::{ListShards, ShardFilter, ShardRecord};
use hearth_wire::kinesis::types::{self, HashKeyRange, SequenceNumberRange};
use serde_json::Value;

use super::error::KinesisError;
use super::{Call, Named, count, small, timestamp, wire, write};

/// AWS: shards on a page, also if more are asked for.
const SHARDS_OF_PAGE: usize = 1_000;

pub(super) fn to_wire(shard: &ShardRecord) -> types::Shard {
    types::Shard {
        shard_id: Some(shard.id.to_string()),
        parent_shard_id: shard.parent.map(|parent| parent.to_string()),
        adjacent_parent_shard_id: shard.adjacent_parent.map(|parent| parent.to_string()),
        hash_key_range: Some(range(shard)),
        sequence_number_range: Some(SequenceNumberRange {
            starting_sequence_number: Some(shard.first_number().to_string()),
            ending_sequence_number: shard.last_number().map(|last| last.to_string()),
        }),
    }
}

/// A shard that was made of one that is read to its end.
pub(super) fn child_to_wire(shard: &ShardRecord) -> types::ChildShard {
    let parents = shard.parent.iter().chain(&shard.adjacent_parent);
    types::ChildShard {
        shard_id: Some(shard.id.to_string()),
        parent_shards: Some(parents.map(ToString::to_string).collect()),
        hash_key_range: Some(range(shard)),
    }
}

fn range(shard: &ShardRecord) -> HashKeyRange {
    HashKeyRange {
        starting_hash_key: Some(shard.range.first.to_string()),
        ending_hash_key: Some(shard.range.last.to_string()),
    }
}

pub(super) fn list(call: &Call, request: types::ListShardsInput) -> Result<Value, KinesisError> {
    let named = named!(request);
    let is_named = named.name.is_some() || named.arn.is_some() || named.id.is_some();
    let stream = is_named.then(|| call.stream(named)).transpose()?;
    if request.next_token.is_some() && request.exclusive_start_shard_id.is_some() {
        return Err(KinesisError::invalid(
            "NextToken and ExclusiveStartShardId cannot be provided together.",
        ));
    }
    if request.next_token.is_some() && request.stream_creation_timestamp.is_some() {
        return Err(KinesisError::invalid(
            "NextToken and StreamCreationTimestamp cannot be provided together.",
        ));
    }
    let created = request.stream_creation_timestamp.map(|at| timestamp(at).0 / 1_000);
    let asked = ListShards {
        stream,
        stream_created_seconds: created,
        token: request.next_token,
        after: request.exclusive_start_shard_id,
        filter: request.shard_filter.map(filter).transpose()?,
        items: request.max_results.map_or(SHARDS_OF_PAGE, count).min(SHARDS_OF_PAGE),
    };
    let (found, next_token) = call.streams.list_shards(&asked)?;
    let shards = Some(found.iter().map(to_wire).collect());
    Ok(write(&types::ListShardsOutput { shards, next_token }))
}

fn filter(filter: types::ShardFilter) -> Result<ShardFilter, KinesisError> {
    let types::ShardFilter { r#type: kind, shard_id, timestamp: at } = filter;
    let lacks = |member: &str| {
        KinesisError::invalid(format!(
            "{member} must be provided with the ShardFilter type {kind}."
        ))
    };
    let at = at.map(timestamp);
    Ok(match kind.as_str() {
        "AFTER_SHARD_ID" => ShardFilter::AfterShardId(shard_id.ok_or_else(|| lacks("ShardId"))?),
        "AT_TIMESTAMP" => ShardFilter::AtTimestamp(at.ok_or_else(|| lacks("Timestamp"))?),
        "FROM_TIMESTAMP" => ShardFilter::FromTimestamp(at.ok_or_else(|| lacks("Timestamp"))?),
        "AT_TRIM_HORIZON" => ShardFilter::AtTrimHorizon,
        "FROM_TRIM_HORIZON" => ShardFilter::FromTrimHorizon,
        _ => ShardFilter::AtLatest,
    })
}

pub(super) async fn split(
    call: &Call,
    request: types::SplitShardInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let streams = &call.streams;
    streams.split(&name, &request.shard_to_split, &request.new_starting_hash_key).await?;
    Ok(Value::Null)
}

pub(super) async fn merge(
    call: &Call,
    request: types::MergeShardsInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let both = (request.shard_to_merge.as_str(), request.adjacent_shard_to_merge.as_str());
    call.streams.merge(&name, both).await?;
    Ok(Value::Null)
}

pub(super) async fn scale(
    call: &Call,
    request: types::UpdateShardCountInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let before = call.streams.scale(&name, small(request.target_shard_count)).await?;
    Ok(write(&types::UpdateShardCountOutput {
        stream_arn: Some(name.to_string()),
        stream_name: Some(name.name),
        current_shard_count: wire(before),
        target_shard_count: Some(request.target_shard_count),
    }))
}
