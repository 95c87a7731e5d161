//! How much of queues is here beside what other sources have.

use hearth_types::limits;

use super::*;

#[tokio::test(start_paused = true)]
async fn no_more_is_here_at_a_time_than_there_is_room_for_and_all_of_it_comes() {
    let world = World {
        // One receive beside a batch of three.
        ahead: Ahead::new(limits::QUEUE_TAKE_BYTES_MAX + 1_000_000),
        ..World::new("q", &[("VisibilityTimeout", "60")]).await
    };
    let large = "x".repeat(300_000);
    for _ in 0..24 {
        world.send_all(&[&large]).await;
    }
    let played = Played { takes: Duration::from_secs(10), ..Played::default() };
    let reading = world.read(configuration(3, 0), played);
    pass(300).await;
    let most = reading.function.most.load(Ordering::Relaxed);
    assert!((1..=3).contains(&most), "{most}");
    assert_eq!(reading.seen().deleted, 24);
    let receives = reading.function.receives().concat();
    assert!(receives.iter().all(|receives| receives == "1"), "{receives:?}");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn where_others_have_everything_a_queue_has_a_batch_at_a_time_and_none_waits_for_its_window()
{
    let world = World::new("q", &[("VisibilityTimeout", "30")]).await;
    let mut other = world.ahead.share();
    other.hold(limits::SOURCES_WAITING_BYTES_MAX);
    let played = Played { takes: Duration::from_secs(5), ..Played::default() };
    let reading = world.read(configuration(100, 60), played);
    world.send_all(&["a"]).await;
    pass(1).await;
    world.send_all(&["b"]).await;
    pass(1).await;
    assert_eq!(reading.function.bodies(), [["a"]], "it would have waited for the window");
    pass(6).await;
    assert_eq!(reading.function.bodies(), [["a"], ["b"]], "when the first one was done");
    // With room, there is a window again.
    drop(other);
    pass(10).await;
    world.send_all(&["c"]).await;
    pass(30).await;
    assert_eq!(reading.function.bodies().len(), 2);
    reading.stop().await;
}
