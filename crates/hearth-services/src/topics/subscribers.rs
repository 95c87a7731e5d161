//! The subscriptions of each topic, in memory and ready to be matched: what publishing reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hearth_types::names::Scope;

use super::arn::{SubscriptionArn, TopicArn};
use super::filter::Filter;
use super::record::SubscriptionRecord;

/// A subscription, with its filter policy understood.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) record: Arc<SubscriptionRecord>,
    pub(super) wanted: Wanted,
}

/// Which messages a subscription wants.
#[derive(Debug, PartialEq)]
pub(super) enum Wanted {
    All,
    Some(Filter),
    /// The record has a policy that this program does not understand: a newer one wrote it.
    Nothing,
}

impl Subscriber {
    fn new(record: Arc<SubscriptionRecord>) -> Self {
        let wanted = match &record.settings.filter_policy {
            None => Wanted::All,
            Some(text) => Filter::parse(text).map_or_else(
                |why| {
                    let subscription = record.arn.to_string();
                    tracing::error!(subscription, why, "a filter policy is not understood");
                    Wanted::Nothing
                },
                Wanted::Some,
            ),
        };
        Self { record, wanted }
    }
}

/// All subscriptions, by topic and id.
#[derive(Debug, Default)]
pub(super) struct Subscribers {
    by_topic: RwLock<HashMap<TopicArn, BTreeMap<String, Arc<Subscriber>>>>,
}

impl Subscribers {
    pub(super) fn put(&self, record: Arc<SubscriptionRecord>) {
        let SubscriptionArn { topic, id } = record.arn.clone();
        let subscriber = Arc::new(Subscriber::new(record));
        self.write().entry(topic).or_default().insert(id, subscriber);
    }

    pub(super) fn remove(&self, arn: &SubscriptionArn) {
        let mut by_topic = self.write();
        if let Some(of_topic) = by_topic.get_mut(&arn.topic) {
            of_topic.remove(&arn.id);
            if of_topic.is_empty() {
                by_topic.remove(&arn.topic);
            }
        }
    }

    pub(super) fn get(&self, arn: &SubscriptionArn) -> Option<Arc<SubscriptionRecord>> {
        let by_topic = self.read();
        let found = by_topic.get(&arn.topic)?.get(&arn.id)?;
        Some(Arc::clone(&found.record))
    }

    /// Those of a topic, in the order of their ids.
    pub(super) fn of(&self, topic: &TopicArn) -> Vec<Arc<Subscriber>> {
        let by_topic = self.read();
        by_topic.get(topic).map(|found| found.values().cloned().collect()).unwrap_or_default()
    }

    /// How many there are of a topic, in any state.
    pub(super) fn count(&self, topic: &TopicArn) -> usize {
        self.read().get(topic).map_or(0, BTreeMap::len)
    }

    /// How many filter policies a topic has, and all topics of its account and region.
    pub(super) fn filters(&self, topic: &TopicArn) -> (usize, usize) {
        let is_filtered = |one: &&Arc<Subscriber>| one.wanted != Wanted::All;
        let count =
            |found: &BTreeMap<String, Arc<Subscriber>>| found.values().filter(is_filtered).count();
        let by_topic = self.read();
        let scope: &Scope = &topic.scope;
        let all = by_topic.iter().filter(|(other, _)| other.scope == *scope);
        (by_topic.get(topic).map_or(0, count), all.map(|(_, found)| count(found)).sum())
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<TopicArn, BTreeMap<String, Arc<Subscriber>>>> {
        self.by_topic.read().expect("no code panics while it holds the subscriptions")
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<TopicArn, BTreeMap<String, Arc<Subscriber>>>> {
        self.by_topic.write().expect("no code panics while it holds the subscriptions")
    }
}
