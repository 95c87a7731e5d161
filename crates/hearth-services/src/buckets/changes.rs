//! The one way by which the record of an object changes: together with its bytes if they are few, and
//! with what is to be told of it.
//!
//! ```text
//!  turn of the key ─▶ what is there ─▶ rules (versions) ─▶ commit ─▶ forgotten, removed, told
//! ```
//!
//! # Promises
//!
//! 1. The record and the row of the outbox are one transaction: who is to be told of a change that was
//!    made is told, and nobody is told of one that was not.
//! 2. A change of which nobody is to be told is the record alone.
//! 3. Content that nobody needs any more is removed when the change is durable, and not before.

use std::sync::Arc;

use hearth_store::shelf::Write;
use hearth_types::time::Timestamp;

use super::Buckets;
use super::content::ContentId;
use super::error::BucketError;
use super::keys::Turn;
use super::notifications::{EventKind, Happened, NotificationConfiguration, Occasion, Row};
use super::reading::files_of_manifest;
use super::record::{BucketRecord, Content, NULL_VERSION, Versioning};
use super::versions::{Before, Effects, Entry};

/// A change of one key.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) key: String,
    pub(super) effects: Effects,
    pub(super) event: Event,
}

/// What a change is, for those who are told of it.
#[derive(Debug)]
pub(super) struct Event {
    /// What it is.
    pub(super) kind: EventKind,
    /// The version that it is about, as callers see it.
    pub(super) version: Option<String>,
    /// The size and the ETag of the object, if there is one.
    pub(super) object: Option<(u64, String)>,
    /// When it is made.
    pub(super) at: Timestamp,
}

/// What a change takes the place of.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest version.
    pub(super) newest: Option<Arc<Entry>>,
    /// One without an id of its own that is not the newest.
    null: Option<Entry>,
}

impl Found {
    pub(super) fn before(&self) -> Before<'_> {
        Before { newest: self.newest.as_deref(), null: self.null.as_ref() }
    }
}

impl Buckets {
    /// Makes changes of keys of a bucket, all of them or none. The caller has the turn of every key.
    pub(super) async fn commit(
        &self,
        bucket: &BucketRecord,
        changes: Vec<Change>,
        occasion: &Occasion,
    ) -> Result<(), BucketError> {
        let (mut writes, mut keys, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut unwanted = Vec::new();
        for Change { key, effects, event } in changes {
            writes.extend(effects.writes);
            for content in effects.dropped {
                unwanted.extend(self.files_of(content).await?);
                writes.extend(content.piece().map(Write::RemovePiece));
            }
            let row = self.row(bucket, &key, (&event, occasion));
            writes.extend(row.as_ref().map(|row| {
                let (id, document) = row.note();
                Write::PutNote(id, document)
            }));
            rows.extend(row);
            keys.push(key);
        }
        if writes.is_empty() {
            return Ok(());
        }
        let applied = self.shelf.apply(writes).await;
        // A store that fails may have made the change nevertheless.
        for key in &keys {
            self.cache.changed(&bucket.name, key);
        }
        applied.map_err(BucketError::Store)?;
        for row in rows {
            self.outbox.add(row);
        }
        self.contents.remove(unwanted).await;
        Ok(())
    }

    /// The files that content is in.
    async fn files_of(&self, content: Content) -> Result<Vec<ContentId>, BucketError> {
        match content {
            Content::Inline(_) => Ok(Vec::new()),
            Content::File(id) => Ok(vec![id]),
            Content::Parts { manifest, .. } => {
                let piece = self.shelf.piece(manifest).await.map_err(BucketError::Store)?;
                files_of_manifest(piece.as_ref())
            }
        }
    }

    /// What is to be sent because of a change; `None` if nobody is to be told.
    fn row(
        &self,
        bucket: &BucketRecord,
        key: &str,
        (event, occasion): (&Event, &Occasion),
    ) -> Option<Row> {
        let configuration = self.notifications.get(&bucket.scope, &bucket.name)?;
        let Event { kind, version, object, at } = event;
        let sequencer = self.sequencers.next(*at);
        let happened = Happened {
            kind: *kind,
            bucket,
            key,
            version: version.as_deref(),
            object: object.as_ref().map(|(size, etag)| (*size, etag.as_str())),
            at: *at,
            sequencer,
            occasion,
        };
        Row::new(sequencer, configuration.postings(&happened))
    }

    /// The newest version of a key.
    pub(super) async fn newest(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Option<Arc<Entry>>, BucketError> {
        let ticket = match self.cache.get(bucket, key) {
            Ok(found) => return Ok(Some(found)),
            Err(ticket) => ticket,
        };
        let found = self.shelf.newest(bucket, key).await.map_err(BucketError::Store)?;
        let Some(whole) = found else { return Ok(None) };
        let entry = Arc::new(Entry::read(whole)?);
        self.cache.put(ticket, Arc::clone(&entry));
        Ok(Some(entry))
    }

    /// Another version of a key: that of this id, or the newest of them.
    pub(super) async fn older(
        &self,
        (bucket, key): (&str, &str),
        version: Option<&str>,
    ) -> Result<Option<Entry>, BucketError> {
        let found = self.shelf.older(bucket, key, version).await.map_err(BucketError::Store)?;
        found.map(Entry::read).transpose()
    }

    /// What a new version of a key will take the place of. The caller has the turn.
    pub(super) async fn found(&self, turn: &Turn<'_>, key: &str) -> Result<Found, BucketError> {
        let bucket = &turn.bucket;
        let newest = self.newest(&bucket.name, key).await?;
        let is_null = newest.as_ref().is_some_and(|newest| newest.record.id == NULL_VERSION);
        let null = match bucket.versioning {
            // With a version before it that has an id, there may be another one that has none.
            Versioning::Suspended if newest.is_some() && !is_null => {
                self.older((bucket.name.as_str(), key), Some(NULL_VERSION)).await?
            }
            Versioning::Never | Versioning::Enabled | Versioning::Suspended => None,
        };
        Ok(Found { newest, null })
    }

    /// A number for a new version or piece: greater than all before.
    pub(super) fn next_number(&self) -> u64 {
        self.sequencers.next(self.clock.now()).number()
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
        let _naming = self.buckets.writing().await;
        let bucket = self.bucket(name)?;
        let kept = if configuration.is_empty() {
            self.notifications.remove(&bucket.scope, name).await
        } else {
            self.notifications.put(&bucket.scope, name, configuration).await.map(drop)
        };
        kept.map_err(BucketError::Store)
    }
}
