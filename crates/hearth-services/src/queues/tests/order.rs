//! Whatever is done with a FIFO queue, nothing is lost and groups keep their order.

use proptest::prelude::*;

use super::*;

/// What somebody does with a FIFO queue.
#[derive(Debug, Clone)]
enum Act {
    Send(u8),
    Receive(i32),
    /// The message that was received so long ago.
    Delete(usize),
    GiveBack(usize),
    Pass(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0..3_u8).prop_map(Act::Send),
        3 => (1..=4_i32).prop_map(Act::Receive),
        2 => (0..4_usize).prop_map(Act::Delete),
        1 => (0..4_usize).prop_map(Act::GiveBack),
        1 => (0..40_000_u64).prop_map(Act::Pass),
    ];
    proptest::collection::vec(act, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_fifo_queue_loses_nothing_and_keeps_the_order_of_groups(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let world = World::new().await;
            let queue = world.create("q.fifo", FIFO).await;
            let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
            let mut handles: Vec<(String, String, String)> = Vec::new();
            for (number, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Send(group) => {
                        let (group, body) = (format!("g{group}"), format!("m{number}"));
                        world.send(&queue, grouped(&group, &body)).await.unwrap();
                        expected.entry(group).or_default().push(body);
                    }
                    Act::Receive(messages) => {
                        for one in world.receive(&queue, messages).await {
                            let group = one.group.unwrap();
                            // Nothing comes before those that are before it in its group, unless
                            // they came in the same answer.
                            assert!(expected[&group].contains(&one.body), "{}", one.body);
                            handles.push((one.handle, group, one.body));
                        }
                    }
                    Act::Delete(which) if which < handles.len() => {
                        let (handle, group, body) = handles.remove(handles.len() - 1 - which);
                        let before = world.counts(&queue).await;
                        let done = world.delete(&queue, &handle).await;
                        if done.is_ok() && world.counts(&queue).await != before {
                            expected.get_mut(&group).unwrap().retain(|one| *one != body);
                        }
                    }
                    Act::GiveBack(which) if which < handles.len() => {
                        let (handle, _, _) = handles.remove(handles.len() - 1 - which);
                        let _ = world.keep_for(&queue, &handle, 0).await;
                    }
                    Act::Delete(_) | Act::GiveBack(_) => {}
                    Act::Pass(millis) => world.clock.pass(millis),
                }
            }
            // Whatever is in flight comes back, in its order.
            world.clock.pass(43_200_000);
            let mut left: BTreeMap<String, Vec<String>> = BTreeMap::new();
            loop {
                let received = world.receive(&queue, 10).await;
                if received.is_empty() {
                    break;
                }
                for one in received {
                    left.entry(one.group.unwrap()).or_default().push(one.body);
                    world.delete(&queue, &one.handle).await.unwrap();
                }
            }
            expected.retain(|_, bodies| !bodies.is_empty());
            assert_eq!(left, expected);
        });
    }
}
