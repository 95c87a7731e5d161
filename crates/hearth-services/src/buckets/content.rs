//! The bytes of objects: files that never change once they stand.
//!
//! ```text
//! <directory>/content/<id>    the bytes of one version of an object, or of one part
//! <directory>/incoming/<id>   bytes that are arriving, cleared by `Contents::open`
//! ```
//!
//! # Promises
//!
//! 1. What stands in `content/` is whole and durable: it was synced before it was renamed, and the
//!    directory afterwards.
//! 2. New content that no record gets is removed: at once, or at the next `Contents::open`.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use uuid::Uuid;

use super::checksum::{Algorithm, Checksum, Running};
use super::error::BucketError;
use crate::limits::{CHUNK_BYTES, OBJECT_BYTES_MAX};

const CONTENT: &str = "content";
const INCOMING: &str = "incoming";

/// The name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(Default))]
#[serde(transparent)]
pub struct ContentId(Uuid);

impl fmt::Display for ContentId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(formatter)
    }
}

impl ContentId {
    fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

/// The files of all buckets.
#[derive(Debug)]
pub(super) struct Contents {
    directory: PathBuf,
}

impl Contents {
    /// Opens the directory, and removes what no record speaks of.
    pub(super) fn open(directory: PathBuf, wanted: &HashSet<ContentId>) -> io::Result<Self> {
        let contents = Self { directory };
        fs::create_dir_all(contents.directory.join(CONTENT))?;
        let incoming = contents.directory.join(INCOMING);
        if incoming.try_exists()? {
            fs::remove_dir_all(&incoming)?;
        }
        fs::create_dir(&incoming)?;
        // What was just made lasts only when what it is in does.
        sync_directory(&contents.directory)?;
        match contents.directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent)?,
            Some(_here) => sync_directory(Path::new("."))?,
            None => {}
        }
        for entry in fs::read_dir(contents.directory.join(CONTENT))? {
            let entry = entry?;
            let name = entry.file_name();
            // A name that is no id was put here by somebody else, so it is left alone.
            let id = name.to_str().and_then(|name| Uuid::try_parse(name).ok()).map(ContentId);
            if id.is_some_and(|id| !wanted.contains(&id)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(contents)
    }

    pub(super) fn path(&self, id: ContentId) -> PathBuf {
        self.directory.join(CONTENT).join(id.to_string())
    }

    /// Forgets content. What cannot be removed now is removed by the next [`Contents::open`].
    pub(super) async fn remove(&self, unwanted: impl IntoIterator<Item = ContentId>) {
        for id in unwanted {
            let path = self.path(id);
            if let Err(error) = tokio::fs::remove_file(&path).await {
                tracing::warn!(path = %path.display(), %error, "content left behind");
            }
        }
    }

    /// Begins new content.
    pub(super) async fn receive(&self, expected: Expected) -> Result<Receiving, BucketError> {
        let place = self.incoming();
        let path = place.path.clone();
        let file = tokio::fs::OpenOptions::new().write(true).create_new(true).open(path).await;
        let file = file.map_err(BucketError::during("make a file for an object"))?;
        // Bytes may arrive one by one, and every write of a file is a task.
        let file = BufWriter::with_capacity(CHUNK_BYTES, file);
        Ok(Receiving { file, place, size: 0, digests: Digests::new(expected) })
    }

    /// The same bytes under another id.
    pub(super) async fn again(&self, id: ContentId) -> io::Result<Unkept> {
        let (from, directory) = (self.path(id), self.directory.clone());
        blocking(move || {
            let mut place = Unkept::new(&directory);
            let path = directory.join(CONTENT).join(place.id.to_string());
            if fs::hard_link(&from, &path).is_err() {
                // It has as many links as it may, or the file system knows none.
                return joined(&directory, &[from], None).map(|(place, _checksum)| place);
            }
            place.path = path;
            sync_directory(&directory.join(CONTENT))?;
            Ok(place)
        })
        .await
    }

    /// Puts contents together to a new one. Returns the checksum over all, if one is expected.
    pub(super) async fn join(
        &self,
        parts: Vec<ContentId>,
        algorithm: Option<Algorithm>,
    ) -> io::Result<(Unkept, Option<Checksum>)> {
        let directory = self.directory.clone();
        let paths: Vec<PathBuf> = parts.into_iter().map(|id| self.path(id)).collect();
        blocking(move || joined(&directory, &paths, algorithm)).await
    }

    fn incoming(&self) -> Unkept {
        Unkept::new(&self.directory)
    }
}

/// Content that has arrived, until a record speaks of it. Dropped before that, it is removed.
#[derive(Debug)]
pub(super) struct Unkept {
    pub(super) id: ContentId,
    path: PathBuf,
    is_kept: bool,
}

impl Unkept {
    fn new(directory: &Path) -> Self {
        let id = ContentId::random();
        let path = directory.join(INCOMING).join(id.to_string());
        Self { id, path, is_kept: false }
    }

    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "content left behind");
            }
            _removed_or_never_made => {}
        }
    }
}

/// What the caller says about the bytes that it sends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    /// Their MD5.
    pub md5: Option<[u8; 16]>,
    /// Their SHA-256 in lower-case hexadecimal digits.
    pub sha256: Option<String>,
    /// One of S3's checksums.
    pub checksum: Option<Checksum>,
    /// The algorithm of a checksum that comes behind them, or that is wished for.
    pub algorithm: Option<Algorithm>,
}

/// Content that is arriving. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub struct Receiving {
    file: BufWriter<tokio::fs::File>,
    place: Unkept,
    size: u64,
    digests: Digests,
}

/// What is made of bytes while they pass, to be compared with what was expected.
#[derive(Debug)]
struct Digests {
    md5: Md5,
    sha256: Option<Sha256>,
    checksum: Option<Running>,
    expected: Expected,
}

/// Content that has arrived whole, and that no record speaks of yet.
#[derive(Debug)]
pub struct NewContent {
    pub(super) place: Unkept,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
}

impl Receiving {
    /// Takes more bytes.
    ///
    /// # Errors
    ///
    /// If there are too many, or the file cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), BucketError> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > OBJECT_BYTES_MAX {
            return Err(BucketError::EntityTooLarge);
        }
        self.digests.update(bytes);
        let written = self.file.write_all(bytes).await;
        written.map_err(BucketError::during("write an object"))
    }

    /// How many bytes have arrived.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends it: compares what arrived with what was expected, and makes it durable. `trailing` is
    /// a checksum that came behind the bytes.
    ///
    /// # Errors
    ///
    /// If something else arrived, or the file cannot be written.
    pub async fn finish(self, trailing: Option<&Checksum>) -> Result<NewContent, BucketError> {
        let Self { mut file, place, size, digests } = self;
        let (etag, checksum) = digests.finish(trailing)?;
        let synced = async {
            file.flush().await?;
            file.get_ref().sync_all().await
        };
        synced.await.map_err(BucketError::during("write an object"))?;
        let place = blocking(move || {
            let directory = place.path.parent().and_then(Path::parent).map(Path::to_path_buf);
            settle(&directory.expect("`Unkept::new` joined two names"), place)
        });
        let place = place.await.map_err(BucketError::during("put an object in its place"))?;
        Ok(NewContent { place, size, etag, checksum })
    }
}

impl Digests {
    fn new(expected: Expected) -> Self {
        let algorithm = expected.checksum.as_ref().map(|given| given.algorithm);
        Self {
            md5: Md5::new(),
            sha256: expected.sha256.is_some().then(Sha256::new),
            checksum: algorithm.or(expected.algorithm).map(Running::new),
            expected,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(checksum) = &mut self.checksum {
            checksum.update(bytes);
        }
    }

    /// The ETag and the checksum, if nothing else was expected.
    fn finish(
        self,
        trailing: Option<&Checksum>,
    ) -> Result<(String, Option<Checksum>), BucketError> {
        let Self { md5, sha256, checksum, expected } = self;
        let md5: [u8; 16] = md5.finalize().into();
        if expected.md5.is_some_and(|expected| expected != md5) {
            let text = "The Content-MD5 you specified did not match what we received.";
            return Err(BucketError::BadDigest(text.to_owned()));
        }
        let sha256 = sha256.map(|found| hex(&found.finalize()));
        if sha256 != expected.sha256 {
            return Err(BucketError::ContentSha256Mismatch);
        }
        let checksum = checksum.map(Running::finish);
        for given in expected.checksum.as_ref().into_iter().chain(trailing) {
            compare(given, checksum.as_ref())?;
        }
        Ok((hex(&md5), checksum))
    }
}

impl Expected {
    /// Compares bytes that are there already.
    ///
    /// # Errors
    ///
    /// If they are others.
    pub fn check(self, bytes: &[u8]) -> Result<(), BucketError> {
        let mut digests = Digests::new(self);
        digests.update(bytes);
        digests.finish(None).map(drop)
    }
}

pub(super) fn compare(given: &Checksum, found: Option<&Checksum>) -> Result<(), BucketError> {
    if found == Some(given) {
        return Ok(());
    }
    let name = given.algorithm.name();
    let text = format!("The {name} you specified did not match the calculated checksum.");
    Err(BucketError::BadDigest(text))
}

impl NewContent {
    /// Its ETag, without quotes.
    #[must_use]
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// The checksum that was expected or wished for.
    #[must_use]
    pub fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }
}

/// Reads an MD5 as `Content-MD5` has it.
#[must_use]
pub fn parse_md5(text: &str) -> Option<[u8; 16]> {
    STANDARD.decode(text).ok()?.try_into().ok()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).expect("half a byte");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Moves finished work into its place, durably.
fn settle(directory: &Path, mut place: Unkept) -> io::Result<Unkept> {
    let path = directory.join(CONTENT).join(place.id.to_string());
    fs::rename(&place.path, &path)?;
    place.path = path;
    sync_directory(&directory.join(CONTENT))?;
    Ok(place)
}

/// A new name is durable only when its directory is.
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

/// New content from the bytes of files.
fn joined(
    directory: &Path,
    paths: &[PathBuf],
    algorithm: Option<Algorithm>,
) -> io::Result<(Unkept, Option<Checksum>)> {
    let place = Unkept::new(directory);
    let mut whole = fs::File::create_new(&place.path)?;
    let mut checksum = algorithm.map(Running::new);
    for path in paths {
        append(&mut whole, &mut fs::File::open(path)?, checksum.as_mut())?;
    }
    whole.sync_all()?;
    Ok((settle(directory, place)?, checksum.map(Running::finish)))
}

fn append(
    whole: &mut fs::File,
    part: &mut fs::File,
    checksum: Option<&mut Running>,
) -> io::Result<()> {
    let Some(checksum) = checksum else {
        return io::copy(part, whole).map(|_bytes| ());
    };
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let length = part.read(&mut chunk)?;
        let Some(bytes) = chunk.get(..length).filter(|bytes| !bytes.is_empty()) else {
            return Ok(());
        };
        checksum.update(bytes);
        whole.write_all(bytes)?;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|ended| Err(io::Error::other(ended)))
}
