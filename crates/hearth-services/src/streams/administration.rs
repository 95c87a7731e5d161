//! Streams themselves: made, looked at, changed and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;

use super::error::StreamError;
use super::get::shard_of;
use super::hash::HashKey;
use super::names::{ShardId, StreamName};
use super::quotas::{
    ON_DEMAND_SHARDS, ON_DEMAND_STREAMS_MAX, RECORD_KIB_DEFAULT, RECORD_KIB_MAX,
    RETENTION_HOURS_DEFAULT, RETENTION_HOURS_MAX, SHARDS_MAX, TAGS_MAX,
};
use super::record::{Mode, ShardRecord, StreamRecord};
use super::retention::removed;
use super::{Streams, in_background};

/// Tags by their keys.
pub(super) type Tags = BTreeMap<String, String>;

impl Streams {
    /// Makes a stream.
    ///
    /// # Errors
    ///
    /// If there is one of this name, or there would be too many shards, or a tag cannot be one.
    pub async fn create(
        &self,
        name: &StreamName,
        (mode, shards): (Mode, Option<u32>),
        (record_kib_max, tags): (Option<u32>, Tags),
    ) -> Result<(), StreamError> {
        let shards = match (mode, shards) {
            (Mode::OnDemand, None) => ON_DEMAND_SHARDS,
            (Mode::OnDemand, Some(_)) => {
                let text = "ShardCount must not be specified for a stream in the mode ON_DEMAND.";
                return Err(StreamError::InvalidArgument(text.to_owned()));
            }
            (Mode::Provisioned, None) => {
                let text = "ShardCount must be specified for a stream in the mode PROVISIONED.";
                return Err(StreamError::InvalidArgument(text.to_owned()));
            }
            (Mode::Provisioned, Some(shards)) => shards,
        };
        check_tags(&tags)?;
        let _writing = self.streams.writing().await;
        if self.stream(name).is_ok() {
            return Err(StreamError::InUse(format!(
                "Stream {} under account {} already exists.",
                name.name, name.scope.account
            )));
        }
        self.check_room(&name.scope, shards)?;
        if mode == Mode::OnDemand {
            self.check_on_demand(&name.scope)?;
        }
        let mut record = StreamRecord::new(name, (mode, shards), self.now());
        record.record_kib_max = record_kib(record_kib_max.unwrap_or(RECORD_KIB_DEFAULT))?;
        record.tags = tags;
        self.keep(record).await
    }

    /// Deletes a stream with its records and its consumers.
    ///
    /// # Errors
    ///
    /// If there is none, or it has consumers and they are not to be deleted.
    pub async fn delete(
        &self,
        name: &StreamName,
        consumers: WithConsumers,
    ) -> Result<(), StreamError> {
        let _writing = self.streams.writing().await;
        let stream = self.stream(name)?;
        let registered = self.consumers_of(&stream);
        if consumers == WithConsumers::Refuse && !registered.is_empty() {
            return Err(StreamError::InUse(format!(
                "Stream {} under account {} has {} registered consumers. Deregister them first, or set EnforceConsumerDeletion.",
                name.name,
                name.scope.account,
                registered.len()
            )));
        }
        for consumer in registered {
            self.forget_consumer(&consumer).await?;
        }
        self.streams.remove(&name.scope, &name.name).await.map_err(StreamError::store)?;
        self.close_shards(&stream);
        self.changed();
        let directory = self.directory.join(stream.generation.simple().to_string());
        let removed = in_background("delete", move || removed(&directory));
        if let Err(error) = removed.await {
            // Nobody can reach them any more; they are removed later.
            tracing::warn!(%error, stream = name.name, "records of a deleted stream were left");
        }
        Ok(())
    }

    /// Those who wait for records of a stream that is gone learn that there will be none.
    fn close_shards(&self, stream: &StreamRecord) {
        let mut shards = self.shards.lock().expect("no code panics while it holds the shards");
        for shard in &stream.shards {
            let used = shards.remove(&(stream.generation, shard.id));
            if let Some(log) = used.as_ref().and_then(|used| used.log.get()) {
                log.close();
            }
        }
    }

    /// Up to `items` streams of an account in a region, in the order of their names, from behind `after`
    /// on.
    #[must_use]
    pub fn list(&self, scope: &Scope, after: Option<&str>, items: usize) -> Vec<Arc<StreamRecord>> {
        self.streams.page(scope, after, items)
    }

    /// How many open shards and how many streams on demand an account has in a region.
    #[must_use]
    pub fn counts(&self, scope: &Scope) -> (usize, usize) {
        let streams = self.streams.page(scope, None, usize::MAX);
        let shards = streams.iter().map(|stream| stream.open_shards().count()).sum();
        let on_demand = streams.iter().filter(|stream| stream.mode == Mode::OnDemand).count();
        (shards, on_demand)
    }

    /// Divides a shard where this key begins.
    ///
    /// # Errors
    ///
    /// If there is no such shard, it cannot be divided there, or the stream decides by itself.
    pub async fn split(
        &self,
        name: &StreamName,
        shard: &str,
        begin: &str,
    ) -> Result<(), StreamError> {
        let begin = HashKey::parse(begin).ok_or_else(|| {
            StreamError::InvalidArgument(format!("NewStartingHashKey {begin} is not a hash key."))
        })?;
        let shard = self.shard_id(name, shard)?;
        let split = |stream: &mut StreamRecord, now| {
            check_provisioned(stream)?;
            stream.split(shard, begin, now)
        };
        self.reshard(name, split).await.map(drop)
    }

    /// Makes one shard of two.
    ///
    /// # Errors
    ///
    /// If there are no such shards, they are not beside each other, or the stream decides by itself.
    pub async fn merge(
        &self,
        name: &StreamName,
        (one, other): (&str, &str),
    ) -> Result<(), StreamError> {
        let both = (self.shard_id(name, one)?, self.shard_id(name, other)?);
        let merge = |stream: &mut StreamRecord, now| {
            check_provisioned(stream)?;
            stream.merge(both, now)
        };
        self.reshard(name, merge).await.map(drop)
    }

    /// Makes as many shards of those that are open. Returns how many there were.
    ///
    /// # Errors
    ///
    /// If it is too many or too few for one step.
    pub async fn scale(&self, name: &StreamName, target: u32) -> Result<usize, StreamError> {
        let scale = |stream: &mut StreamRecord, now| {
            check_provisioned(stream)?;
            stream.scale(target, now)
        };
        self.reshard(name, scale).await
    }

    /// Changes the shards of a stream. Returns how many were open before.
    ///
    /// Others find the new shards first; then those that were replaced are closed, so that a record on
    /// its way finds one of the new ones if it comes too late. Nobody has read a shard to its end before.
    async fn reshard(
        &self,
        name: &StreamName,
        change: impl FnOnce(&mut StreamRecord, Timestamp) -> Result<(), StreamError>,
    ) -> Result<usize, StreamError> {
        let _writing = self.streams.writing().await;
        let before = self.stream(name)?;
        let mut after = (*before).clone();
        change(&mut after, self.now())?;
        let (was, is) = (before.open_shards().count(), after.open_shards().count());
        self.check_room(&name.scope, u32::try_from(is.saturating_sub(was)).unwrap_or(u32::MAX))?;
        self.keep(after.clone()).await?;
        let was_open = |id| before.shard(id).is_some_and(ShardRecord::is_open);
        let replaced = after.shards.iter().filter(|shard| !shard.is_open() && was_open(shard.id));
        let replaced: Vec<ShardRecord> = replaced.cloned().collect();
        for shard in &replaced {
            match self.log(&after, shard).await {
                Ok(log) => log.close(),
                // The others are in its place all the same, and it is closed when it can be opened.
                Err(error) => {
                    tracing::warn!(%error, stream = name.name, shard = %shard.id, "a shard that was replaced could not be opened");
                }
            }
        }
        self.changed();
        Ok(was)
    }

    /// Keeps records for longer.
    ///
    /// # Errors
    ///
    /// If that is not longer, or too long.
    pub async fn increase_retention(
        &self,
        name: &StreamName,
        hours: u32,
    ) -> Result<(), StreamError> {
        self.change_retention(name, hours, |stream| {
            (hours < stream.retention_hours).then(|| {
                format!(
                    "Requested retention period ({hours} hours) for stream {} can not be shorter than existing retention period ({} hours). Use DecreaseRetentionPeriod API.",
                    stream.name, stream.retention_hours
                )
            })
        })
        .await
    }

    /// Keeps records for a shorter time.
    ///
    /// # Errors
    ///
    /// If that is not shorter, or too short.
    pub async fn decrease_retention(
        &self,
        name: &StreamName,
        hours: u32,
    ) -> Result<(), StreamError> {
        self.change_retention(name, hours, |stream| {
            (hours > stream.retention_hours).then(|| {
                format!(
                    "Requested retention period ({hours} hours) for stream {} can not be longer than existing retention period ({} hours). Use IncreaseRetentionPeriod API.",
                    stream.name, stream.retention_hours
                )
            })
        })
        .await
    }

    async fn change_retention(
        &self,
        name: &StreamName,
        hours: u32,
        refusal: impl FnOnce(&StreamRecord) -> Option<String>,
    ) -> Result<(), StreamError> {
        let change = |stream: &mut StreamRecord| {
            let bounds = RETENTION_HOURS_DEFAULT..=RETENTION_HOURS_MAX;
            if !bounds.contains(&hours) {
                return Err(StreamError::InvalidArgument(format!(
                    "Requested retention period ({hours} hours) must be between {RETENTION_HOURS_DEFAULT} and {RETENTION_HOURS_MAX} hours."
                )));
            }
            if let Some(text) = refusal(stream) {
                return Err(StreamError::InvalidArgument(text));
            }
            stream.retention_hours = hours;
            Ok(())
        };
        self.change(name, change).await.map(drop)
    }

    /// Says who decides how many shards there are.
    ///
    /// # Errors
    ///
    /// If there are too many streams on demand already.
    pub async fn set_mode(&self, name: &StreamName, mode: Mode) -> Result<(), StreamError> {
        if mode == Mode::OnDemand && self.stream(name)?.mode != mode {
            self.check_on_demand(&name.scope)?;
        }
        let change = |stream: &mut StreamRecord| {
            stream.mode = mode;
            Ok(())
        };
        self.change(name, change).await.map(drop)
    }

    /// Says how large a record may be.
    ///
    /// # Errors
    ///
    /// If it is too large, or too small.
    pub async fn set_record_kib_max(&self, name: &StreamName, kib: u32) -> Result<(), StreamError> {
        let change = |stream: &mut StreamRecord| {
            stream.record_kib_max = record_kib(kib)?;
            Ok(())
        };
        self.change(name, change).await.map(drop)
    }

    /// Asks for metrics of shards, or for none any more. Returns those from before, and those after.
    ///
    /// # Errors
    ///
    /// If there is no such stream.
    pub async fn change_metrics(
        &self,
        name: &StreamName,
        change: impl FnOnce(&mut BTreeSet<String>),
    ) -> Result<(BTreeSet<String>, BTreeSet<String>), StreamError> {
        let change = |stream: &mut StreamRecord| {
            change(&mut stream.metrics);
            Ok(())
        };
        let (before, after) = self.change(name, change).await?;
        Ok((before.metrics.clone(), after.metrics))
    }

    /// Changes the tags of a stream.
    ///
    /// # Errors
    ///
    /// If there is no such stream, or it would have a tag that cannot be one, or too many.
    pub async fn change_tags(
        &self,
        name: &StreamName,
        change: impl FnOnce(&mut Tags),
    ) -> Result<(), StreamError> {
        let change = |stream: &mut StreamRecord| {
            change(&mut stream.tags);
            check_tags(&stream.tags)
        };
        self.change(name, change).await.map(drop)
    }

    /// Changes a stream. Returns it as it was, and as it is.
    pub(super) async fn change(
        &self,
        name: &StreamName,
        change: impl FnOnce(&mut StreamRecord) -> Result<(), StreamError>,
    ) -> Result<(Arc<StreamRecord>, StreamRecord), StreamError> {
        let _writing = self.streams.writing().await;
        let before = self.stream(name)?;
        let mut after = (*before).clone();
        change(&mut after)?;
        if after != *before {
            self.keep(after.clone()).await?;
        }
        Ok((before, after))
    }

    async fn keep(&self, record: StreamRecord) -> Result<(), StreamError> {
        let (scope, name) = (record.scope.clone(), record.name.clone());
        self.streams.put(&scope, &name, record).await.map_err(StreamError::store)?;
        self.changed();
        Ok(())
    }

    fn shard_id(&self, name: &StreamName, shard: &str) -> Result<ShardId, StreamError> {
        let stream = self.stream(name)?;
        shard_of(&stream, shard).map(|shard| shard.id)
    }

    fn check_room(&self, scope: &Scope, more: u32) -> Result<(), StreamError> {
        let (there, _) = self.counts(scope);
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        if there.saturating_add(more) <= SHARDS_MAX || more == 0 {
            return Ok(());
        }
        Err(StreamError::LimitExceeded(format!(
            "This request would exceed the shard limit for the account {} in {}. Current shard count for the account: {there}. Limit: {SHARDS_MAX}. Number of additional shards that would have resulted from this request: {more}. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits.",
            scope.account, scope.region
        )))
    }

    fn check_on_demand(&self, scope: &Scope) -> Result<(), StreamError> {
        let (_, there) = self.counts(scope);
        if there < ON_DEMAND_STREAMS_MAX {
            return Ok(());
        }
        Err(StreamError::LimitExceeded(format!(
            "The account {} has {there} on-demand streams in {}, and that is the limit.",
            scope.account, scope.region
        )))
    }
}

/// AWS: a stream on demand has as many shards as it wants.
fn check_provisioned(stream: &StreamRecord) -> Result<(), StreamError> {
    match stream.mode {
        Mode::Provisioned => Ok(()),
        Mode::OnDemand => Err(StreamError::Validation(format!(
            "Request is invalid. Stream {} under account {} is in On-Demand mode.",
            stream.name, stream.scope.account
        ))),
    }
}

/// What becomes of the consumers of a stream that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithConsumers {
    /// If it has any, it is not deleted.
    Refuse,
    /// They are deleted as well.
    Delete,
}

fn record_kib(kib: u32) -> Result<u32, StreamError> {
    if (RECORD_KIB_DEFAULT..=RECORD_KIB_MAX).contains(&kib) {
        return Ok(kib);
    }
    Err(StreamError::InvalidArgument(format!(
        "MaxRecordSizeInKiB must be between {RECORD_KIB_DEFAULT} and {RECORD_KIB_MAX}, and is {kib}."
    )))
}

pub(super) fn check_tags(tags: &Tags) -> Result<(), StreamError> {
    if tags.len() > TAGS_MAX {
        let text = format!("Failed to add tags: at most {TAGS_MAX} tags are allowed.");
        return Err(StreamError::InvalidArgument(text));
    }
    if let Some(key) = tags.keys().find(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        let text = format!("The tag key {key} begins with aws:, which is reserved.");
        return Err(StreamError::InvalidArgument(text));
    }
    Ok(())
}
