//! Reads one shard: performs what [`super::core`] decides.
//!
//! ```text
//!            ┌─ fetching   an arrival, or a page of records
//!  the task ─┼─ saving     a checkpoint, or only a longer lease
//!            └─ running    a batch for each lane, in tasks of their own
//! ```
//!
//! # Promises
//!
//! 1. It ends when the shard has ended, is lost to another reader, or is to be left; then batches that
//!    run are waited for first, so that whoever comes next does not come before them.
//! 2. A stream or a store that fails is asked again, with pauses that grow up to a bound.
//! 3. Where others read as well, no batch is begun behind the end of the lease.
//! 4. A batch whose task panics has failed, and is run again as any other that has.
//!
//! # Deliberately absent
//!
//! Which shard: [`super::streams`] knows.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hearth_control::mapping::Mapping;
use hearth_store::error::StoreError;
use hearth_store::queue::NewEntry;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::steady::Steady;
use hearth_types::tasks::Tasks;
use hearth_types::time::Timestamp;
use tokio::sync::mpsc;

use crate::ahead::{Ahead, Share};
use crate::checkpoint::Start;
use crate::filter::Filters;
use crate::function::{self, Call, NotRun, Ran, RunFunction};
use crate::lease::{Held, Hold, Leases};
use crate::progress::{Count, FUNCTION_FAILED, FUNCTION_THROTTLED, Processed, Progress};
use crate::reader::Stop;
use crate::shard::core::{Core, Outcome, Save, Sieve, Start as Batch};
use crate::shard::event::{self, Place};
use crate::shard::lane::{Dropped, LastRun, Rules};
use crate::shard::source::{
    Cursor, Family, Page, Portion, Position, ShardRecord, ShardSource, SourceError,
};
use crate::shard::teller::Teller;

/// What AWS calls every failure of a function.
const UNHANDLED: &str = "Unhandled";
/// How far the times of a stream of a table may be behind ours: DynamoDB Local says the minute, and AWS
/// the second, and their clocks are not ours.
const CLOCKS_DIFFER_MILLIS_MAX: u64 = 65_000;

/// What all readers of one mapping share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) mapping: Arc<Mapping>,
    pub(super) rules: Rules,
    pub(super) filters: Filters,
    pub(super) source: Arc<dyn ShardSource>,
    pub(super) functions: Arc<dyn RunFunction>,
    pub(super) leases: Arc<Leases>,
    pub(super) ahead: Arc<Ahead>,
    pub(super) progress: Arc<Progress>,
    pub(super) time: Arc<Steady>,
    pub(super) tasks: Tasks,
    pub(super) stop: Stop,
}

impl Sieve for Common {
    fn admits(&self, record: &ShardRecord) -> bool {
        self.filters.is_empty() || self.filters.admit(&self.source.filtered(record))
    }
}

impl Common {
    fn place<'a>(&'a self, shard: &'a str) -> Place<'a> {
        Place { family: self.source.family(), stream_arn: self.source.stream_arn(), shard }
    }

    fn problem(&self, why: String) {
        self.progress.processed(Processed::Problem(why), self.time.of_day());
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

/// Where to read next.
#[derive(Debug, Clone)]
enum At {
    /// A cursor has to be made.
    Position(Position),
    /// Something may be there already.
    Cursor(Cursor),
    /// There was nothing.
    Tip(Cursor),
}

/// What came of a read.
#[derive(Debug)]
enum Fetched {
    Page(Page),
    /// There may be something behind a cursor.
    Arrived(Cursor),
    /// The shard is not there any more.
    Gone,
    Failed(SourceError),
}

/// What came of an attempt to keep something.
#[derive(Debug)]
enum Kept {
    /// A checkpoint, and so many records that were given up, of which a destination hears or not.
    Saved { hold: Hold, dropped: usize, told: usize },
    /// A longer lease.
    Extended(Hold),
}

/// One shard, being read.
#[derive(Debug)]
pub(super) struct ShardReader {
    common: Arc<Common>,
    held: Held,
    core: Core,
    /// What of it counts among what all readers have.
    share: Share,
    at: At,
    /// Where to begin if nothing was read yet and the first cursor is of no use any more.
    start: Position,
    running: usize,
    setbacks: u32,
    /// When it was last tried to extend the lease, by a checkpoint or without.
    extended_at: Timestamp,
    /// When that was last begun and has succeeded: the lease is counted from there.
    leased_at: Timestamp,
}

impl ShardReader {
    pub(super) fn new(common: Arc<Common>, held: Held) -> Self {
        let family = common.source.family();
        let start = position(held.checkpoint.start, family);
        let mut since = since(held.checkpoint.start, family);
        let first = match (held.checkpoint.position(), held.checkpoint.start) {
            (Some(behind), _) => behind,
            // A table's stream cannot be asked for a time. Nobody has read it before, so the present is
            // what was meant.
            (None, Start::Latest(_)) if held.is_new() && family == Family::DynamoDb => {
                since = None;
                Position::Latest
            }
            (None, _) => start.clone(),
        };
        let rules = Rules { since, ..common.rules.clone() };
        let core = Core::new(Arc::new(rules), held.checkpoint.clone());
        let extended_at = common.time.now();
        let at = At::Position(first);
        Self {
            share: common.ahead.share(),
            common,
            held,
            core,
            at,
            start,
            running: 0,
            setbacks: 0,
            extended_at,
            leased_at: extended_at,
        }
    }

    /// Reads until the shard has ended, is lost, or is to be left.
    pub(super) async fn read(mut self) {
        let lanes_max = self.common.rules.lanes.max(1);
        let (sender, mut outcomes) = mpsc::channel::<(usize, usize, Outcome)>(lanes_max);
        let mut fetching: Doing<Fetched> = None;
        let mut saving: Doing<Result<Kept, StoreError>> = None;
        let (stop, ahead) = (self.common.stop.clone(), Arc::clone(&self.common.ahead));
        let mut is_stopping = stop.is_stopped();
        self.show();
        loop {
            let (now, less) = (self.common.time.now(), ahead.less());
            while !is_stopping
                && self.is_leased(now)
                && let Some(batch) = self.core.next(now)
            {
                self.run(batch, sender.clone());
            }
            if saving.is_none() {
                if self.core.is_ended() {
                    break;
                }
                saving = self.keep(now);
            }
            if is_stopping && self.running == 0 && saving.is_none() {
                self.let_go().await;
                break;
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
                () = stop.stopped(), if !is_stopping => is_stopping = true,
                () = less, if is_short => {}
                Some((lane, records, outcome)) = outcomes.recv() => {
                    self.ran((lane, records), &outcome);
                }
                kept = done(&mut saving) => {
                    saving = None;
                    if self.kept(kept) == Hold::Lost {
                        break;
                    }
                }
                fetched = done(&mut fetching) => {
                    fetching = None;
                    self.fetched(fetched);
                }
                () = tokio::time::sleep(wake) => {}
            }
        }
        self.common.progress.reached(&self.held.checkpoint.shard, None);
    }

    fn shard(&self) -> &str {
        &self.held.checkpoint.shard
    }

    fn show(&self) {
        let shown = self.core.checkpoint().shown();
        self.common.progress.reached(self.shard(), Some(shown));
    }

    /// How long there is nothing to do unless somebody tells.
    fn wake(&self, now: Timestamp) -> Duration {
        let core = self.core.wake_at(now);
        let lease = self.common.leases.is_shared().then(|| self.extension_due());
        // While something is saved, a lease that is due waits for that.
        let wake = [core, lease.filter(|due| *due > now)].into_iter().flatten().min();
        // Without anything, at some time.
        let millis = wake.map_or(limits::SHARD_RETRY_MILLIS_MAX, |at| at.millis_since(now).max(1));
        Duration::from_millis(millis)
    }

    /// Whether nobody else can have taken the shard by now. If somebody may have, what is run could come
    /// behind what they have run.
    fn is_leased(&self, now: Timestamp) -> bool {
        let is_short = self.common.leases.is_shared();
        !is_short || now < self.leased_at.plus_millis(limits::SHARD_LEASE_MILLIS)
    }

    fn extension_due(&self) -> Timestamp {
        self.extended_at.plus_millis(limits::SHARD_LOOK_MILLIS)
    }
}

impl ShardReader {
    /// Runs a batch in a task of its own.
    fn run(&mut self, batch: Batch, sender: mpsc::Sender<(usize, usize, Outcome)>) {
        self.running += 1;
        let common = Arc::clone(&self.common);
        let payload =
            event::event(&batch.events, batch.window.as_ref(), common.place(self.shard()));
        let (lane, records) = (batch.lane, batch.events.len());
        if let Some(newest) = batch.newest {
            let age_millis = common.time.of_day().millis_since(newest);
            common.progress.given_at_age(self.shard(), age_millis);
        }
        drop(batch);
        common.progress.add(Count::Invoked, records);
        let id = RequestId::random();
        let run = LastRun { request_id: id.to_string(), ..LastRun::default() };
        let teller = Teller::new(sender, (lane, records, Outcome::Failed { run }));
        let work = async move {
            let teller = teller;
            let running = common.progress.run();
            let call = Call { id, payload, trace: None };
            let ran = common.functions.run(&common.mapping, call).await;
            let outcome = outcome(&common, id, ran);
            drop(running);
            teller.tell((lane, records, outcome));
        };
        self.common.tasks.spawn("run a batch of a shard", work);
    }

    fn ran(&mut self, (lane, records): (usize, usize), outcome: &Outcome) {
        self.running -= 1;
        let progress = &self.common.progress;
        let came = self.core.ran(lane, outcome, self.common.time.now());
        progress.add(Count::FailedInvoke, came.failed);
        let at = self.common.time.of_day();
        match (outcome, came.problem) {
            (_, Some(problem)) => progress.went_wrong(FUNCTION_FAILED, &problem, at),
            (Outcome::Answered { .. }, None) => progress.processed(Processed::Fine, at),
            (Outcome::NotRun(NotRun::Throttled), None) => {
                progress.processed(Processed::Problem(FUNCTION_THROTTLED.to_owned()), at);
            }
            // It was said with the reason; and that the server is going away is nobody's problem.
            (Outcome::Failed { .. } | Outcome::NotRun(_), None) => {}
        }
        tracing::trace!(shard = self.shard(), lane, records, succeeded = came.succeeded, "a batch");
    }
}

impl ShardReader {
    /// Begins to keep what is to be kept now.
    fn keep(&mut self, now: Timestamp) -> Doing<Result<Kept, StoreError>> {
        let common = Arc::clone(&self.common);
        let held = self.held.clone();
        if let Some(save) = self.core.save(now) {
            self.extended_at = now;
            return Some(Box::pin(async move { keep(&common, &held, save).await }));
        }
        if common.leases.is_shared() && now >= self.extension_due() {
            self.extended_at = now;
            return Some(Box::pin(
                async move { common.leases.extend(&held).await.map(Kept::Extended) },
            ));
        }
        None
    }

    fn kept(&mut self, kept: Result<Kept, StoreError>) -> Hold {
        let hold = match kept {
            Ok(Kept::Saved { hold: Hold::Ours, dropped, told }) => {
                self.core.saved();
                self.common.progress.add(Count::Dropped, dropped);
                self.common.progress.add(Count::Delivered, told);
                self.show();
                self.note_tip();
                Hold::Ours
            }
            Ok(Kept::Saved { hold, .. } | Kept::Extended(hold)) => hold,
            Err(error) => {
                // What was to be saved is tried again where it is; this is a lease.
                self.common.problem(format!("a shard could not be kept: {error}"));
                return Hold::Ours;
            }
        };
        if hold == Hold::Ours {
            self.leased_at = self.extended_at;
        } else {
            tracing::info!(mapping = %self.common.mapping.id, shard = self.shard(), "somebody else reads it");
        }
        hold
    }

    /// Lets another reader go on at once. Tries again until the store says something: where this server
    /// is alone, nobody could take the shard before it is started again.
    async fn let_go(&mut self) {
        let Save { checkpoint, dropped } = self.core.leave();
        let shard = self.shard().to_owned();
        let mut pause = Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MIN);
        loop {
            let (puts, _told) = told(&self.common, &shard, &dropped);
            match self.common.leases.let_go(&self.held, &checkpoint, puts).await {
                Ok(_ours_or_lost) => return,
                Err(error) => tracing::warn!(shard, %error, "a shard could not be let go of"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MAX));
        }
    }
}

impl ShardReader {
    /// Begins to read, or to wait for something to read, if there is room.
    fn fetch(&mut self) -> Doing<Fetched> {
        let mut portion = self.core.room()?;
        if let At::Tip(cursor) = &self.at {
            // No room is set aside for what may be long in coming.
            let (source, cursor) = (Arc::clone(&self.common.source), cursor.clone());
            return Some(Box::pin(async move {
                source.arrival(&cursor).await;
                Fetched::Arrived(cursor)
            }));
        }
        portion.bytes = self.share.reserve(portion.bytes, self.common.rules.batch.bytes)?;
        let pause = (self.setbacks > 0).then(|| {
            let doubled = limits::SOURCE_RETRY_MILLIS_MIN << (self.setbacks - 1).min(16);
            Duration::from_millis(doubled.min(limits::SOURCE_RETRY_MILLIS_MAX))
        });
        let source = Arc::clone(&self.common.source);
        let (shard, at) = (self.shard().to_owned(), self.at.clone());
        Some(Box::pin(async move {
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
            }
            fetch(source.as_ref(), &shard, (at, portion)).await
        }))
    }

    fn fetched(&mut self, fetched: Fetched) {
        match fetched {
            Fetched::Page(page) => self.take(page),
            Fetched::Arrived(cursor) => self.at = At::Cursor(cursor),
            Fetched::Gone => {
                // Nothing of it can be read any more, so it is dealt with as far as it can be.
                self.core.end();
            }
            Fetched::Failed(error) => self.fail(error),
        }
    }

    fn take(&mut self, page: Page) {
        self.setbacks = 0;
        let common = Arc::clone(&self.common);
        let count = page.records.len();
        let now = common.time.now();
        let sorted = self.core.read(page.records, &*common, (page.behind_millis, now));
        common.progress.add(Count::Polled, sorted.taken + sorted.filtered_out);
        common.progress.add(Count::FilteredOut, sorted.filtered_out);
        match page.next {
            // More may be there, unless nothing was.
            Some(cursor) if count > 0 => self.at = At::Cursor(cursor),
            Some(cursor) => self.at = At::Tip(cursor),
            None => self.core.end(),
        }
        self.note_tip();
    }

    /// Says so if the shard was read to its tip and everything is dealt with.
    fn note_tip(&self) {
        if matches!(self.at, At::Tip(_)) && self.core.bytes() == 0 {
            self.common.progress.caught_up(self.shard());
        }
    }

    fn fail(&mut self, error: SourceError) {
        self.core.lose_sight();
        let again = self.again();
        match &error {
            SourceError::Expired => {
                // At once, unless the cursor was new.
                let was_new = matches!(self.at, At::Position(_));
                self.setbacks = if was_new { self.setbacks.saturating_add(1) } else { 0 };
                self.at = At::Position(again);
            }
            SourceError::Trimmed(_) => {
                tracing::warn!(
                    mapping = %self.common.mapping.id, shard = self.shard(), %error,
                    "records were lost that the stream does not keep any more"
                );
                self.at = At::Position(Position::TrimHorizon);
                self.setbacks = self.setbacks.saturating_add(1);
            }
            SourceError::Gone(_)
            | SourceError::Throttled(_)
            | SourceError::Refused { .. }
            | SourceError::Failed(_) => {
                // What a cursor was good for before a failure, it need not be after it.
                self.at = At::Position(again);
                self.setbacks = self.setbacks.saturating_add(1);
            }
        }
        if error != SourceError::Expired {
            self.common.problem(error.to_string());
        }
    }

    /// Where to read on if a cursor is of no use any more.
    fn again(&mut self) -> Position {
        let read = self.core.read_to().map(Position::After);
        if let Some(behind) = read.or_else(|| self.core.checkpoint().position()) {
            return behind;
        }
        // The newest record is another one by now, so what was there before is known by its time.
        let start = self.held.checkpoint.start;
        self.core.leave_out_before(since(start, self.common.source.family()));
        self.start.clone()
    }
}

/// Keeps a checkpoint and tells of what is given up. Tries again until the store says something.
async fn keep(common: &Common, held: &Held, save: Save) -> Result<Kept, StoreError> {
    let shard = &held.checkpoint.shard;
    let mut pause = Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MIN);
    let dropped: usize = save.dropped.iter().map(|one| one.records.len()).sum();
    loop {
        let (puts, told) = told(common, shard, &save.dropped);
        match common.leases.keep(held, &save.checkpoint, puts).await {
            Ok(hold) => return Ok(Kept::Saved { hold, dropped, told }),
            Err(error) => {
                common.problem(format!("a checkpoint could not be kept: {error}"));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(limits::SOURCE_RETRY_MILLIS_MAX));
            }
        }
    }
}

/// The entries that tell of records that were given up, and of how many records.
fn told(common: &Common, shard: &str, dropped: &[Dropped]) -> (Vec<NewEntry>, usize) {
    let (place, now) = (common.place(shard), common.time.of_day());
    let mut records = 0;
    let mut puts = Vec::new();
    for one in dropped {
        if let Some(entry) = event::told(&common.mapping, place, (one, now)) {
            records += one.records.len();
            puts.push(entry);
        }
    }
    (puts, records)
}

fn outcome(common: &Common, id: RequestId, ran: Ran) -> Outcome {
    let run = |version: String, function_error: Option<&str>| LastRun {
        request_id: id.to_string(),
        version: Some(version),
        function_error: function_error.map(str::to_owned),
    };
    match ran {
        Ran::Answered { answer, version } => Outcome::Answered { answer, run: run(version, None) },
        Ran::Failed { error, version } => {
            let (reason, at) = (function::reason(&error), common.time.of_day());
            common.progress.went_wrong(FUNCTION_FAILED, &reason, at);
            Outcome::Failed { run: run(version, Some(UNHANDLED)) }
        }
        Ran::NotRun(why) => Outcome::NotRun(why),
    }
}

async fn fetch(source: &dyn ShardSource, shard: &str, (at, portion): (At, Portion)) -> Fetched {
    let cursor = match at {
        At::Cursor(cursor) | At::Tip(cursor) => Ok(cursor),
        At::Position(position) => source.cursor(shard, &position).await,
    };
    let read = match cursor {
        Ok(cursor) => source.read(&cursor, portion).await,
        Err(error) => Err(error),
    };
    match read {
        Ok(page) => Fetched::Page(page),
        Err(error @ (SourceError::Gone(_) | SourceError::Trimmed(_))) => {
            match source.shards().await {
                Ok(listed) if listed.iter().all(|one| one.id != shard) => Fetched::Gone,
                Ok(_) | Err(_) => Fetched::Failed(error),
            }
        }
        Err(error) => Fetched::Failed(error),
    }
}

/// Where a shard is begun.
fn position(start: Start, family: Family) -> Position {
    match start {
        Start::TrimHorizon => Position::TrimHorizon,
        Start::Latest(_) | Start::AtTimestamp(_) => {
            since(start, family).map_or(Position::TrimHorizon, Position::AtTimestamp)
        }
    }
}

/// Records from before are not wanted. The streams of tables know times roughly, and by a clock
/// that need not be ours: rather some records too many than one too few.
fn since(start: Start, family: Family) -> Option<Timestamp> {
    let at = match start {
        Start::TrimHorizon => return None,
        Start::Latest(at) | Start::AtTimestamp(at) => at,
    };
    Some(match family {
        Family::Kinesis => at,
        Family::DynamoDb => Timestamp(at.0.saturating_sub(CLOCKS_DIFFER_MILLIS_MAX)),
    })
}
