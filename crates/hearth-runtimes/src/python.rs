//! Python: an interpreter of this host, and AWS's client from its package.
//!
//! # The interpreter's flags
//!
//! AWS runs the interpreter without flags, but its `/var/lang` has nothing in `site-packages`.
//! This host's may have a lot, which a function would see here and not on AWS, and whose `.pth`
//! files can cost 30 ms at every start. So the interpreter runs with `-S`, and the bootstrap does
//! the rest of what `site` does for a function.
//!
//! # Waiting for a function
//!
//! An interpreter that was started ahead of need runs the same bootstrap. `_hearth_warm` imports
//! every module that a plain start imports, except those of the client that read variables when they
//! are imported, and takes care that nothing tells afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::add::Build;
use crate::host::{Host, children, is_program};
use crate::run::{ask, run};
use crate::{Client, Manifest, RuntimeError, Warm, clients, pip};

/// An interpreter, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Python {
    /// `<prefix>/bin/python3.X`.
    pub(crate) program: PathBuf,
    /// The installation that it belongs to; not that of a virtual environment.
    pub(crate) prefix: PathBuf,
    /// Such as `3.11.7`.
    pub(crate) version: String,
}

/// Puts a Python runtime together.
pub(crate) fn build(build: &Build<'_>, minor: u32) -> Result<Manifest, RuntimeError> {
    let python = find(build.host, minor, build.from)?;
    (build.progress)(&format!("Using Python {} in {}", python.version, python.prefix.display()));
    pip::install(build, &python, minor)?;
    for (name, text) in [("bootstrap.py", BOOTSTRAP), ("_hearth_warm.py", WARM)] {
        let path = build.runtime.join(name);
        fs::write(&path, text).map_err(RuntimeError::writing(&path))?;
    }
    tidy(&build.runtime)?;
    compile(&python, &build.runtime)?;

    let mut manifest = Manifest::managed(build.name, "python", &python.version);
    let program = format!("python3.{minor}");
    let program = if python.prefix == Path::new("/usr") {
        format!("/usr/bin/{program}")
    } else {
        manifest.language = Some(python.prefix);
        format!("/var/lang/bin/{program}")
    };
    manifest.command = vec![program, "-S".to_owned(), "/var/runtime/bootstrap.py".to_owned()];
    // Set by AWS too: programs that a function starts find the packages there.
    manifest.environment.insert("PYTHONPATH".to_owned(), "/var/runtime".to_owned());
    let (client, version) = clients::PYTHON[0];
    manifest.client = Some(Client::new(client, version));
    manifest.warm = Some(Warm::new(DECIDED_BY, &[], &[("_HEARTH_WARM", "1")]));
    Ok(manifest)
}

/// What the loader, the C library, the interpreter or the client's module-level code reads once.
const DECIDED_BY: &[&str] = &[
    "PYTHON",
    "LD_",
    "GLIBC_",
    "MALLOC_",
    "LANG",
    "LC_",
    "LOCPATH",
    "GCONV_PATH",
    "OPENSSL_",
    "SSL_",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_EXEC_WRAPPER",
    "LAMBDA_TASK_ROOT",
];

/// Every interpreter of Python 3.`minor` on this host, best first.
pub(crate) fn all(host: &Host, minor: u32) -> Vec<Python> {
    let name = format!("python3.{minor}");
    let mut programs = host.programs(&name);
    programs.extend(pyenv(host).into_iter().map(|prefix| prefix.join("bin").join(&name)));
    programs.extend(host.programs("python3"));
    programs.retain(|program| is_program(program));
    programs.iter().filter_map(|program| describe(program, minor)).collect()
}

/// The installations of pyenv.
pub(crate) fn pyenv(host: &Host) -> Vec<PathBuf> {
    host.pyenv_versions.as_deref().map(children).unwrap_or_default()
}

fn find(host: &Host, minor: u32, from: Option<&Path>) -> Result<Python, RuntimeError> {
    let name = format!("python3.{minor}");
    let found = match from {
        Some(prefix) => describe(&prefix.join("bin").join(&name), minor),
        None => all(host, minor).into_iter().next(),
    };
    found.ok_or_else(|| RuntimeError::NoInterpreter {
        what: name.clone(),
        place: from.map_or_else(|| " on PATH".to_owned(), |from| format!(" in {}", from.display())),
        next: format!("Install it, or say where it is: --from PREFIX, with PREFIX/bin/{name}"),
    })
}

/// Asks an interpreter what it is; `None` unless it is Python 3.`minor`.
///
/// What is on `PATH` may be a script of pyenv or a virtual environment, so its place says nothing.
fn describe(program: &Path, minor: u32) -> Option<Python> {
    let said = ask(Command::new(program).args(["-E", "-s", "-c", DESCRIBE]))?;
    let mut lines = said.lines();
    let (version, prefix) = (lines.next()?, PathBuf::from(lines.next()?));
    if !version.starts_with(&format!("3.{minor}.")) {
        return None;
    }
    let program = prefix.join("bin").join(format!("python3.{minor}"));
    is_program(&program).then(|| Python { program, prefix, version: version.to_owned() })
}

/// Removes what no function uses.
fn tidy(runtime: &Path) -> Result<(), RuntimeError> {
    for unused in ["bin", "__pycache__", "simplejson/tests"] {
        let unused = runtime.join(unused);
        if unused.exists() {
            fs::remove_dir_all(&unused).map_err(RuntimeError::writing(&unused))?;
        }
    }
    Ok(())
}

/// Compiles everything, because `/var/runtime` is read-only when it is used.
fn compile(python: &Python, runtime: &Path) -> Result<(), RuntimeError> {
    let mut command = Command::new(&python.program);
    command.args(["-E", "-S", "-m", "compileall", "-q"]);
    // The files never change, so the interpreter need not compare times at every import.
    command.args(["--invalidation-mode", "unchecked-hash"]);
    // Tracebacks shall show where the files are for a function.
    command.arg("-s").arg(runtime).args(["-p", "/var/runtime"]).arg(runtime);
    run(&mut command, "compile the runtime client").map(drop)
}

const DESCRIBE: &str = "\
import os, sys
print('.'.join(map(str, sys.version_info[:3])))
print(os.path.realpath(sys.base_prefix))
";

const BOOTSTRAP: &str = include_str!("python_bootstrap.py");

/// Imported by an interpreter that is to wait.
const WARM: &str = include_str!("python_warm.py");
