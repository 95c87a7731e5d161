//! The bounds of the embedded services, with their reasons.

/// AWS: the largest object that one request may put. Hearth has the same bound for those that are
/// put in parts: code archives are far smaller.
pub const OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// AWS: the smallest part of an upload that is not its last.
pub const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// AWS: the largest number of a part.
pub const PARTS_MAX: u16 = 10_000;
/// AWS: keys, in UTF-8.
pub const KEY_BYTES_MAX: usize = 1_024;
/// AWS: user-defined metadata of one object, names and values together. The same for the standard
/// headers that are kept.
pub const METADATA_BYTES_MAX: usize = 2 * 1024;
/// AWS: what one page of a listing may have.
pub const LIST_ITEMS_MAX: usize = 1_000;
/// AWS: buckets of one account.
pub const BUCKETS_MAX: usize = 10_000;
/// Versions of one key. They are one record, which is written whole with every change.
pub const VERSIONS_MAX: usize = 10_000;
/// Bytes that are read or written at once.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// How long fetching one object from a remote endpoint may take.
pub const FETCH_SECONDS_MAX: u64 = 300;
/// How long connecting to a remote endpoint may take.
pub const CONNECT_SECONDS_MAX: u64 = 10;
/// What a remote endpoint may say about why it refused.
pub const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// How long one call of a remote service may take, waiting for a connection included. As long as
/// AWS's own services may take for such a call.
pub const CALL_SECONDS_MAX: u64 = 30;
/// What a remote service may answer to a call: ids and checksums of one message.
pub const CALL_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// AWS: how long an HTTP endpoint that has subscribed to a topic may take to answer.
pub const POST_SECONDS_MAX: u64 = 15;
/// How long the rest of an answer is waited for whose status has said everything. Whoever sends
/// more slowly gets another connection the next time.
pub const IGNORED_MILLIS_MAX: u64 = 500;
/// How much of such an answer is read, for the same reason.
pub const IGNORED_BYTES_MAX: usize = 64 * 1024;
/// Connections to one remote service at a time. Each call has one; more calls wait for their turn.
pub const CALL_CONNECTIONS_MAX: usize = 64;
/// Connections to HTTP endpoints at a time, of all subscriptions together. Each may be taken for as
/// long as [`POST_SECONDS_MAX`] by an endpoint that does not answer.
pub const POST_CONNECTIONS_MAX: usize = 256;
/// Connections that are kept for the next request.
pub const KEPT_CONNECTIONS_MAX: usize = 16;
/// How long one is kept: less than servers usually keep theirs.
pub const KEPT_SECONDS_MAX: u64 = 15;
/// Addresses of remote queues that are remembered. More are asked for again.
pub const QUEUE_URLS_MAX: usize = 1_000;
