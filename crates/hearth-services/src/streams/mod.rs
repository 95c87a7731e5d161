//! Our own streams: what Kinesis does with streams, shards and records, in records of the store and in
//! files.
//!
//! ```text
//!  administration, consumers ─▶ record     what is remembered of a stream and of its consumers
//!
//!  put ───────▶ hash ─▶ shard ─▶ log       one log for each shard: files that grow at their end
//!  get ───────▶ iterator ──────▶ log
//!  subscription ───────────────▶ log
//!  retention                     log, and shards whose records are too old
//! ```
//!
//! # Promises
//!
//! 1. A record whose sender was answered is read until it is too old; also after a crash.
//! 2. Records of a shard are read in the order of their sequence numbers, by everybody.
//! 3. Records of one partition key come in the order in which their senders were answered, when a shard
//!    is read before those that were made of it; also while it is split or merged.
//! 4. Reading costs what is read, however much there is.
//!
//! # Deliberately absent
//!
//! States in between: a stream that is made, changed or split is so when its caller is answered.
//! Encryption with keys of one's own, which is refused. Limits of reading; those of writing are there if
//! they are configured ([`WriteLimits`]). Streams on demand keep the shards that they have.

pub use administration::WithConsumers;
pub use consumers::NewConsumer;
pub use error::StreamError;
pub use get::{IteratorRequest, Read, Start};
pub use hash::{HashKey, HashRange};
pub use list::{ListShards, ShardFilter};
pub use log::{Cursor, DataRecord, News, Page, Phase, Want};
pub use names::{ConsumerName, ShardId, StreamName};
pub use put::{NewRecord, Placed};
pub use quotas::{
    EVENT_BYTES_MAX, ON_DEMAND_STREAMS_MAX, READ_BYTES_MAX, READ_RECORDS_MAX, RECORD_KIB_DEFAULT,
    RECORD_KIB_MAX, RETENTION_HOURS_MAX, SHARDS_MAX,
};
pub use record::{ConsumerRecord, Mode, ShardRecord, StreamRecord};
pub use sequence::SequenceNumber;
pub use subscription::{Pushed, Subscription};

mod administration;
mod consumers;
mod list;
mod record;
mod names;
mod put;
mod hash;
mod sequence;
mod get;
mod iterator;
mod subscription;
mod log;
mod retention;
mod error;
mod quotas;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hearth_store::collection::Collection;
use hearth_store::error::StoreError;
use hearth_store::records::Records;
use hearth_types::metrics::Metrics;
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};
use tokio::sync::{OnceCell, watch};
use uuid::Uuid;

use self::log::{Opening, ShardLog};
use self::put::Window;
use self::quotas::SEGMENTS_OF_RETENTION;
use self::subscription::Subscribers;

/// What the streams work with.
#[derive(Debug)]
pub struct Parts {
    /// Where the streams are remembered.
    pub records: Arc<dyn Records>,
    /// Where their records are.
    pub directory: PathBuf,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Who counts.
    pub metrics: Arc<dyn Metrics>,
    /// The owner of what goes on in the background.
    pub tasks: Tasks,
    /// How fast a shard may be written to.
    pub limits: WriteLimits,
}

/// How fast a shard may be written to. AWS: 1,000 records and 1 MiB in a second. None by default: who
/// tests what happens then can have it so, and everybody else has a disk that is faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WriteLimits {
    /// Records in a second; 0 means any number.
    pub records_per_second: u64,
    /// Their bytes in a second; 0 means any number.
    pub bytes_per_second: u64,
}

/// All streams.
#[derive(Debug)]
pub struct Streams {
    /// By name.
    streams: Collection<StreamRecord>,
    /// By the name of their stream and their own.
    consumers: Collection<ConsumerRecord>,
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    metrics: Arc<dyn Metrics>,
    tasks: Tasks,
    limits: WriteLimits,
    /// Those that were used since the start.
    shards: Mutex<HashMap<(Uuid, ShardId), Arc<Shard>>>,
    subscribers: Subscribers,
    /// How often a stream was changed, or a consumer went.
    changes: watch::Sender<u64>,
    running: watch::Sender<Running>,
}

/// Whether anybody may still wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Open,
    Closing,
}

/// A shard that is used.
#[derive(Debug, Default)]
struct Shard {
    log: OnceCell<Arc<ShardLog>>,
    /// What was put in this second.
    window: Mutex<Window>,
}

impl Streams {
    /// Reads what is remembered of the streams. Their records are looked at when somebody wants them.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn open(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let Parts { records, directory, clock, metrics, tasks, limits } = parts;
        let streams = Arc::new(Self {
            streams: Collection::open("kinesis-stream", Arc::clone(&records)).await?,
            consumers: Collection::open("kinesis-consumer", records).await?,
            directory,
            clock,
            metrics,
            tasks,
            limits,
            shards: Mutex::default(),
            subscribers: Subscribers::default(),
            changes: watch::Sender::new(0),
            running: watch::Sender::new(Running::Open),
        });
        let watcher = Arc::clone(&streams);
        streams.tasks.spawn("record retention", async move { watcher.watch_retention().await });
        Ok(streams)
    }

    /// Ends what waits: subscriptions are over.
    pub fn close(&self) {
        self.running.send_replace(Running::Closing);
    }

    /// A stream.
    ///
    /// # Errors
    ///
    /// If there is none of this name.
    pub fn stream(&self, name: &StreamName) -> Result<Arc<StreamRecord>, StreamError> {
        self.streams.get(&name.scope, &name.name).ok_or_else(|| {
            StreamError::NotFound(format!(
                "Stream {} under account {} not found.",
                name.name, name.scope.account
            ))
        })
    }

    /// How far a shard is written, now and later: whoever waits for records waits for a change of it.
    ///
    /// # Errors
    ///
    /// If there is no such shard, or its files cannot be read.
    pub async fn news(
        &self,
        name: &StreamName,
        shard: ShardId,
    ) -> Result<watch::Receiver<News>, StreamError> {
        let stream = self.stream(name)?;
        let shard = stream.shard(shard).ok_or_else(|| record::shard_missing(name, &shard))?;
        Ok(self.log(&stream, shard).await?.news())
    }

    /// How often a stream was made, changed or deleted, or a consumer deregistered, now and later:
    /// whoever waits for other shards waits for a change of it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How far behind all records those of a page are that was just read.
    #[must_use]
    pub fn millis_behind(&self, page: &Page) -> u64 {
        page.behind.map_or(0, |at| self.now().millis_since(at))
    }

    /// What time it is for records.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tells those who wait for a change of a stream.
    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// A shard, whether it was used before or not.
    fn shard(&self, stream: &StreamRecord, shard: ShardId) -> Arc<Shard> {
        let mut shards = self.shards.lock().expect("no code panics while it holds the shards");
        Arc::clone(shards.entry((stream.generation, shard)).or_default())
    }

    /// The log of a shard, opened when it is wanted for the first time.
    async fn log(
        &self,
        stream: &StreamRecord,
        record: &ShardRecord,
    ) -> Result<Arc<ShardLog>, StreamError> {
        let shard = self.shard(stream, record.id);
        if let Some(log) = shard.log.get() {
            return Ok(Arc::clone(log));
        }
        let name = stream.full_name();
        let is_there = self
            .stream(&name)
            .is_ok_and(|now| now.generation == stream.generation && now.shard(record.id).is_some());
        if !is_there {
            // It was deleted since it was found, and its files are not to be made again.
            self.let_go_of(stream, record);
            return Err(record::shard_missing(&name, &record.id));
        }
        let opened = shard.log.get_or_try_init(|| {
            let phase = if record.is_open() { Phase::Open } else { Phase::Closed };
            let opening = Opening {
                directory: self.directory_of(stream, record.id),
                segment_millis_max: stream.retention_millis() / SEGMENTS_OF_RETENTION,
                phase,
                tasks: self.tasks.clone(),
            };
            let now = self.now();
            in_background("open", move || ShardLog::open(opening, now))
        });
        opened.await.map(Arc::clone)
    }

    fn directory_of(&self, stream: &StreamRecord, shard: ShardId) -> PathBuf {
        self.directory.join(stream.generation.simple().to_string()).join(shard.to_string())
    }
}

/// Does something with files where it blocks nobody.
async fn in_background<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, StreamError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_ending| StreamError::Closing)?.map_err(StreamError::log(operation))
}

/// Ends when nobody may wait any more.
async fn closing(running: &mut watch::Receiver<Running>) {
    let _ = running.wait_for(|now| *now == Running::Closing).await;
}
