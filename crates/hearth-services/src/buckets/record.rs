//! What is remembered of buckets, objects and uploads. No I/O.

use std::collections::BTreeMap;

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::checksum::{Algorithm, Checksum, ChecksumKind};
use super::content::ContentId;
use super::error::BucketError;
use super::settings::Settings;
use super::tags::Tags;
use crate::limits::METADATA_BYTES_MAX;

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
    /// Everything else that can be set.
    #[serde(default)]
    pub settings: Settings,
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
    /// The id of a version that is put now. One of its own says which rank it has, so that a listing
    /// can go on behind it when it has been deleted.
    pub(super) fn next_version(self, rank: u64) -> String {
        match self {
            Self::Never | Self::Suspended => NULL_VERSION.to_owned(),
            Self::Enabled => {
                let random = new_id();
                format!("{rank:016x}{}", random.get(..16).unwrap_or_default())
            }
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

/// The rank that the id of a version speaks of. Ids of earlier versions of this program, which speak of
/// none, look like ranks that will not be given for centuries.
pub(super) fn rank_of(version: &str) -> Option<u64> {
    let rank = u64::from_str_radix(version.get(..16)?, 16).ok()?;
    (version.len() == 32 && rank < 1 << 60).then_some(rank)
}

/// An id that cannot be guessed: 32 letters and digits.
pub(super) fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
}

/// An object: all but its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Where its bytes are.
    pub content: Content,
    /// How many there are.
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// The checksum that it was put with.
    pub checksum: Option<Checksum>,
    /// What that is made of.
    #[serde(default)]
    pub checksum_kind: ChecksumKind,
    /// What was said about it.
    pub metadata: Metadata,
    /// Its tags.
    #[serde(default)]
    pub tags: Tags,
}

/// Where the bytes of an object are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Beside its record: the piece of this id.
    Inline(u64),
    /// In a file.
    File(ContentId),
    /// In the files of so many parts, which the piece of this id names: a [`PartOfObject`] each.
    Parts {
        /// The piece.
        manifest: u64,
        /// How many parts there are.
        parts: u16,
    },
}

impl Content {
    /// The piece that it needs.
    pub(super) fn piece(self) -> Option<u64> {
        match self {
            Self::Inline(piece) | Self::Parts { manifest: piece, .. } => Some(piece),
            Self::File(_) => None,
        }
    }
}

/// A part of an object that was put together from parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOfObject {
    /// Its number.
    pub number: u16,
    /// How many bytes it has.
    pub size: u64,
    /// Where they are.
    pub content: ContentId,
    /// The checksum that it came with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
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
    /// The tags of its object.
    #[serde(default)]
    pub tags: Tags,
    /// The checksum that its parts and its object have; none if nobody asked for one.
    #[serde(default)]
    pub checksum: Option<(Algorithm, ChecksumKind)>,
}

impl UploadRecord {
    /// The checksum that its parts and its object have.
    #[must_use]
    pub fn checksum(&self) -> (Algorithm, ChecksumKind) {
        let default = || (Algorithm::DEFAULT, Algorithm::DEFAULT.kind_of_uploads());
        self.checksum.unwrap_or_else(default)
    }
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
    /// The checksum of its upload, if it came with another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Checksum>,
}

/// A record as the shelf keeps it.
pub(super) fn written(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("a record can be written as JSON")
}

/// A record that the shelf has kept.
pub(super) fn read<'a, T: Deserialize<'a>>(document: &'a str) -> Result<T, BucketError> {
    serde_json::from_str(document).map_err(BucketError::Document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_has_two_kilobytes() {
        let fits = |length: usize| {
            let user = BTreeMap::from([("a".to_owned(), "b".repeat(length - 1))]);
            Metadata { user, ..Metadata::default() }.check().is_ok()
        };
        assert!(fits(METADATA_BYTES_MAX));
        assert!(!fits(METADATA_BYTES_MAX + 1));
    }

    #[test]
    fn the_id_of_a_version_says_its_rank() {
        let id = Versioning::Enabled.next_version(117_663_598_000_000_001);
        assert_eq!((id.len(), rank_of(&id)), (32, Some(117_663_598_000_000_001)));
        let random = "ffff0000ffff0000ffff0000ffff0000";
        for other in [NULL_VERSION, "", "x", random] {
            assert_eq!(rank_of(other), None, "{other}");
        }
        assert_eq!(Versioning::Suspended.next_version(1), NULL_VERSION);
    }

    #[test]
    fn a_bucket_of_an_earlier_version_has_the_settings_of_a_new_one() {
        let document = r#"{"name":"b","scope":{"account":"000000000000","region":"us-east-1"},
                           "created":1,"versioning":"Never"}"#;
        let bucket: BucketRecord = read(document).unwrap();
        assert_eq!(bucket.settings, Settings::default());
    }
}
