//! A PostgreSQL for the tests of this process, started when the first of them wants it.
//!
//! # Promises
//!
//! 1. It is Debian's, in a directory of its own, reached by a Unix socket, and syncs as in earnest.
//! 2. It does not outlive this process, however that ends: a shell guards it that waits for the end
//!    of a pipe.
//! 3. Each test has a database of its own.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Connection as _, PgConnection};

/// The guard.
const SCRIPT: &str = include_str!("scratch.sh");
/// Where Debian puts the programs, in one directory for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A running server.
#[derive(Debug)]
struct Server {
    /// The directory with its socket.
    place: String,
    /// When it is closed, the guard ends the server.
    _guard: Child,
}

/// The newest version that is installed.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(VERSIONS).ok()?.flatten();
    let number = |name: &str| name.parse::<u32>().ok();
    let newest = versions
        .filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("initdb").exists())
        .max_by_key(|(version, _)| *version);
    newest.map(|(_, programs)| programs)
}

fn start(programs: PathBuf) -> Server {
    let mut command = if rustix::process::geteuid().is_root() {
        // PostgreSQL does not run as root.
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    let mut guard = command
        .args(["-c", SCRIPT, "scratch"])
        .arg(programs)
        .current_dir("/")
        // An interrupt from the keyboard is for the tests; the guard sees their end.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell can be started");
    let mut place = String::new();
    let stdout = guard.stdout.take().expect("it was piped");
    BufReader::new(stdout).read_line(&mut place).expect("the guard can be read from");
    if place.is_empty() {
        let mut said = String::new();
        let _ = guard.stderr.take().expect("it was piped").read_to_string(&mut said);
        let _ = guard.wait();
        panic!("PostgreSQL could not be started: {said}");
    }
    Server { place: place.trim().to_owned(), _guard: guard }
}

/// The address of a new database. `None`, and loudly so, where PostgreSQL is not installed.
pub(super) async fn database(test: &str) -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let Some(server) = SERVER.get_or_init(|| programs().map(start)) else {
        let why = "PostgreSQL is not installed (apt-get install postgresql)";
        let nothing = std::env::var_os("HEARTH_TESTS_SKIP_NOTHING");
        assert!(nothing.is_none_or(|value| value != "1"), "{test} would be skipped: {why}");
        // Not by a macro, whose output is not shown when a test passes.
        let _ = writeln!(std::io::stderr().lock(), "SKIPPED {test}: {why}");
        return None;
    };
    let name = format!("scratch_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let socket = server.place.replace('/', "%2F");
    let address = |database: &str| format!("postgres://hearth@{socket}:5432/{database}");
    let mut connection = PgConnection::connect(&address("postgres")).await.unwrap();
    let create = format!("CREATE DATABASE {name}");
    sqlx::raw_sql(&create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    Some(address(&name))
}
