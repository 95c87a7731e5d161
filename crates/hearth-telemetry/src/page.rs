//! Where an event stands, and how one page is picked out of many events.
//!
//! Events are ordered by [`EventKey`]: their timestamp, then their place on disk. The key is also
//! the event's id and what a token carries, so that pages join without a gap or a repetition, also
//! when events are added in between.
//!
//! # Promises
//!
//! 1. A [`Collector`] keeps the first (or the last) events of all that it is shown, in whichever
//!    order it sees them, and without a gap.
//! 2. It never holds more than one page and one event.

use std::collections::BTreeMap;
use std::fmt;

use hearth_types::limits::{LOG_EVENTS_PER_PAGE_MAX, LOG_PAGE_BYTES_MAX};
use hearth_types::time::Timestamp;

use crate::error::LogError;
use crate::segment::Span;

/// AWS counts this for an event beside its message.
const EVENT_OVERHEAD_BYTES: usize = 26;

/// The place of an event in the order of its group. No two events of a group share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventKey {
    pub(crate) at: Timestamp,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

impl EventKey {
    /// Before every event: no event stands at offset 0, where the magic is.
    pub(crate) const MIN: Self = Self { at: Timestamp(0), segment: 0, offset: 0 };

    fn next(self) -> Self {
        Self { offset: self.offset.saturating_add(1), ..self }
    }

    fn previous(self) -> Self {
        Self { offset: self.offset.saturating_sub(1), ..self }
    }

    /// Reads what `Display` printed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != 56 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let at = Timestamp(text[..20].parse().ok()?);
        let segment = text[20..36].parse().ok()?;
        let offset = text[36..].parse().ok()?;
        Some(Self { at, segment, offset })
    }
}

/// As many decimal digits as an event id of AWS has, and they sort as the events do.
impl fmt::Display for EventKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, segment, offset } = self;
        write!(formatter, "{:020}{segment:016}{offset:020}", at.0)
    }
}

/// Where a page of one stream begins, and in which direction it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// The events behind this one.
    Forward(EventKey),
    /// The events before this one.
    Backward(EventKey),
}

impl Cursor {
    pub(crate) fn parse(token: &str) -> Result<Self, LogError> {
        let cursor = match token.split_at_checked(2) {
            Some(("f/", digits)) => EventKey::parse(digits).map(Self::Forward),
            Some(("b/", digits)) => EventKey::parse(digits).map(Self::Backward),
            _ => None,
        };
        cursor.ok_or_else(|| LogError::TokenInvalid { token: token.to_owned() })
    }

    /// The two tokens of a page that was asked for with `asked` and has events from `first` to
    /// `last`. An empty page hands its own token back, which is how a client sees the end.
    pub(crate) fn around(asked: Option<Self>, ends: Option<(EventKey, EventKey)>) -> (Self, Self) {
        match (ends, asked) {
            (Some((first, last)), _) => (Self::Forward(last), Self::Backward(first)),
            (None, Some(Self::Forward(key))) => (Self::Forward(key), Self::Backward(key.next())),
            (None, Some(Self::Backward(key))) => {
                (Self::Forward(key.previous()), Self::Backward(key))
            }
            (None, None) => (Self::Forward(EventKey::MIN), Self::Backward(EventKey::MIN)),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(key) => write!(formatter, "f/{key}"),
            Self::Backward(key) => write!(formatter, "b/{key}"),
        }
    }
}

/// Which events may be on a page at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Not earlier than this.
    pub(crate) start: Timestamp,
    /// Earlier than this.
    pub(crate) end: Option<Timestamp>,
    /// Behind this event.
    pub(crate) after: Option<EventKey>,
    /// Before this event.
    pub(crate) before: Option<EventKey>,
}

impl Window {
    pub(crate) fn contains(&self, key: EventKey) -> bool {
        key.at >= self.start
            && self.end.is_none_or(|end| key.at < end)
            && self.after.is_none_or(|after| key > after)
            && self.before.is_none_or(|before| key < before)
    }

    /// Whether events of that span may be in the window.
    pub(crate) fn touches(&self, span: Span) -> bool {
        span.last_at >= self.start
            && self.end.is_none_or(|end| span.first_at < end)
            && self.after.is_none_or(|after| span.last_at >= after.at)
            && self.before.is_none_or(|before| span.first_at <= before.at)
    }
}

/// Which end of the window the page is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    First,
    Last,
}

/// Picks one page out of the events that it is shown.
#[derive(Debug)]
pub(crate) struct Collector<T> {
    side: Side,
    limit: usize,
    kept: BTreeMap<EventKey, (usize, T)>,
    bytes: usize,
    /// The closest event that did not fit. Nothing beyond it may be kept, or there would be a gap.
    refused: Option<EventKey>,
}

impl<T> Collector<T> {
    pub(crate) fn new(side: Side, limit: Option<usize>) -> Self {
        let limit = limit.unwrap_or(LOG_EVENTS_PER_PAGE_MAX).clamp(1, LOG_EVENTS_PER_PAGE_MAX);
        Self { side, limit, kept: BTreeMap::new(), bytes: 0, refused: None }
    }

    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// Whether this event may still get a place.
    pub(crate) fn wants(&self, key: EventKey) -> bool {
        match (self.side, self.refused) {
            (_, None) => true,
            (Side::First, Some(refused)) => key < refused,
            (Side::Last, Some(refused)) => key > refused,
        }
    }

    /// Whether no event of that span can get a place any more.
    pub(crate) fn is_done_with(&self, span: Span) -> bool {
        match (self.side, self.refused) {
            (_, None) => false,
            (Side::First, Some(refused)) => span.first_at > refused.at,
            (Side::Last, Some(refused)) => span.last_at < refused.at,
        }
    }

    /// Gives a wanted event a place, and takes places away where the page is too full. One event
    /// always has a place, or a client could never get past it.
    pub(crate) fn push(&mut self, key: EventKey, message_bytes: usize, event: T) {
        let bytes = message_bytes + EVENT_OVERHEAD_BYTES;
        self.bytes += bytes;
        self.kept.insert(key, (bytes, event));
        while self.kept.len() > self.limit
            || (self.kept.len() > 1 && self.bytes > LOG_PAGE_BYTES_MAX)
        {
            let furthest = match self.side {
                Side::First => self.kept.pop_last(),
                Side::Last => self.kept.pop_first(),
            };
            let (key, (bytes, _)) = furthest.expect("the loop runs only while there are events");
            self.bytes -= bytes;
            self.refused = Some(key);
        }
    }

    /// The first and the last event of the page.
    pub(crate) fn ends(&self) -> Option<(EventKey, EventKey)> {
        let (first, _) = self.kept.first_key_value()?;
        let (last, _) = self.kept.last_key_value()?;
        Some((*first, *last))
    }

    /// Whether there are events beyond the page.
    pub(crate) fn has_more(&self) -> bool {
        self.refused.is_some()
    }

    /// The events of the page, in order.
    pub(crate) fn into_events(self) -> impl Iterator<Item = (EventKey, T)> {
        self.kept.into_iter().map(|(key, (_, event))| (key, event))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(at: u64, offset: u64) -> EventKey {
        EventKey { at: Timestamp(at), segment: 1, offset }
    }

    fn at_of(collector: Collector<()>) -> Vec<u64> {
        collector.into_events().map(|(key, ())| key.at.0).collect()
    }

    #[test]
    fn ids_have_56_digits_and_sort_as_events_do() {
        let (early, late) = (key(9, 4_000), key(10, 8));
        assert_eq!(early.to_string().len(), 56);
        assert!(early.to_string() < late.to_string());
        assert_eq!(EventKey::parse(&late.to_string()), Some(late));
        for wrong in [String::new(), "x".repeat(56), "9".repeat(56), "é".repeat(28)] {
            assert_eq!(EventKey::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tokens_read_back_and_others_are_refused() {
        for cursor in [Cursor::Forward(key(7, 8)), Cursor::Backward(EventKey::MIN)] {
            assert_eq!(Cursor::parse(&cursor.to_string()).expect("our own token"), cursor);
        }
        for wrong in ["", "f", "f/", "f/12", "é/", "next"] {
            assert!(Cursor::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_is_bounded_in_bytes_but_never_empty() {
        let mut collector = Collector::new(Side::First, None);
        for at in [3, 1, 2] {
            collector.push(key(at, 8), LOG_PAGE_BYTES_MAX * 2, ());
        }
        assert!(collector.has_more());
        assert_eq!(at_of(collector), [1]);
    }

    proptest! {
        #[test]
        fn the_page_has_no_gap_in_whichever_order_events_are_seen(
            events in proptest::collection::vec((0..50_u64, 1..300_000_usize), 1..60), limit in 1..20_usize
        ) {
            for side in [Side::First, Side::Last] {
                let mut collector = Collector::new(side, Some(limit));
                let mut all = Vec::new();
                for (offset, (at, bytes)) in (8..).zip(&events) {
                    let key = key(*at, offset);
                    all.push(key);
                    if collector.wants(key) {
                        collector.push(key, *bytes, ());
                    }
                }
                all.sort();
                let more = collector.has_more();
                let kept: Vec<EventKey> = collector.into_events().map(|(key, ())| key).collect();
                prop_assert!(!kept.is_empty() && kept.len() <= limit);
                prop_assert_eq!(more, kept.len() < all.len());
                match side {
                    Side::First => prop_assert!(all.starts_with(&kept)),
                    Side::Last => prop_assert!(all.ends_with(&kept)),
                }
            }
        }
    }
}
