//! A message, from what a publisher sent to what was checked.

use std::collections::BTreeMap;

use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::error::TopicError;
use super::record::{Protocol, TopicRecord};
use crate::delivery::{AttributeValue, MessageAttribute};
use crate::limits::{
    MESSAGE_ATTRIBUTE_NAME_BYTES_MAX, MESSAGE_GROUP_CHARACTERS_MAX, NOTIFICATION_BYTES_DEFAULT,
    SUBJECT_CHARACTERS_MAX,
};

/// A message as a publisher sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// What is to be told.
    pub text: String,
    /// The line above it.
    pub subject: Option<String>,
    /// `json`: the text is an object with a text for each protocol.
    pub structure: Option<String>,
    /// Its attributes, by name.
    pub attributes: BTreeMap<String, NewAttribute>,
    /// Within which messages keep their order.
    pub group: Option<String>,
    /// What two messages have in common that are the same.
    pub deduplication: Option<String>,
}

/// An attribute as a publisher sent it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAttribute {
    /// `String`, `String.Array`, `Number` or `Binary`, with or without a label.
    pub data_type: String,
    /// Its value, if it is no binary one.
    pub text: Option<String>,
    /// Its value, if it is a binary one.
    pub binary: Option<Vec<u8>>,
}

impl From<MessageAttribute> for NewAttribute {
    fn from(attribute: MessageAttribute) -> Self {
        let (text, binary) = match attribute.value {
            AttributeValue::Text(text) => (Some(text), None),
            AttributeValue::Binary(bytes) => (None, Some(bytes)),
        };
        Self { data_type: attribute.data_type, text, binary }
    }
}

/// A message that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Message {
    /// For each protocol that nothing else is said for.
    text: String,
    /// By AWS's words for protocols.
    by_protocol: BTreeMap<String, String>,
    pub(super) subject: Option<String>,
    pub(super) attributes: BTreeMap<String, MessageAttribute>,
    pub(super) group: Option<String>,
    pub(super) deduplication: Option<String>,
    /// The `X-Amzn-Trace-Id` of the request.
    pub(super) trace: Option<String>,
    pub(super) published: Timestamp,
    /// How large it is, with its attributes.
    pub(super) bytes: usize,
}

impl Message {
    /// Checks what a publisher sent to a topic.
    pub(super) fn check(
        topic: &TopicRecord,
        new: NewMessage,
        (trace, now): (Option<&str>, Timestamp),
    ) -> Result<Self, TopicError> {
        check_subject(new.subject.as_deref())?;
        if new.text.is_empty() {
            return Err(TopicError::parameter("Empty message"));
        }
        let (group, deduplication) = identity(topic, &new)?;
        let (text, by_protocol) = texts(new.text.clone(), new.structure.as_deref())?;
        let mut attributes = BTreeMap::new();
        let mut bytes = new.text.len();
        for (name, attribute) in new.attributes {
            check_name(&name)?;
            let attribute = checked(&name, attribute)?;
            bytes += name.len() + size(&attribute);
            attributes.insert(name, attribute);
        }
        Ok(Self {
            text,
            by_protocol,
            subject: new.subject,
            attributes,
            group,
            deduplication,
            trace: trace.map(str::to_owned),
            published: now,
            bytes,
        })
    }

    /// What is told over a protocol.
    pub(super) fn text_for(&self, protocol: Protocol) -> &str {
        self.by_protocol.get(protocol.as_str()).unwrap_or(&self.text)
    }
}

/// How large a message of a topic may be.
pub(super) fn bytes_max(topic: &TopicRecord) -> usize {
    topic.settings.message_bytes_max.unwrap_or(NOTIFICATION_BYTES_DEFAULT)
}

fn check_subject(subject: Option<&str>) -> Result<(), TopicError> {
    let Some(subject) = subject else { return Ok(()) };
    let is_one = !subject.is_empty()
        && subject.chars().count() <= SUBJECT_CHARACTERS_MAX
        && !subject.chars().any(char::is_control);
    if is_one { Ok(()) } else { Err(TopicError::parameter("Subject")) }
}

/// The group, and what says that a message is the same as another one.
fn identity(
    topic: &TopicRecord,
    new: &NewMessage,
) -> Result<(Option<String>, Option<String>), TopicError> {
    check_id("MessageGroupId", new.group.as_deref())?;
    check_id("MessageDeduplicationId", new.deduplication.as_deref())?;
    if !topic.arn.is_fifo() {
        if new.deduplication.is_some() {
            return Err(TopicError::parameter(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
            ));
        }
        return Ok((new.group.clone(), None));
    }
    if new.group.is_none() {
        let why = "The MessageGroupId parameter is required for FIFO topics";
        return Err(TopicError::parameter(why));
    }
    let of_content = || {
        topic.settings.content_based_deduplication.then(|| {
            let digest = Sha256::digest(new.text.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        })
    };
    let deduplication = new.deduplication.clone().or_else(of_content);
    if deduplication.is_none() {
        return Err(TopicError::parameter(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
        ));
    }
    Ok((new.group.clone(), deduplication))
}

fn check_id(parameter: &str, id: Option<&str>) -> Result<(), TopicError> {
    let Some(id) = id else { return Ok(()) };
    let is_one = (1..=MESSAGE_GROUP_CHARACTERS_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    if is_one {
        return Ok(());
    }
    Err(TopicError::parameter(format!(
        "{parameter} Reason: it can have 1 to {MESSAGE_GROUP_CHARACTERS_MAX} alphanumeric and punctuation characters"
    )))
}

/// The text that is told by default, and those for protocols.
fn texts(
    text: String,
    structure: Option<&str>,
) -> Result<(String, BTreeMap<String, String>), TopicError> {
    match structure {
        None => return Ok((text, BTreeMap::new())),
        Some("json") => {}
        Some(_odd) => return Err(TopicError::parameter("MessageStructure")),
    }
    let read: Option<Value> = serde_json::from_str(&text).ok();
    let Some(Value::Object(members)) = read else {
        let why = "Message Structure - JSON message body failed to parse";
        return Err(TopicError::parameter(why));
    };
    let mut by_protocol: BTreeMap<String, String> = members
        .into_iter()
        .filter_map(|(protocol, text)| text.as_str().map(|text| (protocol, text.to_owned())))
        .collect();
    let why = "Message Structure - No default entry in JSON message body";
    let default = by_protocol.remove("default").ok_or_else(|| TopicError::parameter(why))?;
    Ok((default, by_protocol))
}

fn check_name(name: &str) -> Result<(), TopicError> {
    let refused = |why: String| Err(TopicError::InvalidParameterValue(why));
    if name.len() > MESSAGE_ATTRIBUTE_NAME_BYTES_MAX {
        return refused("Length of message attribute name must be less than 256 bytes.".to_owned());
    }
    let is_allowed = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
    if let Some(odd) = name.chars().find(|one| !is_allowed(*one)) {
        return refused(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(odd)
        ));
    }
    if name.is_empty() || name.starts_with('.') {
        let why = "Invalid message attribute name starting with character '.' was found.";
        return refused(why.to_owned());
    }
    if name.ends_with('.') {
        let why = "Invalid message attribute name ending with character '.' was found.";
        return refused(why.to_owned());
    }
    if name.contains("..") {
        let why = "Message attribute name can not have successive '.' character.";
        return refused(why.to_owned());
    }
    Ok(())
}

fn checked(name: &str, attribute: NewAttribute) -> Result<MessageAttribute, TopicError> {
    let NewAttribute { data_type, text, binary } = attribute;
    let refused = |why: String| Err(TopicError::InvalidParameterValue(why));
    let kind = data_type.split('.').next().unwrap_or_default();
    let is_labelled_well = data_type.split('.').all(|part| !part.is_empty());
    if !matches!(kind, "String" | "Number" | "Binary") || !is_labelled_well {
        return refused(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        ));
    }
    let (text, binary) =
        (text.filter(|text| !text.is_empty()), binary.filter(|bytes| !bytes.is_empty()));
    let value = match (kind, text, binary) {
        ("Binary", None, Some(bytes)) => AttributeValue::Binary(bytes),
        ("Binary", Some(_), _) => {
            return refused(format!(
                "The message attribute '{name}' with type 'Binary' must use field 'Binary'."
            ));
        }
        ("String" | "Number", Some(text), None) => AttributeValue::Text(text),
        ("String" | "Number", _, Some(_)) => {
            return refused(format!(
                "The message attribute '{name}' with type '{data_type}' must use field 'String'."
            ));
        }
        (_, _none, _neither) => {
            return refused(format!(
                "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{data_type}'."
            ));
        }
    };
    if let ("Number", AttributeValue::Text(text)) = (kind, &value)
        && !text.trim().parse::<f64>().is_ok_and(f64::is_finite)
    {
        return refused(format!("Could not cast message attribute '{name}' value to number."));
    }
    Ok(MessageAttribute { data_type, value })
}

fn size(attribute: &MessageAttribute) -> usize {
    let value = match &attribute.value {
        AttributeValue::Text(text) => text.len(),
        AttributeValue::Binary(bytes) => bytes.len(),
    };
    attribute.data_type.len() + value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::arn::TopicArn;
    use crate::topics::record::TopicSettings;

    fn topic(name: &str, content_based_deduplication: bool) -> TopicRecord {
        let arn = format!("arn:aws:sns:us-east-1:000000000000:{name}");
        TopicRecord {
            arn: TopicArn::parse("TopicArn", &arn).unwrap(),
            created: Timestamp(1),
            settings: TopicSettings { content_based_deduplication, ..TopicSettings::default() },
            tags: Vec::new(),
            subscriptions_deleted: 0,
        }
    }

    fn check(topic: &TopicRecord, new: NewMessage) -> Result<Message, TopicError> {
        Message::check(topic, new, (None, Timestamp(1)))
    }

    fn message(text: &str) -> NewMessage {
        NewMessage { text: text.to_owned(), ..NewMessage::default() }
    }

    fn told(topic: &TopicRecord, new: NewMessage) -> String {
        check(topic, new).unwrap_err().to_string()
    }

    #[test]
    fn a_message_for_each_protocol() {
        let text = r#"{"default": "d", "sqs": "q", "http": 7, "http": "h"}"#;
        let new = NewMessage { structure: Some("json".to_owned()), ..message(text) };
        let checked = check(&topic("t", false), new).unwrap();
        let texts = [Protocol::Sqs, Protocol::Http, Protocol::Lambda];
        assert_eq!(texts.map(|protocol| checked.text_for(protocol)), ["q", "h", "d"]);
    }

    /// The texts were recorded from AWS.
    #[test]
    fn messages_that_cannot_be_are_refused() {
        let standard = topic("t", false);
        let json = |text: &str| NewMessage { structure: Some("json".to_owned()), ..message(text) };
        let subject = |text: &str| NewMessage { subject: Some(text.to_owned()), ..message("m") };
        let no_default =
            "Invalid parameter: Message Structure - No default entry in JSON message body";
        #[rustfmt::skip]
        let rows = [
            (message(""),                     "Invalid parameter: Empty message"),
            (subject(""),                     "Invalid parameter: Subject"),
            (subject("two\nlines"),           "Invalid parameter: Subject"),
            (subject(&"x".repeat(101)),       "Invalid parameter: Subject"),
            (json("{nope"),                   "Invalid parameter: Message Structure - JSON message body failed to parse"),
            (json(r#"{"sqs": "x"}"#),         no_default),
            (json(r#"{"default": 1}"#),       no_default),
        ];
        for (new, expected) in rows {
            assert_eq!(told(&standard, new), expected);
        }
    }

    #[test]
    fn a_fifo_topic_wants_to_know_which_messages_are_the_same() {
        let group = |deduplication: Option<&str>| NewMessage {
            group: Some("g".to_owned()),
            deduplication: deduplication.map(str::to_owned),
            ..message("Test")
        };
        assert_eq!(
            told(&topic("t.fifo", true), message("Test")),
            "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"
        );
        assert!(told(&topic("t.fifo", false), group(None)).contains("ContentBasedDeduplication"));
        assert!(told(&topic("t", false), group(Some("d"))).contains("for this topic type"));
        let same = |topic: &TopicRecord, new| check(topic, new).unwrap().deduplication.unwrap();
        assert_eq!(same(&topic("t.fifo", true), group(Some("d"))), "d");
        assert_eq!(
            same(&topic("t.fifo", true), group(None)),
            "532eaabd9574880dbf76b9b8cc00832c20a6ec113d682299550d7a6e0f345e25"
        );
    }

    /// The texts were recorded from AWS.
    #[test]
    fn attributes_that_cannot_be_are_refused() {
        let of = |name: &str, data_type: &str, text: Option<&str>, binary: Option<&[u8]>| {
            let attribute = NewAttribute {
                data_type: data_type.to_owned(),
                text: text.map(str::to_owned),
                binary: binary.map(<[u8]>::to_vec),
            };
            let attributes = BTreeMap::from([(name.to_owned(), attribute)]);
            NewMessage { attributes, ..message("m") }
        };
        let kind = "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.";
        let long = "a".repeat(257);
        #[rustfmt::skip]
        let rows = [
            (of("a", "String", Some(""), None),        "must contain non-empty message attribute value for message attribute type 'String'."),
            (of("a", "Binary", None, None),            "must contain non-empty message attribute value for message attribute type 'Binary'."),
            (of("a", "String", None, Some(b"x")),      "The message attribute 'a' with type 'String' must use field 'String'."),
            (of("a", "Number", None, Some(b"x")),      "The message attribute 'a' with type 'Number' must use field 'String'."),
            (of("a", "Binary", Some("x"), None),       "The message attribute 'a' with type 'Binary' must use field 'Binary'."),
            (of("a", "Text", Some("x"), None),         kind),
            (of("a", "String.", Some("x"), None),      kind),
            (of("a", "Number", Some("x"), None),       "Could not cast message attribute 'a' value to number."),
            (of("a^b", "String", Some("x"), None),     "Invalid non-alphanumeric character '#x5E' was found in the message attribute name."),
            (of(".a", "String", Some("x"), None),      "Invalid message attribute name starting with character '.' was found."),
            (of("a.", "String", Some("x"), None),      "Invalid message attribute name ending with character '.' was found."),
            (of("a..b", "String", Some("x"), None),    "Message attribute name can not have successive '.' character."),
            (of(&long, "String", Some("x"), None),     "Length of message attribute name must be less than 256 bytes."),
        ];
        for (new, expected) in rows {
            let told = told(&topic("t", false), new);
            assert!(told.contains(expected), "{told}");
        }
        let good = of("a", "String.Array", Some("[]"), None);
        assert_eq!(check(&topic("t", false), good).unwrap().bytes, 1 + 1 + 12 + 2);
    }
}
