//! `ministack`: an emulator of many of AWS's services in Python, which runs functions without
//! Docker.
//!
//! It opens more ports than one can close, some of them on every address of the machine. So it
//! runs in namespaces of its own, where there is nothing but loopback, and the load client with it:
//!
//! ```text
//!  this program ──a line per round──▶ itself, inside ──▶ ministack
//!               ◀──the figures─────── (the load client)
//! ```
//!
//! A line says what is to be measured: calls of a function, or what comes to one from a queue or a
//! stream.
//!
//! # Promises
//!
//! 1. Whatever runs inside ends when the outer half does, in whatever way: it is in a process
//!    namespace whose first process is killed with its parent.

use std::env;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::bench::fixtures::{
    ONE_PROCESSOR_MB, ROUND, burst_on, compiled, compiled_package, load_on, python,
};
use crate::bench::hearth::{Function, Runtimes, Server, create, end_of, invoke_path, package};
use crate::bench::http::{Connection, Request};
use crate::bench::load::{Burst, Load, Requests};
use crate::bench::process::{Process, output_of};
use crate::bench::sources::{Amount, Figures as SourceFigures, Kind, MEMORY_MB, Mapped};
use crate::bench::started;
use crate::bench::stats::{Answered, Summary, times};
use crate::bench::table::{Row, both, ms};
use crate::bench::tools::Tools;
use crate::{now, say};

/// The command of this program that is the inner half.
pub(crate) const COMMAND: &str = "bench-inside";

const PRINTS: &str = "def handler(event, context):\n    print('a line')\n    return {}\n";
const BURST: usize = 15;
/// In a network of its own any port is free.
const PORT: u16 = 4566;
const START_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long the inner half may take to end when nobody asks it any more.
const END_MAX: Duration = Duration::from_secs(20);
/// What it is asked for a round of calls.
const CALLS: &str = "calls";
/// What the inner half says when it can be asked.
const READY: &str = "ready";

/// What one round gives.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Figures {
    warm: Summary,
    /// First calls of a function, at the same moment.
    burst: Answered,
}

/// Runs the whole scenario.
pub(crate) fn run(tools: &Tools, rounds: usize) -> anyhow::Result<Vec<Row>> {
    let mut peer = match MiniStack::start(tools) {
        Ok(peer) => peer,
        Err(why) => return Ok(vec![Row::unmeasured("beside ministack", &why)]),
    };
    let server = Server::start(tools, Runtimes::WithPython)?;
    let package = package("app.py", PRINTS.as_bytes())?;
    let function = python(tools, &package, ONE_PROCESSOR_MB);
    server.create(&function)?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let name = format!("burst-{round}");
        server.create(&Function { name: name.clone(), ..function.clone() })?;
        let warm = load_on(&server, &function.name, 1).run();
        server.rest()?;
        let burst = burst_on(&server, &name, BURST).run();
        ours.push(Figures { warm, burst });
        theirs.push(peer.ask(CALLS)?);
    }
    let [ours, theirs] = [ours, theirs].map(|rounds| median(&rounds));
    let times_warm = times(ours.warm.p50, theirs.warm.p50);
    let times_burst = times(ours.burst.all, theirs.burst.all);
    let failed = format!("ministack: {}", theirs.warm.errors + theirs.burst.errors);
    Ok(vec![
        Row::reported(
            "warm, Python, prints a line: p50, p99, beside ministack",
            format!("{} ({times_warm:.2} ×)", both(&ours.warm)),
            &both(&theirs.warm),
        ),
        Row::reported(
            &format!(
                "{BURST} first calls at once, Python, until all are answered, beside ministack"
            ),
            format!("{} ({times_burst:.2} ×)", ms(ours.burst.all)),
            &ms(theirs.burst.all),
        ),
        Row::no_errors("beside ministack: errors", ours.warm.errors + ours.burst.errors, &failed),
    ])
}

fn median(rounds: &[Figures]) -> Figures {
    let warm: Vec<Summary> = rounds.iter().map(|round| round.warm).collect();
    let burst: Vec<Answered> = rounds.iter().map(|round| round.burst).collect();
    Figures { warm: Summary::median(&warm), burst: Answered::median(&burst) }
}

/// The outer half.
#[derive(Debug)]
pub(crate) struct MiniStack {
    /// `None` once nothing is asked any more.
    asked: Option<ChildStdin>,
    figures: BufReader<ChildStdout>,
    process: Process,
    log: PathBuf,
    _scratch: TempDir,
}

impl MiniStack {
    /// Starts it, and waits until it can be asked.
    pub(crate) fn start(tools: &Tools) -> anyhow::Result<Self> {
        let packages = tools.ministack()?;
        let scratch =
            TempDir::with_prefix("hearth-bench-").context("could not make a directory")?;
        let log = tools.directory.join("ministack.log");
        let errors = File::create(&log).context("could not make the log of ministack")?;
        let program = env::current_exe().context("could not find this program")?;
        let mut command = Command::new("unshare");
        command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
        command.arg(program).arg(COMMAND);
        command.arg(&tools.python.program).arg(packages).arg(&tools.python.runtime);
        command.arg(tools.starts()?);
        command.current_dir(scratch.path()).env("TMPDIR", scratch.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut process = Process::start(&mut command)?;
        let asked = process.take_stdin();
        let figures = process.take_stdout().context("the inner half has no output")?;
        let figures = BufReader::new(figures);
        let mut peer = Self { asked, figures, process, log, _scratch: scratch };
        let said = peer.line()?;
        ensure!(said.trim() == READY, "the inner half said `{said}`");
        Ok(peer)
    }

    /// The figures of one round of something.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, what: &str) -> anyhow::Result<T> {
        let asked = self.asked.as_mut().context("nothing is asked any more")?;
        asked
            .write_all(format!("{what}\n").as_bytes())
            .context("the inner half does not listen")?;
        let said = self.line()?;
        serde_json::from_str(&said).with_context(|| format!("the inner half said `{said}`"))
    }

    /// The next line of the inner half, which gives up by itself when it waits for too long.
    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        self.figures.read_line(&mut line).context("could not read from the inner half")?;
        let log = if line.is_empty() { end_of(&self.log) } else { String::new() };
        let last = log.lines().last().unwrap_or("it did not say why");
        ensure!(!line.is_empty(), "ministack does not run: {last}");
        Ok(line)
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        // The end of its input is what ends the inner half. If not, its process is killed.
        drop(self.asked.take());
        let _ended = self.process.wait_for(END_MAX);
    }
}

/// The inner half: starts ministack and measures it whenever there is a line to read.
pub(crate) fn inside(args: &[String]) -> anyhow::Result<()> {
    let [interpreter, packages, runtime, starts] = args else {
        bail!("`{COMMAND}` is started by `cargo xtask bench`, and by nobody else");
    };
    output_of(Command::new("ip").args(["link", "set", "lo", "up"]))
        .context("there is no network, not even loopback (apt-get install iproute2)")?;
    let mut command = Command::new(interpreter);
    command.args(["-m", "ministack"]).env("PYTHONPATH", packages);
    command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", PORT.to_string());
    // Its output is no figure.
    command.stdin(Stdio::null()).stdout(io::stderr()).stderr(Stdio::inherit());
    let mut process = Process::start(&mut command)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    wait_for_health(&mut process, address)?;

    let package = package("app.py", PRINTS.as_bytes())?;
    let function =
        |name: String| Function { name, runtime, memory_mb: ONE_PROCESSOR_MB, package: &package };
    let mut connection = Connection::open(address)?;
    create(&mut connection, &function("no-op".to_owned()))?;
    let mut sources = Sources { address, starts: Path::new(starts), mapped: None };
    say(READY);
    for (round, line) in (0..).zip(io::stdin().lines()) {
        let line = line.context("could not read what is asked")?;
        let figures = match Kind::named(&line) {
            Some(kind) => serde_json::to_string(&sources.round(kind, round)?),
            None => {
                let name = format!("burst-{round}");
                create(&mut connection, &function(name.clone()))?;
                serde_json::to_string(&measure(address, &name))
            }
        };
        say(&figures.context("could not put the figures into JSON")?);
    }
    Ok(())
}

/// Queues and streams with a mapping, made when they are asked for.
struct Sources<'a> {
    address: SocketAddr,
    /// The program that says when it starts.
    starts: &'a Path,
    mapped: Option<Mapped>,
}

impl Sources<'_> {
    fn round(&mut self, kind: Kind, number: usize) -> anyhow::Result<SourceFigures> {
        let amount = Amount::of_peer(kind);
        let mapped = match self.mapped.take() {
            Some(mapped) if mapped.kind == kind => mapped,
            before => {
                if before.is_none() {
                    self.create_function()?;
                }
                Mapped::make(self.address, kind, amount.before)?
            }
        };
        let figures = mapped.round(number, amount.round);
        self.mapped = Some(mapped);
        figures
    }

    /// The same that Hearth has, which was run once.
    fn create_function(&self) -> anyhow::Result<()> {
        let package = compiled_package(self.starts)?;
        let function = compiled(&package, MEMORY_MB);
        let mut connection = Connection::open(self.address)?;
        create(&mut connection, &Function { name: started::NAME.to_owned(), ..function })?;
        let warm = Request::invocation(invoke_path(started::NAME), "{}".to_owned());
        connection.ask(&warm)?.succeeded().context("the function does not run")
    }
}

fn wait_for_health(process: &mut Process, address: SocketAddr) -> anyhow::Result<()> {
    let start = now();
    while start.elapsed() < START_MAX {
        let ended = process.wait_for(Duration::ZERO);
        ensure!(ended.is_none(), "it ended at once");
        if let Ok(mut connection) = Connection::open(address) {
            let answer = connection.exchange("GET", "/_ministack/health", b"")?;
            return answer.succeeded().context("it is not well");
        }
        thread::sleep(LOOK_AGAIN);
    }
    bail!("it did not start")
}

fn measure(address: SocketAddr, name: &str) -> Figures {
    let requests = Requests::invocation(invoke_path("no-op"));
    let warm = Load { address, requests, connections: 1, duration: ROUND }.run();
    let request = Request::invocation(invoke_path(name), "{}".to_owned());
    let burst = Burst { address, request, count: BURST }.run();
    Figures { warm, burst }
}
