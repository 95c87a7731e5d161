//! Bugs of ours: a task that panics takes nothing with it.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_batch_whose_task_panics_has_failed() {
    let world = World::new(&["a"]);
    world.function.lock().panics = true;
    world.stream.put("a", 1..=3);
    let reading = world.read(configuration());
    pass(10).await;
    assert_eq!(world.function.good(), [1, 2, 3]);
    let seen = reading.seen();
    assert_eq!((seen.invoked, seen.failed, seen.running), (6, 3, 0));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_task_panics_is_given_up_as_others_are() {
    let world = World::new(&["a"]);
    world.function.lock().panics = true;
    world.stream.put("a", 1..=3);
    let configuration = Configuration { retry_attempts_max: Some(0), ..configuration() };
    let reading = world.read(configuration);
    pass(10).await;
    world.stream.put("a", 4..=4);
    pass(10).await;
    assert_eq!((world.function.good(), reading.seen().dropped), (vec![4], 3));
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_reader_panics_is_read_again() {
    let world = World::new(&["a"]);
    world.stream.put("a", 1..=3);
    let reading = world.read(configuration());
    pass(1).await;
    world.stream.lock().panics = true;
    world.stream.put("a", 4..=5);
    pass(1).await;
    assert_eq!(world.function.numbers(), [1, 2, 3]);
    pass(10).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 4, 5], "and from where it was left");
    reading.stop().await;
}
