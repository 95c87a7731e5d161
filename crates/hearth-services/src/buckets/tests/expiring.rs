//! What expires, on a clock that the test moves.

use hearth_types::testing::StandingClock;

use super::lifecycle::{Expiration, LifecycleRule, NoncurrentExpiration, RuleFilter, RuleStatus};
use super::*;

const DAY: u64 = 24 * 60 * 60 * 1_000;

/// When the day of that number begins.
fn day(number: u64) -> Timestamp {
    Timestamp(number * DAY)
}

async fn on_day_zero(rules: Vec<LifecycleRule>) -> (TempDir, Buckets, Arc<StandingClock>) {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
    let clock = StandingClock::at(Timestamp(0));
    let place = directory.path().join("buckets");
    let buckets = Buckets::open_at(place, Arc::new(store), Arc::clone(&clock) as _).await.unwrap();
    buckets.create(&here(), "bucket").await.unwrap();
    buckets.set("bucket", |settings| settings.lifecycle = rules).await.unwrap();
    (directory, buckets, clock)
}

fn rule(id: &str, prefix: &str) -> LifecycleRule {
    LifecycleRule {
        id: id.to_owned(),
        status: RuleStatus::Enabled,
        filter: RuleFilter { prefix: Some(prefix.to_owned()), ..RuleFilter::default() },
        ..LifecycleRule::default()
    }
}

async fn keys(buckets: &Buckets) -> Vec<String> {
    let list = List { items_max: 1_000, ..List::default() };
    let listing = buckets.list_objects("bucket", &list).await.unwrap();
    listing.objects.into_iter().map(|found| found.key).collect()
}

async fn versions(buckets: &Buckets) -> usize {
    let list = List { items_max: 1_000, ..List::default() };
    buckets.list_versions("bucket", &list).await.unwrap().versions.len()
}

#[tokio::test]
async fn objects_expire_by_days_and_only_those_of_the_rule() {
    let days = LifecycleRule { expiration: Some(Expiration::Days(2)), ..rule("r", "tmp/") };
    let (directory, buckets, clock) = on_day_zero(vec![days]).await;
    put(&buckets, "tmp/a", &large(1)).await;
    put(&buckets, "kept", b"x").await;
    clock.set(day(1));
    put(&buckets, "tmp/b", b"x").await;
    let expires = buckets.find(&name("tmp/b")).await.unwrap().expires;
    assert_eq!(expires, Some((Timestamp(3 * DAY), "r".to_owned())));
    assert_eq!(buckets.expire().await.unwrap(), 0);
    clock.set(day(2));
    assert_eq!(buckets.expire().await.unwrap(), 1);
    assert_eq!(keys(&buckets).await, ["kept", "tmp/b"]);
    assert_eq!(files(directory.path()), 0);
    clock.set(day(3));
    assert_eq!(buckets.expire().await.unwrap(), 1);
    assert_eq!(buckets.expire().await.unwrap(), 0);
    assert_eq!(keys(&buckets).await, ["kept"]);
}

#[tokio::test]
async fn with_versions_an_object_is_hidden_then_removed_then_its_marker() {
    let rules = vec![LifecycleRule {
        expiration: Some(Expiration::Days(1)),
        noncurrent: Some(NoncurrentExpiration { days: 1, newer_versions: None }),
        ..rule("r", "")
    }];
    let (_directory, buckets, clock) = on_day_zero(rules).await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    put(&buckets, "key", b"old").await;
    put(&buckets, "key", b"new").await;
    clock.set(day(1));
    // The old one is noncurrent for a day, and the new one is a day old.
    assert_eq!(buckets.expire().await.unwrap(), 2);
    assert_eq!((keys(&buckets).await.len(), versions(&buckets).await), (0, 2));
    clock.set(day(2));
    assert_eq!(buckets.expire().await.unwrap(), 1);
    assert_eq!(versions(&buckets).await, 1);
    assert_eq!(buckets.expire().await.unwrap(), 1);
    assert_eq!(versions(&buckets).await, 0);
}

#[tokio::test]
async fn so_many_noncurrent_versions_are_left_over_many_batches() {
    let noncurrent = Some(NoncurrentExpiration { days: 1, newer_versions: Some(3) });
    let rules = vec![LifecycleRule { noncurrent, ..rule("r", "") }];
    let (_directory, buckets, clock) = on_day_zero(rules).await;
    buckets.set_versioning("bucket", Versioning::Enabled).await.unwrap();
    let count = crate::limits::EXPIRY_ITEMS + 20;
    for number in 0..count {
        put(&buckets, "key", number.to_string().as_bytes()).await;
    }
    put(&buckets, "other", b"x").await;
    clock.set(day(2));
    assert_eq!(buckets.expire().await.unwrap(), count - 4);
    assert_eq!(versions(&buckets).await, 5);
    let newest = (count - 1).to_string();
    assert_eq!(get(&buckets, &name("key")).await.unwrap(), newest.as_bytes());
}

#[tokio::test]
async fn what_expires_is_told() {
    let days = LifecycleRule { expiration: Some(Expiration::Days(1)), ..rule("r", "") };
    let (_directory, buckets, clock) = on_day_zero(vec![days]).await;
    let notification = Notification {
        id: "one".to_owned(),
        destination: Destination::Function(
            "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        ),
        events: vec![EventPattern::parse("s3:LifecycleExpiration:*").unwrap()],
        filter: KeyFilter::default(),
    };
    let told = NotificationConfiguration { notifications: vec![notification], to_event_bus: false };
    buckets.set_notifications("bucket", told).await.unwrap();
    put(&buckets, "key", b"x").await;
    clock.set(day(1));
    buckets.expire().await.unwrap();
    let notes = buckets.shelf.notes(10).await.unwrap();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].1.contains("LifecycleExpiration:Delete"), "{notes:?}");
}

#[tokio::test]
async fn uploads_are_forgotten_by_a_rule_or_after_a_week() {
    let abort = LifecycleRule { abort_days: Some(2), ..rule("r", "soon/") };
    let (directory, buckets, clock) = on_day_zero(vec![abort]).await;
    for key in ["soon/a", "late"] {
        let begun = upload(&buckets, key).await;
        put_part(&buckets, &begun, (1, b"part")).await;
    }
    clock.set(day(1));
    assert_eq!(buckets.expire().await.unwrap(), 0);
    clock.set(day(2));
    assert_eq!(buckets.expire().await.unwrap(), 1);
    assert_eq!(files(directory.path()), 1);
    clock.set(day(crate::limits::UPLOAD_DAYS_MAX));
    assert_eq!(buckets.expire().await.unwrap(), 1);
    assert_eq!(files(directory.path()), 0);
}

#[tokio::test]
async fn new_rules_are_followed_at_once_and_closing_ends_it() {
    let (_directory, buckets, _clock) = on_day_zero(Vec::new()).await;
    put(&buckets, "key", b"x").await;
    let buckets = Arc::new(buckets);
    let tasks = Tasks::default();
    buckets.start_expiring(&tasks);
    let past = Expiration::Date(Timestamp(0));
    let rules = vec![LifecycleRule { expiration: Some(past), ..rule("r", "") }];
    buckets.set("bucket", |settings| settings.lifecycle = rules).await.unwrap();
    // Its pause is an hour; it was woken.
    while !keys(&buckets).await.is_empty() {
        tokio::task::yield_now().await;
    }
    buckets.close();
    tasks.finished().await;
}
