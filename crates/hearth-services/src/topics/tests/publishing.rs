//! What is put into the queue when something is published.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::delivery::{
    AttributeValue, MessageAttribute, Origin, Parcel, QueueMessage, TopicMessage,
};
use crate::limits::{DEDUPLICATION_MILLIS, NOTIFICATION_RETRIES_MAX};
use crate::targets::{NotTaken, Sent};

fn message(text: &str) -> NewMessage {
    NewMessage { text: text.to_owned(), ..NewMessage::default() }
}

fn with_colour(text: &str, colour: &str) -> NewMessage {
    let attribute = NewAttribute {
        data_type: "String".to_owned(),
        text: Some(colour.to_owned()),
        binary: None,
    };
    let attributes = BTreeMap::from([("colour".to_owned(), attribute)]);
    NewMessage { attributes, ..message(text) }
}

fn in_group(text: &str, group: &str, deduplication: &str) -> NewMessage {
    NewMessage {
        group: Some(group.to_owned()),
        deduplication: Some(deduplication.to_owned()),
        ..message(text)
    }
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn each_subscription_gets_a_delivery_of_its_own() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let redrive = format!("{{\"deadLetterTargetArn\":\"{QUEUE}\"}}");
    let queue = subscribe("sqs", QUEUE, &[("RedrivePolicy", redrive.as_str())]);
    let queue = topics.subscribe(&asker, &arn, queue).await.unwrap();
    let function = subscribe("lambda", FUNCTION, &[]);
    let function = topics.subscribe(&asker, &arn, function).await.unwrap();
    let new = NewMessage { subject: Some("s".to_owned()), ..with_colour("hello", "red") };
    let published = topics.publish(&asker, &arn, new).await.unwrap();
    assert_eq!(published.sequence_number, None);

    let deliveries = place.deliveries();
    assert_eq!(deliveries.len(), 2);
    for (delivery, body) in deliveries {
        let Origin::Subscription { topic, subscription } = &delivery.origin else {
            panic!("{delivery:?}")
        };
        assert_eq!((topic, delivery.trace.as_deref()), (&arn.to_string(), Some("Root=1-2-3")));
        assert_eq!(delivery.patience.retries_max, NOTIFICATION_RETRIES_MAX);
        let body = json_of(&body);
        let is_queue = if let Parcel::Queue { arn, message } = &delivery.parcel {
            assert_eq!((arn.as_str(), message), (QUEUE, &QueueMessage::default()));
            assert_eq!(delivery.dead_letter.as_deref(), Some(QUEUE));
            true
        } else {
            assert_eq!(delivery.parcel, Parcel::Function { arn: FUNCTION.to_owned() });
            assert_eq!(delivery.dead_letter, None);
            false
        };
        let told = if is_queue { body } else { body["Records"][0]["Sns"].clone() };
        let expected = if is_queue { &queue } else { &function };
        assert_eq!(subscription, &expected.arn.to_string());
        assert_eq!(told["MessageId"], json!(published.message_id));
        assert_eq!((&told["Message"], &told["Subject"]), (&json!("hello"), &json!("s")));
        assert_eq!(told["Timestamp"], "2026-11-23T03:20:35.123Z");
        assert_eq!(
            told["MessageAttributes"]["colour"],
            json!({ "Type": "String", "Value": "red" })
        );
        let url = if is_queue { "UnsubscribeURL" } else { "UnsubscribeUrl" };
        let unsubscribe =
            format!("http://hearth/?Action=Unsubscribe&SubscriptionArn={subscription}");
        assert_eq!(told[url], json!(unsubscribe));
    }
    assert_eq!(place.metrics.of(Metric::NumberOfMessagesPublished, "t"), 1);
}

#[tokio::test]
async fn a_raw_delivery_is_the_message_with_its_attributes() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let raw = subscribe("sqs", QUEUE, &[("RawMessageDelivery", "true")]);
    topics.subscribe(&asker, &arn, raw).await.unwrap();
    topics.publish(&asker, &arn, with_colour("hello", "red")).await.unwrap();
    let (delivery, body) = place.deliveries().remove(0);
    assert_eq!(body, "hello");
    let Parcel::Queue { message, .. } = delivery.parcel else { panic!("{:?}", delivery.parcel) };
    let red = AttributeValue::Text("red".to_owned());
    let red = MessageAttribute { data_type: "String".to_owned(), value: red };
    assert_eq!(message.attributes, BTreeMap::from([("colour".to_owned(), red)]));
}

#[tokio::test]
async fn filter_policies_keep_messages_back_and_are_counted() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    #[rustfmt::skip]
    let of_attributes: &[(&str, &str)] = &[("FilterPolicy", r#"{"colour":["red"]}"#), ("RawMessageDelivery", "true")];
    #[rustfmt::skip]
    let of_body: &[(&str, &str)] = &[
        ("FilterPolicy", r#"{"a":{"b":[{"numeric":[">",1]}]}}"#),
        ("FilterPolicyScope", "MessageBody"), ("RawMessageDelivery", "true"),
    ];
    topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, of_attributes)).await.unwrap();
    let other = format!("{QUEUE}2");
    topics.subscribe(&asker, &arn, subscribe("sqs", &other, of_body)).await.unwrap();
    for new in [
        with_colour("red", "red"),
        with_colour("blue", "blue"),
        message("plain"),
        message(r#"{"a":{"b":1}}"#),
        message(r#"{"a":[{"b":1},{"b":2}]}"#),
    ] {
        topics.publish(&asker, &arn, new).await.unwrap();
    }
    assert_eq!(place.bodies(), ["red", r#"{"a":[{"b":1},{"b":2}]}"#]);
    assert_eq!(place.metrics.of(Metric::NumberOfNotificationsFilteredOut, "t"), 8);
}

#[tokio::test]
async fn each_protocol_gets_its_own_text() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    topics.subscribe(&asker, &arn, subscribe("lambda", FUNCTION, &[])).await.unwrap();
    let new = NewMessage {
        structure: Some("json".to_owned()),
        ..message(r#"{"default":"for all","sqs":"for queues"}"#)
    };
    topics.publish(&asker, &arn, new).await.unwrap();
    for (delivery, body) in place.deliveries() {
        let body = json_of(&body);
        if matches!(delivery.parcel, Parcel::Queue { .. }) {
            assert_eq!(body["Message"], "for queues");
        } else {
            assert_eq!(body["Records"][0]["Sns"]["Message"], "for all");
        }
    }
}

#[tokio::test]
async fn the_version_of_the_signature_is_that_of_the_topic() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    topics.publish(&asker, &arn, message("one")).await.unwrap();
    topics.set_attribute(&asker, &arn, ("SignatureVersion", "2")).await.unwrap();
    topics.publish(&asker, &arn, message("two")).await.unwrap();
    let bodies = place.bodies();
    let versions: Vec<Value> =
        bodies.iter().map(|body| json_of(body)["SignatureVersion"].clone()).collect();
    assert_eq!(versions, [json!("1"), json!("2")]);
    let name = topics.signer.identity().await.unwrap().name.clone();
    assert_eq!(json_of(&bodies[0])["SigningCertURL"], json!(format!("http://hearth/{name}")));
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let large = "x".repeat(262_144);
    topics.publish(&asker, &arn, message(&large)).await.unwrap();
    let told = topics.publish(&asker, &arn, with_colour(&large, "red")).await.unwrap_err();
    assert_eq!(told.to_string(), "Invalid parameter: Message too long");
    let entry = |id: &str, text: &str| BatchEntry { id: id.to_owned(), message: message(text) };
    let batch = vec![entry("a", &large), entry("b", "x")];
    let told = topics.publish_batch(&asker, &arn, batch).await.unwrap_err();
    assert_eq!(told.code(), "BatchRequestTooLong");
    topics.set_attribute(&asker, &arn, ("MaximumMessageSize", "1048576")).await.unwrap();
    topics.publish(&asker, &arn, with_colour(&large, "red")).await.unwrap();
    let told = topics.subscribe(&asker, &arn, subscribe("http", URL, &[])).await.unwrap_err();
    assert_eq!(told.code(), "InvalidParameter");
}

#[tokio::test]
async fn a_message_for_many_subscriptions_is_put_in_parts() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    for number in 0..70 {
        let raw = [("RawMessageDelivery", "true")];
        let queue = subscribe("sqs", &format!("{QUEUE}{number}"), &raw);
        topics.subscribe(&asker, &arn, queue).await.unwrap();
    }
    let large = "x".repeat(262_144);
    topics.publish(&asker, &arn, message(&large)).await.unwrap();
    assert_eq!(place.deliveries().len(), 70);
    // The second part fails: the publisher is told so, and may try again.
    place.queue.fail_after(1);
    let told = topics.publish(&asker, &arn, message(&large)).await.unwrap_err();
    assert_eq!(told.code(), "InternalError");
    let there = place.deliveries().len() - 70;
    assert!((1..70).contains(&there), "{there}");
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    let entry = |id: &str, text: &str| BatchEntry { id: id.to_owned(), message: message(text) };
    let many = (0..11).map(|number| entry(&number.to_string(), "m")).collect();
    #[rustfmt::skip]
    let rows = [
        (vec![],                                     "EmptyBatchRequest"),
        (many,                                       "TooManyEntriesInBatchRequest"),
        (vec![entry("a", "m"), entry("a", "m")],     "BatchEntryIdsNotDistinct"),
        (vec![entry("a b", "m")],                    "InvalidBatchEntryId"),
        (vec![entry("a", "m"), entry("b", "")],      "InvalidParameter"),
    ];
    for (batch, code) in rows {
        let told = topics.publish_batch(&asker, &arn, batch).await.unwrap_err();
        assert_eq!(told.code(), code);
    }
    assert_eq!(place.bodies(), Vec::<String>::new());
    let batch = vec![entry("a", "1"), entry("b", "2")];
    let published = topics.publish_batch(&asker, &arn, batch).await.unwrap();
    let ids: Vec<&str> = published.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((ids, place.bodies().len()), (vec!["a", "b"], 2));
}

async fn fifo(topics: &Topics, place: &Place) -> TopicArn {
    let arn = topic(topics, place, "t.fifo", &[("FifoTopic", "true")]).await;
    for endpoint in [format!("{QUEUE}.fifo"), QUEUE.to_owned()] {
        let raw = subscribe("sqs", &endpoint, &[("RawMessageDelivery", "true")]);
        topics.subscribe(&place.asker(), &arn, raw).await.unwrap();
    }
    arn
}

#[tokio::test]
async fn a_fifo_topic_takes_the_same_message_once_in_five_minutes() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = fifo(&topics, &place).await;
    let first = topics.publish(&asker, &arn, in_group("1", "g", "d")).await.unwrap();
    let again = topics.publish(&asker, &arn, in_group("other", "g", "d")).await.unwrap();
    assert_eq!(first, again);
    let second = topics.publish(&asker, &arn, in_group("2", "g", "e")).await.unwrap();
    assert!(second.sequence_number > first.sequence_number, "{second:?}");
    assert_eq!(first.sequence_number.map(|number| number.len()), Some(20));
    place.clock.pass(DEDUPLICATION_MILLIS + 1);
    let later = topics.publish(&asker, &arn, in_group("3", "g", "d")).await.unwrap();
    assert_ne!(later.message_id, first.message_id);
    assert_eq!(place.bodies(), ["1", "1", "2", "2", "3", "3"]);
    for (delivery, _body) in place.deliveries() {
        let Parcel::Queue { arn, message } = &delivery.parcel else { panic!("{delivery:?}") };
        let has_ids = (message.group.is_some(), message.deduplication.is_some());
        assert_eq!(has_ids, (arn.ends_with(".fifo"), arn.ends_with(".fifo")));
    }
    let groups = place.queue.of_kind(crate::delivery::LANE_KIND);
    assert!(groups.iter().all(|entry| entry.group.as_deref() == Some("g")));
}

#[tokio::test]
async fn what_a_fifo_topic_has_taken_is_handed_over_after_a_failure() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = fifo(&topics, &place).await;
    // The message is taken, and the server is gone before it is handed over.
    place.queue.fail_after(1);
    let told = topics.publish(&asker, &arn, in_group("1", "g", "d")).await.unwrap_err();
    assert_eq!(told.code(), "InternalError");
    assert_eq!(place.bodies(), Vec::<String>::new());
    drop(topics);
    let topics = place.open().await;
    assert_eq!(place.bodies(), ["1", "1"]);
    topics.publish(&asker, &arn, in_group("1", "g", "d")).await.unwrap();
    assert_eq!(place.bodies(), ["1", "1"], "it is the same message");
}

#[tokio::test]
async fn a_publisher_who_tries_again_brings_the_first_message_on_its_way() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = fifo(&topics, &place).await;
    place.queue.fail_after(1);
    assert!(topics.publish(&asker, &arn, in_group("1", "g", "d")).await.is_err());
    topics.publish(&asker, &arn, in_group("1", "g", "d")).await.unwrap();
    assert_eq!(place.bodies(), ["1", "1"]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_keeps_nothing_in_a_fifo_topic() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = fifo(&topics, &place).await;
    place.queue.fail_after(1);
    assert!(topics.publish(&asker, &arn, in_group("1", "g", "d")).await.is_err());
    place.clock.set_back(3_600_000);
    topics.publish(&asker, &arn, in_group("2", "g", "e")).await.unwrap();
    assert_eq!(place.bodies(), ["1", "1", "2", "2"]);
}

#[tokio::test]
async fn groups_can_be_compared_on_their_own() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = fifo(&topics, &place).await;
    let set = ("FifoThroughputScope", "MessageGroup");
    topics.set_attribute(&asker, &arn, set).await.unwrap();
    for group in ["g", "h", "g"] {
        topics.publish(&asker, &arn, in_group(group, group, "d")).await.unwrap();
    }
    assert_eq!(place.bodies(), ["g", "g", "h", "h"]);
}

#[tokio::test]
async fn a_delivery_to_a_topic_is_published() {
    let place = Place::new();
    let topics = place.open().await;
    let arn = topic(&topics, &place, "t", &[]).await;
    topics.subscribe(&place.asker(), &arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    let target: &dyn crate::targets::Publish = &topics;
    let body = bytes::Bytes::from_static(b"hello");
    let text = arn.to_string();
    let sent = |arn| Sent { arn, body: &body, trace: Some("Root=4") };
    let told = TopicMessage { subject: Some("s".to_owned()), ..TopicMessage::default() };
    target.publish(sent(&text), &told).await.unwrap();
    let (delivery, body) = place.deliveries().remove(0);
    assert_eq!(delivery.trace.as_deref(), Some("Root=4"));
    assert_eq!(
        (&json_of(&body)["Message"], &json_of(&body)["Subject"]),
        (&json!("hello"), &json!("s"))
    );
    let missing = format!("{text}-missing");
    let refused = target.publish(sent(&missing), &told).await.unwrap_err();
    assert!(matches!(refused, NotTaken::Refused { code, .. } if code == "NotFound"));
    place.queue.fail_after(0);
    let failed = target.publish(sent(&text), &told).await.unwrap_err();
    assert!(matches!(failed, NotTaken::Failed { .. }), "{failed:?}");
}

#[tokio::test]
async fn what_another_server_may_have_to_hand_over_is_left_to_it() {
    for (sharing, is_left) in [(Sharing::Alone, false), (Sharing::Shared, true)] {
        let place = Place::new();
        place.queue.set_sharing(sharing);
        let topics = place.open().await;
        let arn = fifo(&topics, &place).await;
        place.queue.fail_after(1);
        let taken = topics.publish(&place.asker(), &arn, in_group("1", "g", "d")).await;
        assert!(taken.is_err());
        // A server that does not know the topic.
        let other = Place { queue: Arc::clone(&place.queue), ..Place::new() };
        other.open().await;
        assert_eq!(place.queue.has(publish::LANE_KIND), is_left, "{sharing:?}");
    }
}
