//! What the scenarios have in common: functions, loads, and measurements of a single start.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::hearth::{Function, Server, invoke_path, package};
use super::http::{Connection, Request};
use super::load::{Burst, Load, Requests};
use super::stats::Summary;
use super::tools::{Java, Node, Tools};
use crate::now;

/// The handler in Python that does nothing.
pub(super) const NO_OP: &str = "def handler(event, context):\n    return {}\n";
/// The same for Node.js.
pub(super) const NO_OP_NODE: &str = "export const handler = async () => ({});\n";

/// How long a round of load lasts.
pub(super) const ROUND: Duration = Duration::from_secs(2);
/// How long memory, and whatever else goes on after an answer, is given to settle.
pub(super) const SETTLE: Duration = Duration::from_secs(1);
/// One whole processor, as AWS counts; the emulator does not limit it.
pub(super) const ONE_PROCESSOR_MB: u32 = 1769;
/// The least that AWS gives a function.
pub(super) const SMALLEST_MB: u32 = 128;
/// The settings of a server that keeps nothing ready ahead of time.
pub(super) const NOTHING_READY: [&str; 2] = ["warm_shells=0", "shells=0"];

/// What the promises of throughput and of bursts are made for; the load client is on them as well.
const PROCESSORS: usize = 2;
const COMPILED: &str = "provided.al2023";

/// The function in Python that does nothing, called `no-op`.
pub(super) fn create_no_op(tools: &Tools, server: &Server) -> anyhow::Result<()> {
    let package = package("app.py", NO_OP.as_bytes())?;
    server.create(&python(tools, &package, ONE_PROCESSOR_MB))
}

/// A function in Python, called `no-op`.
pub(super) fn python<'a>(tools: &'a Tools, package: &'a str, memory_mb: u32) -> Function<'a> {
    let runtime = tools.python.runtime.as_str();
    Function { name: "no-op".to_owned(), runtime, memory_mb, package }
}

/// A compiled function, called `compiled`.
pub(super) fn compiled(package: &str, memory_mb: u32) -> Function<'_> {
    Function { name: "compiled".to_owned(), runtime: COMPILED, memory_mb, package }
}

/// The package of a compiled function.
pub(super) fn compiled_package(program: &Path) -> anyhow::Result<String> {
    let program = fs::read(program).context("could not read the function")?;
    package("bootstrap", &program)
}

/// Creates many functions that differ in their names, and returns these.
pub(super) fn create_many(
    server: &Server,
    function: &Function<'_>,
    count: usize,
) -> anyhow::Result<Vec<String>> {
    let names: Vec<String> = (0..count).map(|n| format!("{}-{n}", function.name)).collect();
    for name in &names {
        server.create(&Function { name: name.clone(), ..function.clone() })?;
    }
    Ok(names)
}

/// A load on `no-op`.
pub(super) fn load(server: &Server, connections: usize) -> Load {
    load_on(server, "no-op", connections)
}

/// A load on a function.
pub(super) fn load_on(server: &Server, name: &str, connections: usize) -> Load {
    let requests = Requests::invocation(invoke_path(name));
    Load { address: server.address, requests, connections, duration: ROUND }
}

/// Many invocations of a function at the same moment.
pub(super) fn burst_on(server: &Server, name: &str, count: usize) -> Burst {
    let request = Request::invocation(invoke_path(name), "{}".to_owned());
    Burst { address: server.address, request, count }
}

/// The time from a request to its answer, where the function has no environment yet.
pub(super) fn first_invocation(server: &Server, name: &str) -> anyhow::Result<Duration> {
    let mut connection = Connection::open(server.address)?;
    let start = now();
    let answer = connection.exchange("POST", &invoke_path(name), b"{}")?;
    let took = start.elapsed();
    answer.succeeded().with_context(|| format!("could not invoke {name}"))?;
    Ok(took)
}

/// The time that Python takes to start and to import AWS's client, without any walls.
pub(super) fn bare_python(tools: &Tools) -> anyhow::Result<Duration> {
    let mut command = Command::new(&tools.python.program);
    command.args(["-c", "import awslambdaric.bootstrap"]).env("PYTHONPATH", &tools.client);
    bare(&mut command)
}

/// The same for Node.js.
pub(super) fn bare_node(node: &Node) -> anyhow::Result<Duration> {
    // The newer client begins to work when it is imported, and fails for lack of a function.
    let import = format!(
        "process.on('unhandledRejection', () => process.exit(0)); await import('{}');",
        node.client.join("index.mjs").display()
    );
    bare(Command::new(&node.program).args(["--input-type=module", "--eval", &import]))
}

/// The same for Java, up to its first request for work.
pub(super) fn bare_java(java: &Java) -> anyhow::Result<Duration> {
    let parts = java.command();
    let (program, flags) = parts.split_first().expect("it begins with its program");
    let mut command = Command::new(program);
    // A port on which nobody listens.
    command.args(flags).arg("NoOp").env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9");
    bare(command.current_dir(&java.function))
}

fn bare(command: &mut Command) -> anyhow::Result<Duration> {
    let start = now();
    let output = command.output().context("could not start the interpreter")?;
    let took = start.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the interpreter could not import AWS's client: {said}");
    Ok(took)
}

/// Does something on [`PROCESSORS`] only, together with everything that it starts.
pub(super) fn on_few_processors<T: Send>(
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    thread::scope(|scope| {
        // A thread of its own, because its processors are those of whatever it starts.
        let thread = scope.spawn(|| -> anyhow::Result<T> {
            let all = sched_getaffinity(None).context("could not ask for the processors")?;
            let mut few = CpuSet::new();
            for processor in
                (0..CpuSet::MAX_CPU).filter(|index| all.is_set(*index)).take(PROCESSORS)
            {
                few.set(processor);
            }
            sched_setaffinity(None, &few).context("could not choose the processors")?;
            let here = thread::available_parallelism().map_or(1, NonZero::get);
            ensure!(here == PROCESSORS, "this needs {PROCESSORS} processors, and has {here}");
            work()
        });
        thread.join().ok().context("our own thread failed")?
    })
}

/// Of measurements that were taken one by one.
pub(super) fn summary(latencies: Vec<Duration>) -> Summary {
    let elapsed = latencies.iter().sum();
    Summary::of(latencies, elapsed, 0)
}
