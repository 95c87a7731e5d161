//! A host that cannot enforce everything: here, the same host for a user without privileges.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::functions::hello_compiled;
use crate::harness::{Place, Server, hearth, skipped};

/// Nobody, on every Linux.
const NOBODY: u32 = 65_534;

/// The program and a data directory where somebody without privileges can use them.
fn place_for_nobody() -> TempDir {
    let directory = TempDir::new().expect("a directory can be made");
    let (program, data) = (directory.path().join("hearth"), directory.path().join("data"));
    fs::copy(hearth().get_program(), &program).expect("the program can be copied");
    fs::create_dir(&data).expect("a directory can be made");
    for (path, mode) in [(directory.path(), 0o755), (&program, 0o755), (&data, 0o700)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    chown(&data, Some(NOBODY), Some(NOBODY)).expect("root may give it away");
    directory
}

fn as_nobody(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(directory.join("hearth"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(directory.join("data"));
    command.args(arguments).current_dir(directory).uid(NOBODY).gid(NOBODY);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    command
}

#[test]
fn a_host_that_cannot_enforce_everything_is_refused_unless_told() {
    if !rustix::process::geteuid().is_root() {
        return skipped("weaker", "only root can become somebody without privileges");
    }
    let place = Place::new();
    let directory = place_for_nobody();

    let refused = as_nobody(directory.path(), &[]).output().expect("the program can be run");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for expected in ["cannot enforce everything", "memory is neither limited", "--allow-weaker"] {
        assert!(said.contains(expected), "{said}");
    }

    let server = Server::start_with(place, as_nobody(directory.path(), &["--allow-weaker"]));
    server.create("hello", &hello_compiled(), json!({}));
    let event = json!({ "without": "privileges" });
    assert_eq!(server.invoke("hello", &event).good()["event"], event);
    let (status, _place) = server.stop();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}
