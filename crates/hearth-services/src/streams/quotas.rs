//! AWS's quotas of streams and records, and Hearth's own bounds beside them, with their reasons.

/// AWS: the record with its partition key that a stream takes unless it is told otherwise, in KiB.
pub const RECORD_KIB_DEFAULT: u32 = 1_024;
/// AWS: the largest that it can be told.
pub const RECORD_KIB_MAX: u32 = 10_240;
/// AWS: all records of one request, with their partition keys.
pub(super) const PUT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// AWS: records of one answer.
pub const READ_RECORDS_MAX: usize = 10_000;
/// AWS: their bytes. A record more may come, so that every record can be read.
pub const READ_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Bytes of records in one event of a subscription. In base64 it must fit into a frame, which has 16 MB,
/// together with one record more.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
/// AWS: hours for which records are kept by default.
pub(super) const RETENTION_HOURS_DEFAULT: u32 = 24;
/// AWS: the longest, a year.
pub const RETENTION_HOURS_MAX: u32 = 8_760;
/// AWS: shards of a stream on demand when it is made.
pub(super) const ON_DEMAND_SHARDS: u32 = 4;
/// Open shards of one account in one region: each that is used has an open file. AWS's quota is 500 to
/// 20,000, by region.
pub const SHARDS_MAX: usize = 1_000;
/// AWS: streams on demand of one account in one region.
pub const ON_DEMAND_STREAMS_MAX: usize = 50;
/// AWS: how long a shard iterator is valid.
pub(super) const ITERATOR_MILLIS_MAX: u64 = 5 * 60 * 1_000;
/// AWS: how long the token of a next page is valid.
pub(super) const TOKEN_MILLIS_MAX: u64 = 5 * 60 * 1_000;
/// AWS: registered consumers of one stream.
pub(super) const CONSUMERS_MAX: usize = 20;
/// AWS: how long a subscription lasts.
pub(super) const SUBSCRIPTION_SECONDS: u64 = 300;
/// AWS: how long a subscription may not be replaced by another one of the same consumer and shard.
pub(super) const SUBSCRIPTION_PAUSE_MILLIS: u64 = 5_000;
/// How long a subscription is silent at the most: then it says how far it is, with no records. Clients
/// take a longer silence for a broken connection.
pub(super) const SUBSCRIPTION_SILENCE_SECONDS: u64 = 5;
/// Subscriptions at a time: each may hold an event.
pub(super) const SUBSCRIPTIONS_MAX: usize = 1_000;
/// AWS: tags of one stream or consumer.
pub(super) const TAGS_MAX: usize = 50;
/// AWS: by how much a stream may have more shards, or fewer, after one `UpdateShardCount`.
pub(super) const SCALING_FACTOR_MAX: u32 = 2;

/// How large a segment gets before the next one is begun. To find a place in a segment it is read from
/// its beginning, so it is no larger than what is read in some milliseconds.
pub(super) const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Into how many segments the time is divided for which records are kept: so much longer than they have
/// to be are they kept.
pub(super) const SEGMENTS_OF_RETENTION: u64 = 24;
/// Bytes of one shard that may wait to be written: what a slow disk takes in a second. Beyond it records
/// are refused, as if their shard was written to too fast.
pub(super) const PENDING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How often records are looked for that are too old.
pub(super) const RETENTION_LOOK_SECONDS: u64 = 60;
/// How much of a segment is read at once.
pub(super) const READ_AHEAD_BYTES: usize = 256 * 1024;
