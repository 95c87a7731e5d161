//! Reads the streams of mappings: finds their shards, takes those that nobody reads, and has a reader
//! for each of them.
//!
//! ```text
//!  list ──▶ add those whose parents are dealt with ──▶ take what is free ──▶ a reader for each
//!    ▲                                                    ▲                        │
//!    └── the stream was reshaped, or a shard has ended ───┴── a shard is free ─────┘
//! ```
//!
//! # Promises
//!
//! 1. A shard that nobody reads is taken by a server that reads the stream, within
//!    [`limits::SHARD_LOOK_MILLIS`] of its being free.
//! 2. When a mapping is gone, its checkpoints are.
//! 3. A shard whose reader panics is read again.
//! 4. A stream that was deleted and made again is another one, also if nobody has read it meanwhile.
//!
//! # Deliberately absent
//!
//! What a stream is: see [`OpenStream`].

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use hearth_control::control::Control;
use hearth_control::mapping::Mapping;
use hearth_control::mapping::settings::{Configuration, StartingPosition};
use hearth_control::mapping::source::{Source, SourceKind};
use hearth_control::mapping::state::State;
use hearth_store::error::StoreError;
use hearth_store::queue::Lane;
use hearth_types::limits;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use tokio::sync::Notify;

use crate::ahead::Ahead;
use crate::batch::BatchLimits;
use crate::checkpoint::{Phase, Start};
use crate::filter::Filters;
use crate::lease::{Held, Leases};
use crate::progress::Processed;
use crate::reader::{Ended, Reader, Work};
use crate::shard::lane::{OnFailure, Reporting, Rules};
use crate::shard::lineage;
use crate::shard::reader::{Common, ShardReader};
use crate::shard::source::{Shard, ShardSource, SourceError};

/// AWS's word for answers that name the records that have failed.
const REPORT_ITEMS: &str = "ReportBatchItemFailures";

/// Finds the streams of a family.
#[async_trait]
pub trait OpenStream: Send + Sync + Debug {
    /// Whether sources of this kind are its.
    fn serves(&self, kind: SourceKind) -> bool;

    /// Whether there is such a stream, before a mapping is made of it.
    ///
    /// # Errors
    ///
    /// If not: AWS's words.
    async fn check(&self, arn: &str) -> Result<(), String>;

    /// The stream of a mapping.
    ///
    /// # Errors
    ///
    /// If it cannot be read, whatever is tried: the reason.
    async fn open(&self, mapping: &Mapping, arn: &str) -> Result<Arc<dyn ShardSource>, String>;
}

/// What streams are read with.
#[derive(Debug)]
pub struct Parts {
    /// Where streams are found.
    pub streams: Vec<Arc<dyn OpenStream>>,
    /// Where checkpoints and leases are kept.
    pub leases: Arc<Leases>,
    /// What all readers may have.
    pub ahead: Arc<Ahead>,
    /// The time that the queue goes by.
    pub time: Arc<Steady>,
    /// The owner of the tasks.
    pub tasks: Tasks,
}

/// Reads streams.
#[derive(Debug)]
pub struct Streams {
    parts: Parts,
    /// Who knows the mappings. It holds whoever holds this.
    control: OnceLock<Weak<Control>>,
}

impl Streams {
    /// What reads streams.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self { parts, control: OnceLock::new() })
    }

    /// Says who knows the mappings, and forgets the checkpoints of those that are gone. Until then,
    /// nothing is forgotten.
    ///
    /// # Errors
    ///
    /// If the store of the checkpoints failed.
    pub async fn attend(&self, control: &Arc<Control>) -> Result<(), StoreError> {
        // Said twice, it stays as it was.
        let _ = self.control.set(Arc::downgrade(control));
        let all = control.all_mappings();
        let known: HashSet<String> = all.iter().map(|mapping| mapping.id.to_string()).collect();
        self.parts.leases.keep_only(&known).await
    }

    fn opener(&self, kind: SourceKind) -> Option<&Arc<dyn OpenStream>> {
        self.parts.streams.iter().find(|one| one.serves(kind))
    }

    async fn common(&self, work: &Work) -> Result<Common, String> {
        let mapping = &work.mapping;
        let kind = mapping.source.kind();
        let (opener, arn) = self
            .opener(kind)
            .zip(mapping.source.arn())
            .ok_or_else(|| "Hearth has no reader for this event source".to_owned())?;
        let source = opener.open(mapping, arn).await?;
        let filters = Filters::parse(&mapping.configuration.filters);
        Ok(Common {
            mapping: Arc::clone(mapping),
            rules: rules(&mapping.configuration),
            filters: filters.map_err(|error| error.to_string())?,
            source,
            functions: Arc::clone(&work.functions),
            leases: Arc::clone(&self.parts.leases),
            ahead: Arc::clone(&self.parts.ahead),
            progress: Arc::clone(&work.progress),
            time: Arc::clone(&self.parts.time),
            tasks: self.parts.tasks.clone(),
            stop: work.stop.clone(),
        })
    }

    /// Forgets the checkpoints of a mapping that goes, once nobody here reads it any more; and those of a
    /// stream that is gone and of which no other one can have the ARN and the generation.
    fn forget_later(&self, (common, reading): (Arc<Common>, Arc<Reading>), left: &Left) {
        let control = self.control.get().cloned().unwrap_or_default();
        let generation = common.source.generation();
        let is_gone = matches!(left, Left::Gone(_)) && generation.is_some();
        let work = async move {
            reading.finished().await;
            let mapping = &common.mapping;
            let is_left = || {
                let control = control.upgrade()?;
                let found = control.mapping(&mapping.function.scope, mapping.id.as_str());
                Some(found.is_ok_and(|found| found.state != State::Deleting))
            };
            // Without a control plane nothing is known, and the server is about to stop.
            let is_left = is_left().unwrap_or(true);
            if !is_gone && is_left {
                return;
            }
            let lane = common.leases.lane(mapping, generation.as_deref());
            let mut forgotten = common.leases.forget(&lane).await;
            if !is_left && forgotten.is_ok() {
                forgotten = common.leases.forget_others(mapping, None).await;
            }
            if let Err(error) = forgotten {
                // The next start forgets them.
                tracing::warn!(mapping = %mapping.id, %error, "checkpoints could not be forgotten");
            }
        };
        self.parts.tasks.spawn("forget a mapping's checkpoints", work);
    }
}

#[async_trait]
impl Reader for Streams {
    fn serves(&self, kind: SourceKind) -> bool {
        self.opener(kind).is_some()
    }

    async fn check(&self, source: &Source, _function_timeout_seconds: u32) -> Result<(), String> {
        match (self.opener(source.kind()), source.arn()) {
            (Some(opener), Some(arn)) => opener.check(arn).await,
            (Some(_) | None, _) => Ok(()),
        }
    }

    async fn read(&self, work: Work) -> Ended {
        let common = match self.common(&work).await {
            Ok(common) => Arc::new(common),
            Err(why) => return Ended::Unreadable(why),
        };
        let reading = Arc::new(Reading::default());
        let lane = common.leases.lane(&common.mapping, common.source.generation().as_deref());
        if let Err(error) = common.leases.forget_others(&common.mapping, Some(&lane)).await {
            // They are in nobody's way.
            let mapping = &common.mapping.id;
            tracing::warn!(%mapping, %error, "old checkpoints could not be forgotten");
        }
        let stream = Stream {
            lane,
            common: Arc::clone(&common),
            reading: Arc::clone(&reading),
            setbacks: 0,
        };
        let left = Box::pin(stream.read()).await;
        self.forget_later((common, reading), &left);
        match left {
            Left::Told => Ended::Stopped,
            Left::Unreadable(why) | Left::Gone(why) => Ended::Unreadable(why),
        }
    }
}

/// How many readers of shards there are.
#[derive(Debug, Default)]
struct Reading {
    shards: AtomicUsize,
    /// A reader has ended.
    ended: Notify,
}

impl Reading {
    fn count(&self) -> usize {
        self.shards.load(Ordering::Acquire)
    }

    async fn finished(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.count() == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// Counts a reader until it is dropped.
#[derive(Debug)]
struct OneReading(Arc<Reading>);

impl OneReading {
    fn new(reading: &Arc<Reading>) -> Self {
        reading.shards.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(reading))
    }
}

impl Drop for OneReading {
    fn drop(&mut self) {
        self.0.shards.fetch_sub(1, Ordering::AcqRel);
        // Whoever waits for the last one, and whoever comes to look at the lineage.
        self.0.ended.notify_waiters();
        self.0.ended.notify_one();
    }
}

/// A reader at its shard. If it panics, the shard is free a little later, also where leases last until
/// the server is gone.
struct Seat {
    common: Arc<Common>,
    held: Held,
    counted: Option<OneReading>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let (common, held, counted) =
            (Arc::clone(&self.common), self.held.clone(), self.counted.take());
        self.common.tasks.spawn("let go of a shard", async move {
            put_back(&common, &held).await;
            drop(counted);
        });
    }
}

/// Lets go of a shard whose reader has panicked; not at once, because the next one may do the same.
async fn put_back(common: &Common, held: &Held) {
    let pause = Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MAX);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = common.stop.stopped() => {}
        }
        match common.leases.put_back(held).await {
            Ok(_ours_or_lost) => return,
            Err(error) => {
                let shard = &held.checkpoint.shard;
                tracing::warn!(shard, %error, "a shard could not be let go of");
            }
        }
        if common.stop.is_stopped() {
            tokio::time::sleep(pause).await;
        }
    }
}

/// Why a look at a stream failed.
#[derive(Debug, thiserror::Error)]
enum NotLooked {
    #[error("the shards could not be listed")]
    Source(#[source] SourceError),
    #[error("the checkpoints could not be read or written")]
    Store(#[source] StoreError),
}

/// Why a stream is not read any more.
enum Left {
    /// It was said so.
    Told,
    /// It cannot be read now.
    Unreadable(String),
    /// It is not there any more.
    Gone(String),
}

/// The stream of a mapping, being read.
struct Stream {
    lane: Lane,
    common: Arc<Common>,
    reading: Arc<Reading>,
    setbacks: u32,
}

impl Stream {
    async fn read(mut self) -> Left {
        let stop = self.common.stop.clone();
        while !stop.is_stopped() {
            // Made before the look, so that nothing is missed that becomes free behind it.
            let free = self.common.leases.waiting(&self.lane);
            match self.look().await {
                Ok(()) => self.setbacks = 0,
                Err(NotLooked::Source(SourceError::Gone(why))) => return Left::Gone(why),
                Err(NotLooked::Source(SourceError::Refused { code, message })) => {
                    return Left::Unreadable(format!("{code}: {message}"));
                }
                Err(error) => {
                    self.setbacks = self.setbacks.saturating_add(1);
                    let why = std::error::Error::source(&error).map(ToString::to_string);
                    let why = format!("{error}: {}", why.unwrap_or_default());
                    let at = self.common.time.of_day();
                    self.common.progress.processed(Processed::Problem(why), at);
                }
            }
            tokio::select! {
                () = stop.stopped() => return Left::Told,
                () = self.common.source.reshaped(), if self.setbacks == 0 => {}
                () = self.reading.ended.notified() => {}
                () = free.signalled(), if self.setbacks == 0 => {}
                () = tokio::time::sleep(self.pause()) => {}
            }
        }
        Left::Told
    }

    /// When to look again if nobody tells.
    fn pause(&self) -> Duration {
        let millis = if self.setbacks > 0 {
            let doubled = limits::SOURCE_RETRY_MILLIS_MIN << (self.setbacks - 1).min(16);
            doubled.min(limits::SOURCE_RETRY_MILLIS_MAX)
        } else if self.common.leases.is_shared() {
            limits::SHARD_LOOK_MILLIS
        } else {
            return Duration::from_secs(limits::SHARDS_UNTOLD_SECONDS);
        };
        Duration::from_millis(millis)
    }

    /// Lists the shards, adds those whose turn it is, and takes what is free. When it is time to stop,
    /// only the list is given up: what the store has handed out would have no reader.
    async fn look(&self) -> Result<(), NotLooked> {
        let listed = tokio::select! {
            () = self.common.stop.stopped() => return Ok(()),
            listed = self.common.source.shards() => listed.map_err(NotLooked::Source)?,
        };
        let leases = Arc::clone(&self.common.leases);
        let known = leases.checkpoints(&self.lane).await.map_err(NotLooked::Store)?;
        let begun = lineage::to_begin(&listed, &known, start(&self.common.mapping));
        if !begun.is_empty() {
            leases.add(&self.lane, &begun).await.map_err(NotLooked::Store)?;
        }
        loop {
            let room = limits::SHARDS_READ_MAX.saturating_sub(self.reading.count());
            if room == 0 {
                return Ok(());
            }
            let taken = leases.take(&self.lane, room).await.map_err(NotLooked::Store)?;
            if taken.is_empty() {
                return Ok(());
            }
            // First what is read, so that nothing is left lying if the rest fails.
            let (reading, ended): (Vec<Held>, Vec<Held>) =
                taken.into_iter().partition(|held| held.checkpoint.phase == Phase::Reading);
            for held in reading {
                self.begin(held);
            }
            for held in ended {
                self.clear_away(&held, &listed).await?;
            }
        }
    }

    fn begin(&self, held: Held) {
        let counted = Some(OneReading::new(&self.reading));
        let seat = Seat { common: Arc::clone(&self.common), held: held.clone(), counted };
        let reader = ShardReader::new(Arc::clone(&self.common), held);
        self.common.tasks.spawn("read a shard", async move {
            // Moved into the task, so that it is dropped also when the reader panics.
            let seat = seat;
            Box::pin(reader.read()).await;
            drop(seat);
        });
    }

    /// Forgets a shard that has ended, unless the stream lists it still.
    async fn clear_away(&self, held: &Held, listed: &[Shard]) -> Result<(), NotLooked> {
        let leases = &self.common.leases;
        let is_listed = listed.iter().any(|shard| shard.id == held.checkpoint.shard);
        let done = if is_listed {
            leases.keep(held, &held.checkpoint, Vec::new()).await
        } else {
            leases.remove(held).await
        };
        done.map(drop).map_err(NotLooked::Store)
    }
}

/// Where the shards of a mapping's stream are begun.
fn start(mapping: &Mapping) -> Start {
    match mapping.configuration.starting_position {
        // What came after the mapping was enabled.
        Some(StartingPosition::Latest) => Start::Latest(mapping.modified),
        Some(StartingPosition::AtTimestamp(at)) => Start::AtTimestamp(at),
        Some(StartingPosition::TrimHorizon) | None => Start::TrimHorizon,
    }
}

/// What a mapping's options mean for each of its shards.
pub(crate) fn rules(configuration: &Configuration) -> Rules {
    // AWS: -1 is for ever.
    let bound = |given: Option<i32>| given.and_then(|number| u32::try_from(number).ok());
    let seconds = bound(configuration.tumbling_window_seconds).filter(|seconds| *seconds > 0);
    let mut batch = BatchLimits::of(configuration);
    if seconds.is_some() {
        batch.bytes = batch.bytes.saturating_sub(limits::WINDOW_STATE_BYTES_MAX);
    }
    let reports = configuration.response_types.iter().flatten().any(|one| one == REPORT_ITEMS);
    let lanes = bound(configuration.parallelization_factor).unwrap_or(1).max(1);
    Rules {
        batch,
        lanes: usize::try_from(lanes).unwrap_or(1),
        retries_max: bound(configuration.retry_attempts_max),
        age_millis_max: bound(configuration.record_age_seconds_max)
            .map(|seconds| u64::from(seconds) * 1_000),
        on_failure: match configuration.bisect_batch {
            Some(true) => OnFailure::Bisect,
            Some(false) | None => OnFailure::Retry,
        },
        reporting: if reports { Reporting::Items } else { Reporting::WholeBatches },
        window_millis: seconds.map(|seconds| u64::from(seconds) * 1_000),
        since: None,
    }
}
