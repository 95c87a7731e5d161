//! Registered consumers: whoever is pushed what comes into a stream.

use std::sync::Arc;

use super::Streams;
use super::administration::{Tags, check_tags};
use super::error::StreamError;
use super::iterator::PageToken;
use super::names::{ConsumerName, StreamName};
use super::quotas::CONSUMERS_MAX;
use super::record::{ConsumerRecord, StreamRecord, key_of_consumer};

/// A consumer that is to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsumer {
    /// Of which stream.
    pub stream: StreamName,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
}

impl Streams {
    /// Registers a consumer.
    ///
    /// # Errors
    ///
    /// If there is no such stream, or it has one of this name, or too many.
    pub async fn register(&self, new: NewConsumer) -> Result<Arc<ConsumerRecord>, StreamError> {
        let NewConsumer { stream: name, name: consumer, tags } = new;
        check_tags(&tags)?;
        let _writing = self.streams.writing().await;
        let stream = self.stream(&name)?;
        if self.consumers.get(&name.scope, &key_of_consumer(&name.name, &consumer)).is_some() {
            return Err(StreamError::InUse(format!(
                "Consumer {consumer} of stream {} under account {} already exists.",
                name.name, name.scope.account
            )));
        }
        let there = self.consumers_of(&stream).len();
        if there >= CONSUMERS_MAX {
            return Err(StreamError::LimitExceeded(format!(
                "Stream {} under account {} has {there} registered consumers, and that is the limit.",
                name.name, name.scope.account
            )));
        }
        let record = ConsumerRecord {
            name: consumer,
            stream: name.name,
            scope: name.scope.clone(),
            created: self.now(),
            tags,
        };
        let key = record.key();
        self.consumers.put(&name.scope, &key, record).await.map_err(StreamError::store)
    }

    /// Forgets a consumer, and ends its subscriptions.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub async fn deregister(&self, name: &ConsumerName) -> Result<(), StreamError> {
        let _writing = self.streams.writing().await;
        let consumer = self.consumer(name)?;
        self.forget_consumer(&consumer).await
    }

    pub(super) async fn forget_consumer(
        &self,
        consumer: &ConsumerRecord,
    ) -> Result<(), StreamError> {
        let removed = self.consumers.remove(&consumer.scope, &consumer.key()).await;
        removed.map_err(StreamError::store)?;
        self.subscribers.end_all_of(&consumer.full_name());
        self.changed();
        Ok(())
    }

    /// A consumer.
    ///
    /// # Errors
    ///
    /// If there is none of this name that was made at that time.
    pub fn consumer(&self, name: &ConsumerName) -> Result<Arc<ConsumerRecord>, StreamError> {
        let found = self.consumer_named(&name.stream, &name.name)?;
        if found.full_name() == *name { Ok(found) } else { Err(missing(&name.stream, &name.name)) }
    }

    /// A consumer by the name that it has in its stream.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn consumer_named(
        &self,
        stream: &StreamName,
        name: &str,
    ) -> Result<Arc<ConsumerRecord>, StreamError> {
        let found = self.consumers.get(&stream.scope, &key_of_consumer(&stream.name, name));
        found.ok_or_else(|| missing(stream, name))
    }

    /// All consumers of a stream, in the order of their names.
    #[must_use]
    pub fn consumers_of(&self, stream: &StreamRecord) -> Vec<Arc<ConsumerRecord>> {
        let begin = key_of_consumer(&stream.name, "");
        let mut found = self.consumers.page(&stream.scope, Some(&begin), usize::MAX);
        // Names that begin alike may stand in between: a dash comes before a slash.
        found.retain(|consumer| consumer.stream == stream.name);
        found
    }

    /// A page of the consumers of a stream, and the token of the next one.
    ///
    /// # Errors
    ///
    /// If there is no such stream, or the token is none.
    pub fn list_consumers(
        &self,
        name: &StreamName,
        token: Option<&str>,
        items: usize,
    ) -> Result<(Vec<Arc<ConsumerRecord>>, Option<String>), StreamError> {
        let (stream, now) = (self.stream(name)?, self.now());
        let token = token.map(|token| PageToken::read(token, now)).transpose()?;
        let mut found = self.consumers_of(&stream);
        found.retain(|one| token.as_ref().is_none_or(|token| one.name > token.after));
        let has_more = found.len() > items;
        found.truncate(items);
        let next = found.last().filter(|_| has_more).map(|last| {
            let (stream, after) = (Some(stream.arn()), last.name.clone());
            PageToken { stream, after, filter: None, given: now }.text()
        });
        Ok((found, next))
    }

    /// Changes the tags of a consumer.
    ///
    /// # Errors
    ///
    /// If there is none, or it would have a tag that cannot be one, or too many.
    pub async fn change_consumer_tags(
        &self,
        name: &ConsumerName,
        change: impl FnOnce(&mut Tags),
    ) -> Result<(), StreamError> {
        let _writing = self.streams.writing().await;
        let mut record = (*self.consumer(name)?).clone();
        change(&mut record.tags);
        check_tags(&record.tags)?;
        let (scope, key) = (record.scope.clone(), record.key());
        self.consumers.put(&scope, &key, record).await.map(drop).map_err(StreamError::store)
    }
}

fn missing(stream: &StreamName, consumer: &str) -> StreamError {
    StreamError::NotFound(format!(
        "Consumer {consumer} of stream {} under account {} not found.",
        stream.name, stream.scope.account
    ))
}
