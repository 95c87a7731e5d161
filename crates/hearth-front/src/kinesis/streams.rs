//! Streams, their settings and their tags: wire to domain and back.

use std::collections::BTreeSet;

use hearth_services::streams::{
    ConsumerName, Mode, ON_DEMAND_STREAMS_MAX, SHARDS_MAX, StreamName, WithConsumers,
};
use hearth_wire::kinesis::types::{self, EnhancedMetrics, StreamModeDetails};
use serde_json::Value;

use super::error::KinesisError;
use super::{Call, Named, count, seconds, shards, small, tags_to_wire, wire, write};

/// AWS: streams on a page, also if more are asked for.
const STREAMS_OF_PAGE: usize = 100;
/// AWS: shards in a description, also if more are asked for.
const SHARDS_OF_DESCRIPTION: usize = 100;
/// AWS: tags on a page at the most.
const TAGS_OF_PAGE: usize = 50;
/// AWS: what there is of metrics of shards.
const METRICS: [&str; 7] = [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
];

pub(super) async fn create(
    call: &Call,
    request: types::CreateStreamInput,
) -> Result<Value, KinesisError> {
    if request.warm_throughput_mi_bps.is_some() {
        return Err(KinesisError::unsupported("WarmThroughputMiBps"));
    }
    if request.record_distribution_strategy.as_deref().is_some_and(|one| one != USER_KEY) {
        return Err(KinesisError::unsupported("RecordDistributionStrategy AUTO"));
    }
    let name = StreamName { scope: call.scope.clone(), name: request.stream_name };
    let mode = request.stream_mode_details.as_ref().map_or(Mode::Provisioned, mode_of);
    let shards = (mode, request.shard_count.map(small));
    let more = (request.max_record_size_in_ki_b.map(small), request.tags.unwrap_or_default());
    call.streams.create(&name, shards, more).await?;
    Ok(Value::Null)
}

/// Records find their shards by their partition keys.
const USER_KEY: &str = "USER_PARTITION_KEY";

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteStreamInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let consumers = match request.enforce_consumer_deletion {
        Some(true) => WithConsumers::Delete,
        Some(false) | None => WithConsumers::Refuse,
    };
    call.streams.delete(&name, consumers).await?;
    Ok(Value::Null)
}

pub(super) fn describe(
    call: &Call,
    request: types::DescribeStreamInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let stream = call.streams.stream(&name)?;
    let limit = request.limit.map_or(SHARDS_OF_DESCRIPTION, count).min(SHARDS_OF_DESCRIPTION);
    let after = request.exclusive_start_shard_id;
    let mut behind = stream
        .shards
        .iter()
        .filter(|shard| after.as_ref().is_none_or(|after| shard.id.to_string() > *after));
    let shown = behind.by_ref().take(limit).map(shards::to_wire).collect();
    let has_more = behind.next().is_some();
    Ok(write(&types::DescribeStreamOutput {
        stream_description: Some(types::StreamDescription {
            stream_name: Some(stream.name.clone()),
            stream_arn: Some(stream.arn()),
            stream_status: Some("ACTIVE".to_owned()),
            stream_mode_details: Some(mode_to_wire(stream.mode)),
            shards: Some(shown),
            has_more_shards: Some(has_more),
            retention_period_hours: wire(stream.retention_hours),
            stream_creation_timestamp: Some(seconds(stream.created)),
            enhanced_monitoring: Some(metrics_to_wire(&stream.metrics)),
            encryption_type: Some("NONE".to_owned()),
            key_id: None,
        }),
    }))
}

pub(super) fn summary(
    call: &Call,
    request: types::DescribeStreamSummaryInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let stream = call.streams.stream(&name)?;
    let consumers = call.streams.consumers_of(&stream).len();
    let summary = types::StreamDescriptionSummary {
        stream_name: Some(stream.name.clone()),
        stream_arn: Some(stream.arn()),
        stream_status: Some("ACTIVE".to_owned()),
        stream_mode_details: Some(mode_to_wire(stream.mode)),
        retention_period_hours: wire(stream.retention_hours),
        stream_creation_timestamp: Some(seconds(stream.created)),
        enhanced_monitoring: Some(metrics_to_wire(&stream.metrics)),
        encryption_type: Some("NONE".to_owned()),
        open_shard_count: wire(stream.open_shards().count()),
        consumer_count: wire(consumers),
        max_record_size_in_ki_b: wire(stream.record_kib_max),
        ..types::StreamDescriptionSummary::default()
    };
    Ok(write(&types::DescribeStreamSummaryOutput { stream_description_summary: Some(summary) }))
}

pub(super) fn list(call: &Call, request: types::ListStreamsInput) -> Result<Value, KinesisError> {
    let items = request.limit.map_or(STREAMS_OF_PAGE, count).min(STREAMS_OF_PAGE);
    // The token of a page is the name that it ends with: names are no secret.
    let after = request.next_token.or(request.exclusive_start_stream_name);
    // One more than is shown says whether there are more.
    let mut found = call.streams.list(&call.scope, after.as_deref(), items + 1);
    let has_more = found.len() > items;
    found.truncate(items);
    let summaries = found.iter().map(|stream| types::StreamSummary {
        stream_name: Some(stream.name.clone()),
        stream_arn: Some(stream.arn()),
        stream_status: Some("ACTIVE".to_owned()),
        stream_mode_details: Some(mode_to_wire(stream.mode)),
        stream_creation_timestamp: Some(seconds(stream.created)),
    });
    Ok(write(&types::ListStreamsOutput {
        stream_names: Some(found.iter().map(|stream| stream.name.clone()).collect()),
        has_more_streams: Some(has_more),
        next_token: found.last().filter(|_| has_more).map(|last| last.name.clone()),
        stream_summaries: Some(summaries.collect()),
    }))
}

pub(super) fn limits(call: &Call) -> Value {
    let (shards, on_demand) = call.streams.counts(&call.scope);
    write(&types::DescribeLimitsOutput {
        shard_limit: wire(SHARDS_MAX),
        open_shard_count: wire(shards),
        on_demand_stream_count: wire(on_demand),
        on_demand_stream_count_limit: wire(ON_DEMAND_STREAMS_MAX),
        channel_count: None,
        channel_count_limit: None,
    })
}

pub(super) async fn increase_retention(
    call: &Call,
    request: types::IncreaseStreamRetentionPeriodInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    call.streams.increase_retention(&name, small(request.retention_period_hours)).await?;
    Ok(Value::Null)
}

pub(super) async fn decrease_retention(
    call: &Call,
    request: types::DecreaseStreamRetentionPeriodInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    call.streams.decrease_retention(&name, small(request.retention_period_hours)).await?;
    Ok(Value::Null)
}

pub(super) async fn set_mode(
    call: &Call,
    request: types::UpdateStreamModeInput,
) -> Result<Value, KinesisError> {
    if request.warm_throughput_mi_bps.is_some() {
        return Err(KinesisError::unsupported("WarmThroughputMiBps"));
    }
    let arn = Some(request.stream_arn);
    let name = call.stream(Named { name: None, arn, id: request.stream_id })?;
    call.streams.set_mode(&name, mode_of(&request.stream_mode_details)).await?;
    Ok(Value::Null)
}

pub(super) async fn set_record_size(
    call: &Call,
    request: types::UpdateMaxRecordSizeInput,
) -> Result<Value, KinesisError> {
    let named = Named { name: None, arn: request.stream_arn, id: request.stream_id };
    let name = call.stream(named)?;
    call.streams.set_record_kib_max(&name, small(request.max_record_size_in_ki_b)).await?;
    Ok(Value::Null)
}

pub(super) async fn enable_metrics(
    call: &Call,
    request: types::EnableEnhancedMonitoringInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let wanted = metrics_of(request.shard_level_metrics);
    let changed = call.streams.change_metrics(&name, |metrics| metrics.extend(wanted)).await?;
    Ok(metrics_changed(&name, changed))
}

pub(super) async fn disable_metrics(
    call: &Call,
    request: types::DisableEnhancedMonitoringInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let unwanted = metrics_of(request.shard_level_metrics);
    let change = |metrics: &mut BTreeSet<String>| metrics.retain(|one| !unwanted.contains(one));
    let changed = call.streams.change_metrics(&name, change).await?;
    Ok(metrics_changed(&name, changed))
}

fn metrics_of(asked: Vec<String>) -> BTreeSet<String> {
    if asked.iter().any(|one| one == "ALL") {
        METRICS.map(str::to_owned).into()
    } else {
        asked.into_iter().collect()
    }
}

fn metrics_changed(
    name: &StreamName,
    (before, after): (BTreeSet<String>, BTreeSet<String>),
) -> Value {
    write(&types::EnhancedMonitoringOutput {
        stream_name: Some(name.name.clone()),
        current_shard_level_metrics: Some(before.into_iter().collect()),
        desired_shard_level_metrics: Some(after.into_iter().collect()),
        stream_arn: Some(name.to_string()),
    })
}

fn metrics_to_wire(metrics: &BTreeSet<String>) -> Vec<EnhancedMetrics> {
    vec![EnhancedMetrics { shard_level_metrics: Some(metrics.iter().cloned().collect()) }]
}

fn mode_of(details: &StreamModeDetails) -> Mode {
    match details.stream_mode.as_str() {
        "ON_DEMAND" => Mode::OnDemand,
        _ => Mode::Provisioned,
    }
}

fn mode_to_wire(mode: Mode) -> StreamModeDetails {
    let stream_mode = match mode {
        Mode::OnDemand => "ON_DEMAND",
        Mode::Provisioned => "PROVISIONED",
    };
    StreamModeDetails { stream_mode: stream_mode.to_owned() }
}

pub(super) fn tags(
    call: &Call,
    request: types::ListTagsForStreamInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let stream = call.streams.stream(&name)?;
    let after = request.exclusive_start_tag_key;
    let mut tags = tags_to_wire(&stream.tags);
    tags.retain(|tag| after.is_none() || tag.key > after);
    let items = request.limit.map_or(TAGS_OF_PAGE, count);
    let has_more = tags.len() > items;
    tags.truncate(items);
    let output = types::ListTagsForStreamOutput { tags: Some(tags), has_more_tags: Some(has_more) };
    Ok(write(&output))
}

pub(super) async fn add_tags(
    call: &Call,
    request: types::AddTagsToStreamInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    call.streams.change_tags(&name, |tags| tags.extend(request.tags)).await?;
    Ok(Value::Null)
}

pub(super) async fn remove_tags(
    call: &Call,
    request: types::RemoveTagsFromStreamInput,
) -> Result<Value, KinesisError> {
    let name = call.stream(named!(request))?;
    let keys = request.tag_keys;
    call.streams.change_tags(&name, |tags| tags.retain(|key, _| !keys.contains(key))).await?;
    Ok(Value::Null)
}

/// What tags can be on.
enum Tagged {
    Stream(StreamName),
    Consumer(ConsumerName),
}

fn tagged(arn: &str, id: Option<&String>) -> Result<Tagged, KinesisError> {
    if id.is_some() {
        return Err(KinesisError::unsupported("StreamId"));
    }
    let consumer = ConsumerName::of_arn(arn).map(Tagged::Consumer);
    consumer.or_else(|| StreamName::of_arn(arn).map(Tagged::Stream)).ok_or_else(|| {
        KinesisError::invalid(format!("{arn} is not the ARN of a stream or a consumer."))
    })
}

pub(super) fn tags_of_resource(
    call: &Call,
    request: types::ListTagsForResourceInput,
) -> Result<Value, KinesisError> {
    let tags = match tagged(&request.resource_arn, request.stream_id.as_ref())? {
        Tagged::Stream(name) => call.streams.stream(&name)?.tags.clone(),
        Tagged::Consumer(name) => call.streams.consumer(&name)?.tags.clone(),
    };
    Ok(write(&types::ListTagsForResourceOutput { tags: Some(tags_to_wire(&tags)) }))
}

pub(super) async fn tag_resource(
    call: &Call,
    request: types::TagResourceInput,
) -> Result<Value, KinesisError> {
    let more = request.tags;
    match tagged(&request.resource_arn, request.stream_id.as_ref())? {
        Tagged::Stream(name) => call.streams.change_tags(&name, |tags| tags.extend(more)).await?,
        Tagged::Consumer(name) => {
            call.streams.change_consumer_tags(&name, |tags| tags.extend(more)).await?;
        }
    }
    Ok(Value::Null)
}

pub(super) async fn untag_resource(
    call: &Call,
    request: types::UntagResourceInput,
) -> Result<Value, KinesisError> {
    let keys = request.tag_keys;
    match tagged(&request.resource_arn, request.stream_id.as_ref())? {
        Tagged::Stream(name) => {
            let change =
                call.streams.change_tags(&name, |tags| tags.retain(|key, _| !keys.contains(key)));
            change.await?;
        }
        Tagged::Consumer(name) => {
            let streams = &call.streams;
            let change = streams
                .change_consumer_tags(&name, |tags| tags.retain(|key, _| !keys.contains(key)));
            change.await?;
        }
    }
    Ok(Value::Null)
}
