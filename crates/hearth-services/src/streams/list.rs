//! Listings of shards.

use std::sync::Arc;

use hearth_types::time::Timestamp;

use super::Streams;
use super::error::StreamError;
use super::get::shard_of;
use super::iterator::PageToken;
use super::names::{ShardId, StreamName, seconds};
use super::record::{ShardRecord, StreamRecord};

/// Which shards are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListShards {
    /// Of which stream; none if there is a token.
    pub stream: Option<StreamName>,
    /// When that stream was made, in seconds: of another one of the same name nothing is listed.
    pub stream_created_seconds: Option<u64>,
    /// The token of the page before.
    pub token: Option<String>,
    /// Only shards behind this one.
    pub after: Option<String>,
    /// Which of them.
    pub filter: Option<ShardFilter>,
    /// How many on this page.
    pub items: usize,
}

/// Which shards are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardFilter {
    /// Those behind this one.
    AfterShardId(String),
    /// Those that were open when the oldest records came that are still there.
    AtTrimHorizon,
    /// Those that have records, or may get some.
    FromTrimHorizon,
    /// Those that are open.
    AtLatest,
    /// Those that were open then.
    AtTimestamp(Timestamp),
    /// Those that were open then, or have been made since.
    FromTimestamp(Timestamp),
}

impl ShardFilter {
    fn wants(&self, stream: &StreamRecord, shard: &ShardRecord, now: Timestamp) -> bool {
        // A shard is made when the one that it was made of is closed; its own time may be a second later.
        let was_made = |at: Timestamp| match shard.parent.and_then(|parent| stream.shard(parent)) {
            Some(parent) => parent.closed.is_some_and(|closed| closed <= at),
            None => shard.made_seconds <= seconds(at),
        };
        let was_open = |at: Timestamp| shard.closed.is_none_or(|closed| closed > at);
        // Before the stream was made, its first shards count as there.
        let horizon = stream.horizon(now).max(stream.created);
        match self {
            Self::AfterShardId(after) => ShardId::parse(after).is_none_or(|after| shard.id > after),
            Self::AtTrimHorizon => was_made(horizon) && was_open(horizon),
            Self::FromTrimHorizon => was_open(horizon),
            Self::AtLatest => shard.is_open(),
            Self::AtTimestamp(at) => {
                let at = (*at).max(horizon);
                was_made(at) && was_open(at)
            }
            Self::FromTimestamp(at) => was_open((*at).max(horizon)),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::AfterShardId(after) => format!("AFTER_SHARD_ID {after}"),
            Self::AtTrimHorizon => "AT_TRIM_HORIZON".to_owned(),
            Self::FromTrimHorizon => "FROM_TRIM_HORIZON".to_owned(),
            Self::AtLatest => "AT_LATEST".to_owned(),
            Self::AtTimestamp(at) => format!("AT_TIMESTAMP {}", at.0),
            Self::FromTimestamp(at) => format!("FROM_TIMESTAMP {}", at.0),
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        let (kind, more) = text.split_once(' ').unwrap_or((text, ""));
        let at = more.parse().map(Timestamp).ok();
        match kind {
            "AFTER_SHARD_ID" => Some(Self::AfterShardId(more.to_owned())),
            "AT_TRIM_HORIZON" => Some(Self::AtTrimHorizon),
            "FROM_TRIM_HORIZON" => Some(Self::FromTrimHorizon),
            "AT_LATEST" => Some(Self::AtLatest),
            "AT_TIMESTAMP" => at.map(Self::AtTimestamp),
            "FROM_TIMESTAMP" => at.map(Self::FromTimestamp),
            _ => None,
        }
    }
}

impl Streams {
    /// A page of shards, and the token of the next one.
    ///
    /// # Errors
    ///
    /// If there is no such stream, or a token is none, or is given with what it says already.
    pub fn list_shards(
        &self,
        asked: &ListShards,
    ) -> Result<(Vec<ShardRecord>, Option<String>), StreamError> {
        let now = self.now();
        let Resumed { stream, after, filter } = self.resumed(asked, now)?;
        let wants = |shard: &&ShardRecord| {
            let is_behind = after.is_none_or(|after| shard.id > after);
            let is_wanted = filter.as_ref().is_none_or(|filter| filter.wants(&stream, shard, now));
            is_behind && is_wanted
        };
        // One more than is shown says whether there are more.
        let mut found: Vec<ShardRecord> = stream
            .shards
            .iter()
            .filter(wants)
            .take(asked.items.saturating_add(1))
            .cloned()
            .collect();
        let has_more = found.len() > asked.items;
        found.truncate(asked.items);
        let token = found.last().filter(|_| has_more).map(|last| {
            let filter = filter.as_ref().map(ShardFilter::text);
            let (stream, after) = (Some(stream.arn()), last.id.to_string());
            PageToken { stream, after, filter, given: now }.text()
        });
        Ok((found, token))
    }

    fn resumed(&self, asked: &ListShards, now: Timestamp) -> Result<Resumed, StreamError> {
        let gone = || StreamError::InvalidArgument("Invalid NextToken.".to_owned());
        match (&asked.token, &asked.stream) {
            (Some(_), Some(_)) => Err(StreamError::InvalidArgument(
                "NextToken and StreamName cannot be provided together.".to_owned(),
            )),
            (None, None) => Err(StreamError::InvalidArgument(
                "Either NextToken or StreamName should be provided.".to_owned(),
            )),
            (Some(token), None) => {
                let token = PageToken::read(token, now)?;
                let name = token.stream.as_deref().and_then(StreamName::of_arn).ok_or_else(gone)?;
                let after = Some(ShardId::parse(&token.after).ok_or_else(gone)?);
                let filter = token.filter.as_deref().and_then(ShardFilter::of_text);
                Ok(Resumed { stream: self.stream(&name)?, after, filter })
            }
            (None, Some(name)) => {
                let stream = self.stream(name)?;
                let created = asked.stream_created_seconds;
                if created.is_some_and(|created| created != seconds(stream.created)) {
                    return Err(StreamError::NotFound(format!(
                        "Stream {} under account {} was not created at that time.",
                        name.name, name.scope.account
                    )));
                }
                let after = match &asked.after {
                    Some(after) => Some(shard_of(&stream, after)?.id),
                    None => None,
                };
                Ok(Resumed { stream, after, filter: asked.filter.clone() })
            }
        }
    }
}

/// Where a listing goes on.
struct Resumed {
    stream: Arc<StreamRecord>,
    after: Option<ShardId>,
    filter: Option<ShardFilter>,
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region, Scope};

    use super::super::hash::HashKey;
    use super::super::record::Mode;
    use super::*;

    fn orders(made: Timestamp) -> StreamRecord {
        let scope = Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let name = StreamName { scope, name: "orders".to_owned() };
        StreamRecord::new(&name, (Mode::Provisioned, 1), made)
    }

    #[test]
    fn a_key_has_one_shard_at_every_time() {
        let made = Timestamp(1_800_000_000_400);
        let mut orders = orders(made);
        orders.split(ShardId(0), HashKey(10), made.plus_millis(1)).unwrap();
        orders.split(ShardId(1), HashKey(5), made.plus_millis(2)).unwrap();
        orders.merge((ShardId(3), ShardId(4)), made.plus_millis(3)).unwrap();
        for millis in [0, 1, 2, 3, 4, 599, 600, 2_000, 4_000] {
            let filter = ShardFilter::AtTimestamp(made.plus_millis(millis));
            let now = made.plus_millis(5_000);
            let there = orders.shards.iter().filter(|shard| filter.wants(&orders, shard, now));
            let has_it = there.filter(|shard| shard.range.has(HashKey(0)));
            assert_eq!(has_it.count(), 1, "{millis}");
        }
    }

    #[test]
    fn filters_know_when_shards_were_open() {
        let made = Timestamp(1_800_000_000_000);
        let mut orders = orders(made);
        let split = made.plus_millis(3_600_000);
        orders.split(ShardId(0), HashKey(10), split).unwrap();
        let now = split.plus_millis(3_600_000);
        let between = made.plus_millis(60_000);
        #[rustfmt::skip]
        let rows = [
            (ShardFilter::AtLatest,                             vec![1, 2]),
            (ShardFilter::AtTrimHorizon,                        vec![0]),
            (ShardFilter::FromTrimHorizon,                      vec![0, 1, 2]),
            (ShardFilter::AtTimestamp(between),                 vec![0]),
            (ShardFilter::FromTimestamp(between),               vec![0, 1, 2]),
            (ShardFilter::AtTimestamp(now),                     vec![1, 2]),
            (ShardFilter::FromTimestamp(now),                   vec![1, 2]),
            (ShardFilter::AfterShardId(ShardId(1).to_string()), vec![2]),
        ];
        for (filter, expected) in rows {
            let wanted = orders.shards.iter().filter(|shard| filter.wants(&orders, shard, now));
            let wanted: Vec<u32> = wanted.map(|shard| shard.id.0).collect();
            assert_eq!(wanted, expected, "{filter:?}");
            assert_eq!(ShardFilter::of_text(&filter.text()), Some(filter));
        }
    }
}
