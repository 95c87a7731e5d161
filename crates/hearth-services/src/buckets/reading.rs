//! Finding objects, and reading their bytes.
//!
//! # Promises
//!
//! 1. What was begun to be read stays readable when the object is replaced or deleted meanwhile.
//! 2. No more than two chunks of an object in files are held in memory by whoever reads it.

use std::collections::VecDeque;
use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_store::shelf::Whole;
use hearth_types::time::Timestamp;
use tokio::task::JoinHandle;

use super::Buckets;
use super::content::{ContentId, Holding, blocking};
use super::error::BucketError;
use super::lifecycle;
use super::objects::ObjectName;
use super::record::{self, BucketRecord, Content, Object, PartOfObject, VersionRecord};
use super::versions::Entry;
use crate::limits::CHUNK_BYTES;
use crate::objects::{FetchError, ObjectAddress, ObjectSource};

/// How often an object is looked for that is replaced just when it is opened.
const OPEN_ATTEMPTS_MAX: usize = 8;

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// Its version, if the bucket has versions.
    pub version: Option<String>,
    /// When it was put.
    pub modified: Timestamp,
    /// What it is.
    pub object: Object,
    /// When it expires, and by which rule, if it does.
    pub expires: Option<(Timestamp, String)>,
}

/// Some of the bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The place of the first.
    pub first: u64,
    /// How many.
    pub length: u64,
}

impl Slice {
    /// All of them.
    #[must_use]
    pub fn whole(object: &Object) -> Self {
        Self { first: 0, length: object.size }
    }
}

/// The bytes of an object, one chunk after another.
#[derive(Debug)]
pub struct Reader {
    state: State,
    left: u64,
}

#[derive(Debug)]
enum State {
    /// In memory.
    Held(Bytes),
    /// In files. The next chunk is read while the one before is on its way.
    Reading(JoinHandle<io::Result<(Box<Files>, Bytes)>>),
    /// There are no more.
    Done,
}

/// Files that are read one after another.
#[derive(Debug)]
struct Files {
    /// What is being read, and how much of it is left.
    open: Option<(File, u64)>,
    /// What comes after it.
    waiting: VecDeque<Stretch>,
    /// They are not removed before this is dropped.
    _holding: Holding,
}

/// A stretch of a file.
#[derive(Debug)]
struct Stretch {
    path: PathBuf,
    slice: Slice,
}

impl Reader {
    fn held(bytes: Bytes) -> Self {
        let left = bytes.len() as u64;
        Self { state: State::Held(bytes), left }
    }

    fn of_files(files: Box<Files>, left: u64) -> Self {
        let state = if left == 0 { State::Done } else { files.begin() };
        Self { state, left }
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// All bytes, if they are in memory.
    #[must_use]
    pub fn bytes(&self) -> Option<Bytes> {
        match &self.state {
            State::Held(bytes) => Some(bytes.clone()),
            State::Reading(_) | State::Done => None,
        }
    }

    /// The next bytes, or `None` when there are no more.
    pub async fn next(&mut self) -> Option<io::Result<Bytes>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, for whoever is asked himself.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.state {
            State::Done => Poll::Ready(None),
            State::Held(bytes) => {
                let bytes = std::mem::take(bytes);
                (self.state, self.left) = (State::Done, 0);
                Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
            }
            State::Reading(reading) => {
                let read = ready!(std::pin::Pin::new(reading).poll(context));
                let read = read.unwrap_or_else(|ended| Err(io::Error::other(ended)));
                let (files, bytes) = match read {
                    Ok(read) => read,
                    Err(error) => {
                        self.state = State::Done;
                        return Poll::Ready(Some(Err(error)));
                    }
                };
                self.left = self.left.saturating_sub(bytes.len() as u64);
                self.state = if self.left == 0 { State::Done } else { files.begin() };
                Poll::Ready(Some(Ok(bytes)))
            }
        }
    }
}

impl Files {
    fn begin(self: Box<Self>) -> State {
        State::Reading(tokio::task::spawn_blocking(move || self.read()))
    }

    /// Reads a chunk, which does not reach from one file into the next.
    fn read(mut self: Box<Self>) -> io::Result<(Box<Self>, Bytes)> {
        let (mut file, left) = match self.open.take() {
            Some(open) => open,
            None => {
                let next = self.waiting.pop_front().ok_or(io::ErrorKind::UnexpectedEof)?;
                next.open()?
            }
        };
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let mut chunk = vec![0; length];
        file.read_exact(&mut chunk)?;
        let left = left - length as u64;
        if left > 0 {
            self.open = Some((file, left));
        }
        Ok((self, Bytes::from(chunk)))
    }
}

impl Stretch {
    fn open(self) -> io::Result<(File, u64)> {
        let mut file = File::open(&self.path)?;
        if self.slice.first > 0 {
            file.seek(SeekFrom::Start(self.slice.first))?;
        }
        Ok((file, self.slice.length))
    }
}

impl Buckets {
    /// An object, without its bytes.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub async fn find(&self, name: &ObjectName) -> Result<Found, BucketError> {
        let (bucket, entry) = self.look_for(name).await?;
        found(&bucket, name, &entry.record)
    }

    /// An object and its parts, if it was put together from parts.
    ///
    /// # Errors
    ///
    /// If there is none, or the store failed.
    pub async fn find_parts(
        &self,
        name: &ObjectName,
    ) -> Result<(Found, Vec<PartOfObject>), BucketError> {
        let (bucket, entry) = self.look_for(name).await?;
        let found = found(&bucket, name, &entry.record)?;
        let parts = self.parts_of(&entry, found.object.content).await?;
        Ok((found, parts))
    }

    /// An object and some of its bytes. `choose` says which, and why, from what the object and its
    /// parts are; it is asked again if the object is replaced meanwhile.
    ///
    /// # Errors
    ///
    /// If there is none, `choose` refuses it, or its files cannot be opened.
    pub async fn read<C, E: From<BucketError>>(
        &self,
        name: &ObjectName,
        choose: impl Fn(&Found, &[PartOfObject]) -> Result<(Slice, C), E> + Send + Sync,
    ) -> Result<(Found, C, Reader), E> {
        for _attempt in 0..OPEN_ATTEMPTS_MAX {
            let (bucket, entry) = self.look_for(name).await?;
            let found = found(&bucket, name, &entry.record)?;
            let content = found.object.content;
            let parts = self.parts_of(&entry, content).await?;
            let (slice, choice) = choose(&found, &parts)?;
            if let Some(reader) =
                self.open_reader(name, (&*entry, content), (parts.as_slice(), slice)).await?
            {
                return Ok((found, choice, reader));
            }
        }
        let gone = io::Error::from(io::ErrorKind::NotFound);
        Err(BucketError::during("open an object")(gone).into())
    }

    /// `None` if the object was replaced meanwhile.
    async fn open_reader(
        &self,
        name: &ObjectName,
        (entry, content): (&Entry, Content),
        (parts, slice): (&[PartOfObject], Slice),
    ) -> Result<Option<Reader>, BucketError> {
        let (ids, mut waiting) = match content {
            Content::Inline(_) => {
                // Read with its record, so that it is there.
                let bytes = entry.piece.as_ref().map(|bytes| within(bytes, slice));
                return Ok(bytes.map(Reader::held));
            }
            Content::File(id) => {
                let stretch = Stretch { path: self.contents.path(id), slice };
                (vec![id], VecDeque::from([stretch]))
            }
            Content::Parts { .. } => {
                let path = |id| self.contents.path(id);
                (parts.iter().map(|part| part.content).collect(), stretches(parts, slice, path))
            }
        };
        let holding = self.contents.hold(ids);
        let Some(first) = waiting.pop_front() else { return Ok(Some(Reader::held(Bytes::new()))) };
        let opened = match blocking(move || first.open()).await {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BucketError::during("open an object")(error)),
        };
        // From now on none of them is removed. Those that are not open yet may have been before.
        if !waiting.is_empty() && self.look_for(name).await?.1.rank != entry.rank {
            return Ok(None);
        }
        let files = Files { open: Some(opened), waiting, _holding: holding };
        Ok(Some(Reader::of_files(Box::new(files), slice.length)))
    }

    pub(super) async fn look_for(
        &self,
        name: &ObjectName,
    ) -> Result<(Arc<BucketRecord>, Arc<Entry>), BucketError> {
        let bucket = self.bucket(&name.bucket)?;
        let newest = self.newest(&bucket.name, &name.key).await?;
        let entry = match (newest, &name.version) {
            (Some(newest), None) => newest,
            (None, None) => return Err(BucketError::NoSuchKey),
            (Some(newest), Some(id)) if newest.record.id == *id => newest,
            (_, Some(id)) => {
                let place = (bucket.name.as_str(), name.key.as_str());
                let older = self.older(place, Some(id.as_str())).await?;
                Arc::new(older.ok_or(BucketError::NoSuchVersion)?)
            }
        };
        Ok((bucket, entry))
    }

    /// The parts of an object that was put together from parts; none of another one.
    pub(super) async fn parts_of(
        &self,
        entry: &Entry,
        content: Content,
    ) -> Result<Vec<PartOfObject>, BucketError> {
        let Content::Parts { manifest, .. } = content else { return Ok(Vec::new()) };
        if let Some(piece) = &entry.piece {
            return parts_of_manifest(piece);
        }
        let piece = self.shelf.piece(manifest).await.map_err(BucketError::Store)?;
        // Gone only if the object is.
        parts_of_manifest(&piece.ok_or(BucketError::NoSuchKey)?)
    }
}

fn found(
    bucket: &BucketRecord,
    name: &ObjectName,
    version: &VersionRecord,
) -> Result<Found, BucketError> {
    match (&version.object, &name.version) {
        (Some(_), of_version) => {
            let mut found = shown(bucket, &name.key, version).ok_or(BucketError::NoSuchKey)?;
            // Of a version that is asked for by its id, nothing is said.
            found.expires = found.expires.filter(|_expires| of_version.is_none());
            Ok(found)
        }
        (None, None) => Err(BucketError::DeleteMarker { version: version.id.clone() }),
        (None, Some(_)) => Err(BucketError::MarkerHasNoContent { modified: version.modified }),
    }
}

/// A version as callers see it, if it is an object.
pub(super) fn shown(bucket: &BucketRecord, key: &str, version: &VersionRecord) -> Option<Found> {
    let object = version.object.clone()?;
    let rules = &bucket.settings.lifecycle;
    let expires = lifecycle::expires(rules, key, (&object, version.modified));
    Some(Found {
        key: key.to_owned(),
        version: bucket.versioning.shown(&version.id),
        modified: version.modified,
        expires: expires.map(|(due, rule)| (due, rule.to_owned())),
        object,
    })
}

fn within(bytes: &Bytes, slice: Slice) -> Bytes {
    let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
    let first = place(slice.first);
    bytes.slice(first..place(slice.first.saturating_add(slice.length)).max(first))
}

/// What of which file is read.
fn stretches(
    parts: &[PartOfObject],
    slice: Slice,
    path: impl Fn(ContentId) -> PathBuf,
) -> VecDeque<Stretch> {
    let mut stretches = VecDeque::new();
    let end = slice.first.saturating_add(slice.length);
    let mut begin = 0_u64;
    for part in parts {
        let (first, last) = (slice.first.max(begin), end.min(begin.saturating_add(part.size)));
        if first < last {
            let slice = Slice { first: first - begin, length: last - first };
            stretches.push_back(Stretch { path: path(part.content), slice });
        }
        begin = begin.saturating_add(part.size);
    }
    stretches
}

/// The parts that a manifest names.
fn parts_of_manifest(piece: &Bytes) -> Result<Vec<PartOfObject>, BucketError> {
    serde_json::from_slice(piece).map_err(BucketError::Document)
}

/// The files that a manifest names.
pub(super) fn files_of_manifest(piece: Option<&Bytes>) -> Result<Vec<ContentId>, BucketError> {
    let parts = piece.map(parts_of_manifest).transpose()?.unwrap_or_default();
    Ok(parts.into_iter().map(|part| part.content).collect())
}

/// The files that a version is in.
pub(super) fn files_of(whole: Whole) -> Result<Vec<ContentId>, BucketError> {
    let version: VersionRecord = record::read(&whole.row.document)?;
    match version.object.map(|object| object.content) {
        Some(Content::File(id)) => Ok(vec![id]),
        Some(Content::Parts { .. }) => files_of_manifest(whole.piece.as_ref()),
        Some(Content::Inline(_)) | None => Ok(Vec::new()),
    }
}

#[async_trait]
impl ObjectSource for Buckets {
    async fn fetch(
        &self,
        address: &ObjectAddress,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let refused = |error: BucketError| FetchError::new(error.code(), error.message());
        let ObjectAddress { scope, bucket, key, version } = address;
        let found = self.bucket(bucket).map_err(refused)?;
        if found.scope.region != scope.region {
            let region = &found.scope.region;
            let message = format!(
                "The bucket is in this region: {region}. Please use this region to retry the request"
            );
            return Err(FetchError::new("PermanentRedirect", message));
        }
        let name =
            ObjectName { bucket: bucket.clone(), key: key.clone(), version: version.clone() };
        let read = self
            .read(&name, |found, _parts| Ok::<_, BucketError>((Slice::whole(&found.object), ())));
        let (found, (), mut reader) = read.await.map_err(refused)?;
        let size = usize::try_from(found.object.size).ok().filter(|size| *size <= limit_bytes);
        let size = size.ok_or_else(|| FetchError::too_large(limit_bytes))?;
        let mut bytes = Vec::with_capacity(size);
        while let Some(chunk) = reader.next().await {
            let chunk = chunk.map_err(BucketError::during("read an object")).map_err(refused)?;
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_found_in_the_parts_that_it_touches() {
        let part =
            |size| PartOfObject { number: 1, size, content: ContentId::default(), checksum: None };
        let parts = [part(10), part(0), part(5), part(20)];
        #[rustfmt::skip]
        let rows: [((u64, u64), &[(u64, u64)]); 6] = [
            ((0, 35),  &[(0, 10), (0, 5), (0, 20)]),
            ((0, 10),  &[(0, 10)]),
            ((9, 2),   &[(9, 1), (0, 1)]),
            ((12, 13), &[(2, 3), (0, 10)]),
            ((34, 9),  &[(19, 1)]),
            ((3, 0),   &[]),
        ];
        for ((first, length), expected) in rows {
            let found = stretches(&parts, Slice { first, length }, |_id| PathBuf::new());
            let found: Vec<(u64, u64)> =
                found.iter().map(|it| (it.slice.first, it.slice.length)).collect();
            assert_eq!(found, expected, "{first} {length}");
        }
    }

    #[test]
    fn a_slice_of_what_is_in_memory_never_goes_beyond_it() {
        let bytes = Bytes::from_static(b"0123456789");
        for (first, length, expected) in [(0, 10, "0123456789"), (8, 5, "89"), (20, 1, "")] {
            assert_eq!(within(&bytes, Slice { first, length }), expected.as_bytes());
        }
    }
}
