//! What must be true of an object before something is done with it. Pure.

use hearth_types::time::Timestamp;

use super::error::BucketError;
use super::record::{Object, VersionRecord};

/// What must be true of a key when it is written or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Condition {
    /// Nothing.
    #[default]
    None,
    /// There is no object.
    Absent,
    /// There is one.
    Present,
    /// There is one with this ETag.
    Matches(String),
}

/// ETags that a request names, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETags {
    /// Any.
    Any,
    /// One of these.
    These(Vec<String>),
}

/// What must be true of an object when it is read or copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preconditions {
    /// It has one of these ETags.
    pub matches: Option<ETags>,
    /// It has none of these.
    pub matches_none: Option<ETags>,
    /// It was put after this second since 1970.
    pub modified_since: Option<u64>,
    /// It was not.
    pub unmodified_since: Option<u64>,
}

/// What follows from conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// They hold.
    Proceed,
    /// The caller knows the object already.
    NotModified,
    /// They do not hold.
    Failed,
}

impl Condition {
    /// Looks at what is there.
    pub(super) fn check(&self, newest: Option<&VersionRecord>) -> Result<(), BucketError> {
        let current = newest.and_then(|newest| newest.object.as_ref());
        match (self, current) {
            (Self::None, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Matches(etag), Some(object)) if *etag == object.etag => Ok(()),
            (Self::Present | Self::Matches(_), None) => Err(BucketError::NoSuchKey),
            (Self::Absent | Self::Matches(_), Some(_)) => Err(BucketError::PreconditionFailed),
        }
    }
}

impl ETags {
    /// Whether this one is named.
    fn name(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::These(etags) => etags.iter().any(|one| one == etag),
        }
    }
}

impl Preconditions {
    /// Looks at an object. An ETag that is named says more than a time.
    #[must_use]
    pub fn conclude(&self, object: &Object, modified: Timestamp) -> Conclusion {
        let modified = modified.0 / 1_000;
        let is_right = match &self.matches {
            Some(etags) => etags.name(&object.etag),
            None => self.unmodified_since.is_none_or(|since| modified <= since),
        };
        if !is_right {
            return Conclusion::Failed;
        }
        let is_known = match &self.matches_none {
            Some(etags) => etags.name(&object.etag),
            None => self.modified_since.is_some_and(|since| modified <= since),
        };
        if is_known { Conclusion::NotModified } else { Conclusion::Proceed }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checksum::ChecksumKind;
    use super::super::record::{Content, Metadata};
    use super::super::tags::Tags;
    use super::*;

    fn object() -> Object {
        Object {
            content: Content::Inline(1),
            size: 0,
            etag: "e".to_owned(),
            checksum: None,
            checksum_kind: ChecksumKind::FullObject,
            metadata: Metadata::default(),
            tags: Tags::default(),
        }
    }

    #[test]
    fn conditions_of_writing() {
        let version = |object| VersionRecord {
            id: "v".to_owned(),
            modified: Timestamp(0),
            object,
            upload: None,
        };
        let (there, marker) = (version(Some(object())), version(None));
        let matches = |etag: &str| Condition::Matches(etag.to_owned());
        #[rustfmt::skip]
        let rows = [
            (Condition::None,    None,          ""),
            (Condition::None,    Some(&there),  ""),
            (Condition::Absent,  None,          ""),
            (Condition::Absent,  Some(&marker), ""),
            (Condition::Absent,  Some(&there),  "PreconditionFailed"),
            (Condition::Present, Some(&there),  ""),
            (Condition::Present, Some(&marker), "NoSuchKey"),
            (matches("e"),       Some(&there),  ""),
            (matches("f"),       Some(&there),  "PreconditionFailed"),
            (matches("e"),       Some(&marker), "NoSuchKey"),
            (matches("e"),       None,          "NoSuchKey"),
        ];
        for (condition, newest, refusal) in rows {
            let found = condition.check(newest);
            let found = found.as_ref().err().map_or("", BucketError::code);
            assert_eq!(found, refusal, "{condition:?} {newest:?}");
        }
    }

    #[test]
    fn an_etag_says_more_than_a_time() {
        let these = |etags: &[&str]| {
            Some(ETags::These(etags.iter().map(|etag| (*etag).to_owned()).collect()))
        };
        let (yes, no, any) = (these(&["x", "e"]), these(&["x"]), Some(ETags::Any));
        let with = |matches: &Option<ETags>, matches_none: &Option<ETags>| Preconditions {
            matches: matches.clone(),
            matches_none: matches_none.clone(),
            ..Preconditions::default()
        };
        let times = |modified_since, unmodified_since| Preconditions {
            modified_since,
            unmodified_since,
            ..Preconditions::default()
        };
        #[rustfmt::skip]
        let rows = [
            ("nothing",              Preconditions::default(),                                          Conclusion::Proceed),
            ("matches",              with(&yes, &None),                                                 Conclusion::Proceed),
            ("matches any",          with(&any, &None),                                                 Conclusion::Proceed),
            ("does not match",       with(&no, &None),                                                  Conclusion::Failed),
            ("is known",             with(&None, &yes),                                                 Conclusion::NotModified),
            ("any is known",         with(&None, &any),                                                 Conclusion::NotModified),
            ("is not known",         with(&None, &no),                                                  Conclusion::Proceed),
            ("both",                 with(&yes, &yes),                                                  Conclusion::NotModified),
            ("modified since",       times(Some(99), None),                                             Conclusion::Proceed),
            ("not modified since",   times(Some(100), None),                                            Conclusion::NotModified),
            ("unmodified since",     times(None, Some(100)),                                            Conclusion::Proceed),
            ("modified meanwhile",   times(None, Some(99)),                                             Conclusion::Failed),
            ("modified, but matches", Preconditions { matches: yes, ..times(None, Some(99)) },          Conclusion::Proceed),
            ("old, but not known",   Preconditions { matches_none: no, ..times(Some(100), None) },      Conclusion::Proceed),
        ];
        for (name, conditions, expected) in rows {
            // In the middle of a second.
            assert_eq!(conditions.conclude(&object(), Timestamp(100_500)), expected, "{name}");
        }
    }
}
