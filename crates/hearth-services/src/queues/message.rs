//! A message on its way in: what is checked, and the entry that it becomes. No I/O.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_store::queue::{NewEntry, Sameness};
use hearth_types::names::AccountId;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::attributes::{DeduplicationScope, Fifo};
use super::digest::{hexadecimal, md5_of_attributes, md5_of_body};
use super::error::QueueError;
use super::quotas::{
    ATTRIBUTE_NAME_BYTES_MAX, ATTRIBUTES_MAX, DEDUPLICATION_SECONDS, DELAY_SECONDS_MAX,
    TOKEN_CHARACTERS_MAX,
};
use super::record::QueueRecord;
use crate::delivery::{AttributeValue, MessageAttribute};

/// A message that is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Its body.
    pub body: String,
    /// The sender's attributes.
    pub attributes: BTreeMap<String, GivenAttribute>,
    /// Attributes for the service: `AWSTraceHeader`.
    pub system_attributes: BTreeMap<String, GivenAttribute>,
    /// How long it cannot be received at first; the queue's own time if there is none.
    pub delay_seconds: Option<i32>,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication: Option<String>,
}

/// An attribute as it is given: it may have no value, or two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenAttribute {
    /// `String`, `Number` or `Binary`, with or without a `.label`.
    pub data_type: String,
    /// The value of the first two.
    pub text: Option<String>,
    /// The value of the last.
    pub binary: Option<Vec<u8>>,
    /// How many values were given as lists, which AWS reserves.
    pub list_values: usize,
}

impl NewMessage {
    /// The size that counts: the body, and names, types and values of the sender's attributes.
    pub(super) fn bytes(&self) -> usize {
        let one = |(name, given): (&String, &GivenAttribute)| {
            let text = given.text.as_ref().map_or(0, String::len);
            let binary = given.binary.as_ref().map_or(0, Vec::len);
            name.len() + given.data_type.len() + text + binary
        };
        self.body.len() + self.attributes.iter().map(one).sum::<usize>()
    }
}

/// Who sends.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Shown as `SenderId`.
    pub account: &'a AccountId,
    /// The trace header of the request, for a message that has none of its own.
    pub trace: Option<&'a str>,
}

/// What stands beside the body of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) sender: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) attributes: BTreeMap<String, MessageAttribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<String>,
    /// Also of a standard queue, where the entry has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deduplication: Option<String>,
    /// The id of a message that came from another queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Uuid>,
    /// The ARN of the queue whose dead letter it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    /// How many of its receives were undone, so that they do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) undone: Option<u32>,
}

impl Head {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("a head can be written as JSON")
    }

    /// Reads one. Nobody but this module writes them, so what cannot be read is of a newer version;
    /// the body is still handed out.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| {
            tracing::error!(%error, "the head of a message could not be read");
            Self {
                sender: String::new(),
                attributes: BTreeMap::new(),
                trace: None,
                group: None,
                deduplication: None,
                id: None,
                source: None,
                undone: None,
            }
        })
    }

    /// The text of one, in which one receive more does not count. None of one that cannot be read,
    /// which is to stay as it is.
    pub(super) fn with_receive_undone(text: &str) -> Option<String> {
        let mut head: Self = serde_json::from_str(text).ok()?;
        head.undone = Some(head.undone.unwrap_or_default().saturating_add(1));
        Some(head.text())
    }

    /// How often a message was received that was leased so often.
    pub(super) fn receives(&self, leases: u32) -> u32 {
        leases.saturating_sub(self.undone.unwrap_or_default())
    }
}

/// A message that can be put.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) entry: NewEntry,
    pub(super) md5_of_body: String,
    pub(super) md5_of_attributes: Option<String>,
    pub(super) md5_of_system_attributes: Option<String>,
}

/// Checks a message and makes an entry of it.
pub(super) fn prepared(
    queue: &QueueRecord,
    message: NewMessage,
    sender: Sender<'_>,
    now: Timestamp,
) -> Result<Prepared, QueueError> {
    let bytes = message.bytes();
    let NewMessage { body, group, .. } = message;
    check_body(&body)?;
    let attributes = checked_attributes(message.attributes)?;
    let system = checked_system_attributes(message.system_attributes)?;
    let bytes_max = queue.settings.message_bytes_max;
    if bytes > usize::try_from(bytes_max).unwrap_or(usize::MAX) {
        return refuse(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes."
        ));
    }
    let delay_seconds = delay(queue, message.delay_seconds)?;
    check_token("MessageGroupId", group.as_deref())?;
    check_token("MessageDeduplicationId", message.deduplication.as_deref())?;
    let deduplication = deduplication_id(queue, (group.as_deref(), &body), message.deduplication)?;
    let sameness = sameness(queue, group.as_deref(), deduplication.as_deref(), now);
    let head = Head {
        sender: sender.account.to_string(),
        attributes,
        trace: trace(&system).or(sender.trace).map(str::to_owned),
        group,
        deduplication,
        id: None,
        source: None,
        undone: None,
    };
    let entry = NewEntry {
        lane: queue.lane(),
        group: head.group.clone().filter(|_| queue.is_fifo()),
        put_at: now,
        due: now.plus_millis(u64::from(delay_seconds) * 1_000),
        sameness,
        head: head.text(),
        body: Bytes::from(body),
    };
    Ok(Prepared {
        md5_of_body: md5_of_body(&entry.body),
        md5_of_attributes: md5_of_attributes(&head.attributes),
        md5_of_system_attributes: md5_of_attributes(&system),
        entry,
    })
}

/// XML 1.0, production 2. Surrogates are no `char`.
fn check_body(body: &str) -> Result<(), QueueError> {
    if body.is_empty() {
        return Err(QueueError::MissingParameter("MessageBody".to_owned()));
    }
    let is_allowed = |one: char| matches!(one, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}');
    if body.chars().all(is_allowed) { Ok(()) } else { Err(QueueError::InvalidMessageContents) }
}

fn refuse<T>(message: String) -> Result<T, QueueError> {
    Err(QueueError::InvalidParameterValue(message))
}

/// The sender's attributes, checked.
fn checked_attributes(
    given: BTreeMap<String, GivenAttribute>,
) -> Result<BTreeMap<String, MessageAttribute>, QueueError> {
    if given.len() > ATTRIBUTES_MAX {
        let found = given.len();
        return refuse(format!(
            "Number of message attributes [{found}] exceeds the allowed maximum [{ATTRIBUTES_MAX}]."
        ));
    }
    let checked = given.into_iter().map(|(name, attribute)| {
        check_name(&name)?;
        let attribute = attribute_of(&name, attribute)?;
        Ok::<_, QueueError>((name, attribute))
    });
    checked.collect()
}

fn check_name(name: &str) -> Result<(), QueueError> {
    if name.is_empty() {
        return refuse(
            "The request must contain non-empty message (user) attribute names.".to_owned(),
        );
    }
    if name.len() > ATTRIBUTE_NAME_BYTES_MAX {
        return refuse(format!(
            "Message (user) attribute name must be shorter than {ATTRIBUTE_NAME_BYTES_MAX} bytes."
        ));
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        return refuse(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."
                .to_owned(),
        );
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let has_odd_dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if has_odd_dots || !name.bytes().all(is_letter) {
        return refuse(format!(
            "Invalid attribute name '{name}': it can contain upper and lower score characters, digits, periods, hyphens and underscores, and cannot start or end with a period or have two in a row."
        ));
    }
    Ok(())
}

fn attribute_of(name: &str, given: GivenAttribute) -> Result<MessageAttribute, QueueError> {
    let GivenAttribute { data_type, text, binary, list_values } = given;
    if list_values > 0 {
        return refuse(
            "Message attribute list values in SendMessage operation are not supported.".to_owned(),
        );
    }
    if data_type.is_empty() {
        return refuse(format!(
            "The message (user) attribute '{name}' must contain a non-empty message attribute type."
        ));
    }
    if data_type.len() > ATTRIBUTE_NAME_BYTES_MAX {
        return refuse(format!(
            "Message (user) attribute type must be shorter than {ATTRIBUTE_NAME_BYTES_MAX} bytes."
        ));
    }
    let kind = data_type.split('.').next().unwrap_or_default();
    let value = match kind {
        "String" | "Number" => text.filter(|text| !text.is_empty()).map(AttributeValue::Text),
        "Binary" => binary.filter(|bytes| !bytes.is_empty()).map(AttributeValue::Binary),
        _ => {
            return refuse(format!(
                "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type prefixes: Binary, Number, String."
            ));
        }
    };
    let Some(value) = value else {
        return refuse(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'."
        ));
    };
    match &value {
        AttributeValue::Text(number) if kind == "Number" && !is_number(number) => refuse(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )),
        AttributeValue::Text(text) if check_body(text).is_err() => {
            Err(QueueError::InvalidMessageContents)
        }
        AttributeValue::Text(_) | AttributeValue::Binary(_) => {
            Ok(MessageAttribute { data_type, value })
        }
    }
}

/// A number of up to 38 digits.
fn is_number(text: &str) -> bool {
    let text = text.trim();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    is_plain && (1..=38).contains(&digits) && text.parse::<f64>().is_ok()
}

/// The only attribute that callers may give to the service.
const TRACE: &str = "AWSTraceHeader";

fn checked_system_attributes(
    given: BTreeMap<String, GivenAttribute>,
) -> Result<BTreeMap<String, MessageAttribute>, QueueError> {
    let checked = given.into_iter().map(|(name, attribute)| {
        if name != TRACE {
            return refuse(format!("Message system attribute name '{name}' is invalid."));
        }
        let attribute = attribute_of(&name, attribute)?;
        if attribute.data_type != "String" {
            return refuse(format!(
                "The type of message system attribute '{name}' is invalid. You must use only the following supported type prefixes: String."
            ));
        }
        Ok::<_, QueueError>((name, attribute))
    });
    checked.collect()
}

fn trace(system: &BTreeMap<String, MessageAttribute>) -> Option<&str> {
    match &system.get(TRACE)?.value {
        AttributeValue::Text(text) => Some(text),
        AttributeValue::Binary(_) => None,
    }
}

fn delay(queue: &QueueRecord, given: Option<i32>) -> Result<u32, QueueError> {
    let own = queue.settings.delay_seconds;
    let Some(given) = given else { return Ok(own) };
    if queue.is_fifo() {
        if given != 0 {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(QueueError::parameter(given, "DelaySeconds", reason));
        }
        return Ok(own);
    }
    let seconds = u32::try_from(given).ok().filter(|seconds| *seconds <= DELAY_SECONDS_MAX);
    seconds.ok_or_else(|| {
        let reason = format!("DelaySeconds must be >= 0 and <= {DELAY_SECONDS_MAX}.");
        QueueError::parameter(given, "DelaySeconds", &reason)
    })
}

/// Refuses what is not 1 to 128 letters, digits and signs.
pub(super) fn check_token(name: &str, token: Option<&str>) -> Result<(), QueueError> {
    let Some(token) = token else { return Ok(()) };
    let fits = (1..=TOKEN_CHARACTERS_MAX).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    let reason = format!(
        "{name} can only include alphanumeric and punctuation characters. 1 to {TOKEN_CHARACTERS_MAX} in length."
    );
    Err(QueueError::parameter(token, name, &reason))
}

/// The id by which a FIFO queue knows whether it has a message already.
fn deduplication_id(
    queue: &QueueRecord,
    (group, body): (Option<&str>, &str),
    given: Option<String>,
) -> Result<Option<String>, QueueError> {
    let Some(fifo) = &queue.settings.fifo else {
        return match given {
            None => Ok(None),
            Some(_) => refuse(
                "The request include parameter MessageDeduplicationId which is not valid for this queue type"
                    .to_owned(),
            ),
        };
    };
    if group.is_none() {
        return Err(QueueError::MissingParameter("MessageGroupId".to_owned()));
    }
    match given {
        Some(id) => Ok(Some(id)),
        None if fifo.content_based_deduplication => {
            Ok(Some(hexadecimal(&Sha256::digest(body.as_bytes()))))
        }
        None => Err(QueueError::DeduplicationIdMissing),
    }
}

fn sameness(
    queue: &QueueRecord,
    group: Option<&str>,
    deduplication: Option<&str>,
    now: Timestamp,
) -> Option<Sameness> {
    let Fifo { scope, .. } = queue.settings.fifo.as_ref()?;
    let id = match scope {
        DeduplicationScope::Queue => deduplication?.to_owned(),
        // No id has a space in it.
        DeduplicationScope::MessageGroup => format!("{} {}", group?, deduplication?),
    };
    Some(Sameness { id, until: now.plus_millis(DEDUPLICATION_SECONDS * 1_000) })
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{Region, Scope};

    use super::*;
    use crate::queues::attributes::Settings;

    fn queue(attributes: &[(&str, &str)]) -> QueueRecord {
        let given =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let account = AccountId::parse("000000000000").unwrap();
        QueueRecord {
            name: "q".to_owned(),
            scope: Scope { account, region: Region::parse("us-east-1").unwrap() },
            generation: Uuid::nil(),
            secret: Uuid::nil(),
            created: Timestamp(0),
            modified: Timestamp(0),
            purged: None,
            settings: Settings::new(&given.collect()).unwrap(),
            tags: BTreeMap::new(),
        }
    }

    fn prepare(queue: &QueueRecord, message: NewMessage) -> Result<Prepared, QueueError> {
        let sender = Sender { account: &queue.scope.account, trace: Some("Root=header") };
        prepared(queue, message, sender, Timestamp(1_000))
    }

    fn message(body: &str) -> NewMessage {
        NewMessage { body: body.to_owned(), ..NewMessage::default() }
    }

    fn with_attribute(name: &str, data_type: &str, value: &str) -> NewMessage {
        let (data_type, text) = (data_type.to_owned(), Some(value.to_owned()));
        let attribute = GivenAttribute { data_type, text, ..GivenAttribute::default() };
        let attributes = BTreeMap::from([(name.to_owned(), attribute)]);
        NewMessage { attributes, ..message("x") }
    }

    #[test]
    fn bodies_have_the_characters_of_xml_and_a_size() {
        let queue = queue(&[("MaximumMessageSize", "1024")]);
        for good in ["x", "\t\r\n ", "\u{D7FF}\u{E000}\u{FFFD}\u{10000}\u{10FFFF}"] {
            assert!(prepare(&queue, message(good)).is_ok(), "{good:?}");
        }
        for wrong in ["\0", "a\u{B}", "\u{1F}", "\u{FFFE}", "\u{FFFF}"] {
            let error = prepare(&queue, message(wrong)).unwrap_err();
            assert_eq!(error.code(), "InvalidMessageContents", "{wrong:?}");
        }
        assert_eq!(prepare(&queue, message("")).unwrap_err().code(), "MissingParameter");
        assert!(prepare(&queue, message(&"a".repeat(1024))).is_ok());
        let error = prepare(&queue, message(&"a".repeat(1025))).unwrap_err().to_string();
        assert!(error.ends_with("Message must be shorter than 1024 bytes."), "{error}");
        // Name, type and value count as well.
        let mut both = with_attribute("k", "String", "x");
        both.body = "a".repeat(1024 - 8);
        assert!(prepare(&queue, both.clone()).is_ok());
        assert_eq!(both.bytes(), 1024);
        both.body.push('a');
        assert!(prepare(&queue, both).is_err());
    }

    #[test]
    fn attributes_are_refused_with_their_reason() {
        let queue = queue(&[]);
        let long = "a".repeat(257);
        #[rustfmt::skip]
        let rows = [
            ("Hello",          "Number",       "world", "Can't cast the value of message (user) attribute 'Hello' to a number."),
            ("Hello",          "String",       "",      "Message (user) attribute 'Hello' must contain a non-empty value of type 'String'."),
            ("Hello",          "Binary",       "x",     "Message (user) attribute 'Hello' must contain a non-empty value of type 'Binary'."),
            ("",               "String",       "x",     "The request must contain non-empty message (user) attribute names."),
            ("Hello",          "Other",        "x",     "You must use only the following supported type prefixes: Binary, Number, String."),
            ("Hello",          "",             "x",     "must contain a non-empty message attribute type."),
            ("AWS.Hello",      "String",       "x",     "These strings are reserved for internal use."),
            ("amazon.Hello",   "String",       "x",     "These strings are reserved for internal use."),
            (".a",             "String",       "x",     "or have two in a row."),
            ("a..b",           "String",       "x",     "or have two in a row."),
            ("a b",            "String",       "x",     "or have two in a row."),
            (long.as_str(),    "String",       "x",     "Message (user) attribute name must be shorter than 256 bytes."),
        ];
        for (name, data_type, value, reason) in rows {
            let error = prepare(&queue, with_attribute(name, data_type, value)).unwrap_err();
            assert!(error.to_string().ends_with(reason), "{name}: {error}");
        }
        for (data_type, value) in
            [("Number.int", "-12.5e3"), ("String.label", "ü"), ("Number", "0")]
        {
            assert!(prepare(&queue, with_attribute("a", data_type, value)).is_ok(), "{value}");
        }
        let mut many = message("x");
        for number in 0..11 {
            let attribute = GivenAttribute {
                data_type: "String".to_owned(),
                text: Some("x".to_owned()),
                ..GivenAttribute::default()
            };
            many.attributes.insert(format!("a{number}"), attribute);
        }
        let error = prepare(&queue, many).unwrap_err().to_string();
        assert_eq!(error, "Number of message attributes [11] exceeds the allowed maximum [10].");
    }

    #[test]
    fn a_fifo_queue_wants_a_group_and_a_way_to_tell_duplicates() {
        let fifo = queue(&[("FifoQueue", "true")]);
        assert_eq!(prepare(&fifo, message("x")).unwrap_err().code(), "MissingParameter");
        let grouped = NewMessage { group: Some("g".to_owned()), ..message("x") };
        let error = prepare(&fifo, grouped.clone()).unwrap_err();
        assert!(matches!(error, QueueError::DeduplicationIdMissing), "{error}");
        let named = NewMessage { deduplication: Some("d".to_owned()), ..grouped.clone() };
        let entry = prepare(&fifo, named.clone()).unwrap().entry;
        assert_eq!(
            entry.sameness,
            Some(Sameness { id: "d".to_owned(), until: Timestamp(301_000) })
        );
        assert_eq!(entry.group.as_deref(), Some("g"));

        let by_content = queue(&[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")]);
        let entry = prepare(&by_content, grouped.clone()).unwrap().entry;
        // The SHA-256 of `x`.
        let digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        assert_eq!(entry.sameness.unwrap().id, digest);
        let per_group = queue(&[("FifoQueue", "true"), ("DeduplicationScope", "messageGroup")]);
        assert_eq!(prepare(&per_group, named).unwrap().entry.sameness.unwrap().id, "g d");

        let delayed = NewMessage { delay_seconds: Some(2), ..grouped };
        let error = prepare(&by_content, delayed).unwrap_err().to_string();
        assert!(error.starts_with("Value 2 for parameter DelaySeconds is invalid."), "{error}");
    }

    #[test]
    fn a_standard_queue_knows_groups_and_no_duplicates() {
        let queue = queue(&[("DelaySeconds", "3")]);
        let grouped = NewMessage { group: Some("g".to_owned()), ..message("x") };
        let entry = prepare(&queue, grouped).unwrap().entry;
        assert_eq!((entry.group, entry.due), (None, Timestamp(4_000)));
        assert_eq!(Head::read(&entry.head).group.as_deref(), Some("g"));
        let named = NewMessage { deduplication: Some("d".to_owned()), ..message("x") };
        assert_eq!(prepare(&queue, named).unwrap_err().code(), "InvalidParameterValue");
        for (given, due) in [(0, Some(1_000)), (900, Some(901_000)), (901, None), (-1, None)] {
            let delayed = NewMessage { delay_seconds: Some(given), ..message("x") };
            let found = prepare(&queue, delayed).ok().map(|prepared| prepared.entry.due.0);
            assert_eq!(found, due, "{given}");
        }
        let odd = NewMessage { group: Some("with space".to_owned()), ..message("x") };
        assert!(prepare(&queue, odd).is_err());
    }

    #[test]
    fn a_trace_of_its_own_comes_before_that_of_the_request() {
        let queue = queue(&[]);
        let prepared = prepare(&queue, message("x")).unwrap();
        assert_eq!(Head::read(&prepared.entry.head).trace.as_deref(), Some("Root=header"));
        assert_eq!(prepared.md5_of_system_attributes, None);
        let mut own = with_attribute(TRACE, "String", "some-trace-id");
        own.system_attributes = std::mem::take(&mut own.attributes);
        let prepared = prepare(&queue, own).unwrap();
        assert_eq!(Head::read(&prepared.entry.head).trace.as_deref(), Some("some-trace-id"));
        let md5 = "fdce4f2818803f2f73becc09a54792c0";
        assert_eq!(prepared.md5_of_system_attributes.as_deref(), Some(md5));
        let mut other = with_attribute("Hello", "String", "x");
        other.system_attributes = std::mem::take(&mut other.attributes);
        let error = prepare(&queue, other).unwrap_err().to_string();
        assert_eq!(error, "Message system attribute name 'Hello' is invalid.");
    }
}
