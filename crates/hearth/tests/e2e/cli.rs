//! The commands of the program, as people and scripts use them.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::functions::behaves;
use crate::harness::{Place, Server, eventually, hearth};
use crate::tools;

/// What a command did.
struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Done {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the exit code, and returns what was printed as the result.
    fn expect(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        self.out
    }

    /// Checks that it failed and said something.
    fn refused(self, code: i32, said: &str) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        assert!(self.err.contains(said), "`{said}` in {}", self.err);
        assert_eq!(self.out, "", "the result is empty when there is none");
    }
}

fn run(arguments: &[&str]) -> Done {
    Done::of(hearth().args(arguments).output().expect("the program runs"))
}

/// Runs a command that talks to a server.
fn with(server: &Server, arguments: &[&str]) -> Done {
    let mut command = hearth();
    command.env("HEARTH_ENDPOINT", server.endpoint()).args(arguments);
    Done::of(command.output().expect("the program runs"))
}

/// Makes a directory with a Python function in it.
fn directory(server: &Server, name: &str, source: &str) -> String {
    let directory = server.place.path().join(name);
    fs::create_dir_all(&directory).expect("the place can be written to");
    fs::write(directory.join("lambda_function.py"), source).expect("the place can be written to");
    directory.display().to_string()
}

const GREETS: &str = "\
def lambda_handler(event, context):
    print('greeting', event['name'])
    return 'hello ' + event['name']
";
const GREETS_MORE: &str = "\
def lambda_handler(event, context):
    return 'good morning ' + event['name']
";
const FAILS: &str = "\
def lambda_handler(event, context):
    raise RuntimeError('as it was meant to')
";

#[test]
fn a_directory_becomes_a_function_that_is_called_read_and_deleted() {
    let server = Server::start();
    let (runtime, _) = tools::python();
    let source = directory(&server, "greets", GREETS);
    let arn = with(&server, &["deploy", &source, "--runtime", runtime]).expect(0);
    assert_eq!(arn, "arn:aws:lambda:us-east-1:000000000000:function:greets\n");

    let event = r#"{ "name": "you" }"#;
    let answer = with(&server, &["invoke", "greets", "--payload", event]).expect(0);
    assert_eq!(answer, "\"hello you\"\n");
    let log = with(&server, &["logs", "greets"]).expect(0);
    for line in ["START RequestId: ", "greeting you", "END RequestId: ", "REPORT RequestId: "] {
        assert!(log.contains(line), "{line} in {log}");
    }

    // The same command brings it up to date.
    directory(&server, "greets", GREETS_MORE);
    with(&server, &["deploy", &source, "--memory", "256"]).expect(0);
    let answer = with(&server, &["invoke", "greets", "--payload", event]).expect(0);
    assert_eq!(answer, "\"good morning you\"\n");

    let listed = with(&server, &["functions", "list"]).expect(0);
    let row = listed.lines().find(|line| line.starts_with("greets"));
    assert!(row.is_some_and(|row| row.contains("256 MB") && row.contains(runtime)), "{listed}");
    let shown = with(&server, &["functions", "show", "greets"]).expect(0);
    let shown: Value = serde_json::from_str(&shown).expect("it is JSON");
    assert_eq!(shown["Configuration"]["MemorySize"], 256);
    with(&server, &["functions", "delete", "greets"]).expect(0);
    assert_eq!(with(&server, &["functions", "list"]).expect(0), "");
}

#[test]
fn top_shows_what_was_called_how_often_and_how_much_of_that_was_cold() {
    let server = Server::start();
    let (runtime, _) = tools::python();
    let source = directory(&server, "watched", GREETS);
    with(&server, &["deploy", &source, "--runtime", runtime]).expect(0);
    for _cold_and_warm in 0..2 {
        let event = r#"{ "name": "you" }"#;
        with(&server, &["invoke", "watched", "--payload", event]).expect(0);
    }
    // A call is counted when its environment has reported, which may be after its answer.
    let (shown, counted) = eventually("both calls are counted", 10, || {
        let shown = with(&server, &["top", "--once"]).expect(0);
        let row = shown.lines().find(|line| line.starts_with("watched "))?.to_owned();
        row.contains(" 50.0% ").then_some((shown, row))
    });
    assert!(counted.contains(" $LATEST ") && counted.contains(" 2 "), "{counted}");
    for part in ["hearth ", "concurrency ", "environments ", "memory ", "P99"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains('\x1b'), "a file is no terminal: {shown}");
    with(&server, &["top", "--interval", "0"]).refused(2, "such as 0.5");
}

#[test]
fn the_quickstart_shows_both_functions_and_ends_well() {
    let place = Place::new();
    let data = place.data().display().to_string();
    let shown = run(&["quickstart", "--data-dir", &data]);
    let all = format!("{}\n{}", shown.out, shown.err);
    assert_eq!(shown.code, Some(0), "{all}");
    for part in
        ["Hello, Hearth! This is Python", "Hello from a compiled function!", "aws --endpoint-url"]
    {
        assert!(all.contains(part), "{part} in {all}");
    }
    // What it deployed is there for a server of one's own.
    let server = Server::start_at(place);
    let listed = server.get("/2015-03-31/functions").json();
    assert_eq!(listed["Functions"].as_array().map(Vec::len), Some(2), "{listed}");
}

#[test]
fn exit_codes_tell_a_script_what_happened() {
    let server = Server::start();
    let (runtime, _) = tools::python();
    let source = directory(&server, "fails", FAILS);
    with(&server, &["deploy", &source, "--runtime", runtime]).expect(0);

    let failed = with(&server, &["invoke", "fails", "--log"]);
    assert!(
        failed.err.contains("REPORT RequestId: "),
        "the log is beside the result: {}",
        failed.err
    );
    let answer: Value = serde_json::from_str(&failed.expect(3)).expect("the answer is JSON");
    assert_eq!(answer["errorMessage"], "as it was meant to");

    with(&server, &["invoke", "nobody"]).refused(1, "ResourceNotFoundException");
    with(&server, &["invoke", "fails", "--payload", "{nope"]).refused(1, "InvalidRequestContent");
    with(&server, &["logs", "nobody"]).refused(1, "there is no log of `nobody` yet");
    with(&server, &["functions", "delete", "nobody"]).refused(1, "ResourceNotFoundException");
    with(&server, &["deploy", "/no/such/directory"]).refused(1, "there is no `/no/such/directory`");
    with(&server, &["deploy", &source, "--name", "odd name"]).refused(1, "--name NAME");
    with(&server, &["invoke"]).refused(2, "Usage: ");
    with(&server, &["invoke", "fails", "--no-such-flag"]).refused(2, "--no-such-flag");
    with(&server, &["no-such-command"]).refused(2, "no-such-command");
}

#[test]
fn without_a_server_the_next_step_is_named() {
    // Nobody may listen on port 1 but root, and root has better to do.
    let nowhere = ["--endpoint", "http://127.0.0.1:1"];
    for command in [&["invoke", "f"][..], &["logs", "f"], &["functions"], &["top", "--once"]] {
        run(&[command, &nowhere].concat()).refused(1, "start one with `hearth serve`");
    }
}

#[test]
fn help_is_there_for_every_command() {
    let top = run(&["--help"]).expect(0);
    for command in [
        "quickstart",
        "serve",
        "deploy",
        "invoke",
        "logs",
        "functions",
        "top",
        "runtime",
        "doctor",
        "config",
    ] {
        assert!(top.contains(&format!("\n  {command} ")), "{command} in {top}");
        let help = run(&[command, "--help"]).expect(0);
        assert!(help.contains("Usage: hearth "), "{help}");
    }
    assert!(top.contains("Exit codes: "), "{top}");
    assert!(!top.contains("launcher"), "what people do not start is not shown: {top}");
}

/// The line of a setting in what `hearth config show` prints.
fn row<'a>(shown: &'a str, key: &str) -> &'a str {
    let line = shown.lines().find(|line| line.split_whitespace().next() == Some(key));
    line.unwrap_or_else(|| panic!("{key} in {shown}"))
}

#[test]
fn the_configuration_is_shown_with_where_each_value_came_from() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("hearth.toml");
    fs::write(&file, "idle_seconds = 7\nregion = \"eu-west-1\"\n").expect("it can be written to");
    let path = file.display().to_string();
    let mut command = hearth();
    command.env("HEARTH_REGION", "eu-north-1").env("HEARTH_CONCURRENCY_MAX", "12");
    command.args(["config", "show", "--config", &path, "--account", "123456789012"]);
    let shown = Done::of(command.output().expect("the program runs")).expect(0);
    #[rustfmt::skip]
    let rows = [
        ("idle_seconds",    "7",            "file"),
        ("region",          "eu-north-1",   "variable HEARTH_REGION"),
        ("concurrency_max", "12",           "variable HEARTH_CONCURRENCY_MAX"),
        ("account",         "123456789012", "flag --account"),
        ("auth",            "off",          "default"),
    ];
    for (key, value, origin) in rows {
        let line = row(&shown, key);
        assert!(line.contains(value) && line.contains(origin), "{key}: {line}");
    }
}

#[test]
fn what_is_misspelt_in_the_configuration_is_refused_with_the_nearest_name() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("hearth.toml");
    fs::write(&file, "lissten = \"127.0.0.1:1\"\n").expect("it can be written to");
    let path = file.display().to_string();
    run(&["config", "show", "--config", &path]).refused(1, "the nearest is `listen`");
    run(&["config", "show", "--set", "idle_secnds=1"]).refused(1, "the nearest is `idle_seconds`");
    run(&["config", "show", "--set", "idle_seconds=soon"])
        .refused(1, "`idle_seconds` cannot be `soon`");
    let mut command = hearth();
    command.env("HEARTH_REGOIN", "x").args(["config", "show"]);
    Done::of(command.output().expect("the program runs"))
        .refused(1, "the nearest is `HEARTH_REGION`");
}

#[test]
fn the_doctor_and_the_list_of_runtimes_change_nothing() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let data = directory.path().join("data").display().to_string();
    let doctor = run(&["doctor", "--data-dir", &data]);
    for subject in
        ["namespaces", "seccomp", "memory limit", "CPU limit", "freezer", "/tmp on disk", "KVM"]
    {
        assert!(doctor.out.contains(subject), "{subject} in {}", doctor.out);
    }
    let report = run(&["doctor", "--json", "--data-dir", &data]);
    let told: Value = serde_json::from_str(&report.out).expect("the report is JSON");
    assert_eq!(told["good"], report.code == Some(0), "the exit code says the same: {told}");
    assert!(!Path::new(&data).exists(), "a doctor does not operate");

    let (runtime, place) = tools::python();
    let whole = place.parent().and_then(Path::parent).expect("it is in a data directory");
    let whole = whole.display().to_string();
    let listed = run(&["runtime", "list", "--data-dir", &whole]).expect(0);
    for name in [runtime, "provided.al2023"] {
        assert!(listed.contains(name), "{name} in {listed}");
    }
}

#[test]
fn a_runtime_that_cannot_be_added_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let data = directory.path().display().to_string();
    #[rustfmt::skip]
    let rows = [
        ("python3.99",      "--from PREFIX"),
        ("cobol85",         "cobol85"),
        ("provided.al2023", "provided.al2023"),
        ("../escape",       "../escape"),
    ];
    for (name, said) in rows {
        run(&["runtime", "add", name, "--data-dir", &data]).refused(1, said);
    }
    let left = fs::read_dir(directory.path().join("runtimes")).into_iter().flatten().count();
    assert_eq!(left, 0, "nothing is left of what failed");
}

#[test]
fn a_zip_file_can_be_deployed_as_well() {
    let server = Server::start();
    let code = behaves();
    let file = server.place.path().join("packed.zip");
    fs::write(&file, &code.zip).expect("the place can be written to");
    let path = file.display().to_string();
    let settings =
        ["--runtime", code.runtime.as_str(), "--handler", code.handler, "--timeout", "9"];
    let deploy = [&["deploy", path.as_str(), "--env", "STAGE=cli"][..], &settings].concat();
    with(&server, &deploy).expect(0);
    let found = server.invoke("packed", &json!({ "do": "variables" })).good();
    assert_eq!(found["STAGE"], "cli");
}
