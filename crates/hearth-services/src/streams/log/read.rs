//! Reading: on from a place, or from a time.

use std::io;

use hearth_types::time::Timestamp;

use super::frame::{DataRecord, Frames, MAGIC_BYTES};
use super::{News, Phase, Segment, ShardLog, tell_damage};

/// Where somebody reads on: at the first record with this index, or behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// The index.
    pub index: u64,
    /// Where that record is, if somebody knows: the first index of its segment, and the offset. It is
    /// checked, so it may be wrong.
    pub place: Option<(u64, u64)>,
}

/// How much somebody wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// Records at the most.
    pub records: usize,
    /// Their bytes, of which the last may be beyond it.
    pub bytes: usize,
    /// Records that came at this time or before are too old to be read.
    pub horizon: Timestamp,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records, in order.
    pub records: Vec<DataRecord>,
    /// Where to read on.
    pub next: Cursor,
    /// When the last record came that was looked at, if there are more behind it.
    pub behind: Option<Timestamp>,
    /// Whether there is nothing more, ever.
    pub phase: Phase,
}

/// How often a place is looked for that is deleted meanwhile.
const LOOKS_MAX: u32 = 8;

impl ShardLog {
    /// Reads on. It blocks.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub(in super::super) fn read(&self, from: Cursor, want: Want) -> io::Result<Page> {
        let mut page = Page { records: Vec::new(), next: from, behind: None, phase: Phase::Open };
        let mut left = want;
        let mut looks = 0;
        loop {
            let news = *self.news.borrow();
            if page.next.index >= news.next {
                page.behind = None;
                page.phase = news.phase;
                return Ok(page);
            }
            let (segment, follows) = self.segment_of(page.next.index, want.horizon);
            if page.next.index < segment.first {
                page.next = Cursor { index: segment.first, place: None };
                continue;
            }
            match self.read_segment(segment, &mut page, &mut left) {
                Ok(Stopped::Full) => return Ok(self.finished(page)),
                Ok(Stopped::End) => page.next = next_segment(page.next, follows, news),
                // It was deleted because it is too old.
                Err(error) if error.kind() == io::ErrorKind::NotFound && looks < LOOKS_MAX => {
                    looks += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Where the first record is that came at this time or later.
    ///
    /// # Errors
    ///
    /// If a file cannot be read.
    pub(in super::super) fn seek(&self, at: Timestamp) -> io::Result<Cursor> {
        // What came just before is too old to be read.
        let horizon = Timestamp(at.0.saturating_sub(1));
        let want = Want { records: 1, bytes: 1, horizon };
        let page = self.read(Cursor::default(), want)?;
        Ok(page
            .records
            .first()
            .map_or(page.next, |first| Cursor { index: first.index, place: None }))
    }

    /// The segment that has a record, or would have it, but not one that is too old as a whole; and the
    /// first index of the one behind it.
    fn segment_of(&self, index: u64, horizon: Timestamp) -> (Segment, Option<u64>) {
        let state = self.lock();
        let begun = state.segments.partition_point(|segment| segment.first <= index);
        let old = state.segments.partition_point(|segment| segment.since <= horizon);
        let at = begun.max(old).saturating_sub(1);
        let segment = *state.segments.get(at).expect("a log has a segment");
        (segment, state.segments.get(at + 1).map(|next| next.first))
    }

    fn read_segment(
        &self,
        segment: Segment,
        page: &mut Page,
        left: &mut Want,
    ) -> io::Result<Stopped> {
        let mut frames = match self.at_place(segment, page.next)? {
            Some(frames) => frames,
            None => Frames::open(&self.path(&segment), MAGIC_BYTES, segment.bytes)?,
        };
        loop {
            let (record, damaged) = frames.next_whole(segment.first)?;
            if damaged > 0 {
                tell_damage(&self.path(&segment), damaged);
            }
            let Some(record) = record else { return Ok(Stopped::End) };
            if record.index < page.next.index {
                continue;
            }
            page.next =
                Cursor { index: record.index + 1, place: Some((segment.first, frames.at())) };
            page.behind = Some(record.arrived);
            if record.arrived <= left.horizon {
                continue;
            }
            left.records = left.records.saturating_sub(1);
            left.bytes = left.bytes.saturating_sub(record.data.len() + record.partition_key.len());
            page.records.push(record);
            if left.records == 0 || left.bytes == 0 {
                return Ok(Stopped::Full);
            }
        }
    }

    /// The records from a cursor's place on, if the record that is wanted, or the end, is there.
    fn at_place(&self, segment: Segment, cursor: Cursor) -> io::Result<Option<Frames>> {
        let Some((first, offset)) = cursor.place else { return Ok(None) };
        if first != segment.first || !(MAGIC_BYTES..=segment.bytes).contains(&offset) {
            return Ok(None);
        }
        let file = self.path(&segment);
        match Frames::open(&file, offset, segment.bytes)?.next() {
            Ok(found) if found.as_ref().is_none_or(|record| record.index == cursor.index) => {
                Frames::open(&file, offset, segment.bytes).map(Some)
            }
            Ok(_another) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn finished(&self, mut page: Page) -> Page {
        let news = *self.news.borrow();
        if page.next.index >= news.next {
            page.behind = None;
            page.phase = news.phase;
        }
        page
    }
}

/// Why reading a segment ended.
enum Stopped {
    /// There is as much as is wanted.
    Full,
    /// It was its end.
    End,
}

/// Where to read on behind a segment.
fn next_segment(cursor: Cursor, follows: Option<u64>, news: News) -> Cursor {
    match follows {
        Some(first) => Cursor { index: cursor.index.max(first), place: None },
        // What was durable when we began has been read, but for what is damaged.
        None => Cursor { index: cursor.index.max(news.next), place: cursor.place },
    }
}
