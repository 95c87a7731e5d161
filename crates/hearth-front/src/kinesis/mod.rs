//! Kinesis' operations: wire to domain and back, in JSON and in CBOR.
//!
//! ```text
//!  JSON or CBOR ─▶ input ─▶ streams, shards, consumers, records ─▶ output ─▶ the same encoding
//!                              subscribe ─▶ an event stream
//! ```
//!
//! # Promises
//!
//! 1. A change of a stream that has begun is finished, also when the client goes away.
//! 2. A subscription ends with its connection.

/// The stream that a request names in all three ways, each an `Option`.
macro_rules! named {
    ($request:ident) => {
        Named { name: $request.stream_name, arn: $request.stream_arn, id: $request.stream_id }
    };
}

mod streams;
mod shards;
mod consumers;
mod records;
mod subscribe;
mod error;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_services::streams::{StreamName, Streams};
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use hearth_wire::aws_json::{self, TargetError};
use hearth_wire::cbor::{self, Meaning};
use hearth_wire::kinesis::types::Tag;
use hearth_wire::kinesis::{Operation, SERVICE};
use hearth_wire::validate;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::oneshot;

use self::error::KinesisError;
use crate::body;
use crate::front::{Answer, AnyBody, Arrived, Front, whole};

/// The largest request: ten megabytes of records in base64, with their keys.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How inputs and outputs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// AWS JSON 1.1.
    Json,
    /// CBOR, as SDKs for Java speak it.
    Cbor,
}

impl Encoding {
    fn of(arrived: &Arrived) -> Self {
        let asked = arrived.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        if asked.trim().starts_with("application/x-amz-cbor") { Self::Cbor } else { Self::Json }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => aws_json::CONTENT_TYPE,
            Self::Cbor => cbor::CONTENT_TYPE,
        }
    }

    /// An output as bytes. `Null` is that of an operation that answers nothing.
    fn write(self, output: &Value) -> Vec<u8> {
        if output.is_null() {
            return Vec::new();
        }
        match self {
            Self::Json => output.to_string().into_bytes(),
            Self::Cbor => cbor::encode(output, meaning),
        }
    }
}

/// What a member of an output is that JSON has no type for.
fn meaning(member: &str) -> Meaning {
    if member == "Data" {
        Meaning::Bytes
    } else if member.ends_with("Timestamp") {
        Meaning::Time
    } else {
        Meaning::Plain
    }
}

/// One call of an operation.
#[derive(Debug, Clone)]
struct Call {
    streams: Arc<Streams>,
    scope: Scope,
}

/// A stream as it is named on the wire, where every operation has three ways.
#[derive(Debug, Default)]
struct Named {
    name: Option<String>,
    arn: Option<String>,
    id: Option<String>,
}

impl Call {
    /// Which stream is meant.
    fn stream(&self, named: Named) -> Result<StreamName, KinesisError> {
        let Named { name, arn, id } = named;
        if id.is_some() {
            return Err(KinesisError::unsupported("StreamId"));
        }
        let of_arn = arn.as_deref().map(|arn| {
            StreamName::of_arn(arn)
                .ok_or_else(|| KinesisError::invalid(format!("{arn} is not the ARN of a stream.")))
        });
        match (name, of_arn.transpose()?) {
            (None, None) => Err(KinesisError::invalid(
                "Either StreamName or StreamARN must be provided, and neither was.",
            )),
            (Some(name), None) => Ok(StreamName { scope: self.scope.clone(), name }),
            (None, Some(found)) => Ok(found),
            (Some(name), Some(found)) if found.name == name => Ok(found),
            (Some(name), Some(found)) => Err(KinesisError::invalid(format!(
                "StreamName {name} and StreamARN {found} name two streams."
            ))),
        }
    }
}

/// Answers a request. There is always an answer.
pub(crate) async fn answer(
    front: &Arc<Front>,
    arrived: Arrived,
    target: &str,
) -> Response<AnyBody> {
    let encoding = Encoding::of(&arrived);
    match perform_any(front, arrived, (target, encoding)).await {
        Ok(answer) => answer,
        Err(error) => whole(error.render(encoding)),
    }
}

/// What is answered while no new work is taken.
pub(crate) fn draining(arrived: &Arrived) -> Answer {
    KinesisError::draining().render(Encoding::of(arrived))
}

async fn perform_any(
    front: &Arc<Front>,
    arrived: Arrived,
    (target, encoding): (&str, Encoding),
) -> Result<Response<AnyBody>, KinesisError> {
    let description = aws_json::find(&SERVICE, target).map_err(|error| match error {
        TargetError::Unknown => KinesisError::unknown_operation(target),
        TargetError::NotBuilt(name) => KinesisError::not_built(name),
    })?;
    let Arrived { scope, body, .. } = arrived;
    let call = Call { streams: Arc::clone(&front.streams), scope };
    let held = body::read(body, BODY_BYTES_MAX, &front.body_room).await;
    let operation = Operation::of(description);
    let held = held.map_err(|error| KinesisError::of_body(error, operation))?;
    let input = match encoding {
        Encoding::Json => aws_json::input(description, &held.bytes)?,
        Encoding::Cbor => cbor::input(description, &held.bytes)?,
    };
    drop(held);
    let violations = validate::violations(description.input, &input);
    if !violations.is_empty() {
        return Err(KinesisError::validation(&violations));
    }
    if operation == Operation::SubscribeToShard {
        return subscribe::answer(front, (&call, encoding), read(input)?).await;
    }
    let is_large = operation == Operation::GetRecords;
    let output = perform(front, call, operation, input).await?;
    let mut written = Bytes::from(encoding.write(&output));
    drop(output);
    if is_large {
        // Nothing is lost if there is no room: its iterator is good for another time.
        let held = body::Held::of_answer(written, &front.body_room);
        written = held.map_err(|_no_room| KinesisError::too_many_answers())?.into_bytes();
    }
    let mut answer = Response::new(Full::new(written));
    let content_type = HeaderValue::from_static(encoding.content_type());
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(whole(answer))
}

/// Performs an operation. `Null` is the output of one that answers nothing.
async fn perform(
    front: &Arc<Front>,
    call: Call,
    operation: Operation,
    input: Value,
) -> Result<Value, KinesisError> {
    match operation {
        Operation::PutRecord => records::put(&call, read(input)?).await,
        Operation::PutRecords => records::put_all(&call, read(input)?).await,
        Operation::GetRecords => records::get(&call, read(input)?).await,
        Operation::GetShardIterator => records::iterator(&call, read(input)?).await,
        Operation::DescribeLimits => Ok(streams::limits(&call)),
        Operation::DescribeStream => streams::describe(&call, read(input)?),
        Operation::DescribeStreamSummary => streams::summary(&call, read(input)?),
        Operation::ListStreams => streams::list(&call, read(input)?),
        Operation::ListTagsForResource => streams::tags_of_resource(&call, read(input)?),
        Operation::ListTagsForStream => streams::tags(&call, read(input)?),
        Operation::ListShards => shards::list(&call, read(input)?),
        Operation::DescribeStreamConsumer => consumers::describe(&call, read(input)?),
        Operation::ListStreamConsumers => consumers::list(&call, read(input)?),
        Operation::AddTagsToStream
        | Operation::CreateStream
        | Operation::DecreaseStreamRetentionPeriod
        | Operation::DeleteStream
        | Operation::DeregisterStreamConsumer
        | Operation::DisableEnhancedMonitoring
        | Operation::EnableEnhancedMonitoring
        | Operation::IncreaseStreamRetentionPeriod
        | Operation::MergeShards
        | Operation::RegisterStreamConsumer
        | Operation::RemoveTagsFromStream
        | Operation::SplitShard
        | Operation::TagResource
        | Operation::UntagResource
        | Operation::UpdateMaxRecordSize
        | Operation::UpdateShardCount
        | Operation::UpdateStreamMode => {
            let change = async move { perform_change(&call, operation, input).await };
            finished(front, change).await
        }
        Operation::SubscribeToShard => Err(KinesisError::broken()),
    }
}

/// A change of a stream.
async fn perform_change(
    call: &Call,
    operation: Operation,
    input: Value,
) -> Result<Value, KinesisError> {
    match operation {
        Operation::CreateStream => streams::create(call, read(input)?).await,
        Operation::DeleteStream => streams::delete(call, read(input)?).await,
        Operation::IncreaseStreamRetentionPeriod => {
            streams::increase_retention(call, read(input)?).await
        }
        Operation::DecreaseStreamRetentionPeriod => {
            streams::decrease_retention(call, read(input)?).await
        }
        Operation::EnableEnhancedMonitoring => streams::enable_metrics(call, read(input)?).await,
        Operation::DisableEnhancedMonitoring => streams::disable_metrics(call, read(input)?).await,
        Operation::UpdateMaxRecordSize => streams::set_record_size(call, read(input)?).await,
        Operation::UpdateStreamMode => streams::set_mode(call, read(input)?).await,
        Operation::AddTagsToStream => streams::add_tags(call, read(input)?).await,
        Operation::RemoveTagsFromStream => streams::remove_tags(call, read(input)?).await,
        Operation::TagResource => streams::tag_resource(call, read(input)?).await,
        Operation::UntagResource => streams::untag_resource(call, read(input)?).await,
        Operation::SplitShard => shards::split(call, read(input)?).await,
        Operation::MergeShards => shards::merge(call, read(input)?).await,
        Operation::UpdateShardCount => shards::scale(call, read(input)?).await,
        Operation::RegisterStreamConsumer => consumers::register(call, read(input)?).await,
        Operation::DeregisterStreamConsumer => consumers::deregister(call, read(input)?).await,
        Operation::DescribeLimits
        | Operation::DescribeStream
        | Operation::DescribeStreamConsumer
        | Operation::DescribeStreamSummary
        | Operation::GetRecords
        | Operation::GetShardIterator
        | Operation::ListShards
        | Operation::ListStreamConsumers
        | Operation::ListStreams
        | Operation::ListTagsForResource
        | Operation::ListTagsForStream
        | Operation::PutRecord
        | Operation::PutRecords
        | Operation::SubscribeToShard => Err(KinesisError::broken()),
    }
}

/// Half of a change would be in the store and half of it not in memory, so it is a task of its own.
async fn finished(
    front: &Arc<Front>,
    change: impl Future<Output = Result<Value, KinesisError>> + Send + 'static,
) -> Result<Value, KinesisError> {
    let (sender, done) = oneshot::channel();
    front.tasks.spawn("operation", async move {
        let _ = sender.send(change.await);
    });
    done.await.unwrap_or_else(|_panicked| Err(KinesisError::broken()))
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, KinesisError> {
    serde_json::from_value(input).map_err(|error| KinesisError::serialization(error.to_string()))
}

fn write(output: &impl Serialize) -> Value {
    serde_json::to_value(output).expect("the shapes of the wire can be written as JSON")
}

/// A time as seconds.
fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1_000.0
}

/// What is before 1970 is taken for its beginning.
fn timestamp(seconds: f64) -> Timestamp {
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    // Half a millisecond, so that one that became a fraction of a second is found again.
    let micros = since.as_micros().saturating_add(500);
    Timestamp(u64::try_from(micros / 1_000).unwrap_or(u64::MAX))
}

/// A whole number that is not below zero.
fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// The same of the domain.
fn small(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

/// A number as the wire has it.
fn wire(number: impl TryInto<i32>) -> Option<i32> {
    number.try_into().ok()
}

fn tags_to_wire(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tags = tags.iter();
    tags.map(|(key, value)| Tag { key: Some(key.clone()), value: Some(value.clone()) }).collect()
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region};

    use super::*;

    #[test]
    fn a_time_survives_its_way_as_seconds() {
        for millis in [0, 1, 1_545_084_650_987, 1_800_000_000_001, 4_102_444_799_999] {
            assert_eq!(timestamp(seconds(Timestamp(millis))), Timestamp(millis));
        }
        assert_eq!(timestamp(-5.0), Timestamp(0));
        assert_eq!(timestamp(f64::NAN), Timestamp(0));
    }

    #[test]
    fn data_and_times_are_no_texts_in_cbor() {
        let output = serde_json::json!({ "Records": [{ "Data": "AAE=", "PartitionKey": "AAE=" }] });
        let written = Encoding::Cbor.write(&output);
        assert!(written.windows(3).any(|part| part == [0x42, 0, 1]), "{written:?}");
        assert!(written.windows(5).any(|part| part == b"\x64AAE="), "{written:?}");
        assert!(Encoding::Cbor.write(&Value::Null).is_empty());
    }

    #[test]
    fn a_scope_is_that_of_the_arn_or_of_the_caller() {
        let scope = Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let named = StreamName { scope, name: "orders".to_owned() };
        assert_eq!(StreamName::of_arn(&named.to_string()), Some(named));
    }
}
