//! Who reads a shard, and where the reading has come to: both are one entry of the durable queue.
//!
//! ```text
//!  add ──▶ waiting ──take──▶ held ──keep──▶ held, and the checkpoint is another
//!             ▲               │  ▲ │
//!             │               │  └─┘ extend
//!             ├── let go ─────┤
//!             └── ran out     └──end──▶ ended, for as long as the stream lists the shard
//! ```
//!
//! The lane is the mapping's and the stream's: one that was deleted and made again under its name has
//! another. The head of the entry is the [`Checkpoint`]. Whoever has leased the entry reads
//! the shard; a checkpoint is kept by the receipt of that lease, so that nobody writes one who has
//! lost the shard to another. Where several servers share the queue, the lease is short, and is
//! extended; where this one is alone, it lasts until the server is gone, and nothing has to be done
//! for a shard in which nothing happens.
//!
//! # Promises
//!
//! 1. One reader has a shard at a time, as far as checkpoints are concerned: what another one wants
//!    to keep is refused.
//! 2. What is to follow from a checkpoint (notes about records that were given up) is in the queue
//!    if and only if the checkpoint is.
//! 3. A shard whose reader is gone is free after [`limits::SHARD_LEASE_MILLIS`] at the most.
//!
//! # Deliberately absent
//!
//! Which shards there are, and which may be read: that is [`crate::shard::lineage`]'s. Sharing them
//! out evenly: whoever comes first has them.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use hearth_control::mapping::Mapping;
use hearth_store::error::StoreError;
use hearth_store::queue::{
    Ask, Batch, Fate, Lane, NewEntry, Page, Queue, Receipt, Sameness, Settle, Settled, Sharing,
    Unless,
};
use hearth_types::limits;
use hearth_types::steady::Steady;
use hearth_types::time::Timestamp;

use crate::checkpoint::{Checkpoint, Phase};

/// The kind of the lanes in which shards wait.
pub const LANE_KIND: &str = "shard";
/// The end of a lease that only ends with the server: the year 9999.
const NEVER: Timestamp = Timestamp(253_370_764_800_000);
/// When a shard that has ended is looked at again, whether it is still listed.
const ENDED_LOOK_MILLIS: u64 = 24 * 3_600 * 1_000;
/// How long after a look at the shards somebody may add what it has found: whoever shares them has
/// looked again by then.
const ADDED_MILLIS: u64 = 60_000;
/// What stands between a mapping and the generation of its stream. No id has one in it.
const GENERATION_SIGN: char = ' ';
/// Entries that are read at a time.
const ENTRIES_OF_PAGE: usize = 1_000;

/// Keeps checkpoints and leases.
#[derive(Debug)]
pub struct Leases {
    queue: Arc<dyn Queue>,
    time: Arc<Steady>,
}

/// A shard that is ours.
#[derive(Debug, Clone)]
pub struct Held {
    receipt: Receipt,
    /// Where somebody has read to.
    pub checkpoint: Checkpoint,
}

impl Held {
    /// Whether nobody has had it before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.receipt.lease == 1
    }
}

/// Whether a shard is still ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// It is, and what was to be kept is.
    Ours,
    /// Somebody else has it, or it was forgotten. Nothing was kept.
    Lost,
}

impl Leases {
    /// Those in a queue. What a server that is gone has left is free.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn open(queue: Arc<dyn Queue>, time: Arc<Steady>) -> Result<Self, StoreError> {
        let freed = queue.give_back(LANE_KIND, time.now()).await?;
        if freed > 0 {
            tracing::debug!(shards = freed, "shards go on that were being read");
        }
        Ok(Self::over(queue, time))
    }

    /// Those in a queue that was looked after.
    pub(crate) fn over(queue: Arc<dyn Queue>, time: Arc<Steady>) -> Self {
        Self { queue, time }
    }

    /// The lane of a mapping and the generation of its stream, if it has one.
    ///
    /// Servers that share a queue have mappings of their own, with ids of their own: those that read
    /// the same for the same function are one reader.
    #[must_use]
    pub fn lane(&self, mapping: &Mapping, generation: Option<&str>) -> Lane {
        let mut name = match self.queue.sharing() {
            Sharing::Alone => mapping.id.to_string(),
            Sharing::Shared => {
                format!("{} {}", mapping.function_arn(), mapping.source.arn().unwrap_or_default())
            }
        };
        if let Some(generation) = generation {
            name.push(GENERATION_SIGN);
            name.push_str(generation);
        }
        Lane { kind: LANE_KIND, name }
    }

    /// Whether a lane is that of a mapping, of whatever generation its stream is. Not to be asked where
    /// others read as well.
    fn is_of(lane: &Lane, mapping: &str) -> bool {
        let rest = lane.name.strip_prefix(mapping);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(GENERATION_SIGN))
    }

    /// Whether others may read shards as well.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.queue.sharing() == Sharing::Shared
    }

    /// Ends when a shard of a lane may have become free. Made before the last look.
    #[must_use]
    pub fn waiting(&self, lane: &Lane) -> hearth_store::queue::signals::Waiting {
        self.queue.signals().wait_for(lane)
    }

    /// All checkpoints of a lane, whoever has them.
    ///
    /// # Errors
    ///
    /// If the queue failed, or if one cannot be understood: a newer version of this program may have
    /// written it, and its shard is not to be begun anew.
    pub async fn checkpoints(&self, lane: &Lane) -> Result<Vec<Checkpoint>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = Page { lane, after, items: ENTRIES_OF_PAGE };
            let seen = self.queue.page(page, self.time.now()).await?;
            let Some(last) = seen.last() else { return Ok(all) };
            after = Some(last.id);
            for entry in &seen {
                all.push(read(&entry.head)?);
            }
        }
    }

    /// Adds shards that nobody has read yet. Those that others have just added stay as they are.
    ///
    /// # Errors
    ///
    /// If the queue failed; then none is added.
    pub async fn add(&self, lane: &Lane, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        let now = self.time.now();
        let puts = checkpoints.iter().map(|checkpoint| NewEntry {
            lane: lane.clone(),
            group: None,
            put_at: now,
            due: match checkpoint.phase {
                Phase::Reading => now,
                Phase::Ended => now.plus_millis(ENDED_LOOK_MILLIS),
            },
            // Others may have listed the same shards at the same time.
            sameness: self.is_shared().then(|| Sameness {
                id: checkpoint.shard.clone(),
                until: now.plus_millis(ADDED_MILLIS),
            }),
            head: written(checkpoint),
            body: Bytes::new(),
        });
        let batch = Batch { puts: puts.collect(), ..Batch::default() };
        self.queue.apply(batch, now).await.map(drop)
    }

    /// Takes up to so many shards of a lane that nobody has.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn take(&self, lane: &Lane, shards: usize) -> Result<Vec<Held>, StoreError> {
        let now = self.time.now();
        let ask = Ask { lane, entries: shards, bytes: usize::MAX, until: self.until(now) };
        let leased = self.queue.lease(ask, now).await?;
        let mut all = Vec::with_capacity(leased.len());
        for entry in leased {
            match read(&entry.head) {
                Ok(checkpoint) => all.push(Held { receipt: entry.receipt, checkpoint }),
                // Of a newer version of this program, which may be back. It stays leased.
                Err(error) => tracing::error!(lane = lane.name, %error, "it is no checkpoint"),
            }
        }
        Ok(all)
    }

    /// Keeps where the reading has come to, and what follows from it. The shard stays ours unless it
    /// has ended.
    ///
    /// # Errors
    ///
    /// If the queue failed. Then it may be done or not, and is to be tried again.
    pub async fn keep(
        &self,
        held: &Held,
        checkpoint: &Checkpoint,
        puts: Vec<NewEntry>,
    ) -> Result<Hold, StoreError> {
        let now = self.time.now();
        let head = written(checkpoint);
        let fate = match checkpoint.phase {
            Phase::Reading => Fate::Note { until: self.until(now), head },
            Phase::Ended => {
                Fate::Return { due: now.plus_millis(ENDED_LOOK_MILLIS), head: Some(head) }
            }
        };
        self.settle(held, fate, puts).await
    }

    /// Keeps a shard for longer.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn extend(&self, held: &Held) -> Result<Hold, StoreError> {
        let until = self.until(self.time.now());
        self.settle(held, Fate::Extend { until }, Vec::new()).await
    }

    /// Lets go of a shard, so that another one can read on at once.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn let_go(
        &self,
        held: &Held,
        checkpoint: &Checkpoint,
        puts: Vec<NewEntry>,
    ) -> Result<Hold, StoreError> {
        let due = match checkpoint.phase {
            Phase::Reading => self.time.now(),
            Phase::Ended => self.time.now().plus_millis(ENDED_LOOK_MILLIS),
        };
        self.settle(held, Fate::Return { due, head: Some(written(checkpoint)) }, puts).await
    }

    /// Lets go of a shard of which nobody knows where its reader has come to: what was kept last is the
    /// checkpoint.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn put_back(&self, held: &Held) -> Result<Hold, StoreError> {
        self.settle(held, Fate::Return { due: self.time.now(), head: None }, Vec::new()).await
    }

    /// Forgets a shard that is not listed any more.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn remove(&self, held: &Held) -> Result<Hold, StoreError> {
        self.settle(held, Fate::Remove, Vec::new()).await
    }

    /// Forgets everything about a mapping that is gone, unless somebody else reads the same.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn forget(&self, lane: &Lane) -> Result<(), StoreError> {
        let now = self.time.now();
        if self.is_shared() && self.queue.counts(lane, now).await?.leased > 0 {
            return Ok(());
        }
        self.queue.purge(lane, now.plus_millis(1)).await.map(drop)
    }

    /// Forgets where streams were read to that had the name of a mapping's stream before this one; all
    /// that is known of the mapping if there is no lane to be left. What somebody still has is left to
    /// them. Where others read as well, it may be theirs, and stays.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn forget_others(
        &self,
        mapping: &Mapping,
        left: Option<&Lane>,
    ) -> Result<(), StoreError> {
        if self.is_shared() {
            return Ok(());
        }
        let id = mapping.id.to_string();
        let now = self.time.now();
        // Those with a generation are right behind it.
        let mut lanes = self.queue.lanes(LANE_KIND, Some(&id), ENTRIES_OF_PAGE).await?;
        lanes.retain(|lane| Self::is_of(lane, &id));
        lanes.push(self.lane(mapping, None));
        lanes.retain(|lane| Some(lane) != left);
        for lane in &lanes {
            if self.queue.counts(lane, now).await?.leased == 0 {
                self.forget(lane).await?;
            }
        }
        Ok(())
    }

    /// Forgets everything about mappings that are gone. Where others read as well, what nobody knows
    /// here may be theirs, and stays.
    ///
    /// # Errors
    ///
    /// If the queue failed.
    pub async fn keep_only(&self, mappings: &HashSet<String>) -> Result<(), StoreError> {
        if self.is_shared() {
            return Ok(());
        }
        let mut after: Option<String> = None;
        loop {
            let lanes = self.queue.lanes(LANE_KIND, after.as_deref(), ENTRIES_OF_PAGE).await?;
            let Some(last) = lanes.last() else { return Ok(()) };
            after = Some(last.name.clone());
            for lane in &lanes {
                let mapping = lane.name.split(GENERATION_SIGN).next().unwrap_or_default();
                if !mappings.contains(mapping) {
                    self.forget(lane).await?;
                }
            }
        }
    }

    async fn settle(
        &self,
        held: &Held,
        fate: Fate,
        puts: Vec<NewEntry>,
    ) -> Result<Hold, StoreError> {
        let settles = vec![Settle { receipt: held.receipt, fate }];
        let batch = Batch { puts, settles, unless_settled: Unless::Nothing };
        let applied = self.queue.apply(batch, self.time.now()).await?;
        let is_done = applied.settles.iter().all(|settled| *settled == Settled::Done);
        Ok(if is_done { Hold::Ours } else { Hold::Lost })
    }

    fn until(&self, now: Timestamp) -> Timestamp {
        match self.queue.sharing() {
            Sharing::Alone => NEVER,
            Sharing::Shared => now.plus_millis(limits::SHARD_LEASE_MILLIS),
        }
    }
}

fn written(checkpoint: &Checkpoint) -> String {
    serde_json::to_string(checkpoint).expect("a checkpoint can be written as JSON")
}

fn read(head: &str) -> Result<Checkpoint, StoreError> {
    serde_json::from_str(head).map_err(|source| StoreError::Document { kind: LANE_KIND, source })
}

#[cfg(test)]
mod tests {
    use hearth_store::queue::memory::MemoryQueue;
    use hearth_types::testing::StandingClock;

    use super::*;
    use crate::checkpoint::{Layout, Start};
    use crate::shard::source::SequenceNumber;

    async fn leases(sharing: Sharing) -> (Leases, Lane) {
        let queue = Arc::new(MemoryQueue::default());
        queue.set_sharing(sharing);
        let clock = Steady::new(StandingClock::at(Timestamp(1_000_000)));
        let leases = Leases::open(queue, Arc::new(clock)).await.unwrap();
        (leases, Lane { kind: LANE_KIND, name: "m".to_owned() })
    }

    fn at(number: &str) -> Checkpoint {
        let mut checkpoint = Checkpoint::new("s-1", Start::TrimHorizon);
        checkpoint.advance(Layout(vec![Some(SequenceNumber::new(number))]));
        checkpoint
    }

    #[tokio::test(start_paused = true)]
    async fn one_reader_has_a_shard_until_it_lets_go() {
        let (leases, lane) = leases(Sharing::Alone).await;
        let new = [Checkpoint::new("s-1", Start::TrimHorizon)];
        leases.add(&lane, &new).await.unwrap();
        let held = leases.take(&lane, 10).await.unwrap();
        assert_eq!(held.len(), 1);
        assert!(held[0].is_new());
        assert_eq!(leases.keep(&held[0], &at("5"), Vec::new()).await.unwrap(), Hold::Ours);
        tokio::time::advance(std::time::Duration::from_secs(90_000)).await;
        assert_eq!(leases.take(&lane, 10).await.unwrap().len(), 0);
        assert_eq!(leases.checkpoints(&lane).await.unwrap(), [at("5")]);
        assert_eq!(leases.let_go(&held[0], &at("7"), Vec::new()).await.unwrap(), Hold::Ours);
        let again = leases.take(&lane, 10).await.unwrap();
        assert_eq!((again[0].is_new(), &again[0].checkpoint), (false, &at("7")));
        assert_eq!(leases.keep(&held[0], &at("9"), Vec::new()).await.unwrap(), Hold::Lost);
        leases.forget(&lane).await.unwrap();
        assert_eq!(leases.checkpoints(&lane).await.unwrap(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn the_shards_of_a_server_that_is_gone_are_free_within_ten_seconds() {
        let (leases, lane) = leases(Sharing::Shared).await;
        for _server in 0..2 {
            leases.add(&lane, &[Checkpoint::new("s-1", Start::TrimHorizon)]).await.unwrap();
        }
        let dead = leases.take(&lane, 1).await.unwrap().remove(0);
        leases.forget(&lane).await.unwrap();
        let of_others = leases.checkpoints(&lane).await.unwrap();
        assert_eq!(of_others.len(), 1, "what somebody reads is not forgotten");
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        assert_eq!(leases.extend(&dead).await.unwrap(), Hold::Ours);
        let mut looks = 0;
        let heir = loop {
            tokio::time::advance(std::time::Duration::from_millis(limits::SHARD_LOOK_MILLIS)).await;
            looks += 1;
            if let Some(heir) = leases.take(&lane, 1).await.unwrap().pop() {
                break heir;
            }
        };
        assert!(looks * limits::SHARD_LOOK_MILLIS <= 10_000, "after {looks} looks");
        assert_eq!(leases.keep(&dead, &at("5"), Vec::new()).await.unwrap(), Hold::Lost);
        assert_eq!(leases.keep(&heir, &at("5"), Vec::new()).await.unwrap(), Hold::Ours);
    }

    #[tokio::test(start_paused = true)]
    async fn lanes_are_kept_by_the_mapping_in_front_of_the_generation() {
        let (leases, _lane) = leases(Sharing::Alone).await;
        for name in ["m", "m 1", "mm 1", "n 1"] {
            let lane = Lane { kind: LANE_KIND, name: name.to_owned() };
            assert_eq!(Leases::is_of(&lane, "m"), name == "m" || name == "m 1", "{name}");
            leases.add(&lane, &[Checkpoint::new("s-1", Start::TrimHorizon)]).await.unwrap();
        }
        leases.keep_only(&HashSet::from(["m".to_owned()])).await.unwrap();
        let left = leases.queue.lanes(LANE_KIND, None, 10).await.unwrap();
        assert_eq!(left.iter().map(|lane| lane.name.as_str()).collect::<Vec<_>>(), ["m", "m 1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_checkpoint_that_cannot_be_understood_is_not_passed_over() {
        let (leases, lane) = leases(Sharing::Alone).await;
        let entry = NewEntry {
            lane: lane.clone(),
            group: None,
            put_at: Timestamp(0),
            due: Timestamp(0),
            sameness: None,
            head: r#"{"shard": "s-1", "phase": "Unheard"}"#.to_owned(),
            body: Bytes::new(),
        };
        let batch = Batch { puts: vec![entry], ..Batch::default() };
        leases.queue.apply(batch, Timestamp(1)).await.unwrap();
        let read = leases.checkpoints(&lane).await;
        assert!(matches!(read, Err(StoreError::Document { kind: LANE_KIND, .. })), "{read:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_from_a_checkpoint_is_there_if_and_only_if_it_is() {
        let (leases, lane) = leases(Sharing::Alone).await;
        leases.add(&lane, &[Checkpoint::new("s-1", Start::TrimHorizon)]).await.unwrap();
        let lost = leases.take(&lane, 1).await.unwrap().remove(0);
        leases.let_go(&lost, &at("1"), Vec::new()).await.unwrap();
        let held = leases.take(&lane, 1).await.unwrap().remove(0);
        let told = Lane { kind: "deliver", name: "d".to_owned() };
        let entry = || NewEntry {
            lane: told.clone(),
            group: None,
            put_at: Timestamp(0),
            due: Timestamp(0),
            sameness: None,
            head: String::new(),
            body: Bytes::new(),
        };
        for (held, hold, entries) in [(&lost, Hold::Lost, 0), (&held, Hold::Ours, 1)] {
            assert_eq!(leases.keep(held, &at("9"), vec![entry()]).await.unwrap(), hold);
            let counts = leases.queue.counts(&told, Timestamp(1)).await.unwrap();
            assert_eq!(counts.waiting, entries);
        }
    }
}
