//! Uploads in parts.
//!
//! Each part is content of its own; the object is put together from them when the upload is
//! completed. To complete an upload again is answered with the object, as long as it is there.
//!
//! # Deliberately absent
//!
//! Checksums over the checksums of the parts.

use std::io;
use std::sync::{Arc, Weak};

use md5::Md5;
use sha2::Digest as _;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::checksum::Checksum;
use super::content::{Expected, NewContent, compare, hex};
use super::error::BucketError;
use super::names::check_key;
use super::notifications::{EventKind, Occasion};
use super::objects::{Condition, Put, Source, Stored};
use super::record::{BucketRecord, Metadata, PartRecord, UploadRecord, new_id};
use super::{Buckets, record_name};
use crate::limits::{CHUNK_BYTES, OBJECT_BYTES_MAX, PART_BYTES_MIN, PARTS_MAX};

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
    /// Who asks for it.
    pub occasion: Occasion,
}

impl Buckets {
    /// Begins an upload, and returns its id.
    ///
    /// # Errors
    ///
    /// If the object could not be put, or the store failed.
    pub async fn create_upload(
        &self,
        bucket: &str,
        key: &str,
        metadata: Metadata,
    ) -> Result<String, BucketError> {
        check_key(key)?;
        metadata.check()?;
        let _writing = self.objects.writing().await;
        let bucket = self.bucket(bucket)?;
        let id = new_id();
        let record = UploadRecord {
            id: id.clone(),
            bucket: bucket.name.clone(),
            key: key.to_owned(),
            initiated: self.clock.now(),
            metadata,
        };
        let name = record_name(&bucket.name, &id);
        self.uploads.put(&bucket.scope, &name, record).await.map_err(BucketError::Store)?;
        Ok(id)
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
    ) -> Result<Arc<PartRecord>, BucketError> {
        check_number(number)?;
        let _writing = self.objects.writing().await;
        let (bucket, record) = self.upload(upload)?;
        let name = part_name(&bucket, &record.id, number);
        let before = self.parts.get(&bucket.scope, &name);
        let NewContent { place, size, etag, checksum } = content;
        let modified = self.clock.now();
        let (upload, content) = (record.id.clone(), place.id);
        let part = PartRecord { upload, number, content, size, etag, modified, checksum };
        // A store that fails may have the record nevertheless.
        place.keep();
        let part = self.parts.put(&bucket.scope, &name, part).await.map_err(BucketError::Store)?;
        self.contents.remove(before.map(|before| before.content)).await;
        Ok(part)
    }

    /// Makes a part of a range of an object, first and last byte included, or of all of it.
    ///
    /// # Errors
    ///
    /// If there is no such object or upload, or the range is not within the object.
    pub async fn copy_part(
        &self,
        source: &Source,
        range: Option<(u64, u64)>,
        (upload, number): (&UploadName, u16),
    ) -> Result<Arc<PartRecord>, BucketError> {
        check_number(number)?;
        self.upload(upload)?;
        let (found, mut file) = self.read(&source.name).await?;
        source.check(&found)?;
        let (first, mut left) = match range {
            None => (0, found.object.size),
            Some((first, last)) if first <= last && last < found.object.size => {
                (first, last - first + 1)
            }
            Some(_) => {
                let text = "The x-amz-copy-source-range is not within the object.";
                return Err(BucketError::InvalidArgument(text.to_owned()));
            }
        };
        let reading = || BucketError::during("read an object");
        file.seek(io::SeekFrom::Start(first)).await.map_err(reading())?;
        let mut receiving = self.receive(Expected::default()).await?;
        let mut chunk = vec![0; CHUNK_BYTES];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
            let bytes = &mut chunk[..wanted];
            file.read_exact(bytes).await.map_err(reading())?;
            receiving.write(bytes).await?;
            left -= wanted as u64;
        }
        let content = receiving.finish(None).await?;
        self.put_part(upload, number, content).await
    }

    /// An upload and its parts, in order.
    ///
    /// # Errors
    ///
    /// If there is no such upload.
    pub fn list_parts(
        &self,
        upload: &UploadName,
    ) -> Result<(Arc<UploadRecord>, Vec<Arc<PartRecord>>), BucketError> {
        let (bucket, record) = self.upload(upload)?;
        let parts = self.parts_of(&bucket, &record.id);
        Ok((record, parts))
    }

    /// The uploads of a bucket that are not finished, in the order of their keys and ids.
    ///
    /// # Errors
    ///
    /// If there is no bucket.
    pub fn list_uploads(&self, bucket: &str) -> Result<Vec<Arc<UploadRecord>>, BucketError> {
        let bucket = self.bucket(bucket)?;
        let mut uploads = self.uploads_of(&bucket);
        uploads.sort_by(|one, other| (&one.key, &one.id).cmp(&(&other.key, &other.id)));
        Ok(uploads)
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
        let Complete { parts: named, checksums, condition, checksum: given, occasion } = complete;
        let turn = self.turn(&upload.id);
        let _completing = turn.lock().await;
        if let Some(stored) = self.completed(upload)? {
            let _writing = self.objects.writing().await;
            if let Ok((bucket, record)) = self.upload(upload) {
                // It was not forgotten then.
                self.forget_upload(&bucket, &record.id).await?;
            }
            return Ok(stored);
        }
        let (bucket, record) = self.upload(upload)?;
        let parts = choose(&self.parts_of(&bucket, &record.id), &named)?;
        compare_parts(&parts, &checksums)?;
        let size: u64 = parts.iter().map(|part| part.size).sum();
        if size > OBJECT_BYTES_MAX {
            return Err(BucketError::EntityTooLarge);
        }
        let contents = parts.iter().map(|part| part.content).collect();
        let joined = self.contents.join(contents, given.as_ref().map(|it| it.algorithm)).await;
        let (place, checksum) = match joined {
            Ok(joined) => joined,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Somebody else has just aborted it, or replaced a part.
                let _writing = self.objects.writing().await;
                self.upload(upload)?;
                return Err(BucketError::InvalidPart);
            }
            Err(error) => {
                return Err(BucketError::during("put the parts of an object together")(error));
            }
        };
        if let Some(given) = &given {
            compare(given, checksum.as_ref())?;
        }
        let etag = etag_of_parts(&parts);
        let content = NewContent { place, size, etag, checksum };

        let _writing = self.objects.writing().await;
        let (bucket, record) = self.upload(upload)?;
        if choose(&self.parts_of(&bucket, &record.id), &named)? != parts {
            return Err(BucketError::InvalidPart);
        }
        let put = Put {
            bucket: bucket.name.clone(),
            key: record.key.clone(),
            metadata: record.metadata.clone(),
            condition,
            kind: EventKind::CompleteUpload,
            occasion,
        };
        let stored = self.put_while_writing(put, content, Some(record.id.clone())).await?;
        self.forget_upload(&bucket, &record.id).await?;
        Ok(stored)
    }

    /// What those who complete an upload take turns with.
    fn turn(&self, upload: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.completing.lock().expect("no code panics while it holds the turns");
        turns.retain(|_upload, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(upload).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(upload.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// The object that was made of an upload, if it is still there.
    fn completed(&self, upload: &UploadName) -> Result<Option<Stored>, BucketError> {
        let bucket = self.bucket(&upload.bucket)?;
        let record = self.objects.get(&bucket.scope, &record_name(&bucket.name, &upload.key));
        let made = record.as_deref().and_then(|record| {
            record.versions.iter().find(|version| version.upload.as_ref() == Some(&upload.id))
        });
        Ok(made.and_then(|version| {
            let object = version.object.as_ref()?;
            Some(Stored {
                version: bucket.versioning.shown(&version.id),
                etag: object.etag.clone(),
                modified: version.modified,
                checksum: object.checksum.clone(),
            })
        }))
    }

    /// Forgets an upload and its parts.
    ///
    /// # Errors
    ///
    /// If there is no such upload, or the store failed.
    pub async fn abort_upload(&self, upload: &UploadName) -> Result<(), BucketError> {
        let _writing = self.objects.writing().await;
        let (bucket, record) = self.upload(upload)?;
        self.forget_upload(&bucket, &record.id).await
    }

    /// The caller keeps other writers away.
    pub(super) async fn forget_upload(
        &self,
        bucket: &BucketRecord,
        id: &str,
    ) -> Result<(), BucketError> {
        for part in self.parts_of(bucket, id) {
            let name = part_name(bucket, id, part.number);
            self.parts.remove(&bucket.scope, &name).await.map_err(BucketError::Store)?;
            self.contents.remove([part.content]).await;
        }
        let name = record_name(&bucket.name, id);
        self.uploads.remove(&bucket.scope, &name).await.map_err(BucketError::Store)
    }

    pub(super) fn uploads_of(&self, bucket: &BucketRecord) -> Vec<Arc<UploadRecord>> {
        let behind = record_name(&bucket.name, "");
        let found = self.uploads.page(&bucket.scope, Some(&behind), usize::MAX);
        found.into_iter().take_while(|upload| upload.bucket == bucket.name).collect()
    }

    fn upload(
        &self,
        upload: &UploadName,
    ) -> Result<(Arc<BucketRecord>, Arc<UploadRecord>), BucketError> {
        let bucket = self.bucket(&upload.bucket)?;
        let found = self.uploads.get(&bucket.scope, &record_name(&bucket.name, &upload.id));
        match found.filter(|found| found.key == upload.key) {
            Some(found) => Ok((bucket, found)),
            None => Err(BucketError::NoSuchUpload),
        }
    }

    fn parts_of(&self, bucket: &BucketRecord, id: &str) -> Vec<Arc<PartRecord>> {
        // There is no part 0, and every other number is behind it.
        let behind = part_name(bucket, id, 0);
        let found = self.parts.page(&bucket.scope, Some(&behind), usize::from(PARTS_MAX));
        found.into_iter().take_while(|part| part.upload == id).collect()
    }
}

/// In the order of the numbers.
fn part_name(bucket: &BucketRecord, id: &str, number: u16) -> String {
    record_name(&bucket.name, &format!("{id}/{number:05}"))
}

fn check_number(number: u16) -> Result<(), BucketError> {
    if (1..=PARTS_MAX).contains(&number) {
        return Ok(());
    }
    let text = format!("Part number must be an integer between 1 and {PARTS_MAX}, inclusive");
    Err(BucketError::InvalidArgument(text))
}

/// The parts that are named, of those that have arrived.
fn choose(
    arrived: &[Arc<PartRecord>],
    named: &[(u16, String)],
) -> Result<Vec<Arc<PartRecord>>, BucketError> {
    if !named.is_sorted_by(|(one, _), (other, _)| one < other) {
        return Err(BucketError::InvalidPartOrder);
    }
    let mut chosen = Vec::with_capacity(named.len());
    for (number, etag) in named {
        let place = arrived.binary_search_by_key(number, |part| part.number);
        let part = place.ok().and_then(|place| arrived.get(place));
        let part = part.filter(|part| part.etag == *etag).ok_or(BucketError::InvalidPart)?;
        chosen.push(Arc::clone(part));
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
fn compare_parts(
    chosen: &[Arc<PartRecord>],
    checksums: &[(u16, Checksum)],
) -> Result<(), BucketError> {
    let is_right = |(number, given): &(u16, Checksum)| {
        let place = chosen.binary_search_by_key(number, |part| part.number).ok();
        let part = place.and_then(|place| chosen.get(place));
        part.is_some_and(|part| part.checksum.as_ref() == Some(given))
    };
    if checksums.iter().all(is_right) { Ok(()) } else { Err(BucketError::InvalidPart) }
}

/// The MD5 of the MD5s, and how many there are.
fn etag_of_parts(parts: &[Arc<PartRecord>]) -> String {
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
    use hearth_types::time::Timestamp;

    use super::super::checksum::Algorithm;
    use super::super::content::ContentId;
    use super::*;

    fn part(number: u16, size: u64) -> Arc<PartRecord> {
        Arc::new(PartRecord {
            upload: "upload".to_owned(),
            number,
            content: ContentId::default(),
            size,
            etag: format!("{number:032x}"),
            modified: Timestamp(0),
            checksum: None,
        })
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
        let with = PartRecord { checksum: Some(kept.clone()), ..(*part(2, 1)).clone() };
        let chosen = [part(1, PART_BYTES_MIN), Arc::new(with)];
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
        let one = Arc::new(PartRecord { etag: md5_of_nothing.to_owned(), ..(*part(1, 0)).clone() });
        assert_eq!(etag_of_parts(&[one]), "59adb24ef3cdbe0297f05b395827453f-1");
    }

    #[test]
    fn part_numbers_are_bounded() {
        for (number, is_one) in [(0, false), (1, true), (PARTS_MAX, true), (PARTS_MAX + 1, false)] {
            assert_eq!(check_number(number).is_ok(), is_one, "{number}");
        }
    }
}
