//! What becomes of a batch, without a broker.

use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use hearth_control::mapping::MappingId;
use hearth_control::mapping::settings::Configuration;
use hearth_control::mapping::state::State;
use hearth_types::metrics::NoMetrics;
use hearth_types::names::{AccountId, FunctionArn, FunctionName, Region, Scope};
use hearth_types::testing::StandingClock;
use hearth_types::time::Timestamp;
use lapin::message::Delivery;

use super::*;
use crate::function::RunFunction;
use crate::progress::Book;
use crate::reader::Stopper;

const ARN: &str = "arn:aws:mq:us-east-1:000000000000:broker:orders:b-1";

/// A function that does as it is told, and keeps what it got.
#[derive(Debug)]
struct Told {
    script: Mutex<VecDeque<Ran>>,
    payloads: Mutex<Vec<Bytes>>,
}

#[async_trait]
impl RunFunction for Told {
    async fn run(&self, _mapping: &Mapping, call: Call) -> Ran {
        self.payloads.lock().unwrap().push(call.payload);
        self.script.lock().unwrap().pop_front().unwrap_or(Ran::NotRun(NotRun::Closing))
    }
}

fn mapping() -> Mapping {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    Mapping {
        id: MappingId::random(),
        function: FunctionArn { scope, name: FunctionName::parse("f").unwrap() },
        qualifier: None,
        source: Source::parse(Some(ARN), None).unwrap(),
        enabled: true,
        configuration: Configuration { batch_size: 10, ..Configuration::default() },
        state: State::Enabled,
        transition_reason: String::new(),
        last_processing_result: None,
        modified: Timestamp(0),
        tags: BTreeMap::new(),
    }
}

fn consuming(functions: &Arc<Told>) -> (Consuming, Stopper) {
    let mapping = mapping();
    let (stopper, stop) = Stopper::new();
    let progress = Book::new(Arc::new(NoMetrics)).of(&mapping.id, "f");
    let limits = BatchLimits::of(&mapping.configuration);
    let functions: Arc<dyn RunFunction> = Arc::<Told>::clone(functions);
    let work = Work { mapping: Arc::new(mapping), functions, progress, stop };
    let target = Target {
        scheme: AMQPScheme::AMQP,
        host: "broker".to_owned(),
        port: 5672,
        virtual_host: "/".to_owned(),
        queue: "orders".to_owned(),
        login: Login { user: "u".to_owned(), password: "p".to_owned() },
        trust: Trust::default(),
        prefetch: 20,
    };
    let clock = StandingClock::at(Timestamp(1));
    let (filters, began) = (Filters::default(), Instant::now());
    (Consuming { target, filters, limits, clock, work, began }, stopper)
}

fn batch() -> Vec<Message> {
    let delivery = Delivery::mock(1, "".into(), "orders".into(), false, b"order".to_vec());
    Message::of(&delivery, &Filters::default()).into_iter().collect()
}

fn told(script: impl Into<VecDeque<Ran>>) -> Arc<Told> {
    Arc::new(Told { script: Mutex::new(script.into()), payloads: Mutex::default() })
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_a_function_that_is_throttled_is_kept_and_tried_again() {
    let throttled = || Ran::NotRun(NotRun::Throttled);
    let answered = Ran::Answered { answer: Bytes::new(), version: "1".to_owned() };
    let functions = told([throttled(), throttled(), throttled(), answered]);
    let (consuming, _stopper) = consuming(&functions);
    let begin = Instant::now();
    assert!(matches!(consuming.process(&batch()).await, Verdict::Done));
    let (least, most) = (PAUSES.0 * 7, PAUSES.0 * 8);
    assert!((least..most).contains(&begin.elapsed()), "one pause, two, and four");
    let payloads = functions.payloads.lock().unwrap().clone();
    assert_eq!(payloads.len(), 4);
    assert!(payloads.iter().all(|payload| *payload == payloads[0]), "{payloads:?}");
    let seen = consuming.work.progress.seen();
    assert_eq!((seen.invoked, seen.failed, seen.running), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_function_that_is_throttled_stops_when_told() {
    let throttled = vec![Ran::NotRun(NotRun::Throttled); 1_000];
    let functions = told(throttled);
    let (consuming, stopper) = consuming(&functions);
    let batch = batch();
    let process = consuming.process(&batch);
    tokio::pin!(process);
    let hour = Duration::from_secs(3_600);
    assert!(tokio::time::timeout(hour, &mut process).await.is_err(), "it is tried for ever");
    stopper.stop();
    assert!(matches!(process.await, Verdict::Stopped));
}

#[test]
fn endpoints_are_read() {
    let at = |scheme, port| Some((scheme, "broker".to_owned(), port));
    #[rustfmt::skip]
    let rows = [
        ("amqp://broker:5000",   at(AMQPScheme::AMQP, 5000)),
        ("amqp://broker",        at(AMQPScheme::AMQP, 5672)),
        ("amqps://broker/",      at(AMQPScheme::AMQPS, 5671)),
        ("http://broker",        None),
        ("amqp://",              None),
        ("amqp://broker:none",   None),
        ("amqp://u:p@broker",    None),
        ("broker:5672",          None),
    ];
    for (endpoint, expected) in rows {
        assert_eq!(address(endpoint), expected, "{endpoint}");
    }
    assert_eq!(broker_name("arn:aws:mq:us-east-1:000000000000:broker:orders:b-1"), "orders");
}

#[test]
fn pauses_grow_up_to_a_bound() {
    let mut in_a_row = 0;
    let pauses: Vec<Duration> = (0..40).map(|_| pause(&mut in_a_row)).collect();
    assert_eq!((pauses[0], pauses[1]), (PAUSES.0, PAUSES.0 * 2));
    assert_eq!(pauses.last(), Some(&PAUSES.1));
}
