//! The driver on the simulated backend: whole lives of environments, with time under control.

#![expect(
    clippy::unwrap_used,
    reason = "this is a test, functions that are called by tests included"
)]

#[path = "driver/streaming.rs"]
mod streaming;
mod extensions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_environment::backend::Connection;
use hearth_environment::driver::{self, Birth, Gateway, Handle, Keeper, Offered, Purpose, Shared};
use hearth_environment::invocation::{Completed, Invocation, LogRequest, RunResult};
use hearth_environment::mailbox::{Assignment, NotTaken, Taker};
use hearth_environment::simulated::{Fault, Happening, Script, Simulated, SimulatedRuntime};
use hearth_guest::protocol::{Exit, NotRunning};
use hearth_runtimes::Runtimes;
use hearth_types::function::Target;
use hearth_types::ids::{EnvironmentId, RequestId, TargetId};
use hearth_types::logs::{LogEvent, LogSink, LogStream};
use hearth_types::names::{AccountId, FunctionArn, FunctionName, Region, Scope, Version};
use hearth_types::tasks::Tasks;
use hearth_types::time::{Clock, Timestamp};
use tokio::sync::{mpsc, oneshot};

#[derive(Debug)]
struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_795_404_035_123)
    }
}

/// Keeps what was logged.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl LogSink for Lines {
    fn open(&self, _scope: &Scope, _group: &str, _stream: &str) -> Arc<dyn LogStream> {
        Arc::new(self.clone())
    }
}

impl LogStream for Lines {
    fn append(&self, events: Vec<LogEvent>) {
        let text = |event: LogEvent| String::from_utf8_lossy(&event.message).into_owned();
        self.0.lock().unwrap().extend(events.into_iter().map(text));
    }

    fn has_room(&self) -> bool {
        true
    }

    fn room(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

#[derive(Debug)]
struct NoGateway;

impl Gateway for NoGateway {
    fn serve(
        &self,
        _connection: Box<dyn Connection>,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// Passes on what the environment tells its keeper.
#[derive(Debug)]
struct Told(mpsc::Sender<Said>);

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Idle,
    Gone(Option<String>),
}

impl Keeper for Told {
    fn idle(&self, _id: EnvironmentId, _offered: Offered) {
        let _ = self.0.try_send(Said::Idle);
    }

    fn answered(&self, _id: EnvironmentId) {}

    fn resetting(&self, _id: EnvironmentId) {}

    fn gone(&self, _id: EnvironmentId, error: Option<String>) {
        let _ = self.0.try_send(Said::Gone(error));
    }
}

struct World {
    handle: Handle,
    said: mpsc::Receiver<Said>,
    lines: Lines,
    backend: Simulated,
    tasks: Tasks,
}

fn target() -> Target {
    let account = AccountId::parse("000000000000").unwrap();
    let scope = Scope { account, region: Region::parse("us-east-1").unwrap() };
    Target {
        id: TargetId::random(),
        function: FunctionArn { scope, name: FunctionName::parse("hello").unwrap() },
        version: Version::Latest,
        runtime: "provided.al2023".into(),
        handler: "bootstrap".into(),
        memory_mb: 128,
        timeout_seconds: 3,
        ephemeral_storage_mb: 512,
        variables: BTreeMap::new(),
        log_group: "/aws/lambda/hello".into(),
        application_log_level: None,
        layers: None,
        code: PathBuf::from("/nowhere"),
    }
}

fn world(script: Script, faults: &[Fault]) -> World {
    world_of(Simulated::new(script), target(), faults)
}

fn world_of(backend: Simulated, target: Target, faults: &[Fault]) -> World {
    backend.faults.lock().unwrap().extend(faults.iter().cloned());
    let directory = tempfile::tempdir().unwrap();
    let runtimes = Runtimes::open(directory.path().to_owned()).unwrap();
    let (lines, tasks) = (Lines::default(), Tasks::default());
    let shared = Shared {
        backend: Arc::new(backend.clone()),
        logs: Arc::new(lines.clone()),
        clock: Arc::new(StandingClock),
        gateway: Arc::new(NoGateway),
        endpoint: None,
        stream_bytes_per_second: 0,
        tasks: tasks.clone(),
    };
    let birth = Birth {
        id: EnvironmentId(1),
        target: Arc::new(target),
        runtime: runtimes.get("provided.al2023").unwrap(),
        purpose: Purpose::OnDemand,
    };
    let (sender, said) = mpsc::channel(64);
    let handle = driver::start(&shared, birth, Arc::new(Told(sender)));
    World { handle, said, lines, backend, tasks }
}

impl World {
    async fn until_idle(&mut self) {
        assert_eq!(self.said.recv().await, Some(Said::Idle));
    }

    fn assign(&self, log: LogRequest) -> oneshot::Receiver<Result<Completed, NotTaken>> {
        let (outcome, receiver) = oneshot::channel();
        self.hand_over(log, Taker::Whole(outcome));
        receiver
    }

    fn hand_over(&self, log: LogRequest, outcome: Taker) {
        let invocation = Invocation {
            id: RequestId::random(),
            payload: "{}".into(),
            invoked_arn: "arn".into(),
            client_context: None,
            trace: String::new(),
            log,
        };
        self.handle.assign(Assignment { invocation, outcome, hold: None }, &self.tasks);
    }

    async fn run(&self) -> (String, RunResult) {
        let completed = self.assign(LogRequest::None).await.unwrap().unwrap();
        (String::from_utf8(completed.payload.to_vec()).unwrap(), completed.result)
    }

    async fn retire(&mut self) {
        self.handle.retire(&self.tasks);
        while self.said.recv().await != Some(Said::Gone(None)) {}
        assert_eq!(self.backend.history.lock().unwrap().last(), Some(&Happening::TornDown));
    }

    fn happened(&self, happening: Happening) -> usize {
        let history = self.backend.history.lock().unwrap();
        history.iter().filter(|one| **one == happening).count()
    }
}

fn script<F: Future<Output = Exit> + Send + 'static>(
    run: impl Fn(SimulatedRuntime) -> F + Send + Sync + 'static,
) -> Script {
    Arc::new(move |runtime| Box::pin(run(runtime)))
}

/// Answers every event with a count.
async fn well_behaved(runtime: SimulatedRuntime) -> Exit {
    for count in 1.. {
        let event = runtime.next().await;
        let id = event.request_id.unwrap_or_default();
        runtime.print(&format!("line {count}\n")).await;
        runtime.respond(&id, &count.to_string()).await;
    }
    Exit::Status(0)
}

#[tokio::test(start_paused = true)]
async fn a_runtime_is_started_once_and_reused_and_frozen_in_between() {
    let mut world = world(script(well_behaved), &[]);
    world.until_idle().await;
    assert_eq!(world.run().await, ("1".to_owned(), RunResult::Success));
    world.until_idle().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(world.run().await, ("2".to_owned(), RunResult::Success));
    world.until_idle().await;
    assert_eq!(world.happened(Happening::Ran), 1);
    assert_eq!(world.happened(Happening::Frozen), 1);
    assert_eq!(world.happened(Happening::Thawed), 1);
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn output_stands_between_the_lines_of_the_platform() {
    let mut world = world(script(well_behaved), &[]);
    world.until_idle().await;
    let completed = world.assign(LogRequest::Tail).await.unwrap().unwrap();
    let tail = String::from_utf8(completed.log_tail.unwrap()).unwrap();
    let kinds: Vec<&str> = tail.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds, ["START", "line", "END", "REPORT"]);
    assert!(tail.ends_with("\t\n"), "{tail:?}");
    assert!(
        world.lines.0.lock().unwrap()[0].starts_with("INIT_START Runtime Version: provided:al2023")
    );
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn each_way_to_fail_answers_and_leaves_an_environment_that_works() {
    let stuck = script(|runtime| async move {
        runtime.next().await;
        std::future::pending().await
    });
    let dies = script(|runtime| async move {
        runtime.next().await;
        Exit::Status(3)
    });
    let never_ready = script(|_runtime| async { std::future::pending().await });
    let says_why = script(|runtime| async move {
        runtime.call("POST", "init/error", "{\"errorType\":\"Runtime.HandlerNotFound\"}").await;
        std::future::pending().await
    });
    #[rustfmt::skip]
    let rows = [
        ("works for too long", stuck,       "Task timed out after 3.00 seconds"),
        ("dies at work",       dies,        "Runtime exited with error: exit status 3"),
        ("never gets ready",   never_ready, "Task timed out after 3.00 seconds"),
        ("cannot load",        says_why,    "Runtime.HandlerNotFound"),
    ];
    for (name, script, expected) in rows {
        let mut world = world(script, &[]);
        world.until_idle().await;
        for _attempt in 0..2 {
            let (payload, result) = world.run().await;
            assert!(payload.contains(expected), "{name}: {payload}");
            assert_eq!(result, RunResult::Unhandled, "{name}");
            world.until_idle().await;
        }
        assert!(world.happened(Happening::Reset) >= 2, "{name}: everything inside is ended");
        assert_eq!(world.happened(Happening::Built), 1, "{name}: the walls stay");
        world.retire().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bootstrap_that_is_not_there_is_named_to_the_caller() {
    let missing = NotRunning::NoneFound(vec!["/var/task/bootstrap".into()]);
    let mut world = world(script(well_behaved), &[Fault::Run(missing)]);
    // The init phase failed; the invocation tries again, and this time it is there.
    world.until_idle().await;
    assert_eq!(world.run().await.0, "1");
    let lines = world.lines.0.lock().unwrap().join("");
    assert!(lines.contains("Phase: init\tStatus: error\tError Type: Runtime.InvalidEntrypoint"));
    world.until_idle().await;
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn walls_that_cannot_be_built_are_reported_with_the_reason() {
    let mut world = world(script(well_behaved), &[Fault::Build]);
    let Some(Said::Gone(Some(error))) = world.said.recv().await else { panic!("it came to be") };
    assert!(error.contains("could not simulate: told to fail"), "{error}");
    assert!(world.assign(LogRequest::None).await.unwrap().is_err(), "not taken, and handed back");
}

#[tokio::test(start_paused = true)]
async fn answers_that_do_not_count_are_refused_and_change_nothing() {
    let (seen, mut statuses) = mpsc::channel(16);
    let odd = script(move |runtime| {
        let seen = seen.clone();
        async move {
            let event = runtime.next().await;
            let id = event.request_id.unwrap_or_default();
            let other = RequestId::random().to_string();
            let mut got = Vec::new();
            got.push(runtime.respond(&other, "wrong").await.status);
            got.push(runtime.next().await.status);
            got.push(runtime.respond(&id, "right").await.status);
            got.push(runtime.respond(&id, "again").await.status);
            got.push(runtime.call("POST", "init/error", "{}").await.status);
            let _ = seen.send(got).await;
            runtime.next().await;
            Exit::Status(0)
        }
    });
    let mut world = world(odd, &[]);
    world.until_idle().await;
    assert_eq!(world.run().await, ("right".to_owned(), RunResult::Success));
    assert_eq!(statuses.recv().await.unwrap(), [400, 403, 202, 403, 403]);
    world.until_idle().await;
    world.retire().await;
}

#[tokio::test(start_paused = true)]
async fn retired_at_work_it_finishes_first() {
    let mut world = world(script(well_behaved), &[]);
    world.until_idle().await;
    let outcome = world.assign(LogRequest::None);
    world.handle.retire(&world.tasks);
    assert_eq!(outcome.await.unwrap().unwrap().payload, "1");
    while world.said.recv().await != Some(Said::Gone(None)) {}
    assert!(world.assign(LogRequest::None).await.unwrap().is_err(), "nothing more is taken");
}
