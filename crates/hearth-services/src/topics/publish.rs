//! Publishing: one delivery for each subscription that wants the message, all of them in one change
//! of the durable queue, unless they are many: then a part of them at a time.
//!
//! A FIFO topic takes a message in two steps, because it has to know first whether it has taken the
//! same one before:
//!
//! ```text
//!  Publish ──▶ lane of the topic ──drain──▶ lanes of its subscriptions
//!              (the same id: nothing)       (in one change, with the removal from the first)
//! ```
//!
//! # Promises
//!
//! 1. When a message is answered for, it is on its way to every subscription that wants it, also
//!    after a crash; when it is refused, it is on its way to none. If the queue fails between the
//!    parts of a message for many subscriptions, it is on its way to some: whoever publishes it
//!    again, which the failure asks for, may reach those twice, as with any standard topic.
//! 2. Messages of one group of a FIFO topic are handed over in the order in which they were taken.
//! 3. A message of a FIFO topic that was taken before, within five minutes, is answered with the
//!    ids of the first one and handed over no second time.
//! 4. Memory is bounded, however many subscriptions a topic has: by one part of the deliveries, or,
//!    of a FIFO topic, by those of a few messages for its few subscriptions.
//!
//! # Deliberately absent
//!
//! Delivering: `hearth-events` does that.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_store::queue::{
    Ask, Batch, EntryId, Fate, Lane, Leased, NewEntry, Sameness, Settle, Unless,
};
use hearth_types::metrics::Metric;
use hearth_types::time::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::arn::TopicArn;
use super::envelope::{self, Beside, Kind, Signable, Signed};
use super::error::TopicError;
use super::filter;
use super::message::{Message, NewMessage, bytes_max};
use super::record::{
    DeliveryForm, FilterScope, Protocol, SignatureVersion, SubscriptionRecord, ThroughputScope,
    TopicRecord,
};
use super::subscribers::{Subscriber, Wanted};
use super::{Asker, Topics, delivery_policy};
use crate::delivery::{Delivery, Origin, Parcel, QueueMessage, TopicMessage};
use crate::limits::{
    DEDUPLICATION_MILLIS, ENTRY_ID_CHARACTERS_MAX, NOTIFICATION_BYTES_DEFAULT,
    NOTIFICATIONS_OF_PART_BYTES_MAX, NOTIFICATIONS_OF_PART_MAX, PUBLISH_ENTRIES_MAX,
};
use crate::targets::{NotTaken, Publish, Sent};

/// The kind of the lanes in which messages of FIFO topics wait to be handed over.
pub(super) const LANE_KIND: &str = "topic";
/// How many messages are handed over in one change.
const DRAIN_ENTRIES: usize = 10;
/// How much they may have together, unless it is one: each is there once for each subscription.
const DRAIN_BYTES: usize = NOTIFICATION_BYTES_DEFAULT;
/// AWS's sequence numbers have twenty digits.
const SEQUENCE_BASE: u64 = 10_000_000_000_000_000_000;
/// What an HTTP endpoint sees as the caller.
const USER_AGENT: &str = "Amazon Simple Notification Service Agent";

/// What a publisher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The id of the message.
    pub message_id: String,
    /// Of a FIFO topic: greater is later.
    pub sequence_number: Option<String>,
}

/// One message of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchEntry {
    /// What the publisher calls it.
    pub id: String,
    /// The message.
    pub message: NewMessage,
}

impl Topics {
    /// Publishes a message.
    ///
    /// # Errors
    ///
    /// If there is no such topic, the caller may not, or the message is none.
    pub async fn publish(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        message: NewMessage,
    ) -> Result<Published, TopicError> {
        let topic = self.topic(asker, arn, "Publish")?;
        let message = Message::check(&topic, message, (asker.trace, self.clock.now()))?;
        if message.bytes > bytes_max(&topic) {
            return Err(TopicError::parameter("Message too long"));
        }
        let published = self.publish_all(&topic, vec![message]).await?;
        Ok(published.into_iter().next().expect("one message has one answer"))
    }

    /// Publishes several messages at once: all of them, or none.
    ///
    /// # Errors
    ///
    /// See [`Topics::publish`].
    pub async fn publish_batch(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        entries: Vec<BatchEntry>,
    ) -> Result<Vec<(String, Published)>, TopicError> {
        let topic = self.topic(asker, arn, "Publish")?;
        check_entries(&entries)?;
        let now = self.clock.now();
        let (mut ids, mut messages) = (Vec::new(), Vec::new());
        for BatchEntry { id, message } in entries {
            messages.push(Message::check(&topic, message, (asker.trace, now))?);
            ids.push(id);
        }
        let bytes: usize = messages.iter().map(|message| message.bytes).sum();
        if bytes > bytes_max(&topic) {
            return Err(TopicError::BatchTooLong);
        }
        let published = self.publish_all(&topic, messages).await?;
        Ok(ids.into_iter().zip(published).collect())
    }

    async fn publish_all(
        &self,
        topic: &TopicRecord,
        messages: Vec<Message>,
    ) -> Result<Vec<Published>, TopicError> {
        let count = u64::try_from(messages.len()).unwrap_or(u64::MAX);
        let published = if topic.arn.is_fifo() {
            self.publish_in_order(topic, messages).await?
        } else {
            self.publish_at_once(topic, messages).await?
        };
        self.metrics.add(Metric::NumberOfMessagesPublished, &topic.arn.name, count);
        Ok(published)
    }

    async fn publish_at_once(
        &self,
        topic: &TopicRecord,
        messages: Vec<Message>,
    ) -> Result<Vec<Published>, TopicError> {
        let (mut published, mut handed) = (Vec::new(), Handed::default());
        for message in &messages {
            let one = Published { message_id: Uuid::new_v4().to_string(), sequence_number: None };
            self.hand_over(topic, (&one, message), &mut handed).await?;
            published.push(one);
        }
        self.put_part(&mut handed).await?;
        self.count_filtered(topic, handed.filtered);
        Ok(published)
    }

    async fn publish_in_order(
        &self,
        topic: &TopicRecord,
        messages: Vec<Message>,
    ) -> Result<Vec<Published>, TopicError> {
        let turn = self.turns.of(&topic.arn);
        let _turn = turn.lock().await;
        let now = self.clock.now();
        let puts = messages.iter().map(|message| waiting(topic, message, now)).collect();
        let batch = Batch { puts, ..Batch::default() };
        let applied = self.queue.apply(batch, now).await.map_err(TopicError::Store)?;
        self.drain(topic, now).await?;
        Ok(applied.puts.iter().map(|put| in_order(&topic.arn, put.id())).collect())
    }

    /// Hands over what waits in the lane of a FIFO topic. Whoever calls has its turn.
    pub(super) async fn drain(
        &self,
        topic: &TopicRecord,
        now: Timestamp,
    ) -> Result<(), TopicError> {
        let lane = lane(&topic.arn);
        loop {
            // Nobody else takes from this lane, so that the lease has ended when it begins: what
            // is not handed over now can be taken again at once, also if the clock is set back.
            let until = Timestamp(0);
            let ask = Ask { lane: &lane, entries: DRAIN_ENTRIES, bytes: DRAIN_BYTES, until };
            let leased = self.queue.lease(ask, now).await.map_err(TopicError::Store)?;
            if leased.is_empty() {
                return Ok(());
            }
            let (mut handed, mut settles) = (Handed::default(), Vec::new());
            for entry in leased {
                settles.push(Settle { receipt: entry.receipt, fate: Fate::Remove });
                if let Some(message) = read(&lane, &entry) {
                    let published = in_order(&topic.arn, entry.receipt.entry);
                    self.hand_over(topic, (&published, &message), &mut handed).await?;
                }
            }
            let Handed { puts, filtered, .. } = handed;
            let batch = Batch { puts, settles, unless_settled: Unless::Nothing };
            self.apply(batch).await?;
            self.count_filtered(topic, filtered);
        }
    }

    /// Puts what was gathered of a standard topic.
    async fn put_part(&self, handed: &mut Handed) -> Result<(), TopicError> {
        let puts = std::mem::take(&mut handed.puts);
        handed.bytes = 0;
        self.apply(Batch { puts, ..Batch::default() }).await
    }

    pub(super) async fn apply(&self, batch: Batch) -> Result<(), TopicError> {
        if batch.puts.is_empty() && batch.settles.is_empty() {
            return Ok(());
        }
        let applied = self.queue.apply(batch, self.clock.now()).await;
        applied.map(drop).map_err(TopicError::Store)
    }

    fn count_filtered(&self, topic: &TopicRecord, count: u64) {
        if count > 0 {
            let metric = Metric::NumberOfNotificationsFilteredOut;
            self.metrics.add(metric, &topic.arn.name, count);
        }
    }

    /// Gathers the deliveries of one message. Those of a standard topic are put on the way whenever
    /// there are enough for a part; of a FIFO topic they have to stay together.
    async fn hand_over(
        &self,
        topic: &TopicRecord,
        (published, message): (&Published, &Message),
        handed: &mut Handed,
    ) -> Result<(), TopicError> {
        let timestamp = message.published.iso();
        let arn = topic.arn.to_string();
        let now = self.clock.now();
        let mut signatures = Signatures { topics: self, made: Vec::new() };
        let mut subjects = Subjects::default();
        for subscriber in self.subscribers.of(&topic.arn) {
            let record = &subscriber.record;
            if !record.is_confirmed() {
                continue;
            }
            let text = message.text_for(record.protocol);
            if !is_wanted(&subscriber, message, text, &mut subjects) {
                handed.filtered += 1;
                continue;
            }
            let signable = Signable {
                kind: Kind::Notification,
                message_id: &published.message_id,
                topic: &arn,
                subject: message.subject.as_deref(),
                message: text,
                timestamp: &timestamp,
                confirm: None,
            };
            let signed = match signature_version(topic, record) {
                Some(version) => Some(signatures.of(&signable, version).await?),
                None => None,
            };
            let notification =
                Notification { topic, published, message, signable: &signable, signed };
            let (delivery, body) = self.delivery(&notification, record);
            let group = message.group.clone().filter(|_| topic.arn.is_fifo());
            handed.push(delivery.entry((&record.arn.to_string(), group), body, now));
            if handed.is_part() && !topic.arn.is_fifo() {
                self.put_part(handed).await?;
            }
        }
        Ok(())
    }

    fn delivery(
        &self,
        notification: &Notification<'_>,
        record: &SubscriptionRecord,
    ) -> (Delivery, bytes::Bytes) {
        let Notification { topic, published, message, signable, signed } = notification;
        let subscription = record.arn.to_string();
        let unsubscribe = self.unsubscribe_url(&record.arn);
        let beside = Beside {
            sequence_number: published.sequence_number.as_deref(),
            signed: signed.as_ref(),
            unsubscribe_url: Some(&unsubscribe),
            attributes: Some(&message.attributes),
        };
        let raw = record.settings.delivery == DeliveryForm::Raw;
        let mut patience = delivery_policy::managed();
        let body = || {
            if raw {
                message.text_for(record.protocol).to_owned().into()
            } else {
                envelope::object(signable, &beside)
            }
        };
        let (parcel, body) = match record.protocol {
            Protocol::Lambda => {
                let event = envelope::event(signable, &beside, &subscription);
                (Parcel::Function { arn: record.endpoint.clone() }, event)
            }
            Protocol::Sqs => {
                let arn = record.endpoint.clone();
                let message = queue_message(topic, message, record);
                (Parcel::Queue { arn, message }, body())
            }
            Protocol::Http | Protocol::Https => {
                let own = record.settings.delivery_policy.as_ref();
                let (of_http, content_type) =
                    delivery_policy::http(topic.settings.delivery_policy.as_ref(), own);
                patience = of_http;
                let mut headers = headers(signable, &content_type);
                headers.push(("x-amz-sns-subscription-arn".to_owned(), subscription.clone()));
                if raw {
                    headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
                }
                (Parcel::Http { url: record.endpoint.clone(), headers }, body())
            }
        };
        let origin = Origin::Subscription { topic: topic.arn.to_string(), subscription };
        let dead_letter = record.settings.redrive.as_ref().map(|redrive| redrive.queue.clone());
        let trace = message.trace.clone();
        (Delivery { origin, parcel, patience, dead_letter, trace, attempts: 0 }, body)
    }
}

/// One message for one subscription.
struct Notification<'a> {
    topic: &'a TopicRecord,
    published: &'a Published,
    message: &'a Message,
    signable: &'a Signable<'a>,
    signed: Option<Signed>,
}

/// What becomes of messages.
#[derive(Debug, Default)]
struct Handed {
    /// Deliveries that are not on their way yet.
    puts: Vec<NewEntry>,
    /// What they have together.
    bytes: usize,
    /// How many subscriptions did not want a message.
    filtered: u64,
}

impl Handed {
    fn push(&mut self, entry: NewEntry) {
        self.bytes += entry.head.len() + entry.body.len();
        self.puts.push(entry);
    }

    /// Whether there are enough for one change of the queue.
    fn is_part(&self) -> bool {
        self.puts.len() >= NOTIFICATIONS_OF_PART_MAX
            || self.bytes >= NOTIFICATIONS_OF_PART_BYTES_MAX
    }
}

/// What filters look at in one message: each text is read once, however many filters there are.
#[derive(Debug, Default)]
struct Subjects<'a> {
    read: Vec<(FilterScope, &'a str, Option<Value>)>,
}

impl<'a> Subjects<'a> {
    fn of(&mut self, scope: FilterScope, message: &Message, text: &'a str) -> Option<&Value> {
        let found = self.read.iter().position(|one| one.0 == scope && one.1 == text);
        let at = found.unwrap_or_else(|| {
            let subject = filter::subject(scope, &message.attributes, text);
            self.read.push((scope, text, subject));
            self.read.len() - 1
        });
        self.read[at].2.as_ref()
    }
}

/// The signatures of one message: each text is signed once, however many subscriptions get it.
struct Signatures<'a> {
    topics: &'a Topics,
    made: Vec<(SignatureVersion, String, Signed)>,
}

impl Signatures<'_> {
    async fn of(
        &mut self,
        signable: &Signable<'_>,
        version: SignatureVersion,
    ) -> Result<Signed, TopicError> {
        let is_it = |made: &&(SignatureVersion, String, Signed)| {
            made.0 == version && made.1 == signable.message
        };
        if let Some((_, _, signed)) = self.made.iter().find(is_it) {
            return Ok(signed.clone());
        }
        let signed = self.topics.signed(signable, version).await?;
        self.made.push((version, signable.message.to_owned(), signed.clone()));
        Ok(signed)
    }
}

impl Topics {
    pub(super) async fn signed(
        &self,
        signable: &Signable<'_>,
        version: SignatureVersion,
    ) -> Result<Signed, TopicError> {
        let identity = self.signer.identity().await.map_err(TopicError::Signing)?;
        let signature = self.signer.sign(signable.text(), version).await;
        Ok(Signed {
            version: version.as_str(),
            signature: signature.map_err(TopicError::Signing)?,
            certificate_url: format!("{}/{}", self.endpoint, identity.name),
        })
    }
}

/// Recorded: what a FIFO topic sends is not signed, and functions get the first version, whatever
/// the topic says. The message itself has no room for a signature.
fn signature_version(topic: &TopicRecord, record: &SubscriptionRecord) -> Option<SignatureVersion> {
    if topic.arn.is_fifo() {
        return None;
    }
    match (record.protocol, record.settings.delivery) {
        (Protocol::Lambda, _) => Some(SignatureVersion::One),
        (Protocol::Sqs | Protocol::Http | Protocol::Https, DeliveryForm::Raw) => None,
        (Protocol::Sqs | Protocol::Http | Protocol::Https, DeliveryForm::Enveloped) => {
            Some(topic.settings.signature_version.unwrap_or_default())
        }
    }
}

/// What goes with the body to a queue. Recorded: a standard queue does not get the ids of a FIFO
/// topic; the group of a message of a standard topic is passed on.
fn queue_message(
    topic: &TopicRecord,
    message: &Message,
    record: &SubscriptionRecord,
) -> QueueMessage {
    let to_fifo = record.endpoint.ends_with(super::arn::FIFO_SUFFIX);
    let attributes = match record.settings.delivery {
        DeliveryForm::Raw => message.attributes.clone(),
        DeliveryForm::Enveloped => std::collections::BTreeMap::new(),
    };
    QueueMessage {
        attributes,
        group: message.group.clone().filter(|_| to_fifo || !topic.arn.is_fifo()),
        deduplication: message.deduplication.clone().filter(|_| to_fifo),
        delay_seconds: None,
    }
}

/// What an HTTP endpoint reads without looking into the body.
pub(super) fn headers(signable: &Signable<'_>, content_type: &str) -> Vec<(String, String)> {
    [
        ("content-type", content_type),
        ("user-agent", USER_AGENT),
        ("x-amz-sns-message-type", signable.kind.as_str()),
        ("x-amz-sns-message-id", signable.message_id),
        ("x-amz-sns-topic-arn", signable.topic),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn is_wanted<'a>(
    subscriber: &Subscriber,
    message: &Message,
    text: &'a str,
    subjects: &mut Subjects<'a>,
) -> bool {
    match &subscriber.wanted {
        Wanted::All => true,
        Wanted::Nothing => false,
        Wanted::Some(filter) => {
            let scope = subscriber.record.settings.filter_scope;
            filter.matches(subjects.of(scope, message, text))
        }
    }
}

fn check_entries(entries: &[BatchEntry]) -> Result<(), TopicError> {
    if entries.is_empty() {
        return Err(TopicError::EmptyBatch);
    }
    if entries.len() > PUBLISH_ENTRIES_MAX {
        return Err(TopicError::TooManyEntries);
    }
    let is_id = |id: &str| {
        (1..=ENTRY_ID_CHARACTERS_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !entries.iter().all(|entry| is_id(&entry.id)) {
        return Err(TopicError::InvalidEntryId);
    }
    let distinct: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    if distinct.len() < entries.len() {
        return Err(TopicError::EntriesNotDistinct);
    }
    Ok(())
}

/// The lane in which messages of a FIFO topic wait to be handed over.
pub(super) fn lane(topic: &TopicArn) -> Lane {
    Lane { kind: LANE_KIND, name: topic.to_string() }
}

/// A message of a FIFO topic, as it waits.
fn waiting(topic: &TopicRecord, message: &Message, now: Timestamp) -> NewEntry {
    let group = message.group.clone();
    let deduplication = message.deduplication.as_deref().unwrap_or_default();
    let id = match topic.settings.throughput_scope {
        Some(ThroughputScope::MessageGroup) => {
            format!("{} {deduplication}", group.as_deref().unwrap_or_default())
        }
        Some(ThroughputScope::Topic) | None => deduplication.to_owned(),
    };
    let body = serde_json::to_vec(message).expect("a message can be written as JSON");
    NewEntry {
        lane: lane(&topic.arn),
        group,
        put_at: now,
        // Whenever its turn comes, also if the clock was set back.
        due: Timestamp(0),
        sameness: Some(Sameness { id, until: now.plus_millis(DEDUPLICATION_MILLIS) }),
        head: "{}".to_owned(),
        body: body.into(),
    }
}

fn read(lane: &Lane, entry: &Leased) -> Option<Message> {
    let read = serde_json::from_slice(&entry.body);
    read.inspect_err(|error| {
        let (topic, entry) = (&lane.name, entry.receipt.entry.to_string());
        tracing::error!(topic, entry, %error, "a message is not understood and was dropped");
    })
    .ok()
}

/// The ids of a message of a FIFO topic follow from the entry that it was first taken as, so that
/// the same message has the same ids.
fn in_order(topic: &TopicArn, entry: EntryId) -> Published {
    let digest = Sha256::digest(format!("{topic} {entry}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    let message_id = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
    let number = SEQUENCE_BASE.saturating_add_signed(entry.0);
    Published { message_id, sequence_number: Some(number.to_string()) }
}

#[async_trait]
impl Publish for Topics {
    async fn publish(&self, sent: Sent<'_>, message: &TopicMessage) -> Result<(), NotTaken> {
        let refused = |error: TopicError| match error {
            TopicError::Store(_) | TopicError::Signing(_) => {
                NotTaken::Failed { message: error.to_string() }
            }
            TopicError::InvalidParameter(_)
            | TopicError::InvalidParameterValue(_)
            | TopicError::Validation(_)
            | TopicError::TopicMissing
            | TopicError::SubscriptionMissing
            | TopicError::ResourceMissing
            | TopicError::Forbidden(_)
            | TopicError::TopicLimit(_)
            | TopicError::SubscriptionLimit(_)
            | TopicError::FilterPolicyLimit(_)
            | TopicError::TagLimit
            | TopicError::EmptyBatch
            | TopicError::TooManyEntries
            | TopicError::EntriesNotDistinct
            | TopicError::InvalidEntryId
            | TopicError::BatchTooLong => {
                NotTaken::Refused { code: error.code().to_owned(), message: error.to_string() }
            }
        };
        let arn = TopicArn::parse("TopicArn", sent.arn).map_err(refused)?;
        let text = std::str::from_utf8(sent.body).map_err(|_not_text| NotTaken::Refused {
            code: "InvalidParameter".to_owned(),
            message: "Invalid parameter: Message".to_owned(),
        })?;
        let attributes = message.attributes.clone().into_iter();
        let new = NewMessage {
            text: text.to_owned(),
            subject: message.subject.clone(),
            structure: None,
            attributes: attributes.map(|(name, one)| (name, one.into())).collect(),
            group: message.group.clone(),
            deduplication: message.deduplication.clone(),
        };
        // A delivery is made for the account that owns the topic.
        let asker = Asker { scope: &arn.scope, trace: sent.trace };
        let published = Topics::publish(self, &asker, &arn, new).await;
        published.map(drop).map_err(refused)
    }
}

/// Whose turn it is to hand over messages of a FIFO topic.
#[derive(Debug, Default)]
pub(super) struct Turns {
    of: std::sync::Mutex<std::collections::HashMap<TopicArn, std::sync::Weak<Turn>>>,
}

type Turn = tokio::sync::Mutex<()>;

impl Turns {
    pub(super) fn of(&self, topic: &TopicArn) -> Arc<Turn> {
        let mut all = self.of.lock().expect("no code panics while it holds the turns");
        if let Some(turn) = all.get(topic).and_then(std::sync::Weak::upgrade) {
            return turn;
        }
        all.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        all.insert(topic.clone(), Arc::downgrade(&turn));
        turn
    }
}
