//! The life of one execution environment, as a pure state machine.
//!
//! ```text
//!            WallsUp          Ready              Assigned (runtime up)
//!  Starting ────────▶ Loading ──────▶ Idle(up) ───────────────────────▶ Busy(handling)
//!      │               │  ↺ Registered  ▲  ▲                            │          │ Answered
//!      │               │ Lost           │  └──────── Ready ─────────────│──── Busy(finishing)
//!      │               ▼                │                              │ Lost     │ Lost
//!      │       ShuttingDown(reset) ◀────│──────────────────────────────┴──────────┘
//!      │               │ ShutDown       │                              ▲ Lost
//!      │               ▼                │                              │
//!      │           Resetting            │             ↺ Registered     │
//!      │               │ ResetDone      │                              │
//!      │               └───────▶ Idle(down) ───────▶ Busy(loading) ────┘
//!      │                              Assigned            │ Ready
//!      │                                                  └──▶ Busy(handling)
//!      │
//!      │ Retired (never from Busy), or Lost in Idle(up), where something runs inside
//!      ├──────────▶ ShuttingDown(tear down) ──ShutDown──┐
//!      │                                                ▼
//!      └──────────────────────────────────────────▶ Stopping ──WallsDown──▶ Stopped
//!        Lost(Walls) from anywhere, or any end where nothing runs inside
//! ```
//!
//! `Loading` has two parts if there are extensions: they are started first, and the runtime when
//! all of them have registered. `Ready` is said once all that run inside have asked for more: the
//! runtime, and the extensions that had a part in what was going on.
//!
//! A runtime that fails is ended with everything that it started, but the walls stay, and with
//! them `/tmp`: the next invocation loads the function again, as on AWS. An extension that fails
//! takes the runtime with it. Before anything is ended its extensions hear of it, in the shutdown
//! phase; where there are none that phase takes no time.
//!
//! # Promises
//!
//! 1. An environment holds at most one invocation.
//! 2. Every assigned invocation is answered exactly once, also when the environment is lost: there
//!    is one `Answer` or one `Fail` for it, and one `Conclude` after that. A `Spoil` may come
//!    between them, which changes the report and not the answer.
//! 3. `Stopped` is final, and is reached only when every resource has been returned.
//!
//! # Deliberately absent
//!
//! No I/O, no clock, no tasks, no locks. [`State::step`] depends on its arguments alone. The task
//! that performs the actions is [`crate::driver`]; who gets which environment is decided in
//! `hearth-scheduler`.

use hearth_types::ids::RequestId;

/// Where an environment is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The backend is building the walls.
    Starting,
    /// The walls stand; the runtime is loading the function's own code.
    Loading,
    /// Ready for work.
    Idle(Runtime),
    /// Working on one invocation.
    Busy(RequestId, Phase),
    /// Everything inside is told that it is about to end, and given a moment.
    ShuttingDown(Then),
    /// Everything inside is being ended; the walls stay.
    Resetting,
    /// Told to stop; the walls still stand.
    Stopping,
    /// The walls are down and every resource has been returned.
    Stopped,
}

/// Whether there is a runtime inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// It waits for an event.
    Up,
    /// It failed and was ended; it must be started again before it can take one.
    Down,
}

/// What comes after the shutdown phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Everything inside is ended, and the walls stay.
    Reset,
    /// The walls go as well.
    TearDown,
}

/// How far an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The runtime is loading the function again; this counts as a part of the invocation.
    Loading,
    /// The function has the event.
    Handling,
    /// The caller has its answer; the runtime, or an extension, has not yet asked for more.
    Finishing,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The walls stand.
    WallsUp,
    /// Every extension that was started has registered.
    Registered,
    /// The runtime asks for an event, and so do its extensions.
    Ready,
    /// The scheduler has work.
    Assigned(RequestId),
    /// The runtime posted an answer or an error.
    Answered,
    /// The runtime, or an extension, or the walls with them, cannot go on.
    Lost(Cause),
    /// Everything inside has ended by itself, or has had its time.
    ShutDown,
    /// Nothing runs inside any more.
    ResetDone,
    /// The environment is not wanted any more.
    Retired,
    /// Every resource has been returned.
    WallsDown,
}

/// Why what runs inside cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The runtime's process ended, or could not be started.
    Exited,
    /// It took longer than it may.
    TimedOut,
    /// The runtime said itself that it could not load the function.
    InitError,
    /// An extension ended, could not be started, or said itself that it failed.
    Extension,
    /// The walls do not stand, or cannot be spoken to.
    Walls,
}

/// Why there is a shutdown phase, as extensions are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The environment is not wanted any more.
    Spindown,
    /// Something took longer than it may.
    Timeout,
    /// Something inside failed.
    Failure,
}

impl Cause {
    /// What extensions are told about it.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::TimedOut => Reason::Timeout,
            Self::Exited | Self::InitError | Self::Extension | Self::Walls => Reason::Failure,
        }
    }
}

/// What is to be done about it, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start what runs inside: the extensions if there are any, else the runtime.
    StartRuntime,
    /// Start the runtime beside its extensions.
    RunRuntime,
    /// Note that the init phase is over.
    ConcludeInit,
    /// Note that the init phase failed.
    FailInit(Cause),
    /// Tell the scheduler that this environment is free.
    Offer,
    /// Give the invocation to the runtime.
    Deliver(RequestId),
    /// Give the answer to the caller.
    Answer(RequestId),
    /// Give an error to the caller.
    Fail(RequestId, Cause),
    /// Let the report of an invocation that was answered say what went wrong afterwards.
    Spoil(RequestId, Cause),
    /// Write the invocation's report.
    Conclude(RequestId),
    /// Tell everything inside that it is about to end. `ShutDown` comes of it, always.
    ShutDown(Reason),
    /// End everything inside.
    Reset,
    /// Return every resource.
    TearDown,
    /// Tell the scheduler that this environment is gone.
    Forget,
}

/// An event that cannot happen in a state: a bug in whoever sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen to an environment that is {state:?}")]
pub struct Forbidden {
    /// The state.
    pub state: State,
    /// The event.
    pub event: Event,
}

impl State {
    /// Takes one step. Returns the next state and the actions that the step asks for, in order.
    ///
    /// # Errors
    ///
    /// If the event cannot happen in this state.
    pub fn step(self, event: Event) -> Result<(State, Vec<Action>), Forbidden> {
        use Action::{
            Answer, Conclude, ConcludeInit, Deliver, Forget, Offer, Reset, RunRuntime,
            StartRuntime, TearDown,
        };
        use Event::{
            Answered, Assigned, Lost, Ready, Registered, ResetDone, Retired, ShutDown, WallsDown,
            WallsUp,
        };
        use Phase::{Finishing, Handling};
        use Runtime::{Down, Up};
        use State::{Busy, Idle, Loading, Resetting, ShuttingDown, Starting, Stopped, Stopping};

        let step = match (self, event) {
            // The way up.
            (Starting, WallsUp) => (Loading, vec![StartRuntime]),
            (Loading | Busy(_, Phase::Loading), Registered) => (self, vec![RunRuntime]),
            (Loading, Ready) => (Idle(Up), vec![ConcludeInit, Offer]),

            // Work.
            (Idle(Up), Assigned(id)) => (Busy(id, Handling), vec![Deliver(id)]),
            (Idle(Down), Assigned(id)) => (Busy(id, Phase::Loading), vec![StartRuntime]),
            (Busy(id, Phase::Loading), Ready) => {
                (Busy(id, Handling), vec![ConcludeInit, Deliver(id)])
            }
            (Busy(id, Handling), Answered) => (Busy(id, Finishing), vec![Answer(id)]),
            (Busy(id, Finishing), Ready) => (Idle(Up), vec![Conclude(id), Offer]),

            // What fails inside.
            (Loading | Idle(Up) | Busy(..), Lost(cause)) => self.lose(cause),

            // The shutdown phase. Ending is what everybody inside is expected to do.
            (ShuttingDown(_), Lost(Cause::Walls)) => (Stopping, vec![TearDown]),
            (ShuttingDown(then), Lost(_) | Ready | Registered) => (ShuttingDown(then), vec![]),
            (ShuttingDown(_), Retired) => (ShuttingDown(Then::TearDown), vec![]),
            (ShuttingDown(Then::Reset), ShutDown) => (Resetting, vec![Reset]),
            (ShuttingDown(Then::TearDown), ShutDown) => (Stopping, vec![TearDown]),

            // A runtime that failed while nobody waited is tried again by the next invocation.
            (Resetting, Lost(Cause::Exited | Cause::InitError | Cause::Extension)) => {
                (Resetting, vec![])
            }
            (Resetting, ResetDone) => (Idle(Down), vec![Offer]),

            // The way down.
            (Loading | Idle(Up), Retired) => {
                (ShuttingDown(Then::TearDown), vec![Action::ShutDown(Reason::Spindown)])
            }
            (Starting | Idle(Down) | Resetting, Lost(_) | Retired) => (Stopping, vec![TearDown]),
            // Dying while being torn down is normal, and so is being told twice.
            (Stopping, Lost(_) | Retired | ResetDone | WallsUp | Ready | Registered | ShutDown) => {
                (Stopping, vec![])
            }
            (Stopping, WallsDown) => (Stopped, vec![Forget]),

            (state, event) => return Err(Forbidden { state, event }),
        };
        Ok(step)
    }

    /// Something inside fails while it is needed. Its invocation is still owed an answer (promise 2).
    fn lose(self, cause: Cause) -> (State, Vec<Action>) {
        use Action::{Conclude, Fail, FailInit, ShutDown, Spoil, TearDown};
        use State::{Busy, Idle, Loading, Resetting, ShuttingDown, Starting, Stopped, Stopping};

        let mut actions = match self {
            Busy(id, Phase::Finishing) => vec![Spoil(id, cause), Conclude(id)],
            Busy(id, Phase::Loading) if cause != Cause::Walls => {
                vec![FailInit(cause), Fail(id, cause), Conclude(id)]
            }
            Busy(id, Phase::Loading | Phase::Handling) => vec![Fail(id, cause), Conclude(id)],
            Loading if cause != Cause::Walls => vec![FailInit(cause)],
            Loading | Starting | Idle(_) | Resetting | Stopping | Stopped | ShuttingDown(_) => {
                vec![]
            }
        };
        if cause == Cause::Walls {
            actions.push(TearDown);
            return (Stopping, actions);
        }
        actions.push(ShutDown(cause.reason()));
        let idle = matches!(self, Idle(_));
        (ShuttingDown(if idle { Then::TearDown } else { Then::Reset }), actions)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::Action::{
        Answer, Conclude, ConcludeInit, Deliver, Fail, FailInit, Forget, Offer, Reset, RunRuntime,
        Spoil, StartRuntime, TearDown,
    };
    use super::Event::{
        Answered, Assigned, Lost, Ready, Registered, ResetDone, Retired, WallsDown, WallsUp,
    };
    use super::State::{Busy, Idle, Loading, Resetting, ShuttingDown, Starting, Stopped, Stopping};
    use super::*;

    const JOB: RequestId = RequestId(Uuid::nil());
    const CAUSES: [Cause; 5] =
        [Cause::Exited, Cause::TimedOut, Cause::InitError, Cause::Extension, Cause::Walls];
    const FAILED: Action = Action::ShutDown(Reason::Failure);
    const TIMED_OUT: Action = Action::ShutDown(Reason::Timeout);
    const SPUN_DOWN: Action = Action::ShutDown(Reason::Spindown);

    #[test]
    fn each_way_through_a_life() {
        let handling = Busy(JOB, Phase::Handling);
        let finishing = Busy(JOB, Phase::Finishing);
        let loading = Busy(JOB, Phase::Loading);
        let (exited, extension) = (Cause::Exited, Cause::Extension);
        let (then_reset, then_tear_down) =
            (ShuttingDown(Then::Reset), ShuttingDown(Then::TearDown));
        #[rustfmt::skip]
        let rows: &[(&str, State, Event, State, &[Action])] = &[
            ("walls stand",                      Starting,            WallsUp,               Loading,             &[StartRuntime]),
            ("walls cannot be built",            Starting,            Lost(Cause::Walls),    Stopping,            &[TearDown]),
            ("extensions have registered",       Loading,             Registered,            Loading,             &[RunRuntime]),
            ("loaded",                           Loading,             Ready,                 Idle(Runtime::Up),   &[ConcludeInit, Offer]),
            ("dies while loading",               Loading,             Lost(exited),          then_reset,          &[FailInit(exited), FAILED]),
            ("loads for too long",               Loading,             Lost(Cause::TimedOut), then_reset,          &[FailInit(Cause::TimedOut), TIMED_OUT]),
            ("loses its walls while loading",    Loading,             Lost(Cause::Walls),    Stopping,            &[TearDown]),
            ("has heard of its end",             then_reset,          Event::ShutDown,       Resetting,           &[Reset]),
            ("ends when told to",                then_reset,          Lost(exited),          then_reset,          &[]),
            ("asks although it was told",        then_reset,          Ready,                 then_reset,          &[]),
            ("is retired when it was told",      then_reset,          Retired,               then_tear_down,      &[]),
            ("loses its walls when it was told", then_reset,          Lost(Cause::Walls),    Stopping,            &[TearDown]),
            ("is reset",                         Resetting,           ResetDone,             Idle(Runtime::Down), &[Offer]),
            ("work for a runtime that is up",    Idle(Runtime::Up),   Assigned(JOB),         handling,            &[Deliver(JOB)]),
            ("work for one that is down",        Idle(Runtime::Down), Assigned(JOB),         loading,             &[StartRuntime]),
            ("extensions register again",        loading,             Registered,            loading,             &[RunRuntime]),
            ("loaded again",                     loading,             Ready,                 handling,            &[ConcludeInit, Deliver(JOB)]),
            ("fails to load again",              loading,             Lost(exited),          then_reset,          &[FailInit(exited), Fail(JOB, exited), Conclude(JOB), FAILED]),
            ("an extension fails in init",       loading,             Lost(extension),       then_reset,          &[FailInit(extension), Fail(JOB, extension), Conclude(JOB), FAILED]),
            ("answers",                          handling,            Answered,              finishing,           &[Answer(JOB)]),
            ("is done",                          finishing,           Ready,                 Idle(Runtime::Up),   &[Conclude(JOB), Offer]),
            ("dies after its answer",            finishing,           Lost(exited),          then_reset,          &[Spoil(JOB, exited), Conclude(JOB), FAILED]),
            ("an extension takes too long",      finishing,           Lost(Cause::TimedOut), then_reset,          &[Spoil(JOB, Cause::TimedOut), Conclude(JOB), TIMED_OUT]),
            ("dies during an invocation",        handling,            Lost(exited),          then_reset,          &[Fail(JOB, exited), Conclude(JOB), FAILED]),
            ("an extension dies meanwhile",      handling,            Lost(extension),       then_reset,          &[Fail(JOB, extension), Conclude(JOB), FAILED]),
            ("works for too long",               handling,            Lost(Cause::TimedOut), then_reset,          &[Fail(JOB, Cause::TimedOut), Conclude(JOB), TIMED_OUT]),
            ("loses its walls at work",          handling,            Lost(Cause::Walls),    Stopping,            &[Fail(JOB, Cause::Walls), Conclude(JOB), TearDown]),
            ("dies between invocations",         Idle(Runtime::Up),   Lost(exited),          then_tear_down,      &[FAILED]),
            ("cannot be reset in time",          Resetting,           Lost(Cause::TimedOut), Stopping,            &[TearDown]),
            ("is retired",                       Idle(Runtime::Up),   Retired,               then_tear_down,      &[SPUN_DOWN]),
            ("is retired while it loads",        Loading,             Retired,               then_tear_down,      &[SPUN_DOWN]),
            ("is retired with nothing inside",   Idle(Runtime::Down), Retired,               Stopping,            &[TearDown]),
            ("has heard of its retirement",      then_tear_down,      Event::ShutDown,       Stopping,            &[TearDown]),
            ("is gone",                          Stopping,            WallsDown,             Stopped,             &[Forget]),
        ];
        for (name, from, event, to, actions) in rows {
            assert_eq!(from.step(*event), Ok((*to, actions.to_vec())), "{name}");
        }
    }

    #[test]
    fn what_cannot_happen_is_refused() {
        #[rustfmt::skip]
        let rows = [
            ("a second invocation",     Busy(JOB, Phase::Handling),  Assigned(JOB)),
            ("work before it is ready", Loading,                     Assigned(JOB)),
            ("an answer to nothing",    Idle(Runtime::Up),           Answered),
            ("a second answer",         Busy(JOB, Phase::Finishing), Answered),
            ("retired at work",         Busy(JOB, Phase::Handling),  Retired),
            ("a registration at work",  Busy(JOB, Phase::Handling),  Registered),
            ("work before its end",     ShuttingDown(Then::Reset),   Assigned(JOB)),
            ("an end nobody asked for", Idle(Runtime::Up),           Event::ShutDown),
            ("anything after the end",  Stopped,                     WallsDown),
        ];
        for (name, state, event) in rows {
            assert_eq!(state.step(event), Err(Forbidden { state, event }), "{name}");
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(WallsUp),
            Just(Registered),
            Just(Ready),
            Just(Event::ShutDown),
            any::<u128>().prop_map(|id| Assigned(RequestId(Uuid::from_u128(id)))),
            Just(Answered),
            (0..CAUSES.len()).prop_map(|index| Lost(CAUSES[index])),
            Just(ResetDone),
            Just(Retired),
            Just(WallsDown),
        ]
    }

    proptest! {
        /// Promises 1 and 2, over any order of events.
        #[test]
        fn every_assigned_invocation_is_answered_once_and_concluded_once(
            events in proptest::collection::vec(any_event(), 0..200)
        ) {
            let mut state = Starting;
            let mut open: Option<RequestId> = None;
            let mut answered = false;
            for event in events {
                let Ok((next, actions)) = state.step(event) else { continue };
                if let Assigned(id) = event {
                    prop_assert_eq!(open, None);
                    (open, answered) = (Some(id), false);
                }
                for action in actions {
                    match action {
                        Answer(id) | Fail(id, _) => {
                            prop_assert_eq!(open, Some(id));
                            prop_assert!(!std::mem::replace(&mut answered, true));
                        }
                        Conclude(id) => {
                            prop_assert!(answered);
                            prop_assert_eq!(open.take(), Some(id));
                        }
                        Spoil(id, _) => {
                            prop_assert!(answered);
                            prop_assert_eq!(open, Some(id));
                        }
                        Offer | Action::ShutDown(_) => prop_assert_eq!(open, None),
                        StartRuntime | RunRuntime | ConcludeInit | FailInit(_) | Deliver(_)
                        | Reset | TearDown | Forget => {}
                    }
                }
                state = next;
                prop_assert_eq!(matches!(state, Busy(..)), open.is_some());
            }
        }
    }
}
