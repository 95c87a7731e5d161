//! What a mapping reads, and of which kind that is.

use hearth_types::names::{AccountId, Region};
use serde::{Deserialize, Serialize};

use crate::error::ControlError;
use crate::mapping::rules::unsupported;

/// A kind of event source. Which settings a mapping has depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SourceKind {
    /// A standard queue of Amazon SQS.
    StandardQueue,
    /// A FIFO queue of Amazon SQS.
    FifoQueue,
    /// A Kinesis data stream, polled.
    KinesisStream,
    /// A consumer of a Kinesis data stream, with throughput of its own.
    KinesisConsumer,
    /// The stream of a DynamoDB table.
    DynamoDbStream,
    /// A cluster of Amazon MSK.
    ManagedKafka,
    /// An Apache Kafka cluster that has no ARN.
    SelfManagedKafka,
    /// A broker of Amazon MQ. Its ARN does not say whether it is ActiveMQ or RabbitMQ.
    Broker,
    /// A cluster of Amazon DocumentDB.
    DocumentDb,
}

impl SourceKind {
    /// Whether it is a queue of Amazon SQS.
    #[must_use]
    pub fn is_queue(self) -> bool {
        matches!(self, Self::StandardQueue | Self::FifoQueue)
    }

    /// Whether it has shards.
    #[must_use]
    pub fn is_stream(self) -> bool {
        matches!(self, Self::KinesisStream | Self::KinesisConsumer | Self::DynamoDbStream)
    }

    /// Whether it is Apache Kafka.
    #[must_use]
    pub fn is_kafka(self) -> bool {
        matches!(self, Self::ManagedKafka | Self::SelfManagedKafka)
    }

    /// The kind of what an ARN names, if that can be an event source.
    fn of_arn(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [prefix, partition, service, region, account, resource] = parts.as_slice() else {
            return None;
        };
        let placed = *prefix == "arn"
            && partition.starts_with("aws")
            && Region::parse(region).is_ok()
            && AccountId::parse(account).is_ok();
        if !placed {
            return None;
        }
        match *service {
            "sqs" => queue(resource),
            "kinesis" => match words(resource, '/').as_slice() {
                ["stream", _name] => Some(Self::KinesisStream),
                ["stream", _name, "consumer", _consumer] => Some(Self::KinesisConsumer),
                _ => None,
            },
            "dynamodb" => match words(resource, '/').as_slice() {
                ["table", _table, "stream", _label] => Some(Self::DynamoDbStream),
                _ => None,
            },
            "kafka" => match words(resource, '/').as_slice() {
                ["cluster", _name, _id] => Some(Self::ManagedKafka),
                ["vpc-connection", _account, _name, _id] => Some(Self::ManagedKafka),
                _ => None,
            },
            "mq" => match words(resource, ':').as_slice() {
                ["broker", _name, _id] => Some(Self::Broker),
                _ => None,
            },
            // Clusters of Amazon DocumentDB have the ARNs of Amazon RDS.
            "rds" => match words(resource, ':').as_slice() {
                ["cluster", _id] => Some(Self::DocumentDb),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The parts of a resource; none at all if one of them is empty.
fn words(resource: &str, separator: char) -> Vec<&str> {
    let words: Vec<&str> = resource.split(separator).collect();
    if words.contains(&"") { Vec::new() } else { words }
}

fn queue(name: &str) -> Option<SourceKind> {
    let (word, kind) = name
        .strip_suffix(".fifo")
        .map_or((name, SourceKind::StandardQueue), |word| (word, SourceKind::FifoQueue));
    let fits = !word.is_empty()
        && name.len() <= 80
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    fits.then_some(kind)
}

/// What a mapping reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Something of AWS's.
    Arn {
        /// Its kind.
        kind: SourceKind,
        /// Its ARN.
        arn: String,
    },
    /// Somebody's own Apache Kafka.
    SelfManagedKafka {
        /// Where it is: `host:port`.
        bootstrap_servers: Vec<String>,
    },
}

impl Source {
    /// The source that a caller names.
    ///
    /// # Errors
    ///
    /// If there is none, there are two, or it is nothing that events can be read from.
    pub fn parse(
        arn: Option<&str>,
        bootstrap_servers: Option<Vec<String>>,
    ) -> Result<Self, ControlError> {
        let unrecognized =
            || ControlError::InvalidParameter("Unrecognized event source.".to_owned());
        match (arn, bootstrap_servers) {
            (Some(arn), None) => {
                let kind = SourceKind::of_arn(arn).ok_or_else(unrecognized)?;
                Ok(Self::Arn { kind, arn: arn.to_owned() })
            }
            (None, Some(servers)) if !servers.is_empty() => {
                Ok(Self::SelfManagedKafka { bootstrap_servers: servers })
            }
            (Some(_), Some(_)) => Err(unsupported("SelfManagedEventSource")),
            (None, Some(_) | None) => Err(unrecognized()),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SourceKind {
        match self {
            Self::Arn { kind, .. } => *kind,
            Self::SelfManagedKafka { .. } => SourceKind::SelfManagedKafka,
        }
    }

    /// Its ARN, if it has one.
    #[must_use]
    pub fn arn(&self) -> Option<&str> {
        match self {
            Self::Arn { arn, .. } => Some(arn),
            Self::SelfManagedKafka { .. } => None,
        }
    }

    /// Whether both are the same, or reach the same cluster.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Arn { arn, .. }, Self::Arn { arn: other, .. }) => arn == other,
            (
                Self::SelfManagedKafka { bootstrap_servers },
                Self::SelfManagedKafka { bootstrap_servers: others },
            ) => bootstrap_servers.iter().any(|server| others.contains(server)),
            (Self::Arn { .. }, Self::SelfManagedKafka { .. })
            | (Self::SelfManagedKafka { .. }, Self::Arn { .. }) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arn(service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:us-east-1:000000000000:{resource}")
    }

    #[test]
    fn an_arn_tells_the_kind_of_its_source() {
        use SourceKind::{
            Broker, DocumentDb, DynamoDbStream, FifoQueue, KinesisConsumer, KinesisStream,
            ManagedKafka, StandardQueue,
        };
        #[rustfmt::skip]
        let rows = [
            (arn("sqs", "orders"),                                         Some(StandardQueue)),
            (arn("sqs", "orders.fifo"),                                    Some(FifoQueue)),
            (arn("kinesis", "stream/clicks"),                              Some(KinesisStream)),
            (arn("kinesis", "stream/clicks/consumer/fast:1700000000"),     Some(KinesisConsumer)),
            (arn("dynamodb", "table/t/stream/2024-06-01T00:00:00.000"),    Some(DynamoDbStream)),
            (arn("kafka", "cluster/c/0b1c2d3e-1-2"),                       Some(ManagedKafka)),
            (arn("kafka", "vpc-connection/111122223333/c/0b1c2d3e-1"),     Some(ManagedKafka)),
            (arn("mq", "broker:b:b-0b1c2d3e"),                             Some(Broker)),
            (arn("rds", "cluster:documents"),                              Some(DocumentDb)),
            (arn("sqs", ""),                                               None),
            (arn("sqs", "a/b"),                                            None),
            (arn("sqs", ".fifo"),                                          None),
            (arn("sqs", &"q".repeat(81)),                                  None),
            (arn("kinesis", "stream/"),                                    None),
            (arn("dynamodb", "table/t"),                                   None),
            (arn("kafka", "topic/c/id/t"),                                 None),
            (arn("rds", "db:one"),                                         None),
            (arn("sns", "orders"),                                         None),
            (arn("s3", "bucket"),                                          None),
            ("arn:aws:sqs:::orders".to_owned(),                            None),
            ("arn:aws:sqs:us-east-1:12:orders".to_owned(),                 None),
            ("arn:other:sqs:us-east-1:000000000000:orders".to_owned(),     None),
            ("orders".to_owned(),                                          None),
        ];
        for (text, kind) in rows {
            let read = Source::parse(Some(&text), None).map(|source| source.kind());
            assert_eq!(read.ok(), kind, "{text}");
        }
    }

    #[test]
    fn there_is_exactly_one_source() {
        let queue = arn("sqs", "orders");
        let servers = || Some(vec!["b-1:9092".to_owned()]);
        #[rustfmt::skip]
        let rows = [
            (None,         None,             "Unrecognized event source."),
            (None,         Some(Vec::new()), "Unrecognized event source."),
            (Some(&queue), servers(),        "Unsupported SelfManagedEventSource parameter for given event source mapping type."),
        ];
        for (arn, servers, text) in rows {
            let refused = Source::parse(arn.map(String::as_str), servers).unwrap_err();
            assert_eq!(refused.to_string(), text);
        }
        let own = Source::parse(None, servers()).unwrap();
        assert_eq!((own.kind(), own.arn()), (SourceKind::SelfManagedKafka, None));
    }

    #[test]
    fn clusters_that_share_a_server_are_the_same() {
        let own = |servers: &[&str]| Source::SelfManagedKafka {
            bootstrap_servers: servers.iter().map(|one| (*one).to_owned()).collect(),
        };
        let queue = Source::parse(Some(&arn("sqs", "orders")), None).unwrap();
        assert!(own(&["a:1", "b:1"]).overlaps(&own(&["c:1", "b:1"])));
        assert!(!own(&["a:1"]).overlaps(&own(&["b:1"])));
        assert!(!own(&["a:1"]).overlaps(&queue));
        assert!(queue.overlaps(&queue));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", service in "[a-z]{2,8}", resource in ".*") {
            let _ = SourceKind::of_arn(&text);
            let _ = SourceKind::of_arn(&arn(&service, &resource));
        }

        #[test]
        fn every_queue_is_recognized(name in "[a-zA-Z0-9_-]{1,75}") {
            prop_assert_eq!(SourceKind::of_arn(&arn("sqs", &name)), Some(SourceKind::StandardQueue));
            let fifo = arn("sqs", &format!("{name}.fifo"));
            prop_assert_eq!(SourceKind::of_arn(&fifo), Some(SourceKind::FifoQueue));
        }
    }
}
