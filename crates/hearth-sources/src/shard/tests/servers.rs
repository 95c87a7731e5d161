//! Two servers that share a store: each shard has one reader, and one that cannot reach the store any
//! more is followed by the other.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth_store::error::StoreError;
use hearth_store::queue::signals::Signals;
use hearth_store::queue::{
    Applied, Ask, Batch, Counts, EntryId, Lane, Leased, Page as Entries, Seen as SeenEntry, Sharing,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_shard_is_taken_over_within_ten_seconds_and_whoever_lost_it_keeps_nothing() {
    let (first, second, way) = servers();
    let configuration = Configuration { batch_size: 2, ..configuration() };
    let of_first = first.read(configuration.clone());
    pass(1).await;
    let of_second = second.read(configuration);
    first.stream.put("a", 1..=2);
    pass(5).await;
    first.function.takes(Duration::from_secs(3));
    first.stream.put("a", 3..=6);
    pass(1).await;
    assert_eq!(first.function.numbers(), [1, 2, 3, 4]);
    assert_eq!(second.function.numbers(), [] as [u64; 0], "one server has the shard");

    way.cut();
    pass(10).await;
    assert_eq!(first.function.numbers(), [1, 2, 3, 4], "what was done is not saved");
    assert_eq!(second.function.numbers(), [3, 4, 5, 6], "the batch in flight is repeated");
    way.mend();
    pass(60).await;
    assert_eq!(second.seen_at("a"), "6");
    assert!(!of_first.seen().positions.contains_key("a"), "it has found out");
    first.stream.put("a", 7..=8);
    pass(10).await;
    assert_eq!(first.function.numbers(), [1, 2, 3, 4]);
    assert_eq!(second.function.numbers(), [3, 4, 5, 6, 7, 8]);
    assert_eq!(second.seen_at("a"), "8");
    of_first.stop().await;
    of_second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_extend_a_lease_begins_no_batch_behind_its_end() {
    let (first, second, way) = servers();
    first.function.poison(&[1]);
    first.stream.put("a", 1..=3);
    let of_first = first.read(configuration());
    pass(1).await;
    let of_second = second.read(configuration());
    way.cut();
    pass(10).await;
    assert_eq!(second.function.numbers(), [1, 2, 3]);
    // Its batch has failed and would be run again; that would come behind what the other has run.
    let runs = first.function.numbers().len();
    pass(300).await;
    assert_eq!(first.function.numbers().len(), runs);
    way.mend();
    pass(60).await;
    assert_eq!(first.function.numbers().len(), runs);
    of_first.stop().await;
    of_second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_let_go_of_is_read_by_the_other_server_at_once() {
    let (first, second, _way) = servers();
    let of_first = first.read(configuration());
    pass(1).await;
    let of_second = second.read(configuration());
    first.stream.put("a", 1..=3);
    pass(1).await;
    of_first.stop().await;
    pass(1).await;
    first.stream.put("a", 4..=4);
    pass(1).await;
    assert_eq!(first.function.numbers(), [1, 2, 3]);
    assert_eq!(second.function.numbers(), [4]);
    of_second.stop().await;
}

/// Two servers, and the way from the first of them to the store.
fn servers() -> (World, World, Arc<Way>) {
    let second = World::new(&["a"]);
    second.queue.set_sharing(Sharing::Shared);
    let queue = Arc::clone(&second.queue);
    let way = Arc::new(Way { queue: Arc::clone(&queue), is_cut: AtomicBool::new(false) });
    let store = Arc::clone(&way) as Arc<dyn Queue>;
    let first = World::server(Arc::clone(&second.stream), queue, store);
    (first, second, way)
}

impl World {
    /// Up to where a shard was read, as this server shows it.
    fn seen_at(&self, shard: &str) -> String {
        self.book.of(&self.id, "f").seen().positions[shard].clone()
    }
}

/// The way to a store, which may be cut.
#[derive(Debug)]
struct Way {
    queue: Arc<MemoryQueue>,
    is_cut: AtomicBool,
}

impl Way {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }

    fn queue(&self) -> Result<&MemoryQueue, StoreError> {
        if self.is_cut.load(Ordering::Relaxed) {
            let source = ErrorKind::ConnectionReset.into();
            return Err(StoreError::File { operation: "reach the queue", source });
        }
        Ok(&self.queue)
    }
}

#[async_trait]
impl Queue for Way {
    async fn apply(&self, batch: Batch, now: Timestamp) -> Result<Applied, StoreError> {
        self.queue()?.apply(batch, now).await
    }

    async fn lease(&self, ask: Ask<'_>, now: Timestamp) -> Result<Vec<Leased>, StoreError> {
        self.queue()?.lease(ask, now).await
    }

    async fn next_due(&self, lane: &Lane) -> Result<Option<Timestamp>, StoreError> {
        self.queue()?.next_due(lane).await
    }

    async fn lanes(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        self.queue()?.lanes(kind, after, items).await
    }

    async fn dues(
        &self,
        kind: &'static str,
        after: Option<&str>,
        items: usize,
    ) -> Result<Vec<(Lane, Timestamp)>, StoreError> {
        self.queue()?.dues(kind, after, items).await
    }

    async fn counts(&self, lane: &Lane, now: Timestamp) -> Result<Counts, StoreError> {
        self.queue()?.counts(lane, now).await
    }

    async fn page(&self, page: Entries<'_>, now: Timestamp) -> Result<Vec<SeenEntry>, StoreError> {
        self.queue()?.page(page, now).await
    }

    async fn body(&self, lane: &Lane, id: EntryId) -> Result<Option<Bytes>, StoreError> {
        self.queue()?.body(lane, id).await
    }

    async fn purge(&self, lane: &Lane, put_before: Timestamp) -> Result<u64, StoreError> {
        self.queue()?.purge(lane, put_before).await
    }

    fn signals(&self) -> &Signals {
        self.queue.signals()
    }

    fn sharing(&self) -> Sharing {
        self.queue.sharing()
    }
}
