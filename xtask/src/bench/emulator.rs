//! AWS's runtime interface emulator with a Python function.
//!
//! It takes one invocation at a time and falls over when there are two; so each measurement that
//! may end it gets an emulator of its own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;

use super::hearth::{end_of, invoke_path};
use super::load::Connection;
use super::process::Process;
use super::tools::Tools;
use crate::now;

const START_MAX: Duration = Duration::from_secs(15);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long it is given to fall over after its last request.
const FALL_MAX: Duration = Duration::from_secs(2);

/// A running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    process: Process,
    pub(crate) address: SocketAddr,
    log: PathBuf,
    _function: TempDir,
}

impl Emulator {
    /// Starts the emulator, and invokes the function once so that it is warm.
    pub(crate) fn start(tools: &Tools, source: &str) -> anyhow::Result<Self> {
        let function =
            TempDir::with_prefix("hearth-bench-").context("could not make a directory")?;
        fs::write(function.path().join("app.py"), source).context("could not write a function")?;
        let log = tools.directory.join("emulator.log");
        let output = File::create(&log).context("could not make the emulator's log")?;
        let errors = output.try_clone().context("could not share the emulator's log")?;
        let [address, runtime_api] = free_addresses()?;

        let mut command = Command::new(&tools.emulator);
        command.arg("--runtime-interface-emulator-address").arg(address.to_string());
        command.arg("--runtime-api-address").arg(runtime_api.to_string());
        command.arg(&tools.python.program).args(["-m", "awslambdaric", "app.handler"]);
        command.current_dir(function.path()).env("PYTHONPATH", &tools.client);
        command.env("AWS_LAMBDA_FUNCTION_TIMEOUT", "60");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769");
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let process = Process::start(&mut command)?;
        let emulator = Self { process, address, log, _function: function };
        emulator.warm_up()?;
        Ok(emulator)
    }

    fn warm_up(&self) -> anyhow::Result<()> {
        let start = now();
        while start.elapsed() < START_MAX {
            if let Ok(mut connection) = Connection::open(self.address) {
                let answer = connection.exchange("POST", &Self::path(), b"{}")?;
                return answer.succeeded().context("the emulator does not run the function");
            }
            thread::sleep(LOOK_AGAIN);
        }
        bail!("the emulator did not start; it said:\n{}", end_of(&self.log))
    }

    /// It has one function, and this is its name.
    pub(crate) fn path() -> String {
        invoke_path("function")
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
