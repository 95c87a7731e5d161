//! What can happen to an object, by S3's names.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What happened to an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EventKind {
    /// It was put.
    #[default]
    Put,
    /// It was put by a form.
    Post,
    /// It was copied.
    Copy,
    /// Its parts were put together.
    CompleteUpload,
    /// It, or a version of it, was deleted for good.
    Delete,
    /// A delete marker was put before it.
    DeleteMarker,
    /// It got tags.
    PutTags,
    /// It lost its tags.
    DeleteTags,
    /// It, or a version of it, was deleted for good by the rules of its bucket.
    Expire,
    /// A delete marker was put before it by the rules of its bucket.
    ExpireWithMarker,
}

/// The events that a configuration may name. The last part may be `*`.
///
/// Some of them do not happen here, because there is nothing that they could happen to: replication,
/// other storage classes, access control lists, retention and annotations of objects.
const PATTERNS: &[&str] = &[
    "s3:ReducedRedundancyLostObject",
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationNotTracked",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
    "s3:ObjectAnnotation:*",
    "s3:ObjectAnnotation:Put",
    "s3:ObjectAnnotation:Delete",
    "s3:ObjectRetention:Put",
];

/// Which events are meant: one of the names that S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPattern(&'static str);

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Put,
        Self::Post,
        Self::Copy,
        Self::CompleteUpload,
        Self::Delete,
        Self::DeleteMarker,
        Self::PutTags,
        Self::DeleteTags,
        Self::Expire,
        Self::ExpireWithMarker,
    ];

    /// Its name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "ObjectCreated:Put",
            Self::Post => "ObjectCreated:Post",
            Self::Copy => "ObjectCreated:Copy",
            Self::CompleteUpload => "ObjectCreated:CompleteMultipartUpload",
            Self::Delete => "ObjectRemoved:Delete",
            Self::DeleteMarker => "ObjectRemoved:DeleteMarkerCreated",
            Self::PutTags => "ObjectTagging:Put",
            Self::DeleteTags => "ObjectTagging:Delete",
            Self::Expire => "LifecycleExpiration:Delete",
            Self::ExpireWithMarker => "LifecycleExpiration:DeleteMarkerCreated",
        }
    }

    /// The version of the record of such an event.
    pub(super) fn record_version(self) -> &'static str {
        match self {
            Self::Put
            | Self::Post
            | Self::Copy
            | Self::CompleteUpload
            | Self::Delete
            | Self::DeleteMarker => "2.1",
            Self::PutTags | Self::DeleteTags | Self::Expire | Self::ExpireWithMarker => "2.3",
        }
    }

    /// Whether an object came to be.
    pub(super) fn is_creation(self) -> bool {
        match self {
            Self::Put | Self::Post | Self::Copy | Self::CompleteUpload => true,
            Self::Delete
            | Self::DeleteMarker
            | Self::PutTags
            | Self::DeleteTags
            | Self::Expire
            | Self::ExpireWithMarker => false,
        }
    }

    /// Whether it is about the tags of an object, which stays as it is.
    pub(super) fn is_about_tags(self) -> bool {
        matches!(self, Self::PutTags | Self::DeleteTags)
    }

    /// The `detail-type` of such an event on a bus.
    pub(super) fn detail_type(self) -> &'static str {
        match self {
            Self::Put | Self::Post | Self::Copy | Self::CompleteUpload => "Object Created",
            Self::Delete | Self::DeleteMarker | Self::Expire | Self::ExpireWithMarker => {
                "Object Deleted"
            }
            Self::PutTags => "Object Tags Added",
            Self::DeleteTags => "Object Tags Deleted",
        }
    }

    /// What brought it about, as it is told on a bus.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Put => Some("PutObject"),
            Self::Post => Some("POST Object"),
            Self::Copy => Some("CopyObject"),
            Self::CompleteUpload => Some("CompleteMultipartUpload"),
            Self::Delete | Self::DeleteMarker => Some("DeleteObject"),
            Self::Expire | Self::ExpireWithMarker => Some("Lifecycle Expiration"),
            Self::PutTags | Self::DeleteTags => None,
        }
    }

    /// What a deletion left, as it is told on a bus.
    pub(super) fn deletion_type(self) -> Option<&'static str> {
        match self {
            Self::Delete | Self::Expire => Some("Permanently Deleted"),
            Self::DeleteMarker | Self::ExpireWithMarker => Some("Delete Marker Created"),
            Self::Put
            | Self::Post
            | Self::Copy
            | Self::CompleteUpload
            | Self::PutTags
            | Self::DeleteTags => None,
        }
    }
}

impl EventPattern {
    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        PATTERNS.iter().copied().find(|name| *name == text).map(Self)
    }

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether it means such an event.
    #[must_use]
    pub fn covers(self, kind: EventKind) -> bool {
        let name = self.0.strip_prefix("s3:").unwrap_or(self.0);
        match name.strip_suffix('*') {
            Some(group) => kind.name().starts_with(group),
            None => kind.name() == name,
        }
    }

    /// Whether there is an event that both mean.
    pub(super) fn overlaps(self, other: Self) -> bool {
        let covers = |wide: &str, narrow: &str| match wide.strip_suffix('*') {
            Some(group) => narrow.starts_with(group),
            None => wide == narrow,
        };
        covers(self.0, other.0) || covers(other.0, self.0)
    }
}

impl Serialize for EventPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

// Not derived: that would ask whatever is read to live as long as the names.
impl<'de> Deserialize<'de> for EventPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unknown = || D::Error::custom(format_args!("`{text}` is not an event of S3"));
        Self::parse(&text).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> EventPattern {
        EventPattern::parse(text).unwrap()
    }

    #[test]
    fn every_event_has_a_name_of_its_own_and_is_meant_by_its_group() {
        for kind in EventKind::ALL {
            let own = format!("s3:{}", kind.name());
            let group = own.rsplit_once(':').map(|(group, _)| format!("{group}:*")).unwrap();
            for other in EventKind::ALL {
                assert_eq!(pattern(&own).covers(other), kind == other, "{own} {other:?}");
            }
            assert!(pattern(&group).covers(kind), "{group}");
        }
    }

    #[test]
    fn groups_mean_only_their_own() {
        #[rustfmt::skip]
        let rows = [
            ("s3:ObjectCreated:*",       EventKind::Copy,             true),
            ("s3:ObjectCreated:*",       EventKind::Delete,           false),
            ("s3:ObjectRemoved:*",       EventKind::DeleteMarker,     true),
            ("s3:ObjectRemoved:*",       EventKind::Expire,           false),
            ("s3:LifecycleExpiration:*", EventKind::ExpireWithMarker, true),
            ("s3:ObjectTagging:*",       EventKind::DeleteTags,       true),
            ("s3:ObjectRestore:*",       EventKind::Put,              false),
        ];
        for (name, kind, expected) in rows {
            assert_eq!(pattern(name).covers(kind), expected, "{name} {kind:?}");
        }
    }

    #[test]
    fn only_known_names_are_read() {
        for name in PATTERNS {
            assert_eq!(pattern(name).as_str(), *name);
        }
        for name in ["", "*", "s3:*", "s3:ObjectCreated", "s3:objectcreated:put", "s3:TestEvent"] {
            assert_eq!(EventPattern::parse(name), None, "{name}");
        }
    }

    #[test]
    fn patterns_overlap_if_one_event_is_meant_by_both() {
        #[rustfmt::skip]
        let rows = [
            ("s3:ObjectCreated:*",   "s3:ObjectCreated:Put",  true),
            ("s3:ObjectCreated:*",   "s3:ObjectCreated:*",    true),
            ("s3:ObjectCreated:Put", "s3:ObjectCreated:Copy", false),
            ("s3:ObjectCreated:*",   "s3:ObjectRemoved:*",    false),
        ];
        for (one, other, expected) in rows {
            assert_eq!(pattern(one).overlaps(pattern(other)), expected, "{one} {other}");
            assert_eq!(pattern(other).overlaps(pattern(one)), expected, "{other} {one}");
        }
    }
}
