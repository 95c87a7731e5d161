//! Streams that are deleted and made again: the second has the name of the first, and those of its
//! shards, but none of its records.

use hearth_store::queue::Lane;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_made_again_while_nobody_read_it_is_read_from_its_beginning() {
    let world = World::new(&["a"]);
    world.stream.put("a", 1..=3);
    world.stream.split("a", &["b"]);
    let reading = world.read(configuration());
    pass(10).await;
    assert_eq!(world.function.numbers(), [1, 2, 3]);
    reading.stop().await;
    pass(1).await;
    world.stream.remake("a");
    // Numbers that the first stream has had.
    world.stream.put("a", 2..=5);
    let reading = world.read(configuration());
    pass(10).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 2, 3, 4, 5]);
    assert_eq!(world.lanes().await.len(), 1, "of the first nothing is known any more");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_the_stream_before_leaves_the_new_one_alone() {
    let world = World::new(&["a"]);
    world.function.takes(Duration::from_secs(20));
    world.stream.put("a", 1..=3);
    let reading = world.read(configuration());
    pass(1).await;
    world.stream.fail(Some(SourceError::Gone("deleted".to_owned())));
    world.stream.reshaped.notify_one();
    assert_eq!(reading.ended.await.unwrap(), Ended::Unreadable("deleted".to_owned()));
    drop(reading.stopper);
    world.stream.remake("a");
    world.function.takes(Duration::ZERO);
    world.stream.put("a", 2..=5);
    let reading = world.read(configuration());
    pass(1).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 2, 3, 4, 5]);
    assert_eq!(world.lanes().await.len(), 2, "what is running is waited for");
    pass(60).await;
    world.stream.put("a", 6..=7);
    pass(1).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 2, 3, 4, 5, 6, 7]);
    assert_eq!(world.lanes().await.len(), 1);
    reading.stop().await;
}

impl World {
    async fn lanes(&self) -> Vec<Lane> {
        self.queue.lanes(crate::lease::LANE_KIND, None, 100).await.unwrap()
    }
}
