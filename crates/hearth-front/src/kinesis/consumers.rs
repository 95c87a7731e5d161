//! Registered consumers: wire to domain and back.

use std::sync::Arc;

use hearth_services::streams::{ConsumerName, ConsumerRecord, NewConsumer};
use hearth_wire::kinesis::types::{self, Consumer, ConsumerDescription};
use serde_json::Value;

use super::error::KinesisError;
use super::{Call, Named, count, seconds, timestamp, write};

/// AWS: consumers on a page, also if more are asked for.
const CONSUMERS_OF_PAGE: usize = 100;
const ACTIVE: &str = "ACTIVE";

pub(super) async fn register(
    call: &Call,
    request: types::RegisterStreamConsumerInput,
) -> Result<Value, KinesisError> {
    let arn = Some(request.stream_arn);
    let new = NewConsumer {
        stream: call.stream(Named { name: None, arn, id: request.stream_id })?,
        name: request.consumer_name,
        tags: request.tags.unwrap_or_default(),
    };
    let made = call.streams.register(new).await?;
    Ok(write(&types::RegisterStreamConsumerOutput { consumer: Some(to_wire(&made)) }))
}

fn to_wire(consumer: &ConsumerRecord) -> Consumer {
    Consumer {
        consumer_name: Some(consumer.name.clone()),
        consumer_arn: Some(consumer.arn()),
        consumer_status: Some(ACTIVE.to_owned()),
        consumer_creation_timestamp: Some(seconds(consumer.created)),
    }
}

pub(super) async fn deregister(
    call: &Call,
    request: types::DeregisterStreamConsumerInput,
) -> Result<Value, KinesisError> {
    let stream = Named { name: None, arn: request.stream_arn, id: request.stream_id };
    let consumer = found(call, (stream, request.consumer_name), request.consumer_arn)?;
    call.streams.deregister(&consumer.full_name()).await?;
    Ok(Value::Null)
}

pub(super) fn describe(
    call: &Call,
    request: types::DescribeStreamConsumerInput,
) -> Result<Value, KinesisError> {
    let stream = Named { name: None, arn: request.stream_arn, id: request.stream_id };
    let consumer = found(call, (stream, request.consumer_name), request.consumer_arn)?;
    let description = ConsumerDescription {
        consumer_name: Some(consumer.name.clone()),
        consumer_arn: Some(consumer.arn()),
        consumer_status: Some(ACTIVE.to_owned()),
        consumer_creation_timestamp: Some(seconds(consumer.created)),
        stream_arn: Some(consumer.full_name().stream.to_string()),
    };
    let output = types::DescribeStreamConsumerOutput { consumer_description: Some(description) };
    Ok(write(&output))
}

/// The consumer that is meant: by the ARN of its stream and its name, or by its own ARN.
fn found(
    call: &Call,
    (stream, consumer): (Named, Option<String>),
    arn: Option<String>,
) -> Result<Arc<ConsumerRecord>, KinesisError> {
    let by_stream = match (stream.arn.is_some(), consumer) {
        (true, Some(name)) => Some(call.streams.consumer_named(&call.stream(stream)?, &name)?),
        (true, None) | (false, _) => None,
    };
    let by_arn = match arn {
        Some(arn) => Some(call.streams.consumer(&name_of(&arn)?)?),
        None => None,
    };
    match (by_stream, by_arn) {
        (Some(one), Some(other)) if one.arn() != other.arn() => Err(KinesisError::invalid(
            "StreamARN with ConsumerName, and ConsumerARN, name two consumers.",
        )),
        (Some(one), _) | (None, Some(one)) => Ok(one),
        (None, None) => Err(KinesisError::invalid(
            "Either ConsumerARN, or StreamARN and ConsumerName must be provided.",
        )),
    }
}

/// Which consumer an ARN is of.
pub(super) fn name_of(arn: &str) -> Result<ConsumerName, KinesisError> {
    let name = ConsumerName::of_arn(arn);
    name.ok_or_else(|| KinesisError::invalid(format!("{arn} is not the ARN of a consumer.")))
}

pub(super) fn list(
    call: &Call,
    request: types::ListStreamConsumersInput,
) -> Result<Value, KinesisError> {
    let arn = Some(request.stream_arn);
    let name = call.stream(Named { name: None, arn, id: request.stream_id })?;
    if request.next_token.is_some() && request.stream_creation_timestamp.is_some() {
        return Err(KinesisError::invalid(
            "NextToken and StreamCreationTimestamp cannot be provided together.",
        ));
    }
    let made = call.streams.stream(&name)?.created.0 / 1_000;
    if request.stream_creation_timestamp.is_some_and(|at| timestamp(at).0 / 1_000 != made) {
        return Err(KinesisError::new(
            "ResourceNotFoundException",
            format!("Stream {} was not created at that time.", name.name),
        ));
    }
    let items = request.max_results.map_or(CONSUMERS_OF_PAGE, count).min(CONSUMERS_OF_PAGE);
    let (found, next_token) =
        call.streams.list_consumers(&name, request.next_token.as_deref(), items)?;
    let consumers = Some(found.iter().map(|consumer| to_wire(consumer)).collect());
    Ok(write(&types::ListStreamConsumersOutput { consumers, next_token }))
}
