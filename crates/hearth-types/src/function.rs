//! What is needed to run a function: one immutable combination of code and configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ids::TargetId;
use crate::names::{FunctionArn, Version};

/// Something that can be invoked: everything that an environment has to know.
///
/// The control plane makes one for every change of a function; it never changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Tells this combination from every other one.
    pub id: TargetId,
    /// The function, without a qualifier.
    pub function: FunctionArn,
    /// The version that this is.
    pub version: Version,
    /// The runtime's name, such as `python3.12`.
    pub runtime: String,
    /// The handler, as the runtime's client understands it.
    pub handler: String,
    /// Memory in megabytes; CPU is given in proportion to it.
    pub memory_mb: u32,
    /// How long one invocation may take.
    pub timeout_seconds: u32,
    /// The size of `/tmp`.
    pub ephemeral_storage_mb: u32,
    /// The function's own environment variables.
    pub variables: BTreeMap<String, String>,
    /// The log group that the function writes to.
    pub log_group: String,
    /// From which level on the function's own logs are wanted, if it logs as JSON.
    pub application_log_level: Option<String>,
    /// The unpacked code, shared read-only by every environment of it.
    pub code: PathBuf,
    /// What its layers hold, laid over each other; shared likewise.
    pub layers: Option<PathBuf>,
}

/// The names that a function may not set itself.
pub const RESERVED_VARIABLES: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_FORMAT",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_LEVEL",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];
