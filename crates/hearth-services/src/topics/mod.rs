//! Our own topics: what SNS does with topics, subscriptions and messages.
//!
//! ```text
//!  topic ────────┬─▶ Collection "topic"               policy, delivery_policy: rules of a topic
//!  subscription ─┼─▶ Collection "topic-subscription"  settings: rules of a subscription
//!                └─▶ subscribers                      in memory: who wants which messages
//!  publish ──▶ message ──▶ filter ──▶ envelope, signing ──▶ the durable queue
//! ```
//!
//! # Promises
//!
//! 1. What was answered is durable: records are in the store, messages are in the queue.
//! 2. A message is put for all of its subscriptions in one change of the queue; if they are many, in
//!    several, before it is answered for.
//! 3. What subscribers get is signed, and can be checked with the certificate that is served.
//!
//! # Deliberately absent
//!
//! Delivering: `hearth-events` takes deliveries out of the queue. E-mail, text messages, push
//! notifications, Firehose, HTTPS endpoints: there is nothing here that could send to them. Message
//! archives and data protection policies.

pub use arn::{SubscriptionArn, TopicArn};
pub use envelope::dead_letter;
pub use error::TopicError;
pub use message::{NewAttribute, NewMessage};
pub use policy::Permission;
pub use publish::{BatchEntry, Published};
pub use record::{Attributes, Protocol, SubscriptionRecord, SubscriptionState, TopicRecord};
pub use signing::SigningError;
pub use subscription::{Confirm, Proof, Subscribe};
pub use topic::CreateTopic;

mod topic;
mod subscription;
mod settings;
mod publish;
mod message;
mod filter;
mod envelope;
mod signing;
mod subscribers;
mod policy;
mod delivery_policy;
mod record;
mod arn;
mod error;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::queue::{Queue, Sharing};
use hearth_store::records::Records;
use hearth_types::metrics::Metrics;
use hearth_types::names::Scope;
use hearth_types::time::Clock;

use self::publish::Turns;
use self::signing::Signer;
use self::subscribers::Subscribers;

/// How many lanes are looked at together when the topics are opened.
const LANES_AT_ONCE: usize = 100;

/// All topics.
#[derive(Debug)]
pub struct Topics {
    /// By name. Its lock is held for every change of a topic or of a subscription.
    topics: Collection<TopicRecord>,
    /// By topic and id, in the scope of the topic.
    subscriptions: Collection<SubscriptionRecord>,
    subscribers: Subscribers,
    turns: Turns,
    signer: Signer,
    /// Where this server is reached, such as `http://127.0.0.1:4566`.
    endpoint: String,
    queue: Arc<dyn Queue>,
    metrics: Arc<dyn Metrics>,
    clock: Arc<dyn Clock>,
}

/// What topics work with.
#[derive(Debug)]
pub struct TopicParts {
    /// Where topics and subscriptions are kept.
    pub records: Arc<dyn Records>,
    /// Where deliveries wait.
    pub queue: Arc<dyn Queue>,
    /// Who counts.
    pub metrics: Arc<dyn Metrics>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where the key is kept that notifications are signed with.
    pub directory: PathBuf,
    /// Where this server is reached, such as `http://127.0.0.1:4566`.
    pub endpoint: String,
}

/// Who asks for something.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Its account, and the region that it asks in.
    pub scope: &'a Scope,
    /// The `X-Amzn-Trace-Id` of its request.
    pub trace: Option<&'a str>,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What the next page begins behind. None: this is the last page.
    pub next: Option<String>,
}

impl Topics {
    /// Reads all topics and subscriptions, and finishes what a killed process had begun.
    ///
    /// # Errors
    ///
    /// If the store cannot be read, or a record in it is not understood.
    pub async fn open(parts: TopicParts) -> Result<Self, TopicError> {
        let TopicParts { records, queue, metrics, clock, directory, endpoint } = parts;
        let opened = async {
            let topics = Collection::open("topic", Arc::clone(&records)).await?;
            let subscriptions = Collection::open("topic-subscription", records).await?;
            Ok::<_, StoreError>((topics, subscriptions))
        };
        let (topics, subscriptions) = opened.await.map_err(TopicError::Store)?;
        let subscribers = Subscribers::default();
        let (turns, signer) = (Turns::default(), Signer::new(directory));
        let opened = Self {
            topics,
            subscriptions,
            subscribers,
            turns,
            signer,
            endpoint,
            queue,
            metrics,
            clock,
        };
        opened.index().await?;
        opened.drain_all().await?;
        Ok(opened)
    }

    /// The certificate with this name, if there is one: what `SigningCertURL` leads to.
    ///
    /// # Errors
    ///
    /// If the key cannot be read or made.
    pub async fn certificate(&self, name: &str) -> Result<Option<String>, TopicError> {
        let identity = self.signer.identity().await.map_err(TopicError::Signing)?;
        Ok((identity.name == name).then(|| identity.pem.clone()))
    }

    /// Subscriptions without a topic are what is left of a topic that was being deleted.
    async fn index(&self) -> Result<(), TopicError> {
        let now = self.clock.now();
        for record in self.subscriptions.all() {
            let topic = &record.arn.topic;
            let has_topic = self.topics.get(&topic.scope, &topic.name).is_some();
            if has_topic && !subscription::is_over(&record, now) {
                self.subscribers.put(record);
            } else {
                let removed = self.subscriptions.remove(&topic.scope, &record.key()).await;
                removed.map_err(TopicError::Store)?;
            }
        }
        Ok(())
    }

    /// Messages of FIFO topics that were taken and not handed over.
    async fn drain_all(&self) -> Result<(), TopicError> {
        let now = self.clock.now();
        let mut after: Option<String> = None;
        loop {
            let lanes = self.queue.lanes(publish::LANE_KIND, after.as_deref(), LANES_AT_ONCE);
            let lanes = lanes.await.map_err(TopicError::Store)?;
            let Some(last) = lanes.last() else { return Ok(()) };
            after = Some(last.name.clone());
            for lane in lanes {
                let arn = TopicArn::parse("TopicArn", &lane.name)?;
                match self.topics.get(&arn.scope, &arn.name) {
                    Some(topic) => self.drain(&topic, now).await?,
                    // It may be that of another server.
                    None if self.queue.sharing() == Sharing::Shared => {}
                    None => {
                        let purged = self.queue.purge(&lane, now.plus_millis(1)).await;
                        purged.map_err(TopicError::Store)?;
                    }
                }
            }
        }
    }

    /// A topic, for somebody who wants to do something with it, such as `Publish`.
    fn topic(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        action: &str,
    ) -> Result<Arc<TopicRecord>, TopicError> {
        if arn.scope.region != asker.scope.region {
            return Err(TopicError::parameter("TopicArn"));
        }
        let topic = self.topics.get(&arn.scope, &arn.name).ok_or(TopicError::TopicMissing)?;
        let account = &asker.scope.account;
        let policy = topic.settings.policy.as_deref();
        let is_allowed = arn.scope.account == *account
            || policy.is_some_and(|policy| policy::allows(policy, arn, account, action));
        if is_allowed {
            return Ok(topic);
        }
        Err(TopicError::Forbidden(format!(
            "User: arn:aws:iam::{account}:root is not authorized to perform: SNS:{action} on resource: {arn} because no resource-based policy allows the SNS:{action} action"
        )))
    }

    async fn put_topic(&self, record: TopicRecord) -> Result<Arc<TopicRecord>, TopicError> {
        let (scope, name) = (record.arn.scope.clone(), record.arn.name.clone());
        self.topics.put(&scope, &name, record).await.map_err(TopicError::Store)
    }
}

/// Cuts a page out of records that are in the order of their keys: one more was asked for than fit.
fn cut<T>(mut found: Vec<T>, items: usize, key: impl Fn(&T) -> String) -> Page<T> {
    let has_more = found.len() > items;
    found.truncate(items);
    let next = found.last().map(key).filter(|_| has_more);
    Page { items: found, next }
}
