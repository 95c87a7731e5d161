//! A server for each test, and what tests do with one.
//!
//! ```text
//!  Place::new ──▶ Place ──Server::start_at──▶ Server ──kill, stop──▶ Place
//!                  │ two at a time                │ dropped: told to stop, and held to it
//! ```
//!
//! # Promises
//!
//! 1. No more than two places exist at a time in this process, or one that asked to be alone.
//! 2. A server does not outlive its test, and its log is shown when the test fails.
//! 3. A server that has logged an error fails its test.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::functions::Code;
use crate::host::Run;
use crate::http::{Answer, Connection, Request};
use crate::tools;

/// Tells the processes of one run of a server from all others: they inherit it.
const MARKER: &str = "E2E_RUN";
/// The role of every function.
pub(crate) const ROLE: &str = "arn:aws:iam::000000000000:role/tests";
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(10);
/// How long a server may take to start, on a machine that is busy compiling.
const START_SECONDS: u64 = 60;
/// How long a server may take to stop: it gives invocations five seconds.
const STOP_SECONDS: u64 = 30;

/// The time, for deadlines and measurements.
#[expect(clippy::disallowed_methods, reason = "end-to-end tests run in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until there is an answer, and fails the test if there is none in time.
pub(crate) fn eventually<T>(what: &str, seconds: u64, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(now() < deadline, "not within {seconds} seconds: {what}");
        thread::sleep(POLL);
    }
}

/// Looks again and again until what is seen is as wanted, or the time is over. Returns what was
/// seen last, for the test to judge.
pub(crate) fn last_seen<T>(
    seconds: u64,
    mut look: impl FnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = now() + Duration::from_secs(seconds);
    loop {
        let seen = look();
        if wanted(&seen) || now() >= deadline {
            return seen;
        }
        thread::sleep(POLL);
    }
}

/// Says something that is seen also when the test passes: the capturing of output is for macros.
pub(crate) fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| value == "1")
}

/// Whether tests of what this host cannot do are skipped.
pub(crate) fn weaker_allowed() -> bool {
    is_set("HEARTH_TESTS_ALLOW_WEAKER")
}

/// Whether this host can enforce something, named as `hearth doctor` names it. A host that cannot
/// fails the test, unless that is allowed.
pub(crate) fn enforces(subject: &str) -> bool {
    static REPORT: OnceLock<Value> = OnceLock::new();
    let report = REPORT.get_or_init(|| {
        let output = hearth().args(["doctor", "--json"]).output().expect("the program runs");
        serde_json::from_slice(&output.stdout).expect("the report is JSON")
    });
    let mut findings = report["findings"].as_array().into_iter().flatten();
    let found = findings.find(|finding| finding["subject"] == subject);
    let found =
        found.unwrap_or_else(|| panic!("the doctor does not know of the {subject}: {report}"));
    if found["good"] == true {
        return true;
    }
    assert!(
        weaker_allowed(),
        "this host cannot enforce the {subject} ({}). `hearth doctor` says what to do; \
         HEARTH_TESTS_ALLOW_WEAKER=1 skips what depends on it",
        found["found"]
    );
    say(&format!("SKIPPED what depends on the {subject}: this host cannot enforce it"));
    false
}

/// An optional part is not installed here.
pub(crate) fn skipped(test: &str, why: &str) {
    assert!(!is_set("HEARTH_TESTS_SKIP_NOTHING"), "{test} would be skipped: {why}");
    say(&format!("SKIPPED {test}: {why}"));
}

/// The program under test, with an environment that has none of its settings.
pub(crate) fn hearth() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("HEARTH_")) {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1");
    command
}

/// How many places may be opened.
static FREE: Mutex<usize> = Mutex::new(2);
static FREED: Condvar = Condvar::new();

/// The right to have a place.
#[derive(Debug)]
struct Permit(usize);

impl Permit {
    fn take(count: usize) -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = FREED.wait_while(free, |free| *free < count);
        *enough.unwrap_or_else(PoisonError::into_inner) -= count;
        Self(count)
    }

    /// Two rights to have one place each, taken at once: two tests that have one each and wait for
    /// a second would wait for ever.
    fn two() -> [Self; 2] {
        let mut both = Self::take(2);
        both.0 = 1;
        [both, Self(1)]
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        FREED.notify_all();
    }
}

/// A directory for one test: the data of its server, and the server's log.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    _permit: Permit,
}

impl Place {
    /// A place with the Python runtime in it.
    pub(crate) fn new() -> Self {
        Self::with(Permit::take(1))
    }

    /// The only place of this process while it exists: for measurements.
    pub(crate) fn alone() -> Self {
        Self::with(Permit::take(2))
    }

    /// Two places for one test: for servers that talk to each other.
    pub(crate) fn two() -> [Self; 2] {
        Permit::two().map(Self::with)
    }

    fn with(permit: Permit) -> Self {
        // Beside what cargo builds, which is on a disk: `/tmp` is often in memory.
        let directory = tempfile::Builder::new().prefix("place-").tempdir_in(tools::directory());
        let place =
            Self { directory: directory.expect("a directory can be made"), _permit: permit };
        fs::create_dir_all(place.data().join("runtimes")).expect("a directory can be made");
        let (name, runtime) = tools::python();
        place.link(name, runtime);
        place
    }

    /// Adds a runtime that was made before.
    pub(crate) fn link(&self, name: &str, runtime: &Path) {
        symlink(runtime, self.data().join("runtimes").join(name)).expect("a link can be made");
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.path().join("server.log")
    }
}

/// A process that is stopped when it is let go.
#[derive(Debug)]
struct Running {
    /// `None` when it was killed: then nothing is expected of it any more.
    child: Option<Child>,
    log: PathBuf,
    /// Where the log of this run begins.
    log_begin: usize,
}

impl Running {
    /// Tells it to stop. `None` if it did not.
    fn terminate(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        let _ = kill_process(pid_of(child), Signal::TERM);
        last_seen(STOP_SECONDS, || child.try_wait().ok().flatten(), Option::is_some)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn logged(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(log.get(self.log_begin..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.is_none() {
            return;
        }
        let ended = self.terminate();
        if ended.is_none() {
            self.kill();
        }
        let log = self.logged();
        if thread::panicking() {
            say(&format!("the log of the server:\n{log}"));
            return;
        }
        assert!(ended.is_some(), "the server did not stop within {STOP_SECONDS} seconds:\n{log}");
        let errors: Vec<&str> = log.lines().filter(|line| line.contains(" ERROR ")).collect();
        assert_eq!(errors, Vec::<&str>::new(), "the server has logged errors");
    }
}

fn pid_of(child: &Child) -> Pid {
    let raw = i32::try_from(child.id()).expect("process ids are small");
    Pid::from_raw(raw).expect("a child is not process 0")
}

/// How many servers were started by this process.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    running: Running,
    pub(crate) address: SocketAddr,
    pub(crate) place: Place,
    pub(crate) run: Run,
    /// What it says behind its address.
    said: Mutex<mpsc::Receiver<String>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_at(Place::new())
    }

    pub(crate) fn start_at(place: Place) -> Self {
        Self::start_set(place, &[])
    }

    /// Starts a server with settings, each as `key=value`.
    pub(crate) fn start_set(place: Place, settings: &[&str]) -> Self {
        let mut command = hearth();
        command.args(["serve", "--listen", "127.0.0.1:0", "--set", "drain_seconds=5"]);
        command.arg("--data-dir").arg(place.data()).current_dir(place.path());
        if weaker_allowed() {
            command.arg("--allow-weaker");
        }
        for setting in settings {
            command.args(["--set", setting]);
        }
        Self::start_with(place, command)
    }

    /// Starts a server with a command of the test's own.
    pub(crate) fn start_with(place: Place, mut command: Command) -> Self {
        let log = fs::File::options().create(true).append(true).open(place.log());
        let log_begin = fs::read(place.log()).map_or(0, |log| log.len());
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let marker = format!("{}#{number}", place.path().display());
        command.env(MARKER, &marker);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("a file can be made"));
        let mut child = command.spawn().expect("the program was built for this test");
        let stdout = child.stdout.take().expect("it was piped");
        let server = child.id();
        let running = Running { child: Some(child), log: place.log(), log_begin };
        let Some((address, said)) = address_said(stdout) else {
            panic!(
                "the server did not start. Where this host lacks something, \
                 HEARTH_TESTS_ALLOW_WEAKER=1 goes on without it."
            );
        };
        let run = Run { server, marker: format!("{MARKER}={marker}") };
        Self { running, address, place, run, said: Mutex::new(said) }
    }

    /// The next line that it prints.
    pub(crate) fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.recv_timeout(Duration::from_secs(START_SECONDS)).expect("there is another line")
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Kills it without a chance to clean up.
    pub(crate) fn kill(self) -> Place {
        let Self { mut running, place, .. } = self;
        running.kill();
        place
    }

    /// Tells it to stop, and says how it ended.
    pub(crate) fn stop(self) -> (Option<ExitStatus>, Place) {
        let Self { mut running, place, .. } = self;
        (running.terminate(), place)
    }

    /// What it has logged since it was started.
    pub(crate) fn logged(&self) -> String {
        self.running.logged()
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Answer {
        let answer = Connection::open(self.address).and_then(|mut one| one.send(request));
        answer.unwrap_or_else(|error| panic!("{request:?} was not answered: {error}"))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&Request::new("GET", path))
    }

    /// The body of a request that creates a function.
    pub(crate) fn creation(name: &str, code: &Code, settings: Value) -> Value {
        let mut body = json!({
            "FunctionName": name,
            "Runtime": code.runtime,
            "Handler": code.handler,
            "Role": ROLE,
            "Code": { "ZipFile": STANDARD.encode(&code.zip) },
        });
        let (Value::Object(settings), Some(all)) = (settings, body.as_object_mut()) else {
            panic!("settings are an object");
        };
        all.extend(settings);
        body
    }

    /// Creates a function and waits until it can be invoked.
    pub(crate) fn create(&self, name: &str, code: &Code, settings: Value) {
        let body = Self::creation(name, code, settings);
        let answer = self.send(&Request::new("POST", "/2015-03-31/functions").json(&body));
        assert_eq!(answer.status, 201, "{name} was not created: {}", answer.text());
        self.wait_settled(name);
    }

    /// Replaces the code of a function and waits until it is in use.
    pub(crate) fn update_code(&self, name: &str, code: &Code) {
        let body = json!({ "ZipFile": STANDARD.encode(&code.zip) });
        let path = format!("/2015-03-31/functions/{name}/code");
        let answer = self.send(&Request::new("PUT", path).json(&body));
        assert_eq!(answer.status, 200, "{name} was not updated: {}", answer.text());
        self.wait_settled(name);
    }

    pub(crate) fn wait_settled(&self, name: &str) {
        eventually(&format!("{name} is active"), 60, || {
            let answer = self.get(&format!("/2015-03-31/functions/{name}/configuration")).json();
            let settled = answer["State"] == "Active" && answer["LastUpdateStatus"] == "Successful";
            settled.then_some(())
        });
    }

    pub(crate) fn delete(&self, name: &str) {
        let answer = self.send(&Request::new("DELETE", format!("/2015-03-31/functions/{name}")));
        assert_eq!(answer.status, 204, "{name} was not deleted: {}", answer.text());
    }

    /// Invokes a function and asks for the end of its log.
    pub(crate) fn invoke(&self, name: &str, event: &Value) -> Invoked {
        Invoked::of(self.send(&Request::invocation(name, event).header("x-amz-log-type", "Tail")))
    }

    /// Everything that a function has logged, page by page.
    pub(crate) fn logs(&self, name: &str) -> Vec<String> {
        let mut messages = Vec::new();
        let mut input = json!({ "logGroupName": format!("/aws/lambda/{name}") });
        loop {
            let request = Request::new("POST", "/")
                .header("x-amz-target", "Logs_20140328.FilterLogEvents")
                .header("content-type", "application/x-amz-json-1.1")
                .json(&input);
            let page = self.send(&request).json();
            let events = page["events"].as_array().cloned().unwrap_or_default();
            let texts = events.iter().filter_map(|event| event["message"].as_str());
            messages.extend(texts.map(str::to_owned));
            match page["nextToken"].as_str() {
                Some(token) => input["nextToken"] = Value::from(token),
                None => return messages,
            }
        }
    }

    /// Waits until a function has written a line.
    pub(crate) fn wait_for_line(&self, name: &str, line: &str) {
        eventually(&format!("{name} has written `{line}`"), 30, || {
            self.logs(name).iter().any(|message| message.contains(line)).then_some(())
        });
    }
}

/// The address in the line that says that the server is ready, and the lines behind it.
fn address_said(stdout: ChildStdout) -> Option<(SocketAddr, mpsc::Receiver<String>)> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let line = lines.recv_timeout(Duration::from_secs(START_SECONDS)).ok()?;
    let address = line.strip_prefix("hearth: listening on http://")?.parse().ok()?;
    Some((address, lines))
}

/// What came of an invocation.
#[derive(Debug, Clone)]
pub(crate) struct Invoked {
    pub(crate) status: u16,
    /// `Unhandled`, if the function failed.
    pub(crate) error: Option<String>,
    pub(crate) payload: Value,
    /// The end of its log.
    pub(crate) log: String,
}

impl Invoked {
    fn of(answer: Answer) -> Self {
        let log = answer.header("x-amz-log-result").unwrap_or_default();
        let log = STANDARD.decode(log).unwrap_or_default();
        Self {
            status: answer.status,
            error: answer.header("x-amz-function-error").map(str::to_owned),
            payload: answer.json(),
            log: String::from_utf8_lossy(&log).into_owned(),
        }
    }

    /// The answer of a function that did not fail.
    pub(crate) fn good(self) -> Value {
        assert_eq!(
            (self.status, self.error.as_deref()),
            (200, None),
            "{}\n{}",
            self.payload,
            self.log
        );
        self.payload
    }

    /// The type of the error of a function that failed.
    pub(crate) fn error_type(&self) -> &str {
        self.payload["errorType"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.payload["errorMessage"].as_str().unwrap_or_default()
    }

    /// The line with the figures.
    pub(crate) fn report(&self) -> &str {
        let line = self.log.lines().find(|line| line.starts_with("REPORT RequestId: "));
        line.unwrap_or_else(|| panic!("there is no report in:\n{}", self.log))
    }
}
