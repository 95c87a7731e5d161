//! Deliveries to receivers that take, refuse, or are down.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hearth_services::delivery::{Backoff, BusEvent, HttpPatience, TopicMessage};
use hearth_store::queue::memory::MemoryQueue;
use hearth_store::queue::{Ask, Batch, Fate, Queue as _};
use hearth_types::metrics::Metrics;
use tokio::time::Instant;

use super::*;
use crate::turns::Limits;
use crate::worker::Worker;
use crate::worker::tests::{Moved, common};

const LIMITS: Limits = Limits { entries: 100, of_lane: 50, bytes: 1 << 30, hold_ms: 1_000 };
const RULE: &str = "arn:aws:events:us-east-1:000000000000:rule/r";
const TARGET: &str = "arn:aws:sqs:us-east-1:000000000000:target";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:t";

/// Takes everything, unless the ARN or the body says otherwise; and counts.
#[derive(Debug, Default)]
struct World {
    taken: Mutex<Vec<(String, String)>>,
    messages: Mutex<Vec<QueueMessage>>,
    counted: Mutex<Vec<(Metric, String)>>,
    is_down: AtomicBool,
}

impl World {
    fn take(&self, arn: &str, body: &Bytes) -> Result<(), NotTaken> {
        let body = String::from_utf8_lossy(body).into_owned();
        if arn.ends_with("missing") {
            let code = "AWS.SimpleQueueService.NonExistentQueue".to_owned();
            return Err(NotTaken::Refused { code, message: "there is none".to_owned() });
        }
        if arn.ends_with("down") && self.is_down.load(Ordering::SeqCst) {
            return Err(NotTaken::Failed { message: "it is down".to_owned() });
        }
        self.taken.lock().unwrap().push((arn.to_owned(), body));
        Ok(())
    }
}

#[async_trait]
impl SubmitEvent for World {
    async fn submit(&self, sent: Sent<'_>) -> Result<(), NotTaken> {
        self.take(sent.arn, sent.body)
    }

    async fn run(&self, sent: Sent<'_>) -> Result<(), NotTaken> {
        self.take(sent.arn, sent.body)
    }
}

#[async_trait]
impl SendMessage for World {
    async fn send(&self, sent: Sent<'_>, message: &QueueMessage) -> Result<(), NotTaken> {
        self.take(sent.arn, sent.body)?;
        self.messages.lock().unwrap().push(message.clone());
        Ok(())
    }
}

#[async_trait]
impl Publish for World {
    async fn publish(&self, sent: Sent<'_>, _message: &TopicMessage) -> Result<(), NotTaken> {
        self.take(sent.arn, sent.body)
    }
}

#[async_trait]
impl PutEvent for World {
    async fn put(&self, sent: Sent<'_>, _event: &BusEvent) -> Result<(), NotTaken> {
        self.take(sent.arn, sent.body)
    }
}

#[async_trait]
impl PutObject for World {
    async fn put_object(&self, object: NewObject<'_>) -> Result<(), NotTaken> {
        self.take(&format!("{} {} {}", object.region, object.bucket, object.key), object.body)
    }
}

#[async_trait]
impl HttpPost for World {
    async fn post(
        &self,
        url: &str,
        _headers: &[(String, String)],
        body: &Bytes,
    ) -> Result<(), NotTaken> {
        self.take(url, body)
    }
}

#[async_trait]
impl AppendLog for World {
    async fn append(&self, sent: Sent<'_>) -> Result<(), NotTaken> {
        self.take(sent.arn, sent.body)
    }
}

impl Metrics for World {
    fn add(&self, metric: Metric, resource: &str, _count: u64) {
        self.counted.lock().unwrap().push((metric, resource.to_owned()));
    }

    fn observe(&self, _metric: Metric, _resource: &str, _milliseconds: u64) {}
}

struct Running {
    world: Arc<World>,
    queue: Arc<MemoryQueue>,
    common: Common,
    _worker: Arc<Worker<Deliveries>>,
}

fn receivers(world: &Arc<World>) -> Receivers {
    Receivers {
        functions: Arc::clone(world) as _,
        queues: Arc::clone(world) as _,
        topics: Arc::clone(world) as _,
        buses: Arc::clone(world) as _,
        buckets: Arc::clone(world) as _,
        http: Arc::clone(world) as _,
        logs: Arc::clone(world) as _,
    }
}

fn start() -> Running {
    let (world, queue) = (Arc::new(World::default()), Arc::new(MemoryQueue::default()));
    let mut common = common(&queue, &Moved::new());
    common.metrics = Arc::clone(&world) as _;
    let deliveries = Deliveries::new(receivers(&world), common.clone(), Delays::default());
    let worker = Worker::start(deliveries, common.clone(), LIMITS);
    Running { world, queue, common, _worker: worker }
}

impl Running {
    async fn put(&self, delivery: &Delivery, (lane, group): (&str, Option<&str>), body: &str) {
        let now = self.common.time.now();
        let body = Bytes::from(body.to_owned());
        let entry = delivery.entry((lane, group.map(str::to_owned)), body, now);
        let batch = Batch { puts: vec![entry], ..Batch::default() };
        self.queue.apply(batch, now).await.unwrap();
    }

    async fn emptied(&self) {
        let emptied = async {
            while !self.queue.rows().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(100_000), emptied).await.expect("it is stuck");
    }

    fn taken(&self) -> Vec<(String, String)> {
        self.world.taken.lock().unwrap().clone()
    }

    fn counted(&self) -> Vec<(Metric, String)> {
        self.world.counted.lock().unwrap().clone()
    }
}

fn of_target(arn: &str) -> Delivery {
    Delivery {
        origin: Origin::Target {
            rule: RULE.to_owned(),
            name: "r".to_owned(),
            id: "1".to_owned(),
            target: TARGET.to_owned(),
            event_bytes: 0,
        },
        parcel: Parcel::Queue { arn: arn.to_owned(), message: QueueMessage::default() },
        patience: Patience { retries_max: 3, age_ms_max: 86_400_000, http: None },
        dead_letter: Some(DEAD.to_owned()),
        trace: None,
        attempts: 0,
    }
}

fn of_subscription(arn: &str) -> Delivery {
    let message = QueueMessage { group: Some("g".to_owned()), ..QueueMessage::default() };
    Delivery {
        origin: Origin::Subscription { topic: TOPIC.to_owned(), subscription: TOPIC.to_owned() },
        parcel: Parcel::Queue { arn: arn.to_owned(), message },
        ..of_target(arn)
    }
}

#[test]
fn each_failure_and_what_follows() {
    let failed = NotTaken::Failed { message: String::new() };
    let refused = NotTaken::Refused { code: String::new(), message: String::new() };
    let again = |ms: u64| Verdict::Again { due: Timestamp(1_000 + ms) };
    let over = |exhausted| Verdict::GiveUp { exhausted };
    #[rustfmt::skip]
    let rows = [
        ("it is refused",            &refused, 1, 0,      over(None)),
        ("it fails",                 &failed,  1, 0,      again(1_000)),
        ("it fails again",           &failed,  2, 1_000,  again(2_000)),
        ("the last retry",           &failed,  3, 3_000,  again(4_000)),
        ("no more retries",          &failed,  4, 7_000,  over(Some("MaximumRetryAttempts"))),
        ("it would be too old",      &failed,  2, 59_000, over(Some("MaximumEventAgeInSeconds"))),
    ];
    let patience = Patience { retries_max: 3, age_ms_max: 60_000, http: None };
    for (name, not_taken, attempts, age_ms, expected) in rows {
        let circumstances = (age_ms, &Delays::default(), Timestamp(1_000));
        assert_eq!(decide(not_taken, attempts, patience, circumstances), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_of_a_bucket_is_handed_over_or_given_up_and_counted_nowhere() {
    let running = start();
    for arn in [TARGET, "arn:missing"] {
        let origin = Origin::Notification {
            bucket: "arn:aws:s3:::b".to_owned(),
            configuration: "one".to_owned(),
        };
        let delivery = Delivery { origin, dead_letter: None, ..of_target(arn) };
        running.put(&delivery, ("arn:aws:s3:::b q", None), "event").await;
        running.emptied().await;
    }
    assert_eq!(running.taken(), [(TARGET.to_owned(), "event".to_owned())]);
    assert!(running.counted().is_empty(), "AWS has no figures for them");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_goes_to_the_dead_letter_queue_at_once_with_the_reason() {
    let running = start();
    running.put(&of_target("arn:missing"), ("l", None), "event").await;
    running.emptied().await;
    assert_eq!(running.taken(), [(DEAD.to_owned(), "event".to_owned())]);
    let message = running.world.messages.lock().unwrap()[0].clone();
    let text = |name: &str| match &message.attributes.get(name)?.value {
        AttributeValue::Text(text) => Some(text.clone()),
        AttributeValue::Binary(_) => None,
    };
    assert_eq!(text("RULE_ARN").as_deref(), Some(RULE));
    assert_eq!(text("TARGET_ARN").as_deref(), Some(TARGET));
    assert_eq!(text("ERROR_CODE").as_deref(), Some("NO_RESOURCE"));
    assert_eq!(text("ERROR_MESSAGE").as_deref(), Some("there is none"));
    assert_eq!(text("RETRY_ATTEMPTS").as_deref(), Some("0"));
    assert_eq!(text("EXHAUSTED_RETRY_CONDITION"), None);
    let metrics: Vec<Metric> = running.counted().into_iter().map(|(metric, _)| metric).collect();
    use Metric::{FailedInvocations, InvocationAttempts, InvocationsSentToDlq};
    assert_eq!(metrics, [InvocationAttempts, FailedInvocations, InvocationsSentToDlq]);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_tells_each_attempt_which_it_is_and_the_dead_letter_queue_why() {
    let running = start();
    running.world.is_down.store(true, Ordering::SeqCst);
    let delivery = Delivery {
        origin: Origin::Schedule {
            schedule: "arn:s".to_owned(),
            group: "nightly".to_owned(),
            target: TARGET.to_owned(),
            scheduled: Timestamp(1_795_404_035_123),
            execution: "d32c5kddcf5bb8c3".to_owned(),
        },
        patience: Patience { retries_max: 1, age_ms_max: 86_400_000, http: None },
        ..of_target("arn:down")
    };
    running.put(&delivery, ("l", None), "attempt <aws.scheduler.attempt-number>").await;
    running.emptied().await;
    assert_eq!(running.taken(), [(DEAD.to_owned(), "attempt 2".to_owned())]);
    let message = running.world.messages.lock().unwrap()[0].clone();
    let told: Vec<(&str, &str)> = message
        .attributes
        .iter()
        .map(|(name, attribute)| match &attribute.value {
            AttributeValue::Text(text) => (name.as_str(), text.as_str()),
            AttributeValue::Binary(_) => (name.as_str(), "bytes"),
        })
        .collect();
    #[rustfmt::skip]
    let expected = [
        ("ERROR_CODE",                "AWS.Scheduler.InternalServerError"),
        ("ERROR_MESSAGE",             "it is down"),
        ("EXECUTION_ID",              "d32c5kddcf5bb8c3"),
        ("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
        ("IS_PAYLOAD_TRUNCATED",      "false"),
        ("RETRY_ATTEMPTS",            "1"),
        ("SCHEDULED_TIME",            "2026-11-23T03:20:35Z"),
        ("SCHEDULE_ARN",              "arn:s"),
        ("TARGET_ARN",                TARGET),
    ];
    assert_eq!(told, expected);
    use Metric::{InvocationAttemptCount, InvocationDroppedCount, TargetErrorCount};
    let counted = running.counted();
    assert!(counted.iter().all(|(_, group)| group == "nightly"), "{counted:?}");
    let metrics: Vec<Metric> = counted.into_iter().map(|(metric, _)| metric).collect();
    let attempt = [InvocationAttemptCount, TargetErrorCount];
    let last = [InvocationDroppedCount, Metric::InvocationsSentToDeadLetterCount];
    assert_eq!(metrics, [attempt.as_slice(), &attempt, &last].concat());
}

#[tokio::test(start_paused = true)]
async fn a_target_gets_its_input_and_the_dead_letter_queue_the_event() {
    let running = start();
    for arn in [TARGET, "arn:missing"] {
        let mut delivery = of_target(arn);
        let Origin::Target { event_bytes, .. } = &mut delivery.origin else {
            unreachable!("it is of a target");
        };
        *event_bytes = "event".len();
        let message = QueueMessage { group: Some("g".to_owned()), ..QueueMessage::default() };
        delivery.parcel = Parcel::Queue { arn: arn.to_owned(), message };
        running.put(&delivery, ("l", None), "eventinput").await;
        running.emptied().await;
    }
    let expected = [(TARGET, "input"), (DEAD, "event")];
    let expected = expected.map(|(arn, body)| (arn.to_owned(), body.to_owned()));
    assert_eq!(running.taken(), expected);
    let groups: Vec<Option<String>> = {
        let messages = running.world.messages.lock().unwrap();
        messages.iter().map(|message| message.group.clone()).collect()
    };
    assert_eq!(groups, [Some("g".to_owned()), None], "a dead-letter queue is a standard queue");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_holds_up_nobody_else_and_gets_its_own_when_it_is_back() {
    let running = start();
    running.world.is_down.store(true, Ordering::SeqCst);
    let mut patient = of_subscription("arn:down");
    patient.patience.retries_max = 1_000;
    for number in 0..50 {
        running.put(&patient, ("down", None), &number.to_string()).await;
    }
    running.put(&of_subscription(TARGET), ("up", None), "x").await;
    let began = Instant::now();
    while running.taken().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(600)).await;
    running.world.is_down.store(false, Ordering::SeqCst);
    running.emptied().await;
    assert_eq!(running.taken().len(), 51);
    let delivered = (Metric::NumberOfNotificationsDelivered, "t".to_owned());
    assert_eq!(running.counted(), vec![delivered; 51]);
}

#[tokio::test(start_paused = true)]
async fn a_group_arrives_in_order_also_when_its_receiver_was_down() {
    let running = start();
    running.world.is_down.store(true, Ordering::SeqCst);
    let mut patient = of_subscription("arn:down");
    patient.patience.retries_max = 1_000;
    for number in 0..20 {
        running.put(&patient, ("l", Some("g")), &number.to_string()).await;
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    running.world.is_down.store(false, Ordering::SeqCst);
    running.emptied().await;
    let bodies: Vec<String> = running.taken().into_iter().map(|(_, body)| body).collect();
    let expected: Vec<String> = (0..20).map(|number: u32| number.to_string()).collect();
    assert_eq!(bodies, expected);
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_the_server_stops_is_put_back_as_it_was() {
    let (world, queue) = (Arc::new(World::default()), Arc::new(MemoryQueue::default()));
    world.is_down.store(true, Ordering::SeqCst);
    let common = common(&queue, &Moved::new());
    common.closing.store(true, Ordering::SeqCst);
    let (receivers, delays) = (receivers(&world), Delays::default());
    let deliveries = Deliveries::new(receivers, common.clone(), delays);
    let mut delivery = of_target("arn:down");
    delivery.patience.retries_max = 0;
    let now = common.time.now();
    let entry = delivery.entry(("l", None), Bytes::from_static(b"x"), now);
    queue.apply(Batch { puts: vec![entry], ..Batch::default() }, now).await.unwrap();
    let lane = Lane { kind: LANE_KIND, name: "l".to_owned() };
    let ask = Ask { lane: &lane, entries: 1, bytes: 1_000, until: now.plus_millis(30_000) };
    let leased = queue.lease(ask, now).await.unwrap();
    let done = deliveries.perform(&lane, &leased[0]).await;
    assert_eq!(done.fate, Fate::Return { due: now, head: None });
    assert!(done.puts.is_empty() && world.counted.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_notification_comes_to_its_dead_letter_queue_as_it_was() {
    let running = start();
    let mut delivery = of_subscription("arn:down");
    delivery.patience.retries_max = 2;
    running.world.is_down.store(true, Ordering::SeqCst);
    running.put(&delivery, ("l", None), "notification").await;
    running.emptied().await;
    assert_eq!(running.taken(), [(DEAD.to_owned(), "notification".to_owned())]);
    let message = running.world.messages.lock().unwrap()[0].clone();
    assert_eq!((message.group.as_deref(), message.attributes.len()), (Some("g"), 0));
    let counted: Vec<Metric> = running.counted().into_iter().map(|(metric, _)| metric).collect();
    use Metric::{NumberOfNotificationsFailed, NumberOfNotificationsRedrivenToDlq};
    assert_eq!(counted, [NumberOfNotificationsFailed, NumberOfNotificationsRedrivenToDlq]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_has_the_ids_that_its_queue_wants() {
    #[rustfmt::skip]
    let rows = [
        // The queue, the group of the entry, the ids of the message; what arrives.
        ("dead.fifo", Some("h"), (None, None),           (Some("h"), true)),
        ("dead.fifo", None,      (None, None),           (Some("1"), true)),
        ("dead.fifo", Some("g"), (Some("g"), Some("d")), (Some("g"), true)),
        ("dead",      Some("g"), (Some("g"), Some("d")), (Some("g"), false)),
    ];
    for (dead, group_of_entry, (group, deduplication), expected) in rows {
        let running = start();
        let message = QueueMessage {
            group: group.map(str::to_owned),
            deduplication: deduplication.map(str::to_owned),
            ..QueueMessage::default()
        };
        let delivery = Delivery {
            parcel: Parcel::Queue { arn: "arn:missing".to_owned(), message },
            dead_letter: Some(dead.to_owned()),
            ..of_subscription(TARGET)
        };
        running.put(&delivery, ("l", group_of_entry), "x").await;
        running.emptied().await;
        let found = running.world.messages.lock().unwrap().remove(0);
        let ids = (found.group.as_deref(), found.deduplication.is_some());
        assert_eq!(ids, expected, "{dead}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_its_dead_letter_queue_refuses_is_counted() {
    let running = start();
    let mut delivery = of_subscription("arn:missing");
    delivery.dead_letter = Some("arn:dead-missing".to_owned());
    running.put(&delivery, ("l", None), "notification").await;
    running.emptied().await;
    assert!(running.taken().is_empty());
    let counted: Vec<Metric> = running.counted().into_iter().map(|(metric, _)| metric).collect();
    use Metric::{NumberOfNotificationsFailed, NumberOfNotificationsFailedToRedriveToDlq};
    assert_eq!(counted, [NumberOfNotificationsFailed, NumberOfNotificationsFailedToRedriveToDlq]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_gets_no_more_in_a_second_than_its_policy_says() {
    let running = start();
    let http = HttpPatience {
        no_delay_retries: 0,
        min_delay_retries: 0,
        max_delay_retries: 0,
        min_delay_seconds: 20,
        max_delay_seconds: 20,
        backoff: Backoff::Linear,
        receives_per_second_max: Some(2),
    };
    let slow = Delivery {
        parcel: Parcel::Http { url: "http://slow".to_owned(), headers: Vec::new() },
        patience: Patience { retries_max: 3, age_ms_max: 86_400_000, http: Some(http) },
        ..of_subscription(TARGET)
    };
    let began = Instant::now();
    for number in 0..20 {
        running.put(&slow, ("slow", None), &number.to_string()).await;
    }
    running.put(&of_subscription(TARGET), ("fast", None), "x").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(running.taken().len(), 2, "the first one, and the one of the other lane");
    running.emptied().await;
    assert_eq!(running.taken().len(), 21);
    let took = began.elapsed();
    // Nineteen pauses of half a second, and not many more.
    let expected = Duration::from_millis(9_500)..Duration::from_millis(15_000);
    assert!(expected.contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_without_a_delay_comes_at_once() {
    let running = start();
    running.world.is_down.store(true, Ordering::SeqCst);
    let http = HttpPatience {
        no_delay_retries: 3,
        min_delay_retries: 0,
        max_delay_retries: 0,
        min_delay_seconds: 20,
        max_delay_seconds: 20,
        backoff: Backoff::Linear,
        receives_per_second_max: None,
    };
    let patience = Patience { retries_max: 3, age_ms_max: 86_400_000, http: Some(http) };
    let delivery = Delivery { patience, dead_letter: None, ..of_target("arn:down") };
    let began = Instant::now();
    running.put(&delivery, ("l", None), "x").await;
    running.emptied().await;
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    let tried = running.counted().into_iter();
    let tried = tried.filter(|(metric, _)| *metric == Metric::InvocationAttempts);
    assert_eq!(tried.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn each_kind_of_receiver_is_found() {
    let running = start();
    let bus = BusEvent {
        source: "s".to_owned(),
        detail_type: "d".to_owned(),
        resources: Vec::new(),
        passed_on: None,
    };
    let arn = |kind: &str| format!("arn:{kind}");
    let parcels = [
        Parcel::Function { arn: arn("function") },
        Parcel::Invocation { arn: arn("run") },
        Parcel::Topic { arn: arn("topic"), message: TopicMessage::default() },
        Parcel::Bus { arn: arn("bus"), event: bus },
        Parcel::LogGroup { arn: arn("logs") },
        Parcel::Object { bucket: "b".to_owned(), key: "k".to_owned(), region: "r".to_owned() },
        Parcel::Http { url: arn("http"), headers: Vec::new() },
    ];
    for parcel in parcels {
        let delivery = Delivery { parcel, ..of_target("x") };
        running.put(&delivery, ("l", Some("g")), "x").await;
    }
    running.emptied().await;
    let arns: Vec<String> = running.taken().into_iter().map(|(arn, _)| arn).collect();
    let expected =
        ["arn:function", "arn:run", "arn:topic", "arn:bus", "arn:logs", "r b k", "arn:http"];
    assert_eq!(arns, expected);
}
