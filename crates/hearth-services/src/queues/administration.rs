//! Queues themselves: made, looked at, changed, emptied and deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use hearth_store::queue::Lane;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use uuid::Uuid;

use super::attributes::{self, Attributes, Settings};
use super::error::QueueError;
use super::names::{self, FIFO_SUFFIX, Kind, QueueName};
use super::policy::{self, Permission};
use super::quotas::{
    PURGE_PAUSE_SECONDS, TAG_KEY_CHARACTERS_MAX, TAG_VALUE_CHARACTERS_MAX, TAGS_MAX,
};
use super::record::QueueRecord;
use super::{END_OF_TIME, Queues, redrive};

/// Tags by their keys.
type Tags = BTreeMap<String, String>;

impl Queues {
    /// Makes a queue, or finds that it is there with these attributes.
    ///
    /// # Errors
    ///
    /// If the name, an attribute or a tag cannot be one, or a queue of this name has other
    /// attributes.
    pub async fn create(
        &self,
        name: &QueueName,
        given: &Attributes,
        tags: Tags,
    ) -> Result<(), QueueError> {
        let settings = Settings::new(given)?;
        let kind = if settings.fifo.is_some() { Kind::Fifo } else { Kind::Standard };
        names::check(&name.name, kind)?;
        check_tags(&tags)?;
        let _writing = self.queues.writing().await;
        if let Ok(there) = self.queue(name) {
            return same_attributes(&there.settings, given);
        }
        self.check_redrive(name, &settings, given)?;
        let now = self.clock.now();
        let record = QueueRecord {
            name: name.name.clone(),
            scope: name.scope.clone(),
            generation: Uuid::new_v4(),
            secret: Uuid::new_v4(),
            created: now,
            modified: now,
            purged: None,
            settings,
            tags,
        };
        self.keep(record).await
    }

    /// Up to `items` queues of an account in a region whose names begin so, in the order of their
    /// names, from behind `after` on.
    #[must_use]
    pub fn list(
        &self,
        scope: &Scope,
        (prefix, after): (&str, Option<&str>),
        items: usize,
    ) -> Vec<Arc<QueueRecord>> {
        let after = after.filter(|after| *after >= prefix);
        let mut found = Vec::new();
        if after.is_none() {
            found.extend(self.queues.get(scope, prefix));
        }
        // Those that begin with it stand behind it, without others in between.
        let begin = after.or_else(|| Some(prefix).filter(|prefix| !prefix.is_empty()));
        let behind = self.queues.page(scope, begin, items);
        found.extend(behind.into_iter().take_while(|queue| queue.name.starts_with(prefix)));
        found.truncate(items);
        found
    }

    /// The attributes that are asked for.
    ///
    /// # Errors
    ///
    /// If there is no such queue or attribute.
    pub async fn attributes(
        &self,
        name: &QueueName,
        asked: &[String],
    ) -> Result<Attributes, QueueError> {
        let queue = self.queue(name)?;
        attributes::check_names(asked)?;
        let is_asked = |name: &str| asked.iter().any(|one| one == "All" || one == name);
        let mut shown = queue.settings.shown();
        let mut show = |name: &str, value: String| {
            shown.insert(name.to_owned(), value);
        };
        show("QueueArn", queue.arn());
        show("CreatedTimestamp", (queue.created.0 / 1_000).to_string());
        show("LastModifiedTimestamp", (queue.modified.0 / 1_000).to_string());
        let counted = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
        ];
        if counted.iter().any(|name| is_asked(name)) {
            let counts = self.engine.counts(&queue.lane(), self.clock.now()).await;
            let counts = counts.map_err(QueueError::Store)?;
            let numbers = [counts.waiting, counts.delayed, counts.leased];
            for (name, number) in counted.into_iter().zip(numbers) {
                show(name, number.to_string());
            }
        }
        shown.retain(|name, _| is_asked(name));
        Ok(shown)
    }

    /// Changes attributes.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or an attribute cannot have its value.
    pub async fn set_attributes(
        &self,
        name: &QueueName,
        given: &Attributes,
    ) -> Result<(), QueueError> {
        let _writing = self.queues.writing().await;
        let before = self.queue(name)?;
        let settings = before.settings.changed(given)?;
        self.check_redrive(name, &settings, given)?;
        let modified = self.clock.now();
        self.keep(QueueRecord { settings, modified, ..(*before).clone() }).await
    }

    /// Permits something to other accounts, as a statement of the queue's policy.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or the permission cannot be given.
    pub async fn add_permission(
        &self,
        name: &QueueName,
        permission: &Permission,
    ) -> Result<(), QueueError> {
        let _writing = self.queues.writing().await;
        let before = self.queue(name)?;
        let with = policy::with(before.settings.policy.as_deref(), &before.arn(), permission)?;
        self.keep_policy(&before, Some(with)).await
    }

    /// Takes a permission back.
    ///
    /// # Errors
    ///
    /// If there is no such queue or permission.
    pub async fn remove_permission(&self, name: &QueueName, label: &str) -> Result<(), QueueError> {
        let _writing = self.queues.writing().await;
        let before = self.queue(name)?;
        let without = policy::without(before.settings.policy.as_deref(), &before.arn(), label)?;
        self.keep_policy(&before, without).await
    }

    async fn keep_policy(
        &self,
        before: &QueueRecord,
        policy: Option<String>,
    ) -> Result<(), QueueError> {
        let settings = Settings { policy, ..before.settings.clone() };
        let modified = self.clock.now();
        self.keep(QueueRecord { settings, modified, ..before.clone() }).await
    }

    /// Adds tags, or gives them new values.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or a tag cannot be one.
    pub async fn tag(&self, name: &QueueName, tags: Tags) -> Result<(), QueueError> {
        let _writing = self.queues.writing().await;
        let mut record = (*self.queue(name)?).clone();
        record.tags.extend(tags);
        check_tags(&record.tags)?;
        self.keep(record).await
    }

    /// Removes tags. Those that are not there are fine.
    ///
    /// # Errors
    ///
    /// If there is no such queue.
    pub async fn untag(&self, name: &QueueName, keys: &[String]) -> Result<(), QueueError> {
        let _writing = self.queues.writing().await;
        let mut record = (*self.queue(name)?).clone();
        record.tags.retain(|key, _| !keys.contains(key));
        self.keep(record).await
    }

    /// Removes all messages, also those that somebody has received.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or it was purged a moment ago.
    pub async fn purge(&self, name: &QueueName) -> Result<(), QueueError> {
        let (queue, now) = self.begin_purge(name).await?;
        let lane = queue.lane();
        // What was put in this millisecond was put before.
        if let Err(error) = self.engine.purge(&lane, now.plus_millis(1)).await {
            self.purge_failed(&queue, now).await;
            return Err(QueueError::Store(error));
        }
        self.flights.forget(&lane);
        Ok(())
    }

    /// Writes down that a queue is purged. The purge itself may take long, so changes of other
    /// queues do not wait for it. Returns the queue as it was before.
    async fn begin_purge(
        &self,
        name: &QueueName,
    ) -> Result<(Arc<QueueRecord>, Timestamp), QueueError> {
        let _writing = self.queues.writing().await;
        let queue = self.queue(name)?;
        let now = self.clock.now();
        let pause = PURGE_PAUSE_SECONDS * 1_000;
        if queue.purged.is_some_and(|before| now.millis_since(before) < pause) {
            return Err(QueueError::PurgeQueueInProgress(queue.name.clone()));
        }
        self.keep(QueueRecord { purged: Some(now), ..(*queue).clone() }).await?;
        Ok((queue, now))
    }

    /// Whoever asked for a purge that has failed may ask again at once.
    async fn purge_failed(&self, before: &QueueRecord, begun: Timestamp) {
        let _writing = self.queues.writing().await;
        let Ok(queue) = self.queue(&before.full_name()) else { return };
        if queue.generation != before.generation || queue.purged != Some(begun) {
            return;
        }
        let restored = QueueRecord { purged: before.purged, ..(*queue).clone() };
        if let Err(error) = self.keep(restored).await {
            tracing::warn!(%error, queue = queue.name, "it can be purged again in a minute only");
        }
    }

    /// Deletes a queue with everything in it.
    ///
    /// # Errors
    ///
    /// If there is no such queue.
    pub async fn delete(&self, name: &QueueName) -> Result<(), QueueError> {
        let lane = self.forget_queue(name).await?;
        // Whoever waits learns that it is gone.
        self.engine.signals().signal(&lane);
        if let Err(error) = self.engine.purge(&lane, END_OF_TIME).await {
            // Nobody can reach them any more; they are cleared later.
            tracing::warn!(%error, queue = name.name, "messages of a deleted queue were left");
        }
        self.flights.forget(&lane);
        Ok(())
    }

    /// Forgets a queue, and returns where its messages are.
    async fn forget_queue(&self, name: &QueueName) -> Result<Lane, QueueError> {
        let _writing = self.queues.writing().await;
        let queue = self.queue(name)?;
        self.queues.remove(&name.scope, &name.name).await.map_err(QueueError::Store)?;
        self.forget_moves(&queue).await?;
        Ok(queue.lane())
    }

    /// The queues that have this one as their dead-letter queue, in the order of their names.
    ///
    /// # Errors
    ///
    /// If there is no such queue.
    pub fn dead_letter_sources(
        &self,
        name: &QueueName,
    ) -> Result<Vec<Arc<QueueRecord>>, QueueError> {
        let arn = self.queue(name)?.arn();
        let mut sources = self.queues.page(&name.scope, None, usize::MAX);
        sources.retain(|queue| {
            queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.target == arn)
        });
        Ok(sources)
    }

    pub(super) async fn keep(&self, record: QueueRecord) -> Result<(), QueueError> {
        let (scope, name) = (record.scope.clone(), record.name.clone());
        let kept = self.queues.put(&scope, &name, record).await;
        kept.map(drop).map_err(QueueError::Store)
    }

    /// Refuses a dead-letter queue that is given and cannot be that of this queue.
    fn check_redrive(
        &self,
        name: &QueueName,
        settings: &Settings,
        given: &Attributes,
    ) -> Result<(), QueueError> {
        let (Some(wanted), Some(text)) = (&settings.redrive, given.get("RedrivePolicy")) else {
            return Ok(());
        };
        let refuse = |reason: &str| Err(redrive::refused(text, reason));
        let target = QueueName::of_arn(&wanted.target).filter(|target| target.scope == name.scope);
        let Some(target) = target else {
            return refuse("Dead-letter target owner should be same as the source.");
        };
        if target == *name {
            return refuse("Dead-letter queue cannot be the source queue itself.");
        }
        if target.name.ends_with(FIFO_SUFFIX) != settings.fifo.is_some() {
            return refuse("Dead-letter queue must be same type of queue as the source..");
        }
        let Ok(queue) = self.queue(&target) else {
            return refuse("Dead letter target does not exist.");
        };
        let arn = name.to_string();
        if queue.settings.redrive_allow.as_ref().is_some_and(|allow| !allow.allows(&arn)) {
            return refuse("Dead-letter queue does not allow the source queue to use it.");
        }
        Ok(())
    }
}

/// Whether a queue has the attributes that are given for it. Others do not matter.
fn same_attributes(there: &Settings, given: &Attributes) -> Result<(), QueueError> {
    let (found, wanted) = (there.shown(), there.changed(given)?.shown());
    match given.keys().find(|name| found.get(*name) != wanted.get(*name)) {
        None => Ok(()),
        Some(name) => Err(QueueError::QueueNameExists { attribute: name.clone() }),
    }
}

fn check_tags(tags: &Tags) -> Result<(), QueueError> {
    if tags.len() > TAGS_MAX {
        let text = format!("Too many tags added for the queue: at most {TAGS_MAX} are allowed.");
        return Err(QueueError::InvalidParameterValue(text));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > TAG_KEY_CHARACTERS_MAX {
            return Err(QueueError::InvalidParameterValue(format!(
                "Tag keys must be between 1 and {TAG_KEY_CHARACTERS_MAX} characters in length."
            )));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            let text = "Tag keys must not start with aws:, which is reserved.".to_owned();
            return Err(QueueError::InvalidParameterValue(text));
        }
        if value.chars().count() > TAG_VALUE_CHARACTERS_MAX {
            return Err(QueueError::InvalidParameterValue(format!(
                "Tag values must be between 0 and {TAG_VALUE_CHARACTERS_MAX} characters in length."
            )));
        }
    }
    Ok(())
}
