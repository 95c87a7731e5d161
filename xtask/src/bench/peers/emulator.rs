//! AWS's runtime interface emulator with one function.
//!
//! It takes one invocation at a time and falls over when there are two; so each measurement that
//! may end it gets an emulator of its own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use crate::bench::hearth::{end_of, invoke_path};
use crate::bench::http::Connection;
use crate::bench::load::Requests;
use crate::bench::process::Process;
use crate::bench::tools::{Java, Node, Tools};
use crate::now;

const START_MAX: Duration = Duration::from_secs(15);
/// Short, because a start is measured by it.
const LOOK_AGAIN: Duration = Duration::from_micros(500);
/// How long it is given to fall over after its last request.
const FALL_MAX: Duration = Duration::from_secs(2);

/// What it runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handler<'a> {
    /// The source of a function in Python.
    Python(&'a str),
    /// The source of a function for Node.js, and with which interpreter it runs.
    Node(&'a str, &'a Node),
    /// A function for Java.
    Java(&'a Java),
    /// A program.
    Compiled(&'a Path),
}

/// A running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    process: Process,
    pub(crate) address: SocketAddr,
    /// From the start of its process to its first answer.
    pub(crate) cold: Duration,
    log: PathBuf,
    _function: TempDir,
}

impl Emulator {
    /// Starts the emulator, and invokes the function once so that it is warm.
    pub(crate) fn start(tools: &Tools, handler: Handler<'_>) -> anyhow::Result<Self> {
        let function =
            TempDir::with_prefix("hearth-bench-").context("could not make a directory")?;
        let log = tools.directory.join("emulator.log");
        let output = File::create(&log).context("could not make the emulator's log")?;
        let errors = output.try_clone().context("could not share the emulator's log")?;
        let [address, runtime_api] = free_addresses()?;

        let mut command = Command::new(&tools.emulator);
        command.arg("--runtime-interface-emulator-address").arg(address.to_string());
        command.arg("--runtime-api-address").arg(runtime_api.to_string());
        handler.prepare(tools, function.path(), &mut command)?;
        command.current_dir(function.path());
        command.env("AWS_LAMBDA_FUNCTION_TIMEOUT", "60");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let start = now();
        let process = Process::start(&mut command)?;
        let cold = Duration::ZERO;
        let mut emulator = Self { process, address, cold, log, _function: function };
        emulator.warm_up()?;
        emulator.cold = start.elapsed();
        Ok(emulator)
    }

    fn warm_up(&self) -> anyhow::Result<()> {
        let start = now();
        while start.elapsed() < START_MAX {
            if let Ok(mut connection) = Connection::open(self.address) {
                let path = invoke_path(FUNCTION);
                let answer = connection.exchange("POST", &path, b"{}")?;
                return answer.succeeded().context("the emulator does not run the function");
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!("the emulator did not start; it said:\n{}", end_of(&self.log))
    }

    /// Invocations of its function.
    pub(crate) fn invocations() -> Requests {
        Requests::invocation(invoke_path(FUNCTION))
    }

    /// Whether it is still there, and its last words if not.
    pub(crate) fn fate(mut self) -> String {
        let Some(status) = self.process.wait_for(FALL_MAX) else {
            return "still running".to_owned();
        };
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let panic = said.lines().find(|line| line.starts_with("panic:"));
        format!("fell over ({status}; {})", panic.unwrap_or("it did not say why"))
    }
}

/// It has one function, and this is its name.
const FUNCTION: &str = "function";

impl Handler<'_> {
    /// Writes the function down, and says how it is started.
    fn prepare(self, tools: &Tools, directory: &Path, command: &mut Command) -> anyhow::Result<()> {
        let write = |name: &str, text: &str| {
            fs::write(directory.join(name), text).context("could not write a function")
        };
        match self {
            Self::Python(source) => {
                write("app.py", source)?;
                command.arg(&tools.python.program).args(["-m", "awslambdaric", "app.handler"]);
                command.env("PYTHONPATH", &tools.client);
            }
            Self::Node(source, node) => {
                write("index.mjs", source)?;
                write("start.mjs", &started(&node.client))?;
                command.arg(&node.program).args(["start.mjs", "index.handler"]);
            }
            Self::Java(java) => {
                let copied = fs::copy(java.function.join(Java::CLASS), directory.join(Java::CLASS));
                copied.context("could not copy a function")?;
                command.args(java.command());
                let main = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";
                command.args([main, "NoOp::handle"]);
            }
            Self::Compiled(program) => {
                command.arg(program);
            }
        }
        Ok(())
    }
}

/// A program that tells AWS's client where the function is and starts it. The emulator says
/// `/var/task`, which is not there.
fn started(client: &Path) -> String {
    // What a runtime of Hearth starts with: the older client does not start by itself.
    let ours = client.join("bootstrap.mjs");
    let client = if ours.exists() { ours } else { client.join("index.mjs") };
    format!(
        "process.env.LAMBDA_TASK_ROOT = process.cwd();\n\
         process.env._HANDLER = 'index.handler';\n\
         await import('{}');\n",
        client.display()
    )
}

/// Two addresses on which nothing listens at the moment. The emulator cannot choose any itself.
fn free_addresses() -> anyhow::Result<[SocketAddr; 2]> {
    // Both are open at the same time, so they differ.
    let one = TcpListener::bind(("127.0.0.1", 0)).context("there is no free port")?;
    let other = TcpListener::bind(("127.0.0.1", 0)).context("there is no free port")?;
    Ok([
        one.local_addr().context("a port has no address")?,
        other.local_addr().context("a port has no address")?,
    ])
}
