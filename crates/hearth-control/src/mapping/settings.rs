//! What a caller may ask of a mapping, and what is kept of it.

use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mapping::source::SourceKind;

/// What a caller gave. What is absent stays as it is, or takes its default; what is given empty is
/// taken away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Whether the source is to be read.
    pub enabled: Option<bool>,
    /// The most records of a batch.
    pub batch_size: Option<i32>,
    /// How long a batch may be gathered.
    pub batching_window_seconds: Option<i32>,
    /// Where to begin: AWS's word.
    pub starting_position: Option<String>,
    /// When to begin: seconds since 1970.
    pub starting_position_seconds: Option<f64>,
    /// Batches of one shard at a time.
    pub parallelization_factor: Option<i32>,
    /// Where records go in the end.
    pub destinations: Option<Destinations>,
    /// How old a record may get; -1 for any age.
    pub record_age_seconds_max: Option<i32>,
    /// How often a batch is tried again; -1 for ever.
    pub retry_attempts_max: Option<i32>,
    /// Whether a batch that failed is halved.
    pub bisect_batch: Option<bool>,
    /// How long a tumbling window is.
    pub tumbling_window_seconds: Option<i32>,
    /// The topic of Kafka.
    pub topics: Option<Vec<String>>,
    /// The queue of a broker.
    pub queues: Option<Vec<String>>,
    /// How to get in.
    pub source_access: Option<Vec<SourceAccess>>,
    /// What the function's answers may say.
    pub response_types: Option<Vec<String>>,
    /// The patterns of the filters.
    pub filters: Option<Vec<String>>,
    /// The key that AWS would encrypt the filters with.
    pub kms_key_arn: Option<String>,
    /// The metrics that are wanted.
    pub metrics: Option<Vec<String>>,
    /// What is logged about the mapping itself.
    pub logging: Option<Logging>,
    /// How far it scales.
    pub scaling: Option<Scaling>,
    /// Pollers that are kept ready.
    pub pollers: Option<ProvisionedPollers>,
    /// What only Amazon MSK has.
    pub managed_kafka: Option<KafkaSettings>,
    /// What only somebody's own Kafka has.
    pub self_managed_kafka: Option<KafkaSettings>,
    /// What only Amazon DocumentDB has.
    pub document_db: Option<DocumentDb>,
}

/// Where records go in the end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Destinations {
    /// Those that went well. No event source has it.
    pub on_success: Option<Destination>,
    /// Those that were given up.
    pub on_failure: Option<Destination>,
}

/// One destination.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Destination {
    /// Its ARN, or `kafka://` and a topic. Empty to take it away.
    pub arn: Option<String>,
}

/// What is logged about a mapping.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logging {
    /// From which level on.
    pub level: Option<String>,
}

/// How far a mapping of a queue scales.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scaling {
    /// Invocations at a time.
    pub concurrency_max: Option<i32>,
}

/// What a caller gave about Kafka.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KafkaSettings {
    /// The consumer group.
    pub consumer_group_id: Option<String>,
    /// Where schemas come from.
    pub schema_registry: Option<SchemaRegistry>,
    /// As a stream or as a queue.
    pub consumption_mode: Option<String>,
}

/// What has been decided about a mapping, defaults filled in. What a kind of source does not have
/// is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// The most records of a batch.
    pub batch_size: i32,
    /// How long a batch may be gathered; absent for AWS's half a second.
    pub batching_window_seconds: Option<i32>,
    /// Where it began.
    pub starting_position: Option<StartingPosition>,
    /// Batches of one shard at a time.
    pub parallelization_factor: Option<i32>,
    /// Where records go that were given up.
    pub on_failure: Option<String>,
    /// How old a record may get; -1 for any age.
    pub record_age_seconds_max: Option<i32>,
    /// How often a batch is tried again; -1 for ever.
    pub retry_attempts_max: Option<i32>,
    /// Whether a batch that failed is halved.
    pub bisect_batch: Option<bool>,
    /// How long a tumbling window is; 0 for none.
    pub tumbling_window_seconds: Option<i32>,
    /// The topic of Kafka.
    pub topics: Vec<String>,
    /// The queue of a broker.
    pub queues: Vec<String>,
    /// How to get in.
    pub source_access: Vec<SourceAccess>,
    /// What the function's answers may say.
    pub response_types: Option<Vec<String>>,
    /// The patterns of the filters.
    pub filters: Vec<String>,
    /// The key that AWS would encrypt the filters with.
    pub kms_key_arn: Option<String>,
    /// The metrics that are wanted.
    pub metrics: Vec<String>,
    /// From which level on something is logged about the mapping itself.
    pub log_level: Option<String>,
    /// Invocations at a time.
    pub concurrency_max: Option<i32>,
    /// Pollers that are kept ready.
    pub pollers: Option<ProvisionedPollers>,
    /// What only Kafka has.
    pub kafka: Option<Kafka>,
    /// What only Amazon DocumentDB has.
    pub document_db: Option<DocumentDb>,
}

impl Configuration {
    /// Whether both read the same part of one source.
    pub(super) fn reads_the_same_as(&self, other: &Self) -> bool {
        let collection = |one: &Self| {
            one.document_db.as_ref().map(|found| (found.database.clone(), found.collection.clone()))
        };
        self.topics == other.topics
            && self.queues == other.queues
            && collection(self) == collection(other)
    }

    /// Whether it reads Kafka as a queue, so that there is no position in it.
    pub(super) fn is_queue_of_kafka(&self) -> bool {
        let mode = self.kafka.as_ref().and_then(|kafka| kafka.consumption_mode.as_deref());
        mode == Some(QUEUE_MODE)
    }
}

/// The consumption mode in which a topic has no positions.
pub(super) const QUEUE_MODE: &str = "Queue";

/// The defaults of a kind. The members that are absent here are not shown unless they are given.
pub(super) fn defaults(kind: SourceKind) -> Configuration {
    let nothing_reported = || Some(Vec::new());
    match kind {
        SourceKind::StandardQueue | SourceKind::FifoQueue => Configuration {
            batch_size: 10,
            batching_window_seconds: Some(0),
            response_types: nothing_reported(),
            ..Configuration::default()
        },
        SourceKind::KinesisStream | SourceKind::KinesisConsumer | SourceKind::DynamoDbStream => {
            Configuration {
                batch_size: 100,
                batching_window_seconds: Some(0),
                parallelization_factor: Some(1),
                record_age_seconds_max: Some(-1),
                retry_attempts_max: Some(-1),
                bisect_batch: Some(false),
                tumbling_window_seconds: Some(0),
                response_types: nothing_reported(),
                ..Configuration::default()
            }
        }
        SourceKind::ManagedKafka
        | SourceKind::SelfManagedKafka
        | SourceKind::Broker
        | SourceKind::DocumentDb => Configuration { batch_size: 100, ..Configuration::default() },
    }
}

/// Where reading began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartingPosition {
    /// With the oldest record.
    TrimHorizon,
    /// Behind the newest record.
    Latest,
    /// With the first record of a time.
    AtTimestamp(Timestamp),
}

impl StartingPosition {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::AtTimestamp(_) => "AT_TIMESTAMP",
        }
    }

    /// The time, if it is one.
    #[must_use]
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::TrimHorizon | Self::Latest => None,
            Self::AtTimestamp(at) => Some(at),
        }
    }
}

/// A way in, or one part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceAccess {
    /// What it is: AWS's word.
    pub kind: String,
    /// Where it is: mostly the ARN of a secret.
    pub uri: String,
}

/// Pollers that are kept ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvisionedPollers {
    /// The fewest.
    pub least: Option<i32>,
    /// The most.
    pub most: Option<i32>,
    /// Whom they are shared with.
    pub group: Option<String>,
}

/// How Kafka is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kafka {
    /// The consumer group.
    pub consumer_group_id: String,
    /// Where schemas come from.
    pub schema_registry: Option<SchemaRegistry>,
    /// As a stream or as a queue; absent for a stream.
    pub consumption_mode: Option<String>,
}

/// Where the schemas of Kafka's records come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SchemaRegistry {
    /// The registry.
    pub uri: Option<String>,
    /// What the function gets: JSON, or what was sent.
    pub record_format: Option<String>,
    /// How to get in.
    pub access: Vec<SourceAccess>,
    /// What is checked: keys, values or both.
    pub attributes: Vec<String>,
}

/// What is read of Amazon DocumentDB.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentDb {
    /// The database.
    pub database: Option<String>,
    /// The collection; absent for all of them.
    pub collection: Option<String>,
    /// What an update carries, the whole document or what has changed: AWS's word.
    pub full_document: Option<String>,
}
