//! Subscriptions: what comes into a shard is pushed to a registered consumer, for five minutes.
//!
//! ```text
//!             another one, after 5 s       the consumer is gone, 5 min, the shard is read to its end
//!  Subscribed ─────────────────────▶ Over ◀─────────────────────────────────────────────────────────
//! ```
//!
//! # Promises
//!
//! 1. A consumer has one subscription to a shard at a time. A new one ends the one before, but not
//!    within the first seconds of it.
//! 2. Nothing is read before its consumer has taken what was read before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_types::time::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::StreamError;
use super::get::{Start, shard_of};
use super::log::{Cursor, News, Page, Phase};
use super::names::{ConsumerName, ShardId};
use super::quotas::{
    EVENT_BYTES_MAX, READ_RECORDS_MAX, SUBSCRIPTION_PAUSE_MILLIS, SUBSCRIPTION_SECONDS,
    SUBSCRIPTION_SILENCE_SECONDS, SUBSCRIPTIONS_MAX,
};
use super::record::{ShardRecord, StreamRecord};
use super::{Running, Streams, closing};

/// Which consumer reads which shard.
type Place = (ConsumerName, ShardId);

/// Those who are subscribed.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<HashMap<Place, Seat>>);

#[derive(Debug)]
struct Seat {
    since: Timestamp,
    /// Dropped, or told, when it is over.
    over: watch::Sender<Over>,
}

/// Whether a subscription is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    No,
    Yes,
}

impl Subscribers {
    /// Takes a place, in place of whoever has it.
    fn take(&self, place: &Place, now: Timestamp) -> Result<watch::Receiver<Over>, StreamError> {
        let mut seats = self.0.lock().expect("no code panics while it holds the subscriptions");
        seats.retain(|_, seat| !seat.over.is_closed());
        if let Some(seat) = seats.get(place)
            && now.millis_since(seat.since) < SUBSCRIPTION_PAUSE_MILLIS
        {
            let (consumer, shard) = place;
            return Err(StreamError::InUse(format!(
                "Another active subscription exists for this consumer: {consumer} on shard {shard}."
            )));
        }
        if seats.len() >= SUBSCRIPTIONS_MAX && !seats.contains_key(place) {
            let text =
                format!("There are {SUBSCRIPTIONS_MAX} subscriptions, and that is the limit.");
            return Err(StreamError::LimitExceeded(text));
        }
        let (over, told) = watch::channel(Over::No);
        if let Some(before) = seats.insert(place.clone(), Seat { since: now, over }) {
            before.over.send_replace(Over::Yes);
        }
        Ok(told)
    }

    /// Ends all subscriptions of a consumer.
    pub(super) fn end_all_of(&self, consumer: &ConsumerName) {
        let mut seats = self.0.lock().expect("no code panics while it holds the subscriptions");
        seats.retain(|(of, _), seat| {
            if of == consumer {
                seat.over.send_replace(Over::Yes);
            }
            of != consumer
        });
    }
}

/// A consumer that is subscribed to a shard.
#[derive(Debug)]
pub struct Subscription {
    streams: Arc<Streams>,
    stream: Arc<StreamRecord>,
    shard: ShardRecord,
    cursor: Cursor,
    /// The number that is said to be continued from.
    continued: String,
    news: watch::Receiver<News>,
    over: watch::Receiver<Over>,
    running: watch::Receiver<Running>,
    until: Instant,
    phase: Phase,
}

/// What is pushed at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// What was read; maybe nothing.
    pub page: Page,
    /// Where a next subscription is to begin, after this number; none if the shard was read to its end.
    pub continued: Option<String>,
    /// How far behind all records this is.
    pub millis_behind: u64,
    /// Those that were made of this shard, if it was read to its end. Nothing else is pushed with them.
    pub children: Vec<ShardRecord>,
}

impl Streams {
    /// Subscribes a consumer to a shard.
    ///
    /// # Errors
    ///
    /// If there is no such consumer, shard or place, or it was subscribed a moment ago.
    pub async fn subscribe(
        self: &Arc<Self>,
        consumer: &ConsumerName,
        shard: &str,
        start: &Start,
    ) -> Result<Subscription, StreamError> {
        self.consumer(consumer)?;
        let stream = self.stream(&consumer.stream)?;
        let shard = shard_of(&stream, shard)?.clone();
        let cursor = self.start(&stream, &shard, start).await?;
        let news = self.log(&stream, &shard).await?.news();
        let over = self.subscribers.take(&(consumer.clone(), shard.id), self.now())?;
        Ok(Subscription {
            streams: Arc::clone(self),
            continued: before(&shard, cursor, stream.created),
            stream,
            shard,
            cursor,
            news,
            over,
            running: self.running.subscribe(),
            until: Instant::now() + Duration::from_secs(SUBSCRIPTION_SECONDS),
            phase: Phase::Open,
        })
    }
}

/// The number before a place.
fn before(shard: &ShardRecord, cursor: Cursor, created: Timestamp) -> String {
    let index = cursor.index.saturating_sub(1);
    let arrived = if index == 0 { Timestamp(shard.made_seconds * 1_000) } else { created };
    shard.sequence_number(index, arrived).to_string()
}

impl Subscription {
    /// Its shard.
    #[must_use]
    pub fn shard(&self) -> &ShardRecord {
        &self.shard
    }

    /// What is to be pushed next; none when it is over. May be dropped while it waits.
    ///
    /// # Errors
    ///
    /// If the stream is gone, another subscription is in its place, or the shard cannot be read.
    pub async fn next(&mut self) -> Result<Option<Pushed>, StreamError> {
        if self.phase == Phase::Closed || Instant::now() >= self.until {
            return Ok(None);
        }
        if *self.over.borrow() == Over::Yes {
            return Err(self.replaced());
        }
        let silence = Instant::now() + Duration::from_secs(SUBSCRIPTION_SILENCE_SECONDS);
        loop {
            let page = self.read().await?;
            let is_over = page.phase == Phase::Closed;
            if !page.records.is_empty() || is_over || Instant::now() >= silence {
                return self.pushed(page).map(Some);
            }
            self.cursor = page.next;
            tokio::select! {
                changed = self.news.changed() => if changed.is_err() { return Ok(None) },
                () = tokio::time::sleep_until(silence.min(self.until)) => {}
                _ = self.over.changed() => return Err(self.replaced()),
                () = closing(&mut self.running) => return Ok(None),
            }
            if Instant::now() >= self.until {
                return Ok(None);
            }
        }
    }

    async fn read(&mut self) -> Result<Page, StreamError> {
        // What comes while it is read is a change.
        self.news.mark_unchanged();
        let want = (self.cursor, READ_RECORDS_MAX, EVENT_BYTES_MAX);
        self.streams.read(&self.stream, &self.shard, want).await
    }

    fn pushed(&mut self, page: Page) -> Result<Pushed, StreamError> {
        if let Some(last) = page.records.last() {
            self.continued = self.shard.sequence_number(last.index, last.arrived).to_string();
        }
        self.cursor = page.next;
        let stream = self.streams.stream(&self.stream.full_name())?;
        // Consumers do not look for records where the end is, so that is an event of its own.
        let is_over = page.phase == Phase::Closed && page.records.is_empty();
        if is_over {
            self.phase = Phase::Closed;
        }
        let continued = (!is_over).then(|| self.continued.clone());
        let children = stream.children_of(self.shard.id).filter(|_| is_over).cloned().collect();
        let millis_behind = self.streams.millis_behind(&page);
        Ok(Pushed { page, continued, millis_behind, children })
    }

    fn replaced(&self) -> StreamError {
        if let Err(error) = self.streams.stream(&self.stream.full_name()) {
            return error;
        }
        StreamError::InUse(format!(
            "The subscription to shard {} of stream {} has ended: its consumer was deregistered, or has subscribed again.",
            self.shard.id, self.stream.name
        ))
    }
}
