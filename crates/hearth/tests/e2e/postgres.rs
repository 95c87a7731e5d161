//! A server whose queue is in PostgreSQL, and the guide to that.
//!
//! The database is Debian's PostgreSQL in a directory of its own. A shell guards it and removes it
//! when this process ends, in whatever way.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::clients::{commands_of_guide, guide_command};
use crate::harness::{Place, Server, skipped};
use crate::tools;

/// The guard of the store's own tests. Its argument is where PostgreSQL's programs are.
const SCRIPT: &str = include_str!("../../../hearth-store/src/queue/postgres/scratch.sh");
/// Where Debian puts them, in one directory for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A PostgreSQL without any data.
#[derive(Debug)]
struct Postgres {
    programs: PathBuf,
    /// The directory with its socket.
    socket: String,
    /// When it is closed, the guard ends the database.
    _guard: Child,
}

impl Postgres {
    /// Starts one. `None` if it is not installed.
    fn start() -> Option<Self> {
        let versions = fs::read_dir(VERSIONS).ok()?.flatten();
        let programs = versions.map(|version| version.path().join("bin"));
        let programs = programs.filter(|programs| programs.join("initdb").exists()).max()?;
        let mut command = if rustix::process::geteuid().is_root() {
            // PostgreSQL does not run as root.
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", SCRIPT, "scratch"]).arg(&programs).current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut guard = command.spawn().expect("a shell can be started");
        let mut socket = String::new();
        let stdout = guard.stdout.take().expect("it was piped");
        BufReader::new(stdout).read_line(&mut socket).expect("the guard can be read from");
        if socket.is_empty() {
            let mut said = String::new();
            let _ = guard.stderr.take().expect("it was piped").read_to_string(&mut said);
            let _ = guard.wait();
            panic!("PostgreSQL could not be started: {said}");
        }
        Some(Self { programs, socket: socket.trim().to_owned(), _guard: guard })
    }

    /// What `serve` is to be told.
    fn setting(&self) -> String {
        format!("queue=postgres://hearth@{}:5432/hearth", self.socket.replace('/', "%2F"))
    }

    /// Lets a command find the database and its client programs.
    fn known_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.programs.display()))
            .env("PGHOST", &self.socket)
            .env("PGPORT", "5432")
            .env("PGUSER", "hearth")
    }
}

#[test]
fn the_commands_of_the_guide_to_postgresql_do_what_it_says() {
    let test = "the_commands_of_the_guide_to_postgresql_do_what_it_says";
    let Some(postgres) = Postgres::start() else {
        return skipped(test, "PostgreSQL is not installed (apt-get install postgresql)");
    };
    let guide = fs::read_to_string(tools::source("../../../docs/guides/postgresql.md"));
    let guide = guide.expect("the guide is where it was");
    let (before, after) = guide.split_once("## 2. A server").expect("it starts a server");

    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &commands_of_guide(before)]);
    tools::run(postgres.known_to(&mut command)).unwrap_or_else(|error| panic!("{error}"));

    let server = Server::start_set(Place::new(), &[&postgres.setting()]);
    let said = tools::run(postgres.known_to(&mut guide_command(&server, after)));
    let said = said.unwrap_or_else(|error| panic!("{error}"));
    for expected in ["|waiting: 1", "kept in PostgreSQL"] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    drop(server);
}
