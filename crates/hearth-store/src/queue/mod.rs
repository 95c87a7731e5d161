//! The durable queue: entries that wait in lanes until somebody has dealt with them.
//!
//! ```text
//!  put ──▶ waiting ──lease──▶ leased ──Remove──▶ gone
//!             ▲                 │ ◀─ Extend, Note
//!             └── Return, or the lease ran out
//! ```
//!
//! Everything that is accepted now and done later is an entry: an event for a function, a message
//! of a queue, a notification on its way to a subscriber.
//!
//! # Promises
//!
//! 1. When [`Queue::apply`] has returned, all of its batch survives a crash of the machine; when it
//!    has failed, nothing of it ever happened.
//! 2. An entry that was put is leased again and again until it is removed: nothing is lost.
//! 3. While a lease lasts, nobody else has the entry.
//! 4. Of entries with the same lane and group, a later one is not leased before an earlier one is
//!    removed, except in one call that leases both, in their order.
//! 5. The memory that an engine uses does not grow with the number of entries.
//!
//! The engines are `sqlite`, `postgres` and, for tests only, `memory`: nothing survives in that one, and
//! its memory grows.
//!
//! # Deliberately absent
//!
//! No rules about retries, and no clock: time is an argument. What an entry means is said by its
//! head, which is its owner's.

pub mod signals;
pub mod sqlite;
pub mod postgres;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
#[cfg(test)]
pub(crate) mod conformance;

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_types::time::Timestamp;

use crate::error::StoreError;
use crate::queue::signals::Signals;

/// A line in which entries wait. Lanes do not delay each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// What waits in it, such as `invoke`.
    pub kind: &'static str,
    /// Which one of its kind: the ARN of a function or queue.
    pub name: String,
}

/// Which entry. Greater is later: ids are given in the order in which entries are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub i64);

impl fmt::Display for EntryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// An entry to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// Where it waits.
    pub lane: Lane,
    /// Within which it keeps its order.
    pub group: Option<String>,
    /// Since when it has been there: now, or earlier if it comes from another lane.
    pub put_at: Timestamp,
    /// It is not leased before.
    pub due: Timestamp,
    /// What says that it is the same as another one.
    pub sameness: Option<Sameness>,
    /// What its owner wants to know of it, in little room: JSON.
    pub head: String,
    /// Its payload. Large ones are kept apart from the rest.
    pub body: Bytes,
}

/// An entry with the same id in the same lane is not put a second time until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sameness {
    /// What two entries have in common that are the same.
    pub id: String,
    /// How long that is remembered.
    pub until: Timestamp,
}

/// What became of an entry that was to be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It waits.
    New(EntryId),
    /// It was put before, under this id.
    Same(EntryId),
}

impl Put {
    /// The id, however it came about.
    #[must_use]
    pub fn id(self) -> EntryId {
        match self {
            Self::New(id) | Self::Same(id) => id,
        }
    }
}

/// The right to settle an entry, until the entry is returned or leased again; also behind the end of
/// its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Which entry.
    pub entry: EntryId,
    /// Which lease of it: the first is 1.
    pub lease: u32,
}

/// An entry that is leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// What settles it; says which entry it is and how often it has been leased.
    pub receipt: Receipt,
    /// Within which it keeps its order.
    pub group: Option<String>,
    /// Since when it has been there.
    pub put_at: Timestamp,
    /// When it was leased for the first time.
    pub first_leased_at: Timestamp,
    /// As it was put, or as it was last returned.
    pub head: String,
    /// Its payload.
    pub body: Bytes,
}

/// Which entries to lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask<'a> {
    /// From where.
    pub lane: &'a Lane,
    /// How many at the most.
    pub entries: usize,
    /// How many bytes of payload at the most; the first entry may have more.
    pub bytes: usize,
    /// Until when they are leased.
    pub until: Timestamp,
}

/// What is to become of a leased entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settle {
    /// Which, by which lease.
    pub receipt: Receipt,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a leased entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is dealt with.
    Remove,
    /// It waits again, and is not leased before `due`.
    Return {
        /// The earliest time of its next lease.
        due: Timestamp,
        /// What is to be known of it from now on, if that changes.
        head: Option<String>,
    },
    /// It stays leased until then.
    Extend {
        /// The end of the lease.
        until: Timestamp,
    },
    /// The same, and this is to be known of it from now on. Other than a lease alone, that survives
    /// a crash.
    Note {
        /// The end of the lease.
        until: Timestamp,
        /// What is to be known of it.
        head: String,
    },
}

/// What became of a wish to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It was done.
    Done,
    /// The receipt is not valid any more: the entry was leased again, or returned. A lease that has
    /// run out is as good as any other as long as nobody has leased the entry since.
    Stale,
    /// There is no such entry.
    Gone,
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Entries to be put.
    pub puts: Vec<NewEntry>,
    /// Leased entries to be settled. One that is stale or gone does not keep the rest from
    /// happening, unless `unless_settled` says so.
    pub settles: Vec<Settle>,
    /// What to do if an entry cannot be settled.
    pub unless_settled: Unless,
}

/// Whether a batch goes ahead when an entry of it cannot be settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unless {
    /// The rest happens.
    #[default]
    GoOn,
    /// Nothing happens: what was to be put depends on what was to be removed.
    Nothing,
}

/// What a batch did, in the order of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// For each put. Empty if nothing happened because of [`Unless::Nothing`].
    pub puts: Vec<Put>,
    /// For each settle.
    pub settles: Vec<Settled>,
}

/// How many entries a lane has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Could be leased now. Those that wait for an earlier one of their group count as well.
    pub waiting: u64,
    /// Will be due later.
    pub delayed: u64,
    /// Are leased.
    pub leased: u64,
    /// When the oldest of them was put.
    pub oldest: Option<Timestamp>,
}

/// Which entries to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<'a> {
    /// Of which lane.
    pub lane: &'a Lane,
    /// From behind this one on.
    pub after: Option<EntryId>,
    /// How many at the most.
    pub items: usize,
}

/// An entry that is only looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Which.
    pub id: EntryId,
    /// Within which it keeps its order.
    pub group: Option<String>,
    /// Since when it has been there.
    pub put_at: Timestamp,
    /// When it is due, or its lease ends.
    pub due: Timestamp,
    /// How often it was leased.
    pub leases: u32,
    /// Whether it is leased now.
    pub leased: bool,
    /// What its owner wants to know of it.
    pub head: String,
    /// How large its payload is.
    pub body_bytes: u64,
}

/// Whether others may have put what is in an engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody else: a lane that belongs to nothing that is known here belongs to nothing at all.
    #[default]
    Alone,
    /// Other servers, which know of other things: such a lane may be one of theirs.
    Shared,
}

/// An engine that keeps entries.
///
/// `conformance` checks each promise of this module on every engine.
#[async_trait]
pub trait Queue: Send + Sync + fmt::Debug {
    /// Changes that happen together or not at all, and are durable when this returns.
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError>;

    /// Leases the entries of a lane that are due, oldest due first. Need not be durable: a lease
    /// that a crash has undone is a second lease of the same entry.
    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError>;

    /// When the next entry of a lane is due or its lease ends; in the past if one is due now;
    /// `None` if the lane is empty.
    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, StoreError>;

    /// The lanes of a kind that have entries, in the order of their names, from behind `after` on.
    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError>;

    /// The lanes of a kind that have entries, each with what [`Queue::next_due`] says of it, in the
    /// order of their names, from behind `after` on. A page may be short; an empty one is the end.
    async fn dues(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<(Lane, Timestamp)>, StoreError>;

    /// How many entries a lane has.
    async fn counts(&self, lane: &Lane, now: Timestamp) -> Result<Counts, StoreError>;

    /// Entries of a lane in the order of their ids, from behind `after` on.
    async fn page(&self, page: Page<'_>, now: Timestamp) -> Result<Vec<Seen>, StoreError>;

    /// The payload of an entry that is only looked at; `None` if there is no such entry in the lane.
    async fn body(&self, lane: &Lane, id: EntryId) -> Result<Option<Bytes>, StoreError>;

    /// Removes the entries of a lane that were put before, leased or not, and says how many. Large
    /// lanes are cleared in several steps, of which a crash may leave some undone.
    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError>;

    /// Ends the leases of all lanes of a kind that a process which is gone has left, so that its
    /// entries need not wait for their end, and says how many. For kinds whose leases only this
    /// program holds, and before it leases anything of the kind.
    ///
    /// An engine that others may use at the same time cannot know whose a lease is. It does nothing.
    async fn give_back(&self, _kind: &'static str, _now: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// The latest time that it was told, also before a restart, give or take some seconds. A server
    /// whose clock was set back meanwhile goes on from there, or what is in the queue would be due
    /// when the clock has come up with it.
    ///
    /// An engine that others may use at the same time cannot know whose clock was right. It says
    /// nothing.
    async fn latest(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    /// Says which lanes may have something to lease.
    fn signals(&self) -> &Signals;

    /// Whether what nobody here knows may be somebody else's.
    fn sharing(&self) -> Sharing {
        Sharing::Alone
    }

    /// Finishes what was taken, and takes nothing any more. An engine that has nothing to finish
    /// does nothing.
    async fn close(&self) {}
}
