//! What runs beside the runtime: the extensions of an environment, and the driver's part in them.
//!
//! Who may do what is decided in [`crate::runtime_api::extensions`]; here are the connections on
//! which extensions wait, the events that go over them, and what becomes of a failure.

use std::collections::HashMap;

use hearth_guest::protocol::{Exit, Launched, NotLaunched, Program};
use hearth_types::ids::RequestId;
use hearth_types::limits::RUNTIME_CONNECTIONS_MAX;
use hearth_types::time::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::Driver;
use super::shutdown::Shutdown;
use super::telemetry::Observed;
use crate::failure::Failure;
use crate::lifecycle::{Cause, Event, Phase, State};
use crate::report;
use crate::runtime_api::ExtensionCall;
use crate::runtime_api::extensions::{
    Change, ExtensionEvent, ExtensionId, ExtensionRefusal, Extensions, Registered, Registration,
};
use crate::telemetry::events::Record;
use crate::variables;

type EventReply = oneshot::Sender<Result<ExtensionEvent, ExtensionRefusal>>;

/// What the driver knows of extensions. Of an environment without any, this is empty and stays so.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) known: Extensions,
    /// Connections on which extensions wait for an event.
    waiting: HashMap<ExtensionId, EventReply>,
    /// Events for which nobody listened just then.
    undelivered: HashMap<ExtensionId, ExtensionEvent>,
    /// The runtime, to be started when all extensions have registered.
    runtime: Option<Program>,
    /// Whether the agent has yet to say if there are extensions.
    looking: bool,
    /// Calls that came before it said so: as many as there may be connections, at the most.
    early: Vec<ExtensionCall>,
    /// Whether the runtime's process is there.
    pub(super) runtime_runs: bool,
    /// What went wrong first.
    trouble: Option<Trouble>,
    /// How far the shutdown phase is.
    pub(super) shutdown: Option<Shutdown>,
    /// When the init phase began, for those who subscribe later in it.
    pub(super) init_at: Timestamp,
    pub(super) observed: Observed,
}

/// How an extension failed.
enum Trouble {
    Crashed(Exit),
    NotLaunched(String, NotLaunched),
    InitError(String),
    ExitError(String),
}

impl Trouble {
    fn failure(&self, id: RequestId) -> Failure {
        match self {
            Self::Crashed(exit) => Failure::extension_crashed(id, *exit),
            Self::NotLaunched(name, reason) => Failure::extension_not_launched(id, name, *reason),
            Self::InitError(said) => Failure::extension(id, self.error_type(), said),
            Self::ExitError(said) => Failure::extension(id, self.error_type(), said),
        }
    }

    fn error_type(&self) -> &'static str {
        match self {
            Self::Crashed(_) => "Extension.Crash",
            Self::NotLaunched(..) => "Extension.LaunchError",
            Self::InitError(_) => "Extension.InitError",
            Self::ExitError(_) => "Extension.ExitError",
        }
    }
}

impl Beside {
    /// Remembers what went wrong. What comes after the first is its consequence.
    fn note(&mut self, trouble: Trouble) {
        if self.trouble.is_none() {
            self.trouble = Some(trouble);
        }
    }

    /// The type that the platform's log shows.
    pub(super) fn error_type(&self) -> &'static str {
        self.trouble.as_ref().map_or("Extension.Crash", Trouble::error_type)
    }

    /// What a caller is told about it.
    pub(super) fn failure(&self, id: RequestId) -> Failure {
        let nothing_known = || Failure::extension_crashed(id, Exit::Status(0));
        self.trouble.as_ref().map_or_else(nothing_known, |trouble| trouble.failure(id))
    }

    /// Hands an event over, or keeps it for when the extension asks again.
    pub(super) fn deliver(&mut self, id: ExtensionId, event: ExtensionEvent) {
        let event = match self.waiting.remove(&id) {
            Some(waiter) => match waiter.send(Ok(event)) {
                Ok(()) | Err(Err(_)) => return,
                Err(Ok(back)) => back,
            },
            None => event,
        };
        self.undelivered.insert(id, event);
    }
}

impl Driver {
    /// Starts what runs inside: the runtime, or the extensions that the agent finds before it.
    pub(super) fn start_inside(&mut self, mut program: Program) {
        // What those before said while they were being ended is not said by these.
        self.beside = Beside { init_at: self.shared.clock.now(), ..Beside::default() };
        // Extensions come with layers. Without any, nobody has to look for them.
        if self.birth.target.layers.is_some() {
            program.extensions = Some(variables::for_extensions(&program.variables));
        }
        self.tell("start the runtime", |control| control.run(&program));
        if program.extensions.take().is_some() {
            self.beside.runtime = Some(program);
            self.beside.looking = true;
        }
    }

    /// Starts the runtime beside its extensions.
    pub(super) fn run_runtime(&mut self) {
        if let Some(program) = self.beside.runtime.take() {
            self.tell("start the runtime", |control| control.run(&program));
        }
    }

    /// The runtime's process is there.
    pub(super) fn runtime_up(&mut self) {
        self.beside.runtime_runs = true;
        if self.beside.looking {
            self.beside.runtime = None;
            self.looked();
        }
    }

    /// The runtime's process is gone, or never came to be.
    pub(super) fn runtime_down(&mut self) {
        self.beside.runtime_runs = false;
        self.shutdown_goes_on();
    }

    /// It is known which extensions there are: those who called before that can be answered.
    fn looked(&mut self) {
        self.beside.looking = false;
        for call in std::mem::take(&mut self.beside.early) {
            self.extension_called(call);
        }
    }

    /// The agent found extensions and started them instead of the runtime.
    pub(super) fn extensions_launched(&mut self, launched: Vec<Launched>) {
        let output = self.control.take_extension_output();
        if !matches!(self.state, State::Loading | State::Busy(_, Phase::Loading)) {
            return; // From before a reset, which has ended them.
        }
        match output {
            Ok(output) => self.log.add_extensions(output),
            Err(error) => {
                tracing::warn!(environment = %self.birth.id, %error, "no output of extensions");
            }
        }
        self.open_telemetry();
        for Launched { name, refused } in launched {
            let error_type = refused.is_some().then_some("Extension.LaunchError");
            self.beside.known.found(&name, ExtensionId(Uuid::new_v4()), error_type);
            if let Some(reason) = refused {
                self.beside.note(Trouble::NotLaunched(name, reason));
            }
        }
        if self.beside.trouble.is_some() {
            self.happen(Event::Lost(Cause::Extension));
        }
        self.looked();
    }

    /// The process of an extension ended, wanted or not.
    pub(super) fn extension_exited(&mut self, name: &str, exit: Exit) {
        // One that is not known was started before a reset.
        let known = self.beside.known.exited(name);
        if self.beside.shutdown.is_some() {
            self.shutdown_goes_on();
        } else if known {
            self.beside.note(Trouble::Crashed(exit));
            self.happen(Event::Lost(Cause::Extension));
        }
    }

    pub(super) fn extension_called(&mut self, call: ExtensionCall) {
        if call.is_abandoned() {
            return; // Its connection is gone: perhaps it is from before a reset.
        }
        if self.beside.looking {
            // Beyond that it is dropped, which is an answer as well.
            if self.beside.early.len() < RUNTIME_CONNECTIONS_MAX {
                self.beside.early.push(call);
            }
            return;
        }
        match call {
            ExtensionCall::Register(registration, reply) => {
                let registered = self.register(&registration);
                let counts = registered.is_ok();
                let _ = reply.send(registered);
                if counts {
                    self.go_on_loading();
                }
            }
            ExtensionCall::Next(id, reply) => self.extension_asks(id, reply),
            ExtensionCall::InitError(id, error_type, reply) => {
                let verdict = self.beside.known.init_error(id, &error_type);
                self.extension_fails(verdict, Trouble::InitError(error_type), reply);
            }
            ExtensionCall::ExitError(id, error_type, reply) => {
                let verdict = self.beside.known.exit_error(id, &error_type);
                self.extension_fails(verdict, Trouble::ExitError(error_type), reply);
            }
            ExtensionCall::Subscribe(id, subscription, reply) => {
                let _ = reply.send(self.subscribe(id, subscription));
            }
        }
    }

    fn register(&mut self, registration: &Registration) -> Result<Registered, ExtensionRefusal> {
        let id = self.beside.known.register(registration, ExtensionId(Uuid::new_v4()))?;
        let target = &self.birth.target;
        Ok(Registered {
            id,
            function_name: target.function.name.to_string(),
            function_version: target.version.to_string(),
            handler: target.handler.clone(),
            account_id: target.function.scope.account.to_string(),
        })
    }

    /// Goes on with the runtime, if it was only waiting for extensions to register.
    fn go_on_loading(&mut self) {
        let waits = self.beside.runtime.is_some() && self.beside.shutdown.is_none();
        if waits && self.beside.known.all_registered() {
            self.happen(Event::Registered);
        }
    }

    fn extension_asks(&mut self, id: ExtensionId, reply: EventReply) {
        let change = match self.beside.known.next(id) {
            Ok(change) => change,
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        // An earlier connection of it is one that nobody reads any more.
        self.beside.waiting.insert(id, reply);
        if let Some(event) = self.beside.undelivered.remove(&id) {
            self.beside.known.resume(id);
            self.beside.deliver(id, event);
        } else if change == Change::New {
            self.become_ready();
        }
    }

    fn extension_fails(
        &mut self,
        verdict: Result<Change, ExtensionRefusal>,
        trouble: Trouble,
        reply: oneshot::Sender<Result<(), ExtensionRefusal>>,
    ) {
        let counts = verdict == Ok(Change::New);
        let _ = reply.send(verdict.map(drop));
        if counts && self.beside.shutdown.is_none() {
            self.beside.note(trouble);
            self.happen(Event::Lost(Cause::Extension));
        }
    }

    /// The runtime has asked for an event, and it is news.
    pub(super) fn runtime_asks(&mut self) {
        self.beside.known.close();
        self.runtime_done();
        self.become_ready();
    }

    /// If all that run inside have asked for more, what was going on is over.
    fn become_ready(&mut self) {
        let awaited = matches!(
            self.state,
            State::Loading | State::Busy(_, Phase::Loading | Phase::Finishing)
        );
        if awaited && self.work.waits() && self.beside.known.all_ready() {
            self.happen(Event::Ready);
        }
    }

    /// An init phase is over, well or not: the log says where each extension is.
    pub(super) fn introduce_extensions(&mut self) {
        for introduction in self.beside.known.introductions() {
            let line = report::extension(&introduction);
            self.log.platform(&line, self.shared.clock.now());
            self.observe(|_| Record::Extension {
                name: introduction.name,
                state: introduction.state,
                events: introduction.events,
                error_type: introduction.error_type,
            });
        }
    }

    /// Tells those who subscribed of the invocation that the runtime is about to get.
    pub(super) fn tell_of_invocation(&mut self) {
        if self.beside.known.is_empty() {
            return;
        }
        let began = self.work.times().map_or_else(Instant::now, |(began, _)| began);
        let spent = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let timeout_ms = u64::from(self.birth.target.timeout_seconds) * 1_000;
        let deadline = self.shared.clock.now().plus_millis(timeout_ms.saturating_sub(spent));
        let Some(invocation) = self.work.pending() else { return };
        let event = ExtensionEvent::Invoke {
            request_id: invocation.id.to_string(),
            invoked_arn: invocation.invoked_arn.clone(),
            trace: invocation.trace.clone(),
            deadline_ms: deadline.0,
        };
        for id in self.beside.known.begin_invocation() {
            self.beside.deliver(id, event.clone());
        }
    }

    /// What went wrong after an answer, if it was not the runtime's fault: that is the report's news.
    pub(super) fn spoil(&mut self, cause: Cause) {
        let timeout = self.birth.target.timeout_seconds;
        let (runtime_is_done, beside) = (self.work.waits(), &self.beside);
        let blame = |id| match cause {
            Cause::Extension => Some(beside.failure(id)),
            Cause::TimedOut if runtime_is_done => Some(Failure::timed_out(id, timeout)),
            Cause::TimedOut | Cause::Exited | Cause::InitError | Cause::Walls => None,
        };
        self.work.spoil(blame);
    }
}
