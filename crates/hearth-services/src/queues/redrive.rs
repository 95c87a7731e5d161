//! Where messages go that were received too often, and who may send them there.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::QueueError;
use super::names::QueueName;
use super::quotas::{RECEIVES_MAX, REDRIVE_SOURCES_MAX};

/// `RedrivePolicy`: the dead-letter queue of a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// The ARN of the dead-letter queue.
    pub target: String,
    /// How often a message may be received before it goes there.
    pub receives_max: u32,
}

const COUNT: &str = "maxReceiveCount";
const TARGET: &str = "deadLetterTargetArn";

impl Redrive {
    /// Reads one. An empty text means that there is to be none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, QueueError> {
        if text.is_empty() {
            return Ok(None);
        }
        let Ok(policy) = serde_json::from_str::<Map<String, Value>>(text) else {
            return Err(QueueError::InvalidAttributeValue(
                "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."
                    .to_owned(),
            ));
        };
        for name in [COUNT, TARGET] {
            if !policy.contains_key(name) {
                let what = format!("Redrive policy does not contain mandatory attribute: {name}.");
                return Err(refused(text, &what));
            }
        }
        if policy.keys().any(|name| name != COUNT && name != TARGET) {
            let what = format!("Only following attributes are supported: [{COUNT}, {TARGET}].");
            return Err(refused(text, &what));
        }
        let receives_max = receives(text, &policy[COUNT])?;
        let target = policy[TARGET].as_str().unwrap_or_default();
        if !target.starts_with("arn:") {
            return Err(refused(text, "Invalid value for deadLetterTargetArn."));
        }
        if QueueName::of_arn(target).is_none() {
            let what = "Only SQS queues are valid resources for deadLetterTargetArn.";
            return Err(refused(text, what));
        }
        Ok(Some(Self { target: target.to_owned(), receives_max }))
    }

    /// As it is shown.
    pub(super) fn text(&self) -> String {
        // By hand, for the order in which AWS has them.
        format!(
            "{{\"{TARGET}\":{},\"{COUNT}\":{}}}",
            Value::from(self.target.as_str()),
            self.receives_max
        )
    }
}

/// Refuses a policy, as it was given.
pub(super) fn refused(text: &str, reason: &str) -> QueueError {
    QueueError::parameter(text, "RedrivePolicy", reason)
}

/// A number, which may be written as a text.
fn receives(text: &str, count: &Value) -> Result<u32, QueueError> {
    let number = count.as_u64().or_else(|| count.as_str().and_then(|count| count.parse().ok()));
    let number = number.filter(|number| (1..=RECEIVES_MAX).contains(number));
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
        let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
        let reason = format!(
            "Invalid value for maxReceiveCount: {shown}, valid values are from 1 to {RECEIVES_MAX} both inclusive."
        );
        refused(text, &reason)
    })
}

/// `RedriveAllowPolicy`: whose dead-letter queue a queue may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedriveAllow {
    /// Everybody's.
    All,
    /// Nobody's.
    None,
    /// Of the queues with these ARNs.
    Of(Vec<String>),
}

impl RedriveAllow {
    /// Reads one. An empty text means that there is to be none.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, QueueError> {
        if text.is_empty() {
            return Ok(None);
        }
        let invalid = || {
            QueueError::InvalidAttributeValue(
                "Invalid value for the parameter RedriveAllowPolicy. Reason: Amazon SQS can't create the redrive allow policy, as it's in an unsupported format."
                    .to_owned(),
            )
        };
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Written {
            redrive_permission: String,
            source_queue_arns: Option<Vec<String>>,
        }
        let written: Written = serde_json::from_str(text).map_err(|_error| invalid())?;
        let sources = written.source_queue_arns;
        match (written.redrive_permission.as_str(), sources) {
            ("allowAll", None) => Ok(Some(Self::All)),
            ("denyAll", None) => Ok(Some(Self::None)),
            ("byQueue", Some(sources))
                if (1..=REDRIVE_SOURCES_MAX).contains(&sources.len())
                    && sources.iter().all(|arn| QueueName::of_arn(arn).is_some()) =>
            {
                Ok(Some(Self::Of(sources)))
            }
            _ => Err(invalid()),
        }
    }

    /// As it is shown.
    pub(super) fn text(&self) -> String {
        match self {
            Self::All => json!({ "redrivePermission": "allowAll" }),
            Self::None => json!({ "redrivePermission": "denyAll" }),
            Self::Of(sources) => {
                json!({ "redrivePermission": "byQueue", "sourceQueueArns": sources })
            }
        }
        .to_string()
    }

    /// Whether a queue with this ARN may have it as its dead-letter queue.
    pub(super) fn allows(&self, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Of(sources) => sources.iter().any(|one| one == source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DLQ: &str = "arn:aws:sqs:us-east-1:000000000000:dead";

    #[test]
    fn redrive_policies_are_refused_with_their_reason() {
        #[rustfmt::skip]
        let rows = [
            (" ".to_owned(),                                                                    "Redrive policy is not a valid JSON map."),
            ("[]".to_owned(),                                                                   "Redrive policy is not a valid JSON map."),
            ("{}".to_owned(),                                                                   "Redrive policy does not contain mandatory attribute: maxReceiveCount."),
            (r#"{"maxReceiveCount":5}"#.to_owned(),                                             "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."),
            (format!(r#"{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":-36}}"#),             "Invalid value for maxReceiveCount: -36, valid values are from 1 to 1000 both inclusive."),
            (format!(r#"{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":"x"}}"#),             "Invalid value for maxReceiveCount: x, valid values are from 1 to 1000 both inclusive."),
            (format!(r#"{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":1001}}"#),            "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive."),
            (r#"{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}"#.to_owned(),           "Invalid value for deadLetterTargetArn."),
            (r#"{"deadLetterTargetArn":"arn:aws:sns:us-east-1:000000000000:t","maxReceiveCount":5}"#.to_owned(), "Only SQS queues are valid resources for deadLetterTargetArn."),
            (format!(r#"{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":5,"more":1}}"#),      "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."),
        ];
        for (text, reason) in rows {
            let error = Redrive::parse(&text).unwrap_err().to_string();
            assert!(error.ends_with(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_redrive_policy_is_shown_with_a_number() {
        let text = format!(r#"{{"maxReceiveCount":"3","deadLetterTargetArn":"{DLQ}"}}"#);
        let redrive = Redrive::parse(&text).unwrap().unwrap();
        let shown = format!(r#"{{"deadLetterTargetArn":"{DLQ}","maxReceiveCount":3}}"#);
        assert_eq!(redrive.text(), shown);
        assert_eq!(Redrive::parse(&shown).unwrap(), Some(redrive));
        assert_eq!(Redrive::parse("").unwrap(), None);
    }

    #[test]
    fn a_redrive_allow_policy_says_whose_messages_are_taken() {
        let by_queue = format!(r#"{{"redrivePermission":"byQueue","sourceQueueArns":["{DLQ}"]}}"#);
        #[rustfmt::skip]
        let rows = [
            (r#"{"redrivePermission":"allowAll"}"#, true,  true),
            (r#"{"redrivePermission":"denyAll"}"#,  false, false),
            (by_queue.as_str(),                     true,  false),
        ];
        for (text, this, other) in rows {
            let allow = RedriveAllow::parse(text).unwrap().unwrap();
            assert_eq!((allow.allows(DLQ), allow.allows("other")), (this, other), "{text}");
            assert_eq!(RedriveAllow::parse(&allow.text()).unwrap(), Some(allow));
        }
        for wrong in
            ["x", "{}", r#"{"redrivePermission":"byQueue"}"#, r#"{"redrivePermission":"some"}"#]
        {
            assert!(RedriveAllow::parse(wrong).is_err(), "{wrong}");
        }
    }
}
