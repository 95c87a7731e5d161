//! The notifications of a bucket: reading and writing their document, and asking those who are to be
//! told whether they are there and permit it.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_invoke::asynchronous::named;
use hearth_services::buckets::{
    BucketRecord, Destination, EventPattern, KeyFilter, Notification, NotificationConfiguration,
    NotificationFault, SUBJECT, test_event,
};
use hearth_services::delivery::{QueueMessage, TopicMessage};
use hearth_services::grants::Wish;
use hearth_services::queues::QueueName;
use hearth_services::targets::{NotTaken, Sent};
use hearth_services::topics::{Asker, TopicArn};
use hearth_types::ids::RequestId;
use hearth_types::time::{Clock as _, SystemClock};
use hearth_wire::xml::Element;
use hyper::StatusCode;

use super::Call;
use super::answer::{self, Answer};
use super::body::Arriving;
use super::document::Node;
use super::error::S3Error;
use crate::front::Front;

/// How S3 is called in the policies of others.
const PRINCIPAL: &str = "s3.amazonaws.com";

/// The three kinds of notifications: their elements, and those with their destinations.
const KINDS: [(&str, &str, fn(String) -> Destination); 3] = [
    ("TopicConfiguration", "Topic", Destination::Topic),
    ("QueueConfiguration", "Queue", Destination::Queue),
    ("CloudFunctionConfiguration", "CloudFunction", Destination::Function),
];

pub(super) fn get(call: &Call) -> Result<Answer, S3Error> {
    let configuration = call.buckets.notifications(call.bucket())?;
    Ok(answer::xml(&document(&configuration)))
}

pub(super) async fn put(
    front: &Front,
    call: &Call,
    body: &mut Arriving,
) -> Result<Answer, S3Error> {
    let bucket = call.buckets.bucket(call.bucket())?;
    let document = body.document(call).await?;
    let configuration = read(&Node::read(&document.bytes, "NotificationConfiguration")?)?;
    configuration.check(&bucket.scope)?;
    let skips = call.header("x-amz-skip-destination-validation");
    if !skips.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        let asking = Asking { front, bucket: &bucket };
        for notification in &configuration.notifications {
            asking.check(&notification.destination)?;
        }
        asking.test(&configuration, &call.occasion.request).await?;
    }
    call.buckets.set_notifications(call.bucket(), configuration).await?;
    Ok(answer::empty(StatusCode::OK))
}

fn read(root: &Node) -> Result<NotificationConfiguration, S3Error> {
    let mut configuration = NotificationConfiguration::default();
    for child in &root.children {
        if child.name == "EventBridgeConfiguration" {
            configuration.to_event_bus = true;
            continue;
        }
        let kind = KINDS.iter().find(|(name, _, _)| *name == child.name);
        let (_, place, destination) = kind.ok_or_else(S3Error::malformed_xml)?;
        let arn = child.text(place).ok_or_else(S3Error::malformed_xml)?.trim().to_owned();
        let id = child.text("Id").filter(|id| !id.is_empty());
        let events = child.all("Event").map(event).collect::<Result<Vec<_>, S3Error>>()?;
        configuration.notifications.push(Notification {
            id: id.map_or_else(new_id, str::to_owned),
            destination: destination(arn),
            events,
            filter: filter(child)?,
        });
    }
    Ok(configuration)
}

/// S3 gives a name to what has none: letters and digits that stand for a random id.
fn new_id() -> String {
    STANDARD.encode(RequestId::random().to_string())
}

fn event(node: &Node) -> Result<EventPattern, S3Error> {
    let text = node.own_text().trim();
    EventPattern::parse(text).ok_or_else(|| {
        let message = format!("The event '{text}' is not supported for notifications");
        NotificationFault::new(message).about("Event", text).into()
    })
}

fn filter(node: &Node) -> Result<KeyFilter, S3Error> {
    let mut filter = KeyFilter::default();
    let keys = node.all("Filter").flat_map(|filter| filter.all("S3Key"));
    for rule in keys.flat_map(|key| key.all("FilterRule")) {
        let name = rule.text("Name").unwrap_or_default().trim();
        let value = rule.text("Value").unwrap_or_default();
        let (part, word) = if name.eq_ignore_ascii_case("prefix") {
            (&mut filter.prefix, "prefix")
        } else if name.eq_ignore_ascii_case("suffix") {
            (&mut filter.suffix, "suffix")
        } else {
            let message = "filter rule name must be either prefix or suffix";
            return Err(NotificationFault::new(message).about("FilterRule.Name", name).into());
        };
        if part.is_some() {
            let message = format!("Cannot specify more than one {word} rule in a filter.");
            return Err(NotificationFault::new(message).about("FilterRule.Name", name).into());
        }
        *part = Some(value.to_owned());
    }
    Ok(filter)
}

fn document(configuration: &NotificationConfiguration) -> Element {
    let notifications = configuration.notifications.iter().map(|one| {
        let (name, place) = match &one.destination {
            Destination::Topic(_) => ("TopicConfiguration", "Topic"),
            Destination::Queue(_) => ("QueueConfiguration", "Queue"),
            Destination::Function(_) => ("CloudFunctionConfiguration", "CloudFunction"),
        };
        // AWS writes the names of rules in this way, however they came.
        let rules = [("Prefix", &one.filter.prefix), ("Suffix", &one.filter.suffix)];
        let rules = rules.into_iter().filter_map(|(name, value)| {
            let rule = Element::new("FilterRule").child(Element::text("Name", name));
            value.as_ref().map(|value| rule.child(Element::text("Value", value)))
        });
        let rules: Vec<Element> = rules.collect();
        let filter = (!rules.is_empty())
            .then(|| Element::new("Filter").child(Element::new("S3Key").children(rules)));
        Element::new(name)
            .child(Element::text("Id", &one.id))
            .child(Element::text(place, one.destination.arn()))
            .children(one.events.iter().map(|event| Element::text("Event", event.as_str())))
            .children(filter)
    });
    let bus = configuration.to_event_bus.then(|| Element::new("EventBridgeConfiguration"));
    answer::root("NotificationConfiguration").children(notifications).children(bus)
}

/// Who asks whether a bucket may tell others.
struct Asking<'a> {
    front: &'a Front,
    bucket: &'a BucketRecord,
}

impl Asking<'_> {
    /// Whether a destination is there and permits it. Those of other services are only asked by the
    /// test event.
    fn check(&self, destination: &Destination) -> Result<(), NotificationFault> {
        match destination {
            Destination::Function(arn) => self.check_function(arn),
            Destination::Queue(_) if self.front.elsewhere.sqs.is_some() => Ok(()),
            Destination::Queue(arn) => self.check_queue(arn),
            Destination::Topic(_) if self.front.elsewhere.sns.is_some() => Ok(()),
            Destination::Topic(arn) => self.check_topic(arn),
        }
    }

    fn check_function(&self, arn: &str) -> Result<(), NotificationFault> {
        let missing =
            || NotificationFault::of_destination(arn, "The destination Lambda does not exist");
        let (function, qualifier) = named(arn).ok_or_else(missing)?;
        let found = self.front.control.get(&function, qualifier.as_ref());
        let record = found.map_err(|_missing| missing())?.function;
        let policy = record.policy(qualifier.as_ref()).map(|policy| policy.text());
        if policy.is_some_and(|policy| self.is_granted("lambda:InvokeFunction", arn, &policy)) {
            return Ok(());
        }
        let why = format!("Not authorized to invoke function [{arn}]");
        Err(NotificationFault::of_destination(arn, &why))
    }

    fn check_queue(&self, arn: &str) -> Result<(), NotificationFault> {
        let queue = QueueName::of_arn(arn).and_then(|name| self.front.queues.queue(&name).ok());
        let queue = queue.ok_or_else(|| {
            NotificationFault::of_destination(arn, "The destination queue does not exist")
        })?;
        let policy = queue.settings.policy.as_deref().unwrap_or_default();
        if self.is_granted("sqs:SendMessage", arn, policy) {
            return Ok(());
        }
        let why = "Permissions on the destination queue do not allow S3 to publish notifications from this bucket";
        Err(NotificationFault::of_destination(arn, why))
    }

    fn check_topic(&self, arn: &str) -> Result<(), NotificationFault> {
        let missing =
            || NotificationFault::of_destination(arn, "The destination topic does not exist");
        let topic = TopicArn::parse("TopicArn", arn).map_err(|_odd| missing())?;
        let owner = Asker { scope: &topic.scope, trace: None };
        let attributes = self.front.topics.attributes(&owner, &topic);
        let attributes = attributes.map_err(|_missing| missing())?;
        let policy = attributes.get("Policy").map(String::as_str).unwrap_or_default();
        if self.is_granted("sns:Publish", arn, policy) {
            return Ok(());
        }
        let why = "Permissions on the destination topic do not allow S3 to publish notifications from this bucket";
        Err(NotificationFault::of_destination(arn, why))
    }

    fn is_granted(&self, action: &str, resource: &str, policy: &str) -> bool {
        let source_arn = format!("arn:aws:s3:::{}", self.bucket.name);
        let wish = Wish {
            service: PRINCIPAL,
            action,
            resource,
            source_arn: &source_arn,
            source_account: self.bucket.scope.account.as_str(),
        };
        wish.is_granted(policy)
    }

    /// Sends the test event to every queue and topic, once.
    async fn test(
        &self,
        configuration: &NotificationConfiguration,
        request: &str,
    ) -> Result<(), NotificationFault> {
        let body = Bytes::from(test_event(&self.bucket.name, request, SystemClock.now()));
        let mut tested = BTreeSet::new();
        for notification in &configuration.notifications {
            let arn = notification.destination.arn();
            if !tested.insert(arn) {
                continue;
            }
            let sent = Sent { arn, body: &body, trace: None };
            let taken = match &notification.destination {
                Destination::Function(_) => Ok(()),
                Destination::Queue(_) => {
                    self.front.targets.queues.send(sent, &QueueMessage::default()).await
                }
                Destination::Topic(_) => {
                    let subject = Some(SUBJECT.to_owned());
                    let message = TopicMessage { subject, ..TopicMessage::default() };
                    self.front.targets.topics.publish(sent, &message).await
                }
            };
            taken.map_err(|not_taken| {
                let (NotTaken::Refused { message, .. } | NotTaken::Failed { message }) = not_taken;
                NotificationFault::of_destination(arn, &message)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<NotificationConfiguration, S3Error> {
        read(&Node::read(text.as_bytes(), "NotificationConfiguration").unwrap())
    }

    const WHOLE: &str = "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
        <TopicConfiguration><Id>t</Id><Topic>arn:t</Topic><Event>s3:ObjectRemoved:*</Event>\
        </TopicConfiguration>\
        <QueueConfiguration><Id>q</Id><Queue>arn:q</Queue><Event>s3:ObjectCreated:Put</Event>\
        <Event>s3:ObjectCreated:Copy</Event><Filter><S3Key><FilterRule><Name>Prefix</Name>\
        <Value>in/</Value></FilterRule><FilterRule><Name>Suffix</Name><Value>.jpg</Value>\
        </FilterRule></S3Key></Filter></QueueConfiguration>\
        <CloudFunctionConfiguration><Id>f</Id><CloudFunction>arn:f</CloudFunction>\
        <Event>s3:ObjectTagging:*</Event></CloudFunctionConfiguration>\
        <EventBridgeConfiguration/></NotificationConfiguration>";

    #[test]
    fn a_document_is_read_and_written() {
        let configuration = of(WHOLE).unwrap();
        assert!(configuration.to_event_bus);
        let arns: Vec<&str> =
            configuration.notifications.iter().map(|one| one.destination.arn()).collect();
        assert_eq!(arns, ["arn:t", "arn:q", "arn:f"]);
        let filter = &configuration.notifications[1].filter;
        assert_eq!(
            (filter.prefix.as_deref(), filter.suffix.as_deref()),
            (Some("in/"), Some(".jpg"))
        );
        assert_eq!(document(&configuration).write(), WHOLE);
        assert!(of("<NotificationConfiguration/>").unwrap().is_empty());
    }

    #[test]
    fn what_has_no_name_gets_one() {
        let text = "<NotificationConfiguration><QueueConfiguration><Queue>a</Queue>\
                    <Event>s3:ObjectCreated:*</Event></QueueConfiguration>\
                    <QueueConfiguration><Id/><Queue>a</Queue><Event>s3:ObjectRemoved:*</Event>\
                    </QueueConfiguration></NotificationConfiguration>";
        let ids = of(text).unwrap().notifications.into_iter().map(|one| one.id);
        let ids: BTreeSet<String> = ids.collect();
        assert_eq!(ids.len(), 2);
        assert!(ids.iter().all(|id| id.len() == 48), "{ids:?}");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let queue = |inner: &str| {
            format!(
                "<NotificationConfiguration><QueueConfiguration>{inner}</QueueConfiguration></NotificationConfiguration>"
            )
        };
        let rule =
            |name: &str| format!("<FilterRule><Name>{name}</Name><Value>x</Value></FilterRule>");
        let filtered = |rules: &str| {
            queue(&format!(
                "<Queue>a</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>{rules}</S3Key></Filter>"
            ))
        };
        #[rustfmt::skip]
        let rows = [
            (queue("<Event>s3:ObjectCreated:*</Event>"),                  "MalformedXML"),
            ("<NotificationConfiguration><X/></NotificationConfiguration>".to_owned(), "MalformedXML"),
            (queue("<Queue>a</Queue><Event>s3:Nothing</Event>"),          "InvalidArgument"),
            (filtered(&rule("infix")),                                    "InvalidArgument"),
            (filtered(&format!("{}{}", rule("prefix"), rule("Prefix"))),  "InvalidArgument"),
        ];
        for (text, code) in rows {
            assert_eq!(of(&text).unwrap_err().code, code, "{text}");
        }
    }
}
