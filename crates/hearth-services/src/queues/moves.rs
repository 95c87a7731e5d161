//! Moving the messages of a dead-letter queue back to where they came from, or elsewhere.
//!
//! ```text
//!  start ──▶ RUNNING ──the queue is empty──▶ COMPLETED
//!               │ ├─────a message cannot go───▶ FAILED
//!               │ └─────cancel────────────────▶ CANCELLED
//!               └─ the server ends: RUNNING, and goes on at the next start
//! ```
//!
//! # Promises
//!
//! 1. A message is put into its new queue and taken from the old one together.
//! 2. A task that has begun is finished by some server, or its record says why not.
//!
//! What was moved is written down once in a second, so after a crash the figure may be too small.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hearth_store::error::StoreError;
use hearth_store::queue::{Ask, Batch, Fate, Leased, NewEntry, Settle, Unless};
use hearth_types::names::Scope;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use super::error::QueueError;
use super::message::Head;
use super::names::QueueName;
use super::quotas::{
    BATCH_ENTRIES_MAX, MOVE_LEASE_SECONDS, MOVE_RATE_MAX, MOVE_SAVE_MILLIS, MOVES_LISTED_MAX,
    MOVES_RUNNING_MAX, RECEIVE_BYTES_MAX,
};
use super::record::QueueRecord;
use super::{Queues, closing};

/// What is to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveRequest {
    /// The ARN of the queue whose messages are moved.
    pub source: String,
    /// The ARN of the queue that gets them; if there is none, each goes back to where it came from.
    pub destination: Option<String>,
    /// How many are moved in a second at most.
    pub rate: Option<i32>,
}

/// A move task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveRecord {
    /// Its id.
    pub id: Uuid,
    /// The ARN of the queue whose messages are moved.
    pub source: String,
    /// The ARN of the queue that gets them, if one was named.
    pub destination: Option<String>,
    /// How many are moved in a second at most.
    pub rate: Option<u32>,
    /// How far it is.
    pub status: MoveStatus,
    /// How many have been moved.
    pub moved: u64,
    /// How many there were when it began.
    pub to_move: u64,
    /// When it began.
    pub started: Timestamp,
    /// Why it has failed.
    pub failure: Option<String>,
}

/// How far a move task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveStatus {
    /// It moves messages.
    Running,
    /// There were no more.
    Completed,
    /// It was told to stop.
    Cancelled,
    /// A message could not be moved.
    Failed,
}

impl MoveStatus {
    /// AWS's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }
}

impl MoveRecord {
    /// What the task can be cancelled by.
    #[must_use]
    pub fn handle(&self) -> String {
        let told = TaskHandle { task_id: self.id, source_arn: self.source.clone() };
        STANDARD.encode(serde_json::to_string(&told).expect("a handle can be written as JSON"))
    }

    /// Tasks of one queue stand together, in the order in which they began.
    fn key(&self, source: &QueueName) -> String {
        format!("{}/{:020}/{}", source.name, self.started.0, self.id)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TaskHandle {
    task_id: Uuid,
    source_arn: String,
}

/// What running tasks have moved and not written down.
#[derive(Debug, Default)]
pub(super) struct Progress(Mutex<HashMap<Uuid, u64>>);

impl Progress {
    fn add(&self, id: Uuid, moved: usize) {
        *self.lock().entry(id).or_default() += u64::try_from(moved).unwrap_or(0);
    }

    fn of(&self, id: Uuid) -> u64 {
        self.lock().get(&id).copied().unwrap_or(0)
    }

    /// It is written down.
    fn forget(&self, id: Uuid) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, u64>> {
        self.0.lock().expect("no code panics while it holds the progress")
    }
}

/// What one step of a task came to.
enum Step {
    Moved(usize),
    NothingLeft,
    Impossible(&'static str),
}

/// Where a task is kept.
type Key = (Scope, String);

/// For how long a step has the messages that it moves.
const MOVE_LEASE: Duration = Duration::from_secs(MOVE_LEASE_SECONDS);
/// How often what was moved is written down.
const SAVE_EVERY: Duration = Duration::from_millis(MOVE_SAVE_MILLIS);
/// How long a task waits for messages that are held.
const LOOK_AGAIN: Duration = SAVE_EVERY;

const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";
const NO_SOURCE: &str = "CouldNotDetermineMessageSource";

impl Queues {
    /// Begins to move messages. Returns what the task can be cancelled by.
    ///
    /// # Errors
    ///
    /// If a queue is missing, is not a dead-letter queue, or is being emptied already.
    pub async fn start_move(self: &Arc<Self>, request: &MoveRequest) -> Result<String, QueueError> {
        let rate = checked_rate(request.rate)?;
        let source = self.named("SourceArn", &request.source)?;
        if self.dead_letter_sources(&source.full_name())?.is_empty() {
            return refuse("Source queue must be configured as a Dead Letter Queue.");
        }
        if let Some(destination) = &request.destination {
            let destination = self.named("DestinationArn", destination)?;
            if destination.generation == source.generation {
                return refuse("Source queue arn and destination queue arn cannot be the same.");
            }
            if destination.is_fifo() != source.is_fifo() {
                return refuse("Source and destination queues must be of the same type.");
            }
        }
        let _writing = self.moves.writing().await;
        let name = source.full_name();
        let before = self.moves_of(&name);
        if before.iter().any(|task| task.status == MoveStatus::Running) {
            return refuse(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
            );
        }
        if self.running_moves(&name.scope) >= MOVES_RUNNING_MAX {
            return Err(QueueError::OverLimit(format!(
                "There are already {MOVES_RUNNING_MAX} message move tasks running."
            )));
        }
        let now = self.clock.now();
        let counts = self.engine.counts(&source.lane(), now).await.map_err(QueueError::Store)?;
        let record = MoveRecord {
            id: Uuid::new_v4(),
            source: source.arn(),
            destination: request.destination.clone(),
            rate,
            status: MoveStatus::Running,
            moved: 0,
            to_move: counts.waiting + counts.delayed,
            started: now,
            failure: None,
        };
        // Those that are not listed any more are forgotten.
        for old in before.iter().skip(MOVES_LISTED_MAX - 1) {
            self.moves.remove(&name.scope, &old.key(&name)).await.map_err(QueueError::Store)?;
        }
        let (handle, key) = (record.handle(), (name.scope.clone(), record.key(&name)));
        self.moves.put(&key.0, &key.1, record).await.map_err(QueueError::Store)?;
        self.spawn_move(key, Duration::ZERO);
        Ok(handle)
    }

    /// The latest tasks of a queue, the newest first.
    ///
    /// # Errors
    ///
    /// If there is no such queue, or not so many tasks can be asked for.
    pub fn list_moves(
        &self,
        source: &str,
        items: Option<i32>,
    ) -> Result<Vec<MoveRecord>, QueueError> {
        let items = items.unwrap_or(1);
        let fits =
            usize::try_from(items).ok().filter(|items| (1..=MOVES_LISTED_MAX).contains(items));
        let items = fits.ok_or_else(|| {
            let reason = format!("Must be between 1 and {MOVES_LISTED_MAX}, if provided.");
            QueueError::parameter(items, "MaxResults", &reason)
        })?;
        let name = self.named("SourceArn", source)?.full_name();
        let latest = self.moves_of(&name).into_iter().take(items);
        Ok(latest.map(|task| self.as_of_now(&task)).collect())
    }

    /// Ends a task. Returns how many messages it has moved.
    ///
    /// # Errors
    ///
    /// If there is no such task, or it has ended already.
    pub async fn cancel_move(&self, handle: &str) -> Result<u64, QueueError> {
        let told = STANDARD.decode(handle).ok();
        let told = told.and_then(|told| serde_json::from_slice::<TaskHandle>(&told).ok());
        let Some(TaskHandle { task_id, source_arn }) = told else {
            return refuse("Value for parameter TaskHandle is invalid.");
        };
        let name = self.named("SourceArn", &source_arn)?.full_name();
        let _writing = self.moves.writing().await;
        let task = self.moves_of(&name).into_iter().find(|task| task.id == task_id);
        let missing = || QueueError::ResourceNotFound("Task does not exist.".to_owned());
        let task = task.ok_or_else(missing)?;
        if task.status != MoveStatus::Running {
            return refuse("Only active message move tasks can be cancelled.");
        }
        let moved = self.as_of_now(&task).moved;
        // What it has moved and not written down is added when it notices.
        let cancelled = MoveRecord { status: MoveStatus::Cancelled, ..(*task).clone() };
        let kept = self.moves.put(&name.scope, &task.key(&name), cancelled).await;
        kept.map_err(QueueError::Store)?;
        Ok(moved)
    }

    /// Goes on with the tasks that the server before has left.
    pub(super) fn resume_moves(self: &Arc<Self>) {
        for task in self.moves.all() {
            let source = QueueName::of_arn(&task.source);
            if let (MoveStatus::Running, Some(source)) = (task.status, source) {
                let key = task.key(&source);
                // The server before may have had some of the messages when it was killed.
                self.spawn_move((source.scope, key), MOVE_LEASE);
            }
        }
    }

    /// Forgets the tasks of a queue that is gone.
    pub(super) async fn forget_moves(&self, queue: &QueueRecord) -> Result<(), QueueError> {
        let _writing = self.moves.writing().await;
        let name = queue.full_name();
        for task in self.moves_of(&name) {
            self.moves.remove(&name.scope, &task.key(&name)).await.map_err(QueueError::Store)?;
        }
        Ok(())
    }

    /// The tasks of a queue, the newest first.
    fn moves_of(&self, source: &QueueName) -> Vec<Arc<MoveRecord>> {
        let prefix = format!("{}/", source.name);
        let arn = source.to_string();
        let behind = self.moves.page(&source.scope, Some(&prefix), 2 * MOVES_LISTED_MAX);
        let mut tasks: Vec<_> = behind.into_iter().take_while(|task| task.source == arn).collect();
        tasks.reverse();
        tasks
    }

    fn running_moves(&self, scope: &Scope) -> usize {
        let tasks = self.moves.page(scope, None, usize::MAX);
        tasks.iter().filter(|task| task.status == MoveStatus::Running).count()
    }

    /// A task with what it has moved and not written down.
    fn as_of_now(&self, task: &MoveRecord) -> MoveRecord {
        MoveRecord { moved: task.moved + self.progress.of(task.id), ..task.clone() }
    }

    fn named(&self, parameter: &str, arn: &str) -> Result<Arc<QueueRecord>, QueueError> {
        let Some(name) = QueueName::of_arn(arn) else {
            return Err(QueueError::InvalidParameterValue(format!(
                "You must use this format to specify the {parameter}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
            )));
        };
        self.queue(&name).map_err(|_missing| {
            QueueError::ResourceNotFound(format!(
                "The resource that you specified for the {parameter} parameter doesn't exist."
            ))
        })
    }

    fn spawn_move(self: &Arc<Self>, key: Key, held: Duration) {
        let queues = Arc::clone(self);
        self.tasks.spawn("message move", async move { queues.run_move(&key, held).await });
    }

    /// Moves messages until there are none, it is told to stop, or the queues are closed. For as long
    /// as some may be `held` from before, there may be more to come.
    async fn run_move(&self, key: &Key, held: Duration) {
        let mut phase = self.phase.subscribe();
        let mut saved = Instant::now();
        let mut held_until = saved + held;
        // The record is gone with its queue.
        while let Some(task) = self.moves.get(&key.0, &key.1) {
            if task.status != MoveStatus::Running {
                break;
            }
            let began = Instant::now();
            let pause = match self.move_some(&task).await {
                Ok(Step::Moved(moved)) => {
                    self.progress.add(task.id, moved);
                    pace(task.rate, moved).saturating_sub(began.elapsed())
                }
                Ok(Step::NothingLeft) if began < held_until => LOOK_AGAIN,
                Ok(Step::NothingLeft) => return self.end_move(key, Ok(())).await,
                Ok(Step::Impossible(why)) => return self.end_move(key, Err(why)).await,
                Err(error) => {
                    tracing::warn!(%error, task = %task.id, "messages could not be moved for now");
                    // The step that has failed has them.
                    held_until = Instant::now() + MOVE_LEASE;
                    LOOK_AGAIN
                }
            };
            if saved.elapsed() >= SAVE_EVERY {
                let _later_if_not = self.save_move(key, None).await;
                saved = Instant::now();
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = closing(&mut phase) => break,
            }
        }
        let _only_a_figure = self.save_move(key, None).await;
    }

    /// Writes down how a task has ended, as soon as that can be written: until then it counts as
    /// running, and no other one can begin.
    async fn end_move(&self, key: &Key, result: Result<(), &'static str>) {
        let mut phase = self.phase.subscribe();
        while self.save_move(key, Some(result)).await.is_err() {
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => {}
                () = closing(&mut phase) => return,
            }
        }
    }

    /// Writes down what a task has moved, and how it has ended if it has.
    async fn save_move(
        &self,
        key: &Key,
        ended: Option<Result<(), &'static str>>,
    ) -> Result<(), StoreError> {
        let _writing = self.moves.writing().await;
        let Some(task) = self.moves.get(&key.0, &key.1) else { return Ok(()) };
        let id = task.id;
        let mut record = self.as_of_now(&task);
        if let Some(result) = ended
            && task.status == MoveStatus::Running
        {
            record.status = if result.is_ok() { MoveStatus::Completed } else { MoveStatus::Failed };
            record.failure = result.err().map(str::to_owned);
        }
        if record == *task {
            return Ok(());
        }
        let kept = self.moves.put(&key.0, &key.1, record).await;
        if let Err(error) = &kept {
            tracing::warn!(%error, task = %id, "a move task could not be saved");
        }
        kept.map(|_kept| self.progress.forget(id))
    }

    async fn move_some(&self, task: &MoveRecord) -> Result<Step, QueueError> {
        let Some(source) = self.queue_of_arn(&task.source) else {
            return Ok(Step::Impossible(NO_QUEUE));
        };
        let (lane, now) = (source.lane(), self.clock.now());
        let until = now.plus_millis(MOVE_LEASE_SECONDS * 1_000);
        let rate = task.rate.and_then(|rate| usize::try_from(rate).ok());
        let entries = rate.unwrap_or(BATCH_ENTRIES_MAX).min(BATCH_ENTRIES_MAX);
        let ask = Ask { lane: &lane, entries, bytes: RECEIVE_BYTES_MAX, until };
        let leased = self.engine.lease(ask, now).await.map_err(QueueError::Store)?;
        if leased.is_empty() {
            return Ok(Step::NothingLeft);
        }
        let puts: Result<Vec<NewEntry>, &'static str> =
            leased.iter().map(|one| self.moved(task, one, now)).collect();
        let all = |fate: Fate| {
            let settle = |one: &Leased| Settle { receipt: one.receipt, fate: fate.clone() };
            leased.iter().map(settle).collect::<Vec<Settle>>()
        };
        let puts = match puts {
            Ok(puts) => puts,
            Err(why) => {
                let settles = all(Fate::Return { due: now, head: None });
                let batch = Batch { settles, ..Batch::default() };
                self.engine.apply(batch, now).await.map_err(QueueError::Store)?;
                return Ok(Step::Impossible(why));
            }
        };
        let (settles, unless_settled) = (all(Fate::Remove), Unless::Nothing);
        let batch = Batch { puts: puts.clone(), settles: settles.clone(), unless_settled };
        let applied = self.engine.apply(batch, now).await.map_err(QueueError::Store)?;
        if !applied.puts.is_empty() {
            return Ok(Step::Moved(applied.puts.len()));
        }
        // Somebody has deleted one of them meanwhile. The others can go.
        let mut moved = 0;
        for (put, settle) in puts.into_iter().zip(settles) {
            let batch = Batch { puts: vec![put], settles: vec![settle], unless_settled };
            let applied = self.engine.apply(batch, now).await.map_err(QueueError::Store)?;
            moved += applied.puts.len();
        }
        Ok(Step::Moved(moved))
    }

    /// A message in its new queue. AWS: it is a new message, with a new id and a new time.
    fn moved(
        &self,
        task: &MoveRecord,
        leased: &Leased,
        now: Timestamp,
    ) -> Result<NewEntry, &'static str> {
        let head = Head::read(&leased.head);
        let destination = task.destination.as_ref().or(head.source.as_ref()).ok_or(NO_SOURCE)?;
        let queue = self.queue_of_arn(destination).ok_or(NO_QUEUE)?;
        Ok(NewEntry {
            lane: queue.lane(),
            group: leased.group.clone().filter(|_| queue.is_fifo()),
            put_at: now,
            due: now,
            sameness: None,
            head: Head { id: None, source: None, undone: None, ..head }.text(),
            body: leased.body.clone(),
        })
    }
}

fn refuse<T>(message: &str) -> Result<T, QueueError> {
    Err(QueueError::InvalidParameterValue(message.to_owned()))
}

fn checked_rate(rate: Option<i32>) -> Result<Option<u32>, QueueError> {
    let Some(rate) = rate else { return Ok(None) };
    let fits = u32::try_from(rate).ok().filter(|_| (1..=MOVE_RATE_MAX).contains(&rate));
    fits.map(Some).ok_or_else(|| {
        let reason = format!("Must be between 1 and {MOVE_RATE_MAX}, if provided.");
        QueueError::parameter(rate, "MaxNumberOfMessagesPerSecond", &reason)
    })
}

/// How long so many messages take at this rate.
fn pace(rate: Option<u32>, moved: usize) -> Duration {
    let Some(rate) = rate else { return Duration::ZERO };
    let moved = u32::try_from(moved).unwrap_or(u32::MAX);
    Duration::from_secs(1).saturating_mul(moved) / rate.max(1)
}
