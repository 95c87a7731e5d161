//! The topics as a whole, on a database and a queue in memory.

mod publishing;
mod subscriptions;

use std::sync::Arc;

use hearth_store::queue::memory::MemoryQueue;
use hearth_store::sqlite::Sqlite;
use hearth_types::metrics::{Metric, Metrics};
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::testing::StandingClock;
use hearth_types::time::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::delivery::Delivery;

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const URL: &str = "http://127.0.0.1:9/endpoint";

fn scope(account: &str, region: &str) -> Scope {
    Scope { account: AccountId::parse(account).unwrap(), region: Region::parse(region).unwrap() }
}

/// What was counted, by metric and topic.
#[derive(Debug, Default)]
struct Counted(std::sync::Mutex<std::collections::HashMap<(Metric, String), u64>>);

impl Counted {
    fn of(&self, metric: Metric, topic: &str) -> u64 {
        let counts = self.0.lock().unwrap();
        counts.get(&(metric, topic.to_owned())).copied().unwrap_or_default()
    }
}

impl Metrics for Counted {
    fn add(&self, metric: Metric, resource: &str, count: u64) {
        *self.0.lock().unwrap().entry((metric, resource.to_owned())).or_default() += count;
    }

    fn observe(&self, _metric: Metric, _resource: &str, _milliseconds: u64) {}
}

/// What outlives the topics.
struct Place {
    directory: TempDir,
    queue: Arc<MemoryQueue>,
    metrics: Arc<Counted>,
    clock: Arc<StandingClock>,
    here: Scope,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        signing::tests::keep_one_key(&directory.path().join("topics"));
        Self {
            directory,
            queue: Arc::new(MemoryQueue::default()),
            metrics: Arc::new(Counted::default()),
            clock: StandingClock::at(Timestamp(1_795_404_035_123)),
            here: scope("000000000000", "us-east-1"),
        }
    }

    async fn open(&self) -> Topics {
        let store = Sqlite::open(&self.directory.path().join("hearth.db")).await.unwrap();
        let parts = TopicParts {
            records: Arc::new(store),
            queue: Arc::clone(&self.queue) as _,
            metrics: Arc::clone(&self.metrics) as _,
            clock: Arc::clone(&self.clock) as _,
            directory: self.directory.path().join("topics"),
            endpoint: "http://hearth".to_owned(),
        };
        Topics::open(parts).await.unwrap()
    }

    fn asker(&self) -> Asker<'_> {
        Asker { scope: &self.here, trace: Some("Root=1-2-3") }
    }

    /// The deliveries that wait, in the order in which they were put, with their bodies.
    fn deliveries(&self) -> Vec<(Delivery, String)> {
        let entries = self.queue.of_kind(crate::delivery::LANE_KIND);
        let read = entries.into_iter().map(|entry| {
            let body = String::from_utf8(entry.body.to_vec()).unwrap();
            (Delivery::read(&entry.head).unwrap(), body)
        });
        read.collect()
    }

    fn bodies(&self) -> Vec<String> {
        self.deliveries().into_iter().map(|(_, body)| body).collect()
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn subscribe(protocol: &str, endpoint: &str, set: &[(&str, &str)]) -> Subscribe {
    Subscribe {
        protocol: protocol.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        attributes: attributes(set),
    }
}

async fn topic(topics: &Topics, place: &Place, name: &str, set: &[(&str, &str)]) -> TopicArn {
    let request =
        CreateTopic { name: name.to_owned(), attributes: attributes(set), tags: Vec::new() };
    topics.create(&place.asker(), request).await.unwrap()
}

#[tokio::test]
async fn topics_outlive_a_restart_and_are_made_once() {
    let place = Place::new();
    let asker = place.asker();
    for round in 0..2 {
        let topics = place.open().await;
        assert_eq!(topics.list(&asker, None).items.len(), round);
        let arn = topic(&topics, &place, "t", &[("DisplayName", "shown")]).await;
        let shown = topics.attributes(&asker, &arn).unwrap();
        assert_eq!(
            (shown["DisplayName"].as_str(), shown["SubscriptionsConfirmed"].as_str()),
            ("shown", "0")
        );
    }
    let topics = place.open().await;
    let other = CreateTopic {
        name: "t".to_owned(),
        attributes: attributes(&[("DisplayName", "other")]),
        tags: Vec::new(),
    };
    let told = topics.create(&asker, other).await.unwrap_err().to_string();
    assert!(told.ends_with("Topic already exists with different attributes"), "{told}");
    let tagged = CreateTopic {
        name: "t".to_owned(),
        tags: vec![("k".to_owned(), "v".to_owned())],
        ..CreateTopic::default()
    };
    let told = topics.create(&asker, tagged).await.unwrap_err().to_string();
    assert_eq!(told, "Invalid parameter: Tags Reason: Topic already exists with different tags");
}

#[tokio::test]
async fn names_have_the_form_that_aws_wants() {
    let place = Place::new();
    let topics = place.open().await;
    let long = "x".repeat(257);
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
    #[rustfmt::skip]
    let rows: [Row<'_>; 8] = [
        ("good_-1",     &[],                        None),
        ("good.fifo",   &[("FifoTopic", "true")],   None),
        ("",            &[],                        Some("Invalid parameter: Topic Name")),
        ("a b",         &[],                        Some("Invalid parameter: Topic Name")),
        (&long,         &[],                        Some("Invalid parameter: Topic Name")),
        ("bad.fifo",    &[],                        Some("Invalid parameter: Topic Name")),
        ("bad",         &[("FifoTopic", "true")],   Some("Invalid parameter: Fifo Topic names must end with .fifo")),
        ("bad",         &[("Colour", "red")],       Some("Invalid parameter: Attributes Reason: Unknown attribute: Colour")),
    ];
    for (name, set, refused) in rows {
        let request =
            CreateTopic { name: name.to_owned(), attributes: attributes(set), tags: Vec::new() };
        let told = topics.create(&place.asker(), request).await;
        let told = told.err().map(|error| error.to_string());
        assert_eq!(told.is_some(), refused.is_some(), "{name}: {told:?}");
        assert!(told.unwrap_or_default().starts_with(refused.unwrap_or_default()), "{name}");
    }
}

#[tokio::test]
async fn other_accounts_are_let_in_by_the_policy_and_other_regions_never() {
    let place = Place::new();
    let topics = place.open().await;
    let arn = topic(&topics, &place, "t", &[]).await;
    let (there, stranger) =
        (scope("000000000000", "eu-west-1"), scope("111111111111", "us-east-1"));
    let elsewhere = Asker { scope: &there, trace: None };
    let told = topics.attributes(&elsewhere, &arn).unwrap_err().to_string();
    assert_eq!(told, "Invalid parameter: TopicArn");
    let stranger = Asker { scope: &stranger, trace: None };
    let message = || NewMessage { text: "m".to_owned(), ..NewMessage::default() };
    let told = topics.publish(&stranger, &arn, message()).await.unwrap_err();
    assert_eq!(told.code(), "AuthorizationError");
    let permission = Permission {
        label: "l".to_owned(),
        accounts: vec!["111111111111".to_owned()],
        actions: vec!["Publish".to_owned()],
    };
    topics.add_permission(&place.asker(), &arn, &permission).await.unwrap();
    topics.publish(&stranger, &arn, message()).await.unwrap();
    topics.remove_permission(&place.asker(), &arn, "l").await.unwrap();
    assert!(topics.publish(&stranger, &arn, message()).await.is_err());
}

#[tokio::test]
async fn deleting_a_topic_takes_its_subscriptions_along() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let kept = topic(&topics, &place, "t2", &[]).await;
    for arn in [&arn, &kept] {
        topics.subscribe(&asker, arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    }
    topics.delete(&asker, &arn).await.unwrap();
    topics.delete(&asker, &arn).await.unwrap();
    assert_eq!(topics.list(&asker, None).items, std::slice::from_ref(&kept));
    let left: Vec<String> = topics
        .subscriptions(&asker, None)
        .items
        .iter()
        .map(|record| record.arn.topic.name.clone())
        .collect();
    assert_eq!(left, ["t2"]);
    let told = topics.subscriptions_of(&asker, &arn, None).unwrap_err();
    assert_eq!((told.code(), told.to_string().as_str()), ("NotFound", "Topic does not exist"));
}

#[tokio::test]
async fn tags_are_added_replaced_and_removed() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    topics.tag(&asker, &arn, vec![tag("a", "1"), tag("b", "2")]).await.unwrap();
    topics.tag(&asker, &arn, vec![tag("b", "3")]).await.unwrap();
    topics.untag(&asker, &arn, &["a".to_owned(), "nobody".to_owned()]).await.unwrap();
    assert_eq!(topics.tags(&asker, &arn).unwrap(), [tag("b", "3")]);
    let twice = topics.tag(&asker, &arn, vec![tag("c", "1"), tag("c", "2")]).await.unwrap_err();
    assert_eq!(twice.to_string(), "Invalid parameter: Duplicated keys are not allowed.");
    let many = (0..51).map(|number| tag(&number.to_string(), "")).collect();
    let told = topics.tag(&asker, &arn, many).await.unwrap_err();
    assert_eq!(told.code(), "TagLimitExceeded");
}

#[tokio::test]
async fn the_certificate_is_found_under_its_name() {
    let place = Place::new();
    let topics = place.open().await;
    let name = topics.signer.identity().await.unwrap().name.clone();
    let pem = topics.certificate(&name).await.unwrap().unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n"), "{pem}");
    assert_eq!(topics.certificate("other.pem").await.unwrap(), None);
}
