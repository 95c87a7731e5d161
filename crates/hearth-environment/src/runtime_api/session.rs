//! The state of the Runtime API of one environment, pure.
//!
//! ```text
//!              next                 (event)              response, error
//!  Loading ──────────▶ Waiting ──────────────▶ Handling ──────────────▶ Answered
//!     │                   ▲                                                 │
//!     │ init error        └────────────────────── next ─────────────────────┘
//!     ▼
//!   Failed
//! ```
//!
//! A runtime may ask again while it is `Waiting`, for instance on a new connection.

use hearth_types::ids::RequestId;

/// Where a runtime is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Session {
    /// It has not asked for an event yet.
    Loading,
    /// It has asked and waits.
    Waiting,
    /// It has this invocation.
    Handling(RequestId),
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
    TooLarge,
    /// The answer was cut off. The invocation has failed.
    Truncated,
    /// The environment is being taken down.
    Gone,
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
            Self::Handling(_) | Self::Failed => Err(self.refuse("Ready")),
        }
    }

    /// The runtime answers an invocation, well or with an error.
    ///
    /// # Errors
    ///
    /// If it has none, has answered it already, or has another.
    pub fn answer(self, id: &str, to: &'static str) -> Result<Self, Refusal> {
        let current = match self {
            Self::Handling(current) | Self::Answered(current) => current,
            Self::Loading | Self::Waiting | Self::Failed => return Err(Refusal::InvalidRequestId),
        };
        if RequestId::parse(id) != Some(current) {
            return Err(Refusal::InvalidRequestId);
        }
        match self {
            Self::Handling(_) => Ok(Self::Answered(current)),
            Self::Loading | Self::Waiting | Self::Answered(_) | Self::Failed => {
                Err(self.refuse(to))
            }
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
            Self::Waiting | Self::Handling(_) | Self::Answered(_) | Self::Failed => {
                Err(self.refuse("InitError"))
            }
        }
    }

    fn refuse(self, to: &'static str) -> Refusal {
        Refusal::InvalidStateTransition { from: self.name(), to }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Loading => "Started",
            Self::Waiting => "Ready",
            Self::Handling(_) => "Running",
            Self::Answered(_) => "InvocationResponse",
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
            ("init error",            Session::Loading.init_error(),                   Ok(Session::Failed)),
            ("init error too late",   Session::Waiting.init_error(),                   refused("Ready", "InitError")),
            ("second init error",     Session::Failed.init_error(),                    refused("InitError", "InitError")),
        ];
        for (name, got, expected) in rows {
            assert_eq!(got, expected, "{name}");
        }
    }
}
