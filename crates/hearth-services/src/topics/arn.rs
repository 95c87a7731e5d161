//! ARNs of topics, of subscriptions and of what is subscribed.

use std::fmt;

use hearth_types::names::{AccountId, Region, Scope};
use serde::{Deserialize, Serialize};

use super::error::TopicError;
use crate::limits::TOPIC_NAME_CHARACTERS_MAX;

/// What the name of a FIFO topic or queue ends in.
pub(super) const FIFO_SUFFIX: &str = ".fifo";
/// AWS: the name of a queue, which is made of the same characters as that of a topic.
const QUEUE_NAME_CHARACTERS_MAX: usize = 80;

/// A topic: its account, its region and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicArn {
    /// Account and region.
    pub scope: Scope,
    /// The name; that of a FIFO topic ends in `.fifo`.
    pub name: String,
}

/// A subscription: its topic and its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SubscriptionArn {
    /// The topic.
    pub topic: TopicArn,
    /// The id, which no other subscription has.
    pub id: String,
}

impl TopicArn {
    /// Reads the ARN of a topic.
    ///
    /// # Errors
    ///
    /// If the text is none; `parameter` names it.
    pub fn parse(parameter: &str, text: &str) -> Result<Self, TopicError> {
        let parts = elements(parameter, text)?;
        let found = topic_of(&parts).filter(|_| parts.len() == 6);
        found.ok_or_else(|| TopicError::parameter(parameter))
    }

    /// Whether it is a FIFO topic.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO_SUFFIX)
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(formatter, "arn:aws:sns:{region}:{account}:{}", self.name)
    }
}

impl SubscriptionArn {
    /// Reads the ARN of a subscription.
    ///
    /// # Errors
    ///
    /// If the text is none.
    pub fn parse(text: &str) -> Result<Self, TopicError> {
        if text.is_empty() {
            let why = "SubscriptionArn Reason: no value for required parameter";
            return Err(TopicError::parameter(why));
        }
        let parts = elements("SubscriptionArn", text)?;
        let topic = topic_of(&parts).ok_or_else(|| TopicError::parameter("SubscriptionArn"))?;
        match parts.as_slice() {
            [_, _, _, _, _, _, id] if uuid::Uuid::try_parse(id).is_ok() => {
                Ok(Self { topic, id: (*id).to_owned() })
            }
            _other => Err(TopicError::parameter("SubscriptionId")),
        }
    }
}

impl fmt::Display for SubscriptionArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.topic, self.id)
    }
}

/// Whether a text can be the name of a topic, without what it ends in.
pub(super) fn is_topic_name(name: &str) -> bool {
    let plain = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
    !plain.is_empty()
        && name.len() <= TOPIC_NAME_CHARACTERS_MAX
        && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The account and the name of a queue, from its ARN.
pub(super) fn queue(text: &str) -> Option<(AccountId, &str)> {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", partition, "sqs", region, account, name]
            if partition.starts_with("aws") && Region::parse(region).is_ok() =>
        {
            let is_name = name.len() <= QUEUE_NAME_CHARACTERS_MAX && is_topic_name(name);
            let account = AccountId::parse(account).ok().filter(|_| is_name)?;
            Some((account, *name))
        }
        _other => None,
    }
}

/// The account of a function, from its whole ARN.
pub(super) fn function(text: &str) -> Option<AccountId> {
    let read = hearth_types::names::FunctionReference::parse(text).ok()?;
    let is_whole = text.starts_with("arn:") && read.region.is_some();
    read.account.filter(|_| is_whole)
}

fn elements<'a>(parameter: &str, text: &'a str) -> Result<Vec<&'a str>, TopicError> {
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() < 6 {
        return Err(TopicError::parameter(format!(
            "{parameter} Reason: An ARN must have at least 6 elements, not {}",
            parts.len()
        )));
    }
    Ok(parts)
}

fn topic_of(parts: &[&str]) -> Option<TopicArn> {
    match parts {
        ["arn", partition, "sns", region, account, name, ..] if partition.starts_with("aws") => {
            let region = Region::parse(region).ok()?;
            let account = AccountId::parse(account).ok()?;
            let scope = Scope { account, region };
            is_topic_name(name).then(|| TopicArn { scope, name: (*name).to_owned() })
        }
        _other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<T: fmt::Debug>(result: Result<T, TopicError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn an_arn_reads_back_as_itself() {
        let text = "arn:aws:sns:eu-west-1:123456789012:orders.fifo";
        let topic = TopicArn::parse("TopicArn", text).unwrap();
        assert!(topic.is_fifo());
        assert_eq!(topic.to_string(), text);
        let text = format!("{text}:771920b9-536f-4e68-94a9-da9503001cf6");
        assert_eq!(SubscriptionArn::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_arn_is_refused_as_aws_words_it() {
        #[rustfmt::skip]
        let rows = [
            ("topic",                                        "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"),
            ("",                                             "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 1"),
            ("arn:aws:sns:us-east-1:000000000000",           "Invalid parameter: TopicArn Reason: An ARN must have at least 6 elements, not 5"),
            ("arn:aws:sqs:us-east-1:000000000000:t",         "Invalid parameter: TopicArn"),
            ("arn:aws:sns:us-east-1:1:t",                    "Invalid parameter: TopicArn"),
            ("arn:aws:sns:us-east-1:000000000000:a b",       "Invalid parameter: TopicArn"),
            ("arn:aws:sns:us-east-1:000000000000:t:more",    "Invalid parameter: TopicArn"),
        ];
        for (text, expected) in rows {
            assert_eq!(told(TopicArn::parse("TopicArn", text)), expected, "{text}");
        }
        #[rustfmt::skip]
        let rows = [
            ("",                                          "Invalid parameter: SubscriptionArn Reason: no value for required parameter"),
            ("x",                                         "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements, not 1"),
            ("arn:aws:sns:us-east-1:000000000000:t",      "Invalid parameter: SubscriptionId"),
            ("arn:aws:sns:us-east-1:000000000000:t:x",    "Invalid parameter: SubscriptionId"),
        ];
        for (text, expected) in rows {
            assert_eq!(told(SubscriptionArn::parse(text)), expected, "{text}");
        }
    }

    #[test]
    fn endpoints_are_whole_arns() {
        let account = AccountId::parse("000000000000").unwrap();
        assert_eq!(
            queue("arn:aws:sqs:us-east-1:000000000000:q.fifo"),
            Some((account.clone(), "q.fifo"))
        );
        assert_eq!(queue("http://127.0.0.1:4566/000000000000/q"), None);
        assert_eq!(queue("arn:aws:sqs:us-east-1:000000000000:"), None);
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:f:live";
        assert_eq!(function(arn), Some(account));
        assert_eq!(function("f"), None);
    }
}
