//! The queues as a whole, on an engine in memory, with a clock that stands still.

mod moves;
mod order;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hearth_store::queue::memory::MemoryQueue;
use hearth_store::queue::{Batch, NewEntry};
use hearth_store::records::memory::MemoryRecords;
use hearth_types::metrics::NoMetrics;
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::steady::Steady;
use hearth_types::testing::StandingClock;

use super::*;
use crate::delivery::{AttributeValue, MessageAttribute, QueueMessage};
use crate::targets::{self, NotTaken, SendMessage};

/// Queues, and what they stand on.
struct World {
    records: Arc<MemoryRecords>,
    engine: Arc<MemoryQueue>,
    clock: Arc<StandingClock>,
    queues: Arc<Queues>,
}

const START: u64 = 1_800_000_000_000;

impl World {
    async fn new() -> Self {
        let (records, engine) = (Arc::default(), Arc::default());
        let clock = StandingClock::at(Timestamp(START));
        let queues = open(&records, &engine, &clock).await;
        Self { records, engine, clock, queues }
    }

    /// The same after a restart.
    async fn restarted(self) -> Self {
        let Self { records, engine, clock, queues } = self;
        queues.close();
        let queues = open(&records, &engine, &clock).await;
        Self { records, engine, clock, queues }
    }

    async fn create(&self, name: &str, attributes: &[(&str, &str)]) -> QueueName {
        let name = named(name);
        self.queues.create(&name, &given(attributes), BTreeMap::new()).await.unwrap();
        name
    }

    /// A queue with a dead-letter queue, for messages that were received more than once.
    async fn with_dead_letters(
        &self,
        suffix: &str,
        more: &[(&str, &str)],
    ) -> (QueueName, QueueName) {
        let dead = self.create(&format!("dead{suffix}"), more).await;
        let policy = format!(r#"{{"deadLetterTargetArn":"{dead}","maxReceiveCount":1}}"#);
        let all = [more, &[("RedrivePolicy", policy.as_str())]].concat();
        (self.create(&format!("live{suffix}"), &all).await, dead)
    }

    async fn send(&self, queue: &QueueName, message: NewMessage) -> Result<Sent, QueueError> {
        let sender = Sender { account: &queue.scope.account, trace: None };
        self.queues.send_message(queue, message, sender).await
    }

    async fn put(&self, queue: &QueueName, body: &str) -> Sent {
        self.send(queue, message(body)).await.unwrap()
    }

    async fn receive(&self, queue: &QueueName, messages: i32) -> Vec<Received> {
        let receive = Receive { messages: Some(messages), ..Receive::default() };
        self.queues.receive(queue, &receive).await.unwrap()
    }

    async fn bodies(&self, queue: &QueueName) -> Vec<String> {
        self.receive(queue, 10).await.into_iter().map(|one| one.body).collect()
    }

    async fn delete(&self, queue: &QueueName, handle: &str) -> Result<(), QueueError> {
        let mut done = self.queues.delete_messages(queue, &[handle.to_owned()]).await.unwrap();
        done.remove(0)
    }

    async fn keep_for(
        &self,
        queue: &QueueName,
        handle: &str,
        seconds: i32,
    ) -> Result<(), QueueError> {
        let change = [(handle.to_owned(), seconds)];
        let mut done = self.queues.change_visibility(queue, &change).await.unwrap();
        done.remove(0)
    }

    async fn counts(&self, queue: &QueueName) -> [String; 3] {
        let shown = self.queues.attributes(queue, &["All".to_owned()]).await.unwrap();
        ["", "Delayed", "NotVisible"]
            .map(|which| shown[&format!("ApproximateNumberOfMessages{which}")].clone())
    }
}

async fn open(
    records: &Arc<MemoryRecords>,
    engine: &Arc<MemoryQueue>,
    clock: &Arc<impl Clock + 'static>,
) -> Arc<Queues> {
    let parts = Parts {
        records: Arc::clone(records) as _,
        engine: Arc::clone(engine) as _,
        clock: Arc::clone(clock) as _,
        metrics: Arc::new(NoMetrics),
        tasks: Tasks::default(),
    };
    Queues::open(parts).await.unwrap()
}

fn scope() -> Scope {
    let account = AccountId::parse("000000000000").unwrap();
    Scope { account, region: Region::parse("us-east-1").unwrap() }
}

fn named(name: &str) -> QueueName {
    QueueName { scope: scope(), name: name.to_owned() }
}

fn given(rows: &[(&str, &str)]) -> Attributes {
    rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn message(body: &str) -> NewMessage {
    NewMessage { body: body.to_owned(), ..NewMessage::default() }
}

fn grouped(group: &str, body: &str) -> NewMessage {
    NewMessage { group: Some(group.to_owned()), ..message(body) }
}

const FIFO: &[(&str, &str)] = &[("FifoQueue", "true"), ("ContentBasedDeduplication", "true")];

fn code<T: std::fmt::Debug>(result: Result<T, QueueError>) -> &'static str {
    result.unwrap_err().code()
}

#[tokio::test]
async fn a_queue_can_be_made_twice_if_nothing_differs() {
    let world = World::new().await;
    let queue = world.create("q", &[("DelaySeconds", "5")]).await;
    world.create("q", &[("DelaySeconds", "5")]).await;
    world.create("q", &[]).await;
    let other =
        world.queues.create(&queue, &given(&[("DelaySeconds", "6")]), BTreeMap::new()).await;
    assert_eq!(
        other.unwrap_err().to_string(),
        "A queue already exists with the same name and a different value for attribute DelaySeconds"
    );
    let fifo = world.queues.create(&named("q.fifo"), &given(&[]), BTreeMap::new()).await;
    assert_eq!(code(fifo), "InvalidParameterValue");
    let bare = world.queues.create(&named("f"), &given(FIFO), BTreeMap::new()).await;
    assert_eq!(code(bare), "InvalidParameterValue");
}

#[tokio::test]
async fn queues_are_listed_by_prefix_and_page() {
    let world = World::new().await;
    for name in ["a", "job", "job-1", "job-2", "k"] {
        world.create(name, &[]).await;
    }
    let listed = |prefix: &'static str, after: Option<&'static str>, items| -> Vec<String> {
        let found = world.queues.list(&scope(), (prefix, after), items);
        found.iter().map(|queue| queue.name.clone()).collect()
    };
    assert_eq!(listed("", None, 10), ["a", "job", "job-1", "job-2", "k"]);
    assert_eq!(listed("job", None, 10), ["job", "job-1", "job-2"]);
    assert_eq!(listed("job-", None, 10), ["job-1", "job-2"]);
    assert_eq!(listed("job", None, 2), ["job", "job-1"]);
    assert_eq!(listed("job", Some("job-1"), 2), ["job-2"]);
    assert_eq!(listed("", Some("job-2"), 2), ["k"]);
    assert_eq!(listed("x", None, 10), Vec::<String>::new());
}

#[tokio::test]
async fn a_message_is_received_again_until_it_is_deleted() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    let sent = world.put(&queue, "hello").await;
    assert_eq!(sent.md5_of_body, "5d41402abc4b2a76b9719d911017c592");
    let first = world.receive(&queue, 10).await.remove(0);
    assert_eq!((first.id, first.body.as_str(), first.receives), (sent.id, "hello", 1));
    assert_eq!(world.bodies(&queue).await, Vec::<String>::new());
    assert_eq!(world.counts(&queue).await, ["0", "0", "1"]);
    world.clock.pass(30_000);
    let second = world.receive(&queue, 10).await.remove(0);
    assert_eq!((second.id, second.receives), (sent.id, 2));
    assert_eq!(second.first_received, first.first_received);
    // An old handle does nothing, and says nothing.
    world.delete(&queue, &first.handle).await.unwrap();
    assert_eq!(world.counts(&queue).await, ["0", "0", "1"]);
    world.delete(&queue, &second.handle).await.unwrap();
    world.delete(&queue, &second.handle).await.unwrap();
    world.clock.pass(60_000);
    assert_eq!(world.bodies(&queue).await, Vec::<String>::new());
    assert_eq!(code(world.delete(&queue, "garbage").await), "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn what_was_sent_is_there_after_a_restart_and_handles_stay_valid() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    world.put(&queue, "a").await;
    world.put(&queue, "b").await;
    let handle = world.receive(&queue, 1).await.remove(0).handle;
    let world = world.restarted().await;
    assert_eq!(world.bodies(&queue).await, ["b"]);
    world.delete(&queue, &handle).await.unwrap();
    assert_eq!(world.counts(&queue).await, ["0", "0", "1"]);
}

#[tokio::test]
async fn a_queue_that_is_made_again_begins_empty() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    world.put(&queue, "a").await;
    world.put(&queue, "b").await;
    let handle = world.receive(&queue, 1).await.remove(0).handle;
    world.queues.delete(&queue).await.unwrap();
    assert_eq!(code(world.queues.delete(&queue).await), "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(
        code(world.send(&queue, message("x")).await),
        "AWS.SimpleQueueService.NonExistentQueue"
    );
    world.create("q", &[]).await;
    assert_eq!(world.counts(&queue).await, ["0", "0", "0"]);
    assert_eq!(code(world.delete(&queue, &handle).await), "ReceiptHandleIsInvalid");
}

#[tokio::test]
async fn delays_and_the_time_with_a_receiver() {
    let world = World::new().await;
    let queue = world.create("q", &[("DelaySeconds", "10"), ("VisibilityTimeout", "60")]).await;
    world.put(&queue, "late").await;
    let now = NewMessage { delay_seconds: Some(0), ..message("now") };
    world.send(&queue, now).await.unwrap();
    assert_eq!(world.counts(&queue).await, ["1", "1", "0"]);
    let first = world.receive(&queue, 10).await.remove(0);
    assert_eq!(first.body, "now");
    world.clock.pass(10_000);
    assert_eq!(world.bodies(&queue).await, ["late"]);
    // Longer, shorter, and back at once.
    world.keep_for(&queue, &first.handle, 100).await.unwrap();
    world.clock.pass(60_000);
    assert_eq!(world.bodies(&queue).await, ["late"]);
    world.keep_for(&queue, &first.handle, 0).await.unwrap();
    assert_eq!(world.bodies(&queue).await, ["now"]);
    let not_in_flight = code(world.keep_for(&queue, &first.handle, 5).await);
    assert_eq!(not_in_flight, "AWS.SimpleQueueService.MessageNotInflight");
}

#[tokio::test]
async fn a_receiver_whose_time_is_over_may_keep_the_message_if_nobody_else_has_it() {
    let world = World::new().await;
    let queue = world.create("q", &[("VisibilityTimeout", "10")]).await;
    world.put(&queue, "a").await;
    let first = world.receive(&queue, 1).await.remove(0);
    world.clock.pass(11_000);
    world.keep_for(&queue, &first.handle, 20).await.unwrap();
    assert!(world.receive(&queue, 1).await.is_empty());
    world.clock.pass(21_000);
    let second = world.receive(&queue, 1).await.remove(0);
    assert_eq!(second.receives, 2);
    let late = code(world.keep_for(&queue, &first.handle, 20).await);
    assert_eq!(late, "AWS.SimpleQueueService.MessageNotInflight");
    world.delete(&queue, &second.handle).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_keeps_no_message_from_its_receivers() {
    let (records, engine) = (Arc::default(), Arc::default());
    let clock = StandingClock::at(Timestamp(START));
    let steady = Arc::new(Steady::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let queues = open(&records, &engine, &steady).await;
    let world = World { records, engine, clock, queues };
    let queue = world.create("q", &[("VisibilityTimeout", "10")]).await;
    world.put(&queue, "before").await;
    assert_eq!(world.bodies(&queue).await, ["before"]);
    world.clock.set_back(3_600_000);
    world.put(&queue, "after").await;
    assert_eq!(world.bodies(&queue).await, ["after"]);
    tokio::time::advance(std::time::Duration::from_secs(11)).await;
    assert_eq!(world.bodies(&queue).await, ["before", "after"]);
}

#[tokio::test]
async fn the_time_with_a_receiver_has_an_end() {
    let world = World::new().await;
    let queue = world.create("q", &[("VisibilityTimeout", "100")]).await;
    world.put(&queue, "a").await;
    let handle = world.receive(&queue, 1).await.remove(0).handle;
    world.keep_for(&queue, &handle, 43_200).await.unwrap();
    world.clock.pass(2_000);
    let error = world.keep_for(&queue, &handle, 43_199).await.unwrap_err().to_string();
    assert!(error.ends_with("is beyond the limit [43200 seconds]"), "{error}");
    for wrong in [-1, 43_201] {
        assert_eq!(code(world.keep_for(&queue, &handle, wrong).await), "InvalidParameterValue");
    }
    world.delete(&queue, &handle).await.unwrap();
    let error = world.keep_for(&queue, &handle, 1).await.unwrap_err().to_string();
    let expected = "Message does not exist or is not available for visibility timeout change.";
    assert!(error.ends_with(expected), "{error}");
}

#[tokio::test]
async fn messages_expire_whether_anybody_asks_or_not() {
    let world = World::new().await;
    let queue = world.create("q", &[("MessageRetentionPeriod", "60")]).await;
    world.put(&queue, "old").await;
    world.clock.pass(59_999);
    world.put(&queue, "new").await;
    world.clock.pass(1);
    assert_eq!(world.bodies(&queue).await, ["new"]);
    assert_eq!(world.counts(&queue).await, ["0", "0", "1"]);
    world.clock.pass(59_998);
    world.queues.drop_old().await;
    assert_eq!(world.counts(&queue).await, ["1", "0", "0"]);
    world.clock.pass(1);
    world.queues.drop_old().await;
    assert_eq!(world.counts(&queue).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn groups_of_a_fifo_queue_keep_their_order_and_do_not_delay_each_other() {
    let world = World::new().await;
    let queue = world.create("q.fifo", FIFO).await;
    for (group, body) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3")] {
        world.send(&queue, grouped(group, body)).await.unwrap();
    }
    let first = world.receive(&queue, 1).await.remove(0);
    assert_eq!((first.body.as_str(), first.group.as_deref()), ("a1", Some("a")));
    // The rest of its group waits for it.
    assert_eq!(world.bodies(&queue).await, ["b1"]);
    world.delete(&queue, &first.handle).await.unwrap();
    let rest = world.receive(&queue, 10).await;
    let bodies: Vec<&str> = rest.iter().map(|one| one.body.as_str()).collect();
    assert_eq!(bodies, ["a2", "a3"]);
    assert!(rest[0].sequence_number < rest[1].sequence_number);
    assert_eq!(rest[0].sequence_number.as_ref().map(String::len), Some(20));
    // After its time a handle is worth nothing, in order that nothing is done twice.
    world.clock.pass(30_000);
    let error = world.delete(&queue, &rest[0].handle).await.unwrap_err().to_string();
    assert!(error.ends_with("Reason: The receipt handle has expired."), "{error}");
}

#[tokio::test]
async fn a_duplicate_is_answered_like_the_first_also_when_that_is_gone() {
    let world = World::new().await;
    let queue = world.create("q.fifo", FIFO).await;
    let first = world.send(&queue, grouped("a", "same")).await.unwrap();
    let handle = world.receive(&queue, 1).await.remove(0).handle;
    world.delete(&queue, &handle).await.unwrap();
    let again = world.send(&queue, grouped("b", "same")).await.unwrap();
    assert_eq!((again.id, &again.sequence_number), (first.id, &first.sequence_number));
    assert_eq!(world.bodies(&queue).await, Vec::<String>::new());
    world.clock.pass(300_000);
    let later = world.send(&queue, grouped("a", "same")).await.unwrap();
    assert_ne!(later.id, first.id);
    assert_eq!(world.bodies(&queue).await, ["same"]);

    let per_group = [FIFO, &[("DeduplicationScope", "messageGroup")]].concat();
    let queue = world.create("per-group.fifo", &per_group).await;
    for group in ["a", "a", "b"] {
        world.send(&queue, grouped(group, "same")).await.unwrap();
    }
    assert_eq!(world.counts(&queue).await, ["2", "0", "0"]);
}

#[tokio::test]
async fn an_attempt_that_is_repeated_gets_the_same_messages() {
    let world = World::new().await;
    let queue = world.create("q.fifo", FIFO).await;
    world.send(&queue, grouped("a", "a1")).await.unwrap();
    world.send(&queue, grouped("b", "b1")).await.unwrap();
    let attempt = |id: &str| Receive {
        messages: Some(1),
        attempt: Some(id.to_owned()),
        ..Receive::default()
    };
    let first = world.queues.receive(&queue, &attempt("one")).await.unwrap();
    world.clock.pass(20_000);
    let again = world.queues.receive(&queue, &attempt("one")).await.unwrap();
    assert_eq!(again, first);
    // It stays for another 30 seconds.
    world.clock.pass(20_000);
    assert_eq!(world.bodies(&queue).await, ["b1"]);
    world.delete(&queue, &first[0].handle).await.unwrap();
    world.clock.pass(30_000);
    let other = world.queues.receive(&queue, &attempt("one")).await.unwrap();
    assert_eq!(other[0].body, "b1");
    let standard = world.create("q", &[]).await;
    let refused = world.queues.receive(&standard, &attempt("one")).await;
    assert_eq!(code(refused), "InvalidParameterValue");
}

#[tokio::test]
async fn what_was_received_too_often_goes_to_the_dead_letter_queue() {
    for (suffix, more) in [("", &[][..]), (".fifo", FIFO)] {
        let world = World::new().await;
        let (live, dead) = world.with_dead_letters(suffix, more).await;
        let sent = if suffix.is_empty() {
            world.put(&live, "poison").await
        } else {
            world.send(&live, grouped("g", "poison")).await.unwrap()
        };
        world.clock.pass(1_000);
        assert_eq!(world.bodies(&live).await, ["poison"]);
        world.clock.pass(30_000);
        assert_eq!(world.bodies(&live).await, Vec::<String>::new());
        assert_eq!(world.counts(&live).await, ["0", "0", "0"]);
        let letter = world.receive(&dead, 10).await.remove(0);
        assert_eq!((letter.id, letter.receives), (sent.id, 1));
        assert_eq!(letter.source, Some(live.to_string()));
        // A standard queue counts its age from when it was sent.
        let age = if suffix.is_empty() { 31_000 } else { 0 };
        assert_eq!(letter.sent, Timestamp(START + 31_000 - age), "{suffix}");
        let sources = world.queues.dead_letter_sources(&dead).unwrap();
        assert_eq!(sources.iter().map(|one| one.full_name()).collect::<Vec<_>>(), [live]);
    }
}

#[tokio::test]
async fn a_receive_that_was_given_back_does_not_count() {
    let world = World::new().await;
    let (live, dead) = world.with_dead_letters("", &[]).await;
    world.put(&live, "x").await;
    let mut last = String::new();
    for _time in 0..3 {
        let received = world.receive(&live, 10).await.remove(0);
        assert_eq!(received.receives, 1);
        last = received.handle;
        world.queues.give_back(&live, std::slice::from_ref(&last)).await.unwrap();
        // A second time, it is not the newest any more.
        world.queues.give_back(&live, std::slice::from_ref(&last)).await.unwrap();
    }
    let world = world.restarted().await;
    let received = world.receive(&live, 10).await.remove(0);
    assert_eq!(received.receives, 1, "also after a restart");
    world.queues.give_back(&live, &[last]).await.unwrap();
    assert_eq!(world.bodies(&live).await.len(), 0, "somebody else has it");
    world.clock.pass(31_000);
    assert_eq!(world.bodies(&live).await.len(), 0, "that one counts");
    let moved = world.receive(&dead, 10).await.remove(0);
    assert_eq!((moved.body.as_str(), moved.receives), ("x", 1));
}

#[tokio::test]
async fn dead_letters_stay_if_there_is_nowhere_to_go() {
    let world = World::new().await;
    let (live, dead) = world.with_dead_letters("", &[]).await;
    world.put(&live, "poison").await;
    world.queues.delete(&dead).await.unwrap();
    for _time in 0..3 {
        assert_eq!(world.bodies(&live).await, ["poison"]);
        world.clock.pass(30_000);
    }
}

#[tokio::test]
async fn a_dead_letter_queue_is_of_the_same_kind_and_willing() {
    let world = World::new().await;
    world.create("f.fifo", FIFO).await;
    world.create("closed", &[("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#)]).await;
    #[rustfmt::skip]
    let rows = [
        ("arn:aws:sqs:us-east-1:000000000000:f.fifo",  "Dead-letter queue must be same type of queue as the source.."),
        ("arn:aws:sqs:us-east-1:000000000000:missing", "Dead letter target does not exist."),
        ("arn:aws:sqs:us-east-1:111111111111:closed",  "Dead-letter target owner should be same as the source."),
        ("arn:aws:sqs:us-east-1:000000000000:q",       "Dead-letter queue cannot be the source queue itself."),
        ("arn:aws:sqs:us-east-1:000000000000:closed",  "Dead-letter queue does not allow the source queue to use it."),
    ];
    for (arn, reason) in rows {
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"3"}}"#);
        let given = given(&[("RedrivePolicy", policy.as_str())]);
        let made = world.queues.create(&named("q"), &given, BTreeMap::new()).await;
        let error = made.unwrap_err().to_string();
        let expected =
            format!("Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}");
        assert_eq!(error, expected, "the policy is shown as it was given");
    }
}

#[tokio::test]
async fn purges_have_a_pause_between_them() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    world.put(&queue, "a").await;
    world.queues.purge(&queue).await.unwrap();
    assert_eq!(world.counts(&queue).await, ["0", "0", "0"]);
    world.clock.pass(59_999);
    let error = world.queues.purge(&queue).await.unwrap_err().to_string();
    assert_eq!(error, "Only one PurgeQueue operation on q is allowed every 60 seconds.");
    world.clock.pass(1);
    world.queues.purge(&queue).await.unwrap();
}

#[tokio::test]
async fn a_purge_that_failed_can_be_asked_for_again_at_once() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    world.put(&queue, "a").await;
    world.engine.fill_up();
    assert_eq!(code(world.queues.purge(&queue).await), "InternalFailure");
    world.engine.mend();
    world.queues.purge(&queue).await.unwrap();
    assert_eq!(world.counts(&queue).await, ["0", "0", "0"]);
}

#[tokio::test]
async fn what_came_too_late_for_a_deleted_queue_is_cleared() {
    let world = World::new().await;
    let (gone, kept) = (world.create("gone", &[]).await, world.create("kept", &[]).await);
    world.put(&kept, "stays").await;
    let lane = world.queues.queue(&gone).unwrap().lane();
    world.queues.delete(&gone).await.unwrap();
    // Its sender had found the queue before that.
    let now = Timestamp(START);
    let body = Bytes::from_static(b"late");
    let head = String::new();
    let late = NewEntry { lane, group: None, put_at: now, due: now, sameness: None, head, body };
    world.engine.apply(Batch { puts: vec![late], ..Batch::default() }, now).await.unwrap();
    assert_eq!(world.engine.lanes(LANE_KIND, None, 10).await.unwrap().len(), 2);
    world.queues.clear_orphans().await.unwrap();
    assert_eq!(world.engine.lanes(LANE_KIND, None, 10).await.unwrap().len(), 1);
    assert_eq!(world.bodies(&kept).await, ["stays"]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_waits_until_a_message_is_sent() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    let wait = Receive { wait_seconds: Some(20), ..Receive::default() };
    let (received, sent) =
        tokio::join!(world.queues.receive(&queue, &wait), world.put(&queue, "at last"));
    assert_eq!(received.unwrap()[0].id, sent.id);
    // Nobody sends: there is an answer all the same.
    assert!(world.queues.receive(&queue, &wait).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_receiver_that_waits_gets_its_message() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    let wait = Receive { wait_seconds: Some(20), ..Receive::default() };
    let sender = Sender { account: &queue.scope.account, trace: None };
    let three = vec![message("a"), message("b"), message("c")];
    let (one, two, three, sent) = tokio::join!(
        world.queues.receive(&queue, &wait),
        world.queues.receive(&queue, &wait),
        world.queues.receive(&queue, &wait),
        world.queues.send_batch(&queue, three, sender),
    );
    assert_eq!(sent.unwrap().len(), 3);
    let mut bodies: Vec<String> =
        [one, two, three].into_iter().map(|received| received.unwrap()[0].body.clone()).collect();
    bodies.sort();
    assert_eq!(bodies, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_goes_away_takes_nothing_with_it() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    let wait = Receive { wait_seconds: Some(20), ..Receive::default() };
    {
        let mut gone = Box::pin(world.queues.receive(&queue, &wait));
        tokio::select! {
            biased;
            _received = &mut gone => panic!("there is nothing to receive"),
            () = tokio::task::yield_now() => {}
        }
    }
    world.put(&queue, "a").await;
    assert_eq!(world.bodies(&queue).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_told_that_its_queue_is_gone_also_if_there_is_a_new_one() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    let wait = Receive { wait_seconds: Some(20), ..Receive::default() };
    let begin = tokio::time::Instant::now();
    let (received, ()) = tokio::join!(world.queues.receive(&queue, &wait), async {
        world.queues.delete(&queue).await.unwrap();
        world.create("q", &[]).await;
    });
    assert_eq!(code(received), "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(begin.elapsed().as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_a_receiver_that_does_not_wait_is_told_that_too_many_are_in_flight() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    world.put(&queue, "a").await;
    let lane = world.queues.queue(&queue).unwrap().lane();
    world.queues.flights.counted(&lane, quotas::IN_FLIGHT_MAX, Timestamp(START));
    assert_eq!(code(world.queues.receive(&queue, &Receive::default()).await), "OverLimit");
    let wait = Receive { wait_seconds: Some(1), ..Receive::default() };
    assert!(world.queues.receive(&queue, &wait).await.unwrap().is_empty());
    world.clock.pass(1_000);
    assert_eq!(world.bodies(&queue).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn receivers_do_not_wait_for_a_server_that_ends() {
    let world = World::new().await;
    let queue = world.create("q", &[("ReceiveMessageWaitTimeSeconds", "20")]).await;
    let begin = tokio::time::Instant::now();
    let receive = Receive::default();
    let (received, ()) =
        tokio::join!(world.queues.receive(&queue, &receive), async { world.queues.close() });
    assert!(received.unwrap().is_empty());
    assert_eq!(begin.elapsed().as_secs(), 0);
}

#[tokio::test]
async fn a_batch_tells_what_is_wrong_with_each_entry() {
    let world = World::new().await;
    let queue = world.create("q", &[("MaximumMessageSize", "1024")]).await;
    let late = NewMessage { delay_seconds: Some(901), ..message("late") };
    let messages =
        vec![message("a"), late, message("\0"), message(&"x".repeat(1025)), message("b")];
    let sender = Sender { account: &queue.scope.account, trace: None };
    let results = world.queues.send_batch(&queue, messages, sender).await.unwrap();
    let codes: Vec<&str> =
        results.iter().map(|one| one.as_ref().map_or_else(QueueError::code, |_| "")).collect();
    assert_eq!(
        codes,
        ["", "InvalidParameterValue", "InvalidMessageContents", "InvalidParameterValue", ""]
    );
    assert_eq!(world.bodies(&queue).await, ["a", "b"]);
    let large = vec![message(&"x".repeat(700_000)), message(&"x".repeat(348_577))];
    let error = world.queues.send_batch(&queue, large, sender).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes."
    );
    let fifo = world.create("q.fifo", FIFO).await;
    let ungrouped = world.queues.send_batch(&fifo, vec![message("a")], sender).await;
    let error = ungrouped.unwrap_err();
    assert_eq!(error.code(), "InvalidParameterValue");
    assert_eq!(error.to_string(), "The request must contain the parameter MessageGroupId.");
}

#[test]
fn ids_of_entries() {
    let eleven: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let long = "a".repeat(81);
    let check = |ids: &[&str]| check_batch(BatchKind::Delete, ids.iter().copied());
    assert!(check(&["a", "b-_1"]).is_ok());
    assert_eq!(
        check(&[]).unwrap_err().to_string(),
        "There should be at least one DeleteMessageBatchRequestEntry in the request."
    );
    assert_eq!(check(&["a", "b", "a"]).unwrap_err().to_string(), "Id a repeated.");
    for wrong in ["", " ", "a:b", long.as_str()] {
        assert_eq!(code(check(&[wrong])), "AWS.SimpleQueueService.InvalidBatchEntryId", "{wrong}");
    }
    let eleven = check_batch(BatchKind::Send, eleven.iter().map(String::as_str));
    assert_eq!(
        eleven.unwrap_err().to_string(),
        "Maximum number of entries per request are 10. You have sent 11."
    );
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    world.put(&queue, "before").await;
    world.engine.fill_up();
    assert_eq!(code(world.send(&queue, message("lost")).await), "InternalFailure");
    let arn = queue.to_string();
    let body = Bytes::from_static(b"lost");
    let sent = targets::Sent { arn: &arn, body: &body, trace: None };
    let failed = SendMessage::send(&*world.queues, sent, &QueueMessage::default()).await;
    assert!(matches!(failed, Err(NotTaken::Failed { .. })), "{failed:?}");
    world.engine.mend();
    assert_eq!(world.bodies(&queue).await, ["before"]);
}

#[tokio::test]
async fn deliveries_are_taken_or_refused_for_good() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    let send = async |arn: String, body: &'static [u8], message: QueueMessage| {
        let body = Bytes::from_static(body);
        let sent = targets::Sent { arn: &arn, body: &body, trace: Some("Root=1-2-3") };
        SendMessage::send(&*world.queues, sent, &message).await
    };
    let value = AttributeValue::Text("3".to_owned());
    let attribute = MessageAttribute { data_type: "Number".to_owned(), value };
    let attributes = BTreeMap::from([("count".to_owned(), attribute.clone())]);
    let whole = QueueMessage { attributes, ..QueueMessage::default() };
    send(queue.to_string(), b"event", whole).await.unwrap();
    let received = world.receive(&queue, 1).await.remove(0);
    assert_eq!(received.attributes["count"], attribute);
    assert_eq!(received.trace.as_deref(), Some("Root=1-2-3"));
    let fifo = world.create("q.fifo", FIFO).await;
    #[rustfmt::skip]
    let rows = [
        ("arn:aws:sqs:us-east-1:000000000000:none".to_owned(), &b"x"[..],    "AWS.SimpleQueueService.NonExistentQueue"),
        ("nonsense".to_owned(),                                &b"x"[..],    "InvalidAddress"),
        (queue.to_string(),                                    &b"\xff"[..], "InvalidMessageContents"),
        (fifo.to_string(),                                     &b"x"[..],    "MissingParameter"),
    ];
    for (arn, body, expected) in rows {
        let refused = send(arn, body, QueueMessage::default()).await.unwrap_err();
        assert!(
            matches!(&refused, NotTaken::Refused { code, .. } if code == expected),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn tags_and_permissions_are_kept() {
    let world = World::new().await;
    let queue = world.create("q", &[]).await;
    let tags = given(&[("team", "one"), ("empty", "")]);
    world.queues.tag(&queue, tags.clone()).await.unwrap();
    world.queues.untag(&queue, &["empty".to_owned(), "missing".to_owned()]).await.unwrap();
    assert_eq!(world.queues.queue(&queue).unwrap().tags, given(&[("team", "one")]));
    let reserved = world.queues.tag(&queue, given(&[("aws:x", "1")])).await;
    assert_eq!(code(reserved), "InvalidParameterValue");
    let permission = Permission {
        label: "label".to_owned(),
        accounts: vec!["111111111111".to_owned()],
        actions: vec!["SendMessage".to_owned()],
    };
    world.queues.add_permission(&queue, &permission).await.unwrap();
    let asked = ["Policy".to_owned()];
    let world = world.restarted().await;
    let shown = world.queues.attributes(&queue, &asked).await.unwrap();
    assert!(shown["Policy"].contains("SQS:SendMessage"), "{shown:?}");
    world.queues.remove_permission(&queue, "label").await.unwrap();
    assert_eq!(world.queues.attributes(&queue, &asked).await.unwrap(), Attributes::new());
    let unknown = world.queues.attributes(&queue, &["Nothing".to_owned()]).await;
    assert_eq!(unknown.unwrap_err().to_string(), "Unknown Attribute Nothing.");
}

#[tokio::test]
async fn messages_of_queues_that_another_server_may_have_are_left_alone() {
    for (sharing, left) in [(Sharing::Alone, 0), (Sharing::Shared, 1)] {
        let engine: Arc<MemoryQueue> = Arc::default();
        engine.set_sharing(sharing);
        let clock = StandingClock::at(Timestamp(START));
        let theirs = open(&Arc::default(), &engine, &clock).await;
        let name = named("theirs");
        theirs.create(&name, &given(&[]), BTreeMap::new()).await.unwrap();
        let sender = Sender { account: &name.scope.account, trace: None };
        theirs.send_message(&name, message("a"), sender).await.unwrap();
        // A server that does not know the queue.
        open(&Arc::default(), &engine, &clock).await;
        assert_eq!(engine.rows().len(), left, "{sharing:?}");
    }
}
