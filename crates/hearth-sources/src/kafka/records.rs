//! Batches of records, as they lie in Kafka's logs (format 2, of Kafka 0.11 and later). Pure.
//!
//! ```text
//!  base offset │ length │ epoch │ 2 │ CRC-32C │ attributes │ … │ count │ records, maybe compressed
//! ```
//!
//! # Promises
//!
//! 1. A batch that was damaged is refused, not handed on.
//! 2. What a batch is decompressed to has a bound, and so has what is taken of it at a time.
//! 3. Records of transactions that were aborted, and the marks of transactions, are left out.
//! 4. What is read leads on: bytes that would be read for ever are refused.
//!
//! # Deliberately absent
//!
//! The older formats: Kafka itself has dropped them. Compression of what is written.

use std::collections::HashSet;
use std::io::Read;

use hearth_types::limits;

use super::wire::{Malformed, Reader, Writer};

/// What stands in front of the length of a batch, and the length.
const FRONT_BYTES: usize = 12;
/// Where the part begins that the checksum is of, behind the length.
const CHECKED_FROM: usize = 9;
const COMPRESSION: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
/// What Kafka's Java client writes in front of its own blocks of Snappy.
const XERIAL: &[u8] = &[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// That, and two versions.
const XERIAL_BYTES: usize = 16;
/// What a record takes in memory beside its key, its value and its headers, at the least.
const RECORD_BYTES: usize = 128;
/// What a header takes beside its name and its value.
const HEADER_BYTES: usize = 64;

/// Why records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// They are not what they should be.
    #[error("a batch of records cannot be understood")]
    Malformed,
    /// Its checksum is another one.
    #[error("a batch of records is damaged")]
    Damaged,
    /// It has a format that is not known.
    #[error("batches of records of the format {0} cannot be read")]
    Format(i8),
    /// It is compressed in a way that is not known, or wrong.
    #[error("a batch of records cannot be decompressed")]
    Compression,
}

impl From<Malformed> for RecordError {
    fn from(_malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// Of which kind the time of a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeKind {
    /// When it was made.
    Create,
    /// When it came to the broker.
    LogAppend,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) offset: i64,
    /// Milliseconds since 1970, or -1.
    pub(super) timestamp: i64,
    pub(super) time_kind: TimeKind,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A transaction that was aborted: the producer, and where it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) producer: i64,
    pub(super) first_offset: i64,
}

/// What was read of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Portion {
    pub(super) records: Vec<Record>,
    /// Where to read on, if there was anything.
    pub(super) next: Option<i64>,
    /// What the records take in memory, about.
    bytes: usize,
}

/// Reads batches from an offset on, until the records have so many bytes: one record at the least. A
/// batch that was cut at the end is left.
pub(super) fn read(
    mut bytes: &[u8],
    (from, bytes_max): (i64, usize),
    aborted: &[Aborted],
) -> Result<Portion, RecordError> {
    let mut portion = Portion::default();
    let mut aborted = aborted.to_vec();
    aborted.sort_by_key(|one| one.first_offset);
    let mut aborted = aborted.into_iter().peekable();
    let mut ignored: HashSet<i64> = HashSet::new();
    let is_empty = bytes.is_empty();
    while let Some((batch, rest)) = split(bytes) {
        let batch = Batch::read(batch)?;
        bytes = rest;
        while let Some(one) = aborted.next_if(|one| one.first_offset <= batch.last_offset) {
            ignored.insert(one.producer);
        }
        portion.next = Some(batch.last_offset.saturating_add(1));
        if batch.attributes & CONTROL != 0 {
            if batch.is_abort() {
                ignored.remove(&batch.producer);
            }
            continue;
        }
        if batch.attributes & TRANSACTIONAL != 0 && ignored.contains(&batch.producer) {
            continue;
        }
        if batch.records((from, bytes_max), &mut portion)? == Extent::Part {
            break;
        }
    }
    if !is_empty && portion.next.is_none_or(|next| next <= from) {
        return Err(RecordError::Malformed);
    }
    Ok(portion)
}

/// The first batch and what is behind it; `None` if there is no whole one.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut front = Reader(bytes.get(8..FRONT_BYTES)?);
    let length = usize::try_from(front.i32().ok()?).ok()?;
    bytes.split_at_checked(FRONT_BYTES.checked_add(length)?)
}

/// How many of a batch's records were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of them.
    All,
    /// As many as there was room for.
    Part,
}

struct Batch<'a> {
    base_offset: i64,
    last_offset: i64,
    attributes: i16,
    base_timestamp: i64,
    max_timestamp: i64,
    producer: i64,
    count: i32,
    body: &'a [u8],
}

impl<'a> Batch<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader(bytes);
        let base_offset = reader.i64()?;
        reader.i32()?;
        let behind_length = reader.0;
        let _leader_epoch = reader.i32()?;
        let format = reader.i8()?;
        if format != 2 {
            return Err(RecordError::Format(format));
        }
        let checksum = reader.u32()?;
        let checked = behind_length.get(CHECKED_FROM..).ok_or(RecordError::Malformed)?;
        if crc32c(checked) != checksum {
            return Err(RecordError::Damaged);
        }
        let attributes = reader.i16()?;
        let last_offset = base_offset.saturating_add(i64::from(reader.i32()?));
        let (base_timestamp, max_timestamp) = (reader.i64()?, reader.i64()?);
        let producer = reader.i64()?;
        let _epoch_and_sequence = (reader.i16()?, reader.i32()?);
        let count = reader.i32()?;
        let body = reader.0;
        Ok(Self {
            base_offset,
            last_offset,
            attributes,
            base_timestamp,
            max_timestamp,
            producer,
            count,
            body,
        })
    }

    /// Whether it is the mark of a transaction that was aborted.
    fn is_abort(&self) -> bool {
        let mut portion = Portion::default();
        // Its first record says so. Others, which a mark does not have, are not read into memory.
        let is_read = self.records((i64::MIN, 1), &mut portion).is_ok();
        let key =
            portion.records.first().and_then(|record| record.key.as_deref()).unwrap_or_default();
        let mut key = Reader(key);
        is_read && key.i16().is_ok() && key.i16() == Ok(0)
    }

    /// Takes the records from an offset on, until there are enough.
    fn records(
        &self,
        (from, bytes_max): (i64, usize),
        portion: &mut Portion,
    ) -> Result<Extent, RecordError> {
        let decompressed = decompress(self.attributes & COMPRESSION, self.body)?;
        let mut reader = Reader(decompressed.as_deref().unwrap_or(self.body));
        for _record in 0..self.count {
            if portion.bytes >= bytes_max.max(1) {
                // The rest is fetched again, and this batch decompressed again, when there is room.
                portion.next = portion.records.last().map(|last| last.offset.saturating_add(1));
                return Ok(Extent::Part);
            }
            let length = usize::try_from(reader.varint()?).map_err(|_negative| Malformed)?;
            let record = self.record(Reader(reader.take(length)?))?;
            if record.offset >= from {
                let own = RECORD_BYTES + record.headers.len() * HEADER_BYTES;
                portion.bytes = portion.bytes.saturating_add(length).saturating_add(own);
                portion.records.push(record);
            }
        }
        Ok(Extent::All)
    }

    fn record(&self, mut reader: Reader<'_>) -> Result<Record, Malformed> {
        let _attributes = reader.i8()?;
        let timestamp = self.base_timestamp.saturating_add(reader.varint()?);
        let offset = self.base_offset.saturating_add(reader.varint()?);
        let key = reader.varbytes()?.map(<[u8]>::to_vec);
        let value = reader.varbytes()?.map(<[u8]>::to_vec);
        let count = usize::try_from(reader.varint()?).unwrap_or_default();
        let mut headers = Vec::new();
        // Nothing is behind them in a record.
        for _header in 0..count.min(limits::KAFKA_RECORD_HEADERS_MAX) {
            let name = reader.varbytes()?.unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            headers.push((name, reader.varbytes()?.map(<[u8]>::to_vec)));
        }
        let (timestamp, time_kind) = if self.attributes & LOG_APPEND_TIME != 0 {
            (self.max_timestamp, TimeKind::LogAppend)
        } else {
            (timestamp, TimeKind::Create)
        };
        Ok(Record { offset, timestamp, time_kind, key, value, headers })
    }
}

/// What was compressed; `None` if nothing was.
fn decompress(kind: i16, bytes: &[u8]) -> Result<Option<Vec<u8>>, RecordError> {
    let read = match kind {
        0 => return Ok(None),
        1 => all_of(flate2::read::GzDecoder::new(bytes)),
        2 => snappy(bytes),
        3 => all_of(lz4_flex::frame::FrameDecoder::new(bytes)),
        4 => ruzstd::decoding::StreamingDecoder::new(bytes).ok().and_then(all_of),
        _ => None,
    };
    read.map(Some).ok_or(RecordError::Compression)
}

fn all_of(from: impl Read) -> Option<Vec<u8>> {
    let longest = limits::KAFKA_BATCH_BYTES_MAX;
    let mut all = Vec::new();
    let bound = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    from.take(bound).read_to_end(&mut all).ok()?;
    (all.len() <= longest).then_some(all)
}

/// One block, or blocks in the frame of Kafka's Java client.
fn snappy(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.starts_with(XERIAL) {
        return block(bytes, 0);
    }
    let mut reader = Reader(bytes.get(XERIAL_BYTES..)?);
    let mut all = Vec::new();
    while !reader.0.is_empty() {
        all.extend(block(reader.bytes().ok()?, all.len())?);
    }
    Some(all)
}

fn block(bytes: &[u8], beside: usize) -> Option<Vec<u8>> {
    let length = snap::raw::decompress_len(bytes).ok()?;
    if beside.saturating_add(length) > limits::KAFKA_BATCH_BYTES_MAX {
        return None;
    }
    snap::raw::Decoder::new().decompress_vec(bytes).ok()
}

/// How many of these records a broker takes in one batch: one at the least.
pub(super) fn fitting(records: &[Record]) -> usize {
    let mut bytes = 0_usize;
    let fits = records.iter().take_while(|record| {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers = record.headers.iter().map(|(name, value)| name.len() + length(value) + 10);
        let own = length(&record.key) + length(&record.value) + headers.sum::<usize>() + 32;
        bytes = bytes.saturating_add(own);
        bytes <= limits::KAFKA_PRODUCE_BYTES_MAX
    });
    fits.count().max(1)
}

/// A batch of these records, to be written. Their offsets do not matter.
pub(super) fn written(records: &[Record]) -> Vec<u8> {
    let base = records.iter().map(|record| record.timestamp).min().unwrap_or_default();
    let latest = records.iter().map(|record| record.timestamp).max().unwrap_or_default();
    let last = i32::try_from(records.len().saturating_sub(1)).unwrap_or(i32::MAX);
    let mut checked = Writer::default();
    // No compression; no producer that could be known again.
    checked.i16(0).i32(last).i64(base).i64(latest).i64(-1).i16(-1).i32(-1).count(records.len());
    for (record, number) in records.iter().zip(0_i64..) {
        let mut one = Writer::default();
        one.i8(0).varint(record.timestamp.saturating_sub(base)).varint(number);
        one.varbytes(record.key.as_deref()).varbytes(record.value.as_deref());
        one.varint(i64::try_from(record.headers.len()).unwrap_or_default());
        for (name, value) in &record.headers {
            one.varbytes(Some(name.as_bytes())).varbytes(value.as_deref());
        }
        checked.varbytes(Some(&one.0));
    }
    let mut batch = Writer::default();
    batch.i64(0).count(checked.0.len() + CHECKED_FROM).i32(-1).i8(2);
    batch.raw(&crc32c(&checked.0).to_be_bytes()).raw(&checked.0);
    batch.0
}

/// The tables of CRC-32C: what eight bytes further on does to a checksum, for each of eight places.
static TABLES: [[u32; 256]; 8] = tables();

#[expect(
    clippy::cast_possible_truncation,
    reason = "the index is below 256, and there is no `try_from` in constants"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0x82f6_3b78 } else { value >> 1 };
            bit += 1;
        }
        tables[0][index] = value;
        index += 1;
    }
    let mut place = 1;
    while place < 8 {
        let mut index = 0;
        while index < 256 {
            let before = tables[place - 1][index];
            tables[place][index] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            index += 1;
        }
        place += 1;
    }
    tables
}

/// The checksum of Kafka's batches, eight bytes at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    let entry = |table: usize, byte: u8| TABLES[table][usize::from(byte)];
    let mut sum = u32::MAX;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        let mixed = sum.to_le_bytes();
        sum = entry(7, chunk[0] ^ mixed[0])
            ^ entry(6, chunk[1] ^ mixed[1])
            ^ entry(5, chunk[2] ^ mixed[2])
            ^ entry(4, chunk[3] ^ mixed[3])
            ^ entry(3, chunk[4])
            ^ entry(2, chunk[5])
            ^ entry(1, chunk[6])
            ^ entry(0, chunk[7]);
    }
    for byte in rest {
        sum = (sum >> 8) ^ entry(0, sum.to_le_bytes()[0] ^ byte);
    }
    !sum
}

#[cfg(test)]
mod tests;
