//! Admission, scheduler and environments together, on the simulated backend, with a clock that the
//! test moves and everything decided by a seed: when callers come and go, how long walls and handlers
//! take, and what goes wrong.
//!
//! ```sh
//! HEARTH_SIMULATION_SEEDS=5000 cargo test -p hearth-invoke --test simulation   # more of them
//! HEARTH_SIMULATION_SEED=17 cargo test -p hearth-invoke --test simulation      # one again
//! ```
//!
//! What is checked of each: every caller that stays is answered exactly once and in bounded time; no
//! limit is exceeded at any moment; when all is over, everything has been given back.

#![expect(
    clippy::unwrap_used,
    reason = "this is a test, functions that are called by tests included"
)]

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_control::concurrency::Shares;
use hearth_environment::backend::Connection;
use hearth_environment::driver::{Gateway, Shared};
use hearth_environment::invocation::{Invocation, LogRequest};
use hearth_environment::mailbox::{Assignment, Held, Taker};
use hearth_environment::simulated::{Fault, Happening, Simulated, SimulatedRuntime};
use hearth_guest::protocol::Exit;
use hearth_invoke::admission::{Admission, Asked, Concurrency, Execution, Rules};
use hearth_runtimes::{Runtime, Runtimes};
use hearth_scheduler::core::{Commitment, Limits, Pressure};
use hearth_scheduler::driver::{HostMemory, Scheduler};
use hearth_scheduler::keep::{self, Learning};
use hearth_types::bucket::Rate;
use hearth_types::function::Target;
use hearth_types::ids::{RequestId, TargetId};
use hearth_types::logs::{LogEvent, LogSink, LogStream};
use hearth_types::names::{AccountId, FunctionArn, FunctionName, Region, Scope, Version};
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Moment, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

const SEEDS: u64 = 150;
const CALLERS: u64 = 60;
/// No caller waits longer: for room, walls, init, and all the invocations before it.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// Numbers that follow from a seed.
#[derive(Debug, Clone)]
struct Random(Arc<Mutex<u64>>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(seed.wrapping_mul(0x5851_F42D_4C95_7F2D) ^ 0x1405_7B7E_F767_814F)))
    }

    fn below(&self, limit: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn count(&self, limit: u32) -> u32 {
        u32::try_from(self.below(limit.into())).unwrap()
    }

    fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn millis(&self, below: u64) -> Duration {
        Duration::from_millis(self.below(below))
    }
}

/// A function that sometimes fails, in each way that there is.
async fn unreliable(runtime: SimulatedRuntime, random: Random) -> Exit {
    tokio::time::sleep(random.millis(80)).await;
    match random.below(24) {
        0 => return Exit::Status(1),
        1 => {
            runtime.call("POST", "init/error", "{\"errorType\":\"Runtime.X\"}").await;
            return Exit::Status(1);
        }
        2 => std::future::pending().await, // Never asks for work.
        _ => {}
    }
    loop {
        let event = runtime.next().await;
        let Some(id) = event.request_id else { return Exit::Status(2) };
        tokio::time::sleep(random.millis(200)).await;
        match random.below(24) {
            0 => return Exit::Signal(9),
            1 => std::future::pending().await, // Runs out of time.
            2 => {
                runtime.next().await; // Asks twice.
            }
            3 => {
                runtime.respond(&id, "1").await; // Answers twice.
            }
            4 => {
                runtime.respond(&id, "1").await; // Answers and never asks again.
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        runtime.respond(&id, "1").await;
    }
}

/// Everything around that has nothing to say.
#[derive(Debug)]
struct Silent;

impl Clock for Silent {
    fn now(&self) -> Timestamp {
        Timestamp(1_795_404_035_123)
    }
}

impl LogSink for Silent {
    fn open(&self, _scope: &Scope, _group: &str, _stream: &str) -> Arc<dyn LogStream> {
        Arc::new(Self)
    }
}

impl LogStream for Silent {
    fn append(&self, _events: Vec<LogEvent>) {}

    fn has_room(&self) -> bool {
        true
    }

    fn room(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

impl Gateway for Silent {
    fn serve(
        &self,
        _connection: Box<dyn Connection>,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// A host that is short of memory now and then.
#[derive(Debug)]
struct Unsteady(Random);

impl HostMemory for Unsteady {
    fn pressure(&self) -> Pressure {
        if self.0.one_in(30) { Pressure::Short } else { Pressure::None }
    }
}

/// Counts for as long as an invocation holds its place.
#[derive(Debug)]
struct Counted {
    _execution: Execution,
    inside: Arc<AtomicU32>,
}

impl Held for Counted {}

impl Drop for Counted {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Function {
    target: Mutex<Arc<Target>>,
    reserved: Mutex<Option<u32>>,
    /// Invocations that hold a place.
    inside: Arc<AtomicU32>,
}

struct World {
    random: Random,
    scheduler: Arc<Scheduler>,
    admission: Arc<Admission>,
    backend: Simulated,
    runtime: Arc<Runtime>,
    functions: Vec<Function>,
    unreserved: u32,
    began: Instant,
    answered: AtomicUsize,
    /// What was wrong; a task that panics would end alone.
    complaints: Mutex<Vec<String>>,
    tasks: Tasks,
}

fn target(name: &str, memory_mb: u32) -> Arc<Target> {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    Arc::new(Target {
        id: TargetId::random(),
        function: FunctionArn { scope, name: FunctionName::parse(name).unwrap() },
        version: Version::Latest,
        runtime: "provided.al2023".into(),
        handler: "bootstrap".into(),
        memory_mb,
        timeout_seconds: 1,
        ephemeral_storage_mb: 512,
        variables: BTreeMap::new(),
        log_group: "/aws/lambda/simulated".into(),
        application_log_level: None,
        layers: None,
        code: PathBuf::from("/nowhere"),
    })
}

fn limits(random: &Random) -> Limits {
    let learning = if random.one_in(2) { Learning::On } else { Learning::Off };
    let commitment = if random.one_in(2) { Commitment::Measured } else { Commitment::Configured };
    let scaling = Rate { capacity: 3 + random.below(5), per_ten_seconds: 10 + random.below(40) };
    Limits {
        environments_max: 1 + usize::try_from(random.below(6)).unwrap(),
        memory_mb_max: 300 + random.below(1_500),
        commitment,
        starts_max: 1 + usize::try_from(random.below(4)).unwrap(),
        slow_start_ms: 100 + random.below(400),
        room_wait_ms_max: 500 + random.below(5_000),
        life_ms_max: 2_000 + random.below(60_000),
        scaling: random.one_in(3).then_some(scaling),
        keep: keep::Rules { idle_ms: 500 + random.below(5_000), learning },
        look_through_ms: 1_000,
    }
}

fn faults(random: &Random) -> Vec<Fault> {
    let fault = |_| match random.below(12) {
        0 => Fault::Build,
        1 => Fault::Slow(Duration::from_secs(5)),
        _ => Fault::Slow(random.millis(60)),
    };
    (0..400).map(fault).collect()
}

impl World {
    fn new(seed: u64) -> Arc<Self> {
        let random = Random::new(seed);
        let for_scripts = random.clone();
        let backend = Simulated::new(Arc::new(move |runtime| {
            Box::pin(unreliable(runtime, for_scripts.clone()))
        }));
        backend.faults.lock().unwrap().extend(faults(&random));
        let directory = tempfile::tempdir().unwrap();
        let runtimes = Runtimes::open(directory.path().to_owned()).unwrap();
        let tasks = Tasks::default();
        let shared = Shared {
            backend: Arc::new(backend.clone()),
            logs: Arc::new(Silent),
            clock: Arc::new(Silent),
            gateway: Arc::new(Silent),
            endpoint: None,
            stream_bytes_per_second: 0,
            tasks: tasks.clone(),
        };
        let host = Arc::new(Unsteady(random.clone()));
        let scheduler = Scheduler::new(shared, limits(&random), host);
        let requests_per_execution = if random.one_in(3) { 10 } else { 0 };
        let rules = Rules { concurrency: Concurrency::Limited, requests_per_execution };
        let functions = (0..2 + random.count(3)).map(|number| Function {
            target: Mutex::new(target(&format!("f{number}"), 100 + 100 * (number % 3))),
            reserved: Mutex::new(random.one_in(3).then(|| random.count(4))),
            inside: Arc::default(),
        });
        Arc::new(Self {
            functions: functions.collect(),
            scheduler,
            admission: Arc::new(Admission::new(rules)),
            backend,
            runtime: runtimes.get("provided.al2023").unwrap(),
            unreserved: 2 + random.count(8),
            began: Instant::now(),
            answered: AtomicUsize::new(0),
            complaints: Mutex::default(),
            tasks,
            random,
        })
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.began.elapsed().as_millis()).unwrap())
    }

    fn complain(&self, what: String) {
        self.complaints.lock().unwrap().push(what);
    }

    fn pick(&self) -> usize {
        usize::try_from(self.random.below(self.functions.len() as u64)).unwrap()
    }

    /// One caller, from its call to its answer, as the invoker does it.
    async fn call(&self, which: usize) {
        let function = &self.functions[which];
        let mut target = Arc::clone(&function.target.lock().unwrap());
        let reserved = *function.reserved.lock().unwrap();
        let shares =
            Shares { unreserved: self.unreserved, reserved, provisioned_total: 0, provisioned: 0 };
        let asked = Asked { function: &target.function, target: target.id, shares };
        let admitted = self.admission.enter(asked, self.now());
        let Ok(execution) = admitted else { return };
        let inside = function.inside.fetch_add(1, Ordering::SeqCst) + 1;
        if inside > reserved.unwrap_or(self.unreserved) {
            self.complain(format!("{inside} of {which} run at a time"));
        }
        let counted = Counted { _execution: execution, inside: Arc::clone(&function.inside) };
        let hold: Arc<dyn Held> = Arc::new(counted);
        let mut invocation = Invocation {
            id: RequestId::random(),
            payload: "{}".into(),
            invoked_arn: "arn".into(),
            client_context: None,
            trace: String::new(),
            log: if self.random.one_in(3) { LogRequest::Tail } else { LogRequest::None },
        };
        loop {
            let Ok(lease) = self.scheduler.acquire(&target, &self.runtime).await else { return };
            let (outcome, receiver) = oneshot::channel();
            let outcome = Taker::Whole(outcome);
            lease.assign(Assignment { invocation, outcome, hold: Some(Arc::clone(&hold)) });
            let Ok(answer) = receiver.await else {
                return self.complain("an invocation was taken and not answered".to_owned());
            };
            match answer {
                Ok(_completed) => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Err(back) => {
                    invocation = back.0;
                    target = Arc::clone(&function.target.lock().unwrap());
                }
            }
        }
    }

    /// What an operator does meanwhile.
    fn meddle(&self) {
        let function = &self.functions[self.pick()];
        let mut current = function.target.lock().unwrap();
        match self.random.below(6) {
            0 => self.scheduler.provision(&current, &self.runtime, 1),
            1 => self.scheduler.unprovision(current.id),
            2 => *function.reserved.lock().unwrap() = None,
            3 => *function.reserved.lock().unwrap() = Some(self.random.count(4)),
            _ => {
                let new = target(current.function.name.as_str(), current.memory_mb);
                let old = std::mem::replace(&mut *current, new);
                self.scheduler.retire(old.id);
            }
        }
    }

    fn check_limits(&self) {
        let (host, _) = self.scheduler.status();
        let standing = host.census.starting + host.census.idle + host.census.busy;
        assert!(standing <= host.limits.environments_max, "{host:?}");
        assert!(host.committed_mb <= host.limits.memory_mb_max, "{host:?}");
    }

    async fn finish(&self) {
        assert_eq!(*self.complaints.lock().unwrap(), [""; 0]);
        self.scheduler.close(Duration::from_secs(60)).await;
        assert_eq!(self.scheduler.environments(), 0, "an environment is left");
        let ended = tokio::time::timeout(PATIENCE, self.tasks.finished()).await;
        assert!(ended.is_ok(), "{} tasks are left", self.tasks.running());
        let history = self.backend.history.lock().unwrap();
        let count = |what| history.iter().filter(|one| **one == what).count();
        assert_eq!(count(Happening::Built), count(Happening::TornDown), "walls are left");
        for function in &self.functions {
            let scope = function.target.lock().unwrap().function.scope.clone();
            assert_eq!(self.admission.running(&scope), 0, "a place is lost");
            assert_eq!(function.inside.load(Ordering::SeqCst), 0, "a place is lost");
        }
    }
}

async fn simulate(seed: u64) -> usize {
    let world = World::new(seed);
    let callers = Tasks::default();
    for _caller in 0..CALLERS {
        tokio::time::sleep(world.random.millis(60)).await;
        if world.random.one_in(12) {
            world.meddle();
        }
        if world.random.one_in(20) {
            tokio::time::sleep(Duration::from_secs(world.random.below(20))).await;
        }
        let which = world.pick();
        let leaves_after = world.random.one_in(6).then(|| world.random.millis(300));
        let calling = Arc::clone(&world);
        callers.spawn("caller", async move {
            let patience = leaves_after.unwrap_or(PATIENCE);
            let called = tokio::time::timeout(patience, calling.call(which)).await;
            if called.is_err() && leaves_after.is_none() {
                calling.complain("a caller has waited for an hour".to_owned());
            }
        });
        world.check_limits();
    }
    let answered = tokio::time::timeout(2 * PATIENCE, callers.finished()).await;
    assert!(answered.is_ok(), "{} callers are left", callers.running());
    world.check_limits();
    let ran = world.answered.load(Ordering::SeqCst);
    world.finish().await;
    ran
}

fn run(seed: u64) -> usize {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(simulate(seed))
}

#[test]
fn whatever_goes_wrong_everybody_is_answered_and_everything_is_given_back() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("HEARTH_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HEARTH_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let mut ran = 0;
    for seed in seeds.clone() {
        ran += catch_unwind(AssertUnwindSafe(|| run(seed))).unwrap_or_else(|_| {
            panic!(
                "seed {seed} failed; to see it again: HEARTH_SIMULATION_SEED={seed} cargo test -p hearth-invoke --test simulation"
            )
        });
    }
    let seeds = usize::try_from(seeds.end - seeds.start).unwrap();
    assert!(ran > seeds, "hardly any call got through, so this shows nothing: {ran}");
}
