//! Reads SQLite's write-ahead log and says what of it is good.
//!
//! The log is a header and frames. A frame is a header and a page; its checksum goes over everything
//! before it, so a frame is good only if all before it are. The last frame of a transaction says so.
//! Frames that a former use of the file left behind it have the salts of that use.
//!
//! SQLite takes what is good up to the last end of a transaction, and says nothing about the rest.
//! This module says it.
//!
//! # Deliberately absent
//!
//! Nothing is changed, and nothing is mended: what was acknowledged was synced, so it stands before
//! whatever is torn.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// What a log begins with; the lowest bit says in which order the bytes of checksums are.
const MAGIC: u32 = 0x377f_0682;
/// The sizes that a page can have.
const PAGE_BYTES_MIN: u32 = 512;
const PAGE_BYTES_MAX: u32 = 65_536;
/// The first salt counts the uses of a file. This many uses back, what is behind the good frames may
/// come from; one in 256 torn frames would look like that as well.
const FORMER_USES_MAX: u32 = 1 << 24;

/// What is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFound {
    /// Frames of transactions that are whole.
    pub frames: u64,
    /// Bytes behind them that were written in the same use of the file.
    pub dropped_bytes: u64,
    /// How the log ends.
    pub end: LogEnd,
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEnd {
    /// With the end of a transaction.
    Whole,
    /// With frames of a transaction that did not come to its end: nobody was told that it had.
    Unfinished,
    /// With something that was written in part, or is not what was written.
    Torn,
}

/// Reads a log; `None` if there is none or it is empty.
pub(super) fn read(path: &Path) -> io::Result<Option<LogFound>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(None);
    }
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut header = [0; HEADER_BYTES];
    let header_bytes = fill(&mut reader, &mut header)?;
    let Some(mut frames) = Frames::after(&header).filter(|_| header_bytes == HEADER_BYTES) else {
        return Ok(Some(LogFound { frames: 0, dropped_bytes: length, end: LogEnd::Torn }));
    };
    let mut frame = vec![0; FRAME_HEADER_BYTES + frames.page_bytes];
    let (mut good, mut ended) = (0, 0);
    let end = loop {
        let bytes = fill(&mut reader, &mut frame)?;
        match frames.judge(&frame[..bytes]) {
            Judged::Good { ends_transaction } => {
                good += 1;
                if ends_transaction {
                    ended = good;
                }
            }
            Judged::Torn => break LogEnd::Torn,
            Judged::Former | Judged::Nothing if good > ended => break LogEnd::Unfinished,
            Judged::Former | Judged::Nothing => break LogEnd::Whole,
        }
    };
    let frame_bytes = u64::try_from(frame.len()).expect("a page is small");
    let used = u64::try_from(HEADER_BYTES).expect("it is small") + ended * frame_bytes;
    let dropped_bytes = match end {
        LogEnd::Whole => 0,
        LogEnd::Unfinished => (good - ended) * frame_bytes,
        LogEnd::Torn => length.saturating_sub(used),
    };
    Ok(Some(LogFound { frames: ended, dropped_bytes, end }))
}

/// Reads until the buffer is full or the file ends, and says how many bytes there were.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What a frame is.
enum Judged {
    Good {
        ends_transaction: bool,
    },
    /// Of a former use of the file.
    Former,
    /// The file ends before it.
    Nothing,
    Torn,
}

/// What is known of the frames that follow.
struct Frames {
    page_bytes: usize,
    salts: [u32; 2],
    sum: Checksum,
}

impl Frames {
    /// Those behind a header, if it is one.
    fn after(header: &[u8; HEADER_BYTES]) -> Option<Self> {
        let magic = number(header, 0);
        let order = match magic ^ MAGIC {
            0 => u32::from_le_bytes,
            1 => u32::from_be_bytes,
            _ => return None,
        };
        let page_bytes = number(header, 8);
        let is_size =
            page_bytes.is_power_of_two() && (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes);
        let mut sum = Checksum { order, parts: [0, 0] };
        sum.add(&header[..24]);
        let sums_match = sum.parts == [number(header, 24), number(header, 28)];
        (is_size && sums_match).then_some(())?;
        Some(Self {
            page_bytes: usize::try_from(page_bytes).ok()?,
            salts: [number(header, 16), number(header, 20)],
            sum,
        })
    }

    fn judge(&mut self, frame: &[u8]) -> Judged {
        if frame.is_empty() {
            return Judged::Nothing;
        }
        if frame.len() < FRAME_HEADER_BYTES {
            return Judged::Torn;
        }
        let salts = [number(frame, 8), number(frame, 12)];
        let uses_ago = self.salts[0].wrapping_sub(salts[0]);
        let written = salts != [0, 0];
        if salts != self.salts && written && (1..=FORMER_USES_MAX).contains(&uses_ago) {
            return Judged::Former;
        }
        if salts != self.salts || frame.len() < FRAME_HEADER_BYTES + self.page_bytes {
            return Judged::Torn;
        }
        self.sum.add(&frame[..8]);
        self.sum.add(&frame[FRAME_HEADER_BYTES..]);
        if self.sum.parts != [number(frame, 16), number(frame, 20)] {
            return Judged::Torn;
        }
        Judged::Good { ends_transaction: number(frame, 4) != 0 }
    }
}

/// SQLite's checksum of a log.
struct Checksum {
    order: fn([u8; 4]) -> u32,
    parts: [u32; 2],
}

impl Checksum {
    fn add(&mut self, bytes: &[u8]) {
        let [mut first, mut second] = self.parts;
        let (pairs, _rest) = bytes.as_chunks::<8>();
        for [a, b, c, d, e, f, g, h] in pairs {
            first = first.wrapping_add((self.order)([*a, *b, *c, *d])).wrapping_add(second);
            second = second.wrapping_add((self.order)([*e, *f, *g, *h])).wrapping_add(first);
        }
        self.parts = [first, second];
    }
}

/// The number at a place of a header.
fn number(bytes: &[u8], place: usize) -> u32 {
    let four = bytes[place..].first_chunk().expect("a header is longer");
    u32::from_be_bytes(*four)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sqlx::Connection as _;

    use super::*;
    use crate::queue::sqlite::file;

    /// A log of three transactions, as a crash leaves it, in a directory of its own.
    async fn log() -> (Vec<u8>, std::path::PathBuf, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("queue.db");
        let mut connection = file::connect(&database).await.unwrap();
        for text in ["CREATE TABLE t (x)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"] {
            sqlx::query(text).execute(&mut connection).await.unwrap();
        }
        let bytes = fs::read(directory.path().join("queue.db-wal")).unwrap();
        connection.close().await.unwrap();
        (bytes, directory.path().join("copy-wal"), directory)
    }

    fn found(path: &Path, bytes: &[u8]) -> LogFound {
        fs::write(path, bytes).unwrap();
        read(path).unwrap().unwrap()
    }

    const FRAME: usize = FRAME_HEADER_BYTES + 4_096;

    #[tokio::test]
    async fn a_whole_log_is_whole_and_what_a_former_use_left_does_not_count() {
        let (bytes, path, _directory) = log().await;
        let whole = found(&path, &bytes);
        assert_eq!((whole.end, whole.dropped_bytes), (LogEnd::Whole, 0));
        let frames = usize::try_from(whole.frames).unwrap();
        assert_eq!(bytes.len(), HEADER_BYTES + frames * FRAME);

        let mut longer = bytes.clone();
        let mut former = bytes[HEADER_BYTES..HEADER_BYTES + FRAME].to_vec();
        let salt = number(&former, 8).wrapping_sub(1);
        former[8..12].copy_from_slice(&salt.to_be_bytes());
        longer.extend(former);
        assert_eq!(found(&path, &longer), whole);
    }

    #[tokio::test]
    async fn a_torn_end_is_found_however_it_was_torn() {
        let (bytes, path, _directory) = log().await;
        let whole = found(&path, &bytes);
        let last = bytes.len() - FRAME;
        let mut garbled = bytes.clone();
        garbled[last + 100] ^= 1;
        let mut zeroed = bytes.clone();
        zeroed[last..].fill(0);
        for torn in [garbled, zeroed, bytes[..last + 1_000].to_vec(), bytes[..last + 3].to_vec()] {
            let found = found(&path, &torn);
            assert_eq!((found.end, found.frames), (LogEnd::Torn, whole.frames - 1));
            assert_eq!(found.dropped_bytes, u64::try_from(torn.len() - last).unwrap());
        }
    }

    #[tokio::test]
    async fn a_log_without_a_header_is_torn_as_a_whole() {
        let (mut bytes, path, _directory) = log().await;
        bytes[3] ^= 8;
        let found = found(&path, &bytes);
        assert_eq!((found.end, found.frames), (LogEnd::Torn, 0));
        assert_eq!(read(Path::new("/nowhere")).unwrap(), None);
    }

    #[tokio::test]
    async fn a_transaction_without_its_end_is_unfinished() {
        let (bytes, path, _directory) = log().await;
        // Everything but the last frame of the first transaction, which has several.
        let mut end = HEADER_BYTES;
        while number(&bytes[end..], 4) == 0 {
            end += FRAME;
        }
        let found = found(&path, &bytes[..end]);
        assert_eq!((found.end, found.frames), (LogEnd::Unfinished, 0));
        assert_eq!(found.dropped_bytes, u64::try_from(end - HEADER_BYTES).unwrap());
    }
}
