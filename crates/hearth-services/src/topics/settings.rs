//! What can be set of a topic and of a subscription: attribute by attribute, by AWS's names.

use serde_json::Value;

use super::arn::{self, TopicArn};
use super::delivery_policy::{SubscriptionDeliveryPolicy, TopicDeliveryPolicy};
use super::error::TopicError;
use super::filter::Filter;
use super::filter::tokens::not_json;
use super::policy;
use super::record::{
    DeliveryForm, FilterScope, Protocol, Redrive, SignatureVersion, SubscriptionSettings,
    ThroughputScope, TopicSettings,
};
use crate::limits::{DISPLAY_NAME_CHARACTERS_MAX, NOTIFICATION_BYTES_MAX, NOTIFICATION_BYTES_MIN};

/// Attributes of AWS's that would change what a topic does, and are not there.
const NOT_BUILT: &[&str] = &["ArchivePolicy", "DataProtectionPolicy"];
/// What those begin and end with that have deliveries logged.
const FEEDBACK: [&str; 3] =
    ["SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate", "FailureFeedbackRoleArn"];

/// Sets an attribute of a topic. `unknown` is what is said of one that there is not.
pub(super) fn set_of_topic(
    settings: &mut TopicSettings,
    topic: &TopicArn,
    (name, value): (&str, &str),
    unknown: impl Fn() -> String,
) -> Result<(), TopicError> {
    match name {
        "DisplayName" => settings.display_name = display_name(value)?,
        "Policy" => {
            settings.policy = text(value);
            settings.policy.as_deref().map_or(Ok(()), policy::check)?;
        }
        "DeliveryPolicy" => settings.delivery_policy = TopicDeliveryPolicy::parse(value)?,
        "SignatureVersion" => {
            settings.signature_version = Some(match value {
                "1" => SignatureVersion::One,
                "2" => SignatureVersion::Two,
                _odd => return Err(TopicError::parameter("SignatureVersion")),
            });
        }
        "ContentBasedDeduplication" => {
            let is_set = truth(name, value)?;
            if is_set && !topic.is_fifo() {
                let why = "Content-based deduplication can only be set for FIFO topics";
                return Err(TopicError::parameter(why));
            }
            settings.content_based_deduplication = is_set;
        }
        "FifoThroughputScope" => {
            settings.throughput_scope = Some(match value {
                "Topic" if topic.is_fifo() => ThroughputScope::Topic,
                "MessageGroup" if topic.is_fifo() => ThroughputScope::MessageGroup,
                _odd => return Err(TopicError::parameter("FifoThroughputScope")),
            });
        }
        "MaximumMessageSize" => settings.message_bytes_max = Some(message_bytes_max(value)?),
        "KmsMasterKeyId" => settings.kms_key = text(value),
        "TracingConfig" => {
            if !matches!(value, "PassThrough" | "Active") {
                return Err(TopicError::parameter("TracingConfig"));
            }
            settings.tracing = Some(value.to_owned());
        }
        other if NOT_BUILT.contains(&other) || is_feedback(other) => {
            let why = format!("{other} Reason: Hearth does not support it yet; leave it out");
            return Err(TopicError::parameter(why));
        }
        _unknown => return Err(TopicError::parameter(unknown())),
    }
    Ok(())
}

/// What a subscription is, as far as its settings depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscribed<'a> {
    pub(super) topic: &'a TopicArn,
    pub(super) protocol: Protocol,
    pub(super) endpoint: &'a str,
}

/// Sets an attribute of a subscription. `unknown` is what is said of one that there is not.
pub(super) fn set_of_subscription(
    settings: &mut SubscriptionSettings,
    subscribed: Subscribed<'_>,
    (name, value): (&str, &str),
    unknown: impl Fn() -> String,
) -> Result<(), TopicError> {
    let protocol = subscribed.protocol.as_str();
    match name {
        "RawMessageDelivery" => {
            let is_raw = truth(name, value)?;
            if is_raw && subscribed.protocol == Protocol::Lambda {
                return Err(TopicError::parameter(format!(
                    "Delivery protocol [{protocol}] does not support raw message delivery."
                )));
            }
            settings.delivery = if is_raw { DeliveryForm::Raw } else { DeliveryForm::Enveloped };
        }
        "FilterPolicy" => {
            settings.filter_policy = text(value).filter(|text| text.trim() != "{}");
            if let Some(text) = &settings.filter_policy {
                let read = Filter::parse(text).map(drop);
                read.map_err(|why| TopicError::parameter(format!("FilterPolicy: {why}")))?;
            }
        }
        "FilterPolicyScope" => {
            settings.filter_scope = match value {
                "MessageAttributes" => FilterScope::MessageAttributes,
                "MessageBody" => FilterScope::MessageBody,
                _odd => {
                    return Err(TopicError::parameter(format!(
                        "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                    )));
                }
            };
        }
        "RedrivePolicy" => settings.redrive = redrive(value, subscribed)?,
        "DeliveryPolicy" => {
            let policy = SubscriptionDeliveryPolicy::parse(value)?;
            if policy.is_some() && !subscribed.protocol.is_posted() {
                return Err(TopicError::parameter(format!(
                    "Delivery protocol [{protocol}] does not support delivery policy."
                )));
            }
            settings.delivery_policy = policy;
        }
        "ReplayPolicy" => {
            let why = "ReplayPolicy Reason: Hearth does not support it yet; leave it out";
            return Err(TopicError::parameter(why));
        }
        _unknown => return Err(TopicError::parameter(unknown())),
    }
    Ok(())
}

/// Checks what two attributes say together.
pub(super) fn check_filter(settings: &SubscriptionSettings) -> Result<(), TopicError> {
    let filter = settings.filter_policy.as_deref().and_then(|text| Filter::parse(text).ok());
    let is_nested = filter.is_some_and(|filter| filter.is_nested());
    if is_nested && settings.filter_scope == FilterScope::MessageAttributes {
        let why = "Filter policy scope MessageAttributes does not support nested filter policy";
        return Err(TopicError::parameter(why));
    }
    Ok(())
}

fn redrive(value: &str, subscribed: Subscribed<'_>) -> Result<Option<Redrive>, TopicError> {
    let Some(text) = text(value).filter(|text| text.trim() != "{}") else { return Ok(None) };
    let refused = |why: &str| TopicError::parameter(format!("RedrivePolicy: {why}"));
    let read: Value =
        serde_json::from_str(&text).map_err(|error| refused(&not_json(&text, &error)))?;
    let queue = read.get("deadLetterTargetArn").and_then(Value::as_str).unwrap_or_default();
    let Some((_account, name)) = arn::queue(queue) else {
        return Err(refused("deadLetterTargetArn is an invalid arn"));
    };
    let is_fifo = |name: &str| name.ends_with(arn::FIFO_SUFFIX);
    if subscribed.topic.is_fifo() && is_fifo(subscribed.endpoint) && !is_fifo(name) {
        let why = "must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.";
        return Err(refused(why));
    }
    if !subscribed.topic.is_fifo() && is_fifo(name) {
        return Err(refused(
            "must use a standard queue as DLQ for a subscription to a standard topic.",
        ));
    }
    let queue = queue.to_owned();
    Ok(Some(Redrive { text, queue }))
}

fn display_name(value: &str) -> Result<String, TopicError> {
    let is_one = value.chars().count() <= DISPLAY_NAME_CHARACTERS_MAX
        && !value.chars().any(char::is_control);
    if is_one { Ok(value.to_owned()) } else { Err(TopicError::parameter("DisplayName")) }
}

fn message_bytes_max(value: &str) -> Result<usize, TopicError> {
    let bytes: Option<usize> = value.parse().ok();
    bytes
        .filter(|bytes| (NOTIFICATION_BYTES_MIN..=NOTIFICATION_BYTES_MAX).contains(bytes))
        .ok_or_else(|| TopicError::parameter("MaximumMessageSize"))
}

/// `true` or `false`, in any case.
fn truth(name: &str, value: &str) -> Result<bool, TopicError> {
    if value.eq_ignore_ascii_case("true") {
        return Ok(true);
    }
    if value.eq_ignore_ascii_case("false") {
        return Ok(false);
    }
    Err(TopicError::parameter(format!("{name}: Invalid value [{value}]. Must be true or false.")))
}

/// A value that is empty takes the attribute away.
fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn is_feedback(name: &str) -> bool {
    FEEDBACK.iter().any(|ending| name.ends_with(ending))
}
