//! Notifications: who is told of what happens to the objects of a bucket.
//!
//! ```text
//!  a change of an object's record ──▶ event ──▶ those whose events and filter fit ──▶ postings
//!                                                                                      │
//!                              in the transaction of the change: a row of the outbox ◀─┘
//! ```
//!
//! # Promises
//!
//! 1. A configuration that [`NotificationConfiguration::check`] lets pass tells at most one function,
//!    queue or topic of each event, and the event bus if that is wanted.
//! 2. A change of which nobody is to be told costs no row.
//!
//! # Deliberately absent
//!
//! Whether a destination exists and permits it: that is asked by whoever sets the configuration.

mod event;
mod kinds;
mod outbox;
mod rules;

use serde::{Deserialize, Serialize};

pub(super) use event::{Happened, Posting, Sequencers};
pub use event::{Occasion, SUBJECT, host_id, test_event};
pub use kinds::{EventKind, EventPattern};
pub(super) use outbox::{Notes, Outbox, Row};
pub use rules::NotificationFault;

/// Who is told of what happens in a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationConfiguration {
    /// Functions, queues and topics, in the order in which they were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<Notification>,
    /// Whether the default event bus is told of everything.
    #[serde(default)]
    pub to_event_bus: bool,
}

/// One who is told, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it is called.
    pub id: String,
    /// Who is told.
    pub destination: Destination,
    /// Of which events.
    pub events: Vec<EventPattern>,
    /// Of which keys.
    #[serde(default)]
    pub filter: KeyFilter,
}

/// Who is told, by ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Destination {
    /// A function, with a qualifier or without.
    Function(String),
    /// A queue.
    Queue(String),
    /// A topic.
    Topic(String),
}

/// Which keys are meant: those that begin and end with this. Both are compared with the key as it is
/// written in records, that is, with its odd characters as `+` and `%XX`; one that has odd characters
/// itself, with the bare key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFilter {
    /// How a key begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

impl Destination {
    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        let (Self::Function(arn) | Self::Queue(arn) | Self::Topic(arn)) = self;
        arn
    }
}

impl KeyFilter {
    /// Whether a key is meant, given as it is and as it is written in records.
    fn fits(&self, key: &str, written: &str) -> bool {
        let subject = |text: &str| if event::is_written(text) { written } else { key };
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let suffix = self.suffix.as_deref().unwrap_or_default();
        subject(prefix).starts_with(prefix) && subject(suffix).ends_with(suffix)
    }
}

impl NotificationConfiguration {
    /// Whether nobody is told of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notifications.is_empty() && !self.to_event_bus
    }

    /// What is to be sent because of an event.
    pub(super) fn postings(&self, happened: &Happened<'_>) -> Vec<Posting> {
        if self.is_empty() {
            return Vec::new();
        }
        let written = event::written(happened.key);
        let is_told = |one: &&Notification| {
            one.events.iter().any(|pattern| pattern.covers(happened.kind))
                && one.filter.fits(happened.key, &written)
        };
        let told = self.notifications.iter().filter(is_told);
        let mut postings: Vec<Posting> =
            told.map(|one| event::posting(one, happened, &written)).collect();
        if self.to_event_bus {
            postings.push(event::to_event_bus(happened));
        }
        postings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_compared_with_the_key_as_it_is_written() {
        #[rustfmt::skip]
        let rows = [
            (None,                None,         "a/b.jpg",        true),
            (Some(""),            Some(""),     "a/b.jpg",        true),
            (Some("a/"),          None,         "a/b.jpg",        true),
            (Some("b/"),          None,         "a/b.jpg",        false),
            (None,                Some(".jpg"), "a/b.jpg",        true),
            (None,                Some(".JPG"), "a/b.jpg",        false),
            (Some("a/"),          Some(".png"), "a/b.jpg",        false),
            (Some("a+b/"),        None,         "a b/c",          true),
            (Some("a+b/"),        None,         "a+b/c",          false),
            (Some("a%2Bb/"),      None,         "a+b/c",          true),
            (Some("a b/"),        None,         "a b/c",          true),
            (Some("day%3D1/"),    None,         "day=1/c",        true),
            (Some("day=1/"),      None,         "day=1/c",        true),
            (Some("%C3%BC"),      None,         "ü",              true),
            (Some("ü"),           None,         "ü",              true),
            (Some("a*"),          None,         "abc",            false),
        ];
        for (prefix, suffix, key, expected) in rows {
            let filter =
                KeyFilter { prefix: prefix.map(str::to_owned), suffix: suffix.map(str::to_owned) };
            assert_eq!(filter.fits(key, &event::written(key)), expected, "{filter:?} {key}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let configuration = NotificationConfiguration {
            notifications: vec![Notification {
                id: "one".to_owned(),
                destination: Destination::Queue("arn:aws:sqs:us-east-1:000000000000:q".to_owned()),
                events: vec![EventPattern::parse("s3:ObjectCreated:*").unwrap()],
                filter: KeyFilter { prefix: Some("in/".to_owned()), suffix: None },
            }],
            to_event_bus: true,
        };
        let text = serde_json::to_string(&configuration).unwrap();
        let read: NotificationConfiguration = serde_json::from_str(&text).unwrap();
        assert_eq!(read, configuration);
        let none: NotificationConfiguration = serde_json::from_str("{}").unwrap();
        assert!(none.is_empty());
    }
}
