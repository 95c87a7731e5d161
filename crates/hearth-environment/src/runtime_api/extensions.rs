//! The extensions of one environment and where each of them is, pure.
//!
//! ```text
//!  found in /opt/extensions             register               next               (event)
//!           ──────────────▶ Started ───────────────▶ Registered ────▶ Ready ───────────────▶ Running
//!  any other name ── register, before the runtime asks ─▶ │             ▲                      │
//!                                              init error │             └──────── next ────────┘
//!                                                         ▼
//!                                                     InitError
//! ```
//!
//! From every state after `Started` an extension may say that it ends in an error (`ExitError`), and
//! its process may end (`Exited`). One that could not be started is a `LaunchError`.
//!
//! An *external* extension is a process of its own. An *internal* one lives in the runtime's, hears
//! of invocations only, and must register before the runtime asks for its first event.
//!
//! # Promises
//!
//! 1. There are never more than [`EXTENSIONS_MAX`] that registered.
//! 2. An event is for those that subscribed to it and wait for one, and for nobody else.
//!
//! # Deliberately absent
//!
//! No connections, no time, no processes: those are the driver's.

use hearth_types::limits::{EXTENSION_NAME_BYTES_MAX, EXTENSIONS_MAX};
use uuid::Uuid;

// The agent starts as many as may register.
const _: () = assert!(EXTENSIONS_MAX == hearth_guest::protocol::EXTENSIONS_MAX);

/// Tells an extension from every other one. It learns it when it registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtensionId(pub Uuid);

/// What an extension says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its name: that of its file, if it has one.
    pub name: String,
    /// The events that it wants, as it named them.
    pub events: Vec<String>,
}

/// What it is told in return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// What it is known by from now on.
    pub id: ExtensionId,
    /// The function's name.
    pub function_name: String,
    /// The function's version.
    pub function_version: String,
    /// The function's handler.
    pub handler: String,
    /// The function's account, for those who ask for it.
    pub account_id: String,
}

/// What an extension hears of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionEvent {
    /// The runtime gets an event.
    Invoke {
        /// Which invocation.
        request_id: String,
        /// The function as the caller named it.
        invoked_arn: String,
        /// The X-Ray header.
        trace: String,
        /// When it will be stopped, in milliseconds since 1970.
        deadline_ms: u64,
    },
    /// Everything is about to end.
    Shutdown {
        /// Why.
        reason: &'static str,
        /// When its processes are killed, in milliseconds since 1970.
        deadline_ms: u64,
    },
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionRefusal {
    /// There is no name, or it is too long.
    InvalidName,
    /// The body is not what it should be.
    InvalidFormat(String),
    /// There is no such event, or not for this kind of extension.
    InvalidEvent {
        /// What was asked for.
        event: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The runtime has asked for its first event.
    RegistrationClosed,
    /// There are as many as there may be.
    TooMany,
    /// An internal extension of this name has registered.
    NameTaken,
    /// The extension may not do this now.
    InvalidTransition {
        /// Where it is.
        from: &'static str,
        /// Where the call would take it.
        to: &'static str,
        /// Which one, by name or id.
        who: String,
    },
    /// Nobody registered as this.
    Unknown(ExtensionId),
    /// The init phase is over, and with it the time to subscribe.
    SubscriptionClosed,
    /// It subscribed through the other one of the two interfaces.
    SubscribedOtherwise,
    /// The environment is being taken down.
    Gone,
}

/// Whether a call changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It did.
    New,
    /// It said again what is known.
    Repeated,
}

/// How an extension is told that everything ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farewell {
    /// With an event, and time to end by itself.
    Event(ExtensionId),
    /// Not at all: it is killed, by name.
    Kill(String),
}

/// What extensions there are, as far as the shutdown phase cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// None.
    None,
    /// Some in the runtime, none of their own.
    Internal,
    /// At least one with a process of its own.
    External,
}

/// What the log says about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub state: &'static str,
    /// What it subscribed to.
    pub events: Vec<&'static str>,
    /// The type of its error, if it has failed.
    pub error_type: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    External,
    Internal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Started,
    Registered,
    Ready,
    Running,
    InitError,
    ExitError,
    Exited,
    LaunchError,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
            Self::Exited => "Exited",
            Self::LaunchError => "LaunchError",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EventType {
    Invoke,
    Shutdown,
}

impl EventType {
    fn name(self) -> &'static str {
        match self {
            Self::Invoke => "INVOKE",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

#[derive(Debug)]
struct Extension {
    id: ExtensionId,
    name: String,
    kind: Kind,
    state: State,
    events: Vec<EventType>,
    error_type: Option<String>,
}

impl Extension {
    fn wants(&self, event: EventType) -> bool {
        self.events.contains(&event)
    }

    fn refuse(&self, to: State, who: String) -> ExtensionRefusal {
        ExtensionRefusal::InvalidTransition { from: self.state.name(), to: to.name(), who }
    }

    /// Whether there is a process of its own that has not ended.
    fn lives(&self) -> bool {
        let over = matches!(self.state, State::Exited | State::LaunchError);
        self.kind == Kind::External && !over
    }
}

/// The extensions of one environment.
#[derive(Debug, Default)]
pub struct Extensions {
    all: Vec<Extension>,
    /// The runtime has asked for its first event.
    closed: bool,
}

impl Extensions {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// One was found, and started unless an error says why not.
    pub fn found(&mut self, name: &str, id: ExtensionId, error_type: Option<&str>) {
        self.all.push(Extension {
            id,
            name: name.to_owned(),
            kind: Kind::External,
            state: if error_type.is_some() { State::LaunchError } else { State::Started },
            events: Vec::new(),
            error_type: error_type.map(str::to_owned),
        });
    }

    /// One registers. An external one is known already, an internal one gets `id`.
    ///
    /// # Errors
    ///
    /// If it may not, or not for these events.
    pub fn register(
        &mut self,
        registration: &Registration,
        id: ExtensionId,
    ) -> Result<ExtensionId, ExtensionRefusal> {
        let Registration { name, events } = registration;
        if name.is_empty() || name.len() > EXTENSION_NAME_BYTES_MAX {
            return Err(ExtensionRefusal::InvalidName);
        }
        let known = self.all.iter().position(|one| one.kind == Kind::External && one.name == *name);
        if let Some(index) = known {
            let events = parse_events(events, Kind::External)?;
            let external = &mut self.all[index];
            if external.state != State::Started {
                return Err(external.refuse(State::Registered, name.clone()));
            }
            (external.state, external.events) = (State::Registered, events);
            return Ok(external.id);
        }
        let events = parse_events(events, Kind::Internal)?;
        if self.closed {
            return Err(ExtensionRefusal::RegistrationClosed);
        }
        if self.all.len() >= EXTENSIONS_MAX {
            return Err(ExtensionRefusal::TooMany);
        }
        if self.all.iter().any(|one| one.name == *name) {
            return Err(ExtensionRefusal::NameTaken);
        }
        self.all.push(Extension {
            id,
            name: name.clone(),
            kind: Kind::Internal,
            state: State::Registered,
            events,
            error_type: None,
        });
        Ok(id)
    }

    /// Nobody else may register.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// One asks for an event. It may ask again while it waits, for instance on a new connection.
    ///
    /// # Errors
    ///
    /// If it is not known, or has failed.
    pub fn next(&mut self, id: ExtensionId) -> Result<Change, ExtensionRefusal> {
        let extension = self.find(id)?;
        match extension.state {
            State::Registered | State::Running => {
                extension.state = State::Ready;
                Ok(Change::New)
            }
            State::Ready => Ok(Change::Repeated),
            State::Started
            | State::InitError
            | State::ExitError
            | State::Exited
            | State::LaunchError => Err(extension.refuse(State::Ready, id.0.to_string())),
        }
    }

    /// One says that it could not initialise.
    ///
    /// # Errors
    ///
    /// If it is not known, or has asked for an event before.
    pub fn init_error(
        &mut self,
        id: ExtensionId,
        error_type: &str,
    ) -> Result<Change, ExtensionRefusal> {
        let extension = self.find(id)?;
        match extension.state {
            State::Registered => {
                extension.state = State::InitError;
                extension.error_type = Some(error_type.to_owned());
                Ok(Change::New)
            }
            State::InitError => Ok(Change::Repeated),
            State::Started
            | State::Ready
            | State::Running
            | State::ExitError
            | State::Exited
            | State::LaunchError => Err(extension.refuse(State::InitError, id.0.to_string())),
        }
    }

    /// One says that it ends in an error.
    ///
    /// # Errors
    ///
    /// If it is not known, or has failed otherwise.
    pub fn exit_error(
        &mut self,
        id: ExtensionId,
        error_type: &str,
    ) -> Result<Change, ExtensionRefusal> {
        let extension = self.find(id)?;
        match extension.state {
            State::Registered | State::Ready | State::Running => {
                extension.state = State::ExitError;
                extension.error_type = Some(error_type.to_owned());
                Ok(Change::New)
            }
            State::ExitError => Ok(Change::Repeated),
            State::Started | State::InitError | State::Exited | State::LaunchError => {
                Err(extension.refuse(State::ExitError, id.0.to_string()))
            }
        }
    }

    /// The process of one has ended. Returns whether there was one.
    pub fn exited(&mut self, name: &str) -> bool {
        let lived = self.all.iter_mut().find(|one| one.lives() && one.name == name);
        let Some(one) = lived else { return false };
        one.state = State::Exited;
        true
    }

    /// The name of one.
    ///
    /// # Errors
    ///
    /// If nobody registered as this.
    pub fn name(&self, id: ExtensionId) -> Result<&str, ExtensionRefusal> {
        let found = self.all.iter().find(|one| one.id == id);
        found.map(|found| found.name.as_str()).ok_or(ExtensionRefusal::Unknown(id))
    }

    /// Whether every one that was started has registered.
    #[must_use]
    pub fn all_registered(&self) -> bool {
        self.all.iter().all(|one| one.state != State::Started)
    }

    /// Whether every one waits for an event.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        self.all.iter().all(|one| one.state == State::Ready)
    }

    /// Whether any has a part in invocations.
    #[must_use]
    pub fn take_part(&self) -> bool {
        self.all.iter().any(|one| one.wants(EventType::Invoke))
    }

    /// An invocation begins: those that are told of it.
    pub fn begin_invocation(&mut self) -> Vec<ExtensionId> {
        let told = |one: &&mut Extension| one.wants(EventType::Invoke) && one.state == State::Ready;
        let told = self.all.iter_mut().filter(told);
        told.map(|one| {
            one.state = State::Running;
            one.id
        })
        .collect()
    }

    /// One that asked again gets the event that could not be handed over before.
    pub fn resume(&mut self, id: ExtensionId) {
        if let Ok(extension) = self.find(id) {
            extension.state = State::Running;
        }
    }

    /// Everything is about to end: how each process is told.
    pub fn begin_shutdown(&mut self) -> Vec<Farewell> {
        self.closed = true;
        let living = self.all.iter_mut().filter(|one| one.lives());
        living
            .map(|one| {
                if one.wants(EventType::Shutdown) {
                    if one.state == State::Ready {
                        one.state = State::Running;
                    }
                    Farewell::Event(one.id)
                } else {
                    Farewell::Kill(one.name.clone())
                }
            })
            .collect()
    }

    /// Whether any that was told with an event has yet to end.
    #[must_use]
    pub fn linger(&self) -> bool {
        self.all.iter().any(|one| one.lives() && one.wants(EventType::Shutdown))
    }

    /// What there is to be told when everything ends.
    #[must_use]
    pub fn presence(&self) -> Presence {
        if self.all.iter().any(|one| one.kind == Kind::External) {
            Presence::External
        } else if self.all.is_empty() {
            Presence::None
        } else {
            Presence::Internal
        }
    }

    /// Each of them, for the log.
    #[must_use]
    pub fn introductions(&self) -> Vec<Introduction> {
        let introduce = |one: &Extension| Introduction {
            name: one.name.clone(),
            state: one.state.name(),
            events: one.events.iter().map(|event| event.name()).collect(),
            error_type: one.error_type.clone(),
        };
        self.all.iter().map(introduce).collect()
    }

    /// One that has registered: before that it does not know its id, and cannot have guessed it.
    fn find(&mut self, id: ExtensionId) -> Result<&mut Extension, ExtensionRefusal> {
        self.all.iter_mut().find(|one| one.id == id).ok_or(ExtensionRefusal::Unknown(id))
    }
}

fn parse_events(events: &[String], kind: Kind) -> Result<Vec<EventType>, ExtensionRefusal> {
    let mut parsed = Vec::new();
    for event in events {
        let refuse = |reason| ExtensionRefusal::InvalidEvent { event: event.clone(), reason };
        let event = match (event.as_str(), kind) {
            ("INVOKE", _) => EventType::Invoke,
            ("SHUTDOWN", Kind::External) => EventType::Shutdown,
            ("SHUTDOWN", Kind::Internal) => {
                return Err(refuse("event not supported for internal extensions"));
            }
            _ => return Err(refuse("invalid event type")),
        };
        if !parsed.contains(&event) {
            parsed.push(event);
        }
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ExtensionId = ExtensionId(Uuid::from_u128(1));
    const TWO: ExtensionId = ExtensionId(Uuid::from_u128(2));
    const BOTH: &[&str] = &["INVOKE", "SHUTDOWN"];

    fn registration(name: &str, events: &[&str]) -> Registration {
        let events = events.iter().map(|event| (*event).to_owned()).collect();
        Registration { name: name.to_owned(), events }
    }

    /// One external extension that was started.
    fn started() -> Extensions {
        let mut extensions = Extensions::default();
        extensions.found("outer", ONE, None);
        extensions
    }

    fn registered() -> Extensions {
        let mut extensions = started();
        extensions.register(&registration("outer", BOTH), TWO).unwrap();
        extensions
    }

    fn ready() -> Extensions {
        let mut extensions = registered();
        extensions.next(ONE).unwrap();
        extensions
    }

    fn transition(from: &'static str, to: &'static str, who: &str) -> ExtensionRefusal {
        ExtensionRefusal::InvalidTransition { from, to, who: who.to_owned() }
    }

    #[test]
    fn each_way_to_register() {
        let closed = || {
            let mut extensions = started();
            extensions.close();
            extensions
        };
        let full = || {
            let mut extensions = Extensions::default();
            for number in 0..EXTENSIONS_MAX {
                extensions.found(&number.to_string(), ExtensionId(Uuid::new_v4()), None);
            }
            extensions
        };
        let with_inner = || {
            let mut extensions = started();
            extensions.register(&registration("inner", &["INVOKE"]), TWO).unwrap();
            extensions
        };
        let long = "x".repeat(EXTENSION_NAME_BYTES_MAX + 1);
        let invalid = |event: &str, reason| {
            Err(ExtensionRefusal::InvalidEvent { event: event.to_owned(), reason })
        };
        let internal = "event not supported for internal extensions";
        let again = transition("Registered", "Registered", "outer");
        #[rustfmt::skip]
        let rows = [
            ("external",              started(),    registration("outer", BOTH),           Ok(ONE)),
            ("external, no events",   started(),    registration("outer", &[]),            Ok(ONE)),
            ("external, when closed", closed(),     registration("outer", BOTH),           Ok(ONE)),
            ("external, twice",       registered(), registration("outer", BOTH),           Err(again)),
            ("internal",              started(),    registration("inner", &["INVOKE"]),    Ok(TWO)),
            ("internal, twice",       with_inner(), registration("inner", &["INVOKE"]),    Err(ExtensionRefusal::NameTaken)),
            ("internal, too late",    closed(),     registration("inner", &["INVOKE"]),    Err(ExtensionRefusal::RegistrationClosed)),
            ("internal, shutdown",    started(),    registration("inner", BOTH),           invalid("SHUTDOWN", internal)),
            ("one too many",          full(),       registration("inner", &["INVOKE"]),    Err(ExtensionRefusal::TooMany)),
            ("an unknown event",      started(),    registration("outer", &["RESTORE"]),   invalid("RESTORE", "invalid event type")),
            ("no name",               started(),    registration("", BOTH),                Err(ExtensionRefusal::InvalidName)),
            ("a long name",           started(),    registration(&long, BOTH),             Err(ExtensionRefusal::InvalidName)),
        ];
        for (name, mut extensions, registration, expected) in rows {
            assert_eq!(extensions.register(&registration, TWO), expected, "{name}");
        }
    }

    #[test]
    fn each_call_in_each_state() {
        let running = || {
            let mut extensions = ready();
            assert_eq!(extensions.begin_invocation(), [ONE]);
            extensions
        };
        let failed = || {
            let mut extensions = registered();
            extensions.init_error(ONE, "Own.Error").unwrap();
            extensions
        };
        let new: Result<Change, ExtensionRefusal> = Ok(Change::New);
        let again: Result<Change, ExtensionRefusal> = Ok(Change::Repeated);
        let who = ONE.0.to_string();
        let refused = |from, to| Err(transition(from, to, &who));
        let error = "Own.Error";
        #[rustfmt::skip]
        let rows = [
            ("first next",               registered().next(ONE),              new.clone()),
            ("next again",               ready().next(ONE),                   again.clone()),
            ("next after an event",      running().next(ONE),                 new.clone()),
            ("next after a failure",     failed().next(ONE),                  refused("InitError", "Ready")),
            ("next by nobody",           ready().next(TWO),                   Err(ExtensionRefusal::Unknown(TWO))),
            ("next, not registered",     started().next(ONE),                 refused("Started", "Ready")),
            ("init error",               registered().init_error(ONE, error), new.clone()),
            ("init error again",         failed().init_error(ONE, error),     again),
            ("init error too late",      ready().init_error(ONE, error),      refused("Ready", "InitError")),
            ("exit error",               running().exit_error(ONE, error),    new.clone()),
            ("exit error while waiting", ready().exit_error(ONE, error),      new),
            ("exit error after another", failed().exit_error(ONE, error),     refused("InitError", "ExitError")),
        ];
        for (name, got, expected) in rows {
            assert_eq!(got, expected, "{name}");
        }
    }

    #[test]
    fn who_subscribed_is_told_and_waited_for() {
        let mut extensions = ready();
        extensions.register(&registration("inner", &["INVOKE"]), TWO).unwrap();
        assert!(!extensions.all_ready(), "one has not asked yet");
        extensions.next(TWO).unwrap();
        assert!(extensions.all_ready());
        assert_eq!(extensions.begin_invocation(), [ONE, TWO]);
        assert!(!extensions.all_ready());
        extensions.next(TWO).unwrap();
        extensions.next(ONE).unwrap();
        assert!(extensions.all_ready());
        assert_eq!(extensions.presence(), Presence::External);
        assert_eq!(extensions.begin_shutdown(), [Farewell::Event(ONE)]);
        assert!(extensions.linger());
        assert!(extensions.exited("outer"));
        assert!(!extensions.exited("outer"), "once is enough");
        assert!(!extensions.linger());
    }

    #[test]
    fn who_did_not_subscribe_is_left_alone_and_killed_in_the_end() {
        let mut extensions = started();
        assert_eq!(extensions.begin_shutdown(), [Farewell::Kill("outer".to_owned())]);
        let mut extensions = started();
        extensions.register(&registration("outer", &[]), TWO).unwrap();
        extensions.next(ONE).unwrap();
        assert!(!extensions.take_part());
        assert!(extensions.begin_invocation().is_empty());
        assert!(extensions.all_ready(), "it waits for ever");
        assert_eq!(extensions.begin_shutdown(), [Farewell::Kill("outer".to_owned())]);
        assert!(!extensions.linger());
    }

    #[test]
    fn each_is_introduced_as_it_is() {
        let mut extensions = ready();
        extensions.found("broken", TWO, Some("Extension.LaunchError"));
        assert!(extensions.all_registered());
        let [outer, broken]: [Introduction; 2] = extensions.introductions().try_into().unwrap();
        assert_eq!((outer.state, outer.events), ("Ready", BOTH.to_vec()));
        assert_eq!(broken.state, "LaunchError");
        assert_eq!(broken.error_type.as_deref(), Some("Extension.LaunchError"));
    }
}
