//! The life of subscriptions, and what can be set of them.

use serde_json::{Value, json};

use super::*;
use crate::delivery::Parcel;
use crate::limits::CONFIRMATION_MILLIS_MAX;

/// The latest message that was sent to the endpoint, and what kind of message its headers say.
fn asked(place: &Place) -> (Value, String) {
    let (delivery, body) = place.deliveries().pop().unwrap();
    let Parcel::Http { url, headers } = delivery.parcel else { panic!("{:?}", delivery.parcel) };
    assert_eq!(url, URL);
    let kind = headers.iter().find(|(name, _)| name == "x-amz-sns-message-type");
    (serde_json::from_str(&body).unwrap(), kind.unwrap().1.clone())
}

fn confirm(arn: &TopicArn, token: &Value) -> Confirm {
    Confirm {
        topic: arn.to_string(),
        token: token.as_str().unwrap_or_default().to_owned(),
        authenticate_on_unsubscribe: None,
    }
}

fn message() -> NewMessage {
    NewMessage { text: "m".to_owned(), ..NewMessage::default() }
}

#[tokio::test]
async fn an_http_endpoint_is_asked_first_and_told_when_it_has_left() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let record = topics.subscribe(&asker, &arn, subscribe("http", URL, &[])).await.unwrap();
    assert!(record.is_pending());
    let (question, kind) = asked(&place);
    assert_eq!((kind.as_str(), &question["Type"]), ("SubscriptionConfirmation", &json!(kind)));
    let url = format!(
        "http://hearth/?Action=ConfirmSubscription&TopicArn={arn}&Token={}",
        question["Token"].as_str().unwrap()
    );
    assert_eq!(question["SubscribeURL"], json!(url));
    topics.publish(&asker, &arn, message()).await.unwrap();
    assert_eq!(place.deliveries().len(), 1, "it is not told of anything yet");

    let request = confirm(&arn, &question["Token"]);
    for _ in 0..2 {
        let confirmed = topics.confirm((&asker, Proof::Nothing), &request).await.unwrap();
        assert_eq!(confirmed, record.arn);
    }
    topics.publish(&asker, &arn, message()).await.unwrap();
    assert_eq!(asked(&place).1, "Notification");

    topics.unsubscribe((&asker, Proof::Nothing), &record.arn).await.unwrap();
    let (farewell, kind) = asked(&place);
    assert_eq!(kind, "UnsubscribeConfirmation");
    assert!(topics.subscription_attributes(&asker, &record.arn).is_err());
    topics.confirm((&asker, Proof::Nothing), &confirm(&arn, &farewell["Token"])).await.unwrap();
    let shown = topics.subscription_attributes(&asker, &record.arn).unwrap();
    assert_eq!(shown["PendingConfirmation"], "false");
}

#[tokio::test]
async fn a_question_that_is_not_answered_is_forgotten() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    topics.subscribe(&asker, &arn, subscribe("http", URL, &[])).await.unwrap();
    let (question, _kind) = asked(&place);
    place.clock.pass(CONFIRMATION_MILLIS_MAX + 1);
    let request = confirm(&arn, &question["Token"]);
    let told = topics.confirm((&asker, Proof::Nothing), &request).await.unwrap_err();
    assert_eq!(told.to_string(), "Invalid parameter: Token");
    drop(topics);
    let topics = place.open().await;
    assert_eq!(topics.subscriptions(&asker, None).items.len(), 0);
}

#[tokio::test]
async fn tokens_that_confirm_nothing_are_refused() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let token = "a".repeat(128);
    let elsewhere = arn.to_string().replace("us-east-1", "eu-west-1");
    #[rustfmt::skip]
    let rows = [
        (arn.to_string(),          "random",        "Invalid token"),
        (arn.to_string(),          token.as_str(),  "Invalid parameter: Token"),
        (format!("{arn}missing"),  token.as_str(),  "Invalid parameter: Token"),
        ("nonsense".to_owned(),    token.as_str(),  "Invalid parameter: Topic"),
        (elsewhere,                token.as_str(),  "Invalid parameter: Topic"),
    ];
    for (topic, token, expected) in rows {
        let request = Confirm { topic, token: token.to_owned(), authenticate_on_unsubscribe: None };
        let told = topics.confirm((&asker, Proof::Signed), &request).await.unwrap_err();
        assert_eq!(told.to_string(), expected);
    }
}

#[tokio::test]
async fn subscribing_twice_is_subscribing_once() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let raw = |value: &str| subscribe("sqs", QUEUE, &[("RawMessageDelivery", value)]);
    let first = topics.subscribe(&asker, &arn, raw("true")).await.unwrap();
    for again in [raw("true"), subscribe("sqs", QUEUE, &[])] {
        assert_eq!(topics.subscribe(&asker, &arn, again).await.unwrap().arn, first.arn);
    }
    let told = topics.subscribe(&asker, &arn, raw("false")).await.unwrap_err().to_string();
    assert_eq!(
        told,
        "Invalid parameter: Attributes Reason: Subscription already exists with different attributes"
    );
}

#[tokio::test]
async fn endpoints_of_other_accounts_are_asked_too() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let other = QUEUE.replace("000000000000", "111111111111");
    let record = topics.subscribe(&asker, &arn, subscribe("sqs", &other, &[])).await.unwrap();
    assert!(record.is_pending());
    assert_eq!(record.owner.as_str(), "111111111111");
    let body: Value = serde_json::from_str(&place.bodies()[0]).unwrap();
    assert_eq!(body["Type"], "SubscriptionConfirmation");
}

/// The texts were recorded from AWS, as far as they are not about what Hearth does not have.
#[tokio::test]
async fn what_cannot_be_subscribed_is_refused() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let standard = topic(&topics, &place, "t", &[]).await;
    let fifo = topic(&topics, &place, "t.fifo", &[("FifoTopic", "true")]).await;
    let fifo_queue = format!("{QUEUE}.fifo");
    let letters = format!("{{\"deadLetterTargetArn\":\"{QUEUE}\"}}");
    #[rustfmt::skip]
    let rows = [
        (&standard, subscribe("pigeon", "x", &[]),                                        "Amazon SNS does not support this protocol string: pigeon"),
        (&standard, subscribe("email", "a@example.com", &[]),                             "Protocol Reason: Hearth does not deliver over email yet"),
        (&standard, subscribe("https", "http://example.com", &[]),                        "Endpoint must match the specified protocol"),
        (&standard, subscribe("sqs", "http://127.0.0.1/000000000000/q", &[]),             "SQS endpoint ARN"),
        (&standard, subscribe("lambda", "f", &[]),                                        "Lambda endpoint ARN"),
        (&standard, subscribe("http", "https://example.com", &[]),                        "Endpoint must match the specified protocol"),
        (&standard, subscribe("sqs", "", &[]),                                            "Endpoint"),
        (&standard, subscribe("sqs", &fifo_queue, &[]),                                   "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"),
        (&fifo,     subscribe("lambda", FUNCTION, &[]),                                   "Invalid protocol type: lambda"),
        (&fifo,     subscribe("sqs", &fifo_queue, &[("RedrivePolicy", letters.as_str())]),        "Attributes Reason: RedrivePolicy: must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic."),
        (&standard, subscribe("sqs", QUEUE, &[("RawMessageDelivery", "wrongvalue")]),     "Attributes Reason: RawMessageDelivery: Invalid value [wrongvalue]. Must be true or false."),
        (&standard, subscribe("lambda", FUNCTION, &[("RawMessageDelivery", "true")]),     "Attributes Reason: Delivery protocol [lambda] does not support raw message delivery."),
        (&standard, subscribe("sqs", QUEUE, &[("FilterPolicy", r#"{"a":{"b":["c"]}}"#)]), "Filter policy scope MessageAttributes does not support nested filter policy"),
        (&standard, subscribe("sqs", QUEUE, &[("FilterPolicy", r#"{"key":"v"}"#)]),       "Attributes Reason: FilterPolicy: \"key\" must be an object or an array"),
        (&standard, subscribe("sqs", QUEUE, &[("Colour", "red")]),                        "Attributes Reason: Unknown attribute: Colour"),
    ];
    for (arn, request, expected) in rows {
        let told = topics.subscribe(&asker, arn, request).await.unwrap_err().to_string();
        assert!(told.starts_with(&format!("Invalid parameter: {expected}")), "{told}");
    }
}

/// The texts were recorded from AWS.
#[tokio::test]
async fn attributes_are_set_one_by_one() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let record = topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    let set = |name, value| topics.set_subscription_attribute(&asker, &record.arn, (name, value));
    #[rustfmt::skip]
    let rows = [
        ("Colour", "red",                                    "AttributeName"),
        ("RawMessageDelivery", "",                           "RawMessageDelivery: Invalid value []. Must be true or false."),
        ("FilterPolicyScope", "RandomValue",                 "FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes"),
        ("FilterPolicy", "{invalidjson}",                    "FilterPolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name"),
        ("RedrivePolicy", "{invalidjson}",                   "RedrivePolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start field name"),
        ("RedrivePolicy", r#"{"deadLetterTargetArn":"x"}"#,  "RedrivePolicy: deadLetterTargetArn is an invalid arn"),
    ];
    for (name, value, expected) in rows {
        let told = set(name, value).await.unwrap_err().to_string();
        assert!(told.starts_with(&format!("Invalid parameter: {expected}")), "{told}");
    }
    set("FilterPolicyScope", "MessageBody").await.unwrap();
    let shown = topics.subscription_attributes(&asker, &record.arn).unwrap();
    assert!(!shown.contains_key("FilterPolicyScope"), "without a policy it is not shown");
    set("FilterPolicy", r#"{"a":{"b":["c"]}}"#).await.unwrap();
    let told = set("FilterPolicyScope", "MessageAttributes").await.unwrap_err().to_string();
    assert!(told.contains("does not support nested filter policy"), "{told}");
    let shown = topics.subscription_attributes(&asker, &record.arn).unwrap();
    assert_eq!(shown["FilterPolicyScope"], "MessageBody");
    set("FilterPolicy", "{}").await.unwrap();
    let shown = topics.subscription_attributes(&asker, &record.arn).unwrap();
    assert!(!shown.contains_key("FilterPolicy"));
}

#[tokio::test]
async fn only_so_many_filter_policies_fit() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let filter = ("FilterPolicy", r#"{"a":["b"]}"#);
    for number in 0..crate::limits::FILTER_POLICIES_MAX {
        let queue = format!("{QUEUE}{number}");
        topics.subscribe(&asker, &arn, subscribe("sqs", &queue, &[filter])).await.unwrap();
    }
    let told = topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, &[filter])).await;
    assert_eq!(told.unwrap_err().code(), "FilterPolicyLimitExceeded");
    let plain = topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    let told = topics.set_subscription_attribute(&asker, &plain.arn, filter).await;
    assert_eq!(told.unwrap_err().code(), "FilterPolicyLimitExceeded");

    let (mut seen, mut pages) = (0, 0);
    let mut after: Option<String> = None;
    loop {
        let page = topics.subscriptions_of(&asker, &arn, after.as_deref()).unwrap();
        seen += page.items.len();
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (201, 3));
}

#[tokio::test]
async fn whoever_has_confirmed_with_a_signature_leaves_with_one() {
    let place = Place::new();
    let topics = place.open().await;
    let asker = place.asker();
    let arn = topic(&topics, &place, "t", &[]).await;
    let record = topics.subscribe(&asker, &arn, subscribe("sqs", QUEUE, &[])).await.unwrap();
    let told = topics.unsubscribe((&asker, Proof::Nothing), &record.arn).await.unwrap_err();
    assert_eq!(told.code(), "AuthorizationError");
    for _ in 0..2 {
        topics.unsubscribe((&asker, Proof::Signed), &record.arn).await.unwrap();
    }
    assert_eq!(topics.attributes(&asker, &arn).unwrap()["SubscriptionsDeleted"], "1");
}
