//! The environment variables that a function finds, as AWS sets them.

use std::collections::BTreeMap;

use hearth_guest::protocol::TELEMETRY_DESCRIPTOR;
use hearth_runtimes::Runtime;
use hearth_types::function::Target;

/// Where the Runtime API listens inside.
pub const RUNTIME_API: &str = "169.254.100.1:9001";

/// What is not part of the function or its runtime.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// The log stream of this environment.
    pub log_stream: &'a str,
    /// The session that the function acts as.
    pub credentials: &'a Credentials,
    /// Where an SDK finds this server; `None` if it is not to be told.
    pub endpoint: Option<&'a str>,
    /// AWS's word for what the environment was started for.
    pub initialization: &'a str,
}

/// A session of the function's role.
#[derive(Clone)]
pub struct Credentials {
    /// `ASIA…`
    pub access_key_id: String,
    /// Never shown.
    pub secret_access_key: String,
    /// Never shown.
    pub session_token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Credentials({})", self.access_key_id)
    }
}

/// Everything that the runtime's environment contains, as `NAME=value`.
///
/// Later ones win: what a function may override comes before the function's own, what is reserved
/// comes after.
#[must_use]
pub fn variables(target: &Target, runtime: &Runtime, around: &Surroundings<'_>) -> Vec<String> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        all.insert(name.to_owned(), value.to_owned());
    };
    if let Some(endpoint) = around.endpoint {
        set("AWS_ENDPOINT_URL", endpoint);
    }
    overridable(&mut set, runtime);
    for (name, value) in &target.variables {
        set(name, value);
    }
    reserved(&mut set, target, around);
    constant(&mut set, runtime);
    listed(all)
}

/// What every function of a runtime finds unless it says otherwise, as `NAME=value`.
#[must_use]
pub fn shared(runtime: &Runtime) -> Vec<String> {
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        all.insert(name.to_owned(), value.to_owned());
    };
    overridable(&mut set, runtime);
    constant(&mut set, runtime);
    listed(all)
}

fn listed(all: BTreeMap<String, String>) -> Vec<String> {
    all.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// AWS: what an extension does not find in its environment, because it is the runtime's business.
const HIDDEN_FROM_EXTENSIONS: &[&str] = &[
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT",
    "_HANDLER",
    "_LAMBDA_TELEMETRY_LOG_FD",
    "PWD",
];

/// What an extension finds of the runtime's variables.
#[must_use]
pub fn for_extensions(variables: &[String]) -> Vec<String> {
    let shown = |variable: &&String| {
        let name = variable.split_once('=').map_or(variable.as_str(), |(name, _)| name);
        !HIDDEN_FROM_EXTENSIONS.contains(&name)
    };
    variables.iter().filter(shown).cloned().collect()
}

fn overridable(set: &mut impl FnMut(&str, &str), runtime: &Runtime) {
    #[rustfmt::skip]
    let rows = [
        ("LANG",                     "en_US.UTF-8"),
        ("PATH",                     "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("LD_LIBRARY_PATH",          "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"),
        ("TZ",                       ":UTC"),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("AWS_XRAY_DAEMON_ADDRESS",  "169.254.100.1:2000"),
        ("_AWS_XRAY_DAEMON_ADDRESS", "169.254.100.1"),
        ("_AWS_XRAY_DAEMON_PORT",    "2000"),
        ("PWD",                      "/var/task"),
        ("SHLVL",                    "0"),
    ];
    for (name, value) in rows {
        set(name, value);
    }
    for (name, value) in &runtime.manifest.environment {
        set(name, value);
    }
}

/// What is the same for all functions of a runtime, and not theirs to change.
fn constant(set: &mut impl FnMut(&str, &str), runtime: &Runtime) {
    let telemetry = TELEMETRY_DESCRIPTOR.to_string();
    #[rustfmt::skip]
    let rows = [
        ("AWS_LAMBDA_RUNTIME_API",   RUNTIME_API),
        ("LAMBDA_TASK_ROOT",         "/var/task"),
        ("LAMBDA_RUNTIME_DIR",       "/var/runtime"),
        ("_LAMBDA_TELEMETRY_LOG_FD", telemetry.as_str()),
    ];
    for (name, value) in rows {
        set(name, value);
    }
    if let Some(name) = &runtime.manifest.execution_environment {
        set("AWS_EXECUTION_ENV", name);
    }
}

fn reserved(set: &mut impl FnMut(&str, &str), target: &Target, around: &Surroundings<'_>) {
    let region = target.function.scope.region.as_str();
    let memory = target.memory_mb.to_string();
    let version = target.version.to_string();
    let log_format = if target.application_log_level.is_some() { "JSON" } else { "Text" };
    if let Some(level) = &target.application_log_level {
        set("AWS_LAMBDA_LOG_LEVEL", level);
    }
    #[rustfmt::skip]
    let rows = [
        ("_HANDLER",                        target.handler.as_str()),
        ("AWS_REGION",                      region),
        ("AWS_DEFAULT_REGION",              region),
        ("AWS_LAMBDA_FUNCTION_NAME",        target.function.name.as_str()),
        ("AWS_LAMBDA_FUNCTION_VERSION",     version.as_str()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory.as_str()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE",  around.initialization),
        ("AWS_LAMBDA_LOG_GROUP_NAME",       target.log_group.as_str()),
        ("AWS_LAMBDA_LOG_STREAM_NAME",      around.log_stream),
        ("AWS_LAMBDA_LOG_FORMAT",           log_format),
        ("AWS_ACCESS_KEY_ID",               around.credentials.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY",           around.credentials.secret_access_key.as_str()),
        ("AWS_SESSION_TOKEN",               around.credentials.session_token.as_str()),
    ];
    for (name, value) in rows {
        set(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_does_not_find_what_is_the_runtimes() {
        let all = ["_HANDLER=a.b", "PATH=/bin", "OWN=_HANDLER=x", "AWS_XRAY_DAEMON_ADDRESS=a:1"];
        let all = all.map(str::to_owned);
        assert_eq!(for_extensions(&all), ["PATH=/bin", "OWN=_HANDLER=x"]);
    }
}
