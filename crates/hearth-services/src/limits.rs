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
/// AWS: characters of an event pattern, if the quota is raised as far as it goes.
pub const PATTERN_CHARACTERS_MAX: usize = 4_096;
/// AWS: ways to match one pattern, to which `$or` leads.
pub const PATTERN_ALTERNATIVES_MAX: usize = 1_000;
/// How many places of values are looked at so that the fields of one pattern come from the same
/// elements of arrays. An event of a megabyte could ask for any number; ordinary ones need a few.
pub const PATTERN_STEPS_MAX: usize = 100_000;
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
/// AWS: what the time of an entry counts for in that.
pub const EVENT_TIME_BYTES: usize = 14;
/// AWS: how often a target is tried again, if nothing else is said.
pub const EVENT_RETRIES_DEFAULT: u32 = 185;
/// AWS: how old an event may get, if nothing else is said.
pub const EVENT_AGE_SECONDS_DEFAULT: u32 = 86_400;
/// How many buses one event may pass. Buses whose rules point at each other would pass it on for ever;
/// an event that goes through more than a few of them was not meant to.
pub const EVENT_BUSES_MAX: u32 = 5;
