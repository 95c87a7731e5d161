//! Installing AWS's client for Python with some pip, without installing pip on the host.
//!
//! The ways to get one, in order: the interpreter's own; the wheel that is bundled with it or
//! that Debian keeps; that of any other Python on `PATH`; a wheel that apt downloads into a
//! temporary directory, which needs no root.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::add::Build;
use crate::host::{Host, children};
use crate::python::Python;
use crate::run::{ask, run};
use crate::{RuntimeError, clients};

/// A pip that runs.
#[derive(Debug)]
struct Pip {
    python: PathBuf,
    /// The wheel that it is run from.
    wheel: Option<PathBuf>,
    /// Whether the Python that runs it is the one that it installs for.
    for_itself: ForItself,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForItself {
    Yes,
    No,
}

/// Installs the client and its dependencies for Python 3.`minor` into the runtime.
pub(crate) fn install(build: &Build<'_>, python: &Python, minor: u32) -> Result<(), RuntimeError> {
    let pip = find(build, python, minor)?;
    let (client, version) = clients::PYTHON[0];
    (build.progress)(&format!("Installing {client} {version} with pip"));
    let mut command = pip.command();
    command.args(["install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    // Every dependency is pinned in `clients`, so none needs to be resolved. Nothing of a package
    // is executed to install it.
    command.args(["--no-deps", "--no-compile", "--only-binary=:all:", "--no-warn-script-location"]);
    command.arg("--target").arg(&build.runtime);
    if pip.for_itself == ForItself::No {
        command.arg(format!("--python-version=3.{minor}")).arg("--implementation=cp");
    }
    command.args(clients::PYTHON.iter().map(|(name, version)| format!("{name}=={version}")));
    run(&mut command, "install the runtime client")?;
    let installed = build.runtime.join("awslambdaric/__main__.py");
    if installed.is_file() {
        Ok(())
    } else {
        let missing = installed.display().to_string();
        Err(RuntimeError::NotComplete { purpose: "install the runtime client", missing })
    }
}

impl Pip {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.env_remove("PYTHONHOME").env_remove("PYTHONPATH");
        if let Some(wheel) = &self.wheel {
            command.env("PYTHONPATH", wheel);
        }
        command.args(["-m", "pip"]);
        command
    }

    fn works(&self) -> bool {
        ask(self.command().arg("--version")).is_some()
    }
}

fn find(build: &Build<'_>, python: &Python, minor: u32) -> Result<Pip, RuntimeError> {
    let own = |wheel| Pip { python: python.program.clone(), wheel, for_itself: ForItself::Yes };
    let mut pips = vec![own(None)];
    pips.extend(wheels(build.host, python, minor).into_iter().map(|wheel| own(Some(wheel))));
    let others = build.host.programs("python3").into_iter();
    pips.extend(others.map(|python| Pip { python, wheel: None, for_itself: ForItself::No }));
    if let Some(pip) = pips.into_iter().find(Pip::works) {
        return Ok(pip);
    }
    (build.progress)("Downloading pip with apt-get");
    let downloaded = download(&build.work).map(|wheel| own(Some(wheel)));
    downloaded.filter(Pip::works).ok_or_else(|| RuntimeError::ToolsMissing {
        tools: "pip".to_owned(),
        install: "apt-get install python3-pip".to_owned(),
    })
}

/// The wheels of pip that are on this host.
fn wheels(host: &Host, python: &Python, minor: u32) -> Vec<PathBuf> {
    let bundled = python.prefix.join(format!("lib/python3.{minor}/ensurepip/_bundled"));
    let mut wheels = wheels_in(&bundled);
    wheels.extend(host.wheels.as_deref().map(wheels_in).unwrap_or_default());
    wheels
}

fn wheels_in(directory: &Path) -> Vec<PathBuf> {
    let mut wheels = children(directory);
    wheels.retain(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("pip-") && name.ends_with(".whl")
    });
    wheels
}

/// Downloads Debian's wheel of pip, if this is a Debian with package lists.
fn download(work: &Path) -> Option<PathBuf> {
    ask(Command::new("apt-get").args(["download", "python3-pip-whl"]).current_dir(work))?;
    let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let package = children(work).into_iter().find(is_package)?;
    let unpacked = work.join("pip");
    ask(Command::new("dpkg-deb").arg("-x").arg(&package).arg(&unpacked))?;
    wheels_in(&unpacked.join("usr/share/python-wheels")).into_iter().next()
}
