//! Messages: wire to domain and back.

use std::collections::BTreeMap;

use hearth_services::delivery::{AttributeValue, MessageAttribute};
use hearth_services::queues::{
    ATTRIBUTE_NAMES, BatchKind, GivenAttribute, NewMessage, QueueError, Receive, Received, Sender,
    Sent, check_batch, md5_of_attributes,
};
use hearth_wire::blob::Blob;
use hearth_wire::sqs::types;
use serde_json::Value;

use super::error::{SqsError, shown};
use super::{Call, write};

impl Call {
    fn sender(&self) -> Sender<'_> {
        Sender { account: &self.scope.account, trace: self.trace.as_deref() }
    }
}

pub(super) async fn send(
    call: &Call,
    request: types::SendMessageRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    let message = NewMessage {
        body: request.message_body,
        attributes: given(request.message_attributes),
        system_attributes: given_to_service(request.message_system_attributes),
        delay_seconds: request.delay_seconds,
        group: request.message_group_id,
        deduplication: request.message_deduplication_id,
    };
    let sent = call.queues.send_message(&name, message, call.sender()).await?;
    Ok(write(&types::SendMessageResult {
        md5_of_message_body: Some(sent.md5_of_body),
        md5_of_message_attributes: sent.md5_of_attributes,
        md5_of_message_system_attributes: sent.md5_of_system_attributes,
        message_id: Some(sent.id.to_string()),
        sequence_number: sent.sequence_number,
    }))
}

pub(super) async fn send_batch(
    call: &Call,
    request: types::SendMessageBatchRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    call.queues.queue(&name)?;
    check_batch(BatchKind::Send, request.entries.iter().map(|entry| entry.id.as_str()))?;
    let (ids, messages): (Vec<String>, Vec<NewMessage>) =
        request.entries.into_iter().map(message_of_entry).unzip();
    let results = call.queues.send_batch(&name, messages, call.sender()).await?;
    let (successful, failed) =
        told_apart(ids, results, |id, sent: Sent| types::SendMessageBatchResultEntry {
            id: Some(id),
            message_id: Some(sent.id.to_string()),
            md5_of_message_body: Some(sent.md5_of_body),
            md5_of_message_attributes: sent.md5_of_attributes,
            md5_of_message_system_attributes: sent.md5_of_system_attributes,
            sequence_number: sent.sequence_number,
        });
    let (successful, failed) = (Some(successful), Some(failed));
    Ok(write(&types::SendMessageBatchResult { successful, failed }))
}

fn message_of_entry(entry: types::SendMessageBatchRequestEntry) -> (String, NewMessage) {
    let message = NewMessage {
        body: entry.message_body,
        attributes: given(entry.message_attributes),
        system_attributes: given_to_service(entry.message_system_attributes),
        delay_seconds: entry.delay_seconds,
        group: entry.message_group_id,
        deduplication: entry.message_deduplication_id,
    };
    (entry.id, message)
}

/// The attributes of a message as they were given.
fn given(
    attributes: Option<BTreeMap<String, types::MessageAttributeValue>>,
) -> BTreeMap<String, GivenAttribute> {
    let attributes = attributes.unwrap_or_default().into_iter();
    let one = |(name, value): (String, types::MessageAttributeValue)| {
        let lists = (value.string_list_values, value.binary_list_values);
        let attribute = GivenAttribute {
            data_type: value.data_type,
            text: value.string_value,
            binary: value.binary_value.map(|blob| blob.0),
            list_values: lists.0.map_or(0, |list| list.len())
                + lists.1.map_or(0, |list| list.len()),
        };
        (name, attribute)
    };
    attributes.map(one).collect()
}

/// The same for those that are for the service, which have a shape of their own.
fn given_to_service(
    attributes: Option<BTreeMap<String, types::MessageSystemAttributeValue>>,
) -> BTreeMap<String, GivenAttribute> {
    let alike = attributes.unwrap_or_default().into_iter().map(|(name, value)| {
        let value = types::MessageAttributeValue {
            string_value: value.string_value,
            binary_value: value.binary_value,
            string_list_values: value.string_list_values,
            binary_list_values: value.binary_list_values,
            data_type: value.data_type,
        };
        (name, value)
    });
    given(Some(alike.collect()))
}

pub(super) async fn receive(
    call: &Call,
    request: types::ReceiveMessageRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    let wanted = Wanted::of(&request)?;
    let receive = Receive {
        messages: request.max_number_of_messages,
        visibility_seconds: request.visibility_timeout,
        wait_seconds: request.wait_time_seconds,
        attempt: request.receive_request_attempt_id,
    };
    let received = call.queues.receive(&name, &receive).await?;
    let messages: Vec<types::Message> =
        received.into_iter().map(|one| wanted.message(one)).collect();
    let messages = Some(messages).filter(|messages| !messages.is_empty());
    Ok(write(&types::ReceiveMessageResult { messages }))
}

/// Which attributes a receiver wants to see.
#[derive(Debug, Default)]
struct Wanted {
    /// Of the service.
    system: Vec<String>,
    /// Of the sender: names, `All`, or beginnings that end in `.*`.
    own: Vec<String>,
}

/// Attributes that the service gives to messages.
const SYSTEM_ATTRIBUTES: &[&str] = &[
    "AWSTraceHeader",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

impl Wanted {
    fn of(request: &types::ReceiveMessageRequest) -> Result<Self, SqsError> {
        let older = request.attribute_names.iter().flatten();
        let system: Vec<String> =
            request.message_system_attribute_names.iter().flatten().chain(older).cloned().collect();
        // The older member is of the type of a queue's attributes, which no message has.
        let is_known = |name: &str| {
            name == "All" || SYSTEM_ATTRIBUTES.contains(&name) || ATTRIBUTE_NAMES.contains(&name)
        };
        if let Some(odd) = system.iter().find(|name| !is_known(name.as_str())) {
            return Err(QueueError::UnknownAttribute(odd.clone()).into());
        }
        Ok(Self { system, own: request.message_attribute_names.clone().unwrap_or_default() })
    }

    fn wants(&self, name: &str) -> bool {
        self.own.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(beginning) => {
                let beginning = beginning.strip_suffix('.').unwrap_or(beginning);
                name.starts_with(beginning)
            }
            None => wanted == "All" || wanted == name,
        })
    }

    fn message(&self, received: Received) -> types::Message {
        let system = self.system_attributes(&received);
        let mut own = received.attributes;
        own.retain(|name, _| self.wants(name));
        types::Message {
            message_id: Some(received.id.to_string()),
            receipt_handle: Some(received.handle),
            md5_of_body: Some(received.md5_of_body),
            body: Some(received.body),
            attributes: Some(system).filter(|system| !system.is_empty()),
            // Of what is shown, so that the receiver can check it.
            md5_of_message_attributes: md5_of_attributes(&own),
            message_attributes: Some(own)
                .filter(|own| !own.is_empty())
                .map(|own| own.into_iter().map(|(name, one)| (name, told(one))).collect()),
        }
    }

    fn system_attributes(&self, received: &Received) -> BTreeMap<String, String> {
        let all = [
            ("AWSTraceHeader", received.trace.clone()),
            ("ApproximateFirstReceiveTimestamp", Some(received.first_received.0.to_string())),
            ("ApproximateReceiveCount", Some(received.receives.to_string())),
            ("DeadLetterQueueSourceArn", received.source.clone()),
            ("MessageDeduplicationId", received.deduplication.clone()),
            ("MessageGroupId", received.group.clone()),
            ("SenderId", Some(received.sender.clone())),
            ("SentTimestamp", Some(received.sent.0.to_string())),
            ("SequenceNumber", received.sequence_number.clone()),
        ];
        let is_wanted = |name: &str| self.system.iter().any(|one| one == "All" || one == name);
        let shown = all.into_iter().filter(|(name, _)| is_wanted(name));
        shown.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

fn told(attribute: MessageAttribute) -> types::MessageAttributeValue {
    let (string_value, binary_value) = match attribute.value {
        AttributeValue::Text(text) => (Some(text), None),
        AttributeValue::Binary(bytes) => (None, Some(Blob(bytes))),
    };
    types::MessageAttributeValue {
        string_value,
        binary_value,
        data_type: attribute.data_type,
        ..types::MessageAttributeValue::default()
    }
}

pub(super) async fn delete(
    call: &Call,
    request: types::DeleteMessageRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    let results = call.queues.delete_messages(&name, &[request.receipt_handle]).await?;
    results.into_iter().collect::<Result<(), QueueError>>()?;
    Ok(Value::Null)
}

pub(super) async fn delete_batch(
    call: &Call,
    request: types::DeleteMessageBatchRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    call.queues.queue(&name)?;
    check_batch(BatchKind::Delete, request.entries.iter().map(|entry| entry.id.as_str()))?;
    let (ids, handles): (Vec<String>, Vec<String>) =
        request.entries.into_iter().map(|entry| (entry.id, entry.receipt_handle)).unzip();
    let results = call.queues.delete_messages(&name, &handles).await?;
    let (successful, failed) =
        told_apart(ids, results, |id, ()| types::DeleteMessageBatchResultEntry { id: Some(id) });
    let (successful, failed) = (Some(successful), Some(failed));
    Ok(write(&types::DeleteMessageBatchResult { successful, failed }))
}

pub(super) async fn change_visibility(
    call: &Call,
    request: types::ChangeMessageVisibilityRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    let change = [(request.receipt_handle, request.visibility_timeout)];
    let results = call.queues.change_visibility(&name, &change).await?;
    results.into_iter().collect::<Result<(), QueueError>>()?;
    Ok(Value::Null)
}

pub(super) async fn change_visibility_batch(
    call: &Call,
    request: types::ChangeMessageVisibilityBatchRequest,
) -> Result<Value, SqsError> {
    let name = call.queue(&request.queue_url)?;
    let queue = call.queues.queue(&name)?;
    let ids = request.entries.iter().map(|entry| entry.id.as_str());
    check_batch(BatchKind::ChangeVisibility, ids)?;
    let own = i32::try_from(queue.settings.visibility_seconds).unwrap_or(i32::MAX);
    let (ids, changes): (Vec<String>, Vec<(String, i32)>) = request
        .entries
        .into_iter()
        .map(|entry| (entry.id, (entry.receipt_handle, entry.visibility_timeout.unwrap_or(own))))
        .unzip();
    let results = call.queues.change_visibility(&name, &changes).await?;
    let (successful, failed) = told_apart(ids, results, |id, ()| {
        types::ChangeMessageVisibilityBatchResultEntry { id: Some(id) }
    });
    let (successful, failed) = (Some(successful), Some(failed));
    Ok(write(&types::ChangeMessageVisibilityBatchResult { successful, failed }))
}

/// What was done of a batch, and what was not.
fn told_apart<T, E>(
    ids: Vec<String>,
    results: Vec<Result<T, QueueError>>,
    entry: impl Fn(String, T) -> E,
) -> (Vec<E>, Vec<types::BatchResultErrorEntry>) {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, result) in ids.into_iter().zip(results) {
        match result {
            Ok(done) => successful.push(entry(id, done)),
            Err(error) => failed.push(types::BatchResultErrorEntry {
                id: Some(id),
                sender_fault: Some(error.is_refusal()),
                code: Some(error.code().to_owned()),
                message: Some(shown(&error)),
            }),
        }
    }
    (successful, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_wanted_by_name_and_by_beginning() {
        #[rustfmt::skip]
        let rows: [(&[&str], &[&str]); 7] = [
            (&[],                 &[]),
            (&["All"],            &["General", "Hello", "Help.Me"]),
            (&["*"],              &["General", "Hello", "Help.Me"]),
            (&[".*"],             &["General", "Hello", "Help.Me"]),
            (&["Hel.*"],          &["Hello", "Help.Me"]),
            (&["Help.*", "None"], &["Help.Me"]),
            (&["Hello", "Other"], &["Hello"]),
        ];
        for (names, expected) in rows {
            let own = names.iter().map(|name| (*name).to_owned()).collect();
            let wanted = Wanted { own, ..Wanted::default() };
            let found: Vec<&str> = ["General", "Hello", "Help.Me"]
                .into_iter()
                .filter(|name| wanted.wants(name))
                .collect();
            assert_eq!(found, expected, "{names:?}");
        }
    }

    #[test]
    fn an_attribute_that_no_message_has_is_refused_or_passed_over() {
        let asked = |name: &str| {
            let names = Some(vec![name.to_owned()]);
            let request =
                types::ReceiveMessageRequest { attribute_names: names, ..Default::default() };
            Wanted::of(&request).map(|wanted| wanted.system)
        };
        assert_eq!(asked("SenderId").unwrap(), ["SenderId"]);
        assert!(asked("Policy").is_ok());
        assert_eq!(asked("Nothing").unwrap_err().message(), "Unknown Attribute Nothing.");
    }
}
