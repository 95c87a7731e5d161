//! SQS' operations: wire to domain and back, in both of its protocols.
//!
//! ```text
//!  AWS JSON 1.0 ─────────────▶ input ──▶ queues, messages, moves ──▶ output ──▶ JSON
//!  query ──▶ form (a form) ──▶   │                                     └──▶ form (XML)
//!                                └── the model's, so each operation is written once
//! ```
//!
//! # Promises
//!
//! 1. A change of a queue that has begun is finished, also when the client goes away.
//! 2. A client that goes away while it waits for messages takes none with it, because the operation
//!    ends with its connection.
//!
//! # Deliberately absent
//!
//! Authentication: whose a queue is says its address, and anybody may use it.

mod error;
mod form;
mod messages;
mod moves;
mod queues;

use std::sync::Arc;

use bytes::Bytes;
use hearth_services::queues::{QueueName, QueueRecord, Queues};
use hearth_types::ids::RequestId;
use hearth_types::names::Scope;
use hearth_wire::aws_json::{self, TargetError};
use hearth_wire::aws_query::Request;
use hearth_wire::shape::{Kind, Shape};
use hearth_wire::sqs::{Operation, SERVICE};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::error::SqsError;
use crate::body;
use crate::front::{Answer, Arrived, Front};
use crate::query;

/// The content type of the JSON protocol. It differs from that of other services.
const JSON: &str = "application/x-amz-json-1.0";
/// The largest request in JSON: messages of a megabyte, each byte of which may be written with six,
/// and the rest.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The version of the query protocol, by which the service is known.
pub(crate) const VERSION: &str = "2012-11-05";

/// One call of an operation.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    queues: Arc<Queues>,
    scope: Scope,
    /// How the client reached us.
    host: String,
    /// `X-Amzn-Trace-Id`.
    trace: Option<String>,
}

impl Call {
    /// The call of a request.
    pub(crate) fn of(front: &Front, head: &Parts, scope: Scope) -> Self {
        let header = |name: &str| {
            head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let host = header(HOST.as_str()).unwrap_or_else(|| "127.0.0.1:4566".to_owned());
        let queues = Arc::clone(&front.queues);
        Self { queues, scope, host, trace: header("x-amzn-trace-id") }
    }

    /// The address of a queue, on the host by which the client reached us.
    fn url(&self, queue: &QueueRecord) -> String {
        format!("http://{}/{}/{}", self.host, queue.scope.account, queue.name)
    }

    /// Which queue an address is of.
    fn queue(&self, url: &str) -> Result<QueueName, SqsError> {
        Ok(QueueName::of_url(url, &self.scope.region)?)
    }
}

/// Whether a path is that of a queue's address: `/000000000000/name`.
pub(crate) fn is_queue_path(path: &str) -> bool {
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    parts.is_some_and(|(account, name)| {
        account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
            && !name.is_empty()
            && !name.contains('/')
    })
}

/// Answers a request in JSON. There is always an answer.
pub(crate) async fn answer_json(front: &Arc<Front>, arrived: Arrived, target: &str) -> Answer {
    match perform_json(front, arrived, target).await {
        Ok(output) => json(StatusCode::OK, &output),
        Err(error) => error.render_json(),
    }
}

/// What is answered in JSON while no new work is taken.
pub(crate) fn draining_json() -> Answer {
    SqsError::draining().render_json()
}

async fn perform_json(
    front: &Arc<Front>,
    arrived: Arrived,
    target: &str,
) -> Result<Value, SqsError> {
    let operation = aws_json::find(&SERVICE, target).map_err(|error| match error {
        TargetError::Unknown | TargetError::NotBuilt(_) => SqsError::unknown_operation(target),
    })?;
    let Arrived { scope, head, body, .. } = arrived;
    let call = Call::of(front, &head, scope);
    let held = body::read(body, BODY_BYTES_MAX, &front.body_room).await;
    let held = held.map_err(|error| SqsError::of_body(error, BODY_BYTES_MAX))?;
    let input = aws_json::input(operation, &held.bytes)?;
    drop(held);
    perform(front, call, Operation::of(operation), input).await
}

/// Answers a request of the query protocol. There is always an answer. `path` may be that of a
/// queue's address, which then need not stand in the form.
pub(crate) async fn answer_query(
    front: &Arc<Front>,
    (call, id, path): (Call, RequestId, &str),
    request: Request,
) -> Answer {
    let action = request.action.clone();
    let result = async {
        let description =
            SERVICE.operation(&action).ok_or_else(|| SqsError::unknown_action(&action))?;
        let mut parameters = request.parameters;
        if let Value::Object(members) = &mut parameters
            && is_queue_path(path)
        {
            members.entry("QueueUrl").or_insert_with(|| Value::from(path));
        }
        let input = form::input(description.input, parameters)?;
        perform(front, call, Operation::of(description), input).await
    };
    match result.await {
        Ok(output) => query::xml(StatusCode::OK, form::output(&action, &output, id)),
        Err(error) => error.render_query(id),
    }
}

/// Performs an operation. The input is the model's; so is the output. `Null` is the output of one
/// that answers nothing.
async fn perform(
    front: &Arc<Front>,
    call: Call,
    operation: Operation,
    input: Value,
) -> Result<Value, SqsError> {
    check_required(operation.description().input, &input, "")?;
    match operation {
        Operation::ReceiveMessage => messages::receive(&call, read(input)?).await,
        Operation::SendMessage => messages::send(&call, read(input)?).await,
        Operation::SendMessageBatch => messages::send_batch(&call, read(input)?).await,
        Operation::DeleteMessage => messages::delete(&call, read(input)?).await,
        Operation::DeleteMessageBatch => messages::delete_batch(&call, read(input)?).await,
        Operation::ChangeMessageVisibility => {
            messages::change_visibility(&call, read(input)?).await
        }
        Operation::ChangeMessageVisibilityBatch => {
            messages::change_visibility_batch(&call, read(input)?).await
        }
        Operation::GetQueueUrl => queues::url(&call, read(input)?),
        Operation::GetQueueAttributes => queues::attributes(&call, read(input)?).await,
        Operation::ListQueues => queues::list(&call, read(input)?),
        Operation::ListQueueTags => queues::list_tags(&call, read(input)?),
        Operation::ListDeadLetterSourceQueues => queues::dead_letter_sources(&call, read(input)?),
        Operation::ListMessageMoveTasks => moves::list(&call, read(input)?),
        Operation::AddPermission
        | Operation::CancelMessageMoveTask
        | Operation::CreateQueue
        | Operation::DeleteQueue
        | Operation::PurgeQueue
        | Operation::RemovePermission
        | Operation::SetQueueAttributes
        | Operation::StartMessageMoveTask
        | Operation::TagQueue
        | Operation::UntagQueue => {
            let change = async move { perform_change(&call, operation, input).await };
            front.finished(change).await.unwrap_or_else(|| Err(SqsError::broken()))
        }
    }
}

/// A change of a queue.
async fn perform_change(
    call: &Call,
    operation: Operation,
    input: Value,
) -> Result<Value, SqsError> {
    match operation {
        Operation::CreateQueue => queues::create(call, read(input)?).await,
        Operation::SetQueueAttributes => queues::set_attributes(call, read(input)?).await,
        Operation::TagQueue => queues::tag(call, read(input)?).await,
        Operation::UntagQueue => queues::untag(call, read(input)?).await,
        Operation::AddPermission => queues::add_permission(call, read(input)?).await,
        Operation::RemovePermission => queues::remove_permission(call, read(input)?).await,
        Operation::PurgeQueue => queues::purge(call, read(input)?).await,
        Operation::DeleteQueue => queues::delete(call, read(input)?).await,
        Operation::StartMessageMoveTask => moves::start(call, read(input)?).await,
        Operation::CancelMessageMoveTask => moves::cancel(call, read(input)?).await,
        Operation::ReceiveMessage
        | Operation::SendMessage
        | Operation::SendMessageBatch
        | Operation::DeleteMessage
        | Operation::DeleteMessageBatch
        | Operation::ChangeMessageVisibility
        | Operation::ChangeMessageVisibilityBatch
        | Operation::GetQueueUrl
        | Operation::GetQueueAttributes
        | Operation::ListQueues
        | Operation::ListQueueTags
        | Operation::ListDeadLetterSourceQueues
        | Operation::ListMessageMoveTasks => Err(SqsError::broken()),
    }
}

/// Refuses an input that lacks a member which has to be there: of the input itself, of a batch's
/// entry, or of an attribute.
fn check_required(shape: &Shape, value: &Value, path: &str) -> Result<(), SqsError> {
    for member in shape.members() {
        let found = value.get(member.name).filter(|value| !value.is_null());
        match (&member.shape.kind, found) {
            (_, None) if member.required => {
                return Err(SqsError::missing(&format!("{path}{}", member.name)));
            }
            (Kind::List { member: entry, .. }, Some(Value::Array(entries))) => {
                for (number, value) in (1..).zip(entries) {
                    let path = format!("{}.{number}.", entry.name);
                    check_required(entry, value, &path)?;
                }
            }
            (Kind::Map { value: of, .. }, Some(Value::Object(entries))) => {
                let lacks = |value: &Value| {
                    let mut members = of.members().iter().filter(|member| member.required);
                    members.any(|member| value.get(member.name).is_none_or(Value::is_null))
                };
                if let Some((name, _)) = entries.iter().find(|(_, value)| lacks(value)) {
                    return Err(SqsError::invalid_parameter(format!(
                        "The message attribute '{name}' must contain a non-empty message attribute type."
                    )));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn read<T: DeserializeOwned>(input: Value) -> Result<T, SqsError> {
    serde_json::from_value(input).map_err(|error| SqsError::serialization(error.to_string()))
}

fn write(output: &impl Serialize) -> Value {
    serde_json::to_value(output).expect("the shapes of the wire can be written as JSON")
}

fn json(status: StatusCode, body: &Value) -> Answer {
    // An operation that answers nothing answers nothing at all.
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    answer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_queue_has_a_path_of_two_parts() {
        for path in ["/000000000000/q", "/123456789012/a-b_c.fifo"] {
            assert!(is_queue_path(path), "{path}");
        }
        for path in ["/", "/q", "/000000000000", "/000000000000/", "/12/q", "/000000000000/a/b"] {
            assert!(!is_queue_path(path), "{path}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_its_entry() {
        let check = |operation: Operation, input: Value| {
            let checked = check_required(operation.description().input, &input, "");
            checked.err().map(|error| error.message().to_owned())
        };
        let missing = |name: &str| Some(format!("The request must contain the parameter {name}."));
        assert_eq!(check(Operation::SendMessage, json!({})), missing("QueueUrl"));
        let sent = json!({ "QueueUrl": "q", "MessageBody": null });
        assert_eq!(check(Operation::SendMessage, sent), missing("MessageBody"));
        let entries = json!([{ "Id": "a", "ReceiptHandle": "r" }, { "ReceiptHandle": "r" }]);
        let batch = json!({ "QueueUrl": "q", "Entries": entries });
        let name = "DeleteMessageBatchRequestEntry.2.Id";
        assert_eq!(check(Operation::DeleteMessageBatch, batch), missing(name));
        assert_eq!(check(Operation::ListQueues, json!({})), None);
    }
}
