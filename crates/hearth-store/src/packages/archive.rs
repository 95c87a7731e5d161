//! Reading a zip archive: its directory, and the content of one entry.
//!
//! The bytes are in memory, and every read of them is checked, so a lying header yields an error.
//!
//! # Promises
//!
//! 1. The central directory alone decides. What is checked is what is unpacked.
//! 2. Every entry that the directory lists is returned, also when a name comes twice. This is why
//!    the reader is our own: the `zip` crate keeps its entries by name and drops all but the last.
//! 3. An entry yields at most as many bytes as the directory says.
//!
//! # Deliberately absent
//!
//! Encryption, archives in several parts, compression other than deflate, and the repair of
//! damaged archives. Names are bytes here; [`super::tree`] judges them.

use std::io::{self, Read, Write};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use hearth_types::limits::ZIP_ENTRIES_MAX;

use super::{PackageError, Refusal};

/// One entry, as the directory describes it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// The name, as it stands there.
    pub(super) name: &'a [u8],
    /// The Unix mode with its file type, if the archive was made on Unix and has one.
    pub(super) mode: Option<u32>,
    /// How many bytes it holds when it is unpacked.
    pub(super) bytes: u64,
    crc32: u32,
    compression: Compression,
    packed: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Stored,
    Deflated,
}

/// Why the content of an entry did not arrive.
#[derive(Debug)]
pub(super) enum CopyError {
    /// The archive is at fault.
    Refused(Refusal),
    /// The place that it was copied to is at fault.
    NotWritten(io::Error),
}

/// Every entry of an archive, in the order of its directory.
pub(super) fn entries(zip: &[u8]) -> Result<Vec<Entry<'_>>, PackageError> {
    let not_an_archive = |reason| PackageError::NotAnArchive { reason };
    let directory = Directory::find(zip).map_err(not_an_archive)?;
    if directory.entries == 0 {
        return Err(PackageError::Empty);
    }
    let limit = ZIP_ENTRIES_MAX;
    if directory.entries > limit as u64 {
        return Err(PackageError::TooManyEntries { limit });
    }
    let mut entries = Vec::new();
    let mut at = directory.from;
    while at < directory.to {
        let header = Header::read(zip, at);
        let header = header.ok_or_else(|| not_an_archive("its directory is damaged"))?;
        at = header.to;
        if at > directory.to || entries.len() == limit {
            return Err(not_an_archive("its directory is damaged"));
        }
        entries.push(header.entry(zip, &directory)?);
    }
    if entries.len() as u64 != directory.entries {
        return Err(not_an_archive("its directory has another number of entries than it says"));
    }
    Ok(entries)
}

impl Entry<'_> {
    /// The refusal of this entry.
    pub(super) fn refused(&self, why: Refusal) -> PackageError {
        refused(self.name, why)
    }

    /// Copies the content, and fails unless its size and its checksum are as the directory says.
    pub(super) fn copy_to(&self, sink: &mut dyn Write) -> Result<(), CopyError> {
        let mut source: Box<dyn Read + '_> = match self.compression {
            Compression::Stored => Box::new(self.packed),
            Compression::Deflated => Box::new(DeflateDecoder::new(self.packed)),
        };
        let mut buffer = vec![0; COPY_BYTES];
        let mut crc = Crc::new();
        let mut copied = 0;
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(_) => return Err(CopyError::Refused(Refusal::ContentDamaged)),
            };
            copied += count as u64;
            if copied > self.bytes {
                return Err(CopyError::Refused(Refusal::SizeDiffers));
            }
            let piece = &buffer[..count];
            crc.update(piece);
            sink.write_all(piece).map_err(CopyError::NotWritten)?;
        }
        if copied != self.bytes {
            return Err(CopyError::Refused(Refusal::SizeDiffers));
        }
        if crc.sum() != self.crc32 {
            return Err(CopyError::Refused(Refusal::ChecksumDiffers));
        }
        Ok(())
    }
}

/// How much is inflated at a time.
const COPY_BYTES: usize = 64 * 1024;

/// The end record of an archive, which has a comment of up to 65,535 bytes after it.
const END: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
/// Where the end record of a large archive is, just before the ordinary one.
const LARGE_LOCATOR: u32 = 0x0706_4b50;
const LARGE_LOCATOR_BYTES: usize = 20;
/// The end record of a large archive.
const LARGE_END: u32 = 0x0606_4b50;
const LARGE_END_BYTES: usize = 56;
/// One entry of the directory.
const HEADER: u32 = 0x0201_4b50;
const HEADER_BYTES: usize = 46;
/// What stands before the content of an entry.
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_BYTES: usize = 30;
/// The extra field with the 64-bit sizes of an entry.
const LARGE_EXTRA: u16 = 0x0001;
/// The flags of encryption: ordinary, strong, and of the directory itself.
const ENCRYPTED: u16 = 1 | (1 << 6) | (1 << 13);

/// Where the central directory is.
#[derive(Debug)]
struct Directory {
    entries: u64,
    from: usize,
    to: usize,
    /// How many bytes stand before the archive, as in a program that carries one: offsets in the
    /// archive do not count them.
    before: usize,
}

impl Directory {
    fn find(zip: &[u8]) -> Result<Directory, &'static str> {
        let end = find_end(zip).ok_or("it has no end record")?;
        let record = large_end(zip, end).or_else(|| ordinary_end(zip, end));
        let (entries, size, offset, to) = record.ok_or("its end record is damaged")?;
        let before = (|| {
            let size = usize::try_from(size).ok()?;
            let offset = usize::try_from(offset).ok()?;
            let from = to.checked_sub(size)?;
            Some((from, from.checked_sub(offset)?))
        })();
        let (from, before) = before.ok_or("its directory is not inside it")?;
        Ok(Directory { entries, from, to, before })
    }
}

fn find_end(zip: &[u8]) -> Option<usize> {
    let last = zip.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    // The comment must end where the file ends; otherwise a comment could pose as an end record.
    let fits = |at: usize| {
        let comment = u16_at(zip, at + 20).map(usize::from);
        comment.is_some_and(|comment| at + END_BYTES + comment == zip.len())
    };
    (first..=last).rev().find(|at| u32_at(zip, *at) == Some(END) && fits(*at))
}

/// Entries, size, offset and end of the directory, from the ordinary end record.
fn ordinary_end(zip: &[u8], end: usize) -> Option<(u64, u64, u64, usize)> {
    let entries = u16_at(zip, end + 10)?;
    let size = u32_at(zip, end + 12)?;
    let offset = u32_at(zip, end + 16)?;
    // An archive in several parts has another count on this part than in total.
    let whole = u16_at(zip, end + 8)? == entries;
    whole.then_some((entries.into(), size.into(), offset.into(), end))
}

/// The same from the end record of a large archive, if there is one.
fn large_end(zip: &[u8], end: usize) -> Option<(u64, u64, u64, usize)> {
    let locator = end.checked_sub(LARGE_LOCATOR_BYTES)?;
    if u32_at(zip, locator)? != LARGE_LOCATOR {
        return None;
    }
    let at = usize::try_from(u64_at(zip, locator + 8)?).ok()?;
    if at.checked_add(LARGE_END_BYTES)? > locator || u32_at(zip, at)? != LARGE_END {
        return None;
    }
    let entries = u64_at(zip, at + 32)?;
    let whole = u64_at(zip, at + 24)? == entries;
    whole.then_some((entries, u64_at(zip, at + 40)?, u64_at(zip, at + 48)?, at))
}

/// One entry of the directory, before its content has been found.
#[derive(Debug)]
struct Header<'a> {
    name: &'a [u8],
    mode: Option<u32>,
    flags: u16,
    method: u16,
    crc32: u32,
    packed_bytes: u64,
    bytes: u64,
    offset: u64,
    /// Where the next header begins.
    to: usize,
}

impl<'a> Header<'a> {
    fn read(zip: &'a [u8], at: usize) -> Option<Header<'a>> {
        if u32_at(zip, at)? != HEADER {
            return None;
        }
        let name_at = at + HEADER_BYTES;
        let extra_at = name_at + usize::from(u16_at(zip, at + 28)?);
        let comment_at = extra_at + usize::from(u16_at(zip, at + 30)?);
        let to = comment_at + usize::from(u16_at(zip, at + 32)?);
        let extra = zip.get(extra_at..comment_at)?;
        let mut large = large_sizes(extra).into_iter();
        let mut size = |field: u32| match field {
            u32::MAX => large.next(),
            field => Some(u64::from(field)),
        };
        // The 64-bit fields come in this order, and only those that did not fit.
        let bytes = size(u32_at(zip, at + 24)?)?;
        let packed_bytes = size(u32_at(zip, at + 20)?)?;
        let offset = size(u32_at(zip, at + 42)?)?;
        // 3 is Unix and 19 is macOS; for other systems the upper half has no fixed meaning.
        let made_on = u16_at(zip, at + 4)? >> 8;
        let mode = u32_at(zip, at + 38)? >> 16;
        Some(Header {
            name: zip.get(name_at..extra_at)?,
            mode: ((made_on == 3 || made_on == 19) && mode != 0).then_some(mode),
            flags: u16_at(zip, at + 8)?,
            method: u16_at(zip, at + 10)?,
            crc32: u32_at(zip, at + 16)?,
            packed_bytes,
            bytes,
            offset,
            to,
        })
    }

    fn entry(&self, zip: &'a [u8], directory: &Directory) -> Result<Entry<'a>, PackageError> {
        let refused = |why| refused(self.name, why);
        if self.flags & ENCRYPTED != 0 {
            return Err(refused(Refusal::Encrypted));
        }
        let compression = match self.method {
            0 => Compression::Stored,
            8 => Compression::Deflated,
            _ => return Err(refused(Refusal::CompressionUnknown)),
        };
        if compression == Compression::Stored && self.packed_bytes != self.bytes {
            return Err(refused(Refusal::SizeDiffers));
        }
        let packed = self.packed(zip, directory).ok_or_else(|| refused(Refusal::ContentMissing))?;
        let (name, mode, bytes, crc32) = (self.name, self.mode, self.bytes, self.crc32);
        Ok(Entry { name, mode, bytes, crc32, compression, packed })
    }

    /// The packed content, which must stand between the start of the archive and its directory.
    fn packed(&self, zip: &'a [u8], directory: &Directory) -> Option<&'a [u8]> {
        let local = directory.before.checked_add(usize::try_from(self.offset).ok()?)?;
        let contents = zip.get(..directory.from)?;
        if u32_at(contents, local)? != LOCAL {
            return None;
        }
        let name_bytes = usize::from(u16_at(contents, local.checked_add(26)?)?);
        let extra_bytes = usize::from(u16_at(contents, local.checked_add(28)?)?);
        let from = local.checked_add(LOCAL_BYTES + name_bytes + extra_bytes)?;
        let to = from.checked_add(usize::try_from(self.packed_bytes).ok()?)?;
        contents.get(from..to)
    }
}

/// The 64-bit numbers in the extra fields of an entry, in their order.
fn large_sizes(extra: &[u8]) -> Vec<u64> {
    let mut at = 0;
    while let (Some(id), Some(bytes)) = (u16_at(extra, at), u16_at(extra, at + 2)) {
        let from = at + 4;
        let to = from + usize::from(bytes);
        if id == LARGE_EXTRA {
            let field = extra.get(from..to).unwrap_or_default();
            return field
                .as_chunks::<8>()
                .0
                .iter()
                .map(|chunk| u64::from_le_bytes(*chunk))
                .collect();
        }
        at = to;
    }
    Vec::new()
}

/// The refusal of the entry with a name.
pub(super) fn refused(name: &[u8], why: Refusal) -> PackageError {
    PackageError::EntryRefused { name: String::from_utf8_lossy(name).into_owned(), why }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_le_bytes(*chunk))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}
