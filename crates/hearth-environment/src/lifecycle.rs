//! The life of one execution environment, as a pure state machine.
//!
//! ```text
//!            WallsUp          Ready              Assigned (runtime up)
//!  Starting ────────▶ Loading ──────▶ Idle(up) ───────────────────────▶ Busy(handling)
//!      │                 │              ▲  ▲                            │          │ Answered
//!      │                 │ Lost         │  └──────── Ready ─────────────│──── Busy(finishing)
//!      │                 ▼              │                              │ Lost     │ Lost
//!      │             Resetting ◀────────│──────────────────────────────┴──────────┘
//!      │                 │ ResetDone    │                              ▲ Lost
//!      │                 └───────▶ Idle(down) ───────▶ Busy(loading) ──┘
//!      │                                Assigned            │ Ready
//!      │                                                    └──▶ Busy(handling)
//!      │ Lost(Walls) or Retired (never from Busy), from anywhere
//!      └──────────▶ Stopping ──WallsDown──▶ Stopped
//! ```
//!
//! A runtime that fails is ended with everything that it started, but the walls stay, and with
//! them `/tmp`: the next invocation loads the function again, as on AWS.
//!
//! # Promises
//!
//! 1. An environment holds at most one invocation.
//! 2. Every assigned invocation is answered exactly once, also when the environment is lost: there
//!    is one `Answer` or one `Fail` for it, and one `Conclude` after that.
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

/// How far an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The runtime is loading the function again; this counts as a part of the invocation.
    Loading,
    /// The function has the event.
    Handling,
    /// The caller has its answer; the runtime has not yet asked for more.
    Finishing,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The walls stand.
    WallsUp,
    /// The runtime asks for an event.
    Ready,
    /// The scheduler has work.
    Assigned(RequestId),
    /// The runtime posted an answer or an error.
    Answered,
    /// The runtime, or the walls with it, cannot go on.
    Lost(Cause),
    /// Nothing runs inside any more.
    ResetDone,
    /// The environment is not wanted any more.
    Retired,
    /// Every resource has been returned.
    WallsDown,
}

/// Why a runtime cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its process ended, or could not be started.
    Exited,
    /// It took longer than it may.
    TimedOut,
    /// It said itself that it could not load the function.
    InitError,
    /// The walls do not stand, or cannot be spoken to.
    Walls,
}

/// What is to be done about it, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Start the runtime inside.
    StartRuntime,
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
    /// Write the invocation's report.
    Conclude(RequestId),
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
            Answer, Conclude, ConcludeInit, Deliver, Fail, FailInit, Forget, Offer, Reset,
            StartRuntime, TearDown,
        };
        use Event::{Answered, Assigned, Lost, Ready, ResetDone, Retired, WallsDown, WallsUp};
        use Phase::{Finishing, Handling};
        use Runtime::{Down, Up};
        use State::{Busy, Idle, Loading, Resetting, Starting, Stopped, Stopping};

        let step = match (self, event) {
            // The way up.
            (Starting, WallsUp) => (Loading, vec![StartRuntime]),
            (Loading, Ready) => (Idle(Up), vec![ConcludeInit, Offer]),

            // Work.
            (Idle(Up), Assigned(id)) => (Busy(id, Handling), vec![Deliver(id)]),
            (Idle(Down), Assigned(id)) => (Busy(id, Phase::Loading), vec![StartRuntime]),
            (Busy(id, Phase::Loading), Ready) => {
                (Busy(id, Handling), vec![ConcludeInit, Deliver(id)])
            }
            (Busy(id, Handling), Answered) => (Busy(id, Finishing), vec![Answer(id)]),
            (Busy(id, Finishing), Ready) => (Idle(Up), vec![Conclude(id), Offer]),

            // A lost environment still owes its invocation an answer (promise 2).
            (Busy(id, Finishing), Lost(Cause::Walls)) => (Stopping, vec![Conclude(id), TearDown]),
            (Busy(id, Finishing), Lost(_)) => (Resetting, vec![Conclude(id), Reset]),
            (Busy(id, _), Lost(Cause::Walls)) => {
                (Stopping, vec![Fail(id, Cause::Walls), Conclude(id), TearDown])
            }
            (Busy(id, Phase::Loading), Lost(cause)) => {
                (Resetting, vec![FailInit(cause), Fail(id, cause), Conclude(id), Reset])
            }
            (Busy(id, Handling), Lost(cause)) => {
                (Resetting, vec![Fail(id, cause), Conclude(id), Reset])
            }

            // A runtime that fails while nobody waits is tried again by the next invocation.
            (Loading, Lost(cause)) if cause != Cause::Walls => {
                (Resetting, vec![FailInit(cause), Reset])
            }
            (Resetting, Lost(Cause::Exited | Cause::InitError)) => (Resetting, vec![]),
            (Resetting, ResetDone) => (Idle(Down), vec![Offer]),

            // The way down.
            (Starting | Loading | Idle(_) | Resetting, Lost(_) | Retired) => {
                (Stopping, vec![TearDown])
            }
            // Dying while being torn down is normal, and so is being told twice.
            (Stopping, Lost(_) | Retired | ResetDone | WallsUp | Ready) => (Stopping, vec![]),
            (Stopping, WallsDown) => (Stopped, vec![Forget]),

            (state, event) => return Err(Forbidden { state, event }),
        };
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::Action::{
        Answer, Conclude, ConcludeInit, Deliver, Fail, FailInit, Forget, Offer, Reset,
        StartRuntime, TearDown,
    };
    use super::Event::{Answered, Assigned, Lost, Ready, ResetDone, Retired, WallsDown, WallsUp};
    use super::State::{Busy, Idle, Loading, Resetting, Starting, Stopped, Stopping};
    use super::*;

    const JOB: RequestId = RequestId(Uuid::nil());
    const CAUSES: [Cause; 4] = [Cause::Exited, Cause::TimedOut, Cause::InitError, Cause::Walls];

    #[test]
    fn each_way_through_a_life() {
        let handling = Busy(JOB, Phase::Handling);
        let finishing = Busy(JOB, Phase::Finishing);
        let loading = Busy(JOB, Phase::Loading);
        let exited = Cause::Exited;
        #[rustfmt::skip]
        let rows: &[(&str, State, Event, State, &[Action])] = &[
            ("walls stand",                   Starting,            WallsUp,               Loading,             &[StartRuntime]),
            ("walls cannot be built",         Starting,            Lost(Cause::Walls),    Stopping,            &[TearDown]),
            ("loaded",                        Loading,             Ready,                 Idle(Runtime::Up),   &[ConcludeInit, Offer]),
            ("dies while loading",            Loading,             Lost(exited),          Resetting,           &[FailInit(exited), Reset]),
            ("loads for too long",            Loading,             Lost(Cause::TimedOut), Resetting,           &[FailInit(Cause::TimedOut), Reset]),
            ("is reset",                      Resetting,           ResetDone,             Idle(Runtime::Down), &[Offer]),
            ("work for a runtime that is up", Idle(Runtime::Up),   Assigned(JOB),         handling,            &[Deliver(JOB)]),
            ("work for one that is down",     Idle(Runtime::Down), Assigned(JOB),         loading,             &[StartRuntime]),
            ("loaded again",                  loading,             Ready,                 handling,            &[ConcludeInit, Deliver(JOB)]),
            ("fails to load again",           loading,             Lost(exited),          Resetting,           &[FailInit(exited), Fail(JOB, exited), Conclude(JOB), Reset]),
            ("answers",                       handling,            Answered,              finishing,           &[Answer(JOB)]),
            ("is done",                       finishing,           Ready,                 Idle(Runtime::Up),   &[Conclude(JOB), Offer]),
            ("dies after its answer",         finishing,           Lost(exited),          Resetting,           &[Conclude(JOB), Reset]),
            ("dies during an invocation",     handling,            Lost(exited),          Resetting,           &[Fail(JOB, exited), Conclude(JOB), Reset]),
            ("works for too long",            handling,            Lost(Cause::TimedOut), Resetting,           &[Fail(JOB, Cause::TimedOut), Conclude(JOB), Reset]),
            ("loses its walls at work",       handling,            Lost(Cause::Walls),    Stopping,            &[Fail(JOB, Cause::Walls), Conclude(JOB), TearDown]),
            ("dies between invocations",      Idle(Runtime::Up),   Lost(exited),          Stopping,            &[TearDown]),
            ("cannot be reset in time",       Resetting,           Lost(Cause::TimedOut), Stopping,            &[TearDown]),
            ("is retired",                    Idle(Runtime::Up),   Retired,               Stopping,            &[TearDown]),
            ("is gone",                       Stopping,            WallsDown,             Stopped,             &[Forget]),
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
            ("anything after the end",  Stopped,                     WallsDown),
        ];
        for (name, state, event) in rows {
            assert_eq!(state.step(event), Err(Forbidden { state, event }), "{name}");
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(WallsUp),
            Just(Ready),
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
                        Offer => prop_assert_eq!(open, None),
                        StartRuntime | ConcludeInit | FailInit(_) | Deliver(_) | Reset
                        | TearDown | Forget => {}
                    }
                }
                state = next;
                prop_assert_eq!(matches!(state, Busy(..)), open.is_some());
            }
        }
    }
}
