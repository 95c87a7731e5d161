//! Our own buckets: what S3 does with buckets and objects, in a shelf and in files.
//!
//! ```text
//!  objects, copying, multipart, expiry ─▶ versions, conditions   what becomes of a key
//!        │                                    │
//!        │ receiving ─▶ content               ▼
//!        ▼      (large objects: files)     changes ─▶ shelf      records, small objects and what is
//!  reading, listing ◀── cache ◀───────────────────────┘          told of a change, in one transaction
//! ```
//!
//! # Promises
//!
//! 1. An object is replaced whole or not at all, also when the process is killed: its bytes are
//!    durable with its record, or before that speaks of them, and one record changes at a time.
//! 2. Bytes go from the caller to their place and back in chunks; no more than a few of them are held
//!    in memory.
//! 3. Bytes that no record speaks of are removed, at the latest when the buckets are opened.
//! 4. The name of a bucket is unique among all accounts and regions.
//! 5. Those whom a bucket notifies are told of each change at least once, in whatever moment the
//!    process is killed.
//! 6. Those who change different keys at one moment share one sync.
//!
//! # Deliberately absent
//!
//! Access control: callers are not authenticated, so every caller may use every bucket; only
//! [`Buckets::list`] and code for functions look at whose or where it is. Encryption: the files are
//! as plain as the file system that they are in.

pub use checksum::{Algorithm, Checksum, ChecksumKind};
pub use conditions::{Conclusion, Condition, ETags, Preconditions};
pub use content::ContentId;
pub use error::BucketError;
pub use listing::{List, ListedVersion, Listing, UploadListing, VersionListing};
pub use multipart::{Complete, NewUpload, UploadName};
pub use names::is_bucket_name;
pub use notifications::{
    Destination, EventKind, EventPattern, KeyFilter, Notification, NotificationConfiguration,
    NotificationFault, Occasion, SUBJECT, host_id, test_event,
};
pub use objects::{Deleted, Inherit, Inherited, ObjectName, Put, Source, Stored};
pub use reading::{Found, Reader, Slice};
pub use receiving::{Expected, NewContent, Receiving, parse_md5};
pub use record::{
    BucketRecord, Content, Metadata, NULL_VERSION, Object, PartOfObject, PartRecord, UploadRecord,
    VersionRecord, Versioning,
};
pub use settings::{Ownership, PublicAccess, PublicAccessBlock, Settings};
pub use tags::{Tagged, Tags};

mod objects;
mod copying;
mod multipart;
mod reading;
mod listing;
mod expiry;
pub mod cors;
pub mod lifecycle;
mod settings;
mod tags;
mod changes;
mod notifications;
mod versions;
mod conditions;
mod names;
mod record;
mod cache;
mod keys;
mod receiving;
mod content;
mod checksum;
mod migration;
mod error;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::queue::Queue;
use hearth_store::records::Records;
use hearth_store::shelf::{Shelf, Start};
use hearth_types::names::Scope;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, SystemClock, Timestamp};
use tokio::sync::Notify;

use self::cache::Cache;
use self::content::Contents;
use self::keys::{Door, Keys};
use self::notifications::{Outbox, Sequencers};
use crate::limits::BUCKETS_MAX;

/// The file of the shelf in the directory of the buckets.
const SHELF: &str = "objects.db";

/// All buckets.
#[derive(Debug)]
pub struct Buckets {
    /// By name.
    buckets: Collection<BucketRecord>,
    /// By the name of the bucket. One that notifies nobody has none.
    notifications: Collection<NotificationConfiguration>,
    /// Who has the name, and who is at work in it.
    doors: RwLock<BTreeMap<String, Door>>,
    keys: Keys,
    shelf: Arc<Shelf>,
    cache: Cache,
    contents: Contents,
    /// What is to be told and is not in the durable queue yet.
    outbox: Outbox,
    sequencers: Sequencers,
    clock: Arc<dyn Clock>,
    /// Wakes whoever looks for what has expired.
    expiry: Notify,
    /// Tells it to end.
    is_closing: AtomicBool,
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
        std::fs::create_dir_all(&directory)
            .map_err(BucketError::during("make the directory of the buckets"))?;
        let opened = async {
            let shelf = Shelf::open(&directory.join(SHELF)).await?;
            let greatest = shelf.greatest_id().await?;
            let buckets = Collection::<BucketRecord>::open("bucket", Arc::clone(&records)).await?;
            let notifications = Collection::<NotificationConfiguration>::open(
                "bucket-notification",
                Arc::clone(&records),
            )
            .await?;
            Ok::<_, StoreError>((Arc::new(shelf), greatest, buckets, notifications))
        };
        let (shelf, greatest, buckets, notifications) = opened.await.map_err(BucketError::Store)?;
        let sequencers = Sequencers::default();
        sequencers.above(greatest);
        migration::move_records(records.as_ref(), &shelf).await?;
        let contents = open_contents(directory, &shelf).await?;
        let of_all: Vec<Arc<BucketRecord>> = buckets.all();
        let doors = of_all.iter().map(|it| (it.name.clone(), Door::new(it.scope.clone())));
        Ok(Self {
            buckets,
            notifications,
            doors: RwLock::new(doors.collect()),
            keys: Keys::default(),
            outbox: Outbox::new(Arc::clone(&shelf) as Arc<dyn notifications::Notes>),
            shelf,
            cache: Cache::default(),
            contents,
            sequencers,
            clock,
            expiry: Notify::new(),
            is_closing: AtomicBool::new(false),
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

    /// Begins to look for what has expired, until [`Buckets::close`].
    pub fn start_expiring(self: &Arc<Self>, tasks: &Tasks) {
        let buckets = Arc::clone(self);
        tasks.spawn("expiry in buckets", async move { buckets.run_expiry().await });
    }

    /// Ends what [`Buckets::start_notifying`] and [`Buckets::start_expiring`] began, when they have
    /// done what they are at.
    pub fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
        self.expiry.notify_one();
        self.outbox.close();
    }

    /// Finishes what was asked for, and closes the files. Nothing can be asked for afterwards.
    pub async fn finish(&self) {
        self.shelf.close().await;
    }

    /// The time of day, as objects have it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes a bucket.
    ///
    /// # Errors
    ///
    /// If the name cannot be one or is taken, or the account has too many.
    pub async fn create(&self, scope: &Scope, name: &str) -> Result<(), BucketError> {
        self.create_with(scope, name, Settings::default()).await
    }

    /// The same, with settings that it has from the beginning.
    ///
    /// # Errors
    ///
    /// See [`Buckets::create`].
    pub async fn create_with(
        &self,
        scope: &Scope,
        name: &str,
        settings: Settings,
    ) -> Result<(), BucketError> {
        if !is_bucket_name(name) {
            return Err(BucketError::InvalidBucketName);
        }
        let _naming = self.buckets.writing().await;
        if let Ok(door) = self.door(name) {
            return Err(if door.scope.account == scope.account {
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
            settings,
        };
        self.buckets.put(scope, name, record).await.map_err(BucketError::Store)?;
        self.doors_mut().insert(name.to_owned(), Door::new(scope.clone()));
        Ok(())
    }

    /// A bucket.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn bucket(&self, name: &str) -> Result<Arc<BucketRecord>, BucketError> {
        let door = self.door(name)?;
        self.buckets.get(&door.scope, name).ok_or(BucketError::NoSuchBucket)
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
        let _naming = self.buckets.writing().await;
        let door = self.door(name)?;
        let _alone = Arc::clone(&door.gate).write_owned().await;
        let first = Start::At(Vec::new());
        let objects = self.shelf.objects(name, &first, 1).await.map_err(BucketError::Store)?;
        if !objects.is_empty() {
            return Err(BucketError::BucketNotEmpty);
        }
        let versions = self.shelf.versions(name, &first, 1).await.map_err(BucketError::Store)?;
        if !versions.is_empty() {
            return Err(BucketError::BucketHasVersions);
        }
        self.forget_uploads(name).await?;
        // First: the next bucket of this name must not have them.
        let removed = self.notifications.remove(&door.scope, name).await;
        removed.map_err(BucketError::Store)?;
        self.buckets.remove(&door.scope, name).await.map_err(BucketError::Store)?;
        self.doors_mut().remove(name);
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
        self.change(name, |bucket| bucket.versioning = versioning).await
    }

    /// Changes what is set of a bucket.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub async fn set(
        &self,
        name: &str,
        change: impl FnOnce(&mut Settings) + Send,
    ) -> Result<(), BucketError> {
        self.change(name, |bucket| change(&mut bucket.settings)).await?;
        // What has been due for long may be so only now.
        self.expiry.notify_one();
        Ok(())
    }

    async fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut BucketRecord) + Send,
    ) -> Result<(), BucketError> {
        let _naming = self.buckets.writing().await;
        let door = self.door(name)?;
        // Whoever is at work in the bucket goes by what was set when they began.
        let _alone = Arc::clone(&door.gate).write_owned().await;
        let mut record = (*self.bucket(name)?).clone();
        change(&mut record);
        self.buckets.put(&door.scope, name, record).await.map_err(BucketError::Store)?;
        Ok(())
    }

    fn door(&self, name: &str) -> Result<Door, BucketError> {
        self.doors().get(name).cloned().ok_or(BucketError::NoSuchBucket)
    }

    fn doors(&self) -> RwLockReadGuard<'_, BTreeMap<String, Door>> {
        self.doors.read().expect("no code panics while it holds the doors")
    }

    fn doors_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Door>> {
        self.doors.write().expect("no code panics while it holds the doors")
    }
}

/// Opens the files of objects. Those that no record speaks of are removed.
async fn open_contents(directory: PathBuf, shelf: &Shelf) -> Result<Contents, BucketError> {
    let wanted = wanted_contents(shelf).await?;
    let opened = content::blocking(move || Contents::open(&directory, &wanted)).await;
    opened.map_err(BucketError::during("open the directory of the buckets"))
}

async fn wanted_contents(shelf: &Shelf) -> Result<HashSet<ContentId>, BucketError> {
    let mut wanted = HashSet::new();
    let mut broken = None;
    let visited = shelf.visit_files(|whole| match reading::files_of(whole) {
        Ok(files) => wanted.extend(files),
        Err(error) => broken = Some(error),
    });
    visited.await.map_err(BucketError::Store)?;
    let visited = shelf.visit_parts(|row| match record::read::<PartRecord>(&row.document) {
        Ok(part) => wanted.extend([part.content]),
        Err(error) => broken = Some(error),
    });
    visited.await.map_err(BucketError::Store)?;
    // Nothing is removed while it is not known what is needed.
    match broken {
        Some(error) => Err(error),
        None => Ok(wanted),
    }
}
