//! What a server says about itself at `/_hearth/status`.
//!
//! What is not known here is ignored, and what is absent is nothing, so that this program can look
//! at a server that is older or newer.

use serde::Deserialize;

/// The whole server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) time: String,
    pub(super) version: String,
    pub(super) uptime_seconds: f64,
    pub(super) account: Account,
    pub(super) host: Host,
    pub(super) functions: Vec<Function>,
}

/// What all functions together use and may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Account {
    pub(super) concurrency: u64,
    pub(super) concurrency_max: u64,
    pub(super) unreserved_max: u64,
    pub(super) requests_per_second_max: u64,
}

/// What this machine has for environments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Host {
    pub(super) memory_mb_max: u64,
    pub(super) memory_mb_committed: u64,
    pub(super) environments: u64,
    pub(super) environments_max: u64,
    pub(super) starting: u64,
    pub(super) starts_max: u64,
    pub(super) waiting: u64,
}

/// One version of a function. Counts are since the start of the server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) environments: Environments,
    pub(super) waiting: u64,
    pub(super) running: u64,
    pub(super) reserved: Option<u64>,
    pub(super) provisioned: u64,
    pub(super) invocations: u64,
    pub(super) cold_starts: u64,
    pub(super) throttles: u64,
    pub(super) errors: u64,
    /// Of recent invocations, if there were any.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) memory_mb: u64,
    pub(super) keep_seconds: Option<f64>,
}

/// The environments of a function, by what they do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Environments {
    pub(super) starting: u64,
    pub(super) idle: u64,
    pub(super) busy: u64,
    pub(super) retiring: u64,
}
