//! Node.js: an interpreter of this host, and AWS's client, whose native half npm builds.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::add::Build;
use crate::host::{Host, children, is_program};
use crate::run::{ask, run};
use crate::{Client, Manifest, RuntimeError, Warm, clients};

/// An interpreter, as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The installation that it belongs to: `<prefix>/bin/node`.
    pub(crate) prefix: PathBuf,
    /// Such as `22.11.0`.
    pub(crate) version: String,
}

/// What the native half is built with: the program, and the Debian package that it is in.
const TOOLS: &[(&str, &str)] = &[
    ("npm", "npm"),
    ("cmake", "cmake"),
    ("autoreconf", "autoconf"),
    ("automake", "automake"),
    ("libtoolize", "libtool"),
    ("g++", "g++"),
    ("make", "make"),
    ("python3", "python3"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
];

/// Puts a Node.js runtime together.
pub(crate) fn build(build: &Build<'_>, major: u32) -> Result<Manifest, RuntimeError> {
    let node = find(build.host, major, build.from)?;
    (build.progress)(&format!("Using Node.js {} in {}", node.version, node.prefix.display()));
    let host = with_own_programs(build.host, &node.prefix);
    let missing = host.packages_missing(TOOLS);
    if !missing.is_empty() {
        let install = format!("apt-get install {}", missing.join(" "));
        return Err(RuntimeError::ToolsMissing { tools: missing.join(", "), install });
    }
    let client = if major >= clients::NODEJS_CURRENT_FROM { &CURRENT } else { &OLD };
    let version = client.version;
    (build.progress)(&format!("Building {} {version}, about a minute", clients::NODEJS));
    let workshop = Workshop::beside(&build.work, build.name)?;
    npm_install(&workshop.path, &host, &node, client)?;
    keep(&workshop.path.join("node_modules").join(clients::NODEJS), client.kept, &build.runtime)?;
    for (name, text) in client.written {
        let file = build.runtime.join(name);
        fs::write(&file, text).map_err(RuntimeError::writing(&file))?;
    }

    let mut manifest = Manifest::managed(build.name, "nodejs", &node.version);
    let program = if node.prefix == Path::new("/usr") {
        "/usr/bin/node"
    } else {
        manifest.language = Some(node.prefix);
        "/var/lang/bin/node"
    };
    let flags = ["--max-http-header-size=81920", "--max-old-space-size={memory_mb_for_heap}"];
    let command = [program, flags[0], flags[1], client.entry];
    manifest.command = command.map(str::to_owned).to_vec();
    // As AWS documents it: what layers bring, then the runtime, then the function.
    let path = format!(
        "/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules:\
         /var/runtime/node_modules:/var/runtime:/var/task"
    );
    manifest.environment.insert("NODE_PATH".to_owned(), path);
    manifest.client = Some(Client::new(clients::NODEJS, version));
    manifest.warm = Some(Warm::new(DECIDED_BY, &["NODE_ENV"], client.told_to_wait));
    Ok(manifest)
}

/// One of AWS's two clients, and how it is started ahead of need.
struct Generation {
    version: &'static str,
    /// The project that npm installs it into.
    project: &'static str,
    /// The files of the package that are needed after it has been built, and the licences that go
    /// with them. The rest of it is sources.
    kept: &'static [&'static str],
    /// Files of ours beside them, and what is in them.
    written: &'static [(&'static str, &'static str)],
    /// What the interpreter is started with.
    entry: &'static str,
    /// The variables that have it wait.
    told_to_wait: &'static [(&'static str, &'static str)],
}

/// This client starts when it is imported. So it is imported behind a module that waits: by then its
/// code is compiled, and what it loads first is loaded. An option such as `--import` would do for
/// that as well, but every worker thread of the function inherits it, and starts otherwise then.
const CURRENT: Generation = Generation {
    version: clients::NODEJS_CURRENT,
    project: "{}",
    kept: &[
        "index.mjs",
        "rapid-client.node",
        "package.json",
        "LICENSE",
        "NOTICE",
        "THIRD-PARTY-LICENSES",
    ],
    written: &[
        ("bootstrap.mjs", BOOTSTRAP),
        ("warm.mjs", include_str!("nodejs_warm.mjs")),
        ("ready.mjs", READY),
        ("wait.mjs", WAIT),
        ("lazy.mjs", LAZY),
    ],
    entry: ENTRY,
    told_to_wait: &[("_HEARTH_WARM", "node:http,node:os,node:worker_threads,./rapid-client.node")],
};

/// This one is imported first and started then. It has run once when the interpreter waits.
const OLD: Generation = Generation {
    version: clients::NODEJS_OLD,
    project: clients::NODEJS_OLD_PROJECT,
    kept: &[
        "dist/index.mjs",
        "dist/rapid-client.node",
        "LICENSE",
        "NOTICE",
        "THIRD-PARTY-LICENSES",
    ],
    written: &[
        ("bootstrap.mjs", BOOTSTRAP_OLD),
        ("warm.mjs", include_str!("nodejs_warm_old.mjs")),
        ("pretend.mjs", PRETEND),
        ("wait.mjs", WAIT),
    ],
    entry: ENTRY,
    told_to_wait: &[("_HEARTH_WARM", "1")],
};

/// Of either client.
const ENTRY: &str = "/var/runtime/bootstrap.mjs";

/// What the loader, the C library, the interpreter or the client's modules read once. The time zone
/// is not among them.
const DECIDED_BY: &[&str] = &[
    "NODE_",
    "LD_",
    "GLIBC_",
    "MALLOC_",
    "LANG",
    "LC_",
    "ICU_",
    "UV_",
    "OPENSSL_",
    "SSL_",
    "AWS_LAMBDA_EXEC_WRAPPER",
    "AWS_LAMBDA_NODEJS_",
    "AWS_LAMBDA_RUNTIME_VERBOSE",
];

/// Every interpreter of Node.js on this host, best first.
pub(crate) fn all(host: &Host) -> Vec<Node> {
    let mut programs = host.programs("node");
    let nvm = host.nvm_versions.as_deref().map(children).unwrap_or_default();
    programs.extend(nvm.into_iter().map(|prefix| prefix.join("bin/node")));
    programs.retain(|program| is_program(program));
    programs.iter().filter_map(|program| describe(program)).collect()
}

impl Node {
    /// The first number of its version.
    pub(crate) fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }
}

fn find(host: &Host, major: u32, from: Option<&Path>) -> Result<Node, RuntimeError> {
    let found: Vec<Node> = match from {
        Some(prefix) => describe(&prefix.join("bin/node")).into_iter().collect(),
        None => all(host),
    };
    let found = found.into_iter().find(|node| node.major() == Some(major));
    found.ok_or_else(|| RuntimeError::NoInterpreter {
        what: format!("Node.js {major}"),
        place: from.map_or_else(|| " on PATH".to_owned(), |from| format!(" in {}", from.display())),
        next: "Install it, or say where it is: --from PREFIX, with PREFIX/bin/node".to_owned(),
    })
}

/// Asks an interpreter what it is. What is on `PATH` may be the script of a version manager.
fn describe(program: &Path) -> Option<Node> {
    let question = "process.versions.node + '\\n' + process.execPath";
    let said = ask(Command::new(program).env_remove("NODE_OPTIONS").args(["-p", question]))?;
    let mut lines = said.lines();
    let (version, program) = (lines.next()?, PathBuf::from(lines.next()?).canonicalize().ok()?);
    let programs = program.parent().filter(|parent| parent.ends_with("bin"))?;
    Some(Node { prefix: programs.parent()?.to_owned(), version: version.to_owned() })
}

/// The host with the interpreter's own programs first, so that its npm is the one that runs.
fn with_own_programs(host: &Host, prefix: &Path) -> Host {
    let mut host = host.clone();
    host.path.insert(0, prefix.join("bin"));
    host
}

/// Where the client is built. Its tools cannot be in a directory whose name has a space in it.
struct Workshop {
    path: PathBuf,
    /// What is to be removed: it is not in the place for work.
    elsewhere: Option<PathBuf>,
}

impl Workshop {
    fn beside(work: &Path, name: &str) -> Result<Workshop, RuntimeError> {
        if !work.to_string_lossy().contains(char::is_whitespace) {
            return Ok(Workshop { path: work.to_owned(), elsewhere: None });
        }
        let path = env::temp_dir().join(format!("hearth-{name}-{}", process::id()));
        // It must not be there: in a directory for all, it could be somebody else's.
        DirBuilder::new().mode(0o700).create(&path).map_err(RuntimeError::writing(&path))?;
        Ok(Workshop { elsewhere: Some(path.clone()), path })
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Some(path) = &self.elsewhere
            && let Err(error) = fs::remove_dir_all(path)
        {
            tracing::warn!(path = %path.display(), %error, "left behind");
        }
    }
}

/// Installs the client with npm, into `node_modules`.
fn npm_install(
    place: &Path,
    host: &Host,
    node: &Node,
    client: &Generation,
) -> Result<(), RuntimeError> {
    let purpose = "build the runtime client";
    let project = place.join("package.json");
    fs::write(&project, client.project).map_err(RuntimeError::writing(&project))?;
    let path: OsString = env::join_paths(&host.path).unwrap_or_default();
    let npm = host.program("npm").unwrap_or_else(|| PathBuf::from("npm"));
    let mut command = Command::new(npm);
    command.env("PATH", path).env_remove("NODE_OPTIONS").current_dir(place);
    // With the headers at hand, the build does not download them.
    if node.prefix.join("include/node/node_api.h").is_file() {
        command.env("npm_config_nodedir", &node.prefix);
    }
    command.arg("install").arg("--prefix").arg(place);
    command.args([
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--loglevel=error",
    ]);
    command.args(["--ignore-scripts=false"]).arg(format!("{}@{}", clients::NODEJS, client.version));
    run(&mut command, purpose).map(drop)
}

fn keep(package: &Path, files: &[&str], runtime: &Path) -> Result<(), RuntimeError> {
    for file in files {
        let from = package.join(file);
        if !from.is_file() {
            let missing = from.display().to_string();
            return Err(RuntimeError::NotComplete { purpose: "build the runtime client", missing });
        }
        let name = from.file_name().expect("every file of the list has a name");
        let to = runtime.join(name);
        fs::copy(&from, &to).map_err(RuntimeError::writing(&to))?;
    }
    Ok(())
}

const BOOTSTRAP: &str = "\
// Starts AWS's runtime client, as the managed runtimes do. Written by `hearth runtime add`.
await import(process.env._HEARTH_WARM === undefined ? './index.mjs' : './warm.mjs');
";

/// The old client's own program prints a line for every start, which AWS's runtime does not.
const BOOTSTRAP_OLD: &str = "\
// Starts AWS's runtime client, as the managed runtimes do. Written by `hearth runtime add`.
if (process.env._HEARTH_WARM !== undefined) await import('./warm.mjs');
const { run } = await import('./index.mjs');

await run(process.env.LAMBDA_TASK_ROOT ?? '/var/task', process.env._HANDLER);
";

/// Blocks when it is imported, until there is a function.
const WAIT: &str = include_str!("nodejs_wait.mjs");

/// What the old client runs before it waits.
const PRETEND: &str = "\
// A function that does nothing, for the client before it waits. Written by `hearth runtime add`.
export const handler = async () => ({});
";

/// All three are compiled before the first of them runs.
const READY: &str = "\
// Waits, and starts AWS's client then. Written by `hearth runtime add`.
import './wait.mjs';
import './lazy.mjs';
import './index.mjs';
";

const LAZY: &str = "\
// Has functions compiled when they are called first, again. Written by `hearth runtime add`.
import { createRequire } from 'node:module';

createRequire(import.meta.url)('node:v8').setFlagsFromString('--lazy');
";
