//! AWS's quotas of queues and messages, and Hearth's own bounds beside them, with their reasons.

/// AWS: characters of a queue's name, `.fifo` included.
pub(super) const NAME_CHARACTERS_MAX: usize = 80;
/// AWS: how long a message may be delayed.
pub(super) const DELAY_SECONDS_MAX: u32 = 900;
/// AWS: the smallest bound of messages that a queue may be given.
pub(super) const MESSAGE_BYTES_MIN: u32 = 1_024;
/// AWS: the largest bound, and the default; also for all messages of one batch together.
pub(super) const MESSAGE_BYTES_MAX: u32 = 1_048_576;
/// AWS: the shortest time for which messages are kept.
pub(super) const RETENTION_SECONDS_MIN: u32 = 60;
/// AWS: the longest.
pub(super) const RETENTION_SECONDS_MAX: u32 = 1_209_600;
/// AWS: the default.
pub(super) const RETENTION_SECONDS_DEFAULT: u32 = 345_600;
/// AWS: how long a receiver may wait for a message.
pub(super) const WAIT_SECONDS_MAX: u32 = 20;
/// AWS: how long a message may stay with one receiver.
pub(super) const VISIBILITY_SECONDS_MAX: u32 = 43_200;
/// AWS: how long it does by default.
pub(super) const VISIBILITY_SECONDS_DEFAULT: u32 = 30;
/// AWS: the shortest time for which a data key may be used again.
pub(super) const KEY_REUSE_SECONDS_MIN: u32 = 60;
/// AWS: the longest.
pub(super) const KEY_REUSE_SECONDS_MAX: u32 = 86_400;
/// AWS: the default.
pub(super) const KEY_REUSE_SECONDS_DEFAULT: u32 = 300;
/// AWS: how often a message may be received before it goes to the dead-letter queue.
pub(super) const RECEIVES_MAX: u64 = 1_000;
/// AWS: queues that may be named in a redrive allow policy.
pub(super) const REDRIVE_SOURCES_MAX: usize = 10;
/// AWS: tags of one queue.
pub(super) const TAGS_MAX: usize = 50;
/// AWS: characters of a tag's key.
pub(super) const TAG_KEY_CHARACTERS_MAX: usize = 128;
/// AWS: characters of a tag's value.
pub(super) const TAG_VALUE_CHARACTERS_MAX: usize = 256;
/// AWS: actions of one permission.
pub(super) const PERMISSION_ACTIONS_MAX: usize = 7;
/// AWS: statements of a queue's policy.
pub(super) const POLICY_STATEMENTS_MAX: usize = 20;
/// AWS: a policy, as it is given.
pub(super) const POLICY_BYTES_MAX: usize = 8_192;
/// AWS: attributes of one message.
pub(super) const ATTRIBUTES_MAX: usize = 10;
/// AWS: the name and the type of a message's attribute.
pub(super) const ATTRIBUTE_NAME_BYTES_MAX: usize = 256;
/// AWS: the id of a group, of a deduplication and of an attempt to receive.
pub(super) const TOKEN_CHARACTERS_MAX: usize = 128;
/// AWS: how long it is remembered that a message was sent to a FIFO queue.
pub(super) const DEDUPLICATION_SECONDS: u64 = 300;
/// AWS: entries of one batch, and messages of one receive.
pub(super) const BATCH_ENTRIES_MAX: usize = 10;
/// AWS: characters of the id of a batch's entry.
pub(super) const BATCH_ID_CHARACTERS_MAX: usize = 80;
/// Payload that one receive hands out, unless one message has more. AWS hands out fewer messages
/// than were asked for as well; here it holds the memory of many receivers to something.
pub(super) const RECEIVE_BYTES_MAX: usize = 1_048_576;
/// AWS: messages of one queue that have been received and not deleted.
pub(super) const IN_FLIGHT_MAX: u64 = 120_000;
/// How often at most the messages in flight are counted when they seem to be too many.
pub(super) const IN_FLIGHT_COUNT_MILLIS: u64 = 1_000;
/// How often one receive takes messages that turn out to be too old, or to belong into the
/// dead-letter queue, before it says that there are none: each time costs a write.
pub(super) const RECEIVE_ROUNDS_MAX: usize = 20;
/// Receivers that may wait at a time. Each has a connection, of which there are 10,000 at most, and
/// those who send need some as well.
pub(super) const RECEIVERS_WAITING_MAX: usize = 5_000;
/// The shortest time until a waiting receiver looks again of its own accord: a message may be due
/// and be held back by an earlier one of its group.
pub(super) const LOOK_MILLIS_MIN: u64 = 100;
/// Messages that a poller takes at a time: enough for many batches, and few enough that they are in
/// memory together.
pub(super) const POLL_MESSAGES_MAX: usize = 500;
/// AWS: how long the answer to an attempt to receive can be had again.
pub(super) const ATTEMPT_SECONDS: u64 = 300;
/// Attempts that are remembered. The oldest is forgotten first; then its messages come again when
/// their visibility timeout ends.
pub(super) const ATTEMPTS_MAX: usize = 10_000;
/// AWS: how long after a purge the next one is refused.
pub(super) const PURGE_PAUSE_SECONDS: u64 = 60;
/// AWS: queues on one page of a listing.
pub const LIST_ITEMS_MAX: usize = 1_000;
/// How often messages are looked for that are older than their queue keeps them. Until then they
/// take room and are not handed out.
pub(super) const RETENTION_LOOK_SECONDS: u64 = 60;
/// Lanes that are looked at together when the queues are opened.
pub(super) const LANES_PAGE_ITEMS: usize = 1_000;
/// AWS: messages that a move task may be told to move in a second.
pub(super) const MOVE_RATE_MAX: i32 = 500;
/// AWS: move tasks of one account that run at a time.
pub(super) const MOVES_RUNNING_MAX: usize = 100;
/// AWS: move tasks of one queue that are remembered.
pub const MOVES_LISTED_MAX: usize = 10;
/// How long a move task has the messages that it moves. A crash gives them back after it.
pub(super) const MOVE_LEASE_SECONDS: u64 = 30;
/// How often the progress of a move task is written down.
pub(super) const MOVE_SAVE_MILLIS: u64 = 1_000;

const _: () = assert!(RETENTION_SECONDS_MIN < RETENTION_SECONDS_DEFAULT);
const _: () = assert!(MESSAGE_BYTES_MIN < MESSAGE_BYTES_MAX);
