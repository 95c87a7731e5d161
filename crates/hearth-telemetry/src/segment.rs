//! One file of a log group: its records, their encoding, and an index of what is in it.
//!
//! A segment is the magic bytes and then records, each of them
//!
//! ```text
//! length of the body: u32 │ CRC-32 of the body: u32 │ body: kind u8, fields, text
//! ```
//!
//! with all numbers little-endian. The first record of every segment says which group it belongs
//! to, and a stream is declared in every segment that has events of it. So a segment is understood
//! alone, and the oldest one can be dropped without touching the others.
//!
//! # Promises
//!
//! 1. What is encoded decodes to itself.
//! 2. However a file is cut off, what is read is a prefix of what was written: a record that is
//!    not whole ends the reading.
//!
//! # Deliberately absent
//!
//! No compression. No kinds that are skipped when they are unknown: a new kind is a new magic.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use hearth_types::limits::LOG_EVENT_BYTES_MAX;
use hearth_types::time::Timestamp;

/// What every segment begins with. The digit is the version of the format.
pub(crate) const MAGIC: [u8; 8] = *b"HLOGSEG1";
/// Length and checksum.
const HEAD_BYTES: usize = 8;
/// The fields of an event beside its message, with room to spare.
const FIELDS_BYTES_MAX: usize = 64;
/// A length beyond this was not written by us, and must not be waited or allocated for.
const BODY_BYTES_MAX: usize = LOG_EVENT_BYTES_MAX + FIELDS_BYTES_MAX;

const GROUP: u8 = 1;
const STREAM: u8 = 2;
const EVENT: u8 = 3;
const STREAM_DELETED: u8 = 4;

/// One record of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// The group as it is from here on. The last one read holds.
    Group { created: Timestamp, retention_days: Option<u32>, name: &'a str },
    /// The stream that is meant by `id` in this segment.
    Stream { id: u32, created: Timestamp, name: &'a str },
    /// One event.
    Event { stream: u32, at: Timestamp, ingested: Timestamp, message: &'a [u8] },
    /// Everything of this stream, in this and in earlier segments, is to be ignored.
    StreamDeleted { id: u32 },
}

impl<'a> Record<'a> {
    /// Adds the record's bytes to `out`.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        match *self {
            Self::Group { created, retention_days, name } => {
                out.push(GROUP);
                out.extend_from_slice(&created.0.to_le_bytes());
                // Zero days cannot be asked for, so zero stands for "for ever".
                out.extend_from_slice(&retention_days.unwrap_or(0).to_le_bytes());
                out.extend_from_slice(name.as_bytes());
            }
            Self::Stream { id, created, name } => {
                out.push(STREAM);
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&created.0.to_le_bytes());
                out.extend_from_slice(name.as_bytes());
            }
            Self::Event { stream, at, ingested, message } => {
                out.push(EVENT);
                out.extend_from_slice(&stream.to_le_bytes());
                out.extend_from_slice(&at.0.to_le_bytes());
                out.extend_from_slice(&ingested.0.to_le_bytes());
                out.extend_from_slice(message);
            }
            Self::StreamDeleted { id } => {
                out.push(STREAM_DELETED);
                out.extend_from_slice(&id.to_le_bytes());
            }
        }
        let body = start + HEAD_BYTES;
        let length = u32::try_from(out.len() - body)
            .expect("names and messages are bounded, far below 4 GB, before they get here");
        let checksum = crc32fast::hash(&out[body..]);
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..body].copy_from_slice(&checksum.to_le_bytes());
    }

    fn decode(body: &'a [u8]) -> Option<Self> {
        let (kind, mut rest) = body.split_first()?;
        let record = match *kind {
            GROUP => Self::Group {
                created: timestamp(&mut rest)?,
                retention_days: Some(number(&mut rest)?).filter(|days| *days > 0),
                name: std::str::from_utf8(rest).ok()?,
            },
            STREAM => Self::Stream {
                id: number(&mut rest)?,
                created: timestamp(&mut rest)?,
                name: std::str::from_utf8(rest).ok()?,
            },
            EVENT => Self::Event {
                stream: number(&mut rest)?,
                at: timestamp(&mut rest)?,
                ingested: timestamp(&mut rest)?,
                message: rest,
            },
            STREAM_DELETED => Self::StreamDeleted { id: number(&mut rest)? },
            _ => return None,
        };
        Some(record)
    }
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

fn timestamp(rest: &mut &[u8]) -> Option<Timestamp> {
    take(rest).map(u64::from_le_bytes).map(Timestamp)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let taken = *rest.first_chunk::<N>()?;
    *rest = rest.get(N..)?;
    Some(taken)
}

/// The records of a segment's bytes, each with its offset, up to the first one that is not whole.
#[derive(Debug)]
pub(crate) struct Records<'a> {
    bytes: &'a [u8],
    offset: usize,
}

/// The records in `bytes`, or `None` if they do not begin as a segment does.
pub(crate) fn records(bytes: &[u8]) -> Option<Records<'_>> {
    bytes.starts_with(&MAGIC).then_some(Records { bytes, offset: MAGIC.len() })
}

impl Records<'_> {
    /// How many bytes have been understood so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.offset as u64
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, Record<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.bytes.get(self.offset..)?.split_first_chunk::<4>()?;
        let (checksum, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        if length > BODY_BYTES_MAX {
            return None;
        }
        let body = rest.get(..length)?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let record = Record::decode(body)?;
        let offset = self.offset as u64;
        self.offset += HEAD_BYTES + length;
        Some((offset, record))
    }
}

/// From when to when a set of events reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// The earliest timestamp.
    pub(crate) first_at: Timestamp,
    /// The latest timestamp.
    pub(crate) last_at: Timestamp,
    /// The latest time of arrival.
    pub(crate) last_ingested: Timestamp,
}

impl Span {
    /// The span of one event.
    pub(crate) fn of(at: Timestamp, ingested: Timestamp) -> Self {
        Self { first_at: at, last_at: at, last_ingested: ingested }
    }

    /// The span of two sets together; `None` is the span of no events.
    pub(crate) fn join(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) => Some(Self {
                first_at: one.first_at.min(other.first_at),
                last_at: one.last_at.max(other.last_at),
                last_ingested: one.last_ingested.max(other.last_ingested),
            }),
            (one, other) => one.or(other),
        }
    }
}

/// What is remembered of a segment while its file is closed.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Its place in the group; numbers only grow.
    pub(crate) number: u64,
    /// How many bytes of the file hold whole records. 0: the file has not been written yet.
    pub(crate) length: u64,
    /// Whether it must not be written to any more.
    pub(crate) sealed: bool,
    /// The streams that are declared in it, and the span of each one's events.
    pub(crate) streams: BTreeMap<u32, Option<Span>>,
}

impl Segment {
    pub(crate) fn new(number: u64) -> Self {
        Self { number, length: 0, sealed: false, streams: BTreeMap::new() }
    }

    /// Remembers that the stream is declared here, and that it has events in that span.
    pub(crate) fn note(&mut self, stream: u32, span: Option<Span>) {
        let known = self.streams.entry(stream).or_default();
        *known = Span::join(*known, span);
    }

    /// The span of all its events.
    pub(crate) fn span(&self) -> Option<Span> {
        self.streams.values().copied().fold(None, Span::join)
    }
}

/// The name of a segment's file.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number:08}.seg")
}

/// Which segment a file is, or `None` if it is something else.
pub(crate) fn number_of(file_name: &str) -> Option<u64> {
    file_name.strip_suffix(".seg")?.parse().ok()
}

/// The first `length` bytes of a segment's file, or `None` if it has been dropped meanwhile.
pub(crate) fn read(path: &Path, length: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record that owns its text.
    #[derive(Debug, Clone)]
    enum Owned {
        Group(u64, Option<u32>, String),
        Stream(u32, u64, String),
        Event(u32, u64, u64, Vec<u8>),
        StreamDeleted(u32),
    }

    impl Owned {
        fn record(&self) -> Record<'_> {
            match self {
                Self::Group(created, retention_days, name) => Record::Group {
                    created: Timestamp(*created),
                    retention_days: *retention_days,
                    name,
                },
                Self::Stream(id, created, name) => {
                    Record::Stream { id: *id, created: Timestamp(*created), name }
                }
                Self::Event(stream, at, ingested, message) => Record::Event {
                    stream: *stream,
                    at: Timestamp(*at),
                    ingested: Timestamp(*ingested),
                    message,
                },
                Self::StreamDeleted(id) => Record::StreamDeleted { id: *id },
            }
        }
    }

    fn any_record() -> impl Strategy<Value = Owned> {
        let days = proptest::option::of(1..4_000_u32);
        let message = proptest::collection::vec(any::<u8>(), 0..200);
        prop_oneof![
            (any::<u64>(), days, ".{0,20}")
                .prop_map(|(at, days, name)| Owned::Group(at, days, name)),
            (any::<u32>(), any::<u64>(), ".{0,20}")
                .prop_map(|(id, at, name)| Owned::Stream(id, at, name)),
            (any::<u32>(), any::<u64>(), any::<u64>(), message)
                .prop_map(|(id, at, ingested, message)| Owned::Event(id, at, ingested, message)),
            any::<u32>().prop_map(Owned::StreamDeleted),
        ]
    }

    fn segment_of(written: &[Owned]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for record in written {
            record.record().encode(&mut bytes);
        }
        bytes
    }

    proptest! {
        #[test]
        fn records_decode_to_themselves(written in proptest::collection::vec(any_record(), 0..20)) {
            let bytes = segment_of(&written);
            let mut reader = records(&bytes).expect("it begins with the magic");
            let read: Vec<Record<'_>> = reader.by_ref().map(|(_, record)| record).collect();
            let expected: Vec<Record<'_>> = written.iter().map(Owned::record).collect();
            prop_assert_eq!(read, expected);
            prop_assert_eq!(reader.bytes_read(), bytes.len() as u64);
        }

        #[test]
        fn a_cut_segment_reads_as_a_prefix(
            written in proptest::collection::vec(any_record(), 0..10), cut in any::<prop::sample::Index>()
        ) {
            let bytes = segment_of(&written);
            let cut = &bytes[..cut.index(bytes.len() + 1)];
            let read: Vec<Record<'_>> =
                records(cut).into_iter().flatten().map(|(_, record)| record).collect();
            let expected: Vec<Record<'_>> = written.iter().map(Owned::record).collect();
            prop_assert!(expected.starts_with(&read));
        }

        #[test]
        fn no_bytes_panic(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(noise);
            prop_assert!(records(&bytes).into_iter().flatten().count() <= bytes.len());
        }
    }

    #[test]
    fn zeroes_behind_the_records_are_not_records() {
        let mut bytes = segment_of(&[Owned::StreamDeleted(7)]);
        bytes.extend_from_slice(&[0; 64]);
        assert_eq!(records(&bytes).into_iter().flatten().count(), 1);
    }

    #[test]
    fn file_names_tell_the_number() {
        assert_eq!(file_name(12), "00000012.seg");
        assert_eq!(number_of("00000012.seg"), Some(12));
        assert_eq!(number_of("123456789.seg"), Some(123_456_789));
        assert_eq!(number_of("00000012.seg.unreadable"), None);
        assert_eq!(number_of("readme"), None);
    }
}
