//! What becomes of the versions of a key when one is put or taken away. Pure.
//!
//! ```text
//!            put                      take the newest
//!  newest ──────────▶ older          older ──────────▶ newest
//! ```
//!
//! # Promises
//!
//! 1. A key has at most one version without an id of its own, whatever was put in whatever order.
//! 2. Of every object that is not there any more, the content is named, once.

use bytes::Bytes;
use hearth_store::shelf::{Place, Row, RowKind, Whole, Write};

use super::error::BucketError;
use super::record::{self, Content, NULL_VERSION, VersionRecord};

/// A version of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The greater, the newer.
    pub(super) rank: u64,
    pub(super) record: VersionRecord,
    /// The piece that its content names, if it was read with it.
    pub(super) piece: Option<Bytes>,
}

/// What a key has that a new version may take the place of.
#[derive(Debug, Default)]
pub(super) struct Before<'a> {
    /// The newest version.
    pub(super) newest: Option<&'a Entry>,
    /// One without an id of its own that is not the newest.
    pub(super) null: Option<&'a Entry>,
}

/// What a change leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Effects {
    pub(super) writes: Vec<Write>,
    /// What nobody needs any more.
    pub(super) dropped: Vec<Content>,
}

impl Entry {
    pub(super) fn read(whole: Whole) -> Result<Self, BucketError> {
        Ok(Self { piece: whole.piece, ..Self::of_row(&whole.row)? })
    }

    pub(super) fn of_row(row: &Row) -> Result<Self, BucketError> {
        Ok(Self { rank: row.rank, record: record::read(&row.document)?, piece: None })
    }

    pub(super) fn row(&self, (bucket, key): (&str, &str)) -> Row {
        let content = self.record.object.as_ref().map(|object| object.content);
        let kind = match content {
            None => RowKind::Marker,
            Some(Content::Inline(_)) => RowKind::Small,
            Some(Content::File(_) | Content::Parts { .. }) => RowKind::Large,
        };
        Row {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            rank: self.rank,
            version: self.record.id.clone(),
            kind,
            upload: self.record.upload.clone(),
            piece: content.and_then(Content::piece),
            document: record::written(&self.record),
        }
    }
}

impl Effects {
    fn dropped(&mut self, entry: &Entry) {
        let object = entry.record.object.as_ref();
        self.dropped.extend(object.map(|object| object.content));
    }

    fn remove_older(&mut self, (bucket, key): (&str, &str), rank: u64) {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.writes.push(Write::RemoveOlder { bucket, key, rank });
    }
}

/// Puts the newest version. One without an id of its own takes the place of the one before.
pub(super) fn put(place: (&str, &str), before: &Before<'_>, new: &Entry) -> Effects {
    let mut effects = Effects::default();
    match before.newest {
        Some(newest) if newest.record.id == new.record.id => effects.dropped(newest),
        Some(newest) => effects.writes.push(Write::Put(Place::Older, newest.row(place))),
        None => {}
    }
    let null = before.null.filter(|_null| new.record.id == NULL_VERSION);
    if let Some(null) = null {
        effects.remove_older(place, null.rank);
        effects.dropped(null);
    }
    effects.writes.push(Write::Put(Place::Newest, new.row(place)));
    effects
}

/// Takes the newest version away for good. The newest of the others takes its place.
pub(super) fn take_newest(place: (&str, &str), newest: &Entry, next: Option<&Entry>) -> Effects {
    let mut effects = Effects::default();
    effects.dropped(newest);
    match next {
        Some(next) => {
            effects.remove_older(place, next.rank);
            effects.writes.push(Write::Put(Place::Newest, next.row(place)));
        }
        None => {
            let (bucket, key) = (place.0.to_owned(), place.1.to_owned());
            effects.writes.push(Write::RemoveNewest { bucket, key });
        }
    }
    effects
}

/// Takes another version away for good.
pub(super) fn take_older(place: (&str, &str), entry: &Entry) -> Effects {
    let mut effects = Effects::default();
    effects.dropped(entry);
    effects.remove_older(place, entry.rank);
    effects
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hearth_types::time::Timestamp;
    use proptest::prelude::*;

    use super::super::checksum::ChecksumKind;
    use super::super::record::{Metadata, Object};
    use super::super::tags::Tags;
    use super::*;

    const PLACE: (&str, &str) = ("bucket", "key");

    /// What the shelf has of the key, as the writes leave it.
    #[derive(Debug, Default)]
    struct Model {
        newest: Option<Row>,
        older: BTreeMap<u64, Row>,
    }

    impl Model {
        fn apply(&mut self, effects: &Effects) {
            for write in &effects.writes {
                match write {
                    Write::Put(Place::Newest, row) => self.newest = Some(row.clone()),
                    Write::Put(Place::Older, row) => {
                        assert!(self.older.insert(row.rank, row.clone()).is_none());
                    }
                    Write::RemoveNewest { .. } => assert!(self.newest.take().is_some()),
                    Write::RemoveOlder { rank, .. } => {
                        assert!(self.older.remove(rank).is_some());
                    }
                    Write::PutPiece(..)
                    | Write::RemovePiece(_)
                    | Write::PutUpload(_)
                    | Write::RemoveUpload { .. }
                    | Write::PutPart(_)
                    | Write::PutNote(..)
                    | Write::RemoveNote(_) => panic!("{write:?} is of no version"),
                }
            }
        }

        fn entries(&self) -> Vec<Entry> {
            let rows = self.newest.iter().chain(self.older.values().rev());
            rows.map(|row| Entry::of_row(row).unwrap()).collect()
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Put { is_null: bool, is_marker: bool },
        Take(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => any::<(bool, bool)>()
                .prop_map(|(is_null, is_marker)| Step::Put { is_null, is_marker }),
            1 => (0_usize..4).prop_map(Step::Take),
        ]
    }

    fn entry(rank: u64, (is_null, is_marker): (bool, bool)) -> Entry {
        let object = Object {
            content: Content::Inline(rank),
            size: 0,
            etag: String::new(),
            checksum: None,
            checksum_kind: ChecksumKind::FullObject,
            metadata: Metadata::default(),
            tags: Tags::default(),
        };
        let id = if is_null { NULL_VERSION.to_owned() } else { format!("v{rank}") };
        let object = (!is_marker).then_some(object);
        let record = VersionRecord { id, modified: Timestamp(0), object, upload: None };
        Entry { rank, record, piece: None }
    }

    proptest! {
        #[test]
        fn versions_are_what_a_list_of_them_would_be(
            steps in proptest::collection::vec(step(), 0..40)
        ) {
            let (mut model, mut list): (Model, Vec<Entry>) = Default::default();
            let (mut put_contents, mut dropped) = (Vec::new(), Vec::new());
            for (rank, step) in (1..).zip(steps) {
                let effects = match step {
                    Step::Put { is_null, is_marker } => {
                        let new = entry(rank, (is_null, is_marker));
                        let null = list.iter().skip(1).find(|it| it.record.id == NULL_VERSION);
                        let effects = put(PLACE, &Before { newest: list.first(), null }, &new);
                        put_contents.extend(new.record.object.as_ref().map(|it| it.content));
                        list.retain(|it| !is_null || it.record.id != NULL_VERSION);
                        list.insert(0, new);
                        effects
                    }
                    Step::Take(place) if place < list.len() => {
                        let effects = if place == 0 {
                            take_newest(PLACE, &list[0], list.get(1))
                        } else {
                            take_older(PLACE, &list[place])
                        };
                        list.remove(place);
                        effects
                    }
                    Step::Take(_) => continue,
                };
                model.apply(&effects);
                dropped.extend(effects.dropped);
                prop_assert_eq!(&model.entries(), &list);
            }
            // What was put is there or was dropped, and never both.
            let there = list.iter().filter_map(|it| Some(it.record.object.as_ref()?.content));
            let mut all: Vec<_> = there.chain(dropped).filter_map(Content::piece).collect();
            all.sort_unstable();
            let put_pieces: Vec<_> = put_contents.into_iter().filter_map(Content::piece).collect();
            prop_assert_eq!(all, put_pieces);
        }
    }
}
