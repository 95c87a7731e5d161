//! What is remembered of a stream and of its consumers, and how its shards become others. No I/O.
//!
//! ```text
//!  split   0 ──┬─▶ 1        merge   1 ──┬─▶ 3        scale   split where a new range begins,
//!              └─▶ 2                2 ──┘                     then merge what is in one new range
//! ```
//!
//! A shard that was split or merged is closed: it takes no records, and those that it has are read until
//! they are too old. Then it is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::StreamError;
use super::hash::{self, HashKey, HashRange};
use super::names::{ConsumerName, ShardId, StreamName, seconds};
use super::quotas::SCALING_FACTOR_MAX;
use super::sequence::{LAST_INDEX, SequenceNumber};

/// A stream: all but its records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// Its name, which no other stream of its account and region has.
    pub name: String,
    /// Whose it is, and where.
    pub scope: Scope,
    /// Another one for each stream that was ever made, also under the same name.
    pub generation: Uuid,
    /// What shard iterators are authenticated with.
    pub secret: Uuid,
    /// When it was made.
    pub created: Timestamp,
    /// Who says how many shards there are.
    pub mode: Mode,
    /// For how many hours records are kept.
    pub retention_hours: u32,
    /// How large a record may be, in KiB.
    pub record_kib_max: u32,
    /// Metrics of shards that somebody asked for. Kept.
    #[serde(default)]
    pub metrics: BTreeSet<String>,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Its shards, in the order in which they were made; also those that are closed and have records.
    pub shards: Vec<ShardRecord>,
    /// The number of the next one.
    pub next_shard: u32,
}

/// Who says how many shards a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Its owner.
    Provisioned,
    /// AWS does. Here it keeps those that it has: none of them has a limit.
    OnDemand,
}

/// A shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// Which one.
    pub id: ShardId,
    /// When it was made, in seconds: at least a second later than what it was made of, so that its
    /// sequence numbers are greater.
    pub made_seconds: u64,
    /// Which hash keys it has.
    pub range: HashRange,
    /// What it was made of.
    #[serde(default)]
    pub parent: Option<ShardId>,
    /// The other one that it was made of, if it was merged.
    #[serde(default)]
    pub adjacent_parent: Option<ShardId>,
    /// Since when it takes no records.
    #[serde(default)]
    pub closed: Option<Timestamp>,
}

impl ShardRecord {
    /// The sequence number of one of its records.
    #[must_use]
    pub fn sequence_number(&self, index: u64, arrived: Timestamp) -> SequenceNumber {
        SequenceNumber {
            shard_made: self.made_seconds,
            shard: self.id.0,
            index,
            arrived: seconds(arrived),
        }
    }

    /// The number before all of its records.
    #[must_use]
    pub fn first_number(&self) -> SequenceNumber {
        self.sequence_number(0, Timestamp(self.made_seconds * 1_000))
    }

    /// The number behind all of its records, if it is closed.
    #[must_use]
    pub fn last_number(&self) -> Option<SequenceNumber> {
        self.closed.map(|closed| self.sequence_number(LAST_INDEX, closed))
    }

    /// The index of a record of this shard by its number; none if it is a number of another one.
    #[must_use]
    pub fn index_of(&self, number: &str) -> Option<u64> {
        let number = SequenceNumber::parse(number)?;
        let is_ours = number.shard == self.id.0 && number.shard_made == self.made_seconds;
        is_ours.then_some(number.index)
    }

    /// Whether it takes records.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Whether it was made of that one.
    #[must_use]
    pub fn is_child_of(&self, other: ShardId) -> bool {
        self.parent == Some(other) || self.adjacent_parent == Some(other)
    }
}

impl StreamRecord {
    /// A stream with so many shards.
    pub(super) fn new(name: &StreamName, (mode, shards): (Mode, u32), now: Timestamp) -> Self {
        let made = (0..shards).zip(hash::even(shards)).map(|(number, range)| ShardRecord {
            id: ShardId(number),
            made_seconds: seconds(now),
            range,
            parent: None,
            adjacent_parent: None,
            closed: None,
        });
        Self {
            name: name.name.clone(),
            scope: name.scope.clone(),
            generation: Uuid::new_v4(),
            secret: Uuid::new_v4(),
            created: now,
            mode,
            retention_hours: super::quotas::RETENTION_HOURS_DEFAULT,
            record_kib_max: super::quotas::RECORD_KIB_DEFAULT,
            metrics: BTreeSet::new(),
            tags: BTreeMap::new(),
            shards: made.collect(),
            next_shard: shards,
        }
    }

    /// Which stream it is.
    #[must_use]
    pub fn full_name(&self) -> StreamName {
        StreamName { scope: self.scope.clone(), name: self.name.clone() }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.full_name().to_string()
    }

    /// A shard.
    #[must_use]
    pub fn shard(&self, id: ShardId) -> Option<&ShardRecord> {
        self.shards.iter().find(|shard| shard.id == id)
    }

    /// Those that take records.
    pub fn open_shards(&self) -> impl Iterator<Item = &ShardRecord> {
        self.shards.iter().filter(|shard| shard.is_open())
    }

    /// The one that takes records with this hash key.
    #[must_use]
    pub fn shard_for(&self, key: HashKey) -> Option<&ShardRecord> {
        self.open_shards().find(|shard| shard.range.has(key))
    }

    /// Those that were made of this one.
    pub fn children_of(&self, id: ShardId) -> impl Iterator<Item = &ShardRecord> {
        self.shards.iter().filter(move |shard| shard.is_child_of(id))
    }

    /// For how long records are kept.
    #[must_use]
    pub fn retention_millis(&self) -> u64 {
        u64::from(self.retention_hours) * 3_600 * 1_000
    }

    /// What came then or before is too old.
    #[must_use]
    pub fn horizon(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub(self.retention_millis()))
    }

    /// Divides a shard where this key begins.
    pub(super) fn split(
        &mut self,
        id: ShardId,
        begin: HashKey,
        now: Timestamp,
    ) -> Result<(), StreamError> {
        let range = self.open_shard(id)?.range;
        if begin <= range.first || begin > range.last {
            return Err(StreamError::InvalidArgument(format!(
                "NewStartingHashKey {begin} used in SplitShard() on shard {id} in stream {} under account {} is not both greater than one plus the shard's StartingHashKey {} and less than the shard's EndingHashKey {}.",
                self.name, self.scope.account, range.first, range.last
            )));
        }
        let made_seconds = self.close(id, now);
        let before = HashRange { first: range.first, last: HashKey(begin.0 - 1) };
        let behind = HashRange { first: begin, last: range.last };
        for range in [before, behind] {
            self.add(range, (id, None), made_seconds);
        }
        Ok(())
    }

    /// Makes one shard of two whose ranges are beside each other.
    pub(super) fn merge(
        &mut self,
        (one, other): (ShardId, ShardId),
        now: Timestamp,
    ) -> Result<(), StreamError> {
        let (first, second) = (self.open_shard(one)?.range, self.open_shard(other)?.range);
        let is_beside =
            |left: HashRange, right: HashRange| left.last.0.checked_add(1) == Some(right.first.0);
        if !is_beside(first, second) && !is_beside(second, first) {
            return Err(StreamError::InvalidArgument(format!(
                "Shards {one} and {other} in stream {} under account {} are not an adjacent pair of shards eligible for merging",
                self.name, self.scope.account
            )));
        }
        let made_seconds = self.close(one, now).max(self.close(other, now));
        let range =
            HashRange { first: first.first.min(second.first), last: first.last.max(second.last) };
        self.add(range, (one, Some(other)), made_seconds);
        Ok(())
    }

    /// Makes as many shards of those that are open, with ranges of the same size.
    pub(super) fn scale(&mut self, target: u32, now: Timestamp) -> Result<(), StreamError> {
        let open = u32::try_from(self.open_shards().count()).unwrap_or(u32::MAX);
        let most = open.saturating_mul(SCALING_FACTOR_MAX);
        let least = open.div_ceil(SCALING_FACTOR_MAX);
        if !(least..=most).contains(&target) {
            return Err(StreamError::InvalidArgument(format!(
                "UpdateShardCount requires a target shard count between {least} and {most} for stream {}, which has {open} open shards.",
                self.name
            )));
        }
        for begin in hash::begins(target) {
            let cut = HashKey(begin);
            let inside = self.shard_for(cut).filter(|shard| shard.range.first != cut);
            if let Some(id) = inside.map(|shard| shard.id) {
                self.split(id, cut, now)?;
            }
        }
        for range in hash::even(target) {
            loop {
                let mut parts: Vec<(HashKey, ShardId)> = self
                    .open_shards()
                    .filter(|shard| range.has(shard.range.first))
                    .map(|shard| (shard.range.first, shard.id))
                    .collect();
                parts.sort_unstable();
                let [(_, one), (_, other), ..] = parts.as_slice() else { break };
                self.merge((*one, *other), now)?;
            }
        }
        Ok(())
    }

    /// Forgets shards whose records are all too old.
    pub(super) fn forget_old_shards(&mut self, now: Timestamp) {
        let horizon = self.horizon(now);
        self.shards.retain(|shard| shard.closed.is_none_or(|closed| closed > horizon));
    }

    fn open_shard(&self, id: ShardId) -> Result<&ShardRecord, StreamError> {
        let shard = self.shard(id).ok_or_else(|| shard_missing(&self.full_name(), &id))?;
        if shard.is_open() {
            return Ok(shard);
        }
        Err(StreamError::InUse(format!(
            "Shard {id} in stream {} under account {} has already been merged or split, and thus is not eligible for merging or splitting.",
            self.name, self.scope.account
        )))
    }

    /// Closes a shard, and returns when its children are made.
    fn close(&mut self, id: ShardId, now: Timestamp) -> u64 {
        let Some(shard) = self.shards.iter_mut().find(|shard| shard.id == id) else {
            return seconds(now);
        };
        shard.closed = Some(now);
        seconds(now).max(shard.made_seconds + 1)
    }

    fn add(
        &mut self,
        range: HashRange,
        (parent, adjacent_parent): (ShardId, Option<ShardId>),
        made_seconds: u64,
    ) {
        self.shards.push(ShardRecord {
            id: ShardId(self.next_shard),
            made_seconds,
            range,
            parent: Some(parent),
            adjacent_parent,
            closed: None,
        });
        self.next_shard += 1;
    }
}

/// There is no such shard.
pub(super) fn shard_missing(stream: &StreamName, shard: &impl std::fmt::Display) -> StreamError {
    StreamError::NotFound(format!(
        "Could not find shard {shard} in stream {} under account {}.",
        stream.name, stream.scope.account
    ))
}

/// A registered consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerRecord {
    /// Its name, which no other one of its stream has.
    pub name: String,
    /// The name of its stream.
    pub stream: String,
    /// Whose it is, and where.
    pub scope: Scope,
    /// When it was made.
    pub created: Timestamp,
    /// Its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl ConsumerRecord {
    /// Which consumer it is.
    #[must_use]
    pub fn full_name(&self) -> ConsumerName {
        ConsumerName {
            stream: StreamName { scope: self.scope.clone(), name: self.stream.clone() },
            name: self.name.clone(),
            created_seconds: seconds(self.created),
        }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        self.full_name().to_string()
    }

    /// What its record is kept under: a slash is in no name.
    pub(super) fn key(&self) -> String {
        key_of_consumer(&self.stream, &self.name)
    }
}

/// What the record of a consumer is kept under.
pub(super) fn key_of_consumer(stream: &str, consumer: &str) -> String {
    format!("{stream}/{consumer}")
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region};
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn stream(shards: u32) -> StreamRecord {
        let scope = Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let name = StreamName { scope, name: "orders".to_owned() };
        StreamRecord::new(&name, (Mode::Provisioned, shards), NOW)
    }

    /// The ranges that take records, in order, after it was checked that each key has one of them.
    fn ranges(stream: &StreamRecord) -> Vec<HashRange> {
        let mut ranges: Vec<HashRange> = stream.open_shards().map(|shard| shard.range).collect();
        ranges.sort_by_key(|range| range.first);
        assert_eq!((ranges[0].first.0, ranges[ranges.len() - 1].last.0), (0, u128::MAX));
        for pair in ranges.windows(2) {
            assert_eq!(pair[0].last.0 + 1, pair[1].first.0);
        }
        ranges
    }

    #[test]
    fn a_shard_is_split_once_and_inside_of_its_range() {
        let mut orders = stream(1);
        let split = |orders: &mut StreamRecord, begin| {
            orders.split(ShardId(0), HashKey(begin), NOW).map_err(|error| error.code())
        };
        assert_eq!(split(&mut orders, 0), Err("InvalidArgumentException"));
        assert_eq!(split(&mut orders, 10), Ok(()));
        assert_eq!(split(&mut orders, 10), Err("ResourceInUseException"));
        assert_eq!(ranges(&orders).len(), 2);
        assert_eq!(orders.children_of(ShardId(0)).count(), 2);
        let child = orders.shard(ShardId(1)).unwrap();
        assert_eq!((child.range.last, child.made_seconds), (HashKey(9), seconds(NOW) + 1));
        let (last, first) = (orders.shards[0].last_number().unwrap(), child.first_number());
        assert!(first.to_string() > last.to_string(), "children come behind their parent");
    }

    #[test]
    fn only_neighbours_are_merged() {
        let mut orders = stream(3);
        let merge = |orders: &mut StreamRecord, one, other| {
            orders.merge((ShardId(one), ShardId(other)), NOW).map_err(|error| error.code())
        };
        assert_eq!(merge(&mut orders, 0, 2), Err("InvalidArgumentException"));
        assert_eq!(merge(&mut orders, 0, 0), Err("InvalidArgumentException"));
        assert_eq!(merge(&mut orders, 0, 7), Err("ResourceNotFoundException"));
        assert_eq!(merge(&mut orders, 2, 1), Ok(()));
        assert_eq!(ranges(&orders).len(), 2);
        let merged = orders.shard(ShardId(3)).unwrap();
        assert_eq!((merged.parent, merged.adjacent_parent), (Some(ShardId(2)), Some(ShardId(1))));
    }

    #[test]
    fn closed_shards_are_forgotten_with_their_records() {
        let mut orders = stream(1);
        orders.split(ShardId(0), HashKey(10), NOW).unwrap();
        orders.forget_old_shards(NOW.plus_millis(orders.retention_millis() - 1));
        assert_eq!(orders.shards.len(), 3);
        orders.forget_old_shards(NOW.plus_millis(orders.retention_millis()));
        assert_eq!(orders.shards.len(), 2);
    }

    proptest! {
        #[test]
        fn a_stream_is_scaled_to_even_ranges(shards in 1..30_u32, target in 1..60_u32) {
            let mut orders = stream(shards);
            let is_allowed = (shards.div_ceil(2)..=shards * 2).contains(&target);
            prop_assert_eq!(orders.scale(target, NOW).is_ok(), is_allowed);
            let wanted = if is_allowed { target } else { shards };
            prop_assert_eq!(ranges(&orders), hash::even(wanted));
            for shard in &orders.shards {
                for child in orders.children_of(shard.id) {
                    prop_assert!(child.made_seconds > shard.made_seconds);
                    prop_assert!(!shard.is_open());
                }
            }
        }
    }
}
