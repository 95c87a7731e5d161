//! The driver's part in telemetry: what happened when, who is told, and over which connection.

use std::time::Duration;

use hearth_types::limits::TELEMETRY_GRACE_MILLIS;
use hearth_types::time::Timestamp;
use tokio::time::Instant;

use super::Driver;
use crate::backend::Connection;
use crate::lifecycle::{Cause, Phase as Progress, State};
use crate::mailbox::Message;
use crate::report::{Report, ReportStatus};
use crate::runtime_api::extensions::{ExtensionId, ExtensionRefusal};
use crate::telemetry::deliver::{self, Delivered, Parcel, Sent};
use crate::telemetry::events::{Event, Init, Metrics, Outcome, Phase, Record, Span};
use crate::telemetry::hub::{Errand, Hub, When};
use crate::telemetry::subscription::Subscription;

/// A ticket of the agent is an epoch and a subscriber: what was dialed before a reset is not for
/// those after it.
const SUBSCRIBER_BITS: u32 = 8;

/// What is remembered of an invocation for its events, if anybody subscribed.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    trace: String,
    produced_bytes: Option<u64>,
    /// Whether the runtime's part of the init phase was told.
    init_done: bool,
    /// When the runtime's part of the invocation was over.
    runtime_done: Option<Instant>,
}

impl Driver {
    /// Tells those who subscribed, if there are any.
    pub(super) fn observe(&mut self, record: impl FnOnce(&Self) -> Record) {
        if self.log.telemetry.is_none() {
            return;
        }
        let now = self.shared.clock.now();
        self.log.drain(now); // What was written until now comes first.
        let event = Event { at: now, record: record(self) };
        if let Some(hub) = &mut self.log.telemetry {
            hub.push(event, Instant::now());
        }
    }

    /// From now on what happens is kept for those who subscribe later.
    pub(super) fn open_telemetry(&mut self) {
        if self.log.telemetry.is_some() {
            return;
        }
        let mut hub = Box::new(Hub::new());
        let event = Event { at: self.beside.init_at, record: self.init_start() };
        hub.push(event, Instant::now());
        self.log.telemetry = Some(hub);
    }

    fn init_start(&self) -> Record {
        let (target, runtime) = (&self.birth.target, &self.birth.runtime);
        Record::InitStart {
            init: self.init_phase(),
            function_name: target.function.name.to_string(),
            function_version: target.version.to_string(),
            runtime_version: runtime.manifest.version.clone(),
            runtime_version_arn: runtime.version_arn(target.function.scope.region.as_str()),
            instance_id: self.log.name().to_owned(),
            memory_bytes: u64::from(target.memory_mb) * 1024 * 1024,
        }
    }

    fn init_phase(&self) -> Init {
        let phase = if self.work.times().is_some() { Phase::Invoke } else { Phase::Init };
        Init { phase, purpose: self.birth.purpose }
    }

    /// An extension subscribes, which it may do in the init phase only.
    pub(super) fn subscribe(
        &mut self,
        id: ExtensionId,
        subscription: Subscription,
    ) -> Result<(), ExtensionRefusal> {
        let name = self.beside.known.name(id)?.to_owned();
        if !matches!(self.state, State::Loading | State::Busy(_, Progress::Loading)) {
            return Err(ExtensionRefusal::SubscriptionClosed);
        }
        self.open_telemetry();
        let (interface, topics) = (subscription.interface, subscription.topics.clone());
        let hub = self.log.telemetry.as_mut().expect("it was opened just now");
        if !hub.subscribe(id, subscription, Instant::now()) {
            return Err(ExtensionRefusal::SubscribedOtherwise);
        }
        self.observe(|_| Record::Subscribed { name, interface, topics });
        Ok(())
    }

    /// The init phase went well, and nobody else may subscribe.
    pub(super) fn init_observed(&mut self) {
        let took = self.work.init_took();
        let init = self.init_phase();
        self.observe(|_| Record::InitReport { init, outcome: Outcome::Success, duration: took });
        if self.log.telemetry.as_mut().is_some_and(|hub| !hub.close()) {
            self.log.telemetry = None;
        }
    }

    /// The init phase failed.
    pub(super) fn failed_init_observed(&mut self, cause: Cause) {
        if self.log.telemetry.is_none() {
            return;
        }
        let outcome = match cause {
            Cause::TimedOut => Outcome::Timeout,
            Cause::Extension => Outcome::Error(self.beside.error_type().to_owned()),
            Cause::InitError => Outcome::Error("Runtime.InitError".to_owned()),
            Cause::Exited | Cause::Walls => Outcome::Error("Runtime.ExitError".to_owned()),
        };
        let (took, init) = (self.work.init_took(), self.init_phase());
        if !self.beside.observed.init_done {
            let outcome = outcome.clone();
            self.observe(|_| Record::InitRuntimeDone { init, outcome });
        }
        self.observe(|_| Record::InitReport { init, outcome, duration: took });
    }

    /// An invocation is about to be delivered.
    pub(super) fn start_observed(&mut self) {
        if self.log.telemetry.is_none() {
            return;
        }
        let Some(invocation) = self.work.pending() else { return };
        let (request_id, trace) = (invocation.id.to_string(), invocation.trace.clone());
        self.beside.observed =
            Observed { trace: trace.clone(), init_done: true, ..Observed::default() };
        let version = self.birth.target.version.to_string();
        self.observe(|_| Record::Start { request_id, version, trace });
    }

    /// An answer was posted.
    pub(super) fn answer_observed(&mut self) {
        if self.log.telemetry.is_some() {
            self.beside.observed.produced_bytes = self.work.produced_bytes();
        }
    }

    /// The runtime's part is over: of the init phase, or of an invocation that it has answered.
    pub(super) fn runtime_done(&mut self) {
        if self.log.telemetry.is_none() {
            return;
        }
        match self.state {
            State::Loading | State::Busy(_, Progress::Loading) => {
                self.beside.observed.init_done = true;
                let init = self.init_phase();
                self.observe(|_| Record::InitRuntimeDone { init, outcome: Outcome::Success });
            }
            State::Busy(_, Progress::Finishing) => self.invocation_observed(),
            State::Busy(_, Progress::Handling)
            | State::Starting
            | State::Idle(_)
            | State::ShuttingDown(_)
            | State::Resetting
            | State::Stopping
            | State::Stopped => {}
        }
    }

    /// The runtime's part of the invocation is over, well or not.
    pub(super) fn invocation_observed(&mut self) {
        if self.log.telemetry.is_none() || self.beside.observed.runtime_done.is_some() {
            return;
        }
        let Some((began, answered)) = self.work.times() else { return };
        // What the function wrote until now comes before the news that it is done.
        self.log.drain(self.shared.clock.now());
        let now = Instant::now();
        self.beside.observed.runtime_done = Some(now);
        let request_id = self.work.request_id().unwrap_or_default();
        let outcome = outcome_of(self.work.failed().as_ref());
        let observed = self.beside.observed.clone();
        let mut spans = Vec::new();
        if let (Some(answered), Some(_)) = (answered, observed.produced_bytes) {
            let latency = answered.saturating_duration_since(began);
            let overhead = now.saturating_duration_since(answered);
            let whole = now.saturating_duration_since(began);
            spans.push(self.span("responseLatency", whole, latency));
            spans.push(self.span("runtimeOverhead", overhead, overhead));
        }
        self.observe(|_| Record::RuntimeDone {
            request_id,
            trace: observed.trace,
            outcome,
            duration: now.saturating_duration_since(began),
            produced_bytes: observed.produced_bytes,
            spans,
        });
    }

    /// A part of the time that began so long ago.
    fn span(&self, name: &'static str, ago: Duration, duration: Duration) -> Span {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        let start = Timestamp(self.shared.clock.now().0.saturating_sub(ago));
        Span { name, start, duration }
    }

    /// An invocation is over, extensions included.
    pub(super) fn report_observed(&mut self, report: &Report<'_>) {
        if self.log.telemetry.is_none() {
            return;
        }
        self.invocation_observed();
        let observed = std::mem::take(&mut self.beside.observed);
        let overhead = observed.runtime_done.map_or(Duration::ZERO, |at| at.elapsed());
        let spans = vec![self.span("extensionOverhead", overhead, overhead)];
        let metrics = Metrics {
            duration: report.duration,
            billed_ms: u64::try_from(report.billed.as_millis()).unwrap_or(u64::MAX),
            memory_mb: report.memory_mb,
            memory_used_mb: report.memory_used_mb,
            init: report.init,
        };
        let request_id = report.request_id.to_owned();
        let outcome = outcome_of(report.status.as_ref());
        self.observe(|_| Record::Report {
            request_id,
            trace: observed.trace,
            outcome,
            metrics,
            spans,
        });
        if let Some(hub) = &mut self.log.telemetry {
            hub.graced = false;
        }
    }

    /// When the next batch is due, unless nobody inside could take it.
    pub(super) fn telemetry_due(&self) -> Option<Instant> {
        let hub = self.log.telemetry.as_ref()?;
        if self.frozen { None } else { hub.due() }
    }

    /// Sends what is to be sent.
    pub(super) fn send_telemetry(&mut self, when: When) {
        if self.frozen {
            return;
        }
        let Some(hub) = &mut self.log.telemetry else { return };
        let epoch = *self.epoch.borrow();
        for errand in hub.errands(when, Instant::now(), self.shared.clock.now()) {
            match errand {
                Errand::Dial { subscriber, port } => {
                    let ticket = (epoch << SUBSCRIBER_BITS) | subscriber as u64;
                    self.tell("dial a subscriber", |control| control.dial(ticket, port));
                }
                Errand::Send { subscriber, connection, parcel } => {
                    self.spawn_delivery(subscriber, connection, parcel);
                }
            }
        }
    }

    /// The subscriber of a ticket, unless it is from before a reset.
    fn ticketed(&self, ticket: u64) -> Option<usize> {
        let current = ticket >> SUBSCRIBER_BITS == *self.epoch.borrow();
        let subscriber = usize::try_from(ticket & ((1 << SUBSCRIBER_BITS) - 1)).ok();
        subscriber.filter(|_| current)
    }

    /// The agent has connected to a subscriber.
    pub(super) fn dialed(&mut self, ticket: u64) {
        let connection = self.control.take_dialed();
        let Some(subscriber) = self.ticketed(ticket) else { return };
        match connection {
            Ok(connection) => {
                let hub = self.log.telemetry.as_mut();
                if let Some(parcel) = hub.and_then(|hub| hub.connected(subscriber)) {
                    self.spawn_delivery(subscriber, connection, parcel);
                }
            }
            Err(error) => self.not_dialed(ticket, &error.to_string()),
        }
    }

    /// Nobody listens where a subscriber said that it would.
    pub(super) fn not_dialed(&mut self, ticket: u64, reason: &str) {
        tracing::debug!(environment = %self.birth.id, reason, "telemetry was not taken");
        let subscriber = self.ticketed(ticket);
        if let (Some(subscriber), Some(hub)) = (subscriber, &mut self.log.telemetry) {
            hub.refused(subscriber, Instant::now());
        }
    }

    fn spawn_delivery(&self, subscriber: usize, connection: Box<dyn Connection>, parcel: Parcel) {
        let mailbox = self.mailbox.clone();
        let (mut epochs, epoch) = (self.epoch.subscribe(), *self.epoch.borrow());
        self.shared.tasks.spawn("telemetry of an environment", async move {
            let sent = tokio::select! {
                sent = deliver::send(connection, parcel) => sent,
                _reset = epochs.wait_for(|now| *now != epoch) => return,
                () = mailbox.closed() => return,
            };
            let delivered = Delivered { subscriber, sent };
            let _ = mailbox.send(Message::Delivered(epoch, delivered)).await;
        });
    }

    /// What became of a batch.
    pub(super) fn delivered(&mut self, delivered: Delivered) {
        let Delivered { subscriber, sent } = delivered;
        let Some(hub) = &mut self.log.telemetry else { return };
        match sent {
            Sent::Taken(connection) => hub.taken(subscriber, connection),
            Sent::Refused => hub.refused(subscriber, Instant::now()),
        }
        if self.beside.shutdown.is_some() {
            self.send_telemetry(When::Now);
        }
    }

    /// Whether freezing waits a moment, once, so that subscribers can take what is left.
    pub(super) fn freezing_waits(&mut self) -> bool {
        let Some(hub) = &mut self.log.telemetry else { return false };
        if hub.graced || hub.is_quiet() {
            return false;
        }
        hub.graced = true;
        self.send_telemetry(When::Now);
        self.freeze_at = Some(Instant::now() + Duration::from_millis(TELEMETRY_GRACE_MILLIS));
        true
    }
}

fn outcome_of(status: Option<&ReportStatus<'_>>) -> Outcome {
    match status {
        None => Outcome::Success,
        Some(ReportStatus::Timeout) => Outcome::Timeout,
        Some(ReportStatus::Error { error_type }) => Outcome::Error((*error_type).to_owned()),
    }
}
