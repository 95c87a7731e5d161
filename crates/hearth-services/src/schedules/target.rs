//! The target of a schedule: what is called, with what, and how long it is tried.
//!
//! A *templated* target is named by the ARN of what takes the input: a function, a queue, a topic, an
//! event bus. A *universal* one names an operation of AWS's API, and its input is that of the
//! operation; of those there is `Invoke` of Lambda.

use bytes::Bytes;
use hearth_types::names::{FunctionArn, FunctionReference, Qualifier, Scope};
use hearth_types::time::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::context::{self, Context};
use super::error::ScheduleError;
use super::names::ScheduleArn;
use crate::buses::names::BusArn;
use crate::delivery::{BusEvent, Parcel, Patience, QueueMessage, TopicMessage};
use crate::limits;

/// The universal target that is built.
const INVOKE: &str = "arn:aws:scheduler:::aws-sdk:lambda:invoke";
/// What universal targets begin with.
const UNIVERSAL: &str = "arn:aws:scheduler:::aws-sdk:";

/// Services that AWS has as templated targets and Hearth does not yet.
#[rustfmt::skip]
const NOT_BUILT: &[&str] = &[
    "states", "kinesis", "firehose", "ecs", "codebuild", "codepipeline", "sagemaker", "inspector",
];

/// A target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What is called.
    pub arn: String,
    /// A role, which is kept.
    pub role: String,
    /// What it gets; if there is none, a notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// `SqsParameters.MessageGroupId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `EventBridgeParameters`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventParameters>,
    /// How often it is tried again, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How old an invocation may get, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u32>,
    /// The queue for invocations that were given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
}

/// What an event is on a bus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventParameters {
    /// What kind of event it is.
    pub detail_type: String,
    /// Who it comes from.
    pub source: String,
}

/// Kinds of targets that are delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Queue,
    Topic,
    Bus,
    Invoke,
}

impl Kind {
    fn of(arn: &str) -> Result<Self, ScheduleError> {
        if arn == INVOKE {
            return Ok(Self::Invoke);
        }
        if let Some(operation) = arn.strip_prefix(UNIVERSAL) {
            let what = format!("the universal target {operation} of EventBridge Scheduler");
            return Err(ScheduleError::NotBuilt(what));
        }
        let wrong = || invalid("Provided Arn is not in correct format.");
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, _region, _account, resource] = parts.as_slice() else {
            return Err(wrong());
        };
        if !partition.starts_with("aws") || resource.is_empty() {
            return Err(wrong());
        }
        match *service {
            "lambda" if resource.starts_with("function:") => Ok(Self::Function),
            "sqs" => Ok(Self::Queue),
            "sns" => Ok(Self::Topic),
            "events" if BusArn::parse(arn).is_some() => Ok(Self::Bus),
            service if NOT_BUILT.contains(&service) => Err(ScheduleError::NotBuilt(format!(
                "the target {service} of EventBridge Scheduler"
            ))),
            _ => Err(wrong()),
        }
    }
}

/// The input of `Invoke` as a universal target.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct InvokeInput {
    function_name: String,
    #[serde(default)]
    qualifier: Option<String>,
    #[serde(default)]
    invocation_type: Option<String>,
    #[serde(default)]
    payload: Option<Value>,
}

/// An invocation that is about to be delivered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Invocation<'a> {
    pub(super) schedule: &'a ScheduleArn,
    pub(super) scheduled: Timestamp,
    pub(super) execution: &'a str,
}

impl Target {
    /// Refuses what cannot be delivered.
    pub(super) fn check(&self, scope: &Scope) -> Result<(), ScheduleError> {
        let kind = Kind::of(&self.arn)?;
        if self.group.is_some() && kind != Kind::Queue {
            return Err(invalid("SqsParameters is only supported for an SQS target."));
        }
        if self.event.is_some() && kind != Kind::Bus {
            return Err(invalid("EventBridgeParameters is only supported for an event bus."));
        }
        if kind == Kind::Queue && self.arn.ends_with(".fifo") && self.group.is_none() {
            return Err(invalid("MessageGroupId must be specified for a FIFO queue."));
        }
        if kind == Kind::Bus && self.event.is_none() {
            return Err(invalid("EventBridgeParameters must be specified for an event bus."));
        }
        self.check_input(kind, scope)
    }

    fn check_input(&self, kind: Kind, scope: &Scope) -> Result<(), ScheduleError> {
        let length = self.input.as_ref().map_or(0, String::len);
        if length > limits::SCHEDULE_INPUT_BYTES_MAX {
            let most = limits::SCHEDULE_INPUT_BYTES_MAX;
            return Err(invalid(format!("Input must not be larger than {most} bytes.")));
        }
        match kind {
            Kind::Function | Kind::Bus => match &self.input {
                Some(input) if !is_json(input) => {
                    Err(invalid("Input must be well-formed JSON for this target."))
                }
                Some(_) | None => Ok(()),
            },
            Kind::Invoke => self.invoke(scope).map(|_call| ()),
            Kind::Queue | Kind::Topic => Ok(()),
        }
    }

    /// How long it is tried.
    pub(super) fn patience(&self) -> Patience {
        let age_seconds = self.age_seconds.unwrap_or(limits::EVENT_AGE_SECONDS_DEFAULT);
        Patience {
            http: None,
            retries_max: self.retries.unwrap_or(limits::EVENT_RETRIES_DEFAULT),
            age_ms_max: u64::from(age_seconds) * 1_000,
        }
    }

    /// What is handed over, and to whom.
    pub(super) fn parcel(
        &self,
        invocation: Invocation<'_>,
    ) -> Result<(Parcel, Bytes), ScheduleError> {
        let arn = self.arn.clone();
        let body = || match &self.input {
            Some(input) => Bytes::from(input.clone()),
            None => notification(invocation),
        };
        Ok(match Kind::of(&arn)? {
            Kind::Function => (Parcel::Function { arn }, body()),
            Kind::Queue => {
                let message = QueueMessage { group: self.group.clone(), ..QueueMessage::default() };
                (Parcel::Queue { arn, message }, body())
            }
            Kind::Topic => (Parcel::Topic { arn, message: TopicMessage::default() }, body()),
            Kind::Bus => {
                let EventParameters { detail_type, source } =
                    self.event.clone().unwrap_or_default();
                let resources = vec![invocation.schedule.to_string()];
                let event = BusEvent { source, detail_type, resources, passed_on: None };
                (Parcel::Bus { arn, event }, body())
            }
            Kind::Invoke => self.invoke(&invocation.schedule.scope)?,
        })
    }

    /// The call that the input of the universal target stands for.
    fn invoke(&self, scope: &Scope) -> Result<(Parcel, Bytes), ScheduleError> {
        let Some(input) = &self.input else {
            return Err(invalid("Input must be specified for a universal target."));
        };
        let input: InvokeInput = serde_json::from_str(input)
            .map_err(|error| invalid(format!("Input is not that of lambda:invoke: {error}.")))?;
        let wrong = |_error| invalid("FunctionName or Qualifier is not in correct format.");
        let named = FunctionReference::parse(&input.function_name).map_err(wrong)?;
        let qualifier = match &input.qualifier {
            Some(text) => Some(Qualifier::parse(text).map_err(wrong)?),
            None => named.qualifier,
        };
        let scope = Scope {
            account: named.account.unwrap_or_else(|| scope.account.clone()),
            region: named.region.unwrap_or_else(|| scope.region.clone()),
        };
        let function = FunctionArn { scope, name: named.name };
        let arn = match qualifier {
            Some(qualifier) => function.qualified(&qualifier),
            None => function.to_string(),
        };
        let payload = match input.payload {
            Some(Value::String(text)) => Bytes::from(text),
            Some(value) => Bytes::from(value.to_string()),
            None => Bytes::new(),
        };
        let parcel = match input.invocation_type.as_deref() {
            Some("Event") => Parcel::Function { arn },
            None | Some("RequestResponse") => Parcel::Invocation { arn },
            Some(other) => {
                return Err(invalid(format!("InvocationType {other} is not supported.")));
            }
        };
        Ok((parcel, payload))
    }
}

/// Whether an input is JSON once what is known of an invocation is put into it.
fn is_json(input: &str) -> bool {
    let sample = Context { schedule: "", scheduled: Timestamp(0), execution: "0", attempt: 1 };
    let filled = context::fill(&Bytes::from(input.to_owned()), sample);
    serde_json::from_slice::<IgnoredAny>(&filled).is_ok()
}

/// What a target gets for which nothing else was said.
fn notification(invocation: Invocation<'_>) -> Bytes {
    let Scope { account, region } = &invocation.schedule.scope;
    let body = json!({
        "version": "0",
        "id": invocation.execution,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": account.as_str(),
        "time": invocation.scheduled.iso_seconds(),
        "region": region.as_str(),
        "resources": [invocation.schedule.to_string()],
        "detail": "{}",
    });
    Bytes::from(body.to_string())
}

pub(super) fn invalid(message: impl Into<String>) -> ScheduleError {
    ScheduleError::Invalid(message.into())
}

#[cfg(test)]
mod tests;
