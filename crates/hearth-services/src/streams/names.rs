//! Names and ARNs of streams and their consumers, and ids of shards.

use std::fmt;

use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Which stream: whose and where, and its name. There need not be one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName {
    /// Account and region.
    pub scope: Scope,
    /// The bare name.
    pub name: String,
}

impl StreamName {
    /// Reads an ARN.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let (scope, resource) = parts(arn)?;
        let name = resource.strip_prefix("stream/")?;
        (!name.is_empty() && !name.contains('/')).then(|| Self { scope, name: name.to_owned() })
    }
}

/// Its ARN.
impl fmt::Display for StreamName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(formatter, "arn:aws:kinesis:{region}:{account}:stream/{}", self.name)
    }
}

/// Which registered consumer. There need not be one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerName {
    /// Of which stream.
    pub stream: StreamName,
    /// The bare name.
    pub name: String,
    /// When it was made, which is a part of its ARN.
    pub created_seconds: u64,
}

impl ConsumerName {
    /// Reads an ARN.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Self> {
        let (stream, consumer) = arn.split_once("/consumer/")?;
        let (name, created) = consumer.rsplit_once(':')?;
        let created_seconds = created.parse().ok()?;
        let stream = StreamName::of_arn(stream)?;
        (!name.is_empty()).then(|| Self { stream, name: name.to_owned(), created_seconds })
    }
}

/// Its ARN.
impl fmt::Display for ConsumerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/consumer/{}:{}", self.stream, self.name, self.created_seconds)
    }
}

fn parts(arn: &str) -> Option<(Scope, &str)> {
    let mut parts = arn.splitn(6, ':');
    if parts.next()? != "arn" || !parts.next()?.starts_with("aws") || parts.next()? != "kinesis" {
        return None;
    }
    let region = Region::parse(parts.next()?).ok()?;
    let account = AccountId::parse(parts.next()?).ok()?;
    Some((Scope { account, region }, parts.next()?))
}

/// Which shard of a stream: shards are numbered in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u32);

impl ShardId {
    /// Reads `shardId-000000000007`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("shardId-")?;
        let is_number = digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten().map(Self)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "shardId-{:012}", self.0)
    }
}

/// Whole seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> u64 {
    at.0 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_read_back_as_themselves() {
        let stream = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
        assert_eq!(StreamName::of_arn(stream).unwrap().to_string(), stream);
        let consumer = format!("{stream}/consumer/reader:1732332000");
        assert_eq!(ConsumerName::of_arn(&consumer).unwrap().to_string(), consumer);
        for other in [
            "",
            "orders",
            "arn:aws:sqs:us-east-1:000000000000:orders",
            "arn:aws:kinesis:us-east-1:0:stream/orders",
            "arn:aws:kinesis:us-east-1:000000000000:stream/",
            consumer.as_str(),
        ] {
            assert_eq!(StreamName::of_arn(other), None, "{other}");
        }
        assert_eq!(ConsumerName::of_arn(stream), None);
    }

    #[test]
    fn a_shard_has_twelve_digits() {
        assert_eq!(ShardId(7).to_string(), "shardId-000000000007");
        assert_eq!(ShardId::parse("shardId-000000000007"), Some(ShardId(7)));
        for other in ["7", "shardId-7", "shardId-00000000000x", "shardId-999999999999", ""] {
            assert_eq!(ShardId::parse(other), None, "{other}");
        }
    }
}
