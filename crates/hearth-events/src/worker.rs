//! The driver around [`crate::turns`]: leases what is due, has it done, and settles it.
//!
//! ```text
//!  signal, alarm, look-through ──▶ turn ──▶ lease ──▶ perform ──▶ settle, with what it leads to
//!                                             │ extended while it takes
//! ```
//!
//! # Promises
//!
//! 1. What an entry leads to is put in the same batch in which it is settled: both or neither.
//! 2. This process never works on an entry twice at a time, whatever the clock does.
//! 3. Entries of one group are worked on one after another, and one that is not done with keeps
//!    back those behind it.
//! 4. A queue that fails loses nothing: what was done is settled when the queue is back, or the
//!    entry is leased again after the end of its lease.
//! 5. After [`Worker::close`], nothing more is leased; what is being worked on ends by itself.
//!
//! # Deliberately absent
//!
//! What an entry means: that is [`Work`].

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hearth_store::queue::signals::Subscription;
use hearth_store::queue::{
    Ask, Batch, EntryId, Fate, Lane, Leased, NewEntry, Page, Queue, Receipt, Settle, Settled,
    Unless,
};
use hearth_types::errors::causes;
use hearth_types::limits;
use hearth_types::metrics::{Metric, Metrics};
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use tokio::sync::Notify;

use crate::turns::{Back, Given, Limits, Pace, Turn, Turns};

/// What is to be done with the entries of one kind.
pub(crate) trait Work: fmt::Debug + Send + Sync + 'static {
    /// The kind of the lanes.
    fn kind(&self) -> &'static str;

    /// How many entries of a lane may be worked on at a time at the most.
    fn capacity(&self, lane: &Lane) -> usize;

    /// Does what an entry is there for.
    fn perform(&self, lane: &Lane, entry: &Leased) -> impl Future<Output = Done> + Send;
}

/// What became of an entry.
#[derive(Debug)]
pub(crate) struct Done {
    /// What becomes of the entry itself.
    pub(crate) fate: Fate,
    /// What it leads to.
    pub(crate) puts: Vec<NewEntry>,
    /// How it went as far as room is concerned.
    pub(crate) pace: Pace,
    /// What is counted once it is durable, and for whom.
    pub(crate) counts: Vec<(Metric, String)>,
    /// A lane that keeps so many entries and no more; the oldest go.
    pub(crate) trim: Option<(Lane, u64)>,
}

impl Done {
    /// The entry is dealt with.
    pub(crate) fn removed(pace: Pace) -> Self {
        Self { fate: Fate::Remove, puts: Vec::new(), pace, counts: Vec::new(), trim: None }
    }

    /// The entry waits again.
    pub(crate) fn returned(due: Timestamp, head: Option<String>, pace: Pace) -> Self {
        Self { fate: Fate::Return { due, head }, ..Self::removed(pace) }
    }

    fn due(&self) -> Option<Timestamp> {
        match &self.fate {
            Fate::Return { due, .. } => Some(*due),
            Fate::Remove | Fate::Extend { .. } | Fate::Note { .. } => None,
        }
    }
}

/// What workers share.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) time: Arc<Steady>,
    pub(crate) tasks: Tasks,
    /// Whether nothing more is begun.
    pub(crate) closing: Arc<AtomicBool>,
}

impl Common {
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// An entry that is being worked on.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Of its latest lease.
    receipt: Receipt,
    until: Timestamp,
    /// Of the lease with which the work began.
    began: Receipt,
}

/// What becomes of entries that were just leased.
#[derive(Debug, Default)]
struct Holding {
    /// They are worked on.
    fresh: Vec<Leased>,
    /// They are given back: one before them in their group is being worked on already.
    behind: Vec<Receipt>,
}

/// Works through the lanes of one kind.
#[derive(Debug)]
pub(crate) struct Worker<W> {
    work: W,
    common: Common,
    turns: Mutex<Turns>,
    held: Mutex<HashMap<EntryId, Held>>,
    /// There may be room for another turn.
    changed: Notify,
    /// Nothing more is begun, or less is being worked on since.
    ending: Notify,
    /// Nothing more is begun.
    closed: Notify,
}

impl<W: Work> Worker<W> {
    /// Begins to work. Entries that wait already are found at once.
    pub(crate) fn start(work: W, common: Common, limits: Limits) -> Arc<Self> {
        let worker = Arc::new(Self {
            work,
            common,
            turns: Mutex::new(Turns::new(limits)),
            held: Mutex::default(),
            changed: Notify::new(),
            ending: Notify::new(),
            closed: Notify::new(),
        });
        let (common, kind) = (&worker.common, worker.work.kind());
        // Made here, so that nothing is missed from now on.
        let subscription = common.queue.signals().subscribe(kind);
        common.tasks.spawn("queue worker", Arc::clone(&worker).take_turns(subscription));
        common.tasks.spawn("queue look-through", Arc::clone(&worker).look_now_and_then());
        common.tasks.spawn("queue leases", Arc::clone(&worker).extend_leases());
        worker
    }

    /// Leases nothing more.
    pub(crate) fn close(&self) {
        self.common.closing.store(true, Ordering::Release);
        self.changed.notify_one();
        self.ending.notify_one();
        self.closed.notify_one();
    }

    /// How many entries are being worked on.
    pub(crate) fn working(&self) -> usize {
        self.turns().out()
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().expect("the core does not panic")
    }

    fn held(&self) -> MutexGuard<'_, HashMap<EntryId, Held>> {
        self.held.lock().expect("nobody panics while holding entries")
    }

    /// Takes over what a server that was killed was working on, if nobody else can have it.
    async fn take_over(&self) {
        let (kind, now) = (self.work.kind(), self.common.time.now());
        match self.common.queue.give_back(kind, now).await {
            Ok(0) => {}
            Ok(entries) => tracing::info!(kind, entries, "what was being worked on is done again"),
            Err(error) => {
                // It comes back by itself when its leases have run out.
                tracing::warn!(error = causes(&error), kind, "could not take over what was begun");
            }
        }
    }

    async fn take_turns(self: Arc<Self>, subscription: Subscription) {
        self.take_over().await;
        while !self.common.is_closing() {
            let now = self.common.time.now();
            let turn = self.turns().next(now, |lane| self.work.capacity(lane));
            match turn {
                Some(turn) => {
                    self.take(turn).await;
                    // Whoever has just come gets in line before the next turn.
                    tokio::select! {
                        biased;
                        lanes = subscription.next() => self.signalled(lanes),
                        () = std::future::ready(()) => {}
                    }
                }
                None => tokio::select! {
                    lanes = subscription.next() => self.signalled(lanes),
                    () = self.changed.notified() => {}
                    () = tokio::time::sleep(self.until_alarm()) => {}
                },
            }
        }
    }

    fn signalled(&self, lanes: impl IntoIterator<Item = Lane>) {
        let mut turns = self.turns();
        for lane in lanes {
            turns.news(&lane);
        }
    }

    /// How long to wait although nothing happens: until something is due, and never for long,
    /// because the time of day may be set forward.
    fn until_alarm(&self) -> Duration {
        let longest = Duration::from_secs(limits::LANES_LOOK_THROUGH_SECONDS);
        let Some(at) = self.turns().alarm() else { return longest };
        longest.min(Duration::from_millis(at.millis_since(self.common.time.now())))
    }

    /// Finds what waits without anybody having told of it: from before the start, or left by
    /// somebody else. Beside the turns, which need not wait for it, however many lanes there are.
    async fn look_now_and_then(self: Arc<Self>) {
        let pause = Duration::from_secs(limits::LANES_LOOK_THROUGH_SECONDS);
        while !self.common.is_closing() {
            let round = async {
                self.look_through().await;
                tokio::time::sleep(pause).await;
            };
            tokio::select! {
                () = round => {}
                () = self.closed.notified() => return,
            }
        }
    }

    async fn look_through(&self) {
        let mut after: Option<String> = None;
        loop {
            let (kind, items) = (self.work.kind(), limits::LANES_OF_PAGE_MAX);
            let page = match self.common.queue.dues(kind, after.as_deref(), items).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(error = causes(&error), "the queue could not be looked through");
                    return;
                }
            };
            let Some((last, _)) = page.last() else { return };
            after = Some(last.name.clone());
            self.note_dues(&page);
            self.changed.notify_one();
        }
    }

    fn note_dues(&self, dues: &[(Lane, Timestamp)]) {
        let mut turns = self.turns();
        for (lane, due) in dues {
            turns.due_at(lane, *due);
        }
    }

    async fn next_due(&self, lane: &Lane) -> Option<Timestamp> {
        match self.common.queue.next_due(lane).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = causes(&error), %lane.name, "could not ask what is due");
                None
            }
        }
    }

    /// Notes when something more of a lane is due that has just given all that it had.
    async fn note_due(&self, lane: &Lane) {
        let Some(due) = self.next_due(lane).await else { return };
        let now = self.common.time.now();
        // What is due and was not given waits for another one of its group, or has just come.
        let due = if due <= now { now.plus_millis(limits::QUEUE_RETRY_MS) } else { due };
        self.turns().due_at(lane, due);
    }

    /// Leases what is due, and has it done.
    async fn take(self: &Arc<Self>, turn: Turn) {
        let Turn { lane, entries } = turn;
        let now = self.common.time.now();
        let until = now.plus_millis(limits::ENTRY_LEASE_SECONDS * 1_000);
        let bytes = limits::ENTRIES_OF_TURN_BYTES_MAX;
        let leased = self.common.queue.lease(Ask { lane: &lane, entries, bytes, until }, now).await;
        let leased = match leased {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(error = causes(&error), %lane.name, "could not lease from the queue");
                self.turns().failed(&lane, now.plus_millis(limits::QUEUE_RETRY_MS));
                return;
            }
        };
        let found = leased.len();
        let bytes: usize = leased.iter().map(|entry| entry.body.len()).sum();
        let more = found == entries || 2 * bytes > limits::ENTRIES_OF_TURN_BYTES_MAX;
        let Holding { fresh, behind } = self.hold(leased, until);
        let bytes = fresh.iter().map(|entry| entry.body.len()).sum();
        self.turns().given(&lane, Given { entries: fresh.len(), bytes, more });
        for chain in chains(fresh) {
            let worker = Arc::clone(self);
            self.common.tasks.spawn("queue entry", worker.work_through(lane.clone(), chain));
        }
        self.give_back(behind).await;
        if !more {
            self.note_due(&lane).await;
        }
    }

    /// Remembers what is worked on. Leaves out what is being worked on already: its lease ran out
    /// because the clock jumped, and now it has a new one.
    fn hold(&self, leased: Vec<Leased>, until: Timestamp) -> Holding {
        let mut held = self.held();
        let mut holding = Holding::default();
        // A lease has the entries of a group in their order.
        let mut busy: HashSet<String> = HashSet::new();
        for entry in leased {
            let receipt = entry.receipt;
            match held.entry(receipt.entry) {
                Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    (known.receipt, known.until) = (receipt, until);
                    busy.extend(entry.group);
                }
                Entry::Vacant(_) if entry.group.as_ref().is_some_and(|one| busy.contains(one)) => {
                    holding.behind.push(receipt);
                }
                Entry::Vacant(place) => {
                    place.insert(Held { receipt, until, began: receipt });
                    holding.fresh.push(entry);
                }
            }
        }
        holding
    }

    /// Gives entries back as they were.
    async fn give_back(&self, receipts: Vec<Receipt>) {
        if receipts.is_empty() {
            return;
        }
        let now = self.common.time.now();
        let back = |receipt| Settle { receipt, fate: Fate::Return { due: now, head: None } };
        let settles = receipts.into_iter().map(back).collect();
        let given = self.common.queue.apply(Batch { settles, ..Batch::default() }, now).await;
        if let Err(error) = given {
            // They come back by themselves when their leases run out.
            tracing::debug!(error = causes(&error), "entries could not be given back");
        }
    }

    /// Works on entries one after another.
    async fn work_through(self: Arc<Self>, lane: Lane, chain: Vec<Leased>) {
        // All of them, so that each is given back also if the work panics.
        let mut guards: Vec<Guard<W>> =
            chain.iter().map(|entry| Guard::new(&self, &lane, entry)).collect();
        guards.reverse();
        let mut is_blocked = false;
        for entry in chain {
            let mut guard = guards.pop().expect("there is one for each entry");
            let done = if is_blocked {
                Done::returned(self.common.time.now(), None, Pace::Untried)
            } else {
                self.work.perform(&lane, &entry).await
            };
            is_blocked |= !matches!(done.fate, Fate::Remove);
            (guard.back.pace, guard.back.due) = (done.pace, done.due());
            self.settle(&lane, entry.receipt.entry, &done).await;
            drop(guard);
        }
    }

    /// Settles an entry together with what it leads to.
    async fn settle(&self, lane: &Lane, id: EntryId, done: &Done) {
        let (mut is_told, mut returns) = (false, 0);
        loop {
            let Some(Held { receipt, .. }) = self.held().get(&id).copied() else { return };
            let batch = Batch {
                puts: done.puts.clone(),
                settles: vec![Settle { receipt, fate: done.fate.clone() }],
                unless_settled: Unless::Nothing,
            };
            match self.common.queue.apply(batch, self.common.time.now()).await {
                Ok(applied) => match applied.settles.first() {
                    Some(Settled::Done) => {
                        self.let_go(id, receipt).await;
                        self.count(done).await;
                        return;
                    }
                    // Its lease ran out, because the clock jumped or the queue was away. It need
                    // not be done again if it is leased again here.
                    Some(Settled::Stale) if returns < limits::STALE_ENTRY_LOOKS_MAX => {
                        returns += 1;
                        self.turns().news(lane);
                        self.changed.notify_one();
                    }
                    Some(Settled::Stale | Settled::Gone) | None => {
                        tracing::debug!(%lane.name, %id, "settled by somebody else, or purged");
                        return;
                    }
                },
                Err(error) if !is_told => {
                    is_told = true;
                    tracing::warn!(error = causes(&error), %lane.name, "could not settle an entry");
                }
                Err(_again) => {}
            }
            if self.common.is_closing() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(limits::QUEUE_RETRY_MS)).await;
        }
    }

    /// Holds an entry no more that was settled. If it was returned, it may have been leased again
    /// before this was known here, and was then taken for one that is being worked on.
    async fn let_go(&self, id: EntryId, settled: Receipt) {
        let latest = self.held().remove(&id).map(|held| held.receipt);
        self.give_back(latest.into_iter().filter(|latest| *latest != settled).collect()).await;
    }

    async fn count(&self, done: &Done) {
        for (metric, resource) in &done.counts {
            self.common.metrics.add(*metric, resource, 1);
        }
        if let Some((lane, entries)) = &done.trim {
            self.trim(lane, *entries).await;
        }
    }

    /// Removes the oldest entries of a lane that has too many.
    async fn trim(&self, lane: &Lane, entries: u64) {
        let now = self.common.time.now();
        let Ok(counts) = self.common.queue.counts(lane, now).await else { return };
        let all = counts.waiting + counts.delayed + counts.leased;
        let Some(excess) = all.checked_sub(entries).filter(|excess| *excess > 0) else { return };
        let excess = usize::try_from(excess).unwrap_or(usize::MAX).min(limits::EVENTS_OF_PAGE_MAX);
        let Ok(oldest) =
            self.common.queue.page(Page { lane, after: None, items: excess }, now).await
        else {
            return;
        };
        let Some(last) = oldest.last() else { return };
        let purged = self.common.queue.purge(lane, last.put_at.plus_millis(1)).await;
        if let Ok(purged) = purged {
            tracing::info!(%lane.name, purged, "the oldest of those that were kept had to go");
        }
    }

    /// Keeps the leases of what takes longer.
    async fn extend_leases(self: Arc<Self>) {
        let pause = Duration::from_secs(limits::ENTRY_LEASE_LOOK_SECONDS);
        while !(self.common.is_closing() && self.working() == 0) {
            tokio::select! {
                () = tokio::time::sleep(pause) => self.extend().await,
                () = self.ending.notified() => {}
            }
        }
    }

    async fn extend(&self) {
        let now = self.common.time.now();
        let until = now.plus_millis(limits::ENTRY_LEASE_SECONDS * 1_000);
        // What could not be extended at the next look any more.
        let soon = now.plus_millis(2 * limits::ENTRY_LEASE_LOOK_SECONDS * 1_000);
        let ending: Vec<Receipt> = {
            let held = self.held();
            held.values().filter(|one| one.until <= soon).map(|one| one.receipt).collect()
        };
        if ending.is_empty() {
            return;
        }
        let extend = |receipt: &Receipt| Settle { receipt: *receipt, fate: Fate::Extend { until } };
        let settles = ending.iter().map(extend).collect();
        let batch = Batch { settles, ..Batch::default() };
        match self.common.queue.apply(batch, now).await {
            Ok(applied) => {
                let mut held = self.held();
                for (receipt, settled) in ending.iter().zip(applied.settles) {
                    let one = held.get_mut(&receipt.entry);
                    let one = one.filter(|one| one.receipt == *receipt);
                    if let (Some(one), Settled::Done) = (one, settled) {
                        one.until = until;
                    }
                }
            }
            Err(error) => tracing::warn!(error = causes(&error), "could not extend leases"),
        }
    }
}

/// Entries that can be worked on side by side: those of one group are one chain.
fn chains(entries: Vec<Leased>) -> Vec<Vec<Leased>> {
    let mut chains: Vec<Vec<Leased>> = Vec::new();
    let mut of_group: HashMap<String, usize> = HashMap::new();
    for entry in entries {
        let Some(group) = entry.group.clone() else {
            chains.push(vec![entry]);
            continue;
        };
        let at = *of_group.entry(group).or_insert(chains.len());
        match chains.get_mut(at) {
            Some(chain) => chain.push(entry),
            None => chains.push(vec![entry]),
        }
    }
    for chain in &mut chains {
        chain.sort_by_key(|entry| entry.receipt.entry);
    }
    chains
}

/// An entry that is out; gives its place back when it is dropped.
#[derive(Debug)]
struct Guard<W: Work> {
    worker: Arc<Worker<W>>,
    lane: Lane,
    /// Of the lease with which the work began.
    began: Receipt,
    back: Back,
    /// Whether others may have waited for it.
    in_group: bool,
}

impl<W: Work> Guard<W> {
    fn new(worker: &Arc<Worker<W>>, lane: &Lane, entry: &Leased) -> Self {
        let until = worker.held().get(&entry.receipt.entry).map(|held| held.until);
        // Unless it is settled, it is due when its lease has run out.
        let back = Back { bytes: entry.body.len(), pace: Pace::Untried, due: until };
        Self {
            worker: Arc::clone(worker),
            lane: lane.clone(),
            began: entry.receipt,
            back,
            in_group: entry.group.is_some(),
        }
    }
}

impl<W: Work> Drop for Guard<W> {
    fn drop(&mut self) {
        // Unless it was settled, and somebody works on it again.
        if let Entry::Occupied(held) = self.worker.held().entry(self.began.entry)
            && held.get().began == self.began
        {
            held.remove();
        }
        let now = self.worker.common.time.now();
        let mut turns = self.worker.turns();
        turns.back(&self.lane, self.back, now);
        if self.in_group {
            turns.news(&self.lane);
        }
        drop(turns);
        self.worker.changed.notify_one();
        if self.worker.common.is_closing() {
            self.worker.ending.notify_one();
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
