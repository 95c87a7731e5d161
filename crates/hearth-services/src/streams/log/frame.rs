//! How a record stands in a file.
//!
//! A segment is the magic bytes and then records, each of them
//!
//! ```text
//! length of the body: u32 │ CRC-32 of the body: u32 │ body: index u64, arrived u64, length of the key u16, key, data
//! ```
//!
//! with all numbers little-endian.
//!
//! # Promises
//!
//! 1. What is written reads back as it was.
//! 2. However a file is cut off or damaged, what is read up to the damage is a prefix of what was written.
//! 3. What is whole behind damage is found.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::ops::RangeInclusive;
use std::path::Path;

use bytes::Bytes;
use hearth_types::time::Timestamp;

use super::super::quotas::{READ_AHEAD_BYTES, RECORD_KIB_MAX};

/// What every segment begins with. The digit is the version of the format.
pub(super) const MAGIC: [u8; 8] = *b"HSTREAM1";
/// The same as a length.
pub(super) const MAGIC_BYTES: u64 = 8;
/// Length and checksum.
const HEAD_BYTES: usize = 8;
/// Index, time, and length of the key.
const FIELDS_BYTES: usize = 18;
/// A length beyond this was not written by us, and must not be waited or allocated for.
const BODY_BYTES_MAX: usize = FIELDS_BYTES + 4 * 256 + RECORD_KIB_MAX as usize * 1_024;

/// A record of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataRecord {
    /// Which one of its shard it is.
    pub index: u64,
    /// When it came.
    pub arrived: Timestamp,
    /// Its partition key.
    pub partition_key: String,
    /// What it is.
    pub data: Bytes,
}

/// Adds a record's bytes.
pub(super) fn push(
    out: &mut Vec<u8>,
    (index, arrived): (u64, Timestamp),
    partition_key: &str,
    data: &[u8],
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    out.extend_from_slice(&index.to_le_bytes());
    out.extend_from_slice(&arrived.0.to_le_bytes());
    let key_bytes = u16::try_from(partition_key.len()).expect("a partition key has 256 characters");
    out.extend_from_slice(&key_bytes.to_le_bytes());
    out.extend_from_slice(partition_key.as_bytes());
    out.extend_from_slice(data);
    let body = start + HEAD_BYTES;
    let length = u32::try_from(out.len() - body).expect("a record is far below 4 GB");
    let checksum = crc32fast::hash(&out[body..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..body].copy_from_slice(&checksum.to_le_bytes());
}

/// The records of a file, from a place in it up to another one.
#[derive(Debug)]
pub(super) struct Frames {
    file: BufReader<File>,
    at: u64,
    end: u64,
    /// The index behind the last one that was read.
    next_index: u64,
}

impl Frames {
    /// Those from one offset up to another one, where something else may follow.
    pub(super) fn open(file: &Path, from: u64, end: u64) -> io::Result<Self> {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(from))?;
        let file = BufReader::with_capacity(READ_AHEAD_BYTES, file);
        Ok(Self { file, at: from, end, next_index: 0 })
    }

    /// Where the next one begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next one; none at the end.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not one: then the kind of the error is [`io::ErrorKind::InvalidData`].
    pub(super) fn next(&mut self) -> io::Result<Option<DataRecord>> {
        let left = self.end.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        if left < HEAD_BYTES as u64 {
            return Err(damaged());
        }
        let mut head = [0; HEAD_BYTES];
        self.file.read_exact(&mut head).map_err(short)?;
        let mut head = &head[..];
        let (length, checksum) =
            (u32::from_le_bytes(take(&mut head)), u32::from_le_bytes(take(&mut head)));
        let bytes = usize::try_from(length).map_err(|_large| damaged())?;
        let is_length = (FIELDS_BYTES..=BODY_BYTES_MAX).contains(&bytes);
        if !is_length || u64::from(length) > left - HEAD_BYTES as u64 {
            return Err(damaged());
        }
        let mut body = vec![0; bytes];
        self.file.read_exact(&mut body).map_err(short)?;
        if crc32fast::hash(&body) != checksum {
            return Err(damaged());
        }
        let record = decode(body).ok_or_else(damaged)?;
        self.at += HEAD_BYTES as u64 + u64::from(length);
        self.next_index = record.index.saturating_add(1);
        Ok(Some(record))
    }

    /// The next one that is whole, and how many damaged bytes are before it; or none, and how many
    /// are before the end. No record of the file has a smaller index than `first`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn next_whole(&mut self, first: u64) -> io::Result<(Option<DataRecord>, u64)> {
        match self.next() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => self.behind_damage(first),
            found => found.map(|record| (record, 0)),
        }
    }

    /// Looks for the next whole record behind one that is not. Of a record's data nobody knows what it
    /// looks like, so the length of the damaged one is believed first, and an index must be one that
    /// can stand there.
    fn behind_damage(&mut self, first: u64) -> io::Result<(Option<DataRecord>, u64)> {
        let mut rest = Vec::new();
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.by_ref().take(self.end - self.at).read_to_end(&mut rest)?;
        let first = first.max(self.next_index);
        let found = |from: usize, missing: u64| {
            let indices = first..=first.saturating_add(missing);
            let (record, length) = whole(rest.get(from..)?, &indices)?;
            Some((record, from as u64, length))
        };
        let said = rest.first_chunk::<4>().map_or(0, |length| u32::from_le_bytes(*length));
        let said = HEAD_BYTES.saturating_add(usize::try_from(said).unwrap_or(usize::MAX));
        // No more records are missing than bytes.
        let next =
            found(said, 1).or_else(|| (1..rest.len()).find_map(|from| found(from, from as u64)));
        let Some((record, damaged, length)) = next else {
            return Ok((None, self.end - self.at));
        };
        self.at += damaged + length;
        self.next_index = record.index.saturating_add(1);
        self.file.seek(SeekFrom::Start(self.at))?;
        Ok((Some(record), damaged))
    }
}

/// The record that these bytes begin with, if it is whole and has one of these indices; and its length.
fn whole(bytes: &[u8], indices: &RangeInclusive<u64>) -> Option<(DataRecord, u64)> {
    let (mut head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (length, checksum) =
        (u32::from_le_bytes(take(&mut head)), u32::from_le_bytes(take(&mut head)));
    let body = rest.get(..usize::try_from(length).ok()?)?;
    if !(FIELDS_BYTES..=BODY_BYTES_MAX).contains(&body.len()) {
        return None;
    }
    let mut fields = body;
    let index = u64::from_le_bytes(take(&mut fields));
    if !indices.contains(&index) || crc32fast::hash(body) != checksum {
        return None;
    }
    let record = decode(body.to_vec())?;
    Some((record, HEAD_BYTES as u64 + u64::from(length)))
}

fn decode(body: Vec<u8>) -> Option<DataRecord> {
    let body = Bytes::from(body);
    let mut fields = body.get(..FIELDS_BYTES)?;
    let index = u64::from_le_bytes(take(&mut fields));
    let arrived = Timestamp(u64::from_le_bytes(take(&mut fields)));
    let key_bytes = usize::from(u16::from_le_bytes(take(&mut fields)));
    let key = body.get(FIELDS_BYTES..FIELDS_BYTES + key_bytes)?;
    let partition_key = std::str::from_utf8(key).ok()?.to_owned();
    Some(DataRecord { index, arrived, partition_key, data: body.slice(FIELDS_BYTES + key_bytes..) })
}

fn take<const BYTES: usize>(rest: &mut &[u8]) -> [u8; BYTES] {
    let (taken, behind) = rest.split_at(BYTES);
    *rest = behind;
    taken.try_into().expect("it was split off at this length")
}

/// A file that ends too early is damaged as well.
fn short(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { damaged() } else { error }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a record is not whole")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(records: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (index, (key, data)) in (1..).zip(records) {
            push(&mut bytes, (index, Timestamp(index * 10)), key, data);
        }
        bytes
    }

    /// What is read of a file, and whether its end was found.
    fn read(bytes: &[u8]) -> (Vec<DataRecord>, bool) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("segment");
        std::fs::write(&file, bytes).unwrap();
        let end = u64::try_from(bytes.len()).unwrap();
        let mut frames = Frames::open(&file, MAGIC_BYTES, end).unwrap();
        let mut found = Vec::new();
        loop {
            match frames.next() {
                Ok(Some(record)) => found.push(record),
                Ok(None) => return (found, true),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
                    return (found, false);
                }
            }
        }
    }

    /// What is whole in a file.
    fn salvaged(bytes: &[u8]) -> Vec<DataRecord> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("segment");
        std::fs::write(&file, bytes).unwrap();
        let end = u64::try_from(bytes.len()).unwrap();
        let mut frames = Frames::open(&file, MAGIC_BYTES, end).unwrap();
        std::iter::from_fn(|| frames.next_whole(1).unwrap().0).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_read_is_what_was_written_or_its_beginning(
            records in proptest::collection::vec(
                (".{1,20}", proptest::collection::vec(any::<u8>(), 0..200)), 0..20),
            cut in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let bytes = written(&records);
            let (found, is_whole) = read(&bytes);
            prop_assert!(is_whole);
            prop_assert_eq!(found.len(), records.len());
            for (record, (key, data)) in found.iter().zip(&records) {
                prop_assert_eq!((&record.partition_key, &record.data[..]), (key, &data[..]));
            }
            let body = bytes.len() - MAGIC.len();
            let at = MAGIC.len() + cut.index(body + 1);
            let (short, _) = read(&bytes[..at]);
            prop_assert_eq!(&short[..], &found[..short.len()]);
            if at < bytes.len() {
                let mut changed = bytes;
                changed[at] ^= 1 << bit;
                let (before, _) = read(&changed);
                prop_assert!(before.len() < found.len());
                prop_assert_eq!(&before[..], &found[..before.len()]);
                let others = salvaged(&changed);
                prop_assert_eq!(others.len(), found.len() - 1, "one record is damaged");
                prop_assert!(others.iter().all(|other| found.contains(other)));
            }
        }
    }
}
