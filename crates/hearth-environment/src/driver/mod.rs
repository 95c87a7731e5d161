//! The task that owns one environment.
//!
//! It turns what happens (messages from the scheduler, calls of the runtime, reports of the agent,
//! output, time) into events of [`crate::lifecycle`], and performs the actions that come back.
//! Nobody else touches the environment; everybody else holds a [`Handle`].
//!
//! ```text
//!  scheduler ── Assign, Retire ──▶ ┌────────┐ ◀── report ── agent
//!  runtime ──── next, response ──▶ │        │ ◀── bytes ─── output pipes
//!  extensions ─ register, next ──▶ │ driver │ ──▶ log stream, answer, scheduler
//!  clock ────── deadline ────────▶ └────────┘ ──▶ events and telemetry for extensions
//! ```

mod work;
mod extensions;
mod shutdown;
mod telemetry;
mod log;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hearth_guest::protocol::Report;
use hearth_runtimes::Runtime;
use hearth_types::errors::causes;
use hearth_types::function::Target;
use hearth_types::ids::EnvironmentId;
use hearth_types::limits;
use hearth_types::logs::LogSink;
use hearth_types::tasks::Tasks;
use hearth_types::time::Clock;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::backend::{Backend, Connection, Control, Door, Walls, WallsRequest, accept};
use crate::failure;
use crate::lifecycle::{Action, Cause, Event, Runtime as RuntimeState, State, Then};
use crate::mailbox::{Assignment, Epoch, Message};
use crate::runtime_api::{self, Call};
use crate::telemetry::hub::When;
use extensions::Beside;
use log::Log;
use work::Work;

/// How long an environment must be idle before it is frozen. Longer than the time between two
/// calls of a busy client, so that it does not pay for freezing; shorter than anything that a
/// function could get done in between.
const FREEZE_AFTER: Duration = Duration::from_millis(10);

/// Told what becomes of environments: the scheduler.
pub trait Keeper: Send + Sync + fmt::Debug {
    /// The environment is free.
    fn idle(&self, id: EnvironmentId, offered: Offered);

    /// The environment has answered, and will be idle when its runtime and its extensions have asked
    /// for more. Said before its caller knows.
    fn answered(&self, id: EnvironmentId);

    /// The environment has failed at its work. It will be idle when everything inside has been ended,
    /// or gone. Said before its caller knows.
    fn resetting(&self, id: EnvironmentId);

    /// The environment is gone. `error` says why, if it never came to be.
    fn gone(&self, id: EnvironmentId, error: Option<String>);
}

/// What an environment says when it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// The most memory that it ever used; 0 where this host cannot measure it.
    pub used_mb: u32,
    /// Whether its runtime is up.
    pub health: Health,
}

/// Whether the runtime of an idle environment waits for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Ready,
    /// It failed; the next invocation loads the function again.
    Failed,
}

/// What an environment is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// For a caller, now or soon.
    OnDemand,
    /// To be kept ready, because that was asked for.
    Provisioned,
}

impl Purpose {
    /// AWS's word for it.
    #[must_use]
    pub fn initialization(self) -> &'static str {
        match self {
            Self::OnDemand => "on-demand",
            Self::Provisioned => "provisioned-concurrency",
        }
    }
}

/// Serves connections that code inside makes to this server's API.
pub trait Gateway: Send + Sync + fmt::Debug {
    /// Serves one connection to its end.
    fn serve(&self, connection: Box<dyn Connection>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What every environment of a server has in common.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Who builds walls.
    pub backend: Arc<dyn Backend>,
    /// Where output goes.
    pub logs: Arc<dyn LogSink>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where calls from inside to this server's API go.
    pub gateway: Arc<dyn Gateway>,
    /// The address of that inside, if functions are to be told.
    pub endpoint: Option<String>,
    /// How fast a streamed answer may pass when its burst is used up; 0 means as fast as it can.
    pub stream_bytes_per_second: u64,
    /// The owner of all tasks of all environments.
    pub tasks: Tasks,
}

/// A new environment.
#[derive(Debug, Clone)]
pub struct Birth {
    /// Its id.
    pub id: EnvironmentId,
    /// What it will run.
    pub target: Arc<Target>,
    /// What that runs on.
    pub runtime: Arc<Runtime>,
    /// What it is started for.
    pub purpose: Purpose,
}

/// Reaches the task of one environment.
#[derive(Debug, Clone)]
pub struct Handle {
    id: EnvironmentId,
    mailbox: mpsc::Sender<Message>,
}

impl Handle {
    /// Which one.
    #[must_use]
    pub fn id(&self) -> EnvironmentId {
        self.id
    }

    /// Gives it work. The environment must be idle and known to nobody else.
    pub fn assign(&self, assignment: Assignment, tasks: &Tasks) {
        match self.mailbox.try_send(Message::Assign(Box::new(assignment))) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Closed(message)) => hand_back(message),
            // Flooded with calls from inside. It is ours all the same, so it gets its work when
            // there is room, and only it waits.
            Err(mpsc::error::TrySendError::Full(message)) => {
                let mailbox = self.mailbox.clone();
                tasks.spawn("assign to a flooded environment", async move {
                    if let Err(error) = mailbox.send(message).await {
                        hand_back(error.0);
                    }
                });
            }
        }
    }

    /// Tells it that it is not wanted any more. It finishes what it is doing.
    pub fn retire(&self, tasks: &Tasks) {
        let mailbox = self.mailbox.clone();
        if let Err(mpsc::error::TrySendError::Full(message)) = mailbox.try_send(Message::Retire) {
            tasks.spawn("retire an environment", async move {
                let _ = mailbox.send(message).await;
            });
        }
    }
}

/// Gives an invocation back that an environment cannot take any more.
fn hand_back(message: Message) {
    if let Message::Assign(assignment) = message {
        let Assignment { invocation, outcome, hold: _ } = *assignment;
        outcome.not_taken(invocation);
    }
}

/// Starts the task of a new environment.
#[must_use]
pub fn start(shared: &Shared, birth: Birth, keeper: Arc<dyn Keeper>) -> Handle {
    let (mailbox, messages) = mpsc::channel(limits::ENVIRONMENT_MAILBOX);
    let handle = Handle { id: birth.id, mailbox };
    let environment = Begin { shared: shared.clone(), birth, keeper, handle: handle.clone() };
    shared.tasks.spawn("environment", environment.live(messages));
    handle
}

/// An environment before its walls stand.
struct Begin {
    shared: Shared,
    birth: Birth,
    keeper: Arc<dyn Keeper>,
    handle: Handle,
}

impl Begin {
    async fn live(self, messages: mpsc::Receiver<Message>) {
        let began = Instant::now();
        let Birth { id, target, runtime, purpose: _ } = &self.birth;
        let request =
            WallsRequest { id: *id, target: Arc::clone(target), runtime: Arc::clone(runtime) };
        match self.shared.backend.build(&request).await {
            Ok(walls) => {
                let took = began.elapsed();
                tracing::debug!(environment = %id, ?took, "walls up");
                Driver::new(self, walls, messages, took).run().await;
            }
            Err(error) => {
                let error = causes(&error);
                tracing::error!(environment = %id, %error, "no walls");
                self.keeper.gone(*id, Some(error));
            }
        }
    }
}

/// What is to be done at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Deadline,
    Freeze,
    FullSpeedOver,
    Telemetry,
}

impl From<Due> for Woken {
    fn from(due: Due) -> Self {
        match due {
            Due::Deadline => Self::Deadline,
            Due::Freeze => Self::Freeze,
            Due::FullSpeedOver => Self::FullSpeedOver,
            Due::Telemetry => Self::Telemetry,
        }
    }
}

/// What woke the task.
enum Woken {
    /// A time that was put off since.
    Nothing,
    Message(Message),
    Report(std::io::Result<Report>),
    Output,
    Deadline,
    Freeze,
    FullSpeedOver,
    Telemetry,
    Abandoned,
}

/// An environment whose walls stand. Owns everything of it.
struct Driver {
    shared: Shared,
    birth: Birth,
    keeper: Arc<dyn Keeper>,
    control: Box<dyn Control>,
    messages: mpsc::Receiver<Message>,
    /// Where those report who deliver telemetry.
    mailbox: mpsc::Sender<Message>,
    state: State,
    work: Work,
    beside: Beside,
    log: Log,
    /// Wakes the task for what is due next, or earlier.
    timer: Pin<Box<Sleep>>,
    /// Init, the invocation, or a reset must be over by then.
    deadline: Option<Instant>,
    /// When an idle environment is frozen.
    freeze_at: Option<Instant>,
    /// When an init that takes long loses its full speed.
    full_speed_until: Option<Instant>,
    /// When telemetry is to be sent.
    telemetry_at: Option<Instant>,
    frozen: bool,
    /// Told to retire while it was at work.
    retiring: bool,
    epoch: watch::Sender<Epoch>,
}

impl Driver {
    fn new(
        begin: Begin,
        walls: Walls,
        messages: mpsc::Receiver<Message>,
        walls_took: Duration,
    ) -> Self {
        let Begin { shared, birth, keeper, handle } = begin;
        let Walls { control, runtime_api, endpoint, output } = walls;
        let (epoch, epochs) = watch::channel(0);
        let (environment, mailbox) = (birth.id, handle.mailbox.clone());
        let driver = runtime_api::server::Driver { environment, mailbox, epochs };
        let serving = runtime_api::server::serve(runtime_api, driver, shared.tasks.clone());
        shared.tasks.spawn("runtime api", serving);
        let mailbox = handle.mailbox;
        let serving = serve_endpoint(endpoint, mailbox.clone(), shared.clone());
        shared.tasks.spawn("endpoint inside", serving);
        let log = Log::new(&shared, &birth.target, output);
        let work = Work::new(walls_took);
        Self {
            shared,
            birth,
            keeper,
            control,
            messages,
            mailbox,
            state: State::Starting,
            work,
            beside: Beside::default(),
            log,
            timer: Box::pin(sleep_until(Instant::now())),
            deadline: None,
            freeze_at: None,
            full_speed_until: None,
            telemetry_at: None,
            frozen: false,
            retiring: false,
            epoch,
        }
    }

    async fn run(mut self) {
        self.happen(Event::WallsUp);
        while self.state != State::Stopping {
            self.telemetry_at = self.telemetry_due();
            match self.wait().await {
                Woken::Message(message) => self.told(message),
                Woken::Report(report) => self.reported(report),
                Woken::Output => self.log.read(self.shared.clock.now()),
                Woken::Deadline => {
                    self.deadline = None;
                    if matches!(self.state, State::ShuttingDown(_)) {
                        self.shutdown_times_out();
                    } else {
                        self.happen(Event::Lost(Cause::TimedOut));
                    }
                }
                Woken::Freeze => self.freeze(),
                Woken::FullSpeedOver => self.end_full_speed(),
                Woken::Telemetry => self.send_telemetry(When::Due),
                Woken::Nothing => {}
                Woken::Abandoned => self.happen(Event::Retired),
            }
        }
        self.stop().await;
    }

    /// Waits for whatever comes first. Every branch may be dropped while it waits.
    async fn wait(&mut self) -> Woken {
        let due = self.due();
        // The timer is only ever moved to an earlier time, and may wake for nothing: a busy
        // environment puts its times off with each call, and to tell the reactor costs more than that.
        if let Some((at, _)) = due
            && (self.timer.is_elapsed() || at < self.timer.deadline())
        {
            self.timer.as_mut().reset(at);
        }
        let Self { messages, control, log, timer, .. } = self;
        tokio::select! {
            biased;
            // Time comes first: code inside that is never silent must not be able to stop it.
            () = timer.as_mut(), if due.is_some() => match due {
                Some((at, due)) if at <= Instant::now() => due.into(),
                Some(_) | None => Woken::Nothing,
            },
            // An answer that was posted before the runtime ended is seen before its end.
            message = messages.recv() => message.map_or(Woken::Abandoned, Woken::Message),
            report = control.report() => Woken::Report(report),
            () = log.ready() => Woken::Output,
        }
    }

    /// What is due next.
    fn due(&self) -> Option<(Instant, Due)> {
        let all = [
            (self.deadline, Due::Deadline),
            (self.freeze_at, Due::Freeze),
            (self.full_speed_until, Due::FullSpeedOver),
            (self.telemetry_at, Due::Telemetry),
        ];
        let set = all.into_iter().filter_map(|(at, due)| Some((at?, due)));
        set.min_by_key(|(at, _)| *at)
    }

    fn told(&mut self, message: Message) {
        match message {
            Message::Assign(assignment) => self.assign(*assignment),
            Message::Retire if matches!(self.state, State::Busy(..)) => self.retiring = true,
            Message::Retire => self.happen(Event::Retired),
            // Dropped unanswered: whoever sent it is dead.
            Message::Call(epoch, _) | Message::Delivered(epoch, _)
                if epoch != *self.epoch.borrow() => {}
            Message::Call(_, call) => self.called(call),
            Message::Delivered(_, delivered) => self.delivered(delivered),
        }
    }

    fn assign(&mut self, assignment: Assignment) {
        if matches!(self.state, State::Idle(_)) {
            let id = assignment.invocation.id;
            self.work.assign(assignment);
            self.thaw();
            self.happen(Event::Assigned(id));
        } else {
            let Assignment { invocation, outcome, hold: _ } = assignment;
            outcome.not_taken(invocation);
        }
    }

    fn called(&mut self, call: Call) {
        match call {
            Call::Next(reply) => {
                if !self.work.next(reply) {
                    return;
                }
                if self.undelivered() {
                    // Its last connection broke just when there was an event for it.
                    self.deliver();
                } else {
                    self.runtime_asks();
                }
            }
            Call::Extension(call) => self.extension_called(*call),
            Call::Respond(id, posted, reply) => {
                if self.work.respond(&id, posted, reply) {
                    self.happen(Event::Answered);
                }
            }
            Call::BeginStream(beginning, reply) => self.begin_stream(beginning, reply),
            Call::EndStream(id, posted, reply) => self.end_stream(&id, posted, reply),
            Call::InitError(body, reply) => {
                if self.work.init_error(body, reply) {
                    self.happen(Event::Lost(Cause::InitError));
                }
            }
        }
    }

    fn reported(&mut self, report: std::io::Result<Report>) {
        match report {
            // What waits does so before there is a driver.
            Ok(Report::WallsUp | Report::Waiting | Report::NotWaiting) => {}
            Ok(Report::Running) => self.runtime_up(),
            Ok(Report::NotRunning(reason)) if failure::is_of_the_host(&reason) => {
                tracing::error!(environment = %self.birth.id, ?reason, "this host is exhausted");
                self.happen(Event::Lost(Cause::Walls));
            }
            Ok(Report::NotRunning(reason)) => {
                self.work.not_running(reason);
                self.runtime_down();
                self.happen(Event::Lost(Cause::Exited));
            }
            Ok(Report::Exited(exit)) => {
                self.work.exited(exit);
                self.runtime_down();
                self.happen(Event::Lost(Cause::Exited));
            }
            Ok(Report::Extensions(launched)) => self.extensions_launched(launched),
            Ok(Report::ExtensionExited { name, exit }) => self.extension_exited(&name, exit),
            Ok(Report::Dialed { ticket }) => self.dialed(ticket),
            Ok(Report::NotDialed { ticket, reason }) => self.not_dialed(ticket, &reason),
            Ok(Report::ResetDone) => {
                self.epoch.send_modify(|epoch| *epoch += 1);
                self.log.end_extensions(self.shared.clock.now());
                self.happen(Event::ResetDone);
            }
            Ok(Report::WallsFailed(failed)) => {
                tracing::error!(environment = %self.birth.id, %failed, "walls failed late");
                self.happen(Event::Lost(Cause::Walls));
            }
            Err(error) => {
                tracing::warn!(environment = %self.birth.id, %error, "the agent is gone");
                self.happen(Event::Lost(Cause::Walls));
            }
        }
    }

    /// Takes a step and performs its actions.
    fn happen(&mut self, event: Event) {
        let (state, actions) = match self.state.step(event) {
            Ok(step) => step,
            Err(forbidden) => {
                tracing::error!(environment = %self.birth.id, %forbidden, "a bug in Hearth");
                self.state = State::Stopping;
                return;
            }
        };
        let before = std::mem::replace(&mut self.state, state);
        let resets = matches!(state, State::ShuttingDown(Then::Reset) | State::Resetting);
        if matches!(before, State::Busy(..)) && resets && !self.retiring {
            self.keeper.resetting(self.birth.id);
        }
        for action in actions {
            self.perform(action);
        }
        if self.retiring && matches!(self.state, State::Idle(_)) {
            self.happen(Event::Retired);
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::StartRuntime => self.start_runtime(),
            Action::RunRuntime => self.run_runtime(),
            Action::ConcludeInit => {
                self.introduce_extensions();
                self.init_observed();
                self.conclude_init();
            }
            Action::FailInit(cause) => {
                self.introduce_extensions();
                self.failed_init_observed(cause);
                self.fail_init(cause);
            }
            Action::Offer => self.offer(),
            Action::Deliver(_) => {
                self.start_observed();
                // AWS: extensions hear of it first.
                self.tell_of_invocation();
                self.deliver();
            }
            Action::Answer(_) => {
                self.answer_observed();
                if !self.retiring {
                    self.keeper.answered(self.birth.id);
                }
                self.answer();
            }
            Action::Fail(_, cause) => {
                self.fail(cause);
                self.invocation_observed();
            }
            Action::Spoil(_, cause) => self.spoil(cause),
            Action::Conclude(_) => self.conclude(),
            Action::ShutDown(reason) => self.shut_down(reason),
            Action::Reset => self.reset(),
            Action::TearDown | Action::Forget => {} // What `run` does when it has left its loop.
        }
    }

    fn offer(&mut self) {
        self.deadline = None;
        if self.retiring {
            return;
        }
        self.freeze_at = Some(Instant::now() + FREEZE_AFTER);
        let up = self.state == State::Idle(RuntimeState::Up);
        let health = if up { Health::Ready } else { Health::Failed };
        let used_mb = self.offered_memory();
        self.keeper.idle(self.birth.id, Offered { used_mb, health });
    }

    fn freeze(&mut self) {
        self.freeze_at = None;
        // A runtime that is down has nothing to freeze but the agent, and must be started again.
        if self.state == State::Idle(RuntimeState::Up) && !self.freezing_waits() {
            self.frozen =
                self.tell("freeze", |control| control.freeze(crate::backend::Freeze::Frozen));
        }
    }

    fn thaw(&mut self) {
        self.freeze_at = None;
        if self.frozen {
            self.frozen = false;
            self.tell("thaw", |control| control.freeze(crate::backend::Freeze::Thawed));
        }
    }

    fn reset(&mut self) {
        self.thaw();
        self.work.runtime_gone();
        self.beside = Beside::default();
        self.log.telemetry = None;
        self.deadline = Some(Instant::now() + Duration::from_secs(limits::RESET_SECONDS_MAX));
        self.tell("reset", |control| control.reset());
    }

    /// Speaks to the walls; if they do not listen, the agent's socket is about to say so as well.
    fn tell(
        &mut self,
        doing: &'static str,
        tell: impl FnOnce(&mut dyn Control) -> std::io::Result<()>,
    ) -> bool {
        let told = tell(self.control.as_mut());
        if let Err(error) = &told {
            tracing::warn!(environment = %self.birth.id, doing, %error, "the walls did not listen");
        }
        told.is_ok()
    }

    async fn stop(mut self) {
        let id = self.birth.id;
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            hand_back(message);
        }
        self.log.end(self.shared.clock.now());
        if let Err(leak) = self.control.tear_down().await {
            tracing::error!(environment = %id, %leak, "not everything was given back");
        }
        match self.state.step(Event::WallsDown) {
            Ok((state, _forget)) => self.state = state,
            Err(forbidden) => tracing::error!(environment = %id, %forbidden, "a bug in Hearth"),
        }
        self.keeper.gone(id, None);
    }
}

/// Hands connections from inside to the server's API until the environment's task is gone.
async fn serve_endpoint(mut door: Box<dyn Door>, driver: mpsc::Sender<Message>, shared: Shared) {
    if shared.endpoint.is_none() {
        return; // Functions are not to reach it, so nobody listens.
    }
    let places = Arc::new(tokio::sync::Semaphore::new(limits::RUNTIME_CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let connection = tokio::select! {
            connection = accept(door.as_mut()) => connection,
            () = driver.closed() => return,
        };
        let (serving, driver) = (shared.gateway.serve(connection), driver.clone());
        shared.tasks.spawn("endpoint connection", async move {
            tokio::select! {
                () = serving => {}
                () = driver.closed() => {}
            }
            drop(place);
        });
    }
}
