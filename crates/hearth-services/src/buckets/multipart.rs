//! Uploads in parts.
//!
//! Each part is a file of its own, and the object that is put together from them consists of these
//! files: nothing is copied. To complete an upload again is answered with the object, as long as it
//! is there.

use std::collections::HashMap;

use hearth_store::shelf::{PartRow, Start, UploadRow, Write};
use hearth_types::time::Timestamp;
use md5::Md5;
use sha2::Digest as _;

use super::Buckets;
use super::checksum::{Algorithm, Checksum, ChecksumKind};
use super::conditions::Condition;
use super::content::ContentId;
use super::error::BucketError;
use super::keys::Turn;
use super::lifecycle;
use super::names::check_key;
use super::notifications::{EventKind, Occasion};
use super::objects::{NewBytes, NewVersion, Put, Stored};
use super::receiving::{Expected, Held, Keep, NewContent, Receiving, compare, hex};
use super::record::{
    self, Content, Metadata, PartOfObject, PartRecord, UploadRecord, VersionRecord, new_id,
};
use super::tags::Tags;
use super::versions::Effects;
use crate::limits::{OBJECT_OF_PARTS_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX};

/// How many uploads are forgotten in one go.
const FORGOTTEN_TOGETHER: usize = 100;

/// Which upload is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UploadName {
    /// The bucket.
    pub bucket: String,
    /// The key that its object will have.
    pub key: String,
    /// Its id.
    pub id: String,
}

/// An upload that shall begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewUpload {
    /// The bucket.
    pub bucket: String,
    /// The key that its object will have.
    pub key: String,
    /// What will be said about it.
    pub metadata: Metadata,
    /// Its tags.
    pub tags: Tags,
    /// The checksum that its parts and its object have, if that matters.
    pub checksum: Option<(Algorithm, ChecksumKind)>,
}

/// How an upload is completed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Complete {
    /// The parts that its object consists of: their numbers, ascending, and ETags without quotes.
    pub parts: Vec<(u16, String)>,
    /// Checksums of them, by their numbers: what they must have arrived with.
    pub checksums: Vec<(u16, Checksum)>,
    /// What must be true of the key.
    pub condition: Condition,
    /// The checksum of the whole object.
    pub checksum: Option<Checksum>,
    /// What it is made of, if that is said.
    pub checksum_kind: Option<ChecksumKind>,
    /// How many bytes the object must have, if that is said.
    pub size: Option<u64>,
    /// Who asks for it.
    pub occasion: Occasion,
}

impl Buckets {
    /// Begins an upload.
    ///
    /// # Errors
    ///
    /// If the object could not be put, or the store failed.
    pub async fn create_upload(&self, new: NewUpload) -> Result<UploadRecord, BucketError> {
        let NewUpload { bucket, key, metadata, tags, checksum } = new;
        check_key(&key)?;
        metadata.check()?;
        if let Some((algorithm, kind)) = checksum
            && !algorithm.has_kind(kind)
        {
            let (algorithm, kind) = (algorithm.name().to_ascii_lowercase(), kind.name());
            let text = format!(
                "The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
            );
            return Err(BucketError::InvalidRequest(text));
        }
        let turn = self.turn(&bucket, &key).await?;
        let record = UploadRecord {
            id: new_id(),
            bucket,
            key,
            initiated: self.clock.now(),
            metadata,
            tags,
            checksum,
        };
        let row = UploadRow {
            bucket: turn.bucket.name.clone(),
            key: record.key.clone(),
            id: record.id.clone(),
            document: record::written(&record),
        };
        let kept = self.shelf.apply(vec![Write::PutUpload(row)]).await;
        kept.map_err(BucketError::Store)?;
        Ok(record)
    }

    /// When an upload is forgotten by the rules of its bucket, and by which one.
    #[must_use]
    pub fn upload_expires(&self, upload: &UploadRecord) -> Option<(Timestamp, String)> {
        let bucket = self.bucket(&upload.bucket).ok()?;
        let rules = &bucket.settings.lifecycle;
        let due = lifecycle::upload_expires(rules, &upload.key, upload.initiated);
        due.map(|(due, rule)| (due, rule.to_owned()))
    }

    /// Begins to take the bytes of a part. `expected` says which checksum it comes with; without
    /// one, it gets that of its upload.
    ///
    /// # Errors
    ///
    /// If there is no such upload, or it has other checksums.
    pub async fn receive_part(
        &self,
        upload: &UploadName,
        expected: Expected,
    ) -> Result<Receiving, BucketError> {
        let record = self.upload(upload).await?;
        let (algorithm, _kind) = record.checksum();
        let given = expected.checksum.as_ref().map(|given| given.algorithm);
        let given = given.or(expected.algorithm);
        if record.checksum.is_some() && given.is_some_and(|given| given != algorithm) {
            let given = given.map_or("null", Algorithm::name).to_ascii_lowercase();
            let text = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {given}",
                algorithm.name().to_ascii_lowercase()
            );
            return Err(BucketError::InvalidRequest(text));
        }
        // Whatever a part comes with: the object gets the checksum of the upload.
        let (algorithm, also) = (given.or(Some(algorithm)), Some(algorithm));
        Ok(self.contents.receive(Expected { algorithm, also, ..expected }, Keep::InFile))
    }

    /// Keeps a part whose bytes have arrived, in place of the one of the same number.
    ///
    /// # Errors
    ///
    /// If there is no such upload, or the store failed.
    pub async fn put_part(
        &self,
        upload: &UploadName,
        number: u16,
        content: NewContent,
    ) -> Result<PartRecord, BucketError> {
        check_number(number)?;
        let NewContent { held, size, etag, checksum, also } = content;
        let Held::File(place) = held else {
            let text = "The bytes of a part were not received as such.";
            return Err(BucketError::InvalidRequest(text.to_owned()));
        };
        let _turn = self.turn(&upload.bucket, &upload.key).await?;
        let record = self.upload(upload).await?;
        let before = self.shelf.part(&record.id, number).await.map_err(BucketError::Store)?;
        let before: Option<PartRecord> =
            before.map(|row| record::read(&row.document)).transpose()?;
        let modified = self.clock.now();
        let (upload, content) = (record.id, place.id);
        let part = PartRecord { upload, number, content, size, etag, modified, checksum, also };
        let document = record::written(&part);
        let row = PartRow { upload: part.upload.clone(), number, document };
        // A store that fails may have the record nevertheless.
        place.keep();
        let kept = self.shelf.apply(vec![Write::PutPart(row)]).await;
        kept.map_err(BucketError::Store)?;
        self.contents.remove(before.into_iter().map(|before| before.content).collect()).await;
        Ok(part)
    }

    /// An upload and some of its parts, in order, from behind a number on.
    ///
    /// # Errors
    ///
    /// If there is no such upload.
    pub async fn list_parts(
        &self,
        upload: &UploadName,
        after: u16,
        items: usize,
    ) -> Result<(UploadRecord, Vec<PartRecord>), BucketError> {
        let record = self.upload(upload).await?;
        let parts = self.parts_after(&record.id, after, items).await?;
        Ok((record, parts))
    }

    /// Puts the object together, and forgets the upload. An upload that was completed before is
    /// answered with the object that was made of it.
    ///
    /// # Errors
    ///
    /// If the parts are not those that arrived, the object may not be put, or the store failed.
    pub async fn complete_upload(
        &self,
        upload: &UploadName,
        complete: Complete,
    ) -> Result<Stored, BucketError> {
        let turn = self.turn(&upload.bucket, &upload.key).await?;
        if let Some(stored) = self.completed(&turn, upload).await? {
            return Ok(stored);
        }
        let record = self.upload(upload).await?;
        let arrived = self.parts_after(&record.id, 0, usize::from(PARTS_MAX)).await?;
        let parts = choose(&arrived, &complete.parts)?;
        compare_parts(&parts, &complete.checksums)?;
        let size: u64 = parts.iter().map(|part| part.size).sum();
        if size > OBJECT_OF_PARTS_BYTES_MAX {
            return Err(BucketError::EntityTooLarge);
        }
        if complete.size.is_some_and(|expected| expected != size) {
            let text = "The provided 'x-amz-mp-object-size' header value does not match what was computed.";
            return Err(BucketError::InvalidRequest(text.to_owned()));
        }
        let (checksum, checksum_kind) = whole_checksum(&record, &parts, &complete)?;
        let etag = etag_of_parts(&parts);
        let (bucket, key) = (turn.bucket.name.clone(), record.key.clone());
        let writes = vec![Write::RemoveUpload { bucket, key, id: record.id.clone() }];
        let of_object = parts.iter().map(|part| PartOfObject {
            number: part.number,
            size: part.size,
            content: part.content,
            checksum: part.checksum.clone(),
        });
        let is_unused =
            |it: &&PartRecord| parts.binary_search_by_key(&it.number, |part| part.number).is_err();
        let unused = arrived.iter().filter(is_unused);
        let new = NewVersion {
            held: NewBytes::Parts(of_object.collect(), Vec::new()),
            size,
            etag,
            checksum,
            checksum_kind,
            upload: Some(record.id),
            also: Effects { writes, dropped: unused.map(|it| Content::File(it.content)).collect() },
        };
        let put = Put {
            bucket: record.bucket,
            key: record.key,
            metadata: record.metadata,
            tags: record.tags,
            condition: complete.condition,
            kind: EventKind::CompleteUpload,
            occasion: complete.occasion,
        };
        self.put_in_turn(&turn, put, new).await
    }

    /// The object that was made of an upload, if it is still there.
    async fn completed(
        &self,
        turn: &Turn<'_>,
        upload: &UploadName,
    ) -> Result<Option<Stored>, BucketError> {
        let found = self.shelf.of_upload(&turn.bucket.name, &upload.key, &upload.id).await;
        let Some(row) = found.map_err(BucketError::Store)? else { return Ok(None) };
        let VersionRecord { id, modified, object, .. } = record::read(&row.document)?;
        Ok(object.map(|object| Stored {
            version: turn.bucket.versioning.shown(&id),
            etag: object.etag,
            size: object.size,
            modified,
            checksum: object.checksum,
            checksum_kind: object.checksum_kind,
            expires: None,
        }))
    }

    /// Forgets an upload and its parts.
    ///
    /// # Errors
    ///
    /// If there is no such upload, or the store failed.
    pub async fn abort_upload(&self, upload: &UploadName) -> Result<(), BucketError> {
        let _turn = self.turn(&upload.bucket, &upload.key).await?;
        let record = self.upload(upload).await?;
        self.forget_upload(&record.bucket, &record.key, &record.id).await
    }

    /// The caller keeps other writers away.
    async fn forget_upload(&self, bucket: &str, key: &str, id: &str) -> Result<(), BucketError> {
        let parts = self.parts_after(id, 0, usize::from(PARTS_MAX)).await?;
        let contents: Vec<ContentId> = parts.into_iter().map(|part| part.content).collect();
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        let removed = self.shelf.apply(vec![Write::RemoveUpload { bucket, key, id }]).await;
        removed.map_err(BucketError::Store)?;
        self.contents.remove(contents).await;
        Ok(())
    }

    /// Forgets all uploads of a bucket. The caller keeps other writers away.
    pub(super) async fn forget_uploads(&self, bucket: &str) -> Result<(), BucketError> {
        loop {
            let first = Start::At(Vec::new());
            let found = self.shelf.uploads(bucket, (&first, ""), FORGOTTEN_TOGETHER).await;
            let uploads = found.map_err(BucketError::Store)?;
            if uploads.is_empty() {
                return Ok(());
            }
            for upload in uploads {
                self.forget_upload(&upload.bucket, &upload.key, &upload.id).await?;
            }
        }
    }

    pub(super) async fn upload(&self, upload: &UploadName) -> Result<UploadRecord, BucketError> {
        let bucket = self.bucket(&upload.bucket)?;
        let place = (bucket.name.as_str(), upload.key.as_str());
        let found = self.shelf.upload(place, &upload.id).await.map_err(BucketError::Store)?;
        record::read(&found.ok_or(BucketError::NoSuchUpload)?.document)
    }

    async fn parts_after(
        &self,
        id: &str,
        after: u16,
        items: usize,
    ) -> Result<Vec<PartRecord>, BucketError> {
        let rows = self.shelf.parts(id, after, items).await.map_err(BucketError::Store)?;
        rows.iter().map(|row| record::read(&row.document)).collect()
    }
}

pub(super) fn check_number(number: u16) -> Result<(), BucketError> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(());
    }
    let text = format!("Part number must be an integer between 1 and {PARTS_MAX}, inclusive");
    Err(BucketError::InvalidArgument(text))
}

/// The parts that are named, of those that have arrived.
fn choose(arrived: &[PartRecord], named: &[(u16, String)]) -> Result<Vec<PartRecord>, BucketError> {
    if !named.is_sorted_by(|(one, _), (other, _)| one < other) {
        return Err(BucketError::InvalidPartOrder);
    }
    let mut chosen = Vec::with_capacity(named.len());
    for (number, etag) in named {
        let place = arrived.binary_search_by_key(number, |part| part.number);
        let part = place.ok().and_then(|place| arrived.get(place));
        let part = part.filter(|part| part.etag == *etag).ok_or(BucketError::InvalidPart)?;
        chosen.push(part.clone());
    }
    match chosen.split_last() {
        None => Err(BucketError::InvalidPart),
        Some((_, others)) if others.iter().any(|part| part.size < PART_BYTES_MIN) => {
            Err(BucketError::EntityTooSmall)
        }
        Some(_) => Ok(chosen),
    }
}

/// Refuses parts that arrived with other checksums than they are named with.
fn compare_parts(chosen: &[PartRecord], checksums: &[(u16, Checksum)]) -> Result<(), BucketError> {
    let by_number: HashMap<u16, &PartRecord> =
        chosen.iter().map(|part| (part.number, part)).collect();
    let is_right = |(number, given): &(u16, Checksum)| {
        by_number.get(number).is_some_and(|part| part.checksum.as_ref() == Some(given))
    };
    if checksums.iter().all(is_right) { Ok(()) } else { Err(BucketError::InvalidPart) }
}

/// The checksum of the whole object, which must be the one that is given.
fn whole_checksum(
    record: &UploadRecord,
    parts: &[PartRecord],
    complete: &Complete,
) -> Result<(Option<Checksum>, ChecksumKind), BucketError> {
    let (algorithm, kind) = record.checksum();
    if let Some(named) = complete.checksum_kind
        && record.checksum.is_some()
        && named != kind
    {
        let text = format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            kind.name()
        );
        return Err(BucketError::InvalidRequest(text));
    }
    let of_parts: Option<Vec<(&Checksum, u64)>> = parts
        .iter()
        .map(|part| {
            let mut checksums = part.checksum.iter().chain(&part.also);
            let checksum = checksums.find(|it| it.algorithm == algorithm)?;
            Some((checksum, part.size))
        })
        .collect();
    let found = of_parts.and_then(|of_parts| Checksum::of_parts(algorithm, kind, &of_parts));
    if let Some(given) = &complete.checksum {
        // A composite one may be given without the number of its parts.
        let is_found = found.as_ref().is_some_and(|found| {
            let bare = found.value.split('-').next();
            found.algorithm == given.algorithm && bare == given.value.split('-').next()
        });
        if !is_found {
            compare(given, found.as_ref())?;
        }
    }
    Ok((found, kind))
}

/// The MD5 of the MD5s, and how many there are.
fn etag_of_parts(parts: &[PartRecord]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(unhex(&part.etag));
    }
    format!("{}-{}", hex(&md5.finalize()), parts.len())
}

/// The bytes of an ETag that we wrote ourselves.
fn unhex(etag: &str) -> Vec<u8> {
    let digits = etag.as_bytes().chunks_exact(2);
    let byte = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        u8::from_str_radix(digits, 16).ok()
    };
    digits.filter_map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u16, size: u64) -> PartRecord {
        PartRecord {
            upload: "upload".to_owned(),
            number,
            content: ContentId::default(),
            size,
            etag: format!("{number:032x}"),
            modified: Timestamp(0),
            checksum: None,
            also: None,
        }
    }

    fn named(numbers: &[u16]) -> Vec<(u16, String)> {
        numbers.iter().map(|number| (*number, format!("{number:032x}"))).collect()
    }

    #[test]
    fn parts_are_named_in_order_and_all_but_the_last_are_large() {
        let arrived = [part(1, PART_BYTES_MIN), part(2, 7), part(5, PART_BYTES_MIN)];
        #[rustfmt::skip]
        let rows: &[(&[u16], Result<usize, &str>)] = &[
            (&[1, 2],    Ok(2)),
            (&[1],       Ok(1)),
            (&[1, 5],    Ok(2)),
            (&[],        Err("InvalidPart")),
            (&[3],       Err("InvalidPart")),
            (&[2, 1],    Err("InvalidPartOrder")),
            (&[1, 1],    Err("InvalidPartOrder")),
            (&[1, 2, 5], Err("EntityTooSmall")),
        ];
        for (numbers, expected) in rows {
            let chosen = choose(&arrived, &named(numbers));
            let found = chosen.as_ref().map(Vec::len).map_err(BucketError::code);
            assert_eq!(found, *expected, "{numbers:?}");
        }
        let other = choose(&arrived, &[(1, "x".to_owned())]);
        assert!(matches!(other, Err(BucketError::InvalidPart)));
    }

    #[test]
    fn checksums_of_parts_are_those_that_they_arrived_with() {
        let of = |algorithm, value: &str| Checksum { algorithm, value: value.to_owned() };
        let kept = of(Algorithm::Crc32, "y/Q5Jg==");
        let with = PartRecord { checksum: Some(kept.clone()), ..part(2, 1) };
        let chosen = [part(1, PART_BYTES_MIN), with];
        for (named, is_right) in [
            (vec![], true),
            (vec![(2, kept.clone())], true),
            (vec![(1, kept.clone())], false),
            (vec![(3, kept)], false),
            (vec![(2, of(Algorithm::Crc32, "AAAAAA=="))], false),
            (vec![(2, of(Algorithm::Crc32c, "y/Q5Jg=="))], false),
        ] {
            assert_eq!(compare_parts(&chosen, &named).is_ok(), is_right, "{named:?}");
        }
    }

    #[test]
    fn the_etag_says_how_many_parts_there_are() {
        let md5_of_nothing = "d41d8cd98f00b204e9800998ecf8427e";
        let one = PartRecord { etag: md5_of_nothing.to_owned(), ..part(1, 0) };
        assert_eq!(etag_of_parts(&[one]), "59adb24ef3cdbe0297f05b395827453f-1");
    }

    #[test]
    fn part_numbers_are_bounded() {
        for (number, is_one) in [(0, false), (1, true), (PARTS_MAX, true), (PARTS_MAX + 1, false)] {
            assert_eq!(check_number(number).is_ok(), is_one, "{number}");
        }
    }
}
