//! Sending messages, one or several at a time.

use std::collections::HashSet;

use async_trait::async_trait;
use hearth_store::queue::Batch;
use hearth_types::metrics::Metric;
use uuid::Uuid;

use super::Queues;
use super::error::QueueError;
use super::message::{GivenAttribute, NewMessage, Prepared, Sender, prepared};
use super::names::QueueName;
use super::quotas::{BATCH_ENTRIES_MAX, BATCH_ID_CHARACTERS_MAX, MESSAGE_BYTES_MAX};
use super::record::QueueRecord;
use crate::delivery::{AttributeValue, QueueMessage};
use crate::targets::{self, NotTaken, SendMessage};

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id; of a duplicate, that of the message that was there before.
    pub id: Uuid,
    /// Of a FIFO queue.
    pub sequence_number: Option<String>,
    /// The checksum of what was sent.
    pub md5_of_body: String,
    /// The checksum of its attributes, if it has any.
    pub md5_of_attributes: Option<String>,
    /// The checksum of its attributes for the service, if it has any.
    pub md5_of_system_attributes: Option<String>,
}

/// What the entries of a batch are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchKind {
    /// Messages to be sent.
    Send,
    /// Handles of messages to be deleted.
    Delete,
    /// Handles of messages that are to stay longer or shorter.
    ChangeVisibility,
}

impl BatchKind {
    fn entry(self) -> &'static str {
        match self {
            Self::Send => "SendMessageBatchRequestEntry",
            Self::Delete => "DeleteMessageBatchRequestEntry",
            Self::ChangeVisibility => "ChangeMessageVisibilityBatchRequestEntry",
        }
    }
}

/// Checks the ids of a batch's entries.
///
/// # Errors
///
/// If there are none or too many, or one of them cannot be an id or is there twice.
pub fn check_batch<'a>(
    kind: BatchKind,
    ids: impl IntoIterator<Item = &'a str>,
) -> Result<(), QueueError> {
    let ids: Vec<&str> = ids.into_iter().collect();
    if ids.is_empty() {
        return Err(QueueError::EmptyBatchRequest(kind.entry()));
    }
    if ids.len() > BATCH_ENTRIES_MAX {
        return Err(QueueError::TooManyEntriesInBatchRequest(ids.len()));
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fits =
        |id: &&str| (1..=BATCH_ID_CHARACTERS_MAX).contains(&id.len()) && id.bytes().all(is_letter);
    if !ids.iter().all(fits) {
        return Err(QueueError::InvalidBatchEntryId);
    }
    let mut seen = HashSet::new();
    match ids.iter().find(|id| !seen.insert(**id)) {
        None => Ok(()),
        Some(id) => Err(QueueError::BatchEntryIdsNotDistinct((*id).to_owned())),
    }
}

impl Queues {
    /// Sends a message. When this returns, it is durable.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or it does not take the message.
    pub async fn send_message(
        &self,
        name: &QueueName,
        message: NewMessage,
        sender: Sender<'_>,
    ) -> Result<Sent, QueueError> {
        let queue = self.queue(name)?;
        let prepared = prepared(&queue, message, sender, self.clock.now())?;
        let mut sent = self.put(&queue, vec![prepared]).await?;
        Ok(sent.pop().expect("what was put is told"))
    }

    /// Sends several messages together: those that can be taken, in one write.
    ///
    /// # Errors
    ///
    /// If there is no such queue, they are too large together, or one of them lacks what each must
    /// have. Whatever else is wrong with one is told in its place.
    pub async fn send_batch(
        &self,
        name: &QueueName,
        messages: Vec<NewMessage>,
        sender: Sender<'_>,
    ) -> Result<Vec<Result<Sent, QueueError>>, QueueError> {
        let queue = self.queue(name)?;
        let bytes: usize = messages.iter().map(NewMessage::bytes).sum();
        if bytes > usize::try_from(MESSAGE_BYTES_MAX).unwrap_or(usize::MAX) {
            return Err(QueueError::BatchRequestTooLong(bytes));
        }
        let now = self.clock.now();
        let mut results = Vec::with_capacity(messages.len());
        let mut good = Vec::new();
        for message in messages {
            match prepared(&queue, message, sender, now) {
                Ok(prepared) => {
                    good.push(prepared);
                    results.push(None);
                }
                Err(error) if is_of_the_whole(&error) => {
                    return Err(QueueError::InvalidParameterValue(error.to_string()));
                }
                Err(error) => results.push(Some(error)),
            }
        }
        let mut sent = self.put(&queue, good).await?.into_iter();
        let told = results.into_iter().map(|refused| match refused {
            Some(error) => Err(error),
            None => Ok(sent.next().expect("what was put is told")),
        });
        Ok(told.collect())
    }

    async fn put(
        &self,
        queue: &QueueRecord,
        messages: Vec<Prepared>,
    ) -> Result<Vec<Sent>, QueueError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let mut told = Vec::with_capacity(messages.len());
        let mut batch = Batch::default();
        for message in messages {
            let Prepared { entry, md5_of_body, md5_of_attributes, md5_of_system_attributes } =
                message;
            batch.puts.push(entry);
            told.push((md5_of_body, md5_of_attributes, md5_of_system_attributes));
        }
        let applied = self.engine.apply(batch, self.clock.now()).await;
        let puts = applied.map_err(QueueError::Store)?.puts;
        let count = u64::try_from(told.len()).unwrap_or(u64::MAX);
        self.metrics.add(Metric::NumberOfMessagesSent, &queue.name, count);
        let sent = puts.into_iter().zip(told).map(|(put, told)| {
            let (md5_of_body, md5_of_attributes, md5_of_system_attributes) = told;
            let entry = put.id();
            Sent {
                id: queue.message_id(entry),
                sequence_number: queue.sequence_number(entry),
                md5_of_body,
                md5_of_attributes,
                md5_of_system_attributes,
            }
        });
        Ok(sent.collect())
    }
}

/// Whether one entry of a batch makes the whole of it wrong: it lacks what a FIFO queue must have.
fn is_of_the_whole(error: &QueueError) -> bool {
    matches!(error, QueueError::MissingParameter(_) | QueueError::DeduplicationIdMissing)
}

#[async_trait]
impl SendMessage for Queues {
    async fn send(&self, sent: targets::Sent<'_>, message: &QueueMessage) -> Result<(), NotTaken> {
        let name = QueueName::of_arn(sent.arn)
            .ok_or_else(|| not_taken(&QueueError::InvalidAddress(sent.arn.to_owned())))?;
        let body = std::str::from_utf8(sent.body)
            .map_err(|_binary| not_taken(&QueueError::InvalidMessageContents))?;
        let attributes = message.attributes.iter().map(|(name, attribute)| {
            let (text, binary) = match attribute.value.clone() {
                AttributeValue::Text(text) => (Some(text), None),
                AttributeValue::Binary(bytes) => (None, Some(bytes)),
            };
            let data_type = attribute.data_type.clone();
            (name.clone(), GivenAttribute { data_type, text, binary, list_values: 0 })
        });
        let new = NewMessage {
            body: body.to_owned(),
            attributes: attributes.collect(),
            delay_seconds: message
                .delay_seconds
                .map(|given| i32::try_from(given).unwrap_or(i32::MAX)),
            group: message.group.clone(),
            deduplication: message.deduplication.clone(),
            ..NewMessage::default()
        };
        let sender = Sender { account: &name.scope.account, trace: sent.trace };
        let done = self.send_message(&name, new, sender).await;
        done.map(drop).map_err(|error| not_taken(&error))
    }
}

fn not_taken(error: &QueueError) -> NotTaken {
    if error.is_refusal() {
        NotTaken::Refused { code: error.code().to_owned(), message: error.to_string() }
    } else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        NotTaken::Failed { message: format!("{error}{}", cause.unwrap_or_default()) }
    }
}
