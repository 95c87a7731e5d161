//! What is told of changes, and that it is told whenever the process is killed.

use hearth_store::queue::memory::MemoryQueue;
use hearth_store::shelf::Write;
use serde_json::Value;

use super::*;
use crate::delivery::LANE_KIND;
use crate::limits::{OUTBOX_ROWS_MAX, OUTBOX_ROWS_OF_MOVE_MAX};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

fn told(prefix: &str) -> NotificationConfiguration {
    let events =
        ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"].map(|name| EventPattern::parse(name).unwrap());
    let notification = Notification {
        id: "one".to_owned(),
        destination: Destination::Function(FUNCTION.to_owned()),
        events: events.to_vec(),
        filter: KeyFilter { prefix: Some(prefix.to_owned()), suffix: None },
    };
    NotificationConfiguration { notifications: vec![notification], to_event_bus: false }
}

/// Moves what is in the outbox, and ends.
async fn moved(buckets: &Buckets, queue: &MemoryQueue) {
    buckets.close();
    buckets.outbox.run(queue, &SystemClock).await;
}

/// The names and keys of the events that are on their way.
fn events(queue: &MemoryQueue) -> Vec<(String, String)> {
    let rows = queue.of_kind(LANE_KIND);
    let read = rows.iter().map(|row| {
        let body: Value = serde_json::from_slice(&row.body).unwrap();
        let record = &body["Records"][0];
        let text = |pointer: &str| record.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        (text("/eventName"), text("/s3/object/key"))
    });
    read.collect()
}

async fn left(buckets: &Buckets) -> usize {
    buckets.shelf.notes(usize::MAX).await.unwrap().len()
}

#[tokio::test]
async fn what_was_answered_is_told_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set_notifications("bucket", told("in/")).await.unwrap();
    put(&buckets, "in/a", b"one").await;
    put(&buckets, "in/b", b"two").await;
    // Killed: nobody has moved anything.
    assert_eq!(left(&buckets).await, 2);
    buckets.finish().await;
    drop(buckets);
    store.close().await;

    let (buckets, _store) = open(directory.path()).await;
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    let names: Vec<String> = events(&queue).into_iter().map(|(_, key)| key).collect();
    assert_eq!(names, ["in/a", "in/b"]);
    assert_eq!(left(&buckets).await, 0);
    moved(&buckets, &queue).await;
    assert_eq!(events(&queue).len(), 2);
}

#[tokio::test]
async fn a_row_whose_removal_is_lost_in_a_crash_is_told_twice_and_not_less() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set_notifications("bucket", told("")).await.unwrap();
    put(&buckets, "a", b"one").await;
    let rows = buckets.shelf.notes(10).await.unwrap();
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    assert_eq!((events(&queue).len(), left(&buckets).await), (1, 0));
    let lost = rows.into_iter().map(|(id, document)| Write::PutNote(id, document));
    buckets.shelf.apply(lost.collect()).await.unwrap();
    buckets.finish().await;
    store.close().await;

    let (buckets, _store) = open(directory.path()).await;
    moved(&buckets, &queue).await;
    assert_eq!((events(&queue).len(), left(&buckets).await), (2, 0));
}

#[tokio::test]
async fn a_change_that_fails_is_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set_notifications("bucket", told("")).await.unwrap();
    put(&buckets, "a", b"one").await;
    // The store refuses everything.
    buckets.finish().await;
    let second = content(&buckets, b"two").await;
    assert_eq!(code(buckets.put(put_of("a"), second).await), "InternalError");
    let deleted = buckets.delete_object(&name("a"), &Condition::None, &Occasion::default()).await;
    assert_eq!(code(deleted), "InternalError");
    store.close().await;

    let (buckets, _store) = open(directory.path()).await;
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    assert_eq!(events(&queue), [("ObjectCreated:Put".to_owned(), "a".to_owned())]);
    assert_eq!(get(&buckets, &name("a")).await.unwrap(), b"one");
}

#[tokio::test]
async fn while_the_queue_is_away_it_waits() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_notifications("bucket", told("")).await.unwrap();
    let queue = MemoryQueue::default();
    queue.break_down();
    put(&buckets, "a", b"one").await;
    moved(&buckets, &queue).await;
    put(&buckets, "b", b"two").await;
    assert_eq!((events(&queue).len(), left(&buckets).await), (0, 2));
    queue.mend();
    moved(&buckets, &queue).await;
    assert_eq!((events(&queue).len(), left(&buckets).await), (2, 0));
}

#[tokio::test]
async fn of_what_nobody_wants_to_know_there_is_no_row() {
    let (_directory, buckets) = with_bucket().await;
    put(&buckets, "in/a", b"one").await;
    buckets.set_notifications("bucket", told("in/")).await.unwrap();
    put(&buckets, "out/a", b"one").await;
    assert_eq!(left(&buckets).await, 0);
    put(&buckets, "in/a", b"one").await;
    assert_eq!(left(&buckets).await, 1);
    buckets.set_notifications("bucket", NotificationConfiguration::default()).await.unwrap();
    put(&buckets, "in/b", b"one").await;
    assert_eq!(left(&buckets).await, 1);
}

#[tokio::test]
async fn each_operation_is_told_by_its_name() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_notifications("bucket", told("")).await.unwrap();
    put(&buckets, "a", b"one").await;
    let form = Put { kind: EventKind::Post, ..put_of("form") };
    buckets.put(form, content(&buckets, b"one").await).await.unwrap();
    copy(&buckets, "a", "b").await.unwrap();
    let upload = upload(&buckets, "c").await;
    let part = put_part(&buckets, &upload, (1, b"part")).await;
    let complete = Complete { parts: vec![part], ..Complete::default() };
    buckets.complete_upload(&upload, complete.clone()).await.unwrap();
    buckets.complete_upload(&upload, complete).await.unwrap();
    delete(&buckets, &name("a")).await;
    delete(&buckets, &name("never there")).await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let marker = delete(&buckets, &name("b")).await.version.unwrap();
    delete(&buckets, &version("b", &marker)).await;
    delete(&buckets, &version("b", "never there")).await;
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    let expected = [
        ("ObjectCreated:Put", "a"),
        ("ObjectCreated:Post", "form"),
        ("ObjectCreated:Copy", "b"),
        ("ObjectCreated:CompleteMultipartUpload", "c"),
        ("ObjectRemoved:Delete", "a"),
        ("ObjectRemoved:DeleteMarkerCreated", "b"),
        ("ObjectRemoved:Delete", "b"),
    ];
    let expected = expected.map(|(name, key)| (name.to_owned(), key.to_owned()));
    assert_eq!(events(&queue), expected);
}

#[tokio::test]
async fn a_bucket_that_is_made_again_notifies_nobody() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_notifications("bucket", told("")).await.unwrap();
    assert_eq!(buckets.notifications("bucket").unwrap(), told(""));
    buckets.delete("bucket").await.unwrap();
    assert_eq!(code(buckets.notifications("bucket")), "NoSuchBucket");
    assert_eq!(code(buckets.set_notifications("bucket", told("")).await), "NoSuchBucket");
    buckets.create(&here(), "bucket").await.unwrap();
    assert!(buckets.notifications("bucket").unwrap().is_empty());
}

#[tokio::test]
async fn what_memory_does_not_hold_is_read_from_the_store() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_notifications("bucket", told("")).await.unwrap();
    put(&buckets, "a", b"one").await;
    let (_id, document) = buckets.shelf.notes(1).await.unwrap().remove(0);
    // As if as many others had been put while the queue was away.
    let others = OUTBOX_ROWS_MAX + OUTBOX_ROWS_OF_MOVE_MAX;
    let copies = (1..).take(others).map(|id| Write::PutNote(id, document.clone()));
    buckets.shelf.apply(copies.collect()).await.unwrap();
    let odd = Write::PutNote(0, "{\"of\":\"a newer version\"}".to_owned());
    buckets.shelf.apply(vec![odd]).await.unwrap();
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    assert_eq!(events(&queue).len(), others + 1);
    // What is not understood stays, for a version that does.
    assert_eq!(left(&buckets).await, 1);
}
