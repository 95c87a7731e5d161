//! Putting, tagging and deleting objects.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::shelf::{Place, Write};
use hearth_types::time::Timestamp;

use super::Buckets;
use super::changes::{Change, Event, Found};
use super::checksum::{Checksum, ChecksumKind};
use super::conditions::{Condition, Preconditions};
use super::content::Unkept;
use super::error::BucketError;
use super::keys::Turn;
use super::lifecycle;
use super::names::check_key;
use super::notifications::{EventKind, Occasion};
use super::receiving::{Expected, Held, Keep, NewContent, Receiving};
use super::record::{
    self, BucketRecord, Content, Metadata, NULL_VERSION, Object, PartOfObject, VersionRecord,
    Versioning,
};
use super::tags::Tags;
use super::versions::{self, Effects, Entry};
use crate::targets::{NewObject, NotTaken, PutObject};

/// How many objects are deleted in one change. Others are not kept waiting for longer than that.
const DELETED_TOGETHER_MAX: usize = 100;

/// Who puts what this server delivers: records of events.
const LAMBDA: &str = "lambda.amazonaws.com";

/// Which object is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectName {
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
    /// The version; the current one if there is none.
    pub version: Option<String>,
}

/// An object that is copied from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// Which.
    pub name: ObjectName,
    /// What must be true of it.
    pub conditions: Preconditions,
}

/// An object that shall be put.
#[derive(Debug, Clone, Default)]
pub struct Put {
    /// The bucket.
    pub bucket: String,
    /// The key in it.
    pub key: String,
    /// What is said about it.
    pub metadata: Metadata,
    /// Its tags.
    pub tags: Tags,
    /// What must be true of the key.
    pub condition: Condition,
    /// How it comes to be.
    pub kind: EventKind,
    /// Who asks for it.
    pub occasion: Occasion,
}

/// What a copy has from its source. The rest is the caller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inherited {
    /// What is said about it.
    pub metadata: Inherit,
    /// Its tags.
    pub tags: Inherit,
}

/// Whether something is the source's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Inherit {
    /// It is.
    #[default]
    Yes,
    /// It is the caller's.
    No,
}

/// An object that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its version, if the bucket has versions.
    pub version: Option<String>,
    /// Without its quotes.
    pub etag: String,
    /// How many bytes it has.
    pub size: u64,
    /// When.
    pub modified: Timestamp,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// What that is made of.
    pub checksum_kind: ChecksumKind,
    /// When it expires, and by which rule, if it does.
    pub expires: Option<(Timestamp, String)>,
}

/// What a deletion did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// The version that was taken away, or the delete marker that was put.
    pub version: Option<String>,
    /// Whether that is a delete marker.
    pub is_marker: bool,
}

/// How something comes to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Somebody asks for it.
    Caller,
    /// The rules of the bucket say so.
    Rules,
}

/// The bytes of a new version, and what follows from them.
#[derive(Debug)]
pub(super) struct NewVersion {
    pub(super) held: NewBytes,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    pub(super) checksum_kind: ChecksumKind,
    /// The upload that it is put together from.
    pub(super) upload: Option<String>,
    /// What happens together with it.
    pub(super) also: Effects,
}

/// Where the bytes of a new version are.
#[derive(Debug)]
pub(super) enum NewBytes {
    Memory(Bytes),
    File(Unkept),
    /// In the files of parts. Those that a record speaks of already are not unkept.
    Parts(Vec<PartOfObject>, Vec<Unkept>),
}

impl From<NewContent> for NewVersion {
    fn from(content: NewContent) -> Self {
        let NewContent { held, size, etag, checksum, also: _ } = content;
        Self {
            held: match held {
                Held::Memory(bytes) => NewBytes::Memory(bytes),
                Held::File(place) => NewBytes::File(place),
            },
            size,
            etag,
            checksum,
            checksum_kind: ChecksumKind::FullObject,
            upload: None,
            also: Effects::default(),
        }
    }
}

impl NewBytes {
    /// What a record says of them, what is kept beside it under this number, and what becomes kept.
    fn place(self, number: u64) -> (Content, Option<Write>, Vec<Unkept>) {
        match self {
            Self::Memory(bytes) => {
                (Content::Inline(number), Some(Write::PutPiece(number, bytes)), Vec::new())
            }
            Self::File(place) => (Content::File(place.id), None, vec![place]),
            Self::Parts(parts, places) => {
                let manifest = Bytes::from(record::written(&parts));
                let parts = u16::try_from(parts.len()).unwrap_or(u16::MAX);
                let content = Content::Parts { manifest: number, parts };
                (content, Some(Write::PutPiece(number, manifest)), places)
            }
        }
    }
}

impl Buckets {
    /// Begins to take the bytes of an object.
    #[must_use]
    pub fn receive(&self, expected: Expected) -> Receiving {
        self.contents.receive(expected, Keep::Anywhere)
    }

    /// Puts an object whose bytes have arrived.
    ///
    /// # Errors
    ///
    /// If it may not be put, or the store failed; then what was there before is still there.
    pub async fn put(&self, put: Put, content: NewContent) -> Result<Stored, BucketError> {
        check_key(&put.key)?;
        let turn = self.turn(&put.bucket, &put.key).await?;
        self.put_in_turn(&turn, put, NewVersion::from(content)).await
    }

    /// See [`Buckets::put`]. The caller has the turn.
    pub(super) async fn put_in_turn(
        &self,
        turn: &Turn<'_>,
        put: Put,
        new: NewVersion,
    ) -> Result<Stored, BucketError> {
        let Put { bucket: _, key, metadata, tags, condition, kind, occasion } = put;
        metadata.check()?;
        let bucket = &*turn.bucket;
        let found = self.found(turn, &key).await?;
        condition.check(found.newest.as_deref().map(|newest| &newest.record))?;
        let NewVersion { held, size, etag, checksum, checksum_kind, upload, also } = new;
        let number = self.next_number();
        let (content, piece, places) = held.place(number);
        let object = Object { content, size, etag, checksum, checksum_kind, metadata, tags };
        let stored = Some(object.clone());
        let entry = self.new_entry((bucket, &found), number, (stored, upload));
        let mut effects =
            versions::put((bucket.name.as_str(), key.as_str()), &found.before(), &entry);
        effects.writes.extend(piece);
        effects.writes.extend(also.writes);
        effects.dropped.extend(also.dropped);
        let VersionRecord { id, modified, .. } = entry.record;
        let version = bucket.versioning.shown(&id);
        let of_object = Some((size, object.etag.clone()));
        let event = Event { kind, version: version.clone(), object: of_object, at: modified };
        // A store that fails may have the record nevertheless.
        places.into_iter().for_each(Unkept::keep);
        let rules = &bucket.settings.lifecycle;
        let expires = lifecycle::expires(rules, &key, (&object, modified));
        let expires = expires.map(|(due, rule)| (due, rule.to_owned()));
        let change = Change { key, effects, event };
        self.commit(bucket, vec![change], &occasion).await?;
        let Object { etag, checksum, .. } = object;
        Ok(Stored { version, etag, size, modified, checksum, checksum_kind, expires })
    }

    /// A version that comes before all others of its key.
    fn new_entry(
        &self,
        (bucket, found): (&BucketRecord, &Found),
        number: u64,
        (object, upload): (Option<Object>, Option<String>),
    ) -> Entry {
        // The clock may have been set back since the server was started the last time.
        let least = found.newest.as_ref().map_or(0, |newest| newest.rank + 1);
        let rank = number.max(least);
        let id = bucket.versioning.next_version(rank);
        let record = VersionRecord { id, modified: self.clock.now(), object, upload };
        Entry { rank, record, piece: None }
    }

    /// Tags an object, or takes its tags away.
    ///
    /// # Errors
    ///
    /// If there is no such object, or the store failed.
    pub async fn set_tags(
        &self,
        name: &ObjectName,
        tags: Tags,
        (kind, occasion): (EventKind, &Occasion),
    ) -> Result<super::Found, BucketError> {
        let _turn = self.turn(&name.bucket, &name.key).await?;
        // Refuses what is no object.
        let mut shown = self.find(name).await?;
        let (bucket, entry) = self.look_for(name).await?;
        let newest = self.newest(&name.bucket, &name.key).await?;
        let is_newest = newest.is_some_and(|newest| newest.rank == entry.rank);
        let place = if is_newest { Place::Newest } else { Place::Older };
        let mut entry = (*entry).clone();
        let Some(object) = &mut entry.record.object else { return Err(BucketError::NoSuchKey) };
        object.tags = tags.clone();
        let event = Event {
            kind,
            version: shown.version.clone(),
            object: Some((object.size, object.etag.clone())),
            at: self.clock.now(),
        };
        let row = entry.row((name.bucket.as_str(), name.key.as_str()));
        let effects = Effects { writes: vec![Write::Put(place, row)], dropped: Vec::new() };
        let change = Change { key: name.key.clone(), effects, event };
        self.commit(&bucket, vec![change], occasion).await?;
        shown.object.tags = tags;
        Ok(shown)
    }

    /// Deletes an object, or one version of it for good. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If there is no bucket, the condition does not hold, or the store failed.
    pub async fn delete_object(
        &self,
        name: &ObjectName,
        condition: &Condition,
        occasion: &Occasion,
    ) -> Result<Deleted, BucketError> {
        check_key(&name.key)?;
        let turn = self.turn(&name.bucket, &name.key).await?;
        let (deleted, change) = self.deletion(&turn, (name, condition), Cause::Caller).await?;
        self.commit(&turn.bucket, change.into_iter().collect(), occasion).await?;
        Ok(deleted)
    }

    /// Deletes several objects of a bucket. Each is deleted or refused for itself.
    ///
    /// # Errors
    ///
    /// If there is no bucket, or the store failed; then some may be deleted.
    pub async fn delete_objects(
        &self,
        bucket: &str,
        names: &[(ObjectName, Condition)],
        occasion: &Occasion,
    ) -> Result<Vec<Result<Deleted, BucketError>>, BucketError> {
        let mut done = Vec::with_capacity(names.len());
        let mut rest = names;
        while !rest.is_empty() {
            let (group, others) = rest.split_at(different_keys(rest));
            let keys: Vec<&str> = group.iter().map(|(name, _)| name.key.as_str()).collect();
            let turn = self.turn_of(bucket, &keys).await?;
            let mut changes = Vec::new();
            for (name, condition) in group {
                let deletion = match check_key(&name.key) {
                    Ok(()) => self.deletion(&turn, (name, condition), Cause::Caller).await,
                    Err(error) => Err(error),
                };
                done.push(deletion.map(|(deleted, change)| {
                    changes.extend(change);
                    deleted
                }));
            }
            self.commit(&turn.bucket, changes, occasion).await?;
            rest = others;
        }
        Ok(done)
    }

    /// What a deletion changes; nothing if there is nothing. The caller has the turn.
    pub(super) async fn deletion(
        &self,
        turn: &Turn<'_>,
        (name, condition): (&ObjectName, &Condition),
        cause: Cause,
    ) -> Result<(Deleted, Option<Change>), BucketError> {
        let bucket = &*turn.bucket;
        let place = (bucket.name.as_str(), name.key.as_str());
        let found = self.found(turn, &name.key).await?;
        condition.check(found.newest.as_deref().map(|newest| &newest.record))?;
        let taken = match (&name.version, bucket.versioning) {
            (Some(id), _) => self.taken(place, (&found, id.as_str())).await?,
            (None, Versioning::Never) => self.taken(place, (&found, NULL_VERSION)).await?,
            (None, Versioning::Enabled | Versioning::Suspended) => {
                let entry = self.new_entry((bucket, &found), self.next_number(), (None, None));
                let effects = versions::put(place, &found.before(), &entry);
                Some((effects, entry.record))
            }
        };
        let (kind, is_of_version) = match (&name.version, bucket.versioning, cause) {
            (Some(_), _, Cause::Caller) | (None, Versioning::Never, Cause::Caller) => {
                (EventKind::Delete, name.version.is_some())
            }
            (Some(_), _, Cause::Rules) | (None, Versioning::Never, Cause::Rules) => {
                (EventKind::Expire, name.version.is_some())
            }
            (None, Versioning::Enabled | Versioning::Suspended, Cause::Caller) => {
                (EventKind::DeleteMarker, true)
            }
            (None, Versioning::Enabled | Versioning::Suspended, Cause::Rules) => {
                (EventKind::ExpireWithMarker, true)
            }
        };
        let Some((effects, record)) = taken else {
            // As if it had been there.
            let version = name.version.clone();
            return Ok((Deleted { version, is_marker: false }, None));
        };
        let version = is_of_version.then(|| record.id.clone());
        let shown = version.as_ref().and_then(|id| bucket.versioning.shown(id));
        let event = Event { kind, version: shown, object: None, at: self.clock.now() };
        let deleted = Deleted { version, is_marker: record.object.is_none() };
        Ok((deleted, Some(Change { key: name.key.clone(), effects, event })))
    }

    /// What taking a version away changes, and what it was; `None` if there is none.
    async fn taken(
        &self,
        place: (&str, &str),
        (found, id): (&Found, &str),
    ) -> Result<Option<(Effects, VersionRecord)>, BucketError> {
        let newest = found.newest.as_deref();
        if let Some(newest) = newest.filter(|newest| newest.record.id == id) {
            let next = self.older(place, None).await?;
            let effects = versions::take_newest(place, newest, next.as_ref());
            return Ok(Some((effects, newest.record.clone())));
        }
        if newest.is_none() {
            return Ok(None);
        }
        let older = self.older(place, Some(id)).await?;
        Ok(older.map(|older| (versions::take_older(place, &older), older.record)))
    }
}

/// How many of these can be deleted together: none of them twice.
fn different_keys(names: &[(ObjectName, Condition)]) -> usize {
    let mut keys = HashSet::new();
    for (name, _) in names.iter().take(DELETED_TOGETHER_MAX) {
        if !keys.insert(name.key.as_str()) {
            break;
        }
    }
    keys.len()
}

#[async_trait]
impl PutObject for Buckets {
    async fn put_object(&self, object: NewObject<'_>) -> Result<(), NotTaken> {
        let NewObject { bucket, key, region: _, body } = object;
        let content_type = ("content-type".to_owned(), NewObject::CONTENT_TYPE.to_owned());
        let put = Put {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            metadata: Metadata { headers: BTreeMap::from([content_type]), ..Metadata::default() },
            occasion: Occasion::of_service(LAMBDA),
            ..Put::default()
        };
        let stored = async {
            // Asked before anything is written: bytes that go nowhere are a waste.
            self.bucket(bucket)?;
            let mut receiving = self.receive(Expected::default());
            receiving.write(body).await?;
            let content = receiving.finish(None).await?;
            self.put(put, content).await
        };
        stored.await.map(drop).map_err(|error| {
            let (code, message) = (error.code(), error.message());
            if code == "InternalError" {
                return NotTaken::Failed { message };
            }
            NotTaken::Refused { code: code.to_owned(), message }
        })
    }
}
