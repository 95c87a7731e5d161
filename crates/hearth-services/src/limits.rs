//! The bounds of the embedded services, with their reasons.

/// AWS: the largest object that one request may put, and the largest part.
pub const OBJECT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// AWS: the largest object that is put in parts.
pub const OBJECT_OF_PARTS_BYTES_MAX: u64 = 50 * 1024 * 1024 * 1024 * 1024;
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
/// Objects of this size are kept beside their records, and their bytes share the sync of those. Larger
/// ones have a file of their own, which is written once, and not a second time from a log.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Current objects that are kept in memory, with the bytes of those that are kept beside their records.
pub const OBJECTS_REMEMBERED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Changes of keys that wait for each other although they need not: they share one of so many locks.
pub const KEY_LOCKS: usize = 1_024;
/// AWS: tags of one object.
pub const OBJECT_TAGS_MAX: usize = 10;
/// AWS: tags of one bucket.
pub const BUCKET_TAGS_MAX: usize = 50;
/// AWS: the key of a tag of a bucket or an object.
pub const TAG_KEY_CHARACTERS_MAX: usize = 128;
/// AWS: its value.
pub const TAG_VALUE_CHARACTERS_MAX: usize = 256;
/// AWS: rules of a bucket for pages of other origins.
pub const CORS_RULES_MAX: usize = 100;
/// AWS: rules of a bucket for what expires.
pub const LIFECYCLE_RULES_MAX: usize = 1_000;
/// AWS: what a rule of either kind is called.
pub const RULE_ID_CHARACTERS_MAX: usize = 255;
/// AWS: the policy of a bucket.
pub const BUCKET_POLICY_BYTES_MAX: usize = 20 * 1024;
/// After how many days an upload is forgotten that was not finished, whatever the rules of its bucket
/// say. AWS keeps it until somebody cleans up, and is paid for that.
pub const UPLOAD_DAYS_MAX: u64 = 7;
/// How often it is looked for what has expired. AWS does it once a day; what expires does so at
/// midnight.
pub const EXPIRY_SECONDS: u64 = 60 * 60;
/// How many versions or uploads are looked at in one go, while it is looked for what has expired.
pub const EXPIRY_ITEMS: usize = 500;
/// AWS: the fields of a form before its file, with their names.
pub const FORM_FIELDS_BYTES_MAX: usize = 20 * 1024;
/// Bytes that are read or written at once.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// Bytes of an object after which the disk begins to write them, while more of them arrive. Few enough
/// that little is left at the end, and enough that the journal of a file system is not busy with it.
pub const WRITE_BACK_BYTES: u64 = 32 * 1024 * 1024;
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
/// What a remote queue may answer who receives: ten messages of a megabyte together, whose bodies
/// may take twice as much as JSON, and what stands beside them.
pub const RECEIVE_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// AWS: messages that a queue hands out, or takes the receipts of, in one call.
pub const QUEUE_CALL_ENTRIES_MAX: usize = 10;
/// How long a remote queue is asked to wait for messages. AWS lets it be 20 seconds; but whoever is told
/// to stop meanwhile waits for the answer, because messages may be in it, and gives them back.
pub const QUEUE_WAIT_SECONDS_MAX: u64 = 1;
const _: () = assert!(QUEUE_WAIT_SECONDS_MAX < hearth_types::limits::END_GRACE_SECONDS);
/// AWS: how long an HTTP endpoint that has subscribed to a topic may take to answer.
pub const POST_SECONDS_MAX: u64 = 15;
/// How long the rest of an answer is waited for whose status has said everything. Whoever sends
/// more slowly gets another connection the next time.
pub const IGNORED_MILLIS_MAX: u64 = 500;
/// How much of such an answer is read, for the same reason.
pub const IGNORED_BYTES_MAX: usize = 64 * 1024;
/// Connections to one remote service at a time. Each call has one; more calls wait for their turn.
pub const CALL_CONNECTIONS_MAX: usize = 64;
/// Connections to HTTP endpoints at a time, of all subscriptions together: as many as there are
/// deliveries on their way. With fewer, endpoints that do not answer would have the others' time run
/// out while they wait for a connection, and use up their retries.
pub const POST_CONNECTIONS_MAX: usize = hearth_types::limits::DELIVERIES_RUNNING_MAX;
/// Connections at a time to endpoints that APIs pass requests on to, and as many to issuers of tokens.
/// Each request has one; more wait for their turn.
pub const WEB_CONNECTIONS_MAX: usize = 256;
/// Connections that are kept for the next request.
pub const KEPT_CONNECTIONS_MAX: usize = 16;
/// How long one is kept: less than servers usually keep theirs.
pub const KEPT_SECONDS_MAX: u64 = 15;
/// Addresses of remote queues that are remembered. More are asked for again.
pub const QUEUE_URLS_MAX: usize = 1_000;

/// AWS: the name of a topic, `.fifo` included.
pub const TOPIC_NAME_CHARACTERS_MAX: usize = 256;
/// AWS: standard topics of one account in one region.
pub const TOPICS_MAX: usize = 100_000;
/// AWS: FIFO topics of one account in one region.
pub const FIFO_TOPICS_MAX: usize = 1_000;
/// Subscriptions of one standard topic. AWS takes 12,500,000; here they are in memory, with a
/// kilobyte or so for each, and a new one is compared with all of them.
pub const SUBSCRIPTIONS_MAX: usize = 100_000;
/// AWS: subscriptions of one FIFO topic, and of one whose messages may be large.
pub const SUBSCRIPTIONS_FEW_MAX: usize = 100;
/// Deliveries of a standard topic that are put on their way in one change of the queue. A message
/// for more subscriptions takes several, so that it is not in memory once for each.
pub const NOTIFICATIONS_OF_PART_MAX: usize = 1_000;
/// What those may have together, but for the last of them.
pub const NOTIFICATIONS_OF_PART_BYTES_MAX: usize = 16 * 1024 * 1024;
/// AWS: topics or subscriptions on one page of a listing.
pub const TOPIC_LIST_ITEMS_MAX: usize = 100;
/// AWS: the name that is shown of a topic.
pub const DISPLAY_NAME_CHARACTERS_MAX: usize = 100;
/// AWS: the line above a message.
pub const SUBJECT_CHARACTERS_MAX: usize = 100;
/// AWS: a message with its attributes, and all messages of a batch together, by default.
pub const NOTIFICATION_BYTES_DEFAULT: usize = 262_144;
/// AWS: the bounds of what a topic may set in place of the default.
pub const NOTIFICATION_BYTES_MIN: usize = 1_024;
/// See [`NOTIFICATION_BYTES_MIN`].
pub const NOTIFICATION_BYTES_MAX: usize = 1_048_576;
/// AWS: messages of one batch.
pub const PUBLISH_ENTRIES_MAX: usize = 10;
/// AWS: the id of an entry of a batch.
pub const ENTRY_ID_CHARACTERS_MAX: usize = 80;
/// AWS: the name of a message attribute.
pub const MESSAGE_ATTRIBUTE_NAME_BYTES_MAX: usize = 256;
/// AWS: the ids that group and deduplicate the messages of a FIFO topic.
pub const MESSAGE_GROUP_CHARACTERS_MAX: usize = 128;
/// AWS: how long a FIFO topic remembers the messages that it has taken.
pub const DEDUPLICATION_MILLIS: u64 = 5 * 60 * 1_000;
/// AWS: how long a subscription can be confirmed, or restored after it was ended.
pub const CONFIRMATION_MILLIS_MAX: u64 = 2 * 24 * 60 * 60 * 1_000;
/// AWS: a filter policy as a text.
pub const FILTER_POLICY_BYTES_MAX: usize = 256 * 1024;
/// AWS: keys of a filter policy.
pub const FILTER_KEYS_MAX: usize = 5;
/// AWS: combinations of values of a filter policy.
pub const FILTER_COMBINATIONS_MAX: u64 = 150;
/// AWS: a number in a filter policy, with either sign.
pub const FILTER_NUMBER_MAX: f64 = 1_000_000_000.0;
/// AWS: filter policies of one topic.
pub const FILTER_POLICIES_MAX: usize = 200;
/// AWS: filter policies of one account in one region.
pub const FILTER_POLICIES_ACCOUNT_MAX: usize = 10_000;
/// AWS: the policy of a topic as a text.
pub const TOPIC_POLICY_BYTES_MAX: usize = 30 * 1024;
/// AWS: statements in the policy of a topic.
pub const TOPIC_POLICY_STATEMENTS_MAX: usize = 100;
/// AWS: retries of a delivery to a queue or a function.
pub const NOTIFICATION_RETRIES_MAX: u32 = 100_015;
/// AWS: how many of these come at once.
pub const NOTIFICATION_RETRIES_AT_ONCE: u32 = 3;
/// AWS: how many come behind those, after the least delay each. Then the delay grows.
pub const NOTIFICATION_RETRIES_SOON: u32 = 2;
/// AWS: how many come at the end, after the greatest delay each.
pub const NOTIFICATION_RETRIES_LATE: u32 = 100_000;
/// AWS: the least delay.
pub const NOTIFICATION_DELAY_SECONDS_MIN: u32 = 1;
/// AWS: the greatest delay.
pub const NOTIFICATION_DELAY_SECONDS_MAX: u32 = 20;
/// AWS: how long those retries take: 23 days.
pub const NOTIFICATION_AGE_MILLIS_MAX: u64 = 23 * 24 * 60 * 60 * 1_000;
/// AWS: retries of a delivery to an HTTP endpoint that a delivery policy may ask for.
pub const HTTP_RETRIES_MAX: u32 = 100;
/// AWS: retries of a delivery to an HTTP endpoint without a delivery policy.
pub const HTTP_RETRIES_DEFAULT: u32 = 3;
/// AWS: seconds between those.
pub const HTTP_DELAY_SECONDS_DEFAULT: u32 = 20;
/// AWS: how long all retries of a delivery to an HTTP endpoint may take.
pub const HTTP_RETRY_SECONDS_MAX: u32 = 3_600;
/// The size of the key that notifications are signed with: AWS's.
pub const SIGNING_KEY_BITS: usize = 2_048;

const _: () = assert!(
    NOTIFICATION_RETRIES_AT_ONCE + NOTIFICATION_RETRIES_SOON + NOTIFICATION_RETRIES_LATE
        < NOTIFICATION_RETRIES_MAX
);
const _: () = assert!(NOTIFICATION_BYTES_MIN < NOTIFICATION_BYTES_DEFAULT);
const _: () = assert!(NOTIFICATION_BYTES_DEFAULT < NOTIFICATION_BYTES_MAX);
/// AWS: characters of an event pattern, if the quota is raised as far as it goes.
pub const PATTERN_CHARACTERS_MAX: usize = 4_096;
/// AWS: ways to match one pattern, to which `$or` leads.
pub const PATTERN_ALTERNATIVES_MAX: usize = 1_000;
/// How many fields all ways to match one pattern have together. Four kilobytes of text could have a
/// thousand ways with hundreds of fields each, and a bus keeps the patterns of all of its rules.
pub const PATTERN_FIELDS_MAX: usize = 20_000;
/// How deep the objects of a pattern may be within each other: deeper than events are. Each level
/// takes a piece of the stack while the pattern is read.
pub const PATTERN_DEPTH_MAX: usize = 128;
/// How often places of values are compared so that the fields of one pattern come from the same
/// elements of arrays. An event of a megabyte could ask for any number; ordinary ones need a few.
pub const PATTERN_STEPS_MAX: usize = 400_000;
/// AWS: buses of one account in one region.
pub const BUSES_MAX: usize = 100;
/// Rules of one bus. AWS's quota is 300 and can be raised; the promise of the index is made with 1,000.
pub const RULES_PER_BUS_MAX: usize = 2_000;
/// AWS: targets of one rule.
pub const TARGETS_PER_RULE_MAX: usize = 5;
/// AWS: the policy of a bus, in characters.
pub const BUS_POLICY_CHARACTERS_MAX: usize = 10_240;
/// AWS: tags of one bus or rule.
pub const BUS_TAGS_MAX: usize = 50;
/// AWS: what the entries of one request may have together.
pub const EVENT_ENTRIES_BYTES_MAX: usize = 1024 * 1024;
/// What the deliveries that follow from one request may have together. A thousand rules could make a
/// thousand copies of an event of a megabyte, all of which are written at once; this is what a
/// server can hold a few times. Events over it are refused one by one.
pub const EVENT_DELIVERIES_BYTES_MAX: usize = 128 * 1024 * 1024;
/// How much an input template is filled with. No target takes more: what has grown beyond it is
/// refused by its target, however much is left out.
pub const EVENT_INPUT_BYTES_MAX: usize = 1024 * 1024;
/// How deep the parts of an event's detail may be within each other. The reader of JSON goes 127
/// deep, and the event stands around its detail.
pub const EVENT_DETAIL_DEPTH_MAX: usize = 126;
/// AWS: what the time of an entry counts for in that.
pub const EVENT_TIME_BYTES: usize = 14;
/// AWS: how often a target is tried again, if nothing else is said.
pub const EVENT_RETRIES_DEFAULT: u32 = 185;
/// AWS: how old an event may get, if nothing else is said.
pub const EVENT_AGE_SECONDS_DEFAULT: u32 = 86_400;
/// How many buses one event may pass. Buses whose rules point at each other would pass it on for ever;
/// an event that goes through more than a few of them was not meant to.
pub const EVENT_BUSES_MAX: u32 = 5;
/// AWS: notifications of one bucket.
pub const BUCKET_NOTIFICATIONS_MAX: usize = 100;
/// AWS: the prefix or suffix of a notification, in UTF-8: as long as a key.
pub const NOTIFICATION_FILTER_BYTES_MAX: usize = KEY_BYTES_MAX;
/// AWS: the id of a notification.
pub const NOTIFICATION_ID_CHARACTERS_MAX: usize = 255;
/// How often the delivery of an object's event is tried again. AWS says only that it is delivered; with
/// the longest pause this is more than a day.
pub const OBJECT_EVENT_RETRIES_MAX: u32 = 1_000;
/// How long it is tried: a day, as AWS's event bus does it.
pub const OBJECT_EVENT_AGE_MILLIS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Rows of the outbox of buckets that are held in memory until the durable queue has them. Those
/// beyond, which come while the queue is away, are read from the store again when it is back.
pub const OUTBOX_ROWS_MAX: usize = 4_096;
/// How many of them are moved in one change of the queue.
pub const OUTBOX_ROWS_OF_MOVE_MAX: usize = 256;
/// How long the outbox waits when the queue or the store has failed, before it tries again.
pub const OUTBOX_PAUSE_MILLIS: u64 = 500;

/// AWS: schedules of one account in one region. Here of all accounts together: they are in memory, with
/// a kilobyte or so for each.
pub const SCHEDULES_MAX: usize = 1_000_000;
/// Changes of schedules that wait for each other although they need not: they share one of so many
/// locks.
pub const SCHEDULE_LOCKS: usize = 1_024;
/// AWS: groups of schedules of one account in one region.
pub const SCHEDULE_GROUPS_MAX: usize = 500;
/// AWS: tags of one group.
pub const SCHEDULE_GROUP_TAGS_MAX: usize = 50;
/// AWS: the input of a target.
pub const SCHEDULE_INPUT_BYTES_MAX: usize = 256 * 1024;
/// AWS: how long ago the start of a schedule may be when it is given.
pub const SCHEDULE_START_PAST_MILLIS_MAX: u64 = 5 * 60 * 1_000;
/// AWS: schedules or groups on one page of a listing.
pub const SCHEDULE_LIST_ITEMS_MAX: usize = 100;
/// Schedules that are looked at at a time while some of them are listed.
pub const SCHEDULES_OF_PAGE_MAX: usize = 256;
/// Tokens of deletions that are remembered, so that one that is repeated succeeds again.
pub const SCHEDULE_TOKENS_MAX: usize = 1_000;
