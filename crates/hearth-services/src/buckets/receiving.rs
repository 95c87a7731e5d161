//! Bytes on their way in: counted, digested, and kept in memory or in a file.
//!
//! ```text
//!  write ─▶ chunk ──full─┬▶ digests           (beside each other, while the next chunk fills)
//!             │           └▶ file ─▶ disk       (now and then, so that the end has less to wait for)
//!          finish ─▶ small: the chunk itself
//!                 └▶ large: compare, sync, rename
//! ```
//!
//! # Promises
//!
//! 1. No more than two chunks of an object are held in memory.
//! 2. What was expected and did not come leaves nothing behind.

use std::fs;
use std::io::{self, Write as _};
use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::checksum::{Algorithm, Checksum, Running};
use super::content::{Unkept, blocking};
use super::error::BucketError;
use crate::limits::{CHUNK_BYTES, INLINE_BYTES_MAX, OBJECT_BYTES_MAX, WRITE_BACK_BYTES};

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
    /// The algorithm of another checksum that is wished for.
    pub also: Option<Algorithm>,
}

/// Where bytes are kept that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Beside their record if they are few.
    Anywhere,
    /// In a file.
    InFile,
}

/// Content that is arriving. Dropped before its end, it leaves nothing behind.
#[derive(Debug)]
pub struct Receiving {
    chunk: BytesMut,
    /// The chunk before, whose memory is used again when it is done with.
    before: Bytes,
    digests: Work<Digests>,
    writing: Work<Writing>,
    write_back: WriteBack,
    keep: Keep,
    size: u64,
}

/// What is done with chunks.
#[derive(Debug)]
enum Work<T> {
    Idle(Box<T>),
    Busy(JoinHandle<io::Result<Box<T>>>),
    /// A chunk could not be written.
    Failed,
}

/// A file that is being written. It is made with the first chunk.
#[derive(Debug)]
struct Writing {
    file: Option<fs::File>,
    place: Unkept,
}

/// What brings a long file to the disk while more of it arrives.
#[derive(Debug, Default)]
struct WriteBack {
    /// How many bytes of the file had been written when it began last.
    since: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

/// What is made of bytes while they pass, to be compared with what was expected.
#[derive(Debug)]
struct Digests {
    md5: Md5,
    sha256: Option<Sha256>,
    checksum: Running,
    also: Option<Running>,
    expected: Expected,
}

/// What was made of bytes.
struct Found {
    etag: String,
    checksum: Checksum,
    also: Option<Checksum>,
}

/// Content that has arrived whole, and that no record speaks of yet.
#[derive(Debug)]
pub struct NewContent {
    pub(super) held: Held,
    pub(super) size: u64,
    pub(super) etag: String,
    pub(super) checksum: Option<Checksum>,
    pub(super) also: Option<Checksum>,
}

/// Where content is that no record speaks of yet.
#[derive(Debug)]
pub(super) enum Held {
    Memory(Bytes),
    File(Unkept),
}

impl Receiving {
    pub(super) fn new(place: Unkept, expected: Expected, keep: Keep) -> Self {
        Self {
            chunk: BytesMut::new(),
            before: Bytes::new(),
            digests: Work::Idle(Box::new(Digests::new(expected))),
            writing: Work::Idle(Box::new(Writing { file: None, place })),
            write_back: WriteBack::default(),
            keep,
            size: 0,
        }
    }

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
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() < CHUNK_BYTES {
            return Ok(());
        }
        let mut digests = self.digests.settled().await?;
        let writing = self.writing.settled().await?;
        self.write_back.advance(&writing, self.size).await?;
        let fresh = |_shared| BytesMut::with_capacity(CHUNK_BYTES);
        let mut next = mem::take(&mut self.before).try_into_mut().unwrap_or_else(fresh);
        next.clear();
        let chunk = mem::replace(&mut self.chunk, next).freeze();
        self.before = chunk.clone();
        let digested = chunk.clone();
        self.digests = Work::begin(move || {
            digests.update(&digested);
            Ok(digests)
        });
        self.writing = Work::begin(move || writing.write(&chunk));
        Ok(())
    }

    /// How many bytes have arrived.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends it: compares what arrived with what was expected, and makes it durable, if it is not to be
    /// kept beside its record. `trailing` is a checksum that came behind the bytes.
    ///
    /// # Errors
    ///
    /// If something else arrived, or the file cannot be written.
    pub async fn finish(mut self, trailing: Option<&Checksum>) -> Result<NewContent, BucketError> {
        let mut digests = self.digests.settled().await?;
        let writing = self.writing.settled().await?;
        let Self { chunk, keep, size, mut write_back, .. } = self;
        let is_small = writing.file.is_none() && chunk.len() <= INLINE_BYTES_MAX;
        if is_small && keep == Keep::Anywhere {
            digests.update(&chunk);
            let Found { etag, checksum, also } = digests.finish(trailing)?;
            let held = Held::Memory(chunk.freeze());
            return Ok(NewContent { held, size, etag, checksum: Some(checksum), also });
        }
        let written = blocking(move || {
            digests.update(&chunk);
            Ok((writing.write(&chunk)?, digests))
        });
        let (writing, digests) = written.await.map_err(during())?;
        let Writing { file, place } = *writing;
        write_back.finish().await?;
        let Found { etag, checksum, also } = digests.finish(trailing)?;
        let settled = blocking(move || {
            file.as_ref().map_or(Ok(()), fs::File::sync_all)?;
            place.settle()
        });
        let held = Held::File(settled.await.map_err(during())?);
        Ok(NewContent { held, size, etag, checksum: Some(checksum), also })
    }
}

impl<T: Send + 'static> Work<T> {
    fn begin(work: impl FnOnce() -> io::Result<Box<T>> + Send + 'static) -> Self {
        Self::Busy(tokio::task::spawn_blocking(work))
    }

    /// Waits until the chunk before is done with.
    async fn settled(&mut self) -> Result<Box<T>, BucketError> {
        match mem::replace(self, Self::Failed) {
            Self::Idle(owner) => Ok(owner),
            Self::Busy(work) => joined(work).await,
            Self::Failed => Err(during()(io::Error::other("an earlier chunk was not written"))),
        }
    }
}

impl WriteBack {
    /// Begins again, if there is enough to write and the one before has ended. Its failure is that of
    /// the file: the disk tells it once.
    async fn advance(&mut self, writing: &Writing, size: u64) -> Result<(), BucketError> {
        let is_running = self.running.as_ref().is_some_and(|running| !running.is_finished());
        if is_running || size < self.since + WRITE_BACK_BYTES {
            return Ok(());
        }
        self.finish().await?;
        if let Some(file) = &writing.file {
            let file = file.try_clone().map_err(during())?;
            self.since = size;
            self.running = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), BucketError> {
        match self.running.take() {
            Some(running) => joined(running).await,
            None => Ok(()),
        }
    }
}

async fn joined<T>(work: JoinHandle<io::Result<T>>) -> Result<T, BucketError> {
    let done = work.await.unwrap_or_else(|ended| Err(io::Error::other(ended)));
    done.map_err(during())
}

fn during() -> impl FnOnce(io::Error) -> BucketError {
    BucketError::during("write an object")
}

impl Writing {
    fn write(mut self: Box<Self>, chunk: &[u8]) -> io::Result<Box<Self>> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(fs::File::create_new(&self.place.path)?),
        };
        file.write_all(chunk)?;
        Ok(self)
    }
}

impl Digests {
    fn new(expected: Expected) -> Self {
        let algorithm = expected.checksum.as_ref().map(|given| given.algorithm);
        let algorithm = algorithm.or(expected.algorithm).unwrap_or(Algorithm::DEFAULT);
        Self {
            md5: Md5::new(),
            sha256: expected.sha256.is_some().then(Sha256::new),
            checksum: Running::new(algorithm),
            also: expected.also.filter(|also| *also != algorithm).map(Running::new),
            expected,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        self.checksum.update(bytes);
        if let Some(also) = &mut self.also {
            also.update(bytes);
        }
    }

    /// What was found, if nothing else was expected.
    fn finish(self, trailing: Option<&Checksum>) -> Result<Found, BucketError> {
        let Self { md5, sha256, checksum, also, expected } = self;
        let md5: [u8; 16] = md5.finalize().into();
        if expected.md5.is_some_and(|expected| expected != md5) {
            let text = "The Content-MD5 you specified did not match what we received.";
            return Err(BucketError::BadDigest(text.to_owned()));
        }
        let sha256 = sha256.map(|found| hex(&found.finalize()));
        if sha256 != expected.sha256 {
            return Err(BucketError::ContentSha256Mismatch);
        }
        let checksum = checksum.finish();
        for given in expected.checksum.as_ref().into_iter().chain(trailing) {
            compare(given, Some(&checksum))?;
        }
        Ok(Found { etag: hex(&md5), checksum, also: also.map(Running::finish) })
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

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its checksum: of the algorithm that was asked for, or of S3's own.
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
