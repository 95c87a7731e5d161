//! The state of the Runtime API of one environment, pure.
//!
//! ```text
//!              next                 (event)              response, error
//!  Loading ──────────▶ Waiting ──────────────▶ Handling ──────────────▶ Answered
//!     │                   ▲                                                 │
//!     │ init error        └────────────────────── next ─────────────────────┘
//!     ▼
//!   Failed
//!
//!              begin                 end
//!  Handling ──────────▶ Streaming ────────▶ Answered
//!                           │ next
//!                           ▼        end
//!                         Ending ─────────▶ Waiting
//! ```
//!
//! A runtime may ask again while it is `Waiting`, for instance on a new connection, and before the
//! end of what it streams has arrived: the two come over connections of their own.

use hearth_types::ids::RequestId;

/// What AWS calls a runtime that waits, and one that works.
const READY: &str = "Ready";
const RUNNING: &str = "Running";

/// Where a runtime is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// It has not asked for an event yet.
    Loading,
    /// It has asked and waits.
    Waiting,
    /// It has this invocation.
    Handling(RequestId),
    /// It is sending the answer of this invocation, piece by piece.
    Streaming(RequestId),
    /// It has sent the answer of this invocation, of which the rest is still to be taken, and asks
    /// for more.
    Ending(RequestId),
    /// It has answered this invocation and has not asked for another.
    Answered(RequestId),
    /// It has said that it could not load the function.
    Failed,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The runtime may not do this now.
    InvalidStateTransition {
        /// Where it is.
        from: &'static str,
        /// Where the call would take it.
        to: &'static str,
    },
    /// No such invocation is running.
    InvalidRequestId,
    /// The answer is too large. The invocation has failed.
    TooLarge {
        /// How many bytes it may have.
        limit: u64,
    },
    /// The answer was cut off. The invocation has failed.
    Truncated,
    /// The answer was to come in a way that does not exist. The invocation has failed.
    UnknownMode,
    /// The environment is being taken down.
    Gone,
}

impl Refusal {
    /// Whether it is for asking for an event before having answered the last one.
    #[must_use]
    pub fn is_of_early_next(self) -> bool {
        let early = Self::InvalidStateTransition { from: RUNNING, to: READY };
        self == early
    }
}

impl Session {
    /// The runtime asks for an event.
    ///
    /// # Errors
    ///
    /// If it has one, or has failed.
    pub fn next(self) -> Result<Self, Refusal> {
        match self {
            Self::Loading | Self::Waiting | Self::Answered(_) => Ok(Self::Waiting),
            Self::Streaming(current) | Self::Ending(current) => Ok(Self::Ending(current)),
            Self::Handling(_) | Self::Failed => Err(self.refuse(READY)),
        }
    }

    /// The runtime answers an invocation, well or with an error.
    ///
    /// # Errors
    ///
    /// If it has none, has answered it already, or has another.
    pub fn answer(self, id: &str, to: &'static str) -> Result<Self, Refusal> {
        let current = self.current(id)?;
        match self {
            Self::Handling(_) => Ok(Self::Answered(current)),
            Self::Loading
            | Self::Waiting
            | Self::Streaming(_)
            | Self::Ending(_)
            | Self::Answered(_)
            | Self::Failed => Err(self.refuse(to)),
        }
    }

    /// The runtime begins to send an answer in pieces.
    ///
    /// # Errors
    ///
    /// As for [`Self::answer`].
    pub fn begin(self, id: &str) -> Result<Self, Refusal> {
        let current = self.current(id)?;
        self.answer(id, "InvocationResponse").map(|_answered| Self::Streaming(current))
    }

    /// The last piece was sent, or none will be.
    ///
    /// # Errors
    ///
    /// If none was begun.
    pub fn end(self, id: &str) -> Result<Self, Refusal> {
        let current = self.current(id)?;
        match self {
            Self::Streaming(_) => Ok(Self::Answered(current)),
            Self::Ending(_) => Ok(Self::Waiting),
            Self::Loading
            | Self::Waiting
            | Self::Handling(_)
            | Self::Answered(_)
            | Self::Failed => Err(self.refuse("InvocationResponse")),
        }
    }

    /// The invocation that it has or had, if that is the one of this id.
    fn current(self, id: &str) -> Result<RequestId, Refusal> {
        match self {
            Self::Handling(current)
            | Self::Streaming(current)
            | Self::Ending(current)
            | Self::Answered(current)
                if RequestId::parse(id) == Some(current) =>
            {
                Ok(current)
            }
            Self::Handling(_)
            | Self::Streaming(_)
            | Self::Ending(_)
            | Self::Answered(_)
            | Self::Loading
            | Self::Waiting
            | Self::Failed => Err(Refusal::InvalidRequestId),
        }
    }

    /// The runtime could not load the function.
    ///
    /// # Errors
    ///
    /// If it has loaded it before.
    pub fn init_error(self) -> Result<Self, Refusal> {
        match self {
            Self::Loading => Ok(Self::Failed),
            Self::Waiting
            | Self::Handling(_)
            | Self::Streaming(_)
            | Self::Ending(_)
            | Self::Answered(_)
            | Self::Failed => Err(self.refuse("InitError")),
        }
    }

    fn refuse(self, to: &'static str) -> Refusal {
        Refusal::InvalidStateTransition { from: self.name(), to }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Loading => "Started",
            Self::Waiting => READY,
            Self::Handling(_) => RUNNING,
            Self::Streaming(_) | Self::Ending(_) | Self::Answered(_) => "InvocationResponse",
            Self::Failed => "InitError",
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_call_in_each_state() {
        let (id, other) = (RequestId(Uuid::from_u128(1)), RequestId(Uuid::from_u128(2)));
        let text = id.to_string();
        let refused = |from, to| Err(Refusal::InvalidStateTransition { from, to });
        let wrong = Err(Refusal::InvalidRequestId);
        let (handling, answered) = (Session::Handling(id), Session::Answered(id));
        let (streaming, ending) = (Session::Streaming(id), Session::Ending(id));
        #[rustfmt::skip]
        let rows = [
            ("first next",            Session::Loading.next(),                         Ok(Session::Waiting)),
            ("next again",            Session::Waiting.next(),                         Ok(Session::Waiting)),
            ("next while it has one", handling.next(),                                 refused("Running", "Ready")),
            ("next after an answer",  answered.next(),                                 Ok(Session::Waiting)),
            ("next after a failure",  Session::Failed.next(),                          refused("InitError", "Ready")),
            ("answer",                handling.answer(&text, "Response"),              Ok(answered)),
            ("second answer",         answered.answer(&text, "Response"),              refused("InvocationResponse", "Response")),
            ("answer to another",     handling.answer(&other.to_string(), "Response"), wrong),
            ("answer to nonsense",    handling.answer("nonsense", "Response"),         wrong),
            ("late answer",           Session::Waiting.answer(&text, "Response"),      wrong),
            ("answer before init",    Session::Loading.answer(&text, "Response"),      wrong),
            ("begins to stream",      handling.begin(&text),                           Ok(streaming)),
            ("streams another's",     handling.begin(&other.to_string()),              wrong),
            ("streams twice",         streaming.begin(&text),                          refused("InvocationResponse", "InvocationResponse")),
            ("streams an answered",   answered.begin(&text),                           refused("InvocationResponse", "InvocationResponse")),
            ("answers as it streams", streaming.answer(&text, "Response"),             refused("InvocationResponse", "Response")),
            ("next as it streams",    streaming.next(),                                Ok(ending)),
            ("and again",             ending.next(),                                   Ok(ending)),
            ("answers as it ends",    ending.answer(&text, "Response"),                refused("InvocationResponse", "Response")),
            ("ends, having asked",    ending.end(&text),                               Ok(Session::Waiting)),
            ("ends its stream",       streaming.end(&text),                            Ok(answered)),
            ("ends another's",        streaming.end(&other.to_string()),               wrong),
            ("ends what it did not begin", handling.end(&text),                        refused("Running", "InvocationResponse")),
            ("ends after a reset",    Session::Failed.end(&text),                      wrong),
            ("init error",            Session::Loading.init_error(),                   Ok(Session::Failed)),
            ("init error too late",   Session::Waiting.init_error(),                   refused("Ready", "InitError")),
            ("second init error",     Session::Failed.init_error(),                    refused("InitError", "InitError")),
        ];
        for (name, got, expected) in rows {
            assert_eq!(got, expected, "{name}");
        }
        assert!(handling.next().unwrap_err().is_of_early_next());
        assert!(!Session::Failed.next().unwrap_err().is_of_early_next());
    }
}
