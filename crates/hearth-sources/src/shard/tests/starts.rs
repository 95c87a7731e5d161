//! Where reading begins, and where it goes on when a cursor is of no use any more.

use super::*;

#[tokio::test(start_paused = true)]
async fn who_begins_at_a_time_gets_what_came_then_or_later() {
    let world = World::new(&["a"]);
    world.stream.put("a", 1..=3);
    pass(60).await;
    let at = world.clock.now();
    world.stream.put("a", 4..=5);
    pass(60).await;
    let starting_position = Some(StartingPosition::AtTimestamp(at));
    let reading = world.read(Configuration { starting_position, ..configuration() });
    pass(1).await;
    assert_eq!(world.function.numbers(), [4, 5]);
    world.stream.put("a", 6..=6);
    pass(1).await;
    assert_eq!(world.function.numbers(), [4, 5, 6]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_begins_with_the_newest_record_of_a_table_gets_no_older_ones_when_it_fails() {
    let world = World::of(&["a"], Family::DynamoDb);
    world.stream.put("a", 1..=5);
    pass(600).await;
    let starting_position = Some(StartingPosition::Latest);
    let reading = world.read(Configuration { starting_position, ..configuration() });
    pass(1).await;
    // Nothing was read yet that a checkpoint could name.
    world.stream.fail(Some(SourceError::Failed("not there".to_owned())));
    pass(30).await;
    world.stream.put("a", 6..=7);
    pass(30).await;
    world.stream.fail(None);
    pass(10).await;
    assert_eq!(world.function.numbers(), [6, 7]);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_cursors_are_of_no_use_is_not_asked_without_a_pause() {
    let world = World::new(&["a"]);
    let reading = world.read(configuration());
    pass(1).await;
    world.stream.put("a", 1..=3);
    pass(1).await;
    world.stream.make(Cursors::Expired);
    pass(60).await;
    let made = world.stream.lock().cursors_made;
    assert!((5..60).contains(&made), "{made}");
    world.stream.make(Cursors::Good);
    world.stream.put("a", 4..=4);
    pass(10).await;
    assert_eq!(world.function.numbers(), [1, 2, 3, 4]);
    reading.stop().await;
}
