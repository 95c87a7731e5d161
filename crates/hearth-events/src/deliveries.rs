//! Deliveries: carries out what one service hands to another, until it is taken or given up.
//!
//! ```text
//!  waiting ──▶ tried ──▶ taken
//!     ▲          │ failed, and there is patience left
//!     └──────────┤
//!                └ refused, or no patience left ──▶ given up ──▶ a delivery to the dead-letter queue
//! ```
//!
//! # Promises
//!
//! 1. A delivery that is given up becomes one to its dead-letter queue in the same batch.
//! 2. Whoever does not take what it is given holds up its own lane only.
//! 3. Deliveries of one group arrive in order.
//! 4. An endpoint whose delivery policy says how many deliveries it gets in a second gets no more.
//!
//! # Deliberately absent
//!
//! No protocols: whoever takes something is behind a trait.

mod throttle;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_invoke::asynchronous::{Cause, named};
use hearth_invoke::{InvokeError, InvokeRequest, Invoker};
use hearth_services::delivery::{
    AttributeValue, Delivery, LANE_KIND, MessageAttribute, Origin, Parcel, Patience, QueueMessage,
    outcome,
};
use hearth_services::targets::{
    AppendLog, HttpPost, NewObject, NotTaken, Publish, PutEvent, PutObject, SendMessage, Sent,
};
use hearth_services::topics;
use hearth_store::queue::{Lane, Leased};
use hearth_types::errors::causes;
use hearth_types::ids::RequestId;
use hearth_types::limits;
use hearth_types::metrics::Metric;
use hearth_types::time::Timestamp;

use self::throttle::{Place, Throttle};
use crate::record::as_attribute;
use crate::retry::Delays;
use crate::turns::Pace;
use crate::worker::{Common, Done, Work};

/// What the lane of a delivery to a dead-letter queue ends with. ARNs have no spaces.
const DEAD_LETTER: &str = " dead-letter";

/// Takes events for functions.
#[async_trait]
pub trait SubmitEvent: Send + Sync + fmt::Debug {
    /// When it returns without an error, the event is accepted.
    async fn submit(&self, sent: Sent<'_>) -> Result<(), NotTaken>;

    /// When it returns without an error, the function has run, however that went.
    async fn run(&self, sent: Sent<'_>) -> Result<(), NotTaken>;
}

#[async_trait]
impl SubmitEvent for Invoker {
    async fn submit(&self, sent: Sent<'_>) -> Result<(), NotTaken> {
        let request = request(sent)?;
        self.submit(request).await.map(drop).map_err(|error| not_accepted(&error))
    }

    async fn run(&self, sent: Sent<'_>) -> Result<(), NotTaken> {
        let request = request(sent)?;
        self.invoke(request).await.map(drop).map_err(|error| not_accepted(&error))
    }
}

fn request(sent: Sent<'_>) -> Result<InvokeRequest, NotTaken> {
    let Some((function, qualifier)) = named(sent.arn) else {
        let message = format!("{} is not a function", sent.arn);
        return Err(NotTaken::Refused { code: "InvalidParameterValueException".into(), message });
    };
    Ok(InvokeRequest {
        id: RequestId::random(),
        function,
        qualifier,
        payload: sent.body.clone(),
        client_context: None,
        trace: sent.trace.map(str::to_owned),
        log: Default::default(),
    })
}

fn not_accepted(error: &InvokeError) -> NotTaken {
    let message = causes(error);
    let code = match error.cause() {
        Cause::Gone => "ResourceNotFoundException",
        Cause::Refused => "InvalidRequestContentException",
        Cause::Recursive => "RecursiveInvocationException",
        Cause::Throttled | Cause::Unavailable | Cause::Closing => {
            return NotTaken::Failed { message };
        }
    };
    NotTaken::Refused { code: code.to_owned(), message }
}

/// Whoever takes what is delivered.
#[derive(Debug, Clone)]
pub struct Receivers {
    /// Functions.
    pub functions: Arc<dyn SubmitEvent>,
    /// Queues.
    pub queues: Arc<dyn SendMessage>,
    /// Topics.
    pub topics: Arc<dyn Publish>,
    /// Event buses.
    pub buses: Arc<dyn PutEvent>,
    /// Buckets.
    pub buckets: Arc<dyn PutObject>,
    /// HTTP endpoints.
    pub http: Arc<dyn HttpPost>,
    /// Groups of logs.
    pub logs: Arc<dyn AppendLog>,
}

impl Receivers {
    async fn hand_over(&self, delivery: &Delivery, body: &Bytes) -> Result<(), NotTaken> {
        let trace = delivery.trace.as_deref();
        match &delivery.parcel {
            Parcel::Function { arn } => self.functions.submit(Sent { arn, body, trace }).await,
            Parcel::Invocation { arn } => self.functions.run(Sent { arn, body, trace }).await,
            Parcel::Queue { arn, message } => {
                self.queues.send(Sent { arn, body, trace }, message).await
            }
            Parcel::Topic { arn, message } => {
                self.topics.publish(Sent { arn, body, trace }, message).await
            }
            Parcel::Bus { arn, event } => self.buses.put(Sent { arn, body, trace }, event).await,
            Parcel::Object { bucket, key, region } => {
                self.buckets.put_object(NewObject { bucket, key, region, body }).await
            }
            Parcel::LogGroup { arn } => self.logs.append(Sent { arn, body, trace }).await,
            Parcel::Http { url, headers } => self.http.post(url, headers, body).await,
        }
    }
}

/// Whether a delivery is the first one, or the one to the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leg {
    First,
    DeadLetter,
}

/// What happens to a delivery that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It is tried again.
    Again { due: Timestamp },
    /// It is not; says which patience was over, in AWS's words.
    GiveUp { exhausted: Option<&'static str> },
}

/// Decides what happens to a delivery that was not taken for the `attempts`th time. A policy, or AWS
/// for a notification, says when it is tried again; of others only how often and for how long.
fn decide(
    not_taken: &NotTaken,
    attempts: u32,
    patience: Patience,
    (age_ms, delays, now): (u64, &Delays, Timestamp),
) -> Verdict {
    match not_taken {
        NotTaken::Refused { .. } => Verdict::GiveUp { exhausted: None },
        NotTaken::Failed { .. } if attempts > patience.retries_max => {
            Verdict::GiveUp { exhausted: Some("MaximumRetryAttempts") }
        }
        NotTaken::Failed { .. } => {
            let wait = patience.http.map_or_else(
                || delays.backoff_ms(attempts),
                |http| http.delay_millis(patience.retries_max, attempts),
            );
            if age_ms.saturating_add(wait) > patience.age_ms_max {
                return Verdict::GiveUp { exhausted: Some("MaximumEventAgeInSeconds") };
            }
            Verdict::Again { due: now.plus_millis(wait) }
        }
    }
}

/// What is counted when a delivery was tried, not taken, taken, given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Tried,
    Failed,
    Taken,
    GivenUp,
}

/// The metric of a step, if there is one, and for whom.
fn metric(origin: &Origin, leg: Leg, step: Step) -> Option<(Metric, String)> {
    let (metric, resource) = match origin {
        Origin::Subscription { topic, .. } => {
            let metric = match (leg, step) {
                (Leg::First, Step::Taken) => Metric::NumberOfNotificationsDelivered,
                (Leg::First, Step::GivenUp) => Metric::NumberOfNotificationsFailed,
                (Leg::DeadLetter, Step::Taken) => Metric::NumberOfNotificationsRedrivenToDlq,
                (Leg::DeadLetter, Step::GivenUp) => {
                    Metric::NumberOfNotificationsFailedToRedriveToDlq
                }
                (Leg::First | Leg::DeadLetter, Step::Tried | Step::Failed) => return None,
            };
            (metric, topic.rsplit(':').next().unwrap_or(topic))
        }
        Origin::Target { name, .. } => {
            let metric = match (leg, step) {
                (Leg::First, Step::Tried) => Metric::InvocationAttempts,
                (Leg::First, Step::Taken) => Metric::Invocations,
                (Leg::First, Step::GivenUp) => Metric::FailedInvocations,
                (Leg::DeadLetter, Step::Taken) => Metric::InvocationsSentToDlq,
                (Leg::DeadLetter, Step::GivenUp) => Metric::InvocationsFailedToBeSentToDlq,
                (Leg::DeadLetter, Step::Tried) | (_, Step::Failed) => return None,
            };
            (metric, name.as_str())
        }
        // AWS counts none of those.
        Origin::Notification { .. } => return None,
        Origin::Schedule { group, .. } => {
            let metric = match (leg, step) {
                (Leg::First, Step::Tried) => Metric::InvocationAttemptCount,
                (Leg::First, Step::Failed) => Metric::TargetErrorCount,
                (Leg::First, Step::GivenUp) => Metric::InvocationDroppedCount,
                (Leg::DeadLetter, Step::Taken) => Metric::InvocationsSentToDeadLetterCount,
                (Leg::DeadLetter, Step::GivenUp) => {
                    Metric::InvocationsFailedToBeSentToDeadLetterCount
                }
                (Leg::First, Step::Taken) | (Leg::DeadLetter, Step::Tried | Step::Failed) => {
                    return None;
                }
            };
            (metric, group.as_str())
        }
        Origin::Destination { function } => match step {
            Step::GivenUp => (Metric::DestinationDeliveryFailures, function.as_str()),
            Step::Tried | Step::Failed | Step::Taken => return None,
        },
        Origin::DeadLetter { function } => match step {
            Step::GivenUp => (Metric::DeadLetterErrors, function.as_str()),
            Step::Tried | Step::Failed | Step::Taken => return None,
        },
    };
    Some((metric, resource.to_owned()))
}

/// The delivery to the dead-letter queue of one that is given up, if it has one, and its payload.
fn to_dead_letters(
    delivery: &Delivery,
    entry: &Leased,
    (not_taken, exhausted): (&NotTaken, Option<&'static str>),
) -> Option<(Delivery, Bytes)> {
    let arn = delivery.dead_letter.clone()?;
    let body = &entry.body;
    let (body, mut message) = match (&delivery.origin, &delivery.parcel) {
        (Origin::Subscription { .. }, _) => topics::dead_letter(delivery, body),
        // The event as it was matched, whatever the target would have got; the queue is a standard one.
        (Origin::Target { .. }, _) => (delivery.dead_body(body), QueueMessage::default()),
        // What the last attempt was with; the queue is a standard one.
        (Origin::Schedule { .. }, _) => (delivery.dead_body(body), QueueMessage::default()),
        // As it was: with its attributes, and in its group.
        (_, Parcel::Queue { message, .. }) => (body.clone(), message.clone()),
        _ => (body.clone(), QueueMessage::default()),
    };
    message.delay_seconds = None;
    let mut origin = delivery.origin.clone();
    if let Origin::Target { rule, target, event_bytes, .. } = &mut origin {
        let arns = (rule.as_str(), target.as_str());
        message.attributes = of_target(arns, delivery, not_taken, exhausted);
        // Its whole body is what is sent.
        *event_bytes = 0;
    }
    if matches!(delivery.origin, Origin::Schedule { .. }) {
        message.attributes = of_schedule(delivery, not_taken, exhausted);
    }
    identify(&mut message, &arn, entry);
    let parcel = Parcel::Queue { arn, message };
    let second = outcome::delivery(origin, parcel, delivery.trace.clone());
    Some((second, body))
}

/// A FIFO queue wants to know the group of a message, and which messages are the same. A standard
/// queue does not take what says the latter.
fn identify(message: &mut QueueMessage, arn: &str, entry: &Leased) {
    if !arn.ends_with(".fifo") {
        message.deduplication = None;
        return;
    }
    let id = entry.receipt.entry.to_string();
    let group = entry.group.clone().unwrap_or_else(|| id.clone());
    message.group.get_or_insert(group);
    message.deduplication.get_or_insert(id);
}

/// What EventBridge says with an event that it sends to a dead-letter queue.
fn of_target(
    (rule, target): (&str, &str),
    delivery: &Delivery,
    not_taken: &NotTaken,
    exhausted: Option<&'static str>,
) -> BTreeMap<String, MessageAttribute> {
    let (code, message) = match not_taken {
        NotTaken::Refused { code, message } => (code_of_target(code), message.as_str()),
        NotTaken::Failed { message } => ("INTERNAL_ERROR", message.as_str()),
    };
    let retries = delivery.attempts.saturating_sub(1).to_string();
    attributes(&[
        ("RULE_ARN", Some(rule)),
        ("TARGET_ARN", Some(target)),
        ("ERROR_CODE", Some(code)),
        ("ERROR_MESSAGE", Some(message)),
        ("EXHAUSTED_RETRY_CONDITION", exhausted),
        ("RETRY_ATTEMPTS", Some(retries.as_str())),
    ])
}

/// What EventBridge Scheduler says with an input that it sends to a dead-letter queue.
fn of_schedule(
    delivery: &Delivery,
    not_taken: &NotTaken,
    exhausted: Option<&'static str>,
) -> BTreeMap<String, MessageAttribute> {
    let Origin::Schedule { schedule, target, scheduled, execution, .. } = &delivery.origin else {
        return BTreeMap::new();
    };
    let (code, message) = match not_taken {
        NotTaken::Refused { code, message } => (code.as_str(), message.as_str()),
        NotTaken::Failed { message } => ("AWS.Scheduler.InternalServerError", message.as_str()),
    };
    let retries = delivery.attempts.saturating_sub(1).to_string();
    let scheduled = scheduled.iso_seconds();
    attributes(&[
        ("SCHEDULE_ARN", Some(schedule.as_str())),
        ("SCHEDULED_TIME", Some(scheduled.as_str())),
        ("EXECUTION_ID", Some(execution.as_str())),
        ("TARGET_ARN", Some(target.as_str())),
        ("ERROR_CODE", Some(code)),
        ("ERROR_MESSAGE", Some(message)),
        ("EXHAUSTED_RETRY_CONDITION", exhausted),
        ("RETRY_ATTEMPTS", Some(retries.as_str())),
        // No input is larger than a message.
        ("IS_PAYLOAD_TRUNCATED", Some("false")),
    ])
}

fn attributes(told: &[(&str, Option<&str>)]) -> BTreeMap<String, MessageAttribute> {
    let attribute = |text: &str| MessageAttribute {
        data_type: "String".to_owned(),
        value: AttributeValue::Text(as_attribute(text)),
    };
    let given = told.iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(((*name).to_owned(), attribute(value)))
    });
    given.collect()
}

/// EventBridge's name of a refusal, of those that it documents.
fn code_of_target(code: &str) -> &'static str {
    match code {
        "AWS.SimpleQueueService.NonExistentQueue"
        | "QueueDoesNotExist"
        | "NotFound"
        | "ResourceNotFound"
        | "ResourceNotFoundException" => "NO_RESOURCE",
        "AccessDenied" | "AccessDeniedException" | "AuthorizationError" => "NO_PERMISSIONS",
        "InvalidParameter" | "InvalidParameterValue" | "InvalidParameterValueException" => {
            "INVALID_PARAMETER"
        }
        _ => "ERROR_FROM_TARGET",
    }
}

/// What is done with deliveries.
#[derive(Debug)]
pub(crate) struct Deliveries {
    receivers: Receivers,
    common: Common,
    delays: Delays,
    throttle: Throttle,
}

impl Deliveries {
    pub(crate) fn new(receivers: Receivers, common: Common, delays: Delays) -> Self {
        Self { receivers, common, delays, throttle: Throttle::default() }
    }

    /// Waits until an endpoint may get one more. `Some`: not soon, but then.
    async fn held_back(&self, lane: &Lane, patience: Patience) -> Option<Timestamp> {
        let per_second = patience.http?.receives_per_second_max?;
        match self.throttle.take(&lane.name, per_second, self.common.time.now()) {
            Place::After { ms: 0 } => None,
            Place::After { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                None
            }
            Place::Later { due } => Some(due),
        }
    }
}

impl Work for Deliveries {
    fn kind(&self) -> &'static str {
        LANE_KIND
    }

    /// Of a lane with a rate, those that have places within a second.
    fn capacity(&self, lane: &Lane) -> usize {
        let per_second = self.throttle.per_second(&lane.name).unwrap_or(u32::MAX);
        let per_second = usize::try_from(per_second).unwrap_or(usize::MAX);
        per_second.min(limits::DELIVERIES_RUNNING_OF_LANE_MAX)
    }

    async fn perform(&self, lane: &Lane, entry: &Leased) -> Done {
        let mut delivery = match Delivery::read(&entry.head) {
            Ok(delivery) => delivery,
            Err(error) => {
                // Written by another version of this program, which may be back.
                tracing::error!(error = causes(&error), "a delivery cannot be understood");
                let due = self.common.time.now().plus_millis(self.delays.backoff_ms_max);
                return Done::returned(due, None, Pace::Untried);
            }
        };
        if let Some(due) = self.held_back(lane, delivery.patience).await {
            return Done::returned(due, None, Pace::Untried);
        }
        let is_second = lane.name.ends_with(DEAD_LETTER);
        let leg = if is_second { Leg::DeadLetter } else { Leg::First };
        let handed = self.receivers.hand_over(&delivery, &delivery.payload(&entry.body)).await;
        delivery.attempts = delivery.attempts.saturating_add(1);
        let counts = |steps: &[Step]| -> Vec<(Metric, String)> {
            steps.iter().filter_map(|step| metric(&delivery.origin, leg, *step)).collect()
        };
        let not_taken = match handed {
            Ok(()) => {
                let counts = counts(&[Step::Tried, Step::Taken]);
                return Done { counts, ..Done::removed(Pace::Smooth) };
            }
            Err(not_taken) => not_taken,
        };
        let now = self.common.time.now();
        if self.common.is_closing() && matches!(not_taken, NotTaken::Failed { .. }) {
            // It may have failed because the server stops, so it does not count.
            return Done::returned(now, None, Pace::Untried);
        }
        let age_ms = self.common.time.of_day().millis_since(entry.put_at);
        let circumstances = (age_ms, &self.delays, now);
        match decide(&not_taken, delivery.attempts, delivery.patience, circumstances) {
            Verdict::Again { due } => {
                let head = serde_json::to_string(&delivery).expect("it was read from JSON");
                // One that is to be tried at once does not make its lane rest.
                let pace = if due <= now { Pace::Untried } else { Pace::Refused };
                let returned = Done::returned(due, Some(head), pace);
                Done { counts: counts(&[Step::Tried, Step::Failed]), ..returned }
            }
            Verdict::GiveUp { exhausted } => {
                tracing::warn!(%lane.name, %not_taken, "a delivery was given up");
                let counts = counts(&[Step::Tried, Step::Failed, Step::GivenUp]);
                let why = (&not_taken, exhausted);
                let second = to_dead_letters(&delivery, entry, why).map(|(second, body)| {
                    let lane = format!("{}{DEAD_LETTER}", lane.name);
                    second.entry((&lane, entry.group.clone()), body, now)
                });
                let puts = second.into_iter().collect();
                Done { puts, counts, ..Done::removed(Pace::Smooth) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
