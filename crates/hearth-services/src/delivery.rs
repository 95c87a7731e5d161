//! Deliveries: what one service hands to another, durably and later.
//!
//! A topic that was published to, a rule that matched, an object that was put and a function that has
//! finished make deliveries. Each waits in the durable queue, in a lane of its own origin, until
//! `hearth-events` has carried it out, or has given it up and sent it to its dead-letter queue.
//!
//! # Promises
//!
//! What [`Delivery::entry`] writes, [`Delivery::read`] reads: nothing is lost in between.
//!
//! # Deliberately absent
//!
//! Nobody here delivers.

pub mod outcome;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hearth_store::queue::{Lane, NewEntry};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::schedules::context::{self, Context};

/// The kind of the lanes in which deliveries wait.
pub const LANE_KIND: &str = "deliver";

/// Something to be handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Who hands it over.
    pub origin: Origin,
    /// To whom, and what beside the body.
    pub parcel: Parcel,
    /// How long it is tried.
    pub patience: Patience,
    /// Where it goes when it is given up: the ARN of a queue.
    pub dead_letter: Option<String>,
    /// The `X-Amzn-Trace-Id` of the request that it came from; says which invocations led to it.
    pub trace: Option<String>,
    /// How often it was tried and not taken.
    #[serde(default)]
    pub attempts: u32,
}

/// Who hands something over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A subscription of a topic.
    Subscription {
        /// The ARN of the topic.
        topic: String,
        /// The ARN of the subscription.
        subscription: String,
    },
    /// A target of a rule.
    Target {
        /// The ARN of the rule.
        rule: String,
        /// The name of the rule.
        name: String,
        /// The id of the target.
        id: String,
        /// The ARN of the target.
        target: String,
        /// How much of the body is the event as it was matched: it stands before the payload if it
        /// is another one and there is a dead-letter queue, which gets the event.
        #[serde(default)]
        event_bytes: usize,
    },
    /// A notification of a bucket.
    Notification {
        /// The ARN of the bucket.
        bucket: String,
        /// What the notification is called; `EventBridge` if it is for the bus.
        configuration: String,
    },
    /// A schedule. What is known of each attempt is put into the payload.
    Schedule {
        /// The ARN of the schedule.
        schedule: String,
        /// The name of its group.
        group: String,
        /// The ARN of the target.
        target: String,
        /// The time that the schedule says.
        scheduled: Timestamp,
        /// The id of the invocation.
        execution: String,
    },
    /// The destination of a function's outcomes.
    Destination {
        /// The name of the function.
        function: String,
    },
    /// The dead-letter queue of a function.
    DeadLetter {
        /// The name of the function.
        function: String,
    },
}

/// To whom something is handed, and how. The body of the entry is the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parcel {
    /// A function, asynchronously.
    Function {
        /// Its ARN, with a qualifier or without.
        arn: String,
    },
    /// A function, and its end is waited for.
    Invocation {
        /// Its ARN, with a qualifier or without.
        arn: String,
    },
    /// A queue.
    Queue {
        /// Its ARN.
        arn: String,
        /// What goes with the body.
        message: QueueMessage,
    },
    /// A topic.
    Topic {
        /// Its ARN.
        arn: String,
        /// What goes with the body.
        message: TopicMessage,
    },
    /// An event bus; the body is the event's `detail`.
    Bus {
        /// Its ARN.
        arn: String,
        /// What goes with the detail.
        event: BusEvent,
    },
    /// A group of CloudWatch Logs; each body is one log event.
    LogGroup {
        /// Its ARN.
        arn: String,
    },
    /// A bucket; the body is an object in it.
    Object {
        /// The name of the bucket.
        bucket: String,
        /// The key of the object, the same however often it is tried.
        key: String,
        /// The region of whoever puts it.
        region: String,
    },
    /// An HTTP endpoint, with a POST.
    Http {
        /// Where.
        url: String,
        /// The headers beside the usual ones.
        headers: Vec<(String, String)>,
    },
}

/// What goes with the body of a message for a queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueMessage {
    /// The message's attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// For a FIFO queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// For a FIFO queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<String>,
    /// Seconds until it can be received; the queue's own if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u32>,
}

/// What goes with the body of a message for a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicMessage {
    /// The line above the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The message's attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// For a FIFO topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// For a FIFO topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<String>,
}

/// What goes with the detail of an event for a bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BusEvent {
    /// `source`.
    pub source: String,
    /// `detail-type`.
    pub detail_type: String,
    /// `resources`.
    pub resources: Vec<String>,
    /// Whole when it is passed on from another bus: `id`, `time`, `account` and `region` stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_on: Option<PassedOn>,
}

/// What an event keeps when one bus passes it to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedOn {
    /// Its id.
    pub id: String,
    /// Its time, as it is written in the event.
    pub time: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// How many buses it has passed.
    pub buses: u32,
}

/// An attribute of a message of a queue or a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, with or without a `.label`; for topics `String.Array`.
    pub data_type: String,
    /// Its value.
    pub value: AttributeValue,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Of a `String` or a `Number`.
    Text(String),
    /// Of a `Binary`.
    Binary(#[serde(with = "as_base64")] Vec<u8>),
}

mod as_base64 {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

/// How long a delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// How often it is tried again after the first time.
    pub retries_max: u32,
    /// How old it may get.
    pub age_ms_max: u64,
    /// When it is tried again, if that is said: by the delivery policy of an HTTP endpoint, which
    /// gave it its name, or for all notifications by AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPatience>,
}

/// When a delivery to an HTTP endpoint, or a notification of a topic, is tried again.
///
/// ```text
///  retry   1 ─▶ no_delay_retries   at once
///            ─▶ min_delay_retries  the least delay
///            ─▶ …                  from the least to the greatest
///            ─▶ max_delay_retries  the greatest delay
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpPatience {
    /// Retries without a delay.
    pub no_delay_retries: u32,
    /// Retries with the least delay, behind those.
    pub min_delay_retries: u32,
    /// Retries with the greatest delay, which are the last.
    pub max_delay_retries: u32,
    /// The least delay.
    pub min_delay_seconds: u32,
    /// The greatest delay.
    pub max_delay_seconds: u32,
    /// How the delay grows from the one to the other.
    pub backoff: Backoff,
    /// How many deliveries the endpoint takes in a second.
    pub receives_per_second_max: Option<u32>,
}

/// How a delay grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// By the same amount each time.
    #[default]
    Linear,
    /// By an amount that grows by the same amount.
    Arithmetic,
    /// By an amount that doubles.
    Geometric,
    /// By the same factor each time.
    Exponential,
}

impl HttpPatience {
    /// How long to wait before a retry, of which the first is 1.
    #[must_use]
    pub fn delay_millis(&self, retries_max: u32, retry: u32) -> u64 {
        let before = self.no_delay_retries.saturating_add(self.min_delay_retries);
        let growing = retries_max.saturating_sub(before).saturating_sub(self.max_delay_retries);
        if retry <= self.no_delay_retries {
            return 0;
        }
        if retry <= before {
            return u64::from(self.min_delay_seconds) * 1_000;
        }
        if retry > before.saturating_add(growing) {
            return u64::from(self.max_delay_seconds) * 1_000;
        }
        let (step, steps) = (f64::from(retry - before - 1), f64::from((growing - 1).max(1)));
        let (least, greatest) =
            (f64::from(self.min_delay_seconds), f64::from(self.max_delay_seconds));
        let part = step / steps;
        let seconds = match self.backoff {
            Backoff::Linear => least + (greatest - least) * part,
            Backoff::Arithmetic => least + (greatest - least) * part * part,
            Backoff::Geometric => {
                let whole = steps.exp2() - 1.0;
                least + (greatest - least) * (step.exp2() - 1.0) / whole
            }
            Backoff::Exponential => least * (greatest / least.max(1.0)).max(1.0).powf(part),
        };
        let millis = Duration::from_secs_f64(seconds.clamp(0.0, greatest.max(least))).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }
}

impl Delivery {
    /// The entry that stands for it.
    ///
    /// `lane` names whoever's deliveries should not delay others': the ARN of the subscription, of
    /// the rule's target or of the function. Deliveries of one `group` arrive in order.
    #[must_use]
    pub fn entry(
        &self,
        (lane, group): (&str, Option<String>),
        body: Bytes,
        now: Timestamp,
    ) -> NewEntry {
        NewEntry {
            lane: Lane { kind: LANE_KIND, name: lane.to_owned() },
            group,
            put_at: now,
            due: now,
            sameness: None,
            head: serde_json::to_string(self).expect("a delivery can be written as JSON"),
            body,
        }
    }

    /// What is handed over next, of the body of an entry.
    #[must_use]
    pub fn payload(&self, body: &Bytes) -> Bytes {
        self.filled(
            body.slice(self.event_bytes().min(body.len())..),
            self.attempts.saturating_add(1),
        )
    }

    /// What a dead-letter queue gets, of the body of an entry: the payload, or the event that it was
    /// made of.
    #[must_use]
    pub fn dead_body(&self, body: &Bytes) -> Bytes {
        match self.event_bytes() {
            0 => self.filled(body.clone(), self.attempts),
            bytes => body.slice(..bytes.min(body.len())),
        }
    }

    /// A payload with what is known of an attempt, if its origin knows something.
    fn filled(&self, body: Bytes, attempt: u32) -> Bytes {
        match &self.origin {
            Origin::Schedule { schedule, scheduled, execution, .. } => context::fill(
                &body,
                Context { schedule, scheduled: *scheduled, execution, attempt },
            ),
            Origin::Target { .. }
            | Origin::Subscription { .. }
            | Origin::Notification { .. }
            | Origin::Destination { .. }
            | Origin::DeadLetter { .. } => body,
        }
    }

    fn event_bytes(&self) -> usize {
        match &self.origin {
            Origin::Target { event_bytes, .. } => *event_bytes,
            Origin::Subscription { .. }
            | Origin::Notification { .. }
            | Origin::Schedule { .. }
            | Origin::Destination { .. }
            | Origin::DeadLetter { .. } => 0,
        }
    }

    /// Reads the head of an entry.
    ///
    /// # Errors
    ///
    /// If it is not that of a delivery.
    pub fn read(head: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let binary = AttributeValue::Binary(vec![0, 255]);
        let attribute = MessageAttribute { data_type: "Binary.gif".to_owned(), value: binary };
        let message = QueueMessage {
            attributes: BTreeMap::from([("picture".to_owned(), attribute)]),
            group: Some("g".to_owned()),
            ..QueueMessage::default()
        };
        let arn = "arn:aws:sqs:us-east-1:000000000000:q".to_owned();
        let delivery = Delivery {
            origin: Origin::DeadLetter { function: "f".to_owned() },
            parcel: Parcel::Queue { arn, message },
            patience: Patience { retries_max: 3, age_ms_max: 60_000, http: None },
            dead_letter: None,
            trace: Some("Root=1-2-3".to_owned()),
            attempts: 2,
        };
        let entry = delivery.entry(("lane", None), Bytes::from_static(b"x"), Timestamp(1));
        assert_eq!(Delivery::read(&entry.head).unwrap(), delivery);
        assert_eq!(entry.lane.kind, LANE_KIND);
    }

    #[test]
    fn retries_of_an_http_endpoint_come_in_four_phases() {
        let patience = HttpPatience {
            no_delay_retries: 1,
            min_delay_retries: 1,
            max_delay_retries: 2,
            min_delay_seconds: 1,
            max_delay_seconds: 9,
            backoff: Backoff::Linear,
            receives_per_second_max: None,
        };
        let delays = |backoff| {
            let patience = HttpPatience { backoff, ..patience };
            (1..=7).map(|retry| patience.delay_millis(7, retry)).collect::<Vec<u64>>()
        };
        assert_eq!(delays(Backoff::Linear), [0, 1_000, 1_000, 5_000, 9_000, 9_000, 9_000]);
        assert_eq!(delays(Backoff::Arithmetic), [0, 1_000, 1_000, 3_000, 9_000, 9_000, 9_000]);
        assert_eq!(delays(Backoff::Exponential), [0, 1_000, 1_000, 3_000, 9_000, 9_000, 9_000]);
        let geometric = delays(Backoff::Geometric);
        assert_eq!((geometric[2], geometric[4]), (1_000, 9_000));
        assert!((1_000..9_000).contains(&geometric[3]), "{geometric:?}");
    }

    #[test]
    fn equal_delays_stay_equal() {
        let patience = HttpPatience {
            no_delay_retries: 0,
            min_delay_retries: 0,
            max_delay_retries: 0,
            min_delay_seconds: 20,
            max_delay_seconds: 20,
            backoff: Backoff::Linear,
            receives_per_second_max: None,
        };
        for retry in 1..=3 {
            assert_eq!(patience.delay_millis(3, retry), 20_000);
        }
    }

    #[test]
    fn an_event_before_the_payload_is_for_the_dead_letter_queue() {
        let delivery = |event_bytes: usize| Delivery {
            origin: Origin::Target {
                rule: String::new(),
                name: String::new(),
                id: String::new(),
                target: String::new(),
                event_bytes,
            },
            parcel: Parcel::Function { arn: String::new() },
            patience: Patience { retries_max: 0, age_ms_max: 0, http: None },
            dead_letter: None,
            trace: None,
            attempts: 0,
        };
        let body = Bytes::from_static(b"eventpayload");
        for (event_bytes, payload, dead) in
            [(5, "payload", "event"), (0, "eventpayload", "eventpayload"), (99, "", "eventpayload")]
        {
            let delivery = delivery(event_bytes);
            assert_eq!(delivery.payload(&body), payload, "{event_bytes}");
            assert_eq!(delivery.dead_body(&body), dead, "{event_bytes}");
        }
    }

    #[test]
    fn each_attempt_of_a_schedule_is_told_which_it_is() {
        let mut delivery = Delivery {
            origin: Origin::Schedule {
                schedule: "arn".to_owned(),
                group: "default".to_owned(),
                target: "t".to_owned(),
                scheduled: Timestamp(0),
                execution: "e".to_owned(),
            },
            parcel: Parcel::Function { arn: String::new() },
            patience: Patience { retries_max: 0, age_ms_max: 0, http: None },
            dead_letter: None,
            trace: None,
            attempts: 0,
        };
        let body =
            Bytes::from_static(b"<aws.scheduler.execution-id> <aws.scheduler.attempt-number>");
        assert_eq!(delivery.payload(&body), "e 1");
        delivery.attempts = 2;
        assert_eq!(
            (delivery.payload(&body), delivery.dead_body(&body)),
            ("e 3".into(), "e 2".into())
        );
    }

    #[test]
    fn a_delivery_of_an_older_server_is_read() {
        let target = r#"{"Target":{"rule":"r","name":"n","id":"i","target":"t"}}"#;
        let read: Origin = serde_json::from_str(target).unwrap();
        assert!(matches!(read, Origin::Target { event_bytes: 0, .. }), "{read:?}");
        let text = r#"{"retries_max":3,"age_ms_max":60000}"#;
        let read: Patience = serde_json::from_str(text).unwrap();
        assert_eq!(read, Patience { retries_max: 3, age_ms_max: 60_000, http: None });
    }
}
