//! Our own buckets: what S3 does with buckets and objects, in records and files.
//!
//! ```text
//!  objects, multipart ──┬─▶ changes   a record, together with what is told of it (notifications)
//!  listing ─────────────┤
//!                       ├─▶ record    what is remembered, and the rules of versions
//!                       └─▶ content   the bytes, one file for each version and part
//! ```
//!
//! # Promises
//!
//! 1. An object is replaced whole or not at all, also when the process is killed: its bytes are
//!    durable before its record speaks of them, and one record changes at a time.
//! 2. Bytes go from the caller to a file and back in chunks; no object is held in memory.
//! 3. Bytes that no record speaks of are removed, at the latest when the buckets are opened.
//! 4. The name of a bucket is unique among all accounts and regions.
//! 5. Those whom a bucket notifies are told of each change at least once, in whatever moment the
//!    process is killed.
//!
//! # Deliberately absent
//!
//! Policies, access control, tags, life cycles. Encryption: the files are as plain as the
//! file system that they are in. Callers are not authenticated,
//! so every caller may use every bucket; only [`Buckets::list`] and code for functions look at
//! whose or where it is.

pub use checksum::{Algorithm, Checksum};
pub use content::{ContentId, Expected, NewContent, Receiving, parse_md5};
pub use error::BucketError;
pub use listing::{List, ListedVersion, Listing, VersionListing};
pub use multipart::{Complete, UploadName};
pub use names::is_bucket_name;
pub use notifications::{
    Destination, EventKind, EventPattern, KeyFilter, Notification, NotificationConfiguration,
    NotificationFault, Occasion, SUBJECT, host_id, test_event,
};
pub use objects::{Condition, Deleted, Found, ObjectName, Put, Source, Stored};
pub use record::{
    BucketRecord, Metadata, NULL_VERSION, Object, PartRecord, UploadRecord, VersionRecord,
    Versioning,
};

mod objects;
mod multipart;
mod listing;
mod changes;
mod notifications;
mod names;
mod record;
mod content;
mod checksum;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock, Weak};

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::queue::Queue;
use hearth_store::records::Records;
use hearth_types::names::Scope;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, SystemClock};

use self::content::Contents;
use self::notifications::{Outbox, Sequencers};
use self::record::ObjectRecord;
use crate::limits::BUCKETS_MAX;

/// All buckets.
#[derive(Debug)]
pub struct Buckets {
    /// By name.
    buckets: Collection<BucketRecord>,
    /// By bucket and key, in the scope of the bucket.
    objects: Collection<ObjectRecord>,
    /// By bucket and upload.
    uploads: Collection<UploadRecord>,
    /// By bucket, upload and number.
    parts: Collection<PartRecord>,
    /// By the name of the bucket. One that notifies nobody has none.
    notifications: Collection<NotificationConfiguration>,
    /// What is to be told and is not in the durable queue yet.
    outbox: Outbox,
    sequencers: Sequencers,
    /// Who has the name.
    owners: RwLock<BTreeMap<String, Scope>>,
    /// Uploads that are being completed, and whose turn it is.
    completing: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    contents: Contents,
    clock: Arc<dyn Clock>,
}

impl Buckets {
    /// Opens the directory and the records, and clears what a killed process left.
    ///
    /// # Errors
    ///
    /// If either cannot be read.
    pub async fn open(directory: PathBuf, records: Arc<dyn Records>) -> Result<Self, BucketError> {
        Self::open_at(directory, records, Arc::new(SystemClock)).await
    }

    /// The same, with a clock of the caller's.
    ///
    /// # Errors
    ///
    /// See [`Buckets::open`].
    pub async fn open_at(
        directory: PathBuf,
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BucketError> {
        let outbox = Outbox::new(Arc::new(changes::RecordNotes(Arc::clone(&records))));
        let opened = async {
            Ok::<_, StoreError>((
                Collection::<BucketRecord>::open("bucket", Arc::clone(&records)).await?,
                Collection::<ObjectRecord>::open("bucket-object", Arc::clone(&records)).await?,
                Collection::<UploadRecord>::open("bucket-upload", Arc::clone(&records)).await?,
                Collection::<PartRecord>::open("bucket-part", Arc::clone(&records)).await?,
                Collection::<NotificationConfiguration>::open("bucket-notification", records)
                    .await?,
            ))
        };
        let (buckets, objects, uploads, parts, notifications) =
            opened.await.map_err(BucketError::Store)?;
        let mut wanted: HashSet<_> = parts.all().iter().map(|part| part.content).collect();
        let all = objects.all();
        let sequencers = changes::sequencers_behind(all.iter().map(|record| &**record));
        for record in all {
            let objects = record.versions.iter().filter_map(|version| version.object.as_ref());
            wanted.extend(objects.map(|object| object.content));
        }
        let opened = tokio::task::spawn_blocking(move || Contents::open(directory, &wanted)).await;
        let opened = opened.unwrap_or_else(|ended| Err(std::io::Error::other(ended)));
        let contents = opened.map_err(BucketError::during("open the directory of the buckets"))?;
        let of_all = buckets.all();
        let owners = of_all.iter().map(|bucket| (bucket.name.clone(), bucket.scope.clone()));
        let owners = RwLock::new(owners.collect());
        let completing = Mutex::default();
        Ok(Self {
            buckets,
            objects,
            uploads,
            parts,
            notifications,
            outbox,
            sequencers,
            owners,
            completing,
            contents,
            clock,
        })
    }

    /// Begins to hand on what is to be told of changes, and what a killed process has left of that,
    /// until [`Buckets::close`]. What happens before is kept until then.
    pub fn start_notifying(self: &Arc<Self>, queue: Arc<dyn Queue>, tasks: &Tasks) {
        let buckets = Arc::clone(self);
        tasks.spawn("notifications of buckets", async move {
            buckets.outbox.run(queue.as_ref(), buckets.clock.as_ref()).await;
        });
    }

    /// Ends what [`Buckets::start_notifying`] began, when it has handed on what it has.
    pub fn close(&self) {
        self.outbox.close();
    }

    /// Makes a bucket.
    ///
    /// # Errors
    ///
    /// If the name cannot be one or is taken, or the account has too many.
    pub async fn create(&self, scope: &Scope, name: &str) -> Result<(), BucketError> {
        if !is_bucket_name(name) {
            return Err(BucketError::InvalidBucketName);
        }
        let _writing = self.objects.writing().await;
        if let Some(owner) = self.owner(name) {
            return Err(if owner.account == scope.account {
                BucketError::BucketAlreadyOwnedByYou
            } else {
                BucketError::BucketAlreadyExists
            });
        }
        if self.list(scope).len() >= BUCKETS_MAX {
            return Err(BucketError::TooManyBuckets);
        }
        let record = BucketRecord {
            name: name.to_owned(),
            scope: scope.clone(),
            created: self.clock.now(),
            versioning: Versioning::default(),
        };
        self.buckets.put(scope, name, record).await.map_err(BucketError::Store)?;
        self.owners_mut().insert(name.to_owned(), scope.clone());
        Ok(())
    }

    /// A bucket.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn bucket(&self, name: &str) -> Result<Arc<BucketRecord>, BucketError> {
        let scope = self.owner(name).ok_or(BucketError::NoSuchBucket)?;
        self.buckets.get(&scope, name).ok_or(BucketError::NoSuchBucket)
    }

    /// The buckets of an account, in all regions, in the order of their names.
    pub fn list(&self, scope: &Scope) -> Vec<Arc<BucketRecord>> {
        let mut found = self.buckets.all();
        found.retain(|bucket| bucket.scope.account == scope.account);
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }

    /// Forgets an empty bucket, and the uploads that were not finished in it.
    ///
    /// # Errors
    ///
    /// If there is none, or there is something in it.
    pub async fn delete(&self, name: &str) -> Result<(), BucketError> {
        let _writing = self.objects.writing().await;
        let bucket = self.bucket(name)?;
        let first = self.shelf(&bucket, &listing::Start::At(String::new()));
        if !first.is_empty() {
            let has_current = first.iter().any(|record| record.current().is_some());
            return Err(if has_current {
                BucketError::BucketNotEmpty
            } else {
                BucketError::BucketHasVersions
            });
        }
        for upload in self.uploads_of(&bucket) {
            self.forget_upload(&bucket, &upload.id).await?;
        }
        // First: the next bucket of this name must not have them.
        let removed = self.notifications.remove(&bucket.scope, name).await;
        removed.map_err(BucketError::Store)?;
        self.buckets.remove(&bucket.scope, name).await.map_err(BucketError::Store)?;
        self.owners_mut().remove(name);
        Ok(())
    }

    /// Says whether a bucket keeps versions from now on.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub async fn set_versioning(
        &self,
        name: &str,
        versioning: Versioning,
    ) -> Result<(), BucketError> {
        let _writing = self.objects.writing().await;
        let before = self.bucket(name)?;
        let record = BucketRecord { versioning, ..(*before).clone() };
        self.buckets.put(&before.scope, name, record).await.map_err(BucketError::Store)?;
        Ok(())
    }

    fn owner(&self, name: &str) -> Option<Scope> {
        let owners = self.owners.read().expect("no code panics while it holds the owners");
        owners.get(name).cloned()
    }

    fn owners_mut(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, Scope>> {
        self.owners.write().expect("no code panics while it holds the owners")
    }
}

/// What the record of an object is known by. Buckets have no `/` in their names.
fn record_name(bucket: &str, key: &str) -> String {
    format!("{bucket}/{key}")
}
