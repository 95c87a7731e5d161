//! Asynchronous invocation: accepted now, run later.
//!
//! ```text
//!  submit ──▶ an entry of the durable queue ──▶ run_event, as often as it takes
//! ```
//!
//! An event waits in a lane of its own function, so that functions do not delay each other.
//!
//! # Promises
//!
//! 1. When [`Invoker::submit`] has returned without an error, the event survives a crash of the
//!    machine; when it has returned with one, the event was never accepted.
//! 2. Every attempt has the request id with which the event was accepted.
//! 3. What [`EventHead::entry`] writes, [`EventHead::read`] reads.
//!
//! # Deliberately absent
//!
//! Who takes events from the queue, and what happens when they fail: that is `hearth-events`'.

use std::time::Duration;

use bytes::Bytes;
use hearth_control::error::ControlError;
use hearth_environment::invocation::{LogRequest, RunResult};
use hearth_scheduler::driver::AcquireError;
use hearth_store::queue::{Batch, Lane, NewEntry};
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::metrics::Metric;
use hearth_types::names::{FunctionArn, FunctionReference, Qualifier, Scope, Version};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{InvokeError, InvokeRequest, Invoker, Outcome, check_json, new_trace};

/// The kind of the lanes in which events wait.
pub const LANE_KIND: &str = "invoke";
/// The kind of the lanes in which events are kept that were given up.
pub const FAILED_LANE_KIND: &str = "failed";

/// What is known of an event beside its payload: the head of its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventHead {
    /// The request id of its acceptance, and of each attempt.
    pub id: RequestId,
    /// What to run.
    pub function: FunctionArn,
    /// Which version of it, as the caller said.
    #[serde(default, with = "qualifier_text", skip_serializing_if = "Option::is_none")]
    pub qualifier: Option<Qualifier>,
    /// When it was accepted.
    pub received: Timestamp,
    /// The X-Ray header of its acceptance.
    pub trace: String,
    /// How often the function ran and failed.
    #[serde(default)]
    pub attempts: u32,
    /// How often in a row it could not be run.
    #[serde(default)]
    pub setbacks: u32,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

/// What went wrong with an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// The HTTP status that a caller would have got: 200 for an error of the function.
    pub code: u16,
    /// What was said, cut off at 1 KB.
    pub message: String,
}

mod qualifier_text {
    use hearth_types::names::Qualifier;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        qualifier: &Option<Qualifier>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match qualifier {
            Some(qualifier) => to.collect_str(qualifier),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Qualifier>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let qualifier = text.map(|text| Qualifier::parse(&text)).transpose();
        qualifier.map_err(serde::de::Error::custom)
    }
}

/// The lane in which the events of a function wait.
#[must_use]
pub fn lane(function: &FunctionArn) -> Lane {
    Lane { kind: LANE_KIND, name: function.to_string() }
}

/// The lane in which those events of a function are kept that were given up.
#[must_use]
pub fn failed_lane(function: &FunctionArn) -> Lane {
    Lane { kind: FAILED_LANE_KIND, name: function.to_string() }
}

/// Whose events wait in a lane.
#[must_use]
pub fn function_of(lane: &Lane) -> Option<FunctionArn> {
    named(&lane.name).map(|(function, _)| function)
}

/// The function that a whole ARN names, with its qualifier.
#[must_use]
pub fn named(arn: &str) -> Option<(FunctionArn, Option<Qualifier>)> {
    let FunctionReference { region, account, name, qualifier } =
        FunctionReference::parse(arn).ok()?;
    let scope = Scope { account: account?, region: region? };
    Some((FunctionArn { scope, name }, qualifier))
}

impl EventHead {
    /// The head as it is kept.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("a head can be written as JSON")
    }

    /// The entry that stands for the event, to be leased from now on.
    #[must_use]
    pub fn entry(&self, payload: Bytes, now: Timestamp) -> NewEntry {
        self.entry_in(lane(&self.function), payload, now)
    }

    /// The entry that keeps an event that was given up.
    #[must_use]
    pub fn failed_entry(&self, payload: Bytes, now: Timestamp) -> NewEntry {
        self.entry_in(failed_lane(&self.function), payload, now)
    }

    fn entry_in(&self, lane: Lane, body: Bytes, now: Timestamp) -> NewEntry {
        NewEntry {
            lane,
            group: None,
            put_at: now,
            due: now,
            sameness: None,
            head: self.text(),
            body,
        }
    }

    /// Reads the head of an entry.
    ///
    /// # Errors
    ///
    /// If it is not that of an event.
    pub fn read(head: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(head)
    }

    /// The same event as if it had just been accepted.
    #[must_use]
    pub fn anew(self, now: Timestamp) -> Self {
        Self { received: now, attempts: 0, setbacks: 0, last_error: None, ..self }
    }
}

/// An event that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The X-Ray header of the event: the caller's, or a new one.
    pub trace: String,
}

/// Whether the function failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It returned.
    Succeeded,
    /// It failed, in whatever way.
    Failed,
}

/// An attempt in which the function ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub verdict: Verdict,
    /// The answer, or the description of the error.
    pub payload: Bytes,
    /// The version that ran.
    pub version: Version,
    /// The X-Ray header that the function saw.
    pub trace: String,
    /// How long it waited for an environment that was not its own to start.
    pub queued: Duration,
}

/// What the error of an attempt means for the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There is no such function, version or alias any more.
    Gone,
    /// There is no room for it now: a limit of the account, of the function or of this host.
    Throttled,
    /// It could not be run now, for another reason.
    Unavailable,
    /// The server is shutting down.
    Closing,
    /// The function has invoked itself too often.
    Recursive,
    /// It will never be run: what was accepted is not an event.
    Refused,
}

impl InvokeError {
    /// What it means for an event that can be tried again.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::NotResolved(ControlError::FunctionMissing(_)) => Cause::Gone,
            Self::NotResolved(_) | Self::NotTaken | Self::NotAccepted(_) => Cause::Unavailable,
            Self::PayloadTooLarge { .. } | Self::EventTooLarge { .. } | Self::PayloadNotJson(_) => {
                Cause::Refused
            }
            Self::NotPlaced(AcquireError::Room | AcquireError::Scaling) | Self::Throttled(_) => {
                Cause::Throttled
            }
            Self::NotPlaced(AcquireError::Closing) => Cause::Closing,
            Self::NotPlaced(AcquireError::NotStarted(_)) => Cause::Unavailable,
            Self::Recursive => Cause::Recursive,
        }
    }
}

impl Invoker {
    /// Accepts an event, to be run later. Its client context is not kept, as on AWS.
    ///
    /// # Errors
    ///
    /// If there is nothing to run, the payload is not one, or the event could not be kept.
    pub async fn submit(&self, request: InvokeRequest) -> Result<Accepted, InvokeError> {
        let InvokeRequest { id, function, qualifier, payload, trace, client_context: _, log: _ } =
            request;
        self.resolve(id, &function, qualifier.as_ref())?;
        let (size, limit) = (payload.len(), limits::PAYLOAD_ASYNC_BYTES_MAX);
        if size > limit {
            return Err(InvokeError::EventTooLarge { size, limit });
        }
        check_json(&payload)?;
        let payload = if payload.is_empty() { Bytes::from_static(b"{}") } else { payload };
        let received = self.control.now();
        let head = EventHead {
            id,
            function,
            qualifier,
            received,
            trace: trace.unwrap_or_else(new_trace),
            attempts: 0,
            setbacks: 0,
            last_error: None,
        };
        let batch = Batch { puts: vec![head.entry(payload, received)], ..Batch::default() };
        let applied = self.queue.apply(batch, received).await;
        applied.map_err(InvokeError::NotAccepted)?;
        self.metrics.add(Metric::AsyncEventsReceived, head.function.name.as_str(), 1);
        Ok(Accepted { trace: head.trace })
    }

    /// Runs an event once.
    ///
    /// # Errors
    ///
    /// If no function code finished, for one of the reasons of [`InvokeError`].
    pub async fn run_event(&self, head: &EventHead, payload: Bytes) -> Result<Ran, InvokeError> {
        let request = InvokeRequest {
            id: head.id,
            function: head.function.clone(),
            qualifier: head.qualifier.clone(),
            payload,
            client_context: None,
            trace: Some(head.trace.clone()),
            log: LogRequest::None,
        };
        let Outcome { completed, version, trace } = self.invoke(request).await?;
        let verdict = match completed.result {
            RunResult::Success => Verdict::Succeeded,
            RunResult::Unhandled => Verdict::Failed,
        };
        let (payload, queued) = (completed.payload, completed.timeline.queued);
        Ok(Ran { verdict, payload, version, trace, queued })
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, FunctionName, Region};

    use super::*;

    fn head(qualifier: Option<&str>) -> EventHead {
        let account = AccountId::parse("000000000000").unwrap();
        let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
        EventHead {
            id: RequestId::random(),
            function: FunctionArn { scope, name: FunctionName::parse("f").unwrap() },
            qualifier: qualifier.map(|text| Qualifier::parse(text).unwrap()),
            received: Timestamp(7),
            trace: "Root=1".to_owned(),
            attempts: 2,
            setbacks: 1,
            last_error: Some(LastError { code: 200, message: "no".to_owned() }),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for qualifier in [None, Some("$LATEST"), Some("7"), Some("live")] {
            let head = head(qualifier);
            let entry = head.entry(Bytes::from_static(b"1"), Timestamp(9));
            assert_eq!(EventHead::read(&entry.head).unwrap(), head, "{qualifier:?}");
            assert_eq!(function_of(&entry.lane), Some(head.function.clone()));
            assert_eq!((entry.lane.kind, entry.due), (LANE_KIND, Timestamp(9)));
        }
    }

    #[test]
    fn what_is_not_text_is_not_json_and_it_is_said_where() {
        type Row = (&'static [u8], Option<(usize, usize)>);
        #[rustfmt::skip]
        let rows: [Row; 4] = [
            (b"", None),
            ("\"\u{fc}\"".as_bytes(), None),
            (b"\"\xff\"", Some((1, 2))),
            (b"[1,\n \"a\xc3\"]", Some((2, 4))),
        ];
        for (payload, expected) in rows {
            let place = match check_json(&Bytes::from_static(payload)) {
                Err(InvokeError::PayloadNotJson(error)) => Some((error.line(), error.column())),
                other => other.map(|()| None).unwrap(),
            };
            assert_eq!(place, expected, "{payload:?}");
        }
    }

    #[test]
    fn an_event_that_is_replayed_has_all_its_attempts_again() {
        let before = head(Some("live"));
        let again = before.clone().anew(Timestamp(100));
        assert_eq!((again.attempts, again.setbacks, &again.last_error), (0, 0, &None));
        assert_eq!((again.id, again.received), (before.id, Timestamp(100)));
    }

    #[test]
    fn each_error_means_something_for_the_event() {
        let missing = || ControlError::FunctionMissing("f".to_owned());
        #[rustfmt::skip]
        let rows = [
            (InvokeError::NotResolved(missing()),                              Cause::Gone),
            (InvokeError::NotResolved(ControlError::NotActive("Pending")),     Cause::Unavailable),
            (InvokeError::NotPlaced(AcquireError::Room),                       Cause::Throttled),
            (InvokeError::NotPlaced(AcquireError::Closing),                    Cause::Closing),
            (InvokeError::NotPlaced(AcquireError::NotStarted("x".to_owned())), Cause::Unavailable),
            (InvokeError::NotTaken,                                            Cause::Unavailable),
            (InvokeError::Recursive,                                           Cause::Recursive),
            (InvokeError::EventTooLarge { size: 2, limit: 1 },                 Cause::Refused),
        ];
        for (error, cause) in rows {
            assert_eq!(error.cause(), cause, "{error}");
        }
    }
}
