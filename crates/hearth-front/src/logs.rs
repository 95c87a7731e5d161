//! CloudWatch Logs' operations: wire to domain and back.
//!
//! The log store blocks on files, so every operation runs on a thread for that.

use std::sync::Arc;

use hearth_telemetry::{
    Direction, EventRange, EventsQuery, FilterPattern, FilterQuery, GroupDescription, GroupsQuery,
    LogError, LogStore, LoggedEvent, PutEvents, ReadFrom, StreamDescription, StreamOrder,
    StreamsQuery,
};
use hearth_types::logs::LogEvent;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use hearth_wire::logs::{Operation, types};
use hearth_wire::validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::AwsError;

/// Performs an operation. The input is the model's; so is the output.
pub(crate) async fn perform(
    logs: &Arc<LogStore>,
    scope: &Scope,
    operation: Operation,
    input: Value,
) -> Result<Value, AwsError> {
    let violations = validate::violations(operation.description().input, &input);
    if !violations.is_empty() {
        return Err(AwsError::invalid_log_parameter(validate::message(&violations)));
    }
    refuse_unsupported(&input)?;
    let call = Call { logs: Arc::clone(logs), scope: scope.clone() };
    let done = tokio::task::spawn_blocking(move || call.perform(operation, input)).await;
    done.expect("operations on logs do not panic")
}

/// Members that would change the answer and are not built.
const UNSUPPORTED: &[&str] = &[
    "kmsKeyId",
    "tags",
    "deletionProtectionEnabled",
    "logGroupNamePattern",
    "logGroupIdentifiers",
    "accountIdentifiers",
    "includeLinkedAccounts",
    "unmask",
];

/// AWS: how long events may be kept.
const RETENTION_DAYS: &[i32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

fn refuse_unsupported(input: &Value) -> Result<(), AwsError> {
    let used = UNSUPPORTED.iter().find(|name| match input.get(**name) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Object(members)) => !members.is_empty(),
        Some(_) => true,
    });
    used.map_or(Ok(()), |name| {
        Err(AwsError::invalid_log_parameter(format!(
            "Hearth does not support {name} yet; leave it out."
        )))
    })
}

fn retention_days(asked: i32) -> Result<u32, AwsError> {
    let known = RETENTION_DAYS.contains(&asked);
    let days = u32::try_from(asked).ok().filter(|_| known);
    days.ok_or_else(|| {
        AwsError::invalid_log_parameter(format!(
            "1 validation error detected: Value '{asked}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {RETENTION_DAYS:?}"
        ))
    })
}

struct Call {
    logs: Arc<LogStore>,
    scope: Scope,
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| {
        AwsError::invalid_log_parameter(format!("The request cannot be read: {error}"))
    })
}

fn write(output: &impl Serialize) -> Value {
    serde_json::to_value(output).expect("the shapes of the wire can be written as JSON")
}

fn done(result: Result<(), LogError>) -> Result<Value, AwsError> {
    result.map(|()| json!({})).map_err(AwsError::from)
}

fn millis(at: Timestamp) -> Option<i64> {
    i64::try_from(at.0).ok()
}

fn timestamp(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(|millis| Timestamp(u64::try_from(millis).unwrap_or(0)))
}

fn size(limit: Option<i32>) -> Option<usize> {
    limit.and_then(|limit| usize::try_from(limit).ok())
}

fn text(message: &[u8]) -> String {
    String::from_utf8_lossy(message).into_owned()
}

impl Call {
    fn perform(&self, operation: Operation, input: Value) -> Result<Value, AwsError> {
        let (logs, scope) = (&self.logs, &self.scope);
        match operation {
            Operation::DescribeLogGroups => self.groups(read(input)?),
            Operation::DescribeLogStreams => self.streams(read(input)?),
            Operation::FilterLogEvents => self.filter(read(input)?),
            Operation::GetLogEvents => self.events(read(input)?),
            Operation::CreateLogGroup => {
                let request: types::CreateLogGroupRequest = read(input)?;
                done(logs.create_group(scope, &request.log_group_name))
            }
            Operation::CreateLogStream => {
                let request: types::CreateLogStreamRequest = read(input)?;
                done(logs.create_stream(scope, &request.log_group_name, &request.log_stream_name))
            }
            Operation::DeleteLogGroup => {
                let request: types::DeleteLogGroupRequest = read(input)?;
                done(logs.delete_group(scope, &request.log_group_name))
            }
            Operation::DeleteLogStream => {
                let request: types::DeleteLogStreamRequest = read(input)?;
                done(logs.delete_stream(scope, &request.log_group_name, &request.log_stream_name))
            }
            Operation::PutLogEvents => self.put(read(input)?),
            Operation::PutRetentionPolicy => {
                let request: types::PutRetentionPolicyRequest = read(input)?;
                let days = retention_days(request.retention_in_days)?;
                done(logs.put_retention(scope, &request.log_group_name, days))
            }
            Operation::DeleteRetentionPolicy => {
                let request: types::DeleteRetentionPolicyRequest = read(input)?;
                done(logs.delete_retention(scope, &request.log_group_name))
            }
        }
    }

    fn arn(&self, group: &str) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:logs:{region}:{account}:log-group:{group}")
    }

    /// A group is named by its name or by its ARN.
    fn group_of(name: Option<String>, identifier: Option<String>) -> Result<String, AwsError> {
        let given = name.or(identifier).ok_or_else(|| {
            AwsError::invalid_log_parameter(
                "Either logGroupName or logGroupIdentifier must be given.",
            )
        })?;
        let name = given.split_once(":log-group:").map_or(given.as_str(), |(_, name)| name);
        Ok(name.trim_end_matches(":*").to_owned())
    }

    fn groups(&self, request: types::DescribeLogGroupsRequest) -> Result<Value, AwsError> {
        let query = GroupsQuery {
            prefix: request.log_group_name_prefix.unwrap_or_default(),
            limit: size(request.limit),
            token: request.next_token,
        };
        let page = self.logs.groups(&self.scope, &query)?;
        Ok(write(&types::DescribeLogGroupsResponse {
            log_groups: Some(page.items.into_iter().map(|group| self.group(group)).collect()),
            next_token: page.token,
        }))
    }

    fn group(&self, group: GroupDescription) -> types::LogGroup {
        let arn = self.arn(&group.name);
        types::LogGroup {
            creation_time: millis(group.created),
            retention_in_days: group.retention_days.and_then(|days| i32::try_from(days).ok()),
            metric_filter_count: Some(0),
            stored_bytes: i64::try_from(group.stored_bytes).ok(),
            log_group_class: Some("STANDARD".to_owned()),
            arn: Some(format!("{arn}:*")),
            log_group_arn: Some(arn),
            log_group_name: Some(group.name),
            ..types::LogGroup::default()
        }
    }

    fn streams(&self, request: types::DescribeLogStreamsRequest) -> Result<Value, AwsError> {
        let group = Self::group_of(request.log_group_name, request.log_group_identifier)?;
        let by_time = request.order_by.as_deref() == Some("LastEventTime");
        let query = StreamsQuery {
            prefix: request.log_stream_name_prefix.unwrap_or_default(),
            order: if by_time { StreamOrder::LastEvent } else { StreamOrder::Name },
            direction: if request.descending == Some(true) {
                Direction::Descending
            } else {
                Direction::Ascending
            },
            limit: size(request.limit),
            token: request.next_token,
        };
        let page = self.logs.streams(&self.scope, &group, &query)?;
        let arn = self.arn(&group);
        Ok(write(&types::DescribeLogStreamsResponse {
            log_streams: Some(page.items.into_iter().map(|one| stream(&arn, one)).collect()),
            next_token: page.token,
        }))
    }

    fn filter(&self, request: types::FilterLogEventsRequest) -> Result<Value, AwsError> {
        let group = Self::group_of(request.log_group_name, request.log_group_identifier)?;
        let pattern = request.filter_pattern.filter(|pattern| !pattern.trim().is_empty());
        let query = FilterQuery {
            streams: request.log_stream_names.unwrap_or_default(),
            stream_prefix: request.log_stream_name_prefix.unwrap_or_default(),
            start: timestamp(request.start_time),
            end: timestamp(request.end_time),
            pattern: pattern.as_deref().map(FilterPattern::parse).transpose()?,
            limit: size(request.limit),
            token: request.next_token,
        };
        let page = self.logs.filter(&self.scope, &group, &query)?;
        let events = page.items.into_iter().map(|event| types::FilteredLogEvent {
            log_stream_name: Some(event.stream),
            timestamp: millis(event.at),
            message: Some(text(&event.message)),
            ingestion_time: millis(event.ingested),
            event_id: Some(event.id),
        });
        Ok(write(&types::FilterLogEventsResponse {
            events: Some(events.collect()),
            searched_log_streams: Some(Vec::new()),
            next_token: page.token,
        }))
    }

    fn events(&self, request: types::GetLogEventsRequest) -> Result<Value, AwsError> {
        let group = Self::group_of(request.log_group_name, request.log_group_identifier)?;
        let query = EventsQuery {
            stream: request.log_stream_name,
            range: EventRange {
                start: timestamp(request.start_time),
                end: timestamp(request.end_time),
            },
            from: if request.start_from_head == Some(true) {
                ReadFrom::Head
            } else {
                ReadFrom::Tail
            },
            limit: size(request.limit),
            token: request.next_token,
        };
        let page = self.logs.events(&self.scope, &group, &query)?;
        Ok(write(&types::GetLogEventsResponse {
            events: Some(page.events.into_iter().map(event).collect()),
            next_forward_token: Some(page.forward_token),
            next_backward_token: Some(page.backward_token),
        }))
    }

    fn put(&self, request: types::PutLogEventsRequest) -> Result<Value, AwsError> {
        let events = request.log_events.into_iter().map(|event| LogEvent {
            at: Timestamp(u64::try_from(event.timestamp).unwrap_or(0)),
            message: event.message.into(),
        });
        let put = PutEvents { stream: request.log_stream_name, events: events.collect() };
        self.logs.put_events(&self.scope, &request.log_group_name, put)?;
        Ok(json!({ "nextSequenceToken": "0" }))
    }
}

fn event(event: LoggedEvent) -> types::OutputLogEvent {
    types::OutputLogEvent {
        timestamp: millis(event.at),
        message: Some(text(&event.message)),
        ingestion_time: millis(event.ingested),
    }
}

fn stream(group_arn: &str, stream: StreamDescription) -> types::LogStream {
    types::LogStream {
        arn: Some(format!("{group_arn}:log-stream:{}", stream.name)),
        creation_time: millis(stream.created),
        first_event_timestamp: stream.first_event.and_then(millis),
        last_event_timestamp: stream.last_event.and_then(millis),
        last_ingestion_time: stream.last_ingestion.and_then(millis),
        stored_bytes: Some(0),
        log_stream_name: Some(stream.name),
        ..types::LogStream::default()
    }
}
