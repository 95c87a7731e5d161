//! Where somebody has read to in a shard, as it is kept.
//!
//! A shard may be read in several *lanes*: records whose keys have the same hash go through the same
//! lane, in their order, and each lane gets on at its own speed. So there is a sequence number for
//! each lane: everything of the lane up to it is dealt with. When the number of lanes changes, the
//! old numbers are kept beside the new ones until nothing is between them any more.
//!
//! # Promises
//!
//! 1. What [`Checkpoint::is_done`] says was dealt with before the checkpoint was made.
//! 2. Reading again from [`Checkpoint::position`] on passes every record that was not.
//!
//! # Deliberately absent
//!
//! Keeping it: that is [`crate::lease`]'s.

use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::shard::source::{Position, SequenceNumber, ShardRecord};

/// Layouts that are remembered at the most. Behind that, records are repeated rather than looked up.
const LAYOUTS_MAX: usize = 8;

/// Where somebody has read to in a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The shard.
    pub shard: String,
    /// Where reading began.
    pub start: Start,
    /// Whether there is anything left.
    pub phase: Phase,
    /// What each lane has dealt with: the newest layout first, never none once it was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layouts: Vec<Layout>,
    /// The tumbling window that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<OpenWindow>,
    /// The end of the last tumbling window that was closed.
    #[serde(default)]
    pub closed_until: Timestamp,
}

/// Where reading of a shard began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// With its oldest record.
    TrimHorizon,
    /// With what came later than this, which was the present then.
    Latest(Timestamp),
    /// With what came at that time or later.
    AtTimestamp(Timestamp),
}

/// Whether a shard has anything left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// It is read.
    Reading,
    /// It was read to its end, and everything is dealt with.
    Ended,
}

/// For each lane, up to where everything of it is dealt with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Layout(pub Vec<Option<SequenceNumber>>);

/// A tumbling window that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenWindow {
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// What the function has returned last: a JSON object.
    pub state: String,
    /// Whether the state has become too large, so that the function is to finish it early.
    #[serde(default)]
    pub is_overgrown: bool,
}

impl Layout {
    /// One in which nothing is dealt with, with so many lanes.
    #[must_use]
    pub fn empty(lanes: usize) -> Self {
        Self(vec![None; lanes.max(1)])
    }

    /// The lane of a key.
    #[must_use]
    pub fn lane_of(&self, key: &str) -> usize {
        lane_of(key, self.0.len())
    }

    fn has(&self, record: &ShardRecord) -> bool {
        let done = self.0.get(self.lane_of(&record.partition_key)).and_then(Option::as_ref);
        done.is_some_and(|done| record.sequence_number <= *done)
    }

    /// Up to where every lane has come; `None` if one has not begun.
    fn least(&self) -> Option<&SequenceNumber> {
        self.0.iter().map(Option::as_ref).min().flatten()
    }

    fn greatest(&self) -> Option<&SequenceNumber> {
        self.0.iter().flatten().max()
    }
}

impl Checkpoint {
    /// That of a shard of which nothing was read yet.
    #[must_use]
    pub fn new(shard: impl Into<String>, start: Start) -> Self {
        Self {
            shard: shard.into(),
            start,
            phase: Phase::Reading,
            layouts: Vec::new(),
            window: None,
            closed_until: Timestamp::default(),
        }
    }

    /// Makes room for so many lanes, if there was another number of them.
    pub fn lay_out(&mut self, lanes: usize) {
        let lanes = lanes.max(1);
        let Some(current) = self.layouts.first() else {
            self.layouts.push(Layout::empty(lanes));
            return;
        };
        if current.0.len() != lanes {
            let common = current.least().cloned();
            self.layouts.insert(0, Layout(vec![common; lanes]));
            self.layouts.truncate(LAYOUTS_MAX);
        }
    }

    /// Puts what the lanes have dealt with now, and forgets layouts that say nothing more.
    pub fn advance(&mut self, layout: Layout) {
        let least = layout.least().cloned();
        match self.layouts.first_mut() {
            Some(current) => *current = layout,
            None => self.layouts.push(layout),
        }
        let Some(least) = least else { return };
        let mut place = 0;
        self.layouts.retain(|one| {
            place += 1;
            place == 1 || one.greatest().is_some_and(|greatest| *greatest > least)
        });
    }

    /// Whether a record was dealt with.
    #[must_use]
    pub fn is_done(&self, record: &ShardRecord) -> bool {
        self.layouts.iter().any(|layout| layout.has(record))
    }

    /// Where reading goes on; `None` if no lane has a place of its own yet, so that it is the start.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let least = self.layouts.first().and_then(Layout::least)?;
        Some(Position::After(least.clone()))
    }

    /// Up to where everything is dealt with, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let least = self.layouts.first().and_then(Layout::least);
        match (self.phase, least) {
            (Phase::Ended, _) => "SHARD_END".to_owned(),
            (Phase::Reading, Some(least)) => least.to_string(),
            (Phase::Reading, None) => match self.start {
                Start::TrimHorizon => "TRIM_HORIZON".to_owned(),
                Start::Latest(_) => "LATEST".to_owned(),
                Start::AtTimestamp(at) => at.to_string(),
            },
        }
    }
}

/// The lane of a key among so many. It is the same in every version of this program (FNV-1a).
#[must_use]
pub fn lane_of(key: &str, lanes: usize) -> usize {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of such a hash alone are not good.
    let mixed = hash ^ (hash >> 32);
    let lanes = u64::try_from(lanes.max(1)).unwrap_or(u64::MAX);
    usize::try_from(mixed % lanes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn record(key: &str, number: u64) -> ShardRecord {
        ShardRecord {
            sequence_number: SequenceNumber::new(number.to_string()),
            partition_key: key.to_owned(),
            arrived: Timestamp(0),
            event: Bytes::new(),
        }
    }

    fn layout(numbers: &[u64]) -> Layout {
        let number = |one: &u64| (*one > 0).then(|| SequenceNumber::new(one.to_string()));
        Layout(numbers.iter().map(number).collect())
    }

    #[test]
    fn reading_goes_on_behind_the_slowest_lane() {
        let mut checkpoint = Checkpoint::new("s", Start::TrimHorizon);
        assert_eq!((checkpoint.position(), checkpoint.shown().as_str()), (None, "TRIM_HORIZON"));
        checkpoint.lay_out(2);
        checkpoint.advance(layout(&[7, 0]));
        assert_eq!(checkpoint.position(), None, "one lane has not begun");
        checkpoint.advance(layout(&[7, 20]));
        assert_eq!(checkpoint.position(), Some(Position::After(SequenceNumber::new("7"))));
        let (in_first, in_second) = match lane_of("a", 2) {
            0 => ("a", ["b", "c", "d", "e"].into_iter().find(|key| lane_of(key, 2) == 1)),
            _ => ("b", Some("a")),
        };
        let in_second = in_second.unwrap();
        assert!(checkpoint.is_done(&record(in_second, 20)));
        assert!(!checkpoint.is_done(&record(in_second, 21)));
        if lane_of(in_first, 2) == 0 {
            assert!(!checkpoint.is_done(&record(in_first, 8)));
        }
    }

    #[test]
    fn with_another_number_of_lanes_what_was_done_stays_done() {
        let mut checkpoint = Checkpoint::new("s", Start::TrimHorizon);
        checkpoint.lay_out(2);
        checkpoint.advance(layout(&[10, 50]));
        let keys: Vec<String> = (0..40).map(|number| format!("key {number}")).collect();
        let done = |checkpoint: &Checkpoint| -> Vec<bool> {
            let records =
                keys.iter().flat_map(|key| (1..60).map(move |number| record(key, number)));
            records.map(|one| checkpoint.is_done(&one)).collect()
        };
        let before = done(&checkpoint);
        checkpoint.lay_out(5);
        assert_eq!(done(&checkpoint), before);
        assert_eq!(checkpoint.position(), Some(Position::After(SequenceNumber::new("10"))));
        checkpoint.advance(layout(&[40, 40, 49, 40, 40]));
        assert_eq!(checkpoint.layouts.len(), 2, "there is something between them still");
        checkpoint.advance(layout(&[50, 50, 51, 60, 50]));
        assert_eq!(checkpoint.layouts.len(), 1);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut checkpoint = Checkpoint::new("shardId-1", Start::Latest(Timestamp(5)));
        checkpoint.lay_out(3);
        checkpoint.advance(layout(&[1, 0, 12]));
        checkpoint.window = Some(OpenWindow {
            start: Timestamp(0),
            end: Timestamp(10),
            state: "{\"a\":1}".to_owned(),
            is_overgrown: false,
        });
        let text = serde_json::to_string(&checkpoint).unwrap();
        assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), checkpoint);
    }
}
