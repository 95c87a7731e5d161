//! Listing keys and versions: prefixes, delimiters, pages.
//!
//! Keys that have the delimiter behind the prefix are rolled up into one common prefix, which ends
//! with the delimiter. A page goes on behind the last key or common prefix of the page before.
//!
//! # Promises
//!
//! 1. The pages of a listing that nobody changes meanwhile have every key and common prefix once.
//! 2. What is passed over costs little: at a common prefix, the walk jumps behind it.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::BucketError;
use super::objects::{Found, found};
use super::record::{BucketRecord, ObjectRecord, VersionRecord};
use super::{Buckets, record_name};

/// How many records are looked at in one go.
const BATCH: usize = 1_000;

/// What shall be listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// What keys begin with.
    pub prefix: String,
    /// What keys are rolled up at, if they are.
    pub delimiter: Option<String>,
    /// The key, or the common prefix, that the listing begins behind.
    pub after: Option<String>,
    /// For versions: the version of the key `after` that the listing begins behind. Without it,
    /// the listing begins behind all of them.
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

/// Where to read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// At this key, if there is one.
    At(String),
    /// Behind it.
    After(String),
}

enum Item {
    Key(Arc<ObjectRecord>),
    Prefix(String),
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
        match (&self.after, &self.after_version) {
            (Some(after), _) if *after < self.prefix => Start::At(self.prefix.clone()),
            (Some(after), None) => Start::After(after.clone()),
            (Some(after), Some(_)) => Start::At(after.clone()),
            (None, _) => Start::At(self.prefix.clone()),
        }
    }

    /// Visits keys and common prefixes in order. `read` hands out some of the records from a place
    /// on, or none when there are no more.
    fn walk(
        &self,
        read: impl Fn(&Start) -> Vec<Arc<ObjectRecord>>,
        is_visible: impl Fn(&ObjectRecord) -> bool,
        mut visit: impl FnMut(Item) -> ControlFlow<()>,
    ) {
        let mut start = self.start();
        // A common prefix that the page before ended with is not visited again.
        let mut rolled =
            self.after.clone().filter(|after| self.rolled(after).as_ref() == Some(after));
        loop {
            let records = read(&start);
            let Some(last) = records.last().map(|last| last.key.clone()) else { return };
            for record in records {
                if !record.key.starts_with(&self.prefix) {
                    return;
                }
                let is_rolled =
                    rolled.as_ref().is_some_and(|rolled| record.key.starts_with(rolled));
                if is_rolled || !is_visible(&record) {
                    continue;
                }
                let item = match self.rolled(&record.key) {
                    Some(prefix) => {
                        rolled = Some(prefix.clone());
                        Item::Prefix(prefix)
                    }
                    None => Item::Key(record),
                };
                if visit(item).is_break() {
                    return;
                }
            }
            start = Start::After(match &rolled {
                Some(rolled) if last.starts_with(rolled) => last.max(format!("{rolled}\u{10FFFF}")),
                _ => last,
            });
        }
    }

    fn objects(
        &self,
        bucket: &BucketRecord,
        read: impl Fn(&Start) -> Vec<Arc<ObjectRecord>>,
    ) -> Listing {
        let mut listing = Listing::default();
        let mut last = None;
        if self.items_max == 0 {
            return listing;
        }
        let is_visible = |record: &ObjectRecord| record.current().is_some();
        self.walk(read, is_visible, |item| {
            if listing.objects.len() + listing.prefixes.len() == self.items_max {
                listing.next = last.take();
                return ControlFlow::Break(());
            }
            match item {
                Item::Prefix(prefix) => {
                    last = Some(prefix.clone());
                    listing.prefixes.push(prefix);
                }
                Item::Key(record) => {
                    last = Some(record.key.clone());
                    let current = record.current();
                    listing.objects.extend(
                        current
                            .map(|(version, object)| found(bucket, &record.key, version, object)),
                    );
                }
            }
            ControlFlow::Continue(())
        });
        listing
    }

    fn versions(&self, read: impl Fn(&Start) -> Vec<Arc<ObjectRecord>>) -> VersionListing {
        let mut listing = VersionListing::default();
        let mut last = None;
        if self.items_max == 0 {
            return listing;
        }
        self.walk(
            read,
            |_every| true,
            |item| {
                let record = match item {
                    Item::Key(record) => record,
                    Item::Prefix(prefix) => {
                        if listing.versions.len() + listing.prefixes.len() == self.items_max {
                            listing.next = last.take();
                            return ControlFlow::Break(());
                        }
                        last = Some((prefix.clone(), None));
                        listing.prefixes.push(prefix);
                        return ControlFlow::Continue(());
                    }
                };
                for (place, version) in record.versions.iter().enumerate().skip(self.seen(&record))
                {
                    if listing.versions.len() + listing.prefixes.len() == self.items_max {
                        listing.next = last.take();
                        return ControlFlow::Break(());
                    }
                    last = Some((record.key.clone(), Some(version.id.clone())));
                    listing.versions.push(ListedVersion {
                        key: record.key.clone(),
                        version: version.clone(),
                        is_latest: place == 0,
                    });
                }
                ControlFlow::Continue(())
            },
        );
        listing
    }

    /// How many versions of a key were on the pages before. If the last of them was deleted
    /// meanwhile, nobody knows, and all that are still there are shown.
    fn seen(&self, record: &ObjectRecord) -> usize {
        if self.after.as_ref() != Some(&record.key) {
            return 0;
        }
        let Some(id) = &self.after_version else { return 0 };
        let place = record.versions.iter().position(|version| version.id == *id);
        place.map_or(0, |place| place + 1)
    }
}

impl Buckets {
    /// The current objects of a bucket.
    ///
    /// # Errors
    ///
    /// If there is no bucket.
    pub fn list_objects(&self, bucket: &str, list: &List) -> Result<Listing, BucketError> {
        let bucket = self.bucket(bucket)?;
        Ok(list.objects(&bucket, |start| self.shelf(&bucket, start)))
    }

    /// Every version in a bucket, delete markers too.
    ///
    /// # Errors
    ///
    /// If there is no bucket.
    pub fn list_versions(&self, bucket: &str, list: &List) -> Result<VersionListing, BucketError> {
        let bucket = self.bucket(bucket)?;
        Ok(list.versions(|start| self.shelf(&bucket, start)))
    }

    /// Some of the records of a bucket, in order, from a place on.
    pub(super) fn shelf(&self, bucket: &BucketRecord, start: &Start) -> Vec<Arc<ObjectRecord>> {
        let (key, at) = match start {
            Start::At(key) => {
                (key, self.objects.get(&bucket.scope, &record_name(&bucket.name, key)))
            }
            Start::After(key) => (key, None),
        };
        let behind = record_name(&bucket.name, key);
        let behind = self.objects.page(&bucket.scope, Some(&behind), BATCH);
        let found = at.into_iter().chain(behind);
        found.take_while(|record| record.bucket == bucket.name).collect()
    }
}

#[cfg(test)]
mod tests;
