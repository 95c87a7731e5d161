//! The one way by which the record of an object changes: together with what is to be told of it.
//!
//! # Promises
//!
//! 1. The record and the row of the outbox are one transaction: who is to be told of a change that was
//!    made is told, and nobody is told of one that was not.
//! 2. A change of which nobody is to be told is the record alone.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_store::error::StoreError;
use hearth_store::records::{Change, RecordKey, Records};
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;

use super::error::BucketError;
use super::notifications::{
    EventKind, Happened, Notes, NotificationConfiguration, Occasion, Row, Sequencers,
};
use super::record::{BucketRecord, ObjectRecord};
use super::{Buckets, record_name};

/// The kind of the rows of the outbox among the records.
const NOTE_KIND: &str = "bucket-outbox";

/// What a change is, for those who are told of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<'a> {
    /// What it is.
    pub(super) kind: EventKind,
    /// The version that it is about, as callers see it.
    pub(super) version: Option<&'a str>,
    /// The size and the ETag of the object, if there is one.
    pub(super) object: Option<(u64, &'a str)>,
    /// When it is made.
    pub(super) at: Timestamp,
    /// Who asked for it.
    pub(super) occasion: &'a Occasion,
}

impl Buckets {
    /// Keeps what has become of an object. Without a version left, it is forgotten. The caller keeps
    /// other writers away.
    pub(super) async fn keep(
        &self,
        bucket: &BucketRecord,
        record: ObjectRecord,
        event: Event<'_>,
    ) -> Result<(), BucketError> {
        let row = self.row(bucket, &record.key, event);
        let also = row.as_ref().map(|row| {
            let (id, document) = row.note();
            Change::Put { key: note_key(id), document }
        });
        let name = record_name(&bucket.name, &record.key);
        let kept = if record.versions.is_empty() {
            self.objects.remove_with(&bucket.scope, &name, also).await
        } else {
            self.objects.put_with(&bucket.scope, &name, (record, also)).await.map(drop)
        };
        kept.map_err(BucketError::Store)?;
        if let Some(row) = row {
            self.outbox.add(row);
        }
        Ok(())
    }

    /// What is to be sent because of a change; `None` if nobody is to be told.
    fn row(&self, bucket: &BucketRecord, key: &str, event: Event<'_>) -> Option<Row> {
        let configuration = self.notifications.get(&bucket.scope, &bucket.name)?;
        let Event { kind, version, object, at, occasion } = event;
        let sequencer = self.sequencers.next(at);
        let happened = Happened { kind, bucket, key, version, object, at, sequencer, occasion };
        Row::new(sequencer, configuration.postings(&happened))
    }

    /// Who is told of what happens in a bucket.
    ///
    /// # Errors
    ///
    /// If there is no such bucket.
    pub fn notifications(&self, name: &str) -> Result<NotificationConfiguration, BucketError> {
        let bucket = self.bucket(name)?;
        let kept = self.notifications.get(&bucket.scope, name);
        Ok(kept.map(|kept| (*kept).clone()).unwrap_or_default())
    }

    /// Says who is told from now on. Whether it can be is for the caller to check.
    ///
    /// # Errors
    ///
    /// If there is no such bucket, or the store failed.
    pub async fn set_notifications(
        &self,
        name: &str,
        configuration: NotificationConfiguration,
    ) -> Result<(), BucketError> {
        let _writing = self.objects.writing().await;
        let bucket = self.bucket(name)?;
        let kept = if configuration.is_empty() {
            self.notifications.remove(&bucket.scope, name).await
        } else {
            self.notifications.put(&bucket.scope, name, configuration).await.map(drop)
        };
        kept.map_err(BucketError::Store)
    }
}

/// The rows of the outbox, as records.
#[derive(Debug)]
pub(super) struct RecordNotes(pub(super) Arc<dyn Records>);

#[async_trait]
impl Notes for RecordNotes {
    async fn first(&self, items: usize) -> Result<Vec<(u64, String)>, StoreError> {
        let found = self.0.first(NOTE_KIND, items).await?;
        let read = found.into_iter().filter_map(|record| {
            let id = u64::from_str_radix(&record.name, 16).ok()?;
            Some((id, record.document))
        });
        Ok(read.collect())
    }

    async fn forget(&self, ids: &[u64]) -> Result<(), StoreError> {
        let removals = ids.iter().map(|id| Change::Remove { key: note_key(*id) });
        self.0.apply(&removals.collect::<Vec<Change>>()).await
    }
}

/// Rows of all accounts and regions stand in one line.
fn note_key(id: u64) -> RecordKey {
    let account = AccountId::parse("000000000000").expect("it has twelve digits");
    let region = Region::parse("us-east-1").expect("it is a region");
    RecordKey { kind: NOTE_KIND, scope: Scope { account, region }, name: format!("{id:016X}") }
}

/// Sequencers behind those of all objects that are there.
pub(super) fn sequencers_behind<'a>(
    records: impl IntoIterator<Item = &'a ObjectRecord>,
) -> Sequencers {
    let versions = records.into_iter().flat_map(|record| &record.versions);
    let last = versions.map(|version| version.modified).max().unwrap_or_default();
    let sequencers = Sequencers::default();
    sequencers.after(last);
    sequencers
}
