//! `hearth quickstart`: everything in a minute, on a server of its own.
//!
//! ```text
//! data directory ─▶ Python runtime ─▶ server ─▶ for each bundled function:
//!                                               deploy, invoke cold, invoke warm
//! ```
//!
//! # Promises
//!
//! 1. Without `--data-dir` nothing is left behind: what it made is removed, also when it fails or
//!    is interrupted once its server has been started.
//! 2. It ends with exit code 0 only when every invocation was answered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use hearth_isolation::host::{Weakness, examine};
use hearth_runtimes::candidates;
use hearth_store::packages;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::deploy::{Deployment, Settings, deploy};
use super::runtime;
use crate::client::{Call, Client};
use crate::config::{Config, Flags, PORT};
use crate::serve;
use crate::timeline::{self, Bars, Timeline};
use crate::ui;

const PYTHON_SOURCE: &str = include_str!("../../functions/hello_python/lambda_function.py");
const COMPILED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bootstrap"));
const EVENT: &str = r#"{"name": "Hearth"}"#;

/// Show everything in a minute: start a server, deploy two functions, invoke them
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
It starts a server in a temporary directory, adds a Python runtime of this machine's interpreter,
deploys a Python function and a compiled one, invokes each twice and shows where the time went.
Then it stops the server and removes everything, unless told otherwise:

  hearth quickstart --keep                     leave the server running until Ctrl-C
  hearth quickstart --data-dir ./hearth-data   keep the functions for `hearth serve`")]
pub(crate) struct QuickstartArgs {
    /// Leave the server running until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Where to keep functions, code and logs (default: a temporary directory)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Shows everything.
pub(crate) async fn run(args: &QuickstartArgs) -> anyhow::Result<ExitCode> {
    let place = Place::prepare(args.data_dir.as_deref())?;
    let config = configuration(place.path())?;
    let python = python_runtime(&serve::runtimes_directory(&config.data_dir))?;
    let mut signals = Signals::listen()?;
    ui::step("Starting the server");
    let server = serve::start(&config).await.context("could not start the server")?;
    let endpoint = format!("http://{}", server.address());
    ui::done(&format!("Hearth listens on {endpoint}"));

    let toured = tokio::select! {
        toured = tour(&endpoint, &config, &python) => toured,
        () = signals.any() => Err(anyhow!("interrupted")),
    };
    if toured.is_ok() && args.keep {
        ui::note("The server keeps running. Press Ctrl-C to stop it.");
        signals.any().await;
    }
    ui::step("Stopping the server");
    let stopped = server.stop().await.context("could not stop the server cleanly");
    let removed = place.leave();
    // What went wrong first is what somebody wants to know.
    toured.and(stopped).and(removed)?;
    Ok(ExitCode::SUCCESS)
}

/// Where the server keeps its data.
enum Place {
    Temporary(tempfile::TempDir),
    Given(PathBuf),
}

impl Place {
    fn prepare(given: Option<&Path>) -> anyhow::Result<Place> {
        if let Some(given) = given {
            let absolute =
                std::path::absolute(given).context("could not use the data directory")?;
            return Ok(Place::Given(absolute));
        }
        let temporary = tempfile::Builder::new().prefix("hearth-quickstart-").tempdir();
        Ok(Place::Temporary(temporary.context("could not make a temporary directory")?))
    }

    fn path(&self) -> &Path {
        match self {
            Place::Temporary(directory) => directory.path(),
            Place::Given(path) => path,
        }
    }

    fn leave(self) -> anyhow::Result<()> {
        match self {
            Place::Temporary(directory) => {
                directory.close().context("could not remove the temporary directory")
            }
            Place::Given(_) => Ok(()),
        }
    }
}

/// The configuration of this user, but with a data directory and a port that are free.
fn configuration(data_dir: &Path) -> anyhow::Result<Config> {
    let data_dir = data_dir.to_str().context("the data directory's name is not UTF-8")?;
    let weaknesses = examine().weaknesses;
    if !weaknesses.is_empty() && weaknesses.iter().copied().all(Weakness::is_bearable) {
        ui::warn(
            "this host cannot enforce every limit (`hearth doctor` says more). The bundled \
             functions are harmless, so the tour goes on; `hearth serve` would refuse",
        );
    }
    let flags = Flags {
        listen: Some(free_address()?.to_string()),
        data_dir: Some(data_dir.to_owned()),
        allow_weaker: true,
        ..Flags::default()
    };
    let (config, _origins) = Config::load(&flags)?;
    Ok(config)
}

/// The usual address, or any free one if somebody has it.
fn free_address() -> anyhow::Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    match TcpListener::bind(usual) {
        Ok(_free) => Ok(usual),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            ui::warn(&format!("port {PORT} is taken; using another one"));
            Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        }
        Err(error) => Err(error).with_context(|| format!("could not listen on {usual}")),
    }
}

/// The newest Python runtime that is installed, or else the newest that can be added.
fn python_runtime(directory: &Path) -> anyhow::Result<String> {
    let names = runtime::open(directory)?.names();
    if let Some(name) = names.into_iter().max_by_key(|name| python_minor(name))
        && python_minor(&name).is_some()
    {
        return Ok(name);
    }
    let mut found = candidates();
    found.retain(|candidate| python_minor(&candidate.name).is_some());
    found.sort_by_key(|candidate| Reverse(python_minor(&candidate.name)));
    let mut failure = anyhow!(
        "found no Python 3.10 or newer, and the tour runs a function in Python. Install one, for \
         example with `apt-get install python3`, and try again"
    );
    for candidate in found {
        ui::step(&format!("Adding the runtime {} (Python {})", candidate.name, candidate.version));
        match runtime::add(directory, &candidate.name, None) {
            Ok(_added) => return Ok(candidate.name),
            Err(error) => {
                ui::warn(&format!("{error:#}"));
                failure = error;
            }
        }
    }
    Err(failure)
}

/// The 11 of `python3.11`.
fn python_minor(runtime: &str) -> Option<u32> {
    runtime.strip_prefix("python3.")?.parse().ok()
}

/// The signals that end a server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("could not listen for signals");
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Deploys and invokes the bundled functions, and says how to go on.
async fn tour(endpoint: &str, config: &Config, python: &str) -> anyhow::Result<()> {
    let client = Client::new(endpoint, config.account.as_str(), config.region.as_str())?;
    for deployment in [python_function(python)?, compiled_function()?] {
        deploy(&client, &deployment).await?;
        for _cold_then_warm in 0..2 {
            show_invocation(&client, &deployment.name).await?;
        }
    }
    ui::out(&how_to_go_on(endpoint, config.region.as_str()))
}

fn python_function(runtime: &str) -> anyhow::Result<Deployment> {
    let file =
        CodeFile { name: "lambda_function.py", bytes: PYTHON_SOURCE.as_bytes(), mode: 0o644 };
    bundled("hello-python", file, (runtime, "lambda_function.lambda_handler"))
}

fn compiled_function() -> anyhow::Result<Deployment> {
    let file = CodeFile { name: "bootstrap", bytes: COMPILED, mode: 0o755 };
    bundled("hello-compiled", file, ("provided.al2023", "bootstrap"))
}

/// The only file of a bundled function.
struct CodeFile {
    name: &'static str,
    bytes: &'static [u8],
    mode: u32,
}

fn bundled(
    name: &str,
    file: CodeFile,
    (runtime, handler): (&str, &str),
) -> anyhow::Result<Deployment> {
    let packed = || {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join(file.name);
        fs::write(&path, file.bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
        anyhow::Ok(packages::pack(directory.path())?)
    };
    Ok(Deployment {
        name: name.to_owned(),
        zip: packed().with_context(|| format!("could not zip the bundled function {name}"))?,
        given: Settings {
            runtime: Some(runtime.to_owned()),
            handler: Some(handler.to_owned()),
            memory_mb: Some(256),
            timeout_seconds: Some(10),
            variables: Some(BTreeMap::from([("STAGE".to_owned(), "quickstart".to_owned())])),
            role: None,
        },
        inferred: Settings::default(),
    })
}

/// Invokes a function and prints its answer and where the time went.
async fn show_invocation(client: &Client, name: &str) -> anyhow::Result<()> {
    let call = Call::invocation(name, Bytes::from_static(EVENT.as_bytes()))
        .header(timeline::HEADER, timeline::ASK);
    let answer = client.send(call).await?.accepted()?;
    let payload = String::from_utf8_lossy(&answer.body);
    if let Some(kind) = answer.header("x-amz-function-error") {
        bail!("{name} ended in an error ({kind}): {payload}");
    }
    let timeline = answer.header(timeline::HEADER).map(Timeline::parse).transpose()?;
    let how = match &timeline {
        Some(timeline) if timeline.is_cold() => ", cold: in a new environment",
        Some(_) => ", warm: in the environment of before",
        None => "",
    };
    ui::out(&format!("\n{name}{how}\n  {payload}"))?;
    match timeline {
        Some(timeline) => ui::out(&timeline.draw(Bars::on(ui::out_is_terminal()))),
        None => Ok(()),
    }
}

fn how_to_go_on(endpoint: &str, region: &str) -> String {
    format!(
        "
With the AWS CLI, or any other AWS tool, while a server runs:

  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION={region}
  aws --endpoint-url {endpoint} lambda list-functions
  aws --endpoint-url {endpoint} lambda invoke --function-name hello-python \\
      --cli-binary-format raw-in-base64-out --payload '{{\"name\": \"you\"}}' /dev/stdout

Next: `hearth quickstart --keep` leaves this server running, `hearth serve` starts one that keeps
its functions, and `hearth deploy DIR` deploys your own."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_python_is_known_by_its_number() {
        assert!(python_minor("python3.9") < python_minor("python3.11"));
        assert_eq!(python_minor("provided.al2023"), None);
        assert_eq!(python_minor("nodejs22.x"), None);
    }

    #[test]
    fn the_bundled_functions_are_good_packages() {
        for deployment in [python_function("python3.11").unwrap(), compiled_function().unwrap()] {
            let summary = packages::check(&deployment.zip).unwrap();
            assert_eq!(summary.entries, 1, "{}", deployment.name);
        }
    }

    #[test]
    fn what_was_made_for_the_tour_is_removed() {
        let place = Place::prepare(None).unwrap();
        let path = place.path().to_owned();
        assert!(path.is_dir());
        place.leave().unwrap();
        assert!(!path.exists());
    }
}
