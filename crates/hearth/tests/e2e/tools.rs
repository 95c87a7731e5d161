//! What the tests need beyond Rust, made once and kept in `target/test-tools`.
//!
//! # Promises
//!
//! 1. A thing is made by one thread of one process, whoever else wants it at the time.
//! 2. A thing is there whole or not at all: it is made beside its place and renamed into it.
//! 3. What cannot be made fails the test with what to install.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::harness::hearth;

/// What puts the archives of a project of Maven into a directory.
const COPY_DEPENDENCIES: &str =
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// Where everything is kept. On the disk that cargo builds on.
pub(crate) fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in target");
        let directory = target.join("test-tools");
        fs::create_dir_all(&directory).expect("target can be written to");
        directory
    })
}

/// A file or directory of the tests.
pub(crate) fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// A directory that is filled once. `key` is what it is made from: another one makes another.
fn made(
    name: &str,
    key: &[u8],
    fill: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let name = format!("{name}-{:016x}", hasher.finish());
    let place = directory().join(&name);
    let lock = fs::File::create(directory().join(format!("{name}.lock")));
    let lock = lock.map_err(|error| format!("could not make a lock for {name}: {error}"))?;
    lock.lock().map_err(|error| format!("could not lock {name}: {error}"))?;
    if place.is_dir() {
        return Ok(place);
    }
    let building = directory().join(format!("{name}.building"));
    let failed = |error: std::io::Error| format!("could not make {name}: {error}");
    if building.exists() {
        fs::remove_dir_all(&building).map_err(failed)?;
    }
    fs::create_dir_all(&building).map_err(failed)?;
    fill(&building)?;
    fs::rename(&building, &place).map_err(failed)?;
    Ok(place)
}

/// Runs a program to its end. What it said is the error if it fails.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("could not run `{program}`: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{program}` failed ({}):\n{said}\n{complaint}", output.status))
}

/// Whether a program answers when it is asked something harmless.
pub(crate) fn answers(program: &str, argument: &str) -> bool {
    run(Command::new(program).arg(argument)).is_ok()
}

/// The name of the runtime for this host's `python3`, and where it is.
pub(crate) fn python() -> (&'static str, &'static Path) {
    static PYTHON: OnceLock<(String, PathBuf)> = OnceLock::new();
    let (name, place) = PYTHON.get_or_init(|| {
        let question = "import sys; print('python%d.%d' % sys.version_info[:2])";
        let name = run(Command::new("python3").args(["-c", question]));
        let name =
            name.unwrap_or_else(|error| panic!("{error}\nInstall it: apt-get install python3"));
        let name = name.trim().to_owned();
        let place = runtime(&name).unwrap_or_else(|error| panic!("{error}"));
        (name, place)
    });
    (name, place)
}

/// A runtime, built by the program under test.
pub(crate) fn runtime(name: &str) -> Result<PathBuf, String> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hearth-runtimes/src");
    let place = made(&format!("runtime-{name}"), &contents(&sources), |building| {
        let mut command = hearth();
        command.args(["runtime", "add", name, "--data-dir"]).arg(building);
        run(&mut command).map(drop)
    })?;
    Ok(place.join("runtimes").join(name))
}

/// The files of a directory, one after another.
fn contents(directory: &Path) -> Vec<u8> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| fs::read(path).unwrap_or_default()).collect()
}

/// AWS's clients for Python and `cargo-lambda`, as a directory for `PYTHONPATH`.
pub(crate) fn clients() -> PathBuf {
    static CLIENTS: OnceLock<PathBuf> = OnceLock::new();
    CLIENTS.get_or_init(|| packages("clients", "clients/requirements.txt")).clone()
}

/// A framework for web applications in Python, and what makes a function of one.
pub(crate) fn frameworks() -> PathBuf {
    static FRAMEWORKS: OnceLock<PathBuf> = OnceLock::new();
    FRAMEWORKS.get_or_init(|| packages("frameworks", "functions/frameworks.txt")).clone()
}

/// The files below a directory, by their paths in it.
pub(crate) fn files_of(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(place) = left.pop() {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).expect("it is below it").display().to_string();
            files.push((name, fs::read(&path).expect("it was made to be read")));
        }
    }
    files
}

/// Packages of Python in a directory, all that a file of pins names and none else.
fn packages(name: &str, pins: &str) -> PathBuf {
    let pins = source(pins);
    let key = fs::read(&pins).unwrap_or_default();
    let place = made(name, &key, |building| {
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        command.args(["--no-input", "--no-deps", "--no-compile", "--no-warn-script-location"]);
        command.arg("--target").arg(building).arg("--requirement").arg(&pins);
        run(&mut command).map(drop)
    });
    place.unwrap_or_else(|error| {
        panic!("could not install {name}. Is pip there (apt-get install python3-pip)?\n{error}")
    })
}

/// The program that is bundled with `hearth quickstart`, linked statically.
pub(crate) fn hello_compiled() -> PathBuf {
    static HELLO: OnceLock<PathBuf> = OnceLock::new();
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("functions/hello_compiled/main.rs");
    HELLO.get_or_init(|| compiled("hello-compiled", &main)).clone()
}

/// The function that says durably that it ran, linked statically.
pub(crate) fn reports() -> PathBuf {
    static REPORTS: OnceLock<PathBuf> = OnceLock::new();
    REPORTS.get_or_init(|| compiled("reports", &source("functions/reports/main.rs"))).clone()
}

/// A function that needs nothing but the standard library.
fn compiled(name: &str, main: &Path) -> PathBuf {
    let key = fs::read(main).unwrap_or_default();
    let place = made(name, &key, |building| {
        let mut command = Command::new(tool("RUSTC", "rustc"));
        command.args(["--edition=2024", "-O", "-C", "target-feature=+crt-static", "-o"]);
        run(command.arg(building.join("bootstrap")).arg(main)).map(drop)
    });
    place.unwrap_or_else(|error| panic!("{error}")).join("bootstrap")
}

/// The function that is written with the `lambda_runtime` crate.
pub(crate) fn rust_echo() -> PathBuf {
    rust_programs().join("bootstrap")
}

/// The extension that is written with the `lambda-extension` crate.
pub(crate) fn rust_watcher() -> PathBuf {
    rust_programs().join("watcher")
}

fn rust_programs() -> PathBuf {
    let project = source("functions/rust_echo");
    let key = [contents(&project), contents(&project.join("src"))].concat();
    let place = made("rust-echo", &key, |building| {
        let files = ["Cargo.toml", "Cargo.lock", "src/main.rs", "src/watcher.rs"];
        copy(&project, building, &files)?;
        let mut command = Command::new(tool("CARGO", "cargo"));
        command.current_dir(building).args(["build", "--release", "--target-dir"]);
        command.arg(building.join("target"));
        if building.join("Cargo.lock").is_file() {
            command.arg("--locked");
        }
        run(&mut command)?;
        let watcher = fs::rename(building.join("target/release/watcher"), building.join("watcher"));
        watcher.map_err(|error| format!("there is no watcher: {error}"))?;
        keep_only(building, "target/release/rust_echo")
    });
    place.unwrap_or_else(|error| panic!("{error}"))
}

/// The web application that is written with the `axum` and `lambda_http` crates.
pub(crate) fn rust_axum() -> PathBuf {
    let project = source("functions/rust_axum");
    let key = [contents(&project), contents(&project.join("src"))].concat();
    let place = made("rust-axum", &key, |building| {
        copy(&project, building, &["Cargo.toml", "Cargo.lock", "src/main.rs"])?;
        let mut command = Command::new(tool("CARGO", "cargo"));
        command.current_dir(building).args(["build", "--release", "--locked", "--target-dir"]);
        run(command.arg(building.join("target")))?;
        keep_only(building, "target/release/rust_axum")
    });
    place.unwrap_or_else(|error| panic!("{error}")).join("bootstrap")
}

/// A framework for web applications on Node.js, and what makes a function of one: what a lock file
/// names, below `node_modules`.
pub(crate) fn node_express() -> Result<PathBuf, String> {
    let project = source("functions/node_express");
    let pins = ["package.json", "package-lock.json"];
    let key: Vec<u8> =
        pins.iter().flat_map(|pin| fs::read(project.join(pin)).unwrap_or_default()).collect();
    made("node-express", &key, |building| {
        copy(&project, building, &pins)?;
        let mut command = Command::new("npm");
        command.current_dir(building).args(["ci", "--ignore-scripts", "--no-bin-links"]);
        command.args(["--omit=dev", "--no-audit", "--no-fund", "--no-update-notifier"]);
        run(&mut command).map(drop)
    })
}

/// The function that is written with Go's `aws-lambda-go`.
pub(crate) fn go_echo() -> Result<PathBuf, String> {
    let project = source("functions/go_echo");
    let place = made("go-echo", &contents(&project), |building| {
        copy(&project, building, &["go.mod", "go.sum", "main.go"])?;
        let mut command = Command::new("go");
        command.current_dir(building).env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=mod");
        run(command.args(["build", "-o", "go_echo", "."]))?;
        keep_only(building, "go_echo")
    })?;
    Ok(place.join("bootstrap"))
}

/// The class of a Java function that depends on nothing: `functions/java_<name>/<Name>.java`.
pub(crate) fn java_class(name: &str) -> Result<PathBuf, String> {
    let file = source(&format!("functions/java_{}/{name}.java", name.to_lowercase()));
    let key = fs::read(&file).unwrap_or_default();
    let place = made(&format!("java-{}", name.to_lowercase()), &key, |building| {
        run(Command::new("javac").args(["-nowarn", "-d"]).arg(building).arg(&file)).map(drop)
    })?;
    Ok(place.join(format!("{name}.class")))
}

/// Amazon's DynamoDB Local with all that it needs, from Maven Central.
pub(crate) fn dynamodb_local() -> Result<PathBuf, String> {
    archives("dynamodb-local", "clients/dynamodb_local/pom.xml")
}

/// Apache Kafka with all that it needs, from Maven Central.
pub(crate) fn kafka() -> Result<PathBuf, String> {
    archives("kafka", "clients/kafka_broker/pom.xml")
}

/// The archives of a project of Maven, in `lib`.
fn archives(name: &str, project: &str) -> Result<PathBuf, String> {
    let file = source(project);
    let key = fs::read(&file).unwrap_or_default();
    made(name, &key, |building| {
        fs::copy(&file, building.join("pom.xml")).map_err(|error| error.to_string())?;
        let mut command = Command::new("mvn");
        command.current_dir(building).args(["--quiet", "--batch-mode", COPY_DEPENDENCIES]);
        run(command.args(["-DincludeScope=runtime", "-DoutputDirectory=lib"])).map(drop)
    })
}

/// A tool of the toolchain that runs this test.
fn tool(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(name), PathBuf::from)
}

/// Copies the files of a project; a lock file may be missing.
fn copy(from: &Path, to: &Path, files: &[&str]) -> Result<(), String> {
    for file in files {
        let (source, target) = (from.join(file), to.join(file));
        if !source.exists() && source.extension() == Some(OsStr::new("lock")) {
            continue;
        }
        let parent = target.parent().map_or(Ok(()), fs::create_dir_all);
        let copied = parent.and_then(|()| fs::copy(&source, &target));
        copied.map_err(|error| format!("could not copy {}: {error}", source.display()))?;
    }
    Ok(())
}

/// Keeps the program of a build as `bootstrap`, and nothing else that takes room.
fn keep_only(building: &Path, program: &str) -> Result<(), String> {
    let kept = fs::rename(building.join(program), building.join("bootstrap"));
    kept.map_err(|error| format!("there is no {program}: {error}"))?;
    let target = building.join("target");
    if target.exists() {
        let removed = fs::remove_dir_all(&target);
        removed.map_err(|error| format!("could not remove {}: {error}", target.display()))?;
    }
    Ok(())
}
