//! The path of an invocation: resolve, admit, place, run.
//!
//! [`Invoker::invoke`] is the only way to run a function, and [`Invoker::invoke_streaming`] for
//! whoever takes the answer as it comes. Everything that invokes ends there. [`Invoker::submit`]
//! takes what is to be run later.
//!
//! # Promises
//!
//! 1. An invocation that is accepted is answered exactly once, with an outcome or an error.
//! 2. A caller that goes away gives up its place in the queue; a function that has begun runs to
//!    its end.
//! 3. Nothing here waits for a disk, but [`Invoker::submit`], whose event must be durable.
//!
//! # Deliberately absent
//!
//! No AWS error names, no HTTP.

pub mod admission;
pub mod asynchronous;
pub mod waiting;
pub mod lineage;
pub mod statistics;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hearth_control::concurrency::RecursiveLoop;
use hearth_control::control::{Control, Resolved};
use hearth_control::error::ControlError;
use hearth_environment::invocation::{Answer, Completed, Invocation, LogRequest, RunResult};
use hearth_environment::mailbox::{Assignment, Hold, NotTaken, Taker};
use hearth_scheduler::driver::{Scheduler, Start};
use hearth_store::error::StoreError;
use hearth_store::queue::Queue;
use hearth_types::function::Target;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::metrics::{Metric, Metrics};
use hearth_types::names::{FunctionArn, Qualifier, Scope, Version};
use hearth_types::seldom::Seldom;
use hearth_types::steady::Steady;
use hearth_types::time::Moment;
use serde::de::IgnoredAny;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Why there is no environment: a part of [`InvokeError`].
pub use hearth_scheduler::driver::AcquireError;

use crate::admission::{Admission, Asked, Rules, Throttled};
use crate::statistics::{Ending, Run, Statistics, VersionFigures};

/// How often an invocation looks for another environment when the one that it was given went away
/// at that very moment.
const PLACEMENTS_MAX: usize = 8;

/// A call.
#[derive(Debug, Clone)]
pub struct InvokeRequest {
    /// Its id, chosen at the door.
    pub id: RequestId,
    /// What to run.
    pub function: FunctionArn,
    /// Which version of it.
    pub qualifier: Option<Qualifier>,
    /// The event: JSON, or nothing, which means `{}`.
    pub payload: Bytes,
    /// The caller's client context, as JSON text.
    pub client_context: Option<String>,
    /// The X-Ray header; one is made if there is none.
    pub trace: Option<String>,
    /// Whether the caller wants the end of the log.
    pub log: LogRequest,
}

/// An invocation that has an outcome.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What came of it.
    pub completed: Completed,
    /// The version that ran.
    pub version: Version,
    /// The X-Ray header that the function saw.
    pub trace: String,
}

/// An invocation that has an outcome, or the beginning of one.
#[derive(Debug)]
pub struct StreamedOutcome {
    /// What comes of it.
    pub answer: Answer,
    /// The version that runs.
    pub version: Version,
    /// The X-Ray header that the function sees.
    pub trace: String,
}

/// What an environment made of an invocation that it was given.
struct Ran<T> {
    outcome: T,
    target: Arc<Target>,
    start: Start,
    trace: String,
    queued: Duration,
    began: Instant,
}

/// Why an invocation has no outcome.
///
/// A function that ran and failed is not an error here.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// There is nothing to run, or not yet.
    #[error("the function cannot be invoked")]
    NotResolved(#[source] ControlError),
    /// The payload is too large.
    #[error("payload is {size} bytes and the limit is {limit}")]
    PayloadTooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The payload is too large for an event.
    #[error("payload of an event is {size} bytes and the limit is {limit}")]
    EventTooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The payload is not JSON.
    #[error("the payload is not JSON")]
    PayloadNotJson(#[source] serde_json::Error),
    /// There is no environment for it.
    #[error("no execution environment")]
    NotPlaced(#[source] AcquireError),
    /// It met a limit of the account or of its function.
    #[error("too many invocations: {0:?}")]
    Throttled(Throttled),
    /// Each environment that it was given went away.
    #[error("execution environments went away faster than they could be used")]
    NotTaken,
    /// The function has invoked itself too often in one chain.
    #[error(
        "Lambda has detected your function being invoked in a recursive loop with other Amazon Web Services resources and stopped your function's invocation."
    )]
    Recursive,
    /// The event could not be kept, so it was not accepted.
    #[error("the event could not be kept")]
    NotAccepted(#[source] StoreError),
}

/// What an invoker works with.
#[derive(Debug)]
pub struct Parts {
    /// What there is to run.
    pub control: Arc<Control>,
    /// Where it runs.
    pub scheduler: Arc<Scheduler>,
    /// How much of it may run.
    pub rules: Rules,
    /// Where events wait.
    pub queue: Arc<dyn Queue>,
    /// The time that the queue goes by.
    pub time: Arc<Steady>,
    /// Who counts.
    pub metrics: Arc<dyn Metrics>,
}

/// Runs functions.
#[derive(Debug)]
pub struct Invoker {
    control: Arc<Control>,
    scheduler: Arc<Scheduler>,
    queue: Arc<dyn Queue>,
    time: Arc<Steady>,
    metrics: Arc<dyn Metrics>,
    admission: Arc<Admission>,
    statistics: Statistics,
    /// That invocations have met limits.
    said: Mutex<Seldom>,
    /// What the time of admission is counted from.
    began: Instant,
}

impl Invoker {
    /// An invoker of the functions of a control plane.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { control, scheduler, rules, queue, time, metrics } = parts;
        Self {
            control,
            scheduler,
            queue,
            time,
            metrics,
            admission: Arc::new(Admission::new(rules)),
            statistics: Statistics::default(),
            said: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// What became of the invocations of each version, in no order.
    #[must_use]
    pub fn figures(&self) -> Vec<VersionFigures> {
        self.statistics.all()
    }

    /// How many invocations of an account run that no function has claimed for itself.
    #[must_use]
    pub fn running(&self, scope: &Scope) -> u32 {
        self.admission.running(scope)
    }

    /// How many requests there may be in a second where there may be so many executions; `None`
    /// for any number.
    #[must_use]
    pub fn requests_per_second_max(&self, executions: u32) -> Option<u64> {
        self.admission.requests_per_second_max(executions)
    }

    /// How long it has been there.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Checks whether a call could run, and does not run it.
    ///
    /// # Errors
    ///
    /// If it could not.
    pub fn dry_run(&self, request: &InvokeRequest) -> Result<(), InvokeError> {
        check_payload(&request.payload)?;
        self.resolve(request.id, &request.function, request.qualifier.as_ref()).map(drop)
    }

    fn resolve(
        &self,
        id: RequestId,
        function: &FunctionArn,
        qualifier: Option<&Qualifier>,
    ) -> Result<Resolved, InvokeError> {
        let resolved = self.control.resolve(function, qualifier, draw(id));
        resolved.map_err(InvokeError::NotResolved)
    }

    /// Runs a function and waits for its outcome.
    ///
    /// # Errors
    ///
    /// If no function code finished, for one of the reasons of [`InvokeError`].
    pub async fn invoke(&self, request: InvokeRequest) -> Result<Outcome, InvokeError> {
        let Ran { outcome: mut completed, target, start, trace, queued, began } =
            self.run(request, Taker::Whole).await?;
        complete(&mut completed, queued, began);
        self.note(&target, start, &completed);
        Ok(Outcome { completed, version: target.version, trace })
    }

    /// Runs a function and waits for the beginning of its answer, if it streams it, or else for all
    /// of it. The function runs on when the stream is dropped.
    ///
    /// # Errors
    ///
    /// If no function code began to answer, for one of the reasons of [`InvokeError`].
    pub async fn invoke_streaming(
        &self,
        request: InvokeRequest,
    ) -> Result<StreamedOutcome, InvokeError> {
        let Ran { outcome: mut answer, target, start, trace, queued, began } =
            self.run(request, Taker::Pieces).await?;
        match &mut answer {
            Answer::Whole(completed) => {
                complete(completed, queued, began);
                self.note(&target, start, completed);
            }
            // What its caller waits for is the beginning.
            Answer::Stream(_) => {
                let run = Run { start, ending: Ending::Succeeded, took: began.elapsed() };
                self.statistics.ran(&target, run, self.now());
            }
        }
        Ok(StreamedOutcome { answer, version: target.version, trace })
    }

    async fn run<T>(
        &self,
        request: InvokeRequest,
        taker: fn(oneshot::Sender<Result<T, NotTaken>>) -> Taker,
    ) -> Result<Ran<T>, InvokeError> {
        let began = Instant::now();
        check_payload(&request.payload)?;
        let (id, qualifier) = (request.id, request.qualifier.as_ref());
        let mut resolved = self.resolve(id, &request.function, qualifier)?;
        let trace = self.enter_lineage(request.trace, &request.function, &resolved)?;
        let (target, shares) = (resolved.target.id, resolved.shares);
        let asked = Asked { function: &request.function, target, shares };
        let admitted = self.admission.enter(asked, self.now());
        let hold: Hold = match admitted {
            Ok(execution) => Arc::new(execution),
            Err(throttled) => return Err(self.throttle(&resolved.target, throttled)),
        };
        let payload =
            if request.payload.is_empty() { Bytes::from_static(b"{}") } else { request.payload };
        let mut invocation = Invocation {
            id,
            payload,
            invoked_arn: resolved.invoked_arn.clone(),
            client_context: request.client_context,
            trace: trace.clone(),
            log: request.log,
        };
        for _placement in 0..PLACEMENTS_MAX {
            let lease = self.scheduler.acquire(&resolved.target, &resolved.runtime).await;
            let lease = lease.map_err(|error| {
                if matches!(error, AcquireError::Room | AcquireError::Scaling) {
                    self.statistics.throttled(&resolved.target, self.now());
                }
                InvokeError::NotPlaced(error)
            })?;
            let queued = began.elapsed();
            let start = lease.start();
            let (sender, receiver) = oneshot::channel();
            let outcome = taker(sender);
            lease.assign(Assignment { invocation, outcome, hold: Some(Arc::clone(&hold)) });
            match receiver.await {
                Ok(Ok(outcome)) => {
                    let target = resolved.target;
                    return Ok(Ran { outcome, target, start, trace, queued, began });
                }
                Ok(Err(NotTaken(back))) => {
                    invocation = back;
                    // It may have gone because the function was changed.
                    resolved = self.resolve(id, &request.function, qualifier)?;
                }
                Err(_gone) => return Err(InvokeError::NotTaken),
            }
        }
        Err(InvokeError::NotTaken)
    }
}

impl Invoker {
    /// The header that the function is to see, unless it has run too often in this chain.
    fn enter_lineage(
        &self,
        trace: Option<String>,
        function: &FunctionArn,
        resolved: &Resolved,
    ) -> Result<String, InvokeError> {
        let trace = trace.unwrap_or_else(new_trace);
        let entered = lineage::enter(&trace, function);
        let is_loop = entered.ran_before >= limits::RECURSIVE_INVOCATIONS_MAX;
        if is_loop && resolved.recursive_loop == RecursiveLoop::Terminate {
            self.metrics.add(Metric::RecursiveInvocationsDropped, function.name.as_str(), 1);
            return Err(InvokeError::Recursive);
        }
        Ok(entered.trace)
    }

    /// Counts an invocation that has met a limit, and says so now and then.
    fn throttle(&self, target: &Target, throttled: Throttled) -> InvokeError {
        let now = self.now();
        self.statistics.throttled(target, now);
        let times = self.said.lock().expect("nobody panics while counting").happened(now);
        if let Some(times) = times {
            let (function, limit) = (&target.function, throttled.limit);
            tracing::info!(%function, ?limit, times, "invocations meet a limit, this one last");
        }
        InvokeError::Throttled(throttled)
    }

    fn note(&self, target: &Target, start: Start, completed: &Completed) {
        let ending = match completed.result {
            RunResult::Success => Ending::Succeeded,
            RunResult::Unhandled => Ending::Failed,
        };
        let run = Run { start, ending, took: completed.timeline.total };
        self.statistics.ran(target, run, self.now());
    }
}

/// Where an alias with two versions leads: the random bits of the request's id, as a number from 0
/// up to 1.
fn draw(id: RequestId) -> f64 {
    let bits = u32::try_from(id.0.as_u128() & u128::from(u32::MAX)).unwrap_or_default();
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

fn complete(completed: &mut Completed, queued: Duration, began: Instant) {
    let timeline = &mut completed.timeline;
    timeline.total = began.elapsed();
    // What was spent on the walls and on init of a cold start is shown on its own.
    let cold = timeline.walls.unwrap_or_default() + timeline.init.unwrap_or_default();
    timeline.queued = queued.saturating_sub(cold);
}

fn check_payload(payload: &Bytes) -> Result<(), InvokeError> {
    let (size, limit) = (payload.len(), limits::PAYLOAD_SYNC_BYTES_MAX);
    if size > limit {
        return Err(InvokeError::PayloadTooLarge { size, limit });
    }
    check_json(payload)
}

fn check_json(payload: &Bytes) -> Result<(), InvokeError> {
    if payload.is_empty() {
        return Ok(());
    }
    let parsed = match std::str::from_utf8(payload) {
        Ok(text) => serde_json::from_str::<IgnoredAny>(text).map(drop),
        // A parser that keeps nothing does not look at what is in strings.
        Err(error) => Err(not_text(&payload[..error.valid_up_to()])),
    };
    parsed.map_err(InvokeError::PayloadNotJson)
}

/// What a parser would say about bytes that are not UTF-8 behind these.
fn not_text(before: &[u8]) -> serde_json::Error {
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    serde::de::Error::custom(format_args!("invalid UTF-8 at line {line} column {column}"))
}

/// A trace of our own: nobody upstream has begun one, and it is not sampled.
fn new_trace() -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let parent = uuid::Uuid::new_v4().simple().to_string();
    format!("Root=1-{}-{};Parent={};Sampled=0", &random[..8], &random[8..], &parent[..16])
}
