//! Moving dead letters back, or elsewhere.

use super::*;

/// Waits until a move has ended. The clock of the reactor stands still, so this takes no time.
async fn ended(world: &World, source: &QueueName) -> MoveRecord {
    loop {
        let task = world.queues.list_moves(&source.to_string(), None).unwrap().remove(0);
        if task.status != MoveStatus::Running {
            return task;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

fn request(source: &QueueName, destination: Option<&QueueName>) -> MoveRequest {
    let destination = destination.map(ToString::to_string);
    MoveRequest { source: source.to_string(), destination, rate: None }
}

/// Dead letters, in the dead-letter queue.
async fn with_letters(world: &World, bodies: &[&str]) -> (QueueName, QueueName) {
    let (live, dead) = world.with_dead_letters("", &[]).await;
    for body in bodies {
        world.put(&live, body).await;
    }
    world.receive(&live, 10).await;
    world.clock.pass(30_000);
    assert_eq!(world.bodies(&live).await, Vec::<String>::new());
    (live, dead)
}

#[tokio::test(start_paused = true)]
async fn dead_letters_go_back_to_where_they_came_from() {
    let world = World::new().await;
    let (live, dead) = with_letters(&world, &["a", "b", "c"]).await;
    world.queues.start_move(&request(&dead, None)).await.unwrap();
    let task = ended(&world, &dead).await;
    assert_eq!((task.status, task.moved, task.to_move), (MoveStatus::Completed, 3, 3));
    assert_eq!(world.counts(&dead).await, ["0", "0", "0"]);
    let back = world.receive(&live, 10).await;
    let seen: Vec<_> = back.iter().map(|one| (one.body.as_str(), one.receives)).collect();
    assert_eq!(seen, [("a", 1), ("b", 1), ("c", 1)]);
    assert!(back.iter().all(|one| one.source.is_none()));
}

#[tokio::test(start_paused = true)]
async fn dead_letters_go_elsewhere_or_the_task_says_why_not() {
    let world = World::new().await;
    let (live, dead) = with_letters(&world, &["a"]).await;
    let other = world.create("other", &[]).await;
    world.queues.start_move(&request(&dead, Some(&other))).await.unwrap();
    assert_eq!(ended(&world, &dead).await.status, MoveStatus::Completed);
    assert_eq!(world.bodies(&other).await, ["a"]);
    // A message that was sent here came from nowhere.
    world.put(&dead, "direct").await;
    world.clock.pass(1);
    world.queues.start_move(&request(&dead, None)).await.unwrap();
    let task = ended(&world, &dead).await;
    assert_eq!(task.failure.as_deref(), Some("CouldNotDetermineMessageSource"));
    assert_eq!(world.bodies(&dead).await, ["direct"]);
    let listed = world.queues.list_moves(&dead.to_string(), Some(10)).unwrap();
    let statuses: Vec<&str> = listed.iter().map(|task| task.status.name()).collect();
    assert_eq!(statuses, ["FAILED", "COMPLETED"]);

    let start = async |request: MoveRequest| {
        world.queues.start_move(&request).await.unwrap_err().to_string()
    };
    let missing = QueueName { name: "missing".to_owned(), ..dead.clone() };
    assert_eq!(
        start(request(&live, None)).await,
        "Source queue must be configured as a Dead Letter Queue."
    );
    assert_eq!(
        start(request(&missing, None)).await,
        "The resource that you specified for the SourceArn parameter doesn't exist."
    );
    assert_eq!(
        start(request(&dead, Some(&missing))).await,
        "The resource that you specified for the DestinationArn parameter doesn't exist."
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_failed_leaves_nothing_behind() {
    let world = World::new().await;
    let (live, dead) = with_letters(&world, &["a", "b", "c"]).await;
    world.engine.fill_up();
    world.queues.start_move(&request(&dead, None)).await.unwrap();
    // The step has all of them by now, and there are no others.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let task = world.queues.list_moves(&dead.to_string(), None).unwrap().remove(0);
    assert_eq!((task.status, task.moved), (MoveStatus::Running, 0));
    world.engine.mend();
    world.clock.pass(30_000);
    let task = ended(&world, &dead).await;
    assert_eq!((task.status, task.moved), (MoveStatus::Completed, 3));
    assert_eq!(world.bodies(&live).await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_move_can_be_cancelled_and_goes_on_after_a_restart() {
    let world = World::new().await;
    let (live, dead) = with_letters(&world, &["a", "b", "c"]).await;
    let slow = MoveRequest { rate: Some(1), ..request(&dead, None) };
    let handle = world.queues.start_move(&slow).await.unwrap();
    let again = world.queues.start_move(&slow).await.unwrap_err().to_string();
    assert!(again.starts_with("There is already a task running."), "{again}");
    let world = world.restarted().await;
    let task = world.queues.list_moves(&dead.to_string(), None).unwrap().remove(0);
    assert_eq!(task.status, MoveStatus::Running);
    world.queues.cancel_move(&handle).await.unwrap();
    assert_eq!(ended(&world, &dead).await.status, MoveStatus::Cancelled);
    let ended_already = world.queues.cancel_move(&handle).await;
    assert_eq!(code(ended_already), "InvalidParameterValue");
    assert_eq!(
        world.queues.cancel_move("nonsense").await.unwrap_err().to_string(),
        "Value for parameter TaskHandle is invalid."
    );
    world.clock.pass(1);
    world.queues.start_move(&request(&dead, None)).await.unwrap();
    ended(&world, &dead).await;
    let mut bodies = world.bodies(&live).await;
    bodies.sort();
    assert_eq!(bodies, ["a", "b", "c"]);
}
