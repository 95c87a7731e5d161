//! What is remembered of a topic and of a subscription.

use std::collections::BTreeMap;

use hearth_types::names::AccountId;
use hearth_types::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::arn::{SubscriptionArn, TopicArn};
use super::delivery_policy::{SubscriptionDeliveryPolicy, TopicDeliveryPolicy};

/// A topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Its ARN.
    pub arn: TopicArn,
    /// When it was made.
    pub created: Timestamp,
    /// What can be set.
    pub settings: TopicSettings,
    /// Its tags, in the order in which they came.
    pub tags: Vec<(String, String)>,
    /// How many subscriptions it had that were ended.
    pub subscriptions_deleted: u64,
}

/// What can be set of a topic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TopicSettings {
    /// The name that is shown to people.
    pub display_name: String,
    /// Who may use it; AWS's default if none.
    pub policy: Option<String>,
    /// How deliveries to HTTP endpoints are retried.
    pub delivery_policy: Option<TopicDeliveryPolicy>,
    /// Which hash is signed.
    pub signature_version: Option<SignatureVersion>,
    /// Whether equal messages of a FIFO topic are the same.
    pub content_based_deduplication: bool,
    /// Within what messages of a FIFO topic are compared.
    pub throughput_scope: Option<ThroughputScope>,
    /// How large a message may be, if not as large as by default.
    pub message_bytes_max: Option<usize>,
    /// Kept: there are no keys here.
    pub kms_key: Option<String>,
    /// Kept: no traces are recorded here.
    pub tracing: Option<String>,
}

/// Which hash is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SignatureVersion {
    /// SHA-1.
    #[default]
    One,
    /// SHA-256.
    Two,
}

impl SignatureVersion {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Two => "2",
        }
    }
}

/// Within what messages of a FIFO topic are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThroughputScope {
    /// The whole topic.
    Topic,
    /// Their message group.
    MessageGroup,
}

impl ThroughputScope {
    /// AWS's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Topic => "Topic",
            Self::MessageGroup => "MessageGroup",
        }
    }
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// Its ARN.
    pub arn: SubscriptionArn,
    /// Whose it is.
    pub owner: AccountId,
    /// How it is delivered to.
    pub protocol: Protocol,
    /// Where.
    pub endpoint: String,
    /// Whether it is delivered to.
    pub state: SubscriptionState,
    /// Whether whoever confirmed it had proved who they are.
    pub confirmation: Confirmation,
    /// What can be set.
    pub settings: SubscriptionSettings,
}

/// How a subscription is delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// A queue.
    Sqs,
    /// A function.
    Lambda,
    /// An HTTP endpoint.
    Http,
    /// An HTTP endpoint, through TLS.
    Https,
}

impl Protocol {
    /// AWS's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::Lambda => "lambda",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Whether it is posted to.
    #[must_use]
    pub fn is_posted(self) -> bool {
        match self {
            Self::Http | Self::Https => true,
            Self::Sqs | Self::Lambda => false,
        }
    }
}

/// Where a subscription is in its life.
///
/// ```text
///              ConfirmSubscription
///   Pending ─────────────────────▶ Confirmed
///      │                            ▲     │ Unsubscribe, by whoever has its URL
///      │ two days       the token of│     ▼
///      └──────────▶ gone ◀──────── Deactivated
///                        two days
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubscriptionState {
    /// Its endpoint was asked and has not said yes.
    Pending(Token),
    /// It is delivered to. Whoever has the token may confirm once more.
    Confirmed(Option<String>),
    /// It was ended by its endpoint, which can still take that back.
    Deactivated(Token),
}

/// What confirms a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its text.
    pub text: String,
    /// When it was made.
    pub made: Timestamp,
}

/// Who confirmed a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmation {
    /// Nobody yet, or somebody who had nothing but the token.
    Anonymous,
    /// An account. Ending the subscription takes a signature.
    Authenticated,
}

/// What can be set of a subscription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionSettings {
    /// What arrives: a description of the message, or the message itself.
    pub delivery: DeliveryForm,
    /// Which messages are wanted.
    pub filter_policy: Option<String>,
    /// What the filter policy looks at.
    pub filter_scope: FilterScope,
    /// Where messages go that cannot be delivered.
    pub redrive: Option<Redrive>,
    /// How deliveries are retried.
    pub delivery_policy: Option<SubscriptionDeliveryPolicy>,
}

/// What arrives at a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeliveryForm {
    /// The message in a JSON object that says where it is from.
    #[default]
    Enveloped,
    /// The message itself.
    Raw,
}

/// What a filter policy looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilterScope {
    /// The attributes of a message.
    #[default]
    MessageAttributes,
    /// The message, which has to be a JSON object.
    MessageBody,
}

impl FilterScope {
    /// AWS's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessageAttributes => "MessageAttributes",
            Self::MessageBody => "MessageBody",
        }
    }
}

/// Where messages go that cannot be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// As it was given.
    pub text: String,
    /// The ARN of the queue.
    pub queue: String,
}

impl SubscriptionRecord {
    /// Whether it is delivered to.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        matches!(self.state, SubscriptionState::Confirmed(_))
    }

    /// Whether its endpoint was asked and has not said yes.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.state, SubscriptionState::Pending(_))
    }

    /// Whether it was ended by its endpoint, and could be restored.
    #[must_use]
    pub fn is_deactivated(&self) -> bool {
        matches!(self.state, SubscriptionState::Deactivated(_))
    }

    /// What confirms it, or restores it.
    pub(super) fn token(&self) -> Option<&str> {
        match &self.state {
            SubscriptionState::Pending(token) | SubscriptionState::Deactivated(token) => {
                Some(&token.text)
            }
            SubscriptionState::Confirmed(token) => token.as_deref(),
        }
    }

    /// What it is kept under, among those of all topics of its scope.
    pub(super) fn key(&self) -> String {
        format!("{}:{}", self.arn.topic.name, self.arn.id)
    }
}

/// Attributes by name, as AWS shows them.
pub type Attributes = BTreeMap<String, String>;
