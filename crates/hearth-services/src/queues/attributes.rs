//! The attributes of a queue: how they are read, checked and shown. No I/O.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::QueueError;
use super::policy;
use super::quotas::{
    DELAY_SECONDS_MAX, KEY_REUSE_SECONDS_DEFAULT, KEY_REUSE_SECONDS_MAX, KEY_REUSE_SECONDS_MIN,
    MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN, RETENTION_SECONDS_DEFAULT, RETENTION_SECONDS_MAX,
    RETENTION_SECONDS_MIN, VISIBILITY_SECONDS_DEFAULT, VISIBILITY_SECONDS_MAX, WAIT_SECONDS_MAX,
};
use super::redrive::{Redrive, RedriveAllow};

/// Attributes by name, as callers give them and as they are shown.
pub type Attributes = BTreeMap<String, String>;

/// Every attribute that can be asked for, beside `All`.
pub const ATTRIBUTE_NAMES: &[&str] = &[
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "ContentBasedDeduplication",
    "CreatedTimestamp",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "LastModifiedTimestamp",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "QueueArn",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

const FIFO: &str = "FifoQueue";
const KEY: &str = "KmsMasterKeyId";
const MANAGED: &str = "SqsManagedSseEnabled";

/// How a queue works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How long a message cannot be received at first.
    pub delay_seconds: u32,
    /// How large a message may be.
    pub message_bytes_max: u32,
    /// How long a message is kept.
    pub retention_seconds: u32,
    /// How long a receiver waits that does not say.
    pub wait_seconds: u32,
    /// How long a message stays with a receiver that does not say.
    pub visibility_seconds: u32,
    /// Who else may use it: a document, kept to the letter.
    pub policy: Option<String>,
    /// Where messages go that were received too often.
    pub redrive: Option<Redrive>,
    /// Whose dead-letter queue it may be.
    pub redrive_allow: Option<RedriveAllow>,
    /// What was said about encryption.
    pub encryption: Encryption,
    /// How long a key may be used again.
    pub key_reuse_seconds: u32,
    /// If messages of a group come in order.
    pub fifo: Option<Fifo>,
}

/// What was said about encryption. Nothing is encrypted: the files are as plain as the file system
/// that they are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// It is not wanted.
    None,
    /// With keys of the service, as every queue on AWS.
    Managed,
    /// With this key of KMS.
    Key(String),
}

/// What only a FIFO queue has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// Whether two messages with the same body are the same message.
    pub content_based_deduplication: bool,
    /// Within what an id of deduplication is unique.
    pub scope: DeduplicationScope,
    /// What a limit of throughput holds for. There is none.
    pub throughput: ThroughputLimit,
}

/// Within what an id of deduplication is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeduplicationScope {
    /// Within the queue.
    Queue,
    /// Within each of its groups.
    MessageGroup,
}

/// What a limit of throughput holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThroughputLimit {
    /// For the queue.
    PerQueue,
    /// For each of its groups.
    PerMessageGroupId,
}

impl Settings {
    /// Those of a new queue for which nothing was said.
    fn default_of(fifo: Option<Fifo>) -> Self {
        Self {
            delay_seconds: 0,
            message_bytes_max: MESSAGE_BYTES_MAX,
            retention_seconds: RETENTION_SECONDS_DEFAULT,
            wait_seconds: 0,
            visibility_seconds: VISIBILITY_SECONDS_DEFAULT,
            policy: None,
            redrive: None,
            redrive_allow: None,
            encryption: Encryption::Managed,
            key_reuse_seconds: KEY_REUSE_SECONDS_DEFAULT,
            fifo,
        }
    }

    /// Those of a new queue.
    pub(super) fn new(given: &Attributes) -> Result<Self, QueueError> {
        let fifo = match given.get(FIFO).map(String::as_str) {
            None => None,
            Some("true") => Some(Fifo {
                content_based_deduplication: false,
                scope: DeduplicationScope::Queue,
                throughput: ThroughputLimit::PerQueue,
            }),
            // AWS knows the attribute for FIFO queues only.
            Some("false") => return Err(QueueError::UnknownAttribute(FIFO.to_owned())),
            Some(_) => return Err(invalid(FIFO)),
        };
        Self::default_of(fifo).changed(given)
    }

    /// The same with some attributes changed.
    pub(super) fn changed(&self, given: &Attributes) -> Result<Self, QueueError> {
        let mut changed = self.clone();
        for (name, value) in given {
            changed.set(name, value)?;
        }
        changed.set_encryption(given)?;
        if let Some(fifo) = &changed.fifo
            && fifo.throughput == ThroughputLimit::PerMessageGroupId
            && fifo.scope == DeduplicationScope::Queue
        {
            return Err(QueueError::InvalidAttributeValue(
                "Invalid value for the parameter FifoThroughputLimit. Reason: The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup."
                    .to_owned(),
            ));
        }
        Ok(changed)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), QueueError> {
        match name {
            "DelaySeconds" => self.delay_seconds = number(name, value, (0, DELAY_SECONDS_MAX))?,
            "MaximumMessageSize" => {
                let bounds = (MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX);
                self.message_bytes_max = number(name, value, bounds)?;
            }
            "MessageRetentionPeriod" => {
                let bounds = (RETENTION_SECONDS_MIN, RETENTION_SECONDS_MAX);
                self.retention_seconds = number(name, value, bounds)?;
            }
            "ReceiveMessageWaitTimeSeconds" => {
                self.wait_seconds = number(name, value, (0, WAIT_SECONDS_MAX))?;
            }
            "VisibilityTimeout" => {
                self.visibility_seconds = number(name, value, (0, VISIBILITY_SECONDS_MAX))?;
            }
            "Policy" => self.policy = policy::checked(value)?,
            "RedrivePolicy" => self.redrive = Redrive::parse(value)?,
            "RedriveAllowPolicy" => self.redrive_allow = RedriveAllow::parse(value)?,
            "KmsDataKeyReusePeriodSeconds" => {
                let bounds = (KEY_REUSE_SECONDS_MIN, KEY_REUSE_SECONDS_MAX);
                self.key_reuse_seconds = number(name, value, bounds)?;
            }
            // Each depends on the other: see `set_encryption`.
            KEY | MANAGED => {}
            FIFO => {
                self.fifo(name)?;
                if value != "true" {
                    return Err(QueueError::InvalidAttributeValue(
                        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported."
                            .to_owned(),
                    ));
                }
            }
            "ContentBasedDeduplication" => {
                self.fifo(name)?.content_based_deduplication = truth(name, value)?;
            }
            "DeduplicationScope" => {
                self.fifo(name)?.scope = match value {
                    "queue" => DeduplicationScope::Queue,
                    "messageGroup" => DeduplicationScope::MessageGroup,
                    _ => return Err(invalid(name)),
                };
            }
            "FifoThroughputLimit" => {
                self.fifo(name)?.throughput = match value {
                    "perQueue" => ThroughputLimit::PerQueue,
                    "perMessageGroupId" => ThroughputLimit::PerMessageGroupId,
                    _ => return Err(invalid(name)),
                };
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    /// What only a FIFO queue has; another one does not know the attribute.
    fn fifo(&mut self, name: &str) -> Result<&mut Fifo, QueueError> {
        self.fifo.as_mut().ok_or_else(|| unknown(name))
    }

    fn set_encryption(&mut self, given: &Attributes) -> Result<(), QueueError> {
        let key = given.get(KEY).map(String::as_str);
        let managed = given.get(MANAGED).map(|value| truth(MANAGED, value)).transpose()?;
        match (key, managed) {
            (Some(key), Some(true)) if !key.is_empty() => {
                return Err(QueueError::InvalidAttributeName(
                    "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
                        .to_owned(),
                ));
            }
            (Some(key), _) if !key.is_empty() => {
                self.encryption = Encryption::Key(key.to_owned());
            }
            (_, Some(true)) => self.encryption = Encryption::Managed,
            (Some(_), None) if self.encryption == Encryption::Managed => {}
            (None, Some(false)) if matches!(self.encryption, Encryption::Key(_)) => {}
            (Some(_), _) | (None, Some(false)) => self.encryption = Encryption::None,
            (None, None) => {}
        }
        Ok(())
    }

    /// Every attribute that the settings make up, as AWS shows them.
    pub(super) fn shown(&self) -> Attributes {
        let mut shown = Attributes::new();
        let mut show = |name: &str, value: String| {
            shown.insert(name.to_owned(), value);
        };
        show("DelaySeconds", self.delay_seconds.to_string());
        show("MaximumMessageSize", self.message_bytes_max.to_string());
        show("MessageRetentionPeriod", self.retention_seconds.to_string());
        show("ReceiveMessageWaitTimeSeconds", self.wait_seconds.to_string());
        show("VisibilityTimeout", self.visibility_seconds.to_string());
        if let Some(policy) = &self.policy {
            show("Policy", policy.clone());
        }
        if let Some(redrive) = &self.redrive {
            show("RedrivePolicy", redrive.text());
        }
        if let Some(allow) = &self.redrive_allow {
            show("RedriveAllowPolicy", allow.text());
        }
        show(MANAGED, (self.encryption == Encryption::Managed).to_string());
        if let Encryption::Key(key) = &self.encryption {
            show(KEY, key.clone());
            show("KmsDataKeyReusePeriodSeconds", self.key_reuse_seconds.to_string());
        }
        if let Some(fifo) = &self.fifo {
            show(FIFO, "true".to_owned());
            show("ContentBasedDeduplication", fifo.content_based_deduplication.to_string());
            show("DeduplicationScope", fifo.scope.shown().to_owned());
            show("FifoThroughputLimit", fifo.throughput.shown().to_owned());
        }
        shown
    }
}

impl DeduplicationScope {
    fn shown(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::MessageGroup => "messageGroup",
        }
    }
}

impl ThroughputLimit {
    fn shown(self) -> &'static str {
        match self {
            Self::PerQueue => "perQueue",
            Self::PerMessageGroupId => "perMessageGroupId",
        }
    }
}

/// Refuses names that no attribute has.
pub(super) fn check_names<'a>(
    names: impl IntoIterator<Item = &'a String>,
) -> Result<(), QueueError> {
    let mut names = names.into_iter();
    let odd = names.find(|name| *name != "All" && !ATTRIBUTE_NAMES.contains(&name.as_str()));
    odd.map_or(Ok(()), |name| Err(unknown(name)))
}

fn unknown(name: &str) -> QueueError {
    QueueError::UnknownAttribute(name.to_owned())
}

fn invalid(name: &str) -> QueueError {
    QueueError::InvalidAttributeValue(format!("Invalid value for the parameter {name}."))
}

fn number(name: &str, value: &str, (min, max): (u32, u32)) -> Result<u32, QueueError> {
    let only_digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| only_digits);
    number.filter(|number| (min..=max).contains(number)).ok_or_else(|| invalid(name))
}

fn truth(name: &str, value: &str) -> Result<bool, QueueError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(rows: &[(&str, &str)]) -> Attributes {
        rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn refusal(result: Result<Settings, QueueError>) -> (&'static str, String) {
        let error = result.unwrap_err();
        (error.code(), error.to_string())
    }

    #[test]
    fn numbers_have_bounds() {
        let settings = Settings::new(&given(&[])).unwrap();
        #[rustfmt::skip]
        let rows = [
            ("DelaySeconds",                  "0",     "900",     "901"),
            ("MaximumMessageSize",            "1024",  "1048576", "1048577"),
            ("MessageRetentionPeriod",        "60",    "1209600", "1209601"),
            ("ReceiveMessageWaitTimeSeconds", "0",     "20",      "21"),
            ("VisibilityTimeout",             "0",     "43200",   "43201"),
            ("KmsDataKeyReusePeriodSeconds",  "60",    "86400",   "86401"),
        ];
        for (name, least, most, over) in rows {
            for good in [least, most] {
                assert!(settings.changed(&given(&[(name, good)])).is_ok(), "{name} {good}");
            }
            for wrong in [over, "", " 2", "-1", "+5", "1.0", "true", "99999999999"] {
                let expected = format!("Invalid value for the parameter {name}.");
                let found = refusal(settings.changed(&given(&[(name, wrong)])));
                assert_eq!(found, ("InvalidAttributeValue", expected), "{wrong}");
            }
        }
    }

    #[test]
    fn a_standard_queue_does_not_know_what_fifo_queues_have() {
        let settings = Settings::new(&given(&[])).unwrap();
        for (name, value) in [
            ("ContentBasedDeduplication", "true"),
            ("DeduplicationScope", "queue"),
            ("FifoQueue", "true"),
            ("QueueArn", "x"),
            ("x", "y"),
        ] {
            let expected = ("InvalidAttributeName", format!("Unknown Attribute {name}."));
            assert_eq!(refusal(settings.changed(&given(&[(name, value)]))), expected);
        }
        let no = refusal(Settings::new(&given(&[("FifoQueue", "false")])));
        assert_eq!(no, ("InvalidAttributeName", "Unknown Attribute FifoQueue.".to_owned()));
    }

    #[test]
    fn a_fifo_queue_stays_one() {
        let fifo = Settings::new(&given(&[("FifoQueue", "true")])).unwrap();
        assert!(fifo.changed(&given(&[("FifoQueue", "true")])).is_ok());
        let (code, text) = refusal(fifo.changed(&given(&[("FifoQueue", "false")])));
        assert_eq!(code, "InvalidAttributeValue");
        assert!(text.ends_with("Modifying queue type is not supported."), "{text}");
        let per_group = [("FifoThroughputLimit", "perMessageGroupId")];
        assert_eq!(refusal(fifo.changed(&given(&per_group))).0, "InvalidAttributeValue");
        let both = [per_group[0], ("DeduplicationScope", "messageGroup")];
        let shown = fifo.changed(&given(&both)).unwrap().shown();
        assert_eq!(shown["FifoThroughputLimit"], "perMessageGroupId");
        assert_eq!(shown["ContentBasedDeduplication"], "false");
    }

    #[test]
    fn one_kind_of_encryption_is_shown() {
        let settings = Settings::new(&given(&[])).unwrap();
        assert_eq!(settings.shown()["SqsManagedSseEnabled"], "true");
        let key = settings.changed(&given(&[("KmsMasterKeyId", "k")])).unwrap();
        assert_eq!(key.shown()["KmsMasterKeyId"], "k");
        assert_eq!(key.shown()["SqsManagedSseEnabled"], "false");
        assert_eq!(key.shown()["KmsDataKeyReusePeriodSeconds"], "300");
        let managed = key.changed(&given(&[("SqsManagedSseEnabled", "true")])).unwrap();
        assert_eq!(managed.encryption, Encryption::Managed);
        let none = key.changed(&given(&[("KmsMasterKeyId", "")])).unwrap();
        assert_eq!(none.encryption, Encryption::None);
        let both = given(&[("KmsMasterKeyId", "k"), ("SqsManagedSseEnabled", "true")]);
        assert_eq!(refusal(settings.changed(&both)).0, "InvalidAttributeName");
    }

    #[test]
    fn what_is_shown_can_be_given_again() {
        let settings = Settings::new(&given(&[
            ("FifoQueue", "true"),
            ("ContentBasedDeduplication", "true"),
            ("DelaySeconds", "7"),
        ]));
        let settings = settings.unwrap();
        assert_eq!(settings.changed(&settings.shown()).unwrap(), settings);
        assert!(settings.shown().keys().all(|name| ATTRIBUTE_NAMES.contains(&name.as_str())));
    }
}
