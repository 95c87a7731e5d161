//! One log group: its segments, its streams, and everything that changes them.
//!
//! ```text
//!   oldest                                            newest
//!   00000003.seg ── 00000004.seg ── 00000005.seg ── 00000006.seg ◀── appended to
//!        ▲
//!        └── dropped as soon as the group is too large, or everything in it is too old
//! ```
//!
//! # Promises
//!
//! 1. One call writes with one write(2), and is remembered only if it succeeded. After a failure
//!    the file is cut back, or is not written to again.
//! 2. Only the oldest segment is dropped, and never the last one, which keeps the group's settings.
//! 3. No file is open between two calls.
//! 4. A number of a segment or of a stream is not used twice while there are records with it.
//!
//! # Deliberately absent
//!
//! No locks and no clock: `store` brings both. No fsync.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use hearth_types::logs::LogEvent;
use hearth_types::time::Timestamp;

use crate::error::LogError;
use crate::page::Window;
use crate::segment::{self, Record, Segment, Span};
use crate::store::LogLimits;

mod disk;

const DAY_MILLISECONDS: u64 = 24 * 60 * 60 * 1_000;
/// How far an event may be moved so that it does not appear behind a reader's back; see
/// [`GroupState::shown_at`]. An event needs milliseconds from its function to here.
const LATE_MILLISECONDS_MAX: u64 = 1_000;

/// A log group, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub name: String,
    /// When it came into being.
    pub created: Timestamp,
    /// What it takes on disk.
    pub stored_bytes: u64,
    /// How long events are kept; `None`: until the group is too large.
    pub retention_days: Option<u32>,
}

/// A log stream, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamDescription {
    /// Its name.
    pub name: String,
    /// When it came into being.
    pub created: Timestamp,
    /// The earliest timestamp of its events.
    pub first_event: Option<Timestamp>,
    /// The latest timestamp of its events.
    pub last_event: Option<Timestamp>,
    /// When an event arrived last.
    pub last_ingestion: Option<Timestamp>,
}

/// What a query reads: a picture of the group that stays as it is while the group is written to.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) segments: Vec<SegmentView>,
    /// The names of the selected streams.
    pub(crate) streams: HashMap<u32, Arc<str>>,
    /// The window, without what is older than the retention.
    pub(crate) window: Window,
}

/// A segment in which events may be found.
#[derive(Debug)]
pub(crate) struct SegmentView {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// The span of the selected streams' events.
    pub(crate) span: Span,
}

/// A group and what is remembered of its files.
#[derive(Debug)]
pub(crate) struct GroupState {
    name: String,
    directory: PathBuf,
    limits: LogLimits,
    created: Timestamp,
    retention_days: Option<u32>,
    segments: VecDeque<Segment>,
    streams: BTreeMap<String, StreamState>,
    next_segment: u64,
    next_stream: u32,
    /// Up to when a reader may have seen the group's events.
    served_until: Timestamp,
    /// Whether the group has been deleted since its lock was asked for.
    pub(crate) deleted: bool,
}

#[derive(Debug, Clone, Copy)]
struct StreamState {
    id: u32,
    created: Timestamp,
}

impl GroupState {
    /// A group that has no files yet.
    pub(crate) fn new(name: &str, directory: PathBuf, limits: LogLimits) -> Self {
        Self {
            name: name.to_owned(),
            directory,
            limits,
            created: Timestamp(0),
            retention_days: None,
            segments: VecDeque::new(),
            streams: BTreeMap::new(),
            next_segment: 1,
            next_stream: 1,
            served_until: Timestamp(0),
            deleted: false,
        }
    }

    /// Reads the group in a directory, or `None` if there is not a single record of one.
    pub(crate) fn load(directory: PathBuf, limits: LogLimits) -> Result<Option<Self>, LogError> {
        let mut state = Self::new("", directory, limits);
        for number in state.numbers_on_disk()? {
            state.load_segment(number)?;
        }
        Ok((!state.segments.is_empty()).then_some(state))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Makes sure that the group is on disk.
    pub(crate) fn create(&mut self, now: Timestamp) -> Result<(), LogError> {
        let records = self.begin(now);
        self.write(&records)
    }

    pub(crate) fn has_stream(&self, stream: &str) -> bool {
        self.streams.contains_key(stream)
    }

    /// Makes sure that the stream is on disk.
    pub(crate) fn create_stream(&mut self, stream: &str, now: Timestamp) -> Result<(), LogError> {
        let mut records = self.begin(now);
        let id = self.declare(stream, now, &mut records);
        self.write(&records)?;
        self.note(id, None);
        Ok(())
    }

    /// Adds events to a stream, which comes into being with them.
    pub(crate) fn append(
        &mut self,
        stream: &str,
        events: &[LogEvent],
        now: Timestamp,
    ) -> Result<(), LogError> {
        let mut records = self.begin(now);
        let id = self.declare(stream, now, &mut records);
        let mut span = None;
        for LogEvent { at, message } in events {
            Record::Event { stream: id, at: *at, ingested: now, message }.encode(&mut records);
            span = Span::join(span, Some(Span::of(*at, now)));
        }
        self.write(&records)?;
        self.note(id, span);
        self.prune(now);
        Ok(())
    }

    /// Forgets a stream. Its events stay on disk, unseen, until their segments are dropped.
    pub(crate) fn delete_stream(&mut self, stream: &str, now: Timestamp) -> Result<(), LogError> {
        let Some(StreamState { id, .. }) = self.streams.get(stream).copied() else {
            return Err(LogError::stream_missing(&self.name, stream));
        };
        let mut records = self.begin(now);
        Record::StreamDeleted { id }.encode(&mut records);
        self.write(&records)?;
        self.forget_stream(id);
        Ok(())
    }

    /// Sets how long events are kept.
    pub(crate) fn set_retention(
        &mut self,
        days: Option<u32>,
        now: Timestamp,
    ) -> Result<(), LogError> {
        let mut records = self.begin(now);
        let Self { created, name, .. } = &*self;
        Record::Group { created: *created, retention_days: days, name }.encode(&mut records);
        self.write(&records)?;
        self.retention_days = days;
        self.prune(now);
        Ok(())
    }

    /// Drops the oldest segments while the group is too large, or they are too old.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        while self.segments.len() > 1 {
            let Some(oldest) = self.segments.front() else { return };
            let start = self.retention_start(now);
            let is_old = oldest.span().is_none_or(|span| span.last_at < start);
            let is_expired = self.retention_days.is_some() && is_old;
            if !is_expired && self.stored_bytes() <= self.limits.group_bytes_max {
                return;
            }
            let path = self.path(oldest.number);
            if let Err(error) = disk::remove_if_present(&path) {
                tracing::warn!(path = %path.display(), %error, "an old log segment was not removed");
                return;
            }
            let dropped = self.segments.pop_front();
            // A stream that no segment declares would be unknown after a restart, so it is now.
            for id in dropped.iter().flat_map(|dropped| dropped.streams.keys()) {
                if !self.segments.iter().any(|segment| segment.streams.contains_key(id)) {
                    self.streams.retain(|_, stream| stream.id != *id);
                }
            }
        }
    }

    pub(crate) fn describe(&self) -> GroupDescription {
        GroupDescription {
            name: self.name.clone(),
            created: self.created,
            stored_bytes: self.stored_bytes(),
            retention_days: self.retention_days,
        }
    }

    /// All streams, by name.
    pub(crate) fn describe_streams(&self) -> Vec<StreamDescription> {
        let mut spans: HashMap<u32, Span> = HashMap::new();
        for (id, span) in self.segments.iter().flat_map(|segment| &segment.streams) {
            if let Some(joined) = Span::join(spans.get(id).copied(), *span) {
                spans.insert(*id, joined);
            }
        }
        let describe = |(name, stream): (&String, &StreamState)| {
            let span = spans.get(&stream.id);
            StreamDescription {
                name: name.clone(),
                created: stream.created,
                first_event: span.map(|span| span.first_at),
                last_event: span.map(|span| span.last_at),
                last_ingestion: span.map(|span| span.last_ingested),
            }
        };
        self.streams.iter().map(describe).collect()
    }

    /// What has to be read to find the selected streams' events in the window.
    pub(crate) fn view(
        &self,
        selects: impl Fn(&str) -> bool,
        window: Window,
        now: Timestamp,
    ) -> View {
        let start = window.start.max(self.retention_start(now));
        let window = Window { start, ..window };
        let selected = self.streams.iter().filter(|(name, _)| selects(name));
        let streams: HashMap<u32, Arc<str>> =
            selected.map(|(name, stream)| (stream.id, Arc::from(name.as_str()))).collect();
        let segments = self.segments.iter().filter_map(|segment| {
            let selected = segment.streams.iter().filter(|(id, _)| streams.contains_key(*id));
            let span = selected.map(|(_, span)| *span).fold(None, Span::join)?;
            let Segment { number, length, .. } = *segment;
            let view = SegmentView { number, path: self.path(number), length, span };
            window.touches(span).then_some(view)
        });
        View { segments: segments.collect(), streams, window }
    }

    /// Remembers that a reader is about to see the events of the window.
    pub(crate) fn mark_served(&mut self, window: &Window) {
        let last = self.segments.iter().filter_map(Segment::span).map(|span| span.last_at).max();
        let end = window.end.map_or(Timestamp(u64::MAX), |end| Timestamp(end.0.saturating_sub(1)));
        self.served_until = self.served_until.max(last.unwrap_or_default().min(end));
    }

    /// The time under which an event of an environment is kept.
    ///
    /// A reader who follows a group asks for what is newer than the newest that it has seen
    /// (`aws logs tail --follow` does). An event that was stamped before that and comes after it
    /// would never be shown, so it is moved behind, by no more than [`LATE_MILLISECONDS_MAX`].
    pub(crate) fn shown_at(&self, at: Timestamp) -> Timestamp {
        let late = self.served_until.millis_since(at);
        if late <= LATE_MILLISECONDS_MAX { at.plus_millis(late) } else { at }
    }

    fn stored_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }

    /// Events before this are no longer shown.
    fn retention_start(&self, now: Timestamp) -> Timestamp {
        let kept = self.retention_days.map(|days| u64::from(days) * DAY_MILLISECONDS);
        kept.map_or(Timestamp(0), |kept| Timestamp(now.0.saturating_sub(kept)))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(segment::file_name(number))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::disk::cut;
    use super::*;

    const LIMITS: LogLimits = LogLimits { group_bytes_max: 2_000, segment_bytes_max: 500 };

    fn event(at: u64, text: &str) -> LogEvent {
        LogEvent { at: Timestamp(at), message: text.to_owned().into() }
    }

    fn reload(state: &GroupState) -> GroupState {
        GroupState::load(state.directory.clone(), LIMITS).unwrap().expect("there is a group")
    }

    fn numbers(state: &GroupState) -> Vec<u64> {
        state.segments.iter().map(|segment| segment.number).collect()
    }

    #[test]
    fn only_the_oldest_segments_are_dropped_and_streams_with_them() {
        let root = tempfile::tempdir().unwrap();
        let mut state = GroupState::new("/g", root.path().join("g"), LIMITS);
        state.append("early", &[event(1, "gone soon")], Timestamp(1)).unwrap();
        for at in 2..100 {
            state.append("late", &[event(at, &"x".repeat(60))], Timestamp(at)).unwrap();
            assert!(state.stored_bytes() <= LIMITS.group_bytes_max);
        }
        let kept = numbers(&state);
        let (first, last) = (kept[0], kept[kept.len() - 1]);
        assert_eq!(kept, (first..=last).collect::<Vec<u64>>(), "no hole");
        assert!(first > 1 && kept.len() >= 3, "{kept:?}");
        assert!(!state.has_stream("early") && state.has_stream("late"));
        assert_eq!(state.numbers_on_disk().unwrap(), kept);

        let again = reload(&state);
        assert_eq!(again.describe(), state.describe());
        assert_eq!(again.describe_streams(), state.describe_streams());
        assert_eq!(again.describe_streams()[0].last_event, Some(Timestamp(99)));
    }

    #[test]
    fn a_torn_record_is_cut_off_and_writing_goes_on_behind_the_rest() {
        let root = tempfile::tempdir().unwrap();
        let mut state = GroupState::new("/g", root.path().join("g"), LIMITS);
        state.append("s", &[event(1, "whole")], Timestamp(1)).unwrap();
        let whole = state.stored_bytes();
        state.append("s", &[event(2, "torn")], Timestamp(2)).unwrap();
        cut(&state.path(1), whole + 11).unwrap();

        let mut again = reload(&state);
        assert_eq!(again.stored_bytes(), whole);
        assert_eq!(fs::metadata(again.path(1)).unwrap().len(), whole);
        again.append("s", &[event(3, "behind")], Timestamp(3)).unwrap();
        let streams = reload(&again).describe_streams();
        assert_eq!(streams.len(), 1);
        assert_eq!(streams[0].first_event, Some(Timestamp(1)));
        assert_eq!(streams[0].last_event, Some(Timestamp(3)));
    }

    #[test]
    fn what_is_not_a_segment_does_not_stop_the_start() {
        let root = tempfile::tempdir().unwrap();
        let mut state = GroupState::new("/g", root.path().join("g"), LIMITS);
        state.create(Timestamp(1)).unwrap();
        fs::write(state.path(2), b"HLOG").unwrap();
        fs::write(state.path(3), b"HLOGSEG9 from the future").unwrap();
        fs::write(state.directory.join("notes.txt"), b"mine").unwrap();

        let again = reload(&state);
        assert_eq!(numbers(&again), [1]);
        assert_eq!(again.next_segment, 4, "the number of a file that was set aside stays taken");
        assert!(again.directory.join("00000003.seg.unreadable").exists());
        assert!(!again.path(2).exists());
    }

    #[test]
    fn a_deleted_stream_stays_deleted_and_may_come_again() {
        let root = tempfile::tempdir().unwrap();
        let mut state = GroupState::new("/g", root.path().join("g"), LIMITS);
        state.append("s", &[event(1, "old")], Timestamp(1)).unwrap();
        state.delete_stream("s", Timestamp(2)).unwrap();
        assert!(!reload(&state).has_stream("s"));
        assert!(state.delete_stream("s", Timestamp(3)).is_err());

        state.append("s", &[event(4, "new")], Timestamp(4)).unwrap();
        assert_eq!(reload(&state).describe_streams()[0].first_event, Some(Timestamp(4)));
    }

    #[test]
    fn retention_drops_what_is_too_old_but_not_the_group() {
        let root = tempfile::tempdir().unwrap();
        let mut state = GroupState::new("/g", root.path().join("g"), LIMITS);
        for at in 1..10 {
            state.append("s", &[event(at, &"x".repeat(100))], Timestamp(at)).unwrap();
        }
        let later = Timestamp(3 * DAY_MILLISECONDS);
        state.set_retention(Some(1), later).unwrap();
        assert_eq!(numbers(&state).len(), 1);
        assert_eq!(reload(&state).describe().retention_days, Some(1));
        state.set_retention(None, later).unwrap();
        assert_eq!(reload(&state).describe().retention_days, None);
    }

    #[test]
    fn a_late_event_is_moved_behind_what_was_read_but_not_by_much() {
        let mut state = GroupState::new("/g", PathBuf::new(), LIMITS);
        state.served_until = Timestamp(10_000);
        assert_eq!(state.shown_at(Timestamp(9_995)), Timestamp(10_000));
        assert_eq!(state.shown_at(Timestamp(10_001)), Timestamp(10_001));
        assert_eq!(state.shown_at(Timestamp(5_000)), Timestamp(5_000));
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let in_the_way = root.path().join("g");
        fs::write(&in_the_way, b"a file where the directory should be").unwrap();
        let mut state = GroupState::new("/g", in_the_way.clone(), LIMITS);
        assert!(state.append("s", &[event(1, "lost")], Timestamp(1)).is_err());
        fs::remove_file(&in_the_way).unwrap();
        state.append("s", &[event(2, "kept")], Timestamp(2)).unwrap();
        assert_eq!(reload(&state).describe_streams()[0].first_event, Some(Timestamp(2)));
    }
}
