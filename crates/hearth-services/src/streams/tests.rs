//! The streams as a whole, on a disk, with a clock that stands still until it is moved.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hearth_store::sqlite::Sqlite;
use hearth_types::metrics::NoMetrics;
use hearth_types::names::{AccountId, Region, Scope};
use hearth_types::testing::StandingClock;
use tempfile::TempDir;

use super::*;

const START: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

/// Streams, and what they stand on.
struct World {
    directory: TempDir,
    clock: Arc<StandingClock>,
    streams: Arc<Streams>,
}

impl World {
    async fn new() -> Self {
        Self::limited(WriteLimits::default()).await
    }

    async fn limited(limits: WriteLimits) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = StandingClock::at(Timestamp(START));
        let streams = open(&directory, &clock, limits).await;
        Self { directory, clock, streams }
    }

    async fn restarted(self) -> Self {
        let Self { directory, clock, streams } = self;
        streams.close();
        drop(streams);
        let streams = open(&directory, &clock, WriteLimits::default()).await;
        Self { directory, clock, streams }
    }

    async fn create(&self, name: &str, shards: u32) -> StreamName {
        let name = named(name);
        let made = (Mode::Provisioned, Some(shards));
        self.streams.create(&name, made, (None, BTreeMap::new())).await.unwrap();
        name
    }

    async fn put(&self, name: &StreamName, key: &str, text: &str) -> Placed {
        self.streams.put_one(name, record(key, text)).await.unwrap()
    }

    async fn iterator(&self, name: &StreamName, shard: u32, start: Start) -> String {
        let shard = ShardId(shard).to_string();
        let asked = IteratorRequest { stream: name.clone(), shard, start };
        self.streams.iterator(&asked).await.unwrap()
    }

    async fn texts(&self, iterator: &str) -> Vec<String> {
        let read = self.streams.read_with(iterator, 100).await.unwrap();
        texts(&read.page)
    }
}

fn texts(page: &Page) -> Vec<String> {
    page.records.iter().map(|one| String::from_utf8(one.data.to_vec()).unwrap()).collect()
}

async fn open(
    directory: &TempDir,
    clock: &Arc<StandingClock>,
    limits: WriteLimits,
) -> Arc<Streams> {
    let store = Sqlite::open(&directory.path().join("hearth.db")).await.unwrap();
    let parts = Parts {
        records: Arc::new(store),
        directory: directory.path().join("streams"),
        clock: Arc::clone(clock) as _,
        metrics: Arc::new(NoMetrics),
        tasks: Tasks::default(),
        limits,
    };
    Streams::open(parts).await.unwrap()
}

fn named(name: &str) -> StreamName {
    let scope = Scope {
        account: AccountId::parse("000000000000").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
    };
    StreamName { scope, name: name.to_owned() }
}

fn record(key: &str, text: &str) -> NewRecord {
    let data = Bytes::from(text.to_owned());
    NewRecord { partition_key: key.to_owned(), explicit_hash_key: None, data }
}

#[tokio::test]
async fn records_survive_a_restart_and_keep_their_numbers() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    let first = world.put(&orders, "a", "one").await;
    let world = world.restarted().await;
    let second = world.put(&orders, "b", "two").await;
    assert!(second.sequence_number.to_string() > first.sequence_number.to_string());
    let number = first.sequence_number.to_string();
    #[rustfmt::skip]
    let rows = [
        (Start::TrimHorizon,                          vec!["one", "two"]),
        (Start::Latest,                               vec![]),
        (Start::At(number.clone()),                   vec!["one", "two"]),
        (Start::After(number),                        vec!["two"]),
        (Start::Timestamp(Timestamp(START)),          vec!["one", "two"]),
        (Start::Timestamp(Timestamp(0)),              vec!["one", "two"]),
    ];
    for (start, expected) in rows {
        let iterator = world.iterator(&orders, 0, start.clone()).await;
        assert_eq!(world.texts(&iterator).await, expected, "{start:?}");
    }
}

#[tokio::test]
async fn an_iterator_that_cannot_be_is_refused() {
    let world = World::new().await;
    let orders = world.create("orders", 2).await;
    let other = world.streams.put_one(
        &orders,
        NewRecord {
            explicit_hash_key: Some(u128::MAX.to_string()),
            ..record("a", "in the second shard")
        },
    );
    let other = other.await.unwrap();
    assert_eq!(other.shard, ShardId(1));
    let later = Timestamp(START + 1);
    #[rustfmt::skip]
    let rows = [
        ("orders", "shardId-000000000009", Start::Latest,                                  "ResourceNotFoundException"),
        ("nobody", "shardId-000000000000", Start::Latest,                                  "ResourceNotFoundException"),
        ("orders", "shardId-000000000000", Start::At("7".to_owned()),                      "InvalidArgumentException"),
        ("orders", "shardId-000000000000", Start::At(other.sequence_number.to_string()),   "InvalidArgumentException"),
        ("orders", "shardId-000000000000", Start::Timestamp(later),                        "InvalidArgumentException"),
    ];
    for (stream, shard, start, code) in rows {
        let asked = IteratorRequest { stream: named(stream), shard: shard.to_owned(), start };
        let refused = world.streams.iterator(&asked).await;
        assert_eq!(refused.unwrap_err().code(), code, "{asked:?}");
    }
}

#[tokio::test]
async fn a_key_keeps_its_order_while_its_shard_is_split() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    let latest = world.iterator(&orders, 0, Start::Latest).await;
    world.put(&orders, "a", "one").await;
    let half = (1_u128 << 127).to_string();
    world.streams.split(&orders, "shardId-000000000000", &half).await.unwrap();
    let placed = world.put(&orders, "a", "two").await;
    assert_ne!(placed.shard, ShardId(0));
    let read = world.streams.read_with(&latest, 100).await.unwrap();
    assert_eq!((texts(&read.page), read.next), (vec!["one".to_owned()], None));
    assert_eq!(read.stream.children_of(ShardId(0)).count(), 2);
    let iterator = world.iterator(&orders, placed.shard.0, Start::TrimHorizon).await;
    assert_eq!(world.texts(&iterator).await, ["two"]);
    world.streams.merge(&orders, ("shardId-000000000001", "shardId-000000000002")).await.unwrap();
    assert_eq!(world.put(&orders, "a", "three").await.shard, ShardId(3));
    let world = world.restarted().await;
    let closed = world.iterator(&orders, 0, Start::TrimHorizon).await;
    assert_eq!(world.streams.read_with(&closed, 100).await.unwrap().next, None);
}

#[tokio::test]
async fn records_that_come_while_shards_are_made_are_all_there() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    let tasks = Tasks::default();
    for writer in 0..4_u32 {
        let (streams, orders) = (Arc::clone(&world.streams), orders.clone());
        tasks.spawn("writer", async move {
            for number in 0..25_u32 {
                let key = format!("{writer}-{number}");
                streams.put_one(&orders, record(&key, &key)).await.unwrap();
            }
        });
    }
    for target in [2, 4, 2, 1] {
        world.streams.scale(&orders, target).await.unwrap();
        tokio::task::yield_now().await;
    }
    tasks.finished().await;
    let mut found = Vec::new();
    for shard in &world.streams.stream(&orders).unwrap().shards {
        let iterator = world.iterator(&orders, shard.id.0, Start::TrimHorizon).await;
        found.extend(world.texts(&iterator).await);
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 100);
}

#[tokio::test]
async fn what_is_too_old_is_gone_with_its_files() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    world.put(&orders, "a", "old").await;
    world.streams.split(&orders, "shardId-000000000000", "7").await.unwrap();
    world.clock.pass(24 * HOUR - 1);
    let iterator = world.iterator(&orders, 0, Start::TrimHorizon).await;
    assert_eq!(world.texts(&iterator).await, ["old"]);
    world.clock.pass(1);
    assert_eq!(world.texts(&iterator).await, [""; 0]);
    world.streams.drop_old().await;
    let stream = world.streams.stream(&orders).unwrap();
    assert_eq!(stream.shards.len(), 2, "the shard that was split is forgotten");
    let files = world.streams.directory_of(&stream, ShardId(0));
    assert!(!files.exists());
    world.streams.increase_retention(&orders, 48).await.unwrap();
    let refused = world.streams.decrease_retention(&orders, 23).await;
    assert_eq!(refused.unwrap_err().code(), "InvalidArgumentException");
}

#[tokio::test]
async fn a_stream_that_is_deleted_takes_everything_with_it() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    world.put(&orders, "a", "one").await;
    let iterator = world.iterator(&orders, 0, Start::TrimHorizon).await;
    let consumer =
        NewConsumer { stream: orders.clone(), name: "c".to_owned(), tags: BTreeMap::new() };
    world.streams.register(consumer).await.unwrap();
    let refused = world.streams.delete(&orders, WithConsumers::Refuse).await;
    assert_eq!(refused.unwrap_err().code(), "ResourceInUseException");
    let stale = world.streams.stream(&orders).unwrap();
    world.streams.delete(&orders, WithConsumers::Delete).await.unwrap();
    let gone = world.streams.read(&stale, &stale.shards[0], (Cursor::default(), 1, 1)).await;
    assert_eq!(gone.unwrap_err().code(), "ResourceNotFoundException");
    assert_eq!(world.streams.shards.lock().unwrap().len(), 0);
    let gone = world.streams.read_with(&iterator, 1).await;
    assert_eq!(gone.unwrap_err().code(), "ResourceNotFoundException");
    world.create("orders", 1).await;
    let another = world.streams.read_with(&iterator, 1).await;
    assert_eq!(another.unwrap_err().code(), "InvalidArgumentException");
    assert!(world.streams.consumer_named(&orders, "c").is_err());
    assert_eq!(std::fs::read_dir(world.directory.path().join("streams")).unwrap().count(), 0);
}

#[tokio::test]
async fn limits_refuse_single_records_for_the_rest_of_a_second() {
    let limits = WriteLimits { records_per_second: 2, bytes_per_second: 100 };
    let world = World::limited(limits).await;
    let orders = world.create("orders", 1).await;
    let put = async || {
        let records = [record("a", "1"), record("a", "2"), record("a", "3")];
        let outcomes = world.streams.put(&orders, &records).await.unwrap();
        outcomes
            .into_iter()
            .map(|one| one.map(|_| ()).map_err(|error| error.code()))
            .collect::<Vec<_>>()
    };
    let too_fast = Err("ProvisionedThroughputExceededException");
    assert_eq!(put().await, [Ok(()), Ok(()), too_fast]);
    world.clock.pass(999);
    assert_eq!(put().await, [too_fast; 3]);
    world.clock.pass(1);
    assert_eq!(put().await, [Ok(()), Ok(()), too_fast]);
}

#[tokio::test]
async fn records_that_are_too_large_are_refused_together() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    let megabyte = "x".repeat(1024 * 1024);
    let put = async |records: &[NewRecord]| {
        world
            .streams
            .put(&orders, records)
            .await
            .map(|done| done.len())
            .map_err(|error| error.code())
    };
    assert_eq!(put(&[record("a", &megabyte)]).await, Err("InvalidArgumentException"));
    let fits = record("a", &megabyte[1..]);
    assert_eq!(put(&vec![fits.clone(); 10]).await, Ok(10));
    assert_eq!(put(&vec![fits; 11]).await, Err("InvalidArgumentException"));
    world.streams.set_record_kib_max(&orders, 2_048).await.unwrap();
    assert_eq!(put(&[record("a", &megabyte)]).await, Ok(1));
}

#[tokio::test]
async fn a_subscriber_is_pushed_what_comes_until_another_one_takes_his_place() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    let new = NewConsumer { stream: orders.clone(), name: "c".to_owned(), tags: BTreeMap::new() };
    let consumer = world.streams.register(new).await.unwrap().full_name();
    let shard = ShardId(0).to_string();
    world.put(&orders, "a", "one").await;
    let subscribe = async || world.streams.subscribe(&consumer, &shard, &Start::TrimHorizon).await;
    let mut first = subscribe().await.unwrap();
    assert_eq!(texts(&first.next().await.unwrap().unwrap().page), ["one"]);
    let (pushed, placed) = tokio::join!(first.next(), world.put(&orders, "a", "two"));
    let pushed = pushed.unwrap().unwrap();
    assert_eq!(texts(&pushed.page), ["two"]);
    assert_eq!(pushed.continued, Some(placed.sequence_number.to_string()));
    assert_eq!(subscribe().await.unwrap_err().code(), "ResourceInUseException");
    world.clock.pass(5_000);
    let mut second = subscribe().await.unwrap();
    assert_eq!(first.next().await.unwrap_err().code(), "ResourceInUseException");
    assert_eq!(texts(&second.next().await.unwrap().unwrap().page), ["one", "two"]);
    world.streams.split(&orders, &shard, "7").await.unwrap();
    let last = second.next().await.unwrap().unwrap();
    assert_eq!((last.page.records.len(), last.children.len()), (0, 2));
    assert_eq!(last.continued, None);
    assert_eq!(second.next().await.unwrap(), None);
    world.clock.pass(5_000);
    let mut third = subscribe().await.unwrap();
    let records = third.next().await.unwrap().unwrap();
    assert_eq!((records.page.records.len(), records.children.len()), (2, 0));
    assert!(records.continued.is_some(), "records come before the end");
    assert_eq!(third.next().await.unwrap().unwrap().children.len(), 2);
    assert_eq!(third.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_subscriber_hears_something_also_when_nothing_comes_and_not_for_ever() {
    let world = World::new().await;
    let orders = world.create("orders", 1).await;
    let new = NewConsumer { stream: orders, name: "c".to_owned(), tags: BTreeMap::new() };
    let consumer = world.streams.register(new).await.unwrap().full_name();
    let shard = ShardId(0).to_string();
    tokio::time::pause();
    let begin = tokio::time::Instant::now();
    let mut subscribed = world.streams.subscribe(&consumer, &shard, &Start::Latest).await.unwrap();
    let mut heard = 0;
    while let Some(pushed) = subscribed.next().await.unwrap() {
        assert!(pushed.page.records.is_empty());
        heard += 1;
    }
    assert!((58..=60).contains(&heard), "{heard}");
    assert!(begin.elapsed() >= Duration::from_secs(300));
}

#[tokio::test]
async fn a_record_that_cannot_be_written_does_not_fail_the_others() {
    let world = World::new().await;
    let orders = world.create("orders", 2).await;
    let stream = world.streams.stream(&orders).unwrap();
    // Where its directory is to be is a file, so the log of the second shard cannot be made.
    let blocked = world.streams.directory_of(&stream, ShardId(1));
    std::fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    std::fs::write(&blocked, b"").unwrap();
    let records = ["0".to_owned(), u128::MAX.to_string()]
        .map(|hash_key| NewRecord { explicit_hash_key: Some(hash_key), ..record("a", "one") });
    let outcomes = world.streams.put(&orders, &records).await.unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap().shard, ShardId(0));
    assert_eq!(outcomes[1].as_ref().unwrap_err().code(), "InternalFailure");
    let merged = ("shardId-000000000000", "shardId-000000000001");
    world.streams.merge(&orders, merged).await.unwrap();
    let iterator = world.iterator(&orders, 0, Start::TrimHorizon).await;
    let read = world.streams.read_with(&iterator, 10).await.unwrap();
    assert_eq!((texts(&read.page), read.next), (vec!["one".to_owned()], None));
}
