//! A Hearth server of our own: its process, and the operations that a run needs.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::http::{Answer, Connection};
use super::process::Process;
use super::tools::Tools;
use crate::now;

const START_MAX: Duration = Duration::from_secs(30);
const ACTIVE_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How much of a log is shown when something fails.
const LOG_LINES_SHOWN: usize = 20;
/// How long a server may have work in the background before it is measured all the same.
const REST_MAX: Duration = Duration::from_secs(5);
/// How long a server is given to prepare environments ahead of time, after it has started what
/// somebody waits for. A shell with Python inside takes a tenth of it.
const REFILL: Duration = Duration::from_millis(400);
/// The same where a shell has a virtual machine of Java inside, which takes most of a second: it
/// would have a processor while something else is measured.
const REFILL_JAVA: Duration = Duration::from_millis(2_000);

/// What a server can run beside compiled functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtimes {
    ProvidedOnly,
    WithPython,
    WithNode,
    WithJava,
}

/// A running server with a data directory of its own.
#[derive(Debug)]
pub(crate) struct Server {
    // Dropped in this order: the directory goes when nobody uses it any more.
    process: Process,
    pub(crate) address: SocketAddr,
    /// From its start to the line that says where it listens.
    pub(crate) started_in: Duration,
    runtimes: Runtimes,
    data: TempDir,
}

/// A function to create.
#[derive(Debug, Clone)]
pub(crate) struct Function<'a> {
    pub(crate) name: String,
    pub(crate) runtime: &'a str,
    pub(crate) memory_mb: u32,
    /// The package, as AWS's wire wants it.
    pub(crate) package: &'a str,
}

impl Server {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(tools: &Tools, runtimes: Runtimes) -> anyhow::Result<Self> {
        Self::start_with(tools, runtimes, &[])
    }

    /// The same with settings, each as `KEY=VALUE`.
    pub(crate) fn start_with(
        tools: &Tools,
        runtimes: Runtimes,
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        let data = TempDir::with_prefix("hearth-bench-").context("could not make a directory")?;
        link_runtime(tools, runtimes, data.path())?;
        Self::start_in(tools, runtimes, data, settings)
    }

    /// Stops it, and starts it again with what it has kept.
    pub(crate) fn restart(self, tools: &Tools, settings: &[&str]) -> anyhow::Result<Self> {
        let Self { process, runtimes, data, .. } = self;
        drop(process);
        Self::start_in(tools, runtimes, data, settings)
    }

    fn start_in(
        tools: &Tools,
        runtimes: Runtimes,
        data: TempDir,
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        let log = tools.directory.join("hearth.log");
        let errors = File::create(&log).context("could not make the server's log")?;
        let mut serve = Command::new(&tools.hearth);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
        serve.args(settings.iter().flat_map(|setting| ["--set", *setting]));
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let start = now();
        let mut process = Process::start(&mut serve)?;
        let stdout = process.take_stdout().context("the server has no output")?;
        let Ok(address) = listening_on(stdout).recv_timeout(START_MAX) else {
            bail!("the server did not start; it said:\n{}", end_of(&log));
        };
        Ok(Self { process, address, started_in: start.elapsed(), runtimes, data })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Creates a function and waits until it can be invoked.
    pub(crate) fn create(&self, function: &Function<'_>) -> anyhow::Result<()> {
        create(&mut Connection::open(self.address)?, function)
    }

    /// Deletes a function, and its environments with it.
    pub(crate) fn delete(&self, name: &str) -> anyhow::Result<()> {
        let path = format!("{FUNCTIONS}/{name}");
        let answer = Connection::open(self.address)?.exchange("DELETE", &path, b"")?;
        ensure!(answer.status == 204, "could not delete {name}: {}", text(&answer));
        Ok(())
    }

    /// Waits until the server starts nothing and what it keeps ready is complete again. A server
    /// that never rests is measured as it is.
    pub(crate) fn rest(&self) -> anyhow::Result<()> {
        let mut connection = Connection::open(self.address)?;
        let start = now();
        while start.elapsed() < REST_MAX {
            let answer = connection.exchange("GET", "/_hearth/status", b"")?;
            ensure!(answer.status == 200, "there is no status: {}", text(&answer));
            let status: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
            let of_host = |what: &str| status["host"][what].as_u64().unwrap_or_default();
            if of_host("starting") == 0 && of_host("waiting") == 0 {
                break;
            }
            thread::sleep(LOOK_AGAIN);
        }
        thread::sleep(match self.runtimes {
            Runtimes::WithJava => REFILL_JAVA,
            Runtimes::ProvidedOnly | Runtimes::WithPython | Runtimes::WithNode => REFILL,
        });
        Ok(())
    }
}

/// Where functions are listed and created.
pub(crate) const FUNCTIONS: &str = "/2015-03-31/functions";

/// Creates a function, on a connection to any peer, and waits until it can be invoked.
pub(crate) fn create(connection: &mut Connection, function: &Function<'_>) -> anyhow::Result<()> {
    let Function { name, runtime, memory_mb, package } = function;
    let handler = match runtime.get(..6) {
        Some("python") => "app.handler",
        Some("nodejs") => "index.handler",
        Some(java) if java.starts_with("java") => "NoOp::handle",
        Some(_) | None => "bootstrap",
    };
    let request = json!({
        "FunctionName": name,
        "Runtime": runtime,
        "Role": "arn:aws:iam::000000000000:role/bench",
        "Handler": handler,
        "Code": { "ZipFile": package },
        "MemorySize": memory_mb,
        "Timeout": 60,
    });
    let body = request.to_string();
    let answer = connection.exchange("POST", FUNCTIONS, body.as_bytes())?;
    ensure!(answer.status == 201, "could not create {name}: {}", text(&answer));

    let start = now();
    while start.elapsed() < ACTIVE_MAX {
        let path = format!("{FUNCTIONS}/{name}");
        let answer = connection.exchange("GET", &path, b"")?;
        ensure!(answer.status == 200, "could not get {name}: {}", text(&answer));
        let found: Value = serde_json::from_slice(&answer.body).context("not JSON")?;
        match found["Configuration"]["State"].as_str() {
            Some("Active") => return Ok(()),
            Some("Failed") => bail!("{name} failed to become active: {found}"),
            _ => thread::sleep(LOOK_AGAIN),
        }
    }
    bail!("{name} did not become active")
}

/// Where invocations of a function are sent.
pub(crate) fn invoke_path(name: &str) -> String {
    format!("{FUNCTIONS}/{name}/invocations")
}

/// A package with one file, as AWS's wire wants it.
pub(crate) fn package(name: &str, content: &[u8]) -> anyhow::Result<String> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    archive.start_file(name, options).context("could not make a package")?;
    archive.write_all(content).context("could not make a package")?;
    let bytes = archive.finish().context("could not make a package")?.into_inner();
    Ok(STANDARD.encode(bytes))
}

/// Puts a runtime that was made before where the server looks for it.
fn link_runtime(tools: &Tools, runtimes: Runtimes, data: &Path) -> anyhow::Result<()> {
    let python = &tools.python;
    let (name, runtime) = match runtimes {
        Runtimes::ProvidedOnly => return Ok(()),
        Runtimes::WithPython => {
            (python.runtime.clone(), tools.runtime(&python.runtime, Some(&python.prefix))?)
        }
        Runtimes::WithNode => {
            let name = tools.node()?.runtime;
            let runtime = tools.runtime(&name, None)?;
            (name, runtime)
        }
        Runtimes::WithJava => {
            let name = tools.java()?.runtime;
            let runtime = tools.runtime(&name, None)?;
            (name, runtime)
        }
    };
    let directory = data.join("runtimes");
    fs::create_dir(&directory).context("could not make a directory for the runtime")?;
    symlink(runtime, directory.join(name)).context("could not link the runtime")
}

/// Finds the line that says where the server listens, and reads on, so that it never blocks.
fn listening_on(stdout: ChildStdout) -> Receiver<SocketAddr> {
    let (found, address) = sync_channel(1);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let said = line.strip_prefix("hearth: listening on http://");
            if let Some(Ok(address)) = said.map(|rest| rest.trim().parse::<SocketAddr>()) {
                // Nobody waits any more if it comes too late.
                let _late = found.try_send(address);
            }
        }
    });
    address
}

fn text(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// The last lines of a log.
pub(crate) fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
