//! What an environment is doing: its session with the runtime, the invocation it has, the time it
//! took. And the actions of the driver that are about that.

mod stream;

use std::time::Duration;

use bytes::Bytes;
use hearth_guest::protocol::{Exit, NotRunning, Program};
use hearth_runtimes::Kind;
use hearth_types::limits::{
    INIT_SECONDS_MAX, INIT_SECONDS_PROVISIONED, RESPONSE_BYTES_MAX, RUNTIME_NEXT_WAITERS_MAX,
    STREAM_BYTES_MAX,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Driver, Purpose};
use crate::backend::CpuShare;
use crate::failure::{Failure, Reported};
use crate::invocation::{Completed, Invocation, LogRequest, RunResult, Timeline};
use crate::lifecycle::{Cause, Phase, State};
use crate::mailbox::{Assignment, Hold, Taker};
use crate::report::{self, InitPhase, Report, ReportStatus};
use crate::runtime_api::session::{Refusal, Session};
use crate::runtime_api::{Delivery, Posted, Streamed};
use crate::variables::{self, Credentials, Surroundings};
use stream::Streaming;

type NextReply = oneshot::Sender<Result<Box<Delivery>, Refusal>>;
type PostReply = oneshot::Sender<Result<(), Refusal>>;

/// How long a runtime that has answered may take to ask for more before that is taken for a hang.
/// The function's own time limit applies as well, whichever is longer.
const FINISH_AFTER: Duration = Duration::from_secs(10);

pub(super) struct Work {
    session: Session,
    /// Connections on which the runtime waits for an event, the latest last.
    waiters: Vec<NextReply>,
    current: Option<Current>,
    /// How the runtime ended, if it did.
    ended: Option<Ended>,
    /// What the runtime said about why it could not load the function.
    init_error: Option<Bytes>,
    init_began: Option<Instant>,
    walls: Option<Duration>,
    /// How long init took; taken by the first invocation.
    init: Option<Duration>,
    /// Whether the runtime was ever started, for the first line of the log.
    introduced: bool,
    /// The most memory seen so far; read once per invocation.
    memory_used_mb: u32,
    /// Whether this host can measure it.
    measured: Measured,
}

/// Whether memory is measured.
enum Measured {
    No,
    Yes,
}

/// How a runtime ended.
enum Ended {
    Exited(Exit),
    NotRunning(NotRunning),
}

/// The invocation that is running.
struct Current {
    id: hearth_types::ids::RequestId,
    invocation: Option<Invocation>,
    log: LogRequest,
    /// Who waits for the outcome; taken by the beginning of a stream as well.
    outcome: Option<Taker>,
    /// The answer that goes to the caller in pieces.
    stream: Option<Streaming>,
    hold: Option<Hold>,
    began: Instant,
    /// When the answer was posted.
    answered: Option<Instant>,
    posted: Option<Posted>,
    failure: Option<Failure>,
    /// What the caller gets, held back until the report is written if it wants the log.
    completed: Option<(Bytes, RunResult)>,
}

impl Work {
    pub(super) fn new(walls: Duration) -> Self {
        Self {
            session: Session::Loading,
            waiters: Vec::new(),
            current: None,
            ended: None,
            init_error: None,
            init_began: None,
            walls: Some(walls),
            init: None,
            introduced: false,
            memory_used_mb: 0,
            measured: Measured::No,
        }
    }

    pub(super) fn assign(&mut self, assignment: Assignment) {
        let Assignment { invocation, outcome, hold } = assignment;
        self.current = Some(Current {
            id: invocation.id,
            log: invocation.log,
            invocation: Some(invocation),
            outcome: Some(outcome),
            stream: None,
            hold,
            began: Instant::now(),
            answered: None,
            posted: None,
            failure: None,
            completed: None,
        });
    }

    /// The runtime asks for an event. Returns whether that is news.
    pub(super) fn next(&mut self, reply: NextReply) -> bool {
        if reply.is_closed() {
            return false; // Its connection is gone: perhaps it is from before a reset.
        }
        match self.session.next() {
            Ok(next) => {
                let news = next == Session::Waiting && self.session != Session::Waiting;
                self.session = next;
                if self.waiters.len() >= RUNTIME_NEXT_WAITERS_MAX {
                    // The oldest is most likely a connection that nobody reads any more.
                    let _ = self.waiters.remove(0).send(Err(Refusal::Gone));
                }
                self.waiters.push(reply);
                news
            }
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                false
            }
        }
    }

    /// The runtime posts an answer. Returns whether it counts.
    pub(super) fn respond(&mut self, id: &str, posted: Posted, reply: PostReply) -> bool {
        let to = match posted {
            Posted::Error(_) => "InvocationErrorResponse",
            Posted::Response(_)
            | Posted::TooLarge
            | Posted::Truncated
            | Posted::UnknownMode
            | Posted::Streamed(_) => "InvocationResponse",
        };
        self.take(self.session.answer(id, to), posted, reply)
    }

    /// Takes what was posted, if it may be. Returns whether it counts.
    fn take(&mut self, next: Result<Session, Refusal>, posted: Posted, reply: PostReply) -> bool {
        match next {
            Ok(next) => {
                self.session = next;
                let verdict = verdict(&posted);
                let _ = reply.send(verdict);
                if let Some(current) = &mut self.current {
                    current.answered = Some(Instant::now());
                    current.posted = Some(posted);
                }
                true
            }
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                false
            }
        }
    }

    /// The runtime could not load the function. Returns whether it counts.
    pub(super) fn init_error(&mut self, body: Bytes, reply: PostReply) -> bool {
        let verdict = self.session.init_error();
        let counts = verdict.is_ok();
        if let Ok(next) = verdict {
            self.session = next;
            self.init_error = Some(body);
        }
        let _ = reply.send(verdict.map(drop));
        counts
    }

    pub(super) fn exited(&mut self, exit: Exit) {
        self.ended = Some(Ended::Exited(exit));
    }

    pub(super) fn not_running(&mut self, reason: NotRunning) {
        self.ended = Some(Ended::NotRunning(reason));
    }

    /// Nothing of the runtime is left to talk to.
    pub(super) fn runtime_gone(&mut self) {
        self.session = Session::Failed;
        for waiter in self.waiters.drain(..) {
            let _ = waiter.send(Err(Refusal::Gone));
        }
    }

    fn begin_init(&mut self) {
        self.session = Session::Loading;
        self.ended = None;
        self.init_error = None;
        self.init_began = Some(Instant::now());
    }
}

impl Driver {
    pub(super) fn start_runtime(&mut self) {
        self.work.begin_init();
        let timeout = u64::from(self.birth.target.timeout_seconds);
        // Within an invocation, loading is held to the function's own limit.
        let init = match self.birth.purpose {
            Purpose::OnDemand => INIT_SECONDS_MAX,
            Purpose::Provisioned => INIT_SECONDS_PROVISIONED.max(timeout),
        };
        let within = if self.work.current.is_some() { timeout } else { init };
        self.deadline = Some(Instant::now() + Duration::from_secs(within));
        let now = self.shared.clock.now();
        if !std::mem::replace(&mut self.work.introduced, true) {
            let runtime = &self.birth.runtime;
            let arn = runtime.version_arn(self.birth.target.function.scope.region.as_str());
            self.log.platform(&report::init_start(&runtime.manifest.version, &arn), now);
        }
        self.write_start();
        let program = self.program();
        // Within an invocation as well, but for no longer than an init phase may take: an invocation
        // may be long.
        self.full_speed_until = Some(Instant::now() + Duration::from_secs(INIT_SECONDS_MAX));
        self.tell("give it all CPU for init", |control| control.cpu(CpuShare::Unlimited));
        self.start_inside(program);
    }

    /// Writes the first line of the invocation that is running, if there is one.
    fn write_start(&mut self) {
        let Some(current) = &self.work.current else { return };
        if current.log == LogRequest::Tail {
            self.log.keep_tail();
        }
        let version = self.birth.target.version.to_string();
        let line = report::start(&current.id.to_string(), &version);
        self.log.platform(&line, self.shared.clock.now());
    }

    fn program(&self) -> Program {
        let target = &self.birth.target;
        let around = Surroundings {
            log_stream: self.log.name(),
            credentials: &session_credentials(),
            endpoint: self.shared.endpoint.as_deref(),
            initialization: self.birth.purpose.initialization(),
        };
        let runtime = &self.birth.runtime;
        let mut candidates = runtime.candidates(target.memory_mb, &target.handler);
        // AWS: a script that is given the runtime's command line. Not for provided runtimes.
        if let Some(wrapper) = target.variables.get("AWS_LAMBDA_EXEC_WRAPPER")
            && runtime.manifest.kind == Kind::Managed
        {
            candidates.iter_mut().for_each(|arguments| arguments.insert(0, wrapper.clone()));
        }
        Program {
            candidates,
            variables: variables::variables(target, &self.birth.runtime, &around),
            directory: "/var/task".to_owned(),
            extensions: None,
        }
    }

    pub(super) fn conclude_init(&mut self) {
        let took = self.work.init_began.take().map(|began| began.elapsed());
        // A second init is a part of its invocation's duration already.
        if self.work.current.is_none() {
            self.work.init = took;
            self.deadline = None;
        }
        self.end_full_speed();
    }

    /// From now on its share of CPU is what its memory says.
    pub(super) fn end_full_speed(&mut self) {
        self.full_speed_until = None;
        self.tell("hold it to its share of CPU", |control| control.cpu(CpuShare::Proportional));
    }

    pub(super) fn fail_init(&mut self, cause: Cause) {
        let took = self.work.init_began.take().map_or(Duration::ZERO, |began| began.elapsed());
        let phase = if self.work.current.is_some() { InitPhase::Invoke } else { InitPhase::Init };
        let status = match cause {
            Cause::TimedOut => ReportStatus::Timeout,
            Cause::InitError => {
                ReportStatus::Error { error_type: init_error_type(self.work.init_error.as_ref()) }
            }
            Cause::Extension => ReportStatus::Error { error_type: self.beside.error_type() },
            Cause::Exited | Cause::Walls => match &self.work.ended {
                Some(Ended::NotRunning(_)) => {
                    ReportStatus::Error { error_type: "Runtime.InvalidEntrypoint" }
                }
                _ => ReportStatus::Error { error_type: "Runtime.ExitError" },
            },
        };
        let line = report::init_report(took, phase, status);
        self.log.platform(&line, self.shared.clock.now());
    }

    pub(super) fn deliver(&mut self) {
        let now = self.shared.clock.now();
        let Some(current) = &mut self.work.current else { return };
        let Some(invocation) = current.invocation.take() else { return };
        let id = current.id;
        let timeout_ms = u64::from(self.birth.target.timeout_seconds) * 1_000;
        let spent = u64::try_from(current.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.deadline.is_none() {
            self.deadline = Some(current.began + Duration::from_millis(timeout_ms));
            self.write_start();
        }
        let deadline_ms = now.plus_millis(timeout_ms.saturating_sub(spent)).0;
        let mut delivery = Box::new(Delivery { invocation, deadline_ms });
        // The latest connection that still listens; the others are left waiting.
        while let Some(waiter) = self.work.waiters.pop() {
            match waiter.send(Ok(delivery)) {
                Ok(()) => {
                    self.work.session = Session::Handling(id);
                    return;
                }
                Err(Ok(back)) => delivery = back,
                Err(Err(_)) => return,
            }
        }
        // Nobody listens just now: kept for the next who asks, within the invocation's time.
        self.work.session = Session::Answered(id);
        if let Some(current) = &mut self.work.current {
            current.invocation = Some(delivery.invocation);
        }
    }

    pub(super) fn answer(&mut self) {
        // The runtime may finish in its own time, but not for ever. AWS: where extensions have a
        // part in the invocation, the function's time limit is also theirs.
        if !self.beside.known.take_part() {
            let finish = Instant::now() + FINISH_AFTER;
            self.deadline = Some(self.deadline.map_or(finish, |deadline| deadline.max(finish)));
        }
        let Some(current) = &mut self.work.current else { return };
        let posted = current.posted.take().expect("an answer was posted");
        let completed = match posted {
            Posted::Response(body) => (body, RunResult::Success),
            Posted::Error(body) => (body, RunResult::Unhandled),
            Posted::TooLarge => current.fail(Failure::response_too_large()),
            Posted::Truncated => current.fail(Failure::truncated(current.id)),
            Posted::UnknownMode => current.fail(Failure::invalid_response_mode(current.id)),
            Posted::Streamed(streamed) => current.streamed(streamed),
        };
        current.completed = Some(completed);
        if current.log == LogRequest::None {
            self.settle(None);
        }
    }

    pub(super) fn fail(&mut self, cause: Cause) {
        let out_of_memory = self.was_out_of_memory();
        let Some(current) = &mut self.work.current else { return };
        current.answered = Some(Instant::now());
        let id = current.id;
        let failure = match (cause, &self.work.ended) {
            (Cause::TimedOut, _) => Failure::timed_out(id, self.birth.target.timeout_seconds),
            (Cause::Walls, _) => Failure::walls(id),
            (Cause::Extension, _) => self.beside.failure(id),
            (_, Some(Ended::NotRunning(reason))) => Failure::not_running(id, reason),
            (_, Some(Ended::Exited(exit))) => Failure::exited(id, *exit, out_of_memory),
            (_, None) => Failure::exited(id, Exit::Status(0), false),
        };
        let completed = match self.work.init_error.take() {
            // What the runtime itself said is better than what we saw.
            Some(said) if !matches!(cause, Cause::TimedOut | Cause::Extension) => {
                let reported = Reported::Error(init_error_type(Some(&said)));
                let _ = current.fail(Failure { reported, ..failure });
                (said, RunResult::Unhandled)
            }
            _ => current.fail(failure),
        };
        current.completed = Some(completed);
        if current.log == LogRequest::None {
            self.settle(None);
        }
    }

    fn was_out_of_memory(&mut self) -> bool {
        matches!(self.work.ended, Some(Ended::Exited(Exit::Signal(9))))
            && self.control.memory().is_ok_and(|figures| figures.kills > 0)
    }

    /// Writes the report of the invocation, and lets go of it.
    pub(super) fn conclude(&mut self) {
        let now = self.shared.clock.now();
        let memory_used_mb = self.read_memory();
        let Some(current) = &self.work.current else { return };
        let id = current.id.to_string();
        let duration = current.began.elapsed();
        let init = self.work.init;
        let billed = report::billed_millis(duration, init);
        let status = current.failure.as_ref().map(|failure| match failure.reported {
            Reported::Timeout => ReportStatus::Timeout,
            Reported::Error(error_type) => ReportStatus::Error { error_type },
        });
        let report = Report {
            request_id: &id,
            duration,
            billed: Duration::from_millis(billed),
            memory_mb: self.birth.target.memory_mb,
            memory_used_mb,
            init,
            status,
        };
        self.log.platform(&report::end(&id), now);
        self.log.platform(&report::report(&report), now);
        self.report_observed(&report);
        let tail = self.log.take_tail();
        self.settle(tail);
        self.work.current = None;
        self.work.walls = None;
        self.work.init = None;
    }

    fn read_memory(&mut self) -> u32 {
        let bytes = self.control.memory().unwrap_or_default().peak_bytes;
        let megabytes = u32::try_from(bytes.div_ceil(1024 * 1024)).unwrap_or(u32::MAX);
        self.work.measured = if bytes > 0 { Measured::Yes } else { Measured::No };
        self.work.memory_used_mb = megabytes.clamp(1, self.birth.target.memory_mb);
        self.work.memory_used_mb
    }

    /// The same for whoever sets memory aside: 0 where it cannot be measured.
    pub(super) fn offered_memory(&mut self) -> u32 {
        let known = self.known_memory();
        match self.work.measured {
            Measured::Yes => known,
            Measured::No => 0,
        }
    }

    /// The figure of the last report, or a new one if there was none.
    pub(super) fn known_memory(&mut self) -> u32 {
        match self.work.memory_used_mb {
            0 => self.read_memory(),
            known => known,
        }
    }

    /// Gives the caller what it waits for, once.
    fn settle(&mut self, log_tail: Option<Vec<u8>>) {
        // A warm invocation does not wait for figures that its report reads anyway.
        let memory_used_mb = self.known_memory();
        let Some(current) = &mut self.work.current else { return };
        let Some((payload, result)) = current.completed.take() else { return };
        let handler = current.answered.map_or(Duration::ZERO, |at| at - current.began);
        let timeline = Timeline {
            walls: self.work.walls,
            init: self.work.init,
            handler,
            billed_ms: report::billed_millis(handler, self.work.init),
            memory_used_mb,
            ..Timeline::default()
        };
        // Its place is free before the caller knows, who may come back at once.
        drop(current.hold.take());
        match (current.stream.take(), current.outcome.take()) {
            (Some(stream), _) => stream.end(log_tail),
            (None, Some(caller)) => {
                caller.complete(Completed { payload, result, log_tail, timeline });
            }
            (None, None) => {}
        }
    }

    /// Whether the runtime, asking for an event, is to be given the one that could not be
    /// delivered before.
    pub(super) fn undelivered(&self) -> bool {
        matches!(self.state, State::Busy(_, Phase::Handling))
            && self.work.current.as_ref().is_some_and(|current| current.invocation.is_some())
    }
}

/// What the driver's other parts ask and tell about the work.
impl Work {
    /// Whether the runtime waits for an event.
    pub(super) fn waits(&self) -> bool {
        self.session == Session::Waiting
    }

    /// Nothing that the runtime says counts any more. Its connections stay, for it may still end
    /// in its own way.
    pub(super) fn session_over(&mut self) {
        self.session = Session::Failed;
    }

    /// The invocation that the runtime does not have yet.
    pub(super) fn pending(&self) -> Option<&Invocation> {
        self.current.as_ref()?.invocation.as_ref()
    }

    /// When the invocation began, and when it was answered.
    pub(super) fn times(&self) -> Option<(Instant, Option<Instant>)> {
        self.current.as_ref().map(|current| (current.began, current.answered))
    }

    /// Which invocation there is.
    pub(super) fn request_id(&self) -> Option<String> {
        self.current.as_ref().map(|current| current.id.to_string())
    }

    /// How the invocation failed, if the platform says that it did.
    pub(super) fn failed(&self) -> Option<ReportStatus<'static>> {
        let failure = self.current.as_ref()?.failure.as_ref()?;
        Some(match failure.reported {
            Reported::Timeout => ReportStatus::Timeout,
            Reported::Error(error_type) => ReportStatus::Error { error_type },
        })
    }

    /// How large the answer is that was just posted, if it was posted whole.
    pub(super) fn produced_bytes(&self) -> Option<u64> {
        match self.current.as_ref()?.posted.as_ref()? {
            Posted::Response(body) | Posted::Error(body) => Some(body.len() as u64),
            Posted::TooLarge | Posted::Truncated | Posted::UnknownMode | Posted::Streamed(_) => {
                None
            }
        }
    }

    /// How long the init phase has taken.
    pub(super) fn init_took(&self) -> Duration {
        self.init_began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// An invocation that was answered has failed all the same, if anybody is to blame.
    pub(super) fn spoil(
        &mut self,
        blame: impl FnOnce(hearth_types::ids::RequestId) -> Option<Failure>,
    ) {
        if let Some(current) = &mut self.current
            && current.failure.is_none()
        {
            current.failure = blame(current.id);
        }
    }
}

impl Current {
    fn fail(&mut self, failure: Failure) -> (Bytes, RunResult) {
        let body = Bytes::from(failure.body());
        if let Some(stream) = &mut self.stream {
            stream.fail(&failure);
        }
        self.failure = Some(failure);
        (body, RunResult::Unhandled)
    }
}

/// What the runtime is told of its answer.
fn verdict(posted: &Posted) -> Result<(), Refusal> {
    match posted {
        Posted::Response(_)
        | Posted::Error(_)
        | Posted::Streamed(Streamed::Whole | Streamed::Failed(_)) => Ok(()),
        Posted::TooLarge => Err(Refusal::TooLarge { limit: RESPONSE_BYTES_MAX as u64 }),
        Posted::Streamed(Streamed::TooLarge) => Err(Refusal::TooLarge { limit: STREAM_BYTES_MAX }),
        Posted::Truncated | Posted::Streamed(Streamed::Truncated) => Err(Refusal::Truncated),
        Posted::UnknownMode => Err(Refusal::UnknownMode),
    }
}

/// The type that the platform's log shows: the runtime's own if it has the platform's form.
fn init_error_type(said: Option<&Bytes>) -> &'static str {
    let said: Option<serde_json::Value> = said.and_then(|body| serde_json::from_slice(body).ok());
    let said = said.as_ref().and_then(|body| body["errorType"].as_str()).unwrap_or_default();
    const KNOWN: &[&str] = &[
        "Runtime.ImportModuleError",
        "Runtime.HandlerNotFound",
        "Runtime.MalformedHandlerName",
        "Runtime.UserCodeSyntaxError",
        "Runtime.ExitError",
    ];
    KNOWN.iter().find(|known| **known == said).copied().unwrap_or("Runtime.Unknown")
}

/// A session of the function's role. Nobody checks it while authentication is off, but an SDK
/// refuses to make a request without one.
fn session_credentials() -> Credentials {
    let random = || uuid::Uuid::new_v4().simple().to_string();
    let access = random().to_ascii_uppercase();
    Credentials {
        access_key_id: format!("ASIA{}", &access[..16]),
        secret_access_key: format!("{}{}", random(), &random()[..8]),
        session_token: format!("{}{}", random(), random()),
    }
}
