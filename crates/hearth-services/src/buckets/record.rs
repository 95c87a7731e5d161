//! What is remembered of buckets, objects and uploads, and the rules of versions. No I/O.

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::checksum::Checksum;
use super::content::ContentId;
use super::error::BucketError;
use crate::limits::{METADATA_BYTES_MAX, VERSIONS_MAX};

/// The version of an object that was put while versions were not kept.
pub const NULL_VERSION: &str = "null";

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRecord {
    /// Its name, which no other bucket has, of whomever.
    pub name: String,
    /// Whose it is, and where.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// Whether versions are kept.
    pub versioning: Versioning,
}

/// Whether a bucket keeps versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Versioning {
    /// It does not, and never did.
    #[default]
    Never,
    /// It does.
    Enabled,
    /// It does not any more; those that it has stay.
    Suspended,
}

impl Versioning {
    /// The id of a version that is put now.
    pub(super) fn next_version(self) -> String {
        match self {
            Self::Never | Self::Suspended => NULL_VERSION.to_owned(),
            Self::Enabled => new_id(),
        }
    }

    /// The id as callers see it: none, as long as there were never versions.
    pub(super) fn shown(self, version: &str) -> Option<String> {
        match self {
            Self::Never => None,
            Self::Enabled | Self::Suspended => Some(version.to_owned()),
        }
    }
}

/// An id that cannot be guessed: 32 letters and digits.
pub(super) fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// A key, with every version that is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectRecord {
    pub(super) bucket: String,
    pub(super) key: String,
    /// The newest first. There is at least one.
    pub(super) versions: Vec<VersionRecord>,
}

/// One version of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Its id, or [`NULL_VERSION`].
    pub id: String,
    /// When it was put.
    pub modified: Timestamp,
    /// What it is; a delete marker is nothing.
    pub object: Option<Object>,
    /// The upload that it was put together from, if it was.
    #[serde(default)]
    pub upload: Option<String>,
}

/// An object: all but its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Where its bytes are.
    pub content: ContentId,
    /// How many there are.
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// The checksum that it was put with.
    pub checksum: Option<Checksum>,
    /// What was said about it.
    pub metadata: Metadata,
}

/// What is said about an object, and handed back with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Metadata {
    /// Standard headers, such as `content-type`, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The caller's own, without `x-amz-meta-`.
    pub user: BTreeMap<String, String>,
}

impl Metadata {
    pub(super) fn check(&self) -> Result<(), BucketError> {
        let bytes = |of: &BTreeMap<String, String>| -> usize {
            of.iter().map(|(name, value)| name.len() + value.len()).sum()
        };
        if bytes(&self.headers) > METADATA_BYTES_MAX || bytes(&self.user) > METADATA_BYTES_MAX {
            return Err(BucketError::MetadataTooLarge);
        }
        Ok(())
    }
}

impl ObjectRecord {
    pub(super) fn new(bucket: &str, key: &str) -> Self {
        Self { bucket: bucket.to_owned(), key: key.to_owned(), versions: Vec::new() }
    }

    /// The newest version, if it is an object.
    pub(super) fn current(&self) -> Option<(&VersionRecord, &Object)> {
        let newest = self.versions.first()?;
        newest.object.as_ref().map(|object| (newest, object))
    }

    pub(super) fn version(&self, id: &str) -> Option<&VersionRecord> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// Adds the newest version. One without an id of its own takes the place of the one before.
    /// Returns the content that nobody needs any more.
    pub(super) fn add(&mut self, version: VersionRecord) -> Result<Option<ContentId>, BucketError> {
        let replaced = match version.id.as_str() {
            NULL_VERSION => self.take(NULL_VERSION),
            _its_own => None,
        };
        if self.versions.len() >= VERSIONS_MAX {
            return Err(BucketError::TooManyVersions(VERSIONS_MAX));
        }
        self.versions.insert(0, version);
        Ok(replaced.and_then(|replaced| replaced.object).map(|object| object.content))
    }

    /// Takes a version away for good.
    pub(super) fn take(&mut self, id: &str) -> Option<VersionRecord> {
        let place = self.versions.iter().position(|version| version.id == id)?;
        Some(self.versions.remove(place))
    }
}

/// An upload that arrives in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    /// Its id.
    pub id: String,
    /// Where its object will be.
    pub bucket: String,
    /// The key that its object will have.
    pub key: String,
    /// When it was begun.
    pub initiated: Timestamp,
    /// What its object will have.
    pub metadata: Metadata,
}

/// A part that has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// What it is a part of.
    pub upload: String,
    /// Its number, from 1 on.
    pub number: u16,
    /// Where its bytes are.
    pub content: ContentId,
    /// How many there are.
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// When it arrived.
    pub modified: Timestamp,
    /// The checksum that it came with.
    pub checksum: Option<Checksum>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str) -> VersionRecord {
        VersionRecord { id: id.to_owned(), modified: Timestamp(0), object: None, upload: None }
    }

    fn ids(record: &ObjectRecord) -> Vec<&str> {
        record.versions.iter().map(|version| version.id.as_str()).collect()
    }

    #[test]
    fn a_version_without_an_id_replaces_only_its_like() {
        let mut record = ObjectRecord::new("bucket", "key");
        for id in ["null", "a", "null", "b", "null"] {
            record.add(version(id)).unwrap();
        }
        assert_eq!(ids(&record), ["null", "b", "a"]);
        assert!(record.take("a").is_some());
        assert!(record.take("a").is_none());
        assert_eq!(ids(&record), ["null", "b"]);
    }

    #[test]
    fn versions_of_one_key_are_bounded() {
        let mut record = ObjectRecord::new("bucket", "key");
        record.versions = vec![version("x"); VERSIONS_MAX];
        assert!(matches!(record.add(version("y")), Err(BucketError::TooManyVersions(_))));
    }

    #[test]
    fn metadata_has_two_kilobytes() {
        let fits = |length: usize| {
            let user = BTreeMap::from([("a".to_owned(), "b".repeat(length - 1))]);
            Metadata { user, ..Metadata::default() }.check().is_ok()
        };
        assert!(fits(METADATA_BYTES_MAX));
        assert!(!fits(METADATA_BYTES_MAX + 1));
    }
}
