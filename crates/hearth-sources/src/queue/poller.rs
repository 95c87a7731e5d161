//! The task of a mapping: takes messages, filters and gathers them, and begins batches.
//!
//! ```text
//!   ┌─▶ is a batch ready? ──yes──▶ is there a place? ──yes──▶ begin it
//!   │        │ no                        │ no
//!   │        ▼                           └──▶ wait for one
//!   │   is there room? ──no──▶ begin with what there is, or wait for room
//!   │        │ yes
//!   │        ▼
//!   │   take what is there ──some──▶ filter, gather
//!   │        │ none
//!   │        ▼
//!   └── wait for an arrival, or for the end of the window
//! ```
//!
//! # Promises
//!
//! 1. Nothing is taken for which there is no place, or no room beside what all sources have here; but
//!    whoever has nothing may always take once.
//! 2. What was gathered and not begun when it is to stop is given back; so is what does not fit into
//!    a batch that has messages of its group.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_control::mapping::source::SourceKind;
use hearth_services::queues::Received;
use hearth_types::limits;
use hearth_types::time::Moment;
use tokio::time::Instant;

use super::event::{Message, Place};
use super::source::Trouble;
use super::{Common, worker};
use crate::ahead::Share;
use crate::batch::{BatchLimits, Gathering};
use crate::progress::Count;
use crate::reader::Ended;

/// Messages that are taken at a time at the most.
const TAKEN_MAX: usize = 500;
/// AWS: messages that a queue elsewhere hands out at a time.
const TOGETHER: usize = 10;
/// Half of what a queue hands out at a time in bytes, which is as much as one message may have: what
/// is more was probably cut off there.
const TOGETHER_BYTES: usize = 512 * 1_024;
/// What is set aside for a receive from a queue that was empty: a queue elsewhere may be asked for a
/// second, and hundreds of them must not take the room of those that have messages.
const IDLE_TAKE_BYTES: usize = 64 * 1_024;
/// How long nothing is tried after the queue could not be reached, at first.
const TROUBLE_PAUSE_MIN: Duration = Duration::from_millis(200);
/// And in the end.
const TROUBLE_PAUSE_MAX: Duration = Duration::from_secs(20);

/// Reads until it is told to stop, or the queue cannot be read.
pub(super) async fn run(common: &Arc<Common>) -> Ended {
    let limits = BatchLimits::of(&common.work.mapping.configuration);
    let mut poller = Poller {
        common,
        limits,
        gathering: Gathering::new(limits),
        pending: VecDeque::new(),
        share: common.ahead.share(),
        held_since: None,
        is_idle: true,
        pause: TROUBLE_PAUSE_MIN,
    };
    let ended = poller.run().await;
    poller.give_back().await;
    ended
}

struct Poller<'a> {
    common: &'a Arc<Common>,
    limits: BatchLimits,
    gathering: Gathering<Message>,
    /// What did not fit into the batch that is being gathered.
    pending: VecDeque<Message>,
    /// What of that, and of what batches have, counts among what all readers have.
    share: Share,
    /// Since when what was gathered is kept from others.
    held_since: Option<Moment>,
    /// Whether there was nothing when it was looked last.
    is_idle: bool,
    pause: Duration,
}

impl Poller<'_> {
    async fn run(&mut self) -> Ended {
        let stop = self.common.work.stop.clone();
        while !stop.is_stopped() {
            match self.step().await {
                Ok(()) => self.pause = TROUBLE_PAUSE_MIN,
                Err(Trouble::Failed(why)) => self.wait_after(&why).await,
                Err(trouble @ (Trouble::Missing | Trouble::Refused { .. })) => {
                    return Ended::Unreadable(trouble.to_string());
                }
            }
        }
        Ended::Stopped
    }

    async fn step(&mut self) -> Result<(), Trouble> {
        let (common, now) = (self.common, self.common.now());
        self.gather(now);
        self.hold().await?;
        self.share.hold(self.bytes());
        let free = common.scale().free(common.work.progress.running(), now);
        let is_ready = !self.pending.is_empty() || self.gathering.is_ready(now);
        if free == 0 {
            return self.wait_for_place().await;
        }
        let less = common.ahead.less();
        let most = if self.is_idle { IDLE_TAKE_BYTES } else { limits::QUEUE_TAKE_BYTES_MAX };
        if is_ready || (self.share.reserve(most, most).is_none() && !self.gathering.is_empty()) {
            // What was taken does not wait until there is room for more.
            self.begin().await;
            return Ok(());
        }
        if self.share.is_refused() {
            tokio::select! {
                () = less => {}
                () = common.work.progress.freed() => {}
                () = common.work.stop.stopped() => {}
            }
            return Ok(());
        }
        self.take(free, now).await
    }

    /// Begins a batch with what was gathered.
    async fn begin(&mut self) {
        let lot = self.share.hand_on(self.gathering.bytes());
        let batch = self.gathering.take();
        if self.is_fifo() {
            self.leave_groups_of(&batch).await;
        }
        self.held_since = self.pending.front().map(|message| message.taken);
        worker::begin(self.common, batch, lot);
    }

    /// Takes what is there for as many batches as may begin, or waits until something is.
    async fn take(&mut self, free: usize, now: Moment) -> Result<(), Trouble> {
        let asked = self.asked(free);
        self.heed_visibility();
        // What is gathered does not wait for more than its window.
        let longest = match self.gathering.due() {
            Some(due) => Duration::from_millis(due.millis_since(now)).min(self.until_hold()),
            None => Duration::MAX,
        };
        let received = self.common.queue.take(asked, longest).await;
        // What was set aside is not while nothing is being taken.
        self.share.hold(self.bytes());
        let received = received?;
        self.is_idle = received.is_empty();
        let found = self.common.now();
        if is_plenty(&received, asked) {
            self.common.scale().found_enough(found);
        } else {
            self.common.scale().found_less(found);
        }
        if received.is_empty() {
            return self.wait_for_arrival().await;
        }
        self.accept(&received, found).await
    }

    /// What the messages have that are gathered or wait.
    fn bytes(&self) -> usize {
        self.gathering.bytes() + self.pending.iter().map(Message::bytes).sum::<usize>()
    }

    /// How many messages are taken at a time. Without a window, batches begin at once, so there may
    /// be several; but not of a FIFO queue, whose groups must not be in two batches.
    fn asked(&self, free: usize) -> usize {
        let room = self.gathering.room();
        let batches = if self.limits.window.is_zero() && !self.is_fifo() { free } else { 1 };
        let more = self.limits.records.saturating_mul(batches.saturating_sub(1));
        room.saturating_add(more).clamp(1, TAKEN_MAX)
    }

    fn is_fifo(&self) -> bool {
        self.common.work.mapping.source.kind() == SourceKind::FifoQueue
    }

    /// Puts what was received behind what waits, but for what the filters keep back: AWS deletes
    /// that.
    async fn accept(&mut self, received: &[Received], now: Moment) -> Result<(), Trouble> {
        let common = self.common;
        common.work.progress.add(Count::Polled, received.len());
        let region = common.name.scope.region.as_str();
        let place = Place { arn: &common.arn, region };
        let mut unwanted = Vec::new();
        for one in received {
            let message = Message::of(one, place, now);
            if message.passes(&common.filters, &one.body) {
                self.pending.push_back(message);
            } else {
                unwanted.push(message.handle);
            }
        }
        self.share.hold(self.bytes());
        if !self.pending.is_empty() {
            self.held_since.get_or_insert(now);
        }
        if unwanted.is_empty() {
            return Ok(());
        }
        common.work.progress.add(Count::FilteredOut, unwanted.len());
        let deleted = common.queue.delete(&unwanted).await?;
        common.work.progress.add(Count::Deleted, deleted);
        Ok(())
    }

    /// Fills the batch with what waits, as far as it goes.
    fn gather(&mut self, now: Moment) {
        while let Some(message) = self.pending.pop_front() {
            let bytes = message.bytes();
            if let Err(message) = self.gathering.add(message, bytes, now) {
                self.pending.push_front(message);
                return;
            }
        }
    }

    /// Gives back what waits and is of the groups of a batch, into which it did not fit: it must not
    /// be in another batch beside it, nor before it if the batch fails.
    async fn leave_groups_of(&mut self, batch: &[Message]) {
        let is_behind = |message: &Message| batch.iter().any(|one| one.group == message.group);
        let (behind, rest): (Vec<Message>, Vec<Message>) =
            self.pending.drain(..).partition(is_behind);
        self.pending = rest.into();
        worker::give_back(self.common, &behind).await;
    }

    async fn wait_for_place(&mut self) -> Result<(), Trouble> {
        let common = self.common;
        let growth = common.scale().next_growth_millis(common.now());
        let longest = Duration::from_millis(growth).min(self.until_hold());
        tokio::select! {
            () = common.work.progress.freed() => {}
            () = tokio::time::sleep(longest) => {}
            () = common.work.stop.stopped() => {}
        }
        Ok(())
    }

    async fn wait_for_arrival(&mut self) -> Result<(), Trouble> {
        let common = self.common;
        let Some(due) = self.gathering.due() else {
            return tokio::select! {
                arrived = common.queue.arrival() => arrived,
                () = common.work.stop.stopped() => Ok(()),
            };
        };
        let left = Duration::from_millis(due.millis_since(common.now()));
        let until = Instant::now() + left.min(self.until_hold());
        tokio::select! {
            arrived = common.queue.arrival() => arrived,
            () = tokio::time::sleep_until(until) => Ok(()),
            () = common.work.stop.stopped() => Ok(()),
        }
    }

    /// Goes by the visibility timeout that the queue has now. What waits may have been taken for a
    /// shorter time.
    fn heed_visibility(&self) {
        let Some(seconds) = self.common.queue.visibility_seconds() else { return };
        let known = &self.common.visibility_seconds;
        if self.oldest().is_none() || seconds < known.load(Ordering::Relaxed) {
            known.store(seconds, Ordering::Relaxed);
        }
    }

    /// When the first of what waits was taken.
    fn oldest(&self) -> Option<Moment> {
        self.gathering.records().iter().chain(&self.pending).map(|message| message.taken).next()
    }

    /// How long until what was gathered has to be kept from others for longer.
    fn until_hold(&self) -> Duration {
        let Some(since) = self.held_since else { return Duration::MAX };
        (self.common.visibility() / 2).saturating_sub(self.common.since(since))
    }

    /// Keeps what was gathered from others for longer, if that is needed: a window may be longer
    /// than the visibility timeout of the queue, and a place long in coming. But nobody may have a
    /// message for ever.
    async fn hold(&mut self) -> Result<(), Trouble> {
        let Some(oldest) = self.oldest() else { return Ok(()) };
        if self.common.is_kept_too_long(oldest) {
            self.give_back().await;
            return Ok(());
        }
        if !self.until_hold().is_zero() {
            return Ok(());
        }
        let now = self.common.now();
        let seconds = self.common.seconds_to_keep(oldest);
        self.common.queue.keep(&self.handles(), seconds).await?;
        self.held_since = Some(now);
        Ok(())
    }

    fn handles(&self) -> Vec<String> {
        let waiting = self.gathering.records().iter().chain(&self.pending);
        waiting.map(|message| message.handle.clone()).collect()
    }

    async fn wait_after(&mut self, why: &str) {
        let common = self.common;
        tracing::warn!(mapping = %common.work.mapping.id, why, "a queue could not be read");
        let result = "the queue could not be read";
        common.work.progress.went_wrong(result, why, common.time_of_day());
        tokio::select! {
            () = tokio::time::sleep(self.pause) => {}
            () = common.work.stop.stopped() => {}
        }
        self.pause = (self.pause * 2).min(TROUBLE_PAUSE_MAX);
    }

    async fn give_back(&mut self) {
        let waiting: Vec<Message> =
            self.gathering.take().into_iter().chain(self.pending.drain(..)).collect();
        self.held_since = None;
        worker::give_back(self.common, &waiting).await;
    }
}

/// Whether as much came as comes at a time, so that there may be more.
fn is_plenty(received: &[Received], asked: usize) -> bool {
    let bytes: usize = received.iter().map(|one| one.body.len()).sum();
    received.len() >= asked.min(TOGETHER) || bytes >= TOGETHER_BYTES
}
