//! Reading: which groups, which streams, which events.
//!
//! The operations have the semantics of CloudWatch Logs' `DescribeLogGroups`, `DescribeLogStreams`,
//! `GetLogEvents` and `FilterLogEvents`. Each first has written what waits, then takes a picture of
//! the group under its lock, then reads the files without it.
//!
//! # Promises
//!
//! 1. Pages join without a gap and without a repetition, also while events are added.
//! 2. Events come in the order of their timestamps, then in that of their writing.
//! 3. An event's id does not change, and ids sort as the events do.
//! 4. Whoever asks again for what is newer than the newest event seen misses no event of an
//!    environment: those that were on their way meanwhile are moved behind it.
//!
//! # Deliberately absent
//!
//! No waiting for new events: to follow a group is to ask again. No cache: a page reads the
//! segments that can hold its events, and no others.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hearth_types::limits::LIST_ITEMS_MAX;
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;

use crate::error::LogError;
use crate::group::{GroupDescription, GroupState, StreamDescription, View};
use crate::page::{Collector, Cursor, EventKey, Side, Window};
use crate::pattern::FilterPattern;
use crate::segment::{self, Record};
use crate::store::LogStore;
use crate::stream::{GroupKey, lock};

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask for the next page with; `None` on the last one.
    pub token: Option<String>,
}

/// Which groups to list. They come by name.
#[derive(Debug, Clone, Default)]
pub struct GroupsQuery {
    /// What their names begin with; empty: all.
    pub prefix: String,
    /// How many at most.
    pub limit: Option<usize>,
    /// From the page before.
    pub token: Option<String>,
}

/// Which streams to list, and how.
#[derive(Debug, Clone, Default)]
pub struct StreamsQuery {
    /// What their names begin with; empty: all.
    pub prefix: String,
    /// By what they are sorted.
    pub order: StreamOrder,
    /// In which direction.
    pub direction: Direction,
    /// How many at most.
    pub limit: Option<usize>,
    /// From the page before.
    pub token: Option<String>,
}

/// By what streams are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamOrder {
    /// By name.
    #[default]
    Name,
    /// By the time of the last event; streams without events count as the oldest.
    LastEvent,
}

/// In which direction a listing is sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// The smallest first.
    #[default]
    Ascending,
    /// The largest first.
    Descending,
}

/// Which events of one stream to read.
#[derive(Debug, Clone, Default)]
pub struct EventsQuery {
    /// The name of the stream.
    pub stream: String,
    /// From when to when.
    pub range: EventRange,
    /// Where to begin when there is no token.
    pub from: ReadFrom,
    /// How many at most.
    pub limit: Option<usize>,
    /// From a page before, in either direction.
    pub token: Option<String>,
}

/// A range of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventRange {
    /// Not earlier than this.
    pub start: Option<Timestamp>,
    /// Earlier than this: AWS excludes the end here, other than in `FilterLogEvents`.
    pub end: Option<Timestamp>,
}

/// Where to begin reading a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadFrom {
    /// With the oldest events.
    Head,
    /// With the newest ones, which is AWS's default.
    #[default]
    Tail,
}

/// One event of a known stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// When it was written.
    pub at: Timestamp,
    /// When it arrived.
    pub ingested: Timestamp,
    /// Its text. Any bytes; shown as UTF-8 with replacements.
    pub message: Bytes,
}

/// One page of a stream's events, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// What is on it.
    pub events: Vec<LoggedEvent>,
    /// For what comes behind it. At the end it is the token that was asked with.
    pub forward_token: String,
    /// For what comes before it. At the beginning it is the token that was asked with.
    pub backward_token: String,
}

/// Which events of a group to find.
#[derive(Debug, Clone, Default)]
pub struct FilterQuery {
    /// The names of the streams; empty: all.
    pub streams: Vec<String>,
    /// What the names of the streams begin with; empty: all.
    pub stream_prefix: String,
    /// Not earlier than this.
    pub start: Option<Timestamp>,
    /// Not later than this: AWS includes the end here, other than in `GetLogEvents`.
    pub end: Option<Timestamp>,
    /// What their text has to contain.
    pub pattern: Option<FilterPattern>,
    /// How many at most.
    pub limit: Option<usize>,
    /// From the page before.
    pub token: Option<String>,
}

/// One event that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilteredEvent {
    /// The name of its stream.
    pub stream: String,
    /// Its id: 56 digits that sort as the events do.
    pub id: String,
    /// When it was written.
    pub at: Timestamp,
    /// When it arrived.
    pub ingested: Timestamp,
    /// Its text. Any bytes; shown as UTF-8 with replacements.
    pub message: Bytes,
}

impl LogStore {
    /// Lists groups.
    ///
    /// # Errors
    ///
    /// None so far: any text is a place in the list.
    pub fn groups(
        &self,
        scope: &Scope,
        query: &GroupsQuery,
    ) -> Result<Page<GroupDescription>, LogError> {
        self.shared.settle(|key| key.scope == *scope);
        let GroupsQuery { prefix, limit, token } = query;
        let limit = listing_limit(*limit);
        let token = token.as_deref();
        let from = GroupKey::new(scope, token.unwrap_or_default().max(prefix.as_str()));
        // Copied out of the map, which must not stay locked while a group is waited for.
        let found: Vec<Arc<Mutex<GroupState>>> = lock(&self.shared.groups)
            .range(from..)
            .take_while(|(key, _)| key.scope == *scope && key.name.starts_with(prefix.as_str()))
            .filter(|(key, _)| token.is_none_or(|token| key.name.as_str() > token))
            .take(limit + 1)
            .map(|(_, group)| Arc::clone(group))
            .collect();
        let groups = found.iter().map(|group| lock(group).describe()).collect();
        Ok(page_of(groups, limit, |group: &GroupDescription| group.name.clone()))
    }

    /// Lists the streams of a group.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::TokenInvalid`].
    pub fn streams(
        &self,
        scope: &Scope,
        group: &str,
        query: &StreamsQuery,
    ) -> Result<Page<StreamDescription>, LogError> {
        let now = self.shared.clock.now();
        let mut streams = self.shared.existing(scope, group, |state| {
            state.prune(now);
            Ok(state.describe_streams())
        })?;
        streams.retain(|stream| stream.name.starts_with(&query.prefix));
        let order = query.order;
        let place = |stream: &StreamDescription| match order {
            StreamOrder::Name => (0, stream.name.clone()),
            StreamOrder::LastEvent => {
                (stream.last_event.unwrap_or_default().0, stream.name.clone())
            }
        };
        streams.sort_by_cached_key(place);
        if query.direction == Direction::Descending {
            streams.reverse();
        }
        if let Some(token) = &query.token {
            let last = parse_stream_token(token)?;
            streams.retain(|stream| match query.direction {
                Direction::Ascending => place(stream) > last,
                Direction::Descending => place(stream) < last,
            });
        }
        Ok(page_of(streams, listing_limit(query.limit), |stream: &StreamDescription| {
            let (at, name) = place(stream);
            format!("{at:020}/{name}")
        }))
    }

    /// Reads the events of one stream, in either direction.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::StreamMissing`], [`LogError::TokenInvalid`],
    /// [`LogError::NotRead`].
    pub fn events(
        &self,
        scope: &Scope,
        group: &str,
        query: &EventsQuery,
    ) -> Result<EventPage, LogError> {
        let asked = query.token.as_deref().map(Cursor::parse).transpose()?;
        let (side, after, before) = match (asked, query.from) {
            (Some(Cursor::Forward(key)), _) => (Side::First, Some(key), None),
            (Some(Cursor::Backward(key)), _) => (Side::Last, None, Some(key)),
            (None, ReadFrom::Head) => (Side::First, None, None),
            (None, ReadFrom::Tail) => (Side::Last, None, None),
        };
        let start = query.range.start.unwrap_or_default();
        let window = Window { start, end: query.range.end, after, before };
        let now = self.shared.clock.now();
        let view = self.shared.existing(scope, group, |state| {
            if !state.has_stream(&query.stream) {
                return Err(LogError::stream_missing(group, &query.stream));
            }
            state.prune(now);
            Ok(state.view(|name| name == query.stream, window, now))
        })?;
        let mut collector = Collector::new(side, query.limit);
        collect(view, |_| true, &mut collector)?;
        let (forward, backward) = Cursor::around(asked, collector.ends());
        let events = collector.into_events().map(|(key, found)| LoggedEvent {
            at: key.at,
            ingested: found.ingested,
            message: found.message,
        });
        Ok(EventPage {
            events: events.collect(),
            forward_token: forward.to_string(),
            backward_token: backward.to_string(),
        })
    }

    /// Finds events in the streams of a group.
    ///
    /// # Errors
    ///
    /// [`LogError::GroupMissing`], [`LogError::StreamMissing`] if a stream is named that is not
    /// there, [`LogError::TokenInvalid`], [`LogError::NotRead`].
    pub fn filter(
        &self,
        scope: &Scope,
        group: &str,
        query: &FilterQuery,
    ) -> Result<Page<FilteredEvent>, LogError> {
        let after = query.token.as_deref().map(parse_event_token).transpose()?;
        let start = query.start.unwrap_or_default();
        let end = query.end.map(|end| end.plus_millis(1));
        let window = Window { start, end, after, before: None };
        let selects = |name: &str| {
            name.starts_with(&query.stream_prefix)
                && (query.streams.is_empty() || query.streams.iter().any(|stream| stream == name))
        };
        let now = self.shared.clock.now();
        let view = self.shared.existing(scope, group, |state| {
            if let Some(missing) = query.streams.iter().find(|stream| !state.has_stream(stream)) {
                return Err(LogError::stream_missing(group, missing));
            }
            state.prune(now);
            // Under the lock, so that no event is written between the picture and the mark.
            state.mark_served(&window);
            Ok(state.view(selects, window, now))
        })?;
        let matches =
            |message: &[u8]| query.pattern.as_ref().is_none_or(|pattern| pattern.matches(message));
        let mut collector = Collector::new(Side::First, query.limit);
        collect(view, matches, &mut collector)?;
        let last = collector.ends().filter(|_| collector.has_more()).map(|(_, last)| last);
        let events = collector.into_events().map(|(key, found)| FilteredEvent {
            stream: found.stream.as_ref().to_owned(),
            id: key.to_string(),
            at: key.at,
            ingested: found.ingested,
            message: found.message,
        });
        Ok(Page { items: events.collect(), token: last.map(|last| last.to_string()) })
    }
}

/// An event as it was found; its time is in its key.
#[derive(Debug)]
struct Found {
    stream: Arc<str>,
    ingested: Timestamp,
    message: Bytes,
}

/// Shows the collector the events of a view for which `matches` holds.
fn collect(
    mut view: View,
    matches: impl Fn(&[u8]) -> bool,
    collector: &mut Collector<Found>,
) -> Result<(), LogError> {
    // The segments that are likely to fill the page come first, and spare reading the others.
    match collector.side() {
        Side::First => view.segments.sort_by_key(|segment| segment.span.first_at),
        Side::Last => view.segments.sort_by_key(|segment| std::cmp::Reverse(segment.span.last_at)),
    }
    for part in &view.segments {
        if collector.is_done_with(part.span) {
            continue;
        }
        let bytes =
            segment::read(&part.path, part.length).map_err(LogError::not_read(&part.path))?;
        // Dropped since the picture was taken: its events have been forgotten.
        let Some(bytes) = bytes else { continue };
        for (offset, record) in segment::records(&bytes).into_iter().flatten() {
            let Record::Event { stream, at, ingested, message } = record else { continue };
            let Some(stream) = view.streams.get(&stream) else { continue };
            let key = EventKey { at, segment: part.number, offset };
            if view.window.contains(key) && collector.wants(key) && matches(message) {
                let stream = Arc::clone(stream);
                let found = Found { stream, ingested, message: Bytes::copy_from_slice(message) };
                collector.push(key, message.len(), found);
            }
        }
    }
    Ok(())
}

fn listing_limit(limit: Option<usize>) -> usize {
    limit.unwrap_or(LIST_ITEMS_MAX).clamp(1, LIST_ITEMS_MAX)
}

/// The first items as a page. There must be one item more than the limit if there is another page.
fn page_of<T>(mut items: Vec<T>, limit: usize, token_of: impl FnOnce(&T) -> String) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let token = items.last().filter(|_| has_more).map(token_of);
    Page { items, token }
}

fn parse_stream_token(token: &str) -> Result<(u64, String), LogError> {
    let parts = token.split_once('/');
    let place = parts.and_then(|(at, name)| Some((at.parse().ok()?, name.to_owned())));
    place.ok_or_else(|| LogError::TokenInvalid { token: token.to_owned() })
}

fn parse_event_token(token: &str) -> Result<EventKey, LogError> {
    EventKey::parse(token).ok_or_else(|| LogError::TokenInvalid { token: token.to_owned() })
}
