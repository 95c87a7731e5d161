//! Topics: making and deleting them, what is set, and tags.

use std::collections::BTreeSet;
use std::sync::Arc;

use hearth_types::limits::TAGS_MAX;

use super::arn::{FIFO_SUFFIX, TopicArn, is_topic_name};
use super::delivery_policy;
use super::error::TopicError;
use super::policy::{self, Permission};
use super::publish::lane;
use super::record::{Attributes, TopicRecord, TopicSettings};
use super::settings::set_of_topic;
use super::{Asker, Page, Topics, cut};
use crate::limits::{FIFO_TOPICS_MAX, TOPIC_LIST_ITEMS_MAX, TOPICS_MAX};

/// A topic to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateTopic {
    /// Its name.
    pub name: String,
    /// What is set.
    pub attributes: Attributes,
    /// Its tags.
    pub tags: Vec<(String, String)>,
}

impl Topics {
    /// Makes a topic, or finds the one that is there.
    ///
    /// # Errors
    ///
    /// If the name or an attribute cannot be, the one that is there is set otherwise, or the
    /// account has too many.
    pub async fn create(
        &self,
        asker: &Asker<'_>,
        request: CreateTopic,
    ) -> Result<TopicArn, TopicError> {
        let CreateTopic { name, mut attributes, tags } = request;
        let fifo = attributes.remove("FifoTopic");
        check_topic_name(&name, fifo.as_deref())?;
        check_tags(&tags)?;
        let arn = TopicArn { scope: asker.scope.clone(), name };
        let _writing = self.topics.writing().await;
        let existing = self.topics.get(&arn.scope, &arn.name);
        let before = existing.as_ref().map(|topic| topic.settings.clone()).unwrap_or_default();
        let mut settings = before.clone();
        for (name, value) in &attributes {
            let unknown = || format!("Attributes Reason: Unknown attribute: {name}");
            set_of_topic(&mut settings, &arn, (name, value), unknown)?;
        }
        if let Some(existing) = existing {
            if settings != before {
                let why = "Attributes Reason: Topic already exists with different attributes";
                return Err(TopicError::parameter(why));
            }
            let has_tags = |tag| existing.tags.contains(tag);
            if !tags.iter().all(has_tags) {
                let why = "Tags Reason: Topic already exists with different tags";
                return Err(TopicError::parameter(why));
            }
            return Ok(arn);
        }
        self.check_room_for(&arn)?;
        let created = self.clock.now();
        let record =
            TopicRecord { arn: arn.clone(), created, settings, tags, subscriptions_deleted: 0 };
        self.put_topic(record).await?;
        Ok(arn)
    }

    fn check_room_for(&self, arn: &TopicArn) -> Result<(), TopicError> {
        let limit = if arn.is_fifo() { FIFO_TOPICS_MAX } else { TOPICS_MAX };
        let all = self.topics.page(&arn.scope, None, TOPICS_MAX + FIFO_TOPICS_MAX);
        let same_kind = all.iter().filter(|topic| topic.arn.is_fifo() == arn.is_fifo());
        if same_kind.count() >= limit { Err(TopicError::TopicLimit(limit)) } else { Ok(()) }
    }

    /// Deletes a topic and its subscriptions. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If the caller may not, or the store failed.
    pub async fn delete(&self, asker: &Asker<'_>, arn: &TopicArn) -> Result<(), TopicError> {
        let _writing = self.topics.writing().await;
        match self.topic(asker, arn, "DeleteTopic") {
            Ok(_topic) => {}
            Err(TopicError::TopicMissing) => return Ok(()),
            Err(other) => return Err(other),
        }
        for subscriber in self.subscribers.of(arn) {
            self.forget(&subscriber.record.arn).await?;
        }
        self.topics.remove(&arn.scope, &arn.name).await.map_err(TopicError::Store)?;
        if arn.is_fifo() {
            let before = self.clock.now().plus_millis(1);
            self.queue.purge(&lane(arn), before).await.map_err(TopicError::Store)?;
        }
        Ok(())
    }

    /// A page of the topics of an account in a region, in the order of their names.
    #[must_use]
    pub fn list(&self, asker: &Asker<'_>, after: Option<&str>) -> Page<TopicArn> {
        let found = self.topics.page(asker.scope, after, TOPIC_LIST_ITEMS_MAX + 1);
        let arns = found.iter().map(|topic| topic.arn.clone()).collect();
        cut(arns, TOPIC_LIST_ITEMS_MAX, |arn: &TopicArn| arn.name.clone())
    }

    /// What is set of a topic, and how many subscriptions it has.
    ///
    /// # Errors
    ///
    /// If there is none, or the caller may not.
    pub fn attributes(&self, asker: &Asker<'_>, arn: &TopicArn) -> Result<Attributes, TopicError> {
        let topic = self.topic(asker, arn, "GetTopicAttributes")?;
        let subscribers = self.subscribers.of(arn);
        let confirmed = subscribers.iter().filter(|one| one.record.is_confirmed()).count();
        let pending = subscribers.iter().filter(|one| one.record.is_pending()).count();
        let TopicSettings {
            display_name,
            policy,
            delivery_policy,
            signature_version,
            content_based_deduplication,
            throughput_scope,
            message_bytes_max,
            kms_key,
            tracing,
        } = &topic.settings;
        let policy = policy.clone().unwrap_or_else(|| policy::default(arn));
        let effective = delivery_policy::effective_of_topic(delivery_policy.as_ref());
        let always = [
            ("TopicArn", arn.to_string()),
            ("Owner", arn.scope.account.to_string()),
            ("DisplayName", display_name.clone()),
            ("Policy", policy),
            ("EffectiveDeliveryPolicy", effective),
            ("SubscriptionsConfirmed", confirmed.to_string()),
            ("SubscriptionsPending", pending.to_string()),
            ("SubscriptionsDeleted", topic.subscriptions_deleted.to_string()),
        ];
        let is_fifo = arn.is_fifo();
        let if_set = [
            ("DeliveryPolicy", delivery_policy.as_ref().map(|policy| policy.shown())),
            ("SignatureVersion", signature_version.map(|version| version.as_str().to_owned())),
            ("FifoTopic", is_fifo.then(|| "true".to_owned())),
            ("ContentBasedDeduplication", is_fifo.then(|| content_based_deduplication.to_string())),
            ("FifoThroughputScope", throughput_scope.map(|scope| scope.as_str().to_owned())),
            ("MaximumMessageSize", message_bytes_max.map(|bytes| bytes.to_string())),
            ("KmsMasterKeyId", kms_key.clone()),
            ("TracingConfig", tracing.clone()),
        ];
        let if_set = if_set.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Ok(always.into_iter().chain(if_set).map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Sets an attribute.
    ///
    /// # Errors
    ///
    /// If there is no such topic or attribute, the value cannot be, or the caller may not.
    pub async fn set_attribute(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        (name, value): (&str, &str),
    ) -> Result<(), TopicError> {
        let _writing = self.topics.writing().await;
        let mut topic = self.changed(asker, arn, "SetTopicAttributes")?;
        set_of_topic(&mut topic.settings, arn, (name, value), || "AttributeName".to_owned())?;
        self.check_large_messages(&topic)?;
        self.put_topic(topic).await.map(drop)
    }

    /// Adds a statement to the policy.
    ///
    /// # Errors
    ///
    /// If there is one of this name, or it cannot be one.
    pub async fn add_permission(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        permission: &Permission,
    ) -> Result<(), TopicError> {
        let _writing = self.topics.writing().await;
        let mut topic = self.changed(asker, arn, "AddPermission")?;
        let before = topic.settings.policy.take().unwrap_or_else(|| policy::default(arn));
        topic.settings.policy = Some(policy::with(&before, arn, permission)?);
        self.put_topic(topic).await.map(drop)
    }

    /// Removes a statement from the policy.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub async fn remove_permission(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        label: &str,
    ) -> Result<(), TopicError> {
        let _writing = self.topics.writing().await;
        let mut topic = self.changed(asker, arn, "RemovePermission")?;
        let before = topic.settings.policy.take().unwrap_or_else(|| policy::default(arn));
        topic.settings.policy = Some(policy::without(&before, label)?);
        self.put_topic(topic).await.map(drop)
    }

    /// The tags of a topic.
    ///
    /// # Errors
    ///
    /// If there is no such topic.
    pub fn tags(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
    ) -> Result<Vec<(String, String)>, TopicError> {
        let topic = self.topic(asker, arn, "ListTagsForResource").map_err(resource)?;
        Ok(topic.tags.clone())
    }

    /// Adds tags, or replaces their values.
    ///
    /// # Errors
    ///
    /// If there is no such topic, a tag cannot be one, or there would be too many.
    pub async fn tag(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        tags: Vec<(String, String)>,
    ) -> Result<(), TopicError> {
        check_tags(&tags)?;
        let _writing = self.topics.writing().await;
        let mut topic = self.changed(asker, arn, "TagResource").map_err(resource)?;
        for (key, value) in tags {
            match topic.tags.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = value,
                None => topic.tags.push((key, value)),
            }
        }
        if topic.tags.len() > TAGS_MAX {
            return Err(TopicError::TagLimit);
        }
        self.put_topic(topic).await.map(drop)
    }

    /// Removes tags. Those that are not there are fine.
    ///
    /// # Errors
    ///
    /// If there is no such topic.
    pub async fn untag(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        keys: &[String],
    ) -> Result<(), TopicError> {
        let _writing = self.topics.writing().await;
        let mut topic = self.changed(asker, arn, "UntagResource").map_err(resource)?;
        topic.tags.retain(|(key, _)| !keys.contains(key));
        self.put_topic(topic).await.map(drop)
    }

    /// A copy of a topic that is to be changed.
    fn changed(
        &self,
        asker: &Asker<'_>,
        arn: &TopicArn,
        action: &str,
    ) -> Result<TopicRecord, TopicError> {
        self.topic(asker, arn, action).map(Arc::unwrap_or_clone)
    }
}

/// Tags are of a resource, not of a topic.
fn resource(error: TopicError) -> TopicError {
    if matches!(error, TopicError::TopicMissing) { TopicError::ResourceMissing } else { error }
}

fn check_topic_name(name: &str, fifo: Option<&str>) -> Result<(), TopicError> {
    let is_fifo = match fifo {
        Some(text) if text.eq_ignore_ascii_case("true") => true,
        Some(text) if text.eq_ignore_ascii_case("false") => false,
        None => false,
        Some(_odd) => {
            let why = "Attributes Reason: FifoTopic: Invalid value. Must be true or false.";
            return Err(TopicError::parameter(why));
        }
    };
    let ends_as_one = name.ends_with(FIFO_SUFFIX);
    if is_fifo && !(ends_as_one && is_topic_name(name)) {
        return Err(TopicError::parameter(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        ));
    }
    if !is_fifo && (ends_as_one || !is_topic_name(name)) {
        return Err(TopicError::parameter("Topic Name"));
    }
    Ok(())
}

fn check_tags(tags: &[(String, String)]) -> Result<(), TopicError> {
    let keys: BTreeSet<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
    if keys.len() < tags.len() {
        return Err(TopicError::parameter("Duplicated keys are not allowed."));
    }
    if tags.len() > TAGS_MAX {
        return Err(TopicError::TagLimit);
    }
    let is_key = |key: &str| {
        (1..=128).contains(&key.chars().count()) && !key.to_ascii_lowercase().starts_with("aws:")
    };
    let is_tag = |(key, value): &(String, String)| is_key(key) && value.chars().count() <= 256;
    if tags.iter().all(is_tag) {
        return Ok(());
    }
    Err(TopicError::parameter("Tags Reason: a key or a value of a tag is not allowed"))
}
