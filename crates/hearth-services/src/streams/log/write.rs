//! Writing: what comes at the same time is written together, and shares one sync.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use hearth_types::time::Timestamp;
use tokio::sync::oneshot;

use super::super::error::StreamError;
use super::super::quotas::{PENDING_BYTES_MAX, SEGMENT_BYTES_MAX};
use super::frame::MAGIC_BYTES;
use super::{Group, Phase, Segment, ShardLog, Writer, begin, frame};

/// Why records were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum NotTaken {
    /// The shard is closed: there are others in its place.
    Closed,
    /// Too much waits to be written.
    Full,
}

/// Records that were taken. They can be read when they are written.
#[derive(Debug)]
pub(in super::super) struct Taken {
    /// The index of the first of them; the others have those behind it.
    pub(in super::super) first: u64,
    /// When they came.
    pub(in super::super) arrived: Timestamp,
    written: oneshot::Receiver<Result<(), StreamError>>,
}

impl Taken {
    /// Waits until they are on the disk.
    pub(in super::super) async fn written(self) -> Result<(), StreamError> {
        self.written.await.unwrap_or(Err(StreamError::Closing))
    }
}

impl ShardLog {
    /// Takes records, each with its partition key.
    pub(in super::super) fn append<'a>(
        self: &Arc<Self>,
        now: Timestamp,
        records: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Taken, NotTaken> {
        let mut state = self.lock();
        if state.phase == Phase::Closed {
            return Err(NotTaken::Closed);
        }
        if state.pending.bytes.len() >= PENDING_BYTES_MAX {
            return Err(NotTaken::Full);
        }
        let (sender, written) = oneshot::channel();
        let (first, arrived) = (state.next, now.max(state.last_at));
        let mut next = first;
        let pending = &mut state.pending;
        if pending.waiting.is_empty() {
            (pending.first, pending.since) = (first, arrived);
        }
        for (key, data) in records {
            frame::push(&mut pending.bytes, (next, arrived), key, data);
            next += 1;
        }
        (pending.next, pending.until) = (next, arrived);
        pending.waiting.push(sender);
        (state.next, state.last_at) = (next, arrived);
        if state.writer == Writer::Idle {
            state.writer = Writer::Busy;
            let log = Arc::clone(self);
            self.tasks.spawn("records of a shard", log.write());
        }
        Ok(Taken { first, arrived, written })
    }

    /// Writes until nothing waits.
    async fn write(self: Arc<Self>) {
        while let Some(group) = self.next_group() {
            let log = Arc::clone(&self);
            let done = tokio::task::spawn_blocking(move || {
                let written = log.commit(&group);
                (group, written)
            });
            let Ok((group, written)) = done.await else {
                // It panicked, or the reactor is going down; those who wait are told by their channels.
                self.lock().writer = Writer::Idle;
                return;
            };
            if let Err(error) = &written {
                tracing::error!(%error, directory = %self.directory.display(), "records of a shard were not written");
                // There is nothing to wait for up to there.
                self.lock().durable = group.next;
            }
            let written = written.map_err(StreamError::log("write"));
            self.tell();
            for waiting in group.waiting {
                // Whoever has gone away does not want to know.
                let _ = waiting.send(written.clone());
            }
        }
    }

    fn next_group(&self) -> Option<Group> {
        let mut state = self.lock();
        if state.pending.waiting.is_empty() {
            state.writer = Writer::Idle;
            return None;
        }
        Some(std::mem::take(&mut state.pending))
    }

    /// Puts a group onto the disk. Its records can be read from then on. If it fails, none of them can,
    /// ever, and their indices are not used again.
    fn commit(&self, group: &Group) -> io::Result<()> {
        let mut file = self.file.lock().expect("no code panics while it holds a file");
        let last = self.last();
        let is_old = group.since.millis_since(last.since) >= self.segment_millis_max;
        let length = group.bytes.len() as u64;
        let is_full = last.bytes + length > SEGMENT_BYTES_MAX;
        let segment = if last.bytes > MAGIC_BYTES && (is_old || is_full) {
            let next = Segment { first: group.first, since: group.since, bytes: MAGIC_BYTES };
            *file = Some(begin(&self.directory, next)?);
            self.lock().segments.push_back(next);
            next
        } else {
            last
        };
        let target = match file.take() {
            Some(target) => target,
            None => {
                // What a failed commit left behind is cut off.
                let target = OpenOptions::new().write(true).open(self.path(&segment))?;
                target.set_len(segment.bytes)?;
                target
            }
        };
        let written =
            target.write_all_at(&group.bytes, segment.bytes).and_then(|()| target.sync_data());
        if let Err(error) = written {
            // Nobody is to find them after a restart. If they cannot be cut off, the next commit does it.
            let _ = target.set_len(segment.bytes);
            return Err(error);
        }
        *file = Some(target);
        let mut state = self.lock();
        if let Some(last) = state.segments.back_mut() {
            last.bytes += length;
        }
        (state.readable, state.durable) = (group.next, group.next);
        state.durable_at = group.until;
        Ok(())
    }

    fn last(&self) -> Segment {
        *self.lock().segments.back().expect("a log has a segment")
    }

    /// Deletes what has only records that came at this time or before. It blocks.
    ///
    /// # Errors
    ///
    /// If a file cannot be made or deleted; then it is tried again the next time.
    pub(in super::super) fn trim(&self, horizon: Timestamp) -> io::Result<()> {
        let mut file = self.file.lock().expect("no code panics while it holds a file");
        let fresh = {
            let state = self.lock();
            let last = state.segments.back().expect("a log has a segment");
            let is_over = state.durable_at <= horizon && last.bytes > MAGIC_BYTES;
            let is_quiet = state.writer == Writer::Idle && state.durable == state.next;
            (is_over && is_quiet).then_some(Segment {
                first: state.durable,
                since: state.durable_at,
                bytes: MAGIC_BYTES,
            })
        };
        if let Some(fresh) = fresh {
            // It keeps the next index.
            *file = Some(begin(&self.directory, fresh)?);
            self.lock().segments.push_back(fresh);
        }
        loop {
            let oldest = {
                let state = self.lock();
                let next = state.segments.get(1).filter(|next| next.since <= horizon);
                match (next, state.segments.front()) {
                    (Some(_), Some(oldest)) => *oldest,
                    _ => return Ok(()),
                }
            };
            // Whoever does not find the file looks again, and then must not be led to it.
            self.lock().segments.pop_front();
            match fs::remove_file(self.path(&oldest)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    self.lock().segments.push_front(oldest);
                    return Err(error);
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
}
