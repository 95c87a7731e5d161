//! Copying objects, and making parts of them.
//!
//! The bytes of large objects are not copied: their files get another name.

use std::io;

use super::Buckets;
use super::checksum::Algorithm;
use super::conditions::Conclusion;
use super::content::Unkept;
use super::error::BucketError;
use super::multipart::{UploadName, check_number};
use super::names::check_key;
use super::notifications::EventKind;
use super::objects::{Inherit, Inherited, NewBytes, NewVersion, Put, Source, Stored};
use super::reading::{Found, Slice};
use super::receiving::{Expected, Keep};
use super::record::{Content, PartOfObject, PartRecord};
use super::versions::{Effects, Entry};
use crate::limits::OBJECT_BYTES_MAX;

/// How often a source is looked for that is replaced just when it is copied.
const COPY_ATTEMPTS_MAX: usize = 8;

/// AWS: what is larger is copied in parts.
const SOURCE_TOO_LARGE: &str = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";

const COPIED_TO_ITSELF: &str = "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.";

impl Source {
    pub(super) fn check(&self, found: &Found) -> Result<(), BucketError> {
        match self.conditions.conclude(&found.object, found.modified) {
            Conclusion::Proceed => Ok(()),
            Conclusion::NotModified | Conclusion::Failed => Err(BucketError::PreconditionFailed),
        }
    }
}

/// Refuses what is more than one request may copy.
fn check_size(bytes: u64) -> Result<(), BucketError> {
    if bytes > OBJECT_BYTES_MAX {
        return Err(BucketError::InvalidRequest(SOURCE_TOO_LARGE.to_owned()));
    }
    Ok(())
}

impl Buckets {
    /// Copies an object. What it inherits is its source's; of that, `put` is not looked at. With an
    /// algorithm, its checksum is made anew.
    ///
    /// # Errors
    ///
    /// If there is none, or the copy may not be put.
    pub async fn copy(
        &self,
        source: &Source,
        put: Put,
        (inherited, algorithm): (Inherited, Option<Algorithm>),
    ) -> Result<(Found, Stored), BucketError> {
        check_key(&put.key)?;
        let is_itself = source.name.bucket == put.bucket && source.name.key == put.key;
        let is_same = inherited.metadata == Inherit::Yes && source.name.version.is_none();
        if is_itself && is_same {
            return Err(BucketError::InvalidRequest(COPIED_TO_ITSELF.to_owned()));
        }
        let (found, new) = self.copied(source, algorithm).await?;
        let metadata = match inherited.metadata {
            Inherit::Yes => found.object.metadata.clone(),
            Inherit::No => put.metadata,
        };
        let tags = match inherited.tags {
            Inherit::Yes => found.object.tags.clone(),
            Inherit::No => put.tags,
        };
        let put = Put { metadata, tags, kind: EventKind::Copy, ..put };
        let turn = self.turn(&put.bucket, &put.key).await?;
        let stored = self.put_in_turn(&turn, put, new).await?;
        Ok((found, stored))
    }

    /// The bytes of an object a second time.
    async fn copied(
        &self,
        source: &Source,
        algorithm: Option<Algorithm>,
    ) -> Result<(Found, NewVersion), BucketError> {
        for _attempt in 0..COPY_ATTEMPTS_MAX {
            let found = self.find(&source.name).await?;
            source.check(&found)?;
            check_size(found.object.size)?;
            let has = found.object.checksum.as_ref().map(|checksum| checksum.algorithm);
            if algorithm.is_some() && algorithm != has {
                return self.copied_anew(source, algorithm).await;
            }
            let (_bucket, entry) = self.look_for(&source.name).await?;
            let is_found = entry.record.object.as_ref() == Some(&found.object);
            if !is_found {
                continue;
            }
            let again = match self.again(&entry, found.object.content).await {
                Ok(again) => again,
                // It was replaced meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(BucketError::during("copy an object")(error)),
            };
            let object = found.object.clone();
            let new = NewVersion {
                held: again,
                size: object.size,
                etag: object.etag,
                checksum: object.checksum,
                checksum_kind: object.checksum_kind,
                upload: None,
                also: Effects::default(),
            };
            return Ok((found, new));
        }
        let gone = io::Error::from(io::ErrorKind::NotFound);
        Err(BucketError::during("copy an object")(gone))
    }

    async fn again(&self, entry: &Entry, content: Content) -> io::Result<NewBytes> {
        let gone = || io::Error::from(io::ErrorKind::NotFound);
        match content {
            Content::Inline(_) => Ok(NewBytes::Memory(entry.piece.clone().ok_or_else(gone)?)),
            Content::File(id) => {
                let places = self.contents.again(vec![id]).await?;
                Ok(NewBytes::File(places.into_iter().next().ok_or_else(gone)?))
            }
            Content::Parts { .. } => {
                let parts = self.parts_of(entry, content).await.map_err(|error| {
                    let is_gone = matches!(error, BucketError::NoSuchKey);
                    if is_gone { gone() } else { io::Error::other(error) }
                })?;
                let ids = parts.iter().map(|part| part.content).collect();
                let places = self.contents.again(ids).await?;
                let copied = |(part, place): (PartOfObject, &Unkept)| PartOfObject {
                    content: place.id,
                    ..part
                };
                let parts = parts.into_iter().zip(&places).map(copied).collect();
                Ok(NewBytes::Parts(parts, places))
            }
        }
    }

    /// Reads the bytes, for a checksum that is not known.
    async fn copied_anew(
        &self,
        source: &Source,
        algorithm: Option<Algorithm>,
    ) -> Result<(Found, NewVersion), BucketError> {
        let expected = Expected { algorithm, ..Expected::default() };
        let whole = |found: &Found, _parts: &[PartOfObject]| {
            source.check(found)?;
            Ok::<_, BucketError>((Slice::whole(&found.object), ()))
        };
        let (found, (), mut reader) = self.read(&source.name, whole).await?;
        let mut receiving = self.receive(expected);
        while let Some(bytes) = reader.next().await {
            receiving.write(&bytes.map_err(BucketError::during("read an object"))?).await?;
        }
        Ok((found, NewVersion::from(receiving.finish(None).await?)))
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
    ) -> Result<(Found, PartRecord), BucketError> {
        check_number(number)?;
        let (algorithm, _kind) = self.upload(upload).await?.checksum();
        let choose = |found: &Found, _parts: &[PartOfObject]| {
            source.check(found)?;
            match range {
                None => {
                    check_size(found.object.size)?;
                    Ok((Slice::whole(&found.object), ()))
                }
                Some((first, last)) if first <= last && last < found.object.size => {
                    let length = last - first + 1;
                    check_size(length)?;
                    Ok((Slice { first, length }, ()))
                }
                Some(_) => {
                    let size = found.object.size;
                    let text =
                        format!("Range specified is not valid for source object of size: {size}");
                    Err(BucketError::InvalidArgument(text))
                }
            }
        };
        let (found, (), mut reader) = self.read(&source.name, choose).await?;
        let expected = Expected { algorithm: Some(algorithm), ..Expected::default() };
        let mut receiving = self.contents.receive(expected, Keep::InFile);
        while let Some(bytes) = reader.next().await {
            receiving.write(&bytes.map_err(BucketError::during("read an object"))?).await?;
        }
        let content = receiving.finish(None).await?;
        let part = self.put_part(upload, number, content).await?;
        Ok((found, part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_than_one_request_may_put_is_not_copied_by_one() {
        assert!(check_size(OBJECT_BYTES_MAX).is_ok());
        assert_eq!(check_size(OBJECT_BYTES_MAX + 1).unwrap_err().code(), "InvalidRequest");
    }
}
