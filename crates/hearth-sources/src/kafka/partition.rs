//! Reads one partition: performs what [`crate::shard::core`] decides, as [`crate::shard`] has it done
//! for shards, but with its place in the consumer group instead of a checkpoint.
//!
//! ```text
//!              ┌─ fetching   records from the leader, or nothing for a while
//!  the task ───┼─ saving     what is given up is told of, then the offset is committed
//!              └─ running    one batch, in a task of its own
//! ```
//!
//! # Promises
//!
//! 1. An offset is committed only when everything before it is dealt with, and nothing is run before
//!    what went before it is committed: a kill repeats at most the batch that was with the function.
//! 2. When it is told to stop, a batch that runs is waited for, and its offset committed, unless that
//!    fails for as long as a session lasts: then whoever reads next repeats the batch.
//! 3. A cluster that fails is asked again, with pauses that grow up to a bound.
//! 4. Where the offset is not in the partition any more, none of the records is missed that came since
//!    the last one that was read, as far as their times tell.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use hearth_control::mapping::settings::StartingPosition;
use hearth_store::queue::{Batch as Entries, Queue};
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use tokio::sync::mpsc;

use super::cluster::{self, Cluster, EARLIEST, LATEST, Read};
use super::connection::{Connection, Fault};
use super::event::{self, Place, TOPIC};
use super::failed;
use super::group::Session;
use super::messages::{Appetite, Part};
use super::records::Record;
use crate::ahead::{Ahead, Share};
use crate::checkpoint::{Checkpoint, Layout, Start};
use crate::filter::Filters;
use crate::function::{Call, NotRun, Ran, reason};
use crate::progress::{Count, FUNCTION_FAILED, FUNCTION_THROTTLED, Processed};
use crate::reader::{Stop, Work};
use crate::shard::core::{Core, Outcome, Save, Sieve, Start as Batch};
use crate::shard::lane::{LastRun, Reporting, Rules};
use crate::shard::source::{SequenceNumber, ShardRecord};
use crate::shard::teller::Teller;

/// What AWS calls every failure of a function.
const UNHANDLED: &str = "Unhandled";
const OFFSET_OUT_OF_RANGE: i16 = 1;

/// What all partitions of one mapping share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) work: Work,
    pub(super) cluster: Cluster,
    pub(super) topic: String,
    pub(super) servers: String,
    pub(super) rules: Arc<Rules>,
    pub(super) filters: Filters,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) ahead: Arc<Ahead>,
    pub(super) time: Arc<Steady>,
    pub(super) tasks: Tasks,
}

impl Sieve for Common {
    fn admits(&self, record: &ShardRecord) -> bool {
        self.filters.is_empty() || self.filters.admit(&event::seen(&record.event))
    }
}

impl Common {
    fn place<'a>(&'a self, name: &'a str) -> Place<'a> {
        Place { arn: self.work.mapping.source.arn(), servers: &self.servers, part: name }
    }

    fn problem(&self, result: &str, why: &str) {
        self.work.progress.went_wrong(result, why, self.time.of_day());
    }
}

/// Something that is being waited for.
type Doing<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

async fn done<T>(doing: &mut Doing<T>) -> T {
    match doing {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// What came of a read, and the connection if it is of use.
type Fetched = (Option<Connection>, Result<Read, Fault>);

/// What came of keeping something: how many records were given up, and of how many somebody hears.
#[derive(Debug, Clone, Copy)]
struct Kept {
    dropped: usize,
    told: Told,
}

/// Of how many records a destination hears, and how many of all it has not, or not as they were.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    told: usize,
    not_whole: usize,
}

/// Why reading has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The partition is another member's, or nobody's.
    Left,
    /// What was to be read is not there: it is begun elsewhere.
    OutOfRange,
}

/// From where a partition is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// An offset, such as the one that the group has come to.
    At(i64),
    /// A time, or what stands for one.
    From(i64),
}

/// One partition, being read.
pub(super) struct PartitionReader {
    common: Arc<Common>,
    session: Arc<Session>,
    stop: Stop,
    partition: i32,
    /// The topic, and the number of the partition behind a hyphen.
    name: String,
    core: Core,
    /// What of it counts among what all readers have.
    share: Share,
    /// Where to read on.
    next: i64,
    /// The offset behind the last record that there was.
    end: i64,
    /// The latest time of a record that was read.
    newest: Option<i64>,
    connection: Option<Connection>,
    running: usize,
    setbacks: u32,
    /// How often the offset was refused since something was read.
    refusals: u32,
}

impl PartitionReader {
    pub(super) fn new(
        (common, session): (&Arc<Common>, &Arc<Session>),
        partition: i32,
        stop: Stop,
    ) -> Self {
        let name = format!("{}-{partition}", common.topic);
        Self {
            core: core(common, &name, 0),
            share: common.ahead.share(),
            common: Arc::clone(common),
            session: Arc::clone(session),
            stop,
            partition,
            name,
            next: 0,
            end: 0,
            newest: None,
            connection: None,
            running: 0,
            setbacks: 0,
            refusals: 0,
        }
    }

    /// Reads until it is told to stop, or the partition is lost. `committed` is where the group has
    /// come to, if it has begun.
    pub(super) async fn read(mut self, committed: Option<i64>) {
        let first = committed.map_or_else(|| Begin::From(self.start()), Begin::At);
        let mut begin = Some(first);
        loop {
            let Some(from) = self.find(begin).await else { break };
            (self.next, self.end) = (from, from);
            self.core = core(&self.common, &self.name, from);
            if self.read_on().await == End::Left {
                break;
            }
            begin = None;
        }
        self.common.work.progress.reached(&self.name, None);
    }

    /// Where a partition is begun that nobody has read: a time, or what stands for one.
    fn start(&self) -> i64 {
        let mapping = &self.common.work.mapping;
        let at = |time: Timestamp| i64::try_from(time.0).unwrap_or(i64::MAX);
        match mapping.configuration.starting_position {
            // A partition that is new while the others are read is not to lose what came first.
            Some(StartingPosition::Latest) if self.session.has_begun => at(mapping.modified),
            Some(StartingPosition::Latest) => LATEST,
            Some(StartingPosition::AtTimestamp(time)) => at(time),
            Some(StartingPosition::TrimHorizon) | None => EARLIEST,
        }
    }

    /// Where to begin; `None` if it is to be left. It is committed, so that a kill does not move it. Without
    /// `begin`, it is elsewhere than at the offset where it was to be read on, which was refused.
    async fn find(&mut self, begin: Option<Begin>) -> Option<i64> {
        if let Some(Begin::At(committed)) = begin {
            return Some(committed);
        }
        loop {
            let (stop, session) = (self.stop.clone(), Arc::clone(&self.session));
            let found = tokio::select! {
                () = stop.stopped() => return None,
                () = session.lost() => return None,
                found = self.find_once(begin) => found,
            };
            let part = Part { topic: &self.common.topic, id: self.partition };
            let committed = match found {
                // Not given up for being told to stop: others are committed with it, and whoever leaves the
                // group does so on the same connection.
                Ok(offset) => tokio::select! {
                    () = session.lost() => return None,
                    done = session.commit(part, offset) => done.map(|()| offset),
                },
                Err(fault) => Err(fault),
            };
            match committed {
                Ok(offset) => {
                    // An offset that is refused again and again is asked for with pauses.
                    self.setbacks = self.refusals;
                    return Some(offset);
                }
                Err(fault) => self.common.problem(super::NOT_CONNECTED, &fault.to_string()),
            }
            let pause = self.setback();
            tokio::select! {
                () = stop.stopped() => return None,
                () = session.lost() => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn find_once(&mut self, begin: Option<Begin>) -> Result<i64, Fault> {
        let part = Part { topic: &self.common.topic, id: self.partition };
        let mut leader = self.common.cluster.leader(part).await?;
        let begin = match begin {
            Some(begin) => begin,
            None => {
                let end = cluster::offset(&mut leader, part, LATEST).await?;
                let earliest = cluster::offset(&mut leader, part, EARLIEST).await?;
                self.begin_elsewhere((earliest, end))
            }
        };
        let offset = match begin {
            Begin::At(offset) => offset,
            Begin::From(time) => cluster::offset(&mut leader, part, time).await?,
        };
        self.connection = Some(leader);
        Ok(offset)
    }

    /// Where to go on, now that the offset was refused where it was to be read on.
    fn begin_elsewhere(&self, (earliest, end): (i64, i64)) -> Begin {
        let now = i64::try_from(self.common.time.of_day().0).unwrap_or(i64::MAX);
        let since = self.newest.map_or_else(|| self.start(), |newest| again(newest, now));
        let begin = elsewhere(self.next, (earliest, end), since);
        tracing::warn!(
            mapping = %self.common.work.mapping.id, partition = self.name, offset = self.next,
            earliest, end, ?begin, "an offset is not in its partition, which is read on elsewhere"
        );
        begin
    }

    /// How long to wait after something went wrong.
    fn setback(&mut self) -> Duration {
        let doubled = limits::SOURCE_RETRY_MILLIS_MIN << self.setbacks.min(16);
        self.setbacks = self.setbacks.saturating_add(1);
        Duration::from_millis(doubled.min(limits::SOURCE_RETRY_MILLIS_MAX))
    }
}

/// Where to go on instead of at an offset that was refused; `since` is a time, or what stands for one.
///
/// Kafka's own client goes where `auto.offset.reset` says, which is one end of the partition, on whichever
/// side of it the offset is. AWS says nothing of it but the position at which mappings start. Here no record
/// that is there is to be missed, and few are to come again:
///
/// * Below the earliest one, all that is there is new.
/// * Beyond the end, the log was cut off when a broker came to lead it that was behind, or the topic is
///   another one. What has come since then is new, and lies at the end or is everything. So it is the time
///   that tells: that of the newest record that was read. If none was, it is the mapping's start.
fn elsewhere(refused: i64, (earliest, end): (i64, i64), since: i64) -> Begin {
    if refused < earliest {
        Begin::At(earliest)
    } else if refused <= end {
        // The broker did not know yet what it had.
        Begin::At(refused)
    } else {
        Begin::From(since)
    }
}

/// The time from which on records are new, if the newest that was read has that one. It is its producer's,
/// who may say anything.
fn again(newest: i64, now: i64) -> i64 {
    newest.min(now).saturating_sub(limits::KAFKA_CLOCKS_DIFFER_MILLIS_MAX).max(0)
}

/// What decides about a partition that is read from an offset on.
fn core(common: &Common, name: &str, from: i64) -> Core {
    let mut checkpoint = Checkpoint::new(name, Start::TrimHorizon);
    if from > 0 {
        checkpoint.advance(Layout(vec![Some(SequenceNumber::new((from - 1).to_string()))]));
    }
    Core::new(Arc::clone(&common.rules), checkpoint)
}

/// The offset behind everything that is dealt with, if there is something.
fn dealt_with(checkpoint: &Checkpoint) -> Option<i64> {
    let last = checkpoint.layouts.first()?.0.first()?.as_ref()?;
    last.as_str().parse::<i64>().ok().map(|last| last.saturating_add(1))
}

impl PartitionReader {
    async fn read_on(&mut self) -> End {
        let (sender, mut outcomes) = mpsc::channel::<(usize, Outcome)>(1);
        let mut fetching: Doing<Fetched> = None;
        let mut saving: Doing<Option<Kept>> = None;
        let (stop, session) = (self.stop.clone(), Arc::clone(&self.session));
        let ahead = Arc::clone(&self.common.ahead);
        let mut is_stopping = stop.is_stopped();
        self.show();
        loop {
            let (now, less) = (self.common.time.now(), ahead.less());
            if !is_stopping {
                while let Some(batch) = self.core.next(now) {
                    self.run(batch, sender.clone());
                }
            }
            if saving.is_none() {
                if self.core.is_ended() {
                    return End::OutOfRange;
                }
                saving = self.core.save(now).map(|save| self.keep(save));
            }
            if is_stopping && self.running == 0 && saving.is_none() {
                let save = self.core.leave();
                if let Some(kept) = self.keep(save).await {
                    self.kept(kept);
                }
                return End::Left;
            }
            if is_stopping {
                fetching = None;
            }
            if fetching.is_none() {
                self.share.hold(self.core.bytes());
                fetching = if is_stopping { None } else { self.fetch() };
            }
            let (wake, is_short) = (self.wake(now), self.share.is_refused());
            tokio::select! {
                () = session.lost() => return End::Left,
                () = less, if is_short => {}
                () = stop.stopped(), if !is_stopping => is_stopping = true,
                Some((records, outcome)) = outcomes.recv() => self.ran(records, &outcome),
                kept = done(&mut saving) => {
                    saving = None;
                    let Some(kept) = kept else { return End::Left };
                    self.kept(kept);
                }
                fetched = done(&mut fetching) => {
                    fetching = None;
                    self.fetched(fetched);
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    fn show(&self) {
        let offset = dealt_with(self.core.checkpoint()).unwrap_or_default();
        let end = self.end.max(offset);
        let progress = &self.common.work.progress;
        progress.reached(&self.name, Some(format!("{offset} of {end}")));
        // What transactions have left out is behind nobody.
        let left = if self.is_done() { 0 } else { u64::try_from(end - offset).unwrap_or_default() };
        progress.left(&self.name, left);
    }

    /// Whether everything is dealt with that there was at the last read.
    fn is_done(&self) -> bool {
        self.core.bytes() == 0 && self.next >= self.end
    }

    /// Says so. Not before the first read: nobody knows until then.
    fn note_tip(&self) {
        if self.is_done() {
            self.common.work.progress.caught_up(&self.name);
        }
    }

    /// How long there is nothing to do unless somebody tells.
    fn wake(&self, now: Timestamp) -> Duration {
        let longest = limits::SHARD_RETRY_MILLIS_MAX;
        let millis = self.core.wake_at(now).map_or(longest, |at| at.millis_since(now));
        Duration::from_millis(millis)
    }

    /// Runs a batch in a task of its own.
    fn run(&mut self, batch: Batch, sender: mpsc::Sender<(usize, Outcome)>) {
        self.running += 1;
        let (common, name) = (Arc::clone(&self.common), self.name.clone());
        let payload = event::event(&batch.events, common.place(&name));
        let records = batch.events.len();
        if let Some(newest) = batch.newest {
            let age_millis = common.time.of_day().millis_since(newest);
            common.work.progress.given_at_age(&name, age_millis);
        }
        drop(batch);
        common.work.progress.add(Count::Invoked, records);
        let id = RequestId::random();
        let run = LastRun { request_id: id.to_string(), ..LastRun::default() };
        let teller = Teller::new(sender, (records, Outcome::Failed { run }));
        self.common.tasks.spawn("run a batch of a partition", async move {
            let teller = teller;
            let running = common.work.progress.run();
            let call = Call { id, payload, trace: None };
            let ran = common.work.functions.run(&common.work.mapping, call).await;
            let outcome = outcome(&common, &name, (id, ran));
            drop(running);
            teller.tell((records, outcome));
        });
    }

    fn ran(&mut self, records: usize, outcome: &Outcome) {
        self.running -= 1;
        let came = self.core.ran(0, outcome, self.common.time.now());
        let (progress, at) = (&self.common.work.progress, self.common.time.of_day());
        progress.add(Count::FailedInvoke, came.failed);
        match (outcome, came.problem) {
            (_, Some(problem)) => progress.went_wrong(FUNCTION_FAILED, &problem, at),
            (Outcome::Answered { .. }, None) => progress.processed(Processed::Fine, at),
            (Outcome::NotRun(NotRun::Throttled), None) => {
                progress.processed(Processed::Problem(FUNCTION_THROTTLED.to_owned()), at);
            }
            // It was said with the reason; and that the server is going away is nobody's problem.
            (Outcome::Failed { .. } | Outcome::NotRun(_), None) => {}
        }
        let partition = self.name.as_str();
        tracing::trace!(partition, records, succeeded = came.succeeded, "a batch");
    }
}

fn outcome(common: &Common, name: &str, (id, ran): (RequestId, Ran)) -> Outcome {
    let run = |version: String, function_error: Option<&str>| LastRun {
        request_id: id.to_string(),
        version: Some(version),
        function_error: function_error.map(str::to_owned),
    };
    match ran {
        Ran::Answered { answer, version } => {
            let answer = match common.rules.reporting {
                Reporting::Items => event::translated(&answer, name),
                Reporting::WholeBatches => answer,
            };
            Outcome::Answered { answer, run: run(version, None) }
        }
        Ran::Failed { error, version } => {
            common.problem(FUNCTION_FAILED, &reason(&error));
            Outcome::Failed { run: run(version, Some(UNHANDLED)) }
        }
        Ran::NotRun(why) => Outcome::NotRun(why),
    }
}

impl PartitionReader {
    /// Keeps what is to be kept. `None` if the partition is lost.
    fn keep(&self, save: Save) -> Pin<Box<dyn Future<Output = Option<Kept>> + Send>> {
        let keeping = Keeping {
            common: Arc::clone(&self.common),
            session: Arc::clone(&self.session),
            stop: self.stop.clone(),
            partition: self.partition,
            name: self.name.clone(),
        };
        Box::pin(async move { keeping.keep(save).await })
    }

    fn kept(&mut self, kept: Kept) {
        self.core.saved();
        self.common.work.progress.add(Count::Dropped, kept.dropped);
        self.common.work.progress.add(Count::Delivered, kept.told.told);
        self.common.work.progress.not_delivered(kept.told.not_whole);
        self.show();
        self.note_tip();
    }

    /// Begins to read, if there is room.
    fn fetch(&mut self) -> Doing<Fetched> {
        let room = self.core.room()?;
        // At the tip, no room is set aside for what may be long in coming: when something has come, what is
        // behind it is known, and fetched at once.
        let is_behind = self.next < self.end;
        let tip = if is_behind { usize::MAX } else { limits::KAFKA_TIP_BYTES };
        let granted = self.share.reserve(room.bytes.min(tip), self.common.rules.batch.bytes)?;
        let pause = (self.setbacks > 0).then(|| {
            let doubled = limits::SOURCE_RETRY_MILLIS_MIN << (self.setbacks - 1).min(16);
            Duration::from_millis(doubled.min(limits::SOURCE_RETRY_MILLIS_MAX))
        });
        let (common, connection) = (Arc::clone(&self.common), self.connection.take());
        let at = (self.partition, self.next);
        let appetite = Appetite::of(granted);
        Some(Box::pin(async move {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            fetch(&common, connection, at, appetite).await
        }))
    }

    fn fetched(&mut self, (connection, read): Fetched) {
        self.connection = connection;
        let Read { portion, end } = match read {
            Ok(read) => read,
            Err(Fault::Code(OFFSET_OUT_OF_RANGE)) => {
                // What was read is dealt with first.
                self.refusals = self.refusals.saturating_add(1);
                self.core.end();
                return;
            }
            Err(fault) => {
                self.core.lose_sight();
                self.setbacks = self.setbacks.saturating_add(1);
                self.common.problem(super::NOT_CONNECTED, &fault.to_string());
                return;
            }
        };
        (self.setbacks, self.refusals) = (0, 0);
        let is_longer = end > self.end;
        self.newest = portion.records.iter().map(|one| one.timestamp).max().max(self.newest);
        (self.next, self.end) = (portion.next.unwrap_or(self.next).max(self.next), end);
        let (progress, common) = (&self.common.work.progress, self.common.as_ref());
        let (now, of_day) = (common.time.now(), common.time.of_day());
        let at = (common.topic.as_str(), self.partition);
        let records: Vec<ShardRecord> =
            portion.records.iter().map(|record| shard_record(record, at, of_day)).collect();
        let is_news = is_longer || !records.is_empty();
        let behind = u64::from(self.next < end);
        let sorted = self.core.read(records, common, (Some(behind), now));
        progress.add(Count::Polled, sorted.taken + sorted.filtered_out);
        progress.add(Count::FilteredOut, sorted.filtered_out);
        if is_news {
            self.show();
        }
        self.note_tip();
    }
}

fn shard_record(record: &Record, at: (&str, i32), of_day: Timestamp) -> ShardRecord {
    ShardRecord {
        sequence_number: SequenceNumber::new(record.offset.to_string()),
        // One lane has the whole partition.
        partition_key: String::new(),
        arrived: u64::try_from(record.timestamp).map_or(of_day, Timestamp),
        event: event::shown(record, at),
    }
}

async fn fetch(
    common: &Common,
    connection: Option<Connection>,
    (partition, offset): (i32, i64),
    appetite: Appetite,
) -> Fetched {
    let part = Part { topic: &common.topic, id: partition };
    let mut leader = match connection {
        Some(connection) => connection,
        None => match common.cluster.leader(part).await {
            Ok(leader) => leader,
            Err(fault) => return (None, Err(fault)),
        },
    };
    match cluster::read(&mut leader, (part, offset), appetite).await {
        Ok(read) => (Some(leader), Ok(read)),
        // Another broker may lead it by now.
        Err(fault) => (None, Err(fault)),
    }
}

/// What is kept, and for whom.
struct Keeping {
    common: Arc<Common>,
    session: Arc<Session>,
    stop: Stop,
    partition: i32,
    name: String,
}

impl Keeping {
    /// Tells of what is given up, and commits. Tries again until it is done, the partition lost, or
    /// nobody waits any longer who has said that it is time to stop.
    async fn keep(&self, save: Save) -> Option<Kept> {
        let dropped = save.dropped.iter().map(|one| one.records.len()).sum();
        let mut kept = Kept { dropped, told: Told::default() };
        let mut pause = Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MIN);
        let mut is_told = save.dropped.is_empty();
        let mut patience = pin!(self.patience());
        while !self.session.is_lost() {
            let done = if is_told { self.commit(&save).await } else { self.tell(&save).await };
            match done {
                Ok(told) if !is_told => (is_told, kept.told) = (true, told),
                Ok(_) => return Some(kept),
                Err(why) => {
                    self.common.problem("Offsets could not be committed", &why);
                    tokio::select! {
                        () = self.session.lost() => {}
                        () = &mut patience => return None,
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = (pause * 2).min(Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MAX));
                }
            }
        }
        None
    }

    /// Ends a while after it was time to stop. A destination that is not there would otherwise hold up
    /// the change of the mapping that names another one.
    async fn patience(&self) {
        self.stop.stopped().await;
        tokio::time::sleep(Duration::from_millis(limits::KAFKA_SESSION_MILLIS.into())).await;
    }

    async fn commit(&self, save: &Save) -> Result<Told, String> {
        let Some(offset) = dealt_with(&save.checkpoint) else { return Ok(Told::default()) };
        let part = Part { topic: &self.common.topic, id: self.partition };
        let committed = self.session.commit(part, offset).await;
        committed.map(|()| Told::default()).map_err(|fault| fault.to_string())
    }

    /// Tells the mapping's destination, if there is one, and says of how many records.
    async fn tell(&self, save: &Save) -> Result<Told, String> {
        let mapping = &self.common.work.mapping;
        let (place, now) = (self.common.place(&self.name), self.common.time.of_day());
        let destination = mapping.configuration.on_failure.as_deref().unwrap_or_default();
        let mut told = Told::default();
        if let Some(topic) = destination.strip_prefix(TOPIC) {
            let from = Part { topic: &self.common.topic, id: self.partition };
            for one in &save.dropped {
                let copies = event::copied(mapping, place, (one, now));
                let written = failed::write(&self.common.cluster, topic, (from, copies)).await;
                let written = written.map_err(|fault| format!("{destination}: {fault}"))?;
                told.told += written.whole + written.cut;
                told.not_whole += written.cut + written.left_out;
            }
            return Ok(told);
        }
        let mut puts = Vec::new();
        for one in &save.dropped {
            if let Some(entry) = event::told(mapping, place, (one, now)) {
                told.told += one.records.len();
                puts.push(entry);
            }
        }
        if !puts.is_empty() {
            let batch = Entries { puts, ..Entries::default() };
            let applied = self.common.queue.apply(batch, self.common.time.now()).await;
            applied.map_err(|error| error.to_string())?;
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_is_not_there_is_left_for_the_nearest_that_misses_nothing() {
        #[rustfmt::skip]
        let rows = [
            ("what was next is not kept any more",      5,   (10, 90),  Begin::At(10)),
            ("and nothing else is there",               5,   (10, 10),  Begin::At(10)),
            ("the earliest one itself",                 10,  (10, 90),  Begin::At(10)),
            ("it is there after all",                   50,  (10, 90),  Begin::At(50)),
            ("the end is there",                        90,  (10, 90),  Begin::At(90)),
            ("the log was cut off",                     91,  (10, 90),  Begin::From(7_000)),
            ("the topic is another one",                91,  (0, 0),    Begin::From(7_000)),
        ];
        for (name, refused, bounds, expected) in rows {
            assert_eq!(elsewhere(refused, bounds, 7_000), expected, "{name}");
        }
    }

    #[test]
    fn the_time_of_a_producer_is_not_believed_further_than_ours() {
        let margin = limits::KAFKA_CLOCKS_DIFFER_MILLIS_MAX;
        assert_eq!(again(margin + 5, margin + 9), 5);
        assert_eq!(again(i64::MAX, margin + 9), 9, "it is not to be told of the future");
        for newest in [0, -1, i64::MIN] {
            assert_eq!(again(newest, margin + 9), 0, "{newest}");
        }
    }
}
