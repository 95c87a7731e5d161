//! Listing keys, versions and uploads: prefixes, delimiters, pages.
//!
//! Keys that have the delimiter behind the prefix are rolled up into one common prefix, which ends
//! with the delimiter. A page goes on behind the last key or common prefix of the page before.
//!
//! # Promises
//!
//! 1. The pages of a listing that nobody changes meanwhile have every key and common prefix once.
//! 2. What is passed over costs little: at a common prefix, the walk jumps behind it.
//! 3. No more rows are read than a page has, but for those of one batch.

use std::ops::ControlFlow;

use hearth_store::shelf::{Row, Start, UploadRow};

use super::Buckets;
use super::error::BucketError;
use super::reading::{Found, shown};
use super::record::{self, UploadRecord, VersionRecord, rank_of};
use super::versions::Entry;
use crate::limits::LIST_ITEMS_MAX;

/// How many rows are looked at in one go: those of the largest page, and the one behind it.
const BATCH: usize = LIST_ITEMS_MAX + 1;
/// How many where most of them may be passed over.
const BATCH_WITH_DELIMITER: usize = 64;

/// What shall be listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// What keys begin with.
    pub prefix: String,
    /// What keys are rolled up at, if they are.
    pub delimiter: Option<String>,
    /// The key, or the common prefix, that the listing begins behind.
    pub after: Option<String>,
    /// For versions and uploads: the version or the upload of the key `after` that the listing begins
    /// behind. Without it, the listing begins behind all of them.
    pub after_version: Option<String>,
    /// How many keys, versions and common prefixes there may be.
    pub items_max: usize,
}

/// A page of objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The objects, in the order of their keys.
    pub objects: Vec<Found>,
    /// The common prefixes, in order.
    pub prefixes: Vec<String>,
    /// What the next page comes behind, if there is one.
    pub next: Option<String>,
}

/// A page of versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionListing {
    /// The versions, in the order of their keys, the newest first.
    pub versions: Vec<ListedVersion>,
    /// The common prefixes, in order.
    pub prefixes: Vec<String>,
    /// What the next page comes behind, if there is one: a key, and a version unless it is a
    /// common prefix.
    pub next: Option<(String, Option<String>)>,
}

/// A version in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its key.
    pub key: String,
    /// What it is.
    pub version: VersionRecord,
    /// Whether it is the newest.
    pub is_latest: bool,
}

/// A page of uploads that are not finished.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadListing {
    /// The uploads, in the order of their keys and ids.
    pub uploads: Vec<UploadRecord>,
    /// The common prefixes, in order.
    pub prefixes: Vec<String>,
    /// What the next page comes behind, if there is one: a key, and an id unless it is a common
    /// prefix.
    pub next: Option<(String, Option<String>)>,
}

/// What has a key, and perhaps something that tells it from others with this key.
trait Keyed {
    fn key(&self) -> &str;
    fn id(&self) -> Option<&str>;
}

impl Keyed for Row {
    fn key(&self) -> &str {
        &self.key
    }

    fn id(&self) -> Option<&str> {
        Some(&self.version)
    }
}

/// A version that may get onto a page.
#[derive(Debug)]
struct Candidate {
    row: Row,
    is_latest: bool,
}

impl Keyed for Candidate {
    fn key(&self) -> &str {
        &self.row.key
    }

    fn id(&self) -> Option<&str> {
        Some(&self.row.version)
    }
}

impl Keyed for UploadRow {
    fn key(&self) -> &str {
        &self.key
    }

    fn id(&self) -> Option<&str> {
        Some(&self.id)
    }
}

/// A page while it is put together.
#[derive(Debug)]
struct Page<'a, R> {
    list: &'a List,
    /// Where to read on.
    start: Start,
    /// The common prefix that is being passed over.
    rolled: Option<String>,
    rows: Vec<R>,
    prefixes: Vec<String>,
    last: Option<(String, Option<String>)>,
    /// What the next page comes behind.
    next: Option<(String, Option<String>)>,
}

impl List {
    /// The common prefix that a key is rolled up into.
    fn rolled(&self, key: &str) -> Option<String> {
        let delimiter = self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
        let behind = key.strip_prefix(self.prefix.as_str())?;
        let length = self.prefix.len() + behind.find(delimiter)? + delimiter.len();
        key.get(..length).map(str::to_owned)
    }

    fn start(&self) -> Start {
        match &self.after {
            Some(after) if *after >= self.prefix => Start::After(after.clone().into_bytes()),
            Some(_) | None => Start::At(self.prefix.clone().into_bytes()),
        }
    }

    fn batch(&self) -> usize {
        if self.delimiter.is_some() {
            return BATCH_WITH_DELIMITER;
        }
        // One more says whether there is another page.
        self.items_max.saturating_add(1).min(BATCH)
    }
}

impl<'a, R: Keyed> Page<'a, R> {
    fn new(list: &'a List) -> Self {
        // A common prefix that the page before ended with is not visited again.
        let rolled = list.after.clone().filter(|after| list.rolled(after).as_ref() == Some(after));
        let start = match &rolled {
            Some(rolled) => behind_all(rolled),
            None => list.start(),
        };
        Self { list, start, rolled, rows: Vec::new(), prefixes: Vec::new(), last: None, next: None }
    }

    /// Takes the rows that were found at [`Page::start`]. Breaks when there is nothing to read on for.
    fn take(&mut self, found: Vec<R>) -> ControlFlow<()> {
        let Some(last) = found.last() else { return ControlFlow::Break(()) };
        let last = last.key().to_owned();
        for row in found {
            if !row.key().starts_with(&self.list.prefix) {
                return ControlFlow::Break(());
            }
            let is_rolled =
                self.rolled.as_ref().is_some_and(|rolled| row.key().starts_with(rolled));
            if is_rolled {
                continue;
            }
            if self.rows.len() + self.prefixes.len() >= self.list.items_max {
                self.next = self.last.take();
                return ControlFlow::Break(());
            }
            match self.list.rolled(row.key()) {
                Some(prefix) => {
                    self.last = Some((prefix.clone(), None));
                    self.rolled = Some(prefix.clone());
                    self.prefixes.push(prefix);
                }
                None => {
                    self.last = Some((row.key().to_owned(), row.id().map(str::to_owned)));
                    self.rows.push(row);
                }
            }
        }
        self.start = match &self.rolled {
            Some(rolled) if last.starts_with(rolled) => behind_all(rolled),
            Some(_) | None => Start::After(last.into_bytes()),
        };
        ControlFlow::Continue(())
    }
}

/// Where a listing of versions begins.
#[derive(Debug)]
enum Resume {
    /// At the versions of a key that are older than this.
    Below(String, u64),
    /// At the newest version of a key.
    At(String),
}

/// Behind everything that begins with this.
fn behind_all(prefix: &str) -> Start {
    let mut end = prefix.as_bytes().to_vec();
    // No byte of a text is the greatest that there is.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    Start::At(end)
}

impl Buckets {
    /// The current objects of a bucket.
    ///
    /// # Errors
    ///
    /// If there is no bucket, or the store failed.
    pub async fn list_objects(&self, bucket: &str, list: &List) -> Result<Listing, BucketError> {
        let bucket = self.bucket(bucket)?;
        if list.items_max == 0 {
            return Ok(Listing::default());
        }
        let mut page = Page::new(list);
        loop {
            let rows = self.shelf.objects(&bucket.name, &page.start, list.batch()).await;
            if page.take(rows.map_err(BucketError::Store)?).is_break() {
                break;
            }
        }
        let mut objects = Vec::with_capacity(page.rows.len());
        for row in &page.rows {
            let version: VersionRecord = record::read(&row.document)?;
            objects.extend(shown(&bucket, &row.key, &version));
        }
        let next = page.next.map(|(key, _version)| key);
        Ok(Listing { objects, prefixes: page.prefixes, next })
    }

    /// Every version in a bucket, delete markers too.
    ///
    /// # Errors
    ///
    /// If there is no bucket, or the store failed.
    pub async fn list_versions(
        &self,
        bucket: &str,
        list: &List,
    ) -> Result<VersionListing, BucketError> {
        let bucket = self.bucket(bucket)?;
        if list.items_max == 0 {
            return Ok(VersionListing::default());
        }
        let mut page = Page::new(list);
        // First what is left of the key that the page before ended with.
        let mut within = match self.resume(&bucket.name, list).await? {
            Some(Resume::Below(key, rank)) => Some((key, rank)),
            Some(Resume::At(key)) => {
                page.start = Start::At(key.into_bytes());
                None
            }
            None => None,
        };
        loop {
            let found = self.candidates(&bucket.name, (within.as_ref(), &page.start), list).await?;
            // A batch may end in the middle of the versions of a key.
            let last = found.last().map(|last| (last.row.key.clone(), last.row.rank));
            if last.is_none() && within.take().is_some() {
                continue;
            }
            if page.take(found).is_break() {
                break;
            }
            within = last.filter(|(key, _)| list.rolled(key).is_none());
        }
        let mut versions = Vec::with_capacity(page.rows.len());
        for Candidate { row, is_latest } in page.rows {
            let version = Entry::of_row(&row)?.record;
            versions.push(ListedVersion { key: row.key, version, is_latest });
        }
        Ok(VersionListing { versions, prefixes: page.prefixes, next: page.next })
    }

    async fn candidates(
        &self,
        bucket: &str,
        (within, start): (Option<&(String, u64)>, &Start),
        list: &List,
    ) -> Result<Vec<Candidate>, BucketError> {
        let older = |row| Candidate { row, is_latest: false };
        if let Some((key, rank)) = within {
            // If those before it were deleted meanwhile, the next one may have become the newest.
            let newest = self.newest(bucket, key).await?.filter(|newest| newest.rank < *rank);
            let newest = newest.map(|newest| newest.row((bucket, key.as_str())));
            let newest = newest.map(|row| Candidate { row, is_latest: true });
            let rows = self.shelf.versions_below((bucket, key.as_str()), *rank, list.batch()).await;
            let rows = rows.map_err(BucketError::Store)?.into_iter().map(older);
            return Ok(newest.into_iter().chain(rows).collect());
        }
        let rows = self.shelf.versions(bucket, start, list.batch()).await;
        let mut found: Vec<Candidate> = Vec::new();
        for row in rows.map_err(BucketError::Store)? {
            // It starts at a key, and the newest version of each comes first.
            let is_latest = found.last().is_none_or(|before| before.row.key != row.key);
            found.push(Candidate { row, is_latest });
        }
        Ok(found)
    }

    /// Where a listing begins that goes on behind a version. One that was deleted meanwhile says itself
    /// where it was; otherwise the versions of its key are listed once more, so that none is left out.
    async fn resume(&self, bucket: &str, list: &List) -> Result<Option<Resume>, BucketError> {
        let (Some(key), Some(version)) = (&list.after, &list.after_version) else {
            return Ok(None);
        };
        if !key.starts_with(&list.prefix) || list.rolled(key).as_ref() == Some(key) {
            return Ok(None);
        }
        let newest = self.newest(bucket, key).await?;
        if let Some(newest) = newest.filter(|newest| newest.record.id == *version) {
            return Ok(Some(Resume::Below(key.clone(), newest.rank)));
        }
        let older = self.older((bucket, key.as_str()), Some(version.as_str())).await?;
        let rank = older.map(|older| older.rank).or_else(|| rank_of(version));
        Ok(Some(match rank {
            Some(rank) => Resume::Below(key.clone(), rank),
            None => Resume::At(key.clone()),
        }))
    }

    /// The uploads of a bucket that are not finished.
    ///
    /// # Errors
    ///
    /// If there is no bucket, or the store failed.
    pub async fn list_uploads(
        &self,
        bucket: &str,
        list: &List,
    ) -> Result<UploadListing, BucketError> {
        let bucket = self.bucket(bucket)?;
        if list.items_max == 0 {
            return Ok(UploadListing::default());
        }
        let mut page: Page<'_, UploadRow> = Page::new(list);
        let within_key = list.after.clone().filter(|after| after.starts_with(&list.prefix));
        let mut within = within_key.zip(list.after_version.clone());
        loop {
            let (start, id) = match within.take() {
                Some((key, id)) => (Start::At(key.into_bytes()), id),
                None => (page.start.clone(), String::new()),
            };
            let rows = self.shelf.uploads(&bucket.name, (&start, &id), list.batch()).await;
            let rows = rows.map_err(BucketError::Store)?;
            // A batch may end in the middle of the uploads of a key.
            let last = rows.last().map(|last| (last.key.clone(), last.id.clone()));
            if page.take(rows).is_break() {
                break;
            }
            within = last.filter(|(key, _)| list.rolled(key).is_none());
        }
        let uploads = page.rows.iter().map(|row| record::read(&row.document));
        let uploads = uploads.collect::<Result<_, BucketError>>()?;
        Ok(UploadListing { uploads, prefixes: page.prefixes, next: page.next })
    }
}

#[cfg(test)]
mod tests;
