//! The targets of a rule: where events go, in what form, and how long it is tried.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::error::BusError;
use super::json::Path;
use super::names::{BusArn, wrong_arn};
use super::template;
use crate::delivery::Patience;
use crate::limits;

/// A target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What it is called among the targets of its rule.
    pub id: String,
    /// Where events go.
    pub arn: String,
    /// A role, which is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What is sent instead of the event.
    #[serde(default)]
    pub input: Input,
    /// `SqsParameters.MessageGroupId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How often it is tried again, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How old an event may get, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u32>,
    /// The queue for events that were given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<String>,
}

/// What a target is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The event.
    #[default]
    Event,
    /// Always the same JSON text.
    Constant(String),
    /// A part of the event.
    Path(String),
    /// A text with parts of the event in it.
    Transformer {
        /// Names for parts of the event.
        paths: BTreeMap<String, String>,
        /// The text, with such names in angle brackets.
        template: String,
    },
}

/// Kinds of targets that are delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Function,
    Queue,
    Topic,
    Bus,
    LogGroup,
}

/// Services that AWS has as targets and Hearth does not yet.
#[rustfmt::skip]
const NOT_BUILT: &[&str] = &[
    "states", "kinesis", "firehose", "ecs", "batch", "codebuild", "codepipeline", "ssm",
    "ssm-incidents", "redshift", "redshift-serverless", "sagemaker", "execute-api", "appsync",
    "inspector", "ec2", "automation",
];

impl Kind {
    /// What an ARN is of.
    pub(super) fn of(arn: &str) -> Result<Self, BusError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, service, _region, _account, resource] = parts.as_slice() else {
            return Err(wrong_arn(arn));
        };
        if !partition.starts_with("aws") || service.is_empty() || resource.is_empty() {
            return Err(wrong_arn(arn));
        }
        match *service {
            "lambda" if resource.starts_with("function:") => Ok(Self::Function),
            "sqs" => Ok(Self::Queue),
            "sns" => Ok(Self::Topic),
            "events" if BusArn::parse(arn).is_some() => Ok(Self::Bus),
            "events" if resource.starts_with("api-destination/") => {
                Err(BusError::NotBuilt("EventBridge PutTargets to API destinations".to_owned()))
            }
            "logs" if resource.starts_with("log-group:") => Ok(Self::LogGroup),
            "lambda" | "events" | "logs" => Err(wrong_arn(arn)),
            service if NOT_BUILT.contains(&service) => {
                Err(BusError::NotBuilt(format!("EventBridge PutTargets to {service}")))
            }
            service => Err(BusError::Invalid(format!(
                "{service} is not a supported service for a target."
            ))),
        }
    }
}

impl Target {
    /// Refuses what cannot be delivered.
    pub(super) fn check(&self) -> Result<(), BusError> {
        let kind = Kind::of(&self.arn)?;
        let id = &self.id;
        if kind == Kind::Queue && self.arn.ends_with(".fifo") && self.group.is_none() {
            return Err(BusError::Invalid(format!(
                "Parameter(s) SqsParameters must be specified for target: {id}."
            )));
        }
        if kind == Kind::Bus && self.input != Input::Event {
            return Err(BusError::Invalid(format!(
                "Input, InputPath and InputTransformer are not supported for an event bus: {id}."
            )));
        }
        self.check_dead_letter()?;
        self.check_input()
    }

    /// How long it is tried.
    pub(super) fn patience(&self) -> Patience {
        let age_seconds = self.age_seconds.unwrap_or(limits::EVENT_AGE_SECONDS_DEFAULT);
        Patience {
            http: None,
            retries_max: self.retries.unwrap_or(limits::EVENT_RETRIES_DEFAULT),
            age_ms_max: u64::from(age_seconds) * 1_000,
        }
    }

    fn check_dead_letter(&self) -> Result<(), BusError> {
        let Some(arn) = &self.dead_letter else { return Ok(()) };
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", _partition, service, _region, _account, name, ..] = parts.as_slice() else {
            return Err(wrong_arn(arn));
        };
        if *service != "sqs" {
            let message = format!("{service} is not supported as a dead letter resource.");
            return Err(BusError::Invalid(message));
        }
        if name.ends_with(".fifo") {
            let message = "SQS FIFO is not supported by Dead Letter Queues.";
            return Err(BusError::Invalid(message.to_owned()));
        }
        Ok(())
    }

    fn check_input(&self) -> Result<(), BusError> {
        let id = &self.id;
        let wrong_path = || BusError::Invalid(format!("InputPath for target {id} is invalid."));
        match &self.input {
            Input::Event => Ok(()),
            Input::Constant(text) => {
                if serde_json::from_str::<IgnoredAny>(text).is_ok() {
                    return Ok(());
                }
                let message = format!("JSON syntax error in input for target {id}.");
                Err(BusError::Invalid(message))
            }
            Input::Path(path) => Path::parse(path).map(|_path| ()).ok_or_else(wrong_path),
            Input::Transformer { paths, template } => {
                if paths.values().any(|path| Path::parse(path).is_none()) {
                    return Err(wrong_path());
                }
                template::check(template, paths).map_err(|why| {
                    BusError::Invalid(format!("InputTemplate for target {id} contains {why}."))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";

    fn target(arn: &str, input: Input) -> Target {
        Target { id: "t".to_owned(), arn: arn.to_owned(), input, ..Target::default() }
    }

    fn refusal(target: &Target) -> String {
        target.check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn only_what_is_delivered_to_can_be_a_target() {
        let start = "arn:aws:";
        #[rustfmt::skip]
        let rows = [
            ("lambda:us-east-1:000000000000:function:f",        ""),
            ("lambda:us-east-1:000000000000:function:f:live",   ""),
            ("sqs:us-east-1:000000000000:q",                    ""),
            ("sns:us-east-1:000000000000:t",                    ""),
            ("events:us-east-1:000000000000:event-bus/b",       ""),
            ("logs:us-east-1:000000000000:log-group:/aws/events/g", ""),
            ("sqs:us-east-1:000000000000:q.fifo",               "Parameter(s) SqsParameters must be specified for target: t."),
            ("states:us-east-1:000000000000:stateMachine:s",    "EventBridge PutTargets to states is not built yet"),
            ("events:us-east-1:000000000000:api-destination/d", "EventBridge PutTargets to API destinations is not built yet"),
            ("s3:us-east-1:000000000000:b",                     "s3 is not a supported service for a target."),
            ("lambda:us-east-1:000000000000:layer:l",           "Parameter arn:aws:lambda:us-east-1:000000000000:layer:l is not valid. Reason: Provided Arn is not in correct format."),
            ("lambda",                                          "Parameter arn:aws:lambda is not valid. Reason: Provided Arn is not in correct format."),
        ];
        for (arn, expected) in rows {
            let target = target(&format!("{start}{arn}"), Input::Event);
            assert_eq!(refusal(&target), expected, "{arn}");
        }
    }

    #[test]
    fn an_input_has_to_make_sense() {
        let transformer = |path: &str, template: &str| Input::Transformer {
            paths: BTreeMap::from([("k".to_owned(), path.to_owned())]),
            template: template.to_owned(),
        };
        #[rustfmt::skip]
        let rows = [
            (Input::Constant("\"hello\"".to_owned()),              ""),
            (Input::Constant("hello".to_owned()),                  "JSON syntax error in input for target t."),
            (Input::Path("$.detail.a[0]".to_owned()),              ""),
            (Input::Path("$.detail['a']".to_owned()),              "InputPath for target t is invalid."),
            (transformer("$.x", "{\"a\": <k>}"),                   ""),
            (transformer("x", "{\"a\": <k>}"),                     "InputPath for target t is invalid."),
            (transformer("$.x", "{\"a\": <notdefinedkey>}"),       "InputTemplate for target t contains invalid placeholder notdefinedkey."),
            (transformer("$.x", "{\"e\": <aws.events.event.json>}"), ""),
            (transformer("$.x", "[<aws.events.event.json>]"),      "InputTemplate for target t contains placeholder aws.events.event.json valid only for JSON template."),
        ];
        for (input, expected) in rows {
            assert_eq!(refusal(&target(QUEUE, input.clone())), expected, "{input:?}");
        }
        let bus = "arn:aws:events:us-east-1:000000000000:event-bus/b";
        let refused = refusal(&target(bus, Input::Path("$.detail".to_owned())));
        assert!(refused.contains("not supported for an event bus"), "{refused}");
    }

    #[test]
    fn a_dead_letter_queue_is_a_standard_queue() {
        #[rustfmt::skip]
        let rows = [
            (QUEUE,                                             ""),
            ("arn:aws:sqs:us-east-1:000000000000:q.fifo",       "SQS FIFO is not supported by Dead Letter Queues."),
            ("arn:aws:sns:us-east-1:000000000000:t",            "sns is not supported as a dead letter resource."),
        ];
        for (arn, expected) in rows {
            let target =
                Target { dead_letter: Some(arn.to_owned()), ..target(QUEUE, Input::Event) };
            assert_eq!(refusal(&target), expected, "{arn}");
        }
    }

    #[test]
    fn patience_is_what_was_said_or_awss_own() {
        let plain = target(QUEUE, Input::Event);
        let day = Patience { retries_max: 185, age_ms_max: 86_400_000, http: None };
        assert_eq!(plain.patience(), day);
        let short = Target { retries: Some(0), age_seconds: Some(60), ..plain };
        assert_eq!(short.patience(), Patience { retries_max: 0, age_ms_max: 60_000, http: None });
    }
}
