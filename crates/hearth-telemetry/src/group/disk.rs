//! The files of a log group: how they are written, and how they are read at the start.
//!
//! Every change is `begin`, which finds or makes the segment to write to, then the encoding of some
//! records, then one `write`. See the promises of the module above.
//!
//! # Deliberately absent
//!
//! No decision about what is kept or shown. No fsync.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use hearth_types::time::Timestamp;

use super::{GroupState, StreamState};
use crate::error::LogError;
use crate::segment::{self, MAGIC, Record, Segment, Span};

/// Writing.
impl GroupState {
    /// Makes the last segment one that can be written to. Returns the first bytes of the write,
    /// which are empty unless the segment is new.
    pub(super) fn begin(&mut self, now: Timestamp) -> Vec<u8> {
        let segment_bytes_max = self.limits.segment_bytes_max;
        let fits = |last: &Segment| !last.sealed && last.length < segment_bytes_max;
        if self.segments.is_empty() {
            self.created = now;
        }
        if !self.segments.back().is_some_and(fits) {
            self.segments.push_back(Segment::new(self.next_segment));
            self.next_segment += 1;
        }
        if self.last().length > 0 {
            return Vec::new();
        }
        let mut records = MAGIC.to_vec();
        let Self { created, retention_days, name, .. } = &*self;
        Record::Group { created: *created, retention_days: *retention_days, name }
            .encode(&mut records);
        records
    }

    /// The number of a stream. Adds its declaration where the last segment has none.
    pub(super) fn declare(&mut self, stream: &str, now: Timestamp, records: &mut Vec<u8>) -> u32 {
        let known = self.streams.get(stream).copied();
        let StreamState { id, created } = known.unwrap_or_else(|| {
            let fresh = StreamState { id: self.next_stream, created: now };
            self.next_stream += 1;
            self.streams.insert(stream.to_owned(), fresh);
            fresh
        });
        if !self.last().streams.contains_key(&id) {
            Record::Stream { id, created, name: stream }.encode(records);
        }
        id
    }

    /// Writes records behind the last segment's.
    pub(super) fn write(&mut self, records: &[u8]) -> Result<(), LogError> {
        if records.is_empty() {
            return Ok(());
        }
        let path = self.path(self.last().number);
        let is_new = self.last().length == 0;
        if let Err(source) = self.write_file(records) {
            self.undo();
            return Err(LogError::NotWritten { path, source });
        }
        let last = self.last_mut();
        last.length += records.len() as u64;
        if is_new {
            tracing::debug!(path = %path.display(), "log segment begun");
        }
        Ok(())
    }

    fn write_file(&self, records: &[u8]) -> io::Result<()> {
        let last = self.last();
        if last.length == 0 {
            fs::create_dir_all(&self.directory)?;
        }
        let path = self.path(last.number);
        OpenOptions::new().create(true).append(true).open(path)?.write_all(records)
    }

    /// Takes back what a failed write may have left behind the last segment's records.
    fn undo(&mut self) {
        let (number, length) = (self.last().number, self.last().length);
        let path = self.path(number);
        if length == 0 {
            // Not a segment yet. Should the file stay, its number is not used again, and the next
            // start reads of it what is whole.
            let _ = remove_if_present(&path);
            self.segments.pop_back();
        } else if cut(&path, length).is_err() {
            self.last_mut().sealed = true;
        }
    }

    pub(super) fn note(&mut self, stream: u32, span: Option<Span>) {
        self.last_mut().note(stream, span);
    }

    pub(super) fn forget_stream(&mut self, id: u32) {
        self.streams.retain(|_, stream| stream.id != id);
        for segment in &mut self.segments {
            segment.streams.remove(&id);
        }
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("`begin` came before and made one")
    }

    fn last_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("`begin` came before and made one")
    }
}

/// Reading what is on disk.
impl GroupState {
    pub(super) fn numbers_on_disk(&self) -> Result<Vec<u64>, LogError> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(LogError::not_read(&self.directory))? {
            let entry = entry.map_err(LogError::not_read(&self.directory))?;
            numbers.extend(entry.file_name().to_str().and_then(segment::number_of));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) fn load_segment(&mut self, number: u64) -> Result<(), LogError> {
        let path = self.path(number);
        let bytes = fs::read(&path).map_err(LogError::not_read(&path))?;
        self.next_segment = number.saturating_add(1);
        let Some(mut records) = segment::records(&bytes) else {
            if bytes.len() >= MAGIC.len() {
                // Perhaps of a later version of Hearth. It is kept, out of the way.
                tracing::warn!(path = %path.display(), "not a log segment of this version, set aside");
                let aside = path.with_extension("seg.unreadable");
                return fs::rename(&path, aside).map_err(LogError::not_written(&path));
            }
            return remove_if_present(&path).map_err(LogError::not_written(&path));
        };
        let mut segment = Segment::new(number);
        for (_, record) in records.by_ref() {
            self.index(&mut segment, record);
        }
        segment.length = records.bytes_read();
        if segment.length == MAGIC.len() as u64 {
            return remove_if_present(&path).map_err(LogError::not_written(&path));
        }
        let torn_bytes = bytes.len() as u64 - segment.length;
        if torn_bytes > 0 {
            tracing::warn!(path = %path.display(), torn_bytes, "a torn log record was cut off");
            cut(&path, segment.length).map_err(LogError::not_written(&path))?;
        }
        self.segments.push_back(segment);
        Ok(())
    }

    fn index(&mut self, segment: &mut Segment, record: Record<'_>) {
        match record {
            Record::Group { created, retention_days, name } => {
                self.created = created;
                self.retention_days = retention_days;
                name.clone_into(&mut self.name);
            }
            Record::Stream { id, created, name } => {
                self.streams.insert(name.to_owned(), StreamState { id, created });
                self.next_stream = self.next_stream.max(id.saturating_add(1));
                segment.note(id, None);
            }
            Record::Event { stream, at, ingested, .. } => {
                segment.note(stream, Some(Span::of(at, ingested)));
            }
            Record::StreamDeleted { id } => {
                self.forget_stream(id);
                segment.streams.remove(&id);
                self.next_stream = self.next_stream.max(id.saturating_add(1));
            }
        }
    }
}

pub(super) fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn cut(path: &Path, length: u64) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.set_len(length)
}
