//! Telling other servers of the same database where there may be something to lease, and hearing
//! the same from them.
//!
//! ```text
//!  commit ──▶ News ──NOTIFY──▶ database ──LISTEN──▶ another server's Signals
//! ```
//!
//! News is told after the commit and not in it: transactions that notify are committed one after
//! the other by PostgreSQL, and each would wait for the flush of the one before.
//!
//! # Promises
//!
//! 1. What is told while this server listens is heard. Where something may have been missed,
//!    because the connection was lost or because another server ended before it could tell, every
//!    lane of the kinds that somebody waits for is signalled: after each new connection, and now and
//!    then.
//! 2. A server does not hear itself: it knows already.
//! 3. Memory is bounded by the number of lanes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hearth_types::limits;
use hearth_types::tasks::Tasks;
use sqlx::postgres::{PgListener, PgNotification};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::plan::LaneName;
use super::{BEGIN_UNFLUSHED, Store, answer_in_time, views};
use crate::error::StoreError;
use crate::queue::Lane;

/// What the servers of a database talk on.
const CHANNEL: &str = "hearth_queue";

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    lanes: Mutex<BTreeMap<LaneName, u32>>,
    come: Notify,
}

impl News {
    fn add(&self, lane: LaneName, count: u32) {
        let mut lanes = self.lock();
        let told = lanes.entry(lane).or_default();
        *told = told.saturating_add(count);
        drop(lanes);
        self.come.notify_one();
    }

    /// What was added since the last call; waits until there is something.
    async fn next(&self) -> BTreeMap<LaneName, u32> {
        loop {
            let lanes = std::mem::take(&mut *self.lock());
            if !lanes.is_empty() {
                return lanes;
            }
            self.come.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LaneName, u32>> {
        self.lanes.lock().expect("no code panics while it holds the news")
    }
}

impl Store {
    /// Says here and elsewhere that there may be so much to lease in a lane.
    pub(super) fn tell(&self, kind: &str, name: &str, count: u32) {
        self.signal(kind, name, count);
        self.news.add((kind.to_owned(), name.to_owned()), count);
    }

    /// Says it here. Each signal wakes one who waits, as each entry is for one.
    fn signal(&self, kind: &str, name: &str, count: u32) {
        let Some(kind) = self.signals.kinds().into_iter().find(|known| *known == kind) else {
            return;
        };
        let lane = Lane { kind, name: name.to_owned() };
        for _ in 0..count.min(SIGNALS_MAX) {
            self.signals.signal(&lane);
        }
    }

    /// Signals every lane of a kind that has entries.
    async fn signal_all_of(&self, kind: &'static str) -> Result<(), sqlx::Error> {
        let mut after: Option<String> = None;
        loop {
            let items = limits::POSTGRES_LANES_PER_PAGE;
            let page = views::lanes(&self.pool, kind, after.as_deref(), items);
            let page = answer_in_time(page).await?;
            page.iter().for_each(|lane| self.signals.signal(lane));
            match page.into_iter().next_back() {
                Some(lane) => after = Some(lane.name),
                None => return Ok(()),
            }
        }
    }

    async fn signal_all(&self) -> Result<(), sqlx::Error> {
        for kind in self.signals.kinds() {
            self.signal_all_of(kind).await?;
        }
        Ok(())
    }
}

/// How many of those who wait are woken by one piece of news: more than ever wait for one lane.
const SIGNALS_MAX: u32 = 1_000;

/// Starts telling and hearing, until the other end of `end` is dropped.
pub(super) async fn start(
    store: &Arc<Store>,
    tasks: &Tasks,
    end: &watch::Receiver<()>,
) -> Result<(), StoreError> {
    let me: String = sqlx::query_scalar("SELECT gen_random_uuid()::text")
        .fetch_one(&store.pool)
        .await
        .map_err(StoreError::during("ask PostgreSQL for an id"))?;
    let me: Arc<str> = me.into();
    let (telling, hearing) = (Arc::clone(store), Arc::clone(store));
    let (own, mut ended) = (Arc::clone(&me), end.clone());
    tasks.spawn("queue news, told", async move {
        tokio::select! {
            () = tell(&telling, &own) => {}
            _dropped = ended.changed() => {}
        }
    });
    let mut ended = end.clone();
    tasks.spawn("queue news, heard", async move {
        tokio::select! {
            () = hear(&hearing, &me) => {}
            _dropped = ended.changed() => {}
        }
    });
    Ok(())
}

/// Tells what is new. Ends when the engine is closed.
async fn tell(store: &Store, me: &str) {
    let look = Duration::from_secs(limits::POSTGRES_LOOK_SECONDS);
    let mut next_look = Instant::now() + look;
    loop {
        // Also of a server that has something to tell all the time.
        if Instant::now() >= next_look {
            next_look = Instant::now() + look;
            match store.signal_all().await {
                Ok(()) => {}
                Err(sqlx::Error::PoolClosed) => return,
                Err(error) => {
                    tracing::warn!(%error, "the lanes of the queue could not be looked at");
                }
            }
        }
        let news = tokio::time::timeout_at(next_look, store.news.next()).await;
        let Ok(news) = news else { continue };
        match answer_in_time(notify(store, me, &news)).await {
            Ok(()) => {}
            Err(sqlx::Error::PoolClosed) => return,
            Err(error) => {
                tracing::warn!(%error, "other servers could not be told of new entries yet");
                news.into_iter().for_each(|(lane, count)| store.news.add(lane, count));
                pause().await;
            }
        }
    }
}

async fn notify(
    store: &Store,
    me: &str,
    news: &BTreeMap<LaneName, u32>,
) -> Result<(), sqlx::Error> {
    let messages: Vec<String> =
        news.iter().map(|((kind, name), count)| written(me, (kind, name), *count)).collect();
    // News that a crash undoes is not missed: after that, everybody connects anew.
    let mut transaction = store.pool.begin_with(BEGIN_UNFLUSHED).await?;
    sqlx::query("SELECT pg_notify($1, message) FROM unnest($2::text[]) AS message")
        .bind(CHANNEL)
        .bind(messages)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

/// A message: who, what kind, how much, and which lane. The last is missing if it is too long, and
/// then any lane of the kind may be meant.
fn written(me: &str, (kind, name): (&str, &str), count: u32) -> String {
    let message = format!("{me}\n{kind}\n{count}\n{name}");
    if message.len() <= limits::POSTGRES_NEWS_BYTES_MAX {
        return message;
    }
    format!("{me}\n{kind}\n{count}")
}

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    from: &'a str,
    kind: &'a str,
    count: u32,
    name: Option<&'a str>,
}

/// Reads a message; `None` if it is none of ours.
fn read(message: &str) -> Option<Message<'_>> {
    let mut parts = message.splitn(4, '\n');
    let (from, kind) = (parts.next()?, parts.next()?);
    let count = parts.next()?.parse().ok()?;
    Some(Message { from, kind, count, name: parts.next() })
}

/// Hears what others tell. Ends when the engine is closed.
async fn hear(store: &Store, me: &str) {
    loop {
        let Err(error) = listen(store, me).await;
        if store.pool.is_closed() {
            return;
        }
        tracing::warn!(%error, "other servers are not heard for a moment");
        pause().await;
    }
}

/// Listens on one connection, and on the next when it was lost and another could be had.
async fn listen(store: &Store, me: &str) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(&store.pool).await?;
    listener.listen(CHANNEL).await?;
    store.signal_all().await?;
    loop {
        match listener.try_recv().await? {
            Some(notification) => heard(store, me, &notification).await?,
            // The connection was lost, and there is another that listens already.
            None => store.signal_all().await?,
        }
    }
}

async fn heard(store: &Store, me: &str, notification: &PgNotification) -> Result<(), sqlx::Error> {
    let Some(message) = read(notification.payload()).filter(|message| message.from != me) else {
        return Ok(());
    };
    if let Some(name) = message.name {
        store.signal(message.kind, name, message.count);
        return Ok(());
    }
    match store.signals.kinds().into_iter().find(|known| *known == message.kind) {
        Some(kind) => store.signal_all_of(kind).await,
        None => Ok(()),
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(limits::POSTGRES_PAUSE_MILLIS)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let long = "x".repeat(9_000);
        #[rustfmt::skip]
        let rows = [
            ("sqs",  "arn:aws:sqs:us-east-1:000000000000:a", Some("arn:aws:sqs:us-east-1:000000000000:a")),
            ("kind", "two\nlines",                           Some("two\nlines")),
            ("kind", "",                                     Some("")),
            ("kind", long.as_str(),                          None),
        ];
        for (kind, name, read_back) in rows {
            let message = written("me", (kind, name), 3);
            assert!(message.len() < 8_000);
            let expected = Message { from: "me", kind, count: 3, name: read_back };
            assert_eq!(read(&message), Some(expected));
        }
        for foreign in ["", "a\nb", "a\nb\nc\nd"] {
            assert_eq!(read(foreign), None);
        }
    }

    #[tokio::test]
    async fn news_of_one_lane_is_told_together() {
        let news = News::default();
        for lane in ["a", "b", "a"] {
            news.add(("sqs".to_owned(), lane.to_owned()), 2);
        }
        let lane = |name: &str| ("sqs".to_owned(), name.to_owned());
        assert_eq!(news.next().await, BTreeMap::from([(lane("a"), 4), (lane("b"), 2)]));
    }
}
