//! Whatever becomes of batches, and whenever a reader is replaced by another one: no message is lost,
//! none that was deleted comes again, and groups keep their order.

use proptest::prelude::*;
use tokio::runtime;

use super::*;

/// How an attempt goes.
#[derive(Debug, Clone, Copy)]
enum Weather {
    Fine,
    Fails,
    Throttled,
    Unavailable,
    Closing,
}

impl Weather {
    fn ran(self) -> Ran {
        let version = || "$LATEST".to_owned();
        match self {
            Self::Fine => Ran::Answered { answer: Bytes::new(), version: version() },
            Self::Fails => Ran::Failed { error: Bytes::from_static(b"{}"), version: version() },
            Self::Throttled => Ran::NotRun(NotRun::Throttled),
            Self::Unavailable => Ran::NotRun(NotRun::Unavailable("not now".to_owned())),
            Self::Closing => Ran::NotRun(NotRun::Closing),
        }
    }
}

/// What is done, apart from attempts.
#[derive(Debug, Clone)]
enum Step {
    Send { group: u8 },
    Pass { millis: u64 },
    Restart,
}

fn weather() -> impl Strategy<Value = Weather> {
    use Weather::{Closing, Fails, Fine, Throttled, Unavailable};
    prop::sample::select(vec![Fine, Fine, Fails, Throttled, Unavailable, Closing])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8).prop_map(|group| Step::Send { group }),
        3 => (0..3_000_u64).prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Restart),
    ]
}

/// Sends and reads as the steps say, and then until nothing is left. Returns what was sent, and what
/// the function has answered to, each in its order.
async fn live(
    name: &str,
    (script, steps): (Vec<Weather>, Vec<Step>),
    configuration: Configuration,
) -> (Vec<String>, Vec<String>) {
    let is_fifo = name.ends_with(".fifo");
    let fifo: &[(&str, &str)] = if is_fifo { &[("FifoQueue", "true")] } else { &[] };
    let attributes = [fifo, &[("VisibilityTimeout", "5")]].concat();
    let world = World::new(name, &attributes).await;
    let played = Played {
        takes: Duration::from_millis(40),
        ..Played::of(script.into_iter().map(Weather::ran))
    };
    let function = Arc::new(played);
    let mut reading = world.read_with(configuration.clone(), Arc::clone(&function));
    let mut sent = Vec::new();
    for step in steps {
        match step {
            Step::Send { group } => {
                let body = format!("{group}-{}", sent.len());
                if is_fifo {
                    world.send_to(&group.to_string(), &body).await;
                } else {
                    world.send_all(&[&body]).await;
                }
                sent.push(body);
            }
            Step::Pass { millis } => pass_millis(millis).await,
            Step::Restart => {
                reading.stop().await;
                reading = world.read_with(configuration.clone(), Arc::clone(&function));
            }
        }
    }
    // Longer than all attempts of the script can take.
    pass(3_600).await;
    assert_eq!(reading.seen().running, 0);
    reading.stop().await;
    assert_eq!(world.receive().await, Vec::<String>::new(), "nothing is left");
    let bodies = function.answered_bodies();
    (sent, bodies)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let reactor = runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    reactor.expect("a reactor can be made").block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_message_of_a_queue_is_dealt_with_once(
        script in prop::collection::vec(weather(), 0..30),
        steps in prop::collection::vec(step(), 1..40),
        (batch_size, window_seconds) in (1..8_i32, 0..2_i32),
    ) {
        let configuration = configuration(batch_size, window_seconds);
        let (mut sent, mut answered) = run(live("q", (script, steps), configuration));
        sent.sort();
        answered.sort();
        prop_assert_eq!(sent, answered);
    }

    #[test]
    fn each_group_of_a_fifo_queue_keeps_its_order(
        script in prop::collection::vec(weather(), 0..30),
        steps in prop::collection::vec(step(), 1..40),
        batch_size in 1..8_i32,
    ) {
        let work = live("q.fifo", (script, steps), configuration(batch_size, 0));
        let (sent, answered) = run(work);
        for group in ["0-", "1-", "2-"] {
            let of_group = |all: &[String]| -> Vec<String> {
                all.iter().filter(|body| body.starts_with(group)).cloned().collect()
            };
            prop_assert_eq!(of_group(&sent), of_group(&answered));
        }
    }
}
