//! Putting, reading, copying and deleting objects.

use std::collections::BTreeMap;
use std::io;

use async_trait::async_trait;
use hearth_types::time::Timestamp;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::changes::Event;
use super::checksum::Checksum;
use super::content::{Expected, NewContent, Receiving};
use super::error::BucketError;
use super::names::check_key;
use super::notifications::{EventKind, Occasion};
use super::record::{
    BucketRecord, Metadata, NULL_VERSION, Object, ObjectRecord, VersionRecord, Versioning,
};
use super::{Buckets, record_name};
use crate::objects::{FetchError, ObjectAddress, ObjectSource};
use crate::targets::{NewObject, NotTaken, PutObject};

/// How often an object is looked for that is replaced just when it is opened.
const OPEN_ATTEMPTS_MAX: usize = 8;

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
    /// The ETag that it must have, without quotes.
    pub etag: Option<String>,
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
    /// What must be true of the key.
    pub condition: Condition,
    /// How it comes to be.
    pub kind: EventKind,
    /// Who asks for it.
    pub occasion: Occasion,
}

/// What must be true of a key when it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// There is no object.
    Absent,
    /// There is one with this ETag.
    Matches(String),
}

/// An object that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its version, if the bucket has versions.
    pub version: Option<String>,
    /// Without its quotes.
    pub etag: String,
    /// When.
    pub modified: Timestamp,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// Its version, if the bucket has versions.
    pub version: Option<String>,
    /// When it was put.
    pub modified: Timestamp,
    /// What it is.
    pub object: Object,
}

/// What a deletion did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Deleted {
    /// The version that was taken away, or the delete marker that was put.
    pub version: Option<String>,
    /// Whether that is a delete marker.
    pub is_marker: bool,
}

impl Condition {
    fn check(&self, before: Option<&ObjectRecord>) -> Result<(), BucketError> {
        let current = before.and_then(ObjectRecord::current);
        match (self, current) {
            (Self::None, _) | (Self::Absent, None) => Ok(()),
            (Self::Matches(etag), Some((_, object))) if *etag == object.etag => Ok(()),
            (Self::Matches(_), None) => Err(BucketError::NoSuchKey),
            (Self::Absent | Self::Matches(_), Some(_)) => Err(BucketError::PreconditionFailed),
        }
    }
}

impl Source {
    pub(super) fn check(&self, found: &Found) -> Result<(), BucketError> {
        match &self.etag {
            Some(etag) if *etag != found.object.etag => Err(BucketError::PreconditionFailed),
            Some(_) | None => Ok(()),
        }
    }
}

impl Buckets {
    /// Begins to take the bytes of an object or a part.
    ///
    /// # Errors
    ///
    /// If no file can be made.
    pub async fn receive(&self, expected: Expected) -> Result<Receiving, BucketError> {
        self.contents.receive(expected).await
    }

    /// Puts an object whose bytes have arrived.
    ///
    /// # Errors
    ///
    /// If it may not be put, or the store failed; then what was there before is still there.
    pub async fn put(&self, put: Put, content: NewContent) -> Result<Stored, BucketError> {
        let _writing = self.objects.writing().await;
        self.put_while_writing(put, content, None).await
    }

    /// See [`Buckets::put`]. The caller keeps other writers away, and says which upload the object
    /// was put together from.
    pub(super) async fn put_while_writing(
        &self,
        put: Put,
        content: NewContent,
        upload: Option<String>,
    ) -> Result<Stored, BucketError> {
        let Put { bucket, key, metadata, condition, kind, occasion } = put;
        check_key(&key)?;
        metadata.check()?;
        let bucket = self.bucket(&bucket)?;
        let name = record_name(&bucket.name, &key);
        let before = self.objects.get(&bucket.scope, &name);
        condition.check(before.as_deref())?;
        let NewContent { place, size, etag, checksum } = content;
        let object = Object {
            content: place.id,
            size,
            etag: etag.clone(),
            checksum: checksum.clone(),
            metadata,
        };
        let id = bucket.versioning.next_version();
        let version = bucket.versioning.shown(&id);
        let modified = self.clock.now();
        let mut record = before
            .map_or_else(|| ObjectRecord::new(&bucket.name, &key), |before| (*before).clone());
        let unwanted = record.add(VersionRecord { id, modified, object: Some(object), upload })?;
        // A store that fails may have the record nevertheless.
        place.keep();
        let object = Some((size, etag.as_str()));
        let version_seen = version.as_deref();
        let occasion = &occasion;
        let event = Event { kind, version: version_seen, object, at: modified, occasion };
        self.keep(&bucket, record, event).await?;
        self.contents.remove(unwanted).await;
        Ok(Stored { version, etag, modified, checksum })
    }

    /// An object, without its bytes.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn find(&self, name: &ObjectName) -> Result<Found, BucketError> {
        let bucket = self.bucket(&name.bucket)?;
        let record = self.objects.get(&bucket.scope, &record_name(&bucket.name, &name.key));
        let version = match (&record, &name.version) {
            (None, None) => return Err(BucketError::NoSuchKey),
            (None, Some(_)) => return Err(BucketError::NoSuchVersion),
            (Some(record), None) => record.versions.first().ok_or(BucketError::NoSuchKey)?,
            (Some(record), Some(id)) => record.version(id).ok_or(BucketError::NoSuchVersion)?,
        };
        match (&version.object, &name.version) {
            (Some(object), _) => Ok(found(&bucket, &name.key, version, object)),
            (None, None) => Err(BucketError::DeleteMarker { version: version.id.clone() }),
            (None, Some(_)) => Err(BucketError::MarkerHasNoContent),
        }
    }

    /// An object and its bytes. They stay readable when the object is replaced meanwhile.
    ///
    /// # Errors
    ///
    /// If there is none, or its file cannot be opened.
    pub async fn read(&self, name: &ObjectName) -> Result<(Found, File), BucketError> {
        let mut found = self.find(name)?;
        for _attempt in 1..OPEN_ATTEMPTS_MAX {
            match File::open(self.contents.path(found.object.content)).await {
                Ok(file) => return Ok((found, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => found = self.find(name)?,
                Err(error) => return Err(BucketError::during("open an object")(error)),
            }
        }
        let opened = File::open(self.contents.path(found.object.content)).await;
        let file = opened.map_err(BucketError::during("open an object"))?;
        Ok((found, file))
    }

    /// Copies an object. Its metadata is the source's if there is none here; `put.metadata` is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// If there is none, or the copy may not be put.
    pub async fn copy(
        &self,
        source: &Source,
        put: Put,
        metadata: Option<Metadata>,
    ) -> Result<(Found, Stored), BucketError> {
        let is_itself = source.name.bucket == put.bucket && source.name.key == put.key;
        if is_itself && source.name.version.is_none() && metadata.is_none() {
            return Err(BucketError::InvalidRequest(COPIED_TO_ITSELF.to_owned()));
        }
        let _writing = self.objects.writing().await;
        let found = self.find(&source.name)?;
        source.check(&found)?;
        let linked = self.contents.again(found.object.content).await;
        let Object { size, etag, checksum, metadata: of_source, .. } = found.object.clone();
        let place = linked.map_err(BucketError::during("copy an object"))?;
        let content = NewContent { place, size, etag, checksum };
        let metadata = metadata.unwrap_or(of_source);
        let put = Put { metadata, kind: EventKind::Copy, ..put };
        let stored = self.put_while_writing(put, content, None).await?;
        Ok((found, stored))
    }

    /// Deletes an object, or one version of it for good. That there is none is fine.
    ///
    /// # Errors
    ///
    /// If there is no bucket, or the store failed.
    pub async fn delete_object(
        &self,
        name: &ObjectName,
        occasion: &Occasion,
    ) -> Result<Deleted, BucketError> {
        check_key(&name.key)?;
        let _writing = self.objects.writing().await;
        let bucket = self.bucket(&name.bucket)?;
        let record_name = record_name(&bucket.name, &name.key);
        let before = self.objects.get(&bucket.scope, &record_name);
        let mut record = before
            .as_deref()
            .map_or_else(|| ObjectRecord::new(&bucket.name, &name.key), Clone::clone);
        let at = self.clock.now();
        let (deleted, unwanted, kind) = match (&name.version, bucket.versioning) {
            (Some(id), _) => {
                let taken = record.take(id);
                let is_marker = taken.as_ref().is_some_and(|taken| taken.object.is_none());
                let unwanted = taken.and_then(|taken| taken.object).map(|object| object.content);
                let deleted = Deleted { version: Some(id.clone()), is_marker };
                (deleted, unwanted, EventKind::Delete)
            }
            (None, Versioning::Never) => {
                let taken = record.take(NULL_VERSION).and_then(|taken| taken.object);
                (Deleted::default(), taken.map(|object| object.content), EventKind::Delete)
            }
            (None, versioning @ (Versioning::Enabled | Versioning::Suspended)) => {
                let id = versioning.next_version();
                let version = Some(id.clone());
                let marker = VersionRecord { id, modified: at, object: None, upload: None };
                let deleted = Deleted { version, is_marker: true };
                (deleted, record.add(marker)?, EventKind::DeleteMarker)
            }
        };
        let is_as_before =
            before.as_deref().map_or(record.versions.is_empty(), |before| *before == record);
        if !is_as_before {
            let version = deleted.version.as_deref().and_then(|id| bucket.versioning.shown(id));
            let version = version.as_deref();
            let event = Event { kind, version, object: None, at, occasion };
            self.keep(&bucket, record, event).await?;
        }
        self.contents.remove(unwanted).await;
        Ok(deleted)
    }
}

/// Who puts what this server delivers: records of events.
const LAMBDA: &str = "lambda.amazonaws.com";

const COPIED_TO_ITSELF: &str = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";

pub(super) fn found(
    bucket: &BucketRecord,
    key: &str,
    version: &VersionRecord,
    object: &Object,
) -> Found {
    Found {
        key: key.to_owned(),
        version: bucket.versioning.shown(&version.id),
        modified: version.modified,
        object: object.clone(),
    }
}

#[async_trait]
impl ObjectSource for Buckets {
    async fn fetch(
        &self,
        address: &ObjectAddress,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let refused = |error: BucketError| FetchError::new(error.code(), error.message());
        let ObjectAddress { scope, bucket, key, version } = address;
        let found = self.bucket(bucket).map_err(refused)?;
        if found.scope.region != scope.region {
            let region = &found.scope.region;
            let message = format!(
                "The bucket is in this region: {region}. Please use this region to retry the request"
            );
            return Err(FetchError::new("PermanentRedirect", message));
        }
        let name =
            ObjectName { bucket: bucket.clone(), key: key.clone(), version: version.clone() };
        let (found, file) = self.read(&name).await.map_err(refused)?;
        let size = usize::try_from(found.object.size).ok().filter(|size| *size <= limit_bytes);
        let size = size.ok_or_else(|| FetchError::too_large(limit_bytes))?;
        let mut bytes = Vec::with_capacity(size);
        let read = file.take(found.object.size).read_to_end(&mut bytes).await;
        read.map_err(BucketError::during("read an object")).map_err(refused)?;
        Ok(bytes)
    }
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
            let mut receiving = self.receive(Expected::default()).await?;
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
