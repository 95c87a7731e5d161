//! What arrives at a subscriber, as AWS writes it: for queues and HTTP endpoints a JSON object with
//! the message in it, for functions an event with one record.
//!
//! # Promises
//!
//! A signature is over [`Signable::text`], which whoever receives the object can put together from
//! its members.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::delivery::{AttributeValue, Delivery, MessageAttribute, Parcel, QueueMessage};

/// What AWS calls a message, and what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Notification,
    SubscriptionConfirmation,
    UnsubscribeConfirmation,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// What is signed.
#[derive(Debug, Clone)]
pub(super) struct Signable<'a> {
    pub(super) kind: Kind,
    pub(super) message_id: &'a str,
    pub(super) topic: &'a str,
    pub(super) subject: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) timestamp: &'a str,
    /// The token and the URL that confirm.
    pub(super) confirm: Option<(&'a str, &'a str)>,
}

impl Signable<'_> {
    /// Names and values, each on a line of its own, in the order of the names.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![("Message", self.message), ("MessageId", self.message_id)];
        if let Some((_, url)) = self.confirm {
            lines.push(("SubscribeURL", url));
        }
        lines.extend(self.subject.map(|subject| ("Subject", subject)));
        lines.push(("Timestamp", self.timestamp));
        if let Some((token, _)) = self.confirm {
            lines.push(("Token", token));
        }
        lines.push(("TopicArn", self.topic));
        lines.push(("Type", self.kind.as_str()));
        lines.iter().map(|(name, value)| format!("{name}\n{value}\n")).collect()
    }
}

/// A signature, and what it is checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) version: &'static str,
    pub(super) signature: String,
    pub(super) certificate_url: String,
}

/// What is told beside what is signed.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside<'a> {
    pub(super) sequence_number: Option<&'a str>,
    pub(super) signed: Option<&'a Signed>,
    pub(super) unsubscribe_url: Option<&'a str>,
    pub(super) attributes: Option<&'a BTreeMap<String, MessageAttribute>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    #[serde(rename = "Type")]
    kind: &'a str,
    message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    topic_arn: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    message: &'a str,
    #[serde(rename = "SubscribeURL", skip_serializing_if = "Option::is_none")]
    subscribe_url: Option<&'a str>,
    timestamp: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
    #[serde(rename = "SigningCertURL", skip_serializing_if = "Option::is_none")]
    signing_cert_url: Option<&'a str>,
    #[serde(rename = "UnsubscribeURL", skip_serializing_if = "Option::is_none")]
    unsubscribe_url: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<&'a str, ShownAttribute<'a>>,
}

/// An attribute, as subscribers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ShownAttribute<'a> {
    #[serde(rename = "Type")]
    kind: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// What a function is invoked with.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionEvent<'a> {
    records: Vec<FunctionRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionRecord<'a> {
    event_source: Cow<'a, str>,
    event_version: Cow<'a, str>,
    event_subscription_arn: Cow<'a, str>,
    sns: FunctionNotification<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FunctionNotification<'a> {
    #[serde(rename = "Type")]
    kind: Cow<'a, str>,
    message_id: Cow<'a, str>,
    topic_arn: Cow<'a, str>,
    subject: Option<Cow<'a, str>>,
    message: Cow<'a, str>,
    timestamp: Cow<'a, str>,
    signature_version: Cow<'a, str>,
    signature: Cow<'a, str>,
    signing_cert_url: Cow<'a, str>,
    unsubscribe_url: Cow<'a, str>,
    message_attributes: BTreeMap<String, ShownAttribute<'a>>,
}

/// For a queue or an HTTP endpoint.
pub(super) fn object(signable: &Signable<'_>, beside: &Beside<'_>) -> Bytes {
    let attributes = beside.attributes.into_iter().flatten();
    let envelope = Envelope {
        kind: signable.kind.as_str(),
        message_id: signable.message_id,
        sequence_number: beside.sequence_number,
        token: signable.confirm.map(|(token, _)| token),
        topic_arn: signable.topic,
        subject: signable.subject,
        message: signable.message,
        subscribe_url: signable.confirm.map(|(_, url)| url),
        timestamp: signable.timestamp,
        signature_version: beside.signed.map(|signed| signed.version),
        signature: beside.signed.map(|signed| signed.signature.as_str()),
        signing_cert_url: beside.signed.map(|signed| signed.certificate_url.as_str()),
        unsubscribe_url: beside.unsubscribe_url,
        message_attributes: attributes.map(|(name, one)| (name.as_str(), shown(one))).collect(),
    };
    written(&envelope)
}

/// For a function. `signable` is of a notification.
pub(super) fn event(signable: &Signable<'_>, beside: &Beside<'_>, subscription: &str) -> Bytes {
    let signed =
        |pick: fn(&Signed) -> &str| Cow::Borrowed(beside.signed.map(pick).unwrap_or_default());
    let attributes = beside.attributes.into_iter().flatten();
    let notification = FunctionNotification {
        kind: signable.kind.as_str().into(),
        message_id: signable.message_id.into(),
        topic_arn: signable.topic.into(),
        subject: signable.subject.map(Cow::Borrowed),
        message: signable.message.into(),
        timestamp: signable.timestamp.into(),
        signature_version: signed(|signed| signed.version),
        signature: signed(|signed| &signed.signature),
        signing_cert_url: signed(|signed| &signed.certificate_url),
        unsubscribe_url: beside.unsubscribe_url.unwrap_or_default().into(),
        message_attributes: attributes.map(|(name, one)| (name.clone(), shown(one))).collect(),
    };
    let record = FunctionRecord {
        event_source: "aws:sns".into(),
        event_version: "1.0".into(),
        event_subscription_arn: subscription.into(),
        sns: notification,
    };
    written(&FunctionEvent { records: vec![record] })
}

/// What a dead-letter queue gets in place of a notification that could not be delivered: what a
/// queue would have got. An event for a function becomes the object that queues get.
#[must_use]
pub fn dead_letter(delivery: &Delivery, body: &Bytes) -> (Bytes, QueueMessage) {
    match &delivery.parcel {
        Parcel::Queue { message, .. } => (body.clone(), message.clone()),
        Parcel::Function { .. } => {
            let object = object_of_event(body).unwrap_or_else(|| body.clone());
            (object, QueueMessage::default())
        }
        Parcel::Http { .. }
        | Parcel::Invocation { .. }
        | Parcel::Topic { .. }
        | Parcel::Bus { .. }
        | Parcel::LogGroup { .. }
        | Parcel::Object { .. } => (body.clone(), QueueMessage::default()),
    }
}

fn object_of_event(body: &Bytes) -> Option<Bytes> {
    let event: FunctionEvent<'_> = serde_json::from_slice(body).ok()?;
    let sns = &event.records.first()?.sns;
    let attributes = sns.message_attributes.iter();
    let envelope = Envelope {
        kind: &sns.kind,
        message_id: &sns.message_id,
        sequence_number: None,
        token: None,
        topic_arn: &sns.topic_arn,
        subject: sns.subject.as_deref(),
        message: &sns.message,
        subscribe_url: None,
        timestamp: &sns.timestamp,
        signature_version: Some(&sns.signature_version),
        signature: Some(&sns.signature),
        signing_cert_url: Some(&sns.signing_cert_url),
        unsubscribe_url: Some(&sns.unsubscribe_url),
        message_attributes: attributes.map(|(name, one)| (name.as_str(), one.clone())).collect(),
    };
    Some(written(&envelope))
}

fn shown(attribute: &MessageAttribute) -> ShownAttribute<'_> {
    let value = match &attribute.value {
        AttributeValue::Text(text) => Cow::Borrowed(text.as_str()),
        AttributeValue::Binary(bytes) => Cow::Owned(STANDARD.encode(bytes)),
    };
    ShownAttribute { kind: Cow::Borrowed(attribute.data_type.as_str()), value }
}

fn written(object: &impl Serialize) -> Bytes {
    serde_json::to_vec(object).expect("a notification can be written as JSON").into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::delivery::{Origin, Patience};

    const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";

    fn signable<'a>(subject: Option<&'a str>, message: &'a str) -> Signable<'a> {
        Signable {
            kind: Kind::Notification,
            message_id: "id",
            topic: TOPIC,
            subject,
            message,
            timestamp: "2026-11-23T03:20:35.123Z",
            confirm: None,
        }
    }

    fn signed() -> Signed {
        Signed {
            version: "1",
            signature: "c2ln".to_owned(),
            certificate_url: "http://h/c.pem".to_owned(),
        }
    }

    fn attributes() -> BTreeMap<String, MessageAttribute> {
        let binary = AttributeValue::Binary(vec![2, 3, 4]);
        let number = AttributeValue::Text("99.12".to_owned());
        BTreeMap::from([
            ("b".to_owned(), MessageAttribute { data_type: "Binary".to_owned(), value: binary }),
            ("n".to_owned(), MessageAttribute { data_type: "Number".to_owned(), value: number }),
        ])
    }

    fn read(bytes: &Bytes) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn the_text_to_sign_is_that_of_the_documentation() {
        assert_eq!(
            signable(Some("s"), "m").text(),
            format!(
                "Message\nm\nMessageId\nid\nSubject\ns\nTimestamp\n2026-11-23T03:20:35.123Z\n\
                 TopicArn\n{TOPIC}\nType\nNotification\n"
            )
        );
        let confirm = Signable {
            kind: Kind::SubscriptionConfirmation,
            confirm: Some(("tok", "http://h/?x")),
            ..signable(None, "m")
        };
        assert_eq!(
            confirm.text(),
            format!(
                "Message\nm\nMessageId\nid\nSubscribeURL\nhttp://h/?x\n\
                 Timestamp\n2026-11-23T03:20:35.123Z\nToken\ntok\nTopicArn\n{TOPIC}\n\
                 Type\nSubscriptionConfirmation\n"
            )
        );
    }

    #[test]
    fn an_object_has_what_there_is() {
        let (signed, attributes) = (signed(), attributes());
        let beside = Beside {
            sequence_number: None,
            signed: Some(&signed),
            unsubscribe_url: Some("http://h/u"),
            attributes: Some(&attributes),
        };
        let found = object(&signable(Some("s"), "m"), &beside);
        assert_eq!(
            read(&found),
            json!({
                "Type": "Notification", "MessageId": "id", "TopicArn": TOPIC, "Subject": "s",
                "Message": "m", "Timestamp": "2026-11-23T03:20:35.123Z", "SignatureVersion": "1",
                "Signature": "c2ln", "SigningCertURL": "http://h/c.pem",
                "UnsubscribeURL": "http://h/u",
                "MessageAttributes": {
                    "b": { "Type": "Binary", "Value": "AgME" },
                    "n": { "Type": "Number", "Value": "99.12" },
                },
            })
        );
        let bare = object(
            &signable(None, "m"),
            &Beside { sequence_number: Some("7"), ..Beside::default() },
        );
        assert_eq!(
            read(&bare),
            json!({
                "Type": "Notification", "MessageId": "id", "SequenceNumber": "7",
                "TopicArn": TOPIC, "Message": "m", "Timestamp": "2026-11-23T03:20:35.123Z",
            })
        );
    }

    #[test]
    fn an_event_has_everything_and_becomes_an_object_as_a_dead_letter() {
        let signed = signed();
        let beside = Beside {
            signed: Some(&signed),
            unsubscribe_url: Some("http://h/u"),
            ..Beside::default()
        };
        let body = event(&signable(None, "m"), &beside, "sub");
        let sns = json!({
            "Type": "Notification", "MessageId": "id", "TopicArn": TOPIC, "Subject": null,
            "Message": "m", "Timestamp": "2026-11-23T03:20:35.123Z", "SignatureVersion": "1",
            "Signature": "c2ln", "SigningCertUrl": "http://h/c.pem", "UnsubscribeUrl": "http://h/u",
            "MessageAttributes": {},
        });
        let record = json!({
            "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": "sub",
            "Sns": sns,
        });
        assert_eq!(read(&body), json!({ "Records": [record] }));
        let delivery = Delivery {
            origin: Origin::Subscription {
                topic: TOPIC.to_owned(),
                subscription: "sub".to_owned(),
            },
            parcel: Parcel::Function { arn: "f".to_owned() },
            patience: Patience { retries_max: 0, age_ms_max: 1, http: None },
            dead_letter: None,
            trace: None,
            attempts: 0,
        };
        let (letter, _message) = dead_letter(&delivery, &body);
        assert_eq!(letter, object(&signable(None, "m"), &beside));
    }

    proptest! {
        #[test]
        fn a_dead_letter_tells_what_the_event_told(
            subject in proptest::option::of(".{0,20}"), message in ".{0,60}"
        ) {
            let (signed, attributes) = (signed(), attributes());
            let beside = Beside {
                sequence_number: None,
                signed: Some(&signed),
                unsubscribe_url: Some("u"),
                attributes: Some(&attributes),
            };
            let signable = signable(subject.as_deref(), &message);
            let body = event(&signable, &beside, "sub");
            prop_assert_eq!(object_of_event(&body), Some(object(&signable, &beside)));
        }
    }
}
