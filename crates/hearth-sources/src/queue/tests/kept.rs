//! How long messages are kept from others, and what becomes of those that do not fit into a batch.

use hearth_services::queues::GivenAttribute;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_function_that_was_throttled_has_its_whole_time_afterwards() {
    let world = World::new("q.fifo", &[("FifoQueue", "true"), ("VisibilityTimeout", "30")]).await;
    world.send_to("x", "a").await;
    world.send_to("x", "b").await;
    // It runs when a third of the visibility timeout is over, and takes nearly all of it.
    let script = (0..7).map(|_| Ran::NotRun(NotRun::Throttled));
    let played = Played { takes: Duration::from_secs(25), ..Played::of(script) };
    let reading = world.read(configuration(1, 0), played);
    pass(100).await;
    assert_eq!(reading.function.answered_bodies(), ["a", "b"]);
    let receives = reading.function.receives();
    assert!(receives.iter().all(|batch| batch == &["1"]), "{receives:?}");
    assert_eq!(
        (reading.seen().deleted, reading.function.overlapped.load(Ordering::Relaxed)),
        (2, 0)
    );
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_kept_for_eleven_hours_whatever_the_visibility_timeout_is() {
    let world = World::new("q", &[("VisibilityTimeout", "14400")]).await;
    world.send_all(&["a", "b"]).await;
    let script = (0..50_000).map(|_| Ran::NotRun(NotRun::Throttled));
    let reading = world.read(configuration(1, 0), Played::of(script));
    pass(11 * 3_600 - 60).await;
    assert_eq!(world.receive().await, Vec::<String>::new());
    let receives = reading.function.receives();
    assert!(receives.iter().all(|batch| batch == &["1"]), "somebody else had it");
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_visibility_timeout_that_changes_is_heeded() {
    let world = World::new("q", &[("VisibilityTimeout", "300")]).await;
    let reading = world.read(configuration(100, 60), Played::default());
    pass(1).await;
    let shorter = BTreeMap::from([("VisibilityTimeout".to_owned(), "4".to_owned())]);
    world.queues.set_attributes(&world.name, &shorter).await.unwrap();
    world.send_all(&["a"]).await;
    pass(70).await;
    assert_eq!(reading.function.receives(), [["1"]]);
    assert_eq!(reading.seen().deleted, 1);
    reading.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_into_a_batch_with_its_group_stays_behind_it() {
    let world = World::new("q.fifo", &[("FifoQueue", "true"), ("VisibilityTimeout", "30")]).await;
    let large = GivenAttribute {
        data_type: "String".to_owned(),
        text: Some("x".repeat(900_000)),
        ..GivenAttribute::default()
    };
    let bodies: Vec<String> = (0..10).map(|number| format!("x{number}")).collect();
    for body in &bodies {
        world
            .send(NewMessage {
                body: body.clone(),
                attributes: BTreeMap::from([("large".to_owned(), large.clone())]),
                group: Some("x".to_owned()),
                deduplication: Some(body.clone()),
                ..NewMessage::default()
            })
            .await;
    }
    // The first batch fails.
    let script = [Ran::Failed { error: Bytes::new(), version: "$LATEST".to_owned() }];
    let played = Played { takes: Duration::from_secs(1), ..Played::of(script) };
    let reading = world.read(configuration(10, 0), played);
    pass(120).await;
    assert_eq!(reading.function.answered_bodies(), bodies);
    assert_eq!(reading.function.overlapped.load(Ordering::Relaxed), 0);
    assert_eq!(reading.seen().deleted, 10);
    reading.stop().await;
}
