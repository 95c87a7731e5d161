//! Deliveries: what one service hands to another, durably and later.
//!
//! A topic that was published to, a rule that matched and a function that has finished make
//! deliveries. Each waits in the durable queue, in a lane of its own origin, until `hearth-events`
//! has carried it out, or has given it up and sent it to its dead-letter queue.
//!
//! # Promises
//!
//! What [`Delivery::entry`] writes, [`Delivery::read`] reads: nothing is lost in between.
//!
//! # Deliberately absent
//!
//! Nobody here delivers.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_store::queue::{Lane, NewEntry};
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

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

    #[expect(clippy::ptr_arg, reason = "serde passes the field as it is")]
    pub(super) fn serialize<S: Serializer>(bytes: &Vec<u8>, to: S) -> Result<S::Ok, S::Error> {
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
}

impl Delivery {
    /// The entry that stands for it.
    ///
    /// `lane` names whoever's deliveries should not delay others': the ARN of the subscription, of
    /// the rule's target or of the function. Deliveries of one `group` arrive in order.
    #[must_use]
    pub fn entry(
        &self,
        lane: &str,
        group: Option<String>,
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
            patience: Patience { retries_max: 3, age_ms_max: 60_000 },
            dead_letter: None,
            trace: Some("Root=1-2-3".to_owned()),
            attempts: 2,
        };
        let entry = delivery.entry("lane", None, Bytes::from_static(b"x"), Timestamp(1));
        assert_eq!(Delivery::read(&entry.head).unwrap(), delivery);
        assert_eq!(entry.lane.kind, LANE_KIND);
    }
}
