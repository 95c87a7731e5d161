//! `hearth deploy`: makes a function of a directory, or brings one up to date.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use hearth_store::packages;
use hearth_types::names::FunctionName;
use hearth_wire::blob::Blob;
use hearth_wire::lambda::types::{
    CreateFunctionRequest, Environment, FunctionCode, FunctionConfiguration, GetFunctionResponse,
    UpdateFunctionCodeRequest, UpdateFunctionConfigurationRequest,
};
use hyper::{Method, StatusCode};
use tokio::time::{sleep, timeout};

use super::EndpointArgs;
use crate::client::{Call, Client, encoded};
use crate::ui;

/// How long a function may take to become ready: unpacking 250 MB takes some seconds.
const SETTLE_SECONDS_MAX: u64 = 120;
/// How often the server is asked whether it is.
const POLL: Duration = Duration::from_millis(100);

/// Zip a directory and create or update a function with it
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = "\
Examples:
  hearth deploy ./hello --runtime python3.12        lambda_function.py in ./hello
  hearth deploy ./api --runtime nodejs22.x --memory 512 --timeout 30 --env STAGE=test
  hearth deploy ./target/lambda/thing               a program called `bootstrap`
  hearth deploy build.zip --name thing --runtime python3.12 --handler app.main

A function that exists is updated: its code, and the settings that are given. The ARN is printed
on standard output, everything else on standard error.")]
pub(crate) struct DeployArgs {
    /// Directory with the function's code, or a zip file of one
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// Name of the function (default: the name of the directory)
    #[arg(long)]
    name: Option<String>,
    /// What runs it, such as python3.12; `hearth runtime list` shows what there is
    #[arg(long)]
    runtime: Option<String>,
    /// What is called, such as lambda_function.lambda_handler (default: found out by the files)
    #[arg(long)]
    handler: Option<String>,
    /// Memory in MB; CPU comes in proportion to it (default: 128)
    #[arg(long = "memory", value_name = "MB")]
    memory_mb: Option<i32>,
    /// How long one invocation may take (default: 3)
    #[arg(long = "timeout", value_name = "SECONDS")]
    timeout_seconds: Option<i32>,
    /// Environment variable; can be given several times, and replaces all that were set
    #[arg(long = "env", value_name = "KEY=VALUE")]
    variables: Vec<String>,
    /// ARN of the execution role (default: one that is made up)
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    #[command(flatten)]
    endpoint: EndpointArgs,
}

/// Deploys, and prints the function's ARN.
pub(crate) async fn run(args: &DeployArgs) -> anyhow::Result<ExitCode> {
    let client = args.endpoint.client()?;
    let deployment = args.deployment()?;
    let configuration = deploy(&client, &deployment).await?;
    ui::out(configuration.function_arn.as_deref().unwrap_or(&deployment.name))?;
    ui::note(&format!("Invoke it with: hearth invoke {} --payload '{{}}'", deployment.name));
    Ok(ExitCode::SUCCESS)
}

/// What is to be deployed.
#[derive(Debug, Clone)]
pub(super) struct Deployment {
    pub(super) name: String,
    pub(super) zip: Vec<u8>,
    /// What the user asked for.
    pub(super) given: Settings,
    /// What the files say, for a function that is new.
    pub(super) inferred: Settings,
}

/// Settings of a function. What is absent is left as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) runtime: Option<String>,
    pub(super) handler: Option<String>,
    pub(super) memory_mb: Option<i32>,
    pub(super) timeout_seconds: Option<i32>,
    pub(super) variables: Option<BTreeMap<String, String>>,
    pub(super) role: Option<String>,
}

impl DeployArgs {
    fn deployment(&self) -> anyhow::Result<Deployment> {
        let source = &self.source;
        let shown = source.display();
        let full = source.canonicalize().with_context(|| format!("there is no `{shown}`"))?;
        let (zip, inferred) = if full.is_dir() {
            let zip = packages::pack(&full).with_context(|| format!("could not zip `{shown}`"))?;
            (zip, infer(&full))
        } else {
            let zip = fs::read(&full).with_context(|| format!("could not read `{shown}`"))?;
            (zip, Settings::default())
        };
        let summary = packages::check(&zip)
            .with_context(|| format!("`{shown}` cannot be the code of a function"))?;
        ui::done(&format!(
            "Zipped `{shown}`: {} entries, {} ({} unpacked)",
            summary.entries,
            ui::size(summary.zip_bytes),
            ui::size(summary.unzipped_bytes)
        ));
        Ok(Deployment { name: self.name(&full)?, zip, given: self.settings()?, inferred })
    }

    fn name(&self, source: &Path) -> anyhow::Result<String> {
        let own = if source.is_dir() { source.file_name() } else { source.file_stem() };
        let own = own.and_then(|name| name.to_str()).unwrap_or_default();
        let name = self.name.as_deref().unwrap_or(own);
        FunctionName::parse(name).context("give the function a name with `--name NAME`")?;
        Ok(name.to_owned())
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        let mut variables = BTreeMap::new();
        for pair in &self.variables {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| anyhow!("`--env {pair}` must have the form `--env KEY=VALUE`"))?;
            variables.insert(key.to_owned(), value.to_owned());
        }
        Ok(Settings {
            runtime: self.runtime.clone(),
            handler: self.handler.clone(),
            memory_mb: self.memory_mb,
            timeout_seconds: self.timeout_seconds,
            variables: (!variables.is_empty()).then_some(variables),
            role: self.role.clone(),
        })
    }
}

/// What the files in a directory say about how they are to be run.
fn infer(directory: &Path) -> Settings {
    let has = |name: &str| directory.join(name).is_file();
    let text = |text: &str| Some(text.to_owned());
    if has("bootstrap") {
        let (runtime, handler) = (text("provided.al2023"), text("bootstrap"));
        Settings { runtime, handler, ..Settings::default() }
    } else if has("lambda_function.py") {
        Settings { handler: text("lambda_function.lambda_handler"), ..Settings::default() }
    } else if ["index.js", "index.mjs", "index.cjs"].into_iter().any(has) {
        Settings { handler: text("index.handler"), ..Settings::default() }
    } else {
        Settings::default()
    }
}

/// Creates or updates a function and waits until invocations get what was deployed.
pub(super) async fn deploy(
    client: &Client,
    deployment: &Deployment,
) -> anyhow::Result<Box<FunctionConfiguration>> {
    let name = &deployment.name;
    let existing = client.send(Call::lambda(Method::GET, path(name, ""))).await?;
    if existing.status == StatusCode::NOT_FOUND {
        ui::step(&format!("Creating {name}"));
        client.send(create(client, deployment)?).await?.accepted()?;
        let configuration = settled(client, name).await?;
        ui::done(&format!("Created {name}"));
        return Ok(configuration);
    }
    let existing: Box<GetFunctionResponse> = existing.accepted()?.json()?;
    let mut current = Box::new(existing.configuration.unwrap_or_default());
    if has_code(&current, &deployment.zip) {
        ui::done(&format!("The code of {name} is unchanged"));
    } else {
        ui::step(&format!("Updating the code of {name}"));
        client.send(update_code(deployment)?).await?.accepted()?;
        current = settled(client, name).await?;
        ui::done(&format!("Updated the code of {name}"));
    }
    if let Some(call) = update_settings(deployment, &current)? {
        ui::step(&format!("Updating the settings of {name}"));
        client.send(call).await?.accepted()?;
        current = settled(client, name).await?;
        ui::done(&format!("Updated the settings of {name}"));
    }
    Ok(current)
}

fn path(name: &str, part: &str) -> String {
    format!("/2015-03-31/functions/{}{part}", encoded(name))
}

fn create(client: &Client, deployment: &Deployment) -> anyhow::Result<Call> {
    let Deployment { name, zip, given, inferred } = deployment;
    let runtime = given.runtime.clone().or_else(|| inferred.runtime.clone());
    let handler = given.handler.clone().or_else(|| inferred.handler.clone());
    let made_up = || format!("arn:aws:iam::{}:role/hearth", client.account());
    let request = CreateFunctionRequest {
        function_name: name.clone(),
        runtime: Some(runtime.context(
            "say what runs the function, for example with `--runtime python3.12`; \
             `hearth runtime list` shows what is installed",
        )?),
        handler: Some(handler.context(
            "say what is called, for example with `--handler app.main` for `main` in `app.py`",
        )?),
        role: given.role.clone().unwrap_or_else(made_up),
        code: FunctionCode { zip_file: Some(Blob(zip.clone())), ..FunctionCode::default() },
        timeout: given.timeout_seconds,
        memory_size: given.memory_mb,
        environment: given.variables.clone().map(environment),
        architectures: Some(vec![architecture().to_owned()]),
        ..CreateFunctionRequest::default()
    };
    Call::lambda(Method::POST, "/2015-03-31/functions").json(&request)
}

fn update_code(deployment: &Deployment) -> anyhow::Result<Call> {
    let request = UpdateFunctionCodeRequest {
        function_name: deployment.name.clone(),
        zip_file: Some(Blob(deployment.zip.clone())),
        ..UpdateFunctionCodeRequest::default()
    };
    Call::lambda(Method::PUT, path(&deployment.name, "/code")).json(&request)
}

/// The call that makes the settings as given, or `None` if they are so already.
fn update_settings(
    deployment: &Deployment,
    current: &FunctionConfiguration,
) -> anyhow::Result<Option<Call>> {
    let given = &deployment.given;
    let variables =
        current.environment.as_ref().and_then(|environment| environment.variables.clone());
    let request = UpdateFunctionConfigurationRequest {
        function_name: deployment.name.clone(),
        runtime: changed(&given.runtime, &current.runtime),
        handler: changed(&given.handler, &current.handler),
        role: changed(&given.role, &current.role),
        timeout: changed(&given.timeout_seconds, &current.timeout),
        memory_size: changed(&given.memory_mb, &current.memory_size),
        environment: changed(&given.variables, &variables).map(environment),
        ..UpdateFunctionConfigurationRequest::default()
    };
    let nothing = UpdateFunctionConfigurationRequest {
        function_name: deployment.name.clone(),
        ..UpdateFunctionConfigurationRequest::default()
    };
    if request == nothing {
        return Ok(None);
    }
    let call = Call::lambda(Method::PUT, path(&deployment.name, "/configuration"));
    call.json(&request).map(Some)
}

fn changed<T: Clone + PartialEq>(given: &Option<T>, current: &Option<T>) -> Option<T> {
    given.clone().filter(|given| current.as_ref() != Some(given))
}

fn environment(variables: BTreeMap<String, String>) -> Environment {
    Environment { variables: Some(variables) }
}

/// This machine's architecture, in AWS's word: code that was built here runs here.
fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

fn has_code(current: &FunctionConfiguration, zip: &[u8]) -> bool {
    // After an update that failed, the record has code that is not being run.
    let usable = current.last_update_status.as_deref() != Some("Failed");
    usable && current.code_sha256 == Some(packages::CodeDigest::of(zip).base64())
}

/// Waits until the function is ready for what was changed last.
async fn settled(client: &Client, name: &str) -> anyhow::Result<Box<FunctionConfiguration>> {
    match timeout(Duration::from_secs(SETTLE_SECONDS_MAX), settling(client, name)).await {
        Ok(configuration) => configuration,
        Err(_) => bail!(
            "{name} is not ready after {SETTLE_SECONDS_MAX} seconds; \
             `hearth functions show {name}` says more"
        ),
    }
}

async fn settling(client: &Client, name: &str) -> anyhow::Result<Box<FunctionConfiguration>> {
    loop {
        let call = Call::lambda(Method::GET, path(name, "/configuration"));
        let configuration: Box<FunctionConfiguration> = client.ask(call).await?;
        if is_settled(&configuration)? {
            return Ok(configuration);
        }
        sleep(POLL).await;
    }
}

fn is_settled(configuration: &FunctionConfiguration) -> anyhow::Result<bool> {
    let state = configuration.state.as_deref().unwrap_or("Active");
    let update = configuration.last_update_status.as_deref().unwrap_or("Successful");
    let because = |reason: &Option<String>| match reason {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    };
    match (state, update) {
        ("Failed", _) => bail!("the function is unusable{}", because(&configuration.state_reason)),
        (_, "Failed") => {
            bail!("the update failed{}", because(&configuration.last_update_status_reason))
        }
        ("Pending", _) | (_, "InProgress") => Ok(false),
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_say_how_they_are_run() {
        #[rustfmt::skip]
        let rows = [
            ("bootstrap",          Some("provided.al2023"), Some("bootstrap")),
            ("lambda_function.py", None,                    Some("lambda_function.lambda_handler")),
            ("index.mjs",          None,                    Some("index.handler")),
            ("notes.txt",          None,                    None),
        ];
        for (file, runtime, handler) in rows {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join(file), "").unwrap();
            let inferred = infer(directory.path());
            assert_eq!(inferred.runtime.as_deref(), runtime, "{file}");
            assert_eq!(inferred.handler.as_deref(), handler, "{file}");
        }
    }

    #[test]
    fn only_what_differs_is_updated() {
        let deployment = |given| Deployment {
            name: "f".to_owned(),
            zip: Vec::new(),
            given,
            inferred: Settings::default(),
        };
        let current = FunctionConfiguration { memory_size: Some(128), ..Default::default() };
        let same = Settings { memory_mb: Some(128), ..Settings::default() };
        let other = Settings { memory_mb: Some(256), ..Settings::default() };
        assert!(update_settings(&deployment(same), &current).unwrap().is_none());
        assert!(update_settings(&deployment(other), &current).unwrap().is_some());
    }

    #[test]
    fn states_are_waited_for_or_given_up() {
        #[rustfmt::skip]
        let rows = [
            ("new",           Some("Pending"), None,               Some(false)),
            ("ready",         Some("Active"),  Some("Successful"), Some(true)),
            ("being updated", Some("Active"),  Some("InProgress"), Some(false)),
            ("unusable",      Some("Failed"),  None,               None),
            ("not updated",   Some("Active"),  Some("Failed"),     None),
        ];
        for (name, state, update, expected) in rows {
            let configuration = FunctionConfiguration {
                state: state.map(str::to_owned),
                last_update_status: update.map(str::to_owned),
                ..Default::default()
            };
            assert_eq!(is_settled(&configuration).ok(), expected, "{name}");
        }
    }
}
