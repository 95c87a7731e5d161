//! The streams of tables, at any endpoint that speaks the protocol of DynamoDB Streams: AWS's, or
//! Amazon's own DynamoDB Local.
//!
//! # Promises
//!
//! 1. What a table says of a change comes to the function as it was said: keys, images, and the
//!    numbers in them, which are texts.
//! 2. A shard is read as often as AWS reads it, and no more.
//!
//! # Deliberately absent
//!
//! Tables themselves. Session tokens: whoever has temporary credentials has no endpoint here.

mod record;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hearth_control::mapping::Mapping;
use hearth_control::mapping::source::SourceKind;
use hearth_services::remote::RemoteError;
use hearth_services::remote::operations::{Dialect, Operation, RemoteOperations};
use hearth_services::remote::tls::Trust;
use hearth_services::targets::NotTaken;
use hearth_types::limits;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::record::Change;
use crate::function::REASON_CHARACTERS_MAX;
use crate::json::Json;
use crate::shard::source::{
    Cursor, Family, Page, Portion, Position, Shard, ShardRecord, ShardSource, SourceError,
};
use crate::shard::streams::OpenStream;

const NO_PANIC: &str = "no code panics while it holds the name";
const DIALECT: Dialect =
    Dialect { service: "dynamodb", content_type: "application/x-amz-json-1.0" };
const DESCRIBE_STREAM: &str = "DynamoDBStreams_20120810.DescribeStream";
const GET_SHARD_ITERATOR: &str = "DynamoDBStreams_20120810.GetShardIterator";
const GET_RECORDS: &str = "DynamoDBStreams_20120810.GetRecords";
const LIST_STREAMS: &str = "DynamoDBStreams_20120810.ListStreams";

/// An endpoint of DynamoDB Streams.
#[derive(Debug)]
pub struct DynamoDb {
    remote: Arc<RemoteOperations>,
}

impl DynamoDb {
    /// The one at `http://host:port`, or with `https`. The credentials are an access key and its
    /// secret; without a key, requests are not signed.
    ///
    /// # Errors
    ///
    /// If the endpoint is none.
    pub fn new(
        endpoint: &str,
        credentials: (&str, &str),
        trust: &Trust,
    ) -> Result<Self, RemoteError> {
        let remote = RemoteOperations::new(endpoint, credentials, trust, DIALECT)?;
        Ok(Self { remote: Arc::new(remote) })
    }

    fn stream(&self, arn: &str) -> TableStream {
        let names = Mutex::new(arn.to_owned());
        TableStream { remote: Arc::clone(&self.remote), arn: arn.to_owned(), name: names }
    }
}

#[async_trait]
impl OpenStream for DynamoDb {
    fn serves(&self, kind: SourceKind) -> bool {
        kind == SourceKind::DynamoDbStream
    }

    async fn check(&self, arn: &str) -> Result<(), String> {
        match self.stream(arn).describe(None, 1).await {
            Err(SourceError::Gone(_)) => Err(format!("Stream not found: {arn}")),
            Err(SourceError::Refused { code, message }) => Err(format!("{code}: {message}")),
            // It may be there; whoever reads it finds out.
            Err(
                SourceError::Expired
                | SourceError::Trimmed(_)
                | SourceError::Throttled(_)
                | SourceError::Failed(_),
            )
            | Ok(_) => Ok(()),
        }
    }

    async fn open(&self, _mapping: &Mapping, arn: &str) -> Result<Arc<dyn ShardSource>, String> {
        Ok(Arc::new(self.stream(arn)))
    }
}

/// The stream of a table.
#[derive(Debug)]
struct TableStream {
    remote: Arc<RemoteOperations>,
    /// As the mapping names it.
    arn: String,
    /// As the endpoint names it: DynamoDB Local has a region of its own.
    name: Mutex<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeStreamAnswer {
    stream_description: StreamDescription,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamDescription {
    #[serde(default)]
    shards: Vec<ListedShard>,
    last_evaluated_shard_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedShard {
    shard_id: String,
    parent_shard_id: Option<String>,
    #[serde(default)]
    sequence_number_range: SequenceNumberRange,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SequenceNumberRange {
    ending_sequence_number: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListStreamsAnswer {
    #[serde(default)]
    streams: Vec<ListedStream>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedStream {
    stream_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetShardIteratorAnswer {
    shard_iterator: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetRecordsAnswer {
    #[serde(default)]
    records: Vec<Change>,
    next_shard_iterator: Option<String>,
}

impl From<ListedShard> for Shard {
    fn from(listed: ListedShard) -> Self {
        Self {
            id: listed.shard_id,
            parents: listed.parent_shard_id.into_iter().collect(),
            is_closed: listed.sequence_number_range.ending_sequence_number.is_some(),
        }
    }
}

#[async_trait]
impl ShardSource for TableStream {
    fn family(&self) -> Family {
        Family::DynamoDb
    }

    fn stream_arn(&self) -> &str {
        &self.arn
    }

    async fn shards(&self) -> Result<Vec<Shard>, SourceError> {
        let (mut shards, mut after) = (Vec::new(), None);
        for _page in 0..limits::DYNAMODB_SHARDS_MAX {
            let described = self.describe(after.as_deref(), 100).await?;
            shards.extend(described.shards.into_iter().map(Shard::from));
            if shards.len() > limits::DYNAMODB_SHARDS_MAX {
                break;
            }
            match described.last_evaluated_shard_id {
                // A page that does not get on would be asked for again and again.
                Some(last) if after.as_ref() != Some(&last) => after = Some(last),
                Some(_) | None => return Ok(shards),
            }
        }
        Err(SourceError::Failed("it lists shards without end".to_owned()))
    }

    async fn reshaped(&self) {
        tokio::time::sleep(Duration::from_secs(limits::SHARDS_LIST_SECONDS)).await;
    }

    async fn cursor(&self, shard: &str, from: &Position) -> Result<Cursor, SourceError> {
        let (kind, number) = match from {
            // There is no iterator at a time. Whoever reads leaves out what is older.
            Position::TrimHorizon | Position::AtTimestamp(_) => ("TRIM_HORIZON", None),
            Position::Latest => ("LATEST", None),
            Position::After(number) => ("AFTER_SEQUENCE_NUMBER", Some(number.as_str())),
        };
        let mut input = json!({
            "StreamArn": self.name(),
            "ShardId": shard,
            "ShardIteratorType": kind,
        });
        if let Some(number) = number {
            input["SequenceNumber"] = Value::from(number);
        }
        let answer: GetShardIteratorAnswer = self.call(GET_SHARD_ITERATOR, &input).await?;
        Ok(Cursor { shard: shard.to_owned(), token: answer.shard_iterator })
    }

    async fn read(&self, cursor: &Cursor, portion: Portion) -> Result<Page, SourceError> {
        let records_max = portion.records.clamp(1, limits::DYNAMODB_READ_RECORDS_MAX);
        let input = json!({ "ShardIterator": cursor.token, "Limit": records_max });
        let answer: GetRecordsAnswer = self.call(GET_RECORDS, &input).await?;
        let records: Vec<ShardRecord> =
            answer.records.into_iter().map(|change| change.record(&self.arn)).collect();
        let shard = cursor.shard.clone();
        let next = answer.next_shard_iterator.map(|token| Cursor { shard, token });
        Ok(Page { records, next, behind_millis: None })
    }

    async fn arrival(&self, _cursor: &Cursor) {
        tokio::time::sleep(Duration::from_millis(limits::DYNAMODB_READ_MILLIS)).await;
    }

    fn filtered(&self, record: &ShardRecord) -> Json {
        let text = std::str::from_utf8(&record.event).unwrap_or_default();
        Json::read(text).unwrap_or(Json::Null)
    }
}

impl TableStream {
    /// Describes it, and finds out what the endpoint calls it.
    async fn describe(
        &self,
        after: Option<&str>,
        shards: usize,
    ) -> Result<StreamDescription, SourceError> {
        match self.describe_named(after, shards).await {
            Err(SourceError::Gone(why)) => {
                let Some(name) = self.other_name().await? else {
                    return Err(SourceError::Gone(why));
                };
                *self.name.lock().expect(NO_PANIC) = name;
                self.describe_named(after, shards).await
            }
            described => described,
        }
    }

    async fn describe_named(
        &self,
        after: Option<&str>,
        shards: usize,
    ) -> Result<StreamDescription, SourceError> {
        let mut input = json!({ "StreamArn": self.name(), "Limit": shards });
        if let Some(after) = after {
            input["ExclusiveStartShardId"] = Value::from(after);
        }
        let answer: DescribeStreamAnswer = self.call(DESCRIBE_STREAM, &input).await?;
        Ok(answer.stream_description)
    }

    /// Another name of the same stream: that of the same table, from the same moment.
    async fn other_name(&self) -> Result<Option<String>, SourceError> {
        let resource = resource(&self.arn);
        let table = resource.split('/').nth(1).unwrap_or_default();
        let input = json!({ "TableName": table });
        let answer: ListStreamsAnswer = match self.call(LIST_STREAMS, &input).await {
            Err(SourceError::Gone(_)) => return Ok(None),
            answer => answer?,
        };
        let mut names = answer.streams.into_iter().map(|stream| stream.stream_arn);
        let known = self.name();
        Ok(names.find(|name| self::resource(name) == resource && *name != known))
    }

    fn name(&self) -> String {
        self.name.lock().expect(NO_PANIC).clone()
    }

    async fn call<T: DeserializeOwned>(
        &self,
        target: &'static str,
        input: &Value,
    ) -> Result<T, SourceError> {
        let operation = Operation {
            region: self.arn.split(':').nth(3).unwrap_or_default(),
            target,
            input,
            answer_bytes_max: limits::DYNAMODB_ANSWER_BYTES_MAX,
        };
        let answer = self.remote.call(operation).await.map_err(refused)?;
        serde_json::from_slice(&answer)
            .map_err(|error| SourceError::Failed(format!("an answer cannot be read: {error}")))
    }
}

/// The last part of an ARN: `table/NAME/stream/LABEL`.
fn resource(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or_default()
}

fn refused(why: NotTaken) -> SourceError {
    // It is kept and shown, and may be as long as an answer.
    let cut = |text: String| text.chars().take(REASON_CHARACTERS_MAX).collect::<String>();
    match why {
        NotTaken::Refused { code, message } => match code.as_str() {
            "ExpiredIteratorException" => SourceError::Expired,
            "TrimmedDataAccessException" => SourceError::Trimmed(cut(message)),
            "ResourceNotFoundException" => SourceError::Gone(cut(message)),
            _ => SourceError::Refused { code: cut(code), message: cut(message) },
        },
        NotTaken::Failed { message } => SourceError::Failed(cut(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_and_their_parents_are_read() {
        let text = r#"{"StreamDescription": {"StreamArn": "a", "StreamStatus": "ENABLED", "Shards": [
            {"ShardId": "shardId-1", "SequenceNumberRange":
                {"StartingSequenceNumber": "1", "EndingSequenceNumber": "9"}},
            {"ShardId": "shardId-2", "ParentShardId": "shardId-1",
             "SequenceNumberRange": {"StartingSequenceNumber": "10"}}]}}"#;
        let answer: DescribeStreamAnswer = serde_json::from_str(text).unwrap();
        let shards: Vec<Shard> =
            answer.stream_description.shards.into_iter().map(Shard::from).collect();
        let shard = |id: &str, parents: &[&str], is_closed| Shard {
            id: id.to_owned(),
            parents: parents.iter().map(|one| (*one).to_owned()).collect(),
            is_closed,
        };
        assert_eq!(
            shards,
            [shard("shardId-1", &[], true), shard("shardId-2", &["shardId-1"], false)]
        );
    }

    #[test]
    fn refusals_are_told_apart() {
        let refusal = |code: &str| {
            refused(NotTaken::Refused { code: code.to_owned(), message: "m".to_owned() })
        };
        assert_eq!(refusal("ExpiredIteratorException"), SourceError::Expired);
        assert_eq!(refusal("TrimmedDataAccessException"), SourceError::Trimmed("m".to_owned()));
        assert_eq!(refusal("ResourceNotFoundException"), SourceError::Gone("m".to_owned()));
        assert!(matches!(refusal("AccessDeniedException"), SourceError::Refused { .. }));
        let failed = |message: String| refused(NotTaken::Failed { message });
        assert_eq!(failed("m".to_owned()), SourceError::Failed("m".to_owned()));
        assert_eq!(failed("m".repeat(10_000)), failed("m".repeat(REASON_CHARACTERS_MAX)));
    }
}
