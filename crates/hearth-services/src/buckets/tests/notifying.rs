//! What is told of changes, and that it is told whenever the process is killed.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use hearth_store::queue::memory::MemoryQueue;
use hearth_store::records::{Change, Record, RecordKey};
use serde_json::Value;

use super::*;
use crate::delivery::LANE_KIND;
use crate::limits::{OUTBOX_ROWS_MAX, OUTBOX_ROWS_OF_MOVE_MAX};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const OUTBOX: &str = "bucket-outbox";

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

async fn left(store: &impl Records) -> usize {
    store.all(OUTBOX).await.unwrap().len()
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
    drop(buckets);
    assert_eq!(left(&store).await, 2);
    store.close().await;

    let (buckets, store) = open(directory.path()).await;
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    let names: Vec<String> = events(&queue).into_iter().map(|(_, key)| key).collect();
    assert_eq!(names, ["in/a", "in/b"]);
    assert_eq!(left(&store).await, 0);
    moved(&buckets, &queue).await;
    assert_eq!(events(&queue).len(), 2);
}

#[tokio::test]
async fn a_row_whose_removal_is_lost_in_a_crash_is_told_twice_and_not_less() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
    let records = Arc::new(Faulty { store: store.clone(), is_broken: AtomicBool::new(false) });
    let own = || Arc::clone(&records) as Arc<dyn Records>;
    let buckets = Buckets::open(directory.path().join("buckets"), own()).await.unwrap();
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set_notifications("bucket", told("")).await.unwrap();
    put(&buckets, "a", b"one").await;
    let queue = MemoryQueue::default();
    records.is_broken.store(true, Ordering::Release);
    moved(&buckets, &queue).await;
    records.is_broken.store(false, Ordering::Release);
    assert_eq!((events(&queue).len(), left(&store).await), (1, 1));
    drop(buckets);

    let buckets = Buckets::open(directory.path().join("buckets"), own()).await.unwrap();
    moved(&buckets, &queue).await;
    assert_eq!((events(&queue).len(), left(&store).await), (2, 0));
}

#[tokio::test]
async fn a_change_that_fails_is_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
    let records = Arc::new(Faulty { store: store.clone(), is_broken: AtomicBool::new(false) });
    let own = Arc::clone(&records) as Arc<dyn Records>;
    let buckets = Buckets::open(directory.path().join("buckets"), own).await.unwrap();
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set_notifications("bucket", told("")).await.unwrap();
    put(&buckets, "a", b"one").await;
    records.is_broken.store(true, Ordering::Release);
    let second = content(&buckets, b"two").await;
    assert_eq!(code(buckets.put(put_of("a"), second).await), "InternalError");
    let deleted = buckets.delete_object(&name("a"), &Occasion::default()).await;
    assert_eq!(code(deleted), "InternalError");
    records.is_broken.store(false, Ordering::Release);
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    assert_eq!(events(&queue), [("ObjectCreated:Put".to_owned(), "a".to_owned())]);
    assert_eq!(get(&buckets, &name("a")).await.unwrap(), b"one");
}

#[tokio::test]
async fn while_the_queue_is_away_it_waits() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set_notifications("bucket", told("")).await.unwrap();
    let queue = MemoryQueue::default();
    queue.break_down();
    put(&buckets, "a", b"one").await;
    moved(&buckets, &queue).await;
    put(&buckets, "b", b"two").await;
    assert_eq!((events(&queue).len(), left(&store).await), (0, 2));
    queue.mend();
    moved(&buckets, &queue).await;
    assert_eq!((events(&queue).len(), left(&store).await), (2, 0));
}

#[tokio::test]
async fn of_what_nobody_wants_to_know_there_is_no_row() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    put(&buckets, "in/a", b"one").await;
    buckets.set_notifications("bucket", told("in/")).await.unwrap();
    put(&buckets, "out/a", b"one").await;
    assert_eq!(left(&store).await, 0);
    put(&buckets, "in/a", b"one").await;
    assert_eq!(left(&store).await, 1);
    buckets.set_notifications("bucket", NotificationConfiguration::default()).await.unwrap();
    put(&buckets, "in/b", b"one").await;
    assert_eq!(left(&store).await, 1);
}

#[tokio::test]
async fn each_operation_is_told_by_its_name() {
    let (_directory, buckets) = with_bucket().await;
    buckets.set_notifications("bucket", told("")).await.unwrap();
    let nobody = Occasion::default();
    put(&buckets, "a", b"one").await;
    let form = Put { kind: EventKind::Post, ..put_of("form") };
    buckets.put(form, content(&buckets, b"one").await).await.unwrap();
    buckets.copy(&source("a"), put_of("b"), None).await.unwrap();
    let id = buckets.create_upload("bucket", "c", Metadata::default()).await.unwrap();
    let upload = UploadName { bucket: "bucket".to_owned(), key: "c".to_owned(), id };
    let part = buckets.put_part(&upload, 1, content(&buckets, b"part").await).await.unwrap();
    let complete = Complete { parts: vec![(1, part.etag.clone())], ..Complete::default() };
    buckets.complete_upload(&upload, complete.clone()).await.unwrap();
    buckets.complete_upload(&upload, complete).await.unwrap();
    buckets.delete_object(&name("a"), &nobody).await.unwrap();
    buckets.delete_object(&name("never there"), &nobody).await.unwrap();
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let marker = buckets.delete_object(&name("b"), &nobody).await.unwrap().version.unwrap();
    buckets.delete_object(&version("b", &marker), &nobody).await.unwrap();
    buckets.delete_object(&version("b", "never there"), &nobody).await.unwrap();
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
    let directory = tempfile::tempdir().unwrap();
    let (buckets, store) = open(directory.path()).await;
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set_notifications("bucket", told("")).await.unwrap();
    put(&buckets, "a", b"one").await;
    let row = store.all(OUTBOX).await.unwrap().remove(0);
    // As if as many others had been put while the queue was away.
    let others = OUTBOX_ROWS_MAX + OUTBOX_ROWS_OF_MOVE_MAX;
    let copies: Vec<Change> = (0..others)
        .map(|number| Change::Put {
            key: RecordKey { kind: OUTBOX, scope: here(), name: format!("{number:016X}") },
            document: row.document.clone(),
        })
        .collect();
    store.apply(&copies).await.unwrap();
    let odd = RecordKey { kind: OUTBOX, scope: here(), name: "0".repeat(15) };
    store.put(&odd, "{\"of\":\"a newer version\"}").await.unwrap();
    let queue = MemoryQueue::default();
    moved(&buckets, &queue).await;
    assert_eq!(events(&queue).len(), others + 1);
    // What is not understood stays, for a version that does.
    assert_eq!(left(&store).await, 1);
}

/// A store that can be broken: several changes fail together.
#[derive(Debug)]
struct Faulty {
    store: Sqlite,
    is_broken: AtomicBool,
}

#[async_trait]
impl Records for Faulty {
    async fn put(&self, key: &RecordKey, document: &str) -> Result<(), StoreError> {
        self.store.put(key, document).await
    }

    async fn remove(&self, key: &RecordKey) -> Result<(), StoreError> {
        self.store.remove(key).await
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        if self.is_broken.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        self.store.apply(changes).await
    }

    async fn all(&self, kind: &'static str) -> Result<Vec<Record>, StoreError> {
        self.store.all(kind).await
    }

    async fn first(&self, kind: &'static str, items: usize) -> Result<Vec<Record>, StoreError> {
        self.store.first(kind, items).await
    }
}
