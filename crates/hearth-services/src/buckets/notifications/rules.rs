//! Which configurations can be: S3's rules, without a look at who is told.

use std::collections::HashSet;

use hearth_types::names::Scope;

use super::{Destination, KeyFilter, Notification, NotificationConfiguration};
use crate::limits::{
    BUCKET_NOTIFICATIONS_MAX, NOTIFICATION_FILTER_BYTES_MAX, NOTIFICATION_ID_CHARACTERS_MAX,
};

/// Why a configuration cannot be, in S3's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotificationFault {
    /// What is said.
    pub message: String,
    /// What it is about: its name, and what it was.
    pub argument: Option<(String, String)>,
}

impl NotificationFault {
    /// A fault with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), argument: None }
    }

    /// The same, and what it is about.
    #[must_use]
    pub fn about(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.argument = Some((name.into(), value.into()));
        self
    }

    /// A destination that cannot be used, and why.
    #[must_use]
    pub fn of_destination(arn: &str, why: &str) -> Self {
        Self::new("Unable to validate the following destination configurations").about(arn, why)
    }
}

const AMBIGUOUS: &str = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.";
const ELSEWHERE: &str =
    "The notification destination service region is not valid for the bucket location constraint";

impl NotificationConfiguration {
    /// Whether it can be that of a bucket that is whose and where this says.
    ///
    /// # Errors
    ///
    /// If there are too many notifications, two of them have one name or are told of the same thing,
    /// or one of them is not as it should be.
    pub fn check(&self, scope: &Scope) -> Result<(), NotificationFault> {
        if self.notifications.len() > BUCKET_NOTIFICATIONS_MAX {
            let message = format!(
                "A bucket can have at most {BUCKET_NOTIFICATIONS_MAX} notification configurations."
            );
            return Err(NotificationFault::new(message));
        }
        let mut ids = HashSet::new();
        for notification in &self.notifications {
            notification.check(scope)?;
            if !ids.insert(notification.id.as_str()) {
                let message =
                    "Same ID used for multiple configurations. IDs must be unique.".to_owned();
                return Err(NotificationFault::new(message).about("Id", &notification.id));
            }
        }
        let mut before: Vec<&Notification> = Vec::new();
        for notification in &self.notifications {
            if before.iter().any(|other| notification.is_told_of_the_same(other)) {
                return Err(NotificationFault::new(AMBIGUOUS));
            }
            before.push(notification);
        }
        Ok(())
    }
}

impl Notification {
    fn check(&self, scope: &Scope) -> Result<(), NotificationFault> {
        if self.id.is_empty() || self.id.chars().count() > NOTIFICATION_ID_CHARACTERS_MAX {
            let message = format!(
                "The ID of a notification configuration has 1 to {NOTIFICATION_ID_CHARACTERS_MAX} characters."
            );
            return Err(NotificationFault::new(message).about("Id", &self.id));
        }
        if self.events.is_empty() {
            let message = "A notification configuration must name at least one event.";
            return Err(NotificationFault::new(message).about("Id", &self.id));
        }
        for value in [&self.filter.prefix, &self.filter.suffix].into_iter().flatten() {
            if value.len() > NOTIFICATION_FILTER_BYTES_MAX {
                let message = format!(
                    "Size of filter rule value cannot exceed {NOTIFICATION_FILTER_BYTES_MAX} bytes in UTF-8 representation"
                );
                return Err(NotificationFault::new(message).about("FilterRule.Value", value));
            }
        }
        self.destination.check(scope)
    }

    fn is_told_of_the_same(&self, other: &Self) -> bool {
        let shares =
            self.events.iter().any(|one| other.events.iter().any(|two| one.overlaps(*two)));
        shares && self.filter.overlaps(&other.filter)
    }
}

impl Destination {
    /// The form of the ARN, and its region. There need not be anything with it.
    fn check(&self, scope: &Scope) -> Result<(), NotificationFault> {
        let (service, name) = match self {
            Self::Function(_) => ("lambda", "CloudFunction"),
            Self::Queue(_) => ("sqs", "Queue"),
            Self::Topic(_) => ("sns", "Topic"),
        };
        let arn = self.arn();
        let malformed = || NotificationFault::new("The ARN is not well formed").about(name, arn);
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [start, partition, of, region, account, resource] = parts.as_slice() else {
            return Err(malformed());
        };
        let is_one = *start == "arn"
            && partition.starts_with("aws")
            && *of == service
            && !account.is_empty()
            && !resource.is_empty()
            && !arn.contains(char::is_whitespace);
        if !is_one {
            return Err(malformed());
        }
        if *region != scope.region.as_str() {
            return Err(NotificationFault::new(ELSEWHERE).about(name, arn));
        }
        // AWS: neither FIFO queues nor FIFO topics.
        if !matches!(self, Self::Function(_)) && arn.ends_with(".fifo") {
            return Err(NotificationFault::of_destination(
                arn,
                "FIFO queues and topics are not supported as destinations",
            ));
        }
        Ok(())
    }
}

impl KeyFilter {
    /// Whether there could be a key that both mean.
    fn overlaps(&self, other: &Self) -> bool {
        fn text(part: &Option<String>) -> &str {
            part.as_deref().unwrap_or_default()
        }
        let (one, two) = (text(&self.prefix), text(&other.prefix));
        let prefixes = one.starts_with(two) || two.starts_with(one);
        let (one, two) = (text(&self.suffix), text(&other.suffix));
        prefixes && (one.ends_with(two) || two.ends_with(one))
    }
}

#[cfg(test)]
mod tests {
    use hearth_types::names::{AccountId, Region};

    use super::super::EventPattern;
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn scope() -> Scope {
        Scope {
            account: AccountId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        }
    }

    fn told(id: &str, event: &str, prefix: &str, suffix: &str) -> Notification {
        let part = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Notification {
            id: id.to_owned(),
            destination: Destination::Function(FUNCTION.to_owned()),
            events: vec![EventPattern::parse(event).unwrap()],
            filter: KeyFilter { prefix: part(prefix), suffix: part(suffix) },
        }
    }

    fn fault(notifications: Vec<Notification>) -> Option<String> {
        let configuration = NotificationConfiguration { notifications, to_event_bus: false };
        configuration.check(&scope()).err().map(|fault| fault.message)
    }

    /// AWS's own examples are among them.
    #[test]
    fn two_may_not_be_told_of_the_same() {
        const ALL: &str = "s3:ObjectCreated:*";
        #[rustfmt::skip]
        let rows = [
            ("other prefixes",           (ALL, "images", ""),       (ALL, "logs", ""),                         true),
            ("other suffixes",           (ALL, "", ".jpg"),         (ALL, "", ".png"),                         true),
            ("one prefix, two suffixes", (ALL, "images", ".jpg"),   (ALL, "images", ".png"),                   true),
            ("two prefixes, one suffix", (ALL, "a", ".jpg"),        (ALL, "b", ".jpg"),                        true),
            ("other events",             (ALL, "images", ""),       ("s3:ObjectRemoved:*", "images", ""),      true),
            ("nothing said",             (ALL, "", ""),             (ALL, "", ""),                             false),
            ("a prefix of all",          (ALL, "", ""),             (ALL, "images", ""),                       false),
            ("a prefix of the other",    (ALL, "image", ""),        (ALL, "images", ""),                       false),
            ("a suffix of the other",    (ALL, "", "jpg"),          (ALL, "", "pg"),                           false),
            ("prefix against suffix",    (ALL, "images", ""),       (ALL, "", ".jpg"),                         false),
            ("one of a group",           (ALL, "", ""),             ("s3:ObjectCreated:Put", "", ""),          false),
            ("two of a group",           ("s3:ObjectCreated:Put", "", ""), ("s3:ObjectCreated:Copy", "", ""), true),
        ];
        for (name, one, two, can_be) in rows {
            let pair = vec![told("1", one.0, one.1, one.2), told("2", two.0, two.1, two.2)];
            let expected = (!can_be).then(|| AMBIGUOUS.to_owned());
            assert_eq!(fault(pair.clone()), expected, "{name}");
            assert_eq!(fault(pair.into_iter().rev().collect()), expected, "{name}, turned round");
        }
    }

    #[test]
    fn each_part_has_its_rule() {
        let plain = || told("1", "s3:ObjectCreated:*", "", "");
        let to = |destination| Notification { destination, ..plain() };
        let function = |arn: &str| to(Destination::Function(arn.to_owned()));
        let other = told("1", "s3:ObjectRemoved:*", "", "");
        let queue = "arn:aws:sqs:us-east-1:000000000000:q";
        let malformed = "The ARN is not well formed";
        #[rustfmt::skip]
        let rows = [
            (vec![],                                                                 ""),
            (vec![plain()],                                                          ""),
            (vec![function(&format!("{FUNCTION}:live"))],                            ""),
            (vec![to(Destination::Queue(queue.to_owned()))],                         ""),
            (vec![plain(), other],                                                   "Same ID used"),
            (vec![Notification { id: "x".repeat(256), ..plain() }],                  "The ID of a notification"),
            (vec![Notification { events: vec![], ..plain() }],                       "A notification configuration must name"),
            (vec![told("1", "s3:ObjectCreated:*", &"x".repeat(1_025), "")],          "Size of filter rule value"),
            (vec![function("f")],                                                    malformed),
            (vec![function(queue)],                                                  malformed),
            (vec![function(&format!("{FUNCTION} x"))],                               malformed),
            (vec![function(&FUNCTION.replace("us-east-1", "eu-west-1"))],            ELSEWHERE),
            (vec![to(Destination::Queue(format!("{queue}.fifo")))],                  "Unable to validate"),
        ];
        for (notifications, expected) in rows {
            let found = fault(notifications.clone()).unwrap_or_default();
            let as_expected =
                found.starts_with(expected) && found.is_empty() == expected.is_empty();
            assert!(as_expected, "{notifications:?}: {found}");
        }
        let many = (0..=BUCKET_NOTIFICATIONS_MAX).map(|number| {
            told(&number.to_string(), "s3:ObjectCreated:*", &format!("{number:03}"), "")
        });
        assert!(fault(many.clone().collect()).unwrap().starts_with("A bucket can have at most"));
        assert_eq!(fault(many.skip(1).collect()), None);
    }
}
